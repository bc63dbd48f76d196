"""Disjoint sets of rows: to train on, to validate by, and to report a score of."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks.task import Task

__all__ = ["Splits", "draw_splits"]

TRAIN = 1000  # examples of all classes together, as for OPT (Appendix E)
TEST = 1000


@dataclass(frozen=True)
class Splits:
    """The examples of a run, in random order."""

    train: tuple[Row, ...]
    """Rows to learn from."""
    validation: tuple[Row, ...]
    """Rows by which settings and checkpoints are chosen."""
    test: tuple[Row, ...]
    """Rows whose score is reported."""

    def __str__(self) -> str:
        return f"{len(self.train):,} train, {len(self.validation):,} validation, {len(self.test):,} test"


def draw_splits(
    task: Task,
    train_rows: Sequence[Row],
    *,
    shots: int | None = None,
    train: int | None = None,
    validation: int | None = None,
    test: int | None = None,
    seed: int,
    test_rows: Sequence[Row] | None = None,
) -> Splits:
    """Draw the three sets; no text stands in two of them, or twice in one.

    Source: paper, Section 3 and Appendix E: k examples of each class to train and as many to validate (RoBERTa), or
    1,000 and 500 of all (OPT), and at most 1,000 to test.
    Assumes: texts that differ only in spaces and capitals are the same; the first row with a text is kept.
    The test set depends on its rows and on `test` alone: runs of any seed, shots or method are compared on the same
    examples, and a smaller test set is part of a larger one.
    Cost: every row is read twice; some 20 µs a row.

    Args:
        task: the task that reads the rows; rows without a label are left out.
        train_rows: rows to train on and to validate by and, without `test_rows`, to test on.
        shots: training examples of each class.
        train: training examples of all classes together. Without `shots` and `train`: half of the rows that are left,
            1,000 at most, or all but those of `validation`.
        validation: validation examples, drawn as the data have them; None is as many as there are for training, and
            `shots` of each class where that is given.
        test: test examples, or all of `test_rows` if these are fewer. None is 1,000 at most; without `test_rows` also
            a fifth of the rows at most.
        seed: fixes the training and validation examples through a private generator; the test examples do not depend
            on it.
        test_rows: rows of another file or split; a training row with the text of a test example is left out.

    Raises: ValueError for sizes that the rows cannot fill, one class only, or a label that is none (its row is named).

    >>> from mezo_lab.finetune.tasks import task_named
    >>> rows = [{"text": f"film {number}", "label": number % 2} for number in range(100)]
    >>> print(draw_splits(task_named("rotten-tomatoes"), rows, shots=16, test=20, seed=0))
    32 train, 32 validation, 20 test
    """
    _check_sizes(task, shots, train, validation, test, seed)
    pool = _distinct(task, train_rows, "train_rows")
    if test_rows is None:
        count = test or min(TEST, max(1, len(pool) // 5))
        held_out = _first(_shuffled(pool.values(), "test"), count, "test")
    else:
        others = _distinct(task, test_rows, "test_rows")
        held_out = _shuffled(others.values(), "test")[: test or TEST]
    rest = _without(task, pool, held_out, seed)
    if test_rows is not None and pool and not rest:
        raise ValueError(
            f"`train_rows` must hold texts that are not in `test_rows`, and all {len(pool):,} are: give other rows, or "
            "leave the test rows out, and some of the others are held out."
        )
    _check_classes(task, rest)
    if shots:
        learned, left = _first_of_each_class(task, rest, shots)
    else:
        count = train or _train_size(len(rest), validation)
        learned = _first(rest, count, "train")
        left = rest[count:]
    if validation is not None:
        # the rows that are left are in the order in which the classes were filled, hence not in random order
        chosen = _first(_shuffled(left, f"validation {seed}"), validation, "validation")
    elif shots:
        chosen, _ = _first_of_each_class(task, left, shots)
    else:
        chosen = _first(left, len(learned), "validation")
    # class by class would be a poor order to learn in
    return Splits(tuple(_shuffled(learned, f"order {seed}")), tuple(chosen), tuple(held_out))


def _train_size(rows: int, validation: int | None) -> int:
    if validation is None:
        validation = rows - rows // 2
    return max(1, min(TRAIN, rows - validation))


def _without(task: Task, pool: dict[tuple[str, ...], Row], held_out: Sequence[Row], seed: int) -> list[Row]:
    """The rows of a pool whose texts are not held out, shuffled."""
    held_texts = {_question(task, row) for row in held_out}
    return _shuffled((row for text, row in pool.items() if text not in held_texts), f"train {seed}")


def _first_of_each_class(task: Task, rows: Sequence[Row], shots: int) -> tuple[list[Row], list[Row]]:
    """The first `shots` rows of each class, class by class, and the rows that are left."""
    by_class: dict[int, list[Row]] = defaultdict(list)
    left: list[Row] = []
    for row in rows:
        same_class = by_class[task.gold(row)]
        if len(same_class) < shots:
            same_class.append(row)
        else:
            left.append(row)
    for label, word in enumerate(task.answers):
        if len(by_class[label]) < shots:
            raise ValueError(
                f"`shots` must leave enough of every class to train and to validate, got {shots} where "
                f"{len(by_class[label])} different rows with label {label} ({word.strip()}) are left: ask for fewer, "
                "or give more rows."
            )
    return [row for label in sorted(by_class) for row in by_class[label]], left


def _first(rows: list[Row], count: int, argument: str) -> list[Row]:
    if count > len(rows):
        raise ValueError(
            f"`{argument}` must be at most the {len(rows)} different rows that are left, got {count}: ask for fewer, "
            "or give more rows."
        )
    return rows[:count]


def _distinct(task: Task, rows: Sequence[Row], argument: str) -> dict[tuple[str, ...], Row]:
    """The rows that have a label, by text; of rows with the same text the first."""
    unlabelled = task.data.unlabelled if task.data else None
    distinct: dict[tuple[str, ...], Row] = {}
    for number, row in enumerate(rows, 1):
        if unlabelled is not None and row[task.label] == unlabelled:
            continue
        try:
            task.gold(row)
            question = _question(task, row)
        except ValueError as error:
            raise ValueError(f"row {number} of `{argument}`: {error}") from None
        distinct.setdefault(question, row)
    return distinct


def _question(task: Task, row: Row) -> tuple[str, ...]:
    """What two rows share that are the same question: the prompt and the options of a choice."""
    options = task.candidates(row) if task.kind == "choice" else ()
    return tuple(" ".join(text.split()).casefold() for text in (task.text(row), *options))


def _shuffled(rows: Iterable[Row], purpose: str) -> list[Row]:
    order = list(rows)
    random.Random(f"mezo_lab {purpose}").shuffle(order)
    return order


def _check_classes(task: Task, rows: Sequence[Row]) -> None:
    if task.kind != "classification":
        return
    labels = {task.gold(row) for row in rows}
    if len(labels) < 2:
        only = "".join(f"only {label} ({task.answers[label].strip()})" for label in labels) or "none"
        raise ValueError(
            f"`train_rows` must hold two labels or more beyond the test set, got {only} in {len(rows)} rows: one class "
            f"alone teaches nothing; look at the column {task.label!r}."
        )


def _check_sizes(
    task: Task, shots: int | None, train: int | None, validation: int | None, test: int | None, seed: int
) -> None:
    if shots is not None and train is not None:
        raise ValueError(f"`shots` or `train` must be given, and not both, got {shots} and {train}: choose one.")
    if shots is not None and task.kind != "classification":
        raise ValueError(f"`shots` must be left out for {task.name}, which has no classes, got {shots}: give `train`.")
    sizes = {"shots": (shots, 1), "train": (train, 1), "validation": (validation, 0), "test": (test, 1)}
    for argument, (count, least) in sizes.items():
        if count is not None and count < least:
            raise ValueError(f"`{argument}` must be at least {least}, got {count}: ask for more examples.")
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}: give another.")
