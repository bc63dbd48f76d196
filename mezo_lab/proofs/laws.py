"""The weight of a pattern under each law of z: its fourth moments, derived from the definition and never looked up.

Under every law here an index that occurs once makes a moment 0, and coordinates may be reordered. The fourth moments of
one probe are then fixed by two entries, E[z₁²z₂²] and E[z₁⁴].
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import sympy
from sympy import Expr, Integer, Rational, Symbol

from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.notation import Scalar, d, equation, kappa
from mezo_lab.proofs.printing import plain
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import Pattern, chain, expectation, gaussian_mean, matrix, vector

IID = ("gaussian", "rademacher", "uniform", "three-point", "iid")
SYMBOLIC_LAWS = (*IID, "sphere", "coordinate", "orthogonal")

PAIRS = tuple(Scalar(name) for name in ("δᵢⱼδₖₗ", "δᵢₖδⱼₗ", "δᵢₗδⱼₖ"))
ALL_EQUAL = Scalar("δᵢⱼₖₗ")
CROSS = Scalar("E[zᵢzⱼz′ₖz′ₗ]")


@dataclass(frozen=True)
class Weights:
    """The weight of each pattern of two or four legs, with the steps that derive it."""

    second: Expr
    """Two legs of one probe."""
    pair: Expr
    """Four legs of one probe, in two pairs."""
    coincidence: Expr
    """Four legs of one probe, all equal."""
    across: Expr
    """Two legs of z and two of z′, each probe paired with itself."""
    swap: Expr
    """Two legs of z and two of z′, each pair mixed."""
    second_steps: tuple[Step, ...] = ()
    fourth_steps: tuple[Step, ...] = ()
    cross_steps: tuple[Step, ...] = ()

    def __call__(self, pattern: Pattern) -> Expr:
        legs = Counter(probe for block in pattern.probes for probe in block)
        if any(count % 2 for count in legs.values()):
            return Integer(0)  # the mean of one probe, given the others, is 0
        mixed = any(len(set(block)) > 1 for block in pattern.probes)
        match [len(block) for block in pattern.probes]:
            case [2]:
                return self.second
            case [4]:
                return self.coincidence
            case [2, 2] if len(legs) == 1:
                return self.pair
            case [2, 2] if mixed:
                return self.swap
            case [2, 2]:
                return self.across
        raise ValueError(f"`pattern` must have two or four legs, got {pattern.label}; for more use `wick.gaussian`.")


@dataclass(frozen=True)
class _Entries:
    """E[z₁²], E[z₁²z₂²] and E[z₁⁴], each with the sentence that derives it."""

    square: Expr
    mixed: Expr
    fourth: Expr
    square_reason: str
    fourth_reason: str
    symmetry: str = "the symmetry z₁ → −z₁"

    @property
    def pair(self) -> Expr:
        return self.mixed

    @property
    def coincidence(self) -> Expr:
        return sympy.cancel(self.fourth - 3 * self.mixed)


@cache
def weights(law: str) -> Weights:
    """The derived weights of a law, with the steps that derive them."""
    entries = ENTRIES[law]()
    if law == "orthogonal":
        across, swap, cross_steps = _orthogonal_cross()
    else:
        across, swap, cross_steps = _independent_cross(entries.square)
    second_steps = (Step(entries.square_reason, equation("E[zᵢzⱼ]", entries.square * Scalar("δᵢⱼ"))),)
    return Weights(
        second=entries.square,
        pair=entries.pair,
        coincidence=entries.coincidence,
        across=across,
        swap=swap,
        second_steps=second_steps,
        fourth_steps=fourth_steps(entries),
        cross_steps=cross_steps,
    )


def fourth_steps(entries: _Entries) -> tuple[Step, ...]:
    whole = entries.pair * sum(PAIRS, Integer(0)) + entries.coincidence * ALL_EQUAL
    rest = "the last term makes up the difference"
    if entries.coincidence == 0:
        rest = "as many as E[z₁⁴] = 3·E[z₁²z₂²] asks for"
    return (
        Step(entries.fourth_reason, equation("E[z₁²z₂²]", entries.mixed)),
        Step("In the same way, four equal indices give the other entry.", equation("E[z₁⁴]", entries.fourth)),
        Step(
            f"An index that occurs once makes the moment 0, by {entries.symmetry}; so indices are equal in pairs, or "
            f"all four are. The three pairings, of weight E[z₁²z₂²], count four equal ones three times: {rest}.",
            equation("E[zᵢzⱼzₖzₗ]", whole),
        ),
    )


def _gaussian_entries() -> _Entries:
    e = vector("e")
    f = vector("f")
    basis = {chain("e", "e"): 1, chain("f", "f"): 1, chain("e", "f"): 0}  # e = e₁, f = e₂
    return _Entries(
        put(gaussian_mean(e, e), basis),
        put(gaussian_mean(e, e, f, f), basis),
        put(gaussian_mean(e, e, e, e), basis),
        "z ~ N(0, I): uncorrelated coordinates of unit variance.",
        "Isserlis: a Gaussian moment is the sum over all pairings of its factors, each pair giving E[zᵢzⱼ] = δᵢⱼ. "
        "Of the three pairings of z₁z₁z₂z₂ one is not 0; of those of z₁z₁z₁z₁, all are 1.",
    )


def _iid_entries(moment: Callable[[int], Expr], what: str) -> _Entries:
    return _Entries(
        moment(2),
        moment(2) ** 2,
        moment(4),
        f"Independent coordinates of zero mean, {what}: different indices average to 0, equal ones to E[z₁²].",
        f"Independent coordinates, {what}: E[z₁²z₂²] is a product of two variances.",
        "independence and zero mean",
    )


def _sign_moment(k: int) -> Expr:
    return Rational(1, 2) * (1 + Integer(-1) ** k)


def _uniform_moment(k: int) -> Expr:
    x = Symbol("x")
    end = sympy.sqrt(3)
    return sympy.integrate(x**k / (2 * end), (x, -end, end))


def _three_point_moment(k: int) -> Expr:
    return Rational(1, 6) * (sympy.sqrt(3) ** k + (-sympy.sqrt(3)) ** k)


def _generic_moment(k: int) -> Expr:
    return {2: Integer(1), 4: kappa}[k]


SPHERE = (
    "A probe is uniform on the sphere of radius √d. Write a Gaussian x as ‖x‖·u, its length independent of its "
    "direction u, and z = √d·u:"
)


def _sphere_entries() -> _Entries:
    flat = _gaussian_entries()
    length_sq = gaussian_mean(matrix("I"))
    length_4 = factored(gaussian_mean(matrix("I"), matrix("I")))
    return _Entries(
        d * flat.square / length_sq,
        d**2 * flat.mixed / length_4,
        d**2 * flat.fourth / length_4,
        f"{SPHERE} a second moment of z is d/E‖x‖² times that of x, and E‖x‖² = {plain(length_sq)}.",
        f"{SPHERE} a fourth moment of z is d²/E‖x‖⁴ times that of x. Pairing the legs of xᵀx·xᵀx gives "
        f"E‖x‖⁴ = {plain(length_4)}; of a Gaussian, E[x₁²x₂²] = E[x₁²]·E[x₂²] = {plain(flat.mixed)} and "
        f"E[x₁⁴] = {plain(flat.fourth)}.",
    )


def _coordinate_entries() -> _Entries:
    return _Entries(
        d * (1 / d),
        Integer(0),
        d**2 * (1 / d),
        "z = ±√d·eᵢ has one coordinate that is not 0; it is the first with probability 1/d, and then z₁² = d.",
        "z = ±√d·eᵢ has one coordinate that is not 0: two different ones are never met together; the first is met with "
        "probability 1/d, and then z₁⁴ = d².",
    )


ENTRIES: dict[str, Callable[[], _Entries]] = {
    "gaussian": _gaussian_entries,
    "rademacher": lambda: _iid_entries(_sign_moment, "each +1 or −1"),
    "uniform": lambda: _iid_entries(_uniform_moment, "each uniform on [−√3, √3]"),
    "three-point": lambda: _iid_entries(_three_point_moment, "each 0 in two cases of three and ±√3 in the third"),
    "iid": lambda: _iid_entries(_generic_moment, "of unit variance and kurtosis κ = E[z₁⁴]"),
    "sphere": _sphere_entries,
    "coordinate": _coordinate_entries,
    "orthogonal": _sphere_entries,
}


def _independent_cross(second: Expr) -> tuple[Expr, Expr, tuple[Step, ...]]:
    across = second**2
    step = Step("Two probes are independent: their second moments multiply.", equation(CROSS, across * PAIRS[0]))
    return across, Integer(0), (step,)


def _orthogonal_cross() -> tuple[Expr, Expr, tuple[Step, ...]]:
    across = Scalar("a")
    swap = Scalar("b")
    # two unknown numbers, and two contractions whose values the law fixes
    unknown = Weights(Integer(1), Integer(1), Integer(0), across, swap)
    lengths = expectation([matrix("I"), matrix("I", "z′", "z′")], unknown)
    overlap = expectation([matrix("I", "z", "z′"), matrix("I", "z", "z′")], unknown)
    solution = sympy.solve([lengths - d**2, overlap], [across, swap], dict=True)[0]
    a = factored(solution[across])
    b = factored(solution[swap])
    steps = (
        Step(
            "Two probes of one step are not independent. Turning both leaves their law as it is, so their tensor is "
            "made of δ's, symmetric in i, j and in k, l, with two unknown numbers.",
            equation(CROSS, across * PAIRS[0] + swap * (PAIRS[1] + PAIRS[2])),
        ),
        Step("Both have length √d: contract i with j and k with l.", equation(lengths, d**2)),
        Step("They are orthogonal, (zᵀz′)² = 0: contract i with k and j with l.", equation(overlap, Integer(0))),
        Step(
            "The first of the two numbers that solve this, for d ≥ 2 (one dimension has no room for a second probe):",
            equation(across, a),
        ),
        Step("and the second:", equation(swap, b)),
    )
    return a, b, steps
