"""The low-rank law: z = UVᵀ/√k for each weight matrix, so that a sweep reads k(m+n) random numbers instead of mn."""

from collections.abc import Sequence

from torch import Tensor

from mezo_lab.optim.noise import COORDINATES
from mezo_lab.optim.sweeps import eager
from mezo_lab.optim.sweeps.field import KEPT, Field, Parameter, Term

Factors = tuple[Tensor, Tensor]  # Uᵀ/√k (k, m) and Vᵀ (k, n), float32


class LowRank(Field):
    """A field whose z is UVᵀ/√k on every tensor of two dimensions or more, and Gaussian on all others.

    A tensor of more than two dimensions is the matrix (shape[0], rest), as a convolution's kernels are. U and V are the
    first k·m and the next k·n Gaussian coordinates of the tensor's own stream, so they depend on (seed, step, probe,
    tensor key, shape) alone, as every z does. A coordinate is the sum of its k products in float32, in their order, so
    that it has the same bits in whatever pieces a sweep takes the tensor.
    Cost: k(m+n) random numbers for each z of a sweep, and 2k operations for each weight; nothing of the size of a
    matrix is made: beside a chunk there are U and V of one matrix, for each z of the sweep. Where those are more than
    8 MiB, as with the window of `Adam`, they are drawn again for each piece of the matrix.

    Args: parameters: each tensor once. seed: below 2⁶⁴. rank: k.

    >>> import torch
    >>> theta = torch.zeros(30, 20)
    >>> LowRank([Parameter(theta, key=7)], seed=0, rank=2).sweep([Term(1, 0, (1.0,))])
    >>> int(torch.linalg.matrix_rank(theta, rtol=1e-5))
    2
    """

    def __init__(self, parameters: Sequence[Parameter], seed: int, rank: int):
        self.rank = rank
        self.owner, self.factors = -1, dict[tuple[int, ...], Factors]()  # of the parameter that a sweep is at
        super().__init__(parameters, "gaussian", seed, compiled=False)

    def over(self, parameters: Sequence[Parameter]) -> "LowRank":
        """The same z on other tensors of the same shapes; both count their cost together."""
        other = LowRank(parameters, self.seed, self.rank)
        other.groups, other.cost = self.groups, self.cost
        return other

    def in_blocks(self, tensor: Tensor) -> bool:
        return tensor.dim() < 2 and super().in_blocks(tensor)

    def at(self, parameter: int, step: int, probe: int, index: Tensor) -> Tensor:
        """z at flat indices of one parameter. Args: index: int64, on the CPU. Returns: float32, on the CPU."""
        if self.tensors[parameter].dim() < 2:
            return super().at(parameter, step, probe, index)
        key = self.keys([Term(step, probe, ())])[0, parameter]
        u, v = self.drawn_factors(parameter, key.to("cpu"))
        columns = v.shape[1]
        return total(u[:, index // columns], v[:, index % columns])

    def draw_anywhere(self, parameter: int, piece: Tensor, start: int, keys: Tensor) -> Tensor:
        if self.tensors[parameter].dim() < 2:
            return super().draw_anywhere(parameter, piece, start, keys)
        u, v = self.kept_factors(parameter, keys[parameter].to(piece.device))
        row, column = divmod(start, v.shape[1])
        if piece.numel() < v.shape[1]:  # a part of one row
            return total(u[:, row, None], v[:, column : column + piece.numel()]).view(piece.shape)
        rows = piece.numel() // v.shape[1]
        return total(u[:, row : row + rows, None], v[:, None]).view(piece.shape)

    def kept_factors(self, parameter: int, key: Tensor) -> Factors:
        """U and V, drawn once for all pieces of a parameter."""
        if parameter != self.owner:
            self.owner, self.factors = parameter, {}
        address = tuple(key.tolist())
        if address not in self.factors:
            numbers = self.numbers(parameter)
            while self.factors and (len(self.factors) + 1) * numbers > KEPT:
                self.factors.pop(next(iter(self.factors)))  # the oldest
            self.factors[address] = self.drawn_factors(parameter, key)
        return self.factors[address]

    def drawn_factors(self, parameter: int, key: Tensor) -> Factors:
        """U/√k and V of one z, on the device of its key."""
        rows = len(self.tensors[parameter])
        numbers = eager.draw_whole(self.numbers(parameter), key, self.law).view(-1, self.rank)
        return (numbers[:rows] * self.rank**-0.5).T.contiguous(), numbers[rows:].T.contiguous()

    def numbers(self, parameter: int) -> int:
        """k(m+n)."""
        rows = len(self.tensors[parameter])
        return self.rank * (rows + self.tensors[parameter].numel() // rows)

    def words(self) -> int:
        per_block = COORDINATES[self.law].per_block
        matrices = {i for i, tensor in enumerate(self.tensors) if tensor.dim() >= 2}
        return super().words(without=matrices) + sum(2 * -(-self.numbers(i) // per_block) for i in matrices)


def total(u: Tensor, v: Tensor) -> Tensor:
    """Σ_a u_a·v_a over the first axis, term by term: each operation is rounded by itself, whatever the shapes."""
    found = u[0] * v[0]
    for a in range(1, len(u)):
        found = found + u[a] * v[a]
    return found
