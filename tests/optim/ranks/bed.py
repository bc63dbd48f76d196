"""A small network under a MeZO, the same on every rank, and a batch that the ranks share out."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from mezo_lab.optim import MeZO
from mezo_lab.optim.fingerprint import weights_hash

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
ROWS, ALL = 8, slice(None)
MINE = slice(RANK * ROWS // WORLD, (RANK + 1) * ROWS // WORLD)
INPUTS = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

Way = dict[str, Any]
WAYS: dict[str, Way] = {
    "plain": {},
    "exact": {"exact": True},
    "fused": {"fused": True},
    "exact, fused": {"exact": True, "fused": True},
}


class Bed:
    """The weights (init: their seed), their optimizer, and what its closure saw."""

    def __init__(self, dtype=torch.float32, device="cpu", width=4, init=2, frozen=(), **settings):
        generator = torch.Generator().manual_seed(init)
        shapes = {"weight": (3, width), "bias": (width,), "head": (width,)}
        drawn = {name: torch.randn(shape, generator=generator).to(device, dtype) for name, shape in shapes.items()}
        self.theta = {name: Parameter(tensor, name not in frozen) for name, tensor in drawn.items()}
        self.inputs = INPUTS.to(device, dtype)
        self.losses: list[float] = []
        self.before_loss: Callable[[], Any] = lambda: None
        self.opt = MeZO(
            self.theta.items(),
            **({"lr": 0.05, "seed": 5, "law": "rademacher", "check_closure": False, "exact": False} | settings),
        )

    def loss(self, rows: slice) -> Tensor:
        self.before_loss()
        hidden = torch.tanh(self.inputs[rows] @ self.theta["weight"] + self.theta["bias"])
        loss = (hidden @ self.theta["head"] - 1).square().mean()
        self.losses.append(float(loss))
        return loss

    def run(self, steps: int, rows: slice = ALL) -> None:
        for _ in range(steps):
            self.opt.step(lambda: self.loss(rows))

    def numbers(self) -> list[float]:
        """θ, and not a probe of it."""
        self.opt.flush()
        return torch.cat([tensor.detach().double().flatten() for tensor in self.theta.values()]).tolist()

    def hash(self) -> str:
        self.opt.flush()
        return weights_hash(list(self.theta.values())).hex()


def error_of(action: Callable[[], Any]) -> str | None:
    """What an action raises, as "Type: message"; None where it goes well."""
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
