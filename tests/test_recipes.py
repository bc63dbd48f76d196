"""docs/recipes.md: the program for several processes runs as it is printed; tests/test_docs.py runs the others."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")


def run(program: str, processes: int, folder: Path) -> str:
    """What a program prints that torchrun starts."""
    (folder / "train.py").write_text(program, encoding="utf-8")
    (command,) = re.findall(r"^torchrun (--standalone --nproc-per-node) 2 train\.py$", PAGE, re.M)
    launcher = [sys.executable, "-m", "torch.distributed.run", *command.split(), str(processes), "train.py"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(launcher, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_program_for_several_processes_makes_the_steps_of_one(tmp_path):
    (program,) = re.findall(r"```py\n(# train\.py\n.*?)```", PAGE, re.DOTALL)
    two = run(program, 2, tmp_path)
    assert re.fullmatch(r"2 processes, loss \d\.\d\de[-+]\d\d\n", two)
    assert run(program, 1, tmp_path).removeprefix("1") == two.removeprefix("2")
    other = program.replace("own = slice(rank, None, size)", "own = slice(rank, size + rank)")
    assert other != program and run(other, 2, tmp_path) != two


def test_every_recipe_is_a_program_and_says_what_came_of_it():
    recipes = re.split(r"^## ", PAGE, flags=re.M)[1:]
    assert len(recipes) >= 12
    for recipe in recipes:
        (program,) = re.findall(r"```py(?:thon)?\n(.*?)```", recipe, re.DOTALL)
        assert "print(" in program, recipe.splitlines()[0]
        assert max(map(len, program.splitlines())) <= 88, "a page shows no more columns"
