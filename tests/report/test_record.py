"""The record keeps every number, in JSON that any language reads, and no name of a host, user or folder."""

import getpass
import json
import math
import platform
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mezo_lab.claims import REGISTRY, Verdict, check
from mezo_lab.report import as_json, as_record, environment, verdicts_of
from mezo_lab.report.card import verdict_card
from mezo_lab.report.labels import is_formula
from mezo_lab.sampling import LAWS, Estimate

PROMISED = {
    *("id", "claim", "law", "parameters", "statement", "source", "formula", "relation", "expected", "theory", "mean"),
    *(
        "standard_error",
        "count",
        "z_score",
        "detectable",
        "resolution",
        "status",
        "missing",
        "decoys",
        "proof",
        "seconds",
        "theory_formula",
        "kind",
        "unit",
        "notes",
        "scales",
    ),
}
PROMISED_OF_A_DECOY = {"statement", "expected", "mean", "standard_error", "count", "z_score", "status", "missing"}
ROOT = Path(__file__).resolve().parents[2]


def test_the_record_survives_json_with_the_promised_keys(verdicts):
    record = as_record(verdicts, {"python": "3.11"})
    assert json.loads(as_json(verdicts, {"python": "3.11"})) == record
    assert (
        record.keys()
        == {"schema", "complete", "reached", "planned", "seconds", "seconds_at_half", "environment", "verdicts"}
        and record["schema"] == 1
    )
    for verdict in record["verdicts"]:
        assert verdict.keys() == PROMISED
        for decoy in verdict["decoys"]:
            assert decoy.keys() == PROMISED_OF_A_DECOY


def test_the_numbers_are_the_verdicts_own(verdicts):
    first, verdict = as_record(verdicts, {})["verdicts"][0], verdicts[0]
    assert (first["claim"], first["law"], first["parameters"]) == ("norm-factor", "gaussian", {"dim": 6, "probes": 2})
    assert (first["mean"], first["count"]) == (verdict.estimate.mean, verdict.estimate.count)
    assert (first["z_score"], first["status"], first["proof"]) == (verdict.z_score, "CONSISTENT", "proved")
    assert first["decoys"][0]["statement"] == "(d+n-1)/n" and first["decoys"][0]["status"] == "REFUTED"
    assert as_record(verdicts, {})["verdicts"][1]["proof"] is None


def test_what_is_not_finite_becomes_null(verdicts):
    estimate = replace(verdicts[0].estimate, standard_error=math.inf)
    odd = replace(verdicts[0], detectable=math.inf, z_score=math.nan, estimate=estimate)
    told = json.loads(as_json([odd], {}))["verdicts"][0]
    assert told["detectable"] is None and told["z_score"] is None
    assert "Infinity" not in as_json([odd], {}) and "NaN" not in as_json([odd], {})
    with pytest.raises(ValueError, match="JSON compliant"):
        json.dumps(odd.detectable, allow_nan=False)


def test_the_environment_names_versions_and_machine_but_nobody():
    told = environment()
    promised = {"date", "mezo_lab", "python", "torch", "numpy", "platform", "processor", "cores", "threads", "device"}
    assert told.keys() == promised and all(told.values())
    assert told["python"] == platform.python_version() and told["device"] == "cpu"
    text = json.dumps(told)
    for private in (platform.node(), str(Path.home()), f"/{getpass.getuser()}", str(Path.cwd())):
        assert private not in text


def test_a_run_that_was_stopped_is_marked_as_such(verdicts):
    whole, part = as_record(verdicts, {}), as_record(verdicts[:2], {}, planned=len(verdicts))
    assert (whole["complete"], whole["reached"], whole["planned"]) == (True, len(verdicts), len(verdicts))
    assert (part["complete"], part["reached"], part["planned"]) == (False, 2, len(verdicts))


def test_a_record_gives_back_the_verdicts_that_made_it(verdicts):
    record = json.loads(as_json(verdicts, {}))
    assert as_record(verdicts_of(record), {}) == record
    assert [str(verdict) for verdict in verdicts_of(record)] == [str(verdict) for verdict in verdicts]


def test_a_changed_record_gives_other_verdicts(verdicts):
    record = as_record(verdicts, {})
    record["verdicts"][0]["mean"] += 1
    assert as_record(verdicts_of(record), {}) == record != as_record(verdicts, {})


def test_a_distance_without_end_keeps_its_side(verdicts):
    below = replace(verdicts[0], estimate=Estimate(0.0, 0.0, 8), z_score=-math.inf, detectable=math.inf)
    (again,) = verdicts_of(as_record([below], {}))
    assert (again.z_score, again.detectable) == (-math.inf, math.inf)


@pytest.fixture(scope="module")
def restored() -> Verdict:
    """Of weights that the exact mode restores; its decoy draws by the plain one, infinitely far off."""
    setting = {"measure": "exact", "estimator": "two-sided", "dtype": "bfloat16", "cycles": 2}
    return check(REGISTRY["restore"], LAWS["gaussian"], setting, draws=4_000)


def test_a_wrong_experiment_keeps_its_own_draws(restored):
    (again,) = verdicts_of(json.loads(as_json([restored], {})))
    (before,), (after,) = restored.decoys, again.decoys
    assert before.z_score == -math.inf and before.estimate != restored.estimate
    assert (after.z_score, after.estimate, after.measured) == (before.z_score, before.estimate, before.measured)
    assert after.measured != again.strength == "4,000 of 4,000"
    assert f": {before.measured}, refuted" in verdict_card([again]) == verdict_card([restored])


def test_a_record_without_the_draws_of_a_wrong_experiment_invents_none(restored, verdicts):
    record = as_record([restored, *verdicts], {})
    for row in record["verdicts"]:
        for decoy in row["decoys"]:
            del decoy["mean"], decoy["standard_error"], decoy["count"]
    first, *others = verdicts_of(record)
    (decoy,) = first.decoys
    assert decoy.estimate is None and decoy.measured == "−∞" and "4,000 of 4,000, refuted" not in verdict_card([first])
    assert as_record([first], {})["verdicts"][0]["decoys"][0]["mean"] is None
    for verdict in others:
        for decoy in verdict.decoys:
            assert decoy.estimate == (verdict.estimate if is_formula(decoy.statement) else None)


@pytest.mark.repo
def test_the_committed_record_says_of_wrong_experiments_what_the_printed_one_says():
    """results/verify.txt was printed from the verdicts themselves; the tally of a decoy stands in its line."""
    record = json.loads((ROOT / "results" / "verify.json").read_text(encoding="utf-8"))
    printed = (ROOT / "results" / "verify.txt").read_text(encoding="utf-8")
    wrong = [
        (row, decoy) for row in record["verdicts"] for decoy in row["decoys"] if not is_formula(decoy["statement"])
    ]
    assert wrong and all(decoy["count"] for _, decoy in wrong)
    tallies = [
        f"{round(decoy['mean'] * decoy['count']):,} of {decoy['count']:,}"
        for row, decoy in wrong
        if row["kind"] == "share" and decoy["z_score"] is None
    ]
    assert len(tallies) > 40
    for tally in set(tallies):
        assert len(re.findall(rf"(?<![\d,]){tally}(?![\d,])", printed)) >= tallies.count(tally), tally


def test_a_record_of_an_unknown_claim_is_refused(verdicts):
    record = as_record(verdicts[:1], {})
    record["verdicts"][0]["claim"] = "norm-facto"
    with pytest.raises(ValueError, match="nearest: norm-factor"):
        verdicts_of(record)
