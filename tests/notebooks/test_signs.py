"""A notebook formats no sign of a number that it prints: a hyphen would stand for the minus, and −0.0 for 0."""

import ast

import build
import pytest


def own_signs(source: str) -> list[str]:
    """What a cell prints with a sign or as a number of standard errors, in place of `distance` and `show`."""
    printed = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and is_print(node)]
    fields = [part for call in printed for part in ast.walk(call) if isinstance(part, ast.FormattedValue)]
    return [ast.unparse(field.value) for field in fields if is_signed(field) or "z_score" in ast.unparse(field.value)]


def is_print(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "print"


def is_signed(field: ast.FormattedValue) -> bool:
    return field.format_spec is not None and ast.unparse(field.format_spec).lstrip("f'\"").startswith("+")


@pytest.mark.parametrize("name", build.names())
def test_a_notebook_formats_no_sign_itself(name):
    cells = [cell for cell in build.read(name).cells if cell.cell_type == "code"]
    assert [found for cell in cells for found in own_signs(cell.source)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('print(f"{x:+.1f}")', ["x"]),
        ('for x in y:\n    print(f"a {measured.z_score(1):.1f} b")', ["measured.z_score(1)"]),
        ('print(f"{x:.1f} {distance(x, 1)}")', []),
        ('show([{"gain": f"{x:+.1f}"}])', []),
    ],
)
def test_an_own_sign_is_seen(source, found):
    assert own_signs(source) == found
