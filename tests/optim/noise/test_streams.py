"""An address decides its words alone: the same in any process and for any part of a tensor, and nothing else moves."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

from mezo_lab.optim.noise import COORDINATES, coordinates_at, stream_keys, tensor_key

ROOT = Path(__file__).parents[3]
NUMELS = [0, 1, 2, 3, 4, 5, 7, 63, 64, 65, 127, 129, 255, 1_000, 4_097]


def key(seed: int = 0, step: int = 1, probe: int = 0, tensor: str | int = "weight") -> torch.Tensor:
    return stream_keys(seed, step, probe, [tensor_key(tensor)])[0]


def whole(law: str, numel: int) -> torch.Tensor:
    return coordinates_at(COORDINATES[law], key(), torch.arange(numel), numel)


@pytest.mark.parametrize("numel", NUMELS)
@pytest.mark.parametrize("law", COORDINATES)
def test_a_coordinate_is_the_same_alone_and_with_others(law, numel):
    every = whole(law, numel)
    order = torch.from_numpy(numpy.random.default_rng(0).permutation(numel))
    assert torch.equal(coordinates_at(COORDINATES[law], key(), order, numel), every[order])
    for index in order[:10]:
        assert torch.equal(coordinates_at(COORDINATES[law], key(), index, numel), every[index])


@pytest.mark.parametrize("law", ["gaussian", "uniform"])
@pytest.mark.parametrize("numel", NUMELS)
def test_no_two_coordinates_of_a_tensor_are_one(law, numel):
    assert len(whole(law, numel).unique()) == numel


@pytest.mark.parametrize("law", COORDINATES)
def test_an_index_may_have_any_shape(law):
    index = torch.arange(60).view(3, 4, 5)
    assert torch.equal(coordinates_at(COORDINATES[law], key(), index, 100).flatten(), whole(law, 100)[:60])


def test_each_part_of_the_address_changes_the_key():
    keys = [key(), key(seed=1), key(step=2), key(probe=1), key(tensor="bias"), key(tensor=0), key(tensor="0")]
    assert len({tuple(pair.tolist()) for pair in keys}) == len(keys)


def test_the_keys_of_many_tensors_are_those_of_each():
    tensors = [tensor_key(name) for name in ("a", "b", 0, 1)]
    together = stream_keys(3, 4, 5, tensors)
    assert torch.equal(together, torch.cat([stream_keys(3, 4, 5, [tensor]) for tensor in tensors]))
    assert torch.equal(together.flip(0), stream_keys(3, 4, 5, tensors[::-1]))


def test_no_tensor_has_no_key():
    assert stream_keys(0, 1, 0, []).shape == (0, 2)


def test_the_ends_of_every_range_are_addresses():
    last = stream_keys(2**64 - 1, 2**32 - 1, 2**32 - 1, [2**64 - 1])
    assert last.dtype == torch.int32 and not torch.equal(last, stream_keys(0, 0, 0, [0]))


def test_numpy_integers_are_integers():
    given = stream_keys(numpy.uint64(2**63), numpy.int32(4), numpy.int32(5), [numpy.uint64(2**63 + 1)])
    assert torch.equal(given, stream_keys(2**63, 4, 5, [2**63 + 1]))


ELSEWHERE = """
import torch
from mezo_lab.optim.noise import COORDINATES, coordinates_at, stream_keys, tensor_key
key = stream_keys(5, 6, 7, [tensor_key("model.embed.weight")])[0]
for law, coordinates in COORDINATES.items():
    print(law, *coordinates_at(coordinates, key, torch.arange(70), 70).view(torch.int32).tolist())
"""


def printed(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = [sys.executable, "-c", ELSEWHERE]
    return subprocess.run(run, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_another_process_draws_the_same_z():
    here = stream_keys(5, 6, 7, [tensor_key("model.embed.weight")])[0]
    lines = [line.split() for line in printed("1").splitlines()]
    assert [law for law, *_ in lines] == list(COORDINATES)
    for law, *bits in lines:
        z = coordinates_at(COORDINATES[law], here, torch.arange(70), 70)
        assert z.view(torch.int32).tolist() == [int(word) for word in bits], law


def global_states() -> tuple:
    name, words, *rest = numpy.random.get_state()  # noqa: NPY002  the global one is what must not move
    return torch.get_rng_state().tolist(), random.getstate(), (name, words.tolist(), *rest)


def test_drawing_leaves_the_global_generators_untouched():
    before = global_states()
    for law in COORDINATES:
        whole(law, 1_000)
    assert global_states() == before


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), random.random, lambda: numpy.random.rand(1)])  # noqa: NPY002
def test_a_draw_from_a_global_generator_is_seen(draw):
    before = global_states()
    draw()
    assert global_states() != before


@pytest.mark.parametrize(
    ("name", "value", "bits"),
    [
        ("seed", -1, 64),
        ("seed", 1 << 64, 64),
        ("seed", 1.5, 64),
        ("seed", None, 64),
        ("step", -1, 32),
        ("step", 1 << 32, 32),
        ("probe", -1, 32),
        ("probe", 1 << 32, 32),
        ("probe", torch.tensor(1), 32),
    ],
)
def test_a_number_outside_its_range_is_refused(name, value, bits):
    address = {"seed": 0, "step": 1, "probe": 0, name: value}
    rule = rf"`{name}` must be an integer from 0 to 2\^{bits} - 1, got {value}: take it modulo 2\*\*{bits}"
    with pytest.raises(ValueError, match=rule.replace("(", r"\(").replace(")", r"\)")):
        stream_keys(**address, tensors=[1])


@pytest.mark.parametrize("value", [-1, 1 << 64, "weight"])
def test_a_key_that_is_no_tensor_key_is_refused(value):
    with pytest.raises(ValueError, match=rf"`key` must be an integer from 0 to 2\^64 - 1, got {value}"):
        stream_keys(0, 1, 0, [value])
