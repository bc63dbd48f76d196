"""The sweeps that `torch.compile` writes move θ as the eager ones do, whatever the size.

They are a GPU's. Here they are compiled for the CPU, where C makes the sweeps otherwise.
"""

import functools

import pytest
import torch

from mezo_lab.optim.noise import COORDINATES
from mezo_lab.optim.sweeps import COMPILE_FROM, KeyedTensor, NoiseField, Term, noise_field
from mezo_lab.optim.sweeps import compiled as compiled_sweeps
from mezo_lab.optim.sweeps.noise_field import KERNEL_FROM

SIZES = [KERNEL_FROM, KERNEL_FROM + 1, 4_099, 70_001]  # coordinates; all but the first leave a remainder
ULPS = {torch.float64: 1e-6, torch.float32: 1e-6, torch.bfloat16: 2.0**-7, torch.float16: 2.0**-10}  # one, or float32's
FIVE = [Term(3, probe, (scale, -scale)) for probe, scale in enumerate((1.0, 0.5, -0.3, 0.01, 2.0))]
ONE = [Term(3, 0, (1.0,))]


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Leave the CPU's tensors to `torch.compile`, as a GPU's are."""
    monkeypatch.setattr(compiled_sweeps, "DEVICES", ("cpu", "cuda"))
    monkeypatch.setattr("mezo_lab.optim.sweeps.native.suits", lambda tensor: False)
    compiled_sweeps.is_available.cache_clear()  # other tests have asked whether a CPU is one of the devices
    yield
    compiled_sweeps.is_available.cache_clear()


def parameters(dtype: torch.dtype, sizes=SIZES) -> list[KeyedTensor]:
    """Large tensors for the kernels, and for the eager path a small, an empty and a strided one; in two groups."""
    generator = torch.Generator().manual_seed(0)
    shapes = [*((size,) for size in sizes), (7,), (0, 3), (), (60, 50)]
    drawn = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    return [KeyedTensor(t.T if t.shape == (60, 50) else t, i, i % 2) for i, t in enumerate(drawn)]


def swept(law: str, dtype: torch.dtype, terms, compiled: bool, decay=None, sources=None) -> list[torch.Tensor]:
    field = NoiseField(parameters(dtype), law, seed=5, compiled=compiled)
    assert len(field.kernels) == (len(SIZES) if compiled else 0)
    origins = [p.tensor.to(sources) + 1 for p in field.parameters] if sources else None
    field.sweep(terms, decay, origins)
    return field.tensors


def check_same(law: str, dtype: torch.dtype, terms, **options) -> None:
    compiled, eager = (swept(law, dtype, terms, compiled=choice, **options) for choice in (True, False))
    for a, b in zip(compiled, eager, strict=True):
        if law == "rademacher":
            assert torch.equal(a, b)
        else:
            assert torch.allclose(a, b, rtol=ULPS[dtype], atol=1e-6)


# four kernels are compiled for the default run: z once, of two laws; two z of signs, from θ and from other tensors


@pytest.mark.parametrize("law", ["rademacher", "gaussian"])
def test_a_compiled_sweep_moves_as_an_eager_one(law):
    check_same(law, torch.float32, FIVE[:1], decay=(0.9, 1.0))


def test_many_z_from_other_tensors_move_as_in_an_eager_sweep():
    check_same("rademacher", torch.float32, FIVE[:2], decay=(0.9, 1.0), sources=torch.float32)
    check_same("rademacher", torch.float32, FIVE, decay=(0.9, 1.0), sources=torch.float32)


@pytest.mark.parametrize("law", ["rademacher", "gaussian"])
def test_a_compiled_sweep_adds_the_z_of_the_definition(law, defined):
    for numel in (*SIZES, 131_072):
        theta = torch.zeros(numel)
        NoiseField([KeyedTensor(theta, 7)], law, seed=5, compiled=True).sweep(ONE)
        z = defined(law, 7, (numel,), seed=5, step=3)
        assert torch.equal(theta, z) if law == "rademacher" else torch.allclose(theta, z, rtol=1e-6, atol=1e-6)


def test_signs_are_the_same_in_any_parts(monkeypatch, defined):
    monkeypatch.setattr(compiled_sweeps, "TEMPORARY", 1_600)  # 100 blocks
    theta = torch.zeros(70_001)
    NoiseField([KeyedTensor(theta, 7)], "rademacher", seed=5, compiled=True).sweep(ONE)
    assert torch.equal(theta, defined("rademacher", 7, (70_001,), seed=5, step=3))


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("law", ["rademacher", "gaussian"])
def test_the_number_of_threads_changes_nothing(law, compiled):
    thetas = [torch.zeros(200_003), torch.zeros(200_003)]
    for threads, theta in zip((1, 2), thetas, strict=True):
        torch.set_num_threads(threads)
        NoiseField([KeyedTensor(theta, 7)], law, seed=5, compiled=compiled).sweep(ONE)
    torch.set_num_threads(1)
    assert torch.allclose(*thetas, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("law", ["rademacher", "gaussian"])
def test_one_compilation_serves_every_shape_scale_and_number_of_groups(law):
    NoiseField([KeyedTensor(torch.zeros(5_000), 7)], law, seed=0, compiled=True).sweep(ONE)
    shapes = [(KERNEL_FROM,), (4_096,), (70, 70), (90, 80), (20, 30, 40), (8, 8, 8, 8), (1 << 18,)]
    with torch._dynamo.config.patch(error_on_recompile=True):
        for groups in (1, 2, 5):
            given = [KeyedTensor(torch.zeros(shape), i, i % groups) for i, shape in enumerate(shapes)]
            field = NoiseField(given, law, seed=1, compiled=True)
            field.sweep([Term(groups, 3, (-2.0,) * groups)], decay=(0.5,) * groups)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", list(ULPS))
@pytest.mark.parametrize("law", COORDINATES)
def test_every_law_and_dtype_moves_as_in_an_eager_sweep(law, dtype):
    master = torch.promote_types(dtype, torch.float32)
    for terms in ([], FIVE[:1], FIVE[:2], FIVE):
        check_same(law, dtype, terms, decay=(0.9, 0.5))
        check_same(law, dtype, terms, sources=master)


@pytest.mark.slow
@pytest.mark.parametrize("law", COORDINATES)
def test_a_sum_of_many_z_is_rounded_once(law):
    exact, rounded = (swept(law, dtype, FIVE, compiled=True) for dtype in (torch.float64, torch.bfloat16))
    start = parameters(torch.float64), parameters(torch.bfloat16)
    for wide, narrow, before, stored in zip(exact, rounded, *start, strict=True):
        value = wide - before.tensor + stored.tensor.double()
        assert ((narrow.double() - value).abs() <= torch.finfo(torch.bfloat16).eps / 2 * value.abs() + 5e-6).all()


def unavailable(monkeypatch) -> None:
    """No kernel compiles from here on, as where there is no compiler."""

    def fails(*variant):
        raise RuntimeError("no working compiler\n\nlong trace")

    monkeypatch.setattr(compiled_sweeps, "compiled_kernel", fails)
    monkeypatch.setattr(noise_field, "is_available", functools.cache(compiled_sweeps.is_available.__wrapped__))


def test_without_a_compiler_the_same_z_is_drawn_and_a_line_says_so(monkeypatch, caplog, defined):
    unavailable(monkeypatch)
    for _ in range(3):
        theta = torch.zeros(5_003)
        NoiseField([KeyedTensor(theta, 7)], "rademacher", seed=5, compiled=True).sweep(ONE)
        assert torch.equal(theta, defined("rademacher", 7, (5_003,), seed=5, step=3))
    assert caplog.messages == ["no compiled sweeps on cpu, slower ones instead: no working compiler"]


def asks_the_compiler(numel: int, monkeypatch, **options) -> bool:
    asked = []
    monkeypatch.setattr(noise_field, "is_available", lambda law, dtype, device: bool(asked.append(law)))
    NoiseField([KeyedTensor(torch.zeros(numel), 7)], "rademacher", seed=0, **options).sweep(ONE)
    return bool(asked)


def test_a_small_set_never_waits_for_a_compiler(monkeypatch):
    assert not asks_the_compiler(COMPILE_FROM - 1, monkeypatch)
    assert not asks_the_compiler(KERNEL_FROM - 1, monkeypatch, compiled=True)
    assert not asks_the_compiler(COMPILE_FROM, monkeypatch, compiled=False)
    assert asks_the_compiler(COMPILE_FROM, monkeypatch) and asks_the_compiler(KERNEL_FROM, monkeypatch, compiled=True)
