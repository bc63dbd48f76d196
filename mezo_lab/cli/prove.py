"""`mezo-lab prove`: derivations, step by step."""

import argparse


def add_to(commands) -> None:
    prove = commands.add_parser("prove", help="print derivations, step by step")
    prove.add_argument("names", nargs="*", metavar="NAME", help="claims by name; none: list the derivations")
    prove.add_argument("--law", help="the law of z; none: each law that has a derivation")
    prove.set_defaults(run=run_prove)


def run_prove(options: argparse.Namespace) -> int:
    from mezo_lab.proofs import provable, prove

    if not options.names:
        for name in dict.fromkeys(name for name, _ in provable()):
            print(f"{name}: {', '.join(law for claim, law in provable() if claim == name)}")
        return 0
    laws = [options.law] if options.law else None
    proofs = [
        prove(name, law)
        for name in options.names
        for law in laws or [law for claim, law in provable() if claim == name] or ["gaussian"]
    ]
    print("\n\n".join(str(proof) for proof in proofs))
    return 0 if all(proof.proved for proof in proofs) else 1
