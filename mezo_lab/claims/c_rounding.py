"""Section C, third part: what rounding does to the weights and to the projected gradient of `MeZO`. C4 and C7."""

import math
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab.claims.c_noise import noise_settings, seed_from
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import symbols_of, unit_gradient
from mezo_lab.claims.sentences import paper
from mezo_lab.optim import MeZO
from mezo_lab.sampling import Cubic, Draws, Law
from mezo_lab.theory import Expression

_NUMBERS = 4  # per weight, so that 65,536 of them make a run
DEVIATION = 0.02  # of the weights of a language model
_EPSILON = 1e-3  # the paper's
_PROBES = {"two-sided": 1, "population": 4}
_BOTH = list(_PROBES)
_ROWS = 256  # of a matrix of weights, at most
# εz must be several ulp, and its own last digit in float32 far below one
_LEAST = {torch.bfloat16: 2.0**-6, torch.float16: 2.0**-6, torch.float32: 1.0}


@claim(
    "C4",
    "restore",
    r"\theta \to \theta + \varepsilon z \to \theta - \varepsilon z \to \theta, \ K \ \mathrm{times:}"
    r" \quad \mathrm{exact\ mode:}\ \mathrm{Pr}[\theta_K = \theta_0] = 1,"
    r" \quad \mathrm{plain:}\ \mathbb{E}(\theta_K - \theta_0)^2 = \frac{K}{2}\,\mathrm{ulp}^2;"
    r" \quad \mathrm{a\ population,}\ \theta \to \theta + \varepsilon z_1 \to \dots \to"
    r" \theta + \varepsilon z_n \to \theta\mathrm{:}\ \frac{n+1}{12}\,K\,\mathrm{ulp}^2",
    source="paper, Algorithm 1; derived",
    laws=["gaussian", "low-rank"],
    default=grid(measure=["exact"], estimator=_BOTH, dtype=["bfloat16", "float16", "float32"], cycles=[4])
    + grid(measure=["drift"], estimator=_BOTH, dtype=["bfloat16", "float16", "float32"], cycles=[16]),
    fast=grid(measure=["exact"], estimator=_BOTH, dtype=["bfloat16", "float32"], cycles=[2])
    + grid(measure=["drift"], estimator=_BOTH, dtype=["bfloat16", "float32"], cycles=[4]),
    full=grid(measure=["exact"], estimator=_BOTH, dtype=["bfloat16", "float16", "float32"], cycles=[16])
    + grid(measure=["drift"], estimator=_BOTH, dtype=["bfloat16", "float16", "float32"], cycles=[1, 16, 64]),
    suits=lambda law, p: p["measure"] == "exact" or _drifts(law, p["estimator"], p["dtype"]),
    published=[paper.RESET_BEFORE_DESCENT],
)
def restore(law, measure, dtype, cycles, estimator="two-sided"):
    """Assumes: for the drift of the plain mode, rounding to nearest, and εz spread evenly over many ulp of the weights.

    The exact mode assumes neither.
    """
    build = {"exact": _unchanged, "drift": _drift}[measure]
    return build(law, estimator, getattr(torch, dtype), cycles)


def _drifts(law: Law, estimator: str, dtype: str) -> bool:
    """Whether the formula of the drift holds.

    It asks for εz spread evenly over many ulp, and the products of a low-rank z gather at 0 (2 % less drift in
    bfloat16). In float32 a move of a population from one point to the next is rounded twice, once for each z, and each
    rounding is taken back by its own opposite: nothing drifts but where a weight crosses a power of two.
    """
    return law.name == "gaussian" and (estimator, dtype) != ("population", "float32")


def _unchanged(law: Law, estimator: str, dtype: torch.dtype, cycles: int) -> Experiment:
    """1 for each weight that is bitwise what it was, else 0."""

    def share(exact: bool) -> Draws:
        def draw(count: int, generator: Generator) -> Tensor:
            start = DEVIATION * torch.randn(count, generator=generator, device=generator.device)
            moved = cycled(law, start.to(dtype), cycles, exact, generator, estimator)
            return (moved == start.to(dtype)).double()

        return draw

    return Experiment(
        expected=1.0,
        draw=share(exact=True),
        numbers_per_draw=_NUMBERS,
        symbols=symbols_of(law, 1, _PROBES[estimator], K=cycles),
        formula="1",
        decoys=(Decoy("the plain mode in this dtype", draw=share(exact=False)),),
        draws=1 << 16,
        share=True,
    )


def _drift(law: Law, estimator: str, dtype: torch.dtype, cycles: int) -> Experiment:
    """(θ_K − θ_0)²/ulp² of each weight, where all have one ulp wherever a probe takes them.

    The first and the last move of a cycle are then rounded by one r(εz), the second by −r(2εz), and 2r(x) − r(2x) is
    0 half of the time, else ±ulp: two moves that round alike, where three independent ones would give ulp²/4.

    The n + 1 moves of a population are rounded by r(εz_1), r(εz_2 − εz_1), …, −r(εz_n), any two of which are
    independent: each adds ulp²/12.
    """
    if not _drifts(law, estimator, str(dtype).removeprefix("torch.")):
        raise ValueError(
            "`measure` must not be drift with the low-rank law, nor with a population in float32, got "
            f"{law.name}, {estimator}, {dtype}: their roundings are not spread evenly; take --set measure=exact."
        )
    probes = _PROBES[estimator]
    least = _LEAST[dtype]

    def draw(count: int, generator: Generator) -> Tensor:
        room = torch.rand(count, generator=generator, device=generator.device)
        start = (least * (1.45 + 0.1 * room)).to(dtype)  # amid [least, 2·least)
        moved = cycled(law, start, cycles, False, generator, estimator).double() - start.double()
        return (moved / (least * torch.finfo(dtype).eps)).square()

    expected = cycles / 2
    formula = "K/2"
    decoys = ("K/4", "K**2/2")  # three independent roundings; a drift in one direction
    if estimator == "population":
        expected = cycles * (probes + 1) / 12
        formula = "K*(n+1)/12"
        decoys = ("K*n/2", "K*n/12", "(K*(n+1))**2/12")  # a two-sided walk for each; no way back; in one direction
    return Experiment(
        expected=expected,
        draw=draw,
        numbers_per_draw=_NUMBERS,
        symbols=symbols_of(law, 1, probes, K=cycles),
        formula=formula,
        decoys=tuple(map(Decoy, decoys)),
        resolution=0.02,
    )


def cycled(
    law: Law, start: Tensor, cycles: int, exact: bool, generator: Generator, estimator: str = "two-sided"
) -> Tensor:
    """The weights after steps that see no slope, and so only walk to the probes and back. Args: start: (d,)."""
    theta = start.clone()
    if law.name == "low-rank":
        theta = theta.view(math.gcd(len(start), _ROWS), -1)  # a vector's z would be Gaussian
    settings: dict[str, Any] = {"estimator": estimator, "probes": _PROBES[estimator]} | noise_settings(
        law, seed_from(generator)
    )
    opt = MeZO([parameter := Parameter(theta)], lr=1.0, epsilon=_EPSILON, exact=exact, **settings)
    for _ in range(cycles):
        opt.step(lambda: 0.0)
    return parameter.detach().flatten()


_DIM = 256


@claim(
    "C7",
    "rounding",
    r"\sqrt{\mathbb{E}(pg - z^\top g)^2} = \sqrt{\left(\frac{\mathrm{ulp}(L)}{2\varepsilon}\right)^2 \frac{2}{12}"
    r" + (T\varepsilon^2)^2}, \quad \mathrm{least\ at}\ \varepsilon^* ="
    r" \left(\frac{\mathrm{ulp}(L)}{4\sqrt{3}\,T}\right)^{1/3};"
    r" \quad \mathrm{a\ population\ with\ leave{-}one{-}out,}\ H = 0\mathrm{:}"
    r" \sqrt{\frac{n}{n-1}\left(\frac{1}{12}\left(\frac{\mathrm{ulp}(L)}{\varepsilon}\right)^2"
    r" + (T\varepsilon^2)^2\right)}",
    source="derived",
    laws=["gaussian"],  # the law enters by T alone
    # a U for each dtype: with T = 1, ε* is 0.0033 in float32 and 0.13 in bfloat16
    default=grid(estimator=["two-sided"], dtype=["float32"], epsilon=[1e-4, 1e-3, 3e-3, 1e-2])
    + grid(estimator=["two-sided"], dtype=["bfloat16"], epsilon=[0.03, 0.1, 0.3])
    + grid(estimator=["population"], dtype=["float32"], epsilon=[1e-4, 1e-3, 3e-3, 1e-2]),
    fast=grid(estimator=["two-sided", "population"], dtype=["float32"], epsilon=[1e-3, 1e-2]),
    full=grid(estimator=["two-sided", "population"], dtype=["float32"], epsilon=[1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 1e-1])
    + grid(estimator=["two-sided", "population"], dtype=["bfloat16"], epsilon=[0.03, 0.06, 0.1, 0.2, 0.3, 0.5]),
)
def rounding(law, dtype, epsilon, estimator="two-sided"):
    """The losses of a population lie on one side of θ: where H is not 0, they are curved as in claim A8 besides.

    Assumes: losses that are rounded to nearest and spread over many ulp, and that are cubic along the probe.
    """
    third = 6 / 15**0.5 * torch.full((_DIM,), _DIM**-0.5, dtype=torch.float64)  # T² = Σa_i²/36·E z⁶ = 1
    ulp = 2 * torch.finfo(getattr(torch, dtype)).eps  # of losses between 2 and 4
    if epsilon < ulp / 4:
        raise ValueError(
            f"`epsilon` must be at least {ulp / 4:.2g} with {dtype}, got {epsilon:.2g}: below it the losses of the two "
            "sides mostly round to the same number; raise it, or choose another dtype by --set dtype=float32."
        )
    probes = _PROBES[estimator]
    expected = math.hypot(ulp / (2 * epsilon) * (2 / 12) ** 0.5, epsilon**2)
    formula = "((ulp/(2*eps))**2*2/12 + T**2*eps**4)**0.5"
    # each is right on its side of the U
    one_sided = ("T*eps**2", "ulp/(2*eps)*(2/12)**0.5")
    always: tuple[str, ...] = ("ulp*(2/12)**0.5",)
    if estimator == "population":  # each loss less the mean of n − 1 others, over ε: n/(n−1) of its variance
        expected = math.hypot(ulp / epsilon * (1 / 12) ** 0.5, epsilon**2) * (probes / (probes - 1)) ** 0.5
        formula = "(n/(n-1)*((ulp/eps)**2/12 + T**2*eps**4))**0.5"
        one_sided = ("(n/(n-1))**0.5*T*eps**2", "(n/(n-1)/12)**0.5*ulp/eps")
        always = ("(n/(n-1)*((ulp/(2*eps))**2/12 + T**2*eps**4/4))**0.5",)  # divided by 2ε, as with two sides
    symbols = symbols_of(law, _DIM, probes, eps=epsilon, ulp=ulp, T=1.0)
    apart = (text for text in one_sided if abs(Expression(text)(symbols) - expected) > expected / 3)
    return Experiment(
        expected=expected,
        draw=_square_errors(law, estimator, Cubic(third, slope=unit_gradient(_DIM)), getattr(torch, dtype), epsilon),
        numbers_per_draw=512,
        symbols=symbols,
        formula=formula,
        decoys=tuple(map(Decoy, (*apart, *always))),
        transform=math.sqrt,
        draws=250,
        resolution=0.6,
    )


def _square_errors(law: Law, estimator: str, loss: Cubic, dtype: torch.dtype, epsilon: float) -> Draws:
    """(pg − zᵀg)² of steps that hardly move from θ = 0, with a loss in `dtype`, by the first probe of each.

    A population's zᵀg is relative to the mean of the others, as its pg is.
    """
    kinds: dict[str, Any] = {"estimator": estimator, "probes": _PROBES[estimator]}
    if estimator == "population":
        kinds["baseline"] = "leave-one-out"

    def draw(count: int, generator: Generator) -> Tensor:
        theta = torch.zeros(_DIM, dtype=torch.float64)
        settings = kinds | noise_settings(law, seed_from(generator))
        opt = MeZO([Parameter(theta)], lr=1e-30, epsilon=epsilon, fused=True, check_closure=False, **settings)
        offsets = 3 + torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64) / 8
        return torch.stack([error(opt, theta, offset) for offset in offsets]).square()

    def error(opt: MeZO, theta: Tensor, offset: Tensor) -> Tensor:
        along: list[Tensor] = []

        def closure() -> Tensor:
            along.append(theta @ loss.slope / epsilon)
            return (offset + loss(theta)).to(dtype).float()  # the optimizer warns of a loss of 8 bits

        opt.step(closure)
        slope = along[0]
        if estimator == "population":
            slope = slope - torch.stack(along[1:]).mean()
        return opt.history[-1].projected[0] - slope

    return draw
