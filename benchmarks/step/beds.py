"""The models and batches that every method steps on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mezo_lab.finetune import reviews, smollm2
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import IGNORE_INDEX, batch_logits
from mezo_lab.finetune.tasks import task_named

BATCH, LENGTH = 16, 32  # 512 tokens
TASK = task_named("rotten-tomatoes")  # with the paper's prompt for SST-2


@dataclass(frozen=True)
class Bed:
    """A model, and its loss on one batch."""

    model: nn.Module
    loss: Callable[[], Tensor]
    facts: dict[str, Any] = field(default_factory=dict)  # what the figures depend on
    steps: int = 1  # per reading of the clock, so that a reading is long enough
    run: int = 0  # steps of a whole run that is timed too, from a new optimizer on
    eager: bool = False  # whether the steps of a machine without a compiler take part
    weighed: bool = True  # whether memory is taken, which says nothing of twenty numbers

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.model.parameters())

    @property
    def numel(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters)


def language_model(device: str) -> Bed:
    """SmolLM2-135M on the first 16 shuffled reviews whose prompts have 32 tokens each: no padding, one pass."""
    model, tokenizer = smollm2()
    rows = reviews(seed=0)
    encoder = Encoder(TASK, tokenizer, rows[0])
    prompts = [(encoder.encode_training(row).input_ids, row["label"]) for row in rows]
    batch = [(prompt, label) for prompt, label in prompts if len(prompt) == LENGTH][:BATCH]
    tokens, labels = (torch.tensor(column, device=device) for column in zip(*batch, strict=True))
    facts = {"data": "reviews of Rotten Tomatoes whose prompts have 32 tokens each"}
    return causal("SmolLM2-135M", model.to(device), tokens, labels, list(encoder.labels), facts)


def tiny_language_model(device: str) -> Bed:
    """The same with two random layers of width 16: to try the script, not to measure with it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=64, tie_word_embeddings=True, **sizes)).eval().to(device)
    tokens, labels = torch.randint(64, (BATCH, LENGTH), device=device), torch.arange(BATCH, device=device) % 2
    return causal("random Llama", model, tokens, labels, [3, 5], {"data": "random tokens"})


def causal(name: str, model, tokens: Tensor, labels: Tensor, answers: list[int], facts: dict[str, Any]) -> Bed:
    """A causal model and its cross-entropy over the label words alone. Args: tokens: (batch, length), none padded."""
    present(model)
    targets = torch.full_like(tokens, IGNORE_INDEX)
    targets[:, -1] = torch.tensor(answers, device=tokens.device)[labels]
    batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "targets": targets}

    def loss() -> Tensor:
        return cross_entropy(batch_logits(model, batch)[:, answers], labels)

    read_by = {"tokens_per_step": tokens.numel(), "transformers": version("transformers")}
    return Bed(model, loss, described(name, model, batch=len(tokens)) | read_by | facts)


def perceptron(device: str) -> Bed:
    """784–512–512–10 with ReLU on 128 normal inputs: so small that what Python does in between counts."""
    torch.manual_seed(0)
    sizes = (784, 512), (512, 512), (512, 10)
    first, *others = (nn.Linear(*size) for size in sizes)
    layers = [layer for other in others for layer in (nn.ReLU(), other)]
    model = nn.Sequential(first, *layers).eval().to(device)
    inputs, labels = torch.randn(128, 784, device=device), torch.arange(128, device=device) % 10
    facts = described("MLP 784–512–512–10", model, batch=128) | {"data": "standard normal inputs"}
    return Bed(model, lambda: cross_entropy(model(inputs), labels), facts, steps=10, run=1000, eager=True)


def numbers(device: str, *, tensors: int, name: str) -> Bed:
    """Twenty numbers and a loss of some µs: what a step costs beside its sweeps and its losses."""
    values = torch.linspace(-1, 1, 20, device=device).split(20 // tensors)
    model = nn.ParameterList(nn.Parameter(value.clone()) for value in values)
    parameters = list(model)
    facts = described(name, model, batch=1) | {"data": "the sum of their squares as the loss"}
    return Bed(model, lambda: torch.cat(parameters).square().sum(), facts, steps=1000, weighed=False)


def described(name: str, model: nn.Module, batch: int) -> dict[str, Any]:
    tensors = list(model.parameters())
    return {
        "model": name,
        "parameters": sum(tensor.numel() for tensor in tensors),
        "tensors": len(tensors),
        "dtype": str(tensors[0].dtype).removeprefix("torch."),
        "batch": batch,
    }


def present(model: nn.Module) -> None:
    """Bring every weight into memory: those of a file come page by page, the last with the first sweep."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data = parameter.clone()


BEDS: dict[str, Callable[[str], Bed]] = {
    "smollm2": language_model,
    "mlp": perceptron,
    "numbers": partial(numbers, tensors=1, name="20 numbers in one tensor"),
    "tensors": partial(numbers, tensors=20, name="20 tensors of one number"),
    "tiny": tiny_language_model,
}
