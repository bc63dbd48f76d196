"""A small log with everything in it, and the bytes at which its frames end."""

import random
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from mezo_lab.optim.log import Event, LogWriter, StepRecord

HEADER = {"noise": "threefry2x32-20/1", "law": "gaussian", "seed": 7, "epsilon": 0.001}


@dataclass
class Written:
    """A log. items: what was written, in order. ends: the end of the header and of each frame → items before it."""

    path: Path
    items: list[StepRecord | Event]
    ends: dict[int, int]

    def before(self, byte: int) -> tuple[int, list[StepRecord | Event]]:
        """Where the last frame that ends by `byte` ends, and the items up to there."""
        end = max(end for end in self.ends if end <= byte)
        return end, self.items[: self.ends[end]]

    def frames(self) -> list[bytes]:
        """The preamble with the header, then every frame."""
        data = self.path.read_bytes()
        return [data[start:end] for start, end in pairwise([0, *self.ends])]


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def drive(writer: LogWriter, item: StepRecord | Event) -> None:
    if isinstance(item, StepRecord):
        writer.step(item.projected, item.rates)
    else:
        writer.event(item.kind, item.data)


def some_items(steps: int, probes: int = 2, groups: int = 2, seed: int = 1) -> list[StepRecord | Event]:
    """Steps with random projected gradients and a decaying rate, and events of all kinds between them."""
    draw, items = random.Random(seed), []
    for number in range(steps):
        if number in (6, 9, 10):
            items.append(Event("flush", number))
        if number == 9:
            items.append(Event("settings", number, {"epsilon": 0.002, "note": "ε halved"}))
        projected = tuple(float32(draw.gauss(0, 1)) for _ in range(probes))
        rates = (float32(1e-3 * (1 - number / steps)), *(0.5 for _ in range(groups - 1)))
        items.append(StepRecord(number, projected, rates))
    return [*items, Event("hash", steps, bytes(range(16)))]


@pytest.fixture
def header():
    return dict(HEADER)


@pytest.fixture
def written(tmp_path):
    path, items = tmp_path / "small.log", some_items(22)
    with LogWriter(path, HEADER, probes=2, groups=2, seal_every=4) as writer:
        ends = {writer._end.size: 0}
        for i, item in enumerate(items):
            if isinstance(item, Event):
                writer.seal()
                ends.setdefault(writer._end.size, i)
            drive(writer, item)
            ends.setdefault(writer._end.size, i + 1)
    return Written(path, items, ends)
