"""An exception at any line of a step leaves θ before the step, or after it: never in between, and never hidden."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import mezo_lab.optim
import mezo_lab.optim.sweeps
from mezo_lab.optim import Adam, MeZO, Momentum, interrupts
from mezo_lab.sampling import LAWS

ROOMS = tuple(str(Path(room.__file__).parent) for room in (mezo_lab.optim, mezo_lab.optim.sweeps))
EVERY = 199  # lines from one interruption to the next; each kind and mode begins at another line
CLOSELY = 37  # for a few of them
BEGINNING = 9  # lines of a step before it has changed anything
MODES = {
    "plain": {},
    "fused": {"fused": True},
    "exact": {"exact": True},
    "exact, fused": {"exact": True, "fused": True},
}
KINDS = {
    **{law: {"law": law} for law in LAWS},
    **{f"{law}, torch": {"law": law, "compiled": False} for law in ("gaussian", "rademacher")},
    "two probes, mixed": {"law": "orthogonal", "probes": 2},
    "momentum": {"rule": Momentum(0.5, window=2)},
    "adam": {"rule": Adam(0.5, 0.75, window=2)},
    "sign": {"rule": "sign"},
    "normalised": {"rule": "normalised"},
    "decay": {"weight_decay": 0.5},
    "one-sided": {"estimator": "one-sided"},
    "residual feedback": {"estimator": "residual-feedback"},
    "modified": {"modified": "variance"},
}
# each sweep, of at most 9 with the way back, rounds a float64 weight below 4 by at most 2.2e-16
ROUNDING = 2e-15


class Tripwire:
    """Raises at one line of the code in `rooms`, counted from 0; `lines` is how many were passed."""

    def __init__(self, at: int, rooms=ROOMS, error: type[BaseException] = KeyboardInterrupt):
        self.at, self.rooms, self.error, self.lines = at, rooms, error, 0

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(self.rooms):
            return None
        return self.line

    def line(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines == self.at + 1:
                raise self.error("the tripwire")
        return self.line

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *exception):
        sys.settrace(self.before)


def four(dtype=torch.float64, strided=False):
    """Four tensors of 50 numbers."""
    generator = torch.Generator().manual_seed(0)
    theta = [torch.randn(5, 10, generator=generator, dtype=torch.float64).to(dtype) for _ in range(4)]
    return [torch.nn.Parameter(t.T.contiguous().T if strided else t) for t in theta]


def bowl(theta):
    return lambda: float(sum((t.detach().double() - 0.3).square().sum() for t in theta)) / 10


def run(kinds, steps, dtype=torch.float64, **shape):
    theta = four(dtype, **shape)
    opt = MeZO(theta, lr=0.01, seed=3, **kinds)
    for _ in range(steps):
        opt.step(bowl(theta))
    return theta, opt


def stored(kinds, steps, **shape):
    """θ after so many steps."""
    theta, opt = run(kinds, steps, **shape)
    opt.flush()
    return [t.detach().clone() for t in theta]


def apart(a, b):
    return max(float((x.detach().double() - y.double()).abs().max()) for x, y in zip(a, b, strict=True))


def same(a, b):
    return all(torch.equal(x.detach(), y) for x, y in zip(a, b, strict=True))


def act(theta, opt, call):
    if call == "step":
        opt.step(bowl(theta))
    elif call == "probe":
        opt.probe(bowl(theta))
        opt.step()
    else:
        opt.probe(bowl(theta))
        opt.flush()
        opt.step()


def places(kinds, call, every=EVERY, offset=0, **shape):
    """The lines at which to interrupt, of those that the call passes."""
    theta, opt = run(kinds, 2, **shape)
    with Tripwire(-1) as wire:
        act(theta, opt, call)
    return range(offset % every, wire.lines, every)


def check(kinds, mode, call="step", every=EVERY, offset=0, dtype=torch.float64, **shape):
    """Interrupt the third step at many places. Returns: how many steps are still to be made afterwards."""
    kinds = {"check_closure": False} | kinds | MODES[mode]
    shape |= {"dtype": dtype}
    ends = [stored(kinds, steps, **shape) for steps in (2, 3, 4)]
    made = 0
    for at in places(kinds, call, every, offset, **shape):
        theta, opt = run(kinds, 2, **shape)
        with Tripwire(at) as wire, pytest.raises(KeyboardInterrupt, match="the tripwire"):
            act(theta, opt, call)
        if "fused" in mode and (opt.steps == 3 or at < BEGINNING):
            opt.flush()  # the update of a whole step may wait for the next
        here = ends[opt.steps - 2]
        told = (at, opt.steps, wire.lines)
        assert apart(theta, here) < ROUNDING, told
        if "exact" in mode:
            assert same(theta, here), told
        while opt.steps < 4:  # it goes on as if nothing had been
            opt.step(bowl(theta))
            made += 1
        opt.flush()
        assert apart(theta, ends[2]) < 10 * ROUNDING, told
    return made


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_at_any_line_of_a_step_leaves_theta_right(kind, mode):
    offset = 11 * list(KINDS).index(kind) + 41 * list(MODES).index(mode)
    assert check(KINDS[kind], mode, offset=offset) > 0


@pytest.mark.parametrize("mode", MODES)
def test_an_interrupt_at_close_lines_of_a_step_leaves_theta_right(mode):
    assert check({"weight_decay": 0.5}, mode, every=CLOSELY) > 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_at_every_seventh_line_of_a_step_leaves_theta_right(kind, mode):
    check(KINDS[kind], mode, every=7)


@pytest.mark.parametrize("mode", ["plain", "fused", "exact"])
@pytest.mark.parametrize("call", ["probe", "flush"])
def test_an_interrupt_of_a_step_in_parts_leaves_theta_right(call, mode):
    check({"weight_decay": 0.5}, mode, call)


@pytest.mark.parametrize("law", ["gaussian", "sphere", "coordinate"])
@pytest.mark.parametrize("mode", ["plain", "exact"])
def test_an_interrupt_among_strided_weights_leaves_theta_right(mode, law):
    check({"law": law}, mode, offset=31, strided=True)


@pytest.mark.parametrize("kind", ["gaussian", "coordinate", "adam"])
def test_exact_weights_of_few_bits_are_restored_bitwise(kind):
    kinds = KINDS[kind] | {"exact": True, "check_closure": False}
    ends = [stored(kinds, steps, dtype=torch.bfloat16) for steps in (2, 3)]
    for at in places(kinds, "step", every=83, dtype=torch.bfloat16):
        theta, opt = run(kinds, 2, dtype=torch.bfloat16)
        with Tripwire(at), pytest.raises(KeyboardInterrupt, match="the tripwire"):
            opt.step(bowl(theta))
        assert same(theta, ends[opt.steps - 2]), at


@pytest.mark.parametrize("compiled", [None, False])
def test_a_sweep_that_forgets_how_far_it_came_is_caught(compiled, monkeypatch):
    """The control: begun again from its first weight, as if nothing of it had been written."""
    monkeypatch.setattr(mezo_lab.optim.sweeps.SweepProgress, "begin", lambda self: type(self)())
    with pytest.raises(AssertionError):
        check({"compiled": compiled}, "plain", every=7)


def test_weights_that_are_left_between_two_sweeps_are_caught(monkeypatch):
    """The control: an interrupt after which nobody puts the weights back."""
    monkeypatch.setattr(MeZO, "_settle", lambda self: None)
    with pytest.raises(AssertionError):
        check({}, "plain", every=CLOSELY)


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_a_kernel_s_call_that_was_made_is_not_made_again(law, monkeypatch):
    """The compiled path, with kernels that run as they stand: an exception behind each call, and before it."""
    monkeypatch.setattr("mezo_lab.optim.sweeps.compiled.compiled_kernel", lambda law, *variant: plain_kernel(law))
    monkeypatch.setattr("mezo_lab.optim.sweeps.noise_field.is_available", lambda *kinds: True)
    monkeypatch.setattr("mezo_lab.optim.sweeps.native.suits", lambda tensor: False)
    monkeypatch.setattr("mezo_lab.optim.sweeps.compiled.TEMPORARY", 640)  # bytes: 40 blocks of signs

    def start():
        theta = [torch.nn.Parameter(torch.linspace(-1, 1, 5000, dtype=torch.float64)) for _ in range(2)]
        return theta, MeZO(theta, lr=0.01, law=law, rule=Momentum(0.5, window=3), compiled=True, check_closure=False)

    ends = []
    for steps in (1, 2):
        theta, opt = start()
        for _ in range(steps):
            opt.step(bowl(theta))
        ends.append([t.detach().clone() for t in theta])
    theta, opt = start()
    opt.step(bowl(theta))
    with Tripwire(-1) as wire:
        opt.step(bowl(theta))
    for at in range(0, wire.lines, 97):
        theta, opt = start()
        opt.step(bowl(theta))
        with Tripwire(at), pytest.raises(KeyboardInterrupt, match="the tripwire"):
            opt.step(bowl(theta))
        assert apart(theta, ends[opt.steps - 1]) < ROUNDING, at


def plain_kernel(law):
    from mezo_lab.optim.noise import COORDINATES
    from mezo_lab.optim.sweeps import compiled

    kernel = (compiled._packed_kernel if COORDINATES[law].packed else compiled._lanes_kernel)(COORDINATES[law])

    def native(*arguments):
        """Without a line at which an exception could come, as compiled code has none."""
        tracer = sys.gettrace()
        sys.settrace(None)
        kernel(*arguments)
        sys.settrace(tracer)

    return native


class Odd(Exception):
    """An error that no program expects."""


@pytest.mark.parametrize("error", [Odd, SystemExit, GeneratorExit, MemoryError])
def test_whatever_is_raised_stays_what_it_is(error):
    for at in range(0, 600, 97):
        theta, opt = run({"check_closure": False}, 1)
        before = stored({}, 1), stored({}, 2)
        with Tripwire(at, error=error), pytest.raises(error, match="the tripwire"):
            opt.step(bowl(theta))
        assert apart(theta, before[opt.steps - 1]) < ROUNDING


def test_an_interrupt_is_told_with_what_kept_theta_from_being_put_back(monkeypatch):
    opt = run({}, 1)[1]
    monkeypatch.setattr(opt._current_engine(), "flush", lambda: 1 / 0)

    def closure():
        raise KeyboardInterrupt("the user")

    with pytest.raises(KeyboardInterrupt, match="the user") as told:
        opt.step(closure)
    assert "could not be put back" in told.value.__notes__[0] and "division by zero" in told.value.__notes__[0]


def test_a_signal_waits_for_the_end_of_a_sweep_and_a_second_one_does_not():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("first handler"))
    try:
        interrupts.hold()
        interrupts.hold()
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == []
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == ["first handler"]
        interrupts.release()
        assert heard == ["first handler"] * 2
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == ["first handler"] * 3
        interrupts.release()
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_no_handler_is_touched():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        interrupts.hold()
        seen.append(signal.getsignal(signal.SIGINT))
        interrupts.release()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


SCRIPT = """
import random, signal, torch
from mezo_lab.optim import Adam, MeZO
torch.set_num_threads(1)
signal.signal(signal.SIGALRM, signal.default_int_handler)

def hit(hits, **kinds):
    draw, theta = random.Random(0), [torch.nn.Parameter(torch.ones(30_000)) for _ in range(3)]
    opt = MeZO(theta, lr=1e-30, epsilon=1e-3, compiled=False, check_closure=False, **kinds)
    opt.step(lambda: 0.0)
    opt.flush()
    counted, worst, other, steps = 0, 0.0, 0, 0
    while counted < hits:
        signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-4, 2e-2))
        try:
            while True:
                opt.step(lambda: 0.0)
                steps += 1
        except KeyboardInterrupt:
            counted += 1
        except Exception:
            other += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        if "fused" in kinds and opt._engine.weights.move is None:
            opt.flush()
        worst = max(worst, max(float((t.detach() - 1).abs().max()) for t in theta))
    print(worst, other, signal.getsignal(signal.SIGALRM) is signal.default_int_handler, steps)

for kinds in ({}, {"exact": True}, {"fused": True}, {"rule": Adam(0.5, 0.5, window=2)}):
    hit(25, **kinds)
"""


def test_real_signals_at_random_moments_leave_theta_where_it_was():
    """Twenty-five hits a mode in another process; the rate is nothing, so θ is one, but for the probes' rounding."""
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(ROOMS[0]).parents[1]), "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert found.returncode == 0, found.stderr
    for mode, line in zip(["plain", "exact", "fused", "adam"], found.stdout.splitlines(), strict=True):
        worst, other, restored, steps = line.split()
        assert other == "0" and restored == "True", mode
        # each of some thousand sweeps rounds by 6e-8, as a random walk does; a lost probe would be up to 5e-3
        assert float(worst) < (0 if mode == "exact" else 1e-4) + 1e-12, (mode, steps)


def test_the_tripwire_meets_the_sweeps():
    """The control of the tests above: it counts the lines of the sweeps, and not of torch."""
    theta, opt = run({"compiled": False}, 1)
    with Tripwire(-1) as whole:
        opt.step(bowl(theta))
    with Tripwire(-1, rooms=ROOMS[1:]) as sweeps:
        opt.step(bowl(theta))
    assert 100 < sweeps.lines < whole.lines < 5000
    assert len(range(0, whole.lines, EVERY)) > 5
