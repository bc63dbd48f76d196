"""From random words to coordinates of z: exact transforms, each with zero mean and unit variance.

These are the laws of `mezo_lab.sampling.laws` a second time, on purpose: there a torch generator draws many z for Monte
Carlo; here a coordinate is a function of its address, so that an optimizer can draw it again at any time.

A block is the two words of one counter. A law with `packed` coordinates takes them in order, block by block; the
others take one per *lane*, so that a tensor's first quarter comes from the first lane of all its blocks, its second
quarter from the second, and a kernel reads and writes four runs of neighbours.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.validation import one_of


@dataclass(frozen=True)
class Coordinates:
    """How one block of two words becomes `per_block` coordinates."""

    name: str
    per_block: int
    lanes: Callable[[Tensor, Tensor], tuple[Tensor, ...]]
    """(w0, w1), int32 of one shape → `per_block` float32 tensors of that shape, or one tensor if `packed`."""
    packed: bool = False
    """Whether `lanes` gives one tensor, with a last axis of `per_block`."""

    def full_blocks(self, numel: int) -> int:
        """The number of full blocks of a tensor of `numel` coordinates; what remains comes from one block more."""
        return numel // self.per_block

    @property
    def block_axis(self) -> int:
        """The axis of the blocks in a `block_view`."""
        return 0 if self.packed else 1

    def block_view(self, flat: Tensor) -> Tensor:
        """The full blocks of a flat tensor, as a view: (per_block, blocks), or (blocks, per_block) if packed."""
        blocks = self.full_blocks(flat.numel())
        full = flat[: blocks * self.per_block]
        if self.packed:
            return full.view(blocks, self.per_block)
        return full.view(self.per_block, blocks)


SIGN = -(1 << 31)  # as int32, the sign of a float32
ONE = 0x3F800000  # as int32, the bits of 1.0


def _signs(w0: Tensor, w1: Tensor) -> tuple[Tensor]:
    """64 Rademacher coordinates from 64 bits.

    >>> word = torch.tensor([0b101], dtype=torch.int32)
    >>> _signs(word, word)[0][0, :4]
    tensor([-1.,  1., -1.,  1.])
    """
    places = torch.arange(31, -1, -1, dtype=torch.int32, device=w0.device)
    sign = torch.stack((w0, w1), -1)[..., None] << places  # (…, 2, 32): each bit in the place of float32's sign
    sign &= SIGN
    sign ^= ONE
    return (sign.view(torch.float32).flatten(-2),)


LATTICE = 2891336453 - (1 << 32)  # multiplier of a good 2-D lattice of 2³² points: L'Ecuyer 1999, Table 4; as int32
TURN = 2.0**-32  # a word, as a fraction of a turn
# sin(πt)/t and cos(πt) for |t| ≤ ½ as polynomials in t², interpolated at its Chebyshev points: errors below 3e-10
SINE = (3.1415926535, -5.1677127646, 2.5501633179, -0.5992521865, 0.0820503502, -0.0070283039)
COSINE = (0.9999999998, -4.9348021369, 4.0587091548, -1.3352119494, 0.2349370686, -0.0243959321)

LN2 = 0.6931471805599453
ROOT_HALF = 0x3F3504F3  # the bits of √½
# (log(1 + f) − f + f²/2)/f³ for f in [√½ − 1, √2 − 1], interpolated likewise: log(1 + f) to 2e-8 of itself
LOGARITHM = (
    0.3333333134651184,
    -0.25000306963920593,
    0.20001044869422913,
    -0.166412815451622,
    0.14214496314525604,
    -0.12998183071613312,
    0.12622319161891937,
    -0.0790274366736412,
)


def _gaussian(w0: Tensor, w1: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four normal coordinates from two words: Box and Muller's transform, with a pair from each word."""
    return *normal_pair(w0), *normal_pair(w1)


def normal_pair(word: Tensor) -> tuple[Tensor, Tensor]:
    """Two independent normals from one word.

    Box and Muller need an angle and a radius, each uniform. Word w gives the angle πw/2³² and, through Aw mod 2³², a
    sign and the radius: over all words both are exactly uniform, and (w, Aw) is a lattice of 2³² points that fills the
    square evenly. Summed over all words, the moments up to the sixth are those of N(0, I) (see the tests).
    """
    turned = word * LATTICE
    uniform = ((turned & 0x7FFFFFFF).to(torch.float32) + 0.5) * 2.0**-31  # in (0, 1]
    radius = square_root(-2 * logarithm(uniform))
    radius = (radius.view(torch.int32) ^ (turned & SIGN)).view(torch.float32)  # the other half of the circle
    t = word.to(torch.float32) * TURN  # half turns, in [−½, ½]
    return radius * polynomial(COSINE, t * t), radius * (t * polynomial(SINE, t * t))


def logarithm(x: Tensor) -> Tensor:
    """log x of positive normal float32 numbers, by additions and multiplications alone: the same bits everywhere.

    x = 2^e·m with m in [√½, √2), and log m = f − f²/2 + f³P(f) with f = m − 1.

    >>> x = torch.tensor([1.0, 0.5, 10.0])
    >>> logarithm(x) - x.log()
    tensor([0., 0., 0.])
    """
    shifted = x.view(torch.int32) - ROOT_HALF
    exponent = (shifted >> 23).to(torch.float32)
    f = ((shifted & 0x007FFFFF) + ROOT_HALF).view(torch.float32) - 1
    square = f * f
    return exponent * LN2 + (square * (f * polynomial(LOGARITHM, f) - 0.5) + f)


def square_root(x: Tensor) -> Tensor:
    """√x of float32 numbers, rounded to the nearest.

    On a CPU torch calls a library whose float32 root is off by one in the last place for every sixth number; the one of
    float64, rounded again, is right.
    """
    return x.double().sqrt().float() if x.device.type == "cpu" else x.sqrt()


def polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    value = x * coefficients[-1]
    value += coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value *= x
        value += coefficient
    return value


def _uniform(w0: Tensor, w1: Tensor) -> tuple[Tensor, Tensor]:
    """U[−√3, √3], one coordinate from a word."""
    return _to_interval(w0), _to_interval(w1)


def _to_interval(word: Tensor) -> Tensor:
    return word.to(torch.float32) * (math.sqrt(12) * 2.0**-32)


FACE = (1 << 31) - 715_827_883  # words from here up are a sixth of all: 715,827,883/2³² = 1/6 + 8e-11


def _three_point(w0: Tensor, w1: Tensor) -> tuple[Tensor, Tensor]:
    """0 with probability 2/3, ±√3 with 1/6 each: one coordinate from a word."""
    return _to_three_points(w0), _to_three_points(w1)


def _to_three_points(word: Tensor) -> Tensor:
    return ((word >= FACE).to(torch.float32) - (word < -FACE).to(torch.float32)) * math.sqrt(3)


COORDINATES = {
    coordinates.name: coordinates
    for coordinates in (
        Coordinates("gaussian", 4, _gaussian),
        Coordinates("rademacher", 64, _signs, packed=True),
        Coordinates("uniform", 2, _uniform),
        Coordinates("three-point", 2, _three_point),
    )
}
"""How words become coordinates, by the name of the law."""


def coordinates_named(law: str) -> Coordinates:
    """The coordinates of the law of that name.

    Raises: ValueError naming the nearest laws.

    >>> coordinates_named("rademacher").per_block
    64
    """
    return COORDINATES[one_of("law", law, COORDINATES)]
