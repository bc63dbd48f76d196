# %% [markdown]
# # 10. Curvature of a real language model
#
# **Claim.** By the end you will have shown that forward passes alone reveal the slope and the curvature of a real loss, that of a language
# model on film reviews. You will also have shown that the effective rank $r=\operatorname{tr}H/\lambda_{\max}$ of its Hessian, not its number of parameters, sets the scale of
# MeZO's learning rate. The evidence is each probe beside differentiation, and runs that diverge beside a prediction. The controls are the $z$ of another seed,
# and the predictions of SGD and of the dimension tax.
#
# **You will be able to** check a projected gradient without trusting it; measure $\operatorname{tr}H$, $\lambda_{\max}$ and $r$ with their errors; predict a
# learning rate from them, and say how far to trust it.
#
# **Before this:** notebooks 1, 4, 5 and 6. **Time:** 80 minutes; the cells run within two, on a processor alone.
# **In the paper** (Malladi et al. 2023): Definition 1, Assumption 1, Theorem 2.

# %%
from mezo_lab.course.notebook import distance, needs_real_model, predict, record_path, show, sized

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
from mezo_lab.report import figures
from mezo_lab.sampling import RunningMoments
from mezo_lab.theory import largest_stable_lr, stability_bounds

# %% [markdown]
# ## One model, one batch, one loss
#
# SmolLM2-135M reads a review inside a *prompt*, a sentence that asks for a verdict, and predicts the next word. Two words count as answers, the *label
# words*, one for a positive and one for a negative review. The loss is the *cross-entropy* $-\log q$, where $q$ is the probability of the right label word
# when only these two words are allowed. Because the batch is fixed, the loss is one function of the parameters $\theta$.

# %%
model, tokenizer = smollm2()
del model.model.layers[sized(full=30, fast=4) :]  # all thirty for a reader
layer = list(model.model.layers[-1].parameters())  # the last
parameters = sized(full=list(model.parameters()), fast=layer)
short = [row for row in reviews(seed=0) if 40 <= len(row["text"]) <= 60]  # characters: quick to read
batch, TASK = short[:2], "rotten-tomatoes/sentiment"
loss = task_loss(model, tokenizer, batch, TASK)
d = sum(parameter.numel() for parameter in parameters)
show([{"label": "positive" if row["label"] else "negative", "review": row["text"]} for row in batch])
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
# 1. Taylor's theorem gives $L(\theta\pm\varepsilon z)=L \pm \varepsilon\,z^\top g+\tfrac12\varepsilon^2\,z^\top Hz \pm \tfrac16\varepsilon^3\,\nabla^3L[z,z,z]+O(\varepsilon^4)$, where $\nabla^3L[z,z,z]$ is the third
#    derivative of $L$ along $z$. The difference of the two sides keeps the odd terms, and their sum keeps the even ones.
# 2. $\mathbb{E}[zz^\top]=I$ gives both means: $\mathbb{E}[g^\top zz^\top g]=\|g\|^2$ and $\mathbb{E}[z^\top Hz]=\operatorname{tr}H$.
# 3. In the eigenbasis of $H$, $z^\top Hz=\sum_i\lambda_iz_i^2$ with independent $z_i^2$ of variance 2, and so the variance is $2\sum_i\lambda_i^2$.
#
# Backpropagation gives $g$. Differentiating the number $v^\top g$ once more gives the *Hessian–vector product* $Hv$, which tells how
# the gradient changes along $v$, and $H$ itself is never formed (Pearlmutter 1994). Every single probe can therefore be checked.
#
# ## Predict first
#
# Write your answers between the quotation marks before you go on.
#
# 1. (`percent`) There are a hundred million parameters. How closely will a projected gradient agree with $z^\top g$, in per cent of $\|g\|$?
# 2. (`probes`) How many probes determine $\|g\|^2$ to 10 %?
# 3. (`rank`) How large is the effective rank $r$: 3, 300, or 30,000?
# 4. (`edge`) The largest stable rate of a quadratic is predicted. Will the real loss begin to diverge at a lower rate, at a higher one, or there?

# %%
predictions = predict(percent="", probes="", rank="", edge="")

# %% [markdown]
# ## Experiment: slopes, probe by probe
#
# We take one backward pass, and then some probes along signs, which are the quickest to draw. Everything is measured in units of $\|g\|$.

# %%
g = gradient(parameters, loss)
grad_norm = vector_norm(g)
probes = {"count": 10, "law": "rademacher", "seed": 0}
pg = projected_gradients(parameters, loss, **probes) / grad_norm
along = projections(parameters, g, **probes) / grad_norm
pair = pg.tolist(), along.tolist()
show(figures.slopes_figure(*pair), alt=figures.slopes_alt_text(*pair))
predictions.compare("percent", f"the largest disagreement is {float((pg - along).abs().max()):.2%} of ‖g‖")

# %% [markdown]
# We express the agreement as an estimate of the slope. The quantity $1+(pg-z^\top g)\,z^\top g/\|g\|^2$ has the mean $\mathbb{E}[pg\,z^\top g]/\|g\|^2$, which the theory says is 1. As a control we
# pair each $pg$ with the $z^\top g$ of every *other* probe. Independent probes have mean product 0. There are $N(N-1)$ ordered pairs but only half
# are distinct, so the variance of their mean is $2/(N(N-1))$. Finally we average $pg^2/\|g\|^2$.


# %%
def mean(values) -> Estimate:
    running = RunningMoments()
    running.add(values)
    return running.estimate()


slope = mean(1 + (pg - along) * along)
pairs = len(pg) * (len(pg) - 1)
products = float(pg.sum() * along.sum() - pg @ along)  # of all pairs but a probe with itself
control = Estimate(products / pairs, math.sqrt(2 / pairs), pairs)
measured = {"slope": slope, "control": control, "mean pg²/‖g‖²": mean(pg**2)}
from_one_and_zero = {f"distance from {value}": value for value in (1, 0)}
show(
    [
        {"of": name, "mean": each} | {head: distance(each, value) for head, value in from_one_and_zero.items()}
        for name, each in measured.items()
    ]
)
predictions.compare("probes", f"an error of √(2/N) = 10 % takes N = {2 / 0.1**2:.0f} probes")

# %% [markdown]
# A handful of probes gives a sharp slope, because each is compared with its own $z^\top g$. The mean of $pg^2$ remains blurred: $pg$ is nearly $\|g\|$ times a standard normal number, and its
# square has a relative standard deviation of $\sqrt2$. After $N$ probes $\sqrt{2/N}$ is left.
#
# ## Experiment: curvature, direction by direction
#
# Next we measure $z^\top Hz$ along Gaussian directions, first from three losses, as a *second difference*, and then from a Hessian–vector product along
# the same $z$.

# %%
epsilon = sized(full=5e-4, fast=3e-3)  # a layer alone bends the loss less: it needs a larger one
curved = second_differences(parameters, loss, draws=sized(full=5, fast=4), epsilon=epsilon, seed=0)
product = hessian_products(parameters, loss)
rows = []
for k in range(2):
    z = list(gaussian_direction(parameters, 0, k))
    rows.append({"direction": k + 1, "second difference": float(curved[k]), "zᵀHz": inner_product(z, product(z))})
show(rows)

# %% [markdown]
# The two methods agree in each direction, while the directions differ among themselves by far more. This scatter is no error of measurement but $\sqrt{2\operatorname{tr}H^2}$, the
# reason why the trace takes many directions. The largest eigenvalue comes quickly. *Lanczos' iteration* multiplies a vector by $H$ again and again; where one
# eigenvalue stands apart, a few products find it. The number after ± is a bound, because some eigenvalue lies that close.

# %%
live = trace_estimate(curved)
top = largest_eigenvalue_iterated(parameters, loss, most=sized(full=5, fast=4), seed=0)
r = Estimate(live.mean / top.value, live.standard_error / top.value, live.count)
show([{"tr H": live, "scatter of one direction": float(curved.std()), "λ_max": str(top), "r, from few directions": r}])

# %% [markdown]
# ## The spectrum of this Hessian
#
# The same iteration yields more than its largest value. After $m$ products from a random unit vector $v$ it has $m$ *Ritz values* $\lambda_k$ with weights $w_k$ such that
# $\sum_kw_k\lambda_k^j=v^\top H^jv$ for every $j<2m$, and the mean of $v^\top H^jv$ is $\operatorname{tr}(H^j)/d$. The number $d\,w_k$ therefore counts, roughly, the eigenvalues near
# $\lambda_k$ (Ghorbani et al. 2019). The record of `benchmarks/spectrum.py` holds this density for our batch and the whole model, with a trace from many directions. Before you look: how many
# of the hundred million directions curve noticeably, and do all of them curve upwards?

# %%
seen = json.loads(record_path("results/spectrum.json").read_text())
spectrum = seen["values"], seen["weights"], seen["parameters"], seen["trace"][0]
show(figures.spectrum_figure(*spectrum), alt=figures.spectrum_alt_text(*spectrum))
trace, error = (part / seen["values"][-1] for part in seen["trace"])
print(f"λ from {seen['values'][0]:.0f} to {seen['values'][-1]:.0f}; r = {trace:.2f} ± {error:.2f}")

# %% [markdown]
# > *Section 4 of the paper, in our words.* The effective rank of a large model is not measured, because that is prohibitively expensive. Measured spectra of other networks
# > suggest that it is small.
#
# Nearly all directions lie in the tall stem at zero. They are flat. A few single eigenvalues stand far out on either side, and the dashed line, the effective rank, has their
# order of magnitude. The trace is their sum: positive and negative curvature partly cancel in it, so $r$ counts directions only where $H\succeq0$, as the theorem assumes. This
# Hessian has strong negative eigenvalues as well, and a prediction that rests on $r$ must be tested by running.
#
# ## Check
#
# Other records hold more draws: both claims as experiments of the registry, whose size was fixed before they began. The projected
# gradients were taken on 16 reviews, their squares on 2, and the second differences on 16. All are ratios to the result of differentiation, so the theory is 1. The
# decoys are another seed's $z^\top g$; $2/\pi$, which is the result of averaging $|pg|$ and squaring; and a second difference that is off by a factor of 2.

# %%
records = [json.loads(record_path(name).read_text()) for name in ("results/models.json", "results/curvature.json")]
rows = []
for verdict in [verdict for record in records for verdict in record["verdicts"]]:
    measured = Estimate(verdict["mean"], verdict["standard_error"], verdict["count"])
    row = {"claim": verdict["id"], "draws": measured.count, "mean": measured, "distance from 1": distance(measured, 1)}
    decoys = [f"{each['statement']}: {each['z_score']:+.0f}" for each in verdict["decoys"]]
    rows.append(row | {"status": verdict["status"], "decoys: their distance": "; ".join(decoys)})
show(rows)

# %% [markdown]
# ## From curvature to a learning rate
#
# **Statement** (Theorem 2; notebook 5). On a quadratic with $H \succeq 0$ the mean loss does not grow at any rate up to
#
# $$\eta = \frac{2}{\lambda_{\max}\,\gamma},\qquad \gamma = \frac{r+n+1}{n},\qquad\text{that is}\quad \eta = \frac{2n}{\operatorname{tr}H + (n+1)\,\lambda_{\max}}.$$
#
# The true *edge of stability*, from which the mean loss grows, lies at or above this rate, and $\operatorname{tr}H^2$ bounds it from above as well (claim E6; Song et al. 2026). There are two other predictions: SGD has $\gamma=1$, and the dimension tax
# has $d$ in place of $r$. A second record, which `benchmarks/divergence.py` writes, holds the three numbers at the pretrained $\theta$ on 16 reviews, and the runs of the next section.

# %%
record = json.loads(record_path("results/divergence.json").read_text())
trace, trace_sq, norm, rank = (record["curvature"][name] for name in ("trace", "trace_sq", "norm", "effective_rank"))
show(
    [
        {
            name: f"{value:.4g} ± {error:.2g}"
            for name, (value, error) in {"tr H": trace, "tr H²": trace_sq, "λ_max": norm}.items()
        }
    ]
)
r = trace[0] / norm[0]
error = r * math.hypot(trace[1] / trace[0], norm[1] / norm[0])
predictions.compare("rank", f"r = {r:.2f} ± {error:.2f}, of d = {model.num_parameters():,} dimensions")

# %% [markdown]
# The runs use signs, for which $\mathbb{E}[\hat g^\top H\hat g]$ is smaller by $2\sum_iH_{ii}g_i^2$ (claim B4). If the eigenvectors of $H$ pointed in random directions, this would be of the order of $2/d$ times
# $\operatorname{tr}H\,\|g\|^2$ (claim B10), and for $r \ll d$ signs would be as good as Gaussian probes. If they pointed along the coordinates, it could reach $2/r$. Which of the two holds can be measured: for random
# signs $s$, $(s\circ g)^\top H(s\circ g)$ has the mean $\sum_iH_{ii}g_i^2$.

# %%
axes_record = json.loads(record_path("results/axes.json").read_text())
share, share_error = axes_record["share"]
row = {"Σ H_ii g_i², of tr H·‖g‖²": f"{share:.4f} ± {share_error:.4f}", "1/d": 1 / axes_record["parameters"]}
show([row | {"γ, Gaussian": r + 2, "less for signs": 2 * share * r}])

# %% [markdown]
# The share is far larger than $1/d$, so this $H$ does lean towards the coordinates. It is nevertheless small beside $\gamma$, and the Gaussian formula will do for these signs.

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
print(f"the three numbers leave {low:.3g} to {high:.3g}; with their errors ± {margin:.1g}")

# %% [markdown]
# ## Where training really diverges
#
# Now MeZO itself runs, on the same batch of the record, at multiples of the predicted rate, and each run uses the same $z$. We call a run diverged when its loss has grown tenfold.

# %%
runs = [figures.RateRun(run["lr"], run["losses"], run["diverged"]) for run in record["runs"]]
show(figures.divergence_figure(runs, predicted, margin), alt=figures.divergence_alt_text(runs, predicted, margin))

# %%
trains = max(run.lr for run in runs if not run.diverged)
diverges = min(run.lr for run in runs if run.diverged)
edge = math.sqrt(trains * diverges)  # the middle, on a logarithmic scale
show(
    [
        {"rate": name, "η": float(f"{rate:.2g}"), "times the real edge": float(f"{rate / edge:.2g}")}
        for name, rate in rates.items()
    ]
)
side = "below" if edge < predicted else "above"
predictions.compare("edge", f"{trains:.2g} trains and {diverges:.2g} diverges: the edge is {side} {predicted:.2g}")

# %% [markdown]
# ## What it means
#
# The tax of notebook 4 is refuted by orders of magnitude: at the rate that it allows, training would hardly begin. The rate of SGD is wrong in the other direction, by
# a factor of the order of $\gamma$. The effective rank gives the right order of magnitude before any training.
#
# It gives no more than that. The prediction holds for a quadratic with the $H$ of the first $\theta$, whereas a run moves on and may meet
# larger curvature. On a quadratic a single run would even *outlive* the predicted edge where few directions matter (notebook 4). An edge below the prediction therefore comes
# from something that a quadratic lacks. In practice, measure first, and then begin well below the predicted rate.
#
# ## Where it breaks
#
# The statement assumes $\varepsilon\to0$, but the loss is computed in float32. A second difference divides the rounding error by $\varepsilon^2$, and the fourth derivative enters in proportion to $\varepsilon^2$.
# The last layer alone shows both effects: its $H$ is a block of the whole, and quick to differentiate.

# %%
draws = sized(full=4, fast=2)
product = hessian_products(layer, loss)
directions = [list(gaussian_direction(layer, 0, k)) for k in range(draws)]
exact = torch.tensor([inner_product(z, product(z)) for z in directions])
missed = {}
for size in sized(full=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2), fast=(1e-4, 3e-3, 3e-2)):
    squares = (second_differences(layer, loss, draws=draws, epsilon=size, seed=0) - exact).square()
    error = float((squares.mean() / exact.square().mean()).sqrt())
    missed[size] = error, error * float(squares.std() / squares.mean()) / 2 / math.sqrt(draws)
show(figures.valley_figure(missed), alt=figures.valley_alt_text(missed))

# %% [markdown]
# The error has a valley, like that of the projected gradient in notebook 6, but with steeper sides. Outside the valley the second difference has no meaning, and nothing warns you.
#
# ## Exercises
#
# ### Exercise 10.1 (on paper): how many directions a trace takes
# *20 minutes · ★★☆*
#
# How many Gaussian directions determine $\operatorname{tr}H$ to a relative error $\delta$? Give the answer in terms of $\tilde r=(\operatorname{tr}H)^2/\operatorname{tr}H^2$, and then
# show that for $H \succeq 0$ at most $2/(r\,\delta^2)$ are needed. Which loss is the hardest, and why is a large model no harder?
#
# <details><summary>Hint 1</summary>Divide the variance of the statement by the square of the mean, and by the number of directions.</details>
# <details><summary>Hint 2</summary>For non-negative eigenvalues, the sum of squares is at most the largest eigenvalue times the sum.</details>
# <details><summary>Expected output</summary>Two formulas, an inequality between the two effective ranks, and the spectrum for which it is an equality.</details>

# %% [markdown] tags=["solution"]
# **Solution.** The mean of $N$ has the relative variance $2\operatorname{tr}H^2/(N(\operatorname{tr}H)^2)=2/(N\tilde r)$, so $N=2/(\tilde r\,\delta^2)$. For $H \succeq 0$, $\operatorname{tr}H^2=\sum\lambda_i^2\le\lambda_{\max}\operatorname{tr}H$,
# hence $\tilde r \ge r$ and $N \le 2/(r\,\delta^2)$. A single curved direction is the hardest: $N=2/\delta^2$, as for $\|g\|^2$. Only ratios of eigenvalues enter, and $d$ does not. But with negative eigenvalues $\operatorname{tr}H$ may vanish
# where $\operatorname{tr}H^2$ does not, and then no $N$ suffices.

# %% [markdown]
# ### Exercise 10.2: curvature from losses alone
# *10 minutes · ★☆☆*
#
# Write a function that returns the second difference, an estimate of $z^\top Hz$ from evaluations of `loss` alone.
#
# <details><summary>Hint 1</summary>Three points lie on one line through θ. In which combination of their losses does the slope cancel?</details>
# <details><summary>Hint 2</summary>Test it by hand on L(θ) = θ²/2 in one dimension: the answer must be z² at every ε.</details>
# <details><summary>Expected output</summary>✓ right in 2 cases</details>


# %%
def second_difference(loss, theta, z, epsilon):
    # BEGIN SOLUTION
    return (loss(theta + epsilon * z) - 2 * loss(theta) + loss(theta - epsilon * z)) / epsilon**2
    # END SOLUTION


# %%
from mezo_lab.course.exercises.curvature import check_second_difference

check_second_difference(second_difference)

# %% [markdown]
# ### Exercise 10.3: between two rates
# *15 minutes · ★★☆*
#
# The largest stable rate for $n$ Gaussian probes lies between two rates. The lower is the safe rate of the statement. For the upper one the three numbers
# $\operatorname{tr}H$, $\operatorname{tr}H^2$ and $\lambda_{\max}$ are enough: replace $\lambda_{\max}$ by the mean curvature $c$ that a random direction feels when the directions are weighted by
# their own curvature. Find $c$, and return both rates.
#
# <details><summary>Hint 1</summary>Weight each eigenvalue λ by λ/tr H. What is the mean?</details>
# <details><summary>Hint 2</summary>The effective rank cancels: write γ·λ_max with tr H in it before you put in c.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases. On the record, both rates grow with n, by a smaller factor than n.</details>


# %%
def stable_rates(trace, trace_sq, norm, probes):
    # BEGIN SOLUTION
    safe = 2 * probes / (trace + (probes + 1) * norm)
    above = 2 * probes / (trace + (probes + 1) * trace_sq / trace)
    return safe, above
    # END SOLUTION


# %%
from mezo_lab.course.exercises.curvature import check_stable_rates

check_stable_rates(stable_rates)

# %%
rows = []
for n in (1, 4, 16):
    lower, upper = stable_rates(trace[0], trace_sq[0], norm[0], n)
    rows.append({"n": n, "lower rate": lower, "upper rate": upper})
show(rows)

# %% [markdown]
# ### Exercise 10.4: another batch, another prompt
# *20 minutes · ★★★*
#
# First compute $r$ with its error, from independent errors of $\operatorname{tr}H$ and $\lambda_{\max}$. Then compare three losses of the last layer: that of our batch, that of another batch, and that
# of the paper's prompt (`rotten-tomatoes`). Does $r$ change by more than its error? Does $\lambda_{\max}$? Predict, and raise `draws` until you can tell.
#
# <details><summary>Hint 1</summary>Independent relative errors of a quotient add as squares.</details>
# <details><summary>Hint 2</summary>A trace near zero has a relative error without bound. Write the error so that it does not divide by the trace.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases, and then three rows. λ_max is known sharply in each; the error of r is of the size of r.</details>


# %%
def rank_and_error(trace, trace_error, norm, norm_error):
    # BEGIN SOLUTION
    return trace / norm, math.hypot(trace_error / norm, trace * norm_error / norm**2)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.curvature import check_rank_and_error

check_rank_and_error(rank_and_error)

# %%
rows, (draws, most) = [], sized(full=(10, 6), fast=(3, 3))
beds = {"this batch": (batch, TASK), "another batch": (short[2:4], TASK), "another prompt": (batch, "rotten-tomatoes")}
for name, (texts, task) in beds.items():
    other = task_loss(model, tokenizer, texts, task)
    t = trace_estimate(second_differences(layer, other, draws=draws, epsilon=3e-3, seed=0))
    top = largest_eigenvalue_iterated(layer, other, most=most)
    r, error = rank_and_error(t.mean, t.standard_error, top.value, top.residual)
    rows.append({"loss": name, "tr H": t, "λ_max": str(top), "r": f"{r:.1f} ± {error:.1f}"})
show(rows)

# %% [markdown] tags=["solution"]
# **Solution.** The largest eigenvalue is known within a few products, and it is a property of the batch and the prompt: the curvature of one batch is not that of the data. The trace needs far
# more directions: by 10.1 their number is $2/(\tilde r\delta^2)$, and in a block whose eigenvalues have both signs $\tilde r$ is small. There $r$ may be less than 1 or even
# negative, and `mezo-lab lr` refuses a trace that cannot be told from 0.

# %% [markdown]
# ## Summary
#
# - On a real model each projected gradient is $z^\top g$, and each second difference is $z^\top Hz$, as differentiation confirms.
# - Means over probes are slow: $2/\delta^2$ probes for $\|g\|^2$, $2/(\tilde r\delta^2)$ for $\operatorname{tr}H$, whatever $d$ is. The largest eigenvalue takes a few products.
# - Nearly all directions of the real spectrum are flat; the few that curve do so in both senses.
# - $\eta=2n/(\operatorname{tr}H+(n+1)\lambda_{\max})$ is of the order of the rate at which training diverges. The dimension tax is not.
#
# **Limits.** We examined one model, one $\theta$ and small batches. A prediction for a quadratic was applied to a loss that is not quadratic, and to an $H$ with negative eigenvalues, which the theorem excludes.
# The real edge is known only to lie between two rates that were tried.
#
# **Further reading.** B. A. Pearlmutter, *Fast exact multiplication by the Hessian*, 1994. B. Ghorbani, S. Krishnan and Y. Xiao, *An investigation into neural net
# optimization via Hessian eigenvalue density*, 2019. J. Cohen et al., *Gradient descent on neural networks typically occurs at the edge of stability*, 2021. M. Song et al.,
# *Zeroth-order optimization at the edge of stability*, arXiv 2604.14669, 2026.
#
# **Next:** fine-tuning this model, from end to end.
