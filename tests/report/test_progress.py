"""A long run shows how far it is; a short one stays quiet."""

import io
import time
from types import SimpleNamespace

import pytest

from mezo_lab.report import progress


@pytest.fixture
def screen(monkeypatch):
    """A terminal that keeps what it shows, and a clock in the test's hand."""
    shown = io.StringIO()
    shown.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=shown))
    monkeypatch.setenv("TERM", "xterm")
    clock = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    return shown


def test_a_run_of_over_two_seconds_shows_its_verdicts_and_draws(screen):
    with progress.Progress(total=3) as bars:
        for done in range(5):  # one second each
            bars.update(done, 10)
        assert bars._bars is not None
        bars._bars.refresh()
    assert "verdicts" in screen.getvalue()


def test_a_run_of_less_than_two_seconds_shows_nothing(screen):
    with progress.Progress(total=3) as bars:
        bars.begin("norm-factor gaussian")
        bars.update(1, 10)
    assert screen.getvalue() == ""


def test_a_terminal_without_rich_gets_the_line_of_a_run_that_no_terminal_shows(screen, monkeypatch):
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    monkeypatch.setattr(progress, "_SOON", 0.01)
    with progress.Progress(total=3):
        for _ in range(60_000):  # ten minutes, which end what hangs
            if "\n" in screen.getvalue():
                break
            time.sleep(0.01)
    assert screen.getvalue() == "mezo-lab: 3 verdicts; the first draws are not done yet\n"


def test_the_pilot_does_not_count_in_the_time_that_a_run_is_expected_to_take(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(progress, "time", clock)
    run = progress.Progress(total=1)
    run.begin("a verdict")
    for clock.now, done, planned in ((1.0, 500, 1_000), (2.0, 1_000, 1_000), (3.0, 10, 1_000), (12.0, 100, 1_000)):
        run.update(done, planned)
    assert run._expected_seconds() == pytest.approx(
        100
    )  # 0.1 s a draw; from the middle of the pilot it would be no number
    clock.now = 63.0
    run.update(610, 1_000)
    assert run._expected_seconds() == pytest.approx(100)
