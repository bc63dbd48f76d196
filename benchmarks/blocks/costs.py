"""What a step costs, what each method holds in memory, and how fast claims are sampled."""

import json
from pathlib import Path

from blocks.figures import save
from blocks.tables import outcome
from blocks.verdicts import fenced
from mezo_lab.report.figures.cost import StepCost, mebibytes, step_alt_text, step_figure

FIGURE = "docs/figures/step_cost.svg"


def sampling(root: Path) -> str:
    """The two samplers against the loop a student would write, and the reduced one where the loop cannot go."""
    record = json.loads((root / "results/sampling.json").read_text())
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


def short(root: Path) -> str:
    """What the page says, in three sentences."""
    record = json.loads((root / "results/step_cost.json").read_text())
    rows = {row["method"]: row for row in record["beds"][0]["rows"]}
    own = [row["memory"]["over_forward"] for method, row in rows.items() if method.startswith("MeZO ")]
    ratio = {method: f"{row['ratio']:.2f}" for method, row in rows.items()}
    adam = rows["Adam, backpropagation"]["memory"]["over_forward"]
    return (
        f"On {record['beds'][0]['model']} a step of MeZO takes {ratio['MeZO gaussian, 3 sweeps']} times as long as its"
        f" two forward passes with Gaussian z, the default, and {ratio['MeZO rademacher, 3 sweeps']} times with random"
        f" signs, where the published sequence takes {ratio['published sequence']} times and a step of Adam"
        f" {ratio['Adam, backpropagation']} times. Above the memory of a forward pass it needs at most"
        f" {max(own):.0f} MiB, Adam {adam:,.0f}. It needs far more steps than Adam: choose it where backpropagation"
        " does not fit."
    )


def step(root: Path) -> str:
    """What a step costs: on the language model in sight, on others folded."""
    file = root / "results/step_cost.json"
    if not file.exists():
        return "Not measured yet: `python benchmarks/step_cost.py` does it."
    record = json.loads(file.read_text())
    first, *others = record["beds"]
    folded = [f"<details><summary>{about(bed)}</summary>\n\n{step_table(bed)}\n\n</details>" for bed in others]
    figure = f"![{step_alt_text(step_costs(first))}](figures/step_cost.svg)"
    parts = [about(first), step_table(first), figure, conditions(record), promises(record), *folded, *low_rank(root)]
    return "\n\n".join(filter(None, parts))


def low_rank(root: Path) -> list[str]:
    """The language model in a run of its own, with the steps and sweeps of the low-rank law."""
    file = root / "results/step_cost_low_rank.json"
    if not file.exists():
        return []
    record = json.loads(file.read_text())
    (bed,) = record["beds"]
    command = f"python benchmarks/step_cost.py --beds smollm2 --rounds 3 --json results/{file.name}"
    head = f"The same model with the low-rank law as well, in a run of its own (`{command}`):"
    return [head, step_table(bed), conditions(record), promises(record)]


def about(bed: dict) -> str:
    tokens = f" = {bed['tokens_per_step']} tokens per step" if "tokens_per_step" in bed else ""
    size = f"all {bed['parameters']:,} parameters, {bed['dtype']}"
    return f"{bed['model']}, {size}, batch {bed['batch']}{tokens}, {bed['data']}."


def step_table(bed: dict) -> str:
    unit, factor = ("µs", 1e6) if is_short(bed) else ("ms", 1e3)
    rows = [
        f"| | {unit} | × two forwards | least–largest | + MiB | sweeps | random words | GB moved |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in bed["rows"]:
        memory = row["memory"]
        cells = (
            row["method"],
            f"{row['seconds'] * factor:,.4g}",
            f"{row['ratio']:.2f}",
            f"{row['least']:.2f}–{row['largest']:.2f}",
            mebibytes(memory["over_forward"]) if memory else "–",
            row["sweeps"],
            f"{row['words']:,.0f}",
            f"{row['bytes'] / 1e9:,.3g}",
        )
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n\n".join(["\n".join(rows), *run_line(bed), sweep_speeds(bed)])


def is_short(bed: dict) -> bool:
    """Whether the steps of a model are told in microseconds."""
    return bed["parameters"] < 1000


def run_line(bed: dict) -> list[str]:
    """How long a whole run takes, where one was timed."""
    if "run" not in bed:
        return []
    times = ", ".join(f"{seconds:.2f} s ({method})" for method, seconds in bed["run"]["seconds"].items())
    return [f"A run of {bed['run']['steps']:,} steps, from a new optimizer on: {times}."]


def sweep_speeds(bed: dict) -> str:
    speeds = bed["sweep_speed"]
    if is_short(bed):
        cells = [f"{name} {row['seconds'] * 1e6:.2g}" for name, row in speeds.items()]
        return f"One sweep alone, in µs, beside `add_` of tensors that lie ready: {', '.join(cells)}."
    cells = [f"{name} {row['ns_per_coordinate']:.2f} ({row['ratio']:.2f} ×)" for name, row in speeds.items()]
    mode = "compiled" if bed["compiled_sweeps"] else "eager, z kept from the sweep before"
    return f"One sweep alone ({mode}), ns per coordinate, over `add_` of tensors that lie ready: {', '.join(cells)}."


def conditions(record: dict) -> str:
    machine = record["machine"]
    packages = "; ".join(f"{name} {version}" for name, version in record["packages"].items())
    return (
        f"Medians of {record['rounds']} rounds in turn; ratios round by round ({machine['processor']},"
        f" {machine['threads']} threads, torch {machine['torch']}; {packages}). Memory: peak of a process over its own"
        " forward passes. GB moved: by operations outside the model; of backpropagation the update alone."
    )


def promises(record: dict) -> str:
    lines = []
    for target in record["targets"]:
        sign, bound = ("≤", target["at_most"]) if "at_most" in target else ("≥", target["at_least"])
        lines.append(
            f"- {target['promise']} {sign} {bound:g}: {target['measured']:.4g}, {outcome(target['missed_by'])}"
        )
    return "\n".join(lines)


def step_costs(bed: dict) -> list[StepCost]:
    """The rows of one model as the figure takes them; the two forward passes are its line at 1."""
    return [
        StepCost(
            method=row["method"],
            ratio=row["ratio"],
            least=row["least"],
            largest=row["largest"],
            memory=row["memory"] and row["memory"]["over_forward"],
            law=row["law"],
            floor=row["floor"],
        )
        for row in bed["rows"]
        if row["sweeps"]
    ]


def memory(root: Path) -> str:
    """What `mezo-lab memory` printed of the real model, measured, and of the paper's."""
    return fenced((root / "results/memory.txt").read_text().strip())


def draw(root: Path) -> None:
    """The figure of the step's costs."""
    file = root / "results/step_cost.json"
    if file.exists():
        save(step_figure(step_costs(json.loads(file.read_text())["beds"][0])), root / FIGURE)
