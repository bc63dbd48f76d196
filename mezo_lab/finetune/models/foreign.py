"""Files of strangers, read quietly: what their parsers raise becomes one line, and nothing is printed."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from textwrap import shorten


@contextmanager
def foreign_files(name: str, *, remedy: str) -> Iterator[None]:
    """Read the files of strangers: quietly, and any error of their parsers becomes one line.

    Only the calls that read foreign files stand inside this context, so that it hides no fault of our own. The cause
    is kept as `__cause__`.

    Raises: OSError with the name of the files, the cause and the remedy.

    >>> with foreign_files("./model", remedy="save it again"):
    ...     [][0]
    Traceback (most recent call last):
    OSError: ./model cannot be read (list index out of range): save it again.
    """
    try:
        with silenced(), silenced_hub():
            yield
    except Exception as error:  # safetensors, tokenizers, pickle, jinja and torch each have their own
        cause = " ".join(str(error).split()) or type(error).__name__
        if "trust_remote_code" in cause or "custom code" in cause:
            raise OSError(
                f"{name} needs code of its own, which mezo_lab does not run: give a model whose architecture is one of "
                "transformers' own."
            ) from error
        if isinstance(error, KeyError):
            cause = f"there is no {cause}"
        raise OSError(f"{name} cannot be read ({shorten(cause, 200, placeholder=' …')}): {remedy}.") from error


@contextmanager
def silenced() -> Iterator[None]:
    """Hold back the progress bars, log lines and warnings of transformers, and restore every setting afterwards."""
    # the GGUF reader's bar has no setting and writes to stderr
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
    """Hold back the progress bars and log lines of transformers, and restore every setting afterwards."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    had_bars = transformers_logging.is_progress_bar_enabled()
    had_hub_bars = not are_progress_bars_disabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bars:
            transformers_logging.enable_progress_bar()  # turns the hub's on too
        if not had_hub_bars:
            disable_progress_bars()
