"""The record of a run: everything a verdict says, as JSON that any language reads."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import torch

from mezo_lab.claims import DecoyVerdict, Status, Verdict, claim_named
from mezo_lab.claims.decision import Kind, Relation
from mezo_lab.environment.machine import machine
from mezo_lab.report.labels import is_formula
from mezo_lab.report.prose import summary
from mezo_lab.sampling import Estimate

__all__ = ["as_json", "as_record", "environment", "verdicts_of"]

_SCHEMA = 1


def as_record(verdicts: Sequence[Verdict], environment: dict[str, Any], planned: int | None = None) -> dict[str, Any]:
    """The verdicts and their environment in numbers, strings, lists and dicts; a number that is not finite is None.

    Schema 1, of a verdict:
        claim, statement: the claim's name, and its LaTeX.
        formula: the user's own, where one was tested in place of the theory's.
        theory_formula: the theory's, as `--expect` reads it.
        relation: "==", or "<=" where `expected` is a bound.
        expected, theory: the value tested, and the theory's own; the same without a formula of the user's.
        z_score: the distance, how many standard errors the mean lies above `expected`; the same key in a decoy.
        detectable: the smallest relative discrepancy that the run would have shown.
        resolution: the one that it promised to show.
        missing: draws still needed.
        kind: how the draws were read: "mean", "share" or "constant".
        notes: what weakens the verdict.
        scales: whether a finer resolution takes more draws; else the claim or the user fixed their number.
        decoys: each with mean, standard_error and count of the draws that it is held against: the verdict's, but those
            of a wrong experiment are its own.

    Of the run: `seconds` of computing, added up over the verdicts, and `seconds_at_half`, with half the `resolution`.

    Args:
        verdicts: of one run.
        environment: what `environment()` returns.
        planned: verdicts of the whole run; `complete` is false where fewer were reached, as after Ctrl-C.
    """
    reached = len(verdicts)
    totals = summary(verdicts)
    if planned is None:
        planned = reached
    return {
        "schema": _SCHEMA,
        "complete": reached == planned,
        "reached": reached,
        "planned": planned,
        "seconds": totals.seconds,
        "seconds_at_half": _finite(totals.seconds_at_half),
        "environment": environment,
        "verdicts": [_finite(_recorded(verdict)) for verdict in verdicts],
    }


def as_json(verdicts: Sequence[Verdict], environment: dict[str, Any], planned: int | None = None) -> str:
    """`as_record` as text."""
    record = as_record(verdicts, environment, planned)
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _recorded(verdict: Verdict) -> dict[str, Any]:
    claim = verdict.claim
    estimate = verdict.estimate
    return {
        "id": claim.id,
        "claim": claim.name,
        "law": verdict.law,
        "parameters": verdict.parameters,
        "statement": claim.statement,
        "source": claim.source,
        "formula": verdict.formula,
        "theory_formula": verdict.theory_formula,
        "relation": verdict.relation,
        "expected": verdict.expected,
        "theory": verdict.theory,
        "mean": estimate.mean,
        "standard_error": estimate.standard_error,
        "count": estimate.count,
        "z_score": verdict.z_score,
        "detectable": verdict.detectable,
        "resolution": verdict.resolution,
        "status": verdict.status.name,
        "missing": verdict.missing,
        "kind": verdict.kind,
        "unit": verdict.unit,
        "notes": list(verdict.notes),
        "scales": verdict.scales,
        "decoys": [_recorded_decoy(decoy) for decoy in verdict.decoys],
        "proof": verdict.proof,
        "seconds": verdict.seconds,
    }


def _recorded_decoy(decoy: DecoyVerdict) -> dict[str, Any]:
    estimate = decoy.estimate
    return {
        "statement": decoy.statement,
        "expected": decoy.expected,
        "mean": estimate.mean if estimate else None,
        "standard_error": estimate.standard_error if estimate else None,
        "count": estimate.count if estimate else None,
        "z_score": decoy.z_score,
        "status": decoy.status.name,
        "missing": decoy.missing,
    }


def verdicts_of(record: Mapping[str, Any]) -> list[Verdict]:
    """The verdicts of a record, as `as_record` made it: for figures and tables of a run that is over.

    What a record leaves out is not there: `estimate.farthest` is 0.

    Args: record: of schema 1; what an older version did not write has its default. It wrote nothing of the draws of a
        wrong experiment, whose `estimate` is then None.
    Raises: ValueError for a claim that the registry does not have.
    """
    return [_verdict_of(row) for row in record["verdicts"]]


def _verdict_of(row: Mapping[str, Any]) -> Verdict:
    estimate = _estimate_of(row)
    kind = row.get("kind", "mean")
    decoys = tuple(_decoy_of(decoy, kind, row["relation"], estimate) for decoy in row["decoys"])
    return Verdict(
        claim=claim_named(row["claim"]),
        law=row["law"],
        parameters=row["parameters"],
        formula=row["formula"],
        relation=row["relation"],
        expected=row["expected"],
        theory=row["theory"],
        estimate=estimate,
        z_score=_infinite(row["z_score"], estimate.mean - row["expected"]),
        detectable=_infinite(row["detectable"]),
        resolution=row["resolution"],
        status=Status[row["status"]],
        missing=row["missing"],
        decoys=decoys,
        proof=row["proof"],
        seconds=row["seconds"],
        theory_formula=row.get("theory_formula"),
        kind=kind,
        unit=row.get("unit", ""),
        notes=tuple(row.get("notes", ())),
        scales=row.get("scales", False),
    )


def _decoy_of(row: Mapping[str, Any], kind: Kind, relation: Relation, shared: Estimate) -> DecoyVerdict:
    """Args: shared: the verdict's draws, which a wrong formula is held against."""
    estimate = None
    if row.get("count"):
        estimate = _estimate_of(row)
    elif "count" not in row and is_formula(row["statement"]):
        estimate = shared
    side = estimate.mean - row["expected"] if estimate else _side(row["expected"], kind, relation)
    return DecoyVerdict(
        statement=row["statement"],
        expected=row["expected"],
        z_score=_infinite(row["z_score"], side),
        status=Status[row["status"]],
        missing=row.get("missing", 0),
        kind=kind,
        estimate=estimate,
    )


def _side(expected: float, kind: Kind, relation: Relation) -> float:
    """The sign of a distance without end where the mean is not known: a share that always happens fails below."""
    if relation == "==" and kind == "share":
        return 0.5 - expected
    return 1.0


def _estimate_of(row: Mapping[str, Any]) -> Estimate:
    return Estimate(row["mean"], _infinite(row["standard_error"]), row["count"])


def _infinite(value: float | None, sign: float = 1.0) -> float:
    """A number of a record, in which null stands for what is not finite."""
    return math.copysign(math.inf, sign) if value is None else value


def _finite(value: Any) -> Any:
    """
    >>> _finite({"z_score": math.inf, "decoys": [{"expected": 1.5}]})
    {'z_score': None, 'decoys': [{'expected': 1.5}]}
    """
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def environment(device: str = "cpu") -> dict[str, Any]:
    """The versions and the machine on which a run depends, without the names of host, user or folders.

    Args: device: "cpu", or a device of CUDA, whose name is read.
    """
    facts = machine()
    if device.startswith("cuda"):
        device = torch.cuda.get_device_name(device)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "mezo_lab": _version(),
        "python": facts["python"],
        "torch": facts["torch"],
        "numpy": facts["numpy"],
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": facts["processor"],
        "cores": facts["cores"],
        "threads": facts["threads"],
        "device": device,
    }


def _version() -> str:
    try:
        return metadata.version("mezo_lab")
    except metadata.PackageNotFoundError:
        return "not installed, run from its folder"
