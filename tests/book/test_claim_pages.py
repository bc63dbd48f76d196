"""Every claim has a page with every part, made of the registry, the proofs and the records, and nothing is typed."""

import json
import re
import shlex
from dataclasses import replace
from html import unescape
from pathlib import Path

import claim_pages
import claim_parts as parts
import pytest
from claim_pages import write_claims

from mezo_lab.claims import REGISTRY, SYMBOLS, Status, claim_named
from mezo_lab.claims.wording import number_text
from mezo_lab.cli import parser
from mezo_lab.proofs import provable
from mezo_lab.report.figures import alt_text
from mezo_lab.sampling import KEYED_LAWS
from mezo_lab.theory import Expression

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[2]
CLAIMS = parts.ordered()
HEADINGS = [
    "Try it",
    "Laws and formulas",
    "Assumptions",
    "Derivation",
    "The last verification",
    "Where it is used",
    "Published sentences that it corrects",
    "Sources",
    "Related claims",
    "Permalink",
]
every_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    """The text of every page, by its name."""
    staged = tmp_path_factory.mktemp("book")
    write_claims(staged)
    return {file.stem: file.read_text(encoding="utf-8") for file in (staged / "claims").glob("*.md")}


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    """The verdicts of the records as they stand."""
    records = [json.loads((ROOT / f"results/{name}.json").read_text()) for name in parts.RECORDS]
    return [row for record in records for row in record["verdicts"]]


def section(text: str, heading: str) -> str:
    """What stands below a heading."""
    below = text.split(f"\n## {heading}\n", 1)[1]
    return re.split(r"^## ", below, maxsplit=1, flags=re.MULTILINE)[0].strip()


def commands_on(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)\n```", text)


def test_every_claim_has_a_page_and_there_is_no_other(pages):
    assert pages.keys() == {claim.id for claim in REGISTRY.values()} | {"index", "matrix"}


def test_the_model_of_a_claim_is_optional_and_its_page_says_how_to_add_it():
    real = [claim for claim in CLAIMS if claim.real]
    assert real
    for claim in real:
        what, _ = parts.commands(claim)[0]
        assert "optional" in what and "mezo-lab doctor" in what


@every_claim
def test_every_page_has_every_part_or_says_that_it_is_missing(claim, pages):
    text = pages[claim.id]
    assert text.count(parts.statement(claim)) == 1
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    for heading in HEADINGS:
        assert len(section(text, heading)) > 20, heading
    verification = section(text, "The last verification")
    assert verification.startswith("Verified ") and "<svg" in verification and "<table>" in verification


@every_claim
def test_the_numbers_on_a_page_are_those_of_the_record(claim, pages, rows):
    table = unescape(section(pages[claim.id], "The last verification").partition("<table>")[2])
    values = section(pages[claim.id], "Laws and formulas")
    own = [row for row in rows if row["id"] == claim.id]
    assert own
    for row in own:
        assert number_text(row["theory"]) in values
        cells = [row["law"], number_text(row["expected"]), row["status"], *(decoy["status"] for decoy in row["decoys"])]
        assert all(cell.lower() in table.lower() for cell in cells), row
    assert table.count("</b></td>") == len(own)  # a verdict each


def test_another_record_gives_another_page(monkeypatch):
    claim = claim_named("norm-factor")
    verdicts, environment, name = parts.records()[claim.name]
    changed = [replace(verdicts[0], theory=123.456), *verdicts[1:]]
    later = environment | {"date": "2031-01-01 00:00 UTC"}
    monkeypatch.setattr(parts, "records", lambda: {claim.name: (changed, later, name)})
    assert "123.456" in parts.laws(claim) and "Verified on 2031-01-01" in parts.verified(claim)


@pytest.mark.parametrize(
    "failed, words",
    [
        ({}, "**✓ CONSISTENT in 4 of 4 verdicts**"),
        ({1: {"status": Status.REFUTED}}, "**✗ REFUTED; 3 of 4 verdicts passed**"),
        ({0: {"status": Status.UNDERPOWERED}}, "**? UNDERPOWERED; 3 of 4 verdicts passed**"),
        ({0: {"status": Status.UNDERPOWERED}, 2: {"status": Status.REFUTED}}, "**✗ REFUTED; 2 of 4 verdicts passed**"),
    ],
)
def test_the_head_of_a_page_says_how_many_verdicts_passed(failed, words, monkeypatch):
    claim = claim_named("norm-factor")
    verdicts, *rest = parts.records()[claim.name]
    told = [replace(verdict, **failed.get(place, {})) for place, verdict in enumerate(verdicts[:4])]
    monkeypatch.setattr(parts, "records", lambda: {claim.name: (told, *rest)})
    assert words in claim_pages.page(claim, None, None)


def test_a_claim_without_a_record_says_so(monkeypatch):
    monkeypatch.setattr(parts, "records", dict)
    text = claim_pages.page(claim_named("norm-factor"), None, None)
    assert "No verdict on record" in text and "has a verdict on this claim" in text
    assert "<svg" not in text and "mezo-lab verify norm-factor" in text


@every_claim
def test_every_command_is_one_that_the_program_reads(claim, pages):
    commands = commands_on(section(pages[claim.id], "Try it"))
    assert f"mezo-lab verify {claim.name}" in commands
    assert (f"mezo-lab prove {claim.name}" in commands) == (claim.name in {name for name, _ in provable()})
    for command in commands:
        program, *words = shlex.split(command)
        options = parser().parse_args(words)
        assert program == "mezo-lab" and options.names == [claim.name]
        if getattr(options, "expect", None):
            assert Expression(options.expect).names <= SYMBOLS.keys()
            assert options.law in claim.laws


def test_a_command_that_the_program_lacks_is_seen():
    with pytest.raises(ValueError, match="nearest: --expect"):
        parser().parse_args(["verify", "norm-factor", "--expekt", "d"])


@pytest.mark.parametrize("name", ["norm-factor", "norm-probe", "minibatch", "quantised", "variance-modified"])
def test_the_formula_that_a_page_calls_refuted_is_refuted_when_its_command_runs(name, capsys):
    from mezo_lab.cli import main

    (command,) = [words for _, words in parts.commands(claim_named(name)) if "--expect" in words]
    assert main([*shlex.split(command)[1:], "--draws", "20000"]) == 1
    out = capsys.readouterr().out
    assert "REFUTED" in out and "CONSISTENT" not in out


@every_claim
def test_a_figure_has_words_and_its_own_names(claim, pages):
    text = pages[claim.id]
    words = alt_text(parts.verdicts_on(claim), claim)
    assert f'role="img" aria-label="{words}"'.replace("&", "&amp;") in unescape(text)
    ids = re.findall(r'<[^>]* id="([^"]*)"', text)
    assert len(ids) == len(set(ids)) and all(each.startswith(f"figure-{claim.name}-") for each in ids)


@every_claim
def test_the_words_of_a_figure_are_read_once(claim, pages):
    words = alt_text(parts.verdicts_on(claim), claim)
    text = unescape(pages[claim.id])
    assert text.count(words) == 2 and f'<figcaption aria-hidden="true">{words}</figcaption>' in text


@every_claim
def test_assumptions_are_words_and_no_code(claim, pages):
    told = section(pages[claim.id], "Assumptions").replace("{py:func}`~mezo_lab.theory.", "")
    for line in told.splitlines():
        assert not re.search(r"coincidence|\bpass the\b|\bas `|optim\.", line, re.IGNORECASE), line


def test_a_claim_on_rounding_states_how_numbers_round(pages):
    for name in ("C4", "C7"):
        assert "rounded to nearest" in (told := section(pages[name], "Assumptions")) or "rounding to nearest" in told


@every_claim
def test_every_proof_is_on_the_page_step_by_step(claim, pages):
    text = section(pages[claim.id], "Derivation")
    proofs = parts.proofs_of(claim)
    assert text.count(":::{dropdown}") == len(proofs)
    for proof in proofs:
        assert proof.steps and all(f"$$ {step.latex} $$" in text for step in proof.steps)
    if not proofs:
        assert "does not derive this claim" in text


def test_every_proof_of_the_library_is_on_some_page():
    shown = {(proof.claim, proof.law) for claim in CLAIMS for proof in parts.proofs_of(claim)}
    assert shown == set(provable())


def test_the_formula_of_a_law_is_the_laws_own():
    rows = parts.laws(claim_named("norm-factor")).splitlines()
    (gaussian,) = [row for row in rows if row.startswith("| gaussian")]
    (sphere,) = [row for row in rows if "sphere" in row]
    assert r"\dfrac{d + n + 1}{n}" in gaussian and r"\dfrac{d + n - 1}{n}" in sphere


@every_claim
def test_a_claim_links_to_the_errata_that_it_corrects(claim, pages):
    linked = re.findall(r"\(\.\./docs/errata\.md#([\w-]+)\)", section(pages[claim.id], HEADINGS[6]))
    assert linked == [sentence.name for sentence in claim.published]


# where it is used


def mentions(text: str, claim) -> bool:
    """A reading of its own: the id as a word, or the name in a call of the library or a command."""
    call = rf"(?:verify|prove|claim_named|check)\(\s*[\"']{claim.name}[\"']"
    command = rf"mezo-lab (?:verify|prove) (?:[\w-]+ )*{claim.name}\b(?!-)"
    return bool(re.search(rf"\bclaims? {claim.id}\b|{call}|{command}", text))


@every_claim
def test_every_notebook_that_names_a_claim_is_on_its_page(claim, pages):
    listed = section(pages[claim.id], "Where it is used")
    named = 0
    for source in sorted((ROOT / "notebooks" / "src").glob("[0-9]*.py")):
        if mentions(source.read_text(encoding="utf-8"), claim):
            named += 1
            assert f"(../notebooks/{source.stem}.ipynb" in listed, source.stem
    if "No notebook" in listed:
        assert named == 0


# the index and the matrix


def test_the_index_has_every_claim_with_its_statement_and_the_notation(pages):
    text = pages["index"]
    for claim in CLAIMS:
        assert f"[{claim.id} {claim.name}]({claim.id}.md)" in text and parts.statement(claim) in text
    assert [letter for letter in "ABCDE" if f"\n## {letter}. " in text] == list("ABCDE")
    sections = text.split("\n## ")
    (real,) = [each for each in sections if each.startswith("D. ")]
    assert "D1 projected-gradient" in real and "### D3 accuracy" in real and "D, continued" not in text
    assert text.count("### D3 accuracy") == 1 and "| `kappa` |" in text and "| rademacher |" in text


def test_the_index_leads_through_the_claims_in_their_order(pages):
    order = pages["index"].split("```{toctree}\n:hidden:\n\n")[1].split("\n```")[0].splitlines()
    assert order == [claim.id for claim in CLAIMS]
    middle = pages[CLAIMS[5].id]
    assert f"← {parts.link(CLAIMS[4])}" in middle and f"{parts.link(CLAIMS[6])} →" in middle


def test_the_matrix_says_of_every_claim_and_law_what_is_known(pages, rows):
    found = re.findall(r'<tr><th scope="row"><a href="(\w+)\.html">.*?</th>(.*?)</tr>', pages["matrix"])
    assert [name for name, _ in found] == [claim.id for claim in CLAIMS]
    for name, cells in found:
        columns = re.findall("<td>(.*?)</td>", cells)
        assert len(columns) == len(KEYED_LAWS)
        for law, cell in zip(KEYED_LAWS, columns, strict=True):
            verdicts = sum(row["id"] == name and row["law"] == law for row in rows)
            proved = any(proof.law == law for proof in parts.proofs_of(claim_named(name)))
            assert (f"CONSISTENT, {verdicts} verdict" in cell) == (verdicts > 0), (name, law)
            assert ("∎" in cell) == proved
            stated = law in claim_named(name).laws
            assert ("not stated" in cell) == (not verdicts and not proved and not stated)
            assert ("stated, and no verdict on record" in cell) == (stated and not verdicts)


def test_a_law_for_which_a_claim_is_stated_and_not_drawn_is_not_called_unstated(monkeypatch):
    claim = claim_named("norm-factor")
    verdicts, *rest = parts.records()[claim.name]
    others = [verdict for verdict in verdicts if verdict.law != "sphere"]
    monkeypatch.setattr(parts, "records", lambda: {claim.name: (others, *rest)})
    cell = claim_pages.cell(claim, "sphere")
    assert "stated, and no verdict on record" in cell and "proved" in cell and "not stated" not in cell
    assert "not stated for this law" in claim_pages.cell(claim, "low-rank")


@pytest.mark.parametrize(
    "name, words",
    [
        ("norm-factor", "every law of a vector<"),
        ("same-z", "every law<"),
        ("one-sided", "gaussian"),
    ],
)
def test_every_law_is_every_column_of_the_matrix(name, words, pages):
    claim = claim_named(name)
    (line,) = [line for line in pages["index"].splitlines() if line.startswith(f"{parts.link(claim)} ·")]
    assert words in line and all(law in line for law in claim.laws)
    if "every law<" in line:
        assert set(claim.laws) == set(KEYED_LAWS)


def test_a_proof_for_any_kurtosis_is_not_counted_as_a_law_of_the_table():
    claim = claim_named("norm-factor")
    laws = {proof.law for proof in parts.proofs_of(claim)}
    assert "iid" in laws and len(laws - {"iid"}) == len(claim.laws) == 7
    assert claim_pages._proved(claim) == "∎ proved for 7 laws and for all i.i.d. coordinates at once"


def test_a_claim_without_a_formula_says_what_it_is_measured_against(pages):
    for claim in CLAIMS:
        values = section(pages[claim.id], "Laws and formulas")
        assert not re.search(r"computed by *(\||\n)", values)
        if claim.real:
            assert "no closed formula: measured against backpropagation" in values


def test_two_records_of_one_claim_are_refused(monkeypatch):
    (twice, *_), *_ = parts.records()["norm-factor"]
    monkeypatch.setattr(parts, "verdicts_of", lambda record: [twice])
    with pytest.raises(ValueError, match="must be in one record"):
        parts.records.__wrapped__()


def test_a_refuted_claim_shows_in_the_matrix(monkeypatch):
    claim = claim_named("norm-factor")
    verdicts, *rest = parts.records()[claim.name]
    wrong = [replace(verdicts[0], status=type(verdicts[0].status).REFUTED), *verdicts[1:]]
    monkeypatch.setattr(parts, "records", lambda: {claim.name: (wrong, *rest)})
    assert "✗ 2" in claim_pages.cell(claim, verdicts[0].law)


@pytest.mark.browser
def test_the_filter_of_the_index_keeps_the_claims_that_have_every_word(site, browser):
    page = browser.open((site / "claims" / "index.html").as_uri())

    def shown(words: str) -> list[str]:
        page.evaluate(
            f"document.getElementById('claim-filter').value = {json.dumps(words)};"
            "document.getElementById('claim-filter').dispatchEvent(new Event('input'))"
        )
        return page.evaluate(
            "[...document.querySelectorAll('.mezo-claim:not([hidden]) a:first-of-type')].map(a => a.textContent)"
        )

    assert len(shown("")) == len(CLAIMS)
    assert "A2 norm-factor" in shown("NORM-factor 14") and len(shown("NORM-factor 14")) < 3
    assert shown("E 3") == shown("e3") == shown("e-3") == ["E3 aligned-subspace"]
    for words in ("(d+n-1)/n", "(d + n − 1)/n", "normfactor", "norm factor", "−factor"):
        assert "A2 norm-factor" in shown(words), words
    assert "B3 low-rank" in shown("lowrank") == shown("low rank") and "A2 norm-factor" not in shown("lowrank")
    assert "A2 norm-factor" not in shown("(d+n-7)/n")
    coordinate = [f"{claim.id} {claim.name}" for claim in CLAIMS if "coordinate" in claim.laws]
    assert set(coordinate) <= set(shown("coordinate")) and len(shown("coordinate")) < len(CLAIMS)
    assert shown("no such claim") == [] and "0 of" in page.evaluate("document.querySelector('output').textContent")
    page.close()
