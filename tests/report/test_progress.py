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
    assert screen.getvalue() == "mezo-lab: 3 verdicts; how long they take will show\n"


def test_the_pilot_does_not_count_in_the_time_that_a_run_is_expected_to_take(clock):
    run = progress.Progress(total=1)
    run.begin("a verdict")
    for clock.now, done, planned in ((1.0, 500, 1_000), (2.0, 1_000, 1_000), (3.0, 10, 1_000), (12.0, 100, 1_000)):
        run.update(done, planned)
    assert run._seconds_left(12.0) == pytest.approx(
        90
    )  # 0.1 s a draw; from the middle of the pilot it would be no number
    clock.now = 63.0
    run.update(610, 1_000)
    assert run._seconds_left(63.0) == pytest.approx(39)


@pytest.fixture
def clock(monkeypatch):
    """The time, in the test's hand."""
    hand = SimpleNamespace(monotonic=lambda: hand.now, now=0.0)
    monkeypatch.setattr(progress, "time", hand)
    return hand


def test_a_run_that_is_expected_to_last_says_so_at_once(capsys):
    with progress.Progress(3, seconds=[100.0, 50.0, 10.0], processes=2):
        pass
    assert capsys.readouterr().err == "mezo-lab: 3 verdicts, about 80 s in 2 processes\n"


def test_a_measurement_that_may_end_early_says_at_most(capsys):
    with progress.Progress(1, "measurement", seconds=[100.0], at_most=True):
        pass
    assert capsys.readouterr().err == "mezo-lab: 1 measurement, at most about 2 min\n"


def test_a_run_that_is_expected_to_last_shows_its_bar_before_a_part_is_done(screen):
    with progress.Progress(3, seconds=[100.0, 50.0, 10.0], processes=2):
        pass
    assert "0 of 3 verdicts" in screen.getvalue()


def test_a_run_that_is_expected_to_be_short_is_quiet(capsys):
    with progress.Progress(3, seconds=[0.5, 0.4, 0.3]):
        pass
    assert capsys.readouterr().err == ""


def test_a_part_counts_by_what_it_costs_and_not_by_its_number(clock):
    run = progress.Progress(3, seconds=[60.0, 30.0, 10.0])
    run.complete(2)
    clock.now = 5.0
    assert run._text(clock.now) == "1 of 3 verdicts, about 86 s left"  # 0.9·(0.9·100 s + 5 s)
    run.complete(0)
    clock.now = 140.0  # twice as slow as expected, which counts for more the longer it lasts
    assert run._text(clock.now) == "2 of 3 verdicts, about 51 s left"


def test_parts_that_others_complete_tell_the_time_that_is_left(clock):
    run = progress.Progress(4)
    assert run._seconds_left(5.0) is None
    run.complete(3)
    assert run._seconds_left(5.0) == pytest.approx(15)


def test_a_bar_gives_way_while_a_result_is_printed(screen):
    with progress.Progress(total=3) as bars:
        for done in range(5):
            bars.update(done, 10)
        assert bars._bars is not None and bars._bars.live.is_started
        with bars.paused():
            assert not bars._bars.live.is_started
        assert bars._bars.live.is_started
