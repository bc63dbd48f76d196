"""An interrupt at any line of the code that writes a run log leaves whole steps in it, and the optimizer can go on."""

import copy
import gc
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import mezo_lab
from mezo_lab.optim import MeZO, RunLog, replay
from mezo_lab.optim.log import LogError, read_log

PACKAGE = Path(mezo_lab.__file__).parent
CODE = sorted((PACKAGE / "optim/log").glob("*.py"))
FILES = set(map(str, CODE))
STEPS = 9  # of a scenario


class Lines:
    """Counts the lines of the code that writes logs, and raises at one of them."""

    def __init__(self, at: int | None = None):
        self.at, self.count, self.where = at, 0, ""

    def __call__(self, frame, event, argument):
        return self.line if frame.f_code.co_filename in FILES else None

    def line(self, frame, event, argument):
        if event == "line":
            self.count += 1
            if self.count == self.at:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self.line

    def __enter__(self):
        sys.settrace(self)
        return self

    def __exit__(self, *exception):
        sys.settrace(None)


def theta():
    return torch.nn.Parameter(torch.linspace(-1, 1, 30))


def loss(weights):
    return (weights**2).sum().item()


def scenario(opt, weights, path, found):
    """Two legs of a run, with everything in it that a log tells; θ after every step goes to `found`."""
    found[opt.steps].append(weights.detach().clone())
    with RunLog(opt, path, seal_every=2):
        for k in range(5):
            if k == 2:
                opt.epsilon = 2e-3
            if k == 3:
                opt.flush()
            if k == 4:
                opt.probe(lambda: loss(weights))
                opt.flush()
            make(opt, weights, found)
            if k == 3:
                saved = copy.deepcopy(opt.state_dict()), weights.detach().clone()
    weights.data.copy_(saved[1])
    opt.load_state_dict(saved[0])
    opt.flush()
    with RunLog(opt, path, append=True, seal_every=2):
        for _ in range(5):
            make(opt, weights, found)


def make(opt, weights, found):
    opt.step(lambda: loss(weights))
    now = weights.detach().clone()
    found[opt.steps].append(now)


@pytest.fixture(autouse=True)
def open_files_are_let_go():
    """An interrupt between the opening of a file and the line that notes it leaves that to Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


MODES = {"plain": {}, "exact": {"exact": True}, "momentum": {"rule": "momentum", "probes": 2}}


def lines_of(mode, tmp_path) -> int:
    opt, weights = built(mode)
    with Lines() as lines:
        scenario(opt, weights, tmp_path / "count.mezo", [[] for _ in range(STEPS + 2)])
    return lines.count


def rebuilt(path):
    """θ and the number of steps that a log leads to; None where it says that it holds no step."""
    try:
        read_log(path)
    except FileNotFoundError:
        return None
    except LogError as error:
        assert "holds no step" in str(error)
        return None
    weights = theta()
    return weights, replay([("w", weights)], path).steps


@pytest.mark.parametrize("mode", MODES)
def test_an_interrupt_at_any_line_leaves_a_log_of_whole_steps(mode, tmp_path):
    count, broken = lines_of(mode, tmp_path), 0
    assert count > 1000
    for at in range(1, count, max(1, count // 40)):
        path = tmp_path / f"{at}.mezo"
        opt, weights = built(mode)
        found: list[list[torch.Tensor]] = [[] for _ in range(STEPS + 2)]
        with Lines(at) as lines:
            with pytest.raises(KeyboardInterrupt):
                scenario(opt, weights, path, found)
        broken += 1
        result = rebuilt(path)
        if result is None:
            continue
        again, made = result
        known = [*found[made], weights.detach()]
        assert any(torch.equal(again, one) for one in known), (at, lines.where, made, opt.steps)
        assert made in (opt.steps, opt.steps - 1) or opt.steps == 4, (at, lines.where, made, opt.steps)
    assert broken >= 40


@pytest.mark.parametrize("mode", MODES)
def test_a_run_goes_on_after_an_interrupt_and_its_log_with_it(mode, tmp_path):
    """In a notebook a cell is stopped and the next one goes on, with the same optimizer and the same run log."""
    opt, weights = built(mode)
    with Lines() as lines, RunLog(opt, tmp_path / "count.mezo", seal_every=2):
        steps(opt, weights, 6)
    for at in range(1, lines.count, max(1, lines.count // 25)):
        path = tmp_path / f"{at}.mezo"
        opt, weights = built(mode)
        with Lines(at) as here, suppress(KeyboardInterrupt):
            log = RunLog(opt, path, seal_every=2)
            steps(opt, weights, 6)
            log.close()
        if opt.run_log is None:
            continue
        steps(opt, weights, 3)
        opt.run_log.close()
        again = theta()
        assert replay([("w", again)], path).steps == opt.steps, (at, here.where)
        assert torch.equal(again, weights), (at, here.where)


def built(mode):
    weights = theta()
    return MeZO([("w", weights)], lr=0.05, compiled=False, **MODES[mode]), weights


def steps(opt, weights, count):
    for _ in range(count):
        opt.step(lambda: loss(weights))
