"""Notebook 14: what a method holds, and what it takes."""

from mezo_lab.course.exercises.ask import Answer
from mezo_lab.course.exercises.judge import judge

GIBIBYTE = 2**30
# numbers kept for each parameter: the weight; its gradient; Adam's two means
HELD = {"inference": 1, "mezo": 1, "sgd": 2, "adam": 4}
SIZES = (1_000, 1_300_000_000, 13_000_000_000, 30_000_000_000)
BYTES = [{"parameters": size, "each": each, "method": method} for size in SIZES for each in (2, 4) for method in HELD]
CARDS = [{"gib": gib, "each": each, "method": method} for gib in (24.0, 80.0) for each in (2, 4) for method in HELD]
STEPS = [
    {"seconds": 0.5, "cards": 1, "backward_seconds": 2.0, "backward_cards": 4},
    {"seconds": 2.0, "cards": 1, "backward_seconds": 3.0, "backward_cards": 1},
    {"seconds": 3.0, "cards": 2, "backward_seconds": 5.0, "backward_cards": 10},
]


def training_bytes(parameters: int, each: int, method: str) -> int:
    """Bytes of weights, gradients and optimizer states, all numbers `each` bytes wide; activations are not among them.

    Args: method: in `HELD`.

    >>> training_bytes(1_000, 4, "adam"), training_bytes(1_000, 4, "mezo")
    (16000, 4000)
    """
    return HELD[method] * each * parameters


def largest_model(gib: float, each: int, method: str) -> float:
    """The parameters whose `training_bytes` fill `gib` GiB.

    >>> largest_model(80, 2, "mezo") / largest_model(80, 2, "adam")
    4.0
    """
    return gib * GIBIBYTE / training_bytes(1, each, method)


def break_even(seconds: float, cards: int, backward_seconds: float, backward_cards: int) -> float:
    """How many times the steps of backpropagation MeZO may take for the same GPU-hours.

    Args: seconds, cards: of a step of MeZO. backward_seconds, backward_cards: of one by backpropagation.

    >>> break_even(5.896, 1, 45.608, 8)  # doctest: +ELLIPSIS
    61.88...
    """
    return backward_seconds * backward_cards / (seconds * cards)


def check_training_bytes(count: Answer) -> None:
    """Whether count(parameters, each, method) is what the method holds beside activations. Raises: Wrong."""

    def counted(**changed: int) -> Answer:
        held = HELD | changed
        return lambda parameters, each, method: held[method] * each * parameters

    judge(
        count,
        training_bytes,
        BYTES,
        {
            "Adam keeps two means for each parameter, of the gradient and of its square.": counted(adam=3),
            "Adam's states come beside its gradient, which it needs too.": counted(adam=2),
            "Adam has weights and gradients beside its two states.": counted(adam=2, sgd=1),
            "A gradient is as large as the weights.": counted(sgd=1, adam=3),
            "MeZO keeps no z: it is drawn again from its seed.": counted(mezo=2),
            "MeZO has no gradient, only a scalar; its weights move in place.": counted(mezo=3),
            "That counts numbers: each of them takes `each` bytes.": lambda parameters, each, method: (
                HELD[method] * parameters
            ),
        },
    )


def check_largest_model(largest: Answer) -> None:
    """Whether largest(gib, each, method) is how many parameters fit, activations left out. Raises: Wrong."""
    judge(
        largest,
        largest_model,
        CARDS,
        {
            "A GiB has 2³⁰ bytes, not 10⁹.": lambda gib, each, method: gib * 1e9 / training_bytes(1, each, method),
            "That is what inference has room for, whatever the method.": lambda gib, each, method: largest_model(
                gib, each, "inference"
            ),
            "That counts numbers: each of them takes `each` bytes.": lambda gib, each, method: (
                gib * GIBIBYTE / HELD[method]
            ),
            "Answer in parameters, not in billions of them.": lambda gib, each, method: (
                largest_model(gib, each, method) / 1e9
            ),
        },
    )


def check_break_even(ratio: Answer) -> None:
    """Whether ratio(seconds, cards, backward_seconds, backward_cards) is the ratio of steps at equal GPU-hours.

    Raises: Wrong.
    """
    judge(
        ratio,
        break_even,
        STEPS,
        {
            "Every card counts for as long as a step lasts: multiply by the cards.": (
                lambda seconds, cards, backward_seconds, backward_cards: backward_seconds / seconds
            ),
            "The other way up: a dearer step of backpropagation leaves MeZO more steps.": lambda **step: (
                1 / break_even(**step)
            ),
            "More cards make a step dearer, not cheaper.": (
                lambda seconds, cards, backward_seconds, backward_cards: (
                    backward_seconds * cards / (seconds * backward_cards)
                )
            ),
            "`seconds` are those of a whole step, with both its forward passes.": lambda **step: break_even(**step) / 2,
        },
    )
