"""tr H and tr H² of a loss too large for its Hessian, from forward passes only.

Along Gaussian directions zᵀHz has mean tr H and variance 2·tr H², so one set of draws gives both.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from mezo_lab.curvature.vectors import Loss, restored, tensors_of
from mezo_lab.sampling import Estimate, Progress, RunningMoments, generator_for
from mezo_lab.validation import positive, whole

STREAM = 3  # generator_for's second word: apart from the other draws of the same seed


def second_differences(
    parameters: Iterable[Tensor],
    loss: Loss,
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
    tensors = [parameter.detach() for parameter in tensors_of(parameters)]
    draws = whole("draws", draws, "one draw has no standard error", least=2)
    epsilon = positive("epsilon", epsilon, "1e-3 suits a float32 model")
    along = torch.empty(draws, dtype=torch.float64, device="cpu")
    with torch.no_grad(), restored(tensors) as origin:
        loss_here = float(loss())
        for k in range(draws):
            for theta, start, z in zip(tensors, origin, gaussian_direction(tensors, seed, k), strict=True):
                torch.add(start, z, alpha=epsilon, out=theta)
            loss_plus = float(loss())
            for theta, start in zip(tensors, origin, strict=True):
                theta.lerp_(start, 2)  # from θ₀ + εz to θ₀ − εz, without a second draw of z
            loss_minus = float(loss())
            along[k] = (loss_plus + loss_minus - 2 * loss_here) / epsilon**2
            if progress is not None:
                progress(k + 1, draws)
    return along


def gaussian_direction(parameters: Sequence[Tensor], seed: int, draw: int) -> Iterator[Tensor]:
    """The z of one draw of `second_differences`, tensor by tensor, so that it is never in memory as a whole.

    >>> [z.shape for z in gaussian_direction([torch.zeros(2, 3), torch.zeros(4)], seed=0, draw=0)]
    [torch.Size([2, 3]), torch.Size([4])]
    """
    generator = generator_for(seed, STREAM, draw, str(parameters[0].device))
    for tensor in parameters:
        yield torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype, device=tensor.device)


def trace_estimate(along: Tensor) -> Estimate:
    """tr H, the mean of zᵀHz.

    Source: Hutchinson (1989). Its relative standard error is √(2/(r̃·draws)) with r̃ = (tr H)²/tr H².

    Args: along: (draws,), of `second_differences`.

    >>> trace_estimate(torch.tensor([1.0, 3.0]))
    2.0 ± 1.0 (2 draws)
    """
    running = RunningMoments()
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
