"""Real models on real text: load, ask, train, judge.

`MeZOTrainer` loads transformers' Trainer when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from mezo_lab.finetune.data import Review, reviews
from mezo_lab.finetune.load import Loaded, load_model
from mezo_lab.finetune.models import smollm2
from mezo_lab.finetune.probes import projected_gradients, projections
from mezo_lab.finetune.prompts import classification_loss
from mezo_lab.finetune.wheels import DataNotInstalled, ModelNotInstalled, NotInstalled
from mezo_lab.optim import MeZO

if TYPE_CHECKING:
    from mezo_lab.finetune.trainer import MeZOTrainer

__all__ = [
    "DataNotInstalled",
    "Loaded",
    "MeZO",
    "MeZOTrainer",
    "ModelNotInstalled",
    "NotInstalled",
    "Review",
    "classification_loss",
    "load_model",
    "projected_gradients",
    "projections",
    "reviews",
    "smollm2",
]


def __getattr__(name: str) -> Any:
    if name == "MeZOTrainer":
        from mezo_lab.finetune.trainer import MeZOTrainer

        return MeZOTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
