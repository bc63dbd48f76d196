"""What the steps of an optimizer depend on beside its weights: one list, for checkpoints, run logs and replicas."""

import functools
import inspect
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from itertools import zip_longest
from operator import attrgetter, is_
from typing import Any, Protocol

from torch import Tensor

from mezo_lab.optim.arguments import check_arguments, check_group
from mezo_lab.optim.diagnostics import Diagnostics
from mezo_lab.optim.displacement import ExactWeights, PlainWeights
from mezo_lab.optim.parameters import Group, model_names, trainable_parameters
from mezo_lab.optim.rules import RULES, Record, Rule
from mezo_lab.validation import number, python_values, whole

BACK = -1  # in a run log, a move back to θ: after an exception, or a flush between probe and step

# The arguments of `MeZO` that are not settings of its steps, and why. Every other argument is a setting: saved,
# compared and logged without being named here, so that a new argument cannot be forgotten.
ELSEWHERE = {
    "params": "the weights: their names and shapes are compared",
    "lr": "in `param_groups`, and in every step of a run log",
    "weight_decay": "in `param_groups`",
    "check_closure": "evaluates one more loss, which no step uses",
    "parallel": "says who evaluates a loss; the replicas compare it",
    "check_replicas_every": "says when weights are compared; the replicas compare it",
    "compiled": "says how a sweep is computed; a run log holds how it was",
}
CHANGEABLE = ("epsilon", "clip", "fused", "centre", "fresh_batches", "common_random_numbers")  # between two steps
GROUP = ("weight_decay", "scale")  # the settings of a parameter group that a step depends on, beside its rate


class Checkpointed(Protocol):
    """What this module reads of an optimizer, and what it sets when a checkpoint is loaded."""

    rule: Rule
    exact: bool
    steps: int
    diagnostics: Diagnostics
    history: deque[Record]
    param_groups: list[Group]
    missing: str | None
    _previous_loss: float | None


@functools.cache
def setting_names(kind: type) -> tuple[str, ...]:
    """The arguments of `MeZO` that are settings of its steps, also for a class derived from it."""
    own = next(base for base in kind.__mro__ if base.__name__ == "MeZO")
    return tuple(name for name in inspect.signature(own).parameters if name not in ELSEWHERE)


def settings(opt: Any) -> dict[str, Any]:
    """Every setting of the steps of a `MeZO`, by the name of its argument, as JSON could hold it."""
    return {name: described(getattr(opt, name)) for name in setting_names(type(opt))}


class CheckedSettings:
    """The settings of a `MeZO` when they were last checked, to see at each loss whether they are still these.

    Nearly always every one is the same object. Only where one is not, or may have changed inside, as a rule of the
    user's own, all are described and compared.
    """

    def __init__(self, opt: Any):
        self._objects = _values_of(type(opt))(opt)
        self._described = settings(opt)
        self._constant = type(opt.rule) in RULES.values()  # all others are Python numbers, names and frozen objects

    def unchanged(self, opt: Any) -> bool:
        """Whether every argument that is checked is the same object, and none may have changed inside."""
        return self._constant and all(map(is_, self._objects, _values_of(type(opt))(opt)))

    def changed(self, opt: Any) -> str | None:
        """The name of a setting of the steps that is another now; None where none is."""
        if self.unchanged(opt):
            return None
        return next((name for name, value in settings(opt).items() if value != self._described[name]), None)


@functools.cache
def _values_of(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    """optimizer → its arguments that are checked before a step, those of `setting_names` and some others."""
    return attrgetter(*setting_names(kind), "check_closure", "check_replicas_every", "compiled")


def built_for_good(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings whose change no step would notice. (Another number of probes needs nothing to be built anew.)"""
    return {name: value for name, value in settings.items() if name not in CHANGEABLE and name != "probes"}


def checked_settings(opt: Any, built: Mapping[str, Any], last: CheckedSettings | None) -> CheckedSettings:
    """The settings with which a step can be made. Args: built: of `built_for_good`. last: those checked before.

    Raises: ValueError for one that was changed to an impossible value, or that no step would notice.
    """
    if last is None or not last.unchanged(opt):
        check_built(settings(opt), built)
        check_arguments(vars(opt))
        last = CheckedSettings(opt)
    for group in opt.param_groups:
        check_group(group, first=False)
    return last


def check_built(now: Mapping[str, Any], built: Mapping[str, Any]) -> None:
    """Raises: ValueError for a setting that was changed although no step would notice it."""
    for name, value in built.items():
        if now[name] != value:
            raise ValueError(
                f"`{name}` was {value!r} when the optimizer was built, and is {now[name]!r}: build another MeZO."
            )


def described(value: Any) -> Any:
    """A setting as JSON could hold it."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Rule):
        return _rule_described(value)
    if isinstance(value, Tensor):
        return value.item()
    return python_values(getattr(value, "name", value))  # a law and an estimator are known by their names


def _rule_described(rule: Rule) -> dict[str, Any]:
    """A rule by its name; one of the user's own by its class."""
    kind = type(rule)
    names = [name for name, known in RULES.items() if known is kind]
    names.append(f"{kind.__module__}.{kind.__qualname__}")
    parts = asdict(rule) if is_dataclass(rule) else vars(rule)
    return {"name": names[0]} | python_values(parts)


def saved(opt: Checkpointed, weights: PlainWeights | ExactWeights) -> dict[str, Any]:
    """The state of an optimizer whose weights are at θ. Raises: RuntimeError where a replay could not restore it."""
    if opt.missing is not None:
        raise RuntimeError(opt.missing)
    return {
        "settings": settings(opt),
        "steps": opt.steps,
        "before": opt._previous_loss,
        "history": saved_history(opt.history),
        "diagnostics": asdict(opt.diagnostics),
        "masters": weights.masters if isinstance(weights, ExactWeights) else None,
    }


def saved_history(history: deque[Record]) -> list[tuple[int, tuple[float, ...], tuple[float, ...]]]:
    """The records as plain tuples."""
    return [(record.step, record.coefficients, record.projected) for record in history]


def check_names(opt: Any, group: Mapping[str, Any]) -> None:
    """Raises: ValueError for a parameter group that sets what holds for all groups."""
    for name in setting_names(type(opt)):
        if name in group:
            raise ValueError(
                f"`{name}` holds for all groups, and one group sets it: give it to MeZO(…). A group may set `lr`, "
                "`weight_decay` and `scale`."
            )


@dataclass
class Checkpoint:
    """The state of an optimizer, read and checked."""

    steps: int
    previous_loss: float | None
    history: deque[Record]
    diagnostics: Diagnostics
    masters: list[Tensor] | None

    def load_masters(self, weights: PlainWeights | ExactWeights) -> None:
        """Set the θ of exact weights."""
        if isinstance(weights, ExactWeights):
            assert self.masters is not None
            for master, saved_master in zip(weights.masters, self.masters, strict=True):
                master.copy_(saved_master)


def read(opt: Checkpointed, state_dict: Any) -> Checkpoint:
    """What `saved` has written. Raises: ValueError where it does not belong to `opt`, or `saved` did not write it."""
    _check_shape(state_dict)
    _check_settings(opt, state_dict["mezo"]["settings"])
    _check_parameters(opt, state_dict)
    state = state_dict["mezo"]
    history = deque[Record](maxlen=opt.rule.window)
    diagnostics = Diagnostics()
    try:
        if (state["masters"] is not None) != opt.exact:
            raise ValueError("`masters` are the weights of exact=True")
        steps = whole("steps", state["steps"], "it counts from 0", least=0, below=2**32)
        previous_loss = state["before"]
        if previous_loss is not None:
            previous_loss = number("before", previous_loss, "it is the loss of the last step")
        load_history(history, state["history"])
        load_diagnostics(diagnostics, state.get("diagnostics", {}))
        _check_numbers(history, diagnostics)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
        raise ValueError(
            f"`state_dict` must be whole, as MeZO.state_dict() gives it, and is not ({type(error).__name__}: {error}): "
            "load another file."
        ) from error
    return Checkpoint(steps, previous_loss, history, diagnostics, state["masters"])


def _check_shape(state_dict: Any) -> None:
    """Raises: ValueError for what is no state of a `MeZO`."""
    if isinstance(state_dict, Mapping) and "mezo" not in state_dict:
        raise ValueError("`state_dict` must come from MeZO.state_dict(), and holds no 'mezo': load another file.")
    complete = (
        isinstance(state_dict, Mapping)
        and isinstance(mezo := state_dict["mezo"], Mapping)
        and isinstance(mezo.get("settings"), Mapping)
        and isinstance(mezo.get("masters"), list | None)
        and all(isinstance(master, Tensor) for master in mezo.get("masters") or [])
        and isinstance(state_dict.get("state"), Mapping)
        and isinstance(state_dict.get("param_groups"), list)
        and all(isinstance(group, Mapping) for group in state_dict["param_groups"])
        and all(isinstance(group.get("params"), list) for group in state_dict["param_groups"])
    )
    if not complete:
        raise ValueError("`state_dict` must be whole, as MeZO.state_dict() gives it, and is not: load another file.")


def _check_settings(opt: Checkpointed, saved_settings: Mapping[str, Any]) -> None:
    """Raises: ValueError where the optimizer of the state was built with other settings."""
    own = settings(opt)
    for name, value in saved_settings.items():
        if name not in own:
            raise ValueError(
                f"`{name}` was {value!r} when the state was saved, and is unknown here: use the version that saved it."
            )
        here = own[name]
        if name == "rule" and isinstance(value, str):  # as version 0.1 saved it
            here = repr(opt.rule)
        if not _same(here, value):
            raise ValueError(f"`{name}` was {value!r} when the state was saved, and is {here!r}: build it as it was.")


def _same(here: Any, there: Any) -> bool:
    try:
        return bool(here == there)
    except RuntimeError:  # a tensor of several numbers
        return False


def _check_parameters(opt: Checkpointed, state_dict: Any) -> None:
    """Raises: ValueError for parameters of other names or shapes.

    torch matches parameters by position, and would give z, and θ itself, to others.
    """
    for theirs, ours in zip(state_dict["param_groups"], opt.param_groups, strict=False):
        if len(theirs["params"]) != len(ours["params"]):
            continue  # torch refuses it
        names_there = model_names(theirs.get("param_names") or [])
        names_here = model_names(ours.get("param_names") or [])
        for there, here in zip_longest(names_there, names_here):
            if there != here:
                raise ValueError(
                    f"`params` had {there!r} where they have {here!r} now: give the same names in the same order."
                )
    masters = state_dict["mezo"]["masters"]
    if masters is None:
        return
    shapes_there = [tuple(master.shape) for master in masters]
    shapes_here = [tuple(parameter.tensor.shape) for parameter in trainable_parameters(opt.param_groups)]
    if shapes_there != shapes_here:
        raise ValueError(
            f"`params` that require gradients had shapes {shapes_there}, now {shapes_here}: freeze what was frozen."
        )


def _check_numbers(history: deque[Record], diagnostics: Diagnostics) -> None:
    scalars = [float(value) for record in history for value in (record.step, *record.coefficients, *record.projected)]
    means = (diagnostics.squares.mean, diagnostics.curvatures.mean, diagnostics.last_loss, diagnostics.steps)
    if not all(map(math.isfinite, scalars)) or not all(isinstance(value, int | float) for value in means):
        raise ValueError("numbers that no step has written")


def load_history(history: deque[Record], records: list[Any]) -> None:
    """Replace the records of a run by those that `saved_history` wrote."""
    history.clear()
    history.extend(Record(step, tuple(coefficients), tuple(projected)) for step, coefficients, projected in records)


def load_diagnostics(diagnostics: Diagnostics, saved_values: dict[str, Any]) -> None:
    """Continue diagnostics from saved ones. None stands for NaN, which JSON cannot hold."""
    for name in (field.name for field in fields(diagnostics)):
        if name not in saved_values:
            continue
        value = saved_values[name]
        if value is None:
            value = math.nan
        kind = type(getattr(diagnostics, name))
        if is_dataclass(kind) and isinstance(value, dict):
            value = kind(**value)
        setattr(diagnostics, name, value)
