"""Links of the repository lead to the pages of the book, and to nothing that the book lacks."""

from pathlib import Path

import links
import pytest

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def staged(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "costs.md").write_text("# Costs")
    return tmp_path


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("docs/errata.md", "[A2 norm-factor](claims.md#a2-norm-factor)", "[A2 norm-factor](../claims/A2.md)"),
        ("notebooks/05.ipynb", "([E10](../docs/claims.md#e10-wandering))", "([E10](../claims/E10.md))"),
        (
            "docs/verify.md",
            "the [claims](claims.md), [here](#a-law)",
            "the [claims](../claims/index.md), [here](#a-law)",
        ),
        ("notebooks/README.md", "[GLOSSARY.md](GLOSSARY.md)", "[GLOSSARY.md](../glossary.md)"),
        ("docs/develop.md", "[CONTRIBUTING](../CHANGELOG.md)", "[CONTRIBUTING](../changes.md)"),
        ("docs/errata.md", "[kept](costs.md#memory)", "[kept](costs.md#memory)"),
        ("docs/errata.md", "[`code` in a link](claims.md)", "[`code` in a link](../claims/index.md)"),
        ("docs/errata.md", "[far](https://example.org/docs/claims.md)", "[far](https://example.org/docs/claims.md)"),
        ("docs/errata.md", "`[no](claims.md)` [a](claims.md)", "`[no](claims.md)` [a](../claims/index.md)"),
        ("docs/errata.md", "```md\n[no](claims.md)\n```\n", "```md\n[no](claims.md)\n```\n"),
        ("docs/errata.md", r"$\mathbb{E}[g](g_a+g_b)$", r"$\mathbb{E}[g](g_a+g_b)$"),
    ],
)
def test_a_link_leads_to_the_page_of_the_book(page, text, expected, staged):
    assert links.relinked(text, page, staged) == expected


def test_a_file_that_the_book_lacks_is_named_or_linked_to_where_the_repository_has_an_address(staged, monkeypatch):
    text = "[a script](../benchmarks/loop.py#L3)"
    assert links.relinked(text, "docs/costs.md", staged) == "a script"
    monkeypatch.setattr(links, "outside_address", lambda path: f"https://example.org/{path}")
    assert links.relinked(text, "docs/costs.md", staged) == "[a script](https://example.org/benchmarks/loop.py#L3)"


def test_a_folder_is_no_page(staged):
    assert links.relinked("[folder](docs)", "README.zh.md", staged) == "folder"


def test_the_address_of_a_file_is_made_of_the_setting():
    address = links.outside_address("docs/costs.md", "https://example.org/o/r", "main")
    assert address == "https://example.org/o/r/blob/main/docs/costs.md"
    assert links.outside_address("docs/costs.md", "") == ""


@pytest.mark.parametrize("path", links.MOVED)
def test_what_has_moved_is_a_file_of_the_repository(path):
    assert (ROOT / path).is_file()
