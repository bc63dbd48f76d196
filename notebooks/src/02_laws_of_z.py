# %% [markdown]
# # 2. The laws of z and their moments
#
# **Claim.** By the end you will have shown what the constant $c$ in $\mathbb{E}[\|z\|^2zz^\top]=cI$ is for each law of $z$, what the
# matrix $\mathbb{E}[\hat g\hat g^\top]$ is, and that $n$ probes see a share $n/d$ of the gradient. The evidence is the moments of seven laws, measured
# against their formulas. The controls are constants of other laws and formulas with a term left out, which the same draws
# refute, and a law that is not isotropic.
#
# **You will be able to** compute a Gaussian moment by pairings; find $c$ for a law of your own; say how large $\hat g$ is where the
# gradient is zero, and what share of a gradient a probe sees.
#
# **Before this:** notebook 1; traces, orthogonal matrices. **Time:** 60 minutes; the cells run in a minute.
# **In the paper** (Malladi et al. 2023): equations (7) and (8), in the proofs of Lemmas 2 and 5.

# %%
import math

import torch

from mezo_lab import LAWS, theory, two_point
from mezo_lab.claims.controls import TIED_COORDINATES
from mezo_lab.course.notebook import distance, predict, show, show_proof, sized, verify
from mezo_lab.proofs import prove
from mezo_lab.proofs.wick import matrix, vector
from mezo_lab.report import figures
from mezo_lab.sampling import Linear, RunningMoments, frame_of

# %% [markdown]
# ## Seven laws with one covariance
#
# | law | $z$ |
# |---|---|
# | gaussian | $N(0, I)$ |
# | rademacher | independent signs, $z_i=\pm1$ |
# | uniform | independent $z_i$, uniform on $[-\sqrt3, \sqrt3]$ |
# | three-point | independent $z_i$, 0 with probability 2/3, else $\pm\sqrt3$ |
# | sphere | uniform on the sphere $\|z\|=\sqrt d$ |
# | coordinate | $\pm\sqrt d\,e_i$ with $i$ uniform |
# | orthogonal | $n$ directions at right angles to each other, each as on the sphere |
#
# The picture shows single probes in two dimensions; the orthogonal law, probe by probe, is that of the sphere.

# %%
names = [name for name in LAWS if name != "orthogonal"]
planes = {name: LAWS[name].sample(300, 1, 2, torch.Generator().manual_seed(0))[:, 0] for name in names}
show(figures.clouds_figure(planes), alt=figures.clouds_alt_text(planes))

# %% [markdown]
# All seven laws are *isotropic*: $\mathbb{E}[zz^\top]=I$. In words, $v^\top z$ has the mean square 1 for each unit vector $v$, and it is uncorrelated with $w^\top z$ for each
# $w\perp v$. Nothing else is needed for an unbiased estimate, so the test of notebook 1 could not tell the laws apart. What differs is
# the length. The mean of $\|z\|^2$ is $d$ for every law. Signs, the sphere, single coordinates and orthogonal directions have it in every
# draw, and the other laws scatter around it.

# %%
panels = []
for dim in (3, 20, 1000):
    lengths = {}
    for law in ("gaussian", "sphere"):
        z = LAWS[law].sample(sized(full=20_000, fast=4_000), 1, dim, torch.Generator().manual_seed(0))
        lengths[law] = z.square().sum(-1)[:, 0]
    panels.append(figures.ProbeLengths(dim, lengths))
show(figures.lengths_figure(panels), alt=figures.lengths_alt_text(panels))

# %% [markdown]
# In three dimensions a Gaussian probe may be hardly longer than 0, or twice as long as usual. In a thousand dimensions it is nearly
# as long as one on the sphere: the relative spread of $\|z\|^2$ is $\sqrt{2/d}$.
#
# ## Predict first
#
# Write your answers between the quotation marks below before you go on.
#
# 1. (`fixed`) Signs, the sphere and single coordinates have $\|z\|=\sqrt d$. Do they share $c$?
# 2. (`three_point`) A three-point coordinate is 0 two times out of three. Is its $c$ above or below the Gaussian's?
# 3. (`zero`) The gradient is zero along a coordinate. How large is $\hat g$ there?
# 4. (`share`) A model has $10^7$ parameters. What share of $\|g\|^2$ does one probe see? And ten?

# %%
predictions = predict(fixed="", three_point="", zero="", share="")

# %% [markdown]
# ## Fourth moments
#
# **Statement** (derived). For each law above $\mathbb{E}[\|z\|^2zz^\top]=cI$, and $c=d + \operatorname{Var}(\|z\|^2)/d$.
#
# **Derivation.**
#
# 1. Each law stays as it is when a coordinate changes its sign, or when two coordinates are swapped. The matrix is therefore diagonal with
#    equal entries, $cI$.
# 2. Its trace is $cd=\mathbb{E}\|z\|^4=(\mathbb{E}\|z\|^2)^2 + \operatorname{Var}(\|z\|^2)=d^2 + \operatorname{Var}(\|z\|^2)$.
#
# If the length does not vary, $c=d$, and no isotropic law has less. For independent coordinates the variance of $\|z\|^2$ is the sum of those of
# the $z_i^2$. With the *kurtosis* $\kappa=\mathbb{E}[z_i^4]$, a measure of how heavy the tails of a coordinate are, it is $d(\kappa-1)$, so
# $c=d-1+\kappa$. The kurtosis is 1 for signs, 9/5 for the uniform law, and 3 for the Gaussian and the three-point law.
#
# Other moments of the normal law follow from one theorem.
#
# **Isserlis' theorem.** For $z\sim N(0, I)$, the mean of a product $z_iz_jz_kz_l$ is the sum over the ways to pair its factors:
#
# $$\mathbb{E}[z_iz_jz_kz_l] = \delta_{ij}\delta_{kl} + \delta_{ik}\delta_{jl} + \delta_{il}\delta_{jk}.$$
#
# A diagram shows what this means for $\mathbb{E}[u^\top z\cdot z^\top I z\cdot z^\top v]$. The vector $u$ has one *leg*, a place where
# an index meets a $z$, and so has $v$; the matrix $I$ has two, joined by a bracket. Each arc is a pair.

# %%
pieces = [vector("u"), matrix("I"), vector("v")]
show(figures.pairings_figure(pieces), alt=figures.pairings_alt_text(pieces))

# %% [markdown]
# Follow the lines. In the first two diagrams they lead from $u$ through $I$ to $v$, which gives $u^\top I v=u^\top v$. In the third the two legs
# of $I$ meet each other: the closed loop is the trace of $I$, a factor of $d$. The sum is $(d+2)\,u^\top v$, as it should be.
#
# Now we measure all laws. With one probe $\hat g=zz^\top g$, so $\mathbb{E}\|\hat g\|^2=g^\top\mathbb{E}[\|z\|^2zz^\top]g=c\,\|g\|^2$, and claim A2 at $n=1$ is a
# test of $c$. Its decoys become $d$ and $d+2$.

# %%
dim = sized(full=20, fast=6)
constants = {law: verify("norm-factor", law, dim=dim, probes=1) for law in LAWS}
show(list(constants.values()))

# %%
found = {law: verdict.estimate for law, verdict in constants.items()}
fixed = ", ".join(f"{law} {found[law]}" for law in ("rademacher", "sphere", "coordinate"))
predictions.compare("fixed", f"Yes: {fixed}, where d = {dim}.")
pair = f"{found['three-point']}, where the Gaussian law has {found['gaussian']}"
predictions.compare("three_point", f"Neither: {pair}.")

# %% [markdown]
# In every row the first distance is small, as chance allows. The decoys are far away, and where $d$ or $d+2$ happens to be that
# law's own constant it is no decoy. The three-point law looks nothing like a normal one, and yet it has the Gaussian's $c$, because $c$ knows no more of
# an i.i.d. law than its kurtosis.
#
# ## The whole matrix
#
# **Statement** (claim A3). As $\varepsilon\to0$, $\mathbb{E}[\hat g\hat g^\top]=\frac{n-1}{n}gg^\top + \frac1nM$ for independent probes, with
#
# $$M = 2gg^\top + \|g\|^2I + (\kappa-3)\operatorname{diag}(g\circ g)\quad\text{(i.i.d.)},\qquad
# M = \tfrac{d}{d+2}\left(2gg^\top + \|g\|^2I\right)\quad\text{(sphere)},\qquad
# M = d\operatorname{diag}(g\circ g)\quad\text{(coordinate)}.$$
#
# > **The paper.** With $\kappa=3$ the first matrix is equation (8), and the second is equation (7), both without the noise of a
# > minibatch.
#
# **Derivation.** Of the $n^2$ products of probes, $n(n-1)$ meet two different ones, and each of these gives $\mathbb{E}[zz^\top]gg^\top\mathbb{E}[z'z'^\top]=gg^\top$.
# The other $n$ meet one probe twice and give $M=\mathbb{E}[(z^\top g)^2zz^\top]$, a fourth moment. The library counts its pairings, and
# adds a term for four equal indices, where $\kappa$ differs from 3:

# %%
show_proof(prove("second-moment", "iid"))

# %% [markdown]
# For the sphere write a Gaussian vector as $x=\|x\|\,u$, whose direction $u$ is independent of its length. A fourth moment of $z=\sqrt d\,u$ is
# then $d^2/\mathbb{E}\|x\|^4=d/(d+2)$ times the Gaussian's.
#
# Orthogonal probes are not independent. For them $\hat g=\frac dnPg$, where $P$ projects on their span. No direction but that of $g$ is special, so
# $\mathbb{E}[\hat g\hat g^\top]=a\,gg^\top + b\,\|g\|^2I$, and two numbers determine $a$ and $b$:
#
# 1. The trace. $\mathbb{E}\|Pg\|^2=\frac nd\|g\|^2$, as shown below, so $a+db=(\frac dn)^2\frac nd=\frac dn$.
# 2. The entry along $g$, the mean of $(u^\top\hat g)^2=(\frac dn)^2\|Pu\|^4\|g\|^2$ for $u=g/\|g\|$. Turn the space until the span is that of the
#    first $n$ axes; $u$ is then uniform on the unit sphere, with $\mathbb{E}[u_1^4]=\frac{3}{d(d+2)}$ and $\mathbb{E}[u_1^2u_2^2]=\frac{1}{d(d+2)}$. So
#    $\mathbb{E}\|Pu\|^4=\frac{3n+n(n-1)}{d(d+2)}=\frac{n(n+2)}{d(d+2)}$, and $a+b=\frac{d(n+2)}{n(d+2)}$.
#
# The difference of the two gives $b=\frac{d(d-n)}{n(d+2)(d-1)}$.
#
# ## Experiment: three parameters, one of which does not matter
#
# Take $g\propto(2, 1, 0)$ with $\|g\|=1$, and two probes. The upper row shows the measured matrices $\mathbb{E}[\hat g\hat g^\top]$, the lower row
# their formulas.

# %%
g, n = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64) / math.sqrt(5), 2
terms = torch.outer(g, g), torch.eye(3, dtype=torch.float64), torch.diag(g * g)
laws = ("gaussian", "rademacher", "sphere", "coordinate")
moments = {law: theory.Moments(*map(float, LAWS[law].moments(3))) for law in laws}
formulas = {law: theory.second_moment(*terms, probes=n, moments=moments[law]) for law in laws}
measured, errors = {}, {}
for law in laws:
    z = LAWS[law].sample(400_000, n, 3, torch.Generator().manual_seed(0))  # (count, n, d)
    estimate = two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0)  # exact: the loss is linear
    products = estimate[:, :, None] * estimate[:, None, :]
    measured[law], errors[law] = products.mean(0), products.std(0) / math.sqrt(len(products))
show(figures.matrices_figure(measured, formulas), alt=figures.matrices_alt_text(measured, formulas))


# %%
def farthest(law, formula):
    """The largest distance of an entry that scatters at all."""
    apart, seen = (measured[law] - formula).abs(), errors[law] > 1e-12
    return round(float((apart[seen] / errors[law][seen]).max()), 1)


own, paper = "farthest entry from the law's own formula", "from equation (8)"
of_paper = formulas["gaussian"]
show([{"law": law, own: farthest(law, formulas[law]), paper: farthest(law, of_paper)} for law in laws])
noise = f"{measured['gaussian'][2, 2]:.3f} for Gaussian probes, where ‖g‖²/n = {1 / n}"
predictions.compare("zero", f"Not zero: its mean square there is {noise}.")

# %% [markdown]
# The last entry of the diagonal belongs to the third parameter, where the gradient is zero and the estimate is not. Its mean square is $\|g\|^2/n$
# for every i.i.d. law: the slope along the other coordinates moves this one too. Probes along single coordinates leave it
# at 0. Equation (8) is right for the Gaussian law, and refuted for the three others.
#
# ## Check
#
# The library measures $u^\top\mathbb{E}[\hat g\hat g^\top]v$ for every law. The decoy is equation (8), without the $(\kappa-3)$ term; for the laws
# for which that is right, the decoy is the matrix of the sphere.

# %%
show([verify("second-moment", law) for law in LAWS])

# %% [markdown]
# **The variance** (claim A4, derived). Since $\mathbb{E}[\hat g]=g$, $\mathbb{E}\|\hat g-g\|^2=\mathbb{E}\|\hat g\|^2 - \|g\|^2$. Here $\mathbb{E}\|\hat g\|^2$ is the
# trace of the matrix, $\frac{n-1+c}{n}\|g\|^2$ for independent probes, which is the subject of notebook 3. The decoy forgets to subtract. One law stands here for all;
# `mezo-lab verify variance` tests the others.

# %%
verify("variance", "uniform")

# %% [markdown]
# ## What one probe sees
#
# The estimate $\hat g$ lies in the span of the probes. Let $P$ project on it: $\|Pg\|^2/\|g\|^2$ is the share of the gradient that a step
# can use at best.
#
# **Statement** (claim A5, derived). $\mathbb{E}\|Pg\|^2=\frac nd\|g\|^2$ for $n\le d$ probes whose directions are uniform on the sphere. The probes may be
# independent or orthogonal, and their lengths do not matter.
#
# **Derivation.**
#
# 1. No rotation changes the law of the span, so $R\,\mathbb{E}[P]R^\top=\mathbb{E}[P]$ for every rotation $R$, and hence $\mathbb{E}[P]=tI$.
# 2. $P$ projects on $n$ dimensions, so $\operatorname{tr}P=n$ in every draw, and $t=n/d$.
# 3. $\mathbb{E}\|Pg\|^2=g^\top\mathbb{E}[P]g$.
#
# For $n=1$ the share is $\cos^2(\hat g, g)$ and $P=zz^\top/\|z\|^2$, so signs, whose length is fixed, see $1/d$ as well. For $n=1$ the decoy $n/(d+2)$ is
# what you get by dividing the means, $\|g\|^2/\mathbb{E}\|\hat g\|^2$ for the Gaussian law. We want the mean of the ratio, which is different.

# %%
cases = [(law, n) for law in ("gaussian", "sphere", "orthogonal") for n in (1, 4)] + [("rademacher", 1)]
shares = [verify("capture", law, probes=n) for law, n in cases]
show(shares)

# %%
one = shares[0]
seen = f"{one.estimate} at d = {one.parameters['dim']}, as 1/d says"
large = f"{1 / 10**7:.0e} for one and {10 / 10**7:.0e} for ten"
predictions.compare("share", f"One probe saw {seen}. At d = 10⁷ this is {large}.")

# %% [markdown]
# ## What it means
#
# For the mean of $\hat g$ all isotropic laws are one. In the second moment the i.i.d. laws differ by $\kappa$ alone, and $c-d$ is the price
# of a length that varies. For large $d$ that hardly matters; $d$ itself does.
#
# A probe sees a tiny share of a large gradient, and no choice of lengths changes this. Why training works nevertheless is a question
# about the loss, not about $z$. It is taken up from notebook 4 on.
#
# ## Where it breaks
#
# Let neighbouring coordinates share a sign. Each still has mean 0, variance 1 and $\kappa=1$, and the length is $\sqrt d$. But
# $\mathbb{E}[zz^\top]\ne I$, and what a probe sees depends on where the gradient points.

# %%
first, nothing = torch.linspace(1, 2, dim // 2, dtype=torch.float64), torch.zeros(dim // 2)
tied = TIED_COORDINATES.sample(100_000, 1, dim, torch.Generator().manual_seed(0))
rows = []
for words, second in (("equal", first), ("one of them 0", nothing), ("opposite", -first)):
    gradient = torch.stack([first, second], dim=1).flatten()  # neighbours, pair by pair
    share = RunningMoments.of(frame_of(tied, gradient).captured()).estimate()
    away = distance(share, 1 / dim) if share.standard_error > 1e-12 else "in every draw"
    rows.append({"neighbours": words, "share seen": share, "1/d": 1 / dim, "distance": away})
show(rows)

# %% [markdown]
# If neighbours are equal, the probe sees twice $1/d$. If one of them is 0, it sees just $1/d$, so a test with such a gradient misses the fault. If
# they are opposite, every projected gradient is exactly 0, and no number of probes finds that gradient. The moments of single coordinates say
# nothing of this; the covariance does.
#
# ## Exercises
#
# ### Exercise 2.1: the constant of an i.i.d. law
# *10 minutes · ★☆☆ · on paper*
#
# Derive $c=d-1+\kappa$ for independent coordinates of mean 0, variance 1 and kurtosis $\kappa$, this time from the entries of
# $\mathbb{E}[\|z\|^2z_iz_j]$. Which law of this kind has the least $c$?
#
# <details><summary>Hint 1</summary>Write ‖z‖² as a sum over k, and look at one term.</details>
# <details><summary>Hint 2</summary>Which factors occur to the first power only? For i = j, treat k = i apart.</details>
# <details><summary>Expected output</summary>0 off the diagonal, κ + (d − 1) on it, and a law of the table.</details>

# %% [markdown] tags=["solution"]
# **Solution.** $\mathbb{E}[\|z\|^2z_iz_j]=\sum_k\mathbb{E}[z_k^2z_iz_j]$. For $i\ne j$ each term has the factor $\mathbb{E}[z_i]=0$ or $\mathbb{E}[z_j]=0$. For $i=j$
# the term $k=i$ is $\kappa$, and each of the $d-1$ others is $1\cdot1$. Since $\kappa=1 + \operatorname{Var}(z_i^2)\ge1$, signs have the least.

# %% [markdown]
# ### Exercise 2.2: a law that is mostly silent
# *15 minutes · ★★☆*
#
# To save work, a program draws $z=0$ except in a share $p$ of the steps. In those steps the coordinates are independent with kurtosis
# $\kappa$, and all are multiplied by $1/\sqrt p$, so that $\mathbb{E}[zz^\top]=I$ over all steps. What is $c$?
#
# <details><summary>Hint 1</summary>The coordinates of this law are not independent of each other: they fall silent together.</details>
# <details><summary>Hint 2</summary>What does the factor 1/√p do to a fourth power, and in which share of the draws?</details>
# <details><summary>Expected output</summary>✓ right in 3 cases</details>


# %%
def silent_moment(dim: int, kurtosis: float, share: float) -> float:
    # BEGIN SOLUTION
    loud = (dim - 1 + kurtosis) / share**2  # of the draws that are not 0
    return share * loud
    # END SOLUTION


# %%
from mezo_lab.course.exercises.laws import check_silent_moment

check_silent_moment(silent_moment)

# %% [markdown]
# ### Exercise 2.3: a sampler for the sphere
# *10 minutes · ★★☆*
#
# Write a sampler that is uniform on the sphere $\|z\|=\sqrt d$ and returns the shape (count, dim). The right lengths are not enough.
#
# <details><summary>Hint 1</summary>Which law of the table looks the same from every direction?</details>
# <details><summary>Hint 2</summary>Divide each draw by its own length, and keep that axis: <code>norm(dim=-1, keepdim=True)</code>.</details>
# <details><summary>Expected output</summary>✓ right in 40,000 draws</details>


# %%
def sphere(count: int, dim: int, generator: torch.Generator) -> torch.Tensor:
    # BEGIN SOLUTION
    x = torch.randn(count, dim, generator=generator)
    return x * math.sqrt(dim) / x.norm(dim=-1, keepdim=True)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.laws import check_sphere

check_sphere(sphere)

# %% [markdown]
# ### Exercise 2.4: how many probes?
# *10 minutes · ★☆☆ · an experiment*
#
# How many probes see a given share of the gradient on average? The cell after the check measures that share beside
# $\cos^2(\hat g, g)$. Does $\hat g$ use all that its probes see?
#
# <details><summary>Hint 1</summary>The mean share of n probes is n/d.</details>
# <details><summary>Hint 2</summary>A number of probes is a whole number, and the share must be reached.</details>
# <details><summary>Expected output</summary>✓ right in 3 cases, and a table in which the two laws differ in the last column.</details>


# %%
def probes_needed(share: float, dim: int) -> int:
    # BEGIN SOLUTION
    return math.ceil(share * dim)
    # END SOLUTION


# %%
from mezo_lab.course.exercises.laws import check_probes_needed

check_probes_needed(probes_needed)

# %%
slope, rows = torch.linspace(1, 2, dim, dtype=torch.float64), []
for law in ("gaussian", "orthogonal"):
    for share in (0.1, 0.5, 1):
        n = probes_needed(share, dim)
        frame = frame_of(LAWS[law].sample(20_000, n, dim, torch.Generator().manual_seed(n)), slope)
        used = frame.overlap() ** 2 / frame.length_sq()
        seen = {"n/d": n / dim, "share in the span": float(frame.captured().mean())}
        rows.append({"law": law, "n": n} | seen | {"cos²(ĝ, g)": float(used.mean())})
show(rows)

# %% [markdown] tags=["solution"]
# **Solution.** $\hat g$ lies in the span, so $\cos^2(\hat g, g)\le\|Pg\|^2/\|g\|^2$. For orthogonal probes $\hat g=\frac dnPg$ and the two are equal. For
# several Gaussian probes $\hat g$ falls short, because it counts twice what two probes both see. This is so even at $n=d$, where the span is the whole
# space.

# %% [markdown]
# ## Summary
#
# - $\mathbb{E}[\|z\|^2zz^\top]=cI$ with $c=d + \operatorname{Var}(\|z\|^2)/d$. This is $d$ where the length is fixed, and $d-1+\kappa$ for i.i.d. coordinates.
# - For i.i.d. laws $\mathbb{E}[\hat g\hat g^\top]$ contains $\|g\|^2I/n$: there is noise also where the gradient is zero.
# - $n$ probes with uniform directions see a share $n/d$ of the gradient. Lengths do not matter; isotropy does.
#
# **Limits.** All of this holds as $\varepsilon\to0$ and without the noise of a minibatch. A share of $n/d$ is a mean; single draws scatter widely.
#
# **Further reading.** L. Isserlis, *On a formula for the product-moment coefficient of any order of a normal frequency distribution
# in any number of variables*, 1918. A. S. Berahas et al., *A theoretical and empirical comparison of gradient approximations in
# derivative-free optimization*, 2022. S. Malladi et al., *Fine-tuning language models with just forward passes*, 2023, Appendix G.
#
# **Next:** the trace of this matrix, on which the notes and the paper disagree.
