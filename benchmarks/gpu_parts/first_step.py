"""What the first step of a process costs: compilers start and work, or load what another process has compiled."""

import json
import subprocess
import sys
import time
from typing import Any

import torch
from step.timing import LAWS, clocked
from torch import Tensor, nn

from gpu_parts.setting import ROOT, Setting, environment, seconds_to
from mezo_lab.optim import MeZO

STARTED = "the compiler starts"
NUMEL = 1 << 23  # parameters, so many that sweeps are compiled
VARIANTS = {
    f"{law}, {dtype}{', exact' if exact else ''}": (law, dtype, exact)
    for law in LAWS
    for dtype, exact in (("float32", False), ("bfloat16", False), ("bfloat16", True))
}


def of_first_steps(setting: Setting, deadline: float, cache: str) -> dict[str, Any]:
    """The first and the second step of each law and precision, in a process of its own; as many as end in time.

    Args: cache: the name of a folder for what is compiled; cold where no part has used it before.
    """
    left = seconds_to(deadline)
    place = setting.cache / cache
    cold = not place.exists()
    variables = environment() | {
        "TORCHINDUCTOR_CACHE_DIR": str(place / "inductor"),
        "TRITON_CACHE_DIR": str(place / "triton"),
    }
    place.mkdir(exist_ok=True)
    script = ROOT / "benchmarks/gpu.py"
    command = [sys.executable, str(script), "--first-steps", "--device", setting.device]
    if setting.toy:
        command.append("--toy")
    output = place / "steps.txt"  # no pipe: processes that a compiler leaves behind would keep one open
    with output.open("w") as file, subprocess.Popen(command, env=variables, stdout=file) as process:
        try:
            process.wait(left)
        except subprocess.TimeoutExpired:
            process.kill()
    rows = dict(json.loads(line) for line in output.read_text().splitlines() if line.endswith("}]"))
    if not rows:
        raise RuntimeError(f"no first step ended; the process left with {process.returncode}")
    due = [STARTED, *VARIANTS]
    if setting.toy:
        due = list(VARIANTS)[:1]
    return {"cold": cold, "rows": rows, "left_out": {name: {"reason": "no time"} for name in due if name not in rows}}


def print_first_steps(device: str, toy: bool) -> None:
    """The work of that process: a line of JSON for each variant, at once."""
    if not toy:
        begin = time.perf_counter()
        torch.compile(lambda x: x + 1)(torch.zeros(8, device=device))
        print(json.dumps([STARTED, {"first": time.perf_counter() - begin}]), flush=True)
    for name in list(VARIANTS)[: 1 if toy else None]:
        print(json.dumps([name, first_steps(device, toy, *VARIANTS[name])]), flush=True)


def first_steps(device: str, toy: bool, law: str, dtype: str, exact: bool) -> dict[str, float]:
    """Seconds of the first step and of the second."""
    numel = 64 if toy else NUMEL
    theta = nn.Parameter(torch.ones(numel, dtype=getattr(torch, dtype), device=device))
    opt = MeZO([("theta", theta)], lr=1e-6, law=law, exact=exact, check_closure=False)

    def loss() -> Tensor:
        return theta.float().square().mean()

    def step() -> None:
        opt.step(loss)

    return {"first": clocked(step, 1, device), "second": clocked(step, 1, device)}
