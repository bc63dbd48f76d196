"""What the arguments of `MeZO` may be, and what is said when they are not."""

import difflib
import math
from numbers import Integral

from mezo_lab.directions import LAWS, Law, LowRank
from mezo_lab.optim.estimates import BASELINES, ESTIMATORS, SHAPINGS, Estimator, Population
from mezo_lab.optim.rules import RULES, Rule

MODIFIED = (None, "variance", "expectation")


def check_group(group: dict) -> None:
    """Raises: ValueError for the hyperparameters of a parameter group."""
    lr, decay, scale = (float(group[name]) for name in ("lr", "weight_decay", "scale"))
    if not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"`lr` must be positive, got {lr}: 1e-6 is usual for all weights of a language model.")
    if not (decay >= 0 and math.isfinite(decay)):
        raise ValueError(f"`weight_decay` must not be negative, got {decay}: 0 switches it off.")
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"`scale` must be positive, got {scale}: it divides the probes; 1 changes nothing.")


def check_arguments(epsilon, probes, seed, clip, modified, estimator: Estimator, fresh_batches, every) -> None:
    """Raises: ValueError for what is not a matter of one group."""
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"`epsilon` must be positive, got {epsilon}: 1e-3 suits a language model in float32.")
    if not whole(probes) or probes < 1:
        raise ValueError(
            f"`probes` must be a whole number, at least 1, got {probes}: take 1; `mezo-lab list` says what more of "
            "them buy (probes-are-a-wash, orthogonal-probes)."
        )
    if not whole(seed) or not 0 <= seed < 2**64:
        raise ValueError(f"`seed` must be a whole number in [0, 2**64), got {seed}: any such number does.")
    if clip is not None and not clip > 0:
        raise ValueError(f"`clip` must be positive or None, got {clip}: it bounds the projected gradient.")
    if modified not in MODIFIED:
        raise ValueError(f"`modified` must be one of {', '.join(map(str, MODIFIED))}; got {modified!r}.")
    if isinstance(estimator, Population) and estimator.compares and probes < 2:
        raise ValueError(
            f"`probes` must be at least 2 for a population with a baseline or a shaping, got {probes}: a loss "
            "alone has nothing to be compared with."
        )
    if estimator.name == "residual-feedback" and probes > 1:
        raise ValueError(f"`probes` must be 1 for residual feedback, got {probes}: it compares one loss a step.")
    if estimator.name != "two-sided" and fresh_batches:
        raise ValueError(f"`fresh_batches` needs both sides of a probe, got estimator={estimator.name!r}.")
    if every < 1:
        raise ValueError(f"`check_replicas_every` must be at least 1, got {every}: 100 costs little.")


def whole(number) -> bool:
    return isinstance(number, Integral)


def law_of(name: str, rank: int | None) -> Law:
    """The law of that name; of a low-rank one, of that rank. Raises: ValueError naming the nearest."""
    if known("law", name, LAWS | {"low-rank": None}) != "low-rank":
        if rank is not None:
            raise ValueError(f"`rank` belongs to law='low-rank', got {rank} for {name!r}: leave it out.")
        return LAWS[name]
    rank = 1 if rank is None else rank
    if not whole(rank) or rank < 1:
        raise ValueError(f"`rank` must be a whole number, at least 1, got {rank}: 1 is the cheapest.")
    return LowRank(name, rank=int(rank))


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


def known(argument: str, name: str, table: dict) -> str:
    if name not in table:
        near = difflib.get_close_matches(str(name), table, n=1) or list(table)
        raise ValueError(f"`{argument}` must be one of {', '.join(table)}; got {name!r}. Nearest: {near[0]}.")
    return name
