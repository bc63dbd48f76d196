"""What the arguments of `MeZO` may be, as Python numbers, and what is said when they are not."""

import difflib
import math
from collections.abc import MutableMapping
from typing import Any

import torch

from mezo_lab.optim.rules import RULES, Rule
from mezo_lab.optim.scalars import REMEDIES, flag, not_negative, number, positive, single, whole
from mezo_lab.optim.stencils import BASELINES, ESTIMATORS, SHAPINGS, Estimator, Population
from mezo_lab.sampling import LAWS, Law, LowRank

MODIFIED = (None, "variance", "expectation")
LARGEST = torch.finfo(torch.float32).max


def check_group(group: MutableMapping[str, Any], *, first: bool) -> None:
    """Make Python numbers of the settings of a group; a rate that is a tensor stays one.

    Args: first: as the group is given; later a schedule may take the rate to zero.
    Raises: ValueError for what no step can be made of.
    """
    lr = positive("lr", group["lr"]) if first else not_negative("lr", group["lr"])
    if not isinstance(group["lr"], torch.Tensor):
        group["lr"] = lr
    group["weight_decay"] = not_negative("weight_decay", group["weight_decay"])
    group["scale"] = positive("scale", group["scale"])
    rounded = single(lr)
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
    """Make Python numbers of the settings that are not a matter of one group, by their names in `MeZO`.

    Raises: ValueError.
    """
    settings["epsilon"] = positive("epsilon", settings["epsilon"])
    settings["probes"] = whole("probes", settings["probes"], "a whole number, at least 1", 1)
    settings["seed"] = whole("seed", settings["seed"], "a whole number in [0, 2**64)", 0, 2**64)
    every = settings["check_replicas_every"]
    settings["check_replicas_every"] = whole("check_replicas_every", every, "at least 1", 1)
    if settings["clip"] is not None:
        clip = number("clip", settings["clip"])
        if not clip > 0:
            raise ValueError(f"`clip` must be positive or None, got {settings['clip']}: {REMEDIES['clip']}.")
        settings["clip"] = clip
    for name in ("fused", "exact", "centre", "fresh_batches", "common_random_numbers"):
        settings[name] = flag(name, settings[name])
    for name in ("check_closure", "compiled"):
        if settings[name] is not None:
            settings[name] = flag(name, settings[name])
    if settings["modified"] not in MODIFIED:
        raise ValueError(f"`modified` must be one of {', '.join(map(str, MODIFIED))}; got {settings['modified']!r}.")
    check_together(settings)


def check_together(settings: MutableMapping[str, Any]) -> None:
    estimator: Estimator = settings["estimator"]
    if isinstance(estimator, Population) and estimator.compares and settings["probes"] < 2:
        raise ValueError(
            f"`probes` must be at least 2 for a population with a baseline or a shaping, got {settings['probes']}: a "
            "loss alone has nothing to be compared with."
        )
    if estimator.name == "residual-feedback" and settings["probes"] > 1:
        raise ValueError(
            f"`probes` must be 1 for residual feedback, got {settings['probes']}: it compares one loss a step."
        )
    if estimator.name != "two-sided" and settings["fresh_batches"]:
        raise ValueError(f"`fresh_batches` needs both sides of a probe, got estimator={estimator.name!r}.")


def law_of(name: str, rank: int | None) -> Law:
    """The law of that name; of a low-rank one, of that rank. Raises: ValueError naming the nearest."""
    if known("law", name, LAWS | {"low-rank": None}) != "low-rank":
        if rank is not None:
            raise ValueError(f"`rank` belongs to law='low-rank', got {rank} for {name!r}: leave it out.")
        return LAWS[name]
    return LowRank(name, rank=1 if rank is None else whole("rank", rank, "a whole number, at least 1", 1))


def estimator_of(name: str, baseline: str, shaping: str) -> Estimator:
    """The estimator of that name; of a population, with its baseline and shaping. Raises: ValueError."""
    found = ESTIMATORS[known("estimator", name, ESTIMATORS)]
    given = {
        "baseline": known("baseline", baseline, dict.fromkeys(BASELINES)),
        "shaping": known("shaping", shaping, dict.fromkeys(SHAPINGS)),
    }
    chosen = [argument for argument, value in given.items() if value != "none"]
    if not isinstance(found, Population):
        if chosen:
            argument = chosen[0]
            raise ValueError(
                f"`{argument}` belongs to estimator='population', got {given[argument]!r} for {name!r}: leave it out."
            )
        return found
    if len(chosen) == 2:
        raise ValueError(
            f"`baseline` changes nothing under shaping={shaping!r}, which takes off the mean itself; got {baseline!r}: "
            "leave it out."
        )
    return Population(**given)


def rule_named(rule: str | Rule) -> Rule:
    """A rule, or the one of that name with its defaults. Raises: ValueError naming the nearest."""
    return rule if isinstance(rule, Rule) else RULES[known("rule", rule, RULES)]()


def known(argument: str, name: Any, table: dict) -> str:
    if not isinstance(name, str) or name not in table:
        near = difflib.get_close_matches(str(name), table, n=1) or list(table)
        raise ValueError(f"`{argument}` must be one of {', '.join(table)}; got {name!r}. Nearest: {near[0]}.")
    return name
