"""A population of one-sided losses as a fine-tuning run: what it asks for, what it costs, its log and its replay."""

import json

import pytest
import torch

from mezo_lab.cli import main
from mezo_lab.cli.config_options import check_effect
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.replay import rebuild_model
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import LOG, read_run_config
from mezo_lab.optim.log import read_log


def changed(plan: RunConfig, **changes) -> RunConfig:
    return RunConfig(**{**vars(plan), "estimator": "population", "probes": 4, **changes})


KINDS = [
    {"baseline": "leave-one-out"},
    {"baseline": "mean"},
    {"shaping": "rank", "objective": "accuracy", "epsilon": 1e-2},
]


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "-".join(map(str, kinds.values())))
def test_a_run_of_a_population_is_logged_and_rebuilt_and_takes_a_pass_a_direction(kinds, plan, tmp_path):
    plan = changed(plan, **kinds)
    result = finetune(plan, tmp_path / "run", report=lambda line: None)
    assert result["forward_passes"] == 4 * result["steps"] and result["backward_passes"] == 0
    header = read_log(tmp_path / "run" / LOG).header
    assert {name: header[name] for name in plan.estimate} == plan.estimate and header["probes"] == 4
    model, _, steps = rebuild_model(tmp_path / "run", until=5)
    from mezo_lab.finetune.models.loading import load_model

    kept = load_model(str(tmp_path / "run" / f"checkpoint-{steps}"), device="cpu").model
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), kept.parameters(), strict=True))


def test_a_run_of_a_population_goes_on_from_its_log_alone_as_if_it_had_not_stopped(plan, tmp_path):
    whole = finetune(changed(plan), tmp_path / "whole", report=lambda line: None)
    half = changed(plan, steps=5, every=5)
    finetune(half, tmp_path / "half", report=lambda line: None)
    again = changed(plan, every=5)
    rest = finetune(again, tmp_path / "rest", from_log=tmp_path / "half", report=lambda line: None)
    assert rest["steps"] == whole["steps"] == 10
    ends = [rebuild_model(tmp_path / name, until=10)[0] for name in ("whole", "rest")]
    assert all(torch.equal(a, b) for a, b in zip(*(end.parameters() for end in ends), strict=True))


def test_a_plan_of_an_older_version_is_one_of_two_sides(plan, tmp_path):
    finetune(plan, tmp_path / "run", report=lambda line: None)
    file = tmp_path / "run" / "plan.json"
    written = json.loads(file.read_text())
    older = {name: value for name, value in written.items() if name not in ("estimator", "baseline", "shaping")}
    file.write_text(json.dumps(older))
    assert read_run_config(tmp_path / "run").estimate == {
        "estimator": "two-sided",
        "baseline": "none",
        "shaping": "none",
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"probes": 1}, "`probes` must be at least 2 for a population with a baseline or a shaping, got 1: 8 or 16"),
        ({"shaping": "rank"}, "`lr` must be given with shaping='rank', got none: .* measured rates do not hold"),
        (
            {"baseline": "none"},
            "`lr` must be given with baseline='none', got none: the whole loss weighs each direction",
        ),
        ({"baseline": "own"}, "`baseline` must be one of none, mean, leave-one-out; got 'own'"),
        ({"shaping": "ranks"}, "`shaping` must be one of none, z-score, rank; got 'ranks'. Nearest: rank"),
        ({"estimator": "one-sided"}, "`estimator` must be one of two-sided, population; got 'one-sided'"),
    ],
)
def test_what_no_population_can_be_is_told_before_a_model_is_loaded(options, told):
    with pytest.raises(ValueError, match=told):
        RunConfig(**{"estimator": "population", "probes": 4, **options})


def test_a_population_of_one_without_a_baseline_is_a_single_one_sided_loss():
    assert RunConfig(estimator="population", baseline="none", lr=1e-8).forward_passes == 1


@pytest.mark.parametrize(
    ("options", "name", "owner"),
    [
        ({}, "baseline", "--estimator population"),
        ({}, "shaping", "--estimator population"),
        ({"method": "adam"}, "estimator", "--method mezo"),
        ({"method": "zero-shot"}, "estimator", "a training"),
        ({"estimator": "population", "probes": 4, "shaping": "rank", "lr": 1e-4}, "baseline", "without --shaping"),
    ],
)
def test_an_option_without_effect_is_refused(options, name, owner):
    with pytest.raises(ValueError, match=f"`{name}` belongs to .*{owner}"):
        check_effect(RunConfig(**options), [name])


def test_the_command_line_says_what_a_population_needs(capsys):
    assert main(["finetune", "--estimator", "population"]) == 2
    assert "--probes must be at least 2 for a population" in capsys.readouterr().err
