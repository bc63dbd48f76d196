"""Sweeps on a CPU: `sweep.c`, built once by the machine's compiler and called through ctypes, one call a sweep.

Its operations are those of IEEE 754, rounded one by one, in the order of the definition in torch: with it or without,
every CPU gets the same bits of z and θ.
"""

import functools
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from ctypes import (
    CDLL,
    POINTER,
    Structure,
    addressof,
    byref,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from mezo_lab.environment.compiler import NoCache, NoCompiler, built_library
from mezo_lab.optim.noise import COORDINATES, stream_keys
from mezo_lab.optim.sweeps.program import Program, ProgramArrays
from mezo_lab.optim.sweeps.progress import SweepProgress, Witness
from mezo_lab.optim.sweeps.terms import KeyedTensor, Term

_logger = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("sweep.c")
LAWS = {"gaussian": 0, "rademacher": 1, "uniform": 2, "three-point": 3}  # the numbers that `sweep.c` gives them
LOW_RANK = 4
FACTORS_ALIVE = 64  # z of low rank whose factors are alive together
FACTOR_NUMBERS = 1 << 21  # of all their factors, 8 MiB; those of one matrix where these are more
_DTYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
_UNIT = 1 << 16  # coordinates that one thread takes at a time: UNIT of `sweep.c`
_PARALLEL_FROM = 1 << 15  # coordinates: below, waking the threads takes longer than the sweep
# what an x86 processor may have beyond the compiler's defaults, by torch's name for it; no flag changes a bit
_PROCESSORS = {
    "AVX2": ("-mavx2",),
    "AVX512": ("-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mprefer-vector-width=512"),
}
# the first 999 blocks of stream (seed 1, step 2, probe 3, key 4), their bytes hashed: a build with others is not used
_KNOWN = {
    "gaussian": "7910c7e76a3f7fa2",
    "rademacher": "03363dc95ccfad99",
    "uniform": "5be89a0f41246aad",
    "three-point": "dbbce94671294a1c",
}


class _Parameter(Structure):
    _fields_ = [
        ("target", c_void_p),
        ("source", c_void_p),
        ("numel", c_int64),
        ("key", c_uint64),
        ("target_dtype", c_int32),
        ("source_dtype", c_int32),
        ("law", c_int32),
        ("group", c_int32),
        ("first_unit", c_int64),
        ("columns", c_int64),
        ("rank", c_int64),
        ("factors", c_void_p),
    ]


class Place(NamedTuple):
    """One contiguous tensor of a field, and how its z is drawn."""

    parameter: KeyedTensor
    law: int
    """Its number in `sweep.c`."""
    columns: int = 0
    """Of a matrix with LOW_RANK noise."""
    rank: int = 0


Factors = Callable[[int, int, int], Tensor]


@functools.cache
def library() -> CDLL | None:
    """`sweep.c` as a library; None, with one line in the log, where it cannot be built."""
    try:
        return built()
    except NoCompiler as error:
        _logger.warning("sweeps take torch operations, several times slower: %s; %s", error, error.remedy)
        return None


def built() -> CDLL:
    """`sweep.c` as a library, from the cache or built now. Raises: NoCompiler, also where it draws another z."""
    flags = _PROCESSORS.get(torch.backends.cpu.get_cpu_capability(), ())
    file = built_library(SOURCE, flags)
    try:
        opened = CDLL(str(file))
    except OSError as error:
        raise NoCache(f"what it made of {SOURCE.name} cannot be loaded: {error}") from None
    opened.mezo_sweeps.argtypes = _SWEEPS
    opened.mezo_draw.argtypes = _DRAW
    opened.mezo_draw.restype = None
    opened.mezo_factors.argtypes = _FACTORS
    opened.mezo_factors.restype = None
    wrong = [law for law, known in _KNOWN.items() if _digest(opened, law) != known]
    if wrong:
        raise NoCompiler(f"what it made of {SOURCE.name} draws another z for {', '.join(wrong)}")
    return opened


def _digest(opened: CDLL, law: str) -> str:
    z = (c_float * (999 * COORDINATES[law].per_block))()
    opened.mezo_draw(LAWS[law], *_words(stream_keys(1, 2, 3, [4])[0]), 0, 999, z)
    return hashlib.blake2b(z, digest_size=8).hexdigest()


_SWEEPS = [
    c_uint64,  # seed
    POINTER(_Parameter),
    c_int64,  # parameters
    c_int64,  # first unit
    c_int64,  # last unit
    c_void_p,  # streams, uint32 (streams, 2): step, probe
    c_int64,  # streams
    c_void_p,  # sweeps, int32 (sweeps, 2): first term, last term
    c_int64,  # sweeps
    c_void_p,  # terms, int32: the stream of each
    c_void_p,  # scales, float64 (terms, groups)
    c_void_p,  # decays, float64 (sweeps, groups)
    c_int,  # groups
    c_int,  # threads
    POINTER(c_int32),  # done
]
_DRAW = [c_int, c_uint32, c_uint32, c_int64, c_int64, c_void_p]
_FACTORS = [c_uint64, c_uint32, c_uint32, c_uint64, c_int64, c_int64, c_int64, c_float, c_void_p]


def draw(law: str, key: Tensor, first: int, count: int) -> Tensor:
    """z of blocks of one stream. Args: key: int32 (2,). Returns: float32 (lanes, count); if packed (count, lanes)."""
    coordinates = COORDINATES[law]
    shape = (count, coordinates.per_block) if coordinates.packed else (coordinates.per_block, count)
    z = torch.empty(shape, dtype=torch.float32, device="cpu")
    _library().mezo_draw(LAWS[law], *_words(key), first, count, z.data_ptr())
    return z


def draw_flat(law: str, key: Tensor, numel: int) -> Tensor:
    """All coordinates of one stream up to `numel`, in flat order. Returns: float32 (numel,)."""
    blocks = COORDINATES[law].full_blocks(numel)
    full = draw(law, key, 0, blocks).flatten()
    rest = draw(law, key, blocks, 1).flatten()[: numel - len(full)]
    return torch.cat([full, rest])


def factors(seed: int, step: int, probe: int, key: int, shape: tuple[int, int], rank: int) -> Tensor:
    """U/√k (k, rows) and then V (k, columns) of one low-rank z. Returns: float32 (k·(rows + columns),)."""
    rows, columns = shape
    numbers = torch.empty(rank * (rows + columns), dtype=torch.float32, device="cpu")
    _library().mezo_factors(seed, step, probe, key, rows, columns, rank, rank**-0.5, numbers.data_ptr())
    return numbers


def _words(key: Tensor) -> tuple[int, int]:
    low, high = key.tolist()
    return low % 2**32, high % 2**32


def _library() -> CDLL:
    opened = library()
    assert opened is not None  # a field is native only where it is
    return opened


_forked = False  # from a process with sweeps: OpenMP would wait for threads that a fork does not copy


def _forget_threads() -> None:
    global _forked
    _forked = library.cache_info().currsize > 0


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_threads)


def suits(tensor: Tensor) -> bool:
    """Whether `sweep.c` can take a tensor: contiguous, on the CPU, of a dtype that it knows; and is built."""
    known = tensor.dtype in _DTYPES and tensor.device.type == "cpu" and tensor.numel() > 0
    known = known and not tensor.is_neg()  # whose memory holds the numbers with the other sign
    return known and tensor.is_contiguous() and library() is not None


class NativeSweeps:
    """The sweeps over contiguous tensors on the CPU.

    Cost: one call of C for all tensors, on torch's number of threads where they are large enough to share.

    Args:
        places: the tensors.
        seed: below 2⁶⁴.
        groups: of parameters.
        factors: for matrices with LOW_RANK noise: (number of the place, step, probe) → U/√k (k, rows) and V
            (k, columns), in one tensor.
    """

    def __init__(self, places: Sequence[Place], seed: int, groups: int, factors: Factors | None = None):
        self._factors = factors
        self._places = places
        stream_keys(seed, 0, 0, [place.parameter.key for place in places])  # raises for a number out of range
        self._seed = seed
        self._groups = groups
        self._table = (_Parameter * len(places))()
        self._units = 0
        for row, place in zip(self._table, places, strict=True):
            tensor = place.parameter.tensor
            row.target = row.source = tensor.data_ptr()
            row.target_dtype = row.source_dtype = _DTYPES[tensor.dtype]
            row.numel = tensor.numel()
            row.key = place.parameter.key
            row.law = place.law
            row.group = place.parameter.group
            row.columns = place.columns
            row.rank = place.rank
            row.first_unit = self._units
            self._units += -(-tensor.numel() // _UNIT)
        self._large = sum(place.parameter.tensor.numel() for place in places) >= _PARALLEL_FROM
        self._tensors = [place.parameter.tensor.detach() for place in places]
        self._addresses = [tensor.data_ptr() for tensor in self._tensors]

    def run(
        self,
        program: Program,
        sources: Sequence[Tensor] | None,
        progress: SweepProgress,
        parts: int = 1,
        report: Callable[[float], None] | None = None,
    ) -> None:
        """Make the sweeps of a program, all of them on one tile of the weights before the next is taken.

        Args:
            sources: where the first sweep starts from; None for the tensors themselves.
            progress: counts the calls of C, at least one.
            parts: about how many calls to make; with low rank, as many as the factors need that are alive together.
            report: called after each with the share of the coordinates that are done.
        """
        portions = self._portions(program)
        for number, portion in enumerate(portions):
            rows = self._rows(sources)
            arrays = ProgramArrays(portion)
            for first, last in self._ranges(parts, len(arrays.streams)):
                done = c_int32()
                if progress.is_due(Witness.flagged(done)):
                    alive = self._with_factors(rows, first, last, arrays.streams)  # until they are read
                    self._call(rows, first, last, arrays, done)
                    del alive
                progress.complete()
                if report is not None:
                    report((number + last / self._units) / len(portions))
            sources = None  # the first portion has read them

    def _portions(self, program: Program) -> list[Program]:
        """Parts of a program of low rank whose factors are alive together; otherwise the whole of it.

        A sum in float32 or float64 is rounded after each term, so that it may be cut; one of half precision may not.
        """
        half = any(tensor.element_size() < 4 for tensor in self._tensors)
        if self._factors is None or half:
            return [program]
        portions: list[list[tuple[Sequence[Term], Sequence[float]]]] = [[]]
        alive = 0  # terms of the last portion
        for terms, decay in program:
            for start in range(0, max(1, len(terms)), FACTORS_ALIVE):
                piece = terms[start : start + FACTORS_ALIVE]
                if alive + len(piece) > FACTORS_ALIVE:
                    portions.append([])
                    alive = 0
                portions[-1].append((piece, decay))
                alive += len(piece)
                decay = [1.0] * self._groups
        return list(portions)

    def _ranges(self, parts: int, streams: int) -> list[tuple[int, int]]:
        """The units of each call."""
        if self._factors is not None:
            bounds = self._first_units(streams)
        elif parts == 1:
            return [(0, self._units)]
        else:
            bounds = list(range(0, self._units, -(-self._units // parts)))
        return list(zip(bounds, [*bounds[1:], self._units], strict=True))

    def _first_units(self, streams: int) -> list[int]:
        """Where a call begins, so that the factors of its matrices may be alive together."""
        bounds: list[int] = []
        numbers = 0
        for row in self._table:
            own = streams * row.rank * (row.columns + row.numel // max(row.columns, 1))
            if not bounds or numbers + own > FACTOR_NUMBERS:
                bounds.append(row.first_unit)
                numbers = 0
            numbers += own
        return bounds

    def _with_factors(self, rows: Any, first: int, last: int, streams: Sequence[tuple[int, int]]) -> list[Any]:
        """Give the matrices among some units their factors. Returns: what must live as long as they are read."""
        if self._factors is None:
            return []
        alive: list[Any] = []
        for number, row in enumerate(rows):
            if not row.rank or not first <= row.first_unit < last:
                continue
            own = [self._factors(number, step, probe) for step, probe in streams]
            addresses = (c_void_p * len(own))(*[factor.data_ptr() for factor in own])
            row.factors = addressof(addresses)
            alive += [*own, addresses]
        return alive

    def _call(self, rows: Any, first: int, last: int, arrays: ProgramArrays, done: c_int32) -> None:
        threads = torch.get_num_threads() if self._large and not _forked else 1
        failed = _library().mezo_sweeps(
            self._seed,
            rows,
            len(rows),
            first,
            last,
            arrays.addresses,
            len(arrays.streams),
            arrays.sweeps,
            arrays.sweep_count,
            arrays.terms,
            arrays.scales,
            arrays.decays,
            self._groups,
            threads,
            byref(done),
        )
        if failed:
            raise MemoryError(
                "a sweep found no memory for the tiles of its threads: torch.set_num_threads(1) needs less"
            )
        increment_version(self._tensors)  # as every write of torch does

    def _rows(self, sources: Sequence[Tensor] | None) -> Any:
        self._update_addresses()
        if sources is None:
            return self._table
        rows = (_Parameter * len(self._table)).from_buffer_copy(self._table)
        for row, source in zip(rows, sources, strict=True):
            if (source.dtype == torch.float64) != (row.target_dtype == _DTYPES[torch.float64]):
                raise ValueError("`sources` must be float64 where the parameters are, and only there: convert them.")
            row.source = source.data_ptr()
            row.source_dtype = _DTYPES[source.dtype]
        return rows

    def _update_addresses(self) -> None:
        """Follow weights that moved in memory, as those of a model that was sent to another process.

        Raises: RuntimeError where their memory was given back.
        """
        addresses = [tensor.data_ptr() for tensor in self._tensors]
        if addresses == self._addresses:
            return
        if not all(addresses):
            raise RuntimeError(
                "the memory of a parameter was given back in the middle of a step: call `flush()` first."
            )
        for row, address in zip(self._table, addresses, strict=True):
            row.target = row.source = address
        self._addresses = addresses
