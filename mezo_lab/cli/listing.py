"""`mezo-lab list`: the claims, their laws and the names that a formula may use."""

import argparse

from mezo_lab.claims import REGISTRY, SYMBOLS, Claim, Experiment
from mezo_lab.claims.claim import Parameters
from mezo_lab.claims.selection import order
from mezo_lab.sampling import law_named
from mezo_lab.theory import printed


def add_to(commands) -> None:
    listing = commands.add_parser("list", help="show the claims, their laws and the names a formula may use")
    listing.set_defaults(run=run_list)


def run_list(options: argparse.Namespace) -> int:
    used: dict[str, None] = {}
    for claim in sorted(REGISTRY.values(), key=order):
        experiments = experiments_of(claim)
        names = names_in(experiments)
        used |= dict.fromkeys(names)
        print(f"{claim.id:4} {claim.name}  ({claim.source})")
        print(f"     {claim.statement}")
        print(f"     laws: {', '.join(claim.laws)}; parameters: {', '.join(claim.settings['default'][0]) or 'none'}")
        for told in formulas(experiments):
            print(f"     formula: {told}")
        print(f"     names for --expect: {', '.join(names)}" + ("; on a real language model" if claim.real else ""))
    print("\n" + "\n".join(f"{name:6} {meaning}" for name, meaning in SYMBOLS.items() if name in used))
    return 0


def experiments_of(claim: Claim) -> list[tuple[str, Parameters, Experiment]]:
    """(law, parameters, experiment) of the fast mode; none of a claim that needs a language model."""
    return [
        (law, parameters, claim.experiment(law_named(law), **parameters))
        for law in ([] if claim.real else claim.laws)
        for parameters in claim.parameter_sets(law_named(law), "fast")
    ]


def names_in(experiments: list[tuple[str, Parameters, Experiment]]) -> list[str]:
    """The names that anyone's formula for this claim may use, over all its laws."""
    found = dict.fromkeys(name for _, _, experiment in experiments for name in experiment.symbols)
    return list(found) or ["pi", "e"]


def formulas(experiments: list[tuple[str, Parameters, Experiment]]) -> list[str]:
    """What the theory says, in the signs of print; where it is not one formula, for which laws and words each is."""
    found: dict[str, dict[str, None]] = {}
    for law, parameters, experiment in experiments:
        if experiment.formula is not None:
            words = [f"{name} = {value}" for name, value in parameters.items() if isinstance(value, str)]
            found.setdefault(printed(experiment.formula), {})[" ".join([law, *words])] = None
    return [formula + (f"  ({', '.join(where)})" if len(found) > 1 else "") for formula, where in found.items()]
