"""The assessment as data: what each notebook teaches, and the exercises and questions that test it.

`notebooks/assessment/course.yaml` has the objectives, and `questions/NN.yaml` the questions of a notebook with their
key. Both are compared with the notebooks when they are read, so that neither can name what is not there.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mezo_lab.course.notebook import record_path
from mezo_lab.environment.installation import NotInstalled, require

__all__ = ["AssessmentError", "Choice", "Exercise", "Objective", "Question", "Unit", "load_assessment", "read_yaml"]

_CHOICES = 4
_HEADING = re.compile(
    r"^### Exercise (?P<id>\d+\.\d+)(?: \([^)]*\))?: (?P<title>.+)\n\n?"
    r"(?:\*(?P<minutes>\d+) minutes · (?P<stars>[★☆]{3}))?",
    re.MULTILINE,
)


class AssessmentError(ValueError):
    """An entry of the assessment that contradicts another one, or the notebooks; the message names it."""


@dataclass(frozen=True)
class Choice:
    """An answer to a question."""

    text: str
    reason: str
    """Why it is right; or why someone would choose it, and what is wrong with it."""
    value: str | None = None
    """The number or formula of the text as Python, which a test compares with the theory."""


@dataclass(frozen=True)
class Question:
    """A question with one right choice and three wrong ones."""

    id: str
    stem: str
    right: Choice
    wrong: tuple[Choice, ...]
    truth: str | None = None
    """Python that computes the value of the right choice with the library's theory."""
    checks: tuple[str, ...] = ()
    """Python that must be true: what the stem and the reasons say of numbers."""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All choices, in the order of the source."""
        return (self.right, *self.wrong)


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook, as its heading has it."""

    id: str
    title: str
    minutes: int | None
    stars: str


@dataclass(frozen=True)
class Objective:
    """What a reader of a notebook will be able to do, and the ids of what assesses it."""

    id: str
    text: str
    exercises: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Unit:
    """A notebook with its objectives, exercises and questions."""

    number: int
    title: str
    objectives: tuple[Objective, ...]
    exercises: tuple[Exercise, ...]
    questions: tuple[Question, ...]


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Args: path: the file.
    Raises: NotInstalled, with the command that installs PyYAML; AssessmentError naming a file that is not there, is no
        YAML in UTF-8, or has a key twice.
    """
    require(["yaml"], NotInstalled)
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice, of which YAML would drop the first."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = Counter(key.value for key, _ in node.value if isinstance(key.value, str))
            if twice := [key for key, count in keys.items() if count > 1]:
                place = f"in the entry of line {node.start_mark.line + 1}"
                raise AssessmentError(f"{path.name} has the key {twice[0]!r} twice, {place}: keep one.")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except FileNotFoundError:
        raise AssessmentError(f"{path.name} is missing in {path.parent}: write it.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AssessmentError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from error


def _entries(content: Any, where: str) -> list[Any]:
    """Raises: AssessmentError for anything but a list; nothing at all is an empty one."""
    if content is None:
        return []
    if not isinstance(content, list):
        raise AssessmentError(f"{where} must be a list, each line of which begins with -; got {str(content)[:40]!r}.")
    return content


def load_assessment(home: Path | None = None) -> tuple[Unit, ...]:
    """Read objectives and questions, and compare them with each other and with the notebooks.

    Args: home: the folder of the notebooks; without it that of the checkout or of the installed wheel.
    Returns: a unit for each notebook, in order.
    Raises: AssessmentError naming the entry that is wrong; NotInstalled where PyYAML is missing.

    >>> first = load_assessment()[0]
    >>> first.objectives[0].id, first.questions[0].id, first.exercises[0].title
    ('0.a', '0.q1', 'draws for a decoy')
    """
    home = home or record_path("notebooks")
    entries = _entries(read_yaml(home / "assessment/course.yaml"), "course.yaml")
    texts = _notebooks(home)
    found = [_field(entry, "notebook", f"entry {place} of course.yaml") for place, entry in enumerate(entries)]
    if found != sorted(texts):
        raise AssessmentError(
            f"course.yaml must have one entry for each of the notebooks {sorted(texts)}, has {found}."
        )
    return tuple(_unit(entry, texts[entry["notebook"]], home) for entry in entries)


def _notebooks(home: Path) -> dict[int, str]:
    """Number of a notebook → its text: of the source where there is one, else of the built notebook."""
    texts = {}
    for path in sorted((home / "src").glob("[0-9]*.py")):
        texts[int(path.name[:2])] = re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if texts:
        return texts
    for path in sorted(home.glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[int(path.name[:2])] = "\n\n".join("".join(cell["source"]) for cell in cells)
    return texts


def _unit(entry: dict[str, Any], text: str, home: Path) -> Unit:
    number = entry["notebook"]
    path = home / f"assessment/questions/{number:02d}.yaml"
    title = re.search(rf"^# {number}\. (.+)$", text, re.MULTILINE)
    unit = Unit(
        number,
        title[1] if title else str(number),
        tuple(_objective(each, number) for each in _list(entry, "objectives", f"notebook {number} of course.yaml")),
        tuple(_exercise(each) for each in _HEADING.finditer(text)),
        tuple(_question(each, place, path) for place, each in enumerate(_entries(read_yaml(path), path.name), start=1)),
    )
    _compare(unit)
    return unit


def _compare(unit: Unit) -> None:
    """Raises: AssessmentError for an id that does not exist, occurs twice or serves nothing."""
    _expect_each_once(unit.objectives, "objective")
    _expect_each_once(unit.questions, "question")
    for kind, existing in (("exercise", unit.exercises), ("question", unit.questions)):
        ids = {each.id for each in existing}
        served = {name for objective in unit.objectives for name in getattr(objective, f"{kind}s")}
        for objective in unit.objectives:
            for name in getattr(objective, f"{kind}s"):
                if name not in ids:
                    raise AssessmentError(
                        f"Objective {objective.id} names {kind} {name}, which does not exist: "
                        f"notebook {unit.number} has {', '.join(sorted(ids)) or 'none'}."
                    )
        for name in sorted(ids - served):
            raise AssessmentError(f"{kind.capitalize()} {name} serves no objective: add it to one in course.yaml.")
    for objective in unit.objectives:
        if not objective.exercises + objective.questions:
            raise AssessmentError(f"Objective {objective.id} has no exercise and no question: nothing assesses it.")


def _expect_each_once(entries: Iterable[Objective | Question], kind: str) -> None:
    """Raises: AssessmentError for an id that occurs twice."""
    for name, count in Counter(each.id for each in entries).items():
        if count > 1:
            raise AssessmentError(f"The id of {kind} {name} occurs {count} times: give each its own.")


def _objective(entry: dict[str, Any], number: int) -> Objective:
    name = _field(entry, "id", f"an objective of notebook {number}")
    if not re.fullmatch(rf"{number}\.[a-z]", str(name)):
        raise AssessmentError(f"The id of an objective of notebook {number} must be like {number}.a, got {name!r}.")
    for kind in ("exercises", "questions"):
        for each in _entries(entry.get(kind), f"The {kind} of objective {name}"):
            if not isinstance(each, str):
                raise AssessmentError(
                    f"Objective {name} names {kind[:-1]} {each!r}: put the id between quotation marks."
                )
    text = " ".join(str(_field(entry, "text", f"objective {name}")).split())
    return Objective(name, text, tuple(entry.get("exercises") or ()), tuple(entry.get("questions") or ()))


def _exercise(heading: re.Match[str]) -> Exercise:
    minutes = heading["minutes"]
    return Exercise(heading["id"], heading["title"].strip(), int(minutes) if minutes else None, heading["stars"] or "")


def _question(entry: dict[str, Any], place: int, path: Path) -> Question:
    name = _field(entry, "id", f"question {place} of {path.name}")
    expected = f"{int(path.stem)}.q{place}"
    if name != expected:
        raise AssessmentError(f"Question {place} of {path.name} must have the id {expected}, got {name!r}.")
    where = f"question {name}"
    wrong = tuple(_choice(each, where) for each in _list(entry, "wrong", where))
    question = Question(
        name,
        " ".join(str(_field(entry, "stem", where)).split()),
        _choice(_field(entry, "right", where), where),
        wrong,
        entry.get("truth"),
        tuple(_entries(entry.get("checks"), f"The checks of {where}")),
    )
    texts = {choice.text for choice in question.choices}
    if len(texts) != _CHOICES or len(question.choices) != _CHOICES:
        raise AssessmentError(f"Question {name} must have {_CHOICES} choices that differ, got {len(texts)}.")
    if question.truth and None in [choice.value for choice in question.choices]:
        raise AssessmentError(f"Question {name} has a `truth`, and so each of its choices needs a `value`.")
    return question


def _choice(entry: dict[str, Any], where: str) -> Choice:
    text = " ".join(str(_field(entry, "text", f"a choice of {where}")).split())
    reason = " ".join(str(_field(entry, "reason", f"the choice “{text}” of {where}")).split())
    value = entry.get("value")
    return Choice(text, reason, None if value is None else str(value))


def _field(entry: Any, name: str, where: str) -> Any:
    """A field that must be there. Raises: AssessmentError."""
    if not isinstance(entry, dict) or entry.get(name) in (None, "", []):
        raise AssessmentError(f"The field `{name}` is missing in {where}.")
    return entry[name]


def _list(entry: Any, name: str, where: str) -> list[Any]:
    """A field that must be there, and a list. Raises: AssessmentError."""
    return _entries(_field(entry, name, where), f"`{name}` of {where}")
