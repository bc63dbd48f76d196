"""README.md and docs/ are true: their numbers are those of the records, their links lead somewhere, their code runs."""

import ast
import contextlib
import doctest
import io
import json
import re
import shlex
import tomllib
from pathlib import Path

import pages
import pytest
import yaml
from blocks import costs, finetuning, learning_rates, norm_factor, reference, summary, tables, verdicts

import mezo_lab
from mezo_lab.claims import REGISTRY
from mezo_lab.cli import main, parser

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[1]
FILES = ["README.md", "CONTRIBUTING.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/*.md")))]
FILES += [f"notebooks/{name}.md" for name in ("README", "GLOSSARY", "TEACHING")]
CHINESE = "README.zh.md"
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}
PYTHON = [
    (name, block) for name, text in TEXTS.items() for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
COMMANDS = sorted(
    {
        line.split("#")[0].strip().removeprefix("$ ").removeprefix(".venv/bin/")
        for text in TEXTS.values()
        for block in re.findall(r"```(?:sh|text)\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if re.match(r"(\$ )?(\.venv/bin/)?mezo-lab ", line)
    }
)
IDS = re.compile(r"\b[A-E](?:1[0-9]|[0-9])\b")


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_page_has_the_numbers_of_the_records_and_the_words_of_the_library(page):
    assert pages.rewritten(page, TEXTS[page]) == TEXTS[page], "run `make pages`"


def test_a_number_edited_by_hand_is_caught():
    edited = TEXTS["docs/results.md"].replace("CONSISTENT", "CERTAIN", 1)
    assert pages.rewritten("docs/results.md", edited) != edited


def test_a_missing_block_is_named():
    with pytest.raises(ValueError, match=r"docs/costs\.md must hold the block `<!-- sampling -->`"):
        pages.rewritten("docs/costs.md", TEXTS["docs/costs.md"].replace("<!-- sampling -->", ""))


def test_the_readme_is_short_and_in_its_order():
    text = TEXTS["README.md"]
    assert len(text.encode()) <= 8192
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == [
        *("Read", "Check", "Use", "Two commands", "Install", "What was found", "The house", "Cite", "Licence"),
    ]
    assert text.index("![") < text.index("## Read")


def anchors(text: str) -> set[str]:
    """The names by which a page's headings are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(name: str, text: str) -> list[str]:
    """The relative links of a page that lead nowhere."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(link)
    return dead


@pytest.mark.parametrize("name", [*FILES, CHINESE])
def test_every_relative_link_leads_somewhere(name):
    assert dead_links(name, (ROOT / name).read_text(encoding="utf-8")) == []


def test_the_chinese_readme_has_the_code_of_the_english_one():
    code = re.findall(r"```\w+\n.*?```", (ROOT / CHINESE).read_text(encoding="utf-8"), re.DOTALL)
    command = code.pop(0)
    assert len(code) == 2 and all(block in TEXTS["README.md"] for block in code)
    assert command.splitlines()[1] in TEXTS["README.md"]


@pytest.mark.parametrize("link", ["nowhere.md", "results.md#no-such-heading", "#nothing", "figures/none.svg"])
def test_a_dead_link_is_caught(link):
    assert dead_links("docs/README.md", f"[text]({link})") == [link]


def test_every_page_is_in_the_index():
    linked = set(re.findall(r"\]\((\w[\w-]*\.md)\)", TEXTS["docs/README.md"]))
    assert linked == {path.name for path in ROOT.glob("docs/*.md")} - {"README.md", "pypi.md"}


def output_of(block: str) -> str:
    """What a block of Python prints; claims that it adds are taken out of the registry again."""
    before, output = dict(REGISTRY), io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(block, {"__name__": "__main__"})
    finally:
        REGISTRY.clear()
        REGISTRY.update(before)
    return output.getvalue()


@pytest.mark.parametrize(("name", "block"), PYTHON, ids=[f"{name}-{n}" for n, (name, _) in enumerate(PYTHON)])
def test_its_python_runs_and_prints(name, block, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert output_of(block)


def test_the_example_of_a_claim_has_at_most_20_lines_and_holds():
    (block,) = [block for _, block in PYTHON if "@claim" in block]
    assert len(block.splitlines()) <= 20
    assert "CONSISTENT" in output_of(block)


def test_the_readme_uses_the_optimizer_in_eight_lines():
    (block,) = [block for name, block in PYTHON if name == "README.md"]
    assert len([line for line in block.splitlines() if line]) == 8


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_a_page_is_understood(command):
    parser().parse_args(shlex.split(command)[1:])


def test_the_command_that_is_refuted_prints_what_the_readme_shows(capsys):
    assert main(shlex.split(verdicts.REFUTED)[1:]) == 1
    shown = TEXTS["README.md"].split("<!-- refuted -->")[1].split("<!-- end refuted -->")[0]
    assert untimed(capsys.readouterr().out) in untimed(shown)


def untimed(text: str) -> str:
    """Without seconds, and without line breaks and columns, which depend on the terminal."""
    return " ".join(re.sub(r"[\d.,]+ s\b", "s", text).split())


def docstrings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]


def test_every_claim_that_a_docstring_names_is_on_the_page():
    listed = set(re.findall(r"^### ([A-E]\d+) ", TEXTS["docs/claims.md"], re.M))
    named = {
        (path.name, name)
        for path in (ROOT / "mezo_lab").rglob("*.py")
        for text in docstrings(path)
        for name in re.findall(r"\bclaims? ([A-E]\d+)\b", text) + re.findall(r"\(([A-E]\d+)\)", text)
    }
    assert named and {(file, name) for file, name in named if name not in listed} == set()
    assert {claim.id for claim in REGISTRY.values()} <= listed


def test_on_the_record_random_weights_fail_and_a_missing_prompt_does_not():
    """What docs/claims.md says of D4 and D5, with the table that it leads to."""
    rows = json.loads((ROOT / "results/finetune.json").read_text())["rows"]
    _, low, high = finetuning.only(rows, scratch=True)["gain"]
    assert low < 0 < high
    _, with_prompt, _ = finetuning.only(rows)["gain"]
    without, low, _ = finetuning.only(rows, prompt="rotten-tomatoes/no-prompt")["gain"]
    assert low > 0 and without > with_prompt
    assert {row["objective"] for row in rows} == {"loss", "accuracy"}  # no run with F1
    assert f"### {finetuning.ABLATIONS}\n\n| MeZO" in TEXTS["docs/finetuning.md"]


def test_the_findings_say_what_is_measured():
    cost, rates, accuracy = summary.cost(ROOT), summary.rates(ROOT), summary.accuracy(ROOT)
    rows = {row["method"]: row for row in json.loads((ROOT / "results/step_cost.json").read_text())["beds"][0]["rows"]}
    slowest = max(row["ratio"] for method, row in rows.items() if method.startswith("MeZO "))
    assert f"{slowest:.2f} times" in cost and "the default" in cost  # not the cheapest law alone
    assert "begin at a tenth" in rates and "begin at a tenth" in TEXTS["docs/recipes.md"]
    runs = json.loads((ROOT / "results/finetune.json").read_text())["rows"]
    in_context = next(row["test"] for row in runs if row["run"] == "rotten-tomatoes-16-icl-seed0")
    assert accuracy.startswith("Accuracy on ") and f"without any training, {100 * in_context:.1f} %" in accuracy


def test_a_promise_is_not_missed_by_nothing():
    assert doctest.testmod(tables).failed == 0
    assert "missed by 0 %" not in "".join(TEXTS.values())


def test_what_the_index_lacks_is_not_installed_from_it():
    """The project is on no package index: a line that installs it anew names a checkout or a file."""
    commands = re.findall(r"^pip install .*$", TEXTS["docs/install.md"], re.M)
    assert any(".whl[models]" in command for command in commands)
    assert [command for command in commands if re.search(r"[ \"]mezo_lab\[", command)] == []


def test_decoys_that_are_wrong_experiments_stand_in_words():
    refuted = re.findall(r"^- refuted: (.*)$", TEXTS["docs/claims.md"], re.M)
    assert "the last half of the log alone" in refuted
    assert not [decoy for decoy in refuted if re.search(r"[a-z]\s+[a-z]", decoy) and "·" in decoy]


def test_the_package_page_has_no_relative_link():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["readme"] == "docs/pypi.md"
    assert re.findall(r"\]\((?!https?:)[^)]*\)|<img|!\[", TEXTS["docs/pypi.md"]) == []


def test_every_argument_of_the_optimizer_is_explained():
    text = reference.arguments(ROOT)
    assert [line for line in text.splitlines() if line.endswith("):")] == []


def test_the_map_names_every_room():
    rooms = {
        path.name
        for path in (ROOT / "mezo_lab").iterdir()
        if (path / "__init__.py").exists() and path.name != "records"
    }
    single = {path.stem for path in (ROOT / "mezo_lab").glob("*.py")} - {"__init__", "__main__"}
    assert rooms | single <= set(re.findall(r"`mezo_lab[./](\w+)`", TEXTS["docs/develop.md"]))
    named = set(re.findall(r"mezo_lab/(\w+)", TEXTS["README.md"]))
    assert named <= rooms | single and len(named) >= 9


def test_the_citation_is_whole_and_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "version", "date-released", "license"}
    assert citation["cff-version"] == "1.2.0" and citation["license"] == project["license"]
    assert str(citation["version"]) == project["version"] == mezo_lab.__version__
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys() and len(paper["authors"]) == 7
    heading = f"## [{project['version']}] - {citation['date-released']}"
    assert heading in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_of_texts_is_named_where_they_are_read():
    for name in ("README.md", "notebooks/README.md"):
        assert "LICENSE-CC-BY-4.0.md" in TEXTS[name]


@pytest.mark.parametrize("block", [costs, learning_rates, norm_factor], ids=lambda block: Path(block.FIGURE).stem)
def test_a_committed_figure_shows_the_record(block, tmp_path):
    """Its words and numbers, that is: where they stand depends on the fonts of a machine."""
    (tmp_path / "results").symlink_to(ROOT / "results")
    block.draw(tmp_path)
    assert words(tmp_path / block.FIGURE) == words(ROOT / block.FIGURE) != []


def words(svg: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text(encoding="utf-8"))
