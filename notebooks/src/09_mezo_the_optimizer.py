# %% [markdown]
# # 9. MeZO, the optimizer
#
# **Claim.** By the end you will have shown that the optimizer which trains models takes the steps of the theory: their length and
# their descent have the predicted means, all through a step there is one $z$, and a list of numbers rebuilds the run bit for bit.
# The controls: the factors of other laws, a log with one bit flipped, and a zoo of defects, most from published code, each of which a
# short check must catch.
#
# **You will be able to** train any `torch.nn` model with `MeZO`; choose a law and a rule; log and replay a run; test a generator of
# $z$ that you did not write.
#
# **Before this:** notebooks 1, 3 and 5; 8 for what happens inside. **Time:** 80 minutes, of which the exercises take 70; the cells run within a minute or so.
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

from mezo_lab import LAWS, Estimate, MeZO, theory
from mezo_lab.claims.controls import flip_bit, replace_streams, same_for_tensors
from mezo_lab.course.exercises import zoo
from mezo_lab.course.notebook import predict, show, sized, verify
from mezo_lab.optim import Adam, RunLog, Momentum, replay
from mezo_lab.optim.log import LogError
from mezo_lab.report.figures import rules_alt_text, rules_figure
from mezo_lab.sampling import LowRankQuadratic

# %% [markdown]
# ## Ten lines
#
# A two-layer classifier on a task that no line separates. No `backward`, no `zero_grad`: the optimizer evaluates the
# *closure*, a function without arguments that returns the loss at the present weights.

# %%
generator = torch.Generator().manual_seed(0)
x = torch.randn(64, 2, generator=generator)
y = (x[:, 0] * x[:, 1] > 0).long()


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


model = network()
opt = MeZO(model.named_parameters(), lr=0.1, seed=1)
for step in range(sized(full=200, fast=90)):
    loss = opt.step(lambda: nn.functional.cross_entropy(model(x), y))
    if step % 30 == 0:
        print(f"step {step:3}  loss {loss:.3f}")

# %% [markdown]
# The loss falls. **The contract:** the closure returns the loss at the present weights, and the same value at the same
# point; it is called twice per probe, without grad. In return:
#
# - `probe(closure)` and a bare `step()` split a step, for training loops that insist on their own order;
# - groups, schedulers and `state_dict` are those of any torch optimizer;
# - a loss that is not finite is reported, and never applied.

# %%
weights, biases = ([p for p in model.parameters() if (p.dim() == 1) == one] for one in (False, True))
groups = [{"params": weights, "weight_decay": 0.01}, {"params": biases, "lr": 0.05}]
opt = MeZO(groups, lr=0.1)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=4)
for _ in range(4):
    opt.probe(lambda: nn.functional.cross_entropy(model(x), y))
    opt.step()
    schedule.step()
    print("next rates:", [round(group["lr"], 5) for group in opt.param_groups])

# %%
before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    loss = opt.step(lambda: math.nan)
moved = (torch.cat([p.detach().flatten() for p in model.parameters()]) - before).abs().max()
print(f"a loss of {loss}: {caught[0].message} Largest change of a weight: {moved:.0e}")

# %% [markdown]
# The change is rounding, because the weights walked to the probe and back. With `exact=True` there is none.
#
# ## What a step does
#
# **Statement** (claim C3). With the factor $f$ and the effective rank's $\gamma$ of the law of $z$, a step of `MeZO` has
#
# $$\mathbb{E}\|\Delta\theta\|^2 = \eta^2 f\,\|g\|^2 \;\text{(linear loss)},\qquad
# \frac{\mathbb{E}\,L(\theta+\Delta\theta)}{L(\theta)} = 1 - 2\eta\ell + \eta^2\ell^2\gamma \;\;(H = \ell P_r).$$
#
# **Derivation.**
#
# 1. $\Delta\theta=-\eta\hat g$, where $pg_k=z_k^\top g$ exactly: on linear and quadratic losses a two-sided difference has no error.
# 2. Length: $\mathbb{E}\|\Delta\theta\|^2=\eta^2\,\mathbb{E}\|\hat g\|^2$, and $f=(n-1+c)/n$ is notebook 3 (Lemma 2).
# 3. Descent: notebook 5 (Theorem 2). The best rate, for the mean, is $\eta\ell=1/\gamma$, which leaves $1-1/\gamma$ of the loss.
# 4. The rule `Normalised` steps along $\hat g/\sqrt{\text{mean } pg^2}$: with one probe, $\Delta\theta=-\eta\,\mathrm{sign}(pg)\,z$, the random search of notebook 1. On
#    average the loss changes by $-\eta\sqrt{2/\pi}\,\|g\|+\tfrac12\eta^2\ell r$. At a constant rate it stalls where this vanishes.

# %%
s, gamma, eta, rank, slope = sympy.symbols("s gamma eta r G", positive=True)
(best,) = sympy.solve(sympy.diff(theory.contraction(s, gamma), s), s)
(floor,) = sympy.solve(-eta * sympy.sqrt(2 / sympy.pi) * slope + eta**2 * rank / 2, slope)
print(f"best ηℓ = {best}, leaves {sympy.expand(theory.contraction(best, gamma))}; Normalised stalls at E‖g‖ = {floor}")

# %% [markdown]
# ## Predict first
#
# Write your answers between the quotation marks before you go on.
#
# 1. (`law`) Same bowl, each law at its best rate: which descends further in a step, Gaussian $z$ or signs?
# 2. (`probes`) Four probes instead of one: does a step cost or gain more?
# 3. (`signs`) Signs of $\hat g$, and a constant rate. Does the loss go to 0?
# 4. (`seeds`) A program seeds its generator anew for every tensor. Is each tensor's $z$ still standard normal? Is $\hat g$ still right on average?

# %%
predictions = predict(law="", probes="", signs="", seeds="")

# %% [markdown]
# ## Experiment: laws and probes
#
# The bowl $L=\tfrac12(\theta_1^2+\dots+\theta_r^2)$; many first steps from one point, each law at its best rate. The last column holds the draws
# against the formula with $d$ in place of $r$, as if all directions were curved.

# %%
d, r = 20, 4
bowl, start = LowRankQuadratic(smoothness=1.0, rank=r), torch.zeros(d, dtype=torch.float64)
start[:r] = torch.linspace(0.87, 1.13, r)


def factor(law, probes, rank=r):
    return theory.effective_rank_factor(rank, probes, LAWS[law].moments(d))


def left_over(law, probes, steps):
    theta, ratios = start.clone(), []
    opt = MeZO([nn.Parameter(theta)], lr=1 / factor(law, probes), law=law, probes=probes)
    for _ in range(steps):
        theta.copy_(start)
        opt.step(lambda: bowl(theta))
        ratios.append(float(bowl(theta) / bowl(start)))
    ratios = torch.tensor(ratios, dtype=torch.float64)
    return Estimate(float(ratios.mean()), float(ratios.std()) / math.sqrt(steps), steps)


for law, probes in [("gaussian", 1), ("rademacher", 1), ("sphere", 1), ("gaussian", 4)]:
    measured, best = left_over(law, probes, sized(full=200, fast=60)), 1 / factor(law, probes)
    right, wrong = (theory.contraction(best, factor(law, probes, rank)) for rank in (r, d))
    scores = f"distance {measured.z_score(right):+.1f}, with d for r: {measured.z_score(wrong):+.0f}"
    print(f"{law:<10} n = {probes}, {2 * probes} passes: formula {right:.3f}, measured {measured}; {scores}")
kept = {law: theory.contraction(1 / factor(law, 1), factor(law, 1)) for law in ("gaussian", "rademacher")}
predictions.compare(
    "law", f"signs: a step leaves {kept['rademacher']:.2f} of the loss, a Gaussian one {kept['gaussian']:.2f}"
)
predictions.compare("probes", "four probes leave less of the loss, and cost four times as many passes")

# %% [markdown]
# Signs descend further than Gaussian draws here, as the bowl lies along the axes ($\gamma=r$ instead of $r+2$). In general directions they see the sphere, $\gamma=d(r+2)/(d+2)=5.45$ (claim
# B10). Four probes leave less, and cost four times as many passes: per pass, one of such independent probes is best (claim B7).
#
# `exact` and `fused` change the arithmetic and the number of sweeps, but not the path:

# %%
ends = {}
for name, kind in {"plain": {}, "exact": {"exact": True}, "fused": {"fused": True}}.items():
    theta = start.clone()
    opt = MeZO([nn.Parameter(theta)], lr=0.1, **kind)
    for _ in range(20):
        opt.step(lambda: bowl(theta))  # noqa: B023
    opt.flush()  # now θ, as the mathematics has it
    ends[name] = theta
    apart, sweeps = (theta - ends["plain"]).abs().max(), opt.cost.sweeps
    print(f"{name:<6} {sweeps} sweeps for 20 steps, from plain: {apart:.0e}")

# %% [markdown]
# ## Experiment: rules
#
# A rule makes a step of the history of estimates. That history is the log's: scalars, from which every $z$ is drawn again; no
# buffer of the size of the model.


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

# %%
shown = {name: losses[:101] for name, losses in curves.items()}
show(rules_figure(shown, 1 - best), alt=rules_alt_text(shown, 1 - best))
predictions.compare(
    "signs", f"no: at a constant rate it ends at {curves['sign'][-1]:.1g}, and sgd at {curves['sgd'][-1]:.1g}"
)

# %% [markdown]
# The steps of `sgd` shrink with the slope, so it falls geometrically. (The dashed mean is carried by rare bad runs: a typical run lies
# below.) Momentum starts slowly, as its average fills. Steps of `adam`, `normalised` and `sign` do not shrink with the slope, so
# they need a schedule, or stall. For `normalised` we know where; the decoy forgets that $\mathbb{E}|z^\top g|$ has a $\sqrt{2/\pi}$:

# %%
losses = torch.tensor(descent(sized(full=800, fast=300) + 99, lr, "normalised")[100:], dtype=torch.float64)
blocks = (2 * losses).sqrt().view(10, -1).mean(1)  # ‖g‖; long blocks, as neighbours are correlated
measured = Estimate(float(blocks.mean()), float(blocks.std()) / math.sqrt(10), 10)
formula = float(floor.subs({eta: lr, rank: r}))
print(f"E‖g‖ = {measured}; formula {formula:.4f}, distance {measured.z_score(formula):+.1f};", end=" ")
print(f"decoy {lr * r / 2:.4f}, distance {measured.z_score(lr * r / 2):+.1f}")

# %% [markdown]
# ## A run is a list of numbers
#
# **Statement** (claim C5; paper, Section 2.1). Seed, projected gradients and rates rebuild the weights bit for bit. `RunLog` writes them;
# `replay` needs the initial weights, and neither data nor a forward pass.

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
print(f"rebuilt bit for bit: {same}; {(long - short) / 60:.2f} bytes a step, and {short} for the first 30 with header")

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
# The claims, measured on `MeZO.step`. C3: the decoys are the factor of another law, or $d$ in place of $r$. Then C1 (one $z$), C2
# (no correlation across tensors, probes and steps) and C5. Their controls are wrong programs, which the same draws must refute.

# %%
size = sized(full=4, fast=2)
length = {"measure": "length", "d": size, "r": size, "n": 1}
verdicts = [verify("engine-factor", law, **length) for law in ("rademacher", "sphere", "coordinate")]
bent = {"measure": "contraction", "d": 8, "r": 2, "n": 1}
others = [verify("engine-factor", sized(full="gaussian", fast="rademacher"), **bent)]
others += [verify("same-z", measure="step"), verify("isotropic"), verify("replay", measure="rebuilt", steps=3)]
show(verdicts)
for verdict in others:
    show(verdict)

# %% [markdown]
# ## The bug zoo
#
# MeZO requires three things of a generator: $\mathbb{E}[zz^\top]=I$ across all tensors, independence between steps, and the same $z$ twice. Published
# code has missed each of these. `zoo.ZOO` holds small generators with defects of these kinds, all with one signature,
# `z(shapes, seed, step, update=False)`: with `update`, they return the step per unit of measured slope.
#
# The table has a column for each check. *One z* asks whether update and probe have the same $z$, and *frozen* whether a tensor keeps its $z$ when the others
# are frozen. *Scale* tests the variance. The other four test correlations: between neighbours in a tensor, between tensors, between steps, and between runs of two seeds.
#
# All these checks rest on one idea. If $x$ and $y$ are independent, with mean 0 and unit variance, $\sum xy$ over $N$ independent pairs has mean 0 and variance $N$: so
# $\sum xy/\sqrt N$ is already a number of standard errors, and 5 is an alarm. The tolerance follows from the number of draws.

# %%
deviations = {name: zoo.deviations(generator) for name, (generator, _) in zoo.ZOO.items()}
deviations["MeZO"] = zoo.deviations(zoo.mezo)
names = list(deviations["MeZO"])
print(" " * 15, *(f"{name:>11}" for name in names))
for name, values in deviations.items():
    cells = ["·" if check not in zoo.failed_checks(values) else f"{values[check]:+.0f} ✗" for check in names]
    print(f"{name:<15}", *(f"{cell:>11}".replace(" +inf", "other") for cell in cells))
assert all(map(zoo.failed_checks, (deviations[name] for name in zoo.ZOO))) and not zoo.failed_checks(deviations["MeZO"])
print()
for name, (_, sentence) in zoo.ZOO.items():
    print(f"{name:<15} {sentence}")

# %% [markdown]
# Every defect is caught, the sound generator is not, and every column has something to do. A loss curve shows few of them: most still
# descend, only worse, or on some models only. Two tensors whose gradients are opposite, with seeds made anew for each:


# %%
def fall(keys=None):
    a, b = nn.Parameter(torch.zeros(10)), nn.Parameter(torch.zeros(10))
    opt, losses = MeZO([("a", a), ("b", b)], lr=1 / 22), []
    if keys is not None:
        replace_streams(opt, keys)
    for _ in range(sized(full=100, fast=50)):
        losses.append(opt.step(lambda: ((a - 1).square().sum() + (b + 1).square().sum()) / 2))
    return f"loss {losses[0]:.3f} → {losses[-1]:.3f}"


print("a z for each tensor: ", fall())
print("seeded in the loop:  ", fall(same_for_tensors))
predictions.compare("seeds", "each z is standard normal, but the mean of each part of ĝ is the sum of the gradients")

# %% [markdown]
# Each tensor alone has a perfect $z$. The slopes cancel, and the optimizer sees a plain where there is a hill (exercise 9.1).
#
# ## What it means
#
# The object that trains a language model is the one that the theorems speak of, and this can be tested from outside: through the weights
# that a closure sees. Laws differ by the little that $\gamma$ says; rules differ in whether their steps shrink. What ruins a run is
# rarely the formula, more often the identity of $z$, which no loss curve certifies.
#
# ## Where it breaks
#
# A closure that takes a fresh batch at each call, or a fresh mask of dropout, breaks the contract: the two losses are of two functions. With
# $\sigma_L$ the deviation of a batch's loss, $pg$ gets a noise that has nothing to do with $z$:
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


for epsilon in (1e-2, 1e-3):
    seen, formula = norm_seen(fresh, epsilon), sigma / (math.sqrt(2) * epsilon)
    print(
        f"ε = {epsilon}: fresh batches {seen}, noise alone {formula:.1f}; one batch {norm_seen(lambda: on(slice(B)), epsilon)}"
    )

# %%
try:
    MeZO(model.named_parameters(), lr=0.1, check_closure=True).step(fresh)
except ValueError as refusal:
    print(refusal)

# %% [markdown]
# A true $\|g\|$ does not depend on $\varepsilon$; this one grows as $1/\varepsilon$. The cure is to draw the batch *before* the step. For dropout:
# `common_random_numbers=True`.
#
# ## Exercises
#
# ### Exercise 9.1 (on paper): two tensors, one z
# *25 minutes · ★★☆*
#
# (a) Tensors $a$ and $b$ of one shape share $z$. Show that $\mathbb{E}\,\hat g_a=g_a+g_b$. When does it still descend? (b) A generator keeps 32 bits of
# its seed, and each of $T=20{,}000$ steps and $W=272$ tensors has a seed by hashing. How many pairs share a stream by chance? Does that hurt?
#
# <details><summary>Hint 1</summary>Write pg as one inner product of z with a sum.</details>
# <details><summary>Hint 2</summary>The number of pairs that share a stream is the number of pairs times the chance that two seeds agree.</details>
# <details><summary>Expected output</summary>A mean, a condition under which the loss still falls, and a number of pairs in thousands.</details>

# %% [markdown] tags=["solution"]
# **Solution.** (a) $pg=z^\top(g_a+g_b)$ and $\hat g_a=pg\,z$, so $\mathbb{E}\,\hat g_a=\mathbb{E}[zz^\top](g_a+g_b)$. The mean slope is $-\eta\|g_a+g_b\|^2$: it descends unless
# the sum vanishes, but in a space of half the dimension. (b) $\binom{TW}{2}/2^{32} \approx 3{,}400$ pairs, of $1.5\cdot10^{13}$. Each ties two tensors once, mostly of
# distant steps, with unrelated signs: nothing builds up. Seeds that collide by rule tie the same ones at every step.

# %% [markdown]
# ### Exercise 9.2: a sound generator
# *15 minutes · ★★☆*
#
# Write a generator that passes all checks of the zoo. Beware of sums, of the order of tensors, and of `if seed`.
#
# <details><summary>Hint 1</summary>The stream of a tensor must depend on three things, and on no others.</details>
# <details><summary>Hint 2</summary>A hash of the three things makes a seed for a generator of its own; a sum of them does not.</details>
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
# There are three mysteries and six illnesses. Give each mystery its illness. Begin with `zoo.deviations(zoo.MYSTERIES["A"])`, and then look at some $z$ yourself.
#
# <details><summary>Hint 1</summary>Which checks fail for seed 0, and which for another seed?</details>
# <details><summary>Hint 2</summary>Print the first coordinates of z for four steps in a row.</details>
# <details><summary>Expected output</summary>✓ 3 of 3</details>

# %%
for key, sentence in zoo.ILLNESSES.items():
    print(f"{key:<9} {sentence}")


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
# Break the contract in two ways, and see which diagnostic reveals it. `noisy` gives another loss at each call; `stale` gives the
# same loss wherever the weights are, as after a cache that was not cleared. Predict which of the two `check_closure` lets pass.
#
# <details><summary>Hint 1</summary>Both closures take no argument. One of them needs a random number.</details>
# <details><summary>Hint 2</summary>The other needs no model at all.</details>
# <details><summary>Expected output</summary>Three lines, one for each closure and one for a sound one, and a ✓ that says what each diagnostic compares.</details>


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
# - `MeZO` is a torch optimizer with a contract: the same value at the same point.
# - Its steps have the length and the descent of the theory, law by law; rules whose steps do not shrink stall at a floor that theory knows.
# - A run is its log: a few bytes a step, replayed bit for bit, refused when damaged.
# - $\mathbb{E}[zz^\top]=I$ across tensors and steps, and the same $z$ twice: seven short checks catch thirteen kinds of defects, most of them met in published code.
#
# **Limits.** Means of a step on quadratic losses, not the success of training. The checks see correlations down to $5/\sqrt N$, and those they
# look for. Bit for bit holds on one device and version.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Appendix B. T. Salimans et al.,
# *Evolution strategies as a scalable alternative to reinforcement learning*, 2017. J. Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011.
#
# **Next:** a real language model.
