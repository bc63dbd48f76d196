"""The figure of rules shows each course of the loss, and the predicted mean."""

import pytest

from mezo_lab.report.figures import rules_alt_text, rules_figure

LOSSES = {"sgd": [2.0, 1.0, 0.4], "sign": [2.0, 1.5, 1.4]}


def test_each_rule_is_a_line_of_its_own_and_the_theory_is_dashed():
    (axes,) = rules_figure(LOSSES, contraction=0.5).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert [list(lines[name].get_ydata()) for name in LOSSES] == list(LOSSES.values())
    assert len({(lines[name].get_marker(), str(lines[name].get_linestyle())) for name in LOSSES}) == 2
    (theory,) = (line for line in axes.lines if line.get_label().startswith("theory"))
    assert list(theory.get_ydata()) == [2.0, 1.0, 0.5]


def test_the_words_tell_where_each_ends():
    told = rules_alt_text(LOSSES, contraction=0.5)
    assert "sgd from 2 to 0.4; sign from 2 to 1.4" in told and "ends at 0.5" in told


@pytest.mark.parametrize("of", [rules_figure, rules_alt_text])
def test_nothing_is_not_drawn(of):
    with pytest.raises(ValueError, match=r"`losses` must hold at least one rule, got none: run one first"):
        of({}, 0.5)
