# %% [markdown]
# # 6. ε, rounding and drift
#
# **Claim.** By the end you will have shown that a finite $\varepsilon$ estimates the gradient of a smoothed loss; that the error of a
# projected gradient is a U in $\varepsilon$, with its minimum where the theory puts it; and that weights which are moved to their probes
# and back in low precision do not come back. The evidence: means, errors and drifts beside their formulas. The controls: formulas that
# forget a factor, and a mode of the library that restores every bit.
#
# **You will be able to** derive the smoothing bias; choose $\varepsilon$ for a precision and a loss; say how far rounding carries the
# weights; recognise a learning rate that is too small for the precision of the weights.
#
# **Before this:** notebooks 1 and 2 (pairings), and what a floating-point number is. **Time:** 65 minutes.
# **In the paper** (Malladi et al. 2023): Definition 1 and Algorithm 1.

# %%
import math
import warnings
from itertools import cycle

import sympy
import torch

from mezo_lab import LAWS, Estimate, MeZO, projected_gradient, sample, two_point
from mezo_lab.course.notebook import predict, show, sized, verify
from mezo_lab.curvature import EpsilonScan, ScanRow, unit_in_last_place
from mezo_lab.optim import DriftMeter, update_over_spacing
from mezo_lab.optim.testing import theta_of
from mezo_lab.proofs import prove
from mezo_lab.report.figures import ScalingLine, ScalingSeries, scaling_alt_text, scaling_figure
from mezo_lab.report.figures import scan_alt_text, scan_figure, style
from mezo_lab.sampling import Cubic, LowRankQuadratic

# %% [markdown]
# ## What a finite ε estimates
#
# Two terms first. $\Delta L=\operatorname{tr}\nabla^2L$ is the sum of all curvatures. $\nabla^3L[z,z,z]=\sum_{ijk}\partial_i\partial_j\partial_kL\;z_iz_jz_k$ is the third derivative of
# the loss along $z$.
#
# **Statement** (claim A7; Nesterov and Spokoiny 2017). For Gaussian $z$ and any $\varepsilon$, $\;\mathbb{E}[\hat g_\varepsilon]=\nabla_\theta\,\mathbb{E}_z[L(\theta+\varepsilon z)]$. The
# estimate is right on average for the loss that is smoothed over a width $\varepsilon$. For a cubic loss the bias is exactly $\;\mathbb{E}[\hat g_\varepsilon] - g=\tfrac12\varepsilon^2\,\nabla(\Delta L).$
#
# **Derivation.**
#
# 1. By Taylor, $\dfrac{L(\theta+\varepsilon z)-L(\theta-\varepsilon z)}{2\varepsilon}=z^\top g + \tfrac16\varepsilon^2\,\nabla^3L[z,z,z]$. The even terms cancel.
# 2. Multiply by $z$ and take the mean. $\mathbb{E}[z_m z_i z_j z_k]$ has three pairings, and each of them contributes $\partial_m\Delta L$. This gives $\tfrac16\cdot 3=\tfrac12$.
# 3. For any other loss and any $\varepsilon$, integrate by parts over the normal density.
#
# The library proves both statements with symbols. The last lines of its proof are:

# %%
proof = prove("smoothing", "gaussian")
show([{"step": part.sentence, "formula": part.text} for part in proof.steps[-2:]])
print(proof.verdict)

# %% [markdown]
# ## Why not ε → 0
#
# A loss is stored as the nearest number of its dtype. The **unit in the last place**, $\operatorname{ulp}(L)$, is the distance between neighbouring
# numbers near $L$: $2^{\lfloor\log_2 L\rfloor}$ times the distance at 1. The projected gradient therefore comes in steps of $\operatorname{ulp}(L)/(2\varepsilon)$.
#
# **Statement** (claim C7, derived). Let $T$ be the root mean square (rms) of $\tfrac16\nabla^3L[z,z,z]$. Then
#
# $$\sqrt{\mathbb{E}(pg-z^\top g)^2} = \sqrt{\Big(\frac{\operatorname{ulp}(L)}{2\varepsilon}\Big)^2\frac{2}{12} + (T\varepsilon^2)^2},\qquad
# \text{least at}\quad \varepsilon^* = \Big(\frac{\operatorname{ulp}(L)}{4\sqrt3\,T}\Big)^{1/3}.$$
#
# **Derivation.**
#
# 1. Rounding moves a loss by an amount that is uniform in $\pm\tfrac12\operatorname{ulp}$ and has the variance $\operatorname{ulp}^2/12$. There are two losses. Curvature keeps
#    them from mirroring each other, so they round independently. Their difference is divided by $2\varepsilon$.
# 2. Truncation is the cubic term above, whose rms is $T\varepsilon^2$. The two errors are uncorrelated, so their squares add.
# 3. The sum is least where its slope is 0:

# %%
u, e, T = sympy.symbols("u epsilon T", positive=True)
square = (u / (2 * e)) ** 2 * sympy.Rational(2, 12) + (T * e**2) ** 2
(least,) = sympy.solve(sympy.diff(square, e), e)
claimed = (u / (4 * sympy.sqrt(3) * T)) ** sympy.Rational(1, 3)
rms = sympy.lambdify((e, u, T), sympy.sqrt(square))
print("ε* cubed, derived − claimed:", sympy.simplify(least**3 - claimed**3))

# %% [markdown]
# ## Predict first
#
# Write your answers into the cell below before you go on.
#
# 1. On $L=\sin\theta$ at 0, with $\varepsilon=1$, is the mean estimate above or below the slope 1?
# 2. In float32 you lower $\varepsilon$ from $10^{-2}$ to $10^{-6}$. Does the error of $pg$ fall?
# 3. You move bfloat16 weights to a probe and back, without an update. What share of them changes: none, a few in a thousand, a half?
# 4. You add 1000 to the loss. Does the best $\varepsilon$ move?

# %%
predictions = predict(slope="", error="", share="", constant="")

# %% [markdown]
# ## Why the weights do not come back
#
# Algorithm 1 moves the weights *in place*, without a copy: by $+\varepsilon z$, by $-2\varepsilon z$, and by $+\varepsilon z$. We call these three moves a **cycle**. Each of their
# sums is rounded, and the distance that the weights have gone after some cycles is their **drift**.
#
# **Statement** (claim C4, derived). After $K$ cycles without an update, $\;\mathbb{E}(\theta_K-\theta_0)^2=\tfrac K2\operatorname{ulp}(\theta)^2.$ This holds for a weight
# whose probes spread over several ulp and stay between two powers of two.
#
# **Derivation.**
#
# 1. A cycle ends on the grid of the dtype: either at the old weight, or one ulp away from it, on either side.
# 2. It misses half of the time (exercise 6.1). A cycle therefore adds a variance of $\tfrac12\operatorname{ulp}^2$ and no mean.
# 3. Each cycle draws a new $z$, so the variances add. The weight walks at random and drifts as $\sqrt K$.
#
# The *exact mode* of the library keeps $\theta$ apart in float32 and rounds copies of it. A probe then leaves no trace.
#
# ## Experiment: a smoothed sine
#
# A sine is not a cubic. Its smoothed slope at 0 is $\mathbb{E}\cos(\varepsilon z)=e^{-\varepsilon^2/2}$, and the bias formula, $1-\tfrac12\varepsilon^2$, is only the
# beginning of this. We measure the mean estimate beside both.

# %%
origin = torch.zeros(1, dtype=torch.float64)


def slope(epsilon: float, seed: int) -> Estimate:
    def draw(count, generator):
        z = LAWS["gaussian"].sample(count, 1, 1, generator)
        return two_point(lambda points: points[..., 0].sin(), origin, z, epsilon)[:, 0]

    return sample(draw, 100_000, numbers_per_draw=1, seed=seed).estimate()


epsilons = [0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 2.0]
slopes = [slope(epsilon, seed) for seed, epsilon in enumerate(epsilons)]
found = ScalingSeries("found", epsilons, [one.mean for one in slopes], [one.standard_error for one in slopes])
fine = [0.05 * k for k in range(41)]
smoothed = ScalingLine("exp(−ε²/2)", fine, [math.exp(-(epsilon**2) / 2) for epsilon in fine])
short = ScalingLine("1 − ε²/2", fine, [1 - epsilon**2 / 2 for epsilon in fine])
parts, labels = ([found], [smoothed], [short]), {"xlabel": "ε", "ylabel": "mean estimate", "scale": "linear"}
show(scaling_figure(*parts, **labels), alt=scaling_alt_text(*parts, **labels))
at_one = slopes[epsilons.index(1.0)]
predictions.compare("slope", f"{'below' if at_one.mean < 1 else 'above'}: {at_one} at ε = 1")

# %% [markdown]
# Averaging flattens the slope. The points lie on the dashed curve of the smoothed sine. The dotted short formula is close to it near
# 0 only, and further out the draws refute it.
#
# ## Experiment: the U
#
# We take a loss with $\|g\|=1$, $H=I$ and $T=1$ at levels a little above 3, and return it in several dtypes. Only this value is
# rounded, and everything else is computed in float64. `unit_in_last_place` is the ulp.

# %%
dim = 16
ones = torch.ones(dim, dtype=torch.float64) / math.sqrt(dim)
bed, bowl = Cubic(third=6 / math.sqrt(15) * ones, slope=ones), LowRankQuadratic(1.0, dim)  # T² = Σ aᵢ²/36 · E z⁶ = 1
start = torch.zeros(dim, dtype=torch.float64)


def error(dtype, epsilon: float, size: float = 3.0) -> Estimate:
    def draw(count, generator):
        z = LAWS["gaussian"].sample(count, 1, dim, generator)
        level = size * (1 + torch.rand(count, 1, generator=generator, dtype=torch.float64) / 16)

        def loss(points):
            return (level + (bed(points) + bowl(points))).to(dtype).double()

        pg = projected_gradient(loss, start, z, epsilon)
        return (pg - z @ ones)[:, 0].square()

    return sample(draw, sized(full=40_000, fast=10_000), numbers_per_draw=dim, seed=0).estimate().map(math.sqrt)


# %%
scans, bars = {}, {}
for name in ("bfloat16", "float16", "float32", "float64"):
    dtype = getattr(torch, name)
    ulp_of_loss = float(unit_in_last_place(torch.tensor(3.0, dtype=dtype)))
    best = float(claimed.subs({u: ulp_of_loss, T: 1}))
    at = [best * 10 ** (k / 4) for k in range(-8, 5) if best * 10 ** (k / 4) > 2 * ulp_of_loss]
    errors = [error(dtype, epsilon) for epsilon in at]
    parts = [(rms(epsilon, ulp_of_loss, 0), rms(epsilon, 0, 1)) for epsilon in at]  # rounding, truncation
    rows = [ScanRow(x, name, y.mean, *part) for x, y, part in zip(at, errors, parts, strict=True)]
    scans[name], bars[name] = EpsilonScan(tuple(rows)), [style.BARS * one.standard_error for one in errors]
show(scan_figure(scans, bars, paper=1e-3), alt=scan_alt_text(scans))
small, large = (error(torch.float32, epsilon).mean for epsilon in (1e-6, 1e-2))
least = f"it falls until ε = {scans['float32'].best.epsilon:.0e} and then rises"
predictions.compare("error", f"{least}: {large:.1e} at ε = 1e-2, {small:.1e} at 1e-6")

# %% [markdown]
# The points follow the dashed theory: along the slope $-1$ of rounding, through the diamond at $\varepsilon^*$, along the slope 2 of truncation. At the
# paper's $\varepsilon=10^{-3}$ rounding is the larger part in float32, yet it is small beside $\|g\|=1$. In 16 bits a single step of $pg$ is about as large as
# the slope, or far larger. Another loss has another $T$, but only its cube root counts.
#
# ## Experiment: the walk home
#
# We take weights $N(0, 0.02^2)$ and a constant loss, so nothing should move. `DriftMeter` compares the weights with a run in float64.

# %%
weights = 0.02 * torch.randn(sized(full=20_000, fast=4000), generator=torch.Generator().manual_seed(0))
counts = sized(full=(1, 2, 4, 8, 16, 32, 64, 128, 256), fast=(1, 4, 16, 64))


def drifts(dtype, counts, exact: bool = False) -> list[Estimate]:
    theta = torch.nn.Parameter(weights.to(dtype, copy=True))
    optimizer = MeZO([theta], lr=1.0, exact=exact)
    meter, found = DriftMeter(optimizer), []
    for k in range(1, max(counts) + 1):
        optimizer.step(lambda: 0.0)
        meter.follow()
        if k in counts:
            found.append(meter.estimate())
    return found


def rounding_of(dtype) -> float:
    stored = weights.to(dtype)  # rms of ulp(θ) over rms of θ
    return float(unit_in_last_place(stored).norm() / stored.double().norm())


# %%
series, lines = [], []
for dtype, marker in ((torch.bfloat16, "sphere"), (torch.float32, "gaussian")):
    means, errors = zip(*((one.mean, one.standard_error) for one in drifts(dtype, counts)), strict=True)
    name = str(dtype).removeprefix("torch.")
    series.append(ScalingSeries(f"{name}, plain mode", counts, means, errors, law=marker))
    lines.append(ScalingLine("√(K/2)·ulp", counts, [math.sqrt(k / 2) * rounding_of(dtype) for k in counts]))
labels = {"xlabel": "cycles K", "ylabel": "drift / rms of the weights"}
show(scaling_figure(series, lines, **labels), alt=scaling_alt_text(series, lines, **labels))
exact = max(one.mean for one in drifts(torch.bfloat16, counts, exact=True))
print(f"bfloat16, exact mode: the largest drift is {exact:g}")
once = torch.nn.Parameter(weights.bfloat16())
MeZO([once], lr=1.0, exact=False).step(lambda: 0.0)
predictions.compare("share", f"{(once != weights.bfloat16()).float().mean():.0%} of the weights are not back")

# %% [markdown]
# Nearly half of the weights are an ulp off after one cycle. The formula is exact for weights that share one ulp. Here their ulps differ,
# and the figure uses the mean square of them. Where a probe carries a weight past a power of two, two ulps meet, and both the share and the drift fall
# a little short. The check below avoids such weights.
#
# ## Check
#
# For the smoothing, the decoys are a bias without the ½ and no bias at all. For the U, they are one of its branches alone and a rounding
# that is not divided by $2\varepsilon$.

# %%
show(verify("smoothing"))
points = {"float32": (1e-3, 1e-2), "bfloat16": sized(full=(0.03, 0.1, 0.3), fast=())}
show([verify("rounding", dtype=name, epsilon=epsilon) for name, at in points.items() for epsilon in at])

# %% [markdown]
# The walk is measured in units of ulp², where all weights have one ulp. The decoys are three independent roundings, $K/4$, and a drift
# in one direction, $K^2/2$. The control of the exact mode is the plain mode.

# %%
settings = sized(full=(("bfloat16", 4), ("bfloat16", 16), ("float32", 16)), fast=(("bfloat16", 16), ("float32", 4)))
show([verify("restore", measure="drift", dtype=name, cycles=cycles) for name, cycles in settings])
show([verify("restore", measure="exact", dtype=name, cycles=4) for name in ("bfloat16", "float32")])

# %% [markdown]
# ## What it means
#
# - **ε.** Compute the loss in float32, whatever the dtype of the weights is. At $\varepsilon=10^{-3}$ its rounding is then small beside the slope.
# - **The walk.** The code that was published with the paper walks as Algorithm 1 does, and its scripts load models in float16. A user
#   saw weights that had not come back ([issue 42](https://github.com/princeton-nlp/MeZO/issues/42)): Llama 2 trained in float32 and not
#   in float16.
# - **The update.** If an update is far below the spacing of the weights and *is added by itself*, as in that code, nearly all of it is
#   rounded away. `update_over_spacing` warns of this.
#
# How much of an update arrives in bfloat16 if the slope along $z$ is 5? We add it by itself, and we fold it into the last move of the
# walk, as this library does. Both are compared with the exact mode, which receives all of it.

# %%
before = (0.02 * torch.randn(200_000, generator=torch.Generator().manual_seed(1))).bfloat16()


def stepped(lr: float, exact: bool):
    theta = torch.nn.Parameter(before.clone())
    optimizer = MeZO([theta], lr, exact=exact, check_closure=False)
    optimizer.step(cycle((0.005, -0.005)).__next__)
    return optimizer, theta.detach().float()


def share_of_update(change, full_update) -> Estimate:
    gain = float(change @ full_update / (full_update @ full_update))
    error = float((change - gain * full_update).norm() / full_update.norm()) / math.sqrt(len(full_update))
    return Estimate(gain, error, len(full_update))


rows = []
for lr in (1e-6, 1e-5, 1e-4):
    fine, _ = stepped(lr, exact=True)
    full_update = theta_of(fine)[0] - before.float()
    alone = (before.float() + full_update).bfloat16().float() - before.float()
    _, folded = stepped(lr, exact=False)
    row = {
        "η": lr,
        "update/spacing": update_over_spacing(fine),
        "arrives by itself": share_of_update(alone, full_update),
    }
    rows.append(row | {"arrives folded": share_of_update(folded - before.float(), full_update)})
show(rows)

# %% [markdown]
# A folded update arrives on average, because the random probe spreads its rounding evenly. The drift of the walk comes on top. The exact
# mode has neither this loss nor the drift.
#
# ## Where it breaks
#
# The U assumes that the two losses are rounded independently, and therefore that they lie an ulp or more apart. Here a loss of 3.11 is
# returned at $\varepsilon=10^{-3}$, once in bfloat16 and once in float32:

# %%
rows, warned = [], set()
for dtype in (torch.bfloat16, torch.float32):
    theta = torch.nn.Parameter(start.clone())
    optimizer = MeZO([theta], lr=1e-3, epsilon=1e-3, exact=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(100):
            optimizer.step(lambda dtype=dtype, theta=theta: (3.11 + bed(theta)).to(dtype))
    zeros = f"{optimizer.diagnostics.zero_rate():.0%}"
    rows.append({"loss in": str(dtype), "pg that are 0": zeros, "θ moved by": float(theta.detach().norm())})
    warned |= {str(warning.message) for warning in caught}
show(rows)
print("\n".join(warned))

# %% [markdown]
# In bfloat16 both sides round to the same number. There is no difference and no step. Had they rounded to two numbers, $pg$ would
# be a whole $\operatorname{ulp}/(2\varepsilon)$.
#
# ## Exercises
#
# ### Exercise 6.1: half of the time
#
# *15 minutes · ★★★ · on paper*
#
# Let $R$ round to the nearest multiple of one ulp, and let $\theta$ be such a multiple. Show that a cycle ends at
# $\theta + 2R(x) - R(2x)$ with $x=\varepsilon z$, and that this misses $\theta$ by one ulp half of the time when $x$ is spread over many ulp.
#
# <details><summary>Hint 1</summary>On the grid, R(θ + x) = θ + R(x). Apply this to each of the three moves.</details>
# <details><summary>Hint 2</summary>Write x as a whole number of ulp and a remainder f between −½ and ½. For which f does 2f round to 0?</details>
# <details><summary>Expected output</summary>A condition on f that holds with probability ½.</details>

# %% [markdown] tags=["solution"]
# **Solution.** On the grid, rounding $\theta + x$ gives $\theta + R(x)$. The three moves therefore give $\theta + R(x)$, then $\theta + R(x) - R(2x)$, and
# then $\theta + 2R(x) - R(2x)$. Write $x=(m+f)\operatorname{ulp}$ with $m$ whole and $f$ uniform in $[-\tfrac12, \tfrac12)$. Then $2R(x)=2m\operatorname{ulp}$, and
# $R(2x)=(2m + k)\operatorname{ulp}$, where $k$ is $2f$ rounded. This is 0 when $|f| < \tfrac14$, half of the time, and $\pm1$ otherwise. Three
# independent roundings would give $3/12$ in place of $\tfrac12$.

# %% [markdown]
# ### Exercise 6.2: the spacing of numbers
#
# *10 minutes · ★☆☆*
#
# Return the distance from a number to the next larger one of its dtype. The mantissa of bfloat16 has 7 bits, that of float16 has 10,
# and that of float32 has 23. The value may be negative.
#
# <details><summary>Hint 1</summary>What is the distance at 1, if the mantissa has b bits?</details>
# <details><summary>Hint 2</summary>The distance is the same for all numbers between two powers of two.</details>
# <details><summary>Expected output</summary>✓ right in 4 cases</details>


# %%
def ulp(value: float, mantissa_bits: int) -> float:
    # BEGIN SOLUTION
    return 2.0 ** (math.floor(math.log2(abs(value))) - mantissa_bits)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.rounding import check_best_epsilon, check_cycles, check_ulp

check_ulp(ulp)

# %% [markdown]
# ### Exercise 6.3: how long until it matters?
#
# *10 minutes · ★★☆*
#
# After how many cycles is the drift this share of the weights' rms? The check also asks the meter.
#
# <details><summary>Hint 1</summary>The statement gives the mean square of the drift after K cycles. Set its root equal to share · rms.</details>
# <details><summary>Hint 2</summary>K grows with the square of the share.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases, and a meter that reads a little less than 0.01 and 0.02.</details>


# %%
def cycles_until(share: float, ulp: float, rms: float) -> float:
    # BEGIN SOLUTION
    return 2 * (share * rms / ulp) ** 2
    # END SOLUTION


# %%
check_cycles(cycles_until)

# %%
rows = []
for share in (0.01, 0.02):
    count = round(cycles_until(share, rounding_of(torch.bfloat16), 1.0))  # both in units of the rms
    rows.append({"share": share, "cycles": count, "the meter reads": drifts(torch.bfloat16, [count])[0]})
show(rows)

# %% [markdown]
# ### Exercise 6.4: a larger loss
#
# *15 minutes · ★★☆ · an experiment*
#
# A constant that is added to the loss changes no gradient, but it does change the last digit. Give $\varepsilon^*$ for a loss of a given size,
# with your `ulp`. The check then looks for the minimum. How does it move when the loss is 100 times larger?
#
# <details><summary>Hint 1</summary>Only the ulp of the loss depends on its size.</details>
# <details><summary>Hint 2</summary>The answer calls your function of exercise 6.2.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases; in each row of the table the middle error is the least.</details>


# %%
def best_epsilon(size: float, mantissa_bits: int, third: float) -> float:
    # BEGIN SOLUTION
    return (ulp(size, mantissa_bits) / (4 * math.sqrt(3) * third)) ** (1 / 3)
    # END SOLUTION


# %%
check_best_epsilon(best_epsilon)

# %%
rows = []
for size in (1.5, 150.0, 15_000.0):
    own = best_epsilon(size, 23, 1.0)
    errors = {f"error at {factor:g}·ε*": error(torch.float32, factor * own, size).mean for factor in (0.5, 1, 2)}
    rows.append({"loss": size, "ε*": own} | errors)
show(rows)
predictions.compare(
    "constant", f"it moves from {best_epsilon(3.0, 23, 1.0):.4f} to {best_epsilon(1003.0, 23, 1.0):.4f}"
)

# %% [markdown] tags=["solution"]
# **Solution.** The ulp is proportional to the size, up to a factor of 2. Therefore $\varepsilon^*$ grows as the cube root of the size, and the least error
# as its power $\tfrac23$. A sum of losses over tokens in place of their mean multiplies $T$ as well, and leaves $\varepsilon^*$ about where it is.

# %% [markdown]
# ## Summary
#
# - A finite $\varepsilon$ estimates the gradient of a smoothed loss. Its bias begins with $\tfrac12\varepsilon^2\nabla(\Delta L)$.
# - Rounding of the loss costs $1/\varepsilon$ and truncation costs $\varepsilon^2$. The error is a U, least at $(\operatorname{ulp}/(4\sqrt3\,T))^{1/3}$.
# - A probe that is walked in place leaves about half of the weights an ulp off. Over $K$ steps the weights drift as $\sqrt K$.
# - An update far below the spacing of the weights is lost if it is added by itself. The exact mode loses nothing.
#
# **Limits.** In the U only the final loss was rounded. Displaced weights and the layers of a network round too; `epsilon_scan` measures
# the U of your own model. What drift does to the loss was not measured.
#
# **Further reading.** Y. Nesterov and V. Spokoiny, *Random gradient-free minimization of convex functions*, 2017. N. J. Higham,
# *Accuracy and stability of numerical algorithms*, 2002, Chapter 2. S. Malladi et al., *Fine-tuning language models with just
# forward passes*, 2023, Algorithm 1.
#
# **Next:** slips in the literature, each measured.
