"""`mezo-lab lr`: the largest stable learning rate, predicted from measured curvature, and where MeZO diverges."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from mezo_lab.cli.finetune import add_plan_options, given_fields
from mezo_lab.cli.options import check_minimum, integer
from mezo_lab.curvature import (
    SPECTRA,
    Divergence,
    StableLearningRate,
    bowl,
    divergence,
    predict_stable_lr,
    spectrum,
    steps_for,
)
from mezo_lab.finetune.config import RunConfig
from mezo_lab.optim.rules import Momentum
from mezo_lab.sampling import Law, Orthogonal, law_named
from mezo_lab.theory import Moments, rotation_average

if TYPE_CHECKING:
    from mezo_lab.finetune.prepare import RunContext

# the curvature where a run begins is the same whatever comes afterwards
LEFT_OUT = ("method", "objective", "steps", "micro_batches", "lr", "schedule", "weight_decay", "every", "tensorboard")
QUADRATIC = ("probes", "law", "rule", "seed", "rank")  # what a quadratic has a use for, of the fields of a plan
# with the paper's "It was terrible/great" the untrained model is worse than chance, and tr H is negative
TASK = "rotten-tomatoes/sentiment"
PRECISION = 0.02  # relative standard error to which --measure finds the divergence
DRAWS, PRODUCTS = 24, 20  # of a model: directions for tr H, and Hessian-vector products at most for λ_max
GRADIENT, PRODUCT = 3, 6  # forward passes that a gradient and a product cost, in arithmetic operations
FEW = 10  # effective rank below which a single run outlives the mean by more than a tenth


class Bed(NamedTuple):
    """A loss to look at: what to call it, its parameters, and, if it is a quadratic, its eigenvalues."""

    name: str
    parameters: list[Tensor]
    loss: Callable[[], Tensor]
    moments: Moments
    eigenvalues: Tensor | None
    draws: int
    products: int
    tolerance: float
    epsilon: float = 1e-3


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dim", type=integer, metavar="D", help="dimension of a built-in quadratic (default 1,000,000)"
    )
    command.add_argument(
        "--spectrum", metavar="S", help=f"eigenvalues of the quadratic: {', '.join(SPECTRA)} (default flat)"
    )
    command.add_argument("--measure", action="store_true", help="run MeZO on it until it is known where it diverges")
    command.add_argument(
        "--draws", type=integer, metavar="N", help=f"directions for tr H (default 400; {DRAWS} on a model)"
    )
    command.add_argument("--beta", type=float, metavar="B", help=f"β of --rule momentum (default {Momentum().beta})")
    add_plan_options(
        command,
        leave_out=LEFT_OUT,
        help_in_place={
            "model": "a language model in place of a quadratic: smollm2-135m, a folder that save_pretrained wrote, or "
            "a name on the hub; the options below are those of `finetune`",
            "task": f"task of the model (default {TASK})",
            "batch": "examples in the loss of a model (default 16)",
            "dtype": "type to which the weights are rounded; their curvature is measured in float32 (default float32)",
            "law": "law of z (default gaussian)",
            "rule": "sgd or momentum (default sgd)",
            "seed": "seed of the random directions (default 0)",
            "rank": "of a quadratic, the number of eigenvalues if flat, or their decay if exponential (default 50); of "
            "a model, the rank of LoRA (default 8)",
        },
    )
    command.set_defaults(run=run_lr, probes=1, law="gaussian", rule="sgd", seed=0)


def run_lr(options: argparse.Namespace) -> int:
    from mezo_lab.report.progress import Progress  # rich loads here, not for `doctor`

    law = validate(options)
    beta = beta_of(options)
    bed = model_bed(options, law) if options.model else quadratic_bed(options, law)
    with Progress(total=2 + options.measure, noun="measurement") as progress:

        def watch(part: str):
            progress.begin(part)
            return progress.update

        found = predict_stable_lr(
            bed.parameters,
            bed.loss,
            probes=options.probes,
            moments=bed.moments,
            beta=beta,
            draws=options.draws or bed.draws,
            products=bed.products,
            tolerance=bed.tolerance,
            epsilon=bed.epsilon,
            seed=options.seed,
            progress=watch,
        )
        edge = measured(bed, found, options, watch("MeZO")) if options.measure else None
    with_momentum = f", momentum {beta:g}" if beta else ""
    print(f"{bed.name}; {law.name} law, n = {options.probes}{with_momentum}")
    print("\n".join(told(found, edge)))
    return 0


def validate(options: argparse.Namespace) -> Law:
    """The law, when the options fit one another."""
    check_minimum(options, dim=1, rank=1, probes=1, batch=1, draws=2, seed=0)
    if options.law == "low-rank":
        raise ValueError(
            "--law low-rank has a limit that depends on each matrix, and not on three numbers of the curvature alone: "
            "ask for gaussian, to which it comes near as its rank grows, and begin below that."
        )
    law = law_named(options.law)
    if options.model is None:
        if given := sorted(set(given_fields(options)) - set(QUADRATIC)):
            option = given[0].replace("_", "-")
            raise ValueError(f"--{option} belongs to a model, and a quadratic has none: add --model smollm2-135m.")
        if isinstance(law, Orthogonal):
            law.fits(options.probes, options.dim or 1_000_000)
        return law
    if options.measure or options.dim or options.spectrum:
        raise ValueError("--measure, --dim and --spectrum belong to a quadratic: leave them out, or --model.")
    return law


def beta_of(options: argparse.Namespace) -> float:
    """β of the rule; 0 for SGD. Raises: ValueError for a rule whose limit is no learning rate alone."""
    if options.rule not in ("sgd", "momentum"):
        raise ValueError(
            f"--rule must be sgd or momentum, got {options.rule!r}: where it diverges depends on the size of the "
            "gradient too, so try rates with `mezo-lab finetune`."
        )
    if options.rule == "sgd":
        if options.beta is not None:
            raise ValueError(f"--beta belongs to momentum, got {options.beta} for sgd: add --rule momentum.")
        return 0.0
    if options.measure:
        raise ValueError("--measure runs MeZO without momentum: leave it out, or --rule momentum.")
    return Momentum().beta if options.beta is None else Momentum(options.beta).beta


def quadratic_bed(options: argparse.Namespace, law: Law) -> Bed:
    dim, name = options.dim or 1_000_000, options.spectrum or "flat"
    eigenvalues = spectrum(name, dim, options.rank)
    theta, loss = bowl(eigenvalues, options.seed)
    # the eigenvectors are the coordinates, so the law's coincidences count
    return Bed(f"{name} quadratic, d = {dim:,}", [theta], loss, law.moments(dim), eigenvalues, 400, 100, 1e-2)


def model_bed(options: argparse.Namespace, law: Law) -> Bed:
    """The loss that `mezo-lab finetune` with the same options begins with, on one batch of its training examples."""
    from mezo_lab.finetune.prepare import build_model, prepare_run
    from mezo_lab.finetune.training.objectives import batch_loss

    given: dict[str, Any] = {"task": TASK, **given_fields(options)}
    plan = RunConfig(**given).resolve()
    ready = prepare_run(plan)
    rows = ready.splits.train[: plan.batch]
    # whatever dtype a run has, its curvature is that of the weights: a rounded loss would hide it
    model = build_model(ready).float()
    parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    dim = sum(parameter.numel() for parameter in parameters)
    if isinstance(law, Orthogonal):
        law.fits(plan.probes, dim)
    print(cost(options.draws or DRAWS, len(rows), dim), flush=True)
    moments = rotation_average(dim, law.moments(dim))  # the eigenvectors are spread over the coordinates
    name = f"{plan.model}, {tuning_of(ready)}d = {dim:,}, {len(rows)} examples of {ready.task.name}"
    loss = batch_loss(model, ready.encoder, rows)
    return Bed(name, parameters, loss, moments, None, DRAWS, PRODUCTS, 0.05, plan.epsilon)


def tuning_of(ready: "RunContext") -> str:
    return "" if ready.plan.tuning == "full" else f"{ready.plan.tuning}, "


def cost(draws: int, examples: int, dim: int) -> str:
    """What the measurement is going to take, in forward passes of its batch."""
    trace, norm = 2 * draws + 1, GRADIENT + PRODUCT * PRODUCTS
    return (
        f"cost: {trace} forward passes of {examples} examples for tr H, then a gradient and at most {PRODUCTS} "
        f"Hessian-vector products for λ_max, which take as long as up to {norm} more; memory for the graph of a "
        f"gradient, and four copies of {dim:,} numbers in float32"
    )


def measured(bed: Bed, found: StableLearningRate, options: argparse.Namespace, progress) -> Divergence:
    """Where MeZO diverges, in a number of steps that is fixed beforehand."""
    assert bed.eigenvalues is not None
    steps = steps_for(PRECISION, found.trace.mean, found.trace_sq.mean)
    kinds = {"probes": options.probes, "law": options.law, "seed": options.seed}
    return divergence(bed.eigenvalues, found.lr, **kinds, steps=steps, progress=progress)


def told(found: StableLearningRate, edge: Divergence | None) -> list[str]:
    """The numbers, one a line."""
    rank = found.effective_rank
    lines = [
        f"tr H                {found.trace}  ({found.trace.count:,} draws, forward passes only)",
        f"tr H²               {found.trace_sq}",
        f"λ_max               {found.norm}",
        f"effective rank r    {rank}",
        f"largest stable lr   {found}",
    ]
    if edge is not None:
        runs = f"{len(edge.trials)} runs of MeZO, {edge.steps:,} steps each"
        lines.append(f"diverges at lr      {edge}  ({runs}); predicted/found = {found.lr / edge.lr:.3f}")
    if found.beta:
        lines.append(
            "It is that of MeZO's averaged momentum, m ← βm + (1−β)ĝ. A loop with the heavy ball, m ← βm + ĝ, as in "
            f"torch.optim.SGD, diverges beyond (1−β) times as much, {(1 - found.beta) * found.lr:.3g}."
        )
    if rank.mean < FEW:
        lines.append(f"As r < {FEW}, a single run may stay stable beyond it: the mean is carried by rare long steps.")
    return lines
