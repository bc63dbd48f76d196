"""Whether a Hessian lies along the coordinates: the estimate of Σ H_ii g_i², and the record of the real model."""

import json
from pathlib import Path

import axes
import pytest
import torch

from mezo_lab.curvature import random_spectrum

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
RECORD = json.loads((ROOT / "results/axes.json").read_text())


def bowl(matrix: torch.Tensor):
    return lambda vectors: [matrix @ vectors[0]]


@pytest.mark.parametrize("dim", [3, 8])
def test_the_diagonal_form_is_that_of_the_diagonal_and_not_of_the_whole(dim):
    matrix = random_spectrum(torch.linspace(1, 3, dim).double(), torch.Generator().manual_seed(dim))
    slope = torch.arange(1, dim + 1).double()
    found = axes.diagonal_form([slope], bowl(matrix), draws=4_000)
    assert abs(found.z_score(float(matrix.diagonal() @ slope**2))) < 5
    assert abs(found.z_score(float(slope @ matrix @ slope))) > 5


def test_along_the_coordinates_every_draw_is_exact():
    curved, slope = torch.tensor([2.0, 0.5, 0.0]).double(), torch.tensor([1.0, -2.0, 3.0]).double()
    found = axes.diagonal_form([slope], bowl(torch.diag(curved)), draws=5)
    assert found.mean == pytest.approx(float(curved @ slope**2)) and found.standard_error == pytest.approx(0)


def test_the_record_is_of_the_loss_whose_curvature_was_measured():
    curvature = json.loads((ROOT / "results/divergence.json").read_text())["curvature"]
    assert RECORD["trace"] == curvature["trace"]
    scale = RECORD["trace"][0] * RECORD["grad_sq"]
    assert RECORD["share"] == pytest.approx([part / scale for part in RECORD["diagonal"]])


def test_signs_and_gaussian_probes_differ_little_on_the_real_model():
    """What notebook 10 says: far from random directions, and yet little next to γ."""
    share, error = RECORD["share"]
    assert share - 2 * error > 100 / RECORD["parameters"]
    one_probe = 1 + 2 * RECORD["gHg"] / (RECORD["trace"][0] * RECORD["grad_sq"])  # E[ĝᵀHĝ] over tr H·‖g‖², Gaussian
    assert 2 * (share + 5 * error) < 0.05 * one_probe
