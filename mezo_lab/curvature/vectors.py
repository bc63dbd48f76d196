"""Vectors over all parameters of a model, one tensor per parameter, and the walk of the parameters along them."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

Loss = Callable[[], Tensor]  # the loss at the parameters' present values
Vector = Sequence[Tensor]  # one tensor per parameter, of its shape


def tensors_of(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list. Raises: ValueError when there are none."""
    tensors = list(parameters)
    if not tensors:
        raise ValueError("`parameters` must hold at least one tensor, got none: pass model.parameters().")
    return tensors


def inner_product(a: Vector, b: Vector) -> float:
    """aᵀb over all parameters, in the precision that they have.

    >>> inner_product([torch.tensor([1.0, 2.0]), torch.tensor([3.0])], [torch.tensor([1.0, 1.0]), torch.tensor([2.0])])
    9.0
    """
    return sum(float(torch.dot(x.reshape(-1), y.reshape(-1))) for x, y in zip(a, b, strict=True))


def vector_norm(vector: Vector) -> float:
    """The norm over all parameters, in float64.

    >>> vector_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
    5.0
    """
    return math.hypot(*(float(torch.linalg.vector_norm(part, dtype=torch.float64)) for part in vector))


def plus(vector: Vector, other: Vector, factor: float) -> list[Tensor]:
    """vector + factor·other."""
    return [torch.add(x, y, alpha=factor) for x, y in zip(vector, other, strict=True)]


def scaled(vector: list[Tensor], factor: float) -> list[Tensor]:
    """The vector times a factor, in place."""
    return [x.mul_(factor) for x in vector]


def gradient(parameters: Iterable[Tensor], loss: Loss) -> list[Tensor]:
    """∇L by one backward pass; `.grad` is left alone, and a parameter that the loss does not use gets zeros.

    Cost: 1 forward and 1 backward pass, as long as 3 forward passes; memory for the activations and for one number per
    parameter.

    >>> theta = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> gradient([theta], lambda: theta @ theta / 2)
    [tensor([3., 4.])]
    """
    with torch.enable_grad():
        slopes = torch.autograd.grad(loss(), list(parameters), allow_unused=True, materialize_grads=True)
    return [slope.contiguous() for slope in slopes]


@contextmanager
def restored(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yields copies of the tensors, and copies them back when the block ends, however it ends.

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


def central_difference(displace: Callable[[float], object], loss: Loss, epsilon: float) -> float:
    """[L(θ + εz) − L(θ − εz)]/(2ε), where `displace(s)` puts the parameters at θ + s·z; they are left at θ − εz."""
    displace(epsilon)
    loss_plus = float(loss())
    displace(-epsilon)
    loss_minus = float(loss())
    return (loss_plus - loss_minus) / (2 * epsilon)
