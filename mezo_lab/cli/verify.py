"""`mezo-lab verify`: test claims by sampling, each with its decoys."""

import argparse
import sys
from pathlib import Path

import torch

from mezo_lab.claims import REGISTRY, Verdict, check
from mezo_lab.claims.selection import Job, build_all, jobs
from mezo_lab.claims.verdict import FINEST, MOST_DRAWS
from mezo_lab.cli.limits import at_least
from mezo_lab.finetune import NotInstalled
from mezo_lab.theory import Expression

RESOLUTION = {"fast": 0.02, "default": 0.01, "full": 0.01}  # relative error that each mode promises to see


def add_to(commands) -> None:
    verify = commands.add_parser("verify", help="test claims by sampling, each with its decoys")
    verify.add_argument("names", nargs="*", metavar="NAME", help="claims by name or id; none: all of them")
    verify.add_argument("--law", help="only this law of z")
    verify.add_argument("--dim", type=int, metavar="D", help="dimension d")
    verify.add_argument("--probes", type=int, metavar="N", help="probes per step n")
    verify.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of a claim that was named, such as moment=norm; may be repeated",
    )
    size = verify.add_mutually_exclusive_group()
    size.add_argument("--draws", type=int, metavar="N", help="exactly this many draws, in place of a planned number")
    size.add_argument(
        "--resolution", type=float, metavar="R", help="relative error to see (default 0.01; 0.02 if fast)"
    )
    verify.add_argument("--seed", type=int, default=0, metavar="S", help="which random words (default 0)")
    mode = verify.add_mutually_exclusive_group()
    mode.add_argument(
        "--fast", action="store_const", dest="mode", const="fast", help="small d, every decoy still refuted"
    )
    mode.add_argument("--full", action="store_const", dest="mode", const="full", help="more parameter sets")
    verify.add_argument("--models", action="store_true", help="also the claims on a real language model")
    verify.add_argument("--device", default="cpu", metavar="D", help="cpu or cuda")
    verify.add_argument("--expect", metavar="EXPR", help='your own formula for one claim, such as "(d+n-1)/n"')
    verify.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts as JSON")
    verify.add_argument("--html", type=Path, metavar="FILE", help="write a report, one self-contained page")
    verify.set_defaults(run=run_verify, mode="default")


def run_verify(options: argparse.Namespace) -> int:
    from mezo_lab.report.progress import Progress  # rich and matplotlib load here, not for `doctor`
    from mezo_lab.report.table import show

    validate(options)
    planned = jobs(
        options.names,
        law=options.law,
        mode=options.mode,
        models=options.models,
        dim=options.dim,
        probes=options.probes,
        choose=chosen(options.set),
    )
    build_all(planned)
    expect = expected_formula(options.expect, planned)
    verdicts: list[Verdict] = []
    stopped = None
    with Progress(len(planned)) as progress:
        try:
            for job in planned:
                verdict = verdict_of(job, options, expect, progress)
                verdicts += [verdict] if verdict else []
        except KeyboardInterrupt as interrupt:  # what is done is kept
            stopped = interrupt
    if not verdicts and not stopped:
        return 2
    if verdicts:
        show(verdicts)
    if expect and len(planned) > 1:
        print(which_rows(planned))
    if not options.names and not options.models and not stopped:
        left_out = ", ".join(claim.name for claim in REGISTRY.values() if claim.real)
        print(f"Left out, on a real language model: {left_out}. Run it with `mezo-lab verify --models`.")
    write(verdicts, options, len(planned))
    if stopped:
        print(f"Stopped after {len(verdicts)} of {len(planned)} verdicts.", file=sys.stderr)
        raise stopped
    complete = len(verdicts) == len(planned)
    return 0 if complete and all(verdict.passed for verdict in verdicts) else 1


def chosen(settings: list[str]) -> dict[str, str]:
    """The parameters of --set, by name."""
    found: dict[str, str] = {}
    for setting in settings:
        name, sign, text = (part.strip() for part in setting.partition("="))
        if not name or not sign or not text:
            raise ValueError(f"--set takes NAME=VALUE, got {setting!r}: write for example --set moment=norm.")
        if name in found:
            raise ValueError(f"--set {name} is given twice, {found[name]} and {text}: leave one out.")
        found[name] = text
    return found


def which_rows(planned: list[Job]) -> str:
    """What the formula was held against where there is more than one row, and how one of them is chosen."""
    laws = list(dict.fromkeys(job.law.name for job in planned))
    names = dict.fromkeys(name for job in planned for name in job.parameters)
    differing = {name: list(dict.fromkeys(job.parameters.get(name) for job in planned)) for name in names}
    told = [f"law ({', '.join(laws)}; --law {laws[0]} chooses one)"] if len(laws) > 1 else []
    for name, values in differing.items():
        if len(values) > 1:
            told.append(f"{name} ({', '.join(map(str, values))}; --set {name}={values[0]} chooses one)")
    return f"The formula was held against {len(planned)} rows, which differ in {' and in '.join(told)}."


def verdict_of(job: Job, options: argparse.Namespace, expect: Expression | None, progress) -> Verdict | None:
    """The verdict, or None after a line that says which command installs what it needs."""
    progress.begin(f"{job.claim.name} {job.law.name}")
    try:
        return check(
            job.claim,
            job.law,
            job.parameters,
            resolution=options.resolution or RESOLUTION[options.mode],
            draws=options.draws,
            seed=options.seed,
            device=options.device,
            expect=expect,
            proof=None if expect else job.proof,
            progress=progress.update,
        )
    except NotInstalled as missing:
        print(f"Left out: {job.claim.name}, as {missing}", file=sys.stderr)
        return None


def validate(options: argparse.Namespace) -> None:
    """What can be said about the options before any claim is looked at."""
    at_least(options, dim=1, probes=1, draws=2, seed=0)
    if options.resolution is not None and not FINEST <= options.resolution < 1:
        raise ValueError(f"--resolution must lie between {FINEST:g} and 1, got {options.resolution:g}: 0.01 means 1 %.")
    if options.draws is not None and options.draws > MOST_DRAWS:
        raise ValueError(f"--draws must be at most {MOST_DRAWS:,}, which no run would end: give a smaller number.")
    if options.device not in ("cpu", "cuda"):
        raise ValueError(f"--device must be cpu or cuda, got {options.device!r}.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda needs a GPU that torch can see, and it sees none: use --device cpu.")
    for name in ("json", "html"):
        writable(name, getattr(options, name))


def writable(name: str, path: Path | None) -> None:
    """Raise ValueError now rather than after minutes of work."""
    if path is None:
        return
    existed = path.exists()
    try:
        path.open("a").close()
    except OSError as error:
        raise ValueError(f"--{name} {path} cannot be written ({error.strerror}): choose another file.") from None
    if not existed:
        path.unlink()


def expected_formula(text: str | None, planned: list[Job]) -> Expression | None:
    if text is None:
        return None
    names = sorted({job.claim.name for job in planned})
    if len(names) != 1:
        raise ValueError(
            f"--expect tests a formula for one claim, got {len(names)} claims: name one, such as norm-factor."
        )
    formula = Expression(text)
    symbols = [job.claim.experiment(job.law, **job.parameters).symbols if not job.claim.real else {} for job in planned]
    for job, known in zip(planned, symbols, strict=True):
        if job.claim.real:
            continue
        meant = [other for other, names in zip(planned, symbols, strict=True) if formula.names <= names.keys()]
        if meant and not formula.names <= known.keys():
            unknown = ", ".join(sorted(formula.names - known.keys()))
            raise ValueError(
                f"--expect {text} has a meaning in {len(meant)} of {len(planned)} rows only: with the {job.law.name} "
                f"law {job.claim.name} has no {unknown}; choose the rows, for example by {choosing(meant[0], job)}."
            )
        formula(known)
    return formula


def choosing(job: Job, other: Job) -> str:
    """The options that choose the row of one job and not that of another."""
    words = {name: value for name, value in job.parameters.items() if isinstance(value, str)}
    differing = [f" --set {name}={value}" for name, value in words.items() if other.parameters.get(name) != value]
    return f"--law {job.law.name}{''.join(differing)}"


def write(verdicts: list[Verdict], options: argparse.Namespace, planned: int) -> None:
    from mezo_lab.report.record import as_json, environment

    where = environment(options.device)
    if options.json:
        options.json.write_text(as_json(verdicts, where, planned))
        print(f"Verdicts: {options.json}", file=sys.stderr)
    if options.html:
        from mezo_lab.report.page import as_html

        options.html.write_text(as_html(verdicts, where, planned=planned))
        print(f"Report: {options.html}", file=sys.stderr)
