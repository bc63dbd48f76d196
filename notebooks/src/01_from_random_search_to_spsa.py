# %% [markdown]
# # 1. From random search to SPSA
#
# **Claim.** By the end you will have shown that a step of random search lowers the loss, on average, by $\sigma\sqrt{2/\pi}\,\|g\|$
# minus a price for curvature, and that two evaluations of the loss give an estimate of the whole gradient that is right on
# average. The evidence is both means, measured against their formulas. The controls are formulas that look as good and that
# the same draws refute, and a law of $z$ for which the estimate is wrong.
#
# **You will be able to** say why $\|\delta\|$ must be small; derive $\mathbb{E}\,|z^\top g|$; write the two-point estimator and say
# why it is unbiased; tell a mean that is right from one that is close.
#
# **Before this:** gradients, Taylor's formula to second order, the normal law. **Time:** 60 minutes; the cells run in seconds.
# **In the paper** (Malladi et al. 2023): Definition 1.

# %%
import math

# %% [markdown] tags=["slide-02"]
# ## Descent without a gradient
#
# The simplest optimizer that only evaluates the loss is *random search*. Draw a small step $\delta = \sigma z$ with $z \sim N(0, I)$; the random
# direction $z$ is called a *probe*. If $L(\theta+\delta) < L(\theta)$, go there; otherwise go to $\theta-\delta$.

# %% [markdown] tags=["slide-02"]
# **Statement** (claim A0, the first method of the notes that this project began with). With $g = \nabla L(\theta)$ and $H = \nabla^2 L(\theta)$,
#
# $$\mathbb{E}\,[L(\theta\pm\delta)] - L(\theta) = -\sigma\sqrt{2/\pi}\,\|g\| + \tfrac12\sigma^2\,\operatorname{tr} H + O(\sigma^3).$$

# %% [markdown] tags=["notes-02"]
# **Derivation.**
#
# 1. By Taylor's formula, $L(\theta+\delta) - L(\theta) = \delta^\top g + \tfrac12\delta^\top H\delta + O(\sigma^3)$.
# 2. The search looks at the sign of the left side. If that is the sign of $\delta^\top g$, the step taken has the first-order term
#    $-|\delta^\top g|$. The curvature can turn the sign only when $|\delta^\top g|$ is as small as the curvature term itself, $O(\sigma^2)$.
#    Since $\delta^\top g$ is normal with standard deviation $\sigma\|g\|$, it lies in so narrow an interval with probability $O(\sigma^2)/O(\sigma) = O(\sigma)$.
#    Each such mistake costs $2|\delta^\top g| = O(\sigma^2)$, so mistakes cost $O(\sigma^3)$ on average.
# 3. The second term is the same for $\delta$ and $-\delta$. Its mean is $\tfrac12\sigma^2\,\mathbb{E}[z^\top H z] = \tfrac12\sigma^2\operatorname{tr}H$.
# 4. $z^\top g \sim N(0, \|g\|^2)$, so $\mathbb{E}\,|\delta^\top g| = \sigma\|g\|\cdot\mathbb{E}\,|N(0,1)|$.

# %% [markdown]
# What is left is one integral, which we give to sympy:
# %%
import sympy
import torch

from mezo_lab import LAWS, Estimate, sample, two_point
from mezo_lab.course.notebook import distance, predict, show, sized, verify
from mezo_lab.report.figures import landscape_alt_text, landscape_figure
from mezo_lab.sampling import Linear, Quadratic, sign_search

x = sympy.symbols("x", real=True)
density = sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)
sympy.integrate(sympy.Abs(x) * density, (x, -sympy.oo, sympy.oo))

# %% [markdown] tags=["slide-03"]
# ## Predict first
#
# Write your answers between the quotation marks below before you go on.
#
# 1. You double $\sigma$. Does the loss fall twice as far in a step?
# 2. Is there a $\sigma$ at which the search *climbs*, though it always takes what looks like the better of two steps?
# 3. The search takes the sign of a difference and forgets its size. What would you do with the size?

# %%
predictions = predict(doubled="", climbs="", size="")

# %% [markdown] tags=["slide-04"]
# ## Experiment: how far a step descends
#
# We take a loss with slope 1 and $\operatorname{tr}H = 5$. For several values of $\sigma$ we measure the mean change of the loss over many steps
# and its standard error, and put the formula beside it.

# %% tags=["slide-04"]
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


rows = []
for sigma in (0.05, 0.1, 0.4):
    formula, measured = -sigma * math.sqrt(2 / math.pi) + sigma**2 * 5 / 2, change(sigma)
    row = {"σ": sigma, "formula": formula, "measured": measured}
    rows.append(row | {"standard errors between them": distance(measured, formula)})
show(rows)

# %% [markdown] tags=["notes-04"]
# We call the number of standard errors between a mean and a value their *distance*. Chance alone rarely makes a distance larger
# than 3 and practically never makes it 5, so a formula at a distance of 5 or more is refuted. The distance grows with $\sigma$ here,
# because the formula leaves out terms of order $\sigma^3$.

# %% tags=["slide-04"]
predictions.compare("doubled", f"from {change(0.05)} at σ = 0.05 to {change(0.1)} at σ = 0.1: less than twice as far")
predictions.compare("climbs", f"at σ = 0.4 the loss changes by {change(0.4)}: long steps climb")

# %% [markdown]
# ## Check
#
# The library holds this statement as a *claim*, together with its *decoys*: wrong formulas that look plausible, such as one that
# forgets $\sqrt{2/\pi}$ or the curvature. The same draws must accept the claim and refute the decoys; otherwise the experiment
# could not have seen the difference. On the command line `mezo-lab verify random-search` runs this check, and `mezo-lab list` shows
# all claims.

# %%
show(verify("random-search", dim=dim, curvature=5))

# %% [markdown] tags=["slide-05"]
# ## From a sign to a gradient
#
# The search uses one bit of each comparison. The size of the difference says more. For small $\varepsilon$,
#
# $$\frac{L(\theta+\varepsilon z) - L(\theta-\varepsilon z)}{2\varepsilon} = z^\top g + O(\varepsilon^2).$$

# %% [markdown] tags=["notes-05"]
# This is the slope along $z$, called the *projected gradient*. The two points lie symmetrically about $\theta$, so the curvature cancels.
# To move along $z$ in proportion to this slope is *SPSA*, simultaneous perturbation stochastic approximation, as the paper defines it
# (Definition 1). Spall divided by $z_i$ where the paper multiplies; for signs the two agree.

# %% [markdown] tags=["slide-06"]
# The estimator *n-SPSA* takes the mean over
# a *number of probes* $n$, each drawn afresh:
#
# $$\hat g = \frac1n\sum_{k=1}^n \frac{L(\theta+\varepsilon z_k) - L(\theta-\varepsilon z_k)}{2\varepsilon}\,z_k \;\approx\; \frac1n\sum_k z_k z_k^\top g.$$
#
# **Statement** (claim A1). As $\varepsilon\to 0$, $\mathbb{E}[\hat g] = g$ for every law of $z$ with $\mathbb{E}[zz^\top] = I$. Such a law is
# called *isotropic*, and an estimate with the right mean is called *unbiased*.

# %% [markdown] tags=["notes-06"]
# **Derivation.** $\mathbb{E}[z z^\top g] = \mathbb{E}[z z^\top]\,g = I\,g$. That is all. The law need not be normal, and not even $\mathbb{E}[z]=0$ is
# needed, because $z$ and $-z$ give the same $\hat g$. Probes $\sqrt d\,e_i$ along a random axis will do. A *one-sided difference*, which
# compares $L(\theta+\varepsilon z)$ with $L(\theta)$, keeps the term $\tfrac\varepsilon2\,z\,z^\top Hz$, so it also needs third moments that vanish.

# %% [markdown] tags=["notes-07"]
# ## A landscape of two weights
#
# Four optimizers start at one point of a narrow valley: gradient descent, which knows $g$; SPSA with one probe and with four; and
# the sign search.

# %%
valley = Quadratic(torch.diag(torch.tensor([1.0, 6.0], dtype=torch.float64)))
start = torch.tensor([-2.0, 0.9], dtype=torch.float64)
generator = torch.Generator().manual_seed(5)


def probes(n, count=1):
    return LAWS["gaussian"].sample(count, n, 2, generator)  # (count, n, 2)


def path(step):
    points = [start]
    for _ in range(30):
        points.append(step(points[-1]))
    return torch.stack(points)


paths = {
    "gradient descent": path(lambda at: at - 0.05 * valley.gradient(at)),
    "SPSA, 1 probe": path(lambda at: at - 0.05 * two_point(valley, at, probes(1)[0], 1e-3)),
    "SPSA, 4 probes": path(lambda at: at - 0.05 * two_point(valley, at, probes(4)[0], 1e-3)),
    "sign search": path(lambda at: sign_search(valley, at, 0.15 * probes(1)[0, 0])),
}

# %% tags=["slide-07"]
slope = valley.gradient(start)
clouds = {f"{n} probe{'s'[: n - 1]}": two_point(valley, start, probes(n, 400), 1e-3) for n in (1, 4)}
picture = valley, paths, slope, clouds
show(landscape_figure(*picture), alt=landscape_alt_text(*picture))

# %% [markdown] tags=["slide-07"]
# In the first picture, one probe wanders about the floor of the valley, and four settle on the dashed path of gradient descent. In the
# second, 400 estimates at the start surround the arrow $g$; those that average four probes lie closer to it.

# %% [markdown] tags=["notes-07"]
# The steps of the sign search do not shrink with the slope. With one probe an estimate lies in the half-plane of $g$, and many are
# much longer than $g$.

# %%
predictions.compare("size", "multiply z by it: a long step where the slope along z is steep. That is SPSA")

# %% [markdown] tags=["notes-08"]
# ### Right on average
#
# To be unbiased is a property of the mean of very many estimates. We test this mean for each law of the library. The control ties
# the coordinates of $z$ together, so that $\mathbb{E}[zz^\top] \ne I$.

# %% tags=["slide-08"]
show([verify("unbiased", law) for law in LAWS])

# %% [markdown] tags=["slide-08"]
# In every row the draws agree with the claim, and they refute the control, which the picture leaves out.

# %% [markdown] tags=["slide-09"]
# ## What it means
#
# A mean that is right costs two evaluations, whatever the number of parameters. The number of parameters decides
# how long and how noisy a single estimate is. Notebook 3 asks how long, and there the original notes and the paper disagree.

# %% [markdown] tags=["slide-10"]
# ## Where it breaks
#
# The estimate is unbiased only as $\varepsilon\to0$, or on a loss for which the difference is exact. Otherwise its mean is the gradient
# of a *smoothed loss*, which averages the loss over a width $\varepsilon$ (notebook 6). All of this also needs a gradient. On the kink
# $L(\theta) = |\theta_1|$ at 0 there is none: both sides are worse, and the sign search climbs at every size.


# %% tags=["slide-10"]
def kink(point):
    return point[..., 0].abs()


origin = torch.zeros(1, dtype=torch.float64)
step = torch.tensor([0.01], dtype=torch.float64)
print(f"L goes from {kink(origin):g} to {kink(sign_search(kink, origin, step)):g} in a step of {step.item()}.")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1.1: the price of curvature
# *10 minutes · ★☆☆ · on paper*
#
# Show that $\mathbb{E}\,\delta^\top H\delta = \sigma^2\operatorname{tr}H$ for $\delta = \sigma z$ and any law with $\mathbb{E}[zz^\top] = I$. Did you need that
# $H$ is symmetric?
#
# <details><summary>Hint 1</summary>Write the product as a double sum over the entries of H.</details>
# <details><summary>Hint 2</summary>Only the products of two coordinates of z are random. What are their means?</details>
# <details><summary>Expected output</summary>One line of sums, and a yes or a no.</details>

# %% [markdown] tags=["solution"]
# **Solution.** $\mathbb{E}\,z^\top H z = \sum_{ij} H_{ij}\,\mathbb{E}[z_i z_j] = \sum_i H_{ii}$. Symmetry was not used: an antisymmetric part would
# contribute nothing to either side.

# %% [markdown]
# ### Exercise 1.2: a search along the axes
# *15 minutes · ★★☆*
#
# Let the search step along a random axis: $\delta = \pm\sigma\sqrt d\,e_i$ with $i$ uniform. What is the mean change of the loss in a step that
# is small enough for the sign to be right? The gradient is a list, and so is the diagonal of $H$.
#
# <details><summary>Hint 1</summary>Steps 1 to 3 of the derivation hold for every law with E[zzᵀ] = I. Only step 4 is new.</details>
# <details><summary>Hint 2</summary>Which d values does |zᵀg| take, and how often?</details>
# <details><summary>Expected output</summary>✓ right in 3 cases</details>


# %%
def axis_change(sigma: float, gradient: list[float], curvatures: list[float]) -> float:
    # BEGIN SOLUTION
    slope = sum(abs(entry) for entry in gradient) / math.sqrt(len(gradient))  # E|zᵀg|
    return -sigma * slope + sigma**2 * sum(curvatures) / 2
    # END SOLUTION


# %%
from mezo_lab.course.exercises.search import check_axis_change, check_best_sigma, check_two_point

check_axis_change(axis_change)

# %% [markdown]
# ### Exercise 1.3: n-SPSA
# *10 minutes · ★☆☆*
#
# Write n-SPSA from its definition. The probes `z` have the shape (n, d), and `loss` takes points of the shape (n, d) at once.
#
# <details><summary>Hint 1</summary>Compute the n projected gradients first, as a tensor of shape (n,).</details>
# <details><summary>Hint 2</summary>Multiply each probe by its own number, and take the mean over the probes, axis 0.</details>
# <details><summary>Expected output</summary>✓ right in 2 cases</details>


# %%
def spsa(loss, theta, z, epsilon):
    # BEGIN SOLUTION
    projected = (loss(theta + epsilon * z) - loss(theta - epsilon * z)) / (2 * epsilon)  # (n,)
    return (projected[:, None] * z).mean(0)
    # END SOLUTION


# %%
check_two_point(spsa)

# %% [markdown]
# ### Exercise 1.4: the best σ
# *15 minutes · ★★☆ · an experiment*
#
# Which $\sigma$ descends furthest in one step? Derive it from the formula and write it below. The cell after it compares with a scan.
#
# <details><summary>Hint 1</summary>The formula is a parabola in σ.</details>
# <details><summary>Hint 2</summary>Set its derivative to 0; the change itself is 0 at twice that σ.</details>
# <details><summary>Expected output</summary>✓ right in 2 cases, and a table in which the middle row descends.</details>


# %%
def best_sigma(grad_norm: float, trace: float) -> float:
    # BEGIN SOLUTION
    return math.sqrt(2 / math.pi) * grad_norm / trace
    # END SOLUTION


# %%
check_best_sigma(best_sigma)
for factor in (0.5, 1, 2):
    print(f"{factor:>3} × the best σ: {change(factor * best_sigma(1.0, 5.0))}")

# %% [markdown] tags=["solution"]
# **Solution.** By the formula nothing is gained at twice the best $\sigma$; in the scan the loss climbs there. At the best $\sigma$ the product
# $\sigma\operatorname{tr}H$ is about as large as $\|g\|$, so the terms of order $\sigma^3$ are no longer small: they come from wrong choices of the sign, which cost.
# The true optimum of the search lies somewhat lower, and the search begins to climb sooner.

# %% [markdown] tags=["slide-11"]
# ## Summary
#
# - Random search gains $\sigma\sqrt{2/\pi}\,\|g\|$ and pays $\tfrac12\sigma^2\operatorname{tr}H$. There is a best $\sigma$; at twice that value the formula leaves
#   no gain, and the search itself begins to climb somewhat sooner.
# - The size of the difference, and not only its sign, gives $zz^\top g$, whose mean is the gradient for every isotropic law.
# - A claim is accepted together with decoys that the same draws refute.

# %% [markdown]
# **Limits.** We said nothing about the variance, nor about a finite $\varepsilon$.
#
# **Further reading.** J. C. Spall, *Multivariate stochastic approximation using a simultaneous perturbation gradient
# approximation*, 1992. Y. Nesterov and V. Spokoiny, *Random gradient-free minimization of convex functions*, 2017. S. Malladi et
# al., *Fine-tuning language models with just forward passes*, 2023, Section 2.
#
# **Next:** the laws of $z$ and their moments.
