# %% [markdown]
# # 12. Objectives without gradients; why only a fine-tuned start
#
# **Claim.** By the end you will have shown that MeZO can raise a toy's accuracy, which has no gradient, because a finite $\varepsilon$ gives it one; and that
# its steps suffice only from a start that already knows nearly enough. The evidence: slopes, and rates of probes that see nothing, beside
# formulas; trainings of toys; records of SmolLM2. The controls: formulas that forget a factor; Adam, which succeeds from both starts.
#
# **You will be able to** smooth a step; predict how often a probe of an accuracy sees no difference; choose $\varepsilon$ for it; say from a
# spectrum how long MeZO takes from a given start.
#
# **Before this:** notebooks 5, 6 and 11. **Time:** 50 minutes; the cells run within two. **In the paper** (Malladi et al. 2023): Section 3.3
# and Table 3 (objectives without gradients), Table 5 (prompts), Definition 1.

# %%
from mezo_lab.course.notebook import needs_real_model

needs_real_model()

import json
import math

import sympy
import torch
from torch.nn.functional import softplus

from mezo_lab import LAWS, Estimate, MeZO, projected_gradient, sample
from mezo_lab.course.exercises.objective import zero_probability
from mezo_lab.course.notebook import record_path, show, sized, verify
from mezo_lab.finetune import reviews, smollm2
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.examples import encode_examples
from mezo_lab.finetune.encoding.logits import answer_logits
from mezo_lab.finetune.tasks import task_named
from mezo_lab.finetune.training.objectives import objective_named
from mezo_lab.report.figures import style

# %% [markdown]
# ## A step has a slope, seen from a distance
#
# An answer is wrong where its *margin* $m$, the logit of the right word less that of the other, is negative. The error rate counts such steps: flat almost everywhere, so
# its gradient is 0. Backpropagation has nothing to propagate.
#
# **Statement** (claim A7, for a step). For $L(\theta)=\mathbb{1}[\theta<0]$ and $z\sim N(0,1)$, with $\varphi$ and $\Phi$ the normal density and distribution,
#
# $$\mathbb{E}\left[pg\,z\right] = \frac{d}{d\theta}\,\mathbb{E}\,L(\theta+\varepsilon z) = \frac{d}{d\theta}\,\Phi(-\theta/\varepsilon) = -\frac1\varepsilon\,\varphi(\theta/\varepsilon).$$
#
# For margins $m_i=y_i x_i^\top\theta$ and a batch of $B$, with $s_i=\|x_i\|$: $\;\mathbb{E}[\hat g]=-\frac1B\sum_i\frac{1}{\varepsilon s_i}\varphi\!\left(\frac{m_i}{\varepsilon s_i}\right)y_ix_i.$
#
# **Derivation.**
#
# 1. $\theta+\varepsilon z<0$ exactly where $z<-\theta/\varepsilon$: the mean of the step is $\Phi(-\theta/\varepsilon)$. Differentiate.
# 2. The estimate has that mean: its two points differ only where $|z|>|\theta|/\varepsilon$; then $pg=-\operatorname{sign}(z)/(2\varepsilon)$. So $\mathbb{E}[pg\,z]=-\mathbb{E}\left[|z|;\,|z|>|\theta|/\varepsilon\right]/(2\varepsilon)$, an integral for sympy:
# 3. Many weights: $\varepsilon x_i^\top z\sim N(0, \varepsilon^2s_i^2)$. Put $m_i$ for $\theta$ and $\varepsilon s_i$ for $\varepsilon$; the chain rule gives $y_ix_i$.

# %%
theta, e, z = sympy.symbols("theta epsilon z", positive=True)
density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
mean = -2 * sympy.integrate(z * density, (z, theta / e, sympy.oo)) / (2 * e)
print("E[pg·z] =", mean, "  less the statement:", sympy.simplify(mean + density.subs(z, theta / e) / e))


def normal(x):
    return torch.exp(-(torch.as_tensor(x) ** 2) / 2) / math.sqrt(2 * math.pi)


# %% [markdown]
# ## How often a probe sees nothing
#
# **Statement** (derived). Let each of $B$ answers *flip* (differ between $\theta\pm\varepsilon z$) with probability $q$, each way equally likely. Then
#
# $$P(pg=0) = \sum_k\binom{B}{2k}q^{2k}(1-q)^{B-2k}\binom{2k}{k}4^{-k},\qquad \mathbb{E}[pg^2] = \frac{q}{4\varepsilon^2B}.$$
#
# For a linear classifier and inputs without a preferred direction, $q=\angle(\theta+\varepsilon z,\,\theta-\varepsilon z)/\pi$, about $\frac2\pi\,\varepsilon\sqrt d/\|\theta\|$ when small.
#
# **Derivation.**
#
# 1. The difference of the two error counts is a sum of $F$ fair signs, $F$ the number of flips; so $pg$ is a multiple of $1/(2\varepsilon B)$.
# 2. It is 0 where $F=2k$ and half of them cancel; its mean square is $\mathbb{E}F=Bq$.
# 3. Two classifiers disagree on the inputs between their two boundaries: the angle, over $\pi$.
#
# As $\varepsilon\to0$, $q\propto\varepsilon$, so that $\mathbb{E}[pg^2]\propto1/(\varepsilon B)$: a step is noisy at small $\varepsilon$, even without rounding.
#
# ## Predict first
#
# Write your answers down before you go on.
#
# 1. Accuracy of 16 examples, $\varepsilon=10^{-3}$: does a tenth of the probes see no difference, or nine tenths?
# 2. Do four times as many examples make zeros rarer? And at an $\varepsilon$ so large that half of all answers flip?
# 3. For which objective is the best $\varepsilon$ larger: accuracy or cross-entropy?
# 4. From random weights, does MeZO only need more steps? How many?
#
# ## Experiment: one step, two widths


# %%
def step(points):
    return (points[:, 0] < 0).double()


z = torch.randn(40_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
figure, grid, places = style.new_figure(height=3.6), torch.linspace(-2.5, 2.5, 201), torch.arange(-2.5, 2.6, 0.5)
axes = figure.add_subplot()
for epsilon, law in ((0.3, "gaussian"), (1.0, "rademacher")):
    measured = torch.stack([projected_gradient(step, place, z, epsilon) * z[:, 0] for place in places])
    bars = style.BARS * measured.std(1) / math.sqrt(len(z))
    axes.errorbar(places, measured.mean(1), bars, label=f"measured, ε = {epsilon}", **style.estimate(law))
    axes.plot(grid, -normal(grid / epsilon) / epsilon, label="−φ(θ/ε)/ε" if epsilon == 1 else None, **style.THEORY)
axes.plot(grid, 0 * grid, label="the step's own slope, 0", **style.decoy("0", ["0", "φ"]))
axes.plot(grid, -normal(grid / 0.3), label="−φ(θ/ε), at ε = 0.3", **style.decoy("φ", ["0", "φ"]))
axes.set(xlabel="θ", ylabel=f"mean of pg·z ± {style.BARS:g} standard errors")
style.despine(axes)
style.figure_legend(figure, columns=2)
show(
    figure,
    alt="Mean two-point estimate for a step at 0 against θ, for ε 0.3 and 1. Points follow dashed bells that point down, "
    "deeper and narrower for the smaller ε; dotted, the step's own slope 0 and a bell without the factor 1/ε.",
)

# %% [markdown]
# A small $\varepsilon$ sees a steep slope, but only from nearby. A large one sees far, and faintly.
#
# ## Experiment: a classifier whose objective is its accuracy
#
# Inputs $x\sim N(0, I)$; the label is the sign of $x_1$. The test accuracy needs no test set: it is $1-\angle(\theta, e_1)/\pi$. For the rates of zeros the labels are coins, so
# that flips are fair.

# %%
dim = 20
truth = torch.eye(dim, dtype=torch.float64)[0]
start = torch.full((dim,), dim**-0.5, dtype=torch.float64)  # ‖θ‖ = 1


def angle(one, other):
    cosine = (one * other).sum(-1) / one.norm(dim=-1) / other.norm(dim=-1)
    return torch.arccos(cosine.clamp(-1, 1))


def zeros(epsilon: float, batch: int, count: int):
    """For each probe: pg and its q."""
    generator = torch.Generator().manual_seed(batch)
    z = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    x = torch.randn(count, batch, dim, generator=generator, dtype=torch.float64)
    coins = torch.rand(count, batch, generator=generator).round() * 2 - 1

    def error_rate(points):
        return (coins * (x @ points[..., None])[..., 0] < 0).double().mean(-1)

    pg = projected_gradient(error_rate, start, z, epsilon)
    return pg, angle(start + epsilon * z, start - epsilon * z) / math.pi


# %%
widths, figure = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0], style.new_figure(height=3.6)
axes = figure.add_subplot()
for batch, law in ((4, "gaussian"), (16, "rademacher"), (64, "sphere")):
    seen = [zeros(epsilon, batch, sized(full=4000, fast=1000)) for epsilon in widths]
    rates = [(pg == 0).double().mean() for pg, _ in seen]
    bars = [style.BARS * math.sqrt(rate * (1 - rate) / len(pg)) for rate, (pg, _) in zip(rates, seen, strict=True)]
    axes.errorbar(widths, rates, bars, label=f"measured, B = {batch}", **style.estimate(law))
    theory = [zero_probability(q, batch).mean() for _, q in seen]
    axes.plot(widths, theory, label="theory" if batch == 64 else None, **style.THEORY)
axes.plot(widths, [((1 - q) ** 64).mean() for _, q in seen], label="no flips, B = 64", **style.decoy("", [""]))
axes.set(xscale="log", xlabel="ε, where ‖θ‖ = 1", ylabel=f"share of zeros ± {style.BARS:g} standard errors")
style.despine(axes)
style.figure_legend(figure, columns=2)
show(
    figure,
    alt="Share of zero projected gradients against ε on a logarithmic axis, for batches of 4, 16 and 64: near 1 at small ε, lower for "
    "larger ε and batches, on the dashed theory. The dotted chance that nothing flips goes to 0, below the points.",
)

# %% [markdown]
# At the smallest $\varepsilon$ nearly all probes of 16 examples see nothing (question 1). More examples make zeros rarer: quickly where flips are few; where many flip, four times as many
# only about halve them, as flips must cancel in number (question 2).
#
# ## Check
#
# First the smoothed slope of the accuracy of 16 fixed examples, along its own direction; then the zeros, probe by probe, against their $q$. A decoy 5 or more standard errors away is refuted.

# %%
fixed = torch.randn(16, dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
signed, lengths, epsilon = (fixed @ truth).sign()[:, None] * fixed, fixed.norm(dim=1), 0.1  # y·x and s
margins = signed @ start


def smoothed(width):
    return -(normal(margins / width) / width) @ signed / len(signed)


direction = smoothed(epsilon * lengths) / smoothed(epsilon * lengths).norm()


def along(count, generator):
    z = LAWS["gaussian"].sample(count, 1, dim, generator)[:, 0]
    return projected_gradient(lambda p: (p @ signed.T < 0).double().mean(-1), start, z, epsilon) * (z @ direction)


measured, theory = (
    sample(along, 40_000, numbers_per_draw=dim, seed=3).estimate(),
    smoothed(epsilon * lengths) @ direction,
)
print(f"smoothed slope: measured {measured}, theory {theory:.4f}, z = {measured.z_score(float(theory)):+.1f}")
wrong = {"a margin moves by ε": smoothed(epsilon + 0 * lengths) @ direction, "0, the gradient": 0.0}
wrong["without the 1/(εs)"] = -(normal(margins / epsilon / lengths) @ signed / len(signed)) @ direction
for name, value in wrong.items():
    print(f"  decoy {name}: z = {measured.z_score(float(value)):+.0f}")


# %%
def z_score(values) -> str:
    return f"z = {values.mean() / values.std() * math.sqrt(len(values)):+.1f}"


for epsilon, batch in ((0.03, 16), (0.1, 16), (0.1, 64)):
    pg, q = zeros(epsilon, batch, sized(full=10_000, fast=4000))
    zero = (pg == 0).double()
    forms = {"theory": zero_probability(q, batch), "decoy “none flips”": (1 - q) ** batch}
    forms["decoy “an even number flips”"] = (1 + (1 - 2 * q) ** batch) / 2
    comparisons = [f"{name} {form.mean():.3f} ({z_score(zero - form)})" for name, form in forms.items()]
    print(f"ε = {epsilon}, B = {batch}: zeros {zero.mean():.3f}; " + ", ".join(comparisons))
    square = 4 * epsilon**2 * batch * pg**2 - q  # its mean is 0 by the formula for E[pg²]
    print(f"  E[pg²]: {z_score(square)}; decoy, without the B: {z_score(square / batch - q + q / batch)}")
print("the library's claim, on a smooth loss:", verify("smoothing"))

# %% [markdown]
# ## Experiment: does it train?
#
# Fresh examples at each step, and the exact test accuracy at the end: mean over starts, at the best of four learning rates by that accuracy, which favours all alike.


# %%
def error_rate(margin):
    return (margin < 0).double().mean(-1)


def cross_entropy(margin):
    return softplus(-margin).mean(-1)


# %%
RATES = torch.tensor([0.01, 0.03, 0.1, 0.3], dtype=torch.float64)


def trained(objective, epsilon: float, steps: int, starts: int = 10, batch: int = 16):
    generator, drawn = torch.Generator().manual_seed(1), {"dtype": torch.float64}
    theta = torch.randn(starts, dim, generator=generator, **drawn).div(dim**0.5).expand(len(RATES), starts, dim)
    blind = torch.zeros(len(RATES), **drawn)
    for _ in range(steps):
        x = torch.randn(starts, batch, dim, generator=generator, **drawn)
        y, z = (x @ truth).sign(), torch.randn(starts, dim, generator=generator, **drawn)
        pg = projected_gradient(lambda p, x=x, y=y: objective(y * (x @ p[..., None])[..., 0]), theta, z, epsilon)
        theta, blind = theta - RATES[:, None, None] * pg[..., None] * z, blind + (pg == 0).double().mean(1) / steps
    accuracy = 1 - angle(theta, truth) / math.pi  # (rates, starts)
    best = accuracy.mean(1).argmax()
    return Estimate(float(accuracy[best].mean()), float(accuracy[best].std()) / starts**0.5, starts), float(blind[best])


steps = sized(full=1000, fast=250)
for epsilon in sized(full=(0.001, 0.01, 0.1, 0.3, 1.0), fast=(0.01, 0.3)):
    accuracy, blind = trained(error_rate, epsilon, steps)
    print(f"accuracy, ε = {epsilon:<5}: test accuracy {accuracy}; zeros {blind:.0%}")
accuracy, blind = trained(cross_entropy, 1e-3, steps)
print(f"cross-entropy, ε = 0.001: test accuracy {accuracy}; zeros {blind:.0%}")

# %% [markdown]
# An $\varepsilon$ that suits cross-entropy starves an accuracy; with one that moves margins by about their own size, it trains. It still has a price: only examples near the boundary carry
# information, and an answer that is barely right counts as much as a safe one.
#
# ## SmolLM2: what a probe of its accuracy sees
#
# Its margins are measured with the accuracy, so that $q_i=2\Phi(-|m_i|/\sigma)$ can be predicted, where $\sigma$ is the rms distance by which a probe moves a margin.

# %%
model, tokenizer = smollm2()
batch = [row for row in reviews(seed=0) if 40 <= len(row["text"]) <= 60][
    : sized(full=8, fast=4)
]  # short: quick to read
task = task_named("rotten-tomatoes/sentiment")
encoder = Encoder(task, tokenizer, batch[0])
signs, seen = torch.tensor([2.0 * task.gold(row) - 1 for row in batch]), []


def error():
    logits = answer_logits(model, [encoder.encode_prompt(row, encoder.labels[0]) for row in batch])[
        :, list(encoder.labels)
    ]
    seen.append(signs * (logits[:, 1] - logits[:, 0]))  # the margins
    return (seen[-1] < 0).double().mean()


with torch.no_grad():
    library = objective_named("accuracy", encoder)(model, {"examples": encode_examples(encoder, batch)})
    print(f"one minus the accuracy: {float(error()):.3f}; by the library: {float(library):.3f}")
home = seen[0]

# %%
moving = sized(full=list(model.named_parameters()), fast=list(model.model.layers[-1].named_parameters()))
for epsilon in sized(full=(1e-3, 1e-2), fast=(3e-2,)):
    seen.clear()
    probe = MeZO(moving, 1e-6, epsilon, sized(full=8, fast=1), "rademacher", check_closure=False)
    probe.probe(error)
    probe.flush()  # back to θ, without a step
    sides = torch.stack(seen).unflatten(0, (-1, 2))  # (probes, two sides, examples)
    moved = float((sides[:, 0] - sides[:, 1]).square().mean().sqrt()) / 2
    expected = float(torch.erfc(home.abs() / moved / math.sqrt(2)).sum())
    flips = float(((sides[:, 0] < 0) != (sides[:, 1] < 0)).sum(1).double().mean())
    units = [round(pg * 2 * epsilon * len(batch), 3) for pg in probe.projected_gradients]
    print(f"ε = {epsilon}: pg in units of 1/(2εB): {units}; zeros {probe.diagnostics.zero_rate():.0%}")
    print(
        f"  margins: size {home.square().mean().sqrt():.2f}, moved by {moved:.2f}; flips {flips:.1f}, expected {expected:.1f}"
    )

# %% [markdown]
# $pg$ is a whole number of units. `zero_rate` reports this in training, and `mezo-lab finetune --objective accuracy` advises where most probes see nothing. The record of
# `make accuracy`, beside the paper:

# %%
rows = json.loads(record_path("results/finetune.json").read_text())["rows"]


def line(row) -> str:
    blind = f"; zeros {row['zero_gradients']:.0%}" if row["zero_gradients"] is not None else ""
    start = "random weights" if row["scratch"] else row["prompt"]
    size = "" if row["method"] == "zero-shot" else f", {row['shots']} per class, seed {row['seed']}"
    gain = ""
    if "gain" in row:
        mean, low, high = (100 * value for value in row["gain"])
        gain = f"; {mean:+.1f} points over zero-shot ({low:+.1f} to {high:+.1f})"
    return f"{row['method']:9} {row['objective']:8} {start + size}: {row['test']:.1%} ({row['low']:.1%} to {row['high']:.1%}){gain}{blind}"


def mezo(**chosen):
    own = [row for row in rows if row["method"] == "mezo" and row["tuning"] == "full"]
    return [row for row in own if all(row[name] == value for name, value in chosen.items())]


# %%
scored = mezo(objective="accuracy")
for row in scored:
    twins = mezo(objective="loss", scratch=False, **{name: row[name] for name in ("prompt", "shots", "seed")})
    print("\n".join(map(line, [*twins, row])))
print("" if scored else "accuracy as the objective: not measured yet; `make accuracy` does it")
print("paper, Table 3 (RoBERTa-large, 512 per class), %: zero-shot, accuracy as objective, cross-entropy")
TABLE3 = {
    "SST-2": (79.0, 92.7, 93.3),
    "SST-5": (35.5, 48.9, 53.2),
    "SNLI": (50.2, 82.7, 83.0),
    "TREC": (32.0, 68.6, 94.3),
}
for name, values in TABLE3.items():
    print(f"  {name:6}", *values, f"  price {values[2] - values[1]:.1f} points")

# %% [markdown]
# ## Why only a fine-tuned start
#
# **Statement** (derived from A3). On $L=\tfrac12\sum_i\lambda_i\theta_i^2$, with $s_i=\mathbb{E}\,\theta_i^2$, one probe and Gaussian $z$, a step of MeZO makes
#
# $$s_i \leftarrow (1 - 2\eta\lambda_i + 2\eta^2\lambda_i^2)\,s_i + \eta^2\sum_j\lambda_j^2s_j.$$
#
# Stability asks for $\eta\lesssim 2/\operatorname{tr}H$. At $\eta=1/\operatorname{tr}H$ an error along $\lambda$ loses about $\lambda/\operatorname{tr}H$ of its loss in a step. It takes some $r$ steps where $\lambda$
# is the largest, and $r\,\lambda_{\max}/\lambda$ where it is small.
#
# **Derivation.** $\theta^+_i=\theta_i-\eta\hat g_i$, and $\mathbb{E}[\hat g\hat g^\top]=2gg^\top+\|g\|^2I$ (claim A3) with $g_i=\lambda_i\theta_i$. The loss changes by
# $-\eta\|g\|^2+\tfrac12\eta^2(\operatorname{tr}H\|g\|^2+2g^\top Hg)$, and $\|g\|^2=2\lambda L$; leave out the last term.
#
# Gradient descent pays for flatness too; MeZO pays of the order of $r$ times that. The reading for language models, which the toys illustrate and do not prove: a pretrained start under a prompt has left what matters in a few curved directions; a random one has much of it in flat ones.

# %%
size, rank, flat = sized(full=100, fast=40), 4, 0.01
curvature = torch.full((size,), flat, dtype=torch.float64)
curvature[:rank] = 1.0
strong, eta = curvature == 1, 1 / float(curvature.sum())
for name, error_in in (("curved", strong), ("flat", ~strong)):
    one = error_in / (curvature * error_in).sum().sqrt() * 2**0.5  # L = 1
    s, alone, theta = one**2, one**2, one.expand(sized(full=8000, fast=4000), size)
    generator = torch.Generator().manual_seed(4)
    for _ in range(12):
        z = torch.randn(theta.shape, generator=generator, dtype=torch.float64)
        theta = theta - eta * ((theta * curvature * z).sum(1, keepdim=True)) * z  # exact at any ε
        shrink = 1 - 2 * eta * curvature + 2 * (eta * curvature) ** 2
        s, alone = shrink * s + eta**2 * (curvature**2 * s).sum(), (1 - eta * curvature) ** 2 * alone
    losses = (curvature * theta**2).sum(1) / 2
    left = Estimate(float(losses.mean()), float(losses.std()) / len(losses) ** 0.5, len(losses))
    theory, decoy = (float((curvature * each).sum() / 2) for each in (s, alone))
    print(
        f"start in {name} directions, 12 steps: loss 1 → {left}; theory {theory:.4f}, z = {left.z_score(theory):+.1f}"
    )
    print(f"  decoy, gradient descent at the same rate: {decoy:.4f}, z = {left.z_score(decoy):+.1f}")

# %% [markdown]
# ## Experiment: the same network, two starts
#
# A network with one hidden layer learns the sign of $x_1x_2+\tfrac12x_3$. *Pretrained* means: by Adam, on the related $x_1x_2$. Both starts get the same
# forward passes, and the best of five learning rates each (by the test inputs, for both alike). Then the record: the real model from random weights, and without a prompt.

# %%
inputs, hidden = 10, 16
TASKS = {"old": lambda x: (x[:, 0] * x[:, 1]).sign(), "new": lambda x: (x[:, 0] * x[:, 1] + x[:, 2] / 2).sign()}


def network(points, x):
    first, bias, last = points.split([hidden * inputs, hidden, hidden], -1)
    features = torch.tanh(x @ first.unflatten(-1, (hidden, inputs)).mT + bias[..., None, :])
    return (features @ last[..., None])[..., 0]  # (…, examples)


def loss_of(task, generator):
    x = torch.randn(64, inputs, generator=generator)
    return lambda points: cross_entropy(TASKS[task](x) * network(points, x))


def accuracy(points):
    x = torch.randn(2000, inputs, generator=torch.Generator().manual_seed(9))
    return (TASKS["new"](x) * network(points, x) > 0).float().mean(-1)


# %%
def random_weights(count, generator):
    parts = [torch.randn(count, hidden * inputs, generator=generator) / inputs**0.5, torch.zeros(count, hidden)]
    return torch.cat([*parts, torch.randn(count, hidden, generator=generator) / hidden**0.5], -1)


def by_adam(points, task, steps, generator):
    points = points.clone().requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(task, generator)(points).sum().backward()
        optimizer.step()
    return points.detach()


def by_mezo(points, steps, generator, lr):
    for _ in range(steps):
        z = torch.randn(points.shape[-2:], generator=generator)
        pg = projected_gradient(loss_of("new", generator), points, z, 1e-3)
        points = points - lr * pg[..., None] * z
    return points


# %%
generator, copies = torch.Generator().manual_seed(0), sized(full=8, fast=4)
starts = {"random": random_weights(copies, generator)}
starts["pretrained"] = by_adam(random_weights(copies, generator), "old", 600, generator)
lr, stretch = torch.tensor([0.003, 0.01, 0.03, 0.1, 0.3])[:, None, None], sized(full=400, fast=60)
curves, adam = {}, {}
for name, points in starts.items():
    weights, curve = points.expand(len(lr), *points.shape), []
    for _ in range(7):
        curve.append(accuracy(weights))
        weights = by_mezo(weights, stretch, generator, lr)
    best = curve[-1].mean(1).argmax()  # of five rates
    curves[name] = [each[best] for each in curve]
    adam[name] = accuracy(by_adam(points, "new", 400, generator))
    accuracies = [
        f"{each.mean():.1%} ± {each.std() / copies**0.5:.1%}" for each in (curve[0][best], curve[-1][best], adam[name])
    ]
    print(
        f"{name}: start {accuracies[0]}; MeZO, {12 * stretch} passes: {accuracies[1]}; Adam, 400 steps: {accuracies[2]}"
    )
ahead = curves["pretrained"][-1] - curves["random"][-1]
print(f"pretrained − random after MeZO: {ahead.mean():+.1%}, z = {ahead.mean() / ahead.std() * copies**0.5:+.1f}")

# %%
figure = style.new_figure(height=3.3)
axes, passes = figure.add_subplot(), [2 * stretch * k for k in range(7)]
for (name, curve), law in zip(curves.items(), ("gaussian", "rademacher"), strict=True):
    bars = [float(each.std()) / copies**0.5 for each in curve]
    axes.errorbar(
        passes, [float(each.mean()) for each in curve], bars, label=f"MeZO, {name} start", **style.estimate(law)
    )
    far, bar = float(adam[name].mean()), float(adam[name].std()) / copies**0.5
    axes.errorbar(passes[-1] * 1.06, far, bar, label=f"Adam, {name} start", **style.estimate(law, style.GREY))
axes.set(xlabel="forward passes of MeZO", ylabel="test accuracy ± standard error", ylim=(0.45, 1.0))
style.despine(axes)
style.figure_legend(figure, columns=2)
show(
    figure,
    alt="Test accuracy against forward passes for MeZO from a pretrained start, which rises, and from a random one, which stays "
    "lower; at the right edge grey marks of Adam after 400 steps, both high and close together.",
)

# %%
bare = [row for row in rows if row["scratch"] or row["prompt"].endswith("/no-prompt")]
sizes = {row["shots"] for row in bare if row["method"] == "mezo"}  # with other sizes come other steps
prompted = [row for row in mezo(scratch=False, objective="loss", prompt="rotten-tomatoes") if row["shots"] in sizes]
for row in [*prompted, *bare]:
    print(line(row))
if not bare:
    print("random weights, and no prompt: not measured yet; `make accuracy` does it")
print("paper, Table 5 (RoBERTa-large, 16 per class), %: with prompt, without")
TABLE5 = {"SST-2": (89.6, 51.9), "SNLI": (65.1, 34.8), "TREC": (66.7, 19.5)}
for name, values in TABLE5.items():
    print(f"  {name:6}", *values)

# %% [markdown]
# ## What it means
#
# Whatever can be counted can be an objective: accuracy, F1, a reward. The toy and the paper show it. For SmolLM2 read the interval: the record shows it only if the gain of the accuracy row lies
# above 0. The price is fewer bits in each probe, and an $\varepsilon$ that must reach across margins: necessary, and not sufficient. And MeZO is a method for fine-tuning: $r$
# sets what a step can do, the start and the prompt how far there is to go. Whether a prompt shortens the way depends on the model: compare the record with Table 5. From random weights the first points are cheap, as a linear rule gives them; the product has to be found in
# directions that hardly curve yet. MeZO is slow there, not stuck; but far slower than Adam, which
# shows that network and data suffice.
#
# ## Where it breaks
#
# Smoothing needs an $\varepsilon$ that flips answers. Give the library's optimizer an accuracy at a far smaller one:

# %%
x = torch.randn(64, dim, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
labels = (x @ truth).sign()
for epsilon in (1e-8, 0.3):
    theta = torch.nn.Parameter(start.clone())
    optimizer = MeZO([theta], lr=0.03, epsilon=epsilon)
    for _ in range(sized(full=400, fast=200)):
        optimizer.step(lambda theta=theta: error_rate(labels * (x @ theta)))
    moved = float((theta.detach() - start).norm())
    print(f"ε = {epsilon:g}: zeros {optimizer.diagnostics.zero_rate():.0%}, θ moved by {moved:.2g}")

# %% [markdown]
# With no difference there is no step: the training stands still, and its loss looks calm. Worse is the rare probe that does see one: its $pg$ is at least $1/(2\varepsilon B)$, millions
# of times the slope.
#
# ## Exercises
#
# **12.1 (paper).** Let the $m_i/s_i$ have density $p$ near 0. Show that about $2\sqrt{2/\pi}\,p\,\varepsilon B$ answers flip, and that this is $\frac2\pi\varepsilon\sqrt d\,B/\|\theta\|$ for $x\sim N(0, I)$ and large $d$.

# %% [markdown] tags=["solution"]
# **Solution.** An answer flips where $|m_i|<\varepsilon s_i|u|$, $u\sim N(0,1)$: given $u$, with probability $2p\,\varepsilon|u|$. The mean of $|u|$ is $\sqrt{2/\pi}$. For $x\sim N(0,I)$, $m\sim N(0,\|\theta\|^2)$ and
# $s\approx\sqrt d$, so $p=\sqrt d/(\sqrt{2\pi}\,\|\theta\|)$, and $2\sqrt{2/\pi}/\sqrt{2\pi}=2/\pi$.

# %% [markdown]
# **12.2 (code).** The slope of the smoothed step, and the chance that a probe sees no difference. Ten minutes.

# %%
from mezo_lab.course.exercises.objective import (
    check_f1_objective,
    check_smoothed_slope,
    check_worth,
    check_zero_probability,
)


def smoothed_slope(theta: float, epsilon: float) -> float:
    # BEGIN SOLUTION
    return -math.exp(-((theta / epsilon) ** 2) / 2) / math.sqrt(2 * math.pi) / epsilon
    # END SOLUTION


check_smoothed_slope(smoothed_slope)


def chance_of_zero(flip: float, batch: int) -> float:
    # BEGIN SOLUTION
    ways = {k: math.comb(batch, 2 * k) * math.comb(2 * k, k) / 4**k for k in range(batch // 2 + 1)}
    return sum(way * flip ** (2 * k) * (1 - flip) ** (batch - 2 * k) for k, way in ways.items())
    # END SOLUTION


check_zero_probability(chance_of_zero)

# %% [markdown]
# **12.3 (code).** F1 as an objective to make smaller: one minus the mean over the examples of 2·shared/(words said + words of the reference), from texts in lower case. `collections.Counter` counts words. Ten minutes.


# %%
def f1_objective(answers: list[str], references: list[str]) -> float:
    # BEGIN SOLUTION
    from collections import Counter

    pairs = [(Counter(said.split()), Counter(right.split())) for said, right in zip(answers, references, strict=True)]
    return 1 - sum(2 * (a & b).total() / (a.total() + b.total()) for a, b in pairs) / len(pairs)
    # END SOLUTION


check_f1_objective(f1_objective)

# %% [markdown]
# **12.4 (experiment).** The best step on a batch gains in proportion to $(\mathbb{E}[pg\,z]\cdot v)^2/\mathbb{E}[pg^2]$, where $v$ is the direction to go. Write it from samples of $pg$ and of $z^\top v$. Which $\varepsilon$ is best, and how does that compare with $\|\theta\|/\sqrt d$?


# %%
def worth(pg, along) -> float:
    # BEGIN SOLUTION
    # It rises until ε√d is about ‖θ‖, and is nearly level beyond: below, few probes see a flip; above, what they see
    # hardly depends on θ.
    return float((pg * along).mean() ** 2 / (pg**2).mean())
    # END SOLUTION


check_worth(worth)
z = torch.randn(20_000, dim, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
for epsilon in (0.003, 0.03, 0.1, 0.3, 1.0, 3.0):
    pg = projected_gradient(lambda points: error_rate((points @ x.T) * labels), start, z, epsilon)
    print(f"ε = {epsilon:<5}, ε√d/‖θ‖ = {epsilon * dim**0.5:<5.2g}: {worth(pg, z @ truth):.4f}")

# %% [markdown]
# ## Summary
#
# - At finite $\varepsilon$ a step has a slope: a normal density of width $\varepsilon$, times $1/\varepsilon$.
# - A probe of an accuracy sees a whole number of $1/(2\varepsilon B)$; how often none follows from the margins.
# - Too small an $\varepsilon$ sees nothing, or far too much. Choose one that moves margins by about their size.
# - MeZO takes some $r\,\lambda_{\max}/\lambda$ steps where the start's error is in a direction of curvature $\lambda$: a good start is the method's other half.
#
# **Limits.** The toys are small, $q$ by angles holds for a linear classifier, and a quadratic has no saddles. The network shows one pair of tasks. The records are of one model, with accuracy
# as objective at one $\varepsilon$, in as many runs as they have.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 3.3 and Appendix A. Y. Nesterov and V. Spokoiny, *Random gradient-free
# minimization of convex functions*, 2017. J. C. Duchi, P. L. Bartlett and M. J. Wainwright, *Randomized smoothing for stochastic optimization*, 2012.
#
# **Next:** many processes.
