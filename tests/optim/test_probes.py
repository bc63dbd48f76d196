"""A step is linear in its probes: it executes as many lines, and draws as many words, for each probe of many as of few.

Operations are counted, and no clock is read.
"""

import sys
from pathlib import Path

import pytest
import torch

import mezo_lab
from mezo_lab.optim import MeZO, RunLog, stencils
from mezo_lab.optim.engine import Engine

FEW, SOME, MANY = 8, 64, 512
TOLERANCE = 1.01  # of the lines of a probe: for probes that look at each other once it is 2 or more
KINDS = {
    "two-sided": {},
    "one-sided": {"estimator": "one-sided"},
    "population": {"estimator": "population"},
    "population, mean": {"estimator": "population", "baseline": "mean"},
    "population, leave-one-out": {"estimator": "population", "baseline": "leave-one-out"},
    "population, z-score": {"estimator": "population", "shaping": "z-score"},
    "population, rank": {"estimator": "population", "shaping": "rank"},
    "centre": {"centre": True},
    "fresh batches": {"fresh_batches": True},
    "common random numbers": {"common_random_numbers": True},
    "fused": {"fused": True},
    "exact": {"exact": True},
    "eager": {"compiled": False},
    "decay": {"weight_decay": 0.5},
    "modified": {"modified": "variance"},
    "clip": {"clip": 1e-3},
    "rademacher": {"law": "rademacher"},
    "uniform": {"law": "uniform"},
    "three-point": {"law": "three-point"},
    "coordinate": {"law": "coordinate"},
    "low-rank": {"law": "low-rank"},
    "sphere": {"law": "sphere"},
    "momentum": {"rule": "momentum"},
    "adam": {"rule": "adam"},
    "sign": {"rule": "sign"},
    "normalised": {"rule": "normalised"},
}


class Lines:
    """Counts the lines of the package that are executed, each turn of a comprehension too."""

    rooms = str(Path(mezo_lab.__file__).parent)

    def __init__(self):
        self.count = 0

    def __call__(self, frame, event, argument):
        return self.line if frame.f_code.co_filename.startswith(self.rooms) else None

    def line(self, frame, event, argument):
        self.count += event == "line"
        return self.line

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *exception):
        sys.settrace(self.before)


def bed(probes, kinds):
    """Three weights, a step of them, and their optimizer after one."""
    theta = torch.nn.Parameter(torch.tensor([0.5, -0.25, 0.125]))
    opt = MeZO([theta], lr=1e-3, probes=probes, check_closure=False, **kinds)
    losses = iter(range(10**9))  # all different, as the ranks of a population need

    def step():
        opt.step(lambda batch=None: 1.0 + next(losses) * 37 % 1009, range(probes) if opt.fresh_batches else ())

    step()
    return opt, step


def operations(probes, kinds):
    """(lines, words) of the second step."""
    opt, step = bed(probes, kinds)
    before = opt.cost.words
    with Lines() as lines:
        step()
    return lines.count, opt.cost.words - before


def growth(kinds):
    """By what factor a probe of many costs more lines than one of few, and the same of words."""
    few, some, many = (operations(probes, kinds) for probes in (FEW, SOME, MANY))
    return [
        ((most - more) / (MANY - SOME)) / ((more - least) / (SOME - FEW))
        for least, more, most in zip(few, some, many, strict=True)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_linear_in_its_probes(kind):
    lines, words = growth(KINDS[kind])
    assert lines < TOLERANCE and words == pytest.approx(1, abs=1e-9)


def test_a_step_with_a_run_log_is_linear_in_its_probes(tmp_path):
    counts = []
    for probes in (FEW, SOME, 255):
        opt, step = bed(probes, {})
        with RunLog(opt, tmp_path / f"{probes}.mezo"), Lines() as lines:
            step()
        counts.append(lines.count)
    few, some, many = counts
    assert (many - some) / (255 - SOME) < TOLERANCE * (some - few) / (SOME - FEW)


BY_DEFINITION = """
def ranks(losses):
    return [sum(other < loss for other in losses) + (sum(other == loss for other in losses) - 1) / 2 for loss in losses]
"""


def test_ranks_that_compare_every_pair_are_caught(monkeypatch):
    """The control: the ranks of a population by their definition, as a part of the package."""
    definition: dict = {}
    exec(compile(BY_DEFINITION, stencils.__file__, "exec"), definition)
    assert definition["ranks"]([3.0, 1.0, 3.0]) == stencils.ranks([3.0, 1.0, 3.0]) == [1.5, 0.0, 1.5]
    monkeypatch.setattr(stencils, "ranks", definition["ranks"])
    assert growth(KINDS["population, rank"])[0] > 2


def test_a_displacement_that_looks_at_every_probe_is_caught(monkeypatch):
    """The control: a displacement that passes over all probes, each once more in one line."""
    once = Engine.perturbation

    def perturbation(self, step, probe, probes, length):
        list(stencils.TwoSided().points(probes))
        return once(self, step, probe, probes, length)

    monkeypatch.setattr(Engine, "perturbation", perturbation)
    assert growth({})[0] > 2


def test_orthogonal_probes_draw_the_square_of_their_number():
    """As documented: each z is a combination of the streams before it."""
    for probes in (8, 16, 32):
        theta = torch.nn.Parameter(torch.zeros(32))
        opt = MeZO([theta], lr=1e-3, law="orthogonal", probes=probes, check_closure=False)
        opt.step(lambda: 0.0)
        drawn = opt.cost.words / 16  # two words for four normal numbers
        assert probes**2 < drawn < probes**2 + 8 * probes
