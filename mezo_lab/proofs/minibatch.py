"""Claim A6: what minibatch noise adds, for one minibatch per step and for one per probe."""

from itertools import product

from sympy import Expr, Integer

from mezo_lab import theory
from mezo_lab.proofs.algebra import by_powers, put
from mezo_lab.proofs.case import Case, add, dot, square
from mezo_lab.proofs.forms import GG, quadratic_form
from mezo_lab.proofs.notation import Scalar, batch, d, equation, n, noise
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain

SQUARE = chain("g_B", "g_B")
PRODUCT = chain("g_B", "g_B′")


def minibatch(law: str) -> Proof:
    """A6: E‖ĝ‖² with minibatches, shared by the probes of a step or fresh for each."""
    squared = quadratic_form(law, "I", "g_B", "g_B′")
    square_mean = _noisy_square()
    product_mean = _noisy_product()
    shared = by_powers(put(squared.total, {SQUARE: square_mean, PRODUCT: square_mean}), GG, noise)
    fresh = by_powers(put(squared.total, {SQUARE: square_mean, PRODUCT: product_mean}), GG, noise)
    steps = (
        *squared.steps,
        Step(
            "A minibatch gradient is g plus noise ξ that is independent of z, with E[ξ] = 0. For B examples drawn with "
            "replacement E[ξξᵀ] = Σ/B; without it, of N examples, (N−B)/(N−1) times that.",
            equation(f"E{SQUARE}", square_mean),
        ),
        Step(
            "Two minibatches that are drawn independently have independent noise.",
            equation(f"E[{PRODUCT}]", product_mean),
        ),
        Step("One minibatch for all probes of a step: g_B′ = g_B.", equation("E‖ĝ‖²", shared)),
        Step("A fresh minibatch for each probe: two different probes see no noise.", equation("E‖ĝ‖²", fresh)),
    )
    arguments = (GG, noise / batch, d, n, theory_moments(law))
    conclusions = (
        Conclusion("E‖ĝ‖², shared minibatch", shared, theory.minibatch_shared(*arguments), _exact_shared),
        Conclusion("E‖ĝ‖², fresh minibatches", fresh, theory.minibatch_fresh(*arguments), _exact_fresh),
    )
    return Proof("A6", "minibatch", law, steps, conclusions)


def _noisy_square() -> Expr:
    # (g + ξ)ᵀ(g + ξ), averaged over the noise
    linear = Scalar("E[gᵀξ]")
    quadratic = Scalar("E‖ξ‖²")
    return put(GG + 2 * linear + quadratic, {linear: 0, quadratic: noise / batch})


def _noisy_product() -> Expr:
    # (g + ξ)ᵀ(g + ξ′), averaged over independent ξ and ξ′
    terms = [Scalar(name) for name in ("E[gᵀξ]", "E[ξᵀξ′]", "E[gᵀξ′]")]
    return put(GG + sum(terms, Integer(0)), dict.fromkeys(terms, 0))


def _exact_shared(case: Case) -> Expr:
    return _over_batches(case, [(sign,) * case.probes for sign in (1, -1)])


def _exact_fresh(case: Case) -> Expr:
    return _over_batches(case, list(product((1, -1), repeat=case.probes)))


def _over_batches(case: Case, draws: list[tuple[int, ...]]) -> Expr:
    # every minibatch gradient is g + ξ or g − ξ, and all the listed draws are equally likely
    total = Integer(0)
    for signs in draws:
        slopes = [dot(z, add(case.g, sign, case.xi)) for z, sign in zip(case.z, signs, strict=True)]
        total += case.mean(square(case.average(slopes)))
    return total / len(draws)
