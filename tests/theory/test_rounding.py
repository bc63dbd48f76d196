"""What a grid leaves of a step: against enumeration, against the normal limit, and at the ends."""

import math
from itertools import product

import pytest

from mezo_lab import theory


@pytest.mark.parametrize(("dim", "spacing"), [(1, 0.7), (3, 1.3), (6, 2.2), (9, 3.4)])
def test_the_share_and_the_magnitude_are_those_of_all_signs_written_out(dim, spacing):
    slopes = [sum(signs) / math.sqrt(dim) for signs in product([-1, 1], repeat=dim)]
    kept = sum(slope * spacing * round(slope / spacing) for slope in slopes) / 2**dim
    assert theory.nearest_share(spacing, dim) == pytest.approx(kept, rel=1e-12)
    assert theory.sign_magnitude(dim) == pytest.approx(sum(map(abs, slopes)) / 2**dim, rel=1e-12)


def test_in_many_dimensions_the_share_is_that_of_a_normal_slope():
    # slopes lie 2/√d = 0.06 apart, so that up to 0.03 of the threshold is uncertain
    for spacing in (1.0, 3.03, 5.01):
        normal = spacing * sum(theory.magnitude_beyond((k + 0.5) * spacing) for k in range(10))
        assert theory.nearest_share(spacing, 1000) == pytest.approx(normal, rel=0.1)
    assert theory.sign_magnitude(1000) == pytest.approx(math.sqrt(2 / math.pi), rel=1e-3)


def test_a_fine_grid_keeps_the_descent_and_a_coarse_one_loses_all_of_it():
    assert theory.nearest_share(1e-3, 16) == pytest.approx(1, rel=1e-3)
    assert theory.nearest_share(8.5, 16) == 0  # no |pg| is above 4‖g‖


def test_rounding_at_random_makes_a_step_of_signs_longer_by_the_spacing_over_its_own_size():
    assert theory.stochastic_norm(16, 100.0, 1.0) == 100 * 16
