"""What each process runs: torchrun … scenes.py FOLDER BACKEND SCENE…; outcomes go to FOLDER/SCENE.RANK.json."""

import json
import sys
from datetime import timedelta
from pathlib import Path

import agreeing
import failing
import torch
import torch.distributed as distributed
from bed import RANK, WORLD


def main(folder: str, backend: str, *names: str) -> None:
    """One scene after the other, and no more after one that ends rank 1."""
    torch.set_num_threads(1)
    distributed.init_process_group(backend, timeout=timedelta(hours=3))
    for name in names:
        if name == "hangs":  # a group of its own, which gives up long before rank 1 wakes
            distributed.destroy_process_group()
            store = distributed.FileStore(f"{folder}/store", WORLD)
            distributed.init_process_group(
                backend, store=store, rank=RANK, world_size=WORLD, timeout=timedelta(seconds=20)
            )
        scene = getattr(agreeing, name, None) or getattr(failing, name)
        outcome = scene(Path(folder))
        Path(folder, f"{name}.{RANK}.json").write_text(json.dumps(outcome))
        if name in failing.LAST:
            sys.exit("rank 1 is gone")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
