"""The quiet line below the title of a notebook's page: its minutes, what can be downloaded, and where it can be run."""

import re
from typing import Any
from urllib.parse import quote

import lecture_pages
from folders import ROOT

FILES = "files"  # beside the pages of an edition: what can be downloaded, as the repository has it
WORDS = {
    "en": {
        "minutes": "{} minutes",
        "notebook": "Download the notebook",
        "student": "Download the copy without solutions",
        "slides": "Lecture",
        "source": "Source",
        "other": "中文",
        "colab": "Open in Colab",
        "binder": "Open on Binder",
    },
    "zh-Hans": {
        "minutes": "{} 分钟",
        "notebook": "下载笔记本",
        "student": "下载不含解答的副本",
        "slides": "讲义（英文）",
        "source": "源文件",
        "other": "English",
        "colab": "在 Colab 中打开",
        "binder": "在 Binder 中打开",
    },
}
_MINUTES = re.compile(r"(\d+)\s+(?:minutes|分钟)")


def page_links(notebook: Any, path: str, language: str, repository: str, branch: str) -> str:
    """The quiet line below a title: minutes, downloads, the other language, and launch links where there is an address.

    Args: path: of the notebook in the repository; repository, branch: as `write_course_pages` takes them.
    """
    words = WORDS[language]
    name = path.rpartition("/")[2]
    minutes = _MINUTES.search(notebook.cells[0].source)
    parts = [words["minutes"].format(minutes[1])] if minutes else []
    for key, file in (("notebook", f"{FILES}/{name}"), ("student", f"{FILES}/student/{name}")):
        parts.append(f'<a href="{file}" download>{words[key]}</a>')
    stem = name.removesuffix(".ipynb")
    if stem in lecture_pages.lectures():
        address = "../" * path.count("/") + f"{lecture_pages.FOLDER}/{stem}.html"
        parts.append(f'<a href="{address}">{words["slides"]}</a>')
    other = {"en": "zh/", "zh-Hans": "../"}[language]
    if (ROOT / path).parent.joinpath(other, name).exists():
        tongue = "en" if language != "en" else "zh-Hans"
        parts.append(f'<a href="{other}{stem}.html" lang="{tongue}" hreflang="{tongue}">{words["other"]}</a>')
    for key, address in launch_addresses(path, repository, branch).items():
        parts.append(f'<a href="{address}">{words[key]}</a>')
    return f'<p class="mezo-page-links">{" · ".join(parts)}</p>'


def launch_addresses(path: str, repository: str, branch: str) -> dict[str, str]:
    """Where the students' copy of a notebook opens and runs, and where its source is read; none without an address.

    Colab opens what lies on GitHub alone.

    >>> sorted(launch_addresses("notebooks/03_the_dispute.ipynb", "https://github.com/o/r", "main"))
    ['binder', 'colab', 'source']
    >>> launch_addresses("notebooks/03_the_dispute.ipynb", "", "main")
    {}
    """
    if not repository:
        return {}
    folder, _, name = path.rpartition("/")
    student = quote(f"{folder}/student/{name}")
    addresses = {"source": f"{repository}/blob/{branch}/{quote(path)}"}
    if repository.startswith("https://github.com/"):
        project = repository.removeprefix("https://github.com/").strip("/")
        addresses["colab"] = f"https://colab.research.google.com/github/{project}/blob/{branch}/{student}"
        place = f"gh/{project}"
    else:
        place = f"git/{quote(repository, safe='')}"
    addresses["binder"] = f"https://mybinder.org/v2/{place}/{branch}?labpath={quote(student, safe='')}"
    return addresses
