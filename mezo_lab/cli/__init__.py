"""`mezo-lab` and its commands. Every bad input is one clear line and exit code 2.

Nothing of the package is imported before `main` can report an interrupt, and a command imports its room when it runs.
"""

import argparse
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["main", "parser"]

DEBUG = "MEZO_LAB_DEBUG"  # an environment variable: 1 is --debug
_PACKAGE = Path(__file__).parents[1]
_STOPPED = 128 + signal.SIGINT  # an exit code as a shell counts them
# command → the module that adds its options, and what it is for
_COMMANDS = {
    "verify": ("mezo_lab.cli.verify", "test claims by sampling, each with its decoys"),
    "list": ("mezo_lab.cli.listing", "show the claims, their laws and the names a formula may use"),
    "prove": ("mezo_lab.cli.prove", "print derivations, step by step"),
    "lr": ("mezo_lab.cli.lr", "predict the largest stable learning rate from the curvature"),
    "finetune": ("mezo_lab.cli.finetune", "fine-tune a language model with forward passes only"),
    "replay": ("mezo_lab.cli.replay", "rebuild a fine-tuned model from its run log"),
    "memory": ("mezo_lab.cli.memory", "predict the peak memory of fine-tuning, method by method"),
    "course": ("mezo_lab.cli.course", "write the notebooks to a folder, for students, lecturers or a grader"),
    "doctor": ("mezo_lab.cli.doctor", "check this machine, with a remedy for what is missing"),
}
# arguments of functions that no option is named after → destinations of options with that meaning, one in each command
_ALIASES = {
    "name": ("model",),
    "claim": ("names",),
    "train_rows": ("data",),
    "test_rows": ("test_data",),
    "run": ("folder", "out"),
}


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which a batch system sends: it ends a command as Ctrl-C does."""

    code = 128 + signal.SIGTERM


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and which takes --debug in front of a command or behind it."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        text = f"show the traceback of an error, as {DEBUG}=1 does"
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=text)

    def parse_args(self, args=None, namespace=None) -> argparse.Namespace:
        """The options of a command. Raises: ValueError for an unknown one, with the nearest."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            from mezo_lab.validation import nearest

            near = nearest(unknown[0].partition("=")[0], getattr(options, "option_names", {}).values(), most=1)
            command = getattr(options, "command_parser", self)
            command.error("; nearest: ".join([f"unrecognized arguments: {' '.join(unknown)}", *near]))
        return options

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see `{self.prog} --help`)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; without one, print the help.

    Args: arguments: words of the command line; None: those of this process.
    Returns: 0 when all is well, 1 when something is refuted or missing, 2 for bad usage, 130 after Ctrl-C, 143 after
    SIGTERM.
    """
    if arguments is None:
        arguments = sys.argv[1:]
    words = list(arguments)
    debug = "--debug" in words or os.environ.get(DEBUG, "0") not in ("", "0")
    option_names: dict[str, str] = {}
    try:
        with _terminable():
            command = _command(words)
            if command and not {"-h", "--help"} & set(words):
                _import_numpy()
            options = parser(command).parse_args(words)
            option_names = getattr(options, "option_names", {})
            return options.run(options)
    except BrokenPipeError:  # `mezo-lab list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt as interrupt:
        return _fail("stopped", interrupt, debug, getattr(interrupt, "code", _STOPPED))
    except ModuleNotFoundError as error:
        from mezo_lab.environment.installation import install_command

        module = (error.name or "a module").partition(".")[0]
        return _fail(f"{module} is not installed: {install_command(module)}", error, debug)
    except (ValueError, OSError, ImportError) as error:  # OSError: a full disk, a cache that may not be written
        return _fail(_with_options(str(error), option_names, words) + _hint(error), error, debug)


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line.

    Args: command: the only one whose options are added, and whose module is imported; None: all of them.
    """
    description = "The mathematics of zeroth-order fine-tuning, checked by running it."
    top = _Parser(prog="mezo-lab", description=description)
    version = import_module("mezo_lab").__version__  # of the package itself, which stands above this room
    top.add_argument("--version", action="version", version=f"mezo-lab {version}", help="show the version and exit")
    top.set_defaults(run=lambda options: top.print_help() or 0)
    commands = top.add_subparsers(metavar="COMMAND", parser_class=_Parser)
    for name, (module, summary) in _COMMANDS.items():
        chosen = commands.add_parser(name, help=summary)
        if command in (None, name):
            import_module(module).add_options(chosen)
            names = {action.dest: _option_name(action) for action in chosen._actions}
            chosen.set_defaults(option_names=names, command_parser=chosen)
    return top


def _import_numpy() -> None:
    """Import numpy before torch does; an interrupt waits, since C code of either import would swallow it."""
    interrupts: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    except ValueError:  # not the main thread, which alone is interrupted
        import_module("numpy")
        return
    try:
        import_module("numpy")
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts and before is not signal.SIG_IGN:
        raise KeyboardInterrupt


def _option_name(action: argparse.Action) -> str:
    """The words of the usage: --dim for an option, NAME for an argument."""
    return max(action.option_strings, key=len, default=str(action.metavar))


def _command(words: Sequence[str]) -> str:
    """The command on the command line, "" where there is none.

    Raises: ValueError for a misspelt one, before anything loads.
    """
    command = next((word for word in words if not word.startswith("-")), "")
    if command and command not in _COMMANDS:
        from mezo_lab.validation import one_of

        try:
            one_of("COMMAND", command, _COMMANDS)
        except ValueError as error:
            raise ValueError(str(error).replace("`", "")) from None
    return command


def _fail(message: str, error: BaseException, debug: bool, code: int = 2) -> int:
    if debug:
        traceback.print_exception(error)
    print("mezo-lab: " + " ".join(message.split()), file=sys.stderr)
    return code


def _with_options(message: str, option_names: dict[str, str], words: Sequence[str]) -> str:
    """A message in which the arguments of Python are replaced by the options that a user types.

    >>> _with_options("`dim` must be at least `rank`.", {"dim": "--dim"}, ["--dim", "3", "--set", "rank=5"])
    '--dim must be at least `rank`.'
    """

    def option(match: re.Match) -> str:
        name = match[1]
        if any(word.startswith(f"{name}=") for word in words):  # verify --set NAME=VALUE
            return match[0]
        if name == "label" and match.start():  # the user's column, in a row of the data
            return match[0]
        meant = (option_names[other] for other in (name, *_ALIASES.get(name, ())) if other in option_names)
        return next(meant, match[0])

    return re.sub(r"`(\w+)`", option, message)


def _hint(error: Exception) -> str:
    """The place of an error that another library raised, as its text may hide a fault of this one; else empty."""
    if isinstance(error, OSError):
        return ""
    *_, innermost = traceback.walk_tb(error.__traceback__)
    file = Path(innermost[0].f_code.co_filename)
    if file.is_relative_to(_PACKAGE) or file == Path(argparse.__file__):
        return ""
    return f" (from {file.name}:{innermost[1]}, not foreseen: `mezo-lab --debug …` shows the traceback)"


@contextmanager
def _terminable() -> Iterator[None]:
    """Treat SIGTERM as an interrupt for a while, so that a command saves the same work."""

    def interrupt(*_: Any) -> NoReturn:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
