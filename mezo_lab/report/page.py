"""The report: one HTML file that needs no network, no script and no font of its own.

The markup is `page.html.jinja` beside this file, its look `page.css`; here is what they show.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mezo_lab.claims import Claim, Status, Verdict
from mezo_lab.report.figures import alt_text, claim_figure, formula_svg
from mezo_lab.report.figures.formula import Glyph, glyph_definitions
from mezo_lab.report.labels import MARKS, SECTIONS, counted
from mezo_lab.report.picture import inline_svg
from mezo_lab.report.prose import RunSummary, by_claim, sentences, summary, worst_status
from mezo_lab.theory import printed

if TYPE_CHECKING:
    from jinja2 import Template

    from mezo_lab.proofs import Proof

__all__ = ["as_html"]

_HERE = Path(__file__).parent
_FACTS = ("date", "mezo_lab", "python", "torch", "numpy", "platform", "processor", "cores", "threads", "device")


@dataclass(frozen=True)
class _Group:
    """What an article shows of a claim."""

    claim: Claim
    verdicts: Sequence[Verdict]
    proofs: "Sequence[Proof]"

    @property
    def summary(self) -> RunSummary:
        return summary(self.verdicts)

    @property
    def status(self) -> Status:
        """It gives the badge its colour and sign."""
        return worst_status(self.verdicts)

    @property
    def formulas(self) -> list[str]:
        """The theory's formulas, as `--expect` reads them."""
        return list(dict.fromkeys(printed(v.theory_formula) for v in self.verdicts if v.theory_formula))

    @property
    def figure(self) -> str:
        figure = claim_figure(self.verdicts, self.claim)
        return inline_svg(figure, f"figure-{self.claim.name}", alt_text(self.verdicts, self.claim))


@dataclass(frozen=True)
class _Part:
    """A section of the page: the claims whose ids begin with this letter."""

    letter: str
    groups: Sequence[_Group]

    @property
    def title(self) -> str:
        return f"{self.letter}. {SECTIONS.get(self.letter, 'More claims')}"


def as_html(
    verdicts: Sequence[Verdict],
    environment: Mapping[str, Any],
    proofs: "Iterable[Proof] | None" = None,
    planned: int | None = None,
) -> str:
    """Verdicts, figures and derivations as one page.

    Cost: 0.2 s a claim and 20 ms for each different formula; a full run makes 1.6 MB in about 10 s.

    Args:
        verdicts: in the order of the page.
        environment: what `environment()` returns.
        proofs: derivations to print; None: those of the verdicts that say "proved".
        planned: verdicts of the whole run, where it was stopped.

    Raises: ModuleNotFoundError where jinja2 or matplotlib is not installed.
    """
    if proofs is None:
        proofs = _proofs_of(verdicts)
    failed = list(dict.fromkeys(verdict.claim.name for verdict in verdicts if not verdict.passed))
    glyphs: dict[str, Glyph] = {}  # drawn once a page, at its end
    totals = summary(verdicts)
    return _template().render(
        parts=_parts(verdicts, list(proofs)),
        outcome=_outcome(totals, planned or totals.verdicts),
        complete=planned in (None, totals.verdicts),
        failed=failed,
        summary=totals,
        facts={name: environment[name] for name in _FACTS if name in environment},
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        marks=MARKS,
        counted=counted,
        sentence=_sentence,
        formula_svg=lambda latex: formula_svg(latex, glyphs),
        glyph_definitions=lambda: glyph_definitions(glyphs),
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    settings: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    loader = FileSystemLoader(_HERE, encoding="utf-8")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **settings).get_template(
        "page.html.jinja"
    )


def _parts(verdicts: Sequence[Verdict], proofs: "Sequence[Proof]") -> list[_Part]:
    """The verdicts by section and claim, in the order of their first."""
    parts: dict[str, list[_Group]] = {}
    for group in by_claim(verdicts):
        claim = group[0].claim
        own = [proof for proof in proofs if proof.claim == claim.name]
        parts.setdefault(claim.id[0], []).append(_Group(claim, group, own))
    return [_Part(letter, groups) for letter, groups in parts.items()]


def _proofs_of(verdicts: Iterable[Verdict]) -> "list[Proof]":
    pairs = dict.fromkeys((verdict.claim.name, verdict.law) for verdict in verdicts if verdict.proof == "proved")
    if not pairs:
        return []
    from mezo_lab.proofs import prove  # loads sympy

    return [prove(*pair) for pair in pairs]


def _outcome(totals: RunSummary, planned: int) -> str:
    """The first line of the page; the names of the claims that failed follow it."""
    failed = totals.verdicts - totals.passed
    sentences = []
    if totals.verdicts < planned:
        sentences.append(f"Not complete: {totals.verdicts} of {planned} verdicts were reached")
    if failed:
        sentences.append(f"{failed} failed (exit status 1): ")
    if sentences:
        return f"✗ {'; '.join(sentences)}"
    return "✓ All passed (exit status 0)"


def _sentence(verdict: Verdict) -> tuple[str, str, str]:
    """One verdict in words, no line broken inside an equation: what stands before its law, the law, and the rest."""
    text = sentences(verdict)
    for sign in ("=", "±"):
        text = text.replace(f" {sign} ", f"\N{NO-BREAK SPACE}{sign}\N{NO-BREAK SPACE}")
    return text.partition(verdict.law)
