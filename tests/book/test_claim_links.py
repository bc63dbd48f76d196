"""The prose of the book leads to the claims that it names, and nothing else becomes a link."""

import nbformat
import pytest
from claim_links import link_claims, with_claim_links

pytestmark = pytest.mark.repo

CLAIMS = {"A2", "A4", "B3"}


def linked(text: str, page: str = "notebooks/03.ipynb") -> str:
    return with_claim_links(text, page, CLAIMS.__contains__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Statement** (claim A2). If", "**Statement** (claim [A2](../claims/A2.md)). If"),
        (
            "Claims A2, A4 and B3 say",
            "Claims [A2](../claims/A2.md), [A4](../claims/A4.md) and [B3](../claims/B3.md) say",
        ),
        (
            "the norm factor (A2), and (B3; derived)",
            "the norm factor ([A2](../claims/A2.md)), and ([B3](../claims/B3.md); derived)",
        ),
        ("**命题**（论断 A2）。", "**命题**（论断 [A2](../claims/A2.md)）。"),
        (
            "<details>The formula of claim A2.</details>",
            '<details>The formula of claim <a href="../claims/A2.html">A2</a>.</details>',
        ),
    ],
)
def test_a_named_claim_is_a_link(text, expected):
    assert linked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "`claim A2` and ``(A2)``",
        "```\nclaim A2\n```",
        "$f(A2)$ and $$(A2)$$",
        "## The check of claim A2",
        "[claim A2](../docs/claims.md)",
        '<a href="x.html">claim A2</a> <code>claim A2</code>',
        "f(A2), x[0](A2)",
        "paper A2, claim A22, claim E9, (A2 holds)",
        "::::{note} claim A2\n:::",
        "(claim-A2)=",
    ],
)
def test_what_is_no_prose_stays(text):
    assert linked(text) == text


def test_a_link_is_named_from_its_page(tmp_path):
    for folder in ("claims", "docs", "notebooks/zh"):
        (tmp_path / folder).mkdir(parents=True)
    for page in ("claims/A2.md", "docs/verify.md", "index.md"):
        (tmp_path / page).write_text("By claim A2 and claim A4.", encoding="utf-8")
    table = (
        '<table><caption style="text-align:left"><b>A2 norm-factor</b>, gaussian law</caption><b>A2 here</b></table>'
    )
    output = nbformat.v4.new_output("display_data", {"text/html": table})
    cells = [nbformat.v4.new_markdown_cell("By claim A2."), nbformat.v4.new_code_cell("# claim A2", outputs=[output])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks/zh/03.ipynb")
    link_claims(tmp_path)
    assert (tmp_path / "claims/A2.md").read_text() == "By claim A2 and claim A4."
    assert (tmp_path / "docs/verify.md").read_text() == "By claim [A2](../claims/A2.md) and claim A4."
    assert (tmp_path / "index.md").read_text() == "By claim [A2](claims/A2.md) and claim A4."
    text, code = nbformat.read(tmp_path / "notebooks/zh/03.ipynb", 4).cells
    assert text.source == "By claim [A2](../../claims/A2.md)."
    assert code.source == "# claim A2"
    shown = code.outputs[0].data["text/html"]
    assert '<b><a href="../../claims/A2.html">A2 norm-factor</a></b>, gaussian law</caption><b>A2 here</b>' in shown
