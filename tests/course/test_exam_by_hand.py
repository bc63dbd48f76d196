"""The exam of the repository, solved once on paper: its printed numbers are those of the hand solution."""

import re
from pathlib import Path

import pytest
from exam_cases import exam

RUBRIC = Path(__file__).resolve().parents[2] / "notebooks/assessment/rubric.md"
# with a pocket calculator, from the statements alone, to the digits that it took
BY_HAND = {
    "A search that steps by signs": {
        "slope": 7.5,
        "gaussian": 7.181,
        "sigma": 0.15,
        "gain": 0.5625,
        "last": 0.3,
        "price": 25,
    },
    "One layer at a time": {
        "s": 4,
        "c": 192,
        "f": 24.875,
        "gaussian": 21.125,
        "fixed": 20.875,
        "from_own": 1.2,
        "from_gaussian": 15.2,
        "from_fixed": 16.1,
        "ratio": 1.1852,
    },
    "A noisy bowl": {
        "f": 7,
        "edge": 0.28571,
        "level": 2.1429,
        "kept": 0.9375,
        "steps": 107.03,
        "share": 0.89286,
        "fresh": 1.9133,
    },
    "Two groups of curvature": {
        "trace": 537.5,
        "rank": 10.75,
        "gamma": 12.75,
        "safe": 0.0031373,
        "taxed": 4e-10,
        "edge": 0.0033333,
        "margin": 6.25,
        "left_by_one": 3.921e-4,
        "left_by_many": 1.195e-3,
    },
    "One side, and finite precision": {
        "unit": 0.0078125,
        "grid": 1.953125,
        "best": 0.0089294,
        "least": 0.50512,
        "two_sided_best": 0.08261,
        "two_sided_least": 0.02364,
        "gain": 21.367,
        "growth": 8,
    },
    "Three printed sentences": {
        "share": 0.75,
        "mend": 1.33333,
        "short": 25,
        "norm": 10.53,
        "relative": 5,
        "of_a": 80,
        "of_b": 50,
        "seen": 1.2649,
        "exact": 4,
    },
    "A program with two slips": {
        "above": 5.8,
        "below": 6,
        "plus": 100.92,
        "minus": 108,
        "pg": -35.4,
        "end": 6.508,
        "pg_right": -72,
        "end_right": 3.12,
        "sweeps": 9,
        "chunk": 205.520896,
        "copies": 32,
    },
    "Seeds that meet": {
        "streams": 5299,
        "addresses": 1.5e6,
        "shared": 18,
        "apart": 34,
        "meetings": 261.9,
        "needed": 62500,
        "found": -0.059,
    },
    "A record of curvature": {
        "relative": 10,
        "needed": 5000,
        "trace_error": 82,
        "rank": 14,
        "rank_error": 0.205,
        "trace_sq": 1.3448e6,
        "safe": 3.125e-4,
        "safe_error": 1.28125,
        "sgd": 0.005,
        "taxed": 1e-11,
        "low": 7.8125e-5,
        "high": 1.5625e-4,
    },
    "Accuracy, measured and trained": {
        "loss": 0.3711,
        "gain": 3.5,
        "error": 1.024,
        "low": 1.493,
        "high": 5.507,
        "unpaired": 3.970,
        "quadruple": 3200,
        "unit": 1.6667,
        "none": 0.512,
        "cancel": 0.048,
        "zero": 0.56,
        "square": 1.6667,
    },
    "Several processes": {
        "ring": 180,
        "seconds": 180,
        "scalars": 96,
        "by_batch": 70,
        "by_probe": 29.5,
        "gap": 40.5,
        "worth": 3.737,
        "plain": 0.75,
        "weighed": 0.825,
        "weight_small": 0.5,
        "weight_large": 1.5,
    },
    "Would you use it?": {
        "mezo": 28,
        "adam": 122,
        "adapters": 0.52,
        "lora": 44.52,
        "lora_checkpointed": 31.52,
        "break_even": 24,
        "largest": 22,
        "gamma": 46,
        "steps": 4400,
    },
    "Promises and conditions": {
        "gain": 1.4444,
        "least": 9,
        "gamma": 8,
        "left": 0.7673,
        "gamma_all": 26,
        "left_all": 0.4564,
        "angle": 10,
        "saved": 1.288,
        "half": 0.5556,
        "straight": 2285.7,
        "share": 3.809e-05,
        "needed": 6e7,
    },
}


@pytest.mark.parametrize("place", range(len(BY_HAND)))
def test_the_printed_numbers_are_those_of_the_hand_solution(place):
    problem = exam(0)[place]
    solved = BY_HAND[problem.title]
    assert not {name for part in problem.parts for name in part.answers} - solved.keys()
    for name, number in solved.items():
        assert float(problem.values[name]) == pytest.approx(number, rel=5e-4), name


@pytest.mark.repo
def test_the_rubric_adds_up():
    text = RUBRIC.read_text()
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert len(tables) == 3
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1
    worth = [int(points) for points in re.findall(r"^\| \*\*.*\*\* \((\d)\)", text, re.M)]
    assert sum(worth) == 20
    for table in tables[1:]:
        *rows, total = re.findall(r"\| (\d+) of (\d+) \|", table)
        assert [int(most) for _, most in rows] == worth
        assert (sum(int(points) for points, _ in rows), 20) == (int(total[0]), int(total[1]))
