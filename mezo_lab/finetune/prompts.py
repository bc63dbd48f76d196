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


def classification_loss(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    reviews: Sequence[Review],
    template: str = "{text} It was",
    label_words: tuple[str, ...] = (" terrible", " great"),
) -> Callable[[], Tensor]:
    """A closure: the mean cross-entropy of the right label word against the others, where the prompt ends.

    Source: paper, Appendix on prompts (template and words of its sentiment tasks).
    Assumes: a causal model in eval mode whose logits are its output layer at the last hidden state (Llama, OPT, GPT-2).
    Formula: −mean_i log softmax(logits_i[label words])[label_i]: the same as with the full softmax over the vocabulary,
    renormalised over the label words.
    Cost: one forward pass of the body; of the output layer only the label words' rows.

    Args:
        model, tokenizer: from `smollm2()`, or any such pair.
        reviews: the batch, tokenized once; their labels count through `label_words`.
        template: holds {text}. label_words: each must be one token where the prompt ends.

    Returns: () → the loss at the model's present parameters, a float32 scalar, differentiable when grad is enabled.
    Raises: ValueError.
    """
    check(model, reviews, template, label_words)
    prompts = [tokenizer(template.format(text=review.text)).input_ids for review in reviews]
    input_ids, attention_mask = (part.to(model.device) for part in right_padded(prompts))  # (batch, length)
    rows, last = torch.arange(len(prompts)), attention_mask.sum(1) - 1  # (batch,)
    labels = torch.tensor([review.label for review in reviews], device=model.device)  # (batch,)
    answers = [answer_token(tokenizer, template, word) for word in label_words]
    head = output_layer(model)

    def loss() -> Tensor:
        body = model.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        hidden = body.last_hidden_state[rows, last]  # (batch, hidden)
        bias = None if head.bias is None else head.bias[answers]
        return cross_entropy(linear(hidden, head.weight[answers], bias).float(), labels)

    return loss


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
