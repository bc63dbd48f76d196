"""One small instance of every quantity in the proofs: rational vectors and matrices, and z as indeterminates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from sympy import QQ, Expr, Integer
from sympy.polys.rings import ring

from mezo_lab.proofs import brute
from mezo_lab.proofs.matrix_case import MatrixCase
from mezo_lab.proofs.notation import (
    Scalar,
    batch,
    batch_gradient_sq,
    beta,
    change,
    common,
    d,
    ell,
    entry,
    epsilon,
    eta,
    freedom,
    n,
    noise,
    r,
    run_steps,
    s,
)
from mezo_lab.proofs.wick import chain, cycle, diagonal, matrix, third_derivative, vector

Vector = Sequence[Any]  # of rationals or of polynomials in z
Loss = Callable[[Vector], Any]

EPSILON = QQ(1, 3)
ETA = QQ(1, 7)
ELL = QQ(3, 2)
BETA = QQ(2, 3)
DELTA = QQ(2, 5)
BATCH = 2
STEPS = 2


@dataclass(frozen=True)
class Case:
    """Fixed rational numbers for one law, dimension and number of probes.

    >>> case = Case("sphere", dim=3, probes=2)
    >>> case.mean(square(case.estimate(case.g))) / sympy_number(square(case.g))  # (d+n−1)/n
    2
    """

    law: str
    dim: int
    probes: int

    def __post_init__(self):
        for name, value in (("dim", self.dim), ("probes", self.probes)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}: brute force is meant for 1, 2, 3 or 4.")
        if self.law == "orthogonal" and self.probes > self.dim:
            raise ValueError(
                f"`probes` must be at most `dim` for the orthogonal law, got {self.probes} > {self.dim}: "
                f"only {self.dim} directions can be orthogonal; lower `probes`."
            )

    @cached_property
    def z(self) -> list[Vector]:  # n probes of d indeterminates
        _, *components = ring([f"z{k}{i}" for k, i in product(range(self.probes), range(self.dim))], QQ)
        return [components[k : k + self.dim] for k in range(0, len(components), self.dim)]

    def vector(self, entry: Callable[[int], Any]) -> Vector:
        return [entry(i) for i in range(self.dim)]

    @cached_property
    def g(self) -> Vector:  # ± squares, so that √|gᵢ| is rational
        return self.vector(lambda i: (-1) ** i * QQ(i + 2, i + 1) ** 2)

    @cached_property
    def root(self) -> Vector:  # √|gᵢ|
        return self.vector(lambda i: QQ(i + 2, i + 1))

    @cached_property
    def ones(self) -> Vector:
        return self.vector(lambda i: QQ(1))

    @cached_property
    def u(self) -> Vector:
        return self.vector(lambda i: QQ(2 * i - 1, i + 3))

    @cached_property
    def theta(self) -> Vector:
        return self.vector(lambda i: QQ(3 + i, 2 + i))

    @cached_property
    def xi(self) -> Vector:  # a minibatch gradient is g + ξ or g − ξ
        return self.vector(lambda i: QQ(i + 1, 3))

    @cached_property
    def anchor(self) -> Vector:  # h, the gradient at another point
        return [g / a for g, a in zip(self.g, self.scale, strict=True)]

    @cached_property
    def zeta(self) -> Vector:  # there a minibatch gradient is h + ζ where it is g + ξ here
        return self.vector(lambda i: QQ(2, i + 3))

    @cached_property
    def scale(self) -> Vector:  # the diagonal of D
        return self.vector(lambda i: QQ(i + 1, 2))

    @cached_property
    def hessian(self) -> list[Vector]:  # symmetric, of both signs
        return [self.vector(lambda j, i=i: QQ(1, i + j + 1) - 2 * (i == j == 1)) for i in range(self.dim)]

    @property
    def rank(self) -> int:
        return max(1, self.dim - 1)

    def third(self, i: int, j: int, k: int):
        """∂ᵢ∂ⱼ∂ₖL, symmetric."""
        return QQ(i + j + k + 1, 1 + i * j * k)

    def cubic_loss(self, delta: Vector):
        """gᵀδ + ½·δᵀHδ + (1/6)·∇³L[δ,δ,δ]."""
        triples = product(range(self.dim), repeat=3)
        twist = sum((self.third(i, j, k) * delta[i] * delta[j] * delta[k] for i, j, k in triples), start=QQ(0))
        return self.quadratic_loss(delta) + twist / 6

    def cubic_slope(self, delta: Vector) -> Vector:
        """The gradient of the cubic loss, g + Hδ + ½·∇³L[·,δ,δ]."""
        bends = [dot(row, delta) for row in self.hessian]
        size = range(self.dim)
        twists = [sum((self.third(i, j, k) * delta[j] * delta[k] for j, k in product(size, size)), QQ(0)) for i in size]
        return [g + bend + twist / 2 for g, bend, twist in zip(self.g, bends, twists, strict=True)]

    def quadratic_loss(self, delta: Vector):
        """gᵀδ + ½·δᵀHδ: gradient g and Hessian H at δ = 0."""
        return dot(self.g, delta) + form(self.hessian, delta) / 2

    def linear_loss(self, delta: Vector):
        """5/2 + gᵀδ."""
        return QQ(5, 2) + dot(self.g, delta)

    @property
    def origin(self) -> Vector:
        return self.vector(lambda i: QQ(0))

    def average(self, coefficients: Sequence) -> Vector:
        """(1/n) Σ_k coefficient_k·z_k."""
        return [dot(coefficients, component) * QQ(1, self.probes) for component in zip(*self.z, strict=True)]

    def estimate(self, gradient: Vector) -> Vector:
        """(1/n) Σ_k z_k z_kᵀ g."""
        return self.average([dot(z, gradient) for z in self.z])

    def two_point(self, loss: Loss, theta: Vector) -> Vector:
        """n-SPSA as it is defined, by differences of the loss."""
        ends = ((loss(add(theta, EPSILON, z)), loss(add(theta, -EPSILON, z))) for z in self.z)
        return self.average([(there - back) / (2 * EPSILON) for there, back in ends])

    def mean(self, polynomial) -> Expr:
        """The exact mean of a polynomial in the components of z."""
        return brute.mean(self.law, self.z[0][0].ring(polynomial), self.dim)

    @cached_property
    def values(self) -> dict[Expr, Expr]:
        """The value of every symbol of the proofs in this instance."""
        vectors = {
            "g": self.g,
            "u": self.u,
            "h": self.anchor,  # D⁻¹g
            "w": [u * a for u, a in zip(self.u, self.scale, strict=True)],  # Du
            "∇ΔL": self.vector(lambda k: sum((self.third(i, i, k) for i in range(self.dim)), start=QQ(0))),
        }
        numbers = {chain(a, b): dot(vectors[a], vectors[b]) for a, b in product(vectors, vectors)}
        for name in ("H", "W"):
            squared = sum((square(row) for row in self.hessian), start=QQ(0))
            main = self.vector(lambda i: self.hessian[i][i])
            numbers |= {cycle(name): sum(main, start=QQ(0)), cycle(name, name): squared}
            numbers[chain("g", name, "g")] = form(self.hessian, self.g)
            numbers[diagonal(matrix(name), vector("g"), vector("g"))] = dot(main, [g**2 for g in self.g])
        thirds = self.vector(lambda i: self.third(i, i, i))
        numbers |= {
            diagonal(vector("u"), third_derivative()): dot(self.u, thirds),
            Scalar("tr(D²)"): square(self.scale),
            Scalar("‖D⁻¹g‖²"): square(vectors["h"]),
            Scalar("‖g‖₁", positive=True): sum((abs(g) for g in self.g), start=QQ(0)),
            Scalar("gᵢ"): self.g[0],
            entry: self.hessian[0][0],
            noise: square(self.xi) * BATCH,
            common: dot(self.xi, self.zeta) * BATCH,
            batch_gradient_sq: square(self.g),
        }
        numbers |= MatrixCase(self.law, self.dim, self.probes).values
        sizes = {d: self.dim, n: self.probes, r: self.rank, batch: BATCH, run_steps: STEPS, freedom: self.dim + 2}
        constants = {epsilon: EPSILON, eta: ETA, ell: ELL, beta: BETA, change: DELTA, s: ETA * ELL}
        return {symbol: sympy_number(value) for symbol, value in (numbers | sizes | constants).items()}


def sympy_number(value) -> Expr:
    """A rational of this module as a sympy number."""
    if isinstance(value, int):
        return Integer(value)
    return QQ.to_sympy(value)


def dot(a: Vector, b: Vector):
    return sum((x * y for x, y in zip(a, b, strict=True)), start=QQ(0))


def square(a: Vector):
    return dot(a, a)


def form(entries: Sequence[Vector], x: Vector):
    """xᵀAx."""
    return dot(x, [dot(row, x) for row in entries])


def add(a: Vector, scale, b: Vector) -> Vector:
    """a + scale·b."""
    return [x + scale * y for x, y in zip(a, b, strict=True)]
