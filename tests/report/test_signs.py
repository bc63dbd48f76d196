"""What a reader sees has true minus signs, none before 0, formulas in the signs of print, and z for the probe alone."""

import re
from dataclasses import replace

import pytest

from mezo_lab.claims.wording import distance_in_words, distance_text, number_text, signs_of_print
from mezo_lab.report.card import rows_card, verdict_card
from mezo_lab.report.figures import alt_text, claim_figure
from mezo_lab.report.page import as_html
from mezo_lab.report.prose import by_claim, sentences
from mezo_lab.report.table import plain_table
from mezo_lab.sampling import Estimate

TYPED = re.compile(r"(?<![\w.)])-[\d.∞]|\de-\d")  # a hyphen in place of a minus
MINUS_ZERO = re.compile(r"[-−]0(\.0+)?(?![\d.])")
RAW = re.compile(r"\*\*|\w\*\w")  # a formula as it is typed
SCORE = re.compile(r"\bz = [+−-]|\|z\||z-score")


def slips(text: str) -> list[str]:
    """What should not have been printed."""
    return [found[0] for kind in (TYPED, MINUS_ZERO, RAW, SCORE) for found in kind.finditer(text)]


@pytest.fixture(scope="module")
def odd(verdicts, refuted, underpowered, fooled):
    """Verdicts of every kind, with a mean and a distance just below 0."""
    near = replace(verdicts[0], estimate=Estimate(-0.0004, 0.01, 9), z_score=-0.04)
    return [*verdicts, refuted, underpowered, fooled, near]


def figure_words(verdicts) -> str:
    groups = [claim_figure(group, group[0].claim) for group in by_claim(verdicts)]
    for figure in groups:
        figure.canvas.draw()  # which writes the ticks
    axes = [axes for figure in groups for axes in figure.axes]
    texts = [text for each in axes for text in [*each.texts, *each.get_xticklabels(), each.xaxis.label]]
    legends = [text for figure in groups for legend in figure.legends for text in legend.get_texts()]
    return "\n".join(text.get_text() for text in texts + legends)


VIEWS = {
    "line": lambda verdicts: "\n".join(map(str, verdicts)),
    "sentences": lambda verdicts: "\n".join(map(sentences, verdicts)),
    "table": plain_table,
    "notebook": verdict_card,
    "words of the figure": lambda verdicts: "\n".join(alt_text(group, group[0].claim) for group in by_claim(verdicts)),
    "figure": figure_words,
    "page": lambda verdicts: as_html(verdicts, {"python": "3.11"}, proofs=[]),
}


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_shown_of_verdicts_is_set_as_in_print(odd, view):
    text = re.sub(r"<(style|svg).*?</\1>", "", VIEWS[view](odd), flags=re.DOTALL)
    words = re.sub(r"<[^>]*>", " ", text)
    assert len(words) > 100 and slips(words) == []


@pytest.mark.parametrize("text", ["at -3", "1e-05", "−0.0", "-0 %", "2*s", "s**2", "z = +44", "|z| ≥ 5", "a z-score"])
def test_a_slip_is_seen(text):
    assert slips(text)


@pytest.mark.parametrize("value", [-0.0, -1e-12, -0.04, -1.5, -3e-9, -4e11])
def test_a_number_of_any_size_is_set_as_in_print(value):
    shown = [number_text(value), distance_text(value), distance_in_words(value), str(Estimate(value, 0.1, 9))]
    shown += [str(Estimate(value, 0.0, 9)), rows_card([{"x": value}]), signs_of_print(f"{value:.1f} and {value:.0e}")]
    assert slips(re.sub(r"<[^>]*>", " ", "\n".join(shown))) == []
