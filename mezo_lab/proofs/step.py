"""One sentence of a proof and the formula it leads to."""

from dataclasses import dataclass

from sympy import Basic

from mezo_lab.proofs.printing import mathtext, plain


@dataclass(frozen=True)
class Step:
    """A sentence and its formula.

    >>> from mezo_lab.proofs.notation import d, equation
    >>> Step("A Gaussian is as long as its dimension.", equation("E‖z‖²", d)).text
    'E‖z‖² = d'
    """

    sentence: str
    formula: Basic

    @property
    def text(self) -> str:
        """The formula as plain text."""
        return plain(self.formula)

    @property
    def latex(self) -> str:
        """The formula as LaTeX that matplotlib's mathtext can set."""
        return mathtext(self.formula)
