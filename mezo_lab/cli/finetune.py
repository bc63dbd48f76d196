"""`mezo-lab finetune`: train a language model with forward passes only, or see what it does without."""

import argparse
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mezo_lab.finetune.plan import METHODS, TRAINED, Plan, from_preset

# option → what it says; types and defaults are the plan's own
HELP = {
    "model": "smollm2-135m, a folder that save_pretrained wrote, or a name on the hub",
    "task": "rotten-tomatoes, sst2, rte, squad, …: those of the paper, with their prompts",
    "method": "one of " + ", ".join(METHODS),
    "tuning": "what is trained: full, lora or prefix",
    "data": "rows in place of the task's own: a CSV, JSON or Parquet file, or owner/name:split on the hub",
    "test_data": "rows to test on; without them --data is split",
    "prompt": "a task of your own: its text, with columns in braces; --words goes with it",
    "masked_prompt": "the same for a model that fills in a mask, with {mask}",
    "words": "its label words, of any length, in the order of the labels, with commas between them",
    "label": "its column with the label, or of --options with the right one: its number, letter or text",
    "completion": "in place of --words: its column with the text that follows the prompt",
    "options": "in place of --words: its column with a list of endings to choose among, or several columns with commas",
    "messages": "in place of --prompt: a column with chats (lists of role and content), the last being the answer",
    "metric": "of completions and chats: likelihood, of a token of the right text (default); of a line f1, exact-match",
    "shots": "examples of each class to train on (default 16)",
    "train": "examples to train on, of all classes together, in place of --shots (default without classes 1,000, or "
    "what one file has room for)",
    "validation": "examples to choose the checkpoint by (default: as many as to train on)",
    "test": "held-out examples for the last word (default 1,000; of one file of your own at most a fifth)",
    "steps": "steps of training",
    "batch": "examples per step",
    "micro_batches": "parts of a batch that are read one after another, under one z",
    "lr": "learning rate (default: measured for smollm2-135m, else the first of the paper's grid; the run says which)",
    "schedule": "constant, linear or cosine, of the rate (default: linear with a measured rate, else constant)",
    "weight_decay": "of the optimizer",
    "epsilon": "size of a probe (default: the paper's, and 1e-2 for a score as objective of smollm2-135m)",
    "probes": "directions per step",
    "law": "of z: rademacher, gaussian, …",
    "rule": "of MeZO's update: sgd, momentum, sign, normalised; adam draws z again for each of the last 1,000 steps, "
    "so that a step soon costs minutes",
    "seed": "of z and of the order of the data",
    "data_seed": "which examples are drawn",
    "objective": "loss, accuracy, f1, exact-match, or module:function of (answers, rows), which is made larger",
    "every": "steps between two evaluations (default: a fifth of all)",
    "dtype": "float32, bfloat16 or float16; in the last two MeZO keeps θ itself in float32",
    "rank": "of LoRA",
    "alpha": "of LoRA",
    "tokens": "of a prefix",
    "scratch": "start from random weights",
    "cut": "drop the beginnings of texts that are too long",
    "device": "cpu, cuda or mps (default: a GPU where there is one); CUDA_VISIBLE_DEVICES chooses among several",
    "tensorboard": "write the Trainer's curves for TensorBoard too",
}
TYPES = {"int": int, "int | None": int, "float": float, "float | None": float}


def add_to(commands) -> None:
    finetune = commands.add_parser("finetune", help="fine-tune a language model with forward passes only")
    add_plan_options(finetune)
    finetune.add_argument("--preset", metavar="P", help="the paper's settings, such as paper/opt-13b/sst2")
    finetune.add_argument("--out", type=Path, metavar="DIR", help="folder for the run (default runs/…)")
    finetune.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    finetune.set_defaults(run=run_finetune)


def add_plan_options(
    command: argparse.ArgumentParser, *, leave_out: Collection[str] = (), help_in_place: Mapping[str, str] | None = None
) -> None:
    """An option for each field of a plan; what was not given stays None.

    leave_out: fields that a command has no use for. help_in_place: field → what its help says in full, where the
    command has a default or a meaning of its own.
    """
    said = help_in_place or {}
    for field in fields(Plan):
        if field.name in leave_out:
            continue
        name, default = "--" + field.name.replace("_", "-"), field.default
        if field.type in ("bool", bool):
            command.add_argument(name, action="store_true", default=None, help=HELP[field.name])
            continue
        kind = TYPES.get(str(getattr(field.type, "__name__", field.type)), str)
        usual = "" if default in (None, ()) else f" (default {default})"
        command.add_argument(name, type=kind, metavar="X", help=said.get(field.name, HELP[field.name] + usual))


def given_fields(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a plan that were given on the command line."""
    given = {field.name: getattr(options, field.name, None) for field in fields(Plan)}
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
    plan = Plan(**given)
    out = options.out or Path("runs", folder_name(plan.settled()))
    from mezo_lab.finetune.folder import Stopped
    from mezo_lab.finetune.run import finetune
    from mezo_lab.finetune.scores import NotFinite

    try:
        finetune(plan, out, resume=options.resume)
    except Stopped as stopped:
        print(f"mezo-lab: {stopped}")
        return stopped.code
    except NotFinite as failed:
        print(f"mezo-lab: {failed}", file=sys.stderr)
        return 1
    return 0


def folder_name(plan: Plan) -> str:
    """What tells runs apart at a glance.

    >>> folder_name(Plan(task="rotten-tomatoes/sentiment", shots=16, seed=2))
    'smollm2-135m-rotten-tomatoes-sentiment-mezo-full-16-2'
    """
    size = plan.shots or plan.train
    tuning = (plan.tuning,) if plan.method in TRAINED else ()
    task = Path(plan.data).stem if plan.data and plan.owns_task() else plan.task
    parts = (Path(plan.model).name, task, plan.method, *tuning, size, plan.seed)
    return re.sub(r"[^\w.-]+", "-", "-".join(map(str, parts)))
