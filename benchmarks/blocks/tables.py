"""A table in Markdown, and whether a promise was kept."""

from collections.abc import Iterable
from typing import Any


def table(heading: str, alignment: str, rows: Iterable[Iterable[Any]]) -> str:
    """A table. Args: heading, alignment: its first two lines. rows: the cells of the others."""
    return "\n".join([heading, alignment, *("| " + " | ".join(map(str, cells)) + " |" for cells in rows)])


def outcome(missed_by: float) -> str:
    """Whether a promise was kept. Args: missed_by: a share of it; 0 or less where it was.

    >>> outcome(-0.1), outcome(0.25), outcome(0.002)
    ('kept', '**missed by 25 %**', '**missed by 0.2 %**')
    """
    digits = 0 if missed_by >= 0.01 else 1
    return "kept" if missed_by <= 0 else f"**missed by {100 * missed_by:.{digits}f} %**"
