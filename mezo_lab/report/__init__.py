"""Verdicts printed: on the terminal, as JSON, and as one HTML page. Computes nothing.

Nothing optional loads before it is needed: the terminal takes rich where it is installed and prints plain text where it
is not; the page needs jinja2 and matplotlib.
"""

from mezo_lab.report.page import as_html
from mezo_lab.report.progress import Progress
from mezo_lab.report.prose import RunSummary, sentences, summary
from mezo_lab.report.record import as_json, as_record, environment, verdicts_of
from mezo_lab.report.table import print_verdicts

__all__ = [
    "Progress",
    "RunSummary",
    "as_html",
    "as_json",
    "as_record",
    "environment",
    "print_verdicts",
    "sentences",
    "summary",
    "verdicts_of",
]
