"""The drift meter: how far rounding has carried the weights from where exact arithmetic would have put them."""

import torch
from torch import Tensor

from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.rules import Rule


class DriftMeter:
    """Follows a sample of the weights in float64.

    Claim: z can be asked for at single coordinates, so a few thousand of them show what happens to all.
    Cost: `follow` draws z for the sample only, once a step.

    Args: opt: between two steps, with a rule that is a sum of z. coordinates: about how many to follow.

    >>> theta = torch.nn.Parameter(torch.full((100,), 0.02, dtype=torch.bfloat16))
    >>> opt = MeZO([theta], lr=1e-6, exact=False)
    >>> meter = DriftMeter(opt)
    >>> for _ in range(100):
    ...     _ = opt.step(lambda: 0.0)  # no slope, so nothing should move
    ...     meter.follow()
    >>> meter.drift() > 0.01
    True
    """

    def __init__(self, opt: MeZO, coordinates: int = 1 << 14, seed: int = 0):
        if type(opt.rule).moving is not Rule.moving:
            raise ValueError(f"`opt` must have a rule that is a sum of z, got {opt.rule}: measure with SGD instead.")
        opt.flush()
        self.opt, field = opt, opt.ready().field
        generator = torch.Generator().manual_seed(seed)
        self.places = [self.sample(t.numel(), coordinates / field.numel, generator) for t in field.tensors]
        self.ideal = self.stored()

    @staticmethod
    def sample(numel: int, share: float, generator: torch.Generator) -> Tensor:
        count = min(numel, max(1, round(numel * share)))
        return torch.randint(numel, (count,), generator=generator)

    def stored(self) -> list[Tensor]:
        """The weights at the sampled places, float64, on the CPU."""
        tensors = self.opt.ready().field.tensors
        return [at(tensor, place).double().cpu() for tensor, place in zip(tensors, self.places, strict=True)]

    def follow(self) -> None:
        """Make the step that the optimizer has just made, without rounding."""
        engine = self.opt.ready()
        change, decay = engine.last
        field = engine.field
        for i, (parameter, place) in enumerate(zip(field.parameters, self.places, strict=True)):
            if decay:
                self.ideal[i] *= decay[parameter.group]
            for (step, stream), scales in change.items():
                self.ideal[i] += scales[parameter.group] * field.at(i, step, stream, place).double()

    def drift(self) -> float:
        """rms(weights − ideal)/rms(ideal), after a flush."""
        self.opt.flush()
        stored, ideal = torch.cat(self.stored()), torch.cat(self.ideal)
        return float((stored - ideal).norm() / ideal.norm())


def at(tensor: Tensor, place: Tensor) -> Tensor:
    # by logical index, whatever the strides
    return (
        tensor[torch.unravel_index(place.to(tensor.device), tensor.shape)]
        if tensor.dim()
        else tensor.expand(len(place))
    )
