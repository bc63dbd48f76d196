"""Which model, and which weights: what a log says of them, so that it is never replayed onto others."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from mezo_lab.optim.log.frames import LogError
from mezo_lab.optim.log.records import HASH

CHUNK = 1 << 22  # bytes of weights hashed at a time

NamedTensors = Iterable[tuple[str | int, Tensor]]


def fingerprint(named_tensors: NamedTensors) -> str:
    """What model this is: the names, shapes and dtypes of its tensors, in any order, whatever their values.

    Formula: how many tensors and parameters, and 64 bits of BLAKE2b of the names, of the shapes and of the dtypes, each
    sorted by name.

    >>> w, b = ("w", torch.zeros(2, 3)), ("b", torch.zeros(2))
    >>> fingerprint([w, b]).split(", ")[:2], fingerprint([w, b]) == fingerprint([b, w])
    (['2 tensors', '8 parameters'], True)
    """
    rows = sorted((repr(name), tuple(tensor.shape), str(tensor.dtype)) for name, tensor in named_tensors)
    parameters = sum(math.prod(shape) for _, shape, _ in rows)
    kinds = ("names", "shapes", "dtypes")
    digests = [f"{kind} {digest(row[i] for row in rows)}" for i, kind in enumerate(kinds)]
    return ", ".join([f"{len(rows)} tensors", f"{parameters} parameters", *digests])


def digest(values: Iterable[Any]) -> str:
    text = "\n".join(map(str, values))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def check_model(header: dict[str, Any], named_tensors: NamedTensors) -> None:
    """Raise LogError unless the model is the one whose `fingerprint` the header holds, saying in what it differs.

    >>> header = {"fingerprint": fingerprint([("w", torch.zeros(3))])}
    >>> check_model(header, [("w", torch.zeros(4))])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mezo_lab.optim.log.frames.LogError: the log is of another model: 3 parameters there, 4 ...
    """
    if not isinstance(logged := header.get("fingerprint"), str):
        raise LogError("the log does not name its model: write header['fingerprint'] = fingerprint(named_tensors).")
    pairs = list(zip_longest(logged.split(", "), fingerprint(named_tensors).split(", "), fillvalue="nothing"))
    counts = [f"{there} there, {here} here" for there, here in pairs[:2] if there != here]
    kinds = [f"other {here.split()[0]}" for there, here in pairs[2:] if there != here]
    if counts or kinds:
        raise LogError(f"the log is of another model: {'; '.join(counts + kinds)}.")


def weights_hash(tensors: Sequence[Tensor]) -> bytes:
    """16 bytes that tell weights apart to the bit: −0 from 0, one NaN from another.

    Formula: BLAKE2b of the bytes of all elements, in order, whatever the strides and the device.
    Cost: one pass; memory: a chunk of 4 MiB, whatever the model.

    >>> w = torch.arange(6.0).view(2, 3)
    >>> weights_hash([w]) == weights_hash([w.T.clone().T]), weights_hash([w]) == weights_hash([-w])
    (True, False)
    """
    total = hashlib.blake2b(digest_size=HASH)
    for tensor in tensors:
        for piece in pieces(tensor.detach()):
            total.update(piece.contiguous().view(torch.uint8).cpu().numpy().data)
    return total.digest()


def pieces(tensor: Tensor) -> Iterator[Tensor]:
    """Flat pieces of at most CHUNK bytes, in the order of the elements."""
    most = CHUNK // tensor.element_size()
    if tensor.numel() <= most:
        yield tensor.reshape(-1)
    elif tensor.is_contiguous():
        yield from tensor.view(-1).split(most)
    elif len(tensor) == 1:
        yield from pieces(tensor[0])
    else:
        for part in tensor.split(max(1, most * len(tensor) // tensor.numel())):
            yield from pieces(part)
