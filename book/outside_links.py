"""The links of a built site: every file and anchor that it names inside itself, and the addresses outside, which are
listed and never fetched.

    python book/outside_links.py [SITE]

The list is links.txt beside the folder of the site: an address a line, and below it the pages that link to it.
"""

import re
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from folders import ROOT

LOADED = {  # what a browser asks for by itself: tag → attributes
    "audio": ["src"],
    "embed": ["src"],
    "iframe": ["src"],
    "image": ["href", "xlink:href"],
    "img": ["src", "srcset"],
    "link": ["href"],
    "object": ["data"],
    "script": ["src"],
    "source": ["src", "srcset"],
    "use": ["href", "xlink:href"],
    "video": ["src", "poster"],
}
NO_REQUEST = {"canonical", "next", "prev", "search", "index", "author", "copyright", "license"}  # of <link rel=…>


class _Names(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.linked: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag in ("a", "area") and "href" in given:
            self.linked.append(given["href"])
        if tag == "link" and given.get("rel") in NO_REQUEST:
            self.linked.append(given.get("href", ""))
        else:
            self.loaded += [given[name] for name in LOADED.get(tag, []) if name in given]


def names(page: Path) -> _Names:
    """Read a page."""
    reader = _Names()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def is_outside(address: str) -> bool:
    """Whether an address names another host, or a program such as that for mail."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "javascript")


def pages_of(site: Path) -> dict[Path, _Names]:
    """All pages of a site."""
    return {page: names(page) for page in sorted(site.rglob("*.html")) if "_static" not in page.relative_to(site).parts}


def missing(site: Path) -> list[str]:
    """The links inside a site that lead to no file or to no anchor: "page: link"."""
    pages = pages_of(site)
    broken = []
    for page, read in pages.items():
        for link in [*read.linked, *read.loaded]:
            if is_outside(link) or link.startswith(("data:", "javascript:")):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            if target.is_dir():
                target /= "index.html"
            anchored = not anchor or target not in pages or unquote(anchor) in pages[target].anchors or "=" in anchor
            if not target.is_file() or not anchored:
                broken.append(f"{page.relative_to(site)}: {link}")
    return broken


def outside(site: Path) -> dict[str, list[str]]:
    """The addresses of other hosts that a site links to: address → pages."""
    addresses: dict[str, list[str]] = defaultdict(list)
    for page, read in pages_of(site).items():
        for link in dict.fromkeys(read.linked):
            if is_outside(link):
                addresses[link].append(page.relative_to(site).as_posix())
    return dict(sorted(addresses.items()))


def loaded_from_outside(site: Path) -> list[str]:
    """What a page would load from another host: "page: address"."""
    return [
        f"{page.relative_to(site)}: {address}"
        for page, read in pages_of(site).items()
        for address in read.loaded
        if is_outside(address)
    ]


def styled_from_outside(site: Path) -> list[str]:
    """What a style sheet would load from another host: "file: address"."""
    written = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\s\"')]+)")
    sheets = sorted(site.rglob("*.css"))
    return [
        f"{sheet.relative_to(site)}: {address}"
        for sheet in sheets
        for address in written.findall(sheet.read_text(encoding="utf-8"))
    ]


def write_outside(site: Path, file: Path) -> None:
    """Write the list of the addresses outside."""
    blocks = ["\n".join([address, *(f"    {page}" for page in pages)]) for address, pages in outside(site).items()]
    file.write_text("\n".join(blocks) + "\n", encoding="utf-8")


def main() -> None:
    """List the outside addresses, and say which links inside lead nowhere."""
    site = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "site"
    write_outside(site, site.with_name("links.txt"))
    print(f"{site.with_name('links.txt')}: {len(outside(site))} addresses")
    if broken := missing(site):
        sys.exit("\n".join(broken))


if __name__ == "__main__":
    main()
