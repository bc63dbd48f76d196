"""Every link inside the book leads to a file and a place of it; addresses outside are listed, and nothing that a page
loads comes from another host.
"""

import re
from pathlib import Path

import pytest
from outside_links import loaded_from_outside, missing, outside, styled_from_outside, write_outside

pytestmark = pytest.mark.repo

PAGE = """<!doctype html><title>a page</title><h2 id="here">Here</h2>
<a href="#here">a</a> <a href="other.html?q=1#there">b</a> <a href="https://example.org/c">c</a> <img src="data:,">"""
OTHER = '<!doctype html><title>another</title><p id="there">There</p><a href="page.html#here">back</a>'


@pytest.fixture
def small_site(tmp_path: Path) -> Path:
    """Two pages that name each other."""
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "other.html").write_text(OTHER)
    return tmp_path


def test_every_link_inside_leads_to_a_file_and_to_a_place_of_it(site: Path) -> None:
    """Pages, pictures, downloads, styles, scripts, anchors."""
    assert missing(site) == []


def test_an_option_keeps_its_two_dashes(site: Path) -> None:
    """A reader copies --words from a page; an en dash in its place would be refused."""
    commands = text_of(site / "docs" / "commands.html")
    assert "needs --words" in commands
    dashed = {
        page.name: re.findall(r"(?<![\w–])–[a-z][a-z-]+", text_of(page)) for page in (site / "docs").glob("*.html")
    }
    assert {page: found for page, found in dashed.items() if found} == {}


def text_of(page: Path) -> str:
    """What a page shows, without its tags."""
    return re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    """No script, style, font, picture or frame."""
    assert loaded_from_outside(site) == []
    assert styled_from_outside(site) == []


def test_the_addresses_outside_are_listed_with_their_pages(site: Path) -> None:
    """Listed, and not fetched: a paper is cited on the pages that use it, over a connection that is encrypted."""
    listed = outside(site)
    assert "index.html" in listed["https://creativecommons.org/licenses/by/4.0/"]
    assert [address for address in listed if not address.startswith("https://")] == []


def test_a_whole_site_has_no_missing_link(small_site: Path) -> None:
    """A query and an anchor are no part of the file's name."""
    assert missing(small_site) == []
    assert outside(small_site) == {"https://example.org/c": ["page.html"]}


@pytest.mark.parametrize(
    "broken",
    ['<a href="gone.html">', '<a href="other.html#nowhere">', '<a href="#nowhere">', '<img src="gone.png">'],
)
def test_a_broken_link_is_told_with_its_page(small_site: Path, broken: str) -> None:
    """The control: a file or an anchor that is not there."""
    (small_site / "page.html").write_text(PAGE + broken)
    (told,) = missing(small_site)
    assert told == f"page.html: {broken.split(chr(34))[1]}"


def test_what_another_host_would_send_is_told(small_site: Path) -> None:
    """The control: a script and a font."""
    (small_site / "page.html").write_text(PAGE + '<script src="https://example.org/a.js"></script>')
    (small_site / "a.css").write_text("@font-face { src: url('//example.org/font.woff2') }")
    assert loaded_from_outside(small_site) == ["page.html: https://example.org/a.js"]
    assert styled_from_outside(small_site) == ["a.css: //example.org/font.woff2"]


def test_the_list_has_an_address_a_line_and_its_pages_below(small_site: Path, tmp_path: Path) -> None:
    """As `make site` writes it."""
    write_outside(small_site, tmp_path / "links.txt")
    assert (tmp_path / "links.txt").read_text() == "https://example.org/c\n    page.html\n"
