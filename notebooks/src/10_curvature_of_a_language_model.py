# %% [markdown]
# # 10. Curvature of a real language model
#
# **Claim.** By the end you will have shown that forward passes alone see the slope and the curvature of a real loss, that of a language
# model on film reviews, and that its effective rank, not its number of parameters, sets the scale of MeZO's learning rate. The evidence: each probe
# beside differentiation, and runs that diverge beside a prediction. The controls: another seed's $z$; the predictions of SGD and of the dimension tax.
#
# **You will be able to** check a projected gradient without trusting it; measure $\operatorname{tr}H$, $\lambda_{\max}$ and $r$ with their errors; predict a
# learning rate from them, and say how far to trust it.
#
# **Before this:** notebooks 1, 4, 5 and 6. **Time:** 50 minutes; the cells run within two, on a processor alone. **In the paper** (Malladi et al. 2023): Definition 1,
# Assumption 1, Theorem 2.

# %%
from mezo_lab.course.notebook import needs_real_model, record_path, show, sized

needs_real_model()  # it is named, with the command that installs it, where it is missing

# %%
import json
import math

import torch

from mezo_lab import LAWS, Estimate
from mezo_lab.curvature import (
    gaussian_direction,
    gradient,
    hessian_products,
    inner_product,
    largest_eigenvalue_iterated,
    projected_gradients,
    projections,
    second_differences,
    trace_estimate,
    vector_norm,
)
from mezo_lab.finetune import reviews, smollm2, task_loss
from mezo_lab.report.figures import style
from mezo_lab.report.figures import RateRun, divergence_alt_text, divergence_figure
from mezo_lab.sampling import RunningMoments
from mezo_lab.theory import largest_stable_lr, stability_bounds

# %% [markdown]
# ## One model, one batch, one loss
#
# SmolLM2-135M reads a review inside a prompt and predicts the next word. The loss is the cross-entropy of the right label word against the other one. With
# the batch fixed, it is one function of $\theta$.

# %%
model, tokenizer = smollm2()
del model.model.layers[sized(full=30, fast=4) :]  # all thirty for a reader
layer = list(model.model.layers[-1].parameters())  # the last
parameters = sized(full=list(model.parameters()), fast=layer)
short = [row for row in reviews(seed=0) if 40 <= len(row["text"]) <= 60]  # characters: quick to read
batch, TASK = short[:2], "rotten-tomatoes/sentiment"
loss = task_loss(model, tokenizer, batch, TASK)
d = sum(parameter.numel() for parameter in parameters)
for row in batch:
    print(f"{'positive' if row['label'] else 'negative'}: {row['text']}")
print(f"loss {float(loss().detach()):.4f}, a function of {d:,} parameters")

# %% [markdown]
# ## Statement and derivation
#
# **Statement** (claims D1 and D2). With $g=\nabla L$, $H=\nabla^2L$ and Gaussian $z$, as $\varepsilon\to0$,
#
# $$pg = \frac{L(\theta+\varepsilon z) - L(\theta-\varepsilon z)}{2\varepsilon} = z^\top g,\qquad \mathbb{E}[pg^2] = \|g\|^2,$$
#
# $$\frac{L(\theta+\varepsilon z) - 2L(\theta) + L(\theta-\varepsilon z)}{\varepsilon^2} = z^\top Hz,\qquad \mathbb{E}[z^\top Hz] = \operatorname{tr}H,\quad
# \operatorname{Var}[z^\top Hz] = 2\operatorname{tr}H^2.$$
#
# **Derivation.**
#
# 1. Taylor: $L(\theta\pm\varepsilon z)=L \pm \varepsilon\,z^\top g+\tfrac12\varepsilon^2\,z^\top Hz \pm \tfrac16\varepsilon^3\,\nabla^3L[z,z,z]+O(\varepsilon^4)$. The difference keeps the odd terms, the sum the even ones.
# 2. $\mathbb{E}[zz^\top]=I$ gives both means: $\mathbb{E}[g^\top zz^\top g]=\|g\|^2$ and $\mathbb{E}[z^\top Hz]=\operatorname{tr}H$.
# 3. In the eigenbasis of $H$, $z^\top Hz=\sum_i\lambda_iz_i^2$ with independent $z_i^2$ of variance 2: the variance is $2\sum_i\lambda_i^2$.
#
# The right sides need no probe: backpropagation gives $g$, and differentiating $v^\top g$ once more gives $Hv$ (Pearlmutter 1994). So every probe can be checked by itself.
#
# ## Predict first
#
# Write your answers down before you go on.
#
# 1. There are a hundred million parameters. How closely will a projected gradient agree with $z^\top g$, in per cent of $\|g\|$?
# 2. How many probes determine $\|g\|^2$ to 10 %?
# 3. How large is the effective rank $r=\operatorname{tr}H/\lambda_{\max}$: 3, 300, or 30,000?
# 4. The last stable rate of a quadratic is predicted. Will the real loss diverge sooner, later, or there?
#
# ## Experiment: slopes, probe by probe
#
# One backward pass, then some probes along signs, which are the quickest to draw.

# %%
g = gradient(parameters, loss)
grad_norm = vector_norm(g)
probes = {"count": 10, "law": "rademacher", "seed": 0}
pg = projected_gradients(parameters, loss, **probes) / grad_norm
along = projections(parameters, g, **probes) / grad_norm
print(f"‖g‖ = {grad_norm:.2f}, from one backward pass; both columns in units of it")
for seen, exact, other in zip(pg.tolist(), along.tolist(), along.roll(1).tolist(), strict=True):
    print(f"pg {seen:+.4f}   zᵀg {exact:+.4f}   zᵀg of another probe {other:+.4f}")

# %%
figure = style.new_figure(height=3.6)
axes = figure.add_subplot()
axes.axline((0, 0), slope=1, label="theory: slope 1", **style.THEORY)
axes.plot(along, pg, "s", color=style.LAW_STYLES["rademacher"][1], label="the probe's own zᵀg")
axes.plot(along.roll(1), pg, "x", color=style.GREY, label="control: another probe's zᵀg")
axes.set(xlabel="zᵀg/‖g‖, from a backward pass", ylabel="pg/‖g‖, from two forward passes")
style.despine(axes)
style.figure_legend(figure)
show(
    figure,
    alt="Scatter of the projected gradient against zᵀg, both over the norm of g. Each probe lies on the dashed line of slope 1; "
    "the crosses, which pair a projected gradient with another probe's zᵀg, are scattered all over.",
)

# %% [markdown]
# The slope, as an estimate: $1+(pg-z^\top g)\,z^\top g/\|g\|^2$ has the mean $\mathbb{E}[pg\,z^\top g]/\|g\|^2$. The control pairs each $pg$ with the $z^\top g$ of
# the others, where the mean is 0; as each pair occurs twice, its variance is $2/(N(N-1))$. And $pg^2$ over $\|g\|^2$:


# %%
def mean(values) -> Estimate:
    running = RunningMoments()
    running.add(values)
    return running.estimate()


slope = mean(1 + (pg - along) * along)
pairs = len(pg) * (len(pg) - 1)
products = float(pg.sum() * along.sum() - pg @ along)  # of all pairs but a probe with itself
control = Estimate(products / pairs, math.sqrt(2 / pairs), pairs)
square = mean(pg**2)
print(f"slope   {slope}, z = {slope.z_score(1):+.1f} from 1")
print(f"control {control}, z = {control.z_score(1):+.1f} from 1, {control.z_score(0):+.1f} from 0")
print(f"mean pg²/‖g‖² = {square}: {math.sqrt(2 / len(pg)):.0%} of error are to be expected")

# %% [markdown]
# The slope is sharp after a handful of probes, as each is compared with its own $z^\top g$. The mean of $pg^2$ is not: $pg \approx \|g\|\,N(0,1)$, and $pg^2$ has a
# relative standard deviation of $\sqrt2$. After $N$ probes $\sqrt{2/N}$ is left; 10 % takes 200 of them.
#
# ## Experiment: curvature, direction by direction
#
# $z^\top Hz$ from three losses, and from a Hessian-vector product along the same $z$, now Gaussian.

# %%
epsilon = sized(full=5e-4, fast=3e-3)  # a layer alone bends the loss less: it needs a larger one
curved = second_differences(parameters, loss, draws=sized(full=5, fast=4), epsilon=epsilon, seed=0)
product = hessian_products(parameters, loss)
for k in range(2):
    z = list(gaussian_direction(parameters, 0, k))
    exact = inner_product(z, product(z))
    print(f"zᵀHz: by second differences {float(curved[k]):+9.1f}, by differentiation {exact:+9.1f}")

# %% [markdown]
# They agree in each direction; the directions differ among themselves by far more. That scatter is not an error: it is $\sqrt{2\operatorname{tr}H^2}$, and it makes the
# trace slow. The largest eigenvalue, on the other hand, comes quickly: Lanczos' iteration multiplies a vector by $H$, again and again, and where one eigenvalue stands apart a
# few products find it. The $\pm$ behind it is a bound: some eigenvalue lies that close.

# %%
live = trace_estimate(curved)
top = largest_eigenvalue_iterated(parameters, loss, most=sized(full=5, fast=4), seed=0)
print(f"tr H = {live}; scatter of one direction {float(curved.std()):.0f}")
print(f"λ_max = {top}")
print(f"r = {live.mean / top.value:.2f} ± {live.standard_error / top.value:.2f}, from few directions")

# %% [markdown]
# ## Check
#
# The record holds more: both claims as experiments of the registry, fixed in size before they began. `make results` writes it, and takes its time: the projected
# gradients on 16 reviews and their squares on 2, the second differences on 16.

# %%
records = [json.loads(record_path(name).read_text()) for name in ("results/models.json", "results/curvature.json")]
for verdict in [verdict for record in records for verdict in record["verdicts"]]:
    measured = Estimate(verdict["mean"], verdict["standard_error"], verdict["count"])
    print(f"{verdict['id']} {verdict['law']} {verdict['parameters']}: {measured!r}")
    print(f"   z = {measured.z_score(verdict['expected']):+.1f} from {verdict['expected']:g}: {verdict['status']}")
    for decoy in verdict["decoys"]:
        print(f"   decoy {decoy['statement']}: z = {decoy['z_score']:+.0f}, {decoy['status']}")

# %% [markdown]
# All are ratios to the result of differentiation, so the theory is 1. The decoys: another seed's $z^\top g$; $2/\pi$, the result of averaging $|pg|$ and
# squaring; and a second difference off by a factor 2.
#
# ## From curvature to a learning rate
#
# A second record, which `benchmarks/divergence.py` writes, has $\operatorname{tr}H$, $\operatorname{tr}H^2$ and $\lambda_{\max}$ at the pretrained $\theta$ on 16 reviews, and the runs of the next section.

# %%
record = json.loads(record_path("results/divergence.json").read_text())
trace, trace_sq, norm, rank = (record["curvature"][name] for name in ("trace", "trace_sq", "norm", "effective_rank"))
for name, (value, error) in {"tr H": trace, "tr H²": trace_sq, "λ_max": norm}.items():
    print(f"{name:>5} = {value:.4g} ± {error:.2g}")
r = trace[0] / norm[0]
error = r * math.hypot(trace[1] / trace[0], norm[1] / norm[0])
print(f"    r = {r:.2f} ± {error:.2f}, of d = {model.num_parameters():,} dimensions")

# %% [markdown]
# **Statement** (Theorem 2; notebook 5). On a quadratic with $H \succeq 0$ the mean loss does not grow up to
#
# $$\eta = \frac{2}{\lambda_{\max}\,\gamma},\qquad \gamma = \frac{r+n+1}{n},\qquad\text{that is}\quad \eta = \frac{2n}{\operatorname{tr}H + (n+1)\,\lambda_{\max}}.$$
#
# The true edge lies at or above this; $\operatorname{tr}H^2$ bounds it from above too (claim E6; Song et al. 2026). The other predictions: SGD has $\gamma=1$, the dimension tax $d$ in place of $r$.
#
# The runs use signs, for which $\mathbb{E}[\hat g^\top H\hat g]$ is $2\sum_iH_{ii}g_i^2$ less (claim B4). In directions drawn at random that is of the order of $2/d$ times $\operatorname{tr}H\,\|g\|^2$ (claim B10), and for $r \ll d$ signs
# are as good as Gaussian; along the coordinates it may be $2/r$. Whether $H$ lies along them is a matter of measurement: $(s\circ g)^\top H(s\circ g)$ for random signs $s$ has the mean $\sum_iH_{ii}g_i^2$.

# %%
axes_record = json.loads(record_path("results/axes.json").read_text())
share, share_error = axes_record["share"]
print(f"Σ H_ii g_i² = ({share:.4f} ± {share_error:.4f})·tr H·‖g‖², where 1/d = {1 / axes_record['parameters']:.0e}")
print(f"signs lower γ, {r + 2:.1f} for the Gaussian, by {2 * share * r:.2f}")

# %% [markdown]
# That is far more than $1/d$: this $H$ does lean towards the coordinates. Next to $\gamma$ it is little, and the Gaussian formula will do for these signs.

# %%
gaussian, d = LAWS["gaussian"].moments(1), model.num_parameters()
low, high = stability_bounds(trace[0], trace_sq[0], norm[0], 1, gaussian)
predicted, margin = record["curvature"]["lr"]
rates = {
    "safe, 2/(λ_max·γ)": largest_stable_lr(norm[0], r + 2),
    "predicted": (low + high) / 2,
    "SGD's, 2/λ_max": largest_stable_lr(norm[0], 1),
    "taxed, d for r": largest_stable_lr(norm[0], d + 2),
}
for name, rate in rates.items():
    print(f"{name:>18}: {rate:.3g}")
print(f"the three numbers leave {low:.3g} to {high:.3g}; with their errors ± {margin:.1g}")

# %% [markdown]
# ## Where training really diverges
#
# MeZO itself, on the same batch of the record, at multiples of the predicted rate, each run with the same $z$. A run has diverged when its loss has grown tenfold.

# %%
runs = [RateRun(run["lr"], run["losses"], run["diverged"]) for run in record["runs"]]
show(divergence_figure(runs, predicted, margin), alt=divergence_alt_text(runs, predicted, margin))

# %%
trains = max(run.lr for run in runs if not run.diverged)
diverges = min(run.lr for run in runs if run.diverged)
edge = math.sqrt(trains * diverges)  # the middle, on a logarithmic scale
print(f"the largest rate that trains {trains:.2g}, the smallest that diverges {diverges:.2g}")
print(f"the real edge lies {'below' if edge < predicted else 'above'} the prediction")
for name, rate in rates.items():
    print(f"{name:>18}: {rate / edge:8.2g} times the real edge, 10^{math.log10(rate / edge):+.1f}")

# %% [markdown]
# ## What it means
#
# The tax of notebook 4 is refuted by orders of magnitude: at the rate that it allows, training would hardly begin. SGD's rate errs the other way, by
# a factor of the order of $\gamma$. The effective rank gives the right order, before any training.
#
# It gives no more than that. The prediction holds for a quadratic with the $H$ of the first $\theta$, whereas a run moves on and may meet
# larger curvature. On a quadratic a single run would even *outlive* the predicted edge where few directions matter (notebook 4). So an edge below the prediction comes
# from what a quadratic lacks. In practice: measure, then begin well below.
#
# ## Where it breaks
#
# The statement has $\varepsilon\to0$, and the loss is float32. A second difference divides the rounding error by $\varepsilon^2$, and the fourth derivative enters in proportion to $\varepsilon^2$.
# The last layer alone shows it: its $H$ is a block of the whole, and quick to differentiate.

# %%
draws = sized(full=4, fast=2)
product = hessian_products(layer, loss)
exact = torch.tensor(
    [inner_product(z, product(z)) for z in (list(gaussian_direction(layer, 0, k)) for k in range(draws))]
)
missed, bars = {}, {}
for size in sized(full=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2), fast=(1e-4, 3e-3, 3e-2)):
    seen = second_differences(layer, loss, draws=draws, epsilon=size, seed=0)
    squares = (seen - exact).square()
    missed[size] = float((squares.mean() / exact.square().mean()).sqrt())
    bars[size] = missed[size] * float(squares.std() / squares.mean()) / 2 / math.sqrt(draws)
    print(f"ε = {size:g}: zᵀHz is missed by {missed[size]:.1%} ± {bars[size]:.1%}")

# %%
figure = style.new_figure(height=3.2)
axes = figure.add_subplot()
sizes = list(missed)
for power, anchor, label in ((-2, sizes[0], "theory: ∝ ε⁻² and ∝ ε², through the ends"), (2, sizes[-1], None)):
    line = [missed[anchor] * (size / anchor) ** power for size in sizes]
    axes.plot(sizes, line, label=label, **style.THEORY)
label = "relative error of zᵀHz ± standard error"
axes.errorbar(sizes, list(missed.values()), list(bars.values()), label=label, **style.estimate("gaussian"))
axes.set(xscale="log", yscale="log", xlabel="ε", ylabel="relative error", ylim=(min(missed.values()) / 3, None))
style.despine(axes)
style.figure_legend(figure)
show(
    figure,
    alt="Log-log chart of the relative error of zᵀHz against ε. It falls with ε at first, along a dashed line of slope −2, and rises again "
    "at the largest ε, along one of slope 2: a valley between them.",
)

# %% [markdown]
# A valley, like that of the projected gradient in notebook 6, but steeper. Outside it the second difference has no meaning, and nothing warns you.
#
# ## Exercises
#
# **10.1 (paper).** How many Gaussian directions determine $\operatorname{tr}H$ to a relative error $\delta$? Give the answer in terms of $\tilde r=(\operatorname{tr}H)^2/\operatorname{tr}H^2$, then
# show that for $H \succeq 0$ at most $2/(r\,\delta^2)$ are needed. Which loss is the hardest, and why is a large model no harder?

# %% [markdown] tags=["solution"]
# **Solution.** The mean of $N$ has the relative variance $2\operatorname{tr}H^2/(N(\operatorname{tr}H)^2)=2/(N\tilde r)$, so $N=2/(\tilde r\,\delta^2)$. For $H \succeq 0$, $\operatorname{tr}H^2=\sum\lambda_i^2\le\lambda_{\max}\operatorname{tr}H$,
# hence $\tilde r \ge r$ and $N \le 2/(r\,\delta^2)$. Rank 1 is the hardest: $N=2/\delta^2$, as for $\|g\|^2$. Only ratios of eigenvalues enter; $d$ does not. But with negative eigenvalues $\operatorname{tr}H$ may vanish
# where $\operatorname{tr}H^2$ does not, and then no $N$ suffices.

# %% [markdown]
# **10.2 (code).** The second difference, $z^\top Hz$ from evaluations of `loss` alone. Five minutes.

# %%
from mezo_lab.course.exercises.curvature import check_rank_and_error, check_second_difference, check_stable_rates


def second_difference(loss, theta, z, epsilon):
    # BEGIN SOLUTION
    return (loss(theta + epsilon * z) - 2 * loss(theta) + loss(theta - epsilon * z)) / epsilon**2
    # END SOLUTION


check_second_difference(second_difference)

# %% [markdown]
# **10.3 (code).** Two rates between which the largest stable one lies, for $n$ Gaussian probes: the safe rate, with $c=\lambda_{\max}$, and
# the bound from above, which is the same formula $2n/(\operatorname{tr}H+(n+1)\,c)$ with $c=\operatorname{tr}H^2/\operatorname{tr}H$. Derive it from $\gamma$ first. Ten minutes.


# %%
def stable_rates(trace, trace_sq, norm, probes):
    # BEGIN SOLUTION
    safe = 2 * probes / (trace + (probes + 1) * norm)
    above = 2 * probes / (trace + (probes + 1) * trace_sq / trace)
    return safe, above
    # END SOLUTION


check_stable_rates(stable_rates)
for n in (1, 4, 16):
    print(f"n = {n:>2}: {' to '.join(f'{rate:.3g}' for rate in stable_rates(trace[0], trace_sq[0], norm[0], n))}")

# %% [markdown]
# **10.4 (experiment).** First $r$ with its error, from independent errors of $\operatorname{tr}H$ and $\lambda_{\max}$. Then compare: the same layer on another batch, and under the
# paper's prompt (`rotten-tomatoes`). Does $r$ change by more than its errors? Does $\lambda_{\max}$? Predict, then raise `draws` until you can tell.


# %%
def rank_and_error(trace, trace_error, norm, norm_error):
    # BEGIN SOLUTION
    r = trace / norm
    return r, r * math.hypot(trace_error / trace, norm_error / norm)
    # END SOLUTION


check_rank_and_error(rank_and_error)
draws, most = sized(full=(10, 6), fast=(3, 3))
beds = {"this batch": (batch, TASK), "another batch": (short[2:4], TASK), "another prompt": (batch, "rotten-tomatoes")}
for name, (rows, task) in beds.items():
    other = task_loss(model, tokenizer, rows, task)
    differences = second_differences(layer, other, draws=draws, epsilon=3e-3, seed=0)
    t, top = trace_estimate(differences), largest_eigenvalue_iterated(layer, other, most=most)
    r, error = rank_and_error(t.mean, t.standard_error, top.value, top.residual)
    print(f"{name:>14}: tr H = {t}, λ_max = {top}, r = {r:.1f} ± {error:.1f}")

# %% [markdown] tags=["solution"]
# **Solution.** The top eigenvalue is known within a few products and is a property of the batch and the prompt: one batch's curvature is not the data's. The trace needs far
# more directions: by 10.1 their number is $2/(\tilde r\delta^2)$, and in a block whose eigenvalues have both signs $\tilde r$ is small. There $r$ counts no directions either: it may be less than 1, even
# negative, and `mezo-lab lr` refuses a trace that cannot be told from 0.

# %% [markdown]
# ## Summary
#
# - On a real model each projected gradient is $z^\top g$, and each second difference is $z^\top Hz$, checked by differentiation.
# - Means over probes are slow: $2/\delta^2$ probes for $\|g\|^2$, $2/(\tilde r\delta^2)$ for $\operatorname{tr}H$, whatever $d$. $\lambda_{\max}$ takes a few products.
# - $\eta=2n/(\operatorname{tr}H+(n+1)\lambda_{\max})$ is of the order of the rate at which training diverges. The dimension tax is not.
#
# **Limits.** One model, one $\theta$, small batches; a quadratic's prediction for a loss that is not quadratic; an $H$ that may have negative eigenvalues, which the theorem excludes. The real edge is known only
# to lie between two rates that were tried.
#
# **Further reading.** B. A. Pearlmutter, *Fast exact multiplication by the Hessian*, 1994. B. Ghorbani, S. Krishnan and Y. Xiao, *An investigation into neural net
# optimization via Hessian eigenvalue density*, 2019. J. Cohen et al., *Gradient descent on neural networks typically occurs at the edge of stability*, 2021. M. Song et al.,
# *Zeroth-order optimization at the edge of stability*, arXiv 2604.14669, 2026.
#
# **Next:** fine-tuning this model, from end to end.
