"""Notebook 4: the descent lemma and the dimension tax."""

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.sampling import LAWS

__all__ = ["check_contraction", "check_probe_gain", "check_stable_lr"]

_CONTRACTIONS = [
    {"lr": 0.01, "smoothness": 3.0, "factor": 12.0, "weight_decay": 5.0},
    {"lr": 0.1, "smoothness": 0.5, "factor": 2.5, "weight_decay": 1.5},
    {"lr": 0.2, "smoothness": 2.0, "factor": 40.0, "weight_decay": 0.0},
]
_BOWLS = [
    {"smoothness": 3.0, "dim": 10, "probes": 1, "fourth": 1.5},
    {"smoothness": 0.5, "dim": 50, "probes": 4, "fourth": 3.0},
    {"smoothness": 2.0, "dim": 7, "probes": 2, "fourth": 1.0},
]
_GAINS = [{"dim": 10, "probes": 4}, {"dim": 100, "probes": 2}, {"dim": 5, "probes": 50}]


def _factor(dim: int, probes: int) -> float:
    """E‖ĝ‖²/‖g‖² of Gaussian probes, (d+n+1)/n."""
    return theory.norm_factor(dim, probes, LAWS["gaussian"].moments(dim))


def _contraction(lr: float, smoothness: float, factor: float, weight_decay: float) -> float:
    """E[L(θ⁺)]/L(θ) of θ⁺ = (1 − ηw)θ − ηĝ: decay shrinks θ, and the step is longer in units of what is left."""
    kept = 1 - lr * weight_decay
    return kept**2 * theory.contraction(lr * smoothness / kept, factor)


def _stable_lr(smoothness: float, dim: int, probes: int, fourth: float) -> float:
    """The largest stable rate on an isotropic quadratic, for z = s·x with x on the sphere and E[s⁴] = fourth."""
    sphere = LAWS["sphere"].moments(dim)
    scaled = sphere._replace(pair=fourth * sphere.pair)
    return theory.largest_stable_lr(smoothness, theory.norm_factor(dim, probes, scaled))


def check_contraction(contraction: Answer) -> None:
    """Whether contraction(lr, smoothness, factor, weight_decay) is E[L(θ⁺)]/L(θ) of a decayed step on L = ½ℓ‖θ‖².

    The step is θ⁺ = (1 − ηw)θ − ηĝ.
    Source: paper, Lemma 1 at H = ℓI; claim B2. Raises: WrongAnswer.
    """
    grade(
        contraction,
        _contraction,
        _CONTRACTIONS,
        {
            "That is the step without weight decay: θ shrinks by 1 − ηw before ĝ is taken off.": (
                "1 - 2 * lr * smoothness + (lr * smoothness)**2 * factor"
            ),
            "Decay shrinks θ before the step; ĝ is that of the old θ and does not shrink with it.": (
                "(1 - lr * weight_decay)**2 * (1 - 2 * lr * smoothness + (lr * smoothness)**2 * factor)"
            ),
            "The middle term is −2ηℓ(1 − ηw): it pairs the decayed θ with ĝ.": (
                "(1 - lr * weight_decay)**2 - 2 * lr * smoothness + (lr * smoothness)**2 * factor"
            ),
            "That is the exact gradient's: ĝ is longer than g, and the last term holds E‖ĝ‖² = factor·‖g‖².": (
                "(1 - lr * weight_decay - lr * smoothness)**2"
            ),
            "That is the change divided by L; the ratio has the old loss in it too, as 1.": "truth - 1",
        },
    )


def check_stable_lr(stable: Answer) -> None:
    """Whether stable(smoothness, dim, probes, fourth) is MeZO's largest stable rate for z of a random length, H = ℓI.

    z = s·x, with x on the sphere of radius √d, s independent of it, E[s²] = 1 and E[s⁴] = fourth.
    Source: paper, eq. (3); claim B2. Formula: 2n/(ℓ(fourth·d + n − 1)). Raises: WrongAnswer.
    """
    grade(
        stable,
        _stable_lr,
        _BOWLS,
        {
            "That is SGD's rate: divide it by E‖ĝ‖²/‖g‖².": "2 / smoothness",
            "That is the best rate. The largest stable one is where the ratio is 1 again, twice as far.": "truth / 2",
            "That is the sphere's rate, for a z of fixed length: here E‖z‖⁴ is larger than d², by E[s⁴].": (
                "2 * probes / (smoothness * (dim + probes - 1))"
            ),
            "The pairs of different probes see E[s²] twice, not E[s⁴]: they add n − 1, whatever the lengths.": (
                "2 * probes / (smoothness * fourth * (dim + probes - 1))"
            ),
            "The pairs of different probes are missing: they add (n − 1)/n to E‖ĝ‖²/‖g‖².": (
                "2 * probes / (smoothness * fourth * dim)"
            ),
            "That is for one probe: the mean of n of them is shorter.": "2 / (smoothness * fourth * dim)",
            "The second term holds ‖ĝ‖², not ‖ĝ‖: there is no square root.": (
                "2 / (smoothness * sqrt((fourth * dim + probes - 1) / probes))"
            ),
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
