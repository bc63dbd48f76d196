"""Of the MeZO paper (Malladi et al. 2023, arXiv 2305.17333v3), of its code, and of a public note about it."""

from mezo_lab.claims.published import Published

_PAPER = "https://arxiv.org/abs/2305.17333v3"
_CODE = "https://github.com/princeton-nlp/MeZO/blob/552cb1b710767f9a6e1dc8f9645d7640376f9941"
_NOTE = (
    "https://github.com/MTandHJ/mtandhj.github.io/blob/59cb48e325511a9800c24e104cac6aad05cc564a/content/posts/MeZO.md"
)

NORM_FACTOR_LAW = Published(
    name="norm-factor-law",
    holds="for the sphere and for signs",
    says="Definition 1 and Algorithm 1 draw Gaussian directions; Lemma 2 gives, with no law beside it, E‖ĝ‖² ="
    " ((d+n−1)/n)·E‖∇L‖².",
    source="Malladi et al. (2023), MeZO, Lemma 2",
    address=_PAPER,
    read="paper",
    corrected="(d+n−1)/n belongs to the sphere of radius √d and to signs. Gaussian directions have (d+n+1)/n,"
    " which is the trace of the paper's own equation (9).",
    conditions="The first paragraph of section 4 assumes the sphere, and so the lemma is right where it stands;"
    " appendix G.2 treats the Gaussian case without naming its factor.",
    command='mezo-lab verify norm-factor --law gaussian --fast --expect "(d+n-1)/n"',
)

NORM_FACTOR_NOTE = Published(
    name="norm-factor-note",
    holds="yes, for its Gaussian directions",
    says="The proof in this note ends in (d+n+1)/n where the paper has (d+n−1)/n; its author asks who finds the slip.",
    source="MTandHJ (2026), note on the MeZO paper (in Chinese)",
    address=_NOTE,
    read="documentation",
    corrected="There is no slip: the note draws z from N(0, I), for which (d+n+1)/n is right, and the paper's"
    " lemma is about the sphere. Each is right for its own law.",
    command="mezo-lab prove notes --law gaussian",
)

FRESH_BATCHES = Published(
    name="fresh-batches",
    holds="for one minibatch, and for n = 1",
    says="Algorithm 2 computes the estimate of n-SPSA, whose norm Lemma 2 gives; it draws a new minibatch for each"
    " of the n directions.",
    source="Malladi et al. (2023), MeZO, Algorithm 2 beside Lemma 2",
    address=_PAPER,
    read="paper",
    corrected="With a minibatch for each direction E‖ĝ‖² = (c/n)·(‖g‖² + tr Σ/B) + ((n−1)/n)·‖g‖², which is"
    " smaller than Lemma 2's ((n−1+c)/n)·(‖g‖² + tr Σ/B) for one minibatch.",
    conditions="Definition 1 and Lemma 2 speak of one minibatch, and all of the paper's main experiments use n ="
    " 1, where the two agree.",
    command='mezo-lab verify minibatch --law sphere --fast --set sharing=fresh --expect "(d+n-1)/n*(g2 + S/B)"',
)

NORM_PROBE_MAGNITUDE = Published(
    name="norm-probe-magnitude",
    holds="up to the factor √(2/π)",
    says="The magnitude of the projected gradient estimates the norm of a layer's gradient, and averaging it over"
    " more directions improves the estimate.",
    source="Malladi et al. (2023), MeZO, Proposition 1",
    address=_PAPER,
    read="paper",
    corrected="E|zᵀg| = √(2/π)·‖g‖: the average of magnitudes settles 20 % below the norm. The average of the"
    " squares is unbiased for ‖g‖².",
    conditions="The reason printed beside it, E[(zᵀv)²] = ‖v‖², is right and is about squares. A factor that all"
    " layers share cancels in Definition 6; it does not in Definition 7.",
    command='mezo-lab verify norm-probe --law gaussian --fast --set average=magnitude --expect "g"',
)

VARIANCE_BY_GRADIENT_NORM = Published(
    name="variance-by-gradient-norm",
    holds="no: the variance is that without a scale",
    says="Scaling the directions with the gradient norm (Definition 6) reduces the variance, and reducing it did"
    " not improve optimization.",
    source="Malladi et al. (2023), MeZO, appendix B.3 and Table 8",
    address=_PAPER,
    read="paper",
    corrected="E‖ĝ‖² = tr(D²)·‖D⁻¹g‖² + 2‖g‖². With D_i = |g_i| this is (d+2)‖g‖², as without any scaling; the"
    " least value, ‖g‖₁² + 2‖g‖², is reached at D_i = √|g_i|. The table says nothing about a smaller variance.",
    conditions="The paper scales layers, not coordinates: blocks of equal size give (d+2)‖g‖² again, and blocks of"
    " sizes p_ℓ are best at D_ℓ² ∝ ‖g_ℓ‖/√p_ℓ. Its conclusion, that the effective rank is the better lens, stands.",
    command="mezo-lab prove variance-modified --law gaussian",
)

ONE_POINT_SIMILAR = Published(
    name="one-point-similar",
    holds="up to twice the second moment, at best",
    says="For well-behaved losses and slow optimization the one-point estimate is similar to SPSA.",
    source="Malladi et al. (2023), MeZO, appendix B.5",
    address=_PAPER,
    read="paper",
    corrected="Even where nothing moves its second moment is (2d+2)‖g‖² against (d+2)‖g‖², and a change Δ of the"
    " loss between steps adds d·Δ²/ε².",
    conditions="The paper calls it an intuition, and its Table 11 finds the one-point estimate much less"
    " efficient, as this formula does.",
    command='mezo-lab verify residual-feedback --law gaussian --fast --set moment=norm --expect "(d+2)*g2"',
)

ONE_POINT_DIRECTION = Published(
    name="one-point-direction",
    holds="times z_t",
    says="The one-point gradient estimate is [L(θ_t + εz_t) − L(θ_{t−1} + εz_{t−1})]/ε.",
    source="Malladi et al. (2023), MeZO, Definition 8",
    address=_PAPER,
    read="paper",
    corrected="This is a number. Times z_t it is an unbiased estimate on a linear loss, with E‖ĝ‖² = (2d+2)‖g‖² +"
    " d·Δ²/ε² for a Δ that does not depend on z_{t−1}.",
    conditions="A misprint: the estimator that the definition cites multiplies by the direction.",
    command="mezo-lab prove residual-feedback --law gaussian",
)

RANK_OVER_PROBES = Published(
    name="rank-over-probes",
    holds="while n = O(r)",
    says="There is a γ = Θ(r/n) by which zeroth-order descent is slower than SGD.",
    source="Malladi et al. (2023), MeZO, Theorems 1 and 2",
    address=_PAPER,
    read="paper",
    corrected="γ = (r+n+1)/n for Gaussian directions and 1 + (dr+d−2)/(n(d+2)) for the sphere never fall below 1,"
    " however large n is; Θ(r/n) holds while n = O(r). At n = 16 and r = 2, γ = 1.19 where r/n = 0.125.",
    conditions="The proofs give these γ exactly, and Lemma 3 has r/n + 1, which is right for every n.",
    command='mezo-lab verify low-rank --law gaussian --fast --dim 8 --probes 16 --set rank=2 --expect "1 - 2*s +'
    ' s**2*r/n"',
)

ONE_DIRECTION_IS_BEST = Published(
    name="one-direction-is-best",
    holds="for independent directions",
    says="One direction per step is the most efficient; more of them at the same number of forward passes gain"
    " little, if anything.",
    source="Malladi et al. (2023), MeZO, section 2 and Table 6",
    address=_PAPER,
    read="paper",
    corrected="True of independent directions, whose progress per pair of forward passes, log(1 + n/(r+1))/n,"
    " falls with n. Directions at right angles are the exception: on H = ℓP_r theirs rises with n, to everything"
    " in one step at n = d = r.",
    conditions="The paper draws independent Gaussian directions, and its d is so large that right angles change"
    " nothing measurable. Lin, Song and Xu (2025), arXiv 2509.15552, have both halves in general.",
    command='mezo-lab verify orthogonal-probes --law orthogonal --fast --expect "wash"',
)

RATE_PROPORTIONAL_TO_PROBES = Published(
    name="rate-proportional-to-probes",
    holds="while n ≪ r",
    says="With more directions the learning rate should grow in proportion to their number.",
    source="Malladi et al. (2023), MeZO, appendix A.2",
    address=_PAPER,
    read="paper",
    corrected="On a Hessian of rank r and one eigenvalue ℓ the largest stable rate is 2n/(ℓ(r+n+1)), and the best"
    " one half of it: proportional to n while n ≪ r, and never above 2/ℓ. For any spectrum it is the root of Σ_j"
    " Bηλ_j/(2 − Aηλ_j) = 1, below 2n/tr H.",
    conditions="Their ablation has n ≤ 16 for a model whose r was not measured, and searches the rate on a grid.",
    command='mezo-lab verify edge --law gaussian --fast --expect "2*n/trH"',
)

LOCAL_BALL = Published(
    name="local-ball",
    holds="of a ball √d steps wide",
    says="The effective rank is assumed of the Hessian in a neighbourhood of the weights, of the radius ηdG.",
    source="Malladi et al. (2023), MeZO, Assumption 1",
    address=_PAPER,
    read="paper",
    corrected="A step has a length of about η|pg|·√d, E‖Δθ‖² = η²·((n−1+c)/n)·‖g‖²: the ball is √d times wider,"
    " and more where G, the largest gradient of an example, exceeds ‖g‖. At d = 1.3·10¹⁰, η = 10⁻⁷ and G = 10 its"
    " radius is 1.3·10⁴, where weights of root mean square 0.02 have the length 2.3·10³: for a large model the"
    " assumption is about the whole loss.",
    conditions="The proof needs every step inside, and ηdG is the longest that directions of length √d can make. A"
    " smaller ball would do with high probability.",
    command='mezo-lab verify local-ball --law gaussian --fast --set measure=length --expect "1"',
)

LARGER_BATCH = Published(
    name="larger-batch",
    holds="as far as a lower floor lets the rate grow",
    says="A larger batch consistently made optimization faster.",
    source="Malladi et al. (2023), MeZO, appendix E.3",
    address=_PAPER,
    read="paper",
    corrected="At a given rate the contraction of a step does not depend on the batch; what falls with B is the"
    " floor at which the noise holds the loss, sγ·tr Σ/(2ℓB(2 − sγ)) with s = ηℓ. A larger batch is faster as far"
    " as its lower floor lets the rate be larger, and costs B forward passes.",
    conditions="The paper reports steps, with the rate searched for each batch; Lemma 3 has the batch in its rate"
    " because there the noise vanishes with the loss.",
    command="mezo-lab verify noise-floor --law gaussian --fast",
)

RESET_BEFORE_DESCENT = Published(
    name="reset-before-descent",
    holds="in exact arithmetic",
    says="Adding ε·z, −2ε·z and ε·z resets the parameters.",
    source="Malladi et al. (2023), MeZO, Algorithm 1",
    address=_PAPER,
    read="paper",
    corrected="In exact arithmetic it does. In floating point every move rounds, and after K steps the weights"
    " have drifted by a root mean square of √(K/2) units in the last place.",
    conditions="In float32 this is far below the updates. The released scripts for large models load float16,"
    " where it is not.",
    command="mezo-lab verify restore --law gaussian --fast",
)

LARGEST_MATRIX = Published(
    name="largest-matrix",
    holds="of the algorithm, not of the code",
    says="Perturbing a whole weight matrix at a time costs additional memory as large as the largest matrix.",
    source="Malladi et al. (2023), MeZO, section 2.1, beside the released code",
    address=f"{_CODE}/large_models/trainer.py#L699-L712",
    read="code",
    corrected="The released code writes each tensor out of place and holds several of its size at once: z, its"
    " multiples, and the new weights. In chunks the additional memory is a constant, whatever the largest matrix.",
    conditions="The sentence is about the algorithm, for which one matrix of z is enough.",
    command="mezo-lab verify memory --law gaussian --fast",
)

# slips that no claim runs: misprints, and constants that change no conclusion
UNTESTED = (
    Published(
        name="norm-probe-comment",
        says="A comment says that the magnitude of the mean of zᵀg is the norm of g, for Gaussian z.",
        source="princeton-nlp/MeZO, medium_models/src/trainer.py",
        address=f"{_CODE}/medium_models/src/trainer.py#L585",
        read="code",
        corrected="The mean of zᵀg is 0; its root mean square is ‖g‖. The line below takes the magnitude of one"
        " draw, whose mean is √(2/π)·‖g‖ (claim A9).",
    ),
    Published(
        name="modified-order",
        says="The expectations of Definitions 6 and 7 are those of D⁻¹zzᵀD∇L and D⁻¹zzᵀ∇L.",
        source="Malladi et al. (2023), MeZO, appendices B.3 and B.4",
        address=_PAPER,
        read="paper",
        corrected="As defined, the estimators are Dzzᵀ(D⁻¹∇L) and zzᵀ(D⁻¹∇L). The means are the same; the second"
        " moments are not (claims A11 and A12).",
    ),
    Published(
        name="proof-of-lemma-2",
        says="The proofs of Lemmas 2 and 5 take expectations of products of losses, L(θ; x₁)L(θ; x₂)ᵀ.",
        source="Malladi et al. (2023), MeZO, appendix G",
        address=_PAPER,
        read="paper",
        corrected="Products of gradients are meant, as in the line before; the results are right.",
    ),
    Published(
        name="proof-of-theorem-1",
        says="The proof of Theorem 1 plugs in equation (9), weights Taylor's remainder with λ, and its first"
        " inequality has no ½.",
        source="Malladi et al. (2023), MeZO, appendix G",
        address=_PAPER,
        read="paper",
        corrected="The equation used is (7), the sphere's; the weight at λθ_{t+1} + (1−λ)θ_t is 1 − λ; and the"
        " quadratic term has the factor ½, as in the next line. The theorem stands.",
    ),
    Published(
        name="proof-of-theorem-2",
        says="The proof of Theorem 2 bounds the next loss by the next loss, writes = for the product of the second"
        " moment with H, and then drops ℓ.",
        source="Malladi et al. (2023), MeZO, appendix G.2",
        address=_PAPER,
        read="paper",
        corrected="L(θ_t) is meant on the right; the product is at most ((r+n+1)/n)·ℓ·E‖∇L(θ; B)‖², with equality"
        " for one eigenvalue (claims B3 and B4). The theorem stands.",
    ),
    Published(
        name="square-loss-constant",
        says="For the square loss tr Σ ≤ (2/N)·Σ(f − y)²‖∇f‖², and α = 2NL² for an L-Lipschitz model.",
        source="Malladi et al. (2023), MeZO, appendix G.1.1",
        address=_PAPER,
        read="paper",
        corrected="The gradient of (f − y)² has a factor 2, and so the sum has 4/N; under the Lipschitz condition"
        " α = 4L² is enough, without N. Lemma 3 asks for some α only.",
    ),
    Published(
        name="sign-search-condition",
        says="The sign search converges if the step is so small that L(θ+δ) < L(θ) or L(θ−δ) ≥ L(θ).",
        source="MTandHJ (2026), note on the MeZO paper (in Chinese)",
        address=_NOTE,
        read="documentation",
        corrected="L(θ−δ) ≤ L(θ) is meant: the other branch must not raise the loss. What the search gains on"
        " average is claim A0.",
    ),
)
