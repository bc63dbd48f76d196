"""Which model, and which weights: what run logs and replicas compare before they trust each other."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from mezo_lab.optim.sweeps.pieces import strided_views

HASH_SIZE = 16  # bytes

_CHUNK = 1 << 22  # bytes of weights hashed at a time


def fingerprint(named_tensors: Iterable[tuple[str | int, Tensor]]) -> str:
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
    digests = [f"{kind} {_digest(row[i] for row in rows)}" for i, kind in enumerate(kinds)]
    return ", ".join([f"{len(rows)} tensors", f"{parameters} parameters", *digests])


def fingerprint_difference(there: str, here: str) -> str | None:
    """In what two fingerprints differ; None where they do not.

    >>> one, other = (fingerprint([("w", torch.zeros(size))]) for size in (3, 4))
    >>> fingerprint_difference(one, other)
    '3 parameters there, 4 parameters here; other shapes'
    """
    pairs = list(zip_longest(there.split(", "), here.split(", "), fillvalue="nothing"))
    counts = [f"{logged} there, {own} here" for logged, own in pairs[:2] if logged != own]
    kinds = [f"other {own.split()[0]}" for logged, own in pairs[2:] if logged != own]
    return "; ".join(counts + kinds) or None


def _digest(values: Iterable[Any]) -> str:
    text = "\n".join(map(str, values))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def weights_hash(tensors: Sequence[Tensor]) -> bytes:
    """16 bytes that tell weights apart to the bit: −0 from 0, one NaN from another.

    Formula: BLAKE2b of the bytes of all elements, in order, whatever the strides and the device.
    Cost: one pass; memory: a chunk of 4 MiB, whatever the model.

    >>> w = torch.arange(6.0).view(2, 3)
    >>> weights_hash([w]) == weights_hash([w.T.clone().T]), weights_hash([w]) == weights_hash([-w])
    (True, False)
    """
    total = hashlib.blake2b(digest_size=HASH_SIZE)
    for tensor in tensors:
        for piece, _ in strided_views(tensor.detach(), _CHUNK // tensor.element_size()):
            total.update(piece.contiguous().view(-1).view(torch.uint8).cpu().numpy().data)
    return total.digest()
