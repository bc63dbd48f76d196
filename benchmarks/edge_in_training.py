"""The edge of stability during training: η·tr H along full-batch runs of `MeZO`, against the edge that theory predicts.

A network so small that its Hessian is known in full is trained on all of its examples at every step, at several
learning rates. On the way the spectrum is taken, and with it the largest stable learning rate of the quadratic that the
loss is there. The control is the edge of gradient descent, 2/λ_max: it trains the same network at the same rates.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import records  # beside this file
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.func import hessian as hessian_of
from torch.nn.functional import mse_loss, one_hot

from mezo_lab.environment.machine import machine
from mezo_lab.optim import MeZO
from mezo_lab.theory import GAUSSIAN, stability_limit

INPUTS, WIDTH, CLASSES, EXAMPLES = 8, 16, 4, 32
EPSILON = 1e-4
LOST = 100.0  # times the first loss: a run this far up has diverged
LONG = 12_000  # steps of a run with one probe, at most


@dataclass(frozen=True)
class Case:
    """A run. `method` is "MeZO" or "gradient descent"."""

    lr: float
    probes: int = 1
    seed: int = 0
    method: str = "MeZO"
    steps: int = LONG
    every: int = 100


CASES = [
    *(Case(lr) for lr in (0.015, 0.02, 0.025, 0.03, 0.035)),
    *(Case(lr, seed=seed) for seed in (1, 2) for lr in (0.02, 0.03)),
    *(Case(lr, probes=4, steps=LONG // 4, every=25) for lr in (0.06, 0.09, 0.12)),
    *(Case(lr, method="gradient descent", steps=LONG // 4) for lr in (0.03, 0.12)),
]
QUICK = [Case(0.02, steps=20, every=10), Case(2.0, steps=60, every=10), Case(0.02, method="gradient descent", steps=20)]


class Bed:
    """8–16–4 with tanh on normal inputs with random labels, squared error, float64."""

    def __init__(self, seed: int):
        data = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(EXAMPLES, INPUTS, generator=data, dtype=torch.float64)
        labels = torch.randint(CLASSES, (EXAMPLES,), generator=data)
        self.targets = one_hot(labels, CLASSES).double()
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(INPUTS, WIDTH), nn.Tanh(), nn.Linear(WIDTH, CLASSES)).double()
        self.shapes = {name: parameter.shape for name, parameter in self.model.named_parameters()}

    def loss(self) -> Tensor:
        """½ of the squared distance from the target, the mean over all examples."""
        return self._loss(self.model(self.inputs))

    def spectrum(self) -> Tensor:
        """The eigenvalues of the Hessian, rising. (d,)"""
        theta = torch.cat([parameter.detach().flatten() for parameter in self.model.parameters()])
        return torch.linalg.eigvalsh(hessian_of(self._at)(theta))

    def _at(self, theta: Tensor) -> Tensor:
        parts = theta.split([shape.numel() for shape in self.shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}
        return self._loss(functional_call(self.model, named, (self.inputs,)))

    def _loss(self, outputs: Tensor) -> Tensor:
        return mse_loss(outputs, self.targets) * CLASSES / 2


def run(case: Case) -> dict[str, Any]:
    """A training with its curvature on the way; it ends where it has diverged."""
    bed = Bed(case.seed)
    step = stepper(case, bed)
    first = float(bed.loss().detach())
    points: list[dict[str, float]] = []
    diverged = None
    for number in range(case.steps + 1):
        if number % case.every == 0:
            points.append({"step": number} | measured(case, bed))
        if number < case.steps:
            loss = step()
            if not loss < LOST * first:
                diverged = number + 1
                break
    return vars(case) | {"points": points, "diverged": diverged} | summary(case, points)


def stepper(case: Case, bed: Bed):
    """() → the loss, after a step was made."""
    if case.method == "MeZO":
        opt = MeZO(bed.model.named_parameters(), case.lr, EPSILON, case.probes, seed=case.seed, check_closure=False)
        return lambda: opt.step(bed.loss)
    opt = torch.optim.SGD(bed.model.parameters(), lr=case.lr)

    def step() -> float:
        opt.zero_grad()
        loss = bed.loss()
        loss.backward()
        opt.step()
        return float(loss.detach())

    return step


def measured(case: Case, bed: Bed) -> dict[str, float]:
    """The loss, and the curvature there. `edge` is the largest stable η of MeZO, by the eigenvalues that are not
    negative; 2/norm that of gradient descent."""
    with torch.no_grad():
        loss = float(bed.loss())
    eigenvalues = bed.spectrum()
    edge = stability_limit(eigenvalues.clamp(min=0).flip(0), case.probes, GAUSSIAN)
    return {"loss": loss, "trace": float(eigenvalues.sum()), "norm": float(eigenvalues[-1]), "edge": edge}


def summary(case: Case, points: list[dict[str, float]]) -> dict[str, Any]:
    """Where the loss was least, how far the rate then was from each edge, and the largest ratio of the whole run."""
    best = min(points, key=lambda point: point["loss"])
    return {
        "turn": {
            "step": best["step"],
            "of_the_edge": case.lr / best["edge"],
            "of_the_first_order_edge": case.lr * best["norm"] / 2,
        },
        "most_of_the_edge": max(case.lr / point["edge"] for point in points),
    }


HEAD = f"{'method':18}{'lr':>8}{'n':>4}{'seed':>6}{'least loss':>12}{'at step':>9}{'η/edge':>9}{'ηλ/2':>8}{'end':>22}"


def table_line(row: dict[str, Any]) -> str:
    least = min(point["loss"] for point in row["points"])
    end = f"diverged at {row['diverged']:,}" if row["diverged"] else f"loss {row['points'][-1]['loss']:.2g}"
    turn = row["turn"]
    numbers = f"{turn['step']:>9,}{turn['of_the_edge']:>9.3f}{turn['of_the_first_order_edge']:>8.3f}"
    return f"{row['method']:18}{row['lr']:>8g}{row['probes']:>4}{row['seed']:>6}{least:>12.3g}{numbers}{end:>22}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="three short runs")
    arguments = parser.parse_args()
    sizes = {"inputs": INPUTS, "width": WIDTH, "classes": CLASSES, "examples": EXAMPLES}
    parameters = sum(parameter.numel() for parameter in Bed(0).model.parameters())
    network = sizes | {"activation": "tanh", "loss": "squared error", "parameters": parameters}
    record: dict[str, Any] = {"machine": machine(), "network": network, "epsilon": EPSILON, "runs": []}
    print(HEAD)
    for case in QUICK if arguments.quick else CASES:
        record["runs"].append(run(case))
        print(table_line(record["runs"][-1]), flush=True)
    records.write(record, arguments, "edge_in_training")


if __name__ == "__main__":
    main()
