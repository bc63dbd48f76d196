"""The Chinese edition: the code of the English notebooks, and prose that keeps the formulas, code and links."""

import re
from collections import Counter
from typing import Any

import build
import nbformat
import pytest
import translation
from translation import TranslationError, brought_up_to_date, is_translated, key, read_translations, translated

every = pytest.mark.parametrize("name", translation.translated_names())
LICENCE = "**Licence.** free"


def kept(text: str) -> dict[str, Any]:
    """What a translation may not change: formulas of more than a symbol, code, links, headings' levels, folds."""
    formulas = re.findall(r"\$\$.*?\$\$|\$[^$]*\$", text, re.DOTALL)
    plain = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "", text, flags=re.DOTALL)
    return {
        "formulas": {
            re.sub(r"\s+|\\text\{[^}]*\}|[.,;。,;]", "", formula)
            for formula in formulas
            if not re.fullmatch(r"\$\\?\w+\$", formula)
        },
        "code": set(re.findall(r"`[^`\n]+`", plain)),
        "links": Counter(re.findall(r"\]\(([^)]*)\)", plain)),
        "headings": Counter(re.findall(r"^#+(?= )", plain, re.MULTILINE)),
        "folds": Counter(re.findall(r"</?details>|</?summary>", plain)),
    }


@every
def test_a_translation_is_of_its_source_alone_and_of_most_of_it(name):
    """Who edits the English text need not know Chinese: `make notebooks` says how many cells are behind."""
    texts = translation.texts(name)
    translations = read_translations(translation.EDITION / f"{name}.md")
    assert set(translations) <= {key(text) for text in texts}, f"run python notebooks/translation.py {name}"
    assert sum(is_translated(text, translations) for text in texts) > len(texts) / 2


@every
def test_a_translation_keeps_formulas_code_links_headings_and_folds(name):
    translations = read_translations(translation.EDITION / f"{name}.md")
    for text in translation.texts(name):
        if is_translated(text, translations):
            assert kept(translations[key(text)]) == kept(text), text[:80]


@pytest.mark.repo
@every
@pytest.mark.parametrize("folder", ["", "student"])
def test_the_built_edition_has_the_english_code_and_outputs_byte_for_byte(name, folder):
    english = nbformat.read(build.HERE / folder / f"{name}.ipynb", as_version=4)
    chinese = nbformat.read(translation.EDITION / folder / f"{name}.ipynb", as_version=4)
    assert [cell for cell in chinese.cells if cell.cell_type == "code"] == [
        cell for cell in english.cells if cell.cell_type == "code"
    ]
    assert [(cell.id, cell.metadata) for cell in chinese.cells] == [(cell.id, cell.metadata) for cell in english.cells]
    whole = nbformat.read(build.HERE / f"{name}.ipynb", as_version=4)
    expected = translated(whole, read_translations(translation.EDITION / f"{name}.md"), licence=build.LICENCE)
    assert chinese == (build.for_students(expected) if folder else expected), "run make notebooks"


@every
def test_a_students_copy_is_as_chinese_as_the_notebook_and_its_links_lead_two_levels_up(name):
    source = build.read(name)
    translations = read_translations(translation.EDITION / f"{name}.md")
    chinese = translated(source, translations, licence=build.LICENCE)
    copy = build.for_students(chinese, name)
    solved = [cell for cell in source.cells if "solution" in cell.metadata.get("tags", ())]
    assert len(copy.cells) == len(chinese.cells) - len(solved)
    found = re.findall(r"\]\(([^)#:\s]+\.\w+)(?:#[^)\s]*)?\)", "\n".join(cell.source for cell in copy.cells))
    assert [link for link in found if not (translation.EDITION / "student" / link).resolve().exists()] == []


def half_width(text: str) -> list[str]:
    """Marks of English print beside a Chinese letter; formulas, code and links may have them."""
    words = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|```.*?```|\]\([^)]*\)|<[^>]*>", "", text, flags=re.DOTALL)
    return re.findall(r"[\u4e00-\u9fff][*]{0,2}[,;:?!()]|[,;:?!)][*]{0,2}[\u4e00-\u9fff]", words)


PAGES = [*sorted(translation.EDITION.glob("*.md")), build.HERE.parent / "README.zh.md"]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_chinese_has_the_marks_of_chinese_print(page):
    assert half_width(page.read_text(encoding="utf-8")) == []


def test_a_mark_of_english_print_is_seen():
    assert half_width("甲,乙。*丙*:丁(戊)") == ["甲,", "丙*:", "丁(", "戊)"]
    assert half_width("甲\uff0c`乙,`$丙,$ Spall, 1992") == []


def notebook(*texts: str):
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(text, id=f"c{n}") for n, text in enumerate(texts)]
    )


def test_a_cell_whose_english_text_has_changed_is_shown_in_english_below_a_banner():
    translations = {key("# Title"): "# 标题", key("old words"): "旧文字"}
    made = translated(notebook("# Title", f"new words\n\n{LICENCE}"), translations, licence=LICENCE)
    assert made.cells[0].source == f"# 标题\n\n{translation.BANNER.format(count=1)}"
    assert made.cells[1].source == f"new words\n\n{translation.LICENCE}"
    assert "旧文字" not in str(made)


def test_a_whole_translation_has_no_banner_and_its_links_lead_out_of_the_folder():
    made = translated(
        notebook("see [it](GLOSSARY.md)"), {key("see [it](GLOSSARY.md)"): "见[此](GLOSSARY.md)"}, licence=LICENCE
    )
    assert made.cells[0].source == "见[此](../GLOSSARY.md)"


def test_bringing_up_to_date_keeps_what_is_translated_drops_what_is_gone_and_adds_the_english(tmp_path):
    path = tmp_path / "01.md"
    path.write_text(brought_up_to_date(["a", "c"], {key("a"): "甲", key("b"): "乙"}), encoding="utf-8")
    assert read_translations(path) == {key("a"): "甲", key("c"): "c"}


def test_a_name_is_that_of_a_source_or_its_number_and_another_one_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(translation, "EDITION", tmp_path)
    translation.main(["00"])
    (page,) = tmp_path.iterdir()
    assert page.name == "00_how_to_read_this_course.md" and read_translations(page)
    with pytest.raises(SystemExit):
        translation.main(["99"])
    assert "NAME must be one of 00_how_to_read_this_course, 01_" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words\n", "01.md must begin with the hash of a cell; got 'words'"),
        ("<!-- 0123456789ab -->\n甲\n\n<!-- 0123456789ab -->\n乙\n", "must have each cell once; 0123456789ab stands"),
    ],
)
def test_a_file_that_is_no_translation_is_refused(text, message, tmp_path):
    (tmp_path / "01.md").write_text(text, encoding="utf-8")
    with pytest.raises(TranslationError, match=message):
        read_translations(tmp_path / "01.md")


@pytest.mark.parametrize(
    ("chinese", "lost"),
    [("$a + c$ 与 `f`", "formulas"), ("$a + b$ 与 f", "code"), ("## $a + b$ 与 `f`", "headings")],
)
def test_a_translation_that_changes_a_formula_a_name_or_a_heading_is_caught(chinese, lost):
    before = kept("$a + b$ and `f`")
    after = kept(chinese)
    assert [name for name in before if before[name] != after[name]] == [lost]
