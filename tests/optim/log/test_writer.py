"""A log that is being written: what a crash, a full disk and a second writer leave of it."""

import errno
import os
import random
import resource
import shutil
import struct
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mezo_lab.optim.log import Event, LogError, LogWriter, StepRecord, read_log

SHAPE = {"probes": 2, "groups": 2}


def step(number: int) -> StepRecord:
    draw = random.Random(number)
    projected = struct.unpack("<2f", struct.pack("<2f", draw.gauss(0, 1), draw.gauss(0, 1)))
    return StepRecord(number, projected, (2.0**-10 - 2.0**-20 * number, 0.5))


def add(writer: LogWriter, first: int, last: int) -> None:
    for number in range(first, last):
        writer.step(step(number).projected, step(number).rates)


def steps(first: int, last: int) -> list[StepRecord]:
    return [step(number) for number in range(first, last)]


@contextmanager
def room_for(size: int):
    """No file may grow beyond `size` bytes, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def as_nobody():
    """Without the rights of root, who may write anywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("seal_every", [1, 4, 16])
def test_a_crash_loses_fewer_steps_than_a_frame_holds(tmp_path, header, seal_every):
    with LogWriter(tmp_path / "run.log", header, **SHAPE, seal_every=seal_every) as writer:
        for number in range(40):
            add(writer, number, number + 1)
            shutil.copy(tmp_path / "run.log", tmp_path / "crashed.log")  # what is left if the program ends now
            log = read_log(tmp_path / "crashed.log")
            assert list(log) == steps(0, log.steps)
            assert number + 1 - log.steps < seal_every and log.torn == 0


def test_an_exception_in_the_run_loses_nothing(tmp_path, header):
    with pytest.raises(KeyboardInterrupt), LogWriter(tmp_path / "run.log", header, **SHAPE) as writer:
        add(writer, 0, 5)
        raise KeyboardInterrupt
    assert list(read_log(tmp_path / "run.log")) == steps(0, 5)


def test_a_closed_log_is_refused(tmp_path, header):
    writer = LogWriter(tmp_path / "run.log", header, **SHAPE)
    writer.close()
    writer.close()
    for use in (lambda: add(writer, 0, 1), lambda: writer.event("flush"), writer.seal):
        with pytest.raises(ValueError, match=r"run.log is closed: LogWriter\(…, append=True\) continues it"):
            use()


def test_a_new_log_never_overwrites(written, header):
    before = written.path.read_bytes()
    with pytest.raises(FileExistsError, match=r"append=True continues the log that is there.*small.log"):
        LogWriter(written.path, header, **SHAPE)
    assert written.path.read_bytes() == before


def test_append_starts_a_log_where_there_is_none(tmp_path, header):
    with LogWriter(tmp_path / "run.log", header, **SHAPE, append=True) as writer:
        add(writer, 0, 3)
    assert list(read_log(tmp_path / "run.log")) == steps(0, 3)


def test_an_appended_log_is_the_log_of_one_run(tmp_path, header):
    for path, cuts in ((tmp_path / "whole.log", [0, 48]), (tmp_path / "parts.log", [0, 16, 32, 48])):
        for first, last in pairwise(cuts):
            with LogWriter(path, header, **SHAPE, append=True) as writer:
                assert writer.steps == first
                add(writer, first, last)
    assert (tmp_path / "parts.log").read_bytes() == (tmp_path / "whole.log").read_bytes()


def test_a_log_is_continued_with_what_it_says_of_itself(written):
    log = read_log(written.path)
    shape = {key: log.header[key] for key in ("probes", "groups")}
    with LogWriter(written.path, log.header, **shape, append=True) as writer:
        add(writer, 22, 24)
    assert list(read_log(written.path)) == written.items + steps(22, 24)


def test_append_after_a_crash_at_any_byte_goes_on_from_what_was_sealed(written, header, tmp_path, caplog):
    data, start = written.path.read_bytes(), min(written.ends)
    for length in range(start, len(data)):
        (tmp_path / "cut.log").write_bytes(data[:length])
        end, items = written.before(length)
        caplog.clear()
        with LogWriter(tmp_path / "cut.log", header, **SHAPE, append=True) as writer:
            number = writer.steps
            add(writer, number, number + 2)
        assert list(read_log(tmp_path / "cut.log")) == items + steps(number, number + 2)
        told = f"cut.log ended inside a frame: {length - end} bytes dropped after {number} steps"
        assert [told in record.getMessage() for record in caplog.records] == ([True] if length > end else [])


@pytest.mark.parametrize("until", [0, 3, 4, 9, 13, 22])
def test_append_until_drops_what_came_later(written, header, until):
    kept = list(read_log(written.path, until=until))
    with LogWriter(written.path, header, **SHAPE, append=True, until=until) as writer:
        assert writer.steps == until and writer._pending == []
        add(writer, until, until + 9)
    assert list(read_log(written.path)) == kept + steps(until, until + 9)


def test_a_damaged_log_is_continued_only_from_before_the_damage(written, header):
    data = bytearray(written.path.read_bytes())
    data[list(written.ends)[2] + 5] ^= 16
    written.path.write_bytes(data)
    with pytest.raises(LogError, match=r"The 6 steps before it are intact: read_log\(path, until=6\), or append with"):
        LogWriter(written.path, header, **SHAPE, append=True)
    assert written.path.read_bytes() == data
    with LogWriter(written.path, header, **SHAPE, append=True, until=6) as writer:
        add(writer, 6, 8)
    assert read_log(written.path).steps == 8


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seed": 8}, r"`header\['seed'\]` is 8, but 7 in the log"),
        ({"probes": 3}, r"`header\['probes'\]` is 3, but 2 in the log"),
        ({"decay": 0.1}, r"`header\['decay'\]` is 0.1, but missing in the log"),
        ({"law": "sphere", "epsilon": 1.0}, r"`header\['law'\]` is 'sphere', but 'gaussian' in the log"),
    ],
)
def test_the_log_of_another_run_is_not_continued(written, header, change, match):
    written.path.write_bytes(written.path.read_bytes()[:-1])
    before = written.path.read_bytes()
    shape = {**SHAPE, **{key: value for key, value in change.items() if key in SHAPE}}
    with pytest.raises(LogError, match=match):
        LogWriter(written.path, {**header, **change}, **shape, append=True)
    assert written.path.read_bytes() == before  # not even its torn tail


def test_two_writers_do_not_share_a_log(tmp_path, header):
    with LogWriter(tmp_path / "run.log", header, **SHAPE) as writer:
        with pytest.raises(LogError, match=r"run.log is being written by another LogWriter: close that one"):
            LogWriter(tmp_path / "run.log", header, **SHAPE, append=True)
        add(writer, 0, 20)
    with LogWriter(tmp_path / "run.log", header, **SHAPE, append=True) as writer:
        add(writer, 20, 21)
    assert list(read_log(tmp_path / "run.log")) == steps(0, 21)


def test_a_writer_stops_when_another_hand_has_changed_its_log(tmp_path, header):
    writer = LogWriter(tmp_path / "run.log", header, **SHAPE, seal_every=4)
    add(writer, 0, 6)
    with open(tmp_path / "run.log", "ab") as file:
        file.write(b"!")
    with pytest.raises(LogError, match=r"run.log was changed by another: \d+ bytes, \d+ expected"):
        add(writer, 6, 8)
    with pytest.raises(LogError, match="was changed by another"):
        writer.close()
    assert list(read_log(tmp_path / "run.log")) == steps(0, 4)


def test_a_full_disk_is_told_and_what_was_sealed_stays(tmp_path, header):
    path = tmp_path / "run.log"
    writer = LogWriter(path, header, **SHAPE, seal_every=4)
    add(writer, 0, 8)
    sealed = path.stat().st_size
    for room in range(1, 40, 5):
        with room_for(sealed + room), pytest.raises(OSError, match=r"the 8 steps sealed before are safe.*run.log"):
            add(writer, writer.steps, 12)
            writer.seal()
        assert path.stat().st_size == sealed and list(read_log(path)) == steps(0, 8)
    with room_for(sealed + 5), pytest.raises(OSError) as caught:
        writer.event("flush")
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    writer.close()  # there is room again, and nothing was lost
    assert list(read_log(path)) == steps(0, 12)


def test_a_disk_full_from_the_start_leaves_no_file(tmp_path, header):
    with room_for(20), pytest.raises(OSError, match=r"no log was started: '.*run.log'"):
        LogWriter(tmp_path / "run.log", header, **SHAPE)
    assert not (tmp_path / "run.log").exists()


def test_a_run_that_ends_on_a_full_disk_closes_its_file(tmp_path, header):
    with LogWriter(tmp_path / "run.log", header, **SHAPE) as writer:
        with room_for(writer._end.size + 3), pytest.raises(OSError, match="the 0 steps sealed before are safe"):
            add(writer, 0, 3)
            writer.close()
        assert writer._file.closed
    assert list(read_log(tmp_path / "run.log")) == []


def test_a_folder_that_cannot_be_written_is_told(header, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no log was started: '.*absent/run.log'"):
        LogWriter(tmp_path / "absent" / "run.log", header, **SHAPE)
    with TemporaryDirectory() as folder:  # all may enter it, unlike the folders of pytest
        Path(folder).chmod(0o555)
        with as_nobody(), pytest.raises(PermissionError, match=r"no log was started: '.*run.log'"):
            LogWriter(Path(folder) / "run.log", header, **SHAPE)


def test_a_directory_is_no_log_to_append_to(tmp_path, header):
    with pytest.raises(LogError, match="is a directory, and a log is a file"):
        LogWriter(tmp_path, header, **SHAPE, append=True)


def test_a_log_to_cut_must_be_there(tmp_path, header):
    with pytest.raises(FileNotFoundError, match=r"run.log"):
        LogWriter(tmp_path / "run.log", header, **SHAPE, append=True, until=900)


def test_events_keep_their_place_between_steps(tmp_path, header):
    with LogWriter(tmp_path / "run.log", header, **SHAPE) as writer:
        add(writer, 0, 3)
        writer.event("flush")
        writer.event("hash", bytes(16))
        add(writer, 3, 4)
    expected = [*steps(0, 3), Event("flush", 3), Event("hash", 3, bytes(16)), *steps(3, 4)]
    assert list(read_log(tmp_path / "run.log")) == expected
