"""docs/log-format.md describes the run log completely: the reader that it prints reads what the library wrote."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from mezo_lab import MeZO
from mezo_lab.optim import RunLog
from mezo_lab.optim.log import LogWriter, StepRecord, read_log

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/log-format.md").read_text(encoding="utf-8")
LOGS = sorted((ROOT / "results/runs").glob("*/run.mezo"))


@pytest.fixture(scope="module")
def read() -> Callable[[Path], Iterator[Any]]:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    definition, _, _ = block.partition("\nheader, *items")
    names: dict[str, Any] = {}
    exec(definition, names)
    return names["read"]


def agree(read, path: Path) -> int:
    """Compare item by item. Returns: how many."""
    header, *items = read(path)
    log = read_log(path)
    assert header == log.header
    theirs = [
        (item.number, repr(item.projected), item.rates)
        if isinstance(item, StepRecord)
        else (item.step, item.kind, item.data or b"")
        for item in log
    ]
    assert [(n, repr(x), y) if isinstance(x, tuple) else (n, x, y or b"") for n, x, y in items] == theirs
    return len(items)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.parent.name)
def test_it_reads_every_committed_log(read, path):
    assert agree(read, path) > 100


@pytest.mark.parametrize("groups", [1, 2])
def test_it_reads_every_order_of_differences_events_and_a_torn_tail(read, groups, tmp_path):
    path, rng = tmp_path / "run.mezo", numpy.random.default_rng(groups)
    straight = numpy.linspace(1e-3, 1e-4, 40, dtype=numpy.float32)
    curved = (numpy.linspace(0.1, 1, 40) ** 2).astype(numpy.float32)
    with LogWriter(path, {"seed": 7, "first_step": 3}, probes=2, groups=groups, seal_every=7) as log:
        for schedule in (straight, curved, numpy.full(40, 0.5, numpy.float32), rng.random(40, dtype=numpy.float32)):
            for step, rate in enumerate(schedule):
                rates = [float(rate), float(schedule[-1 - step])][:groups]
                log.step([float(numpy.float32(step)), float("nan")], rates=rates)
            log.event("settings", {"epsilon": 0.001})
            log.event("flush")
        log.event("hash", bytes(16))
    assert agree(read, path) == 4 * 42 + 1
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert len(list(read(path))) == 4 * 42 + 1  # the header, and all but the hash


def test_it_refuses_a_flipped_bit(read, tmp_path):
    data = bytearray(LOGS[0].read_bytes())
    data[-20] ^= 1
    (tmp_path / "run.mezo").write_bytes(data)
    with pytest.raises(AssertionError, match="damaged"):
        list(read(tmp_path / "run.mezo"))


def test_the_page_names_every_key_of_a_header_and_of_an_event(tmp_path):
    theta = torch.nn.Parameter(torch.ones(3))
    opt, path = MeZO([theta], lr=0.1), tmp_path / "run.mezo"
    with RunLog(opt, path):
        opt.step(lambda: theta @ theta)
        opt.epsilon = 1e-2
        opt.step(lambda: theta @ theta)
    log = read_log(path)
    keys = set(log.header) | {
        key for item in log if not isinstance(item, StepRecord) and isinstance(item.data, dict) for key in item.data
    }
    assert "state" in keys and keys - set(re.findall(r"`(\w+)`", PAGE)) == set()
