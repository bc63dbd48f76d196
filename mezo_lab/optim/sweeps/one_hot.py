"""The coordinate law: z = ±√d·e_i, so a sweep moves a single number."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mezo_lab.optim.noise import stream_keys, tensor_key, threefry
from mezo_lab.optim.sweeps.noise_field import NoiseField
from mezo_lab.optim.sweeps.terms import Cost, KeyedTensor, Term

_SPIKE_KEY = tensor_key("one coordinate of all parameters")


class OneHotField(NoiseField):
    """A field whose z is ±√d at one coordinate of all, chosen by the words of (seed, step, probe).

    Unlike the other laws it depends on which parameters are here: i is uniform over those that are trained.

    Args: parameters: each tensor once. seed: below 2⁶⁴. groups, cost: as for `NoiseField`.
    """

    def __init__(
        self, parameters: Sequence[KeyedTensor], seed: int, *, groups: int | None = None, cost: Cost | None = None
    ):
        # the law of the words does not matter
        super().__init__(parameters, "gaussian", seed, compiled=False, groups=groups, cost=cost)

    def bound_to(self, parameters: Sequence[KeyedTensor]) -> "OneHotField":
        """The same z on other tensors of the same shapes; both count their cost together."""
        return OneHotField(parameters, self.seed, groups=self.groups, cost=self.cost)

    def spike(self, term: Term) -> tuple[int, int, int]:
        """(parameter, flat index, sign) of the one coordinate."""
        key = stream_keys(self.seed, term.step, term.probe, [_SPIKE_KEY])
        zero = torch.zeros(1, dtype=torch.int32, device="cpu")
        low, high = (int(word) % 2**32 for word in threefry((key[:, 0], key[:, 1]), (zero, zero)))
        place = ((low >> 1 | high << 31) * self.numel) >> 63  # 63 bits choose the coordinate, one the sign
        for parameter, tensor in enumerate(self.tensors):
            if place < tensor.numel():
                return parameter, place, 1 - 2 * (low & 1)
            place -= tensor.numel()
        raise AssertionError("place < numel")

    def keys(self, terms: Sequence[Term]) -> Tensor:
        """(flat index, sign) in the row of the parameter that holds the spike, (−1, 0) in the others, int64."""
        keys = torch.tensor([-1, 0], device="cpu").repeat(len(terms), len(self.tensors), 1)
        for row, term in zip(keys, terms, strict=True):
            parameter, index, sign = self.spike(term)
            row[parameter] = torch.tensor([index, sign])
        return keys

    def at(self, parameter: int, step: int, probe: int, index: Tensor) -> Tensor:
        """z at flat indices of one parameter. Args: index: int64, on the CPU. Returns: float32, on the CPU."""
        place, sign = self.keys([Term(step, probe, ())])[0, parameter]
        return (index == place).to(torch.float32) * (sign * self.numel**0.5)

    def _in_blocks(self, tensor: Tensor) -> bool:
        return False  # any strides: what is looked up is one place

    def _draw_strided(self, parameter: int, view: Tensor, start: int, keys: Tensor) -> Tensor:
        index, sign = keys[parameter].tolist()
        z = torch.zeros(view.numel(), dtype=torch.float32, device=view.device)
        if start <= index < start + view.numel():
            z[index - start] = sign * self.numel**0.5
        return z.view(view.shape)

    def _words(self) -> int:
        return 2
