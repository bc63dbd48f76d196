"""Losses with a known gradient and Hessian: the ground truth of every test.

Each is called with points of shape (…, d) and returns losses of shape (…): a whole batch of probes is one call.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Linear:
    """L(θ) = gᵀθ. Every finite difference of it is exact.

    >>> Linear(torch.tensor([1.0, 2.0]))(torch.tensor([3.0, 4.0]))
    tensor(11.)
    """

    slope: Tensor  # (d,)

    def __call__(self, theta: Tensor) -> Tensor:
        return theta @ self.slope

    def gradient(self, theta: Tensor) -> Tensor:
        return self.slope

    def hessian(self, theta: Tensor) -> Tensor:
        return torch.zeros(len(self.slope), len(self.slope), dtype=self.slope.dtype)


@dataclass(frozen=True)
class Quadratic:
    """L(θ) = ½·θᵀHθ. Two-sided differences of it are exact at any ε.

    >>> Quadratic(torch.eye(2))(torch.tensor([3.0, 4.0]))
    tensor(12.5000)
    """

    matrix: Tensor  # (d, d), symmetric

    def __call__(self, theta: Tensor) -> Tensor:
        return ((theta @ self.matrix) * theta).sum(-1) / 2

    def gradient(self, theta: Tensor) -> Tensor:
        return self.matrix @ theta

    def hessian(self, theta: Tensor) -> Tensor:
        return self.matrix


@dataclass(frozen=True)
class LowRankQuadratic:
    """L(θ) = ½·ℓ·(θ_1² + … + θ_r²): Hessian ℓ·P_r, the exact test bed of the effective rank; r = d is isotropic.

    >>> LowRankQuadratic(smoothness=2.0, rank=1)(torch.tensor([3.0, 4.0]))
    tensor(9.)
    """

    smoothness: float
    rank: int

    def __call__(self, theta: Tensor) -> Tensor:
        return theta[..., : self.rank].square().sum(-1) * (self.smoothness / 2)

    def gradient(self, theta: Tensor) -> Tensor:
        return self.smoothness * torch.where(torch.arange(len(theta)) < self.rank, theta, torch.zeros_like(theta))

    def hessian(self, theta: Tensor) -> Tensor:
        return self.smoothness * torch.diag((torch.arange(len(theta)) < self.rank).to(theta.dtype))


@dataclass(frozen=True)
class Cubic:
    """L(θ) = bᵀθ + (1/6)·Σ_i a_i θ_i³: constant third derivatives, so the smoothing bias is exactly (ε²/2)·a.

    >>> Cubic(torch.tensor([6.0]), torch.tensor([1.0]))(torch.tensor([2.0]))
    tensor(10.)
    """

    third: Tensor  # a, (d,)
    slope: Tensor  # b, (d,)

    def __call__(self, theta: Tensor) -> Tensor:
        return theta @ self.slope + theta**3 @ self.third / 6

    def gradient(self, theta: Tensor) -> Tensor:
        return self.slope + self.third * theta**2 / 2

    def hessian(self, theta: Tensor) -> Tensor:
        return torch.diag(self.third * theta)

    def laplacian_gradient(self) -> Tensor:
        """∇(ΔL) = a, at every θ."""
        return self.third


@dataclass(frozen=True)
class LeastSquares:
    """The mean over N examples of ½·(x_iᵀθ − y_i)²: the smallest loss with real minibatches.

    >>> loss = LeastSquares(torch.eye(2), torch.zeros(2))
    >>> loss(torch.tensor([3.0, 4.0])), loss.per_example(torch.tensor([3.0, 4.0]))
    (tensor(6.2500), tensor([4.5000, 8.0000]))
    """

    inputs: Tensor  # X, (N, d)
    targets: Tensor  # y, (N,)

    def __call__(self, theta: Tensor) -> Tensor:
        return self.per_example(theta).mean(-1)

    def per_example(self, theta: Tensor) -> Tensor:
        """Losses of the single examples, shape (…, N)."""
        return self._residuals(theta).square() / 2

    def _residuals(self, theta: Tensor) -> Tensor:
        return theta @ self.inputs.T - self.targets

    def on(self, examples: Tensor) -> Callable[[Tensor], Tensor]:
        """The mean loss on minibatches: `examples` (…, B) are indices, one batch for each point (…, d)."""
        return lambda theta: self._residuals(theta).gather(-1, examples).square().mean(-1) / 2

    def per_example_gradient(self, theta: Tensor) -> Tensor:
        """Gradients of the single examples, shape (N, d)."""
        return (self.inputs @ theta - self.targets)[:, None] * self.inputs

    def gradient(self, theta: Tensor) -> Tensor:
        return self.per_example_gradient(theta).mean(0)

    def hessian(self, theta: Tensor) -> Tensor:
        return self.inputs.T @ self.inputs / len(self.inputs)

    def noise(self, theta: Tensor) -> float:
        """tr Σ: the trace of the covariance of one example's gradient."""
        per_example = self.per_example_gradient(theta)
        return float((per_example - per_example.mean(0)).square().sum() / len(per_example))

    @cached_property
    def noise_ratio(self) -> float:
        """α with tr Σ(θ) ≤ α·(L(θ) − L*) for every θ, when the data can be fitted exactly (L* = 0): 2·max‖x_i‖²."""
        return float(2 * self.inputs.square().sum(-1).max())


@dataclass(frozen=True)
class Neuron:
    """The mean over N examples of ½·(σ(x_iᵀθ) − y_i)², y_i 0 or 1: one neuron, the smallest loss that is not convex.

    >>> loss = Neuron(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0.0, 1.0]))
    >>> loss(torch.zeros(2))
    tensor(0.1250)
    """

    inputs: Tensor  # X, (N, d)
    targets: Tensor  # y, (N,)

    def __call__(self, theta: Tensor) -> Tensor:
        return (torch.sigmoid(theta @ self.inputs.T) - self.targets).square().mean(-1) / 2

    def gradient(self, theta: Tensor) -> Tensor:
        answers = torch.sigmoid(theta @ self.inputs.T)
        return ((answers - self.targets) * answers * (1 - answers)) @ self.inputs / len(self.inputs)

    def hessian(self, theta: Tensor) -> Tensor:
        answers = torch.sigmoid(self.inputs @ theta)
        slope = answers * (1 - answers)
        bend = slope**2 + (answers - self.targets) * slope * (1 - 2 * answers)
        return (self.inputs.T * bend) @ self.inputs / len(self.inputs)

    @cached_property
    def curvature_bound(self) -> Tensor:
        """An H with ∇²L(θ) ⪯ H at every θ: c·XᵀX/N, c the largest second derivative of ½(σ − y)², about 0.077.

        For y = 0 it is σ²(1−σ)(2−3σ), largest at σ = (15 − √33)/24; y = 1 mirrors it.
        """
        answer = (15 - math.sqrt(33)) / 24
        largest = answer**2 * (1 - answer) * (2 - 3 * answer)
        return largest * self.inputs.T @ self.inputs / len(self.inputs)


@dataclass(frozen=True)
class ErrorRate:
    """The share of wrong answers of a linear classifier: answer i is wrong where its margin y_i·x_iᵀθ is negative.

    A sum of steps: its gradient is 0 wherever it has one. Gaussian probes at a finite ε see the slope of its smoothing.

    >>> ErrorRate(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))(torch.tensor([1.0, -1.0]))
    tensor(0.5000)
    """

    signed: Tensor  # y·x, (examples, d), or with leading axes, a batch for each point

    def margins(self, theta: Tensor) -> Tensor:
        """y_i·x_iᵀθ, (…, examples)."""
        return (self.signed @ theta[..., None])[..., 0]

    def __call__(self, theta: Tensor) -> Tensor:
        return (self.margins(theta) < 0).to(theta.dtype).mean(-1)

    def gradient(self, theta: Tensor) -> Tensor:
        return torch.zeros_like(theta)

    def hessian(self, theta: Tensor) -> Tensor:
        return torch.zeros(len(theta), len(theta), dtype=theta.dtype)

    def smoothed_gradient(self, theta: Tensor, epsilon: float) -> Tensor:
        """The gradient of the mean of L(θ + εz) over Gaussian z, and the mean of the two-point estimate.

        Source: claim A7; Nesterov & Spokoiny 2017. Formula: −(1/B) Σ_i φ(m_i/w_i)/w_i · y_i x_i with w_i = ε‖x_i‖.

        Args: theta: (…, d), all with the same examples. epsilon: ε > 0.
        """
        widths = epsilon * self.signed.norm(dim=-1)
        densities = torch.exp(-((self.margins(theta) / widths) ** 2) / 2) / math.sqrt(2 * math.pi) / widths
        return -(densities @ self.signed) / len(self.signed)
