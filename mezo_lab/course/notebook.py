"""What the notebooks share: their size, the tests of what must be installed, verdicts, and figures with alt text."""

import base64
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mezo_lab import doctor
from mezo_lab.claims import Status, Verdict, check, claim_named
from mezo_lab.claims.wording import distance_text, signs_of_print
from mezo_lab.course.exercises.answers import shortened
from mezo_lab.environment.installation import install_command, missing_modules
from mezo_lab.report.card import rows_card, verdict_card
from mezo_lab.report.figures import alt_text, as_slide, claim_figure
from mezo_lab.report.labels import typographic
from mezo_lab.report.proof_card import proof_card
from mezo_lab.report.prose import by_claim
from mezo_lab.sampling import KEYED_LAWS, Estimate, law_named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mezo_lab.proofs import Proof

__all__ = [
    "SLIDE",
    "MissingModel",
    "Predictions",
    "UnexpectedVerdict",
    "distance",
    "explore",
    "needs_packages",
    "needs_real_model",
    "predict",
    "record_path",
    "show",
    "show_proof",
    "sized",
    "verify",
]

SLIDE = "application/vnd.mezo-lab.slide"
"""Type of the picture that a build adds for the lecture: a PNG, wide and with large letters."""

_FAST = os.environ.get("MEZO_LAB_FAST") == "1"  # the tests set it
_SLIDES = os.environ.get("MEZO_LAB_SLIDES") == "1"  # a build sets it
_RESOLUTION = 0.02 if _FAST else 0.01  # relative error that a verdict promises to see
_PAGE_WIDTH = 7  # inches of a figure, at which its letters are as large as the text
_PIXELS_PER_INCH = 120  # of the page
_SLIDE_PIXELS = 2048  # the width of a slide's picture
_COLOURS = 64  # of an image: lines on white, and the greys of their edges
_DARK = '<style>[data-jp-theme-light="false"] .jp-RenderedImage img{filter:invert(1) hue-rotate(180deg)}</style>'

Size = TypeVar("Size")


def sized(full: Size, fast: Size) -> Size:
    """The size of an experiment: `full` for a reader, `fast` where the tests run the notebook.

    Args:
        full: such as a dimension, of any type.
        fast: smaller; the decoys must be as far away as before.
    Returns: one of the two.

    >>> sized(full=1000, fast=20) in (20, 1000)
    True
    """
    return fast if _FAST else full


class _OneLineError(Exception):
    """An error that a notebook shows as its message alone, where a traceback would only frighten."""

    def _render_traceback_(self) -> list[str]:  # IPython calls it in place of its own rendering
        return [" ".join(str(self).split())]


class UnexpectedVerdict(_OneLineError, AssertionError):
    """A verdict other than the one that the notebook's text describes."""


class MissingModel(_OneLineError):
    """Ends a notebook where the real model, its data or the packages that read it are not installed."""


def needs_real_model() -> None:
    """Stop the notebook where the real model or its data are not installed.

    Raises: MissingModel, with the command that installs what is missing.
    """
    for requirement in (doctor.check_model(), doctor.check_data()):
        if not requirement.ok:
            raise MissingModel(
                f"This notebook needs the real {requirement.name}, which is not installed. Run: {requirement.remedy}"
            )
    _ignore_progress_bars()


def needs_packages(*modules: str) -> None:
    """Stop the notebook where a package is not installed.

    Args: modules: by the names under which they are imported.
    Raises: MissingModel, with the command that installs what is missing.

    >>> needs_packages("torch", "matplotlib")
    """
    if absent := missing_modules(modules):
        raise MissingModel(
            f"This notebook needs {' and '.join(absent)}, not installed here. Run: {install_command(*absent)}"
        )
    _ignore_progress_bars()


def _ignore_progress_bars() -> None:
    warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm's, whose bars no notebook needs


def record_path(name: str) -> Path:
    """The file or folder of a record, such as "results/finetune.json", whatever the working directory is.

    In a checkout it is the one that a command rewrites; a wheel carries a copy.

    Args: name: its path from the root of the repository.
    Returns: the absolute path.
    Raises: FileNotFoundError for a name that is no record.

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


def verify(name: str, law: str = "gaussian", **parameters: Any) -> Verdict:
    """Test a claim of the registry at one law and parameter set.

    Args:
        name: of the claim, or its id; `mezo-lab list` has both.
        law: of z, by name.
        parameters: of the claim; its first default set fills in those that are missing.
    Returns: the verdict; print it, or `show` it.
    Raises: ValueError naming the choices; UnexpectedVerdict where the claim is not CONSISTENT, or a decoy is.

    >>> verify("norm-factor", dim=6, probes=2).status.name
    'CONSISTENT'
    """
    claim = claim_named(name)
    chosen_law = law_named(law, KEYED_LAWS)
    defaults = claim.parameter_sets(chosen_law, "fast" if _FAST else "default")
    settings = (defaults[0] if defaults else {}) | parameters
    verdict = check(claim, chosen_law, settings, resolution=_RESOLUTION)
    accepted = [decoy.statement for decoy in verdict.decoys if decoy.status is Status.CONSISTENT]
    if verdict.status is not Status.CONSISTENT or accepted:
        decoys = "".join(f"; the decoy {typographic(statement)} agrees with the draws" for statement in accepted)
        raise UnexpectedVerdict(f"{verdict}{decoys}")
    return verdict


def distance(measured: Estimate, expected: float) -> str:
    """How many standard errors a mean lies above an expected value, in the few letters that a table has room for.

    Args:
        measured: the mean with its error.
        expected: of a formula.

    >>> measured = Estimate(1.2, 0.1, 100)
    >>> distance(measured, 1.0), distance(measured, 1.2), distance(measured, 5.2)
    ('+2.0', '+0.0', '−40')
    """
    return distance_text(measured.z_score(expected))


def show(
    result: "Verdict | Sequence[Verdict] | Sequence[Mapping[str, Any]] | Figure",
    alt: str = "",
    slide: "Figure | None" = None,
) -> None:
    """Display verdicts as a table, several of one claim under their figure; or rows of your own, or a figure.

    The alt text goes with the image, for pages made of the notebook, and folded below it, because JupyterLab drops it.
    A figure has the width of the page, and two pixels for each of the page's.

    Args:
        result: verdicts; or rows, each a dictionary from the heads of the table to its cells; or a figure.
        alt: what the figure shows, for readers who cannot see it; that of verdicts is made from them.
        slide: another figure for the lecture, where this one has more panels than a slide.
    Raises: ValueError for a figure without alt text, and for anything that is neither figure, verdicts nor rows.
    """
    from IPython.display import HTML, display

    if isinstance(result, Verdict):
        result = [result]
    if hasattr(result, "savefig"):
        _show_figure(cast("Figure", result), alt, slide)
        return
    shown = list(result) if isinstance(result, Sequence) else []
    rows = [row for row in shown if isinstance(row, Mapping) and row]
    verdicts = [verdict for verdict in shown if isinstance(verdict, Verdict)]
    if not shown or len(shown) not in (len(rows), len(verdicts)):
        raise ValueError(
            f"`result` must be verdicts, rows or a figure, got {shortened(repr(result))}: print words and numbers, and "
            "show one kind at a time."
        )
    if rows:
        display(HTML(rows_card(rows)))
        return
    for group in by_claim(verdicts):
        if len(group) > 1:
            _show_figure(claim_figure(group, group[0].claim), alt or alt_text(group, group[0].claim))
    display(HTML(verdict_card(verdicts)))


def show_proof(*proofs: "Proof") -> None:
    """Display the steps of a proof as a table; of several proofs, those whose formulas differ, side by side.

    Args: proofs: such as `mezo_lab.proofs.prove` makes.
    Raises: ValueError where the proofs do not have the same number of steps.
    """
    from IPython.display import HTML, display

    display(HTML(proof_card(proofs)))


def _show_figure(figure: "Figure", alt: str, slide: "Figure | None" = None) -> None:
    from IPython.display import HTML, Image, display

    if not alt:
        raise ValueError("`alt` must say what the figure shows, got nothing: give the kind of chart, axes and finding.")
    alt = signs_of_print(alt)
    page = _page_png(figure)
    width = _PAGE_WIDTH * _PIXELS_PER_INCH
    if _SLIDES:
        pictures = {"image/png": page, SLIDE: _slide_png(figure if slide is None else slide)}
        encoded = {kind: base64.b64encode(picture).decode() for kind, picture in pictures.items()}
        metadata = {"image/png": {"alt": alt, "width": width}}
        display(encoded | {"text/plain": "<a figure>"}, metadata=metadata, raw=True)
    else:
        display(Image(page, alt=alt, width=width))
    display(HTML(f"{_DARK}<details><summary>In words</summary>{escape(alt)}</details>"))


def _page_png(figure: "Figure") -> bytes:
    """The figure at the width of the page."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(_PAGE_WIDTH, height * (_PAGE_WIDTH / width) ** 0.5)  # wider, and less than that higher
    return _png(figure, 2 * _PIXELS_PER_INCH)


def _slide_png(figure: "Figure") -> bytes:
    """The figure at the width of a slide's picture."""
    width, _ = as_slide(figure).get_size_inches()
    return _png(figure, _SLIDE_PIXELS / width)


def _png(figure: "Figure", dpi: float) -> bytes:
    """The figure on white, in few colours and so in few bytes: the same from each version."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, facecolor="white")
    file = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(file, format="png", optimize=True)
    return file.getvalue()


class Predictions:
    """The reader's answers to the questions of a notebook, by name; `predict` makes it."""

    def __init__(self, answers: Mapping[str, str]):
        self._answers = dict(answers)

    def compare(self, name: str, result: str) -> None:
        """Display the reader's answer and, below it, what the experiment showed.

        Args:
            name: of the question, as `predict` was given it.
            result: a short sentence, in the notebook made of what was measured.
        Raises: ValueError for a question that was not asked.
        """
        from IPython.display import HTML, display

        if name not in self._answers:
            asked = ", ".join(self._answers) or "(none was asked)"
            raise ValueError(f"`name` must be one of {asked}, got {name!r}: see the first cells.")
        answer = self._answers[name]
        answer = "" if answer is None or answer is ... else str(answer).strip()
        predicted = f"<b>You predicted:</b> {escape(answer)}" if answer else "You left the prediction open."
        display(HTML(f"<p>{predicted}<br><b>The experiment:</b> {escape(signs_of_print(str(result)))}</p>"))


def explore(draw: "Callable[..., Figure]", **choices: Sequence[Any]) -> None:
    """Display a figure under sliders, one for each choice; without ipywidgets, which is optional, say so in one line.

    Args:
        draw: figure of the chosen values, which it takes by the names of the choices.
        choices: the values of each slider, in their order.
    """
    from IPython.display import HTML, Image, display

    try:
        ipywidgets = importlib.import_module("ipywidgets")  # no extra brings it: the course stands without
    except ImportError:
        display(HTML("<p>Install <code>ipywidgets</code> for sliders; the picture above stands without them.</p>"))
        return
    sliders = {name: ipywidgets.SelectionSlider(options=list(values)) for name, values in choices.items()}

    def draw_chosen(**chosen: Any) -> None:
        alt = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        display(Image(_page_png(draw(**chosen)), alt=f"The figure for {alt}.", width=_PAGE_WIDTH * _PIXELS_PER_INCH))

    ipywidgets.interact(draw_chosen, **sliders)


def predict(**answers: str) -> Predictions:
    """Keep the reader's predictions until the results are there. Nothing is shown, and nothing is judged.

    Args: answers: one for each question, under a short name; empty where the reader gave none.
    Returns: an object whose `compare` shows an answer beside its result.

    >>> predictions = predict(percent="", longer="the second")
    """
    return Predictions(answers)


def _show_verdicts_as_tables() -> None:
    """Let a verdict that ends a cell be displayed as its table; only where IPython runs."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        shell.display_formatter.formatters["text/html"].for_type(Verdict, lambda verdict: verdict_card([verdict]))


_show_verdicts_as_tables()
