"""The scores of a model before its first step, kept in the folder of the run for the comparison at its end."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mezo_lab.finetune.config import START, first_process, write_whole
from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.endings import Say, counted
from mezo_lab.finetune.evaluation.evaluate import evaluate
from mezo_lab.finetune.evaluation.scores import Score, from_record, record


def score_before_training(name: str, out: Path, model: Any, encoder: Encoder, rows: Sequence[Row], say: Say) -> Score:
    """The score of the model before its first step; a resumed run reads the one that it found at its start.

    Args: name: "validation" or "test". model: as it was before anything of it is trained, without adapters.
    """
    kept = _kept(out)
    if name in kept and len(kept[name].each) == len(rows):
        return kept[name]
    found = evaluate(model, encoder, rows, progress=counted(say, f"{name} before the first step"))
    say(f"before the first step  {name} {found}")
    if first_process():
        scores = {each: record(score) for each, score in (kept | {name: found}).items()}
        write_whole(out / START, json.dumps(scores, indent=1) + "\n")
    return found


def _kept(out: Path) -> dict[str, Score]:
    try:
        return {name: from_record(score) for name, score in json.loads((out / START).read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):  # found again, at the same weights
        return {}
