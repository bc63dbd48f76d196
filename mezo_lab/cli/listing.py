"""`mezo-lab list`: the claims, their laws and the names that a formula may use."""

import argparse
from typing import TYPE_CHECKING

from mezo_lab.theory import printed

if TYPE_CHECKING:
    from mezo_lab.claims import Claim, Experiment
    from mezo_lab.claims.claim import Parameters

__all__ = ["add_options", "experiments_of", "formulas", "names_in"]


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `mezo-lab list`."""
    command.add_argument("names", nargs="*", metavar="NAME", help="claims by name or id; none: all of them")
    command.set_defaults(run=_run)


def experiments_of(claim: "Claim") -> "list[tuple[str, Parameters, Experiment]]":
    """(law, parameters, experiment) of the fast mode; none of a claim that needs a language model."""
    from mezo_lab.sampling import KEYED_LAWS

    if claim.real:
        return []
    return [
        (law, parameters, claim.experiment(KEYED_LAWS[law], **parameters))
        for law in claim.laws
        for parameters in claim.parameter_sets(KEYED_LAWS[law], "fast")
    ]


def names_in(experiments: "list[tuple[str, Parameters, Experiment]]") -> list[str]:
    """The names that anyone's formula for this claim may use, over all its laws."""
    names = dict.fromkeys(name for _, _, experiment in experiments for name in experiment.symbols)
    return list(names) or ["pi", "e"]


def formulas(experiments: "list[tuple[str, Parameters, Experiment]]") -> list[str]:
    """The theory's formulas, in the signs of print; where there are several, with the laws and parameters of each."""
    rows = [
        (printed(experiment.formula), law, parameters)
        for law, parameters, experiment in experiments
        if experiment.formula
    ]
    cases = _cases(rows, numbers=False)
    places = [place for places in cases.values() for place in places]
    if len(places) > len(set(places)):  # law and words do not tell the formulas apart
        cases = _cases(rows, numbers=True)
    if len(cases) == 1:
        return list(cases)
    return [f"{formula}  ({', '.join(places)})" for formula, places in cases.items()]


def _cases(rows: "list[tuple[str, str, Parameters]]", *, numbers: bool) -> dict[str, list[str]]:
    """formula → where it holds: the law with the parameters that are words, and with `numbers` those that vary."""
    cases: dict[str, list[str]] = {}
    for formula, law, parameters in rows:
        varying = [
            f"{name} = {value}"
            for name, value in parameters.items()
            if isinstance(value, str) or (numbers and len({other.get(name) for _, _, other in rows}) > 1)
        ]
        place = " ".join([law, *varying])
        if place not in cases.setdefault(formula, []):
            cases[formula].append(place)
    return cases


def _run(options: argparse.Namespace) -> int:
    from mezo_lab.claims import REGISTRY, SYMBOLS, claim_named
    from mezo_lab.claims.selection import order

    claims = {claim.id: claim for claim in map(claim_named, options.names)} or REGISTRY
    used: set[str] = set()
    for claim in sorted(claims.values(), key=order):
        experiments = experiments_of(claim)
        names = names_in(experiments)
        used.update(names)
        print(f"{claim.id:4} {claim.name}  ({claim.source})")
        print(f"     {claim.statement}")
        print(f"     laws: {', '.join(claim.laws)}; parameters: {', '.join(claim.settings['default'][0]) or 'none'}")
        for formula in formulas(experiments):
            print(f"     formula: {formula}")
        for sentence in claim.published:
            print(f"     corrects: {sentence.source}, {sentence.address}")
        print(f"     names for --expect: {', '.join(names)}" + "; on a real language model" * claim.real)
    print()
    width = max(6, *map(len, used))
    for name, meaning in SYMBOLS.items():
        if name in used:
            print(f"{name:{width}} {meaning}")
    return 0
