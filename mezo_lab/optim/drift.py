"""The drift meter: how far rounding has carried the weights from where exact arithmetic would have put them."""

import math

import torch
from torch import Tensor

from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.rules import is_linear
from mezo_lab.sampling import Estimate, RunningMoments

_RARE = 100  # a sample of less than this part of a tensor may hold an index twice


class DriftMeter:
    """Follows a sample of the weights in float64.

    Claim: z can be drawn at single coordinates, so that a few thousand of them show what happens to all.
    Cost: `follow` draws z for the sample only, once a step.

    Args:
        opt: between two steps, with a rule that is a sum of z.
        coordinates: about how many to follow. Default 16,384.
        seed: of the sample. Default 0.

    Attributes:
        places: flat indices of the sample in each trainable tensor.
        ideal: the sampled weights in exact arithmetic, float64.

    Raises: ValueError for a rule that is not a sum of z.

    >>> theta = torch.nn.Parameter(torch.full((100,), 0.02, dtype=torch.bfloat16))
    >>> opt = MeZO([theta], lr=1e-6, exact=False)
    >>> meter = DriftMeter(opt)
    >>> for _ in range(100):
    ...     _ = opt.step(lambda: 0.0)  # no slope, so that nothing should move
    ...     meter.follow()
    >>> meter.drift() > 0.01
    True
    """

    def __init__(self, opt: MeZO, coordinates: int = 1 << 14, seed: int = 0):
        if not is_linear(opt.rule):
            raise ValueError(f"`opt` must have a rule that is a sum of z, got {opt.rule}: measure with SGD instead.")
        opt.flush()
        self.opt = opt
        field = opt._current_engine().field
        generator = torch.Generator().manual_seed(seed)
        share = coordinates / field.numel
        self.places = [_sample(tensor.numel(), share, generator) for tensor in field.tensors]
        self.ideal = self._stored()

    def follow(self) -> None:
        """Make the step that the optimizer has just made, without rounding."""
        engine = self.opt._current_engine()
        change, decay = engine.last_update
        field = engine.field
        for i, (parameter, places) in enumerate(zip(field.parameters, self.places, strict=True)):
            if decay:
                self.ideal[i] *= decay[parameter.group]
            for (step, stream), scales in change.items():
                self.ideal[i] += scales[parameter.group] * field.at(i, step, stream, places).double()

    def drift(self) -> float:
        """rms(weights − ideal)/rms(ideal), after a flush."""
        return self.estimate().mean

    def estimate(self) -> Estimate:
        """The drift with its standard error: the sampled weights drift independently of each other."""
        self.opt.flush()
        ideal = torch.cat(self.ideal)
        squares = RunningMoments.of((torch.cat(self._stored()) - ideal).square()).estimate()
        drift = math.sqrt(squares.mean)
        error = squares.standard_error / (2 * drift) if drift else 0.0  # through the slope of the root
        scale = math.sqrt(float(ideal.square().mean()))
        return Estimate(drift / scale, error / scale, squares.count)

    def _stored(self) -> list[Tensor]:
        """The stored weights at the sampled places, float64, on the CPU."""
        tensors = self.opt._current_engine().field.tensors
        return [_at(tensor, places).double().cpu() for tensor, places in zip(tensors, self.places, strict=True)]


def _sample(numel: int, share: float, generator: torch.Generator) -> Tensor:
    """Flat indices, each once where they are many; where they are few, one that occurs twice is rare."""
    count = min(numel, max(1, round(numel * share)))
    if count > numel / _RARE:
        return torch.randperm(numel, generator=generator)[:count]
    return torch.randint(numel, (count,), generator=generator)


def _at(tensor: Tensor, places: Tensor) -> Tensor:
    """The elements at flat indices, whatever the strides."""
    if tensor.dim() == 0:
        return tensor.expand(len(places))
    return tensor[torch.unravel_index(places.to(tensor.device), tensor.shape)]
