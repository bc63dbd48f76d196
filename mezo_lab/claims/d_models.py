"""Section D, as far as it is about means: one z read by forward passes and by differentiation, on a real model. D1, D2.

D3 to D6 are whole trainings, `make accuracy`. These claims run only by name or with `--models`: a draw costs two
forward passes of SmolLM2-135M or more.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Generator, Tensor

from mezo_lab.claims.c_noise import seed_from
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.curvature import (
    gaussian_direction,
    gradient,
    hessian_products,
    inner_product,
    projected_gradients,
    projections,
    second_differences,
    vector_norm,
)
from mezo_lab.finetune import reviews, smollm2, task_loss
from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS

_SHIFTS = 8  # each pg is compared with the zᵀg of this many other seeds
SLOPE_PROBES = 36
NORM_PROBES = 1_650  # pg² has relative s.d. √2; 10 standard errors must stay below 1 − 2/π
CURVATURES = 8  # draws of zᵀHz in both ways, which differ by a hundredth of its size
_CURVATURE_RESOLUTION = 0.02
# the error by the fourth derivative grows as ε², that by float32 rounding falls as 1/ε²; on SmolLM2-135M they meet here
_CURVATURE_EPSILON = 5e-4
_CURVED = "rotten-tomatoes/sentiment"  # with the paper's prompt the untrained model is confidently wrong, and tr H < 0


@cache
def language_model(
    batch: int, short: bool = False, task: str = "rotten-tomatoes"
) -> tuple[list[Tensor], Callable[[], Tensor]]:
    """All parameters of SmolLM2-135M, and its loss on `batch` real reviews (`short` ones, if asked).

    Raises: NotInstalled, with the command to run, where the model or the reviews are missing.
    """
    model, tokenizer = smollm2()
    model.to(torch.get_default_device())  # type: ignore[arg-type]  # transformers wraps Module.to without its types
    parameters: list[Tensor] = list(model.parameters())
    chosen = reviews(seed=0)
    if short:  # past the fragments: a dozen tokens
        chosen = sorted(reviews(), key=lambda review: len(review["text"]))[500:]
    return parameters, task_loss(model, tokenizer, chosen[:batch], task)


@claim(
    "D1",
    "projected-gradient",
    r"\frac{L(\theta+\varepsilon z) - L(\theta-\varepsilon z)}{2\varepsilon} = z^\top g,"
    r" \quad \mathbb{E}[(z^\top g)^2] = \|g\|^2",
    source="paper, Definition 1 and Proposition 1",
    laws=["gaussian", "rademacher"],
    default=grid(batch=[16], measure=["slope"]),
    fast=grid(batch=[16], measure=["slope"]),
    full=grid(batch=[16], measure=["slope"]) + grid(batch=[2], measure=["norm"]),
    suits=lambda law, p: law.name == {"slope": "gaussian", "norm": "rademacher"}[p["measure"]],
    real=True,
)
def projected_gradient_of_a_language_model(law, batch, measure):
    # hundreds of probes are affordable on short texts only
    parameters, loss = language_model(batch, short=measure == "norm")
    return {"slope": slope, "norm": _mean_square}[measure](law, parameters, loss, gradient(parameters, loss))


def slope(law, parameters, loss, g) -> Experiment:
    """Slope of pg on zᵀg; the control compares the same pg with the zᵀg of other seeds, where the slope is 0."""
    chunks: list[tuple[Tensor, Tensor]] = []  # (pg, zᵀg) of each chunk, divided by ‖g‖
    norm = vector_norm(g)

    def draw(count: int, generator: Generator) -> Tensor:
        z = {"count": count, "law": law.name, "seed": seed_from(generator)}
        pg = projected_gradients(parameters, loss, **z) / norm
        along = projections(parameters, g, **z) / norm
        chunks.append((pg, along))
        return 1 + (pg - along) * along  # its mean is E[pg·zᵀg]/E[(zᵀg)²], as E[(zᵀg)²] = ‖g‖²

    def mismatched() -> Iterator[Tensor]:
        pg, along = (torch.cat(parts) for parts in zip(*chunks, strict=True))
        yield from torch.cat([pg * along.roll(shift) for shift in range(1, _SHIFTS + 1)])

    products = cache(mismatched)
    return _experiment(
        draw,
        draws=SLOPE_PROBES,
        probes_per_chunk=4,
        decoys=(
            Decoy(
                "zᵀg of another seed",
                draw=lambda count, rng: torch.stack([next(products()) for _ in range(count)]),
                count=lambda draws: _SHIFTS * draws,
            ),
        ),
    )


def _mean_square(law, parameters, loss, g) -> Experiment:
    """The mean of pg² over ‖g‖²; the squared mean of abs(pg) would give 2/π."""
    norm = vector_norm(g)

    def draw(count: int, generator: Generator) -> Tensor:
        pg = projected_gradients(parameters, loss, count=count, law=law.name, seed=seed_from(generator))
        return (pg / norm).square()

    return _experiment(
        draw, draws=NORM_PROBES, probes_per_chunk=50, resolution=1 - 2 / math.pi, decoys=(Decoy("2/pi"),)
    )


@claim(
    "D2",
    "curvature-of-a-model",
    r"\frac{L(\theta+\varepsilon z) - 2L(\theta) + L(\theta-\varepsilon z)}{\varepsilon^2} = z^\top H z,"
    r" \quad \mathbb{E}[z^\top H z] = \operatorname{tr} H",
    source="Hutchinson (1989); what the largest stable learning rate is predicted from",
    laws=["gaussian"],
    default=grid(batch=[16]),
    fast=grid(batch=[16]),
    real=True,
)
def curvature_of_a_language_model(law, batch) -> Experiment:
    """Slope of the second differences on zᵀHz, which Hessian-vector products give."""
    parameters, loss = language_model(batch, task=_CURVED)

    def draw(count: int, generator: Generator) -> Tensor:
        seed = seed_from(generator)
        differences = second_differences(parameters, loss, draws=count, epsilon=_CURVATURE_EPSILON, seed=seed)
        product = hessian_products(parameters, loss)  # afresh, as the parameters were moved and put back
        exact = torch.empty(count, dtype=torch.float64, device="cpu")
        for k in range(count):
            z = list(gaussian_direction(parameters, seed, k))
            exact[k] = inner_product(z, product(z))
        return 1 + (differences - exact) * exact / exact.square().mean()

    return _experiment(
        draw,
        draws=CURVATURES,
        probes_per_chunk=CURVATURES,
        resolution=_CURVATURE_RESOLUTION,
        decoys=(Decoy("1/2"), Decoy("2")),
    )


def _experiment(draw, *, probes_per_chunk: int, **more) -> Experiment:
    numbers = CHUNK_NUMBERS // probes_per_chunk  # a chunk ends with a report of progress, and costs a copy of θ
    return Experiment(
        expected=1.0, draw=draw, numbers_per_draw=numbers, symbols={"pi": math.pi, "e": math.e}, formula="1", **more
    )
