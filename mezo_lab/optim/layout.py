"""From parameter groups to the tensors that move: each once, with the key of its noise."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from mezo_lab.noise import tensor_key
from mezo_lab.sweeps import Parameter

Group = dict[str, Any]


def named(groups: Sequence[Group]) -> list[tuple[str | int, Tensor, int]]:
    """(name, parameter, group) of every parameter, frozen ones too; the name is the position where none was given."""
    found, position = [], 0
    for number, group in enumerate(groups):
        names = group.get("param_names") or range(position, position + len(group["params"]))
        found += [(name, tensor, number) for name, tensor in zip(names, group["params"], strict=True)]
        position += len(group["params"])
    return found


def moving(groups: Sequence[Group]) -> list[Parameter]:
    """The parameters that require a gradient, each once, tied ones under the key of their first name.

    Raises: ValueError for a set that cannot be moved: none, integers, overlapping memory, one key for two tensors.
    """
    found: dict[tuple, Parameter] = {}
    names: dict[int, str | int] = {}  # by key
    for name, tensor, group in named(groups):
        if not tensor.requires_grad or not tensor.numel():
            continue
        if not tensor.dtype.is_floating_point:
            raise ValueError(
                f"`params` must be real floating point numbers, got {tensor.dtype} for {name!r}: freeze it."
            )
        if place(tensor) in found:
            continue
        key = tensor_key(name)
        if key in names:
            raise ValueError(
                f"`params` must have different names, but {names[key]!r} and {name!r} share a key, and would move "
                "alike: rename one."
            )
        names[key], found[place(tensor)] = name, Parameter(tensor, key, group)
    check_separate([parameter.tensor for parameter in found.values()])
    return list(found.values())


def place(tensor: Tensor) -> tuple:
    # two parameters at one place are one: tied by their storage, if not by their name
    return (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())


def check_separate(tensors: Sequence[Tensor]) -> None:
    """No number in memory may be moved twice. Raises: ValueError."""
    if not tensors:
        raise ValueError(
            "`params` must hold a parameter with requires_grad=True, got none: unfreeze what is to be trained."
        )
    spans = sorted((str(tensor.device), *span(tensor)) for tensor in tensors)
    for (device, _, end), (other, start, _) in pairwise(spans):
        if device == other and start < end:
            raise ValueError(
                "`params` must not overlap in memory unless they are the same tensor: clone() one of them."
            )


def span(tensor: Tensor) -> tuple[int, int]:
    """First and last address of a tensor, in bytes."""
    reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    if reach < tensor.numel():
        raise ValueError("`params` must not repeat numbers in memory, as an expanded tensor does: clone() it.")
    return tensor.data_ptr(), tensor.data_ptr() + reach * tensor.element_size()


def signature(groups: Sequence[Group]) -> tuple:
    """Changes when the tensors that move do: unfrozen, added, or moved to another device or dtype."""
    return tuple((t.data_ptr(), t.dtype, t.requires_grad, g) for _, t, g in named(groups))


def versions(parameters: Sequence[Parameter]) -> int:
    # counts the writes that torch has seen; `tensor.data` hides from it
    return sum(parameter.tensor._version for parameter in parameters)


def spacing(tensor: Tensor) -> float:
    """The distance from the root mean square of the weights to the next number of their dtype.

    >>> spacing(torch.ones(4, dtype=torch.bfloat16))
    0.0078125
    """
    rms = tensor.detach().double().square().mean().sqrt().to(tensor.dtype)
    return float(torch.nextafter(rms.cpu(), torch.tensor(torch.inf, dtype=tensor.dtype)).double() - rms.cpu().double())
