"""Monte Carlo: draws → running moments → `Estimate`. Nothing here knows of gradients.

A run is cut into chunks, each with a generator of its own seeded by (seed, stream, chunk), so memory is bounded and the
result depends on the arguments alone.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field

import numpy
import torch
from torch import Generator, Tensor

from mezo_lab.sampling.ranks import dealt

Draws = Callable[[int, Generator], Tensor]
"""(count, generator) → values of shape (count,)."""
Progress = Callable[[int, int], None]
"""Called with (draws done, count)."""

CHUNK_NUMBERS = 1 << 18  # doubles of z per chunk, 2 MiB: stays in cache, measured in benchmarks/sampling.py
_LARGE = 1e5  # an error that is printed with a power of ten
ROUNDING = 2.0**-40  # relative rounding error granted to a mean of doubles, for observables that do not vary


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, from `count` independent draws.

    >>> Estimate(mean=13.768, standard_error=0.056, count=40_000)
    13.768 ± 0.056 (40,000 draws)
    >>> print(Estimate(-1.5, 0.1, 9), Estimate(-0.004, 0.1, 9))
    −1.50 ± 0.10 0.00 ± 0.10
    >>> print(Estimate(6.5e9, 5.3e6, 100))
    (6.5000 ± 0.0053)e9
    """

    mean: float
    standard_error: float
    count: int
    farthest: float = field(default=0.0, compare=False)
    """The share of the variance that the draw farthest from the mean holds, negative where that draw lies below the
    mean. An error bar that rests on one draw says little about the side on which that draw lies."""

    def __repr__(self) -> str:
        return f"{self} ({self.count:,} draws)"

    def __str__(self) -> str:
        # two digits of the error decide how many of the mean are worth printing; a mean of 0 has no sign
        if not 1e-7 < self.standard_error < math.inf:
            return f"{self.mean:z.6g} ± {self.standard_error:.2g}".replace("-", "−")
        if self.standard_error >= _LARGE:
            power = math.floor(math.log10(max(abs(self.mean), self.standard_error)))
            return f"({Estimate(self.mean / 10**power, self.standard_error / 10**power, self.count)})e{power}"
        digits = max(0, 1 - math.floor(math.log10(self.standard_error)))
        return f"{self.mean:z.{digits}f} ± {self.standard_error:.{digits}f}".replace("-", "−")

    def z_score(self, expected: float) -> float:
        """How many standard errors the mean lies above `expected`.

        >>> round(Estimate(1.2, 0.1, 100).z_score(1.0), 6)
        2.0
        """
        error = max(self.standard_error, ROUNDING * max(abs(expected), abs(self.mean)))
        if error == 0:
            return 0.0
        return (self.mean - expected) / error

    def confidence_interval(self, level: float = 0.95) -> tuple[float, float]:
        """The normal interval that covers the true mean with probability `level`.

        >>> tuple(round(end, 3) for end in Estimate(0.0, 1.0, 100).confidence_interval())
        (-1.96, 1.96)
        """
        if not 0 < level < 1:
            raise ValueError(f"`level` must lie between 0 and 1, got {level}: write 0.95 for 95 %.")
        half = math.sqrt(2) * float(torch.erfinv(torch.tensor(level, dtype=torch.float64))) * self.standard_error
        return self.mean - half, self.mean + half

    def map(self, function: Callable[[float], float]) -> "Estimate":
        """The estimate of function(mean), its error carried through the slope (delta method).

        Raises: ValueError when the function is not defined within one standard error of the mean.

        >>> Estimate(4.0, 0.1, 100).map(math.sqrt)
        2.000 ± 0.025 (100 draws)
        """
        try:
            rise = function(self.mean + self.standard_error) - function(self.mean - self.standard_error)
        except ValueError:
            raise ValueError(f"`function` must be defined all over {self}, and is not: raise --draws.") from None
        farthest = self.farthest
        if rise < 0:  # a falling function turns the sides around
            farthest = -farthest
        return Estimate(function(self.mean), abs(rise) / 2, self.count, farthest)


@dataclass
class RunningMoments:
    """Mean and sum of squared deviations, merged chunk by chunk (Chan, Golub and LeVeque 1983): no cancellation.

    >>> running = RunningMoments()
    >>> for chunk in (torch.tensor([1.0, 2.0]), torch.tensor([3.0])):
    ...     running.add(chunk)
    >>> running.estimate()
    2.00 ± 0.58 (3 draws)
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Σ (x − mean)²."""
    lowest: float = 0.0
    """The smallest value; of no values 0, and not infinity, as checkpoints hold it as JSON."""
    highest: float = 0.0
    """The largest value; of no values 0."""

    @classmethod
    def of(cls, values: Tensor) -> "RunningMoments":
        """The moments of one chunk of values, of any shape."""
        values = values.double()
        lowest, highest = (float(end) for end in values.aminmax())
        mean = float(values.mean())
        squares = float((values - mean).square().sum())
        return cls(values.numel(), mean, squares, lowest, highest)

    def add(self, values: Tensor) -> None:
        """Take in a chunk of values, of any shape."""
        self.merge(RunningMoments.of(values))

    def merge(self, other: "RunningMoments") -> None:
        """Take in the values behind other moments."""
        if other.count == 0:
            return
        if self.count == 0:
            self.lowest = other.lowest
            self.highest = other.highest
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)
        total = self.count + other.count
        shift = other.mean - self.mean
        self.squares += other.squares + shift**2 * self.count * other.count / total
        self.mean += shift * other.count / total
        self.count = total

    @property
    def deviation(self) -> float:
        """Standard deviation of one draw."""
        if self.count < 2:
            return math.inf
        return math.sqrt(self.squares / (self.count - 1))

    @property
    def farthest(self) -> float:
        """The share of `squares` that the draw farthest from the mean holds, negative where it lies below the mean."""
        if self.squares <= 0:
            return 0.0
        below = self.mean - self.lowest
        above = self.highest - self.mean
        if above >= below:
            return above * above / self.squares
        return -below * below / self.squares

    def estimate(self) -> Estimate:
        """The mean of all values with its standard error."""
        return Estimate(self.mean, self.deviation / math.sqrt(self.count), self.count, self.farthest)


def generator_for(seed: int, stream: int, chunk: int, device: str = "cpu") -> Generator:
    """A generator for one chunk; different (seed, stream, chunk) give unrelated words.

    Raises: ValueError for a negative seed.

    >>> a, b = generator_for(0, 1, 0), generator_for(0, 1, 1)
    >>> bool(torch.equal(torch.rand(3, generator=a), torch.rand(3, generator=b)))
    False
    """
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}: give another --seed.")
    word = numpy.random.SeedSequence((seed, stream, chunk)).generate_state(1, numpy.uint64)[0]
    return torch.Generator(device).manual_seed(int(word) >> 1)  # torch's CPU generator uses the low 32 bits


def sample(
    draws: Draws,
    count: int,
    *,
    numbers_per_draw: int,
    seed: int,
    stream: int = 1,
    device: str = "cpu",
    threads: int | None = 1,
    progress: Progress | None = None,
    parallel: bool = False,
) -> RunningMoments:
    """Exactly `count` draws, fixed in advance, in chunks of bounded memory.

    Cost: memory a small multiple of `CHUNK_NUMBERS` doubles (or of one draw, where that is more). Of several ranks,
    each makes its part of the chunks, and the moments of a chunk, 40 bytes, travel.

    Args:
        draws: (count, generator) → values of shape (count,).
        count: how many draws; positive.
        numbers_per_draw: random numbers behind one draw; sets the chunk.
        seed: of the random words.
        stream: tells apart what one seed is used for.
        device: of the draws.
        threads: of torch, while this runs; None leaves them as they are, for draws that are large computations. One
            thread is as fast for small ones, and then the last digit does not depend on the machine.
        progress: called with (draws done, count) after each chunk.
        parallel: the ranks of torch's process group share the chunks, and all of them make this call; the result is
            that of one process, bit for bit.

    Returns: the running moments; `.estimate()` for the mean and its error.

    >>> coin = lambda count, generator: torch.rand(count, generator=generator)
    >>> abs(sample(coin, 10_000, numbers_per_draw=1, seed=0).estimate().z_score(0.5)) < 5
    True
    """
    if count < 2:
        raise ValueError(f"`draws` must be at least 2, got {count}: one draw has no standard error; raise --draws.")
    _keep_freed_memory()
    chunk = max(1, CHUNK_NUMBERS // numbers_per_draw)
    running = RunningMoments()

    def moments(index: int) -> tuple[float, ...]:
        size = min(chunk, count - index * chunk)
        return astuple(RunningMoments.of(draws(size, generator_for(seed, stream, index, device))))

    chunks = -(-count // chunk)
    with torch_threads(threads):
        parts = dealt(moments, chunks, width=5) if parallel else map(moments, range(chunks))
        for size, *values in parts:
            running.merge(RunningMoments(int(size), *values))
            if progress is not None:
                progress(running.count, count)
    return running


def _keep_freed_memory() -> None:
    # Freeing one block just below 32 MiB teaches glibc to keep what is freed (mallopt(3), M_MMAP_THRESHOLD). Else the
    # arrays of each chunk may go back to the system one by one, and page faults take more time than the draws.
    torch.empty((32 << 20) - (1 << 15), dtype=torch.uint8, device="cpu")


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """So many threads of torch for a while; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
