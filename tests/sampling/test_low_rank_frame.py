"""Low-rank directions from their scalars, against those that are drawn."""

import pytest
import torch

from mezo_lab.sampling import LowRank, frame_of, low_rank_frame, random_share
from mezo_lab.sampling.laws import gram_schmidt

COUNT = 60_000


def observables(frame):
    """What the claims look at, and mixed moments of two probes, (count, 5)."""
    along = frame.along
    gram = frame.gram
    return torch.stack(
        [
            frame.length_sq(),
            frame.overlap(),
            along[:, 0].square() / gram[:, 0, 0],
            gram[:, 0, -1].square(),
            along[:, 0] * along[:, -1] * gram[:, 0, -1],
        ],
        dim=1,
    )


def distance(first, second):
    """How many standard errors the means of two samples are apart."""
    error = (first.var(0) / len(first) + second.var(0) / len(second)).sqrt()
    return ((first.mean(0) - second.mean(0)) / error).abs()


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("probes", [1, 2])
def test_the_scalars_of_a_low_rank_direction_have_the_moments_of_those_that_are_drawn(rank, probes):
    shape = (5, 4)
    generator = torch.Generator().manual_seed(7)
    gradient = torch.outer(torch.arange(1.0, 6.0), torch.tensor([1.0, -2.0, 0.5, 3.0])).flatten().double()
    law = LowRank("low-rank", rank=rank, shape=shape)
    drawn = frame_of(law.sample(COUNT, probes, 20, generator), gradient)
    reduced = low_rank_frame(COUNT, probes, shape, rank, generator)
    assert distance(observables(drawn), observables(reduced)).max() < 5


def test_the_scalars_of_another_rank_are_told_apart():
    generator = torch.Generator().manual_seed(7)
    first, second = (low_rank_frame(COUNT, 1, (5, 4), rank, generator) for rank in (1, 3))
    assert distance(first.length_sq()[:, None], second.length_sq()[:, None]) > 10


def test_a_random_subspace_captures_what_a_drawn_one_does():
    generator = torch.Generator().manual_seed(7)
    basis = gram_schmidt(torch.randn(COUNT, 2, 5, generator=generator, dtype=torch.float64))
    direction = torch.tensor([1.0, 2.0, -1.0, 0.0, 1.0], dtype=torch.float64)
    drawn = (basis @ direction).square().sum(-1) / direction.square().sum()
    share = random_share(COUNT, 5, 2, generator)
    both = [torch.stack([sample, sample.square()], dim=1) for sample in (drawn, share)]
    assert distance(*both).max() < 5
