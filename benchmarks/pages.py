"""Rewrites the parts of README.md and docs/ that commands own, from the records under results/ and from the library.

A block of a page, between `<!-- NAME -->` and `<!-- end NAME -->`, belongs to this script; the prose around it does
not. `make results` and `make accuracy` end with it; `make pages` runs it alone.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from blocks import (  # beside this file
    aligned,
    costs,
    errata,
    finetuning,
    first_step,
    gpu,
    growth,
    hub,
    learning_rates,
    long_run,
    loop,
    norm_factor,
    reference,
    replays,
    summary,
    verdicts,
    wandering,
)

ROOT = Path(__file__).resolve().parent.parent

Block = Callable[[Path], str]  # the root of the repository → Markdown

PAGES: dict[str, dict[str, Block]] = {
    "README.md": {"figure": norm_factor.image, "refuted": verdicts.refuted, "findings": summary.findings},
    "docs/results.md": {"verdicts": verdicts.whole, "models": verdicts.models},
    "docs/verify.md": {"verification": verdicts.verification},
    "docs/claims.md": {
        "claims": reference.claims,
        "trainings": finetuning.ablation_claims,
        "symbols": reference.symbols,
    },
    "docs/errata.md": {"index": errata.index, "tested": errata.tested, "untested": errata.untested},
    "docs/costs.md": {
        "short": costs.short,
        "sampling": costs.sampling,
        "step": costs.step,
        "first-step": first_step.first_step,
        "gpu": gpu.gpu,
        "loop": loop.loop,
        "replay": replays.replay,
        "memory": costs.memory,
        "growth": growth.growth,
    },
    "docs/learning-rate.md": {
        "stability": learning_rates.stability,
        "divergence": learning_rates.divergence,
        "edge-in-training": learning_rates.training,
    },
    "docs/aligned.md": {"aligned-layer": aligned.layer, "aligned-model": aligned.model},
    "docs/finetuning.md": {
        "finetuned": finetuning.finetuned,
        "long-run": long_run.long_run,
        "wandering": wandering.wandering,
        "transfer": wandering.transfer,
    },
    "docs/commands.md": {"commands": reference.commands},
    "docs/develop.md": {"rooms": reference.rooms},
    "docs/jupyterhub.md": {"hub": hub.memory},
    "docs/optimizer.md": {
        "arguments": reference.arguments,
        "laws": reference.laws,
        "rules": reference.rules,
    },
}
FIGURES = (
    aligned.draw,
    norm_factor.draw,
    costs.draw,
    growth.draw,
    loop.draw,
    learning_rates.draw,
    long_run.draw,
    wandering.draw,
)


def rewritten(page: str, text: str, root: Path = ROOT) -> str:
    """A page with every block made anew.

    Args: page: its path from the root. text: what it says now. root: of the repository whose records are read.
    Raises: ValueError when a block is missing.
    """
    for name, block in PAGES[page].items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{page} must hold the block `<!-- {name} -->` … `<!-- end {name} -->`: put it back.")
        text = pattern.sub(lambda match, block=block: f"{match[1]}{block(root)}\n{match[2]}", text)
    return text


def main() -> None:
    for draw in FIGURES:
        draw(ROOT)
    for page in PAGES:
        path = ROOT / page
        path.write_text(rewritten(page, path.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"{page}: rewritten", file=sys.stderr)


if __name__ == "__main__":
    main()
