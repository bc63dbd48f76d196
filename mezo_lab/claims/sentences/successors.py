"""Of the papers that build on MeZO."""

from mezo_lab.claims.published import Published

ADAM_PER_COORDINATE = Published(
    name="adam-per-coordinate",
    holds="less and less as d grows",
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
    holds="no: the mean squared cosine is the Gaussian's, 1/d",
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

RANDOM_SUBSPACE_GRADIENT = Published(
    name="random-subspace-gradient",
    holds="on average over subspaces, or within one",
    says="An estimate from directions in a random subspace of low rank closely approximates the gradient.",
    source="Yu et al. (2024), SubZero",
    address="https://arxiv.org/abs/2410.08989v3",
    read="abstract",
    corrected="For directions z = √(q/k)·vec(UVᵀ) in a kept subspace V of k of the q columns, the mean is"
    " (q/k)·GVVᵀ and not G: k/q of G is seen and enlarged, the rest is not seen until V is drawn anew. Without the"
    " factor √(q/k) it is GVVᵀ.",
    conditions="The abstract does not say in what sense; within the subspace the estimate is unbiased. The"
    " released code has the factor, and a second subspace on the side of the rows.",
    command='mezo-lab verify fixed-subspace --law gaussian --fast --set moment=mean --expect "vg"',
)

RANDOM_SUBSPACE_VARIANCE = Published(
    name="random-subspace-variance",
    holds="about the mean within the subspace; no step is saved",
    says="As the variance of zeroth-order estimates grows with the dimension, directions in a random subspace of"
    " low rank have less of it, and converge faster.",
    source="Yu et al. (2024), SubZero",
    address="https://arxiv.org/abs/2410.08989v3",
    read="abstract",
    corrected="The dimension q/k times smaller that is gained is lost on the part of the gradient that is missed:"
    " averaged over V, E‖ĝ‖² = (pq + 2q/k)·‖g‖² against (pq + 2)·‖g‖², and after T steps at the best rate E[L]/L ="
    " 1 − (k/q)(1 − (1 − 1/γ)ᵀ), more than directions in all dimensions leave.",
    conditions="About the mean that it has in its own subspace, the variance is smaller. The claim's loss is"
    " isotropic and its subspace knows nothing of the gradient; the abstract reports higher accuracy and faster"
    " convergence of language models, which the claim does not contradict. The released code draws the subspace anew"
    " from time to time, and has one on the side of the rows as well.",
    command='mezo-lab verify fixed-subspace --law gaussian --fast --set moment=loss --expect "q/k*whole"',
)

ALIGNED_COSINE = Published(
    name="aligned-cosine",
    holds="yes; as many fewer steps do not follow",
    says="The gradient of a linear layer lies in the span of its inputs, and directions in that span have a"
    " provably higher cosine with it than isotropic ones.",
    source="Lin et al. (2026), AGZO",
    address="https://arxiv.org/abs/2601.17261v2",
    read="abstract",
    corrected="Right: E cos² = 1/(pk) in place of 1/(pq). A smaller angle is not yet fewer steps: the gain is the"
    " share of the gradient that the subspace holds over the share of the curvature. Where all curvature lies in"
    " the span too, as for the loss of one layer on a fixed batch, it is 1.",
    conditions="The abstract claims the cosine, and measures the training of Qwen3 and Pangu models. With a new"
    " minibatch each step, as there, the span of one batch may leave out curvature of the others: one layer gains"
    " by this. On SmolLM2 no gain was measured on one batch, and none is predicted for another (docs/aligned.md).",
    command="mezo-lab verify aligned-subspace --law gaussian --fast --set moment=progress --set outside=0 --expect"
    ' "q/k*whole"',
)

SPREAD_NORMALISED = Published(
    name="spread-normalised",
    holds="in the mean, to 2 % at N = 8; not in length",
    says="A step divided by the spread of the losses of its directions is formally equivalent to that of"
    " normalised SGD.",
    source="Dang et al. (2025), FZOO, arXiv 2506.09034: the abstract as its README has it",
    address="https://github.com/DKmiyan/FZOO/blob/d4f8a8b16eb655525fa4baaf779bea73d0ebca3e/README.md",
    read="abstract",
    corrected="In the mean, nearly: with s the spread of N one-sided losses, the mean of ε·ĝ/s is"
    " κ_N·((N−1)/N)·g/‖g‖, which is 0.985 of a normalised gradient at N = 8, as E[ε‖g‖/s] = κ_N = 1.126 and not 1."
    " A normalised step has length 1; this one has E‖ε·ĝ/s‖² = (N−1)(N−2)(d+N−1)/(N²(N−3)), about d/N.",
    conditions="The claim has Gaussian directions; FZOO draws signs, which agree for large d. Its released code"
    " divides by N, not N − 1, inside the spread. Equivalence may be meant as division by an estimate of ‖g‖,"
    " which holds.",
    command='mezo-lab verify self-normalised --law gaussian --fast --set moment=norm --expect "1"',
)

WALK_LENGTH = Published(
    name="walk-length",
    holds="of the length, and of text in our record; not of a task",
    says="Updates of evolution strategies have a norm larger by orders of magnitude than those of GRPO, which"
    " explains their forgetting.",
    source="Abdi et al. (2026), Evolutionary Strategies lead to Catastrophic Forgetting",
    address="https://arxiv.org/abs/2601.20861v1",
    read="abstract",
    corrected="Such a length is that of a random walk in many dimensions: on a linear loss E‖θ_T − θ_0‖² ="
    " η²‖g‖²·T·(T − 1 + f), f about d/n, of which the share T/(T − 1 + f) is signal. On SmolLM2"
    " such a walk raised the loss of a text, and about as much where its signs were tossed, without any signal: this"
    " loss grows with the length, as they say. The accuracy on another task rose in the same runs, and"
    " behind the tossed signs too.",
    conditions="They train larger models, with populations and normalised rewards, and measure other tasks. The"
    " record is of MeZO (docs/finetuning.md, its last section but one). The version of ACL 2026, abstract"
    " read, says “larger” without the orders of magnitude. Hoy et al. (arXiv 2604.01499) and Schweighofer et al. (arXiv"
    " 2605.30148), abstracts read, explain the length likewise, and the latter find that performance often"
    " recovers.",
    command='mezo-lab verify wandering --law gaussian --fast --set moment=share --expect "1"',
)

TEMPORAL_EQUIVALENCE = Published(
    name="temporal-equivalence",
    holds="for a residual that is kept whole",
    says="Accumulated rounding errors, paid back when they reach a step of the grid, make a quantised run"
    " equivalent over time to the run at high precision.",
    source="Xu, Miikkulainen and Qiu (2026), QES, caption of Figure 1",
    address="https://arxiv.org/abs/2602.03120v1",
    read="abstract",
    corrected="With the whole residual, yes: each coordinate stays within half a spacing of the sum of the"
    " updates, whatever the number of steps. A residual that is multiplied by 0.9 each step, as in the released"
    " code, loses what it forgets, and the gap grows; decoy b of the claim is this.",
    conditions="Of the paper this caption and the abstract were read. The code (commit fefc735,"
    " worker_extn_seed_replay.py) forgets so that replaying a window of 50"
    " steps is enough, and stops at the ends of the integers' range. The claim's gradient is constant: elsewhere"
    " near weights see nearly the same updates.",
    command="mezo-lab verify quantised --law rademacher --fast --set measure=feedback",
)

CONTROL_OF_ESTIMATES = Published(
    name="control-of-estimates",
    holds="along the same directions, or for the minibatch's part",
    says="Coupled with SVRG's control variate, zeroth-order estimates have less variance, which stabilises and"
    " speeds up training.",
    source="Gautam et al. (2024), MeZO-SVRG",
    address="https://arxiv.org/abs/2404.08080v1",
    read="abstract",
    corrected="A control variate of correlation ρ leaves 1 − ρ² of the variance. An estimate at the anchor along"
    " other directions has ρ of order 1/f, f about d/n: it takes nothing from the scatter of the directions, which"
    " is most of it. Along the same directions ρ is near 1; with forward passes in place of the anchor's gradient,"
    " what falls is the noise of the minibatch.",
    conditions="Third-party documentation has a fresh direction for each estimate, as the released code has; the"
    " paper's own algorithm was not read. Its gains are measured in accuracy and in GPU-hours, with"
    " full-batch steps between.",
    command='mezo-lab verify control-variate --law gaussian --fast --set anchor=own --expect "(1-rho1**2)*V"',
)
