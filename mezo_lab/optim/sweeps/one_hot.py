"""The coordinate law: z = ±√d·e_i, so a sweep moves a single number."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mezo_lab.optim.noise import stream_keys, tensor_key, threefry
from mezo_lab.optim.sweeps.field import Field, Parameter, Term

SPIKE = tensor_key("one coordinate of all parameters")


class OneHot(Field):
    """A field whose z is ±√d at one coordinate of all, chosen by the words of (seed, step, probe).

    Unlike the other laws it depends on which parameters are here: i is uniform over those that move.
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int):
        super().__init__(parameters, "gaussian", seed, compiled=False)  # the law of the words does not matter
        self.strided = list(range(len(self.tensors)))  # any strides: what is looked up is one place

    def over(self, parameters: Sequence[Parameter]) -> "OneHot":
        """The same z on other tensors of the same shapes; both count their cost together."""
        other = OneHot(parameters, self.seed)
        other.groups, other.cost = self.groups, self.cost
        return other

    def cut(self, only_rest_of: Sequence[int] = (), chunk: int = 0) -> list:
        return []

    def words(self) -> int:
        return 2

    def spike(self, term: Term) -> tuple[int, int, int]:
        """(parameter, flat index, sign) of the one coordinate."""
        key = stream_keys(self.seed, term.step, term.probe, [SPIKE])
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

    def draw_anywhere(self, parameter: int, piece: Tensor, start: int, keys: Tensor) -> Tensor:
        index, sign = keys[parameter].tolist()
        z = torch.zeros(piece.numel(), dtype=torch.float32, device=piece.device)
        if start <= index < start + piece.numel():
            z[index - start] = sign * self.numel**0.5
        return z.view(piece.shape)
