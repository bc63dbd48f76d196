"""What the notebooks share: a verdict that is not the expected one ends them, and a figure has its words."""

import base64
import re
import struct
import sys
from dataclasses import replace

import pytest

from mezo_lab.claims import Status, check
from mezo_lab.course import notebook
from mezo_lab.course.notebook import UnexpectedVerdict, predict, show, show_proof, verify
from mezo_lab.proofs import prove
from mezo_lab.sampling import Estimate


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
        with pytest.raises(UnexpectedVerdict, match=r"; the decoy \(d\+n−1\)/n agrees with the draws"):
            verify("norm-factor", dim=6, probes=2)
    else:
        assert verify("norm-factor", dim=6, probes=2).decoys == decoys


@pytest.fixture
def shown(monkeypatch):
    """What a notebook displays."""
    display = pytest.importorskip("IPython.display", reason="notebooks need the extra `lab`")
    things = []
    monkeypatch.setattr(display, "display", things.append)
    return things


def test_a_figure_is_shown_with_its_words_and_not_without(shown):
    from mezo_lab.report.figures import style

    figure = style.new_figure(height=1)
    with pytest.raises(ValueError, match="`alt` must say what the figure shows, got nothing: give the kind of chart"):
        show(figure)
    show(figure, alt="Line chart of a < b.")
    image, words = shown
    assert image._repr_mimebundle_()[1]["image/png"]["alt"] == "Line chart of a < b."
    assert words.data.endswith("<details><summary>In words</summary>Line chart of a &lt; b.</details>")
    assert "invert" in words.data  # of images, where the page is dark


def test_a_figure_has_two_pixels_for_each_of_the_page_and_the_same_bytes_each_time(shown):
    from mezo_lab.report.figures import style

    for _ in range(2):
        show(style.new_figure(height=1), alt="An empty figure, of the width of the page.")
    first, second = shown[::2]
    _, about = first._repr_mimebundle_()
    (pixels,) = struct.unpack(">I", first.data[16:20])  # the width, in a PNG's header
    assert about["image/png"]["width"] * 2 == pixels
    assert first.data == second.data


def test_a_build_shows_a_figure_for_the_slide_beside_that_of_the_page(monkeypatch):
    from mezo_lab.report.figures import style

    display = pytest.importorskip("IPython.display", reason="notebooks need the extra `lab`")
    bundles = []
    monkeypatch.setattr(display, "display", lambda thing, **named: bundles.append((thing, named)))
    monkeypatch.setattr(notebook, "_SLIDES", True)
    show(style.new_figure(height=5), alt="A figure.", slide=style.new_figure(height=3))
    data, named = bundles[0]
    assert named["raw"] and named["metadata"]["image/png"]["alt"] == "A figure."
    page, slide = (base64.b64decode(data[kind]) for kind in ("image/png", notebook.SLIDE))
    widths = [struct.unpack(">I", picture[16:20])[0] for picture in (page, slide)]
    assert widths == [1680, 2048]


def test_one_verdict_is_a_table_and_a_sentence_and_several_have_a_figure(shown):
    verdicts = [verify("norm-factor", law, dim=6, probes=2) for law in ("gaussian", "sphere")]
    show(verdicts[0])
    (alone,) = shown
    assert "With the gaussian law at d = 6, n = 2 the mean of" in alone.data
    assert "where the theory says 4.5: consistent; a discrepancy of" in alone.data
    show(verdicts)
    image, table = shown[1], shown[3]
    assert image.data[:4] == b"\x89PNG" and table.data.count("<tr>") == 5
    assert "agrees with the draws in 2 of 2 verdicts, and the draws refute 2 of 2 decoys;" in table.data


def test_a_table_says_which_verdict_fails_and_what_a_decoy_lacks(shown):
    good = verify("norm-factor", dim=6, probes=2)
    decoy = replace(good.decoys[0], status=Status.UNDERPOWERED, missing=7_000)
    bad = replace(good, status=Status.REFUTED, decoys=(decoy,))
    show([good, bad])
    table = shown[-1].data
    assert "in 1 of 2 verdicts, and the draws refute 1 of 2 decoys;" in table and "says 4.5: refuted." in table
    assert "underpowered, 7,000 more draws are needed" in table and "<script" not in table


def test_a_verdict_that_ends_a_cell_is_displayed_as_its_table(monkeypatch):
    pytest.importorskip("IPython", reason="notebooks need the extra `lab`")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    notebook._show_verdicts_as_tables()
    data, _ = shell.display_formatter.format(verify("norm-factor", dim=6, probes=2))
    assert ">✓ CONSISTENT</b>" in data["text/html"] and data["text/plain"]


def test_a_prediction_is_shown_beside_its_result_and_one_left_open_says_so(shown):
    predictions = predict(percent=" 18 < 20 ", longer="")
    assert shown == []
    predictions.compare("percent", "18 %")
    predictions.compare("longer", "the second")
    assert "You predicted:</b> 18 &lt; 20<br><b>The experiment:</b> 18 %" in shown[0].data
    assert "You left the prediction open.<br><b>The experiment:</b> the second" in shown[1].data
    with pytest.raises(ValueError, match="`name` must be one of percent, longer, got 'shorter'"):
        predictions.compare("shorter", "")


def test_a_notebook_that_lacks_packages_stops_with_one_line_that_installs_them():
    with pytest.raises(notebook.MissingModel) as error:
        notebook.needs_packages("torch", "gone", "lost")
    (line,) = error.value._render_traceback_()
    wanted = "This notebook needs gone and lost, not installed here. Run: .*install gone lost"
    assert re.fullmatch(wanted, line)


def test_sliders_draw_the_chosen_figure(shown, monkeypatch):
    from types import SimpleNamespace

    from mezo_lab.report.figures import LossPath, loss_figure

    chosen = []

    def draw(eta, d):
        chosen.append((eta, d))
        return loss_figure([LossPath("a run", [[1.0, 0.5]], 0.5)])

    def interact(show_chosen, **sliders):
        show_chosen(**{name: slider["options"][-1] for name, slider in sliders.items()})

    fake = SimpleNamespace(SelectionSlider=lambda **options: options, interact=interact)
    monkeypatch.setitem(sys.modules, "ipywidgets", fake)
    notebook.explore(draw, eta=(0.1, 0.2), d=(10, 100))
    assert chosen == [(0.2, 100)] and len(shown) == 1 and shown[0].data[:4] == b"\x89PNG"


def test_without_ipywidgets_the_sliders_are_left_out_in_one_line(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    notebook.explore(lambda eta: None, eta=(0.1,))
    assert "Install <code>ipywidgets</code> for sliders" in shown[0].data


def test_rows_are_shown_as_a_table(shown):
    show([{"law": "sphere", "distance": notebook.distance(Estimate(1.0, 0.1, 10), 2.0)}])
    (card,) = shown
    assert ">sphere</td>" in card.data and ">−10</td>" in card.data


@pytest.mark.parametrize("nothing", [[], "words", None, [1, 2], [{}], {"a": 1}, [{"a": 1}, "words"]])
def test_what_is_neither_verdicts_nor_rows_nor_a_figure_is_refused(nothing):
    with pytest.raises(
        ValueError, match=r"`result` must be verdicts, rows or a figure, got .*: print words and numbers"
    ):
        show(nothing)


def test_a_proof_is_a_table_of_its_steps_and_two_are_the_steps_that_differ(shown):
    gaussian, sphere = (prove("notes", law) for law in ("gaussian", "sphere"))
    show_proof(gaussian)
    show_proof(gaussian, sphere)
    whole, different = (thing.data for thing in shown)
    assert whole.count("<tr") == 1 + len(gaussian.steps) and gaussian.verdict in whole
    apart = [one.text != other.text for one, other in zip(gaussian.steps, sphere.steps, strict=True)]
    assert different.count("<tr") == 1 + 2 * sum(apart) and 0 < sum(apart) < len(apart)
    assert ">c = d + 2</td>" in different and ">c = d</td>" in different
    assert "<i>gaussian:</i> Isserlis" in different and "<i>sphere:</i> A probe is uniform" in different


def test_proofs_of_different_steps_are_refused():
    with pytest.raises(ValueError, match=r"`proofs` must be proofs of the same steps, got \[16, 8\] steps: show each"):
        show_proof(prove("notes", "gaussian"), prove("norm-factor", "iid"))


def test_an_answer_may_be_of_any_type_and_none_is_an_open_one(shown):
    predictions = predict(one=2, two=None, three=...)
    for name in ("one", "two", "three"):
        predictions.compare(name, 2.5)
    assert ["You left" in card.data for card in shown] == [False, True, True]
    assert "<b>You predicted:</b> 2<br><b>The experiment:</b> 2.5" in shown[0].data
    with pytest.raises(ValueError, match=r"`name` must be one of \(none was asked\), got 'one'"):
        predict().compare("one", "words")
