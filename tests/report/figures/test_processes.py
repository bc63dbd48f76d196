"""The figure of the wire has each count, and the lines of the numbers alone."""

import pytest

from mezo_lab.report.figures import wire_alt_text, wire_figure
from mezo_lab.report.figures.style import INK

ROWS = [
    {"ranks": p, "parameters": d, "mezo": {"bytes": 1000.0 * p}, "gradient": {"bytes": 9.0 * p * d}}
    for p in (2, 4)
    for d in (1_000, 1_000_000)
]


@pytest.fixture(scope="module")
def axes():
    (axes,) = wire_figure(ROWS, probes=1).axes
    return axes


def test_every_count_stands_at_its_size(axes):
    points = {c.get_label(): list(map(float, c.lines[0].get_ydata())) for c in axes.containers}
    assert points == {
        "MeZO, p = 2, counted": [2000, 2000],
        "gradient, p = 2, counted": [18_000, 18_000_000],
        "MeZO, p = 4, counted": [4000, 4000],
        "gradient, p = 4, counted": [36_000, 36_000_000],
    }


def test_the_theory_counts_the_numbers_alone_and_the_decoy_lies_above(axes):
    dashed = [list(line.get_ydata()) for line in axes.lines if line.get_color() == INK and len(line.get_xdata())]
    assert dashed == [[64, 64], [8_000, 8_000_000], [384, 384], [24_000, 24_000_000]]
    (decoy,) = [line for line in axes.lines if "decoy" in line.get_label()]
    assert list(decoy.get_ydata()) == [48_000, 48_000_000]


def test_the_words_tell_each_count():
    assert "with 4 processes and 1,000,000 parameters MeZO 4,000, where the numbers alone are 384" in wire_alt_text(
        ROWS, probes=1
    )


@pytest.mark.parametrize("of", [wire_figure, wire_alt_text])
def test_nothing_is_not_drawn(of):
    with pytest.raises(ValueError, match=r"`rows` must hold at least one count, got none: run benchmarks/wire.py"):
        of([], probes=1)
