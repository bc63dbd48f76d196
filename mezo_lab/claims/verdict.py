"""`check`: draw a number of values fixed in advance, and say what they do to a claim and to its decoys."""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum
from zlib import crc32

import torch

from mezo_lab.claims.claim import Claim, Decoy, Experiment, Parameters
from mezo_lab.directions import Law
from mezo_lab.expressions import Expression
from mezo_lab.montecarlo import Draws, Estimate, Progress, sample

ALARM = 5.0  # standard errors: a true claim is refuted once in 1.7 million runs
DETECTABLE = 10.0  # standard errors: a discrepancy this large is missed once in 3.5 million runs
PILOT = 16_384  # draws that only set the size of the run, and are thrown away; fewer where they would take long
FEWEST, PILOT_NUMBERS = 1_000, 1 << 28  # draws; random numbers, a few seconds
MARGIN = 1.4  # more draws than the pilot asks for: its own error on a heavy-tailed variance
MOST_NUMBERS = 1 << 33  # random numbers, a minute or two: beyond this a run says UNDERPOWERED instead of going on
MAIN_STREAM, PILOT_STREAM, DECOY_STREAM = 1, 2, 3


class Status(Enum):
    """The verdict; its value is the advice to print."""

    CONSISTENT = "the draws agree with the formula, and would have shown a discrepancy of the resolution"
    REFUTED = "the draws contradict the formula"
    UNDERPOWERED = "too few draws to tell"


@dataclass(frozen=True)
class DecoyVerdict:
    """What the run says of one decoy; anything but REFUTED is a failure of the run."""

    statement: str
    expected: float
    z_score: float
    status: Status
    missing: int = 0  # draws still needed to stand 10 standard errors away


@dataclass(frozen=True)
class Verdict:
    """One claim, one law, one parameter set: what was expected, what was found, and what could have been seen.

    detectable: the smallest relative discrepancy this run would have shown: 10 standard errors over the theory's value.
    resolution: the one it promised to show.
    missing: draws still needed, when UNDERPOWERED. proof: "proved" where the derivation is part of `mezo_lab.proofs`.
    """

    claim: Claim
    law: str
    parameters: Parameters
    formula: str | None  # anyone's formula, when one was given in place of the theory's
    relation: str
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

    @property
    def passed(self) -> bool:
        """Consistent, and every decoy refuted."""
        return self.status is Status.CONSISTENT and all(decoy.status is Status.REFUTED for decoy in self.decoys)

    def __str__(self) -> str:
        setting = " ".join(f"{name}={value}" for name, value in self.parameters.items())
        subject = f"{self.claim.name} {self.law} {setting}"
        bound = "at most " if self.relation == "<=" else ""
        score = f"{self.z_score:+.1f}" if abs(self.z_score) < 1e5 else f"{self.z_score:+.0e}"  # of no scatter: huge
        found = f"expected {bound}{self.expected:.6g}, found {self.estimate}, z = {score}, {self.status.name}"
        missing = f", {self.missing:,} more draws needed" if self.missing else ""
        return f"{subject}: {found} (would see {self.detectable:.2%}{missing})"


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
    see `resolution` and to stand 10 standard errors from every decoy.

    Args:
        claim, law, parameters: what to test.
        resolution: relative error that the run promises to see.
        draws: overrides the plan.
        seed, device: which words, and where.
        expect: anyone's formula, tested in place of the theory's; the theory then only sets the number of draws.
        progress: called with (draws done, draws planned).

    Returns: a Verdict. Raises: ValueError (or ExpressionError) for parameters or formulas that make no sense.

    >>> from mezo_lab.claims import claim_named
    >>> from mezo_lab.directions import LAWS
    >>> verdict = check(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 2}, resolution=0.05)
    >>> verdict.expected, verdict.status.name, [decoy.status.name for decoy in verdict.decoys]
    (4.5, 'CONSISTENT', ['REFUTED'])
    """
    start = time.perf_counter()
    with on(device):  # experiments make their tensors where they run
        theory = claim.experiment(law, **parameters)
    tested = theory if expect is None else against(theory, expect)
    subject = crc32(f"{claim.name} {law.name} {parameters}".encode())
    run = Run(tested, seed, subject, "cpu" if tested.sampler == "reduced" else device)
    scale, gap = abs(theory.expected), abs(tested.expected - theory.expected)
    target = (tested.resolution or resolution) * scale
    targets = [target, gap] if gap else [target]
    fixed = tested.draws if draws is None else draws
    count = run.planned(targets, progress) if fixed is None else fixed
    estimate = run.estimate(tested.draw, count, MAIN_STREAM, progress)
    status, missing = judge(estimate, tested.expected, min(targets), tested.relation)
    return Verdict(
        claim=claim,
        law=law.name,
        parameters=parameters | ({"sampler": tested.sampler} if tested.sampler == "reduced" else {}),
        formula=expect.text if expect else None,
        relation=tested.relation,
        expected=tested.expected,
        theory=theory.expected,
        estimate=estimate,
        z_score=estimate.z_score(tested.expected),
        detectable=DETECTABLE * estimate.standard_error / scale,
        resolution=min(targets) / scale,
        status=status,
        missing=missing,
        decoys=tuple(run.judge_decoy(decoy, estimate) for decoy in tested.decoys),
        proof=proof,
        seconds=time.perf_counter() - start,
    )


def on(device: str) -> AbstractContextManager[object]:
    # the context of torch.device costs a Python call per operation, which a language model feels
    return nullcontext() if torch.get_default_device().type == device else torch.device(device)


def against(experiment: Experiment, expect: Expression) -> Experiment:
    # decoys were chosen to differ from the theory, not from a formula of the user's
    return replace(experiment, expected=expect(experiment.symbols), decoys=())


@dataclass(frozen=True)
class Run:
    """An experiment with the words and the place to draw them."""

    experiment: Experiment
    seed: int
    subject: int  # so that two rows of one run never share their words
    device: str

    def estimate(self, draw: Draws, count: int, stream: int, progress: Progress | None = None) -> Estimate:
        numbers, transform = self.experiment.numbers_per_draw, self.experiment.transform
        words = {"seed": self.seed, "stream": 4 * self.subject + stream, "device": self.device}
        threads = 1 if self.experiment.draws is None else None  # a draw too dear for a pilot uses all there are
        with on(self.device):
            running = sample(draw, count, numbers_per_draw=numbers, threads=threads, progress=progress, **words)
        found = running.estimate()
        return found.map(transform) if transform else found

    def planned(self, targets: list[float], progress: Progress | None = None) -> int:
        """Draws that put every target, and every decoy, 10 standard errors away; those out of reach are left aside."""
        least = max(FEWEST, min(PILOT, PILOT_NUMBERS // self.experiment.numbers_per_draw))
        pilot = self.estimate(self.experiment.draw, least, PILOT_STREAM, progress)
        centre = self.experiment.expected if self.experiment.relation == "==" else pilot.mean
        decoys = [decoy.expected(self.experiment) for decoy in self.experiment.decoys if not decoy.draw]
        gaps = [*targets, *(abs(centre - wrong) for wrong in decoys)]
        deviation = pilot.standard_error * math.sqrt(least)
        counts = [MARGIN * (DETECTABLE * deviation / gap) ** 2 for gap in gaps]
        most = MOST_NUMBERS // self.experiment.numbers_per_draw
        needed = max((count for count in counts if count <= most), default=most)
        return rounded_up(max(needed, least))

    def judge_decoy(self, decoy: Decoy, estimate: Estimate) -> DecoyVerdict:
        """A wrong formula against the same draws; a wrong experiment gets draws of its own."""
        if decoy.draw:
            estimate = self.estimate(decoy.draw, decoy.count(estimate.count), DECOY_STREAM)
        expected, relation = decoy.expected(self.experiment), self.experiment.relation
        if refuted(estimate, expected, relation):
            return DecoyVerdict(decoy.statement, expected, estimate.z_score(expected), Status.REFUTED)
        gap = abs(expected - (self.experiment.expected if relation == "==" else estimate.mean))
        missing = shortage(estimate, gap) if gap else 0
        status = Status.UNDERPOWERED if missing else Status.CONSISTENT
        return DecoyVerdict(decoy.statement, expected, estimate.z_score(expected), status, missing)


def judge(estimate: Estimate, expected: float, target: float, relation: str) -> tuple[Status, int]:
    """The status of a formula, and how many draws are missing to see a discrepancy of `target`."""
    if refuted(estimate, expected, relation):
        return Status.REFUTED, 0
    missing = shortage(estimate, target)
    return (Status.UNDERPOWERED if missing else Status.CONSISTENT), missing


def refuted(estimate: Estimate, expected: float, relation: str) -> bool:
    z = estimate.z_score(expected)
    return z >= ALARM or (relation == "==" and z <= -ALARM)


def shortage(estimate: Estimate, gap: float) -> int:
    # standard errors shrink as 1/√count; the margin makes up for the error of the standard error
    if DETECTABLE * estimate.standard_error <= gap:
        return 0
    return math.ceil(estimate.count * (MARGIN * (DETECTABLE * estimate.standard_error / gap) ** 2 - 1))


def rounded_up(count: float) -> int:
    """To two significant digits.

    >>> rounded_up(123_456)
    130000
    """
    unit = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / unit) * unit
