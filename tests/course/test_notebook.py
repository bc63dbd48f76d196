"""What the notebooks share: a verdict that is not the expected one ends them, and a figure has its words."""

from dataclasses import replace

import pytest

from mezo_lab.claims import Status, check
from mezo_lab.course import notebook
from mezo_lab.course.notebook import UnexpectedVerdict, show, verify


def changed(monkeypatch, **changes):
    """Let every verdict be other than the draws say."""
    monkeypatch.setattr(notebook, "check", lambda *given, **named: replace(check(*given, **named), **changes))


@pytest.mark.parametrize("status", [Status.REFUTED, Status.UNDERPOWERED])
def test_a_claim_that_is_not_consistent_ends_a_notebook(status, monkeypatch):
    changed(monkeypatch, status=status)
    with pytest.raises(UnexpectedVerdict, match=rf"norm-factor gaussian dim=6 probes=2: .*: {status.name}"):
        verify("norm-factor", dim=6, probes=2)


@pytest.mark.parametrize("status", Status)
def test_a_decoy_that_the_draws_accept_ends_a_notebook_and_one_out_of_reach_does_not(status, monkeypatch):
    decoys = tuple(replace(decoy, status=status) for decoy in verify("norm-factor", dim=6, probes=2).decoys)
    changed(monkeypatch, decoys=decoys)
    if status is Status.CONSISTENT:
        with pytest.raises(UnexpectedVerdict, match=r"; the decoy \(d\+n-1\)/n agrees with the draws"):
            verify("norm-factor", dim=6, probes=2)
    else:
        assert verify("norm-factor", dim=6, probes=2).decoys == decoys


def test_a_figure_is_shown_with_its_words_and_not_without(monkeypatch):
    display = pytest.importorskip("IPython.display")
    shown = []
    monkeypatch.setattr(display, "display", shown.append)
    from mezo_lab.report.figures import style

    figure = style.new_figure(height=1)
    with pytest.raises(ValueError, match="`alt` must say what the figure shows, got nothing: give the kind of chart"):
        show(figure)
    show(figure, alt="Line chart of a < b.")
    image, words = shown
    assert image._repr_mimebundle_()[1]["image/png"]["alt"] == "Line chart of a < b."
    assert words.data == "<details><summary>In words</summary>Line chart of a &lt; b.</details>"
