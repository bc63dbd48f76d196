"""The lectures of `make slides` in the book: pages of their own, with what they load and no more."""

import shutil
import sys
from pathlib import Path

from folders import ROOT

sys.path.insert(0, str(ROOT / "notebooks"))
import slides

FOLDER = "slides"  # of the site
LOADED = (  # of the assets of a lecture: patterns
    "reveal/dist/reset.css",
    "reveal/dist/reveal.css",
    "reveal/dist/reveal.js",
    "notes/notes.js",
    "mathjax/MathJax.js",
    "mathjax/extensions/tex2jax.js",
    "mathjax/extensions/MathEvents.js",
    "mathjax/extensions/TeX/*.js",
    "mathjax/jax/element/mml/**/*.js",
    "mathjax/jax/input/TeX/*.js",
    "mathjax/jax/output/SVG/*.js",
    "mathjax/jax/output/SVG/autoload/*.js",
    "mathjax/jax/output/SVG/fonts/STIX-Web/**/*.js",
)


def lectures() -> list[str]:
    """The notebooks that have a lecture, in the order of the course."""
    return slides.names()


def write_lectures(folder: Path) -> None:
    """Write a page for each lecture. Args: folder: of the site's, where they go; it is made."""
    everything = folder / "everything"
    slides.place_assets(everything)
    for pattern in LOADED:
        for file in sorted(everything.glob(pattern)):
            target = folder / "assets" / file.relative_to(everything)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target)
    shutil.rmtree(everything)
    for name in lectures():
        (folder / f"{name}.html").write_text(slides.page(name), encoding="utf-8")
