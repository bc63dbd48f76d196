"""A run from its plan: prepared, trained or only asked, and what came out, written to a folder."""

import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from mezo_lab.environment.machine import machine
from mezo_lab.finetune.config import RESULT, TRAINED, RunConfig, check_processes, first_process, processes, write_whole
from mezo_lab.finetune.endings import Interrupts, Say, counted
from mezo_lab.finetune.evaluation import baselines
from mezo_lab.finetune.evaluation.before_training import score_before_training
from mezo_lab.finetune.evaluation.evaluate import evaluate
from mezo_lab.finetune.evaluation.scores import NotFinite, Score, difference, percent, record, without_score
from mezo_lab.finetune.models.loading import resolve_device
from mezo_lab.finetune.prepare import RunContext, build_model, prepare_run
from mezo_lab.finetune.run_folder import check_folder, hold_folder


def finetune(plan: RunConfig, out: Path, *, resume: bool = False, say: Say = print) -> dict[str, Any]:
    """Run a plan, and write plan.json, result.json and, of a training, run.mezo and the best checkpoint to a folder.

    A training is compared with its start on the same examples. Several processes, as torchrun starts them, share each
    batch (mezo); the first prints and writes.

    Args: out: a folder that is new, or, with `resume`, one that holds the checkpoints of this plan.
    Returns: the result, as result.json has it.
    Raises: ValueError and OSError, of data before any model is loaded; Stopped; NotFinite, where no step moved anything
    or no answer is finite.
    """
    default_rate = plan.lr is None and plan.method in TRAINED
    plan = plan.resolve()
    check_processes(plan, processes())
    first = first_process()
    say = say if first else lambda line: None
    interrupts = Interrupts(say)
    with interrupts.heard(out), hold_folder(out) if first else nullcontext():
        if first:
            check_folder(out, plan, resume)
        if default_rate:
            say(f"no --lr was given: {plan.lr:g} with a {plan.schedule} schedule is {plan.default_rate()[2]}")
        return _run(plan, out, resume, say, interrupts)


def _run(plan: RunConfig, out: Path, resume: bool, say: Say, interrupts: Interrupts) -> dict[str, Any]:
    """What every process does, in a folder that the first one holds."""
    began = time.monotonic()
    if plan.method in TRAINED:
        check_device(plan.device)
    ready = prepare_run(plan, say)
    if first_process():
        plan.write(out)
    result: dict[str, Any] = {"machine": machine(), "splits": str(ready.splits)}
    if plan.method in TRAINED:
        before, after, facts = trained(ready, out, resume, say, interrupts)
        gain = difference(after, before) if after is not before else (0.0, 0.0, 0.0)
        result |= {"test_before": record(before), "gain": list(gain)}
        last = gain_line(before, after, gain)
    else:
        after, facts = untrained(ready, say)
        last = f"test {after.metric}  {after}"
    seconds = time.monotonic() - began + facts.pop("earlier_seconds", 0.0)
    result |= {**facts, "test": record(after), "seconds": seconds, "peak_mebibytes": peak(ready)}
    if first_process():
        write_whole(out / RESULT, json.dumps(result, indent=1, allow_nan=False) + "\n")
    say(where(ready, out, result))
    say(last)
    check_finite(result)
    return result


def trained(
    ready: RunContext, out: Path, resume: bool, say: Say, interrupts: Interrupts
) -> tuple[Score, Score, dict[str, Any]]:
    """(test before the first step, test of the best, facts of the training)."""
    from mezo_lab.finetune.training import task_trainer  # with the Trainer of transformers, which takes seconds to load

    base, test = ready.loaded.model, ready.splits.test  # as it was, without adapters
    before = score_before_training("test", out, base, ready.encoder, test, say)
    if before.unanswered == len(before.each):  # no loss would be finite either, for hours
        nothing = {"validation": [], "losses": [], "forward_passes": 0, "backward_passes": 0, "skipped": 0}
        return before, before, {"trained": 0, "steps": 0, "best_step": 0, **nothing}
    began = time.monotonic()
    validation = score_before_training("validation", out, base, ready.encoder, ready.splits.validation, say)
    start = validation, time.monotonic() - began
    model = build_model(ready)
    model, facts = task_trainer.train(ready, model, out, resume=resume, say=say, interrupts=interrupts, start=start)
    if facts["best_step"] == 0:  # the weights are those of the start
        return before, before, facts
    return before, evaluate(model, ready.encoder, test, progress=counted(say, "test")), facts


def gain_line(before: Score, after: Score, gain: tuple[float, float, float]) -> str:
    """before → after on the same examples, with the interval of their difference, in one line."""
    mean, low, high = (100 * each for each in gain)
    change = f"{mean:+.1f} points ({low:+.1f} to {high:+.1f}, paired 95 %)"
    if after is before:
        change = "no checkpoint was better by validation, so the start is kept"
    both = f"{percent(before.value)} → {percent(after.value)} on the same {len(after.each):,} examples"
    return f"test {after.metric}  {both}: {change}{without_score(after.unanswered)}"


def where(ready: RunContext, out: Path, result: dict[str, Any]) -> str:
    """Where the result lies, and how its model is loaded."""
    plan, best = ready.plan, result.get("best_step")
    if plan.method not in TRAINED:
        return f"kept in {out}: {RESULT}"
    if best == 0:
        return f"kept in {out}: {RESULT}; the model is {plan.model}, as it was"
    folder = out / f"checkpoint-{best}"
    kind = "AutoModelForMaskedLM" if ready.loaded.masked else "AutoModelForCausalLM"
    load = f'{kind}.from_pretrained("{folder}")'
    if plan.tuning != "full":
        load = f'PeftModel.from_pretrained({kind}.from_pretrained("{base_of(ready)}"), "{folder}")'
    return f"kept in {out}: {load} loads the model of step {best:,}"


def base_of(ready: RunContext) -> str:
    """The folder or name from which transformers loads the model that adapters belong to."""
    return str(getattr(ready.loaded.model.config, "_name_or_path", "") or ready.plan.model)


def check_finite(result: dict[str, Any]) -> None:
    """Raises: NotFinite for a run that has computed nothing, after all that there is has been written."""
    steps, skipped = result.get("steps", 0), result.get("skipped", 0)
    if steps and skipped >= steps:
        raise NotFinite(
            f"none of the {steps:,} steps moved anything, as no loss was finite: nothing was trained. Look at the "
            "model's weights and at the objective, or take --dtype float32."
        )
    test = result["test"]
    if test["unanswered"] == len(test["each"]):
        count = len(test["each"])
        trained = ", and was not trained" if result.get("steps") == 0 else ""
        raise NotFinite(f"none of the {count:,} test examples had a finite score: the model answers nothing{trained}.")


def check_device(device: str | None) -> None:
    """Raises: ValueError for a device on which the Trainer of transformers does not train, before anything is read."""
    place = resolve_device(device)
    if place.type == "cuda" and (place.index or 0) > 0:
        raise ValueError(
            f"`device` must be cpu, cuda or mps for a training, as the Trainer of transformers takes the first GPU "
            f"that is visible; got {device!r}: set CUDA_VISIBLE_DEVICES={place.index} and take --device cuda."
        )


def untrained(ready: RunContext, say: Say) -> tuple[Score, dict[str, Any]]:
    """Zero-shot, in-context learning (whose encoder shows solved examples), or a linear probe."""
    train, test = ready.splits.train, ready.splits.test
    if ready.plan.method == "linear-probe":
        found = baselines.linear_probe(ready.loaded, ready.encoder, train, test)
        return found, {"trained": ready.loaded.model.config.hidden_size, "forward_passes": len(train)}
    found = evaluate(ready.loaded.model, ready.encoder, test, progress=counted(say, "test"))
    return found, {"trained": 0, "forward_passes": 0}


def peak(ready: RunContext) -> float | None:
    """The most memory that this process has held, MiB; on a GPU, of its tensors."""
    if ready.loaded.model.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # there is none on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
