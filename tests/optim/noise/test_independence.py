"""The bits of the words are fair and independent; streams of neighbouring addresses have nothing in common."""

import math

import pytest
import torch
from scipy import stats

from mezo_lab.optim.noise import COORDINATES, stream_keys, tensor_key
from mezo_lab.optim.noise.streams import block_coordinates

MILLION, FULL = 1 << 20, 100_000_000
DRAWS = [pytest.param(MILLION, id="2^20"), pytest.param(FULL, id="1e8", marks=pytest.mark.slow)]
FALSE_ALARM = 1e-6  # of one test


def alarm(comparisons: int) -> float:
    return float(stats.norm.isf(FALSE_ALARM / (2 * comparisons)))


def bit_scores(chunks) -> dict[str, torch.Tensor]:
    """z-scores: how often each of the 64 bits of a block is set, equals each other one, and each of the next block."""
    total, within, between, count = torch.zeros(64), torch.zeros(64, 64), torch.zeros(64, 64), 0
    for z in chunks:  # (blocks, 64) of ±1, whose sums are exact in float32
        total, within, between = total + z.sum(0), within + z.T @ z, between + z[:-1].T @ z[1:]
        count += len(z)
    apart = ~torch.eye(64, dtype=torch.bool)
    sums = {"balance": total, "pairs": within[apart], "next block": between}
    return {name: values.abs() / math.sqrt(count) for name, values in sums.items()}


def over_alarm(scores: torch.Tensor) -> float:
    return float(scores.max()) / alarm(scores.numel())


@pytest.mark.parametrize("draws", DRAWS)
def test_the_bits_of_the_words_are_fair_and_independent(stream, draws):
    for name, scores in bit_scores(stream("rademacher", draws)).items():
        print(f"{name}: largest {scores.max():.2f}, alarm {alarm(scores.numel()):.2f}")
        assert over_alarm(scores) < 1, name


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("balance", lambda word: torch.where(torch.arange(len(word)) % 5 == 0, word & ~0x100, word)),
        ("pairs", lambda word: torch.where(torch.arange(len(word)) % 5 == 0, word ^ (word << 1), word & -2)),
        ("next block", lambda word: torch.where(torch.arange(len(word)) % 5 == 1, word.roll(1), word)),
    ],
)
def test_bits_that_are_not_are_caught(stream, name, spoil):
    assert over_alarm(bit_scores(stream("rademacher", MILLION, spoil=spoil))[name]) > 2


BASE = (7, 100, 0, "weight")  # seed, step, probe, tensor
NEIGHBOURS = {
    "next step": (7, 101, 0, "weight"),
    "next probe": (7, 100, 1, "weight"),
    "next seed": (8, 100, 0, "weight"),
    "seed and step exchanged": (100, 7, 0, "weight"),
    "step and probe exchanged": (7, 0, 100, "weight"),
    "a seed that agrees in 32 bits": (7 + (1 << 32), 100, 0, "weight"),
    "another tensor of the shape": (7, 100, 0, "bias"),
    "a tensor without a name": (7, 100, 0, 0),
}


def correlation(law: str, some, others) -> float:
    """The larger score over the alarm, of Σ z·z′ and of Σ (z² − 1)(z′² − 1)."""
    products, squares, count = 0.0, 0.0, 0
    for z, other in zip(some, others, strict=True):
        products += float((z * other).sum(dtype=torch.float64))
        squares += float(((z**2 - 1) * (other**2 - 1)).sum(dtype=torch.float64))
        count += z.numel()
    variance = {"gaussian": 2.0, "rademacher": 1.0}[law]  # of z²; of signs that are right the sum is 0
    return max(abs(products), abs(squares) / variance) / math.sqrt(count) / alarm(2)


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_neighbouring_addresses_have_uncorrelated_streams(stream, neighbour, law, draws):
    assert correlation(law, stream(law, draws, BASE), stream(law, draws, NEIGHBOURS[neighbour])) < 1


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_a_stream_that_every_tensor_shares_is_caught(stream, law):
    # what seeding again before each tensor does: the tensor is no part of the address
    assert correlation(law, stream(law, MILLION, BASE), stream(law, MILLION, BASE)) > 2


def first_coordinates(addresses) -> torch.Tensor:
    """The coordinate at index 0 of many streams."""
    keys = torch.cat([stream_keys(seed, step, probe, [tensor_key(name)]) for seed, step, probe, name in addresses])
    return block_coordinates(COORDINATES["gaussian"], (keys[:, 0], keys[:, 1]), torch.zeros(len(keys)).int())[:, 0]


SERIES = {
    "steps": lambda i: (0, i, 0, "weight"),
    "probes": lambda i: (0, 1, i, "weight"),
    "seeds": lambda i: (i, 1, 0, "weight"),
    "tensors": lambda i: (0, 1, 0, f"layer.{i}.weight"),
    "positions": lambda i: (0, 1, 0, i),
}


def is_a_fair_sample(z: torch.Tensor) -> bool:
    z = z.double()
    serial = abs(float((z[1:] * z[:-1]).mean())) * math.sqrt(len(z))
    return serial < alarm(1) and stats.kstest(z.numpy(), "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize("series", SERIES)
def test_a_coordinate_is_a_fair_sample_over_consecutive(series):
    assert is_a_fair_sample(first_coordinates(SERIES[series](i) for i in range(2_000)))


def test_a_coordinate_that_repeats_now_and_then_is_caught():
    assert not is_a_fair_sample(first_coordinates((0, i - i % 2, 0, "weight") for i in range(2_000)))


def test_half_a_million_streams_are_all_different():
    tensors = [tensor_key(f"layer.{i}") for i in range(1_000)]
    keys = torch.cat([stream_keys(0, step, 0, tensors) for step in range(500)])
    assert len((keys[:, 0].long() << 32 | keys[:, 1].long() & 0xFFFFFFFF).unique()) == len(keys)
    assert len(keys[:, 0].unique()) < len(keys)  # of 32 bits, about thirty pairs meet
