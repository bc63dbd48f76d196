"""A benchmark's record: a quick run, which measures nothing, leaves the committed one alone."""

import argparse
import json

import pytest
import records

pytestmark = pytest.mark.repo


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The files that a benchmark writes, by the words of its command line."""
    monkeypatch.setattr(records, "RESULTS", tmp_path)

    def write(*words):
        parser = argparse.ArgumentParser()
        records.add_options(parser, quick="one round")
        records.write({"seconds": 2}, parser.parse_args(words), "step")
        return {file.name: json.loads(file.read_text()) for file in tmp_path.iterdir()}

    return write


def test_a_quick_run_writes_no_record(written):
    assert written("--quick") == {}


def test_a_whole_run_writes_the_committed_record(written):
    assert written() == {"step.json": {"seconds": 2}}


def test_a_file_that_is_named_is_written_by_a_quick_run_too(written, tmp_path):
    assert written("--quick", "--json", str(tmp_path / "mine.json")) == {"mine.json": {"seconds": 2}}
