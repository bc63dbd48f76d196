"""No test fails by the clock: a limit on wall time ends what hangs and nothing else, and no assertion reads a clock."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
HANGS = 600  # seconds: shorter limits end what is only slow, on a machine that is busy
WAITING = {"wait", "join", "communicate", "poll"}
CLOCK = re.compile(r"""\b(monotonic|perf_counter|time\.time)\(|\b(seconds|elapsed|took)\b["'\]]*\s*<""")


def by_the_clock(source: str) -> list[str]:
    """Every short limit of a call, and every assertion about the time that something took."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            limits = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
            if isinstance(node.func, ast.Attribute) and node.func.attr in WAITING:
                limits += node.args
            for limit in limits:
                if isinstance(limit, ast.Constant) and isinstance(limit.value, int | float) and limit.value < HANGS:
                    found.append(f"line {node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Assert) and CLOCK.search(ast.unparse(node.test)):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("file", sorted(TESTS.rglob("*.py")), ids=lambda file: str(file.relative_to(TESTS)))
def test_no_test_fails_by_the_clock(file):
    assert by_the_clock(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(command, timeout=60)",
        "assert ready.wait(60)",
        "process.join(5.0)",
        "process.communicate(timeout=30)",
        "assert time.monotonic() - began < 2",
        "assert outcome['seconds'] < 60",
        "assert result.seconds < 5 and result.ok",
    ],
)
def test_a_limit_that_a_busy_machine_passes_is_caught(source):
    assert len(by_the_clock(source)) == 1


@pytest.mark.parametrize("source", ["subprocess.run(command, timeout=600)", "', '.join(words)", "assert seconds > 0"])
def test_a_limit_that_only_ends_what_hangs_is_none(source):
    assert by_the_clock(source) == []
