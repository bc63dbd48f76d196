"""Real models on real text: the model, the reviews, the prompt, and the probes that claim D1 measures."""

from mezo_lab.finetune.data import Review, reviews
from mezo_lab.finetune.models import smollm2
from mezo_lab.finetune.probes import projected_gradients, projections
from mezo_lab.finetune.prompts import classification_loss
from mezo_lab.finetune.wheels import DataNotInstalled, ModelNotInstalled, NotInstalled

__all__ = [
    "DataNotInstalled",
    "ModelNotInstalled",
    "NotInstalled",
    "Review",
    "classification_loss",
    "projected_gradients",
    "projections",
    "reviews",
    "smollm2",
]
