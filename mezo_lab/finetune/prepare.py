"""From the configuration of a run to all that its first forward pass needs: rows, the model, and rows in tokens."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.data.rows import Row, load_rows
from mezo_lab.finetune.data.splits import Splits, draw_splits
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.examples import Example, encode_examples
from mezo_lab.finetune.endings import Report, encoding_lines
from mezo_lab.finetune.evaluation import baselines
from mezo_lab.finetune.evaluation.questions import Questions, encode_questions
from mezo_lab.finetune.models.loading import LanguageModel, load_model, loading_line
from mezo_lab.finetune.models.tuning import tune
from mezo_lab.finetune.stages import ENCODING, LOADING, Stages
from mezo_lab.finetune.tasks import Task, chat_task, choice_task, completion_task, custom_task, task_named
from mezo_lab.finetune.tasks.prompts import Prompt
from mezo_lab.finetune.training.objectives import check_objective


@dataclass(frozen=True)
class RunContext:
    """What a run needs before its first forward pass."""

    config: RunConfig
    task: Task
    splits: Splits
    pretrained: LanguageModel
    """The model as it was: no adapters, nothing trained."""
    encoder: Encoder
    examples: tuple[Example, ...]
    """The training rows in tokens; none where no method of the run reads them."""
    validation: Questions
    """The validation rows in tokens; none where nothing is trained."""
    test: Questions
    """The test rows in tokens."""
    stages: Stages = field(default_factory=Stages)
    """The clock of the run."""


def prepare_run(config: RunConfig, report: Report = print) -> RunContext:
    """Load the data, then the model, and encode every text once, so that a bad one is refused before the run.

    Args: config: resolved. report: takes a line that says what is loaded.
    Raises: ValueError and OSError, for the data before a model is loaded.
    """
    stages = Stages()
    with stages.timed(LOADING):
        task = _task(config)
        check_objective(config.objective, task)
        report(f"reading {config.data or task.name}")
        splits = _splits(config, task)
        report(loading_line(config.model))
        pretrained = load_for_run(config)
    with stages.timed(ENCODING):
        encoder = _encoder(config, task, splits, pretrained)
        examples: tuple[Example, ...] = ()
        held_out: Sequence[Row] = ()
        if config.trains or config.method == "linear-probe":
            examples = encode_examples(encoder, splits.train, encoding_lines(report, "training"))
        if config.trains:
            held_out = splits.validation
        validation = encode_questions(encoder, held_out, progress=encoding_lines(report, "validation"))
        test = encode_questions(encoder, splits.test, progress=encoding_lines(report, "test"))
        _check_tokens(encoder, examples, (validation, test), pretrained)
    model = pretrained.model
    report(f"{pretrained.name}: {model.num_parameters():,} parameters, {config.dtype}, on {model.device}")
    report(f"{task.name}: {splits}")
    return RunContext(config, task, splits, pretrained, encoder, examples, validation, test, stages)


def rows_digest(splits: Splits) -> str:
    """The digest of the rows of a run, by which a run that goes on elsewhere knows them."""
    parts = [splits.train, splits.validation, splits.test]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def load_for_run(config: RunConfig) -> LanguageModel:
    """The model with which a run begins."""
    pretrained = load_model(config.model, dtype=getattr(torch, config.dtype), device=config.device)
    if config.scratch:
        _draw_weights(pretrained, config.seed)
    return pretrained


def build_model(context: RunContext) -> Any:
    """The model with the weights that are trained, or with adapters; the same from the same configuration."""
    texts = []
    if context.config.tuning == "prefix":  # which begins as tokens of the training prompts
        texts = [context.encoder.encode_prompt(row, 0).input_ids for row in context.splits.train]
    return tune_for_run(context.config, context.pretrained, texts)


def tune_for_run(config: RunConfig, pretrained: LanguageModel, texts: Sequence[Sequence[int]] = ()) -> Any:
    """`build_model` without its data. Args: texts: the tokens with which a prefix begins; unread otherwise."""
    settings = {"rank": config.rank, "alpha": config.alpha, "tokens": config.tokens, "seed": config.seed}
    return tune(pretrained, config.tuning, examples=texts, **settings)


def _task(config: RunConfig) -> Task:
    metric: Any = config.metric or "likelihood"
    if config.messages is not None:
        return chat_task(config.messages, metric=metric)
    if config.prompt is None:
        return task_named(config.task)
    if config.completion is not None:
        return completion_task(config.prompt, config.completion, metric=metric)
    if config.options is not None:
        columns = [column.strip() for column in config.options.split(",")]
        return choice_task(config.prompt, columns, config.label)
    return custom_task(config.prompt, config.words, config.label, config.masked_prompt)


def _splits(config: RunConfig, task: Task) -> Splits:
    columns = task.required_columns()
    test_rows = None
    if config.data is not None:
        train_rows = _rows("data", config.data, columns)
        if config.test_data is not None:
            test_rows = _rows("test_data", config.test_data, columns)
    elif task.data is None:
        raise ValueError(
            f"`data` must be given for {task.name}, which has none of its own: a file, or a name on the hub."
        )
    elif config.test_data is not None:
        raise ValueError(f"`test_data` belongs to `data`, got {config.test_data!r} without it: give both, or neither.")
    else:
        train_rows = load_rows(task.data.path, split=task.data.train, columns=columns)
        if task.data.test is not None:
            test_rows = load_rows(task.data.path, split=task.data.test, columns=columns)
    return draw_splits(
        task,
        train_rows,
        test_rows=test_rows,
        shots=config.shots,
        train=config.train,
        validation=config.validation,
        test=config.test,
        seed=config.data_seed,
    )


def _rows(argument: str, source: str, columns: Sequence[str]) -> list[Row]:
    """The rows of a file or data set. Raises: as `load_rows`, naming the option in place of its `source`."""
    try:
        return load_rows(source, columns=columns)
    except (ValueError, OSError) as error:
        text = str(error)
        if not text.startswith("`source`"):
            raise
        raise type(error)(text.replace("`source`", f"`{argument}`", 1)) from error


def _encoder(config: RunConfig, task: Task, splits: Splits, pretrained: LanguageModel) -> Encoder:
    shown = Prompt()
    if config.method == "icl":
        shown = baselines.solved(task, splits.train, seed=config.data_seed)
    prefix = 0  # tokens that stand before a text
    if config.tuning == "prefix" and config.trains:
        prefix = config.tokens
    if prefix >= pretrained.limit:
        raise ValueError(
            f"`tokens` must be fewer than the {pretrained.limit:,} that the model reads, got {prefix:,}: give a "
            "smaller number."
        )
    return Encoder(
        task,
        pretrained.tokenizer,
        splits.train[0],
        masked=pretrained.masked,
        limit=pretrained.limit - prefix,
        cut=config.cut,
        before=shown,
    )


def _check_tokens(
    encoder: Encoder, examples: Sequence[Example], evaluated: Sequence[Questions], pretrained: LanguageModel
) -> None:
    """Raises: ValueError for a text that cannot be read, or that holds tokens that the model does not have."""
    sequences = [sequence for example in examples for sequence in example.encoded]
    for questions in evaluated:
        sequences += questions.sequences
    tokens = {token for sequence in sequences for token in (*sequence.input_ids, *sequence.targets)}
    largest = max(tokens.union(encoder.labels))
    vocabulary = len(cast(Tensor, pretrained.model.get_input_embeddings().weight))
    if largest >= vocabulary:
        raise ValueError(
            f"`model` must have a tokenizer of its own, and token {largest} is none of its {vocabulary}: copy the "
            "tokenizer's files from where the model came from."
        )


def _draw_weights(pretrained: LanguageModel, seed: int) -> None:
    """Random weights, as the architecture starts from, in place of the trained ones."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        fresh = type(pretrained.model)(pretrained.model.config)  # type: ignore[call-arg]
    pretrained.model.load_state_dict(fresh.state_dict())
