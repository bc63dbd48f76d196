"""What a checkpoint holds beside the weights: scalars, and in exact mode θ itself. No generator has to be saved."""

from typing import TYPE_CHECKING, Any

from mezo_lab.optim import layout
from mezo_lab.optim.position import Exact
from mezo_lab.optim.rules import Record

if TYPE_CHECKING:
    from mezo_lab.optim.mezo import MeZO

# a run goes on as it began only with the same of these
FIXED = ("epsilon", "probes", "seed", "modified", "fused", "exact", "clip")


def saved(opt: "MeZO") -> dict[str, Any]:
    """The state of an optimizer whose weights are at θ."""
    position = opt.ready().position
    return {
        "settings": {name: getattr(opt, name) for name in FIXED} | names(opt),
        "steps": opt.steps,
        "before": opt.before,
        "history": [(record.step, record.coefficients, record.projected) for record in opt.history],
        "masters": position.masters if isinstance(position, Exact) else None,
    }


def names(opt: "MeZO") -> dict[str, Any]:
    return {"law": opt.law.name, "estimator": opt.estimator.name, "rule": repr(opt.rule)}


def check(opt: "MeZO", state_dict: dict[str, Any]) -> None:
    """Raises: ValueError when the optimizer of a state was built otherwise."""
    mine = {name: getattr(opt, name) for name in FIXED} | names(opt)
    for name, value in state_dict["mezo"]["settings"].items():
        if mine[name] != value:
            raise ValueError(
                f"`{name}` was {value!r} when the state was saved, and is {mine[name]!r}: build it as it was."
            )
    # torch matches parameters by position, and would give z and θ itself to others
    for theirs, ours in zip(state_dict["param_groups"], opt.param_groups, strict=False):
        pairs = zip(theirs.get("param_names") or [None], ours.get("param_names") or [None], strict=False)
        for there, here in pairs:
            if there != here:
                raise ValueError(
                    f"`params` had {there!r} where they have {here!r} now: give the same names in the same order."
                )
    masters, shapes = state_dict["mezo"]["masters"], [tuple(p.tensor.shape) for p in layout.moving(opt.param_groups)]
    if masters is not None and (kept := [tuple(master.shape) for master in masters]) != shapes:
        raise ValueError(f"`params` that require gradients had shapes {kept}, now {shapes}: freeze what was frozen.")


def load(opt: "MeZO", state: dict[str, Any]) -> None:
    """Go on from `saved`, once it is checked."""
    opt.steps, opt.before, opt.projected = state["steps"], state["before"], None
    opt.history.clear()
    opt.history.extend(Record(step, tuple(c), tuple(pg)) for step, c, pg in state["history"])
    opt.engine = None  # the weights may have been loaded too
    position = opt.ready().position
    if isinstance(position, Exact):
        for master, before in zip(position.masters, state["masters"], strict=True):
            master.copy_(before)
