"""`check` keeps its promises: no false alarm, no missed resolution, draws fixed beforehand, decoys that count."""

import math
from dataclasses import replace

import numpy
import pytest
import torch
from scipy import stats

from mezo_lab.claims import Claim, Decoy, Experiment, Status, check, claim_named, trial
from mezo_lab.claims.decision import ALARM, DETECTABLE, MARGIN
from mezo_lab.claims.trial import PILOT
from mezo_lab.claims.verdict import Verdict
from mezo_lab.sampling import LAWS
from mezo_lab.theory import Expression

SEEDS = range(200)
RESOLUTION = 0.05
NEEDED = (DETECTABLE / RESOLUTION) ** 2  # draws of relative deviation 1 that see the resolution


def exponential(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.empty(count).exponential_(generator=generator)  # mean 1, deviation 1


def toy(*decoys: Decoy, draw=exponential, expected: float = 1.0, name: str = "toy", **more) -> Claim:
    """The claim that an exponential draw has mean 1, with whatever is wrong about it."""

    def build(law):
        return Experiment(expected, draw, numbers_per_draw=1, symbols={"m": expected}, decoys=decoys, **more)

    return Claim(
        "T1", name, "E[X] = 1", "made up", ("gaussian",), {m: [{}] for m in ("fast", "default", "full")}, build
    )


TOY = toy()


def test_a_bound_of_one_on_a_share_is_planned_as_any_other():
    found = check(claim_named("tail"), LAWS["gaussian"], {"dim": 10, "u": 0}, resolution=0.1)
    assert found.passed, str(found)


def tried(claim: Claim = TOY, parameters: dict | None = None, resolution: float = RESOLUTION, **more) -> Verdict:
    return check(claim, LAWS["gaussian"], parameters or {}, resolution=resolution, **more)


def norm_factor(seed: int, expect: str | None = None) -> Verdict:
    formula = Expression(expect) if expect else None
    return tried(claim_named("norm-factor"), {"dim": 4, "probes": 2}, resolution=0.1, seed=seed, expect=formula)


SUBJECTS = {"exponential": lambda seed: tried(seed=seed), "norm-factor": norm_factor}


def distance_from_standard_normal(scores: list[float]) -> float:
    """How many standard errors the mean square of the z-scores lies from 1."""
    return abs(numpy.mean(numpy.square(scores)) - 1) / math.sqrt(2 / len(scores))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_truth_is_never_refuted_and_its_z_scores_are_standard_normal(subject):
    verdicts = [SUBJECTS[subject](seed) for seed in SEEDS]
    assert all(found.passed for found in verdicts)
    scores = [found.z_score for found in verdicts]
    assert max(map(abs, scores)) < ALARM
    assert stats.kstest(scores, "norm").pvalue > 1e-3
    assert distance_from_standard_normal(scores) < 5
    # errors stated twice too large or too small would be caught
    assert distance_from_standard_normal([2 * z for z in scores]) > 10
    assert distance_from_standard_normal([z / 2 for z in scores]) > 5


WRONG = {
    "5 % too high": lambda seed: tried(seed=seed, expect=Expression("1.05*m")),
    "5 % too low": lambda seed: tried(seed=seed, expect=Expression("0.95*m")),
    "norm-factor 10 % too high": lambda seed: norm_factor(seed, expect="1.1*(d+n+1)/n"),
}


@pytest.mark.parametrize("formula", WRONG)
def test_a_formula_wrong_by_exactly_the_resolution_is_always_refuted(formula):
    assert {WRONG[formula](seed).status for seed in SEEDS} == {Status.REFUTED}


def test_too_few_draws_say_how_many_are_missing_and_that_many_suffice():
    for seed in range(50):
        few = tried(seed=seed, draws=2_000)
        assert few.status is Status.UNDERPOWERED and not few.passed
        assert NEEDED < 2_000 + few.missing < 2 * NEEDED
        assert tried(seed=seed, draws=2_000 + few.missing).status is Status.CONSISTENT


def test_a_verdict_says_what_it_would_have_seen():
    found = tried(draws=1_000_000)
    assert found.detectable == pytest.approx(DETECTABLE / 1_000, rel=0.02)
    assert found.resolution == RESOLUTION


def test_a_decoy_is_refuted_and_drawn_for_as_long_as_that_takes():
    found = tried(toy(Decoy("m + 0.02")))
    assert found.passed and found.decoys[0].status is Status.REFUTED
    assert found.estimate.count > (DETECTABLE / 0.02) ** 2 > 2 * tried().estimate.count


def test_a_decoy_that_is_not_refuted_fails_the_run():
    found = tried(toy(Decoy("m + 0.001")), draws=60_000)
    assert found.status is Status.CONSISTENT and found.decoys[0].status is Status.UNDERPOWERED
    assert not found.passed


def test_a_decoy_that_is_simply_true_is_left_out():
    assert tried(toy(Decoy("m*1"), Decoy("2*m"))).decoys[0].statement == "2*m"


def test_a_wrong_experiment_is_refuted():
    found = tried(toy(Decoy("longer draws", draw=lambda count, generator: 1.2 * exponential(count, generator))))
    assert found.passed and found.decoys[0].z_score > ALARM
    assert found.decoys[0].expected == 1.0  # held against the right formula


def test_a_wrong_experiment_that_is_not_wrong_fails_the_run():
    found = tried(toy(Decoy("the same draws", draw=exponential)))
    assert found.status is Status.CONSISTENT and not found.passed


@pytest.mark.parametrize(
    ("bound", "status"), [(1.5, Status.CONSISTENT), (1.0, Status.CONSISTENT), (0.9, Status.REFUTED)]
)
def test_an_upper_bound_is_refuted_only_from_above(bound, status):
    assert tried(toy(expected=bound, relation="<=")).status is status
    if bound == 1.5:
        assert tried(toy(expected=bound)).status is Status.REFUTED  # as an equality it is not true


def test_a_decoy_of_an_upper_bound_is_held_against_the_mean():
    found = tried(toy(Decoy("0.97"), expected=1.5, relation="<="))
    assert found.passed and found.estimate.count > (DETECTABLE / 0.04) ** 2


def test_the_number_of_draws_is_fixed_by_the_pilot():
    drawn = 0

    def wider_after_the_pilot(count, generator):
        nonlocal drawn
        drawn += count
        return 1 + (exponential(count, generator) - 1) * (1 if drawn <= PILOT else 10)

    treacherous = tried(toy(draw=wider_after_the_pilot))
    assert treacherous.estimate.count == tried().estimate.count == drawn - PILOT
    assert treacherous.status is Status.UNDERPOWERED  # it does not go on until it looks good


def test_where_draws_are_dear_the_pilot_is_short_and_shows_its_progress(monkeypatch):
    monkeypatch.setattr(trial, "PILOT_NUMBERS", 2_000)  # of one number each, in the toy
    seen: list[tuple[int, int]] = []
    tried(toy(), progress=lambda done, planned: seen.append((done, planned)))
    assert seen[0] == (2_000, 2_000)
    monkeypatch.setattr(trial, "PILOT_NUMBERS", 1)
    tried(toy(), progress=lambda done, planned: seen.append((done, planned)))
    assert (trial.FEWEST, trial.FEWEST) in seen


def test_pilot_draws_and_wrong_experiments_never_share_their_words():
    seeds: list[int] = []

    def watched(count, generator):
        seeds.append(generator.initial_seed())
        return exponential(count, generator)

    tried(toy(Decoy("the same draws", draw=watched), draw=watched))
    assert len(seeds) == len(set(seeds)) == 3


def test_the_plan_has_a_margin_over_what_is_needed():
    counts = [tried(seed=seed).estimate.count for seed in range(20)]
    assert all(NEEDED < count < 1.3 * MARGIN * NEEDED for count in counts)


def test_the_number_of_draws_may_be_given():
    assert tried(draws=12_345).estimate.count == 12_345


@pytest.mark.parametrize("draws", [1, 0, -3])
def test_fewer_than_two_draws_are_refused(draws):
    with pytest.raises(ValueError, match=rf"`draws` must be at least 2, got {draws}"):
        tried(draws=draws)


def test_a_decoy_out_of_reach_is_underpowered_and_says_what_it_would_take():
    found = tried(toy(Decoy("m + 1e-6")))
    assert found.estimate.count == tried().estimate.count  # it does not try
    assert found.status is Status.CONSISTENT and not found.passed
    decoy = found.decoys[0]
    assert decoy.status is Status.UNDERPOWERED
    assert decoy.missing == pytest.approx(MARGIN * (DETECTABLE / 1e-6) ** 2, rel=0.1)


def test_a_resolution_out_of_reach_is_told_at_once_with_the_one_within_reach(monkeypatch):
    monkeypatch.setattr(trial, "MOST_NUMBERS", 1_000_000)
    found = tried(resolution=1e-4)
    assert found.estimate.count == 17_000 and found.status is Status.UNDERPOWERED and found.missing > 10**9
    (note,) = found.notes
    assert "a resolution of 0.010 % would take about 1e+10 draws, and a run takes at most 1,000,000" in note
    assert "1.2 % is within reach: --resolution 0.012 (resolution=0.012)" in note
    assert tried(resolution=0.0125).status is Status.CONSISTENT


def test_a_resolution_out_of_reach_is_relative_to_the_theory_also_for_a_formula_far_from_it(monkeypatch):
    monkeypatch.setattr(trial, "MOST_NUMBERS", 1_000_000)
    (note,) = tried(resolution=1e-4, expect=Expression("1000*m")).notes
    assert "a resolution of 0.010 % would take" in note
    assert "1.2 % is within reach: --resolution 0.012" in note


def test_a_decoy_within_reach_is_still_refuted_where_the_resolution_is_not(monkeypatch):
    monkeypatch.setattr(trial, "MOST_NUMBERS", 1_000_000)
    found = tried(toy(Decoy("m + 0.02")), resolution=1e-4)
    assert found.decoys[0].status is Status.REFUTED and found.status is Status.UNDERPOWERED


@pytest.mark.parametrize("resolution", [1e-320, 1e-13, 0.0, 1.0, -0.1, math.nan, math.inf])
def test_a_resolution_without_sense_is_refused(resolution):
    with pytest.raises(ValueError, match=r"`resolution` must lie between 1e-12, .* and 1, got .*: 0.01 means 1 %"):
        tried(resolution=resolution)


def test_more_draws_than_any_run_ends_are_refused():
    with pytest.raises(ValueError, match=r"`draws` must be at most 9,007,199,254,740,992, .*: give a smaller --draws"):
        tried(draws=10**30)


def test_a_formula_nobody_could_tell_from_the_truth_is_underpowered():
    found = tried(expect=Expression("m + 1e-9"), draws=60_000)
    assert found.status is Status.UNDERPOWERED and found.missing > 10**18


def test_zero_is_a_formula_like_any_other():
    assert tried(expect=Expression("m - m")).status is Status.REFUTED


def test_a_claim_about_a_function_of_the_mean_carries_its_error_along():
    claim = toy(Decoy("2.5*m/m"), expected=math.e, transform=math.exp)
    verdicts = [tried(claim, seed=seed) for seed in SEEDS]
    assert all(found.passed for found in verdicts)
    assert distance_from_standard_normal([found.z_score for found in verdicts]) < 5


def test_the_seed_decides_the_verdict():
    claim = toy(Decoy("2*m"))
    first, again, other = (replace(tried(claim, seed=seed), seconds=0.0) for seed in (1, 1, 2))
    assert first == again != other


def test_two_claims_of_one_seed_do_not_share_their_draws():
    assert tried(toy(name="one")).z_score != tried(toy(name="another")).z_score


def test_progress_ends_at_the_planned_number_of_draws():
    told: list[tuple[int, int]] = []
    found = tried(progress=lambda *now: told.append(now))
    assert told[-1] == (found.estimate.count, found.estimate.count)
