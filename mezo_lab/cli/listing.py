"""`mezo-lab list`: the claims, their laws and the names that a formula may use."""

import argparse
from typing import TYPE_CHECKING

from mezo_lab.theory import printed

if TYPE_CHECKING:
    from mezo_lab.claims import Claim, Experiment
    from mezo_lab.claims.claim import Parameters

__all__ = ["add_options", "experiments_of", "formulas", "names_in"]


def add_options(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_run)


def experiments_of(claim: "Claim") -> "list[tuple[str, Parameters, Experiment]]":
    """(law, parameters, experiment) of the fast mode; none of a claim that needs a language model."""
    from mezo_lab.sampling import law_named

    if claim.real:
        return []
    return [
        (law, parameters, claim.experiment(law_named(law), **parameters))
        for law in claim.laws
        for parameters in claim.parameter_sets(law_named(law), "fast")
    ]


def names_in(experiments: "list[tuple[str, Parameters, Experiment]]") -> list[str]:
    """The names that anyone's formula for this claim may use, over all its laws."""
    names = dict.fromkeys(name for _, _, experiment in experiments for name in experiment.symbols)
    return list(names) or ["pi", "e"]


def formulas(experiments: "list[tuple[str, Parameters, Experiment]]") -> list[str]:
    """What the theory says, in the signs of print; where it is not one formula, for which laws and words each is."""
    cases: dict[str, dict[str, None]] = {}
    for law, parameters, experiment in experiments:
        if experiment.formula is not None:
            words = [f"{name} = {value}" for name, value in parameters.items() if isinstance(value, str)]
            cases.setdefault(printed(experiment.formula), {})[" ".join([law, *words])] = None
    if len(cases) == 1:
        return list(cases)
    return [f"{formula}  ({', '.join(where)})" for formula, where in cases.items()]


def _run(options: argparse.Namespace) -> int:
    from mezo_lab.claims import REGISTRY, SYMBOLS
    from mezo_lab.claims.selection import order

    used: set[str] = set()
    for claim in sorted(REGISTRY.values(), key=order):
        experiments = experiments_of(claim)
        names = names_in(experiments)
        used.update(names)
        print(f"{claim.id:4} {claim.name}  ({claim.source})")
        print(f"     {claim.statement}")
        print(f"     laws: {', '.join(claim.laws)}; parameters: {', '.join(claim.settings['default'][0]) or 'none'}")
        for formula in formulas(experiments):
            print(f"     formula: {formula}")
        print(f"     names for --expect: {', '.join(names)}" + "; on a real language model" * claim.real)
    print()
    for name, meaning in SYMBOLS.items():
        if name in used:
            print(f"{name:6} {meaning}")
    return 0
