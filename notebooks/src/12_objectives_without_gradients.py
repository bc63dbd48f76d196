# %% [markdown]
# # 12. Objectives without gradients; why only a fine-tuned start
#
# **Claim.** By the end you will have shown that MeZO can raise an accuracy, which has no gradient, because a finite $\varepsilon$ gives it one; and that
# the steps of MeZO suffice only from a start that already knows nearly enough. The evidence: slopes and rates of probes that see nothing, beside
# formulas; trainings of a toy; records of SmolLM2. The controls: formulas that forget a factor, and gradient descent.
#
# **You will be able to** smooth a step; predict how often a probe of an accuracy sees no difference; choose $\varepsilon$ for it; say from a
# spectrum how long MeZO takes from a given start; write a score as an objective.
#
# **Before this:** notebooks 5, 6 and 11. **Time:** 70 minutes. **In the paper** (Malladi et al. 2023): Section 3.3
# and Table 3 (objectives without gradients), Table 5 (prompts), Definition 1.

# %%
from mezo_lab.course.notebook import needs_real_model

needs_real_model()

import math

import sympy
import torch
from torch.nn.functional import softplus

from mezo_lab import LAWS, Estimate, MeZO, projected_gradient, sample
from mezo_lab.course.classifier import angle, train_classifier
from mezo_lab.course.notebook import distance, predict, show, sized, verify
from mezo_lab.course.records import recorded_runs
from mezo_lab.finetune import reviews, smollm2
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import answer_logits
from mezo_lab.finetune.tasks import task_named
from mezo_lab.report.figures import StepProbe, ZeroShare, steps_alt_text, steps_figure, zeros_alt_text, zeros_figure
from mezo_lab.sampling import ErrorRate
from mezo_lab.theory import zero_probability

# %% [markdown]
# ## A step has a slope, seen from a distance
#
# Call the logit of the right label word less that of the other the *margin* $m$ of an answer. The answer is wrong where its margin is negative, and the *error rate*
# is the share of wrong answers. It is a sum of steps: flat almost everywhere, with the gradient 0. Backpropagation has nothing to propagate.
#
# > *Section 3.3, in our words.* MeZO needs the value of its objective and no gradient, so it can optimize accuracy or F1 directly.
# > *Definition 1, in our words:* the estimate is $pg\,z$, where $pg$ is the difference of the losses at $\theta+\varepsilon z$ and $\theta-\varepsilon z$, divided by $2\varepsilon$.
#
# **Statement** (claim A7, for a step). Let $L(\theta)=\mathbb{1}[\theta<0]$ and $z\sim N(0,1)$, and let $\varphi$ and $\Phi$ be the density and the distribution function of $z$. Then
#
# $$\mathbb{E}\left[pg\,z\right] = \frac{d}{d\theta}\,\mathbb{E}\,L(\theta+\varepsilon z) = \frac{d}{d\theta}\,\Phi(-\theta/\varepsilon) = -\frac1\varepsilon\,\varphi(\theta/\varepsilon).$$
#
# For a linear classifier with margins $m_i=y_i x_i^\top\theta$, and a batch of $B$ examples, put $s_i=\|x_i\|$: $\;\mathbb{E}[\hat g]=-\frac1B\sum_i\frac{1}{\varepsilon s_i}\varphi\!\left(\frac{m_i}{\varepsilon s_i}\right)y_ix_i.$
#
# **Derivation.**
#
# 1. $\theta+\varepsilon z<0$ exactly where $z<-\theta/\varepsilon$, so the mean of the step over $z$ is $\Phi(-\theta/\varepsilon)$. Differentiate it.
# 2. The estimate has that mean. Its two points differ only where $|z|>|\theta|/\varepsilon$, and there $pg=-\operatorname{sign}(z)/(2\varepsilon)$. So $\mathbb{E}[pg\,z]=-\mathbb{E}\left[|z|;\,|z|>|\theta|/\varepsilon\right]/(2\varepsilon)$, an integral that sympy solves below.
# 3. With many weights, $\varepsilon x_i^\top z\sim N(0, \varepsilon^2s_i^2)$. Put $m_i$ in place of $\theta$ and $\varepsilon s_i$ in place of $\varepsilon$; the chain rule contributes the factor $y_ix_i$.

# %%
theta, e, z = sympy.symbols("theta epsilon z", positive=True)
density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
mean = -2 * sympy.integrate(z * density, (z, theta / e, sympy.oo)) / (2 * e)
sympy.simplify(mean + density.subs(z, theta / e) / e)  # the mean less the statement

# %% [markdown]
# ## What one probe sees
#
# Here are 16 examples of a toy with 20 inputs. We walk from a start $\theta$ of length 1 along one direction $z$, and evaluate the error rate on the way. The dashed curves are its means over $\theta+\varepsilon uz$ with $u\sim N(0,1)$, for two $\varepsilon$.

# %%
DIM = 20
start = torch.full((DIM,), DIM**-0.5, dtype=torch.float64)  # ‖θ‖ = 1
x = torch.randn(16, DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
rate = ErrorRate(x[:, :1].sign() * x)  # of y·x: the label y is the sign of the first input
along = torch.randn(DIM, generator=torch.Generator().manual_seed(118), dtype=torch.float64)


def on_line(places):
    return rate(start + places[..., None] * along)


places = torch.linspace(-0.8, 0.8, 801, dtype=torch.float64)
u = torch.special.ndtri((torch.arange(999, dtype=torch.float64) + 0.5) / 999)  # N(0, 1) by its quantiles
smoothed, probes = {}, []
for epsilon, name in ((0.01, "narrow"), (0.3, "wide")):
    smoothed[f"smoothed, ε = {epsilon}"] = on_line(places[:, None] + epsilon * u).mean(1).tolist()
    ends = on_line(torch.tensor([-epsilon, epsilon], dtype=torch.float64)).tolist()
    probes.append(StepProbe(f"a {name} probe, ε = {epsilon}", -epsilon, epsilon, *ends))
picture = (places.tolist(), on_line(places).tolist(), smoothed, probes)
show(steps_figure(*picture), alt=steps_alt_text(*picture))

# %% [markdown]
# The narrow probe stays on one tread of the stairs, sees no difference, and learns nothing. The wide probe jumps over the margins of several answers, and the difference of its two points has a slope.
# A small $\varepsilon$ sees a steep slope, but only from nearby; a large one sees far, and faintly.
#
# ## How often a probe sees nothing
#
# An *answer flips* where it differs between $\theta+\varepsilon z$ and $\theta-\varepsilon z$. **Statement** (derived). Let each of $B$ answers flip with probability $q$, independently, and each way equally often. Then
#
# $$P(pg=0) = \sum_k\binom{B}{2k}q^{2k}(1-q)^{B-2k}\binom{2k}{k}4^{-k},\qquad \mathbb{E}[pg^2] = \frac{q}{4\varepsilon^2B}.$$
#
# For a linear classifier and inputs without a preferred direction, $q=\angle(\theta+\varepsilon z,\,\theta-\varepsilon z)/\pi$, which is about $\frac2\pi\,\varepsilon\sqrt d/\|\theta\|$ when it is small.
#
# **Derivation.**
#
# 1. The difference of the two error counts is a sum of $F$ fair signs, where $F$ is the number of flips. So $pg$ is a multiple of $1/(2\varepsilon B)$.
# 2. The sum is 0 where $F=2k$ and half of the flips cancel the other half. Its mean square is $\mathbb{E}F=Bq$.
# 3. Two classifiers disagree on the inputs between their two boundaries: the angle, over $\pi$.
#
# As $\varepsilon\to0$ we have $q\propto\varepsilon$, and therefore $\mathbb{E}[pg^2]\propto1/(\varepsilon B)$: the fewer probes see something, the larger is what they see.
#
# ## Predict first
#
# Write your answers into the cell below. They will be shown again beside the results.
#
# 1. Take the accuracy of 16 examples at $\varepsilon=10^{-3}$. Does a tenth of the probes see no difference, or nine tenths?
# 2. Do four times as many examples make zeros rarer? And at an $\varepsilon$ so large that half of all answers flip?
# 3. For which objective is the best $\varepsilon$ larger, accuracy or cross-entropy?
# 4. From random weights, does MeZO only need more steps? How many?

# %%
predictions = predict(zeros="", examples="", epsilon="", start="")

# %% [markdown]
# ## Experiment: zeros
#
# Every probe gets a fresh batch, whose labels are coins, so that flips are fair. For Gaussian inputs $x$ the rows $yx$ then have the law of $x$. `probed` returns $pg$ and $q$ of each probe.


# %%
def probed(epsilon: float, batch: int, count: int):
    generator = torch.Generator().manual_seed(batch)
    z = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
    signed = torch.randn(count, batch, DIM, generator=generator, dtype=torch.float64)
    pg = projected_gradient(ErrorRate(signed), start, z, epsilon)
    return pg, angle(start + epsilon * z, start - epsilon * z) / math.pi


widths = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
shares = []
for batch in (4, 16, 64):
    found = [probed(epsilon, batch, sized(full=4000, fast=1000)) for epsilon in widths]
    seen = [float((pg == 0).double().mean()) for pg, _ in found]
    errors = [math.sqrt(share * (1 - share) / len(found[0][0])) for share in seen]
    expected = [float(zero_probability(q, batch).mean()) for _, q in found]
    shares.append(ZeroShare(f"B = {batch}", widths, seen, errors, expected))
none = [float(((1 - q) ** 64).mean()) for _, q in found]
no_flip = ZeroShare("no answer of 64 flips", widths, [], [], none)
show(zeros_figure(shares, no_flip), alt=zeros_alt_text(shares, no_flip))
few, many = shares[1], shares[2]
sentence = f"{few.shares[0]:.0%} of the probes of 16 examples see no difference"
predictions.compare("zeros", f"at ε = {widths[0]}, {sentence}")
change = [f"at ε = {widths[k]:g} from {few.shares[k]:.0%} to {many.shares[k]:.0%}" for k in (2, 6)]
predictions.compare("examples", f"with 64 examples in place of 16, zeros fall {' and '.join(change)}")

# %% [markdown]
# More examples make zeros rarer: quickly where flips are few, and only by about a half where flips are many, because they must cancel in number.
#
# ## Check
#
# First the smoothed slope, of the accuracy of the 16 examples in the picture, along its own direction. The decoys forget how far a probe moves a margin, the factor in front, or the smoothing.

# %%
epsilon = 0.1
slope = rate.smoothed_gradient(start, epsilon)
direction, lengths = slope / slope.norm(), epsilon * rate.signed.norm(dim=1)  # εs


def estimates(count, generator):
    z = LAWS["gaussian"].sample(count, 1, DIM, generator)[:, 0]
    return projected_gradient(rate, start, z, epsilon) * (z @ direction)


def bells(widths, factor):
    heights = torch.exp(-((rate.margins(start) / widths) ** 2) / 2) * factor
    return -float(heights @ (rate.signed @ direction)) / 16


measured = sample(estimates, 40_000, numbers_per_draw=DIM, seed=3).estimate()
phi = (2 * math.pi) ** -0.5
values = {"theory": float(slope.norm()), "decoy: each margin moves by ε": bells(epsilon, phi / epsilon)}
values |= {"decoy: without the factor 1/(εs)": bells(lengths, phi), "decoy: the gradient": 0.0}
rows = [{"slope": name, "value": value, "distance": distance(measured, value)} for name, value in values.items()]
show([{"slope": "measured", "value": str(measured), "distance": ""}, *rows])

# %% [markdown]
# Then the zeros and the mean square, compared probe by probe with the formulas at the probe's own $q$.


# %%
def from_zero(gaps) -> str:
    return distance(Estimate(float(gaps.mean()), float(gaps.std()) / math.sqrt(len(gaps)), len(gaps)), 0.0)


rows = []
for epsilon, batch in ((0.03, 16), (0.1, 16), (0.1, 64)):
    pg, q = probed(epsilon, batch, sized(full=10_000, fast=4000))
    zero, square = (pg == 0).double(), 4 * epsilon**2 * batch * pg**2  # the mean of the square should be q
    row = {"ε": epsilon, "B": batch, "zeros": f"{zero.mean():.1%}"}
    row["distance to theory"] = from_zero(zero - zero_probability(q, batch))
    row["to “none flips”"] = from_zero(zero - (1 - q) ** batch)
    row["to “an even number flips”"] = from_zero(zero - (1 + (1 - 2 * q) ** batch) / 2)
    row["E[pg²]: to theory"] = from_zero(square - q)
    rows.append(row | {"without the B": from_zero(square / batch - q)})
show(rows)

# %% [markdown]
# The library tests the same law on a smooth loss:

# %%
verify("smoothing")

# %% [markdown]
# ## Experiment: does it train?
#
# Now train the toy, with fresh examples at each step. The test accuracy needs no test set: it is $1-\angle(\theta, e_1)/\pi$. The table has the mean over ten starts, at the best of four learning rates.


# %%
def error_rate(margins):
    return (margins < 0).double().mean(-1)


def cross_entropy(margins):
    return softplus(-margins).mean(-1)


widths = sized(full=(0.001, 0.01, 0.1, 0.3, 1.0), fast=(0.01, 0.3))
rows, best = [], {}
for objective in (error_rate, cross_entropy):
    steps = sized(full=1000, fast=250)
    results = {epsilon: train_classifier(objective, epsilon, steps=steps) for epsilon in widths}
    name = objective.__name__.replace("_", " ")
    for epsilon, result in results.items():
        zeros = f"{result.zeros:.0%}"
        rows.append({"objective": name, "ε": epsilon, "test accuracy": result.accuracy, "zeros": zeros})
    spread = [f"{results[each].accuracy.mean:.1%} at ε = {each:g}" for each in (widths[0], widths[-1])]
    best[name] = f"{name}: {spread[0]}, {spread[1]}"
show(rows)
predictions.compare("epsilon", "; ".join(best.values()))

# %% [markdown]
# An $\varepsilon$ that suits cross-entropy starves an accuracy. With an $\varepsilon$ that moves margins by about their own size, an accuracy trains, at a price: only examples near the boundary carry information.
#
# ## A population in place of pairs
#
# Evolution strategies evaluate a *population* of $N$ losses, one along each direction, and weigh a direction by its loss less a **baseline**. **Leave-one-out** takes the mean of the other losses as the baseline $b_k$:
#
# $$\hat g=\frac1N\sum_k\frac{L(\theta+\varepsilon z_k)-b_k}{\varepsilon}\,z_k,\qquad b_k=\frac1{N-1}\sum_{j\ne k}L(\theta+\varepsilon z_j).$$
#
# On a linear loss, $\mathbb{E}\|\hat g\|^2=\frac{d+N}{N-1}\|g\|^2$ for Gaussian $z$ (claim C3), as with $N-1$ two-sided probes. *Shaping* keeps only the losses' order. All rows below have the same number of forward passes.

# %%
passes, rows = sized(full=2000, fast=400), []
for estimate, probes in (("two-sided", 1), ("two-sided", 4), ("leave-one-out", 8), ("rank", 8)):
    each = 2 * probes if estimate == "two-sided" else probes
    kinds = {"probes": probes, "estimate": estimate, "starts": 40, "rates": (0.03, 0.1, 0.3, 1.0)}
    result = train_classifier(error_rate, 0.3, steps=passes // each, **kinds)
    row = {"estimate": estimate, "directions": probes, "forward passes a step": each, "steps": passes // each}
    rows.append(row | {"test accuracy": result.accuracy, "zeros": f"{result.zeros:.0%}"})
show(rows)

# %% [markdown]
# The population, which compares each loss with seven others, seldom sees no difference. It is ahead of four pairs; single pairs, which make more steps of the same passes, are as good within the errors. The order forgets by how much two losses differ.
#
# ## SmolLM2: what a probe of its accuracy sees
#
# On a few short reviews we measure the margins together with the accuracy. Let $\sigma$ be the rms distance by which a probe moves a margin; then answer $i$ should flip with probability $q_i=2\Phi(-|m_i|/\sigma)$.

# %%
model, tokenizer = smollm2()
batch = [row for row in reviews(seed=0) if 40 <= len(row["text"]) <= 60][: sized(full=8, fast=4)]
task = task_named("rotten-tomatoes/sentiment")
encoder = Encoder(task, tokenizer, batch[0])
signs, seen = torch.tensor([2.0 * task.gold(row) - 1 for row in batch]), []


def error():
    prompts = [encoder.encode_prompt(row, encoder.labels[0]) for row in batch]
    logits = answer_logits(model, prompts)[:, list(encoder.labels)]
    seen.append(signs * (logits[:, 1] - logits[:, 0]))  # the margins
    return (seen[-1] < 0).double().mean()


with torch.no_grad():
    error()
home = seen[0]
moving = sized(full=list(model.named_parameters()), fast=list(model.model.layers[-1].named_parameters()))

# %%
rows = []
for epsilon in sized(full=(1e-3, 1e-2), fast=(3e-2,)):
    seen.clear()
    probe = MeZO(moving, 1e-6, epsilon, sized(full=8, fast=1), "rademacher", check_closure=False)
    probe.probe(error)
    probe.flush()  # back to θ, without a step
    sides = torch.stack(seen).unflatten(0, (-1, 2))  # (probes, two sides, examples)
    moved = float((sides[:, 0] - sides[:, 1]).square().mean().sqrt()) / 2
    flips = float(((sides[:, 0] < 0) != (sides[:, 1] < 0)).sum(1).double().mean())
    row = {"ε": epsilon, "rms margin": float(home.square().mean().sqrt()), "moved by": moved, "flips a probe": flips}
    row["expected"] = float(torch.erfc(home.abs() / moved / math.sqrt(2)).sum())
    units = [round(pg * 2 * epsilon * len(batch)) for pg in probe.projected_gradients]
    rows.append(row | {"pg in units of 1/(2εB)": ", ".join(map(str, units)).replace("-", "−")})
show(rows)

# %% [markdown]
# Each $pg$ is a whole number of units. In a training, `zero_rate` reports how many of them are 0.
#
# > *Table 3, in our words.* RoBERTa-large is trained by MeZO on its accuracy. On all four tasks it ends far above zero-shot, on SST-2 and SNLI within a
# > point of cross-entropy, on SST-5 some four points below, and on TREC, which has six classes, some 26.
#
# Our record, from `make accuracy`, has such a run of SmolLM2 beside a longer one with cross-entropy:

# %%
rows = []
for run in recorded_runs(method="MeZO", prompt="“… It was”", shots=512):
    gain, low, high = (f"{100 * value:+.1f}".replace("-", "−") for value in run.gain)
    row = {"objective": run.objective, "test accuracy": f"{run.test:.1%}", "gain over zero-shot, points": gain}
    rows.append(
        row | {"95 % interval": f"{low} to {high}", "steps": run.forward_passes // 2, "zeros": f"{run.zeros:.0%}"}
    )
show(rows)

# %% [markdown]
# Unless the interval of the accuracy row is clearly above 0, our record does not show that it works on SmolLM2.
#
# ## Why only a fine-tuned start
#
# **Statement** (derived from A3). On $L=\tfrac12\sum_i\lambda_i\theta_i^2$, let $s_i=\mathbb{E}\,\theta_i^2$. With one probe and Gaussian $z$, a step of MeZO makes
#
# $$s_i \leftarrow (1 - 2\eta\lambda_i + 2\eta^2\lambda_i^2)\,s_i + \eta^2\sum_j\lambda_j^2s_j.$$
#
# Stability asks for $\eta\lesssim 2/\operatorname{tr}H$. At $\eta=1/\operatorname{tr}H$, an error in a direction of curvature $\lambda$ loses about the share $\lambda/\operatorname{tr}H$ of its loss in a step. This takes some $r$ steps where $\lambda$
# is the largest, and $r\,\lambda_{\max}/\lambda$ steps where it is small.
#
# **Derivation.** $\theta^+_i=\theta_i-\eta\hat g_i$, and $\mathbb{E}[\hat g\hat g^\top]=2gg^\top+\|g\|^2I$ (claim A3) with $g_i=\lambda_i\theta_i$. The loss changes by
# $-\eta\|g\|^2+\tfrac12\eta^2(\operatorname{tr}H\|g\|^2+2g^\top Hg)$, and $\|g\|^2=2\lambda L$; leave out the last term.
#
# The experiment starts with all of the error in the curved directions, or in the flat ones, and makes 12 steps. The decoy is gradient descent at the same rate.

# %%
size, rank, flat = sized(full=100, fast=40), 4, 0.01
curvature = torch.full((size,), flat, dtype=torch.float64)
curvature[:rank] = 1.0
strong, eta = curvature == 1, 1 / float(curvature.sum())
rows, left = [], {}
for name, error_in in (("curved", strong), ("flat", ~strong)):
    one = error_in / (curvature * error_in).sum().sqrt() * 2**0.5  # L = 1
    s, alone, theta = one**2, one**2, one.expand(sized(full=8000, fast=4000), size)
    generator = torch.Generator().manual_seed(4)
    for _ in range(12):
        z = torch.randn(theta.shape, generator=generator, dtype=torch.float64)
        theta = theta - eta * (theta * curvature * z).sum(1, keepdim=True) * z  # exact at any ε
        shrink = 1 - 2 * eta * curvature + 2 * (eta * curvature) ** 2
        s, alone = shrink * s + eta**2 * (curvature**2 * s).sum(), (1 - eta * curvature) ** 2 * alone
    losses = (curvature * theta**2).sum(1) / 2
    left[name] = Estimate(float(losses.mean()), float(losses.std()) / len(losses) ** 0.5, len(losses))
    right, decoy = (float((curvature * each).sum() / 2) for each in (s, alone))
    row = {"error in directions that are": name, "loss after 12 steps, from 1": left[name], "theory": right}
    row |= {"distance": distance(left[name], right), "gradient descent": decoy}
    rows.append(row | {"its distance": distance(left[name], decoy)})
show(rows)

# %%
half = {name: 12 * math.log(2) / -math.log(loss.mean) for name, loss in left.items()}
predictions.compare(
    "start",
    f"more steps, if all goes on as in these 12: a half of the loss takes {half['curved']:.0f} in curved directions "
    f"and {half['flat']:.0f} in directions {1 / flat:.0f} times flatter",
)

# %% [markdown]
# Gradient descent pays for flatness too, and MeZO pays of the order of $r$ times as much. For language models this is a reading, which the toy does not prove: a pretrained start has left what matters in a few curved directions, a random start in flat ones.
#
# > *Table 5, in our words.* RoBERTa-large is trained by MeZO on 16 examples of each class, with its prompt and without. Without it, accuracy is near chance on SST-2, SNLI and TREC.
#
# Our record has SmolLM2 with its prompt, without one, and from random weights, each with 16 examples of each class:

# %%
rows = []
for run in recorded_runs(method="MeZO", objective="loss", shots=16):
    if run.prompt != "“Sentiment:”":
        gain, low, high = (f"{100 * value:+.1f}".replace("-", "−") for value in run.gain)
        row = {"weights at the start": "random" if run.scratch else "pretrained", "prompt": run.prompt}
        row |= {"test accuracy": f"{run.test:.1%}", "gain over its start, points": gain}
        rows.append(row | {"95 % interval": f"{low} to {high}"})
show(rows)

# %% [markdown]
# ## What it means
#
# Whatever can be counted can be an objective. The toy and the paper show it for accuracy. The price is fewer bits in each probe, and an $\varepsilon$ that must reach across margins.
# And MeZO is a method for fine-tuning: the effective rank $r$ sets what a step can do, the start and the prompt how far there is to go. Whether a prompt shortens the way depends on the model: compare our record with Table 5.
#
# ## Where it breaks
#
# Smoothing needs an $\varepsilon$ that flips answers. Here `MeZO` gets an accuracy, once with such an $\varepsilon$ and once with a far smaller one:

# %%
x = torch.randn(64, DIM, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
rate = ErrorRate(x[:, :1].sign() * x)
rows = []
for epsilon in (1e-8, 0.3):
    theta = torch.nn.Parameter(start.clone())
    optimizer = MeZO([theta], lr=0.03, epsilon=epsilon)
    for _ in range(sized(full=400, fast=200)):
        optimizer.step(lambda theta=theta: rate(theta))
    moved = float((theta.detach() - start).norm())
    rows.append({"ε": epsilon, "zeros": f"{optimizer.diagnostics.zero_rate():.0%}", "θ moved by": moved})
show(rows)

# %% [markdown]
# Where no probe sees a difference, the training stands still and its loss looks calm. Worse is the rare probe that does see one: its $pg$ is at least $1/(2\varepsilon B)$, millions
# of times the slope.
#
# ## Exercises
#
# ### Exercise 12.1: how many flips, how many steps?
# *15 minutes · ★★☆ · on paper*
#
# (a) Let the quotients $m_i/s_i$ have the density $p$ near 0. Show that about $2\sqrt{2/\pi}\,p\,\varepsilon B$ answers flip, and that this is $\frac2\pi\varepsilon\sqrt d\,B/\|\theta\|$ for $x\sim N(0, I)$ and large $d$. (b) A Hessian has ten eigenvalues 1 and a thousand eigenvalues 0.01.
# At $\eta=1/\operatorname{tr}H$, how many steps halve an error in the curved directions, and how many halve one in the flat directions?
#
# <details><summary>Hint 1</summary>(a) For a given probe, how near to the boundary must an answer be to flip? (b) What is the trace?</details>
# <details><summary>Hint 2</summary>(a) The mean of |u| is √(2/π) for a normal u. (b) A share λ/tr H is lost in each step.</details>
# <details><summary>Expected output</summary>(b) Two numbers, the second a hundred times the first.</details>

# %% [markdown] tags=["solution"]
# **Solution.** (a) An answer flips where $|m_i|<\varepsilon s_i|u|$, $u\sim N(0,1)$: given $u$, with probability $2p\,\varepsilon|u|$. The mean of $|u|$ is $\sqrt{2/\pi}$. For $x\sim N(0,I)$, $m\sim N(0,\|\theta\|^2)$ and
# $s\approx\sqrt d$, so $p=\sqrt d/(\sqrt{2\pi}\,\|\theta\|)$, and $2\sqrt{2/\pi}/\sqrt{2\pi}=2/\pi$. (b) $\operatorname{tr}H=20$: the curved error loses one part in 20 a step and is halved after about $20\ln2\approx14$ steps, the flat one after about 1,400.

# %% [markdown]
# ### Exercise 12.2: other probes, other coins
# *20 minutes · ★★★*
#
# (a) Let $z$ be uniform on $[-\sqrt3, \sqrt3]$ in place of normal. Which slope $\mathbb{E}[pg\,z]$ does a step at 0 then have, seen from $\theta$? (b) The text lets each flip go both ways equally often. Let it now be right on the first side with probability `towards`.
# How often does a probe see no difference?
#
# <details><summary>Hint 1</summary>(a) Step 2 of the first derivation holds for every law that is symmetric. (b) Step 2 of the second one does not ask for fair signs until it counts them.</details>
# <details><summary>Hint 2</summary>(a) Integrate |z| times the density 1/(2√3) over both tails, which end at √3. (b) Of 2k flips, k must go one way and k the other.</details>
# <details><summary>Expected output</summary>(a) −1.44 at θ = 0.3 and ε = 0.25. (b) 0.25 for a single answer with q = 0.75.</details>


# %%
def uniform_slope(theta: float, epsilon: float) -> float:
    # BEGIN SOLUTION
    beyond = max(3 - (theta / epsilon) ** 2, 0) / (2 * math.sqrt(3))  # E[|z|; |z| > |θ|/ε]
    return -beyond / (2 * epsilon)
    # END SOLUTION


def chance_of_zero(flip: float, batch: int, towards: float) -> float:
    # BEGIN SOLUTION
    total = 0.0
    for k in range(batch // 2 + 1):
        even = math.comb(batch, 2 * k) * flip ** (2 * k) * (1 - flip) ** (batch - 2 * k)
        total += even * math.comb(2 * k, k) * (towards * (1 - towards)) ** k
    return total
    # END SOLUTION


# %%
from mezo_lab.course.exercises.objective import (
    check_f1_objective,
    check_one_sided_zeros,
    check_uniform_slope,
    check_worth,
)

check_uniform_slope(uniform_slope)
check_one_sided_zeros(chance_of_zero)

# %% [markdown]
# ### Exercise 12.3: F1 as an objective
# *10 minutes · ★★☆*
#
# Write F1 as an objective that a step makes smaller: one minus the mean over the examples of 2·shared/(words said + words of the reference). All texts are in lower case.
#
# <details><summary>Hint 1</summary>`collections.Counter` counts words, and `&` of two counters has what they share.</details>
# <details><summary>Hint 2</summary>A word that is said twice is shared once if the reference has it once.</details>
# <details><summary>Expected output</summary>"in paris france" for "paris" has F1 = ½, so the objective is 0.5.</details>


# %%
def f1_objective(answers: list[str], references: list[str]) -> float:
    # BEGIN SOLUTION
    from collections import Counter

    pairs = [(Counter(said.split()), Counter(right.split())) for said, right in zip(answers, references, strict=True)]
    return 1 - sum(2 * (a & b).total() / (a.total() + b.total()) for a, b in pairs) / len(pairs)
    # END SOLUTION


# %%
check_f1_objective(f1_objective)

# %% [markdown]
# ### Exercise 12.4: the best $\varepsilon$
# *10 minutes · ★★☆ · experiment*
#
# The best step on a batch gains in proportion to $(\mathbb{E}[pg\,z]\cdot v)^2/\mathbb{E}[pg^2]$, where $v$ is the direction in which to go. Write this ratio from samples of $pg$ and of $z^\top v$. Which $\varepsilon$ is best, and how does it compare with $\|\theta\|/\sqrt d$?
#
# <details><summary>Hint 1</summary>Both means are over draws: multiply draw by draw first.</details>
# <details><summary>Hint 2</summary>The mean of pg·zᵀv is a number; square it afterwards.</details>
# <details><summary>Expected output</summary>A table in which the gain rises until ε√d is about ‖θ‖.</details>


# %%
def worth(pg, along) -> float:
    # BEGIN SOLUTION
    # It rises until ε√d is about ‖θ‖, and is nearly level beyond: below, few probes see a flip; above, what they see
    # hardly depends on θ.
    return float((pg * along).mean() ** 2 / (pg**2).mean())
    # END SOLUTION


# %%
check_worth(worth)
z = torch.randn(20_000, DIM, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
rows = []
for epsilon in (0.003, 0.03, 0.1, 0.3, 1.0, 3.0):
    pg = projected_gradient(rate, start, z, epsilon)
    rows.append({"ε": epsilon, "ε√d/‖θ‖": epsilon * DIM**0.5, "gain": worth(pg, z[:, 0])})
show(rows)

# %% [markdown]
# ## Summary
#
# - At a finite $\varepsilon$ a step has a slope: a normal density of width $\varepsilon$, times $1/\varepsilon$.
# - A probe of an accuracy sees a whole number of units $1/(2\varepsilon B)$. How often it sees none follows from the margins.
# - With too small an $\varepsilon$, a probe sees nothing, or far too much. Choose one that moves margins by about their size.
# - MeZO takes some $r\,\lambda_{\max}/\lambda$ steps where the error of the start is in a direction of curvature $\lambda$: a good start is the other half of the method.
#
# **Limits.** The toys are small, $q$ by angles holds for a linear classifier, and a quadratic has no saddles. The records are of one model, with accuracy
# as the objective at one $\varepsilon$.
#
# **Further reading.** Y. Nesterov and V. Spokoiny, *Random gradient-free
# minimization of convex functions*, 2017. J. C. Duchi, P. L. Bartlett and M. J. Wainwright, *Randomized smoothing for stochastic optimization*, 2012.
#
# **Next:** many processes.
