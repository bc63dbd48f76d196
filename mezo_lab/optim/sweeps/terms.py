"""What a sweep is given, and what it costs."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KeyedTensor:
    """A tensor that is trained, with the address of its noise."""

    tensor: Tensor
    key: int
    """The key of its noise, of `mezo_lab.optim.noise.tensor_key`."""
    group: int = 0
    """The parameter group whose scales and decay apply."""


@dataclass(frozen=True)
class Term:
    """scale·z(step, probe)."""

    step: int
    probe: int
    scales: tuple[float, ...]
    """One for each parameter group."""


@dataclass
class Cost:
    """What the sweeps so far have cost."""

    sweeps: int = 0
    """Passes over the parameters."""
    words: int = 0
    """Random words drawn, of 32 bits."""
    bytes: int = 0
    """Bytes of the parameters that were read and written."""
