"""A claim: a statement with its source, the laws for which it holds, and an experiment that could refute it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from mezo_lab.claims.decision import Kind, Relation, same_value
from mezo_lab.claims.published import Published
from mezo_lab.sampling import LAWS, Draws, Law
from mezo_lab.theory import Expression
from mezo_lab.validation import nearest

Parameters = dict[str, Any]
Mode = Literal["fast", "default", "full"]
_MOST_DIM = 1 << 53  # beyond it a double cannot tell d from d + 1
_MOST_NUMBERS_PER_DRAW = 1 << 25  # 256 MiB of doubles, and a few times that while they are worked on
# the least and the most that a parameter of this name may be, whatever the claim
_RANGES = {
    "dim": (1, _MOST_DIM),
    "d": (1, _MOST_DIM),
    "rank": (1, _MOST_DIM),
    "r": (1, _MOST_DIM),
    "probes": (1, 1 << 24),
    "n": (1, 1 << 24),
    "batch": (1, 1 << 16),
    "p": (1, _MOST_DIM),
    "q": (1, _MOST_DIM),
    "k": (1, _MOST_DIM),
    "steps": (1, 1_000_000),
    "cycles": (1, 1_000_000),
    "runs": (2, 1_000_000),
    "layouts": (2, 1_000_000),
    "u": (0, _MOST_DIM),
}
EXACT = 1e-13  # an expected value this small is 0 but for rounding, as ‖ĝ − g‖² is for n = d orthogonal probes

SYMBOLS = {
    "d": "dimension",
    "n": "probes per step",
    "r": "effective rank",
    "p": "rows of a matrix of weights",
    "q": "columns of a matrix of weights",
    "k": "rank of a direction",
    "kappa": "kurtosis E[z_i⁴] of an i.i.d. law",
    "c": "E[‖z‖² z zᵀ] = c·I",
    "cross": "E[z zᵀ z′ z′ᵀ] = cross·I for two probes: 1, or 0 when orthogonal",
    "eps": "probe scale ε",
    "B": "batch size",
    "S": "tr Σ, the noise of one example's gradient",
    "g": "‖g‖",
    "g2": "‖g‖²",
    "g1": "first coordinate of g",
    "l1": "‖g‖₁",
    "G2": "E‖ĝ‖²",
    "sigma": "length scale σ of δ = σz",
    "trH": "tr H",
    "trH2": "tr H²",
    "gHg": "gᵀHg",
    "Hgg": "Σ H_ii g_i²",
    "Hii": "H_ii, one entry of the diagonal of H",
    "ell": "smoothness ℓ = ‖H‖",
    "beta": "β of an averaged momentum",
    "eta": "learning rate η",
    "s": "η·ℓ",
    "t": "learning rate in units of 1/(γℓ)",
    "gamma": "γ, the effective-rank factor",
    "mu": "PL constant μ",
    "alpha": "α in tr Σ ≤ α(L − L*)",
    "L0": "L(θ_0) − L*",
    "ug": "uᵀg",
    "vg": "vᵀg",
    "vPg": "vᵀ(GVVᵀ), the part of vᵀg in the kept subspace",
    "share": "‖GVVᵀ‖²/‖G‖², the captured share of the gradient",
    "uv": "uᵀv",
    "uvgg": "Σ u_i v_i g_i²",
    "va": "vᵀ∇(ΔL)",
    "vt": "Σ v_i ∂³L/∂θ_i³",
    "pair": "E[z_i² z_j²] of two coordinates",
    "coincidence": "E[z_i⁴] − 3·E[z_i² z_j²]",
    "vDg": "vᵀD⁻¹g",
    "trD2": "tr D²",
    "Dg2": "‖D⁻¹g‖²",
    "V": "E‖ĝ − g‖²",
    "rho": "correlation ρ of an estimate with its control",
    "rho1": "ρ where the two are estimated along the same probes",
    "delta": "Δ = L(θ_t) − L(θ_{t−1})",
    "p1": "log-progress per pair with one probe",
    "wash": "log-progress per pair of n independent Gaussian probes",
    "whole": "log-progress per pair of directions in all dimensions",
    "u": "excess over the degrees of freedom",
    "K": "walks to the two sides of a probe and back",
    "ulp": "distance from the loss to the next number of its dtype",
    "T": "T·ε²: error of the projected gradient by truncation, rms",
    "steps": "steps of a run",
    "D": "spacing of a grid of weights, over η‖g‖",
    "m": "E|pg|/‖g‖",
    "pi": "π",
    "e": "Euler's number",
}
"""The names that a formula may use, as `mezo-lab list` explains them; ‖g‖ = 1 where a claim does not offer it."""


@dataclass(frozen=True)
class Decoy:
    """A plausible wrong formula, or (with `draw`) a wrong experiment; the run must refute it.

    >>> Decoy("(d+n-1)/n").statement
    '(d+n-1)/n'
    """

    statement: str
    """The formula, or the wrong experiment in words."""
    draw: Draws | None = None
    """The observable of the wrong experiment."""
    count: Callable[[int], int] = lambda draws: min(draws, 16_384)
    """Draws of the right experiment → draws of the wrong one."""

    def expected(self, experiment: "Experiment") -> float:
        """The mean that the decoy predicts; a wrong experiment is held against the right formula."""
        if self.draw:
            return experiment.expected
        return Expression(self.statement)(experiment.symbols)

    def holds(self, experiment: "Experiment") -> bool:
        """Whether the decoy is true at these parameters, as (d+n−1)/n is at n = 1 for orthogonal probes."""
        if self.draw:
            return False
        return same_value(experiment.expected, *Expression(self.statement).rounded(experiment.symbols))


@dataclass(frozen=True)
class Experiment:
    """One claim at one law and one set of parameters, ready to be sampled.

    Raises: ValueError for an experiment that is both a share and deterministic.
    """

    expected: float
    """The theory's value."""
    draw: Draws
    """The observable: (count, generator) → count values of it."""
    numbers_per_draw: int
    """Random numbers behind one value."""
    symbols: dict[str, float]
    """The numbers that a formula of the user may name."""
    decoys: tuple[Decoy, ...] = ()
    """Wrong formulas and experiments; those that are true here are dropped."""
    transform: Callable[[float], float] | None = None
    """Applied to the mean, for claims about a function of it."""
    relation: Relation = "=="
    """"==", or "<=" for a bound."""
    sampler: Literal["brute force", "reduced"] = "brute force"
    """Whether z itself is drawn, or the scalars that decide (`sampling.reduced`)."""
    draws: int | None = None
    """Fixed here only where a draw is too dear for a pilot."""
    resolution: float | None = None
    """Fixed here only where `draws` is, or where the claim can show no more."""
    formula: str | None = None
    """The theory's formula in the names of `symbols`, where it can be written so."""
    share: bool = False
    """Each draw is 1 or 0, and the claim is about how often it is 1."""
    deterministic: bool = False
    """The theory says that the observable does not vary; without it, draws that are all equal say nothing."""
    unit: str = ""
    """Of the observable, to print."""

    def __post_init__(self):
        if self.share and self.deterministic:
            raise ValueError("`share` and `deterministic` exclude each other: a share of draws varies; choose one.")
        object.__setattr__(self, "decoys", tuple(decoy for decoy in self.decoys if not decoy.holds(self)))

    @property
    def kind(self) -> Kind:
        """How its draws are read."""
        if self.share:
            return "share"
        if self.deterministic:
            return "constant"
        return "mean"


Build = Callable[..., Experiment]


@dataclass(frozen=True)
class Claim:
    """A statement of the theory, with everything needed to test it."""

    id: str
    """Section and number, such as A2."""
    name: str
    """Such as norm-factor."""
    statement: str
    """LaTeX."""
    source: str
    """Where it is printed."""
    laws: tuple[str, ...]
    """The laws of z for which it is stated."""
    settings: dict[Mode, list[Parameters]]
    """Parameter sets by mode."""
    build: Build = field(repr=False)
    """(law, **parameters) → Experiment."""
    sweep: str | None = None
    """The parameter that its figure runs over."""
    suits: Callable[[Law, Parameters], bool] = field(default=lambda law, parameters: True, repr=False)
    """Which of the settings make sense for a law."""
    real: bool = False
    """Whether it runs on a real language model, and so only on request."""
    published: tuple[Published, ...] = field(default=(), repr=False)
    """The published sentences that it corrects."""

    def __reduce__(self) -> tuple[Callable[[str], "Claim"], tuple[str]]:
        return claim_named, (self.name,)  # another process, which has the same registry, is told the name

    def parameter_sets(self, law: Law, mode: Mode = "default") -> list[Parameters]:
        """The parameter sets of a mode at which the claim can be tried with this law."""
        return [parameters for parameters in self.settings[mode] if self.suits(law, parameters)]

    def experiment(self, law: Law, **parameters: Any) -> Experiment:
        """The experiment at one law and parameter set.

        Raises: ValueError when the claim has no such parameter, or the values make no sense.
        """
        known = list(self.settings["default"][0])
        for name in parameters:
            if name not in known:
                raise ValueError(f"`{name}` is no parameter of {self.name}: it has {', '.join(known)}.")
        for name, value in parameters.items():
            _in_range(name, value)
        try:
            experiment = self.build(law, **parameters)
        except ArithmeticError as error:
            fails = "divides by zero" if isinstance(error, ZeroDivisionError) else "overflows"
            shown = ", ".join(f"{name} = {value}" for name, value in parameters.items())
            raise ValueError(f"The theory of {self.name} {fails} at {shown}: choose other values.") from None
        if experiment.numbers_per_draw > _MOST_NUMBERS_PER_DRAW:
            small = ", ".join(f"{name} = {value:,}" for name, value in parameters.items() if isinstance(value, int))
            raise ValueError(
                f"One draw must take at most {_MOST_NUMBERS_PER_DRAW:,} random numbers (256 MiB), and takes "
                f"{experiment.numbers_per_draw:,} at {small}: lower one of them."
            )
        if abs(experiment.expected) < EXACT:
            raise ValueError(
                f"`expected` must not be 0, got {experiment.expected:.2g} at these parameters: no relative error of it "
                "can be promised; choose others (where ĝ = g exactly: fewer probes, or a higher --dim)."
            )
        return experiment


def _in_range(name: str, value: Any) -> None:
    """Raise ValueError for a value that no claim can use, before anything is built of it."""
    if isinstance(value, str) or name not in _RANGES:
        return
    least, most = _RANGES[name]
    if not value >= least:
        raise ValueError(f"`{name}` must be at least {least}, got {value}: raise it.")
    if value > most:
        shown = f"{value:.4g}" if value < 1e300 else "a number beyond 1e300"
        raise ValueError(f"`{name}` must be at most {most:,}, got {shown}: lower it.")


REGISTRY: dict[str, Claim] = {}
"""Every claim by its name, in the order in which they are registered; `claim_named` finds one by its id too."""


def grid(**values: Iterable[Any]) -> list[Parameters]:
    """Every combination of the values.

    >>> grid(dim=[20], probes=[1, 4])
    [{'dim': 20, 'probes': 1}, {'dim': 20, 'probes': 4}]
    """
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def claim(
    id: str,
    name: str,
    statement: str,
    *,
    source: str,
    laws: Iterable[str] = LAWS,
    default: list[Parameters],
    fast: list[Parameters],
    full: list[Parameters] | None = None,
    sweep: str | None = None,
    suits: Callable[[Law, Parameters], bool] = lambda law, parameters: True,
    real: bool = False,
    published: Iterable[Published] = (),
) -> Callable[[Build], Build]:
    """Decorator that enters a claim in the registry: the function below it builds its experiment.

    `published` are sentences of the literature that the claim corrects; docs/errata.md is made of them.

    Raises: ValueError when the name or the id is taken, or `published` holds anything but sentences.
    """
    sentences = tuple(published) if isinstance(published, Iterable) else ()
    if not isinstance(published, Iterable) or not all(isinstance(sentence, Published) for sentence in sentences):
        raise ValueError(f"`published` must be a list of Published, got {published!r}: give [Published(…)].")

    def register(build: Build) -> Build:
        if name in REGISTRY:
            raise ValueError(f"`name` {name!r} is taken by claim {REGISTRY[name].id}: choose another.")
        if taken := [claim.name for claim in REGISTRY.values() if claim.id == id]:
            raise ValueError(f"`id` {id!r} is taken by claim {taken[0]}: choose another.")
        settings: dict[Mode, list[Parameters]] = {"fast": fast, "default": default, "full": full or default}
        REGISTRY[name] = Claim(id, name, statement, source, tuple(laws), settings, build, sweep, suits, real, sentences)
        return build

    return register


def claim_named(name: str) -> Claim:
    """The claim with this name or id.

    Raises: ValueError naming the nearest claims.

    >>> claim_named("A2").name
    'norm-factor'
    """
    by_id = {claim.id: claim for claim in REGISTRY.values()}
    if name in REGISTRY:
        return REGISTRY[name]
    if name.upper() in by_id:
        return by_id[name.upper()]
    remedy = "`mezo-lab list` shows them all"
    if near := nearest(name, [*REGISTRY, *by_id], cutoff=0.4):
        remedy = f"nearest: {', '.join(near)}"
    raise ValueError(f"`claim` must be a name or id of the registry, got {name!r}: {remedy}.")
