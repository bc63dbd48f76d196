"""The published sentences that the claims correct, made from the registry."""

import shlex
from pathlib import Path

from mezo_lab.claims import REGISTRY, Claim, Published
from mezo_lab.claims.selection import order
from mezo_lab.claims.sentences import paper, projects
from mezo_lab.report.labels import SECTIONS

UNTESTED = (*paper.UNTESTED, *projects.UNTESTED)


def index(root: Path) -> str:
    """Every sentence with its source, where it holds, and its claim, as a table."""
    rows = [
        f"| [{sentence.name}](#{sentence.name}) | {sentence.source} | {sentence.holds} | {link(claim)} |"
        for claim, sentence in corrected()
    ]
    return "\n".join(["| sentence | source | does it hold? | claim |", "|---|---|---|---|", *rows])


def tested(root: Path) -> str:
    """The sentences of the registry, by section, each with the command that shows what is true."""
    parts: list[str] = []
    section = ""
    for claim, sentence in corrected():
        if claim.id[0] != section:
            section = claim.id[0]
            parts.append(f"## {section}. {SECTIONS[section]}")
        parts.append(entry(sentence, claim))
    return "\n\n".join(parts)


def untested(root: Path) -> str:
    """The slips that no claim runs."""
    return "\n\n".join(entry(sentence) for sentence in UNTESTED)


def corrected() -> list[tuple[Claim, Published]]:
    """(claim, sentence) for every sentence of the registry, in its order."""
    return [(claim, sentence) for claim in sorted(REGISTRY.values(), key=order) for sentence in claim.published]


def entry(sentence: Published, claim: Claim | None = None) -> str:
    """One sentence. The words of its source are never repeated."""
    lines = [
        f"### {sentence.name}",
        "",
        f"- said: {sentence.says}",
        f"- where: [{sentence.source}]({sentence.address}) (read: {sentence.read})",
        f"- true: {sentence.corrected}",
    ]
    if sentence.conditions:
        lines.append(f"- its authors' conditions: {sentence.conditions}")
    if claim:
        lines.append(f"- claim: {link(claim)}")
    lines = [line.replace("|", r"\|").replace("*", r"\*") for line in lines]
    if sentence.command:
        lines += ["", answer(sentence), "", "```sh", sentence.command, "```"]
    return "\n".join(lines)


def link(claim: Claim) -> str:
    return f"[{claim.id} {claim.name}](claims.md#{claim.id.lower()}-{claim.name})"


def answer(sentence: Published) -> str:
    """What its command answers: a test runs it and compares."""
    words = shlex.split(sentence.command)
    if words[1] == "prove":
        return "What is true is proved:"
    if "--expect" in words:
        return f"Held against the draws, `{words[words.index('--expect') + 1]}` is REFUTED:"
    return "What is true is CONSISTENT with the draws, and the decoys are REFUTED:"
