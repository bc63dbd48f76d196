"""A long run shows how far it is; a short one stays quiet."""

import io

import pytest
from rich.console import Console

from mezo_lab.report import progress


@pytest.fixture
def screen(monkeypatch):
    """A terminal that keeps what it shows, and a clock in the test's hand."""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda file: Console(file=shown, force_terminal=True, width=100))
    clock = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    return shown


def test_a_run_of_over_two_seconds_shows_its_verdicts_and_draws(screen):
    with progress.Progress(total=3) as bars:
        for done in range(5):  # one second each
            bars.update(done, 10)
        bars.bars.refresh()
    assert "verdicts" in screen.getvalue()


def test_a_run_of_less_than_two_seconds_shows_nothing(screen):
    with progress.Progress(total=3) as bars:
        bars.begin("norm-factor gaussian")
        bars.update(1, 10)
    assert screen.getvalue() == ""
