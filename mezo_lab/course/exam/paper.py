"""The exam as pages: what students get, and what those who mark it get."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from mezo_lab.course.exam.accuracy import accuracy_measured_and_trained
from mezo_lab.course.exam.blocks import one_layer_at_a_time
from mezo_lab.course.exam.decision import would_you_use_it
from mezo_lab.course.exam.formulas import three_printed_sentences
from mezo_lab.course.exam.noisy_bowl import noisy_bowl
from mezo_lab.course.exam.one_sided import difference_of_one_side
from mezo_lab.course.exam.problem import Part, Problem, Slip, filled, shown
from mezo_lab.course.exam.processes import several_processes
from mezo_lab.course.exam.program import program_with_two_slips
from mezo_lab.course.exam.promises import promises_and_conditions
from mezo_lab.course.exam.record import record_of_curvature
from mezo_lab.course.exam.search import search_by_signs
from mezo_lab.course.exam.seeds import seeds_that_meet
from mezo_lab.course.exam.spectrum import two_groups_of_curvature
from mezo_lab.validation import whole

__all__ = ["exam_problems", "write_exam"]

# in the order of the notebooks
_ENTRIES: tuple[Callable[[Random], Problem], ...] = (
    search_by_signs,
    one_layer_at_a_time,
    noisy_bowl,
    two_groups_of_curvature,
    difference_of_one_side,
    three_printed_sentences,
    program_with_two_slips,
    seeds_that_meet,
    record_of_curvature,
    accuracy_measured_and_trained,
    several_processes,
    would_you_use_it,
    promises_and_conditions,
)
# papers of two hours: the numbers of their problems
_PAPERS = {
    "The mathematics": (1, 3, 4, 5, 6),
    "The machine": (7, 8, 10, 11, 12),
    "The whole course": (2, 4, 7, 9, 12),
    "The whole course, another": (1, 3, 6, 10, 11),
    "The whole course, and what came after": (3, 4, 7, 9, 13),
}
_PAPER_MINUTES = 120
_SEED = "0 is the exam of the repository, which everybody can read"
_EXAM = r"""
# Exam: the mathematics of zeroth-order fine-tuning

Paper @{code} · problems: @{count} · minutes: @{minutes} · points: @{minutes}, as a point is a minute

You may use a pocket calculator, but neither books nor notes. Give reasons: a number without its derivation earns
only the points of the number. Numbers may be rounded to three digits. If you cannot do a part, go on with a letter
for its result.

**Notation.** $L(\theta)$ is the loss at the parameters $\theta\in\mathbb{R}^d$, $g=\nabla L$ its gradient,
$H=\nabla^2L$ its Hessian and $\|H\|$ the largest eigenvalue of $H$. A *probe* is a random vector $z\in\mathbb{R}^d$
with $\mathbb{E}[zz^\top]=I$, Gaussian where $z\sim N(0, I)$. With the probe scale $\varepsilon$ its *projected
gradient* is $pg=[L(\theta+\varepsilon z)-L(\theta-\varepsilon z)]/(2\varepsilon)$, which tends to $z^\top g$ as
$\varepsilon\to0$. The estimate of the gradient from $n$ independent probes is $\hat g=\frac1n\sum_kpg_k\,z_k$, and
a step of MeZO with the learning rate $\eta$ is $\theta^+=\theta-\eta\hat g$; its loss is $L^+$. $\log$ is the
natural logarithm.
"""
_SCHEME = r"""
# Solutions and marking schemes

For paper @{code}, made with seed @{seed}. **Keep the seed to yourself:** whoever has the package can print this
page with it. For an exam that counts take a seed of six digits or more, which nobody finds by trying; that of seed
0 is in the repository for everybody to read. `mezo-lab course OUT --seed N` makes the exam of another year: the
same questions with other numbers, and their solutions.

**How to mark.** Marks are for steps, so an answer that stops halfway earns those that it has made. A mistake is
charged once: if a later part is right for the student's own number, it earns full marks. Another valid derivation
earns the same marks as the printed one. A number counts as right within one per cent of the printed one. Under
*common slips* a minus says how many points of the part are lost, and the number in brackets is what the slip gives.
If the steps in the answer earn less than is then left, the steps count. No part has fewer than 0 points.

@{table}
"""


def exam_problems(seed: int = 0) -> tuple[Problem, ...]:
    """The thirteen problems, in the order of the notebooks.

    Args:
        seed: draws the numbers; one seed gives the same text on every machine.
    Raises: ValueError for a seed that is no whole number, or below 0.

    >>> problem = exam_problems(seed=0)[0]
    >>> problem.title, problem.minutes
    ('A search that steps by signs', 20)
    """
    seed = whole("seed", seed, _SEED, least=0)
    # a generator for each problem: to change one problem leaves the others as they are
    return tuple(entry(Random(f"{seed} {entry.__name__}")) for entry in _ENTRIES)


def write_exam(folder: str | os.PathLike, *, seed: int = 0, problems: Sequence[int] | None = None) -> None:
    """Write exam.md for students to sit, and exam_solutions_and_schemes.md for those who mark it.

    Args:
        folder: is made if need be; files of these names are replaced.
        seed: draws the numbers.
        problems: which of the thirteen, counted from 1, in the order of the paper; None takes all.
    Raises: ValueError for a `seed` or `problems` that do not exist, and for no problems.

    >>> import tempfile
    >>> made = Path(tempfile.mkdtemp())
    >>> write_exam(made, seed=1, problems=(7, 12))
    >>> sorted(path.name for path in made.iterdir())
    ['exam.md', 'exam_solutions_and_schemes.md']
    """
    everything = exam_problems(seed)
    numbers = list(range(1, len(everything) + 1) if problems is None else problems)
    if not numbers:
        raise ValueError("`problems` must name at least one problem, got none: leave it out for all.")
    for number in numbers:
        whole("problems", number, f"the exam has {len(everything)}", below=len(everything) + 1)
    chosen = [everything[number - 1] for number in numbers]
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    asked = "\n".join(_asked(place, problem) for place, problem in enumerate(chosen, 1))
    code = hashlib.sha256(asked.encode()).hexdigest()[:6]
    minutes = sum(problem.minutes for problem in chosen)
    exam = filled(_EXAM, {"code": code, "count": len(chosen), "minutes": minutes}) + "\n\n" + asked
    (target / "exam.md").write_text(exam, encoding="utf-8")
    table = _table(everything) if problems is None else ""
    solved = "\n".join(_solved(place, problem) for place, problem in enumerate(chosen, 1))
    scheme = filled(_SCHEME, {"code": code, "seed": f"{seed}", "table": table}).strip() + "\n\n" + solved
    (target / "exam_solutions_and_schemes.md").write_text(scheme, encoding="utf-8")


def _table(problems: Sequence[Problem]) -> str:
    """What there is to choose from, and papers of two hours."""
    lines = ["| | problem | minutes and points | objectives |", "|--:|---|--:|---|"]
    for number, problem in enumerate(problems, 1):
        lines.append(f"| {number} | {problem.title} | {problem.minutes} | {', '.join(problem.objectives)} |")
    total = sum(problem.minutes for problem in problems)
    lines += [f"| | all | {total} | |", "", f"**Papers of {_PAPER_MINUTES} minutes.**", ""]
    for name, numbers in _PAPERS.items():
        parts = [problems[number - 1].minutes for number in numbers]
        summed = " + ".join(f"{part}" for part in parts)
        lines.append(f"- *{name}*: problems {', '.join(map(str, numbers))}; {summed} = {sum(parts)} minutes")
    return "\n".join(lines)


def _heading(place: int, problem: Problem) -> str:
    return f"## Problem {place}: {problem.title} ({problem.minutes} minutes, {problem.points} points)"


def _letters(problem: Problem) -> list[tuple[str, Part]]:
    return [("abcdefgh"[place], part) for place, part in enumerate(problem.parts)]


def _asked(place: int, problem: Problem) -> str:
    """A problem as students read it."""
    lines = [_heading(place, problem), "", problem.text(problem.statement), ""]
    for letter, part in _letters(problem):
        lines += [f"**({letter})** *[{part.points} points]* {problem.text(part.question)}", ""]
    return "\n".join(lines)


def _solved(place: int, problem: Problem) -> str:
    """A problem as those who mark it read it."""
    lines = [_heading(place, problem), "", f"Objectives: {', '.join(problem.objectives)}", ""]
    for letter, part in _letters(problem):
        lines += [f"**({letter})** *[{part.points} points]* {problem.text(part.solution)}", "", "*Marks*", ""]
        lines += [f"- **{points}:** {problem.text(earns)}" for points, earns in part.steps]
        if part.slips:
            lines += ["", "*Common slips*", ""]
        lines += [_charged(problem, slip) for slip in part.slips]
        lines.append("")
    return "\n".join(lines)


def _charged(problem: Problem, slip: Slip) -> str:
    """A slip with what it loses, and the number by which it is recognised."""
    gives = "" if slip.value is None else f" (${shown(slip.value)}$)"
    return f"- **−{slip.loses}:** {problem.text(slip.says)}{gives}"
