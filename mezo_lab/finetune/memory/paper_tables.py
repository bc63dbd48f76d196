"""OPT in its published sizes, and the memory and time that the paper reports for fine-tuning it."""

from typing import TYPE_CHECKING, Any

import torch

from mezo_lab.finetune.memory.predicted import Memory, predicted_memory
from mezo_lab.validation import one_of

if TYPE_CHECKING:
    from transformers import OPTConfig

__all__ = ["gpu_hours", "opt_config", "setting_of_table_22"]

# layers, heads, width. Source: Zhang et al. 2022, "OPT", Table 1
SIZES = {
    "1.3B": (24, 32, 2048),
    "2.7B": (32, 32, 2560),
    "6.7B": (32, 32, 4096),
    "13B": (40, 40, 5120),
    "30B": (48, 56, 7168),
    "66B": (64, 72, 9216),
}
# GB on all cards together. Source: paper, Table 22 (MultiRC, 400 tokens on average, one example at a time, nvidia-smi)
REPORTED = {
    "mezo": {"1.3B": 4, "2.7B": 7, "6.7B": 14, "13B": 26, "30B": 58, "66B": 128},
    "prefix": {"1.3B": 19, "2.7B": 29, "6.7B": 46, "13B": 158, "30B": 315},
    "adam": {"1.3B": 27, "2.7B": 55, "6.7B": 156, "13B": 316, "30B": 633},
}
# Source: mezo.sh, finetune.sh and utils.py of large_models/ in the authors' repository: 16-bit weights for MeZO, 16-bit
# products for the others; a batch holds each example once for every answer, two in MultiRC; logits at every token
_AS_RUN: dict[str, dict[str, Any]] = {
    "mezo": {"dtype": torch.float16},
    "prefix": {"autocast": torch.float16},
    "adam": {"autocast": torch.float16},
}
_ANSWERS = 2
# seconds a step, and GPUs. Source: paper, Table 23 (A100 of 80 GB; MeZO with batches of 16, full fine-tuning of 8)
SECONDS = {
    "mezo": {"1.3B": (0.815, 1), "2.7B": (1.400, 1), "13B": (2.702, 1), "30B": (5.896, 1), "66B": (12.438, 4)},
    "adam": {"1.3B": (0.784, 1), "2.7B": (1.326, 1), "13B": (13.638, 4), "30B": (45.608, 8), "66B": (84.098, 20)},
}
# Source: paper, Appendix E.3: 20,000 steps of MeZO; 5 epochs of 1,000 examples, whose batches are of 20 at 66B
STEPS = {"mezo": dict.fromkeys(SIZES, 20_000), "adam": dict.fromkeys(SIZES, 625) | {"66B": 250}}


def gpu_hours(size: str, method: str) -> float:
    """The GPU-hours of a whole training, by the paper's own step times: seconds · steps · GPUs.

    Args:
        size: the size of OPT, such as "13B".
        method: "mezo", or "adam" for full fine-tuning.

    >>> round(gpu_hours("30B", "mezo"), 1), round(gpu_hours("30B", "adam"), 1)  # "half the GPU-hours", at this size
    (32.8, 63.3)
    >>> gpu_hours("13B", "mezo") > gpu_hours("13B", "adam")
    True
    """
    seconds, gpus = SECONDS[method][size]
    return seconds * STEPS[method][size] * gpus / 3600


def opt_config(size: str) -> "OPTConfig":
    """The configuration of an OPT model; no file is needed.

    Args: size: "1.3B", "2.7B", "6.7B", "13B", "30B" or "66B".

    >>> opt_config("13B").hidden_size
    5120
    """
    from transformers import OPTConfig

    one_of("size", size, SIZES)
    layers, heads, width = SIZES[size]
    return OPTConfig(
        vocab_size=50272,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        hidden_size=width,
        word_embed_proj_dim=width,
        ffn_dim=4 * width,
    )


def setting_of_table_22(size: str, method: str, length: int = 400) -> Memory:
    """The predicted memory of the setting of Table 22, on one card.

    Args:
        size: the size of OPT, such as "13B".
        method: "mezo" (whose memory is that of zero-shot inference), "prefix" or "adam".
        length: tokens in a sequence.
    """
    setting = {"batch": _ANSWERS, "length": length, "positions": length, "attention": "eager"}
    return predicted_memory(opt_config(size), method=method, **setting, **_AS_RUN[method])
