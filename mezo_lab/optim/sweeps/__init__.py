"""θ ← decay·θ + Σ_j scale_j·z_j, in place, for any number of z and with the memory of one chunk.

A *sweep* reads and writes every parameter once and draws its z again from the words; no z is ever stored. Large
parameters go through kernels that `torch.compile` makes of the same few lines (`kernels`); small ones, and machines
without a compiler, run them as they stand (`eager`).
"""

from mezo_lab.optim.sweeps.eager import Pass
from mezo_lab.optim.sweeps.field import Cost, Field, Parameter, Term
from mezo_lab.optim.sweeps.low_rank import LowRank
from mezo_lab.optim.sweeps.one_hot import OneHot
from mezo_lab.optim.sweeps.progress import Progress

__all__ = ["Cost", "Field", "LowRank", "OneHot", "Parameter", "Pass", "Progress", "Term"]
