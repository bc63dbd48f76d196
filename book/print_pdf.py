"""Print the course as one PDF: `make pdf` writes it to out/mezo_lab.pdf.

    python book/print_pdf.py [--out FILE]

Sphinx makes the chapters of their saved outputs, and Chromium prints them twice: the first print says on which pages
the headings stand, and the second has these numbers in its contents. Nothing is fetched; a warning is an error.
"""

import argparse
import contextlib
import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from chromium import Chromium, ChromiumError, Page
from folders import BOOK, ROOT
from print_pages import Heading, record_date, written
from print_sources import chapters, stage_print
from pypdf import PdfReader, PdfWriter
from pypdf.generic import BooleanObject, DictionaryObject, Fit, NameObject
from sphinx_command import run_sphinx
from vendor import MissingError, copy_vendored

STAGED = ROOT / "out" / "print"
RECORD = ROOT / "results" / "verify.json"
FONTS = ("STIXGeneral*.ttf", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono*.ttf", "LICENSE_*")
PRINTS = 4  # at most, until the contents are true
logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of its own count of objects
WIDTH = 605  # pixels of the column, 160 mm


class PrintError(RuntimeError):
    """The book cannot be printed as it is."""


def make_pdf(file: Path, staged: Path = STAGED) -> None:
    """Write the book. Raises: CalledProcessError where Sphinx warns; ChromiumError; PrintError for a bad page."""
    page, contents = write_page(staged)
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    printed = staged / "printed.pdf"
    with Chromium() as chromium, contextlib.closing(chromium.open(page.as_uri())) as opened:
        prepare(opened)
        print_with_numbers(opened, printed)
    file.parent.mkdir(parents=True, exist_ok=True)
    finish(printed, file, contents, record)


def write_page(staged: Path) -> tuple[Path, list[Heading]]:
    """Write the whole book as one HTML page. Returns: the page, and its contents."""
    sources = staged / "sources"
    pages = staged / "pages"
    stage_print(sources)
    shutil.rmtree(pages, ignore_errors=True)
    run_sphinx("json", sources, pages, staged / "trees")
    html, contents = written(pages, chapters(), json.loads(RECORD.read_text(encoding="utf-8")))
    copy_assets(pages)
    page = pages / "book.html"
    page.write_text(html, encoding="utf-8")
    return page, contents


def copy_assets(pages: Path) -> None:
    """Copy what the page loads: its style and script, MathJax, the fonts that matplotlib brings, and the cover."""
    for name in ("print.css", "print.js"):
        shutil.copy(BOOK / name, pages)
    shutil.copy(ROOT / "docs" / "figures" / "norm_factor.svg", pages / "cover.svg")
    (pages / "fonts").mkdir()
    for pattern in FONTS:
        for font in (Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob(pattern):
            shutil.copy(font, pages / "fonts")
    copy_vendored("mathjax", pages)


def prepare(page: Page) -> None:
    """Wait until the page can be printed. Raises: PrintError for an error on the page, or for what faults() finds."""
    page.emulate(WIDTH, 1000)
    page.call("Emulation.setEmulatedMedia", media="print")
    page.evaluate("ready()")
    errors = [*page.console, *page.evaluate("faults()")]
    if errors:
        raise PrintError("\n".join(errors))


def print_with_numbers(page: Page, file: Path) -> dict[str, int]:
    """Print until the numbers in the contents are those of the pages. Returns: id → number of its page."""
    known: dict[str, int] = {}
    for _ in range(PRINTS):
        page.evaluate("layOutAnew()")
        page.print_pdf(file, preferCSSPageSize=True, generateTaggedPDF=bool(known))  # the first print is for us alone
        found = {name: number for name, number, _ in destinations(PdfReader(file))}
        if found == known:
            return found
        known = found
        page.evaluate(f"fillPages({json.dumps(known)})")
    raise PrintError(f"The pages of the headings still change after {PRINTS} prints.")


def destinations(reader: PdfReader) -> Iterator[tuple[str, int, float]]:
    """(id, number of its page, height on it) of every place that a link of the book leads to."""
    numbers = {page.indirect_reference: number for number, page in enumerate(reader.pages, start=1)}
    for name, place in reader.named_destinations.items():
        yield name.removeprefix("/"), numbers[place.raw_get("/Page")], float(place.top or 0)


def finish(printed: Path, file: Path, contents: list[Heading], record: dict[str, Any]) -> None:
    """Write the book with its outline and metadata, which Chromium does not know."""
    reader = PdfReader(printed)
    places = {name: (number - 1, Fit.xyz(top=top)) for name, number, top in destinations(reader)}
    writer = PdfWriter(clone_from=reader)
    part = None
    for heading in contents:
        number, fit = places[heading.anchor]
        if heading.part:
            part = writer.add_outline_item(title=heading.part, page_number=number - 1, bold=True, is_open=False)
        chapter = writer.add_outline_item(title=heading.words, page_number=number, parent=part, fit=fit, is_open=False)
        for section in heading.sections:
            number, fit = places[section.anchor]
            writer.add_outline_item(title=section.words, page_number=number, parent=chapter, fit=fit)
    day = f"D:{record_date(record).replace('-', '')}000000Z"
    writer.add_metadata(
        {
            "/Title": "mezo_lab: the course",
            "/Author": "mezo_lab contributors",
            "/Subject": "The mathematics of zeroth-order fine-tuning (MeZO), as claims that run",
            "/Keywords": "zeroth-order optimization, MeZO, SPSA, fine-tuning, language models",
            "/Creator": "mezo_lab, book/print_pdf.py",
            "/CreationDate": day,
            "/ModDate": day,
        }
    )
    writer.page_mode = "/UseOutlines"
    preferences = DictionaryObject({NameObject("/DisplayDocTitle"): BooleanObject(True)})
    writer.root_object[NameObject("/ViewerPreferences")] = preferences
    writer.write(file)


def main() -> None:
    """Print the book and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "mezo_lab.pdf", help="default: out/mezo_lab.pdf")
    file = parser.parse_args().out
    start = time.perf_counter()
    try:
        make_pdf(file)
    except (MissingError, ChromiumError, PrintError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
    pages = len(PdfReader(file).pages)
    print(f"{file}: {pages} pages, {file.stat().st_size / 1e6:.1f} MB, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
