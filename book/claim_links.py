"""Where the prose of a page names a claim, "claim A2", "claims A2 and B3" or "(A2)", the name leads to its page.

Code, formulas, headings and what is a link already stay as they are, and so does a claim that has no page.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from links import CODE_OR_LINK, edit_markdown

ID = r"[A-E]\d{1,2}"
OWN_PAGES = ("claims/", "api/")  # made from the registry and the docstrings, with links of their own
IDS = rf"{ID}(?:(?:, and |, | and ){ID})*"
NAMED = re.compile(
    rf"(?P<before>\b[Cc]laims? |论断 ?)(?P<ids>{IDS})(?![A-Za-z0-9])"
    rf"|(?P<bracket>(?<![\w)\]])\()(?P<inside>{IDS})(?=[),;])"
)
HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)
BLOCK = re.compile(r"^(?::{3,}|\([\w-]+\)=|<!--).*$", re.MULTILINE)  # directives, targets and comments: not prose
HTML = re.compile(r"<(?P<tag>a|code|pre|style|script)\b.*?</(?P=tag)>|</?[a-z][^<>]*>", re.DOTALL)


def with_claim_links(text: str, page: str, has_page: Callable[[str], bool]) -> str:
    """A text in Markdown whose named claims are links.

    Args: page: where the text lies in the book; has_page: whether the book has a page of a claim.

    >>> with_claim_links("By claim A2 (B3), and $(A2)$.", "notebooks/03.ipynb", {"A2"}.__contains__)
    'By claim [A2](../claims/A2.md) (B3), and $(A2)$.'
    >>> with_claim_links("<details>claims A2 and A4", "docs/verify.md", {"A2"}.__contains__)
    '<details>claims <a href="../claims/A2.html">A2</a> and A4'
    """
    folder = os.path.relpath("claims", PurePosixPath(page).parent)
    kept = [match.span() for pattern in (CODE_OR_LINK, HEADING, BLOCK, HTML) for match in pattern.finditer(text)]

    def link(claim: str, as_html: bool) -> str:
        if not has_page(claim):
            return claim
        return f'<a href="{folder}/{claim}.html">{claim}</a>' if as_html else f"[{claim}]({folder}/{claim}.md)"

    def change(match: re.Match[str]) -> str:
        if any(start < match.end() and match.start() < end for start, end in kept):
            return match[0]
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        as_html = line.lstrip().startswith("<")  # Markdown inside a line of HTML is not read
        linked = re.sub(ID, lambda found: link(found[0], as_html), match["ids"] or match["inside"])
        return (match["before"] or match["bracket"]) + linked

    return NAMED.sub(change, text)


def link_claims(staged: Path) -> None:
    """Link the claims that the prose of the staged pages names, once the claims have pages of their own."""

    def has_page(claim: str) -> bool:
        return (staged / "claims" / f"{claim}.md").exists()

    def linked(text: str, page: str) -> str:
        return text if page.startswith(OWN_PAGES) else with_claim_links(text, page, has_page)

    edit_markdown(staged, linked, lambda output, page: _link_captions(output, page, has_page))


def _link_captions(output: dict, page: str, has_page: Callable[[str], bool]) -> None:
    """A table of verdicts, or of a proof, is headed by the id and the name of its claim: they lead to its page."""
    folder = os.path.relpath("claims", PurePosixPath(page).parent)

    def link(match: re.Match[str]) -> str:
        return f'<b><a href="{folder}/{match[1]}.html">{match[1]}{match[2]}</a></b>' if has_page(match[1]) else match[0]

    data = output.get("data", {})
    if "text/html" in data:
        data["text/html"] = re.sub(rf"(?<=>)<b>({ID})( [\w-]+)</b>(?=[^<]*</caption>)", link, data["text/html"])
