"""Weights, a loss and a reference optimizer to compare `MeZO` with."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mezo_lab.optim import ReferenceMeZO
from mezo_lab.optim.reference import directions

SHAPES = {"embed": (13, 7), "layer.weight": (7, 7), "layer.bias": (7,), "twin.weight": (7, 7), "scale": ()}

Tensors = list[Tensor]


def weights(dtype: torch.dtype = torch.float64, seed: int = 0, spread: float = 0.5) -> dict[str, torch.nn.Parameter]:
    """198 weights in five tensors: two of one shape, one shorter than a block of any law, one without an axis."""
    generator = torch.Generator().manual_seed(seed)
    draw = {name: spread * torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    return {name: torch.nn.Parameter(tensor.to(dtype)) for name, tensor in draw.items()}


def wave(tensors: Tensors) -> float:
    """A smooth loss without a symmetry, in float64: each weight has a slope, a curvature and a third derivative."""
    x = torch.cat([tensor.detach().double().flatten() for tensor in tensors])
    place = torch.arange(1, len(x) + 1, dtype=torch.float64)
    return float((torch.sin(place + x) + 0.3 * x.square()).mean() + 0.5 * x.mean().exp())


def twin(params, loss: Callable[[Tensors], float] = wave, lr=0.1, **settings) -> ReferenceMeZO:
    return ReferenceMeZO(params, loss, lr, **settings)


def apart(found, expected) -> float:
    """The largest difference of any weight."""
    pairs = zip(found, expected, strict=True)
    return max(float((a.detach().double() - b.detach().double()).abs().max()) for a, b in pairs if a.numel())


def equal(found, expected) -> bool:
    """Whether all bits agree."""
    return all(torch.equal(a.detach(), b.detach()) for a, b in zip(found, expected, strict=True))


@pytest.fixture(name="weights")
def weights_fixture():
    return weights


@pytest.fixture(name="wave")
def wave_fixture():
    return wave


@pytest.fixture(name="twin")
def twin_fixture():
    return twin


@pytest.fixture(name="directions")
def directions_fixture():
    return directions


@pytest.fixture(name="apart")
def apart_fixture():
    return apart


@pytest.fixture(name="equal")
def equal_fixture():
    return equal
