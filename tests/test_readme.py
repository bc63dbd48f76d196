"""The README tells the truth: its numbers are those of the committed files, its Python runs, its map is the house."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import readme

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_its_numbers_are_those_of_the_files_that_commands_wrote():
    assert readme.rewritten(README) == README


def test_a_number_edited_by_hand_is_caught():
    edited = README.replace("CONSISTENT", "CERTAIN", 1)
    assert readme.rewritten(edited) != edited


def test_a_missing_block_is_told():
    with pytest.raises(ValueError, match="must hold the block `<!-- sampling -->`"):
        readme.rewritten(README.replace("<!-- sampling -->", ""))


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_its_python_runs(block):
    ran = subprocess.run([sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


def test_its_example_of_a_claim_has_at_most_20_lines_and_holds():
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "@claim" in block]
    assert len(example.splitlines()) <= 20
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, cwd=ROOT)
    assert "CONSISTENT" in ran.stdout


def test_its_map_names_every_room():
    rooms = {
        path.stem for path in (ROOT / "mezo_lab").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    named = set(re.findall(r"`(\w+)`", README[README.index("## The house") : README.index("## Add a claim")]))
    assert rooms - {"__init__", "__main__"} <= named
