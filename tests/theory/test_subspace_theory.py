"""Subspaces: what is gained and lost, against the closed forms of all dimensions."""

from fractions import Fraction

import pytest

from mezo_lab import theory


@pytest.mark.parametrize(("rows", "columns", "rank"), [(6, 4, 1), (6, 4, 3), (2, 9, 4)])
@pytest.mark.parametrize("probes", [1, 2, 5])
@pytest.mark.parametrize("law", ["gaussian", "sphere", "rademacher"])
def test_a_random_subspace_never_leaves_less_of_the_loss_than_all_dimensions(rows, columns, rank, probes, law):
    dims = Fraction(rows * rank), Fraction(rows * columns)
    inside, whole = (theory.norm_factor(dim, probes, theory.MOMENTS[law](dim)) for dim in dims)
    left = [theory.subspace_loss(Fraction(rank, columns), steps, inside) for steps in range(1, 30)]
    assert all(loss >= (1 - 1 / whole) ** steps for steps, loss in enumerate(left, start=1))
    assert left[0] > 1 - 1 / whole or (law != "gaussian" and probes == 1)


def test_a_subspace_that_is_kept_for_ever_leaves_its_complement():
    assert theory.subspace_loss(1 / 4, 10_000, 8.0) == pytest.approx(3 / 4)


def test_all_columns_are_no_subspace():
    assert theory.subspace_loss(1, 3, Fraction(8)) == (1 - Fraction(1, 8)) ** 3
    assert theory.subspace_mean(Fraction(2), 4, 4) == 2


def test_a_random_subspace_of_a_large_matrix_gains_nothing_and_an_aligned_one_what_is_curved_outside():
    rows, columns, rank = 1000, 500, 10
    whole = rows * columns + 2
    share = Fraction(rank, columns)
    # H = I: a random subspace sees the share k/n of the gradient and the trace mk
    random = theory.subspace_gain(share, whole, share * (rows * rank + 2))
    assert 0.999 < random < 1
    assert theory.subspace_gain(1, whole, rows * rank + 2) == pytest.approx(columns / rank, rel=1e-3)
    assert theory.subspace_gain(1, rows * rank + 2, rows * rank + 2) == 1
