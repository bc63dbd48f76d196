# %% [markdown]
# # 8. Algorithm 1, built from nothing
#
# **Claim.** By the end you will have shown that a step of MeZO needs, beyond the weights and a forward pass, one chunk of memory
# of a fixed size, and two or three passes over the weights instead of four. The evidence: the bytes that are counted at each stage of
# the program, and the projected gradients, on which all stages agree. The controls: two programs that look just as good and go astray
# at their second step, and a memory bound that the published way of drawing $z$ breaks.
#
# **You will be able to** write Algorithm 1 in place from a seed; measure the memory of a step; merge the update with the way back or
# with the next probe; say what a closure must promise.
#
# **Before this:** notebook 1 (the projected gradient), `torch.nn`. **Time:** 75 minutes.
# **In the paper** (Malladi et al. 2023): Algorithm 1 and Section 2.1.

# %%
import sympy
import torch
from torch import nn
from torch.func import functional_call

from mezo_lab import MeZO
from mezo_lab.claims.c_costs import BYTES_PER_COORDINATE
from mezo_lab.course.notebook import predict, show, sized, verify
from mezo_lab.environment.storages import LiveStorages
from mezo_lab.optim import ReferenceMeZO
from mezo_lab.optim.sweeps import CHUNK
from mezo_lab.report.figures import GrowthLine, GrowthPanel, GrowthSeries, growth_alt_text, growth_figure
from mezo_lab.report.figures import walk_alt_text, walk_figure

_ = torch.set_grad_enabled(False)  # forward passes only

# %% [markdown] tags=["notes-02"]
# ## The algorithm
#
# A **sweep** is one pass over all weights that adds a multiple of $z$ to them in place. A *generator* is a program that turns a number,
# its *seed*, into random numbers: the same seed gives the same numbers again.

# %% [markdown] tags=["slide-02"]
# **Statement** (paper, Algorithm 1). Each step has a seed $s$. A sweep resets a generator to $s$ and then draws $z\sim N(0, I)$ again,
# tensor by tensor, so $z$ is never stored.
#
# 1. Sweep by $+\varepsilon z$ and evaluate the loss, $\ell_+$.
# 2. Sweep by $-2\varepsilon z$ and evaluate the loss, $\ell_-$.
# 3. Sweep by $+\varepsilon z$: the weights are back at $\theta$.
# 4. With $pg=(\ell_+-\ell_-)/(2\varepsilon)$, sweep by $-\eta\,pg\,z$. This is the update.
#
# The same $z$ is used four times (claims C1 and C6).

# %% [markdown] tags=["slide-03"]
# **Derivation.** All moves of a step lie along one $z$, so only the sum of their scales matters, and neighbouring moves can be merged.
#
# 1. As printed, the moves are $+\varepsilon,\ -2\varepsilon,\ +\varepsilon,\ -\eta\,pg$: four sweeps.
# 2. No loss is evaluated between the last two, so they merge: $+\varepsilon,\ -2\varepsilon,\ \varepsilon-\eta\,pg$. Three sweeps.
# 3. No loss is evaluated between the last sweep of a step and the first of the next either. Merging these two leaves two sweeps a
#    step, and one more at the very end, which brings the weights to where the mathematics says they are. It is called a **flush**.

# %% [markdown]
# Does the program with two sweeps visit the right points? Here each $z_t$ is a symbol:

# %%
eps, lr = sympy.symbols("ε η", positive=True)
pg, z = sympy.symbols("pg1:4"), sympy.symbols("z1:4")
stored, waiting, rows = 0, 0, []  # stored weights − θ at the start; the move that is still to come
for step, (p, x) in enumerate(zip(pg, z, strict=True), 1):
    stored += waiting + eps * x  # sweep 1: two z in one pass
    rows.append({"where": f"first probe of step {step}", "stored weights − θ": str(sympy.expand(stored))})
    stored += -2 * eps * x  # sweep 2
    waiting = (eps - lr * p) * x
show([*rows, {"where": "after the flush", "stored weights − θ": str(sympy.expand(stored + waiting))}])

# %% [markdown]
# Each first probe stands at $\theta_t+\varepsilon z_t$, and the flush leaves no $\varepsilon$ behind. In between, however, the stored weights
# are *not* $\theta$.

# %% [markdown] tags=["slide-04"]
# ## Predict first
#
# Write your answers into the cell below before you go on.
#
# 1. Suppose a program makes $\theta+\varepsilon z$ as a new copy. How many times the memory of the model does a step need beside the model?
# 2. Now it draws $z$ again for each tensor instead of storing it. How much extra memory is left?
# 3. Now it draws $z$ in pieces of at most so many numbers, a *chunk* at a time. Must the chunk grow with the model? Does a small model
#    save anything?
# 4. The model has *dropout*, a mask that sets random units to 0, and draws a new mask at each evaluation. What happens to $pg$?

# %%
predictions = predict(copies="", seed="", chunk="", dropout="")

# %% [markdown]
# ## A model, and a way to count
#
# The model classifies a bag of words; half of its weights lie in one tensor, the embedding. `peak` counts the bytes of all tensors
# that torch makes while a function runs. Each program also notes what it does, sweeps and losses in their order, in `events`.

# %%
EPSILON, LR, MEBIBYTE = 1e-3, 1e-3, 2**20
events = []  # a sweep: {seed: distance along its z, in units of ε}; a loss: None
generator = torch.Generator().manual_seed(0)
tokens = torch.randint(100, (4, 8), generator=generator)  # 4 texts of 8 words
labels = torch.randint(2, (4,), generator=generator)


def classifier(width, dtype=torch.float32):
    torch.manual_seed(0)
    bag = nn.EmbeddingBag(width, width)
    return nn.Sequential(bag, nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)).to(dtype)


def loss(model, weights=None):
    events.append(None)
    return nn.functional.cross_entropy(functional_call(model, weights or {}, tokens), labels)


def slope(plus, minus):
    return float(plus - minus) / (2 * EPSILON)  # pg


def peak(run):
    with LiveStorages() as live:
        run()
    return live.peak  # bytes


# %% [markdown]
# ## Stage 1: copies
#
# This is Definition 1 as it is written. By theory it holds $z$ and one displaced copy at a time: twice the model.


# %%
def normal(model, seed):
    rng = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=rng, dtype=p.dtype) for name, p in model.named_parameters()}


def displaced(model, z, scale):
    return {name: torch.add(p, z[name], alpha=scale) for name, p in model.named_parameters()}


def copies(model, seed):
    z = normal(model, seed)
    pg = slope(loss(model, displaced(model, z, EPSILON)), loss(model, displaced(model, z, -EPSILON)))
    for name, p in model.named_parameters():
        p.sub_(z[name], alpha=LR * pg)
    return pg


# %% [markdown]
# ## Stage 2: in place
#
# The weights themselves move to $\theta+\varepsilon z$, to $\theta-\varepsilon z$ and back. By theory only $z$ is extra: once the model.


# %%
def in_place(model, seed):
    z = normal(model, seed)

    def move(scale):
        for name, p in model.named_parameters():
            p.add_(z[name], alpha=scale)
        return loss(model)

    plus, minus = move(EPSILON), move(-2 * EPSILON)
    move(EPSILON)
    move(-LR * slope(plus, minus))
    return slope(plus, minus)


# %% [markdown] tags=["notes-05"]
# ## Stage 3: a seed
#
# The seed stands for $z$, which is drawn again in each sweep, tensor by tensor. This is Algorithm 1 as printed, and by theory the
# largest tensor is extra. A sweep may add several terms, each with a generator of its own; stage 5 will need that.


# %%
def sweep(parameters, *terms):
    """θ ← θ + Σ scale·z(seed), in place."""
    events.append({seed: scale / EPSILON for scale, seed in terms})
    generators = [(scale, torch.Generator().manual_seed(seed)) for scale, seed in terms]
    for p in parameters:
        for scale, rng in generators:
            p.add_(torch.randn(p.shape, generator=rng, dtype=p.dtype), alpha=scale)


# %% tags=["code-05"]
def probe(model, seed, *waiting):
    sweep(model.parameters(), *waiting, (EPSILON, seed))
    plus = loss(model)
    sweep(model.parameters(), (-2 * EPSILON, seed))
    return slope(plus, loss(model))


def as_printed(model, seed):
    pg = probe(model, seed)
    sweep(model.parameters(), (EPSILON, seed))
    sweep(model.parameters(), (-LR * pg, seed))
    return pg


# %% [markdown] tags=["notes-06"]
# ## Stages 4 and 5: fewer sweeps
#
# Stage 4 merges the way back with the update. Stage 5 merges both with the first probe of the next step, and ends in a flush.


# %%
def three_sweeps(model, seed):
    pg = probe(model, seed)
    sweep(model.parameters(), (EPSILON - LR * pg, seed))
    return pg


def two_sweeps(model, seeds):
    pgs, waiting = [], []
    for seed in seeds:
        pgs.append(probe(model, seed, *waiting))
        waiting = [(EPSILON - LR * pgs[-1], seed)]
    sweep(model.parameters(), *waiting)  # flush
    return pgs


def each(step):
    return lambda model, seeds: [step(model, seed) for seed in seeds]


# %% tags=["slide-06"]
programs = {"four sweeps": each(as_printed), "three sweeps": each(three_sweeps), "two and a flush": two_sweeps}
walks = {}
for name, run in programs.items():
    events.clear()
    run(classifier(100), [3, 4])
    walks[name] = list(events)
show(walk_figure(walks), alt=walk_alt_text(walks))

# %% [markdown] tags=["slide-06"]
# Two steps are shown. Follow the filled markers, at which a loss is evaluated: every program evaluates its losses at $\pm\varepsilon$ along
# the $z$ of the step, and every program ends on the dashed lines.

# %% [markdown] tags=["notes-06"]
# They differ in how often the weights are touched. In the right panel one sweep moves along both $z$ at once, which saves a pass over the weights but no random number.

# %% [markdown] tags=["slide-07"]
# ## Stage 6: chunks, and a $z$ with an address
#
# A tensor can be moved a piece at a time. A generator with a state stands in the way, because each number that it draws depends on
# how many were drawn before. `MeZO` therefore computes each coordinate from its address,
# $z_i=z(\text{seed}, \text{step}, \text{probe}, \text{name}, i)$. `ReferenceMeZO`, the stage 1 of the library, uses the same $z$ with
# copies. Both call a **closure**, a function without arguments that returns the loss at the present weights.


# %%
def mezo(model, seeds, fused=False):
    opt = MeZO(model.named_parameters(), LR, EPSILON, fused=fused, compiled=False)
    pgs = []
    for _ in seeds:
        opt.step(lambda: loss(model))
        pgs.append(opt.history[-1].projected[0])
    opt.flush()
    return pgs


def reference(model, seeds):
    parameters = dict(model.named_parameters())

    def loss_at(tensors):
        return float(loss(model, dict(zip(parameters, tensors, strict=True))))

    slow = ReferenceMeZO(parameters, loss_at, LR, EPSILON)
    return [slow.step()[0] for _ in seeds]


# %% [markdown] tags=["slide-08"]
# ## Experiment: the same path
#
# Each stage runs the same steps from the same weights, in float64, so that rounding cannot hide a difference. Two controls must
# fail: one program forgets the way back, and one updates along another $z$.


# %%
def no_way_back(model, seed):
    pg = probe(model, seed)
    sweep(model.parameters(), (-LR * pg, seed))
    return pg


def another_z(model, seed):
    pg = as_printed(model, seed)
    sweep(model.parameters(), (LR * pg, seed), (-LR * pg, seed + 1000))
    return pg


def path(run):
    return torch.tensor(run(classifier(100, torch.float64), range(sized(full=20, fast=10))), dtype=torch.float64)


def apart(one, other):
    return float((one - other).abs().max() / other.abs().max())


# %% tags=["slide-08"]
stages = {"1 copies": each(copies), "2 in place, z stored": each(in_place), "3 a seed, as printed": each(as_printed)}
stages |= {"4 three sweeps": each(three_sweeps), "5 two sweeps": two_sweeps}
first, slow = path(each(copies)), path(reference)
pairs = {f"stage {name}, from stage 1": (path(run), first) for name, run in stages.items()}
for fused in (False, True):
    pairs[f"MeZO, fused={fused}, from ReferenceMeZO"] = path(lambda *run: mezo(*run, fused=fused)), slow  # noqa: B023
pairs |= {f"{slip.__name__}, from stage 1": (path(each(slip)), first) for slip in (no_way_back, another_z)}
columns = {"in the first step": slice(1), "in any step": slice(None)}
show(
    [
        {"program": name} | {head: apart(*(pg[at] for pg in two)) for head, at in columns.items()}
        for name, two in pairs.items()
    ]
)

# %% [markdown] tags=["notes-08"]
# The numbers are the largest differences of $pg$, relative to the largest $pg$. The stages agree up to rounding. Both slips get
# their first step right and start every later one elsewhere: a test of a single step would have passed them.

# %% [markdown] tags=["notes-09"]
# ## Experiment: memory
#
# We take the peak of two steps, subtract that of a forward pass, and repeat this for growing models in float32.

# %%
widths = sized(full=(500, 1000, 2000, 4000), fast=(250, 700))
stages["6 MeZO"] = mezo
memory = {name: [] for name in stages}
for width in widths:
    for name, run in stages.items():
        model = classifier(width)
        memory[name].append((peak(lambda: run(model, [0, 1])) - peak(lambda: loss(model))) / MEBIBYTE)  # noqa: B023

# %% tags=["slide-09"]
sizes = [[p.nbytes / MEBIBYTE for p in classifier(width).parameters()] for width in widths]
whole, largest = [round(sum(each), 2) for each in sizes], [max(each) for each in sizes]
chunk = BYTES_PER_COORDINATE * CHUNK / MEBIBYTE
theories = [[2 * size for size in whole], whole, largest, [chunk] * len(whole)]
lines = [GrowthLine("2×, 1×, the largest tensor; a bound for MeZO", whole, line) for line in theories]
shown = {
    "1 copies": "gaussian",
    "2 in place, z stored": "rademacher",
    "3 a seed, as printed": "sphere",
    "6 MeZO": "uniform",
}
series = [GrowthSeries(name, whole, *[memory[name]] * 3, law=marker) for name, marker in shown.items()]
panels = [GrowthPanel("size of the model, MiB", "extra memory of a step, MiB", series, lines)]
show(growth_figure(panels), alt=growth_alt_text(panels))

# %%
predictions.compare("copies", f"{memory['1 copies'][-1] / whole[-1]:.2f} times the model")
predictions.compare("seed", f"{memory['3 a seed, as printed'][-1] / largest[-1]:.2f} times the largest tensor")
predictions.compare(
    "chunk",
    f"from {min(memory['6 MeZO']):.1f} to {max(memory['6 MeZO']):.1f} MiB; the smallest model has {whole[0]:.1f}",
)

# %% [markdown] tags=["slide-09"]
# The first three lines have slope 1; stages 4 and 5 would lie on the third. MeZO's extra memory has a ceiling; with every other method
# it grows past that ceiling as the model grows.

# %% [markdown] tags=["notes-09"]
# On a model that is smaller than a chunk there is nothing to save: the random words and
# partial results of a chunk may take more than copies would.

# %% [markdown]
# ## Check
#
# Bytes do not scatter, so each count is compared with its theory directly. The decoys are three times the model for the copies, as if
# both sides were alive at once; twice the model in place; and the whole model for a seed.

# %%
decoys = [[3 * size for size in whole], [2 * size for size in whole]] + [whole] * 3
rights = theories[:2] + [largest] * 3
for name, right, wrong in zip(memory, rights, decoys, strict=False):
    extra = memory[name][-1]
    assert abs(extra / right[-1] - 1) < 0.02 < abs(extra / wrong[-1] - 1)
assert max(memory["6 MeZO"]) <= chunk

# %% [markdown]
# The library tests the same at larger sizes. Claim C6 bounds the memory; its decoy draws $z$, its multiples and their sum as new
# tensors, as the published program does. Claim C1 says that probe, way back, update and replay share one $z$, and claim C5 bounds the
# log of a run.

# %%
for name, settings in {
    "memory": {"d": 4_000_000},
    "same-z": {"measure": "step"},
    "replay": {"measure": "bytes"},
}.items():
    show(verify(name, **settings))

# %% [markdown] tags=["slide-11"]
# ## What it means
#
# Backpropagation must keep the *activations*, the numbers that each layer computed on the way forward. MeZO keeps nothing: its direction
# is a seed, and the gradient along that direction is one number. A step therefore fits wherever inference fits, and a whole run is a list of numbers. The price is arithmetic, since $z$ is
# drawn three times in every step.

# %% [markdown] tags=["slide-10"]
# ## Where it breaks
#
# The closure must promise that both losses come from one function. With dropout, each evaluation draws a new mask, the two losses
# belong to two functions, and their difference is still divided by $2\varepsilon$. We let the weights stand still and print the root mean
# square of $pg$, which should be near $\|g\|$.

# %% tags=["slide-10"]
model = classifier(100)
model.insert(1, nn.Dropout(0.1))


def spread(**options):
    opt = MeZO(model.named_parameters(), lr=1e-30, check_closure=False, **options)
    pgs = []
    for _ in range(50):
        opt.step(lambda: loss(model))
        pgs.append(opt.history[-1].projected[0])
    return torch.tensor(pgs).square().mean().sqrt()


new_masks, one_mask = spread(), spread(common_random_numbers=True)
model.eval()
no_dropout = spread()
predictions.compare("dropout", f"a new mask: {new_masks:.2f}; one mask: {one_mask:.2f}; no dropout: {no_dropout:.2f}")
model.train()
try:
    MeZO(model.named_parameters(), LR, check_closure=True).step(lambda: loss(model))
except ValueError as refused:
    print(refused)

# %% [markdown]
# A program that draws $z$ from torch's *global* generator may hide this mistake, because its seed then fixes the masks too and ties
# them to $z$. `MeZO` draws no $z$ from that generator.
#
# ## Exercises
#
# ### Exercise 8.1: what an implementation may cost
#
# *15 minutes · ★★☆ · on paper*
#
# (a) A step has $n$ probes. How many sweeps does it need at best, if the last way back is merged with the update? How many if it is
# also merged with the next step? (b) A model has 1.3 billion weights in float16, and its largest tensor has 50,272 × 2,048 of them. How much extra
# memory does each of the stages 1, 2 and 3 need? (c) A log holds $pg$ and $\eta$ as float32 for 20,000 steps. How many bytes is that? The
# library promises 100,000. What is left for $\eta$?
#
# <details><summary>Hint 1</summary>Write the moves of two probes in a row and look for neighbours between which no loss is evaluated.</details>
# <details><summary>Hint 2</summary>A float16 number has two bytes. A learning rate that its past predicts need not be written.</details>
# <details><summary>Expected output</summary>Two formulas in n, three sizes in GB, and a number of bytes for each step.</details>

# %% [markdown] tags=["solution"]
# **Solution.** (a) Each probe has its flip, $-2\varepsilon z_k$. The way back from probe $k$ merges with the way out to probe $k+1$. That makes
# $n$ ways out, $n$ flips, and one last sweep with the way back and all $n$ updates: $2n+1$. Merged with the next step it is $2n$. (b) The
# weights take 2.6 GB, so stage 1 needs 5.2 GB and stage 2 needs 2.6 GB. Stage 3 needs $2\cdot 50{,}272\cdot 2{,}048$ bytes, or 0.2 GB. (c)
# $20{,}000\cdot 8=160{,}000$ bytes. The $pg$ alone take 80,000, which leaves one byte a step for $\eta$: what its past does not predict.

# %% [markdown]
# ### Exercise 8.2: perturb in chunks
#
# *15 minutes · ★★☆*
#
# Write `perturb` in plain torch. It adds `scale`·z to each contiguous tensor of a list in place, draws z from `seed`, and never holds
# more than `chunk` random numbers at a time.
#
# <details><summary>Hint 1</summary>How many generators does one call need, and where is the generator seeded?</details>
# <details><summary>Hint 2</summary>`tensor.view(-1).split(chunk)` gives views; the last of them may be shorter.</details>
# <details><summary>Expected output</summary>✓ in place, one z for a seed, and the count of the numbers that moved.</details>


# %%
def perturb(parameters, scale, seed, chunk):
    # BEGIN SOLUTION
    rng = torch.Generator().manual_seed(seed)  # once: the tensors share a stream, not a z
    for tensor in parameters:
        for piece in tensor.view(-1).split(chunk):
            piece.add_(torch.randn(piece.shape, generator=rng, dtype=tensor.dtype), alpha=scale)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.algorithm import check_order, check_perturb, check_step

check_perturb(perturb)

# %% [markdown]
# ### Exercise 8.3: weight decay in three sweeps
#
# *15 minutes · ★★★*
#
# Write a step with weight decay, $\theta \leftarrow (1-\eta\lambda)\,\theta-\eta\,pg\,z$, in three sweeps. `move(scale, seed, decay=1.0)` is a
# sweep, $w \leftarrow \text{decay}\cdot w+\text{scale}\cdot z$, and `loss()` is the loss at the stored weights $w$. The last sweep begins where $w$ is not $\theta$.
#
# <details><summary>Hint 1</summary>Write down w before the last sweep, in terms of θ, ε and z, and what it should be afterwards.</details>
# <details><summary>Hint 2</summary>The decay multiplies the displacement −εz as well.</details>
# <details><summary>Expected output</summary>✓ right in three cases, with the counts of sweeps and of evaluations.</details>


# %%
def step(move, loss, lr, weight_decay, epsilon, seed):
    # BEGIN SOLUTION
    move(epsilon, seed)
    plus = loss()
    move(-2 * epsilon, seed)
    pg = (plus - loss()) / (2 * epsilon)
    decay = 1 - lr * weight_decay
    move(decay * epsilon - lr * pg, seed, decay)  # w = θ − εz, and decay takes hold of −εz too
    # END SOLUTION


# %%
check_step(step)

# %% [markdown]
# ### Exercise 8.4: another order
#
# *15 minutes · ★★☆ · an experiment*
#
# Give the same tensors in another order, as happens when a model is wrapped or partly frozen. Which $z$ change: those of `perturb`, or
# those of `MeZO` with names? Predict first. Then return the $z$ of each tensor by name: once from `perturb` on zeros, and once from the
# first point that `MeZO` visits from zero with $\varepsilon=1$.
#
# <details><summary>Hint 1</summary>Starting from zeros, the moved tensors are z.</details>
# <details><summary>Hint 2</summary>The closure sees the displaced weights: let it clone them, and keep its first copy.</details>
# <details><summary>Expected output</summary>Two lines that say for each tensor whether its z stayed the same, then ✓.</details>


# %%
def z_of_perturb(tensors):
    # BEGIN SOLUTION
    perturb(tensors.values(), 1.0, seed=0, chunk=64)
    return {name: tensor.clone() for name, tensor in tensors.items()}
    # END SOLUTION


def z_of_mezo(tensors):
    # BEGIN SOLUTION
    seen = []
    opt = MeZO([(name, nn.Parameter(t)) for name, t in tensors.items()], lr=1.0, epsilon=1.0)
    opt.step(lambda: seen.append({name: tensor.clone() for name, tensor in tensors.items()}) or 0.0)
    return seen[0]
    # END SOLUTION


# %%
check_order(z_of_perturb, z_of_mezo)

# %% [markdown] tags=["slide-12"]
# ## Summary
#
# - The moves of a step are multiples of one $z$. Four sweeps become three, or two and a flush, and the path stays the same.
# - The extra memory falls from twice the model to the model, to the largest tensor, to a chunk. Only the chunk does not grow.
# - A seed replaces $z$ only as long as the same $z$ comes back. Each coordinate needs an address, not a place in a stream.
# - The closure must return the same value at the same point.

# %% [markdown]
# **Limits.** We counted the bytes of tensors, not those that an allocator holds, and sweeps, not seconds. In low precision the moves
# are rounded, and $\theta$ drifts (claim C4, notebook 6).
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 2.1. J. Salmon et
# al., *Parallel random numbers: as easy as 1, 2, 3*, 2011. T. Salimans et al., *Evolution strategies as a scalable alternative
# to reinforcement learning*, 2017, on seeds that stand for directions.
#
# **Next:** the optimizer itself: its variants, its log, and the bugs of others.
