"""Counter-based random words: f(seed, step, probe, tensor key, flat index), and nothing else.

No generator object and no state: any coordinate of any z can be computed at any time, alone or with others, and is
always the same. Words come from Threefry2x32-20 (`threefry`), streams of them from addresses (`streams`), coordinates
from words (`coordinates`).
"""

from mezo_lab.optim.noise.coordinates import COORDINATES, Coordinates, coordinates_named
from mezo_lab.optim.noise.streams import coordinates_at, stream_keys, tensor_key
from mezo_lab.optim.noise.threefry import threefry

__all__ = [
    "COORDINATES",
    "Coordinates",
    "coordinates_at",
    "coordinates_named",
    "stream_keys",
    "tensor_key",
    "threefry",
]
