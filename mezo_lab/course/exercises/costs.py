"""Notebook 14: what a method holds, and what it takes."""

from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade

__all__ = ["check_break_even", "check_largest_model", "check_training_bytes"]

_GIBIBYTE = 2**30
# numbers held for each parameter: the weight; its gradient; Adam's two means
_HELD = {"inference": 1, "mezo": 1, "sgd": 2, "adam": 4}
_SIZES = (1_000, 1_300_000_000, 13_000_000_000, 30_000_000_000)
_MODELS = [
    {"parameters": size, "each": each, "method": method} for size in _SIZES for each in (2, 4) for method in _HELD
]
_CARDS = [{"gib": gib, "each": each, "method": method} for gib in (24.0, 80.0) for each in (2, 4) for method in _HELD]
_STEPS = [
    {"seconds": 0.5, "cards": 1, "backward_seconds": 2.0, "backward_cards": 4},
    {"seconds": 2.0, "cards": 1, "backward_seconds": 3.0, "backward_cards": 1},
    {"seconds": 3.0, "cards": 2, "backward_seconds": 5.0, "backward_cards": 10},
]


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


def _break_even(seconds: float, cards: int, backward_seconds: float, backward_cards: int) -> float:
    """How many times the steps of backpropagation MeZO may take for the same GPU-hours.

    Args: seconds, cards: of a step of MeZO. backward_seconds, backward_cards: of a step by backpropagation.
    """
    return backward_seconds * backward_cards / (seconds * cards)


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


def check_break_even(ratio: Answer) -> None:
    """Whether ratio(seconds, cards, backward_seconds, backward_cards) is the ratio of steps at equal GPU-hours.

    Raises: WrongAnswer.
    """
    grade(
        ratio,
        _break_even,
        _STEPS,
        {
            "Every card counts for as long as a step lasts: multiply by the cards.": "backward_seconds / seconds",
            "Upside down: the more a step of backpropagation costs, the more steps MeZO may take.": "1 / truth",
            "More cards make a step dearer, not cheaper.": ("backward_seconds * cards / (seconds * backward_cards)"),
            "`seconds` are those of a whole step, with both its forward passes.": "truth / 2",
        },
    )
