"""Real models on real text: load, ask, train, judge.

`MeZOTrainer` loads transformers' Trainer when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from mezo_lab.curvature import projected_gradients, projections
from mezo_lab.environment.installation import DataNotInstalled, ModelNotInstalled, NotInstalled
from mezo_lab.finetune.data.rows import reviews
from mezo_lab.finetune.models.loading import LanguageModel, load_model
from mezo_lab.finetune.models.smollm2 import smollm2
from mezo_lab.finetune.training.objectives import task_loss
from mezo_lab.optim import MeZO

if TYPE_CHECKING:
    from mezo_lab.finetune.training.trainer import MeZOTrainer

__all__ = [
    "DataNotInstalled",
    "LanguageModel",
    "MeZO",
    "MeZOTrainer",
    "ModelNotInstalled",
    "NotInstalled",
    "load_model",
    "projected_gradients",
    "projections",
    "reviews",
    "smollm2",
    "task_loss",
]


def __getattr__(name: str) -> Any:
    if name == "MeZOTrainer":
        from mezo_lab.finetune.training.trainer import MeZOTrainer

        return MeZOTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
