"""The counter of live bytes counts, and has no part in what it counts."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COUNT = """
import sys
import torch
from mezo_lab.environment.storages import LiveStorages
with LiveStorages() as live:
    torch.zeros(256).square()
print(live.peak, "torch._dynamo" in sys.modules)
"""


def test_bytes_are_counted_without_torch_s_compiler_whose_import_takes_a_second():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["2048", "False"], done.stderr
