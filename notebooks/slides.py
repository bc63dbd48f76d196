"""Lectures of seven notebooks, for a projector without a network: `make slides` writes them to out/slides.

    python notebooks/slides.py [NAME ...] [--out FOLDER]

A slide is a section of the notebook: its heading with its first paragraphs, or with a figure and the paragraph that
reads it. The rest goes to the notes (key S): derivations, code, printed output, and from TEACHING the answers to the
predictions and what people get wrong. lectures.toml has the minutes of a lecture, and its sections in their order where
they are not all those of the notebook. A code cell tagged `slide` is shown. `?print-pdf` after the address prints. The
scripts of a page, reveal.js and MathJax, are copied beside it from packages of the extra `slides`.
"""

import argparse
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
from build import HERE  # beside this file
from marks import unsolved  # beside this file
from nbconvert import SlidesExporter

LECTURES = tomllib.loads((HERE / "lectures.toml").read_text(encoding="utf-8"))  # number of a notebook → its lecture
MOST_SLIDES = 15  # of a lecture: two minutes each, and half an hour
MOST_WORDS = 90  # of a slide
FIGURE_WORDS = 40  # of a slide with a figure
# of printed output that is shown
MOST_LINES = 9
MOST_COLUMNS = 88
# headings with a meaning
EXERCISES = "## Exercises"
CHECK = "## Check"
PREDICTIONS = "## Predict"
MEANING = "## What it means"
ASSETS = {  # where beside a page → package, folder in it
    "reveal/dist": ("sphinx_revealjs", "_static/revealjs/dist"),
    "notes": ("sphinx_revealjs", "_static/revealjs/plugin/notes"),
    "mathjax": ("nbclassic", "static/components/MathJax"),
}
# nbconvert's page, with scripts that lie beside it. MathJax draws formulas as SVG, as a page opened from a disk may
# load no fonts, and each when its slide is first shown, because a hidden one has no size; on paper nothing is hidden.
PAGE = """{% extends 'reveal/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}
<style>
.reveal .slides { text-align: left }
.reveal .slides h1, .reveal .slides h2 { text-transform: none; font-size: 44px !important; margin-bottom: 20px }
.reveal .slides p, .reveal .slides li { font-size: 27px !important; line-height: 1.35 }
.reveal .slides ol, .reveal .slides ul { display: block }
.reveal .slides pre { width: 100%; font-size: 21px !important; white-space: pre-wrap; box-shadow: none }
.reveal .slides img { display: block; width: 80%; max-height: 440px; object-fit: contain; margin: 0 auto 8px }
.reveal .slides .jp-Cell, .reveal .slides .jp-InputArea { padding: 0; margin: 0; overflow: visible }
</style>
<script type="text/x-mathjax-config">
MathJax.Hub.Config({
  jax: ["input/TeX", "output/SVG"],
  extensions: ["tex2jax.js"],
  tex2jax: {inlineMath: [["$", "$"]], displayMath: [["$$", "$$"]], processEscapes: true},
  TeX: {extensions: ["AMSmath.js", "AMSsymbols.js"]},
  SVG: {font: "STIX-Web"},
  messageStyle: "none",
  skipStartupTypeset: true
});
</script>
<script src="assets/mathjax/MathJax.js"></script>
<script src="assets/reveal/dist/reveal.js"></script>
<script src="assets/notes/notes.js"></script>
{% endblock %}
{% block footer_js %}
<script>
const typeset = (place) => MathJax.Hub.Queue(["Typeset", MathJax.Hub, place]);
Reveal.on("ready", () => typeset(Reveal.getCurrentSlide()));
Reveal.on("slidechanged", () => typeset(Reveal.getCurrentSlide()));
Reveal.on("pdf-ready", () => typeset(document.querySelector(".reveal")));
Reveal.initialize({width: 1200, height: 750, center: false, hash: true, transition: "none",
  slideNumber: "c/t", plugins: [RevealNotes]});
</script>
{% endblock %}
"""


@dataclass
class Slide:
    """The part of a section that is shown, and the speaker's notes."""

    heading: str
    words: list[str] = field(default_factory=list)  # paragraphs
    figure: str = ""  # HTML, with its alternative text
    shown: list[str] = field(default_factory=list)  # code, or its output
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The slide as one cell of words."""
        return "\n\n".join(part for part in (self.heading, self.figure, *self.words, *self.shown) if part)


def names() -> list[str]:
    """The notebooks that have slides."""
    return [path.stem for path in sorted(HERE.glob("[0-9]*.ipynb")) if path.stem[:2] in LECTURES]


def as_slides(
    notebook: Any,
    answers: str = "",
    minutes: int = 0,
    misconceptions: tuple[str, ...] = (),
    chosen: tuple[str, ...] = (),
) -> Any:
    """The lecture of a notebook: a cell for each slide, and one for its notes.

    Args:
        answers: to the predictions.
        minutes: of the lecture; 0: not said.
        misconceptions: for the notes.
        chosen: headings, in the order of the lecture; none: all, in that of the notebook.

    Raises:
        ValueError: a chosen heading is none of the notebook.
    """
    slides = fitted([slide for heading, cells in in_order(notebook, chosen) for slide in slides_of(heading, cells)])
    if minutes:
        slides[0].notes.insert(0, f"**Minutes.** {minutes} for {len(slides)} slides.")
    for slide in slides:
        if slide.heading.startswith(PREDICTIONS) and answers:
            slide.notes.insert(0, f"**Answers.** {answers}")
    if misconceptions:
        place = next((slide for slide in slides if slide.heading.startswith(MEANING)), slides[-1])
        place.notes[:0] = ["**What people get wrong.**", *misconceptions]
    notebook.cells = []
    for number, slide in enumerate(slides):
        shown = nbformat.v4.new_markdown_cell(slide.markdown(), id=f"slide-{number}")
        notes = nbformat.v4.new_markdown_cell("\n\n".join(slide.notes) or "–", id=f"notes-{number}")
        shown.metadata["slideshow"] = {"slide_type": "slide"}
        notes.metadata["slideshow"] = {"slide_type": "notes"}
        notebook.cells += [shown, notes]
    return notebook


def in_order(notebook: Any, chosen: tuple[str, ...] = ()) -> list[tuple[str, list[Any]]]:
    """The chosen sections in their order; all, where none are chosen."""
    found = dict(sections(notebook)) if chosen else {}
    for heading in chosen:
        if heading not in found:
            raise ValueError(f"`sections` must be headings of the notebook; got {heading!r}: correct lectures.toml")
    return [(heading, found[heading]) for heading in chosen] or list(sections(notebook))


def sections(notebook: Any) -> Iterator[tuple[str, list[Any]]]:
    """(heading, cells) of each section, without exercises and their solutions."""
    heading = ""
    cells: list[Any] = []
    for cell in notebook.cells:
        if {"solution", "install"} & set(cell.metadata.get("tags", ())):
            continue
        if cell.cell_type != "markdown":
            cells.append(cell)
            continue
        for text in re.split(r"\n+(?=#{1,2} )", cell.source):
            if re.match(r"#{1,2} ", text):
                if heading and not heading.startswith(EXERCISES):
                    yield heading, cells
                heading, _, text = text.partition("\n")
                cells = []
            cells.append(nbformat.from_dict({**cell, "source": text.strip("\n")}))
    yield heading, cells


def slides_of(heading: str, cells: list[Any]) -> list[Slide]:
    """The slide of a section, and another for each of its figures."""
    opening = Slide(heading)
    slides = [opening]
    for cell in cells:
        if cell.cell_type == "markdown":
            paragraphs = [text for text in re.split(r"\n{2,}", cell.source) if text.strip()]
            if not slides[-1].words and paragraphs:
                slides[-1].words, paragraphs = taken(paragraphs, _room(slides[-1]))
            slides[-1].notes += paragraphs
            continue
        source = unsolved(cell.source)
        if "slide" in cell.metadata.get("tags", ()):
            opening.shown.append(fenced(source, "python"))
        elif not is_imports(source):
            slides[-1].notes.append(fenced(source, "python"))
        if source != cell.source:
            continue  # the output of a solution
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                slides.append(Slide(heading, figure=image(output)))
            elif printed := text_of(output):
                slides[-1].notes.append(fenced(printed))
                if is_short(printed) and not opening.shown and words_in(opening.words) <= FIGURE_WORDS:
                    opening.shown.append(fenced(printed))
    return slides


def _room(slide: Slide) -> int:
    """The words that a slide may have; predictions are shown whole."""
    if slide.figure:
        return FIGURE_WORDS
    if slide.heading.startswith(PREDICTIONS):
        return sys.maxsize
    return MOST_WORDS


def fitted(slides: list[Slide]) -> list[Slide]:
    """At most `MOST_SLIDES`: an opening yields to its figure, a check goes to the notes, as does a second figure."""
    lecture: list[Slide] = []
    excess = len(slides) - MOST_SLIDES
    for slide, following in zip(slides, [*slides[1:], None], strict=True):
        if excess > 0 and lecture and _goes_to_notes(slide, lecture[-1], following):
            _add_to_notes(slide, lecture[-1], following)
            excess -= 1
        else:
            lecture.append(slide)
    return lecture


def _is_check(slide: Slide) -> bool:
    return slide.heading.startswith(CHECK) and not slide.figure


def _opens_figure(slide: Slide, following: Slide | None) -> bool:
    return following is not None and following.heading == slide.heading and not slide.figure


def _goes_to_notes(slide: Slide, before: Slide, following: Slide | None) -> bool:
    is_second_figure = before.heading == slide.heading and bool(before.figure)
    return _opens_figure(slide, following) or _is_check(slide) or is_second_figure


def _add_to_notes(slide: Slide, before: Slide, following: Slide | None) -> None:
    """Move a slide to the notes of the figure that it opens, or else of the slide before it."""
    notes = [*slide.words, *slide.notes]
    if _is_check(slide):
        notes = [slide.heading, *notes]
    if following is not None and _opens_figure(slide, following):
        following.notes = [*notes, *following.notes]
    else:
        before.notes += notes


def taken(paragraphs: list[str], most: int) -> tuple[list[str], list[str]]:
    """The first paragraphs, of at most so many words together, and the others; at least one sentence of the first.

    >>> taken(["One picture. It says a lot.", "More of it."], most=5)
    (['One picture.'], ['It says a lot.', 'More of it.'])
    """
    if words_in(paragraphs[:1]) > most and is_prose(paragraphs[0]):
        sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", paragraphs[0])
        number = fitting(sentences, most)
        rest = [" ".join(sentences[number:])] if number < len(sentences) else []
        return [" ".join(sentences[:number])], [*rest, *paragraphs[1:]]
    number = fitting(paragraphs, most)
    return paragraphs[:number], paragraphs[number:]


def fitting(parts: list[str], most: int) -> int:
    """How many of the first parts have at most so many words together, but one at least."""
    number = 1
    while number < len(parts) and words_in(parts[: number + 1]) <= most:
        number += 1
    return number


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph may be cut between two sentences: no list, table, quotation, formula or HTML."""
    return not re.match(r"[-*|>$<]|\d+\.", paragraph)


def words_in(paragraphs: list[str]) -> int:
    """The number of words; a displayed formula counts as fifteen.

    >>> words_in(["Two words.", "$$x = 1$$"])
    17
    """
    return sum(15 if text.startswith("$$") else len(text.split()) for text in paragraphs)


def is_imports(source: str) -> bool:
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith((" ", ")", "#"))]
    return all(line.startswith(("import ", "from ")) for line in lines)


def is_short(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) <= MOST_LINES and all(len(line) <= MOST_COLUMNS for line in lines)


def text_of(output: Any) -> str:
    """The text of an output; none for one that has HTML too."""
    if output.output_type == "stream":
        return output.text.strip("\n")
    data = output.get("data", {})
    if "text/html" in data:
        return ""
    return str(data.get("text/plain", "")).strip("\n")


def fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text}\n```"


def image(output: Any) -> str:
    words = output.metadata.get("image/png", {}).get("alt", "")
    data = output.data["image/png"].replace("\n", "")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(words)}" />'


def predictions() -> dict[str, str]:
    """Number of a notebook → TEACHING's answers to its predictions."""
    teaching = (HERE / "TEACHING.md").read_text(encoding="utf-8")
    answers = teaching.partition("## Answers to the predict cells")[2].partition("\n## ")[0]
    paragraphs = re.findall(r"\*\*(\d+)\. [^*]+\*\* (.+?)(?=\n\n|\Z)", answers, re.S)
    return {number.zfill(2): text for number, text in paragraphs}


def misconceptions(beginnings: list[str]) -> tuple[str, ...]:
    """TEACHING's paragraphs on what people get wrong that begin so. Raises: ValueError for one that is not there."""
    teaching = (HERE / "TEACHING.md").read_text(encoding="utf-8")
    wrong = teaching.partition("## What people get wrong")[2].partition("\n## ")[0]
    items = [" ".join(item.split()) for item in re.split(r"^- ", wrong, flags=re.M)[1:]]
    found = []
    for words in beginnings:
        matching = [item for item in items if item.startswith(f'*"{words}')]
        if not matching:
            raise ValueError(f"`misconceptions` must begin one of TEACHING's; got {words!r}: correct lectures.toml")
        found.append(matching[0])
    return tuple(found)


def lecture_of(name: str) -> Any:
    """The slides of a built notebook, with its notes, as lectures.toml says."""
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    plan = LECTURES[name[:2]]
    return as_slides(
        notebook,
        predictions().get(name[:2], ""),
        plan["minutes"],
        misconceptions(plan["misconceptions"]),
        tuple(plan.get("sections", ())),
    )


def page(name: str) -> str:
    """The slides of a built notebook, as one page of HTML."""
    exporter = SlidesExporter(raw_template=PAGE, reveal_url_prefix="assets/reveal", reveal_theme="white")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    return exporter.from_notebook_node(lecture_of(name), resources={"metadata": {"name": name}})[0]


def place_assets(folder: Path) -> None:
    """Copy what the pages load. Raises: ModuleNotFoundError naming the extra."""
    for target, (package, inside) in ASSETS.items():
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"Slides need {package}, which is not installed: pip install 'mezo_lab[slides]'.")
        shutil.copytree(Path(spec.submodule_search_locations[0]) / inside, folder / target, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; none: all")
    parser.add_argument("--out", type=Path, default=HERE.parent / "out/slides", metavar="FOLDER")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(names())):
        parser.error(f"NAME must be one of {', '.join(names())}; got {unknown[0]}")
    try:
        place_assets(arguments.out / "assets")
    except ModuleNotFoundError as error:
        sys.exit(str(error))
    for name in arguments.names or names():
        (arguments.out / f"{name}.html").write_text(page(name), encoding="utf-8")
        print(arguments.out / f"{name}.html")


if __name__ == "__main__":
    main()
