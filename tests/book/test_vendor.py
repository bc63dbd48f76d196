"""Files of other projects are those that vendor.toml names, or an error says what to do; nothing is fetched here."""

import hashlib
import re

import pytest
import vendor

pytestmark = pytest.mark.repo

NAMED = hashlib.sha256(b"whole").hexdigest()


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Where the one file of a package of our own is kept."""
    monkeypatch.setattr(vendor, "VENDORED", tmp_path / "vendor")
    monkeypatch.setattr(vendor, "PACKAGES", {"letters": {"version": "1.2.3", "files": [["a.js", "letters", NAMED]]}})
    monkeypatch.setattr(vendor.subprocess, "run", lambda *_, **__: pytest.fail("a test must not fetch"))
    return tmp_path / "vendor" / "letters" / "a.js"


def test_a_file_that_is_whole_is_copied_to_its_folder(kept, tmp_path):
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"whole")
    vendor.copy_vendored("letters", tmp_path / "site")
    assert (tmp_path / "site" / "letters" / "a.js").read_bytes() == b"whole"
    vendor.main()  # and nothing is left to fetch


def test_a_file_that_is_missing_is_named_with_the_command_that_brings_it(kept):
    place = re.escape(str(kept.parent))
    with pytest.raises(vendor.MissingError, match=rf"`a.js`.*`letters` must lie in {place}.*missing: run `python"):
        vendor.vendored("letters", "a.js")


def test_a_file_that_is_another_is_named_with_both_checksums(kept):
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"torn")
    torn = hashlib.sha256(b"torn").hexdigest()
    with pytest.raises(vendor.MissingError, match=rf"must have the SHA-256 {NAMED}, and .*a.js has {torn}: run"):
        vendor.vendored("letters", "a.js")


def test_a_fetched_file_that_is_another_is_not_kept_and_the_remedy_is_no_second_fetch(kept, tmp_path):
    (tmp_path / "a.js").write_bytes(b"other")
    with pytest.raises(
        vendor.MissingError, match=r"`letters` 1.2.3 must have .*the registry sent .*: compare"
    ) as error:
        vendor.keep("letters", "1.2.3", "a.js", tmp_path / "a.js", NAMED)
    assert "run `" not in str(error.value)
    assert not kept.exists()
    (tmp_path / "a.js").write_bytes(b"whole")
    vendor.keep("letters", "1.2.3", "a.js", tmp_path / "a.js", NAMED)
    assert vendor.vendored("letters", "a.js") == kept


def test_without_npm_the_error_says_what_to_install_and_what_works_without(monkeypatch):
    monkeypatch.setattr(vendor.shutil, "which", lambda program: None)
    with pytest.raises(vendor.MissingError, match=r"`npm` must be on `PATH`.*`letters`.*install Node.js.*make pdf"):
        vendor.main()
