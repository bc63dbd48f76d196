"""The page of changes has a section for each notebook, and names sections and exercises that exist."""

import re
from pathlib import Path

import build
import pytest

PAGE = (Path(__file__).resolve().parents[2] / "notebooks/CHANGES.md").read_text()
every = pytest.mark.parametrize("name", build.names())


def text_of(name: str) -> str:
    return "\n".join(cell.source for cell in build.read(name).cells if cell.cell_type == "markdown")


def section(page: str, name: str) -> str:
    """The section of a notebook; ValueError where there is not just one."""
    title = text_of(name).partition("\n")[0]
    (found,) = re.findall(rf"^#{re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    return found


def strange(words: str, name: str) -> list[str]:
    """What a section calls an exercise or a section of its notebook that is none."""
    text = text_of(name)
    exercises = set(re.findall(rf"(?<![\d.]){int(name[:2])}\.\d", words))
    headings = set(re.findall(r"section\s+\*([^*]+)\*", words))
    return [each for each in exercises if f"### Exercise {each}" not in text] + [
        " ".join(each.split()) for each in headings if f"\n## {' '.join(each.split())}\n" not in text
    ]


@pytest.mark.repo
@every
def test_each_notebook_has_its_section_under_its_title(name):
    assert len(section(PAGE, name).split()) > 10
    assert strange(section(PAGE, name), name) == []


@pytest.mark.repo
def test_there_is_no_section_of_a_notebook_that_is_gone():
    assert len(re.findall(r"^## \d+\. ", PAGE, re.M)) == len(build.names())


def test_a_section_or_an_exercise_that_is_none_is_seen():
    name = build.names()[1]
    assert strange("The new section *Gone away*, and exercise 1.2. Exercise 1.9 is new.", name) == ["1.9", "Gone away"]


def test_a_notebook_without_a_section_is_seen():
    with pytest.raises(ValueError, match="not enough values to unpack"):
        section("# Changes\n", build.names()[0])
