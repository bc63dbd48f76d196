"""The house has one direction: a module imports only from lower floors, and stays small enough to read at once."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mezo_lab"

FLOORS = {
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
LONGEST = {"mezo_lab": 400, "tests": 400}  # lines
OPTIONAL = {"sympy", "matplotlib", "transformers", "rich", "scipy", "pandas"}


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else "__init__"


def imported_rooms(tree: ast.AST, inside: tuple[str, ...], rooms: set[str]) -> Iterator[tuple[int, str]]:
    """(line, room) of each import from the package; `inside` is the dotted path of the importing file's folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else ()
            source = (*base, *(node.module.split(".") if node.module else ()))
            # `from mezo_lab import claims` names a room; `from mezo_lab import MeZO` asks the package itself
            targets = [(*source, alias.name) if source == ("mezo_lab",) else source for alias in node.names]
        else:
            continue
        for package, *rest in (target for target in targets if target):
            if package == "mezo_lab":
                yield node.lineno, room_of(tuple(rest)) if not rest or rest[0] in rooms else "__init__"


def violations(package: Path, floors: dict[str, int]) -> list[str]:
    """Every import in `package` that does not go down, and every room without a floor, as sentences."""
    files = {path: path.relative_to(package).with_suffix("").parts for path in sorted(package.rglob("*.py"))}
    rooms = {room_of(parts) for parts in files.values()}
    found = [f"{room} has no floor" for room in sorted(rooms - floors.keys())]
    for path, parts in files.items():
        room = room_of(parts)
        for line, other in imported_rooms(ast.parse(path.read_text()), ("mezo_lab", *parts[:-1]), rooms):
            own_package = other == room and len(parts) > 1
            if not own_package and floors.get(other, 0) >= floors.get(room, 0):
                found.append(f"{'/'.join(parts)}.py:{line} imports {other}, which is not below {room}")
    return found


def too_long(folder: Path, most: int) -> list[str]:
    lengths = {path.name: len(path.read_text().splitlines()) for path in folder.rglob("*.py")}
    return [f"{name}: {length} lines" for name, length in lengths.items() if length > most]


def test_every_import_goes_down():
    assert violations(PACKAGE, FLOORS) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("theory/estimator.py", "import mezo_lab.cli"),
        ("theory/estimator.py", "from mezo_lab.cli import main"),
        ("theory/estimator.py", "from mezo_lab import cli"),
        ("theory/estimator.py", "from ..cli import main"),
        ("theory/estimator.py", "from .. import cli"),
        ("theory/estimator.py", "def late():\n    from mezo_lab.cli import main"),
        ("theory/estimator.py", "from mezo_lab import MeZO"),
        ("environment.py", "from mezo_lab.theory import norm_factor"),
        ("attic.py", ""),
    ],
)
def test_an_import_that_does_not_go_down_is_caught(tmp_path, file, source):
    for path, text in {"cli.py": "", "theory/__init__.py": "", file: source}.items():
        tmp_path.joinpath(path).parent.mkdir(exist_ok=True)
        tmp_path.joinpath(path).write_text(text)
    assert len(violations(tmp_path, FLOORS)) == 1


@pytest.mark.parametrize("source", ["from mezo_lab.theory.descent import sgd_rate", "from . import descent"])
def test_files_of_one_package_may_import_one_another(tmp_path, source):
    tmp_path.joinpath("theory").mkdir()
    tmp_path.joinpath("theory/descent.py").write_text("")
    tmp_path.joinpath("theory/estimator.py").write_text(source)
    assert violations(tmp_path, FLOORS) == []


@pytest.mark.parametrize("folder", LONGEST)
def test_every_file_is_short_enough_to_read_at_once(folder):
    assert too_long(ROOT / folder, LONGEST[folder]) == []


def test_a_file_one_line_too_long_is_caught(tmp_path):
    tmp_path.joinpath("long.py").write_text("pass\n" * 251)
    assert too_long(tmp_path, 251) == []
    assert too_long(tmp_path, 250) == ["long.py: 251 lines"]


def loaded_by(statement: str) -> set[str]:
    """The optional packages that a fresh interpreter holds after `statement`."""
    code = f"import sys; {statement}; print(*({OPTIONAL!r} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(run.stdout.split())


def test_importing_mezo_lab_loads_no_optional_package():
    assert loaded_by("import mezo_lab") == set()


def test_an_optional_package_that_is_loaded_is_seen():
    assert loaded_by("import mezo_lab, sympy") == {"sympy"}
