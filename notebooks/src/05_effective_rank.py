# %% [markdown]
# # 5. Low effective rank
#
# **Claim.** By the end you will have shown that what limits MeZO's learning rate is not the dimension $d$ but the effective rank
# $r=\operatorname{tr}H/\|H\|$. The evidence: a proof, and a mean that is flat in $d$, up to a billion, and linear in $r$. The controls: the norm factor of
# notebook 3 in the place of $\gamma$, one law's formula under another, and spectra whose effective rank grows.
#
# **You will be able to** derive $\gamma$; say what Theorem 1 assumes; measure at $d=10^9$; choose $\eta$ and $n$; tell where $\gamma$
# is only a bound.
#
# **Before this:** notebook 4, and claim A3 (notebook 2). **Time:** 50 minutes; the cells run within two. **In the paper** (Malladi et al.
# 2023): Assumption 1, Theorem 1 (4), Corollary 1 (5), Lemmas 3 and 6, Theorem 2, Definition 4, Table 6.

# %%
import math

import sympy
import torch

from mezo_lab import LAWS, Estimate, sample, theory
from mezo_lab.course.notebook import show, sized, verify
from mezo_lab.curvature import divergence, effective_rank, spectrum
from mezo_lab.proofs import prove
from mezo_lab.report.figures import style
from mezo_lab.sampling import frame_of, reduced_frame
from mezo_lab.theory import stability_limit

# %% [markdown]
# ## The puzzle, and the paper's answer
#
# Notebook 4: with equal curvature everywhere the stable rate is $O(1/d)$. Yet models of billions of parameters train. The paper drops the
# equality:
#
# **Assumption 1.** Near $\theta$ the Hessian is at most some $H \preceq \ell I$ with $\operatorname{tr}(H)/\|H\| \le r$.
#
# **Theorem 1** (eq. (4), with a full batch; $z$ on the sphere). Then for a $\gamma=\Theta(r/n)$ (a slip: it holds for $n=O(r)$, as $\gamma\ge1$)
#
# $$\mathbb{E}[L(\theta^+)] - L(\theta) \le -\eta\|g\|^2 + \tfrac12\eta^2\ell\,\gamma\,\|g\|^2.$$
#
# **Corollary 1** (eq. (5)). With $\eta=\eta_{\text{SGD}}/\gamma$ a step is sure of $1/\gamma$ of the descent that the lemma promises SGD. **Theorem 2** is the same for
# Gaussian $z$, plus a term of order $e^{-\Omega(nd)}$ for steps that leave the neighbourhood.
#
# ## The exact test bed
#
# Let $H=\ell P_r$, with $P_r$ the projector on $r$ directions: they curve, the others do not.
#
# **Statement** (claim B3, derived). With equality,
#
# $$\frac{\mathbb{E}[L^+]}{L} = 1 - 2\eta\ell + \eta^2\ell^2\gamma,\qquad \gamma = \frac{r+n+1}{n}\ \text{(Gaussian)},\quad
# \frac{dr+d-2}{n(d+2)}+1\ \text{(sphere)},\quad \frac{r+n-1}{n}\ \text{(signs, } H \text{ along the coordinates)}.$$
#
# **Derivation.**
#
# 1. $L$ is quadratic: $L^+=L-\eta\,g^\top\hat g+\tfrac12\eta^2\ell\,\hat g^\top P_r\,\hat g$. So only $P_r\hat g$ costs anything.
# 2. A3 (Gaussian): $\mathbb{E}[\hat g^\top W\hat g]=\tfrac{n+1}{n}\,g^\top Wg+\tfrac1n\operatorname{tr}(W)\,\|g\|^2$ for any $W$. Take $W=P_r$.
# 3. $g=\ell P_r\theta$, so $g^\top P_r\,g=\|g\|^2$; and $\operatorname{tr}P_r=r$. The sum is $\gamma\|g\|^2$.
# 4. $\|g\|^2=2\ell L$. Take the mean of step 1 and divide by $L$.
#
# On the sphere the algebra could slip:

# %%
print(prove("low-rank", "sphere"))

# %% [markdown]
# **The same object** (claim B5). At $r=d$ the projector is $I$, and $\gamma$ must be the norm factor:

# %%
d, n = sympy.symbols("d n", positive=True)
for law in ("gaussian", "sphere", "rademacher"):
    gamma = theory.effective_rank_factor(d, n, LAWS[law].moments(d))
    print(f"{law:>10}: γ(r = d) = {sympy.factor(gamma)}; less the norm factor: {prove('same-object', law).difference}")

# %% [markdown]
# ## Predict first
#
# Write your answers down before you go on.
#
# 1. Five directions curve. From $d=5$ to $d=10^9$: what does $\gamma$ do under the Gaussian, and under the sphere?
# 2. Ten times as many directions curve. How many times smaller is the stable rate?
# 3. You can afford 800 pairs of forward passes: 800 steps with one probe, or 100 with eight?
# 4. Curvature falls as $1/\sqrt i$. What is $r$ for large $d$?
#
# ## Experiment: from five dimensions to a billion
#
# $\gamma=\mathbb{E}\|P_r\hat g\|^2/\|g\|^2$ can be measured in two ways. *Brute force* draws $z$. The *reduced sampler* draws only what $P_r\hat g$ depends on: with
# one probe, $a=z^\top g/\|g\|\sim N(0,1)$ and the squared length of the rest of $P_rz$, which is $\chi^2_{r-1}$. For the sphere it divides by $\|z\|$, one more
# draw, $\chi^2_{d-r}$. With $n$ probes the rest has a Wishart matrix of inner products, and by Bartlett (1933) its
# Cholesky factor has independent normals below the diagonal and $\chi$ on it. It is exact in distribution, at a cost without $d$.


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
for dim in sized(full=(5, 30, 1000), fast=(5, 30)):
    for law in laws:
        one, other = brute(law, dim, rank), reduced(law, dim, rank)
        apart = (one.mean - other.mean) / math.hypot(one.standard_error, other.standard_error)
        print(
            f"d = {dim:>4} {law:>8}: γ = {formula(law, dim, rank):.2f}, brute {one}, reduced {other}, {apart:+.1f} apart"
        )

# %% [markdown]
# The last column: their distance in standard errors. Where both run they agree; the reduced one goes on alone.

# %%
dims = sized(full=(5, 10, 30, 100, 1000, 10**6, 10**9), fast=(5, 30, 10**9))
over_d = {law: {dim: reduced(law, dim, rank) for dim in dims} for law in laws}


def sweep_figure(measurements, theories, decoys, *, xlabel, log, top):
    figure = style.new_figure(height=3.6)
    axes, at = figure.add_subplot(), list(next(iter(measurements.values())))
    for label, curve in theories.items():
        axes.plot(at, [curve(x) for x in at], label=label, **style.THEORY)
    for label, curve in decoys.items():
        axes.plot(at, [curve(x) for x in at], label=label, **style.decoy(label, list(decoys)))
    for law, points in measurements.items():
        means, bars = [e.mean for e in points.values()], [style.BARS * e.standard_error for e in points.values()]
        axes.errorbar(at, means, bars, label=f"{law} ± {style.BARS:g} standard errors", **style.estimate(law))
    axes.set(xscale="log" if log else "linear", ylim=(0, top), xlabel=xlabel, ylabel="γ, measured")
    style.despine(axes)
    style.figure_legend(figure)
    return figure


# %%
labels = {"gaussian": "theory, each law", "sphere": "_"}  # one line in the legend
curves = {labels[law]: lambda dim, law=law: formula(law, dim, rank) for law in laws}
decoys = {"d + 2, the norm factor": lambda dim: dim + 2}
show(
    sweep_figure(over_d, curves, decoys, xlabel=f"dimension d, at r = {rank}", log=True, top=20),
    alt=f"Chart of γ against d from {dims[0]} to a billion, with curvature in {rank} directions. The Gaussian points stay at one "
    "height; those of the sphere rise to it within the first hundred dimensions. The norm factor d+2, dotted, leaves the frame at once.",
)

# %% [markdown]
# Flat in $d$. For the Gaussian that is plain: coordinates outside the range of $P_r$ never enter. On the sphere they share
# the length $\|z\|=\sqrt d$, which matters at small $d$ only.
#
# Now $r$, at $d=10^9$. The decoys: $\gamma=r$, and a $\gamma$ as flat in $r$ as in $d$.

# %%
ranks = sized(full=(1, 3, 6, 10, 15, 20), fast=(1, 6, 20))
over_r = {"gaussian": {r: reduced("gaussian", 10**9, r) for r in ranks}}
curves = {"γ = r + 2": lambda r: r + 2}
decoys = {"γ = r": lambda r: r, f"γ at r = {rank}": lambda r: rank + 2}
for r, measured in over_r["gaussian"].items():
    scores = ", ".join(f"{measured.z_score(curve(r)):+.0f} from {label}" for label, curve in decoys.items())
    print(f"r = {r:>2}: {measured}, z = {measured.z_score(r + 2):+.1f}; {scores}")
show(
    sweep_figure(over_r, curves, decoys, xlabel="effective rank r, at d = 10⁹", log=False, top=24),
    alt=f"Chart of γ against r from {ranks[0]} to {ranks[-1]} at a billion dimensions. The points lie on the dashed line r+2; the "
    "dotted decoys are a parallel line two lower, and a horizontal one.",
)

# %% [markdown]
# Ten times the directions make γ $(10r+2)/(r+2)$ times larger: less than ten (question 2).
#
# ## Check
#
# The claim compares losses, before and after a step at $\eta\ell=0.1$: small $d$ by brute force, $10^9$ reduced. Signs are not rotation-invariant, and
# must be drawn. The decoys: the norm factor and, where $d$ is small, the Gaussian $\gamma$.

# %%
far = 10**9
dims = (*sized(full=(8, 200), fast=(8, 64)), far)
settings = [(law, dim) for law in ("gaussian", "sphere", "rademacher") for dim in dims]
drawable = [(law, dim) for law, dim in settings if LAWS[law].rotation_invariant or dim < far]
verdicts = [verify("low-rank", law, dim=dim, rank=4) for law, dim in drawable]
for verdict in verdicts:
    decoys = ", ".join(f"{decoy.statement}: z = {decoy.z_score:+.0f}" for decoy in verdict.decoys)
    print(f"{verdict}\n    {decoys}")
show(verdicts)

# %% [markdown]
# **Best step, and the edge** (claim B6), of the *mean*: at small $r$ a typical run likes longer steps. With $t=\eta\ell\gamma$ the ratio is $1-(2t-t^2)/\gamma$:
# least at $\eta=1/(\ell\gamma)$, where it is $1-1/\gamma$, and 1 again at $2/(\ell\gamma)$. At a billion dimensions:

# %%
curve = [verify("best-step", dim=10**9, rank=3, t=t) for t in sized(full=(0.5, 1.0, 1.5, 2.0), fast=(1.0, 2.0))]
for verdict in curve:
    print(verdict)
show(curve)

# %% [markdown]
# **$n$ is a wash** (claim B7), for probes that are independent. A step with $n$ of them costs $n$ pairs of forward passes. At its best rate it brings, for each pair,
#
# $$-\frac1n\log\frac{\mathbb{E}[L^+]}{L} = \frac1n\log\Big(1 + \frac{n}{r+1}\Big),$$
#
# which falls as $n$ grows, though hardly while $n \ll r$. The decoy is constant in $n$. The paper's Table 6: at equal
# passes, more probes gain little at best. *Orthogonal* probes (claim E4) do gain, where $r$ exceeds about $d/2$ or $n$ is near $d$; decoys: constant, and the wash.

# %%
for r in (5, 100, 1000):
    kept = {n: theory.progress_per_pair(r, n) / theory.progress_per_pair(r, 1) for n in (2, 8, 32)}
    print(f"r = {r:>4}: progress per pair, of one probe's: " + ", ".join(f"{kept[n]:.1%} at n = {n}" for n in kept))
wash = [verify("probes-are-a-wash", dim=10**9, rank=5, probes=n) for n in sized(full=(2, 4, 8), fast=(2, 8))]
right_angles = [verify("orthogonal-probes", "orthogonal", dim=20, rank=20, probes=n) for n in (2, 8)]
for verdict in wash + right_angles:
    print(verdict)
print("; ".join(f"{d.statement} {d.expected:.4f}: {d.status.name}" for d in right_angles[-1].decoys))
show(wash)

# %% [markdown]
# ## Decaying spectra: only a bound
#
# **Statement** (claim B4). For any $H$ and Gaussian $z$, from A3 with $W=H$:
#
# $$\mathbb{E}[\hat g^\top H\hat g] = \tfrac{n+1}{n}\,g^\top Hg + \tfrac1n\operatorname{tr}(H)\,\|g\|^2 \;\le\; \ell\gamma\,\|g\|^2,$$
#
# as $g^\top Hg\le\ell\|g\|^2$ and $\operatorname{tr}H=r\ell$. Put it into Taylor's formula: Theorem 2. The i.i.d. law of kurtosis $\kappa$ adds $\tfrac{\kappa-3}{n}\sum_iH_{ii}g_i^2$; the sphere
# multiplies the one-probe part by $d/(d+2)$. Eigenvalues that fall evenly; the decoy: the bound as an equality.

# %%
fall = [verify("any-spectrum", law) for law in ("gaussian", "sphere", "rademacher")]
for verdict in fall:
    print(f"{verdict}; from the bound: z = {verdict.decoys[0].z_score:+.0f}")

# %% [markdown]
# So on a decaying spectrum $2/(\ell\gamma)$ is a safe rate, not the last one. For the exact edge of $\mathbb{E}[L]$, A3 along eigenvector $i$:
# $\mathbb{E}[g_i^{+2}]=g_i^2-2\eta\lambda_ig_i^2+\eta^2\lambda_i^2\left(\tfrac{n+1}ng_i^2+\tfrac1n\|g\|^2\right)$. Where that is $g_i^2$ again, the shares $g_i^2/\|g\|^2=\frac{\eta\lambda_i}{2n-(n+1)\eta\lambda_i}$ sum
# to 1, which gives $\eta$ (claim E6; Song et al. 2026). MeZO itself, on two spectra:

# %%
d = 300
spectra = {kind: spectrum(kind, d, 30) for kind in ("flat", "exponential")}
steps = sized(full=200, fast=25)
moments = LAWS["gaussian"].moments(d)
for name, eigenvalues in spectra.items():
    r, edge = effective_rank(torch.diag(eigenvalues)), stability_limit(eigenvalues, 1, moments)
    result = divergence(eigenvalues, edge, steps=steps)
    measured = Estimate(result.lr, result.error, result.steps)
    rates = {"edge": edge, "safe": 2 / (r + 2), "2/(d+2)": 2 / (d + 2)}
    scores = ", ".join(f"{measured.z_score(rate):+.1f} from {label} {rate:.4f}" for label, rate in rates.items())
    print(f"{name:>11}: r = {r:.1f}, MeZO diverges at {result}; z = {scores}")

# %% [markdown]
# The runs refute $2/(d+2)$, notebook 4's. Safe rate and edge lie too near for them to tell apart: the bound gives away little (exercise 5.4), and nothing on
# the flat spectrum.
#
# **How many steps** (claim B8; Lemma 3). Let $L$ be $\mu$-PL (Definition 4): $\tfrac12\|g\|^2 \ge \mu(L-L^*)$, $L^*$ being its least value; and let the noise of an example vanish with $L-L^*$,
# $\operatorname{tr}\Sigma\le\alpha(L-L^*)$. With $\eta=\frac1\gamma\min\big(\frac1\ell, \frac{\mu B}{\ell\alpha}\big)$ a step on a batch of $B$ has
#
# $$\frac{\mathbb{E}[L^+]-L^*}{L-L^*} \le 1 - \frac1\gamma\min\Big(\frac{\mu}{2\ell},\ \frac{\mu^2B}{2\ell\alpha}\Big),$$
#
# so MeZO needs at most $\gamma$ times the steps of SGD's bound.
#
# **Derivation.** (4), with a batch: $\mathbb{E}[L^+]-L \le -\eta\|g\|^2+\tfrac12\eta^2\ell\gamma(\|g\|^2+\operatorname{tr}\Sigma/B)$. As $\eta\ell\gamma\le1$, the terms in $\|g\|^2$ are at most $-\tfrac12\eta\|g\|^2\le-\eta\mu(L-L^*)$. As
# $\eta\ell\gamma\alpha\le\mu B$, the noise is at most $\tfrac12\eta\mu(L-L^*)$. The factor $1-\tfrac12\eta\mu$ is left.
#
# Theorem 2's extra term is small because $\|z\|^2$ is seldom large: Lemma 6 (claim B9),
# $\Pr[\chi^2_k \ge k+u] \le e^{-\min(u^2/16k,\,u/16)}$. Both are bounds. The decoys, SGD's rate and $\tfrac12$ for $\tfrac1{16}$, claim too much.

# %%
for verdict in [verify("pl-rate", batch=2), verify("pl-rate", batch=64), verify("tail", dim=40, u=20)]:
    print(f"{verdict}\n    {verdict.decoys[0].statement}: {verdict.decoys[0].status.name}")

# %% [markdown]
# ## What it means
#
# $\hat g$ is about $\sqrt d\,\|g\|$ long, and nearly all of it is noise. But noise costs only where the loss curves. If
# few directions do, it mostly moves $\theta$ along flat ones. A step pays for $\operatorname{tr}H$, not $d\,\ell$. A larger model is then no harder to train, as long as its $r$ is no larger.
#
# ## Where it breaks
#
# The assumption is that $r$ does not grow with $d$. Small eigenvalues are not enough: $1/\sqrt i$ tends to 0, yet its trace grows as $2\sqrt d$. And for
# $H=\ell I$, $r=d$: the tax is back.

# %%
dims = sized(full=(100, 400, 1600), fast=(50, 200))
kinds = {
    "1/√i": lambda dim: torch.arange(1, dim + 1, dtype=torch.float64) ** -0.5,
    "isotropic": lambda dim: spectrum("isotropic", dim),
    "flat, r = 30": lambda dim: spectrum("flat", dim, 30),
}
edges, divergences = {}, {}
for kind in kinds:
    edges[kind] = {dim: stability_limit(kinds[kind](dim), 1, moments) for dim in dims}
    longer = steps * (5 if kind == "1/√i" else 1)  # small eigenvalues take long to settle
    divergences[kind] = {dim: divergence(kinds[kind](dim), edges[kind][dim], steps=longer, seed=dim) for dim in dims}
    for dim, edge in divergences[kind].items():
        measured = Estimate(edge.lr, edge.error, edge.steps)
        z, still = (measured.z_score(edges[kind][each]) for each in (dim, dims[0]))
        print(
            f"{kind:>12}, d = {dim:>4}: diverges at {edge}, z = {z:+.1f} from the edge, {still:+.0f} from that of {dims[0]}"
        )

# %%
figure = style.new_figure(height=3.4)
axes = figure.add_subplot()
for kind, law in zip(kinds, LAWS, strict=False):  # a marker each
    label = "exact edge" if law == "gaussian" else None
    axes.plot(dims, [edges[kind][dim] for dim in dims], label=label, **style.THEORY)
    rates, errors = (
        [e.lr for e in divergences[kind].values()],
        [style.BARS * e.error for e in divergences[kind].values()],
    )
    axes.errorbar(dims, rates, errors, label=kind, **style.estimate(law))
axes.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="rate at which MeZO diverges")
axes.minorticks_off()
axes.set_xticks(dims, [f"{dim:,}" for dim in dims])
style.despine(axes)
style.figure_legend(figure, columns=2)
show(
    figure,
    alt=f"Log-log chart of the rate at which MeZO diverges against d from {dims[0]} to {dims[-1]}, for three spectra, with the exact edges "
    "dashed. With 30 curved directions it is constant; with eigenvalues 1/√i it falls as 1/√d; with equal ones as 1/d.",
)

# %% [markdown]
# ## Exercises
#
# **5.1 (paper).** Put $r=d$ into the sphere's $\gamma$ and find Lemma 2's $(d+n-1)/n$. Then let $d\to\infty$ at fixed $r$: which law's $\gamma$ do you get, and why?

# %% [markdown] tags=["solution"]
# **Solution.** $d^2+d-2=(d+2)(d-1)$, so $\gamma=\tfrac{d-1}{n}+1=\tfrac{d+n-1}{n}$. As $d\to\infty$, $\tfrac{dr+d-2}{d+2}\to r+1$, and $\gamma\to\tfrac{r+1}{n}+1$: the Gaussian's. Any $r$ coordinates of a
# point on a sphere of radius $\sqrt d$ become independent normals as $d$ grows, and $\gamma$ sees only $r$ of them.

# %% [markdown]
# **5.2 (code).** $\gamma$ for the laws `"gaussian"` and `"sphere"`. Five minutes.

# %%
from mezo_lab.course.exercises.rank import check_best_probes, check_effective_rank, check_rank_factor


def rank_factor(law: str, rank: int, probes: int, dim: int) -> float:
    # BEGIN SOLUTION
    if law == "gaussian":
        return (rank + probes + 1) / probes
    return (dim * rank + dim - 2) / (probes * (dim + 2)) + 1
    # END SOLUTION


check_rank_factor(rank_factor)

# %% [markdown]
# **5.3 (code).** Let a step cost its $n$ pairs of forward passes plus a fixed `overhead`, counted in pairs too: for loading a batch, say. Which
# $n$ (Gaussian) makes the most progress per cost? Ten minutes.


# %%
def best_probes(rank: int, overhead: float) -> int:
    # BEGIN SOLUTION
    return max(range(1, 10_000), key=lambda n: math.log(1 + n / (rank + 1)) / (n + overhead))
    # END SOLUTION


check_best_probes(best_probes)
for overhead in (0, 1, 5):
    print(f"overhead {overhead}: best n = {[best_probes(r, overhead) for r in (5, 100, 1000)]} at r = 5, 100, 1000")

# %% [markdown]
# **5.4 (experiment).** The effective rank from eigenvalues. Then make up a spectrum, predict where MeZO diverges, and see. How far above the
# safe rate $2/(\ell\gamma)$ can you push the edge, and with what spectrum?


# %%
def rank_of(eigenvalues: torch.Tensor) -> float:
    # BEGIN SOLUTION
    return float(eigenvalues.sum() / eigenvalues.max())
    # END SOLUTION


check_effective_rank(rank_of)
own = torch.cat([torch.ones(1), torch.full((200,), 0.1)]).double()  # yours, largest 1
safe = 2 / (rank_of(own) + 2)
result = divergence(own, safe, steps=steps)
print(f"r = {rank_of(own):.1f}, safe {safe:.3g}, edge {stability_limit(own, 1, moments):.3g}, diverges at {result}")

# %% [markdown] tags=["solution"]
# **Solution.** Farthest with one eigenvalue $\ell=1$ and the rest of the trace in tiny ones, where $g^\top Hg\ll\ell\|g\|^2$. With one probe the shares then sum to
# $\frac{\eta}{2(1-\eta)}+\frac{(r-1)\eta}{2}=1$, so the edge is $\frac{(r+2)\eta}{2}=1+\frac12\left(3\eta-\frac{\eta}{1-\eta}\right)$ times the safe rate: at most $3-\sqrt3\approx1.27$, at $r=4$. For large $r$ both near
# $2/\operatorname{tr}H$.

# %% [markdown]
# ## Summary
#
# - A step pays for $\mathbb{E}[\hat g^\top H\hat g]$. With curvature $\ell$ in $r$ directions that is $\ell\gamma\|g\|^2$: flat in $d$, linear in $r$, and at $r=d$ the norm factor.
# - Best rate $1/(\ell\gamma)$, last rate $2/(\ell\gamma)$, of the mean. Of independent probes one is best, by little while $n \ll r$; orthogonal ones may gain.
# - On decaying spectra $\gamma$ is an upper bound; on spectra whose trace grows with $d$ the tax returns.
#
# **Limits.** Quadratic losses. Whether a real model has a small $r$ must be measured. And Assumption 1 must hold within a radius $\eta\,d\,G$ of
# $\theta$, $G$ the largest gradient of an example: for a large model no small neighbourhood.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 4 and Appendix G. V. Papyan, *The full
# spectrum of deepnet Hessians at scale*, 2018. M. S. Bartlett, *On the theory of statistical regression*, 1933. W. Lin, Q. Song and H. Xu, *The multi-query paradox in
# zeroth-order optimization*, arXiv 2509.15552, 2025. M. Song et al., *Zeroth-order optimization at the edge of stability*, arXiv 2604.14669, 2026.
#
# **Next:** what a finite ε and a finite precision do to all this.
