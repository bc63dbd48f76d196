"""What weights gain over others on the same texts, with paired intervals."""

import math
from typing import Any

import torch

from mezo_lab.finetune import difference, mean_score
from mezo_lab.finetune.evaluation.scores import Z95, Score


def compared(state: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """The gains of a state over another on the same texts: [mean, low, high] of a paired 95 % interval.

    Args: both with the record's answers, "own" and "other", and the losses, "text".
    """
    gains = {name: list(difference(_score(state[name]), _score(start[name]))) for name in ("own", "other")}
    gaps = torch.tensor(state["text"], dtype=torch.float64) - torch.tensor(start["text"], dtype=torch.float64)
    half = Z95 * float(gaps.std()) / math.sqrt(len(gaps))
    return {**gains, "text": [float(gaps.mean()) - half * sign for sign in (0, 1, -1)]}


def _score(bits: str) -> Score:
    return mean_score("accuracy", [float(bit) for bit in bits])
