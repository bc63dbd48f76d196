"""A notebook's table of any rows."""

import pytest

from mezo_lab.report.card import rows_card
from mezo_lab.sampling import Estimate


def test_numbers_stand_on_the_right_and_words_on_the_left():
    card = rows_card(
        [{"law": "sphere", "n": 1_000, "distance": "−0.3"}, {"law": "three-point", "n": 2, "distance": "+∞"}]
    )
    for cell in (">sphere<", ">three-point<"):
        assert f'<td style="text-align:left"{cell}' in card
    for cell in (">1,000<", ">2<", ">−0.3<", ">+∞<"):
        assert f'<td style="text-align:right"{cell}' in card


def test_every_number_has_a_true_minus_sign_and_words_stay_as_they_are():
    card = rows_card([{"a": -3, "b": -0.5, "c": Estimate(-1.5, 0.1, 9), "d": -1e-9, "e": "two-sided"}])
    assert all(f">{cell}<" in card for cell in ("−3", "−0.5", "−1.50 ± 0.10", "−1e−9", "two-sided"))


def test_a_cell_cannot_write_html():
    assert "&lt;b&gt;" in rows_card([{"<b>": "<b>"}]) and "<b>" not in rows_card([{"<b>": "<b>"}])


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`rows` must hold at least one row, got none: measure one first"):
        rows_card([])
    with pytest.raises(
        ValueError, match=r"`rows` must all have the heads \['a'\], got \['b'\]: fill in what is missing"
    ):
        rows_card([{"a": 1}, {"b": 2}])
