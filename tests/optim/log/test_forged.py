"""A run log with right checksums and hostile contents is refused in one line that names it, before a weight moves."""

import copy
import json
import random
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from mezo_lab.optim import MeZO, Momentum, RunLog, replay
from mezo_lab.optim.log import LogError, LogWriter, read_log
from mezo_lab.optim.log.format import FIRST_CHECKSUM, PREAMBLE, Coding, Frame, Kind, decode_head, payload_size

Frames = list[tuple[Kind, int, bytes]]

HOSTILE = [
    None, True, False, -1, 0, 1, 2, 3, 255, 2**16, 2**31, 2**32, 2**53, 2**64, 10**30, -(10**30), 10**400,
    0.5, -0.0, 1e-320, 1e-300, 1e300, -1e308, "", "x", "sgd", "gaussian", "\ud800", "é" * 100, "x" * 5000, [], [[]],
    [1], [-1], [0, 1, 0, 1], [-1] * 50, [7], [1.0, "x"], [None], [True], [1e300], [[1, [2.0], [3.0]]], {}, 
    {"name": "adam"}, {"name": "momentum", "beta": 2}, {"name": []}, {"before": 1}, {"x": {}}, [10**400], {"": [{}]},
]  # fmt: skip
RAW = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"1" * 5000,
    b"[" * 2000 + b"]" * 2000,
    b'"\\ud83d"',
    b'{"a":1,"a":2}',
]
KINDS = {
    "momentum": {"rule": Momentum(0.5, window=3), "probes": 2},
    "fused": {"fused": True, "centre": True},
    "residual feedback": {"estimator": "residual-feedback"},
    "orthogonal": {"law": "orthogonal", "probes": 2},
}


def model_of():
    model = nn.Linear(2, 2)
    for k, parameter in enumerate(model.parameters()):
        parameter.data = torch.linspace(-1, 1, parameter.numel()).view(parameter.shape) + k
    return model


def log_of(path, kinds) -> Frames:
    """A log with every kind of record in it, that begins in the middle of a run, as frames."""
    model = model_of()
    groups = [{"params": [each]} for each in model.named_parameters()]
    opt = MeZO(groups, lr=0.01, compiled=False, **kinds)
    loss = lambda: (model.weight.square().sum() + model.bias.square().sum()).item()  # noqa: E731
    opt.step(loss)
    opt.flush()
    for parameter, fresh in zip(model.parameters(), model_of().parameters(), strict=True):
        parameter.data = fresh.data.clone()
    with RunLog(opt, path, seal_every=2):
        for k in range(4):
            if k == 1:
                opt.epsilon = 2e-3
            if k == 2:
                opt.probe(loss)
            opt.step(loss)
        opt.probe(loss)
    return frames_of(path.read_bytes())


def frames_of(data: bytes) -> Frames:
    found, place, header = Frames(), len(PREAMBLE), {}
    while place < len(data):
        kind, argument = decode_head(data[place : place + 4])
        length = payload_size(kind, argument, header)
        payload = data[place + 4 : place + 4 + length]
        header = json.loads(payload) if kind is Kind.HEADER else header
        found.append((kind, argument, payload))
        place += 8 + length
    return found


def written(frames: Frames) -> bytes:
    """With checksums that are right, whatever they stand for."""
    data, checksum = PREAMBLE, FIRST_CHECKSUM
    for kind, argument, payload in frames:
        frame = Frame.following(checksum, kind, argument, payload)
        data, checksum = data + frame.to_bytes(), frame.checksum
    return data


def places(data: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every key and index of nested JSON."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


def forged_json(data: dict[str, Any], draw: random.Random) -> bytes:
    """The same but for one place of it: another value, none, one more, or text that is no JSON."""
    found = copy.deepcopy(data)
    path = draw.choice(list(places(found)))
    inside = found
    for key in path[:-1]:
        inside = inside[key]
    way = draw.randrange(10)
    if way == 0 and isinstance(inside, dict):
        del inside[path[-1]]
    elif way == 1 and isinstance(inside, list):
        inside.append(draw.choice(HOSTILE))
    elif way == 2 and isinstance(inside, dict):
        inside[draw.choice(["moves", "state", "x", "fused", "centre", "clip"])] = draw.choice(HOSTILE)
    elif way == 3:
        inside[path[-1]] = "HERE"
        return json.dumps(found).encode().replace(b'"HERE"', draw.choice(RAW))
    else:
        inside[path[-1]] = draw.choice(HOSTILE)
    return json.dumps(found).encode()


def forged(frames: Frames, draw: random.Random) -> Frames:
    """One frame with other contents, put elsewhere, left out or twice."""
    found, k = list(frames), draw.randrange(len(frames))
    kind, argument, payload = found[k]
    way = draw.randrange(8)
    if way == 0 and k:
        del found[k]
    elif way == 1 and k:
        found.insert(draw.randrange(1, len(found)), found[k])
    elif kind is Kind.STEPS:
        found[k] = forged_steps(argument, payload, frames, draw)
    elif kind is Kind.EVENT and (payload[0] != 2 or way == 2):
        body = bytes([draw.choice([0, 1, 2, 3, 255])]) + draw.choice(
            [b"", b"{}", b"[]", bytes(15), bytes(16), bytes(17)]
        )
        found[k] = (kind, len(body), body)
    else:
        head = b"" if kind is Kind.HEADER else payload[:1]
        body = head + forged_json(json.loads(payload[len(head) :]), draw)
        found[k] = (kind, len(body), body)
    return found


def forged_steps(argument: int, payload: bytes, frames: Frames, draw: random.Random) -> tuple[Kind, int, bytes]:
    if draw.random() < 0.5:  # words that are hostile numbers: ±∞, NaN, the largest, the smallest
        words = bytearray(payload)
        place = draw.randrange(max(1, len(payload) // 4)) * 4
        words[place : place + 4] = draw.choice(
            [b"\x00\x00\x80\x7f", b"\x00\x00\x80\xff", b"\x00\x00\xc0\x7f", b"\xff\xff\x7f\x7f", b"\x01\x00\x00\x00"]
        )
        return Kind.STEPS, argument, bytes(words[: len(payload)])
    coding = Coding.parse(argument)
    changed = coding._replace(**{draw.choice(coding._fields): draw.choice([0, 1, 2, 3, 33, 63, 255])})
    argument = (changed.argument | draw.choice([0, 0, 1 << 17, 1 << 21])) & (1 << 22) - 1
    length = payload_size(Kind.STEPS, argument, json.loads(frames[0][2]))
    return Kind.STEPS, argument, (payload + draw.randbytes(length))[:length] if length < 1 << 16 else payload


def used(path, header: dict[str, Any], draw: random.Random) -> str | None:
    """What is said of a log, in any of its uses, or None."""
    model = model_of()
    before = copy.deepcopy(model.state_dict())
    groups = [{"params": [each]} for each in model.named_parameters()]
    try:
        log = read_log(path, draw.choice([None, None, 0, 1, 3]))
        assert len(list(log)) and repr(log) if log.steps else True
        way = draw.randrange(4)
        if way == 0:
            with LogWriter(path, header, probes=header["probes"], groups=header["groups"], append=True):
                pass
        else:
            opt = replay(groups, path, check=way != 1)
            before = copy.deepcopy(model.state_dict())
            RunLog(opt, path, append=True).close()
    except (LogError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "does not hold the loss" not in str(error):
            raise
        if isinstance(error, LogError) and "does not lead to the weights" not in str(error):
            assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), error
        return str(error)
    return None


@pytest.mark.parametrize("count", [150, pytest.param(400, marks=pytest.mark.slow)])  # the default is their beginning
@pytest.mark.parametrize("kind", KINDS)
def test_a_forged_log_is_used_as_it_stands_or_refused_in_one_line_that_names_it(kind, count, tmp_path, monkeypatch):
    frames = log_of(tmp_path / "run.mezo", KINDS[kind])
    header, draw, path = json.loads(frames[0][2]), random.Random(kind), tmp_path / "forged.mezo"
    path.write_bytes(written(frames))
    assert used(path, header, random.Random(0)) is None  # the control: what the run wrote is used
    refused = 0
    monkeypatch.setattr("os.fsync", lambda file: None)  # of disks there are other tests
    for _ in range(count):
        path.write_bytes(written(forged(frames, draw)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = used(path, header, draw)
        if said is not None:
            refused += 1
            assert "forged.mezo" in said and "\n" not in said and said.isprintable() and len(said) < 1000, said
    assert refused > 3 * count / 8


SENSELESS = {
    "version": [0, -1, 1.5, "2", None, True],
    "noise": [None, 3, ["threefry2x32-20/1"]],
    "law": [None, 1, "", "normal", ["gaussian"], "\ud800"],
    "rank": [0, -1, 1, "1", 1.5, True, [1]],
    "seed": [-1, 2**64, 1.5, "1", None, True],
    "epsilon": [0, -1e-3, "1e-3", None, True, 10**400, 1e-320, [1e-3]],
    "probes": [0, -1, 1.0, True, None, "1", 2**17, [1]],
    "groups": [0, 1, 3, True, None, 2**17, 10**30],
    "first_step": [-1, 0.0, None, True, 2**32, 10**30, "1"],
    "estimator": [None, 0, "both", ["two-sided"]],
    "baseline": [None, 0, "median", "mean"],
    "shaping": [None, True, "rank", ["rank"]],
    "modified": [0, "mean", True, []],
    "clip": [0, -1, "1", True, [1.0], 10**400],
    "fused": [0, 1, None, "yes", []],
    "rule": [None, "sgd", [], {}, {"name": 1}, {"name": "sgd", "x": 1}, {"name": "momentum", "beta": 2},
             {"name": "momentum", "window": 1.5}, {"name": "adam", "delta": 0}, {"name": "momentum", "window": 10**30}],
    "weight_decay": [0.0, [0.0], [0.0] * 3, [-1.0, 0.0], [None, 0.0], [True, False], {"0": 0.0}],
    "scale": [1.0, [1.0], [0.0, 1.0], ["1", 1.0], [1e-320, 1.0]],
    "defaults": [None, {}, {"lr": 1.0}, {"lr": "1", "weight_decay": 0.0, "scale": 1.0}],
    "compiled": [0, 1, None, "no"],
    "fingerprint": [None, 3, ["2 tensors"]],
    "weights": [None, "", "0" * 31, "x" * 32, 7, ["0" * 32]],
    "start": [None, [], {}, {"before": 1.0}, {"before": "x", "diagnostics": {}}, {"before": None, "diagnostics": []},
              {"before": None, "diagnostics": {"steps": -1}}, {"before": None, "diagnostics": {"squares": {"x": 1}}},
              {"before": None, "diagnostics": {}, "history": [[0, [1.0], ["x"]]]},
              {"before": None, "diagnostics": {}, "history": [[7, [1.0], [1.0]]]}],
}  # fmt: skip


@pytest.mark.parametrize("key", SENSELESS)
def test_every_key_of_a_header_is_checked_before_it_is_used(key, tmp_path):
    frames = log_of(tmp_path / "run.mezo", {})
    header, path = json.loads(frames[0][2]), tmp_path / "forged.mezo"
    assert key in header
    for value in SENSELESS[key]:
        body = json.dumps(header | {key: value}).encode()
        path.write_bytes(written([(Kind.HEADER, len(body), body), *frames[1:]]))
        model = model_of()
        with pytest.raises(LogError, match=r"forged\.mezo") as caught:
            replay([{"params": [each]} for each in model.named_parameters()], path)
        assert "\n" not in str(caught.value)
        assert all(map(torch.equal, model.parameters(), model_of().parameters())), value


def test_every_key_of_a_header_has_senseless_values_here(tmp_path):
    flags = {"exact", "centre", "fresh_batches", "common_random_numbers"}  # as `fused`
    assert set(json.loads(log_of(tmp_path / "run.mezo", {})[0][2])) <= set(SENSELESS) | flags
