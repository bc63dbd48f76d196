"""Each sentence says what was asked, what was found and what follows."""

from dataclasses import replace

from mezo_lab.claims import Status
from mezo_lab.report.prose import by_claim, sentences, summary


def test_a_consistent_verdict_tells_its_numbers_and_its_decoys(verdicts):
    verdict, decoy = verdicts[0], verdicts[0].decoys[0]
    count, found = f"{verdict.estimate.count:,}", str(verdict.estimate)
    told = sentences(verdict)
    assert told.startswith(f"With the gaussian law at d = 6, n = 2 the mean of {count} draws is {found} where")
    assert "where the theory says 4.5 (distance " in told
    assert ": consistent; a discrepancy of 4" in told
    assert told.endswith(f"The decoy (d+n−1)/n says 3.5 and is refuted at distance +{decoy.z_score:.0f}.")


def test_a_bound_is_told_as_a_bound(verdicts):
    assert "where the theory says at most −0.0833333" in sentences(verdicts[-1])
    assert "at most" not in sentences(verdicts[0])


def test_a_mean_from_a_few_scalars_is_told_as_such(verdicts):
    assert "d = 13,000,000,000, n = 1, r = 4, sampled through the scalars that decide it, the mean" in sentences(
        verdicts[4]
    )
    assert "scalars" not in sentences(verdicts[3])


def test_a_refutation_is_told(refuted):
    assert "where the theory says 5.5 (distance −" in sentences(refuted)
    assert "): refuted. The decoy" in sentences(refuted)


def test_what_is_missing_is_told(underpowered):
    told = sentences(underpowered)
    assert "too few draws to tell; a discrepancy of 20 % would have shown, 5.0 % was asked for" in told
    assert "1,234,567 more draws are needed" in told


def test_a_decoy_that_is_not_refuted_is_told(fooled):
    assert sentences(fooled).endswith(
        "z with tied coordinates is NOT refuted (distance +3.0): 777 more draws are needed."
    )
    hopeless = replace(fooled, decoys=(replace(fooled.decoys[0], missing=10**70),))
    assert sentences(hopeless).endswith("(distance +3.0): 1e70 more draws are needed.")


def test_a_formula_of_the_users_is_named(verdicts):
    told = sentences(replace(verdicts[0], formula="(d+n-1)/n", expected=3.5, status=Status.REFUTED))
    assert "where the formula (d+n−1)/n says 3.5" in told and "and the theory 4.5: refuted" in told


def test_the_summary_counts_everything_once(verdicts, refuted, fooled):
    totals = summary([*verdicts, refuted, fooled])
    assert (totals.claims, totals.verdicts, totals.passed, totals.proofs) == (4, 8, 6, 1)
    assert totals.draws == sum(verdict.estimate.count for verdict in [*verdicts, refuted, fooled])
    assert totals.decoys - totals.decoys_refuted == 1
    assert str(totals).startswith("4 claims, 8 verdicts: 6 passed, 2 failed. ")


def test_verdicts_of_one_claim_stand_together(verdicts, refuted):
    groups = by_claim([*verdicts, refuted])
    assert [group[0].claim.name for group in groups] == ["norm-factor", "unbiased", "low-rank", "descent-lemma"]
    assert groups[0] == [verdicts[0], verdicts[1], refuted]
