"""The symbols of the proofs. Each is named by its own plain text, and its LaTeX is read off the name."""

import re
from typing import cast

from sympy import Eq, Expr, Symbol

SUMS = {"Σᵢⱼ": r"\sum_{i,j}", "Σᵢ": r"\sum_{i}", "Σⱼ": r"\sum_{j}", "Σₖ": r"\sum_{k}", "Σₓ": r"\sum_{x_1,x_2}"}
SIGNS = {
    "tr(": r"\mathrm{tr}(",
    "diag": r"\mathrm{diag}",
    "E": r"\mathbb{E}\,",
    "_B′": "_{B'}",
    "_B": "_{B}",
    "_SGD": r"_{\mathrm{SGD}}",
    "∇": r"\nabla ",
    "‖": r"\Vert ",
    "|": r"\vert ",
    "ĝ": r"\hat{g}",
    "ĥ": r"\hat{h}",
    "ᵀ": r"^{\top}",
    "⋆": r"^{\star}",
    "′": "'",
    "·": r"\cdot ",
    "∘": r"\circ ",
    "∫": r"\int ",
    "½": r"\frac{1}{2}",
    "−": "-",
    "Δ": r"\Delta ",
    "α": r"\alpha ",
    "Σ": r"\Sigma ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "δ": r"\delta ",
    "ε": r"\varepsilon ",
    "η": r"\eta ",
    "θ": r"\theta ",
    "κ": r"\kappa ",
    "μ": r"\mu ",
    "ξ": r"\xi ",
    "ρ": r"\rho ",
    "σ": r"\sigma ",
    "φ": r"\varphi ",
    "ℓ": r"\ell ",
    "∂": r"\partial ",
}
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
RAISED = str.maketrans("²³⁴⁻¹⁺", "234-1+")
LOWERED = str.maketrans("ᵢⱼₖₗ₁₂", "ijkl12")


def _latex_of(name: str) -> str:
    """The LaTeX of a quantity named in plain text.

    >>> _latex_of("Σᵢ Hᵢᵢgᵢ²")
    '\\\\sum_{i} H_{ii}g_{i}^{2}'
    """
    if re.fullmatch("[A-Za-z][A-Za-z0-9]+", name):  # a word, not a product of letters
        return rf"\mathrm{{{name}}}"
    for sign, command in SUMS.items():
        name = name.replace(sign, command)
    name = re.sub("[ᵢⱼₖₗ₁₂]+", lambda run: f"_{{{run[0].translate(LOWERED)}}}", name)
    name = re.sub("[²³⁴⁻¹⁺]+", lambda run: f"^{{{run[0].translate(RAISED)}}}", name)
    for sign, command in SIGNS.items():
        name = name.replace(sign, command)
    return name


class Scalar(Symbol):
    """A real number named by its plain text, such as ‖g‖² or tr(H²).

    >>> Scalar("gᵀH²g") * 2
    2*gᵀH²g
    """

    def __new__(cls, name: str, **assumptions: bool) -> "Scalar":
        return super().__new__(cls, name, **{"real": True, **assumptions})

    def _latex(self, printer) -> str:
        return _latex_of(self.name)


d, n, r = (Scalar(name, positive=True) for name in ("d", "n", "r"))  # dimension, probes, effective rank
kappa, epsilon, eta, ell = (Scalar(name, positive=True) for name in ("κ", "ε", "η", "ℓ"))
# of a matrix of weights: rows, columns, rank of a direction; steps with one subspace, curvature outside it
rows, columns, inner, kept_steps, outside = (Scalar(name, positive=True) for name in ("p", "q", "k", "T", "h"))
beta = Scalar("β", positive=True)  # of an averaged momentum
s = Scalar("s", positive=True)  # the step without units, ηℓ
change = Scalar("Δ")  # of the loss, from one step to the next
freedom = Scalar("m", positive=True)  # degrees of freedom of n = m + 1 losses about their mean
run_steps = Scalar("T", positive=True, integer=True)  # of a run; not `kept_steps`, whose value differs
entry = Scalar("Hᵢᵢ")
correlation = Scalar("ρ")  # of an estimate with its control
noise = Scalar("tr(Σ)")  # Σ, the covariance of one example's gradient
common = Scalar("tr(C)")  # C, the covariance of one example's gradients at two points
batch = Scalar("B", positive=True)  # examples of a minibatch
batch_gradient_sq = Scalar("E‖∇L(θ;B)‖²", positive=True)  # over minibatches of B examples


def equation(left: Expr | str, right: Expr) -> Eq:
    """left = right, kept as written; a left side given as text becomes a `Scalar`."""
    if isinstance(left, str):
        left = Scalar(left)
    return cast(Eq, Eq(left, right, evaluate=False))
