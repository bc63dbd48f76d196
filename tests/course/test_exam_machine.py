"""The numbers of the problems on the machine, in every year, by another route: programs that run, counts and draws."""

import itertools
import math
import types
from pathlib import Path

import numpy
import pytest
import torch
from exam_cases import SEEDS, agrees, exam, years
from torch.nn.functional import cross_entropy

from mezo_lab import theory
from mezo_lab.sampling import sample

each_year = pytest.mark.parametrize("seed", SEEDS)
BAR = 5  # standard errors


# --- a program with two slips ---


def program(text: str, module) -> dict:
    """What a printed program defines, with another torch."""
    namespace: dict = {}
    exec(text.replace("import torch\n", ""), {"torch": module}, namespace)
    namespace["step"].__globals__.update(namespace)
    return namespace


class Numbers:
    """A torch whose generator returns the numbers of the question."""

    def __init__(self, by_seed: dict[int, float]):
        self.by_seed = by_seed

    def Generator(self):
        return self

    def manual_seed(self, seed: int):
        return types.SimpleNamespace(seed=seed)

    def randn(self, shape, generator):
        return torch.full(shape, self.by_seed[generator.seed], dtype=torch.float64)

    rand = randn


def traced(text: str, values: dict) -> dict[str, float]:
    """One weight through a program, and what the losses saw."""
    numbers = Numbers({0: float(values["z"]), 1: float(values["another"])})
    weight = torch.tensor([float(values["theta"])], dtype=torch.float64)
    seen = []

    def loss():
        seen.append(weight.item())
        return values["half"] * weight.item() ** 2

    pg = program(text, numbers)["step"]([weight], loss, 0, float(values["epsilon"]), float(values["lr"]))
    return {"above": seen[0], "below": seen[1], "pg": pg, "end": weight.item()}


@each_year
def test_the_printed_program_runs_as_it_is_traced(seed):
    values = years("A program with two slips")[seed]
    for name, number in traced(values["program"], values).items():
        agrees(values, name, number)
    for name in ("plus", "minus"):
        agrees(values, name, values["half"] * float(values["above" if name == "plus" else "below"]) ** 2)
    mended = traced(values["mended"], values)
    agrees(values, "end_right", mended["end"])
    agrees(values, "pg_right", mended["pg"])


def bowl(text: str) -> tuple[list[torch.Tensor], list[torch.Tensor], float]:
    """A step on two tensors of one shape: where it ends, where it should end, and pg."""
    weights = [torch.full((3,), 1.0, dtype=torch.float64), torch.full((3,), -0.5, dtype=torch.float64)]
    start = [w.clone() for w in weights]
    fixed = types.SimpleNamespace(
        Generator=torch.Generator,
        randn=lambda shape, generator: torch.randn(shape, generator=generator, dtype=torch.float64),
        rand=lambda shape, generator: torch.rand(shape, generator=generator, dtype=torch.float64),
    )

    def loss():
        return float(sum((w**2).sum() for w in weights))

    pg = program(text, fixed)["step"](weights, loss, 3, 1e-3, 0.01)
    generator = torch.Generator().manual_seed(3)
    z = [torch.randn(w.shape, generator=generator, dtype=torch.float64) for w in weights]
    slope = float(sum((2 * w * u).sum() for w, u in zip(start, z, strict=True)))
    return weights, [w - 0.01 * slope * u for w, u in zip(start, z, strict=True)], pg


@each_year
def test_the_mended_program_is_algorithm_1_and_each_slip_alone_is_not(seed):
    values = years("A program with two slips")[seed]
    ends, right, _ = bowl(values["mended"])
    assert all(torch.allclose(one, other, atol=1e-9) for one, other in zip(ends, right, strict=True))
    printed = values["program"].splitlines()
    mended = values["mended"].splitlines()
    assert printed != mended
    ends, right, _ = bowl(values["program"])
    assert not all(torch.allclose(one, other, atol=1e-5) for one, other in zip(ends, right, strict=True))


def test_each_slip_of_the_program_shows_on_two_tensors():
    from mezo_lab.course.exam import program as source

    slips = [defect for defect, *_ in source._GEOMETRY] + list(source._IDENTITY)
    for defect in slips:
        text = source._RIGHT.replace(defect.right, defect.wrong)
        assert text != source._RIGHT and source._RIGHT.count(defect.right) == 1
        ends, right, _ = bowl(text)
        assert not all(torch.allclose(one, other, atol=1e-5) for one, other in zip(ends, right, strict=True)), defect


@each_year
def test_the_program_holds_what_the_bytes_of_its_tensors_say(seed):
    values = years("A program with two slips")[seed]
    largest = torch.empty(values["rows"], values["columns"], dtype=torch.float16, device="meta")
    agrees(values, "chunk", largest.nbytes / 1e6)
    agrees(values, "copies", 2 * values["billions"] * torch.empty(1, dtype=torch.float16).nbytes)
    moves = [move for k in range(values["probes"]) for move in (("out", k), ("flip", k), ("back", k))]
    merged = [move for move in moves if move[0] != "back"]  # with the next way out, or with the update
    agrees(values, "sweeps", len(merged) + 1)


# --- seeds that meet ---


@each_year
def test_as_many_streams_as_there_are_sums(seed):
    values = years("Seeds that meet")[seed]
    seen = numpy.zeros(values["steps"] + values["tensors"] + 1, dtype=bool)
    for step in range(values["steps"]):
        seen[step : step + values["tensors"]] = True
    agrees(values, "streams", seen.sum())
    needed = next(n for n in itertools.count(1) if n * values["correlation"] ** 2 >= values["alarm"] ** 2)
    agrees(values, "needed", needed)
    agrees(values, "score", values["found"] * math.sqrt(values["draws"]))
    agrees(values, "addresses", sum(values["tensors"] for _ in range(values["steps"])))
    # addresses that find their seed taken
    seeds = 2.0 ** values["bits"]
    taken = values["addresses"] + seeds * math.expm1(values["addresses"] * math.log1p(-1 / seeds))
    agrees(values, "meetings", taken, 0.01)
    assert abs(values["score"]) > values["alarm"]


@each_year
def test_tensors_with_one_z_descend_as_far_as_all_signs_say(seed):
    values = years("Seeds that meet")[seed]
    g = numpy.array([values["a1"], values["a2"], values["b1"], values["b2"]], dtype=float)
    tied = [numpy.array([x, y, x, y]) for x, y in itertools.product((1, -1), repeat=2)]
    free = [numpy.array(z) for z in itertools.product((1, -1), repeat=4)]
    agrees(values, "shared", numpy.mean([(z @ g) * (z @ g) for z in tied]))
    agrees(values, "apart", numpy.mean([(z @ g) * (z @ g) for z in free]))
    assert values["shared"] != values["apart"]


@pytest.mark.parametrize("seed", range(3))
def test_as_many_pairs_meet_by_chance_as_in_draws(seed):
    values = years("Seeds that meet")[seed]
    drawn = numpy.random.default_rng(seed).integers(2 ** values["bits"], size=values["addresses"], dtype=numpy.uint64)
    _, counts = numpy.unique(drawn, return_counts=True)
    pairs = (counts * (counts - 1) // 2).sum()
    assert abs(pairs - values["meetings"]) < BAR * math.sqrt(values["meetings"])


# --- a record of curvature ---


@each_year
def test_the_record_is_read_as_draws_of_such_a_model_scatter(seed):
    values = years("A record of curvature")[seed]
    top, trace = values["curvature"], values["trace"]
    flat = numpy.full(trace // top, float(top))  # the spectrum for which the safe rate is the edge
    assert flat.sum() == trace
    agrees(values, "safe", theory.stability_limit(flat, 1, theory.GAUSSIAN))
    squares = numpy.random.default_rng(0).standard_normal((20_000, values["probes"])) ** 2
    error = math.sqrt((2 + 12 / values["probes"]) / 4 / len(squares))  # relative, of a standard deviation: κ = 3 + 12/N
    assert math.isclose(100 * squares.mean(1).std(), values["relative"], rel_tol=BAR * error)
    agrees(values, "needed", (100 * math.sqrt(2) / values["percent"]) ** 2)
    agrees(values, "trace_error", values["scatter"] / values["directions"] ** 0.5)
    agrees(values, "rank_error", values["trace_error"] / top)
    # a spectrum with these numbers exists: λ² ≤ tr H² ≤ λ·tr H
    assert top**2 <= values["trace_sq"] <= top * trace
    agrees(values, "taxed", 2 / (top * (values["millions"] * 1e6 + 2)))
    shift = 2 / (trace + values["trace_error"] + 2 * top)
    assert math.isclose(100 * (1 - shift / float(values["safe"])), values["safe_error"], rel_tol=0.05)
    agrees(values, "scatter", math.sqrt(2 * values["trace_sq"]))
    agrees(values, "rank", trace / top)
    agrees(values, "sgd", float(values["safe"]) * (values["rank"] + 2))
    assert values["grew"].startswith("half") == (values["high"] < 0.9 * float(values["safe"]))
    agrees(values, "high", float(values["safe"]) / (1 + values["grew"].startswith("half")))
    agrees(values, "low", values["high"] / 2)
    assert values["sgd"] > 5 * values["high"] and values["taxed"] < values["low"] / 1e5


# --- accuracy ---


@each_year
def test_intervals_are_those_of_the_answers_one_by_one(seed):
    values = years("Accuracy, measured and trained")[seed]
    wrong = values["count"] - values["both"] - values["won"] - values["lost"]
    assert wrong > 0
    before = numpy.repeat([1.0, 0.0, 1.0, 0.0], [values["both"], values["won"], values["lost"], wrong])
    after = numpy.repeat([1.0, 1.0, 0.0, 0.0], [values["both"], values["won"], values["lost"], wrong])
    gaps = after - before
    agrees(values, "gain", 100 * gaps.mean())
    agrees(values, "error", 100 * gaps.std(ddof=1) / math.sqrt(len(gaps)))
    agrees(values, "low", values["gain"] - 1.959964 * values["error"], 1e-5)
    agrees(values, "high", 2 * values["gain"] - values["low"])
    enough = numpy.tile(gaps, 4)
    agrees(values, "quadruple", len(enough))
    assert math.isclose(enough.std() / math.sqrt(len(enough)), gaps.std() / math.sqrt(len(gaps)) / 2)
    apart = math.sqrt(before.var() / len(before) + after.var() / len(after))
    agrees(values, "unpaired", 196 * apart, 1e-3)
    assert values["low"] > 0 > values["gain"] - values["unpaired"]
    logits = torch.tensor([[-values["right"], -values["other"]]], dtype=torch.float64)
    agrees(values, "loss", cross_entropy(logits, torch.tensor([0])).item())
    assert (values["loss"] < math.log(2)) == (values["verdict"] == "right")


@each_year
def test_a_probe_of_an_accuracy_sees_what_all_flips_say(seed):
    values = years("Accuracy, measured and trained")[seed]
    q = values["flip"]
    chance = {0: 1 - q, 1: q / 2, -1: q / 2}
    zero = square = 0.0
    for flips in itertools.product(chance, repeat=values["batch"]):
        probability = math.prod(chance[flip] for flip in flips)
        pg = sum(flips) / values["batch"] / (2 * values["epsilon"])
        zero += probability * (pg == 0)
        square += probability * pg**2
    agrees(values, "zero", zero)
    agrees(values, "square", square)
    agrees(values, "unit", 1 / values["batch"] / (2 * values["epsilon"]))


# --- several processes ---


@each_year
def test_bytes_are_those_of_a_ring_that_is_walked(seed):
    values = years("Several processes")[seed]
    p = values["processes"]
    sent = 0.0
    for _ in ("sum", "share"):  # reduce-scatter, then all-gather
        for _ in range(p - 1):
            sent += 4 * values["billions"] / p
    agrees(values, "ring", sent)
    agrees(values, "seconds", sent / values["speed"])
    agrees(values, "scalars", sum(4 * 8 for other in range(p) if other != 0))
    agrees(values, "plain", numpy.mean([float(values["loss_small"]), float(values["loss_large"])]))
    losses = [float(values["loss_small"])] * values["small"] + [float(values["loss_large"])] * values["large"]
    agrees(values, "weighed", numpy.mean(losses))
    mended = [values["weight_small"] * values["loss_small"], values["weight_large"] * values["loss_large"]]
    agrees(values, "weighed", sum(mended) / 2)
    assert abs(values["plain"] - values["weighed"]) > 0.01


@each_year
def test_estimates_of_either_way_are_as_long_as_their_draws(seed):
    values = years("Several processes")[seed]
    p, d = values["processes"], values["c"] - 2
    g = torch.full((d,), math.sqrt(values["grad_sq"] / d), dtype=torch.float64)

    def gradients(count, generator):
        noise = torch.randn(count, p, d, generator=generator, dtype=torch.float64)
        return g + noise * math.sqrt(values["noise"] / values["batch"] / d)  # of each process

    def by_batch(count, generator):
        z = torch.randn(count, d, generator=generator, dtype=torch.float64)
        slope = (z * gradients(count, generator).mean(1)).sum(-1)
        return slope.square() * z.square().sum(-1)

    def by_probe(count, generator):
        z = torch.randn(count, p, d, generator=generator, dtype=torch.float64)
        slopes = (z * gradients(count, generator)).sum(-1, keepdim=True)
        return (slopes * z).mean(1).square().sum(-1)

    for draw, name in ((by_batch, "by_batch"), (by_probe, "by_probe")):
        length = sample(draw, 20_000, numbers_per_draw=p * d, seed=0).estimate()
        assert abs(length.z_score(float(values[name]))) < BAR, name
    agrees(values, "gap", values["by_batch"] - values["by_probe"])


@each_year
def test_a_step_of_processes_is_worth_the_steps_that_lose_as_much(seed):
    values = years("Several processes")[seed]
    rank, p = values["rank"], values["processes"]
    left_by_one = (rank + 1) / (rank + 2)
    assert math.isclose(left_by_one ** values["worth"], (rank + 1) / (rank + p + 1))
    assert 1 < values["worth"] < p


# --- the decision ---


@each_year
def test_the_peak_is_that_of_the_tensors_that_a_step_holds(seed):
    values = years("Would you use it?")[seed]
    layer = torch.nn.Linear(50, 20, bias=False, dtype=torch.bfloat16)
    optimizer = torch.optim.Adam(layer.parameters(), foreach=False)
    layer(torch.ones(1, 50, dtype=torch.bfloat16)).sum().backward()
    optimizer.step()
    state = [entry for entry in optimizer.state[layer.weight].values() if entry.numel() > 1]
    held = sum(tensor.nbytes for tensor in (layer.weight, layer.weight.grad, *state)) / layer.weight.numel()
    billions = values["billions"]
    weights = billions * layer.weight.itemsize
    agrees(values, "mezo", weights + values["forward"])
    agrees(values, "adam", held * billions + values["backward"])
    adapters = held * billions * float(values["percent"]) / 100
    agrees(values, "lora", weights + adapters + values["backward"])
    agrees(values, "lora_checkpointed", weights + adapters + values["checkpointed"])
    fits = [name for name in ("mezo", "adam", "lora", "lora_checkpointed") if values[name] <= values["card"]]
    assert fits == ["mezo", "lora_checkpointed"]
    assert values["adam"] < values["cards"] * values["card"]  # rented ones, which share its weights and activations


@each_year
def test_the_dearer_training_and_the_flat_direction_by_counting(seed):
    values = years("Would you use it?")[seed]
    steps = 1_000
    adam = steps * values["cards"] * values["backward_seconds"]
    mezo = steps * (values["rank"] + 2) * values["seconds"]
    assert (mezo > 1.15 * adam) == (values["cheaper"] == "Adam")
    assert (mezo < 0.9 * adam) == (values["cheaper"] == "MeZO")
    agrees(values, "break_even", adam / (steps * values["seconds"]))
    agrees(values, "break_even", values["largest"] + 2)
    agrees(values, "gamma", mezo / (steps * values["seconds"]))
    assert values["largest"] >= 1
    left = (1 - 1 / (values["rank"] * values["flatter"])) ** values["steps"]
    assert math.isclose(left, 1 / math.e, rel_tol=0.01)


def test_every_problem_on_the_machine_is_tested():
    source = Path(__file__).read_text()
    assert not [problem.title for problem in exam(0)[6:12] if f'years("{problem.title}")' not in source]
