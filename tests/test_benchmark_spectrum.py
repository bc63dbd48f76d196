"""The benchmark of a spectrum runs, and its record grows as it goes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import spectrum

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    file = tmp_path_factory.mktemp("benchmark") / "record.json"
    command = [sys.executable, str(ROOT / "benchmarks/spectrum.py"), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


def test_the_ends_of_the_spectrum_and_the_trace_are_found(ran):
    said, record = ran
    assert (record["values"][0], record["values"][-1]) == pytest.approx((-1, 3))
    assert sum(record["weights"]) == pytest.approx(1)
    trace, error = record["trace"]
    assert abs(trace - 40) < 5 * error < 40
    assert abs(trace - 80) > 5 * error  # the control: twice the trace
    assert said.startswith("tr H = ") and "λ_max = 3, r = " in said


@pytest.mark.parametrize("option", ["--draws=1", "--products=0"])
def test_too_few_of_either_are_refused_before_anything_is_measured(option, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["spectrum.py", "--quick", option])
    with pytest.raises(SystemExit):
        spectrum.main()
    assert "--draws must be at least 2" in capsys.readouterr().err


def test_a_run_that_is_stopped_leaves_what_it_had():
    written = []
    spectrum.measured(spectrum.quadratic(), products=5, draws=4, write=lambda record: written.append(dict(record)))
    assert [record["draws"] for record in written] == [0, 2, 3, 4]
    assert all(record["values"] == written[-1]["values"] for record in written) and "trace" not in written[0]


def test_a_record_describes_the_machine_and_does_not_name_it(ran):
    _, record = ran
    assert record["machine"]["torch"] and os.uname().nodename not in json.dumps(record)


def test_the_committed_record_is_what_notebook_10_tells():
    record = json.loads((ROOT / "results/spectrum.json").read_text())
    assert (record["task"], record["batch"], record["draws"]) == (spectrum.TASK, spectrum.BATCH, spectrum.DRAWS)
    values = record["values"]
    assert values == sorted(values) and sum(record["weights"]) == pytest.approx(1, abs=1e-3)
    assert values[0] < -values[-1] / 4 < 0  # strongly negative curvature, so that tr H/λ_max counts no directions
