"""How fast ‖ĝ‖² of n-SPSA is sampled: a plain numpy loop, the library's brute force, and its reduced sampler.

All are timed in one run, their repetitions interleaved, so that a busy moment of the machine hits each of them; medians
are kept. The memory of brute force and the size of its chunks are measured as well.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy
import quiet  # beside this file
import records
import torch

from mezo_lab.environment.machine import machine
from mezo_lab.sampling import LAWS, Estimate, Linear, RunningMoments, montecarlo, reduced_frame, sample, two_point
from mezo_lab.theory import norm_factor

Way = Callable[[int, int, int], Estimate]  # (dim, probes, draws) → the mean of ‖ĝ‖²/‖g‖²

GAUSSIAN = LAWS["gaussian"]
PROBES = 4
DIMS = [50, 1_000, 100_000]
BILLIONS = 13_000_000_000
MEMORY_DIM = 1_000_000
CHUNKS = [1 << power for power in range(16, 23)]


def unit_gradient(dim: int) -> torch.Tensor:
    return torch.full((dim,), dim**-0.5, dtype=torch.float64)


def loop(dim: int, probes: int, draws: int) -> Estimate:
    """What a student would write."""
    rng, g = numpy.random.default_rng(0), unit_gradient(dim).numpy()
    values = numpy.empty(draws)
    for i in range(draws):
        z = rng.standard_normal((probes, dim))
        ghat = ((z @ g)[:, None] * z).mean(0)
        values[i] = ghat @ ghat
    running = RunningMoments()
    running.add(torch.from_numpy(values))
    return running.estimate()


def brute(dim: int, probes: int, draws: int, threads: int = 1) -> Estimate:
    g = unit_gradient(dim)

    def draw(count, generator):
        z = GAUSSIAN.sample(count, probes, dim, generator)
        return two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0).square().sum(-1)

    return sample(draw, draws, numbers_per_draw=probes * dim, seed=0, threads=threads).estimate()


def reduced(dim: int, probes: int, draws: int) -> Estimate:
    def draw(count, generator):
        return reduced_frame(GAUSSIAN, count, probes, dim, generator).length_sq()

    return sample(draw, draws, numbers_per_draw=5 * probes * (probes + 3), seed=0).estimate()


WAYS: dict[str, Way] = {"loop": loop, "brute": brute, "reduced": reduced}


def rate(way: Way, dim: int, draws: int) -> float:
    """Draws per second of one run, whose result must be the theory's."""
    start = time.perf_counter()
    estimate = way(dim, PROBES, draws)
    seconds = time.perf_counter() - start
    z = estimate.z_score(norm_factor(dim, PROBES, GAUSSIAN.moments(dim)))
    if draws >= 1_000 and abs(z) > 6:
        raise SystemExit(
            f"{way.__name__} at d = {dim:,} found {estimate}, {z:+.1f} standard errors off: a wrong answer."
        )
    return draws / seconds


def draws_lasting(way: Way, dim: int, seconds: float) -> int:
    way(dim, PROBES, 2)  # warm up
    draws = 2
    while (speed := rate(way, dim, draws)) * seconds > 4 * draws:
        draws *= 4
    return max(2, int(speed * seconds))


def medians(ways: dict[str, Way], dim: int, repetitions: int, seconds: float) -> dict[str, float]:
    """Draws per second of each way, repetition by repetition in turn."""
    draws = {name: draws_lasting(way, dim, seconds) for name, way in ways.items()}
    rates = [{name: rate(way, dim, draws[name]) for name, way in ways.items()} for _ in range(repetitions)]
    return {name: statistics.median(turn[name] for turn in rates) for name in ways}


def comparison(dim: int, repetitions: int, seconds: float) -> dict:
    speed = medians(WAYS, dim, repetitions, seconds)
    return {
        "dim": dim,
        "probes": PROBES,
        "loop": speed["loop"],  # draws per second
        "brute": speed["brute"] / speed["loop"],  # times the loop
        "reduced": speed["reduced"] / speed["loop"],
        "brute_draws_per_second": speed["brute"],
        "reduced_draws_per_second": speed["reduced"],
    }


def at_billions(repetitions: int, seconds: float) -> dict:
    speed = medians({"reduced": reduced}, BILLIONS, repetitions, seconds)
    return {
        "dim": BILLIONS,
        "probes": PROBES,
        "reduced_draws_per_second": speed["reduced"],
        "loop_gigabytes_per_draw": BILLIONS * PROBES * 8 / 1e9,
    }


def with_chunk(chunk: int, threads: int) -> Way:
    def way(dim: int, probes: int, draws: int) -> Estimate:
        before, montecarlo.CHUNK_NUMBERS = montecarlo.CHUNK_NUMBERS, chunk
        try:
            return brute(dim, probes, draws, threads)
        finally:
            montecarlo.CHUNK_NUMBERS = before

    return way


def chunk_sizes(repetitions: int, seconds: float) -> list[dict]:
    """Random numbers per second of brute force, by the size of its chunks and the number of threads."""
    cells = {
        (chunk, threads): with_chunk(chunk, threads)
        for threads in sorted({1, torch.get_num_threads()})
        for chunk in CHUNKS
    }
    rows = []
    for dim in (50, 1_000):
        speed = medians({str(cell): way for cell, way in cells.items()}, dim, repetitions, seconds)
        for chunk, threads in cells:
            numbers = speed[str((chunk, threads))] * dim * PROBES
            rows.append({"dim": dim, "chunk": chunk, "threads": threads, "numbers_per_second": numbers})
    return rows


def peak_mib() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return kilobytes / 1024


def peak_of_brute(dim: int, draws: int) -> float:
    brute(dim, PROBES, draws)
    return peak_mib()


def memory(draws: tuple[int, ...], processes: int) -> dict:
    """Peak memory of brute force, the largest of several processes, as heaps differ: draws do not add to it."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        small = pool.apply(peak_of_brute, (50, 2))
        peaks = {str(n): max(pool.apply(peak_of_brute, (MEMORY_DIM, n)) for _ in range(processes)) for n in draws}
    return {
        "dim": MEMORY_DIM,
        "probes": PROBES,
        "z_mib": MEMORY_DIM * PROBES * 8 / 2**20,  # of one draw
        "peak_mib_at_dim_50": small,
        "peak_mib_by_draws": peaks,
    }


def measured(quick: bool) -> dict:
    repetitions, seconds = (2, 0.005) if quick else (9, 0.3)
    # memory first, as a new process inherits the peak of the one that starts it
    space = memory((2,), processes=1) if quick else memory((10, 100), processes=5)
    return {
        "machine": machine(),
        "repetitions": repetitions,
        "memory": space,
        "rows": [comparison(dim, repetitions, seconds) for dim in DIMS],
        "billions": at_billions(repetitions, seconds),
        "chunks": chunk_sizes(repetitions, seconds / 3),
    }


def table(record: dict) -> str:
    """The record as a table to read."""
    lines = [f"{'d':>14}  {'loop, draws/s':>14}  {'brute force':>18}  {'reduced':>18}"]
    for row in record["rows"]:
        brute, reduced = (f"{row[f'{way}_draws_per_second']:,.0f} ({row[way]:.1f} ×)" for way in ("brute", "reduced"))
        lines.append(f"{row['dim']:>14,}  {row['loop']:>14,.0f}  {brute:>18}  {reduced:>18}")
    far, space = record["billions"], record["memory"]
    absent = f"none: {far['loop_gigabytes_per_draw']:,.0f} GB a draw"
    lines.append(f"{far['dim']:>14,}  {absent:>34}  {far['reduced_draws_per_second']:>18,.0f}")
    peaks = ", ".join(f"{peak:,.0f} MiB for {draws} draws" for draws, peak in space["peak_mib_by_draws"].items())
    lines.append(f"peak memory at d = {space['dim']:,}: {peaks}; at d = 50: {space['peak_mib_at_dim_50']:,.0f} MiB")
    for row in record["chunks"]:
        speed = f"{row['numbers_per_second'] / 1e6:,.0f} million numbers/s"
        lines.append(f"chunk {row['chunk']:>9,}  d = {row['dim']:>5,}  {row['threads']} threads: {speed}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="a few draws of everything")
    arguments = parser.parse_args()
    with quiet.quiet():
        record = measured(arguments.quick)
    records.write(record, arguments, "sampling")
    print(table(record))


if __name__ == "__main__":
    main()
