"""Section C sees what it is there for: each claim is refuted, or left open, by an engine that breaks it."""

import math
import random
import sys

import pytest
import torch

from mezo_lab.claims import REGISTRY, Status, Verdict, c_costs, c_noise, c_rounding, check, controls
from mezo_lab.claims import c_steps as engine_claims
from mezo_lab.claims.decision import excluded_by
from mezo_lab.optim import displacement, engine
from mezo_lab.optim.engine import Engine
from mezo_lab.optim.noise import stream_keys
from mezo_lab.optim.stencils import TwoSided
from mezo_lab.optim.sweeps import NoiseField, noise_field
from mezo_lab.sampling import KEYED_LAWS, LAWS, Sphere, generator_for

REPLAY = sys.modules["mezo_lab.optim.log.replay"]  # the function hides the module


def tried(name: str, law: str = "gaussian", draws: int | None = None, **parameters) -> Verdict:
    few = {"same-z": {"layouts": 20}, "replay": {"runs": 4}}.get(name, {})
    parameters = parameters if parameters.get("measure") == "bytes" else few | parameters
    return check(REGISTRY[name], KEYED_LAWS[law], parameters, resolution=0.05, seed=1, draws=draws)


def rewire(monkeypatch, streams) -> None:
    """Let every field take the streams (seed, step, probe, tensor keys) → keys from elsewhere."""
    monkeypatch.setattr(noise_field, "stream_keys", streams)
    monkeypatch.setattr(noise_field.native, "suits", lambda tensor: False)  # C makes its streams itself


def test_an_update_along_another_z_breaks_same_z(monkeypatch):
    estimate = Engine.estimate
    monkeypatch.setattr(Engine, "estimate", lambda self, step, projected: estimate(self, step + 1, projected))
    assert tried("same-z", measure="step").status is Status.REFUTED


def test_a_flip_along_another_z_breaks_same_z(monkeypatch):
    perturbation = Engine.perturbation

    def other_when_negative(self, step, probe, probes, length):
        return perturbation(self, step + (length < 0), probe, probes, length)

    monkeypatch.setattr(Engine, "perturbation", other_when_negative)
    assert tried("same-z", measure="step").status is Status.REFUTED


def test_a_replay_of_another_step_breaks_same_z(monkeypatch):
    rebuilt = REPLAY._optimizer_at_start

    def one_step_late(params, header):
        return rebuilt(params, header | {"first_step": header["first_step"] + 1})

    monkeypatch.setattr(REPLAY, "_optimizer_at_start", one_step_late)
    assert tried("same-z", measure="step").status is Status.REFUTED


def test_probes_that_are_never_taken_back_break_same_z_and_restore(monkeypatch):
    displace = displacement.PlainWeights.displace

    def forgetful(self, goal, change, decay):
        self.displacement = self.displacement if goal else {}
        displace(self, goal, change, decay)

    monkeypatch.setattr(displacement.PlainWeights, "displace", forgetful)
    assert not tried("same-z", measure="step").passed
    assert tried("restore", draws=20_000, measure="drift", dtype="bfloat16", cycles=4).status is Status.REFUTED


def test_z_that_belongs_to_positions_breaks_same_z(monkeypatch):
    rewire(monkeypatch, lambda seed, step, probe, keys: stream_keys(seed, step, probe, range(len(keys))))
    assert not tried("same-z", measure="names").passed
    assert tried("same-z", measure="step").passed  # within a step it is one z all the same


def test_z_that_depends_on_the_piece_breaks_same_z(monkeypatch):
    draw = NoiseField._draw

    def from_the_piece(self, batch, keys):
        return draw(self, batch, keys + batch[0].first)

    monkeypatch.setattr(NoiseField, "_draw", from_the_piece)
    assert not tried("same-z", measure="chunks").passed


def test_one_layout_of_many_that_fails_is_enough(monkeypatch):
    rounds = iter(range(100))
    monkeypatch.setitem(
        engine_claims.SAME_Z,
        "step",
        (lambda law, seed, count: [next(rounds) != 5 for _ in range(count)], "none", lambda law, seed: False),
    )
    found = tried("same-z", measure="step")
    assert found.estimate.mean == pytest.approx(19 / 20) and found.status is Status.REFUTED and not found.passed


def test_a_layout_that_fails_beside_others_is_told_from_them():
    model = c_noise.random_models(random.Random(0), layouts=5)
    agrees = torch.ones(sum(parameter.numel() for parameter in model.values()), dtype=torch.bool)
    assert c_noise.by_layout(model, agrees) == [True] * 5
    agrees[-1] = False
    assert c_noise.by_layout(model, agrees) == [True] * 4 + [False]


@pytest.mark.parametrize("measure", ["step", "population", "names", "chunks"])
def test_layouts_side_by_side_are_as_many_draws_and_all_agree(measure):
    agreement = engine_claims.SAME_Z[measure][0]
    assert agreement(LAWS["gaussian"], 3, 7) == [True] * 7


@pytest.mark.parametrize("name", ["same-z", "replay"])
def test_in_the_default_mode_what_must_always_hold_excludes_that_one_in_a_hundred_fails(name):
    claim = REGISTRY[name]
    for law in (KEYED_LAWS[name] for name in claim.laws):
        for parameters in claim.parameter_sets(law, "default"):
            experiment = claim.experiment(law, **parameters)
            assert experiment.deterministic or (experiment.share and excluded_by(experiment.draws) <= 0.01)


def test_tensors_that_share_a_stream_break_isotropy(monkeypatch):
    rewire(monkeypatch, lambda seed, step, probe, keys: stream_keys(seed, step, probe, keys[:1] * len(keys)))
    assert tried("isotropic").status is Status.REFUTED


def test_a_projected_gradient_without_its_half_breaks_the_factor(monkeypatch):
    projected = TwoSided.projected_gradients
    doubled = lambda self, *given: [2 * pg for pg in projected(self, *given)]  # noqa: E731
    monkeypatch.setattr(TwoSided, "projected_gradients", doubled)
    for parameters in (
        {"measure": "length", "d": 2, "r": 2, "n": 1},
        {"measure": "contraction", "d": 8, "r": 2, "n": 1},
    ):
        assert tried("engine-factor", "rademacher", **parameters).status is Status.REFUTED


def test_a_sphere_of_another_radius_breaks_the_factor(monkeypatch):
    monkeypatch.setattr(Sphere, "mixing", lambda self, gram: torch.diag((gram.diagonal() / 2).rsqrt()))
    assert tried("engine-factor", "sphere", measure="length", d=2, r=2, n=1).status is Status.REFUTED


def test_an_exact_mode_that_walks_in_place_breaks_restore(monkeypatch):
    monkeypatch.setattr(engine, "ExactWeights", displacement.PlainWeights)
    assert tried("restore", measure="exact", dtype="bfloat16", cycles=2).status is Status.REFUTED


@pytest.mark.parametrize(("dtype", "share"), [(torch.bfloat16, 0.12), (torch.float32, 2e-6)])
def test_a_thousand_cycles_move_the_weights_of_a_language_model_by_what_the_claims_say(dtype, share):
    cycles, generator = 64, torch.Generator().manual_seed(0)
    start = (c_rounding.DEVIATION * torch.randn(4096, generator=generator)).to(dtype)
    moved = c_rounding.cycled(LAWS["gaussian"], start, cycles, False, generator).double() - start.double()
    drift = math.sqrt(1000 / cycles) * float(moved.norm() / start.double().norm())
    assert drift == pytest.approx(share, rel=0.15)  # "about"; the drift of 4,096 weights is known to 1 %


def test_a_replay_that_differs_in_the_last_digit_breaks_replay(monkeypatch):
    repeat = REPLAY._repeat_update

    def nearly(opt, projected, rates):
        repeat(opt, tuple(pg * (1 + 1e-5) for pg in projected), rates)

    monkeypatch.setattr(REPLAY, "_repeat_update", nearly)
    assert not tried("replay", measure="rebuilt", steps=3).passed


def test_a_flipped_bit_that_nobody_flipped_is_no_control(monkeypatch):
    monkeypatch.setattr(controls, "flip_bit", lambda log, rng: None)
    found = tried("replay", measure="rebuilt", steps=3)
    assert found.status is Status.CONSISTENT and not found.passed


def test_a_log_of_doubles_would_be_too_long():
    experiment = REGISTRY["replay"].experiment(LAWS["gaussian"], measure="bytes", steps=20_000)
    assert 80_000 < float(experiment.draw(1, generator_for(1, 1, 0))) <= experiment.expected < 8 * 20_000


def test_chunks_that_grow_with_the_model_break_memory(monkeypatch):
    cut = NoiseField._cut
    monkeypatch.setattr(
        NoiseField, "_cut", lambda self, rest_only=(), without=(), chunk=0: cut(self, rest_only, without, self.numel)
    )
    assert tried("memory", d=8_000_000).status is Status.REFUTED


def test_memory_counts_what_is_alive_and_no_views():
    given = torch.zeros(1000)

    def run():
        first = given + 1  # 4,000 bytes
        second = first.view(10, 100)[3:] * 2  # 2,800
        del first
        return second + given[:100]  # 2,800 more, beside `second`

    assert c_costs._peak_bytes(lambda: given.add_(1)) == 0
    assert c_costs._peak_bytes(run) == 6_800


def test_losses_rounded_in_twice_as_large_steps_break_rounding(monkeypatch):
    projected = TwoSided.projected_gradients

    def coarser(self, losses, *given):
        return projected(self, {visit: round(loss * 2**21) / 2**21 for visit, loss in losses.items()}, *given)

    monkeypatch.setattr(TwoSided, "projected_gradients", coarser)
    assert tried("rounding", dtype="float32", epsilon=1e-3).status is Status.REFUTED


def test_the_error_of_a_projected_gradient_is_least_where_theory_puts_it():
    claim, law = REGISTRY["rounding"], LAWS["gaussian"]
    ulp = claim.experiment(law, dtype="float32", epsilon=1e-3).symbols["ulp"]
    assert ulp == float(torch.nextafter(torch.tensor(3.0), torch.tensor(4.0)) - 3)
    best = (ulp / (4 * math.sqrt(3))) ** (1 / 3)
    errors = [claim.experiment(law, dtype="float32", epsilon=scale * best).expected for scale in (0.99, 1.0, 1.01)]
    assert errors[1] < min(errors[0], errors[2])
    found = [
        tried("rounding", draws=100, dtype="float32", epsilon=scale * best).estimate.mean for scale in (1 / 4, 1.0, 4.0)
    ]
    assert found[1] < min(found[0], found[2]) / 2


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_the_compiled_sweeps_draw_the_same_z(law):
    assert tried("same-z", law, measure="compiled").passed
