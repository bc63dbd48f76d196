"""Notebook 14: what a method holds, and what it takes."""

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.sampling import LAWS

__all__ = ["check_largest_model", "check_largest_rank", "check_training_bytes"]

_GIBIBYTE = 2**30
# numbers held for each parameter: the weight; its gradient; Adam's two means
_HELD = {"inference": 1, "mezo": 1, "sgd": 2, "adam": 4}
_SIZES = (1_000, 1_300_000_000, 13_000_000_000, 30_000_000_000)
_MODELS = [
    {"parameters": size, "each": each, "method": method} for size in _SIZES for each in (2, 4) for method in _HELD
]
_CARDS = [{"gib": gib, "each": each, "method": method} for gib in (24.0, 80.0) for each in (2, 4) for method in _HELD]
_PRICES = [
    {"seconds": 0.5, "price": 1.0, "backward_seconds": 2.0, "backward_price": 16.0, "probes": 1},
    {"seconds": 2.0, "price": 0.5, "backward_seconds": 3.0, "backward_price": 8.0, "probes": 4},
    {"seconds": 3.0, "price": 2.0, "backward_seconds": 5.0, "backward_price": 20.0, "probes": 2},
]
_MANY = 10**9  # weights of a large model: the factor of the steps no longer depends on d


def _training_bytes(parameters: int, each: int, method: str) -> int:
    """Bytes of weights, gradients and optimizer states, all numbers `each` bytes wide; activations are not counted."""
    return _HELD[method] * each * parameters


def _bytes_holding(**held: int) -> Answer:
    """The mistake that counts so many numbers for each parameter of these methods."""

    def training_bytes(parameters: int, each: int, method: str) -> int:
        return (_HELD | held)[method] * each * parameters

    return training_bytes


def _largest_model(gib: float, each: int, method: str) -> float:
    """The parameters whose `_training_bytes` fill `gib` GiB."""
    return gib * _GIBIBYTE / _training_bytes(1, each, method)


def _largest_rank(seconds: float, price: float, backward_seconds: float, backward_price: float, probes: int) -> float:
    """The effective rank up to which MeZO costs less than backpropagation.

    Assumes: Gaussian z; a step of n probes takes n times as long as one of one.
    Args: seconds, price: of a step with one probe, and of an hour of its cards. backward_…: of backpropagation.
    """
    affordable = backward_seconds * backward_price / (probes * seconds * price)  # times the steps
    moments = LAWS["gaussian"].moments(_MANY)
    at_zero, at_one = (float(theory.effective_rank_factor(rank, probes, moments)) for rank in (0, 1))
    return (affordable - at_zero) / (at_one - at_zero)  # the factor is linear in the rank


def check_training_bytes(count: Answer) -> None:
    """Whether count(parameters, each, method) is what the method holds beside activations. Raises: WrongAnswer."""
    grade(
        count,
        _training_bytes,
        _MODELS,
        {
            "Adam keeps two means for each parameter, of the gradient and of its square.": _bytes_holding(adam=3),
            "Adam's states come on top of its gradient, which it needs too.": _bytes_holding(adam=2),
            "Adam has weights and gradients beside its two states.": _bytes_holding(adam=2, sgd=1),
            "A gradient is as large as the weights.": _bytes_holding(sgd=1, adam=3),
            "MeZO keeps no z: it is drawn again from its seed.": _bytes_holding(mezo=2),
            "MeZO has no gradient, only a scalar; its weights move in place.": _bytes_holding(mezo=3),
            "That counts numbers: each of them takes `each` bytes.": "truth / each",
        },
    )


def check_largest_model(largest: Answer) -> None:
    """Whether largest(gib, each, method) is how many parameters fit, without activations. Raises: WrongAnswer."""
    grade(
        largest,
        _largest_model,
        _CARDS,
        {
            "A GiB has 2³⁰ bytes, not 10⁹.": "truth * 1e9 / 2**30",
            "That is what inference has room for, whatever the method.": "gib * 2**30 / each",
            "That counts numbers: each of them takes `each` bytes.": "truth * each",
            "Answer in parameters, not in billions of them.": "truth / 1e9",
        },
    )


def check_largest_rank(rank: Answer) -> None:
    """Whether rank(seconds, price, backward_seconds, backward_price, probes) is the rank at which both cost the same.

    Raises: WrongAnswer.
    """
    ratio = "backward_seconds * backward_price / (seconds * price)"
    grade(
        rank,
        _largest_rank,
        _PRICES,
        {
            "That is the ratio of costs of a step: set it equal to the factor of the steps, and solve for r.": ratio,
            "An hour has a price too: multiply the seconds of each side by it.": (
                "backward_seconds / seconds - probes - 1"
            ),
            "A step of n probes takes n times as long.": f"probes * {ratio} - probes - 1",
            "More probes need fewer steps: the factor is (r + n + 1)/n, not r + 2.": f"{ratio} / probes - 2",
            "Upside down: the dearer backpropagation is, the larger may r be.": (
                "seconds * price / (backward_seconds * backward_price) - probes - 1"
            ),
            "One is missing: the factor is (r + n + 1)/n.": f"{ratio} - probes",
        },
    )
