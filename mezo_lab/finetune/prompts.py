"""A text and a label become a prompt and the word that should follow it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import cross_entropy, linear
from torch.nn.utils.rnn import pad_sequence

from mezo_lab.finetune.data import Review

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOGETHER = 4  # prompts of like length per pass on a CPU: 16 reviews padded to the longest take 1.7 times as long


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
    Cost: a forward pass of the body; of the output layer only the label words' rows.

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
    examples = [(tokenizer(template.format(text=review.text)).input_ids, review.label) for review in reviews]
    prompts, targets = zip(*sorted(examples, key=lambda example: len(example[0])), strict=True)
    together = TOGETHER if model.device.type == "cpu" else len(prompts)
    groups = [right_padded(prompts[start : start + together]) for start in range(0, len(prompts), together)]
    labels = torch.tensor(targets, device=model.device)  # (batch,)
    answers = [answer_token(tokenizer, template, word) for word in label_words]
    head = output_layer(model)

    def loss() -> Tensor:
        hidden = torch.cat([last_hidden(model, *group) for group in groups])  # (batch, hidden)
        bias = None if head.bias is None else head.bias[answers]
        return cross_entropy(linear(hidden, head.weight[answers], bias).float(), labels)

    return loss


def last_hidden(model: "PreTrainedModel", input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What the output layer would read after the last real token of each prompt, (prompts, hidden)."""
    input_ids, attention_mask = input_ids.to(model.device), attention_mask.to(model.device)
    body = model.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
    return body.last_hidden_state[torch.arange(len(input_ids)), attention_mask.sum(1) - 1]


def right_padded(sequences: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both (batch, length), the padding on the right.

    There a causal model's real tokens never see it and keep the positions 0, 1, 2, …, whatever the pad token is.

    >>> right_padded([[5, 6, 7], [8]])
    (tensor([[5, 6, 7],
            [8, 0, 0]]), tensor([[1, 1, 1],
            [1, 0, 0]]))
    """
    tokens = [torch.tensor(sequence) for sequence in sequences]
    return (
        pad_sequence(tokens, batch_first=True),
        pad_sequence([torch.ones_like(sequence) for sequence in tokens], batch_first=True),
    )


def output_layer(model: "PreTrainedModel") -> Linear:
    head = model.get_output_embeddings()
    if not isinstance(head, Linear):
        raise ValueError(
            f"`model` must end in a linear layer over the vocabulary, got {type(model).__name__}: "
            "load it with AutoModelForCausalLM."
        )
    return head


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
    if model.training:
        raise ValueError("`model` must be in eval mode, as dropout gives another loss at each call: call model.eval().")
    if not reviews:
        raise ValueError("`reviews` must hold at least one review, got none: an empty batch has no loss.")
    if "{text}" not in template:
        raise ValueError(f"`template` must hold {{text}}, where the review goes; got {template!r}.")
    worst = max(reviews, key=lambda review: review.label)
    if worst.label >= len(label_words):
        raise ValueError(f"`label_words` must hold one word for each label, got {label_words} for label {worst.label}.")
