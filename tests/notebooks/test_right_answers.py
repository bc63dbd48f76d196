"""Right answers that are written differently are right: other libraries, other algebra, other loops, other types."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch

from mezo_lab.course.exercises import (
    algorithm,
    costs,
    curvature,
    dispute,
    finetuning,
    laws,
    objective,
    processes,
    rank,
    rounding,
    search,
    slips,
    tax,
    zoo,
)
from mezo_lab.finetune.evaluation.scores import Z95
from mezo_lab.finetune.tasks import custom_task
from mezo_lab.optim import MeZO


def wilson(hits, n):
    """As the roots of the quadratic."""
    z2 = Z95**2
    low, high = sorted(np.roots([1 + z2 / n, -(2 * hits / n + z2 / n), (hits / n) ** 2]).real)
    return np.array([low, high])


def paired(before, after):
    gaps = [b - a for a, b in zip(before, after, strict=True)]
    mean = sum(gaps) / len(gaps)
    side = Z95 * np.std(gaps, ddof=1) / len(gaps) ** 0.5
    return [mean, mean - side, mean + side]


def spsa_by_loop(loss, theta, z, epsilon):
    total = torch.zeros_like(theta)
    for probe in z:
        low = loss(theta - epsilon * probe)  # the minus side first
        total += (loss(theta + epsilon * probe) - low) / 2 / epsilon * probe
    return total / z.shape[0]


def spsa_in_place(loss, theta, z, epsilon):
    """Moves its own argument, and leaves it where it was only up to rounding."""
    pgs = []
    for probe in z:
        theta += epsilon * probe
        plus = loss(theta)
        theta -= 2 * epsilon * probe
        pgs.append((plus - loss(theta)) / (2 * epsilon))
        theta += epsilon * probe
    return (torch.stack(pgs) @ z / len(z)).tolist()


def sphere_numpy(count, dim, generator):
    x = np.random.default_rng(generator.initial_seed()).normal(size=(count, dim))
    return np.sqrt(dim) * x / np.linalg.norm(x, axis=1, keepdims=True)


def sphere_exponential(n, d, g):
    x = torch.empty(n, d, dtype=torch.float64).normal_(generator=g)
    return x / (x * x).mean(1, keepdim=True).sqrt()


def perturb_slices(tensors, s, k, m):
    rng = torch.Generator()
    rng.manual_seed(k)
    for w in tensors:
        flat = w.reshape(-1)
        for i in range(0, flat.numel(), m):
            z = torch.randn(min(m, flat.numel() - i), generator=rng)
            flat[i : i + m] += s * z


def perturb_numpy(tensors, scale, seed, chunk):
    rng = np.random.default_rng(seed)
    for w in tensors:
        for piece in torch.split(w.flatten(), chunk):
            piece += scale * torch.from_numpy(rng.standard_normal(len(piece), dtype=np.float32))


def perturb_buffer(tensors, scale, seed, chunk):
    rng = torch.Generator().manual_seed(seed)
    buffer = torch.empty(chunk)
    for w in tensors:
        for piece in w.view(-1).split(chunk):
            piece.add_(buffer[: len(piece)].normal_(generator=rng), alpha=scale)


def step_minus_first(move, loss, lr, weight_decay, epsilon, seed):
    move(-epsilon, seed)
    minus = loss()
    move(2 * epsilon, seed)
    pg = (loss() - minus) / (2 * epsilon)
    keep = 1 - lr * weight_decay
    move(-keep * epsilon - lr * float(pg), seed, decay=keep)
    return pg


def hutchinson(loss, theta, z, epsilon):
    """Symmetric in the sides, as a mean of two one-sided differences."""
    middle = loss(theta)
    ahead = (loss(theta + epsilon * z) - middle) / epsilon
    behind = (middle - loss(theta - epsilon * z)) / epsilon
    return np.float64((ahead - behind) / epsilon)


def f1(answers, references):
    total = Fraction(0)
    for said, right in zip(answers, references, strict=True):
        left = right.split()
        shared = 0
        for word in said.split():
            if word in left:
                left.remove(word)
                shared += 1
        total += Fraction(2 * shared, len(said.split()) + len(right.split()))
    return 1 - total / len(answers)


def address(shapes, seed, step, update=False):
    """A numpy generator for each address."""
    found = {}
    for name, shape in shapes.items():
        rng = np.random.default_rng([seed, step, *name.encode()])
        found[name] = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return found


def by_hand(tensors):
    """The first point that `MeZO` visits, kept by a closure of its own."""
    names = list(tensors)
    weights = [torch.nn.Parameter(tensors[name]) for name in names]
    first = {}

    def closure():
        if not first:
            first.update({name: w.detach().clone() for name, w in zip(names, weights, strict=True)})
        return torch.tensor(0.5)

    MeZO(zip(names, weights, strict=True), lr=0.1, epsilon=1.0, probes=1).step(closure)
    return first


def streamed(tensors):
    rng = torch.Generator().manual_seed(7)
    return {name: torch.randn(tensor.shape, generator=rng) for name, tensor in tensors.items()}


def mixed_by_loop(dim, gaussian, sphere):
    constants = [dim + 2] * gaussian + [dim] * sphere
    n = len(constants)
    return sum(constants[i] if i == j else 1 for i in range(n) for j in range(n)) / n**2


def pi():
    return sympy.pi


RIGHT = [
    (
        search.check_axis_change,
        lambda sigma, gradient, curvatures: (
            np.mean([sigma**2 * len(gradient) * h / 2 for h in curvatures])
            - sigma * np.linalg.norm(gradient, 1) / len(gradient) ** 0.5
        ),
    ),
    (
        search.check_axis_change,
        lambda curvatures, gradient, sigma: (
            sigma
            * (
                sigma * torch.tensor(curvatures).double().sum() / 2
                - torch.tensor(gradient).double().abs().mean() * len(gradient) ** 0.5
            )
        ),
    ),
    (search.check_best_sigma, lambda grad_norm, trace: np.sqrt(2 / np.pi) * grad_norm / trace),
    (search.check_two_point, spsa_by_loop),
    (search.check_two_point, spsa_in_place),
    (
        search.check_two_point,
        lambda loss, theta, z, epsilon: np.mean(
            [
                (float(loss(theta + epsilon * one) - loss(theta - epsilon * one)) / (2 * epsilon)) * one.numpy()
                for one in z
            ],
            axis=0,
        ),
    ),
    (laws.check_silent_moment, lambda dim, kurtosis, share: (dim + kurtosis - 1) * share * (1 / share) ** 2),
    (laws.check_silent_moment, lambda share, kurtosis, dim: sum([kurtosis / share] + [1 / share] * (dim - 1))),
    (laws.check_sphere, sphere_numpy),
    (laws.check_sphere, sphere_exponential),
    (laws.check_probes_needed, lambda share, dim: -int(-share * dim // 1)),
    (laws.check_probes_needed, lambda share, dim: next(n for n in range(dim + 1) if n / dim >= share)),
    (
        dispute.check_mixed_factor,
        lambda dim, gaussian, sphere: (
            1 + Fraction(dim - 1, gaussian + sphere) + Fraction(2 * gaussian, (gaussian + sphere) ** 2)
        ),
    ),
    (dispute.check_mixed_factor, mixed_by_loop),
    (dispute.check_orthogonal_formula, lambda: "1 + (d - n)/n"),
    (dispute.check_orthogonal_formula, lambda: " d * n**-1 "),
    (dispute.check_sparse_kurtosis, lambda: Fraction(1, 10) * 100),
    (dispute.check_sparse_kurtosis, lambda: torch.tensor([0.0] * 9 + [100.0]).mean()),
    (
        tax.check_contraction,
        lambda lr, smoothness, factor, weight_decay: (
            (1 - lr * (weight_decay + smoothness)) ** 2 + (lr * smoothness) ** 2 * (factor - 1)
        ),
    ),
    (
        tax.check_stable_lr,
        lambda smoothness, dim, probes, fourth: 2 / smoothness / (1 + Fraction(fourth * dim - 1) / probes),
    ),
    (tax.check_probe_gain, lambda dim, probes: (dim + 2) / (1 + (dim + 1) / probes)),
    (
        rank.check_two_groups,
        lambda strong, weak, curvature, share, probes: (
            (strong + weak * Fraction(curvature) + (probes + 1) * (1 - Fraction(share) * (1 - Fraction(curvature))))
            / probes
        ),
    ),
    (
        rank.check_best_probes,
        lambda rank, overhead: (
            1 + int(np.argmax(np.log1p(np.arange(1, 9999) / (rank + 1)) / (np.arange(1, 9999) + overhead)))
        ),
    ),
    (
        rank.check_effective_rank,
        lambda eigenvalues: (
            torch.linalg.matrix_norm(torch.diag(eigenvalues), "nuc")
            / torch.linalg.matrix_norm(torch.diag(eigenvalues), 2)
        ),
    ),
    (rank.check_effective_rank, lambda eigenvalues: sum(eigenvalues.tolist()) / max(eigenvalues.tolist())),
    (rounding.check_ulp, lambda value, mantissa_bits: 2.0 ** (math.frexp(value)[1] - 1 - mantissa_bits)),
    (
        rounding.check_ulp,
        lambda value, mantissa_bits: math.ldexp(1.0, math.floor(math.log2(abs(value))) - mantissa_bits),
    ),
    (rounding.check_cycles, lambda share, ulp, rms: np.float64(2) * np.square(share * rms / ulp)),
    (
        rounding.check_best_epsilon,
        lambda size, mantissa_bits, third: np.cbrt(rounding._ulp(size, mantissa_bits) / third / 48**0.5),
    ),
    (
        slips.check_noise_floor,
        lambda dim, rank, curvature, epsilon: (
            Fraction(dim + 4, dim + 2) * rank * (rank + 2) * curvature * (epsilon / 2) ** 2 / 2
        ),
    ),
    (slips.check_modified_variance, lambda g, scale: (g @ g) + torch.outer(scale, g / scale).square().sum()),
    (
        slips.check_modified_variance,
        lambda g, scale: float((scale.numpy() ** 2).sum() * ((g / scale).numpy() ** 2).sum() + (g.numpy() ** 2).sum()),
    ),
    (slips.check_best_scale, lambda norms, sizes: (7 * (norms**2 / sizes) ** 0.25).tolist()),
    (slips.check_best_scale, lambda norms, sizes: np.exp(np.log(norms.numpy()) / 2 - np.log(sizes.numpy()) / 4)),
    (slips.check_residual_formula, lambda: "2*d*g2 + 2*g2 + d*(delta/eps)**2"),
    (algorithm.check_perturb, perturb_slices),
    (algorithm.check_perturb, perturb_numpy),
    (algorithm.check_perturb, perturb_buffer),
    (algorithm.check_step, step_minus_first),
    (algorithm.check_order, (streamed, by_hand)),
    (zoo.check_generator, address),
    (zoo.check_diagnoses, lambda: dict(A="product", B="mean", C="back")),
    (curvature.check_second_difference, hutchinson),
    (
        curvature.check_stable_rates,
        lambda trace, trace_sq, norm, probes: torch.tensor(
            [2 / (c * (trace / c + probes + 1) / probes) for c in (norm, trace_sq / trace)], dtype=torch.float64
        ),
    ),
    (
        curvature.check_rank_and_error,
        lambda trace, trace_error, norm, norm_error: [
            trace / norm,
            (trace_error**2 + (trace / norm * norm_error) ** 2) ** 0.5 / norm,
        ],
    ),
    (
        finetuning.check_class_loss,
        lambda right, other: np.log1p(np.exp(-np.array(other)).sum() / np.exp(-np.array(right)).sum()),
    ),
    (
        finetuning.check_class_loss,
        lambda right, other: (
            torch.logsumexp(-torch.tensor([*right, *other], dtype=torch.float64), 0)
            - torch.logsumexp(-torch.tensor(right, dtype=torch.float64), 0)
        ),
    ),
    (finetuning.check_wilson, wilson),
    (finetuning.check_paired_difference, paired),
    (finetuning.check_own_task, lambda: custom_task("{text}\nIs it any good?", ["no", "yes"])),
    (
        objective.check_uniform_slope,
        lambda theta, epsilon: -np.clip(3 - (theta / epsilon) ** 2, 0, None) / np.sqrt(48) / epsilon,
    ),
    (
        objective.check_uniform_slope,
        lambda theta, epsilon: (
            sympy.Min((sympy.Rational(theta) / sympy.Rational(epsilon)) ** 2 - 3, 0) / sympy.sqrt(48) / epsilon
        ),
    ),
    (
        objective.check_one_sided_zeros,
        lambda flip, batch, towards: np.real(
            np.mean(
                [
                    (1 - flip + flip * (towards * np.exp(1j * t) + (1 - towards) * np.exp(-1j * t))) ** batch
                    for t in 2 * np.pi * np.arange(4096) / 4096
                ]
            )
        ),
    ),
    (objective.check_f1_objective, f1),
    (
        objective.check_worth,
        lambda pg, along: np.dot(pg.numpy(), along.numpy()) ** 2 / np.sum(pg.numpy() ** 2) / len(pg),
    ),
    (
        processes.check_pace,
        lambda probes, rank, processes, overhead: (
            np.log1p(probes / (rank + 1)) * processes / (overhead * processes + probes)
        ),
    ),
    (
        processes.check_combined,
        lambda losses, sizes: sum(float(a) * int(b) for a, b in zip(losses, sizes, strict=True)) / int(sizes.sum()),
    ),
    (processes.check_combined, lambda losses, sizes: np.average(losses.numpy(), weights=sizes.numpy())),
    (
        processes.check_speedup,
        lambda rank, processes: math.log1p(processes / (rank + 1)) / (math.log(rank + 2) - math.log(rank + 1)),
    ),
    (
        costs.check_training_bytes,
        lambda parameters, each, method: (
            parameters * each * [1, 1, 2, 4]["inference mezo sgd adam".split().index(method)]
        ),
    ),
    (
        costs.check_largest_model,
        lambda gib, each, method: gib * 1024**3 / each / dict(inference=1, mezo=1, sgd=2, adam=4)[method],
    ),
    (
        costs.check_largest_rank,
        lambda seconds, price, backward_seconds, backward_price, probes: (
            Fraction(backward_seconds) * Fraction(backward_price) / Fraction(seconds) / Fraction(price) - (probes + 1)
        ),
    ),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT, ids=lambda each: getattr(each, "__name__", "both"))
def test_a_right_answer_is_accepted_however_it_is_written(check, answer, capsys):
    check(*answer) if isinstance(answer, tuple) else check(answer)
    assert capsys.readouterr().out.splitlines()[-1].startswith("✓")


def test_every_check_has_one():
    tried = {check.__name__ for check, _ in RIGHT}
    rooms = (algorithm, costs, curvature, dispute, finetuning, laws, objective, processes, rank, rounding, search)
    checks = {name for room in (*rooms, slips, tax, zoo) for name in vars(room) if name.startswith("check_")}
    assert checks - tried == {"check_contracts"}  # which answers/zoo.py has


def test_a_function_may_change_its_arguments():
    """They are copies: the truth is not computed from what the student's function left."""

    def combine(losses, sizes):
        losses *= sizes
        return losses.sum() / sizes.sum()

    processes.check_combined(combine)
