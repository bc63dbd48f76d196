r"""A long statement is set in lines that fit a page, and says what it said."""

import re

import pytest
from statement_lines import MOST, in_lines, width

from mezo_lab.claims import REGISTRY

pytestmark = pytest.mark.repo


def lines_of(latex: str) -> list[str]:
    """The lines of an aligned formula."""
    inner = latex.removeprefix("\\begin{aligned}\n").removesuffix("\n\\end{aligned}")
    return [line.removeprefix("& ").removesuffix(" \\\\") for line in inner.split("\n")]


def said(latex: str) -> str:
    """A formula without what only sets it: room, and the signs of a new line."""
    return re.sub(r"\\(?:begin|end)\{aligned\}|\\\\(?=\n)|\\q?quad|\\[ ,]|[\s&]", "", latex)


@pytest.mark.parametrize("claim", REGISTRY.values(), ids=lambda claim: claim.id)
def test_a_statement_loses_nothing_and_no_brace_is_left_open_on_a_line(claim):
    set_in_lines = in_lines(claim.statement)
    assert said(set_in_lines) == said(claim.statement)
    for line in lines_of(set_in_lines):
        assert line.count("{") == line.count("}") and len(re.findall(r"\\left\b", line)) == len(
            re.findall(r"\\right\b", line)
        )
        assert width(line) <= MOST + 12, line


def test_a_line_ends_where_a_reader_pauses():
    assert in_lines("a = b", most=5) == "a = b"
    assert lines_of(in_lines(r"a = b; \quad c = d", most=6)) == ["a = b;", "c = d"]
    assert lines_of(in_lines(r"a = b \ \mathrm{for}\ c", most=6)) == ["a = b", r"\qquad \mathrm{for}\ c"]
    assert lines_of(in_lines("a = b = c", most=6)) == ["a = b", r"\qquad = c"]


def test_no_line_ends_inside_of_a_bracket():
    whole = r"f(a, \quad b, \quad c)"
    assert in_lines(whole, most=2) == whole


def test_a_fraction_is_as_wide_as_its_wider_part():
    assert width(r"\frac{abc}{d}") == width("abc") == 3
    assert width(r"x^{ab}") == pytest.approx(1 + 1.4)
