# %% [markdown]
# # 13. Many processes, one scalar
#
# **Claim.** By the end you will have shown that several processes can share a step of MeZO by sending each other a few numbers,
# however large the model is, and that the step is the one that a single process would make. The evidence is two real processes beside
# one, and a count of the bytes between them. The controls are runs that differ in one thing and must not agree, and formulas for the
# norm of the estimate that the same draws refute.
#
# **You will be able to** split a batch or the probes over processes; say what has to travel between them; choose between the two ways
# by the norm of the estimate; name what must be the same on all processes.
#
# **Before this:** notebooks 3 (the norm factor), 5 (effective rank) and 8 (a seed in the place of $z$). **Time:** 80 minutes.
# **In the paper** (Malladi et al. 2023): Definition 1, Lemma 2, Algorithm 2.

# %%
import json
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
from mezo_lab.report.figures import ScalingLine, ScalingSeries, scaling_alt_text, scaling_figure
from mezo_lab.report.figures import wire_alt_text, wire_figure

# %% [markdown]
# ## Two ways to split a step
#
# A step is $\theta \leftarrow \theta-\frac{\eta}{n}\sum_k pg_k\,z_k$. Every $z_k$ comes from the seed, so any process can draw it. A
# process cannot draw $pg_k$, but that is a single number.
#
# **Batch-parallel.** All processes use the same $z$. Process $q$ of $p$ has $B$ examples of its own, whose mean loss is $L_q$.
#
# **Probe-parallel.** Process $q$ evaluates the two losses of its own $z_q$. Afterwards every process makes the updates along all $p$
# directions.
#
# **Statement** (derived from Definition 1 and Algorithm 2). Apart from rounding, batch-parallel processes make the step that one
# process makes on all $pB$ examples. Probe-parallel processes make the step that one process makes with $n=p$ probes.
#
# **Derivation.**
#
# 1. All parts have the same size, so at every point the loss of the whole batch is $L=\frac1p\sum_q L_q$.
# 2. In particular $L(\theta\pm\varepsilon z)=\frac1p\sum_q L_q(\theta\pm\varepsilon z)$. The processes average one loss for each side,
#    and $pg$ is that of the whole batch.
# 3. In the probe-parallel case nothing is averaged. The $pg_q$ are the numbers that one process would find, evaluated elsewhere.
# 4. Each process has a *replica*, a copy of the weights of its own. All processes make the same update from the same $\theta$, so the
#    replicas are still the same afterwards. Weights never travel.
#
# ## Which way gives the shorter estimate?
#
# Let each process evaluate two losses on $B$ examples of its own, drawn independently and with replacement. All this takes the time of
# one step of one process. Claim A6 (Lemma 2) gives the three norms below, with $G=\|g\|^2$, $S=\operatorname{tr}\Sigma$, and $c=d+2$
# for Gaussian $z$, whose $p$ probes are independent.
#
# | way | probes | $\mathbb{E}\Vert\hat g\Vert^2$ |
# |---|---|---|
# | batch-parallel | $1$ | $c\,(G+\frac{S}{pB})$ |
# | probe-parallel, one batch for all | $p$ | $\frac{c+p-1}{p}\,(G+\frac{S}{B})$ |
# | probe-parallel, a batch each (Algorithm 2) | $p$ | $\frac{c}{p}\,(G+\frac{S}{B})+\frac{p-1}{p}\,G$ |
#
# Sympy subtracts the last of the library's formulas from the other two:

# %%
G, S, B, d, p = sympy.symbols("G S B d p", positive=True)
gaussian = theory.Moments(pair=1, coincidence=0)
batch = theory.minibatch_shared(G, S / (p * B), d, 1, gaussian)
probes = theory.minibatch_shared(G, S / B, d, p, gaussian)
both = theory.minibatch_fresh(G, S / B, d, p, gaussian)
rows = []
for way, norm in {"batch-parallel": batch, "probe-parallel, one batch for all": probes}.items():
    rows.append({"way": way, "less a batch each": theory.printed(str(sympy.factor(norm - both)))})
show(rows)

# %% [markdown]
# Neither difference is negative, so an independent probe *and* a batch for each process never give a longer estimate. The gain over batch-parallel
# is up to a factor of $p$ where $G$ dominates, and small where the noise $S/B$ does.
#
# ## Predict first
#
# Write your answers between the quotation marks before you go on.
#
# 1. (`bits`) Two processes run 20 steps, and one process runs the same 20 steps alone. Are the weights equal in every bit, whichever
#    way the step is split?
# 2. (`bytes`) How many bytes does a process send in a step of a model with 13 billion parameters?
# 3. (`difference`) The weights of one process become a little different from those of the other. If nobody looks, does the difference
#    grow, shrink or stay?
# 4. (`mean`) Process 0 has 3 examples and process 1 has 5. Does the mean of their two losses train on the loss of all 8 examples?

# %%
predictions = predict(bits="", bytes="", difference="", mean="")

# %% [markdown]
# ## Experiment: two processes
#
# A new process cannot import what a notebook's cell defines. The training therefore goes into a file, which the notebook imports too.

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
    """The weights after MeZO on these rows of the batch, changed by hand before the step `touch`."""
    theta = torch.nn.Parameter(torch.full((5,), start, dtype=torch.float64))
    optimizer = MeZO([theta], lr=0.02, check_closure=False, **settings)  # its passes are counted
    for step in range(steps):
        theta.data += 1e-6 * (step == touch)
        optimizer.step(lambda: loss(theta, rows))
    return theta.tolist()
'''
_ = (folder / "training.py").write_text(training)
# %% [markdown]
# Each process runs the following file, which plays one scene after another. The first two are needed now, the others later.

# %%
worker = """
import json, os, pathlib, sys, torch.distributed as distributed
from training import passes, train
distributed.init_process_group("gloo")
rank, whole = distributed.get_rank(), slice(8)
half, part, touch = [(slice(0, 4), slice(0, 3), None), (slice(4, 8), slice(3, 8), 5)][rank]
scenes = {
    "batch": lambda: train(half, parallel="batch"),
    "probe": lambda: train(whole, parallel="probe", probes=2),
    "unequal parts": lambda: train(part, parallel="batch"),
    "touched, unseen": lambda: train(half, parallel="batch", touch=touch),
    "another seed": lambda: train(half, parallel="batch", seed=rank),
    "another start": lambda: train(half, parallel="batch", start=1e-6 * rank),
    "touched": lambda: train(half, parallel="batch", touch=touch, check_replicas_every=10),
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
# The command `torchrun`, which is `python -m torch.distributed.run`, starts the processes. It gives each of them a number, which is
# called the *rank* of the process. This rank has nothing to do with an effective rank.

# %%
_ = (folder / "worker.py").write_text(worker)
torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
command = [*torchrun, str(folder / "worker.py"), str(folder)]
ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
assert (folder / "gone.0.json").exists(), ran.stderr  # the last scene was played


def outcome(scene, rank):
    file = folder / f"{scene}.{rank}.json"
    return json.loads(file.read_text()) if file.exists() else {"error": "has left", "passes": 0}


def weights(scene, rank):
    return torch.tensor(outcome(scene, rank)["theta"], dtype=torch.float64)


# %% [markdown]
# Now the process of the notebook trains alone. In the control, two processes are compared with one that has a single probe.

# %%
sys.path.insert(0, str(folder))
from training import passes, train

whole, rows = slice(8), []
for label, scene, settings in (
    ("batch split, one process on the whole batch", "batch", {}),
    ("probes split, one process with two probes", "probe", {"probes": 2}),
    ("control: probes split, one process with one probe", "probe", {"probes": 1}),
):
    passes.clear()
    alone = torch.tensor(train(whole, **settings), dtype=torch.float64)
    row = {"compared": label, "largest difference": float((weights(scene, 0) - alone).abs().max())}
    row |= {"replicas equal": torch.equal(weights(scene, 0), weights(scene, 1))}
    rows.append(row | {"passes of each": outcome(scene, 0)["passes"], "passes alone": len(passes)})
show(rows)
by_batch, by_probes = (f"{row['largest difference']:.1g}" for row in rows[:2])
predictions.compare(
    "bits", f"a weight differs by {by_batch} at most with the batch split, by {by_probes} with the probes"
)

# %% [markdown]
# With the probes split, all numbers are the ones that a single process computes, so anything but 0 would be a mistake. With the batch
# split, the loss is summed in another order, and this may change its last bit. It rarely shows, because $pg$ is rounded to float32;
# when it shows, it changes a step by some $10^{-7}$ of its length. There, each process has as many forward passes as one process
# alone, but on half of the examples.
#
# ## Bytes on the wire
#
# In each step a process contributes $2n$ losses and two numbers for safety: whether it failed, and a digest of its settings. With 8
# bytes for each, this makes $8(2n+2)$ bytes. Now and then a hash of the weights is added. An *all-gather* gives these numbers to each of
# the other $p-1$ processes. A gradient in float32 has $4d$ bytes, and averaging it round a ring takes $2\frac{p-1}{p}\cdot 4d$ bytes from
# each process. Multiply by $p$ for all processes together.
#
# The command `python benchmarks/wire.py` counts every byte on the loopback interface, including headers and acknowledgements. We read
# its record. In the decoy, every process sends its gradient to every other process.

# %%
record = json.loads(record_path("results/wire.json").read_text())
shown = record["rows"], record["probes"]
show(wire_figure(*shown), alt=wire_alt_text(*shown))

rows = []
for row in record["rows"]:
    p, d, counted = row["ranks"], row["parameters"], row["gradient"]["bytes"]
    ratios = {"÷ ring": counted / (2 * (p - 1) * 4 * d), "÷ decoy": counted / (p * (p - 1) * 4 * d)}
    rows.append({"processes p": p, "parameters d": d, "bytes of gradients": round(counted)} | ratios)
show(rows)
sent = 8 * (2 * record["probes"] + 2)
counts = ", ".join(f"{row['mezo']['bytes']:,.0f} at d = {row['parameters']:,}" for row in record["rows"][:2])
counted = f"with all headers, both of two processes together sent {counts}"
predictions.compare("bytes", f"{sent} to each other process; {counted}")

# %% [markdown]
# MeZO's points do not rise with $d$. They lie above their line because the headers outweigh a few losses, and because gloo, which
# carries the messages, sends some of its own. The bytes of the gradient grow with $d$, and for the larger model the ring formula gives
# what was counted. With two processes the decoy is the same as the ring. With four it is not, and the count refutes it.
#
# ## Check
#
# Several processes buy a mean, and it is tested as one: the norm factor with $n=p$, and the three ways of the table, each with decoys.

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
# In notebook 5 more probes were no gain: per pair of forward passes independent probes never gain, and orthogonal ones do so only
# where $n$ and $r$ are of the order of $d$. With $p$ processes the pairs run side by side, so progress per *step* is what counts. It
# grows nearly in proportion to $p$ as long as $p$ is far below the effective rank $r$, and more slowly from there on (exercise 13.4).
#
# A method that sends gradients waits for a wire that carries the whole model. A slow network is enough for MeZO's few numbers. On the
# other hand, each process must hold the whole model.
#
# ## Where it breaks
#
# Everything rests on step 4 of the derivation: all processes make the same update from the same $\theta$. In each of the following
# scenes one process breaks this rule. The table shows what each process reports.

# %%
rows = []
for scene in ("another seed", "another start", "touched", "no such rows", "gone"):
    for rank in (0, 1):
        seen = outcome(scene, rank)
        message = textwrap.shorten(seen["error"].split(". ")[0].split(": give")[0], 90, placeholder=" …")
        rows.append({"scene": scene, "rank": rank, "passes before": seen["passes"], "report": message})
show(rows)

# %% [markdown]
# The processes compare their settings and weights before the first forward pass, and their weights again at intervals. Without this
# comparison nothing would fail, although the averaged loss would belong to neither of the replicas. In the scene "touched, unseen",
# the weights of one process are changed between two comparisons.
#
# There is one violation that no check sees. With `parallel="batch"` the library takes the plain mean of the losses, which assumes
# parts of one size:

# %%
alone, rows, far = torch.tensor(train(whole), dtype=torch.float64), [], {}
for scene in ("batch", "touched, unseen", "unequal parts"):
    first, second = weights(scene, 0), weights(scene, 1)
    far[scene] = float((first - alone).abs().max()), float((first - second).abs().max())
    rows.append({"scene": scene, "from one process": far[scene][0], "between the replicas": far[scene][1]})
show(rows)
apart = far["touched, unseen"][1]
predictions.compare("difference", f"it was 1e-06 when it arose, and after 15 more steps it is {apart:.0e}")
equal, unequal = (f"{far[scene][0]:.1g}" for scene in ("batch", "unequal parts"))
course = f"{unequal} from those of one process with all 8 examples; with equal parts, {equal}"
predictions.compare("mean", f"after 20 steps a weight lies up to {course}")

# %% [markdown]
# A difference between replicas stays, because both of them add the same updates to it. With unequal parts there is no error, and the
# replicas are equal. But they descend another loss, in which each example of the smaller part weighs more.
#
# ## Exercises
#
# ### Exercise 13.1 (on paper): thirteen billion parameters on eight processes
# *15 minutes · ★☆☆*
#
# A model of 13 billion parameters is trained on 8 processes. How much does each of them send per step, for a float32 gradient round a
# ring, and for MeZO with one probe? How long does that take at 1 GB per second? What would bfloat16 gradients change?
#
# <details><summary>Hint 1</summary>Round a ring every process sends 2(p − 1)/p of the gradient.</details>
# <details><summary>Hint 2</summary>MeZO's numbers have 8 bytes each, and go to every other process.</details>
# <details><summary>Expected output</summary>Two numbers of bytes, and two times, one of which is that of latency alone.</details>

# %% [markdown] tags=["solution"]
# **Solution.** Round the ring each process sends $2\cdot\frac78\cdot 4\cdot 13\cdot10^9=91\cdot10^9$ bytes, which takes 91 seconds. With MeZO it puts
# in $8\cdot(2+2)=32$ bytes, which go to 7 others. That makes 224 bytes, so MeZO waits for latency alone. With bfloat16 the first
# number is halved, to 45.5 seconds.

# %% [markdown]
# ### Exercise 13.2: the best number of probes on p processes
# *20 minutes · ★★★*
#
# Besides its forward passes, each step costs a fixed time for the update and for waiting on the wire. Measure time in rounds, where a
# *round* is one probe on every process. A step with $n$ probes on $p$ processes then takes $n/p$ rounds and `overhead`. Write the
# *pace* of such a step, which is its progress $-\log(\mathbb{E}[L^+]/L)$ per unit of time. Each step has its best rate, where
# $\mathbb{E}[L^+]/L=1-1/\gamma$ and, for independent Gaussian probes, $\gamma=(r+n+1)/n$ (notebook 5). Then predict: which $n$ is best on eight processes, and what
# happens to it when the overhead grows?
#
# <details><summary>Hint 1</summary>Write 1 − 1/γ as one fraction. Its logarithm is negative, and minus this logarithm is the progress.</details>
# <details><summary>Hint 2</summary>The time of a step is the overhead and one unit for every p probes.</details>
# <details><summary>Expected output</summary>✓ right in 4 cases, and a best n for each overhead: it grows with the overhead.</details>


# %%
import math


def pace(probes: int, rank: int, processes: int, overhead: float) -> float:
    # BEGIN SOLUTION
    return math.log(1 + probes / (rank + 1)) / (overhead + probes / processes)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.processes import check_pace

check_pace(pace)

# %%
rows = []
for overhead in (0, 1, 4):
    best = max(range(8, 800, 8), key=lambda n: pace(n, 20, 8, overhead))
    rows.append({"overhead, in rounds": overhead, "best n": best, "its pace": pace(best, 20, 8, overhead)})
show(rows)

# %% [markdown]
# ### Exercise 13.3: parts of unequal sizes
# *10 minutes · ★★☆*
#
# The parts of a batch have unequal sizes. Given the mean loss of each part and its size, both as tensors of shape (processes,), return
# the loss of the whole batch. By what must each process multiply its loss to make the library's plain mean right?
#
# <details><summary>Hint 1</summary>A mean loss times its size is a sum over examples.</details>
# <details><summary>Hint 2</summary>Divide the sum of these sums by the number of all examples.</details>
# <details><summary>Expected output</summary>✓ right in 2 cases, and then three losses, of which the first is the third.</details>


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
losses = {"combined": combine(parts, sizes), "plain mean": parts.mean(), "the whole batch": loss(theta, whole)}
show([{name: f"{float(value):.12f}" for name, value in losses.items()}])

# %% [markdown] tags=["solution"]
# **Solution.** Each process multiplies its loss by $p\,B_q/\sum_s B_s$. The mean of $p\,B_qL_q/\sum_s B_s$ over the $p$ processes is
# then the loss of the whole batch.

# %% [markdown]
# ### Exercise 13.4: what a step of p processes is worth
# *20 minutes · ★★☆*
#
# How many steps of one process is a step of $p$ processes worth, if each process has a Gaussian probe of its own? At its best rate a step has
# $\mathbb{E}[L^+]/L=1-1/\gamma$ with $\gamma=(r+p+1)/p$ (notebook 5). Compare $\log(\mathbb{E}[L^+]/L)$ for $p$ probes and for one.
# Then look at the last column of the table: what is left of the loss after 240 forward passes in all?
#
# <details><summary>Hint 1</summary>Progress adds up over steps when it is measured as a logarithm.</details>
# <details><summary>Hint 2</summary>Divide the logarithm for p probes by the logarithm for one.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases, a figure in which the drawn points lie on your formula, and a table.</details>


# %%
def speedup(rank: int, processes: int) -> float:
    # BEGIN SOLUTION
    return math.log(1 + processes / (rank + 1)) / math.log(1 + 1 / (rank + 1))
    # END SOLUTION


# %%
from mezo_lab.course.exercises.processes import check_speedup

check_speedup(speedup)

# %%
rank, total, counts = 20, 240, sized(full=(1, 2, 4, 12, 30, 60), fast=(1, 4, 12))
left = [verify("best-step", dim=10**6, rank=rank, probes=n, t=1.0).estimate for n in counts]
gains = [ratio.map(lambda x: math.log(x) / math.log(left[0].mean)) for ratio in left]
means, errors = [gain.mean for gain in gains], [gain.standard_error for gain in gains]
formula = ScalingLine("your formula", counts, [speedup(rank, n) for n in counts])
parts = [ScalingSeries(f"r = {rank}, drawn", counts, means, errors)], [formula], [ScalingLine("p", counts, counts)]
labels = {"xlabel": "processes p", "ylabel": "steps of one process"}
show(scaling_figure(*parts, **labels), alt=scaling_alt_text(*parts, **labels))
rows = []
for n, ratio in zip(counts, left, strict=True):
    steps = total // (2 * n)
    rows.append({"p": n, f"steps in {total} passes": steps, "left of the loss": ratio.mean**steps})
show(rows)

# %% [markdown] tags=["solution"]
# **Solution.** The gain is nearly $p$ while $p \ll r$, and a logarithm beyond. With a fixed total of passes, more processes take fewer
# steps and leave more of the loss: they buy time, and pay for it with passes, as long as their probes are independent.

# %% [markdown]
# ## Summary
#
# - Directions come from a seed, so processes share a step by exchanging losses. The number of bytes does not depend on $d$.
# - With the batch split, the step is that of one process on all examples, up to rounding. With the probes split, it is that of one
#   process with $n=p$, bit for bit.
# - An independent probe and a batch for each process never give a longer estimate than either alone.
# - All processes need the same seed, settings and weights, and parts of one size. The library checks all but the last.
#
# **Limits.** We ran two processes on one machine with a tiny loss, and compared steps and bytes, not seconds. A model that is split
# over machines is another matter. A step waits for its slowest process.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Algorithm 2. T. Salimans et al.,
# *Evolution strategies as a scalable alternative to reinforcement learning*, 2017, Section 2.1: workers that share seeds and send scalars. P. Patarasuk and X. Yuan,
# *Bandwidth optimal all-reduce algorithms for clusters of workstations*, 2009.
#
# **Next:** what a step costs in time and memory.
