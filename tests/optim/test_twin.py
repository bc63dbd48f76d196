"""Sweeps in place, fused and chained, make the step that four sweeps out of place make."""

from itertools import pairwise

import pytest
import torch

from mezo_lab.optim import MeZO
from mezo_lab.optim.noise import COORDINATES
from mezo_lab.sampling import LAWS

STEPS = 4
# a sweep rounds each float64 weight, below 4, by at most 2.2e-16; 4 steps of at most 7 sweeps add up to 1e-14
ROUNDING = 1e-14
MODES = {"three sweeps": {}, "two sweeps": {"fused": True}, "exact": {"exact": True}}
MODES["exact, fused"] = {"exact": True, "fused": True}


@pytest.fixture
def race(weights, wave, twin, apart):
    """Run `MeZO` and its twin side by side. Returns: how far apart they end, and the projected gradients of both."""

    def run(kinds, own, mode=None, steps=STEPS, groups=None, dtype=torch.float64):
        theta = weights(dtype)
        reference = twin(theta, **{"seed": 5} | own)
        named = theta.items() if groups is None else groups(theta)
        opt = MeZO(named, **{"lr": 0.1, "seed": 5} | kinds | MODES[mode or "three sweeps"])
        found, expected = [], []
        for _ in range(steps):
            opt.probe(lambda: wave(list(theta.values())))
            found.append(opt.projected_gradients)
            opt.step()
            expected.append(reference.step())
        opt.flush()
        start = weights(dtype)
        assert apart(theta.values(), start.values()) > 1e-3  # otherwise the race says nothing
        return apart(theta.values(), reference.weights), found, expected

    return run


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "law, probes", [("gaussian", 1), ("rademacher", 1), ("sphere", 1), ("gaussian", 4), *((law, 2) for law in LAWS)]
)
def test_a_step_is_that_of_the_twin(race, law, probes, mode):
    both = {"law": law, "probes": probes}
    difference, found, expected = race(both, both, mode)
    assert difference < ROUNDING
    assert found == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("estimator", ["two-sided", "one-sided"])
def test_low_rank_steps_are_those_of_the_twin(race, rank, estimator, mode):
    both = {"law": "low-rank", "rank": rank, "probes": 2, "estimator": estimator}
    difference, found, expected = race(both | {"weight_decay": 0.1}, both | {"weight_decay": 0.1}, mode)
    assert difference < ROUNDING
    assert found == expected


POPULATIONS = [{}, {"baseline": "mean"}, {"baseline": "leave-one-out"}, {"shaping": "z-score"}, {"shaping": "rank"}]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", POPULATIONS, ids=str)
@pytest.mark.parametrize("law", ["gaussian", "orthogonal"])
def test_population_steps_are_those_of_the_twin(race, kind, law, mode):
    # ε is large, so that what one sum rounds otherwise than the other is small beside the losses' differences
    both = {"estimator": "population", "probes": 5, "law": law, "epsilon": 0.1, "lr": 0.01} | kind
    difference, found, expected = race(both | {"weight_decay": 0.1}, both | {"weight_decay": 0.1}, mode)
    assert difference < 1e-7  # projected gradients are float32, and may round to a neighbour
    assert torch.allclose(torch.tensor(found), torch.tensor(expected), rtol=1e-6)


def test_another_baseline_is_another_run(race):
    """The control: what the race can see."""
    population = {"estimator": "population", "probes": 5, "epsilon": 0.1, "lr": 0.01}
    for kind, other in pairwise(POPULATIONS):
        assert race(population | kind, population | other)[0] > 1e-4


def test_another_rank_is_another_run(race):
    """The control: what the race can see."""
    assert race({"law": "low-rank", "rank": 2}, {"law": "low-rank", "rank": 1})[0] > 1e-2
    assert race({"law": "low-rank"}, {"law": "gaussian"})[0] > 1e-2


def test_another_seed_is_another_run(race):
    """The control: what the race can see."""
    assert race({"seed": 6}, {"seed": 5})[0] > 1e-2


def test_seed_zero_is_a_seed_like_any_other(race):
    assert race({"seed": 0}, {"seed": 0})[0] < ROUNDING


def test_the_other_sign_is_seen(race):
    """The control: a rate whose sign is flipped."""
    assert race({}, {"lr": -0.1})[0] > 1e-2


@pytest.mark.parametrize("law", [*COORDINATES, "coordinate", "low-rank"])
@pytest.mark.parametrize(
    "dtype, mode",
    [
        (torch.float64, "exact"),
        (torch.float32, "exact"),
        (torch.bfloat16, "exact, fused"),
        (torch.float16, "exact, fused"),
    ],
)
def test_the_exact_mode_is_the_twin_bit_for_bit(weights, wave, twin, equal, dtype, law, mode):
    theta = weights(dtype)
    reference = twin(theta, seed=5, law=law, probes=2, weight_decay=0.1)
    opt = MeZO(theta.items(), lr=0.1, seed=5, law=law, probes=2, weight_decay=0.1, **MODES[mode])
    for _ in range(STEPS):
        opt.step(lambda: wave(list(theta.values())))
        reference.step()
    opt.flush()
    assert equal(theta.values(), [now.to(dtype) for now in reference.weights])
    assert not equal(theta.values(), weights(dtype).values())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("law", ["gaussian", "orthogonal"])
def test_weight_decay_rides_along(race, law, mode):
    kinds = {"law": law, "probes": 2, "weight_decay": 0.3}
    own = {"law": law, "probes": 2, "weight_decay": 0.3}
    assert race(kinds, own, mode)[0] < ROUNDING


def test_another_decay_is_seen(race):
    assert race({"weight_decay": 0.3}, {"weight_decay": 0.29})[0] > 1e-4


def two_groups(theta):
    """Matrices and the rest, in an order of their own."""
    matrices = [(name, tensor) for name, tensor in theta.items() if tensor.dim() == 2]
    rest = [(name, tensor) for name, tensor in theta.items() if tensor.dim() != 2]
    return [{"params": rest, "lr": 0.3, "scale": 0.5}, {"params": matrices, "weight_decay": 0.2, "scale": 2.0}]


# embed, layer.weight, layer.bias, twin.weight, scale
GROUPED = {
    "lr": [0.1, 0.1, 0.3, 0.1, 0.3],
    "weight_decay": [0.2, 0.2, 0.0, 0.2, 0.0],
    "scale": [2.0, 2.0, 0.5, 2.0, 0.5],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("modified", [None, "variance", "expectation"])
def test_each_group_has_its_rate_decay_and_scale(race, modified, mode):
    both = {"modified": modified, "probes": 2}
    assert race(both, both | GROUPED, mode, groups=two_groups)[0] < ROUNDING


def test_a_rate_in_the_wrong_group_is_seen(race):
    assert race({}, GROUPED | {"lr": 0.1}, groups=two_groups)[0] > 1e-3


def test_a_scale_without_modified_changes_nothing(race):
    assert race({}, {"lr": GROUPED["lr"], "weight_decay": GROUPED["weight_decay"]}, groups=two_groups)[0] < ROUNDING


def test_the_two_modifications_differ(race):
    assert race({"modified": "variance"}, {"modified": "expectation"} | GROUPED, groups=two_groups)[0] > 1e-3


@pytest.mark.parametrize("mode", ["two sweeps", "exact, fused"])
@pytest.mark.parametrize("law", ["rademacher", "sphere", "orthogonal"])
@pytest.mark.parametrize("modified", [None, "variance"])
def test_modified_probes_of_any_law(race, law, modified, mode):
    both = {"modified": modified, "probes": 2, "law": law}
    assert race(both, both | GROUPED, mode, groups=two_groups)[0] < ROUNDING


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("probes", [1, 3])
def test_one_sided_steps(race, probes, mode):
    both = {"estimator": "one-sided", "probes": probes, "law": "rademacher"}
    assert race(both | {"weight_decay": 0.1}, both | {"weight_decay": 0.1}, mode)[0] < ROUNDING


@pytest.mark.parametrize("mode", MODES)
def test_residual_feedback_compares_with_the_last_step(race, mode):
    both = {"estimator": "residual-feedback", "lr": 0.01}
    difference, found, expected = race(both, both, mode)
    assert difference < ROUNDING
    assert found[0] == [0.0] and found[1] != [0.0]
    assert [pg for (pg,) in found] == pytest.approx([pg for (pg,) in expected], rel=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_clip_bounds_every_projected_gradient(race, mode):
    unbounded = race({"probes": 2}, {"probes": 2})[1]
    bound = sorted(abs(pg) for step in unbounded for pg in step)[STEPS]  # the median: half are clipped
    difference, found, expected = race({"probes": 2, "clip": bound}, {"probes": 2, "clip": bound}, mode)
    assert difference < ROUNDING and found == expected
    sizes = [abs(pg) for step in found for pg in step]
    assert max(sizes) == pytest.approx(bound, rel=1e-6) and min(sizes) < 0.99 * bound


def test_a_centre_changes_the_loss_that_is_told_and_nothing_else(weights, wave, equal):
    plain, centred = weights(), weights()
    one, two = MeZO(plain.items(), lr=0.1), MeZO(centred.items(), lr=0.1, centre=True)
    for _ in range(STEPS):
        here = wave(list(centred.values()))
        mean = one.step(lambda: wave(list(plain.values())))
        assert two.step(lambda: wave(list(centred.values()))) == here != mean
        for a, b in zip(plain.values(), centred.values(), strict=True):
            b.data.copy_(a)  # the two walks round differently
    assert one.diagnostics.squares.mean == pytest.approx(two.diagnostics.squares.mean, rel=1e-6)


@pytest.mark.parametrize("name, value", [("law", "gausian"), ("estimator", "two-side"), ("shaping", "ranks")])
def test_the_reference_refuses_what_it_does_not_know(weights, twin, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be one of .*; got '{value}'. Nearest: "):
        twin(weights(), **{name: value})
