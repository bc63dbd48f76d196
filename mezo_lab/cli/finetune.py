"""`mezo-lab finetune`: train a language model with forward passes only, or evaluate it without training."""

import argparse
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mezo_lab.cli.options import folder, integer
from mezo_lab.finetune.config import METHODS, TRAINED, RunConfig, from_preset

# option → what it says; types and defaults are the plan's own
HELP = {
    "model": "smollm2-135m, a folder that save_pretrained wrote, or a name on the hub",
    "task": "task of the paper, with its prompt: rotten-tomatoes, sst2, rte, squad, …",
    "method": f"one of {', '.join(METHODS)}",
    "tuning": "what is trained: full, lora or prefix",
    "data": "rows in place of the task's own: a CSV, JSON or Parquet file, or owner/name:split on the hub",
    "test_data": "rows to test on (default: a part of --data)",
    "prompt": "prompt of a task of your own, with columns in braces; needs --words, --completion or --options",
    "masked_prompt": "the same prompt for a model that fills in a mask, with {mask}",
    "words": "label words of your task, separated by commas, in the order of the labels",
    "label": "column with the label; with --options, the number, letter or text of the right option",
    "completion": "column with the text that follows the prompt, in place of --words",
    "options": "column with a list of options, or several columns separated by commas, in place of --words",
    "messages": "column with chats, in place of --prompt: lists of role and content, the last of which is the answer",
    "metric": "score of completions and chats: likelihood of a token of the right text (default); for one line, f1 or "
    "exact-match",
    "shots": "training examples of each class (default 16)",
    "train": "training examples of all classes together, in place of --shots (default for a task without classes: "
    "1,000, or as many as the file has room for)",
    "validation": "examples that choose the checkpoint (default: as many as for training)",
    "test": "held-out examples for the final score (default 1,000; at most a fifth of a single file of your own)",
    "steps": "training steps",
    "batch": "examples per step",
    "micro_batches": "parts of a batch, read one after another under the same z",
    "lr": "learning rate (default: the measured one for smollm2-135m, else the first of the paper's grid; the run "
    "names its source)",
    "schedule": "constant, linear or cosine schedule of the rate (default: linear with a measured rate, else constant)",
    "weight_decay": "weight decay",
    "epsilon": "size of a probe (default: the paper's; 1e-2 for smollm2-135m with a score as the objective)",
    "probes": "directions per step",
    "law": "law of z: rademacher, gaussian, …",
    "rule": "update rule of MeZO: sgd, momentum, sign, normalised, or adam, which draws z again for each of the last "
    "1,000 steps, so that a step soon takes minutes",
    "seed": "seed of z and of the order of the data",
    "data_seed": "seed that chooses the examples",
    "objective": "loss, or a score to raise: accuracy, f1, exact-match, or module:function of (answers, rows)",
    "every": "steps between two evaluations (default: a fifth of all)",
    "dtype": "float32, bfloat16 or float16; in the last two MeZO keeps θ itself in float32",
    "rank": "rank of LoRA",
    "alpha": "alpha of LoRA",
    "tokens": "tokens of a prefix",
    "scratch": "start from random weights",
    "cut": "drop the beginnings of texts that are too long",
    "device": "cpu, cuda or mps (default: a GPU where there is one); CUDA_VISIBLE_DEVICES chooses among several",
    "tensorboard": "write the Trainer's curves for TensorBoard too",
}
TYPES = {"int": integer, "int | None": integer, "float": float, "float | None": float}


def add_options(command: argparse.ArgumentParser) -> None:
    add_plan_options(command)
    command.add_argument("--preset", metavar="P", help="the paper's settings, such as paper/opt-13b/sst2")
    command.add_argument("--out", type=folder, metavar="DIR", help="folder for the run (default runs/…)")
    command.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    command.set_defaults(run=run_finetune)


def add_plan_options(
    command: argparse.ArgumentParser, *, leave_out: Collection[str] = (), help_in_place: Mapping[str, str] | None = None
) -> None:
    """An option for each field of a plan; an option that is left out is None.

    Args: leave_out: fields that a command has no use for. help_in_place: field → its whole help text, where the
    command has a default or a meaning of its own.
    """
    for field in fields(RunConfig):
        if field.name in leave_out:
            continue
        name = "--" + field.name.replace("_", "-")
        usual = "" if field.default in (None, ()) or field.default is False else f" (default {field.default})"
        text = (help_in_place or {}).get(field.name, HELP[field.name] + usual)
        if field.type in ("bool", bool):
            command.add_argument(name, action="store_true", default=None, help=text)
            continue
        kind = TYPES.get(str(getattr(field.type, "__name__", field.type)), str)
        command.add_argument(name, type=kind, metavar="X", help=text)


def given_fields(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a plan that were given on the command line."""
    given = {field.name: getattr(options, field.name, None) for field in fields(RunConfig)}
    given = {name: value for name, value in given.items() if value is not None}
    if "words" in given:
        given["words"] = tuple(word.strip() for word in given["words"].split(","))
    return given


def run_finetune(options: argparse.Namespace) -> int:
    given = given_fields(options)
    if options.preset:
        preset = from_preset(options.preset, given.get("tuning"))
        if given.get("method", "mezo") != "mezo":
            del preset["lr"]  # it is MeZO's
        given = preset | given
    plan = RunConfig(**given)
    out = options.out or Path("runs", folder_name(plan.resolve()))
    from mezo_lab.finetune.evaluation.scores import NotFinite
    from mezo_lab.finetune.run import finetune
    from mezo_lab.finetune.run_folder import Stopped

    try:
        finetune(plan, out, resume=options.resume)
    except Stopped as stopped:
        print(f"mezo-lab: {stopped}")
        return stopped.code
    except NotFinite as failed:
        print(f"mezo-lab: {failed}", file=sys.stderr)
        return 1
    return 0


def folder_name(plan: RunConfig) -> str:
    """What tells runs apart at a glance.

    >>> folder_name(RunConfig(task="rotten-tomatoes/sentiment", shots=16, seed=2))
    'smollm2-135m-rotten-tomatoes-sentiment-mezo-full-16-2'
    """
    size = plan.shots or plan.train
    tuning = (plan.tuning,) if plan.method in TRAINED else ()
    task = Path(plan.data).stem if plan.data and plan.owns_task() else plan.task
    parts = (Path(plan.model).name, task, plan.method, *tuning, size, plan.seed)
    return re.sub(r"[^\w.-]+", "-", "-".join(map(str, parts)))
