"""A real browser opens the report: no complaint on its console, and nothing wider than a phone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mezo_lab.report import as_html

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = 390  # CSS pixels

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install the package chromium"),
]


def opened(page: Path) -> tuple[str, list[str]]:
    """The document as the browser left it, and what it wrote to its console."""
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files"),
        *(f"--user-data-dir={page.parent / 'profile'}", "--enable-logging=stderr", "--v=0", "--dump-dom"),
    ]
    run = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return run.stdout, re.findall(r":CONSOLE.*?\] (.*)", run.stderr)


@pytest.fixture(scope="module")
def report(verdicts, tmp_path_factory) -> Path:
    page = tmp_path_factory.mktemp("report") / "report.html"
    page.write_text(as_html(verdicts, {"date": "2025-01-01 00:00 UTC"}))
    return page


def test_the_report_opens_without_a_complaint(report):
    document, complaints = opened(report)
    assert complaints == []
    assert document.count("<article") == 4


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("<script>nowhere()</script>", "nowhere is not defined"),
        ("<svg><path d='M 0 oops'/></svg>", "attribute d"),
    ],
)
def test_a_page_with_a_fault_is_caught(tmp_path, fault, complaint):
    page = tmp_path / "fault.html"
    page.write_text(f"<!DOCTYPE html><title>fault</title>{fault}")
    _, complaints = opened(page)
    assert any(complaint in line for line in complaints)


def overhang(page: Path) -> int:
    """By how many pixels a page is wider than a phone."""
    frame = page.with_name("phone.html")
    frame.write_text(
        f'<!DOCTYPE html><title>phone</title><iframe src="{page.name}" width="{PHONE}" height="800" style="border:0"'
        ' onload="let page = this.contentDocument.documentElement;'
        ' document.title = page.scrollWidth - page.clientWidth"></iframe>'
    )
    document, _ = opened(frame)
    (over,) = re.findall(r"<title>(\d+)</title>", document)
    return int(over)


def test_the_report_fits_a_phone(report):
    assert overhang(report) == 0


def test_a_page_too_wide_for_a_phone_is_caught(tmp_path):
    page = tmp_path / "wide.html"
    page.write_text('<!DOCTYPE html><body style="margin:0"><div style="width:600px">wide</div>')
    assert overhang(page) == 600 - PHONE
