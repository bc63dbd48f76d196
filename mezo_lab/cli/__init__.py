"""`mezo-lab` and its commands. Every bad input is one clear line and exit code 2."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from mezo_lab import doctor
from mezo_lab.cli import finetune, listing, lr, memory, prove, replay, verify
from mezo_lab.environment.installation import install_command
from mezo_lab.finetune import NotInstalled

DEBUG = "MEZO_LAB_DEBUG"  # an environment variable: 1 is --debug
PACKAGE = Path(__file__).parents[1]
STOPPED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM  # exit codes, as a shell counts them


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a batch system sends: it ends a command as Ctrl-C does."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and which takes --debug in front of a command or behind it."""

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        text = f"show the traceback of an error, as {DEBUG}=1 does"
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=text)

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see `{self.prog} --help`)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns: 0 when all is well, 1 when something is refuted or missing, 2 for bad usage, 130 after Ctrl-C, 143 after
    SIGTERM.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in words or os.environ.get(DEBUG, "0") not in ("", "0")
    try:
        with terminable():
            options = parser().parse_args(words)
            return options.run(options)
    except BrokenPipeError:  # `mezo-lab list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as interrupt:
        code = TERMINATED if isinstance(interrupt, Terminated) else STOPPED
        return fail("stopped", interrupt, debug, code)
    except ModuleNotFoundError as error:
        module = (error.name or "a module").partition(".")[0]
        return fail(f"{module} is not installed: {install_command(module)}", error, debug)
    except (ValueError, OSError, NotInstalled) as error:  # OSError: a full disk, a cache that may not be written
        return fail(str(error) + hint(error), error, debug)


def fail(message: str, error: BaseException, debug: bool, code: int = 2) -> int:
    if debug:
        traceback.print_exception(error)
    print("mezo-lab: " + " ".join(message.split()), file=sys.stderr)
    return code


def hint(error: Exception) -> str:
    """Where an error comes from that another library has raised: its text is not ours, and may hide a fault of ours."""
    if isinstance(error, OSError):
        return ""
    *_, innermost = traceback.walk_tb(error.__traceback__)
    file = Path(innermost[0].f_code.co_filename)
    ours = file.is_relative_to(PACKAGE) or file == Path(argparse.__file__)
    return "" if ours else f" (from {file.name}:{innermost[1]}, not foreseen: `mezo-lab --debug …` shows the traceback)"


@contextmanager
def terminable() -> Iterator[None]:
    """While this lasts SIGTERM is an interrupt, so that what an interrupt keeps is kept."""

    def interrupt(*_: Any) -> NoReturn:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def parser() -> Parser:
    top = Parser(prog="mezo-lab", description="The mathematics of zeroth-order fine-tuning, checked by running it.")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in (verify, listing, prove, lr, finetune, replay, memory):
        command.add_to(commands)
    check_up = commands.add_parser("doctor", help="check this machine, with a remedy for what is missing")
    check_up.set_defaults(run=lambda options: doctor.report())
    return top
