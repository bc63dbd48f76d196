"""θ ← decay·θ + Σ_j scale_j·z_j, in place, for any number of z and with the memory of one chunk.

A *sweep* reads and writes every parameter once and draws its z again from the words; no z is ever stored. Large
parameters go through kernels that `torch.compile` makes of the same few lines (`kernels`); small ones, and machines
without a compiler, run them as they stand (`eager`).
"""

from mezo_lab.sweeps.field import Cost, Field, Parameter, Term

__all__ = ["Cost", "Field", "Parameter", "Term"]
