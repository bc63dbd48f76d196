"""`mezo-lab lr`: the largest stable learning rate, predicted from measured curvature, and where MeZO diverges."""

import argparse
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from mezo_lab.cli.limits import at_least
from mezo_lab.directions import Law, Orthogonal, law_named
from mezo_lab.stability import SPECTRA, Divergence, StableStep, bowl, divergence, predict, spectrum
from mezo_lab.stability.divergence import steps_for
from mezo_lab.theory import Moments

MODELS = ("smollm2-135m",)
# with the paper's "It was terrible/great" the untrained model is worse than chance, and tr H is negative
TASK = "rotten-tomatoes/sentiment"
PRECISION = 0.02  # relative standard error to which --measure finds the divergence
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


def add_to(commands) -> None:
    lr = commands.add_parser("lr", help="predict the largest stable learning rate from the curvature")
    lr.add_argument("--dim", type=int, metavar="D", help="dimension of a built-in quadratic (default 1,000,000)")
    lr.add_argument("--spectrum", metavar="S", help=f"its eigenvalues: {', '.join(SPECTRA)} (default flat)")
    lr.add_argument("--rank", type=int, metavar="R", help="how many, if flat; how fast they fall, if exponential")
    lr.add_argument("--measure", action="store_true", help="run MeZO on it until it is known where it diverges")
    lr.add_argument("--model", metavar="M", help=f"a real language model in place of a quadratic: {MODELS[0]}")
    lr.add_argument("--batch", type=int, metavar="B", help="real film reviews in its loss (default 16)")
    lr.add_argument("--probes", type=int, default=1, metavar="N", help="probes per step n (default 1)")
    lr.add_argument("--law", default="gaussian", metavar="L", help="the law of z (default gaussian)")
    lr.add_argument("--draws", type=int, metavar="N", help="directions for tr H (default 400; 24 on a model)")
    lr.add_argument("--seed", type=int, default=0, metavar="S", help="which random words (default 0)")
    lr.set_defaults(run=run_lr)


def run_lr(options: argparse.Namespace) -> int:
    from mezo_lab.report.progress import Progress  # rich loads here, not for `doctor`

    law = validate(options)
    bed = model_bed(options, law) if options.model else quadratic_bed(options, law)
    with Progress(total=3 if options.measure else 2) as progress:

        def watch(part: str):
            progress.begin(part)
            return progress.update

        found = predict(
            bed.parameters,
            bed.loss,
            probes=options.probes,
            moments=bed.moments,
            draws=options.draws or bed.draws,
            products=bed.products,
            tolerance=bed.tolerance,
            seed=options.seed,
            progress=watch,
        )
        edge = measured(bed, found, options, watch("MeZO")) if options.measure else None
    print(f"{bed.name}; {law.name} law, n = {options.probes}")
    print("\n".join(told(found, edge)))
    return 0


def validate(options: argparse.Namespace) -> Law:
    at_least(options, dim=1, rank=1, probes=1, batch=1, draws=2, seed=0)
    law = law_named(options.law)
    if options.model is None:
        if options.batch is not None:
            raise ValueError("--batch belongs to a model, and a quadratic has no reviews: add --model smollm2-135m.")
        if isinstance(law, Orthogonal):
            law.fits(options.probes, options.dim or 1_000_000)
        return law
    if options.model not in MODELS:
        raise ValueError(f"--model must be {', '.join(MODELS)}, got {options.model!r}.")
    if options.measure or options.dim or options.spectrum or options.rank:
        raise ValueError("--measure, --dim, --spectrum and --rank belong to a quadratic: leave them out, or --model.")
    return law


def quadratic_bed(options: argparse.Namespace, law: Law) -> Bed:
    dim, name = options.dim or 1_000_000, options.spectrum or "flat"
    eigenvalues = spectrum(name, dim, options.rank)
    theta, loss = bowl(eigenvalues, options.seed)
    # the eigenvectors are the coordinates, so the law's coincidences count
    return Bed(f"{name} quadratic, d = {dim:,}", [theta], loss, law.moments(dim), eigenvalues, 400, 100, 1e-2)


def model_bed(options: argparse.Namespace, law: Law) -> Bed:
    from mezo_lab.finetune import reviews, smollm2, task_loss

    batch = options.batch or 16
    model, tokenizer = smollm2()
    parameters: list[Tensor] = list(model.parameters())
    loss = task_loss(model, tokenizer, reviews(seed=options.seed)[:batch], TASK)
    dim = sum(parameter.numel() for parameter in parameters)
    moments = law.moments(dim)._replace(coincidence=0)  # the eigenvectors are spread over the coordinates
    return Bed(f"{options.model}, d = {dim:,}, {batch} reviews", parameters, loss, moments, None, 24, 20, 0.05)


def measured(bed: Bed, found: StableStep, options: argparse.Namespace, progress) -> Divergence:
    """Where MeZO diverges, in a number of steps that is fixed beforehand."""
    assert bed.eigenvalues is not None
    steps = steps_for(PRECISION, found.trace.mean, found.trace_sq.mean)
    kinds = {"probes": options.probes, "law": options.law, "seed": options.seed}
    return divergence(bed.eigenvalues, found.lr, **kinds, steps=steps, progress=progress)


def told(found: StableStep, edge: Divergence | None) -> list[str]:
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
    if rank.mean < FEW:
        lines.append(f"As r < {FEW}, a single run may stay stable beyond it: the mean is carried by rare long steps.")
    return lines
