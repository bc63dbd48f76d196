"""Notebook 4: the descent lemma and the dimension tax."""

from mezo_lab import theory
from mezo_lab.course.exercises.ask import Answer
from mezo_lab.course.exercises.judge import judge
from mezo_lab.sampling import LAWS

CONTRACTIONS = [
    {"lr": 0.01, "smoothness": 3.0, "factor": 12.0},
    {"lr": 0.1, "smoothness": 0.5, "factor": 2.5},
    {"lr": 0.2, "smoothness": 2.0, "factor": 40.0},
]
RATES = [
    {"smoothness": 3.0, "dim": 10, "probes": 1},
    {"smoothness": 0.5, "dim": 50, "probes": 4},
    {"smoothness": 2.0, "dim": 7, "probes": 2},
]
GAINS = [{"dim": 10, "probes": 4}, {"dim": 100, "probes": 2}, {"dim": 5, "probes": 50}]


def factor(dim: int, probes: int) -> float:
    """E‖ĝ‖²/‖g‖² of Gaussian probes, (d+n+1)/n.

    >>> factor(50, 4)
    13.75
    """
    return theory.norm_factor(dim, probes, LAWS["gaussian"].moments(dim))


def stable_lr(smoothness: float, dim: int, probes: int) -> float:
    """The largest stable rate of MeZO with Gaussian probes on an isotropic quadratic.

    >>> stable_lr(1.0, 50, 4) == 2 / 13.75
    True
    """
    return theory.largest_stable_lr(smoothness, factor(dim, probes))


def check_contraction(contraction: Answer) -> None:
    """Whether contraction(lr, smoothness, factor) is E[L(θ⁺)]/L(θ) of a step on L = ½ℓ‖θ‖².

    Source: paper, Lemma 1 at H = ℓI; claim B2. Raises: Wrong.
    """
    judge(
        contraction,
        lambda lr, smoothness, factor: theory.contraction(lr * smoothness, factor),
        CONTRACTIONS,
        {
            "That is SGD's: ĝ is longer than g, and the second term holds E‖ĝ‖² = factor·‖g‖².": (
                lambda lr, smoothness, factor: (1 - lr * smoothness) ** 2
            ),
            "‖g‖² is 2ℓL, not ℓL: both terms are twice as large.": lambda lr, smoothness, factor: (
                1 - lr * smoothness + (lr * smoothness) ** 2 * factor / 2
            ),
            "ℓ comes twice in the second term: once from the lemma, once from ‖g‖² = 2ℓL.": (
                lambda lr, smoothness, factor: 1 - 2 * lr * smoothness + lr**2 * smoothness * factor
            ),
            "That is the change divided by L; the ratio has the old loss in it too, as 1.": (
                lambda lr, smoothness, factor: -2 * lr * smoothness + (lr * smoothness) ** 2 * factor
            ),
        },
    )


def check_stable_lr(stable: Answer) -> None:
    """Whether stable(smoothness, dim, probes) is MeZO's largest stable rate, z Gaussian, H = ℓI.

    Source: paper, eq. (3); claim B2. Raises: Wrong.
    """
    judge(
        stable,
        stable_lr,
        RATES,
        {
            "That is SGD's rate: divide it by E‖ĝ‖²/‖g‖².": lambda smoothness, dim, probes: 2 / smoothness,
            "That is the best rate. The largest stable one is where the ratio is 1 again, twice as far.": (
                lambda smoothness, dim, probes: stable_lr(smoothness, dim, probes) / 2
            ),
            "(d+n−1)/n belongs to the sphere and to signs; Gaussian probes have (d+n+1)/n.": (
                lambda smoothness, dim, probes: 2 * probes / (smoothness * (dim + probes - 1))
            ),
            "The second term holds ‖ĝ‖², not ‖ĝ‖: there is no square root.": lambda smoothness, dim, probes: (
                2 / (smoothness * factor(dim, probes) ** 0.5)
            ),
            "That is for one probe: the mean of n of them is shorter.": lambda smoothness, dim, probes: stable_lr(
                smoothness, dim, 1
            ),
        },
    )


def check_probe_gain(gain: Answer) -> None:
    """Whether gain(dim, probes) is the stable rate of n probes over that of one probe, z Gaussian.

    Source: claim B2. Formula: n(d+2)/(d+n+1). Raises: Wrong.
    """
    judge(
        gain,
        lambda dim, probes: factor(dim, 1) / factor(dim, probes),
        GAINS,
        {
            "Only while n is far below d: no n takes you beyond SGD's rate, d + 2 times that of one probe.": (
                lambda dim, probes: probes
            ),
            "That is the share of SGD's rate; the question is how many times that of one probe.": (
                lambda dim, probes: 1 / factor(dim, probes)
            ),
            "That is the gain for each pair of forward passes; the rate gains n times that.": lambda dim, probes: (
                (dim + 2) / (dim + probes + 1)
            ),
        },
    )
