"""What the steps of an optimizer depend on beside its weights: one list, for checkpoints, run logs and replicas."""

import functools
import inspect
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy
from torch import Tensor

from mezo_lab.optim import layout
from mezo_lab.optim.diagnostics import Diagnostics
from mezo_lab.optim.displacement import Exact
from mezo_lab.optim.rules import RULES, Record, Rule
from mezo_lab.optim.scalars import number, whole

if TYPE_CHECKING:
    from mezo_lab.optim.mezo import MeZO

BACK = -1  # a move back to θ: after an exception, or a flush between probe and step

# The arguments of `MeZO` that are no settings of its steps, and why. Any other one is a setting: it is saved, compared
# and logged without being named here, so that a new argument cannot be forgotten.
ELSEWHERE = {
    "params": "the weights: their names and shapes are compared",
    "lr": "in `param_groups`, and in every step of a run log",
    "weight_decay": "in `param_groups`",
    "check_closure": "asks for one more loss, which no step uses",
    "parallel": "says who evaluates a loss; the replicas compare it",
    "check_replicas_every": "says when weights are compared; the replicas compare it",
    "compiled": "says how a sweep is computed; a run log holds how it was",
}
CHANGEABLE = ("epsilon", "clip", "fused", "centre", "fresh_batches", "common_random_numbers")  # between two steps
GROUP = ("weight_decay", "scale")  # settings of a parameter group that a step depends on, beside its rate


@functools.cache
def arguments(kind: type["MeZO"]) -> tuple[str, ...]:
    """The arguments of `MeZO` that are settings of its steps, also for a class derived from it."""
    own = next(each for each in kind.__mro__ if each.__name__ == "MeZO")
    return tuple(name for name in inspect.signature(own).parameters if name not in ELSEWHERE)


def settings(opt: "MeZO") -> dict[str, Any]:
    """Every setting of the steps, by the name of its argument, as JSON could hold it."""
    return {name: described(setting(opt, name)) for name in arguments(type(opt))}


def built(opt: "MeZO") -> dict[str, Any]:
    """The settings that a `MeZO` is built with for good. Another number of probes needs nothing to be built anew."""
    return {name: value for name, value in settings(opt).items() if name not in (*CHANGEABLE, "probes")}


def check_built(opt: "MeZO") -> None:
    """Raises: ValueError for a setting that was changed where a step would not heed it."""
    now = built(opt)
    for name, was in opt.built.items():
        if now[name] != was:
            raise ValueError(
                f"`{name}` was {was!r} when the optimizer was built, and is {now[name]!r}: build another MeZO with it."
            )


def setting(opt: "MeZO", name: str) -> Any:
    """An argument of an optimizer, which it keeps under the same name, or its estimator or law does."""
    owner = next(each for each in (opt, opt.estimator, opt.law) if hasattr(each, name))
    return getattr(owner, name)


def described(value: Any) -> Any:
    if isinstance(value, Rule):
        return rule_described(value)
    if isinstance(value, Tensor):
        return value.item()
    return plain(getattr(value, "name", value))  # a law and an estimator are known by their names


def rule_described(rule: Rule) -> dict[str, Any]:
    """A rule by its name; a user's own one by its class."""
    kind = type(rule)
    known = [name for name, each in RULES.items() if each is kind]
    parts = asdict(rule) if is_dataclass(rule) else vars(rule)
    return {"name": known[0] if known else f"{kind.__module__}.{kind.__qualname__}"} | plain(parts)


def plain(value: Any) -> Any:
    """The same with Python's own numbers in place of numpy's, which `torch.load(…, weights_only=True)` refuses."""
    if isinstance(value, (numpy.generic, numpy.ndarray)):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return value


def saved(opt: "MeZO") -> dict[str, Any]:
    """The state of an optimizer whose weights are at θ. Raises: RuntimeError after a replay that could not know it."""
    if opt.missing is not None:
        raise RuntimeError(opt.missing)
    position = opt.ready().position
    return {
        "settings": settings(opt),
        "steps": opt.steps,
        "before": opt.before,
        "history": history(opt),
        "diagnostics": asdict(opt.diagnostics),
        "masters": position.masters if isinstance(position, Exact) else None,
    }


def history(opt: "MeZO") -> list[tuple[int, tuple[float, ...], tuple[float, ...]]]:
    return [(record.step, record.coefficients, record.projected) for record in opt.history]


def check_names(opt: "MeZO", group: Mapping[str, Any]) -> None:
    """Raises: ValueError for a parameter group that would set what holds for all groups."""
    for name in arguments(type(opt)):
        if name in group:
            raise ValueError(
                f"`{name}` holds for all groups, and one group sets it: give it to MeZO(…). A group may set `lr`, "
                "`weight_decay` and `scale`."
            )


def same(here: Any, there: Any) -> bool:
    try:
        return bool(here == there)
    except RuntimeError:  # a tensor of several numbers
        return False


def check_shape(state_dict: Any) -> None:
    """Raises: ValueError for what is no state of a `MeZO`."""
    if isinstance(state_dict, Mapping) and "mezo" not in state_dict:
        raise ValueError("`state_dict` must come from MeZO.state_dict(), and holds no 'mezo': load another file.")
    mezo = state_dict.get("mezo") if isinstance(state_dict, Mapping) else None
    whole_one = (
        isinstance(mezo, Mapping)
        and isinstance(mezo.get("settings"), Mapping)
        and isinstance(mezo.get("masters"), list | None)
        and all(isinstance(master, Tensor) for master in mezo.get("masters") or [])
        and isinstance(state_dict.get("state"), Mapping)
        and isinstance(state_dict.get("param_groups"), list)
        and all(isinstance(group, Mapping) for group in state_dict["param_groups"])
        and all(isinstance(group.get("params"), list) for group in state_dict["param_groups"])
    )
    if not whole_one:
        raise ValueError("`state_dict` must be whole, as MeZO.state_dict() gives it, and is not: load another file.")


def check(opt: "MeZO", state_dict: dict[str, Any]) -> None:
    """Raises: ValueError when the optimizer of a state was built otherwise."""
    check_shape(state_dict)
    mine = settings(opt)
    for name, value in state_dict["mezo"]["settings"].items():
        if name not in mine:
            raise ValueError(
                f"`{name}` was {value!r} when the state was saved, and is unknown here: use the version that saved it."
            )
        here = repr(opt.rule) if isinstance(value, str) and name == "rule" else mine[name]  # as version 0.1 saved it
        if not same(here, value):
            raise ValueError(f"`{name}` was {value!r} when the state was saved, and is {here!r}: build it as it was.")
    # torch matches parameters by position, and would give z and θ itself to others
    for theirs, ours in zip(state_dict["param_groups"], opt.param_groups, strict=False):
        if len(theirs["params"]) != len(ours["params"]):
            continue  # torch refuses it
        there_and_here = (layout.unwrapped(group.get("param_names") or []) for group in (theirs, ours))
        pairs = zip_longest(*there_and_here)
        for there, here in pairs:
            if there != here:
                raise ValueError(
                    f"`params` had {there!r} where they have {here!r} now: give the same names in the same order."
                )
    masters, shapes = state_dict["mezo"]["masters"], [tuple(p.tensor.shape) for p in layout.moving(opt.param_groups)]
    if masters is not None and (kept := [tuple(master.shape) for master in masters]) != shapes:
        raise ValueError(f"`params` that require gradients had shapes {kept}, now {shapes}: freeze what was frozen.")


def read(opt: "MeZO", state_dict: dict[str, Any]) -> tuple[int, float | None, deque[Record], Diagnostics]:
    """What `saved` has written, once `check` has compared it. Raises: ValueError for what it would not have written."""
    check(opt, state_dict)
    state = state_dict["mezo"]
    records, diagnostics = deque[Record](maxlen=opt.rule.window), Diagnostics()
    try:
        if (state["masters"] is not None) != opt.exact:
            raise ValueError("`masters` are the weights of exact=True")
        step, before = whole("steps", state["steps"], "a whole number in [0, 2**32)", 0, 2**32), state["before"]
        before = None if before is None else number("before", before)
        recall(records, state["history"])
        count_on(diagnostics, state.get("diagnostics", {}))
        sums = [float(value) for record in records for value in (record.step, *record.coefficients, *record.projected)]
        numbers = (diagnostics.squares.mean, diagnostics.curvatures.mean, diagnostics.last_loss, diagnostics.steps)
        if not all(map(math.isfinite, sums)) or not all(isinstance(value, int | float) for value in numbers):
            raise ValueError("numbers that no step has written")
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
        raise ValueError(
            f"`state_dict` must be whole, as MeZO.state_dict() gives it, and is not ({type(error).__name__}: {error}): "
            "load another file."
        ) from error
    return step, before, records, diagnostics


def load(opt: "MeZO", state: dict[str, Any], found: tuple[int, float | None, deque[Record], Diagnostics]) -> None:
    """Go on from `saved`, once it is checked and `read`."""
    opt.steps, opt.before, opt.history, opt.diagnostics = found
    opt.projected, opt.missing = None, None
    opt.engine = None  # the weights may have been loaded too
    position = opt.ready().position
    if isinstance(position, Exact):
        for master, before in zip(position.masters, state["masters"], strict=True):
            master.copy_(before)


def recall(records: deque[Record], found: list[Any]) -> None:
    records.clear()
    records.extend(Record(step, tuple(c), tuple(pg)) for step, c, pg in found)


def count_on(diagnostics: Diagnostics, found: dict[str, Any]) -> None:
    """Let diagnostics go on from those that were saved. None stands for NaN, which JSON has no word for."""
    for name in (field.name for field in fields(diagnostics)):
        if name not in found:
            continue
        now, before = getattr(diagnostics, name), found[name]
        if is_dataclass(now):
            before = type(now)(**before)
        setattr(diagnostics, name, math.nan if before is None else before)


def told(opt: "MeZO") -> str:
    """The settings, a line each, for `repr`."""
    found = settings(opt) | {"rule": opt.rule, "parallel": getattr(opt.ranks, "mode", None), "steps": opt.steps}
    return "".join(f"\n    {name}: {value}" for name, value in found.items())


def copied(opt: "MeZO") -> dict[str, Any]:
    """All that a copy takes over beside the weights: settings, memory, and where the stored weights are."""
    position = None if opt.engine is None else opt.engine.position.saved()
    return {name: getattr(opt, name) for name in opt.own} | {"own": opt.own, "position": position}
