"""A run that goes on from a checkpoint leaves out of its log the step that an interrupt broke off behind it."""

import pytest
import torch

from mezo_lab import MeZO
from mezo_lab.optim import RunLog, replay
from mezo_lab.optim.log import LogError, read_log, run_log


def broken_off(path, steps: int, seed: int = 0):
    """A checkpoint after so many steps, then a step whose second forward pass is interrupted."""
    theta = torch.nn.Parameter(torch.linspace(-1, 1, 50))
    opt = MeZO([theta], lr=0.01, seed=seed)
    with RunLog(opt, path):
        for _ in range(steps):
            opt.step(lambda: theta @ theta)
        saved = theta.detach().clone(), opt.state_dict()
        losses = iter([1.0])
        with pytest.raises(StopIteration):
            opt.step(lambda: next(losses))
    return saved, theta.detach().clone()


@pytest.mark.parametrize("steps", [0, 1, 20])
def test_a_run_resumed_behind_a_broken_walk_is_rebuilt_by_its_log(tmp_path, steps):
    path = tmp_path / "run.mezo"
    (weights, state), left = broken_off(path, steps)
    assert not torch.equal(weights, left)  # the walk has rounded what it left behind
    theta = torch.nn.Parameter(weights.clone())
    opt = MeZO([theta], lr=0.01)
    opt.load_state_dict(state)
    with RunLog(opt, path, append=True):
        for _ in range(5):
            opt.step(lambda: theta @ theta)
    again = torch.nn.Parameter(torch.linspace(-1, 1, 50))
    assert replay([again], path).steps == steps + 5
    assert torch.equal(again, theta)


def test_a_log_that_ends_where_the_weights_are_keeps_its_walk(tmp_path):
    path = tmp_path / "run.mezo"
    _, left = broken_off(path, 3)
    before = path.read_bytes()
    theta = torch.nn.Parameter(torch.linspace(-1, 1, 50))
    opt = replay([theta], path)
    assert torch.equal(theta, left)
    RunLog(opt, path, append=True).close()
    assert path.read_bytes()[: len(before)] == before


def test_a_crash_while_a_broken_walk_is_taken_out_leaves_the_log_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "run.mezo"
    (weights, state), _ = broken_off(path, 3)
    before = path.read_bytes()
    opt = MeZO([torch.nn.Parameter(weights.clone())], lr=0.01)
    opt.load_state_dict(state)

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mezo_lab.optim.log.LogWriter.step", crash)
        with pytest.raises(KeyboardInterrupt):
            RunLog(opt, path, append=True)
    assert path.read_bytes() == before
    RunLog(opt, path, append=True).close()


@pytest.mark.parametrize(
    ("law", "decay", "refused"), [("rademacher", 0.0, False), ("rademacher", 0.1, True), ("gaussian", 0.0, True)]
)
def test_signs_alone_go_on_where_the_sweeps_are_computed_otherwise(law, decay, refused, tmp_path, monkeypatch):
    """As on a GPU after a CPU; a product with a normal number, or with the decay, is rounded otherwise there."""
    path = tmp_path / "run.mezo"
    theta = torch.nn.Parameter(torch.linspace(-1, 1, 50))
    opt = MeZO([theta], lr=0.01, law=law, weight_decay=decay)
    header_of = run_log._header_of
    with monkeypatch.context() as patch:
        patch.setattr(run_log, "_header_of", lambda opt: header_of(opt) | {"compiled": not header_of(opt)["compiled"]})
        with RunLog(opt, path):
            opt.step(lambda: theta @ theta)
    if refused:
        with pytest.raises(LogError, match=r"is the log of another run: `header\['compiled'\]` is"):
            RunLog(opt, path, append=True)
        return
    with RunLog(opt, path, append=True):
        opt.step(lambda: theta @ theta)
    assert read_log(path).steps == 2
