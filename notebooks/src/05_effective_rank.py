# %% [markdown]
# # 5. Low effective rank
#
# **Claim.** By the end you will have shown that what limits MeZO's learning rate is not the dimension $d$ but the effective rank
# $r=\operatorname{tr}H/\|H\|$. The evidence is a proof, and a mean that is flat in $d$, up to a billion, and linear in $r$. The controls are the norm factor of
# notebook 3 in the place of $\gamma$, one law's formula under another, and spectra whose effective rank grows.
#
# **You will be able to** derive $\gamma$; say what Theorem 1 assumes; measure at $d=10^9$; choose $\eta$ and $n$; tell where $\gamma$
# is only a bound.
#
# **Before this:** notebook 4, and claim A3 (notebook 2). **Time:** 75 minutes; the cells run within two. **In the paper** (Malladi et al.
# 2023): Assumption 1, Theorem 1 (4), Corollary 1 (5), Theorem 2, Table 6.

# %%
import math

import sympy
import torch

from mezo_lab import LAWS, Estimate, MeZO, sample, theory
from mezo_lab.course.notebook import distance, explore, predict, show, sized, verify
from mezo_lab.curvature import bowl, divergence, effective_rank, spectrum
from mezo_lab.proofs import prove
from mezo_lab.report import figures
from mezo_lab.sampling import frame_of, reduced_frame
from mezo_lab.theory import stability_limit

# %% [markdown] tags=["slide-02"]
# ## The puzzle, and the paper's answer
#
# Notebook 4 found that with equal curvature in every direction the stable rate is $O(1/d)$. Yet models with billions of parameters are fine-tuned. The paper gives up the
# assumption of equal curvature:
#
# **Assumption 1.** Near $\theta$ the Hessian is at most some $H \preceq \ell I$ with $\operatorname{tr}(H)/\|H\| \le r$.
#
# **Theorem 1** (eq. (4), with a full batch; $z$ on the sphere). Then there is a $\gamma=\Theta(r/n)$, the *effective-rank factor*, with
#
# $$\mathbb{E}[L(\theta^+)] - L(\theta) \le -\eta\|g\|^2 + \tfrac12\eta^2\ell\,\gamma\,\|g\|^2.$$

# %% [markdown]
# (The order $\Theta(r/n)$ is a slip of the paper: because $\gamma\ge1$, it can hold only for $n=O(r)$.)

# %% [markdown] tags=["notes-02"]
# **Corollary 1** (eq. (5)). If MeZO uses the rate $\eta_{\text{SGD}}/\gamma$, each step is guaranteed at least a fraction $1/\gamma$ of the decrease that the descent lemma guarantees for SGD.
# **Theorem 2** states the same for a Gaussian $z$, with an additional term of order $e^{-\Omega(nd)}$ for steps that leave the neighbourhood of $\theta$.

# %% [markdown] tags=["slide-04"]
# ## The exact test bed
#
# Let $H=\ell P_r$, where $P_r$ is the projector on $r$ directions. These directions curve, and the others are flat.
#
# **Statement** (claim B3, derived). On this loss the theorem is an equality,
#
# $$\frac{\mathbb{E}[L^+]}{L} = 1 - 2\eta\ell + \eta^2\ell^2\gamma,\qquad \gamma = \begin{cases}\frac{r+n+1}{n} & \text{Gaussian}\\
# \frac{dr+d-2}{n(d+2)}+1 & \text{sphere}\\ \frac{r+n-1}{n} & \text{signs, } H \text{ along the coordinates.}\end{cases}$$

# %% [markdown] tags=["notes-04"]
# **Derivation.**
#
# 1. $L$ is quadratic, so $L^+=L-\eta\,g^\top\hat g+\tfrac12\eta^2\ell\,\hat g^\top P_r\,\hat g$. Only the part $P_r\hat g$ costs anything.
# 2. Notebook 2's A3 gives $\mathbb{E}[u^\top\hat g\,\hat g^\top v]$ for any two vectors. For a Gaussian $z$ it is
#    $\tfrac{n+1}{n}\,(u^\top g)(g^\top v)+\tfrac1n\,u^\top v\,\|g\|^2$.
# 3. Any symmetric matrix is $W=\sum_i w_i\,u_iu_i^\top$ with orthonormal $u_i$. Set $u=v=u_i$, multiply by $w_i$ and sum over $i$:
#    $\mathbb{E}[\hat g^\top W\hat g]=\tfrac{n+1}{n}\,g^\top Wg+\tfrac1n\operatorname{tr}(W)\,\|g\|^2$. Now take $W=P_r$.
# 4. Because $g=\ell P_r\theta$, we have $g^\top P_r\,g=\|g\|^2$; and $\operatorname{tr}P_r=r$. The sum is $\gamma\|g\|^2$.
# 5. Here $\|g\|^2=2\ell L$. Take the mean of step 1 and divide by $L$.

# %% [markdown]
# On the sphere the algebra is longer, and the library does it. At $r=d$ the projector is $I$, and then $\gamma$ must be the norm factor of notebook 3 (claim B5).

# %%
d, n = sympy.symbols("d n", positive=True)
rows = []
for law in ("gaussian", "sphere", "rademacher"):
    gamma = theory.effective_rank_factor(d, n, LAWS[law].moments(d))
    left = {f"{name}: derived − theory": str(prove(name, law).difference) for name in ("low-rank", "same-object")}
    rows.append({"law": law, "γ at r = d": str(sympy.factor(gamma))} | left)
show(rows)

# %% [markdown] tags=["slide-03"]
# ## Predict first
#
# Write your answers between the quotation marks of the next cell before you go on.
#
# 1. `billion`: five directions curve. What does $\gamma$ do from $d=5$ to $d=10^9$ under the Gaussian, and what under the sphere?
# 2. `tenfold`: ten times as many directions curve. How many times smaller is the stable rate?
# 3. `passes`: you can afford 800 pairs of forward passes. Do you take 800 steps with one probe, or 100 steps with eight?
# 4. `decay`: the curvature falls as $1/\sqrt i$. What is $r$ for large $d$?

# %%
predictions = predict(billion="", tenfold="", passes="", decay="")

# %% [markdown] tags=["notes-05"]
# ## Experiment: from five dimensions to a billion
#
# There are two ways to measure $\gamma=\mathbb{E}\|P_r\hat g\|^2/\|g\|^2$. *Brute force* draws $z$ itself. The *reduced sampler* draws only the scalars on which $P_r\hat g$ depends. With
# one probe these are $a=z^\top g/\|g\|\sim N(0,1)$ and the squared length of the remaining part of $P_rz$, which is $\chi^2_{r-1}$. For the sphere it divides by $\|z\|$, which takes one more
# draw, $\chi^2_{d-r}$. With $n$ probes we need the $n\times n$ matrix of inner products of the remaining parts. It is Wishart-distributed, and Bartlett (1933) showed how to draw its
# Cholesky factor directly: independent normals below the diagonal, $\chi$ variables on it. The draw has exactly the right distribution, and its cost does not depend on $d$.


# %%
def brute(law, dim, rank, count=40_000):
    g = torch.zeros(dim, dtype=torch.float64)
    g[:rank] = 1 / math.sqrt(rank)

    def draw(count, rng):
        return frame_of(LAWS[law].sample(count, 1, dim, rng), g, rank).length_sq()

    return sample(draw, count, numbers_per_draw=dim, seed=dim).estimate()


def reduced(law, dim, rank, count=100_000):
    def draw(count, rng):
        return reduced_frame(LAWS[law], count, 1, dim, rng, rank).length_sq()

    return sample(draw, count, numbers_per_draw=20, seed=dim + rank).estimate()


def formula(law, dim, rank):
    return theory.effective_rank_factor(rank, 1, LAWS[law].moments(dim))


# %%
rank, laws = 5, ("gaussian", "sphere")
apart = []
for dim in sized(full=(5, 30, 1000), fast=(5, 30)):
    for law in laws:
        one, other = brute(law, dim, rank), reduced(law, dim, rank)
        apart.append(abs(one.mean - other.mean) / math.hypot(one.standard_error, other.standard_error))
print(f"brute force and the reduced sampler differ by at most {max(apart):.1f} standard errors")

# %% [markdown]
# Where both samplers run, they agree. Above $d = 1000$ the reduced sampler goes on alone.


# %%
def estimates(name, points, law="gaussian"):
    values = [(each.mean, each.standard_error) for each in points.values()]
    means, errors = zip(*values, strict=True)
    return figures.ScalingSeries(name, list(points), means, errors, law)


def line(name, sizes, value):
    return figures.ScalingLine(name, list(sizes), [value(size) for size in sizes])


def scaling(*parts, **labels):
    show(figures.scaling_figure(*parts, **labels), alt=figures.scaling_alt_text(*parts, **labels))


# %% tags=["slide-05"]
dims = sized(full=(5, 10, 30, 100, 1000, 10**6, 10**9), fast=(5, 30, 10**9))
over_d = {law: {dim: reduced(law, dim, rank) for dim in dims} for law in laws}
scaling(
    [estimates(law, over_d[law], law) for law in laws],
    [line("γ of each law", dims, lambda dim, law=law: formula(law, dim, rank)) for law in laws],
    [line("d + 2, the norm factor", dims, lambda dim: dim + 2)],
    ylabel=f"γ at r = {rank}",
)
ends = [f"{law}: {over_d[law][dims[0]].mean:.2f} at first, {over_d[law][dims[-1]].mean:.2f} in the end" for law in laws]
predictions.compare("billion", "; ".join(ends))

# %% [markdown]
# $\gamma$ is flat in $d$, while the norm factor rises by eight orders of magnitude. For the Gaussian the reason is plain: coordinates outside the range of $P_r$ never enter. On the sphere all coordinates share
# the length $\|z\|=\sqrt d$, which matters at small $d$ only.
#
# Now we vary $r$ at $d=10^9$. The decoys are $\gamma=r$, and a $\gamma$ that is as flat in $r$ as it is in $d$.

# %% tags=["slide-06"]
ranks = sized(full=(1, 3, 6, 10, 15, 20), fast=(1, 6, 20))
over_r = {r: reduced("gaussian", 10**9, r) for r in ranks}
scaling(
    [estimates("gaussian", over_r)],
    [line("γ = r + 2", ranks, lambda r: r + 2)],
    [line("γ = r", ranks, lambda r: r), line(f"γ at r = {rank}", ranks, lambda r: rank + 2)],
    xlabel="effective rank r, at d = 10⁹",
    ylabel="γ",
)
more = {r: formula("gaussian", 10**9, 10 * r) / formula("gaussian", 10**9, r) for r in (rank, 100)}
predictions.compare("tenfold", "; ".join(f"{times:.2f} times smaller at r = {r}" for r, times in more.items()))

# %% [markdown]
# Ten times as many directions make $\gamma$ larger by the factor $(10r+2)/(r+2)$, which is less than ten, and much less where $r$ is small.

# %% [markdown] tags=["notes-07"]
# ## A bowl of your own
#
# The picture shows the optimizer itself on a bowl with $r=10$ curved directions out of $d=1000$, at half of the edge $2/(\ell\gamma)$ that the theory predicts, at that edge, and at one and a half times the edge.
# Where `ipywidgets` is installed, sliders below the picture let you choose $\eta$, $d$ and $r$. Move $d$ alone and see what changes.


# %% tags=["slide-07"]
def bowl_path(lr, dim, rank, steps=60):
    factor, runs = formula("gaussian", dim, rank), []
    for seed in range(2):
        theta, loss = bowl(spectrum("flat", dim, rank), seed)
        optimizer = MeZO([theta], lr, seed=seed)
        runs.append([loss().item()])
        while len(runs[-1]) <= steps and runs[-1][-1] < 1e6 * runs[-1][0]:
            optimizer.step(loss)
            runs[-1].append(loss().item())
    share = lr * factor / 2
    name = f"η = {lr:.3g}, {share:.2g} times the edge"
    return figures.LossPath(name, runs, theory.contraction(lr, factor))


def draw_bowl(eta=0.1, d=1000, r=10):
    return figures.loss_figure([bowl_path(eta, d, min(r, d))])


paths = [bowl_path(share * 2 / 12, 1000, 10) for share in (0.5, 1.0, 1.5)]
show(figures.loss_figure(paths), alt=figures.loss_alt_text(paths))
explore(draw_bowl, eta=(0.02, 0.05, 0.1, 0.2, 0.4), d=(10, 100, 1000, 10_000), r=(3, 10, 30, 100))

# %% [markdown] tags=["slide-07"]
# At the edge the mean keeps its first value, and single runs do not: most fall in the end and a few rise far, because rare long steps
# carry the mean, the more so the smaller $r$ is.

# %% [markdown]
# ## Check
#
# The claim compares the losses before and after a step at $\eta\ell=0.1$. Small $d$ are drawn by brute force, $10^9$ by the reduced sampler. A law of signs is not invariant under
# rotations and has no reduced sampler, so it is absent at $10^9$. The decoys are the norm factor and, where $d$ is small, the Gaussian $\gamma$.

# %%
far = 10**9
dims = (*sized(full=(8, 200), fast=(8, 64)), far)
settings = [(law, dim) for law in ("gaussian", "sphere", "rademacher") for dim in dims]
drawable = [(law, dim) for law, dim in settings if LAWS[law].rotation_invariant or dim < far]
show([verify("low-rank", law, dim=dim, rank=4) for law, dim in drawable])

# %% [markdown]
# ## Decaying spectra: only a bound
#
# **Statement** (claim B4). For any $H$ and a Gaussian $z$, step 3 of the derivation with $W=H$ gives
#
# $$\mathbb{E}[\hat g^\top H\hat g] = \tfrac{n+1}{n}\,g^\top Hg + \tfrac1n\operatorname{tr}(H)\,\|g\|^2 \;\le\; \ell\gamma\,\|g\|^2,$$
#
# because $g^\top Hg\le\ell\|g\|^2$ and $\operatorname{tr}H=r\ell$. Inserted into Taylor's formula, this is Theorem 2. For other laws a term is added or the first one shrinks: an i.i.d. law of kurtosis $\kappa$ adds $\tfrac{\kappa-3}{n}\sum_iH_{ii}g_i^2$, and the sphere
# multiplies the one-probe part by $d/(d+2)$. Below, the eigenvalues fall evenly, and the decoy takes the bound for an equality.

# %%
show([verify("any-spectrum", law) for law in ("gaussian", "sphere", "rademacher")])

# %% [markdown]
# On a decaying spectrum $2/(\ell\gamma)$ is therefore a safe rate, but not the last stable one. The exact edge of $\mathbb{E}[L]$ follows from A3 along each eigenvector $i$ (claim E6; Song et al. 2026):
# $\mathbb{E}[g_i^{+2}]=g_i^2-2\eta\lambda_ig_i^2+\eta^2\lambda_i^2\left(\tfrac{n+1}ng_i^2+\tfrac1n\|g\|^2\right)$. At the edge this is $g_i^2$ again. Solved for the share of each eigenvector, that condition reads
# $g_i^2/\|g\|^2=\frac{\eta\lambda_i}{2n-(n+1)\eta\lambda_i}$, and the shares must sum to 1, which determines $\eta$. We compare it with MeZO itself on two spectra.

# %%
d, rows = 300, []
steps = sized(full=200, fast=25)
moments = LAWS["gaussian"].moments(d)
for name in ("flat", "exponential"):
    eigenvalues = spectrum(name, d, 30)
    r, edge = effective_rank(torch.diag(eigenvalues)), stability_limit(eigenvalues, 1, moments)
    found = divergence(eigenvalues, edge, steps=steps)
    measured = Estimate(found.lr, found.error, found.steps)
    rates = {"the edge": edge, "the safe rate": 2 / (r + 2), "2/(d+2)": 2 / (d + 2)}
    far = {f"distance from {label}": f"{distance(measured, rate)} ({rate:.4f})" for label, rate in rates.items()}
    rows.append({"spectrum": f"{name}, r = {r:.1f}", "MeZO diverges at": str(found)} | far)
show(rows)

# %% [markdown]
# The runs refute $2/(d+2)$, the rate of notebook 4. The safe rate and the edge lie too close together for these runs to tell them apart: the bound gives away little (exercise 5.4), and nothing on
# the flat spectrum.

# %% [markdown] tags=["slide-09"]
# ## What it means
#
# The estimate $\hat g$ is about $\sqrt d\,\|g\|$ long, and nearly all of it is noise. But noise costs only where the loss curves. If
# few directions curve, the noise mostly moves $\theta$ along flat ones. A step pays for $\operatorname{tr}H$, not for $d\,\ell$. A larger model is then no harder to train, as long as its $r$ is no larger.

# %% [markdown] tags=["notes-08"]
# ## Where it breaks
#
# The assumption is that $r$ does not grow with $d$. Small eigenvalues alone do not ensure that: $1/\sqrt i$ tends to 0, and yet its trace grows as $2\sqrt d$. For
# $H=\ell I$ we have $r=d$, and the tax is back.

# %% tags=["slide-08"]
dims = sized(full=(100, 400, 1600), fast=(50, 200))
kinds = {
    "flat, r = 30": (lambda dim: spectrum("flat", dim, 30), "gaussian", steps),
    "1/√i": (lambda dim: torch.arange(1, dim + 1).double().rsqrt(), "rademacher", 5 * steps),  # slow to settle
    "isotropic": (lambda dim: spectrum("isotropic", dim), "uniform", steps),
}
measured, edges = [], []
for kind, (eigenvalues, marker, length) in kinds.items():
    limits = {dim: stability_limit(eigenvalues(dim), 1, moments) for dim in dims}
    found = [divergence(eigenvalues(dim), limits[dim], steps=length, seed=dim) for dim in dims]
    measured.append(figures.ScalingSeries(kind, dims, [e.lr for e in found], [e.error for e in found], marker))
    edges.append(line("exact edge", dims, limits.__getitem__))
scaling(measured, edges, ylabel="rate at which MeZO diverges")

# %%
ranks = {dim: float(kinds["1/√i"][0](dim).sum()) for dim in (*dims, 10**6)}
predictions.compare(
    "decay", "; ".join(f"r = {r:,.0f} at d = {dim:,}, 2√d = {2 * dim**0.5:,.0f}" for dim, r in ranks.items())
)

# %% [markdown] tags=["slide-08"]
# With 30 curved directions the rate is constant. With eigenvalues $1/\sqrt i$ it falls as $1/\sqrt d$, and with equal eigenvalues as $1/d$.

# %% [markdown]
# ## What follows: steps and probes
#
# The library tests seven consequences (`mezo-lab verify B6 B7 B8 B9 B11 B12 E11`).
#
# - *The best step* ([B6](../docs/claims.md#b6-best-step)). The mean of the loss falls fastest at half of the edge, $\eta=1/(\ell\gamma)$, by the share $1/\gamma$.
# - *More probes are a wash* ([B7](../docs/claims.md#b7-probes-are-a-wash); the paper's Table 6). A step with $n$ probes costs $n$ pairs of forward passes. Its best rate brings, for each pair,
#   $-\frac1n\log\frac{\mathbb{E}[L^+]}{L} = \frac1n\log\big(1 + \frac{n}{r+1}\big)$, which falls as $n$ grows, though hardly while $n \ll r$. This holds for *independent* probes; *orthogonal* ones
#   ([E4](../docs/claims.md#e4-orthogonal-probes)) gain where $r$ exceeds about $d/2$ or $n$ is near $d$.
# - *The number of steps* ([B8](../docs/claims.md#b8-pl-rate); Lemma 3). On a loss whose gradient is never small far from the minimum (the *PL condition*), MeZO needs at most $\gamma$ times the bound for SGD.
# - *A stationary point* ([B12](../docs/claims.md#b12-stationarity)). On any loss, $T$ steps at $\eta=1/(\ell\gamma)$ meet a point with $\mathbb{E}\|g\|^2\le2\ell\gamma\,(L_0-L^*)/T$, if Assumption 1 holds everywhere.
# - *A floor* ([E11](../docs/claims.md#e11-noise-floor)). With minibatches of $B$ examples the loss ends $\frac{s\gamma\operatorname{tr}\Sigma}{2\ell B(2-s\gamma)}$ above its minimum, $s=\eta\ell$: a larger batch lowers the floor, and is no faster.
# - *Long probes are rare* ([B9](../docs/claims.md#b9-tail); Lemma 6), and typical steps are $\sqrt d$ times shorter than the radius of Assumption 1 ([B11](../docs/claims.md#b11-local-ball)).
#
# > *Table 6, in our words.* RoBERTa-large has the same number of forward passes in every row. With 4 or 16 probes a step its accuracy on SST-2
# > stays within one point of that with one probe, on SNLI at most 3.5 points above and 2.3 below, on TREC at most 4.4 below, where repeated runs scatter by six.

# %%
show(verify("probes-are-a-wash", dim=10**9, rank=5, probes=8))
kept = {r: theory.progress_per_pair(r, 8) / theory.progress_per_pair(r, 1) for r in (5, 1000)}
told = "; ".join(f"{1 - share:.1%} at r = {r}" for r, share in kept.items())
predictions.compare("passes", f"800 steps with one probe; 100 steps with eight lose, of the progress, {told}")

# %% [markdown]
# ## Exercises
#
# ### Exercise 5.1: two limits of the sphere
#
# *10 minutes · ★☆☆ · on paper*
#
# Put $r=d$ into the sphere's $\gamma$ and find Lemma 2's $(d+n-1)/n$. Then let $d\to\infty$ at fixed $r$: which law's $\gamma$ do you get, and why?
#
# <details><summary>Hint 1</summary>$d^2+d-2$ has two factors.</details>
# <details><summary>Hint 2</summary>How are the first $r$ coordinates of a point on a large sphere distributed?</details>
# <details><summary>Expected output</summary>Lemma 2, the name of a law, and one sentence.</details>

# %% [markdown] tags=["solution"]
# **Solution.** $d^2+d-2=(d+2)(d-1)$, so $\gamma=\tfrac{d-1}{n}+1=\tfrac{d+n-1}{n}$. As $d\to\infty$, $\tfrac{dr+d-2}{d+2}\to r+1$, and $\gamma\to\tfrac{r+1}{n}+1$, which is the Gaussian's. Any $r$ coordinates of a
# point on a sphere of radius $\sqrt d$ become independent normals as $d$ grows, and $\gamma$ depends on only $r$ of them.

# %% [markdown]
# ### Exercise 5.2: two groups of curvature
#
# *15 minutes · ★★☆ · code*
#
# Let `strong` directions have the curvature $\ell$, and let `weak` other directions have the curvature $c\,\ell$ with $c \le 1$; the rest is flat. A share $p$ of $\|g\|^2$ lies in the weak directions and the remainder in the strong ones.
# Return $\mathbb{E}[\hat g^\top H\hat g]/(\ell\|g\|^2)$ for $n$ Gaussian probes: the number that takes the place of $\gamma$ for this $g$. The arguments `curvature` and `share` are $c$ and $p$.
#
# <details><summary>Hint 1</summary>You need two numbers of $H$ and $g$: $\operatorname{tr}H/\ell$ and $g^\top Hg/(\ell\|g\|^2)$.</details>
# <details><summary>Hint 2</summary>Split $g$ into its strong and its weak part. Each part contributes its share of $\|g\|^2$ times its curvature.</details>
# <details><summary>Expected output</summary><code>✓ right in 3 cases</code>. At $c = 1$ your formula must be the Gaussian $\gamma$ at $r$ = strong + weak.</details>


# %%
def two_groups(strong: int, weak: int, curvature: float, share: float, probes: int) -> float:
    # BEGIN SOLUTION
    along = 1 - share + curvature * share
    return ((probes + 1) * along + strong + curvature * weak) / probes
    # END SOLUTION


# %%
from mezo_lab.course.exercises.rank import check_best_probes, check_effective_rank, check_two_groups

check_two_groups(two_groups)

# %% [markdown]
# ### Exercise 5.3: when several probes pay
#
# *15 minutes · ★★☆ · code*
#
# Let a step cost its $n$ pairs of forward passes and in addition a fixed `overhead`, counted in pairs too, for loading a batch, say. Which
# $n$ of Gaussian probes makes the most progress per cost?
#
# <details><summary>Hint 1</summary>Progress is a logarithm, because the factors of successive steps multiply.</details>
# <details><summary>Hint 2</summary>Divide by the cost of a step, $n$ plus the overhead, and try every $n$ in a generous range.</details>
# <details><summary>Expected output</summary><code>✓ right in 5 cases</code>, then a row for each overhead. Without overhead, one probe is best at every $r$.</details>


# %%
def best_probes(rank: int, overhead: float) -> int:
    # BEGIN SOLUTION
    return max(range(1, 10_000), key=lambda n: math.log(1 + n / (rank + 1)) / (n + overhead))
    # END SOLUTION


# %%
check_best_probes(best_probes)
show([{"overhead": c} | {f"best n at r = {r}": best_probes(r, c) for r in (5, 100, 1000)} for c in (0, 1, 5)])

# %% [markdown]
# ### Exercise 5.4: a spectrum of your own
#
# *20 minutes · ★★★ · experiment*
#
# Compute the effective rank from eigenvalues. Then make up a spectrum, predict where MeZO diverges, and see. How far above the
# safe rate $2/(\ell\gamma)$ can you push the edge, and with what spectrum?
#
# <details><summary>Hint 1</summary>The bound replaces $g^\top Hg$ by $\ell\|g\|^2$. For which spectra is that a poor replacement?</details>
# <details><summary>Hint 2</summary>Use one eigenvalue $\ell=1$ and put the rest of the trace into very small ones. Then vary $r$.</details>
# <details><summary>Expected output</summary><code>✓ right in 3 cases</code>, then the safe rate, the edge and the rate at which MeZO diverges; the edge is above the safe rate, but never by much.</details>


# %%
def rank_of(eigenvalues: torch.Tensor) -> float:
    # BEGIN SOLUTION
    return float(eigenvalues.sum() / eigenvalues.max())
    # END SOLUTION


# %%
check_effective_rank(rank_of)
own = torch.cat([torch.ones(1), torch.full((200,), 0.1)]).double()  # yours, largest 1
safe = 2 / (rank_of(own) + 2)
found = divergence(own, safe, steps=steps)
print(f"r = {rank_of(own):.1f}, safe {safe:.3g}, edge {stability_limit(own, 1, moments):.3g}, diverges at {found}")

# %% [markdown] tags=["solution"]
# **Solution.** The edge lies farthest above the safe rate with one eigenvalue $\ell=1$ and the rest of the trace in tiny ones, where $g^\top Hg\ll\ell\|g\|^2$. With one probe the shares then sum to
# $\frac{\eta}{2(1-\eta)}+\frac{(r-1)\eta}{2}=1$, so the edge is $\frac{(r+2)\eta}{2}=1+\frac12\left(3\eta-\frac{\eta}{1-\eta}\right)$ times the safe rate. That is at most $3-\sqrt3\approx1.27$, at $r=4$. For large $r$ both rates are near
# $2/\operatorname{tr}H$.

# %% [markdown] tags=["slide-10"]
# ## Summary
#
# - A step pays for $\mathbb{E}[\hat g^\top H\hat g]$. With the curvature $\ell$ in $r$ directions that is $\ell\gamma\|g\|^2$, which is flat in $d$, linear in $r$, and at $r=d$ equal to the norm factor.
# - The last stable rate of the mean is $2/(\ell\gamma)$. The best rate is half of it. Of independent probes one is best, by little while $n \ll r$; orthogonal probes may gain.
# - On decaying spectra $\gamma$ is an upper bound. On spectra whose trace grows with $d$ the tax returns.

# %% [markdown]
# **Limits.** The losses here are quadratic. Whether a real model has a small $r$ must be measured. And Assumption 1 must hold within a radius $\eta\,d\,G$ of
# $\theta$, where $G$ is the largest gradient of an example; for a large model that is no small neighbourhood.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 4 and Appendix G. V. Papyan, *The full
# spectrum of deepnet Hessians at scale*, 2018. W. Lin, Q. Song and H. Xu, *The multi-query paradox in
# zeroth-order optimization*, arXiv 2509.15552, 2025. M. Song et al., *Zeroth-order optimization at the edge of stability*, arXiv 2604.14669, 2026.
#
# **Next:** what a finite ε and a finite precision do to all this.
