"""The package as a file of the book: a reader installs it, and a downloaded notebook finds it beside itself."""

import os
import subprocess
import sys
from pathlib import Path

from links import ROOT


def write_wheel(folder: Path) -> None:
    """Build the wheel for students, which has no solutions and no exam. Args: folder: where to."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    environment = os.environ | {"MEZO_LAB_WITHOUT_ANSWERS": "1"}
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, env=environment)
