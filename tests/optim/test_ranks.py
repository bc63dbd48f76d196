"""Several processes make the step that one would, and what is wrong on one of them is told on all."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from mezo_lab.optim import MeZO, replay
from mezo_lab.optim.fingerprint import weights_hash

ROOT = Path(__file__).parents[2]
SCENES = Path(__file__).parent / "ranks/scenes.py"
AGREEING = (
    "batches_split probes_dealt_out batches_of_their_own fifty_steps schedule_and_resume a_log random_numbers payload"
)
FAILING = "one_rank_changed closure_fails batches_missing loss_not_finite unlike_starts parting_ways odd_probes"

two_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="nccl wants a GPU for each of two ranks")


@dataclass
class Launch:
    """A finished run of torchrun. outcomes: scene → what each rank wrote, by its number."""

    out: Path
    ran: subprocess.CompletedProcess

    def __getitem__(self, scene: str) -> dict[int, Any]:
        files = {int(path.suffixes[0][1:]): path for path in self.out.glob(f"{scene}.*.json")}
        return {rank: json.loads(files[rank].read_text()) for rank in sorted(files)}


def launch(out: Path, ranks: int, scenes: str, backend: str = "gloo") -> Launch:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [*launcher, str(SCENES), str(out), backend, *scenes.split()]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return Launch(out, subprocess.run(command, capture_output=True, text=True, env=environment))


@pytest.fixture(scope="module")
def launched(tmp_path_factory) -> Callable[[int], Launch]:
    """The scenes that leave the ranks alive, and at last one that hangs, by the number of ranks."""
    done: dict[int, Launch] = {}

    def launched(ranks: int) -> Launch:
        if ranks not in done:
            found = launch(tmp_path_factory.mktemp("ranks"), ranks, f"{AGREEING} {FAILING} hangs")
            assert all(len(found[scene]) == ranks for scene in f"{AGREEING} {FAILING}".split()), found.ran.stderr
            done[ranks] = found
        return done[ranks]

    return launched


@pytest.fixture(params=[2, pytest.param(4, marks=pytest.mark.slow)], ids="{} ranks".format)
def several(request, launched) -> Launch:
    return launched(request.param)


def test_batches_split_over_ranks_make_the_step_of_the_whole_batch(several):
    for rank, ways in several["batches_split"].items():
        for name, found in ways.items():
            assert found["together"] == pytest.approx(found["alone"], abs=1e-12, rel=0), (rank, name)
            assert found["share"] == 1


def test_probes_dealt_out_over_ranks_make_the_step_of_all_probes_bit_for_bit(several):
    for rank, ways in several["probes_dealt_out"].items():
        for name, found in ways.items():
            assert found["together"] == found["alone"], (rank, name)


def test_probes_dealt_out_take_a_share_of_the_forward_passes(several):
    ranks = len(several["probes_dealt_out"])
    for name, found in several["probes_dealt_out"][0].items():
        at_theta = name in ("one-sided", "centre")  # which every rank evaluates
        probes = 2 * ranks if name == "two each" else ranks
        points = probes if name == "one-sided" else 2 * probes
        assert found["share"] == (points / ranks + at_theta) / (points + at_theta), name


def test_a_probe_is_measured_on_its_own_rank_s_batch(several):
    # the batches' losses differ by 0.1 and more: a difference across batches would be that over ε
    for name in ("one-sided", "centre"):
        ranks = several["batches_of_their_own"]
        for rank, found in ranks.items():
            assert found[name]["together"][rank] == pytest.approx(found[name]["alone"][rank], rel=1e-6)
            assert found[name]["together"] == ranks[0][name]["together"]


def test_a_curvature_is_measured_on_its_own_rank_s_batch(several):
    ranks, bends = several["batches_of_their_own"], []
    for rank, found in ranks.items():
        at_theta, *points = found["centre"]["losses"]
        plus, minus = points[2 * rank : 2 * rank + 2]
        bends.append((plus + minus - 2 * at_theta) / 1e-3**2)
    # losses of order 1 in float32, as the closure has them, and their sums in float64
    assert ranks[0]["centre"]["curvature"] == pytest.approx(sum(bends) / len(bends), abs=1e-6 * max(map(abs, bends)))


def test_replicas_are_bitwise_equal_after_fifty_steps(several):
    ranks = several["fifty_steps"]
    for way, (before, after) in ranks[0].items():
        assert before != after
        assert all(outcome[way] == [before, after] for outcome in ranks.values()), way


def test_a_schedule_and_a_checkpoint_of_one_rank_carry_all_ranks_on_bit_for_bit(several):
    hashes = {outcome[way] for outcome in several["schedule_and_resume"].values() for way in outcome}
    assert len(hashes) == 1


def test_the_log_of_rank_0_rebuilds_the_weights_of_every_rank(several):
    ranks = several["a_log"]
    generator = torch.Generator().manual_seed(2)
    shapes = {"weight": (3, 4), "bias": (4,), "head": (4,)}
    theta = {name: torch.nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}
    replay(theta.items(), several.out / "run.mezo")
    logged = weights_hash(list(theta.values())).hex()
    for rank, outcome in ranks.items():
        assert outcome == {"rank": rank, "world": len(ranks), "logged": logged, "after": ranks[0]["after"]}


def test_points_of_a_probe_share_their_random_numbers_and_steps_do_not(several):
    draws = set()
    for outcome in several["random_numbers"].values():
        for drawn in (outcome["one-sided"], outcome["two-sided"]):
            assert drawn[::2] == drawn[1::2] and len(set(drawn)) == 3
        draws |= set(outcome["one-sided"])
    assert len(draws) == 3 * len(several["random_numbers"])


def test_the_random_state_of_a_process_is_left_alone(several):
    assert all(outcome["untouched"] for outcome in several["random_numbers"].values())


def test_only_scalars_travel_whatever_the_model(several):
    gather = "c10d.allgather_.default"
    step, check = [gather, 8 * (6 + 2)], [gather, 16]  # six losses of three probes, and two numbers more
    for outcome in several["payload"].values():
        for width in ("4", "4000"):
            assert outcome[width] == [[[gather, 8], check, step], [step, check], [step], [step, check]]
        assert outcome["gradient"] == [["c10d.allreduce_.default", 80_000]]  # the meter sees more when there is more


@pytest.mark.parametrize("way", ["plain", "exact", "plain, hidden", "fused, hidden"])
def test_weights_that_one_rank_changed_are_found_by_the_next_check(several, way):
    ranks = several["one_rank_changed"]
    found = f"RuntimeError: replicas differ after 5 steps: rank {len(ranks) - 1} has other weights than rank 0."
    for outcome in ranks.values():
        assert outcome[way]["error"].startswith(found) and outcome[way]["steps"] == 5


@pytest.mark.parametrize("way", ["fused", "exact, fused"])
def test_weights_that_one_rank_changed_in_the_middle_of_a_walk_stop_the_next_step_on_all(several, way):
    ranks = several["one_rank_changed"]
    for rank, outcome in ranks.items():
        odd = rank == len(ranks) - 1
        said = "RuntimeError: the parameters changed" if odd else f"RuntimeError: rank {len(ranks) - 1} failed"
        assert outcome[way]["error"].startswith(said) and outcome[way]["steps"] == 3


@pytest.mark.parametrize("way", ["exact, hidden", "exact, fused, hidden"])
def test_weights_that_an_exact_rank_keeps_apart_cannot_be_changed_behind_its_back(several, way):
    ranks = several["one_rank_changed"]
    for outcome in ranks.values():
        assert outcome[way] == {"error": None, "steps": 7, "hash": ranks[0][way]["hash"]}


def test_a_closure_that_fails_on_one_rank_stops_the_step_on_all(several):
    for rank, ways in several["closure_fails"].items():
        for way, found in ways.items():
            said = "ZeroDivisionError: division by zero" if rank == 1 else "RuntimeError: rank 1 failed"
            assert found["error"].startswith(said), way


def test_a_closure_that_fails_leaves_theta_restored_on_all_ranks_and_bitwise_equal(several):
    ranks = several["closure_fails"]
    for ways in ranks.values():
        for way, found in ways.items():
            # each of a walk's moves, 8 per probe pair at most, rounds by up to half a unit of numbers below 4
            moves = 0 if "exact" in way else 4 * len(ranks) + 1
            assert found["back"] == pytest.approx(found["start"], abs=moves * 2**-23, rel=0), way
            assert (found["back"], found["later"]) == (ranks[0][way]["back"], ranks[0][way]["later"]), way


def test_an_error_before_the_closure_stops_the_step_on_all(several):
    for rank, outcome in several["batches_missing"].items():
        said = "ValueError: `batches` must hold one for each" if rank == 1 else "RuntimeError: rank 1 failed"
        assert outcome["error"].startswith(said) and outcome["later"] is None


def test_a_loss_that_is_not_finite_on_one_rank_skips_the_step_on_all(several):
    ranks = several["loss_not_finite"]
    for ways in ranks.values():
        for way, found in ways.items():
            assert found["loss"] != found["loss"] and found["skipped"] == 1
            assert ["moves nothing" in said for said in found["warned"]] == [True]
            moves = 0 if "exact" in way else 3
            assert found["back"] == pytest.approx(found["start"], abs=moves * 2**-23, rel=0), way
            assert found["later"] == ranks[0][way]["later"]


NAMED = (
    "parallel seed epsilon probes law estimator rule fused centre check_replicas_every lr params weights frozen nothing"
)


@pytest.mark.parametrize("unlike", NAMED.split())
def test_ranks_that_start_unlike_are_told_so_before_any_forward_pass(several, unlike):
    ranks = several["unlike_starts"]
    last = len(ranks) - 1
    for outcome in ranks.values():
        error, asked = outcome["frozen weights" if unlike == "frozen" else unlike].values()
        if unlike == "nothing":
            assert error is None and asked == 2
        elif unlike in ("weights", "frozen"):
            assert f"replicas differ after 0 steps: rank {last} has other weights than rank 0" in error and asked == 0
        else:
            assert (
                error.startswith(f"RuntimeError: `{unlike}` is ") and f" on rank {last}, but " in error and asked == 0
            )


def test_a_rank_that_parts_from_the_others_is_named_in_the_next_step(several):
    expected = {f"{way}, {action}": None for way in ("plain", "exact", "exact, fused") for action in ("saved",)}
    for outcome in several["parting_ways"].values():
        for name, error in outcome.items():
            if name.endswith("scheduled"):
                assert "`lr` is [0.05] on rank 1, but [0.025] on rank 0, in step 3" in error
            elif name == "fused, saved":  # a flush by one rank alone, which rounds
                assert "`sweeps` is 8 on rank 1, but 9 on rank 0, in step 3" in error
            else:
                assert error is expected.get(name)


def test_probes_that_cannot_be_dealt_out_are_refused(several):
    for outcome in several["odd_probes"].values():
        assert outcome["error"].startswith("ValueError: `probes` must be a multiple of the ")


@pytest.mark.slow  # five processes; by default two ranks stand for four
@pytest.mark.parametrize("scene", ["killed", "exits"])
def test_four_ranks_make_the_step_of_one_until_one_is_dead_which_ends_the_others(tmp_path, scene):
    found = launch(tmp_path, 4, f"probes_dealt_out {scene}")
    assert len(found["probes_dealt_out"]) == 4, found.ran.stderr
    for ways in found["probes_dealt_out"].values():
        assert all(way["together"] == way["alone"] for way in ways.values())
    check_ended(found, scene, ranks=4)


@pytest.mark.slow  # a launch of its own; by default a rank that hangs stands for one that is gone
@pytest.mark.parametrize("scene", ["killed", "exits"])
def test_a_dead_rank_ends_the_other(tmp_path, scene):
    check_ended(launch(tmp_path, 2, scene), scene, ranks=2)


def test_a_rank_that_hangs_ends_the_others_when_the_group_gives_up(several):
    check_ended(several, "hangs", ranks=len(several["payload"]))


def check_ended(found: Launch, scene: str, ranks: int) -> None:
    assert found[scene].keys() == set(range(ranks)) - {1} and found.ran.returncode != 0
    for rank, outcome in found[scene].items():
        assert outcome["error"].startswith(f"RuntimeError: rank {rank} has lost the others: one of them")
        # no limit of time is at work: a dead rank would be waited for for hours, and one that hangs would come back
        assert outcome["restored"]


@pytest.mark.gpu
@two_gpus
@pytest.mark.parametrize("backend", ["nccl", "cpu:gloo,cuda:nccl"])
def test_replicas_on_gpus_are_bitwise_equal_after_fifty_steps(tmp_path, backend):
    found = launch(tmp_path, 2, "on_gpus", backend)
    assert found.ran.returncode == 0, found.ran.stderr
    assert found["on_gpus"][0] == found["on_gpus"][1]


def test_ranks_need_a_process_group():
    with pytest.raises(RuntimeError, match=r"`parallel='batch'` needs a process group: call torch.distributed.init"):
        MeZO([torch.nn.Parameter(torch.zeros(3))], lr=0.1, parallel="batch")


def test_an_unknown_way_to_go_parallel_is_refused():
    with pytest.raises(ValueError, match="`parallel` must be one of None, 'batch', 'probe'; got 'data'"):
        MeZO([torch.nn.Parameter(torch.zeros(3))], lr=0.1, parallel="data")
