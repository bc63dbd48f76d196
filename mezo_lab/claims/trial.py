"""`check`: draw a number of values fixed in advance, and hold a claim and its decoys against them."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from zlib import crc32

import torch

from mezo_lab.claims.claim import Claim, Decoy, Experiment, Parameters
from mezo_lab.claims.decision import (
    DETECTABLE,
    DOMINANT,
    MANY,
    MARGIN,
    DecisionRule,
    Status,
    certain,
    draws_to_exclude,
    draws_to_see,
    same_value,
    scattered,
)
from mezo_lab.claims.verdict import DecoyVerdict, Verdict
from mezo_lab.claims.wording import percent_text
from mezo_lab.sampling import KEYED_LAWS, Draws, Estimate, Law, Progress, check_law, sample
from mezo_lab.sampling.montecarlo import torch_threads
from mezo_lab.sampling.ranks import dealt, ranks
from mezo_lab.theory import Expression

PILOT = 16_384  # draws that only set the size of the run, and are thrown away; fewer where they would take long
FEWEST = 1_000  # draws
PILOT_NUMBERS = 1 << 28  # random numbers of a pilot, a few seconds
MOST_NUMBERS = 1 << 33  # random numbers of a run, minutes: a resolution that needs more is not tried
DOUBTED_NUMBERS = 1 << 25  # of a law whose error bar cannot be trusted: no number of draws makes it CONSISTENT
FINEST = 1e-12  # resolution: below it the formulas themselves round
_MOST_DRAWS = 1 << 53
_MAIN_STREAM = 1
_PILOT_STREAM = 2
_DECOY_STREAM = 3


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
    experiment: Experiment | None = None,
    parallel: bool = False,
) -> Verdict:
    """Test one claim at one law and parameter set.

    The number of draws is fixed before the first of them counts: `draws`, or what a discarded pilot says is needed to
    see `resolution` and to stand 10 standard errors from every decoy. A resolution that would take more than a run
    may draw is not tried: the verdict is UNDERPOWERED at once, and names the one within reach.

    A law of your own is checked first (`mezo_lab.check_law`): its defects are in the verdict's notes, and where its
    eighth moment seems infinite, nothing is refuted on the side that rare large draws may have left empty.

    Args:
        claim: such as `claim_named("norm-factor")`.
        law: of z.
        parameters: by name.
        resolution: relative error that the run promises to show.
        draws: exactly so many; None plans them.
        seed: of the random words.
        device: "cpu" or "cuda".
        expect: a formula of the user, tested in place of the theory's; the theory then only sets the number of draws.
        proof: what the verdict records of the proof, "proved" or None.
        progress: called with (draws done, draws planned).
        experiment: the claim's, where it is built already; None builds it.
        parallel: the ranks of torch's process group share the draws, and all of them make this call; each has the
            verdict of one process. Claims on a real model, and draws that do not vary, are not shared.

    Returns: a Verdict.
    Raises: ValueError (or ExpressionError) for parameters or formulas that make no sense.

    >>> from mezo_lab.claims import claim_named
    >>> from mezo_lab.sampling import LAWS
    >>> verdict = check(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 2}, resolution=0.05)
    >>> verdict.expected, verdict.status.name, [decoy.status.name for decoy in verdict.decoys]
    (4.5, 'CONSISTENT', ['REFUTED'])
    """
    clock = _clock(claim, device)
    start = clock()
    check_size(resolution, draws)
    if experiment is None:
        experiment = build(claim, law, parameters, device)
    tested = experiment
    rounding = 0.0
    if expect is not None:
        tested, rounding = _against(experiment, expect)
    trusted, notes = _trust(law, device)
    # a number of its own for each row, so that two rows of one run never share their words
    subject = crc32(f"{claim.name} {law.name} {parameters}".encode())
    if tested.sampler == "reduced":
        device = "cpu"
    rule = DecisionRule(tested.kind, tested.relation, trusted)
    threads = None if claim.real else 1
    shared = parallel and not claim.real and not tested.deterministic
    trial = _Trial(tested, seed, subject, device, rule, threads, shared)
    scale = abs(experiment.expected)
    targets = [(tested.resolution or resolution) * scale]
    if not same_value(tested.expected, experiment.expected, rounding):
        targets.append(abs(tested.expected - experiment.expected))
    count = tested.draws if draws is None else draws
    if count is None and tested.share and tested.relation == "==" and certain(experiment.expected):
        count = max(2, draws_to_exclude(min(targets[0], 0.5)))
    elif count is None:
        count, unreachable = trial.planned(targets, scale, progress)
        notes += unreachable
    estimate = trial.estimate(tested.draw, count, _MAIN_STREAM, progress)
    status, missing = rule.status(estimate, tested.expected, min(targets))
    shown = dict(parameters)
    if tested.sampler == "reduced":
        shown["sampler"] = tested.sampler
    decoys = tuple(trial.decoy_verdict(decoy, estimate) for decoy in tested.decoys)
    seconds = clock() - start
    if shared:
        seconds = sum(own for (own,) in dealt(lambda _: [seconds], count=ranks(), width=1))
    return Verdict(
        claim=claim,
        law=law.name,
        parameters=shown,
        formula=expect.text if expect else None,
        relation=tested.relation,
        expected=tested.expected,
        theory=experiment.expected,
        estimate=estimate,
        z_score=rule.z_score(estimate, tested.expected),
        detectable=rule.reach(estimate, tested.expected) / scale,
        resolution=min(targets) / scale,
        status=status,
        missing=missing,
        decoys=decoys,
        proof=proof,
        seconds=seconds,
        theory_formula=experiment.formula,
        kind=tested.kind,
        unit=tested.unit,
        scales=draws is None and tested.draws is None and tested.resolution is None and tested.kind != "constant",
        notes=(*notes, *_doubts(estimate, rule, tested.expected, status)),
    )


def _clock(claim: Claim, device: str) -> Callable[[], float]:
    """Seconds of computing, which other processes do not lengthen; of a GPU or a model with all threads, real ones."""
    if claim.real or device != "cpu":
        return time.perf_counter
    return time.process_time


def build(claim: Claim, law: Law, parameters: Parameters, device: str = "cpu") -> Experiment:
    """The experiment of a claim, whose tensors lie where it will run. Raises: ValueError."""
    # one thread, so that the last digit of what is built does not depend on the machine
    with _on(device), torch_threads(None if claim.real else 1):
        return claim.experiment(law, **parameters)


def check_size(resolution: float, draws: int | None) -> None:
    """Raise ValueError for a resolution, or a number of draws, that no run can have."""
    if not FINEST <= resolution < 1:
        raise ValueError(
            f"`resolution` must lie between {FINEST:g}, where the formulas themselves round, and 1, got "
            f"{resolution:g}: 0.01 means 1 %."
        )
    if draws is not None and draws > _MOST_DRAWS:
        raise ValueError(f"`draws` must be at most {_MOST_DRAWS:,}, which no run would end: give a smaller --draws.")


def _on(device: str) -> AbstractContextManager[object]:
    # the context of torch.device costs a Python call per operation, which slows a language model
    if torch.get_default_device().type == device:
        return nullcontext()
    return torch.device(device)


def _against(experiment: Experiment, expect: Expression) -> tuple[Experiment, float]:
    """The experiment with a formula of the user's in place of the theory's, and what the formula may have rounded."""
    expected, rounding = expect.rounded(experiment.symbols)
    # decoys were chosen to differ from the theory, not from a formula of the user's
    return replace(experiment, expected=expected, decoys=()), rounding


def _trust(law: Law, device: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the error bar may be believed with this law, and what its own check says against it."""
    if any(law is known for known in KEYED_LAWS.values()):
        return True, ()
    report = check_law(law, device=device)
    return report.trusted, report.problems


def _doubts(estimate: Estimate, rule: DecisionRule, expected: float, status: Status) -> tuple[str, ...]:
    """What the draws themselves say against their error bar."""
    if rule.kind != "mean":
        return ()
    if not scattered(estimate):
        rare = f"what happens less than once in {max(1, estimate.count // 3):,} draws would not have shown"
        return (f"all {estimate.count:,} draws are equal, and that is no certainty: {rare}",)
    if estimate.count >= MANY and abs(estimate.farthest) > DOMINANT:
        return (f"one draw holds {percent_text(abs(estimate.farthest))} of the variance: do not trust the error bar",)
    if status is Status.UNDERPOWERED and rule.suspects(estimate, expected):
        return ("the mean lies far off, on the side where rare large draws may be missing: take more draws",)
    return ()


@dataclass(frozen=True)
class _Trial:
    """An experiment with the random words, the device and the rule of decision."""

    experiment: Experiment
    seed: int
    subject: int
    device: str
    rule: DecisionRule
    threads: int | None
    """Of torch. A draw on a real model is a large computation and takes all of them, None."""
    shared: bool
    """Whether the ranks of torch's process group share the draws."""

    def estimate(self, draw: Draws, count: int, stream: int, progress: Progress | None = None) -> Estimate:
        with _on(self.device):
            moments = sample(
                draw,
                count,
                numbers_per_draw=self.experiment.numbers_per_draw,
                seed=self.seed,
                stream=4 * self.subject + stream,
                device=self.device,
                threads=self.threads,
                progress=progress,
                parallel=self.shared,
            )
        estimate = moments.estimate()
        if self.experiment.transform is None:
            return estimate
        return estimate.map(self.experiment.transform)

    def planned(
        self, targets: list[float], scale: float, progress: Progress | None = None
    ) -> tuple[int, tuple[str, ...]]:
        """Draws that put every target and decoy 10 standard errors away, and a sentence where one is out of reach.

        Args: targets: discrepancies to see, the one that was promised first. scale: what they are relative to, the
        theory's value, also where a formula of the user's is tested.
        """
        experiment = self.experiment
        least = max(FEWEST, min(PILOT, PILOT_NUMBERS // experiment.numbers_per_draw))
        pilot = self.estimate(experiment.draw, least, _PILOT_STREAM, progress)
        centre = experiment.expected if experiment.relation == "==" else pilot.mean
        wrong_means = [decoy.expected(experiment) for decoy in experiment.decoys if not decoy.draw]
        gaps = [*targets, *(abs(centre - mean) for mean in wrong_means)]
        deviation = pilot.standard_error * math.sqrt(least)
        counts = [draws_to_see(gap, deviation) for gap in gaps]
        numbers = MOST_NUMBERS if self.rule.trusted else DOUBTED_NUMBERS
        most = max(least, numbers // experiment.numbers_per_draw)
        needed = max((count for count in counts if count <= most), default=least)
        notes = ()
        if counts[0] > most and self.rule.trusted:
            notes = (_out_of_reach(targets[0] / scale, counts[0], deviation / scale, most),)
        return _rounded_up(max(needed, least)), notes

    def decoy_verdict(self, decoy: Decoy, estimate: Estimate) -> DecoyVerdict:
        """A wrong formula against the same draws; a wrong experiment gets draws of its own."""
        if decoy.draw:
            estimate = self.estimate(decoy.draw, decoy.count(estimate.count), _DECOY_STREAM)
        rule = self.rule
        expected = decoy.expected(self.experiment)
        status = Status.REFUTED
        missing = 0
        if not rule.refuted(estimate, expected):
            truth = self.experiment.expected if rule.relation == "==" else estimate.mean
            gap = abs(expected - truth)
            status = Status.CONSISTENT
            if gap and not rule.reach(estimate, expected) <= gap:
                status = Status.UNDERPOWERED
                missing = rule.missing(estimate, expected, gap)
        z_score = rule.z_score(estimate, expected)
        return DecoyVerdict(decoy.statement, expected, z_score, status, missing, rule.kind, estimate)


def _out_of_reach(resolution: float, count: float, deviation: float, most: int) -> str:
    """A sentence on the resolution that was asked for, and on the one within reach; all relative to the theory."""
    least = DETECTABLE * deviation * math.sqrt(MARGIN / most)
    reachable = float(f"{1.05 * least:.2g}")  # two digits, rounded up
    within = f"{percent_text(reachable)} is within reach: --resolution {reachable:.2g} (resolution={reachable:.2g})"
    if reachable >= 1:
        within = "none is within reach; --draws N takes exactly N draws"
    return (
        f"a resolution of {percent_text(resolution)} would take about {count:.1g} draws, and a run takes at most "
        f"{most:,}: {within}"
    )


def _rounded_up(count: float) -> int:
    """To two significant digits.

    >>> _rounded_up(123_456)
    130000
    """
    unit = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / unit) * unit
