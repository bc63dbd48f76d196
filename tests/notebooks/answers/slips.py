"""Answers to the exercises of notebook 7, right and wrong."""

from mezo_lab import theory
from mezo_lab.course.exercises import slips as exercises


def with_quadratic_form(dim, grad_sq, epsilon, form):
    return (dim + 2) * grad_sq + epsilon**2 / 4 * form


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_one_sided_norm: (
        lambda dim, grad_sq, trace, trace_sq, epsilon: with_quadratic_form(
            dim, grad_sq, epsilon, (dim + 4) * (trace**2 + 2 * trace_sq)
        ),
        [
            (lambda dim, grad_sq, trace, trace_sq, epsilon: (dim + 2) * grad_sq, "the two-sided estimator"),
            (
                lambda dim, grad_sq, trace, trace_sq, epsilon: with_quadratic_form(
                    dim, grad_sq, 2 * epsilon, (dim + 4) * (trace**2 + 2 * trace_sq)
                ),
                "ε²/4",
            ),
            (
                lambda dim, grad_sq, trace, trace_sq, epsilon: with_quadratic_form(
                    dim, grad_sq, epsilon, (dim + 4) * trace**2
                ),
                "zᵀHz varies",
            ),
            (
                lambda dim, grad_sq, trace, trace_sq, epsilon: with_quadratic_form(
                    dim, grad_sq, epsilon, dim * (trace**2 + 2 * trace_sq)
                ),
                r"d \+ 4, not d",
            ),
            (lambda dim, grad_sq, trace, trace_sq, epsilon: dim, "At dim = 10, grad_sq = 1, trace = 5"),
            (lambda dim, grad_sq, trace, trace_sq, epsilon: None, "let it return its answer"),
        ],
    ),
    exercises.check_modified_variance: (
        lambda g, scale: (scale**2).sum() * ((g / scale) ** 2).sum() + (g**2).sum(),
        [
            (
                lambda g, scale: theory.variance_modified_norm(
                    (scale**2).sum(), ((g / scale) ** 2).sum(), (g**2).sum()
                ),
                "the square of the mean",
            ),
            (lambda g, scale: (len(g) + 1) * (g**2).sum(), "do not cancel"),
            (lambda g, scale: scale.sum() ** 2 * ((g / scale) ** 2).sum() + (g**2).sum(), "not the square of the sum"),
            (lambda g, scale: (scale**2).sum() * ((g * scale) ** 2).sum() + (g**2).sum(), "divide by D there"),
            (lambda g, scale: g.sum(), "At a random point it should be"),
        ],
    ),
    exercises.check_best_scale: (
        lambda norms, sizes: 5 * norms.sqrt() / sizes**0.25,
        [
            (lambda norms, sizes: norms, "the choice in print"),
            (lambda norms, sizes: norms.sqrt(), "layers of one size"),
            (lambda norms, sizes: norms / sizes.sqrt(), "That is D²"),
            (lambda norms, sizes: (norms / sizes).sqrt(), "p comes in as √p"),
            (lambda norms, sizes: norms**0, "At a random point it should be"),
            (lambda norms, sizes: None, "let it return its answer"),
        ],
    ),
    exercises.check_residual_formula: (
        "(2*d+2)*g2 + d*(delta/eps)**2",
        [
            ("(d+2)*g2", "the two-point estimator"),
            ("(2*d+2)*g2", "Δ is missing"),
            ("2*(d+2)*g2 + d*delta**2/eps**2", "independent of the zₜ"),
            ("(2*d+2)*g2 + delta**2/eps**2", "and E‖zₜ‖² = d"),
            (None, "a formula as text, in quotes"),
            ("3*d+2", "It fits where ‖g‖ = 1 and Δ = ε"),
            ("d*g2", r"At d = 4 the draws refute .* which products have a mean"),
        ],
    ),
}
