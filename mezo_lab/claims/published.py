"""A published sentence that a claim corrects: what is said, where it was read, and what is true."""

import re
from dataclasses import dataclass, fields
from typing import Literal, get_args

Read = Literal["paper", "abstract", "code", "documentation"]
_REQUIRED = ("says", "source", "corrected")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A sentence of a paper or of a project that a claim refutes or makes exact; docs/errata.md is made of them.

    Raises: ValueError for a name that is no anchor, an address that is no https link, an unknown kind of reading, an
        empty sentence, or what is no text.

    >>> sentence = Published(name="norm-factor-law", says="The factor is (d+n-1)/n.", source="a note", read="paper",
    ...     address="https://example.org/note", corrected="That is the sphere's; Gaussian z has (d+n+1)/n.")
    >>> sentence.conditions
    ''
    """

    name: str
    """Its anchor on the page: lower case with hyphens, never changed once it is published."""
    says: str
    """What is said, in other words."""
    source: str
    """Authors, year, short title, and the place within."""
    address: str
    """Where it was read: https, with the version or commit where there is one."""
    read: Read
    """What was read there."""
    corrected: str
    """What is true, with the formula."""
    holds: str = ""
    """Where it is true as it stands, in a few words."""
    conditions: str = ""
    """Under which conditions its authors speak, where they differ from the claim's."""
    command: str = ""
    """The `mezo-lab` command that shows it; "" where none does."""

    def __post_init__(self):
        for field in fields(self):
            if not isinstance(value := getattr(self, field.name), str):
                raise ValueError(f"`{field.name}` must be text, got {value!r}: put it in quotes.")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"`name` must be lower case with hyphens, got {self.name!r}: it is an anchor of the page.")
        if not re.fullmatch(r"https://[\w.-]+/\S+", self.address):
            raise ValueError(
                f"`address` must be an https link to the source, got {self.address!r}: give where it was read."
            )
        if self.read not in get_args(Read):
            raise ValueError(
                f"`read` must be one of {', '.join(get_args(Read))}, got {self.read!r}: say what was read."
            )
        for required in _REQUIRED:
            if not getattr(self, required).strip():
                raise ValueError(f"`{required}` must be a sentence, got {getattr(self, required)!r}: write it.")
        if self.command and not self.command.startswith(("mezo-lab verify ", "mezo-lab prove ")):
            raise ValueError(
                f"`command` must begin with `mezo-lab verify` or `mezo-lab prove`, got {self.command!r}: give one."
            )
