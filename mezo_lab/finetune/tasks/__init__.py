"""The paper's tasks and settings, as data; and tasks of one's own."""

from mezo_lab.finetune.tasks.custom import chat_task, choice_task, completion_task, custom_task
from mezo_lab.finetune.tasks.presets import PRESETS, Preset, preset_named
from mezo_lab.finetune.tasks.registry import TASKS, task_named
from mezo_lab.finetune.tasks.task import Data, Task

__all__ = [
    "PRESETS",
    "TASKS",
    "Data",
    "Preset",
    "Task",
    "chat_task",
    "choice_task",
    "completion_task",
    "custom_task",
    "preset_named",
    "task_named",
]
