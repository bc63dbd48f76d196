"""Which verdicts a command asks for: claims × laws × parameter sets, all of it validated before the first draw."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mezo_lab.claims.claim import REGISTRY, Claim, Mode, Parameters, claim_named
from mezo_lab.sampling import LAWS, Law, law_named


@dataclass(frozen=True)
class Job:
    """One verdict to come."""

    claim: Claim
    law: Law
    parameters: Parameters

    @property
    def proof(self) -> str | None:
        """proved where `mezo_lab.proofs` derives the claim for this law; None where it does not, or without sympy."""
        try:
            from mezo_lab.proofs import provable, prove
        except ImportError:
            return None
        pair = self.claim.name, self.law.name
        return "proved" if pair in provable() and prove(*pair).proved else None


def jobs(
    names: Iterable[str] = (),
    *,
    law: str | None = None,
    mode: Mode = "default",
    models: bool = False,
    choose: Mapping[str, str] | None = None,
    **overrides: int | None,
) -> list[Job]:
    """The jobs of a run, in the order of the claims' ids.

    Args:
        names: claims by name or id; none means all, those on real models only with `models`.
        law: only this law. mode: which parameter sets. choose: a parameter's name → its value as typed: only the sets
            that have it; a number that none has replaces that of every set. overrides: dim, probes: replace those of
            every set.

    Raises: ValueError when a name is unknown, a claim does not know the law, or the parameters make no sense.

    >>> [(job.law.name, job.parameters) for job in jobs(["A2"], law="sphere", dim=50, probes=4)]
    [('sphere', {'dim': 50, 'probes': 4})]
    >>> [job.parameters for job in jobs(["residual-feedback"], choose={"moment": "norm"}, mode="fast")]
    [{'dim': 8, 'moment': 'norm'}]
    """
    asked = {claim.name: claim for claim in map(claim_named, names)}  # a name and its id are one claim
    every = [claim for claim in REGISTRY.values() if models or not claim.real]
    chosen = sorted(asked.values() or every, key=order)
    given = {name: value for name, value in overrides.items() if value is not None}
    choose = dict(choose or {})
    if choose and not asked:
        raise ValueError("--set chooses a parameter of one claim: name the claim, such as norm-probe.")
    for name in choose.keys() & given.keys():
        raise ValueError(f"`{name}` is given twice, by --{name} and by --set: leave one out.")
    laws = [law_named(law)] if law else list(LAWS.values())
    found = [job for claim in chosen for job in jobs_of(claim, laws, mode, given, choose, insist=bool(asked))]
    if not found:
        raise ValueError(f"`law` {law!r} has no parameter set in the {mode} mode here: take --full, or another law.")
    return found


def jobs_of(
    claim: Claim, laws: list[Law], mode: Mode, given: Parameters, choose: Mapping[str, str], insist: bool
) -> list[Job]:
    """The jobs of one claim. `insist`: the claim was asked for by name, so what it cannot do is an error."""
    known = claim.settings[mode][0]
    if insist:
        for name in given.keys() - known:
            raise ValueError(
                f"`{name}` is no parameter of {claim.name}: it has {', '.join(known)}; leave --{name} out."
            )
        if not any(law.name in claim.laws for law in laws):
            raise ValueError(
                f"`law` of {claim.name} must be one of {', '.join(claim.laws)}; got {laws[0].name!r}"
                f"{elsewhere(claim, laws[0])}."
            )
    override = {name: value for name, value in given.items() if name in known}
    values = {name: typed(claim, name, text) for name, text in choose.items()}
    found: list[Job] = []
    for law in laws:
        for parameters in selected(claim, law, mode, values) if law.name in claim.laws else []:
            job = Job(claim, law, parameters | override)
            if job not in found:
                found.append(job)
    return found


def elsewhere(claim: Claim, law: Law) -> str:
    """The claim that is about the same with a law that this one does not know, where there is one."""
    parameters = claim.settings["default"][0].keys()
    words = set(claim.name.split("-"))
    others = [
        other.name
        for other in REGISTRY.values()
        if law.name in other.laws
        and other.settings["default"][0].keys() == parameters
        and words & set(other.name.split("-"))
    ]
    return f"; with that law try {' or '.join(others)}" if others else ""


def typed(claim: Claim, name: str, text: str) -> Any:
    """The value of a claim's parameter, from how it was typed.

    Raises: ValueError naming the nearest parameter, or the nearest value of one that is a word.
    """
    sets = [parameters for settings in claim.settings.values() for parameters in settings]
    known = list(dict.fromkeys(name for parameters in sets for name in parameters))
    if name not in known:
        near = nearest(name, known)
        raise ValueError(f"`{name}` is no parameter of {claim.name}: it has {', '.join(known) or 'none'}{near}.")
    values = list(dict.fromkeys(parameters[name] for parameters in sets if name in parameters))
    if all(isinstance(value, str) for value in values):
        if text not in values:
            near = nearest(text, values)
            raise ValueError(f"`{name}` of {claim.name} must be one of {', '.join(values)}; got {text!r}{near}.")
        return text
    kind = int if all(isinstance(value, int) for value in values) else float
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"`{name}` of {claim.name} must be {what}, got {text!r}: write --set {name}={values[0]}.")
    return value


def nearest(word: str, words: list[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.4)
    return f"; nearest: {near[0]}" if near else ""


def selected(claim: Claim, law: Law, mode: Mode, values: Parameters) -> list[Parameters]:
    """The parameter sets that have these values: those of the mode, or else of another, or else with a value put in."""
    sets = claim.parameter_sets(law, mode)
    for name, value in values.items():
        having = [parameters for parameters in sets if parameters.get(name) == value]
        others = [parameters for other in claim.settings for parameters in claim.parameter_sets(law, other)]
        elsewhere = [
            parameters
            for parameters in others
            if parameters.get(name) == value and all(parameters.get(k) == values[k] for k in values if k in parameters)
        ]
        replaced = [parameters | {name: value} for parameters in sets if name in parameters]
        sets = having or elsewhere or replaced
    return sets


def build_all(planned: list[Job]) -> None:
    """Build every experiment once, so that parameters which make no sense are told before any work.

    Raises: ValueError, with the claim's name in front.
    """
    for job in planned:
        if not job.claim.real:
            try:
                job.claim.experiment(job.law, **job.parameters)
            except ValueError as error:
                raise ValueError(f"{job.claim.name}: {error}") from None


def order(claim: Claim) -> tuple[str, int]:
    return claim.id[0], int(claim.id[1:])
