"""The course handed out: a student's copy holds no solution, and a grader's form gives marks for solutions alone."""

import json
import re
import zipfile
from pathlib import Path

import build
import nbformat
import pytest

from mezo_lab.cli import main
from mezo_lab.course import handout
from mezo_lab.course.graders import for_nbgrader, for_otter
from mezo_lab.course.handout import write_course

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TURN = 'raise NotImplementedError("Your turn: replace this line.")'
NAMES = build.names()
every = pytest.mark.parametrize("name", NAMES)


def notebook(name: str) -> dict:
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())


def graded(cells: list[dict]) -> list[dict]:
    return [cell["metadata"]["nbgrader"] for cell in cells if "nbgrader" in cell["metadata"]]


def solution_lines(cells: list[dict]) -> set[str]:
    """Every line between the marks, and every line of a text that is a solution; four letters say nothing."""
    lines: list[str] = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            lines += [
                line
                for part in re.findall(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", source, re.S)
                for line in part.split("\n")
            ]
        elif "solution" in cell["metadata"].get("tags", ()):
            lines += source.split("\n")
    return {line.strip() for line in lines if len(line.strip()) > 4}


def students_form(made: dict) -> list[dict]:
    """What nbgrader makes of its source: a stub for each region in code, and for each text that is a solution."""
    cells = []
    for cell in made["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            stub = re.sub(r"( *)# BEGIN SOLUTION\n.*?# END SOLUTION", rf"\1{TURN}", cell["source"], flags=re.S)
            cell = cell | {"source": "YOUR ANSWER HERE" if cell["cell_type"] == "markdown" else stub}
        cells.append(cell)
    return cells


@every
def test_a_students_folder_leaks_no_line_of_a_solution(name, tmp_path):
    folder = write_course(tmp_path / "course", student=True)
    given = {
        line.strip() for page in folder.rglob("*") if page.suffix == ".md" for line in page.read_text().split("\n")
    }
    copies = list(folder.rglob(f"{name}.ipynb"))  # in Chinese too
    assert copies
    cells = [cell for path in copies for cell in json.loads(path.read_text())["cells"]]
    given |= {line.strip() for cell in cells for line in "".join(cell["source"]).split("\n")}
    solved = solution_lines(notebook(name)["cells"])
    assert solved and not given & solved
    assert not any(cell.get("outputs") for cell in cells)


@pytest.mark.parametrize("options", [{"student": True}, {}, {"form": "nbgrader"}])
def test_every_hand_out_has_both_licences(options, tmp_path):
    folder = write_course(tmp_path / "course", **options)
    assert (folder / "LICENSE").exists() and (folder / "LICENSE-CC-BY-4.0.md").exists()


def test_a_student_gets_no_page_for_lecturers_and_a_lecturer_gets_all(tmp_path):
    student = write_course(tmp_path / "student", student=True)
    lecturer = write_course(tmp_path / "lecturer")
    names = {path.name for path in student.rglob("*")}
    assert {"README.md", "GLOSSARY.md", "claims.md", "errata.md"} | {f"{name}.ipynb" for name in NAMES} <= names
    assert not names & {"TEACHING.md", "CHANGES.md", "student"}
    assert {path.name for path in (student / "assessment").iterdir()} == {"quiz.md", "rubric.md"}
    assert (lecturer / "TEACHING.md").exists() and (lecturer / "CHANGES.md").exists()
    assert len(list((lecturer / "student").iterdir())) == len(NAMES)


def test_the_first_page_has_the_minutes_and_names_what_lies_beside_the_notebooks(tmp_path):
    page = (write_course(tmp_path / "course", student=True) / "README.md").read_text()
    rows = [line for line in page.splitlines() if ".ipynb)" in line]
    assert len(rows) > len(NAMES) and all(re.search(r"\| \d+ \|$", row) for row in rows)  # the Chinese ones too
    assert all(
        f"({name})" in page for name in ("GLOSSARY.md", "SYLLABUS.md", "claims.md", "errata.md", "assessment/quiz.md")
    )


@pytest.mark.parametrize("words", ["", "--student", "--nbgrader", "--otter"])
def test_every_link_of_a_page_leads_to_a_file_that_was_handed_out(words, tmp_path):
    assert main(["course", str(tmp_path / "course"), *words.split()]) == 0
    links = relative_links(tmp_path / "course")
    assert sum(path.name == "README.md" for path, _ in links) >= len(NAMES)
    assert [(path.name, link) for path, link in links if not (path.parent / link.partition("#")[0]).exists()] == []
    to_claims = [
        path for path, link in links if link.partition("#")[0].endswith("claims.md") and path.suffix == ".ipynb"
    ]
    # a grader takes its notebooks away from the pages, and its links have become words
    assert bool(to_claims) == (words in ("", "--student"))


def relative_links(folder: Path) -> list[tuple[Path, str]]:
    """(file, link) of all pages and all texts of notebooks."""
    texts = {path: [path.read_text()] for path in folder.rglob("*.md")}
    for path in folder.rglob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        texts[path] = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    found = r"\]\(((?:[^)#:\s]+\.\w+|\.\./[^)#:\s]+)(?:#[^)\s]*)?)\)"
    return [(path, link) for path in texts for text in texts[path] for link in re.findall(found, text)]


@pytest.mark.parametrize("form", ["notebooks", "nbgrader", "otter"])
def test_a_lecturer_gets_questions_and_an_exam_with_their_answers_and_another_seed_gives_others(form, tmp_path):
    first, again, other = (
        write_course(tmp_path / str(number), form=form, seed=seed) / "assessment"
        for number, seed in enumerate((0, 0, 1))
    )
    for page in ("quiz.md", "quiz_with_answers.md", "exam.md", "exam_solutions_and_schemes.md"):
        assert (first / page).read_text() == (again / page).read_text() != (other / page).read_text()
    assert (first / "rubric.md").read_text() == (other / "rubric.md").read_text()


def test_a_students_questions_hold_no_reason_and_no_right_answer_is_marked(tmp_path):
    student = write_course(tmp_path / "student", student=True) / "assessment/quiz.md"
    lecturer = write_course(tmp_path / "lecturer") / "assessment/quiz_with_answers.md"
    given, key = (set(page.read_text().split("\n")) for page in (student, lecturer))
    only_there = {line for line in key - given if line}
    assert len(only_there) > 5 * len(NAMES)
    assert not any(line in student.read_text() for line in only_there if len(line) > 20)


def test_nothing_that_exists_is_overwritten(tmp_path):
    taken = tmp_path / "course"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"`out` must be new or an empty folder, and .*course exists"):
        write_course(taken)
    (tmp_path / "course.zip").write_text("mine")
    with pytest.raises(FileExistsError, match=r"and .*course\.zip exists: name another"):
        write_course(taken, as_zip=True)
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]


def test_a_seed_is_a_number_from_0_on(tmp_path):
    with pytest.raises(ValueError, match="`seed` must be a whole number, at least 0, got -1: any number serves"):
        write_course(tmp_path / "course", student=True, seed=-1)
    assert not (tmp_path / "course").exists()


def test_a_wheel_for_students_has_no_course_for_lecturers(tmp_path, monkeypatch):
    monkeypatch.setattr("mezo_lab.course.handout.record_path", lambda name: tmp_path / "records" / name)
    with pytest.raises(ValueError, match="`student` must be True, got False: this wheel was made for students"):
        write_course(tmp_path / "course")
    assert not (tmp_path / "course").exists()


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_nothing_is_left_of_a_course_that_could_not_be_written_whole(as_zip, existed, error, tmp_path, monkeypatch):
    def write_a_part_alone(*arguments, **options):
        target = tmp_path / ("course.zip" if as_zip else "course")
        if not as_zip:
            (target / "deep").mkdir(parents=True)
            target = target / "deep/half"
        target.write_text("half")
        raise error

    if existed:
        (tmp_path / "course").mkdir()
    monkeypatch.setattr(handout.shutil, "copytree", write_a_part_alone)
    monkeypatch.setattr(handout, "_write", lambda *arguments: None)
    monkeypatch.setattr(handout, "_zip", write_a_part_alone)
    with pytest.raises((KeyboardInterrupt, OSError)):
        write_course(tmp_path / "course", as_zip=as_zip)
    assert [path.name for path in tmp_path.rglob("*")] == ["course"] * existed


def test_the_course_goes_into_the_folder_where_one_stands_and_home(tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "_write", lambda folder, *rest: (folder / "page.md").write_text("# Page"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    write_course(".")
    write_course("~/course")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")) == [
        "course/page.md",
        "empty/page.md",
    ]
    with pytest.raises(ValueError, match=r"`out` must name the file of a zip, got \.: write course\.zip"):
        write_course(".", as_zip=True)


def test_a_link_to_nowhere_and_a_place_inside_a_file_are_named(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match=r"`out` must be new or an empty folder, and .*link exists"):
        write_course(tmp_path / "link")
    with pytest.raises(FileExistsError, match=r"`out` must lie in a folder, and .*file is a file"):
        write_course(tmp_path / "file/course")


def test_a_grader_needs_the_solutions(tmp_path):
    with pytest.raises(ValueError, match="`student` leaves out the solutions, of which otter makes"):
        write_course(tmp_path / "course", student=True, form="otter")


def test_a_zip_holds_what_a_folder_would(tmp_path):
    path = write_course(tmp_path / "course", student=True, as_zip=True)
    folder = write_course(tmp_path / "course", student=True)
    with zipfile.ZipFile(path) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
    assert path.name == "course.zip"
    assert files == {f"course/{file.relative_to(folder)}" for file in folder.rglob("*") if file.is_file()}


@every
def test_nbgrader_finds_in_each_notebook_what_its_schema_asks(name):
    made = for_nbgrader(notebook(name))
    nbformat.validate(nbformat.from_dict(made))
    cells = graded(made["cells"])
    assert len({cell["grade_id"] for cell in cells}) == len(cells)
    for cell in cells:
        assert re.fullmatch(r"[\w-]+", cell["grade_id"]) and cell["schema_version"] == 3 and not cell["task"]
        assert ("points" in cell) == cell["grade"] and cell["locked"] == (not cell["solution"])
    assert any(cell["locked"] and cell["points"] > 0 for cell in cells)
    assert any(cell["grade"] and cell["cell_type"] == "markdown" for cell in cells)


@every
def test_an_exercise_has_as_many_points_as_stars_on_paper_too(name):
    stars, judged = 0, 0
    for cell in for_nbgrader(notebook(name))["cells"]:
        if cell["cell_type"] == "markdown" and "### Exercise" in cell["source"]:
            stars = cell["source"].count("★")
            assert stars > 0
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            assert cell["metadata"]["nbgrader"]["points"] == stars
            judged += 1
    assert judged >= (1 if name == NAMES[0] else 4)


@every
def test_each_check_is_in_a_cell_of_its_own_that_imports_it(name):
    checks = [
        cell for cell in for_nbgrader(notebook(name))["cells"] if cell["metadata"].get("nbgrader", {}).get("locked")
    ]
    for check in checks:
        called = set(re.findall(r"^(zoo|check_\w+)[.(]", check["source"], re.M))
        assert called and "SOLUTION" not in check["source"]
        assert all(f"import {each}" in check["source"] for each in called)


@every
def test_what_nbgrader_gives_to_students_leaks_no_line_of_a_solution(name):
    source = notebook(name)
    given = {line.strip() for cell in students_form(for_nbgrader(source)) for line in cell["source"].split("\n")}
    assert not given & solution_lines(source["cells"])


def test_a_mark_of_a_check_that_a_student_redefines_is_not_given():
    cell = nbformat.v4.new_code_cell(
        "from mezo_lab.course.exercises.search import check_best_sigma\n# BEGIN SOLUTION\nx = 1\n# END SOLUTION\n"
        "check_best_sigma(x)\nprint(x)",
        id="1",
    )
    solution, check, after = for_nbgrader({"cells": [cell], "metadata": {}})["cells"]
    assert solution["source"].endswith("# END SOLUTION") and after["source"] == "print(x)"
    assert check["source"].split("\n") == [
        "from mezo_lab.course.exercises.search import check_best_sigma",
        "check_best_sigma(x)",
    ]


@every
def test_otter_finds_its_marks_in_pairs_and_a_test_that_compiles(name):
    made = for_otter(notebook(name), name)
    nbformat.validate(nbformat.from_dict(made))
    marks = [cell["source"].split("\n")[0] for cell in made["cells"] if cell["cell_type"] == "raw"][1:]
    opened: list[str] = []
    for mark in marks:
        word, _, what = mark.removeprefix("# ").partition(" ")
        if word == "BEGIN":
            opened.append(what)
        else:
            assert opened.pop() == what
    assert not opened and "# BEGIN TESTS" in marks
    around = [
        made["cells"][number - 1]["source"] for number, cell in enumerate(made["cells"]) if solution_lines([cell])
    ]
    assert set(around) == {"# BEGIN SOLUTION"}  # otter takes solutions out of these alone
    tests = [cell["source"] for cell in made["cells"] if cell["source"].startswith("def test_")]
    assert len(tests) == marks.count("# BEGIN TESTS")
    for test in tests:
        compile(test, name, "exec")


def failed(cells: list[dict]) -> dict[str, bool]:
    """Whether each locked cell ended in an error, all cells run in one kernel."""
    run = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.metadata["tags"] = ["raises-exception"]
    build.executed(run, fast=True, seconds=120, name="graded")
    locked = [cell for cell in run.cells if cell.metadata.get("nbgrader", {}).get("locked")]
    return {cell.id: any(output.output_type == "error" for output in cell.outputs) for cell in locked}


@pytest.mark.parametrize(
    "name", [NAMES[0], NAMES[2], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:2] + NAMES[3:])]
)
def test_solutions_pass_every_check_and_an_untouched_copy_fails_each(name):
    made = for_nbgrader(notebook(name))
    solved, untouched = failed(made["cells"]), failed(students_form(made))
    assert solved and not any(solved.values())
    assert untouched.keys() == solved.keys() and all(untouched.values())
