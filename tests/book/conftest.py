"""The book, made once for all tests that read it, and one browser for those that look at it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import chromium
import playground_page
import pytest
from filelock import FileLock
from make_book import make
from vendor import PACKAGES, MissingError, vendored


@pytest.fixture(scope="session")
def vendored_files() -> None:
    """Skip where npm has not brought the files of other projects: `make site`, which CI runs, fails there."""
    try:
        for package, described in PACKAGES.items():
            for file, _, _ in described["files"]:
                vendored(package, file)
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def site(tmp_path_factory, vendored_files) -> Path:
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


@pytest.fixture(scope="session")
def playground_folder(tmp_path_factory) -> Path:
    """The page alone, without the book around it."""
    top = tmp_path_factory.mktemp("playground")
    playground_page.write_playground(top)
    (top / "static").rename(top / "_static")
    form = re.search(r"```\{raw\} html\n(.*?)\n```", (top / "playground.md").read_text(encoding="utf-8"), re.DOTALL)
    assert form
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    (top / "playground.html").write_text(f"{head}<title>Playground</title><body>{form[1]}", encoding="utf-8")
    return top


@pytest.fixture
def playground(browser, playground_folder):
    """The page, opened as a file."""
    opened = browser.open((playground_folder / "playground.html").as_uri())
    yield opened
    assert opened.console == []
    assert all(address.startswith("file:") for address in opened.requests)
    opened.close()
