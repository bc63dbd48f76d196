"""The answers of a model to rows, and how often they are right."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import NEW_TOKENS, Encoder
from mezo_lab.finetune.encoding.logits import Encoded, answer_logits, bucket_size, length_buckets
from mezo_lab.finetune.encoding.prefix_cache import split_shared_prefix
from mezo_lab.finetune.evaluation.scores import Score, exact_match, f1, mean_score
from mezo_lab.finetune.tasks.task import Task
from mezo_lab.sampling import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH = 16  # rows
_SHOWN_BATCH = 64  # rows behind solved examples, which are read once for a batch


def evaluate(
    model: "PreTrainedModel",
    encoder: Encoder,
    rows: Sequence[Row],
    *,
    metric: str | None = None,
    progress: Progress | None = None,
) -> Score:
    """How often a model is right, with a 95 % interval. A row whose scores are not finite counts as wrong.

    Cost: as `predictions`.

    Args:
        model: in eval mode.
        encoder: of the task and the model.
        rows: to evaluate on.
        metric: "accuracy", "f1", "exact-match" or "likelihood"; default the task's own.
        progress: called with (rows done, rows).

    Raises: ValueError for a metric that the task's answers do not have.
    """
    metric = metric or encoder.task.metric
    if metric == "likelihood" and encoder.task.kind == "generation":
        values = likelihoods(model, encoder, rows, progress=progress)
        return mean_score(metric, [value or 0.0 for value in values], unanswered=values.count(None))
    answers = predictions(model, encoder, rows, progress=progress)
    return mean_score(metric, score_answers(encoder.task, answers, rows, metric), unanswered=answers.count(None))


def score_answers(task: Task, answers: Sequence[Any], rows: Sequence[Row], metric: str) -> list[float]:
    """The score of each answer, from 0 to 1; None, an answer without a finite score, counts as 0."""
    pairs = list(zip(answers, rows, strict=True))
    if task.kind == "generation" and metric in ("f1", "exact-match"):
        text_score = {"f1": f1, "exact-match": exact_match}[metric]
        return [0.0 if answer is None else text_score(answer, task.references(row)) for answer, row in pairs]
    if task.kind != "generation" and metric == "accuracy":
        return [float(answer is not None and answer in task.golds(row)) for answer, row in pairs]
    known = "f1, exact-match or likelihood" if task.kind == "generation" else "accuracy"
    raise ValueError(f"`metric` must be {known} for {task.name}, a {task.kind}; got {metric!r}: give one of these.")


@torch.no_grad()
def predictions(
    model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[Any]:
    """The model's answer to each row: the index of a label word or option, or one line of text.

    The answer to a row whose scores are not all finite is None, as the likeliest of them is not known.

    Source: paper, Appendix E: the likeliest label word; the option of largest mean log-likelihood per token; greedy
    decoding to the end of the line.
    Cost: a forward pass for each row, for each option of a choice, for each token of a text.

    Args: as `evaluate`.
    """
    answer = {"classification": _classify, "choice": _choose, "generation": _generate}[encoder.kind]
    answers: list[Any] = []
    size = BATCH
    if encoder.before:
        size = _SHOWN_BATCH
    for start in range(0, len(rows), size):
        answers += answer(model, encoder, rows[start : start + size])
        if progress is not None:
            progress(len(answers), len(rows))
    return answers


def _likeliest(scores: Sequence[float]) -> int | None:
    """The index of the largest score, or None where one is not finite: the argmax of NaN would be the first.

    >>> _likeliest([0.5, 2.0]), _likeliest([math.nan, 2.0]), _likeliest([0.5, math.inf])
    (1, None, None)
    """
    if not all(map(math.isfinite, scores)):
        return None
    return scores.index(max(scores))


def _classify(model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row]) -> list[int | None]:
    prompts = [encoder.encode_prompt(row, encoder.labels[0]) for row in rows]
    logits = grouped_logits(model, prompts)  # (rows, vocabulary)
    return [_likeliest(scores) for scores in logits[:, list(encoder.labels)].tolist()]


def _choose(model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row]) -> list[int | None]:
    options = [encoder.encode_options(row) for row in rows]
    means = _mean_log_likelihoods(model, [option for row_options in options for option in row_options])
    answers = []
    for row_options in options:
        answers.append(_likeliest(means[: len(row_options)]))
        means = means[len(row_options) :]
    return answers


@torch.no_grad()
def likelihoods(
    model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[float | None]:
    """The probability of a token of each row's right answer: the geometric mean over its tokens, 1/perplexity.

    None where it is not finite. Cost: a forward pass for each row.
    """
    values: list[float | None] = []
    for start in range(0, len(rows), BATCH):
        means = _mean_log_likelihoods(model, [encoder.encode_training(row) for row in rows[start : start + BATCH]])
        values += [math.exp(mean) if math.isfinite(mean) else None for mean in means]
        if progress is not None:
            progress(len(values), len(rows))
    return values


def _mean_log_likelihoods(model: "PreTrainedModel", encoded: Sequence[Encoded]) -> list[float]:
    """The mean of log p over the targets of each sequence."""
    targets = torch.tensor([target for sequence in encoded for target in sequence.targets])
    logits = grouped_logits(model, encoded)  # (tokens of all answers, vocabulary)
    log_likelihood = logits.log_softmax(-1).gather(1, targets.to(logits.device)[:, None])[:, 0]
    return [float(own.mean()) for own in log_likelihood.split([len(sequence.targets) for sequence in encoded])]


def _generate(model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row]) -> list[str | None]:
    return [_generate_line(model, encoder, row) for row in rows]


def _generate_line(model: Any, encoder: Encoder, row: Row) -> str | None:
    """One line by greedy decoding, as far as the positions reach; None where a token's scores are not finite."""
    tokenizer = encoder.tokenizer
    prompt = torch.tensor([encoder.encode_prompt(row, 0).input_ids], device=model.device)  # (1, length)
    room = NEW_TOKENS
    if encoder.limit is not None:
        room = min(room, encoder.limit - prompt.shape[1])
    if room < 1:
        return ""
    line_break = tokenizer("\n", add_special_tokens=False).input_ids[-1]
    ends = [token for token in (line_break, tokenizer.eos_token_id) if token is not None]
    generated = model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=room,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        eos_token_id=ends,
        pad_token_id=line_break,
    )
    largest = torch.stack([logits.max() for logits in generated.logits])  # (tokens,); NaN where one of a token's is
    if not largest.isfinite().all():
        return None
    text = str(tokenizer.decode(generated.sequences[0, prompt.shape[1] :], skip_special_tokens=True))
    return text.strip().split("\n")[0]


def grouped_logits(model: "PreTrainedModel", encoded: Sequence[Encoded]) -> Tensor:
    """`answer_logits` with a shared beginning read once, and sequences of like length together, as suits a CPU."""
    prefix, rest = split_shared_prefix(model, encoded)
    groups, order = length_buckets(rest, bucket_size(model, len(rest)))
    pasts = (prefix and prefix.repeated(len(group)) for group in groups)
    return torch.cat([answer_logits(model, group, past) for group, past in zip(groups, pasts, strict=True)])[order]
