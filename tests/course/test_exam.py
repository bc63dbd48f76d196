"""The exam: every year's texts are whole, a slip never gives the right number, and pages go where they should."""

import ast
import math
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from exam_cases import COUNT, SEEDS, exam

import mezo_lab.course.exam
from mezo_lab.course.assessment import load_assessment
from mezo_lab.course.exam import Part, Problem, Slip, exam_problems, write_exam
from mezo_lab.course.exam.problem import filled, shown

ROOM = Path(mezo_lab.course.exam.__file__).parent
ASSESSMENT = Path(__file__).resolve().parents[2] / "notebooks/assessment"
each_year = pytest.mark.parametrize("seed", SEEDS)
each_problem = pytest.mark.parametrize("place", range(COUNT))
PLACE = re.compile(r"@\{=?(\w+)(?::\d+)?\}")


def templates(problem: Problem) -> list[str]:
    """Every text of a problem."""
    found = [problem.statement]
    for part in problem.parts:
        found += [part.question, part.solution]
        found += [earns for _, earns in part.steps]
        found += [slip.says for slip in part.slips]
    return found


def distance(one: float, other: float) -> float:
    return abs(float(one) - float(other)) / max(abs(float(one)), abs(float(other)))


@each_year
def test_every_text_has_its_numbers(seed):
    for problem in exam(seed):
        for template in templates(problem):
            text = problem.text(template)
            assert text and "@" not in text and "None" not in text and "nan" not in text and "inf " not in text, text
            assert text.count("$") % 2 == 0, text


def test_every_value_is_used():
    """What is computed and stands nowhere may hide that the text has another number."""
    for problem in exam(0):
        used = {name for template in templates(problem) for name in PLACE.findall(template)}
        used |= {name for part in problem.parts for name in part.answers}
        assert not problem.values.keys() - used, problem.title


@each_year
def test_an_answer_stands_in_its_solution_and_not_in_the_question(seed):
    for problem in exam(seed):
        for part in problem.parts:
            for name in part.answers:
                assert math.isfinite(problem.values[name]) and problem.values[name] != 0
                assert name in PLACE.findall(part.solution), (problem.title, name)
                assert name not in PLACE.findall(problem.statement + part.question), (problem.title, name)


@each_year
def test_no_slip_gives_the_right_number(seed):
    """By more than the one per cent within which a number counts as right."""
    for problem in exam(seed):
        for part in problem.parts:
            for slip in part.slips:
                assert 0 < slip.loses <= part.points, (problem.title, slip.says)
                assert (slip.value is None) == (slip.answer == ""), slip.says
                if slip.answer:
                    assert slip.answer in part.answers, (problem.title, slip.answer)
                    right = problem.values[slip.answer]
                    assert distance(right, slip.value) > 0.012, (problem.title, slip.says, right, slip.value)


@each_problem
def test_a_problem_asks_the_same_in_every_year(place):
    """The same parts, points and objectives, with other numbers."""
    years = [exam(seed)[place] for seed in SEEDS]
    assert len({(year.title, year.objectives, tuple(part.points for part in year.parts)) for year in years}) == 1
    asked = [year.text(year.statement) + "".join(year.text(part.question) for part in year.parts) for year in years]
    assert all(one != other for one, other in pairwise(asked)) and len(set(asked)) >= len(SEEDS) - 2
    solved = ["".join(year.text(part.solution) for part in year.parts) for year in years]
    assert all(one != other for one, other in pairwise(solved))


def test_one_seed_gives_one_exam_and_no_problem_depends_on_another(monkeypatch):
    again = exam_problems(3)
    assert [problem.values for problem in again] == [problem.values for problem in exam(3)]
    from mezo_lab.course.exam import paper

    monkeypatch.setattr(paper, "_ENTRIES", paper._ENTRIES[5:])
    assert exam_problems(3)[0].values == exam(3)[5].values


def test_a_point_is_a_minute_and_a_problem_is_short():
    problems = exam(0)
    assert len(problems) == COUNT
    for problem in problems:
        assert problem.minutes == problem.points and 20 <= problem.minutes <= 30, problem.title
        assert 3 <= len(problem.parts) <= 5
        for part in problem.parts:
            assert 2 <= part.points <= 10 and len(part.steps) >= 2 and part.slips, (problem.title, part.question)


@each_year
def test_no_text_has_a_number_of_its_own(seed):
    """Decimals, and whole numbers from a hundred on, come from values."""
    for problem in exam(seed):
        for template in templates(problem):
            typed = re.sub(r"`[^`]*`|@\{[^}]*\}", "", template)
            assert not re.findall(r"\d+\.\d|\d{3,}", typed), template


def test_an_entry_says_what_it_assesses():
    for path in ROOM.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if (
                isinstance(node, ast.FunctionDef)
                and not node.name.startswith("_")
                and "Random" in ast.unparse(node.args)
            ):
                assert (ast.get_docstring(node) or "").startswith("Assesses "), node.name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (13_000, "13{,}000"),
        (Fraction(13, 4), "3.25"),
        (Fraction(2, 3), r"\approx 0.667"),
        (-2.5, "-2.5"),
        (1366.4321987, r"\approx 1{,}366"),
        (9.9999e-12, r"\approx 1.00\cdot10^{-11}"),
        (4e-10, r"4\cdot10^{-10}"),
        (10**7, "10^{7}"),
        (0, "0"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_a_number_is_written_in_full_where_it_is_short(value, text):
    assert shown(value, relation="approx" in text) == text


def test_a_template_without_its_number_is_refused():
    with pytest.raises(KeyError, match="other"):
        filled("$@{other}$", {"one": 1})


# --- pages ---


def test_the_page_of_students_holds_no_solution(tmp_path):
    write_exam(tmp_path, seed=5)
    page = (tmp_path / "exam.md").read_text()
    for problem in exam(5):
        assert problem.text(problem.statement) in page
        for part in problem.parts:
            assert problem.text(part.question) in page
            hidden = [part.solution]
            short = [slip.says for slip in part.slips] + [earns for _, earns in part.steps]
            hidden += [text for text in short if len(text) > 40]
            assert not [text for text in hidden if problem.text(text) in page]
    assert "seed 5" not in page


def test_the_page_of_markers_names_the_paper_and_every_mark(tmp_path):
    write_exam(tmp_path, seed=5)
    exam_page = (tmp_path / "exam.md").read_text()
    page = (tmp_path / "exam_solutions_and_schemes.md").read_text()
    (code,) = re.findall(r"Paper ([0-9a-f]{6}) ", exam_page)
    assert f"paper {code}, made with seed 5" in page
    for problem in exam(5):
        for part in problem.parts:
            assert problem.text(part.solution) in page
            assert all(f"- **{points}:** {problem.text(earns)}" in page for points, earns in part.steps)
            assert all(f"- **−{slip.loses}:** {problem.text(slip.says)}" in page for slip in part.slips)


def test_the_papers_of_two_hours_add_up(tmp_path):
    write_exam(tmp_path, seed=0)
    page = (tmp_path / "exam_solutions_and_schemes.md").read_text()
    papers = re.findall(r"problems ([\d, ]+); ([\d +]+) = (\d+) minutes", page)
    assert len(papers) >= 4
    for numbers, summands, total in papers:
        minutes = [exam(0)[int(number) - 1].minutes for number in numbers.split(", ")]
        assert minutes == [int(each) for each in summands.split(" + ")]
        assert sum(minutes) == int(total) and 115 <= sum(minutes) <= 120
    assert {number for numbers, *_ in papers for number in numbers.split(", ")} >= {f"{n}" for n in range(1, 12)}


def test_a_lecturer_may_choose_problems(tmp_path):
    write_exam(tmp_path, seed=2, problems=[7, 1])
    page = (tmp_path / "exam.md").read_text()
    titles = re.findall(r"^## Problem (\d): (.*) \(", page, re.M)
    assert titles == [("1", exam(2)[6].title), ("2", exam(2)[0].title)]
    assert "minutes: 45" in page


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"seed": -1}, "`seed`"),
        ({"seed": 1.5}, "`seed`"),
        ({"problems": [14]}, "`problems`"),
        ({"problems": []}, "`problems`"),
    ],
)
def test_what_does_not_exist_is_refused(given, named, tmp_path):
    with pytest.raises(ValueError, match=named):
        write_exam(tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


@pytest.mark.repo
def test_the_exam_of_the_repository_is_that_of_seed_0(tmp_path):
    write_exam(tmp_path, seed=0)
    for page in tmp_path.iterdir():
        assert (ASSESSMENT / page.name).read_text() == page.read_text(), (
            'write it anew with `write_exam("notebooks/assessment")`'
        )


# --- the tests of the texts can fail ---


def faulty(**changes) -> Problem:
    part = Part("How much?", "So much: $@{much}$.", ((2, "all"), (1, "more")), ("much",), (Slip("less", 1, "much", 5),))
    given = {"title": "T", "objectives": ("1.1",), "statement": "S", "parts": (part,), "values": {"much": 4}} | changes
    return Problem(**given)


@pytest.mark.parametrize(
    ("changes", "test"),
    [
        ({"values": {"much": 5}}, test_no_slip_gives_the_right_number),
        ({"statement": "It is @much."}, test_every_text_has_its_numbers),
        ({"statement": "One is 3.7."}, test_no_text_has_a_number_of_its_own),
        ({"statement": "It is $@{much}$."}, test_an_answer_stands_in_its_solution_and_not_in_the_question),
    ],
)
def test_a_faulty_problem_is_seen(changes, test, monkeypatch):
    monkeypatch.setattr(f"{__name__}.exam", lambda seed: (faulty(),))
    test(0)
    monkeypatch.setattr(f"{__name__}.exam", lambda seed: (faulty(**changes),))
    with pytest.raises(AssertionError):
        test(0)


# --- what the exam assesses ---


@pytest.mark.repo
def test_each_objective_of_a_problem_is_one_of_the_course():
    known = {objective.id for unit in load_assessment() for objective in unit.objectives}
    named = [name for problem in exam(0) for name in problem.objectives]
    assert not set(named) - known
    # every notebook from 1 on is examined
    assert {name.partition(".")[0] for name in named} == {f"{number}" for number in range(1, 16)}
