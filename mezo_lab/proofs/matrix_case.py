"""Small instances for the proofs about a matrix of weights: rational matrices, and U and V as indeterminates."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sympy import QQ, Expr
from sympy.polys.rings import ring

from mezo_lab.proofs import brute
from mezo_lab.proofs.notation import Scalar, columns, inner, kept_steps, outside, rows

Matrix = Sequence[Sequence[Any]]  # of rationals or of polynomials

COLUMNS = 3
OUTSIDE = QQ(1, 4)
_ORTHONORMAL = (((2, 3), (-2, 3), (1, 3)), ((1, 3), (2, 3), (2, 3)))  # numerators and denominators

WHOLE, INSIDE = (Scalar(name, positive=True) for name in ("‖G‖²", "‖GV‖²"))
ALONG, ALONG_INSIDE = Scalar("tr(GᵀW)"), Scalar("tr(VᵀGᵀWV)")
SHARE = Scalar("‖GV‖²/‖G‖²", positive=True)


@dataclass(frozen=True)
class MatrixCase:
    """A matrix of p rows and 3 columns, and directions of rank 2 for one probe, of rank 1 for two."""

    law: str
    rows: int
    probes: int

    @property
    def rank(self) -> int:
        return max(1, 3 - self.probes)

    @property
    def steps(self) -> int:
        """As many as brute force can do."""
        return max(1, 3 - self.probes)

    def _matrix(self, entry) -> Matrix:
        return [[entry(i, j) for j in range(COLUMNS)] for i in range(self.rows)]

    @cached_property
    def gradient(self) -> Matrix:
        return self._matrix(lambda i, j: QQ(2 * i - 3 * j + 1, i + j + 1))

    @cached_property
    def other(self) -> Matrix:
        return self._matrix(lambda i, j: QQ(i + j - 2, j + 2))

    @cached_property
    def basis(self) -> Matrix:
        """V, orthonormal columns: (3, k)."""
        return transposed([[QQ(*entry) for entry in column] for column in _ORTHONORMAL[: self.rank]])

    def inside(self, matrix: Matrix) -> Matrix:
        """The part of a matrix in the subspace, GVVᵀ."""
        return times(times(matrix, self.basis), transposed(self.basis))

    def unknown(self, *shapes: tuple[int, int]) -> list[Matrix]:
        """Matrices of indeterminates, all of one ring."""
        sizes = [height * width for height, width in shapes]
        _, *entries = ring([f"x{i}" for i in range(sum(sizes))], QQ)
        matrices = []
        for height, width in shapes:
            matrices.append([[entries.pop(0) for _ in range(width)] for _ in range(height)])
        return matrices

    def mean(self, polynomial, size: int, law: str | None = None) -> Expr:
        """The exact mean over independent blocks of so many components, each of the law."""
        return brute.mean(law or self.law, polynomial, size)

    @cached_property
    def values(self) -> dict[Expr, Any]:
        """The value of every symbol in this instance."""
        whole = product_of(self.gradient, self.gradient)
        met = product_of(self.gradient, self.inside(self.gradient))
        return {
            WHOLE: whole,
            INSIDE: met,
            SHARE: met / whole,
            ALONG: product_of(self.gradient, self.other),
            ALONG_INSIDE: product_of(self.inside(self.gradient), self.other),
            rows: self.rows,
            columns: COLUMNS,
            inner: self.rank,
            kept_steps: self.steps,
            outside: OUTSIDE,
        }


def transposed(a: Matrix) -> Matrix:
    return list(map(list, zip(*a, strict=True)))


def times(a: Matrix, b: Matrix) -> Matrix:
    """AB."""
    across = transposed(b)
    return [[sum((x * y for x, y in zip(row, column, strict=True)), start=QQ(0)) for column in across] for row in a]


def combined(a: Matrix, scale, b: Matrix) -> Matrix:
    """A + scale·B."""
    return [[x + scale * y for x, y in zip(*pair, strict=True)] for pair in zip(a, b, strict=True)]


def product_of(a: Matrix, b: Matrix):
    """tr(AᵀB)."""
    return sum((x * y for pair in zip(a, b, strict=True) for x, y in zip(*pair, strict=True)), start=QQ(0))
