"""Lectures of eight notebooks, for a projector without a network: `make slides` writes them to out/slides.

    python notebooks/slides.py [NAME ...] [--out FOLDER] [--built FOLDER]

Tags in a source choose and order the slides: slide_tags.py has their meaning. The words are those of the source, and
pictures and numbers those of the built notebook. lectures.toml has the minutes of each lecture. The notes (key S) have
the minutes of each slide, what the speaker says, and from TEACHING the answers to the predictions and what people get
wrong. `?print-pdf` after the address prints. The scripts of a page, reveal.js and MathJax, are copied beside it from
packages of the extra `slides`.
"""

import argparse
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import build
import slide_tags  # beside this file
from jinja2 import Environment
from nbconvert.filters import markdown2html_mistune
from pygments.formatters import HtmlFormatter

from mezo_lab.claims.wording import signs_of_print
from mezo_lab.course.notebook import SLIDE

HERE = Path(__file__).resolve().parent
LECTURES = tomllib.loads((HERE / "lectures.toml").read_text(encoding="utf-8"))  # number of a notebook → its lecture
# the pace of a speaker
WORDS_A_MINUTE = 130
SLIDE_SECONDS = 10  # to show another and let people look
PICTURE_SECONDS = 40  # to explain axes and lines
BLOCK_SECONDS = 20  # to read a table, code or printed lines
QUESTION_SECONDS = 15  # for hands to go up
FORMULA_WORDS = (3, 30)  # of a formula in a line, and of a displayed one
# of code and printed output
MOST_LINES = 14
MOST_COLUMNS = 68
LONGEST_NUMBER = 16  # letters, in a table
LONGEST_CELLS = (120, 52)  # letters: a column, or else a row, with a longer cell is left out of a table
DENSE = 115  # words of a slide whose letters are smaller
# headings with a meaning
PREDICTIONS = "Predict"
MEANING = "What it means"
ASSETS = {  # where beside a page → package, folder in it
    "reveal/dist": ("sphinx_revealjs", "_static/revealjs/dist"),
    "notes": ("sphinx_revealjs", "_static/revealjs/plugin/notes"),
    "mathjax": ("nbclassic", "static/components/MathJax"),
}


class StaleError(ValueError):
    """A built notebook that lacks what a slide shows."""


class TooLongError(ValueError):
    """Code or output that a slide cannot hold."""


@dataclass
class Slide:
    """What is shown, and what is said, in Markdown and HTML."""

    title: str
    shown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pictures: int = 0

    @property
    def is_dense(self) -> bool:
        """Whether its letters are smaller, to leave room."""
        return bool(self.pictures) or "<table" in "".join(self.shown) or words_in(self.shown) > DENSE

    @property
    def duration(self) -> float:
        """The seconds of a speaker who says what is shown and what the notes hold."""
        seconds = SLIDE_SECONDS + 60 * words_in([*self.shown, *self.notes]) / WORDS_A_MINUTE
        if self.title.startswith(PREDICTIONS):
            seconds += QUESTION_SECONDS * self.shown[0].count("?")
        blocks = sum(part.startswith(("<table", "```")) for part in self.shown)
        return seconds + PICTURE_SECONDS * self.pictures + BLOCK_SECONDS * blocks


def names() -> list[str]:
    """The notebooks that have a lecture."""
    return [name for name in build.names() if name[:2] in LECTURES]


def lecture_of(name: str, built: Path = HERE) -> list[Slide]:
    """The slides of a notebook, the title first.

    Args: built: the folder of the built notebook.
    Raises: TagError for tags that make no lecture; StaleError where the built notebook lacks an output.
    """
    notebook = build.read(name)
    outputs = build.outputs_of(built / f"{name}.ipynb")
    slides = [title_slide(notebook)]
    slides += [slide_of(each, outputs, name) for each in slide_tags.chosen(notebook, name)]
    return with_notes(slides, name)


def title_slide(notebook: Any) -> Slide:
    """The title of a notebook and the first sentence of its claim; the rest of the claim is said."""
    head = notebook.cells[0].source
    claim = re.search(r"\*\*Claim\.\*\* (.+?)(?:\n\n|\Z)", head, re.DOTALL)
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", " ".join(claim[1].split())) if claim else [""]
    title = head.partition("\n")[0].lstrip("# ")
    return Slide(title, [sentences[0], build.LICENCE], sentences[1:])


def slide_of(chosen: slide_tags.Chosen, outputs: dict[str, list[Any]], name: str) -> Slide:
    """A slide of the cells that its tags choose. Raises: StaleError, TooLongError, naming notebook and cell."""
    slide = Slide(chosen.heading)
    for part in chosen.parts:
        try:
            _add(slide, part, outputs, name)
        except TooLongError as error:
            raise TooLongError(f"Notebook {name}, cell {part.cell.id}: {error}") from None
    return slide


def _add(slide: Slide, part: slide_tags.Part, outputs: dict[str, list[Any]], name: str) -> None:
    """Put a cell on a slide, or into its notes."""
    if part.kind == "code":
        slide.shown.append(fenced(part.cell.source, "python"))
    elif part.kind == "notes":
        slide.notes.append(without_heading(part.cell.source))
    elif part.cell.cell_type == "markdown":
        slide.shown.append(questions_of(part.cell.source) or without_heading(part.cell.source))
    else:
        outs = outputs.get(part.cell.source, ())
        found = [displayed(output) for output in outs]
        pictures = [text for text in found if text.startswith("<img")]
        if not any(found) or any("image/png" in out.get("data", {}) and SLIDE not in out.data for out in outs):
            cell = f"cell {part.cell.id} ({part.cell.source.splitlines()[-1]!r})"
            raise StaleError(f"Notebook {name}, {cell} has no output: run `make notebooks NAME={name[:2]}`.")
        slide.shown += [text for text in found if text and not (pictures and text.startswith("<table"))]
        slide.pictures += len(pictures)


def questions_of(text: str) -> str:
    """The questions of a section of predictions, without the names that the notebook gives them.

    >>> questions_of("## Predict first\\n\\nWrite your answers below.\\n\\n1. `rate`: how large?\\n2. Why?")
    '1. How large?\\n2. Why?'
    """
    if not text.startswith(f"## {PREDICTIONS}"):
        return ""
    questions = text[text.index("\n1. ") + 1 :]
    return re.sub(
        r"^(\d+\. )(?:`\w+`:|\(`\w+`\)) (.)", lambda found: found[1] + found[2].upper(), questions, flags=re.MULTILINE
    )


def without_heading(text: str) -> str:
    """
    >>> without_heading("## One\\n\\nWords.")
    'Words.'
    """
    return re.sub(r"\A#{1,3} .+\n*", "", text)


def displayed(output: Any) -> str:
    """What a slide shows of an output, in Markdown; nothing of a picture's words or an answer that was left open."""
    data = output.get("data", {})
    if SLIDE in data:
        return image(output)
    html = data.get("text/html", "")
    if "<b>The experiment:</b>" in html:
        return f'<p class="result">{html.partition("<br>")[2].removesuffix("</p>")}</p>'
    if "<table" in html:
        return shortened(html[html.index("<table") : html.index("</table>") + len("</table>")])
    if html:
        return ""
    if "text/latex" in data:
        return data["text/latex"].replace("$\\displaystyle ", "$$").replace("$", "$$").replace("$$$$", "$$")
    text = output.get("text", "") or data.get("text/plain", "")
    return fenced(signs_of_print(text.strip("\n"))) if text.strip() else ""


def shortened(table: str) -> str:
    """A table of HTML without the columns, and then the rows, that have a cell too long for a slide.

    A row that is one cell across the table, such as the decoys of a verdict, stays whole if it is short; the words of a
    proof, which span less, are left out.

    >>> shortened("<tr><td>1</td><td>" + "why " * 40 + "</td></tr><tr><td>" + "too long " * 9 + "</td><td></td></tr>")
    '<tr><td>1</td></tr>'
    >>> shortened('<tr><td>a</td><td>b</td></tr><tr><td colspan="2">decoys</td></tr>').count("<tr")
    2
    >>> shortened('<tr><td></td><td>a</td></tr><tr><td></td><td colspan="1">words</td></tr>').count("<tr")
    1
    """
    rows = re.findall(r"<tr\b.*?</tr>", table, flags=re.DOTALL)
    cells = [re.findall(r"<t[dh]\b.*?</t[dh]>", row, flags=re.DOTALL) for row in rows]
    lengths = [[len(re.sub("<[^>]*>", "", cell)) for cell in row] for row in cells]
    column, line = LONGEST_CELLS
    whole = ["colspan" in row for row in rows]
    columns = [long for long, spans in zip(lengths, whole, strict=True) if not spans]
    kept = [k for k in range(len(cells[0])) if all(long[k] <= column for long in columns)]
    words = {k for k in kept if any(long[k] > LONGEST_NUMBER for long in columns[1:])}
    for row, inside, long, spans in zip(rows, cells, lengths, whole, strict=True):
        if spans:
            table = table if len(inside) == 1 and long[0] <= line else table.replace(row, "", 1)
            continue
        short = "<tr>" + "".join(_fitted(inside[k], k in words) for k in kept) + "</tr>"
        table = table.replace(row, short if all(long[k] <= line for k in kept) else "", 1)
    return table


def _fitted(cell: str, of_words: bool) -> str:
    """A cell of a column of words begins at the left; none breaks at a hyphen, beside a ±, or within a bracket.

    >>> _fitted("<td>c = (d + 2)/n</td>", False).split(" ")
    ['<td>c', '=', '(d\\xa0+\\xa02)/n</td>']
    """
    if of_words:
        cell = cell.replace("text-align:right", "text-align:left")
    cell = re.sub(r" ± | = (?=\d)|\([^()<>]*\)", lambda kept: kept[0].replace(" ", "\N{NO-BREAK SPACE}"), cell)
    return re.sub(r"(?<=>)[^<]+", lambda text: text[0].replace("-", "\N{NON-BREAKING HYPHEN}"), cell)


def image(output: Any) -> str:
    words = output.metadata.get("image/png", {}).get("alt", "")
    data = output.data[SLIDE].replace("\n", "")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(words)}">'


def fenced(text: str, language: str = "text") -> str:
    """Raises: TooLongError for more than a slide can hold."""
    lines = text.splitlines()
    if len(lines) > MOST_LINES or (language != "text" and max(map(len, lines)) > MOST_COLUMNS):
        raise TooLongError(f"A slide shows {MOST_LINES} lines of {MOST_COLUMNS} letters, got {len(lines)}: {text!r}")
    return f"```{language}\n{text}\n```"


def words_in(parts: list[str]) -> int:
    """The number of words that are said; formulas count as `FORMULA_WORDS`.

    >>> words_in(["Two words.", "$$x = 1$$", "$a + b$ <img alt='of a picture'>"])
    35
    """
    text = "\n\n".join(parts)
    text = re.sub(r"<[a-z/][^<>]*>|```.*?```", " ", text, flags=re.DOTALL)
    text, displayed = re.subn(r"\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text, inline = re.subn(r"\$[^$]*\$", " ", text)
    return len(text.split()) + FORMULA_WORDS[0] * inline + FORMULA_WORDS[1] * displayed


def with_notes(slides: list[Slide], name: str) -> list[Slide]:
    """Begin the notes of each slide with its minutes, and add what TEACHING says to predictions and meaning."""
    plan = LECTURES[name[:2]]
    for slide in slides:
        if slide.title.startswith(PREDICTIONS):
            slide.notes.append(f"**Answers.** {answers_of(name)}")
    meaning = next((slide for slide in slides if slide.title.startswith(MEANING)), slides[-1])
    meaning.notes += ["**What people get wrong.**", *misconceptions(plan["misconceptions"])]
    scale = 60 * plan["minutes"] / sum(slide.duration for slide in slides)  # seconds of the plan for each of ours
    passed = 0.0
    for slide in slides:
        seconds = scale * slide.duration
        passed += seconds
        slide.notes.insert(0, f"**{clock(seconds)}**, until {clock(passed)} of {plan['minutes']}:00.")
    return slides


def clock(seconds: float) -> str:
    """
    >>> clock(95.2)
    '1:35'
    """
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def answers_of(name: str) -> str:
    """TEACHING's answers to the predictions of a notebook. Raises: ValueError where it has none."""
    teaching = (HERE / "TEACHING.md").read_text(encoding="utf-8")
    answers = teaching.partition("## Answers to the predict cells")[2].partition("\n## ")[0]
    found = re.search(rf"\*\*{int(name[:2])}\. [^*]+\*\* (.+?)(?=\n\n|\Z)", answers, re.DOTALL)
    if found is None:
        raise ValueError(
            f"TEACHING.md must answer the predictions of notebook {name}: add a paragraph **{int(name[:2])}. …**"
        )
    return found[1]


def misconceptions(beginnings: list[str]) -> tuple[str, ...]:
    """TEACHING's paragraphs on what people get wrong that begin so. Raises: ValueError for one that is not there."""
    teaching = (HERE / "TEACHING.md").read_text(encoding="utf-8")
    wrong = teaching.partition("## What people get wrong")[2].partition("\n## ")[0]
    items = [" ".join(item.split()) for item in re.split(r"^- ", wrong, flags=re.MULTILINE)[1:]]
    found = []
    for words in beginnings:
        matching = [item for item in items if item.startswith(f'*"{words}')]
        if not matching:
            raise ValueError(f"`misconceptions` must begin one of TEACHING's; got {words!r}: correct lectures.toml")
        found.append(matching[0])
    return tuple(found)


def plain_links(text: str) -> str:
    """A page stands alone: the words of its links stay.

    >>> plain_links("See [claim E4](../docs/claims.md#e4).")
    'See claim E4.'
    """
    return re.sub(r"(?<!!)\[([^\]]+)\]\([^)\s]+\)", r"\1", text)


def html_of(parts: list[str]) -> str:
    """HTML in which a formula and the mark behind it stay on one line."""
    text = plain_links("\n\n".join(parts))
    text = re.sub(r"(?<!\$)(\$[^$\n]{1,120}\$[.,;:)]+)(?!\$)", r'<span class="kept">\1</span>', text)
    return str(markdown2html_mistune(text))


def page(name: str, built: Path = HERE) -> str:
    """The slides of a notebook, as one page of HTML."""
    slides = lecture_of(name, built)
    made = []
    for number, slide in enumerate(slides):
        heading = html_of([f"# {slide.title}"])
        look = "picture" if slide.is_dense else "text"
        made.append(
            {
                "title": re.sub(r"</?h1[^>]*>|<a class.*?</a>", "", heading).strip(),
                "look": look if number else "title text",
                "shown": html_of(slide.shown),
                "notes": html_of(slide.notes),
            }
        )
    template = Environment(keep_trailing_newline=True).from_string((HERE / "slides.html").read_text(encoding="utf-8"))
    style = HtmlFormatter(style="default").get_style_defs(".highlight")
    return template.render(title=escape(slides[0].title), slides=made, code_style=style)


def contents(chosen: list[str]) -> str:
    """The first page: the lectures in their order, with their minutes.

    >>> '<li><a href="03_the_dispute.html">3. The (d+n±1)/n dispute</a>' in contents(["03_the_dispute"])
    True
    """
    titles = {name: title_slide(build.read(name)).title for name in chosen}
    rows = [
        f'<li><a href="{name}.html">{escape(title)}</a>, {LECTURES[name[:2]]["minutes"]} minutes</li>'
        for name, title in titles.items()
    ]
    style = (
        "body { font: 24px/1.7 sans-serif; margin: 3em; color-scheme: light dark } ul { list-style: none; padding: 0 }"
    )
    head = f'<meta charset="utf-8"><title>Lectures</title><style>{style}</style>'
    keys = "<p>S opens the speaker's notes, → goes on, and <code>?print-pdf</code> behind the address prints.</p>"
    return f'<!doctype html><html lang="en">{head}<h1>Lectures</h1><ul>{"".join(rows)}</ul>{keys}</html>\n'


def place_assets(folder: Path) -> None:
    """Copy what the pages load. Raises: ModuleNotFoundError naming the extra."""
    for target, (package, inside) in ASSETS.items():
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"Slides need {package}, which is not installed: pip install 'mezo_lab[slides]'.")
        shutil.copytree(Path(spec.submodule_search_locations[0]) / inside, folder / target, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"or number, of {', '.join(names())}; none: all")
    parser.add_argument("--out", type=Path, default=HERE.parent / "out/slides", metavar="FOLDER")
    parser.add_argument("--built", type=Path, default=HERE, metavar="FOLDER", help="of the built notebooks")
    arguments = parser.parse_args()
    numbers = {name.partition("_")[0]: name for name in names()}
    chosen = [numbers.get(name, name) for name in arguments.names] or names()
    if unknown := sorted(set(chosen) - set(names())):
        parser.error(f"NAME must be one of {', '.join(names())}, or its number; got {unknown[0]}")
    try:
        place_assets(arguments.out / "assets")
        for name in chosen:
            (arguments.out / f"{name}.html").write_text(page(name, arguments.built), encoding="utf-8")
            print(arguments.out / f"{name}.html")
        (arguments.out / "index.html").write_text(contents(chosen), encoding="utf-8")
    except (ModuleNotFoundError, OSError, ValueError) as error:  # TagError, StaleError and TooLongError are of these
        sys.exit(str(error))


if __name__ == "__main__":
    main()
