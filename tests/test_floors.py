"""The house has one direction: a module imports only from lower floors, nothing in a circle, and is not too long."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mezo_lab"

FLOORS = {
    "validation": 0,
    "theory": 1,
    "environment": 1,
    "sampling": 2,
    "proofs": 2,
    "optim": 3,
    "curvature": 4,
    "finetune": 5,
    "claims": 6,
    "report": 7,
    "doctor": 7,
    "course": 8,
    "cli": 9,
    "__init__": 10,
    "__main__": 10,
}
# a part of a room → the other parts of its room that it may import; parts that are not named may import any
INSIDE = {
    ("optim", "noise"): set(),
    ("optim", "sweeps"): {"noise"},
    ("finetune", "models"): set(),
    ("finetune", "memory"): {"models", "encoding"},
    ("report", "figures"): {"labels"},
}
LONGEST = {"mezo_lab": 400, "tests": 400}  # lines
OPTIONAL = {"torch", "sympy", "matplotlib", "transformers", "rich", "scipy", "pandas"}

Module = tuple[str, ...]  # ("optim", "mezo"); a package is its folder, ("optim",), and the whole is ()


def modules(package: Path) -> dict[Module, Path]:
    """Every module of a package, with its file."""
    files = {}
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        files[place.parent.parts if path.name == "__init__.py" else place.with_suffix("").parts] = path
    return files


def imports(module: Module, path: Path, known: dict[Module, Path]) -> Iterator[tuple[int, Module]]:
    """(line, module) of each import of the package's own modules, late ones and those for type checkers too.

    The names of a package that are no modules are its own: `from mezo_lab.optim import MeZO` asks `optim/__init__.py`.
    """
    folder = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = ("mezo_lab", *folder)
            base = inside[: len(inside) - node.level + 1] if node.level else ()
            source = (*base, *(node.module.split(".") if node.module else ()))
            targets = [(*source, alias.name) for alias in node.names]
        else:
            continue
        for top, *rest in filter(None, targets):
            if top == "mezo_lab":
                target = tuple(rest)
                yield node.lineno, target if target in known else target[:-1]


Edges = dict[Module, set[tuple[int, Module]]]


@cache
def edges(package: Path) -> Edges:
    known = modules(package)
    return {module: set(imports(module, path, known)) for module, path in known.items()}


def room_of(module: Module) -> str:
    return module[0] if module else "__init__"


def violations(package: Path, floors: dict[str, int]) -> list[str]:
    """Every import in `package` that does not go down, and every room without a floor, as sentences."""
    graph = edges(package)
    found = [f"{room} has no floor" for room in sorted({*map(room_of, graph)} - floors.keys())]
    for module, targets in graph.items():
        room = room_of(module)
        for line, target in sorted(targets):
            other = room_of(target)
            if other != room and floors.get(other, 0) >= floors.get(room, 0):
                found.append(f"{'/'.join(module)}:{line} imports {other}, which is not below {room}")
    return found


def trespasses(package: Path, inside: dict[Module, set[str]]) -> list[str]:
    """Every import from one part of a room into another that it must not see, as sentences."""
    found = []
    for module, targets in edges(package).items():
        allowed = inside.get(module[:2])
        for line, target in sorted(targets):
            others = target[:1] == module[:1] and target[:2] != module[:2]
            if allowed is not None and others and "/".join(target[1:2]) not in allowed:
                found.append(f"{'/'.join(module)}:{line} imports {'/'.join(target)}, which it must not see")
    return found


def circle(package: Path, room: str) -> list[str]:
    """The modules of one circle of imports in a room; none where there is none."""
    graph = {module: {target for _, target in targets} - {module} for module, targets in edges(package).items()}
    part = {module: targets for module, targets in graph.items() if room_of(module) == room}
    try:
        TopologicalSorter(part).prepare()
    except CycleError as error:
        return ["/".join(module) for module in error.args[1]]
    return []


def too_long(folder: Path, most: int) -> list[str]:
    lengths = {path.name: len(path.read_text().splitlines()) for path in folder.rglob("*.py")}
    return [f"{name}: {length} lines" for name, length in lengths.items() if length > most]


def package_of(folder: Path, files: dict[str, str]) -> Path:
    """A folder with these modules."""
    for name, source in files.items():
        folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(name).write_text(source)
    return folder


def test_every_import_goes_down():
    assert violations(PACKAGE, FLOORS) == []


UPSTAIRS = [
    "import mezo_lab.cli",
    "from mezo_lab.cli import main",
    "from mezo_lab import cli",
    "from ..cli import main",
    "from .. import cli",
    "def late():\n    from mezo_lab.cli import main",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mezo_lab.cli import main",
    "from mezo_lab import MeZO",
]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        *(("theory/estimator.py", source) for source in UPSTAIRS),
        ("environment.py", "from mezo_lab.theory import norm_factor"),
        ("attic.py", ""),
    ],
)
def test_an_import_that_does_not_go_down_is_caught(tmp_path, file, source):
    package = package_of(tmp_path, {"__init__.py": "", "cli.py": "", "theory/__init__.py": "", file: source})
    assert len(violations(package, FLOORS)) == 1


@pytest.mark.parametrize("source", ["from mezo_lab.theory.descent import sgd_rate", "from . import descent"])
def test_files_of_one_package_may_import_one_another(tmp_path, source):
    files = {"theory/__init__.py": "", "theory/descent.py": "", "theory/estimator.py": source}
    package = package_of(tmp_path, files)
    assert violations(package, FLOORS) == [] == circle(package, "theory")


def test_a_part_of_a_room_sees_only_the_parts_below_it():
    assert trespasses(PACKAGE, INSIDE) == []
    assert {module[:2] for module in edges(PACKAGE)} >= INSIDE.keys()


@pytest.mark.parametrize(
    "source", ["from ..mezo import MeZO", "from mezo_lab.optim import sweeps", "from .. import MeZO"]
)
def test_a_part_that_looks_up_is_caught(tmp_path, source):
    files = dict.fromkeys(("optim/__init__.py", "optim/mezo.py", "optim/sweeps/__init__.py"), "")
    files["optim/noise/keys.py"] = source
    assert len(trespasses(package_of(tmp_path, files), INSIDE)) == 1


@pytest.mark.parametrize("room", sorted(FLOORS))
def test_no_files_of_a_room_import_one_another_in_a_circle(room):
    assert circle(PACKAGE, room) == []


CIRCLES = {
    "two": ("from .b import y", "from .a import x"),
    "late": ("from .b import y", "def late():\n    from .a import x"),
    "types": ("from .b import y", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import x"),
    "its own package": ("from mezo_lab.optim import y", ""),
}


@pytest.mark.parametrize("kind", CIRCLES)
def test_a_circle_is_caught(tmp_path, kind):
    first, second = CIRCLES[kind]
    files = {"optim/__init__.py": "from .a import x", "optim/a.py": first, "optim/b.py": second}
    assert "optim/a" in circle(package_of(tmp_path, files), "optim")


@pytest.mark.parametrize("folder", LONGEST)
def test_every_file_is_short_enough_to_read_at_once(folder):
    assert too_long(ROOT / folder, LONGEST[folder]) == []


def test_a_file_one_line_too_long_is_caught(tmp_path):
    tmp_path.joinpath("long.py").write_text("pass\n" * 251)
    assert too_long(tmp_path, 251) == []
    assert too_long(tmp_path, 250) == ["long.py: 251 lines"]


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run(source: str, *blocked: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in which some packages cannot be imported."""
    command = [sys.executable, "-W", "error", "-c", BLOCKED + source, *blocked]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_importing_mezo_lab_loads_no_large_package_until_a_name_is_used():
    source = f"""
import mezo_lab
print(*({OPTIONAL!r} & sys.modules.keys()))
mezo_lab.MeZO
print(*({OPTIONAL!r} & sys.modules.keys()))
import sympy
print(*sorted({OPTIONAL!r} & sys.modules.keys()))
"""
    ran = run(source)
    assert ran.stdout.split("\n") == ["", "torch", "sympy torch", ""], ran.stderr  # the last: what is loaded is seen


def test_theory_and_proofs_work_where_torch_is_not_installed():
    source = """
import mezo_lab.theory, mezo_lab.proofs
from mezo_lab.theory import Moments, norm_factor
print(norm_factor(50, 4, Moments(1, 0)), mezo_lab.proofs.prove("norm-factor", "gaussian").difference)
try:
    mezo_lab.MeZO
except ModuleNotFoundError as error:
    print(error)
"""
    ran = run(source, "torch")
    assert ran.stdout.split("\n") == ["13.75 0", "No module named 'torch'", ""], ran.stderr
