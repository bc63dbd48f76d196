"""The same claims on a GPU, where there is one."""

import pytest
import torch

from mezo_lab.claims import REGISTRY, check
from mezo_lab.sampling import LAWS

SAMPLED = [claim for claim in REGISTRY.values() if not claim.real]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("claim", SAMPLED, ids=lambda claim: claim.name)
def test_a_claim_holds_on_a_gpu_too(claim):
    law = LAWS[claim.laws[0]]
    verdict = check(claim, law, claim.parameter_sets(law, "fast")[0], resolution=0.05, device="cuda")
    assert verdict.passed, str(verdict)
