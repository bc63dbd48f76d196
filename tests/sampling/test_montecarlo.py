"""Moments that do not cancel, errors that are right, draws fixed by (seed, stream), memory that is bounded."""

import itertools
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from scipy import stats

from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS, Estimate, RunningMoments, generator_for, sample

ROOT = Path(__file__).parents[2]


def normal(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(count, generator=generator, dtype=torch.float64)


def streamed(chunks) -> RunningMoments:
    running = RunningMoments()
    for chunk in chunks:
        running.add(chunk)
    return running


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 1001])
def test_streaming_moments_equal_the_two_pass_ones_for_any_chunking(size):
    values = normal(1001, generator_for(0, 1, 0)) ** 3
    running = streamed(values.split(size))
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in values.tolist()) / (len(values) - 1))
    assert running.count == 1001
    assert running.mean == pytest.approx(mean, rel=1e-12)
    assert running.deviation == pytest.approx(deviation, rel=1e-12)
    assert running.estimate().standard_error == pytest.approx(deviation / math.sqrt(1001), rel=1e-12)


def test_chunks_of_unequal_sizes_change_nothing():
    values = normal(1001, generator_for(0, 1, 0))
    uneven = streamed(values.split([1, 500, 3, 400, 97]))
    assert uneven.deviation == pytest.approx(float(values.std()), rel=1e-12)


def test_a_large_offset_costs_no_accuracy():
    values = normal(10_000, generator_for(0, 1, 0)) + 1e8
    running = streamed(values.split(300))
    assert running.deviation == pytest.approx(float((values - 1e8).std()), rel=1e-9)
    # the naive sum of squares loses all of it
    naive = (float(values.square().sum()) - 10_000 * float(values.mean()) ** 2) / 9_999
    assert not 0.9 < naive < 1.1


def test_single_precision_values_are_summed_in_double():
    values = torch.full((3_000,), 0.1)
    assert streamed(values.split(7)).mean == pytest.approx(float(values[0]), rel=1e-14)


def test_one_value_has_an_infinite_standard_error():
    assert streamed([torch.tensor([3.0])]).estimate().standard_error == math.inf


def covered(level: float, widen: float = 1.0) -> float:
    """p-value of `level` as the share of 2,000 intervals, each of 400 uniform draws, that hold the true mean."""
    hits = 0
    for values in numpy.random.default_rng(1).random((2_000, 400)):
        low, high = streamed([torch.from_numpy(values)]).estimate().confidence_interval(level)
        hits += abs((low + high) / 2 - 0.5) <= widen * (high - low) / 2
    return stats.binomtest(hits, 2_000, level).pvalue


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_confidence_intervals_hold_the_true_mean_as_often_as_they_say(level):
    assert covered(level) > 1e-3


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_intervals_of_half_the_width_are_caught(level):
    assert covered(level, widen=0.5) < 1e-9


@pytest.mark.parametrize("level", [0.1, 0.6827, 0.95, 1 - 1e-9])
def test_the_confidence_interval_is_the_normal_one(level):
    expected = stats.norm.interval(level, loc=3.0, scale=0.25)
    assert Estimate(3.0, 0.25, 100).confidence_interval(level) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("level", [0, 1, -0.1, 95])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(ValueError, match=rf"`level` must lie between 0 and 1, got {level}: write 0\.95 for 95 %"):
        Estimate(0.0, 1.0, 100).confidence_interval(level)


def z_scores_of_mapped(error_scale: float = 1.0) -> list[float]:
    """z of 2,000 estimates of e^mean against the truth e^½, each from 1,000 uniform draws."""
    found = [streamed([torch.from_numpy(v)]) for v in numpy.random.default_rng(2).random((2_000, 1_000))]
    mapped = [running.estimate().map(math.exp) for running in found]
    return [(e.mean - math.exp(0.5)) / (error_scale * e.standard_error) for e in mapped]


def variance_alarm(scores: list[float]) -> float:
    """How many standard errors the mean square of the z-scores lies from 1."""
    return abs(numpy.mean(numpy.square(scores)) - 1) / math.sqrt(2 / len(scores))


def test_the_error_of_a_mapped_estimate_is_right():
    assert variance_alarm(z_scores_of_mapped()) < 5


def test_a_mapped_error_without_its_slope_is_caught():
    assert variance_alarm(z_scores_of_mapped(error_scale=math.exp(-0.5))) > 10


def test_a_straight_line_maps_the_error_exactly():
    mapped = Estimate(2.0, 0.5, 100).map(lambda x: 1 - 3 * x)
    assert (mapped.mean, mapped.standard_error, mapped.count) == pytest.approx((-5.0, 1.5, 100))


def test_an_estimate_without_error_maps_to_one_without_error():
    assert Estimate(0.0, 0.0, 100).map(math.cos) == Estimate(1.0, 0.0, 100)


def test_a_function_undefined_near_the_mean_is_told():
    with pytest.raises(ValueError, match=r"`function` must be defined all over 0\.10 ± 0\.20.*: raise --draws"):
        Estimate(0.1, 0.2, 100).map(math.log)


def test_z_counts_standard_errors_with_their_sign():
    assert Estimate(1.0, 0.1, 100).z_score(1.25) == pytest.approx(-2.5)


def test_a_value_that_does_not_vary_is_granted_rounding_and_no_more():
    constant = Estimate(0.1, 0.0, 100)
    assert abs(constant.z_score(0.1 * (1 + 1e-15))) < 0.01
    assert abs(constant.z_score(0.1 * (1 + 1e-9))) > 100
    assert Estimate(0.0, 0.0, 100).z_score(0.0) == 0


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(13.76789, 0.0561, 40_000), "13.768 ± 0.056 (40,000 draws)"),
        (Estimate(13.7e9, 4.2e6, 100), "(1.37000 ± 0.00042)e10 (100 draws)"),
        (Estimate(0.0, 4.2e6, 100), "(0.0 ± 4.2)e6 (100 draws)"),
        (Estimate(-31_250.0, 1_200.0, 100), "−31250 ± 1200 (100 draws)"),
        (Estimate(0.5, 0.0, 2), "0.5 ± 0 (2 draws)"),
        (Estimate(0.5, math.inf, 1), "0.5 ± inf (1 draws)"),
    ],
)
def test_an_estimate_prints_the_digits_its_error_allows(estimate, text):
    assert repr(estimate) == text


def chunks_asked(count: int, numbers_per_draw: int) -> list[int]:
    asked: list[int] = []

    def draws(chunk, generator):
        asked.append(chunk)
        return torch.zeros(chunk)

    sample(draws, count, numbers_per_draw=numbers_per_draw, seed=0)
    return asked


def test_every_chunk_keeps_to_its_bound_and_they_add_up():
    per_draw = CHUNK_NUMBERS // 10
    asked = chunks_asked(99, per_draw)
    assert sum(asked) == 99
    assert (
        max(asked) * per_draw <= CHUNK_NUMBERS < (max(asked) + 1) * per_draw
    )  # bounded, and no smaller than it may be


def test_a_draw_larger_than_a_chunk_is_drawn_alone():
    assert chunks_asked(3, 5 * CHUNK_NUMBERS) == [1, 1, 1]


def mean(seed: int, stream: int = 1, **more) -> float:
    return sample(normal, 3_000, numbers_per_draw=CHUNK_NUMBERS // 1_000, seed=seed, stream=stream, **more).mean


def test_a_result_depends_on_seed_and_stream_alone():
    first = mean(seed=3, stream=2)
    torch.rand(5)
    assert mean(seed=3, stream=2, progress=lambda done, count: None) == first
    assert len({first, mean(seed=4, stream=2), mean(seed=3, stream=1)}) == 3


def test_sampling_leaves_the_global_generators_untouched():
    before, numpy_before = torch.random.get_rng_state(), numpy.random.get_state()[1].tolist()  # noqa: NPY002  the state
    mean(seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert numpy_before == numpy.random.get_state()[1].tolist()  # noqa: NPY002


def test_the_last_digit_does_not_depend_on_the_number_of_threads():
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        found.append(sample(normal, 300_000, numbers_per_draw=1, seed=0).mean)
    torch.set_num_threads(before)
    assert len(set(found)) == 1


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (2, 2), (None, 3)])
def test_torchs_threads_are_set_for_the_run_alone(asked, given):
    def failing(count, generator):
        seen.append(torch.get_num_threads())
        raise ArithmeticError

    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    with pytest.raises(ArithmeticError):
        sample(failing, 2, numbers_per_draw=1, seed=0, threads=asked)
    assert (seen, torch.get_num_threads()) == ([given], 3)
    torch.set_num_threads(before)


def page_faults_per_chunk(**environment: str) -> float:
    """Of sampling in a new process with these settings of malloc."""
    code = (
        "import resource, torch; from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS, sample\n"
        "draw = lambda count, generator: torch.randn(count, generator=generator).double().square() + 1\n"
        "sample(draw, CHUNK_NUMBERS, numbers_per_draw=1, seed=0)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "sample(draw, 20 * CHUNK_NUMBERS, numbers_per_draw=1, seed=0)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=os.environ | environment, cwd=ROOT)
    return float(run.stdout)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other allocators keep freed memory, or cannot be told to"
)
def test_chunks_reuse_the_memory_of_those_before():
    assert page_faults_per_chunk() < 200
    assert page_faults_per_chunk(MALLOC_MMAP_THRESHOLD_="131072") > 1_000  # malloc told not to learn


def largest_correlation(keys) -> float:
    """The largest |z| among the correlations of 20,000 draws of each generator with those of every other."""
    words = torch.stack([normal(20_000, generator_for(*key)) for key in keys])
    correlations = torch.corrcoef(words) * math.sqrt(20_000)
    return float(correlations.fill_diagonal_(0).abs().max())


def test_different_seeds_streams_and_chunks_are_uncorrelated():
    keys = list(itertools.product(range(4), range(4), range(4)))
    alarm = stats.norm.isf(1e-6 / (len(keys) * (len(keys) - 1)))  # 2,016 pairs, two sides
    assert largest_correlation(keys) < alarm
    assert largest_correlation([*keys, keys[0]]) > 10 * alarm  # the same words twice are caught


def test_no_two_chunks_of_a_long_run_share_their_words():
    firsts = {int(torch.randint(2**62, (1,), generator=generator_for(0, 1, chunk))) for chunk in range(8_192)}
    assert len(firsts) == 8_192


def test_progress_tells_the_draws_done_after_each_chunk():
    told: list[tuple[int, int]] = []
    sample(normal, 25, numbers_per_draw=CHUNK_NUMBERS // 10, seed=0, progress=lambda *now: told.append(now))
    assert told == [(10, 25), (20, 25), (25, 25)]


@pytest.mark.parametrize("count", [1, 0, -5])
def test_fewer_than_two_draws_are_refused(count):
    with pytest.raises(ValueError, match=rf"`draws` must be at least 2, got {count}: .*; raise --draws"):
        sample(normal, count, numbers_per_draw=1, seed=0)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match=r"`seed` must be at least 0, got -1: give another --seed"):
        sample(normal, 10, numbers_per_draw=1, seed=-1)
