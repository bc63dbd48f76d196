"""Zeroth-order gradient estimators, as pure functions of (loss, θ, z, ε).

Index conventions: theta (d,); z (…, n, d) holds the n probes of one estimate, leading axes are independent repetitions;
loss maps points (…, d) to values (…). No estimator knows how z was drawn.
"""

from collections.abc import Callable

from torch import Tensor

Loss = Callable[[Tensor], Tensor]


def projected_gradient(loss: Loss, theta: Tensor, z: Tensor, epsilon: float) -> Tensor:
    """The central difference along z, which estimates zᵀ∇L.

    Source: paper, Definition 1 and Algorithm 1. Formula: [L(θ + εz) − L(θ − εz)]/(2ε).
    Cost: two evaluations of the loss per probe.

    Args: loss, theta (d,), z (…, d), epsilon > 0. Returns: shape (…).

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Linear
    >>> projected_gradient(Linear(torch.tensor([1.0, 2.0])), torch.zeros(2), torch.tensor([1.0, -1.0]), 0.5)
    tensor(-1.)
    """
    step = epsilon * z
    return (loss(theta + step) - loss(theta - step)) / (2 * epsilon)


def two_point(loss: Loss, theta: Tensor, z: Tensor, epsilon: float) -> Tensor:
    """n-SPSA: the mean over the probes of pg·z, about (1/n) Σ_k z_k z_kᵀ ∇L.

    Source: paper, Definition 1. Cost: 2n evaluations.
    Args: z (…, n, d). Returns: ĝ of shape (…, d).

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Linear
    >>> two_point(Linear(torch.tensor([1.0, 2.0])), torch.zeros(2), torch.tensor([[1.0, -1.0], [1.0, 1.0]]), 0.5)
    tensor([1., 2.])
    """
    return _mean_along(projected_gradient(loss, theta, z, epsilon), z)


def one_sided(loss: Loss, theta: Tensor, z: Tensor, epsilon: float) -> Tensor:
    """The forward difference [L(θ + εz) − L(θ)]·z/ε: one evaluation less, but the curvature does not cancel.

    Source: paper, §B; its norm is claim A8. Cost: n + 1 evaluations. Returns: ĝ of shape (…, d).

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Quadratic
    >>> one_sided(Quadratic(torch.eye(1)), torch.tensor([1.0]), torch.tensor([[1.0]]), 0.5)  # the gradient is 1
    tensor([1.2500])
    """
    return _mean_along((loss(theta + epsilon * z) - loss(theta)) / epsilon, z)


def second_difference(loss: Loss, theta: Tensor, z: Tensor, epsilon: float) -> Tensor:
    """The second difference along z, averaged over the probes: estimates tr H from one more forward pass.

    Source: Hutchinson's estimator; claim A10. Formula: [L(θ + εz) + L(θ − εz) − 2L(θ)]/ε². Returns: shape (…).

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Quadratic
    >>> second_difference(Quadratic(torch.eye(2)), torch.zeros(2), torch.tensor([[1.0, -1.0]]), 0.5)
    tensor(2.)
    """
    step = epsilon * z
    return ((loss(theta + step) + loss(theta - step) - 2 * loss(theta)) / epsilon**2).mean(-1)


def population(loss: Loss, theta: Tensor, z: Tensor, epsilon: float, *, baseline: str = "none") -> Tensor:
    """The mean over n one-sided probes of (L(θ + εz) − baseline)·z/ε, as evolution strategies have it.

    Source: derived; claim E7. Cost: n evaluations, none of them at θ.
    Args: z (…, n, d). baseline: "none"; "mean", that of all n losses; "leave-one-out", that of the n − 1 others.
    Returns: ĝ of shape (…, d).

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Linear
    >>> z = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    >>> population(Linear(torch.tensor([1.0, 2.0])), torch.zeros(2), z, 0.5, baseline="leave-one-out")
    tensor([0., 4.])
    """
    losses = loss(theta + epsilon * z)  # (…, n)
    if baseline != "none":
        losses = losses - losses.mean(-1, keepdim=True)
    if baseline == "leave-one-out":
        losses = losses * (z.shape[-2] / (z.shape[-2] - 1))
    return _mean_along(losses / epsilon, z)


def variance_modified(loss: Loss, theta: Tensor, z: Tensor, epsilon: float, scale: Tensor) -> Tensor:
    """Probe along D⁻¹z, update along Dz: still unbiased, with another variance.

    Source: paper, Definition 6 (D = diag(scale), in the order D z zᵀ D⁻¹ g). Args: scale (d,), positive.

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Linear
    >>> loss, scale = Linear(torch.tensor([1.0, 2.0])), torch.tensor([1.0, 2.0])
    >>> variance_modified(loss, torch.zeros(2), torch.tensor([[1.0, 1.0]]), 1.0, scale)  # pg = 1·1 + 2·½ = 2
    tensor([2., 4.])
    """
    return scale * expectation_modified(loss, theta, z, epsilon, scale)


def expectation_modified(loss: Loss, theta: Tensor, z: Tensor, epsilon: float, scale: Tensor) -> Tensor:
    """Probe along D⁻¹z, update along z: its mean is D⁻¹∇L, a normalised gradient.

    Source: paper, Definition 7. Args: scale (d,), positive.

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Linear
    >>> loss, scale = Linear(torch.tensor([1.0, 2.0])), torch.tensor([1.0, 2.0])
    >>> expectation_modified(loss, torch.zeros(2), torch.tensor([[1.0, 1.0]]), 1.0, scale)
    tensor([2., 2.])
    """
    return _mean_along(projected_gradient(loss, theta, z / scale, epsilon), z)


def residual_feedback(loss: Loss, theta: Tensor, z: Tensor, before: Tensor, z_before: Tensor, epsilon: float) -> Tensor:
    """One forward pass a step: compare with the perturbed loss of the step before.

    Source: paper, Definition 8, with its missing factor z_t. Args: before (d,) is θ_{t−1}, z_before its probes.
    Formula: [L(θ_t + εz_t) − L(θ_{t−1} + εz_{t−1})]·z_t/ε.

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Linear
    >>> loss, theta = Linear(torch.tensor([1.0])), torch.zeros(1)
    >>> residual_feedback(loss, theta, torch.tensor([[1.0]]), theta, torch.tensor([[-1.0]]), 0.5)
    tensor([2.])
    """
    return _mean_along((loss(theta + epsilon * z) - loss(before + epsilon * z_before)) / epsilon, z)


def sign_search(loss: Loss, theta: Tensor, delta: Tensor) -> Tensor:
    """Random search: θ + δ where that lowers the loss, θ − δ elsewhere.

    Source: the notes, first method. Args: delta (…, d). Returns: the new points, (…, d).

    >>> import torch
    >>> from mezo_lab.sampling.objectives import Linear
    >>> sign_search(Linear(torch.tensor([1.0])), torch.zeros(1), torch.tensor([[0.5], [-0.25]]))
    tensor([[-0.5000],
            [-0.2500]])
    """
    better = loss(theta + delta) < loss(theta)
    return theta + delta * (2.0 * better - 1)[..., None]


def _mean_along(coefficients: Tensor, z: Tensor) -> Tensor:
    # mean over the probes of coefficient·z: (…, n), (…, n, d) → (…, d)
    if z.shape[-2] == 1:  # the same numbers at half the cost of a matrix product
        return coefficients * z[..., 0, :]
    return (coefficients[..., None, :] @ z)[..., 0, :] / z.shape[-2]
