"""How far MeZO comes on a real model when it is given the paper's number of steps: a run of days, in the background.

MeZO on all parameters of SmolLM2-135M, 512 reviews of each class, `{text} It was`, with the rate that the short runs of
`rates.py` suggest. The run begins, or goes on wherever it stopped: from its checkpoint under out/, or, on another
machine, from its plan and its log under results/runs, which rebuild the weights. It has the lowest priority, and stands
still while something is measured (`quiet.py`). Its small files are copied to results/runs every minute; `--curve`
writes how far it is to results/long_run.json.

    nohup python benchmarks/long_run.py &           # begins or goes on
    python benchmarks/long_run.py --curve && python benchmarks/pages.py      # before a commit
"""

import argparse
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quiet  # beside this file
from blocks.long_run import RATE_OF, RATES

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.resume import read_evaluations
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import (
    LOG,
    PLAN,
    RESULT,
    START,
    VALIDATION,
    Stopped,
    has_begun,
    read_run_config,
)
from mezo_lab.optim.log import LogError, read_log

ROOT = Path(__file__).resolve().parent.parent
NAME = "rotten-tomatoes-512-mezo-full-20000-seed0"
SMALL = (PLAN, START, VALIDATION, LOG, RESULT)  # the files of a run that are kilobytes
SETTINGS: dict[str, Any] = {"shots": 512, "validation": 256, "law": "rademacher", "epsilon": 1e-3}
LENGTH: dict[str, Any] = {"steps": 20_000, "every": 500}
COPY_EVERY = 60.0  # seconds
_PR_SET_PDEATHSIG = 1  # of Linux


@dataclass(frozen=True)
class Places:
    """Where the run lies."""

    root: Path

    @property
    def work(self) -> Path:
        """With its checkpoints; git ignores it."""
        return self.root / "out/long_run" / NAME

    @property
    def published(self) -> Path:
        """The small files, which are committed."""
        return self.root / "results/runs" / NAME

    @property
    def record(self) -> Path:
        return self.root / "results/long_run.json"


def read_record(places: Places) -> dict[str, Any]:
    if places.record.exists():
        return json.loads(places.record.read_text())
    return {"run": None}


def write_record(places: Places, record: dict[str, Any]) -> None:
    places.record.write_text(json.dumps(record, indent=1) + "\n")


def chosen(root: Path) -> dict[str, Any]:
    """The largest constant rate whose validation accuracy never fell in its short run, of those of `rates.py`.

    A linear schedule, whose rate is 0 at the end of a short run, says little about a long one, which it leaves at the
    first rate for thousands of steps.

    Raises: LookupError where there is none.
    """
    rows = json.loads((root / RATES).read_text())["rows"]
    own = [row for row in rows if row | RATE_OF == row and row["schedule"] == "constant"]
    rising = [row for row in own if row["validation"] == sorted(row["validation"], key=lambda point: point[1])]
    if not rising:
        raise LookupError(f"{RATES} has no constant rate whose validation never fell: let rates.py try smaller ones.")
    best = max(rising, key=lambda row: row["lr"])
    return {name: best[name] for name in ("lr", "schedule")}


def logged_steps(folder: Path) -> int:
    """The steps in the log of a run; 0 where there is none."""
    try:
        return read_log(folder / LOG).steps
    except (OSError, LogError):
        return 0


def go_on(places: Places, settings: dict[str, Any]) -> None:
    """Begin the run, or go on from where it is farthest: here, or in what another machine has published."""
    if (places.published / RESULT).exists():
        print(f"{NAME} is done", flush=True)
        return
    here = logged_steps(places.work)
    elsewhere = logged_steps(places.published)
    if elsewhere > here:
        shutil.rmtree(places.work, ignore_errors=True)
        finetune(read_run_config(places.published), places.work, from_log=places.published, report=report)
    elif has_begun(places.work):  # a log without a step too, of a run that was killed at its beginning
        finetune(read_run_config(places.work), places.work, resume=True, report=report)
    else:
        config = RunConfig(**chosen(places.root), **settings)
        finetune(config, places.work, report=report)


def report(line: str) -> None:
    print(line, flush=True)


def publish(places: Places) -> None:
    """Copy the small files of the run to where they are committed; never a shorter log over a longer one."""
    if not logged_steps(places.work) or logged_steps(places.work) < logged_steps(places.published):
        return
    places.published.mkdir(parents=True, exist_ok=True)
    for name in SMALL:
        if (places.work / name).exists():
            part = places.published / f"{name}.part"
            shutil.copyfile(places.work / name, part)
            os.replace(part, places.published / name)


def write_curve(places: Places) -> None:
    """How far the run is, and its validation accuracies, of which the first is that of the pretrained model."""
    publish(places)
    record = read_record(places)
    folder = places.published
    steps = logged_steps(folder)
    if steps:
        plan = read_run_config(folder)
        start = json.loads((folder / START).read_text())["validation"] | {"step": 0}
        points = [entry for entry in read_evaluations(folder) if entry["step"] <= steps]
        record["run"] = {
            "name": NAME,
            "lr": plan.lr,
            "schedule": plan.schedule,
            "steps": steps,
            "of": plan.steps,
            "seconds": points[-1]["seconds"] if points else 0.0,
            "validation": [[entry[name] for name in ("step", "value", "low", "high")] for entry in (start, *points)],
            "losses": [[entry["step"], entry["loss"]] for entry in points],
        }
        if (folder / RESULT).exists():
            test = json.loads((folder / RESULT).read_text())["test"]
            record["run"]["test"] = {name: test[name] for name in ("value", "low", "high")}
    write_record(places, record)
    print(f"{steps:,} steps: {places.record}", flush=True)


def supervised(command: list[str], each_minute: Callable[[], None], folder: Path = quiet.FOLDER) -> int:
    """Run a command at the lowest priority, stopped while something is measured. Returns: its exit status.

    The supervisor does next to nothing. Its end by any signal ends the command, which then keeps a checkpoint.
    """
    # in a session of its own, since Ctrl-C would come to it twice, from the terminal and from here
    child = subprocess.Popen(command, preexec_fn=_lowest_priority, start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: _end(child))
    stopped = False
    last_copy = time.monotonic()
    with quiet.listening(folder):
        while child.poll() is None:
            if quiet.is_asked_for(folder) != stopped:
                stopped = not stopped
                child.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)
            if not stopped and time.monotonic() - last_copy > COPY_EVERY:
                last_copy = time.monotonic()
                _tried(each_minute)
            time.sleep(quiet.POLL)
    _tried(each_minute)
    return child.returncode


def _tried(each_minute: Callable[[], None]) -> None:
    """Call what a full disk may keep from its work: the run goes on, and the next minute tries again."""
    try:
        each_minute()
    except OSError as error:
        print(f"the files of the run were not copied: {error}", file=sys.stderr, flush=True)


def _end(child: subprocess.Popen) -> None:
    child.terminate()
    child.send_signal(signal.SIGCONT)  # one that stands still hears nothing


def _lowest_priority() -> None:
    """In the child, before its command: last in line, and killed with its supervisor, which may be killed too."""
    os.nice(19)
    session = Path("/proc/self/autogroup")
    if session.exists():  # Linux shares the processor among sessions first, of which the child is one of its own
        session.write_text("19")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curve", action="store_true", help="write results/long_run.json; run nothing")
    parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    places = Places(ROOT)
    if options.curve:
        write_curve(places)
        return 0
    if not options.supervised:
        return supervised([sys.executable, __file__, "--supervised", *sys.argv[1:]], lambda: publish(places))
    try:
        go_on(places, SETTINGS | LENGTH)
    except Stopped as stopped:
        print(stopped, flush=True)
        return stopped.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
