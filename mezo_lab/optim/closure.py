"""Asking the closure for a loss: one number, finite or not, at the point where the weights are."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy
import torch
from torch import Tensor

from mezo_lab.optim.notices import warn
from mezo_lab.optim.scalars import floating
from mezo_lab.optim.stencils import Visit

Closure = Callable[..., Any]

SAME = 1e-6  # relative difference of two losses that the rounding of a parallel sum explains
REPEAT = "call model.eval() or ask for common_random_numbers=True if it has dropout, and keep one batch for the step"


@dataclass(frozen=True)
class Asking:
    """How the losses of a step are asked for.

    batches: none, micro-batches whose losses are averaged, or, if `fresh`, one for each probe.
    same_draws: whether all points of a probe see the same random numbers, as for the masks of dropout.
    """

    closure: Closure
    batches: Sequence[Any]
    devices: Sequence[torch.device]
    fresh: bool
    same_draws: bool

    def __call__(self, visit: Visit, last: bool) -> float:
        """The loss at the stored weights. last: of the points that see the same random numbers."""
        batches = [self.batches[visit[0]]] if self.fresh else self.batches
        with same_random_numbers(self.devices) if self.same_draws and not last else nullcontext():
            if not batches:
                return number(self.closure())
            return sum(number(self.closure(batch)) for batch in batches) / len(batches)

    def check_repeats(self) -> None:
        """Ask twice at one point. Raises: ValueError when the losses differ."""
        first, second = self((0, 1), last=False), self((0, 1), last=True)
        if first != second and first == first:
            raise ValueError(
                f"`closure` must give the same loss at the same point, got {first} and then {second}: {REPEAT}."
            )

    def twice(self, visit: Visit) -> tuple[float, str]:
        """Ask twice at one point. Returns: the loss, and what differs the second time, if anything.

        torch's generators are left as after one evaluation.
        """
        back = same_random_numbers(self.devices)
        with back if self.same_draws else nullcontext():
            first = self(visit, last=True)
        try:
            with nullcontext() if self.same_draws else back:
                second = self(visit, last=True)
        except StopIteration:  # losses by script: it says no more of θ
            return first, ""
        if first == second or math.isnan(first) or math.isclose(first, second, rel_tol=SAME):
            return first, ""
        return first, f"gave {first} and then {second}"


def check_asked(closure: Any, batches: Any) -> None:
    """Raises: TypeError for a closure that cannot be called, and for batches that are no list."""
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


def number(loss: Any) -> float:
    """The loss as a Python float.

    Raises: TypeError for what is no number; ValueError for several numbers or a graph.
    """
    if not isinstance(loss, Tensor):
        if not isinstance(loss, SupportsFloat):  # nor is a string of digits
            raise TypeError(f"`closure` must return the loss, one number; got {type(loss).__name__}.")
        if isinstance(loss, numpy.ndarray) and loss.size != 1:
            raise ValueError(f"`closure` must return one number, got an array of shape {loss.shape}: average it.")
        return floating(loss.item() if isinstance(loss, numpy.ndarray) else loss)
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
    """Put torch's generators back at the end, so that what comes next draws what was drawn inside."""
    cuda = sorted({device.index or 0 for device in devices if device.type == "cuda"})
    with torch.random.fork_rng(devices=cuda):
        yield
