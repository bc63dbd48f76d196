"""The sources of the book, laid out for Sphinx in one folder: the pages of the project where they lie in the
repository, so that their links hold, and the pages that are made of the registry, the library and the records.
"""

import re
import shutil
from pathlib import Path

from api_pages import write_api
from claim_links import link_claims
from claim_pages import write_claims
from course_pages import write_course_files, write_course_pages
from folders import BOOK, ROOT
from links import MOVED, relink
from playground_page import write_playground
from prover_page import write_prover
from reference_pages import write_reference_pages
from wheel import write_wheel

PYPI = "docs/pypi.md"  # written for an index of packages


def stage(staged: Path) -> None:
    """Lay out the sources of the book. Args: staged: an empty folder or none."""
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(BOOK / "pages", staged)
    shutil.copytree(BOOK / "static", staged / "static")
    shutil.copy(BOOK / "conf.py", staged)
    shutil.copytree(ROOT / "docs" / "figures", staged / "docs" / "figures")
    for folder in ("docs", "notebooks"):
        (staged / folder).mkdir(exist_ok=True)
        for file in sorted([*ROOT.glob(f"{folder}/*.md"), *ROOT.glob(f"{folder}/*.ipynb")]):
            path = file.relative_to(ROOT).as_posix()
            if path not in MOVED and path != PYPI:
                shutil.copy(file, staged / path)
    shutil.copy(ROOT / "CONTRIBUTING.md", staged)
    _fill_start_page(staged / "index.md")
    write_course_pages(staged)
    write_claims(staged)
    write_reference_pages(staged)
    write_playground(staged)
    write_prover(staged)
    write_api(staged)  # after the pages of the claims, to which it links
    relink(staged)
    link_claims(staged)
    write_course_files(staged / "extra")
    write_wheel(staged / "extra" / "files")


def _fill_start_page(page: Path) -> None:
    """Put the blocks of the README that the start page names into it: they are made of the records."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- end (\w+) -->", text):
        block = re.compile(rf"<!-- {name} -->\n.*?<!-- end {name} -->", re.DOTALL)
        made = block.search(readme)
        if made is None:
            raise ValueError(
                f"README.md must have the block `{name}` that book/pages/index.md names, and has none: "
                f"write <!-- {name} --> and <!-- end {name} --> around it, or take the name out of index.md."
            )
        text = block.sub(lambda _, made=made: made[0], text)
    page.write_text(text, encoding="utf-8")
