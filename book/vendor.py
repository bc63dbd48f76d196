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

ROOT = Path(__file__).resolve().parents[1]
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
            f"{file} of the npm package {package} is missing: run `python book/vendor.py`, which needs npm."
        )
    found = hashlib.sha256(kept.read_bytes()).hexdigest()
    if found != checksum:
        raise MissingError(
            f"{file} of the npm package {package} must have the SHA-256 {checksum}, and has {found}: "
            f"delete {kept} and run `python book/vendor.py`."
        )
    return kept


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
        raise MissingError("npm is not installed: install Node.js, or build without the book.")
    version = PACKAGES[package]["version"]
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"{package}@{version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        for file, _, _ in PACKAGES[package]["files"]:
            kept = VENDORED / package / file
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(folder) / "package" / file, kept)
            vendored(package, file)


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
