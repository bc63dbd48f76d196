"""The playground says what the library says: in Chromium, against Python, case by case."""

import json
import math
import random
import shlex
from dataclasses import dataclass, replace
from typing import Any

import chromium
import pytest
from playground_formulas import CLAIMS, LIMITS, claim_data

from mezo_lab.claims import Claim, Verdict, claim_named, trial
from mezo_lab.claims.claim import Experiment
from mezo_lab.claims.decision import DecisionRule, Status
from mezo_lab.claims.problems import BRUTE_FORCE_DIM
from mezo_lab.cli import parser
from mezo_lab.cli.verify import _expected_formula, _jobs
from mezo_lab.sampling import LAWS, Estimate, sample
from mezo_lab.theory import Expression

pytestmark = [pytest.mark.repo, pytest.mark.browser]

RESOLUTION = 0.01
COUNT = 200
LONGER = {"d": "dim", "n": "probes", "r": "rank"}
DIMS = (1, 2, 3, 5, 8, 12, 20, 21, 50, 100, 700, 2048, 100_000, 13_000_000_000)
FORMULAS = ("d/n", "(d+2)/n", "1 + (d+1)/n", "½(c+n)/n", "√d²/n", "1 - 2*t/d", "exp(-d/n)", "2d/n - 0.2")


@dataclass(frozen=True)
class Case:
    """One setting of the page, with the library's experiment."""

    settings: dict[str, Any]
    claim: Claim
    experiment: Experiment
    tested: float
    """The value that is tested: the formula's, or the theory's."""
    rounding: float

    @property
    def formula(self) -> str:
        return self.settings.get("formula", "")

    @property
    def parameters(self) -> dict[str, Any]:
        return parameters_of(self.settings)

    @property
    def against(self) -> Experiment:
        """The experiment with the formula in the theory's place, as `check` has it."""
        return replace(self.experiment, expected=self.tested, decoys=()) if self.formula else self.experiment


def parameters_of(settings: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the claim, by the library's names."""
    chosen = {letter: settings[letter] for letter in CLAIMS[settings["claim"]]}
    parameters = {LONGER.get(letter, letter): value for letter, value in chosen.items()}
    return parameters | ({"moment": "norm"} if settings["claim"] == "E1" else {})


def case_of(settings: dict[str, Any]) -> Case:
    """The case of these settings. Raises: ValueError where the library refuses them."""
    claim = claim_named(settings["claim"])
    experiment = claim.experiment(LAWS[settings["law"]], **parameters_of(settings))
    tested, rounding = experiment.expected, 0.0
    if settings.get("formula"):
        tested, rounding = Expression(settings["formula"]).rounded(experiment.symbols)
    return Case(settings, claim, experiment, tested, rounding)


def random_settings(seed: int) -> list[dict[str, Any]]:
    """Settings at random, over all claims, laws and sizes; some of them make no sense."""
    chance = random.Random(seed)
    found = []
    for place in range(2 * COUNT):
        claim = list(CLAIMS)[place % len(CLAIMS)]
        data = claim_data(claim)
        law = chance.choice(data["laws"])
        dims = [d for d in DIMS if LAWS[law].rotation_invariant or d <= BRUTE_FORCE_DIM // 3]
        values = {
            "d": chance.choice(dims),
            "n": chance.choice((1, 1, 2, 3, 4, 8, 12)),
            "r": chance.choice((1, 2, 3, 5, 12, 50)),
            "t": chance.choice((0.5, 1.0, 1.5, 2.0)),
            "p": chance.choice((1, 3, 12, 576, 50_000)),
            "q": chance.choice((2, 5, 30, 1536)),
            "k": chance.choice((1, 2, 4)),
        }
        settings = {"claim": claim, "law": law} | {letter: values[letter] for letter in data["parameters"]}
        offered = ["", "", data["formula"], *(decoy["formula"] for decoy in data["decoys"]), *FORMULAS]
        found.append(settings | {"formula": chance.choice(offered)})
    return found


def cases() -> list[Case]:
    """The cases that make sense to the library, COUNT of them."""
    found = []
    for settings in random_settings(seed=19):
        try:
            found.append(case_of(settings))
        except ValueError:
            continue
    assert len(found) >= COUNT
    return found[:COUNT]


def estimates(case: Case, seed: int) -> list[Estimate]:
    """Made-up draws around the value that is tested: some far off, some without scatter, some resting on one draw."""
    chance = random.Random(seed)
    found = []
    for _ in range(6):
        scale = abs(case.experiment.expected) or 1.0
        error = scale * 10 ** chance.uniform(-8, -1) * chance.choice((0, 1, 1, 1, 1, 1))
        mean = chance.choice((case.tested, case.experiment.expected)) + error * chance.choice(
            (0.1, -3, 4.9, -5.2, 7, -60)
        )
        farthest = chance.choice((0.001, -0.001, 0.05, -0.05, 0.4, -0.4))
        found.append(Estimate(mean, error, chance.choice((36, 900, 16_384, 930_000)), farthest))
    return found


@pytest.fixture(scope="module")
def library_cases() -> list[Case]:
    return cases()


def called(playground: chromium.Page, function: str, argument: object) -> object:
    """What a JavaScript function makes of a value."""
    return playground.evaluate(f"(async () => ({function})({json.dumps(argument)}))()")


BUILT = """(all) => all.map((settings) => {
  try {
    const made = experiments.build(settings);
    const { theory, expected, rounding, kind, symbols, decoys } = made;
    return { theory, expected, rounding, kind, symbols, decoys, command: experiments.command(settings) };
  } catch (error) {
    return { error: error.message };
  }
})"""


def close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-12)


def differences(playground: chromium.Page, library_cases: list[Case]) -> list[str]:
    """The cases in which the page and the library differ, in words."""
    found = []
    built = called(playground, BUILT, [case.settings for case in library_cases])
    assert isinstance(built, list)
    for case, made in zip(library_cases, built, strict=True):
        experiment = case.experiment
        decoys = {decoy.statement: decoy.expected(experiment) for decoy in experiment.decoys}
        for name, right in (
            ("error", "error" not in made),
            ("theory", close(made.get("theory", math.nan), experiment.expected)),
            ("expected", close(made.get("expected", math.nan), case.tested)),
            ("rounding", math.isclose(made.get("rounding", math.nan), case.rounding, rel_tol=1e-9)),
            ("kind", made.get("kind") == experiment.kind),
            ("symbols", list(made.get("symbols", {})) == list(experiment.symbols)),
            ("values", all(close(experiment.symbols[key], x) for key, x in made.get("symbols", {}).items())),
            ("decoys", [each["formula"] for each in made.get("decoys", [])] == list(decoys)),
            (
                "decoy",
                all(close(each["expected"], decoys.get(each["formula"], math.nan)) for each in made.get("decoys", [])),
            ),
        ):
            if not right:
                found.append(f"{name} of {case.settings}: {made}, {experiment.expected}, {decoys}")
                break
    return found


def test_two_hundred_cases_have_the_librarys_values_symbols_and_decoys(playground, library_cases):
    assert len(library_cases) == COUNT
    assert {case.claim.id for case in library_cases} == set(CLAIMS)
    assert {case.settings["law"] for case in library_cases} == set(LAWS)
    assert differences(playground, library_cases) == []


def test_a_wrong_formula_in_the_generated_file_is_caught(playground, library_cases):
    playground.evaluate("library.theory.norm.gaussian = (d, n) => (d + n - 1) / n; 0")
    caught = differences(playground, library_cases)
    assert caught
    assert all("gaussian" in each for each in caught)


def test_what_the_library_refuses_the_page_refuses_too(playground):
    refused = []
    for settings in random_settings(seed=20):
        try:
            case_of(settings)
        except ValueError:
            refused.append(settings)
    built = called(playground, BUILT, refused)
    assert len(refused) > 20
    assert [settings for settings, made in zip(refused, built, strict=True) if "error" not in made] == []


JUDGED = """(all) => all.map(([settings, drawn]) => {
  const experiment = experiments.build(settings);
  return drawn.map((estimate) => {
    const { status, missing, distance, detectable, sentence, decoys } = verdict.judge(experiment, estimate);
    const others = decoys.map((decoy) => [decoy.status, decoy.missing]);
    return { status, missing, distance: String(distance), detectable: String(detectable), sentence, decoys: others };
  });
})"""


def library_judges(case: Case, estimate: Estimate) -> tuple[Verdict, list]:
    """The verdict of `check` on these draws, and those on the decoys of the theory."""
    experiment = case.against
    rule = DecisionRule(experiment.kind, experiment.relation, True)
    scale = abs(case.experiment.expected)
    targets = [(experiment.resolution or RESOLUTION) * scale]
    if not trial.same_value(case.tested, case.experiment.expected, case.rounding):
        targets.append(abs(case.tested - case.experiment.expected))
    status, missing = rule.status(estimate, case.tested, min(targets))
    judged = Verdict(
        claim=case.claim,
        law=case.settings["law"],
        parameters={},
        formula=case.formula or None,
        relation=experiment.relation,
        expected=case.tested,
        theory=case.experiment.expected,
        estimate=estimate,
        z_score=rule.z_score(estimate, case.tested),
        detectable=rule.reach(estimate, case.tested) / scale,
        resolution=min(targets) / scale,
        status=status,
        missing=missing,
        decoys=(),
        proof=None,
        seconds=0.0,
        kind=experiment.kind,
        notes=trial._doubts(estimate, rule, case.tested, status),
    )
    true_rule = DecisionRule(case.experiment.kind, "==", True)
    of_theory = trial._Trial(case.experiment, 0, 0, "cpu", true_rule, 1, False)
    decoys = [of_theory.decoy_verdict(decoy, estimate) for decoy in case.experiment.decoys]
    return judged, [[decoy.status.name, decoy.missing] for decoy in decoys]


def same_numbers(one: list, other: list) -> bool:
    return all(
        a[0] == b[0] and math.isclose(a[1], b[1], rel_tol=1e-9, abs_tol=1) for a, b in zip(one, other, strict=True)
    )


def test_the_same_draws_have_the_same_verdict_in_the_same_words(playground, library_cases):
    drawn = [estimates(case, seed) for seed, case in enumerate(library_cases)]
    as_text = [
        [{"mean": e.mean, "error": e.standard_error, "count": e.count, "farthest": e.farthest} for e in each]
        for each in drawn
    ]
    pairs = [[case.settings, each] for case, each in zip(library_cases, as_text, strict=True)]
    judged = called(playground, JUDGED, pairs)
    seen = set()
    for case, own, found in zip(library_cases, drawn, judged, strict=True):
        for estimate, made in zip(own, found, strict=True):
            right, decoys = library_judges(case, estimate)
            shown = f"{case.settings} {estimate!r}: {made} {right}"
            seen.add(right.status)
            assert made["status"] == right.status.name, shown
            assert made["sentence"] == str(right).partition(": ")[2], shown
            assert math.isclose(made["missing"], right.missing, rel_tol=1e-9, abs_tol=1), shown
            for name, value in (("distance", right.z_score), ("detectable", right.detectable)):
                assert math.isclose(float(made[name].replace("Infinity", "inf")), value, rel_tol=1e-9, abs_tol=0.01), (
                    shown
                )
            assert same_numbers(made["decoys"], decoys), shown
    assert seen == set(Status)


PLANNED = """(all) => all.map(([settings, deviation]) => {
  const experiment = experiments.build(settings);
  const { count, notes } = verdict.plan(experiment, { count: 16384, deviation }, library.limits.numbers);
  return { count, notes, numbers: experiment.numbersPerDraw };
})"""


class _Piloted(trial._Trial):
    """A trial whose pilot had a given deviation."""

    def estimate(self, draw, count, stream, progress=None):
        return Estimate(self.experiment.expected, self.seed / math.sqrt(count), count)


def test_a_pilot_plans_as_many_draws_as_the_librarys(playground, library_cases, monkeypatch):
    monkeypatch.setattr(trial, "MOST_NUMBERS", LIMITS["numbers"])
    compared = 0
    planned_by_pilot = [case for case in library_cases if case.experiment.draws is None]
    scales = [
        abs(case.experiment.expected) * 1.037 * 10.0 ** (place % 7 - 3) for place, case in enumerate(planned_by_pilot)
    ]
    pairs = [[case.settings, deviation] for case, deviation in zip(planned_by_pilot, scales, strict=True)]
    for case, deviation, made in zip(planned_by_pilot, scales, called(playground, PLANNED, pairs), strict=True):
        experiment = replace(case.against, numbers_per_draw=made["numbers"])
        rule = DecisionRule(experiment.kind, experiment.relation, True)
        tried = _Piloted(experiment, deviation, 0, "cpu", rule, 1, False)  # type: ignore[arg-type]
        targets = [RESOLUTION * abs(case.experiment.expected)]
        if not trial.same_value(case.tested, case.experiment.expected, case.rounding):
            targets.append(abs(case.tested - case.experiment.expected))
        count, notes = tried.planned(targets, abs(case.experiment.expected))
        if made["count"] != count and 16_384 * 5 * made["numbers"] > trial.PILOT_NUMBERS:
            continue  # the library's own pilot would be smaller
        compared += 1
        assert made["count"] == count, (case.settings, deviation)
        cut = [note.partition(": ")[0] for note in notes]
        assert [note.partition(": ")[0] for note in made["notes"]] == cut
    assert compared > 0.9 * len(planned_by_pilot) > 100


SAMPLED = """async ([settings, count]) => {
  const experiment = experiments.build(settings);
  const moments = await runs.sample(experiment, count, 7, 1, () => {}, () => false);
  const { mean, error, farthest } = moments.estimate();
  return { mean, error, count, farthest, squares: moments.squares };
}"""


def sampled(playground: chromium.Page, case: Case, count: int) -> Estimate:
    settings = {**case.settings, "formula": ""}
    found = called(playground, SAMPLED, [settings, count])
    assert isinstance(found, dict)
    return Estimate(found["mean"], found["error"], found["count"], found["farthest"])


def far_means(playground: chromium.Page, library_cases: list[Case]) -> list[str]:
    """The cases whose mean lies more than five standard errors off, by the library's rule."""
    found = []
    for case in library_cases:
        estimate = sampled(playground, case, 6_000)
        rule = DecisionRule(case.experiment.kind, "==", True)
        if rule.refuted(estimate, case.experiment.expected):
            found.append(f"{case.settings}: {estimate} for {case.experiment.expected:.9g}")
    return found


def test_the_means_of_two_hundred_cases_lie_within_five_standard_errors(playground, library_cases):
    assert far_means(playground, library_cases) == []


def test_a_biased_sampler_is_caught(playground, library_cases):
    playground.evaluate("var right = Random.prototype.normal; 0")
    playground.evaluate("Random.prototype.normal = function () { return 1.05 * right.call(this); }; 0")
    assert len(far_means(playground, [case for case in library_cases if case.settings["law"] == "gaussian"])) > 5


@pytest.mark.parametrize(
    "settings",
    [
        {"claim": "A2", "law": "gaussian", "d": 7, "n": 3},
        {"claim": "A4", "law": "sphere", "d": 6, "n": 4},
        {"claim": "A4", "law": "orthogonal", "d": 9, "n": 4},
        {"claim": "B3", "law": "orthogonal", "d": 6, "n": 4, "r": 3},
        {"claim": "B3", "law": "orthogonal", "d": 8, "n": 3, "r": 3},
        {"claim": "B3", "law": "sphere", "d": 8, "n": 2, "r": 5},
        {"claim": "B6", "law": "gaussian", "d": 30, "n": 2, "r": 4, "t": 1.0},
        {"claim": "A2", "law": "three-point", "d": 5, "n": 2},
        {"claim": "A2", "law": "coordinate", "d": 5, "n": 3},
    ],
    ids=lambda settings: f"{settings['claim']}-{settings['law']}",
)
def test_the_draws_have_the_spread_of_the_librarys_which_draws_z(playground, settings):
    case = case_of(settings)
    count = 40_000
    own = sampled(playground, case, count)
    drawn = sample(case.experiment.draw, count, numbers_per_draw=case.experiment.numbers_per_draw, seed=3).estimate()
    assert abs(own.mean - drawn.mean) < 5 * math.hypot(own.standard_error, drawn.standard_error)
    assert own.standard_error == pytest.approx(drawn.standard_error, rel=0.08)


@pytest.mark.parametrize(("law", "d", "n"), [("orthogonal", 12, 12), ("orthogonal", 40, 40), ("rademacher", 1, 1)])
def test_an_estimate_that_is_the_gradient_does_not_vary(playground, law, d, n):
    case = case_of({"claim": "A2", "law": law, "d": d, "n": n})
    assert case.experiment.deterministic
    estimate = sampled(playground, case, 2_000)
    assert not trial.scattered(estimate)
    assert trial.same_value(estimate.mean, 1.0)


def test_every_command_is_one_row_of_verify(playground, library_cases):
    built = called(playground, BUILT, [case.settings for case in library_cases])
    for case, made in zip(library_cases, built, strict=True):
        options = parser().parse_args(shlex.split(made["command"])[1:])
        planned = _jobs(options)
        assert [(job.claim.name, job.law.name, job.parameters) for job in planned] == [
            (case.claim.name, case.settings["law"], case.parameters)
        ], made["command"]
        if case.formula:
            assert _expected_formula(options.expect, planned)(planned[0].experiment.symbols) == case.tested
