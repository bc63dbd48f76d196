"""Every task by its name."""

import difflib
from collections.abc import Iterable

from mezo_lab.finetune.tasks.pairs import PAIRS
from mezo_lab.finetune.tasks.questions import QUESTIONS
from mezo_lab.finetune.tasks.single import SINGLE
from mezo_lab.finetune.tasks.superglue import SUPERGLUE
from mezo_lab.finetune.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (*SINGLE, *PAIRS, *SUPERGLUE, *QUESTIONS)}


def task_named(name: str) -> Task:
    """The task of that name.

    Raises: ValueError naming the nearest.

    >>> task_named("sst2").prompt
    '{sentence} It was'
    """
    if name not in TASKS:
        raise ValueError(unknown("task", name, TASKS))
    return TASKS[name]


def unknown(argument: str, name: str, table: Iterable[str]) -> str:
    """One line about a name that `table` has not."""
    names = list(table)
    near = difflib.get_close_matches(str(name), names, n=3) or names
    return f"`{argument}` must be one of the {len(names)} names, got {name!r}: nearest {', '.join(near)}."
