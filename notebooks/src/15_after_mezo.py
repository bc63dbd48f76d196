# %% [markdown]
# # 15. After MeZO: which claims of its successors hold?
#
# **Claim.** By the end you will have shown where a successor of MeZO can save steps, and where it cannot. The evidence is nine sentences of the field, each
# turned into a formula and measured. The controls are what is commonly believed, as formulas that the same draws refute, and the log of a real run.
#
# **You will be able to** turn a sentence of a paper into a formula that can fail; say whether a promised gain comes from the variance, the alignment, the rule or
# the curvature; state the condition under which a sentence is true; read from a log how much of a run was signal.
#
# **Before this:** notebooks 2, 3, 5 and 10. **Time:** 90 minutes. **In the paper** (Malladi et al. 2023): Definition 1, Section 4, Appendix B.2.

# %%
import json
import math

import torch

from mezo_lab import LAWS, theory
from mezo_lab.claims import Status
from mezo_lab.course.notebook import predict, record_path, show, sized, verify
from mezo_lab.course.records import recorded_walk
from mezo_lab.curvature import spectrum
from mezo_lab.optim.log import StepRecord, read_log
from mezo_lab.report.figures import (
    PromisePanel,
    ScalingLine,
    ScalingSeries,
    promises_alt_text,
    promises_figure,
    scaling_alt_text,
    scaling_figure,
    wandering_alt_text,
    wandering_figure,
)

judged = []  # every verdict of this notebook


def show_promise(*panels):
    judged.extend(verdict for panel in panels for verdict in panel.verdicts)
    show(promises_figure(panels), alt=promises_alt_text(panels), slide=promises_figure(panels[:1]))


# %% [markdown] tags=["slide-02"]
# ## Two ways to gain a step
#
# **Statement** (derived from [B1](../docs/claims.md#b1-descent-lemma)). Let a method estimate $\hat g$ in any way, on a quadratic loss. A step at its best rate lowers the loss, on average, by
#
# $$\max_\eta\left(\eta\,g^\top\mathbb{E}[\hat g]-\tfrac12\eta^2\,\mathbb{E}[\hat g^\top H\hat g]\right)=\frac{(g^\top\mathbb{E}[\hat g])^2}{2\,\mathbb{E}[\hat g^\top H\hat g]}.$$
#
# Multiplying $\hat g$ by a number changes nothing, so a smaller variance with a smaller mean may be no gain. Only two things help: an estimate that points more
# along $g$, or one that meets less curvature for the same mean. For one probe on an isotropic bowl the ratio is nearly in proportion to $\mathbb{E}\cos^2(\hat g,g)$.

# %% [markdown] tags=["slide-03"]
# ## Predict first
#
# Nine sentences follow, in our words. Vote on each: does it hold or fail? Write "holds" or "fails", and a reason. We test
# formulas, not experiments.
#
# 1. (`low_rank`) *[torcheggroll](https://github.com/ai4flab/torcheggroll/blob/110111f0006458be3fb0c96610f656cd06a9e39f/README.md), a package, its README.* Low-rank noise for matrices reduces the variance of the gradient estimate.
# 2. (`subspace`) *SubZero, [arXiv 2410.08989v3](https://arxiv.org/abs/2410.08989v3), abstract.* In a random subspace of low rank the estimate has a lower variance than MeZO's, and converges faster.
# 3. (`aligned`) *AGZO, [arXiv 2601.17261v2](https://arxiv.org/abs/2601.17261v2), abstract.* The gradient of a linear layer lies in the span of its inputs, and directions within it have a larger cosine with the gradient.
# 4. (`orthogonal`) *Lin, Song and Xu, [arXiv 2509.15552v3](https://arxiv.org/abs/2509.15552v3), abstract.* A step that averages several probes wastes forward passes; one that projects on their span uses more of them better.
# 5. (`momentum`) *Andreyev et al., [arXiv 2604.14108v1](https://arxiv.org/abs/2604.14108v1), abstract, of SGD with large batches.* With momentum $m$, the largest stable rate is $1+\beta$ times larger; where $m$ is an average, $(1+\beta)/(1-\beta)$ times. We carry this over to MeZO.

# %% [markdown]
# 6. (`baseline`) *[es-at-scale](https://github.com/VsonicV/es-at-scale/blob/574a9d134da1ffce2a8bb812019899e5c96b588a/es_at_scale/trainer/es_trainer.py#L423-L440), code.* Each member's noise, weighted by its reward less the mean reward of the population, estimates the gradient.
# 7. (`spread`) *FZOO, [arXiv 2506.09034](https://arxiv.org/abs/2506.09034), abstract.* A step divided by the standard deviation of its losses is equivalent to a step of normalised SGD.
# 8. (`curvature`) *HiZOO, [arXiv 2402.15173v4](https://arxiv.org/abs/2402.15173v4), abstract and code.* The losses of Gaussian probes also yield the diagonal of the Hessian.
# 9. (`walk`) *Schweighofer et al., [arXiv 2605.30148v1](https://arxiv.org/abs/2605.30148v1), abstract.* What evolution strategies do to other tasks is largely a random walk in directions that the loss hardly constrains.

# %%
predictions = predict(
    low_rank="",
    subspace="",
    aligned="",
    orthogonal="",
    momentum="",
    baseline="",
    spread="",
    curvature="",
    walk="",
)

# %% [markdown] tags=["notes-04"]
# ## 1. Fewer random numbers
#
# LOZO and EGGROLL perturb a $p\times q$ matrix along a **low-rank direction**, $z=\mathrm{vec}(UV^\top)/\sqrt k$, with Gaussian $U$ ($p\times k$) and $V$ ($q\times k$). They draw $k(p+q)$ numbers in place of $d=pq$.
# This saves work, which is what EGGROLL's authors claim. Does it also reduce variance? The pairings of notebook 2 give
#
# $$\mathbb{E}[\|z\|^2zz^\top]=c\,I,\qquad c=d+2+\frac{2(p+q+1)}{k}.$$

# %% tags=["slide-04"]
ranks = sized(full=(1, 2, 4, 8), fast=(1, 4))
sides = sized(full={"p": 6, "q": 4}, fast={"p": 4, "q": 3})
few = {"(n-1 + k*(p+q) + 2)/n": "k(p+q) + 2, by the numbers drawn", "(n+1+d)/n": "d + 2, as of a Gaussian z"}
norms = [verify("low-rank-direction", k=k, probes=1, moment="norm", **sides) for k in ranks]
cosines = [verify("low-rank-direction", k=k, probes=1, moment="cosine", **sides) for k in ranks]
show_promise(PromisePanel(norms, "k", "E‖ĝ‖²/‖g‖²", few), PromisePanel(cosines, "k", "E cos²(ĝ, g)"))
first, last = norms[0].estimate.mean, norms[-1].estimate.mean
found = f"‖ĝ‖² is {first:.1f}‖g‖² at rank 1 and {last:.1f}‖g‖² at rank {ranks[-1]}, and the angle is as before"
predictions.compare("low_rank", f"fails: {found}")

# %% [markdown] tags=["notes-04"]
# The mean is $g$ at every rank, and the variance is *larger* than a Gaussian's, the more so the fewer numbers are drawn. For a wide matrix $2(p+q+1)/k$ is small beside $d$, and so is the price.
# Low rank saves arithmetic, not variance.

# %% [markdown] tags=["notes-05"]
# ## 2 and 3. A subspace at random, and the right one
#
# A **fixed subspace** has a random orthonormal $V$ that is kept for $T$ steps (SubZero has another for the rows), with $z=\sqrt{q/k}\,\mathrm{vec}(UV^\top)$. Every step then works in $pk$ dimensions, and $\gamma$ falls accordingly. But given $V$ the mean is
# $\mathbb{E}[\hat g]=\frac qk\,GVV^\top$ (where $G$ is $g$ as a matrix), and what $V$ misses is never seen: on an isotropic bowl, at the best rate,
#
# $$\mathbb{E}[L_T]/L_0=1-\tfrac kq\left(1-(1-1/\gamma)^T\right),\qquad\gamma=(pk+n+1)/n.$$
#
# A linear layer with the inputs $X$, one column per token, has $G=\Delta X^\top$ for some $\Delta$. If $V$ spans those $k$ inputs, the subspace is an **aligned subspace**: its **captured share** $\|GVV^\top\|^2/\|G\|^2$ is 1, and $\mathbb{E}\cos^2(\hat g,g)=1/(pk)$ in place of $1/(pq)$.

# %% tags=["slide-05"]
sizes = sized(full=(1, 3, 9), fast=(1, 4))
narrow = sized(full={"p": 3, "q": 3, "k": 1}, fast={"p": 2, "q": 3, "k": 1})
saved = [verify("fixed-subspace", steps=steps, probes=1, moment="loss", **narrow) for steps in sizes]
faster = {"q/k*whole": "q/k times as fast as in all d", "whole": "as fast as in all d"}
layer = {"p": 4, "q": 12, "probes": 1, "outside": 1.0, "moment": "cosine"}
angles = [verify("aligned-subspace", k=k, subspace=name, **layer) for name in ("aligned", "random") for k in sizes]
no_gain = {"1/d": "1/(pq), no subspace helps"}
show_promise(
    PromisePanel(saved, "steps", "log-progress per pair", faster), PromisePanel(angles, "k", "E cos²(ĝ, g)", no_gain)
)
slow, fast = (f"{verdict.estimate.mean:.3f}" for verdict in (saved[-1], saved[0]))
in_all = {decoy.statement: decoy.expected for decoy in saved[0].decoys}["whole"]
predictions.compare("subspace", f"fails: {slow} to {fast} per pair, and {in_all:.3f} without a subspace")
grown = angles[0].estimate.mean / angles[len(sizes)].estimate.mean
predictions.compare("aligned", f"holds: cos² is {grown:.1f} times that of a random subspace at k = 1")

# %% [markdown] tags=["notes-05"]
# In the random subspace the variance about the mean *there* is smaller, as the sentence says, but this mean lacks what $V$ misses, and the ratio gains nothing. The longer $V$ is kept, the worse.
# In the right subspace the cosine grows as promised; *Where it breaks* asks whether that saves a step.

# %% [markdown] tags=["notes-06"]
# ## 4. Probes at right angles
#
# Notebook 5 found that $n$ independent probes, averaged, never gain per pair of forward passes. Orthogonal ones share no direction: their average is $d/n$ times the projection of $g$ on their
# span. On $H=\ell P_r$,
#
# $$\gamma=\frac dn-(d-r)\,b,\qquad b=\frac{d(d-n)}{n(d+2)(d-1)}.$$

# %% tags=["slide-06"]
counts = sized(full=(2, 6, 10), fast=(2, 4))
size = sized(full=12, fast=6)
straight = [verify("orthogonal-probes", law="orthogonal", dim=size, probes=n, rank=size) for n in counts]
words = {"wash": "independent probes, averaged", "p1": "one probe"}
show_promise(PromisePanel(straight, "probes", "log-progress per pair", words))
few, many = (f"{verdict.estimate.mean:.3f}" for verdict in (straight[0], straight[-1]))
predictions.compare("orthogonal", f"holds: {few} per pair with n = {counts[0]}, {many} with n = {counts[-1]}")

# %% [markdown] tags=["notes-06"]
# At $n=d=r$ a step reaches the minimum. The gain needs $n$ of the order of $d$, however, as the authors say: for $n\ll d$ random probes are nearly orthogonal anyway.

# %% [markdown] tags=["notes-07"]
# ## 5. Momentum
#
# With $m\leftarrow\beta m+(1-\beta)\hat g$ and $\theta\leftarrow\theta-\eta m$ on $H=\ell P_r$, the mean square stays bounded up to $\eta=2/\big(\ell(\gamma-\frac{2\beta}{1+\beta})\big)$. At $\gamma=1$, the true gradient,
# this is the sentence's rate. MeZO with one probe has $\gamma=r+2$, and momentum takes less than 1 off it.

# %% tags=["slide-07"]
betas = sized(full=(0.0, 0.5, 0.8, 0.9), fast=(0.5, 0.9))
heavy = [verify("momentum", dim=sized(full=20, fast=8), rank=sized(full=5, fast=3), beta=beta) for beta in betas]
words = {"2*(1+beta)/((1-beta)*gamma*ell)": "as for the gradient, (1+β)/(1−β) times"}
show_promise(PromisePanel(heavy, "beta", "largest stable η·ℓ", words))
grown = heavy[-1].estimate.mean / heavy[0].estimate.mean
predictions.compare(
    "momentum", f"fails: from β = {betas[0]:g} to {betas[-1]:g} the largest rate grows {grown:.2f}-fold"
)

# %% [markdown] tags=["notes-07"]
# The authors' sentence stands, and does not carry over. At small batches, where noise rules, they find a curvature of $2(1-\beta)/\eta$: our formula for large $\gamma$, with the $m$ of PyTorch (exercise 15.3).

# %% [markdown]
# ## 6 and 7. A population judges itself
#
# An evolution strategy evaluates $L(\theta+\varepsilon z_k)$ for $k=1,\dots,N$, takes off a **baseline** $b_k$, and averages $(L_k-b_k)z_k/\varepsilon$. Where $b_k$ is the mean of all losses,
# it takes $1/N$ of every $z_kz_k^\top g$ off, and $\frac{N-1}Ng$ is left. The mean of the other losses, **leave-one-out**, is independent of $z_k$ and leaves $g$.
#
# FZOO takes off $L(\theta)$ and divides by the spread $s$ of the losses. On a linear loss $\mathbb{E}[s^2]=\varepsilon^2\|g\|^2$, but a small $s$ makes $1/s$ large:
#
# $$\mathbb{E}\left[\frac{\varepsilon\|g\|}s\right]=\sqrt{\tfrac{N-1}2}\;\frac{\Gamma(\frac{N-2}2)}{\Gamma(\frac{N-1}2)}>1.$$

# %%
sizes = sized(full=(2, 4, 8, 16), fast=(2, 8))  # of the population
names = ("mean", "leave-one-out")
means = [verify("baseline", probes=n, baseline=name) for name in names for n in sizes]
spreads = [verify("self-normalised", probes=n, moment="scale") for n in sized(full=(6, 8, 12, 16), fast=(8, 12))]
judged += means
show_promise(PromisePanel(spreads, "probes", "E[ε‖g‖/s]", {"1": "1"}))
left = means[0].estimate.mean / means[len(sizes)].estimate.mean
predictions.compare(
    "baseline",
    f"fails by a factor: {left:.2f} of g is left at N = {sizes[0]}, {theory.own_mean_share(30):.2f} at the code's N = 30",
)
found = f"1/s is {theory.inverse_spread(8):.3f} times 1/(ε‖g‖), the mean step {theory.spread_scaled_mean(8):.3f} of a normalised one"
predictions.compare("spread", f"fails, but not by much in the mean: at N = 8, {found}")

# %% [markdown]
# Both factors are one number for all coordinates, which a learning rate absorbs; es-at-scale divides by the spread, too. FZOO's sentence is nearly right for its mean step, because
# $\hat g$ is short where $s$ is small. A single step is not normalised: its length is about $\sqrt{d/N}$. The text is for Gaussian $z$; FZOO's signs agree where $z^\top g$ is nearly normal.
#
# ## 8. Curvature from the same losses
#
# Notebook 10 took $z^\top Hz$ from three losses. Weighted with $z_i^2-1$ it is a whole diagonal: for Gaussian $z$, $\mathbb{E}[\tfrac12z^\top Hz\,(z_i^2-1)]=H_{ii}$. We give a small Hessian to Gaussian probes and to signs.

# %%
turned = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).Q
hessian = torch.round(turned @ torch.diag(spectrum("power", 6)) @ turned.T, decimals=3)
entries, count = hessian.diagonal(), sized(full=200_000, fast=40_000)
order, series = entries.argsort(), []
for name in ("gaussian", "rademacher"):
    z = LAWS[name].sample(count, 1, 6, torch.Generator().manual_seed(4))[:, 0].double()
    seen = ((z @ hessian) * z).sum(1, keepdim=True) * (z**2 - 1) / 2
    columns = [part[order].tolist() for part in (entries, seen.mean(0), seen.std(0) / math.sqrt(count))]
    series.append(ScalingSeries(name, *columns, law=name))
x = series[0].sizes
raised = [each + float(entries.sum()) / 2 for each in x]  # by half of the trace
lines = [ScalingLine("H_ii", x, x)], [ScalingLine("without the −1", x, raised)]
labels = {"xlabel": "H_ii", "ylabel": "mean of ½ zᵀHz (z_i² − 1)", "scale": "linear"}
show(scaling_figure(series, *lines, **labels), alt=scaling_alt_text(series, *lines, **labels))
judged.append(verify("curvature-diagonal", moment="centred"))
predictions.compare("curvature", "holds for Gaussian z; signs, whose z_i² is always 1, see nothing")

# %% [markdown]
# HiZOO's [code](https://github.com/Yanjun-Zhao/HiZOO/blob/4f9905582398303cf80de9cf802349947428cb59/trainer.py#L507-L510) has $z_i^2$ without the $-1$, which in its first step adds the same
# $\tfrac12\operatorname{tr}H$ to every coordinate: in many dimensions the diagonal drowns.
#
# ## 9. How far did it wander?
#
# On a linear loss, steps of gradient descent add up to $T\eta\|g\|$. MeZO's noise adds up in squares:
#
# $$\mathbb{E}\|\theta_T-\theta_0\|^2=\eta^2\|g\|^2\,T\,(T-1+f),\qquad f=\mathbb{E}\|\hat g\|^2/\|g\|^2,$$
#
# so that the **signal share** of the squared length is $T/(T-1+f)$. With a schedule of rates, $T$ becomes $(\sum\eta)^2/\sum\eta^2\le T$. On any loss the signal is at most $T/(T-1+f)$ of the *sum* of both squares, by Cauchy and Schwarz; in the recorded run of SmolLM2 this sum is the squared length. The triangles are the part along the gradient of the start.

# %%
steps = sized(full=(3, 12, 48), fast=(4, 12))
judged += [verify("wandering", steps=each, probes=1, moment="norm") for each in steps]
path = record_path("results/runs/rotten-tomatoes-512-mezo-full-20000-seed0/run.mezo")
rates = [each.rates[0] for each in read_log(path) if isinstance(each, StepRecord)]
d = json.loads(record_path("results/axes.json").read_text())["parameters"]
f = theory.norm_factor(d, 1, LAWS["rademacher"].moments(d))
share = theory.signal_share(len(rates), f)
walk = recorded_walk()[3::4]
show(wandering_figure(walk), alt=wandering_alt_text(walk))
found = f"of the squared length of {len(rates):,} steps on SmolLM2, at most the share {share:.1e} was signal"
predictions.compare("walk", f"holds: {found}")

# %%
gains = json.loads(record_path("results/wandering.json").read_text())["gains"]
run, adam = "rotten-tomatoes-512-mezo-full-seed0@450", "rotten-tomatoes-512-adam-full-seed0@30"
heads = {"own": "trained task, accuracy", "other": "IMDb, accuracy", "text": "IMDb, loss of the text"}
rows = []
for name, key in (("MeZO", run), ("the same, signs tossed", f"{run}-tossed"), ("Adam", adam)):
    row = {"change after": name}
    for part, head in heads.items():
        mean, low, high = (f"{each:+.2f}".replace("-", "−") for each in gains[key][part][:3])
        row[head] = f"{mean} ({low} to {high})"
    rows.append(row)
show(rows)

# %% [markdown]
# Almost the whole displacement is noise, and yet such runs learn: the noise is spread over a hundred million directions, nearly all flat (notebook 10). What is flat for one task need not be flat
# for another. With the signs of its steps tossed, the walk is as long and has no signal: the trained task gains nothing, and the language model pays as much. What IMDb gains is one toss, whose interval is over the reviews alone.
#
# ## Check
#
# For each claim, the mean farthest from its theory and the decoy nearest to the draws, in standard errors:

# %%
rows = []
for name in dict.fromkeys(verdict.claim.name for verdict in judged):
    own = [verdict for verdict in judged if verdict.claim.name == name]
    far = max((verdict.estimate.z_score(verdict.expected) for verdict in own), key=abs)
    wrong = [decoy for verdict in own for decoy in verdict.decoys if decoy.status is Status.REFUTED]
    near = min((decoy.z_score for decoy in wrong), key=abs)
    row = {"claim": f"{own[0].claim.id} {name}", "means": len(own), "farthest": f"{far:+.1f}"}
    rows.append(row | {"nearest decoy": f"{near:+.0f}"})
show(rows)

# %% [markdown] tags=["slide-09"]
# ## What it means
#
# Four of the nine hold: the aligned cosine, orthogonal probes, the diagonal by Gaussian probes, and the walk. Five fail as formulas: low rank, the random subspace, momentum carried over to MeZO, and, by factors that a rate absorbs, the population's own mean and spread.
# The ratio of the beginning explains the pattern. A method that survives brings knowledge into its direction: the inputs of a layer, the span of its probes, the curvature. A method that fails rearranges its noise, or rescales its estimate.
# A larger batch lowers the **noise floor**, and costs its examples (claim E11). [The errata](../docs/errata.md) have these sentences and more, with their authors' conditions and a command each.

# %% [markdown] tags=["slide-08"]
# ## Where it breaks
#
# A larger cosine need not save a step. On its own batch, a layer's loss is flat outside the span of its inputs: isotropic noise costs nothing there. The first table gives the curvature outside the span $h$ times that inside.
# Other batches bring such curvature. The second table is a record of one layer, trained on one batch or on fresh ones.

# %% tags=["slide-08"]
p, q, k = 3, 4, 2
rows = []
for h in (0.0, 0.1, 1.0):
    found = verify("aligned-subspace", p=p, q=q, k=k, outside=h, subspace="aligned", moment="progress")
    isotropic = theory.progress_per_pair(p * k + h * p * (q - k), 1)  # its trace has the curvature outside as well
    gain = found.estimate.mean / isotropic
    rows.append({"h": h, "aligned, per pair": found.estimate, "isotropic": isotropic, "gain": gain})
show(rows)
trained = json.loads(record_path("results/aligned.json").read_text())["layer"]
rows = []
for batch, inputs in (("the same", "span"), ("fresh", "batch")):
    everywhere, within = (row for row in trained if row["inputs"] == inputs)
    steps = {
        name: round(row["steps"][0]) for name, row in (("steps, isotropic", everywhere), ("steps, aligned", within))
    }
    saved = everywhere["steps"][0] / within["steps"][0]
    rows.append({"batch": batch, "cos², times": everywhere["k"] / within["k"]} | steps | {"ratio": f"{saved:.2f}"})
show(rows)

# %% [markdown]
# On a batch of SmolLM2 the span holds as much curvature as gradient, and [no gain was measured](../docs/aligned.md).
#
# ## Exercises
#
# ### Exercise 15.1: a model of many matrices
# *15 minutes · ★★☆*
#
# A real model has many matrices, and each draws its own Gaussian $U$ and $V$ of rank $k$. `layers` holds a triple for each: rows, columns, and its share of $\|g\|^2$. What is $\mathbb{E}\|\hat g\|^2/\|g\|^2$ for one probe?
# What becomes of the surplus over $d+2$ as the model grows?
#
# <details><summary>Hint 1</summary>ĝ = pg·z. Write ‖z‖² as the sum over matrices, and pg = Σ zₗᵀgₗ.</details>
# <details><summary>Hint 2</summary>Mixed terms of different matrices vanish. E‖zₗ‖² is the number of weights of the matrix.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases</details>


# %%
def layered_factor(layers: list[tuple[int, int, float]], rank: int) -> float:
    # BEGIN SOLUTION
    d = sum(p * q for p, q, share in layers)
    # the surplus grows as the sides of the matrices, and d as their products: beside d it vanishes
    return d + 2 + 2 * sum(share * (p + q + 1) for p, q, share in layers) / rank
    # END SOLUTION


# %%
from mezo_lab.course.exercises.successors import (
    check_heavy_ball,
    check_layered_factor,
    check_share_left,
    check_signal_share,
)

check_layered_factor(layered_factor)

# %% [markdown]
# ### Exercise 15.2: a population with antithetic pairs
# *15 minutes · ★★☆*
#
# A population has `pairs` directions that are evaluated at $+z$ and at $-z$, and `singles` at $+z$ alone. The mean of all losses is the baseline, and the average runs over all losses. Which multiple of $g$ is the mean of the update?
#
# <details><summary>Hint 1</summary>A pair contributes (L₊ − b)z + (L₋ − b)(−z). What is left of b?</details>
# <details><summary>Hint 2</summary>A single direction finds its own loss in b once, with the weight of one loss of all.</details>
# <details><summary>Expected output</summary>✓ right in 4 cases. With 2 pairs and 3 singles, 46/49.</details>


# %%
def share_left(pairs: int, singles: int) -> float:
    # BEGIN SOLUTION
    return 1 - singles / (2 * pairs + singles) ** 2
    # END SOLUTION


# %%
check_share_left(share_left)

# %% [markdown]
# ### Exercise 15.3: the heavy ball of `torch.optim.SGD`
# *10 minutes · ★★☆*
#
# PyTorch's rule is $m\leftarrow\beta m+(1-\tau)\hat g$ with the *dampening* $\tau$, then $\theta\leftarrow\theta-\eta m$. Which is its largest stable rate on $H=\ell P_r$? Somebody switches on $\beta=0.9$ with $\tau=0$ at half of MeZO's largest rate: what happens?
#
# <details><summary>Hint 1</summary>Its m is a multiple of the averaged one. Which?</details>
# <details><summary>Hint 2</summary>Only the product of the rate and m matters.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases. On paper: that run diverges.</details>


# %%
def heavy_ball(smoothness: float, gamma: float, beta: float, dampening: float) -> float:
    # BEGIN SOLUTION
    # without dampening m is up to ten times as long as ĝ, and half of the largest rate is far too much
    return 2 * (1 - beta) / ((1 - dampening) * smoothness * (gamma - 2 * beta / (1 + beta)))
    # END SOLUTION


# %%
check_heavy_ball(heavy_ball)

# %% [markdown]
# ### Exercise 15.4: how much of your run was signal?
# *15 minutes · ★★☆*
#
# A run has the learning rates `rates`, one a step. On a linear loss, which share of $\mathbb{E}\|\theta_T-\theta_0\|^2$ is signal? Then put in the log of a run of your own. How many steps of SmolLM2 would make the share one half?
#
# <details><summary>Hint 1</summary>The signal of all steps points the same way; the noises are orthogonal to it and to each other, on average.</details>
# <details><summary>Hint 2</summary>The noise of one step has the mean square (f − 1)η²‖g‖².</details>
# <details><summary>Expected output</summary>✓ right in 3 cases, and the number that the text has for this log.</details>


# %%
def share_of_signal(rates: list[float], factor: float) -> float:
    # BEGIN SOLUTION
    # at one rate the share is one half where T = f − 1: a step for each parameter
    straight = sum(rates) ** 2
    return straight / (straight + (factor - 1) * sum(rate**2 for rate in rates))
    # END SOLUTION


# %%
check_signal_share(share_of_signal)
print(f"{share_of_signal(rates, f):.1e}")

# %% [markdown]
# ### Exercise 15.5 (on paper): what would you build now?
# *20 minutes · ★★★*
#
# Propose a successor of MeZO, in half a page: which knowledge enters its direction, what it costs in forward passes and memory, which formula states its gain, which decoy it must beat, and which experiment on two
# processor cores could refute it. Under which condition would it gain nothing?
#
# <details><summary>Hint 1</summary>Begin with the ratio. Which of its two parts do you change?</details>
# <details><summary>Hint 2</summary>Compare per pair of forward passes, at the best rate of each.</details>
# <details><summary>Expected output</summary>A sentence, a formula, a decoy, an experiment, a condition.</details>

# %% [markdown] tags=["solution"]
# **Solution.** One of many: directions in the span of the inputs of *this* batch, from the forward pass at $\theta$ that one-sided probes need in any case. Formula: the gain of E3, the captured share of $g$ over the captured share of
# $\operatorname{tr}H$. Decoy: $q/k$. Experiment: one layer, fresh batches against a fixed one. Condition: on a fixed batch nothing is gained.

# %% [markdown] tags=["slide-10"]
# ## Summary
#
# - The best step gains $(g^\top\mathbb{E}[\hat g])^2/(2\,\mathbb{E}[\hat g^\top H\hat g])$, whatever the scale of $\hat g$.
# - Fewer random numbers, a random subspace and momentum do not raise it. A population's own mean and spread only rescale the step.
# - The right subspace, orthogonal probes in numbers near $d$, and known curvature can.
# - A run is almost all noise by its length, and still learns.

# %% [markdown]
# **Limits.** Quadratic and linear losses, $\varepsilon\to0$. Of the papers, abstracts were read, and code where the text says so. None of their experiments was repeated, and a method may gain by what no formula here contains.
#
# **Further reading.** Y. Chen et al., *LOZO*, arXiv 2410.07698. B. Sarkar et al., *Evolution strategies at the hyperscale*, arXiv 2511.16652. M. Song et al., *Zeroth-order optimization at the edge of stability*, arXiv 2604.14669.
# I. Abdi et al., *Evolutionary strategies lead to catastrophic forgetting in LLMs*, arXiv 2601.20861.
#
# **Next:** your own question, with the tools of this course.
