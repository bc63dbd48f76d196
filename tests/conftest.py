"""One thread for every test: the tensors are small, and threads that wait for one another cost more than they give.

And a real browser for those that ask for `opened`.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def opened() -> Callable[..., tuple[str, list[str]]]:
    """(page, flags) → the document as a browser without a network left it, and what it wrote to its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install the package chromium")

    def document(page: Path, *flags: str) -> tuple[str, list[str]]:
        command = [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files", *flags),
            *(f"--user-data-dir={page.parent / 'profile'}", "--enable-logging=stderr", "--v=0", "--dump-dom"),
        ]
        run = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=1200, check=True)
        return run.stdout, re.findall(r":CONSOLE.*?\] (.*)", run.stderr)

    return document
