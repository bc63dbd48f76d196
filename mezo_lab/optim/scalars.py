"""Numbers of Python, numpy and torch as the Python numbers that they are, and what is said of anything else."""

import math
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy
import torch

REMEDIES = {
    "lr": "1e-6 is usual for all weights of a language model",
    "weight_decay": "0 switches it off",
    "scale": "it divides the probes; 1 changes nothing",
    "epsilon": "1e-3 suits a language model in float32",
    "probes": "take 1; `mezo-lab list` says what more of them buy (probes-are-a-wash, orthogonal-probes)",
    "rank": "1 is the cheapest",
    "seed": "any such number does",
    "clip": "it bounds the projected gradient",
    "check_replicas_every": "100 costs little",
    "beta": "0.9 is usual",
    "beta1": "0.9 is usual",
    "beta2": "0.999 is usual",
    "delta": "1e-8 is usual; 0 would divide by it",
    "steps": "it counts from 0",
    "before": "it is the loss of the last step",
    "window": "leave it out for the default",
}


def item(value: Any) -> Any:
    """The Python number of a number of numpy or torch; anything else as it is."""
    if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_meta:
        return value.item()
    if isinstance(value, numpy.generic) or (isinstance(value, numpy.ndarray) and value.ndim == 0):
        return value.item()
    return value


def number(name: str, value: Any) -> float:
    """A number of Python, numpy or torch as a float. Raises: ValueError."""
    found = item(value)
    if isinstance(found, bool) or not isinstance(found, Real | Decimal):
        raise ValueError(f"`{name}` must be a number, got {value!r}: {REMEDIES[name]}.")
    return floating(found)


def floating(value: Any) -> float:
    """The float of a number; of an integer that none can hold, an infinite one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def single(value: float) -> float:
    """The nearest number of float32. Steps are made of these, so that a log, which holds no others, is all of them."""
    return float(torch.tensor(float(value), dtype=torch.float32))


def positive(name: str, value: Any) -> float:
    found = number(name, value)
    if not (found > 0 and math.isfinite(found)):
        raise ValueError(f"`{name}` must be positive, got {value}: {REMEDIES[name]}.")
    return found


def not_negative(name: str, value: Any) -> float:
    found = number(name, value)
    if not (found >= 0 and math.isfinite(found)):
        rule = "not be negative" if not math.isinf(found) else "be finite"
        raise ValueError(f"`{name}` must {rule}, got {value}: {REMEDIES[name]}.")
    return found


def whole(name: str, value: Any, rule: str, least: int, below: float = math.inf) -> int:
    """A whole number of Python, numpy or torch as an int. Raises: ValueError."""
    found = item(value)
    if isinstance(found, bool) or not isinstance(found, Integral) or not least <= int(found) < below:
        raise ValueError(f"`{name}` must be {rule}, got {value}: {REMEDIES[name]}.")
    return int(found)


def flag(name: str, value: Any) -> bool:
    """True or False, also of numpy or torch. Raises: ValueError."""
    found = item(value)
    if not isinstance(found, bool):
        raise ValueError(f"`{name}` must be True or False, got {value!r}: leave it out for the default.")
    return found
