"""Language models of known shapes with random weights, made where they are used: nothing is downloaded or copied."""

from typing import Any

import torch
from step.beds import BATCH, Bed, causal, described
from torch import Tensor, nn

from gpu_parts.setting import LeftOut, Setting

LONG = 256  # tokens: the forward passes of 16 × 256 tokens, not the sweeps, take most of a step
LABELS = [3, 5]  # any two words of the vocabulary

# published configurations; the weights are random, which costs the same
SHAPES: dict[str, dict[str, Any]] = {
    "SmolLM2-135M": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
    "Llama-3.2-1B": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
    "Llama-3.1-8B": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": False,
    },
}
TOY = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 64,
    "tie_word_embeddings": True,
}


def random_llama(shape: dict[str, Any], dtype: torch.dtype, device: str) -> nn.Module:
    """A Llama of that shape in eval mode. Raises: LeftOut without transformers."""
    try:
        from transformers import AutoModelForCausalLM, LlamaConfig
    except ImportError as error:
        raise LeftOut("transformers is not installed") from error
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(LlamaConfig(**shape), dtype=dtype).eval()


def language_model(setting: Setting, name: str, dtype: torch.dtype, length: int) -> Bed:
    """A random model and its loss on 16 sequences of `length` random tokens, read at two label words.

    Raises: LeftOut where the weights alone would fill most of the GPU.
    """
    shape = setting.sized(SHAPES[name], TOY)
    length = setting.sized(length, 4)
    check_memory(setting, sum(weights(shape, dtype)))
    model = random_llama(shape, dtype, setting.device)
    tokens = torch.randint(shape["vocab_size"], (BATCH, length), device=setting.device)
    labels = torch.arange(BATCH, device=setting.device) % 2
    facts = {"data": f"random tokens, {length} in each sequence", "weights": "random"}
    bed = causal(f"{name}'s shape", model, tokens, labels, LABELS, facts)
    return Bed(bed.model, bed.loss, bed.facts, steps=setting.sized(3, 1))


def one_tensor(setting: Setting, dtype: torch.dtype) -> Bed:
    """A single tensor, so large that nothing but its bytes counts, under a loss that nobody asks for."""
    numel = setting.sized(1 << 28, 5000)
    check_memory(setting, numel * dtype.itemsize)
    theta = nn.ParameterList([torch.zeros(numel, dtype=dtype, device=setting.device)])
    return Bed(theta, no_loss, described("one tensor", theta, batch=0), steps=setting.sized(10, 1))


def no_loss() -> Tensor:
    raise AssertionError("a sweep asks for no loss")


def weights(shape: dict[str, Any], dtype: torch.dtype) -> list[int]:
    """Bytes of each weight of a model, which is not made."""
    return [parameter.numel() * dtype.itemsize for parameter in random_llama(shape, dtype, "meta").parameters()]


def check_memory(setting: Setting, needed: int) -> None:
    """Raises: LeftOut unless the GPU has room for weights of that many bytes, and half as much again."""
    if not setting.device.startswith("cuda"):
        return
    free = torch.cuda.mem_get_info()[0]
    if 1.5 * needed > free:
        raise LeftOut(f"its weights take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free")
