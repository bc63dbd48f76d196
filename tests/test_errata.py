"""The page of errata: each command answers what the page says, each sentence can be followed to its source."""

import re
import shlex
from pathlib import Path

import pytest
from blocks import errata

from mezo_lab.claims import Claim, Published
from mezo_lab.claims.sentences import paper, projects, successors
from mezo_lab.cli import main
from mezo_lab.proofs import provable

pytestmark = pytest.mark.repo

PAGE = (Path(__file__).resolve().parents[1] / "docs/errata.md").read_text(encoding="utf-8")
CORRECTED = errata.corrected()
COMMANDS = {sentence.command: (claim, sentence) for claim, sentence in CORRECTED}
SENTENCES = [sentence for _, sentence in CORRECTED]
WRITTEN = [
    thing for module in (paper, projects, successors) for thing in vars(module).values() if isinstance(thing, Published)
]


def answered(command: str, capsys) -> str:
    """The page's word for what a command prints and for its exit code."""
    code = main(shlex.split(command)[1:])
    printed = capsys.readouterr().out
    if command.startswith("mezo-lab prove"):
        return "proved" if code == 0 and "∎" in printed else "not proved"
    verdicts = int(re.search(r"(\d+) verdicts?:", printed)[1])
    passed, failed = (int(number) for number in re.search(r"(\d+) passed, (\d+) failed", printed).groups())
    if failed == verdicts == printed.count("REFUTED") and code == 1:
        return "REFUTED"
    refuted, decoys = re.search(r"(\d+) of (\d+) decoys? refuted", printed).groups()
    if passed == verdicts and code == 0 and refuted == decoys != "0":
        return "CONSISTENT"
    return printed


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_answers_what_the_page_says(command, capsys):
    _, sentence = COMMANDS[command]
    said = errata.answer(sentence)
    assert answered(command, capsys) == re.search(r"proved|CONSISTENT|REFUTED", said)[0]
    assert f"{said}\n\n```sh\n{command}\n```" in PAGE


def test_a_true_formula_would_not_be_listed_as_refuted(capsys):
    command = 'mezo-lab verify norm-factor --law gaussian --fast --expect "(d+n+1)/n"'
    assert answered(command, capsys) != "REFUTED"


@pytest.mark.parametrize(("claim", "sentence"), CORRECTED, ids=[sentence.name for sentence in SENTENCES])
def test_a_command_is_about_the_claim_that_carries_the_sentence(claim: Claim, sentence: Published):
    _, verb, name, *_ = shlex.split(sentence.command)
    derivations = {name for name, _ in provable()} - {"notes"}
    assert name == claim.name or (verb == "prove" and name == "notes" and claim.name in derivations)


@pytest.mark.parametrize("sentence", [*SENTENCES, *errata.UNTESTED], ids=lambda sentence: sentence.name)
def test_code_and_papers_are_named_at_the_version_that_was_read(sentence: Published):
    host, path = re.match(r"https://([\w.]+)/(.*)", sentence.address).groups()
    if host == "github.com":
        assert re.search(r"/blob/[0-9a-f]{40}/", sentence.address)
    if host == "arxiv.org":
        assert re.search(r"\d{4}\.\d{5}v\d+$", path)


def test_the_table_says_of_every_sentence_where_it_holds():
    assert [sentence.name for sentence in SENTENCES if not sentence.holds] == []


def test_every_sentence_that_is_written_stands_on_the_page_once():
    assert sorted(sentence.name for sentence in SENTENCES) == sorted(sentence.name for sentence in WRITTEN)
    anchors = re.findall(r"^### (.*)$", PAGE, re.M)
    assert sorted(anchors) == sorted(sentence.name for sentence in [*SENTENCES, *errata.UNTESTED])
    assert len(set(anchors)) == len(anchors)
