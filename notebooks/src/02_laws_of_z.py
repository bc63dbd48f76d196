# %% [markdown]
# # 2. The laws of z and their moments
#
# **Claim.** By the end you will have shown what $c$ in $\mathbb{E}[\|z\|^2zz^\top]=cI$ is for each law of $z$, what the matrix
# $\mathbb{E}[\hat g\hat g^\top]$ is, and that $n$ probes see $n/d$ of the gradient. The evidence: moments of seven laws, measured against their
# formulas. The controls: constants of other laws and formulas with a term left out, refuted by the same draws; and a law that is
# not isotropic.
#
# **You will be able to** compute a Gaussian moment by pairings; find $c$ for a law of your own; say how large $\hat g$ is where the
# gradient is zero, and what share of a gradient a probe sees.
#
# **Before this:** notebook 1; traces, orthogonal matrices. **Time:** 50 minutes; the cells run in a minute.
# **In the paper** (Malladi et al. 2023): equations (7) and (8), in the proofs of Lemmas 2 and 5.

# %%
import math

import torch

from mezo_lab import LAWS, sample, two_point
from mezo_lab.claims.controls import TIED_COORDINATES
from mezo_lab.course.notebook import show, sized, verify
from mezo_lab.sampling import Linear, frame_of

# %% [markdown]
# ## Seven laws with one covariance
#
# | law | $z$ |
# |---|---|
# | gaussian | $N(0, I)$ |
# | rademacher | $z_i=\pm1$ |
# | uniform | $z_i$ uniform on $[-\sqrt3, \sqrt3]$ |
# | three-point | $z_i=0$ with probability 2/3, else $\pm\sqrt3$ |
# | sphere | uniform on $\|z\|=\sqrt d$ |
# | coordinate | $\pm\sqrt d\,e_i$, $i$ uniform |
# | orthogonal | $n$ orthogonal directions of length $\sqrt d$, each uniform |
#
# All are *isotropic*: $\mathbb{E}[zz^\top]=I$, so $\mathbb{E}[(v^\top z)^2]=1$ for each unit $v$, and $\mathbb{E}[(v^\top z)(w^\top z)]=0$ for $w\perp v$.
# That is all that unbiasedness needs.

# %%
dim = sized(full=20, fast=6)
fixed = torch.Generator().manual_seed(1)
v, w = torch.linalg.qr(torch.randn(dim, 2, generator=fixed, dtype=torch.float64)).Q.T  # orthonormal


def mean(observable, law):
    def draw(count, generator):
        return observable(law.sample(count, 1, dim, generator)[:, 0])  # z: (count, dim)

    return sample(draw, 200_000, numbers_per_draw=dim, seed=0).estimate()


for name, law in LAWS.items():
    along, across = mean(lambda z: (z @ v) ** 2, law), mean(lambda z: (z @ v) * (z @ w), law)
    print(
        f"{name:12} along v: {along} (z = {along.z_score(1):+.1f})   v with w: {across} (z = {across.z_score(0):+.1f})"
    )

# %% [markdown]
# ## Predict first
#
# Write your answers down before you go on.
#
# 1. Signs, the sphere and single coordinates have $\|z\|=\sqrt d$. Do they share $c$?
# 2. A three-point coordinate is 0 two times out of three. Is its $c$ above or below the Gaussian's?
# 3. The gradient is zero along a coordinate. How large is $\hat g$ there?
# 4. A model has $10^7$ parameters. What share of $\|g\|^2$ does one probe see? And ten?
#
# ## Fourth moments
#
# **Statement** (derived). For each law above $\mathbb{E}[\|z\|^2zz^\top]=cI$, and $c=d + \operatorname{Var}(\|z\|^2)/d$.
#
# **Derivation.**
#
# 1. Flipping the sign of a coordinate, or swapping two, leaves each law as it is. So the matrix is diagonal with equal entries: $cI$.
# 2. Its trace is $cd=\mathbb{E}\|z\|^4=(\mathbb{E}\|z\|^2)^2 + \operatorname{Var}(\|z\|^2)=d^2 + \operatorname{Var}(\|z\|^2)$.
#
# Where the length does not vary, $c=d$: the least that an isotropic law can have. For independent coordinates of kurtosis $\kappa=\mathbb{E}[z_i^4]$
# $\operatorname{Var}(\|z\|^2)=d(\kappa-1)$, so $c=d-1+\kappa$; $\kappa$ is 1 for signs, 9/5 for the uniform law, 3 for the other two. For other moments there is
#
# **Isserlis' theorem.** For $z\sim N(0, I)$, the mean of a product $z_iz_jz_kz_l$ is the sum over its pairings:
#
# $$\mathbb{E}[z_iz_jz_kz_l] = \delta_{ij}\delta_{kl} + \delta_{ik}\delta_{jl} + \delta_{il}\delta_{jk}.$$
#
# Applied to $\mathbb{E}[z^\top I z\cdot u^\top z\cdot z^\top v]$: the two legs of $I$ pair with each other, or each with a vector, in two ways.

# %%
from mezo_lab.proofs.wick import gaussian_mean, isserlis, matrix, table, vector

pieces = [matrix("I"), vector("u"), vector("v")]
print(table(pieces, isserlis))
gaussian_mean(*pieces)

# %% [markdown]
# That is $(d+2)\,u^\top v$, as it should be. Now all laws, each against its own $c$ and, as decoys, against the two constants $d$
# and $d+2$:

# %%
for name, law in LAWS.items():
    c = float(law.fourth_moment(dim))
    measured = mean(lambda z: z.square().sum(-1) * (z @ v) ** 2, law)  # vᵀ ‖z‖² z zᵀ v
    distances = "  ".join(f"{measured.z_score(x):+6.1f}" for x in (c, dim, dim + 2))
    print(f"{name:12} c = {c:<5g} measured {measured!s:16}  z from c, d, d+2: {distances}")

# %% [markdown]
# The first distance is chance in every row; a decoy is near only where it is that law's own constant. The three-point law, which
# looks nothing like a normal one, has the Gaussian's $c$.
#
# ## The whole matrix
#
# **Statement** (claim A3). As $\varepsilon\to0$, $\mathbb{E}[\hat g\hat g^\top]=\frac{n-1}{n}gg^\top + \frac1nM$, with
#
# $$M = 2gg^\top + \|g\|^2I + (\kappa-3)\operatorname{diag}(g\circ g)\quad\text{(i.i.d.)},\qquad
# M = \tfrac{d}{d+2}\left(2gg^\top + \|g\|^2I\right)\quad\text{(sphere)},\qquad
# M = d\operatorname{diag}(g\circ g)\quad\text{(coordinate)}.$$
#
# With $\kappa=3$ the first is the paper's equation (8), the second its (7), without the noise of a minibatch.
#
# **Derivation.** Of the $n^2$ products of probes, $n(n-1)$ meet two different ones: each gives $\mathbb{E}[zz^\top]gg^\top\mathbb{E}[z'z'^\top]=gg^\top$.
# The other $n$ meet one probe twice: $M=\mathbb{E}[(z^\top g)^2zz^\top]$, a fourth moment. The library counts its pairings:

# %%
from mezo_lab.proofs import prove

print(prove("second-moment", "iid"))

# %% [markdown]
# For the sphere write a Gaussian as $x=\|x\|\,u$, with $u$ independent of the length: a fourth moment of $z=\sqrt d\,u$ is
# $d^2/\mathbb{E}\|x\|^4=d/(d+2)$ times the Gaussian's.
#
# Orthogonal probes are not independent: $\hat g=\frac dnPg$, $P$ the projector on their span. By symmetry $\mathbb{E}[\hat g\hat g^\top]=a\,gg^\top + b\,\|g\|^2I$. The
# trace $a+db=\frac dn$ and the entry along $g$, $a+b=\frac{d(n+2)}{n(d+2)}$, give $b=\frac{d(d-n)}{n(d+2)(d-1)}$.
#
# ## Experiment: three parameters, one of which does not matter
#
# Take $g\propto(2, 1, 0)$ and two probes. How far is the farthest entry from the formula, and from equation (8) used for every law?

# %%
g, n = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64) / math.sqrt(5), 2  # ‖g‖ = 1


def outer_products(law):
    z = law.sample(400_000, n, 3, torch.Generator().manual_seed(0))
    estimate = two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0)  # exact: the loss is linear
    return estimate[:, :, None] * estimate[:, None, :]


equation_8 = ((n + 1) * torch.outer(g, g) + torch.eye(3)) / n
for name in ("gaussian", "rademacher", "uniform", "three-point"):
    formula = equation_8 + (float(LAWS[name].kurtosis) - 3) * torch.diag(g * g) / n
    products = outer_products(LAWS[name])
    entries, errors = products.mean(0), products.std(0) / math.sqrt(len(products))
    far = [float(((entries - each) / errors).abs().max()) for each in (formula, equation_8)]
    diagonal = ", ".join(f"{x:.3f}" for x in entries.diagonal())
    print(f"{name:12} diagonal {diagonal}   largest |z|: formula {far[0]:.1f}, equation (8) {far[1]:.1f}")

# %% [markdown]
# The last entry of the diagonal is question 3: the gradient is zero there, the estimate is not. Its mean square is $\|g\|^2/n$ for
# every i.i.d. law: the other coordinates put it in.
#
# ## Check
#
# The library measures $u^\top\hat g\hat g^\top v$ for every law. The decoy is equation (8), without the $(\kappa-3)$ term; where that is right, it
# is the sphere's matrix.

# %%
verdicts = [verify("second-moment", law) for law in LAWS]
for verdict in verdicts:
    print(verdict)
show(verdicts)

# %% [markdown]
# **The variance** (claim A4, derived). Since $\mathbb{E}[\hat g]=g$, $\mathbb{E}\|\hat g-g\|^2=\mathbb{E}\|\hat g\|^2 - \|g\|^2$, and $\mathbb{E}\|\hat g\|^2=f\,\|g\|^2$ is the trace of the
# matrix: $f=(n-1+c)/n$ for independent probes, the subject of notebook 3. The decoy forgets to subtract.

# %%
verdicts = [verify("variance", law) for law in ("gaussian", "rademacher", "uniform", "sphere", "orthogonal")]
show(verdicts)

# %% [markdown]
# ## What one probe sees
#
# $\hat g$ lies in the span of the probes. Let $P$ project on it: $\|Pg\|^2/\|g\|^2$ is the share of the gradient that a step can use at
# best.
#
# **Statement** (claim A5, derived). $\mathbb{E}\|Pg\|^2=\frac nd\|g\|^2$ for $n\le d$ directions, each uniform on the sphere, independent or orthogonal, of any length.
#
# **Derivation.**
#
# 1. No rotation changes the law of the span, so $R\,\mathbb{E}[P]R^\top=\mathbb{E}[P]$ for every rotation $R$: $\mathbb{E}[P]=tI$.
# 2. $P$ projects on $n$ dimensions, so $\operatorname{tr}P=n$ in every draw, and $t=n/d$.
# 3. $\mathbb{E}\|Pg\|^2=g^\top\mathbb{E}[P]g$.
#
# For $n=1$ the share is $\cos^2(\hat g, g)$. There $P=zz^\top/\|z\|^2$, so signs, whose length is fixed, have $1/d$ as well. At $n=1$ the decoy
# $n/(d+2)$ is a ratio of means, $\|g\|^2/\mathbb{E}\|\hat g\|^2$ for the Gaussian, in place of the mean of a ratio.

# %%
cases = [(law, n) for law in ("gaussian", "sphere", "orthogonal") for n in (1, 4)] + [("rademacher", 1)]
verdicts = [verify("capture", law, probes=n) for law, n in cases]
for verdict in verdicts:
    print(verdict)
show(verdicts)

# %% [markdown]
# ## What it means
#
# For the mean of $\hat g$ all isotropic laws are one. In its second moment the i.i.d. ones differ by $\kappa$ alone, and $c-d$ is the price
# of a length that varies. For large $d$ that hardly matters; $d$ itself does.
#
# Question 4 has the answers $10^{-7}$ and $10^{-6}$, and no choice of lengths changes them. Why training works nevertheless is a question
# about the loss, not about $z$: from notebook 4 on.
#
# ## Where it breaks
#
# Let neighbouring coordinates share a sign. Each still has mean 0, variance 1 and $\kappa=1$, and the length is $\sqrt d$. But
# $\mathbb{E}[zz^\top]\ne I$, and what a probe sees depends on where the gradient points.


# %%
def share(gradient):
    return mean(lambda z: frame_of(z[:, None], gradient).captured(), TIED_COORDINATES)  # one probe: cos²(z, g)


first, nothing = torch.linspace(1, 2, dim // 2, dtype=torch.float64), torch.zeros(dim // 2)
for words, second in (("equal", first), ("one of them 0", nothing), ("opposite", -first)):
    measured = share(torch.stack([first, second], dim=1).flatten())  # neighbours, pair by pair
    away = f"z = {measured.z_score(1 / dim):+.1f}" if measured.standard_error > 1e-12 else "in every draw"
    print(f"neighbours {words:14} {measured}, where 1/d = {1 / dim:.4f}: {away}")

# %% [markdown]
# Equal neighbours: the probe sees twice $1/d$. One of them 0: just $1/d$, so a test with such a gradient misses the fault. Opposite ones: every projected gradient is exactly 0, and
# no number of probes finds that gradient. Moments of single coordinates say nothing of this; the covariance does.
#
# ## Exercises
#
# **2.1 (paper).** Derive $c=d-1+\kappa$ for independent coordinates of mean 0, variance 1 and kurtosis $\kappa$, from the entries of
# $\mathbb{E}[\|z\|^2z_iz_j]$. Which law of this kind has the least $c$?

# %% [markdown] tags=["solution"]
# **Solution.** $\mathbb{E}[\|z\|^2z_iz_j]=\sum_k\mathbb{E}[z_k^2z_iz_j]$. For $i\ne j$ each term has the factor $\mathbb{E}[z_i]=0$ or $\mathbb{E}[z_j]=0$. For $i=j$
# the term $k=i$ is $\kappa$, and the $d-1$ others are $1\cdot1$. As $\kappa=1 + \operatorname{Var}(z_i^2)\ge1$, signs have the least.

# %% [markdown]
# **2.2 (code).** The same as a function.

# %%
from mezo_lab.course.exercises.laws import check_fourth_moment, check_probes_needed, check_sphere


def fourth_moment(dim: int, kurtosis: float) -> float:
    # BEGIN SOLUTION
    return dim - 1 + kurtosis
    # END SOLUTION


check_fourth_moment(fourth_moment)

# %% [markdown]
# **2.3 (code).** A sampler, uniform on the sphere $\|z\|=\sqrt d$; shape (count, dim). The right lengths are not enough.


# %%
def sphere(count: int, dim: int, generator: torch.Generator) -> torch.Tensor:
    # BEGIN SOLUTION
    x = torch.randn(count, dim, generator=generator)
    return x * math.sqrt(dim) / x.norm(dim=-1, keepdim=True)
    # END SOLUTION


check_sphere(sphere)

# %% [markdown]
# **2.4 (experiment).** How many probes see a given share of the gradient on average? The cell then measures that share beside
# $\cos^2(\hat g, g)$. Does $\hat g$ use all that its probes see?


# %%
def probes_needed(share: float, dim: int) -> int:
    # BEGIN SOLUTION
    return math.ceil(share * dim)
    # END SOLUTION


check_probes_needed(probes_needed)
slope = torch.linspace(1, 2, dim, dtype=torch.float64)
for law in ("gaussian", "orthogonal"):
    for share in (0.1, 0.5, 1):
        n = probes_needed(share, dim)
        frame = frame_of(LAWS[law].sample(20_000, n, dim, torch.Generator().manual_seed(n)), slope)
        cosine_sq = frame.overlap() ** 2 / frame.length_sq()
        print(f"{law:10} n = {n:<2} n/d {n / dim:.2f}   span {frame.captured().mean():.2f}   ĝ {cosine_sq.mean():.2f}")

# %% [markdown] tags=["solution"]
# **Solution.** $\hat g$ lies in the span, so $\cos^2(\hat g, g)\le\|Pg\|^2/\|g\|^2$. For orthogonal probes $\hat g=\frac dnPg$ and the two are equal. For
# several Gaussian probes $\hat g$ falls short: it counts twice what two probes both see, even at $n=d$, where the span is the whole
# space.

# %% [markdown]
# ## Summary
#
# - $\mathbb{E}[\|z\|^2zz^\top]=cI$ with $c=d + \operatorname{Var}(\|z\|^2)/d$: $d$ where the length is fixed, $d-1+\kappa$ for i.i.d. coordinates.
# - $\mathbb{E}[\hat g\hat g^\top]$ contains $\|g\|^2I/n$ for i.i.d. laws: there is noise also where the gradient is zero.
# - $n$ probes see $n/d$ of the gradient; lengths do not matter, isotropy does.
#
# **Limits.** All of this is at $\varepsilon\to0$ and without the noise of a minibatch. A share of $n/d$ is a mean; single draws scatter widely.
#
# **Further reading.** L. Isserlis, *On a formula for the product-moment coefficient of any order of a normal frequency distribution
# in any number of variables*, 1918. A. S. Berahas et al., *A theoretical and empirical comparison of gradient approximations in
# derivative-free optimization*, 2022. S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Appendix G.
#
# **Next:** the trace of this matrix, on which the notes and the paper disagree.
