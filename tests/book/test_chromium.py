"""A browser that is missing or does not start is said, with what to do."""

import chromium
import pytest

pytestmark = pytest.mark.repo


def test_a_missing_browser_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(chromium, "CHROMIUM", None)
    with pytest.raises(chromium.ChromiumError, match=r"one of chromium, .*none is on `PATH`: install the package"):
        chromium.Chromium()


def test_a_browser_that_ends_at_once_is_told_from_one_that_is_slow(tmp_path, monkeypatch):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(chromium, "CHROMIUM", str(program))
    with pytest.raises(chromium.ChromiumError, match=r"within 60 s, and it ended with status 3: run `.*--headless"):
        chromium.Chromium().__enter__()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(chromium, "STARTING", 0.1)
    with pytest.raises(chromium.ChromiumError, match=r"within 0.1 s, and it was still starting: run"):
        chromium.Chromium().__enter__()
