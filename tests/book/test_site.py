"""The made book is small enough to hand out: its files are counted as they lie in the folder."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.repo

MOST = 40.0  # megabytes of the site without the prover, and of the prover


def megabytes(files: list[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6


@pytest.mark.parametrize("of_prover", [False, True], ids=["pages", "prover"])
def test_the_site_and_its_prover_are_each_below_40_mb(site: Path, of_prover: bool):
    prover = site / "_static" / "prover"
    files = [file for file in site.rglob("*") if file.is_file() and file.is_relative_to(prover) == of_prover]
    size = megabytes(files)
    largest = [file.relative_to(site).as_posix() for file in sorted(files, key=lambda file: -file.stat().st_size)[:5]]
    assert files
    assert size < MOST, f"{len(files)} files have {size:.1f} MB, and {MOST:g} are allowed; the largest: {largest}"
