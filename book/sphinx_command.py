"""How both books call Sphinx: the site, and the pages that are printed."""

import os
import subprocess
import sys
from pathlib import Path

from folders import BOOK


def run_sphinx(builder: str, sources: Path, pages: Path, trees: Path) -> None:
    """Make pages of sources, in two processes; a warning is an error.

    Args: builder: of Sphinx; trees: where it keeps what it has read.
    Raises: CalledProcessError where Sphinx warns.
    """
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-j", "2", "-d", str(trees)]
    command = [sys.executable, "-m", "sphinx", "-b", builder, *options, str(sources), str(pages)]
    subprocess.run(command, check=True, env=os.environ | {"MEZO_LAB_BOOK": str(BOOK)})
