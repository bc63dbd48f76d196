"""Make the book: `make site` writes it to out/site, a folder that any web server or a browser alone can show.

    python book/make_book.py [--out FOLDER]

Warnings of Sphinx are errors. Nothing is fetched: vendor.py has brought the files of other projects before. The
addresses of other hosts that the book links to are listed beside it, in links.txt.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from folders import ROOT
from outside_links import write_outside
from sphinx_command import run_sphinx
from staging import stage
from vendor import MissingError, copy_vendored

STAGED = ROOT / "out" / "book"


def make(site: Path, staged: Path = STAGED) -> None:
    """Write the site. Raises: CalledProcessError where Sphinx warns; MissingError where a vendored file is missing."""
    stage(staged)
    shutil.rmtree(site, ignore_errors=True)
    run_sphinx("html", staged, site, staged.with_suffix(".trees"))
    copy_vendored("mathjax", site)


def main() -> None:
    """Make the book and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "site", help="where to (default: out/site)")
    site = parser.parse_args().out
    start = time.perf_counter()
    try:
        make(site)
    except (MissingError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
    write_outside(site, site.with_name("links.txt"))
    files = [file for file in site.rglob("*") if file.is_file()]
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    print(f"{site}/index.html: {len(files)} files, {megabytes:.1f} MB, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
