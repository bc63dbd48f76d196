"""The report: one HTML file that needs no network, no script and no font of its own."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Protocol

from mezo_lab.claims import Claim, Status, Verdict
from mezo_lab.plots import alt_text, claim_figure, formula_svg, glyph_defs
from mezo_lab.plots.formula import Glyph
from mezo_lab.report.picture import inline_svg
from mezo_lab.report.style import STYLE
from mezo_lab.report.wording import MARKS, Tally, by_claim, counted, sentences, tally

PARTS = {
    "A": "The estimator",
    "B": "Descent and learning rates",
    "C": "The optimizer that trains the models",
    "D": "Real models",
}
EXPLAINED = {
    "✓ CONSISTENT": "The draws agree with the formula, and their number, fixed beforehand, was large enough to show a "
    "discrepancy of the size named.",
    "✗ REFUTED": "The mean of the draws lies five standard errors or more from what the formula says: |z| ≥ 5.",
    "? UNDERPOWERED": "Too few draws to tell; the sentence says how many are missing.",
    "z": "How many standard errors the mean lies above the formula's value.",
    "Decoy": "A plausible wrong formula, or a wrong experiment, that the same run must refute. One that is not refuted is "
    "a failure of the run.",
    "Proof": "Sampling proves nothing. Where a derivation is given, it holds for every dimension d and number of probes n.",
}
FACTS = ("date", "mezo_lab", "python", "torch", "numpy", "platform", "processor", "cores", "threads", "device")


class Derivation(Protocol):
    """What the report prints of a `mezo_lab.proofs.Proof`."""

    claim: str
    law: str
    steps: Sequence[Any]  # of .sentence and .latex

    @property
    def proved(self) -> bool: ...


def as_html(
    verdicts: Sequence[Verdict], environment: Mapping[str, Any], proofs: Iterable[Derivation] | None = None
) -> str:
    """Verdicts, figures and derivations as one page.

    Cost: about 0.2 s for each claim and for each ten proofs; 1–2 MB for a full run.

    Args: verdicts: in the order of the page. environment: of `environment()`. proofs: derivations to print; None: those
    of the verdicts that say "proved".
    """
    told, groups = tally(verdicts), by_claim(verdicts)
    derivations = [*(derivations_of(verdicts) if proofs is None else proofs)]
    glyphs: dict[str, Glyph] = {}
    parts = {group[0].claim.id[0]: [] for group in groups}
    for group in groups:
        own = [proof for proof in derivations if proof.claim == group[0].claim.name]
        parts[group[0].claim.id[0]].append(article(group, own, glyphs))
    body = "".join(part(letter, articles) for letter, articles in parts.items())
    return page(told, environment, contents(groups), body, glyphs)


def derivations_of(verdicts: Iterable[Verdict]) -> list[Derivation]:
    pairs = dict.fromkeys((v.claim.name, v.law) for v in verdicts if v.proof == "proved")
    if not pairs:
        return []
    from mezo_lab.proofs import prove  # loads sympy

    return [prove(*pair) for pair in pairs]


def page(told: Tally, environment: Mapping[str, Any], navigation: str, body: str, glyphs: dict[str, Glyph]) -> str:
    outcome = "✓ All passed (exit status 0)" if told.all_passed else f"✗ {told.verdicts - told.passed} failed (exit status 1)"
    facts = "".join(f"<li>{escape(name)}: {escape(str(environment[name]))}</li>" for name in FACTS if name in environment)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{outcome[0]} {told.passed} of {counted(told.verdicts, "verdict")} passed – mezo_lab verify</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#claims">Skip to the claims</a>
<p class="outcome{"" if told.all_passed else " fail"}">{outcome}</p>
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


def explained() -> str:
    entries = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in EXPLAINED.items())
    return f'<section><h2 id="words">What the words mean</h2><dl class="explained">{entries}</dl></section>'


def contents(groups: Sequence[Sequence[Verdict]]) -> str:
    lists: dict[str, str] = {}
    for group in groups:
        claim = group[0].claim
        name = f'<span class="id">{escape(claim.id)}</span><span>{escape(claim.name)}</span>'
        entry = f'<li><a href="#{escape(claim.name)}">{name}{badge(group)}</a></li>'
        lists[claim.id[0]] = lists.get(claim.id[0], "") + entry
    parts = "".join(f'<p class="part">{title(letter)}</p><ol>{entries}</ol>' for letter, entries in lists.items())
    return parts + '<p class="part"><a href="#words">What the words mean</a></p>'


def title(letter: str) -> str:
    return f"{letter}. {PARTS.get(letter, 'More claims')}"


def part(letter: str, articles: Iterable[str]) -> str:
    return f'<section><h2 id="part-{letter}">{title(letter)}</h2>{"".join(articles)}</section>'


def badge(group: Sequence[Verdict]) -> str:
    """How many of a claim's verdicts passed, in the colour and with the sign of the worst."""
    told = tally(group)
    unsure = all(verdict.passed or verdict.status is Status.UNDERPOWERED for verdict in group)
    status = Status.CONSISTENT if told.all_passed else Status.UNDERPOWERED if unsure else Status.REFUTED
    return f'<span class="badge {status.name}">{MARKS[status]} {told.passed} of {told.verdicts}</span>'


def article(group: Sequence[Verdict], proofs: Iterable[Derivation], glyphs: dict[str, Glyph]) -> str:
    claim = group[0].claim
    picture = inline_svg(claim_figure(group, claim), f"figure-{claim.name}", alt_text(group, claim))
    told = "".join(f"<li>{told_verdict(verdict)}</li>" for verdict in group)
    return f"""
<article id="{escape(claim.name)}" aria-labelledby="name-{escape(claim.name)}">
<header><h3 id="name-{escape(claim.name)}"><span class="id">{escape(claim.id)}</span>{escape(claim.name)}</h3>{badge(group)}</header>
{block("statement", claim.statement, glyphs, f"Statement of {claim.name}")}
<p class="source">Source: {escape(claim.source)}</p>
<figure tabindex="0">{picture}</figure>
<ul class="verdicts">{told}</ul>
{"".join(derivation(proof, claim, glyphs) for proof in proofs)}
</article>"""


def told_verdict(verdict: Verdict) -> str:
    mark = f'<span class="mark {verdict.status.name}">{MARKS[verdict.status]}</span>'
    law = escape(verdict.law)
    text = escape(sentences(verdict)).replace(law, f"<strong>{law}</strong>", 1)
    text = text.replace(" = ", "&nbsp;=&nbsp;").replace(" ± ", "&nbsp;±&nbsp;")
    return mark + (text if verdict.passed else f'<span class="failure">{text}</span>')


def block(kind: str, latex: str, glyphs: dict[str, Glyph], label: str) -> str:
    # what may scroll sideways must be reachable with the keyboard
    return f'<div class="{kind}" tabindex="0" role="group" aria-label="{escape(label)}">{formula_svg(latex, glyphs)}</div>'


def derivation(proof: Derivation, claim: Claim, glyphs: dict[str, Glyph]) -> str:
    steps = "".join(
        f"<li>{escape(step.sentence)}{block('step', step.latex, glyphs, 'Formula')}</li>" for step in proof.steps
    )
    ending = "∎" if proof.proved else "✗ not proved"
    heading = f"Proof of {claim.name} for the {proof.law} law, {counted(len(proof.steps), 'step')} {ending}"
    return f"<details><summary>{escape(heading)}</summary><ol>{steps}</ol></details>"
