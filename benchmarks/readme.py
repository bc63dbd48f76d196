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
    """The two samplers against the loop a student would write."""
    return sampling_table(json.loads((root / "benchmarks/sampling.json").read_text()))


def sampling_table(record: dict) -> str:
    rows = ["| d | n | numpy loop, draws/s | brute force, × loop | reduced, × loop |", "|--:|--:|--:|--:|--:|"]
    for row in record["rows"]:
        rows.append(
            f"| {row['dim']:,} | {row['probes']} | {row['loop']:,.0f} | {row['brute']:.0f} | {row['reduced']:.0f} |"
        )
    return "\n".join(rows)


BLOCKS = {"verdicts": verdicts, "models": models, "sampling": sampling}


def rewritten(text: str, root: Path = ROOT) -> str:
    """The README with every block made anew. Raises: ValueError when a block is missing."""
    for name, block in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"README.md must hold the block `<!-- {name} -->` … `<!-- end {name} -->`: put it back.")
        text = pattern.sub(lambda found, block=block: found[1] + block(root) + found[2], text)
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(rewritten(readme.read_text()))
    print(f"{readme.name}: rewritten", file=sys.stderr)
