"""What the claims about successors and general directions say at parameters that their tables do not have."""

import pytest

from mezo_lab.claims import check, claim_named
from mezo_lab.sampling import LAWS
from mezo_lab.theory import Expression

RESOLUTION = 0.03


def verdict(name, law, expect=None, **parameters):
    formula = None if expect is None else Expression(expect)
    return check(claim_named(name), LAWS[law], parameters, resolution=RESOLUTION, expect=formula)


@pytest.mark.parametrize(("dim", "probes", "rank"), [(5, 4, 5), (9, 3, 2), (2, 1, 2)])
def test_the_progress_of_orthogonal_probes_is_measured_at_other_sizes_too(dim, probes, rank):
    assert verdict("orthogonal-probes", "orthogonal", dim=dim, probes=probes, rank=rank).passed


def test_that_one_probe_is_best_is_refuted_for_orthogonal_probes():
    found = verdict("orthogonal-probes", "orthogonal", dim=8, probes=6, rank=8)
    constant, independent = (
        next(decoy for decoy in found.decoys if decoy.statement == name) for name in ("p1", "wash")
    )
    assert found.estimate.mean > constant.expected > independent.expected
    assert constant.status.name == independent.status.name == "REFUTED"


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "sphere", "orthogonal"])
@pytest.mark.parametrize("spectrum", ["power", "exponential"])
def test_the_edge_of_every_law_is_measured_on_a_spectrum_that_is_not_flat(law, spectrum):
    assert verdict("edge", law, dim=7, probes=3, spectrum=spectrum).passed


@pytest.mark.parametrize("formula", ["2/ell", "2/trH", "2*n/(trH + (n+1)*ell)"])
def test_an_edge_from_the_trace_or_the_largest_eigenvalue_alone_is_refuted(formula):
    found = verdict("edge", "gaussian", formula, dim=8, probes=2, spectrum="power")
    assert found.status.name == "REFUTED"


def test_the_edge_of_a_flat_spectrum_is_that_of_the_effective_rank():
    found = verdict("edge", "gaussian", "2*n/(trH + (n+1)*ell)", dim=8, probes=2, spectrum="isotropic")
    assert found.status.name == "CONSISTENT"


@pytest.mark.parametrize(("dim", "rank"), [(3, 1), (6, 6), (10, 5)])
@pytest.mark.parametrize("law", ["rademacher", "three-point", "coordinate"])
def test_a_turned_bowl_shows_the_factor_of_the_turned_law(law, dim, rank):
    assert verdict("general-directions", law, dim=dim, probes=1, rank=rank).status.name == "CONSISTENT"


@pytest.mark.parametrize("formula", ["r+2", "r"])
def test_signs_are_neither_gaussian_nor_themselves_on_a_turned_bowl(formula):
    found = verdict("general-directions", "rademacher", formula, dim=6, probes=1, rank=3)
    assert found.status.name == "REFUTED"


def test_the_mean_square_change_of_a_run_does_not_give_the_norm_of_its_residual_feedback():
    found = verdict("residual-feedback", "gaussian", dim=8, moment="run")
    assert found.passed
    with_mean_square = found.decoys[0]
    assert with_mean_square.statement == "(2*d+2)*g2 + d*delta**2/eps**2"
    assert with_mean_square.expected > found.expected


@pytest.mark.parametrize(
    ("name", "formula", "parameters"),
    [
        ("general-directions", "1 + (c*(r+2)/(d+2) - 1)/n", {"dim": 6, "probes": 2, "rank": 3}),
        (
            "residual-feedback",
            "(2*d+2)*g2 + d*delta**2/eps**2 - 2*d*eta**2*g2**2/eps**2",
            {"dim": 8, "moment": "run"},
        ),
    ],
)
def test_the_printed_formula_of_a_claim_is_its_own_value_when_it_is_given_back(name, formula, parameters):
    law = claim_named(name).laws[0]
    found = verdict(name, law, formula, **parameters)
    assert abs(found.z_score) < 5
    assert found.expected == pytest.approx(found.theory, rel=1e-12)


def test_the_edge_of_one_probe_of_signs_is_told_for_certain():
    found = verdict("edge", "rademacher", dim=7, probes=1, spectrum="power")
    assert found.passed and found.estimate.standard_error < 1e-9


@pytest.mark.parametrize("law", ["rademacher", "sphere"])
def test_an_edge_in_one_dimension_is_told_for_certain(law):
    assert verdict("edge", law, dim=1, probes=1, spectrum="power").passed
    with pytest.raises(ValueError, match="`dim` must be at least 2 for three-point here, got 1"):
        verdict("edge", "three-point", dim=1, probes=1, spectrum="power")


def test_in_thirteen_billion_dimensions_no_decoy_says_that_a_walk_has_no_signal():
    found = verdict("wandering", "gaussian", dim=13_000_000_000, steps=4, probes=1, moment="norm")
    assert found.passed and [decoy.statement for decoy in found.decoys] == ["eta**2*g2*steps**2"]


MIRRORS = [("rademacher", 1, 2), ("rademacher", 1, 6), ("coordinate", 1, 6), ("sphere", 1, 6), ("orthogonal", 3, 6)]


@pytest.mark.parametrize(("law", "probes", "rank"), MIRRORS)
def test_a_step_at_the_edge_that_is_a_mirror_image_is_told_for_certain(law, probes, rank):
    claim = "best-step" if law in claim_named("best-step").laws else "dimension-tax"
    sizes = {"dim": 6, "probes": probes, "t": 2.0} | ({"rank": rank} if claim == "best-step" else {})
    found = verdict(claim, law, **sizes)
    assert found.passed and found.estimate.standard_error < 1e-12


@pytest.mark.parametrize(("law", "probes", "rank"), [("gaussian", 1, 6), ("rademacher", 2, 6), ("sphere", 1, 3)])
def test_a_step_at_the_edge_that_is_none_has_its_scatter(law, probes, rank):
    found = verdict("best-step", law, dim=6, probes=probes, rank=rank, t=2.0)
    assert found.passed and found.estimate.standard_error > 1e-3


@pytest.mark.parametrize(("batch", "t"), [(2, 1.0), (8, 0.25)])
def test_the_floor_of_the_noise_is_measured_at_other_batches_and_steps_too(batch, t):
    # at t = 0.25 a run forgets its start more slowly, but γ is smaller here
    found = verdict("noise-floor", "rademacher", dim=3, probes=4, rank=2, batch=batch, t=t)
    assert found.status.name == "CONSISTENT" and all(decoy.status.name == "REFUTED" for decoy in found.decoys)


@pytest.mark.parametrize(("law", "sizes"), [("rademacher", {"rank": 9, "t": 0.3}), ("sphere", {"rank": 12, "t": 0.5})])
def test_a_run_that_forgets_its_start_slowly_is_measured_when_it_has(law, sizes):
    # γ is 9 and more: after 20 steps a tenth of the start and more would be left
    found = verdict("noise-floor", law, dim=12, probes=1, batch=2, **sizes)
    assert abs(found.z_score) < 5


def test_a_run_that_would_not_settle_is_refused():
    message = "`t` must be so large here that a run settles within 400 steps, and it takes .*: raise --t or --probes"
    with pytest.raises(ValueError, match=message):
        verdict("noise-floor", "gaussian", dim=4, probes=3, rank=2, batch=2, t=0.001)


@pytest.mark.parametrize("formula", ["s*S/(2*ell*B*(2-s))", "s*gamma*S/(2*ell*B**2*(2-s*gamma))", "s*gamma*S/(4*ell)"])
def test_a_floor_without_gamma_or_with_the_batch_squared_is_refuted(formula):
    found = verdict("noise-floor", "gaussian", formula, dim=4, probes=3, rank=2, batch=4, t=0.5)
    assert found.status.name == "REFUTED"


@pytest.mark.parametrize(
    ("law", "parameters"),
    [
        ("rademacher", {"measure": "nearest", "dim": 5, "spacing": 1.5}),
        ("rademacher", {"measure": "scatter", "dim": 4, "spacing": 2.5}),
        ("gaussian", {"measure": "stochastic", "dim": 4, "spacing": 9.0}),
        ("gaussian", {"measure": "feedback", "dim": 3, "spacing": 20.0, "steps": 40, "runs": 60}),
        ("rademacher", {"measure": "log", "dim": 5, "spacing": 6.0, "steps": 6, "runs": 5}),
    ],
)
def test_what_a_grid_does_to_a_run_is_measured_at_other_sizes_too(law, parameters):
    assert verdict("quantised", law, **parameters).passed


@pytest.mark.parametrize("formula", ["1", "0"])
def test_rounding_to_nearest_neither_keeps_up_nor_stands_still(formula):
    found = verdict("quantised", "rademacher", formula, measure="nearest", dim=9, spacing=2.2)
    assert found.status.name == "REFUTED"


def test_rounding_at_random_adds_more_than_the_noise_of_a_uniform_error():
    found = verdict("quantised", "rademacher", "d + d*D**2/12", measure="scatter", dim=9, spacing=3.5)
    assert found.status.name == "REFUTED" and found.estimate.mean > found.expected


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"measure": "nearest", "spacing": 0.0}, r"`spacing` must lie in \(0, 100\], got 0.0"),
        ({"measure": "scatter", "spacing": 1.0}, "`spacing` must be at least √d = 3.00 here, got 1.0"),
        ({"measure": "stochastic", "dim": 10**6, "spacing": 3.5}, "`dim` must be at most 2,000 here, got 1,000,000"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        verdict("quantised", "rademacher", **{"dim": 9} | parameters)


@pytest.mark.parametrize(
    ("law", "parameters", "message"),
    [
        ("gaussian", {"beta": 1.0}, r"`beta` must lie in \[0, 1\), got 1.0"),
        ("gaussian", {"beta": -0.5}, r"`beta` must lie in \[0, 1\), got -0.5"),
        ("orthogonal", {"probes": 8}, "`probes` must be below `dim` here, got 8 for 8"),
        ("orthogonal", {"probes": 64}, "`probes` must be at most `dim` for the orthogonal law, got 64 > 8"),
    ],
)
def test_a_momentum_without_an_edge_to_measure_is_refused(law, parameters, message):
    with pytest.raises(ValueError, match=message):
        verdict("momentum", law, **{"dim": 8, "probes": 1, "rank": 3, "beta": 0.9} | parameters)


def test_signs_of_an_even_rank_have_no_cosine_as_they_may_cancel():
    verdict_of_three = verdict("low-rank-direction", "rademacher", p=4, q=3, k=3, probes=1, moment="cosine")
    assert verdict_of_three.passed
    with pytest.raises(ValueError, match="`k` must be odd for the cosine with signs, got 2"):
        verdict("low-rank-direction", "rademacher", p=4, q=3, k=2, probes=1, moment="cosine")


def test_measures_of_signs_are_refused_for_other_laws():
    with pytest.raises(ValueError, match="`law` must be rademacher for the measure 'nearest', got gaussian"):
        verdict("quantised", "gaussian", measure="nearest", dim=9, spacing=2.2)


def test_a_grid_of_thousands_of_weights_does_not_overflow_and_a_fine_one_has_no_decoy_that_it_cannot_refute():
    assert verdict("quantised", "rademacher", measure="nearest", dim=2_000, spacing=3.0).passed
    fine = verdict("quantised", "rademacher", measure="nearest", dim=9, spacing=0.01)
    assert fine.passed and [decoy.statement for decoy in fine.decoys] == ["0"]


@pytest.mark.parametrize(
    ("name", "law", "parameters"),
    [
        ("wandering", "rademacher", {"dim": 1, "steps": 4, "probes": 1, "moment": "norm"}),
        ("wandering", "sphere", {"dim": 1, "steps": 4, "probes": 2, "moment": "share"}),
        ("curvature-diagonal", "rademacher", {"dim": 1, "probes": 1, "moment": "raw"}),
        ("local-ball", "orthogonal", {"measure": "length", "dim": 8, "probes": 8}),
        ("stationarity", "rademacher", {"dim": 1, "probes": 1, "steps": 40}),
    ],
)
def test_draws_that_do_not_vary_are_told_for_certain(name, law, parameters):
    found = verdict(name, law, **parameters)
    assert found.passed and found.estimate.standard_error < 1e-12


def test_the_length_of_a_step_is_measured_at_the_dimension_of_a_language_model():
    assert verdict("local-ball", "gaussian", measure="length", dim=13_000_000_000, probes=1).passed


@pytest.mark.parametrize(
    ("name", "law", "parameters", "message"),
    [
        ("momentum", "orthogonal", {"dim": 8, "probes": 8, "rank": 3, "beta": 0.9}, "`probes` must be below `dim`"),
        ("momentum", "orthogonal", {"dim": 8, "probes": 9, "rank": 3, "beta": 0.9}, "`probes` must be at most `dim`"),
        (
            "momentum",
            "gaussian",
            {"dim": 8, "probes": 1, "rank": 3, "beta": 1.0},
            r"`beta` must lie in \[0, 1\)",
        ),
        (
            "low-rank-direction",
            "gaussian",
            {"p": 1, "q": 1, "k": 1, "probes": 1, "moment": "cosine"},
            "`p` times `q` must be at least 2",
        ),
        ("quantised", "rademacher", {"measure": "nearest", "dim": 1, "spacing": 1.5}, "`dim` must be at least 2 for"),
        ("quantised", "gaussian", {"measure": "feedback", "dim": 3, "spacing": 3.0, "steps": 1}, "`steps` must be at"),
        (
            "noise-floor",
            "gaussian",
            {"dim": 1_000_000, "probes": 3, "rank": 2, "batch": 2, "t": 0.5},
            "`dim` must be smaller here, got 1,000,000: the runs would take hours",
        ),
        ("local-ball", "gaussian", {"measure": "descent", "dim": 4, "probes": 1, "rank": 2}, "`dim` must be larger"),
    ],
)
def test_sizes_at_which_nothing_is_left_to_measure_are_refused(name, law, parameters, message):
    with pytest.raises(ValueError, match=message):
        verdict(name, law, **parameters)
