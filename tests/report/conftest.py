"""A handful of real verdicts, one of each kind, and the same gone wrong."""

from dataclasses import replace

import pytest

from mezo_lab.claims import REGISTRY, Status, Verdict, check
from mezo_lab.sampling import LAWS

SETTINGS = (
    ("norm-factor", "gaussian", {"dim": 6, "probes": 2}, "proved"),
    ("norm-factor", "uniform", {"dim": 6, "probes": 2}, None),
    ("unbiased", "sphere", {"dim": 8, "probes": 2}, None),  # its decoy is an experiment
    ("low-rank", "gaussian", {"dim": 8, "probes": 1, "rank": 4}, None),
    ("low-rank", "gaussian", {"dim": 13_000_000_000, "probes": 1, "rank": 4}, None),
    ("descent-lemma", "gaussian", {"dim": 6, "probes": 2, "spectrum": "falling"}, None),  # a bound
)


@pytest.fixture(scope="session")
def verdicts() -> list[Verdict]:
    return [
        check(REGISTRY[name], LAWS[law], parameters, resolution=0.05, proof=proof)
        for name, law, parameters, proof in SETTINGS
    ]


@pytest.fixture(scope="session")
def refuted(verdicts) -> Verdict:
    return replace(verdicts[0], expected=5.5, z_score=verdicts[0].estimate.z_score(5.5), status=Status.REFUTED)


@pytest.fixture(scope="session")
def underpowered(verdicts) -> Verdict:
    return replace(verdicts[1], status=Status.UNDERPOWERED, detectable=0.2, missing=1_234_567)


@pytest.fixture(scope="session")
def fooled(verdicts) -> Verdict:
    """A verdict whose decoy was not refuted."""
    decoy = replace(verdicts[2].decoys[0], z_score=3.0, status=Status.UNDERPOWERED, missing=777)
    return replace(verdicts[2], decoys=(decoy,))
