# %% [markdown]
# # 4. The descent lemma and the dimension tax
#
# **Claim.** By the end you will have shown that on a loss with the same curvature in all $d$ directions the largest stable
# learning rate of MeZO is that of SGD divided by $\mathbb{E}\|\hat g\|^2/\|g\|^2$, so $O(1/d)$. The evidence: a proof, the mean of a step,
# and the optimizer itself, run until its edge of divergence is known. The controls: SGD's own rate and a tax of $\sqrt{\mathbb{E}\|\hat g\|^2}/\|g\|$, both refuted by
# the same runs; and a loss on which there is no such tax.
#
# **You will be able to** prove the descent lemma; derive the contraction of a step and its largest stable rate; tell the best rate
# from the last one; find where an optimizer diverges; say which assumption the tax rests on.
#
# **Before this:** notebook 3 (the norm factor), smoothness $\ell$ as a bound on curvature. **Time:** 50 minutes; the cells run within
# a minute or so. **In the paper** (Malladi et al. 2023): Lemma 1 and eqs. (2) and (3).

# %%
import math

import sympy

from mezo_lab import LAWS, Estimate, MeZO, theory
from mezo_lab.course.notebook import show, sized, verify
from mezo_lab.curvature import bowl, divergence, predict_stable_lr, spectrum
from mezo_lab.proofs import prove
from mezo_lab.report.figures import style

# %% [markdown]
# ## The descent lemma
#
# **Statement** (claim B1; paper, Lemma 1, eq. (2)). If no direction curves more than $\ell$ and $\hat g$ is unbiased, a step
# $\theta^+ = \theta - \eta\hat g$ has
#
# $$\mathbb{E}[L(\theta^+)] - L(\theta) \le -\eta\,\|g\|^2 + \tfrac12\,\eta^2\ell\;\mathbb{E}\|\hat g\|^2,$$
#
# with equality when $H = \ell I$.
#
# **Derivation.**
#
# 1. Taylor, with the curvature bounded: $L(\theta - \eta\hat g) \le L(\theta) - \eta\,g^\top\hat g + \tfrac12\eta^2\ell\,\|\hat g\|^2$.
# 2. Take the mean. $\hat g$ is unbiased, so $\mathbb{E}[g^\top\hat g] = \|g\|^2$.
# 3. The first term is what the step gains, the second what curvature takes back: it sees how *long* $\hat g$ is.
#
# How much does the bound give away? The library derives both sides for a quadratic, and compares them with its own formulas.

# %%
print(prove("descent-lemma", "gaussian"))

# %% [markdown]
# The same by drawing: on a flat spectrum an equality, on a falling one a bound, which the mean stays far below. The decoys have $\tfrac14$ or $1$ where the lemma has $\tfrac12$.

# %%
lemma = [verify("descent-lemma", spectrum=kind) for kind in ("flat", "falling")]
for verdict in lemma:
    print(verdict)
show(lemma)

# %% [markdown]
# ## Predict first
#
# Write your answers down before you go on.
#
# 1. $\hat g$ is about $\sqrt d$ times as long as $g$. Is the stable rate $\sqrt d$ times smaller than SGD's, or $d$ times?
# 2. With $d = 100$ and SGD's rate $2/\ell$: how large is MeZO's loss after three steps?
# 3. At half of its largest stable rate, how many steps does MeZO need to lower the loss $e$ times?
# 4. Only 30 of the $d$ directions curve, the others are flat. Does MeZO still pay for $d$?
#
# ## What it says of the learning rate
#
# The right side is negative as long as (paper, eq. (3))
#
# $$\eta < \frac{2\,\|g\|^2}{\ell\;\mathbb{E}\|\hat g\|^2}.$$
#
# SGD with the exact gradient has $\hat g = g$: $\eta_{\text{SGD}} = 2/\ell$. MeZO has $\mathbb{E}\|\hat g\|^2 = f\,\|g\|^2$, from notebook 3:
#
# $$\eta_{\text{ZO}} = \frac{2}{\ell f} = \frac{\eta_{\text{SGD}}}{f}, \qquad f = \frac{d+n+1}{n}\ \text{(Gaussian)},\quad \frac{d+n-1}{n}\ \text{(sphere, signs)}.$$
#
# That is the *dimension tax*. Where the lemma is an equality, the edge is sharp.
#
# **Statement** (claim B2). On $L = \tfrac12\ell\|\theta\|^2$ a step has $\;\mathbb{E}[L^+]/L = 1 - 2\eta\ell + \eta^2\ell^2 f.$
#
# **Derivation.** Exercise 4.1. What follows from it is solved here, with $s = \eta\ell$ and the library's own formula:

# %%
s, f = sympy.symbols("s f", positive=True)
ratio = theory.contraction(s, f)
(best,) = sympy.solve(sympy.diff(ratio, s), s)
(last,) = sympy.solve(sympy.Eq(ratio, 1), s)
print(f"E[L⁺]/L = {ratio}: least at s = {best}, where it is {sympy.expand(ratio.subs(s, best))}; 1 again at s = {last}")

# %% [markdown]
# ## Experiment: three rates
#
# The optimizer itself, on $\tfrac12\|\theta\|^2$ (so $\ell = 1$), one Gaussian probe a step.

# %%
dim = 100
factor = theory.norm_factor(dim, 1, LAWS["gaussian"].moments(dim))


def run(lr: float, steps: int) -> float:
    theta, loss = bowl(spectrum("isotropic", dim))
    before = loss().item()
    optimizer = MeZO([theta], lr)
    for _ in range(steps):
        optimizer.step(loss)
    return loss().item() / before


print(f"2/ℓ, SGD's edge:        after   3 steps the loss is {run(2, 3):.2g} times what it was")
print(f"2/(ℓf), MeZO's edge:    after {dim} steps {run(2 / factor, dim):.2g} times")
print(f"1/(ℓf), half of that:   after {dim} steps {run(1 / factor, dim):.2g} times; e⁻¹ = {math.exp(-1):.2f}")

# %% [markdown]
# The gradient step $\theta - \tfrac{2}{\ell}g = -\theta$ keeps the loss as it is. MeZO with the same rate blows up at once: the loss
# changes by the factor $1 + 4(\|z\|^2 - 1)\,(z^\top g)^2/\|g\|^2$, on average $4f-3$, so every step with $\|z\| > 1$ climbs. (Question 2: the mean after three steps is $(4f-3)^3$. Rare draws with a large $(z^\top g)^2$ carry it;
# a single run mostly ends far below.) At its own edge it neither gains nor loses much; at half of that it needs about $f$ steps for a factor $e$.
#
# ## Experiment: where MeZO diverges
#
# `predict_stable_lr` knows the loss from outside: it measures $\operatorname{tr}H$, $\operatorname{tr}H^2$ and the largest curvature with forward passes and a few
# Hessian-vector products, and returns the largest stable rate. `divergence` does not use the theory: the prediction is only where its search starts. It runs MeZO at several
# rates and finds the one at which the gradient of a long run neither grows nor shrinks, with its standard error.

# %%
dims = sized(full=(50, 150, 500, 1500, 5000), fast=(50, 500))
steps = sized(full=200, fast=50)
divergences = {}
for d in dims:
    eigenvalues = spectrum("isotropic", d)
    theta, loss = bowl(eigenvalues)
    predicted = predict_stable_lr([theta], loss)
    divergences[d] = divergence(eigenvalues, predicted.lr, steps=steps, seed=d)
    print(f"d = {d:>4}: predicted {predicted}, diverges at {divergences[d]}; 2/(d+2) = {2 / (d + 2):.3g}")


# %%
def rates_figure(divergences, theories, decoys):
    figure = style.new_figure(height=3.4)
    axes, at = figure.add_subplot(), list(divergences)
    for label, rate in theories.items():
        axes.plot(at, [rate(d) for d in at], label=label, **style.THEORY)
    for label, rate in decoys.items():
        axes.plot(at, [rate(d) for d in at], label=label, **style.decoy(label, list(decoys)))
    rates, bars = [edge.lr for edge in divergences.values()], [style.BARS * edge.error for edge in divergences.values()]
    name = f"where MeZO diverges ± {style.BARS:g} standard errors"
    axes.errorbar(at, rates, bars, label=name, **style.estimate("gaussian"))
    axes.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="learning rate η, at ℓ = 1")
    axes.minorticks_off()
    axes.set_xticks(at, [f"{d:,}" for d in at])
    style.despine(axes)
    style.figure_legend(figure)
    return figure


tax = {"2/(ℓf), f = d + 2": lambda d: 2 / (d + 2)}
decoys = {"SGD's 2/ℓ": lambda d: 2, "a tax of √f": lambda d: 2 / math.sqrt(d + 2)}
show(
    rates_figure(divergences, tax, decoys),
    alt=f"Log-log chart of the rate at which MeZO diverges against d from {dims[0]} to {dims[-1]}. The points follow the "
    "dashed theory 2/(d+2), a line of slope −1. SGD's constant rate 2 and 2/√(d+2), dotted, lie far above.",
)

# %% [markdown]
# On logarithmic axes an $O(1/d)$ rate is a line of slope $-1$: the points lie on it, and not on the dotted decoys.
#
# ## Check
#
# In numbers: the distance of each point from the theory and from both decoys, in standard errors.

# %%
for d, edge in divergences.items():
    measured = Estimate(edge.lr, edge.error, edge.steps)
    scores = [f"{label}: {measured.z_score(rate(d)):+.0f}" for label, rate in decoys.items()]
    print(f"d = {d:>4}: z = {measured.z_score(2 / (d + 2)):+.1f} from the theory; {', '.join(scores)}")

# %% [markdown]
# A run is one path, and the theory speaks of a mean. So here is the mean of a single step at $\eta = 2/(\ell f)$, for each law of $z$ with its own $f$:
# it should be 1, and the decoy is SGD's $(1-\eta\ell)^2$. Laws with $\|z\|^2 = d$ scatter by rounding only: each step ends as high as it began.

# %%
edges = [verify("dimension-tax", law, probes=1, t=2.0) for law in LAWS]
for verdict in edges:
    print(verdict)
show(edges)

# %% [markdown]
# **Best, not last** (claim B6). In units $t = \eta\ell f$ the ratio is $1 - (2t - t^2)/f$: least at $t = 1$, and 1 at $t = 2$. The decoy has stability end at $t = 1$.

# %%
d = sized(full=20, fast=6)
curve = [verify("best-step", dim=d, rank=d, probes=1, t=t) for t in (0.5, 1.0, 1.5, 2.0)]
for verdict in curve:
    print(verdict)
show(curve)

# %% [markdown]
# ## What it means
#
# The descent lemma charges for the squared length of the step, and $\hat g$ is long: nearly all of it is noise, orthogonal to $g$. A rate that
# SGD survives is $f$ times too large, and the answer is to step $f$ times less far. Then each step is worth $1/f$ of SGD's best: a loss
# that the exact gradient would bring to its minimum in one step takes MeZO about $f$ steps for a factor $e$. Taken at its word, that
# rules out fine-tuning a model of billions of parameters: it would take billions of steps. Yet it works. So an assumption is wrong.
#
# ## Where it breaks
#
# The assumption is $H = \ell I$: equal curvature everywhere. Let 30 directions curve with $\ell = 1$ and all others be flat: $H = \ell P_r$, with $P_r$ the projector on
# the $r = 30$ directions. The lemma still holds,
# and $\mathbb{E}\|\hat g\|^2$ is still $(d+2)\|g\|^2$; but most of $\hat g$ now lies where nothing curves.

# %%
rank, flat, predictions = 30, {}, {}
for d in sized(full=(100, 1000, 10_000), fast=(100, 1000)):
    eigenvalues = spectrum("flat", d, rank)
    theta, loss = bowl(eigenvalues)
    predicted = predict_stable_lr([theta], loss)
    predictions[d] = predicted.lr
    flat[d] = divergence(eigenvalues, predicted.lr, steps=steps, seed=d)
    print(f"d = {d:>6}: predicted {predicted}, diverges at {flat[d]}; the tax would say {2 / (d + 2):.2g}")

# %%
show(
    rates_figure(flat, {"predict, from measured curvature": predictions.__getitem__}, tax),
    alt=f"Log-log chart of the rate at which MeZO diverges against d, with curvature in {rank} directions only. The points "
    "stay on the dashed line that predict gives, at one height, while the dimension tax 2/(d+2), dotted, falls far below them.",
)

# %% [markdown]
# Now the theory of this notebook is the decoy. The points do not see $d$, and `predict_stable_lr`, which measures curvature and not $d$, predicts
# them. Which number takes the place of $d$?
#
# ## Exercises
#
# **4.1 (paper).** Derive $\mathbb{E}[L^+]/L$ on $L = \tfrac12\ell\|\theta\|^2$ from the descent lemma. Where is the exact law of $z$ used?

# %% [markdown] tags=["solution"]
# **Solution.** $H = \ell I$, so the lemma is an equality: $\mathbb{E}[L^+] = L - \eta\|g\|^2 + \tfrac12\eta^2\ell f\|g\|^2$. With $g = \ell\theta$ we have
# $\|g\|^2 = \ell^2\|\theta\|^2 = 2\ell L$. Put it in and divide by $L$: $1 - 2\eta\ell + \eta^2\ell^2f$. The law of $z$ enters through $f$ alone; the first two
# terms only need $\mathbb{E}[zz^\top] = I$.

# %% [markdown]
# **4.2 (code).** The contraction of a step, with the rate and the smoothness apart. Five minutes.

# %%
from mezo_lab.course.exercises.tax import check_contraction, check_probe_gain, check_stable_lr


def contraction(lr: float, smoothness: float, factor: float) -> float:
    # BEGIN SOLUTION
    return 1 - 2 * lr * smoothness + (lr * smoothness) ** 2 * factor
    # END SOLUTION


check_contraction(contraction)

# %% [markdown]
# **4.3 (code).** The largest stable learning rate with $n$ Gaussian probes on $L = \tfrac12\ell\|\theta\|^2$. Five minutes.


# %%
def stable_lr(smoothness: float, dim: int, probes: int) -> float:
    # BEGIN SOLUTION
    return 2 * probes / (smoothness * (dim + probes + 1))
    # END SOLUTION


check_stable_lr(stable_lr)

# %% [markdown]
# **4.4 (experiment).** How many times larger is the stable rate with $n$ probes than with one? A step with $n$ probes costs $2n$ forward passes: what is
# the gain for each pair of passes? Derive it, put it in, and compare with the optimizer. What happens when $n$ is far above $d$?


# %%
def probe_gain(dim: int, probes: int) -> float:
    # BEGIN SOLUTION
    return probes * (dim + 2) / (dim + probes + 1)
    # END SOLUTION


check_probe_gain(probe_gain)
d, alone = 50, 2 / 52
for n in sized(full=(1, 4, 16), fast=(1, 4)):
    gain = probe_gain(d, n)
    edge = divergence(spectrum("isotropic", d), gain * alone, probes=n, steps=50)
    comparison = f"gain {edge.lr / alone:5.2f} ± {edge.error / alone:.2f}, formula {gain:5.2f}"
    print(f"n = {n:>2}: {comparison}; {2 * n:>2} passes a step, by the formula a gain of {gain / n:.2f} for each pair")

# %% [markdown] tags=["solution"]
# **Solution.** The gain is $n(d+2)/(d+n+1)$: nearly $n$ while $n \ll d$, and never more than $d+2$, which is SGD's rate. For each pair of passes it
# is $(d+2)/(d+n+1)$, below 1 for $n>1$: more independent probes buy longer steps at more than their price, slightly more while $n\ll d$. Orthogonal ones ($f=d/n$) buy them at
# their price exactly.

# %% [markdown]
# ## Summary
#
# - The descent lemma: gain $\eta\|g\|^2$, pay $\tfrac12\eta^2\ell\,\mathbb{E}\|\hat g\|^2$; with equal curvature everywhere it is an equality.
# - There the largest stable rate is $2/(\ell f)$, $O(1/d)$; the best is half of it, and takes about $f$ steps for a factor $e$.
# - MeZO diverges at this rate, not at SGD's, and not at the rate of a tax of $\sqrt f$.
# - Where few directions curve, the stable rate does not see $d$.
#
# **Limits.** Quadratic losses, exact gradients (no minibatch), and $\mathbb{E}[L]$: a single run can outlive the mean when few directions
# count.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 4. Y. Nesterov and
# V. Spokoiny, *Random gradient-free minimization of convex functions*, 2017. J. Duchi et al., *Optimal rates for zero-order convex
# optimization: the power of two function evaluations*, 2015.
#
# **Next:** the effective rank, which takes the place of $d$.
