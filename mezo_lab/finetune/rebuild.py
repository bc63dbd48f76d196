"""A fine-tuned model from the log of its run: no data loader, no forward pass, only the sweeps."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mezo_lab.finetune.plan import LOG, RESULT, read_plan
from mezo_lab.finetune.prepare import loaded_for, model_of, prepared, tuned
from mezo_lab.optim import replay


def rebuild(folder: Path, out: Path, *, step: str = "best") -> int:
    """Write the model of a run with `save_pretrained`, and its tokenizer.

    Source: paper, §2.1 (storage). Assumes: the run's model and, for a prefix, its data are at hand.
    Cost: the sweeps of the run. The weights are compared with the hash in the log, bit for bit, where the log ends.

    Args: folder: with plan.json and run.mezo. out: a new folder. step: "best" by validation as result.json has it
        (the last, without one), "last", or a number.
    Returns: the steps made. Raises: ValueError; LogError for a damaged log, or that of another model.
    """
    until = steps_of(folder, step)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"`out` must be a new folder, {out} holds files: name another.")
    model, tokenizer, steps = rebuilt(folder, until)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return steps


def rebuilt(folder: Path, until: int | None = None) -> tuple[Any, Any, int]:
    """(model, tokenizer, steps) of a run after so many steps.

    A prefix begins as activations, which are computed again, and are the same to the last digit on processors of one
    kind only. The other tunings begin with what is read or drawn.
    """
    if not (folder / LOG).is_file():
        raise ValueError(f"`run` must hold {LOG}, the log of a run with --method mezo; {folder} has none.")
    plan = read_plan(folder).settled()
    if plan.tuning == "prefix":
        with threads_of(folder):
            ready = prepared(plan, say=lambda line: None)
            loaded, model = ready.loaded, model_of(ready)
    else:
        loaded = loaded_for(plan)
        model = tuned(plan, loaded)
    moving = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    steps = replay(moving, folder / LOG, until=until).steps
    return model, loaded.tokenizer, steps


@contextmanager
def threads_of(folder: Path) -> Iterator[None]:
    """While this lasts torch has as many threads as the run had, on which the last digits of activations depend."""
    own, file = torch.get_num_threads(), folder / RESULT
    there = json.loads(file.read_text())["machine"]["threads"] if file.exists() else own
    torch.set_num_threads(there)
    try:
        yield
    finally:
        torch.set_num_threads(own)


def steps_of(folder: Path, step: str) -> int | None:
    """The number of steps that "best", "last" or a number means; None is all."""
    if step == "last":
        return None
    if step == "best":
        file = folder / RESULT
        try:
            return json.loads(file.read_text()).get("best_step") if file.exists() else None
        except ValueError as error:
            raise ValueError(f"`run` has a {RESULT} that cannot be read ({error}): pass --step last.") from None
    try:
        if (number := int(step)) >= 0:
            return number
    except ValueError:
        pass
    raise ValueError(f"`step` must be best, last or a number of steps, got {step!r}.")
