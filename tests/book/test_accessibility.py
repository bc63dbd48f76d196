"""Pages of the book can be read with the keyboard, with a screen reader, in the dark and on a phone: axe-core finds no
serious fault on a page of every kind, and nothing is wider than a phone.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium, Page
from PIL import Image
from staging import BOOK, ROOT
from vendor import vendored

from mezo_lab.report.figures.style import GREY, INK, LAW_STYLES

pytestmark = [pytest.mark.repo, pytest.mark.browser]

KINDS = {  # of pages, an address of each
    "start": "index.html",
    "notebook": "notebooks/03_the_dispute.html",
    "course": "notebooks/README.html",
    "guide": "docs/optimizer.html",
    "errata": "docs/errata.html",
    "claim": "claims/A2.html",
    "claims": "claims/index.html",
    "matrix": "claims/matrix.html",
    "API": "api/index.html",
    "room of the API": "api/optim.html",
    "Chinese notebook": "notebooks/zh/03_the_dispute.html",
    "quiz": "notebooks/assessment/quiz.html",
    "results": "docs/results.html",
    "changes": "changes.html",
    "glossary": "glossary.html",
    "bibliography": "bibliography.html",
    "cite": "cite.html",
    "playground": "playground.html",
    "prover": "prove.html",
    "search": "search.html?q=norm+factor",
    "index": "genindex.html",
}
SERIOUS = ("serious", "critical")
PHONE = 420
WIDE = 1280
# elements of the article that reach beyond the screen and lie in no box that scrolls
CUT_OFF = """(() => {
  const scrolls = (box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
  const boxed = (each) => each && (scrolls(each) || boxed(each.parentElement.closest("article *")));
  const beyond = [...document.querySelectorAll("article *")].filter((each) => {
    const place = each.getBoundingClientRect();
    return place.width > 1 && place.right > screen.width + 1 && !boxed(each);
  });
  return beyond.slice(0, 5).map((each) => each.outerHTML.slice(0, 200));
})()"""


@pytest.fixture
def page(browser: Chromium) -> Iterator[Page]:
    """A page of its own for a test."""
    opened = browser.open()
    yield opened
    opened.close()


def shown(page: Page, address: str, width: int, dark: bool) -> None:
    """Open a page and wait until its formulas and its search results are drawn."""
    page.emulate(width, dark=dark)
    page.navigate(address)
    page.wait_for("document.readyState === 'complete'")
    page.evaluate("window.MathJax?.startup?.promise")
    if "search.html" in address:
        page.wait_for("document.querySelectorAll('#search-results li').length > 0")


def faults(page: Page) -> list[str]:
    """What axe-core finds on a page, serious or worse: the rule and the first elements that break it."""
    page.evaluate(vendored("axe-core", "axe.min.js").read_text(encoding="utf-8") + ";0")
    options = {"resultTypes": ["violations"], "preload": False}  # a page of a folder may not fetch its own styles
    found = json.loads(page.evaluate(f"axe.run({json.dumps(options)}).then(found => JSON.stringify(found))"))
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'][:160] for node in fault['nodes'][:4]]}"
        for fault in found["violations"]
        if fault["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_serious_fault_on_a_page_of_every_kind(site: Path, page: Page, kind: str, dark: bool) -> None:
    """Controls have names, text has contrast, what scrolls can be reached, headings and landmarks are in order."""
    shown(page, f"{site.as_uri()}/{KINDS[kind]}", WIDE, dark)
    found = faults(page)
    assert not found


def test_axe_reports_a_page_with_faults(tmp_path: Path, page: Page, vendored_files: None) -> None:
    """The control: a picture without words, a button without a name, pale text."""
    (tmp_path / "page.html").write_text(
        '<!doctype html><html lang="en"><title>a page</title><main><h1>Title</h1><img src="data:,"><button></button>'
        '<p style="color: #ccc; background: #fff">pale</p></main>'
    )
    page.navigate((tmp_path / "page.html").as_uri())
    found = faults(page)
    assert {fault.partition(":")[0] for fault in found} == {"image-alt", "button-name", "color-contrast"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_no_other_host_and_writes_no_error(site: Path, page: Page, kind: str) -> None:
    """At its first visit, from a folder; its console holds neither error nor warning."""
    page.navigate(f"{site.as_uri()}/{KINDS[kind]}")
    page.evaluate("window.MathJax?.startup?.promise")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    asked = [address for address in page.requests if not address.startswith(("file:", "data:", "blob:"))]
    console = page.console
    assert asked == []
    assert console == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_page_is_wider_than_a_phone(site: Path, page: Page, kind: str, dark: bool) -> None:
    """What is wider scrolls in its own box: the page itself does not move sideways, and no text is cut off."""
    shown(page, f"{site.as_uri()}/{KINDS[kind]}", PHONE, dark)
    page.evaluate("new Promise(done => setTimeout(done, 100))")
    width = page.evaluate("document.documentElement.scrollWidth")
    cut = page.evaluate(CUT_OFF)
    assert width <= PHONE
    assert cut == []


def test_the_keyboard_reaches_the_text_first_and_the_tools_after(site: Path, page: Page) -> None:
    """The first Tab offers to skip to the text, and what has the focus is seen."""
    shown(page, f"{site.as_uri()}/{KINDS['guide']}", WIDE, dark=False)
    page.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    page.wait_for("document.activeElement.getBoundingClientRect().top >= 0", seconds=5)
    page.press("Enter")
    page.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    seen = []
    for _ in range(12):
        page.press("Tab")
        seen.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert set(seen) == {"solid"}


def test_the_tab_key_reaches_what_scrolls_sideways(site: Path, page: Page) -> None:
    """Wide code and tables have a box of their own, which arrow keys move once it has the focus."""
    shown(page, f"{site.as_uri()}/{KINDS['errata']}", PHONE, dark=False)
    box = "document.querySelector('.pst-scrollable-table-container')"
    page.wait_for(f"{box}.tabIndex === 0", seconds=10)
    page.evaluate(f"{box}.focus()")
    page.press("ArrowRight")
    page.wait_for(f"{box}.scrollLeft > 0", seconds=10)


def test_a_figure_in_the_dark_has_the_ground_of_its_page(site: Path, page: Page, tmp_path: Path) -> None:
    """Drawn on white and inverted, it would be a shade off the page, a box around each figure."""
    shown(page, f"{site.as_uri()}/{KINDS['notebook']}", WIDE, dark=True)
    page.evaluate("document.querySelector('.bd-article img').scrollIntoView({block: 'center'})")
    place = "(({left, top}) => [left, top])(document.querySelector('.bd-article img').getBoundingClientRect())"
    left, top = (round(each) for each in page.evaluate(place))
    page.wait_for("document.querySelector('.bd-article img').complete")
    page.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as seen:
        inside, outside = (seen.convert("RGB").getpixel((left + x, top + 3)) for x in (3, -3))
    assert inside == outside


def test_a_class_that_a_style_names_is_one_that_a_page_may_have() -> None:
    """A style that no page has is dead."""
    makers = [*BOOK.rglob("*.py"), *BOOK.rglob("*.js"), *BOOK.rglob("*.html"), *BOOK.rglob("*.md")]
    written = "\n".join(maker.read_text(encoding="utf-8") for maker in makers)
    styles = "\n".join(style.read_text(encoding="utf-8") for style in (BOOK / "static").glob("*.css"))
    assert [name for name in sorted(set(re.findall(r"\.(mezo-[\w-]+)", styles))) if name not in written] == []


def test_the_reader_chooses_light_dark_or_the_system_and_the_choice_is_kept(site: Path, page: Page) -> None:
    """A page that is opened from a folder keeps it too, and follows the system until something is chosen."""
    shown(page, f"{site.as_uri()}/{KINDS['guide']}", WIDE, dark=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.evaluate("document.querySelector('.theme-change-button[data-mode=light]').click()")
    shown(page, f"{site.as_uri()}/{KINDS['errata']}", WIDE, dark=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("document.querySelector('.theme-change-button[data-mode=auto]').click()")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_paper_is_white(site: Path, page: Page, tmp_path: Path) -> None:
    """A page that is read in the dark is printed in dark letters on white, and is dark again afterwards."""
    shown(page, f"{site.as_uri()}/{KINDS['guide']}", WIDE, dark=True)
    page.evaluate(
        "window.addEventListener('beforeprint', () => window.printed = document.documentElement.dataset.theme)"
    )
    page.print_pdf(tmp_path / "page.pdf")
    assert page.evaluate("window.printed") == "light"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_palette_of_the_book_is_that_of_figures_and_report() -> None:
    """One colour has one meaning, in a figure, in the report and on a page."""
    book = (BOOK / "static" / "book.css").read_text(encoding="utf-8")
    report = (ROOT / "mezo_lab" / "report" / "page.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--mezo-([\w-]+): (#\w+)", part)) for part in book.split('[data-theme="dark"]')[:2])
    of_report = {"ink": "ink", "paper": "paper", "panel": "panel", "link": "link", "muted": "muted"}
    of_report |= {"consistent": "good", "refuted": "bad", "underpowered": "unsure"}
    for name, theirs in of_report.items():
        assert [light[name], dark[name]] == re.findall(rf"--{theirs}: (#\w+)", report), name
    assert (light["theory"], light["decoy"]) == (INK, GREY)
    assert light["estimate"] == LAW_STYLES["gaussian"][1]
