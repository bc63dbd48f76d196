"""Of the papers that build on MeZO."""

from mezo_lab.claims.published import Published

ADAM_PER_COORDINATE = Published(
    name="adam-per-coordinate",
    says="Adam's first and second moments, rebuilt from zeroth-order estimates, guide the weights through"
    " dimensions of lower and higher curvature.",
    source="Cai, Chen and Zhu (2026), AdaMeZO",
    address="https://arxiv.org/abs/2605.00650v1",
    read="abstract",
    corrected="For one Gaussian direction E[ĝ_i²] = ‖g‖² + 2g_i²: in many dimensions the second moment is nearly"
    " the same for every coordinate, and Adam's scaling is nearly one number for all of them.",
    conditions="The claim is about the mean of one step's ĝ_i²; the paper averages over a window of steps, and"
    " reports gains in forward passes. Dbouk et al. (2026), arXiv 2605.03869, find that one number is enough.",
    command='mezo-lab verify adam-blind --law gaussian --fast --expect "(d+2)*g1**2"',
)

LOW_RANK_CAPTURE = Published(
    name="low-rank-capture",
    says="Directions of full rank struggle to capture the low-rank structure of the gradient; low-rank directions"
    " capture it effectively.",
    source="Chen et al. (2024), LOZO",
    address="https://arxiv.org/abs/2410.07698v1",
    read="abstract",
    corrected="For z = vec(UVᵀ)/√k with Gaussian U and V, E cos²(ĝ, g) = 1/d whatever the rank of z and whatever"
    " the rank of g: factors that know nothing of the gradient are no better aligned with it.",
    conditions="LOZO keeps V for several steps and is analysed as a subspace method; its gains are measured in"
    " accuracy. LOZO+ (Fang et al., ICML 2026) says itself that random subspaces have no guarantee of alignment.",
    command='mezo-lab verify low-rank-direction --law gaussian --fast --set moment=cosine --expect "1/(k*(p+q))"',
)
