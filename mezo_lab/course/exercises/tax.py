"""Notebook 4: the descent lemma and the dimension tax."""

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.sampling import LAWS

__all__ = ["check_contraction", "check_probe_gain", "check_stable_lr"]

_CONTRACTIONS = [
    {"lr": 0.01, "smoothness": 3.0, "factor": 12.0},
    {"lr": 0.1, "smoothness": 0.5, "factor": 2.5},
    {"lr": 0.2, "smoothness": 2.0, "factor": 40.0},
]
_BOWLS = [
    {"smoothness": 3.0, "dim": 10, "probes": 1},
    {"smoothness": 0.5, "dim": 50, "probes": 4},
    {"smoothness": 2.0, "dim": 7, "probes": 2},
]
_GAINS = [{"dim": 10, "probes": 4}, {"dim": 100, "probes": 2}, {"dim": 5, "probes": 50}]


def _factor(dim: int, probes: int) -> float:
    """E‖ĝ‖²/‖g‖² of Gaussian probes, (d+n+1)/n."""
    return theory.norm_factor(dim, probes, LAWS["gaussian"].moments(dim))


def _stable_lr(smoothness: float, dim: int, probes: int) -> float:
    """The largest stable rate of MeZO with Gaussian probes on an isotropic quadratic."""
    return theory.largest_stable_lr(smoothness, _factor(dim, probes))


def check_contraction(contraction: Answer) -> None:
    """Whether contraction(lr, smoothness, factor) is E[L(θ⁺)]/L(θ) of a step on L = ½ℓ‖θ‖².

    Source: paper, Lemma 1 at H = ℓI; claim B2. Raises: WrongAnswer.
    """
    grade(
        contraction,
        lambda lr, smoothness, factor: theory.contraction(lr * smoothness, factor),
        _CONTRACTIONS,
        {
            "That is SGD's: ĝ is longer than g, and the second term holds E‖ĝ‖² = factor·‖g‖².": (
                "(1 - lr * smoothness)**2"
            ),
            "‖g‖² is 2ℓL, not ℓL: both terms are twice as large.": (
                "1 - lr * smoothness + (lr * smoothness)**2 * factor / 2"
            ),
            "ℓ comes twice in the second term: once from the lemma, once from ‖g‖² = 2ℓL.": (
                "1 - 2 * lr * smoothness + lr**2 * smoothness * factor"
            ),
            "That is the change divided by L; the ratio has the old loss in it too, as 1.": "truth - 1",
        },
    )


def check_stable_lr(stable: Answer) -> None:
    """Whether stable(smoothness, dim, probes) is MeZO's largest stable rate, z Gaussian, H = ℓI.

    Source: paper, eq. (3); claim B2. Raises: WrongAnswer.
    """
    grade(
        stable,
        _stable_lr,
        _BOWLS,
        {
            "That is SGD's rate: divide it by E‖ĝ‖²/‖g‖².": "2 / smoothness",
            "That is the best rate. The largest stable one is where the ratio is 1 again, twice as far.": "truth / 2",
            "(d+n−1)/n belongs to the sphere and to signs; Gaussian probes have (d+n+1)/n.": (
                "2 * probes / (smoothness * (dim + probes - 1))"
            ),
            "The second term holds ‖ĝ‖², not ‖ĝ‖: there is no square root.": (
                "2 / (smoothness * sqrt((dim + probes + 1) / probes))"
            ),
            "That is for one probe: the mean of n of them is shorter.": "2 / (smoothness * (dim + 2))",
        },
    )


def check_probe_gain(gain: Answer) -> None:
    """Whether gain(dim, probes) is the stable rate of n probes over that of one probe, z Gaussian.

    Source: claim B2. Formula: n(d+2)/(d+n+1). Raises: WrongAnswer.
    """
    grade(
        gain,
        lambda dim, probes: _factor(dim, 1) / _factor(dim, probes),
        _GAINS,
        {
            "Only while n is far below d: no n takes you beyond SGD's rate, d + 2 times that of one probe.": "probes",
            "That is the share of SGD's rate; the question is how many times that of one probe.": (
                "probes / (dim + probes + 1)"
            ),
            "That is the gain for each pair of forward passes; the rate gains n times that.": "truth / probes",
        },
    )
