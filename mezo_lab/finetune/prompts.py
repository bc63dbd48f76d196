"""A text and a label become a prompt and the word that should follow it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mezo_lab.finetune.answers import (
    TOGETHER,
    Encoded,
    in_groups,
    logits_of,
    output_layer,
    pad_token,
    padded,
)
from mezo_lab.finetune.data import Review

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def classification_loss(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    reviews: Sequence[Review],
    template: str = "{text} It was",
    label_words: tuple[str, ...] = (" terrible", " great"),
) -> Callable[[], Tensor]:
    """A closure: the mean cross-entropy of the right label word against the others, where the prompt ends.

    Source: the paper's prompt for SST-2, and its loss for classification.
    Assumes: a causal model in eval mode whose logits are its output layer at the last hidden state (Llama, OPT, GPT-2).
    Formula: −mean_i log softmax(logits_i[label words])[label_i]: the same as with the full softmax over the vocabulary,
    renormalised over the label words.
    Cost: a forward pass of the body; of the output layer only where the prompts end.

    Args:
        model, tokenizer: from `smollm2()`, or any such pair.
        reviews: the batch, tokenized once; their labels count through `label_words`.
        template: holds {text}. label_words: each must be one token where the prompt ends.

    Returns: () → the loss at the model's present parameters, a float32 scalar, differentiable when grad is enabled.
    Raises: ValueError.

    >>> from mezo_lab.finetune import reviews, smollm2
    >>> loss = classification_loss(*smollm2(), reviews(seed=0)[:16])  # doctest: +SKIP
    >>> round(float(loss().detach()), 4)  # doctest: +SKIP
    1.2842
    """
    check(model, reviews, template, label_words)
    answers = [answer_token(tokenizer, template, word) for word in label_words]
    prompts = [tokenizer(template.format(text=review.text)).input_ids for review in reviews]
    encoded = [
        Encoded(tuple(prompt), (len(prompt) - 1,), (answers[review.label],))
        for prompt, review in zip(prompts, reviews, strict=True)
    ]
    groups, order = in_groups(encoded, TOGETHER if model.device.type == "cpu" else len(encoded))
    batches = [padded(group, pad_token(model)) for group in groups]
    labels = torch.tensor([review.label for review in reviews], device=model.device)  # (batch,)

    def loss() -> Tensor:
        logits = torch.cat([logits_of(model, batch) for batch in batches])[order]  # (batch, vocabulary)
        return cross_entropy(logits[:, answers], labels)

    return loss


def answer_token(tokenizer: "PreTrainedTokenizerBase", template: str, word: str) -> int:
    """The one token that `word` adds at the end of the prompt.

    Raises: ValueError when it adds another number of tokens, or changes those before it.
    """
    prompt, answered = (
        tokenizer(template.format(text="") + end, add_special_tokens=False).input_ids for end in ("", word)
    )
    if answered[:-1] != prompt:
        raise ValueError(
            f"`label_words` must each add one token to the prompt, got {word!r}, which makes "
            f"{tokenizer.convert_ids_to_tokens(answered)} of it: choose a commoner word."
        )
    return answered[-1]


def check(model: "PreTrainedModel", reviews: Sequence[Review], template: str, label_words: tuple[str, ...]) -> None:
    output_layer(model)
    if model.training:
        raise ValueError("`model` must be in eval mode, as dropout gives another loss at each call: call model.eval().")
    if not reviews:
        raise ValueError("`reviews` must hold at least one review, got none: an empty batch has no loss.")
    if "{text}" not in template:
        raise ValueError(f"`template` must hold {{text}}, where the review goes; got {template!r}.")
    worst = max(reviews, key=lambda review: review.label)
    if worst.label >= len(label_words):
        raise ValueError(f"`label_words` must hold one word for each label, got {label_words} for label {worst.label}.")
