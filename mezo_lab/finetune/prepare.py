"""What a run needs before its first step, from its plan: data, the model, and what of it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from mezo_lab.finetune.config import TRAINED, RunConfig
from mezo_lab.finetune.data.rows import load_rows
from mezo_lab.finetune.data.splits import Splits, draw_splits
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import Encoded
from mezo_lab.finetune.endings import Say
from mezo_lab.finetune.evaluation import baselines
from mezo_lab.finetune.models.loading import LanguageModel, load_model
from mezo_lab.finetune.models.tuning import tune
from mezo_lab.finetune.tasks import Task, chat_task, choice_task, completion_task, custom_task, task_named
from mezo_lab.finetune.tasks.prompts import Prompt
from mezo_lab.finetune.training.objectives import check_objective


@dataclass(frozen=True)
class RunContext:
    """What a run needs before its first forward pass."""

    plan: RunConfig
    task: Task
    splits: Splits
    loaded: LanguageModel
    encoder: Encoder


def prepare_run(plan: RunConfig, say: Say = print) -> RunContext:
    """Data first: an error in them is found before a model is loaded."""
    task = task_of(plan)
    check_objective(plan.objective, task)
    data = data_of(plan, task)
    say(f"loading {plan.model}")
    loaded = load_for_run(plan)
    before = Prompt()
    if plan.method == "icl":
        before = baselines.solved(task, data.train, seed=plan.data_seed)
    room = plan.tokens if plan.tuning == "prefix" and plan.method in TRAINED else 0
    if room >= loaded.limit:
        raise ValueError(
            f"`tokens` must be fewer than the {loaded.limit:,} that the model reads, got {room:,}: give a smaller "
            "number."
        )
    encoder = Encoder(
        task,
        loaded.tokenizer,
        data.train[0],
        masked=loaded.masked,
        limit=loaded.limit - room,
        cut=plan.cut,
        before=before,
    )
    read_all(encoder, data, plan, len(cast(Tensor, loaded.model.get_input_embeddings().weight)))
    say(f"{loaded.name}: {loaded.model.num_parameters():,} parameters, {plan.dtype}, on {loaded.model.device}")
    say(f"{task.name}: {data}")
    return RunContext(plan, task, data, loaded, encoder)


def load_for_run(plan: RunConfig) -> LanguageModel:
    """The model that the run begins with."""
    loaded = load_model(plan.model, dtype=getattr(torch, plan.dtype), device=plan.device)
    if plan.scratch:
        from_scratch(loaded, plan.seed)
    return loaded


def read_all(encoder: Encoder, data: Splits, plan: RunConfig, vocabulary: int) -> None:
    """Read every text once, so that a bad one is refused before the run.

    Args: vocabulary: how many tokens the model has. Raises: ValueError.
    """
    trained = plan.method in TRAINED
    asked: list[Encoded] = []
    for row in data.train if trained or plan.method == "linear-probe" else ():
        asked.append(encoder.encode_training(row))
    for row in (*(data.validation if trained else ()), *data.test):
        asked += encoder.encode_evaluation(row)
    largest = max((*encoder.labels, *(max((*one.input_ids, *one.targets)) for one in asked)))
    if largest >= vocabulary:
        raise ValueError(
            f"`model` must have a tokenizer of its own, and token {largest} is none of its {vocabulary}: copy the "
            "tokenizer's files from where the model came from."
        )


def task_of(plan: RunConfig) -> Task:
    metric: Any = plan.metric or "likelihood"
    if plan.messages is not None:
        return chat_task(plan.messages, metric=metric)
    if plan.prompt is None:
        return task_named(plan.task)
    if plan.completion is not None:
        return completion_task(plan.prompt, plan.completion, metric=metric)
    if plan.options is not None:
        return choice_task(plan.prompt, [column.strip() for column in plan.options.split(",")], plan.label)
    return custom_task(plan.prompt, plan.words, plan.label, plan.masked_prompt)


def data_of(plan: RunConfig, task: Task) -> Splits:
    source = task.data
    if plan.data is None and source is None:
        raise ValueError(
            f"`data` must be given for {task.name}, which has none of its own: a file, or a name on the hub."
        )
    if plan.data is not None or source is None:
        train = load_rows(plan.data or "", columns=task.required_columns())
        test = None if plan.test_data is None else load_rows(plan.test_data, columns=task.required_columns())
    else:
        train = load_rows(source.path, split=source.train, columns=task.required_columns())
        test = (
            None if source.test is None else load_rows(source.path, split=source.test, columns=task.required_columns())
        )
    sizes = {"shots": plan.shots, "train": plan.train, "validation": plan.validation, "test": plan.test}
    return draw_splits(task, train, test_rows=test, seed=plan.data_seed, **sizes)


def build_model(ready: RunContext) -> Any:
    """The model with what of it is trained; the same from the same plan."""
    prefix = ready.plan.tuning == "prefix"
    texts = [ready.encoder.encode_prompt(row, 0).input_ids for row in ready.splits.train] if prefix else []
    return tune_loaded(ready.plan, ready.loaded, texts)


def tune_loaded(plan: RunConfig, loaded: LanguageModel, texts: Sequence[Sequence[int]] = ()) -> Any:
    """`model_of`, from the texts that a prefix begins with; the other tunings need no data."""
    kinds = {"rank": plan.rank, "alpha": plan.alpha, "tokens": plan.tokens, "seed": plan.seed}
    return tune(loaded, plan.tuning, examples=texts, **kinds)


def from_scratch(loaded: LanguageModel, seed: int) -> None:
    """Random weights, as the architecture starts from, in place of the trained ones."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        fresh = type(loaded.model)(loaded.model.config)  # type: ignore[call-arg]
    loaded.model.load_state_dict(fresh.state_dict())
