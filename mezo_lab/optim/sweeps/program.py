"""Several sweeps in one call of C: the arrays that `sweep.c` reads."""

from collections.abc import Sequence
from ctypes import c_double, c_int32, c_uint32

from mezo_lab.optim.noise import stream_keys
from mezo_lab.optim.sweeps.terms import Term

Program = Sequence[tuple[Sequence[Term], Sequence[float]]]
"""Sweeps, one after the other: the terms of each, and its decay of each parameter group."""


class ProgramArrays:
    """A program as `sweep.c` takes it."""

    def __init__(self, program: Program):
        streams: dict[tuple[int, int], int] = {}
        sweeps: list[int] = []  # the first term of each, and the first behind it
        terms: list[int] = []
        scales: list[float] = []
        decays: list[float] = []
        for own_terms, decay in program:
            sweeps.append(len(terms))
            for term in own_terms:
                terms.append(streams.setdefault((term.step, term.probe), len(streams)))
                scales.extend(term.scales)
            sweeps.append(len(terms))
            decays.extend(decay)
        addresses = [number for stream in streams for number in stream]
        if addresses and not 0 <= min(addresses) <= max(addresses) < 1 << 32:
            for step, probe in streams:
                stream_keys(0, step, probe, [])  # raises for the one that is out of range
        self.streams = list(streams)
        self.sweep_count = len(sweeps) // 2
        self.addresses = (c_uint32 * len(addresses))(*addresses)
        self.sweeps = (c_int32 * len(sweeps))(*sweeps)
        self.terms = (c_int32 * len(terms))(*terms)
        self.scales = (c_double * len(scales))(*scales)
        self.decays = (c_double * len(decays))(*decays)
