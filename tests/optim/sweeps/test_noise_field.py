"""θ ← decay·source + Σ scale·z, group by group, rounded once, and what it cost."""

import pytest
import torch

from mezo_lab.optim.noise import COORDINATES, streams
from mezo_lab.optim.sweeps import CHUNK, KeyedTensor, NoiseField, SweepKernel, Term

LAWS = list(COORDINATES)
TERMS = [Term(1, 0, (0.3, -2.0)), Term(1, 1, (0.01, 0.7)), Term(9, 4, (-0.5, 1e-4))]
DECAY = (0.9, 0.25)
SHAPES = [(13, 11), (), (64,), (5, 0), (3, 301)]


def parameters(dtype: torch.dtype, strided: bool = False) -> list[KeyedTensor]:
    """Five tensors of normal numbers in two groups; strided: the two with two dimensions are transposed in memory."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for i, shape in enumerate(SHAPES):
        theta = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        found.append(KeyedTensor(theta.mT.contiguous().mT if strided and theta.dim() == 2 else theta, i, i % 2))
    return found


def formula(law: str, given: list[KeyedTensor], defined, terms, decay=(1.0, 1.0), sources=None) -> list[torch.Tensor]:
    """The sweep in float64, out of place."""
    results = []
    for i, p in enumerate(given):
        value = (p.tensor if sources is None else sources[i]).double() * decay[p.group]
        for term in terms:
            z = defined(law, p.key, p.tensor.shape, seed=5, step=term.step, probe=term.probe)
            value = value + term.scales[p.group] * z.double()
        results.append(value)
    return results


@pytest.mark.parametrize("strided", [False, True], ids=["contiguous", "strided"])
@pytest.mark.parametrize("law", LAWS)
def test_a_sweep_is_the_formula(law, strided, defined):
    given = parameters(torch.float64, strided)
    expected = formula(law, given, defined, TERMS, DECAY)
    NoiseField(given, law, seed=5).sweep(TERMS, DECAY)
    for p, value in zip(given, expected, strict=True):
        assert torch.allclose(p.tensor, value, rtol=0, atol=1e-14)


@pytest.mark.parametrize("strided", [False, True], ids=["contiguous", "strided"])
@pytest.mark.parametrize("law", LAWS)
def test_a_sweep_may_start_from_other_tensors(law, strided, defined):
    given, sources = parameters(torch.float64, strided), [p.tensor + 1 for p in parameters(torch.float64, strided)]
    kept = [source.clone() for source in sources]
    expected = formula(law, given, defined, TERMS, DECAY, sources)
    NoiseField(given, law, seed=5).sweep(TERMS, DECAY, sources)
    for p, value, source, before in zip(given, expected, sources, kept, strict=True):
        assert torch.allclose(p.tensor, value, rtol=0, atol=1e-14) and torch.equal(source, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("law", LAWS)
def test_low_precision_is_rounded_once(law, dtype, defined):
    given = parameters(dtype)
    expected = formula(law, given, defined, TERMS, DECAY)
    NoiseField(given, law, seed=5).sweep(TERMS, DECAY)
    half = torch.finfo(dtype).eps / 2
    for p, value in zip(given, expected, strict=True):
        # half a spacing, and the rounding of float32 sums of terms below 10
        assert ((p.tensor.double() - value).abs() <= half * value.abs() + 5e-6).all()


def test_rounding_after_each_term_is_caught(defined):
    given = parameters(torch.bfloat16)
    expected, field = formula("gaussian", given, defined, TERMS, DECAY), NoiseField(given, "gaussian", seed=5)
    field.sweep(TERMS[:1], DECAY)
    for term in TERMS[1:]:
        field.sweep([term])
    half = torch.finfo(torch.bfloat16).eps / 2
    errors = [
        ((p.tensor.double() - value).abs() - half * value.abs()) for p, value in zip(given, expected, strict=True)
    ]
    assert max(float(error.max()) for error in errors if error.numel()) > 1e-3


def test_weights_in_low_precision_may_start_from_their_float32_masters(defined):
    given, masters = parameters(torch.bfloat16), [p.tensor for p in parameters(torch.float32)]
    expected = formula("rademacher", given, defined, TERMS, sources=masters)
    NoiseField(given, "rademacher", seed=5).sweep(TERMS, sources=masters)
    for p, value in zip(given, expected, strict=True):
        assert torch.equal(p.tensor, value.float().bfloat16())


def test_a_sweep_without_terms_decays_or_copies():
    given, sources = parameters(torch.float32), [p.tensor + 1 for p in parameters(torch.float32)]
    NoiseField(given, "gaussian", seed=5).sweep([], sources=sources)
    assert all(torch.equal(p.tensor, source) for p, source in zip(given, sources, strict=True))
    NoiseField(given, "gaussian", seed=5).sweep([], decay=(0.5, 1.0))
    for p, source in zip(given, sources, strict=True):
        assert torch.equal(p.tensor, source * (0.5, 1.0)[p.group])


def test_a_parameter_that_requires_grad_moves_without_a_graph():
    theta = torch.nn.Parameter(torch.zeros(10))
    NoiseField([KeyedTensor(theta, 1)], "rademacher", seed=0).sweep([Term(1, 0, (1.0,))])
    assert theta.grad_fn is None and theta.detach().abs().sum() == 10


def test_nothing_to_move_is_moved():
    field = NoiseField([], "gaussian", seed=0)
    field.sweep([Term(1, 0, (1.0,))])
    assert field.cost.words == field.cost.bytes == 0


@pytest.mark.parametrize("strided", [False, True], ids=["contiguous", "strided"])
@pytest.mark.parametrize("law", LAWS)
def test_gram_holds_the_inner_products_of_whole_z(law, strided, defined):
    given = parameters(torch.bfloat16, strided)
    before = [p.tensor.clone() for p in given]
    z = [
        torch.cat([defined(law, p.key, p.tensor.shape, 5, t.step, t.probe).flatten() for p in given]).double()
        for t in TERMS
    ]
    gram = NoiseField(given, law, seed=5).gram(TERMS)
    assert torch.allclose(gram, torch.stack(z) @ torch.stack(z).T, rtol=1e-12)
    assert gram.dtype == torch.float64
    assert all(torch.equal(p.tensor, old) for p, old in zip(given, before, strict=True))


class Recorded(SweepKernel):
    """Keeps what it is shown: the z of each parameter and term, in pieces."""

    def __init__(self):
        self.z, self.finished = {}, 0

    def start(self, parameter, source):
        return source.clone()

    def add(self, parameter, value, term, z):
        self.z.setdefault((parameter, term), []).append(z.flatten())
        return value

    def finish(self, parameter, target, value):
        assert torch.equal(target, value)
        target.zero_()
        self.finished += target.numel()


@pytest.mark.parametrize("strided", [False, True], ids=["contiguous", "strided"])
@pytest.mark.parametrize("law", LAWS)
def test_a_pass_meets_every_coordinate_and_every_z_once(law, strided, defined):
    given, recorded = parameters(torch.float32, strided), Recorded()
    NoiseField(given, law, seed=5).map(TERMS, recorded)
    assert recorded.finished == sum(p.tensor.numel() for p in given) and not any(p.tensor.any() for p in given)
    for (i, j), pieces in recorded.z.items():
        z = defined(law, i, SHAPES[i], 5, TERMS[j].step, TERMS[j].probe)
        assert torch.equal(torch.cat(pieces).sort().values, z.flatten().sort().values)


def test_the_cost_counts_sweeps_words_and_bytes():
    # 1,000 signs are 16 blocks of two words, 70 signs of any strides 2 too; each number is read and written
    given = [KeyedTensor(torch.zeros(1_000), 0), KeyedTensor(torch.zeros(7, 10, dtype=torch.bfloat16).T, 1)]
    field = NoiseField(given, "rademacher", seed=0)
    field.sweep([Term(1, 0, (1.0,))])
    assert (field.cost.sweeps, field.cost.words, field.cost.bytes) == (1, 36, 2 * (4_000 + 140))
    field.sweep([Term(1, 0, (1.0,)), Term(1, 1, (1.0,))])
    assert (field.cost.sweeps, field.cost.words, field.cost.bytes) == (2, 108, 4 * (4_000 + 140))
    field.gram([Term(1, 0, ())])
    assert (field.cost.sweeps, field.cost.words, field.cost.bytes) == (3, 144, 4 * (4_000 + 140))


@pytest.mark.parametrize("law", LAWS)
def test_a_small_field_keeps_the_last_z_as_far_as_two_chunks_go(law, monkeypatch):
    monkeypatch.setattr("mezo_lab.optim.sweeps.noise_field.CACHED", 2 * 140)
    (given,) = (KeyedTensor(torch.zeros(140), 0),)
    field, twin = (NoiseField([p], law, seed=0, compiled=False) for p in (given, KeyedTensor(torch.zeros(10, 14).T, 0)))
    z = field._words()
    for probes, drawn in (((0,), 1), ((0, 1), 1), ((0, 1), 0), ((2,), 1), ((0,), 1)):  # the oldest goes first
        before = field.cost.words
        terms = [Term(1, probe, (0.5,)) for probe in probes]
        field.sweep(terms)
        assert field.cost.words - before == drawn * z
        assert len(field._cache) <= 2
    assert twin._cached_batch is None and not twin._cache


@pytest.mark.parametrize("law", LAWS)
def test_a_kept_z_is_the_z_drawn_and_stays_it(law):
    theta, fresh = torch.zeros(300), torch.zeros(300)
    field = NoiseField([KeyedTensor(theta, 0)], law, seed=0, compiled=False)
    for scale in (0.5, -1.0, 0.25):
        field.sweep([Term(1, 0, (scale,))])
        NoiseField([KeyedTensor(fresh, 0)], law, seed=0).sweep([Term(1, 0, (scale,))])
    assert torch.equal(theta, fresh) and theta.any()


def times_drawn(field: NoiseField, monkeypatch) -> int:
    """How often the three sweeps of a step make z anew."""
    drawn, true = [], streams.threefry
    keys = field.keys([Term(1, 0, ())])
    monkeypatch.setattr(field, "keys", lambda _: keys)
    monkeypatch.setattr(streams, "threefry", lambda key, counter: drawn.append(counter) or true(key, counter))
    for scale in (1e-3, -2e-3, 0.9e-3):
        field.sweep([Term(1, 0, (scale,) * field.groups)])
    return len(drawn)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("law", LAWS)
def test_the_second_and_the_third_sweep_of_a_step_draw_nothing(law, groups, monkeypatch):
    given = [KeyedTensor(torch.zeros(300), i, i % groups) for i in range(4)]
    assert times_drawn(NoiseField(given, law, seed=0, compiled=False), monkeypatch) == 1


def test_what_is_more_than_a_chunk_is_drawn_in_every_sweep(monkeypatch):
    given = [KeyedTensor(torch.zeros(CHUNK + 64), 0)]
    assert times_drawn(NoiseField(given, "rademacher", seed=0, compiled=False), monkeypatch) == 3 * 2


def in_two_operations(theta: torch.Tensor, z: torch.Tensor, scale: float, decay: float) -> torch.Tensor:
    """decay·θ + scale·z, each product and the sum rounded by itself, in at least float32."""
    work = torch.promote_types(theta.dtype, torch.float32)
    return (theta.to(work) * decay + z.to(work) * scale).to(theta.dtype)


@pytest.mark.parametrize("decay", [1.0, 0.9])
@pytest.mark.parametrize("scale", [1e-3, -1.7e5, 3e-42, 0.0, 1e39])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("law", LAWS)
def test_each_operation_of_a_sweep_is_rounded_by_itself(law, dtype, scale, decay, defined):
    start = torch.randn(2_003, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    theta = start.clone()
    NoiseField([KeyedTensor(theta, 7)], law, seed=0, compiled=False).sweep([Term(1, 0, (scale,))], [decay])
    z = defined(law, 7, theta.shape)
    assert torch.equal(theta.nan_to_num(), in_two_operations(start, z, scale, decay).nan_to_num())


def test_an_operation_that_multiplies_and_adds_in_one_rounding_is_caught(defined):
    start = torch.randn(2_003, generator=torch.Generator().manual_seed(0))
    for law, same in (("rademacher", True), ("gaussian", False)):
        z = defined(law, 7, start.shape)
        rounded_once = (start.double() + torch.tensor(0.3).double() * z.double()).float()
        assert torch.equal(rounded_once, in_two_operations(start, z, 0.3, 1.0)) is same


@pytest.mark.parametrize(("law", "words"), [("gaussian", 2_502), ("rademacher", 158), ("uniform", 5_004)])
def test_a_word_gives_two_normals_or_thirty_two_signs_or_one_uniform(law, words):
    field = NoiseField([KeyedTensor(torch.zeros(5_003), 0)], law, seed=0)
    field.sweep([Term(1, 0, (1.0,))])
    assert field.cost.words == words


def words_drawn(field: NoiseField, monkeypatch) -> int:
    """What the generator really returned during a sweep, not what the field says."""
    drawn, true = [], streams.threefry

    def counted(key, counter):
        words = true(key, counter)
        drawn.append(2 * len(words[0].flatten()))
        return words

    terms = [Term(1, 0, (1.0,))]
    keys = field.keys(terms)
    monkeypatch.setattr(field, "keys", lambda _: keys)  # which are words of the same generator, and not counted
    monkeypatch.setattr(streams, "threefry", counted)
    field.sweep(terms)
    return sum(drawn)


@pytest.mark.parametrize("strided", [False, True], ids=["contiguous", "strided"])
@pytest.mark.parametrize("law", LAWS)
def test_the_words_counted_are_the_words_drawn(law, strided, monkeypatch):
    given = [KeyedTensor(p.tensor, p.key) for p in parameters(torch.float32, strided)]
    field = NoiseField(given, law, seed=0, compiled=False)
    assert words_drawn(field, monkeypatch) == field.cost.words > 0


def test_another_field_over_the_same_shapes_draws_the_same_z_and_shares_the_cost():
    first, second = torch.zeros(300), torch.zeros(300, dtype=torch.float64)
    field = NoiseField([KeyedTensor(first, 1)], "gaussian", seed=0)
    for each in (field, field.bound_to([KeyedTensor(second, 1)])):
        each.sweep([Term(1, 0, (1.0,))])
    assert torch.equal(first.double(), second) and field.cost.sweeps == 2


@pytest.mark.parametrize("law", LAWS)
def test_z_can_be_looked_up_at_single_places(law, defined):
    field = NoiseField([KeyedTensor(torch.zeros(4), 3), KeyedTensor(torch.zeros(20, 30).T, 4)], law, seed=5)
    index = torch.tensor([599, 0, 77])
    assert torch.equal(field.at(1, 2, 1, index), defined(law, 4, (600,), 5, 2, 1)[index])


def test_more_than_a_chunk_is_swept_as_a_whole(defined):
    theta = torch.zeros(2 * CHUNK + 5)
    NoiseField([KeyedTensor(theta, 1)], "three-point", seed=5, compiled=False).sweep([Term(1, 0, (1.0,))])
    assert torch.equal(theta, defined("three-point", 1, theta.shape, 5))


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"terms": [Term(1, 0, (1.0,))]}, r"`scales` must hold one number per group: got 1 for 2"),
        ({"terms": [], "decay": (0.5,)}, r"`decay` must hold one number per group: got 1 for 2"),
        ({"terms": [], "sources": [torch.zeros(3)]}, r"`sources` must hold one tensor per parameter, of its shape"),
        ({"terms": [Term(-1, 0, (1.0, 1.0))]}, r"`step` must be an integer from 0 to 2\^32 - 1, got -1: take it"),
    ],
)
def test_a_sweep_that_does_not_fit_is_refused_and_moves_nothing(arguments, rule):
    given = parameters(torch.float32)
    with pytest.raises(ValueError, match=rule):
        NoiseField(given, "gaussian", seed=0).sweep(**arguments)
    assert all(torch.equal(p.tensor, q.tensor) for p, q in zip(given, parameters(torch.float32), strict=True))


def test_an_unknown_law_and_a_shared_key_are_refused():
    with pytest.raises(ValueError, match=r"`law` must be one of .* got 'rademacherr'\. Nearest: rademacher\."):
        NoiseField([], "rademacherr", seed=0)
    with pytest.raises(ValueError, match=r"`parameters` must have different keys, or they move alike: tensor_key"):
        NoiseField([KeyedTensor(torch.zeros(2), 1), KeyedTensor(torch.zeros(2), 1)], "gaussian", seed=0)
