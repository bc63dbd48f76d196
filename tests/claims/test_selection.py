"""What a command asks for becomes a list of jobs, and nonsense is told before any work."""

import sys

import pytest

from mezo_lab.claims import REGISTRY, claim_named
from mezo_lab.claims.selection import build_all, jobs, order, proof_of
from mezo_lab.sampling import LAWS


def test_no_names_mean_every_sampled_claim_with_each_of_its_laws_and_parameter_sets():
    planned = jobs()
    assert {job.claim.name for job in planned} == {claim.name for claim in REGISTRY.values() if not claim.real}
    for claim in (claim for claim in REGISTRY.values() if not claim.real):
        assert {job.law.name for job in planned if job.claim is claim} == set(claim.laws)


def test_claims_on_a_real_model_run_when_asked_for():
    real = {claim.name for claim in REGISTRY.values() if claim.real}
    assert {job.claim.name for job in jobs(models=True)} >= real
    assert {job.claim.name for job in jobs(real)} == real


def test_jobs_come_in_the_order_of_the_ids_and_once_each():
    planned = jobs(["B3", "A10", "a2", "norm-factor", "A2"])
    ids = list(dict.fromkeys(job.claim.id for job in planned))
    assert ids == ["A2", "A10", "B3"]
    assert [order(job.claim) for job in planned] == sorted(order(job.claim) for job in planned)
    assert len({(job.claim.id, job.law.name, str(job.parameters)) for job in planned}) == len(planned)


def test_an_override_replaces_the_parameter_in_every_set_and_merges_equal_ones():
    planned = jobs(["norm-factor"], law="sphere", probes=3)
    assert [job.parameters for job in planned] == [{"dim": 20, "probes": 3}]


def test_a_law_chosen_for_all_claims_leaves_out_those_not_stated_for_it():
    stated = {"A1", "A2", "A3", "A4", "A6", "A10", "B2", "B10", "C1", "C3", "E12"}
    assert {job.claim.id for job in jobs(law="coordinate")} == stated


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["norm-facto"], {}, "nearest: norm-factor"),
        (["A9"], {"law": "sphere"}, "`law` of norm-probe must be one of gaussian; got 'sphere'"),
        (["A9"], {"probes": 2}, "`probes` is no parameter of norm-probe"),
        ([], {"law": "sfere"}, "Nearest: sphere"),
        (["D1"], {"law": "rademacher"}, "has no parameter set in the default mode"),
    ],
)
def test_what_cannot_be_planned_is_told(names, options, message):
    with pytest.raises(ValueError, match=message):
        jobs(names, **options)


def test_parameters_without_sense_are_told_with_the_claims_name():
    with pytest.raises(ValueError, match="low-rank: `rank` must be at most `dim`, got 5 > 2"):
        build_all(jobs(["low-rank"], dim=2))


def test_a_job_says_proved_where_a_derivation_exists_and_nothing_elsewhere():
    assert proof_of(claim_named("norm-factor"), LAWS["gaussian"]) == "proved"
    assert proof_of(claim_named("tail"), LAWS["gaussian"]) is None


def test_without_sympy_a_job_claims_no_proof(monkeypatch):
    monkeypatch.setitem(sys.modules, "mezo_lab.proofs", None)
    assert proof_of(claim_named("norm-factor"), LAWS["gaussian"]) is None


@pytest.mark.parametrize(
    ("name", "choose", "sets"),
    [
        ("residual-feedback", {"moment": "norm"}, [{"dim": 8, "moment": "norm"}]),
        ("norm-probe", {"average": "magnitude"}, [{"dim": 8, "average": "magnitude"}]),
        ("variance-modified", {"moment": "mean", "scale": "|g|"}, [{"dim": 8, "scale": "|g|", "moment": "mean"}]),
        ("best-step", {"t": "1"}, [{"dim": 6, "probes": 2, "rank": 3, "t": 1.0}]),
        ("tail", {"dim": "40"}, [{"dim": 40, "u": 20}]),
        ("tail", {"u": "7"}, [{"dim": 40, "u": 7}, {"dim": 10, "u": 7}]),  # no set has it
        ("same-z", {"measure": "compiled"}, [{"measure": "compiled", "layouts": 299}]),  # another mode has it
        ("replay", {"measure": "bytes"}, [{"measure": "bytes", "steps": 20_000}]),
        ("replay", {"runs": "7"}, [{"measure": "rebuilt", "steps": 3, "runs": 7}]),  # a log's size has no runs
    ],
)
def test_a_parameter_can_be_chosen_by_its_name_and_value(name, choose, sets):
    assert [job.parameters for job in jobs([name], law="gaussian", mode="fast", choose=choose)] == sets


@pytest.mark.parametrize("claim", REGISTRY.values(), ids=REGISTRY)
def test_every_word_of_every_claim_can_be_chosen_and_is_then_in_every_row(claim):
    for mode, sets in claim.settings.items():
        for name, value in ((name, value) for parameters in sets for name, value in parameters.items()):
            chosen = jobs([claim.name], mode=mode, choose={name: str(value)})
            assert chosen and all(job.parameters[name] == value for job in chosen)
