"""How many bytes a step of several processes sends, by the number of processes and the size of the model.

Every byte that passes the loopback interface is counted, headers and acknowledgements included, over many steps, and
beside it the same number of steps that average a float32 gradient, which data-parallel training would send. What other
programs send at the time is counted too, so the least of several repetitions is kept.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import quiet  # beside this file
import records
import torch
import torch.distributed as distributed
from torch.nn import Parameter

from mezo_lab.environment.machine import machine
from mezo_lab.optim import MeZO

COUNTERS = [Path("/sys/class/net/lo/statistics", name) for name in ("tx_bytes", "tx_packets")]
HEADER = 14 + 20 + 32  # bytes of Ethernet, IPv4 and TCP with time stamps, in every packet, acknowledgements too
RANKS, SIZES = (2, 4), (1_000, 1_000_000)
PROBES, EVERY = 1, 100  # probes of a step; steps between two checks of the replicas, the default
POINTS = 2 * PROBES


def payload(ranks: int) -> float:
    """What all ranks together put in, in bytes per step: two numbers and the losses, and at times a hash."""
    return ranks * (8 * (POINTS + 2) + 16 / EVERY)


def counts() -> list[int]:
    return [int(counter.read_text()) for counter in COUNTERS]


def passed(action, steps: int) -> list[float]:
    """(bytes, packets) per step through the interface while all ranks act."""
    distributed.barrier()
    before = counts()
    distributed.barrier()
    for _ in range(steps):
        action()
    distributed.barrier()
    after = counts()
    distributed.barrier()
    return [(end - start) / steps for start, end in zip(before, after, strict=True)]


def counted(size: int, repetitions: int, steps: int) -> dict:
    """The traffic of steps of MeZO, of a gradient, and of a silence as long: of repetitions, the least bytes each."""
    theta, gradient = Parameter(torch.ones(size)), torch.ones(size)
    opt = MeZO([theta], lr=1e-6, law="rademacher", probes=PROBES, parallel="batch", check_replicas_every=EVERY)
    opt.step(lambda: theta.sum())  # the first step compares the settings too
    turns = []
    for _ in range(repetitions):
        began = time.monotonic()
        turn = {"mezo": passed(lambda: opt.step(lambda: theta.sum()), steps)}
        lasted = (time.monotonic() - began) / steps
        # the launcher keeps in touch with its processes, and others share the interface
        turn["silence"] = passed(lambda lasted=lasted: time.sleep(lasted), steps)
        turns.append(turn | {"gradient": passed(lambda: distributed.all_reduce(gradient), steps)})
    least = {name: min(turn[name] for turn in turns) for name in turns[0]}
    return {
        name: {"bytes": round(total, 1), "packets": round(packets, 2), "data": round(total - HEADER * packets, 1)}
        for name, (total, packets) in least.items()
    }


def work(file: str, repetitions: int, steps: int) -> None:
    """One of the processes; that of rank 0 writes what it counted."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    traffic = {size: counted(size, repetitions, steps) for size in SIZES}
    if distributed.get_rank() == 0:
        Path(file).write_text(json.dumps(traffic))
    distributed.destroy_process_group()


def launched(ranks: int, repetitions: int, steps: int) -> list[dict]:
    """A row for each size."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "counted.json")
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        command = [*launcher, __file__, "--work", str(file), str(repetitions), str(steps)]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        traffic = json.loads(file.read_text())
    sent = payload(ranks)
    return [{"ranks": ranks, "parameters": size, "payload": sent} | traffic[str(size)] for size in SIZES]


def measured(quick: bool) -> dict:
    repetitions, steps = (1, 10) if quick else (3, 200)
    record = {"machine": machine(), "torch_backend": "gloo", "probes": PROBES, "check_replicas_every": EVERY}
    if not all(counter.exists() for counter in COUNTERS):
        return record | {"rows": [], "left_out": "not measured: this system does not count the bytes of `lo`"}
    rows = [row for ranks in RANKS for row in launched(ranks, repetitions, steps)]
    return record | {"repetitions": repetitions, "steps": steps, "rows": rows}


def table(record: dict) -> str:
    """The record as a table to read."""
    heads = f"{'payload':>9}  {'MeZO, data':>10}  {'on the wire':>11}  {'gradient':>12}"
    lines = [f"{'ranks':>5}  {'parameters':>10}  {heads}  bytes per step, all ranks together"]
    for row in record["rows"]:
        mezo, gradient = row["mezo"], row["gradient"]
        data = mezo["data"] - row["silence"]["data"]
        numbers = f"{row['payload']:>9,.1f}  {data:>10,.0f}  {mezo['bytes']:>11,.0f}  {gradient['bytes']:>12,.0f}"
        lines.append(f"{row['ranks']:>5}  {row['parameters']:>10,}  {numbers}")
    return "\n".join([*lines, record["left_out"]] if "left_out" in record else lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="ten steps")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)  # what torchrun calls
    arguments = parser.parse_args()
    if arguments.work:
        file, *numbers = arguments.work
        work(file, *map(int, numbers))
        return
    with quiet.quiet():
        record = measured(arguments.quick)
    records.write(record, arguments, "wire")
    print(table(record))


if __name__ == "__main__":
    main()
