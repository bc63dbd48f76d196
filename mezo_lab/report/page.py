"""The report: one HTML file that needs no network, no script and no font of its own."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from mezo_lab.claims import Status, Verdict
from mezo_lab.report.figures import alt_text, claim_figure, formula_svg
from mezo_lab.report.figures.formula import Glyph, glyph_defs
from mezo_lab.report.picture import inline_svg
from mezo_lab.report.stylesheet import STYLE
from mezo_lab.report.wording import MARKS, Tally, by_claim, counted, sentences, tally
from mezo_lab.theory import printed

if TYPE_CHECKING:
    from mezo_lab.proofs import Proof

PARTS = {
    "A": "The estimator",
    "B": "Descent and learning rates",
    "C": "The optimizer that trains the models",
    "D": "Real models",
    "E": "After MeZO: what its successors claim",
}
EXPLAINED = {
    "✓ CONSISTENT": "The draws agree with the formula, and their number, fixed beforehand, was large enough to show a"
    " discrepancy of the size named.",
    "✗ REFUTED": "The mean of the draws lies five standard errors or more from what the formula says: |z| ≥ 5.",
    "? UNDERPOWERED": "Too few draws to tell; the sentence says how many are missing.",
    "z": "How many standard errors the mean lies above the formula's value. A share of draws is held against the exact"
    " binomial law; of what happened in each of n draws, a share of 0.05 to the power 1/n or less is excluded at 95 %.",
    "Decoy": "A plausible wrong formula, or a wrong experiment, that the same run must refute. One that is not refuted"
    " is a failure of the run.",
    "Proof": "Sampling proves nothing. Where a derivation is given, it holds for every dimension d and number of"
    " probes n.",
}
FACTS = ("date", "mezo_lab", "python", "torch", "numpy", "platform", "processor", "cores", "threads", "device")

Glyphs = dict[str, Glyph]


def as_html(
    verdicts: Sequence[Verdict],
    environment: Mapping[str, Any],
    proofs: "Iterable[Proof] | None" = None,
    planned: int | None = None,
) -> str:
    """Verdicts, figures and derivations as one page.

    Cost: 0.2 s a claim and 20 ms for each different formula; a full run makes 1.6 MB in about 10 s.

    Args: verdicts: in the order of the page. environment: of `environment()`. proofs: derivations to print; None: those
    of the verdicts that say "proved". planned: verdicts of the whole run, where it was stopped.
    """
    groups = by_claim(verdicts)
    derived = list(proofs_of(verdicts) if proofs is None else proofs)
    glyphs: Glyphs = {}
    parts: dict[str, str] = {}
    for group in groups:
        claim = group[0].claim
        own = [proof for proof in derived if proof.claim == claim.name]
        parts[claim.id[0]] = parts.get(claim.id[0], "") + article(group, own, glyphs)
    body = "".join(
        f'<section><h2 id="part-{letter}">{part(letter)}</h2>{told}</section>' for letter, told in parts.items()
    )
    failed = dict.fromkeys(verdict.claim.name for verdict in verdicts if not verdict.passed)
    missing = (planned or len(verdicts)) - len(verdicts)
    return page(tally(verdicts), [*failed], environment, contents(groups), body, glyphs, missing)


def proofs_of(verdicts: Iterable[Verdict]) -> "Iterable[Proof]":
    pairs = dict.fromkeys((verdict.claim.name, verdict.law) for verdict in verdicts if verdict.proof == "proved")
    if not pairs:
        return []
    from mezo_lab.proofs import prove  # loads sympy

    return [prove(*pair) for pair in pairs]


def page(
    told: Tally,
    failed: list[str],
    environment: Mapping[str, Any],
    navigation: str,
    body: str,
    glyphs: Glyphs,
    missing: int = 0,
) -> str:
    names = ", ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in failed)
    failures = f"✗ {told.verdicts - told.passed} failed (exit status 1): {names}"
    outcome = failures if failed else "✓ All passed (exit status 0)"
    if missing:
        reached = f"{told.verdicts} of {told.verdicts + missing} verdicts were reached"
        outcome = f"✗ Not complete: {reached}" + (f"; {failures[2:]}" if failed else "")
    facts = "".join(f"<li>{escape(f'{name}: {environment[name]}')}</li>" for name in FACTS if name in environment)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{outcome[0]} {told.passed} of {counted(told.verdicts, "verdict")} passed – mezo_lab</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#claims">Skip to the claims</a>
<p class="outcome{" fail" if failed or missing else ""}">{outcome}</p>
<div class="page">
<header>
<h1>The mathematics of MeZO, claim by claim</h1>
<p class="lead">{escape(str(told))}</p>
<ul class="facts">{facts}</ul>
</header>
<div class="columns">
<nav aria-labelledby="contents"><h2 id="contents">Contents</h2>{navigation}</nav>
<main id="claims">{body}{explained()}</main>
</div>
</div>
<svg class="glyphs" aria-hidden="true">{glyph_defs(glyphs)}</svg>
</body>
</html>
"""


def contents(groups: Iterable[Sequence[Verdict]]) -> str:
    lists: dict[str, str] = {}
    for group in groups:
        id, name = escape(group[0].claim.id), escape(group[0].claim.name)
        entry = f'<li><a href="#{name}"><span class="id">{id}</span><span>{name}</span>{badge(group)}</a></li>'
        lists[id[0]] = lists.get(id[0], "") + entry
    parts = "".join(f'<p class="part">{part(letter)}</p><ol>{entries}</ol>' for letter, entries in lists.items())
    return parts + '<p class="part"><a href="#words">What the words mean</a></p>'


def part(letter: str) -> str:
    return f"{letter}. {PARTS.get(letter, 'More claims')}"


def badge(group: Sequence[Verdict]) -> str:
    """How many of a claim's verdicts passed, in the colour and with the sign of the worst."""
    told = tally(group)
    unsure = all(verdict.passed or verdict.status is Status.UNDERPOWERED for verdict in group)
    status = Status.CONSISTENT if told.all_passed else Status.UNDERPOWERED if unsure else Status.REFUTED
    return f'<span class="badge {status.name}">{MARKS[status]} {told.passed} of {told.verdicts}</span>'


def article(group: Sequence[Verdict], proofs: Iterable["Proof"], glyphs: Glyphs) -> str:
    claim, name = group[0].claim, escape(group[0].claim.name)
    figure = inline_svg(claim_figure(group, claim), f"figure-{name}", alt_text(group, claim))
    return f"""
<article id="{name}" aria-labelledby="name-{name}">
<header><h3 id="name-{name}"><span class="id">{escape(claim.id)}</span>{name}</h3>{badge(group)}</header>
{block("statement", claim.statement, glyphs)}
<p class="source">Source: {escape(claim.source)}{stated(group)}</p>
<figure tabindex="0" aria-label="Figure of {name}">{figure}</figure>
<ul class="verdicts">{"".join(map(entry, group))}</ul>
{"".join(derivation(proof, glyphs) for proof in proofs)}
</article>"""


def stated(group: Sequence[Verdict]) -> str:
    """The theory's formulas, as `--expect` reads them."""
    formulas = dict.fromkeys(printed(verdict.theory_formula) for verdict in group if verdict.theory_formula)
    return f". Formula: {escape('; '.join(formulas))}" if formulas else ""


def entry(verdict: Verdict) -> str:
    """One verdict in words, the law in bold, no line broken inside an equation."""
    law, text = escape(verdict.law), escape(sentences(verdict))
    text = (
        text.replace(law, f"<strong>{law}</strong>", 1).replace(" = ", "&nbsp;=&nbsp;").replace(" ± ", "&nbsp;±&nbsp;")
    )
    failure = "" if verdict.passed else ' class="failure"'
    return f'<li{failure}><span class="mark {verdict.status.name}">{MARKS[verdict.status]}</span>{text}</li>'


def block(kind: str, latex: str, glyphs: Glyphs) -> str:
    # what may scroll sideways must be within reach of the keyboard
    return f'<div class="{kind}" tabindex="0" role="group" aria-label="Formula">{formula_svg(latex, glyphs)}</div>'


def derivation(proof: "Proof", glyphs: Glyphs) -> str:
    steps = "".join(f"<li>{escape(step.sentence)}{block('step', step.latex, glyphs)}</li>" for step in proof.steps)
    ending = "∎" if proof.proved else "✗ not proved"
    heading = f"Proof of {proof.claim} for the {proof.law} law, {counted(len(proof.steps), 'step')} {ending}"
    return f"<details><summary>{escape(heading)}</summary><ol>{steps}</ol></details>"


def explained() -> str:
    entries = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in EXPLAINED.items())
    return f'<section><h2 id="words">What the words mean</h2><dl class="explained">{entries}</dl></section>'
