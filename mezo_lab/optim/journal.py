"""The log of a run, and the weights rebuilt from it: the same walk, with the losses already known."""

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

import torch

from mezo_lab.optim import layout
from mezo_lab.optim.arguments import RULES
from mezo_lab.optim.broken_walk import drop_broken_walk
from mezo_lab.optim.mezo import MeZO
from mezo_lab.replay import Event, LogError, LogWriter, check_model, fingerprint, read_log, weights_hash

NOISE = "threefry2x32-20/1"  # the generator and the version of the transforms in `mezo_lab.noise`
GROUP = ("weight_decay", "scale")  # settings of a parameter group that a step depends on, beside its rate
BACK = -1  # a move back to θ: after an exception, or a flush between probe and step
KINDS = ("law", "seed", "epsilon", "probes", "estimator", "modified", "fused", "exact", "centre")


class Journal:
    """Writes a run's log: a header, and after each step its projected gradients and rates.

    Claim: the log alone, on the weights that the run started from, rebuilds its weights bit for bit (`replay`).
    Source: paper, §2.1 (storage). Cost: at most 5 bytes a step and probe, and no pass over the weights between `open`
    and `close`, which take a hash of them.

    Args: opt: between two steps. path: a new file, or with `append` the log that `opt` was rebuilt from. A log that is
        longer than the run so far, as after a checkpoint, is cut to it.

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
        opt.flush()
        self.opt, self.settings = opt, settings(opt)
        self.moves: list[int] = []  # since the last step: points of its walk, and BACK to θ
        header, until = header_of(opt), None
        if append and os.path.exists(path):
            log = read_log(path)
            header |= {key: log.header[key] for key in ("weights", "first_step", *GROUP) if key in log.header}
            until = opt.steps - header["first_step"]
            if log.steps < until:
                raise LogError(
                    f"{path} ends after {log.steps} steps, {until - log.steps} before this run: start another."
                )
            drop_broken_walk(path, until, current_hash(opt))
            until = until if os.path.exists(path) else None
        columns = {"probes": opt.probes, "groups": len(opt.param_groups)}
        self.writer = LogWriter(path, header, **columns, seal_every=seal_every, append=append, until=until)
        opt.journal = self

    def step(self, projected: Iterable[float], rates: Iterable[float]) -> None:
        """Called by the optimizer after each step. A walk that was broken off or begun anew is written too."""
        self.write_moves(usual=list(range(len(self.opt.visits()))))
        self.writer.step(list(projected), list(rates))

    def moved(self, point: int) -> None:
        """Called by the optimizer when it displaces the weights to a point of its walk."""
        self.moves.append(point)

    def write_moves(self, usual: list[int]) -> None:
        # an exact θ does not feel how the weights around it move
        if self.moves != usual and not self.opt.exact:
            self.writer.event("settings", {"moves": self.moves})
        self.moves = []

    def before_step(self) -> None:
        """Called by the optimizer before each step, which depends on settings that may have changed."""
        now = settings(self.opt)
        if now != self.settings:
            self.writer.event("settings", now)
            self.settings = now

    def flushed(self) -> None:
        """Called by the optimizer: a flush rounds the weights on its own, so a replay must make it too."""
        if self.moves:
            self.moves.append(BACK)
        else:
            self.writer.event("flush")

    def close(self) -> None:
        """Flush the optimizer, write the hash of its weights, and let go of the file."""
        if self.opt.journal is self:
            self.opt.flush()
            self.write_moves(usual=[])
            self.opt.journal = None
            self.writer.event("hash", current_hash(self.opt))
            self.writer.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def settings(opt: MeZO) -> dict[str, Any]:
    return {name: [group[name] for group in opt.param_groups] for name in GROUP} | {"epsilon": opt.epsilon}


def header_of(opt: MeZO) -> dict[str, Any]:
    """All that a replay has to know, for an optimizer whose weights are at θ."""
    kinds = {name: getattr(opt, name) for name in KINDS} | {"law": opt.law.name, "estimator": opt.estimator.name}
    rule = next(name for name, kind in RULES.items() if type(opt.rule) is kind)
    return {
        "noise": NOISE,
        **kinds,
        **{name: [group[name] for group in opt.param_groups] for name in GROUP},
        "rule": {"name": rule, **dataclasses.asdict(opt.rule)},  # type: ignore[call-overload]
        "compiled": bool(opt.ready().field.fast),
        "first_step": opt.steps,
        "fingerprint": fingerprint(names_of(opt)),
        "weights": current_hash(opt).hex(),
    }


def names_of(opt: MeZO) -> list[tuple[str, torch.Tensor]]:
    places = {layout.place(parameter.tensor) for parameter in opt.ready().field.parameters}
    return [(str(name), tensor) for name, tensor, _ in layout.named(opt.param_groups) if layout.place(tensor) in places]


def current_hash(opt: MeZO) -> bytes:
    return weights_hash([tensor for _, tensor in names_of(opt)])


def replay(
    params: torch.nn.Module | Iterable[Any],
    path: str | os.PathLike[str],
    *,
    until: int | None = None,
    check: bool = True,
) -> MeZO:
    """Rebuild the weights of a run from its log, with no data and no forward pass.

    Claim: bit for bit, on the device, the versions and the path (compiled or not) that the run had; elsewhere to the
    rounding of float32 (signs have none), and then `check=False` leaves the hashes aside.
    Source: paper, §2.1 and footnote 3. Cost: the sweeps of the run.

    Args: params: the model the run started from, with the weights it started from; or what the optimizer was given.
        until: stop after this many steps, as for the checkpoint in the middle of a run.

    Returns: the optimizer as it was after the last step; `Journal(opt, path, append=True)` goes on with the run.
    Raises: LogError for a damaged log, another model, or other weights at the start or at the end.
    """
    log = read_log(path, until)
    header = log.header
    if header.get("noise") != NOISE:
        raise LogError(
            f"{path} was made with noise {header.get('noise')!r}, not {NOISE!r}: use the version that wrote it."
        )
    opt = rebuilt(params, header)
    check_model(header, names_of(opt))
    if check and current_hash(opt).hex() != header["weights"]:
        raise LogError(f"{path} starts from other weights than these: load the weights that the run started from.")
    moves = usual = list(range(len(opt.visits())))
    for item in log:
        if isinstance(item, Event) and isinstance(item.data, dict) and "moves" in item.data:
            moves = item.data["moves"]
        elif isinstance(item, Event):
            if item.kind == "hash" and moves != usual:  # a walk that no step came of
                walk(opt, moves)
                moves = usual
            apply(opt, item, path, check)
        else:
            walk(opt, moves)
            repeat(opt, item.projected, item.rates)
            moves = usual
    opt.fused = header["fused"]
    return opt


def rebuilt(params: torch.nn.Module | Iterable[Any], header: dict[str, Any]) -> MeZO:
    params = params.named_parameters() if isinstance(params, torch.nn.Module) else params
    kinds = {name: header[name] for name in KINDS}
    rule = dict(header["rule"])
    opt = MeZO(params, lr=1.0, rule=RULES[rule.pop("name")](**rule), compiled=header["compiled"], **kinds)
    if len(opt.param_groups) != header["groups"]:
        raise LogError(f"`params` must have {header['groups']} groups, got {len(opt.param_groups)}: as in the run.")
    opt.steps = header["first_step"]
    opt.fused = header["fused"] and not header["exact"]  # to an exact θ it makes no difference
    take_settings(opt, {name: header[name] for name in GROUP})
    return opt


def take_settings(opt: MeZO, found: dict[str, Any]) -> None:
    opt.epsilon = found.get("epsilon", opt.epsilon)
    for name in GROUP:
        for group, value in zip(opt.param_groups, found[name], strict=True):
            group[name] = value


@torch.no_grad()
def walk(opt: MeZO, moves: list[int]) -> None:
    """The probes of a step, in plain mode, where each of them rounds the weights."""
    visits = opt.visits()
    for point in () if opt.exact else moves:
        opt.flush() if point == BACK else opt.go(visits[point])


@torch.no_grad()
def repeat(opt: MeZO, projected: tuple[float, ...], rates: tuple[float, ...]) -> None:
    """The update of one step of the log."""
    opt.make(projected, rates)
    for group, rate in zip(opt.param_groups, rates, strict=True):
        group["lr"] = rate if rate > 0 else group["lr"]


def apply(opt: MeZO, event: Event, path: str | os.PathLike[str], check: bool) -> None:
    """What happened between two steps: a flush, a hash to compare with, settings that changed."""
    if event.kind == "settings":
        assert isinstance(event.data, dict)
        take_settings(opt, event.data)
    elif event.kind == "flush":
        opt.flush()
    elif check and event.data != current_hash(opt):
        raise LogError(
            f"{path} does not lead to the weights that its run had after {event.step} steps: another device or version "
            "rounds otherwise, and replay(…, check=False) rebuilds to float32 rounding."
        )
