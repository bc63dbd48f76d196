"""From parameter groups to the tensors that a step moves: each once, with the key of its noise."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from mezo_lab.optim.noise import tensor_key
from mezo_lab.optim.sweeps import KeyedTensor

Group = dict[str, Any]

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # of torch.compile, FSDP, checkpointing
PARALLEL = "module."  # of DataParallel and DistributedDataParallel
NONE = "`params` must hold a parameter with requires_grad=True, got none: unfreeze the weights to be trained."


def checked_params(params: Any) -> Any:
    """The parameters as torch takes them. Raises: ValueError where there are none; TypeError for a module."""
    if isinstance(params, torch.nn.Module):
        raise TypeError(f"`params` must be model.named_parameters(), got the {type(params).__name__} itself.")
    if isinstance(params, str | Mapping) or not isinstance(params, Iterable):
        raise TypeError(f"`params` must be model.named_parameters(), got {type(params).__name__}.")
    if isinstance(params, Tensor):
        return params  # torch refuses it
    parameters = list(params)
    if not parameters:
        raise ValueError(f"{NONE} Integer weights, as of a quantized model, cannot be trained: add an adapter (LoRA).")
    return parameters


def model_names(names: Sequence[str | int]) -> list[str | int]:
    """The names that the parameters have in the model itself, without the parts that wrappers add.

    Where two names would become one, as in a model with both "w" and "module.w", all names keep their "module.".

    >>> model_names(["module._orig_mod.layer._orig_mod.weight", 3])
    ['layer.weight', 3]
    """
    inner = [_without_wrappers(name) for name in names]
    bare = [_without_parallel(name) for name in inner]
    collide = max(Counter(bare).values(), default=1) > max(Counter(names).values(), default=1)
    if collide:
        return inner
    return bare


def _without_wrappers(name: str | int) -> str | int:
    if isinstance(name, int):
        return name
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _without_parallel(name: str | int) -> str | int:
    while isinstance(name, str) and name.startswith(PARALLEL):
        name = name.removeprefix(PARALLEL)
    return name


def named_parameters(groups: Sequence[Group]) -> list[tuple[str | int, Tensor, int]]:
    """(name, parameter, group) of every parameter, frozen ones too; the name is the position where none was given."""
    names: list[str | int] = []
    tensors: list[tuple[Tensor, int]] = []
    for number, group in enumerate(groups):
        positions = range(len(tensors), len(tensors) + len(group["params"]))
        names += group.get("param_names") or positions
        tensors += [(tensor, number) for tensor in group["params"]]
    return [(name, tensor, number) for name, (tensor, number) in zip(model_names(names), tensors, strict=True)]


def trainable_parameters(groups: Sequence[Group]) -> list[KeyedTensor]:
    """The parameters that require a gradient, each once; tied ones have the key of their first name.

    Raises: ValueError for a set that cannot be moved: none, integers, overlapping memory, one key for two tensors.
    """
    parameters: dict[tuple, KeyedTensor] = {}  # by storage
    names: dict[int, str | int] = {}  # by key
    for name, tensor, group in named_parameters(groups):
        if not tensor.requires_grad or is_lazy(tensor) or not tensor.numel():
            _check_lazy(name, tensor)
            continue
        _check_kind(name, tensor)
        if storage(tensor) in parameters:
            continue
        key = tensor_key(name)
        if key in names:
            raise ValueError(
                f"`params` must have different names, but {names[key]!r} and {name!r} share a key, and would move "
                "alike: rename one."
            )
        names[key] = name
        parameters[storage(tensor)] = KeyedTensor(tensor, key, group)
    _check_separate([parameter.tensor for parameter in parameters.values()])
    return list(parameters.values())


def storage(tensor: Tensor) -> tuple:
    """Equal for two parameters in the same memory: tied by their storage, if not by their name."""
    if tensor.layout is not torch.strided or is_lazy(tensor):  # frozen, and without an address of its own
        return (id(tensor),)
    return (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())


def signature(groups: Sequence[Group]) -> tuple[list, ...]:
    """Changes when the trainable tensors do: unfrozen, added, or moved to another device or dtype."""
    tensors = [tensor for group in groups for tensor in group["params"]]
    trained = [tensor.requires_grad for tensor in tensors]
    addresses = [tensor.data_ptr() for tensor in compress(tensors, trained)]  # a frozen one may have none
    return [len(group["params"]) for group in groups], trained, [tensor.dtype for tensor in tensors], addresses


def write_count(parameters: Sequence[KeyedTensor]) -> int:
    """The writes that torch has counted; those through `tensor.data` are hidden from it."""
    return sum([parameter.tensor._version for parameter in parameters])


def _check_lazy(name: str | int, tensor: Tensor) -> None:
    if tensor.requires_grad and is_lazy(tensor):
        raise ValueError(f"`params` must have a shape, got a lazy one for {name!r}: call the model once before.")


def _check_kind(name: str | int, tensor: Tensor) -> None:
    """Raises: ValueError for numbers that cannot be moved in place."""
    if tensor.is_meta:
        remedy = "model.to_empty(device='cpu') and load its weights before"
        raise ValueError(f"`params` must lie in memory, got a meta tensor for {name!r}: {remedy}.")
    if tensor.layout is not torch.strided:
        raise ValueError(
            f"`params` must be dense, got {tensor.layout} for {name!r}: take to_dense() of it, or freeze it."
        )
    if not tensor.data_ptr():
        remedy = "gather the weights of a model that is spread over processes before"
        raise ValueError(f"`params` must lie in memory, got no memory of this process for {name!r}: {remedy}.")
    if tensor.is_inference():
        remedy = "make the model outside, or clone() it there"
        raise ValueError(f"`params` must not be made under torch.inference_mode(), as {name!r} was: {remedy}.")
    if not tensor.dtype.is_floating_point:
        raise ValueError(f"`params` must be real floating point numbers, got {tensor.dtype} for {name!r}: freeze it.")
    if tensor.dtype not in DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
        raise ValueError(f"`params` must be {known}, got {tensor.dtype} for {name!r}: freeze it, or take bfloat16.")


def _check_separate(tensors: Sequence[Tensor]) -> None:
    """No number in memory may be moved twice. Raises: ValueError."""
    if not tensors:
        raise ValueError(NONE)
    spans = sorted(((str(tensor.device), *_span(tensor), i) for i, tensor in enumerate(tensors)))
    reached: list[tuple[str, int, int, int]] = []  # the spans so far that reach beyond the start of this one
    for device, start, end, i in spans:
        reached = [other for other in reached if other[0] == device and other[2] > start]
        if any(_overlap(tensors[i], tensors[other[3]]) for other in reached):
            raise ValueError(
                "`params` must not overlap in memory unless they are the same tensor: clone() one of them."
            )
        reached.append((device, start, end, i))


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors whose spans overlap have a number in common; columns that alternate have none."""
    size = one.element_size()
    if size != other.element_size() or (one.data_ptr() - other.data_ptr()) % size:
        return True
    start = min(one.data_ptr(), other.data_ptr())
    end = max(_span(one)[1], _span(other)[1])
    claimed = torch.zeros((end - start) // size, dtype=torch.bool)
    for tensor in (one, other):
        part = claimed.as_strided(tensor.shape, tensor.stride(), (tensor.data_ptr() - start) // size)
        if part.any():
            return True
        part.fill_(True)
    return False


def _span(tensor: Tensor) -> tuple[int, int]:
    """First and last address of a tensor, in bytes."""
    reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    if reach < tensor.numel():
        raise ValueError("`params` must not repeat numbers in memory, as an expanded tensor does: clone() it.")
    return tensor.data_ptr(), tensor.data_ptr() + reach * tensor.element_size()
