"""The plans of TEACHING and the weeks of the syllabus fit into their hours."""

import re
import tomllib
from pathlib import Path

import build
import pytest

pytestmark = pytest.mark.repo
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TIME = re.compile(r"\*\*Time:\*\* (\d+) minutes")
EXERCISE = re.compile(r"^### Exercise (\d+\.\d+)[^\n]*\n+\*(\d+) minutes?", re.MULTILINE)
SESSION = 120  # minutes
BREAK = 10
MOST_TALK = 20  # minutes of a row beyond its reading and its exercises


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = (NOTEBOOKS / page).read_text(encoding="utf-8").split(heading, 1)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def measured() -> tuple[dict[int, int], dict[str, int]]:
    """Minutes of each notebook, and of each exercise."""
    notebooks, exercises = {}, {}
    for name in build.names():
        text = "\n".join(cell.source for cell in build.read(name).cells if cell.cell_type == "markdown")
        notebooks[int(name[:2])] = int(TIME.search(text)[1])
        exercises |= {number: int(minutes) for number, minutes in EXERCISE.findall(text)}
    return notebooks, exercises


TIMES, EXERCISES = measured()


def exercises_in(cell: str) -> list[str]:
    return re.findall(r"\d+\.\d+", cell)


def minutes_of(numbers: list[str]) -> int:
    return sum(EXERCISES[number] for number in numbers)


def reading(notebook: int) -> int:
    """Reading and running a notebook, without its exercises."""
    return TIMES[notebook] - minutes_of([number for number in EXERCISES if number.startswith(f"{notebook}.")])


def of(notebooks: list[int]) -> list[str]:
    """The exercises of notebooks, in their order."""
    return [number for number in EXERCISES if int(number.partition(".")[0]) in notebooks]


@pytest.mark.parametrize(("heading", "minutes"), [("## Two hours", 120), ("## Four hours", 240), ("## One hour", 60)])
def test_the_rows_of_a_day_fill_its_hours(heading, minutes):
    assert sum(int(row[0]) for row in rows("TEACHING.md", heading)) == minutes


def test_the_lectures_are_as_long_as_their_slides_say():
    lectures = tomllib.loads((NOTEBOOKS / "lectures.toml").read_text())
    for minutes, _, source in rows("TEACHING.md", "## Two hours") + rows("TEACHING.md", "## One hour"):
        numbers = re.findall(r"\d+", source)
        assert not numbers or int(minutes) == sum(lectures[f"{int(number):02d}"]["minutes"] for number in numbers)


def test_a_row_of_the_workshop_holds_its_notebook_and_its_exercises():
    for minutes, what, chosen in rows("TEACHING.md", "## Four hours"):
        if not chosen:
            assert what == "break"
            continue
        notebook = int(re.match(r"notebook (\d+)", what)[1])
        assert set(exercises_in(chosen)) <= set(of([notebook]))
        needed = reading(notebook) + minutes_of(exercises_in(chosen))
        assert needed <= int(minutes) <= needed + MOST_TALK, (what, needed)


def test_a_session_of_the_course_holds_its_notebooks_and_exercises_with_time_to_talk():
    for session, notebooks, chosen, *_ in rows("TEACHING.md", "## Twelve hours"):
        read = sum(reading(int(number)) for number in notebooks.split(", "))
        needed = read + minutes_of(exercises_in(chosen)) + BREAK
        assert needed + 10 <= SESSION <= needed + 2 * MOST_TALK, (session, needed)


def test_the_course_and_its_homework_have_each_notebook_and_each_exercise_once():
    done: list[str] = []
    for session, notebooks, chosen, homework, minutes in rows("TEACHING.md", "## Twelve hours"):
        alone = [int(number) for number in re.findall(r"notebook (\d+)", homework)]
        at_home = exercises_in(homework)
        expected = of([int(number) for number in notebooks.split(", ")])
        assert sorted(exercises_in(chosen) + at_home) == sorted(expected), session
        assert int(minutes) == minutes_of(at_home) + sum(TIMES[number] for number in alone), session
        done += expected + of(alone)
    assert sorted(done) == sorted(EXERCISES)


def test_the_syllabus_has_the_notebooks_and_the_minutes_of_the_course():
    course = rows("TEACHING.md", "## Twelve hours")
    for (week, meeting, home, minutes, *_), (session, notebooks, _, homework, at_home) in zip(
        rows("SYLLABUS.md", "# Syllabus"), course, strict=True
    ):
        alone = ", ".join(re.findall(r"notebook (\d+)", homework))
        assert (week, meeting, home, minutes) == (session, notebooks, alone, at_home)


def test_all_of_the_course_takes_as_many_hours_as_teaching_says():
    (hours,) = re.findall(r"all of their exercises take (\w+) hours", (NOTEBOOKS / "TEACHING.md").read_text())
    words = ["fourteen", "fifteen", "sixteen", "seventeen", "eighteen"]
    assert words.index(hours) + 14 == round(sum(TIMES.values()) / 60)
