"""Print constraints that hold every requirement of pyproject.toml at its lower bound, for `make test CONSTRAINTS=…`."""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def at_lower_bounds(requirements: list[str]) -> list[str]:
    """One exact version for each requirement that has a lower bound.

    >>> at_lower_bounds(["numpy>=2.0", "transformers>=5.18,<6", "ruff", "mezo_lab[verify]"])
    ['numpy==2.0', 'transformers==5.18']
    """
    bounds = [re.match(r"([\w.-]+)>=([\w.]+)", line) for line in requirements]
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]


def requirements() -> list[str]:
    """Those of the package, of all its extras and of its build."""
    settings = tomllib.loads(PYPROJECT.read_text())
    extras = settings["project"]["optional-dependencies"].values()
    own = settings["build-system"]["requires"] + settings["project"]["dependencies"]
    return own + [line for extra in extras for line in extra]


if __name__ == "__main__":
    print(*at_lower_bounds(requirements()), sep="\n")
