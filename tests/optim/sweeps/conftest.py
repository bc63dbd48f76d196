"""z as it is defined, without a sweep: what every sweep is held against."""

import pytest
import torch

from mezo_lab.optim.noise import COORDINATES, coordinates_at, stream_keys


@pytest.fixture(scope="session")
def defined():
    """(law, key, shape, seed, step, probe) → z of a tensor, float32, coordinate by coordinate in flat order."""

    def z(law, key, shape, seed=0, step=1, probe=0):
        numel = torch.Size(shape).numel()
        stream = stream_keys(seed, step, probe, [key])[0]
        return coordinates_at(COORDINATES[law], stream, torch.arange(numel), numel).view(shape)

    return z
