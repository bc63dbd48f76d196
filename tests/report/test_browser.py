"""A real browser opens the report: no complaint on its console, and nothing wider than a phone."""

import re
from pathlib import Path

import pytest

from mezo_lab.report import as_html

PHONE = 390  # CSS pixels

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(verdicts, tmp_path_factory) -> Path:
    page = tmp_path_factory.mktemp("report") / "report.html"
    page.write_text(as_html(verdicts, {"date": "2025-01-01 00:00 UTC"}))
    return page


def test_the_report_opens_without_a_complaint(report, opened):
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
def test_a_page_with_a_fault_is_caught(tmp_path, opened, fault, complaint):
    page = tmp_path / "fault.html"
    page.write_text(f"<!DOCTYPE html><title>fault</title>{fault}")
    _, complaints = opened(page)
    assert any(complaint in line for line in complaints)


def overhang(page: Path, opened) -> int:
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


def test_the_report_fits_a_phone(report, opened):
    assert overhang(report, opened) == 0


def test_a_page_too_wide_for_a_phone_is_caught(tmp_path, opened):
    page = tmp_path / "wide.html"
    page.write_text('<!DOCTYPE html><body style="margin:0"><div style="width:600px">wide</div>')
    assert overhang(page, opened) == 600 - PHONE
