"""The arguments of `MeZO` and of its parameter groups: what they may be, and the error when they are not."""

import ctypes
import math
from collections.abc import MutableMapping
from typing import Any

import torch

from mezo_lab.optim.rules import RULES, Rule
from mezo_lab.optim.stencils import BASELINES, ESTIMATORS, SHAPINGS, Estimator, Population
from mezo_lab.sampling import KEYED_LAWS, Law, LowRank
from mezo_lab.validation import flag, not_negative, number, one_of, positive, whole

MODIFIED = (None, "variance", "expectation")
LARGEST = torch.finfo(torch.float32).max
REMEDIES = {
    "lr": "1e-6 is usual for all weights of a language model",
    "weight_decay": "0 switches it off",
    "scale": "it divides the probes; 1 changes nothing",
    "epsilon": "1e-3 suits a language model in float32",
    "probes": "1 is usual; `mezo-lab list` shows what more of them buy (probes-are-a-wash, orthogonal-probes)",
    "rank": "1 is the cheapest",
    "seed": "any such number will do",
    "clip": "it bounds the projected gradient",
    "check_replicas_every": "100 costs little",
}


def float32(value: float) -> float:
    """The nearest number of float32. Steps are made of these, so that a run log, which holds no others, is complete."""
    return ctypes.c_float(float(value)).value


def check_group(group: MutableMapping[str, Any], *, first: bool) -> None:
    """Convert the settings of a group to Python numbers; a learning rate that is a tensor stays one.

    Args: first: whether the group is new; later a schedule may take the rate to zero.
    Raises: ValueError for settings that no step can be made with.
    """
    check_rate = positive if first else not_negative
    lr = check_rate("lr", group["lr"], REMEDIES["lr"])
    if not isinstance(group["lr"], torch.Tensor):
        group["lr"] = lr
    group["weight_decay"] = not_negative("weight_decay", group["weight_decay"], REMEDIES["weight_decay"])
    group["scale"] = positive("scale", group["scale"], REMEDIES["scale"])
    rounded = float32(lr)
    if math.isinf(rounded) or (first and not rounded):
        raise ValueError(
            f"`lr` must be a number that float32 can hold, got {lr}, which is {rounded} there: {REMEDIES['lr']}."
        )
    if not abs(1 - rounded * group["weight_decay"]) <= LARGEST:
        raise ValueError(
            f"`weight_decay` times `lr` must be a number that float32 can hold, got {group['weight_decay']} times "
            f"{lr}: {REMEDIES['weight_decay']}."
        )


def check_arguments(settings: MutableMapping[str, Any]) -> None:
    """Convert the settings that hold for all groups to Python numbers, by their names in `MeZO`. Raises: ValueError."""
    settings["epsilon"] = positive("epsilon", settings["epsilon"], REMEDIES["epsilon"])
    settings["seed"] = whole("seed", settings["seed"], REMEDIES["seed"], least=0, below=2**64)
    for name in ("probes", "check_replicas_every"):
        settings[name] = whole(name, settings[name], REMEDIES[name])
    if settings["clip"] is not None:
        clip = number("clip", settings["clip"], REMEDIES["clip"])
        if not clip > 0:
            raise ValueError(f"`clip` must be positive or None, got {settings['clip']}: {REMEDIES['clip']}.")
        settings["clip"] = clip
    for name in ("fused", "exact", "centre", "fresh_batches", "common_random_numbers"):
        settings[name] = flag(name, settings[name])
    for name in ("check_closure", "compiled"):
        if settings[name] is not None:
            settings[name] = flag(name, settings[name])
    one_of("modified", settings["modified"], MODIFIED)
    _check_together(settings)


def _check_together(settings: MutableMapping[str, Any]) -> None:
    estimator: Estimator = settings["estimator"]
    if isinstance(estimator, Population) and estimator.compares and settings["probes"] < 2:
        raise ValueError(
            f"`probes` must be at least 2 for a population with a baseline or a shaping, got {settings['probes']}: a "
            "single loss has no other to be compared with."
        )
    if estimator.name == "residual-feedback" and settings["probes"] > 1:
        raise ValueError(
            f"`probes` must be 1 for residual feedback, got {settings['probes']}: it compares one loss a step."
        )
    if estimator.name != "two-sided" and settings["fresh_batches"]:
        raise ValueError(f"`fresh_batches` needs both sides of a probe, got estimator={estimator.name!r}.")


def law_of(name: str, rank: int | None) -> Law:
    """The law of that name; a low-rank law has that rank. Raises: ValueError naming the nearest."""
    law = KEYED_LAWS[one_of("law", name, KEYED_LAWS)]
    if isinstance(law, LowRank):
        return LowRank(name, rank=whole("rank", 1 if rank is None else rank, REMEDIES["rank"], below=2**31))
    if rank is not None:
        raise ValueError(f"`rank` belongs to law='low-rank', got {rank} for {name!r}: leave it out.")
    return law


def estimator_of(name: str, baseline: str, shaping: str) -> Estimator:
    """The estimator of that name; a population has that baseline and shaping. Raises: ValueError."""
    estimator = ESTIMATORS[one_of("estimator", name, ESTIMATORS)]
    one_of("baseline", baseline, BASELINES)
    one_of("shaping", shaping, SHAPINGS)
    if isinstance(estimator, Population):
        if baseline != "none" and shaping != "none":
            raise ValueError(
                f"`baseline` changes nothing under shaping={shaping!r}, which subtracts the mean itself; got "
                f"{baseline!r}: leave it out."
            )
        return Population(baseline, shaping)
    for argument, value in (("baseline", baseline), ("shaping", shaping)):
        if value != "none":
            raise ValueError(
                f"`{argument}` belongs to estimator='population', got {value!r} for {name!r}: leave it out."
            )
    return estimator


def rule_named(rule: str | Rule) -> Rule:
    """A rule, or the one of that name with its defaults. Raises: ValueError naming the nearest."""
    if isinstance(rule, Rule):
        if callable(getattr(rule, "moving", None)):  # no step would call it, and the rule would be another one
            raise ValueError(
                f"`rule` must update θ by its method `kernel`, got {type(rule).__name__} with the method `moving`, its "
                "name in version 0.1: rename it."
            )
        return rule
    return RULES[one_of("rule", rule, RULES)]()
