"""`replay`: the weights of a run rebuilt from its run log, by the same walk with the losses already known."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from mezo_lab.optim import checkpoint
from mezo_lab.optim.arguments import float32
from mezo_lab.optim.checkpoint import BACK, CHANGEABLE, GROUP
from mezo_lab.optim.fingerprint import fingerprint, fingerprint_difference
from mezo_lab.optim.log.format import Event, LogError
from mezo_lab.optim.log.reader import VerifiedLog, read_log
from mezo_lab.optim.log.run_log import current_hash, logged_tensors
from mezo_lab.optim.log.verify import (
    FORMER_NOISE,
    NOISE,
    RATES,
    arguments_of,
    check_items,
    is_present_noise,
    verified_header,
)
from mezo_lab.optim.mezo import MeZO
from mezo_lab.validation import positive


@torch.no_grad()
def replay(
    params: torch.nn.Module | Iterable[Any],
    path: str | os.PathLike[str],
    *,
    until: int | None = None,
    check: bool = True,
    tolerance: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MeZO:
    """Rebuild the weights of a run from its run log, with no data and no forward pass.

    Claim: bit for bit on any CPU, compiled or not; on a GPU with the device, versions and path that the run had. From
    one to the other to the rounding of float32, as a GPU's kernels add and multiply in one operation (signs without
    weight decay, where a product rounds nothing, stay bit for bit); `check=False` then leaves the hashes aside. The
    weights are θ after a whole step, also of a run with `fused` that was cut off, whose last update is made.
    Source: paper, §2.1 and footnote 3. Cost: on a CPU one pass over the weights, which makes all steps on one tile of
    them, in cache, and draws each z once: about a third of the time of the run's own sweeps (docs/costs.md). Elsewhere
    the sweeps of the run.

    Args:
        params: the model with the weights from which the run started; or the `params` that the optimizer had.
        path: the run log.
        until: stop after this many steps, as for the checkpoint in the middle of a run. Default: all steps.
        check: compare the hashes of the weights at the start and wherever the log holds one. Default True.
        tolerance: by how much a weight may differ from the run's. With it the probes, which only round, are left out,
            and of a plain run in float32 or float64 only the updates are summed; the hashes of its later weights are
            not compared. An exact run is bit for bit in any case. Default None, bit for bit.
        progress: called with the steps made and those of the log.

    Returns: the optimizer as it was after the last step, of one process; `RunLog(opt, path, append=True)` continues
        the run, bit for bit. Rates, the last loss and diagnostics are exact where the run closed its log, and otherwise
        what its steps hold: rates in float32, no losses. Residual feedback, which needs a loss, is then refused.
    Raises: LogError, naming the file and the place, for a log that is damaged or makes no sense, before any weight is
        moved; for another model, or other weights at the start or at the end. ValueError for a tolerance below the
        rounding of the run. An interrupt leaves the weights somewhere on the way.
    """
    if tolerance is not None:
        tolerance = positive("tolerance", tolerance, "1e-4 suits a language model in float32")
    log = read_log(path, until)
    header = verified_header(log)
    if not is_present_noise(header) and (check or header["noise"] != FORMER_NOISE):
        remedy = "use the version that wrote it"
        if header["noise"] == FORMER_NOISE:
            remedy += ", or replay(…, check=False), whose normals differ in their last digit"
        raise LogError(f"{path} was made with noise {header['noise']!r}, not {NOISE!r}: {remedy}.")
    check_items(log, header)
    opt = _optimizer_at_start(params, header)
    difference = fingerprint_difference(header["fingerprint"], fingerprint(logged_tensors(opt)))
    if difference:
        raise LogError(f"{path} does not fit `params`: the log is of another model: {difference}.")
    if check and current_hash(opt).hex() != header["weights"]:
        raise LogError(f"{path} starts from other weights than these: load the weights that the run started from.")
    rounds = not opt.exact
    if tolerance is not None and rounds:
        _check_tolerance(opt, log, tolerance)
        rounds = check = False
    _walk(opt, log, check, progress, rounds=rounds)
    return opt


def _check_tolerance(opt: MeZO, log: VerifiedLog, tolerance: float) -> None:
    """Raises: ValueError where the moves of the run, each rounded, lead further away than the tolerance.

    K moves that are rounded to a spacing u, each with an error of u/√12, lead to √(K/12)·u; five of these are feared.
    """
    tensors = opt._current_engine().field.tensors
    if any(tensor.element_size() < 4 for tensor in tensors):
        raise ValueError(
            "`tolerance` must be None for a run of half precision without exact=True, which loses small updates to "
            "rounding: replay it bit for bit."
        )
    moves = log.steps * (len(opt._points()) + 1)
    spacing = max(float(tensor.abs().max()) * torch.finfo(tensor.dtype).eps for tensor in tensors)
    rounding = 5 * math.sqrt(moves / 12) * spacing
    if rounding > tolerance:
        raise ValueError(
            f"`tolerance` must be at least {rounding:.1e}, the rounding of the run's {moves:,} moves, got {tolerance}: "
            "leave it out for a replay bit for bit."
        )


class _ReplayedSweeps:
    """The sweeps of a replay, made together: all of them on one tile of the weights, before the next tile is taken.

    Args: opt: at the start of its log. total: the steps of the log. progress: called with the steps made, and `total`.
    """

    def __init__(self, opt: MeZO, total: int, progress: Callable[[int, int], None] | None):
        self._opt = opt
        self._total = total
        self._progress = progress
        self._first = opt.steps
        self._made = 0
        self._weights = opt._current_engine().weights
        self._weights.postpone()

    def after_step(self) -> None:
        """Report a step that was made; or make those that wait, where they are many."""
        theta = self._weights.fields[0].postponed
        if theta is None or not theta.program:  # none waits: the path does not let them, or the rule needed θ
            self._made = self._opt.steps - self._first
            self._report(1.0)
        elif any(field.postponed and field.postponed.is_full for field in self._weights.fields):
            self.settle()

    def settle(self, *, end: bool = False) -> None:
        """Make the sweeps that wait, before something reads the weights."""
        self._weights.settle(self._report, end=end)
        self._made = self._opt.steps - self._first

    def _report(self, share: float) -> None:
        if self._progress is not None and share:
            waiting = self._opt.steps - self._first - self._made
            self._progress(self._made + int(share * waiting), self._total)


def _walk(
    opt: MeZO, log: VerifiedLog, check: bool, progress: Callable[[int, int], None] | None, *, rounds: bool
) -> None:
    """Move the weights of an optimizer as the run did. Args: rounds: whether the moves of a probe round θ."""
    fused = opt.fused
    opt.fused = fused and rounds  # otherwise it makes no difference
    moves: Sequence[int] | None = None  # of the step to come, where they are not the usual ones
    postponed = _ReplayedSweeps(opt, log.steps, progress)
    for item in log:
        if not isinstance(item, Event):
            if moves is None:
                moves = range(len(opt._points()))
            if rounds:
                _probe(opt, moves)
            moves = None
            _repeat_update(opt, item.projected, item.rates)
            if opt.estimator.name == "residual-feedback":
                opt.missing = _missing_loss(log, opt.steps)
            postponed.after_step()
        elif item.kind == "flush":
            opt.flush()
        elif item.kind == "hash":
            if moves is not None and rounds:  # a walk from which no step came
                _probe(opt, moves)
            moves = None
            postponed.settle()
            if check and item.data != current_hash(opt):
                raise LogError(
                    f"{log.path} does not lead to the weights that its run had after {item.step} steps: another device "
                    "or version rounds otherwise, and replay(…, check=False) rebuilds to float32 rounding."
                )
        elif isinstance(item.data, dict) and "moves" in item.data:
            moves = item.data["moves"]
        elif isinstance(item.data, dict):
            _set_settings(opt, item.data)
            fused = item.data.get("fused", fused)
            opt.fused = fused and rounds
    opt.flush()
    postponed.settle(end=True)
    opt.fused = fused


def _probe(opt: MeZO, moves: Iterable[int]) -> None:
    """The walk over the points of a step."""
    points = opt._points()
    for move in moves:
        if move == BACK:
            opt.flush()
        else:
            opt._displace(points[move])


def _repeat_update(opt: MeZO, projected: Sequence[float], rates: Sequence[float]) -> None:
    opt._update(projected, rates)
    for group, rate in zip(opt.param_groups, rates, strict=True):
        if float32(group["lr"]) != rate:  # a rate that did not change keeps the digits that float32 has not
            group["lr"] = rate


def _optimizer_at_start(params: torch.nn.Module | Iterable[Any], header: dict[str, Any]) -> MeZO:
    """The optimizer as it was when its log began."""
    if isinstance(params, torch.nn.Module):
        params = params.named_parameters()
    defaults = header["defaults"]
    opt = MeZO(
        params,
        lr=defaults["lr"],
        weight_decay=defaults["weight_decay"],
        compiled=header["compiled"],
        **arguments_of(header),
    )
    if len(opt.param_groups) != header["groups"]:
        raise LogError(f"`params` must have {header['groups']} groups, got {len(opt.param_groups)}: as in the run.")
    if all(tensor.device.type == "cpu" for group in opt.param_groups for tensor in group["params"]):
        opt.compiled = None  # there all paths have the same bits
    opt.steps = header["first_step"]
    _set_groups(opt, header, GROUP)
    if "start" in header:
        _set_state(opt, header["start"])
        checkpoint.load_history(opt.history, header["start"]["history"])
    return opt


def _set_settings(opt: MeZO, event: dict[str, Any]) -> None:
    """The settings that an event holds, and the state where it closes a log."""
    for name in CHANGEABLE:
        if name in event:
            setattr(opt, name, event[name])
    _set_groups(opt, event, GROUP)
    if "state" in event:
        _set_state(opt, event["state"])


def _set_groups(opt: MeZO, values: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        for group, value in zip(opt.param_groups, values.get(name, []), strict=False):
            group[name] = value


def _set_state(opt: MeZO, state: dict[str, Any]) -> None:
    """What a later step reads and the steps of a log do not hold."""
    _set_groups(opt, state, RATES)
    opt._previous_loss = state["before"]
    opt.missing = None
    checkpoint.load_diagnostics(opt.diagnostics, state["diagnostics"])


def _missing_loss(log: VerifiedLog, steps: int) -> str:
    return (
        f"{log.path} does not hold the loss after step {steps:,} with which residual feedback compares: a run writes "
        "it when it closes its log. Continue from a checkpoint with `load_state_dict`, or set `opt.missing = None` and "
        "continue as at a first step, which does not move."
    )
