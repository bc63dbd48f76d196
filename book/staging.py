"""The sources of the book, laid out for Sphinx in one folder: the pages of the project where they lie in the
repository, so that their links hold, and the pages that are made of the registry, the library and the records.
"""

import shutil
from pathlib import Path

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
DOCS_LEFT_OUT = ("README.md", "claims.md", "pypi.md")  # the index of the documentation, and what has pages of its own


def stage(staged: Path) -> None:
    """Lay out the sources of the book. Args: staged: an empty folder or none."""
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(BOOK / "pages", staged)
    shutil.copytree(BOOK / "static", staged / "static")
    shutil.copy(BOOK / "conf.py", staged)
    shutil.copytree(ROOT / "docs", staged / "docs", ignore=shutil.ignore_patterns(*DOCS_LEFT_OUT))
    (staged / "notebooks").mkdir()
    for file in sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/*.md")]):
        shutil.copy(file, staged / "notebooks")
