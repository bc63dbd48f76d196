"""The parts of a claim's page, each as Markdown: from the registry, the theory, the proofs and the last records."""

import inspect
import json
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any
from urllib.parse import quote

from citations import cited, cited_by_claim
from claim_uses import Place, aliases, formulas, once, own_formulas, related, uses
from folders import ROOT
from playground_page import playground_link
from statement_lines import in_lines

from mezo_lab import theory
from mezo_lab.claims import REGISTRY, SYMBOLS, Claim, Verdict
from mezo_lab.claims.selection import order
from mezo_lab.claims.wording import number_text
from mezo_lab.cli.listing import experiments_of, names_in
from mezo_lab.proofs import Proof, law_formula, provable, prove
from mezo_lab.proofs.printing import NO_BREAK, mathtext
from mezo_lab.report import summary, verdicts_of
from mezo_lab.report.card import verdict_card
from mezo_lab.report.figures import alt_text, claim_figure
from mezo_lab.report.labels import PARAMETER_LETTERS, counted, is_formula, joined, setting, typographic
from mezo_lab.report.picture import inline_svg
from mezo_lab.sampling import KEYED_LAWS
from mezo_lab.theory import Expression

RECORDS = ("verify", "models", "curvature")  # the last full run, and the claims on a real language model
PLAYED = ("d", "n", "r", "t", "p", "q", "k")  # the sizes that the playground reads
LABEL = r"(?=\s(?:Source|Formula|Cost|Args|Returns|Raises):|\n\s*\n|\Z)"  # where a part of a docstring ends
SPECIAL = re.compile(r"([\\`*_|<>$\[\]#~])")


def text(words: str) -> str:
    """Plain words as Markdown shows them."""
    return SPECIAL.sub(r"\\\1", words)


@cache
def records() -> dict[str, tuple[list[Verdict], dict[str, Any], str]]:
    """Claim → its verdicts, the environment of their run, and the record's name; no claim is in two records.

    Raises: ValueError where one is: its verdicts would be of two runs.
    """
    found: dict[str, tuple[list[Verdict], dict[str, Any], str]] = {}
    for name in RECORDS:
        record = json.loads((ROOT / f"results/{name}.json").read_text(encoding="utf-8"))
        for verdict in verdicts_of(record):
            verdicts, _, first = found.setdefault(verdict.claim.name, ([], record["environment"], name))
            if first != name:
                raise ValueError(f"{verdict.claim.name} must be in one record, is in {first} and {name}: drop one.")
            verdicts.append(verdict)
    return found


def verdicts_on(claim: Claim) -> list[Verdict]:
    """Those of the claim in the records."""
    return records().get(claim.name, ([], {}, ""))[0]


def statement(claim: Claim) -> str:
    """What it says, as a formula of its own."""
    latex = in_lines(claim.statement).replace("{-}", r"\text{-}")  # a hyphen, which MathJax would set as a minus sign
    return f"```{{math}}\n{latex}\n```"


@once
def proofs_of(claim: Claim) -> list[Proof]:
    """Its derivations, under all of its names and for every law."""
    return [prove(name, law) for name, law in provable() if name in aliases(claim)]


def verified(claim: Claim) -> str:
    """When it was verified last, with which versions, and what came out."""
    verdicts, environment, name = records()[claim.name]
    versions = f"mezo_lab {environment['mezo_lab']}, torch {environment['torch']}, Python {environment['python']}"
    model = " on a real language model" if claim.real else ""
    return f"Verified{model} on {environment['date']} ({versions}; `results/{name}.json`). {summary(verdicts)}"


def laws(claim: Claim) -> str:
    """Law → formula and value at every tested parameter set."""
    cases: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts_on(claim):
        value = number_text(verdict.theory)
        if verdict.relation == "<=":
            value = f"≤ {value}"
        where = setting(verdict.parameters).replace(" = ", f"{NO_BREAK}={NO_BREAK}")
        cell = f"{value} {verdict.unit}".rstrip() + (f" at {where}" if where else "")
        cases.setdefault((verdict.law, _formula(claim, verdict)), []).append(text(cell))
    merged: dict[tuple[str, str], list[str]] = {}
    for (law, formula), values in cases.items():
        merged.setdefault((formula, ";<br>".join(values)), []).append(law)
    rows = [f"| {joined(names)} | {formula} | {values} |" for (formula, values), names in merged.items()]
    return "\n".join(["| law of z | formula | value at the tested parameters |", "|---|---|---|", *rows])


def _formula(claim: Claim, verdict: Verdict) -> str:
    """The theory's formula for the law of the verdict."""
    if verdict.theory_formula is None:
        names = ", ".join(f"{{py:func}}`~mezo_lab.theory.{name}`" for name in formulas(claim))
        if names:
            return f"no closed formula in these names; computed by {names}"
        return "no closed formula: measured against backpropagation" if claim.real else "no closed formula"
    symbols = {} if claim.real else _symbols(claim, verdict)
    return f"${mathtext(law_formula(Expression(verdict.theory_formula), verdict.law, symbols))}$"


def _symbols(claim: Claim, verdict: Verdict) -> dict[str, float]:
    parameters = {name: value for name, value in verdict.parameters.items() if name != "sampler"}
    return claim.experiment(KEYED_LAWS[verdict.law], **parameters).symbols


def assumptions(claim: Claim) -> str:
    """What the docstrings of its theory and of its experiment assume."""
    functions = [claim.build, *(getattr(theory, name) for name in formulas(claim))]
    found: dict[str, list[str]] = {}
    for function in functions:  # grows by those that are referred to
        name = "" if function is claim.build else f"{{py:func}}`~mezo_lab.theory.{function.__name__}`"
        for words in _assumed(function):
            if other := re.match(r"as `(\w+)`", words):
                referred = getattr(theory, other[1])
                functions += [] if referred in functions else [referred]
                words = re.sub(r"^as `\w+`[;,]?\s*", "", words)
            if words:
                found.setdefault(words, []).append(name)
    own = "z is drawn by one of the laws of the table, each of which has $\\mathbb{E}[zz^\\top] = I$"
    if not found:
        return f"{own}. The library states no other assumption than the statement itself."
    lines = [f"- {own}."]
    for words, names in found.items():
        where = ", ".join(filter(None, names))
        lines.append(f"- {where}: {_sentence(words)}" if where else f"- {_sentence(words)}")
    return "\n".join(["What the statement, and each formula of the experiment and its decoys, assumes:", "", *lines])


def _assumed(function: Callable) -> list[str]:
    """What a docstring and that of its module assume."""
    said = re.findall(rf"Assumes: (.*?){LABEL}", inspect.getdoc(function) or "", re.DOTALL)
    module = inspect.getdoc(sys.modules[function.__module__]) or ""
    said += re.findall(rf"Assumes throughout: (.*?){LABEL}", module, re.DOTALL)
    said = [re.sub(r"^as this file does,? and ", "", " ".join(words.split())) for words in said]
    return [re.split(r"(?<=[.)])\s+(?=[A-Z(`])", words)[0].rstrip(".;") for words in said]  # what follows explains


def _sentence(words: str) -> str:
    if re.match("[a-z]{2,}|a ", words):  # a word, not a letter of mathematics
        words = words[:1].upper() + words[1:]
    return f"{words}.".replace("*", r"\*").replace("|", r"\|")


def derivation(claim: Claim) -> str:
    """Its proofs, step by step, each law folded."""
    proofs = proofs_of(claim)
    if not proofs:
        return "`mezo_lab.proofs` does not derive this claim: the draws alone speak for it."
    return "\n\n".join(_proof(proof) for proof in proofs)


def _proof(proof: Proof) -> str:
    end = "derived − theory = 0 ∎" if proof.proved else "not proved"
    name = "" if proof.claim in REGISTRY else f"{proof.claim}, "
    lines = [f":::{{dropdown}} {name}{proof.law} law, {counted(len(proof.steps), 'step')}: {end}"]
    for number, step in enumerate(proof.steps, 1):
        sentence = text(step.sentence.replace(NO_BREAK, " "))
        lines += [f"{number}. {sentence}", "", f"   $$ {step.latex} $$", ""]
    return "\n".join([*lines, ":::"])


def figure(claim: Claim) -> str:
    """The figure of the last verification, which follows a light or a dark page; its words stand for it."""
    verdicts = verdicts_on(claim)
    words = alt_text(verdicts, claim)
    svg = inline_svg(claim_figure(verdicts, claim), f"figure-{claim.name}", words)
    # who sees reads them below the figure; who hears has them with the figure, and not twice
    caption = f'<figcaption aria-hidden="true">{escape(words)}</figcaption>'
    return raw(f'<figure class="mezo-claim-figure">{svg}{caption}</figure>')


def verdict_table(claim: Claim) -> str:
    """Every verdict with its decoys; a wide table scrolls by itself."""
    box = f'<div class="mezo-scroll" tabindex="0" role="region" aria-label="Verdicts on {claim.name}">'
    return raw(f"{box}{verdict_card(verdicts_on(claim))}</div>")


def raw(html: str) -> str:
    """HTML as it is."""
    return f"```{{raw}} html\n{html}\n```"


def commands(claim: Claim) -> list[tuple[str, str]]:
    """(what it does, command): the test, a decoy as somebody's own formula, and the proof."""
    what = "Test it for every law, with the decoys; `--fast` takes small dimensions:"
    if claim.real:
        what = (
            "Test it on a language model, which is [optional](../docs/install.md): `mezo-lab doctor` says whether it is"
            " there, and how to add it."
        )
    found = [(what, f"mezo-lab verify {claim.name}")]
    if wrong := _refuted(claim):
        found.append(("Put a formula to the test. This one is a decoy, and is refuted:", wrong))
    if provable_name := next((proof.claim for proof in proofs_of(claim) if proof.claim == claim.name), ""):
        found.append(
            ("Derive it, and check the derivation by brute force at small d:", f"mezo-lab prove {provable_name}")
        )
    return found


def _refuted(claim: Claim) -> str:
    """The command that holds the first decoy with a formula against the draws; "" where no decoy has one."""
    for verdict in verdicts_on(claim):
        for decoy in verdict.decoys:
            if is_formula(decoy.statement) and not claim.real and decoy.expected != verdict.expected:
                options = f"--law {verdict.law}{_options(claim, verdict)}"
                return f'mezo-lab verify {claim.name} {options} --expect "{decoy.statement}"'
    return ""


def _options(claim: Claim, verdict: Verdict) -> str:
    """The options that choose the parameters of a verdict among those of its law."""
    sets = claim.parameter_sets(KEYED_LAWS[verdict.law])
    options = ""
    for name, value in verdict.parameters.items():
        if len({each.get(name) for each in sets}) < 2:
            continue
        options += f" --{name} {value}" if name in ("dim", "probes") else f" --set {shlex.quote(f'{name}={value}')}"
    return options


def searched(claim: Claim) -> str:
    """What the filter of the index finds beside what it shows: names, and formulas as they are typed and printed."""
    typed = dict.fromkeys(
        formula
        for verdict in verdicts_on(claim)
        for formula in [verdict.theory_formula, *(decoy.statement for decoy in verdict.decoys)]
        if formula
    )
    return "\n".join([*aliases(claim), *own_formulas(claim), *typed, *map(typographic, typed)])


def names(claim: Claim) -> str:
    """The names that a formula of one's own may use, with their meaning."""
    if claim.real:
        return ""
    known = [f"`{name}` ({text(SYMBOLS[name])})" for name in names_in(experiments_of(claim))]
    return f"Names for `--expect`: {', '.join(known)}."


def used(claim: Claim) -> str:
    """Where it is named, and where its formula is computed with."""
    found = uses(claim)
    named = _listed([place for place in found if place.names(claim)])
    lines = ["Named in:", "", *named] if named else []
    if own := own_formulas(claim):
        computing = _listed([place for place in found if not place.names(claim)])
        functions = joined([f"{{py:func}}`~mezo_lab.theory.{name}`" for name in own])
        if computing:
            lines += ["", f"Computed with its formula, {functions}:", "", *computing]
    if not found:
        return "No notebook, exercise, problem of the exam, question or page names it."
    return "\n".join(lines)


def _listed(found: Sequence[Place]) -> list[str]:
    """A line for each page, with its sections."""
    pages: dict[tuple[str, str, str], list[str]] = {}
    for place in found:
        kind = {"exam": "Exam", "question": "Questions"}.get(place.kind, "")
        key = (kind, place.page if not kind else "", place.title if not kind else "")
        heading = place.heading.replace("[", r"\[").replace("]", r"\]")
        if kind == "Exam":
            link = f"[{place.title}](../notebooks/assessment/exam.md)"
        elif kind:
            link = f"[{place.title}](../{place.page})"
        else:
            link = f"[{heading}](../{place.page}#{place.anchor})" if place.anchor else ""
        pages.setdefault(key, []).append(link)
    lines = []
    for (kind, page, title), links in pages.items():
        head = kind or f"[{title}](../{page})"
        sections = ", ".join(filter(None, links))
        lines.append(f"- **{head}**" + (f": {sections}" if sections else ""))
    return lines


def corrected(claim: Claim) -> str:
    """The published sentences that it corrects."""
    if not claim.published:
        return "It corrects no published sentence that we know."
    return "\n".join(
        f"- [{each.name}](../docs/errata.md#{each.name}), {text(each.source)}. Said: {text(each.says)} True:"
        f" {text(each.corrected)}"
        for each in claim.published
    )


def sources(claim: Claim) -> str:
    """Where the claim is printed, and the sentences that it corrects, with references to the bibliography."""
    keys = [
        *cited_by_claim(claim.source),
        *cited("\n".join(f"{each.source} {each.address}" for each in claim.published)),
    ]
    line = f"Source of the claim: {text(claim.source)}."
    if not keys:
        return f"{line} It names no work of the [bibliography](../bibliography.md)."
    return f"{line} References: {{cite:p}}`{','.join(dict.fromkeys(keys))}`."


def neighbours(claim: Claim) -> str:
    """Related claims, and why they are."""
    reasons = related(claim)
    if not reasons:
        return "No other claim shares a text, a formula or a section with it."
    return "\n".join(
        f"- Claims that {why}: {', '.join(link(other) for other in found)}" for why, found in reasons.items()
    )


def link(claim: Claim) -> str:
    """To the page of a claim, from one beside it."""
    return f"[{claim.id} {claim.name}]({claim.id}.md)"


def prover_link(claim: Claim) -> str:
    """To its derivation in the browser; "" where it has none."""
    proofs = [proof for proof in proofs_of(claim) if proof.claim == claim.name]
    return f"../prove.html#proof={claim.name}&law={quote(proofs[0].law)}" if proofs else ""


def play_link(claim: Claim) -> str:
    """To the playground at the law and the sizes of its first verdict, with a decoy as the formula; or ""."""
    for verdict in verdicts_on(claim):
        wrong = [decoy.statement for decoy in verdict.decoys if is_formula(decoy.statement)]
        if wrong:
            letters = {PARAMETER_LETTERS.get(name, name): value for name, value in verdict.parameters.items()}
            known = {name: value for name, value in letters.items() if name in PLAYED}
            address = playground_link(claim.id, law=verdict.law, **known, formula=wrong[0])
            return f"../{address}" if address else ""
    return ""


def ordered() -> list[Claim]:
    """The claims as they are listed."""
    return sorted(REGISTRY.values(), key=order)
