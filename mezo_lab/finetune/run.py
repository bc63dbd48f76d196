"""A fine-tuning run from its configuration: prepare, evaluate, train, evaluate again, and record."""

import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mezo_lab.environment.machine import machine
from mezo_lab.finetune.config import RunConfig, check_processes
from mezo_lab.finetune.endings import Interrupts, Report, evaluation_lines, no_report
from mezo_lab.finetune.evaluation import baselines
from mezo_lab.finetune.evaluation.before_training import score_before_training
from mezo_lab.finetune.evaluation.evaluate import evaluate_questions
from mezo_lab.finetune.evaluation.scores import NotFinite, Score, difference, percent, score_record, without_score
from mezo_lab.finetune.models.loading import resolve_device
from mezo_lab.finetune.prepare import RunContext, build_model, prepare_run, rows_digest
from mezo_lab.finetune.replay import thread_count
from mezo_lab.finetune.resume import check_rows, prolonged_line, resume_point, set_out
from mezo_lab.finetune.run_folder import (
    NEW_RUN,
    RESULT,
    Origin,
    ResumePoint,
    clear_start,
    default_folder,
    hold_folder,
    write_run_config,
    write_whole,
)
from mezo_lab.finetune.stages import LOADING, REST, TEST, stages_line


@dataclass(frozen=True)
class _Session:
    """One process at work on a run."""

    out: Path
    report: Report
    interrupts: Interrupts
    resume_from: ResumePoint
    source: Path | None
    """The folder of which the log alone is read; None takes the checkpoints too."""
    writes: bool
    """Whether this process writes the files of the run: the first of those that torchrun started."""


def finetune(
    config: RunConfig,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    from_log: Path | str | None = None,
    report: Report = print,
) -> dict[str, Any]:
    """Run a configuration; its folder then holds plan.json, result.json and, of a training, the best checkpoint.

    A training is compared with its start on the same examples. MeZO also writes run.mezo, from which `replay_run` can
    rebuild the model. Several processes, as torchrun starts them, share each batch (mezo); the first prints and writes.
    Cost: reported before the first step.

    Args:
        config: what to run.
        out: a new folder, or, with `resume`, that of a run of this configuration, which `read_run_config` reads; None
            is one under runs/ that is named after the configuration.
        resume: go on with a run that was stopped, or, with more `steps`, prolong one: from its newest checkpoint that
            is whole, and without one from its log.
        from_log: the folder of a run, perhaps of another machine, of which only the plan, the log and the scores are
            read: its weights are rebuilt, and the run goes on in `out`, which may be the same folder. Its model and
            data may lie elsewhere now.
        report: takes each line of progress.

    Returns: the result, as result.json holds it.
    Raises: ValueError and OSError, for the data before any model is loaded; Stopped after an interrupt; NotFinite where
    no step moved anything or no answer is finite.
    """
    rank = int(os.environ.get("RANK", 0))  # torchrun sets both
    check_processes(config, int(os.environ.get("WORLD_SIZE", 1)))
    rate = config.default_rate()
    reports_rate = config.lr is None and config.trains
    config = config.resolve()
    out = Path(out or default_folder(config))
    source = None if from_log is None else Path(from_log)
    if rank > 0:
        report = no_report
    interrupts = Interrupts(report)
    with interrupts.listening(out), ExitStack() as holding:
        if rank == 0:
            holding.enter_context(hold_folder(out))
        resume_from = NEW_RUN
        if resume or source is not None:
            resume_from = resume_point(config, out, source)
        elif rank == 0:
            clear_start(out)
        if (line := prolonged_line(config, resume_from)) is not None:
            report(line)
        if reports_rate:
            report(f"no --lr was given: {config.lr:g} with a {config.schedule} schedule is {rate.source}")
        return _run(config, _Session(out, report, interrupts, resume_from, source, writes=rank == 0))


def _run(config: RunConfig, session: _Session) -> dict[str, Any]:
    """The work of every process, in a folder that the first one holds."""
    began = time.monotonic()
    if config.trains:
        check_device(config.device)
    context = prepare_run(config, session.report)
    origin = session.resume_from.origin
    rows = rows_digest(context.splits)
    check_rows(origin, rows)
    if session.writes:
        set_out(session.out, session.source, session.resume_from)
        threads = origin.threads or torch.get_num_threads()
        write_run_config(config, session.out, Origin(rows, threads, origin.lengths))
    result: dict[str, Any] = {"machine": machine(), "splits": str(context.splits)}
    if config.trains:
        before, after, facts = _train_and_evaluate(context, session)
        gain = (0.0, 0.0, 0.0)
        if after is not before:
            gain = difference(after, before)
        result |= {"test_before": score_record(before), "gain": list(gain)}
        last_line = _gain_line(before, after, gain)
    else:
        after, facts = _evaluate_untrained(context, session.report)
        last_line = f"test {after.metric}  {after}"
    seconds = time.monotonic() - began
    stages = context.stages.whole(seconds)
    result |= {**facts, "test": score_record(after), "seconds": session.resume_from.seconds + seconds}
    result |= {"stages": stages, "peak_mebibytes": _peak_memory(context)}
    if session.writes:
        write_whole(session.out / RESULT, json.dumps(result, indent=1, allow_nan=False) + "\n")
    session.report(stages_line(stages))
    session.report(_location_line(context, session.out, result))
    session.report(last_line)
    _check_finite(result)
    return result


def _train_and_evaluate(context: RunContext, session: _Session) -> tuple[Score, Score, dict[str, Any]]:
    """(test before the first step, test of the best, facts of the training)."""
    stages = context.stages
    with stages.timed(LOADING):
        from mezo_lab.finetune.training import task_trainer  # with the Trainer of transformers, which takes seconds

    place = (context, session.out, session.report, session.writes)
    before = score_before_training("test", context.test, *place)
    if before.unanswered == len(before.each):  # no loss would be finite either, for hours
        nothing = {"validation": [], "losses": [], "forward_passes": 0, "backward_passes": 0, "skipped": 0}
        return before, before, {"trained": 0, "steps": 0, "best_step": 0, **nothing}
    began = time.monotonic()
    validation = score_before_training("validation", context.validation, *place)
    start = validation, time.monotonic() - began
    with stages.timed(LOADING), thread_count(session.resume_from.origin.threads):
        model = build_model(context)
    with stages.timed(REST):
        facts = task_trainer.train_model(
            context,
            model,
            session.out,
            report=session.report,
            interrupts=session.interrupts,
            resume_from=session.resume_from,
            start=start,
        )
    if facts["best_step"] == 0:  # the weights are those of the start
        return before, before, facts
    return before, _test_score(context, model, session.report), facts


def _test_score(context: RunContext, model: Any, report: Report) -> Score:
    """The score on the test rows, announced, as it may take long."""
    report(f"test: {len(context.test):,} examples")
    with context.stages.timed(TEST):
        progress = evaluation_lines(report, "test", len(context.test))
        return evaluate_questions(model, context.encoder, context.test, progress=progress)


def _evaluate_untrained(context: RunContext, report: Report) -> tuple[Score, dict[str, Any]]:
    """Zero-shot, in-context learning (whose encoder shows solved examples), or a linear probe."""
    train = context.splits.train
    test = context.splits.test
    model = context.pretrained.model
    if context.config.method == "linear-probe":
        report(f"linear probe: {len(train):,} training and {len(test):,} test examples")
        with context.stages.timed(TEST):
            result = baselines.linear_probe(context.pretrained, context.encoder, train, test)
        return result, {"trained": model.config.hidden_size, "forward_passes": len(train)}
    return _test_score(context, model, report), {"trained": 0, "forward_passes": 0}


def _gain_line(before: Score, after: Score, gain: tuple[float, float, float]) -> str:
    """before → after on the same examples, with the interval of their difference."""
    mean, low, high = (100 * value for value in gain)
    change = f"{mean:+z.1f} points ({low:+z.1f} to {high:+z.1f}, paired 95 %)".replace("-", "−")
    if after is before:
        change = "no checkpoint was better by validation, so the start is kept"
    both = f"{percent(before.value)} → {percent(after.value)} on the same {len(after.each):,} examples"
    return f"test {after.metric}  {both}: {change}{without_score(after.unanswered)}"


def _location_line(context: RunContext, out: Path, result: dict[str, Any]) -> str:
    """Where the result lies, and how its model is loaded."""
    config = context.config
    best = result.get("best_step")
    if not config.trains:
        return f"kept in {out}: {RESULT}"
    if best == 0:
        return f"kept in {out}: {RESULT}; the model is {config.model}, as it was"
    folder = out / f"checkpoint-{best}"
    kind = "AutoModelForMaskedLM" if context.pretrained.masked else "AutoModelForCausalLM"
    load = f'{kind}.from_pretrained("{folder}")'
    if config.tuning != "full":
        # the folder or name from which transformers loads the model that the adapters belong to
        base = getattr(context.pretrained.model.config, "_name_or_path", "") or config.model
        load = f'PeftModel.from_pretrained({kind}.from_pretrained("{base}"), "{folder}")'
    return f"kept in {out}: {load} loads the model of step {best:,}"


def _check_finite(result: dict[str, Any]) -> None:
    """Raises: NotFinite for a run that has computed nothing, after all that there is has been written."""
    steps = result.get("steps", 0)
    if steps and result.get("skipped", 0) >= steps:
        raise NotFinite(
            f"none of the {steps:,} steps moved anything, as no loss was finite: nothing was trained. Look at the "
            "model's weights and at the objective, or give --dtype float32."
        )
    test = result["test"]
    if test["unanswered"] == len(test["each"]):
        count = len(test["each"])
        text = f"none of the {count:,} test examples had a finite score: the model answers nothing"
        if result.get("steps") == 0:
            text += ", and was not trained"
        raise NotFinite(f"{text}.")


def check_device(device: str | None) -> None:
    """Raises: ValueError for a device on which the Trainer of transformers does not train, before anything is read."""
    place = resolve_device(device)
    if place.type == "cuda" and (place.index or 0) > 0:
        raise ValueError(
            f"`device` must be cpu, cuda or mps for a training, as the Trainer of transformers takes the first GPU "
            f"that is visible; got {device!r}: set CUDA_VISIBLE_DEVICES={place.index} and give --device cuda."
        )


def _peak_memory(context: RunContext) -> float | None:
    """The most memory that this process has held, MiB; on a GPU, of its tensors."""
    if context.pretrained.model.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # there is none on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":  # which counts bytes, Linux kibibytes
        return peak / 2**20
    return peak / 2**10
