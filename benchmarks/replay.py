"""What a replay costs beside the sweeps of its run, on the weights of SmolLM2-135M: the same steps, bit for bit.

A run takes steps with a loss that costs nothing, so that its time is that of its sweeps. In each round some of its
steps are timed, and then replays of a log of the same run, in turn; medians of the rounds are kept. The last part
replays a longer log once, and says what the paper's 20,000 steps would take. Some ten minutes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import quiet
import records
import torch

from mezo_lab.environment.machine import machine
from mezo_lab.finetune import smollm2
from mezo_lab.optim import MeZO, RunLog, replay

KINDS: dict[str, dict[str, Any]] = {
    "signs, 3 sweeps": {"law": "rademacher"},
    "signs, 2 sweeps": {"law": "rademacher", "fused": True},
    "Gaussian, 3 sweeps": {"law": "gaussian"},
    "Gaussian, 2 sweeps": {"law": "gaussian", "fused": True},
}
LOGGED = {"rademacher": 300, "gaussian": 60}  # steps of a log, so many that its hashes are a small part of a replay
LONG = "signs, 3 sweeps"
LR = 1e-9
TOLERANCE = 1e-3
AT_MOST = 0.4  # of the run's own sweeps
PAPER_STEPS = 20_000


def weights(numel: int | None) -> list[torch.nn.Parameter]:
    """Those of SmolLM2-135M, or so many random numbers."""
    if numel is not None:
        return [torch.nn.Parameter(torch.randn(numel, generator=torch.Generator().manual_seed(0)) / 50)]
    model, _ = smollm2()
    return [torch.nn.Parameter(parameter.detach().clone()) for parameter in model.parameters()]


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def stepped(theta: list[torch.nn.Parameter], steps: int, log: Path | None, kind: dict[str, Any]) -> float:
    """Seconds of so many steps. Args: log: where to write them down."""
    opt = MeZO(theta, lr=LR, check_closure=False, **kind)
    losses = iter(torch.rand(2 * steps, generator=torch.Generator().manual_seed(1)).tolist())
    run_log = RunLog(opt, log) if log is not None else None

    def run() -> None:
        for _ in range(steps):
            opt.step(lambda: next(losses))
        opt.flush()

    taken = seconds(run)
    if run_log is not None:
        run_log.close()
    return taken


def restore(theta: list[torch.nn.Parameter], start: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, before in zip(theta, start, strict=True):
            parameter.copy_(before)


def measured_kind(
    theta: list[torch.nn.Parameter], kind: dict[str, Any], steps: int, logged: int, rounds: int
) -> dict[str, Any]:
    """Seconds a step of a run's sweeps and of its replay. Args: steps: of a reading of the run. logged: of the log."""
    start = [parameter.detach().clone() for parameter in theta]
    readings: dict[str, list[float]] = {"run": [], "replay": [], "tolerance": []}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "run.mezo")
        stepped(theta, logged, log, kind)
        end = [parameter.detach().clone() for parameter in theta]
        for _ in range(rounds):
            restore(theta, start)
            readings["run"].append(stepped(theta, steps, None, kind) / steps)
            restore(theta, start)
            readings["replay"].append(seconds(lambda: replay(theta, log)) / logged)
            if not all(torch.equal(parameter, last) for parameter, last in zip(theta, end, strict=True)):
                raise AssertionError("the replay did not rebuild the run")
            restore(theta, start)
            readings["tolerance"].append(seconds(lambda: replay(theta, log, tolerance=TOLERANCE)) / logged)
    restore(theta, start)
    ratios = [own / run for own, run in zip(readings["replay"], readings["run"], strict=True)]
    return {
        **{f"{name}_seconds": median(values) for name, values in readings.items()},
        "ratio": median(ratios),
        "least": min(ratios),
        "largest": max(ratios),
        "tolerance_ratio": median(readings["tolerance"]) / median(readings["run"]),
    }


def measured(
    kinds: list[str], numel: int | None, steps: int, logged: dict[str, int], long: int, rounds: int
) -> dict[str, Any]:
    """The record. Args: steps: of a reading of a run. logged: steps of the logs of each law. long: of the last log."""
    theta = weights(numel)
    record: dict[str, Any] = {
        "machine": machine(),
        "parameters": sum(parameter.numel() for parameter in theta),
        "rounds": rounds,
        "at_most": AT_MOST,
        "rows": [],
    }
    for name in kinds:
        kind = KINDS[name]
        row = {"kind": name, "logged": logged[kind["law"]]}
        row |= measured_kind(theta, kind, steps, row["logged"], rounds)
        print(
            f"{name}: {row['ratio']:.2f} of the run's sweeps, {row['tolerance_ratio']:.2f} with a tolerance", flush=True
        )
        record["rows"].append(row)
    start = [parameter.detach().clone() for parameter in theta]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "run.mezo")
        stepped(theta, long, log, KINDS[LONG])
        restore(theta, start)
        taken = seconds(lambda: replay(theta, log))
    record["long"] = {"kind": LONG, "steps": long, "seconds": taken, "paper_seconds": taken / long * PAPER_STEPS}
    print(
        f"{long:,} steps took {taken:.0f} s: {PAPER_STEPS:,} would take {record['long']['paper_seconds'] / 60:.1f} min"
    )
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="a few steps of few numbers")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS, help="the runs (default all)")
    arguments = parser.parse_args()
    with quiet.quiet():
        if arguments.quick:
            record = measured(
                arguments.kinds, numel=40_000, steps=3, logged=dict.fromkeys(LOGGED, 6), long=10, rounds=1
            )
        else:
            record = measured(arguments.kinds, numel=None, steps=10, logged=LOGGED, long=1_000, rounds=5)
    records.write(record, arguments, "replay")


if __name__ == "__main__":
    main()
