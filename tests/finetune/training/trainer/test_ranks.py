"""Two processes, as torchrun starts them, make the steps of one on the same data, and stay alike."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mezo_lab.optim import replay
from mezo_lab.optim.fingerprint import weights_hash

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
PROGRAM = Path(__file__).parents[2] / "scripts/ranks.py"


RUNS = {
    "rows": ("rows", {}),
    "tokens, fused": ("tokens", {"fused": True}),
    "tokens, exact": ("tokens", {"exact": True, "probes": 2}),
}
HEADS = {"rows": "AutoModelForSequenceClassification", "tokens": "AutoModelForCausalLM"}


def launched(out: Path, ranks: int, loss: str, settings: dict) -> list[dict]:
    """What each of the processes found."""
    out.mkdir()
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *several, str(PROGRAM), str(out), loss, json.dumps(settings)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(out.joinpath(f"{rank}.json").read_text()) for rank in range(ranks)]


@pytest.fixture(scope="module", params=RUNS)
def launches(request, tmp_path_factory):
    """The folder of two processes, what they found, and what one found; and the model they began with."""
    folder, (loss, settings) = tmp_path_factory.mktemp("ranks"), RUNS[request.param]
    two, (one,) = (launched(folder / str(ranks), ranks, loss, settings) for ranks in (2, 1))
    run = folder / "2/run"
    model = getattr(transformers, HEADS[loss]).from_pretrained(run / "checkpoint-2")
    model.load_state_dict(torch.load(run / "start.pt"))
    return run, two, one, model


def test_two_processes_make_the_steps_of_one(launches):
    """Though the numbers of tokens in their batches differ."""
    _, two, one, _ = launches
    # the steps differ by the rounding of the losses over ε, times the learning rate
    assert two[0]["whole"]["losses"] == pytest.approx(one["whole"]["losses"], abs=1e-4)
    assert len({round(loss, 2) for loss in one["whole"]["losses"]}) == 4


def test_two_processes_end_with_the_same_weights_bit_for_bit(launches):
    """Though their models began with different weights."""
    _, (first, second), _, _ = launches
    assert first == second


def test_two_processes_hold_no_gradient_and_no_buckets_for_one(launches):
    _, two, _, model = launches
    runs = [run for found in two for run in found.values()]
    assert all(run["wrapped"] == type(model).__name__ and run["gradients"] == 0 for run in runs)


def test_two_processes_resume_bit_for_bit(launches):
    _, two, _, _ = launches
    assert all(found["resumed"]["weights"] == found["whole"]["weights"] for found in two)


def test_two_processes_have_one_log(launches):
    run, two, _, model = launches
    replay(model, run / "run.mezo").flush()
    assert weights_hash(list(model.parameters())).hex() == two[0]["resumed"]["weights"]
