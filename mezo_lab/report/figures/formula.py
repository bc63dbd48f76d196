"""LaTeX → inline SVG through matplotlib's mathtext: outlines, so that a formula looks the same everywhere."""

import html
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.path import Path

EM = 1000  # SVG units
FONT_SIZE = 100  # points: that of matplotlib's own outlines, so glyphs come unscaled
CLOSE = 79
COMMANDS = {1: "M", 2: "L", 3: "Q", 4: "C", CLOSE: "Z"}  # the codes of matplotlib.path.Path
OUTLINES: dict[str, str] = {}  # of glyphs already drawn


@dataclass(frozen=True)
class Glyph:
    """An outline, named after what it shows: the same name always means the same picture."""

    name: str
    outline: str


@dataclass(frozen=True)
class Formula:
    """A formula set on its baseline, in thousandths of an em, y downwards."""

    width: int
    height: int
    depth: int
    glyphs: tuple[tuple[Glyph, int, int], ...]  # with x and y
    rules: tuple[tuple[int, int, int, int], ...]  # fraction bars: x, y, width, height


def formula_svg(latex: str, defined: dict[str, Glyph] | None = None) -> str:
    """A formula as an inline `<svg>` in the colour and size of the text around it, labelled with its LaTeX.

    Cost: about 20 ms the first time, then none.

    Args:
        latex: what mathtext accepts, without the dollars.
        defined: glyphs that the page defines once, with `glyph_defs`; those of this formula are added. None: the SVG
            carries its own.

    Returns: the element. Raises: ValueError when mathtext cannot set the formula.

    >>> svg = formula_svg(r"E[\\hat g] = g")
    >>> svg[:34], svg.count("<use ")
    ('<svg class="formula" role="img" ar', 7)
    """
    formula = typeset(latex)
    own = {glyph.name: glyph for glyph, _, _ in formula.glyphs}
    if defined is not None:
        defined |= own
    total = formula.height + formula.depth
    return (
        f'<svg class="formula" role="img" aria-label="{html.escape(latex)}"'
        f' viewBox="0 {-formula.height} {formula.width} {total}"'
        f' width="{formula.width / EM:.3f}em" height="{total / EM:.3f}em"'
        f' style="vertical-align:{-formula.depth / EM:.3f}em" fill="currentColor">'
        + (glyph_defs(own) if defined is None else "")
        + "".join(f'<use href="#{glyph.name}" x="{x}" y="{y}"/>' for glyph, x, y in formula.glyphs)
        + "".join(f'<rect x="{x}" y="{y}" width="{w}" height="{h}"/>' for x, y, w, h in formula.rules)
        + "</svg>"
    )


def glyph_defs(defined: dict[str, Glyph]) -> str:
    """The glyphs that formulas refer to, for one `<svg>` of the page."""
    paths = (f'<path id="{glyph.name}" d="{glyph.outline}"/>' for glyph in defined.values())
    return f"<defs>{''.join(paths)}</defs>"


@cache
def typeset(latex: str) -> Formula:
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextToPath

    setter, font, text = TextToPath(), FontProperties(size=FONT_SIZE, math_fontfamily="stix"), f"${displayed(latex)}$"
    width, height, depth = setter.get_text_width_height_descent(text, font, ismath=True)
    placed, outlines, rules = setter.get_glyphs_mathtext(font, text)
    return Formula(
        width=units(width),
        height=units(height - depth),
        depth=units(depth),
        glyphs=tuple((glyph(name, scale, Path(*outlines[name])), units(x), -units(y)) for name, x, y, scale in placed),
        rules=tuple(rule(corners) for corners, _ in rules),
    )


def displayed(latex: str) -> str:
    """Fractions at full size, and no space around a superscript that mathtext takes for an operator.

    >>> displayed(r"g^\\top \\frac{u}{n} \\theta^+")
    'g^⊤ \\\\dfrac{u}{n} \\\\theta^{+}'
    """
    return re.sub(r"\^([+*])", r"^{\1}", latex.replace(r"\top", "⊤").replace(r"\frac", r"\dfrac"))


def glyph(name: str, scale: float, outline: "Path") -> Glyph:
    """Named by checksum: two formulas of one page may both define it, and both be right."""
    key = f"{name} {scale:.3f}"
    if key not in OUTLINES:
        OUTLINES[key] = svg_path(outline, scale)
    return Glyph(f"g{zlib.crc32(key.encode()):x}", OUTLINES[key])


def svg_path(outline: "Path", scale: float) -> str:
    return "".join(
        COMMANDS[int(code)] + ("" if code == CLOSE else coordinates((points * scale).reshape(-1, 2).tolist()))
        for points, code in outline.iter_segments(simplify=False)
    )


def coordinates(points: Sequence[Sequence[float]]) -> str:
    return " ".join(f"{units(x)} {-units(y)}" for x, y in points)


def rule(corners: Sequence[Sequence[float]]) -> tuple[int, int, int, int]:
    (left, bottom), _, (right, top), *_ = corners
    return units(left), -units(top), units(right - left), max(units(top - bottom), 1)


def units(points: float) -> int:
    return round(float(points) * EM / FONT_SIZE)
