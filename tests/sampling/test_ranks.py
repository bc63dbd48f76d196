"""Ranks that share the draws of one run have the moments of one process, bit for bit."""

import json
import os
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import pytest
import torch

from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS, RunningMoments, generator_for, sample

ROOT = Path(__file__).parents[2]
COUNT = 25_000
PER_DRAW = CHUNK_NUMBERS // 500  # 50 chunks: 3 ranks, 16 chunks of each between two exchanges, and 2 chunks more
PROGRAM = f"""
import json, sys, torch
from dataclasses import astuple
from torch import distributed
from mezo_lab.sampling import sample

drawn, told = [], []

def draws(count, generator):
    drawn.append(count)
    return torch.randn(count, generator=generator, dtype=torch.float64) ** 3

distributed.init_process_group("gloo")
moments = sample(
    draws, {COUNT}, numbers_per_draw={PER_DRAW}, seed=7, parallel=True, progress=lambda *now: told.append(now)
)
found = {{"moments": astuple(moments), "drawn": sum(drawn), "told": told[-1]}}
open(f"{{sys.argv[1]}}/{{distributed.get_rank()}}.json", "w").write(json.dumps(found))
distributed.destroy_process_group()
"""


CLOCKS = """
import sys
from torch import distributed
from mezo_lab.claims import check, claim_named, trial
from mezo_lab.sampling import LAWS

distributed.init_process_group("gloo")
times = iter([0.0, 1.0 + distributed.get_rank()])  # the first rank computes for one second, the other for two
trial._clock = lambda claim, device: lambda: next(times)
verdict = check(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 2}, draws=100, parallel=True)
open(f"{sys.argv[1]}/{distributed.get_rank()}", "w").write(str(verdict.seconds))
distributed.destroy_process_group()
"""


def launch(ranks: int, *command: str, cwd: Path) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run([*launcher, *command], capture_output=True, text=True, env=environment, cwd=cwd)


def cubes(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(count, generator=generator, dtype=torch.float64) ** 3


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_that_share_the_draws_have_the_moments_of_one_process(tmp_path, ranks):
    (tmp_path / "program.py").write_text(PROGRAM)
    ran = launch(ranks, "program.py", str(tmp_path), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(ranks)]
    alone = astuple(sample(cubes, COUNT, numbers_per_draw=PER_DRAW, seed=7))
    other = astuple(sample(cubes, COUNT, numbers_per_draw=PER_DRAW, seed=8))
    assert all(tuple(one["moments"]) == alone != other for one in found)
    assert sum(one["drawn"] for one in found) == COUNT
    assert max(one["drawn"] for one in found) <= COUNT / ranks + 500
    assert all(one["told"] == [COUNT, COUNT] for one in found)


def test_the_seconds_of_a_verdict_are_those_of_all_ranks(tmp_path):
    (tmp_path / "program.py").write_text(CLOCKS)
    ran = launch(2, "program.py", str(tmp_path), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert [(tmp_path / str(rank)).read_text() for rank in range(2)] == ["3.0", "3.0"]


def test_moments_of_each_rank_merged_at_the_end_would_have_another_last_digit():
    chunks = [RunningMoments.of(cubes(500, generator_for(7, 1, index))) for index in range(50)]
    in_order = RunningMoments()
    by_rank = [RunningMoments(), RunningMoments()]
    for index, chunk in enumerate(chunks):
        in_order.merge(chunk)
        by_rank[index % 2].merge(chunk)
    by_rank[0].merge(by_rank[1])
    assert astuple(in_order) == astuple(sample(cubes, COUNT, numbers_per_draw=PER_DRAW, seed=7))
    assert by_rank[0].mean != in_order.mean and by_rank[0].mean == pytest.approx(in_order.mean, rel=1e-10)


def test_moments_of_nothing_change_nothing():
    moments = RunningMoments.of(torch.tensor([1.0, 2.0]))
    before = astuple(moments)
    moments.merge(RunningMoments())
    assert astuple(moments) == before


def test_the_command_under_torchrun_says_what_one_process_says_and_says_it_once(tmp_path):
    words = "-m mezo_lab verify norm-factor memory --law gaussian --fast --json".split()
    ran = launch(2, *words, "two.json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("A2 norm-factor") == 1 and ran.stdout.count("CONSISTENT") == 2
    alone = subprocess.run(
        [sys.executable, *words, "one.json"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert alone.returncode == 0
    records = [json.loads((tmp_path / name).read_text())["verdicts"] for name in ("one.json", "two.json")]
    for verdict in [*records[0], *records[1]]:
        verdict.pop("seconds")
    assert records[0] == records[1]


def test_an_error_of_all_ranks_is_said_once(tmp_path):
    ran = launch(2, *"-m mezo_lab verify norm-factor --jobs 2".split(), cwd=tmp_path)
    assert ran.stderr.count("--jobs must be 1 where torchrun has started 2 processes") == 1
