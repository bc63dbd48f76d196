"""What a run log says of an optimizer, read with care: a checksum tells that it is whole, not that it makes sense."""

import math
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from inspect import signature
from typing import Any, NoReturn

import torch

from mezo_lab.optim.checkpoint import BACK, CHANGEABLE, GROUP, described, setting_names
from mezo_lab.optim.diagnostics import Diagnostics
from mezo_lab.optim.log import Log, LogError, StepRecord
from mezo_lab.optim.log.header import brief
from mezo_lab.optim.log.records import HASH
from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.rules import RULES
from mezo_lab.optim.stencils import ESTIMATORS

VERSION = 2  # of what a header says; 1 said less, and its log is read with the usual values in place
WHOSE = ("noise", "compiled", "fingerprint")  # that a run which goes on with a log must agree with, beside its settings
RATES = ("lr", "initial_lr")  # of a group; a scheduler of torch leaves the second
DEFAULTS = ("lr", "weight_decay", "scale")  # of a group that is added later
LEAST, MOST = 1e-38, 1e38  # of what float32 numbers are multiplied with
STEPS = 1 << 32  # that the noise can number


def usual() -> dict[str, Any]:
    """The settings that the header of an older log does not name."""
    given = signature(MeZO).parameters
    found = {name: given[name].default for name in setting_names(MeZO)}
    return found | {"rule": described(RULES[found["rule"]]())}


def header_of(log: Log) -> dict[str, Any]:
    """The header of a run log, checked, with the usual values of what it does not say.

    Raises: LogError naming the file and the key.
    """
    refuse = refusing(log, "its header")
    found = log.header
    version = found.get("version", 1)
    if type(version) is int and version > VERSION:
        raise LogError(f"{log.path} was written by a newer mezo_lab (header {version}, here {VERSION}): upgrade.")
    if type(version) is not int or version not in (1, VERSION):
        refuse(f"`version` must be 1 or {VERSION}, got {brief(version)}")
    header = usual() | {"defaults": {"lr": 1.0, "weight_decay": 0.0, "scale": 1.0}} | found
    count: int = found["groups"]
    checks: dict[str, Callable[[Any], bool]] = {
        "noise": is_text,
        "compiled": is_flag,
        "fingerprint": is_text,
        "weights": is_hash,
        "weight_decay": numbers(count, least=0.0),
        "scale": numbers(count, least=LEAST),
        "defaults": is_defaults,
    }
    for name, fits in checks.items():
        if name not in header or not fits(header[name]):
            refuse(f"`{name}` makes no sense, got {brief(header.get(name))}")
    check_settings(header, refuse)
    if "start" in header or version == VERSION:
        check_start(header, refuse)
    return header


def settings_of(header: dict[str, Any]) -> dict[str, Any]:
    """The settings as `MeZO` takes them."""
    found = {name: header[name] for name in setting_names(MeZO)}
    rule = dict(found["rule"])
    return found | {"rule": RULES[rule.pop("name")](**rule)}


def check_settings(header: dict[str, Any], refuse: Callable[[str], NoReturn]) -> None:
    """Every argument by its type, then all of them by `MeZO` itself, on parameters that nobody uses."""
    hints = typing.get_type_hints(MeZO.__init__)
    for name in setting_names(MeZO):
        value = header[name]
        if name == "rule":
            check_rule(value, refuse)
        elif not any(is_a(value, kind) for kind in options(hints[name])):
            refuse(f"`{name}` makes no sense, got {brief(value)}")
        elif type(value) in (int, float) and name != "seed" and not abs(value) <= MOST:
            refuse(f"`{name}` must be at most {MOST}, got {brief(value)}")
    if not LEAST <= header["epsilon"]:
        refuse(f"`epsilon` must be at least {LEAST}, got {brief(header['epsilon'])}")
    try:
        MeZO([torch.nn.Parameter(torch.zeros(header["probes"]))], lr=1.0, **settings_of(header))
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        refuse(str(error).rstrip("."))


def check_rule(found: Any, refuse: Callable[[str], NoReturn]) -> None:
    name = found.get("name") if isinstance(found, dict) else None
    kind = RULES.get(name) if isinstance(name, str) else None
    if kind is None:
        refuse(f"`rule` must name one of {', '.join(RULES)}, got {brief(found)}")
    known = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    for part, value in found.items():
        if part != "name" and not (part in known and is_a(value, known[part])):
            refuse(f"`rule` makes no sense in {brief(part)}, got {brief(value)}")


def check_start(header: dict[str, Any], refuse: Callable[[str], NoReturn]) -> None:
    start = header.get("start")
    if not is_memory(start, header["groups"]):
        refuse(f"`start` makes no sense, got {brief(start)}")
    assert isinstance(start, dict)
    history = start.get("history")
    if type(history) is not list:
        refuse(f"`start` makes no sense in its history, got {brief(history)}")
    before = -1
    for record in history:
        if not is_past(record, header["probes"], before, header["first_step"]):
            refuse(f"`start` makes no sense in its history, got {brief(record)}")
        before = record[0]


def check_items(log: Log, header: dict[str, Any]) -> None:
    """Every step and event of a run log. Raises: LogError naming the file, the step and the field."""
    now, moves = dict(header), list[int]()
    for item in log:
        if isinstance(item, StepRecord):
            check_step(item, refusing(log, f"step {item.number}"))
            check_moves(moves, now, refusing(log, f"step {item.number}"))
            moves = []
        elif isinstance(item.data, dict):
            now = check_event(item.data, now, refusing(log, f"what lies before step {item.step}"))
            moves = item.data.get("moves", moves)
        elif item.kind == "hash":
            check_moves(moves, now, refusing(log, f"what lies before step {item.step}"))
            moves = []


def check_step(item: StepRecord, refuse: Callable[[str], NoReturn]) -> None:
    if item.number >= STEPS:
        refuse(f"its number must be below {STEPS:,}")
    if any(map(math.isinf, item.projected)):
        refuse("a projected gradient must be finite, or NaN where no step was made, got inf")
    for rate in item.rates:
        if not math.isfinite(rate):
            refuse(f"a rate must be finite, got {rate}")


def check_moves(moves: list[int], now: dict[str, Any], refuse: Callable[[str], NoReturn]) -> None:
    """Points of the walk of a step, as its settings make them, and moves back."""
    if not moves:
        return
    visits = ESTIMATORS[now["estimator"]].points(now["probes"])
    count = len(visits) + (now["centre"] and (0, 0) not in visits)
    if not all(BACK <= one < count for one in moves):
        refuse(f"`moves` must be points of the walk, from {BACK} to {count - 1}, got {brief(moves)}")


def check_event(data: dict[str, Any], now: dict[str, Any], refuse: Callable[[str], NoReturn]) -> dict[str, Any]:
    """Returns: the settings behind it."""
    for key in data:
        if key not in ("moves", "state", *GROUP, *CHANGEABLE):
            refuse(f"{brief(key)} is unknown here, perhaps of a newer mezo_lab")
    count = now["groups"]
    checks: dict[str, Callable[[Any], bool]] = {
        "moves": is_walk,
        "state": lambda value: is_memory(value, count),
        "weight_decay": numbers(count, least=0.0),
        "scale": numbers(count, least=LEAST),
    }
    for name, fits in checks.items():
        if name in data and not fits(data[name]):
            refuse(f"`{name}` makes no sense, got {brief(data[name])}")
    if any(name in data for name in CHANGEABLE):
        now = now | {name: value for name, value in data.items() if name in CHANGEABLE}
        check_settings(now, refuse)
    return now


def refusing(log: Log, where: str) -> Callable[[str], NoReturn]:
    def refuse(what: str) -> NoReturn:
        raise LogError(f"{log.path} makes no sense in {where}: {what}. Take a copy of the log that its run wrote.")

    return refuse


def options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def is_a(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type; True is no number, and a whole number will do for a float."""
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def is_text(value: Any) -> bool:
    return type(value) is str


def is_flag(value: Any) -> bool:
    return type(value) is bool


def is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= MOST


def is_loss(value: Any) -> bool:
    # of any size, as no weight is multiplied with it
    return value is None or (type(value) in (int, float) and abs(value) <= torch.finfo(torch.float64).max)


def is_hash(value: Any) -> bool:
    return is_text(value) and len(value) == 2 * HASH and set(value) <= set("0123456789abcdef")


def numbers(count: int, least: float) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        return type(value) is list and len(value) == count and all(is_number(one) and one >= least for one in value)

    return fits


def is_defaults(value: Any) -> bool:
    return type(value) is dict and set(value) == set(DEFAULTS) and all(map(is_number, value.values()))


def is_walk(value: Any) -> bool:
    return type(value) is list and all(type(one) is int for one in value)


def is_memory(value: Any, count: int) -> bool:
    if type(value) is not dict or not {"before", "diagnostics"} <= set(value):
        return False
    if not set(value) <= {"before", "diagnostics", "history", *RATES} or not is_loss(value["before"]):
        return False
    rates = all(numbers(count, least=-MOST)(value[name]) for name in RATES if name in value)
    return rates and fits_like(value["diagnostics"], Diagnostics())


def fits_like(value: Any, like: Any) -> bool:
    """Whether a value of JSON has the fields of a dataclass of numbers, each of their types."""
    if not is_dataclass(like):
        return (type(value) is int and value >= 0) if type(like) is int else is_loss(value)
    if type(value) is not dict:
        return False
    known = {field.name: getattr(like, field.name) for field in fields(like)}
    return all(name in known and fits_like(one, known[name]) for name, one in value.items())


def is_past(record: Any, probes: int, before: int, first: int) -> bool:
    if type(record) is not list or len(record) != 3:
        return False
    step, *parts = record
    lists = all(type(part) is list and len(part) == probes and all(map(is_number, part)) for part in parts)
    return lists and type(step) is int and before < step < first


def strict(value: Any) -> Any:
    """As JSON can hold it, which has no word for NaN."""
    if isinstance(value, dict):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
