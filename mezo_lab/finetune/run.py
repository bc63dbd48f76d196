"""A run from its plan: data, model, method, and what came out, written to a folder."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mezo_lab.finetune import baselines
from mezo_lab.finetune.evaluate import evaluate
from mezo_lab.finetune.examples import Encoder
from mezo_lab.finetune.folder import check_folder
from mezo_lab.finetune.load import Loaded, load_model
from mezo_lab.finetune.losses import check_objective
from mezo_lab.finetune.plan import RESULT, TEST, TRAINED, Plan, check_processes
from mezo_lab.finetune.scores import Score
from mezo_lab.finetune.splits import Splits, splits
from mezo_lab.finetune.tables import rows
from mezo_lab.finetune.tasks import Task, custom_task, task_named
from mezo_lab.finetune.tuning import tune
from mezo_lab.machine import machine

Say = Callable[[str], None]


class Stopped(Exception):
    """The user ended a run early; the message says how to go on with it."""


@dataclass(frozen=True)
class Prepared:
    """What a run needs before its first forward pass."""

    plan: Plan
    task: Task
    splits: Splits
    loaded: Loaded
    encoder: Encoder


def finetune(plan: Plan, out: Path, *, resume: bool = False, say: Say = print) -> dict[str, Any]:
    """Run a plan, and write plan.json, result.json and, of a training, run.mezo and the best checkpoint to a folder.

    Several processes, as torchrun starts them, share each batch (mezo); the first prints and writes.

    Args: out: a folder that is new, or, with `resume`, one that holds the checkpoints of this plan.
    Returns: the result, as result.json has it.
    Raises: ValueError and OSError, of data before any model is loaded; Stopped.
    """
    plan, first = plan.settled(), first_process()
    check_processes(plan, processes())
    say = say if first else lambda line: None
    if first:
        check_folder(out, plan, resume)
    began, ready = time.monotonic(), prepared(plan, say)
    if first:
        out.mkdir(parents=True, exist_ok=True)
        plan.write(out)
    result: dict[str, Any] = {"machine": machine(), "splits": str(ready.splits)}
    if plan.method in TRAINED:
        from mezo_lab.finetune import training  # with the Trainer of transformers, which takes seconds to load

        model, facts = training.train(ready, model_of(ready), out, resume=resume, say=say)
        score = evaluate(model, ready.encoder, ready.splits.test)
    else:
        score, facts = untrained(ready)
    say(f"test {score.metric}  {score}")
    seconds = time.monotonic() - began + facts.pop("earlier_seconds", 0.0)
    result |= {**facts, "test": told(score), "seconds": seconds, "peak_mebibytes": peak(ready)}
    if first:
        (out / RESULT).write_text(json.dumps(result, indent=1) + "\n")
    return result


def first_process() -> bool:
    """Whether this one, of those that torchrun started, prints and writes."""
    return int(os.environ.get("RANK", 0)) == 0


def processes() -> int:
    """How many torchrun has started."""
    return int(os.environ.get("WORLD_SIZE", 1))


def prepared(plan: Plan, say: Say = print) -> Prepared:
    """Data first, so that what is wrong with them is said before a model is loaded."""
    task = task_of(plan)
    check_objective(plan.objective, task)
    data = data_of(plan, task)
    loaded = loaded_for(plan)
    before = ""
    if plan.method == "icl":
        before = baselines.solved(task, data.train, seed=plan.data_seed)
    room = plan.tokens if plan.tuning == "prefix" and plan.method in TRAINED else 0
    encoder = Encoder(
        task,
        loaded.tokenizer,
        data.train[0],
        masked=loaded.masked,
        limit=loaded.limit - room,
        cut=plan.cut,
        before=before,
    )
    read_all(encoder, data, plan)
    say(f"{loaded.name}: {loaded.model.num_parameters():,} parameters, {plan.dtype}, on {loaded.model.device}")
    say(f"{task.name}: {data}")
    return Prepared(plan, task, data, loaded, encoder)


def loaded_for(plan: Plan) -> Loaded:
    """The model that the run begins with."""
    loaded = load_model(plan.model, dtype=getattr(torch, plan.dtype), device=plan.device)
    if plan.scratch:
        from_scratch(loaded, plan.seed)
    return loaded


def read_all(encoder: Encoder, data: Splits, plan: Plan) -> None:
    """Every text once, so that one that cannot be read is told before the run and not behind it. Raises: ValueError."""
    trained = plan.method in TRAINED
    for row in data.train if trained or plan.method == "linear-probe" else ():
        encoder.taught(row)
    for row in (*(data.validation if trained else ()), *data.test):
        encoder.questions(row)


def task_of(plan: Plan) -> Task:
    if plan.prompt is None:
        return task_named(plan.task)
    return custom_task(plan.prompt, plan.words, plan.label, plan.masked_prompt)


def data_of(plan: Plan, task: Task) -> Splits:
    source = task.data
    if plan.data is None and source is None:
        raise ValueError(
            f"`data` must be given for {task.name}, which has none of its own: a file, or a name on the hub."
        )
    if plan.data is not None or source is None:
        train = rows(plan.data or "", columns=task.needs())
        test = None if plan.test_data is None else rows(plan.test_data, columns=task.needs())
    else:
        train = rows(source.path, split=source.train, columns=task.needs())
        test = None if source.test is None else rows(source.path, split=source.test, columns=task.needs())
    fifth = max(1, len(train) // 5)
    sizes = {"shots": plan.shots, "train": plan.train, "validation": plan.validation}
    sizes["test"] = min(TEST, fifth) if plan.test is None else plan.test
    return splits(task, train, test_rows=test, seed=plan.data_seed, **sizes)


def model_of(ready: Prepared) -> Any:
    """The model with what of it is trained; the same from the same plan."""
    prefix = ready.plan.tuning == "prefix"
    texts = [ready.encoder.asked(row, 0).input_ids for row in ready.splits.train] if prefix else []
    return tuned(ready.plan, ready.loaded, texts)


def tuned(plan: Plan, loaded: Loaded, texts: Sequence[Sequence[int]] = ()) -> Any:
    """`model_of`, from the texts that a prefix begins with; the other tunings need no data."""
    kinds = {"rank": plan.rank, "alpha": plan.alpha, "tokens": plan.tokens, "seed": plan.seed}
    return tune(loaded, plan.tuning, examples=texts, **kinds)


def from_scratch(loaded: Loaded, seed: int) -> None:
    """Random weights, as the architecture starts from, in place of the trained ones."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        fresh = type(loaded.model)(loaded.model.config)  # type: ignore[call-arg]
    loaded.model.load_state_dict(fresh.state_dict())


def untrained(ready: Prepared) -> tuple[Score, dict[str, Any]]:
    """Zero-shot, in-context learning (whose encoder shows solved examples), or a linear probe."""
    train, test = ready.splits.train, ready.splits.test
    if ready.plan.method == "linear-probe":
        found = baselines.linear_probe(ready.loaded, ready.encoder, train, test)
        return found, {"trained": ready.loaded.model.config.hidden_size, "forward_passes": len(train)}
    return evaluate(ready.loaded.model, ready.encoder, test), {"trained": 0, "forward_passes": 0}


def told(score: Score) -> dict[str, Any]:
    """A score for a file; what each example counted for as well, so that runs can be compared on the same examples."""
    each = "".join("01"[int(x)] for x in score.each) if set(score.each) <= {0.0, 1.0} else list(score.each)
    return {"metric": score.metric, "value": score.value, "low": score.low, "high": score.high, "each": each}


def peak(ready: Prepared) -> float | None:
    """The most memory that this process has held, MiB; on a GPU, of its tensors."""
    if ready.loaded.model.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # there is none on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
