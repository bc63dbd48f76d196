"""The rules, each beside the same thing computed out of place, or by torch's own optimizer, from whole gradients."""

import math

import pytest
import torch

from mezo_lab.optim import Adam, MeZO, Momentum, Normalised, Rule, Sign
from mezo_lab.optim.rules import LONGEST, RULES

STEPS = 5
LR, DECAY = 0.0625, 0.25  # exact in float32
MODES = {
    "plain": {},
    "fused": {"fused": True},
    "exact": {"exact": True},
    "exact, fused": {"exact": True, "fused": True},
}
# as in test_twin: float64 sweeps round by 2e-16; a rule's own sum of up to 12 z of size 4 adds as much
ROUNDING = 2e-14


def averaged(beta):
    """m ← βm + (1−β)ĝ, in full-size memory."""

    def direction(estimates, projected):
        m = [torch.zeros_like(g) for g in estimates[0]]
        for estimate in estimates:
            m = [beta * a + (1 - beta) * g for a, g in zip(m, estimate, strict=True)]
        return m

    return direction


def signs(estimates, projected):
    return [g.sign() for g in estimates[-1]]


def normalised(estimates, projected):
    norm = math.sqrt(sum(pg**2 for pg in projected[-1]) / len(projected[-1]))
    return [g / norm for g in estimates[-1]]


def adaptive(beta1, beta2, delta):
    """Adam's own loop (Kingma and Ba, Algorithm 1), in full-size memory."""

    def direction(estimates, projected):
        m, v = ([torch.zeros_like(g) for g in estimates[0]] for _ in range(2))
        for estimate in estimates:
            m = [beta1 * a + (1 - beta1) * g for a, g in zip(m, estimate, strict=True)]
            v = [beta2 * a + (1 - beta2) * g.square() for a, g in zip(v, estimate, strict=True)]
        first, second = (1 - beta ** len(estimates) for beta in (beta1, beta2))
        return [(a / first) / ((b / second).sqrt() + delta) for a, b in zip(m, v, strict=True)]

    return direction


CASES = {
    "momentum": (Momentum(0.75), averaged(0.75)),
    "momentum of 0 is sgd": (Momentum(0.0), averaged(0.0)),
    "sign": (Sign(), signs),
    "normalised": (Normalised(), normalised),
    "adam": (Adam(0.75, 0.875), adaptive(0.75, 0.875, 1e-8)),
}


def race(theta, wave, twin, rule, direction, steps=STEPS, **kinds):
    """`MeZO` under a rule, and θ ← (1 − ηλ)θ − η·direction. Returns: where the latter ends."""
    probes, law = kinds.get("probes", 1), kinds.get("law", "gaussian")
    reference = twin(theta, seed=5, probes=probes, law=law)
    opt = MeZO(theta.items(), lr=LR, seed=5, weight_decay=DECAY, rule=rule, **kinds)
    estimates, projected = [], []
    for _ in range(steps):
        opt.step(lambda: wave(list(theta.values())))
        estimate, found = reference.estimate()
        estimates.append(estimate)
        projected.append(found)
        moves = zip(reference.weights, direction(estimates, projected), strict=True)
        reference.weights = [(1 - LR * DECAY) * t - LR * d for t, d in moves]
        reference.steps += 1
    opt.flush()
    return reference.weights


@pytest.mark.parametrize(
    "name, mode", [(name, mode) for name in CASES for mode in ("plain", "exact, fused")] + [("momentum", "fused")]
)
def test_a_rule_is_what_its_formula_says(weights, wave, twin, apart, name, mode):
    theta, (rule, direction) = weights(), CASES[name]
    expected = race(theta, wave, twin, rule, direction, probes=2, **MODES[mode])
    assert apart(theta.values(), expected) < ROUNDING


@pytest.mark.parametrize("law", ["orthogonal", "coordinate"])
@pytest.mark.parametrize("name", CASES)
def test_a_rule_takes_any_law(weights, wave, twin, apart, name, law):
    theta, (rule, direction) = weights(), CASES[name]
    expected = race(theta, wave, twin, rule, direction, probes=2, law=law, fused=True)
    # where no probe has looked, Adam divides a rounding by δ = 1e-8
    assert apart(theta.values(), expected) < (1e-7 if name == "adam" else ROUNDING)


def test_every_rule_differs_from_sgd(weights, wave, apart):
    """The control: the races can tell the rules apart."""
    ends = {}
    for name in RULES:
        theta = weights()
        opt = MeZO(theta.items(), lr=LR, seed=5, rule=name)
        for _ in range(STEPS):
            opt.step(lambda t=theta: wave(list(t.values())))
        ends[name] = list(theta.values())
    pairs = [(a, b) for a in RULES for b in RULES if a < b]
    assert min(apart(ends[a], ends[b]) for a, b in pairs) > 1e-3


def test_adam_is_the_adamw_of_torch(weights, wave, twin, apart):
    """With ĝ handed to it as the gradient."""
    theta = weights()
    reference = twin(theta, seed=5)
    shadow = [torch.nn.Parameter(t) for t in reference.weights]
    adamw = torch.optim.AdamW(shadow, lr=LR, betas=(0.9, 0.95), eps=1e-6, weight_decay=DECAY)
    opt = MeZO(theta.items(), lr=LR, seed=5, weight_decay=DECAY, rule=Adam(0.9, 0.95, delta=1e-6))
    for _ in range(STEPS):
        opt.step(lambda: wave(list(theta.values())))
        for parameter, estimate in zip(shadow, reference.estimate()[0], strict=True):
            parameter.grad = estimate
        adamw.step()
        reference.weights, reference.steps = [p.detach() for p in shadow], reference.steps + 1
    assert apart(theta.values(), shadow) < ROUNDING


def slope(tensors) -> float:
    """A linear loss: ĝ does not depend on θ."""
    x = torch.cat([t.detach().double().flatten() for t in tensors])
    return float(torch.linspace(-1, 1, len(x), dtype=torch.float64) @ x)


def test_a_window_of_momentum_leaves_out_beta_to_its_length(weights, twin):
    """The exact difference: after step t the full average is the window's plus β^window·m_{t−window}."""
    beta, window, theta, steps = 0.75, 3, weights(), 10
    rule = Momentum(beta, window=window)
    assert rule.truncation() == beta**window
    reference = twin(theta, slope, seed=5)
    full, averages = [t.clone() for t in reference.weights], [[torch.zeros_like(t) for t in reference.weights]]
    opt = MeZO(theta.items(), lr=LR, seed=5, rule=rule)
    missing = [torch.zeros_like(t) for t in full]
    for t in range(steps):
        opt.step(lambda: slope(list(theta.values())))
        estimate, _ = reference.estimate()
        averages.append([beta * a + (1 - beta) * g for a, g in zip(averages[-1], estimate, strict=True)])
        full = [a - LR * m for a, m in zip(full, averages[-1], strict=True)]
        before = averages[max(0, t + 1 - window)]
        missing = [a + LR * beta**window * m for a, m in zip(missing, before, strict=True)]
        reference.steps += 1
    left_out = [a - b for a, b in zip(theta.values(), full, strict=True)]
    assert max(float(m.abs().max()) for m in missing) > 0.1
    # pg is rounded to float32, at two points: 1.2e-7 of steps that add up to less than 10
    for a, b in zip(left_out, missing, strict=True):
        torch.testing.assert_close(a.detach(), b, rtol=0, atol=1.2e-6)


def test_the_default_window_leaves_out_a_thousandth_of_momentum():
    for beta in (0.5, 0.9, 0.99):
        assert 1e-3 * beta < Momentum(beta).truncation() <= 1e-3


def test_a_window_is_never_longer_than_what_a_step_can_draw():
    """Adam's usual β₂ = 0.999 then loses more than a thousandth, and says how much."""
    assert Adam().window == LONGEST and Adam().truncation() == pytest.approx(0.999**LONGEST)


def test_a_window_of_adam_is_adam_of_the_last_steps(weights, wave, twin, apart):
    theta = weights()

    def last_three(estimates, projected):
        return adaptive(0.75, 0.875, 1e-8)(estimates[-3:], projected[-3:])

    expected = race(theta, wave, twin, Adam(0.75, 0.875, window=3), last_three)
    assert apart(theta.values(), expected) < ROUNDING


@pytest.mark.parametrize("fused", [False, True])
def test_momentum_counts_a_skipped_step_as_one_without_a_slope(weights, wave, twin, apart, fused):
    theta, beta = weights(), 0.75
    reference = twin(theta, seed=5)
    opt = MeZO(theta.items(), lr=LR, seed=5, rule=Momentum(beta), fused=fused)
    m = [torch.zeros_like(t) for t in reference.weights]
    for k in range(STEPS):
        if k == 2:
            with pytest.warns(RuntimeWarning, match="step 2 has a loss that is not finite"):
                opt.step(lambda: math.nan)
            m = [beta * a for a in m]
        else:
            opt.step(lambda: wave(list(theta.values())))
            m = [beta * a + (1 - beta) * g for a, g in zip(m, reference.estimate()[0], strict=True)]
            reference.weights = [t - LR * a for t, a in zip(reference.weights, m, strict=True)]
        reference.steps += 1
    opt.flush()
    assert apart(theta.values(), reference.weights) < ROUNDING


@pytest.mark.parametrize("name", RULES)
def test_a_flat_loss_moves_nothing_under_any_rule(weights, apart, name):
    theta = weights()
    opt = MeZO(theta.items(), lr=LR, rule=name, law="three-point")
    for _ in range(3):
        opt.step(lambda: 1.0)
    assert apart(theta.values(), weights().values()) < 1e-15


def test_a_normalised_step_is_as_long_for_a_loss_a_thousand_times_as_steep(weights, wave, apart):
    ends = []
    for steepness in (1, 1000):
        theta = weights()
        opt = MeZO(theta.items(), lr=LR, rule="normalised")
        opt.step(lambda t=theta, s=steepness: s * wave(list(t.values())))
        ends.append(list(theta.values()))
    assert apart(*ends) < 1e-7  # pg in float32
    assert apart(ends[0], weights().values()) > 1e-2


@pytest.mark.parametrize("build, said", [
    (lambda: Momentum(1.0), r"`beta` must lie in \[0, 1\), got 1.0: 0.9 is usual"),
    (lambda: Momentum(-0.5), r"`beta` must lie in \[0, 1\), got -0.5"),
    (lambda: Adam(beta2=1.5), r"`beta` must lie in \[0, 1\), got 1.5"),
    (lambda: Adam(beta1=math.nan), r"`beta` must lie in \[0, 1\), got nan"),
    (lambda: Momentum(0.9, window=-1), r"`window` must be a whole number, at least 1, got -1"),
    (lambda: Adam(window=2.5), r"`window` must be a whole number, at least 1, got 2.5"),
    (lambda: Adam(delta=0.0), r"`delta` must be positive, got 0.0: 1e-8 is usual"),
])  # fmt: skip
def test_a_rule_refuses_what_is_no_average(build, said):
    with pytest.raises(ValueError, match=said):
        build()


def test_a_rule_with_the_hook_of_version_0_1_is_refused_and_does_not_run_as_another(weights):
    class Own(Rule):
        def moving(self, history, rates, decay):
            raise AssertionError

    with pytest.raises(ValueError, match="`rule` must update θ by its method `kernel`, got Own with the method `mov"):
        MeZO(weights().items(), lr=0.1, rule=Own())
