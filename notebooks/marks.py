"""The marks of solutions in a source. A near miss is an error, because it would leave an answer in a student's copy.

In code a solution stands between the lines `# BEGIN SOLUTION` and `# END SOLUTION`, indented as the code is. A cell of
text is a solution where it has the tag "solution".
"""

import io
import re
import tokenize
from collections.abc import Iterator
from typing import Any

BEGIN = "# BEGIN SOLUTION"
END = "# END SOLUTION"
TURN = 'raise NotImplementedError("Your turn: replace this line.")'
TAG = "solution"
SLIPS = 2  # letters changed, missing or added in a word that is still read as the other
NO_SLIPS = {"resolution", "resolutions", "evolution", "dilution", "pollution"}  # words of their own

# the first word of a text, past quotes, lists and HTML; or of the head of what is folded
OPENING = re.compile(r"(?:\A|<summary>)(?:<[^>]*>|[*_#>\d.\s-])*(\w+)")


class MarkError(ValueError):
    """Text that looks like the mark of a solution and is none; the message says where, and what to write."""


def unsolved(source: str) -> str:
    """Code with a line that asks for the answer in place of each solution.

    Raises: MarkError, naming the line.

    >>> print(unsolved("def double(x):\\n    # BEGIN SOLUTION\\n    return 2 * x\\n    # END SOLUTION"))
    def double(x):
        raise NotImplementedError("Your turn: replace this line.")
    """
    expect_exact_marks(source)
    lines: list[str] = []
    opened = 0  # the line of the mark that is open, from 1
    for number, line in enumerate(source.split("\n"), start=1):
        mark = line.lstrip(" \t")
        if mark == BEGIN and opened:
            raise MarkError(f"line {number}: {BEGIN} stands inside that of line {opened}; end that one first.")
        if mark == END and not opened:
            raise MarkError(f"line {number}: {END} ends nothing; put {BEGIN} above the solution.")
        if mark == BEGIN:
            opened = number
            lines.append(line.removesuffix(BEGIN) + TURN)
        elif mark == END:
            opened = 0
        elif not opened:
            lines.append(line)
    if opened:
        raise MarkError(f"line {opened}: {BEGIN} is not ended; put {END} below the solution.")
    return "\n".join(lines)


def expect_exact_marks(source: str) -> None:
    """Raises: MarkError for a comment that is nearly a mark, or a mark behind code on its line."""
    lines = source.split("\n")
    for number, comment in comments(source):
        exact = lines[number - 1].lstrip(" \t") in (BEGIN, END)
        if not exact and looks_like_a_mark(comment):
            raise MarkError(
                f"line {number}: {comment!r} looks like the mark of a solution and would leave the answer in the "
                f"students' copies; write {BEGIN} or {END}, on a line of its own and without a blank behind it."
            )


def comments(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every comment; in code that is not Python, as in the cell of a magic, of every line with a #."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                number = token.start[0]
                yield number, source.split("\n")[number - 1][token.start[1] :]  # with trailing blanks
    except (tokenize.TokenError, SyntaxError):
        for number, line in enumerate(source.split("\n"), start=1):
            if "#" in line:
                yield number, line[line.index("#") :]


def looks_like_a_mark(comment: str) -> bool:
    """Whether somebody may have meant a mark.

    >>> [looks_like_a_mark(text) for text in ("#BEGIN SOLUTION", "### end soluton:", "# BEGINSOLUTION", "# SOLUTION")]
    [True, True, True, True]
    >>> [looks_like_a_mark(text) for text in ("# the solution of Hx = g", "# at the end: resolution", "# begin here")]
    [False, False, False]
    """
    words = re.findall(r"[^\W\d_]+", comment.casefold())
    if len(words) == 2 and words[0] in ("begin", "end") and words[1] in ("answer", "answers"):
        return True
    others = [word for word in words if not near(word, TAG)]
    has_tag = len(others) < len(words)
    if len(words) == 1:
        return has_tag or any(near(words[0], opening + TAG) for opening in ("begin", "end"))
    if len(words) > 3:  # a sentence, unless it is in the capitals of a mark
        return has_tag and comment.lstrip("# \t").startswith(("BEGIN ", "END "))
    if not others:
        return has_tag
    openings = ("begin", "start", "end", "stop", "finish", "your", "hidden", "student")
    return has_tag and any(distance(word, each) <= len(each) // 2.5 for word in others for each in openings)


def text_is_solution(cell: Any) -> bool:
    """Whether a cell is a solution by its tag. Raises: MarkError for a tag that is nearly the right one."""
    tags = cell.metadata.get("tags", ())
    for tag in tags:
        if tag != TAG and near(tag.strip().casefold(), TAG):
            raise MarkError(f"its tag {tag!r}: it looks like the mark of a solution; write {TAG!r}.")
    if cell.cell_type == "markdown" and TAG not in tags:
        for opening in OPENING.finditer(cell.source):
            if near(opening[1].casefold(), TAG):
                line = cell.source.count("\n", 0, opening.start(1)) + 1
                raise MarkError(f"line {line}: a cell that begins with {opening[1]!r} must have the tag {TAG!r}.")
    return TAG in tags


def near(word: str, other: str) -> bool:
    """Whether a word is another, or nearly so.

    >>> near("solutoin", "solution"), near("solutions", "solution"), near("resolution", "solution")
    (True, True, False)
    """
    return word not in NO_SLIPS and distance(word, other) <= SLIPS


def distance(word: str, other: str) -> int:
    """Letters to change, add or leave out (Levenshtein).

    >>> distance("soluton", "solution"), distance("end", "begin")
    (1, 4)
    """
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        above = row
        row = [i]
        for j, wanted in enumerate(other, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (letter != wanted)))
    return row[-1]
