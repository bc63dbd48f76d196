"""What the book is made of is there, or an error says what is missing; one walk edits the Markdown of all sources."""

import links
import nbformat
import pytest
import reference_pages
import staging

pytestmark = pytest.mark.repo


def test_a_block_that_the_readme_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("<!-- memory -->\n| made |\n<!-- end memory -->\n")
    page = tmp_path / "index.md"
    page.write_text("<!-- memory -->\n<!-- end memory -->\n")
    staging._fill_start_page(page)
    assert "| made |" in page.read_text()
    page.write_text("<!-- speed -->\n<!-- end speed -->\n")
    with pytest.raises(ValueError, match=r"README.md must have the block `speed` .*has none: write <!-- speed -->"):
        staging._fill_start_page(page)


@pytest.mark.parametrize("authors", ["[{name: a}, {name: b}]", "[{family-names: c}]", "[]"])
def test_a_project_that_is_not_cited_by_one_name_is_refused(authors, tmp_path, monkeypatch):
    monkeypatch.setattr(reference_pages, "ROOT", tmp_path)
    (tmp_path / "CITATION.cff").write_text(f"authors: {authors}\ntitle: t\nversion: 1\ndate-released: 2026-01-01\n")
    with pytest.raises(ValueError, match=r"`authors` of CITATION.cff must hold one `name`, .*and holds \["):
        reference_pages.citation_page()


def test_markdown_is_edited_in_pages_and_cells_and_code_is_not(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("prose"), nbformat.v4.new_code_cell("prose")]
    cells[1].outputs = [nbformat.v4.new_output("stream", text="printed")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "01.ipynb")
    (tmp_path / "page.md").write_text("prose")

    def change_output(output, page):
        output["text"] = page

    links.edit_markdown(tmp_path, lambda text, page: f"{text} of {page}", change_output)
    markdown, code = nbformat.read(tmp_path / "notebooks" / "01.ipynb", as_version=4).cells
    assert (tmp_path / "page.md").read_text() == "prose of page.md"
    assert markdown.source == "prose of notebooks/01.ipynb"
    assert code.source == "prose"
    assert code.outputs[0]["text"] == "notebooks/01.ipynb"
