"""What a measurement costs in passes through the model, as planned before it starts and as counted when it is done."""

from dataclasses import dataclass

from torch import Tensor

from mezo_lab.curvature.vectors import Loss

# forward passes that take as many arithmetic operations
BACKWARD = 2
PRODUCT = 6  # a backward pass through the graph of a forward and a backward one


@dataclass(frozen=True)
class PassCount:
    """Passes through a model, each kind in its own number.

    >>> cost = PassCount(forward=802, backward=1, products=20)
    >>> print(cost)
    802 forward passes, 1 backward pass, 20 Hessian-vector products
    >>> cost.equivalent
    924
    """

    forward: int = 0
    """Evaluations of the loss, those of a gradient too."""
    backward: int = 0
    """Backward passes, one for each gradient."""
    products: int = 0
    """Hessian-vector products, each a backward pass through the graph of a gradient."""

    @property
    def equivalent(self) -> int:
        """The forward passes that take as many arithmetic operations: a backward pass 2, a Hessian-vector product 6."""
        return self.forward + BACKWARD * self.backward + PRODUCT * self.products

    def __str__(self) -> str:
        kinds = {"forward pass": self.forward, "backward pass": self.backward, "Hessian-vector product": self.products}
        return ", ".join(_counted(count, kind) for kind, count in kinds.items() if count or kind == "forward pass")


NO_PASSES = PassCount()


class CountedLoss:
    """A loss that counts how often it is evaluated.

    >>> import torch
    >>> loss = CountedLoss(lambda: torch.tensor(1.0))
    >>> _ = loss(), loss()
    >>> loss.passes
    2
    """

    def __init__(self, loss: Loss):
        self._loss = loss
        self.passes = 0

    def __call__(self) -> Tensor:
        self.passes += 1
        return self._loss()


def _counted(count: int, noun: str) -> str:
    """
    >>> _counted(1, "forward pass"), _counted(1_200, "forward pass"), _counted(3, "product")
    ('1 forward pass', '1,200 forward passes', '3 products')
    """
    plural = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{plural * (count != 1)}"
