"""What the numbers of a run say of its loss: ‖g‖, tr H, how often nothing was seen, and how small the steps are."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from mezo_lab.optim.engine import Engine
from mezo_lab.optim.layout import spacing
from mezo_lab.optim.rules import Rule
from mezo_lab.sampling import Estimate, RunningMoments


@dataclass
class Diagnostics:
    """Running means over the steps of a run; forget them with `clear`.

    A mean over a run is one over its points: of ‖g‖² and tr H along the way, not at the last θ.
    """

    squares: RunningMoments = field(default_factory=RunningMoments)  # pg² of each probe
    curvatures: RunningMoments = field(default_factory=RunningMoments)  # second difference of each step
    steps: int = 0
    skipped: int = 0
    zeros: int = 0
    last_loss: float = math.nan

    def see(self, loss: float, projected: Sequence[float], curvature: float | None, moved: bool = True) -> None:
        """Take in one step. Args: moved: False for a step that was skipped whatever its projected gradients."""
        self.steps += 1
        self.last_loss = loss
        if not moved or not all(map(math.isfinite, projected)):
            self.skipped += 1
            return
        self.zeros += sum(pg == 0 for pg in projected)
        self.squares.add(torch.tensor(projected, dtype=torch.float64).square())
        if curvature is not None:
            self.curvatures.add(torch.tensor([curvature], dtype=torch.float64))

    def clear(self) -> None:
        """Start again, as after a change of data or of the step size."""
        self.__init__()

    def gradient_norm(self) -> Estimate:
        """‖g‖ as √(mean pg²), exact for isotropic laws as ε→0. Source: claim A9. Raises: ValueError for one probe."""
        self.needs("gradient_norm", 2)
        return self.squares.estimate().map(lambda square: math.sqrt(max(square, 0.0)))  # the mean less its error: ≥ 0

    def trace(self) -> Estimate:
        """tr H, from the second differences; needs `centre=True`. Source: claim A10."""
        if not self.curvatures.count:
            raise ValueError("`trace` needs the loss at θ itself, one more forward pass a step: ask for centre=True.")
        return self.curvatures.estimate()

    def needs(self, name: str, probes: int) -> None:
        if self.squares.count < probes:
            raise ValueError(f"`{name}` needs {probes} probes at least, got {self.squares.count}: make more steps.")

    def zero_rate(self) -> float:
        """The share of probes that saw no difference, as accuracies often do not: raise ε, the batch or the probes."""
        return self.zeros / self.squares.count if self.squares.count else 0.0

    def signal_to_noise(self, epsilon: float, dtype: torch.dtype = torch.float32) -> float:
        """√(mean pg²) over the rounding of a projected gradient, ulp(L)/(2ε)·√(2/12), for a loss in `dtype`.

        Raises: ValueError before the first probe.
        """
        self.needs("signal_to_noise", 1)
        loss = torch.tensor(abs(self.last_loss), dtype=dtype)
        ulp = float(torch.nextafter(loss, torch.tensor(math.inf, dtype=dtype)) - loss)
        return math.sqrt(self.squares.estimate().mean) / (ulp / (2 * epsilon) * math.sqrt(2 / 12))


def update_over_spacing(rule: Rule, engine: Engine | None) -> float:
    """The rms of the last update over the distance between neighbouring weights: the median over the parameters.

    Formula: √(Σ_j scale_j²), as z has unit variance, over the spacing of the weights' dtype at their rms. Below about
    ½ most of an update would be lost if it were added by itself; folded into a probe's last move, as here, it arrives
    on average, beside the drift of the probe's walk. exact=True has neither loss nor drift.
    Cost: a pass over the weights. Raises: ValueError before a step, and for a rule that is no sum of z.
    """
    if type(rule).moving is not Rule.moving:
        raise ValueError(f"`rule` must be a sum of z, such as SGD, got {rule}: its update has another length.")
    if engine is None or not engine.last[0]:
        raise ValueError("`update_over_spacing` needs an update, and none was made: make a step.")
    field, change = engine.field, engine.last[0]
    rms = [math.sqrt(sum(scales[group] ** 2 for scales in change.values())) for group in range(field.groups)]
    found = [rms[p.group] / spacing(tensor) for p, tensor in zip(field.parameters, field.tensors, strict=True)]
    return statistics.median(found)
