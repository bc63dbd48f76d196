"""Files of other projects that the book carries: `make setup` brings them once, and no build needs a network.

    python book/vendor.py

vendor.toml names each package of the npm registry, its version, and its files with their checksums. They are kept in
.venv/vendor, outside the repository.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from folders import ROOT

VENDORED = ROOT / ".venv" / "vendor"
PACKAGES: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "book" / "vendor.toml").read_text(encoding="utf-8"))


class MissingError(FileNotFoundError):
    """A file of another project that is not there, or is another than the one named."""


def vendored(package: str, file: str) -> Path:
    """Where a vendored file lies. Raises: MissingError where it is missing, or its checksum is another.

    Args: package: its name in vendor.toml; file: its path in the package.
    """
    (checksum,) = (each for path, _, each in PACKAGES[package]["files"] if path == file)
    kept = VENDORED / package / file
    if not kept.is_file():
        raise MissingError(
            f"`{file}` of the npm package `{package}` must lie in {kept.parent}, and it is missing: "
            "run `python book/vendor.py`, which needs npm."
        )
    actual = _checksum(kept)
    if actual != checksum:
        raise MissingError(
            f"`{file}` of the npm package `{package}` must have the SHA-256 {checksum}, and {kept} has {actual}: "
            "run `python book/vendor.py`, which fetches it again."
        )
    return kept


def _checksum(file: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def copy_vendored(package: str, site: Path) -> None:
    """Copy the files of a package to their folders of the site."""
    for file, folder, _ in PACKAGES[package]["files"]:
        target = site / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(vendored(package, file), target)


def fetch(package: str) -> None:
    """Fetch a package from the npm registry and keep its files that the book needs."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError(
            f"`npm` must be on `PATH` to fetch the package `{package}`, and it is not: install Node.js, which has it. "
            "Only `make site` and `make pdf` need the package."
        )
    version = PACKAGES[package]["version"]
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"{package}@{version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        for file, _, checksum in PACKAGES[package]["files"]:
            unpacked = Path(folder) / "package" / file
            keep(package, version, file, unpacked, checksum)


def keep(package: str, version: str, file: str, unpacked: Path, checksum: str) -> None:
    """Keep a fetched file. Raises: MissingError where it is another than vendor.toml names, and then it is not kept."""
    actual = _checksum(unpacked)
    if actual != checksum:
        raise MissingError(
            f"`{file}` of the npm package `{package}` {version} must have the SHA-256 {checksum}, and the registry "
            f"sent {actual}: compare its version and checksum in book/vendor.toml with what the package publishes."
        )
    kept = VENDORED / package / file
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(unpacked, kept)


def main() -> None:
    """Fetch what is missing."""
    for package, described in PACKAGES.items():
        try:
            for file, _, _ in described["files"]:
                vendored(package, file)
        except MissingError:
            fetch(package)


if __name__ == "__main__":
    try:
        main()
    except (MissingError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
