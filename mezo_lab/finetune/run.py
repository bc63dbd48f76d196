"""A run from its plan: prepared, trained or only asked, and what came out, written to a folder."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from mezo_lab.finetune import baselines
from mezo_lab.finetune.evaluate import evaluate
from mezo_lab.finetune.folder import check_folder, held
from mezo_lab.finetune.plan import RESULT, TRAINED, Plan, check_processes, first_process, processes
from mezo_lab.finetune.prepare import Prepared, Say, model_of, prepared
from mezo_lab.finetune.scores import NotFinite, Score
from mezo_lab.machine import machine


def finetune(plan: Plan, out: Path, *, resume: bool = False, say: Say = print) -> dict[str, Any]:
    """Run a plan, and write plan.json, result.json and, of a training, run.mezo and the best checkpoint to a folder.

    Several processes, as torchrun starts them, share each batch (mezo); the first prints and writes.

    Args: out: a folder that is new, or, with `resume`, one that holds the checkpoints of this plan.
    Returns: the result, as result.json has it.
    Raises: ValueError and OSError, of data before any model is loaded; Stopped; NotFinite, where no answer is finite.
    """
    plan = plan.settled()
    check_processes(plan, processes())
    if not first_process():
        return _run(plan, out, resume, lambda line: None)
    with held(out):
        check_folder(out, plan, resume)
        return _run(plan, out, resume, say)


def _run(plan: Plan, out: Path, resume: bool, say: Say) -> dict[str, Any]:
    """What every process does, in a folder that the first one holds."""
    began = time.monotonic()
    ready = prepared(plan, say)
    first = first_process()
    if first:
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
    if score.unanswered == len(score.each):
        raise NotFinite(
            f"none of the {len(score.each)} test examples had a finite score: {plan.model} answers nothing."
        )
    return result


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
    kept = {"metric": score.metric, "value": score.value, "low": score.low, "high": score.high, "each": each}
    return kept | {"unanswered": score.unanswered}


def peak(ready: Prepared) -> float | None:
    """The most memory that this process has held, MiB; on a GPU, of its tensors."""
    if ready.loaded.model.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # there is none on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
