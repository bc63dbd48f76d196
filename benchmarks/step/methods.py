"""Who steps: the optimizer of this project, what was published, two other packages, and backpropagation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Protocol

import numpy
import torch
from torch import Tensor

from mezo_lab.optim import MeZO
from step.beds import Bed

EPSILON, LR, SEED = 1e-3, 1e-9, 0  # a step so small that the model stays what it is, whoever takes it
WARM_UP = 2  # steps: a fused one takes its final form with the second


class Method(Protocol):
    """One way to take a step."""

    @property
    def sweeps(self) -> float:
        """How often a step changes every parameter."""
        ...

    def step(self) -> None: ...


class TwoForwards:
    """What every step of two probes must pay: its loss, twice."""

    sweeps = 0

    def __init__(self, bed: Bed):
        self.loss = bed.loss

    def step(self) -> None:
        with torch.no_grad():
            float(self.loss())
            float(self.loss())


class Ours:
    """`mezo_lab.MeZO`, three sweeps a step, or two where `fused`. Args: exact, compiled: as there."""

    def __init__(self, bed: Bed, law: str, fused: bool, exact: bool | None = None, compiled: bool | None = None):
        self.loss, self.law, self.sweeps = bed.loss, law, 2 if fused else 3
        own = {"law": law, "seed": SEED, "fused": fused, "exact": exact, "compiled": compiled}
        self.optimizer = MeZO(bed.model.named_parameters(), lr=LR, epsilon=EPSILON, **own)

    def step(self) -> None:
        self.optimizer.step(self.loss)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """θ is left behind. A fused step begins with the update of the one before, so one is made before the turn; an
        exact one begins by reading what others wrote."""
        if self.optimizer.fused or self.optimizer.exact:
            self.step()
        yield
        self.optimizer.flush()


class Published:
    """The sequence of the paper's own trainer, written from its description: four passes, each out of place.

    Every pass seeds the generator of the whole process and draws z again, tensor by tensor.
    """

    sweeps = 4

    def __init__(self, bed: Bed, weight_decay: float = 0.0):
        self.bed, self.weight_decay = bed, weight_decay
        self.names = [name for name, _ in bed.model.named_parameters()]

    def step(self) -> None:
        with torch.no_grad():
            seed = int(numpy.random.randint(1_000_000_000))  # noqa: NPY002  as described: the global generator
            self.perturb(seed, 1)
            loss_plus = self.bed.loss()
            self.perturb(seed, -2)
            loss_minus = self.bed.loss()
            projected = ((loss_plus - loss_minus) / (2 * EPSILON)).item()
            self.perturb(seed, 1)
            self.update(seed, projected)

    def perturb(self, seed: int, scale: float) -> None:
        torch.manual_seed(seed)
        for param in self.bed.parameters:
            param.data = param.data + scale * normal(param) * EPSILON

    def update(self, seed: int, projected: float) -> None:
        torch.manual_seed(seed)
        for name, param in zip(self.names, self.bed.parameters, strict=True):
            z = normal(param)
            decays = not any(word in name for word in ("bias", "layer_norm", "layernorm"))
            slope = projected * z + self.weight_decay * param.data if decays else projected * z
            param.data = param.data - LR * slope


def normal(like: Tensor) -> Tensor:
    return torch.normal(mean=0, std=1, size=like.shape, device=like.device, dtype=like.dtype)


class MezoPackage:
    """`mezo.update`: four passes, gaussian, with a generator of its own."""

    sweeps = 4

    def __init__(self, bed: Bed):
        from mezo import update

        self.count = 0
        self.take = partial(update, bed.model, None, lambda model, inputs: bed.loss(), EPSILON, LR)

    def step(self) -> None:
        self.count += 1
        self.take(random_seed=self.count)


class TorchzeroPackage:
    """`torchzero.m.MeZO` with its own law, rademacher, and without its third loss, which only reports."""

    sweeps = 4  # and a gradient as large as the model, written on the way

    def __init__(self, bed: Bed):
        import torchzero

        mezo = torchzero.m.MeZO(h=EPSILON, return_approx_loss=True)
        self.optimizer = torchzero.Optimizer(bed.parameters, mezo, torchzero.m.LR(LR))
        self.loss = bed.loss

    def step(self) -> None:
        with torch.no_grad():
            self.optimizer.step(lambda backward=True: self.loss())
        self.optimizer.zero_grad()


class Backprop:
    """A torch optimizer on the gradient of one forward and one backward pass."""

    sweeps = 1

    def __init__(self, bed: Bed, optimizer: type[torch.optim.Optimizer]):
        self.bed, self.optimizer = bed, optimizer(bed.parameters, lr=LR)

    def step(self) -> None:
        self.differentiate()
        self.update()

    def differentiate(self) -> None:
        with torch.enable_grad():
            self.bed.loss().backward()

    def update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()


METHODS: dict[str, Callable[[Bed], Method]] = {
    "two forwards": TwoForwards,
    "MeZO rademacher, 2 sweeps": partial(Ours, law="rademacher", fused=True),
    "MeZO rademacher, 3 sweeps": partial(Ours, law="rademacher", fused=False),
    "MeZO gaussian, 2 sweeps": partial(Ours, law="gaussian", fused=True),
    "MeZO gaussian, 3 sweeps": partial(Ours, law="gaussian", fused=False),
    "MeZO low-rank, 2 sweeps": partial(Ours, law="low-rank", fused=True),
    "MeZO low-rank, 3 sweeps": partial(Ours, law="low-rank", fused=False),
    "published sequence": Published,
    "package mezo": MezoPackage,
    "package torchzero": TorchzeroPackage,
    "SGD, backpropagation": partial(Backprop, optimizer=torch.optim.SGD),
    "Adam, backpropagation": partial(Backprop, optimizer=torch.optim.Adam),
}
EAGER = "MeZO rademacher, eager"
WITHOUT_A_COMPILER: dict[str, Callable[[Bed], Method]] = {
    EAGER: partial(Ours, law="rademacher", fused=False, compiled=False),
}
PEERS = {"package mezo": "mezo", "package torchzero": "torchzero"}


def started(bed: Bed) -> tuple[dict[str, Method], dict[str, str]]:
    """Every method that can be had on this bed, and the version of each package or why it did not start."""
    methods, peers = {}, {}
    for name, start in (METHODS | WITHOUT_A_COMPILER if bed.eager else METHODS).items():
        try:
            methods[name] = start(bed)
            if name in PEERS:
                methods[name].step()
                peers[PEERS[name]] = version(PEERS[name])
        except Exception as error:
            if name not in PEERS:
                raise
            methods.pop(name, None)
            peers[PEERS[name]] = f"left out: {type(error).__name__}: {error}"
    return methods, peers
