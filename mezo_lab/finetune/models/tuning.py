"""The part of a model that is trained: all weights, low-rank adapters (LoRA), or a prefix of keys and values."""

import random
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import Module

from mezo_lab.environment.installation import ModelNotInstalled, require
from mezo_lab.finetune.models.foreign import silenced
from mezo_lab.finetune.models.loading import LanguageModel
from mezo_lab.validation import one_of

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel

__all__ = ["count_trainable", "tune"]

TUNINGS = ("full", "lora", "prefix")
# The layers of query and value in the architectures that peft's own table lacks; in the last three rows one layer makes
# query, key and value.
QUERY_VALUE = (
    ("q_proj", "v_proj"),
    ("query", "value"),
    ("q_lin", "v_lin"),
    ("c_attn",),
    ("query_key_value",),
    ("qkv_proj",),
)


def tune(
    loaded: LanguageModel,
    tuning: str,
    *,
    examples: Sequence[Sequence[int]] = (),
    rank: int = 8,
    alpha: float = 16,
    tokens: int = 5,
    seed: int = 0,
) -> "PreTrainedModel | PeftModel":
    """The model to train, in eval mode; the parameters that train have requires_grad.

    Source: paper, Tables 15 and 16 (rank 8, α 16; 5 tokens), and Appendix E.5: a prefix begins as real keys and values,
    since it learns less from random ones (Table 17). The authors' code takes those of random tokens; here the tokens
    are those of the task.
    Formula: LoRA: W + (α/rank)·BA, with B = 0, so that nothing has changed yet. Prefix: each layer attends to `tokens`
    further keys and values, those that it computes for real tokens, so that a causal model computes what it would
    with these tokens before the text; the text's positions follow theirs, and a text may have that many tokens less.
    Cost: lora: 2·rank·width numbers for each adapted layer. prefix: 2·tokens·width for each layer, width being that of
    keys and values; a forward pass over `tokens` tokens. `count_trainable` counts them.
    The model is adapted in place: load it again for another tuning.

    Args:
        loaded: a model from `load_model`.
        tuning: "full", "lora" or "prefix". LoRA adapts the layers that peft's table names for the architecture, else
            those of query and value.
        examples: token ids of training texts; a prefix takes the first `tokens`, one text after another in an order
            that `seed` shuffles.
        rank: the rank of LoRA's matrices.
        alpha: the numerator of LoRA's scale.
        tokens: the tokens of a prefix.
        seed: fixes A and the order of the examples; no global generator moves.

    Raises: ValueError; NotInstalled without peft.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_head=2, n_layer=3)).eval()
    >>> tiny = LanguageModel(model, None, False, "tiny", 1024)
    >>> count_trainable(tune(tiny, "prefix", examples=[[1, 2, 3], [4, 5, 6]]))
    240
    """
    one_of("tuning", tuning, TUNINGS)
    if tuning == "full":
        return loaded.model.requires_grad_(True)
    require(("peft",), ModelNotInstalled)
    if tuning == "lora":
        return _with_lora(loaded, rank, alpha, seed)
    return _with_prefix(loaded, _first_tokens(examples, tokens, seed))


def count_trainable(model: Module) -> int:
    """The number of coordinates that train.

    >>> count_trainable(torch.nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _with_lora(loaded: LanguageModel, rank: int, alpha: float, seed: int) -> "PeftModel":
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    if rank < 1:
        raise ValueError(f"`rank` must be at least 1, got {rank}: 8 is the paper's.")
    config = LoraConfig(
        task_type=_task_type(loaded),
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # any number will do
        target_modules=_target_modules(loaded),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in loaded.model.modules()),
    )
    return _adapted(loaded, config, seed)


def _target_modules(loaded: LanguageModel) -> list[str] | None:
    """The names of the layers to adapt; None where peft knows those of the architecture."""
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    if loaded.model.config.model_type in TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING:
        return None
    layers = {name.rpartition(".")[2] for name, _ in loaded.model.named_modules()}
    for names in QUERY_VALUE:
        if layers.issuperset(names):
            return list(names)
    raise ValueError(
        f"`tuning` lora needs layers for query and value that it knows by name, and {loaded.name} has none of "
        f"{QUERY_VALUE}: choose prefix or full."
    )


def _with_prefix(loaded: LanguageModel, tokens: Sequence[int]) -> "PeftModel":
    from peft import PrefixTuningConfig

    config = PrefixTuningConfig(task_type=_task_type(loaded), num_virtual_tokens=len(tokens))
    try:
        activations = _keys_and_values(loaded.model, tokens)
        model = _adapted(loaded, config, seed=0)  # the random prefix is replaced at once
        encoder: Any = model.prompt_encoder
        with torch.no_grad():
            encoder[model.active_adapter].embedding.weight.copy_(activations)
        return model
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"`tuning` prefix needs a model that keeps keys and values, alike in every layer; {loaded.name} does not: "
            "choose lora or full."
        ) from error


@torch.no_grad()
def _keys_and_values(model: "PreTrainedModel", tokens: Sequence[int]) -> Tensor:
    """What every layer computes for these tokens, as peft lays it out: (tokens, layers · 2 · heads · width)."""
    from transformers import DynamicCache

    cache: Any = DynamicCache()
    model(input_ids=torch.tensor([tokens], device=model.device), past_key_values=cache)
    activations = [tensor[0] for layer in cache.layers for tensor in (layer.keys, layer.values)]
    stacked = torch.stack(activations)  # (layers · 2, heads, tokens, width)
    return stacked.permute(2, 0, 1, 3).flatten(1)


def _first_tokens(examples: Sequence[Sequence[int]], tokens: int, seed: int) -> list[int]:
    """The first `tokens` tokens of the examples, one after another in a shuffled order.

    >>> _first_tokens([[1, 2], [3, 4], [5, 6]], 3, seed=0)
    [3, 4, 5]
    """
    if tokens < 1:
        raise ValueError(f"`tokens` must be at least 1, got {tokens}: 5 is the paper's.")
    shuffled = random.Random(seed).sample(list(examples), len(examples))
    first = list(islice(chain.from_iterable(shuffled), tokens))
    if len(first) < tokens:
        raise ValueError(
            f"`examples` must hold {tokens} tokens or more, with which the prefix begins; got {len(first)}: "
            "pass the token ids of training texts."
        )
    return first


def _task_type(loaded: LanguageModel) -> str:
    # peft has no task for masked models; FEATURE_EXTRACTION passes on whatever the model returns
    return "FEATURE_EXTRACTION" if loaded.masked else "CAUSAL_LM"


def _adapted(loaded: LanguageModel, config: "PeftConfig", seed: int) -> "PeftModel":
    """The model with its adapters, drawn from torch's generators, which are seeded for this and restored afterwards."""
    from peft import get_peft_model

    with silenced(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return get_peft_model(loaded.model, config).eval()
