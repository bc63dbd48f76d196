"""`mezo-lab verify`: test claims by sampling, each with its decoys."""

import argparse
import io
import sys
from collections.abc import Generator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from mezo_lab.cli.options import check_minimum, integer
from mezo_lab.cli.outcomes import outcomes, process_count, process_group, rank, ranks_of_torchrun
from mezo_lab.environment.installation import NotInstalled, require
from mezo_lab.theory import Expression
from mezo_lab.validation import one_of

if TYPE_CHECKING:
    from mezo_lab.claims import Verdict
    from mezo_lab.claims.selection import Job
    from mezo_lab.claims.workers import Outcome
    from mezo_lab.report import Progress
    from mezo_lab.report.table import TableWriter


def add_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("names", nargs="*", metavar="NAME", help="claims by name or id; none: all of them")
    add("--law", help="only this law of z")
    add("--dim", type=integer, metavar="D", help="dimension d")
    add("--probes", type=integer, metavar="N", help="probes per step n")
    text = "a parameter of a claim that was named, such as moment=norm; may be repeated"
    add("--set", action="append", default=[], metavar="NAME=VALUE", help=text)
    size = command.add_mutually_exclusive_group()
    size.add_argument(
        "--draws", type=integer, metavar="N", help="exactly this many draws, in place of a planned number"
    )
    text = "relative error to see (default 0.01; 0.03 if fast)"
    size.add_argument("--resolution", type=float, metavar="R", help=text)
    add("--seed", type=integer, default=0, metavar="S", help="which random words (default 0)")
    mode = command.add_mutually_exclusive_group()
    text = "small d, every decoy still refuted"
    mode.add_argument("--fast", action="store_const", dest="mode", const="fast", help=text)
    mode.add_argument("--full", action="store_const", dest="mode", const="full", help="more parameter sets")
    add("--models", action="store_true", help="also the claims on a real language model")
    text = "test so many claims at a time (default: the cores, where it pays); no digit depends on it"
    add("--jobs", type=integer, metavar="N", help=text)
    add("--device", default="cpu", metavar="D", help="cpu or cuda")
    add("--expect", metavar="EXPR", help='your own formula for one claim, such as "(d+n-1)/n"')
    add("--json", type=Path, metavar="FILE", help="write the verdicts as JSON")
    add("--html", type=Path, metavar="FILE", help="write a report, one self-contained page")
    command.set_defaults(run=_run, mode="default")


def _run(options: argparse.Namespace) -> int:
    _check_options(options)
    with process_group() as shared:
        if rank() == 0:
            return _verify(options, shared)
        options.json = None
        options.html = None
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # the first rank speaks for all
                return _verify(options, shared)
        except ValueError:
            return 2


def _verify(options: argparse.Namespace, shared: bool) -> int:
    from mezo_lab.claims.costs import RESOLUTIONS, expected_seconds
    from mezo_lab.claims.trial import check_size
    from mezo_lab.report import Progress
    from mezo_lab.report.table import TableWriter

    resolution = options.resolution
    if resolution is None:
        resolution = RESOLUTIONS[options.mode]
    check_size(resolution, options.draws)
    planned = _jobs(options)
    formula = _expected_formula(options.expect, planned)
    seconds = expected_seconds(planned, options.mode, resolution, options.draws)
    processes = process_count(planned, options.jobs, seconds)
    if options.set or options.dim or options.probes or options.device != "cpu":  # not what was measured
        seconds = None
    if shared and seconds is not None:
        seconds = [part / ranks_of_torchrun() for part in seconds]
    settings = {"resolution": resolution, "draws": options.draws, "seed": options.seed, "expect": formula}
    with Progress(len(planned), seconds=seconds, processes=processes) as progress:
        table = TableWriter(planned, pause=progress.paused)
        proofs = formula is None and rank() == 0
        tested = outcomes(planned, processes, progress, proofs=proofs, parallel=shared, **settings)
        stop = _collect(planned, tested, table, progress)
    table.end()
    return _ended(options, planned, table.verdicts, formula, stop)


def _jobs(options: argparse.Namespace) -> "list[Job]":
    """The jobs that the options ask for, with their experiments. Raises: ValueError."""
    from mezo_lab.claims.selection import build_all, jobs

    planned = jobs(
        options.names,
        law=options.law,
        mode=options.mode,
        models=options.models,
        dim=options.dim,
        probes=options.probes,
        choose=_parameters(options.set),
        device=options.device,
    )
    build_all(planned)
    return planned


def _collect(
    planned: "list[Job]",
    tested: "Generator[tuple[int, Outcome]]",
    table: "TableWriter",
    progress: "Progress",
) -> BaseException | None:
    """Let the table take in the outcomes as they are ready. Returns: what stopped the run; what is done is kept."""
    try:
        with closing(tested):
            for index, outcome in tested:
                if isinstance(outcome, Exception):
                    with progress.paused():
                        print(f"Left out: {planned[index].claim.name}, as {outcome}", file=sys.stderr)
                    outcome = None
                table.add(index, outcome)
    except (KeyboardInterrupt, ChildProcessError) as error:
        return error
    return None


def _ended(
    options: argparse.Namespace,
    planned: "list[Job]",
    verdicts: "list[Verdict]",
    formula: Expression | None,
    stop: BaseException | None,
) -> int:
    """Write what was reached, and return the exit code. Raises: what stopped the run."""
    if not verdicts and stop is None:
        return 2
    if formula and len(planned) > 1:
        print(_rows_in_words(planned))
    if not options.names and not options.models and stop is None:
        _print_left_out()
    _write(verdicts, options, len(planned))
    if stop is not None:
        print(f"Stopped after {len(verdicts)} of {len(planned)} verdicts.", file=sys.stderr)
        raise stop
    complete = len(verdicts) == len(planned)
    return int(not complete or not all(verdict.passed for verdict in verdicts))


def _check_options(options: argparse.Namespace) -> None:
    """Raise ValueError for options that are wrong whatever the claims are."""
    check_minimum(options, dim=1, probes=1, draws=2, seed=0, jobs=1)
    if options.models and options.names:
        raise ValueError("--models adds the claims on a real model to a run of all claims: name them, or leave it out.")
    one_of("device", options.device, ("cpu", "cuda"))
    if options.html:
        require(("jinja2", "matplotlib"), NotInstalled)
    for name in ("json", "html"):
        _check_writable(name, getattr(options, name))
    if options.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ValueError("--device cuda needs a GPU that torch can see, and it sees none: use --device cpu.")


def _check_writable(name: str, path: Path | None) -> None:
    """Raise ValueError now rather than after minutes of work."""
    if path is None:
        return
    existed = path.exists()
    try:
        path.open("a").close()
    except OSError as error:
        raise ValueError(f"--{name} {path} cannot be written ({error.strerror}): choose another file.") from None
    if not existed:
        path.unlink(missing_ok=True)  # another rank of torchrun tries the same


def _parameters(settings: list[str]) -> dict[str, str]:
    """The parameters of --set, by name."""
    parameters: dict[str, str] = {}
    for setting in settings:
        name, _, text = (part.strip() for part in setting.partition("="))
        if not name or not text:
            raise ValueError(f"--set takes NAME=VALUE, got {setting!r}: write for example --set moment=norm.")
        if name in parameters:
            raise ValueError(f"--set {name} is given twice, {parameters[name]} and {text}: leave one out.")
        parameters[name] = text
    return parameters


def _expected_formula(text: str | None, planned: "list[Job]") -> Expression | None:
    """The formula of --expect, when it has a value in every row.

    Raises: ValueError for several claims, and for names that only some of the rows have.
    """
    if text is None:
        return None
    names = sorted({job.claim.name for job in planned})
    if len(names) != 1:
        raise ValueError(
            f"--expect tests a formula for one claim, got {len(names)} claims: name one, such as norm-factor."
        )
    formula = Expression(text)
    rows = [(job, job.experiment.symbols) for job in planned if not job.claim.real]
    meant = [job for job, symbols in rows if formula.names <= symbols.keys()]
    for job, symbols in rows:
        if meant and not formula.names <= symbols.keys():
            unknown = ", ".join(sorted(formula.names - symbols.keys()))
            raise ValueError(
                f"--expect {text} has a meaning in {len(meant)} of {len(planned)} rows only: with the {job.law.name} "
                f"law {job.claim.name} has no {unknown}; choose the rows, for example by {_choosing(meant[0], job)}."
            )
        formula(symbols)  # which raises where it has no value
    return formula


def _choosing(job: "Job", other: "Job") -> str:
    """The options that select the row of one job and not that of another."""
    words = {name: value for name, value in job.parameters.items() if isinstance(value, str)}
    differing = [f" --set {name}={value}" for name, value in words.items() if other.parameters.get(name) != value]
    return f"--law {job.law.name}{''.join(differing)}"


def _rows_in_words(planned: "list[Job]") -> str:
    """The parameters in which the rows of a formula differ, with an option that selects one of the rows."""
    laws = list(dict.fromkeys(job.law.name for job in planned))
    names = dict.fromkeys(name for job in planned for name in job.parameters)
    choices = []
    if len(laws) > 1:
        choices.append(f"law ({', '.join(laws)}; --law {laws[0]} chooses one)")
    for name in names:
        values = list(dict.fromkeys(str(job.parameters.get(name)) for job in planned))
        if len(values) > 1:
            choices.append(f"{name} ({', '.join(values)}; --set {name}={values[0]} chooses one)")
    return f"The formula was held against {len(planned)} rows, which differ in {' and in '.join(choices)}."


def _print_left_out() -> None:
    from mezo_lab.claims import REGISTRY

    names = ", ".join(claim.name for claim in REGISTRY.values() if claim.real)
    print(f"Left out, on a real language model: {names}. Run it with `mezo-lab verify --models`.")


def _write(verdicts: "list[Verdict]", options: argparse.Namespace, planned: int) -> None:
    from mezo_lab.report import as_html, as_json, environment

    facts = environment(options.device)
    if options.json:
        options.json.write_text(as_json(verdicts, facts, planned), encoding="utf-8")
        print(f"Verdicts: {options.json}", file=sys.stderr)
    if options.html:
        options.html.write_text(as_html(verdicts, facts, planned=planned), encoding="utf-8")
        print(f"Report: {options.html}", file=sys.stderr)
