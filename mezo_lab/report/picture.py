"""A figure as inline SVG: real text in the page's font and ink, and no name that another figure could have."""

import io
import re
from html import escape
from typing import TYPE_CHECKING

from mezo_lab.report.figures.style import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inline_svg"]

_PAGE_COLOURS = {INK: "currentColor", GREY: "var(--muted)"}  # so that a figure follows the light or the dark scheme
_LEFT_TO_THE_PAGE = re.compile(
    r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->|font-family: [^;\"]*;?|\n\s*(?=<)",
    re.DOTALL,
)
_REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]+)')


def inline_svg(figure: "Figure", name: str, alt: str) -> str:
    """The figure as an `<svg>` element for the body of a page.

    Args:
        figure: of matplotlib, as `claim_figure` draws it.
        name: unique on the page; every id inside starts with it.
        alt: what the figure shows, in words.
    """
    svg = _LEFT_TO_THE_PAGE.sub("", _saved(figure, name)).replace("xlink:href", "href")
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)  # matplotlib 3.9 writes families this way
    for colour, role in _PAGE_COLOURS.items():
        svg = svg.replace(colour, role)
    (box,) = re.findall(r'viewBox="[^"]*"', svg)
    svg = re.sub(r"<svg[^>]*>", f'<svg role="img" aria-label="{escape(alt)}" {box}>', svg, count=1)
    return _with_unique_ids(svg, name)


def _saved(figure: "Figure", name: str) -> str:
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :].strip()


def _with_unique_ids(svg: str, name: str) -> str:
    """Put the name in front of every id that something refers to, and remove the others."""
    targets = set(_REFERENCE.findall(svg))

    def renamed(match: re.Match) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in targets else ""

    svg = re.sub(r' id="([^"]*)"', renamed, svg)
    return re.sub(r'(url\(#|href="#)', rf"\1{name}-", svg)
