"""`mezo-lab verify` in several processes: the same output, the same records, and no process that stays behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mezo_lab.claims import check, costs, workers
from mezo_lab.claims.selection import jobs
from mezo_lab.cli import main
from mezo_lab.cli.outcomes import cores, process_count

SOME = "verify tail norm-factor low-rank --law gaussian --fast"
ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="there are no groups of processes")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_the_number_of_processes_changes_neither_the_table_nor_the_record(tmp_path, capsys):
    tables, records = [], []
    for count in ("1", "2", "3"):
        file = tmp_path / f"{count}.json"
        assert main([*SOME.split(), "--jobs", count, "--json", str(file)]) == 0
        tables.append(re.sub(r"[\d.,]+ s\b", "", capsys.readouterr().out))
        records.append(json.loads(file.read_text())["verdicts"])
        for verdict in records[-1]:
            verdict.pop("seconds")
    assert tables[0] == tables[1] == tables[2] and "∎ proved" in tables[0]
    assert records[0] == records[1] == records[2]
    assert [verdict["id"] for verdict in records[0]] == ["A2", "B3", "B3", "B3", "B3", "B9", "B9"]


def test_a_program_without_a_guard_is_not_run_again_by_the_processes_that_it_starts(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        f"from mezo_lab.cli import main\nprint('begun')\ncode = main({[*SOME.split(), '--jobs', '2']})\n"
    )
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert ran.stdout.count("begun") == 1 and ran.stdout.count("CONSISTENT") == 7, ran.stderr


@pytest.fixture
def long_run(tmp_path):
    """A run of minutes in two processes, in a group of its own, after the first of its five verdicts."""
    command = "verify isotropic edge --law gaussian --resolution 0.001 --jobs 2 --json record.json"
    with subprocess.Popen(
        [sys.executable, "-m", "mezo_lab", *command.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as run:
        assert run.stdout is not None
        while "CONSISTENT" not in run.stdout.readline():
            assert run.poll() is None
        yield run
        run.kill()


def dying(error):
    """Processes of which the second dies: as an outcome, or as the end of the run."""

    def outcomes(planned, processes, **settings):
        for index, job in enumerate(planned):
            if index == 1 and isinstance(error, ChildProcessError):
                raise error
            yield index, error if index == 1 else check(job.claim, job.law, job.parameters, **settings)

    return outcomes


def test_a_process_that_died_is_a_line_and_no_success(monkeypatch, capsys):
    monkeypatch.setattr(workers, "outcomes", dying(workers.Lost("the process that tested it was killed by signal 9")))
    assert main([*SOME.split(), "--jobs", "2"]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("Left out: low-rank, as the process that tested it was killed by signal 9\n") == 1
    assert "3 claims, 6 verdicts: 6 passed" in printed.out


def test_processes_that_die_one_after_the_other_end_the_run_and_what_is_done_is_kept(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(workers, "outcomes", dying(ChildProcessError("3 processes have died: use --jobs 1")))
    record = tmp_path / "record.json"
    assert main([*SOME.split(), "--jobs", "2", "--json", str(record)]) == 2
    assert capsys.readouterr().err.endswith(
        "Stopped after 1 of 7 verdicts.\nmezo-lab: 3 processes have died: use --jobs 1\n"
    )
    assert json.loads(record.read_text())["reached"] == 1


@POSIX
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_to_all_processes_is_one_line_and_keeps_what_is_done(long_run, tmp_path, name, code):
    os.killpg(long_run.pid, getattr(signal, name))
    out, err = long_run.communicate()
    assert long_run.returncode == code
    assert "1 claim, 1 verdict: 1 passed" in out
    assert err.splitlines()[0].startswith("mezo-lab: 5 verdicts, about ")
    assert err.splitlines()[-3:] == [
        "Verdicts: record.json",
        "Stopped after 1 of 5 verdicts.",
        "mezo-lab: stopped",
    ]
    assert "Traceback" not in err
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["complete"], record["reached"], record["planned"]) == (False, 1, 5)


@LINUX
def test_a_run_that_is_killed_leaves_no_process_behind(long_run):
    own = Path(f"/proc/{long_run.pid}/task/{long_run.pid}/children").read_text().split()
    assert len(own) >= 2
    long_run.kill()
    long_run.wait()
    for process in own:
        while _running(process):  # the test hangs where one stays
            time.sleep(0.05)


def _running(process: str) -> bool:
    """Whether there is such a process, and not only what is left of it until its parent asks."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--jobs 0", "--jobs must be at least 1, got 0: give a larger number."),
        ("--jobs -1", "--jobs must be at least 1, got -1: give a larger number."),
        ("--jobs x", "argument --jobs: it must be a whole number, got 'x': write for example 1000"),
    ],
)
def test_a_number_of_processes_that_makes_no_sense_is_refused(capsys, words, message):
    assert main(["verify", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_ranks_share_the_draws_and_take_no_further_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    planned = jobs(mode="fast")
    assert process_count(planned, None, None) == 1 == process_count(planned, 1, None)
    with pytest.raises(ValueError, match="--jobs must be 1 where torchrun has started 3 processes"):
        process_count(planned, 2, None)


def test_a_run_takes_all_cores_where_that_pays_and_never_more_processes_than_verdicts():
    planned = jobs(["norm-factor"], mode="fast")
    assert process_count(planned, None, [10.0] * len(planned)) == min(cores(), len(planned))
    assert process_count(planned, None, [0.1] * len(planned)) == 1
    assert process_count(planned, None, None) == 1
    assert process_count(planned, 1000, None) == len(planned)
    assert process_count(jobs(["projected-gradient"]), 2, None) == 1  # a real model takes all threads of this process


def test_many_cores_start_no_more_processes_than_there_is_work_for(monkeypatch):
    monkeypatch.setattr("mezo_lab.cli.outcomes.cores", lambda: 64)
    planned = jobs(mode="fast")
    seconds = [20 / len(planned)] * len(planned)
    assert process_count(planned, None, seconds) == 3
    assert process_count(planned, 50, seconds) == 50


def test_the_expected_time_covers_every_claim_and_no_claim_that_is_gone():
    for mode in ("fast", "default"):
        planned = jobs(mode=mode)
        recorded = json.loads(costs._RECORD.read_text())["claims"]
        assert {job.claim.name for job in planned} == {name for name, modes in recorded.items() if mode in modes}
        seconds = costs.expected_seconds(planned, mode)
        assert seconds is not None and len(seconds) == len(planned) and min(seconds) > 0


def test_the_expected_time_follows_the_draws():
    planned = jobs(["norm-factor", "engine-factor"], law="gaussian")
    usual = costs.expected_seconds(planned)
    finer = costs.expected_seconds(planned, resolution=0.005)
    assert usual is not None and finer is not None
    ratios = {job.claim.name: b / a for job, a, b in zip(planned, usual, finer, strict=True)}
    assert ratios == {"norm-factor": pytest.approx(4), "engine-factor": pytest.approx(1)}  # the latter's are fixed
    few, many = (costs.expected_seconds(planned[:1], draws=draws) for draws in (1_000, 2_000))
    assert few is not None and many is not None and many[0] == pytest.approx(2 * few[0])


def test_nobody_knows_how_long_a_real_model_takes():
    assert costs.expected_seconds(jobs(["projected-gradient"])) is None
