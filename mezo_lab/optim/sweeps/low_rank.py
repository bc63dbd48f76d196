"""The low-rank law: z = UVᵀ/√k for each weight matrix, so that a sweep reads k(m+n) random numbers instead of mn."""

from collections.abc import Sequence

from torch import Tensor

from mezo_lab.optim.sweeps import native, pieces
from mezo_lab.optim.sweeps.noise_field import CACHED, NoiseField
from mezo_lab.optim.sweeps.terms import Cost, KeyedTensor, Term

_Factors = tuple[Tensor, Tensor]  # Uᵀ/√k (k, m) and Vᵀ (k, n), float32


class LowRankField(NoiseField):
    """A field whose z is UVᵀ/√k on every tensor of two dimensions or more, and Gaussian on all others.

    A tensor of more than two dimensions is the matrix (shape[0], rest), as a convolution's kernels are. U and V are the
    first k·m and the next k·n Gaussian coordinates of the tensor's own stream, so they depend on (seed, step, probe,
    tensor key, shape) alone, as every z does. A coordinate is the sum of its k products in float32, in their order, so
    that it has the same bits in whatever pieces a sweep takes the tensor.
    Cost: k(m+n) random numbers for each z of a sweep, and 2k operations for each weight; nothing of the size of a
    matrix is made: beside a chunk there are U and V, for each z of the sweep, of one matrix, or of as many as 8 MiB
    hold. A sweep in C holds them for 64 z at a time, of half-precision weights for all. Torch operations draw them
    again for each piece of the matrix where they are more than 8 MiB, as with the window of `Adam`.

    Args:
        parameters: each tensor once.
        seed: below 2⁶⁴.
        rank: k.
        compiled, groups, cost: as for `NoiseField`; nothing is compiled for a GPU.

    >>> import torch
    >>> theta = torch.zeros(30, 20)
    >>> LowRankField([KeyedTensor(theta, key=7)], seed=0, rank=2).sweep([Term(1, 0, (1.0,))])
    >>> int(torch.linalg.matrix_rank(theta, rtol=1e-5))
    2
    """

    _most_postponed = 64  # terms, of which each has its factors

    def __init__(
        self,
        parameters: Sequence[KeyedTensor],
        seed: int,
        rank: int,
        compiled: bool | None = None,
        *,
        groups: int | None = None,
        cost: Cost | None = None,
    ):
        self.rank = rank
        self._owner = -1  # position of the parameter whose factors are cached
        self._factors: dict[tuple[int, ...], _Factors] = {}  # by stream key
        super().__init__(parameters, "gaussian", seed, compiled, groups=groups, cost=cost)

    def bound_to(self, parameters: Sequence[KeyedTensor]) -> "LowRankField":
        """The same z on other tensors of the same shapes; both count their cost together."""
        return LowRankField(parameters, self.seed, self.rank, self.compiled, groups=self.groups, cost=self.cost)

    def at(self, parameter: int, step: int, probe: int, index: Tensor) -> Tensor:
        """z at flat indices of one parameter. Args: index: int64, on the CPU. Returns: float32, on the CPU."""
        if self.tensors[parameter].dim() < 2:
            return super().at(parameter, step, probe, index)
        key = self.keys([Term(step, probe, ())])[0, parameter]
        u, v = self._draw_factors(parameter, key.to("cpu"))
        columns = v.shape[1]
        return _sum_of_products(u[:, index // columns], v[:, index % columns])

    def _in_blocks(self, tensor: Tensor) -> bool:
        return tensor.dim() < 2 and super()._in_blocks(tensor)

    def _suits_kernel(self, tensor: Tensor) -> bool:
        return False

    def _sweeps_in_c(self) -> native.NativeSweeps | None:
        if not self.native:
            return None
        places = [self._place(self.parameters[i]) for i in self.native]
        return native.NativeSweeps(places, self.seed, self.groups, self._native_factors)

    def _place(self, parameter: KeyedTensor) -> native.Place:
        if parameter.tensor.dim() < 2:
            return native.Place(parameter, native.LAWS[self.law])
        columns = parameter.tensor.numel() // len(parameter.tensor)
        return native.Place(parameter, native.LOW_RANK, columns, self.rank)

    def _native_factors(self, number: int, step: int, probe: int) -> Tensor:
        parameter = self.parameters[self.native[number]]
        rows = len(parameter.tensor)
        shape = (rows, parameter.tensor.numel() // rows)
        return native.factors(self.seed, step, probe, parameter.key, shape, self.rank)

    def _draw_strided(self, parameter: int, view: Tensor, start: int, keys: Tensor) -> Tensor:
        if self.tensors[parameter].dim() < 2:
            return super()._draw_strided(parameter, view, start, keys)
        u, v = self._cached_factors(parameter, keys[parameter].to(view.device))
        columns = v.shape[1]
        row, column = divmod(start, columns)
        if view.numel() < columns:  # a part of one row
            z = _sum_of_products(u[:, row, None], v[:, column : column + view.numel()])
        else:
            rows = view.numel() // columns
            z = _sum_of_products(u[:, row : row + rows, None], v[:, None])  # (rows, columns)
        return z.view(view.shape)

    def _cached_factors(self, parameter: int, key: Tensor) -> _Factors:
        """U and V, drawn once for all pieces of a parameter."""
        if parameter != self._owner:
            self._owner = parameter
            self._factors = {}
        address = tuple(key.tolist())
        if address not in self._factors:
            while self._factors and (len(self._factors) + 1) * self._factor_numbers(parameter) > CACHED:
                oldest = next(iter(self._factors))
                del self._factors[oldest]
            self._factors[address] = self._draw_factors(parameter, key)
        return self._factors[address]

    def _draw_factors(self, parameter: int, key: Tensor) -> _Factors:
        """U/√k and V of one z, on the device of its key."""
        rows = len(self.tensors[parameter])
        count = self._factor_numbers(parameter)
        if self.native and key.device.type == "cpu":
            flat = native.draw_flat(self.law, key, count)
        else:
            flat = pieces.draw_flat(count, key, self.law)
        numbers = flat.view(-1, self.rank)  # (m+n, k)
        return (numbers[:rows] * self.rank**-0.5).T.contiguous(), numbers[rows:].T.contiguous()

    def _factor_numbers(self, parameter: int) -> int:
        # k(m+n)
        rows = len(self.tensors[parameter])
        return self.rank * (rows + self.tensors[parameter].numel() // rows)

    def _words_of(self, parameter: int) -> int:
        if self.tensors[parameter].dim() < 2:
            return super()._words_of(parameter)
        return 2 * -(-self._factor_numbers(parameter) // self.coordinates.per_block)


def _sum_of_products(u: Tensor, v: Tensor) -> Tensor:
    """Σ_a u_a·v_a over the first axis, term by term: each operation is rounded by itself, whatever the shapes."""
    total = u[0] * v[0]
    for a in range(1, len(u)):
        total += u[a] * v[a]
    return total
