"""Figures show what the verdicts say, and say it in words too."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy
import pytest
from matplotlib.container import ErrorbarContainer

from mezo_lab.claims import REGISTRY, SYMBOLS, Status, Verdict, check
from mezo_lab.report.figures import alt_text, claim_figure
from mezo_lab.report.figures.deviation import deviation_figure
from mezo_lab.report.figures.style import GREY, INK, LAW_STYLES
from mezo_lab.sampling import LAWS
from mezo_lab.theory.expressions import NAMES

ROOT = Path(__file__).parents[3]
LOW_RANK = [{"dim": dim, "probes": 1, "rank": rank} for dim, rank in ((8, 4), (64, 4), (13_000_000_000, 4), (64, 8))]
BEST_STEP = [{"dim": 6, "probes": 2, "rank": 3, "t": t} for t in (0.5, 1.0, 2.0)]


def tried(name: str, law: str, parameters: dict) -> Verdict:
    return check(REGISTRY[name], LAWS[law], parameters, draws=20_000)


@pytest.fixture(scope="module")
def norm_factor() -> list[Verdict]:
    return [tried("norm-factor", law, {"dim": 6, "probes": 2}) for law in ("gaussian", "sphere", "uniform")]


@pytest.fixture(scope="module")
def best_step() -> list[Verdict]:
    return [tried("best-step", law, parameters) for law in ("gaussian", "rademacher") for parameters in BEST_STEP]


@pytest.fixture(scope="module")
def low_rank() -> list[Verdict]:
    return [tried("low-rank", "gaussian", parameters) for parameters in LOW_RANK]


def drawn(verdicts: list[Verdict]):
    figure = claim_figure(verdicts, verdicts[0].claim)
    figure.draw_without_rendering()
    return figure


def estimates(axes) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    """(x, y) of the markers of each error-bar series, without the legend's own."""
    series = [found for found in axes.containers if isinstance(found, ErrorbarContainer)]
    return [found.lines[0].get_data() for found in series if len(found.lines[0].get_xdata())]


def curves(axes, colour: str) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    return [line.get_data() for line in axes.lines if line.get_color() == colour and len(line.get_xdata()) > 2]


def words(figure) -> str:
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return "\n".join(legends + texts)


def test_a_sweep_has_a_panel_per_law_with_every_mean_in_it(best_step):
    panels = drawn(best_step).axes
    assert [axes.get_title() for axes in panels] == ["gaussian", "rademacher"]
    for axes, own in zip(panels, (best_step[:3], best_step[3:]), strict=True):
        ((x, y),) = estimates(axes)
        assert list(x) == [0.5, 1.0, 2.0] and list(y) == [verdict.estimate.mean for verdict in own]


# names of laws and settings stand on the left, and the axis with its label to the right of them
@pytest.mark.parametrize(
    "name", ["norm-factor", "low-rank-direction", "fixed-subspace", "aligned-subspace", "wandering"]
)
def test_the_label_of_the_axis_is_not_cut_off_beside_long_names_of_rows(name):
    claim = REGISTRY[name]
    settings = [(law, parameters) for law in claim.laws for parameters in claim.parameter_sets(LAWS[law], "fast")]
    figure = deviation_figure([check(claim, LAWS[law], parameters, draws=1_000) for law, parameters in settings])
    figure.draw_without_rendering()
    box = figure.axes[0].xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1


def test_the_theory_of_a_sweep_runs_through_its_values_and_is_the_claims_own_between_them(best_step):
    for axes, own in zip(drawn(best_step).axes, (best_step[:3], best_step[3:]), strict=True):
        ((x, y),) = curves(axes, INK)
        for verdict in own:
            assert y[list(x).index(verdict.parameters["t"])] == pytest.approx(verdict.expected)
        gamma = 1 / (1 - own[1].expected)  # 1 − 1/γ at t = 1
        assert y == pytest.approx(1 - (2 * x - x**2) / gamma)


def test_a_sweep_draws_its_decoy_dotted(best_step):
    axes = drawn(best_step).axes[0]
    ((x, y),) = curves(axes, GREY)
    for verdict in best_step[:3]:
        assert y[list(x).index(verdict.parameters["t"])] == pytest.approx(verdict.decoys[0].expected)
    assert "decoy: 1 − (4·t − 4·t²)/γ" in words(drawn(best_step))


def test_a_sweep_over_decades_has_a_log_axis_and_tells_its_lines_apart(low_rank, best_step):
    (axes,) = drawn(low_rank).axes
    assert axes.get_xscale() == "log" and drawn(best_step).axes[0].get_xscale() == "linear"
    assert sorted(len(x) for x, _ in estimates(axes)) == [1, 3]
    assert {"r = 4", "r = 8"} <= set(words(axes.figure).splitlines())
    low, high = axes.get_ylim()
    assert low > 0.5 and high < 2  # the decoy at d = 13 billion is 10⁸


def test_many_laws_make_rows_with_numbers_under_every_column(best_step):
    many = [replace(verdict, law=f"{verdict.law} {copy}") for copy in "ab" for verdict in best_step]
    panels = drawn(many).axes
    assert len(panels) == 4 and panels[3].get_position().y1 < panels[0].get_position().y0
    numbered = [any(label.get_visible() for label in axes.get_xticklabels()) for axes in panels]
    assert numbered == [False, True, True, True]
    assert [axes.get_xlabel()[:2] for axes in panels] == ["", "", "", "t:"]


def test_a_law_of_ones_own_is_drawn_at_its_points_only(best_step):
    assert "dice" not in LAWS
    foreign = [replace(verdict, law="dice") for verdict in best_step[:3]]
    (axes,) = drawn(foreign).axes
    ((x, _),) = curves(axes, INK)
    assert list(x) == [0.5, 1.0, 2.0]


def test_observables_that_have_no_axis_in_common_are_no_sweep():
    settings = [
        {"measure": "nearest", "dim": 6, "spacing": 2.4},
        {"measure": "nearest", "dim": 6, "spacing": 3.4},
        {"measure": "scatter", "dim": 6, "spacing": 4.5},
    ]
    verdicts = [tried("quantised", "rademacher", setting) for setting in settings]
    (axes,) = drawn(verdicts).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    # the number that a word fixes is not told again
    assert labels == [
        "rademacher, nearest, spacing = 2.4",
        "rademacher, nearest, spacing = 3.4",
        "rademacher, scatter",
    ]
    assert len(drawn(verdicts[:2]).axes) == 1 and "spacing" in drawn(verdicts[:2]).axes[0].get_xlabel()


def test_without_a_sweep_every_verdict_is_a_row(norm_factor):
    (axes,) = drawn(norm_factor).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gaussian", "sphere", "uniform"]
    deviations = [verdict.estimate.mean / verdict.expected - 1 for verdict in norm_factor]
    found = estimates(axes)
    assert [float(x[0]) for x, _ in found] == pytest.approx(deviations)
    assert [float(y[0]) for _, y in found] == [0, 1, 2]


@pytest.mark.parametrize("cycles", [4, 10_000_000])
def test_a_label_stays_inside_the_figure(cycles):
    verdict = tried("restore", "gaussian", {"measure": "exact", "dtype": "bfloat16", "cycles": 4})
    figure = drawn([replace(verdict, parameters=verdict.parameters | {"cycles": cycles})])
    (axes,) = figure.axes
    label = axes.xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= label.x0 and label.x1 <= figure.bbox.x1


def test_long_row_labels_leave_room_for_the_ticks():
    settings = {"dim": 6, "probes": 3, "batch": 2}
    shared, fresh = (tried("minibatch", "gaussian", {**settings, "sharing": each}) for each in ("shared", "fresh"))
    figure = drawn([shared, replace(fresh, parameters=fresh.parameters | {"batch": 12, "probes": 10})])
    (axes,) = figure.axes
    ticks = [tick.label1.get_window_extent() for tick in axes.xaxis.get_major_ticks()]
    shown = sorted((box for box in ticks if box.width), key=lambda box: box.x0)
    assert len(shown) > 1
    assert all(left.x1 < right.x0 for left, right in pairwise(shown))


def bars(axes) -> list[tuple[float, float]]:
    """The ends of each row's error bar."""
    series = [found for found in axes.containers if len(found.lines[0].get_xdata())]
    ends = [found.lines[2][0].get_segments()[0][:, 0] for found in series]
    return [(float(left), float(right)) for left, right in ends]


def test_a_bar_misses_the_theory_exactly_where_a_verdict_is_refuted(norm_factor):
    beyond = 4.5 + 5.1 * norm_factor[0].estimate.standard_error
    estimate = replace(norm_factor[0].estimate, mean=beyond)
    wrong = replace(norm_factor[0], estimate=estimate, z_score=5.1, status=Status.REFUTED)
    (axes,) = drawn([*norm_factor, wrong]).axes
    assert [left <= 0 <= right for left, right in bars(axes)] == [True, True, True, False]
    assert words(axes.figure).count("✗") == 1 and "+5.1 ✗" in words(axes.figure)


def test_decoys_are_dotted_and_lettered_at_their_own_deviation(norm_factor):
    figure = drawn(norm_factor)
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_color() == GREY and len(line.get_xdata()) == 2]
    expected = [decoy.expected / verdict.expected - 1 for verdict in norm_factor for decoy in verdict.decoys]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx(expected)
    assert "decoy a: (d+n−1)/n" in words(figure) and "decoy b: (d+n+1)/n" in words(figure)
    assert words(figure).splitlines().count("a") == 2  # gaussian and uniform


def test_what_lies_far_out_is_an_arrow_at_the_edge(norm_factor):
    decoy = replace(norm_factor[0].decoys[0], expected=1e9)
    (axes,) = drawn([replace(norm_factor[0], decoys=(decoy,)), *norm_factor[1:]]).axes
    right = axes.get_xlim()[1]
    (arrow,) = [line for line in axes.lines if line.get_marker() == ">"]
    assert arrow.get_xdata()[0] == right < 2
    assert not [line for line in drawn(norm_factor).axes[0].lines if line.get_marker() == ">"]


def test_a_wrong_experiment_has_no_value_to_draw():
    verdict = tried("unbiased", "gaussian", {"dim": 8, "probes": 2})
    assert verdict.decoys and "decoy" not in words(drawn([verdict]))


def test_a_bound_is_marked(norm_factor):
    bound = tried("descent-lemma", "gaussian", {"dim": 6, "probes": 2, "spectrum": "falling"})
    figure = drawn([bound])
    assert figure.axes[0].get_yticklabels()[0].get_text() == "gaussian ≤"
    assert "theory; a bound from above where marked ≤" in words(figure)
    assert "bound" not in words(drawn(norm_factor))
    assert alt_text([bound], bound.claim).count("No mean lies above its bound.") == 1


def test_a_theory_of_zero_is_drawn_too(norm_factor):
    nothing = replace(norm_factor[0], expected=0.0, detectable=float("inf"), decoys=())
    assert numpy.isfinite(drawn([nothing]).axes[0].get_xlim()).all()


def test_a_formula_of_the_users_is_named_as_such(norm_factor):
    own = [replace(norm_factor[0], formula="(d+n-1)/n", expected=3.5, decoys=())]
    assert "formula (d+n−1)/n" in words(drawn(own)) and "theory" not in words(drawn(own))
    assert "The formula is missed by gaussian at d = 6, n = 2." in alt_text(own, own[0].claim)


def test_every_law_has_a_marker_and_a_colour_of_its_own():
    assert LAW_STYLES.keys() == LAWS.keys()
    markers, colours = zip(*LAW_STYLES.values(), strict=True)
    assert len(set(markers)) == len(set(colours)) == len(LAWS)


def test_every_sign_of_print_stands_for_a_name_that_formulas_may_use():
    assert NAMES.keys() <= SYMBOLS.keys()


def test_the_alt_text_names_chart_data_and_finding(norm_factor, best_step):
    told = alt_text(norm_factor, norm_factor[0].claim)
    assert told.startswith("Dot chart of norm-factor: how far the sampled mean lies from the theory, in 3 settings")
    assert "under the gaussian, sphere and uniform laws. Every mean is within 5 standard errors" in told
    assert "The decoys, dotted, lie 10 % to 29 % from it." in told
    told = alt_text(best_step, best_step[0].claim)
    assert told.startswith("Line chart of best-step: the sampled mean against t from 0.5 to 2, under the gaussian and")


def test_the_alt_text_of_a_refuted_claim_says_so(norm_factor):
    wrong = replace(norm_factor[1], expected=4.0, z_score=norm_factor[1].estimate.z_score(4.0), status=Status.REFUTED)
    told = alt_text([norm_factor[0], wrong], wrong.claim)
    assert "The theory is missed by sphere at d = 6, n = 2." in told and "Every mean" not in told


@pytest.mark.parametrize("draw", [claim_figure, alt_text])
def test_a_claim_without_a_verdict_is_refused(norm_factor, draw):
    with pytest.raises(ValueError, match="`verdicts` must hold one of low-rank, got none: run check"):
        draw(norm_factor, REGISTRY["low-rank"])


STAGES = """
import io, sys
def tell(): print(*sorted({"matplotlib", "matplotlib.pyplot"} & sys.modules.keys()))
import mezo_lab.report.figures, mezo_lab.report
tell()
mezo_lab.report.figures.formula_svg("x")
mezo_lab.report.figures.style.new_figure(1).savefig(io.BytesIO(), format="svg")
tell()
import matplotlib.pyplot
tell()
"""


def test_matplotlib_loads_on_drawing_and_pyplot_never():
    run = subprocess.run([sys.executable, "-c", STAGES], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.splitlines() == ["", "matplotlib", "matplotlib matplotlib.pyplot"]  # the last would be seen


def test_the_margin_names_the_distance_once_or_in_each_row_that_has_one(norm_factor):
    told = words(drawn(norm_factor))
    assert told.count("distance") == 1 and "z =" not in told
    certain = replace(
        norm_factor[0], kind="share", expected=1.0, estimate=replace(norm_factor[0].estimate, mean=1.0, count=8)
    )
    told = words(drawn([*norm_factor, certain]))
    assert told.count("distance") == len(norm_factor) and "8 of 8" in told
