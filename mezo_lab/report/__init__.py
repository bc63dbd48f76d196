"""Verdicts printed: on the terminal, as JSON, as Markdown, and as one HTML page. Computes nothing. Needs rich."""

from mezo_lab.report.page import as_html
from mezo_lab.report.progress import Progress
from mezo_lab.report.record import as_json, as_record, environment
from mezo_lab.report.table import show, summary, table

__all__ = ["Progress", "as_html", "as_json", "as_record", "environment", "show", "summary", "table"]
