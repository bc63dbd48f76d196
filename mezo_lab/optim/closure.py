"""Evaluation of the user's closure: one loss, finite or not, at the point where the weights are."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import Tensor

from mezo_lab.optim.notices import Notices, warn
from mezo_lab.optim.stencils import CENTRE, Point
from mezo_lab.validation import as_float

Closure = Callable[..., Any]

SAME = 1e-6  # a relative difference of two losses that the rounding of a parallel sum explains
REPEAT = "call model.eval() or set common_random_numbers=True if it has dropout, and keep one batch for the step"
NO_GRAPH = "does not require grad and does not have a grad_fn"  # torch's words for a backward() without a graph
BACKWARD = "leave out backward(), MeZO needs no gradient"


class ClosureGuard:
    """Watches a closure while it runs: it must not move the optimizer, change its settings, or leave gradients.

    Args: notices: what was reported already.
    """

    def __init__(self, notices: Notices):
        self.notices = notices
        self.running = False

    def refuse(self, call: str) -> None:
        """Raises: RuntimeError for a call of the optimizer from inside a closure."""
        if self.running:
            raise RuntimeError(
                f"`{call}` must not be called inside a closure, which only evaluates the loss: call it after the step."
            )

    def watch(self, closure: Closure, batch: Sequence[Any], changed_setting: Callable[[], str | None]) -> Any:
        """Run the closure. Args: batch: none, or one. changed_setting: see `Evaluator`. Returns: what the closure does.

        Raises: RuntimeError for a backward() without a graph, and for changed settings.
        """
        self.running = True
        try:
            loss = closure(*batch)
        except RuntimeError as error:
            if NO_GRAPH in str(error):
                raise RuntimeError(
                    f"`closure` must only return the loss, and called backward(): {BACKWARD}."
                ) from error
            raise
        finally:
            self.running = False
        name = changed_setting()
        if name is not None:
            raise RuntimeError(
                f"`{name}` must not change inside a closure, which only evaluates the loss: set it between two steps."
            )
        return loss

    def check_gradients(self, parameters: Sequence[Tensor], before: int) -> None:
        """Warn of gradients that the closure left behind. Args: before: how many there were without it."""
        if _gradients(parameters) > before:
            self.notices.warn_once(
                "gradients",
                f"`closure` left gradients behind, which take the memory that MeZO saves: {BACKWARD}; in Lightning set "
                "automatic_optimization=False.",
            )


def _gradients(parameters: Sequence[Tensor]) -> int:
    return sum([parameter.grad is not None for parameter in parameters])


@dataclass
class Evaluator:
    """The loss of a closure at the points of one step: `evaluator(point)`, while the stored weights are there."""

    closure: Closure
    guard: ClosureGuard
    changed_setting: Callable[[], str | None]
    """The name of a setting that is no longer that of the step; None where all are."""
    parameters: Sequence[Tensor]
    """All parameters of the optimizer, which must get no gradient."""
    batches: Sequence[Any]
    """None, micro-batches whose losses are averaged, or, if `fresh_batches`, one for each probe."""
    points: Sequence[Point]
    """The points that this process evaluates, in their order."""
    devices: Sequence[torch.device]
    """The devices whose random numbers the closure may draw."""
    fresh_batches: bool = False
    common_random_numbers: bool = False
    """Whether all points of a probe draw the same random numbers, as for the masks of dropout."""
    check_last: bool = False
    """Whether the closure is evaluated twice at the last point, to see that it gives the same loss."""

    def __post_init__(self):
        self._gradients_before = _gradients(self.parameters)

    def __call__(self, point: Point) -> float:
        """The loss at the stored weights, which must be at this point."""
        if not (self.check_last and point == self.points[-1]):
            return self._loss(point, advance=self._ends_probe(point))
        loss, second = self._losses(point)
        self.guard.notices.reported.add("closure")
        if not _agree(loss, second):
            warn(f"`closure` gave {loss} and then {second} at the same point, so that probes measure noise: {REPEAT}.")
        return loss

    def check_repeats(self) -> None:
        """Evaluate twice before anything moves. Raises: ValueError where the losses differ."""
        first = self._loss((0, 1), advance=False)
        second = self._loss((0, 1), advance=True)
        if first != second and first == first:
            raise ValueError(
                f"`closure` must give the same loss at the same point, got {first} and then {second}: {REPEAT}."
            )

    def _ends_probe(self, point: Point) -> bool:
        # Points that share random numbers end with the far side of a probe; θ itself shares those of every probe, so
        # that with a centre they end with the step.
        return point == self.points[-1] or (point[1] == -1 and self.points[0] != CENTRE)

    def _loss(self, point: Point, *, advance: bool) -> float:
        """The loss. advance: whether torch's generators move on, where points share random numbers."""
        batches = self.batches
        if self.fresh_batches:
            batches = [batches[point[0]]]
        with self._random_numbers(rewind=self.common_random_numbers and not advance):
            if not batches:
                return self._evaluated()
            return sum(self._evaluated(batch) for batch in batches) / len(batches)

    def _evaluated(self, *batch: Any) -> float:
        loss = self.guard.watch(self.closure, batch, self.changed_setting)
        self.guard.check_gradients(self.parameters, self._gradients_before)
        return loss_number(loss)

    def _losses(self, point: Point) -> tuple[float, float]:
        """Two losses at one point; torch's generators are left as after one evaluation."""
        with self._random_numbers(rewind=self.common_random_numbers):
            first = self._loss(point, advance=True)
        try:
            with self._random_numbers(rewind=not self.common_random_numbers):
                second = self._loss(point, advance=True)
        except StopIteration:  # the closure reads losses from a script, which has no second one for this point
            return first, first
        return first, second

    def _random_numbers(self, *, rewind: bool) -> AbstractContextManager[None]:
        return same_random_numbers(self.devices) if rewind else nullcontext()


def _agree(first: float, second: float) -> bool:
    return first == second or math.isnan(first) or math.isclose(first, second, rel_tol=SAME)


def check_closure_and_batches(closure: Any, batches: Any) -> None:
    """Raises: TypeError for a closure that cannot be called, and for batches that are not a list."""
    if not callable(closure):
        raise TypeError(
            f"`closure` must be a function that returns the loss, got {type(closure).__name__}: MeZO evaluates it at "
            "other weights; give lambda: the_loss(model)."
        )
    if not isinstance(batches, Sequence) or isinstance(batches, str | bytes):
        raise TypeError(
            f"`batches` must be a list of batches, got {type(batches).__name__}: give [batch] for one, and "
            "list(batches) for several."
        )


def loss_number(loss: Any) -> float:
    """The loss as a Python float.

    Raises: TypeError for a value that is no real number; ValueError for several numbers or a graph.
    """
    if type(loss) is float:
        return loss
    if isinstance(loss, Tensor):
        return _tensor_number(loss)
    if not hasattr(loss, "__float__"):  # a string of digits is no number either
        raise TypeError(f"`closure` must return the loss, one number; got {type(loss).__name__}.")
    if isinstance(loss, numpy.ndarray):
        if loss.size != 1:
            raise ValueError(f"`closure` must return one number, got an array of shape {loss.shape}: average it.")
        return as_float(loss.item())
    return as_float(loss)


def _tensor_number(loss: Tensor) -> float:
    if loss.numel() != 1:
        raise ValueError(f"`closure` must return one number, got a tensor of shape {tuple(loss.shape)}: average it.")
    if loss.is_complex():
        raise TypeError(f"`closure` must return a real number, got {loss.dtype}: return its real part or modulus.")
    if loss.requires_grad:
        raise ValueError("`closure` must not build a graph, got a loss that requires grad: leave out enable_grad().")
    if loss.dtype in (torch.float16, torch.bfloat16):
        warn(f"`closure` returned a {loss.dtype} loss, too coarse for a difference: compute the loss in float32.")
    return float(loss)


@contextmanager
def same_random_numbers(devices: Iterable[torch.device]) -> Iterator[None]:
    """Reset torch's generators at the end, so that the next evaluation draws the same numbers as this one."""
    cuda = sorted({device.index or 0 for device in devices if device.type == "cuda"})
    with torch.random.fork_rng(devices=cuda):
        yield
