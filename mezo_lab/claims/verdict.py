"""`check`: draw a number of values fixed in advance, and say what they do to a claim and to its decoys."""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from zlib import crc32

import torch

from mezo_lab.claims.arithmetic import (
    DETECTABLE,
    DOMINANT,
    MANY,
    MARGIN,
    Judge,
    Kind,
    Relation,
    Status,
    certain,
    draws_to_exclude,
    same_value,
    scattered,
)
from mezo_lab.claims.claim import Claim, Decoy, Experiment, Parameters
from mezo_lab.claims.wording import line, percent
from mezo_lab.sampling import LAWS, Draws, Estimate, Law, Progress, check_law, sample
from mezo_lab.theory import Expression

PILOT = 16_384  # draws that only set the size of the run, and are thrown away; fewer where they would take long
FEWEST, PILOT_NUMBERS = 1_000, 1 << 28  # draws; random numbers, a few seconds
MOST_NUMBERS = 1 << 33  # random numbers, minutes: a resolution that needs more is told, and not begun
DOUBTED_NUMBERS = 1 << 25  # of a law whose error bar cannot be trusted: no number of draws makes it CONSISTENT
FINEST = 1e-12  # resolution: below it the formulas themselves round
MOST_DRAWS = 1 << 53
MAIN_STREAM, PILOT_STREAM, DECOY_STREAM = 1, 2, 3


@dataclass(frozen=True)
class DecoyVerdict:
    """What the run says of one decoy; anything but REFUTED is a failure of the run."""

    statement: str
    expected: float
    z_score: float
    status: Status
    missing: int = 0  # draws still needed to stand 10 standard errors away; 0 where none are, or nobody can say
    kind: Kind = "mean"
    estimate: Estimate | None = None  # the draws that it was held against


@dataclass(frozen=True)
class Verdict:
    """One claim, one law, one parameter set: what was expected, what was found, and what could have been seen.

    detectable: the smallest relative discrepancy this run would have shown: 10 standard errors over the theory's value;
    of what happened every time, the share of failures that so many draws exclude at 95 %; infinite where the draws
    cannot tell. resolution: the one it promised to show.
    missing: draws still needed, when UNDERPOWERED. proof: "proved" where the derivation is part of `mezo_lab.proofs`.
    kind: how the draws were read, see `Experiment`. notes: what makes the verdict weaker than it looks, in sentences.
    """

    claim: Claim
    law: str
    parameters: Parameters
    formula: str | None  # anyone's formula, when one was given in place of the theory's
    relation: Relation
    expected: float
    theory: float  # equal to `expected`, unless a formula was given
    estimate: Estimate
    z_score: float
    detectable: float
    resolution: float
    status: Status
    missing: int
    decoys: tuple[DecoyVerdict, ...]
    proof: str | None
    seconds: float
    theory_formula: str | None = None  # what the theory says, as `--expect` reads it
    kind: Kind = "mean"
    unit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Consistent, and every decoy refuted."""
        return self.status is Status.CONSISTENT and all(decoy.status is Status.REFUTED for decoy in self.decoys)

    def __str__(self) -> str:
        return line(self)


def check(
    claim: Claim,
    law: Law,
    parameters: Parameters,
    *,
    resolution: float = 0.01,
    draws: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    expect: Expression | None = None,
    proof: str | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Test one claim at one law and parameter set.

    The number of draws is fixed before the first of them counts: `draws`, or what a discarded pilot says is needed to
    see `resolution` and to stand 10 standard errors from every decoy. A resolution that would take more than a run
    may draw is not tried: the verdict is UNDERPOWERED at once, and names the one within reach.

    A law of your own is looked at first (`mezo_lab.check_law`): what it lacks is in the verdict's notes, and where its
    eighth moment seems infinite, nothing is refuted on the side that rare large draws may have left empty.

    Args:
        claim, law, parameters: what to test.
        resolution: relative error that the run promises to see.
        draws: overrides the plan.
        seed, device: which words, and where.
        expect: anyone's formula, tested in place of the theory's; the theory then only sets the number of draws.
        progress: called with (draws done, draws planned).

    Returns: a Verdict. Raises: ValueError (or ExpressionError) for parameters or formulas that make no sense.

    >>> from mezo_lab.claims import claim_named
    >>> from mezo_lab.sampling import LAWS
    >>> verdict = check(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 2}, resolution=0.05)
    >>> verdict.expected, verdict.status.name, [decoy.status.name for decoy in verdict.decoys]
    (4.5, 'CONSISTENT', ['REFUTED'])
    """
    start = time.perf_counter()
    validate(resolution, draws)
    with on(device):  # experiments make their tensors where they run
        theory = claim.experiment(law, **parameters)
    tested, rounding = (theory, 0.0) if expect is None else against(theory, expect)
    trusted, notes = trust(law, device)
    subject = crc32(f"{claim.name} {law.name} {parameters}".encode())
    where = "cpu" if tested.sampler == "reduced" else device
    run = Run(tested, seed, subject, where, Judge(tested.kind, tested.relation, trusted))
    scale = abs(theory.expected)
    target = (tested.resolution or resolution) * scale
    gap = abs(tested.expected - theory.expected)
    same = same_value(tested.expected, theory.expected, rounding)
    targets = [target] if same else [target, gap]
    count = tested.draws if draws is None else draws
    if count is None and tested.share and tested.relation == "==" and certain(theory.expected):
        count = max(2, draws_to_exclude(min(target, 0.5)))
    elif count is None:
        count, unreachable = run.planned(targets, progress)
        notes += unreachable
    estimate = run.estimate(tested.draw, count, MAIN_STREAM, progress)
    status, missing = run.judge.status(estimate, tested.expected, min(targets))
    return Verdict(
        claim=claim,
        law=law.name,
        parameters=parameters | ({"sampler": tested.sampler} if tested.sampler == "reduced" else {}),
        formula=expect.text if expect else None,
        relation=tested.relation,
        expected=tested.expected,
        theory=theory.expected,
        estimate=estimate,
        z_score=run.judge.z_score(estimate, tested.expected),
        detectable=run.judge.reach(estimate, tested.expected) / scale,
        resolution=min(targets) / scale,
        status=status,
        missing=missing,
        decoys=tuple(run.judge_decoy(decoy, estimate) for decoy in tested.decoys),
        proof=proof,
        seconds=time.perf_counter() - start,
        theory_formula=theory.formula,
        kind=tested.kind,
        unit=tested.unit,
        notes=(*notes, *doubts(estimate, run.judge, tested.expected, status)),
    )


def validate(resolution: float, draws: int | None) -> None:
    if not FINEST <= resolution < 1:
        raise ValueError(
            f"`resolution` must lie between {FINEST:g}, where the formulas themselves round, and 1, got "
            f"{resolution:g}: 0.01 means 1 %."
        )
    if draws is not None and draws > MOST_DRAWS:
        raise ValueError(f"`draws` must be at most {MOST_DRAWS:,}, which no run would end: give a smaller --draws.")


def on(device: str) -> AbstractContextManager[object]:
    # the context of torch.device costs a Python call per operation, which a language model feels
    return nullcontext() if torch.get_default_device().type == device else torch.device(device)


def against(experiment: Experiment, expect: Expression) -> tuple[Experiment, float]:
    """The experiment with a formula of the user's in place of the theory's, and what the formula may have rounded."""
    expected, rounding = expect.rounded(experiment.symbols)
    # decoys were chosen to differ from the theory, not from a formula of the user's
    return replace(experiment, expected=expected, decoys=()), rounding


def trust(law: Law, device: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the error bar may be believed with this law, and what its own check says against it."""
    if any(law is known for known in LAWS.values()):
        return True, ()
    found = check_law(law, device=device)
    return found.trusted, found.problems


def doubts(estimate: Estimate, judge: Judge, expected: float, status: Status) -> tuple[str, ...]:
    """What the draws themselves say against their error bar."""
    if judge.kind != "mean":
        return ()
    if not scattered(estimate):
        rare = f"what happens less than once in {max(1, estimate.count // 3):,} draws would not have shown"
        return (f"all {estimate.count:,} draws are equal, and that is no certainty: {rare}",)
    if estimate.count >= MANY and abs(estimate.farthest) > DOMINANT:
        return (f"one draw holds {percent(abs(estimate.farthest))} of the variance: do not trust the error bar",)
    if status is Status.UNDERPOWERED and judge.suspects(estimate, expected):
        return ("the mean lies far off, on the side where rare large draws may be missing: take more draws",)
    return ()


@dataclass(frozen=True)
class Run:
    """An experiment with the words and the place to draw them."""

    experiment: Experiment
    seed: int
    subject: int  # so that two rows of one run never share their words
    device: str
    judge: Judge

    def estimate(self, draw: Draws, count: int, stream: int, progress: Progress | None = None) -> Estimate:
        numbers, transform = self.experiment.numbers_per_draw, self.experiment.transform
        words = {"seed": self.seed, "stream": 4 * self.subject + stream, "device": self.device}
        threads = 1 if self.experiment.draws is None else None  # a draw too dear for a pilot uses all there are
        with on(self.device):
            running = sample(draw, count, numbers_per_draw=numbers, threads=threads, progress=progress, **words)
        found = running.estimate()
        return found.map(transform) if transform else found

    def planned(self, targets: list[float], progress: Progress | None = None) -> tuple[int, tuple[str, ...]]:
        """Draws that put every target, and every decoy, 10 standard errors away, and a word on what is out of reach.

        Args: targets: discrepancies to see, the one that was promised first.
        """
        experiment = self.experiment
        least = max(FEWEST, min(PILOT, PILOT_NUMBERS // experiment.numbers_per_draw))
        pilot = self.estimate(experiment.draw, least, PILOT_STREAM, progress)
        centre = experiment.expected if experiment.relation == "==" else pilot.mean
        decoys = [decoy.expected(experiment) for decoy in experiment.decoys if not decoy.draw]
        gaps = [*targets, *(abs(centre - wrong) for wrong in decoys)]
        deviation = pilot.standard_error * math.sqrt(least)
        counts = [draws_to_see(gap, deviation) for gap in gaps]
        numbers = MOST_NUMBERS if self.judge.trusted else DOUBTED_NUMBERS
        most = max(least, numbers // experiment.numbers_per_draw)
        needed = max((count for count in counts if count <= most), default=least)
        told = ()
        if counts[0] > most and self.judge.trusted:
            told = (self.out_of_reach(targets[0], counts[0], deviation, most),)
        return rounded_up(max(needed, least)), told

    def out_of_reach(self, target: float, count: float, deviation: float, most: int) -> str:
        """A sentence on the resolution that was asked for, and on the one that may be had."""
        scale = abs(self.experiment.expected) or 1.0
        least = DETECTABLE * deviation * math.sqrt(MARGIN / most) / scale
        reachable = float(f"{1.05 * least:.2g}")  # two digits, rounded up
        within = f"{percent(reachable)} is within reach: --resolution {reachable:.2g} (resolution={reachable:.2g})"
        if reachable >= 1:
            within = "none is within reach; --draws N takes exactly N draws"
        return (
            f"a resolution of {percent(target / scale)} would take about {count:.1g} draws, and a run takes at most "
            f"{most:,}: {within}"
        )

    def judge_decoy(self, decoy: Decoy, estimate: Estimate) -> DecoyVerdict:
        """A wrong formula against the same draws; a wrong experiment gets draws of its own."""
        if decoy.draw:
            estimate = self.estimate(decoy.draw, decoy.count(estimate.count), DECOY_STREAM)
        expected, judge = decoy.expected(self.experiment), self.judge
        told = {"kind": judge.kind, "estimate": estimate}
        z = judge.z_score(estimate, expected)
        if judge.refuted(estimate, expected):
            return DecoyVerdict(decoy.statement, expected, z, Status.REFUTED, **told)
        gap = abs(expected - (self.experiment.expected if judge.relation == "==" else estimate.mean))
        seen = judge.reach(estimate, expected) <= gap or not gap
        missing = 0 if seen else judge.missing(estimate, expected, gap)
        return DecoyVerdict(
            decoy.statement, expected, z, Status.CONSISTENT if seen else Status.UNDERPOWERED, missing, **told
        )


def draws_to_see(gap: float, deviation: float) -> float:
    """How many draws of this deviation put a discrepancy 10 standard errors away, with a margin for its own error.

    >>> draws_to_see(0.1, 1.0).__round__(), draws_to_see(0.0, 1.0)
    (14000, inf)
    """
    if gap == 0:
        return math.inf if deviation else 0.0
    ratio = DETECTABLE * deviation / gap
    return MARGIN * ratio * ratio  # a product overflows to infinity, a power would raise


def rounded_up(count: float) -> int:
    """To two significant digits.

    >>> rounded_up(123_456)
    130000
    """
    unit = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / unit) * unit
