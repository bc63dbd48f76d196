"""Whatever happens to a log, no wrong step comes out of it: it is cut where a crash left it, or refused."""

import json
import logging
import os
import random
import tracemalloc
import zlib

import pytest

from mezo_lab.optim.log import LogError, StepRecord, read_log
from mezo_lab.optim.log.format import FIRST_CHECKSUM, PREAMBLE, Frame, Kind, encode_head

GIGABYTE = 1 << 30


def peak_of(path) -> float:
    """Bytes that a refused read_log allocates at most."""
    tracemalloc.start()
    try:
        with pytest.raises(LogError):
            read_log(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def log_of(path, *frames: tuple[Kind, bytes]):
    """A file of frames with the right checksums, whatever they hold."""
    data, checksum = PREAMBLE, FIRST_CHECKSUM
    for kind, payload in frames:
        frame = Frame.following(checksum, kind, len(payload), payload)
        data, checksum = data + frame.to_bytes(), frame.checksum
    path.write_bytes(data)
    return path


def test_a_log_cut_at_any_byte_keeps_all_that_was_sealed_before(written, tmp_path, caplog):
    data, start = written.path.read_bytes(), min(written.ends)
    for length in range(start, len(data)):
        (tmp_path / "cut.log").write_bytes(data[:length])
        end, items = written.before(length)
        caplog.clear()
        log = read_log(tmp_path / "cut.log")
        assert (list(log), log.torn, log.size) == (items, length - end, end)
        warned = [record.getMessage() for record in caplog.records]
        steps = sum(isinstance(item, StepRecord) for item in items)
        told = f"{tmp_path / 'cut.log'} ends inside a frame: {length - end} bytes left out, {steps} steps kept"
        assert warned == ([told] if length > end else [])


def test_a_log_cut_in_its_header_is_refused(written, tmp_path):
    data = written.path.read_bytes()
    for length in range(1, min(written.ends)):
        (tmp_path / "cut.log").write_bytes(data[:length])
        with pytest.raises(LogError, match=r"cut.log ends inside its header, so it holds no step: put a copy back"):
            read_log(tmp_path / "cut.log")


def test_every_flipped_bit_is_refused(written):
    data = written.path.read_bytes()
    assert list(read_log(written.path)) == written.items  # the control: unflipped, it is read
    with open(written.path, "r+b", buffering=0) as file:
        for bit in range(8 * len(data)):
            os.pwrite(file.fileno(), bytes([data[bit // 8] ^ 1 << bit % 8]), bit // 8)
            with pytest.raises(LogError):
                read_log(written.path)
            os.pwrite(file.fileno(), data[bit // 8 : bit // 8 + 1], bit // 8)
    assert list(read_log(written.path)) == written.items


def test_overwritten_bytes_never_give_a_wrong_step(written, tmp_path):
    data, draw = written.path.read_bytes(), random.Random(5)
    for _ in range(400):
        start, length = draw.randrange(len(data)), draw.randrange(1, 40)
        changed = (data[:start] + draw.randbytes(length) + data[start + length :])[: len(data)]
        (tmp_path / "changed.log").write_bytes(changed)
        try:
            log = read_log(tmp_path / "changed.log")
        except LogError:
            continue
        # once in 256 a damaged head passes its check; then only a torn tail may be lost
        assert changed == data or log.torn
        assert list(log) == written.items[: len(list(log))]


def test_a_flipped_bit_says_where_and_what_is_intact(written, tmp_path):
    data = bytearray(written.path.read_bytes())
    end = list(written.ends)[3]
    steps = sum(isinstance(item, StepRecord) for item in written.items[: written.ends[end]])
    data[end + 6] ^= 1
    written.path.write_bytes(data)
    where = rf"small.log is damaged in frame 4, at step {steps} \(byte {end}\): its bytes do not match its checksum\."
    with pytest.raises(LogError, match=where + rf" The {steps} steps before it are intact: .*until={steps}\)"):
        read_log(written.path)
    log = read_log(written.path, until=steps)
    assert list(log) == written.items[: written.ends[end]]
    with pytest.raises(LogError, match="is damaged in frame 4"):
        read_log(written.path, until=steps + 1)


def test_a_removed_a_swapped_and_a_repeated_frame_are_refused(written):
    frames = written.frames()
    for k in range(1, len(frames) - 1):
        for broken in (
            frames[:k] + frames[k + 1 :],
            [*frames[:k], frames[k + 1], frames[k], *frames[k + 2 :]],
            [*frames[: k + 1], *frames[k:]],
        ):
            written.path.write_bytes(b"".join(broken))
            with pytest.raises(LogError, match="do not match its checksum"):
                read_log(written.path)


def test_a_frame_of_another_log_is_refused(written, tmp_path):
    head = log_of(tmp_path / "other.log", (Kind.HEADER, b'{"probes":2,"groups":2,"first_step":0}')).read_bytes()
    written.path.write_bytes(head + b"".join(written.frames()[1:]))
    with pytest.raises(LogError, match=r"in frame 1, at step 0"):
        read_log(written.path)


def test_an_empty_file_a_directory_and_a_pipe_are_refused(tmp_path):
    (tmp_path / "empty.log").touch()
    os.mkfifo(tmp_path / "pipe.log")
    with pytest.raises(LogError, match=r"empty.log is empty, so it holds no step: put a copy back"):
        read_log(tmp_path / "empty.log")
    with pytest.raises(LogError, match="is a directory, and a log is a file: name the file"):
        read_log(tmp_path)
    with pytest.raises(LogError, match=r"pipe.log is not a regular file"):
        read_log(tmp_path / "pipe.log")
    with pytest.raises(FileNotFoundError, match=r"none.log"):
        read_log(tmp_path / "none.log")


@pytest.mark.parametrize("content", [b"\x80\x04\x95", b"step,loss\n0,0.5\n", b"MEZOLOG\r\n\x01", bytes(64)])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(LogError, match="other is not a mezo_lab log: it starts with b'"):
        read_log(tmp_path / "other")


@pytest.mark.parametrize(("version", "match"), [(2, "newer mezo_lab .format 2, here 1.: upgrade"), (0, "no format 0")])
def test_another_version_is_refused(written, version, match):
    data = bytearray(written.path.read_bytes())
    data[len(PREAMBLE) - 1] = version
    written.path.write_bytes(data)
    with pytest.raises(LogError, match=match):
        read_log(written.path)


def test_a_gigabyte_of_zeros_is_refused_in_little_memory(written, tmp_path):
    with open(tmp_path / "zeros", "wb") as file:
        file.truncate(GIGABYTE)
    assert peak_of(tmp_path / "zeros") < 1e5
    with open(written.path, "ab") as file:
        file.truncate(GIGABYTE)
    assert peak_of(written.path) < 1e6
    with pytest.raises(LogError, match=r"at step 22 .*: its head does not match its check. The 22 steps before"):
        read_log(written.path)
    assert list(read_log(written.path, until=22)) == written.items


@pytest.mark.parametrize("head", [encode_head(Kind.HEADER, (1 << 22) - 1), encode_head(Kind.HEADER, (1 << 20) + 1)])
def test_a_header_too_long_is_refused_in_little_memory(tmp_path, head):
    with open(tmp_path / "long.log", "wb") as file:
        file.write(PREAMBLE + head)
        file.truncate(GIGABYTE)
    assert peak_of(tmp_path / "long.log") < 1e5
    with pytest.raises(
        LogError, match=r"frame 0.*it announces [\d,]+ bytes, more than any frame has. Without its header"
    ):
        read_log(tmp_path / "long.log")


@pytest.mark.parametrize(
    ("header", "match"),
    [
        (b"{", "its JSON cannot be read"),
        (b"[" * 100_000, "its JSON cannot be read"),
        (b"\xff", "its JSON cannot be read"),
        (b"[1]", "its JSON is not a dict"),
        (b"{}", "`probes` must be an integer from 1 to 65,536, got None"),
        (b'{"probes":1e9,"groups":1,"first_step":0}', "`probes` must be an integer"),
        (b'{"probes":1,"groups":1000000000,"first_step":0}', "`groups` must be an integer from 1 to 65,536"),
        (b'{"probes":1,"groups":true,"first_step":0}', "`groups` must be an integer"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path, header, match):
    with pytest.raises(LogError, match=f"damaged in frame 0.*{match}"):
        read_log(log_of(tmp_path / "odd.log", (Kind.HEADER, header)))


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        ((Kind.HEADER, b"{}"), "the header must come first, and once"),
        ((Kind.EVENT, b""), "an event unknown here, perhaps of a newer mezo_lab"),
        ((Kind.EVENT, b"\x09"), "an event unknown here, perhaps of a newer mezo_lab"),
        ((Kind.EVENT, b"\x02{"), "its JSON cannot be read"),
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(tmp_path, frame, match):
    header = json.dumps({"probes": 1, "groups": 1, "first_step": 0}).encode()
    with pytest.raises(LogError, match=f"damaged in frame 1.*{match}"):
        read_log(log_of(tmp_path / "odd.log", (Kind.HEADER, header), frame))


def test_a_log_that_changes_between_verification_and_use_is_refused(written):
    log = read_log(written.path)
    data = written.path.read_bytes()
    written.path.write_bytes(data[: list(written.ends)[4]])
    with pytest.raises(LogError, match="asks for 22"):
        list(log)
    written.path.write_bytes(data[: len(data) - 1])
    with pytest.raises(LogError, match="has changed since it was verified"):
        list(log)


def test_a_log_that_grows_after_verification_is_read_up_to_there(written):
    log = read_log(written.path)
    with open(written.path, "ab") as file:
        file.write(b"more")
    assert list(log) == written.items


def test_no_flipped_bit_of_a_head_passes_its_check():
    # why the low byte of CRC-32 will do: the 24 single bits of a head give 24 different bytes, and none gives 0
    changes = {zlib.crc32((1 << bit).to_bytes(3, "little")) ^ zlib.crc32(bytes(3)) for bit in range(24)}
    low = {change & 0xFF for change in changes}
    assert len(low) == 24 and 0 not in low


def test_a_torn_tail_is_a_warning_of_this_package(written, caplog):
    written.path.write_bytes(written.path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, logger="mezo_lab"):
        read_log(written.path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
