"""The course as files to hand out: all of it, a student's copy, or the form that a grader reads."""

import json
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from mezo_lab.course.graders import for_nbgrader, for_otter
from mezo_lab.course.notebook import record_path
from mezo_lab.course.quiz import write_quiz
from mezo_lab.report.labels import joined
from mezo_lab.validation import one_of, whole

__all__ = ["write_course"]

_FORMS = ("notebooks", "nbgrader", "otter")
_TURN = 'raise NotImplementedError("Your turn: replace this line.")'
_LICENCES = ("LICENSE", "LICENSE-CC-BY-4.0.md")  # which a copy must name
_FOR_ALL = ("notebooks/GLOSSARY.md", "notebooks/SYLLABUS.md", "docs/claims.md", "docs/errata.md", *_LICENCES)  # pages
_FOR_LECTURERS = ("notebooks/TEACHING.md", "notebooks/CHANGES.md")
# words, file, place in it; a name without a point, as ../LICENSE, counts behind ../ only, since formulas have ](g) too
_LINK = re.compile(r"\[([^]]*)\]\(([^)#:\s]+\.\w+|\.\./[^)#:\s]+)(#[^)\s]*)?\)")
_MINUTES = re.compile(r"(\d+)\s+(?:minutes|分钟)")
_BESIDE = {  # page → how the first page names it
    "SYLLABUS.md": "the syllabus",
    "GLOSSARY.md": "the glossary",
    "claims.md": "the claims that the notebooks test",
    "errata.md": "published sentences that such a test corrects",
    "assessment/quiz.md": "five questions for each notebook",
    "assessment/rubric.md": "how the essay is marked",
}
_NBGRADER = f"""c = get_config()  # noqa: F821, nbgrader defines it
c.CourseDirectory.course_id = "mezo_lab"
c.ClearSolutions.code_stub = {{"python": {_TURN!r}}}
c.ExecutePreprocessor.timeout = 1800
"""


def write_course(
    out: str | os.PathLike, *, student: bool = False, form: str = "notebooks", as_zip: bool = False, seed: int = 0
) -> Path:
    """Write the course into a new folder, from a checkout or from an installed wheel; both have what it needs.

    Args:
        out: a folder that does not exist, or is empty; with `as_zip` a file that does not exist. ~ is the user's home.
        student: leave out the solutions and the pages for lecturers.
        form: notebooks; or the source version of nbgrader or otter, which makes the students' copies itself.
        as_zip: write one file in place of a folder.
        seed: of the questions and of the exam; another one for another year.
    Returns: what was written. Where the disk is full, or someone interrupts, nothing is left of it.
    Raises: FileExistsError for an `out` that has something in it; ValueError for `student` with a grader's form, for a
        negative seed, and without `student` where a wheel for students is installed; NotInstalled where PyYAML, which
        reads the questions, is missing.

    >>> import tempfile
    >>> made = write_course(Path(tempfile.mkdtemp()) / "course", student=True)
    >>> (made / "01_from_random_search_to_spsa.ipynb").exists(), (made / "TEACHING.md").exists()
    (True, False)
    """
    form = one_of("form", form, _FORMS)
    seed = whole("seed", seed, "any number serves for a year", least=0)
    if student and form != "notebooks":
        raise ValueError(
            f"`student` leaves out the solutions, of which {form} makes the students' copies itself: do without it."
        )
    target = Path(out).expanduser()
    if as_zip and not target.name.strip("."):
        raise ValueError(f"`out` must name the file of a zip, got {target}: write course.zip.")
    if as_zip and target.suffix != ".zip":
        target = target.with_name(f"{target.name}.zip")
    _expect_free(target, as_zip)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / (target.stem or "course")
        folder.mkdir(exist_ok=True)
        _write(folder, student, form, seed)
        target.parent.mkdir(parents=True, exist_ok=True)
        existed = target.is_dir()
        try:
            if as_zip:
                _zip(folder, target)
            else:
                shutil.copytree(folder, target, dirs_exist_ok=True)
        except BaseException:  # a full disk, Ctrl-C
            _remove(target, existed)
            raise
    return target


def _remove(target: Path, keep_folder: bool) -> None:
    """Remove what was written so far, and the folder itself unless it was there before."""
    if not target.is_dir():
        target.unlink(missing_ok=True)
        return
    for path in target.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not keep_folder:
        target.rmdir()


def _expect_free(target: Path, as_zip: bool) -> None:
    """Raises: FileExistsError where something would be overwritten."""
    if target.is_dir() and not as_zip:
        taken = any(target.iterdir())
    else:
        taken = os.path.lexists(target)  # a link that leads nowhere is there too
    if taken:
        raise FileExistsError(f"`out` must be new or an empty folder, and {target} exists: name another, or remove it.")
    above = next(folder for folder in target.absolute().parents if folder.exists())
    if not above.is_dir():
        raise FileExistsError(f"`out` must lie in a folder, and {above} is a file: name another place.")


def _write(folder: Path, student: bool, form: str, seed: int) -> None:
    """Fill an empty folder."""
    home = record_path("notebooks")
    if not student and not (home / "TEACHING.md").exists():
        raise ValueError(
            "`student` must be True, got False: this wheel was made for students (MEZO_LAB_WITHOUT_ANSWERS=1), without "
            "solutions. Use --student, or install the whole package."
        )
    pages = _FOR_ALL if student else _FOR_ALL + _FOR_LECTURERS
    for page in pages:
        shutil.copyfile(record_path(page), folder / Path(page).name)
    for path in sorted((home / "student" if student else home).glob("[0-9]*.ipynb")):
        _write_notebook(path, folder, form)
    translated = home / ("zh/student" if student else "zh")
    if form == "notebooks" and any(translated.glob("*.ipynb")):
        shutil.copytree(translated, folder / "zh", ignore=shutil.ignore_patterns("*.md", ".*"))
    if (home / "assessment").is_dir():  # a wheel for students has none
        _write_assessment(home / "assessment", folder / "assessment", student, seed)
    if not student:
        _write_for_lecturers(home, folder, form)
    (folder / "README.md").write_text(_readme(folder, form, student), encoding="utf-8")
    for path in [*folder.rglob("*.md"), *folder.rglob("*.ipynb")]:
        # a grader takes its notebooks elsewhere, away from the pages
        alone = path.suffix == ".ipynb" and form != "notebooks"
        _relink(path, [path.parent] if alone else [path.parent, folder])


def _write_assessment(home: Path, folder: Path, student: bool, seed: int) -> None:
    """Questions and rubric; for lecturers with their answers, and the exam."""
    write_quiz(folder, student=student, seed=seed)
    shutil.copyfile(home / "rubric.md", folder / "rubric.md")
    if not student:
        from mezo_lab.course.exam import write_exam  # not in a wheel for students

        write_exam(folder, seed=seed)


def _write_for_lecturers(home: Path, folder: Path, form: str) -> None:
    """What students do not get."""
    if form == "nbgrader":
        (folder / "nbgrader_config.py").write_text(_NBGRADER, encoding="utf-8")
    if form == "notebooks":
        shutil.copytree(home / "student", folder / "student", ignore=shutil.ignore_patterns(".*"))


def _write_notebook(path: Path, folder: Path, form: str) -> None:
    """One notebook, in its form and where the form expects it."""
    if form == "notebooks":
        shutil.copyfile(path, folder / path.name)
        return
    notebook = json.loads(path.read_text(encoding="utf-8"))
    made = for_nbgrader(notebook) if form == "nbgrader" else for_otter(notebook, path.stem)
    place = folder / ("source" if form == "nbgrader" else "otter") / path.stem / path.name
    place.parent.mkdir(parents=True)
    place.write_text(_as_json(made), encoding="utf-8")


def _readme(folder: Path, form: str, student: bool) -> str:
    """The first page: what there is, and how to run it."""
    how = {
        "notebooks": "The first cell of each notebook installs `mezo_lab` where it is missing, as in Colab, from a "
        "file `mezo_lab-….whl` beside it. To prepare an environment with JupyterLab yourself, run `pip install "
        "'mezo_lab-….whl[all]'` with the whole name of that file. The package brings the records of the experiments.",
        "nbgrader": "This folder is a course of nbgrader: `nbgrader generate_assignment NAME` makes the students' copy "
        "of source/NAME, and `nbgrader autograde NAME` grades what they hand in.",
        "otter": "`otter assign otter/NAME/NAME.ipynb dist` makes the students' copy and the autograder of a notebook.",
    }
    wheel = (
        "For lecturers: `MEZO_LAB_WITHOUT_ANSWERS=1 pip wheel --no-deps .` in a checkout makes a file `mezo_lab-….whl` "
        "without solutions and answers, to hand out with the notebooks."
    )
    parts = ["# The mathematics of zeroth-order fine-tuning", how[form], *([] if student else [wheel])]
    if form == "notebooks":
        beside = joined([f"[{words}]({page})" for page, words in _BESIDE.items() if (folder / page).exists()])
        models = "Notebooks 10 to 12 need a real model and reviews, and say what to install."
        parts.append(f"Begin with notebook 0. {models} Beside the notebooks there are {beside}.")
    lines = ["\n\n".join(parts), "", "| notebook | minutes |", "|---|--:|"]
    for path in sorted(folder.rglob("[0-9]*.ipynb")):
        place = path.relative_to(folder).as_posix()
        head = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        heading = head.partition("\n")[0].lstrip("# ")
        minutes = "".join(_MINUTES.findall(head)[:1])
        if "student/" not in place:
            lines.append(f"| [{heading}]({place}) | {minutes} |")
    return "\n".join(lines) + "\n"


def _relink(path: Path, homes: list[Path]) -> None:
    """Let the links of a page or a notebook lead to the files of that name in `homes`; others become their words."""
    if path.suffix == ".md":
        path.write_text(_relinked(path.read_text(encoding="utf-8"), path.parent, homes), encoding="utf-8")
        return
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _relinked("".join(cell["source"]), path.parent, homes).splitlines(keepends=True)
    path.write_text(_as_json(notebook), encoding="utf-8")


def _relinked(text: str, start: Path, homes: list[Path]) -> str:
    def link(found: re.Match) -> str:
        words, file, place = found.groups(default="")
        possible = [start / file, *(home / Path(file).name for home in homes)]
        inside = [path for path in possible if path.exists()]
        return f"[{words}]({os.path.relpath(inside[0], start)}{place})" if inside else words

    return _LINK.sub(link, text)


def _as_json(notebook: dict) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, Path(folder.name) / path.relative_to(folder))
