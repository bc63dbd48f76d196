"""Whether the contents of a run log make sense: a checksum shows that a log is whole, not that it means anything.

A log may come from anywhere, so each number is checked before any weight moves, by its type and range and by `MeZO`
itself, and the refusal names the file, the place and the field in one line.
"""

import math
import typing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from inspect import signature
from typing import Any

import torch

from mezo_lab.optim.checkpoint import BACK, CHANGEABLE, GROUP, described, setting_names
from mezo_lab.optim.diagnostics import Diagnostics
from mezo_lab.optim.log.format import HASH_SIZE, LogError, StepRecord, brief
from mezo_lab.optim.log.reader import VerifiedLog
from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.rules import RULES
from mezo_lab.optim.stencils import ESTIMATORS

HEADER_VERSION = 2  # version 1 said less, and is read with the usual values in place
NOISE = "threefry2x32-20/2"  # the generator and the version of the transforms in `mezo_lab.optim.noise`
FORMER_NOISE = "threefry2x32-20/1"  # the same words, and normals with other last digits
WITHOUT_NORMALS = ("rademacher", "uniform", "three-point", "coordinate")  # laws
RATES = ("lr", "initial_lr")  # of a group; a scheduler of torch leaves the second
DEFAULTS = ("lr", "weight_decay", "scale")  # of a group that is added later

_LEAST, _MOST = 1e-38, 1e38  # of what float32 numbers are multiplied with
_MOST_STEPS = 1 << 32  # that the noise can number


def is_present_noise(header: dict[str, Any]) -> bool:
    """Whether z of a run log has the bits of this version's z."""
    former = header["noise"] == FORMER_NOISE and header["law"] in WITHOUT_NORMALS
    return former or header["noise"] == NOISE


def verified_header(log: VerifiedLog) -> dict[str, Any]:
    """The header of a run log, checked, with the usual values of what an older one does not name.

    Raises: LogError naming the file and the key.
    """
    version = log.header.get("version", 1)
    if type(version) is int and version > HEADER_VERSION:
        raise LogError(
            f"{log.path} was written by a newer mezo_lab (header {version}, here {HEADER_VERSION}): upgrade."
        )
    defaults = {"lr": 1.0, "weight_decay": 0.0, "scale": 1.0}
    header = _usual_settings() | {"defaults": defaults} | log.header
    with _refusals(log, "its header"):
        if type(version) is not int or version not in (1, HEADER_VERSION):
            raise _Senseless(f"`version` must be 1 or {HEADER_VERSION}, got {brief(version)}")
        names = ["noise", "compiled", "fingerprint", "weights", *GROUP, "defaults"]
        if "start" in header or version == HEADER_VERSION:
            names.append("start")
        _check_fields(header, names, log.header["groups"])
        _check_settings(header)
        if "start" in header:
            _check_history(header)
    return header


def check_items(log: VerifiedLog, header: dict[str, Any]) -> None:
    """Every step and event of a run log. Raises: LogError naming the file, the step and the field."""
    settings = header
    moves: list[int] = []  # of the step to come
    for item in log:
        if isinstance(item, StepRecord):
            with _refusals(log, f"step {item.number}"):
                _check_step(item)
                _check_moves(moves, settings)
            moves = []
            continue
        with _refusals(log, f"what lies before step {item.step}"):
            if isinstance(item.data, dict):
                settings = _after_event(settings, item.data)
                moves = item.data.get("moves", moves)
            elif item.kind == "hash":
                _check_moves(moves, settings)
                moves = []


def arguments_of(header: dict[str, Any]) -> dict[str, Any]:
    """The settings of a verified header as `MeZO` takes them."""
    settings = {name: header[name] for name in setting_names(MeZO)}
    rule = dict(settings["rule"])
    return settings | {"rule": RULES[rule.pop("name")](**rule)}


def json_numbers(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: json_numbers(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class _Senseless(ValueError):
    """What makes no sense, and why; the caller adds the file and the place."""


@contextmanager
def _refusals(log: VerifiedLog, place: str) -> Iterator[None]:
    try:
        yield
    except _Senseless as error:
        raise LogError(
            f"{log.path} makes no sense in {place}: {error}. Take a copy of the log that its run wrote."
        ) from None


def _usual_settings() -> dict[str, Any]:
    parameters = signature(MeZO).parameters
    defaults = {name: parameters[name].default for name in setting_names(MeZO)}
    return defaults | {"rule": described(RULES[defaults["rule"]]())}


def _check_fields(data: dict[str, Any], names: Iterable[str], groups: int) -> None:
    for name in names:
        if name not in data or not _FIELDS[name](data[name], groups):
            raise _Senseless(f"`{name}` makes no sense, got {brief(data.get(name))}")


def _check_settings(header: dict[str, Any]) -> None:
    """Every argument by its type, then all of them by `MeZO` itself, on parameters that nobody uses."""
    hints = typing.get_type_hints(MeZO.__init__)
    for name in setting_names(MeZO):
        value = header[name]
        if name == "rule":
            _check_rule(value)
            continue
        kinds = typing.get_args(hints[name]) or (hints[name],)  # of a union, each of its types
        if not any(_is_a(value, kind) for kind in kinds):
            raise _Senseless(f"`{name}` makes no sense, got {brief(value)}")
        if type(value) in (int, float) and name != "seed" and not abs(value) <= _MOST:
            raise _Senseless(f"`{name}` must be at most {_MOST}, got {brief(value)}")
    if not header["epsilon"] >= _LEAST:
        raise _Senseless(f"`epsilon` must be at least {_LEAST}, got {brief(header['epsilon'])}")
    try:
        MeZO([torch.nn.Parameter(torch.zeros(header["probes"]))], lr=1.0, **arguments_of(header))
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise _Senseless(str(error).rstrip(".")) from None


def _check_rule(rule: Any) -> None:
    if not isinstance(rule, dict) or rule.get("name") not in list(RULES):
        raise _Senseless(f"`rule` must name one of {', '.join(RULES)}, got {brief(rule)}")
    kind = RULES[rule["name"]]
    known = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    for part, value in rule.items():
        if part != "name" and not (part in known and _is_a(value, known[part])):
            raise _Senseless(f"`rule` makes no sense in {brief(part)}, got {brief(value)}")


def _check_history(header: dict[str, Any]) -> None:
    history = header["start"].get("history")
    if type(history) is not list:
        raise _Senseless(f"`start` makes no sense in its history, got {brief(history)}")
    previous = -1
    for record in history:
        if not _is_record(record, header["probes"], previous, header["first_step"]):
            raise _Senseless(f"`start` makes no sense in its history, got {brief(record)}")
        previous = record[0]


def _check_step(step: StepRecord) -> None:
    if step.number >= _MOST_STEPS:
        raise _Senseless(f"its number must be below {_MOST_STEPS:,}")
    if any(map(math.isinf, step.projected)):
        raise _Senseless("a projected gradient must be finite, or NaN where no step was made, got inf")
    for rate in step.rates:
        if not math.isfinite(rate):
            raise _Senseless(f"a rate must be finite, got {rate}")


def _check_moves(moves: list[int], settings: dict[str, Any]) -> None:
    """Points of a step, as its settings make them, and moves back to θ."""
    if not moves:
        return
    points = ESTIMATORS[settings["estimator"]].points(settings["probes"])
    count = len(points) + (settings["centre"] and (0, 0) not in points)
    if not all(BACK <= move < count for move in moves):
        raise _Senseless(f"`moves` must be points of the walk, from {BACK} to {count - 1}, got {brief(moves)}")


def _after_event(settings: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """The settings behind an event, which is checked."""
    for key in data:
        if key not in ("moves", "state", *GROUP, *CHANGEABLE):
            raise _Senseless(f"{brief(key)} is unknown here, perhaps of a newer mezo_lab")
    _check_fields(data, [name for name in ("moves", "state", *GROUP) if name in data], settings["groups"])
    changed = {name: data[name] for name in CHANGEABLE if name in data}
    if changed:
        settings = settings | changed
        _check_settings(settings)
    return settings


def _is_a(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type; True is no number, and a whole number will do for a float."""
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= _MOST


def _is_loss(value: Any) -> bool:
    # of any size, as no weight is multiplied with it
    return value is None or (type(value) in (int, float) and abs(value) <= torch.finfo(torch.float64).max)


def _is_hash(value: Any) -> bool:
    return type(value) is str and len(value) == 2 * HASH_SIZE and set(value) <= set("0123456789abcdef")


def _are_numbers(value: Any, count: int, least: float) -> bool:
    return type(value) is list and len(value) == count and all(_is_number(one) and one >= least for one in value)


def _are_defaults(value: Any) -> bool:
    return type(value) is dict and set(value) == set(DEFAULTS) and all(map(_is_number, value.values()))


def _is_state(value: Any, groups: int) -> bool:
    if type(value) is not dict or not {"before", "diagnostics"} <= set(value):
        return False
    if not set(value) <= {"before", "diagnostics", "history", *RATES} or not _is_loss(value["before"]):
        return False
    rates = all(_are_numbers(value[name], groups, least=-_MOST) for name in RATES if name in value)
    return rates and _is_like(value["diagnostics"], Diagnostics())


def _is_like(value: Any, model: Any) -> bool:
    """Whether a value of JSON has the fields of a dataclass of numbers, each of their types."""
    if type(model) is int:
        return type(value) is int and value >= 0
    if not is_dataclass(model):
        return _is_loss(value)
    if type(value) is not dict:
        return False
    known = {field.name: getattr(model, field.name) for field in fields(model)}
    return all(name in known and _is_like(one, known[name]) for name, one in value.items())


def _is_record(record: Any, probes: int, previous: int, first: int) -> bool:
    if type(record) is not list or len(record) != 3:
        return False
    step, *parts = record
    lists = all(_are_numbers(part, probes, least=-_MOST) for part in parts)
    return lists and type(step) is int and previous < step < first


# of a header and of events, by name; each is called with the value and the number of parameter groups
_FIELDS: dict[str, Callable[[Any, int], bool]] = {
    "noise": lambda value, _: type(value) is str,
    "compiled": lambda value, _: type(value) is bool,
    "fingerprint": lambda value, _: type(value) is str,
    "weights": lambda value, _: _is_hash(value),
    "weight_decay": lambda value, groups: _are_numbers(value, groups, least=0.0),
    "scale": lambda value, groups: _are_numbers(value, groups, least=_LEAST),
    "defaults": lambda value, _: _are_defaults(value),
    "moves": lambda value, _: type(value) is list and all(type(one) is int for one in value),
    "start": lambda value, groups: _is_state(value, groups),
    "state": lambda value, groups: _is_state(value, groups),
}
