"""What the operations outside the model read, write and draw, counted as they run."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from step.beds import Bed
from step.methods import METHODS, WARM_UP, WITHOUT_A_COMPILER, Backprop, Ours

RANDOM = ("normal", "randn", "rand", "uniform", "bernoulli")
UNREAD = ("copy_", "zero_", "fill_", "normal_", "uniform_", "bernoulli_")  # write without reading what was there
SHAPE_ONLY = ("empty", "detach", "ones_like", "zeros_like", "full_like", "empty_like", "randn_like", "rand_like")


@dataclass
class Traffic:
    """Of one step: random words (of torch's generators, one for each number), bytes read and written by operations
    on tensors outside the model's own passes. Those of the backward pass are not counted."""

    words: float = 0
    bytes: float = 0


def traffic(method: str, bed: Bed) -> Traffic:
    """Counted on one step, after those that warm up."""
    counter = Counter()
    run = (METHODS | WITHOUT_A_COMPILER)[method](replace(bed, loss=counter.without(bed.loss)))
    for _ in range(WARM_UP):
        run.step()
    if isinstance(run, Ours):
        return by_its_own_count(run)
    if isinstance(run, Backprop):
        run.differentiate()
    with counter:
        run.update() if isinstance(run, Backprop) else run.step()
    return counter.traffic


def by_its_own_count(run: Ours) -> Traffic:
    """Compiled sweeps are no torch operations: the optimizer counts them itself."""
    before = asdict(run.optimizer.cost)
    run.step()
    after = asdict(run.optimizer.cost)
    return Traffic(**{name: after[name] - before[name] for name in ("words", "bytes")})


class Counter(TorchDispatchMode):
    """Adds up the operands of every operation but those of the loss."""

    def __init__(self):
        super().__init__()
        self.traffic, self.paused = Traffic(), False

    def without(self, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def uncounted() -> Tensor:
            self.paused = True
            try:
                return loss()
            finally:
                self.paused = False

        return uncounted

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if not self.paused:
            self.count(operation, args, kwargs or {}, result)
        return result

    def count(self, operation, args, kwargs, result) -> None:
        schema, name = operation._schema, operation._schema.name.removeprefix("aten::")
        given = [*zip(schema.arguments, args, strict=False)]
        given += [(argument, kwargs[argument.name]) for argument in schema.arguments if argument.name in kwargs]
        makes = all(entry.alias_info is None for entry in schema.returns)
        if not makes and not any(writes(argument) for argument, _ in given):
            return  # a view
        for argument, value in given:
            read = name not in SHAPE_ONLY and not (writes(argument) and name in UNREAD)
            self.traffic.bytes += (read + writes(argument)) * size(value)
        if makes and not name.startswith(("empty", "detach")):
            self.traffic.bytes += size(result)
        if name.removesuffix("_").removesuffix("_like") in RANDOM:
            self.traffic.words += sum(tensor.numel() for tensor in tree_leaves(result))


def writes(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def size(value: Any) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
