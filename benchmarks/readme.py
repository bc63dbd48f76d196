"""Rewrites every measured number of the README from the files that commands wrote. `make results` runs it.

A block of the README between `<!-- NAME -->` and `<!-- end NAME -->` belongs to this script.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


SHOWN = "A2 norm-factor"  # the claim whose rows the README shows unfolded


def verdicts(root: Path) -> str:
    """What `mezo-lab verify` printed, word for word: one claim in sight, the rest folded."""
    heading, *claims, closing = (root / "results/verify.txt").read_text().strip().split("\n\n")
    shown = next(claim for claim in claims if claim.startswith(SHOWN))
    whole = "\n\n".join([heading, *claims])
    summary, left_out = closing.splitlines()
    return (
        f"{fenced(f'{heading}{chr(10) * 2}{shown}{chr(10) * 2}{summary}')}\n\n"
        f"<details><summary>The whole table, as the command prints it</summary>\n\n"
        f"{fenced(f'{whole}{chr(10) * 2}{summary}{chr(10)}{left_out}')}\n\n</details>"
    )


def models(root: Path) -> str:
    """What `mezo-lab verify projected-gradient --full` printed."""
    return fenced((root / "results/models.txt").read_text().strip())


def fenced(text: str) -> str:
    return f"```text\n{text}\n```"


def sampling(root: Path) -> str:
    """The two samplers against the loop a student would write, and the reduced one where the loop cannot go."""
    record = json.loads((root / "benchmarks/sampling.json").read_text())
    rows = ["| d | n | numpy loop, draws/s | brute force, × loop | reduced, × loop |", "|--:|--:|--:|--:|--:|"]
    for row in record["rows"]:
        cells = f"{row['dim']:,}", row["probes"], f"{row['loop']:,.0f}", times(row["brute"]), times(row["reduced"])
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    far, machine = record["billions"], record["machine"]
    return "\n".join(rows) + (
        f"\n\nAt d = {far['dim']:,} and n = {far['probes']} the reduced sampler makes"
        f" {far['reduced_draws_per_second']:,.0f} draws of ‖ĝ‖² per second; the loop would need"
        f" {far['loop_gigabytes_per_draw']:.0f} GB for each ({machine['processor']}, {machine['cores']} cores)."
        " Brute force takes two losses for each z, where the loop multiplies by the known gradient."
    )


def times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


BLOCKS = {"verdicts": verdicts, "models": models, "sampling": sampling}


def rewritten(text: str, root: Path = ROOT) -> str:
    """The README with every block made anew. Raises: ValueError when a block is missing."""
    for name, block in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md must hold the block `<!-- {name} -->` … `<!-- end {name} -->`: put it back.")
        text = pattern.sub(lambda found, block=block: f"{found[1]}{block(root)}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(rewritten(readme.read_text()))
    print(f"{readme.name}: rewritten", file=sys.stderr)
