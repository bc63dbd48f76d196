"""The API reference: `api/index`, and a page for each room with its public names, grouped by the module of each.

A name is documented once, where it is defined; every other path to it leads there (`sphinx_names.py`).
"""

import importlib
import inspect
import json
from pathlib import Path

from api_entries import entry_text, summary
from api_links import Reference
from api_names import Entry, public_modules
from docstrings import escaped, link, parse, prose, rendered

import mezo_lab

PATHS = "names.json"  # every other path to a documented name, for sphinx_names.py


def page_of(module: str) -> str:
    """The page of a module: that of the innermost package with public names around it, else of its room."""
    packages = {each.__name__ for each in public_modules() if hasattr(each, "__path__")}
    parts = module.split(".")
    for depth in range(len(parts), 2, -1):
        if ".".join(parts[:depth]) in packages:
            return ".".join(parts[1:depth])
    return parts[1]


def write_api(staged: Path) -> None:
    """Write `api/*.rst` of the book. Args: staged: its sources, where the pages of the claims are already."""
    claims = frozenset(page.stem for page in staged.glob("claims/[A-E][0-9]*.md"))
    reference = Reference(claims=claims)
    pages: dict[str, list[Entry]] = {}
    for entry in reference.entries:
        pages.setdefault(page_of(entry.path.rpartition(".")[0]), []).append(entry)
    folder = staged / "api"
    folder.mkdir(parents=True, exist_ok=True)
    for page, entries in pages.items():
        (folder / f"{page}.rst").write_text(page_text(reference, page, entries), encoding="utf-8")
    (folder / "index.rst").write_text(index_text(reference, pages), encoding="utf-8")
    others = {path: target for path, target in reference.links.items() if path != target}
    (folder / PATHS).write_text(json.dumps(others, indent=1), encoding="utf-8")


def page_text(reference: Reference, page: str, entries: list[Entry]) -> str:
    """The page of a room: what it is for, its names at a glance, and an entry for each, module by module."""
    room = f"mezo_lab.{page}"
    origins = sorted(
        {entry.origin for entry in entries}, key=lambda origin: (not _comes_first(origin, entries), origin)
    )
    parts = [_heading(room, "="), _module(reference, room), _module_prose(reference, room), _glance(reference, entries)]
    parts += _elsewhere(reference, room, entries)
    for origin in origins:
        inside = [entry for entry in entries if entry.origin == origin]
        if origin != room:
            parts += [
                _heading(origin.removeprefix(f"{room}."), "-"),
                _module(reference, origin),
                _module_prose(reference, origin),
            ]
        for entry in inside:
            parts += [f".. py:currentmodule:: {entry.path.rpartition('.')[0]}\n", entry_text(reference, entry)]
    return "\n".join(parts)


def _comes_first(origin: str, entries: list[Entry]) -> bool:
    """Whether `import mezo_lab` itself offers a name of the module."""
    return any(
        path.rpartition(".")[0] == "mezo_lab" for entry in entries if entry.origin == origin for path in entry.paths
    )


def _heading(title: str, line: str) -> str:
    return f"{escaped(title)}\n{line * (2 * len(title))}\n"


def _module(reference: Reference, name: str) -> str:
    return f".. py:module:: {name}\n" if name in reference.modules else ""


def _module_prose(reference: Reference, name: str) -> str:
    """What a module says of itself."""
    text = inspect.getdoc(importlib.import_module(name)) or ""
    scope = Entry(name, None, name, None, ())
    return rendered(parse(text), reference.scope(scope))


def _table(rows: list[tuple[str, str]]) -> str:
    """A table of two columns, the names and what they are."""
    lines = [".. list-table::", "   :widths: 30 70", "   :class: api-glance", ""]
    for name, words in rows:
        lines += [f"   * - {name}", f"     - {words}"]
    return "\n".join(lines) + "\n"


def _glance(reference: Reference, entries: list[Entry]) -> str:
    return _table([(link(entry.name, entry.path), summary(reference, entry)) for entry in entries])


def _elsewhere(reference: Reference, room: str, entries: list[Entry]) -> list[str]:
    """The line that names what a package offers and another page documents."""
    here = {entry.path for entry in entries}
    module = importlib.import_module(room)
    offered = [f"{room}.{name}" for name in getattr(module, "__all__", ())]
    others = [path for path in offered if path in reference.links and reference.links[path] not in here]
    links = [link(path.rpartition(".")[2], reference.links[path]) for path in others]
    if not links:
        return []
    return [f"It also offers {', '.join(links)}.\n"]


def index_text(reference: Reference, pages: dict[str, list[Entry]]) -> str:
    """The first page: what `import mezo_lab` offers, and the rooms."""
    by_path = {entry.path: entry for entry in reference.entries}
    offered = [by_path[reference.links[f"mezo_lab.{name}"]] for name in mezo_lab.__all__]
    rooms = []
    for page in sorted(pages):
        text = parse(inspect.getdoc(importlib.import_module(f"mezo_lab.{page}")) or "").summary()
        scope = reference.scope(Entry(page, None, f"mezo_lab.{page}", None, ()))
        rooms.append((f":doc:`mezo_lab.{page} <{page}>`", prose(text, scope)))
    contents = "\n".join(f"   {page}" for page in sorted(pages))
    return "\n".join(
        [
            _heading("API reference", "="),
            _module(reference, "mezo_lab"),
            _module_prose(reference, "mezo_lab"),
            _heading("What the package itself offers", "-"),
            _glance(reference, offered),
            _heading("Rooms", "-"),
            "A name is documented in the room that defines it. All paths that offer it are one thing; "
            "other projects link to any of them through ``objects.inv`` of this site, with intersphinx.\n",
            _table(rooms),
            f".. toctree::\n   :hidden:\n\n{contents}\n",
        ]
    )
