"""The benchmark of the replay: that it replays, what it writes, and what the page says of it."""

import json

import pytest
import replay as benchmark
import torch
from blocks import replays

pytestmark = pytest.mark.repo


@pytest.fixture(scope="module")
def record():
    return benchmark.measured(
        list(benchmark.KINDS), numel=9_000, steps=2, logged=dict.fromkeys(benchmark.LOGGED, 4), long=5, rounds=1
    )


def test_every_kind_of_run_is_measured_beside_its_replay(record):
    assert [row["kind"] for row in record["rows"]] == list(benchmark.KINDS)
    for row in record["rows"]:
        assert row["least"] <= row["ratio"] <= row["largest"] and row["run_seconds"] > 0
        assert row["ratio"] == pytest.approx(row["replay_seconds"] / row["run_seconds"])  # of the only round
    assert record["long"]["paper_seconds"] == pytest.approx(record["long"]["seconds"] * 4_000)


def test_a_replay_that_leads_elsewhere_is_no_measurement(monkeypatch):
    monkeypatch.setattr(benchmark, "replay", lambda theta, log, **options: torch.nn.init.zeros_(theta[0]))
    with pytest.raises(AssertionError, match="did not rebuild the run"):
        benchmark.measured(
            list(benchmark.KINDS), numel=9_000, steps=2, logged=dict.fromkeys(benchmark.LOGGED, 4), long=5, rounds=1
        )


def test_the_page_shows_the_rows_and_whether_the_promise_is_kept(record, tmp_path):
    (tmp_path / "results").mkdir()
    file = tmp_path / replays.RECORD
    assert "Not measured yet" in replays.replay(tmp_path)
    for ratio, words in ((0.3, "sweeps, kept."), (0.5, "**missed by 25 %**")):
        rows = [row | {"ratio": ratio} for row in record["rows"]]
        file.write_text(json.dumps(record | {"rows": rows}))
        text = replays.replay(tmp_path)
        assert words in text and all(f"| {kind} |" in text for kind in benchmark.KINDS)
