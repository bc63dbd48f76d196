"""The record keeps every number, in JSON that any language reads, and no name of a host, user or folder."""

import getpass
import json
import math
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from mezo_lab.report import as_json, as_record, environment, verdicts_of
from mezo_lab.sampling import Estimate

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
            assert decoy.keys() == {"statement", "expected", "z_score", "status", "missing"}


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


def test_a_record_of_an_unknown_claim_is_refused(verdicts):
    record = as_record(verdicts[:1], {})
    record["verdicts"][0]["claim"] = "norm-facto"
    with pytest.raises(ValueError, match="nearest: norm-factor"):
        verdicts_of(record)
