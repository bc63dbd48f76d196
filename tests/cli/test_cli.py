"""The command line: what it answers, what it refuses, and its exit codes."""

import json
import re
import subprocess
import sys

import pytest

from mezo_lab.claims import REGISTRY
from mezo_lab.cli import main

SMALL = ["verify", "norm-factor", "--law", "gaussian", "--dim", "6", "--probes", "2", "--resolution", "0.05"]


def refusal(capsys, *arguments: str) -> str:
    """The one line of an error: exit code 2, nothing on stdout, no traceback."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and "Traceback" not in printed.err
    return printed.err


def test_a_true_claim_exits_0_and_prints_its_row(capsys):
    assert main(SMALL) == 0
    printed = capsys.readouterr().out
    assert "norm-factor" in printed and "CONSISTENT" in printed and "proved" in printed


def test_the_theory_as_anyones_formula_exits_0(capsys):
    assert main([*SMALL, "--expect", "(d+n+1)/n"]) == 0


def test_the_papers_constant_with_a_gaussian_exits_1(capsys):
    command = "verify norm-factor --law gaussian --dim 50 --probes 4 --expect (d+n-1)/n"
    assert main(command.split()) == 1
    assert "REFUTED" in capsys.readouterr().out


def test_the_same_constant_on_the_sphere_exits_0(capsys):
    command = "verify norm-factor --law sphere --dim 50 --probes 4 --expect (d+n-1)/n"
    assert main(command.split()) == 0


def test_too_few_draws_exit_1_and_say_how_many_are_missing(capsys):
    assert main([*SMALL[:-2], "--draws", "100"]) == 1
    assert "UNDERPOWERED" in capsys.readouterr().out


def test_a_decoy_that_no_run_can_tell_from_the_truth_is_a_failure_and_not_left_out(capsys):
    assert main("verify norm-factor --law gaussian --dim 13000000000 --probes 4 --draws 1000".split()) == 1
    assert "NOT REFUTED" in capsys.readouterr().out


def test_a_formula_nobody_can_tell_from_the_truth_is_not_called_consistent(capsys):
    command = "verify norm-factor --law gaussian --dim 13000000000 --probes 4 --draws 1000 --expect (d+n-1)/n"
    assert main(command.split()) == 1
    assert "UNDERPOWERED" in capsys.readouterr().out


def test_verdicts_are_written_as_json_with_the_promised_keys(tmp_path, capsys):
    file = tmp_path / "verdicts.json"
    assert main([*SMALL, "--json", str(file)]) == 0
    record = json.loads(file.read_text())
    (verdict,) = record["verdicts"]
    promised = {"claim", "law", "parameters", "statement", "source", "expected", "mean", "standard_error", "count"}
    promised |= {"z_score", "detectable", "status", "decoys", "proof", "seconds"}
    assert record["schema"] == 1 and promised <= verdict.keys()
    assert verdict["claim"] == "norm-factor" and verdict["parameters"] == {"dim": 6, "probes": 2}
    assert verdict["expected"] == 4.5 and verdict["proof"] == "proved" and verdict["status"] == "CONSISTENT"
    assert {"statement", "expected", "z_score", "status"} <= verdict["decoys"][0].keys()


def test_the_seed_decides_the_draws(tmp_path, capsys):
    means = []
    for seed in ("1", "1", "2"):
        file = tmp_path / "verdict.json"
        main([*SMALL, "--seed", seed, "--json", str(file)])
        means.append(json.loads(file.read_text())["verdicts"][0]["mean"])
    assert means[0] == means[1] != means[2]


def test_list_shows_every_claim_with_its_laws_and_names(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for claim in REGISTRY.values():
        assert f"{claim.id:4} {claim.name}" in printed
    assert "names for --expect: d, n, c, cross, kappa" in printed


def test_prove_prints_the_steps_and_the_difference(capsys):
    assert main(["prove", "norm-factor", "--law", "gaussian"]) == 0
    printed = capsys.readouterr().out
    assert "1." in printed and "= 0" in printed and "∎" in printed


def test_prove_takes_an_id_as_verify_does(capsys):
    assert main(["prove", "A2", "--law", "gaussian"]) == 0
    by_id = capsys.readouterr().out
    assert main(["prove", "norm-factor", "--law", "gaussian"]) == 0
    assert by_id == capsys.readouterr().out
    assert main(["prove", "A99"]) == 2
    assert "must be a name or id of the registry, got 'A99'" in capsys.readouterr().err


def test_prove_alone_lists_the_derivations(capsys):
    assert main(["prove"]) == 0
    assert "norm-factor: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("verify --dim 0", "--dim must be at least 1, got 0"),
        ("verify --probes 0", "--probes must be at least 1, got 0"),
        ("verify --draws -5", "--draws must be at least 2, got -5"),
        ("verify --draws 1", "--draws must be at least 2, got 1"),
        ("verify --seed -1", "--seed must be at least 0, got -1"),
        ("verify --draws many", "argument --draws: it must be a whole number, got 'many': write for example 1000"),
        (
            "verify --resolution 2",
            "--resolution must lie between 1e-12, where the formulas themselves round, and 1, got 2",
        ),
        ("verify --draws 10 --resolution 0.1", "not allowed with"),
        ("verify --fast --full", "not allowed with"),
        ("verify norm-facto", "nearest: norm-factor"),
        ("verify --law normal", "--law must be one of gaussian"),
        ("verify smoothing --law sphere", "--law of smoothing must be one of gaussian; got 'sphere'"),
        ("verify one-sided --probes 3", "--probes is no parameter of one-sided: it has dim"),
        ("verify norm-factor --law orthogonal --dim 3 --probes 4", "--probes must be at most --dim"),
        ("verify low-rank --dim 2", "low-rank: `rank` must be at most --dim, got 5 > 2"),
        ("verify norm-factor --law rademacher --dim 13000000000", "--dim must be at most 16,777,216"),
        ("verify curvature-probe --dim 100000", "--dim must be at most 2,048"),
        ("verify projected-gradient --law rademacher", "has no parameter set in the default mode"),
        ("verify --device tpu", "--device must be one of cpu, cuda; got 'tpu'"),
        ("verify --json /nowhere/out.json", "--json /nowhere/out.json cannot be written (No such file or directory)"),
        ("verify --html /", "--html / cannot be written (Is a directory)"),
        ("verify --expect d", "--expect tests a formula for one claim"),
        ("verify norm-factor --expect q/n", "Unknown name 'q'"),
        ("verify second-moment --expect kappa*uv", "with the sphere law second-moment has no kappa; choose the rows, "),
        ("verify any-spectrum --fast --expect kappa*gHg", "in 4 of 6 rows only"),
        ("verify engine-factor --fast --expect 1-2*s+s**2*gamma", "by --law gaussian --set measure=contraction"),
        ("verify probes-are-a-wash --law orthogonal", "got 'orthogonal'; with that law try orthogonal-probes"),
        ("verify momentum --set beta=-1", "`beta` must lie in [0, 1), got -1.0"),
        ("verify rounding --set epsilon=0", "rounding: `epsilon` must be at least 6e-08 with float32, got 0: below it"),
        ("verify best-step --set t=1e200", "The theory of best-step overflows at dim = "),
        ("verify norm-factor --expect __import__('os')", "got a call"),
        ("verify norm-factor --expect d.real", "got an attribute"),
        ("verify norm-factor --expect 9**9**9", "A power is at most 64"),
        ("verify norm-factor --expect " + "d+" * 5000 + "d", "at most 200 characters, got 10,001"),
        ("verify norm-factor --expect 1/2d", "may mean two things: write a * and brackets"),
        ("verify norm-factor --expect (d+n–1)/n", "Character 5 of '(d+n–1)/n', '–' (en dash), has no meaning"),
        (
            "verify --resolution 1e-320",
            "--resolution must lie between 1e-12, where the formulas themselves round, and 1, got 9.99989e-321",
        ),
        ("verify --draws 9999999999999999999999", "--draws must be at most 9,007,199,254,740,992, which no run"),
        ("verify norm-probe --set", "expected one argument"),
        ("verify norm-probe --set average", "--set takes NAME=VALUE, got 'average': write for example --set moment"),
        (
            "verify norm-probe --set avrage=square",
            "`avrage` is no parameter of norm-probe: it has dim, average; nearest",
        ),
        ("verify norm-probe --set average=squares", "must be one of square, magnitude; got 'squares'; nearest: square"),
        ("verify norm-probe --set average=square --set average=magnitude", "--set average is given twice"),
        ("verify best-step --set t=x", "`t` of best-step must be a number, got 'x': write --set t=1.0"),
        ("verify best-step --set t=nan", "`t` of best-step must be a number, got 'nan'"),
        (
            "verify best-step --set rank=2.5",
            "`rank` of best-step must be a whole number, got '2.5': write --set rank=3",
        ),
        ("verify norm-factor --dim 5 --set dim=6", "`dim` is given twice, by --dim and by --set: leave one out"),
        ("verify --set dim=6", "--set chooses a parameter of one claim: name the claim, such as norm-probe"),
        ("verify norm-factor --expect 1/(n-n)", "divides by zero"),
        ("prove smoothing --law sphere", "gaussian"),
        ("prove nothing", "norm-factor"),
        (
            "ponder",
            "COMMAND must be one of verify, list, prove, lr, finetune, replay, memory, course, doctor; got 'ponder'",
        ),
        ("verify --resolutoin=0.1", "unrecognized arguments: --resolutoin=0.1; nearest: --resolution"),
        ("verifi norm-factor", "got 'verifi'. Nearest: verify."),
        ("verify --models norm-factor", "--models adds the claims on a real model to a run of all claims: name them"),
        ("prove --law gaussian", "--law chooses a derivation of a claim, got 'gaussian': name a claim before it"),
        ("verify --dim 1e-3", "argument --dim: it must be a whole number, got '1e-3'"),
        ("verify --dim 1e999999999", "argument --dim: it must be a whole number"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(capsys, arguments, message):
    assert message in refusal(capsys, *arguments.split())


def test_a_whole_number_may_have_an_exponent(capsys):
    assert main("verify norm-factor --law gaussian --dim 1.3e10 --probes 4 --draws 1e3 --expect d".split()) == 1
    assert "d=1.3e10" in capsys.readouterr().out


def test_a_page_that_cannot_be_made_is_refused_before_any_draw(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    line = refusal(capsys, *SMALL, "--html", "report.html")
    assert line.startswith("mezo-lab: jinja2 is not installed: ") and "mezo_lab[verify]" in line


def test_cuda_is_refused_where_torch_sees_none(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--device cuda needs a GPU" in refusal(capsys, "verify", "--device", "cuda")


def test_a_file_that_cannot_be_written_is_told_before_any_draw(capsys, monkeypatch):
    monkeypatch.setattr("mezo_lab.claims.check", lambda *arguments, **options: pytest.fail("the work had started"))
    assert "cannot be written" in refusal(capsys, *SMALL, "--json", "/nowhere/out.json")


def test_checking_that_a_file_can_be_written_leaves_none_behind(tmp_path, capsys):
    refusal(capsys, "verify", "nothing", "--json", str(tmp_path / "out.json"))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_writing_is_one_clear_line(tmp_path, capsys, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert main([*SMALL, "--json", str(tmp_path / "out.json")]) == 2
    assert capsys.readouterr().err == "mezo-lab: [Errno 28] No space left on device\n"


@pytest.fixture
def no_wheels(monkeypatch):
    from mezo_lab.claims.d_models import language_model

    monkeypatch.setattr("mezo_lab.environment.installation.find_spec", lambda name: None)
    language_model.cache_clear()


def test_without_the_real_model_its_claim_names_the_command_that_installs_it(capsys, no_wheels):
    assert "Left out: projected-gradient, as " in (line := refusal(capsys, "verify", "projected-gradient"))
    assert "pip install" in line


def test_without_the_real_model_the_rest_still_runs_and_the_gap_is_not_called_success(capsys, no_wheels):
    assert main([*SMALL[:1], "projected-gradient", *SMALL[1:]]) == 2  # the model's claim has no --dim
    capsys.readouterr()
    assert main(["verify", "norm-factor", "projected-gradient", "--law", "gaussian", "--fast"]) == 1
    printed = capsys.readouterr()
    assert "Left out: projected-gradient" in printed.err and "norm-factor" in printed.out


def stopped_at(monkeypatch, number: int, error=KeyboardInterrupt) -> None:
    """Let the verdict of that number be interrupted."""
    from mezo_lab import claims

    tested = iter(range(number))

    def check(*arguments, **options):
        if next(tested, None) is None:
            raise error
        return real_check(*arguments, **options)

    real_check = claims.check
    monkeypatch.setattr(claims, "check", check)


def test_a_run_that_is_stopped_in_the_middle_prints_and_writes_what_is_done(tmp_path, capsys, monkeypatch):
    stopped_at(monkeypatch, 2)
    record, page = tmp_path / "record.json", tmp_path / "report.html"
    command = f"verify norm-factor --dim 6 --probes 2 --resolution 0.05 --json {record} --html {page}"
    assert main(command.split()) == 130
    printed = capsys.readouterr()
    assert printed.out.count("CONSISTENT") == 2 and "1 claim, 2 verdicts: 2 passed" in printed.out
    assert "Stopped after 2 of 7 verdicts." in printed.err
    told = json.loads(record.read_text())
    assert (told["complete"], told["reached"], told["planned"]) == (False, 2, 7)
    assert "✗ Not complete: 2 of 7 verdicts were reached" in page.read_text()


def test_a_run_that_is_stopped_at_once_still_writes_its_empty_record(tmp_path, capsys, monkeypatch):
    stopped_at(monkeypatch, 0)
    record = tmp_path / "record.json"
    assert main([*SMALL, "--json", str(record)]) == 130
    assert json.loads(record.read_text())["complete"] is False
    assert "Stopped after 0 of 1 verdicts." in capsys.readouterr().err


def test_a_whole_run_is_marked_as_whole(tmp_path, capsys):
    record, page = tmp_path / "record.json", tmp_path / "report.html"
    assert main([*SMALL, "--json", str(record), "--html", str(page)]) == 0
    assert json.loads(record.read_text())["complete"] is True
    assert "Not complete" not in page.read_text()


def test_the_row_that_was_meant_is_judged(capsys):
    formula = "(2*d+2)*g2 + d*delta**2/eps**2"
    command = ["verify", "residual-feedback", "--fast", "--expect", formula]
    assert main(command) == 1
    printed = capsys.readouterr().out
    assert "which differ in moment (norm, mean" in printed
    assert main([*command, "--set", "moment=norm"]) == 0
    assert "held against" not in capsys.readouterr().out


def test_a_formula_held_against_several_laws_says_how_one_is_chosen(capsys):
    assert main("verify norm-factor --fast --draws 1000 --expect (d+n+1)/n".split()) == 1
    assert "differ in law (gaussian, rademacher, uniform," in (told := capsys.readouterr().out)
    assert "--law gaussian chooses one)" in told


HUGE = ("99999999999999999999999999", "1000000000", "1" + "0" * 300)


@pytest.mark.parametrize("huge", HUGE)
@pytest.mark.parametrize("option", ["--dim", "--probes"])
@pytest.mark.parametrize("law", ["gaussian", "rademacher", "sphere", "coordinate", "orthogonal"])
def test_sizes_that_no_machine_holds_are_told_before_anything_is_allocated(capsys, option, law, huge):
    for claim in ("norm-factor", "unbiased", "minibatch", "dimension-tax"):
        if (claim, option, huge) == ("norm-factor", "--dim", "1000000000") and law != "coordinate":
            continue  # 10⁹ dimensions are well within reach of the scalars
        code = main(["verify", claim, "--law", law, option, huge, "--draws", "2"])
        printed = capsys.readouterr()
        if code != 2:
            assert law in ("gaussian", "sphere", "orthogonal") and option == "--dim" and huge == "1000000000"
            continue
        assert printed.out == "" and printed.err.count("\n") == 1 and "Traceback" not in printed.err
        assert any(word in printed.err for word in ("lower", "raise", "give", "reached"))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("verify minibatch --set batch=99999999999999999", "`batch` must be at most 65,536, got"),
        ("verify low-rank --set rank=99999999999999999999999", "`rank` must be at most"),
        ("verify replay --set steps=99999999999", "`steps` must be at most 1,000,000, got"),
        ("verify memory --set d=99999999999999", "--dim must be at most"),
        ("verify tail --set dim=99999999999", "random numbers"),
        ("verify norm-factor --law gaussian --probes 2000000", "One draw must take at most 33,554,432 random numbers"),
    ],
)
def test_any_parameter_that_no_machine_holds_is_told(capsys, command, message):
    assert message in refusal(capsys, *command.split())


def test_a_long_run_says_how_long_it_will_take_where_no_terminal_shows_it():
    command = "verify norm-factor --law gaussian --draws 1000000000000 --jobs 2"
    code = f"from mezo_lab.cli import main; raise SystemExit(main('{command}'.split()))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        lines = [run.stderr.readline()]
        while (
            "about" not in lines[-1] and lines[-1]
        ):  # a busy machine may need more than two seconds for its first draws
            lines.append(run.stderr.readline())
        run.terminate()
        out, _ = run.communicate()
    assert lines[0].startswith("mezo-lab: 2 verdicts")
    assert re.search(r"mezo-lab: 2 verdicts, about [\d,]+ (h|days|years) in 2 processes", lines[-1])
    assert run.returncode == 143 and out == ""


def test_a_run_that_is_stopped_says_so(capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mezo_lab.claims.check", interrupted)
    assert main(SMALL) == 130
    assert "stopped" in capsys.readouterr().err
