"""`mezo-lab replay RUN`: the fine-tuned model of a run, rebuilt from its run log alone."""

import argparse

from mezo_lab.cli.options import folder


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=folder, metavar="RUN", help="folder that `mezo-lab finetune --out` wrote")
    command.add_argument("--out", type=folder, metavar="DIR", help="folder for the model (default RUN/model)")
    command.add_argument(
        "--step", default="best", metavar="N", help="best (by validation), last, or a number of steps (default best)"
    )
    command.add_argument(
        "--tolerance",
        type=float,
        metavar="T",
        help="leave the probes out, which is faster, and let a weight differ by T from the run's (default bit for bit)",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from mezo_lab.finetune.replay import replay_run

    out = options.out or options.folder / "model"
    steps = replay_run(
        options.folder,
        out,
        step=options.step,
        tolerance=options.tolerance,
        report=lambda line: print(line, flush=True),
    )
    print(f"rebuilt {steps:,} steps of {options.folder}; kept in {out}")
    if options.step == "best" and not steps:
        print("no checkpoint was better than the start: this is the start; --step last rebuilds the end")
    return 0
