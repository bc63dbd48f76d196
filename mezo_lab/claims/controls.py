"""Programs that are wrong on purpose: the controls that a claim must refute, for a reader to break things with."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab.optim import MeZO
from mezo_lab.optim.noise import stream_keys
from mezo_lab.optim.sweeps import LowRankField, NoiseField, Term
from mezo_lab.optim.testing import field_in_torch
from mezo_lab.sampling import Iid, Law

__all__ = [
    "TIED_COORDINATES",
    "Streams",
    "flip_bit",
    "one_factor",
    "one_generator",
    "out_of_place",
    "replace_streams",
    "row_by_row",
    "same_for_probes",
    "same_for_steps",
    "same_for_tensors",
    "tied_signs",
]

Streams = Callable[[NoiseField, Term], Tensor]
"""(field, term) → the stream of each parameter, int32 (parameters, 2)."""


def tied_signs(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Signs that neighbouring coordinates share, so that E[z zᵀ] ≠ I."""
    half = torch.randint(2, (*shape[:-1], (shape[-1] + 1) // 2), generator=generator, device=generator.device)
    return half.repeat_interleave(2, dim=-1)[..., : shape[-1]] * 2.0 - 1


TIED_COORDINATES = Iid("tied coordinates", draw=tied_signs, kurtosis=1)
"""`tied_signs` as a law: not isotropic, whatever it says of its moments."""


def replace_streams(optimizer: MeZO, streams: Streams) -> None:
    """Let the random words of an optimizer come from other streams than its own.

    Args: optimizer: is changed for good. streams: (field, term) → the stream of each parameter.
    """
    field = field_in_torch(optimizer)
    field.keys = lambda terms: torch.stack([streams(field, term) for term in terms])  # type: ignore[method-assign]


def one_factor(optimizer: MeZO) -> None:
    """The seed is set anew between the factors of a low-rank z, so that U and V are the same numbers, for good."""
    field = field_in_torch(optimizer)
    assert isinstance(field, LowRankField)
    draw = field._draw_factors

    def drawn(parameter: int, key: Tensor) -> tuple[Tensor, Tensor]:
        _, v = draw(parameter, key)  # V (k, columns)
        rows = len(field.tensors[parameter])
        return v[:, :rows] * field.rank**-0.5, v

    field._draw_factors = drawn  # type: ignore[method-assign]


def same_for_tensors(field: NoiseField, term: Term) -> Tensor:
    """The seed is set anew inside the loop over tensors: all of them see one z."""
    first = field.parameters[0].key
    return stream_keys(field.seed, term.step, term.probe, [first] * len(field.parameters))


def same_for_probes(field: NoiseField, term: Term) -> Tensor:
    """The seed is set anew for every probe: all probes of a step are one."""
    return stream_keys(field.seed, term.step, 0, [parameter.key for parameter in field.parameters])


def same_for_steps(field: NoiseField, term: Term) -> Tensor:
    """seed + step + probe as the seed: the second probe of a step is the first of the next."""
    return stream_keys(field.seed, term.step + term.probe, 0, [parameter.key for parameter in field.parameters])


def row_by_row(law: Law, seed: int) -> bool:
    """A published defect: the probe draws a tensor at once, the update row by row, from one seed. Returns: same z?"""
    rng = random.Random(seed)
    shape = (rng.randint(2, 30), 16 * rng.randint(1, 20) + rng.randint(1, 15))
    probe = torch.randn(shape, generator=Generator().manual_seed(seed), device="cpu")
    generator = Generator().manual_seed(seed)
    update = [torch.randn(shape[1], generator=generator, device="cpu") for _ in probe]
    return torch.equal(probe, torch.stack(update))


def one_generator(law: Law, seed: int) -> bool:
    """One generator walks through the trainable tensors, so that z depends on which they are. Returns: same z?"""

    def z_of(names: Sequence[str]) -> dict[str, Tensor]:
        generator = Generator().manual_seed(seed)
        return {name: torch.randn(20, generator=generator, device="cpu") for name in names}

    return torch.equal(z_of(["embedding", "head"])["head"], z_of(["head"])["head"])


def flip_bit(file: Path, rng: random.Random) -> None:
    """Flip one bit of a file."""
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def out_of_place(model: list[Parameter], loss: Callable[[], Tensor]) -> Callable[[], object]:
    """The step of the published program: a z as large as the tensor, and a new tensor for θ + s·ε·z."""

    def step() -> None:
        for scale in (1, -2, 1):
            generator = Generator(model[0].device).manual_seed(0)
            for parameter in model:
                z = torch.normal(0.0, 1.0, parameter.shape, generator=generator, device=parameter.device)
                parameter.data = parameter.data + scale * z * 1e-3
            loss()

    return step
