# %% [markdown]
# # 9. MeZO, the optimizer
#
# **Claim.** By the end you will have shown that the optimizer which trains models takes the steps that the theory describes. Their
# length and their descent have the predicted means, one $z$ serves a whole step, and a list of numbers rebuilds the run bit for bit.
# The controls are the factors of other laws, a log with one flipped bit, and a zoo of defects, most of them from published code, each
# of which a short check must catch.
#
# **You will be able to** train any `torch.nn` model with `MeZO`; choose a law and a rule; log a run and replay it; test a generator
# of $z$ that somebody else wrote.
#
# **Before this:** notebooks 1, 3 and 5; notebook 8 for what happens inside a step. **Time:** 85 minutes.
# **In the paper** (Malladi et al. 2023): Algorithm 1, Sections 2.1 and 4, Appendix B.2.

# %%
import math
import random
import shutil
import tempfile
import warnings
from pathlib import Path

import sympy
import torch
from torch import nn

from mezo_lab import LAWS, MeZO, theory
from mezo_lab.claims.controls import flip_bit, replace_streams, same_for_tensors
from mezo_lab.course.exercises import zoo
from mezo_lab.course.notebook import distance, predict, show, sized, verify
from mezo_lab.optim import Adam, RunLog, Momentum, replay
from mezo_lab.optim.log import LogError
from mezo_lab.report.figures import defects_alt_text, defects_figure, rules_alt_text, rules_figure
from mezo_lab.sampling import LowRankQuadratic, RunningMoments

# %% [markdown]
# ## Ten lines
#
# We train a two-layer classifier on a task that no straight line solves. There is no `backward` and no `zero_grad`. The optimizer
# evaluates a *closure*, which is a function without arguments that returns the loss at the present weights.

# %%
generator = torch.Generator().manual_seed(0)
x = torch.randn(64, 2, generator=generator)
y = (x[:, 0] * x[:, 1] > 0).long()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


model = network()
opt = MeZO(model.named_parameters(), lr=0.1, seed=1)
losses = []
for _ in range(sized(full=200, fast=90)):
    losses.append(opt.step(lambda: nn.functional.cross_entropy(model(x), y)))
print(f"after {len(losses)} steps the loss has gone from {losses[0]:.3f} to {losses[-1]:.3f}")

# %% [markdown]
# The optimizer relies on a **contract**. The closure returns the loss at the present weights, and it returns the same value whenever
# it is called at the same point. `MeZO` calls it twice for each probe, with gradients switched off. In return it offers the
# following:
#
# - a step can be split into `probe(closure)` and a bare `step()`, for training loops that insist on their own order;
# - parameter groups, schedulers and `state_dict` work as they do for any torch optimizer;
# - a loss that is not finite is reported, and the weights do not move along it.

# %%
weights, biases = ([p for p in model.parameters() if (p.dim() == 1) == one] for one in (False, True))
groups = [{"params": weights, "weight_decay": 0.01}, {"params": biases, "lr": 0.05}]
opt, rates = MeZO(groups, lr=0.1), []
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=4)
for step in range(4):
    used = [group["lr"] for group in opt.param_groups]
    opt.probe(lambda: nn.functional.cross_entropy(model(x), y))
    opt.step()
    schedule.step()
    rates.append({"step": step, "rate of the weights": used[0], "rate of the biases": used[1]})
show(rates)

# %%
before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    loss = opt.step(lambda: math.nan)
moved = (nn.utils.parameters_to_vector(model.parameters()).detach() - before).abs().max()
show([{"loss": str(loss), "warning": str(caught[0].message), "largest change of a weight": float(moved)}])

# %% [markdown]
# This change is rounding: the weights walked to the probe and back. With `exact=True` they do not change at all.
#
# ## What a step does
#
# **Statement** (claim C3). Let $f$ be the norm factor and $\gamma$ the effective-rank factor of the law of $z$. A step of `MeZO` has
#
# $$\mathbb{E}\|\Delta\theta\|^2 = \eta^2 f\,\|g\|^2 \;\text{(linear loss)},\qquad
# \frac{\mathbb{E}\,L(\theta+\Delta\theta)}{L(\theta)} = 1 - 2\eta\ell + \eta^2\ell^2\gamma \;\;(H = \ell P_r).$$
#
# **Derivation.**
#
# 1. The step is $\Delta\theta=-\eta\hat g$. On linear and quadratic losses a two-sided difference has no error, so $pg_k=z_k^\top g$ exactly.
# 2. The length follows from $\mathbb{E}\|\Delta\theta\|^2=\eta^2\,\mathbb{E}\|\hat g\|^2$, and notebook 3 derives $f=(n-1+c)/n$ (Lemma 2).
# 3. The descent is that of notebook 5 (Theorem 2). The mean falls fastest at $\eta\ell=1/\gamma$, where a step leaves $1-1/\gamma$ of the loss.
# 4. The rule `Normalised` steps along $\hat g/\sqrt{\text{mean } pg^2}$. With one probe this is $\Delta\theta=-\eta\,\mathrm{sign}(pg)\,z$, the
#    random search of notebook 1, and the loss changes on average by $-\eta\sqrt{2/\pi}\,\|g\|+\tfrac12\eta^2\ell r$. At a constant
#    rate the descent stalls where these two terms cancel.

# %%
s, gamma, eta, rank, slope = sympy.symbols("s gamma eta r G", positive=True)
(best,) = sympy.solve(sympy.diff(theory.contraction(s, gamma), s), s)
(floor,) = sympy.solve(-eta * sympy.sqrt(2 / sympy.pi) * slope + eta**2 * rank / 2, slope)
kept = sympy.expand(theory.contraction(best, gamma))
rate, share, stall = (theory.printed(str(formula)) for formula in (best, kept, floor))
print(f"best ηℓ = {rate}, which leaves {share} of the loss; Normalised stalls at E‖g‖ = {stall}")

# %% [markdown]
# ## Predict first
#
# Write your answers between the quotation marks before you go on.
#
# 1. (`law`) On one and the same bowl, each law takes steps at its own best rate. Which descends further in a step, Gaussian $z$ or
#    random signs?
# 2. (`probes`) A step with four probes costs four times as many forward passes as a step with one. Is it worth them?
# 3. (`signs`) A rule steps along the signs of $\hat g$ at a constant rate. Does the loss go to 0?
# 4. (`seeds`) A program seeds its generator anew for every tensor. Is the $z$ of each tensor still standard normal? Does the program
#    still descend?

# %%
predictions = predict(law="", probes="", signs="", seeds="")

# %% [markdown]
# ## Experiment: laws and probes
#
# The bowl is $L=\tfrac12(\theta_1^2+\dots+\theta_r^2)$. We take many first steps from one point, each law at its best rate. The last
# column measures how far the draws are from the formula with $d$ in place of $r$, as if all directions were curved.

# %%
d, r = 20, 4
bowl, start = LowRankQuadratic(smoothness=1.0, rank=r), torch.zeros(d, dtype=torch.float64)
start[:r] = torch.linspace(0.87, 1.13, r)


def factor(law, probes, rank=r):
    return theory.effective_rank_factor(rank, probes, LAWS[law].moments(d))


def left_over(law, probes, steps):
    theta, ratios = start.clone(), torch.empty(steps, dtype=torch.float64)
    opt = MeZO([nn.Parameter(theta)], lr=1 / factor(law, probes), law=law, probes=probes)
    for step in range(steps):
        theta.copy_(start)
        opt.step(lambda: bowl(theta))
        ratios[step] = bowl(theta) / bowl(start)
    return RunningMoments.of(ratios).estimate()


rows, left = [], {}
for law, probes in [("gaussian", 1), ("rademacher", 1), ("sphere", 1), ("gaussian", 4)]:
    measured = left[law, probes] = left_over(law, probes, sized(full=2000, fast=300))
    right, wrong = (theory.contraction(1 / factor(law, probes), factor(law, probes, k)) for k in (r, d))
    row = {"law": law, "probes n": probes, "formula": right, "measured": measured}
    rows.append(row | {"distance": distance(measured, right), "with d for r": distance(measured, wrong)})
show(rows)

# %%
one, signs, four = (left[each].mean for each in (("gaussian", 1), ("rademacher", 1), ("gaussian", 4)))
further = "signs" if signs < one else "Gaussian z"
predictions.compare("law", f"{further}: a step leaves {signs:.2f} with signs, {one:.2f} with Gaussian z")
better = "no" if one**4 < four else "yes"
course = f"one step with four probes leaves {four:.2f}, four steps with one probe leave {one**4:.2f}"
predictions.compare("probes", f"{better}: {course}")

# %% [markdown]
# Signs descend further than Gaussian draws here because the bowl lies along the axes ($\gamma=r$ instead of $r+2$). In *general
# directions*, signs behave like the sphere, with $\gamma=d(r+2)/(d+2)$ (claim B10). At a fixed number of forward passes, many short
# steps with one probe each beat a few steps with many independent probes (claim B7).
#
# The settings `exact` and `fused` change the arithmetic and the number of sweeps. They do not change the path:

# %%
ends, rows = {}, []
for name, kind in {"plain": {}, "exact": {"exact": True}, "fused": {"fused": True}}.items():
    theta = start.clone()
    opt = MeZO([nn.Parameter(theta)], lr=0.1, **kind)
    for _ in range(20):
        opt.step(lambda: bowl(theta))  # noqa: B023
    opt.flush()  # now θ, as the mathematics has it
    ends[name] = theta
    apart = float((theta - ends["plain"]).abs().max())
    rows.append({"mode": name, "sweeps in 20 steps": opt.cost.sweeps, "largest difference": apart})
show(rows)

# %% [markdown]
# ## Experiment: rules
#
# A rule makes a step out of the history of the estimates. This history is the one that the log holds: scalars, from which every $z$
# can be drawn again. No rule needs a buffer of the size of the model.


# %%
def descent(steps, lr, rule):
    theta, losses = start.clone(), [float(bowl(start))]
    opt = MeZO([nn.Parameter(theta)], lr, rule=rule)
    for _ in range(steps):
        opt.step(lambda: bowl(theta))
        losses.append(float(bowl(theta)))
    return losses


lr, steps = 0.1, sized(full=100, fast=40)
best = 1 / factor("gaussian", 1)
rules = {"sgd": (best, "sgd"), "momentum": (best, Momentum(0.8)), "adam": (lr, Adam(0.8, 0.9))}
rules |= {"normalised": (lr, "normalised"), "sign": (lr, "sign")}
curves = {name: descent(steps, *settings) for name, settings in rules.items()}
show(rules_figure(curves, 1 - best), alt=rules_alt_text(curves, 1 - best))
ends = {name: losses[-1] for name, losses in curves.items()}
predictions.compare("signs", f"after {steps} steps it is {ends['sign']:.2g}, and that of sgd {ends['sgd']:.2g}")

# %% [markdown]
# The steps of `sgd` shrink with the slope, so its loss falls geometrically. A typical run lies below the dashed mean, because rare
# bad runs carry that mean. Momentum starts slowly while its average fills. The steps of `adam`, `normalised` and `sign` do not shrink
# with the slope: these rules need a schedule, or they stall. For `normalised` we know where. The decoy forgets the factor
# $\sqrt{2/\pi}$ of $\mathbb{E}|z^\top g|$:

# %%
losses = torch.tensor(descent(sized(full=800, fast=300) + 99, lr, "normalised")[100:]).double()
blocks = (2 * losses).sqrt().view(10, -1).mean(1)  # ‖g‖ in long blocks: neighbours are correlated
measured = RunningMoments.of(blocks).estimate()
rows = []
for name, value in {"√(π/8)·η·r": float(floor.subs({eta: lr, rank: r})), "decoy η·r/2": lr * r / 2}.items():
    row = {"E‖g‖ where it stalls": name, "value": value, "measured": measured}
    rows.append(row | {"distance": distance(measured, value)})
show(rows)

# %% [markdown]
# ## A run is a list of numbers
#
# **Statement** (claim C5; paper, Section 2.1). The seed, the projected gradients and the learning rates rebuild the weights bit for
# bit. `RunLog` writes them to a file. `replay` needs this file and the initial weights, but no data and no forward pass.

# %%
folder = Path(tempfile.mkdtemp())


def logged(steps):
    model = network()
    opt = MeZO(model.named_parameters(), lr=0.1, seed=2)
    with RunLog(opt, folder / f"{steps}.log"):
        for _ in range(steps):
            opt.step(lambda: nn.functional.cross_entropy(model(x), y))
    return model, (folder / f"{steps}.log").stat().st_size


(_, short), (trained, long) = logged(30), logged(90)
rebuilt = network()
replay(rebuilt, folder / "90.log")
same = all(torch.equal(a, b) for a, b in zip(trained.parameters(), rebuilt.parameters(), strict=True))
each = (long - short) / 60  # bytes
print(f"rebuilt bit for bit: {same}; {each:.2f} bytes a step, {short} for the first 30 with the header")

# %%
rng, refused = random.Random(0), []
for _ in range(20):
    shutil.copyfile(folder / "90.log", folder / "flipped.log")
    flip_bit(folder / "flipped.log", rng)  # one bit, anywhere
    try:
        replay(network(), folder / "flipped.log")
    except LogError as error:
        refused.append(str(error).replace(str(folder), "…"))
print(f"{len(refused)} of 20 refused; the last: {refused[-1]}")

# %% [markdown]
# ## Check
#
# The library's claims are measured on `MeZO.step` itself. For C3 the decoys are the factor of another law, and $d$ in place of $r$.
# Claim C1 says that a step has one $z$, claim C2 that $z$ is uncorrelated across tensors, probes and steps, and claim C5 that a log
# rebuilds the run. Their controls are wrong programs, which the same draws must refute.

# %%
size = sized(full=4, fast=2)
length = {"measure": "length", "d": size, "r": size, "n": 1}
verdicts = [verify("engine-factor", law, **length) for law in ("rademacher", "sphere", "coordinate")]
bent = {"measure": "contraction", "d": 8, "r": 2, "n": 1}
others = [verify("engine-factor", sized(full="gaussian", fast="rademacher"), **bent)]
others += [verify("same-z", measure="step"), verify("isotropic")]
others += [verify("replay", measure="rebuilt", steps=3)]
show(verdicts)
for verdict in others:
    show(verdict)

# %% [markdown]
# ## The bug zoo
#
# MeZO requires three things of a generator: $\mathbb{E}[zz^\top]=I$ across all tensors, independence between steps, and the same $z$
# for the probe and for the update. Published code has missed each of them. `zoo.ZOO` holds small generators with defects of these
# kinds. All have one signature, `z(shapes, seed, step, update=False)`; with `update=True` they return the step that the program
# makes per unit of measured slope.

# %%
show([{"generator": name, "what it does, and whom it hurts": what} for name, (_, what) in zoo.ZOO.items()])

# %% [markdown]
# Seven checks watch each generator for a hundred steps. *One z* asks whether the update has the $z$ of the probe, and *frozen*
# whether a tensor keeps its $z$ when the other tensors are frozen. *Scale* tests the variance. The other four look for correlations:
# between *neighbours* in a tensor, between *tensors*, between *steps*, and between the *runs* of two seeds.
#
# The last five rest on one idea. If $x$ and $y$ are independent, with mean 0 and unit variance, then $\sum xy$ over $N$ independent
# pairs has mean 0 and variance $N$. Therefore $\sum xy/\sqrt N$ is already a number of standard errors, and five of them are an
# alarm. Nobody has to choose a tolerance.

# %%
deviations = {name: zoo.deviations(generator) for name, (generator, _) in zoo.ZOO.items()}
deviations["MeZO"] = zoo.deviations(zoo.mezo)
show(defects_figure(deviations), alt=defects_alt_text(deviations))
alarms = {name: zoo.failed_checks(found) for name, found in deviations.items()}
assert [name for name, failed in alarms.items() if not failed] == ["MeZO"]

# %% [markdown]
# Every defect is caught, the sound generator is not, and each check has something to do. A loss curve would show few of these
# defects: with most of them a run still descends, only more slowly, or on some models only. One case where it does not descend at
# all has two tensors with opposite gradients and a generator that is seeded anew for each of them:


# %%
def fall(streams=None):
    a, b = nn.Parameter(torch.zeros(10)), nn.Parameter(torch.zeros(10))
    opt, losses = MeZO([("a", a), ("b", b)], lr=1 / 22), []
    if streams is not None:
        replace_streams(opt, streams)
    for _ in range(sized(full=100, fast=50)):
        losses.append(opt.step(lambda: ((a - 1).square().sum() + (b + 1).square().sum()) / 2))
    return losses


own, shared = fall(), fall(same_for_tensors)
scale = "passes" if abs(deviations["one per tensor"]["scale"]) < 5 else "fails"
course = f"from {shared[0]:.2f} to {shared[-1]:.2f}; with a z of its own for each tensor, to {own[-1]:.2f}"
predictions.compare("seeds", f"each z {scale} the check of its scale, and yet the loss goes {course}")

# %% [markdown]
# Each tensor by itself has a perfect $z$. But the two slopes cancel in $pg$, and the optimizer sees a plain where there is a hill
# (exercise 9.1).
#
# ## What it means
#
# The optimizer that trains a language model is the one that the theorems speak of. This can be tested from outside, through the
# weights that a closure sees. Laws differ as much as their $\gamma$ do, which is little. Rules differ in whether their steps shrink.
# A run is rarely ruined by its formula. More often the $z$ of the update is not the $z$ of the probe, or two tensors share one, and
# no loss curve tells.
#
# ## Where it breaks
#
# A closure that draws a fresh batch, or a fresh dropout mask, at each call breaks the contract: its two losses belong to two
# functions. If $\sigma_L$ is the standard deviation of a batch's loss, $pg$ then contains a noise that has nothing to do with $z$:
#
# $$\mathbb{E}\,pg^2 \approx \|g\|^2 + \frac{\sigma_L^2}{2\varepsilon^2}.$$

# %%
model, B = network(), 8
each = nn.functional.cross_entropy(model(x), y, reduction="none").detach()
sigma = float(each.std(correction=0)) / math.sqrt(B)
batches = torch.Generator().manual_seed(1)


def on(batch):
    return nn.functional.cross_entropy(model(x[batch]), y[batch])


def fresh():
    return on(torch.randint(64, (B,), generator=batches))


def norm_seen(closure, epsilon):
    opt = MeZO(model.named_parameters(), lr=1e-30, epsilon=epsilon, check_closure=False)  # hardly moves
    for _ in range(sized(full=60, fast=30)):
        opt.step(closure)
    return opt.diagnostics.gradient_norm()  # √(mean pg²)


rows = []
for epsilon in (1e-2, 1e-3):
    alone = sigma / (math.sqrt(2) * epsilon)
    row = {"ε": epsilon, "√(mean pg²), fresh batches": norm_seen(fresh, epsilon), "noise alone": alone}
    rows.append(row | {"one batch": norm_seen(lambda: on(slice(B)), epsilon)})
show(rows)

# %%
try:
    MeZO(model.named_parameters(), lr=0.1, check_closure=True).step(fresh)
except ValueError as refusal:
    print(refusal)

# %% [markdown]
# A true $\|g\|$ does not depend on $\varepsilon$, but the one that is seen with fresh batches grows as $1/\varepsilon$. The cure is to
# draw the batch *before* the step. For dropout it is `common_random_numbers=True`.
#
# ## Exercises
#
# ### Exercise 9.1 (on paper): two tensors, one z
# *25 minutes · ★★☆*
#
# (a) Two tensors $a$ and $b$ of one shape share one $z$. Show that $\mathbb{E}\,\hat g_a=g_a+g_b$. When does such a program still
# descend? (b) A generator keeps 32 bits of its seed. Each of $T=20{,}000$ steps and each of $W=272$ tensors gets a seed by hashing. How
# many pairs share a stream by chance, and does that hurt?
#
# <details><summary>Hint 1</summary>Write pg as one inner product of z with a sum.</details>
# <details><summary>Hint 2</summary>The expected number of pairs that share a stream is the number of all pairs times the chance that two seeds agree.</details>
# <details><summary>Expected output</summary>A mean, a condition under which the loss still falls, and a number of pairs in thousands.</details>

# %% [markdown] tags=["solution"]
# **Solution.** (a) Here $pg=z^\top(g_a+g_b)$ and $\hat g_a=pg\,z$, so $\mathbb{E}\,\hat g_a=\mathbb{E}[zz^\top](g_a+g_b)=g_a+g_b$, and the same for
# $b$. To first order the loss changes on average by $-\eta\|g_a+g_b\|^2$. The program descends unless the sum vanishes, but it moves in
# a space of half the dimension. (b) $\binom{TW}{2}/2^{32} \approx 3{,}400$ pairs out of $1.5\cdot10^{13}$. Each of them ties two tensors
# once, mostly of distant steps and with unrelated signs, so nothing builds up. Seeds that collide by a rule tie the same tensors at
# every step.

# %% [markdown]
# ### Exercise 9.2: a sound generator
# *15 minutes · ★★☆*
#
# Write a generator that passes all checks of the zoo. Beware of seeds that are sums, of the order of the tensors, and of `if seed`.
#
# <details><summary>Hint 1</summary>The stream of a tensor must depend on three things and on nothing else.</details>
# <details><summary>Hint 2</summary>Hash the three things together, and seed a generator of its own with the hash. A sum of them will not do.</details>
# <details><summary>Expected output</summary>✓ passes 7 checks over 100 steps</details>

# %%
import hashlib


def z(shapes, seed, step, update=False):
    # BEGIN SOLUTION
    found = {}
    for name, shape in shapes.items():
        digest = hashlib.blake2b(repr((seed, step, name)).encode(), digest_size=8).digest()
        rng = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        found[name] = torch.randn(shape, generator=rng)
    return found  # whatever `update` says
    # END SOLUTION


# %%
zoo.check_generator(z)

# %% [markdown]
# ### Exercise 9.3: three mysteries
# *15 minutes · ★★☆*
#
# Here are three mysterious generators and six illnesses. Find the illness of each mystery. Begin with
# `zoo.deviations(zoo.MYSTERIES["A"])`, and then look at some of its $z$ yourself.
#
# <details><summary>Hint 1</summary>Compare the steps of a run with seed 0 and of a run with another seed.</details>
# <details><summary>Hint 2</summary>Print the first coordinates of z for four steps in a row.</details>
# <details><summary>Expected output</summary>✓ 3 of 3</details>

# %%
show([{"key": key, "illness": sentence} for key, sentence in zoo.ILLNESSES.items()])


def diagnoses():
    # BEGIN SOLUTION
    return {"A": "product", "B": "mean", "C": "back"}
    # END SOLUTION


# %%
zoo.check_diagnoses(diagnoses)

# %% [markdown]
# ### Exercise 9.4: break the contract
# *15 minutes · ★★☆*
#
# Break the contract in two ways, and see which diagnostic reveals it. The closure `noisy` returns another loss at each call. The
# closure `stale` returns the same loss wherever the weights are, as happens with a cache that is not cleared. Predict which of the
# two `check_closure` lets pass.
#
# <details><summary>Hint 1</summary>Neither closure takes an argument. The first needs a random number.</details>
# <details><summary>Hint 2</summary>The second needs no model at all.</details>
# <details><summary>Expected output</summary>A line for a sound closure and for each of yours, and a ✓ that says what each diagnostic compares.</details>


# %%
def sound():
    return on(slice(B))


def broken():
    """The name of a closure → the closure."""
    # BEGIN SOLUTION
    noise = torch.distributions.Normal(0.0, 0.01)
    return {"noisy": lambda: sound() + noise.sample(), "stale": lambda: 0.7}
    # END SOLUTION


# %%
zoo.check_contracts(broken, sound, model.named_parameters())

# %% [markdown]
# ## Summary
#
# - `MeZO` is a torch optimizer with a contract: at the same point, the closure returns the same value.
# - Its steps have the length and the descent that the theory predicts, law by law. A rule whose steps do not shrink stalls at a floor,
#   which the theory predicts too.
# - A run is its log. It takes a few bytes a step, is replayed bit for bit, and is refused when it is damaged.
# - A generator must give $\mathbb{E}[zz^\top]=I$ across tensors and steps, and the same $z$ twice. Seven short checks catch thirteen
#   kinds of defects, most of them met in published code.
#
# **Limits.** We measured means of single steps on quadratic losses, not the success of a training. The checks see only the
# correlations that they look for, down to $5/\sqrt N$. Replay is bit for bit on one device with one version of the software.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Appendix B. T. Salimans et al.,
# *Evolution strategies as a scalable alternative to reinforcement learning*, 2017. J. Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011.
#
# **Next:** a real language model.
