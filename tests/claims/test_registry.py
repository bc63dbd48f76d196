"""The registry holds every claim that was promised, and each of them runs, passes, and refutes its decoys."""

import re
from pathlib import Path

import pytest
import torch

import mezo_lab
from mezo_lab.claims import REGISTRY, SYMBOLS, Claim, Status, check, claim, claim_named
from mezo_lab.claims.decision import same_value
from mezo_lab.cli import main
from mezo_lab.report.labels import typographic
from mezo_lab.sampling import KEYED_LAWS, LAWS
from mezo_lab.theory import Expression, printed

EVERY_LAW = list(LAWS)
KEYED = list(KEYED_LAWS)
PAPER = ["gaussian", "sphere", "rademacher"]
IID = ["gaussian", "rademacher", "uniform", "three-point"]
GAUSSIAN = ["gaussian"]
PROMISED = {  # id: name, the laws its row names
    "A0": ("random-search", GAUSSIAN),
    "A1": ("unbiased", EVERY_LAW),
    "A2": ("norm-factor", EVERY_LAW),
    "A3": ("second-moment", [*IID, "sphere", "coordinate"]),
    "A4": ("variance", EVERY_LAW),
    "A5": ("capture", ["gaussian", "sphere", "orthogonal", "rademacher"]),
    "A6": ("minibatch", EVERY_LAW),
    "A7": ("smoothing", GAUSSIAN),
    "A8": ("one-sided", GAUSSIAN),
    "A9": ("norm-probe", GAUSSIAN),
    "A10": ("curvature-probe", EVERY_LAW),
    "A11": ("variance-modified", GAUSSIAN),
    "A12": ("expectation-modified", GAUSSIAN),
    "A13": ("adam-blind", GAUSSIAN),
    "A14": ("residual-feedback", GAUSSIAN),
    "B1": ("descent-lemma", [*PAPER, "orthogonal"]),
    "B2": ("dimension-tax", EVERY_LAW),
    "B3": ("low-rank", [*PAPER, "orthogonal"]),
    "B4": ("any-spectrum", [*IID, "sphere", "orthogonal"]),
    "B5": ("same-object", PAPER),
    "B6": ("best-step", [*PAPER, "orthogonal"]),
    "B7": ("probes-are-a-wash", GAUSSIAN),
    "B8": ("pl-rate", ["gaussian", "sphere"]),
    "B9": ("tail", GAUSSIAN),
    "B10": ("general-directions", ["rademacher", "uniform", "coordinate"]),
    "B11": ("local-ball", [*PAPER, "orthogonal"]),
    "B12": ("stationarity", [*PAPER, "orthogonal"]),
    "C1": ("same-z", KEYED),
    "C2": ("isotropic", [*IID, "sphere", "low-rank"]),
    "C3": ("engine-factor", KEYED),
    "C4": ("restore", ["gaussian", "low-rank"]),
    "C5": ("replay", [*PAPER, "low-rank"]),
    "C6": ("memory", ["gaussian", "rademacher", "low-rank"]),
    "C7": ("rounding", GAUSSIAN),
    "E1": ("low-rank-direction", ["gaussian", "rademacher"]),
    "E2": ("fixed-subspace", ["gaussian", "sphere"]),
    "E3": ("aligned-subspace", ["gaussian", "sphere"]),
    "E5": ("momentum", [*PAPER, "orthogonal"]),
    "E7": ("baseline", ["gaussian", "rademacher", "sphere"]),
    "E4": ("orthogonal-probes", ["orthogonal"]),
    "E12": ("smoothing-any-law", EVERY_LAW),
    "E6": ("edge", [*IID, "sphere", "orthogonal"]),
    "E8": ("self-normalised", GAUSSIAN),
    "E9": ("curvature-diagonal", [*IID, "sphere"]),
    "E10": ("wandering", PAPER),
    "E11": ("noise-floor", [*PAPER, "orthogonal"]),
    "E13": ("quantised", ["rademacher", "gaussian"]),
    "E14": ("control-variate", ["gaussian", "rademacher"]),
}
SAMPLED = [found for found in REGISTRY.values() if not found.real]
MODES = ("fast", "default", "full")


def experiments(found: Claim, mode: str):
    """(law, parameters, experiment) for everything that a mode runs."""
    for law in (KEYED_LAWS[name] for name in found.laws):
        for parameters in found.parameter_sets(law, mode):
            yield law, parameters, found.experiment(law, **parameters)


each_claim = pytest.mark.parametrize("found", SAMPLED, ids=lambda found: f"{found.id}-{found.name}")
in_each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.mark.parametrize("id", PROMISED)
def test_every_promised_claim_is_in_the_registry_with_its_laws(id):
    name, laws = PROMISED[id]
    found = REGISTRY[name]
    assert found.id == id
    assert set(laws) <= set(found.laws) <= set(KEYED_LAWS)
    assert claim_named(id) is claim_named(id.lower()) is claim_named(name) is found


def test_every_claim_that_the_package_refers_to_is_in_its_own_list():
    # the trainings of section D are no means, and so no claims that a run can judge; `make accuracy` makes them
    known = {found.id for found in REGISTRY.values()} | {"D3", "D4", "D5", "D6"}
    files = [path for path in Path(mezo_lab.__file__).parent.rglob("*.py") if path.parent.name != "claims"]
    texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    cited = {(name, id) for name, text in texts.items() for id in re.findall(r"\bclaims? ([A-E]\d+)", text)}
    assert len(cited) > 20
    assert not [(name, id) for name, id in cited if id not in known]
    assert not [name for name, text in texts.items() if re.search(r"\bCLAIMS\b", text)], "no file of this repository"


def test_no_two_claims_share_an_id():
    assert len({found.id for found in REGISTRY.values()}) == len(REGISTRY)


@each_claim
def test_every_claim_names_its_statement_and_its_source(found):
    assert found.statement and found.source


@in_each_mode
@each_claim
def test_every_law_of_a_claim_has_a_parameter_set_and_a_decoy(found, mode):
    built = list(experiments(found, mode))
    assert {law.name for law, _, _ in built} == set(found.laws)
    assert all(experiment.decoys for _, _, experiment in built)


@in_each_mode
@each_claim
def test_every_decoy_differs_from_the_truth(found, mode):
    for _, _, experiment in experiments(found, mode):
        wrong = [decoy.expected(experiment) for decoy in experiment.decoys if not decoy.draw]
        assert all(abs(value - experiment.expected) > 1e-6 * abs(experiment.expected) for value in wrong)


def test_every_symbol_is_explained_and_every_explanation_is_used():
    offered = {
        name for found in SAMPLED for _, _, experiment in experiments(found, "fast") for name in experiment.symbols
    }
    assert offered == set(SYMBOLS)


@each_claim
def test_a_sweep_runs_over_a_parameter_of_the_claim(found):
    assert found.sweep is None or found.sweep in found.settings["default"][0]


@each_claim
def test_every_claim_passes_and_refutes_its_decoys(found):
    for law, parameters, _ in experiments(found, "fast"):
        verdict = check(found, law, parameters, resolution=0.02, seed=1)
        assert verdict.passed, f"{verdict}; decoys: {verdict.decoys}"


def test_an_unknown_claim_names_the_nearest():
    with pytest.raises(
        ValueError, match=r"`claim` must be a name or id of the registry, got 'nrm-factor': nearest: norm"
    ):
        claim_named("nrm-factor")


def test_a_claim_like_no_other_is_told_where_to_look():
    with pytest.raises(ValueError, match=r"got '@@@@': `mezo-lab list` shows them all"):
        claim_named("@@@@")


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match=r"`name` 'norm-factor' is taken by claim A2: choose another"):
        claim("X1", "norm-factor", "", source="", default=[{}], fast=[{}])(lambda law: None)
    with pytest.raises(ValueError, match=r"`id` 'A2' is taken by claim norm-factor: choose another"):
        claim("A2", "my-factor", "", source="", default=[{}], fast=[{}])(lambda law: None)


@pytest.mark.parametrize(
    ("name", "law", "parameters", "message"),
    [
        (
            "norm-factor",
            "gaussian",
            {"dim": 6, "sides": 2},
            "`sides` is no parameter of norm-factor: it has dim, probes",
        ),
        ("norm-factor", "gaussian", {"dim": 0, "probes": 1}, "`dim` must be at least 1, got 0: raise it"),
        ("norm-factor", "gaussian", {"dim": 6, "probes": 0}, "`probes` must be at least 1, got 0"),
        ("low-rank", "gaussian", {"dim": 6, "probes": 1, "rank": 0}, "`rank` must be at least 1, got 0"),
        ("pl-rate", "gaussian", {"dim": 8, "probes": 1, "batch": 0}, "`batch` must be at least 1, got 0"),
        ("low-rank", "gaussian", {"dim": 6, "probes": 1, "rank": 7}, "`rank` must be at most `dim`, got 7 > 6: raise"),
        (
            "best-step",
            "sphere",
            {"dim": 2, "probes": 1, "rank": 3, "t": 1.0},
            "`rank` must be at most `dim`, got 3 > 2",
        ),
        (
            "probes-are-a-wash",
            "gaussian",
            {"dim": 4, "probes": 2, "rank": 5},
            "`rank` must be at most `dim`, got 5 > 4",
        ),
        ("norm-factor", "orthogonal", {"dim": 6, "probes": 7}, "`probes` must be at most `dim` for the orthogonal law"),
        (
            "norm-factor",
            "orthogonal",
            {"dim": 4_000, "probes": 4_001},
            "`probes` must be at most `dim` for the orthogonal",
        ),
        (
            "capture",
            "gaussian",
            {"dim": 6, "probes": 7},
            "`probes` must be at most `dim` to span n directions, got 7 > 6",
        ),
        ("capture", "rademacher", {"dim": 6, "probes": 2}, "`probes` must be 1 for the rademacher law here, got 2"),
        (
            "norm-factor",
            "rademacher",
            {"dim": 1 << 25, "probes": 1},
            "`dim` must be at most 16,777,216 here, .*: lower",
        ),
        ("curvature-probe", "gaussian", {"dim": 4_096, "probes": 1}, "`dim` must be at most 2,048 here, got 4,096"),
        (
            "variance",
            "orthogonal",
            {"dim": 6, "probes": 6},
            "`expected` must not be 0, got .*: fewer probes, or a higher",
        ),
        (
            "low-rank-direction",
            "gaussian",
            {"p": 6, "q": 4, "k": 0, "probes": 1, "moment": "norm"},
            "`k` must be at least 1, got 0: raise it",
        ),
        (
            "low-rank-direction",
            "rademacher",
            {"p": 100_000, "q": 100_000, "k": 1, "probes": 1, "moment": "norm"},
            "`p` times `q` must be at most 16,777,216 here, got 10,000,000,000: lower one of them",
        ),
        (
            "fixed-subspace",
            "gaussian",
            {"p": 1_000_000, "q": 2_000, "k": 1, "probes": 1, "steps": 1, "moment": "mean"},
            "`p` times `q` must be at most 16,777,216 here, got 2,000,000,000: lower one of them",
        ),
        ("smoothing", "gaussian", {"dim": 10**11, "probes": 1}, "`dim` must be at most 16,777,216 here, .*: lower"),
        (
            "low-rank-direction",
            "gaussian",
            {"p": 6, "q": 4, "k": 1, "probes": 2, "moment": "cosine"},
            "`probes` must be 1 for the cosine, got 2",
        ),
        (
            "momentum",
            "gaussian",
            {"dim": 6, "probes": 1, "rank": 1, "beta": 0.9},
            "`rank` must be at least 2 here, got",
        ),
        (
            "baseline",
            "gaussian",
            {"dim": 6, "probes": 1, "baseline": "mean"},
            "`probes` must be at least 2 here, got 1",
        ),
        ("dimension-tax", "sphere", {"dim": 1, "probes": 3, "t": 1.0}, "`expected` must not be 0, got 0 at these"),
        (
            "self-normalised",
            "gaussian",
            {"dim": 6, "probes": 5, "moment": "scale"},
            "`probes` must be at least 6 here, got 5: of few losses the spread is often nearly 0",
        ),
        (
            "curvature-diagonal",
            "rademacher",
            {"dim": 4, "probes": 1, "moment": "centred"},
            "`law` must not be one of signs here: z_i² − 1 is 0 in every draw",
        ),
        (
            "curvature-diagonal",
            "sphere",
            {"dim": 4, "probes": 1, "moment": "magnitude"},
            "`law` must be gaussian for the magnitude, got 'sphere'",
        ),
        (
            "orthogonal-probes",
            "orthogonal",
            {"dim": 6, "probes": 6, "rank": 4},
            "`probes` must be below `dim` here, got 6 for 6: .* return g itself, .*; lower --probes or raise --dim",
        ),
        (
            "orthogonal-probes",
            "orthogonal",
            {"dim": 6, "probes": 7, "rank": 4},
            "`probes` must be at most `dim` for the orthogonal law, got 7 > 6",
        ),
        (
            "edge",
            "orthogonal",
            {"dim": 6, "probes": 6, "spectrum": "power"},
            "`probes` must be below `dim` here, got 6 for 6",
        ),
        (
            "edge",
            "gaussian",
            {"dim": 6, "probes": 1, "spectrum": "steep"},
            "`spectrum` must be one of flat, exponential, power, isotropic; got 'steep'",
        ),
        (
            "engine-factor",
            "low-rank",
            {"measure": "length", "d": 6, "r": 6, "n": 1},
            "`d` and `r` must be 16 with the low-rank law, got 6 and 6: .*, which is 4×4 here",
        ),
        (
            "engine-factor",
            "gaussian",
            {"measure": "cosine", "d": 4, "r": 4, "n": 1},
            "`n` must be 1 and the law low-rank for the cosine, got 1 and gaussian",
        ),
        (
            "engine-factor",
            "gaussian",
            {"measure": "leave-one-out", "d": 4, "r": 4, "n": 1},
            "`n` must be at least 2 for a population, got 1",
        ),
        (
            "general-directions",
            "rademacher",
            {"dim": 6, "probes": 1, "rank": 7},
            "`rank` must be at most `dim`, got 7 > 6",
        ),
    ],
)
def test_parameters_that_make_no_sense_are_refused(name, law, parameters, message):
    with pytest.raises(ValueError, match=message):
        check(claim_named(name), KEYED_LAWS[law], parameters, draws=2)


def stated(found: Claim):
    """(law, parameters, experiment) of the fast mode, where the claim's names can write the theory's formula."""
    return [built for built in experiments(found, "fast") if built[2].formula is not None]


@each_claim
def test_the_formula_of_every_claim_is_worth_what_the_theory_expects_typed_and_in_print(found):
    for mode in MODES:
        for law, parameters, experiment in experiments(found, mode):
            for text in (experiment.formula, experiment.formula and printed(experiment.formula)):
                if text is not None:
                    told = Expression(text).rounded(experiment.symbols)
                    assert same_value(experiment.expected, *told), (law.name, parameters, text)


@each_claim
def test_every_decoy_is_read_back_as_it_is_printed(found):
    for _, _, experiment in experiments(found, "fast"):
        for decoy in (decoy for decoy in experiment.decoys if not decoy.draw):
            typed, in_print = Expression(decoy.statement), Expression(typographic(decoy.statement))
            assert in_print(experiment.symbols) == typed(experiment.symbols)


@each_claim
def test_every_formula_fed_back_as_it_is_printed_is_the_theory_itself(found):
    for law, parameters, experiment in stated(found)[:2]:
        draws = {"mean": 1_000, "share": 8, "constant": 2}[experiment.kind]
        if found.id == "C3" or found.id == "C7":
            draws = 50  # a step each
        for text in (experiment.formula, printed(experiment.formula)):
            verdict = check(found, law, parameters, draws=draws, expect=Expression(text))
            assert verdict.status is not Status.REFUTED, str(verdict)
            assert verdict.resolution == pytest.approx(
                experiment.resolution or 0.01
            )  # no gap to the theory that must be seen
            assert verdict.theory_formula == experiment.formula


def test_nearly_every_claim_has_a_formula():
    without = {found.name for found in SAMPLED if not stated(found)}
    assert len(without) <= 2, without


def test_what_the_list_prints_as_a_formula_is_read(capsys):
    assert main(["list"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("formula: ")]
    assert len(lines) > 30
    for line in lines:
        Expression(line.removeprefix("formula: ").partition("  (")[0])


@pytest.mark.parametrize("law", EVERY_LAW)
@pytest.mark.parametrize(("dim", "probes"), [(1, 1), (1, 3), (4, 4), (7, 3)])
def test_what_does_not_vary_is_certain_only_where_the_law_leaves_no_choice(law, dim, probes):
    for name in ("norm-factor", "unbiased", "curvature-probe", "second-moment"):
        if (law == "orthogonal" and probes > dim) or law not in REGISTRY[name].laws:
            continue
        experiment = REGISTRY[name].experiment(LAWS[law], dim=dim, probes=probes)
        drawn = experiment.draw(64, torch.Generator().manual_seed(0))
        varies = float(drawn.max() - drawn.min()) > 1e-9
        assert varies != experiment.deterministic or (name == "curvature-probe" and not experiment.deterministic)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_rate_under_pl_is_measured_in_fewer_dimensions_than_it_has_examples(dim):
    parameters = {"dim": dim, "probes": 1, "batch": 64}
    assert check(claim_named("pl-rate"), LAWS["gaussian"], parameters, resolution=0.05).passed
