"""tr H and tr H² of a loss too large for its Hessian, from forward passes only.

Along Gaussian directions zᵀHz has mean tr H and variance 2·tr H², so one set of draws gives both.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from mezo_lab.sampling.montecarlo import Estimate, Progress, Running, generator_for

STREAM = 3  # generator_for's second word: apart from the other draws of the same seed


def second_differences(
    parameters: Iterable[Tensor],
    loss: Callable[[], Tensor],
    *,
    draws: int,
    epsilon: float = 1e-3,  # the original trainer's: the curvature on the scale that MeZO sees
    seed: int = 0,
    progress: Progress | None = None,
) -> Tensor:
    """zᵀHz along Gaussian directions, each one vector over all parameters.

    Source: Hutchinson (1989); claim A10. Assumes: ε → 0, or a quadratic loss.
    Formula: [L(θ + εz) + L(θ − εz) − 2L(θ)]/ε².
    Cost: 2·draws + 1 forward passes; memory for a copy of θ and the z of one tensor.
    Precision: a loss with rounding error δ shows zᵀHz to within about 2δ/ε².
    While `loss` and `progress` run θ is displaced; afterwards it is bitwise the old θ, also after an exception.

    Args:
        parameters: a tied one once, as `model.parameters()` has it.
        loss: () → the loss at the parameters' present values; the same value at the same point.
        draws: how many directions. epsilon: ε. seed: fixes every z.
        progress: called with (draws done, draws).

    Returns: (draws,), float64, for `trace_estimate` and `trace_square_estimate`.
    Raises: ValueError.

    >>> theta = torch.tensor([3.0, 4.0], dtype=torch.float64)
    >>> along = second_differences([theta], lambda: theta @ theta / 2, draws=4_000, seed=0)  # H = I: zᵀHz ~ χ²_2
    >>> abs(trace_estimate(along).z_score(2.0)) < 5, abs(trace_square_estimate(along).z_score(2.0)) < 5
    (True, True)
    """
    tensors = [parameter.detach() for parameter in parameters]
    check(tensors, draws, epsilon)
    along = torch.empty(draws, dtype=torch.float64, device="cpu")
    with torch.no_grad(), restored(tensors) as origin:
        middle = float(loss())
        for k in range(draws):
            displace(tensors, origin, epsilon, seed, k)
            loss_plus = float(loss())
            for theta, start in zip(tensors, origin, strict=True):
                theta.lerp_(start, 2)  # from θ₀ + εz to θ₀ − εz
            along[k] = (loss_plus + float(loss()) - 2 * middle) / epsilon**2
            if progress is not None:
                progress(k + 1, draws)
    return along


def trace_estimate(along: Tensor) -> Estimate:
    """tr H, the mean of zᵀHz.

    Source: Hutchinson (1989). Its relative standard error is √(2/(r̃·draws)) with r̃ = (tr H)²/tr H².

    Args: along: (draws,), of `second_differences`.

    >>> trace_estimate(torch.tensor([1.0, 3.0]))
    2.0 ± 1.0 (2 draws)
    """
    running = Running()
    running.add(along)
    return running.estimate()


def trace_square_estimate(along: Tensor) -> Estimate:
    """tr H², half the variance of zᵀHz.

    Source: Isserlis' theorem. Assumes: z Gaussian. A rounding error of the loss adds to it.

    Args: along: (draws,), of `second_differences`.

    >>> trace_square_estimate(torch.tensor([1.0, 3.0, 5.0]))
    2.0 ± 1.0 (3 draws)
    """
    half = len(along) / (len(along) - 1) / 2  # the sample variance, unbiased
    return trace_estimate((along - along.mean()).square() * half)


def displace(tensors: Sequence[Tensor], origin: Sequence[Tensor], epsilon: float, seed: int, draw: int) -> None:
    """θ ← θ₀ + εz."""
    generator = generator_for(seed, STREAM, draw, str(tensors[0].device))
    for theta, start in zip(tensors, origin, strict=True):
        z = torch.randn(theta.shape, generator=generator, dtype=theta.dtype, device=theta.device)
        torch.add(start, z, alpha=epsilon, out=theta)


@contextmanager
def restored(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Copies of the tensors, which are bitwise what they were when the block ends, however it ends.

    >>> theta = torch.tensor([0.1])
    >>> with restored([theta]):
    ...     _ = theta.add_(1e8)
    >>> theta
    tensor([0.1000])
    """
    origin = [tensor.detach().clone() for tensor in tensors]
    try:
        yield origin
    finally:
        with torch.no_grad():
            for tensor, start in zip(tensors, origin, strict=True):
                tensor.copy_(start)


def check(tensors: Sequence[Tensor], draws: int, epsilon: float) -> None:
    if not tensors:
        raise ValueError("`parameters` must hold at least one tensor, got none: pass model.parameters().")
    if draws < 2:
        raise ValueError(f"`draws` must be at least 2, got {draws}: one draw has no standard error.")
    if not epsilon > 0:
        raise ValueError(f"`epsilon` must be positive, got {epsilon}: 1e-3 suits a float32 model.")


def gradient(parameters: Iterable[Tensor], loss: Callable[[], Tensor]) -> list[Tensor]:
    """∇L by one backward pass; `.grad` is left alone, and a parameter that the loss does not use gets zeros.

    Cost: one forward and one backward pass; memory for the activations and for one number per parameter.

    >>> theta = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> gradient([theta], lambda: theta @ theta / 2)
    [tensor([3., 4.])]
    """
    with torch.enable_grad():
        slopes = torch.autograd.grad(loss(), list(parameters), allow_unused=True, materialize_grads=True)
    return [slope.contiguous() for slope in slopes]
