"""What of a model is trained: all of it, low-rank adapters (LoRA), or a prefix before its keys and values."""

import random
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import Module

from mezo_lab.environment.installation import ModelNotInstalled, require
from mezo_lab.finetune.models.loading import LanguageModel
from mezo_lab.finetune.models.shipped import silenced

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel

TUNINGS = ("full", "lora", "prefix")
# the layers that make query and value, as architectures call them; in the last three they make the key as well
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
    """The model to train: with requires_grad where it trains, and in eval mode.

    Source: paper, Tables 15 and 16 (rank 8, α 16; 5 tokens), and Appendix E.5: a prefix begins as real keys and values,
    as at random it learns less (Table 17). The authors' code takes those of random tokens; here they are of the task.
    Formula: LoRA: W + (α/rank)·BA, with B = 0, so that nothing has changed yet. Prefix: each layer attends to `tokens`
    further keys and values, those that it computes for real tokens, so that a causal model computes what it would
    with these tokens before the text; the text's positions follow theirs, and one text may have that many tokens less.
    Cost: lora: 2·rank·width numbers for each adapted layer. prefix: 2·tokens·width for each layer, width being that of
    keys and values; a forward pass over `tokens` tokens. `count_trainable` counts them.
    The base model is adapted in place: load it again for another tuning.

    Args:
        loaded: from `load_model`. tuning: "full", "lora" or "prefix".
        examples: token ids of training texts, of which a prefix takes the first `tokens`, from the examples in an
            order shuffled by `seed`.
        rank, alpha: of LoRA. tokens: of a prefix. seed: fixes A and the choice of examples; no global generator moves.

    Raises: ValueError; NotInstalled without peft.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_head=2, n_layer=3)).eval()
    >>> tiny = LanguageModel(model, None, False, "tiny", 1024)
    >>> count_trainable(tune(tiny, "prefix", examples=[[1, 2, 3], [4, 5, 6]]))
    240
    """
    if tuning == "full":
        return loaded.model.requires_grad_(True)
    require(("peft",), ModelNotInstalled)
    if tuning == "lora":
        return with_lora(loaded, rank, alpha, seed)
    if tuning == "prefix":
        return with_prefix(loaded, first_tokens(examples, tokens, seed))
    raise ValueError(f"`tuning` must be one of {', '.join(TUNINGS)}; got {tuning!r}.")


def count_trainable(model: Module) -> int:
    """How many numbers train.

    >>> count_trainable(torch.nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def with_lora(loaded: LanguageModel, rank: int, alpha: float, seed: int) -> "PeftModel":
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    if rank < 1:
        raise ValueError(f"`rank` must be at least 1, got {rank}: 8 is the paper's.")
    names = query_value(loaded)
    layers = [module for name, module in loaded.model.named_modules() if name.rpartition(".")[2] in names]
    config = LoraConfig(
        task_type=task(loaded),
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # any number will do
        target_modules=list(names),
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in layers),
    )
    return adapted(loaded, config, seed)


def query_value(loaded: LanguageModel) -> tuple[str, ...]:
    here = {name.rpartition(".")[2] for name, _ in loaded.model.named_modules()}
    for names in QUERY_VALUE:
        if here.issuperset(names):
            return names
    raise ValueError(
        f"`tuning` lora needs layers for query and value that it knows by name, and {loaded.name} has none of "
        f"{QUERY_VALUE}: choose prefix or full."
    )


def with_prefix(loaded: LanguageModel, tokens: Sequence[int]) -> "PeftModel":
    from peft import PrefixTuningConfig

    config = PrefixTuningConfig(task_type=task(loaded), num_virtual_tokens=len(tokens))
    try:
        activations = keys_and_values(loaded.model, tokens)
        model = adapted(loaded, config, seed=0)  # what is drawn is replaced at once
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
def keys_and_values(model: "PreTrainedModel", tokens: Sequence[int]) -> Tensor:
    """What every layer computes for these tokens, laid out as peft reads it: (tokens, layers · 2 · heads · width)."""
    from transformers import DynamicCache

    cache: Any = DynamicCache()
    model(input_ids=torch.tensor([tokens], device=model.device), past_key_values=cache)
    layers = torch.stack([kept[0] for layer in cache.layers for kept in (layer.keys, layer.values)])
    return layers.permute(2, 0, 1, 3).flatten(1)  # from (layers · 2, heads, tokens, width)


def first_tokens(examples: Sequence[Sequence[int]], tokens: int, seed: int) -> list[int]:
    """The first `tokens` tokens of the examples, one after another in a shuffled order.

    >>> first_tokens([[1, 2], [3, 4], [5, 6]], 3, seed=0)
    [3, 4, 5]
    """
    if tokens < 1:
        raise ValueError(f"`tokens` must be at least 1, got {tokens}: 5 is the paper's.")
    shuffled = random.Random(seed).sample(list(examples), len(examples))
    found = list(islice(chain.from_iterable(shuffled), tokens))
    if len(found) < tokens:
        raise ValueError(
            f"`examples` must hold {tokens} tokens or more, with which the prefix begins; got {len(found)}: "
            "pass the token ids of training texts."
        )
    return found


def task(loaded: LanguageModel) -> str:
    # peft has no task for masked models; this one passes on whatever the model returns
    return "FEATURE_EXTRACTION" if loaded.masked else "CAUSAL_LM"


def adapted(loaded: LanguageModel, config: "PeftConfig", seed: int) -> "PeftModel":
    """The model with its adapters, drawn from torch's generators, which are seeded for this and put back afterwards."""
    from peft import get_peft_model

    with silenced(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return get_peft_model(loaded.model, config).eval()
