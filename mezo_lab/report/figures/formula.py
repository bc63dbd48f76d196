"""LaTeX → inline SVG through matplotlib's mathtext: outlines, so that a formula looks the same everywhere.

By hand, as `matplotlib.mathtext.math_to_image` gives each formula a copy of its glyphs and one fixed colour: seven
times the bytes on a page of 1,200 formulas, and black on the dark scheme. MathML looks different in every browser.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.path import Path

__all__ = ["Glyph", "formula_svg", "glyph_definitions"]

_EM = 1000  # SVG units
_FONT_SIZE = 100  # points: that of matplotlib's own outlines, so glyphs come unscaled
_CLOSE = 79
_COMMANDS = {1: "M", 2: "L", 3: "Q", 4: "C", _CLOSE: "Z"}  # the codes of matplotlib.path.Path
_glyphs: dict[str, "Glyph"] = {}  # already drawn: most of the time of a formula goes into outlines


@dataclass(frozen=True)
class Glyph:
    """An outline, named after what it shows: the same name always means the same picture."""

    name: str
    outline: str


@dataclass(frozen=True)
class _Formula:
    """A formula set on its baseline, in thousandths of an em, y downwards."""

    width: int
    height: int
    depth: int
    glyphs: tuple[tuple[Glyph, int, int], ...]
    """Each glyph with its x and y."""
    rules: tuple[tuple[int, int, int, int], ...]
    """Fraction bars: x, y, width, height."""


def formula_svg(latex: str, defined: dict[str, Glyph] | None = None) -> str:
    """A formula as an inline `<svg>` in the colour and size of the text around it, labelled with its LaTeX.

    Cost: about 20 ms the first time, then none.

    Args:
        latex: what mathtext accepts, without the dollars.
        defined: glyphs that the page defines once, with `glyph_definitions`; those of this formula are added. None: the
            SVG carries its own.

    Returns: the element. Raises: ValueError when mathtext cannot set the formula.

    >>> svg = formula_svg(r"E[\\hat g] = g")
    >>> svg[:34], svg.count("<use ")
    ('<svg class="formula" role="img" ar', 7)
    """
    formula = _typeset(latex)
    own = {glyph.name: glyph for glyph, _, _ in formula.glyphs}
    definitions = glyph_definitions(own)
    if defined is not None:
        defined |= own
        definitions = ""
    total = formula.height + formula.depth
    return (
        f'<svg class="formula" role="img" aria-label="{escape(latex)}"'
        f' viewBox="0 {-formula.height} {formula.width} {total}"'
        f' width="{formula.width / _EM:.3f}em" height="{total / _EM:.3f}em"'
        f' style="vertical-align:{-formula.depth / _EM:.3f}em" fill="currentColor">'
        + definitions
        + "".join(f'<use href="#{glyph.name}" x="{x}" y="{y}"/>' for glyph, x, y in formula.glyphs)
        + "".join(f'<rect x="{x}" y="{y}" width="{w}" height="{h}"/>' for x, y, w, h in formula.rules)
        + "</svg>"
    )


def glyph_definitions(glyphs: dict[str, Glyph]) -> str:
    """The glyphs that formulas refer to, for one `<svg>` of the page."""
    paths = (f'<path id="{glyph.name}" d="{glyph.outline}"/>' for glyph in glyphs.values())
    return f"<defs>{''.join(paths)}</defs>"


@cache
def _typeset(latex: str) -> _Formula:
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextToPath

    setter = TextToPath()
    font = FontProperties(size=_FONT_SIZE, math_fontfamily="stix")
    text = f"${_displayed(latex)}$"
    width, height, depth = setter.get_text_width_height_descent(text, font, ismath=True)
    placed, outlines, rules = setter.get_glyphs_mathtext(font, text)
    glyphs = ((_glyph(name, scale, Path(*outlines[name])), _units(x), -_units(y)) for name, x, y, scale in placed)
    return _Formula(
        width=_units(width),
        height=_units(height - depth),
        depth=_units(depth),
        glyphs=tuple(glyphs),
        rules=tuple(_rule(corners) for corners, _ in rules),
    )


def _displayed(latex: str) -> str:
    """Fractions at full size, and no space around a superscript that mathtext takes for an operator.

    >>> _displayed(r"g^\\top \\frac{u}{n} \\theta^+")
    'g^⊤ \\\\dfrac{u}{n} \\\\theta^{+}'
    """
    return re.sub(r"\^([+*])", r"^{\1}", latex.replace(r"\top", "⊤").replace(r"\frac", r"\dfrac"))


def _glyph(name: str, scale: float, outline: "Path") -> Glyph:
    """Named by checksum: two formulas of one page may both define it, and both be right."""
    key = f"{name} {scale:.3f}"
    if key not in _glyphs:
        _glyphs[key] = Glyph(f"g{zlib.crc32(key.encode()):x}", _svg_path(outline, scale))
    return _glyphs[key]


def _svg_path(outline: "Path", scale: float) -> str:
    commands = []
    for points, code in outline.iter_segments(simplify=False):
        commands.append(_COMMANDS[int(code)])
        if code != _CLOSE:
            commands.append(_coordinates((points * scale).reshape(-1, 2).tolist()))
    return "".join(commands)


def _coordinates(points: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{_units(x)} {-_units(y)}" for x, y in points)


def _rule(corners: Sequence[Sequence[float]]) -> tuple[int, int, int, int]:
    (left, bottom), _, (right, top), *_ = corners
    return _units(left), -_units(top), _units(right - left), max(_units(top - bottom), 1)


def _units(points: float) -> int:
    return round(float(points) * _EM / _FONT_SIZE)
