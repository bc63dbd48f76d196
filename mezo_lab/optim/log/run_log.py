"""`RunLog`: an optimizer writes its steps down as it makes them, so that `replay` can rebuild its weights."""

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NoReturn

import torch
from torch import Tensor

from mezo_lab.optim import checkpoint
from mezo_lab.optim.checkpoint import BACK, CHANGEABLE, GROUP, CheckedSettings
from mezo_lab.optim.displacement import ExactWeights
from mezo_lab.optim.fingerprint import fingerprint, weights_hash
from mezo_lab.optim.log.resume import continued_log, ends_in_a_step, settings_at_the_end
from mezo_lab.optim.log.verify import DEFAULTS, HEADER_VERSION, NOISE, RATES, json_numbers
from mezo_lab.optim.log.writer import LogWriter
from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.parameters import named_parameters, storage
from mezo_lab.optim.rules import RULES

_logger = logging.getLogger(__name__)


class RunLog:
    """Writes a run log: a header, and after each step its projected gradients and rates.

    Claim: the run log alone, on the weights that the run started from, rebuilds its weights bit for bit (`replay`), and
    what it rebuilds can continue: the log holds every setting of the steps, and what a later step reads.
    Source: paper, §2.1 (storage). Cost: at most 5 bytes a step and probe, and no pass over the weights between the
    beginning and `close`, both of which hash them.

    Args:
        opt: between two steps.
        path: a new file, or with `append` the run log of `opt`, as of a checkpoint or a `replay`. A log that is longer
            than the run so far, as after a checkpoint, is cut to it.
        append: continue the log at `path`. Default False.
        seal_every: steps per frame, 1 to 255; a crash of the program loses fewer steps than that. Default 16.

    Raises: LogError for a run log that is missing, damaged or of another run; ValueError for what no log can hold: a
    second run log of one optimizer, a rule of the user's own, parameters or settings that change what its header says.

    >>> import tempfile
    >>> from mezo_lab.optim.log import replay
    >>> theta = torch.nn.Parameter(torch.ones(3))
    >>> opt, path = MeZO([theta], lr=0.1), os.path.join(tempfile.mkdtemp(), "run.mezo")
    >>> with RunLog(opt, path):
    ...     for _ in range(20):
    ...         loss = opt.step(lambda: theta @ theta)
    >>> again = torch.nn.Parameter(torch.ones(3))
    >>> replay([again], path).steps, torch.equal(again, theta)
    (20, True)
    """

    # The optimizer calls `_before_step`, `_before_move`, `_before_flush` and `_after_step`. An exception may break off
    # any of them at any line, and the run may go on: what is still to be written is kept in `_moves` and `_owed`, and
    # the next call writes it first.

    def __init__(self, opt: MeZO, path: str | os.PathLike[str], *, append: bool = False, seal_every: int = 16):
        if not isinstance(opt, MeZO):
            raise TypeError(f"`opt` must be a MeZO, got {type(opt).__name__}: RunLog(opt, path) takes it first.")
        if opt.run_log is not None:
            raise ValueError(
                f"`opt` writes to the run log {opt.run_log.path} already: close() that one, `opt.run_log`, before "
                "another begins."
            )
        opt.flush()
        self._opt = opt
        self._moves: list[int] = []  # since the last step: points of its walk, and BACK to θ
        self._owed: tuple[int, list[float], list[float]] | None = None  # a step that the log does not hold yet
        header = _header_of(opt)
        settings = _changeable_settings(opt)
        self._settings = settings  # as the log has them
        self._fixed = _fixed_settings(opt)
        self._checked: CheckedSettings | None = None  # in which the fixed ones were as they began
        until = None
        needs_flush = False
        if append:
            log = continued_log(path, header, self._fixed)
            header = log.header
            until = log.steps
            self._settings = settings_at_the_end(log)
            # a run that broke off with an update pending has made it by now, in a sweep of its own
            needs_flush = opt.fused and not opt.exact and ends_in_a_step(log)
        else:
            _check_masters(opt)
            if opt.steps:
                _logger.warning(
                    "%s begins after step %d: a replay of it begins with the weights of now", path, opt.steps
                )
        columns = {"probes": opt.probes, "groups": len(opt.param_groups)}
        self._writer = LogWriter(path, header, **columns, seal_every=seal_every, append=append, until=until)
        try:
            if needs_flush:
                self._writer.event("flush")
            if self._settings != settings:
                self._before_step()
        except BaseException:
            self._writer.close()
            raise
        opt.run_log = self

    @property
    def path(self) -> os.PathLike[str]:
        """The file."""
        return self._writer.path

    @property
    def steps(self) -> int:
        """The number of the step that the log expects next."""
        return self._writer.header["first_step"] + self._writer.steps

    def seal(self) -> None:
        """Write the steps so far, so that a crash of the program does not lose them."""
        self._settle()
        self._writer.seal()

    def close(self) -> None:
        """Flush the optimizer, write what a later step reads and the hash of its weights, and let go of the file."""
        if self._opt.run_log is not self:
            self._writer.close()
            return
        try:
            self._opt.flush()
            self._settle()
            settings = _changeable_settings(self._opt)
            if settings != self._settings:
                self._write_broken_walk()
            if self._moves and not self._opt.exact:
                self._writer.event("settings", {"moves": self._moves})
            self._moves = []
            if json_numbers(settings) == settings:  # else those of the last step: no step was made with these
                self._settings = settings
            self._writer.event("settings", self._settings | {"state": _state_of(self._opt)})
            self._writer.event("hash", current_hash(self._opt))
        finally:  # an interrupt, as while the hash is taken, costs the hash alone
            # The optimizer lets go first. An interrupt at this line leaves both with an open log, one at the next line
            # leaves the log to a second `close`; in neither case would a step be written to a closed file.
            self._opt.run_log = None
            self._writer.close()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a RunLog holds the open file {self.path} and cannot be copied or pickled: close() it, and "
            "RunLog(opt, path, append=True) continues it."
        )

    def _before_step(self) -> None:
        """Before each step, which depends on settings that may have changed.

        Raises: ValueError for a change that the log cannot hold, before anything moves.
        """
        self._settle()
        self._check()
        settings = _changeable_settings(self._opt)
        if settings != self._settings:
            self._write_broken_walk()
            self._writer.event("settings", settings)
            self._settings = settings

    def _write_broken_walk(self) -> None:
        """Before other settings hold: the moves since the last step, from which no step came.

        A replay makes them at the hash behind them, with the settings that they were made with.
        """
        if self._moves and not self._opt.exact:
            weights = current_hash(self._opt)
            self._writer.event("settings", {"moves": self._moves})
            self._writer.event("hash", weights)
        self._moves = []

    def _before_move(self, point: int) -> None:
        """Before the weights are displaced to a point of the step's walk.

        A move that an exception breaks off is finished later, and so it is written down before it begins.
        """
        self._settle()
        self._moves.append(point)

    def _before_flush(self) -> None:
        """Before a flush, which rounds the weights on its own, so that a replay must make it too.

        A second call for one flush does nothing: the weights are back already.
        """
        self._settle()
        if self._moves:
            self._moves.append(BACK)
        else:
            self._writer.event("flush")

    def _after_step(self, projected: Sequence[float], rates: Sequence[float]) -> None:
        """After each step. A second call for one step does nothing."""
        self._owed = (self._opt.steps - 1, list(projected), list(rates))
        self._settle()

    def _settle(self) -> None:
        """Write the step that was made and is not written yet."""
        if self._owed is None:
            return
        number, projected, rates = self._owed
        if self.steps == number:
            # a walk that was broken off or begun anew is written too; an exact θ does not feel it
            usual_moves = list(range(len(self._opt._points())))
            if self._moves != usual_moves and not self._opt.exact:
                self._writer.event("settings", {"moves": self._moves})
            self._writer.step(projected, rates)
        self._moves = []
        self._owed = None

    def _check(self) -> None:
        """Raises: ValueError where the next step is none of this run log's."""
        opt = self._opt
        remedy = f"close() the run log {self.path} before the change, and begin another behind it"
        if opt.steps != self.steps:
            raise ValueError(f"`opt` must be after step {self.steps} of its log, is after {opt.steps}: {remedy}.")
        if self._checked is None or not self._checked.unchanged(opt):
            for name, value in _fixed_settings(opt).items():
                if value != self._fixed[name]:
                    raise ValueError(
                        f"`{name}` was {self._fixed[name]!r} when {self.path} began, and is {value!r}: {remedy}."
                    )
            self._checked = CheckedSettings(opt)
        engine = opt._engine
        if engine is None or engine.tensors_replaced:
            groups = len(opt.param_groups)
            if groups != self._writer.groups or fingerprint(logged_tensors(opt)) != self._writer.header["fingerprint"]:
                raise ValueError(f"`params` must be those with which {self.path} began, and have changed: {remedy}.")
        elif engine.externally_modified and not engine.displaced:
            raise ValueError(f"`params` were written by others since the last step of {self.path}: {remedy}.")


def logged_tensors(opt: MeZO) -> list[tuple[str, Tensor]]:
    """(name, tensor) of every parameter that is trained, tied ones under each of their names."""
    trained = {storage(parameter.tensor) for parameter in opt._current_engine().field.parameters}
    named = named_parameters(opt.param_groups)
    return [(str(name), tensor) for name, tensor, _ in named if storage(tensor) in trained]


def current_hash(opt: MeZO) -> bytes:
    """The hash of the stored weights."""
    return weights_hash([tensor for _, tensor in logged_tensors(opt)])


def _header_of(opt: MeZO) -> dict[str, Any]:
    """All that a replay has to know, for an optimizer whose weights are at θ.

    Raises: ValueError for what no log can hold; RuntimeError after a replay that could not know it.
    """
    if opt.missing is not None:
        raise RuntimeError(opt.missing)
    if type(opt.rule) not in RULES.values():  # a log, which runs no code, could name it and not build it again
        raise ValueError(
            f"`rule` must be one of {', '.join(RULES)} for a run log, got {opt.rule!r} of your own: run without a "
            "RunLog, and keep checkpoints of `state_dict()`."
        )
    history = [[step, [*c], [*pg]] for step, c, pg in checkpoint.saved_history(opt.history)]
    return {
        "version": HEADER_VERSION,
        "noise": NOISE,
        **checkpoint.settings(opt),
        **{name: _group_values(opt, name) for name in GROUP},
        "defaults": {name: float(opt.defaults[name]) for name in DEFAULTS},
        "compiled": bool(opt._current_engine().field.kernels),
        "first_step": opt.steps,
        "fingerprint": fingerprint(logged_tensors(opt)),
        "weights": current_hash(opt).hex(),
        "start": _state_of(opt) | {"history": history},
    }


def _check_masters(opt: MeZO) -> None:
    """Raises: ValueError for an exact θ that the stored weights, with which a replay begins, do not hold."""
    weights = opt._current_engine().weights
    if not isinstance(weights, ExactWeights):
        return
    for stored, master in zip(weights.field.tensors, weights.masters, strict=True):
        if stored.dtype != master.dtype and not torch.equal(stored.to(master.dtype), master):
            raise ValueError(
                f"`opt` holds a θ finer than its {stored.dtype} weights, from which a replay would begin: begin the "
                "run log before the first step, or continue the one that was begun there, append=True."
            )


def _fixed_settings(opt: MeZO) -> dict[str, Any]:
    """The settings that are one for a whole run log."""
    return {name: value for name, value in checkpoint.settings(opt).items() if name not in CHANGEABLE}


def _changeable_settings(opt: MeZO) -> dict[str, Any]:
    """The settings that may change between two steps of a run log."""
    changeable = {name: checkpoint.described(getattr(opt, name)) for name in CHANGEABLE}
    return {name: _group_values(opt, name) for name in GROUP} | changeable


def _group_values(opt: MeZO, name: str) -> list[float]:
    return [float(group[name]) for group in opt.param_groups]


def _state_of(opt: MeZO) -> dict[str, Any]:
    """What a later step reads and the steps of a log do not hold; rates, of which they hold the float32 only."""
    rates = {name: _group_values(opt, name) for name in RATES if all(name in group for group in opt.param_groups)}
    finite_rates = {name: values for name, values in rates.items() if all(map(math.isfinite, values))}
    return finite_rates | {"before": opt._previous_loss, "diagnostics": json_numbers(asdict(opt.diagnostics))}
