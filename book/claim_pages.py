"""The pages of the claims: one for each, an index of all, and the matrix of laws and claims.

`write_claims(staged)` writes claims/A2.md …, claims/index.md and claims/matrix.md into the sources of the book.
"""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import claim_parts as parts
from folders import ROOT

from mezo_lab.claims import Claim
from mezo_lab.report.labels import SECTIONS, counted
from mezo_lab.report.prose import status_label, worst_status
from mezo_lab.sampling import KEYED_LAWS, LAWS

GENERATED = re.compile(r"<!-- claims -->.*<!-- end claims -->", re.DOTALL)
IID = "iid"  # the law of a proof for all laws with independent coordinates
EVERY = set(LAWS)  # laws of a direction; the low-rank law is one of a matrix
CONTINUED = re.compile(r"^## D, continued: whole trainings\n(.*?)(?=^## )", re.DOTALL | re.MULTILINE)
STYLE = parts.raw('<link rel="stylesheet" href="../_static/claims.css">')
FILTER = parts.raw(
    '<p class="mezo-filter"><label for="claim-filter">Show the claims that have all of these words</label> '
    '<input id="claim-filter" type="search" autocomplete="off" placeholder="such as curvature sphere, or (d+n-1)/n"> '
    '<output for="claim-filter" aria-live="polite"></output></p>\n'
    '<script src="../_static/claims.js" defer></script>'
)


def write_claims(staged: Path) -> None:
    """Write the pages. Args: staged: the folder of the book's sources."""
    folder = staged / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    claims = parts.ordered()
    for place, claim in enumerate(claims):
        before = claims[place - 1] if place else None
        after = claims[place + 1] if place + 1 < len(claims) else None
        (folder / f"{claim.id}.md").write_text(page(claim, before, after), encoding="utf-8")
    (folder / "index.md").write_text(index(claims), encoding="utf-8")
    (folder / "matrix.md").write_text(matrix(claims), encoding="utf-8")


def page(claim: Claim, before: Claim | None, after: Claim | None) -> str:
    """The page of a claim, between its neighbours."""
    sections = {
        "Try it": _try(claim),
        "Laws and formulas": parts.laws(claim),
        "Assumptions": parts.assumptions(claim),
        "Derivation": parts.derivation(claim),
        "The last verification": _verification(claim),
        "Where it is used": parts.used(claim),
        "Published sentences that it corrects": parts.corrected(claim),
        "Sources": parts.sources(claim),
        "Related claims": parts.neighbours(claim),
        "Permalink": (
            f"This page keeps its address: [claims/{claim.id}.html]({claim.id}.md). To cite the claim, name its id and"
            " the version of the library ([how to cite](../cite.md))."
        ),
    }
    head = [
        _described(f"Claim {claim.id} of mezo_lab, {claim.name}: statement, laws, proof and verdicts"),
        STYLE,
        f"# {claim.id} {claim.name}",
        _way(before, after),
        parts.statement(claim),
        f"**{_status(claim)}** · {_proved(claim)} · section {claim.id[0]}, *{SECTIONS[claim.id[0]]}*",
    ]
    return "\n\n".join([*head, *(f"## {name}\n\n{content}" for name, content in sections.items())]) + "\n"


def _verification(claim: Claim) -> str:
    """When it was, its figure and its verdicts; or that there are none."""
    if not parts.verdicts_on(claim):
        return "No record under `results/` has a verdict on this claim."
    return "\n\n".join([parts.verified(claim), parts.figure(claim), parts.verdict_table(claim)])


def _described(words: str) -> str:
    """What a page says of itself to who links to it."""
    return f"---\nmyst:\n  html_meta:\n    description: '{words}'\n---"


def _way(before: Claim | None, after: Claim | None) -> str:
    """To the claims before and after, and to all."""
    steps = [f"← {parts.link(before)}" if before else "", "[all claims](index.md)", "[laws and claims](matrix.md)"]
    steps.append(f"{parts.link(after)} →" if after else "")
    return " · ".join(filter(None, steps))


def _status(claim: Claim) -> str:
    verdicts = parts.verdicts_on(claim)
    if not verdicts:
        return "No verdict on record"
    passed = sum(verdict.passed for verdict in verdicts)
    label = status_label(worst_status(verdicts))
    of_all = f"{passed} of {counted(len(verdicts), 'verdict')}"
    return f"{label} in {of_all}" if passed == len(verdicts) else f"{label}; {of_all} passed"


def _proved(claim: Claim) -> str:
    laws = list(dict.fromkeys(proof.law for proof in parts.proofs_of(claim) if proof.proved))
    if not laws:
        return "not derived by `mezo-lab prove`"
    named = [law for law in laws if law != IID]
    words = [counted(len(named), "law")] * bool(named) + ["all i.i.d. coordinates at once"] * (IID in laws)
    return f"∎ proved for {' and for '.join(words)}"


def _try(claim: Claim) -> str:
    """The commands, and the pages where a reader tries the claim without installing anything."""
    lines = []
    if play := parts.play_link(claim):
        lines.append(f"{_away(play, 'Draw in the browser')}: the playground opens with this claim and a decoy.")
    if prove := parts.prover_link(claim):
        lines.append(f"{_away(prove, 'Derive it in the browser')}, or hold a formula of your own against the proof.")
    for what, command in parts.commands(claim):
        lines += [what, f"```sh\n{command}\n```"]
    return "\n\n".join([*lines, parts.names(claim)]).rstrip()


def _away(address: str, words: str) -> str:
    """A link to a page with settings behind #, which are no place on it."""
    return f'<a href="{escape(address)}">{words}</a>'


def index(claims: Sequence[Claim]) -> str:
    """All claims by section; the notation and the names of formulas around them are those of docs/claims.md."""
    text = (ROOT / "docs/claims.md").read_text(encoding="utf-8")
    around = GENERATED.split(text)
    if len(around) != 2:
        raise ValueError(f"docs/claims.md must have one generated block, got {len(around) - 1}: run `make pages`.")
    before, after = around
    continued = CONTINUED.search(after)
    if continued is None:
        raise ValueError("docs/claims.md must have the section `D, continued: whole trainings` behind its block.")
    after = after.replace(continued[0], "")
    lines = [
        STYLE,
        _moved(before).strip(),
        "[Laws and claims](matrix.md) shows which claim holds for which law. *Every law of a vector* is the"
        f" {parts.joined(list(LAWS))} law; *every law* is low-rank directions of a matrix besides.",
        FILTER,
    ]
    for letter, title in SECTIONS.items():
        lines.append(f"## {letter}. {title}")
        lines += [_entry(claim) for claim in claims if claim.id[0] == letter]
        if letter == "D":
            lines.append(f"Whole trainings follow. {_moved(continued[1]).strip()}")
    toctree = "\n".join(["```{toctree}", ":hidden:", "", *(claim.id for claim in claims), "```"])
    return "\n\n".join([*lines, _moved(after).strip(), toctree]) + "\n"


def _moved(words: str) -> str:
    """Text of docs/claims.md, with the links that it has there."""
    return re.sub(r"\]\((?!https:|#)", "](../docs/", words)


def _entry(claim: Claim) -> str:
    """A claim in the index."""
    words = escape(parts.searched(claim)).replace("\n", "&#10;")  # a span is one line of Markdown
    return "\n".join(
        [
            "::::{div} mezo-claim",
            f"{parts.link(claim)} · {_status(claim)} · {_proved(claim)} · {_laws(claim)}"
            f'<span hidden data-words="{words}"></span>',
            "",
            parts.statement(claim),
            "::::",
        ]
    )


def _laws(claim: Claim) -> str:
    """Its laws in few words; the filter finds the names of all."""
    names = ", ".join(claim.laws)
    if not EVERY <= set(claim.laws):
        return names
    words = "every law" if set(KEYED_LAWS) <= set(claim.laws) else "every law of a vector"
    return f'{words}<span class="visually-hidden"> ({names})</span>'


def matrix(claims: Sequence[Claim]) -> str:
    """Which claim holds for which law, as a table that a screen reader can walk through."""
    laws = list(KEYED_LAWS)
    head = "".join(f'<th scope="col">{law}</th>' for law in laws)
    rows = []
    for claim in claims:
        cells = "".join(f"<td>{cell(claim, law)}</td>" for law in laws)
        name = f'<a href="{claim.id}.html">{claim.id} {escape(claim.name)}</a>'
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    table = (
        "<table><caption>Claims, a row each, and laws of z, a column each</caption>"
        f'<thead><tr><th scope="col">claim</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    box = f'<div class="mezo-scroll mezo-matrix" tabindex="0" role="region" aria-label="Laws and claims">{table}</div>'
    words = (
        "Which claim holds for which law of z, from the records of the last full verification:\n\n"
        "- **✓ 2**: CONSISTENT, in two verdicts; ✗ would be REFUTED, ? UNDERPOWERED.\n"
        "- **∎**: proved for this law; alone, it is proved and not drawn.\n"
        "- **–**: stated for this law, and no verdict is on record.\n"
        "- **n/a**: not stated for this law; it may be wrong there, and may be true.\n\n"
        "[The index of claims](index.md) has their statements."
    )
    wide = "---\nhtml_theme.sidebar_secondary.remove: true\n---"  # it has no sections: the table takes the room
    return "\n\n".join([wide, STYLE, "# Laws and claims", words, parts.raw(box)]) + "\n"


def cell(claim: Claim, law: str) -> str:
    """What is known of a claim for a law: a sign for the eye, and the word for it."""
    own = [verdict for verdict in parts.verdicts_on(claim) if verdict.law == law]
    proved = any(proof.law == law and proof.proved for proof in parts.proofs_of(claim))
    said = []
    if own:
        sign, word = status_label(worst_status(own)).split()
        said.append(_sign(f"{sign} {len(own)}", f"{word}, {counted(len(own), 'verdict')}"))
    if proved:
        said.append(_sign("∎", "proved"))
    if not own and law in claim.laws:
        said.append(_sign("–", "stated, and no verdict on record"))
    return " ".join(said) or _sign("n/a", "not stated for this law")


def _sign(sign: str, words: str) -> str:
    return f'<span title="{words}" aria-hidden="true">{sign}</span><span class="visually-hidden">{words} </span>'
