"""A fine-tuned model from the run log of its run: no data loader, no forward pass, only the sweeps."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.endings import Report, no_report, progress_lines
from mezo_lab.finetune.models.foreign import silenced_logging
from mezo_lab.finetune.prepare import build_model, load_for_run, prepare_run, tune_for_run
from mezo_lab.finetune.resume import read_evaluations
from mezo_lab.finetune.run_folder import LOG, RESULT, START, check_name, read_origin, read_run_config
from mezo_lab.optim import replay
from mezo_lab.optim.log import LogError, read_log
from mezo_lab.sampling import Progress

_PATIENCE = 2.0  # seconds of silence before the first line of progress


def replay_run(
    folder: Path, out: Path, *, step: str = "best", tolerance: float | None = None, report: Report = no_report
) -> int:
    """Write the model of a run with `save_pretrained`, and its tokenizer.

    Source: paper, §2.1 (storage).
    Assumes: the run's model and, for a prefix, its data are at hand.
    Cost: about a third of the time of the run's own sweeps. Where the log ends, its hash is compared with the weights.

    Args:
        folder: of the run, with plan.json and run.mezo.
        out: a new folder.
        step: "best" by the evaluations so far (the last, where there was none), "last", or a number.
        tolerance: by how much a weight may differ from the run's, in a faster replay; None is bit for bit.
        report: takes a line of progress now and then, after two seconds.

    Returns: the steps replayed. Raises: ValueError; LogError for a damaged log, or that of another model.
    """
    until = resolve_step(folder, step)
    config = read_run_config(folder).resolve()
    if step == "best" and until == 0 and config.tuning == "prefix":
        # a prefix begins as tokens, with which the model answers otherwise than without them
        raise ValueError(
            f"`step` best is the start of {folder}, {config.model} without a prefix, which needs no rebuilding: pass "
            "--step last, or a number."
        )
    check_name(out)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"`out` must be a new folder, {out} holds files: name another.")
    model, tokenizer, steps = _rebuild(config, folder, until, report, tolerance)
    with silenced_logging():
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    return steps


def rebuild_model(folder: Path, until: int | None = None, report: Report = no_report) -> tuple[Any, Any, int]:
    """(model, tokenizer, steps) of a run after `until` steps; None is all.

    A prefix begins as activations, which are computed again, and are the same to the last digit on processors of one
    kind only. The other tunings begin with what is read or drawn.

    Raises: as `replay_run`.
    """
    return _rebuild(read_run_config(folder).resolve(), folder, until, report)


def _rebuild(
    config: RunConfig, folder: Path, until: int | None, report: Report, tolerance: float | None = None
) -> tuple[Any, Any, int]:
    if not (folder / LOG).is_file():
        raise ValueError(f"`run` must hold {LOG}, the log of a run with --method mezo; {folder} has none.")
    _check_steps(folder, until)
    if config.tuning == "prefix":
        with thread_count(_threads_of(folder)):
            context = prepare_run(config, no_report)
            model = build_model(context)
        tokenizer = context.pretrained.tokenizer
    else:
        pretrained = load_for_run(config)
        model = tune_for_run(config, pretrained)
        tokenizer = pretrained.tokenizer
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    opt = replay(trainable, folder / LOG, until=until, tolerance=tolerance, progress=replay_lines(report))
    return model, tokenizer, opt.steps


def replay_lines(report: Report) -> Progress:
    """The progress of a long replay."""
    return progress_lines(
        report,
        lambda done, total, left: f"rebuilding step {done:,}/{total:,}  {left / 60:,.1f} min left",
        first=_PATIENCE,
    )


def _check_steps(folder: Path, until: int | None) -> None:
    """Raises: ValueError for more steps than a log holds."""
    try:
        logged = read_log(folder / LOG).steps
    except LogError:  # it may be damaged further on; a replay says where
        return
    if until is not None and until > logged:
        raise ValueError(
            f"`step` must be at most {logged:,}, the steps that {folder / LOG} holds, got {until:,}: pass --step last."
        )


def _threads_of(folder: Path) -> int | None:
    """The number of threads that a run had, where it says so. Raises: ValueError for one that is none."""
    threads: Any = read_origin(folder).threads
    if threads is None:  # of a run of an older version
        machine = _read_result(folder).get("machine")
        threads = machine.get("threads") if isinstance(machine, dict) else None
    if threads is not None and (type(threads) is not int or not 0 < threads < 1 << 16):
        raise ValueError(f"`run` has a {folder / RESULT} whose number of threads, {threads!r}, is none: use a copy.")
    return threads


@contextmanager
def thread_count(threads: int | None) -> Iterator[None]:
    """While this lasts torch has so many threads, on which the last digits of activations depend; None: as it has."""
    own = torch.get_num_threads()
    torch.set_num_threads(threads or own)
    try:
        yield
    finally:
        torch.set_num_threads(own)


def resolve_step(folder: Path, step: str) -> int | None:
    """The number of steps that "best", "last" or a number means; None is all. Raises: ValueError."""
    if step == "last":
        return None
    if step == "best":
        result = _read_result(folder)
        best = result.get("best_step")
        if best is not None and (type(best) is not int or best < 0):
            raise ValueError(
                f"`run` has a {folder / RESULT} whose best_step is no number of steps, {str(best)[:40]!r}: pass --step "
                "last."
            )
        if best is None or _is_being_prolonged(folder, result):
            return _best_evaluated(folder)
        return best
    try:
        if (number := int(step)) >= 0:
            return number
    except ValueError:
        pass
    raise ValueError(f"`step` must be best, last or a number of steps, got {step!r}: give one of these.")


def _is_being_prolonged(folder: Path, result: dict[str, Any]) -> bool:
    """Whether a result is that of fewer steps than the run is planned to make now."""
    steps = result.get("steps")
    if type(steps) is not int or not steps:  # a start without an answer, with which no step is made
        return False
    return steps < read_run_config(folder).steps


def _best_evaluated(folder: Path) -> int | None:
    """The best step of a run that has not come to its end, the start among them; None where nothing was evaluated."""
    records = read_evaluations(folder)
    if not records:
        return None
    try:
        logged = read_log(folder / LOG).steps
    except (OSError, LogError):  # the replay says what is wrong with it
        return None
    scores = {record["step"]: record["value"] for record in records if record["step"] <= logged}
    with suppress(OSError, ValueError, KeyError, TypeError):
        scores[0] = json.loads((folder / START).read_bytes())["validation"]["value"]
    return max(sorted(scores), key=lambda step: scores[step], default=None)


def _read_result(folder: Path) -> dict[str, Any]:
    """What a run wrote at its end; empty, where it has not come to it. Raises: ValueError naming the file."""
    file = folder / RESULT
    if not file.exists():
        return {}
    try:
        result = json.loads(file.read_text())
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"`run` has a {file} that cannot be read ({error}): pass --step last.") from None
    if not isinstance(result, dict):
        raise ValueError(f"`run` has a {file} that is no result but {str(result)[:40]}: pass --step last.")
    return result
