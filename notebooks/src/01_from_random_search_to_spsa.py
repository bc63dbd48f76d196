# %% [markdown]
# # 1. From random search to SPSA
#
# **Claim.** By the end you will have shown that a step of random search descends, on average, by $\sigma\sqrt{2/\pi}\,\|g\|$
# minus a price for curvature, and that two evaluations of the loss give an estimate of the whole gradient that is right on
# average. The evidence: both means, measured against their formulas. The controls: formulas that look as good, and are
# refuted by the same draws; and a law of $z$ for which the estimate is wrong.
#
# **You will be able to** say why $\|\delta\|$ must be small; derive $\mathbb{E}\,|z^\top g|$; write the two-point estimator and say
# why it is unbiased; tell a mean that is right from one that is close.
#
# **Before this:** gradients, Taylor's formula to second order, the normal law. **Time:** 45 minutes; the cells run in seconds.
# **In the paper** (Malladi et al. 2023): Definition 1.

# %%
import math

# %% [markdown]
# ## Descent without a gradient
#
# The simplest optimizer that only evaluates the loss: draw a small step $\delta = \sigma z$, $z \sim N(0, I)$. If $L(\theta+\delta) < L(\theta)$ go
# there, otherwise go to $\theta-\delta$.
#
# **Statement** (claim A0; the first method of the notes that this project began with). With $g = \nabla L(\theta)$ and $H = \nabla^2 L(\theta)$,
#
# $$\mathbb{E}\,[L(\theta\pm\delta)] - L(\theta) = -\sigma\sqrt{2/\pi}\,\|g\| + \tfrac12\sigma^2\,\operatorname{tr} H + O(\sigma^3).$$
#
# **Derivation.**
#
# 1. Taylor: $L(\theta+\delta) - L(\theta) = \delta^\top g + \tfrac12\delta^\top H\delta + O(\sigma^3)$.
# 2. Where $|\delta^\top g|$ exceeds the other terms, which are $O(\sigma^2)$, the sign of the left side is that of $\delta^\top g$, and the step that is
#    taken has $\delta^\top g = -|\delta^\top g|$. The other draws have $|\delta^\top g| = O(\sigma^2)$. Their probability is $O(\sigma)$, and a wrong choice there
#    costs $O(\sigma^2)$: together $O(\sigma^3)$.
# 3. The second term is the same for $\delta$ and $-\delta$; its mean is $\tfrac12\sigma^2\,\mathbb{E}[z^\top H z] = \tfrac12\sigma^2\operatorname{tr}H$.
# 4. $z^\top g \sim N(0, \|g\|^2)$, so $\mathbb{E}\,|\delta^\top g| = \sigma\|g\|\cdot\mathbb{E}\,|N(0,1)|$.
#
# What is left is one integral, and algebra that could slip is done by sympy:
# %%
import sympy
import torch

from mezo_lab import LAWS, Estimate, sample, two_point
from mezo_lab.course.notebook import show, sized, verify
from mezo_lab.sampling import Linear, Quadratic, sign_search

x = sympy.symbols("x", real=True)
density = sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)
sympy.integrate(sympy.Abs(x) * density, (x, -sympy.oo, sympy.oo))

# %% [markdown]
# ## Predict first
#
# Write your answers down before you go on.
#
# 1. You double $\sigma$. Does the loss fall twice as far in a step?
# 2. Is there a $\sigma$ at which the search *climbs*, though it always takes what looks like the better of two steps?
# 3. The search takes the sign of a difference and forgets its size. What would you do with the size?

# %% [markdown]
# ## Experiment: how far a step descends
#
# A loss with slope 1 and $\operatorname{tr}H = 5$. For several $\sigma$: the mean change of the loss over many steps, with its standard
# error, beside the formula.

# %%
dim = sized(full=20, fast=8)
g = torch.ones(dim, dtype=torch.float64) / math.sqrt(dim)  # ‖g‖ = 1
H = 5 * torch.eye(dim, dtype=torch.float64) / dim  # tr H = 5
theta = torch.zeros(dim, dtype=torch.float64)


def loss(point):
    return Linear(g)(point) + Quadratic(H)(point)


def change(sigma: float) -> Estimate:
    def draw(count, generator):
        z = LAWS["gaussian"].sample(count, 1, dim, generator)[:, 0]  # (count, dim)
        return loss(sign_search(loss, theta, sigma * z)) - loss(theta)

    return sample(draw, 40_000, numbers_per_draw=dim, seed=0).estimate()


for sigma in (0.01, 0.02, 0.05, 0.1, 0.4):
    formula = -sigma * math.sqrt(2 / math.pi) + sigma**2 * 5 / 2
    measured = change(sigma)
    print(f"σ = {sigma:<5} formula {formula:+.5f}   measured {measured}   z = {measured.z_score(formula):+.1f}")

# %% [markdown]
# The $z$ is the distance from the formula in standard errors. Chance alone rarely makes it larger than 3, and practically
# never 5; a formula that is 5 or more away is refuted. Watch it grow with $\sigma$: the formula leaves out $O(\sigma^3)$, which
# is not small where $\sigma$ is large. Doubling $\sigma$ doubles the first term and quadruples the price: less than twice as far (question 1). And the sign of the
# change turns: steps that are too long climb (question 2).
#
# ## Check
#
# The library has this statement as a claim, with its decoys: formulas that forget the $\sqrt{2/\pi}$, or the curvature. The same
# draws must accept the one and refute the others; otherwise the experiment could not see the difference. `mezo-lab list` shows all
# claims, with the names and formulas that you can test yourself: `mezo-lab verify random-search` runs this one.

# %%
verdict = verify("random-search", dim=dim, curvature=5)
print(verdict)
show(verdict)

# %% [markdown]
# The marker lies on the dashed line, which is theory, and the dotted decoys lie many standard errors away.
#
# ## From a sign to a gradient
#
# The search uses one bit of each comparison. The size of the difference says more: for small $\varepsilon$
#
# $$\frac{L(\theta+\varepsilon z) - L(\theta-\varepsilon z)}{2\varepsilon} = z^\top g + O(\varepsilon^2),$$
#
# the slope along $z$, called the *projected gradient*. Both points lie symmetrically, so the curvature cancels. Moving along $z$
# by that much is SPSA as the paper has it (Definition 1). Spall divided by $z_i$ where the paper multiplies; for signs this is the same. *n*-SPSA is the
# mean over $n$ fresh directions:
#
# $$\hat g = \frac1n\sum_{k=1}^n \frac{L(\theta+\varepsilon z_k) - L(\theta-\varepsilon z_k)}{2\varepsilon}\,z_k \;\approx\; \frac1n\sum_k z_k z_k^\top g.$$
#
# **Statement** (claim A1). As $\varepsilon\to 0$, $\mathbb{E}[\hat g] = g$ for every law of $z$ with $\mathbb{E}[zz^\top] = I$.
#
# **Derivation.** $\mathbb{E}[z z^\top g] = \mathbb{E}[z z^\top]\,g = I\,g$. That is all: the normal law is not needed, and not even $\mathbb{E}[z]=0$, for $z$ and $-z$ give
# the same $\hat g$. ($+\sqrt d\,e_i$ with $i$ at random will do.) A one-sided difference needs third moments of 0 too, since it keeps $\tfrac\varepsilon2\,z\,z^\top Hz$.

# %%
generator = torch.Generator().manual_seed(0)
z = LAWS["gaussian"].sample(1, 4, dim, generator)[0]  # four probes, (4, dim)
estimate = two_point(Linear(g), theta, z, epsilon=1e-3)
cosine = float(torch.nn.functional.cosine_similarity(estimate, g, dim=0))
print(f"‖ĝ‖ = {estimate.norm():.2f} where ‖g‖ = {g.norm():.2f}; cosine of their angle {cosine:.2f}")

# %% [markdown]
# An estimate is usually longer than $g$ and points elsewhere: it lies in the span of four directions. Right on average is a statement about the
# mean of very many, and that is what is tested, for each law of the library; the control ties the coordinates of $z$ together,
# so that $\mathbb{E}[zz^\top] \ne I$.

# %%
verdicts = [verify("unbiased", law) for law in LAWS]
for verdict in verdicts:
    control = verdict.decoys[0]
    print(f"{verdict}\n   control, {control.statement}: z = {control.z_score:+.0f}, {control.status.name}")
show(verdicts)

# %% [markdown]
# The figure shows the laws; the control, in print, is refuted beside each.
#
# ## What it means
#
# A mean that is right costs two evaluations, whatever the number of parameters. What grows with the number of parameters is
# the length and the noise of the single estimate. How long is the question of notebook 3, on which the original notes and the paper disagree.
#
# ## Where it breaks
#
# Unbiasedness needs $\varepsilon\to0$, or a loss on which the difference is exact; otherwise the estimate is that of a smoothed loss (notebook 6). And all
# of this needs a gradient. On the kink $L(\theta) = |\theta_1|$ at 0 there is none: both sides are worse, and the sign search climbs at every size.


# %%
def kink(point):
    return point[..., 0].abs()


origin = torch.zeros(1, dtype=torch.float64)
for size in (0.1, 0.01):
    step = torch.tensor([size], dtype=torch.float64)
    print(f"δ = {size}: L goes from {kink(origin):g} to {kink(sign_search(kink, origin, step)):g}")

# %% [markdown]
# ## Exercises
#
# **1.1 (paper).** Show that $\mathbb{E}\,\delta^\top H\delta = \sigma^2\operatorname{tr}H$ for $\delta = \sigma z$ and any law with $\mathbb{E}[zz^\top] = I$. Where did you use that
# $H$ is symmetric?

# %% [markdown] tags=["solution"]
# **Solution.** $\mathbb{E}\,z^\top H z = \sum_{ij} H_{ij}\,\mathbb{E}[z_i z_j] = \sum_i H_{ii}$. Symmetry was not used: an antisymmetric part would
# contribute nothing to either side.

# %% [markdown]
# **1.2 (code).** The mean change of the loss in a step of random search, as a formula. Ten minutes.

# %%
from mezo_lab.course.exercises.search import check_best_sigma, check_search_change, check_two_point


def search_change(sigma: float, grad_norm: float, trace: float) -> float:
    # BEGIN SOLUTION
    return -sigma * math.sqrt(2 / math.pi) * grad_norm + sigma**2 * trace / 2
    # END SOLUTION


check_search_change(search_change)

# %% [markdown]
# **1.3 (code).** n-SPSA from its definition: `z` has shape (n, d), and `loss` takes points of shape (n, d) at once.


# %%
def spsa(loss, theta, z, epsilon):
    # BEGIN SOLUTION
    projected = (loss(theta + epsilon * z) - loss(theta - epsilon * z)) / (2 * epsilon)  # (n,)
    return (projected[:, None] * z).mean(0)
    # END SOLUTION


check_two_point(spsa)

# %% [markdown]
# **1.4 (experiment).** Which $\sigma$ descends furthest in one step? Derive it, put it in, and compare with a scan.


# %%
def best_sigma(grad_norm: float, trace: float) -> float:
    # BEGIN SOLUTION
    return math.sqrt(2 / math.pi) * grad_norm / trace
    # END SOLUTION


check_best_sigma(best_sigma)
for factor in (0.5, 1, 2):
    print(f"{factor:>3} × the best σ: {change(factor * best_sigma(1.0, 5.0))}")

# %% [markdown] tags=["solution"]
# **Solution.** By the formula nothing is gained at twice the best $\sigma$; the scan climbs there. At the best $\sigma$, $\sigma\operatorname{tr}H$ is about $\|g\|$,
# so what $O(\sigma^3)$ leaves out is no longer small: it comes with wrong choices, which cost. The search's own optimum lies somewhat
# below, and it climbs sooner.

# %% [markdown]
# ## Summary
#
# - Random search descends by $\sigma\sqrt{2/\pi}\,\|g\|$ and pays $\tfrac12\sigma^2\operatorname{tr}H$: there is a best $\sigma$, and at twice that, by the formula, nothing
#   is left; the search itself climbs somewhat sooner.
# - The size of the difference, not only its sign, gives $zz^\top g$, whose mean is the gradient for every isotropic law.
# - A claim is accepted together with decoys that the same draws refute.
#
# **Limits.** Nothing was said of the variance, nor of a finite $\varepsilon$.
#
# **Further reading.** J. C. Spall, *Multivariate stochastic approximation using a simultaneous perturbation gradient
# approximation*, 1992. Y. Nesterov and V. Spokoiny, *Random gradient-free minimization of convex functions*, 2017. S. Malladi et
# al., *Fine-tuning language models with just forward passes*, 2023, Section 2.
#
# **Next:** the laws of $z$ and their moments.
