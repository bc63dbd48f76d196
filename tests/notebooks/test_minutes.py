"""The time that a notebook states is what reading it, running it and its exercises take."""

import re
from pathlib import Path

import build
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
A_MINUTE = 200  # words
RUNNING = 2  # minutes
EXERCISE = re.compile(r"^### Exercise (\d+\.\d+)[^\n]*\n+(?:\*(\d+) minutes? · ★[★☆]{2}[^*\n]*\*)?", re.MULTILINE)
OLD_EXERCISE = re.compile(r"^\*\*\d+\.\d+ \(", re.MULTILINE)
ROW = r"\| (\d+) \| \[[^\]]*\]\({name}\.ipynb\) \| (\d+) \|"
HEAD = re.compile(r"\*\*Time:\*\* (\d+) minutes")


def words_of(notebook) -> str:
    """All text of a notebook; solutions are read after its hour."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n".join(cell.source for cell in cells if "solution" not in cell.metadata.get("tags", ()))


def minutes(text: str) -> float:
    """Reading, running and the exercises."""
    exercises = sum(int(each) for _, each in EXERCISE.findall(text) if each)
    prose = re.sub("```.*?```", "", text, flags=re.DOTALL)
    prose = re.sub(r"(\${1,2}).*?\1", "x", prose, flags=re.DOTALL)  # a formula is one word, and may hold a <
    prose = re.sub("</?[a-z][^<>]*>", "", prose)
    return len(prose.split()) / A_MINUTE + RUNNING + exercises


def has_minutes(text: str) -> bool:
    """Whether every exercise is a heading with its minutes and its difficulty."""
    exercises = EXERCISE.findall(text)
    return bool(exercises) and all(each for _, each in exercises) and not OLD_EXERCISE.search(text)


def stated(text: str) -> int:
    return int(HEAD.search(text)[1])


def is_honest(text: str, time: int) -> bool:
    """Whether a time is a multiple of five, at most one minute too short and at most five too long."""
    return time % 5 == 0 and -1 <= time - minutes(text) <= 5


TEXTS = {name: words_of(build.read(name)) for name in build.names()}


@pytest.mark.repo
@pytest.mark.parametrize("name", TEXTS)
def test_a_notebook_takes_as_long_as_it_says(name):
    text = TEXTS[name]
    assert has_minutes(text)
    assert is_honest(text, stated(text)), f"it takes {minutes(text):.1f} minutes and states {stated(text)}"


@pytest.mark.repo
@pytest.mark.parametrize("name", TEXTS)
def test_the_map_states_the_time_of_each_notebook(name):
    number, time = re.search(ROW.format(name=name), (NOTEBOOKS / "README.md").read_text()).groups()
    assert (int(number), int(time)) == (int(name[:2]), stated(TEXTS[name]))


@pytest.mark.parametrize("name", TEXTS)
def test_a_wrong_time_is_caught(name):
    assert not is_honest(TEXTS[name], stated(TEXTS[name]) + 10)
    assert not is_honest(TEXTS[name], stated(TEXTS[name]) - 10)


def test_minutes_are_those_of_words_of_running_and_of_exercises():
    text = "word " * 2000
    exercises = "\n### Exercise 1.1: one\n*15 minutes · ★★☆*\n### Exercise 1.2\n\n*2 minutes · ★☆☆*\n"
    words = len(re.findall(r"\S+", exercises))
    assert minutes(text) == 12
    assert minutes(text + exercises) == pytest.approx(12 + 17 + words / A_MINUTE)


@pytest.mark.parametrize(("first", "last"), [("$a < b$", "$c > d$"), ("$$a<b$$", "$$c>d$$"), ("a < b", "c > d")])
def test_a_formula_hides_no_words(first, last):
    assert minutes(f"{first} {'word ' * A_MINUTE} {last}") >= RUNNING + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "### Exercise 1.1: one\nNo minutes.",
        "### Exercise 1.1: one\n*5 minutes · ★☆☆*\n\n**1.2 (code).** In the old form.",
        "### Exercise 1.1: one\n*5 minutes · ★☆☆*\n\n### Exercise 1.2: two\nNo minutes.",
    ],
)
def test_an_exercise_without_minutes_is_seen(text):
    assert not has_minutes(text)
