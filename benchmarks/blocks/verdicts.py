"""What `mezo-lab verify` printed, word for word."""

from pathlib import Path

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


def fenced(text: str) -> str:
    return f"```text\n{text}\n```"
