"""The multiple-choice questions as pages: one for students without a key, one for lecturers, and a file for Moodle."""

import html
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from mezo_lab.course.assessment import Choice, Exercise, Question, Unit, load_assessment
from mezo_lab.course.notebook import record_path

__all__ = ["ordered_choices", "write_quiz"]

_LETTERS = "ABCD"
_FOR_STUDENTS = (
    "Five questions for each notebook, each with one right answer. Read the question, and find your own answer before "
    "you look at the choices. Lecturers have the key."
)
_FOR_LECTURERS = (
    "The questions of `quiz.md` with their key. Each wrong choice says why someone would choose it and what is wrong "
    "with it. Hand out the section of a notebook when its questions have been answered. The choices stand in the order "
    "of `--seed {seed}`; another seed gives another order of the same choices. Moodle imports "
    "`quiz_for_moodle.gift`, and shows students the reasons after they have answered."
)


def write_quiz(folder: Path, *, student: bool, seed: int) -> None:
    """Write the questions into a folder; for lecturers also the key, the map of the objectives, and their sources.

    A student's folder gets `quiz.md` alone. The right choice is in each place equally often. The order comes from the
    seed and from the reasons, which students do not have, so whoever knows the seed cannot repeat it.

    Args:
        folder: where; it is made if need be, and files of these names are replaced.
        student: write the questions alone.
        seed: of the order of the choices.
    Raises: AssessmentError where the questions are wrong; NotInstalled where PyYAML is missing.
    """
    units = load_assessment()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quiz.md").write_text(_page(units, seed, with_key=False), encoding="utf-8")
    if student:
        return
    (folder / "quiz_with_answers.md").write_text(_page(units, seed, with_key=True), encoding="utf-8")
    (folder / "quiz_for_moodle.gift").write_text(_gift(units, seed), encoding="utf-8")
    (folder / "objectives.md").write_text(_map(units), encoding="utf-8")
    home = record_path("notebooks/assessment")
    shutil.copyfile(home / "course.yaml", folder / "course.yaml")
    shutil.copytree(home / "questions", folder / "questions", dirs_exist_ok=True)


def ordered_choices(unit: Unit, seed: int) -> dict[str, tuple[Choice, ...]]:
    """The choices of each question in the order in which students see them.

    Args: unit: a notebook. seed: of the order.
    Returns: the id of a question → its choices. The right ones are in each place equally often, or once more.
    """
    secret = [choice.reason for question in unit.questions for choice in question.choices]  # no student has them
    generator = random.Random(f"{seed} {secret}")
    letters = list(range(len(_LETTERS)))
    generator.shuffle(letters)
    places = [letters[number % len(letters)] for number in range(len(unit.questions))]
    generator.shuffle(places)  # or the first question and the fifth would have one key
    ordered = {}
    for place, question in zip(places, unit.questions, strict=True):
        choices = list(question.wrong)
        generator.shuffle(choices)
        choices.insert(place, question.right)
        ordered[question.id] = tuple(choices)
    return ordered


def _page(units: Sequence[Unit], seed: int, *, with_key: bool) -> str:
    lines = ["# Questions" + " and answers" * with_key, ""]
    lines += [_FOR_LECTURERS.format(seed=seed) if with_key else _FOR_STUDENTS, ""]
    for unit in units:
        lines += [f"## {unit.number}. {unit.title}", ""]
        ordered = ordered_choices(unit, seed)
        for question in unit.questions:
            choices = ordered[question.id]
            lines += [f"**{question.id}** {question.stem}", ""]
            lines += [f"- **{letter}** {choice.text}" for letter, choice in zip(_LETTERS, choices, strict=True)]
            lines += [""]
            if with_key:
                lines += _key(unit, question, choices)
    return "\n".join(lines)


def _key(unit: Unit, question: Question, choices: Sequence[Choice]) -> list[str]:
    """The right letter, the reasons, and what is assessed."""
    letters = dict(zip(choices, _LETTERS, strict=True))
    served = [f"{each.id}, {each.text}" for each in unit.objectives if question.id in each.questions]
    lines = [f"> **{letters[question.right]} is right.** {question.right.reason}"]
    wrong = sorted(question.wrong, key=letters.__getitem__)
    lines += [f">\n> **{letters[choice]}:** {choice.reason}" for choice in wrong]
    return [*lines, f">\n> *Assesses {'; '.join(served)}.*", ""]


def _map(units: Sequence[Unit]) -> str:
    """Objectives → exercises → questions."""
    lines = ["# Objectives, and what assesses them", ""]
    lines += ["What a reader of each notebook will be able to do, and the exercises and questions that find out.", ""]
    for unit in units:
        titles = {each.id: _exercise_text(each) for each in unit.exercises}
        lines += [f"## {unit.number}. {unit.title}", ""]
        for objective in unit.objectives:
            assessed = [f"exercise {titles[name]}" for name in objective.exercises]
            assessed += [f"question {name}" for name in objective.questions]
            lines.append(f"- **{objective.id}** {objective.text}: *{'; '.join(assessed)}*")
        lines.append("")
    return "\n".join(lines)


def _exercise_text(exercise: Exercise) -> str:
    effort = f" ({exercise.minutes} minutes, {exercise.stars})" if exercise.minutes else ""
    return f"{exercise.id}, {exercise.title}{effort}"


def _gift(units: Sequence[Unit], seed: int) -> str:
    """The questions in GIFT, which Moodle imports; it shows the reason of a choice to who has chosen it."""
    blocks = []
    for unit in units:
        title = unit.title.replace("/", "//")  # one stroke would begin a category inside
        blocks.append(f"$CATEGORY: {unit.number}. {title}")
        ordered = ordered_choices(unit, seed)
        for question in unit.questions:
            lines = [
                f"{'=' if choice is question.right else '~'}{_escaped(choice.text)}#{_escaped(choice.reason)}"
                for choice in ordered[question.id]
            ]
            blocks.append("\n".join([f"::{question.id}::[html]{_escaped(question.stem)}{{", *lines, "}"]))
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    """A text as HTML with its formulas as MathJax reads them, and GIFT's own signs escaped."""
    words = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    formulas = re.sub(r"\$([^$]+)\$", r"\\(\1\\)", words)
    return re.sub(r"([~=#{}:])", r"\\\1", formulas.replace("\\", "\\\\"))
