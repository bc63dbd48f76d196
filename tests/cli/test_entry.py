"""How a command begins: what it loads, what it needs, and what it says before it runs."""

import subprocess
import sys

import pytest

from mezo_lab.cli import main


def test_without_a_command_the_help_is_printed_and_all_is_well(capsys):
    assert main([]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("usage: mezo-lab") and "test claims by sampling" in printed.out and not printed.err


def test_the_version_is_that_of_the_package(capsys):
    import mezo_lab

    with pytest.raises(SystemExit) as exit:
        main(["--version"])
    assert exit.value.code == 0 and capsys.readouterr().out == f"mezo-lab {mezo_lab.__version__}\n"


@pytest.mark.parametrize("words", ["--help", "--version", "verify --help", "list --help", "prove --help", "verifi"])
def test_help_and_usage_load_no_torch(words):
    code = (
        "import sys; from mezo_lab.cli import main\n"
        f"try: main({words.split()})\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize("command", ["verify norm-factor --law gaussian --dim 6 --resolution 0.05", "lr --dim 60"])
def test_without_any_extra_the_same_is_told_in_plain_text(command):
    missing = "sys.modules |= dict.fromkeys(['rich', 'jinja2', 'matplotlib', 'transformers', 'sklearn'])"
    block = f"import sys; {missing}; from mezo_lab.cli import main\n"
    run = f"{block}raise SystemExit(main({command.split()}))"
    plain = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)
    assert plain.returncode == 0, plain.stderr
    assert "proved" in plain.stdout or "largest stable lr" in plain.stdout


def test_a_reader_who_stops_reading_sees_no_traceback():
    command = f"{sys.executable} -c 'from mezo_lab.cli import main; main([\"list\"])' | head -n 1"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert ran.stdout.startswith("A0") and ran.stderr == ""


def test_ctrl_c_while_a_command_loads_is_one_line(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("mezo_lab.cli.import_module", interrupted)
    assert main(["verify"]) == 130
    assert capsys.readouterr().err == "mezo-lab: stopped\n"


def test_numpy_loads_before_torch_whose_own_import_of_it_would_swallow_ctrl_c():
    code = (
        "import sys; from mezo_lab.cli import main; main(['list', 'norm-factor'])\n"
        "loaded = list(sys.modules); sys.exit(loaded.index('numpy') > loaded.index('torch'))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize(("handler", "code"), [("default_int_handler", 130), ("SIG_IGN", 0)])
def test_ctrl_c_while_numpy_loads_waits_for_its_end_and_is_one_line(handler, code):
    """The C code of numpy turns an interrupt into an ImportError."""
    run = f"""
import os, signal, sys
from mezo_lab.cli import main
signal.signal(signal.SIGINT, signal.{handler})
class Interrupting:
    def find_spec(name, *_):
        if name == "datetime":  # which numpy asks for from C
            sys.meta_path.remove(Interrupting)
            os.kill(os.getpid(), signal.SIGINT)
sys.modules.pop("datetime", None)
sys.meta_path.insert(0, Interrupting)
code = main(["list", "norm-factor"])
assert Interrupting not in sys.meta_path and signal.getsignal(signal.SIGINT) is signal.{handler}
sys.exit(code)
"""
    ran = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)
    assert ran.returncode == code and ran.stderr == "mezo-lab: stopped\n" * (code == 130)
