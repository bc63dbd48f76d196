"""The README's figure: how long an estimate from one probe is, law by law, beside the two disputed formulas."""

import json
from pathlib import Path
from typing import Any

from blocks.figures import save
from mezo_lab.report.figures import style

FIGURE = "docs/figures/norm_factor.svg"
DIM, PROBES = 20, 1
FORMULAS = {"(d+n−1)/n": (DIM + PROBES - 1) / PROBES, "(d+n+1)/n": (DIM + PROBES + 1) / PROBES}
HALF = 0.5  # of a row: how far the line of a formula reaches above and below it


def rows(root: Path) -> list[dict[str, Any]]:
    """The verdicts of claim A2 at these parameters, longest estimate first."""
    verdicts = json.loads((root / "results/verify.json").read_text())["verdicts"]
    own = [row for row in verdicts if row["id"] == "A2" and row["parameters"] == {"dim": DIM, "probes": PROBES}]
    return sorted(own, key=lambda row: -row["expected"])


def draw(root: Path) -> None:
    """A row for each law: its mean with a bar, its own formula dashed, a formula that it refutes dotted."""
    own = rows(root)
    figure = style.new_figure(3.3)
    axes = figure.subplots()
    refuted = {"color": style.GREY, "linestyle": style.DOTS[0], "linewidth": 1.5, "zorder": 1}
    for place, row in enumerate(own):
        reach = place - HALF, place + HALF
        axes.vlines(row["expected"], *reach, **style.THEORY)
        axes.vlines([value for value in FORMULAS.values() if value != row["expected"]], *reach, **refuted)
        axes.errorbar(
            row["mean"], place, xerr=style.BARS * row["standard_error"], **style.estimate(row["law"], style.INK)
        )
        axes.annotate(
            f"{row['mean']:.2f}", (row["mean"] + 0.14, place), va="center", fontsize=style.SMALL, color=style.INK
        )
    for name, value in FORMULAS.items():
        above = {"annotation_clip": False, "ha": "center", "va": "bottom"}
        axes.annotate(name, (value, -0.7), fontsize=style.SMALL + 0.5, color=style.INK, **above)
    axes.set_yticks(range(len(own)), [row["law"] for row in own])
    axes.set(ylim=(len(own) - 0.5, -0.6), xlim=(19.4, 22.8), xlabel=f"E‖ĝ‖²/‖g‖² at d = {DIM}, n = {PROBES}")
    style.despine(axes)
    key = [
        axes.plot([], [], label="formula of the law", **style.THEORY)[0],
        axes.plot([], [], label="formula of another law, refuted by these draws", **refuted)[0],
        axes.errorbar(
            [], [], xerr=[], label="mean of the draws ± 5 standard errors", **style.estimate("gaussian", style.INK)
        ),
    ]
    style.figure_legend(figure, handles=key, handlelength=2.6)
    save(figure, root / FIGURE)


def image(root: Path) -> str:
    """The figure as Markdown, with its words."""
    values = ", ".join(f"{row['law']} {row['mean']:.2f}" for row in rows(root))
    lines = " and ".join(f"{name} = {value:g}" for name, value in FORMULAS.items())
    return f"![Dot chart of E‖ĝ‖²/‖g‖² by law of z at d = {DIM}, n = {PROBES}, beside {lines}: {values}.]({FIGURE})"
