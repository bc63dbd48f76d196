"""A log knows its model by names, shapes and dtypes, and its weights by their bits."""

import hashlib
import re
import tracemalloc

import pytest
import torch

from mezo_lab.optim.fingerprint import _CHUNK as CHUNK
from mezo_lab.optim.fingerprint import fingerprint, fingerprint_difference, weights_hash

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.int64, torch.bool]
MODEL = {"embed": torch.zeros(5, 3), "head.weight": torch.zeros(3, 5), "head.bias": torch.zeros(5)}


def changed(**tensors):
    return {**MODEL, **{name.replace("_", "."): tensor for name, tensor in tensors.items()}}


def test_the_fingerprint_does_not_depend_on_values_order_or_strides():
    other = {name: torch.ones_like(tensor) for name, tensor in reversed(MODEL.items())}
    other["embed"] = torch.ones(3, 5).T
    assert fingerprint(other.items()) == fingerprint(MODEL.items())
    assert fingerprint(MODEL.items()).startswith("3 tensors, 35 parameters, names ")
    assert len(fingerprint(MODEL.items())) < 150


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (
            changed(extra=torch.zeros(1)),
            "3 tensors there, 4 tensors here; 35 parameters there, 36 parameters here; .*names",
        ),
        ({"embed": MODEL["embed"]}, "3 tensors there, 1 tensors here"),
        (changed(embed=torch.zeros(3, 5)), "^other shapes$"),
        (changed(embed=torch.zeros(5, 3).bfloat16()), "^other dtypes$"),
        ({name.upper(): tensor for name, tensor in MODEL.items()}, "^other names$"),
        (dict(enumerate(MODEL.values())), "^other names"),
    ],
)
def test_the_difference_of_another_model_is_named(model, match):
    own = fingerprint(MODEL.items())
    assert fingerprint_difference(own, own) is None
    difference = fingerprint_difference(own, fingerprint(model.items()))
    assert difference is not None and re.search(match, difference)


def test_a_position_is_not_a_name():
    assert fingerprint([(0, torch.zeros(1))]) != fingerprint([("0", torch.zeros(1))])


def test_a_fingerprint_of_another_form_is_another_model():
    assert fingerprint_difference("abc", fingerprint(MODEL.items()))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_hash_is_that_of_the_bytes_in_order(dtype):
    tensors = [
        (torch.arange(12).view(3, 4) % 5).to(dtype),
        torch.zeros((), dtype=dtype),
        torch.zeros(0, 2, dtype=dtype),
    ]
    raw = b"".join(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() for tensor in tensors)
    assert weights_hash(tensors) == hashlib.blake2b(raw, digest_size=16).digest()


def test_every_bit_of_the_weights_counts():
    weights = torch.zeros(4)
    odd = [torch.tensor([0.0, 0.0, 0.0, value]) for value in (-0.0, 1e-45, float("nan"))]
    odd.append(torch.tensor([0, 0, 0, 0x7FC00001], dtype=torch.int32).view(torch.float32))  # another NaN
    odd += [torch.zeros(5), torch.zeros(3)]
    assert len({weights_hash([weights]), *(weights_hash([other]) for other in odd)}) == 1 + len(odd)
    assert weights_hash([torch.zeros(1), torch.ones(1)]) != weights_hash([torch.ones(1), torch.zeros(1)])


@pytest.mark.parametrize(
    "strided",
    [
        lambda t: t.T.contiguous().T,
        lambda t: torch.stack([t, t], dim=-1)[..., 0],
        lambda t: t.repeat(1, 2)[:, : t.shape[1]],
        lambda t: t.clone().requires_grad_(),
    ],
)
@pytest.mark.parametrize("shape", [(3, CHUNK // 8), (CHUNK // 8, 3), (7, 5)])
def test_strides_do_not_change_the_hash(shape, strided):
    tensor = torch.arange(shape[0] * shape[1], dtype=torch.float32).view(shape)
    assert weights_hash([strided(tensor)]) == weights_hash([tensor])


def test_hashing_does_not_copy_the_weights():
    weights = torch.zeros(1 << 24)
    tracemalloc.start()
    weights_hash([weights])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < CHUNK


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_weights_on_a_gpu_have_the_hash_of_their_copy():
    weights = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float32, torch.bfloat16):
        here = weights.to(dtype)
        assert weights_hash([here.cuda(), here.T.cuda()]) == weights_hash([here, here.T])
