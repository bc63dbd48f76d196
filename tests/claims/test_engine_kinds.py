"""Section C sees a broken low-rank law and a broken population too: each is refuted, or left open."""

import sys

import pytest

from mezo_lab.claims import REGISTRY, Status, Verdict, check
from mezo_lab.optim import displacement, engine
from mezo_lab.optim.engine import Engine
from mezo_lab.optim.noise import stream_keys
from mezo_lab.optim.stencils import Population
from mezo_lab.optim.sweeps import LowRankField, native, noise_field, pieces
from mezo_lab.sampling import KEYED_LAWS, generator_for

REPLAY = sys.modules["mezo_lab.optim.log.replay"]  # the function hides the module


def tried(name: str, law: str = "low-rank", draws: int | None = None, **parameters) -> Verdict:
    few = {"same-z": {"layouts": 20}, "replay": {"runs": 6}}.get(name, {})
    return check(REGISTRY[name], KEYED_LAWS[law], few | parameters, resolution=0.05, seed=1, draws=draws)


def standard_errors_from_one(draws: int) -> float:
    """Of E[(uᵀz)²] of the low-rank law, without the claim's decoys, which take their time in torch."""
    drawn = REGISTRY["isotropic"].experiment(KEYED_LAWS["low-rank"]).draw(draws, generator_for(1, 1, 0))
    return float(drawn.mean() - 1) / float(drawn.std()) * draws**0.5


@pytest.fixture
def in_torch(monkeypatch):
    """No sweep in C, whose factors no test can reach."""
    monkeypatch.setattr(native, "suits", lambda tensor: False)


def test_a_population_that_updates_along_another_z_breaks_same_z(monkeypatch):
    estimate = Engine.estimate
    monkeypatch.setattr(Engine, "estimate", lambda self, step, projected: estimate(self, step + 1, projected))
    assert tried("same-z", measure="population").status is Status.REFUTED
    assert tried("same-z", "gaussian", measure="population").status is Status.REFUTED


def test_a_population_that_forgets_where_it_stands_breaks_same_z(monkeypatch):
    displace = displacement.PlainWeights.displace

    def forgetful(self, goal, change, decay):
        self.displacement = {}
        displace(self, goal, change, decay)

    monkeypatch.setattr(displacement.PlainWeights, "displace", forgetful)
    assert not tried("same-z", "gaussian", measure="population", layouts=60).passed  # half of them are exact


def test_factors_that_depend_on_the_piece_break_same_z(monkeypatch, in_torch):
    draw = LowRankField._draw_strided

    def from_the_piece(self, parameter, view, start, keys):
        return draw(self, parameter, view, start, keys + start)

    monkeypatch.setattr(LowRankField, "_draw_strided", from_the_piece)
    assert not tried("same-z", measure="chunks").passed


def test_matrices_that_share_their_factors_break_isotropy(monkeypatch, in_torch):
    shared = lambda seed, step, probe, keys: stream_keys(seed, step, probe, keys[:1] * len(keys))  # noqa: E731
    assert abs(standard_errors_from_one(1_500)) < 5
    monkeypatch.setattr(noise_field, "stream_keys", shared)
    assert standard_errors_from_one(1_500) > 5


def twice_as_long(monkeypatch) -> None:
    draw = LowRankField._draw_factors

    def longer(self, parameter, key):
        u, v = draw(self, parameter, key)
        return 2 * u, v

    monkeypatch.setattr(LowRankField, "_draw_factors", longer)


def test_a_factor_that_is_not_scaled_breaks_isotropy_and_the_length_of_a_step(monkeypatch, in_torch):
    twice_as_long(monkeypatch)
    assert standard_errors_from_one(1_500) > 5
    assert tried("engine-factor", measure="length", d=16, r=16, n=4, draws=400).status is Status.REFUTED


def test_a_low_rank_step_that_is_of_full_rank_keeps_its_angle_and_not_its_length(monkeypatch):
    field_of = engine.field_of
    wide = lambda parameters, law, *more, **kinds: field_of(parameters, KEYED_LAWS["gaussian"], *more, **kinds)  # noqa: E731
    monkeypatch.setattr(engine, "field_of", wide)
    assert tried("engine-factor", measure="cosine", d=16, r=16, n=1).status is Status.CONSISTENT
    assert tried("engine-factor", measure="length", d=16, r=16, n=4, draws=1_000).status is Status.REFUTED


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_a_population_that_drops_its_baseline_breaks_the_factor(monkeypatch, law):
    monkeypatch.setattr(Population, "shaped", lambda self, losses: list(losses))
    found = tried("engine-factor", law, measure="leave-one-out", d=4, r=4, n=2, draws=1_000)
    assert found.status is Status.REFUTED


def test_scores_that_are_not_divided_break_the_factor(monkeypatch):
    centred = lambda self, losses: [loss - sum(losses) / len(losses) for loss in losses]  # noqa: E731
    monkeypatch.setattr(Population, "shaped", centred)
    assert tried("engine-factor", "gaussian", measure="z-score", d=4, r=4, n=3).status is Status.REFUTED


@pytest.mark.parametrize(("law", "estimator"), [("low-rank", "two-sided"), ("gaussian", "population")])
def test_an_exact_mode_that_walks_in_place_breaks_restore(monkeypatch, law, estimator):
    monkeypatch.setattr(engine, "ExactWeights", displacement.PlainWeights)
    found = tried("restore", law, measure="exact", estimator=estimator, dtype="bfloat16", cycles=2)
    assert found.status is Status.REFUTED


def test_a_population_that_returns_to_theta_between_its_points_drifts_otherwise(monkeypatch):
    displace = displacement.PlainWeights.displace

    def by_way_of_theta(self, goal, change, decay):
        if goal and self.displacement:
            displace(self, {}, {}, None)
        displace(self, goal, change, decay)

    monkeypatch.setattr(displacement.PlainWeights, "displace", by_way_of_theta)
    kinds = {"measure": "drift", "estimator": "population", "dtype": "bfloat16", "cycles": 4}
    assert tried("restore", "gaussian", **kinds).status is Status.REFUTED


def test_a_log_that_loses_the_rank_breaks_replay(monkeypatch):
    rebuilt = REPLAY._optimizer_at_start

    def of_another_rank(params, header):
        return rebuilt(params, header | {"rank": header["rank"] + 1})

    monkeypatch.setattr(REPLAY, "_optimizer_at_start", of_another_rank)
    assert not tried("replay", measure="rebuilt", steps=2).passed


def test_a_matrix_that_is_drawn_whole_breaks_memory(monkeypatch):
    cut = pieces.strided_views
    whole = lambda tensor, _=0, start=0: cut(tensor, tensor.numel(), start)  # noqa: E731
    monkeypatch.setattr(pieces, "strided_views", whole)
    assert tried("memory", d=8_000_000).status is Status.REFUTED


def test_losses_of_a_population_that_are_rounded_in_twice_as_large_steps_break_rounding(monkeypatch):
    shaped = Population.shaped
    coarser = lambda self, losses: shaped(self, [round(loss * 2**21) / 2**21 for loss in losses])  # noqa: E731
    monkeypatch.setattr(Population, "shaped", coarser)
    kinds = {"estimator": "population", "dtype": "float32", "epsilon": 1e-3}
    assert tried("rounding", "gaussian", **kinds).status is Status.REFUTED


def test_the_least_error_of_a_population_lies_at_a_larger_epsilon_than_that_of_two_sides():
    claim, law = REGISTRY["rounding"], KEYED_LAWS["gaussian"]
    ulp = claim.experiment(law, dtype="float32", epsilon=1e-3).symbols["ulp"]
    best = (ulp / 24**0.5) ** (1 / 3)  # where the two parts of the formula turn
    kinds = {"estimator": "population", "dtype": "float32"}
    errors = [claim.experiment(law, epsilon=scale * best, **kinds).expected for scale in (0.99, 1.0, 1.01)]
    assert errors[1] < min(errors[0], errors[2])
    assert best > (ulp / 48**0.5) ** (1 / 3)


_STEP = {"d": 4, "r": 4, "n": 3}
_SQUARE = {"d": 16, "r": 16, "n": 1}
_WALK = {"measure": "drift", "cycles": 2}


@pytest.mark.parametrize(
    ("name", "law", "parameters", "message"),
    [
        ("engine-factor", "low-rank", {"measure": "contraction"} | _SQUARE, "`law` must have one γ .*, got low-rank"),
        ("engine-factor", "sphere", {"measure": "z-score"} | _STEP, "`law` must be gaussian with z-scores, got sphere"),
        ("restore", "low-rank", {"estimator": "two-sided", "dtype": "bfloat16"} | _WALK, "got low-rank, two-sided"),
        ("restore", "gaussian", {"estimator": "population", "dtype": "float32"} | _WALK, "got gaussian, population"),
    ],
)
def test_a_formula_is_refused_where_it_does_not_hold(name, law, parameters, message):
    with pytest.raises(ValueError, match=message):
        check(REGISTRY[name], KEYED_LAWS[law], parameters, draws=2)
