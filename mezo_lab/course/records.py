"""What notebooks read of the records: the runs of fine-tuning, the walk of one, and the memory of its methods."""

import json
import math
from dataclasses import dataclass, fields
from typing import Any

from mezo_lab.course.notebook import record_path
from mezo_lab.finetune.memory.paper_tables import REPORTED, SIZES
from mezo_lab.finetune.memory.predicted import METHODS
from mezo_lab.report.figures import WalkPoint
from mezo_lab.theory import signal_share
from mezo_lab.validation import one_of

__all__ = [
    "RecordedMemory",
    "RecordedRun",
    "recorded_memory",
    "recorded_opt_memory",
    "recorded_runs",
    "recorded_walk",
]

_WALKED = "rotten-tomatoes-512-mezo-full-20000-seed0"  # the run of one learning rate throughout

_METHODS = {
    "icl": "in-context",
    "linear-probe": "linear probe",
    "zero-shot": "zero-shot",
    "mezo full": "MeZO",
    "mezo lora": "MeZO, LoRA",
    "mezo prefix": "MeZO, prefix",
    "adam full": "Adam",
}
_PROMPTS = {
    "rotten-tomatoes": "“… It was”",
    "rotten-tomatoes/sentiment": "“Sentiment:”",
    "rotten-tomatoes/no-prompt": "no prompt",
}
_COUNT = 6  # numbers of a method in the first table of results/memory.txt: four terms, their sum, the measured


@dataclass(frozen=True)
class RecordedRun:
    """One run of `make accuracy`: SmolLM2 on reviews, tested on reviews of its own."""

    method: str
    """Such as "MeZO, LoRA"."""
    prompt: str
    """Such as "“Sentiment:”"."""
    shots: int
    """Training reviews of each class; 0 for zero-shot."""
    seed: int
    objective: str
    """"loss" or "accuracy"."""
    scratch: bool
    """Whether the weights were random at the start."""
    test: float
    """The test accuracy, with the ends of its 95 % interval:"""
    low: float
    high: float
    gain: tuple[float, float, float] | None
    """Over zero-shot, with the ends of its 95 % interval; none for zero-shot itself."""
    zeros: float | None
    """The share of probes that saw no difference; none for a method without probes."""
    forward_passes: int
    backward_passes: int
    seconds: float
    """Of the whole process, with loading and testing."""
    peak_mebibytes: float
    """Of the whole process."""


def recorded_runs(**chosen: Any) -> list[RecordedRun]:
    """The runs of results/finetune.json, in their order.

    Args: chosen: values of fields of a run that are wanted, such as method="MeZO".
    Returns: those runs that have all of them. Raises: ValueError for a field that a run does not have.

    >>> [run.prompt for run in recorded_runs(method="zero-shot", scratch=False)]
    ['no prompt', '“Sentiment:”', '“… It was”']
    """
    for name in chosen:
        one_of("chosen", name, [field.name for field in fields(RecordedRun)])
    rows = json.loads(record_path("results/finetune.json").read_text(encoding="utf-8"))["rows"]
    runs = map(_run, rows)
    return [run for run in runs if all(getattr(run, name) == value for name, value in chosen.items())]


def _run(row: dict[str, Any]) -> RecordedRun:
    gain = row.get("gain")
    return RecordedRun(
        method=_METHODS[f"{row['method']} {row['tuning']}".strip()],
        prompt=_PROMPTS[row["prompt"]],
        shots=0 if row["method"] == "zero-shot" else row["shots"],
        seed=row["seed"],
        objective=row["objective"],
        scratch=row["scratch"],
        test=row["test"],
        low=row["low"],
        high=row["high"],
        gain=gain and tuple(gain),
        zeros=row["zero_gradients"],
        forward_passes=row["forward_passes"] or 0,
        backward_passes=row["backward_passes"] or 0,
        seconds=row["seconds"],
        peak_mebibytes=row["peak_mebibytes"],
    )


def recorded_walk(record: dict[str, Any] | None = None) -> list[WalkPoint]:
    """How far the long run of MeZO on SmolLM2 walked, and how far along a gradient.

    Args: record: what benchmarks/wandering.py wrote. Default: results/wandering.json.

    >>> walk = recorded_walk()
    >>> walk[-1].component ** 2 < 1e-4 * walk[-1].sq_length
    True
    """
    wandering = record or json.loads(record_path("results/wandering.json").read_text(encoding="utf-8"))
    dim = wandering["logs"][_WALKED]["dim"]
    return [
        WalkPoint(
            steps=point["steps"],
            sq_length=point["sq_length"],
            expected=dim * point["mean_square"],
            share=signal_share(point["steps"], dim),  # of signs, whose factor is d
            component=point["along"][0],
            error=math.sqrt(2 * point["mean_square"]),
        )
        for point in wandering["walks"][_WALKED]["points"]
    ]


@dataclass(frozen=True)
class RecordedMemory:
    """The peak memory of a step of SmolLM2, MiB."""

    optimizer: float
    """The predicted states of the optimizer,"""
    predicted: float
    """and all that is predicted."""
    measured: float


def recorded_memory() -> dict[str, RecordedMemory]:
    """The predicted and the measured memory by method.

    >>> memory = recorded_memory()["adam"]
    >>> memory.optimizer < memory.predicted < memory.measured
    True
    """
    found = {}
    for name, numbers in _lines(block=0):
        if name in METHODS:
            _, _, optimizer, _, predicted, measured = map(float, numbers[:_COUNT])
            found[name] = RecordedMemory(optimizer, predicted, measured)
    return found


def recorded_opt_memory(method: str) -> dict[str, float]:
    """The predicted memory of the setting of the paper's Table 22 by size of OPT, GiB.

    Args: method: "mezo", "prefix" or "adam". Raises: ValueError for another method.

    >>> list(recorded_opt_memory("mezo"))[:3]
    ['1.3B', '2.7B', '6.7B']
    """
    methods = list(REPORTED)
    column = 3 * methods.index(one_of("method", method, methods))  # each method has three: predicted, reported, error
    return {size: float(numbers[column]) for size, numbers in _lines(block=1) if size in SIZES}


def _lines(block: int) -> list[tuple[str, list[str]]]:
    """The lines of a table of results/memory.txt: (first cell, the others)."""
    blocks = record_path("results/memory.txt").read_text(encoding="utf-8").split("\n\n")
    cells = [line.replace(",", "").split() for line in blocks[block].splitlines()]
    return [(each[0], each[1:]) for each in cells if each]
