"""What is missing is named with the one command that installs it, from where the user stands."""

import ast
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mezo_lab.cli import main
from mezo_lab.environment import installation

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BROUGHT_BY_OTHERS = {
    "huggingface_hub": "transformers",
    "pyarrow": "datasets",
    "IPython": "ipykernel",
    "PIL": "matplotlib",
    "nbformat": "nbconvert",
}


def third_party_modules() -> set[str]:
    trees = [ast.parse(file.read_text()) for file in (ROOT / "mezo_lab").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | named} - set(sys.stdlib_module_names) - {"mezo_lab"}


def test_every_module_that_the_package_imports_is_a_dependency_or_has_its_extra():
    required = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert third_party_modules() - required - installation.EXTRAS.keys() == set()


@pytest.mark.parametrize(("module", "extra"), installation.EXTRAS.items())
def test_the_extra_of_a_module_brings_it(module, extra):
    brought = {Requirement(line).name.replace("-", "_").lower() for line in PROJECT["optional-dependencies"][extra]}
    distributions = {name.replace("-", "_").lower() for name in metadata.packages_distributions()[module]}
    carrier = BROUGHT_BY_OTHERS.get(module, next(iter(distributions)))
    assert carrier in brought


def test_a_folder_of_the_same_name_is_not_the_module(tmp_path, monkeypatch):
    """As where `python -m mezo_lab doctor` runs beside one's own data sets."""
    (tmp_path / "datasets_of_mine").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert installation.missing_modules(["datasets_of_mine", "json"]) == ["datasets_of_mine"]


def dry_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-build-isolation", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.repo  # of the metadata, and pip takes its time
@pytest.mark.skipif(not installation.has_pip(), reason="this environment was made without pip")
def test_what_is_advised_can_be_installed_by_its_name():
    every = ",".join(sorted(set(installation.EXTRAS.values())))
    run = dry_run(f"mezo_lab[{every}]")
    assert run.returncode == 0 and "does not provide" not in run.stderr
    assert "does not provide" in dry_run("mezo_lab[no-such-extra]").stderr


@pytest.mark.parametrize("module", installation.EXTRAS)
def test_a_command_that_lacks_a_module_names_its_extra_and_nothing_that_a_wheel_does_not_carry(
    monkeypatch, capsys, module
):
    def broken(arguments=None):
        raise ModuleNotFoundError(f"No module named '{module}.inner'", name=f"{module}.inner")

    monkeypatch.setattr("mezo_lab.cli.parser", broken)
    assert main(["doctor"]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"mezo-lab: {module} is not installed: ")
    assert f'install "mezo_lab[{installation.EXTRAS[module]}]"' in line and "constraints" not in line


def test_a_bare_pip_is_named_only_where_it_is_that_of_the_running_interpreter(monkeypatch):
    beside = str(Path(sys.executable).parent / "pip")
    monkeypatch.setattr(installation.shutil, "which", lambda name: beside if name == "pip" else None)
    assert installation._installer() == "pip install"
    monkeypatch.setattr(installation.shutil, "which", lambda name: "/somewhere/else/pip" if name == "pip" else None)
    assert installation._installer() == f"{sys.executable} -m pip install"


def test_an_environment_without_pip_is_served_by_uv(monkeypatch):
    monkeypatch.setattr(installation.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    monkeypatch.setattr(installation, "has_pip", lambda: False)
    assert installation._installer() == f"uv pip install --python {sys.executable}"


def test_an_interpreter_in_a_folder_with_a_space_is_quoted(monkeypatch):
    monkeypatch.setattr(installation.shutil, "which", lambda name: None)
    monkeypatch.setattr(installation.sys, "executable", "/my env/bin/python")
    assert installation.pip_install("mezo_lab[models]") == '"/my env/bin/python" -m pip install "mezo_lab[models]"'


def test_naming_a_remedy_leaves_the_compiler_s_modules_as_they_are(monkeypatch):
    monkeypatch.setattr(installation.shutil, "which", lambda name: None)
    import setuptools  # noqa: F401  # as torch.compile loads it

    before = sys.modules["distutils"]
    assert installation.install_command("rich")
    assert sys.modules.get("distutils") is before
