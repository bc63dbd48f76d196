"""What a training is going to cost, in one line before its first step."""

import math
import time

import torch

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.prepare import RunContext
from mezo_lab.optim.arguments import rule_named
from mezo_lab.optim.noise import COORDINATES, tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

MEASURABLE = 0.5  # seconds of an evaluation, below which it says little of a speed
SAMPLE = 2**20  # numbers of z by which their cost is measured


def cost_line(context: RunContext, seconds: float, done: int = 0) -> str:
    """The work that is left of a training.

    Args: seconds: that the evaluation of the start took. done: steps made before a resume.
    """
    config = context.config
    steps = config.steps - done
    passes = config.forward_passes
    rounds = math.ceil(config.steps / config.every) - done // config.every
    validation = len(context.splits.validation)
    test = len(context.splits.test)
    batch = min(config.batch, len(context.splits.train))
    work = f"{steps:,} step{'s' * (steps != 1)} of {passes:,} × {batch:,} examples"
    if config.method != "mezo":
        work += " and back"
    text = f"to come: {work}, {rounds:,} evaluation{'s' * (rounds != 1)} of {validation:,}, a test of {test:,}"
    if context.task.kind != "classification" or seconds < MEASURABLE:
        return text
    if config.method != "mezo":
        passes = 3  # backpropagation costs about two forward passes more
    examples = steps * batch * passes + rounds * validation + test
    minutes = math.ceil(examples * seconds / validation / 60)
    return f"{text}; about {minutes:,} min at the speed of the first evaluation"


def window_cost_line(numbers: int, config: RunConfig) -> str:
    """The cost of the window of a rule, which stores no moments and so draws each z again."""
    window = rule_named(config.rule).window
    most = min(window, config.steps) * config.probes
    seconds = most * numbers * _seconds_per_number(config.law)
    return (
        f"--rule {config.rule} stores no moments: step t draws z again for each of the last min(t, {window:,}) steps, "
        f"{most:,} of {numbers:,} numbers in the end, some {seconds:,.1f} s a step; "
        f"{'momentum has a shorter window, sgd none' if config.rule == 'adam' else 'sgd has none'}"
    )


def _seconds_per_number(law: str) -> float:
    """The seconds that one number of z takes here, by a trial; laws other than these are made of Gaussian numbers."""
    drawn = law
    if law not in COORDINATES:
        drawn = "gaussian"
    field = NoiseField([KeyedTensor(torch.zeros(SAMPLE), tensor_key(0))], drawn, seed=0)
    field.sweep([Term(0, 0, (1.0,))])  # the library is opened, or built
    began = time.perf_counter()
    field.sweep([Term(0, 1, (1.0,))])
    return (time.perf_counter() - began) / SAMPLE
