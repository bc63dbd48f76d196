"""Docstrings of this house as reStructuredText: plain text with backticks goes in, links and fields come out.

A docstring is paragraphs, examples after `>>>`, indented lines, and fields: `Source: … Formula: … Args: …`, each on a
line of its own or after the end of a sentence. What reStructuredText would take for markup (|pg|, z_k, *) is escaped.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from textwrap import indent

FIELDS = {  # as the text has them → as the page shows them
    "Claim": "Claim",
    "Source": "Source",
    "Assumes": "Assumes",
    "Assumptions": "Assumes",
    "Formula": "Formula",
    "Precision": "Precision",
    "Truncation": "Truncation",
    "Cost": "Cost",
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
}
_LABEL = re.compile(rf"(?:^|(?<=[.;)\]] ))({'|'.join(FIELDS)}):(?= |$)")
_ITEM = re.compile(r" {4}(?P<names>[*\w]+(?:, [*\w]+)*)(?: \((?:[^()]|\([^()]*\))*\))?:(?: (?P<text>.*))?$")
# what is more than text: code in backticks, a word in quotes, an option, the id of a claim, the name of a class
_TOKEN = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|(?P<word>(?:\b\w+=)?\"[\w.=+-]+\")"
    r"|(?P<option>(?<![\w-])--[a-z][\w-]*)"
    r"|\b(?P<claim>[A-E]\d{1,2})\b"
    r"|(?<![\w.])(?P<kind>(?:[A-Z]+[a-z]+){2,})(?!\w)"
)
# a letter, pg, or what ends a norm, with its index: z_k, pg_k, ‖H‖_op, β^{t−s}
_INDEX = re.compile(
    r"(?:(?<![a-zA-Z0-9_])(?:[^\W\d_]|pg)[\u0300-\u036f′]?|[‖)\]])(?P<mark>[_^])(?P<index>\{[^{}]+\}|[a-zA-Zα-ω0-9]{1,3}(?![a-zA-Z0-9_]))"
)


@dataclass(frozen=True)
class Scope:
    """What the names in a docstring mean.

    Args:
        resolve: text in backticks → the full name of a public thing, or None.
        claims: the ids of claims that have a page.
        arguments: those of the function or class, which come before public names.
    """

    resolve: Callable[[str], str | None] = lambda name: None
    claims: frozenset[str] = frozenset()
    arguments: frozenset[str] = frozenset()


@dataclass
class Block:
    """A part of a docstring: "text", "example", "code" or a field, with its lines, and items such as arguments."""

    kind: str
    lines: list[str] = field(default_factory=list)
    items: dict[str, str] = field(default_factory=dict)


@dataclass
class Docstring:
    """A docstring in parts, in their order."""

    blocks: list[Block] = field(default_factory=list)

    @property
    def items(self) -> dict[str, str]:
        """What is said of each argument and attribute."""
        return {name: text for block in self.blocks for name, text in block.items.items()}

    def summary(self) -> str:
        """The first sentence, or the first paragraph where that has one only."""
        text = next((" ".join(block.lines) for block in self.blocks if block.kind == "text"), "")
        return re.split(r"(?<=[.])\s+(?=[A-Z`\"])", text, maxsplit=1)[0]


def parse(text: str, arguments: Sequence[str] = ()) -> Docstring:
    """Take a docstring apart. Args: text: as `inspect.cleandoc` leaves it. arguments: of the function or class."""
    blocks: list[Block] = []
    kind = ""  # of the block that is open; empty between blocks
    for line in text.splitlines():
        if line.startswith(">>>") or (kind == "example" and line.strip()):
            kind = _add(blocks, "example", line, kind)
        elif not line.strip() and kind == "code":
            kind = _add(blocks, "code", "", kind)
        elif not line.strip():
            kind = ""
        elif line.startswith("    ") and kind in ("", "code"):
            kind = _add(blocks, "code", line, kind)
        elif kind == "code":
            kind = _add_prose(blocks, line, "")
        else:
            kind = _add_prose(blocks, line, kind)
    for block in blocks:
        if block.kind in ("Args", "Attributes"):
            _find_items(block, arguments)
    return Docstring(blocks)


def _add(blocks: list[Block], kind: str, line: str, opened: str) -> str:
    """Add a line to the open block if that is of its kind, otherwise open a block."""
    if kind != opened:
        blocks.append(Block(kind))
    blocks[-1].lines.append(line)
    return kind


def _add_prose(blocks: list[Block], line: str, kind: str) -> str:
    """Add a line to the paragraph or field that is open; each label in it opens a field."""
    before, *rest = _LABEL.split(line)
    if before.strip():
        kind = _add(blocks, kind or "text", before.rstrip(), kind)
    for label, words in zip(rest[::2], rest[1::2], strict=True):
        kind = label
        blocks.append(Block(kind, _lines(words)))
    return kind


def _lines(words: str) -> list[str]:
    """The words as one line, without the space around them; no line where there are none."""
    line = words.strip()
    return [line] if line else []


def _find_items(block: Block, arguments: Sequence[str]) -> None:
    """Move what is said of single arguments into the items; what is said of all of them stays a line."""
    rest: list[str] = []
    names: list[str] = []
    for line in block.lines:
        match = _ITEM.match(line)
        if match:
            names = [name.lstrip("*") for name in match["names"].split(", ")]
            block.items |= dict.fromkeys(names, match["text"] or "")
        elif names and line.startswith("    "):
            block.items |= {name: f"{block.items[name]} {line.strip()}".strip() for name in names}
        else:
            names = []
            rest.append(line.strip())
    block.lines = _lines(" ".join(rest))
    if block.lines and arguments:  # several in a line: `Args: steps: T. rank: k.`
        known = "|".join(map(re.escape, arguments))
        before, *labelled = re.split(rf"(?:^|(?<=[.;)] ))((?:{known})(?:, (?:{known}))*): ", block.lines[0])
        block.lines = _lines(before)
        for several, words in zip(labelled[::2], labelled[1::2], strict=True):
            block.items |= dict.fromkeys(several.split(", "), words.strip())


def prose(text: str, scope: Scope) -> str:
    """A piece of text as one line of reStructuredText, with its links."""
    pieces = []
    end = 0
    for match in _TOKEN.finditer(text):
        pieces.append(escaped(text[end : match.start()]))
        pieces.append(_token(match, scope))
        end = match.end()
    pieces.append(escaped(text[end:]))
    return r"\ " + "".join(pieces)  # an empty beginning, so that no first character makes a list of the line


def _token(match: re.Match[str], scope: Scope) -> str:
    if match["code"]:
        return code(match["code"], scope)
    if match["word"] or match["option"]:
        return code(match[0])
    if match["claim"] and match[0] in scope.claims:
        return rf"\ :doc:`{match[0]} </claims/{match[0]}>`\ "
    target = scope.resolve(match[0]) if match["kind"] else None
    if target is None:
        return escaped(match[0])
    return link(match[0], target)


def code(text: str, scope: Scope | None = None) -> str:
    """Code in a line, as a link where it names a public thing and no argument."""
    name = re.match(r"(?:mezo-lab .*|\.?([A-Za-z_][\w.]*\w|\w)(?:\(.*\))?$)", text)
    target = None
    if scope and name and name[1] and not text.startswith(".") and name[1] not in scope.arguments:
        target = scope.resolve(name[1])
    if target is None:
        return rf"\ ``{text}``\ "
    return link(text, target)


def link(text: str, target: str) -> str:
    """A link to a public name, with a text of its own."""
    shown = re.sub(r"([\\<>`])", r"\\\1", text)
    return rf"\ :py:obj:`{shown} <{target}>`\ "


def escaped(text: str) -> str:
    """Plain text: nothing in it is markup, but z_k and β^{t−s} get their indices."""
    pieces = []
    end = 0
    for match in _INDEX.finditer(text):
        place = "sub" if match["mark"] == "_" else "sup"
        index = _plain(match["index"].strip("{}"))
        pieces.append(rf"{_plain(text[end : match.start('mark')])}\ :{place}:`{index}`\ ")
        end = match.end()
    pieces.append(_plain(text[end:]))
    return "".join(pieces)


def _plain(text: str) -> str:
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def rendered(docstring: Docstring, scope: Scope, types: dict[str, str] | None = None) -> str:
    """A docstring as reStructuredText.

    Args: docstring: taken apart. scope: of its names. types: what stands beside an argument, such as its default.
    """
    parts: list[str] = []
    for block in docstring.blocks:
        lines = "\n".join(block.lines).rstrip()
        if block.kind == "example":
            parts.append(f".. code-block:: pycon\n\n{indent(lines, '   ')}\n")
        elif block.kind == "code":
            parts.append(f".. code-block:: text\n\n{indent(lines, '   ')}\n")
        elif block.kind == "text":
            parts.append(prose(" ".join(block.lines), scope) + "\n")
        else:
            words = _described(block.items, scope, types or {})
            if block.lines:
                words.insert(0, prose(" ".join(line.strip() for line in block.lines), scope))
            if words:
                body = indent("\n\n".join(words), "   ")
                parts.append(f":{FIELDS[block.kind]}:\n{body}\n")
    return "\n".join(parts)


def _described(items: dict[str, str], scope: Scope, types: dict[str, str]) -> list[str]:
    """Each argument with its type and default, and what it means; those of which one thing is said, together."""
    result = []
    for (text, kind), names in groupby(items, key=lambda name: (items[name], types.get(name, ""))):
        head = ", ".join(f"``{name}``" for name in names)
        if kind:
            head += f" : ``{kind}``"
        result.append(f"{head}\n   {prose(text, scope)}")
    return result
