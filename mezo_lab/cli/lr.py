"""`mezo-lab lr`: the largest stable learning rate, predicted from measured curvature, and where MeZO diverges."""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mezo_lab.cli.config_options import add_config_options, check_effect, given_fields
from mezo_lab.cli.options import check_minimum, integer
from mezo_lab.curvature import (
    SPECTRA,
    Divergence,
    StableLearningRate,
    bowl,
    divergence,
    gaussian_direction,
    growth_passes,
    predict_stable_lr,
    prediction_passes,
    spectrum,
    steps_for,
)
from mezo_lab.finetune.config import RunConfig
from mezo_lab.optim.rules import Momentum
from mezo_lab.sampling import Law, Orthogonal, Progress, law_named
from mezo_lab.theory import Moments, rotation_average

# the curvature where a run begins does not depend on what comes afterwards
_LEFT_OUT = (
    *("method", "objective", "steps", "micro_batches", "lr", "schedule", "weight_decay", "every", "tensorboard"),
    *("estimator", "baseline", "shaping"),
)
_QUADRATIC = ("probes", "law", "rule", "seed", "rank")  # the fields of a configuration that a quadratic has a use for
# with the paper's "It was terrible/great" the untrained model is worse than chance, and tr H is negative
TASK = "rotten-tomatoes/sentiment"
PRECISION = 0.02  # relative standard error to which --measure finds the divergence
DRAWS = 24  # directions for tr H of a model
PRODUCTS = 20  # Hessian-vector products for λ_max of a model, at most
_RUNS = 4  # of MeZO, which find where it diverges; more where the first two do not lie on either side of it
_SHORT = 0.1  # seconds of a forward pass, below which a trial makes two
_LOW_RANK = 10  # effective rank below which a single run outlives the mean by more than a tenth


class _Problem(NamedTuple):
    """A loss whose curvature is measured, and how finely."""

    name: str
    parameters: list[Tensor]
    loss: Callable[[], Tensor]
    moments: Moments
    eigenvalues: Tensor | None
    """Of a quadratic."""
    draws: int
    """Directions for tr H."""
    products: int
    """Hessian-vector products for λ_max, at most."""
    tolerance: float
    """Relative error of λ_max."""
    memory: str
    """What the measurement holds."""
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
    add_config_options(
        command,
        leave_out=_LEFT_OUT,
        help_texts={
            "model": "language model in place of a quadratic: smollm2-135m, a folder that save_pretrained wrote, or a "
            "name on the hub; the options below are those of `finetune`",
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
    command.set_defaults(run=_run, probes=1, law="gaussian", rule="sgd", seed=0)


def _run(options: argparse.Namespace) -> int:
    law = _check_options(options)
    beta = _beta(options)
    problem = _model_problem(options, law) if options.model else _quadratic_problem(options, law)
    prediction = _prediction(problem, beta, options)
    edge = _measured_edge(problem, prediction, options) if options.measure else None
    setting = f"{problem.name}; {law.name} law, n = {options.probes}"
    if beta:
        setting += f", momentum {beta:g}"
    print(setting)
    print("\n".join(_lines(prediction, edge)))
    return 0


def _prediction(problem: _Problem, beta: float, options: argparse.Namespace) -> StableLearningRate:
    """The measurement, after a line that says how long it may take."""
    from mezo_lab.report.progress import Progress  # rich loads here, not for `doctor`

    draws = options.draws or problem.draws
    print(problem.memory, flush=True)
    with Progress(total=1, noun="measurement", seconds=[_seconds(problem, draws)], at_most=True) as progress:
        progress.begin("forward passes")
        return predict_stable_lr(
            problem.parameters,
            problem.loss,
            probes=options.probes,
            moments=problem.moments,
            beta=beta,
            draws=draws,
            products=problem.products,
            tolerance=problem.tolerance,
            epsilon=problem.epsilon,
            seed=options.seed,
            progress=_pass_progress(draws, problem.products, progress.update),
        )


def _print_cost(draws: int, products: int, subject: str) -> None:
    """The passes of the measurement, said before anything is loaded."""
    planned = prediction_passes(draws, products)
    work = f"{planned.forward:,} forward passes {subject}, 1 backward pass, at most {products} Hessian-vector products"
    print(f"to measure tr H and λ_max: {work}, as long as {planned.equivalent:,} forward passes", flush=True)


def _seconds(problem: _Problem, draws: int) -> float:
    """About how long the measurement takes at most, by a trial: a forward pass, or two of a small loss, and one z."""
    one_pass = _seconds_of_pass(problem.loss)
    if one_pass < _SHORT:  # the first one also sets up what it uses
        one_pass = _seconds_of_pass(problem.loss)
    began = time.perf_counter()
    for _ in gaussian_direction(problem.parameters, 0, 0):
        pass
    one_z = time.perf_counter() - began
    # to displace the weights twice takes about as long as to draw their z
    return prediction_passes(draws, problem.products).equivalent * one_pass + 2 * draws * one_z


def _seconds_of_pass(loss: Callable[[], Tensor]) -> float:
    began = time.perf_counter()
    with torch.no_grad():
        loss()
    return time.perf_counter() - began


def _pass_progress(draws: int, products: int, update: Progress) -> Callable[[str], Progress]:
    """The progress of both parts of a prediction, in forward passes."""
    total = prediction_passes(draws, products).equivalent
    first = prediction_passes(draws, 0).equivalent

    def part(name: str) -> Progress:
        if name == "tr H":
            return lambda done, _: update(2 * done + 1, total)
        return lambda done, _: update(first + (total - first) * done // products, total)

    return part


def _check_options(options: argparse.Namespace) -> Law:
    """The law of z. Raises: ValueError for options that do not fit one another."""
    check_minimum(options, dim=1, rank=1, probes=1, batch=1, draws=2, seed=0)
    if options.law == "low-rank":
        raise ValueError(
            "--law low-rank has a limit that depends on each matrix, and not on three numbers of the curvature alone: "
            "give gaussian, which it approaches as its rank grows, and begin below that limit."
        )
    law = law_named(options.law)
    if options.model is None:
        if of_models := sorted(set(given_fields(options)) - set(_QUADRATIC)):
            option = of_models[0].replace("_", "-")
            raise ValueError(f"--{option} belongs to a model, and a quadratic has none: add --model smollm2-135m.")
        if isinstance(law, Orthogonal):
            law.fits(options.probes, options.dim or 1_000_000)
        return law
    if options.measure or options.dim or options.spectrum:
        raise ValueError("--measure, --dim and --spectrum belong to a quadratic: leave them out, or --model.")
    return law


def _beta(options: argparse.Namespace) -> float:
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
    if options.beta is None:
        return Momentum().beta
    return Momentum(options.beta).beta


def _quadratic_problem(options: argparse.Namespace, law: Law) -> _Problem:
    dim = options.dim or 1_000_000
    name = options.spectrum or "flat"
    eigenvalues = spectrum(name, dim, options.rank)
    theta, loss = bowl(eigenvalues, options.seed)
    # the eigenvectors are the coordinates, so the law's coincidences count
    moments = law.moments(dim)
    draws, products = 400, 100
    _print_cost(options.draws or draws, products, f"of {dim:,} eigenvalues")
    name = f"{name} quadratic, d = {dim:,}"
    return _Problem(name, [theta], loss, moments, eigenvalues, draws, products, 1e-2, _memory_line(dim, "float64"))


def _model_problem(options: argparse.Namespace, law: Law) -> _Problem:
    """The loss that `mezo-lab finetune` with the same options begins with, on one batch of its training examples."""
    given = given_fields(options)
    values: dict[str, Any] = {"task": TASK, **given}
    config = RunConfig(**values)
    check_effect(config, given)
    config = config.resolve()
    _print_cost(options.draws or DRAWS, PRODUCTS, f"of at most {config.batch} examples")
    # transformers loads here, seconds after which the first line would come
    from mezo_lab.finetune.prepare import build_model, prepare_run
    from mezo_lab.finetune.training.objectives import batch_loss

    context = prepare_run(config)
    examples = context.examples[: config.batch]
    # whatever dtype a run has, its curvature is that of the weights: a rounded loss would hide it
    model = build_model(context).float()
    parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    dim = sum(parameter.numel() for parameter in parameters)
    if isinstance(law, Orthogonal):
        law.fits(config.probes, dim)
    moments = rotation_average(dim, law.moments(dim))  # the eigenvectors are spread over the coordinates
    name = config.model
    if config.tuning != "full":
        name += f", {config.tuning}"
    name += f", d = {dim:,}, {len(examples)} examples of {context.task.name}"
    loss = batch_loss(model, context.encoder, examples)
    memory = _memory_line(dim, "float32", f"the graph of a gradient of {len(examples)} examples, and ")
    return _Problem(name, parameters, loss, moments, None, DRAWS, PRODUCTS, 0.05, memory, config.epsilon)


def _measured_edge(problem: _Problem, prediction: StableLearningRate, options: argparse.Namespace) -> Divergence:
    """The learning rate at which MeZO diverges, in a number of steps that is fixed beforehand."""
    from mezo_lab.report.progress import Progress

    assert problem.eigenvalues is not None
    steps = steps_for(PRECISION, prediction.trace.mean, prediction.trace_sq.mean)
    passes = growth_passes(steps, options.probes).forward
    print(f"to measure where MeZO diverges: {_RUNS} runs or more, of {passes:,} forward passes each", flush=True)
    with Progress(total=_RUNS, noun="run") as progress:
        planned = iter(range(_RUNS))

        def watch(stretch: int, stretches: int) -> None:
            if stretch == 1 and next(planned, None) is not None:  # runs beyond those count as a part of the last one
                progress.begin("run of MeZO")
            progress.update(stretch, stretches)

        return divergence(
            problem.eigenvalues,
            prediction.lr,
            probes=options.probes,
            law=options.law,
            seed=options.seed,
            steps=steps,
            progress=watch,
        )


def _lines(prediction: StableLearningRate, edge: Divergence | None) -> list[str]:
    """The numbers, one a line."""
    lines = [
        f"tr H                {prediction.trace}  ({prediction.trace.count:,} draws, forward passes only)",
        f"tr H²               {prediction.trace_sq}",
        f"λ_max               {prediction.norm}",
        f"effective rank r    {prediction.effective_rank}",
        f"largest stable lr   {prediction}",
    ]
    if edge is not None:
        runs = f"{len(edge.trials)} runs of MeZO, {edge.steps:,} steps each"
        lines.append(f"diverges at lr      {edge}  ({runs}); predicted/found = {prediction.lr / edge.lr:.3f}")
    lines.append(f"it took             {_took(prediction, edge)}")
    if prediction.beta:
        lines.append(
            "It is that of MeZO's averaged momentum, m ← βm + (1−β)ĝ. A loop with the heavy ball, m ← βm + ĝ, as in "
            f"torch.optim.SGD, diverges beyond (1−β) times as much, {(1 - prediction.beta) * prediction.lr:.3g}."
        )
    if prediction.effective_rank.mean < _LOW_RANK:
        lines.append(
            f"As r < {_LOW_RANK}, a single run may stay stable beyond it: the mean is carried by rare long steps."
        )
    return lines


def _took(prediction: StableLearningRate, edge: Divergence | None) -> str:
    """The passes that were made, after the trial."""
    text = f"{prediction.passes}, as long as {prediction.passes.equivalent:,} forward passes"
    if edge is not None:
        text += f"; {edge.passes.forward:,} for the runs of MeZO"
    return text


def _memory_line(dim: int, dtype: str, graph: str = "") -> str:
    return f"memory for {graph}four copies of {dim:,} numbers in {dtype}"
