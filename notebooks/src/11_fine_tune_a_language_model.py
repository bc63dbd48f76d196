# %% [markdown]
# # 11. Fine-tune SmolLM2 with forward passes
#
# **Claim.** By the end you will have measured what MeZO teaches SmolLM2-135M about film reviews it has never seen, and whether the gain is
# clear of chance. The evidence is the paired gain over the untrained model, with its 95 % interval, on a model that you rebuild from a log of a
# kilobyte or two. The controls are comparisons in which nothing was learnt, and an interval that forgets the pairing.
#
# **You will be able to** write the loss over label words; evaluate a model without training it; give an accuracy its interval, and give the
# difference of two accuracies its own; rebuild a fine-tuned model from scalars; choose a learning rate without the test examples.
#
# **Before this:** notebook 8 (Algorithm 1), notebook 10 (the largest stable rate); softmax and cross-entropy; the standard error. **Time:** 70 minutes.
# **In the paper** (Malladi et al. 2023): Algorithm 1, Section 2.1 (storage), Section 3, Table 5 (prompts), Appendix E.

# %%
from mezo_lab.course.notebook import needs_real_model

needs_real_model()

import copy
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
from mezo_lab.course.notebook import distance, predict, record_path, show, sized
from mezo_lab.finetune.evaluation.scores import Z95, difference, mean_score, wilson
from mezo_lab.finetune.tasks import custom_task
from mezo_lab.optim.log import StepRecord, read_log
from mezo_lab.report.figures import MethodAccuracy, TrainingCurve, accuracy_alt_text, accuracy_figure
from mezo_lab.report.figures import training_alt_text, training_figure

RESULTS = record_path("results")  # the records; `make accuracy` writes them
run = RESULTS / "runs/rotten-tomatoes-16-mezo-full-seed0"  # MeZO on all weights, 16 reviews of each class
context = prepare_run(read_run_config(run))
model, tokenizer, encoder, task = context.pretrained.model, context.pretrained.tokenizer, context.encoder, context.task

# %% [markdown] tags=["slide-02"]
# ## What the model is asked
#
# A language model gives every word of its vocabulary a probability of coming next. To use it as a classifier, we let a *prompt* turn a review into
# the beginning of a sentence, "… It was", and we let two *label words*, "terrible" and "great", stand for the two classes. The likelier label word is the
# model's answer. A model that was only pretrained can be asked in this way too; its accuracy is called *zero-shot* (paper, Appendix E).

# %% [markdown] tags=["notes-02"]
# **Statement** (derived). Let $\ell_w=-\log p(w \mid \text{prompt})$ be the loss of a word, taken over the whole vocabulary. The cross-entropy over the
# two label words alone is $L=\log\left(1+e^{\ell_{\text{right}}-\ell_{\text{other}}}\right)$, and the answer is right exactly when $L < \log 2$.
#
# **Derivation.**
#
# 1. Given that the next word is one of the two, it is the right one with probability $q=p_{\text{right}}/(p_{\text{right}}+p_{\text{other}})$.
# 2. $L=-\log q=\log(1+p_{\text{other}}/p_{\text{right}})$, and $p_w=e^{-\ell_w}$. The normaliser of the vocabulary is a factor of both probabilities, so it cancels.
# 3. The answer is the likelier word. It is right when $\ell_{\text{right}} < \ell_{\text{other}}$, which means $L < \log(1+1)$.

# %% [markdown]
# The next cell computes it for one review, beside the loss on which the library trains.

# %%
row = context.splits.test[0]
gold, asked = task.gold(row), encoder.encode_prompt(row, encoder.labels[0])
with torch.no_grad():
    vocabulary = answer_logits(model, [asked])[0]  # (words,)
losses = -vocabulary.log_softmax(-1)[list(encoder.labels)]  # one for each label word
print(f"{encoder.text(row)!r}: {len(asked.input_ids)} tokens, asked at place {asked.positions[0]}")
with torch.no_grad():
    library = float(task_loss(model, tokenizer, [row])())
right, other = float(losses[gold]), float(losses[1 - gold])
ours = float(softplus(losses[gold] - losses[1 - gold]))
show(
    [
        {
            "ℓ of the right word": right,
            "ℓ of the other": other,
            "log(1 + e^(right − other))": ours,
            "the library's": library,
        }
    ]
)

# %% [markdown] tags=["slide-03"]
# ## Predict first
#
# Write your answers into the cell below.
#
# 1. With the prompt "It was" and no training, how many of 100 reviews does the model get right?
# 2. Training moved every one of the model's weights. How many bytes must you send to a friend who has the original model?
# 3. A *confidence interval* holds the values that the answers leave plausible. Two models answer the same reviews. Is the interval of their difference narrower than it would
#    be for separate reviews, or wider?
# 4. Of four checkpoints, we keep the one that does best on a few *validation reviews*, on which we neither train nor test. Will it do better or worse on new reviews than it
#    did on those?

# %%
predictions = predict(accuracy="", bytes="", interval="", checkpoint="")

# %% [markdown]
# ## How far to trust an accuracy
#
# **Statement** (Wilson 1927). Suppose a share $\hat p$ of $n$ answers is right. The true shares $p$ that lie within $k$ of *their own* standard errors of $\hat p$ are those between
#
# $$p_\pm = \left(\hat p + \frac{k^2}{2n} \pm k\sqrt{\frac{\hat p(1-\hat p)}{n} + \frac{k^2}{4n^2}}\right)\Big/\left(1 + \frac{k^2}{n}\right).$$
#
# They are *Wilson's interval*. For 95 %, $k \approx 1.96$; the library calls it `Z95`.
#
# **Derivation.** The ends solve $(\hat p-p)^2=k^2\,p(1-p)/n$, which is a quadratic equation in $p$. We let sympy solve it, and compare with the library.

# %%
p, share, n, k = sympy.symbols("p p̂ n k", positive=True)
ends = sympy.solve(sympy.Eq((share - p) ** 2, k**2 * p * (1 - p) / n), p)
at = {share: sympy.Rational(9, 10), n: 50, k: Z95}
rows = {"sympy": [float(end.subs(at)) for end in ends], "the library": wilson(0.9, 50)}
show([{"of": name, "p₋": f"{low:.6f}", "p₊": f"{high:.6f}"} for name, (low, high) in rows.items()])

# %% [markdown]
# **Statement** (derived). Two models answer the same $n$ examples. On $b$ of them only the second model is right, on $c$ of them only the first. The *paired gain* of the
# second model is $(b-c)/n$, and its squared standard error is $\left[b+c-(b-c)^2/n\right]/\left(n(n-1)\right)$.
#
# **Derivation.** On each example the gap $x_i$ between the two models is $-1$, 0 or 1, and the gaps of different examples are independent. Their mean
# is $(b-c)/n$, and $\sum x_i^2=b+c$. Put both into the squared standard error of a mean, $\sum(x_i-\bar x)^2/(n(n-1))$.
#
# ## Experiment: zero-shot, on a few reviews

# %%
held_out = list(context.splits.test[: sized(full=64, fast=4)])
before = evaluate(model, encoder, held_out)
predictions.compare("accuracy", f"zero-shot: {before}")

# %% [markdown] tags=["slide-04"]
# ## Rebuilt from a log
#
# Training takes minutes, and we need not repeat it: a step of MeZO moves the weights by a scalar times a probe $z$, and the seed draws that probe again. The log of the committed run holds the scalars, and the original model with the log *is* the fine-tuned model.

# %%
log = read_log(run / "run.mezo")
bytes_of_weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
step = next(each for each in log if isinstance(each, StepRecord))
tuned, _, steps = rebuild_model(run, until=sized(full=resolve_step(run, "best"), fast=2))
after = evaluate(tuned, encoder, held_out)


def gain_text(gain) -> str:
    mean, low, high = (100 * value for value in gain)
    verdict = "clear of 0" if low > 0 or high < 0 else "not clear of 0"
    return f"{mean:+.1f} points ({low:+.1f} to {high:+.1f}), {verdict}"


show([{"log": f"step {step.number}", "projected gradient": step.projected[0], "learning rate": step.rates[0]}])
show([{"after steps": steps, "accuracy": str(after), "paired gain": gain_text(difference(after, before))}])

# %% tags=["slide-04"]
predictions.compare("bytes", f"{log.size:,} bytes for {log.steps} steps, where the weights have {bytes_of_weights:,}")

# %% [markdown]
# So few reviews leave a wide interval. The record holds the answers of both models to 1,000 reviews, of which ours are the first, so the rebuilt model should be right on the
# same ones. (Rounding may turn an answer that is on the edge.)


# %%
def recorded(name: str):
    test = json.loads((RESULTS / "runs" / name / "result.json").read_text())["test"]
    return mean_score(test["metric"], [float(hit) for hit in test["each"]])


zero_shot, mezo = recorded("rotten-tomatoes-zero-shot"), recorded(run.name)
rows = []
for name, live, record in (("zero-shot", before, zero_shot), (f"after {steps} steps", after, mezo)):
    same = sum(map(float.__eq__, live.each, record.each[: len(held_out)]))
    rows.append({"model": name, "judged as in the record": f"{same} of {len(held_out)}"})
show(rows)
print(f"paired gain on record, {len(mezo.each):,} reviews:", gain_text(difference(mezo, zero_shot)))

# %% [markdown]
# ## Nothing but forward passes
#
# We now take a few steps of the same training, live, on one batch. `task_loss` makes the closure, and `MeZO` calls it twice in each step.

# %%
pupil, calls = copy.deepcopy(model), []
batch_loss = task_loss(pupil, tokenizer, context.splits.train[: sized(full=16, fast=4)])
opt = MeZO(pupil.named_parameters(), lr=context.config.lr, law=context.config.law, seed=1, check_closure=False)


def closure():
    calls.append(torch.is_grad_enabled())
    return batch_loss()


rows = []
for step in range(sized(full=3, fast=1)):
    rows.append({"step": step, "loss": float(opt.step(closure)), "forward passes of the batch": len(calls)})
show(rows)
held = [weight.grad for weight in pupil.parameters() if weight.grad is not None]
print(f"passes with a graph: {sum(calls)}; gradients held: {len(held)}; entries of optimizer state: {len(opt.state)}")

# %% [markdown]
# One step is mostly noise, so the loss may rise. In practice, a script for the `Trainer` of transformers becomes one for MeZO by two lines:
#
# ```diff
# -from transformers import Trainer
# +from mezo_lab.finetune import MeZO, MeZOTrainer
# -trainer = Trainer(model, args, train_dataset=train, eval_dataset=test)
# +trainer = MeZOTrainer(model, args, train_dataset=train, eval_dataset=test, optimizers=(MeZO(model.named_parameters(), lr=1e-6), None))
# ```
#
# ## How training went, MeZO beside Adam
#
# The records hold the loss of the training batches and the accuracy on validation reviews. We draw MeZO and Adam from the same start. At the
# left they are compared step by step, at the right second by second: a step of Adam also runs backwards through the model, and takes longer. The seconds of a step are those of the
# whole run, less those of the zero-shot run, which loads and tests but does not train.


# %% tags=["slide-05"]
def result_of(name: str):
    return json.loads((RESULTS / "runs" / name / "result.json").read_text())


def curve_of(label: str, law: str, name: str) -> TrainingCurve:
    result = result_of(name)
    seconds = (result["seconds"] - result_of("rotten-tomatoes-zero-shot")["seconds"]) / result["steps"]
    accuracies = [(each["step"], each["value"], each["low"], each["high"]) for each in result["validation"]]
    return TrainingCurve(label, law, seconds, result["losses"], accuracies)


curves = [
    curve_of("MeZO, 16 per class", "gaussian", "rotten-tomatoes-16-mezo-full-seed0"),
    curve_of("MeZO, 512 per class", "rademacher", "rotten-tomatoes-512-mezo-full-seed0"),
    curve_of("Adam, 512 per class", "sphere", "rotten-tomatoes-512-adam-full-seed0"),
]
long_run = json.loads((RESULTS / "long_run.json").read_text())["run"]
pace = long_run["seconds"] / long_run["steps"]
curves.append(TrainingCurve("MeZO, long run", "three-point", pace, long_run["losses"], long_run["validation"]))
accuracies = training_figure(curves, zero_shot.value, with_losses=False)
show(training_figure(curves, zero_shot.value), alt=training_alt_text(curves, zero_shot.value), slide=accuracies)

# %% [markdown] tags=["slide-05"]
# In validation accuracy, Adam is ahead from its first evaluation on, whether we count steps or seconds. MeZO needs many more steps to come as far, because each of its steps follows one random direction.

# %% [markdown] tags=["notes-06"]
# ## All methods, on 1,000 reviews
#
# The record of `make accuracy` has all methods on the same examples, 16 or 512 of each class, tested on the same 1,000 reviews. *In-context learning* puts solved examples before the question and trains nothing.
# A *linear probe* is a logistic regression on the last features. *LoRA* trains small matrices beside frozen weights, and *prefix tuning* trains keys and values before every text; here MeZO trains both.
# *Adam* has gradients, by backpropagation. MeZO on all weights takes more steps with more examples.

# %% tags=["slide-06"]
NAMES = {"icl": "in-context", "linear-probe": "linear probe", "mezo full": "MeZO", "mezo lora": "MeZO, LoRA"}
NAMES |= {"mezo prefix": "MeZO, prefix", "adam full": "Adam", "zero-shot": ""}
PROMPTS = {"rotten-tomatoes": "“… It was”", "rotten-tomatoes/sentiment": "“Sentiment:”"}
PROMPTS |= {"rotten-tomatoes/no-prompt": "no prompt"}
plain = [
    row
    for row in json.loads((RESULTS / "finetune.json").read_text())["rows"]
    if row["objective"] == "loss" and not row["scratch"]
]


def kind(row) -> str:
    return f"{row['method']} {row['tuning']}".strip()


order = sorted(plain, key=lambda row: list(NAMES).index(kind(row)))
found = [
    MethodAccuracy(PROMPTS[row["prompt"]], NAMES[kind(row)], row["test"], row["low"], row["high"], row["shots"] > 16)
    for prompt in PROMPTS
    for row in order
    if row["prompt"] == prompt
]
sizes = {"few": "16 per class (in-context: 32 shown)", "many": "512 per class"}
show(accuracy_figure(found, **sizes), alt=accuracy_alt_text(found, **sizes))

# %% [markdown] tags=["slide-06"]
# Two intervals that overlap do not mean that two methods are equal, because all methods answered the same reviews.

# %% [markdown] tags=["slide-07"]
# ### Did MeZO learn anything?
#
# To ask whether MeZO learned anything, we need the paired gain:

# %% tags=["slide-07"]
show(
    [
        {"prompt": PROMPTS[row["prompt"]], "per class": row["shots"], "gain over zero-shot": gain_text(row["gain"])}
        for row in plain
        if kind(row) == "mezo full"
    ]
)

# %% [markdown]
# Without a prompt, the same label words are expected directly after the review.
#
# > *Tables 5 and 18, in our words.* RoBERTa-large with 16 examples of each class reaches 89.6 % on SST-2 by MeZO, but only 51.9 % without a prompt, which is chance. With 512 examples
# > it reaches 93.3 %, beside 93.9 % by Adam and 79.0 % zero-shot.
#
# ## What validation examples are for
#
# The learning rate, the schedule and the checkpoint are choices, and should be made on validation reviews only. `benchmarks/rates.py` made short runs on 512 reviews of each class, and
# compared the mean of their last two validation accuracies. One exception: after a first run of MeZO on all weights had been tested, we took the smaller of two rates which the short runs do not tell
# apart, with more steps.

# %%
tried_rates = [row for row in json.loads((RESULTS / "rates.json").read_text())["rows"] if row["objective"] == "loss"]


def late(row) -> float:
    return sum(value for _, value in row["validation"][-2:]) / 2


rows = []
for method in dict.fromkeys(map(kind, tried_rates)):
    rivals = [row for row in tried_rates if kind(row) == method]
    best = max(rivals, key=lambda each: (late(each), -each["lr"]))
    row = {"method": NAMES[method], "runs": len(rivals), "best η": best["lr"], "schedule": best["schedule"]}
    rows.append(row | {"validation accuracy": f"{late(best):.1%}"})
show(rows)

# %% [markdown]
# Within a run, we keep the checkpoint with the best validation accuracy. The best of several noisy numbers is on average too high. A single run may show the opposite: with so few
# validation reviews, the luck of the set (the width of the bars in the figure above) is larger than the bias of choosing.

# %%
trained = [row for row in plain if kind(row) == "mezo full" and row["prompt"] != "rotten-tomatoes/no-prompt"]
outcomes = []
for row in trained:
    best = max(result_of(row["run"])["validation"], key=lambda each: each["value"])
    outcomes.append(f"{best['value']:.1%} → {row['test']:.1%}")
predictions.compare("checkpoint", "best validation accuracy → test accuracy: " + "; ".join(outcomes))

# %% [markdown]
# ## Check
#
# *First control.* Suppose training did nothing. Then, on each review, it is a coin toss which of the two answers we call "before". So we toss that coin: the
# paired interval should leave out 0 in about 5 % of the tosses, and `exact` counts how often it does for the $m$ reviews on which the two models disagree. The decoy is the
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
rows, widths = [], []
for row in trained:
    start, end = recorded(row["prompt"].replace("/", "-") + "-zero-shot"), recorded(row["run"])
    should = exact(sum(map(float.__ne__, start.each, end.each)), len(end.each))
    tested = dict(zip(("paired", "unpaired, the decoy"), alarms(start, end), strict=True))
    found = {name: f"{each.mean:.1%}, distance {distance(each, should)}" for name, each in tested.items()}
    rows.append({"prompt": PROMPTS[row["prompt"]], "per class": row["shots"], "alarms due": f"{should:.1%}"} | found)
    old, new = torch.tensor(start.each), torch.tensor(end.each)
    widths.append(float(((new - old).var() / (old.var() + new.var())).sqrt()))
show(rows)
predictions.compare(
    "interval", "times as wide as for separate reviews: " + ", ".join(f"{width:.2f}" for width in widths)
)

# %% [markdown]
# The unpaired interval gives too many false alarms when the two models succeed on different reviews, and too few when they succeed on the same ones. The
# paired interval is right in both cases.
#
# *Second control.* We deal the trained model's answers out to the wrong reviews. If a gain were left, it would have nothing to do with reading them.

# %%
labels = torch.tensor([task.gold(row) for row in context.splits.test])
answers = torch.where(torch.tensor(mezo.each) == 1, labels, 1 - labels)
deals = torch.rand(2000, len(answers), generator=torch.Generator().manual_seed(0)).argsort(1)
gaps = (answers[deals] == labels).double() - torch.tensor(zero_shot.each)
clear = gaps.mean(1) > Z95 * gaps.std(1) / math.sqrt(len(answers))
dealt = f"mean {100 * gaps.mean():+.1f} points, clear above 0 in {clear.double().mean():.1%} of {len(deals):,} deals"
show([{"gain of the shuffled answers": dealt, "as answered": gain_text(difference(mezo, zero_shot))}])

# %% [markdown]
# ## What it means
#
# The prompt and the label words bring the task to the model, forward passes alone move it, and a log of scalars carries the result. Compare MeZO with zero-shot, but also
# with methods that leave the model as it is: a linear probe, and in-context learning, which makes every question longer. A gain whose interval covers 0 is not a finding.
#
# ## Where it breaks
#
# All this assumes enough test examples. We take the same recorded answers (512 per class) again, as if only the first $n$ reviews had been asked.

# %%
rows = []
for prompt in list(PROMPTS)[:2]:
    stem = prompt.replace("/", "-")
    models = [recorded(f"{stem}-{name}").each for name in ("512-mezo-full-seed0", "zero-shot")]
    for n in (25, 100, 400, 1000):
        gain = difference(*(mean_score("accuracy", each[:n]) for each in models))
        rows.append({"prompt": PROMPTS[prompt], "reviews": n, "gain": gain_text(gain)})
show(rows)

# %% [markdown]
# The intervals shrink as $1/\sqrt n$: a quarter of the width costs sixteen times the reviews. On few reviews, a gain and the absence of one look alike.
#
# ## Exercises
#
# ### Exercise 11.1: how many reviews?
# *10 minutes · ★★☆ · on paper*
#
# Two models are right on about 80 % of the reviews, and their accuracies differ by 3 points. How many test reviews does it take until the 95 % interval of the
# difference just leaves out 0, (a) if each model gets reviews of its own, (b) if both get the same reviews and disagree on 12 % of them?
#
# <details><summary>Hint 1</summary>The interval just leaves out 0 when its half width equals the difference.</details>
# <details><summary>Hint 2</summary>For (a), the variances of two independent shares add. For (b), b + c and b − c are both given as shares of n.</details>
# <details><summary>Expected output</summary>Two numbers; the second is less than half of the first.</details>

# %% [markdown] tags=["solution"]
# **Solution.** The half width must be $\delta=0.03$. (a) $\delta=k\sqrt{2p(1-p)/n}$, so $n=k^2\cdot2p(1-p)/\delta^2=3.84\cdot0.32/0.0009 \approx 1{,}366$ for each model.
# (b) $(b+c)/n=0.12$ and $(b-c)/n=0.03$, so $n=k^2(0.12-0.0009)/\delta^2 \approx 508$. With that many reviews, only
# half of all experiments leave out 0; for four of five, twice as many are needed.

# %% [markdown]
# ### Exercise 11.2: several label words for each class
# *15 minutes · ★★☆*
#
# A reader may say "great", "good" or "fine". Give each class several label words, and call a class as likely as its words together. Write the cross-entropy over the
# two classes. `right` and `other` are lists of the losses $-\log p$ of the words of either class; the lists may differ in length.
#
# <details><summary>Hint 1</summary>Losses do not add up to a loss of the class. What does add up?</details>
# <details><summary>Hint 2</summary>Follow the derivation at the top with sums of exp(−loss) in place of the two probabilities.</details>
# <details><summary>Expected output</summary>For right = [1, 1] and other = [1], the loss is log 1.5 ≈ 0.405.</details>


# %%
def class_loss(right: list[float], other: list[float]) -> float:
    # BEGIN SOLUTION
    likely, unlikely = (sum(math.exp(-loss) for loss in losses) for losses in (right, other))
    return math.log(1 + unlikely / likely)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.finetuning import check_class_loss, check_own_task, check_paired_difference, check_wilson

check_class_loss(class_loss)

# %% [markdown]
# ### Exercise 11.3: intervals from counts
# *15 minutes · ★★☆*
#
# Write Wilson's interval from counts, as `(low, high)`, and the paired gain of two lists of hits, as `(mean, low, high)`. `Z95` is the number $k$ of standard errors.
#
# <details><summary>Hint 1</summary>The second formula needs only the list of gaps.</details>
# <details><summary>Hint 2</summary>The variance of the mean gap is the sample variance (with n − 1) divided by n.</details>
# <details><summary>Expected output</summary>45 hits of 50 give 0.786 to 0.957.</details>


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


# %%
check_wilson(interval)
check_paired_difference(paired_difference)

# %% [markdown]
# ### Exercise 11.4: a prompt of your own
# *15 minutes · ★☆☆ · experiment*
#
# Write a prompt of your own, with one label word for negative and one for positive, and evaluate the original model with it. Is it better than "It was", and clearly so? How many prompts may you try on these
# reviews before the best of them means nothing?
#
# <details><summary>Hint 1</summary>`custom_task(prompt, words)` takes a text with {text} in it, and the two words, negative first.</details>
# <details><summary>Hint 2</summary>If no prompt is better, each one looks clearly better with a probability of 2.5 %.</details>
# <details><summary>Expected output</summary>A ✓ with your prompt, then an accuracy with its interval, and the paired gain over “It was”.</details>


# %%
def my_task():
    # BEGIN SOLUTION
    return custom_task("Film review: {text}\nOverall, the film is", ("bad", "good"))
    # END SOLUTION


# %%
check_own_task(my_task)
few = context.splits.test[: sized(full=50, fast=4)]
mine = evaluate(model, Encoder(my_task(), tokenizer, few[0]), few)
gain = difference(mine, mean_score("accuracy", before.each[: len(few)]))
show([{"your prompt": str(mine), "paired gain over “It was”": gain_text(gain)}])

# %% [markdown] tags=["solution"]
# **Solution.** A prompt that is no better still looks clearly better with a probability of 2.5 %. Among thirty such prompts, the probability that at least one
# looks clearly better is about one half. So choose prompts on validation reviews.

# %% [markdown] tags=["slide-08"]
# ## Summary
#
# - The loss over label words needs two losses of single words; the answer is right when it is below $\log 2$.
# - A fine-tuned model is its original and a scalar for each step.
# - Training needs forward passes only: no graph, no gradient, no state of an optimizer.
# - A gain is measured on the same examples, with a paired interval. Coin tosses show that it is honest; the unpaired one need not be.
# - The learning rate and the checkpoint should be chosen on validation examples; whoever changes a plan after a test should say so.

# %% [markdown]
# **Limits.** We used one model of 135 million parameters, one data set, one language, short runs, and as many seeds as the record has. The intervals are over
# test reviews: they leave out what another seed or other training examples would change.
#
# **Further reading.** S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Section 3 and Appendix E. E. B. Wilson, *Probable
# inference, the law of succession, and statistical inference*, 1927. T. Gao, A. Fisch and D. Chen, *Making pre-trained language models better few-shot learners*, 2021.
#
# **Next:** objectives that have no gradient.
