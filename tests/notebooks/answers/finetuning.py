"""Answers to the exercises of notebook 11, right and wrong."""

import math
import statistics

from mezo_lab.course.exercises import finetuning as exercises
from mezo_lab.finetune.evaluation.scores import Z95, wilson
from mezo_lab.finetune.tasks import Task, custom_task, task_named


def interval(mean: float, error: float) -> tuple[float, float, float]:
    return mean, mean - Z95 * error, mean + Z95 * error


def gains(before, after) -> list[float]:
    return [b - a for a, b in zip(before, after, strict=True)]


def paired(before, after) -> tuple[float, float, float]:
    found = gains(before, after)
    return interval(statistics.mean(found), statistics.stdev(found) / math.sqrt(len(found)))


def unpaired(before, after) -> tuple[float, float, float]:
    variance = statistics.variance(before) / len(before) + statistics.variance(after) / len(after)
    return interval(statistics.mean(after) - statistics.mean(before), math.sqrt(variance))


def wald(hits, n) -> tuple[float, float]:
    error = math.sqrt(hits / n * (1 - hits / n) / n)
    return hits / n - Z95 * error, hits / n + Z95 * error


def rounded(hits, n) -> tuple[float, ...]:
    p, z = hits / n, 1.96
    spread = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return tuple((p + z**2 / (2 * n) + sign * spread) / (1 + z**2 / n) for sign in (-1, 1))


def together(losses) -> float:
    return sum(math.exp(-loss) for loss in losses)


def class_loss(right, other) -> float:
    return math.log(1 + together(other) / together(right))


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_class_loss: (
        class_loss,
        [
            (lambda right, other: -math.log(together(right)), "whole vocabulary"),
            (lambda right, other: math.log(1 + math.exp(sum(right) - sum(other))), "not losses"),
            (
                lambda right, other: math.log(1 + math.exp(statistics.mean(right) - statistics.mean(other))),
                "A mean of losses",
            ),
            (lambda right, other: math.log(1 + math.exp(min(right) - min(other))), "not only its likeliest"),
            (lambda right, other: class_loss(other, right), "the other class"),
            (lambda right, other: math.exp(-class_loss(right, other)), "−log of it"),
            (lambda right, other: 0.7, "it should be"),
            (lambda right, other: None, "let it return its answer"),
        ],
    ),
    exercises.check_wilson: (
        lambda hits, n: wilson(hits / n, n),
        [
            (wald, "0 of 20 is 0 for certain"),
            (
                lambda hits, n: tuple((end + Z95**2 / (2 * n)) / (1 + Z95**2 / n) for end in wald(hits, n)),
                "no length",
            ),
            (lambda hits, n: tuple(end * (1 + Z95**2 / n) for end in wilson(hits / n, n)), "in front of p²"),
            (lambda hits, n: wilson(hits / n, n, 1.644854), "covers 90 %"),
            (rounded, "z rounded"),
            (lambda hits, n: (0.0, 1.0), "At hits = 45, n = 50 it should be"),
        ],
    ),
    exercises.check_paired_difference: (
        paired,
        [
            (lambda before, after: paired(after, before), "after − before"),
            (unpaired, "the same: take the spread of the gaps"),
            (
                lambda before, after: interval(paired(before, after)[0], statistics.stdev(gains(before, after))),
                "√n times smaller",
            ),
            (
                lambda before, after: interval(
                    paired(before, after)[0], statistics.pstdev(gains(before, after)) / math.sqrt(len(after))
                ),
                "n − 1",
            ),
        ],
    ),
    exercises.check_own_task: (
        lambda: custom_task("Film review: {text}\nOverall, the film is", ("bad", "good")),
        [
            (lambda: custom_task("{text} It was", ("terrible", "great")), "so each gap is 0"),
            (lambda: task_named("rotten-tomatoes"), "so each gap is 0"),
            (lambda: custom_task("{text} ({label}) It was", ("bad", "good")), "tells the answer"),
            (lambda: custom_task("{review} It was", ("bad", "good")), "in the column text"),
            (lambda: custom_task("{title}: {text} It was", ("bad", "good")), "no other columns"),
            (lambda: custom_task("{text} It was", ("bad", "fair", "good")), "give two words"),
            (lambda: Task("mine", "classification", "{text} It was", (" good", " good")), "nothing to choose between"),
            (lambda: custom_task("{text} It was", ("good", "bad")), "negative first"),
            (lambda: custom_task("{text} It was", ("good", "good")), "must be different words"),
            (lambda: custom_task("It was", ("bad", "good")), "must hold a column in braces"),
            (lambda: None, "let it return its answer"),
            (lambda: ("{text} It was", ("bad", "good")), "let it return custom_task"),
        ],
    ),
}
