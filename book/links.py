"""Links of the staged pages: what they name in the repository is named where the book has it.

A page of the repository links to `docs/claims.md#a2-norm-factor`; the book has a page of that claim. A file that the
book lacks is linked to at the address of the repository, where settings.toml has one; elsewhere its name is left.
"""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from folders import ROOT

SETTINGS: dict[str, str] = tomllib.loads((ROOT / "book" / "settings.toml").read_text(encoding="utf-8"))
MOVED = {  # path in the repository → page of the book
    "CHANGELOG.md": "changes.md",
    "CITATION.cff": "cite.md",
    "LICENSE": "cite.md",
    "LICENSE-CC-BY-4.0.md": "cite.md",
    "README.md": "index.md",
    "docs/README.md": "index.md",
    "docs/claims.md": "claims/index.md",
    "notebooks/CHANGES.md": "changes.md",
    "notebooks/GLOSSARY.md": "glossary.md",
}
# what comes first in a text counts: code and formulas hold no links, and the text of a link may hold code
CODE_OR_LINK = re.compile(
    r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)"
    r"|(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
    r"|(?P<dollars>\${1,2})(?:[^$\\]|\\.)+(?P=dollars)"
    r"|(?P<picture>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL | re.MULTILINE,
)


def outside_address(path: str, repository: str = SETTINGS["repository"], branch: str = SETTINGS["branch"]) -> str:
    """The address of a file of the repository; empty where no repository is set."""
    return f"{repository}/blob/{branch}/{path}" if repository else ""


def relinked(text: str, page: str, staged: Path) -> str:
    """A Markdown text whose links lead to pages of the book, or outside.

    Args: page: where the text lies, in the repository as in the book; staged: the folder of the book's sources.
    """

    def change(match: re.Match[str]) -> str:
        if match["target"] is None:
            return match[0]
        path, mark, anchor = match["target"].partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        target = os.path.normpath(PurePosixPath(page).parent / path)
        claim = re.match(r"([a-e]\d+)-", anchor)
        if target == "docs/claims.md" and claim:
            return _link(match, page, f"claims/{claim[1].upper()}.md")
        if target in MOVED:
            return _link(match, page, MOVED[target])
        if (staged / target).is_file() or not (ROOT / target).exists():
            return match[0]  # a link to nothing is told by Sphinx, with its line
        address = outside_address(target)
        if not address:
            return match["text"]
        return f"[{match['text']}]({address}{mark}{anchor})"

    return CODE_OR_LINK.sub(change, text)


def _link(match: re.Match[str], page: str, target: str) -> str:
    """The link with another target, named from the page that holds it."""
    path = os.path.relpath(target, PurePosixPath(page).parent)
    return f"{match['picture']}[{match['text']}]({path})"


def relink(staged: Path) -> None:
    """Rewrite the links of all staged pages and notebooks."""
    edit_markdown(staged, lambda text, page: relinked(text, page, staged))


def edit_markdown(
    staged: Path,
    change: Callable[[str, str], str],
    change_output: Callable[[dict[str, Any], str], None] | None = None,
) -> None:
    """Rewrite the Markdown of all staged pages and notebooks.

    Args:
        staged: the folder of the book's sources.
        change: (text, page) → the text as it shall be, of a page or of a cell.
        change_output: (output, page), which changes what a cell of a notebook has printed.
    """
    for file in sorted(staged.rglob("*.md")):
        page = file.relative_to(staged).as_posix()
        text = file.read_text(encoding="utf-8")
        file.write_text(change(text, page), encoding="utf-8")
    for file in sorted(staged.rglob("*.ipynb")):
        page = file.relative_to(staged).as_posix()
        notebook = nbformat.read(file, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = change(cell.source, page)
            if change_output:
                for output in cell.get("outputs", []):
                    change_output(output, page)
        nbformat.write(notebook, file)
