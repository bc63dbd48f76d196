"""What is read is what was written, bit for bit, and it is small."""

import logging
import math
import random
import struct
import tracemalloc

import numpy
import pytest

from mezo_lab.optim.log import Event, LogError, LogWriter, StepRecord, fingerprint, read_log

STEPS, BUDGET = 20_000, 100_000  # DESIGN.md: 20,000 steps in 0.1 MB
FULL_HEADER = {
    "mezo_lab": "0.1.0",
    "noise": "threefry2x32-20/1",
    "law": "rademacher",
    "seed": 18446744073709551615,
    "epsilon": 0.0010000000474974513,
    "weight_decay": 0.009999999776482582,
    "fingerprint": fingerprint([]),
    "first_step": 0,
}
SCHEDULES = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1 - t / STEPS,
    "cosine": lambda t: (1 + math.cos(math.pi * t / STEPS)) / 2,
    "warmup and linear": lambda t: min(t / 1000, (STEPS - t) / (STEPS - 1000)),
    "warmup and cosine": lambda t: t / 1000 if t < 1000 else (1 + math.cos(math.pi * (t - 1000) / (STEPS - 1000))) / 2,
    "steps": lambda t: 0.5 ** (t // 3000),
}


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def scheduled(schedule, base: float, groups: int = 1) -> list[StepRecord]:
    draw = random.Random(0)
    rates = [float32(base * schedule(t)) for t in range(STEPS)]
    return [StepRecord(t, (float32(draw.gauss(0, 1)),), (rate,) * groups) for t, rate in enumerate(rates)]


def write(path, steps: list[StepRecord], **options) -> None:
    with LogWriter(path, FULL_HEADER, probes=1, groups=len(steps[0].rates), **options) as writer:
        for step in steps:
            writer.step(step.projected, step.rates)


def test_steps_and_events_come_back_in_order(written):
    log = read_log(written.path)
    assert list(log) == written.items and list(log) == written.items  # a log can be read again and again
    assert (log.steps, log.torn, log.size) == (22, 0, written.path.stat().st_size)


def test_the_header_comes_back_with_what_the_reader_needs(written, header):
    assert read_log(written.path).header == {**header, "first_step": 0, "probes": 2, "groups": 2}


def test_a_log_says_in_one_line_what_it_is(written):
    assert repr(read_log(written.path)) == (
        f"VerifiedLog({written.path}: 22 steps, 2 probes, 2 groups, {written.path.stat().st_size} bytes)"
    )


def test_steps_count_from_the_first_step_of_the_header(tmp_path):
    path = tmp_path / "later.log"
    with LogWriter(path, {"first_step": 900}, probes=1, groups=1, seal_every=2) as writer:
        for _ in range(3):
            writer.step([1.0], [0.5])
        writer.event("flush")
    assert [item.number for item in read_log(path) if isinstance(item, StepRecord)] == [900, 901, 902]
    assert list(read_log(path, until=3))[-1] == Event("flush", 903)


@pytest.mark.parametrize(("name", "base"), [*((name, 1e-6) for name in SCHEDULES), ("cosine", 3e-2)])
def test_twenty_thousand_steps_fit_in_a_tenth_of_a_megabyte(tmp_path, name, base):
    steps = scheduled(SCHEDULES[name], base)
    write(tmp_path / "run.log", steps)
    assert list(read_log(tmp_path / "run.log")) == steps
    assert (tmp_path / "run.log").stat().st_size <= BUDGET


def test_rates_without_a_schedule_do_not_fit_and_still_come_back(tmp_path):
    draw = random.Random(2)
    steps = scheduled(lambda t: draw.random(), base=1.0)
    write(tmp_path / "run.log", steps)
    assert list(read_log(tmp_path / "run.log")) == steps
    assert (tmp_path / "run.log").stat().st_size > BUDGET


def test_groups_that_share_a_schedule_cost_one(tmp_path):
    sizes = []
    for groups in (1, 3):
        steps = scheduled(SCHEDULES["cosine"], 1e-6, groups)
        write(tmp_path / f"{groups}.log", steps)
        assert list(read_log(tmp_path / f"{groups}.log")) == steps
        sizes.append((tmp_path / f"{groups}.log").stat().st_size)
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    "word", [0x7FC00000, 0xFFC00000, 0x7FC12345, 0x7F800000, 0xFF800000, 0x80000000, 1, 0x007FFFFF]
)
def test_every_kind_of_float_comes_back_bit_for_bit(tmp_path, word):
    (value,) = struct.unpack("<f", struct.pack("<I", word))
    with LogWriter(tmp_path / "odd.log", {}, probes=1, groups=1) as writer:
        writer.step([value], [0.5])
        writer.step([1.0], [value])
    first, second = (item for item in read_log(tmp_path / "odd.log") if isinstance(item, StepRecord))
    assert struct.pack("<2f", *first.projected, *second.rates) == struct.pack("<2I", word, word)


@pytest.mark.parametrize(("probes", "groups", "seal_every"), [(1, 1, 1), (3, 1, 255), (1, 5, 7), (70, 9, 16)])
def test_any_shape_comes_back(tmp_path, probes, groups, seal_every):
    draw = random.Random(3)
    rows = [[float32(draw.gauss(0, 1)) for _ in range(probes + groups)] for _ in range(300)]
    steps = [StepRecord(t, tuple(row[:probes]), tuple(row[probes:])) for t, row in enumerate(rows)]
    with LogWriter(tmp_path / "any.log", {}, probes=probes, groups=groups, seal_every=seal_every) as writer:
        for step in steps:
            writer.step(step.projected, step.rates)
    assert list(read_log(tmp_path / "any.log")) == steps


def test_the_widest_step_still_fits_in_a_frame(tmp_path):
    most = 1 << 16
    with LogWriter(tmp_path / "wide.log", {}, probes=most, groups=most, seal_every=255) as writer:
        for _ in range(3):
            writer.step([0.25] * most, [float(k) for k in range(most)])
    assert [item.projected[-1] for item in read_log(tmp_path / "wide.log")] == [0.25] * 3


def test_reading_holds_a_frame_at_a_time(tmp_path):
    with LogWriter(tmp_path / "long.log", {}, probes=200, groups=1) as writer:
        for step in range(3_000):
            writer.step([float(step)] * 200, [0.5])
    assert (tmp_path / "long.log").stat().st_size > 2e6
    tracemalloc.start()
    total = sum(len(item.projected) for item in read_log(tmp_path / "long.log"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 600_000 and peak < 1e6


def test_a_whole_log_is_read_without_a_warning(written, caplog):
    with caplog.at_level(logging.WARNING):
        read_log(written.path)
    assert not caplog.records


@pytest.mark.parametrize(
    ("projected", "rates", "match"),
    [
        ([0.1], [0.5], r"`projected` must hold float32 values, got 0.1: 0.1000000014\d+ is the nearest"),
        ([0.5], [1e300], r"`rates` must hold float32 values, got 1e\+300: inf is the nearest"),
        ([0.5, 0.5], [0.5], "`projected` must hold a value for each probe, 1 in all, got 2"),
        ([0.5], [], "`rates` must hold a value for each group, 1 in all, got 0"),
    ],
)
def test_a_step_that_would_not_come_back_is_refused(tmp_path, projected, rates, match):
    with LogWriter(tmp_path / "run.log", {}, probes=1, groups=1) as writer:
        with pytest.raises(ValueError, match=match):
            writer.step(projected, rates)
        writer.step([0.5], [0.5])
    assert list(read_log(tmp_path / "run.log")) == [StepRecord(0, (0.5,), (0.5,))]


@pytest.mark.parametrize(
    ("kind", "data", "match"),
    [
        ("checkpoint", None, "`kind` must be one of flush, hash, settings, got 'checkpoint'"),
        ("flush", b"now", "`data` must be None for the event 'flush'"),
        ("hash", bytes(15), "`data` must be 16 bytes, as weights_hash returns, for the event 'hash'"),
        ("settings", None, "`data` must be a dict for the event 'settings'"),
        ("settings", {"epsilon": math.nan}, "`data` must be JSON"),
    ],
)
def test_an_event_that_would_not_come_back_is_refused(tmp_path, kind, data, match):
    with LogWriter(tmp_path / "run.log", {}, probes=1, groups=1) as writer:
        with pytest.raises(ValueError, match=match):
            writer.event(kind, data)
    assert list(read_log(tmp_path / "run.log")) == []


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ({"betas": (0.9, 0.99)}, r"`header` must be the same after JSON, got 'betas': \(0.9, 0.99\): use"),
        ({1: None}, "`header` must be the same after JSON, got 1"),
        ({"model": object()}, "`header` must be JSON, got .*not JSON serializable"),
        ({"epsilon": math.inf}, "`header` must be JSON"),
        ({"text": "x" * (1 << 20)}, "`header` must be below 1,048,576 bytes"),
        ({"probes": 2}, "`header` must agree with `probes`, 1, got 2: leave it out"),
        ({"first_step": -1}, "`first_step` must be an integer from 0"),
    ],
)
def test_a_header_that_would_not_come_back_is_refused(tmp_path, header, match):
    with pytest.raises(ValueError, match=match):
        LogWriter(tmp_path / "run.log", header, probes=1, groups=1)
    assert not (tmp_path / "run.log").exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"probes": 0}, "`probes` must be an integer from 1 to 65,536, got 0"),
        ({"groups": 65_537}, "`groups` must be an integer from 1 to 65,536, got 65537"),
        ({"seal_every": 256}, "`seal_every` must be from 1 to 255, got 256"),
        ({"until": 3}, "`until` needs append=True, got 3"),
    ],
)
def test_an_argument_out_of_range_is_refused(tmp_path, options, match):
    with pytest.raises(ValueError, match=match):
        LogWriter(tmp_path / "run.log", {}, **{"probes": 1, "groups": 1, **options})


@pytest.mark.parametrize("until", [0, 1, 4, 5, 8, 9, 10, 22])
def test_until_ends_after_that_many_steps_and_the_events_behind_them(written, until):
    expected = [item for item in written.items if (item[0] if isinstance(item, StepRecord) else item.step - 1) < until]
    log = read_log(written.path, until=until)
    assert list(log) == expected and log.steps == until


def test_until_beyond_the_end_is_refused(written):
    with pytest.raises(LogError, match="holds 22 steps, and `until` asks for 23"):
        read_log(written.path, until=23)
    with pytest.raises(ValueError, match="`until` must be a number of steps, got -1"):
        read_log(written.path, until=-1)


@pytest.mark.parametrize("until", [numpy.int64(3), numpy.uint8(3)])
def test_until_may_be_a_whole_number_of_numpy(written, until):
    assert read_log(written.path, until=until).steps == 3


@pytest.mark.parametrize("until", [2.0, "3", [3], numpy.float64(3)])
def test_until_must_be_a_whole_number(written, until):
    with pytest.raises(ValueError, match="`until` must be a number of steps"):
        read_log(written.path, until=until)
