"""Answers to the exercises of notebook 8, right and wrong."""

import torch

from mezo_lab.exercises import algorithm as exercises


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


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_perturb: (
        perturbing(),
        [
            (perturbing(reseed="tensor"), "of one shape"),
            (perturbing(reseed="chunk"), "All chunks"),
            (perturbing(draw=torch.rand), "mean 0"),
            (perturbing(factor=2.0), "variance 1"),
            (perturbing(chunk=10_000), "cut the tensors"),
            (out_of_place, "in place"),
            (unseeded, "a generator of your own"),
            (globally, "global generator"),
            (one_seed, "Another seed"),
            (unscaled, "Twice the scale"),
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
            (stepping(other=1), r"At lr = 0\.1"),
            (in_four, "in 4 sweeps"),
        ],
    ),
}
