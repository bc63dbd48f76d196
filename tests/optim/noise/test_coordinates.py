"""Words become coordinates by exact transforms, and every bit of every word counts."""

import math

import numpy
import pytest
import torch

from mezo_lab.optim.noise import COORDINATES, coordinates_named
from mezo_lab.optim.noise.coordinates import COSINE, FACE, LATTICE, SINE, normal_pair, polynomial
from mezo_lab.theory.moments import KURTOSIS

LEAST, MOST = -(1 << 31), (1 << 31) - 1
ENDS = [LEAST, LEAST + 1, -(1 << 30), -1, 0, 1, 1 << 30, MOST - 1, MOST]


def words(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.int32)


def random_words(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(numpy.random.default_rng(seed).integers(LEAST, MOST, count).astype(numpy.int32))


def block(law: str, w0: torch.Tensor, w1: torch.Tensor) -> torch.Tensor:
    """The coordinates of each block, (blocks, per_block)."""
    lanes = COORDINATES[law].lanes(w0, w1)
    return lanes[0] if COORDINATES[law].packed else torch.stack(lanes, -1)


@pytest.mark.parametrize("law", COORDINATES)
def test_a_block_is_two_words_and_its_float32_coordinates(law):
    z = block(law, random_words(10, 0), random_words(10, 1))
    assert z.shape == (10, COORDINATES[law].per_block) and z.dtype == torch.float32


def test_one_word_is_thirty_two_signs_and_the_signs_are_its_bits():
    w0, w1 = random_words(1_000, 0), random_words(1_000, 1)
    bits = ((1 - block("rademacher", w0, w1)) / 2).long()  # (blocks, 64)
    places = torch.tensor([1 << place for place in range(32)])
    assert torch.equal((bits[:, :32] * places).sum(1), w0.long() % 2**32)
    assert torch.equal((bits[:, 32:] * places).sum(1), w1.long() % 2**32)


def table(order: slice) -> torch.Tensor:
    """The eight signs of each byte, lowest place first, float32 (256, 8)."""
    places = numpy.unpackbits(numpy.arange(256, dtype=numpy.uint8)[:, None], axis=1, bitorder="little")
    return torch.from_numpy(1 - 2 * places[:, order].astype(numpy.float32))


def looked_up(w0: torch.Tensor, w1: torch.Tensor, order: slice = slice(None)) -> torch.Tensor:
    """The signs of each block byte by byte, from the lowest of the first word on, (blocks, 64)."""
    octets = torch.stack((w0, w1), -1).numpy().astype("<i4").view(numpy.uint8)  # (blocks, 8)
    return table(order)[torch.from_numpy(octets).long()].flatten(1)


def test_the_signs_are_those_of_a_table_of_bytes():
    every = torch.arange(256).repeat(4) << torch.arange(0, 32, 8).repeat_interleave(256)  # each byte in each place
    bytewise = torch.from_numpy(every.numpy().astype(numpy.uint32).view(numpy.int32))
    word = torch.cat((bytewise, words(*ENDS), random_words(10_000)))
    assert torch.equal(block("rademacher", word, word.flip(0)), looked_up(word, word.flip(0)))


def test_a_table_with_the_highest_place_first_is_caught():
    word = random_words(100)
    assert not torch.equal(block("rademacher", word, word), looked_up(word, word, slice(None, None, -1)))


def bits_that_count(law: str) -> int:
    """Of the 64 bits of a block, those that change some coordinate of some of 200 random blocks."""
    pairs = torch.stack((random_words(200, 0), random_words(200, 1)))
    plain, count = block(law, *pairs), 0
    for bit in range(64):
        flipped = pairs.clone()
        flipped[bit // 32] ^= words(LEAST if bit % 32 == 31 else 1 << bit % 32)
        count += not torch.equal(plain, block(law, *flipped))
    return count


@pytest.mark.parametrize(("law", "bits"), [("gaussian", 64), ("rademacher", 64), ("uniform", 64)])
def test_every_bit_of_both_words_is_used(law, bits):
    assert bits_that_count(law) == bits


def test_three_points_need_only_the_high_bits():
    assert 10 < bits_that_count("three-point") < 64  # so that the count above can fail


def exact_pair(word: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The squared radius and the angle that `normal_pair` means, in double precision."""
    turned = word.long() * LATTICE % 2**32
    uniform = ((turned % 2**31).double() + 0.5) / 2**31
    angle = math.pi * word.double() / 2**32 + math.pi * (turned >= 2**31)
    return -2 * uniform.log(), angle


def test_the_normal_pair_is_the_transform_of_box_and_muller():
    word = torch.cat((words(*ENDS), random_words(1_000_000)))
    x, y = (z.double() for z in normal_pair(word))
    square, angle = exact_pair(word)
    assert torch.allclose(x**2 + y**2, square, rtol=1e-6, atol=2**-23)  # the uniform is rounded to float32
    turn = torch.remainder(torch.atan2(y, x) - angle + math.pi, 2 * math.pi) - math.pi
    assert turn[square > 1e-3].abs().max() < 1e-6


def test_a_normal_is_finite_for_every_radius_and_reaches_six_and_a_half():
    inverse = pow(LATTICE, -1, 2**32)
    smallest = [(u * inverse + (1 << 31)) % 2**32 - (1 << 31) for u in (0, 2**31 - 1, 2**31, 2**32 - 1)]
    x, y = normal_pair(words(*ENDS, *smallest))
    assert torch.isfinite(x).all() and torch.isfinite(y).all()
    assert torch.hypot(x, y).max().item() == pytest.approx(math.sqrt(2 * 32 * math.log(2)), rel=1e-6)


def test_the_polynomials_are_sine_and_cosine():
    t = torch.linspace(-0.5, 0.5, 100_001, dtype=torch.float64)
    assert (polynomial(COSINE, t * t) - torch.cos(math.pi * t)).abs().max() < 3e-10
    assert (t * polynomial(SINE, t * t) - torch.sin(math.pi * t)).abs().max() < 3e-10
    assert (t * polynomial(SINE[:-1], t * t) - torch.sin(math.pi * t)).abs().max() > 1e-6  # each term is needed


def test_uniform_coordinates_are_their_word_scaled_to_unit_variance():
    word = torch.cat((words(*ENDS), random_words(1_000)))
    z = block("uniform", word, word.flip(0))
    assert torch.allclose(z[:, 0].double(), word.double() / 2**31 * math.sqrt(3), rtol=2e-7, atol=0)
    assert torch.equal(z[:, 1], z[:, 0].flip(0)) and z.abs().max() <= torch.tensor(math.sqrt(3))


def test_three_points_take_a_sixth_two_thirds_and_a_sixth_of_the_words():
    edges = words(LEAST, -FACE - 1, -FACE, -1, 0, FACE - 1, FACE, MOST)
    signs = block("three-point", edges, edges)[:, 0].sign().int()
    assert signs.tolist() == [-1, -1, 0, 0, 0, 0, 1, 1]  # so the outer two hold 2³¹ − FACE words each
    assert (2**31 - FACE) / 2**32 == pytest.approx(1 / 6, rel=1e-9)
    assert block("three-point", words(MOST), words(LEAST)).double().square().flatten().tolist() == pytest.approx([3, 3])


def unevenness(multiplier: int, modulus: int = 1 << 32) -> int:
    """2³² times a bound of the discrepancy of the lattice (w, multiplier·w): 2 + Σ partial quotients.

    Source: Zaremba 1966; Niederreiter 1992, chapter 5. The least for a lattice of this size is about 50.
    """
    total, a, b = 2, multiplier % modulus, modulus
    while a:
        total, a, b = total + b // a, b % a, a
    return total


def nearest_neighbour(multiplier: int, modulus: int = 1 << 32) -> float:
    """The shortest vector of the lattice over the longest that any lattice of its density has: the spectral test.

    By Gauss's reduction; Knuth, The Art of Computer Programming 2, section 3.3.4.
    """
    short, long = (1, multiplier % modulus), (0, modulus)
    while True:
        steps = round((short[0] * long[0] + short[1] * long[1]) / (short[0] ** 2 + short[1] ** 2))
        long = (long[0] - steps * short[0], long[1] - steps * short[1])
        if math.hypot(*long) >= math.hypot(*short):
            return math.hypot(*short) / math.sqrt(modulus * 2 / math.sqrt(3))
        short, long = long, short


def test_angle_and_radius_fill_the_square_evenly():
    assert unevenness(LATTICE) < 150
    assert nearest_neighbour(LATTICE) == pytest.approx(0.7547, abs=1e-4)
    assert nearest_neighbour(5) < 1e-3


@pytest.mark.parametrize("multiplier", [5, 65_537, 69_069, 1_664_525])
def test_a_multiplier_that_leaves_gaps_is_caught(multiplier):
    assert unevenness(multiplier) > 1_000


def test_an_unknown_law_names_the_nearest():
    with pytest.raises(ValueError, match=r"`law` must be one of gaussian, .*; got 'gausian'\. Nearest: gaussian\."):
        coordinates_named("gausian")
    with pytest.raises(ValueError, match=r"got None: choose one of these\."):
        coordinates_named(None)


def test_the_keyed_laws_are_those_whose_kurtosis_is_known():
    assert KURTOSIS.keys() == COORDINATES.keys()
