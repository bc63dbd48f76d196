"""Seconds of a call, all in turn, so that a busy moment of the machine hits each of them; median, least and largest."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

LONG = 1.0  # seconds

Calls = Mapping[str, Callable[[], object]]


def rows(calls: Calls, rounds: int, reading: float, **size: Any) -> list[dict[str, Any]]:
    """A row for each call.

    Args:
        reading: seconds that one reading of the clock lasts at least: short calls are repeated.
        size: what is said in every row.
    """
    repeats = {name: _repeats(call, reading) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        first = turn % len(calls)
        for name in [*calls][first:] + [*calls][:first]:
            times[name].append(_seconds(calls[name], repeats[name]))
    return [{"name": name, **size} | spread(own) for name, own in times.items()]


def spread(times: list[float]) -> dict[str, float]:
    """
    >>> spread([3.0, 1.0, 2.0])
    {'seconds': 2.0, 'least': 1.0, 'largest': 3.0}
    """
    return {"seconds": statistics.median(times), "least": min(times), "largest": max(times)}


def _repeats(call: Callable[[], object], reading: float) -> int:
    """How often a call is repeated in a reading; those made here warm it up, a long one no more than once."""
    if _seconds(call, 1) > LONG:
        return 1
    _seconds(call, 1)
    return max(1, math.ceil(reading / _seconds(call, 1)))


def _seconds(call: Callable[[], object], repeats: int) -> float:
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats
