"""A narrow door into a `MeZO`, for experiments that break it on purpose and for those that read θ itself.

A training program needs none of this. A negative control does: the noise of a sound optimizer is replaced by a faulty
one, and a claim must be refuted.
"""

from torch import Tensor

from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.sweeps import NoiseField

__all__ = ["field_in_torch", "noise_field", "theta_of"]


def noise_field(opt: MeZO) -> NoiseField:
    """The field that draws z and sweeps over the weights; a control may replace its methods."""
    return opt._current_engine().field


def field_in_torch(opt: MeZO) -> NoiseField:
    """The field, from here on swept by its definition in torch alone, of which a control may replace any part."""
    field = noise_field(opt)
    field.native = []
    field._native_sweeps = None
    field.rechunk(field._chunk, field._strided_chunk)
    return field


def theta_of(opt: MeZO) -> list[Tensor]:
    """θ of every trainable parameter: in exact mode the float32 copy, of which the stored weights are the rounding."""
    opt.flush()
    return opt._current_engine().weights.theta()
