"""The header of a log, and JSON that gives back what it was given."""

import json
import math
from typing import Any, NoReturn

from mezo_lab.optim.log.frames import MOST_PAYLOAD, LogError

Header = dict[str, Any]

MOST_COLUMNS = 1 << 16  # probes, or groups: a step with the most of both takes half of the largest frame
# the noise numbers its steps with 32 bits
RANGES = {"probes": (1, MOST_COLUMNS), "groups": (1, MOST_COLUMNS), "first_step": (0, (1 << 32) - 1)}


def complete(header: Header, probes: int, groups: int) -> Header:
    """The header as it is stored: with probes, groups and the number of the first step.

    >>> complete({"seed": 7}, probes=1, groups=2)
    {'seed': 7, 'first_step': 0, 'probes': 1, 'groups': 2}
    """
    for key, value in {"probes": probes, "groups": groups}.items():
        if header.get(key, value) != value:
            raise ValueError(f"`header` must agree with `{key}`, {value}, got {header[key]!r}: leave it out.")
    full = {**header, "first_step": header.get("first_step", 0), "probes": probes, "groups": groups}
    if problem := misfit(full):
        raise ValueError(problem)
    return full


def misfit(header: Header) -> str | None:
    """What is wrong with the numbers that a reader relies on."""
    for key, (least, most) in RANGES.items():
        value = header.get(key)
        if type(value) is not int or not least <= value <= most:
            return f"`{key}` must be an integer from {least} to {most:,}, got {brief(value)}."
    return None


def difference(header: Header, logged: Header) -> str | None:
    """The first key in which a header and that of an existing log differ, as a sentence.

    >>> difference({"seed": 7, "law": "gaussian"}, {"seed": 8, "law": "gaussian"})
    "`header['seed']` is 7, but 8 in the log"
    """
    for key in (*logged, *header):
        ours, theirs = (repr(side[key]) if key in side else "missing" for side in (header, logged))
        if ours != theirs:
            return f"`header[{brief(key)}]` is {shortened(ours)}, but {shortened(theirs)} in the log"
    return None


def brief(value: Any) -> str:
    """At most one line of anything."""
    return shortened(repr(value))


def shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def as_json(argument: str, data: dict[str, Any]) -> bytes:
    """A dict as JSON. Raises: ValueError where it would not come back the same."""
    remedy = "use strings, finite numbers, booleans, None, and lists and dicts of them"
    try:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"`{argument}` must be JSON, got {data!r} ({error}): {remedy}.") from None
    back = json.loads(text)
    if odd := [key for key in data if key not in back or back[key] != data[key]]:
        raise ValueError(f"`{argument}` must be the same after JSON, got {odd[0]!r}: {data[odd[0]]!r}: {remedy}.")
    if len(text) >= MOST_PAYLOAD:
        raise ValueError(f"`{argument}` must be below {MOST_PAYLOAD:,} bytes of JSON, got {len(text):,}: say less.")
    return text.encode()


def parse_json(payload: bytes) -> dict[str, Any]:
    try:
        data = json.loads(payload, parse_constant=refused, parse_float=finite, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise LogError(f"its JSON cannot be read ({error})") from None
    if not isinstance(data, dict):
        raise LogError("its JSON is not a dict")
    return data


def refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is too large")
    return value


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ: of two values for one key a reader would take the last, in silence."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found
