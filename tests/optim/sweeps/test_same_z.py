"""A sweep adds the z of the definition, however the tensors are stored, cut, ordered, frozen or placed."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

from mezo_lab.optim.noise import COORDINATES, stream_keys, streams, tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term, pieces

ROOT = Path(__file__).parents[3]
UNIT = [Term(step=1, probe=0, scales=(1.0,))]


def moved(tensor: torch.Tensor, law: str, key: int = 7, **options) -> torch.Tensor:
    """A tensor of zeros after one sweep: z itself, rounded to its dtype."""
    NoiseField([KeyedTensor(tensor, key)], law, seed=0, **options).sweep(UNIT)
    return tensor


@pytest.mark.parametrize("law", COORDINATES)
def test_tensors_of_any_size_get_their_z_alone_and_together(law, defined):
    together = [KeyedTensor(torch.zeros(numel), key=numel) for numel in range(201)]
    NoiseField(together, law, seed=0).sweep(UNIT)
    for parameter in together:
        alone = moved(torch.zeros(parameter.tensor.shape), law, parameter.key)
        assert torch.equal(alone, defined(law, parameter.key, alone.shape)), parameter.key
        assert torch.equal(alone, parameter.tensor), parameter.key


@pytest.mark.parametrize("chunk", [1, 7, 64, 100, 1_000, 10_000])
@pytest.mark.parametrize("law", COORDINATES)
def test_z_is_the_same_in_any_chunks(law, chunk, defined):
    numels = {0: 1_000, 1: 3, 2: 0, 3: 64, 4: 777}
    keys = torch.cat([stream_keys(0, 1, 0, [key]) for key in numels])
    flat = {i: torch.full((numel,), torch.nan) for i, numel in numels.items()}
    for batch in pieces.batches(numels, law, chunk=chunk):
        assert sum(piece.last - piece.first for piece in batch if not piece.rest) <= max(1, chunk)
        for piece, z in zip(batch, pieces.draw(batch, keys, law), strict=True):
            piece.view(flat[piece.parameter], COORDINATES[law]).copy_(z)
    for i, z in flat.items():
        assert torch.equal(z, defined(law, i, z.shape))


@pytest.mark.parametrize("tile", [1, 7, 100])
@pytest.mark.parametrize("law", COORDINATES)
def test_z_is_the_same_in_any_tiles(law, tile, defined, monkeypatch):
    monkeypatch.setattr(streams, "TILE_BLOCKS", tile)  # blocks; larger ones take torch's words, smaller ones numpy's
    together = [KeyedTensor(torch.zeros(numel), key=numel) for numel in (3, 64, 777, 2_001)]
    NoiseField(together, law, seed=0, compiled=False).sweep(UNIT)
    for parameter in together:
        assert torch.equal(parameter.tensor, defined(law, parameter.key, parameter.tensor.shape))


@pytest.mark.parametrize("most", [1, 7, 64, 1_000])
@pytest.mark.parametrize("law", COORDINATES)
def test_pieces_of_a_tensor_of_any_strides_are_the_same_at_any_size(law, most, defined):
    theta, key = torch.zeros(9, 5, 7).permute(2, 0, 1), stream_keys(0, 1, 0, [7])[0]
    for piece, start in pieces.strided_views(theta, most):
        assert piece.numel() <= most
        piece.copy_(pieces.draw_strided(piece, start, theta.numel(), key, law))
    assert torch.equal(theta, defined(law, 7, theta.shape))


LAYOUTS = {
    "0-dim": lambda: torch.zeros(()),
    "0-dim of a larger one": lambda: torch.zeros(5, 5)[2, 3],
    "empty": lambda: torch.zeros(3, 0, 2),
    "transposed": lambda: torch.zeros(30, 41).T,
    "permuted": lambda: torch.zeros(5, 6, 7).permute(2, 0, 1),
    "every other column": lambda: torch.zeros(20, 30)[:, ::2],
    "every third number": lambda: torch.zeros(1_000)[::3],
    "a block of a larger one": lambda: torch.zeros(50, 50)[3:17, 5:44],
    "channels last": lambda: torch.zeros(2, 3, 8, 9).to(memory_format=torch.channels_last),
    "beginning at an odd place": lambda: torch.zeros(1_001)[1:],
    "more than a chunk, transposed": lambda: torch.zeros(600, 601).T,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("law", COORDINATES)
def test_strides_do_not_change_z(law, layout, defined):
    theta = LAYOUTS[layout]()
    z = moved(theta, law)
    assert torch.equal(z, defined(law, 7, theta.shape)) and z.stride() == theta.stride()


def test_a_view_leaves_the_rest_of_its_memory_alone():
    whole = torch.zeros(50, 50)
    moved(whole[3:17, 5:44], "rademacher")
    assert int((whole != 0).sum()) == 14 * 39


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("law", COORDINATES)
def test_the_dtype_rounds_z_and_does_not_change_it(law, dtype, defined):
    assert torch.equal(moved(torch.zeros(1_003, dtype=dtype), law), defined(law, 7, (1_003,)).to(dtype))


def model() -> dict[str, torch.Tensor]:
    shapes = {"embed": (40, 11), "norm": (11,), "head.weight": (11, 40), "head.bias": (), "conv": (3, 5, 7)}
    return {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}


def sweep(tensors: dict[str, torch.Tensor], names, law: str, seed: int = 0) -> dict[str, torch.Tensor]:
    NoiseField([KeyedTensor(tensors[name], tensor_key(name)) for name in names], law, seed).sweep(UNIT)
    return tensors


@pytest.mark.parametrize("law", COORDINATES)
def test_neither_the_order_of_the_parameters_nor_frozen_ones_change_z(law):
    names = list(model())
    every = sweep(model(), names, law)
    for subset in (names[::-1], sorted(names), names[1:], names[::2], names[-1:], []):
        some = sweep(model(), subset, law)
        for name in names:
            assert torch.equal(some[name], every[name] if name in subset else torch.zeros_like(some[name])), name


ELSEWHERE = """
import torch
from mezo_lab.optim.noise import COORDINATES, tensor_key
from mezo_lab.optim.sweeps import NoiseField, KeyedTensor, Term
for law in COORDINATES:
    theta = {name: torch.zeros(301) for name in ("embed", "head")}
    field = NoiseField([KeyedTensor(tensor, tensor_key(name)) for name, tensor in theta.items()], law, seed=3)
    field.sweep([Term(4, 5, (1.0,))])
    print(*torch.cat(list(theta.values())).view(torch.int32).tolist())
"""


def test_other_processes_sweep_along_the_same_z(defined):
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = [sys.executable, "-c", ELSEWHERE]
        printed = subprocess.run(run, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for law, line in zip(COORDINATES, printed.splitlines(), strict=True):
            z = torch.cat([defined(law, tensor_key(name), (301,), 3, 4, 5) for name in ("embed", "head")])
            assert z.view(torch.int32).tolist() == [int(word) for word in line.split()], law


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """How many standard errors the correlation of two independent z of unit variance is."""
    return abs(float((a * b).double().mean())) * a.numel() ** 0.5


@pytest.mark.parametrize("law", COORDINATES)
def test_two_tensors_of_one_shape_are_uncorrelated(law):
    theta = {name: torch.zeros(300, 300) for name in ("query", "key")}
    sweep(theta, theta, law)
    assert cosine(theta["query"], theta["key"]) < 5


@pytest.mark.parametrize("law", COORDINATES)
def test_a_seed_set_again_before_each_tensor_is_caught(law):
    same = [moved(torch.zeros(300, 300), law, key=7) for _ in ("query", "key")]
    assert cosine(*same) > 10


@pytest.mark.parametrize("law", COORDINATES)
def test_steps_probes_and_seeds_are_uncorrelated(law):
    def z(seed, step, probe):
        theta = torch.zeros(300, 300)
        NoiseField([KeyedTensor(theta, 7)], law, seed).sweep([Term(step, probe, (1.0,))])
        return theta

    addresses = [(0, 1, 0), (0, 2, 0), (0, 1, 1), (1, 1, 0), (0, 0, 1)]
    drawn = [z(*address) for address in addresses]
    for i, some in enumerate(drawn):
        assert all(cosine(some, other) < 5 for other in drawn[:i])
    assert cosine(drawn[0], z(*addresses[0])) > 10


def global_states() -> tuple:
    name, words, *rest = numpy.random.get_state()  # noqa: NPY002  the global one is what must not move
    return torch.get_rng_state().tolist(), random.getstate(), (name, words.tolist(), *rest)


@pytest.mark.parametrize("law", COORDINATES)
def test_a_sweep_leaves_the_global_generators_untouched(law):
    before = global_states()
    field = NoiseField([KeyedTensor(torch.zeros(5, 7).T, 7), KeyedTensor(torch.zeros(100), 8)], law, seed=0)
    field.sweep(UNIT)
    field.gram(UNIT)
    assert global_states() == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("law", COORDINATES)
def test_a_gpu_draws_the_same_z(law, compiled, defined):
    for theta in (torch.zeros(10_007, device="cuda"), torch.zeros(100, 70, device="cuda").T):
        z = moved(theta, law, compiled=compiled).cpu()
        if law in ("rademacher", "three-point"):
            assert torch.equal(z, defined(law, 7, theta.shape))
        assert torch.allclose(z, defined(law, 7, theta.shape), rtol=1e-6, atol=1e-6)
