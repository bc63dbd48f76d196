"""The largest stable learning rate from three measured numbers of the curvature: tr H, tr H² and λ_max."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from mezo_lab.curvature.lanczos import Eigenvalue, largest_eigenvalue_iterated
from mezo_lab.curvature.passes import NO_PASSES, CountedLoss, PassCount
from mezo_lab.curvature.stochastic import second_differences, trace_estimate, trace_square_estimate
from mezo_lab.curvature.vectors import Loss
from mezo_lab.sampling import Estimate, Progress
from mezo_lab.theory import GAUSSIAN, Moments, stability_bounds
from mezo_lab.validation import whole


@dataclass(frozen=True)
class StableLearningRate:
    """The curvature of a loss, and the learning rate up to which MeZO is stable there, each with its error."""

    trace: Estimate
    """tr H."""
    trace_sq: Estimate
    """tr H²."""
    norm: Eigenvalue
    """λ_max, with a bound on its error."""
    probes: int
    """n."""
    moments: Moments
    """Of the law of z."""
    beta: float = 0.0
    """β of the optimizer's averaged momentum, 0 for none."""
    passes: PassCount = NO_PASSES
    """The passes that the measurement made."""

    @property
    def effective_rank(self) -> Estimate:
        """r = tr H/λ_max."""
        return self.trace.map(lambda trace: trace / self.norm.value)

    @property
    def lr(self) -> float:
        """The middle of what the three numbers leave possible."""
        return sum(self.bounds()) / 2

    @property
    def error(self) -> float:
        """Half the width of what they leave possible, and one error of each of the three, added up."""
        low, high = self.bounds()
        errors = (
            (self.trace.standard_error, 0.0, 0.0),
            (0.0, self.trace_sq.standard_error, 0.0),
            (0.0, 0.0, self.norm.residual),
        )
        sampled = (abs(sum(self.bounds(*error)) / 2 - self.lr) for error in errors)
        return (high - low) / 2 + sum(sampled)

    def bounds(self, trace: float = 0.0, trace_sq: float = 0.0, norm: float = 0.0) -> tuple[float, float]:
        """`theory.stability_bounds` at the measured numbers, each shifted by the argument of its name."""
        norm = self.norm.value + norm
        trace = max(self.trace.mean + trace, norm)
        # every spectrum obeys λ_max² ≤ tr H² ≤ λ_max·tr H, and a sample need not
        trace_sq = min(max(self.trace_sq.mean + trace_sq, norm**2), norm * trace)
        return stability_bounds(trace, trace_sq, norm, self.probes, self.moments, self.beta)

    def __str__(self) -> str:
        return f"{self.lr:.3g} ± {self.error:.1g}"


def predict_stable_lr(
    parameters: Iterable[Tensor],
    loss: Loss,
    *,
    probes: int = 1,
    moments: Moments = GAUSSIAN,
    beta: float = 0.0,
    draws: int = 100,
    products: int = 100,
    tolerance: float = 1e-2,
    epsilon: float = 1e-3,
    seed: int = 0,
    progress: Callable[[str], Progress] | None = None,
) -> StableLearningRate:
    """The largest learning rate at which the mean loss of MeZO does not grow, from the curvature at the present θ.

    Source: derived, `theory.stability`. Assumes: the loss is the quadratic that it looks like at θ, with H ⪰ 0; for
    laws with coincidence ≠ 0, H along the coordinates (in general directions pass `theory.rotation_average`).
    Cost: `prediction_passes(draws, products)`: 2·draws + 2 forward passes, 1 backward pass and at most `products`
    Hessian-vector products, as long as 2·draws + 4 + 6·products forward passes; memory for four copies of θ.

    Args:
        parameters: with requires_grad. loss: () → a differentiable scalar, the same at the same point.
        probes: n. moments: of MeZO's law; the default is the Gaussian's. beta: β of `rule="momentum"`, 0 for none.
        draws, epsilon: of the second differences, for tr H and tr H².
        products, tolerance: of Lanczos' iteration, for λ_max: at most so many, and the residual to stop at.
        seed: fixes all directions. progress: name of a part → the callback for its progress.

    Returns: a StableLearningRate. Raises: ValueError, also when tr H cannot be told from 0.

    >>> from mezo_lab.curvature.spectra import bowl, spectrum
    >>> theta, loss = bowl(spectrum("flat", 1_000, rank=50))
    >>> stable = predict_stable_lr([theta], loss, draws=400)
    >>> abs(stable.lr - 2 / 52) < 5 * stable.error, stable.error < 0.1 * stable.lr
    (True, True)
    """
    probes = whole("probes", probes, "a step needs a direction")
    if not 0 <= beta < 1:
        raise ValueError(f"`beta` must lie in [0, 1), got {beta}: 0.9 is usual, and 0 is no momentum.")
    parameters = list(parameters)
    progress_of = progress or (lambda part: None)
    loss = CountedLoss(loss)
    along = second_differences(parameters, loss, draws=draws, epsilon=epsilon, seed=seed, progress=progress_of("tr H"))
    trace = trace_estimate(along)
    if not math.isfinite(trace.mean):
        raise ValueError(
            f"`loss` must be finite near the parameters, got tr H = {trace}: look for weights and losses that are not "
            "finite, or take a smaller epsilon."
        )
    if not trace.mean > 2 * trace.standard_error:
        raise ValueError(
            f"`loss` must curve upwards, got tr H = {trace}: raise the draws; if it stays below 0, train "
            "first, as noise in θ lowers the loss of a model that is confidently wrong."
        )
    norm = largest_eigenvalue_iterated(
        parameters, loss, most=products, tolerance=tolerance, seed=seed, progress=progress_of("λ_max")
    )
    passes = PassCount(loss.passes, backward=1, products=norm.products)
    return StableLearningRate(trace, trace_square_estimate(along), norm, probes, moments, beta, passes)


def prediction_passes(draws: int = 100, products: int = 100) -> PassCount:
    """What `predict_stable_lr` will cost at most: fewer products, where λ_max is found sooner.

    >>> print(prediction_passes(draws=24, products=20))
    50 forward passes, 1 backward pass, 20 Hessian-vector products
    >>> prediction_passes(draws=24, products=20).equivalent
    172
    """
    return PassCount(2 * draws + 2, backward=1, products=products)
