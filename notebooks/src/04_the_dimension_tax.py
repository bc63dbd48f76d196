# %% [markdown]
# # 4. The descent lemma and the dimension tax
#
# **Claim.** By the end you will have shown that on a loss with the same curvature in all $d$ directions the largest stable
# learning rate of MeZO is that of SGD divided by $\mathbb{E}\|\hat g\|^2/\|g\|^2$, and therefore $O(1/d)$. The evidence is a proof, the mean of a
# single step, and the optimizer itself, run until it is known where it diverges. The controls are SGD's own rate and a tax of
# $\sqrt{\mathbb{E}\|\hat g\|^2}/\|g\|$, both of which the same runs refute, and a loss on which there is no such tax.
#
# **You will be able to** prove the descent lemma; derive the contraction of a step and its largest stable rate; tell the best rate
# from the last stable one; find where an optimizer diverges; say on which assumption the tax rests.
#
# **Before this:** notebook 3 (the norm factor), smoothness $\ell$ as a bound on curvature. **Time:** 75 minutes; the cells run within
# a minute or so. **In the paper** (Malladi et al. 2023): Lemma 1 and eqs. (2) and (3).

# %%
import sympy

from mezo_lab import LAWS, Estimate, MeZO, theory
from mezo_lab.course.notebook import distance, predict, show, show_proof, sized, verify
from mezo_lab.curvature import bowl, divergence, predict_stable_lr, spectrum
from mezo_lab.proofs import prove
from mezo_lab.report import figures

# %% [markdown] tags=["slide-02"]
# ## The descent lemma
#
# **Statement** (the *descent lemma*, claim B1; paper, Lemma 1, eq. (2)). If the loss curves by at most $\ell$ in every direction and $\hat g$ is unbiased, then a step
# $\theta^+ = \theta - \eta\hat g$ satisfies
#
# $$\mathbb{E}[L(\theta^+)] - L(\theta) \le -\eta\,\|g\|^2 + \tfrac12\,\eta^2\ell\;\mathbb{E}\|\hat g\|^2,$$
#
# with equality when the Hessian is $H = \ell I$.

# %% [markdown] tags=["notes-02"]
# **Derivation.**
#
# 1. Taylor's formula with bounded curvature gives $L(\theta - \eta\hat g) \le L(\theta) - \eta\,g^\top\hat g + \tfrac12\eta^2\ell\,\|\hat g\|^2$.
# 2. Take the mean of both sides. Because $\hat g$ is unbiased, $\mathbb{E}[g^\top\hat g] = \|g\|^2$.
# 3. The first term is the decrease that the step gains. The second term is what curvature takes back, and it depends on the *length* of $\hat g$.

# %% [markdown]
# How much does the bound give away? The library derives both sides for a quadratic loss, step by step, and compares them with its own formulas.

# %%
show_proof(prove("descent-lemma", "gaussian"))

# %% [markdown]
# The same comparison can be made by drawing. A *spectrum* is the list of the Hessian's eigenvalues. On a flat spectrum all of them are equal, and the
# lemma is an equality; on a falling spectrum the lemma is only a bound, and the mean stays far below it. The *decoys*, formulas that are wrong on purpose and that the draws must
# refute, have $\tfrac14$ or $1$ where the lemma has $\tfrac12$.

# %%
show([verify("descent-lemma", spectrum=kind) for kind in ("flat", "falling")])

# %% [markdown] tags=["slide-03"]
# ## Predict first
#
# Write your answers between the quotation marks of the next cell before you go on.
#
# 1. `rate`: the estimate $\hat g$ is about $\sqrt d$ times as long as $g$. Is MeZO's largest stable rate $\sqrt d$ times smaller than SGD's, or $d$ times?
# 2. `blowup`: with $d = 100$ and SGD's rate $2/\ell$, how large is MeZO's loss after three steps?
# 3. `steps`: at half of its largest stable rate, how many steps does MeZO need to lower the loss by a factor of $e$?
# 4. `flat`: only 30 of the $d$ directions curve and the others are flat. Does MeZO still pay for $d$?

# %%
predictions = predict(rate="", blowup="", steps="", flat="")

# %% [markdown] tags=["slide-04"]
# ## What the lemma says of the learning rate
#
# The right side of the lemma is negative as long as (paper, eq. (3))
#
# $$\eta < \frac{2\,\|g\|^2}{\ell\;\mathbb{E}\|\hat g\|^2}.$$
#
# SGD with the exact gradient has $\hat g = g$, so its limit is $\eta_{\text{SGD}} = 2/\ell$. MeZO has $\mathbb{E}\|\hat g\|^2 = f\,\|g\|^2$ with the norm factor $f$ of notebook 3:
#
# $$\eta_{\text{ZO}} = \frac{2}{\ell f} = \frac{\eta_{\text{SGD}}}{f}, \qquad f = \begin{cases}\frac{d+n+1}{n} & \text{Gaussian}\\ \frac{d+n-1}{n} & \text{sphere, signs.}\end{cases}$$
#
# This division by $f$ is the *dimension tax*. Where the lemma is an equality, the limit is sharp, and we call it the *edge*.

# %% [markdown]
# **Statement** (claim B2). On $L = \tfrac12\ell\|\theta\|^2$ a step has $\;\mathbb{E}[L^+]/L = 1 - 2\eta\ell + \eta^2\ell^2 f.$
#
# **Derivation.** This is exercise 4.1. The next cell solves for what follows from it, with $s = \eta\ell$ and the library's own formula.

# %%
s, f = sympy.symbols("s f", positive=True)
ratio = theory.contraction(s, f)
(best,) = sympy.solve(sympy.diff(ratio, s), s)
(last,) = sympy.solve(sympy.Eq(ratio, 1), s)
print(f"E[L⁺]/L = {ratio}: least at s = {best}, where it is {sympy.expand(ratio.subs(s, best))}; 1 again at s = {last}")

# %% [markdown] tags=["notes-05"]
# ## Experiment: below, at and above the edge
#
# We run the optimizer itself on $\tfrac12\|\theta\|^2$, so $\ell = 1$, with one Gaussian probe a step: at half of the edge, at the edge, at one and a half
# times the edge, and at SGD's rate. Each rate is run three times.

# %%
dim = 100
factor = theory.norm_factor(dim, 1, LAWS["gaussian"].moments(dim))


def run(lr: float, steps: int, seed: int) -> list[float]:
    theta, loss = bowl(spectrum("isotropic", dim), seed)
    optimizer = MeZO([theta], lr, seed=seed)
    losses = [loss().item()]
    for _ in range(steps):
        optimizer.step(loss)
        losses.append(loss().item())
    return losses


def path(name: str, lr: float, steps: int) -> figures.LossPath:
    return figures.LossPath(name, [run(lr, steps, seed) for seed in range(3)], theory.contraction(lr, factor))


# %% tags=["slide-05"]
edge = 2 / factor
rates = {"half of the edge": edge / 2, "the edge, 2/(ℓf)": edge, "1.5 times the edge": 1.5 * edge}
paths = [path(name, lr, steps=3 * dim) for name, lr in rates.items()]
paths.append(path("SGD's edge, 2/ℓ", 2, steps=3))
show(figures.loss_figure(paths), alt=figures.loss_alt_text(paths))

# %% [markdown]
# With the exact gradient, the step $\theta - \tfrac{2}{\ell}g = -\theta$ leaves the loss unchanged. MeZO at the same rate blows up at once. One of its steps multiplies the loss
# by $1 + 4(\|z\|^2 - 1)\,(z^\top g)^2/\|g\|^2$, which is $4f-3$ on average, so every step with $\|z\| > 1$ climbs. The mean after three steps is $(4f-3)^3$; rare draws with a large
# $(z^\top g)^2$ carry that mean, and a single run usually ends far below it. At its own edge MeZO gains and loses little. At half of the edge it needs about $f$ steps for a factor of $e$.

# %% tags=["slide-05"]
after = " and ".join(f"{each[-1] / each[0]:.2g}" for each in paths[-1].runs[:2])
predictions.compare("blowup", f"{theory.contraction(2, factor) ** 3:.2g} times the first on average; two runs: {after}")
needed = next(step for step in range(10**6) if theory.contraction(edge / 2, factor) ** step < 1 / sympy.E)
predictions.compare("steps", f"{needed} steps at d = {dim}, about as many as f = {factor:g}")

# %% [markdown]
# ## Experiment: where MeZO diverges
#
# `predict_stable_lr` knows the loss only from outside. It measures $\operatorname{tr}H$, $\operatorname{tr}H^2$ and the largest curvature with forward passes and a few
# *Hessian-vector products* (a product $Hv$ with a vector $v$, which automatic differentiation gives without forming $H$), and it returns the largest stable rate. `divergence`
# uses no theory apart from this prediction, with which its search starts. It runs MeZO at several rates and finds the one at which the gradient of a long run
# neither grows nor shrinks, together with the standard error of that rate.

# %%
dims = sized(full=(50, 150, 500, 1500, 5000), fast=(50, 500))
steps = sized(full=200, fast=50)


def measured_edges(kind: str, dims: tuple, rank: int | None = None) -> tuple[dict, dict]:
    """The rate that `predict_stable_lr` returns, and the one at which MeZO diverges, for each d."""
    predicted, found = {}, {}
    for d in dims:
        eigenvalues = spectrum(kind, d, rank)
        theta, loss = bowl(eigenvalues)
        predicted[d] = predict_stable_lr([theta], loss).lr
        found[d] = divergence(eigenvalues, predicted[d], steps=steps, seed=d)
    return predicted, found


def scaling(found: dict, theories: dict, decoys: dict) -> None:
    at = list(found)
    measured = figures.ScalingSeries(
        "where MeZO diverges", at, [e.lr for e in found.values()], [e.error for e in found.values()]
    )
    lines = [
        [figures.ScalingLine(name, at, [rate(d) for d in at]) for name, rate in each.items()]
        for each in (theories, decoys)
    ]
    parts = ([measured], *lines)
    label = "learning rate η, at ℓ = 1"
    show(figures.scaling_figure(*parts, ylabel=label), alt=figures.scaling_alt_text(*parts, ylabel=label))


# %% tags=["slide-06"]
tax = {"2/(ℓf), with f = d + 2": lambda d: 2 / (d + 2)}
wrong = {"SGD's 2/ℓ": lambda d: 2, "a tax of √f": lambda d: 2 / (d + 2) ** 0.5}
predicted, found = measured_edges("isotropic", dims)
scaling(found, tax, wrong)

# %% [markdown] tags=["slide-06"]
# On logarithmic axes a rate of $O(1/d)$ is a line of slope $-1$. The points lie on that line and not on the dotted decoys.

# %% [markdown]
# ## Check
#
# How far do the points lie from each line? The distances are counted in standard errors.

# %%
lines = tax | wrong
points = {d: Estimate(each.lr, each.error, each.steps) for d, each in found.items()}
show([{"d": d} | {name: distance(point, rate(d)) for name, rate in lines.items()} for d, point in points.items()])
ratios = ", ".join(f"{2 / each.lr:,.0f} at d = {d:,}" for d, each in found.items())
predictions.compare("rate", f"SGD's edge is so many times that of MeZO: {ratios}")

# %% [markdown]
# A run is a single path, whereas the theory speaks of a mean. The next figure therefore shows the mean of a single step at $\eta = 2/(\ell f)$, for each law of $z$ with its own $f$.
# The mean should be 1; the decoy is SGD's $(1-\eta\ell)^2$. If $\|z\|^2$ is exactly $d$, every step at this rate leaves the loss unchanged; what scatter you see is rounding.

# %%
show([verify("dimension-tax", law, probes=1, t=2.0) for law in LAWS])

# %% [markdown]
# **The best rate is not the last one** (claim B6). In the units $t = \eta\ell f$ the ratio is $1 - (2t - t^2)/f$. It is smallest at $t = 1$ and returns to 1 at $t = 2$. The decoy
# lets stability end at $t = 1$.

# %%
d = sized(full=20, fast=6)
show([verify("best-step", dim=d, rank=d, probes=1, t=t) for t in (0.5, 1.0, 1.5, 2.0)])

# %% [markdown]
# ## What it means
#
# The descent lemma charges for the squared length of the step, and $\hat g$ is long: nearly all of it is noise that is orthogonal to $g$. A rate that
# SGD survives is $f$ times too large for MeZO, and the remedy is a step that is $f$ times shorter. Each step is then worth $1/f$ of SGD's best: on a loss
# that the exact gradient would bring to its minimum in one step, MeZO takes about $f$ steps for a factor of $e$. Taken at its word, this result
# rules out the fine-tuning of a model with billions of parameters, because it would take billions of steps. Yet such models are fine-tuned with MeZO, so one of the assumptions does not hold for them.
#
# ## Where it breaks
#
# The assumption is $H = \ell I$: equal curvature in every direction. Now let 30 directions curve with $\ell = 1$ and let all others be flat. Then $H = \ell P_r$, where $P_r$ is the projector on
# the $r = 30$ directions. The lemma still holds, and $\mathbb{E}\|\hat g\|^2$ is still $(d+2)\|g\|^2$, but most of $\hat g$ now lies where nothing curves.

# %%
predicted, flat = measured_edges("flat", sized(full=(100, 1000, 10_000), fast=(100, 1000)), rank=30)
scaling(flat, {"the prediction from measured curvature": predicted.__getitem__}, tax)
first, *_, largest = flat
predictions.compare(
    "flat", f"no: MeZO diverges at {flat[first]} with d = {first:,}, at {flat[largest]} with {largest:,}"
)

# %% [markdown]
# Here the theory of this notebook is the decoy. The points do not depend on $d$, and `predict_stable_lr`, which measures curvature and not $d$, predicts
# them. Which number takes the place of $d$? That is the question of the next notebook.
#
# ## Exercises
#
# ### Exercise 4.1: the contraction of a step
#
# *10 minutes · ★☆☆ · on paper*
#
# Derive $\mathbb{E}[L^+]/L$ on $L = \tfrac12\ell\|\theta\|^2$ from the descent lemma. Where is the exact law of $z$ used?
#
# <details><summary>Hint 1</summary>With $H = \ell I$ the lemma is an equality.</details>
# <details><summary>Hint 2</summary>Here $g = \ell\theta$. Write $\|g\|^2$ as a multiple of $L$.</details>
# <details><summary>Expected output</summary>The formula of claim B2, and the one term of it that depends on the law of $z$.</details>

# %% [markdown] tags=["solution"]
# **Solution.** Because $H = \ell I$, the lemma is an equality: $\mathbb{E}[L^+] = L - \eta\|g\|^2 + \tfrac12\eta^2\ell f\|g\|^2$. With $g = \ell\theta$ we have
# $\|g\|^2 = \ell^2\|\theta\|^2 = 2\ell L$. Substitute this and divide by $L$; the result is $1 - 2\eta\ell + \eta^2\ell^2f$. The law of $z$ enters through $f$ alone. The first two
# terms only need $\mathbb{E}[zz^\top] = I$.

# %% [markdown]
# ### Exercise 4.2: a step with weight decay
#
# *15 minutes · ★★☆ · code*
#
# Decoupled weight decay $w$ shrinks the parameters in the same step: $\theta^+ = (1-\eta w)\,\theta - \eta\hat g$. The estimate $\hat g$ is still that of the old $\theta$. Derive
# $\mathbb{E}[L^+]/L$ on $L = \tfrac12\ell\|\theta\|^2$ for an unbiased $\hat g$ with $\mathbb{E}\|\hat g\|^2 = f\|g\|^2$, and return it. The argument `factor` is $f$.
#
# <details><summary>Hint 1</summary>Expand $\|\theta^+\|^2$ into three terms before you take the mean.</details>
# <details><summary>Hint 2</summary>The middle term holds $\theta^\top\hat g$, whose mean is $\theta^\top g = \ell\|\theta\|^2$. Which factor stands in front of it?</details>
# <details><summary>Expected output</summary><code>✓ right in 3 cases</code>. At $w = 0$ your formula must be that of claim B2.</details>


# %%
def contraction(lr: float, smoothness: float, factor: float, weight_decay: float) -> float:
    # BEGIN SOLUTION
    kept = 1 - lr * weight_decay
    return kept**2 - 2 * kept * lr * smoothness + (lr * smoothness) ** 2 * factor
    # END SOLUTION


# %%
from mezo_lab.course.exercises.tax import check_contraction, check_probe_gain, check_stable_lr

check_contraction(contraction)

# %% [markdown]
# ### Exercise 4.3: a probe of random length
#
# *15 minutes · ★★☆ · code*
#
# Let $z = s\,x$, where $x$ lies on the sphere of radius $\sqrt d$ and $s$ is a random scale, independent of $x$, with $\mathbb{E}[s^2] = 1$ and $\mathbb{E}[s^4] = q$. Return the largest stable
# rate with $n$ such probes on $L = \tfrac12\ell\|\theta\|^2$. The argument `fourth` is $q$. Then decide: can a random length ever pay?
#
# <details><summary>Hint 1</summary>Begin with one probe: $\|\hat g\|^2 = (z^\top g)^2\,\|z\|^2$. How often does $s$ occur in it as a factor?</details>
# <details><summary>Hint 2</summary>With $n$ probes there are $n$ terms of one probe and $n(n-1)$ terms of two different probes. In the latter the two scales are independent.</details>
# <details><summary>Expected output</summary><code>✓ right in 3 cases</code>. At $q = 1$ your formula must be that of the sphere.</details>


# %%
def stable_lr(smoothness: float, dim: int, probes: int, fourth: float) -> float:
    # BEGIN SOLUTION
    return 2 * probes / (smoothness * (fourth * dim + probes - 1))
    # END SOLUTION


# %%
check_stable_lr(stable_lr)

# %% [markdown] tags=["solution"]
# **Solution.** One probe has $\mathbb{E}\|\hat g\|^2 = q\,d\,\|g\|^2$, because $s$ occurs four times; two different probes have $\mathbb{E}[\hat g_1^\top\hat g_2] = \|g\|^2$. Together
# $f = (qd + n - 1)/n$. Since $q \ge (\mathbb{E}[s^2])^2 = 1$, a random length never pays on this loss. The Gaussian is such a law, with $q = (d+2)/d$.

# %% [markdown]
# ### Exercise 4.4: what more probes buy
#
# *20 minutes · ★★☆ · experiment*
#
# How many times larger is the stable rate with $n$ Gaussian probes than with one? A step with $n$ probes costs $2n$ forward passes: what is
# the gain for each pair of passes? Derive the gain, return it, and compare it with the optimizer. What happens when $n$ is far above $d$?
#
# <details><summary>Hint 1</summary>The gain is a ratio of two norm factors.</details>
# <details><summary>Hint 2</summary>Let $n$ grow without bound. The estimate becomes the exact gradient, and SGD's rate is the limit.</details>
# <details><summary>Expected output</summary><code>✓ right in 3 cases</code>, then a row for each $n$ in which the measured gain and your formula agree within a few standard errors.</details>


# %%
def probe_gain(dim: int, probes: int) -> float:
    # BEGIN SOLUTION
    return probes * (dim + 2) / (dim + probes + 1)
    # END SOLUTION


# %%
check_probe_gain(probe_gain)
d = 50
alone, rows = 2 / (d + 2), []
for n in sized(full=(1, 4, 16), fast=(1, 4)):
    gain = probe_gain(d, n)
    found = divergence(spectrum("isotropic", d), gain * alone, probes=n, steps=50)
    rows.append(
        {
            "n": n,
            "measured gain": Estimate(found.lr, found.error, found.steps).map(lambda lr: lr / alone),
            "formula": gain,
        }
    )
show(rows)

# %% [markdown] tags=["solution"]
# **Solution.** The gain is $n(d+2)/(d+n+1)$. It is nearly $n$ while $n \ll d$, and it never exceeds $d+2$, at which the rate is SGD's. For each pair of passes the gain
# is $(d+2)/(d+n+1)$, which is below 1 for $n>1$: independent probes buy longer steps at more than their price, though at only slightly more while $n\ll d$. Orthogonal probes ($f=d/n$) buy them at
# exactly their price.

# %% [markdown] tags=["slide-07"]
# ## Summary
#
# - The descent lemma: a step gains $\eta\|g\|^2$ and pays $\tfrac12\eta^2\ell\,\mathbb{E}\|\hat g\|^2$. With equal curvature everywhere the lemma is an equality.
# - On such a loss the largest stable rate is $2/(\ell f)$, which is $O(1/d)$. The best rate is half of it and takes about $f$ steps for a factor of $e$.
# - MeZO diverges at this rate, not at SGD's, and not at the rate of a tax of $\sqrt f$.
# - Where few directions curve, the stable rate does not depend on $d$.

# %% [markdown]
# **Limits.** The losses are quadratic, the gradients exact (no minibatch), and the statements are about $\mathbb{E}[L]$: a single run can outlive the mean when few directions
# count.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 4. Y. Nesterov and
# V. Spokoiny, *Random gradient-free minimization of convex functions*, 2017. J. Duchi et al., *Optimal rates for zero-order convex
# optimization: the power of two function evaluations*, 2015.
#
# **Next:** the effective rank, which takes the place of $d$.
