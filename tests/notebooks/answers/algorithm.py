"""Answers to the exercises of notebook 8, right and wrong."""

import torch

from mezo_lab.course.exercises import algorithm as exercises
from mezo_lab.optim import MeZO


def perturbing(*, reseed="never", draw=torch.randn, chunk=None, factor=1.0):
    """A perturb that seeds its generator anew where `reseed` says, and draws by `draw`."""

    def perturb(parameters, scale, seed, most):
        rng = torch.Generator().manual_seed(seed)
        for p in parameters:
            if reseed == "tensor":
                rng.manual_seed(seed)
            for piece in p.view(-1).split(chunk or most):
                if reseed == "chunk":
                    rng.manual_seed(seed)
                piece.add_(draw(piece.shape, generator=rng), alpha=factor * scale)

    return perturb


def out_of_place(parameters, scale, seed, chunk):
    rng = torch.Generator().manual_seed(seed)
    for p in parameters:
        p = p + scale * torch.randn(p.shape, generator=rng)


def unseeded(parameters, scale, seed, chunk):
    for p in parameters:
        p.add_(torch.randn(p.shape), alpha=scale)


def globally(parameters, scale, seed, chunk):
    torch.manual_seed(seed)
    for p in parameters:
        p.add_(torch.randn(p.shape), alpha=scale)


def one_seed(parameters, scale, seed, chunk):
    perturbing()(parameters, scale, 0, chunk)


def unscaled(parameters, scale, seed, chunk):
    perturbing()(parameters, 1.0, seed, chunk)


def stepping(*, back=2.0, apart=2.0, scale=lambda e, u, d: d * e - u, decay=lambda lr, wd: 1 - lr * wd, other=0):
    """A step in three sweeps. scale: of the last, from ε, η·pg and the decay."""

    def step(move, loss, lr, weight_decay, epsilon, seed):
        move(epsilon, seed)
        plus = loss()
        move(-back * epsilon, seed)
        update = lr * (plus - loss()) / (apart * epsilon)
        move(scale(epsilon, update, decay(lr, weight_decay)), seed + other, decay(lr, weight_decay))

    return step


def in_four(move, loss, lr, weight_decay, epsilon, seed):
    move(epsilon, seed)
    plus = loss()
    move(-2 * epsilon, seed)
    pg = (plus - loss()) / (2 * epsilon)
    move(epsilon, seed)
    move(-lr * pg, seed, 1 - lr * weight_decay)


def signs(shape, generator):
    return torch.randint(2, shape, generator=generator) * 2.0 - 1


def flat(shape, generator):
    return (torch.rand(shape, generator=generator) * 2 - 1) * 3**0.5


def mixed(shape, generator):
    """Signs or wide flat numbers, by the toss of a coin, with the moments of N(0, 1) up to the fourth."""
    wide = (WIDE / 3) ** 0.5 * flat(shape, generator)
    coin = torch.rand(shape, generator=generator) < 0.5
    return torch.where(coin, wide, (2 - WIDE / 3) ** 0.5 * signs(shape, generator))


WIDE = (30 + 2160**0.5) / 14  # squared: the root of 14u²/45 − 4u/3 − 2 = 0


def growing(parameters, scale, seed, chunk):
    for p in parameters:
        p.data = torch.zeros(3)


def without_a_tail(parameters, scale, seed, chunk):
    """The wrong program of the findings: whole chunks only."""
    rng = torch.Generator().manual_seed(seed)
    for p in parameters:
        flat = p.view(-1)
        for i in range(len(flat) // chunk):
            flat[i * chunk : (i + 1) * chunk].add_(torch.randn(chunk, generator=rng), alpha=scale)


def without_the_last(parameters, scale, seed, chunk):
    perturbing()(parameters[:-1], scale, seed, chunk)


def every_second(parameters, scale, seed, chunk):
    perturbing()([p.view(-1)[::2] for p in parameters], scale, seed, chunk)


def overwriting(parameters, scale, seed, chunk):
    for p in parameters:
        p.zero_()
    perturbing()(parameters, scale, seed, chunk)


def seeded_if(parameters, scale, seed, chunk):
    perturbing()(parameters, scale, seed or torch.seed(), chunk)


def parity(parameters, scale, seed, chunk):
    perturbing()(parameters, scale, seed % 2, chunk)


def squared(parameters, scale, seed, chunk):
    perturbing()(parameters, abs(scale), seed, chunk)


def third_chunk_again(parameters, scale, seed, chunk):
    """The stream is seeded again at every third chunk."""
    rng = torch.Generator()
    for p in parameters:
        for i, piece in enumerate(p.view(-1).split(chunk)):
            if i % 3 == 0:
                rng.manual_seed(seed + p.numel())
            piece.add_(torch.randn(piece.shape, generator=rng), alpha=scale)


def leftovers(only):
    """The last piece of a tensor takes the numbers of the piece before it."""

    def perturb(parameters, scale, seed, chunk):
        rng = torch.Generator().manual_seed(seed)
        z = torch.randn(chunk, generator=rng)
        for p in parameters:
            for piece in p.view(-1).split(chunk):
                if len(piece) == chunk or len(piece) not in only:
                    z = torch.randn(chunk, generator=rng)
                piece.add_(z[: len(piece)], alpha=scale)

    return perturb


WRONG_PERTURBS = [
    (leftovers({7, 16}), "come back"),
    (leftovers({7}), "come back"),
    (without_a_tail, "39 numbers never move: the last piece of a tensor is shorter than a chunk"),
    (without_the_last, r"7 of 4,007 numbers never move"),
    (every_second, r"2,003 of 4,007 numbers never move"),
    (overwriting, r"ones should become 1 \+ z"),
    (seeded_if, "Seed 0 gave two different z|moved torch's global generator"),
    (parity, "Two seeds, 0 and 2"),
    (squared, "With scale = -0.5"),
    (third_chunk_again, "same z|come back"),
]


def looking_twice(move, loss, lr, weight_decay, epsilon, seed):
    """Right, with each loss evaluated twice."""
    stepping()(move, lambda: (loss() + loss()) / 2, lr, weight_decay, epsilon, seed)


def by_stream(tensors, **changed):
    settings = {"scale": 1.0, "seed": 0, "chunk": 64} | changed
    perturbing()(list(tensors.values()), *settings.values())
    return dict(tensors)


def by_address(tensors, *, epsilon=1.0, which=0, named=True):
    seen = []
    moved = [(name, torch.nn.Parameter(tensor)) for name, tensor in tensors.items()]
    opt = MeZO(moved if named else [p for _, p in moved], lr=1.0, epsilon=epsilon)
    opt.step(lambda: seen.append({name: tensor.clone() for name, tensor in tensors.items()}) or 0.0)
    return seen[which]


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_perturb: (
        perturbing(),
        [
            (perturbing(reseed="tensor"), "of one shape"),
            (perturbing(reseed="chunk"), "All chunks"),
            (perturbing(draw=torch.rand), "mean 0"),
            (perturbing(factor=2.0), "variance 1"),
            (perturbing(chunk=10_000), "With chunk = 64 numbers you had .* cut the tensors"),
            (perturbing(chunk=64), "With chunk = 8 numbers you had .* cut the tensors"),
            (out_of_place, "in place"),
            (unseeded, "a generator of your own"),
            (globally, "global generator"),
            (one_seed, "Two seeds, 0 and 1"),
            (unscaled, "With scale = 2 the move should be 2 times"),
            (perturbing(draw=signs), "fourth moment 3"),
            (perturbing(draw=flat), "fourth moment 3"),
            (perturbing(draw=mixed), "its distribution is another"),
            (growing, "another shape"),
            *WRONG_PERTURBS,
        ],
    ),
    exercises.check_step: (
        stepping(),
        [
            (stepping(scale=lambda e, u, d: e - u), "takes hold of −εz"),
            (stepping(scale=lambda e, u, d: -u), "must restore"),
            (stepping(scale=lambda e, u, d: d * e + u), "That climbs"),
            (stepping(apart=1.0), "2ε apart"),
            (stepping(back=1.0), "leads to θ"),
            (stepping(scale=lambda e, u, d: d * (e - u)), "Decay the update"),
            (stepping(scale=lambda e, u, d: e - u, decay=lambda lr, wd: 1.0), "decay is missing"),
            (stepping(decay=lambda lr, wd: 1 - wd), "ηλ, not λ"),
            (stepping(other=1), "another z"),
            (stepping(back=1.0, apart=1.0, scale=lambda e, u, d: -u), "One side alone"),
            (lambda move, loss, lr, weight_decay, epsilon, seed: None, r"At lr = 0\.1"),
            (in_four, "in 4 sweeps"),
            (looking_twice, "4 evaluations of the loss"),
        ],
    ),
    exercises.check_order: (
        (by_stream, by_address),
        [
            ((by_address, by_address), "moves with the order"),
            ((by_stream, by_stream), "does not move with the order"),
            ((lambda tensors: None, by_address), "Return a dictionary"),
            ((lambda tensors: tensors, by_address), "not before"),
            ((lambda tensors: {name: torch.ones(2) for name in tensors}, by_address), "of the shape"),
            ((lambda tensors: by_stream(tensors, scale=2.0), by_address), "variance 1"),
            ((by_stream, lambda tensors: by_address(tensors, which=1)), "z itself"),
            ((by_stream, lambda tensors: by_address(tensors, epsilon=0.9)), "z itself"),
            ((by_stream, lambda tensors: by_address(tensors, named=False)), "pass `MeZO` their names"),
        ],
    ),
}
