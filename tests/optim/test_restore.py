"""Whatever the closure does, θ is what it was: exceptions restore it, a loss that is not finite never moves it."""

import math
import warnings

import pytest
import torch

from mezo_lab.optim import MeZO

MODES = {
    "plain": {},
    "fused": {"fused": True},
    "exact": {"exact": True},
    "exact, fused": {"exact": True, "fused": True},
}
KINDS = {
    "two-sided": ({"probes": 2}, 4),
    "centre": ({"centre": True}, 3),
    "one-sided": ({"estimator": "one-sided", "probes": 2}, 3),
    "population": ({"estimator": "population", "baseline": "mean", "probes": 3}, 3),
    "residual feedback": ({"estimator": "residual-feedback"}, 1),
    "sphere": ({"law": "sphere"}, 2),
    "low-rank": ({"law": "low-rank", "rank": 2}, 2),
    "sign": ({"rule": "sign"}, 2),
    "decay": ({"weight_decay": 0.5}, 2),
}
PLACES = [(kind, place) for kind, (_, passes) in KINDS.items() for place in range(passes)]
# the way to a probe and back rounds each weight, below 2, by at most half an ulp, at most 6 times in 3 steps of a kind
ROUNDING = {torch.float64: 2e-15, torch.float32: 1e-6}


class Faulty:
    """The loss `wave`, with a fault at one evaluation, counted from `arm`."""

    def __init__(self, theta, wave, fault):
        self.theta, self.wave, self.fault, self.calls = theta, wave, fault, math.inf

    def arm(self, place):
        self.calls = place

    def __call__(self):
        self.calls -= 1
        if self.calls < 0:
            self.calls = math.inf
            return self.fault()
        return self.wave(list(self.theta.values()))


def raising(error):
    def fault():
        raise error("broken off")

    return fault


def pair(weights, wave, fault, kind, mode, dtype=torch.float64):
    """Two runs that have made two steps alike; the second has a closure that can fail."""
    runs = []
    for _ in range(2):
        theta = weights(dtype)
        closure = Faulty(theta, wave, fault)
        opt = MeZO(theta.items(), lr=0.01, seed=5, **KINDS[kind][0], **MODES[mode])
        for _ in range(2):
            opt.step(closure)
        runs.append((theta, closure, opt))
    return runs


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("mode", MODES)
def test_any_exception_leaves_theta_restored(weights, wave, apart, equal, mode, error):
    check_restored(pair(weights, wave, raising(error), "two-sided", mode), 2, error, mode, apart, equal)


@pytest.mark.parametrize("mode", ["plain", "exact, fused"])
@pytest.mark.parametrize("kind, place", PLACES)
def test_an_exception_at_any_evaluation_leaves_theta_restored(weights, wave, apart, equal, kind, place, mode):
    runs = pair(weights, wave, raising(RuntimeError), kind, mode)
    check_restored(runs, place, RuntimeError, mode, apart, equal)


def check_restored(runs, place, error, mode, apart, equal):
    (calm, calm_closure, undisturbed), (theta, closure, opt) = runs
    undisturbed.flush()
    closure.arm(place)
    with pytest.raises(error, match="broken off"):
        opt.step(closure)
    assert apart(theta.values(), calm.values()) < ROUNDING[torch.float64]
    if "exact" in mode:
        assert equal(theta.values(), calm.values())
    assert opt.steps == 2 and not opt._engine.displaced
    for each, ask in ((opt, closure), (undisturbed, calm_closure)):  # and goes on as if nothing had been
        each.step(ask)
        each.flush()
    assert apart(theta.values(), calm.values()) < 10 * ROUNDING[torch.float64]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("place", range(4))
def test_the_exact_mode_is_restored_bit_for_bit(weights, wave, equal, place, dtype):
    (calm, _, _), (theta, closure, opt) = pair(weights, wave, raising(RuntimeError), "two-sided", "exact", dtype)
    closure.arm(place)
    with pytest.raises(RuntimeError, match="broken off"):
        opt.step(closure)
    assert equal(theta.values(), calm.values())


def test_the_plain_mode_is_restored_to_rounding(weights, wave, apart, equal):
    """Which in float32 is not bit for bit: the exact mode is for more."""
    (calm, _, _), (theta, closure, opt) = pair(
        weights, wave, raising(RuntimeError), "two-sided", "plain", torch.float32
    )
    closure.arm(3)
    with pytest.raises(RuntimeError, match="broken off"):
        opt.step(closure)
    assert apart(theta.values(), calm.values()) < ROUNDING[torch.float32]
    assert not equal(theta.values(), calm.values())


def test_while_the_closure_runs_theta_is_displaced(weights, wave, apart):
    """The control: there was something to restore."""
    theta, seen = weights(), []
    opt = MeZO(theta.items(), lr=0.01)
    opt.step(lambda: seen.append(apart(theta.values(), weights().values())) or wave(list(theta.values())))
    assert min(seen) > 1e-3


BAD = [math.nan, math.inf, -math.inf, torch.tensor(math.nan)]


@pytest.mark.parametrize(
    "kind, mode, bad",
    [(kind, mode, math.nan) for kind in KINDS for mode in ("plain", "exact, fused")]
    + [("two-sided", mode, bad) for mode in MODES for bad in BAD],
    ids=str,
)
def test_a_loss_that_is_not_finite_is_reported_and_moves_nothing(weights, wave, apart, equal, kind, mode, bad):
    (calm, _, undisturbed), (theta, closure, opt) = pair(weights, wave, lambda: bad, kind, mode)
    undisturbed.flush()
    closure.arm(KINDS[kind][1] - 1)
    with pytest.warns(RuntimeWarning, match="step 2 has a loss that is not finite, and moves nothing"):
        loss = opt.step(closure)
    assert not math.isfinite(loss) or kind in ("centre", "one-sided")  # these tell L(θ), which was
    opt.flush()
    assert apart(theta.values(), calm.values()) < ROUNDING[torch.float64]
    if "exact" in mode:
        assert equal(theta.values(), calm.values())
    assert opt.steps == 3 and opt.diagnostics.skipped == 1
    opt.step(closure)
    opt.flush()
    assert apart(theta.values(), calm.values()) > 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_two_infinite_losses_are_no_difference(weights, apart, mode):
    theta = weights()
    opt = MeZO(theta.items(), lr=0.01, weight_decay=0.5, clip=1.0, **MODES[mode])
    with pytest.warns(RuntimeWarning, match="not finite"):
        opt.step(lambda: math.inf)
    opt.flush()
    assert apart(theta.values(), weights().values()) < 1e-15


@pytest.mark.parametrize("mode", MODES)
def test_a_slope_beyond_float32_is_reported_too(weights, apart, mode):
    """Finite losses whose projected gradient a log could not hold."""
    theta, losses = weights(), iter([1e300, -1e300])
    opt = MeZO(theta.items(), lr=0.01, **MODES[mode])
    with pytest.warns(RuntimeWarning, match="step 0 has a loss that is not finite"):
        opt.step(lambda: next(losses))
    opt.flush()
    assert apart(theta.values(), weights().values()) < 1e-15


def test_residual_feedback_compares_with_the_last_finite_loss(weights, wave):
    theta = weights()
    losses = iter([1.0, math.nan, 1.5])
    opt = MeZO(theta.items(), lr=1e-6, estimator="residual-feedback", check_closure=False)
    opt.step(lambda: next(losses))
    with pytest.warns(RuntimeWarning, match="not finite"):
        opt.step(lambda: next(losses))
    opt.probe(lambda: next(losses))
    assert opt.projected_gradients == [pytest.approx(0.5 / 1e-3, rel=1e-6)]


def test_a_probe_that_is_made_again_compares_with_the_step_before(weights):
    """Residual feedback looks back to the last step, not to the last probe."""
    theta, losses = weights(), iter([1.0, 1.5, 1.5])
    opt = MeZO(theta.items(), lr=1e-6, estimator="residual-feedback", check_closure=False)
    opt.step(lambda: next(losses))
    for _ in range(2):
        opt.probe(lambda: next(losses))
        assert opt.projected_gradients == [pytest.approx(0.5 / 1e-3, rel=1e-6)]


def test_where_warnings_are_errors_theta_is_restored_as_well(weights, apart):
    theta = weights()
    opt = MeZO(theta.items(), lr=0.01)
    with warnings.catch_warnings(), pytest.raises(RuntimeWarning, match="not finite"):
        warnings.simplefilter("error")
        opt.step(lambda: math.nan)
    assert apart(theta.values(), weights().values()) < 1e-15
