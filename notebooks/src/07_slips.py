# %% [markdown]
# # 7. Slips in the literature
#
# **Claim.** By the end you will have shown that six formulas do not hold as they stand, and what holds instead. Four of them are printed
# in the paper's appendix, and two merely suggest themselves. The evidence: a short derivation and a measured mean for each. The
# controls: the formula as printed, or as one is tempted to write it, is refuted by the same draws.
#
# **You will be able to** check a printed formula by its special cases, its mean and its second moment; tell a misprint
# from a mistake; say what a scale $D$ on the probe changes, and what Adam sees of a zeroth-order estimate.
#
# **Before this:** notebooks 1 to 3. **Time:** 80 minutes.
# **In the paper** (Malladi et al. 2023): Appendix B, Proposition 1 and Definitions 6, 7 and 8.
#
# Everybody who writes formulas makes slips. The quotations are in our own words and come from a converted text of version 3. Look at
# your copy before you repeat that a symbol is missing.

# %%
import sympy
import torch

from mezo_lab import LAWS, Estimate, check, claim_named, projected_gradient, sample, theory, two_point
from mezo_lab.claims.problems import curved, unit_gradient
from mezo_lab.course.notebook import distance, predict, show, show_proof, sized, verify
from mezo_lab.proofs import prove
from mezo_lab.report.figures import comparison_alt_text, comparison_figure
from mezo_lab.sampling import Linear, Quadratic, one_sided, residual_feedback, variance_modified
from mezo_lab.theory import Expression

# %% [markdown]
# ## Predict first
#
# Write your answers into the cell below before you go on.
#
# 1. You average $|z^\top g|$ over many probes to learn $\|g\|$. Is the result too small, too large or right?
# 2. You probe along $z_i/|g_i|$ and move along $|g_i|z_i$. Is that estimate shorter than the plain one?
# 3. At the minimum of a quadratic, how long is the two-sided estimate? And the one-sided one?
# 4. *Adam* divides each coordinate's step by the root of a running mean of squares, its second moment. Of a million coordinates, one has
#    a gradient 100 times that of another. How different are their second moments?

# %%
predictions = predict(average="", scale="", minimum="", adam="")

# %% [markdown]
# ## A sign in the notes
#
# The notes that this project began with describe random search: move to $\theta-\delta$ if $L(\theta-\delta) \ge L(\theta)$. They mean $\le$. We
# try both on a linear loss. The table has the distance of the mean change from the descent $-\sigma\sqrt{2/\pi}\,\|g\|$ of notebook 1.

# %%
dim, law = sized(full=20, fast=8), LAWS["gaussian"]
g = unit_gradient(dim)  # unequal coordinates, ‖g‖ = 1
theta = torch.zeros_like(g)
delta = 0.01 * law.sample(10_000, 1, dim, torch.Generator().manual_seed(0))[:, 0]  # (count, dim)
change = Linear(g)(theta - delta) - Linear(g)(theta)
rows, descent = [], -0.01 * (2 / torch.pi) ** 0.5
for rule, takes_minus in {"≥, as printed": change >= 0, "≤": change <= 0}.items():
    moved = torch.where(takes_minus, change, -change)  # θ−δ where the rule says so, θ+δ elsewhere
    mean = Estimate(float(moved.mean()), float(moved.std()) / len(moved) ** 0.5, len(moved))
    rows.append({"rule": rule, "mean change": mean, f"distance from {descent:.4f}": distance(mean, descent)})
show(rows)

# %% [markdown]
# As printed, the search climbs as far as it should descend. This is a misprint, and the test is the simplest there is: use the formula once.
#
# ## Proposition 1: the length of a gradient
#
# > *Proposition 1, in our words.* To estimate the norm of a layer's gradient, perturb that layer alone and average the absolute value
# > of the projected gradient. The reason given is $\mathbb{E}[(z^\top g)^2]=\|g\|^2$.
#
# **What holds** (claim A9). The reason is right, and the recipe does not follow from it. The squares average to $\|g\|^2$, but the absolute
# values average to $\mathbb{E}|z^\top g|=\sqrt{2/\pi}\,\|g\|$.
#
# **Derivation.** $z^\top g\sim N(0, \|g\|^2)$, so it equals $\|g\|\,x$ with $x\sim N(0,1)$. Two integrals are left, of $x^2$ and of $|x|$:

# %%
x = sympy.symbols("x", real=True)
density = sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)
[sympy.integrate(power * density, (x, -sympy.oo, sympy.oo)) for power in (x**2, sympy.Abs(x))]


# %%
def average(observe, dim=dim, probes=1):
    def draw(count, generator):
        return observe(law.sample(count, probes, dim, generator))  # z is (count, n, d)

    return sample(draw, 20_000, numbers_per_draw=probes * dim, seed=0).estimate()


def pg(z):
    return projected_gradient(Linear(g), theta, z[:, 0], epsilon=1.0)


sizes = average(lambda z: pg(z).abs())
root = average(lambda z: pg(z).square()).map(lambda mean: mean**0.5)
show([{"mean of pg": average(pg), "mean of |pg|": sizes, "root of the mean of pg²": root, "‖g‖": 1}])
predictions.compare("average", f"too small: {sizes} in place of 1")
square, magnitude = (verify("norm-probe", average=name) for name in ("square", "magnitude"))
show([square, magnitude])

# %% [markdown]
# The first number is near 0, although a comment in the released code takes it for $\|g\|$. The mean of $|pg|$ is a fifth too low. This does no
# harm when layers are *compared*, because all of them are too low by the same factor.
#
# ## Definition 6: a scale that should reduce the variance
#
# > *Definition 6, in our words.* Probe along $D^{-1}z$ and move along $Dz$, where $D$ is diagonal. *Table 8, in our words:* with the
# > gradient norms of the layers as $D$, training was no better than with the plain estimator. The conclusion drawn is that less variance
# > does not improve the optimization.
#
# **What holds** (claim A11). The estimator is unbiased, and $\mathbb{E}\|\hat g\|^2=\operatorname{tr}(D^2)\,\|D^{-1}g\|^2+2\|g\|^2$. At $D_i=|g_i|$, where each
# coordinate is a layer, this is $(d+2)\|g\|^2$, as without $D$. The least value, $\|g\|_1^2+2\|g\|^2$, is reached at $D_i=\sqrt{|g_i|}$.
#
# **Derivation.** $\hat g=Dzz^\top D^{-1}g$. Count the pairings, with $h=D^{-1}g$ and $S=D^2$, as the library's proof does:

# %%
show_proof(prove("variance-modified", "gaussian"))
by_size, by_root = (verify("variance-modified", scale=scale, moment="norm") for scale in ("|g|", "sqrt|g|"))
show([by_size, by_root])
predictions.compare("scale", f"no: E‖ĝ‖²/‖g‖² is {by_size.estimate}, and d + 2 without a scale")

# %% [markdown]
# The paper gives no number. The draws refute every value below $(d+2)\|g\|^2$; as a decoy we test the smallest possible one, which is reached at
# $D = \sqrt{|g|}$. In the second row the decoy is the norm without a scale: $D = \sqrt{|g|}$ really is shorter. At $D=|g|$ the factors $d$ and
# $\|g\|^2$ merely change places between $\operatorname{tr}(D^2)$ and $\|D^{-1}g\|^2$.
#
# ## Definition 7: the same probe, another mean
#
# > *Definition 7, in our words.* Probe along $D^{-1}z$ and move along $z$. It is called variance-modified, as Definition 6 is. Beside
# > both definitions stand approximations in which $D$ and $D^{-1}$ have the other order: $D^{-1}zz^\top g$ where the estimator is $zz^\top D^{-1}g$.
#
# **What holds** (claim A12). $\mathbb{E}[zz^\top D^{-1}g]=D^{-1}g$: it is the *expectation* that is modified, to a normalised gradient. Both orders have
# this mean, but their second moments differ: $(d+2)\|D^{-1}g\|^2$ as defined, and $\operatorname{tr}(D^{-2})\|g\|^2+2\|D^{-1}g\|^2$ as approximated.
#
# **Derivation.** The pairings of $(z^\top a)^2z^\top Sz$ give $\operatorname{tr}(S)\|a\|^2+2a^\top Sa$. Take $S=I$ and $a=D^{-1}g$, or $S=D^{-2}$ and $a=g$.

# %%
expectation = verify("expectation-modified")  # along a fixed v, with D = √g
show(expectation)
scale = g.sqrt()  # D
h = g / scale  # D⁻¹g
orders = {
    "zzᵀD⁻¹g": (lambda z: z[:, 0] * (z[:, 0] @ h)[:, None], float((dim + 2) * h @ h)),
    "D⁻¹zzᵀg": (
        lambda z: z[:, 0] / scale * (z[:, 0] @ g)[:, None],
        float((1 / g).sum() + 2 * h @ h),
    ),  # Σ 1/gᵢ = tr D⁻²
}
rows = []
for name, (estimate, _) in orders.items():
    length = average(lambda z, of=estimate: of(z).square().sum(-1))
    distances = {f"distance from the formula of {of}": distance(length, value) for of, (_, value) in orders.items()}
    rows.append({"estimator": name, "E‖ĝ‖²": length} | distances)
show(rows)

# %% [markdown]
# The decoy is what the name suggests, that the mean is $g$. The second moment tells the two orders apart.
#
# ## Definition 8: a missing factor
#
# > *Definition 8, in our words, after Zhang et al.* *Residual feedback* uses one forward pass a step: $[L(\theta_t+\varepsilon z_t)-L(\theta_{t-1}+\varepsilon z_{t-1})]/\varepsilon$.
#
# That is a number and not a gradient.
#
# **What holds** (claim A14). With a factor $z_t$ it is unbiased on a linear loss. If $\Delta=L(\theta_t)-L(\theta_{t-1})$ is *independent of* $z_{t-1}$, then
#
# $$\mathbb{E}\|\hat g\|^2 = (2d+2)\|g\|^2 + d\,\Delta^2/\varepsilon^2.$$
#
# **Derivation.**
#
# 1. $\hat g=(z_t^\top g-z_{t-1}^\top g+\Delta/\varepsilon)\,z_t$. Square the bracket. The mixed products are odd in $z_t$ or in $z_{t-1}$, so their means are 0. (In
#    a run, $\Delta=-\eta\,pg_{t-1}\,g^\top z_{t-1}$ depends on $z_{t-1}$; see below.)
# 2. $\mathbb{E}[(z_t^\top g)^2\|z_t\|^2]=(d+2)\|g\|^2$, as in notebook 3.
# 3. $z_{t-1}$ is independent of $\|z_t\|^2$, whose mean is $d$. The other two squares therefore give $d\,\|g\|^2$ and $d\,\Delta^2/\varepsilon^2$.
#
# A program runs the printed formula without complaint, because broadcasting adds the number to every coordinate:

# %%
epsilon, before, loss = 0.1, theta - 0.1 * g, Linear(g)  # so that Δ = ε


def as_printed(z, z_before):
    number = (loss(theta + epsilon * z) - loss(before + epsilon * z_before)) / epsilon  # (count, 1)
    return number + torch.zeros_like(theta)  # what broadcasting does, (count, d)


def with_factor(z, z_before):
    return residual_feedback(loss, theta, z, before, z_before, epsilon)


rows = []
for name, estimator in {"as printed": as_printed, "with its factor": with_factor}.items():
    along = average(lambda z, of=estimator: of(*z.split(1, dim=1)).reshape(-1, dim) @ g, probes=2)
    rows.append({"residual feedback": name, "mean along g": along, "distance from ‖g‖² = 1": distance(along, 1.0)})
show(rows)
residual, in_a_run = (verify("residual-feedback", moment=moment) for moment in ("norm", "run"))
show([residual, in_a_run])

# %% [markdown]
# As printed, the mean is $\Delta/\varepsilon$ in every coordinate, whatever the slope is. The decoys of the norm are that of the two-point
# estimator, and the right formula without $\Delta$. One pass instead of two makes the squared length about twice as large, even where $\Delta=0$. In a run $\mathbb{E}\|\hat g\|^2$ is
# $2d\,\eta^2\|g\|^4/\varepsilon^2$ less than the formula with $\mathbb{E}[\Delta^2]$.
#
# ## Not in print, but tempting: one side instead of two
#
# $[L(\theta+\varepsilon z)-L(\theta)]/\varepsilon$ shares $L(\theta)$ among all probes and needs $n+1$ passes instead of $2n$. It is tempting to keep $(d+2)\|g\|^2$.
#
# **What holds** (claim A8; quadratic loss, $n=1$). $\mathbb{E}\|\hat g\|^2=(d+2)\|g\|^2+\frac{\varepsilon^2}{4}(d+4)\left(\operatorname{tr}(H)^2+2\operatorname{tr}(H^2)\right).$
#
# **Derivation.** Six legs of $z$ have fifteen pairings, which `prove("one-sided", "gaussian")` counts. The added term contains no $g$. At
# a minimum, where the two-sided estimate is 0, the one-sided estimate keeps shaking:

# %%
side = verify("one-sided")
show(side)
bowl, width = Quadratic(curved(dim)), 4 / dim
trace, trace_sq = float(bowl.matrix.trace()), float(bowl.matrix.square().sum())
two, one = (average(lambda z, of=of: of(bowl, theta, z, width).square().sum(-1)) for of in (two_point, one_sided))
formula = theory.one_sided_norm(dim, 0, trace, trace_sq, width)
predictions.compare(
    "minimum", f"E‖ĝ‖² with two sides {two.mean:g}, with one side {one}; the formula gives {formula:.4g}"
)

# %% [markdown]
# ## Not in print, but tempting: what Adam sees
#
# Adam divides by the root of a running mean of $\hat g_i^2$. It is tempting to take that for $g_i^2$ times the norm factor.
#
# **What holds** (claim A13). $\mathbb{E}[\hat g_i^2]=\|g\|^2+2g_i^2$ for one probe: one noise for all coordinates, and a small share of their own.
#
# **Derivation.** $\hat g_i=z_i\,z^\top g$. The pairings of $z_iz_i\,z_jz_k$ give $\|g\|^2$ once and $g_i^2$ twice.

# %%
adam = verify("adam-blind")
show(adam)
largest, other = (theory.second_moment(part, 1.0, part, probes=1, moments=law.moments(10**6)) for part in (0.5, 0.5e-4))
predictions.compare(
    "adam", f"by a factor of {float(largest / other):.2f} if the larger has half of ‖g‖², and never of more than 3"
)

# %% [markdown]
# No coordinate has more than three times the second moment of another, whatever $g$ is. MeZO-Adam is therefore nearly normalised MeZO with
# momentum, under three conditions: one probe, a large $d$, and a long average ($\beta_2$ near 1, because a single draw of $\hat g_i^2$ varies by
# nearly three times its mean).
#
# > *Table 18, in our words.* With 512 examples a class, MeZO and MeZO-Adam lie within two and a half points on all six tasks of
# > RoBERTa-large. With 16 they lie about five points apart on some tasks, either way.
#
# Our formula fits the first half of this and does not explain the second.
#
# ## Check
#
# Each row shows the measured mean of one formula, and the printed or tempting value that the draws refute:

# %%
rows = {
    "Prop. 1: E|pg| = ‖g‖": magnitude,
    "Def. 6: |g| gains as √|g|": by_size,
    "Def. 7: the mean is g": expectation,
    "Def. 8: two-point norm": residual,
    "one side: two-sided norm": side,
    "Adam: (d+2)·g₁²": adam,
}
show(comparison_figure(rows), alt=comparison_alt_text(rows))

# %% [markdown]
# ## What it means
#
# The tests were always the same. Is it a vector where one is due? What do the special cases $D=|g|$, $g=0$ and $\Delta=0$ say? Is the mean
# right, and is the second moment? A formula can pass one test and fail the next: both orders of $D$ have the same mean.
#
# The paper's Algorithm 1, its theorems and its measured accuracies are *not* touched. Table 8 stands as measured. But on layers of equal
# size its scale reduces nothing, so the table says little about less variance. Other slips are pure misprints: an $L$ for $\nabla L$ in
# the proof of Lemma 2, a reference to (9) where (7) is used in that of Theorem 1, and an $L(\theta_{t+1})$ for $L(\theta_t)$ in Theorem 2.
# Finally, $\gamma=\Theta(r/n)$ needs $n=O(r)$, since $\gamma=1+(r+1)/n\ge1$.
#
# ## Where it breaks
#
# That Adam is blind has two conditions: one probe, and a large $d$. Here we violate them. With $g_1^2/g_d^2=d$, what is left of this
# ratio in $\mathbb{E}[\hat g_i^2]$?


# %%
def second_moment(slope, probes, i):
    def observe(z):
        return two_point(Linear(slope), torch.zeros_like(slope), z, epsilon=1.0)[:, i].square()

    expected = theory.second_moment(slope[i] ** 2, 1.0, slope[i] ** 2, probes=probes, moments=law.moments(len(slope)))
    return average(observe, dim=len(slope), probes=probes), float(expected)


rows = []
for d, n in [(2, 1), (20, 1), (200, 1), (20, 10), (20, sized(full=100, fast=30))]:
    (first, of_first), (last, of_last) = (second_moment(unit_gradient(d), n, i) for i in (0, -1))
    rows.append({"d = g₁²/g_d²": d, "n": n, "what is left": first.mean / last.mean, "formula": of_first / of_last})
show(rows)

# %% [markdown]
# With one probe little is left of it, except at the smallest $d$. With many probes, $\frac{n+1}{n}g_i^2$ stands out of the noise $\frac1n\|g\|^2$.
# Adam sees again, at the price of $2n$ passes a step.
#
# ## Exercises
#
# ### Exercise 7.1: the best scale
#
# *15 minutes · ★★☆ · on paper*
#
# Show that $\operatorname{tr}(D^2)\,\|D^{-1}g\|^2 \ge \|g\|_1^2$, and find every $D$ with equality.
#
# <details><summary>Hint 1</summary>Write |gᵢ| as the product of Dᵢ and |gᵢ|/Dᵢ.</details>
# <details><summary>Hint 2</summary>Use the inequality of Cauchy and Schwarz, and recall when it is an equality.</details>
# <details><summary>Expected output</summary>One scale, up to a factor.</details>

# %% [markdown] tags=["solution"]
# **Solution.** $\|g\|_1=\sum_i D_i\cdot\frac{|g_i|}{D_i}\le\left(\sum_i D_i^2\right)^{1/2}\left(\sum_i g_i^2/D_i^2\right)^{1/2}$; square it. Equality needs $D_i$ proportional to
# $|g_i|/D_i$, so $D_i=c\,\sqrt{|g_i|}$ for any $c > 0$.

# %% [markdown]
# ### Exercise 7.2: where one side stops learning
#
# *15 minutes · ★★★*
#
# A bowl $L=\frac{\ell}{2}\sum_{i\le r}\theta_i^2$ curves in $r$ of its $d$ directions. As it is descended, $g$ shrinks, while the noise of the
# one-sided estimate stays. At which loss $L$ are the two terms of $\mathbb{E}\|\hat g\|^2$ equal? Return it from $d$, $r$, $\ell$ and $\varepsilon$.
#
# <details><summary>Hint 1</summary>What are tr(H), tr(H²) and ‖g‖² on this bowl? The last is a multiple of L.</details>
# <details><summary>Hint 2</summary>tr(H)² + 2·tr(H²) = ℓ²·r(r + 2).</details>
# <details><summary>Expected output</summary>✓ right in 3 cases</details>


# %%
def noise_floor(dim: int, rank: int, curvature: float, epsilon: float) -> float:
    # BEGIN SOLUTION
    noise = epsilon**2 / 4 * (dim + 4) * curvature**2 * rank * (rank + 2)
    return noise / ((dim + 2) * 2 * curvature)  # ‖g‖² = 2ℓL
    # END SOLUTION


# %%
from mezo_lab.course.exercises.slips import check_best_scale, check_modified_variance
from mezo_lab.course.exercises.slips import check_noise_floor, check_residual_formula

check_noise_floor(noise_floor)

# %% [markdown]
# ### Exercise 7.3: a variance, and one scale for each layer
#
# *20 minutes · ★★★*
#
# First give the variance $\mathbb{E}\|\hat g-g\|^2$ under Definition 6, for tensors `g` and `scale` ($D$). Then give the best $D$ with one number
# for each layer, from the gradient norms and the sizes of the layers. A common factor is free.
#
# <details><summary>Hint 1</summary>For an unbiased estimate, E‖ĝ − g‖² = E‖ĝ‖² − ‖g‖².</details>
# <details><summary>Hint 2</summary>A layer of p coordinates adds p·D² to tr(D²), and its ‖g‖²/D² to ‖D⁻¹g‖².</details>
# <details><summary>Expected output</summary>✓ twice, then three variances beside their formulas; yours is the least.</details>


# %%
def modified_variance(g, scale):
    # BEGIN SOLUTION
    return scale.square().sum() * (g / scale).square().sum() + g.square().sum()
    # END SOLUTION


# %%
check_modified_variance(modified_variance)


# %%
def best_scale(norms, sizes):
    # BEGIN SOLUTION
    return norms.sqrt() / sizes**0.25
    # END SOLUTION


# %%
check_best_scale(best_scale)
norms, sizes = torch.tensor([1.0, 0.3, 0.1]).double(), torch.tensor([6, 6, 6])
layered = (norms / sizes.sqrt()).repeat_interleave(sizes)  # g, (18,)
rows = []
for name, per_layer in {"no scale": norms**0, "in print": norms, "yours": best_scale(norms, sizes)}.items():
    scale = per_layer.repeat_interleave(sizes)

    def observe(z, scale=scale):
        return (variance_modified(Linear(layered), 0 * layered, z, 1.0, scale) - layered).square().sum(-1)

    rows.append(
        {"scale": name, "variance": average(observe, dim=18), "formula": float(modified_variance(layered, scale))}
    )
show(rows)

# %% [markdown]
# ### Exercise 7.4: a suspicious sentence
#
# *15 minutes · ★★☆ · an experiment*
#
# "Residual feedback uses two probes, so $\|\hat g\|^2$ is twice that of the two-point estimator, plus $d\,\Delta^2/\varepsilon^2$." Test this, and then
# write the right formula as text. At the command line the test is `mezo-lab verify residual-feedback --set moment=norm --expect "FORMULA"`; it
# exits with 0 where the draws agree, and with 1 where they refute the formula. Then take a formula in print that *you* doubt;
# `mezo-lab list` has the names that each claim knows.
#
# <details><summary>Hint 1</summary>The names are d, g2, delta and eps.</details>
# <details><summary>Hint 2</summary>Which of the two probes is independent of the one that multiplies?</details>
# <details><summary>Expected output</summary>✓ the draws agree, and below it one refuted and one consistent verdict.</details>


# %%
def residual_formula() -> str:
    # BEGIN SOLUTION
    return "(2*d+2)*g2 + d*delta**2/eps**2"
    # END SOLUTION


# %%
check_residual_formula(residual_formula)
setting = {"dim": sized(full=20, fast=8), "moment": "norm"}
for formula in ("2*(d+2)*g2 + d*delta**2/eps**2", residual_formula()):
    show(check(claim_named("residual-feedback"), law, setting, resolution=0.02, expect=Expression(formula)))

# %% [markdown]
# ## Summary
#
# - Average $pg^2$, not $|pg|$, to find the length of a gradient.
# - $D=|g|$ changes nothing in the norm, and $D=\sqrt{|g|}$ is best. Moving along $z$ alone changes the mean.
# - Residual feedback needs its factor $z_t$. Its squared length is about twice that of the two-point estimator.
# - One side leaves a noise that does not vanish at a minimum. With one probe, Adam's second moments are nearly equal.
#
# **Limits.** We used Gaussian $z$, mostly one probe, and linear or quadratic losses. Nothing was trained with the corrected scale.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Appendix B. Y. Zhang et al., *A
# new one-point residual-feedback oracle for black-box learning and control*, 2022. D. Kingma and J. Ba, *Adam: a method for stochastic
# optimization*, 2015.
#
# **Next:** from formulas to the machine: the same $z$ for probe, update and replay.
