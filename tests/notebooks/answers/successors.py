"""Answers to the exercises of notebook 15, right and wrong."""

from mezo_lab.course.exercises import successors as exercises


def layered(layers, rank, *, each=False, others=True):
    d = sum(p * q for p, q, _ in layers) if others else 0
    surplus = sum((1 if each else share) * (p + q + 1) for p, q, share in layers)
    return d + 2 + 2 * surplus / rank


def own_alone(layers, rank):
    return sum(share * (p * q + 2 + 2 * (p + q + 1) / rank) for p, q, share in layers)


def one_matrix(layers, rank):
    p = sum(p + q for p, q, _ in layers)
    return layered(layers, rank) - 2 * sum(s * (p + q + 1) for p, q, s in layers) / rank + 2 * (p + 1) / rank


def left(pairs, singles):
    return 1 - singles / (2 * pairs + singles) ** 2


def ball(smoothness, gamma, beta, dampening):
    return 2 * (1 - beta) / ((1 - dampening) * smoothness * (gamma - 2 * beta / (1 + beta)))


def averaged(smoothness, gamma, beta, dampening):
    return 2 / (smoothness * (gamma - 2 * beta / (1 + beta)))


def signal(rates, factor):
    return sum(rates) ** 2 / (sum(rates) ** 2 + (factor - 1) * sum(rate * rate for rate in rates))


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_layered_factor: (
        layered,
        [
            (lambda layers, rank: layered(layers, 1e30), "is not Gaussian"),
            (own_alone, "the z of every matrix"),
            (lambda layers, rank: layered(layers, rank, each=True), "no more"),
            (lambda layers, rank: layered(layers, 1), "divided by the rank"),
            (lambda layers, rank: rank * sum(p + q for p, q, _ in layers) + 2, "numbers drawn"),
            (one_matrix, "drawn apart"),
            (lambda layers, rank: layered(layers, rank, others=False), r"At layers = .*, rank = 1 it should be"),
            (lambda layers, rank: None, "let it return its answer"),
        ],
    ),
    exercises.check_share_left: (
        left,
        [
            (lambda pairs, singles: 1 - 1 / (2 * pairs + singles), "costs nothing"),
            (lambda pairs, singles: 1, "without its −z"),
            (lambda pairs, singles: 1 - singles / (pairs + singles) ** 2, "has two losses"),
            (lambda pairs, singles: left(pairs, singles) - 2 * pairs / (2 * pairs + singles), "add to the mean"),
            (
                lambda pairs, singles: (2 * pairs + max(singles - 1, 0)) / (2 * pairs + singles),
                "not of the single ones",
            ),
            (lambda pairs, singles: 1 - left(pairs, singles), "what is left"),
            (lambda pairs, singles: singles / (2 * pairs + singles), "At pairs = 2, singles = 3 it should be"),
        ],
    ),
    exercises.check_heavy_ball: (
        ball,
        [
            (averaged, "the averaged m"),
            (lambda dampening, **k: ball(dampening=0, **k), "without dampening"),
            (lambda dampening, **k: ball(dampening=0, **k) * (1 - dampening), "divide by 1"),
            (
                lambda smoothness, gamma, beta, dampening: 2 * (1 + beta) / ((1 - dampening) * gamma * smoothness),
                "the edge of the true gradient",
            ),
            (
                lambda smoothness, gamma, beta, dampening: 2 * (1 - beta) / ((1 - dampening) * gamma * smoothness),
                "off γ",
            ),
            (
                lambda beta, dampening, **k: averaged(beta=beta, dampening=0, **k) / (1 - beta) / (1 - dampening),
                "not l",
            ),
            (lambda **k: ball(**k) / 2, "twice as far"),
            (lambda **k: 1.0, "At smoothness = 1, gamma = 7"),
        ],
    ),
    exercises.check_signal_share: (
        signal,
        [
            (lambda rates, factor: len(rates) / (len(rates) + factor - 1), "at one rate throughout"),
            (lambda rates, factor: 1 / factor, "squared before it adds up"),
            (lambda rates, factor: signal(rates, factor + 1), "factor − 1"),
            (lambda rates, factor: 1 - signal(rates, factor), "share of the noise"),
            (lambda rates, factor: signal(rates, factor) / (1 - signal(rates, factor)), "signal over noise"),
            (lambda rates, factor: signal(rates, factor) ** 0.5, "a ratio of lengths"),
            (lambda rates, factor: 0.5, r"At rates = .*, factor = 12 it should be"),
        ],
    ),
}
