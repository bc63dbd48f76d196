"""Slides of five notebooks, for a projector without a network: `make slides` writes them to out/slides.

    python notebooks/slides.py [NAME ...] [--out FOLDER]

A slide begins at a heading; what follows it lies below (arrow down); solutions are left out. Everything a page loads,
reveal.js and MathJax, is copied beside it from packages of the extra `slides`.
"""

import argparse
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
from build import HERE, unsolved  # beside this file
from nbconvert import SlidesExporter

LECTURES = ("01", "03", "05", "08", "11")
ASSETS = {  # where beside a page → package, folder in it
    "reveal/dist": ("sphinx_revealjs", "_static/revealjs/dist"),
    "notes": ("sphinx_revealjs", "_static/revealjs/plugin/notes"),
    "mathjax": ("nbclassic", "static/components/MathJax"),
}
# nbconvert's page, with scripts that lie beside it, and with the words of a figure, which it leaves out. Formulas are
# drawn, as a page opened from a disk may load no fonts, and each when its slide is first shown, as what is hidden has
# no size.
PAGE = """{% extends 'reveal/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}
<style>
.reveal .slides > section > section { max-height: 100%; overflow-y: auto }
.reveal .slides h1, .reveal .slides h2 { text-transform: none }
.reveal .slides pre { width: 100% }
.reveal .slides ol, .reveal .slides ul { display: block }
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
{% block data_png scoped %}
<div class="jp-RenderedImage jp-OutputArea-output">
<img src="data:image/png;base64,{{ output.data['image/png'] }}"
 alt="{{ output.metadata['image/png']['alt'] | escape_html }}" />
</div>
{% endblock data_png %}
{% block footer_js %}
<script>
const typeset = () => MathJax.Hub.Queue(["Typeset", MathJax.Hub, Reveal.getCurrentSlide()]);
Reveal.on("ready", typeset);
Reveal.on("slidechanged", typeset);
Reveal.initialize({width: 1200, height: 750, hash: true, slideNumber: "c/t", plugins: [RevealNotes]});
</script>
{% endblock %}
"""


def names() -> list[str]:
    """The notebooks that have slides."""
    return [path.stem for path in sorted(HERE.glob("[0-9]*.ipynb")) if path.stem[:2] in LECTURES]


def as_slides(notebook: Any) -> Any:
    """The notebook cut at its headings, without solutions."""
    cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", ())]
    notebook.cells = [part for cell in cells for part in cut(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source != (asked := unsolved(cell.source)):
            cell.source, cell.outputs = asked, []
        heads = cell.cell_type == "markdown" and cell.source.startswith("#")
        cell.metadata["slideshow"] = {"slide_type": "slide" if heads else "subslide"}
    return notebook


def cut(cell: Any) -> list[Any]:
    """A cell of words, at the headings in it; one of code as it is.

    >>> [part.source for part in cut(nbformat.v4.new_markdown_cell("The end.\\n\\n## Check\\n\\nIs it?"))]
    ['The end.', '## Check\\n\\nIs it?']
    """
    if cell.cell_type != "markdown":
        return [cell]
    parts = re.split(r"\n+(?=#{1,2} )", cell.source)
    return [nbformat.v4.new_markdown_cell(part, id=f"{cell.id}-{number}") for number, part in enumerate(parts)]


def page(name: str) -> str:
    """The slides of a built notebook, as one page of HTML."""
    exporter = SlidesExporter(raw_template=PAGE, reveal_url_prefix="assets/reveal", reveal_theme="white")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    return exporter.from_notebook_node(as_slides(notebook), resources={"metadata": {"name": name}})[0]


def place_assets(folder: Path) -> None:
    """Copy what the pages load. Raises: ModuleNotFoundError naming the extra."""
    for place, (package, inside) in ASSETS.items():
        found = find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise ModuleNotFoundError(f"Slides need {package}, which is not installed: pip install 'mezo_lab[slides]'.")
        shutil.copytree(Path(found.submodule_search_locations[0]) / inside, folder / place, dirs_exist_ok=True)


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
