"""From parameter groups to the tensors that move: each once, with the key of its noise."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from mezo_lab.optim.noise import tensor_key
from mezo_lab.optim.sweeps import KeyedTensor
from mezo_lab.optim.sweeps.pieces import strided_views

Group = dict[str, Any]

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # of torch.compile, FSDP, checkpointing
PARALLEL = "module."  # of DataParallel and DistributedDataParallel
NONE = "`params` must hold a parameter with requires_grad=True, got none: unfreeze what is to be trained."


def given(params: Any) -> Any:
    """The parameters as torch takes them. Raises: ValueError where there are none; TypeError for a module."""
    if isinstance(params, torch.nn.Module):
        raise TypeError(f"`params` must be model.named_parameters(), got the {type(params).__name__} itself.")
    if isinstance(params, str | Mapping) or not isinstance(params, Iterable):
        raise TypeError(f"`params` must be model.named_parameters(), got {type(params).__name__}.")
    if isinstance(params, Tensor):
        return params  # torch refuses it
    found = list(params)
    if not found:
        raise ValueError(f"{NONE} Integers, as of a quantized model, cannot be: add an adapter, as LoRA.")
    return found


def unwrapped(names: Sequence[str | int]) -> list[str | int]:
    """The names that the parameters have in the model itself, without those of wrappers around it or its parts.

    Where two names would become one, as of a model that has both "w" and "module.w", all keep their "module.".

    >>> unwrapped(["module._orig_mod.layer._orig_mod.weight", 3])
    ['layer.weight', 3]
    """
    inner = [
        ".".join(part for part in name.split(".") if part not in WRAPPERS) if isinstance(name, str) else name
        for name in names
    ]
    bare = [without(name) if isinstance(name, str) else name for name in inner]
    alike = max(Counter(bare).values(), default=1) > max(Counter(names).values(), default=1)
    return inner if alike else bare


def without(name: str) -> str:
    while name.startswith(PARALLEL):
        name = name.removeprefix(PARALLEL)
    return name


def named(groups: Sequence[Group]) -> list[tuple[str | int, Tensor, int]]:
    """(name, parameter, group) of every parameter, frozen ones too; the name is the position where none was given."""
    found, position = [], 0
    for number, group in enumerate(groups):
        names = group.get("param_names") or range(position, position + len(group["params"]))
        found += [(name, tensor, number) for name, tensor in zip(names, group["params"], strict=True)]
        position += len(group["params"])
    names = unwrapped([name for name, _, _ in found])
    return [(name, tensor, number) for name, (_, tensor, number) in zip(names, found, strict=True)]


def moving(groups: Sequence[Group]) -> list[KeyedTensor]:
    """The parameters that require a gradient, each once, tied ones under the key of their first name.

    Raises: ValueError for a set that cannot be moved: none, integers, overlapping memory, one key for two tensors.
    """
    found: dict[tuple, KeyedTensor] = {}
    names: dict[int, str | int] = {}  # by key
    for name, tensor, group in named(groups):
        if not tensor.requires_grad or is_lazy(tensor) or not tensor.numel():
            check_lazy(name, tensor)
            continue
        check_kind(name, tensor)
        if place(tensor) in found:
            continue
        key = tensor_key(name)
        if key in names:
            raise ValueError(
                f"`params` must have different names, but {names[key]!r} and {name!r} share a key, and would move "
                "alike: rename one."
            )
        names[key], found[place(tensor)] = name, KeyedTensor(tensor, key, group)
    check_separate([parameter.tensor for parameter in found.values()])
    return list(found.values())


def place(tensor: Tensor) -> tuple:
    # two parameters at one place are one: tied by their storage, if not by their name
    if tensor.layout is not torch.strided or is_lazy(tensor):  # frozen, and at no place of its own
        return (id(tensor),)
    return (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())


def check_lazy(name: str | int, tensor: Tensor) -> None:
    if tensor.requires_grad and is_lazy(tensor):
        raise ValueError(f"`params` must have a shape, got a lazy one for {name!r}: call the model once before.")


def check_kind(name: str | int, tensor: Tensor) -> None:
    """Raises: ValueError for numbers that cannot be moved in place."""
    if tensor.is_meta:
        remedy = "model.to_empty(device='cpu') and load its weights before"
        raise ValueError(f"`params` must lie in memory, got a meta tensor for {name!r}: {remedy}.")
    if tensor.layout is not torch.strided:
        raise ValueError(
            f"`params` must be dense, got {tensor.layout} for {name!r}: take to_dense() of it, or freeze it."
        )
    if tensor.is_inference():
        remedy = "make the model outside, or clone() it there"
        raise ValueError(f"`params` must not be made under torch.inference_mode(), as {name!r} was: {remedy}.")
    if not tensor.dtype.is_floating_point:
        raise ValueError(f"`params` must be real floating point numbers, got {tensor.dtype} for {name!r}: freeze it.")
    if tensor.dtype not in DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
        raise ValueError(f"`params` must be {known}, got {tensor.dtype} for {name!r}: freeze it, or take bfloat16.")


def check_separate(tensors: Sequence[Tensor]) -> None:
    """No number in memory may be moved twice. Raises: ValueError."""
    if not tensors:
        raise ValueError(NONE)
    spans = sorted(((str(tensor.device), *span(tensor), i) for i, tensor in enumerate(tensors)))
    reached: list[tuple[str, int, int, int]] = []  # spans before that reach as far as the present one
    for device, start, end, i in spans:
        reached = [other for other in reached if other[0] == device and other[2] > start]
        if any(shared(tensors[i], tensors[other[3]]) for other in reached):
            raise ValueError(
                "`params` must not overlap in memory unless they are the same tensor: clone() one of them."
            )
        reached.append((device, start, end, i))


def shared(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors whose spans overlap have a number in common; columns that alternate have none."""
    size = one.element_size()
    if size != other.element_size() or (one.data_ptr() - other.data_ptr()) % size:
        return True
    start = min(one.data_ptr(), other.data_ptr())
    end = max(span(one)[1], span(other)[1])
    taken = torch.zeros((end - start) // size, dtype=torch.bool)
    for tensor in (one, other):
        part = taken.as_strided(tensor.shape, tensor.stride(), (tensor.data_ptr() - start) // size)
        if part.any():
            return True
        part.fill_(True)
    return False


def span(tensor: Tensor) -> tuple[int, int]:
    """First and last address of a tensor, in bytes."""
    reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    if reach < tensor.numel():
        raise ValueError("`params` must not repeat numbers in memory, as an expanded tensor does: clone() it.")
    return tensor.data_ptr(), tensor.data_ptr() + reach * tensor.element_size()


def signature(groups: Sequence[Group]) -> tuple:
    """Changes when the tensors that move do: unfrozen, added, or moved to another device or dtype."""
    return tuple((t.data_ptr() if t.requires_grad else 0, t.dtype, t.requires_grad, g) for _, t, g in named(groups))


def versions(parameters: Sequence[KeyedTensor]) -> int:
    # counts the writes that torch has seen; `tensor.data` hides from it
    return sum(parameter.tensor._version for parameter in parameters)


def spacing(tensor: Tensor) -> float:
    """The distance from the root mean square of the weights to the next number of their dtype.

    >>> spacing(torch.ones(4, dtype=torch.bfloat16))
    0.0078125
    """
    square = sum(float(part.double().square().sum()) for part, _ in strided_views(tensor.detach()))
    rms = torch.tensor((square / tensor.numel()) ** 0.5, dtype=torch.float64).to(tensor.dtype)
    return float(torch.nextafter(rms, torch.tensor(torch.inf, dtype=tensor.dtype)).double() - rms.double())
