"""The run log of an optimizer, and the weights replayed from it: the same walk, with the losses already known."""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import torch

from mezo_lab.optim import checkpoint
from mezo_lab.optim.arguments import float32
from mezo_lab.optim.checkpoint import BACK, GROUP
from mezo_lab.optim.log import Event, Log, LogError, LogWriter, check_model, fingerprint, read_log, recorded
from mezo_lab.optim.log.logged import (
    NOISE,
    changeable,
    check_masters,
    continued,
    current_hash,
    ends_in_a_step,
    fixed,
    header_of,
    memory,
    names_of,
    settings_at_the_end,
)
from mezo_lab.optim.mezo import MeZO

logger = logging.getLogger(__name__)


class Journal:
    """Writes a run log: a header, and after each step its projected gradients and rates.

    Claim: the run log alone, on the weights that the run started from, rebuilds its weights bit for bit (`replay`), and
    what it rebuilds can go on: the log holds every setting of the steps, and what a later step reads.
    Source: paper, §2.1 (storage). Cost: at most 5 bytes a step and probe, and no pass over the weights between `open`
    and `close`, which take a hash of them.

    Args: opt: between two steps. path: a new file, or with `append` the run log of `opt`, as of a checkpoint or a
        `replay`. A log that is longer than the run so far, as after a checkpoint, is cut to it.

    Raises: LogError for a run log that is missing, damaged or of another run; ValueError for what no log can hold: a
    second journal of one optimizer, a rule of one's own, parameters or settings that change what its header says.

    >>> import tempfile
    >>> theta = torch.nn.Parameter(torch.ones(3))
    >>> opt, path = MeZO([theta], lr=0.1), os.path.join(tempfile.mkdtemp(), "run.mezo")
    >>> with Journal(opt, path):
    ...     for _ in range(20):
    ...         loss = opt.step(lambda: theta @ theta)
    >>> again = torch.nn.Parameter(torch.ones(3))
    >>> replay([again], path).steps, torch.equal(again, theta)
    (20, True)
    """

    def __init__(self, opt: MeZO, path: str | os.PathLike[str], *, append: bool = False, seal_every: int = 16):
        if not isinstance(opt, MeZO):
            raise TypeError(f"`opt` must be a MeZO, got {type(opt).__name__}: Journal(opt, path) takes it first.")
        if opt.journal is not None:
            raise ValueError(
                f"`opt` writes to the run log {opt.journal.writer.path} already: close() its journal, `opt.journal`, "
                "before another begins."
            )
        opt.flush()
        self.opt = opt
        self.moves: list[int] = []  # since the last step: points of its walk, and BACK to θ
        self.owed: tuple[int, list[float], list[float]] | None = None  # a step that the log does not hold yet
        header = header_of(opt)
        if not append:
            check_masters(opt)
        self.settings = changeable(opt)
        now = self.settings
        flush = False
        if append:
            log = continued(opt, path, header)
            header, self.settings = log.header, settings_at_the_end(log)
            flush = ends_in_a_step(log)  # of a run that broke off with an update pending, which is made by now
        elif opt.steps:
            logger.warning("%s begins after step %d: a replay of it begins with the weights of now", path, opt.steps)
        columns = {"probes": opt.probes, "groups": len(opt.param_groups)}
        until = opt.steps - header["first_step"] if append else None
        self.writer = LogWriter(path, header, **columns, seal_every=seal_every, append=append, until=until)
        try:
            self.fixed = fixed(opt)
            if flush and opt.fused and not opt.exact:
                self.writer.event("flush")
            if self.settings != now:
                self.before_step()
        except BaseException:
            self.writer.close()
            raise
        opt.journal = self

    @property
    def steps(self) -> int:
        """The number of the step that the log takes next."""
        return self.writer.header["first_step"] + self.writer.steps

    def before_step(self) -> None:
        """Called by the optimizer before each step, which depends on settings that may have changed.

        Raises: ValueError for a change that the log cannot hold, before anything moves.
        """
        self.settle()
        self.check()
        now = changeable(self.opt)
        if now != self.settings:
            self.writer.event("settings", now)
            self.settings = now

    def moved(self, point: int) -> None:
        """Called by the optimizer before it displaces the weights to a point of its walk.

        A move that an exception breaks off is finished later, and so it is written down before it begins.
        """
        self.settle()
        self.moves.append(point)

    def flushed(self) -> None:
        """Called by the optimizer before a flush, which rounds the weights on its own, so a replay must make it too.

        A second call for one flush does nothing: the weights are back already.
        """
        self.settle()
        if self.moves:
            self.moves.append(BACK)
        else:
            self.writer.event("flush")

    def step(self, projected: Sequence[float], rates: Sequence[float]) -> None:
        """Called by the optimizer after each step. A second call for one step does nothing."""
        self.owed = (self.opt.steps - 1, list(projected), list(rates))
        self.settle()

    def settle(self) -> None:
        """Write the step that was made and is not written yet.

        Every call begins with it, so that an interrupt anywhere leaves a log that the next call makes whole.
        """
        if self.owed is None:
            return
        number, projected, rates = self.owed
        if self.steps == number:
            # a walk that was broken off or begun anew is written too; an exact θ does not feel it
            if self.moves != list(range(len(self.opt._points()))) and not self.opt.exact:
                self.writer.event("settings", {"moves": self.moves})
            self.writer.step(projected, rates)
        self.moves = []
        self.owed = None

    def check(self) -> None:
        """Raises: ValueError where the next step is none of this run log's."""
        opt, path = self.opt, self.writer.path
        remedy = f"close() the journal of {path} before the change, and begin another behind it"
        if opt.steps != self.steps:
            raise ValueError(f"`opt` must be after step {self.steps} of its log, is after {opt.steps}: {remedy}.")
        now = fixed(opt)
        for name, was in self.fixed.items():
            if now[name] != was:
                raise ValueError(f"`{name}` was {was!r} when {path} began, and is {now[name]!r}: {remedy}.")
        if opt._engine is None or opt._engine.tensors_replaced:
            if len(opt.param_groups) != self.writer.groups or (
                fingerprint(names_of(opt)) != self.writer.header["fingerprint"]
            ):
                raise ValueError(f"`params` must be those with which {path} began, and have changed: {remedy}.")
        elif opt._engine.externally_modified and not opt._engine.displaced:
            raise ValueError(f"`params` were written by others since the last step of {path}: {remedy}.")

    def close(self) -> None:
        """Flush the optimizer, write what a later step reads and the hash of its weights, and let go of the file."""
        if self.opt.journal is not self:
            self.writer.close()
            return
        try:
            self.opt.flush()
            self.settle()
            if self.moves and not self.opt.exact:
                self.writer.event("settings", {"moves": self.moves})
            self.moves = []
            now = changeable(self.opt)
            if recorded.strict(now) == now:  # else of the last step: no step was made with these
                self.settings = now
            self.writer.event("settings", self.settings | {"state": memory(self.opt)})
            self.writer.event("hash", current_hash(self.opt))
        finally:  # an interrupt, as while the hash is taken, costs the hash alone
            # The optimizer lets go first. An interrupt at this line leaves both with an open log, one at the next line
            # leaves the log to a second `close`; in neither case would a step be written to a closed file.
            self.opt.journal = None
            self.writer.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a Journal holds the open file {self.writer.path} and cannot be copied or pickled: close() it, and "
            "Journal(opt, path, append=True) goes on."
        )


def replay(
    params: torch.nn.Module | Iterable[Any],
    path: str | os.PathLike[str],
    *,
    until: int | None = None,
    check: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> MeZO:
    """Rebuild the weights of a run from its run log, with no data and no forward pass.

    Claim: bit for bit, on the device, the versions and the path (compiled or not) that the run had; elsewhere to the
    rounding of float32 (signs have none), and then `check=False` leaves the hashes aside. The weights are θ after a
    whole step, also of a run with `fused` that was cut off, whose last update is made.
    Source: paper, §2.1 and footnote 3. Cost: the sweeps of the run.

    Args: params: the model the run started from, with the weights it started from; or what the optimizer was given.
        until: stop after this many steps, as for the checkpoint in the middle of a run.
        progress: called with the steps made and those of the log.

    Returns: the optimizer as it was after the last step, of one process; `Journal(opt, path, append=True)` goes on with
        the run, bit for bit. Rates, `before` and diagnostics are exact where the run closed its log, and otherwise
        what its steps tell: rates in float32, no losses. Residual feedback, which needs a loss, is then refused.
    Raises: LogError, naming the file and the place, for a log that is damaged or makes no sense, before any weight is
        moved; for another model, or other weights at the start or at the end.
    """
    log = read_log(path, until)
    header = recorded.header_of(log)
    if header["noise"] != NOISE:
        raise LogError(f"{path} was made with noise {header['noise']!r}, not {NOISE!r}: use the version that wrote it.")
    recorded.check_items(log, header)
    opt = rebuilt(params, header)
    try:
        check_model(header, names_of(opt))
    except LogError as error:
        raise LogError(f"{path} does not fit `params`: {error}") from None
    if check and current_hash(opt).hex() != header["weights"]:
        raise LogError(f"{path} starts from other weights than these: load the weights that the run started from.")
    Replaying(opt, log, header, check).walk(progress)
    return opt


class Replaying:
    """One pass over a run log, that moves the weights of an optimizer as the run did."""

    def __init__(self, opt: MeZO, log: Log, header: dict[str, Any], check: bool):
        self.opt, self.log, self.check = opt, log, check
        self.fused = bool(header["fused"])
        self.moves: list[int] | None = None  # of the step to come, where they are not the usual ones

    def walk(self, progress: Callable[[int, int], None] | None) -> None:
        opt = self.opt
        reads_before = opt.estimator.name == "residual-feedback"
        for item in self.log:
            if isinstance(item, Event):
                self.apply(item)
                continue
            probe(opt, range(len(opt._points())) if self.moves is None else self.moves)
            repeat(opt, item.projected, item.rates)
            self.moves = None
            if reads_before:
                opt.missing = missing_before(self.log, opt.steps)
            if progress is not None:
                progress(opt.steps - self.log.header["first_step"], self.log.steps)
        opt.flush()
        opt.fused = self.fused

    def apply(self, event: Event) -> None:
        """What happened between two steps: a flush, a hash to compare with, settings that changed."""
        if isinstance(event.data, dict):
            self.take(event)
        elif event.kind == "flush":
            self.opt.flush()
        else:
            self.compare(event)

    def take(self, event: Event) -> None:
        found = event.data
        assert isinstance(found, dict)
        if "moves" in found:
            self.moves = found["moves"]
            return
        take_settings(self.opt, found)
        self.fused = found.get("fused", self.fused)
        self.opt.fused = self.fused and not self.opt.exact
        if "state" in found:
            remember(self.opt, found["state"])

    def compare(self, event: Event) -> None:
        """Raises: LogError where the weights are not those that the run had."""
        if self.moves is not None:  # a walk that no step came of
            probe(self.opt, self.moves)
            self.moves = None
        if self.check and event.data != current_hash(self.opt):
            raise LogError(
                f"{self.log.path} does not lead to the weights that its run had after {event.step} steps: another "
                "device or version rounds otherwise, and replay(…, check=False) rebuilds to float32 rounding."
            )


def missing_before(log: Log, steps: int) -> str:
    return (
        f"{log.path} does not hold the loss after step {steps:,} with which residual feedback compares: a run writes "
        "it when it closes its log. Go on from a checkpoint with `load_state_dict`, or set `opt.missing = None` and go "
        "on as at a first step, which does not move."
    )


def rebuilt(params: torch.nn.Module | Iterable[Any], header: dict[str, Any]) -> MeZO:
    """The optimizer as it was when its log began."""
    params = params.named_parameters() if isinstance(params, torch.nn.Module) else params
    defaults = header["defaults"]
    kinds = recorded.settings_of(header)
    opt = MeZO(params, lr=defaults["lr"], weight_decay=defaults["weight_decay"], compiled=header["compiled"], **kinds)
    if len(opt.param_groups) != header["groups"]:
        raise LogError(f"`params` must have {header['groups']} groups, got {len(opt.param_groups)}: as in the run.")
    opt.steps = header["first_step"]
    opt.fused = opt.fused and not opt.exact  # to an exact θ it makes no difference
    take_settings(opt, {name: header[name] for name in GROUP})
    if "start" in header:
        remember(opt, header["start"])
        checkpoint.load_history(opt.history, header["start"]["history"])
    return opt


def take_settings(opt: MeZO, found: dict[str, Any]) -> None:
    for name in checkpoint.CHANGEABLE:
        if name in found:
            setattr(opt, name, found[name])
    for name in GROUP:
        take_groups(opt, name, found.get(name, []))


def take_groups(opt: MeZO, name: str, values: list[float]) -> None:
    for group, value in zip(opt.param_groups, values, strict=False):
        group[name] = value


def remember(opt: MeZO, found: dict[str, Any]) -> None:
    """Take what `memory` has written."""
    for name in recorded.RATES:
        take_groups(opt, name, found.get(name, []))
    opt._previous_loss, opt.missing = found["before"], None
    checkpoint.load_diagnostics(opt.diagnostics, found["diagnostics"])


@torch.no_grad()
def probe(opt: MeZO, moves: Sequence[int]) -> None:
    """The probes of a step, in plain mode, where each of them rounds the weights."""
    visits = opt._points()
    for point in () if opt.exact else moves:
        opt.flush() if point == BACK else opt._displace(visits[point])


@torch.no_grad()
def repeat(opt: MeZO, projected: tuple[float, ...], rates: tuple[float, ...]) -> None:
    """The update of one step of the log."""
    opt._update(projected, rates)
    for group, rate in zip(opt.param_groups, rates, strict=True):
        if float32(group["lr"]) != rate:  # a rate that did not change keeps the digits that float32 has not
            group["lr"] = rate
