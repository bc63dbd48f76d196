"""Section C, second part: what rounding does to the weights and to the projected gradient of `MeZO`. C4 and C7."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab.claims.c_noise import seed_from
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import symbols_of, unit_gradient
from mezo_lab.claims.sentences import paper
from mezo_lab.optim import MeZO
from mezo_lab.sampling import Cubic, Draws, Law
from mezo_lab.theory import Expression

_NUMBERS = 4  # per weight, so that 65,536 of them make a run
DEVIATION = 0.02  # of the weights of a language model
_EPSILON = 1e-3  # the paper's
# εz must be several ulp, and its own last digit in float32 far below one
_LEAST = {torch.bfloat16: 2.0**-6, torch.float16: 2.0**-6, torch.float32: 1.0}


@claim(
    "C4",
    "restore",
    r"\theta \to \theta + \varepsilon z \to \theta - \varepsilon z \to \theta, \ K \ \mathrm{times:}"
    r" \quad \mathrm{exact\ mode:}\ \mathrm{Pr}[\theta_K = \theta_0] = 1,"
    r" \quad \mathrm{plain:}\ \mathbb{E}(\theta_K - \theta_0)^2 = \frac{K}{2}\,\mathrm{ulp}^2",
    source="paper, Algorithm 1; derived",
    laws=["gaussian"],
    default=grid(measure=["exact"], dtype=["bfloat16", "float16", "float32"], cycles=[4])
    + grid(measure=["drift"], dtype=["bfloat16", "float16", "float32"], cycles=[16]),
    fast=grid(measure=["exact"], dtype=["bfloat16", "float32"], cycles=[2])
    + grid(measure=["drift"], dtype=["bfloat16", "float32"], cycles=[4]),
    full=grid(measure=["exact"], dtype=["bfloat16", "float16", "float32"], cycles=[16])
    + grid(measure=["drift"], dtype=["bfloat16", "float16", "float32"], cycles=[1, 16, 64]),
    published=[paper.RESET_BEFORE_DESCENT],
)
def restore(law, measure, dtype, cycles):
    return {"exact": _unchanged, "drift": _drift}[measure](law, getattr(torch, dtype), cycles)


def _unchanged(law: Law, dtype: torch.dtype, cycles: int) -> Experiment:
    """1 for each weight that is bitwise what it was, else 0."""

    def share(exact: bool) -> Draws:
        def draw(count: int, generator: Generator) -> Tensor:
            start = DEVIATION * torch.randn(count, generator=generator, device=generator.device)
            return (cycled(law, start.to(dtype), cycles, exact, generator) == start.to(dtype)).double()

        return draw

    return Experiment(
        expected=1.0,
        draw=share(exact=True),
        numbers_per_draw=_NUMBERS,
        symbols=symbols_of(law, 1, 1, K=cycles),
        formula="1",
        decoys=(Decoy("the plain mode in this dtype", draw=share(exact=False)),),
        draws=1 << 16,
        share=True,
    )


def _drift(law: Law, dtype: torch.dtype, cycles: int) -> Experiment:
    """(θ_K − θ_0)²/ulp² of each weight, where all have one ulp wherever a probe takes them.

    The first and the last move of a cycle are then rounded by one r(εz), the second by −r(2εz), and 2r(x) − r(2x) is
    0 half of the time, else ±ulp: two moves that round alike, where three independent ones would give ulp²/4.
    """
    least = _LEAST[dtype]

    def draw(count: int, generator: Generator) -> Tensor:
        room = torch.rand(count, generator=generator, device=generator.device)
        start = (least * (1.45 + 0.1 * room)).to(dtype)  # amid [least, 2·least)
        moved = cycled(law, start, cycles, False, generator).double() - start.double()
        return (moved / (least * torch.finfo(dtype).eps)).square()

    return Experiment(
        expected=cycles / 2,
        draw=draw,
        numbers_per_draw=_NUMBERS,
        symbols=symbols_of(law, 1, 1, K=cycles),
        formula="K/2",
        decoys=(Decoy("K/4"), Decoy("K**2/2")),  # three independent roundings; a drift in one direction
        resolution=0.02,
    )


def cycled(law: Law, start: Tensor, cycles: int, exact: bool, generator: Generator) -> Tensor:
    """The weights after steps that see no slope, and so only walk to the probes and back."""
    theta = Parameter(start.clone())
    opt = MeZO([theta], lr=1.0, epsilon=_EPSILON, law=law.name, seed=seed_from(generator), exact=exact)
    for _ in range(cycles):
        opt.step(lambda: 0.0)
    return theta.detach()


_DIM = 256


@claim(
    "C7",
    "rounding",
    r"\sqrt{\mathbb{E}(pg - z^\top g)^2} = \sqrt{\left(\frac{\mathrm{ulp}(L)}{2\varepsilon}\right)^2 \frac{2}{12}"
    r" + (T\varepsilon^2)^2}, \quad \mathrm{least\ at}\ \varepsilon^* ="
    r" \left(\frac{\mathrm{ulp}(L)}{4\sqrt{3}\,T}\right)^{1/3}",
    source="derived",
    laws=["gaussian"],
    # a U for each dtype: with T = 1, ε* is 0.0033 in float32 and 0.13 in bfloat16
    default=grid(dtype=["float32"], epsilon=[1e-4, 1e-3, 3e-3, 1e-2])
    + grid(dtype=["bfloat16"], epsilon=[0.03, 0.1, 0.3]),
    fast=grid(dtype=["float32"], epsilon=[1e-3, 1e-2]),
    full=grid(dtype=["float32"], epsilon=[1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 1e-1])
    + grid(dtype=["bfloat16"], epsilon=[0.03, 0.06, 0.1, 0.2, 0.3, 0.5]),
)
def rounding(law, dtype, epsilon):
    third = 6 / 15**0.5 * torch.full((_DIM,), _DIM**-0.5, dtype=torch.float64)  # T² = Σa_i²/36·E z⁶ = 1
    ulp = 2 * torch.finfo(getattr(torch, dtype)).eps  # of losses between 2 and 4
    if epsilon < ulp / 4:
        raise ValueError(
            f"`epsilon` must be at least {ulp / 4:.2g} with {dtype}, got {epsilon:.2g}: below it the losses of the two "
            "sides mostly round to the same number; raise it, or choose another dtype by --set dtype=float32."
        )
    expected = math.hypot(ulp / (2 * epsilon) * (2 / 12) ** 0.5, epsilon**2)
    symbols = symbols_of(law, _DIM, 1, eps=epsilon, ulp=ulp, T=1.0)
    one_sided = (Decoy("T*eps**2"), Decoy("ulp/(2*eps)*(2/12)**0.5"))  # each is right on its side of the U
    apart = (decoy for decoy in one_sided if abs(Expression(decoy.statement)(symbols) - expected) > expected / 3)
    return Experiment(
        expected=expected,
        draw=_square_errors(law, Cubic(third, slope=unit_gradient(_DIM)), getattr(torch, dtype), epsilon),
        numbers_per_draw=512,
        symbols=symbols,
        formula="((ulp/(2*eps))**2*2/12 + T**2*eps**4)**0.5",
        decoys=(*apart, Decoy("ulp*(2/12)**0.5")),
        transform=math.sqrt,
        draws=250,
        resolution=0.6,
    )


def _square_errors(law: Law, loss: Cubic, dtype: torch.dtype, epsilon: float) -> Draws:
    """(pg − zᵀg)² of steps that hardly move from θ = 0, with a loss in `dtype`."""

    def draw(count: int, generator: Generator) -> Tensor:
        theta = torch.zeros(_DIM, dtype=torch.float64)
        seed = seed_from(generator)
        opt = MeZO(
            [Parameter(theta)], lr=1e-30, epsilon=epsilon, law=law.name, seed=seed, fused=True, check_closure=False
        )
        offsets = 3 + torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64) / 8
        return torch.stack([error(opt, theta, offset) for offset in offsets]).square()

    def error(opt: MeZO, theta: Tensor, offset: Tensor) -> Tensor:
        along: list[Tensor] = []

        def closure() -> Tensor:
            along.append(theta @ loss.slope / epsilon)
            return (offset + loss(theta)).to(dtype).float()  # the optimizer warns of a loss of 8 bits

        opt.step(closure)
        return opt.history[-1].projected[0] - along[0]

    return draw
