"""No verdict is more certain than its draws: rounding, shares, no scatter, one draw that holds the variance."""

import math
import random
from itertools import product

import pytest
import torch
from scipy import stats

from mezo_lab import theory
from mezo_lab.claims import Claim, Decoy, Experiment, Status, check
from mezo_lab.claims.decision import ALARM, TAIL, DecisionRule, at_least, draws_to_exclude, same_value, share_interval
from mezo_lab.claims.problems import symbols_of
from mezo_lab.claims.verdict import Verdict
from mezo_lab.sampling import LAWS, Estimate
from mezo_lab.theory import Expression

SIZES = (1, 2, 3, 5, 7, 10, 20, 31, 49, 50, 64, 97, 99, 100)
FORMS = (  # of the norm factor
    "(c + (n-1)*cross)/n",
    "c/n + cross - cross/n",
    "cross + (c-cross)/n",
    "(1-1/n)*cross + (1/n)*c",
    "((c + n*cross)**2 - cross**2)/(c + n*cross + cross)/n",
    "1e6*(c + (n-1)*cross) / (1e6*n)",
)
OF_IID = (
    "(d+n+kappa-2)/n",
    "1 + (d+kappa-2)/n",
    "((d-1)+kappa+(n-1))/n",
    "d/n + 1 + (kappa-2)/n",
    "(d/3+d/1.5+n+kappa-2)/n",
)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_every_right_way_of_writing_a_formula_is_the_same_value_for_every_d_and_n(law):
    forms = [Expression(form) for form in (*FORMS, *(OF_IID if hasattr(law, "kurtosis") else ()))]
    for dim, probes in product(SIZES, SIZES):
        if law.name == "orthogonal" and probes > dim:
            continue
        symbols, truth = symbols_of(law, dim, probes), float(theory.norm_factor(dim, probes, law.moments(dim)))
        for form in forms:
            assert same_value(truth, *form.rounded(symbols)), (form.text, dim, probes)
            wrong, rounding = Expression(f"({form.text})*(1+1e-9)").rounded(symbols)
            assert not same_value(truth, wrong, rounding)


def test_what_cancels_is_the_same_value_only_as_far_as_its_digits_go():
    truth, symbols = 13.75, {"d": 50.0, "n": 4.0}
    lossy = Expression("((d+n+1)*1e9 + 1e15 - 1e15)/n/1e9").rounded(symbols)
    assert same_value(truth, *lossy)
    assert not same_value(truth, *Expression("((d+n-1)*1e9 + 1e15 - 1e15)/n/1e9").rounded(symbols))


@pytest.mark.parametrize("dim", [10**9, 10**11, 10**13])
def test_formulas_that_differ_are_not_called_the_same_where_d_is_huge(dim):
    symbols = {"d": float(dim), "n": 4.0}
    other = Expression("(d+n-1)/n").rounded(symbols)
    assert not same_value((dim + 5) / 4, *other)
    assert same_value((dim + 5) / 4, *Expression("1 + (d+1)/n").rounded(symbols))


def test_binomial_tails_and_intervals_are_those_of_scipy():
    rng = random.Random(1)
    for _ in range(500):
        count = int(10 ** rng.uniform(0, 5))
        successes, chance = rng.randint(0, count), 10 ** rng.uniform(-6, 0)
        expected = float(stats.binom.sf(successes - 1, count, chance))
        assert at_least(successes, count, chance) == pytest.approx(expected, rel=1e-7, abs=1e-300)
    for successes, count in ((0, 5), (5, 5), (3, 20), (17, 100_000), (1, 2)):
        exact = stats.binomtest(successes, count).proportion_ci(0.95, "exact")
        assert share_interval(successes, count) == pytest.approx((exact.low, exact.high), rel=1e-8)


def share_of(chance: float, expected: float, relation="==", **more) -> Claim:
    """The claim that a coin which lands heads with `chance` does so with `expected`."""

    def build(law):
        def draw(count, generator):
            return (torch.rand(count, generator=generator, dtype=torch.float64) < chance).double()

        return Experiment(expected, draw, 1, {"p": expected}, relation=relation, share=True, **more)

    return claim_of(build)


def claim_of(build) -> Claim:
    sets = {mode: [{}] for mode in ("fast", "default", "full")}
    return Claim("T2", "coin", "Pr[X] = p", "made up", ("gaussian",), sets, build)


def tried(claim: Claim, **more) -> Verdict:
    return check(claim, LAWS["gaussian"], {}, **more)


@pytest.mark.parametrize(("resolution", "draws"), [(0.01, 299), (0.02, 149), (0.3, 9)])
def test_what_is_certain_is_drawn_until_its_failures_are_excluded(resolution, draws):
    found = tried(share_of(1.0, 1.0), resolution=resolution)
    assert found.passed and found.estimate.count == draws == draws_to_exclude(resolution)
    assert 1 - found.detectable == pytest.approx(0.05 ** (1 / draws))


def test_eight_successes_exclude_no_more_than_they_do():
    found = tried(share_of(1.0, 1.0), draws=8)
    assert found.status is Status.UNDERPOWERED and found.missing == 291
    assert "8 of 8, which excludes less than 68 %: UNDERPOWERED (291 more draws are needed)" in str(found)


def test_one_failure_refutes_what_is_certain_and_one_success_what_never_happens():
    for seed in range(20):
        found = tried(share_of(0.97, 1.0), seed=seed, draws=2_000)
        assert found.status is Status.REFUTED and found.z_score == -math.inf
        assert "of 2,000, where all were expected: REFUTED" in str(found)
    never = claim_of(
        lambda law: Experiment(1.0, lambda n, g: torch.rand(n, generator=g).round(), 1, {"p": 1.0}, share=True)
    )
    assert tried(never, expect=Expression("p - 1")).status is Status.REFUTED


@pytest.mark.parametrize("chance", [1e-3, 0.03, 0.5, 0.999])
def test_a_share_told_truly_is_not_refuted_and_one_told_wrongly_is(chance):
    for seed in range(40):
        assert tried(share_of(chance, chance), seed=seed, draws=20_000).status is not Status.REFUTED
    assert tried(share_of(chance, min(1.0, chance * 2)), draws=200_000).status is Status.REFUTED
    assert tried(share_of(chance, chance / 2), draws=200_000).status is Status.REFUTED


@pytest.mark.parametrize("expected", [1e-6, 1e-4])
def test_no_event_among_the_draws_does_not_refute_a_small_share(expected):
    found = tried(share_of(0.0, expected), draws=20_000)
    assert found.status is Status.UNDERPOWERED
    assert tried(share_of(0.0, 0.01), draws=20_000).status is Status.REFUTED


def test_a_bound_of_a_share_is_refuted_from_above_only():
    assert tried(share_of(0.1, 0.5, "<="), draws=5_000, resolution=0.1).status is Status.CONSISTENT
    assert tried(share_of(0.6, 0.5, "<="), draws=5_000).status is Status.REFUTED


@pytest.mark.parametrize("formula", ["1.5", "-0.5", "p + 1", "2", "4*p", "-1"])
def test_what_is_no_probability_is_refuted(formula):
    assert tried(share_of(0.5, 0.5), draws=100, expect=Expression(formula)).status is Status.REFUTED


def constant(value: float, expected: float, *decoys: Decoy, **more) -> Claim:
    def build(law):
        return Experiment(expected, lambda n, g: torch.full((n,), value).double(), 1, {"m": expected}, decoys, **more)

    return claim_of(build)


@pytest.mark.parametrize("expected", [1.0, 1.1, 0.9])
def test_draws_that_are_all_equal_tell_nothing_unless_the_theory_says_so(expected):
    found = tried(constant(1.0, expected))
    assert found.status is Status.UNDERPOWERED and found.missing == 0 and math.isinf(found.detectable)
    assert (
        "all 17,000 draws are equal, and that is no certainty: what happens less than once in 5,666" in found.notes[0]
    )
    right = Status.CONSISTENT if expected == 1.0 else Status.REFUTED
    assert tried(constant(1.0, expected, deterministic=True)).status is right


def test_a_decoy_of_draws_that_are_all_equal_is_not_refuted_either():
    found = tried(constant(1.0, 1.0, Decoy("2*m")))
    assert found.decoys[0].status is Status.UNDERPOWERED
    assert tried(constant(1.0, 1.0, Decoy("2*m"), deterministic=True)).passed


def test_an_experiment_that_is_called_deterministic_and_is_not_is_judged_by_its_scatter():
    def build(law):
        return Experiment(0.5, lambda n, g: torch.rand(n, generator=g).double(), 1, {}, deterministic=True)

    assert tried(claim_of(build)).status is Status.CONSISTENT
    assert tried(claim_of(build), expect=Expression("0.55")).status is Status.REFUTED


def test_a_share_cannot_be_deterministic():
    with pytest.raises(ValueError, match=r"`share` and `deterministic` exclude each other: .*; choose one"):
        Experiment(1.0, lambda n, g: torch.ones(n), 1, {}, share=True, deterministic=True)


@pytest.mark.parametrize(
    ("farthest", "deviation", "status"),
    [
        (0.11, -9.0, Status.UNDERPOWERED),  # one draw far above: others like it may be missing
        (0.11, 9.0, Status.REFUTED),  # more of them would only raise the mean
        (-0.11, 9.0, Status.UNDERPOWERED),
        (-0.11, -9.0, Status.REFUTED),
        (0.11, -56.0, Status.REFUTED),  # no sample misses so many
        (1.0, -18.0, Status.UNDERPOWERED),
        (0.001, -6.0, Status.REFUTED),
    ],
)
def test_an_error_bar_that_rests_on_few_draws_refutes_less_on_the_side_of_these_draws(farthest, deviation, status):
    found = Estimate(1 + deviation * 0.01, 0.01, 10_000, farthest)
    assert DecisionRule().status(found, 1.0, 0.2)[0] is status
    few = Estimate(found.mean, 0.01, 100, farthest)  # of which the farthest always holds much
    assert DecisionRule().status(few, 1.0, 0.2)[0] is Status.REFUTED


def test_rare_equal_events_are_refuted_as_seldom_as_anything_else():
    """Of a Poisson number of events each holds the same share of the variance."""
    judge = DecisionRule()
    for truth in (16, 20, 30, 60, 150, 400):
        chances = [
            stats.poisson.pmf(events, truth)
            for events in range(1, truth)
            if judge.refuted(Estimate(events, math.sqrt(events), 10_000, 1 / events), truth)
        ]
        assert sum(chances) < 3 * TAIL  # with the bare alarm it is up to 3e-4
    assert stats.poisson.cdf(11, 28) > 1e-4 and (11 - 28) / math.sqrt(11) < -ALARM


def test_a_law_that_is_not_trusted_leaves_the_side_of_its_tail_open_and_promises_no_resolution():
    doubtful = DecisionRule(trusted=False)
    for count in (100, 10_000):
        assert doubtful.status(Estimate(0.9, 0.01, count, 0.01), 1.0, 0.2) == (Status.UNDERPOWERED, 0)
        assert doubtful.status(Estimate(1.1, 0.01, count, 0.01), 1.0, 0.2)[0] is Status.REFUTED
        assert doubtful.status(Estimate(1.0, 0.01, count, 0.01), 1.0, 0.2)[0] is Status.UNDERPOWERED


def test_the_alarm_of_a_share_is_as_rare_as_that_of_a_mean():
    assert pytest.approx(stats.norm.sf(ALARM)) == TAIL
    assert at_least(700, 1_000, 0.5) < TAIL < at_least(560, 1_000, 0.5)


def test_no_number_of_missing_draws_overflows():
    assert DecisionRule().missing(Estimate(1.0, 1e300, 100), 1.0, 1e-300) > 1e299
    assert DecisionRule(kind="share").missing(Estimate(1.0, 0.0, 10), 1.0, 1e-300) > 1e299
