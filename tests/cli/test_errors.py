"""What ends a command early: one line, its traceback on demand, and an exit code that tells how."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from mezo_lab import cli
from mezo_lab.cli import main


@pytest.fixture
def command(monkeypatch):
    """Lets every command be this function of its options."""

    def set_to(run) -> None:
        options = SimpleNamespace(run=run)
        monkeypatch.setattr(cli, "parser", lambda command: SimpleNamespace(parse_args=lambda words: options))

    return set_to


@pytest.mark.parametrize("words", [["finetune"], ["replay", "a-run"]])
def test_an_empty_folder_is_not_the_one_that_one_stands_in(capsys, words):
    for text in ("", " "):  # --out "$UNSET"
        assert main([*words, "--out", text]) == 2
        assert f"argument --out: it must name a folder, got {text!r}: leave the option out" in capsys.readouterr().err


def test_a_tilde_that_the_shell_leaves_is_the_user_s_own_folder():
    assert cli.parser().parse_args(["replay", "a-run", "--out=~/rebuilt"]).out == Path.home() / "rebuilt"


@pytest.mark.parametrize("error", [ValueError("a rule"), OSError("a disk"), ModuleNotFoundError("rich", name="rich")])
def test_an_error_is_one_line_without_and_a_traceback_with_debug(command, capsys, monkeypatch, error):
    monkeypatch.delenv(cli.DEBUG, raising=False)

    def run(options):
        raise error

    command(run)
    assert main(["doctor"]) == 2
    short = capsys.readouterr().err
    assert short.count("\n") == 1 and "Traceback" not in short
    assert main(["--debug", "doctor"]) == 2
    long = capsys.readouterr().err
    assert "Traceback" in long and type(error).__name__ in long and long.endswith(short)
    monkeypatch.setenv(cli.DEBUG, "1")
    assert main(["doctor"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["--debug verify --dim 0", "verify --debug --dim 0", "verify --dim 0 --debug"])
def test_debug_is_taken_in_front_of_a_command_and_behind_it(capsys, words):
    assert main(words.split()) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_inside_another_library_is_not_passed_off_as_bad_usage(command, capsys):
    command(lambda options: json.loads("{"))
    assert main(["doctor"]) == 2
    assert "(from decoder.py:" in (line := capsys.readouterr().err) and "--debug" in line


def test_a_message_of_our_own_has_no_such_hint(capsys):
    assert main(["verify", "--dim", "0"]) == 2
    assert "not foreseen" not in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_sigterm_ends_a_command_as_ctrl_c_does(command, capsys, number, code):
    kept = []

    def run(options):
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        except KeyboardInterrupt:
            kept.append("work")
            raise

    command(run)
    before = signal.getsignal(signal.SIGTERM)
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        assert main(["doctor"]) == code
    finally:
        signal.signal(signal.SIGINT, heard)
    assert kept == ["work"] and capsys.readouterr().err == "mezo-lab: stopped\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_unknown_option_points_to_the_help_of_its_command(capsys):
    assert main(["list", "--foo"]) == 2
    assert capsys.readouterr().err == "mezo-lab: unrecognized arguments: --foo (see `mezo-lab list --help`)\n"


def test_a_resume_without_a_run_names_the_option_of_its_folder(capsys, tmp_path):
    assert main(["finetune", "--resume", "--out", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("mezo-lab: --out must be a folder that `mezo-lab finetune --out` wrote; ")
