"""The measurement of claim D1: one z read twice, from two forward passes (pg) and from one backward pass (zᵀg)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mezo_lab.curvature.vectors import Loss, central_difference, restored, tensors_of
from mezo_lab.optim.noise import tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, SweepKernel, Term
from mezo_lab.sampling import Progress
from mezo_lab.validation import positive, whole

EPSILON = 5e-5  # see `projected_gradients`


def projected_gradients(
    parameters: Iterable[Tensor],
    loss: Loss,
    *,
    count: int,
    epsilon: float = EPSILON,
    law: str = "gaussian",
    seed: int,
    progress: Progress | None = None,
) -> Tensor:
    """pg of `count` directions, each one vector over all parameters: those of `MeZO(parameters)` in its first step.

    Source: paper, Definition 1 and Algorithm 1 (claim D1).
    Formula: pg = [L(θ + εz) − L(θ − εz)]/(2ε); as ε→0 it is zᵀg, which `projections` gives.
    Cost: 2·count forward passes, and as many sweeps; memory for a copy of θ.
    Precision: with ε large, pg − zᵀg is the third derivative, ∝ ε², which biases the slope; with ε small it is the
    rounding of the loss, ∝ 1/ε, which averages out over the probes. In float32 the two meet near ε = 1e-4 on
    SmolLM2-135M, and the default lies a little below.
    While `loss` and `progress` run θ is displaced; afterwards it is bitwise the old θ, also after an exception.

    Args:
        parameters: a tied one once, as `model.parameters()` has it.
        loss: () → the loss at the parameters' present values; the same value at the same point.
        count: probes. epsilon: ε.
        law: a law with keyed coordinates; "rademacher" is several times cheaper to draw. seed: fixes every z.
        progress: called with (probes done, count).

    Returns: (count,), float64. Raises: ValueError.

    >>> from mezo_lab.curvature.vectors import gradient
    >>> theta = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> loss, probes = lambda: theta @ theta / 2, {"count": 3, "law": "rademacher", "seed": 0}
    >>> pg = projected_gradients([theta], loss, epsilon=0.5, **probes)
    >>> torch.equal(pg, projections([theta], gradient([theta], loss), **probes))
    True
    """
    parameters = tensors_of(parameters)
    count = whole("count", count, "ask for one probe or more")
    epsilon = positive("epsilon", epsilon, f"{EPSILON} suits a float32 model")
    field = NoiseField(_keyed(parameters), law, seed)
    projected = torch.empty(count, dtype=torch.float64, device="cpu")
    with torch.no_grad(), restored(parameters) as origin:
        for k in range(count):
            projected[k] = central_difference(partial(_displace, field, origin, k), loss, epsilon)
            if progress is not None:
                progress(k + 1, count)
    return projected


def projections(
    parameters: Iterable[Tensor], vectors: Iterable[Tensor], *, count: int, law: str = "gaussian", seed: int
) -> Tensor:
    """zᵀv for the directions that `projected_gradients` takes with the same count, law and seed.

    Formula: zᵀv = Σ_i z_i v_i over all parameters, summed in float64.
    Cost: no forward pass; one pass over v, which draws `count` z; the memory of one chunk.

    Args:
        parameters: those that are displaced; only their shapes and order matter.
        vectors: v, one tensor per parameter, such as ∇L from `curvature.gradient`.
        count, law, seed: which z.

    Returns: (count,), float64. Raises: ValueError.

    >>> theta = torch.zeros(2)
    >>> projections([theta], [torch.tensor([0.0, 5.0])], count=3, law="rademacher", seed=0).abs()
    tensor([5., 5., 5.], dtype=torch.float64)
    """
    parameters = tensors_of(parameters)
    vectors = list(vectors)
    count = whole("count", count, "ask for one probe or more")
    if [parameter.shape for parameter in parameters] != [vector.shape for vector in vectors]:
        raise ValueError(
            "`vectors` must hold one tensor per parameter, of its shape: take them from `curvature.gradient(...)`."
        )
    products = _Products(torch.zeros(count, dtype=torch.float64, device="cpu"))
    NoiseField(_keyed(vectors), law, seed, compiled=False).map([Term(0, k, ()) for k in range(count)], products)
    return products.total


def _keyed(tensors: Sequence[Tensor]) -> list[KeyedTensor]:
    """The tensors under the keys of their positions, as `MeZO` has parameters without names."""
    return [KeyedTensor(tensor, tensor_key(position)) for position, tensor in enumerate(tensors)]


def _displace(field: NoiseField, origin: Sequence[Tensor], probe: int, scale: float) -> None:
    """θ ← θ₀ + scale·z."""
    field.sweep([Term(0, probe, (scale,))], sources=origin)


@dataclass(frozen=True)
class _Products(SweepKernel):
    """total_j ← total_j + Σ over the piece of z_j·source, which is left alone."""

    total: Tensor  # (terms,), float64

    def start(self, parameter: int, source: Tensor) -> Tensor:
        return source

    def add(self, parameter: int, value: Tensor, term: int, z: Tensor) -> Tensor:
        self.total[term] += float((z * value).sum(dtype=torch.float64))
        return value

    def finish(self, parameter: int, target: Tensor, value: Tensor) -> None:
        pass
