"""The numbers of the problems on the mathematics, in every year, by another route: draws, brute force, a search."""

import itertools
import math

import numpy
import pytest
import torch
from exam_cases import SEEDS, agrees, years
from scipy import optimize, stats

from mezo_lab.sampling import Estimate, Linear, Quadratic, population, sample, sign_search, two_point

each_year = pytest.mark.parametrize("seed", SEEDS)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
BAR = 5  # standard errors


def double(values) -> torch.Tensor:
    return torch.tensor([float(value) for value in values], dtype=torch.float64)


def measured(draw, count: int, numbers: int) -> Estimate:
    return sample(draw, count, numbers_per_draw=numbers, seed=0).estimate()


def all_signs(dim: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=dim)), dtype=torch.float64)


@each_year
def test_the_search_by_signs_descends_as_far_as_all_its_draws(seed):
    values = years("A search that steps by signs")[seed]
    gradient = double([values["a"], values["b"], values["c"]])
    curvature = Quadratic(torch.diag(double([values["trace"] / 2, values["trace"] / 3, values["trace"] / 6])))
    start = torch.zeros(3, dtype=torch.float64)

    def change(slope: torch.Tensor, sigma: float) -> torch.Tensor:
        loss = Linear(slope)
        steps = sigma * all_signs(len(slope))
        return (lambda point: loss(point) + curvature(point))(
            sign_search(lambda point: loss(point) + curvature(point), start, steps)
        )

    of_signs = (all_signs(3) @ gradient).abs().mean()
    assert values["compared"] == ("less" if math.sqrt(2 / math.pi) * gradient.norm() < of_signs else "more")
    sigma = 1e-3
    assert math.isclose(
        change(gradient, sigma).mean(), -sigma * values["slope"] + sigma**2 * values["price"], rel_tol=1e-9
    )
    blind = change(double([values["equal"], -values["equal"], 0]), sigma)
    uphill = blind[blind > 0]
    assert len(uphill) == len(blind) / 2 and torch.allclose(uphill, torch.full_like(uphill, sigma**2 * values["price"]))

    def formula(at):
        return -at * values["slope"] + at**2 * values["price"]

    found = optimize.minimize_scalar(formula, bounds=(0, 10), method="bounded", options={"xatol": 1e-12})
    agrees(values, "sigma", found.x, 1e-6)
    agrees(values, "gain", -found.fun, 1e-9)
    agrees(values, "last", optimize.brentq(formula, found.x, 100))
    scale = math.sqrt(values["a"] ** 2 + values["b"] ** 2 + values["c"] ** 2)
    agrees(values, "gaussian", scale * stats.norm.expect(abs), 1e-6)


@each_year
def test_probes_of_one_layer_are_as_long_as_their_draws(seed):
    values = years("One layer at a time")[seed]
    m, b, n = values["m"], values["b"], values["n"]
    # E‖z‖⁴ is the trace of c·I
    agrees(values, "c", values["s"] ** 4 * stats.chi2(b).moment(2) / (m * b))
    slope = torch.linspace(1, 2, m * b, dtype=torch.float64).reshape(m, b)

    def draw(count, generator):
        x = values["s"] * torch.randn(count, n, b, generator=generator, dtype=torch.float64)
        layer = torch.randint(m, (count, n), generator=generator)
        along = (x * slope[layer]).sum(-1, keepdim=True) * x / n  # (count, n, b)
        estimate = torch.zeros(count, m, b, dtype=torch.float64)
        estimate.scatter_add_(1, layer[..., None].expand(-1, -1, b), along)
        return estimate.square().sum((1, 2)) / slope.square().sum()

    length = measured(draw, 20_000, m * b)
    assert abs(length.z_score(float(values["f"]))) < BAR
    measured_mean, error = float(values["measured"]), float(values["error"])
    formulas = {"own": float(values["f"]), "gaussian": (m * b + n + 1) / n, "fixed": (m * b + n - 1) / n}
    for name, mean in formulas.items():
        assert abs(values[f"from_{name}"] - (measured_mean - mean) / error) < 0.051, name
    agrees(values, "fixed", formulas["fixed"])
    agrees(values, "gaussian", formulas["gaussian"])
    far = [abs(values[name]) for name in ("from_gaussian", "from_fixed")]
    assert min(far) > values["alarm"] + 1 and abs(values["from_own"]) < 2.5
    agrees(values, "ratio", values["c"] / (m * b + 2))


@each_year
def test_the_noisy_bowl_stalls_where_its_steps_do(seed):
    values = years("A noisy bowl")[seed]
    d, n, ell, noise = values["d"], values["n"], values["smoothness"], values["noise"]
    factor = (d + n + 1) / n
    lr = 1 / (values["slow"] * ell * factor)

    def after(loss: float, noise_sq: float, rate: float = lr) -> float:
        grad_sq = 2 * ell * loss
        return loss - rate * grad_sq + rate**2 * ell / 2 * (factor * grad_sq + noise_sq)

    levels = []
    for noise_sq in (factor * noise, (d + 2) / n * noise):
        loss = 1e3
        for _ in range(5_000):
            loss = after(loss, noise_sq)
        levels.append(loss)
    agrees(values, "level", levels[0])
    agrees(values, "fresh", levels[1])
    agrees(values, "share", levels[1] / levels[0])
    agrees(values, "f", factor)
    agrees(values, "kept", after(levels[0] + 1, factor * noise) - levels[0], 1e-6)
    agrees(values, "edge", optimize.brentq(lambda rate: after(1e6, 0, rate) - 1e6, 1e-6, 10))
    excess, steps = 1.0, 0
    while excess > 1 / values["hundredfold"]:
        excess = after(levels[0] + excess, factor * noise) - levels[0]
        steps += 1
    assert steps == math.ceil(values["steps"])


@pytest.mark.parametrize("seed", range(4))
def test_fresh_minibatches_shake_as_much_as_their_draws(seed):
    values = years("A noisy bowl")[seed]
    d, n, noise = values["d"], values["n"], values["noise"]

    def draw(count, generator):
        z = torch.randn(count, n, d, generator=generator, dtype=torch.float64)
        xi = torch.randn(count, n, d, generator=generator, dtype=torch.float64) * math.sqrt(noise / d)
        return ((z * xi).sum(-1, keepdim=True) * z).mean(1).square().sum(-1)

    length = measured(draw, 10_000, 2 * n * d)
    assert abs(length.z_score(float(values["f"] * values["share"] * noise))) < BAR


@each_year
def test_the_edge_of_two_groups_is_where_the_second_moments_stop_shrinking(seed):
    values = years("Two groups of curvature")[seed]
    top = values["curvature"]
    groups = numpy.array([top, top / values["ratio"]])
    sizes = numpy.array([values["strong"], values["weak"]])

    def growth(rate: float) -> float:
        """The largest eigenvalue of the map of E[Σ g_i²] over either group."""
        own = numpy.diag(1 - 2 * rate * groups + 2 * rate**2 * groups**2)
        shared = numpy.outer(rate**2 * groups**2 * sizes, [1, 1])
        return max(abs(numpy.linalg.eigvals(own + shared)))

    agrees(
        values, "edge", optimize.brentq(lambda rate: growth(rate) - 1, 0.5 / top / values["k"], 1.2 / top / values["k"])
    )
    trace = float(groups @ sizes)
    agrees(values, "safe", 2 / (trace + 2 * top))
    agrees(values, "rank", trace / top)
    agrees(values, "gamma", 2 / (float(values["safe"]) * top))
    agrees(values, "margin", 100 * (values["edge"] - float(values["safe"])) / float(values["safe"]))
    agrees(values, "taxed", 2 / (top * (10 ** values["power"] + 2)))
    assert growth(float(values["safe"])) < 1 < values["margin"] < 20
    for name, n in (("left_by_one", 1), ("left_by_many", values["probes"])):
        left = 1.0
        for _ in range(values["pairs"] // n):
            left *= (values["flat"] + 1) / (values["flat"] + n + 1)
        agrees(values, name, left)
    assert values["left_by_one"] < values["left_by_many"]


@each_year
def test_the_best_epsilon_is_where_a_search_finds_the_least_error(seed):
    values = years("One side, and finite precision")[seed]
    dtype = DTYPES[values["dtype"]]
    near = torch.tensor(float(values["loss"]), dtype=dtype)
    above = torch.nextafter(near, torch.tensor(torch.inf, dtype=dtype))
    agrees(values, "unit", (above - near).item())
    agrees(values, "grid", (above.double() - near.double()).item() / (2 * values["paper"]))
    shifted = near.double() + values["constant"]
    shifted = shifted.to(dtype)
    grown = (torch.nextafter(shifted, torch.tensor(torch.inf, dtype=dtype)) - shifted).item()
    agrees(values, "growth", math.sqrt(grown / values["unit"]))
    unit, c, t = values["unit"], values["curvature"], values["third"]

    def one_sided(log):
        return math.sqrt(unit**2 / 6 * math.exp(-2 * log) + c**2 * math.exp(2 * log))

    def two_sided(log):
        return math.sqrt(unit**2 / 24 * math.exp(-2 * log) + t**2 * math.exp(4 * log))

    for error, best, least in ((one_sided, "best", "least"), (two_sided, "two_sided_best", "two_sided_least")):
        found = optimize.minimize_scalar(error, bounds=(-20, 2), method="bounded", options={"xatol": 1e-10})
        agrees(values, best, math.exp(found.x), 1e-6)
        agrees(values, least, found.fun, 1e-9)
    agrees(values, "gain", values["least"] / values["two_sided_least"])
    assert values["gain"] > 1.5 and values["two_sided_best"] > values["best"]


@pytest.mark.parametrize("seed", range(4))
def test_a_rounded_one_sided_difference_errs_as_the_formula_says(seed):
    """Losses on a grid of u: a slope, a curvature, and two roundings."""
    values = years("One side, and finite precision")[seed]
    unit, c, epsilon = values["unit"], values["curvature"], values["best"]

    def draw(count, generator):
        level, slope, bend = torch.rand(count, 3, generator=generator, dtype=torch.float64).unbind(-1)
        start = level * 1000 * unit
        curved = c * torch.where(bend < 0.5, -1.0, 1.0)  # its square is c²
        end = start + epsilon * (1000 * unit * slope / epsilon) + epsilon**2 * curved
        difference = torch.round(end / unit) - torch.round(start / unit)
        return (difference * unit / epsilon - 1000 * unit * slope / epsilon).square()

    assert abs(measured(draw, 200_000, 3).z_score(values["least"] ** 2)) < BAR


@each_year
def test_the_printed_sentences_are_mended_as_draws_say(seed):
    values = years("Three printed sentences")[seed]
    n, dim = values["n"], 6
    slope = torch.linspace(1, 2, dim, dtype=torch.float64)
    start = torch.zeros(dim, dtype=torch.float64)

    def own_mean(count, generator):
        z = torch.randn(count, n, dim, generator=generator, dtype=torch.float64)
        estimate = population(Linear(slope), start, z, 1.0, baseline="mean")
        return float(values["mend"]) * (estimate @ slope) / slope.square().sum()

    assert abs(measured(own_mean, 20_000, n * dim).z_score(1)) < BAR
    agrees(values, "short", 100 - 100 / float(values["mend"]))
    agrees(values, "norm", float(values["mean"]) / stats.norm.expect(abs), 1e-6)
    square = stats.chi2(1)
    agrees(values, "relative", 50 * square.std() / square.mean() / math.sqrt(values["probes"]))


@each_year
def test_what_adam_sees_is_what_draws_show(seed):
    values = years("Three printed sentences")[seed]
    rest = values["grad_sq"] - values["a"] ** 2 - values["b"] ** 2
    slope = double([values["a"], values["b"], *[math.sqrt(rest / 4)] * 4])
    assert math.isclose(slope.square().sum(), values["grad_sq"])
    for place, name in ((0, "of_a"), (1, "of_b")):

        def draw(count, generator, place=place):
            z = torch.randn(count, 1, 6, generator=generator, dtype=torch.float64)
            return two_point(Linear(slope), torch.zeros_like(slope), z, 1.0)[:, place].square()

        assert abs(measured(draw, 100_000, 6).z_score(values[name])) < BAR
    agrees(values, "seen", math.sqrt(values["of_a"] / values["of_b"]))
    agrees(values, "exact", slope[0] / slope[1])
