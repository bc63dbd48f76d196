"""How cost grows: a figure each for parameters, probes, ranks and draws."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from blocks.costs import times
from blocks.figures import save
from mezo_lab.report.figures.growth import GrowthLine, GrowthPanel, GrowthSeries, growth_alt_text, growth_figure

RECORD = "results/growth.json"
LAWS = {"rademacher": "signs", "gaussian": "Gaussian"}
TORCH = ", torch"  # at the end of the name of a step whose sweeps are plain torch operations
ADD = "three add_"

Row = dict[str, Any]


def growth(root: Path) -> str:
    """The four figures, each below a sentence that says what it shows."""
    file = root / RECORD
    if not file.exists():
        return "Not measured yet: `python benchmarks/growth.py` does it."
    record = json.loads(file.read_text())
    parts = []
    for name, panels in figures(record).items():
        parts += [sentence(name, record), f"![{growth_alt_text(panels)}](figures/growth_{name}.svg)"]
    machine = record["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}"
    parts.append(f"Medians of {record['rounds']} rounds in turn; bars from the least to the largest ({where}).")
    return "\n\n".join(parts)


def sentence(name: str, record: dict[str, Any]) -> str:
    """What a figure says, with its numbers."""
    return {"parameters": of_parameters, "probes": of_probes, "ranks": of_ranks, "draws": of_draws}[name](record)


def of_parameters(record: dict[str, Any]) -> str:
    rows = record["parameters"]
    most = max(row["parameters"] for row in rows)
    large = {row["name"]: row["seconds"] for row in rows if row["parameters"] == most}
    ratios = ", ".join(f"{said(name)} {times(large[name] / large[ADD])} ×" for name in large if name != ADD)
    return (
        "**Parameters.** A step of one probe makes three sweeps, whose time is proportional to the parameters; where"
        " they are few, its fixed cost shows. Here the loss costs nothing. Over three `add_` of tensors that lie ready,"
        f" at {most:,} parameters: {ratios}."
    )


def of_probes(record: dict[str, Any]) -> str:
    most = max(row["probes"] for row in record["probes"])
    rows = having(record["probes"], name="gaussian", probes=most)
    costs = ", ".join(f"{micro(row['seconds'] / most)} for {row['parameters']:,} weights" for row in rows)
    return (
        "**Probes.** A step of n probes makes 2n sweeps of one z each, and one of n z: linear in n. Each of"
        f" {most:,} Gaussian probes of a step takes {costs}."
    )


def of_ranks(record: dict[str, Any]) -> str:
    rows = record["processes"]
    task = rows[0]["name"]
    alone, *shared = having(rows, name=task)
    gains = ", ".join(f"{row['processes']} of them {alone['seconds'] / row['seconds']:.2f} ×" for row in shared)
    first, *_, last = having(record["ranks"], name="low-rank")
    return (
        "**Ranks**: those of `torch.distributed` above, that of the low-rank law below. Processes that share the"
        f' {alone["probes"]} probes of a step (`parallel="probe"`; {task}) can be as much faster as there are cores for'
        f" them, here {record['machine']['cores']}; measured, {gains}. Where the loss costs nothing, the exchange is"
        " left. The low-rank law draws numbers for the rows and columns of a matrix, as many times as its rank, and"
        f" multiplies: on {first['parameters']:,} weights a step at rank {last['rank']} takes"
        f" {times(last['seconds'] / first['seconds'])} × as long as at rank {first['rank']}."
    )


def of_draws(record: dict[str, Any]) -> str:
    finest = min(record["draws"], key=lambda row: row["resolution"])
    return (
        "**Draws.** A verdict on the norm factor with Gaussian probes needs draws ∝ 1/resolution²: half the resolution"
        " costs four times as much. Where it takes more than the theory, the wrong formulas beside it, which it must"
        f" refute too, are the finer task. {finest['draws']:,} draws for {100 * finest['resolution']:g} % at"
        f" d = {finest['dim']:,}, n = {finest['probes']} take {finest['seconds']:.2g} s."
    )


def micro(seconds: float) -> str:
    """
    >>> micro(1.234e-5), micro(0.0104)
    ('12 µs', '10,400 µs')
    """
    return f"{1e6 * seconds:,.0f} µs"


def figures(record: dict[str, Any]) -> dict[str, list[GrowthPanel]]:
    return {
        "parameters": [parameters_panel(record["parameters"])],
        "probes": [probes_panel(record["probes"])],
        "ranks": [processes_panel(record), rank_panel(record["ranks"])],
        "draws": draws_panels(record["draws"]),
    }


def parameters_panel(rows: Sequence[Row]) -> GrowthPanel:
    names = list(dict.fromkeys(row["name"] for row in rows))
    series = [one(said(name), having(rows, name=name), "parameters", law(name), TORCH in name) for name in names]
    line = proportional("proportional to the parameters", having(rows, name=ADD), "parameters")
    return GrowthPanel("parameters", "seconds of a step", series, [line])


def probes_panel(rows: Sequence[Row]) -> GrowthPanel:
    sizes = list(dict.fromkeys(row["parameters"] for row in rows))
    series = []
    lines = []
    for size in sizes:
        for name in LAWS:
            own = having(rows, name=name, parameters=size)
            series.append(one(f"{LAWS[name]}, {size:,} weights", own, "probes", name, size == min(sizes)))
        own = having(rows, name="gaussian", parameters=size)
        lines.append(proportional("proportional to the probes", own, "probes"))
    return GrowthPanel("probes n", "seconds of a step", series, lines)


def processes_panel(record: dict[str, Any]) -> GrowthPanel:
    rows = record["processes"]
    series = [one(name, having(rows, name=name), "processes") for name in dict.fromkeys(row["name"] for row in rows)]
    alone = rows[0]["seconds"]
    cores = record["machine"]["cores"]
    sizes = [row["processes"] for row in having(rows, name=rows[0]["name"])]
    shared = GrowthLine(f"shared by processes, {cores} at a time", sizes, [alone / min(size, cores) for size in sizes])
    return GrowthPanel("processes that share a step", "seconds of a step", series, [shared])


def rank_panel(rows: Sequence[Row]) -> GrowthPanel:
    low = having(rows, name="low-rank")
    series = [
        one("low-rank law", low, "rank", "low-rank"),
        one("Gaussian law, which has no rank", having(rows, name="gaussian"), "rank", "gaussian"),
    ]
    return GrowthPanel(
        "rank of the low-rank law", "seconds of a step", series, [proportional("proportional to the rank", low, "rank")]
    )


def draws_panels(rows: Sequence[Row]) -> list[GrowthPanel]:
    settings = list(dict.fromkeys((row["dim"], row["probes"]) for row in rows))
    counts = []
    seconds = []
    lines = []
    for dim, probes in settings:
        own = having(rows, dim=dim, probes=probes)
        name = f"d = {dim:,}, n = {probes}"
        draws = [row["draws"] for row in own]
        at = [row["resolution"] for row in own]
        counts.append(GrowthSeries(name, at, draws, draws, draws))
        seconds.append(one(name, own, "resolution"))
        lines.append(GrowthLine("∝ 1/resolution²", at, [row["theory"] for row in own]))
    return [
        GrowthPanel("resolution", "draws of a verdict", counts, lines),
        GrowthPanel("resolution", "its seconds", seconds, [inverse_square(having(rows, dim=settings[-1][0]))]),
    ]


def inverse_square(rows: Sequence[Row]) -> GrowthLine:
    """∝ 1/resolution² through the finest."""
    last = rows[-1]
    sizes = [row["resolution"] for row in rows]
    return GrowthLine("∝ 1/resolution²", sizes, [last["seconds"] * (last["resolution"] / size) ** 2 for size in sizes])


def one(name: str, rows: Sequence[Row], size: str, law: str = "", hollow: bool = False) -> GrowthSeries:
    columns: Iterable[list] = ([row[key] for row in rows] for key in (size, "seconds", "least", "largest"))
    return GrowthSeries(name, *columns, law=law, hollow=hollow)


def proportional(name: str, rows: Sequence[Row], size: str) -> GrowthLine:
    """The line of slope one through the largest."""
    last = rows[-1]
    sizes = [row[size] for row in rows]
    return GrowthLine(name, sizes, [last["seconds"] * own / last[size] for own in sizes])


def having(rows: Sequence[Row], **values: Any) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def law(name: str) -> str:
    return name.removesuffix(TORCH) if name != ADD else ""


def said(name: str) -> str:
    """
    >>> said("rademacher, torch"), said("three add_")
    ('signs in torch operations', 'three add_')
    """
    if name == ADD:
        return name
    return LAWS[law(name)] + (" in torch operations" if TORCH in name else "")


def draw(root: Path) -> None:
    """The four figures."""
    file = root / RECORD
    if file.exists():
        for name, panels in figures(json.loads(file.read_text())).items():
            save(growth_figure(panels), root / f"docs/figures/growth_{name}.svg")
