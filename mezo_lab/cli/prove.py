"""`mezo-lab prove`: derivations, step by step."""

import argparse


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help="claims by name; none: list the derivations")
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
    for name in options.names:
        chosen = [options.law] if options.law else laws.get(name, ["gaussian"])
        proofs += [prove(name, law) for law in chosen]
    print("\n\n".join(map(str, proofs)))
    return int(not all(proof.proved for proof in proofs))
