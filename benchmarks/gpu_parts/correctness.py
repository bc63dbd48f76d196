"""What must be true on a GPU: its tests, z of tensors with more than 2³¹ coordinates, a CPU's log replayed there."""

import copy
import importlib.util
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from torch import nn

from gpu_parts.beds import check_memory
from gpu_parts.setting import ROOT, LeftOut, Setting, environment, reason, seconds_to
from mezo_lab.optim import MeZO
from mezo_lab.optim.log import RunLog, replay
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

MARK = "@pytest.mark.gpu"
CHECKED = 10_000  # coordinates of a tensor that are looked up one by one
LET_GO = 20.0  # seconds in which interrupted tests may still write what they found


def of_tests(setting: Setting, deadline: float, folder: str) -> dict[str, Any]:
    """The tests of a folder that want a GPU, in a process of their own.

    Returns: how many passed, failed and were skipped, why, and whether the time was too short for all of them.
    """
    left = seconds_to(deadline)
    if importlib.util.find_spec("pytest") is None:
        raise LeftOut("pytest is not installed")
    marked = [path for path in sorted((ROOT / "tests" / folder).rglob("test_*.py")) if MARK in path.read_text()]
    files = [str(path.relative_to(ROOT)) for path in setting.sized(marked, marked[:1])]
    report = setting.cache / f"tests-{folder.replace('/', '-')}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={report}"]
    begin = time.monotonic()
    ended = ran_until(begin + left, [*command, *files])
    if not report.exists():
        raise RuntimeError(f"the tests of {folder} left no report")
    return {"files": files, "all_ran": ended} | counted(ElementTree.parse(report).getroot())


def ran_until(deadline: float, command: list[str]) -> bool:
    """Whether a command ended by itself; else it was interrupted, as by Ctrl-C."""
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
            return True
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(LET_GO)
        except subprocess.TimeoutExpired:
            process.kill()
    return False


def counted(report: ElementTree.Element) -> dict[str, Any]:
    """What a report in JUnit's format says of its tests."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures: dict[str, str] = {}
    skips: set[str] = set()
    for case in report.iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        broken = case.find("failure")
        if broken is None:
            broken = case.find("error")
        skipped = case.find("skipped")
        if broken is not None:
            counts["failed"] += 1
            failures[name] = reason(RuntimeError(broken.get("message", "").split("\n")[0]))
        elif skipped is not None:
            counts["skipped"] += 1
            skips.add(skipped.get("message", ""))
        else:
            counts["passed"] += 1
    return counts | {"failures": failures, "skips": sorted(skips)}


def of_indices(setting: Setting, deadline: float, law: str, dtype: str) -> dict[str, Any]:
    """z of one tensor of more than 2³¹ coordinates, looked up at some of them, the last ones too."""
    seconds_to(deadline)
    weights = getattr(torch, dtype)
    numel = setting.sized(2**31 + 2**20 + 7, 10_007)
    check_memory(setting, numel * weights.itemsize)
    theta = torch.zeros(numel, dtype=weights, device=setting.device)
    field = NoiseField([KeyedTensor(theta, 7)], law, seed=0, compiled=setting.compiled)
    field.sweep([Term(1, 0, (1.0,))])
    generator = torch.Generator().manual_seed(0)
    anywhere = torch.randint(numel, (min(CHECKED, numel),), generator=generator)
    index = torch.cat([anywhere, torch.arange(200), torch.arange(numel - 200, numel)])
    drawn = theta[index.to(setting.device)].float().cpu()
    defined = field.at(0, 1, 0, index).to(weights).float()
    return {
        "law": law,
        "dtype": dtype,
        "coordinates": numel,
        "checked": len(index),
        "largest_difference": float((drawn - defined).abs().max()),
        "bitwise": torch.equal(drawn, defined),
    }


def of_replay(
    setting: Setting, deadline: float, law: str, dtype: str, exact: bool = False, weight_decay: float = 0.0
) -> dict[str, Any]:
    """A run on the CPU, and its log replayed on the GPU from the same weights: how far apart they end."""
    seconds_to(deadline)
    steps = setting.sized(100, 5)
    width = setting.sized(512, 16)
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(32, width), nn.Tanh(), nn.Linear(width, 33))
    here = layers.to(getattr(torch, dtype))
    there = copy.deepcopy(here).to(setting.device)
    start = [parameter.detach().clone() for parameter in here.parameters()]
    inputs = torch.randn(16, 32, dtype=start[0].dtype)
    opt = MeZO(
        here.named_parameters(),
        lr=1e-3,
        law=law,
        exact=exact,
        weight_decay=weight_decay,
        compiled=setting.compiled,
    )
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "run.mezo"
        with RunLog(opt, log):
            for _ in range(steps):
                opt.step(lambda: here(inputs).float().square().mean())
        begin = time.perf_counter()
        replay(there, log, check=False)
    seconds = time.perf_counter() - begin
    return {
        "law": law,
        "dtype": dtype,
        "exact": exact,
        "weight_decay": weight_decay,
        "steps": steps,
        "replay_seconds": seconds,
    } | apart(list(here.parameters()), list(there.parameters()), start)


def apart(here: list[nn.Parameter], there: list[nn.Parameter], start: list[torch.Tensor]) -> dict[str, Any]:
    """How far two models are from each other, and how far the first has come."""
    copies = [parameter.detach().cpu() for parameter in there]
    differences = [float((mine.detach() - other).abs().max()) for mine, other in zip(here, copies, strict=True)]
    moves = [float((mine.detach() - before).abs().max()) for mine, before in zip(here, start, strict=True)]
    return {
        "bitwise": all(torch.equal(mine, other) for mine, other in zip(here, copies, strict=True)),
        "largest_difference": max(differences),
        "largest_move": max(moves),
    }
