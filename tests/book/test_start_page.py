"""The start page leads to the three parts of the project, shows its figure, and hands out the package."""

import re
import zipfile

import pytest
from bs4 import BeautifulSoup

from mezo_lab.claims import REGISTRY

pytestmark = pytest.mark.repo


@pytest.fixture(scope="module")
def start(site):
    return BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "html.parser").find("article")


def test_three_doors_lead_to_the_course_the_claims_and_the_optimizer(start):
    doors = [link["href"] for door in start.find_all(class_="mezo-door") for link in door.find_all("a")]
    assert doors == ["notebooks/README.html", "claims/index.html", "docs/optimizer.html"]


def test_the_number_of_claims_is_that_of_the_registry(start):
    assert f"{len(REGISTRY)} claims" in start.text


def test_the_figure_has_its_words(start):
    (figure,) = start.find_all("img")
    assert figure["alt"].startswith("Dot chart of E‖ĝ‖²/‖g‖² by law of z")


def test_what_was_found_is_made_of_the_records(start):
    found = start.find(id="what-was-found")
    assert len(found.find_all("li")) >= 4 and len(re.findall(r"\d", found.text)) >= 10


def test_the_wheel_has_the_course_and_neither_solutions_nor_the_exam(start, site):
    address = start.find("a", href=re.compile(r"\.whl$"))["href"]
    with zipfile.ZipFile(site / address) as wheel:
        names = wheel.namelist()
    assert "mezo_lab/optim/mezo.py" in names
    assert any("/notebooks/student/03_" in name for name in names)
    assert not [name for name in names if "course/exam" in name or re.search(r"/notebooks/\d\d_", name)]
