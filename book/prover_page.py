"""The page that proves claims in the reader's browser: prove.md, and beside it Python, sympy and this library.

A page that was opened as a file can neither fetch files nor import modules, but it can load scripts. So each file of
the archive is compressed and written into scripts, a megabyte each, which are smaller than the files themselves; a
server shows the same page.
"""

import base64
import gzip
import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from html import escape
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from typing import Any

import mpmath
import sympy
from folders import BOOK
from prover.names import DEFINITIONS, holding
from vendor import PACKAGES, vendored

from mezo_lab.claims import REGISTRY, claim_named
from mezo_lab.claims.claim import SYMBOLS
from mezo_lab.claims.selection import Job, jobs
from mezo_lab.proofs import provable
from mezo_lab.theory import Expression, printed

SOURCES = BOOK / "prover"
ROOMS = ("theory", "proofs")  # and validation.py: what runs without torch
PIECE = 3 << 18  # bytes of a script before base64, which makes a MiB of them
LEFT_OUT = {"tests", "benchmarks"}  # folders of sympy and mpmath


def write_prover(staged: Path, package: Path = BOOK.parent / "mezo_lab") -> None:
    """Write the page, its scripts and the archive. Args: package: the library that the browser will run."""
    folder = staged / "static" / "prover"
    folder.mkdir(parents=True, exist_ok=True)
    for source in (*SOURCES.glob("*.js"), *SOURCES.glob("*.css")):
        shutil.copy(source, folder)
    scripts = list(_write_scripts(_files(package), folder))
    megabytes = sum(size for _, size in scripts)
    archive = {"folder": "_static/prover", "scripts": scripts}
    data = {"archive": archive, "claims": compared_claims(), "names": _names(), "defined": [n for n, _ in DEFINITIONS]}
    lines = [f"prover.{name} = {json.dumps(value, ensure_ascii=False)};" for name, value in data.items()]
    (folder / "data.js").write_text("\n".join(lines) + "\n", encoding="utf-8")
    filled = {
        "megabytes": f"{megabytes:.1f}",
        "proofs": _options(_proof_titles()),
        "laws": json.dumps(_laws_of_proofs()),
        "claims": _options((claim["name"], f"{claim['id']} {claim['name']}") for claim in data["claims"]),
        "versions": _versions(),
    }
    page = (SOURCES / "prove.md").read_text(encoding="utf-8")
    for name, text in filled.items():
        page = page.replace(f"@{name}@", text)
    (staged / "prove.md").write_text(page, encoding="utf-8")


def _files(package: Path) -> dict[str, bytes]:
    """The archive: name → bytes."""
    pyodide = {path: vendored("pyodide", path).read_bytes() for path, _, _ in PACKAGES["pyodide"]["files"]}
    lock = json.loads(pyodide["pyodide-lock.json"])
    lock["packages"] = {}  # none of them is loaded
    return pyodide | {"pyodide-lock.json": json.dumps(lock).encode(), "library.zip": library(package)}


def library(package: Path) -> bytes:
    """A zip of all that is Python and no part of its standard library: sympy, mpmath, this library, and the page's own.

    Args: package: the folder of mezo_lab.
    """
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for module in (sympy, mpmath):
            root = Path(module.__file__).parent
            modules = [file for file in sorted(root.rglob("*.py")) if not LEFT_OUT & set(file.relative_to(root).parts)]
            _add(archive, modules, root.parent)
        for name in ("sympy", "mpmath"):
            for file in distribution(name).files or ():
                if file.name.upper().startswith(("LICENSE", "COPYING")):
                    archive.writestr(_entry(str(file)), Path(str(file.locate())).read_bytes())
        own = [file for room in ROOMS for file in sorted((package / room).rglob("*.py"))]
        _add(archive, [package / "__init__.py", package / "validation.py", *own], package.parent)
        _add(archive, sorted(SOURCES.glob("*.py")), BOOK)
    return packed.getvalue()


def _add(archive: zipfile.ZipFile, files: Iterable[Path], root: Path) -> None:
    for file in files:
        archive.writestr(_entry(file.relative_to(root).as_posix()), file.read_bytes())


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry of no date, so that the same sources make the same archive."""
    return zipfile.ZipInfo(name)


def _write_scripts(files: dict[str, bytes], folder: Path) -> Iterator[tuple[str, float]]:
    """Write the files as scripts, a piece each. Yields: (name, megabytes)."""
    for file, content in files.items():
        packed = gzip.compress(content, 6, mtime=0)
        for number, start in enumerate(range(0, len(packed), PIECE)):
            text = base64.b64encode(packed[start : start + PIECE]).decode()
            script = folder / f"{file}.{number}.js"
            script.write_text(f'prover.piece("{file}", {number}, "{text}");\n', encoding="ascii")
            yield script.name, script.stat().st_size / 1e6


def compared_claims() -> list[dict[str, Any]]:
    """The claims whose theory is a formula, with the numbers of their settings, as the page reads them."""
    groups: dict[str, dict[str, dict[tuple, list[Job]]]] = {}
    for job in jobs():
        formula = job.experiment.formula
        if formula is not None and Expression(formula).names:
            words = tuple((name, value) for name, value in job.parameters.items() if isinstance(value, str))
            laws = groups.setdefault(job.claim.name, {})
            laws.setdefault(job.law.name, {}).setdefault((words, formula), []).append(job)
    return [
        {
            "id": claim_named(name).id,
            "name": name,
            "laws": {law: _settings(law, list(settings.values())) for law, settings in laws.items()},
        }
        for name, laws in groups.items()
    ]


def _settings(law: str, groups: list[list[Job]]) -> list[dict[str, Any]]:
    """The settings of a claim for one law: each a formula, and the numbers of all its rows."""
    first = [group[0].parameters for group in groups]
    telling = [name for name in first[0] if len({str(parameters.get(name)) for parameters in first}) > 1]
    words = [name for name in telling if isinstance(first[0][name], str)] or telling
    settings = []
    for group in groups:
        experiment = group[0].experiment
        rows = [job.experiment.symbols for job in group]
        parameters = group[0].parameters
        settings.append(
            {
                "label": ", ".join(f"{name} = {parameters[name]}" for name in words),
                "options": "".join(f" --set {name}={parameters[name]}" for name in words),
                "bound": experiment.relation == "<=",
                "formula": experiment.formula,
                "places": holding(law, rows),
                "rows": rows,
            }
        )
    return settings


def _names() -> dict[str, tuple[str, str]]:
    """Name of a formula → its sign in print and what it means."""
    return {name: (printed(name), meaning) for name, meaning in SYMBOLS.items()}


def _laws_of_proofs() -> dict[str, list[str]]:
    """Claim → the laws for which it can be proved."""
    laws: dict[str, list[str]] = {}
    for claim, law in provable():
        laws.setdefault(claim, []).append(law)
    return laws


def _proof_titles() -> Iterator[tuple[str, str]]:
    """(name, id and name) of what can be proved, in the order of the ids; the notes are A2, line by line."""
    ids = {name: REGISTRY[name].id if name in REGISTRY else "A2" for name in _laws_of_proofs()}
    for name in sorted(ids, key=lambda name: (ids[name][0], int(ids[name][1:]), name)):
        yield name, f"{ids[name]} {name}"


def _options(titles: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(name)}">{escape(title)}</option>' for name, title in titles)


def _versions() -> str:
    names = {name: distribution(name).version for name in ("sympy", "mpmath")}
    return ", ".join(
        [f"Pyodide {PACKAGES['pyodide']['version']}", *(f"{name} {found}" for name, found in names.items())]
    )
