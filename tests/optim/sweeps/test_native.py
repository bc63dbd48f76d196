"""Sweeps in C have the bits of the definition in torch, whatever the law, the dtype, the size and the threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mezo_lab.optim.noise import COORDINATES, stream_keys
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term, native, pieces

ROOT = Path(__file__).parents[3]
SIZES = [1, 3, 63, 64, 65, 1_000, 4_099, 70_001, 140_000]  # coordinates: below a block, of a tile, of several units
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
FIVE = [Term(3, probe, (scale, -scale)) for probe, scale in enumerate((1.0, 0.5, -0.3, 0.01, 2.0))]
# z at the first, second and third quarter of 13 coordinates, of stream (seed 1, step 2, probe 3, key 4)
KNOWN = {
    "gaussian": "0x1.42802cp+0 0x1.e7df78p-4 0x1.9e30d8p-7",
    "rademacher": "0x1.0p+0 -0x1.0p+0 -0x1.0p+0",
    "uniform": "-0x1.8ea25cp-6 -0x1.fac110p-1 0x1.784690p-4",
    "three-point": "0x0.0p+0 0x0.0p+0 0x0.0p+0",
}

pytestmark = pytest.mark.skipif(native.library() is None, reason="no C compiler works on this machine")


def parameters(dtype: torch.dtype) -> list[KeyedTensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(size, generator=generator).to(dtype) for size in SIZES]
    return [KeyedTensor(tensor, i, i % 2) for i, tensor in enumerate(drawn)]


def swept(law: str, dtype: torch.dtype, *, compiled: bool | None, source: torch.dtype | None = None):
    field = NoiseField(parameters(dtype), law, seed=5, compiled=compiled)
    assert len(field.native) == (0 if compiled is False else len(SIZES))
    origins = None
    if source is not None:
        origins = [p.tensor.to(source) * 1.01 for p in field.parameters]
    field.sweep(FIVE[:1], (0.9, 1.0), origins)
    field.sweep(FIVE)
    field.sweep([], (0.5, 1.0))
    return field.tensors


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("law", COORDINATES)
def test_a_sweep_in_c_has_the_bits_of_torch(law, dtype):
    for in_c, in_torch in zip(swept(law, dtype, compiled=None), swept(law, dtype, compiled=False), strict=True):
        assert torch.equal(in_c, in_torch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_a_sweep_from_masters_has_the_bits_of_torch(law, dtype):
    sides = (swept(law, dtype, compiled=choice, source=torch.float32) for choice in (None, False))
    assert all(torch.equal(in_c, in_torch) for in_c, in_torch in zip(*sides, strict=True))


def test_another_decay_is_seen():
    """The control: a last bit that differs is not equal."""
    theta = [torch.ones(1_000), torch.ones(1_000)]
    for tensor, decay in zip(theta, (0.9, 0.9 + 1e-7), strict=True):
        NoiseField([KeyedTensor(tensor, 7)], "gaussian", seed=0).sweep([Term(3, 0, (1.0,))], (decay,))
    assert not torch.equal(*theta)


@pytest.mark.parametrize("law", COORDINATES)
def test_z_has_the_known_values(law):
    theta = torch.zeros(13)
    NoiseField([KeyedTensor(theta, 4)], law, seed=1).sweep([Term(2, 3, (1.0,))])
    assert [float(theta[i]) for i in (0, 5, 12)] == [float.fromhex(number) for number in KNOWN[law].split()]


@pytest.mark.parametrize("law", COORDINATES)
def test_blocks_are_those_of_torch(law):
    key = stream_keys(0, 1, 0, [9])[0]
    part = pieces.Slice(0, 3, 1_500)
    (in_torch,) = pieces.draw([part], key[None], law)
    assert torch.equal(native.draw(law, key, 3, 1_497), in_torch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("law", COORDINATES)
def test_more_z_than_a_tile_keeps_have_the_bits_of_torch(law, dtype):
    many = [
        Term(3, probe % 19, (0.1 * probe, -0.2)) for probe in range(40)
    ]  # each twice or more, not one after another
    thetas = []
    for compiled in (None, False):
        field = NoiseField(parameters(dtype), law, seed=5, compiled=compiled)
        field.sweep(many)
        thetas.append(field.tensors)
    assert all(torch.equal(in_c, in_torch) for in_c, in_torch in zip(*thetas, strict=True))


def moved(tensor):
    """Move the numbers of a tensor to another place in memory, as `share_memory_` does."""
    before = tensor.data_ptr()
    tensor.untyped_storage().resize_(3 * tensor.untyped_storage().nbytes())
    assert tensor.data_ptr() != before


def test_weights_that_move_in_memory_are_followed():
    thetas = [torch.zeros(40_000), torch.zeros(40_000)]
    fields = [NoiseField([KeyedTensor(theta, 7)], "gaussian", seed=5) for theta in thetas]
    moved(thetas[0])
    for field in fields:
        field.sweep([Term(3, 0, (1.0,))])
    assert torch.equal(*thetas) and thetas[0].all()


def test_weights_whose_memory_was_given_back_are_not_written():
    theta = torch.zeros(100)
    field = NoiseField([KeyedTensor(theta, 7)], "gaussian", seed=5)
    theta.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="the memory of a parameter was given back in the middle of a step"):
        field.sweep([Term(3, 0, (1.0,))])


@pytest.fixture
def set_threads():
    """torch.set_num_threads, set back at the end."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("law", COORDINATES)
def test_the_number_of_threads_changes_nothing(law, set_threads):
    thetas = [torch.zeros(200_003), torch.zeros(200_003)]
    for threads, theta in zip((1, 3), thetas, strict=True):
        set_threads(threads)
        NoiseField([KeyedTensor(theta, 7)], law, seed=5).sweep([Term(3, 0, (1.0,))])
    assert torch.equal(*thetas)


@pytest.mark.parametrize("law", COORDINATES)
def test_sweeps_that_are_made_tile_by_tile_have_the_bits_of_sweeps_one_by_one(law):
    together = [p.tensor for p in parameters(torch.bfloat16)]
    alone = parameters(torch.bfloat16)
    program = [(FIVE[:2], (1.0, 0.9)), ([], (0.5, 1.0)), (FIVE[1:], (1.0, 1.0))]
    number = native.LAWS[law]
    places = [native.Place(KeyedTensor(t, p.key, p.group), number) for t, p in zip(together, alone, strict=True)]
    shares: list[float] = []
    progress = native.SweepProgress().begin()
    native.NativeSweeps(places, 5, 2).run(program, None, progress, parts=3, report=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    field = NoiseField(alone, law, seed=5, compiled=False)
    for terms, decay in program:
        field.sweep(terms, decay)
    assert all(torch.equal(t, p.tensor) for t, p in zip(together, alone, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_rounds_as_torch_does(dtype):
    # every number of the dtype, and what lies between two of them, at a tie and beside it; and beyond the largest
    halves = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(dtype)
    numbers = halves.float()
    between = torch.cat([numbers * factor for factor in (1.0, 1 + 2.0**-9, 1 + 2.0**-12, 1 + 3 * 2.0**-12, 1e30)])
    between = torch.cat([between, (numbers[:-1] + numbers[1:]) / 2])
    rounded = torch.zeros(len(between), dtype=dtype)
    NoiseField([KeyedTensor(rounded, 7)], "gaussian", seed=0).sweep([], None, [between])
    expected = between.to(dtype)
    same = (rounded == expected) | (rounded.isnan() & expected.isnan())
    assert same.all(), between[~same][:5]
    widened = torch.zeros(len(halves))
    field = NoiseField([KeyedTensor(widened, 7)], "gaussian", seed=0)
    field.sweep([], None, [halves])
    assert torch.equal(widened.isnan(), numbers.isnan())
    assert torch.equal(widened.nan_to_num(), numbers.nan_to_num())


@pytest.mark.parametrize("chunk", [1 << 18, 300])
@pytest.mark.parametrize("law", COORDINATES)
def test_strided_tensors_have_the_bits_of_torch_whole_and_in_views(law, chunk):
    fields = []
    for compiled in (None, False):
        generator = torch.Generator().manual_seed(0)
        tensors = [torch.randn(30, 41, generator=generator).T, torch.randn(9, 12, generator=generator)[:, ::2]]
        fields.append(NoiseField([KeyedTensor(t, i) for i, t in enumerate(tensors)], law, 5, compiled))
        fields[-1].rechunk(chunk, chunk)
        fields[-1].sweep([Term(1, 0, (0.5,)), Term(2, 1, (-0.3,))])
    assert all(torch.equal(in_c, in_torch) for in_c, in_torch in zip(*(f.tensors for f in fields), strict=True))
    # C, which draws a z that is one view, takes no block for each coordinate of it
    assert (fields[0].cost.words < fields[1].cost.words) == (law != "rademacher")


def test_torch_sees_that_the_weights_were_written():
    theta = torch.zeros(10)
    before = theta._version
    NoiseField([KeyedTensor(theta, 7)], "gaussian", seed=0).sweep([Term(1, 0, (1.0,))])
    assert theta._version > before


FORKED = """
import hashlib, os, signal, torch
from mezo_lab.optim.sweeps import NoiseField, KeyedTensor, Term
torch.set_num_threads(2)
theta = torch.zeros(140_000)
field = NoiseField([KeyedTensor(theta, 7)], "gaussian", seed=5)
field.sweep([Term(3, 0, (1.0,))])
child = os.fork()
signal.alarm(60)
field.sweep([Term(4, 0, (1.0,))])
if child:
    os.waitpid(child, 0)
print(hashlib.sha256(theta.numpy()).hexdigest(), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_was_forked_after_a_sweep_sweeps_too():
    done = subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, check=True)
    in_child, in_parent = done.stdout.split()
    assert in_child == in_parent


def test_a_tensor_that_is_the_negative_of_its_memory_is_left_to_torch():
    memory = torch.arange(5.0)
    field = NoiseField([KeyedTensor(torch._neg_view(memory), 7)], "gaussian", seed=0)
    other = NoiseField([KeyedTensor(-torch.arange(5.0), 7)], "gaussian", seed=0)
    for one in (field, other):
        one.sweep([Term(1, 0, (1.0,))])
    assert not field.native and other.native
    assert torch.equal(-memory, other.tensors[0])


WITHOUT = """
import torch
from mezo_lab.optim.sweeps import NoiseField, KeyedTensor, Term
theta = torch.zeros(5_003)
for _ in range(2):
    field = NoiseField([KeyedTensor(theta, 7)], "rademacher", seed=5, compiled=True)
field.sweep([Term(3, 0, (1.0,))])
print(len(field.native), *theta.int().tolist())
"""


def test_a_compiler_that_is_missing_is_done_without_and_a_line_says_so(tmp_path, defined):
    environment = {**os.environ, "CC": "/nonexistent/cc", "MEZO_LAB_CACHE": str(tmp_path)}
    run = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(run, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    fast, *signs = map(int, done.stdout.split())
    assert fast == 0 and signs == defined("rademacher", 7, (5_003,), seed=5, step=3).int().tolist()
    assert done.stderr.count("no C compiler is on the path (looked for /nonexistent/cc)") == 1
    assert "install a C compiler" in done.stderr


def test_a_library_that_draws_another_z_is_not_used(monkeypatch):
    native.built()
    monkeypatch.setitem(native._KNOWN, "uniform", "0" * 16)
    with pytest.raises(native.NoCompiler, match=r"draws another z for uniform"):
        native.built()


def test_nothing_is_built_before_the_first_step(tmp_path):
    read = (
        "import torch; from mezo_lab import MeZO; opt = MeZO([torch.nn.Parameter(torch.ones(3))], lr=0.1); repr(opt);"
        "[getattr(opt, name) for name in dir(opt) if not name.startswith('_')]"
    )
    environment = {**os.environ, "MEZO_LAB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", read], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir()) and "building" not in done.stderr
