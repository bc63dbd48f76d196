"""What looks like the mark of a solution and is none ends the build: it would leave the answer in a student's copy."""

import build
import marks
import nbformat
import pytest

CELL = "def double(x):\n    # BEGIN SOLUTION\n    return 2 * x\n    # END SOLUTION\n\n\ncheck(double)"
OPENINGS = [
    "#BEGIN SOLUTION",
    "# BEGIN SOLUTION ",
    "# BEGIN SOLUTION\t",
    "# Begin Solution",
    "# begin solution",
    "# BEGIN  SOLUTION",
    "#  BEGIN SOLUTION",
    "## BEGIN SOLUTION",
    "### BEGIN SOLUTION",
    "# BEGIN SOLUTION:",
    "# BEGIN SOLUTON",
    "# BEGIN SOLUTIION",
    "# BEGINN SOLUTION",
    "# BEIGN SOLUTION",
    "# BEGIN_SOLUTION",
    "# BEGIN-SOLUTION",
    "# BEGINSOLUTION",
    "# BEGIN SOLUTIONS",
    "# START SOLUTION",
    "# SOLUTION BEGIN",
    "# SOLUTION",
    "# BEGIN SOLUTION of 3.2, the first part",
    "pass  # BEGIN SOLUTION",
]
CLOSINGS = [text.replace("BEGIN", "END").replace("Begin", "End").replace("begin", "end") for text in OPENINGS[:12]]


def built(source: str) -> str:
    """A student's copy of a notebook of one cell."""
    cell = nbformat.v4.new_code_cell(source, id="99-07")
    return build.for_students(nbformat.v4.new_notebook(cells=[cell]), "99_marks").cells[0].source


def test_an_exact_mark_hides_the_solution():
    assert built(CELL) == f"def double(x):\n    {marks.TURN}\n\n\ncheck(double)"


@pytest.mark.parametrize("opening", OPENINGS)
def test_an_opening_that_does_not_match_exactly_ends_the_build(opening):
    both = CELL.replace("# BEGIN SOLUTION", opening)
    alone = both.replace("    # END SOLUTION\n", "")
    for source in (both, alone):
        with pytest.raises(marks.MarkError, match=r"Notebook 99_marks, cell 99-07, line 2: .* write # BEGIN SOLUTION"):
            built(source)


@pytest.mark.parametrize("closing", CLOSINGS)
def test_a_closing_that_does_not_match_exactly_ends_the_build(closing):
    with pytest.raises(marks.MarkError, match=r"Notebook 99_marks, cell 99-07, line 4: .* write # BEGIN SOLUTION"):
        built(CELL.replace("# END SOLUTION", closing))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (CELL.replace("    # END SOLUTION\n", ""), "line 2: # BEGIN SOLUTION is not ended"),
        (CELL.replace("    # BEGIN SOLUTION\n", ""), "line 3: # END SOLUTION ends nothing"),
        (CELL.replace("    return", "    # BEGIN SOLUTION\n    return"), "line 3: .* inside that of line 2"),
        (CELL + "\n# END SOLUTION", "line 8: # END SOLUTION ends nothing"),
        (CELL + "\n# BEGIN SOLUTION", "line 8: # BEGIN SOLUTION is not ended"),
    ],
)
def test_marks_that_do_not_pair_end_the_build(source, told):
    with pytest.raises(marks.MarkError, match=f"Notebook 99_marks, cell 99-07, {told}"):
        built(source)


@pytest.mark.parametrize("tag", ["Solution", "solutions", "soluton", "solution ", "SOLUTION", "solutoin"])
def test_a_tag_that_is_nearly_the_right_one_ends_the_build(tag):
    words = nbformat.v4.new_markdown_cell("It is 12.", id="99-08", metadata={"tags": [tag]})
    with pytest.raises(marks.MarkError, match=r"cell 99-08, its tag .* write 'solution'"):
        build.for_students(nbformat.v4.new_notebook(cells=[words]), "99_marks")


@pytest.mark.parametrize(
    "words",
    [
        "**Solution.** It is 12.",
        "*Solution:* it is 12.",
        "## Soluton\n\nIt is 12.",
        "> Solution: it is 12.",
        "1. Solution",
        "Now:\n\n<details><summary>Solution</summary>It is 12.</details>",
    ],
)
def test_words_that_begin_as_a_solution_need_the_tag(words):
    cell = nbformat.v4.new_markdown_cell(words, id="99-08")
    with pytest.raises(marks.MarkError, match=r"cell 99-08, line [13]: .* must have the tag 'solution'"):
        build.for_students(nbformat.v4.new_notebook(cells=[cell]), "99_marks")


@pytest.mark.parametrize(
    "source",
    [
        "x = solve(a)  # the solution of a·x = b",
        "# one percent is the resolution",
        "text = '# begin solution'",
        "# end",
    ],
)
def test_other_words_are_no_marks(source):
    assert built(source) == source


def test_a_mark_in_a_source_keeps_its_trailing_blank_until_it_is_told(tmp_path, monkeypatch):
    """Through the file, as an author meets it: jupytext must not mend the mark on its way."""
    (tmp_path / "98_blank.py").write_text("# %%\n" + CELL.replace("BEGIN SOLUTION", "BEGIN SOLUTION ") + "\n")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    with pytest.raises(marks.MarkError, match="Notebook 98_blank, cell 98-00, line 2"):
        build.for_students(build.read("98_blank"), "98_blank")


@pytest.mark.parametrize("word", ["ANSWER", "answers"])
def test_an_answer_between_marks_is_taken_for_a_solution(word):
    with pytest.raises(marks.MarkError, match=f"line 1: '# BEGIN {word}' looks like the mark of a solution"):
        built(f"# BEGIN {word}\nx = 12\n# END {word}")
