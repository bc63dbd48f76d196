"""The API reference: every public name has an entry, every reference a target, every argument of `MeZO` its words."""

import argparse
import ast
import dataclasses
import inspect
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from api_links import Reference
from api_names import public_entries, said_of_value
from api_pages import write_api
from bs4 import BeautifulSoup

import mezo_lab
from mezo_lab.cli import parser
from mezo_lab.finetune import RunConfig

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """The sources of the reference; one claim has a page."""
    staged = tmp_path_factory.mktemp("api")
    (staged / "claims").mkdir()
    (staged / "claims" / "E14.md").write_text("# E14\n")
    write_api(staged)
    return staged / "api"


def inventory(site: Path) -> dict[str, str]:
    """Every name of the Python domain in objects.inv → its address, as intersphinx of another project reads it."""
    data = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(data).decode().splitlines()
    parts = [re.fullmatch(r"(.+?) py:(\w+) (-?\d+) (\S+) (.*)", line) for line in lines]
    return {match[1]: match[4].replace("$", match[1]) for match in parts if match}


def snapshot_names() -> set[str]:
    """Every name of tests/api.txt in full, those of members too."""
    names: set[str] = set()
    module = name = ""
    for line in (ROOT / "tests" / "api.txt").read_text(encoding="utf-8").splitlines():
        bare = re.sub(r"^(\s*)(?:@\S+ |class |def |module )*", r"\1", line)
        found = re.match(r"# (?P<module>\S+)$|(?P<indent> *)(?P<name>\w+)", bare)
        if found is None:
            continue
        if found["module"]:
            module = found["module"]
            names.add(module)
        elif found["indent"]:
            names.add(f"{module}.{name}.{found['name']}")
        else:
            name = found["name"]
            names.add(f"{module}.{name}")
    return names


def test_the_snapshot_is_read_whole():
    names = snapshot_names()
    assert {"mezo_lab.MeZO", "mezo_lab.MeZO.step", "mezo_lab.optim.MeZO", "mezo_lab.report.figures.style"} <= names
    assert "mezo_lab.optim.Adam.beta1" in names
    assert len(names) > 1500


def test_every_public_name_can_be_linked_from_another_project(site):
    found = inventory(site)
    assert sorted(snapshot_names() - found.keys()) == []
    for name in snapshot_names():
        page, _, anchor = found[name].partition("#")
        assert f'id="{anchor}"' in page_text(site / page), name


def test_a_name_without_an_entry_would_be_seen(site):
    assert "mezo_lab.optim.MeZO.stride" not in inventory(site)


_READ: dict[Path, str] = {}


def page_text(file: Path) -> str:
    if file not in _READ:
        _READ[file] = file.read_text(encoding="utf-8")
    return _READ[file]


def unlinked(html: str) -> list[str]:
    """The references that found no target: Sphinx leaves their text without a link."""
    soup = BeautifulSoup(html, "html.parser")
    return [code.get_text() for code in soup.select("code.xref") if code.find_parent("a") is None]


def test_every_reference_of_the_pages_has_a_target(site):
    pages = sorted(site.glob("api/*.html"))
    assert len(pages) > 15
    assert {page.name: unlinked(page_text(page)) for page in pages} == {page.name: [] for page in pages}


def test_a_reference_without_a_target_would_be_seen():
    assert unlinked('<p><code class="xref py py-obj">lost</code></p><a><code class="xref">found</code></a>') == ["lost"]


def test_a_name_is_documented_once(site):
    shown = [
        each
        for page in site.glob("api/*.html")
        for each in re.findall(r'<dt class="sig[^>]*id="([^"]+)"', page_text(page))
    ]
    assert len(shown) == len(set(shown)) > 1000


def test_claims_are_linked_from_what_rests_on_them(site):
    assert 'href="../claims/E14.html"' in page_text(site / "api" / "theory.html")


@pytest.mark.parametrize("words", ["Alias for field number", "Performs a single optimization step", "Initialize self"])
def test_nothing_is_repeated_that_others_wrote(pages, words):
    assert not [page.name for page in pages.glob("*.rst") if words in page.read_text(encoding="utf-8")]


def test_every_argument_of_the_optimizer_has_its_type_default_and_meaning(pages):
    text = (pages / "optim.rst").read_text(encoding="utf-8")
    for name, parameter in inspect.signature(mezo_lab.MeZO).parameters.items():
        found = re.search(rf"^ +``{name}`` : ``(.*)``\n +(.*)$", text, re.MULTILINE)
        assert found, name
        assert len(found[2]) > 20
        if parameter.default is not parameter.empty:
            assert found[1].endswith(f" = {parameter.default!r}")


@pytest.mark.parametrize("name", ["lr", "epsilon", "weight_decay", "clip"])
def test_arguments_with_a_dimension_have_a_unit(pages, name):
    text = (pages / "optim.rst").read_text(encoding="utf-8")
    assert re.search(rf"^ +``{name}`` : .*\n.*in units of", text, re.MULTILINE)


def test_every_field_of_a_run_has_its_words(pages):
    text = (pages / "finetune.rst").read_text(encoding="utf-8")
    run = text[text.index(".. py:class:: RunConfig") :]
    for field in dataclasses.fields(RunConfig):
        assert re.search(rf"   \.\. py:attribute:: {field.name}\n(?:      :.*\n)+\n +\S", run), field.name


def test_signatures_show_what_the_source_has(pages):
    text = (pages / "sampling.rst").read_text(encoding="utf-8")
    assert ".. py:function:: sample(draws: mezo_lab.sampling.Draws, count: int, *, numbers_per_draw: int" in text
    assert "object at 0x" not in text
    assert "<factory>" not in text


def test_fields_without_words_are_left_to_the_signature():
    reference = Reference()
    assert reference.links["mezo_lab.sampling.Estimate.mean"] == "mezo_lab.sampling.Estimate"
    assert reference.links["mezo_lab.claims.Claim.id"] == "mezo_lab.claims.Claim.id"


def test_a_name_is_documented_where_it_is_defined():
    paths = {entry.path for entry in public_entries()}
    assert {"mezo_lab.optim.MeZO", "mezo_lab.finetune.tasks.TASKS", "mezo_lab.claims.controls.flip_bit"} <= paths
    assert not paths & {"mezo_lab.MeZO", "mezo_lab.finetune.tasks.registry.TASKS", "mezo_lab.optim.replay"}


def test_public_constants_and_types_say_what_they_are():
    said = {e.path: said_of_value(e) for e in public_entries() if isinstance(e.node, ast.Assign | ast.AnnAssign)}
    assert len(said) > 30
    assert [path for path, text in said.items() if not re.fullmatch(r"\S.{10,}[.]", text, re.DOTALL)] == []


CONF = "extensions = ['sphinx_names']\nnitpicky = True\n"
PAGE = "T\n=\n\n.. py:function:: mezo_lab.f(a: mezo_lab.{name}, b: Tensor)\n\n.. py:class:: mezo_lab.C\n"


@pytest.mark.parametrize(("name", "code"), [("C", 0), ("Lost", 1)])
def test_a_public_type_without_an_entry_fails_the_book(tmp_path, name, code):
    (tmp_path / "conf.py").write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'book')!r})\n{CONF}")
    (tmp_path / "index.rst").write_text(PAGE.format(name=name))
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "dummy", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("mezo_lab.Lost" in done.stderr) == bool(code)


def test_the_page_of_commands_has_every_option():
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    sections = {part.split("\n")[0].strip(): part for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}
    (commands,) = [each for each in parser(None)._actions if isinstance(each, argparse._SubParsersAction)]
    assert sections.keys() == commands.choices.keys()
    for name, command in commands.choices.items():
        options = {option for action in command._actions for option in action.option_strings} - {
            "-h",
            "--help",
            "--debug",
        }
        assert not [option for option in options if f"`{option}" not in sections[name]]
