"""`mezo-lab list`: the claims, their laws and the names that a formula may use."""

import argparse

from mezo_lab.claims import REGISTRY, SYMBOLS, Claim
from mezo_lab.claims.plan import order
from mezo_lab.directions import law_named


def add_to(commands) -> None:
    listing = commands.add_parser("list", help="show the claims, their laws and the names a formula may use")
    listing.set_defaults(run=run_list)


def run_list(options: argparse.Namespace) -> int:
    used: dict[str, None] = {}
    for claim in sorted(REGISTRY.values(), key=order):
        names = names_in(claim)
        used |= dict.fromkeys(names)
        print(f"{claim.id:4} {claim.name}  ({claim.source})")
        print(f"     {claim.statement}")
        print(f"     laws: {', '.join(claim.laws)}; parameters: {', '.join(claim.settings['default'][0]) or 'none'}")
        print(f"     names for --expect: {', '.join(names)}" + ("; on a real language model" if claim.real else ""))
    print("\n" + "\n".join(f"{name:6} {meaning}" for name, meaning in SYMBOLS.items() if name in used))
    return 0


def names_in(claim: Claim) -> list[str]:
    """The names that anyone's formula for this claim may use, over all its laws."""
    if claim.real:
        return ["pi", "e"]
    experiments = [
        claim.experiment(law_named(law), **parameters)
        for law in claim.laws
        for parameters in claim.parameter_sets(law_named(law), "fast")[:1]
    ]
    return list(dict.fromkeys(name for experiment in experiments for name in experiment.symbols))
