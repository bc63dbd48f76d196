"""Which verdicts a command asks for: claims × laws × parameter sets, all of it validated before the first draw."""

from collections.abc import Iterable
from dataclasses import dataclass

from mezo_lab.claims.claim import REGISTRY, Claim, Mode, Parameters, claim_named
from mezo_lab.directions import LAWS, Law, law_named


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
    **overrides: int | None,
) -> list[Job]:
    """The jobs of a run, in the order of the claims' ids.

    Args:
        names: claims by name or id; none means all, those on real models only with `models`.
        law: only this law. mode: which parameter sets. overrides: dim, probes: replace those of every set.

    Raises: ValueError when a name is unknown, a claim does not know the law, or the parameters make no sense.

    >>> [(job.law.name, job.parameters) for job in jobs(["A2"], law="sphere", dim=50, probes=4)]
    [('sphere', {'dim': 50, 'probes': 4})]
    """
    asked = {claim.name: claim for claim in map(claim_named, names)}  # a name and its id are one claim
    every = [claim for claim in REGISTRY.values() if models or not claim.real]
    chosen = sorted(asked.values() or every, key=order)
    given = {name: value for name, value in overrides.items() if value is not None}
    laws = [law_named(law)] if law else list(LAWS.values())
    found = [job for claim in chosen for job in jobs_of(claim, laws, mode, given, insist=bool(asked))]
    if not found:
        raise ValueError(f"`law` {law!r} has no parameter set in the {mode} mode here: take --full, or another law.")
    return found


def jobs_of(claim: Claim, laws: list[Law], mode: Mode, given: Parameters, insist: bool) -> list[Job]:
    """The jobs of one claim. `insist`: the claim was asked for by name, so what it cannot do is an error."""
    known = claim.settings[mode][0]
    if insist:
        for name in given.keys() - known:
            raise ValueError(
                f"`{name}` is no parameter of {claim.name}: it has {', '.join(known)}; leave --{name} out."
            )
        if not any(law.name in claim.laws for law in laws):
            raise ValueError(f"`law` of {claim.name} must be one of {', '.join(claim.laws)}; got {laws[0].name!r}.")
    override = {name: value for name, value in given.items() if name in known}
    found: list[Job] = []
    for law in laws:
        for parameters in claim.parameter_sets(law, mode) if law.name in claim.laws else []:
            job = Job(claim, law, parameters | override)
            if job not in found:
                found.append(job)
    return found


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
