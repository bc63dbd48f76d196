"""A user's own sampler is told what it is: its mean, variance, kurtosis, dependence, and whether an error bar holds."""

import math
import re

import numpy
import pytest
import torch

from mezo_lab import LAWS, Iid, Status, check, check_law, claim_named
from mezo_lab.claims.controls import TIED_COORDINATES
from mezo_lab.claims.decision import DecisionRule
from mezo_lab.claims.trial import DOUBTED_NUMBERS
from mezo_lab.sampling import RunningMoments, signs
from mezo_lab.sampling.law_check import HEAVY, tail_of


def laplace_draw(shape, generator):
    return torch.empty(shape).exponential_(generator=generator) * signs(shape, generator) / 2**0.5


def student(freedom: int) -> Iid:
    """Unit-variance Student coordinates with their true kurtosis."""

    def draw(shape, generator):
        word = int(torch.randint(2**62, (1,), generator=generator))
        drawn = numpy.random.default_rng(word).standard_t(freedom, shape)
        return torch.from_numpy(drawn * math.sqrt((freedom - 2) / freedom))

    return Iid(f"t{freedom}", draw=draw, kurtosis=3 * (freedom - 2) / (freedom - 4))


def sparse(chance: float) -> Iid:
    def draw(shape, generator):
        there = torch.rand(shape, generator=generator, dtype=torch.float64) < chance
        return there * signs(shape, generator) / math.sqrt(chance)

    return Iid(f"sparse {chance:g}", draw=draw, kurtosis=1 / chance)


def scaled(factor: float, shift: float = 0.0):
    return Iid("scaled", draw=lambda shape, generator: shift + factor * torch.randn(shape, generator=generator))


LAPLACE = Iid("laplace", draw=laplace_draw, kurtosis=6)
T5, T12 = student(5), student(12)


@pytest.mark.parametrize("law", [*LAWS.values(), LAPLACE, T12, sparse(0.25), sparse(0.01)], ids=lambda law: law.name)
def test_a_law_that_is_what_it_says_has_no_problem(law):
    found = check_law(law)
    assert found.passed and found.trusted, str(found)


def radial(shape, generator):
    return torch.randn(shape, generator=generator) * (1 + 0.5 * signs((*shape[:-1], 1), generator)) / 1.25**0.5


def one_probe_for_all(shape, generator):
    return signs((shape[0], 1, *shape[2:]), generator).expand(shape)


def length_for_all(shape, generator):
    lengths = signs((shape[0], *(1 for _ in shape[1:])), generator)
    return torch.randn(shape, generator=generator) * (1 + 0.5 * lengths) / 1.25**0.5


WRONG = {
    "variance 2": (scaled(2**0.5), r"this sampler has variance 2\.00\d* ± 0\.00\d+, where 1 is meant: divide by √2$"),
    "variance 1/4": (scaled(0.5), r"variance 0\.2\d+ ± 0\.00\d+, where 1 is meant: divide by √0\.25$"),
    "variance 1 % off": (scaled(1.01**0.5), r"variance 1\.0\d+ ± 0\.00\d+, where 1 is meant: divide by √1\.01$"),
    "a mean": (scaled(1.0, 0.3), r"this sampler has mean 0\.\d+ ± 0\.00\d+, where 0 is meant: subtract 0\.(2|3)\d*$"),
    "nothing": (Iid("zeros", draw=lambda shape, generator: torch.zeros(shape)), "variance 0 ± 0, .* it is always 0"),
    "tied coordinates": (TIED_COORDINATES, r"correlated, up to E\[z_i z_j\] = −?1"),
    "one probe for all": (Iid("copied", draw=one_probe_for_all, kurtosis=1), "correlated, up to"),
    "one radius for a probe": (
        Iid("radial", draw=radial, kurtosis=4.92),
        r"of one probe depend .* = 1\.6\d* ± 0\.\d+, where 1",
    ),
    "one radius for all": (Iid("radial", draw=length_for_all, kurtosis=4.92), "of two probes depend on one another"),
    "another kurtosis": (
        Iid("laplace", draw=laplace_draw, kurtosis=3),
        r"kurtosis (5\.[89]|6\.[01])\d* ± 0\.\d+, where 3 was stated: state (5\.[89]|6\.[01])",  # 6, within 5 errors
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_sampler_that_is_no_law_of_z_is_told_what_it_is(fault):
    law, sentence = WRONG[fault]
    found = check_law(law)
    assert any(re.search(sentence, problem) for problem in found.problems), found.problems
    assert "\n" not in str(found) and all(problem in str(found) for problem in found.problems)


def verdict(law, seed: int = 0, draws: int | None = 50_000, dim: int = 6, probes: int = 2, resolution: float = 0.05):
    parameters = {"dim": dim, "probes": probes}
    return check(claim_named("norm-factor"), law, parameters, draws=draws, seed=seed, resolution=resolution)


def test_the_verdict_on_a_sampler_of_variance_2_says_so():
    found = verdict(scaled(2**0.5))
    assert found.status is Status.REFUTED
    assert "this sampler has variance 2.0" in found.notes[0] and found.notes[0] in str(found)


def samples_of(law, dim: int, probes: int, draws: int, seeds: range):
    """‖ĝ‖² of as many samples as seeds, as `check` would estimate it, drawn at once."""
    g = torch.arange(1, dim + 1, dtype=torch.float64) ** -0.5
    g = g / g.norm()
    for seed in seeds:
        z = law.sample(draws, probes, dim, torch.Generator().manual_seed(seed))
        running = RunningMoments()
        running.add(torch.einsum("cnd,cn->cd", z, z @ g).square().sum(-1) / probes**2)
        yield running.estimate()


def test_students_t5_is_told_and_never_refuted_although_its_error_bar_lies():
    told = check_law(T5)
    assert not told.trusted and "eighth moment of this law seems infinite (its tail falls like the power z^(−" in str(
        told
    )
    found = list(samples_of(T5, 1, 1, 10_000, range(250)))
    judge = DecisionRule(trusted=told.trusted)
    assert not any(judge.refuted(estimate, 9.0) for estimate in found)
    low = [estimate for estimate in found if estimate.z_score(9.0) < -5]
    assert len(low) > 10  # whoever believes the error bar is wrong as often as this
    whole = verdict(T5)
    assert whole.status is Status.UNDERPOWERED and "eighth moment" in whole.notes[0] and not whole.passed
    assert "eighth moment" in str(whole)


@pytest.mark.slow  # 250 whole runs of 50,000 draws: a minute and a half
def test_whole_runs_of_students_t5_are_never_refuted():
    assert {verdict(T5, seed).status for seed in range(250)} == {Status.UNDERPOWERED}


@pytest.mark.parametrize("law", [LAPLACE, LAWS["uniform"], LAWS["three-point"], T12], ids=lambda law: law.name)
def test_laws_with_an_eighth_moment_are_judged_as_ever(law):
    wrong = Iid(law.name, draw=law.draw, kurtosis=float(law.kurtosis) * 1.5)
    for seed in range(3):
        right = verdict(law, seed, draws=None)
        assert right.status is Status.CONSISTENT, str(right)
        assert verdict(wrong, seed, draws=right.estimate.count).status is Status.REFUTED


def test_a_law_whose_events_are_too_rare_to_be_seen_is_not_refuted_and_is_told():
    for chance in (1e-6, 3e-6):
        found = [verdict(sparse(chance), seed, draws=16_384) for seed in range(12)]
        assert {each.status for each in found} == {Status.UNDERPOWERED}
        assert all("eighth moment" in each.notes[0] for each in found)


def heavy(draw, samples: int = 12, size: int = 1 << 20) -> int:
    """How many of the samples are said to have no eighth moment."""
    rng = numpy.random.default_rng(3)
    return sum(not tail_of(torch.from_numpy(numpy.abs(draw(rng, size))))[1] for _ in range(samples))


def test_the_tail_is_told_where_it_can_be():
    assert heavy(lambda rng, size: rng.standard_t(5, size)) == 12
    assert heavy(lambda rng, size: rng.standard_t(6, size)) >= 10  # of half as many coordinates as `check_law` takes
    for light in (
        lambda rng, size: rng.standard_t(12, size),
        lambda rng, size: rng.laplace(size=size),
        lambda rng, size: rng.standard_normal(size),
        lambda rng, size: rng.random(size),
        lambda rng, size: rng.integers(-1, 2, size).astype(float),
    ):
        assert heavy(light) == 0
    assert tail_of(torch.from_numpy(numpy.random.default_rng(0).pareto(3, 1 << 20)))[0] > 2 * HEAVY


def test_a_law_is_drawn_from_once_for_all_its_verdicts():
    calls = []

    def draw(shape, generator):
        calls.append(shape)
        return signs(shape, generator)

    law = Iid("coin", draw=draw, kurtosis=1)
    for seed in range(3):
        check(claim_named("norm-factor"), law, {"dim": 4, "probes": 1}, draws=100, seed=seed)
    assert len([shape for shape in calls if shape[0] > 1_000]) == 1


def test_a_law_of_the_library_costs_no_look(monkeypatch):
    monkeypatch.setattr("mezo_lab.claims.trial.check_law", lambda *_, **__: pytest.fail("it was looked at"))
    assert verdict(LAWS["uniform"], draws=2_000).notes == ()


@pytest.mark.parametrize("chance", [1e-2, 1e-3, 1e-4, 1e-5])
def test_rare_events_that_were_never_seen_together_are_no_dependence(chance):
    def draw(shape, generator):
        hit = torch.rand(shape, generator=generator, dtype=torch.float64) < chance
        return (hit.double() - chance) / math.sqrt(chance * (1 - chance))

    law = Iid("rare", draw=draw, kurtosis=1 / (chance * (1 - chance)) - 3)
    assert not [problem for problem in check_law(law).problems if "depend" in problem or "correlated" in problem]


def test_coordinates_that_share_a_size_depend_on_one_another():
    def draw(shape, generator):
        large = torch.rand((*shape[:-1], 1), generator=generator) < 0.1
        return torch.randn(shape, generator=generator) * torch.where(large, 2.0, (2 / 3) ** 0.5)

    law = Iid("shared", draw=draw, kurtosis=6)
    assert "of one probe depend on one another" in str(check_law(law))


def test_a_law_that_no_draws_make_consistent_is_not_drawn_from_for_minutes():
    found = check(claim_named("norm-factor"), student(5), {"dim": 6, "probes": 2}, resolution=1e-3)
    assert found.estimate.count * 12 <= 2 * DOUBTED_NUMBERS


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda shape, generator: torch.randn(shape, generator=generator).log(), "must return finite numbers; got 1,"),
        (lambda shape, generator: torch.full(shape, math.inf), "got 2,097,152 of 2,097,152 that are not: look for"),
        (lambda shape, generator: torch.randn(shape[:1], generator=generator), r"got shape \(131072,\): draw one"),
        (
            lambda shape, generator: torch.randn(shape, generator=generator)[..., :1],
            "got shape .131072, 2, 1.: draw one",
        ),
        (lambda shape, generator: [1.0, 2.0], "must return a tensor of the shape it is given, .*; got list"),
    ],
)
def test_a_sampler_that_gives_no_numbers_of_the_shape_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        check_law(Iid("broken", draw=draw, kurtosis=3))
