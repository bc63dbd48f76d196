# %% [markdown]
# # 11. Fine-tune SmolLM2 with forward passes
#
# **Claim.** By the end you will have measured what MeZO teaches SmolLM2-135M about film reviews that it has never seen, and whether that is
# clear of chance. The evidence: the paired gain over zero-shot with its 95 % interval, on a model that you rebuild from a log
# of a kilobyte or two. The controls: comparisons in which nothing was learnt, and an interval that
# forgets the pairing.
#
# **You will be able to** write the loss over label words; evaluate a model without training it; give an accuracy its interval and two
# accuracies that of their difference; rebuild a fine-tuned model from scalars; choose a learning rate without the test examples.
#
# **Before this:** notebook 8 (Algorithm 1), notebook 10 (the largest stable rate); softmax and cross-entropy; the standard error. **Time:** 60 minutes; the
# cells run within two. **In the paper** (Malladi et al. 2023): Algorithm 1, Section 2.1 (storage), Section 3, Table 5 (prompts), Appendix E.

# %%
from mezo_lab.course.notebook import needs_real_model

needs_real_model()

import copy
import itertools
import json
import math

import sympy
import torch
from torch.nn.functional import softplus

from mezo_lab import Estimate
from mezo_lab.finetune import MeZO, task_loss
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import answer_logits
from mezo_lab.finetune.evaluation.evaluate import evaluate
from mezo_lab.finetune.prepare import prepare_run
from mezo_lab.finetune.replay import rebuild_model, resolve_step
from mezo_lab.finetune.run_folder import read_run_config

# %%
from mezo_lab.course.notebook import record_path, show, sized
from mezo_lab.finetune.evaluation.scores import Z95, difference, mean_score, wilson
from mezo_lab.finetune.tasks import custom_task
from mezo_lab.optim.log import StepRecord, read_log
from mezo_lab.report.figures import style

RESULTS = record_path("results")  # the records; `make accuracy` writes them
run = RESULTS / "runs/rotten-tomatoes-16-mezo-full-seed0"  # MeZO on all weights, 16 reviews of each class
context = prepare_run(read_run_config(run))
model, tokenizer, encoder, task = context.pretrained.model, context.pretrained.tokenizer, context.encoder, context.task

# %% [markdown]
# ## What the model is asked
#
# A *prompt* turns a review into the beginning of a sentence, and two *label words* into
# the ways it may go on (paper, Appendix E).
#
# **Statement** (derived). Let $\ell_w=-\log p(w \mid \text{prompt})$ be the loss of a candidate word over the whole vocabulary. The cross-entropy over the
# two label words alone is $L=\log\left(1+e^{\ell_{\text{right}}-\ell_{\text{other}}}\right)$, and the answer is right exactly where $L < \log 2$.
#
# **Derivation.**
#
# 1. Given that the next word is one of the two, the right one has $q=p_{\text{right}}/(p_{\text{right}}+p_{\text{other}})$.
# 2. $L=-\log q=\log(1+p_{\text{other}}/p_{\text{right}})$, and $p_w=e^{-\ell_w}$. The vocabulary's normaliser is in both and cancels.
# 3. The answer is the likelier word. It is right where $\ell_{\text{right}} < \ell_{\text{other}}$, so where $L < \log(1+1)$.
#
# On one review, beside the loss that the library trains on:

# %%
row = context.splits.test[0]
gold, asked = task.gold(row), encoder.encode_prompt(row, encoder.labels[0])
with torch.no_grad():
    vocabulary = answer_logits(model, [asked])[0]  # (words,)
losses = -vocabulary.log_softmax(-1)[list(encoder.labels)]  # one for each label word
print(f"{encoder.text(row)!r}: {len(asked.input_ids)} tokens, asked at place {asked.positions[0]}")
for word, loss in zip(task.answers, losses, strict=True):
    print(f"  {word!r}: loss {loss:.3f}{'  ← right' if word == task.answers[gold] else ''}")
with torch.no_grad():
    library = float(task_loss(model, tokenizer, [row])())
print(f"log(1 + e^(right − other)) = {softplus(losses[gold] - losses[1 - gold]):.4f}; the library's {library:.4f}")

# %% [markdown]
# ## Predict first
#
# Write your answers down.
#
# 1. With the prompt "It was" and no training: how many of 100 reviews does the model get right?
# 2. Training moved every one of its 134,515,008 weights. How many bytes must you send to a friend who has the original?
# 3. Both models answer for the same reviews. Is the interval of their difference narrower than for reviews of their own, or wider?
# 4. Of four checkpoints the best on a few validation reviews is kept. On new reviews, does it do better or worse than it did on those?
#
# ## How far to trust an accuracy
#
# **Statement** (Wilson 1927). With $\hat p$ right of $n$, the shares $p$ that lie within $z$ standard errors *of their own* are
#
# $$p_\pm = \left(\hat p + \frac{z^2}{2n} \pm z\sqrt{\frac{\hat p(1-\hat p)}{n} + \frac{z^2}{4n^2}}\right)\Big/\left(1 + \frac{z^2}{n}\right).$$
#
# **Derivation.** The ends solve $(\hat p-p)^2=z^2\,p(1-p)/n$, a quadratic in $p$:

# %%
p, share, n, z = sympy.symbols("p p̂ n z", positive=True)
ends = sympy.solve(sympy.Eq((share - p) ** 2, z**2 * p * (1 - p) / n), p)
at = {share: sympy.Rational(9, 10), n: 50, z: Z95}
print([f"{float(end.subs(at)):.6f}" for end in ends], "the library:", [f"{end:.6f}" for end in wilson(0.9, 50)])

# %% [markdown]
# **Statement** (derived). Two models answer the same $n$ examples. Only the second is right on $b$, only the first on $c$. The gain of the second is
# $(b-c)/n$, with the squared standard error $\left[b+c-(b-c)^2/n\right]/\left(n(n-1)\right)$.
#
# **Derivation.** The gaps $x_i \in \{-1, 0, 1\}$ are independent between examples. Their mean is $(b-c)/n$, and $\sum x_i^2=b+c$; put both into
# $\sum(x_i-\bar x)^2/(n(n-1))$.
#
# ## Experiment: zero-shot, on a few reviews

# %%
held_out = list(context.splits.test[: sized(full=64, fast=4)])
before = evaluate(model, encoder, held_out)
print("zero-shot:", before)

# %% [markdown]
# ## Rebuilt from a log
#
# Training takes minutes, and is not repeated here. A step of MeZO is a scalar times a $z$ that its seed draws again: the log of the committed run has the scalars.

# %%
log = read_log(run / "run.mezo")
bytes_of_weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
print(f"{log.size:,} bytes for {log.steps} steps; the weights have {bytes_of_weights:,}")
for step in itertools.islice((each for each in log if isinstance(each, StepRecord)), 3):
    print(f"  step {step.number}: projected gradient {step.projected[0]:+.2f}, learning rate {step.rates[0]:.2g}")
tuned, _, steps = rebuild_model(run, until=sized(full=resolve_step(run, "best"), fast=2))
after = evaluate(tuned, encoder, held_out)


def gain_text(gain) -> str:
    mean, low, high = (100 * value for value in gain)
    verdict = "clear of 0" if low > 0 or high < 0 else "not clear of 0"
    return f"{mean:+.1f} points ({low:+.1f} to {high:+.1f}), {verdict}"


print(f"after {steps} steps:", after)
print("paired gain:", gain_text(difference(after, before)))

# %% [markdown]
# So few reviews leave a wide interval. The record has the answers of both models to 1,000, of which these are the first. Is the rebuilt model the one that was
# tested then? (Rounding may turn an answer at the edge.)


# %%
def recorded(name: str):
    test = json.loads((RESULTS / "runs" / name / "result.json").read_text())["test"]
    return mean_score(test["metric"], [float(hit) for hit in test["each"]])


zero_shot, mezo = recorded("rotten-tomatoes-zero-shot"), recorded(run.name)
for name, live, record in (("zero-shot", before, zero_shot), (f"after {steps} steps", after, mezo)):
    same = sum(map(float.__eq__, live.each, record.each[: len(held_out)]))
    print(f"{name}: {same} of {len(held_out)} judged as in the record")
print("recorded, 1,000 reviews:", gain_text(difference(mezo, zero_shot)))

# %% [markdown]
# ## Nothing but forward passes
#
# A few steps of the same training, live, on one batch. `task_loss` is the closure; `MeZO` calls it twice a step.

# %%
pupil, calls = copy.deepcopy(model), []
batch_loss = task_loss(pupil, tokenizer, context.splits.train[: sized(full=16, fast=4)])
opt = MeZO(pupil.named_parameters(), lr=context.config.lr, law=context.config.law, seed=1, check_closure=False)


def closure():
    calls.append(torch.is_grad_enabled())
    return batch_loss()


for step in range(sized(full=3, fast=1)):
    print(f"step {step}: loss {opt.step(closure):.4f}, after {len(calls)} forward passes of the batch")
gradients = [weight.grad for weight in pupil.parameters() if weight.grad is not None]
print(
    f"passes with a graph for backpropagation: {sum(calls)}; gradients held: {len(gradients)}; state: {len(opt.state)}"
)

# %% [markdown]
# One step is mostly noise, so the loss may rise. A script for the `Trainer` of transformers becomes one for MeZO by two lines:
#
# ```diff
# -from transformers import Trainer
# +from mezo_lab.finetune import MeZO, MeZOTrainer
# -trainer = Trainer(model, args, train_dataset=train, eval_dataset=test)
# +trainer = MeZOTrainer(model, args, train_dataset=train, eval_dataset=test, optimizers=(MeZO(model.named_parameters(), lr=1e-6), None))
# ```
#
# ## All methods, on 1,000 reviews
#
# The record of `make accuracy`: each method gets the same examples, 16 or 512 of each class, and is tested on the same 1,000 reviews. Both sizes have the rates that were chosen on 512; MeZO
# on all weights may take other rates and steps with more examples: each row says which. *In-context learning* puts solved examples before the question; a *linear probe* is a logistic
# regression on the last features; *LoRA* trains small matrices beside frozen weights, *prefix tuning* keys and values before every text, here by MeZO; *Adam* has gradients, by backpropagation.

# %%
NAMES = {"zero-shot": "zero-shot", "icl": "in-context", "linear-probe": "linear probe", "mezo full": "MeZO"}
NAMES |= {"mezo lora": "MeZO, LoRA", "mezo prefix": "MeZO, prefix", "adam full": "Adam"}
PROMPTS = {"rotten-tomatoes": "“… It was”, terrible or great", "rotten-tomatoes/sentiment": "“Sentiment:”"}
rows = json.loads((RESULTS / "finetune.json").read_text())["rows"]
plain = [row for row in rows if row["objective"] == "loss" and not row["scratch"]]


def kind(row) -> str:
    return f"{row['method']} {row['tuning']}".strip()


def line(row) -> str:
    size = "" if row["method"] == "zero-shot" else f"{row['shots']} per class, seed {row['seed']}"
    size += f", {row['steps']} steps, η = {row['lr']:g}" if row["steps"] else ""
    accuracy = f"{row['test']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
    return f"{NAMES.get(kind(row), kind(row)):13} {size:>44}: {accuracy}  {gain_text(row['gain']) if 'gain' in row else ''}"


for prompt, title in (PROMPTS | {"rotten-tomatoes/no-prompt": "no prompt"}).items():
    print(title)
    sorted_rows = sorted((row for row in plain if row["prompt"] == prompt), key=lambda row: row["shots"])
    print("\n".join(f"  {line(row)}" for row in sorted_rows) or "  not measured yet; `make accuracy` does it")


# %%
def accuracies(axes, prompt: str) -> None:
    own = [row for row in plain if row["prompt"] == prompt]
    for row in own:
        if kind(row) == "zero-shot":
            axes.axvspan(100 * row["low"], 100 * row["high"], color="#e4e4e4", zorder=0)
            axes.axvline(100 * row["test"], color=style.GREY)
            continue
        height = there.index(kind(row)) + (0.15 if row["shots"] > 16 else -0.15) + 0.09 * row["seed"]
        ends = [[100 * (row["test"] - row["low"])], [100 * (row["high"] - row["test"])]]
        axes.errorbar(
            100 * row["test"], height, xerr=ends, **style.estimate("rademacher" if row["shots"] > 16 else "gaussian")
        )
    axes.set_title(PROMPTS[prompt], fontsize=style.SMALL + 1)
    axes.set(xlim=(40, 100), ylim=(len(there) - 0.5, -0.5))
    axes.set_yticks(range(len(there)), [NAMES[each] for each in there])
    style.despine(axes)


there = [each for each in list(NAMES)[1:] if each in map(kind, plain)]
figure = style.new_figure(4.6)
panels = figure.subplots(2, sharex=True).tolist()
for axes, prompt in zip(panels, PROMPTS, strict=True):
    accuracies(axes, prompt)
_ = panels[1].set_xlabel("test accuracy, % (95 % interval)")

# %%
handles = [panels[0].plot([], [], label="zero-shot, and its interval", color=style.GREY)[0]]
for law, label in (("gaussian", "16 per class (in-context: 32 shown)"), ("rademacher", "512 per class")):
    handles.append(panels[0].errorbar([], [], xerr=[], label=label, **style.estimate(law)))
style.figure_legend(figure, handles=handles)
show(
    figure,
    alt="Two panels, one for each prompt: test accuracy of each method with 95 % intervals, circles for 16 and squares for 512 "
    "reviews of each class; zero-shot a grey line with a band. "
    + "; ".join(
        f"{PROMPTS[row['prompt']]}: {' '.join(line(row).split())}" for row in plain if row["prompt"] in PROMPTS
    ),
)

# %% [markdown]
# Read each row against the grey line, and its gain against 0. Without a prompt the same label words are expected right after the review: in the paper training then hardly helps (Table 5).
#
# ## What validation examples are for
#
# Learning rate, schedule and checkpoint are choices, and should see validation examples only. `benchmarks/rates.py` makes short runs, on 512 reviews of each class, and
# compares the mean of the last two validation accuracies. One choice was made otherwise: MeZO on all weights with 512 reviews takes the smaller of two rates that these runs do not tell
# apart, for more steps, after a first run had been tested.

# %%
tried_rates = [row for row in json.loads((RESULTS / "rates.json").read_text())["rows"] if row["objective"] == "loss"]


def late(row) -> float:
    return sum(value for _, value in row["validation"][-2:]) / 2


for row in tried_rates:
    rivals = [each for each in tried_rates if kind(each) == kind(row)]
    mark = "← best of the short runs" if row is max(rivals, key=lambda each: (late(each), -each["lr"])) else ""
    print(f"{NAMES[kind(row)]:13} η = {row['lr']:<6g} {row['schedule']:8} {late(row):.1%} {mark}")

# %% [markdown]
# Within a run, the checkpoint of the best validation accuracy is kept. The best of several noisy numbers is on average too high. One run may show the opposite: on so few
# reviews the set's own luck, the width of the bars, is larger than that bias.

# %%
trained = [row for row in plain if kind(row) == "mezo full" and row["seed"] == 0 and row["prompt"] in PROMPTS]
figure = style.new_figure(3.8)
axes, summaries = figure.subplots(), []
for row in (row for row in trained if row["prompt"] == "rotten-tomatoes"):
    curve = json.loads((RESULTS / "runs" / row["run"] / "result.json").read_text())["validation"]
    look = style.estimate("rademacher" if row["shots"] > 16 else "gaussian")
    ends = [[100 * (e["value"] - e["low"]) for e in curve], [100 * (e["high"] - e["value"]) for e in curve]]
    places = [e["step"] + (3 if row["shots"] > 16 else -3) for e in curve]
    axes.errorbar(places, [100 * e["value"] for e in curve], yerr=ends, label=f"{row['shots']} per class", **look)
    best = max(curve, key=lambda e: e["value"])
    summaries.append(
        f"{row['shots']} per class: {best['value']:.1%} at step {best['step']}, {row['test']:.1%} on the test"
    )
axes.axhline(100 * zero_shot.value, label="zero-shot, on the test", color=style.GREY)
axes.set(xlabel="step", ylabel="validation accuracy, %")
style.despine(axes)
style.figure_legend(figure)
print("\n".join(summaries))
show(
    figure,
    alt="Validation accuracy by step, MeZO on all weights, with wide 95 % intervals; best: " + "; ".join(summaries),
)

# %% [markdown]
# ## Check
#
# *First control.* If training did nothing, then which of two answers is "before" is the toss of a coin, review by review. So toss it: the
# paired interval should leave out 0 in 5 % of the tosses; `exact` counts it for the $m$ reviews on which the two disagree. The decoy is the
# interval for two separate sets of reviews, judged by the same tosses.


# %%
def alarms(before, after, draws: int = 2000):
    """Shares of tosses with a gain clear of 0: by the paired interval, and by the other."""
    old, new = torch.tensor(before.each), torch.tensor(after.each)
    toss = torch.rand(draws, len(old), generator=torch.Generator().manual_seed(0)) < 0.5
    one, two = torch.where(toss, old, new), torch.where(toss, new, old)
    gain, errors = (two - one).mean(1), ((two - one).var(1), one.var(1) + two.var(1))
    shares = [(gain.abs() > Z95 * (error / len(old)).sqrt()).double().mean() for error in errors]
    return [Estimate(float(share), math.sqrt(0.05 * 0.95 / draws), draws) for share in shares]


def exact(m: int, n: int) -> float:
    leaves = (abs(2 * k - m) > Z95 * math.sqrt(n / (n - 1) * (m - (2 * k - m) ** 2 / n)) for k in range(m + 1))
    return sum(math.comb(m, k) for k, out in enumerate(leaves) if out) / 2**m


# %%
for row in trained:
    start, end = recorded(row["prompt"].replace("/", "-") + "-zero-shot"), recorded(row["run"])
    should = exact(sum(map(float.__ne__, start.each, end.each)), len(end.each))
    print(f"{row['prompt']}, {row['shots']} per class: should be {should:.1%}")
    for name, share in zip(("paired", "decoy"), alarms(start, end), strict=True):
        print(f"  {name}: {share.mean:.1%}, z = {share.z_score(should):+.1f}")
    mean, low, high = difference(end, start)
    print(f"  the gain that was measured: {2 * Z95 * mean / (high - low):+.1f} standard errors")

# %% [markdown]
# A decoy that is 5 or more away is refuted. It alarms too often where the models tend to be right on *different* reviews, too rarely on the same ones. The
# paired interval is always valid.
#
# *Second control.* Hand the trained model's answers out to the wrong reviews. A gain that is left would have nothing to do with reading.

# %%
labels = torch.tensor([task.gold(row) for row in context.splits.test])
predictions = torch.where(torch.tensor(mezo.each) == 1, labels, 1 - labels)
deals = torch.rand(2000, len(predictions), generator=torch.Generator().manual_seed(0)).argsort(1)
gaps = (predictions[deals] == labels).double() - torch.tensor(zero_shot.each)
clear = gaps.mean(1) > Z95 * gaps.std(1) / math.sqrt(len(predictions))
print(
    f"shuffled: mean gain {100 * gaps.mean():+.1f} points, clear above 0 in {clear.double().mean():.1%} of 2,000 deals"
)
print("as answered:", gain_text(difference(mezo, zero_shot)))

# %% [markdown]
# ## What it means
#
# Prompt and label words bring the task to the model; forward passes alone move it; a log of scalars carries the result. Compare MeZO with zero-shot, but also
# with methods that leave the model as it is: in-context learning, which makes each question longer, and a linear probe. A gain whose interval covers 0 is not a finding.
#
# ## Where it breaks
#
# All this assumes enough test examples. The same recorded answers (512 per class), had only the first $n$ reviews been asked:

# %%
sizes, drawn = (25, 50, 100, 200, 400, 1000), {}
for prompt in PROMPTS:
    stem = prompt.replace("/", "-")
    answers = [recorded(f"{stem}-{kind}").each for kind in ("512-mezo-full-seed0", "zero-shot")]
    drawn[prompt] = [difference(*(mean_score("accuracy", each[:n]) for each in answers)) for n in sizes]
    for n, gain in zip(sizes, drawn[prompt], strict=True):
        print(f"{PROMPTS[prompt]:30} n = {n:>4}: {gain_text(gain)}")

# %% [markdown]
# The intervals shrink as $1/\sqrt n$: a quarter of the width costs sixteen times the reviews. On few, a gain and its absence look alike.
#
# ## Exercises
#
# **11.1 (paper).** Two models are right on about 80 % of the reviews, and differ by 3 points. How many test reviews does it take for the 95 % interval of the
# difference just to leave 0 out, (a) with reviews of its own for each model, (b) with the same for both, if they disagree on 12 %?

# %% [markdown] tags=["solution"]
# **Solution.** The half width must be $\delta=0.03$. (a) $\delta=z\sqrt{2p(1-p)/n}$, so $n=z^2\cdot2p(1-p)/\delta^2=3.84\cdot0.32/0.0009 \approx 1{,}366$ for each model.
# (b) $(b+c)/n=0.12$ and $(b-c)/n=0.03$, so $n=z^2(0.12-0.0009)/\delta^2 \approx 508$. That leaves 0 out in
# half of all experiments only; four of five take twice as many.

# %% [markdown]
# **11.2 (code).** The loss over the label words, from the two candidates' losses. Five minutes.

# %%
from mezo_lab.course.exercises.finetuning import check_label_loss, check_own_task, check_paired_difference, check_wilson


def label_loss(right: float, other: float) -> float:
    # BEGIN SOLUTION
    return math.log(1 + math.exp(right - other))
    # END SOLUTION


check_label_loss(label_loss)

# %% [markdown]
# **11.3 (code).** Wilson's interval from counts, (low, high), and the paired gain of two lists of hits, (mean, low, high). `Z95` is $z$. Ten minutes.


# %%
def interval(hits: int, n: int) -> tuple[float, float]:
    # BEGIN SOLUTION
    share, scale = hits / n, 1 + Z95**2 / n
    spread = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    middle = share + Z95**2 / (2 * n)
    return (middle - spread) / scale, (middle + spread) / scale
    # END SOLUTION


def paired_difference(before, after) -> tuple[float, float, float]:
    # BEGIN SOLUTION
    gaps = torch.tensor(after, dtype=torch.float64) - torch.tensor(before, dtype=torch.float64)
    mean, side = float(gaps.mean()), Z95 * float(gaps.std()) / math.sqrt(len(gaps))
    return mean, mean - side, mean + side
    # END SOLUTION


check_wilson(interval)
check_paired_difference(paired_difference)

# %% [markdown]
# **11.4 (experiment).** Write a prompt of your own, with label words for negative and positive, and evaluate the original model with it. Is it better than "It was", clearly? How many may you try on these
# reviews before the best means nothing?


# %%
def my_task():
    # BEGIN SOLUTION
    return custom_task("Film review: {text}\nOverall, the film is", ("bad", "good"))
    # END SOLUTION


check_own_task(my_task)
few = context.splits.test[: sized(full=50, fast=4)]
mine = evaluate(model, Encoder(my_task(), tokenizer, few[0]), few)
print(mine)
print("against “It was”:", gain_text(difference(mine, mean_score("accuracy", before.each[: len(few)]))))

# %% [markdown] tags=["solution"]
# **Solution.** A prompt that is no better has a chance of 2.5 % to look clearly better; of thirty, at least one does with a
# chance of about a half. Choose prompts on validation reviews.

# %% [markdown]
# ## Summary
#
# - The loss over label words needs two candidate losses; right means below $\log 2$.
# - A fine-tuned model is its original and a scalar for each step.
# - Training asks for forward passes only: no graph, no gradient, no optimizer state.
# - A gain is measured on the same examples, with a paired interval, which the toss of a coin leaves honest; the unpaired one need not be.
# - Learning rate and checkpoint are to be chosen on validation examples; whoever changes a plan after a test says so.
#
# **Limits.** One model of 135 million parameters, one data set, one language, short runs, and as many seeds as the record has. The intervals are over
# test reviews: they leave out what another seed or other training examples would change.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 3 and Appendix E. E. B. Wilson, *Probable
# inference, the law of succession, and statistical inference*, 1927. T. Gao, A. Fisch and D. Chen, *Making pre-trained language models better few-shot learners*, 2021.
#
# **Next:** objectives that have no gradient.
