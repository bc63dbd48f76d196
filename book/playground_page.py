"""The playground of the book: a page that draws in the reader's browser, and the files that it loads.

`playground/` holds the page, its style and its scripts; `formulas.js` is made here, of the library.
"""

import shutil
from pathlib import Path
from urllib.parse import quote

from playground_formulas import CLAIMS, LIMITS, REDUCED_ONLY, claim_data, formulas_js

from mezo_lab.claims import claim_named, decision, trial
from mezo_lab.sampling import LAWS

SOURCES = Path(__file__).resolve().parent / "playground"
SCRIPTS = (
    "words tokens grammar verdict random sampler experiment run chart legend settings page".split()
)  # in this order


def write_playground(staged: Path) -> None:
    """Write playground.md and static/playground/. Args: staged: the folder of the book's sources."""
    (staged / "playground.md").write_text(_page(), encoding="utf-8")
    folder = staged / "static" / "playground"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [f"{script}.js" for script in SCRIPTS] + ["playground.css"]:
        shutil.copy(SOURCES / name, folder)
    (folder / "formulas.js").write_text(formulas_js(), encoding="utf-8")


def playground_link(claim: str, **settings: object) -> str:
    """The address of the playground with these settings, from the top of the site; "" for a claim without one.

    Args: claim: id. settings: law, d, n, r, t, p, q, k, formula, seed, resolution, draws.

    >>> playground_link("A2", law="gaussian", d=50, formula="(d+n-1)/n")
    'playground.html#claim=A2&law=gaussian&d=50&formula=%28d%2Bn-1%29%2Fn'
    >>> playground_link("C1")
    ''
    """
    if claim not in CLAIMS:
        return ""
    parts = {"claim": claim} | settings
    return "playground.html#" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parts.items())


def _page() -> str:
    """The page, with what it says of the library filled in."""
    form = (SOURCES / "playground.html").read_text(encoding="utf-8").strip()
    scripts = "\n".join(
        f'<script defer src="_static/playground/{name}.js"></script>' for name in ("formulas", *SCRIPTS)
    )
    form = form.replace("{step}", f"{claim_data('B3')['step']:g}").replace("{alarm}", f"{decision.ALARM:g}")
    blanks = {
        "form": f"{form}\n{scripts}",
        "claims": ", ".join(f"[{name}](claims/{name}.md)" for name in CLAIMS),
        "pilot": f"{trial.PILOT:,}",
        "detectable": f"{decision.DETECTABLE:g}",
        "alarm": f"{decision.ALARM:g}",
        "laws": _laws(),
    }
    text = (SOURCES / "playground.md").read_text(encoding="utf-8")
    for name, made in blanks.items():
        text = text.replace(f"{{{name}}}", made)
    return text


def _laws() -> str:
    """The table of the laws: how each is drawn, up to which size, and for which claims."""
    rows = ["| law | how it is drawn | d | n | claims |", "|---|---|--:|--:|---|"]
    for law in LAWS.values():
        claims = ", ".join(name for name in CLAIMS if law.name in claim_data(name)["laws"] and name not in REDUCED_ONLY)
        how = "z itself"
        size = f"{LIMITS['bruteDim']:,}"
        probes = f"{LIMITS['probes']}, and d·n ≤ {LIMITS['bruteNumbers']:,}"
        if law.rotation_invariant:
            how = "reduced sampler"
            size = "any"
            probes = f"{LIMITS['probes']}"
        rows.append(f"| {law.name} | {how} | {size} | {probes} | {claims} |")
    low_rank = claim_named("E1")
    rows.append(
        f"| low-rank, Gaussian U and V | reduced sampler | any p·q | n·k ≤ {LIMITS['columns']} | {low_rank.id}; "
        "signs in U and V by the command, as no short cut is known |"
    )
    return "\n".join(rows)
