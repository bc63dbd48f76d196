"""Answers to the exercises of notebook 7, right and wrong."""

from mezo_lab import theory
from mezo_lab.course.exercises import slips as exercises


def floor(dim, rank, curvature, epsilon):
    return epsilon**2 * curvature * (dim + 4) * rank * (rank + 2) / (8 * (dim + 2))


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_noise_floor: (
        floor,
        [
            (lambda curvature, **case: 2 * curvature * floor(curvature=curvature, **case), "That is ‖g‖²"),
            (lambda **case: 2 * floor(**case), "the factor ½"),
            (lambda **case: 4 * floor(**case), "ε²/4"),
            (lambda rank, **case: floor(rank=rank, **case) * rank / (rank + 2), "zᵀHz varies"),
            (lambda dim, **case: floor(dim=dim, **case) * dim / (dim + 4), r"d \+ 4, not d"),
            (lambda dim, rank, curvature, epsilon: floor(dim, dim, curvature, epsilon), r"tr\(H\) = rℓ"),
            (lambda dim, rank, curvature, epsilon: dim, "At dim = 10, rank = 3, curvature = 2"),
            (lambda dim, rank, curvature, epsilon: None, "let it return its answer"),
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
