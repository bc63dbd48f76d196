"""The paper's tasks and settings, as data; and tasks of one's own."""

from mezo_lab.finetune.tasks.custom import custom_task
from mezo_lab.finetune.tasks.presets import PRESETS, Preset, preset_named
from mezo_lab.finetune.tasks.registry import TASKS, task_named
from mezo_lab.finetune.tasks.task import Data, Task

__all__ = ["PRESETS", "TASKS", "Data", "Preset", "Task", "custom_task", "preset_named", "task_named"]
