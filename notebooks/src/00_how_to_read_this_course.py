# %% [markdown]
# # 0. How to read this course
#
# **Claim.** By the end you will have read three verdicts, one of each kind, and you will know what each says and what it does not
# say. The evidence: the draws of this notebook. The controls: wrong formulas, which the same draws refute.
#
# **You will be able to** say how far a measured mean lies from a formula; read a verdict and its decoys; answer a prediction and
# an exercise.
#
# **Before this:** the mean and the variance of a random number. **Time:** 10 minutes; the cells run in seconds. **In the paper**
# (Malladi et al. 2023): Algorithm 1, from afar.

# %% [markdown]
# ## What the course is about
#
# To train a language model further, for a task of one's own, is called *fine-tuning*, and it usually takes gradients. MeZO, the method
# of the paper, takes none: it draws a random vector $z$, evaluates the loss at two points along it (two *forward passes* of the model),
# and moves along $z$ by their difference. This $z$ is called the **probe**, and in the whole course the letter $z$ means nothing else.
#
# Each notebook states a claim, derives it, asks you to predict, and then measures. Run its cells from top to bottom.

# %%
import torch

from mezo_lab import LAWS, check, claim_named, sample
from mezo_lab.course.notebook import distance, predict, show, sized, verify
from mezo_lab.theory import Expression

# %% [markdown]
# ## Predict first
#
# A guess that you have written down teaches more than a result that you nod at. Write it between the quotation marks below.
#
# 1. A probe has $d$ independent standard normal coordinates. What is the mean of $\|z\|^2$?
# 2. You draw a hundred times as many probes. By which factor does the error of the measured mean shrink?
# 3. A formula is wrong by one part in a billion. Can a few seconds of drawing show it?

# %%
predictions = predict(length="", error="", billionth="")

# %% [markdown]
# ## A mean and its error
#
# The next cell draws probes and takes the mean of $\|z\|^2$. `sample` makes the draws. `sized` returns its first number for you,
# and its second one for the tests of this course.

# %%
dim = sized(full=20, fast=6)


def squared_length(count: int, generator: torch.Generator) -> torch.Tensor:
    return LAWS["gaussian"].sample(count, 1, dim, generator)[:, 0].square().sum(-1)


few = sample(squared_length, 1_000, numbers_per_draw=dim, seed=0).estimate()
many = sample(squared_length, 100_000, numbers_per_draw=dim, seed=0).estimate()
print(f"d = {dim}:  {few!r}  and  {many!r}")

# %% [markdown]
# The number behind ± is the **standard error**: the spread that such a mean would have if the draws were repeated.

# %%
predictions.compare("length", f"{many}, beside d = {dim}.")
predictions.compare("error", f"{few.standard_error:.2g} became {many.standard_error:.2g}: the root of a hundred, ten.")

# %% [markdown]
# How far is the mean from a formula? We count in standard errors and call the number the **distance**:
#
# $$\text{distance} = \frac{\text{measured mean}-\text{formula}}{\text{standard error}}.$$
#
# Chance alone seldom makes it larger than 3. In this course a formula is refuted when the distance is 5 or more; this bar was fixed
# before any draw.

# %%
rows = []
for formula, value in (("d", dim), ("d + 1", dim + 1)):
    away = {"distance of the few": distance(few, value), "distance of the many": distance(many, value)}
    rows.append({"formula": formula} | away)
show(rows)

# %% [markdown]
# The right formula stays near 0; the wrong one moves away as the number of draws grows.
#
# ## Check
#
# The library holds each statement of the course as a *claim* with a number; [the page of the claims](../docs/claims.md) explains all
# of them. `verify` tests one claim by drawing, and its result is called a **verdict**. Claim A2 says how many times longer, squared,
# the estimate $\hat g$ from $n$ probes is than the gradient $g$ itself.

# %%
verify("norm-factor", dim=sized(full=10, fast=6), probes=2)

# %% [markdown]
# In the row, *law* is the distribution of the probe, *expected* the value of the theory, and *found* the mean of the draws. Below
# it stand the **decoys** with their distances: plausible wrong formulas, or wrong experiments, which the same draws must refute.
# Without decoys, an agreement might only mean that nothing could have failed.
#
# The sentence below the table ends with what the run **would see**: the smallest relative error of the formula that these draws would
# have shown. An agreement says no more than that.
#
# ## Three words
#
# A verdict is one of three words.
#
# - CONSISTENT: the formula agrees with the draws, and the draws were many enough to show an error of the size that was asked for.
# - REFUTED: the formula lies five standard errors or more away.
# - UNDERPOWERED: the draws were too few to tell.
#
# `check` tests any formula in the place of the theory, even a wrong one:

# %%
claim = claim_named("norm-factor")
setting = {"dim": sized(full=10, fast=6), "probes": 2}
check(claim, LAWS["gaussian"], setting, resolution=0.02, expect=Expression("(d+n-1)/n"))

# %% [markdown]
# The formula is right for another law of the probe, as notebook 3 shows. For this law it is refuted.
#
# ## Several verdicts
#
# `show` displays verdicts of one claim as a figure with their table. The theory is the dashed line, and decoys are dotted. Each
# mean has bars of five standard errors, so a bar that misses the line is a refuted formula. The words below a figure describe it
# for readers who cannot see it.

# %%
show([verify("norm-factor", law, **setting) for law in ("gaussian", "rademacher", "sphere")])

# %% [markdown]
# ## Where it breaks
#
# A decoy must be far enough from the truth to be seen. With thirteen billion parameters, $(d+n+1)/n$ and $(d+n-1)/n$ differ by less than
# one part in a billion:

# %%
huge = verify("norm-factor", dim=13_000_000_000, probes=2)
show(huge)

# %%
(decoy,) = (each for each in huge.decoys if each.missing)
predictions.compare(
    "billionth", f"No: the decoy is {decoy.status.name}, and {decoy.missing:.0e} more draws are needed."
)

# %% [markdown]
# The draws needed grow as the square of the precision. Where no experiment decides, the course proves instead.
#
# ## What it means
#
# A verdict is evidence and not a proof: it speaks of one law, one set of parameters and one precision.
#
# ## Exercises
#
# In a student's copy, a line that raises an error stands where your answer belongs. Replace the line, run the cell, and then run the
# check in the cell below, which answers in a sentence. Open a hint only when you are stuck.
#
# ### Exercise 0.1: draws for a decoy
#
# *3 minutes · ★☆☆*
#
# A run of so many `draws` finds a wrong formula at a certain `distance`. How many draws in all put this formula at a distance of 10?
#
# <details><summary>Hint 1</summary>
#
# How does the standard error change when you draw four times as often?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The gap between the mean and the formula stays, while its unit, the standard error, shrinks as the root of the draws grows.
#
# </details>
# <details><summary>Expected output</summary>
#
# The check prints a line that begins with ✓. A run at distance 5 needs four times its draws.
#
# </details>


# %%
def draws_for_ten(draws: float, distance: float) -> float:
    # BEGIN SOLUTION
    return draws * (10 / distance) ** 2
    # END SOLUTION


# %%
from mezo_lab.course.exercises.reading import check_draws_for_ten

check_draws_for_ten(draws_for_ten)

# %% [markdown] tags=["solution"]
# **Solution.** The distance grows as the root of the number of draws. It has to grow by the factor $10/\text{distance}$, so the
# draws must grow by the square of this factor.

# %% [markdown]
# ## Summary
#
# - $z$ is the probe. The distance of a mean from a formula is counted in standard errors; 5 or more refute the formula.
# - A verdict is CONSISTENT, REFUTED or UNDERPOWERED; it names what it would see.
# - A decoy is a wrong formula that the same draws must refute.
#
# **Limits.** Five standard errors are a rare event only if the draws are many and their tails are not too heavy.
#
# **Further reading.** [The claims](../docs/claims.md); [the glossary](GLOSSARY.md).
#
# **Next:** the first claim, that a step of random search descends.
