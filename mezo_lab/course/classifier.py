"""The toy of notebook 12: a linear classifier of Gaussian inputs, whose accuracy is known without a test set."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.sampling import Estimate, projected_gradient
from mezo_lab.validation import one_of

__all__ = ["TrainedClassifier", "angle", "classifier_accuracy", "train_classifier"]

_SEED = 1
_RATES = (0.01, 0.03, 0.1, 0.3)
_ESTIMATES = ("two-sided", "leave-one-out", "rank")


@dataclass(frozen=True)
class TrainedClassifier:
    """What MeZO made of the classifier, at the best of several learning rates."""

    accuracy: Estimate
    """At the end, over the starts."""
    zeros: float
    """The share of probes that saw no difference."""
    lr: float


def angle(one: Tensor, other: Tensor) -> Tensor:
    """The angle between vectors, along the last axis.

    >>> round(float(angle(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]))), 3)
    1.571
    """
    cosine = (one * other).sum(-1) / one.norm(dim=-1) / other.norm(dim=-1)
    return torch.arccos(cosine.clamp(-1, 1))


def classifier_accuracy(theta: Tensor) -> Tensor:
    """How often the sign of xᵀθ is that of x_1, for inputs x without a preferred direction.

    Source: derived; two classifiers disagree on the inputs between their boundaries. Formula: 1 − ∠(θ, e_1)/π.

    >>> float(classifier_accuracy(torch.tensor([0.0, 1.0])))
    0.5
    """
    truth = torch.zeros_like(theta)
    truth[..., 0] = 1
    return 1 - angle(theta, truth) / math.pi


def train_classifier(
    objective: Callable[[Tensor], Tensor],
    epsilon: float,
    *,
    steps: int,
    probes: int = 1,
    estimate: str = "two-sided",
    dim: int = 20,
    batch: int = 16,
    starts: int = 10,
    rates: Sequence[float] = _RATES,
) -> TrainedClassifier:
    """Train from random starts with MeZO and Gaussian probes, on fresh examples at each step.

    The rate is the best by the accuracy at the end, which favours all objectives alike.

    Args:
        objective: of margins (…, batch) to losses (…), which a step makes smaller.
        epsilon: ε; the starts have ‖θ‖ of about 1.
        steps: of each training.
        probes: n, of a step.
        estimate: "two-sided", of 2n forward passes a step; or that of a population of n, of n forward passes: each loss
            less the mean of the others ("leave-one-out"), or its rank among them ("rank"), as `MeZO` has them.
        dim: d, of the inputs.
        batch: examples of a step.
        starts: trainings at each rate.
        rates: learning rates.
    Returns: the accuracy at the end, the share of probes that saw no difference, and the rate; all at the best rate.
    Raises: ValueError for another estimate, and for a population of one.

    >>> train_classifier(lambda margins: (margins < 0).double().mean(-1), 0.3, steps=50, starts=2).accuracy.count
    2
    """
    one_of("estimate", estimate, _ESTIMATES)
    if estimate != "two-sided" and probes < 2:
        raise ValueError(f"`probes` must be at least 2 for a population, got {probes}: a loss alone has no other.")
    generator = torch.Generator().manual_seed(_SEED)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    lr = torch.tensor(rates, dtype=torch.float64)[:, None, None]
    theta = (normal(starts, dim) / math.sqrt(dim)).expand(len(rates), starts, dim)
    zeros = torch.zeros(len(rates), dtype=torch.float64)
    for _ in range(steps):
        x = normal(starts, batch, dim)
        signed = x[..., :1].sign() * x  # y·x, where the label y is the sign of x_1

        def loss(points: Tensor, signed: Tensor = signed) -> Tensor:
            return objective(points @ signed.mT)  # of points (rates, starts, n, dim)

        z = normal(starts, probes, dim)
        pg = _projected(estimate, loss, theta[..., None, :], z, epsilon)  # (rates, starts, n)
        theta = theta - lr * (pg[..., None] * z).mean(2)
        zeros = zeros + (pg == 0).double().mean((1, 2)) / steps
    accuracy = classifier_accuracy(theta)
    best = int(accuracy.mean(1).argmax())
    error = float(accuracy[best].std()) / math.sqrt(starts)
    return TrainedClassifier(Estimate(float(accuracy[best].mean()), error, starts), float(zeros[best]), rates[best])


def _projected(estimate: str, loss: Callable[[Tensor], Tensor], theta: Tensor, z: Tensor, epsilon: float) -> Tensor:
    """pg of each probe, (…, n)."""
    if estimate == "two-sided":
        return projected_gradient(loss, theta, z, epsilon)
    losses = loss(theta + epsilon * z)
    count = losses.shape[-1]
    if estimate == "rank":  # from −½ to ½; equal losses share the mean of their ranks
        signs = (losses[..., :, None] - losses[..., None, :]).sign()
        return signs.sum(-1) / (2 * (count - 1)) / epsilon
    return (losses - losses.mean(-1, keepdim=True)) * count / (count - 1) / epsilon
