"""Notebooks 11 and 12: accuracy as what is measured at the end, and as what is trained."""

import math
from functools import cache
from random import Random

from mezo_lab.course.exam.problem import Part, Problem, Slip
from mezo_lab.finetune.evaluation.scores import Z95, difference, mean_score
from mezo_lab.theory import zero_probability

__all__ = ["accuracy_measured_and_trained"]

_BATCH = 3  # examples, few enough to count the ways in which answers flip
_STATEMENT = r"""
A language model answers a review by one of two label words. Before training and after it, the model answers the
same $n=@{count}$ test reviews. Both models are right on $@{both}$ of them; on $b=@{won}$ reviews only the trained
model is right, on $c=@{lost}$ only the untrained one; on the others both are wrong.
"""


def accuracy_measured_and_trained(draw: Random) -> Problem:
    """Assesses the loss over label words, the paired interval of a gain beside the unpaired one, and what a probe sees
    of an objective that is a count."""
    count, both, won, lost = draw.choice(_outcomes())
    gain, low, high = _paired(both, won, lost, count)
    right = draw.choice([1.8, 2.1, 2.4, 3.2])
    gap = draw.choice([-1.2, -0.8, -0.4, 0.4, 0.8, 1.2])
    flip = draw.choice([0.2, 0.3, 0.4])
    epsilon = draw.choice([0.01, 0.02, 0.05, 0.1])
    values = {
        "count": count,
        "both": both,
        "won": won,
        "lost": lost,
        "before": 100 * (both + lost) / count,
        "after": 100 * (both + won) / count,
        "gain": 100 * gain,
        "error": 100 * (high - gain) / Z95,
        "low": 100 * low,
        "high": 100 * high,
        "unpaired": 100 * _unpaired(both, won, lost, count),
        "z95": round(Z95, 2),
        "right": right,
        "other": round(right - gap, 1),
        "loss": math.log1p(math.exp(gap)),
        "half": math.log(2),
        "verdict": "wrong" if gap > 0 else "right",
        "quadruple": 4 * count,
        "checkpoints": draw.choice([6, 8, 10, 12]),
        "batch": _BATCH,
        "flip": flip,
        "epsilon": epsilon,
        "unit": 1 / (2 * epsilon * _BATCH),
        "zero": zero_probability(flip, _BATCH),
        "none": (1 - flip) ** _BATCH,
        "square": flip / (4 * epsilon**2 * _BATCH),
    }
    values["cancel"] = values["zero"] - values["none"]
    return Problem(
        title="Accuracy, measured and trained",
        objectives=("11.a", "11.c", "11.e", "12.b"),
        statement=_STATEMENT,
        parts=(_loss(values), _gain(values), _reviews(values), _objective(values)),
        values=values,
    )


@cache
def _outcomes() -> list[tuple[int, int, int, int]]:
    """(n, both right, b, c) with a gain that is clear of 0 in pairs, and not in two separate samples."""
    cases = [
        (count, count * percent // 100, lost + gap, lost)
        for count in (400, 500, 600, 800)
        for percent in (70, 75, 80)
        for lost in (10, 12, 14, 16, 20)
        for gap in range(12, 30)
    ]
    return [case for case in cases if _pairing_decides(*case)]


def _pairing_decides(count: int, both: int, won: int, lost: int) -> bool:
    _, low, _ = _paired(both, won, lost, count)
    gain = (won - lost) / count
    return low > 0.004 and _unpaired(both, won, lost, count) > 1.1 * gain  # neither is a close call


def _paired(both: int, won: int, lost: int, count: int) -> tuple[float, float, float]:
    """The gain and the ends of its 95 % interval."""
    wrong = count - both - won - lost
    before = [1.0] * both + [0.0] * won + [1.0] * lost + [0.0] * wrong
    after = [1.0] * both + [1.0] * won + [0.0] * lost + [0.0] * wrong
    return difference(mean_score("accuracy", after), mean_score("accuracy", before))


def _unpaired(both: int, won: int, lost: int, count: int) -> float:
    """Half the width of the interval for two separate sets of reviews."""
    shares = [(both + won) / count, (both + lost) / count]
    return Z95 * math.sqrt(sum(share * (1 - share) for share in shares) / count)


def _loss(values: dict) -> Part:
    reversed_loss = math.log1p(math.exp(values["other"] - values["right"]))
    return Part(
        question=r"""On one review the loss of the right label word over the whole vocabulary, $-\log p$, is
$@{right}$, and that of the other label word is $@{other}$. Derive the cross-entropy over the two label words alone
and evaluate it. Is the answer right? Compare with $\log2\approx@{half}$.""",
        solution=r"""Given that the next word is one of the two, it is the right one with the probability
$q=p_r/(p_r+p_o)$, so $L=-\log q=\log(1+p_o/p_r)=\log\left(1+e^{\ell_r-\ell_o}\right)$: the normaliser of the
vocabulary cancels. Here $L=\log\left(1+e^{@{right}-@{other}}\right)@{=loss}$. The answer is right exactly if
$p_r>p_o$, that is if $L<\log2$: it is @{verdict}.""",
        steps=(
            (2, "the derivation: 1 for $q$, 1 for the formula"),
            (1, "the number"),
            (1, r"@{verdict}, by $\log2$ or by the losses"),
        ),
        answers=("loss",),
        slips=(
            Slip("the two losses the wrong way round", 1, "loss", reversed_loss),
            Slip("takes the loss over the whole vocabulary", 2, "loss", values["right"]),
        ),
    )


def _gain(values: dict) -> Part:
    won = values["won"]
    lost = values["lost"]
    count = values["count"]
    return Part(
        question=r"""The gain of training is $(b-c)/n$, with the squared standard error
$\left[b+c-(b-c)^2/n\right]/(n(n-1))$. Derive the latter from the standard error of a mean. Give the gain and its
95-per-cent interval, $\pm@{z95}$ standard errors, in percentage points. Then give the interval that you would have
if the two accuracies came from different reviews. What does each say about the training?""",
        solution=r"""On each review the gap $x_i$ is $-1$, 0 or 1, with the mean $\bar x=(b-c)/n$ and
$\sum x_i^2=b+c$. The squared standard error of a mean is $\sum(x_i-\bar x)^2/(n(n-1))$, and
$\sum(x_i-\bar x)^2=\sum x_i^2-n\bar x^2=b+c-(b-c)^2/n$. The gain is $@{gain}$ points with a standard error of
$@{error}$: from $@{low}$ to $@{high}$ points, clear of 0. From different reviews, accuracies of $@{before}$ and
$@{after}$ per cent have variances that add, $p(1-p)/n$ each, and the interval is $@{gain}\pm@{unpaired}$ points,
which contains 0. The reviews are the same, so the first is the right one: training helped. The second throws away
that both models succeed on mostly the same reviews.""",
        steps=(
            (2, r"the derivation: 1 for $\sum x_i^2=b+c$, 1 for the rest"),
            (1, "the gain"),
            (2, "the paired interval: 1 for the standard error, 1 for both ends"),
            (2, "the unpaired interval"),
            (1, "training helped, and why pairs decide"),
        ),
        answers=("gain", "error", "low", "high", "unpaired"),
        slips=(
            Slip("the unpaired error for the pairs", 3, "error", values["unpaired"] / Z95),
            Slip(r"reports the accuracies' two intervals and says that they overlap, hence no gain", 5),
            Slip(
                "divides by the reviews on which the models differ and not by all",
                2,
                "gain",
                100 * (won - lost) / (won + lost),
            ),
            Slip("does not multiply by the number of standard errors", 1, "high", values["gain"] + values["error"]),
            Slip(
                "forgets one of the two factors of $n(n-1)$",
                1,
                "error",
                values["error"] * math.sqrt(count),
            ),
        ),
    )


def _reviews(values: dict) -> Part:
    return Part(
        question=r"""How many reviews would halve the width of the paired interval, if the shares stay as they are?
The trained model was the best of $@{checkpoints}$ checkpoints on a validation set: is its accuracy on *that set* an
honest forecast for new reviews?""",
        solution=r"""The standard error falls as $1/\sqrt n$: four times as many, $@{quadruple}$. No: the best of
several noisy numbers was picked because it is high, so on average it is too high. The test reviews had no part in
the choice; their accuracy is honest.""",
        steps=((1, "four times as many"), (2, "too high on average (1), because it was chosen (1)")),
        answers=("quadruple",),
        slips=(Slip("twice as many", 1, "quadruple", 2 * values["count"]),),
    )


def _objective(values: dict) -> Part:
    flip = values["flip"]
    return Part(
        question=r"""Now MeZO minimises the error rate of $B=@{batch}$ reviews, with $\varepsilon=@{epsilon}$.
Between $\theta+\varepsilon z$ and $\theta-\varepsilon z$ each answer *flips*, that is, is right on one side and
wrong on the other, with probability $q=@{flip}$, independently of the others, and each way with equal chance.
Which values can $pg$ take? Find $P(pg=0)$ and $\mathbb{E}[pg^2]$. If $q$ is proportional to $\varepsilon$, what
happens to each of the two as $\varepsilon\to0$?""",
        solution=r"""The two counts of errors differ by a whole number, so $pg$ is a multiple of
$\frac{1}{2\varepsilon B}@{=unit}$, from $-B$ to $B$ times. It is 0 if no answer flips, $(1-q)^3@{=none}$, or if two
flip and cancel, $3q^2(1-q)\cdot\tfrac12@{=cancel}$: together $@{zero}$. The difference of the counts is a sum of
$F$ fair signs, $F$ flips, so its mean square is $\mathbb{E}F=Bq$ and
$\mathbb{E}[pg^2]=\frac{Bq}{(2\varepsilon B)^2}=\frac{q}{4\varepsilon^2B}@{=square}$. As $\varepsilon\to0$, $q\to0$:
nearly all probes see nothing, and $\mathbb{E}[pg^2]\propto1/\varepsilon$ grows without bound.""",
        steps=(
            (2, r"multiples of $1/(2\varepsilon B)$, with the number"),
            (4, "$P(pg=0)$: 1 for no flip, 2 for two that cancel, 1 for the number"),
            (3, r"$\mathbb{E}[pg^2]$: 2 for $\mathbb{E}F=Bq$, 1 for the number"),
            (1, "both limits"),
        ),
        answers=("unit", "zero", "square"),
        slips=(
            Slip("forgets that two flips can cancel", 2, "zero", values["none"]),
            Slip("lets two flips always cancel", 1, "zero", values["none"] + 2 * values["cancel"]),
            Slip("counts one pair of answers that flip, of three", 1, "zero", values["none"] + values["cancel"] / 3),
            Slip(
                r"divides the counts by $2\varepsilon$ and not by $2\varepsilon B$",
                1,
                "square",
                _BATCH**2 * values["square"],
            ),
            Slip(
                "takes the mean square of $B$ signs, as if every answer flipped", 1, "square", values["square"] / flip
            ),
        ),
    )
