"""Notebook 14, with 5 and 12: a card, a model, a measured rank, and the decision."""

from fractions import Fraction
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["would_you_use_it"]

# billions of parameters; GB of a card; GB of activations: of a forward pass, kept for a backward pass, checkpointed
_CASES = [
    (3, 12, 1, 8, 2),
    (7, 24, 1, 12, 3),
    (8, 24, 2, 10, 4),
    (13, 40, 2, 18, 5),
    (14, 48, 2, 24, 6),
    (30, 80, 3, 26, 7),
]
_BYTES = 2  # of a number in 16 bits
_HELD = 4  # numbers for each trained weight: itself, its gradient, Adam's two means
_STATEMENT = r"""
A model has $@{billions}$ billion parameters. All numbers are kept in 16 bits, and a GB is $10^9$ bytes throughout.
With your texts and your batch the activations take $@{forward}$ GB in forward passes alone, $@{backward}$ GB where
a backward pass needs them, and $@{checkpointed}$ GB where it uses checkpointing. LoRA trains $@{percent}$ per cent
as many weights, *beside* the frozen ones. Your card holds $@{card}$ GB.
"""


def would_you_use_it(draw: Random) -> Problem:
    """Assesses the memory of a step term by term, break-even in card-seconds, why flat directions take for ever, and
    the decision for three situations."""
    billions, card, forward, backward, checkpointed = draw.choice(_CASES)
    percent = draw.choice([Fraction(2, 10), Fraction(4, 10), Fraction(5, 10)])
    weights = _BYTES * billions
    adapters = _HELD * _BYTES * billions * percent / 100
    cards = draw.choice([4, 8])
    backward_seconds = draw.choice([3, 4, 5, 6])
    seconds = draw.choice([Fraction(1), Fraction(2)])
    break_even = backward_seconds * cards / seconds
    # far from break-even, on either side
    rank, compared, cheaper = draw.choice(
        [(break_even // 2, "below", "MeZO"), (int(break_even) + draw.choice([10, 20]), "above", "Adam")]
    )
    flatter = draw.choice([50, 100, 200])
    values = {
        "billions": billions,
        "card": card,
        "forward": forward,
        "backward": backward,
        "checkpointed": checkpointed,
        "percent": percent,
        "weights": weights,
        "adapters": adapters,
        "mezo": weights + forward,
        "adam": _HELD * weights + backward,
        "lora": weights + adapters + backward,
        "lora_checkpointed": weights + adapters + checkpointed,
        "cards": cards,
        "backward_seconds": backward_seconds,
        "seconds": seconds,
        "break_even": break_even,
        "rank": rank,
        "gamma": theory.effective_rank_factor(rank, 1, theory.GAUSSIAN),
        "largest": break_even - theory.effective_rank_factor(0, 1, theory.GAUSSIAN),
        "compared": compared,
        "cheaper": cheaper,
        "flatter": flatter,
        "steps": rank * flatter,
    }
    return Problem(
        title="Would you use it?",
        objectives=("12.d", "14.a", "14.b", "14.c"),
        statement=_STATEMENT,
        parts=(_memory(values), _hours(values), _flat(values), _decide()),
        values=values,
    )


def _memory(values: dict) -> Part:
    weights = values["weights"]
    return Part(
        question=r"""Give the peak memory of a step, in GB, of MeZO (all weights), of Adam (all weights), and of
Adam on LoRA without and with checkpointing. Neglect what is held for one
tensor at a time. Which of the four fit on the card?""",
        solution=r"""The weights take $2\cdot@{billions}=@{weights}$ GB. MeZO adds a forward pass only, as $z$ is
drawn again from its seed: $@{weights}+@{forward}=@{mezo}$ GB. Adam holds weights, gradients and two means:
$4\cdot@{weights}+@{backward}=@{adam}$ GB. LoRA holds these four for its adapters, $@{adapters:4}$ GB, beside the
frozen weights; but the backward pass goes through the whole model and needs all activations: $@{lora:4}$ GB, and
with checkpointing $@{lora_checkpointed:4}$ GB. MeZO and LoRA with checkpointing fit.""",
        steps=(
            (2, "MeZO: 1 for the weights, 1 for the activations of a forward pass and nothing else"),
            (2, "Adam: 1 for four numbers a weight, 1 for the number"),
            (2, "LoRA, both: 1 for the adapters, 1 for the activations"),
            (1, "which fit"),
        ),
        answers=("mezo", "adam", "lora", "lora_checkpointed"),
        slips=(
            Slip("MeZO keeps $z$", 1, "mezo", 2 * weights + values["forward"]),
            Slip("Adam without its gradients", 1, "adam", 3 * weights + values["backward"]),
            Slip(
                "LoRA with the activations of a forward pass",
                1,
                "lora",
                weights + values["adapters"] + values["forward"],
            ),
        ),
    )


def _hours(values: dict) -> Part:
    return Part(
        question=r"""You could rent $@{cards}$ such cards for Adam on all weights, on which a step takes
$@{backward_seconds}$ s. A step of MeZO takes $@{seconds}$ s on one card. Let MeZO need $\gamma$ times as many
steps as Adam. Up to which $\gamma$ is its training the cheaper one in card-seconds? With one probe theory says
$\gamma=r+2$: up to which effective rank is that? You measure $r=@{rank}$: decide.""",
        solution=r"""$S$ steps of Adam cost $S\cdot@{cards}\cdot@{backward_seconds}$ card-seconds and $\gamma S$
steps of MeZO cost $\gamma S\cdot@{seconds}$. They break even at
$\gamma^*=\frac{@{cards}\cdot@{backward_seconds}}{@{seconds}}=@{break_even}$, that is at $r=\gamma^*-2=@{largest}$.
The measured rank gives $\gamma=@{gamma}$, which is @{compared} $\gamma^*$: in card-seconds @{cheaper} is cheaper.""",
        steps=((2, r"$\gamma^*$"), (1, "the rank"), (2, "the decision: 1 for the comparison, 1 for @{cheaper}")),
        answers=("break_even", "largest", "gamma"),
        slips=(
            Slip("forgets the number of cards", 1, "break_even", values["backward_seconds"] / values["seconds"]),
            Slip(r"compares $r$ and not $r+2$ with the ratio", 1, "largest", values["break_even"]),
        ),
    )


def _flat(values: dict) -> Part:
    return Part(
        question=r"""On a quadratic loss a step of MeZO changes the loss by
$-\eta\|g\|^2+\tfrac12\eta^2\operatorname{tr}(H)\,\|g\|^2$ on average, up to a smaller term. Let the error lie along
one eigenvector, with the eigenvalue $\lambda$, so that $\|g\|^2=2\lambda L$. Show that at
$\eta=1/\operatorname{tr}H$ a step removes the share $\lambda/\operatorname{tr}H$ of the loss. About how many steps
does a factor of $e$ take along a direction that is $@{flatter}$ times flatter than the steepest, if $r=@{rank}$?""",
        solution=r"""At this rate the change is
$-\frac{\|g\|^2}{\operatorname{tr}H}+\frac{\|g\|^2}{2\operatorname{tr}H}=-\frac{\|g\|^2}{2\operatorname{tr}H}=-\frac{\lambda}{\operatorname{tr}H}L$.
With small steps a factor of $e$ takes about
$\frac{\operatorname{tr}H}{\lambda}=r\cdot\frac{\lambda_{\max}}{\lambda}=@{rank}\cdot@{flatter}=@{steps}$ steps.""",
        steps=(
            (2, r"the share: 1 for inserting $\eta$, 1 for $2\lambda L$"),
            (2, r"$r\,\lambda_{\max}/\lambda$ and the number"),
        ),
        answers=("steps",),
        slips=(
            Slip("along the steepest direction", 1, "steps", values["rank"]),
            Slip("gradient descent's number, without $r$", 1, "steps", values["flatter"]),
        ),
    )


def _decide() -> Part:
    return Part(
        question=r"""Decide for or against MeZO, with a reason from the parts above. (i) You have this one card and
labelled texts, and the loss is a cross-entropy; a step of LoRA with checkpointing takes twice as long as one of MeZO,
and $\gamma$ is that of part (b). (ii) As (i), but what counts is a score that people give to the
model's answers. (iii) You want to train the same model from random weights.""",
        solution=r"""(i) Against: with LoRA and checkpointing a backward pass fits, and one of its steps, though twice
as long, replaces $\gamma=@{gamma}$ of MeZO's.
(ii) For: the score has no gradient, and MeZO needs its values only; $\varepsilon$ must be large enough to change
answers. (iii) Against: from random weights much of what is to be learnt lies in flat directions, which take the
steps of part (c) and many times more.""",
        steps=(
            (2, "(i): 1 for the decision, 1 for LoRA with checkpointing as the reason"),
            (1, "(ii), with its reason"),
            (1, "(iii), with its reason"),
        ),
        slips=(
            Slip(
                "(i) for MeZO because Adam on all weights does not fit: forgets what else makes a backward pass fit", 2
            ),
            Slip("(iii) for MeZO because it saves memory", 1),
        ),
    )
