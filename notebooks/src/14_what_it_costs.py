# %% [markdown]
# # 14. What it costs, and when not to use it
#
# **Claim.** By the end you will have shown that MeZO needs only the memory of inference, that backpropagation with Adam needs several
# times as much, and that MeZO pays for the difference in steps: wherever a backward pass fits, backpropagation is cheaper. The evidence:
# memory that is predicted term by term and compared with the tensors that live, with measurements and with the paper's reports; seconds and
# GPU-hours, added up. The controls: predictions with a term left out, which the counts refute; and models for which MeZO's memory is no advantage.
#
# **You will be able to** predict the peak memory of a training from a configuration; compute GPU-hours and the break-even number of
# steps; say from numbers when MeZO is the wrong tool.
#
# **Before this:** notebook 5 (the effective rank $r$ and $\gamma$), notebook 8 (the step). **Time:** 60 minutes. **In
# the paper** (Malladi et al. 2023): Figures 3 and 4, Tables 22 and 23. No real model is needed.

# %%
from mezo_lab.course.notebook import needs_packages

needs_packages("transformers", "peft")

import json
from dataclasses import replace

import torch
from transformers import LlamaConfig

from mezo_lab import LAWS, theory
from mezo_lab.course.notebook import predict, record_path, show, sized, verify
from mezo_lab.course.records import recorded_memory, recorded_opt_memory, recorded_runs
from mezo_lab.environment.storages import LiveStorages, storage_bytes
from mezo_lab.finetune.memory.paper_tables import REPORTED, SECONDS, SIZES, STEPS
from mezo_lab.finetune.memory.paper_tables import gpu_hours, opt_config, setting_of_table_22
from mezo_lab.finetune.memory.predicted import TrainingStep, model_for_method, predicted_memory, untrained_model
from mezo_lab.report.figures import GrowthLine, GrowthPanel, GrowthSeries, growth_alt_text, growth_figure
from mezo_lab.report.figures import MemoryBar, memory_alt_text, memory_figure
from mezo_lab.report.figures import StepCost, step_alt_text, step_figure
from mezo_lab.report.figures import TrainingPrice, price_alt_text, price_figure

GIB = 2**30

# %% [markdown] tags=["slide-02"]
# ## What lives at the peak of a step
#
# **Statement** (derived). Let a model have $P$ parameters, of which $P_t$ are trained, and let a number take $b$ bytes. The *peak memory* of backpropagation with Adam is
#
# $$\underbrace{bP}_{\text{weights}}+\underbrace{bP_t}_{\text{gradients}}+\underbrace{2bP_t}_{\text{Adam's states}}+\text{activations}.$$
#
# SGD has no states. Inference has the first term and smaller activations of its own. MeZO has the terms of inference and one chunk of $z$, which is next to nothing where the sweeps are compiled and at most 16 MiB where they are not.

# %% [markdown]
# **Derivation.**
#
# 1. The chain rule needs the gradient of every trained weight: as many numbers as are trained.
# 2. Adam keeps a running mean of the gradient and one of its square: two more numbers for each trained weight.
# 3. The backward pass reads the inputs of every layer again, so all of them are kept: activations $\propto$ layers × sequences × tokens.
# 4. A forward pass alone frees a layer's input as soon as its output is there: activations of *one* layer.
# 5. MeZO makes $z$ chunk by chunk, moves $\theta$ in place (Algorithm 1), and keeps a seed and a scalar: no term with $P_t$.
#
# The library counts these terms by making a step on tensors without contents. This is SmolLM2-135M, from its configuration alone, with 16 sequences of 32 tokens:

# %%
smol = LlamaConfig(
    vocab_size=49152,
    hidden_size=576,
    intermediate_size=1536,
    num_hidden_layers=sized(full=30, fast=2),
    num_attention_heads=9,
    num_key_value_heads=3,
    tie_word_embeddings=True,
    max_position_embeddings=8192,
)
NAMES = {"inference": "inference", "mezo": "MeZO", "lora": "LoRA"}
NAMES |= {"prefix": "prefix", "sgd": "SGD", "adam": "Adam"}


def show_memory(memories, cards):
    parts = {name: [part / GIB for part in vars(memory).values()] for name, memory in memories.items()}
    bars = [MemoryBar(name, *each) for name, each in parts.items()]
    show(memory_figure(bars, cards), alt=memory_alt_text(bars, cards))


methods = ("mezo", "lora", "sgd", "adam")
show_memory({NAMES[method]: predicted_memory(smol, method=method) for method in methods}, {})

# %% [markdown]
# Weights, gradients and Adam's states stand as 1 to 1 to 2. LoRA's gradients and states nearly vanish, but its
# activations do not, because the backward pass still goes through the whole model.

# %% [markdown] tags=["slide-03"]
# ## Predict first
#
# Write your answers into the cell below. They will be shown again beside the results.
#
# 1. The paper's MeZO holds 16-bit weights. Its fine-tuning holds 32-bit weights and uses Adam. How many times as much memory does fine-tuning need, at least?
# 2. You double the number of layers. Whose activations double, those of inference or those of backpropagation?
# 3. A step of MeZO is two forward passes. A backward pass costs about as much as two more. Which step is faster, and by how much?
# 4. In the paper's Table 23, a step of fine-tuning OPT-30B takes several times as long as one of MeZO. Is MeZO's whole training cheaper at 30B? At 1.3B?

# %%
predictions = predict(memory="", layers="", step="", training="")

# %% [markdown]
# ## Experiment: the OPT family, beside the paper's Table 22
#
# > *Table 22, in our words.* On MultiRC, with 400 tokens on average and one example at a time, `nvidia-smi` shows for MeZO what it shows for
# > zero-shot inference, and for full fine-tuning up to twelve times as much, on several cards. *Figure 4, in our words:* on one card of 80 GB
# > one can fine-tune OPT-2.7B, and run MeZO on OPT-30B.
#
# First we count $P$ by hand. A layer of width $w$ has $4w^2$ weights in its attention, $8w^2$ in its two-layer network and $13w$ in its biases and norms. The tables of words and positions
# have 50,272 and 2,050 rows, and the last norm has $2w$ weights.

# %%
counts = []
for size in sized(full=("1.3B", "13B"), fast=("1.3B",)):
    layers, _, width = SIZES[size]
    by_hand = layers * (12 * width**2 + 13 * width) + (50_272 + 2_050 + 2) * width
    counted = setting_of_table_22(size, "mezo").weights // 2
    counts.append({"OPT": size, "parameters by hand": by_hand, "counted": counted})
show(counts)

# %% [markdown]
# The record `results/memory.txt`, written by `mezo-lab memory`, has the predictions for all sizes. Here they are dashed, and the paper's numbers are the markers.

# %%
opt = {method: recorded_opt_memory(method) for method in REPORTED}  # GiB by size
markers, lines = [], []
for (method, reported), law in zip(REPORTED.items(), ("gaussian", "sphere", "rademacher"), strict=True):
    sizes, values = [float(size.removesuffix("B")) for size in reported], list(reported.values())
    markers.append(GrowthSeries(f"{NAMES[method]}, Table 22", sizes, values, values, values, law=law))
    lines.append(GrowthLine("predicted, on one card", sizes, [opt[method][size] for size in reported]))
panels = [GrowthPanel("parameters of OPT, billions", "peak memory, GiB", markers, lines)]
show(growth_figure(panels), alt=growth_alt_text(panels))
times = [opt["adam"][size] / opt["mezo"][size] for size in SIZES]
predictions.compare("memory", f"fine-tuning holds {min(times):.1f} to {max(times):.1f} times as much as MeZO")

# %% [markdown]
# At every size, the methods differ by nearly the same factor. The paper's numbers lie above the predictions, because `nvidia-smi` also shows the context of the GPU, what the allocator reserves, the longest example and,
# where training was sharded, what all cards had reserved. So Table 22 bounds the prediction from one side only, which is no check. A check comes next.

# %% [markdown] tags=["notes-04"]
# ### The cards that people have
#
# Which of these trainings fit on the cards that people have? The lines are a laptop's card, a desktop's and a data centre's.

# %% tags=["slide-04"]
size = sized(full="6.7B", fast="1.3B")
cards = {f"{gigabytes} GB": gigabytes * 1e9 / GIB for gigabytes in (8, 24, 80)}
show_memory({f"{NAMES[method]}, {size}": setting_of_table_22(size, method) for method in REPORTED}, cards)

# %% [markdown] tags=["slide-04"]
# MeZO asks for a desktop's card where full fine-tuning does not fit on the data centre's. Prefix tuning trains almost no weights, and yet its activations keep it off the desktop.

# %% [markdown]
# ## Check
#
# **MeZO adds a chunk** (claim C6): the peak of a step exceeds that of its forward pass by at most 40 MiB, whatever $d$ is. The decoy is the published program,
# which makes $z$ a whole tensor at a time. Nothing scatters here, since every draw gives the same number.

# %%
show(verify("memory", d=sized(full=8_000_000, fast=4_200_000)))

# %% [markdown]
# **The terms of backpropagation.** We run the second step of a small model whose tensors do have contents, and count each tensor while it lives.
# The prediction may be wrong by 1 %. Each decoy forgets a term.

# %%
shape = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
small = LlamaConfig(vocab_size=1000, tie_word_embeddings=True, **shape)


def lives(method: str) -> int:
    model = model_for_method(method, untrained_model(small, torch.float32, "sdpa"))
    step = TrainingStep(model, torch.zeros(8, 32, dtype=torch.long))
    optimizer = step.optimizer(method)

    def run():
        step.loss().backward()
        optimizer.step()
        optimizer.zero_grad()

    run()
    with LiveStorages() as live:
        run()
    states = [tensor for state in optimizer.state.values() for tensor in state.values()]
    return storage_bytes([*model.parameters(), *model.buffers(), *states]) + live.peak


def judged(error: float, bound: float) -> str:
    return f"{error:+.1%}, {'refuted' if abs(error) > bound else 'within the bound'}".replace("-", "−")


# %%
rows = []
for method in ("sgd", "adam"):
    alive, memory = lives(method), predicted_memory(small, method=method, batch=8)
    row = {"method": NAMES[method], "bytes that live": alive}
    row["error"] = judged(memory.total / alive - 1, 0.01)
    for name, part in vars(memory).items():
        row[f"without {name}"] = judged((memory.total - part) / alive - 1, 0.01)
    rows.append(row)
show(rows)

# %% [markdown]
# SGD has no states, so leaving them out is no mistake for SGD, and the decoy stays within the bound. For Adam each decoy is refuted.
#
# **What a process holds.** The record also has the measured memory of a process that trains SmolLM2. The prediction is what must live, and an allocator holds more, so here we allow 25 %. The decoy forgets the states of the optimizer.

# %%
rows = []
for method, memory in recorded_memory().items():
    whole, measured = memory.predicted, memory.measured
    row = {"method": NAMES[method], "predicted, MiB": round(whole), "measured": round(measured)}
    row["error"] = judged(whole / measured - 1, 0.25)
    rows.append(row | {"without optimizer": judged((whole - memory.optimizer) / measured - 1, 0.25)})
show(rows)

# %% [markdown]
# ## The time of a step
#
# A forward pass of $P$ weights on $T$ tokens takes about $2PT$ operations, and a backward pass takes twice as many (Kaplan et al. 2020). So a step of backpropagation takes $6PT$, and a step of MeZO takes $4PT$ and its sweeps over $\theta$: a ratio of $3/2$.
# The record `results/step_cost.json`, from `benchmarks/step_cost.py`, has the seconds and the memory of a step on one machine. Other machines may differ.

# %%
record = json.loads(record_path("results/step_cost.json").read_text())
bed, machine = record["beds"][0], record["machine"]
shown = ("3 sweeps", "published sequence", "backpropagation")
costs = []
for row in bed["rows"]:
    if row["method"].endswith(shown):
        times = [row[name] for name in ("ratio", "least", "largest")]
        costs.append(StepCost(row["method"], *times, row["memory"]["over_forward"], row["law"]))
show(step_figure(costs), alt=step_alt_text(costs))
ratios = {cost.method: cost.ratio for cost in costs}
own, adam = ratios["MeZO rademacher, 3 sweeps"], ratios["Adam, backpropagation"]
sentence = f"MeZO takes {own:.2f} times two forward passes, backpropagation with Adam {adam:.2f} times"
predictions.compare("step", f"{sentence} ({bed['model']}, {machine['processor']}, {machine['threads']} threads)")

# %% [markdown] tags=["notes-05"]
# ## GPU-hours and break-even
#
# > *Table 23, in our words.* It has the seconds of a step on cards of 80 GB. At 30B a step of MeZO, with a batch of 16, runs on one card; a step of fine-tuning, with a batch of 8, takes nearly
# > eight times as long, on eight cards. From this the paper concludes that MeZO needs half the *GPU-hours*, the hours times the GPUs.

# %% [markdown] tags=["slide-05"]
# **Statement** (derived). If MeZO needs $\gamma$ times the steps of backpropagation, its training is cheaper exactly if $\gamma$ is below the *break-even* factor
#
# $$\gamma^* = \frac{\text{seconds of a backpropagation step} \times \text{its cards}}{\text{seconds of a MeZO step}\times\text{its cards}}.$$

# %% [markdown] tags=["notes-05"]
# **Derivation.** $S$ steps of backpropagation cost $S\,c_b$ card-seconds, and $\gamma S$ steps of MeZO cost $\gamma S\,c_m$. By operations on one card and with one probe, $\gamma^*=3/2$. The theory of notebook 5 gives
# $\gamma=(r+n+1)/n$ against SGD, for a step that costs $n$ times as much: together $r+n+1 \ge 3$. So on one card MeZO cannot win on operations. It can win by needing fewer cards and no traffic between them.

# %% [markdown]
# Table 23 measures just that. The steps are the paper's, with five epochs of fine-tuning; the table has their ratio γ.

# %%
factors = {r: theory.effective_rank_factor(r, 1, LAWS["gaussian"].moments(10**9)) for r in (1, 10, 100)}
print("By theory, with one probe:", ", ".join(f"γ = {factor:.0f} at r = {r}" for r, factor in factors.items()))

# %% tags=["slide-06"]
rows, breaks = [], {}
for size, (seconds, cards) in SECONDS["mezo"].items():
    longer, more = SECONDS["adam"][size]
    breaks[size] = longer * more / (seconds * cards)
    hours = {name: gpu_hours(size, method) for name, method in (("MeZO", "mezo"), ("fine-tuning", "adam"))}
    row = {"OPT": size, "γ*": breaks[size], "γ": STEPS["mezo"][size] / STEPS["adam"][size]}
    row |= {f"GPU-hours, {name}": value for name, value in hours.items()}
    rows.append(row | {"cheaper": min(hours, key=hours.get)})
show(rows)
cheap = [row["OPT"] for row in rows if row["cheaper"] == "MeZO"]
where = ", ".join(cheap) or "no size"
predictions.compare("training", f"MeZO's whole training is the cheaper one at {where} only")

# %% [markdown] tags=["slide-06"]
# The total decides, and a saving at one size is a statement about that size alone. The batches of the two methods differ, and the
# fine-tuning kept all activations, where it could have computed some of them again.

# %% [markdown]
# ## What a fine-tuning took
#
# The record `results/finetune.json`, from `make accuracy`, has trainings of SmolLM2-135M on film reviews on one machine. Up and to the left is better. The minutes include loading and testing. The memory is the peak of the whole process, which for a training includes the moment when it loads its best checkpoint.

# %%
PROMPTS = ("“… It was”", "“Sentiment:”")
runs = [run for run in recorded_runs(objective="loss", scratch=False) if run.prompt in PROMPTS]
prices = []
for run in runs:
    accuracy = (run.test, run.low, run.high)
    cost = (run.seconds / 60, run.peak_mebibytes)
    prices.append(TrainingPrice(run.prompt, run.method, *accuracy, *cost, many=run.shots > 16))
sizes = {"few": "at most 16 a class", "many": "512 a class"}
show(price_figure(prices, **sizes), alt=price_alt_text(prices, **sizes))

# %% [markdown]
# What is cheapest for the same accuracy? Here "the same" means that the interval overlaps that of the best, which is a coarser test than the paired gain of notebook 11.

# %%
rows = []
for prompt in PROMPTS:
    for budget in (16, 512):
        known = [run for run in runs if run.prompt == prompt and run.shots <= budget]
        good = [run for run in known if run.high >= max(known, key=lambda run: run.test).low]
        row = {"prompt": prompt, "reviews of a class": f"at most {budget}"}
        row |= {"as good as the best": "; ".join(f"{run.method} ({run.shots})" for run in good)}
        row["least time"] = min(good, key=lambda run: run.seconds).method
        rows.append(row | {"least memory": min(good, key=lambda run: run.peak_mebibytes).method})
show(rows)

# %% [markdown] tags=["notes-07"]
# ## When not to use it
#
# First ask what else makes a backward pass fit. *Checkpointing* keeps the input of each layer and computes the rest of a layer again when the backward pass needs it. LoRA freezes the weights, and frozen weights may have 4 bits, or 4½ with their scales.

# %% [markdown]
# Here is a slice of OPT-13B in the setting of Table 22, with adapters in 16 bits:

# %%
config = opt_config("13B")
layers = config.num_hidden_layers = sized(full=8, fast=2)
setting = {"dtype": torch.float16, "batch": 2, "length": 400, "positions": 400, "attention": "eager"}
mezo, lora = (predicted_memory(config, method=method, **setting) for method in ("mezo", "lora"))
inputs = layers * 2 * 400 * config.hidden_size * 2  # bytes: layers × sequences × tokens × width × 2
checkpoints = replace(lora, activations=lora.activations / layers + inputs)
four_bits = replace(checkpoints, weights=lora.weights * 4.5 / 16)
fits = {"MeZO": mezo, "LoRA": lora, "LoRA, checkpoints": checkpoints, "the same, 4 bits": four_bits}
show_memory(fits, {})

# %% [markdown]
# With checkpoints and four bits, backpropagation through adapters needs less memory than MeZO on all weights. So memory alone is a reason for MeZO only after these are ruled out. A table of decisions, with the numbers of this notebook:

# %% tags=["slide-07"]
r, error = json.loads(record_path("results/divergence.json").read_text())["curvature"]["effective_rank"]
days = (10**6 / 8) * (STEPS["mezo"]["30B"] / STEPS["adam"]["30B"]) * SECONDS["mezo"]["30B"][0] / 86_400
(scratch,) = recorded_runs(scratch=True, method="MeZO")
hours = gpu_hours("1.3B", "mezo") / gpu_hours("1.3B", "adam")
share = min(each.total for each in fits.values()) / mezo.total
chart = [
    ("A backward pass fits on your card.", f"1.3B: {hours:.0f} times the GPU-hours", "backpropagation"),
    ("One card, in theory.", f"SmolLM2: γ = {r + 2:.1f} ± {error:.1f}, γ* = {adam / own:.2f}", "backpropagation"),
    ("It fits on several cards.", f"30B: γ* = {breaks['30B']:.0f}", f"MeZO, if r < {breaks['30B'] - 2:.0f}"),
    ("You train from scratch.", f"no small r; accuracy {scratch.test:.0%} on two classes", "backpropagation"),
    ("A million examples, 30B, one card.", f"{days:,.0f} days for an epoch of MeZO", "more cards"),
    ("Adapters would do.", f"{share:.2f} times MeZO's memory", "LoRA" if share < 1 else "MeZO"),
    ("Nothing above fits.", f"MeZO: {mezo.total / lora.weights:.2f} times the weights", "MeZO"),
]
show([dict(zip(("if", "then", "choose"), row, strict=True)) for row in chart])

# %% [markdown]
# The days take the paper's ratio of steps for granted, and $r$ was measured on one batch, at the start of a training. These numbers are sizes, not forecasts.
#
# ## What it means
#
# MeZO trades steps for memory. The trade is good where memory is what you lack: no backward pass fits, even with adapters, checkpoints and fewer bits; or the loss has no gradient; or only
# forward passes are available. It may also be good where backpropagation needs many more cards and $\gamma$ is small. Where a backward pass fits, take it.
#
# ## Where it breaks
#
# "The memory of inference" is small only if the weights outweigh the activations. Long texts, with logits at every token, turn this around. Here is MeZO on 16 sequences of growing length:

# %%
few, many = (LlamaConfig.from_dict(smol.to_dict() | {"num_hidden_layers": layers}) for layers in (2, 4))
growth = []
for name, method in (("inference", "inference"), ("backpropagation", "sgd")):
    kept = [predicted_memory(model, method=method, length=512).activations for model in (few, many)]
    growth.append(f"{name} holds {kept[1] / kept[0]:.1f} times the activations")
predictions.compare("layers", "with twice the layers, " + " and ".join(growth))
rows = []
for length in sized(full=(32, 512, 2048), fast=(32, 512)):
    memory = predicted_memory(smol, method="mezo", length=length, positions=length)
    share = memory.activations / memory.total
    rows.append({"tokens": length, "MeZO, GiB": memory.total / GIB, "of it activations": f"{share:.0%}"})
show(rows)

# %% [markdown]
# A tiny model breaks it too: most of its memory is activations, and what Python does between two passes takes a share of the time.

# %%
shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
tiny = LlamaConfig(vocab_size=500, tie_word_embeddings=True, **shape)
memory, bed = predicted_memory(tiny, method="mezo"), record["beds"][1]
print(f"A tiny model: MeZO holds {memory.total / memory.weights:.1f} times the weights.")
ratio = {row["method"]: row["ratio"] for row in bed["rows"]}["MeZO rademacher, 3 sweeps"]
print(f"{bed['model']}: a step of MeZO takes {ratio:.2f} times two forward passes.")

# %% [markdown]
# ## Exercises
#
# ### Exercise 14.1: mixed precision
# *10 minutes · ★☆☆ · on paper*
#
# Mixed precision keeps weights and gradients in 16 bits, and beside them a 32-bit copy of the weights and Adam's two states in 32 bits; a step updates all of them. How many bytes is this for each parameter? How many times
# MeZO's 16-bit weights? Why do fine-tuning and MeZO differ by more in Table 22?
#
# <details><summary>Hint 1</summary>List the five numbers that are kept for each parameter, with their bytes.</details>
# <details><summary>Hint 2</summary>Table 22 also holds what is no multiple of the parameters.</details>
# <details><summary>Expected output</summary>A whole number of bytes, and a whole ratio.</details>

# %% [markdown] tags=["solution"]
# **Solution.** $2+2+4+4+4=16$ bytes against 2: 8 times. Without a 16-bit copy, $4\cdot4=16$ again. On top come activations of every layer, and what the cards reserve.

# %% [markdown]
# ### Exercise 14.2: bytes of a training
# *10 minutes · ★☆☆*
#
# Write the bytes of weights, gradients and states of the optimizer. Every number has `each` bytes, and `method` is `"inference"`, `"mezo"`, `"sgd"` or `"adam"`.
#
# <details><summary>Hint 1</summary>How many numbers does a method hold for each parameter?</details>
# <details><summary>Hint 2</summary>A dictionary from the method to that count is all you need.</details>
# <details><summary>Expected output</summary>1,000 parameters of 2 bytes are 2,000 bytes for inference.</details>


# %%
def training_bytes(parameters: int, each: int, method: str) -> int:
    # BEGIN SOLUTION
    held = {"inference": 1, "mezo": 1, "sgd": 2, "adam": 4}
    return held[method] * each * parameters
    # END SOLUTION


# %%
from mezo_lab.course.exercises.costs import check_largest_model, check_largest_rank, check_training_bytes

check_training_bytes(training_bytes)

# %% [markdown]
# ### Exercise 14.3: the largest rank that pays
# *15 minutes · ★★☆*
#
# You rent cheap cards for MeZO at `price` an hour, and dear ones for backpropagation at `backward_price` an hour. A step of MeZO with one probe takes `seconds`, and one with `probes` probes that many times as long;
# a step of backpropagation takes `backward_seconds`. Up to which effective rank $r$ is MeZO's training the cheaper one, if it needs $\gamma=(r+n+1)/n$ times the steps?
#
# <details><summary>Hint 1</summary>Write the price of one step on either side first.</details>
# <details><summary>Hint 2</summary>Set γ equal to the ratio of these prices, and solve for r. It may be negative.</details>
# <details><summary>Expected output</summary>At equal seconds, ten times the price and one probe, the rank is 8.</details>


# %%
def largest_rank(seconds: float, price: float, backward_seconds: float, backward_price: float, probes: int) -> float:
    # BEGIN SOLUTION
    ratio = backward_seconds * backward_price / (probes * seconds * price)
    return probes * ratio - probes - 1
    # END SOLUTION


# %%
check_largest_rank(largest_rank)

# %% [markdown]
# ### Exercise 14.4: your own card
# *10 minutes · ★☆☆ · experiment*
#
# How many parameters fit on a card of `gib` GiB, if activations are left out? Then put in your own card, and compare with the largest OPT by the full prediction. What makes the difference?
#
# <details><summary>Hint 1</summary>A GiB is 2³⁰ bytes.</details>
# <details><summary>Hint 2</summary>Divide by the bytes of one parameter, which your function of 14.2 gives.</details>
# <details><summary>Expected output</summary>24 GiB hold about 12.9 billion parameters of 2 bytes for MeZO.</details>


# %%
def largest_model(gib: float, each: int, method: str) -> float:
    # BEGIN SOLUTION
    # The full prediction is less: it has activations too, and the sizes of the family have gaps.
    return gib * 2**30 / training_bytes(1, each, method)
    # END SOLUTION


# %%
check_largest_model(largest_model)
mine = 24  # GiB, yours
for method, each in (("mezo", 2), ("adam", 4)):
    inside = [size for size in SIZES if opt[method][size] <= mine]
    largest = largest_model(mine, each, method) / 1e9
    print(f"{NAMES[method]}: {largest:.1f}B by weights; OPT-{inside[-1]} with activations")

# %% [markdown] tags=["slide-08"]
# ## Summary
#
# - Memory is weights, gradients, states and activations. MeZO keeps the first, and the activations of inference; Adam holds four times the weights, and the activations of every layer.
# - A step of MeZO is two forward passes and sweeps, and many more steps are needed: MeZO is cheaper exactly if $\gamma < \gamma^*$.
# - On one card by operations $\gamma^*=3/(2n)$ for $n$ probes, below any $\gamma=(r+n+1)/n$ of the theory. More cards for backpropagation lift it.
# - Before MeZO, try in-context learning, a linear probe, LoRA with checkpointing.

# %% [markdown]
# **Limits.** One machine's times; the paper's GPU times, of 2023. $\gamma$ compares with SGD on a quadratic, not with Adam. Energy and the price of a larger card were left out.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Appendix F. T. Chen et al., *Training deep nets with
# sublinear memory cost*, 2016. T. Dettmers et al., *QLoRA*, 2023. J. Kaplan et al., *Scaling laws for neural language models*, 2020.
#
# **Next:** the successors of MeZO, and which of their claims hold.
