"""A fine-tuned model from the run log of its run: no data loader, no forward pass, only the sweeps."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mezo_lab.finetune.config import LOG, PLAN, RESULT, RunConfig, read_config
from mezo_lab.finetune.endings import LINE_EVERY, Say
from mezo_lab.finetune.models.foreign import silenced_logging
from mezo_lab.finetune.prepare import build_model, load_for_run, prepare_run, tune_loaded
from mezo_lab.finetune.run_folder import check_name
from mezo_lab.optim import replay
from mezo_lab.optim.log import LogError, read_log

PATIENCE = 2.0  # seconds of silence before the first line of progress


def unheard(line: str) -> None:
    """Say nothing."""


def replay_run(folder: Path, out: Path, *, step: str = "best", say: Say = unheard) -> int:
    """Write the model of a run with `save_pretrained`, and its tokenizer.

    Source: paper, §2.1 (storage). Assumes: the run's model and, for a prefix, its data are at hand.
    Cost: the sweeps of the run. The weights are compared with the hash in the log, bit for bit, where the log ends.

    Args: folder: with plan.json and run.mezo. out: a new folder. step: "best" by validation as result.json has it
        (the last, without one), "last", or a number. say: takes a line of progress, where it takes longer than seconds.
    Returns: the steps made. Raises: ValueError; LogError for a damaged log, or that of another model.
    """
    until = resolve_step(folder, step)
    plan = settled(folder)
    if step == "best" and until == 0 and plan.tuning == "prefix":
        # a prefix begins as tokens, with which the model answers otherwise than without them
        raise ValueError(
            f"`step` best is the start of {folder}, {plan.model} without a prefix, which needs no rebuilding: pass "
            "--step last, or a number."
        )
    check_name(out)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"`out` must be a new folder, {out} holds files: name another.")
    model, tokenizer, steps = rebuild_model(folder, until, say)
    with silenced_logging():
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    return steps


def rebuild_model(folder: Path, until: int | None = None, say: Say = unheard) -> tuple[Any, Any, int]:
    """(model, tokenizer, steps) of a run after so many steps.

    A prefix begins as activations, which are computed again, and are the same to the last digit on processors of one
    kind only. The other tunings begin with what is read or drawn.
    """
    if not (folder / LOG).is_file():
        raise ValueError(f"`run` must hold {LOG}, the log of a run with --method mezo; {folder} has none.")
    plan = settled(folder)
    check_steps(folder, until)
    if plan.tuning == "prefix":
        with threads_of(folder):
            ready = prepare_run(plan, say=unheard)
            loaded, model = ready.loaded, build_model(ready)
    else:
        loaded = load_for_run(plan)
        model = tune_loaded(plan, loaded)
    moving = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    steps = replay(moving, folder / LOG, until=until, progress=telling(say)).steps
    return model, loaded.tokenizer, steps


def settled(folder: Path) -> RunConfig:
    """The plan of a run. Raises: ValueError naming the file, also for fields of other types than a plan's."""
    plan = read_config(folder)
    try:
        return plan.resolve()
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"`run` has a {folder / PLAN} that makes no sense ({error}): use a copy of it.") from None


def check_steps(folder: Path, until: int | None) -> None:
    """Raises: ValueError for more steps than a log holds."""
    try:
        held = read_log(folder / LOG).steps
    except LogError:  # it may be damaged further on; a replay says where
        return
    if until is not None and until > held:
        raise ValueError(
            f"`step` must be at most {held:,}, the steps that {folder / LOG} holds, got {until:,}: pass --step last."
        )


def telling(say: Say) -> Callable[[int, int], None]:
    """A line of progress after two seconds, and then every ten."""
    began = time.monotonic()
    told = began + PATIENCE - LINE_EVERY

    def progress(done: int, of: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < LINE_EVERY:
            return
        told = now
        left = (now - began) / done * (of - done)
        say(f"rebuilding step {done:,}/{of:,}  {left / 60:,.1f} min left")

    return progress


@contextmanager
def threads_of(folder: Path) -> Iterator[None]:
    """While this lasts torch has as many threads as the run had, on which the last digits of activations depend."""
    own = torch.get_num_threads()
    machine = result_of(folder).get("machine")
    there = machine.get("threads", own) if isinstance(machine, dict) else own
    if type(there) is not int or not 0 < there < 1 << 16:
        raise ValueError(f"`run` has a {folder / RESULT} that makes no sense in its threads, {there!r}: use a copy.")
    torch.set_num_threads(there)
    try:
        yield
    finally:
        torch.set_num_threads(own)


def resolve_step(folder: Path, step: str) -> int | None:
    """The number of steps that "best", "last" or a number means; None is all."""
    if step == "last":
        return None
    if step == "best":
        best = result_of(folder).get("best_step")
        if best is not None and (type(best) is not int or best < 0):
            raise ValueError(
                f"`run` has a {folder / RESULT} whose best_step is no number of steps, {str(best)[:40]!r}: pass --step "
                "last."
            )
        return best
    try:
        if (number := int(step)) >= 0:
            return number
    except ValueError:
        pass
    raise ValueError(f"`step` must be best, last or a number of steps, got {step!r}.")


def result_of(folder: Path) -> dict[str, Any]:
    """What a run wrote at its end; nothing, where it has not come to it. Raises: ValueError naming the file."""
    file = folder / RESULT
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text())
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"`run` has a {file} that cannot be read ({error}): pass --step last.") from None
    if not isinstance(found, dict):
        raise ValueError(f"`run` has a {file} that is no result but {str(found)[:40]}: pass --step last.")
    return found
