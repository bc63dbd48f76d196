"""`make lab` opens the notebooks in a JupyterLab that asks the network for nothing."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.repo
ROOT = Path(__file__).resolve().parents[2]
NOTIFICATION = "@jupyterlab/apputils-extension:notification"


def test_jupyterlab_asks_neither_for_news_nor_for_updates(monkeypatch, tmp_path):
    settings = pytest.importorskip("jupyterlab_server.settings_utils", reason="`make lab` needs the extra `lab`")
    assert "JUPYTER_CONFIG_PATH=$(CURDIR)/notebooks/lab " in (ROOT / "Makefile").read_text()
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(ROOT / "notebooks/lab"))
    overrides, error = settings._get_overrides(str(tmp_path))
    assert error == "" and overrides[NOTIFICATION] == {"checkForUpdates": False, "fetchNews": "false"}
