"""How far MeZO has come on a real model, of the paper's number of steps: the validation accuracies of the long run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks.figures import save
from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE = "docs/figures/long_run.svg"
RATES = "results/rates.json"  # the short runs by which the rate is chosen, on the same examples
RATE_OF = {"method": "mezo", "tuning": "full", "objective": "loss"}
PERCENT = 100
TICKS = (0, 500, 1_000, 2_000, 5_000, 10_000, 20_000)  # steps
# what the curve is beside: name → of the rows of results/finetune.json, all with the paper's prompt
REFERENCES = {
    "Adam, backpropagation": {"method": "adam", "shots": 512},
    "in-context learning": {"method": "icl"},
}


def long_run(root: Path) -> str:
    """The rates that were tried, the figure, and where the run is."""
    parts = [trials(root)]
    run = run_of(root)
    if run is None:
        return "\n\n".join([*parts, "The run has not begun: `python benchmarks/long_run.py` begins it."])
    parts += [f"![{alt_text(root)}](figures/long_run.svg)", status(run, root)]
    return "\n\n".join(parts)


def run_of(root: Path) -> dict[str, Any] | None:
    """The run as it is; None before it has begun."""
    file = root / "results/long_run.json"
    return json.loads(file.read_text())["run"] if file.exists() else None


def trials(root: Path) -> str:
    """A table of the short runs by which rate and schedule were chosen."""
    rows = json.loads((root / RATES).read_text())["rows"]
    own = [row for row in rows if row | RATE_OF == row]
    steps = [step for step, _ in own[0]["validation"]]
    lines = ["| learning rate | schedule | " + " | ".join(f"step {step:,}" for step in steps) + " |"]
    lines.append("|--:|---|" + len(steps) * "--:|")
    for row in own:
        values = [f"{PERCENT * value:.1f}" for _, value in row["validation"]]
        lines.append(f"| {row['lr']:g} | {row['schedule']} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def status(run: dict[str, Any], root: Path) -> str:
    """Where the run is, and what it is beside."""
    step, value, low, high = run["validation"][-1]
    best = max(run["validation"], key=lambda point: point[1])
    beside = " and ".join(f"{name} {PERCENT * test:.1f} %" for name, test in references(root).items())
    text = (
        f"Step {run['steps']:,} of {run['of']:,}, learning rate {run['lr']:g}, {run['schedule']}. Validation at step"
        f" {step:,}: {PERCENT * value:.1f} % ({PERCENT * low:.1f}–{PERCENT * high:.1f}); best so far"
        f" {PERCENT * best[1]:.1f} % at step {best[0]:,}. Beside it, on the 1,000 test reviews: {beside}."
    )
    if "test" in run:
        test = run["test"]
        text += f" Test of the best: {PERCENT * test['value']:.1f} % ({PERCENT * test['low']:.1f}–"
        text += f"{PERCENT * test['high']:.1f})."
    return text


def references(root: Path) -> dict[str, float]:
    """The test accuracies beside which the curve is drawn."""
    rows = json.loads((root / "results/finetune.json").read_text())["rows"]
    plain = [row for row in rows if row["prompt"] == "rotten-tomatoes" and row["objective"] == "loss"]
    return {
        name: next(row["test"] for row in plain if kind.items() <= row.items()) for name, kind in REFERENCES.items()
    }


def alt_text(root: Path) -> str:
    run = run_of(root)
    assert run is not None
    last = run["validation"][-1][0]
    shown = [point for point in run["validation"] if point[0] in (*TICKS, last)]
    points = ", ".join(f"{PERCENT * value:.1f} at step {step:,}" for step, value, *_ in shown)
    lines = ", ".join(f"{name} {PERCENT * test:.1f}" for name, test in references(root).items())
    return f"Line chart of validation accuracy in percent against steps: {points}. Dashed lines: {lines}."


def draw(root: Path) -> None:
    """The figure; none before the run has begun."""
    run = run_of(root)
    if run is None:
        return
    figure = style.new_figure(2.9)
    axes = figure.subplots()
    steps, values, lows, highs = zip(*run["validation"], strict=True)
    accuracies, least, most = ([PERCENT * value for value in column] for column in (values, lows, highs))
    colour = style.LAW_STYLES["rademacher"][1]
    axes.fill_between(steps, least, most, color=colour, alpha=0.15, linewidth=0)
    axes.plot(steps, accuracies, color=colour, marker="s", markersize=3, linewidth=1.4)
    for name, test in references(root).items():
        axes.axhline(PERCENT * test, **style.THEORY)
        axes.annotate(
            f"{name}, test {PERCENT * test:.1f} %",
            (run["of"], PERCENT * test),
            (0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=style.SMALL,
            color=style.INK,
        )
    _label(axes, run)
    save(figure, root / FIGURE)


def _label(axes: "Axes", run: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter

    first = run["validation"][1][0] if len(run["validation"]) > 1 else run["of"]
    axes.set_xscale("symlog", linthresh=first, linscale=0.3)  # logarithmic, and with a place for step 0
    ticks = [step for step in TICKS if step <= run["of"]]
    axes.set_xticks(ticks, [f"{step:,}" for step in ticks])
    axes.minorticks_off()
    axes.set(xlim=(0, run["of"]), ylim=(40, 90), xlabel="steps of MeZO on all parameters")
    axes.set_ylabel("validation accuracy, %")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    style.despine(axes)
