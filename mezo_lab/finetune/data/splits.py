"""Rows for training, for choosing, and for the last word, which never meet."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mezo_lab.finetune.config import TEST, TRAIN
from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks.task import Task


@dataclass(frozen=True)
class Splits:
    """Rows to learn from, rows to choose settings and checkpoints by, and rows to report."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    test: tuple[Row, ...]

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
    Assumes: texts that differ in nothing but spaces and capitals are the same; the first row with a text is kept.
    The test set depends on its rows and on `test` alone: runs of any seed, shots or method are compared on the same
    examples, and a smaller test set is part of a larger one.
    Cost: every row is read twice; some 20 µs a row.

    Args:
        task: reads the rows; those without a label are left out.
        train_rows: what to train on and to validate by, and, where there are no `test_rows`, to test on.
        shots: examples of each class. train: examples of all classes together. Give one of the two, or none: half of
            the rows that are left, 1,000 at most, or all but those of `validation`.
        validation: examples, drawn as the data have them; None is as many as there are for training, and of each class
            as many where `shots` says so.
        test: examples; all that there are where `test_rows` are fewer. None is 1,000 at most, without `test_rows` a
            fifth of the rows.
        seed: which examples, by a private generator; not which test examples.
        test_rows: from another file or split; a training row with the text of a test example is left out.

    Returns: Splits, each in random order.
    Raises: ValueError for sizes that the rows cannot fill, one class only, or a label that is none (its row is named).

    >>> from mezo_lab.finetune.tasks import task_named
    >>> rows = [{"text": f"film {number}", "label": number % 2} for number in range(100)]
    >>> print(draw_splits(task_named("rotten-tomatoes"), rows, shots=16, test=20, seed=0))
    32 train, 32 validation, 20 test
    """
    check(task, shots, train, validation, test, seed)
    pool = distinct(task, train_rows, "train_rows")
    if test_rows is None:
        few = min(TEST, max(1, len(pool) // 5))
        held_out = drawn(shuffled(pool.values(), "test"), few if test is None else test, "test")
    else:
        held_out = shuffled(distinct(task, test_rows, "test_rows").values(), "test")[: TEST if test is None else test]
    held_texts = {said(task, row) for row in held_out}
    rest = shuffled((row for text, row in pool.items() if text not in held_texts), f"train {seed}")
    if test_rows is not None and pool and not rest:
        raise ValueError(
            f"`train_rows` must hold texts that are not in `test_rows`, and all {len(pool):,} are: give other rows, or "
            "leave the test rows out, and some of the others are held out."
        )
    check_classes(task, rest)
    if shots is None and train is None:
        train = max(1, min(TRAIN, len(rest) // 2 if validation is None else len(rest) - validation))
    learnt, left = of_each_class(task, rest, shots) if shots else (drawn(rest, train or 0, "train"), rest[train:])
    if validation is not None:
        # as they lie, those left begin with the class that was full first, and with nothing else
        chosen = drawn(shuffled(left, f"validation {seed}"), validation, "validation")
    elif shots:
        chosen, _ = of_each_class(task, left, shots)
    else:
        chosen = drawn(left, len(learnt), "validation")
    # of each class in turn would be a poor order to learn in
    return Splits(tuple(shuffled(learnt, f"order {seed}")), tuple(chosen), tuple(held_out))


def of_each_class(task: Task, rows: Sequence[Row], shots: int) -> tuple[list[Row], list[Row]]:
    """The first `shots` rows of each class, and those that are left."""
    taken: dict[int, list[Row]] = defaultdict(list)
    left: list[Row] = []
    for row in rows:
        of_class = taken[task.gold(row)]
        (of_class if len(of_class) < shots else left).append(row)
    for label, word in enumerate(task.answers):
        if len(taken[label]) < shots:
            raise ValueError(
                f"`shots` must leave enough of every class to train and to validate, got {shots} where "
                f"{len(taken[label])} different rows with label {label} ({word.strip()}) are left: ask for fewer, or "
                "give more rows."
            )
    return [row for label in sorted(taken) for row in taken[label]], left


def drawn(rows: list[Row], count: int, argument: str) -> list[Row]:
    if count > len(rows):
        raise ValueError(
            f"`{argument}` must be at most the {len(rows)} different rows that are left, got {count}: ask for fewer, "
            "or give more rows."
        )
    return rows[:count]


def distinct(task: Task, rows: Sequence[Row], argument: str) -> dict[tuple[str, ...], Row]:
    """The rows that have a label, the first of each text, by text."""
    found: dict[tuple[str, ...], Row] = {}
    for number, row in enumerate(rows, 1):
        if task.data and task.data.unlabelled is not None and row[task.label] == task.data.unlabelled:
            continue
        try:
            task.gold(row)
            question = said(task, row)
        except ValueError as error:
            raise ValueError(f"row {number} of `{argument}`: {error}") from None
        found.setdefault(question, row)
    return found


def said(task: Task, row: Row) -> tuple[str, ...]:
    """What makes two rows the same question: the prompt, and the options of a choice."""
    options = task.candidates(row) if task.kind == "choice" else ()
    return tuple(" ".join(text.split()).casefold() for text in (task.text(row), *options))


def shuffled(rows: Iterable[Row], purpose: str) -> list[Row]:
    order = list(rows)
    random.Random(f"mezo_lab {purpose}").shuffle(order)
    return order


def check_classes(task: Task, rows: Sequence[Row]) -> None:
    found = {task.gold(row) for row in rows} if task.kind == "classification" else {0, 1}
    if len(found) < 2:
        only = "".join(f"only {label} ({task.answers[label].strip()})" for label in found) or "none"
        raise ValueError(
            f"`train_rows` must hold two labels or more beyond the test set, got {only} in {len(rows)} rows: one class "
            f"alone teaches nothing; look at the column {task.label!r}."
        )


def check(
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
