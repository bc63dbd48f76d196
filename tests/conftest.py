"""One thread for every test: the tensors are small, and threads that wait for one another cost more than they give.

And a real browser for those that ask for `opened`.
"""

import gc
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from chromium import CHROMIUM
from filelock import FileLock

torch.set_num_threads(1)
if hasattr(signal, "SIGHUP"):  # under nohup it is ignored, here and by every process that a test starts
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers must name a test alike, and an address differs between them."""
    if addressed := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"the name of a test holds an address, give `ids`: {addressed[0]}")


def pytest_collection_finish() -> None:
    """Let no collection of garbage walk through the modules again: every run of a `Trainer` asks for a whole one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[], Any]], Any]:
    """(name, function) → what the function returned, as JSON keeps it; called by one worker for all."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def result(name: str, function: Callable[[], Any]) -> Any:
        file = shared / f"{name}.json"
        with FileLock(file.with_suffix(".lock")):
            if not file.exists():
                file.write_text(json.dumps(function()))
        return json.loads(file.read_text())

    return result


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


@pytest.fixture(autouse=True, scope="session")
def _compilers_keep_their_distutils() -> Iterator[None]:
    """No test looks for pip as a module: setuptools then withdraws its distutils, and nothing compiles afterwards."""
    yield
    finders = [finder for finder in sys.meta_path if type(finder).__name__ == "DistutilsMetaFinder"]
    withdrawn = [finder for finder in finders if "spec_for_distutils" in vars(finder)]
    assert not withdrawn, "a test of this session called find_spec('pip') or imported pip: ask importlib.metadata"
