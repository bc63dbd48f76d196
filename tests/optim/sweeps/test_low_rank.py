"""The low-rank law: UVᵀ/√k of keyed numbers, however a matrix is stored, cut or rounded, and no matrix is made."""

import json
import math

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from mezo_lab.optim import MeZO
from mezo_lab.optim.noise import stream_keys, tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, LowRankField, NoiseField, Term, native, pieces
from mezo_lab.optim.testing import field_in_torch

UNIT = [Term(step=1, probe=0, scales=(1.0,))]
MIB = 1 << 20


@pytest.fixture
def written(defined):
    """(key, shape, rank, seed, step, probe) → z as it is written down: product by product, in float32."""

    def z(key, shape, rank, seed=0, step=1, probe=0):
        if len(shape) < 2:
            return defined("gaussian", key, shape, seed, step, probe)
        rows, columns = shape[0], math.prod(shape[1:])
        numbers = defined("gaussian", key, (rank * (rows + columns),), seed, step, probe).view(-1, rank)
        u, v = numbers[:rows] * rank**-0.5, numbers[rows:]
        whole = torch.zeros(rows, columns)
        for i in range(rows):
            for a in range(rank):
                whole[i] += u[i, a] * v[:, a]
        return whole.view(shape)

    return z


def moved(tensor, rank=2, key=7, **address):
    """A tensor of zeros after one sweep: z itself, rounded to its dtype."""
    seed = address.pop("seed", 0)
    LowRankField([KeyedTensor(tensor, key)], seed, rank).sweep(
        [Term(**({"step": 1, "probe": 0} | address), scales=(1.0,))]
    )
    return tensor


LAYOUTS = {
    "a matrix": lambda: torch.zeros(30, 41),
    "one row": lambda: torch.zeros(1, 41),
    "one column": lambda: torch.zeros(41, 1),
    "one number": lambda: torch.zeros(1, 1),
    "transposed": lambda: torch.zeros(30, 41).T,
    "every other column": lambda: torch.zeros(20, 30)[:, ::2],
    "a block of a larger one": lambda: torch.zeros(50, 50)[3:17, 5:44],
    "a convolution": lambda: torch.zeros(6, 3, 5, 5),
    "channels last": lambda: torch.zeros(2, 3, 8, 9).to(memory_format=torch.channels_last),
    "permuted": lambda: torch.zeros(5, 6, 7).permute(2, 0, 1),
    "a vector": lambda: torch.zeros(1_003),
    "every third number": lambda: torch.zeros(1_000)[::3],
    "0-dim": lambda: torch.zeros(()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rank", [1, 3])
def test_z_is_what_is_written_down_whatever_the_strides(layout, rank, written):
    theta = LAYOUTS[layout]()
    z = moved(theta, rank)
    assert torch.equal(z, written(7, theta.shape, rank)) and z.stride() == theta.stride()


@pytest.mark.parametrize("most", [1, 7, 41, 100, 1_000])
@pytest.mark.parametrize("layout", ["a matrix", "transposed", "a convolution", "permuted"])
def test_z_is_the_same_in_any_pieces(layout, most, written, monkeypatch):
    cut = pieces.strided_views
    monkeypatch.setattr(pieces, "strided_views", lambda tensor, _=0, start=0: cut(tensor, most, start))
    theta = LAYOUTS[layout]()
    assert torch.equal(moved(theta), written(7, theta.shape, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_dtype_rounds_z_and_does_not_change_it(dtype, written):
    assert torch.equal(moved(torch.zeros(30, 41, dtype=dtype)), written(7, (30, 41), 2).to(dtype))


def model() -> dict[str, torch.Tensor]:
    shapes = {"embed": (40, 11), "norm": (11,), "head.weight": (11, 40), "head.bias": (), "conv": (3, 5, 7)}
    return {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}


def swept(names) -> dict[str, torch.Tensor]:
    tensors = model()
    LowRankField([KeyedTensor(tensors[name], tensor_key(name)) for name in names], seed=0, rank=2).sweep(UNIT)
    return tensors


def test_neither_the_order_of_the_parameters_nor_frozen_ones_change_z(written):
    names = list(model())
    every = swept(names)
    for name, z in every.items():
        assert torch.equal(z, written(tensor_key(name), z.shape, 2).double())
    for subset in (names[::-1], sorted(names), names[1:], names[::2], names[-1:], []):
        some = swept(subset)
        for name in names:
            assert torch.equal(some[name], every[name] if name in subset else torch.zeros_like(some[name])), name


def test_vectors_move_as_under_the_gaussian_law():
    low, gaussian = torch.zeros(500), torch.zeros(500)
    moved(low)
    NoiseField([KeyedTensor(gaussian, 7)], "gaussian", seed=0).sweep(UNIT)
    assert torch.equal(low, gaussian)


def test_many_z_of_one_sweep_are_those_of_many_sweeps(monkeypatch):
    terms = [Term(step, probe, (0.5,)) for step in range(3) for probe in range(2)]
    together, apart = torch.zeros(30, 41, dtype=torch.float64), torch.zeros(30, 41, dtype=torch.float64)
    field = LowRankField([KeyedTensor(together, 7)], seed=0, rank=2, compiled=False)
    monkeypatch.setattr("mezo_lab.optim.sweeps.low_rank.CACHED", 300)  # less than U and V of two z, of 142 numbers each
    field.sweep(terms)
    for term in terms:
        LowRankField([KeyedTensor(apart, 7)], seed=0, rank=2).sweep([term])
    assert torch.equal(together, apart) and len(field._factors) == 2


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of z of rank k on m×n, in standard errors: E(aᵀb)² = mn for two independent isotropic z."""
    return abs(float((a * b).double().sum())) / a.numel() ** 0.5


def test_tensors_of_one_shape_and_steps_probes_and_seeds_are_uncorrelated():
    addresses = [{}, {"key": 8}, {"step": 2}, {"probe": 1}, {"seed": 1}, {"step": 0, "probe": 1}]
    drawn = [moved(torch.zeros(300, 300), **address) for address in addresses]
    for i, some in enumerate(drawn):
        assert all(cosine(some, other) < 5 for other in drawn[:i])
    assert cosine(drawn[0], moved(torch.zeros(300, 300))) > 10  # the control


def test_it_is_isotropic_and_its_length_varies_as_the_theory_says():
    """E zzᵀ = I and E‖z‖⁴ = c·d over 2,500 keyed z of a 6×4 matrix."""
    from mezo_lab.sampling import RunningMoments
    from mezo_lab.theory import low_rank_fourth_moment

    draws = torch.stack([moved(torch.zeros(6, 4), step=step).flatten().double() for step in range(2_500)])
    gram, spread = draws.T @ draws / len(draws), (low_rank_fourth_moment(6, 4, 2) / len(draws)) ** 0.5
    assert float((gram - torch.eye(24)).abs().max()) < 5 * spread
    lengths = RunningMoments()
    lengths.add(draws.square().sum(1).square() / 24)
    assert abs(lengths.estimate().z_score(low_rank_fourth_moment(6, 4, 2))) < 5
    assert lengths.estimate().z_score(24 + 2) > 5  # the control: a Gaussian z


def test_a_sweep_counts_k_times_m_plus_n_random_numbers():
    field = LowRankField([KeyedTensor(torch.zeros(40, 60), 7), KeyedTensor(torch.zeros(8), 8)], seed=0, rank=2)
    for _ in range(3):
        field.sweep(UNIT)
    assert field.cost.words == 3 * (2 * (40 + 60) / 2 + 8 / 2)  # four normals take two words
    assert field.cost.sweeps == 3 and field.cost.bytes == 3 * 2 * 4 * (40 * 60 + 8)


def test_no_tensor_of_the_size_of_a_matrix_is_made(tmp_path):
    theta = torch.zeros(2_000, 4_000)  # 31 MiB
    field = LowRankField([KeyedTensor(theta, 7)], seed=0, rank=4)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        field.sweep([Term(1, probe, (0.1,)) for probe in range(3)])
    trace = tmp_path / "trace.json"
    profiler.export_chrome_trace(str(trace))
    events = [e["args"] for e in json.loads(trace.read_text())["traceEvents"] if e["name"] == "[memory]"]
    before = events[0]["Total Allocated"] - events[0]["Bytes"]
    assert (max(event["Total Allocated"] for event in events) - before) / MIB < 10


def test_single_coordinates_are_those_of_the_whole(written):
    shapes = {7: (30, 41), 8: (3, 5, 7), 9: (50,)}
    field = LowRankField([KeyedTensor(torch.zeros(shape), key) for key, shape in shapes.items()], seed=0, rank=3)
    for i, (key, shape) in enumerate(shapes.items()):
        index = torch.randint(math.prod(shape), (20,), generator=torch.Generator().manual_seed(0))
        assert torch.equal(field.at(i, 1, 0, index), written(key, shape, 3).flatten()[index])


def test_a_sweep_leaves_the_global_generator_untouched():
    before = torch.get_rng_state()
    moved(torch.zeros(30, 41))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_gpu_draws_the_same_z(written):
    for theta in (torch.zeros(300, 411, device="cuda"), torch.zeros(300, 411, device="cuda").T):
        z = moved(theta).cpu()
        assert torch.allclose(z, written(7, theta.shape, 2), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(native.library() is None, reason="no C compiler works on this machine")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rank", [1, 3])
def test_a_sweep_in_c_has_the_bits_of_torch(rank, dtype, monkeypatch):
    monkeypatch.setattr(native, "FACTORS_ALIVE", 2)  # a sum of three z is cut, but for half precision
    fields = []
    for compiled in (None, False):
        generator = torch.Generator().manual_seed(0)
        shapes = [(301, 257), (7,), (4, 3, 5), (1, 5_000), (5_000, 1)]
        tensors = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
        fields.append(LowRankField([KeyedTensor(t, i) for i, t in enumerate(tensors)], 5, rank, compiled))
        sweeps = ([Term(1, 0, (0.5,)), Term(2, 1, (-0.3,)), Term(2, 2, (0.1,))], (0.9,)), ([], (0.5,))
        for terms, decay in sweeps:
            fields[-1].sweep(terms, decay)
        waits = fields[-1].postpone()
        for terms, decay in sweeps:
            fields[-1].sweep(terms, decay)
        fields[-1].settle(end=True)
        assert waits == (compiled is None)
    assert len(fields[0].native) == len(shapes) and not fields[1].native
    assert all(torch.equal(in_c, in_torch) for in_c, in_torch in zip(*(f.tensors for f in fields), strict=True))


@pytest.mark.skipif(native.library() is None, reason="no C compiler works on this machine")
def test_one_call_of_c_and_many_and_two_threads_have_the_same_bits(monkeypatch):
    shapes = [(301, 257), (7,), (4, 3, 5), (1, 5_000), (5_000, 1)]
    whole = native.NativeSweeps._call
    calls: list[tuple[int, int]] = []

    def counted(self, rows, first, last, arrays, done):
        calls.append((first, last))
        whole(self, rows, first, last, arrays, done)

    monkeypatch.setattr(native.NativeSweeps, "_call", counted)
    threads = torch.get_num_threads()
    ends = []
    for numbers, count in ((1 << 21, 1), (1 << 21, 2), (12_000, 2), (1, 1)):
        monkeypatch.setattr(native, "FACTOR_NUMBERS", numbers)
        tensors = [torch.ones(shape) for shape in shapes]
        torch.set_num_threads(count)
        try:
            field = LowRankField([KeyedTensor(t, i) for i, t in enumerate(tensors)], seed=5, rank=1)
            field.sweep([Term(1, 0, (0.5,)), Term(2, 1, (-0.3,))], (0.9,))
        finally:
            torch.set_num_threads(threads)
        ends.append(tensors)
    assert len(calls) == 1 + 1 + 3 + 4  # a matrix of 1 × 5,000 and two z have 10,002 numbers; the vector joins one
    assert all(torch.equal(a, b) for other in ends[1:] for a, b in zip(ends[0], other, strict=True))


@pytest.mark.skipif(native.library() is None, reason="no C compiler works on this machine")
@pytest.mark.parametrize("rank", [1, 3])
def test_factors_drawn_in_c_are_those_of_torch_on_either_side_of_a_tile(rank):
    (key,) = stream_keys(5, 3, 1, [77])
    for total in (2, 3, 5, 681, 682, 683, 684, 2_047, 2_048, 2_049, 4_096, 4_100):
        numbers = pieces.draw_flat(rank * total, key, "gaussian").view(-1, rank)
        for rows in {1, total // 2, total - 1}:
            u, v = numbers[:rows] * rank**-0.5, numbers[rows:]
            found = native.factors(5, 3, 1, 77, (rows, total - rows), rank)
            assert torch.equal(found, torch.cat([u.T.flatten(), v.T.flatten()])), (total, rows)


def test_a_field_in_torch_moves_matrices_too():
    theta = torch.nn.Parameter(torch.zeros(4, 5))
    field = field_in_torch(MeZO([theta], lr=0.1, law="low-rank"))
    field.sweep(UNIT)
    assert not field.native and theta.all()
