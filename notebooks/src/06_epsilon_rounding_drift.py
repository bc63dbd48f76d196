# %% [markdown]
# # 6. ε, rounding and drift
#
# **Claim.** By the end you will have shown that a finite $\varepsilon$ estimates the gradient of a smoothed loss; that the error of a
# projected gradient is a U in $\varepsilon$, with its minimum where theory puts it; and that weights which walk to their probes and back do
# not come back. The evidence: means, errors and drifts beside their formulas. The controls: formulas that forget a
# factor, and a mode that restores every bit.
#
# **You will be able to** derive the smoothing bias; choose $\varepsilon$ for a precision and a loss; say how far rounding carries the weights;
# see when a learning rate is too small for the weights' dtype.
#
# **Before this:** notebooks 1 and 2 (pairings), and what a floating-point number is. **Time:** 50 minutes; the cells run within a minute or so.
# **In the paper** (Malladi et al. 2023): Definition 1 and Algorithm 1.

# %%
import math
import warnings
from itertools import cycle

import sympy
import torch

from mezo_lab import LAWS, Estimate, MeZO, projected_gradient, sample, two_point
from mezo_lab.course.notebook import show, sized, verify
from mezo_lab.curvature import unit_in_last_place
from mezo_lab.optim import DriftMeter, update_over_spacing
from mezo_lab.optim.testing import theta_of
from mezo_lab.proofs import prove
from mezo_lab.report.figures import style
from mezo_lab.sampling import Cubic, LowRankQuadratic

# %% [markdown]
# ## What a finite ε estimates
#
# **Statement** (claim A7; Nesterov and Spokoiny 2017). For Gaussian $z$ and any $\varepsilon$, $\;\mathbb{E}[\hat g_\varepsilon]=\nabla_\theta\,\mathbb{E}_z[L(\theta+\varepsilon z)]$: the gradient of the loss, smoothed
# over a width $\varepsilon$. For a cubic loss the bias is exactly $\;\mathbb{E}[\hat g_\varepsilon] - g=\tfrac12\varepsilon^2\,\nabla(\Delta L).$
#
# **Derivation.**
#
# 1. Taylor: $\dfrac{L(\theta+\varepsilon z)-L(\theta-\varepsilon z)}{2\varepsilon}=z^\top g + \tfrac16\varepsilon^2\,\nabla^3L[z,z,z]$; even terms cancel.
# 2. Times $z$, and the mean: $\mathbb{E}[z_m z_i z_j z_k]$ has three pairings, each of which contributes $\partial_m\Delta L$. So $\tfrac16\cdot 3=\tfrac12$.
# 3. Any loss, any $\varepsilon$: integrate by parts over the normal density.

# %%
print(prove("smoothing", "gaussian"))

# %% [markdown]
# ## Why not ε → 0
#
# A loss is stored to the nearest number of its dtype; numbers near $L$ are $\operatorname{ulp}(L)$ apart, $2^{\lfloor\log_2 L\rfloor}$ times the
# spacing at 1. So the projected gradient comes in steps of $\operatorname{ulp}(L)/(2\varepsilon)$.
#
# **Statement** (claim C7, derived). With $T$ the rms of $\tfrac16\nabla^3L[z,z,z]$,
#
# $$\sqrt{\mathbb{E}(pg-z^\top g)^2} = \sqrt{\Big(\frac{\operatorname{ulp}(L)}{2\varepsilon}\Big)^2\frac{2}{12} + (T\varepsilon^2)^2},\qquad
# \text{least at}\quad \varepsilon^* = \Big(\frac{\operatorname{ulp}(L)}{4\sqrt3\,T}\Big)^{1/3}.$$
#
# **Derivation.**
#
# 1. Rounding moves a loss by something uniform in $\pm\tfrac12\operatorname{ulp}$: variance $\operatorname{ulp}^2/12$. There are two losses, which curvature keeps
#    from mirroring each other, so that they round independently; their difference is divided by $2\varepsilon$.
# 2. Truncation is the cubic term above, of rms $T\varepsilon^2$. The two are uncorrelated: squares add.
# 3. The sum is least where its slope is 0:

# %%
u, e, T = sympy.symbols("u epsilon T", positive=True)
square = (u / (2 * e)) ** 2 * sympy.Rational(2, 12) + (T * e**2) ** 2
(least,) = sympy.solve(sympy.diff(square, e), e)
claimed = (u / (4 * sympy.sqrt(3) * T)) ** sympy.Rational(1, 3)
rms, star = sympy.lambdify((e, u, T), sympy.sqrt(square)), sympy.lambdify((u, T), least)
print(f"ε* = {least}; cubed, derived − claimed = {sympy.simplify(least**3 - claimed**3)}")

# %% [markdown]
# ## Predict first
#
# Write your answers down before you go on.
#
# 1. On $L=\sin\theta$ at 0, with $\varepsilon=1$: is the mean estimate above or below the slope 1?
# 2. In float32 you lower $\varepsilon$ from $10^{-2}$ to $10^{-6}$. Does the error of $pg$ fall?
# 3. One cycle in bfloat16, no update. What share of the weights changes: none, a few in a thousand, a half?
# 4. You add 1000 to the loss. Does the best $\varepsilon$ move?
#
# ## Why the weights do not come back
#
# Algorithm 1 moves the weights in place: $+\varepsilon z$, $-2\varepsilon z$, $+\varepsilon z$. Each sum is rounded.
#
# **Statement** (claim C4, derived). After $K$ cycles without an update, a weight whose probes spread over several ulp and stay between two powers of two has drifted by $\;\mathbb{E}(\theta_K-\theta_0)^2=\tfrac K2\operatorname{ulp}(\theta)^2.$
#
# **Derivation.**
#
# 1. A cycle ends on the grid of the dtype: either at the old weight, or one ulp off, to either side.
# 2. It is off half of the time (exercise 6.1), so a cycle adds a variance of $\tfrac12\operatorname{ulp}^2$ and no mean.
# 3. Cycles draw new $z$, so variances add: the weight walks at random, and drifts as $\sqrt K$.
#
# The *exact* mode of the library keeps $\theta$ apart in float32 and rounds copies of it. A probe then leaves no trace.

# %% [markdown]
# ## Experiment: a smoothed sine
#
# A sine is no cubic: the smoothed slope at 0 is $\mathbb{E}\cos(\varepsilon z)=e^{-\varepsilon^2/2}$. The bias formula, $1-\tfrac12\varepsilon^2$, is its beginning.

# %%
origin = torch.zeros(1, dtype=torch.float64)


def sine(points):
    return points[..., 0].sin()


def slope(epsilon: float, seed: int) -> Estimate:
    def draw(count, generator):
        return two_point(sine, origin, LAWS["gaussian"].sample(count, 1, 1, generator), epsilon)[:, 0]

    return sample(draw, 100_000, numbers_per_draw=1, seed=seed).estimate()


widths = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0)
slopes = [slope(epsilon, seed) for seed, epsilon in enumerate(widths)]
for epsilon, measured in zip(widths, slopes, strict=True):
    smoothed, short = math.exp(-(epsilon**2) / 2), 1 - epsilon**2 / 2
    z = f"z = {measured.z_score(smoothed):+.1f}, from 1 − ε²/2: {measured.z_score(short):+.1f}"
    print(f"ε = {epsilon}: measured {measured}, formula {smoothed:.4f}; {z}")

# %%
figure = style.new_figure(height=2.9)
axes, grid = figure.add_subplot(), [k / 50 for k in range(101)]
axes.plot(grid, [math.exp(-(x**2) / 2) for x in grid], label="slope of the smoothed sine", **style.THEORY)
wrong = {"slope of the sine": lambda x: 1, "1 − ε²/2": lambda x: 1 - x**2 / 2, "1 − ε²": lambda x: 1 - x**2}
for label, formula in wrong.items():
    axes.plot(grid, [formula(x) for x in grid], label=label, **style.decoy(label, list(wrong)))
bars = [style.BARS * measured.standard_error for measured in slopes]
name = f"mean estimate ± {style.BARS:g} standard errors"
axes.errorbar(widths, [measured.mean for measured in slopes], bars, label=name, **style.estimate("gaussian"))
axes.set(xlabel="ε", ylabel="mean of ĝ at θ = 0", ylim=(-0.3, 1.15))
style.despine(axes)
style.figure_legend(figure)
show(
    figure,
    alt="Line chart of the mean estimate for L = sin θ against ε from 0 to 2. The points fall along the dashed curve "
    "exp(−ε²/2); dotted, the true slope 1, and 1 − ε²/2 and 1 − ε², which leave it as ε grows.",
)

# %% [markdown]
# The smoothed slope lies below 1 (question 1): averaging flattens a crest. $1-\tfrac12\varepsilon^2$ holds near 0 only; the draws refute it further out.
#
# ## Experiment: the U
#
# A loss with $\|g\|=1$, $H=I$ and $T=1$, at a level between 3 and 3.2, returned in several dtypes. Only this value is rounded; all else
# is in float64. `unit_in_last_place` is the ulp.

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


def ulp_at(size: float, dtype) -> float:
    return float(unit_in_last_place(torch.tensor(size, dtype=dtype)))


# %%
dtypes = {"bfloat16": "sphere", "float16": "uniform", "float32": "gaussian", "float64": "rademacher"}  # → markers
ulps = {name: ulp_at(3, getattr(torch, name)) for name in dtypes}
bests = {name: star(step, 1) for name, step in ulps.items()}
scans = {}
for name, step in ulps.items():
    at = [bests[name] * 10 ** (k / 4) for k in range(-8, 5) if bests[name] * 10 ** (k / 4) > 2 * step]
    scans[name] = {epsilon: error(getattr(torch, name), epsilon) for epsilon in at}
    far = max((measured.z_score(rms(epsilon, step, 1)) for epsilon, measured in scans[name].items()), key=abs)
    least = min(at, key=lambda epsilon: scans[name][epsilon].mean) / bests[name]
    print(f"{name:8} the farthest of {len(at)} points: z = {far:+.1f}; the least error is found at {least:.2g} ε*")

# %%
figure = style.new_figure(height=4.2)
axes, hold = figure.add_subplot(), {"label": "theory, ◇ at ε*"}
for name, marker in dtypes.items():
    at, errors, best = list(scans[name]), scans[name].values(), bests[name]
    bars = [style.BARS * one.standard_error for one in errors]
    axes.errorbar(at, [one.mean for one in errors], bars, label=name, **style.estimate(marker))
    axes.plot(at, [rms(epsilon, ulps[name], 1) for epsilon in at], **hold, **style.THEORY)
    axes.plot(best, rms(best, ulps[name], 1), "D", markersize=9, markerfacecolor="none", color=style.INK, zorder=4)
    hold = {}
axes.axvline(1e-3, label="the paper's ε", color=style.GREY, linewidth=1)
axes.set(xscale="log", yscale="log", xlabel="ε", ylabel="rms of pg − zᵀg, at ‖g‖ = 1")
style.despine(axes)
style.figure_legend(figure, columns=2)
show(
    figure,
    alt="Log-log chart of the rms error of the projected gradient against ε, a U for each of bfloat16, float16, float32 "
    "and float64. The points follow the dashed theory: down as 1/ε, up as ε². The minima, marked by diamonds, move left "
    "and down with precision. A grey line at the paper's ε = 0.001 lies left of all minima but that of float64.",
)

# %% [markdown]
# At $\varepsilon=10^{-3}$, by the formula:

# %%
for name, step in ulps.items():
    at_1e_3 = f"pg in steps of {step / 2e-3:.1e}, rms error {rms(1e-3, step, 1):.1e}"
    print(f"{name:8} ε* = {bests[name]:.1e}, error there {rms(bests[name], step, 1):.1e}; at ε = 1e-3: {at_1e_3}")

# %% [markdown]
# Below $\varepsilon^*$ the error rises as $1/\varepsilon$ (question 2). In float32 rounding is the larger part at $10^{-3}$, yet small beside $\|g\|=1$. In 16 bits one step of $pg$ is about the slope, or far
# more. Another loss has another $T$, but only its cube root counts.
#
# ## Experiment: the walk home
#
# Weights $N(0, 0.02^2)$, and a constant loss: nothing should move. `DriftMeter` compares with a run in float64.

# %%
weights = 0.02 * torch.randn(sized(full=20_000, fast=4000), generator=torch.Generator().manual_seed(0))
counts = sized(full=(1, 2, 4, 8, 16, 32, 64, 128, 256), fast=(1, 4, 16, 64))


def drift_estimate(meter, theta) -> Estimate:
    """Its error: the weights are a sample, and so are those that the meter follows."""
    drift = meter.drift()  # after which θ is home
    squares = (theta.detach().double() - weights.to(theta.dtype).double()).square()
    count = 1 / (1 / len(theta) + 1 / len(meter.places[0]))
    spread = float(squares.std() / squares.mean()) / 2 if drift else 0.0  # of a root, relative
    return Estimate(drift, drift * spread / math.sqrt(count), len(theta))


def drifts(dtype, counts, exact: bool = False) -> list[Estimate]:
    theta = torch.nn.Parameter(weights.to(dtype, copy=True))
    optimizer = MeZO([theta], lr=1.0, exact=exact)
    meter, estimates = DriftMeter(optimizer), []
    for k in range(1, max(counts) + 1):
        optimizer.step(lambda: 0.0)
        meter.follow()
        if k in counts:
            estimates.append(drift_estimate(meter, theta))
    return estimates


def rounding_of(dtype) -> float:
    stored = weights.to(dtype)  # rms of ulp(θ) over rms of θ
    return float(unit_in_last_place(stored).norm() / stored.double().norm())


# %%
figure = style.new_figure(height=3.6)
axes = figure.add_subplot()
for dtype, marker in ((torch.bfloat16, "sphere"), (torch.float32, "gaussian")):
    measured, theory = drifts(dtype, counts), [math.sqrt(k / 2) * rounding_of(dtype) for k in counts]
    name = str(dtype).removeprefix("torch.")
    bars = [style.BARS * one.standard_error for one in measured]
    axes.errorbar(counts, [one.mean for one in measured], bars, label=f"{name}, plain", **style.estimate(marker))
    axes.plot(counts, theory, label="√(K/2) · ulp" if dtype is torch.float32 else None, **style.THEORY)
    print(f"{name:8} drift after {counts[-1]} cycles {measured[-1]}, formula {theory[-1]:.3g}")
    once = torch.nn.Parameter(weights.to(dtype, copy=True))
    MeZO([once], lr=1.0).step(lambda: 0.0)
    print(f"{'':8} after one cycle {(once != weights.to(dtype)).float().mean():.0%} of the weights are not back")
exact = drifts(torch.bfloat16, counts, exact=True)
print(f"bfloat16, exact mode: the largest drift is {max(one.mean for one in exact)}")
floor = [1e-8 + one.mean for one in exact]  # 0 has no place on this axis
axes.plot(counts, floor, "x", color=style.INK, clip_on=False, label="bfloat16, exact: 0, drawn at the lower edge")
axes.set(xscale="log", yscale="log", ylim=(1e-8, 1), xlabel="cycles K", ylabel="drift / rms of the weights")
style.despine(axes)
style.figure_legend(figure)
show(
    figure,
    alt=f"Log-log chart of the drift, in units of the weights' rms, against the number of cycles from 1 to {counts[-1]}. "
    "bfloat16 and float32 rise along dashed lines of slope one half, bfloat16 five decades higher. The exact mode has no "
    "drift at any K.",
)

# %% [markdown]
# About half of the weights are an ulp off after one cycle (question 3), and the formula is exact, for weights that share one ulp. Here ulps differ, and the
# figure uses their mean square. Where a probe carries a weight past a power of two, two ulps meet, and both fall short; the check below avoids this.
#
# ## Check
#
# Smoothing; decoys: a bias without the ½, or none.

# %%
bias = verify("smoothing")
print(bias)
show(bias)

# %% [markdown]
# The U; decoys: one branch alone, and a rounding not divided by $2\varepsilon$.

# %%
points = {"float32": (1e-3, 1e-2), "bfloat16": sized(full=(0.03, 0.1, 0.3), fast=())}
u_curve = [verify("rounding", dtype=name, epsilon=epsilon) for name, at in points.items() for epsilon in at]
for verdict in u_curve:
    print(verdict)
show(u_curve)

# %% [markdown]
# The walk, in units of ulp², where all weights have one ulp; decoys: three independent roundings, $K/4$, and a drift in one direction,
# $K^2/2$. The control of the exact mode is the plain mode.

# %%
settings = sized(full=(("bfloat16", 4), ("bfloat16", 16), ("float32", 16)), fast=(("bfloat16", 16), ("float32", 4)))
walks = [verify("restore", measure="drift", dtype=name, cycles=cycles) for name, cycles in settings]
home = [verify("restore", measure="exact", dtype=name, cycles=4) for name in ("bfloat16", "float32")]
for verdict in walks + home:
    print(verdict)
    print("   decoys:", ", ".join(f"{one.statement} (mean {one.estimate})" for one in verdict.decoys))
show(walks + home)

# %% [markdown]
# ## What it means
#
# - **ε.** Compute the loss in float32, whatever the weights are in: at $\varepsilon=10^{-3}$ its rounding is then small beside the slope.
# - **The walk.** The code published with the paper walks as Algorithm 1 does, and its scripts load models in float16. A user saw weights
#   that had not come back ([issue 42](https://github.com/princeton-nlp/MeZO/issues/42)): float32 trained Llama 2, float16 did not.
# - **The update.** Far below the spacing of the weights, nearly all of it is rounded away, *if it is made by itself*, as in that
#   code. `update_over_spacing` warns of it.
#
# How much of an update arrives in bfloat16, if the slope along $z$ is 5? Added by itself, or folded into the last move of the walk, as in
# this library; both against the exact mode, which has all of it.

# %%
before = (0.02 * torch.randn(200_000, generator=torch.Generator().manual_seed(1))).bfloat16()


def stepped(lr: float, exact: bool):
    theta = torch.nn.Parameter(before.clone())
    optimizer = MeZO([theta], lr, exact=exact, check_closure=False)
    optimizer.step(cycle((0.005, -0.005)).__next__)
    return optimizer, theta.detach().float()


def share_of_update(change, full_update) -> str:
    gain = float(change @ full_update / (full_update @ full_update))
    return f"{gain:.3f} ± {float((change - gain * full_update).norm() / full_update.norm()) / math.sqrt(len(full_update)):.3f}"


for lr in (1e-6, 1e-5, 1e-4):
    fine, _ = stepped(lr, exact=True)
    full_update = theta_of(fine)[0] - before.float()
    alone = (before.float() + full_update).bfloat16().float() - before.float()
    _, folded = stepped(lr, exact=False)
    shares = f"by itself {share_of_update(alone, full_update)}, folded {share_of_update(folded - before.float(), full_update)}"
    print(f"η = {lr:.0e}: update/spacing {update_over_spacing(fine):.2f}; of it arrives {shares}")

# %% [markdown]
# A folded update arrives on average, as the probe is a dither; but the drift of the walk comes on top. The exact mode has neither loss
# nor drift.
#
# ## Where it breaks
#
# The U assumes that the two losses are rounded independently: that they lie an ulp or more apart. Return a loss of 3.11 in bfloat16, at
# $\varepsilon=10^{-3}$:

# %%
for dtype in (torch.bfloat16, torch.float32):
    theta = torch.nn.Parameter(start.clone())
    optimizer = MeZO([theta], lr=1e-3, epsilon=1e-3, exact=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(100):
            optimizer.step(lambda dtype=dtype, theta=theta: (3.11 + bed(theta)).to(dtype))
    seen = {str(w.message) for w in caught}
    print(
        f"{dtype}: {optimizer.diagnostics.zero_rate():.0%} of pg are 0, θ moved by {theta.norm():.3f}; warned: {seen}"
    )

# %% [markdown]
# Both sides round to one number: no difference, no step. Were they to round to two numbers, $pg$ would be a whole
# $\operatorname{ulp}/(2\varepsilon)$.
#
# ## Exercises
#
# **6.1 (paper).** Let $R$ round to the nearest multiple of one ulp, and let $\theta$ be such a multiple. Show that a cycle ends at
# $\theta + 2R(x) - R(2x)$ with $x=\varepsilon z$, and that this is off by one ulp half of the time when $x$ is spread over many ulp.

# %% [markdown] tags=["solution"]
# **Solution.** On the grid, rounding $\theta + x$ gives $\theta + R(x)$. So the three moves give $\theta + R(x)$, then $\theta + R(x) - R(2x)$, then
# $\theta + 2R(x) - R(2x)$. Write $x=(m+f)\operatorname{ulp}$ with $m$ whole and $f$ uniform in $[-\tfrac12, \tfrac12)$. Then $2R(x)=2m\operatorname{ulp}$, and $R(2x)=(2m + k)\operatorname{ulp}$ where
# $k$ is $2f$ rounded: 0 when $|f| < \tfrac14$, which is half of the time, else $\pm1$. Three independent roundings would give $3/12$ in place of $\tfrac12$.

# %% [markdown]
# **6.2 (code).** The distance from a number to the next one of its dtype. bfloat16 has 7 bits of mantissa, float16 10, float32 23.

# %%
from mezo_lab.course.exercises.rounding import check_best_epsilon, check_cycles, check_ulp


def ulp(value: float, mantissa_bits: int) -> float:
    # BEGIN SOLUTION
    return 2.0 ** (math.floor(math.log2(abs(value))) - mantissa_bits)
    # END SOLUTION


check_ulp(ulp)

# %% [markdown]
# **6.3 (code).** After how many cycles is the drift this share of the weights' rms? What does the meter say there?


# %%
def cycles_until(share: float, ulp: float, rms: float) -> float:
    # BEGIN SOLUTION
    return 2 * (share * rms / ulp) ** 2
    # END SOLUTION


check_cycles(cycles_until)
for share in (0.01, 0.02):
    count = round(cycles_until(share, rounding_of(torch.bfloat16), 1.0))  # both in units of the rms
    print(f"{share:.0%} after {count} cycles; the meter has {drifts(torch.bfloat16, [count])[0].mean:.2%}")

# %% [markdown]
# **6.4 (experiment).** Adding a constant to the loss changes no gradient, but it does change the last digit. Give $\varepsilon^*$ for a loss of a
# given size, with your `ulp`, and look for the minimum. How does it move when the loss is 100 times larger?


# %%
def best_epsilon(size: float, mantissa_bits: int, third: float) -> float:
    # BEGIN SOLUTION
    return (ulp(size, mantissa_bits) / (4 * math.sqrt(3) * third)) ** (1 / 3)
    # END SOLUTION


check_best_epsilon(best_epsilon)
for size in (1.5, 150.0, 15_000.0):
    own = best_epsilon(size, 23, 1.0)
    errors = ", ".join(f"{factor:g}·ε*: {error(torch.float32, factor * own, size).mean:.2e}" for factor in (0.5, 1, 2))
    print(f"loss {size:>7}: ε* = {own:.4f}; error at {errors}")

# %% [markdown] tags=["solution"]
# **Solution.** $\operatorname{ulp}$ is proportional to the size, up to a factor 2, so $\varepsilon^*$ grows as its cube root and the least error as its power $\tfrac23$. A sum
# of losses over tokens in place of their mean multiplies $T$ too, and leaves $\varepsilon^*$ about where it is.

# %% [markdown]
# ## Summary
#
# - A finite $\varepsilon$ estimates the gradient of a smoothed loss; the bias begins with $\tfrac12\varepsilon^2\nabla(\Delta L)$.
# - Rounding of the loss costs $1/\varepsilon$, truncation $\varepsilon^2$: the error is a U, least at $(\operatorname{ulp}/(4\sqrt3\,T))^{1/3}$.
# - A probe walked in place leaves about half of the weights an ulp off; over $K$ steps they drift as $\sqrt K$.
# - An update far below the weights' spacing is lost if it is added by itself. The exact mode loses nothing.
#
# **Limits.** In the U only the final loss was rounded; displaced weights and the layers of a network round too. `epsilon_scan` measures
# the U of your own model. What drift does to the loss was not measured.
#
# **Further reading.** Y. Nesterov and V. Spokoiny, *Random gradient-free minimization of convex functions*, 2017. N. J. Higham,
# *Accuracy and stability of numerical algorithms*, 2002, Chapter 2. S. Malladi et al., *Fine-tuning language models with just
# forward passes*, 2023, Algorithm 1.
#
# **Next:** slips in the literature, each measured.
