"""The figure of a scan: the U with its two slopes, its least error, and what was measured."""

import itertools
import math

import pytest

from mezo_lab.curvature import EpsilonScan, ScanRow
from mezo_lab.report.figures import scan_alt_text, scan_figure
from mezo_lab.report.figures.style import INK

EPSILONS = [10.0**k for k in range(-5, 1)]


def scan(rounding: float) -> EpsilonScan:
    parts = [(rounding / x, x**2) for x in EPSILONS]
    rows = [ScanRow(x, "", math.hypot(*pair), *pair) for x, pair in zip(EPSILONS, parts, strict=True)]
    return EpsilonScan(tuple(rows))


SCANS = {"float32": scan(1e-7), "bfloat16": scan(1e-3)}


@pytest.fixture(scope="module")
def axes():
    figure = scan_figure(SCANS, {"float32": [1e-3] * len(EPSILONS)}, paper=1e-3)
    figure.draw_without_rendering()
    return figure.axes[0]


def curves(axes, *, theory: bool) -> list:
    """The lines over all ε: the theory, which is black, or the slopes, which are grey."""
    lines = [line for line in axes.lines if line.get_linestyle() != "None" and len(line.get_xdata()) == len(EPSILONS)]
    return [line for line in lines if (line.get_color() == INK) == theory]


def log_slopes(line) -> list[float]:
    logs = [math.log10(y) for y in line.get_ydata()]
    return [high - low for low, high in itertools.pairwise(logs)]


def test_every_error_is_a_point(axes):
    points = [list(container.lines[0].get_ydata()) for container in axes.containers]
    assert points == [[row.error for row in each.rows] for each in SCANS.values()]


def test_the_theory_is_black_and_dashed_and_bends_from_slope_minus_one_to_two(axes):
    for line in curves(axes, theory=True):
        slopes = log_slopes(line)
        assert line.get_linestyle() == "--" and slopes == sorted(slopes)
        assert slopes[0] == pytest.approx(-1, abs=0.01)
    assert log_slopes(curves(axes, theory=True)[0])[-1] == pytest.approx(2, abs=0.01)


def test_the_two_slopes_are_those_of_rounding_and_of_truncation(axes):
    dotted = curves(axes, theory=False)
    assert len(dotted) == 2 * len(SCANS)
    rounding, truncation = dotted[:2]
    assert log_slopes(rounding) == pytest.approx([-1] * 5) and log_slopes(truncation) == pytest.approx([2] * 5)


def test_a_diamond_stands_at_the_least_of_the_theory(axes):
    diamonds = [line for line in axes.lines if line.get_marker() == "D" and line.get_markerfacecolor() == "none"]
    for diamond, each in zip(diamonds, SCANS.values(), strict=True):
        (at,), (error,) = diamond.get_xdata(), diamond.get_ydata()
        assert at == each.predicted

        def theory(x, rounding=each.rows[0].rounding * EPSILONS[0]):
            return math.hypot(rounding / x, x**2)

        assert error == pytest.approx(theory(at)) and error < min(theory(0.9 * at), theory(1.1 * at))


def test_the_words_name_the_least_of_each_scan():
    words = scan_alt_text(SCANS)
    assert all(f"{each.predicted:.2g} for {name}" in words for name, each in SCANS.items())


@pytest.mark.parametrize("scans", [{}, {"empty": EpsilonScan(())}])
def test_a_scan_without_a_row_is_refused(scans):
    with pytest.raises(ValueError, match="each with a row: call epsilon_scan first"):
        scan_figure(scans)
