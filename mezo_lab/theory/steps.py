"""What MeZO sees of an objective made of steps, such as an accuracy: the slope of a step, and how often nothing.

Unlike the other closed forms these are not rational: they take floats, and `zero_probability` tensors of them too.
"""

import math

from mezo_lab.theory.moments import Number

_LAWS = ("gaussian", "rademacher", "uniform")


def magnitude_beyond(threshold: float, law: str = "gaussian") -> float:
    """E[|z|; |z| > a], the part of the mean magnitude of a coordinate that lies beyond a threshold.

    Source: derived; an integral of z over its density. Formula: 2φ(a) for the Gaussian, (3 − a²)/(2√3) up to a = √3 for
    the uniform law, 1 up to a = 1 for signs; 0 beyond.

    Args: threshold: a ≥ 0. law: "gaussian", "rademacher" or "uniform", all of unit variance.
    Raises: ValueError for another law.

    >>> magnitude_beyond(0.0, "rademacher"), magnitude_beyond(2.0, "uniform")
    (1.0, 0.0)
    """
    if law == "gaussian":
        return math.sqrt(2 / math.pi) * math.exp(-(threshold**2) / 2)
    if law == "uniform":
        return max(3 - threshold**2, 0.0) / (2 * math.sqrt(3))
    if law == "rademacher":
        return float(threshold < 1)
    raise ValueError(f"`law` must be one of {', '.join(_LAWS)}, got {law!r}: choose one of them.")


def step_slope(theta: float, epsilon: float, law: str = "gaussian") -> float:
    """The mean of the two-point estimate pg·z for a step: L(θ) = 1 where θ < 0, else 0, and θ is a number.

    Source: derived; claim A7 for a loss without a gradient. The two points lie on different sides of the step where
    |z| > |θ|/ε, and then pg = −sign(z)/(2ε). Formula: −E[|z|; |z| > |θ|/ε]/(2ε); −φ(θ/ε)/ε for the Gaussian, which is
    the slope of Φ(−θ/ε).

    Args: theta: θ. epsilon: ε > 0. law: of z, as for `magnitude_beyond`.
    Raises: ValueError for another law.

    >>> round(step_slope(0.0, 0.5), 4), step_slope(1.0, 0.5, "rademacher")
    (-0.7979, -0.0)
    """
    return -magnitude_beyond(abs(theta) / epsilon, law) / (2 * epsilon)


def zero_probability(flip: Number, batch: int, towards: float = 0.5) -> Number:
    """The probability that a probe sees no difference between the accuracies of its two sides.

    Source: derived. Assumes: each of `batch` answers differs with probability `flip`, and is then right on the first
    side with probability `towards`, all this independently. Then as many of those that differ must be right on one side
    as on the other.
    Formula: Σ_k C(B, 2k) q^{2k} (1−q)^{B−2k} · C(2k, k) p^k (1−p)^k.

    Args:
        flip: q, or an array of any shape of them.
        batch: B, the number of answers.
        towards: p; at ½ no side is better.
    Returns: a number, or an array of the shape of `flip`.

    >>> zero_probability(0.5, 2)  # neither differs: ¼; both differ, and cancel: ¼ · ½
    0.375
    """
    total: Number = 0.0
    for k in range(batch // 2 + 1):
        ways = math.comb(batch, 2 * k) * math.comb(2 * k, k) * (towards * (1 - towards)) ** k
        total = total + ways * flip ** (2 * k) * (1 - flip) ** (batch - 2 * k)
    return total
