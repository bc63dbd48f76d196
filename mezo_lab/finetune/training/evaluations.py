"""The evaluations of a run in a small file beside its log, with which a run that is rebuilt from the log goes on."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from mezo_lab.finetune.run_folder import VALIDATION, write_whole

SCORE_FIELDS = ("value", "low", "high", "unanswered")  # of a score, in an entry of an evaluation


class EvaluationRecord(TrainerCallback):
    """Writes every evaluation so far, behind each."""

    def __init__(self, out: Path):
        self._file = out / VALIDATION

    def on_evaluate(self, args, state, control, **others) -> None:
        if state.is_world_process_zero:
            record = {"evaluations": evaluations(state.log_history)}
            write_whole(self._file, json.dumps(record, indent=1) + "\n")


def evaluations(log_history: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The evaluations in the Trainer's log, each with the mean of the finite losses since the one before.

    >>> log = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.0}]
    >>> score = {"eval_value": 0.5, "eval_low": 0.4, "eval_high": 0.6, "eval_unanswered": 0}
    >>> evaluations([*log, {"step": 2, "seconds": 9.0} | score])[0]["loss"]
    2.0
    """
    records = []
    losses: list[float] = []
    for entry in log_history:
        if entry.get("loss") is not None:
            losses.append(entry["loss"])
        if "eval_value" in entry:
            record = {name: entry[f"eval_{name}"] for name in SCORE_FIELDS}
            record["loss"] = sum(losses) / len(losses) if losses else None
            records.append({"step": entry["step"]} | record | {"seconds": entry["seconds"]})
            losses = []
    return records


def log_entries(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of a Trainer's log from which `evaluations` makes these records.

    >>> log_entries([{"step": 2, "value": 0.5, "loss": 2.0, "seconds": 9.0}])
    [{'step': 2, 'loss': 2.0}, {'step': 2, 'seconds': 9.0, 'eval_value': 0.5}]
    """
    entries = []
    for record in records:
        scores = {f"eval_{name}": record[name] for name in SCORE_FIELDS if name in record}
        entries.append({"step": record["step"], "loss": record["loss"]})
        entries.append({"step": record["step"], "seconds": record["seconds"]} | scores)
    return entries
