"""The bodies stay straight: few tuple assignments and ternaries, and a comment where a reader would stop."""

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mezo_lab"
MOST = {"tuple assignments": 4.0, "ternaries": 6.0}  # per 1,000 lines
LEAST = {"comments": 20.0}
DIRECTIVES = ("noqa", "type: ignore", "pyright:", "fmt:")  # comments for tools


def counted(source: str) -> Counter:
    """Lines, tuple assignments, ternaries and comments of one file."""
    nodes = list(ast.walk(ast.parse(source)))
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return Counter(
        {
            "lines": len(source.splitlines()),
            "tuple assignments": sum(
                isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple) for node in assigned
            ),
            "ternaries": sum(isinstance(node, ast.IfExp) for node in nodes),
            "comments": sum(not any(word in comment for word in DIRECTIVES) for comment in comments),
        }
    )


def broken_rules(count: Counter) -> list[str]:
    """What there is too much or too little of, per 1,000 lines."""
    rate = {name: 1000 * number / count["lines"] for name, number in count.items()}
    many = [f"{name}: {rate[name]:.1f} > {most}" for name, most in MOST.items() if rate[name] > most]
    return many + [f"{name}: {rate[name]:.1f} < {least}" for name, least in LEAST.items() if rate[name] < least]


def test_the_package_is_straight_and_commented():
    assert broken_rules(sum((counted(path.read_text()) for path in PACKAGE.rglob("*.py")), Counter())) == []


STRAIGHT = "# why\n" * 25 + "x = 1\n" * 980


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (STRAIGHT + "a, b = 1, 2\n" * 6, "tuple assignments"),
        (STRAIGHT + "c = 1 if x else 2\n" * 8, "ternaries"),
        (STRAIGHT.replace("# why", "# noqa", 10), "comments"),
    ],
)
def test_a_count_that_is_off_is_seen(source, named):
    assert broken_rules(counted(STRAIGHT)) == []
    (found,) = broken_rules(counted(source))
    assert found.startswith(named)
