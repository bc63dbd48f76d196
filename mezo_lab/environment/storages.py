"""Bytes of storages: of some tensors, and of all that live while a program runs."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["LiveStorages", "storage_bytes"]


def storage_bytes(tensors: Iterable[Tensor | None]) -> int:
    """The bytes of the storages of some tensors, each storage once.

    >>> table = torch.zeros(4, 3)
    >>> storage_bytes([table, table[0], torch.zeros(2)])
    56
    """
    storages = (tensor.untyped_storage() for tensor in tensors if tensor is not None)
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())


class LiveStorages(TorchDispatchMode):
    """Counts the bytes that torch's operations allocate inside this context and that are still alive, and their peak.

    A storage counts from the operation that makes it until it is freed; storages from before the context never count,
    since an operation returns them only if they are among its arguments. It works for tensors without contents too.
    It is written by hand because torch's own counter, `torch.distributed._tools.mem_tracker.MemTracker`, is private,
    and has every module and optimizer registered and hooked, while the claims count steps that have neither.

    >>> with LiveStorages() as live:
    ...     squares = torch.zeros(256).square()  # for a moment the zeros and their squares live together
    >>> live.peak, live.current
    (2048, 1024)
    """

    current: int
    """Bytes that are alive now."""
    peak: int
    """The most bytes that were alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.current = 0
        self.peak = 0
        self._alive: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to skip it torch imports its compiler, a second, which has no part in what is counted here

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        inputs = {storage._cdata for storage in _storages((args, kwargs))}
        if func is torch.ops.aten.lift_fresh.default:
            inputs = set()  # what torch.tensor(…) has just made is first seen as an argument
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            if storage._cdata not in inputs | self._alive:
                self._add(storage)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self._alive.add(storage._cdata)
        self.current += size
        self.peak = max(self.peak, self.current)
        weakref.finalize(storage, self._remove, storage._cdata, size)

    def _remove(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self.current -= size


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
