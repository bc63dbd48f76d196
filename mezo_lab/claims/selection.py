"""The verdicts that a command asks for: claims × laws × parameter sets, all of them validated before the first draw."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mezo_lab.claims.claim import REGISTRY, Claim, Experiment, Mode, Parameters, claim_named
from mezo_lab.claims.trial import build
from mezo_lab.sampling import KEYED_LAWS, Law, law_named
from mezo_lab.validation import nearest


@dataclass(frozen=True)
class Job:
    """One verdict to come."""

    claim: Claim
    law: Law
    parameters: Parameters
    device: str = "cpu"

    @cached_property
    def experiment(self) -> Experiment:
        """The claim's experiment, built once. Raises: ValueError, with the claim's name in front."""
        try:
            return build(self.claim, self.law, self.parameters, self.device)
        except ValueError as error:
            raise ValueError(f"{self.claim.name}: {error}") from None


def jobs(
    names: Iterable[str] = (),
    *,
    law: str | None = None,
    mode: Mode = "default",
    models: bool = False,
    choose: Mapping[str, str] | None = None,
    device: str = "cpu",
    **overrides: int | None,
) -> list[Job]:
    """The jobs of a run, in the order of the claims' ids.

    Args:
        names: claims by name or id; none means all, those on real models only with `models`.
        law: only this law.
        mode: which parameter sets.
        models: also the claims on real models, where no names are given.
        choose: a parameter's name → its value as typed: only the sets that have it; a number that none has replaces
            that of every set.
        device: where the experiments run.
        overrides: dim and probes replace those of every set.

    Raises: ValueError when a name is unknown, a claim does not know the law, or the parameters make no sense.

    >>> [(job.law.name, job.parameters) for job in jobs(["A2"], law="sphere", dim=50, probes=4)]
    [('sphere', {'dim': 50, 'probes': 4})]
    >>> [job.parameters for job in jobs(["residual-feedback"], choose={"moment": "norm"}, mode="fast")]
    [{'dim': 8, 'moment': 'norm'}]
    """
    named = {claim.name: claim for claim in map(claim_named, names)}  # a name and its id are one claim
    every = [claim for claim in REGISTRY.values() if models or not claim.real]
    overrides = {name: value for name, value in overrides.items() if value is not None}
    choose = dict(choose or {})
    if choose and not named:
        raise ValueError("--set chooses a parameter of one claim: name the claim, such as norm-probe.")
    for name in choose.keys() & overrides.keys():
        raise ValueError(f"`{name}` is given twice, by --{name} and by --set: leave one out.")
    laws = [law_named(law, KEYED_LAWS)] if law else list(KEYED_LAWS.values())
    planned = []
    for claim in sorted(named.values() or every, key=order):
        if named:
            _check_known(claim, laws, mode, overrides)
        planned += _jobs_of(claim, laws, mode, overrides, choose, device)
    if not planned:
        raise ValueError(f"`law` {law!r} has no parameter set in the {mode} mode here: take --full, or another law.")
    return planned


def _check_known(claim: Claim, laws: list[Law], mode: Mode, overrides: Parameters) -> None:
    """Raise ValueError for parameters and laws that a claim does not have; it matters only where the claim is named."""
    known = claim.settings[mode][0]
    for name in overrides.keys() - known:
        raise ValueError(f"`{name}` is no parameter of {claim.name}: it has {', '.join(known)}; leave --{name} out.")
    if not any(law.name in claim.laws for law in laws):
        raise ValueError(
            f"`law` of {claim.name} must be one of {', '.join(claim.laws)}; got {laws[0].name!r}"
            f"{_elsewhere(claim, laws[0])}."
        )


def _jobs_of(
    claim: Claim, laws: list[Law], mode: Mode, overrides: Parameters, choose: Mapping[str, str], device: str
) -> list[Job]:
    """The jobs of one claim, each once."""
    known = claim.settings[mode][0]
    override = {name: value for name, value in overrides.items() if name in known}
    chosen = {name: _typed(claim, name, text) for name, text in choose.items()}
    planned: list[Job] = []
    for law in laws:
        if law.name not in claim.laws:
            continue
        for parameters in _selected(claim, law, mode, chosen):
            job = Job(claim, law, parameters | override, device)
            if job not in planned:
                planned.append(job)
    return planned


def _elsewhere(claim: Claim, law: Law) -> str:
    """The claim on the same subject for a law that this claim does not have, where there is one."""
    parameters = claim.settings["default"][0].keys()
    words = set(claim.name.split("-"))
    others = [
        other.name
        for other in REGISTRY.values()
        if law.name in other.laws
        and other.settings["default"][0].keys() == parameters
        and words & set(other.name.split("-"))
    ]
    if not others:
        return ""
    return f"; with that law try {' or '.join(others)}"


def _typed(claim: Claim, name: str, text: str) -> Any:
    """The value of a claim's parameter, from how it was typed.

    Raises: ValueError naming the nearest parameter, or the nearest value of one that is a word.
    """
    sets = [parameters for settings in claim.settings.values() for parameters in settings]
    known = list(dict.fromkeys(name for parameters in sets for name in parameters))
    if name not in known:
        near = _nearest(name, known)
        raise ValueError(f"`{name}` is no parameter of {claim.name}: it has {', '.join(known) or 'none'}{near}.")
    values = list(dict.fromkeys(parameters[name] for parameters in sets if name in parameters))
    if all(isinstance(value, str) for value in values):
        if text not in values:
            near = _nearest(text, values)
            raise ValueError(f"`{name}` of {claim.name} must be one of {', '.join(values)}; got {text!r}{near}.")
        return text
    kind = int if all(isinstance(value, int) for value in values) else float
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = {int: "a whole number", float: "a number"}[kind]
        raise ValueError(f"`{name}` of {claim.name} must be {what}, got {text!r}: write --set {name}={values[0]}.")
    return value


def _nearest(word: str, words: list[str]) -> str:
    near = nearest(word, words, most=1, cutoff=0.4)
    return f"; nearest: {near[0]}" if near else ""


def _selected(claim: Claim, law: Law, mode: Mode, values: Parameters) -> list[Parameters]:
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
    """Build every experiment, so that parameters which make no sense are refused before any work.

    Those on real models wait, as they load a model. Raises: ValueError, with the claim's name in front.
    """
    for job in planned:
        if not job.claim.real:
            _ = job.experiment


def proof_of(claim: Claim, law: Law) -> str | None:
    """ "proved" where `mezo_lab.proofs` derives the claim for this law; None where it does not, or without sympy."""
    try:
        from mezo_lab.proofs import provable, prove
    except ImportError:
        return None
    pair = (claim.name, law.name)
    if pair in provable() and prove(*pair).proved:
        return "proved"
    return None


def order(claim: Claim) -> tuple[str, int]:
    """The place of a claim in a list: its section, and its number there."""
    return claim.id[0], int(claim.id[1:])
