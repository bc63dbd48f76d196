"""The run log: a header, the projected gradients and learning rates of each step, and what happened between.

With one seed per run, a step of MeZO is a scalar (Malladi et al. 2023, §2.1: "20,000 steps × 2 bytes < 0.1 MB"); with
the float32 of that scalar, the learning rate and the checksums it is still below 5 bytes, measured in `LogWriter`.
`LogWriter` writes, `read_log` verifies and then reads, `check_model` and `weights_hash` tell whether the weights are
the right ones. Frames and checksums lie in `frames`, what they carry in `records` and `rates`.
"""

from mezo_lab.optim.log.fingerprint import check_model, fingerprint, weights_hash
from mezo_lab.optim.log.frames import LogError
from mezo_lab.optim.log.reader import Log, read_log
from mezo_lab.optim.log.records import Event, StepRecord
from mezo_lab.optim.log.writer import LogWriter

__all__ = [
    "Event",
    "Log",
    "LogError",
    "LogWriter",
    "StepRecord",
    "check_model",
    "fingerprint",
    "read_log",
    "weights_hash",
]
