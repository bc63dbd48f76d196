"""θ ← decay·θ + Σ_j scale_j·z_j, in place, for any number of z and with the memory of one chunk.

A *sweep* reads and writes every parameter once and draws its z again from the words; no z is ever stored. A
`NoiseField` (`noise_field`) holds the parameters. On a CPU it hands them to C (`native`, `sweep.c`), on a GPU large
ones to kernels that `torch.compile` makes (`compiled`), and all others, in `pieces`, to a `SweepKernel` of plain torch
operations (`kernels`). `low_rank` and `one_hot` are the fields of two laws with another z; `progress` lets a sweep that
an exception broke off be finished.
"""

from mezo_lab.optim.sweeps.kernels import SweepKernel
from mezo_lab.optim.sweeps.low_rank import LowRankField
from mezo_lab.optim.sweeps.noise_field import COMPILE_FROM, NoiseField
from mezo_lab.optim.sweeps.one_hot import OneHotField
from mezo_lab.optim.sweeps.pieces import CHUNK
from mezo_lab.optim.sweeps.progress import SweepProgress
from mezo_lab.optim.sweeps.terms import Cost, KeyedTensor, Term

__all__ = [
    "CHUNK",
    "COMPILE_FROM",
    "Cost",
    "KeyedTensor",
    "LowRankField",
    "NoiseField",
    "OneHotField",
    "SweepKernel",
    "SweepProgress",
    "Term",
]
