"""A figure as inline SVG: real text in the page's font and ink, and no name that another figure could have."""

import html
import io
import re
from typing import TYPE_CHECKING

from mezo_lab.report.figures.style import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE_COLOURS = {INK: "currentColor", GREY: "var(--muted)"}  # so that a figure follows the light or the dark scheme
LEFT_TO_THE_PAGE = re.compile(
    r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->|font-family: [^;\"]*;?|\n\s*(?=<)",
    re.DOTALL,
)
REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]+)')


def inline_svg(figure: "Figure", name: str, alt: str) -> str:
    """The figure as an `<svg>` element for the body of a page.

    Args: name: unique on the page; every id inside starts with it. alt: what the figure shows, in words.
    """
    svg = LEFT_TO_THE_PAGE.sub("", saved(figure, name)).replace("xlink:href", "href")
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)  # matplotlib 3.9 writes families this way
    for colour, role in PAGE_COLOURS.items():
        svg = svg.replace(colour, role)
    (box,) = re.findall(r'viewBox="[^"]*"', svg)
    svg = re.sub(r"<svg[^>]*>", f'<svg role="img" aria-label="{html.escape(alt)}" {box}>', svg, count=1)
    return named(svg, name)


def saved(figure: "Figure", name: str) -> str:
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :].strip()


def named(svg: str, name: str) -> str:
    """Ids that something refers to get the name in front; the others go."""
    wanted = set(REFERENCE.findall(svg))
    svg = re.sub(r' id="([^"]*)"', lambda id: f' id="{name}-{id[1]}"' if id[1] in wanted else "", svg)
    return re.sub(r'(url\(#|href="#)', rf"\1{name}-", svg)
