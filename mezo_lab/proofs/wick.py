"""Moment counting: the mean of a product of z's as a sum over the ways in which its indices can coincide.

A product such as (gᵀz)(zᵀHz)(zᵀg) is a small network: the vectors g have one leg, the symmetric matrix H has two, and
every leg ends in a probe. Its mean is a sum over *patterns*, which say which legs share an index: all pairings of the
legs and, for four legs of one probe, "all equal". A pattern contracts the network into named scalars: cycles give
traces (a cycle of identities is d), chains inner products, and "all equal" sums over the diagonal.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sympy import Expr, Integer

from mezo_lab.proofs.notation import SUBSCRIPT, SUPERSCRIPT, Scalar, d
from mezo_lab.proofs.printing import NO_BREAK, plain

Leg = tuple[int, int]  # (which piece, which of its slots)
Block = tuple[Leg, ...]


class Piece(NamedTuple):
    """A vector (one leg), a symmetric matrix (two) or a third derivative (three), and the probe each leg ends in."""

    name: str
    probes: tuple[str, ...]


def vector(name: str, probe: str = "z") -> Piece:
    return Piece(name, (probe,))


def matrix(name: str, left: str = "z", right: str = "z") -> Piece:
    return Piece(name, (left, right))


def third_derivative(probe: str = "z") -> Piece:
    return Piece("∇³L", (probe,) * 3)


class Pattern(NamedTuple):
    """One way for indices to coincide, and the scalar that the network becomes."""

    label: str
    """Such as (g g)(I I): factors in one bracket share an index."""
    probes: tuple[tuple[str, ...], ...]
    """The probe of each leg, block by block."""
    value: Expr
    """The contracted network."""


def pairings(legs: Sequence) -> Iterator[tuple]:
    """All ways to pair up the legs: (2m − 1)!! of them for 2m legs, none for an odd number.

    >>> [len(list(pairings(range(2 * m)))) for m in (1, 2, 3, 4)]
    [1, 3, 15, 105]
    """
    if not legs:
        yield ()
    # the first leg meets each of the others in turn; the rest are paired among themselves
    for k in range(1, len(legs)):
        for others in pairings([*legs[1:k], *legs[k + 1 :]]):
            yield ((legs[0], legs[k]), *others)


def patterns(pieces: Sequence[Piece]) -> list[Pattern]:
    """Every pattern of the network: the pairings, then "all equal" where four legs end in one probe."""
    # a leg is (which piece, which of its slots)
    legs = [(piece, slot) for piece, (_, probes) in enumerate(pieces) for slot in range(len(probes))]
    result = [_pattern(pieces, pairs, _contracted(pieces, pairs)) for pairs in pairings(legs)]
    if len(legs) == 4 and len({probe for piece in pieces for probe in piece.probes}) == 1:
        result.append(_pattern(pieces, (tuple(legs),), diagonal(*pieces)))
    return result


def _pattern(pieces: Sequence[Piece], blocks: Sequence[Block], value: Expr) -> Pattern:
    probes = tuple(tuple(pieces[i].probes[slot] for i, slot in block) for block in blocks)
    unique = _unique_names(pieces)
    names = [[unique[i] + pieces[i].probes[slot][1:] for i, slot in block] for block in blocks]
    labels = (f"({' '.join(sorted(block, key=str.swapcase))})" for block in names)
    return Pattern("".join(sorted(labels, key=str.swapcase)), probes, value)


def _unique_names(pieces: Sequence[Piece]) -> list[str]:
    """The pieces' names in a label; factors of two legs or more that occur twice are numbered, as their legs differ.

    >>> _unique_names([vector("g"), vector("g"), matrix("H"), matrix("H"), matrix("I")])
    ['g', 'g', 'H₁', 'H₂', 'I']
    """
    times = Counter(piece.name for piece in pieces if len(piece.probes) > 1)
    so_far = Counter()
    names = []
    for piece in pieces:
        so_far[piece.name] += 1
        name = piece.name.removesuffix("′")
        if times[piece.name] > 1:
            name += str(so_far[piece.name]).translate(SUBSCRIPT)
        names.append(name)
    return names


def expectation(pieces: Sequence[Piece], weight: Callable[[Pattern], Expr]) -> Expr:
    """E of the network: each pattern's value times the weight that the law of z gives it."""
    return sum((weight(pattern) * pattern.value for pattern in patterns(pieces)), Integer(0))


def isserlis(pattern: Pattern) -> Expr:
    """The Gaussian's weights, at any order: 1 for a pairing within each probe, 0 for any other pattern."""
    return Integer(all(len(block) == 2 and len(set(block)) == 1 for block in pattern.probes))


def gaussian_mean(*pieces: Piece) -> Expr:
    """The mean under z ~ N(0, I), by Isserlis' theorem.

    >>> gaussian_mean(matrix("I"), matrix("I"))  # E‖z‖⁴
    d**2 + 2*d
    """
    return expectation(pieces, isserlis)


def table(pieces: Sequence[Piece], weight: Callable[[Pattern], Expr]) -> str:
    """The patterns that count, each once, as text, headed by what a bracket says.

    >>> print(table([vector("g"), vector("g"), matrix("I")], isserlis).replace(NO_BREAK, " "))
    Factors in one bracket share an index: (g g)(I I): d·‖g‖²; (g I)(g I): ‖g‖², twice
    """
    rows = Counter((pattern.label, weight(pattern) * pattern.value) for pattern in patterns(pieces))
    times = {1: "", 2: ", twice"}
    lines = (
        f"{label}: {plain(value)}{times.get(k, f', {k} times')}" for (label, value), k in rows.items() if value != 0
    )
    primed = any(probe != "z" for piece in pieces for probe in piece.probes)
    head = "Factors in one bracket share an index"
    if primed:
        head += ", those with ′ one of z′"
    return f"{head}: " + "; ".join(line.replace(" ", NO_BREAK) for line in lines)


def _contracted(pieces: Sequence[Piece], pairs: Sequence[Block]) -> Expr:
    # the value of a pairing: walk every chain from its vectors, then every cycle that is left
    pieces, pairs = _traced(pieces, pairs)
    partner = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    value = Integer(1)
    visited = set()
    for start in sorted(range(len(pieces)), key=lambda i: len(pieces[i].probes)):
        if start in visited:
            continue
        path = _walk(pieces, partner, start)
        visited.update((start, *path))
        names = [pieces[i].name for i in path]
        if len(pieces[start].probes) == 1:
            value *= chain(pieces[start].name, *names)
        else:
            value *= cycle(*names)
    return value


def _walk(pieces: Sequence[Piece], partner: dict[Leg, Leg], start: int) -> list[int]:
    # the pieces met on the way from one piece to the vector at the other end, or around and back to itself
    first = leg = (start, len(pieces[start].probes) - 1)
    path = []
    while True:
        piece, slot = partner[leg]
        path.append(piece)
        leg = (piece, 1 - slot)
        if len(pieces[piece].probes) == 1 or leg == first:
            return path


def _traced(pieces: Sequence[Piece], pairs: Sequence[Block]) -> tuple[list[Piece], list[Block]]:
    # a third derivative with two of its legs paired is the vector ∇ΔL; its free leg becomes slot 0
    pieces = list(pieces)
    pairs = list(pairs)
    for pair in list(pairs):
        (i, a), (j, b) = pair
        if i == j and len(pieces[i].probes) == 3:
            free = (i, 3 - a - b)
            pairs = [tuple((i, 0) if leg == free else leg for leg in other) for other in pairs if other != pair]
            pieces[i] = vector("∇ΔL", pieces[i].probes[0])
    if any(len(piece.probes) > 2 for piece in pieces):
        names = ", ".join(piece.name for piece in pieces)
        raise ValueError(
            f"`pieces` must pair two legs of each third derivative with each other, got a pairing of {names} that does "
            "not: only ∇ΔL has a name here; keep to one third derivative and vectors."
        )
    return pieces, pairs


def chain(*names: str) -> Expr:
    """uᵀA…Bv; a chain read backwards is the same number.

    >>> chain("u", "H", "I", "H", "g"), chain("g", "g")
    (gᵀH²u, ‖g‖²)
    """
    first, *middle, last = min(names, names[::-1])
    middle = _powers(middle)
    if first == last and not middle:
        return Scalar(f"‖{first}‖²", positive=True)
    return Scalar(f"{first}ᵀ{middle}{last}")


def cycle(*names: str) -> Expr:
    """tr(A…B); the trace of nothing but identities is d.

    >>> cycle("H", "I", "H"), cycle("I")
    (tr(H²), d)
    """
    factors = [name for name in names if name != "I"]
    if not factors:
        return d
    turns = [factors[k:] + factors[:k] for k in range(len(factors))]
    first = min(turns + [turn[::-1] for turn in turns])  # a trace is cyclic, and that of a transpose the same
    return Scalar(f"tr({_powers(first)})")


def _powers(names: Sequence[str]) -> str:
    runs = [(name, len(list(run))) for name, run in groupby(name for name in names if name != "I")]
    return "".join(name + (str(k).translate(SUPERSCRIPT) if k > 1 else "") for name, k in runs)


def diagonal(*pieces: Piece) -> Expr:
    """Σᵢ over the diagonal of every piece.

    >>> diagonal(vector("g"), matrix("H"), vector("g")), diagonal(vector("g"), matrix("I"), vector("u"))
    (Σᵢ Hᵢᵢgᵢ², gᵀu)
    >>> diagonal(vector("u"), third_derivative())
    Σᵢ ∇³Lᵢᵢᵢuᵢ
    """
    vectors = sorted(piece.name for piece in pieces if len(piece.probes) == 1)
    matrices = sorted(piece.name for piece in pieces if len(piece.probes) == 2 and piece.name != "I")
    thirds = [piece.name for piece in pieces if len(piece.probes) == 3]
    if thirds:
        return Scalar("Σᵢ " + "".join(f"{name}ᵢᵢᵢ" for name in thirds) + "".join(f"{name}ᵢ" for name in vectors))
    if len(vectors) == 2 and not matrices:
        return chain(*vectors)
    if not vectors and len(matrices) < 2:
        return cycle(*matrices)
    return Scalar("Σᵢ " + _powers([f"{name}ᵢᵢ" for name in matrices]) + _powers([f"{name}ᵢ" for name in vectors]))
