"""What the notebooks share: how large to be, what must be there, a claim that is tried, a figure with its words."""

import io
import os
import warnings
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mezo_lab import doctor
from mezo_lab.claims import Status, Verdict, check, claim_named
from mezo_lab.sampling import law_named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAST = os.environ.get("MEZO_LAB_FAST") == "1"  # the tests set it
RESOLUTION = 0.02 if FAST else 0.01  # relative error that a verdict promises to see

Size = TypeVar("Size")


def sized(full: Size, fast: Size) -> Size:
    """`full` for a reader, `fast` where the tests run the notebook: a smaller d, and decoys no nearer than before.

    >>> sized(full=1000, fast=20) in (20, 1000)
    True
    """
    return fast if FAST else full


class _OneLine(Exception):
    """Shown in a notebook as its message alone, where a traceback would only frighten."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [" ".join(str(self).split())]


class Unexpected(_OneLine, AssertionError):
    """A verdict that is not the one from which the notebook's words go on."""


class Stop(_OneLine):
    """Ends a notebook, as where something is not installed."""


def needs_real_model() -> None:
    """Stop the notebook where the real model or its data are not installed.

    Raises: Stop, with the command that installs what is missing.
    """
    for found in (doctor.check_model(), doctor.check_data()):
        if not found.ok:
            raise Stop(f"This notebook needs the real {found.name}, which is not installed. Run: {found.remedy}")
    warnings.filterwarnings("ignore", message="IProgress not found")  # by tqdm, whose bars are of no use here


def record_path(name: str) -> Path:
    """The file or folder of a record, such as "results/finetune.json", whatever the working directory is.

    In a checkout it is the one that a command rewrites; a wheel carries a copy.

    Raises: FileNotFoundError, for a name that is no record.

    >>> record_path("results/finetune.json").exists()
    True
    """
    package = Path(__file__).resolve().parents[1]
    for home in (package / "records", package.parent):
        if (home / name).exists():
            return home / name
    raise FileNotFoundError(
        f"`name` must be a record, such as results/finetune.json, got {name!r}: neither {package / 'records'} nor "
        f"{package.parent} has it. Install mezo_lab from a wheel or a checkout that has it."
    )


def tried(name: str, law: str = "gaussian", **parameters: Any) -> Verdict:
    """Test a claim of the registry, by name or id, at one law and parameter set.

    Returns: the verdict; print it, or `show` it.
    Raises: ValueError naming what there is; Unexpected where the claim is not CONSISTENT, or a decoy is.

    >>> tried("norm-factor", dim=6, probes=2).status.name
    'CONSISTENT'
    """
    claim, chosen = claim_named(name), law_named(law)
    usual = claim.parameter_sets(chosen, "fast" if FAST else "default")
    settings = (usual[0] if usual else {}) | parameters
    verdict = check(claim, chosen, settings, resolution=RESOLUTION)
    accepted = [decoy.statement for decoy in verdict.decoys if decoy.status is Status.CONSISTENT]
    if verdict.status is not Status.CONSISTENT or accepted:
        raise Unexpected(f"{verdict}" + "".join(f"; the decoy {decoy} agrees with the draws" for decoy in accepted))
    return verdict


def show(shown: "Verdict | Sequence[Verdict] | Figure", alt: str = "") -> None:
    """Display verdicts of one claim as its figure, or a figure of your own with `alt`, its words for who cannot see it.

    The words go with the image, for pages that are made of it, and folded below it, as JupyterLab drops the former.

    Raises: ValueError for a figure without words.
    """
    from IPython.display import HTML, Image, display

    from mezo_lab.report.figures import alt_text, claim_figure

    if isinstance(shown, Verdict):
        shown = [shown]
    if isinstance(shown, Sequence):
        claim = shown[0].claim
        figure, alt = claim_figure(shown, claim), alt or alt_text(shown, claim)
    else:
        figure = shown
    if not alt:
        raise ValueError("`alt` must say what the figure shows, got nothing: give the kind of chart, axes and finding.")
    display(Image(png(figure), alt=alt))
    display(HTML(f"<details><summary>In words</summary>{escape(alt)}</details>"))


def png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})  # the same bytes from every version
    return file.getvalue()
