"""The answers of a model to rows, and how often they are right."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.batches import batched_logits
from mezo_lab.finetune.encoding.encoder import NEW_TOKENS, Encoder
from mezo_lab.finetune.encoding.logits import Encoded
from mezo_lab.finetune.evaluation.questions import Questions, encode_questions
from mezo_lab.finetune.evaluation.scores import Score, exact_match, f1, mean_score
from mezo_lab.finetune.tasks.task import Task
from mezo_lab.sampling import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ANSWERS = "answers"  # questions to be answered, by whatever metric they are judged


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
        progress: called with (done, all), in tokens, or in rows where text is generated.

    Raises: ValueError for a metric that the task's answers do not have.
    """
    return evaluate_questions(model, encoder, encode_questions(encoder, rows, metric), progress=progress)


def evaluate_questions(
    model: "PreTrainedModel", encoder: Encoder, questions: Questions, *, progress: Progress | None = None
) -> Score:
    """`evaluate` of rows that are encoded already."""
    metric = questions.metric
    if metric == "likelihood" and encoder.task.kind == "generation":
        values = likelihoods(model, questions, progress=progress)
        return mean_score(metric, [value or 0.0 for value in values], unanswered=values.count(None))
    answers = answer_questions(model, encoder, questions, progress=progress)
    return mean_score(
        metric, score_answers(encoder.task, answers, questions.rows, metric), unanswered=answers.count(None)
    )


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


def predictions(
    model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[Any]:
    """The model's answer to each row: the index of a label word or option, or one line of text.

    The answer to a row whose scores are not all finite is None, as the likeliest of them is not known.

    Source: paper, Appendix E: the likeliest label word; the option of largest mean log-likelihood per token; greedy
    decoding to the end of the line.
    Cost: a forward pass for each row, for each option of a choice, for each token of a text; rows of like length share
    a pass.

    Args: as `evaluate`.
    """
    return answer_questions(model, encoder, encode_questions(encoder, rows, ANSWERS), progress=progress)


@torch.no_grad()
def answer_questions(
    model: "PreTrainedModel", encoder: Encoder, questions: Questions, *, progress: Progress | None = None
) -> list[Any]:
    """`predictions` of rows that are encoded already."""
    if encoder.kind == "generation":
        return _generate(model, encoder, questions, progress)
    if encoder.kind == "choice":
        means = _sequence_values(model, questions.sequences, _mean_log_likelihoods, progress)
        return [_likeliest(own) for own in _by_row(means, questions)]
    words = list(encoder.labels)
    scores = _sequence_values(model, questions.sequences, lambda logits, _: logits[:, words].tolist(), progress)
    return [_likeliest(own) for own in scores]


def _likeliest(scores: Sequence[float]) -> int | None:
    """The index of the largest score, or None where one is not finite: the argmax of NaN would be the first.

    >>> _likeliest([0.5, 2.0]), _likeliest([math.nan, 2.0]), _likeliest([0.5, math.inf])
    (1, None, None)
    """
    if not all(map(math.isfinite, scores)):
        return None
    return scores.index(max(scores))


@torch.no_grad()
def likelihoods(
    model: "PreTrainedModel", questions: Questions, *, progress: Progress | None = None
) -> list[float | None]:
    """The probability of a token of each row's right answer: the geometric mean over its tokens, 1/perplexity.

    None where it is not finite. Cost: a forward pass for each row; rows of like length share a pass.
    """
    means = _sequence_values(model, questions.sequences, _mean_log_likelihoods, progress)
    return [math.exp(mean) if math.isfinite(mean) else None for mean in means]


def _sequence_values(
    model: "PreTrainedModel",
    encoded: Sequence[Encoded],
    values: Callable[[Tensor, Sequence[Encoded]], list[Any]],
    progress: Progress | None,
) -> list[Any]:
    """What `values` makes of the logits of each sequence, batch by batch, in the order of the sequences."""
    results: list[Any] = [None] * len(encoded)
    total = sum(len(one.input_ids) for one in encoded)
    done = 0
    for indices, logits in batched_logits(model, encoded):
        batch = [encoded[index] for index in indices]
        for index, value in zip(indices, values(logits, batch), strict=True):
            results[index] = value
        done += sum(len(one.input_ids) for one in batch)
        if progress is not None:
            progress(done, total)
    return results


def _mean_log_likelihoods(logits: Tensor, encoded: Sequence[Encoded]) -> list[float]:
    """The mean of log p over the targets of each sequence. Args: logits: (targets of all sequences, vocabulary)."""
    targets = torch.tensor([target for sequence in encoded for target in sequence.targets], device=logits.device)
    log_likelihood = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    return [float(own.mean()) for own in log_likelihood.split([len(sequence.targets) for sequence in encoded])]


def _by_row(values: Sequence[float], questions: Questions) -> Iterator[Sequence[float]]:
    """The values of all sequences, row by row."""
    start = 0
    for own in questions.encoded:
        yield values[start : start + len(own)]
        start += len(own)


def _generate(
    model: "PreTrainedModel", encoder: Encoder, questions: Questions, progress: Progress | None
) -> list[str | None]:
    lines: list[str | None] = []
    for prompt in questions.sequences:
        lines.append(_generate_line(model, encoder, prompt))
        if progress is not None:
            progress(len(lines), len(questions))
    return lines


def _generate_line(model: Any, encoder: Encoder, encoded: Encoded) -> str | None:
    """One line by greedy decoding, as far as the positions reach; None where a token's scores are not finite."""
    tokenizer = encoder.tokenizer
    prompt = torch.tensor([encoded.input_ids], device=model.device)  # (1, length)
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
