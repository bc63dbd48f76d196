"""What all parts share: where they run, at which size, and how a part says that it cannot run."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class LeftOut(Exception):
    """A part, or one row of it, does not run here; the message is the reason."""


@dataclass(frozen=True)
class Setting:
    """Where and at which size everything runs."""

    device: str
    toy: bool
    """Whether all sizes are tiny: to try the script, not to measure with it."""
    rounds: int
    cache: Path
    """A folder that no compiler has written to before."""

    def sized(self, real: Any, toy: Any) -> Any:
        return toy if self.toy else real

    @property
    def compiled(self) -> bool:
        """Whether to insist on compiled sweeps, whatever the size."""
        return not self.toy


@dataclass(frozen=True)
class Part:
    """A piece of the record that stands or fails alone."""

    name: str
    kind: str
    """What fields it has: those of all parts of its kind."""
    share: float
    """Seconds, of all that are allowed; what is not used is left to the parts behind it."""
    run: Callable[[Setting, float], dict[str, Any]]
    """(setting, deadline on `time.monotonic`) → the fields."""


def seconds_to(deadline: float) -> float:
    """Seconds that are left. Raises: LeftOut where there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise LeftOut("its time was spent before it began")
    return left


def environment() -> dict[str, str]:
    """The variables of this process, for another that imports this checkout."""
    found = os.environ.get("PYTHONPATH", "")
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), found]))}


def reason(error: BaseException) -> str:
    """What an exception says, on one line and without the folders of the machine."""
    kind = "" if isinstance(error, LeftOut) else f"{type(error).__name__}: "
    said = " ".join(f"{kind}{error}".split())
    for place in (str(ROOT), str(Path.home()), tempfile.gettempdir()):
        said = said.replace(place, "…")
    return said[:300]
