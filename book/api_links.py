"""What a name in a docstring means: every path to a public name, a member or a module, and where it is documented."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from api_names import (
    Definition,
    Entry,
    Member,
    families,
    members,
    origin_of,
    public_entries,
    public_modules,
    said_of_field,
)
from docstrings import Scope, parse


@cache
def source_docstring(thing: Any) -> str:
    """The docstring of a thing of the package; empty where it has none, and for what a dataclass says of itself."""
    if not inspect.isclass(thing):
        return inspect.cleandoc(inspect.unwrap(thing).__doc__ or "")
    text = vars(thing).get("__doc__") or ""  # its own: that of a base is the base's
    made = text.startswith(f"{thing.__name__}(")
    return "" if made else inspect.cleandoc(text)


@dataclass
class Reference:
    """All public names, and what the names in a docstring mean."""

    entries: list[Entry] = field(default_factory=public_entries)
    claims: frozenset[str] = frozenset()
    links: dict[str, str] = field(default_factory=dict)  # every path to a name or member → where it is documented
    modules: set[str] = field(default_factory=set)  # those that have a place on a page
    by_name: dict[str, list[str]] = field(default_factory=dict)  # the last part of a path → the paths

    def __post_init__(self) -> None:
        for entry in self.entries:
            for path in (*entry.paths, f"{entry.origin}.{entry.name}"):
                self.links[path] = entry.path
        modules = {entry.origin for entry in self.entries} | {module.__name__ for module in public_modules()}
        self.modules = modules - self.links.keys()  # `mezo_lab.claims.claim` is the function, which hides its module
        for entry in self.entries:
            if inspect.isclass(entry.thing):
                self._link_members(entry)
        for path in self.links:
            self.by_name.setdefault(path.rpartition(".")[2], []).append(path)

    def _link_members(self, entry: Entry) -> None:
        """Every path to a member leads to where it is shown: its class, a public base, or the class as a whole."""
        for name in ["__init__", *(member.name for member in members(entry.thing))]:
            shown = self.shown_in(entry, name)
            target = entry.path
            if shown:
                target = f"{shown.path}.{name}"
            for path in (*entry.paths, f"{entry.origin}.{entry.name}"):
                self.links[f"{path}.{name}"] = target

    def written_in(self, module: str, name: str) -> str | None:
        """The public thing that a name in the code of a module means: imports are followed."""
        return self.links.get(".".join(origin_of(module, name)))

    def of_class(self, kind: type) -> Entry | None:
        """The entry of a class, if it is public."""
        return next((entry for entry in self.entries if entry.thing is kind), None)

    def shown_in(self, entry: Entry, name: str) -> Entry | None:
        """The class whose entry shows the member: the owner where it is public. None where there is nothing to say."""
        member = next((each for each in members(entry.thing) if each.name == name), None)
        if member is None:
            return None
        shown = self.of_class(member.owner) or entry
        if member.owner is entry.thing:
            shown = entry
        if isinstance(member.node, Definition) or self.said_of(member, shown.thing):
            return shown
        return None

    def said_of(self, member: Member, kind: type) -> str:
        """What is said of a field: in the docstring of the class, or beside the field."""
        for each in reversed(families(kind)):
            items = parse(source_docstring(each)).items
            if member.name in items:
                return items[member.name]
        return said_of_field(member)

    def resolve(self, name: str, module: str, kind: type | None = None) -> str | None:
        """The public thing that a name in a docstring means: of the class, of the module, of the package; or None."""
        if kind:
            for each in reversed(families(kind)):
                own = self.links.get(f"{each.__module__}.{each.__qualname__}.{name}")
                if own:
                    return own
        if name in self.links or name in self.modules:
            return self.links.get(name, name)
        parts = module.split(".")
        for depth in range(len(parts), 0, -1):
            path = ".".join([*parts[:depth], name])
            if path in self.links:
                return self.links[path]
            if path in self.modules and "." in name:
                return path
        paths = [path for path in self.by_name.get(name.rpartition(".")[2], []) if path.endswith(f".{name}")]
        # a member is named with its class
        targets = {self.links[path] for path in paths if "." in name or path.rpartition(".")[0] in self.modules}
        return targets.pop() if len(targets) == 1 else None

    def scope(self, entry: Entry, arguments: Iterable[str] = (), kind: type | None = None) -> Scope:
        """What names mean in a docstring of this entry."""
        return Scope(lambda name: self.resolve(name, entry.origin, kind), self.claims, frozenset(arguments))
