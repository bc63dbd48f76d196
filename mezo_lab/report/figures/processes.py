"""What passes the wire in a step of several processes: counted bytes against the number of parameters."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["wire_alt_text", "wire_figure"]

_FLOAT32 = 4  # bytes
_LOSS = 8  # bytes
_CHECKS = 2  # numbers that go with the losses: did I fail, and a digest of my settings


def wire_figure(rows: Sequence[Mapping[str, Any]], probes: int) -> "Figure":
    """Bytes of a step, of all processes together: MeZO's losses, a gradient round a ring, and a decoy.

    The theory counts the numbers alone: p(p − 1)·8(2n + 2) bytes for MeZO, 2(p − 1)·4d round a ring. In the decoy every
    process sends its gradient to every other.

    Args:
        rows: of results/wire.json.
        probes: n.

    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check_rows(rows)
    figure = style.new_figure(height=3.6)
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel="parameters d", ylabel="bytes per step, all together")
    counts = sorted({row["ranks"] for row in rows})
    sizes = sorted({row["parameters"] for row in rows})
    for ranks in counts:
        chosen = [row for row in rows if row["ranks"] == ranks]
        fill: dict[str, Any] = {"fillstyle": "none" if ranks == counts[-1] and len(counts) > 1 else "full"}
        for name, label, law in (("mezo", "MeZO", "gaussian"), ("gradient", "gradient", "rademacher")):
            places = [row["parameters"] for row in chosen]
            bytes_ = [row[name]["bytes"] for row in chosen]
            axes.errorbar(places, bytes_, label=f"{label}, p = {ranks}, counted", **style.estimate(law) | fill)
        axes.plot(sizes, [_gathered(ranks, probes)] * len(sizes), **style.THEORY)
        axes.plot(sizes, [2 * (ranks - 1) * _FLOAT32 * size for size in sizes], **style.THEORY)
    axes.plot([], [], label="theory: the numbers alone", **style.THEORY)
    decoy = [counts[-1] * (counts[-1] - 1) * _FLOAT32 * size for size in sizes]
    axes.plot(sizes, decoy, label=f"decoy, to all others, p = {counts[-1]}", **style.decoy("", [""]))
    style.despine(axes)
    style.figure_legend(figure, columns=2)
    return figure


def _gathered(ranks: int, probes: int) -> int:
    """
    >>> _gathered(2, 1)
    64
    """
    return ranks * (ranks - 1) * _LOSS * (2 * probes + _CHECKS)


def wire_alt_text(rows: Sequence[Mapping[str, Any]], probes: int) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> row = {"ranks": 2, "parameters": 1000, "mezo": {"bytes": 1430}, "gradient": {"bytes": 10680}}
    >>> print(wire_alt_text([row], probes=1).split(": ")[1])
    with 2 processes and 1,000 parameters MeZO 1,430, where the numbers alone are 64, and a gradient 10,680.
    """
    _check_rows(rows)
    told = "; ".join(
        f"with {row['ranks']} processes and {row['parameters']:,} parameters MeZO {row['mezo']['bytes']:,.0f}, "
        f"where the numbers alone are {_gathered(row['ranks'], probes):,}, "
        f"and a gradient {row['gradient']['bytes']:,.0f}"
        for row in rows
    )
    return f"Log-log chart of bytes per step against the number of parameters: {told}."


def _check_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        raise ValueError("`rows` must hold at least one count, got none: run benchmarks/wire.py first.")
