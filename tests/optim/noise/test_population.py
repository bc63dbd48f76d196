"""`normal_pair` summed over words: the mean of every word, not of a sample, against the normal law."""

import math
import sys
from itertools import product

import pytest
import torch
from scipy import stats

from mezo_lab.optim.noise.coordinates import normal_pair

CHUNK = 1 << 16  # words at a time, so that their powers stay in cache
ORDERS = [(i, j) for i, j in product(range(7), repeat=2) if 0 < i + j <= 6]
TAILS = (3.0, 4.0, 5.0, 6.0)


def moment(order: int) -> float:
    """Of the standard normal: 1, 0, 1, 0, 3, 0, 15, …"""
    return 0.0 if order % 2 else math.prod(range(1, order, 2))


def spread(i: int, j: int) -> float:
    """The standard deviation of z0^i·z1^j."""
    return math.sqrt(moment(2 * i) * moment(2 * j) - (moment(i) * moment(j)) ** 2)


def powers(z: torch.Tensor) -> torch.Tensor:
    """1, z, …, z⁶ in float64, (7, count)."""
    found = [torch.ones_like(z, dtype=torch.float64)]
    for _ in range(6):
        found.append(found[-1] * z)
    return torch.stack(found)


def population(stride: int) -> tuple[dict[tuple[int, int], float], dict[float, list[int]]]:
    """Over the 2³²/stride words w ≡ stride/2: the deviation of each moment, in its own spreads; how many are in a tail.

    The words of a stride, and with them their angles and radii, are a coarser lattice of the same multiplier.
    """
    sums = torch.zeros(7, 7, dtype=torch.float64)
    beyond = dict.fromkeys(TAILS, torch.zeros(2, dtype=torch.long))
    count = (1 << 32) // stride
    places = torch.arange(CHUNK)
    for start in range(0, count, CHUNK):
        word = ((start + places) * stride + stride // 2 - (1 << 31)).to(torch.int32)
        z = torch.stack(normal_pair(word))
        sums += powers(z[0]) @ powers(z[1]).T
        beyond = {tail: found + (z.abs() > tail).sum(1) for tail, found in beyond.items()}
    means = {order: float(sums[order]) / count for order in ORDERS}
    deviations = {(i, j): (means[i, j] - moment(i) * moment(j)) / spread(i, j) for i, j in ORDERS}
    return deviations, {tail: found.tolist() for tail, found in beyond.items()}


def worst(deviations: dict[tuple[int, int], float]) -> float:
    return max(map(abs, deviations.values()))


def tail_scores(beyond: dict[float, list[int]], words: int) -> list[float]:
    """How many standard deviations of a random sample's count each tail is off."""
    expected = {tail: words * 2 * stats.norm.sf(tail) for tail in TAILS}
    return [abs(count - expected[tail]) / math.sqrt(expected[tail]) for tail, both in beyond.items() for count in both]


def test_every_256th_word_has_the_moments_of_two_independent_normals():
    deviations, beyond = population(stride=256)
    assert worst(deviations) < 0.1 / 4096  # a random sample of 2²⁴ words comes as near as 1/4096
    assert max(tail_scores(beyond, 1 << 24)) < 1


@pytest.mark.parametrize("multiplier", [5])
def test_a_multiplier_that_ties_the_radius_to_the_angle_is_caught(multiplier, monkeypatch):
    monkeypatch.setattr(sys.modules[normal_pair.__module__], "LATTICE", multiplier)
    deviations, _ = population(stride=1024)
    assert worst(deviations) > 1 / 2048


@pytest.mark.slow
def test_all_words_together_have_the_moments_of_two_independent_normals():
    """To 6th order within a fiftieth of a random sample's error, and tails as near as counts can be."""
    deviations, beyond = population(stride=1)
    for (i, j), deviation in deviations.items():
        print(f"E z0^{i} z1^{j}: {deviation * spread(i, j):+.2e}, of spread {deviation:+.1e}")
    for tail, counts in beyond.items():
        print(f"|z| > {tail:g}: {counts}, expected {2**33 * stats.norm.sf(tail):.1f}")
    assert worst(deviations) < 1 / 50 / 2**16
    assert max(tail_scores(beyond, 1 << 32)) < 1
