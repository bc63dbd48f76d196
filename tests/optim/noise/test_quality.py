"""Every law's draws have its moments and its distribution: a million in the default run, a hundred million in the slow.

Each check of a sound stream stands beside the same check of a spoiled one, which must fail by twice its alarm.
"""

import math
from itertools import combinations, product

import pytest
import torch
from scipy import stats

MILLION, FULL = 1 << 20, 100_000_000
DRAWS = [pytest.param(MILLION, id="2^20"), pytest.param(FULL, id="1e8", marks=pytest.mark.slow)]
MOMENTS = {  # E z², z⁴, …, z¹²
    "gaussian": (1, 3, 15, 105, 945, 10_395),
    "rademacher": (1, 1, 1, 1, 1, 1),
    "uniform": tuple(3**k / (2 * k + 1) for k in range(1, 7)),
    "three-point": tuple(3**k / 3 for k in range(1, 7)),
}
FALSE_ALARM = 1e-6  # of one check of one law
ORDERS = [(i, j) for i, j in product(range(1, 6), repeat=2) if i + j <= 6]
LAGS = (1, 2, 3, 4, 8, 16, 64)  # blocks


def moment(law: str, order: int) -> float:
    return 0.0 if order % 2 else float((1, *MOMENTS[law])[order // 2])


def alarm(comparisons: int) -> float:
    return float(stats.norm.isf(FALSE_ALARM / (2 * comparisons)))


class Means:
    """Means of products of powers, each with the z-score of its deviation from the law's."""

    def __init__(self, law: str):
        self.law, self.sums, self.counts = law, {}, {}

    def add(self, label: tuple, x: torch.Tensor, i: int, y: torch.Tensor, j: int) -> None:
        """Take in x^i·y^j for independent coordinates x and y."""
        key = (*label, i, j)
        self.sums[key] = self.sums.get(key, 0.0) + float((x**i * y**j).sum())
        self.counts[key] = self.counts.get(key, 0) + x.numel()

    def scores(self) -> dict[tuple, float]:
        found = {}
        for key, total in self.sums.items():
            i, j = key[-2:]
            mean = moment(self.law, i) * moment(self.law, j)
            variance = moment(self.law, 2 * i) * moment(self.law, 2 * j) - mean**2
            deviation = abs(total - self.counts[key] * mean)
            found[key] = deviation / math.sqrt(self.counts[key] * variance) if variance else deviation
        return found

    def over(self) -> float:
        """The largest score over the alarm: above 1, something is wrong."""
        scores = self.scores()
        return max(scores.values()) / alarm(len(scores))


def own_moments(law: str, chunks) -> Means:
    """Of each coordinate of a block, to 6th order."""
    means = Means(law)
    for z in chunks:
        for (lane, x), order in product(enumerate(z.double().T), range(1, 7)):
            means.add((lane,), x, order, torch.ones_like(x), 0)
    return means


def joint_moments(law: str, chunks) -> Means:
    """Of each two of a block's first four coordinates, and of a coordinate and its neighbour, to 6th order."""
    means = Means(law)
    for z in chunks:
        lanes = z[:, :4].double().T
        for (a, x), (b, y) in combinations(enumerate(lanes), 2):
            for i, j in ORDERS:
                means.add(("pair", a, b), x, i, y, j)
        for i, j in ORDERS:
            means.add(("neighbours",), lanes[:, :-1], i, lanes[:, 1:], j)
    return means


def serial_moments(law: str, chunks) -> Means:
    """Of a coordinate and the one some blocks later, and of their squares."""
    means = Means(law)
    for z in chunks:
        z = z.double()
        for lag, order in product(LAGS, (1, 2)):
            means.add(("serial", lag), z[:-lag], order, z[lag:], order)
    return means


CHECKS = [own_moments, joint_moments, serial_moments]


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("law", MOMENTS)
@pytest.mark.parametrize("check", CHECKS)
def test_the_moments_are_those_of_the_law(stream, check, law, draws):
    means = check(law, stream(law, draws))
    print(
        f"{check.__name__} of {law}: largest {max(means.scores().values()):.2f}, alarm {alarm(len(means.scores())):.2f}"
    )
    assert means.over() < 1


def coarse(word: torch.Tensor) -> torch.Tensor:
    """A generator of only 12 bits."""
    return word >> 20 << 20


def sticky(word: torch.Tensor) -> torch.Tensor:
    """One word in twenty repeats the one before."""
    again = torch.arange(len(word)) % 20 == 1
    return torch.where(again, word.roll(1), word)


def biased(word: torch.Tensor) -> torch.Tensor:
    """One word in ten has its highest bit cleared."""
    return torch.where(torch.arange(len(word)) % 10 == 0, word & 0x7FFFFFFF, word)


@pytest.mark.parametrize(
    ("check", "law", "spoil"),
    [
        (own_moments, "gaussian", coarse),
        (joint_moments, "gaussian", coarse),
        *((serial_moments, law, sticky) for law in MOMENTS),
        (joint_moments, "gaussian", biased),
        *((own_moments, law, biased) for law in ("rademacher", "uniform", "three-point")),
    ],
)
def test_words_that_are_not_random_are_caught_by_their_moments(stream, check, law, spoil):
    assert check(law, stream(law, MILLION, spoil=spoil)).over() > 2


@pytest.mark.parametrize("check", [own_moments, joint_moments])
def test_another_law_is_caught_by_its_moments(stream, check):
    assert check("gaussian", stream("uniform", MILLION)).over() > 2


def tied(chunks):
    """Two coordinates of one word that are the cosine and the sine of one angle, without a radius of their own."""
    for z in chunks:
        x, y = z[:, 0], z[:, 1]
        yield torch.stack((x, y / torch.hypot(x, y), z[:, 2], z[:, 3]), -1)


def test_a_pair_that_is_uncorrelated_but_dependent_is_caught(stream):
    means = joint_moments("gaussian", tied(stream("gaussian", MILLION)))
    assert means.scores()["pair", 0, 1, 1, 1] < alarm(1) and means.over() > 2


DISTRIBUTIONS = {"gaussian": torch.special.ndtr, "uniform": lambda z: (z / 3**0.5 + 1) / 2}
BINS = 1 << 12


def histogram(law: str, chunks) -> torch.Tensor:
    """How many draws fall into each of `BINS` intervals of equal probability."""
    counts = torch.zeros(BINS, dtype=torch.long)
    for z in chunks:
        share = DISTRIBUTIONS[law](z.double().flatten())
        counts += torch.bincount((share * BINS).long().clamp(0, BINS - 1), minlength=BINS)
    return counts


def kolmogorov_smirnov(counts: torch.Tensor) -> float:
    """The p-value of the largest gap between the two distribution functions, looked for at the ends of the bins."""
    share = counts.cumsum(0).double() / counts.sum()
    gap = (share - torch.arange(1, BINS + 1) / BINS).abs().max()
    return float(stats.kstwobign.sf(math.sqrt(counts.sum()) * gap))


def chi_square(counts: torch.Tensor) -> float:
    return float(stats.chisquare(counts.numpy()).pvalue)


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("law", DISTRIBUTIONS)
def test_the_distribution_is_that_of_the_law(stream, law, draws):
    counts = histogram(law, stream(law, draws))
    print(f"{law}: Kolmogorov-Smirnov p = {kolmogorov_smirnov(counts):.3f}, chi-square p = {chi_square(counts):.3f}")
    assert min(kolmogorov_smirnov(counts), chi_square(counts)) > FALSE_ALARM


@pytest.mark.parametrize("test", [kolmogorov_smirnov, chi_square])
@pytest.mark.parametrize(("law", "other"), [("gaussian", "uniform"), ("uniform", "gaussian")])
def test_the_distribution_of_another_law_is_caught(stream, test, law, other):
    assert test(histogram(law, stream(other, MILLION))) < FALSE_ALARM**2


def test_words_of_twelve_bits_are_caught_by_their_distribution(stream):
    assert chi_square(histogram("gaussian", stream("gaussian", MILLION, spoil=coarse))) < FALSE_ALARM**2


@pytest.mark.parametrize("law", DISTRIBUTIONS)
def test_the_bins_lose_nothing_that_scipy_would_see(stream, law):
    z = torch.cat(list(stream(law, 1 << 17))).flatten().double().numpy()
    exact = stats.kstest(z, {"gaussian": "norm", "uniform": stats.uniform(-(3**0.5), 2 * 3**0.5).cdf}[law]).pvalue
    assert kolmogorov_smirnov(histogram(law, stream(law, 1 << 17))) == pytest.approx(exact, abs=0.1)
