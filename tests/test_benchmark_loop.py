"""The benchmark of the loop runs, times what it says, and shows what it measured; its figures are not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from blocks import loop

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict[str, Any]:
    pytest.importorskip("transformers")
    file = tmp_path_factory.mktemp("benchmark") / "results/loop.json"
    file.parent.mkdir()
    command = [sys.executable, str(ROOT / "benchmarks/loop.py"), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(file.read_text()) | {"root": file.parents[1]}


def test_every_step_of_the_loop_has_a_bare_one_on_512_tokens(record):
    (row,) = record["loops"]
    assert row["steps"] == 10 and row["tokens"] == 512
    assert 0 < row["least"] <= row["ratio"] <= row["largest"]


def test_an_evaluation_is_compared_on_as_many_tokens(record):
    (row,) = record["evaluations"]
    assert row["rows"] == 64 and row["tokens"] <= row["padded_tokens"] < 1.2 * row["tokens"]
    assert row["passes"] < 16 and row["seconds"].keys() == {"bare", "encoded", "rows"}


def test_the_page_shows_the_figures_and_whether_the_promises_were_kept(record):
    loop.draw(record["root"])
    page = loop.loop(record["root"])
    assert f"| {record['loops'][0]['ratio']:.3f} |" in page and f"| {record['evaluations'][0]['speed']:.2f} |" in page
    assert "![Bars of the time of fine-tuning runs by stage: random Llama, all weights, 4 steps, test of 64, " in page
    assert (record["root"] / loop.FIGURE).read_text().startswith("<?xml")
    assert (loop.outcome(-0.1), loop.outcome(0.25)) == ("kept", "**missed by 25 %**")


def test_without_a_record_the_page_says_how_to_make_one(tmp_path):
    assert loop.loop(tmp_path) == "Not measured yet: `python benchmarks/loop.py` does it."
