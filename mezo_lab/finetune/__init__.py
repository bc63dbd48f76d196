"""Fine-tuning of language models with forward passes only: configure, prepare, train, evaluate, record, replay.

A name loads its room when it is first used: `import mezo_lab.finetune` alone loads neither torch nor transformers.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mezo_lab.curvature import projected_gradients, projections
    from mezo_lab.environment.installation import DataNotInstalled, ModelNotInstalled, NotInstalled
    from mezo_lab.finetune.config import RunConfig, from_preset
    from mezo_lab.finetune.data.rows import load_rows, reviews
    from mezo_lab.finetune.data.splits import Splits, draw_splits
    from mezo_lab.finetune.encoding.encoder import Encoder
    from mezo_lab.finetune.encoding.logits import answer_logits
    from mezo_lab.finetune.evaluation.evaluate import evaluate, predictions
    from mezo_lab.finetune.evaluation.scores import NotFinite, Score, difference, mean_score, wilson
    from mezo_lab.finetune.models.loading import LanguageModel, load_model
    from mezo_lab.finetune.models.smollm2 import smollm2
    from mezo_lab.finetune.prepare import RunContext, build_model, prepare_run
    from mezo_lab.finetune.replay import rebuild_model, replay_run, resolve_step
    from mezo_lab.finetune.run import finetune
    from mezo_lab.finetune.run_folder import Stopped, read_run_config
    from mezo_lab.finetune.training.objectives import objective_named, task_loss
    from mezo_lab.finetune.training.trainer import MeZOTrainer
    from mezo_lab.optim import MeZO

_HOMES = {
    "mezo_lab.curvature": ("projected_gradients", "projections"),
    "mezo_lab.environment.installation": ("DataNotInstalled", "ModelNotInstalled", "NotInstalled"),
    "mezo_lab.finetune.config": ("RunConfig", "from_preset"),
    "mezo_lab.finetune.data.rows": ("load_rows", "reviews"),
    "mezo_lab.finetune.data.splits": ("Splits", "draw_splits"),
    "mezo_lab.finetune.encoding.encoder": ("Encoder",),
    "mezo_lab.finetune.encoding.logits": ("answer_logits",),
    "mezo_lab.finetune.evaluation.evaluate": ("evaluate", "predictions"),
    "mezo_lab.finetune.evaluation.scores": ("NotFinite", "Score", "difference", "mean_score", "wilson"),
    "mezo_lab.finetune.models.loading": ("LanguageModel", "load_model"),
    "mezo_lab.finetune.models.smollm2": ("smollm2",),
    "mezo_lab.finetune.prepare": ("RunContext", "build_model", "prepare_run"),
    "mezo_lab.finetune.replay": ("rebuild_model", "replay_run", "resolve_step"),
    "mezo_lab.finetune.run": ("finetune",),
    "mezo_lab.finetune.run_folder": ("Stopped", "read_run_config"),
    "mezo_lab.finetune.training.objectives": ("objective_named", "task_loss"),
    "mezo_lab.finetune.training.trainer": ("MeZOTrainer",),
    "mezo_lab.optim": ("MeZO",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022  in the order of a run
    # configure
    "RunConfig",
    "from_preset",
    # rows and models
    "Splits",
    "draw_splits",
    "load_rows",
    "reviews",
    "LanguageModel",
    "load_model",
    "smollm2",
    # prepare and run
    "RunContext",
    "build_model",
    "prepare_run",
    "finetune",
    "Stopped",
    "NotFinite",
    # train
    "MeZO",
    "MeZOTrainer",
    "objective_named",
    "task_loss",
    # evaluate
    "Encoder",
    "answer_logits",
    "Score",
    "difference",
    "evaluate",
    "predictions",
    "mean_score",
    "wilson",
    # replay
    "read_run_config",
    "rebuild_model",
    "replay_run",
    "resolve_step",
    # compare with gradients
    "projected_gradients",
    "projections",
    # what is missing
    "DataNotInstalled",
    "ModelNotInstalled",
    "NotInstalled",
]


def __getattr__(name: str) -> object:
    """Load a name on its first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
