"""The files around the library agree with one another: each version, target and tool is said once."""

import ast
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mezo_lab import doctor

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEPENDENCIES = PROJECT["dependencies"] + [line for name in EXTRAS if name != "all" for line in EXTRAS[name]]
PINS = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
MAKEFILE = (ROOT / "Makefile").read_text()


def canonical(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def test_every_line_of_the_constraints_is_one_exact_public_version():
    assert [line for line in PINS if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []


@pytest.mark.parametrize("line", [*DEPENDENCIES, doctor.MODEL_WHEEL, doctor.DATA_WHEEL])
def test_every_requirement_is_pinned_to_a_version_it_allows(line):
    pinned = {canonical(pin.split("==")[0]): pin.split("==")[1] for pin in PINS}
    wanted = Requirement(line)
    assert pinned[canonical(wanted.name)] in wanted.specifier


def test_the_extra_all_is_the_sum_of_the_rooms():
    (everything,) = map(Requirement, EXTRAS["all"])
    assert everything.name == PROJECT["name"]
    assert everything.extras == EXTRAS.keys() - {"all", "dev"}


def test_the_extra_site_names_what_the_book_imports():
    scripts = [*(ROOT / "book").glob("*.py"), *(ROOT / "book/prover").glob("*.py")]
    imported = set()
    for node in (node for script in scripts for node in ast.walk(ast.parse(script.read_text()))):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
    # no distribution: the standard library, the scripts themselves, and those of notebooks/ and benchmarks/
    modules = {name.partition(".")[0] for name in imported} - {"mezo_lab"} - set(sys.stdlib_module_names)
    distributions = packages_distributions()
    wanted = {canonical(name) for module in modules for name in distributions.get(module, [])[:1]}
    named = {canonical(Requirement(line).name) for line in EXTRAS["site"] + PROJECT["dependencies"]}
    assert "beautifulsoup4" in wanted
    assert wanted - named == set()


def test_python_is_bounded_the_same_everywhere():
    wanted = ".".join(map(str, doctor.OLDEST_PYTHON))
    assert PROJECT["requires-python"] == f">={wanted}"
    assert f"sys.version_info < {doctor.OLDEST_PYTHON}" in MAKEFILE
    (python,) = [line for line in environment()["dependencies"] if str(line).startswith("python")]
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["requires-python"])


def environment() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def test_the_environment_solves_from_one_channel_and_leaves_versions_to_the_constraints():
    assert environment()["channels"] == ["conda-forge"]
    (pip,) = [line["pip"] for line in environment()["dependencies"] if isinstance(line, dict)]
    assert pip == ["-c constraints.txt", "-e .[all,dev]"]


def test_binder_takes_the_cpu_build_and_the_versions_that_are_allowed_and_not_the_heavy_parts():
    binder = yaml.safe_load((ROOT / ".binder/environment.yml").read_text())
    assert binder["channels"] == ["conda-forge"]
    conda = {name: bound for name, bound in re.findall(r"^([\w-]+)(.*)$", "\n".join(binder["dependencies"]), re.M)}
    assert conda.keys() == {"python", "numpy", "pytorch-cpu", "pip"}
    assert conda["python"].removeprefix("=") in SpecifierSet(PROJECT["requires-python"])
    assert [f"numpy{conda['numpy']}", f"torch{conda['pytorch-cpu']}"] == PROJECT["dependencies"]


def test_binder_adds_the_package_and_what_notebook_14_needs():
    script = ROOT / ".binder/postBuild"
    assert os.access(script, os.X_OK)
    (command,) = [line for line in script.read_text().splitlines() if not line.startswith("#")]
    _, package, *others = shlex.split(command.partition("install ")[2])
    assert Requirement(package.replace(".", PROJECT["name"], 1)).extras == {"verify"}
    assert set(others) - {"ipywidgets"} < set(EXTRAS["models"])


def test_the_commit_hooks_run_the_pinned_tools():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    tools = [hook["entry"].split()[0] for hook in repositories[0]["hooks"]]
    assert {tool.removeprefix(".venv/bin/") for tool in tools} <= {Requirement(line).name for line in EXTRAS["dev"]}


@pytest.mark.skipif(not shutil.which("make"), reason="no make on this machine")
def test_make_help_lists_every_target():
    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)
    assert [line.split()[0] for line in shown.splitlines()] == phony.split()
    assert phony.split() == re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.M)


@pytest.mark.skipif(not shutil.which("make"), reason="no make on this machine")
def test_make_setup_names_a_python_that_is_too_old(tmp_path):
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for file in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / file, tmp_path)
    run = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode != 0
    assert "Python 3.11 or newer is needed" in run.stdout
    assert not (tmp_path / ".venv").exists()


CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
MINOR = "Programming Language :: Python :: 3."
OLDEST = runpy.run_path(str(ROOT / ".ci/oldest.py"))


def commands(job: str) -> str:
    """All that the steps of a job run."""
    return "\n".join(step["run"] for step in CI["jobs"][job]["steps"] if "run" in step)


def pythons(job: str) -> set[str]:
    """The versions of Python that a job installs."""
    (setup,) = [step for step in CI["jobs"][job]["steps"] if step.get("uses", "").startswith("actions/setup-python@")]
    version = setup["with"]["python-version"]
    return set(CI["jobs"][job]["strategy"]["matrix"]["python"]) if version == "${{ matrix.python }}" else {version}


def test_the_workflow_runs_what_a_contributor_runs_on_every_python_that_is_claimed():
    claimed = {f"3.{line.removeprefix(MINOR)}" for line in PROJECT["classifiers"] if line.startswith(MINOR)}
    assert pythons("pinned") == claimed
    assert commands("pinned").splitlines()[-1] == ".ci/run"
    steps = re.findall(r"^ *make ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.M)
    assert steps == ["lint", "test", "test-repo", "site", "pdf"]
    assert set(steps) < set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))


def test_the_workflow_tests_the_oldest_versions_that_are_allowed():
    assert pythons("oldest") == {".".join(map(str, doctor.OLDEST_PYTHON))}
    assert "python .ci/oldest.py > out/oldest.txt" in commands("oldest")
    assert commands("oldest").splitlines()[-1] == "make test CONSTRAINTS=out/oldest.txt"
    assert "CONSTRAINTS ?= constraints.txt" in MAKEFILE and MAKEFILE.count("-c $(CONSTRAINTS)") == 3


def test_every_lower_bound_is_among_the_oldest_versions():
    oldest = dict(line.split("==") for line in OLDEST["at_lower_bounds"](OLDEST["requirements"]()))
    for requirement in map(Requirement, DEPENDENCIES):
        bounds = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        assert [oldest[requirement.name]] == bounds if bounds else requirement.name not in oldest
    assert oldest["torch"] == "2.6" and "setuptools" in oldest


@pytest.mark.parametrize("job", CI["jobs"])
def test_the_workflow_takes_the_cpu_build_of_torch_without_the_address_of_an_index(job):
    assert "--torch-backend cpu" in commands(job)
    assert not re.search(r"index-url|https?:", (ROOT / ".github/workflows/ci.yml").read_text())


def own_files() -> list[Path]:
    """The files that git tracks, or would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


# registries' hosts, and folders of one person's machine; written so that this file does not match itself
ELSEWHERE = re.compile(rb"(pypi|pythonhosted|npmjs|debian|anaconda)[.](org|com)|/(work|root|home)/[a-z]|/opt/[p]ypi")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_file_names_a_registry_host_or_a_machines_own_folder():
    files = own_files()
    assert ROOT / "pyproject.toml" in files
    assert [str(path) for path in files if ELSEWHERE.search(path.read_bytes())] == []


def test_a_registry_host_would_be_seen():
    assert ELSEWHERE.search(b"--index-url https://" + b"pypi" + b".org/simple")
