"""Of projects that implement zeroth-order fine-tuning, read in their documentation and code at the commits given."""

from mezo_lab.claims.published import Published

_ES_AT_SCALE = "https://github.com/VsonicV/es-at-scale/blob/574a9d134da1ffce2a8bb812019899e5c96b588a"

LOW_RANK_VARIANCE = Published(
    name="low-rank-variance",
    holds="no: low-rank noise has more",
    says="Low-rank noise A·Bᵀ for matrices reduces the variance of gradient estimates.",
    source="torcheggroll, README",
    address="https://github.com/ai4flab/torcheggroll/blob/110111f0006458be3fb0c96610f656cd06a9e39f/README.md",
    read="documentation",
    corrected="For p×q matrices and rank k, E‖ĝ‖² = ((n−1+c)/n)·‖g‖² with c = d + 2 + 2(p+q+1)/k, d = pq: more"
    " than the d + 2 of Gaussian noise at every rank, and never the k(p+q) + 2 of as many numbers as are drawn.",
    conditions="The method that the package implements (EGGROLL, arXiv 2511.16652, abstract read) claims speed,"
    " and agreement with Gaussian noise as the matrices grow: c/(d + 2) → 1 confirms that. The package scales"
    " rewards by their spread, which is not in the claim; its antithetic pairs are the claim's differences.",
    command='mezo-lab verify low-rank-direction --law gaussian --fast --set moment=norm --expect "k*(p+q) + 2"',
)

BASELINE_OWN_MEAN = Published(
    name="baseline-own-mean",
    holds="up to the factor (N−1)/N",
    says="The noise of each member, weighted by its reward less the mean reward of the population, estimates the"
    " gradient.",
    source="es-at-scale, es_trainer.py",
    address=f"{_ES_AT_SCALE}/es_at_scale/trainer/es_trainer.py#L423-L440",
    read="code",
    corrected="Its mean is ((N−1)/N)·g for a population of N, as the mean reward contains the member's own. The"
    " mean of the others (leave-one-out) gives g.",
    conditions="At the project's N = 30 this is a learning rate 3 % smaller. The project also divides by the"
    " spread of the rewards, which the claim leaves out.",
    command='mezo-lab verify baseline --law gaussian --fast --set baseline=mean --expect "vg"',
)

SEED_IN_THE_LOOP = Published(
    name="seed-in-the-loop",
    holds="for a model of one tensor",
    says="The noise of a member is drawn tensor by tensor from a generator that is seeded with the member's seed"
    " each time.",
    source="es-at-scale, worker_extension.py",
    address=f"{_ES_AT_SCALE}/es_at_scale/utils/worker_extension.py#L109-L115",
    read="code",
    corrected="All tensors of one shape get the same noise, and so E[zzᵀ] ≠ I: the estimate for each of them is,"
    " on average, the sum of the gradients of all. On a CPU tensors of different shapes begin with the same numbers,"
    " too. The decoy a of the claim, “seeds anew for every tensor”, is this.",
    conditions="Found by reading; the project was not run. It draws on a GPU, where tensors of different shapes were"
    " not compared, and it reports good results with this noise.",
    command="mezo-lab verify isotropic --law gaussian --fast",
)

SEEDS_THAT_MEET = Published(
    name="seeds-that-meet",
    holds="within one draw, not between two",
    says="For low-rank noise the seeds of the factors P and Ψ of tensor i are seed·n + i + 2n and seed·n + i + n,"
    " for n tensors and consecutive seeds.",
    source="zotitan, train_zo.py",
    address="https://github.com/apaz-cli/ZOTitan/blob/79a22f9aeecce6b2ebd7f60dcbad515dd46d2e0a/zotitan/train_zo.py#L309-L314",
    read="code",
    corrected="P at one seed and Ψ at the next have the same seed, for every tensor: (s+1)n + i + n = sn + i + 2n."
    " Directions of consecutive draws are then not independent. The decoy c of the claim, “seed + step + probe as"
    " the seed”, is another sum of counters that meets itself.",
    conditions="This is about the option of low-rank noise; its Gaussian noise draws one stream per tensor and seed.",
    command="mezo-lab verify isotropic --law gaussian --fast",
)

ROW_BY_ROW = Published(
    name="row-by-row",
    holds="for rows of a multiple of 16 numbers",
    says="A comment says that the random numbers of a large tensor are the same whether it is drawn whole or row"
    " by row, as their number is the same.",
    source="lebrice/MeZO, mezo.py",
    address="https://github.com/lebrice/MeZO/blob/987f7367d1dcfa5b2b02b437c79c9a8dedefef76/mezo/mezo.py#L118-L131",
    read="code",
    corrected="torch's CPU generator fills a tensor in blocks, and a row whose length is no multiple of 16 has"
    " other numbers drawn alone: the update then follows another z than the probe. The decoy a of the claim is"
    " this.",
    conditions="Tensors of at most 100,000 elements, as in the project's tests, are drawn whole in both places.",
    command="mezo-lab verify same-z --law gaussian --fast",
)

RAW_CURVATURE = Published(
    name="raw-curvature",
    holds="up to ½·tr H on every coordinate",
    says="The diagonal of the Hessian is estimated by the magnitude of the second difference of the loss, times"
    " z², averaged over steps.",
    source="HiZOO, trainer.py",
    address="https://github.com/Yanjun-Zhao/HiZOO/blob/4f9905582398303cf80de9cf802349947428cb59/trainer.py#L507-L510",
    read="code",
    corrected="For Gaussian z the mean of ½·zᵀHz·z_i² is H_ii + ½·tr H, in many dimensions nearly the same for"
    " every coordinate; ½·zᵀHz·(z_i² − 1) has the mean H_ii. The magnitude raises the mean wherever zᵀHz can be"
    " negative.",
    conditions="This is one estimate at a preconditioner of 1; the code averages with small weights and divides by"
    " the result's root. Of the paper (arXiv 2402.15173v4) the abstract was read, and not its formula.",
    command='mezo-lab verify curvature-diagonal --law gaussian --fast --set moment=raw --expect "Hii"',
)

MOMENTUM_AGAINST_NOISE = Published(
    name="momentum-against-noise",
    holds="while the weights stand still",
    says="Momentum might help a randomized estimate, as it reduces its variance.",
    source="torchzero, documentation of RandomizedFDM",
    address="https://github.com/inikishev/torchzero/blob/2b6a2287df3aec9e7801249a691088f958c15ed9/torchzero/modules/grad_approximation/rfdm.py#L207-L216",
    read="documentation",
    corrected="While the weights stand still, an averaged momentum has (1−β)/(1+β) of the variance. In a run on H"
    " = ℓP_r it moves the largest stable rate from 2/(ℓγ) to 2/(ℓ(γ − 2β/(1+β))) only, which is no change for a"
    " large γ, and not by the factor (1+β)/(1−β) of gradient descent.",
    conditions="The sentence is cautious, and names no rate. The claim is about stability on a quadratic loss;"
    " what momentum does for generalization is not in it.",
    command='mezo-lab verify momentum --law gaussian --fast --expect "2*(1+beta)/((1-beta)*gamma*ell)"',
)

ANCHOR_MOVES = Published(
    name="anchor-moves",
    holds="no: names are copied, not values",
    says="After a full-batch step a copy of the parameters is kept as the anchor of the control variate.",
    source="mezo_svrg, llm_module.py",
    address="https://github.com/amazon-science/mezo_svrg/blob/002e156ba7efa0f4309a0c2c13f0c618b88c1830/models/llm_module.py#L413-L425",
    read="code",
    corrected="What is copied is a list of names and tensors, not their values: the anchor moves with the weights."
    " The two estimates that are subtracted are then of one gradient along different directions, with a variance"
    " of 2(f − 1)(‖g‖² + tr Σ/B), more than that of one estimate.",
    conditions="Found by reading; the program was not run. The paper's algorithm keeps the values, as a third"
    " party documents it, and the stored full-batch estimate, which is also added, is not affected.",
    command='mezo-lab verify control-variate --law gaussian --fast --set anchor=moving --expect "(1-rho1**2)*V"',
)

UNTESTED = (
    Published(
        name="uniform-scale",
        says="The estimate of MeZO may be had with uniform directions.",
        source="torchzero, rfdm.py beside tensorlist.py",
        address="https://github.com/inikishev/torchzero/blob/2b6a2287df3aec9e7801249a691088f958c15ed9/torchzero/modules/grad_approximation/rfdm.py#L417-L423",
        read="code",
        corrected="The directions get the variance h where all other laws get the scale h; divided by h², the mean"
        " is g/h, a thousand times g at the default h = 0.001. Scaled by h, uniform directions are as unbiased as"
        " any (claim A1).",
        conditions="The default law, signs, and all others are scaled by h. With a rate that is searched for, the"
        " factor is one of the rate.",
    ),
)
