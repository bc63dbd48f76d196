"""What a run log holds of an optimizer, and whether the log of a run is that of an optimizer that goes on with it."""

import math
import os
from dataclasses import asdict
from typing import Any

import torch

from mezo_lab.optim import checkpoint, parameters
from mezo_lab.optim.checkpoint import GROUP
from mezo_lab.optim.displacement import ExactWeights
from mezo_lab.optim.log import Event, Log, LogError, StepRecord, fingerprint, read_log, recorded, weights_hash
from mezo_lab.optim.log.broken_walk import cut_to
from mezo_lab.optim.log.header import difference
from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.rules import RULES

NOISE = "threefry2x32-20/1"  # the generator and the version of the transforms in `mezo_lab.optim.noise`


def header_of(opt: MeZO) -> dict[str, Any]:
    """All that a replay has to know, for an optimizer whose weights are at θ.

    Raises: ValueError for what no log can hold; RuntimeError after a replay that could not know it.
    """
    if opt.missing is not None:
        raise RuntimeError(opt.missing)
    check_rule(opt)
    start = memory(opt) | {"history": [[step, [*c], [*pg]] for step, c, pg in checkpoint.saved_history(opt.history)]}
    return {
        "version": recorded.VERSION,
        "noise": NOISE,
        **checkpoint.settings(opt),
        **{name: groups(opt, name) for name in GROUP},
        "defaults": {name: float(opt.defaults[name]) for name in recorded.DEFAULTS},
        "compiled": bool(opt._current_engine().field.compiled),
        "first_step": opt.steps,
        "fingerprint": fingerprint(names_of(opt)),
        "weights": current_hash(opt).hex(),
        "start": start,
    }


def check_rule(opt: MeZO) -> None:
    """Raises: ValueError for a rule of one's own, which a log, that runs no code, could name and not build again."""
    if type(opt.rule) not in RULES.values():
        raise ValueError(
            f"`rule` must be one of {', '.join(RULES)} for a run log, got {opt.rule!r} of your own: run without a "
            "Journal, and keep checkpoints of `state_dict()`."
        )


def check_masters(opt: MeZO) -> None:
    """Raises: ValueError for an exact θ that the stored weights, with which a replay begins, do not hold."""
    position = opt._current_engine().weights
    if not isinstance(position, ExactWeights):
        return
    for kept, master in zip(position.field.tensors, position.masters, strict=True):
        if kept.dtype != master.dtype and not torch.equal(kept.to(master.dtype), master):
            raise ValueError(
                f"`opt` holds a θ finer than its {kept.dtype} weights, from which a replay would begin: begin the run "
                "log before the first step, or go on with the one that was begun there, append=True."
            )


def fixed(opt: MeZO) -> dict[str, Any]:
    """The settings that are one for a whole run log."""
    return {name: value for name, value in checkpoint.settings(opt).items() if name not in checkpoint.CHANGEABLE}


def changeable(opt: MeZO) -> dict[str, Any]:
    """The settings that may change between two steps of a run log."""
    now = checkpoint.settings(opt)
    return {name: groups(opt, name) for name in GROUP} | {name: now[name] for name in checkpoint.CHANGEABLE}


def groups(opt: MeZO, name: str) -> list[float]:
    return [float(group[name]) for group in opt.param_groups]


def memory(opt: MeZO) -> dict[str, Any]:
    """What a later step reads and the steps of a log do not tell; rates, whose float32 alone is in the steps."""
    rates = {name: groups(opt, name) for name in recorded.RATES if all(name in group for group in opt.param_groups)}
    rates = {name: values for name, values in rates.items() if all(map(math.isfinite, values))}
    return rates | {"before": opt._previous_loss, "diagnostics": recorded.strict(asdict(opt.diagnostics))}


def continued(opt: MeZO, path: str | os.PathLike[str], mine: dict[str, Any]) -> Log:
    """The run log that an optimizer goes on with, cut to its steps.

    Raises: LogError where it is missing, damaged before them, too short, or of another run.
    """
    if not os.path.exists(path):
        raise LogError(
            f"{path} is missing, so there is no run log to go on with: put it back; or Journal(opt, path) begins one, "
            f"which rebuilds from the weights after step {opt.steps:,} only."
        )
    header = recorded.header_of(read_log(path, until=0))
    whose = [name for name in mine if name in recorded.WHOSE or name in fixed(opt)]
    columns = {"probes": opt.probes, "groups": len(opt.param_groups)}
    ours = {name: mine[name] for name in whose} | columns
    if found := difference(ours, {name: header[name] for name in ours}):
        raise LogError(f"{path} is the log of another run: {found}. Another path starts a new one.")
    until = opt.steps - header["first_step"]
    if until < 0:
        raise LogError(f"{path} begins at step {header['first_step']:,}, {-until:,} behind this run: start another.")
    try:
        log = read_log(path, until)
    except LogError:
        steps = read_log(path).steps  # which says what is damaged
        raise LogError(
            f"{path} ends after {steps} steps, {until - steps} before this run: start another, which rebuilds from the "
            f"weights after step {opt.steps:,} only."
        ) from None
    recorded.check_items(log, header)
    cut_to(path, log, current_hash(opt))
    return read_log(path, until)


def settings_at_the_end(log: Log) -> dict[str, Any]:
    header = recorded.header_of(log)
    now = {name: header[name] for name in (*GROUP, *checkpoint.CHANGEABLE)}
    for item in log:
        if isinstance(item, Event) and isinstance(item.data, dict):
            now |= {name: value for name, value in item.data.items() if name in now}
    return now


def ends_in_a_step(log: Log) -> bool:
    last = None
    for item in log:
        last = item
    return isinstance(last, StepRecord)


def names_of(opt: MeZO) -> list[tuple[str, torch.Tensor]]:
    places = {parameters.storage(parameter.tensor) for parameter in opt._current_engine().field.parameters}
    return [
        (str(name), tensor)
        for name, tensor, _ in parameters.named_parameters(opt.param_groups)
        if parameters.storage(tensor) in places
    ]


def current_hash(opt: MeZO) -> bytes:
    return weights_hash([tensor for _, tensor in names_of(opt)])
