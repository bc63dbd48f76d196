"""The bodies stay straight: few tuple assignments and ternaries, and a comment where a reader would stop."""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# per 1,000 lines
MOST = {"tuple assignments": 4.0, "spread literals": 1.0, "ternaries": 6.0, "nested ternaries": 0.0}
LEAST = {"comments": 20.0}
MOST_OF_BOOK = MOST | {"ternaries": 14.0}  # a page is made of many words that are there or not
LEAST_OF_BOOK = {"comments": 18.0}
DIRECTIVES = ("noqa", "type: ignore", "pyright:", "fmt:")  # comments for tools


def counted(source: str) -> Counter:
    """Lines, tuple assignments, spread literals as in `(*(1, 2), 3)`, ternaries and comments of one file."""
    nodes = list(ast.walk(ast.parse(source)))
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    ternaries = [node for node in nodes if isinstance(node, ast.IfExp)]
    spread = [node.value for node in nodes if isinstance(node, ast.Starred)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return Counter(
        {
            "lines": len(source.splitlines()),
            "tuple assignments": sum(
                isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple) for node in assigned
            ),
            "spread literals": sum(isinstance(value, ast.Tuple | ast.List) for value in spread),
            "ternaries": len(ternaries),
            "nested ternaries": sum(isinstance(node, ast.IfExp) for each in ternaries for node in ast.walk(each))
            - len(ternaries),
            "comments": sum(not any(word in comment for word in DIRECTIVES) for comment in comments),
        }
    )


def counted_in(files: Iterable[Path]) -> Counter:
    return sum((counted(path.read_text(encoding="utf-8")) for path in files), Counter())


def broken_rules(count: Counter, limits: dict[str, float] = MOST, floors: dict[str, float] = LEAST) -> list[str]:
    """What there is too much or too little of, per 1,000 lines."""
    rate = {name: 1000 * number / count["lines"] for name, number in count.items()}
    many = [f"{name}: {rate[name]:.1f} > {most}" for name, most in limits.items() if rate.get(name, 0) > most]
    return many + [f"{name}: {rate[name]:.1f} < {least}" for name, least in floors.items() if rate[name] < least]


def test_the_package_is_straight_and_commented():
    assert broken_rules(counted_in((ROOT / "mezo_lab").rglob("*.py"))) == []


@pytest.mark.repo
def test_the_book_is_straight_and_commented():
    assert broken_rules(counted_in((ROOT / "book").rglob("*.py")), MOST_OF_BOOK, LEAST_OF_BOOK) == []


STRAIGHT = "# why\n" * 25 + "x = 1\n" * 980


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (STRAIGHT + "a, b = 1, 2\n" * 6, "tuple assignments"),
        (STRAIGHT + "c = 1 if x else 2\n" * 8, "ternaries"),
        (STRAIGHT + "c = 1 if x else 2 if y else 3\n", "nested ternaries"),
        (STRAIGHT + "c = (*(1, 2), 3)\n" * 2, "spread literals"),
        (STRAIGHT.replace("# why", "# noqa", 10), "comments"),
    ],
)
def test_a_count_that_is_off_is_seen(source, named):
    assert broken_rules(counted(STRAIGHT)) == []
    (found,) = broken_rules(counted(source))
    assert found.startswith(named)
