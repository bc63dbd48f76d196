"""What the records of long runs show, and that each run can be made again from its log."""

import json
from pathlib import Path

import accuracy
import long_run
import pytest

from mezo_lab.finetune import NotInstalled
from mezo_lab.finetune.config import TRAINED
from mezo_lab.finetune.replay import rebuild_model
from mezo_lab.finetune.run_folder import LOG, RESULT, read_run_config
from mezo_lab.optim.log import read_log

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parent.parent
RUNS = sorted(folder.parent for folder in (ROOT / "results/runs").glob(f"*/{RESULT}"))
RUNS = [folder for folder in RUNS if folder.name != long_run.NAME]  # which has a page of its own
LOGGED = [folder for folder in RUNS if (folder / LOG).exists()]
CURVATURE = json.loads((ROOT / "results/divergence.json").read_text())


def rows() -> list[dict]:
    return json.loads((ROOT / "results/finetune.json").read_text())["rows"]


def test_the_summary_is_that_of_the_runs():
    assert json.loads(json.dumps(accuracy.summary()))["rows"] == rows() and len(rows()) == len(RUNS) > 0


def test_a_run_lies_where_its_plan_says():
    """So that a run is found again, and one of another plan is not taken for it."""
    assert [folder.name for folder in RUNS] == [accuracy.name_of(read_run_config(folder)) for folder in RUNS] != []


def test_every_mezo_run_has_a_log_of_kilobytes_with_all_its_steps():
    forward = [folder for folder in RUNS if read_run_config(folder).method == "mezo"]
    assert forward == LOGGED != []
    for folder in LOGGED:
        result = json.loads((folder / RESULT).read_text())
        assert len(list(read_log(folder / LOG))) >= result["steps"] == read_run_config(folder).steps
        assert (folder / LOG).stat().st_size < 10_000


def test_the_checkpoint_that_is_tested_is_that_of_the_best_validation_accuracy():
    for folder in RUNS:
        plan, result = read_run_config(folder), json.loads((folder / RESULT).read_text())
        if plan.method in TRAINED:
            by_step = {point["step"]: point["value"] for point in result["validation"]}
            assert by_step[result["best_step"]] == max(by_step.values())


@pytest.mark.parametrize("shots", [16, 512])
def test_mezo_beats_what_it_began_from_on_the_same_test(shots):
    kind = {"prompt": "rotten-tomatoes", "shots": shots, "method": "mezo", "tuning": "full", "objective": "loss"}
    own = [row for row in rows() if kind.items() <= row.items() and not row["scratch"]]
    assert own and all(row["gain"][1] > 0 for row in own)


def test_a_third_of_the_predicted_rate_trains_and_the_whole_diverges():
    assert all(run["diverged"] == (run["multiple"] > 0.3) for run in CURVATURE["runs"])
    falls = [run["losses"][-1] / run["losses"][0] for run in CURVATURE["runs"] if run["multiple"] <= 0.3]
    assert falls == sorted(falls, reverse=True) and falls[0] < 1  # a larger rate learns faster, until it is too large


def test_the_shortest_log_rebuilds_its_model():
    """Of those that begin with what is read or drawn: the last digits of a prefix depend on the processor."""

    def sweeps(folder: Path) -> int:
        result = json.loads((folder / RESULT).read_text())
        return result["trained"] * result["steps"]

    shortest = min((folder for folder in LOGGED if read_run_config(folder).tuning != "prefix"), key=sweeps)
    try:
        _, _, steps = rebuild_model(shortest)  # compares the weights with the hash at the end of the log
    except NotInstalled as missing:
        pytest.skip(str(missing))
    assert steps == read_run_config(shortest).steps
