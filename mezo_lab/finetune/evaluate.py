"""What a model answers, and how often it is right."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mezo_lab.finetune.answers import Encoded, answer_logits, at_once, in_groups
from mezo_lab.finetune.beginning import read_once
from mezo_lab.finetune.examples import NEW_TOKENS, Encoder
from mezo_lab.finetune.scores import Score, exact_match, f1, score
from mezo_lab.finetune.tables import Row
from mezo_lab.montecarlo import Progress

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
    """How often a model is right, with a 95 % interval.

    Cost: as `predictions`. Args: metric: "accuracy", "f1" or "exact-match"; default the task's own.
    Raises: ValueError for a metric that the task's answers do not have.
    """
    metric = metric or encoder.task.metric
    return score(metric, judged(encoder.task, predictions(model, encoder, rows, progress=progress), rows, metric))


def judged(task, answers: Sequence[Any], rows: Sequence[Row], metric: str) -> list[float]:
    """What each answer counts for, from 0 to 1."""
    if task.kind == "generation" and metric in ("f1", "exact-match"):
        judge = {"f1": f1, "exact-match": exact_match}[metric]
        return [judge(said, task.references(row)) for said, row in zip(answers, rows, strict=True)]
    if task.kind != "generation" and metric == "accuracy":
        return [float(answer in task.golds(row)) for answer, row in zip(answers, rows, strict=True)]
    known = "f1 or exact-match" if task.kind == "generation" else "accuracy"
    raise ValueError(f"`metric` must be {known} for {task.name}, a {task.kind}; got {metric!r}: take one of these.")


@torch.no_grad()
def predictions(
    model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[Any]:
    """What the model answers to each row: the index of a label word or option, or one line of text.

    Source: paper, Appendix E: the likeliest label word; the option of largest mean log-likelihood per token; greedy
    decoding to the end of the line.
    Cost: a forward pass for each row, for each option of a choice, for each token of a text.

    Args: model: in eval mode. progress: called with (rows done, rows).
    """
    answer = {"classification": classes, "choice": choices, "generation": texts}[encoder.task.kind]
    found: list[Any] = []
    size = SHOWN_BATCH if encoder.before else BATCH
    for start in range(0, len(rows), size):
        found += answer(model, encoder, rows[start : start + size])
        if progress is not None:
            progress(len(found), len(rows))
    return found


def classes(model, encoder: Encoder, rows: Sequence[Row]) -> list[int]:
    logits = grouped_logits(model, [encoder.asked(row, encoder.labels[0]) for row in rows])  # (rows, vocabulary)
    return logits[:, list(encoder.labels)].argmax(1).tolist()


def choices(model, encoder: Encoder, rows: Sequence[Row]) -> list[int]:
    options = [encoder.options(row) for row in rows]
    flat = [option for several in options for option in several]
    targets = torch.tensor([target for option in flat for target in option.targets])
    logits = grouped_logits(model, flat)  # (tokens of all options, vocabulary)
    log_likelihood = logits.log_softmax(-1).gather(1, targets.to(logits.device)[:, None])[:, 0]
    means = iter([float(own.mean()) for own in log_likelihood.split([len(option.targets) for option in flat])])
    likely = [[next(means) for _ in several] for several in options]
    return [several.index(max(several)) for several in likely]


def texts(model, encoder: Encoder, rows: Sequence[Row]) -> list[str]:
    return [line(model, encoder, row) for row in rows]


def line(model, encoder: Encoder, row: Row) -> str:
    """One line by greedy decoding, as far as the model's positions reach."""
    tokenizer = encoder.tokenizer
    prompt = torch.tensor([encoder.asked(row, 0).input_ids], device=model.device)  # (1, length)
    room = NEW_TOKENS if encoder.limit is None else min(NEW_TOKENS, encoder.limit - prompt.shape[1])
    if room < 1:
        return ""
    stops = [tokenizer("\n", add_special_tokens=False).input_ids[-1], tokenizer.eos_token_id]
    ends = {"eos_token_id": [stop for stop in stops if stop is not None], "pad_token_id": stops[0]}
    written = model.generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=room, do_sample=False, **ends
    )
    said = str(tokenizer.decode(written[0, prompt.shape[1] :], skip_special_tokens=True))
    return said.strip().split("\n")[0]


def grouped_logits(model, encoded: Sequence[Encoded]) -> Tensor:
    """`answer_logits`, what all begin with read once, and sequences of like length together, as a CPU is quicker."""
    beginning, rest = read_once(model, encoded)
    groups, order = in_groups(rest, at_once(model, len(rest)))
    pasts = (beginning and beginning.for_batch(len(group)) for group in groups)
    return torch.cat([answer_logits(model, group, past) for group, past in zip(groups, pasts, strict=True)])[order]
