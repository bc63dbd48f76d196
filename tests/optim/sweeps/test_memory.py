"""A sweep needs the memory of a chunk, not of a parameter."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

ROOT = Path(__file__).parents[3]
MIB = 1 << 20
NUMEL = 1 << 24  # 64 MiB of float32


@pytest.fixture
def peak(tmp_path) -> Callable[[Callable[[], object]], float]:
    """The most memory a function holds at once beyond what was there before, in MiB, as torch's allocator sees it."""

    def measured(function: Callable[[], object]) -> float:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            function()
        trace = tmp_path / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = [e["args"] for e in json.loads(trace.read_text())["traceEvents"] if e["name"] == "[memory]"]
        if not events:
            return 0.0
        before = events[0]["Total Allocated"] - events[0]["Bytes"]
        return (max(event["Total Allocated"] for event in events) - before) / MIB

    return measured


def terms(count: int) -> list[Term]:
    return [Term(1, probe, (0.1,)) for probe in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("law", ["rademacher", "gaussian", "uniform", "three-point"])
def test_a_compiled_sweep_makes_no_tensor_of_the_size_of_a_parameter(law, count, peak):
    field = NoiseField([KeyedTensor(torch.zeros(NUMEL), 7)], law, seed=0, compiled=True)
    field.sweep(terms(count))
    assert field.compiled and peak(lambda: field.sweep(terms(count))) < 5


@pytest.mark.parametrize("count", [1, 4])  # four z would be 64 MiB
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("law", ["rademacher", "gaussian", "uniform", "three-point"])
def test_an_eager_sweep_stays_within_a_chunk_however_many_z_it_adds(law, dtype, count, peak):
    field = NoiseField([KeyedTensor(torch.zeros(NUMEL // 4, dtype=dtype), 7)], law, seed=0, compiled=False)
    assert 4 < peak(lambda: field.sweep(terms(count))) < 20


@pytest.mark.parametrize("law", ["rademacher", "gaussian"])
def test_a_sweep_of_a_transposed_tensor_stays_within_a_chunk(law, peak):
    field = NoiseField([KeyedTensor(torch.zeros(2_000, 2_100).T, 7)], law, seed=0)
    assert peak(lambda: field.sweep(terms(3))) < 40


@pytest.mark.parametrize("count", [2, 8])
def test_inner_products_of_many_z_stay_within_a_chunk(count, peak):
    field = NoiseField([KeyedTensor(torch.zeros(NUMEL // 8), 7)], "gaussian", seed=0, compiled=False)
    assert peak(lambda: field.gram(terms(count))) < 64


def test_a_z_as_large_as_the_parameter_is_seen(peak):
    theta = torch.zeros(NUMEL)
    assert peak(lambda: theta.add_(torch.ones_like(theta), alpha=0.1)) == pytest.approx(64, abs=1)


GROWTH = """
import resource, sys, torch
from mezo_lab.optim.sweeps import NoiseField, KeyedTensor, Term

def peak():  # MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

terms = [Term(1, probe, (0.1,)) for probe in range(int(sys.argv[2]))]
theta = torch.ones(1 << 27)  # 512 MiB, more than a compilation takes
field = NoiseField([KeyedTensor(theta, 7)], sys.argv[1], seed=0)
field.sweep(terms)
warm = peak()
field.sweep(terms)
swept = peak()
theta.add_(torch.ones_like(theta), alpha=0.1)
print(len(field.native), swept - warm, peak() - swept)
"""


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("law", ["rademacher", "gaussian"])
def test_the_memory_of_the_process_does_not_grow_with_the_parameter(law, count):
    run = [sys.executable, "-c", GROWTH, law, str(count)]
    printed = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    fast, grown, out_of_place = map(float, printed.split())
    assert fast == 1 and grown < 8 and out_of_place > 256, printed
