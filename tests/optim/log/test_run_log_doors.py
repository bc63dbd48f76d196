"""What a run log cannot hold is refused by name before a step is made, and nothing that was written is lost."""

import copy
import json
import logging
import math
import pickle

import numpy as np
import pytest
import torch

from mezo_lab.optim import MeZO, RunLog, replay
from mezo_lab.optim.log import LogError, StepRecord, read_log


def theta(dtype=torch.float32, size=40):
    return torch.nn.Parameter(torch.linspace(-1, 1, size).to(dtype))


def built(weights, **kinds):
    return MeZO([("w", weights)], **({"lr": 0.05, "compiled": False} | kinds))


def make(opt, weights, steps=1):
    for _ in range(steps):
        opt.step(lambda: (weights.float() ** 2).sum().item())


def steps_of(path):
    return [item for item in read_log(path) if isinstance(item, StepRecord)]


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("where", ["the same file", "another"])
def test_a_second_run_log_is_refused_while_the_first_writes(append, where, tmp_path):
    weights = theta()
    opt = built(weights)
    path = tmp_path / "a.mezo"
    first = RunLog(opt, path)
    make(opt, weights, 3)
    other = path if where == "the same file" else tmp_path / "b.mezo"
    with pytest.raises(ValueError, match=r"`opt` writes to the run log .*a\.mezo already: close\(\) that one"):
        RunLog(opt, other, append=append)
    make(opt, weights, 2)
    first.close()
    assert len(steps_of(path)) == 5 and not (tmp_path / "b.mezo").exists()
    with RunLog(opt, tmp_path / "c.mezo"):  # once it is closed another may begin
        make(opt, weights)
    opt.missing = None
    with RunLog(opt, tmp_path / "d.mezo"), pytest.raises(ValueError, match=r"d\.mezo already"):
        RunLog(opt, path, append=True)


def test_a_run_log_that_could_not_begin_is_none(tmp_path):
    weights = theta()
    opt = built(weights)
    (tmp_path / "a.mezo").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        RunLog(opt, tmp_path / "a.mezo")
    assert opt.run_log is None and (tmp_path / "a.mezo").read_bytes() == b"mine"
    with RunLog(opt, tmp_path / "b.mezo"):
        make(opt, weights)
    assert len(steps_of(tmp_path / "b.mezo")) == 1


def test_a_closed_run_log_may_be_closed_again_and_never_closes_another(tmp_path):
    weights = theta()
    opt = built(weights)
    first = RunLog(opt, tmp_path / "a.mezo")
    first.close()
    with RunLog(opt, tmp_path / "b.mezo") as second:
        first.close()
        assert opt.run_log is second
        make(opt, weights)
    assert len(steps_of(tmp_path / "b.mezo")) == 1


CONTENTS = {
    "missing": (None, r"is missing, so there is no run log to go on with: put it back; or RunLog\(opt, path\) begins"),
    "empty": (b"", r"is empty, so it holds no step: put a copy back"),
    "text": (b"step,loss\n", r"is not a mezo_lab log: it starts with b'step"),
    "the beginning of one": (b"MEZO", r"ends inside its header, so it holds no step: put a copy back"),
    "a header that is cut": (b"MEZOLOG\n\x01\x05", r"ends inside its header"),
    "of a later version": (b"MEZOLOG\n\x07", r"was written by a newer mezo_lab"),
    "zeros": (bytes(100), r"is not a mezo_lab log"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_is_no_log_is_not_gone_on_with_and_is_left_as_it_is(kind, tmp_path):
    content, said = CONTENTS[kind]
    weights, path = theta(), tmp_path / "run.mezo"
    opt = built(weights)
    make(opt, weights, 2)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LogError, match=said) as caught:
        RunLog(opt, path, append=True)
    assert "run.mezo" in str(caught.value) and "delete" not in str(caught.value)
    assert opt.run_log is None and (path.read_bytes() if path.exists() else None) == content


def test_a_folder_is_not_gone_on_with(tmp_path):
    with pytest.raises(LogError, match="is a directory, and a log is a file"):
        RunLog(built(theta()), tmp_path, append=True)


def test_a_log_that_begins_late_says_so(tmp_path, caplog):
    weights = theta()
    opt = built(weights)
    make(opt, weights, 2)
    with caplog.at_level(logging.WARNING, "mezo_lab"), RunLog(opt, tmp_path / "late.mezo"):
        pass
    assert ["late.mezo begins after step 2: a replay of it" in each.getMessage() for each in caplog.records] == [True]


@pytest.mark.parametrize("steps", [1, 9])
def test_a_log_is_not_gone_on_with_by_an_optimizer_of_another_step(steps, tmp_path):
    weights = theta()
    opt = built(weights)
    make(opt, weights, 4)
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, weights, 2)
    before = (tmp_path / "run.mezo").read_bytes()
    opt.steps = steps
    said = {1: r"begins at step 4, 3 behind this run", 9: r"ends after 2 steps, 3 before this run"}[steps]
    with pytest.raises(LogError, match=said):
        RunLog(opt, tmp_path / "run.mezo", append=True)
    assert (tmp_path / "run.mezo").read_bytes() == before


def test_a_log_is_not_gone_on_with_from_other_weights(tmp_path):
    weights, path = theta(), tmp_path / "run.mezo"
    opt = built(weights)
    with RunLog(opt, path):
        make(opt, weights, 3)
    before = path.read_bytes()
    weights.data.mul_(0.5)
    with pytest.raises(LogError, match=r"run\.mezo has other weights than these after 3 steps: load the weights and"):
        RunLog(opt, path, append=True)
    assert path.read_bytes() == before


CHANGES = {
    "seed": (lambda opt, w: setattr(opt, "seed", 9), "`seed` was 0 when the optimizer was built, and is 9"),
    "probes": (lambda opt, w: setattr(opt, "probes", 2), r"`probes` was 1 when .*run\.mezo began, and is 2"),
    "modified": (lambda opt, w: setattr(opt, "modified", "variance"), "`modified` was None when the optimizer"),
    "a group": (lambda opt, w: opt.add_param_group({"params": [("v", theta())]}), r"`params` must be those with which"),
    "a frozen tensor": (
        lambda opt, w: opt.param_groups[0]["params"][1].requires_grad_(False),
        r"`params` must be those",
    ),
    "a load": (lambda opt, w: w.data.zero_(), None),
    "weights written": (
        lambda opt, w: _written(w),
        r"`params` were written by others since the last step of .*run\.mezo",
    ),
    "an infinite rate": (lambda opt, w: opt.param_groups[0].update(lr=math.inf), "`lr` must "),
    "a rate that is none": (lambda opt, w: opt.param_groups[0].update(lr=math.nan), "`lr` must "),
    "a rate beyond float32": (lambda opt, w: opt.param_groups[0].update(lr=1e39), "`lr` must "),
    "steps": (lambda opt, w: setattr(opt, "steps", 70), r"`opt` must be after step 3 of its log, is after 70"),
}


def _written(weights):
    with torch.no_grad():
        weights.mul_(0.5)


@pytest.mark.parametrize("name", [name for name, (_, said) in CHANGES.items() if said])
def test_a_change_that_no_log_can_hold_is_refused_before_a_step(name, tmp_path):
    change, said = CHANGES[name]
    weights, more = theta(), theta()
    opt = MeZO([("w", weights), ("m", more)], lr=0.05, compiled=False)
    path = tmp_path / "run.mezo"
    log = RunLog(opt, path)
    make(opt, weights, 3)
    change(opt, weights)
    before = weights.detach().clone()
    with pytest.raises(ValueError, match=said):
        make(opt, weights)
    assert torch.equal(weights, before)
    log.close()
    assert len(steps_of(path)) == 3


@pytest.mark.parametrize("name", ["a group", "weights written", "a frozen tensor"])
def test_the_remedy_for_such_a_change_is_another_log(name, tmp_path):
    weights, more = theta(), theta()
    opt = MeZO([("w", weights), ("m", more)], lr=0.05, compiled=False)
    with RunLog(opt, tmp_path / "first.mezo"):
        make(opt, weights, 3)
    CHANGES[name][0](opt, weights)
    start = copy.deepcopy(opt.param_groups)
    with RunLog(opt, tmp_path / "second.mezo"):
        make(opt, weights, 3)
    names = [{"params": list(zip(group["param_names"], group["params"], strict=True))} for group in start]
    found = replay(names, tmp_path / "second.mezo")
    assert found.steps == 6 and torch.equal(start[0]["params"][0], weights)


@pytest.mark.parametrize("rate", [math.inf, math.nan, 1e39, np.float64("inf"), torch.tensor(math.nan)])
def test_a_rate_that_is_not_finite_between_probe_and_step_leaves_log_and_weights_alike(rate, tmp_path):
    weights, again = theta(), theta()
    opt = built(weights)
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, weights, 2)
        opt.probe(lambda: (weights**2).sum().item())
        opt.param_groups[0]["lr"] = rate
        with pytest.raises(ValueError, match="`lr` must "):
            opt.step()
        opt.param_groups[0]["lr"] = 0.05
        make(opt, weights, 2)
    assert replay([("w", again)], tmp_path / "run.mezo").steps == 4
    assert torch.equal(again, weights)


@pytest.mark.parametrize("kinds", [{}, {"fused": True}, {"exact": True}])
def test_a_flush_inside_a_closure_is_refused_or_logged(kinds, tmp_path):
    weights, again = theta(), theta()
    opt = built(weights, **kinds)

    def flushing():
        opt.flush()
        return (weights**2).sum().item()

    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, weights, 2)
        try:
            opt.step(flushing)
        except RuntimeError as error:
            assert "closure" in str(error)
        make(opt, weights, 2)
    replay([("w", again)], tmp_path / "run.mezo")
    assert torch.equal(again, weights)


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "in a list": lambda x: pickle.dumps([x]),
}


@pytest.mark.parametrize("way", COPIES)
def test_a_run_log_is_not_copied_or_pickled(way, tmp_path):
    weights = theta()
    opt = built(weights)
    with RunLog(opt, tmp_path / "run.mezo") as log:
        with pytest.raises(
            TypeError, match=r"a RunLog holds the open file .*run\.mezo and cannot be copied or pickled"
        ):
            COPIES[way](log)
        make(opt, weights, 2)
    assert len(steps_of(tmp_path / "run.mezo")) == 2


@pytest.mark.parametrize("until", [None, 0, 1, 4, 5])
@pytest.mark.parametrize("kinds", [{}, {"law": "rademacher", "probes": 2}, {"rule": "momentum"}, {"exact": True}])
def test_a_replay_of_a_fused_run_hands_back_theta_wherever_it_stops(kinds, until, tmp_path):
    """A log as a crash leaves it, which no flush ends, and any step of one."""
    weights, again, plain = theta(), theta(), theta()
    opt = built(weights, fused=True, **kinds)
    log = RunLog(opt, tmp_path / "run.mezo", seal_every=1)
    make(opt, weights, 5)
    found = replay([("w", again)], tmp_path / "run.mezo", until=until)
    reference = built(plain, fused=True, **kinds)
    make(reference, plain, 5 if until is None else until)
    displaced = plain.detach().clone()
    reference.flush()
    assert torch.equal(again, plain) and found.fused
    assert until == 0 or kinds.get("exact") or not torch.equal(displaced, plain)  # the control: a flush is needed
    log.close()


def test_a_fused_log_that_a_crash_left_is_gone_on_with(tmp_path):
    """Its replay flushes where the run did not, and the log says so from then on."""
    weights, again, last = theta(), theta(), theta()
    opt = built(weights, fused=True)
    log = RunLog(opt, tmp_path / "run.mezo", seal_every=1)
    make(opt, weights, 5)
    data = (tmp_path / "run.mezo").read_bytes()
    log.close()
    (tmp_path / "cut.mezo").write_bytes(data)
    found = replay([("w", again)], tmp_path / "cut.mezo")
    with RunLog(found, tmp_path / "cut.mezo", append=True):
        make(found, again, 5)
    assert replay([("w", last)], tmp_path / "cut.mezo").steps == 10
    assert torch.equal(last, again)


def test_settings_that_a_log_took_back_do_not_come_back(tmp_path):
    """A checkpoint is older than a change of ε that the log holds behind it; the run goes on without that change."""
    weights, again = theta(), theta()
    opt = built(weights)
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, weights, 3)
        saved = opt.state_dict(), weights.detach().clone()
        opt.epsilon, opt.clip, opt.param_groups[0]["weight_decay"] = 0.1, 0.01, 0.3
        make(opt, weights, 3)
    resumed = theta()
    resumed.data.copy_(saved[1])
    opt = built(resumed)
    opt.load_state_dict(saved[0])
    with RunLog(opt, tmp_path / "run.mezo", append=True):
        make(opt, resumed, 3)
    found = replay([("w", again)], tmp_path / "run.mezo")
    assert torch.equal(again, resumed) and (found.epsilon, found.clip) == (1e-3, None)
    assert found.param_groups[0]["weight_decay"] == 0.0


def test_a_log_of_the_first_release_is_read_and_gone_on_with(tmp_path):
    """Its header names fewer settings, and it has no word of the end; the others had their usual values."""
    weights, again, last = theta(), theta(), theta()
    opt = built(weights, fused=True, weight_decay=0.1)
    with RunLog(opt, tmp_path / "new.mezo", seal_every=1):
        make(opt, weights, 4)
    old = as_of_the_first_release(tmp_path / "new.mezo", tmp_path / "old.mezo")
    assert "clip" not in old and "start" not in old
    found = replay([("w", again)], tmp_path / "old.mezo")
    assert torch.equal(again, weights) and found.clip is None
    assert found.param_groups[0]["lr"] == float(np.float32(0.05))  # all that its steps tell
    with RunLog(found, tmp_path / "old.mezo", append=True):
        make(found, again, 3)
    assert replay([("w", last)], tmp_path / "old.mezo").steps == 7
    assert torch.equal(last, again)


def as_of_the_first_release(path, old):
    from mezo_lab.optim.log import LogWriter

    names = ("noise", "law", "seed", "epsilon", "probes", "estimator", "modified", "fused", "exact", "centre")
    more = ("weight_decay", "scale", "rule", "compiled", "first_step", "fingerprint", "weights")
    log = read_log(path)
    header = {name: log.header[name] for name in (*names, *more)}
    with LogWriter(old, header, probes=header["probes"], groups=log.header["groups"]) as writer:
        for item in log:
            if isinstance(item, StepRecord):
                writer.step(item.projected, item.rates)
            elif item.kind != "settings":
                writer.event(item.kind, item.data)
    return json.loads(json.dumps(header))
