"""The Chinese edition: prose alone. Code, tags, figures and printed output are those of the English notebook.

    python notebooks/translation.py [NAME ...]

brings zh/NAME.md up to date with its source, for a translator to go on from: the cells in the order of the source, each
below the hash of its English text, and the English text itself where a cell has no translation. `make notebooks` then
makes zh/NAME.ipynb and zh/student/NAME.ipynb of the English ones. A cell whose English text has changed is shown in
English, and the notebook says so at its head: an old translation never stands beside new code.
"""

import argparse
import copy
import hashlib
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jupytext

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "src"
EDITION = HERE / "zh"
LICENCE = (
    "**许可。** 文字与图片：[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)。"
    "代码：[MIT](https://opensource.org/license/mit)。"
)
BANNER = "> **注意。** 英文原文已更新，以下译文尚未跟上：本笔记本有 {count} 个单元格暂以英文显示。"
_MARK = re.compile(r"^<!-- ([0-9a-f]{12}) -->\n", re.MULTILINE)


class TranslationError(ValueError):
    """A translation that is not of its source; the message names the file and the cell."""


def translated_names() -> list[str]:
    """The notebooks that have a translation, in the order of the course."""
    return [path.stem for path in sorted(EDITION.glob("[0-9]*.md"))]


def key(text: str) -> str:
    """The hash of a cell's English text, by which its translation is found.

    >>> key("# A title")
    'eceff864eeed'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_translations(path: Path) -> dict[str, str]:
    """Chinese text by the hash of the English text.

    Raises: TranslationError where the text does not begin with a hash, or has one twice.
    """
    before, *parts = _MARK.split(path.read_text(encoding="utf-8"))
    if before.strip():
        raise TranslationError(f"{path.name} must begin with the hash of a cell; got {before.strip()[:40]!r}.")
    hashes = parts[::2]
    twice = [found for found, count in Counter(hashes).items() if count > 1]
    if twice:
        raise TranslationError(f"{path.name} must have each cell once; {twice[0]} stands there twice.")
    return dict(zip(hashes, (text.strip() for text in parts[1::2]), strict=True))


def is_translated(english: str, translations: dict[str, str]) -> bool:
    """Whether a cell of text has a translation of what it says now."""
    return translations.get(key(english), english) != english


def translated(notebook: Any, translations: dict[str, str], *, licence: str) -> Any:
    """A copy whose cells of text are Chinese, or English below a banner where a cell has no translation.

    Args:
        notebook: the English one, executed or a student's.
        translations: Chinese text by the hash of the English text.
        licence: the English licence, which the last cell of text may end with.
    """
    edition = copy.deepcopy(notebook)
    texts = [cell for cell in edition.cells if cell.cell_type == "markdown"]
    english = 0
    for cell in texts:
        text = cell.source.removesuffix(f"\n\n{licence}")
        ending = f"\n\n{LICENCE}" if text != cell.source else ""
        if is_translated(text, translations):
            cell.source = linked(unbroken(translations[key(text)])) + ending
        else:
            english += 1
            cell.source = linked(text) + ending
    if english:
        texts[0].source += f"\n\n{BANNER.format(count=english)}"
    return edition


def linked(text: str, *, beside: str = "$^") -> str:
    """Text whose relative links to files are those of the folder below, one level up.

    Args: beside: a pattern of the files that lie in the folder below too.

    >>> linked("[terms](GLOSSARY.md), [above](#above), [claims](../docs/claims.md#b2), [f](https://a.b)")
    '[terms](../GLOSSARY.md), [above](#above), [claims](../../docs/claims.md#b2), [f](https://a.b)'
    >>> linked("[next](02_laws_of_z.ipynb)", beside=r"\\w+\\.ipynb\\b")
    '[next](02_laws_of_z.ipynb)'
    """
    return re.sub(rf"(\[[^]]*\]\()(?!{beside})(?=[^)#:\s]+\.\w+[)#])", r"\1../", text)


def unbroken(text: str) -> str:
    """Chinese without the line breaks inside its sentences, each of which a page would show as a blank.

    >>> unbroken("# 一\\n\\n二三\\n四\\n- 五\\n  $x$。\\n`y`")
    '# 一\\n\\n二三四\\n- 五\\n  $x$。`y`'
    """
    mark = "[\\u3001\\u3002\\uff00-\\uffef]"  # each has its own blank
    letter = "[\\u3000-\\u303f\\u4e00-\\u9fff\\uff00-\\uffef]"
    text = re.sub(rf"(?<={mark})\n *(?=[A-Za-z]|\$(?!\$)|`(?!``))", "", text)
    return re.sub(rf"(?<={letter})\n *(?={letter})", "", text)


def brought_up_to_date(texts: list[str], translations: dict[str, str]) -> str:
    """The file of a translation with the cells of the source as they are now."""
    cells = [f"<!-- {key(text)} -->\n{translations.get(key(text), text)}\n" for text in dict.fromkeys(texts)]
    return "\n".join(cells)


def texts(name: str) -> list[str]:
    """The cells of text of a source."""
    source = jupytext.read(SOURCES / f"{name}.py", fmt="py:percent")
    return [cell.source for cell in source.cells if cell.cell_type == "markdown"]


def behind(name: str) -> str:
    """How many cells of a notebook are shown in English, in a sentence; nothing where none is."""
    translations = read_translations(EDITION / f"{name}.md")
    english = sum(not is_translated(text, translations) for text in texts(name))
    return f"zh/{name}: {english} of {len(texts(name))} cells of text are in English" if english else ""


def main(arguments: list[str] | None = None) -> None:
    sources = [path.stem for path in sorted(SOURCES.glob("[0-9]*.py"))]
    numbers = {name.partition("_")[0]: name for name in sources}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="or number; none: all that have a translation")
    chosen = [numbers.get(name, name) for name in parser.parse_args(arguments).names] or translated_names()
    if unknown := sorted(set(chosen) - set(sources)):
        parser.error(f"NAME must be one of {', '.join(sources)}, or its number; got {unknown[0]}")
    for name in chosen:
        path = EDITION / f"{name}.md"
        translations = read_translations(path) if path.exists() else {}
        path.parent.mkdir(exist_ok=True)
        path.write_text(brought_up_to_date(texts(name), translations), encoding="utf-8")
        print(behind(name) or f"zh/{name} is whole", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except TranslationError as error:
        sys.exit(str(error))
