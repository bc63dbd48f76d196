"""What a model answers, and how often it is right."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import NEW_TOKENS, Encoder
from mezo_lab.finetune.encoding.logits import Encoded, answer_logits, bucket_size, length_buckets
from mezo_lab.finetune.encoding.prefix_cache import split_shared_prefix
from mezo_lab.finetune.evaluation.scores import Score, exact_match, f1, score
from mezo_lab.sampling import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH, SHOWN_BATCH = 16, 64  # rows; more where solved examples before them are read once for a batch


def evaluate(
    model: "PreTrainedModel",
    encoder: Encoder,
    rows: Sequence[Row],
    *,
    metric: str | None = None,
    progress: Progress | None = None,
) -> Score:
    """How often a model is right, with a 95 % interval. A row whose scores are not finite counts as wrong.

    Cost: as `predictions`. Args: metric: "accuracy", "f1", "exact-match" or "likelihood"; default the task's own.
    Raises: ValueError for a metric that the task's answers do not have.
    """
    metric = metric or encoder.task.metric
    if metric == "likelihood" and encoder.task.kind == "generation":
        each = likelihoods(model, encoder, rows, progress=progress)
        return score(metric, [value or 0.0 for value in each], unanswered=each.count(None))
    answers = predictions(model, encoder, rows, progress=progress)
    return score(metric, judged(encoder.task, answers, rows, metric), unanswered=answers.count(None))


def judged(task, answers: Sequence[Any], rows: Sequence[Row], metric: str) -> list[float]:
    """The score of each answer, from 0 to 1; None, an answer without a finite score, counts as 0."""
    pairs = list(zip(answers, rows, strict=True))
    if task.kind == "generation" and metric in ("f1", "exact-match"):
        judge = {"f1": f1, "exact-match": exact_match}[metric]
        return [0.0 if said is None else judge(said, task.references(row)) for said, row in pairs]
    if task.kind != "generation" and metric == "accuracy":
        return [float(answer is not None and answer in task.golds(row)) for answer, row in pairs]
    known = "f1, exact-match or likelihood" if task.kind == "generation" else "accuracy"
    raise ValueError(f"`metric` must be {known} for {task.name}, a {task.kind}; got {metric!r}: take one of these.")


@torch.no_grad()
def predictions(
    model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[Any]:
    """What the model answers to each row: the index of a label word or option, or one line of text.

    A row whose scores are not all finite is not answered, as the likeliest of them is not known: None.

    Source: paper, Appendix E: the likeliest label word; the option of largest mean log-likelihood per token; greedy
    decoding to the end of the line.
    Cost: a forward pass for each row, for each option of a choice, for each token of a text.

    Args: model: in eval mode. progress: called with (rows done, rows).
    """
    answer = {"classification": classes, "choice": choices, "generation": texts}[encoder.kind]
    found: list[Any] = []
    size = SHOWN_BATCH if encoder.before else BATCH
    for start in range(0, len(rows), size):
        found += answer(model, encoder, rows[start : start + size])
        if progress is not None:
            progress(len(found), len(rows))
    return found


def _likeliest(scores: Sequence[float]) -> int | None:
    """The index of the largest score, or None where one is not finite: the argmax of NaN would be the first.

    >>> _likeliest([0.5, 2.0]), _likeliest([math.nan, 2.0]), _likeliest([0.5, math.inf])
    (1, None, None)
    """
    return scores.index(max(scores)) if all(map(math.isfinite, scores)) else None


def classes(model, encoder: Encoder, rows: Sequence[Row]) -> list[int | None]:
    logits = grouped_logits(
        model, [encoder.encode_prompt(row, encoder.labels[0]) for row in rows]
    )  # (rows, vocabulary)
    return [_likeliest(scores) for scores in logits[:, list(encoder.labels)].tolist()]


def choices(model, encoder: Encoder, rows: Sequence[Row]) -> list[int | None]:
    options = [encoder.encode_options(row) for row in rows]
    means = iter(_mean_log_likelihoods(model, [option for several in options for option in several]))
    likely = [[next(means) for _ in several] for several in options]
    return [_likeliest(several) for several in likely]


@torch.no_grad()
def likelihoods(
    model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[float | None]:
    """The probability of a token of each row's right answer: the geometric mean over its tokens, 1/perplexity.

    None where it is not finite. Cost: a forward pass for each row.
    """
    found: list[float | None] = []
    for start in range(0, len(rows), BATCH):
        means = _mean_log_likelihoods(model, [encoder.encode_training(row) for row in rows[start : start + BATCH]])
        found += [math.exp(mean) if math.isfinite(mean) else None for mean in means]
        if progress is not None:
            progress(len(found), len(rows))
    return found


def _mean_log_likelihoods(model, encoded: Sequence[Encoded]) -> list[float]:
    """The mean over the targets of each sequence of log p."""
    targets = torch.tensor([target for one in encoded for target in one.targets])
    logits = grouped_logits(model, encoded)  # (tokens of all answers, vocabulary)
    log_likelihood = logits.log_softmax(-1).gather(1, targets.to(logits.device)[:, None])[:, 0]
    return [float(own.mean()) for own in log_likelihood.split([len(one.targets) for one in encoded])]


def texts(model, encoder: Encoder, rows: Sequence[Row]) -> list[str | None]:
    return [line(model, encoder, row) for row in rows]


def line(model, encoder: Encoder, row: Row) -> str | None:
    """One line by greedy decoding, as far as the positions reach; None where a token's scores are not finite."""
    tokenizer = encoder.tokenizer
    prompt = torch.tensor([encoder.encode_prompt(row, 0).input_ids], device=model.device)  # (1, length)
    room = NEW_TOKENS if encoder.limit is None else min(NEW_TOKENS, encoder.limit - prompt.shape[1])
    if room < 1:
        return ""
    stops = [tokenizer("\n", add_special_tokens=False).input_ids[-1], tokenizer.eos_token_id]
    ends = {"eos_token_id": [stop for stop in stops if stop is not None], "pad_token_id": stops[0]}
    written = model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=room,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        **ends,
    )
    largest = torch.stack([logits.max() for logits in written.logits])  # (tokens,); NaN where one of a token's is
    if not largest.isfinite().all():
        return None
    said = str(tokenizer.decode(written.sequences[0, prompt.shape[1] :], skip_special_tokens=True))
    return said.strip().split("\n")[0]


def grouped_logits(model, encoded: Sequence[Encoded]) -> Tensor:
    """`answer_logits`, what all begin with read once, and sequences of like length together, as a CPU is quicker."""
    prefix, rest = split_shared_prefix(model, encoded)
    groups, order = length_buckets(rest, bucket_size(model, len(rest)))
    pasts = (prefix and prefix.repeated(len(group)) for group in groups)
    return torch.cat([answer_logits(model, group, past) for group, past in zip(groups, pasts, strict=True)])[order]
