"""How far MeZO comes on a real model when it is given the paper's number of steps: a run of days, in the background.

MeZO on all parameters of SmolLM2-135M, 512 reviews of each class, `{text} It was`. `--choose` compares learning rates
and schedules by validation, in short runs. Without an option the run begins, or goes on wherever it stopped: from its
checkpoint under out/, or, on another machine, from its plan and its log under results/runs, which rebuild the weights.
It has the lowest priority, and stands still while something is measured (`quiet.py`). Its small files are copied to
results/runs every minute; `--curve` writes how far it is to results/long_run.json.

    python benchmarks/long_run.py --choose          # once
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

from mezo_lab.environment.machine import machine
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.endings import Interrupts
from mezo_lab.finetune.prepare import build_model, prepare_run
from mezo_lab.finetune.resume import read_evaluations, resume_point
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import (
    LOG,
    NEW_RUN,
    PLAN,
    RESULT,
    START,
    VALIDATION,
    Stopped,
    has_begun,
    hold_folder,
    read_run_config,
    write_run_config,
)
from mezo_lab.optim.log import LogError, read_log

ROOT = Path(__file__).resolve().parent.parent
NAME = "rotten-tomatoes-512-mezo-full-20000-seed0"
SMALL = (PLAN, START, VALIDATION, LOG, RESULT)  # the files of a run that are kilobytes
SETTINGS: dict[str, Any] = {"shots": 512, "validation": 256, "law": "rademacher", "epsilon": 1e-3}
LENGTH: dict[str, Any] = {"steps": 20_000, "every": 500}
TRIAL: dict[str, Any] = {"steps": 120, "every": 40}
# a third of the largest stable rate that benchmarks/divergence.py predicts, and less: drift grows with the steps
GRID = ((3e-5, "constant"), (1e-4, "linear"), (1e-5, "constant"), (3e-5, "linear"))
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
    def trials(self) -> Path:
        """The short runs, while they last."""
        return self.root / "out/long_run/trials"

    @property
    def record(self) -> Path:
        return self.root / "results/long_run.json"


def read_record(places: Places) -> dict[str, Any]:
    if places.record.exists():
        return json.loads(places.record.read_text())
    return {"trials": [], "run": None}


def write_record(places: Places, record: dict[str, Any]) -> None:
    places.record.write_text(json.dumps(record, indent=1) + "\n")


def choose(places: Places, settings: dict[str, Any]) -> None:
    """A short run for each rate and schedule that has none yet; one that was cut goes on from its log."""
    record = read_record(places)
    done = {(row["lr"], row["schedule"]) for row in record["trials"]}
    for lr, schedule in (pair for pair in GRID if pair not in done):
        config = RunConfig(lr=lr, schedule=schedule, **settings).resolve()
        row = tried(config, places.trials / f"{lr:g}-{schedule}")
        record["trials"].append(row)
        record["trials_machine"] = machine()
        write_record(places, record)
        print(f"{lr:g} {schedule}: {row['validation']}", flush=True)


def tried(config: RunConfig, folder: Path) -> dict[str, Any]:
    """The validation accuracies of a short run; no test example is read."""
    from mezo_lab.finetune.training import task_trainer

    with hold_folder(folder):
        point = resume_point(config, folder) if has_begun(folder) else NEW_RUN
        context = prepare_run(config)
        write_run_config(config, folder)
        facts = task_trainer.train_model(
            context,
            build_model(context),
            folder,
            report=print,
            interrupts=Interrupts(print),
            resume_from=point,
        )
    curve = [[point["step"], point["value"]] for point in facts["validation"]]
    losses = [[entry["step"], entry["loss"]] for entry in read_evaluations(folder)]
    shutil.rmtree(folder)
    return {"lr": config.lr, "schedule": config.schedule, "validation": curve, "losses": losses}


def chosen(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The rate and schedule whose last two validation accuracies have the best mean, of equal ones the smaller rate.

    Raises: LookupError where nothing was tried.

    >>> row = {"schedule": "constant", "validation": [[0, 0.5], [50, 0.7], [100, 0.6]]}
    >>> chosen([{"lr": 3e-5} | row, {"lr": 1e-5} | row])
    {'lr': 1e-05, 'schedule': 'constant'}
    """
    if not trials:
        raise LookupError("results/long_run.json has no trial: run benchmarks/long_run.py --choose first.")

    def late(row: dict[str, Any]) -> float:
        return sum(value for _, value in row["validation"][-2:]) / 2

    best = max(trials, key=lambda row: (late(row), -row["lr"]))
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
        config = RunConfig(**chosen(read_record(places)["trials"]), **settings)
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
                each_minute()
            time.sleep(quiet.POLL)
    each_minute()
    return child.returncode


def _end(child: subprocess.Popen) -> None:
    child.terminate()
    child.send_signal(signal.SIGCONT)  # one that stands still hears nothing


def _lowest_priority() -> None:
    """In the child, before its command: last in line, and killed with its supervisor, which may be killed too."""
    os.nice(19)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true", help="compare rates and schedules in short runs")
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
        if options.choose:
            choose(places, SETTINGS | TRIAL)
        else:
            go_on(places, SETTINGS | LENGTH)
    except Stopped as stopped:
        print(stopped, flush=True)
        return stopped.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
