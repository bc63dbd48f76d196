"""Measurements of a run: ‖g‖, tr H, how often a probe saw no difference, and how small the updates are."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from mezo_lab.optim.arguments import float32
from mezo_lab.optim.engine import Engine
from mezo_lab.optim.notices import Notices
from mezo_lab.optim.parameters import Group
from mezo_lab.optim.rules import Rule, is_linear, window_cost
from mezo_lab.optim.sweeps.pieces import strided_views
from mezo_lab.sampling import Coordinate, Estimate, RunningMoments


@dataclass
class Diagnostics:
    """RunningMoments means over the steps of a run; `clear` resets them.

    A mean over a run is a mean over its points: of ‖g‖² and tr H along the way, not at the last θ.
    """

    squares: RunningMoments = field(default_factory=RunningMoments)
    """pg² of each probe."""
    curvatures: RunningMoments = field(default_factory=RunningMoments)
    """The second difference of each step."""
    steps: int = 0
    """All steps, skipped ones too."""
    skipped: int = 0
    """Steps that moved nothing: a loss was not finite, or the update would have left the range of the dtype."""
    zeros: int = 0
    """Probes that saw no difference."""
    last_loss: float = math.nan
    """The loss of the last step."""

    def update(self, loss: float, projected: Sequence[float], curvature: float | None, *, moved: bool = True) -> None:
        """Add one step. Args: moved: False for a step that was skipped, whatever its projected gradients."""
        self.steps += 1
        self.last_loss = loss
        if not moved or not all(map(math.isfinite, projected)):
            self.skipped += 1
            return
        self.zeros += sum(pg == 0 for pg in projected)
        self.squares.merge(_moments([pg * pg for pg in projected]))
        if curvature is not None:
            self.curvatures.merge(_moments([curvature]))

    def clear(self) -> None:
        """Start again, as after a change of data or of the step size."""
        self.__init__()

    def gradient_norm(self) -> Estimate:
        """‖g‖ as √(mean pg²), exact for isotropic laws as ε→0. Source: claim A9. Raises: ValueError for one probe.

        Of a population only with a baseline: a bare loss over ε, a score and a rank say nothing of ‖g‖.
        """
        self._require("gradient_norm", 2)
        return self.squares.estimate().map(lambda square: math.sqrt(max(square, 0.0)))  # the mean less its error: ≥ 0

    def trace(self) -> Estimate:
        """tr H, from the second differences; needs `centre=True`. Source: claim A10."""
        if not self.curvatures.count:
            raise ValueError("`trace` needs the loss at θ itself, one more forward pass a step: set centre=True.")
        return self.curvatures.estimate()

    def zero_rate(self) -> float:
        """The share of probes that saw no difference, as with accuracies: raise ε, the batch or the probes."""
        return self.zeros / max(1, self.squares.count)

    def signal_to_noise(self, epsilon: float, dtype: torch.dtype = torch.float32) -> float:
        """√(mean pg²) over the rounding of a projected gradient, ulp(L)/(2ε)·√(2/12), for a loss in `dtype`.

        Raises: ValueError before the first probe.
        """
        self._require("signal_to_noise", 1)
        loss = torch.tensor(abs(self.last_loss), dtype=dtype)
        ulp = float(torch.nextafter(loss, torch.tensor(math.inf, dtype=dtype)) - loss)
        return math.sqrt(self.squares.estimate().mean) / (ulp / (2 * epsilon) * math.sqrt(2 / 12))

    def _require(self, name: str, probes: int) -> None:
        if self.squares.count < probes:
            raise ValueError(f"`{name}` needs at least {probes} probes, got {self.squares.count}: make more steps.")


def _moments(values: Sequence[float]) -> RunningMoments:
    """The moments of some numbers. Of one, as of most steps, without tensors, which would cost most of a small step."""
    if len(values) == 1:
        value = values[0]
        return RunningMoments(1, value, (value - value) ** 2, value, value)  # NaN where the value is infinite
    return RunningMoments.of(torch.tensor(values, dtype=torch.float64))


PROBES_SEEN = 20  # before the share of them that saw no difference is judged
ZERO_RATE = 0.3  # a larger share is reported


def warn_of_rounding(notices: Notices, low_precision: str, diagnostics: Diagnostics, groups: Sequence[Group]) -> None:
    """Warn, once each, of half precision without `exact`, of probes that see no difference there, and of lost rates.

    Args: notices: hold "precision" and "zeros" already where the user chose a value of `exact`. low_precision: the
        half-precision dtypes among the weights.
    """
    if low_precision:
        notices.warn_once(
            "precision",
            f"`params` are {low_precision}, where every probe rounds them and small updates are lost: exact=True keeps "
            "θ in float32 beside them; exact=False omits this warning.",
        )
        share = diagnostics.zero_rate()
        if diagnostics.squares.count >= PROBES_SEEN and share > ZERO_RATE:
            notices.warn_once(
                "zeros", f"{share:.0%} of the probes saw no difference: take a larger `epsilon`, or exact=True."
            )
    for group in groups:
        rate = float(group["lr"])
        if rate > 0 and not float32(rate):
            notices.warn_once("rate", f"`lr` is {rate}, which is 0 in float32, and moves nothing: take a larger one.")


def log_window(notices: Notices, engine: Engine, rule: Rule, probes: int) -> None:
    """Log, before the first step, what a long window of a rule is going to cost."""
    if rule.window == 1 or "window" in notices.reported:
        return
    numel = 1 if isinstance(engine.law, Coordinate) else engine.field.numel
    cost = window_cost(rule, probes, numel)
    if cost is None:
        notices.reported.add("window")
    else:
        notices.log_once("window", cost)


class _Stepped(Protocol):
    """What `update_over_spacing` reads of an optimizer."""

    rule: Rule
    _engine: Engine | None


def update_over_spacing(opt: _Stepped) -> float:
    """The rms of the last update over the distance between neighbouring weights: the median over the parameters.

    Below about ½ most of an update would be lost if it were added by itself. Folded into the last move of a probe, as
    in `MeZO`, it arrives on average, beside the drift of the probes; exact=True has neither loss nor drift.
    Formula: √(Σ_j scale_j²), as z has unit variance, over the spacing of the weights' dtype at their rms.
    Cost: a pass over the weights.

    Args: opt: a `MeZO` after a step, with a rule that is a sum of z.
    Raises: ValueError before a step, and for any other rule.

    >>> from mezo_lab.optim import MeZO
    >>> theta = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    >>> opt = MeZO([theta], lr=2**-10, exact=False, law="rademacher")
    >>> _ = opt.step(lambda: theta.float().sum())
    >>> update_over_spacing(opt) < 1
    True
    """
    if not is_linear(opt.rule):
        raise ValueError(f"`rule` must be a sum of z, such as SGD, got {opt.rule}: its update has another length.")
    if opt._engine is None or not opt._engine.last_update[0]:
        raise ValueError("`update_over_spacing` needs an update, and none was made: make a step.")
    field = opt._engine.field
    change, _ = opt._engine.last_update
    rms = [math.sqrt(sum(scales[group] ** 2 for scales in change.values())) for group in range(field.groups)]
    return statistics.median(
        rms[parameter.group] / spacing(tensor)
        for parameter, tensor in zip(field.parameters, field.tensors, strict=True)
    )


def spacing(tensor: Tensor) -> float:
    """The distance from the root mean square of the weights to the next number of their dtype.

    >>> spacing(torch.ones(4, dtype=torch.bfloat16))
    0.0078125
    """
    square = sum(float(part.double().square().sum()) for part, _ in strided_views(tensor.detach()))
    rms = torch.tensor((square / tensor.numel()) ** 0.5, dtype=torch.float64).to(tensor.dtype)
    return float(torch.nextafter(rms, torch.tensor(torch.inf, dtype=tensor.dtype)).double() - rms.double())
