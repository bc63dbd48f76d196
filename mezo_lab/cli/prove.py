"""`mezo-lab prove`: derivations, step by step."""

import argparse
import re


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help="claims by name or id; none: list the derivations")
    command.add_argument("--law", help="the law of z; none: each law that has a derivation")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from mezo_lab.proofs import provable, prove

    laws: dict[str, list[str]] = {}
    for name, law in provable():
        laws.setdefault(name, []).append(law)
    if not options.names:
        if options.law:
            raise ValueError(f"--law chooses a derivation of a claim, got {options.law!r}: name a claim before it.")
        for name, own in laws.items():
            print(f"{name}: {', '.join(own)}")
        return 0
    proofs = []
    for name in map(_name_of, options.names):
        chosen = [options.law] if options.law else laws.get(name, ["gaussian"])
        proofs += [prove(name, law) for law in chosen]
    print("\n\n".join(map(str, proofs)))
    return int(not all(proof.proved for proof in proofs))


def _name_of(word: str) -> str:
    """The name of the claim with this id; any other word stays as it is."""
    if not re.fullmatch(r"[A-Za-z]\d+", word):
        return word
    from mezo_lab.claims import claim_named

    return claim_named(word).name
