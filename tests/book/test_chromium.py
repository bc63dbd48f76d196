"""The browser of the tests and of the printed book leaves nothing open."""

import pytest
from chromium import CHROMIUM, Chromium

pytestmark = [pytest.mark.repo, pytest.mark.browser]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install the package chromium")
def test_a_page_that_was_not_closed_ends_with_its_browser() -> None:
    """Else a test that fails before it closes its page fails a later one too, when Python tidies up."""
    with Chromium() as running:
        left, closed = running.open(), running.open()
        closed.close()
        assert left.evaluate("1 + 1") == 2
    assert left._socket.sock is None
    assert closed._socket.sock is None
