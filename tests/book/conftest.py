"""The book, made once for all tests that read it, and one browser for those that look at it."""

import os
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from filelock import FileLock
from make_book import make


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of the site, made by the first test that asks for it; any warning of Sphinx fails it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "site"
    with FileLock(shared / "site.lock"):
        if not (folder / "index.html").exists():
            made = shared / "site.unfinished"
            make(made, shared / "site.sources")
            made.rename(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Chromium]:
    """A headless Chromium that reaches this machine only."""
    if chromium.CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    with chromium.Chromium() as running:
        yield running
