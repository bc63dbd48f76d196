"""Micro-batches, fresh batches and the random numbers of the closure."""

import random
import warnings

import numpy
import pytest
import torch

from mezo_lab.optim import MeZO

STEPS = 4


def regression(count: int = 24):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    return x, torch.sin(x @ torch.arange(5.0, dtype=torch.float64))


def linear():
    return torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))


def batch_loss(theta):
    return lambda batch: (batch[0] @ theta - batch[1]).square().mean()


@pytest.mark.parametrize("fused", [False, True])
def test_the_micro_batches_of_a_step_are_one_big_batch(apart, fused):
    x, y = regression()
    small, big = linear(), linear()
    parts = list(zip(x.split(6), y.split(6), strict=True))
    accumulated, whole = (MeZO([t], lr=0.1, probes=2, fused=fused) for t in (small, big))
    for _ in range(STEPS):
        mean = accumulated.step(batch_loss(small), parts)
        assert mean == pytest.approx(whole.step(lambda: batch_loss(big)((x, y))), rel=1e-12)
    for opt in (accumulated, whole):
        opt.flush()
    # the mean of means rounds differently, and 1/(2ε) = 500 times that reaches pg
    assert apart([small], [big]) < 1e-12
    assert apart([small], [linear()]) > 1e-2


def test_micro_batches_share_one_z():
    """The losses of all micro-batches are asked for at two points only."""
    x, y = regression()
    theta, seen = linear(), []

    def closure(batch):
        seen.append(tuple(theta.tolist()))
        return batch_loss(theta)(batch)

    MeZO([theta], lr=0.1, check_closure=False).step(closure, list(zip(x.split(6), y.split(6), strict=True)))
    assert len(seen) == 8 and len(set(seen)) == 2


def test_fresh_batches_give_each_probe_its_own(twin, apart):
    """Algorithm 2 as printed: pg_k from batch k alone."""
    x, y = regression()
    theta = linear()
    batches = list(zip(x.split(8), y.split(8), strict=True))
    opt = MeZO([theta], lr=0.1, probes=3, fresh_batches=True)
    expected = []
    for k, batch in enumerate(batches):  # the k-th probe of a twin that sees batch k only
        alone = twin({0: theta}, lambda t, b=batch: float(batch_loss(t[0])(b)), probes=3)
        expected.append(alone.estimate()[1][k])
    opt.probe(batch_loss(theta), batches)
    assert opt.projected_gradients == pytest.approx(expected, rel=1e-6)
    shared = twin({0: theta}, lambda t: float(batch_loss(t[0])((x, y))), probes=3)
    assert opt.projected_gradients != pytest.approx(shared.estimate()[1], rel=1e-2)  # the control


@pytest.mark.parametrize("count", [0, 2, 4])
def test_fresh_batches_are_one_for_each_probe(count):
    theta = linear()
    opt = MeZO([theta], lr=0.1, probes=3, fresh_batches=True)
    with pytest.raises(ValueError, match=f"`batches` must hold one for each of the 3 probes, got {count}"):
        opt.step(batch_loss(theta), [regression()] * count)
    assert torch.equal(theta, linear())


@pytest.fixture
def dropped():
    """A model with dropout, in training."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Dropout(0.5), torch.nn.Linear(64, 1)).double()
    x = torch.randn(16, 8, dtype=torch.float64)
    return model, lambda: model(x).square().mean()


def masks_of_a_step(model, closure, **kinds):
    """The mask at each evaluation of a step, as the pattern of zeros behind the dropout."""
    masks = []
    hook = model[1].register_forward_hook(lambda _, inputs, output: masks.append((output == 0).clone()))
    opt = MeZO(model.parameters(), lr=1e-3, check_closure=False, **kinds)
    for _ in range(2):
        opt.step(closure)
    hook.remove()
    return masks


def alike(masks):
    return [[bool(torch.equal(a, b)) for b in masks] for a in masks]


def test_both_sides_of_a_probe_see_the_same_mask(dropped):
    """Four probes in two steps: a mask for each, the same on both sides."""
    same = alike(masks_of_a_step(*dropped, probes=2, common_random_numbers=True))
    assert same == [[i // 2 == j // 2 for j in range(8)] for i in range(8)]


def test_without_common_random_numbers_every_mask_is_its_own(dropped):
    same = alike(masks_of_a_step(*dropped, probes=2))
    assert same == [[i == j for j in range(8)] for i in range(8)]


def test_one_side_shares_the_mask_with_the_centre(dropped):
    kinds = {"estimator": "one-sided", "probes": 2, "common_random_numbers": True}
    same = alike(masks_of_a_step(*dropped, **kinds))
    assert same == [[i // 3 == j // 3 for j in range(6)] for i in range(6)]


def test_different_masks_would_drown_the_slope(dropped):
    """What common random numbers are for: without them pg is noise of the size of the loss over ε."""
    model, closure = dropped
    sizes = {}
    for common in (True, False):
        opt = MeZO(model.parameters(), lr=1e-9, common_random_numbers=common, seed=1, check_closure=False)
        for _ in range(30):
            opt.step(closure)
        sizes[common] = opt.diagnostics.gradient_norm().mean
    assert sizes[False] > 10 * sizes[True]


def test_a_closure_that_does_not_repeat_itself_is_told_of(dropped, equal):
    model, closure = dropped
    start = [p.detach().clone() for p in model.parameters()]
    opt = MeZO(model.parameters(), lr=1e-3, check_closure=True)
    with pytest.raises(ValueError, match=r"`closure` must give the same loss .*common_random_numbers=True"):
        opt.step(closure)
    assert equal(model.parameters(), start)
    MeZO(model.parameters(), lr=1e-3, check_closure=True, common_random_numbers=True).step(closure)
    model.eval()
    opt.step(closure)


@pytest.mark.parametrize("check, extra", [(None, 1), (True, 2), (False, 0)])
@pytest.mark.parametrize("common", [False, True])
def test_the_closure_is_checked_in_the_first_step_only(check, extra, common):
    theta, calls = linear(), []
    opt = MeZO([theta], lr=0.1, check_closure=check, common_random_numbers=common)
    for _ in range(2):
        opt.step(lambda: calls.append(0) or float(theta.sum()))
    assert len(calls) == 2 + 2 + extra
    opt.probe(lambda: calls.append(0) or float(theta.sum()))
    assert len(calls) == 6 + extra


def test_a_closure_that_does_not_repeat_itself_is_warned_of_by_default_and_once(dropped):
    model, closure = dropped
    opt = MeZO(model.parameters(), lr=1e-9)
    with pytest.warns(
        RuntimeWarning, match=r"at the same point, .*model.eval\(\) .*common_random_numbers=True"
    ) as told:
        for _ in range(3):
            opt.step(closure)
    assert len(told) == 1 and opt.steps == 3


@pytest.mark.parametrize("broken_call", [1, 2, 3])
def test_a_first_step_that_an_exception_broke_off_leaves_the_check_to_the_next(dropped, broken_call):
    model, closure = dropped
    opt, calls = MeZO(model.parameters(), lr=1e-9), []

    def interrupted():
        calls.append(0)
        if len(calls) == broken_call:
            raise KeyboardInterrupt
        return closure()

    with pytest.raises(KeyboardInterrupt):
        opt.step(interrupted)
    with pytest.warns(RuntimeWarning, match="at the same point"):
        opt.step(interrupted)


@pytest.mark.parametrize("kinds", [{"common_random_numbers": True}, {"probes": 2, "common_random_numbers": True}])
def test_a_closure_that_repeats_itself_is_not_warned_of(dropped, kinds):
    """The control: with common random numbers, and in eval mode; warnings are errors here."""
    model, closure = dropped
    MeZO(model.parameters(), lr=1e-9, **kinds).step(closure)
    model.eval()
    MeZO(model.parameters(), lr=1e-9).step(closure)


@pytest.mark.parametrize("common", [False, True])
def test_the_check_leaves_the_random_numbers_of_the_run_as_they_were(dropped, common):
    model, closure = dropped
    ends = []
    for check in (None, False):
        torch.manual_seed(1)
        opt = MeZO(model.parameters(), lr=1e-30, common_random_numbers=common, check_closure=check)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opt.step(closure)
        ends.append((opt.history[-1].projected, torch.get_rng_state().tolist()))
    assert ends[0] == ends[1]


def generators():
    """The states of all generators of the process."""
    legacy = numpy.random.get_state()  # noqa: NPY002  the global one is what must not be touched
    return random.getstate(), legacy[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("kinds", [{}, {"law": "sphere"}, {"law": "coordinate"}, {"common_random_numbers": True}])
def test_no_global_generator_is_touched(weights, wave, kinds):
    theta = weights()
    before = generators()
    opt = MeZO(theta.items(), lr=0.1, check_closure=True, **kinds)
    for _ in range(2):
        opt.step(lambda: wave(list(theta.values())))
    opt.load_state_dict(opt.state_dict())
    assert generators() == before


def test_z_is_the_same_whatever_the_global_seed(weights, wave, equal):
    ends = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        theta = weights()
        MeZO(theta.items(), lr=0.1).step(lambda t=theta: wave(list(t.values())))
        ends.append(list(theta.values()))
    assert equal(*ends)
