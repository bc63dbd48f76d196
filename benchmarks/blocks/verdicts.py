"""What `mezo-lab verify` printed, word for word, and how long it took."""

import json
from pathlib import Path

from blocks.tables import outcome

REFUTED = 'mezo-lab verify norm-factor --law gaussian --dim 50 --probes 4 --expect "(d+n-1)/n"'


def whole(root: Path) -> str:
    """Every verdict of the default run."""
    return fenced((root / "results/verify.txt").read_text().strip())


def models(root: Path) -> str:
    """The verdicts on a real language model."""
    return "\n\n".join(fenced((root / f"results/{name}.txt").read_text().strip()) for name in ("models", "curvature"))


def refuted(root: Path) -> str:
    """The paper's constant put to the Gaussian law, as the command and its output."""
    output = (root / "results/refuted.txt").read_text().strip()
    return fenced(f"$ {REFUTED}\n{output}")


def verification(root: Path) -> str:
    """How long a run of all claims takes, in one process and in two."""
    file = root / "results/verification.json"
    if not file.exists():
        return "Not measured yet: `python benchmarks/verification.py` does it."
    record = json.loads(file.read_text())
    commands = {"fast": "`mezo-lab verify --fast`", "default": "`mezo-lab verify`"}
    lines = [
        "| command | `--jobs` | rounds | seconds | least–largest | time said after | first claim after |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        figures = (
            f"{row['seconds']:.1f} | {row['least']:.1f}–{row['largest']:.1f} | {row['said']:.1f} | {row['shown']:.1f}"
        )
        lines.append(f"| {commands[row['mode']]} | {row['jobs']} | {row['rounds']} | {figures} |")
    promises = []
    for mode, target in record["targets"].items():
        seconds = next(row["seconds"] for row in record["rows"] if (row["mode"], row["jobs"]) == (mode, 2))
        promises.append(
            f"- {commands[mode]} on two cores within {target} s: {seconds:.1f}, {outcome(seconds / target - 1)}"
        )
    machine = record["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}"
    caption = f"Medians of the rounds, start and imports included ({where}). The verdicts were the same."
    return "\n".join([*lines, "", caption, "", *promises])


def fenced(text: str) -> str:
    return f"```text\n{text}\n```"
