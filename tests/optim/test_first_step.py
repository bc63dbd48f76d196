"""The first step of a process waits for one C compiler, once, and says so; on a CPU nothing imports `torch.compile`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mezo_lab.optim.sweeps import native

ROOT = Path(__file__).parents[2]
STEPS = """
import sys
import torch
from mezo_lab import MeZO

KINDS = [{"law": "gaussian"}, {"law": "rademacher", "compiled": True}, {"law": "sphere"}, {"law": "low-rank"},
         {"law": "coordinate"}, {"rule": "adam"}, {"exact": True, "fused": True}, {"compiled": False}]
for kinds in KINDS:
    model = torch.nn.Linear(80, 80)
    opt = MeZO(model.named_parameters(), lr=1e-6, **kinds)
    for _ in range(2):
        opt.zero_grad()
        opt.step(lambda: model(torch.ones(80)).square().mean())
    opt.load_state_dict(opt.state_dict())
print(*(name for name in ("torch._dynamo", "torch._inductor", "transformers") if name in sys.modules))
"""


def run(cache: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"MEZO_LAB_CACHE": str(cache), "PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run([sys.executable, "-c", STEPS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cold(cache) -> subprocess.CompletedProcess[str]:
    return run(cache)


def test_no_step_on_a_cpu_imports_torch_s_compiler(cold):
    assert cold.stdout.split() == []


@pytest.mark.skipif(native.library() is None, reason="no C compiler works on this machine")
def test_what_is_built_is_built_once_and_a_line_says_so(cold, cache):
    assert cold.stderr.count("building sweep.c") == 1
    assert "building" not in run(cache).stderr


def test_without_a_compiler_one_line_says_so(tmp_path):
    assert run(tmp_path, CC="/nonexistent/cc").stderr.count("sweeps take torch operations") == 1
