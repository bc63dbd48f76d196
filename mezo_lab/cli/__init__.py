"""`mezo-lab` and its commands. Every bad input is one clear line and exit code 2."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from mezo_lab import doctor
from mezo_lab.cli import finetune, listing, lr, memory, prove, replay, verify
from mezo_lab.finetune import NotInstalled


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see `{self.prog} --help`)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 when all is well, 1 when something is refuted or missing, 2 for bad usage."""
    try:
        options = parser().parse_args(arguments)
        return options.run(options)
    except ValueError as error:
        return fail(str(error))
    except NotInstalled as missing:
        return fail(str(missing))
    except ModuleNotFoundError as error:
        return fail(f'{error.name} is not installed: pip install "mezo_lab[verify]" -c constraints.txt')
    except KeyboardInterrupt:
        return fail("stopped", code=130)
    except BrokenPipeError:  # `mezo-lab list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # a full disk, a cache that may not be written
        return fail(str(error))


def fail(message: str, code: int = 2) -> int:
    print("mezo-lab: " + " ".join(message.split()), file=sys.stderr)
    return code


def parser() -> Parser:
    top = Parser(prog="mezo-lab", description="The mathematics of zeroth-order fine-tuning, checked by running it.")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in (verify, listing, prove, lr, finetune, replay, memory):
        command.add_to(commands)
    check_up = commands.add_parser("doctor", help="check this machine, with a remedy for what is missing")
    check_up.set_defaults(run=lambda options: doctor.report())
    return top
