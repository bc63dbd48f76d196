# %% [markdown]
# # 13. Many processes, one scalar
#
# **Claim.** By the end you will have shown that several processes that send each other a few numbers a step, whatever the size of the
# model, make the step that one process would. The evidence: two real processes against one, and a count of bytes. The controls: runs
# that differ in one thing and must not agree; formulas for the norm of the estimate that the same draws refute.
#
# **You will be able to** split a batch or the probes over processes; say what has to travel; choose between the two ways by the norm
# of the estimate; name what must be the same on all processes.
#
# **Before this:** notebooks 3 (the norm factor), 5 (effective rank) and 8 (a seed in the place of $z$). **Time:** 75 minutes, of which the exercises take 65; the cells
# run within a minute or so. **In the paper** (Malladi et al. 2023): Definition 1, Lemma 2, Algorithm 2.

# %%
import json
import math
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import sympy
import torch

from mezo_lab import theory
from mezo_lab.course.notebook import predict, record_path, show, sized, verify
from mezo_lab.report.figures import wire_alt_text, wire_figure

# %% [markdown]
# ## Two ways to split a step
#
# A step is $\theta \leftarrow \theta-\frac{\eta}{n}\sum_k pg_k\,z_k$. Every $z_k$ comes from the seed, so any process can draw it. What it cannot
# draw is $pg_k$, one number.
#
# **Batch-parallel.** Process $q$ of $p$ has its own $B$ examples, with mean loss $L_q$. All use the same $z$.
#
# **Probe-parallel.** Process $q$ evaluates the two losses of its own $z_q$. Then all make the updates along all $p$ directions.
#
# **Statement** (derived from Definition 1 and Algorithm 2). Without rounding, the first makes the step of one process on all $pB$ examples, and the second that of one process
# with $n=p$ probes.
#
# **Derivation.**
#
# 1. With parts of one size, $L=\frac1p\sum_q L_q$ at every point.
# 2. So $L(\theta\pm\varepsilon z)=\frac1p\sum_q L_q(\theta\pm\varepsilon z)$: average one loss per side, and $pg$ is that of the whole batch.
# 3. Probe-parallel, nothing is averaged: the $pg_q$ are the same numbers, evaluated elsewhere.
# 4. All processes make the same update from the same $\theta$, so they still hold the same $\theta$ afterwards. Weights never travel.
#
# ## Which way gives the shorter estimate?
#
# Each process evaluates two losses on $B$ examples of its own, drawn independently and with replacement, in the time of one step of one process. By claim A6 (Lemma 2), with
# $G=\|g\|^2$, $S=\operatorname{tr}\Sigma$, and $c=d+2$ for Gaussian $z$:
#
# | way | probes | $\mathbb{E}\Vert\hat g\Vert^2$ |
# |---|---|---|
# | batch-parallel | $1$ | $c\,(G+\frac{S}{pB})$ |
# | probe-parallel, one batch for all | $p$ | $\frac{c+p-1}{p}\,(G+\frac{S}{B})$ |
# | probe-parallel, a batch each (Algorithm 2) | $p$ | $\frac{c}{p}\,(G+\frac{S}{B})+\frac{p-1}{p}\,G$ |
#
# The library's formulas, subtracted by sympy:

# %%
G, S, B, d, p = sympy.symbols("G S B d p", positive=True)
gaussian = theory.Moments(pair=1, coincidence=0)
batch = theory.minibatch_shared(G, S / (p * B), d, 1, gaussian)
probes = theory.minibatch_shared(G, S / B, d, p, gaussian)
both = theory.minibatch_fresh(G, S / B, d, p, gaussian)
print("batch-parallel less a batch each:       ", sympy.factor(batch - both))
print("one batch for all less a batch each:    ", sympy.factor(probes - both))

# %% [markdown]
# Neither is negative: a probe *and* a batch for each process is never longer. Against batch-parallel it gains up to a factor of $p$ where
# $G$ dominates, and little where the noise $S/B$ does.
#
# ## Predict first
#
# Write your answers between the quotation marks before you go on.
#
# 1. (`bits`) Two runs of 20 steps, one on two processes and one alone. Will the weights be equal in every bit? In both ways?
# 2. (`bytes`) How many bytes does a process send in a step of a model of 13 billion parameters?
# 3. (`difference`) One process starts from weights that are a little off. If nobody looks, does the difference grow, shrink, or stay?
# 4. (`mean`) Process 0 has 3 examples, process 1 has 5. What does the mean of their two losses estimate?

# %%
predictions = predict(bits="", bytes="", difference="", mean="")

# %% [markdown]
# ## Experiment: two processes
#
# A new process cannot import what a cell defines, so the training goes into a file, which the notebook imports too.

# %%
folder = Path(tempfile.mkdtemp())
training = '''
import torch
from mezo_lab import MeZO

batch = torch.randn(8, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
passes = []  # what was evaluated


def loss(theta, rows):
    passes.append(rows)
    return (torch.tanh(batch[rows] @ theta) - 1).square().mean()


def train(rows, steps=20, start=0.0, touch=None, **settings):
    """The weights after MeZO on these rows of the batch; `touch`: a step before which they are changed by hand."""
    theta = torch.nn.Parameter(torch.full((5,), start, dtype=torch.float64))
    optimizer = MeZO([theta], lr=0.02, check_closure=False, **settings)  # its passes are counted
    for step in range(steps):
        theta.data += 1e-6 * (step == touch)
        optimizer.step(lambda: loss(theta, rows))
    return theta.tolist()
'''
_ = (folder / "training.py").write_text(training)
# %% [markdown]
# Each process runs the following file, which plays one scene after another. Some scenes are for later.

# %%
worker = """
import json, os, pathlib, sys
import torch.distributed as distributed
from training import passes, train
distributed.init_process_group("gloo")
rank, whole = distributed.get_rank(), slice(8)
half, part = [slice(0, 4), slice(4, 8)][rank], [slice(0, 3), slice(3, 8)][rank]
scenes = {
    "batch": lambda: train(half, parallel="batch"),
    "probe": lambda: train(whole, parallel="probe", probes=2),
    "unequal parts": lambda: train(part, parallel="batch"),
    "another seed": lambda: train(half, parallel="batch", seed=rank),
    "another start": lambda: train(half, parallel="batch", start=1e-6 * rank),
    "touched": lambda: train(half, parallel="batch", touch=5 if rank else None, check_replicas_every=10),
    "no such rows": lambda: train("four" if rank else half, parallel="batch"),
    "gone": lambda: os._exit(0) if rank else train(half, parallel="batch"),
}
for name, scene in scenes.items():
    passes.clear()
    try:
        result = {"theta": scene()}
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    pathlib.Path(sys.argv[1], f"{name}.{rank}.json").write_text(json.dumps(result | {"passes": len(passes)}))
"""

# %% [markdown]
# `torchrun`, which is `python -m torch.distributed.run`, starts the processes and gives each its number, which is called the *rank* of the process and has nothing to do with an effective rank.

# %%
_ = (folder / "worker.py").write_text(worker)
torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
command = [*torchrun, str(folder / "worker.py"), str(folder)]
ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
assert (folder / "gone.0.json").exists(), ran.stderr  # the last scene was played


def outcome(scene: str, rank: int) -> dict:
    return json.loads((folder / f"{scene}.{rank}.json").read_text())


# %% [markdown]
# Now the notebook's own process trains alone. The control: two processes against one with a single probe.

# %%
sys.path.insert(0, str(folder))
from training import passes, train

whole = slice(8)
for label, scene, settings in (
    ("batches split, one process on the whole batch", "batch", {}),
    ("probes split, one process with two probes", "probe", {"probes": 2}),
    ("control: probes split, one process with one probe", "probe", {"probes": 1}),
):
    passes.clear()
    alone = torch.tensor(train(whole, **settings), dtype=torch.float64)
    ranks = [torch.tensor(outcome(scene, rank)["theta"], dtype=torch.float64) for rank in (0, 1)]
    print(f"{label}: largest difference {float((ranks[0] - alone).abs().max()):.1e}")
    count = f"forward passes {outcome(scene, 0)['passes']} each, alone {len(passes)}"
    print(f"   replicas equal in every bit: {torch.equal(*ranks)}; {count}")
predictions.compare("bits", "with the probes split, yes; with the batch split, up to the last bit of a sum")

# %% [markdown]
# Probe-parallel the numbers are the same ones, so anything but 0 would be a mistake. Batch-parallel the loss is summed in another order,
# which may change its last bit; as $pg$ is rounded to float32, that shows rarely, and then as some $10^{-7}$ of a step. There each process
# has as many passes as one alone, on half of the examples.
#
# ## Bytes on the wire
#
# Each process puts in two numbers for safety (did I fail, a digest of my settings) and the $2n$ losses, 8 bytes each: $8(2n+2)$ bytes, and
# now and then a hash of the weights. An all-gather sends them to $p-1$ others. A gradient in float32 has $4d$ bytes, and averaging it round a ring
# takes $2\frac{p-1}{p}\cdot 4d$ bytes of each process. Times $p$, that is what passes the wire.
#
# `python benchmarks/wire.py` counts every byte on the loopback interface, headers and acknowledgements included. Here is its record; the decoy has every process
# send its gradient to every other.

# %%
record = json.loads(record_path("results/wire.json").read_text())


def gathered(ranks: int, parameters: int) -> int:
    return ranks * (ranks - 1) * 8 * (2 * record["probes"] + 2)


def ring(ranks: int, parameters: int) -> int:
    return 2 * (ranks - 1) * 4 * parameters


def to_all(ranks: int, parameters: int) -> int:  # the decoy: each sends its gradient to every other
    return ranks * (ranks - 1) * 4 * parameters


for row in record["rows"]:
    of, mezo, gradient = (row["ranks"], row["parameters"]), row["mezo"]["bytes"], row["gradient"]["bytes"]
    print(f"p = {of[0]}, d = {of[1]:>9,}: MeZO {mezo:>5,.0f} bytes, gradient {gradient:>10,.0f}:", end=" ")
    print(f"{gradient / ring(*of):.2f} × the ring, {gradient / to_all(*of):.2f} × the decoy")


# %%
shown = record["rows"], record["probes"]
show(wire_figure(*shown), alt=wire_alt_text(*shown))
sent = 8 * (2 * record["probes"] + 2)
predictions.compare("bytes", f"{sent} bytes to each of the other processes, whatever the size of the model")

# %% [markdown]
# MeZO's points are level. They lie above their line, as headers outweigh a few losses, and gloo sends messages of its own. The gradient's
# grow with $d$, and for the larger model the ring formula is what was counted. With two processes the decoy is the ring; with four it is not.
#
# ## Check
#
# What $p$ processes buy is a mean, and is tested as one: the norm factor with $n=p$, and the three ways of the table, each with decoys.

# %%
norms = [
    verify("norm-factor", dim=sized(full=10, fast=6), probes=processes)
    for processes in sized(full=(1, 2, 4, 8), fast=(1, 4))
]
show(norms)

# %%
processes, examples, dim = sized(full=3, fast=2), 2, 6
ways = [
    verify("minibatch", dim=dim, probes=1, batch=processes * examples, sharing="shared"),
    verify("minibatch", dim=dim, probes=processes, batch=examples, sharing="shared"),
    verify("minibatch", dim=dim, probes=processes, batch=examples, sharing="fresh"),
]
for verdict in ways:
    show(verdict)

# %% [markdown]
# ## What it means
#
# In notebook 5 more probes were a wash: per pair of forward passes independent ones never gain (orthogonal ones do, where $n$ and $r$ are of the order of $d$). With $p$ processes the
# pairs run side by side, so what counts is progress per *step*. It grows nearly in proportion to $p$ while that is far below the effective rank $r$, and then bends.
#
# A method that sends gradients waits for a wire that carries the whole model. For MeZO's few numbers a slow network will do; but each process must hold the model.
#
# ## Where it breaks
#
# Everything rests on step 4: the same update from the same $\theta$. Let one process break that. Each process reports:

# %%
for scene in ("another seed", "another start", "touched", "no such rows", "gone"):
    print(f"{scene}:")
    for rank in (0, 1):
        left = not (folder / f"{scene}.{rank}.json").exists()
        seen = {"error": "has left", "passes": 0} if left else outcome(scene, rank)
        message = textwrap.shorten(seen["error"].split(". ")[0], 120, placeholder=" …")
        print(f"   rank {rank}, {seen['passes']:>2} passes: {message}")

# %% [markdown]
# Settings and weights are compared before the first forward pass, and weights again at intervals. Without this comparison, weights that differ would raise no error. Both
# replicas add the same updates, so their difference *stays*, and the averaged loss belongs to neither of them.
#
# One violation no check sees. `parallel="batch"` takes the plain mean of the losses, so it assumes parts of one size:

# %%
alone = torch.tensor(train(whole), dtype=torch.float64)
for scene in ("batch", "unequal parts"):
    together = torch.tensor(outcome(scene, 0)["theta"], dtype=torch.float64)
    equal = outcome(scene, 0)["theta"] == outcome(scene, 1)["theta"]
    far = float((together - alone).abs().max())
    print(f"{scene}: largest difference from one process {far:.1e}; replicas equal: {equal}")
predictions.compare("difference", "it stays: all processes add the same updates, to weights that differ")
predictions.compare("mean", "the loss of no batch: each of the three examples weighs more than each of the five")

# %% [markdown]
# There is no error, and the replicas are equal, but they descend another loss: the examples of the smaller part weigh more.
#
# ## Exercises
#
# ### Exercise 13.1 (on paper): thirteen billion parameters on eight processes
# *15 minutes · ★☆☆*
#
# A model of 13 billion parameters on 8 processes. How much does each send per step, for a float32 gradient round a ring, and for MeZO with one
# probe? How long does that take at 1 GB per second? What would bfloat16 gradients change?
#
# <details><summary>Hint 1</summary>Round a ring every process sends 2(p − 1)/p of the gradient.</details>
# <details><summary>Hint 2</summary>MeZO's numbers have 8 bytes each, and go to every other process.</details>
# <details><summary>Expected output</summary>Two numbers of bytes, and two times, one of which is that of latency alone.</details>

# %% [markdown] tags=["solution"]
# **Solution.** The ring: $2\cdot\frac78\cdot 4\cdot 13\cdot10^9=91\cdot10^9$ bytes, 91 seconds. MeZO puts in $8\cdot(2+2)=32$ bytes, which go to 7 others: 224 bytes, so it waits for
# latency alone. Bfloat16 halves the first, to 45.5 seconds.

# %% [markdown]
# ### Exercise 13.2: the best number of probes on p processes
# *20 minutes · ★★★*
#
# Each step costs a fixed time besides its forward passes: for the update, and for waiting on the wire. Measure time in rounds, where a *round* is one probe on every
# process. A step with $n$ probes on $p$ processes then takes $n/p$ rounds and `overhead`. Write the
# *pace* of such a step, its progress $-\log(\mathbb{E}[L^+]/L)$ per unit of time. Each step has its best rate, where $\mathbb{E}[L^+]/L=1-1/\gamma$ and $\gamma=(r+n+1)/n$ (notebook
# 5). Then predict: which $n$ is best on eight processes, and what happens to it when the overhead grows?
#
# <details><summary>Hint 1</summary>Write 1 − 1/γ as one fraction; its logarithm is negative, and that is the progress.</details>
# <details><summary>Hint 2</summary>The time of a step is the overhead and one unit for every p probes.</details>
# <details><summary>Expected output</summary>✓ right in 4 cases, and a best n for each overhead: it grows with the overhead.</details>


# %%
def pace(probes: int, rank: int, processes: int, overhead: float) -> float:
    # BEGIN SOLUTION
    return math.log(1 + probes / (rank + 1)) / (overhead + probes / processes)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.processes import check_pace

check_pace(pace)

# %%
for overhead in (0, 1, 4):
    best = max(range(8, 800, 8), key=lambda n: pace(n, 20, 8, overhead))
    print(f"overhead {overhead}: the best n is {best}")

# %% [markdown]
# ### Exercise 13.3: parts of unequal sizes
# *10 minutes · ★★☆*
#
# Parts of unequal sizes: from the mean loss of each part and its size, both tensors of shape (processes,), the loss of the whole batch. By what
# must each process multiply its loss for the library's plain mean to be right?
#
# <details><summary>Hint 1</summary>A mean loss times its size is a sum over examples.</details>
# <details><summary>Hint 2</summary>Divide the sum of the sums by the number of all examples.</details>
# <details><summary>Expected output</summary>✓ right in 2 cases, and then three numbers, of which the first is the third.</details>


# %%
def combine(losses: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    # BEGIN SOLUTION
    return (losses * sizes).sum() / sizes.sum()
    # END SOLUTION


# %%
from mezo_lab.course.exercises.processes import check_combined

check_combined(combine)

# %%
from training import loss

theta, sizes = torch.ones(5, dtype=torch.float64), torch.tensor([3, 5])
parts = torch.stack([loss(theta, slice(0, 3)), loss(theta, slice(3, 8))])
print(
    f"combined {combine(parts, sizes):.12f}, plain mean {parts.mean():.12f}, the whole batch {loss(theta, whole):.12f}"
)

# %% [markdown] tags=["solution"]
# **Solution.** With $p\,B_q/\sum_s B_s$: the mean of $p\,B_qL_q/\sum_s B_s$ over the $p$ processes is the right side.

# %% [markdown]
# ### Exercise 13.4: what a step of p processes is worth
# *20 minutes · ★★☆*
#
# How many steps of one process is a step of $p$ processes worth, a probe each? At its best rate a step has
# $\mathbb{E}[L^+]/L=1-1/\gamma$, $\gamma=(r+p+1)/p$ (notebook 5). Compare $\log(\mathbb{E}[L^+]/L)$ for $p$ probes and for one. Then: what is left of the loss after 240 forward passes in all?
#
# <details><summary>Hint 1</summary>Progress adds up over steps when it is measured as a logarithm.</details>
# <details><summary>Hint 2</summary>Divide the logarithm for p probes by the logarithm for one.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases, and a line for each p: the formula agrees with what was drawn.</details>


# %%
def speedup(rank: int, processes: int) -> float:
    # BEGIN SOLUTION
    return math.log(1 + processes / (rank + 1)) / math.log(1 + 1 / (rank + 1))
    # END SOLUTION


# %%
from mezo_lab.course.exercises.processes import check_speedup

check_speedup(speedup)

# %%
rank, total = 20, 240
left = {
    n: verify("best-step", dim=10**6, rank=rank, probes=n, t=1.0).estimate.mean
    for n in sized(full=(1, 2, 4, 12, 30), fast=(1, 4, 12))
}
for n, ratio in left.items():
    gain, steps = math.log(ratio) / math.log(left[1]), total // (2 * n)
    comparison = f"a step is worth {gain:5.2f} of one process, formula {speedup(rank, n):5.2f}"
    print(f"p = {n:>2}: {comparison}; {total} passes are {steps:>3} steps and leave {ratio**steps:.2g} of the loss")

# %% [markdown] tags=["solution"]
# **Solution.** Nearly $p$ while $p \ll r$, a logarithm beyond. At one total of passes more processes take fewer steps and leave more of the loss: they buy
# time, and pay with passes.

# %% [markdown]
# ## Summary
#
# - Directions come from a seed, so processes share a step by exchanging losses: the bytes do not depend on $d$.
# - Batches split: the step of one process on all examples, up to rounding. Probes split: the step of one process with $n=p$, bit for bit.
# - A probe and a batch for each process is never longer than either alone.
# - It holds as long as all have the same seed, settings and weights, and parts of one size. The library checks all but the last.
#
# **Limits.** Two processes on one machine, a tiny loss: steps and bytes were compared, not seconds. A model that is split over machines is
# another matter. A step waits for its slowest process.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Algorithm 2. T. Salimans et al.,
# *Evolution strategies as a scalable alternative to reinforcement learning*, 2017, Section 2.1: workers that share seeds and send scalars. P. Patarasuk and X. Yuan,
# *Bandwidth optimal all-reduce algorithms for clusters of workstations*, 2009.
#
# **Next:** what a step costs in time and memory.
