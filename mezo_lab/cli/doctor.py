"""`mezo-lab doctor`: what this machine has, what it lacks, and the command that adds it."""

import argparse


def add_options(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from mezo_lab import doctor

    return doctor.report()
