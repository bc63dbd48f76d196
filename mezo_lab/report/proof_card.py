"""Proofs as small HTML tables, for a notebook: no scripts, no colours but the page's own."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from mezo_lab.report.labels import joined

if TYPE_CHECKING:
    from mezo_lab.proofs import Proof

__all__ = ["proof_card"]


def proof_card(proofs: "Sequence[Proof]") -> str:
    """The steps of a proof, a row each; of proofs with the same steps, those whose formulas differ, side by side.

    Below stands the verdict of the proof: what sympy finds for derived − theory, and the exact means at small d.

    Args: proofs: of one claim, a law each.
    Returns: HTML for light and dark pages. Raises: ValueError where the proofs do not have the same number of steps.

    >>> from mezo_lab.proofs import prove
    >>> ">c = d</td>" in proof_card([prove("notes", "gaussian"), prove("notes", "sphere")])
    True
    """
    numbers = [len(proof.steps) for proof in proofs]
    if len(set(numbers)) != 1:
        raise ValueError(f"`proofs` must be proofs of the same steps, got {numbers} steps: show each by itself.")
    first = proofs[0]
    laws = [proof.law for proof in proofs]
    caption = f'<caption style="text-align:left"><b>{first.id} {escape(first.claim)}</b>, {joined(laws)} law</caption>'
    names = ["step", "formula"] if len(proofs) == 1 else laws
    head = "".join(f'<th style="text-align:left">{name}</th>' for name in ("", *names))
    rows = []
    for number in range(numbers[0]):
        formulas = [proof.steps[number].text for proof in proofs]
        sentence = _sentence(proofs, number)
        if len(proofs) == 1:
            rows.append(f"<tr>{_cells([str(number + 1), sentence, *map(escape, formulas)])}</tr>")
        elif len(set(formulas)) > 1:  # words and several formulas in one row would not fit on a small page
            words = f'<td colspan="{len(proofs)}" style="text-align:left">{sentence}</td>'
            rows.append(f"<tr>{_cells([''])}{words}</tr><tr>{_cells([str(number + 1), *map(escape, formulas)])}</tr>")
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    ends = "<br>".join(escape(f"{proof.law}: {proof.verdict}") for proof in proofs)
    return f"<div>{table}<p>{ends}</p></div>"


def _sentence(proofs: "Sequence[Proof]", number: int) -> str:
    """What a step says, as HTML; what it says of each law, where that differs."""
    said = {proof.law: proof.steps[number].sentence.replace("\N{NO-BREAK SPACE}", " ") for proof in proofs}
    if len(set(said.values())) == 1:
        return escape(said.popitem()[1])
    return "<br>".join(f"<i>{law}:</i> {escape(sentence)}" for law, sentence in said.items())


def _cells(contents: Sequence[str]) -> str:
    return "".join(f'<td style="text-align:left">{content}</td>' for content in contents)
