"""Readers of CSV, JSON and Parquet files.

They are written by hand, where `datasets.load_dataset` would read all three, because each fault of a file is reported
with its line or row, nothing is dropped silently (a column that stands twice, a line with too many cells), the values
of a CSV file stay text, and no copy of the data stays in a cache.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mezo_lab.environment.installation import DataNotInstalled, require

Row = Mapping[str, Any]
"""An example: column → value."""


def read_csv(path: Path, delimiter: str = ",") -> list[Row]:
    """The lines below the header, which names the columns; the file may begin with Excel's byte-order mark."""
    with path.open(newline="", encoding="utf-8-sig") as file, _unlimited_cells():
        table = csv.DictReader(file, delimiter=delimiter, strict=True)
        rows: list[Row] = []
        last_line = 0
        try:
            _check_unique(filter(None, table.fieldnames or ()), "column")  # Excel leaves columns without a name
            last_line = table.line_num
            for row in table:
                _check_cells(row, table.line_num)
                rows.append(row)
                last_line = table.line_num
        except csv.Error as error:
            raise ValueError(f"the row that begins in line {last_line + 1}: {error}") from error
        return rows


@contextmanager
def _unlimited_cells() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters in one cell, which JSON does not have."""
    limit = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a C long, of 32 bits on Windows
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _check_unique(names: Iterable[str], kind: str) -> None:
    """Raises: ValueError for a name that stands twice: a reader would silently drop one of its values."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"the {kind} {repeated[0]!r} stands twice: rename or remove one")


def _check_cells(row: dict[Any, Any], line: int) -> None:
    # DictReader files surplus cells under the column None, and gives None to columns without a cell
    if None in row.values():
        difference = "fewer"
    elif None in row:
        difference = "more"
    else:
        return
    raise ValueError(f"line {line} has {difference} cells than the header: put texts that hold the separator in quotes")


def read_json(path: Path) -> list[Row]:
    """A list of objects, or one object per line: files called .json hold either."""
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("["):
        rows = _parse(text)
    else:
        rows = _single_object(text) or list(_objects_by_line(text))
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is {row!r:.80}, where an object like {{'text': …, 'label': …}} must stand")
    return rows


def _parse(text: str) -> Any:
    """The value of a JSON text. Raises: ValueError, also where a key stands twice or the nesting is too deep."""
    try:
        return json.loads(text, object_pairs_hook=_unique_pairs)
    except RecursionError:
        raise ValueError("it is nested too deeply: a row is one object of columns") from None


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_unique([name for name, _ in pairs], "key")
    return dict(pairs)


def _single_object(text: str) -> list[Any]:
    """The row of a file that is one object over several lines. Raises: ValueError where rows lie inside it."""
    try:
        value = _parse(text)
    except json.JSONDecodeError:  # there may be an object in every line
        return []
    if not isinstance(value, dict):
        return []
    tables = [name for name, cell in value.items() if isinstance(cell, list) and cell and isinstance(cell[0], dict)]
    if tables and "\n" in text.strip():
        raise ValueError(f"it is one object, whose rows lie in {tables[0]!r}: a file must be that list alone")
    return [value]


def _objects_by_line(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: JSON may hold U+2028 as it is
        if not line.strip():
            continue
        try:
            yield _parse(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number}: {error.msg}") from None
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def read_parquet(path: Path) -> list[Row]:
    """The rows of a Parquet file, with its types. Raises: DataNotInstalled without pyarrow."""
    require(("pyarrow",), DataNotInstalled)
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        names = table.column_names
        rows = table.to_pylist()
    except OSError:
        raise
    except Exception as error:  # pyarrow has some that are no ValueError, such as for a type that it does not read
        raise ValueError(str(error)) from error
    _check_unique(names, "column")
    return rows


READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
    ".json": read_json,
    ".jsonl": read_json,
    ".parquet": read_parquet,
}
