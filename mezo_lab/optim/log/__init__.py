"""The run log: a header, the projected gradients and learning rates of each step, and what happened between.

With one seed per run, a step of MeZO is a scalar (Malladi et al. 2023, §2.1: "20,000 steps × 2 bytes < 0.1 MB"); with
the float32 of that scalar, the learning rate and the checksums it is still below 5 bytes, measured in `LogWriter`.

`RunLog` (`run_log`) writes the steps of an optimizer as it makes them, and `replay` rebuilds the weights from them.
Below these lie, from the bottom: `rates` and `format`, what the bytes mean; `file`, how they reach the disk; `reader`
and `writer`, which know nothing of an optimizer; `verify`, whether the contents make sense; `resume`, how a run that
continues finds its log.
"""

from mezo_lab.optim.fingerprint import fingerprint, weights_hash
from mezo_lab.optim.log.format import Event, LogError, StepRecord
from mezo_lab.optim.log.reader import VerifiedLog, read_log
from mezo_lab.optim.log.replay import replay
from mezo_lab.optim.log.run_log import RunLog
from mezo_lab.optim.log.writer import LogWriter

__all__ = [
    "Event",
    "LogError",
    "LogWriter",
    "RunLog",
    "StepRecord",
    "VerifiedLog",
    "fingerprint",
    "read_log",
    "replay",
    "weights_hash",
]
