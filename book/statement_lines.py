r"""A long statement in several lines: MathJax sets a formula in one, and a page would cut it off.

    in_lines(r"a = b; \quad c = d", most=8) == "\\begin{aligned}\n& a = b; \\\\\n& c = d\n\\end{aligned}"

It is broken where a reader pauses: after a punctuation mark with room behind it, else before words, else before a sign.
"""

import re
from collections.abc import Iterator

MOST = 53  # signs of a line on a page of 1,280 points, beside the lists of pages and sections
TOKEN = re.compile(r"\\[A-Za-z]+\s?|\\.|.", re.DOTALL)
SIGNS = r"=|\\leq|\\geq|\\Rightarrow|\\to"
# where a line may end, the best places first: each with what is dropped there
BREAKS = (
    re.compile(r"(?<=[,;:])\s*(?:\\ )?\s*\\quad\s*|(?<=[,;:]\})\s*(?:\\ )?\s*\\quad\s*"),
    re.compile(r"(?<=;)\s*\\ \s*|(?<=;\})\s*\\ \s*"),
    re.compile(r"\s*(?:\\ )?\s*\\quad\s*|(?<=,)\s*\\ \s*"),
    re.compile(r"\s*(?:\\ )?\s*(?=\\mathrm\{(?:in|on|for|where|of|as|at|with|less|without|to)\b)"),
    re.compile(rf"\s*(?=(?:{SIGNS})(?![A-Za-z]))"),
    re.compile(r"\s+(?=[+-] )"),
)


def in_lines(statement: str, most: int = MOST) -> str:
    """A statement as one formula, in lines where it is long.

    Args: statement: LaTeX. most: signs of a line.
    """
    lines = list(_broken(statement, most, 0))
    if len(lines) == 1:
        return statement
    rows = " \\\\\n".join(f"& {line}" for line in lines)
    return f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}"


def _broken(part: str, most: int, level: int) -> Iterator[str]:
    """The lines of a part; those that go on with a sentence or a formula are set in."""
    if width(part) <= most or level == len(BREAKS):
        yield part
        return
    line = ""
    gap = ""
    for piece, behind in _pieces(part, BREAKS[level]):
        if line and width(line + gap + piece) > most:
            yield from _set_in(line, most, level)
            line = ""
        line = line + gap + piece if line else piece
        gap = behind
    yield from _set_in(line, most, level)


def _set_in(line: str, most: int, level: int) -> Iterator[str]:
    """The line, or its own lines at the next places of less worth, all but the first of them set in."""
    for place, each in enumerate(_broken(line, most, level + 1)):
        yield each if not place or each.startswith(r"\qquad ") else rf"\qquad {each}"


def _pieces(part: str, place: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(piece, what stood between it and the next), cut outside of braces, brackets and fractions."""
    start = 0
    for match in place.finditer(part):
        if match.start() > start and match.end() < len(part) and _closed(part[: match.start()]):
            yield part[start : match.start()], match[0]
            start = match.end()
    yield part[start:], ""


def _closed(before: str) -> bool:
    """Whether every brace and bracket before a place is closed there."""
    tokens = [token.strip() for token in TOKEN.findall(before)]
    opened = sum(token in ("{", "(", "[") for token in tokens) - sum(token in ("}", ")", "]") for token in tokens)
    return opened == 0


def width(latex: str) -> float:
    """About how many signs wide a formula is: a fraction is as wide as its wider part, an index half as wide."""
    return _measured([token.strip() or " " for token in TOKEN.findall(latex)])


def _measured(tokens: list[str]) -> float:
    total = 0.0
    while tokens:
        token = tokens.pop(0)
        if token == r"\frac":
            total += max(_argument(tokens), _argument(tokens))
        elif token in ("_", "^"):
            total += 0.7 * _argument(tokens)
        elif token in (r"\mathrm", r"\mathbb", r"\hat", r"\operatorname"):
            total += _argument(tokens)
        elif token == r"\sqrt":
            total += 1 + _argument(tokens)
        elif token in ("=", "+", "-") or re.fullmatch(rf"{SIGNS}|\\sim|\\preceq", token):
            total += 2
        elif token in (r"\quad", r"\qquad"):
            total += 2 * len(token) - 8
        elif token not in ("{", "}", " ", r"\left", r"\right", r"\,", r"\!"):
            total += max(1, len(token) - 1) if token in (r"\min", r"\max", r"\log", r"\exp", r"\cos") else 1
    return total


def _argument(tokens: list[str]) -> float:
    """The width of the next sign or group, which is taken away."""
    while tokens and tokens[0] == " ":
        tokens.pop(0)
    if not tokens:
        return 0
    if tokens[0] != "{":
        return _measured([tokens.pop(0)])
    group = [tokens.pop(0)]
    while group.count("{") > group.count("}"):
        group.append(tokens.pop(0))
    return _measured(group[1:-1])
