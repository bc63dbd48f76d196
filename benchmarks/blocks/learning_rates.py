"""The largest stable learning rate: predicted from curvature, and found where training diverges."""

import json
import math
from pathlib import Path

from blocks.figures import save
from mezo_lab.report.figures import (
    EdgeRun,
    RateRun,
    divergence_alt_text,
    divergence_figure,
    edge_training_alt_text,
    edge_training_figure,
)

FIGURE = "docs/figures/divergence.svg"
TRAINING = "docs/figures/edge_in_training.svg"


def stability(root: Path) -> str:
    """Where MeZO diverges beside what was predicted: each spectrum at its smallest and its largest d."""
    rows = json.loads((root / "results/stability.json").read_text())["rows"]
    lines = ["| spectrum | d | n | r | predicted | found | predicted / found |", "|---|--:|--:|--:|--:|--:|--:|"]
    kinds: dict[tuple, list[dict]] = {}
    for row in rows:
        kinds.setdefault((row["spectrum"], row["rank"], row["probes"]), []).append(row)
    for (name, rank, probes), same in kinds.items():
        for row in same[:: max(1, len(same) - 1)]:
            error = row["ratio"] * math.hypot(
                row["predicted_error"] / row["predicted"], row["found_error"] / row["found"]
            )
            cells = f"{name} {rank or ''}".strip(), f"{row['dim']:,}", probes, f"{row['effective_rank']:,.1f}"
            values = f"{row['predicted']:.3g}", f"{row['found']:.3g}", f"{row['ratio']:.3f} ± {error:.3f}"
            lines.append("| " + " | ".join(map(str, (*cells, *values))) + " |")
    return "\n".join(lines)


def divergence_of(root: Path) -> tuple[list[RateRun], float, float]:
    record = json.loads((root / "results/divergence.json").read_text())
    runs = [RateRun(run["lr"], run["losses"], run["diverged"]) for run in record["runs"]]
    return (runs, *record["curvature"]["lr"])


def divergence(root: Path) -> str:
    """The curvature of the real loss, the rate predicted from it, and where runs diverged."""
    record = json.loads((root / "results/divergence.json").read_text())
    measured = {name: plus_minus(*record["curvature"][name]) for name in ("trace", "norm", "effective_rank", "lr")}
    prediction = (
        f"tr H = {measured['trace']}, λ_max = {measured['norm']}, effective rank r = {measured['effective_rank']}:"
        f" the largest stable learning rate is predicted to be {measured['lr']}."
    )
    steps = max(len(run["losses"]) for run in record["runs"])
    ends = [
        f"| {run['multiple']:g} × | {run['lr']:.2g} | {run['losses'][0]:.3f} | {run['losses'][-1]:.3f} |"
        f" {'diverged at step ' + str(len(run['losses'])) if run['diverged'] else 'trains'} |"
        for run in record["runs"]
    ]
    heads = [
        f"| of the predicted | learning rate | first loss | last, {steps} steps at most | |",
        "|--:|--:|--:|--:|---|",
    ]
    figure = f"![{divergence_alt_text(*divergence_of(root))}](figures/divergence.svg)"
    return "\n\n".join([prediction, "\n".join([*heads, *ends]), figure])


def edge_runs(root: Path) -> list[EdgeRun]:
    """The runs with one probe and the first seed, for the figure."""
    runs = json.loads((root / "results/edge_in_training.json").read_text())["runs"]
    shown = [run for run in runs if (run["method"], run["probes"], run["seed"]) == ("MeZO", 1, 0)]
    return [edge_run(run) for run in shown]


def edge_run(run: dict) -> EdgeRun:
    """A run of the record."""
    columns = {name: [point[name] for point in run["points"]] for name in ("step", "loss", "trace", "norm", "edge")}
    return EdgeRun(
        run["lr"],
        columns["step"],
        columns["loss"],
        columns["trace"],
        columns["norm"],
        columns["edge"],
        run["diverged"] is not None,
    )


def training(root: Path) -> str:
    """The edge during training: where each run turned, beside the two edges."""
    record = json.loads((root / "results/edge_in_training.json").read_text())
    lines = [
        "| | η | n | seed | η over the edge, at most | loss is least at step | η over the edge there"
        " | η over 2/λ_max there | end |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for run in record["runs"]:
        turn = run["turn"]
        end = f"diverges at step {run['diverged']:,}" if run["diverged"] else f"loss {run['points'][-1]['loss']:.2g}"
        numbers = f"{turn['step']:,}", f"{turn['of_the_edge']:.2f}", f"{turn['of_the_first_order_edge']:.2f}"
        probes = run["probes"] if run["method"] == "MeZO" else "–"
        cells = run["method"], f"{run['lr']:g}", probes, run["seed"], f"{run['most_of_the_edge']:.2f}"
        lines.append("| " + " | ".join(map(str, (*cells, *numbers, end))) + " |")
    network = record["network"]
    about = (
        f"A network {network['inputs']}–{network['width']}–{network['classes']} with {network['activation']},"
        f" {network['parameters']} parameters, on all of its {network['examples']} examples at every step;"
        f" {network['loss']}, ε = {record['epsilon']:g}, Gaussian z. In the rows of gradient descent the edge is"
        " that of MeZO with one probe."
    )
    figure = f"![{edge_training_alt_text(edge_runs(root))}](figures/edge_in_training.svg)"
    return "\n\n".join([figure, about, "\n".join(lines)])


def plus_minus(value: float, error: float) -> str:
    """
    >>> plus_minus(3328.3, 242.6), plus_minus(3.837e-4, 3.8e-5)
    ('3,330 ± 240', '3.84e-04 ± 3.8e-05')
    """
    if value < 1e-2:
        return f"{value:.2e} ± {error:.1e}"
    return f"{rounded(value, 3)} ± {rounded(error, 2)}"


def rounded(value: float, digits: int) -> str:
    """
    >>> rounded(3328.3, 3), rounded(2.7702, 3)
    ('3,330', '2.77')
    """
    return f"{float(f'{value:.{digits}g}'):,g}"


def draw(root: Path) -> None:
    """The figure of the diverging runs."""
    if (root / "results/divergence.json").exists():
        save(divergence_figure(*divergence_of(root)), root / FIGURE)
    if (root / "results/edge_in_training.json").exists():
        save(edge_training_figure(edge_runs(root)), root / TRAINING)
