"""Tags in the sources make the lectures; one that makes no slide is named with its notebook and cell."""

import build
import nbformat
import pytest
import slide_tags
import slides

pytestmark = pytest.mark.repo


def notebook(*cells):
    made = nbformat.v4.new_notebook(cells=list(cells))
    for number, cell in enumerate(made.cells):
        cell.id = f"99-{number:02}"
    return made


def words(text: str, *tags: str):
    return nbformat.v4.new_markdown_cell(text, metadata={"tags": list(tags)})


def code(text: str, *tags: str):
    return nbformat.v4.new_code_cell(text, metadata={"tags": list(tags)})


def chosen(*cells) -> list[tuple[str, list[tuple[str, str]]]]:
    """(heading, (kind, text) of each part) of each slide of a notebook of these cells."""
    found = slide_tags.chosen(notebook(*cells), "99_small")
    return [(slide.heading, [(part.kind, part.cell.source) for part in slide.parts]) for slide in found]


def test_cells_with_one_number_share_a_slide_below_the_heading_of_their_section():
    cells = [words("## One\n\nNot shown."), code("plot()", "slide-02"), words("It falls.", "slide-02", "notes-03")]
    cells += [words("## Two\n\nB.", "slide-03")]
    first, second = chosen(*cells)
    assert first == ("One", [("slide", "plot()"), ("slide", "It falls.")])
    assert second == ("Two", [("notes", "It falls."), ("slide", "## Two\n\nB.")])


def test_numbers_give_the_order_and_not_the_source():
    cells = [words("## One\n\nA.", "slide-03"), words("## Two\n\nB.", "slide-02")]
    assert [heading for heading, _ in chosen(*cells)] == ["Two", "One"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            [words("## One", "silde-02")],
            r"99_small, cell 99-00 \('## One'\): the tag 'silde-02' means nothing; write sl",
        ),
        ([words("## One", "slide-2")], r"cell 99-00 .* the tag 'slide-2' means nothing"),
        ([words("## One", "slide-02"), words("B.", "slide-04")], r"numbered 2, 3, …; its tags have \[2, 4\]"),
        ([words("## One", "slide-01")], r"numbered 2, 3, …; its tags have \[1\]"),
        ([words(f"Part {k}.", f"slide-{k:02}") for k in range(2, 17)], r"at most 15 slides; its tags have 16"),
        ([words("## One", "slide-02"), words("B.", "notes-03")], r"slide 3 has notes and shows nothing"),
        ([words("## One", "code-02")], r"cell 99-00 .* code-NN belongs to a cell of code"),
        ([code("x = 1", "notes-02")], r"cell 99-00 .* notes-NN belongs to a cell of markdown"),
        ([words("The key.", "solution", "slide-02")], r"cell 99-00 .* a solution is on no slide"),
        ([code("# BEGIN SOLUTION\nx\n# END SOLUTION", "slide-02")], r"cell 99-00 .* a solution is on no slide"),
        ([words("A.\n\n## Two", "slide-02")], r"cell 99-00 .* '## Two' stands inside it; let it begin a cell"),
    ],
)
def test_a_tag_that_makes_no_slide_is_named_with_its_cell(cells, message):
    with pytest.raises(slide_tags.TagError, match=message):
        chosen(*cells)


@pytest.mark.parametrize("name", build.names())
def test_the_tags_of_a_source_have_a_meaning_and_only_a_lecture_has_slides(name):
    found = slide_tags.chosen(build.read(name), name)
    assert bool(found) == (name in slides.names())


@pytest.mark.parametrize("name", slides.names())
def test_a_lecture_asks_and_shows_a_picture_and_ends_with_one_slide_to_take_away(name):
    found = slide_tags.chosen(build.read(name), name)
    headings = [slide.heading for slide in found]
    assert sum(heading.startswith(slides.PREDICTIONS) for heading in headings) == 1
    assert headings[-1] == "Summary" and headings.count("Summary") == 1
    assert any(part.kind == "slide" and part.cell.cell_type == "code" for slide in found for part in slide.parts)
    assert not any(heading.startswith("Exercise") for heading in headings)


def test_a_build_keeps_the_pictures_of_slides_alone():
    def shown(*tags):
        cell = code("plot()", *tags)
        data = {"data": {"image/png": "AAAA", slides.SLIDE: "BBBB"}}
        cell.outputs = [nbformat.v4.new_output("display_data", **data)]
        return cell

    made = notebook(shown("slide-02"), shown("code-02"), shown())
    build._keep_pictures_of_slides(made)
    assert [slides.SLIDE in cell.outputs[0].data for cell in made.cells] == [True, False, False]
    assert all("image/png" in cell.outputs[0].data for cell in made.cells)


def test_pictures_of_a_lecture_lie_beside_the_notebook_and_are_found_again(tmp_path):
    cell = nbformat.v4.new_code_cell("show(figure)", id="99-00")
    cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": "AAAA", slides.SLIDE: "BBBB"})]
    (tmp_path / build.PICTURES / "99_x").mkdir(parents=True)
    (tmp_path / build.PICTURES / "99_x" / "99-07-0.png").touch()  # of a cell that is gone
    notebook = nbformat.v4.new_notebook(cells=[cell])
    build._set_pictures_apart(notebook, tmp_path / build.PICTURES / "99_x")
    build.write(notebook, tmp_path / "99_x.ipynb")
    assert "BBBB" not in (tmp_path / "99_x.ipynb").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / build.PICTURES).rglob("*.png")] == ["99-00-0.png"]
    (found,) = build.outputs_of(tmp_path / "99_x.ipynb")["show(figure)"]
    assert found.data == {"image/png": "AAAA", slides.SLIDE: "BBBB"}
