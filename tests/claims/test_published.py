"""Published sentences that a claim corrects: each says what, where, how it was read, and what is true."""

from dataclasses import FrozenInstanceError, replace

import pytest

from mezo_lab import REGISTRY, Published, claim, claim_named, grid
from mezo_lab.cli import main

SENTENCE = Published(
    name="made-up-length",
    says="A direction has length d.",
    source="Nobody (2026), a note",
    address="https://example.org/note/v1",
    read="abstract",
    corrected="Its squared length is d.",
)


@pytest.fixture
def registered():
    before = dict(REGISTRY)

    @claim(
        "X9",
        "made-up",
        "s",
        source="made up",
        laws=["gaussian"],
        default=grid(dim=[2]),
        fast=grid(dim=[2]),
        suits=lambda law, parameters: False,  # nothing of it runs
        published=[SENTENCE],
    )
    def build(law, dim): ...

    yield claim_named("made-up")
    REGISTRY.clear()
    REGISTRY.update(before)


def test_a_claim_carries_the_sentences_that_it_corrects(registered):
    assert registered.published == (SENTENCE,)


def test_the_list_shows_the_source_and_its_address(registered, capsys):
    assert main(["list", "made-up"]) == 0
    assert "corrects: Nobody (2026), a note, https://example.org/note/v1" in capsys.readouterr().out


def test_a_sentence_does_not_change():
    with pytest.raises(FrozenInstanceError):
        SENTENCE.says = "another"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Made up"}, r"`name` must be lower case with hyphens, got 'Made up'"),
        ({"address": "http://example.org/note"}, r"`address` must be an https link to the source, got 'http://"),
        ({"address": "arXiv 2305.17333"}, r"`address` must be an https link"),
        ({"address": "https://example.org/note\n"}, r"`address` must be an https link"),
        ({"says": None}, r"`says` must be text, got None"),
        ({"name": 3}, r"`name` must be text, got 3"),
        ({"read": "title"}, r"`read` must be one of paper, abstract, code, documentation, got 'title'"),
        ({"says": ""}, r"`says` must be a sentence, got ''"),
        ({"corrected": " "}, r"`corrected` must be a sentence"),
        ({"source": ""}, r"`source` must be a sentence"),
        ({"command": "rm -r x"}, r"`command` must begin with `mezo-lab verify` or `mezo-lab prove`, got 'rm -r x'"),
    ],
)
def test_a_sentence_that_cannot_be_followed_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SENTENCE, **change)


@pytest.mark.parametrize("published", ["a sentence", None, SENTENCE, [SENTENCE, "another"]])
def test_a_claim_takes_a_list_of_sentences_alone(published):
    with pytest.raises(ValueError, match=r"`published` must be a list of Published, got .*: give \[Published"):
        claim("X9", "made-up", "s", source="s", default=[{}], fast=[{}], published=published)


def test_every_sentence_of_the_registry_has_an_anchor_of_its_own():
    names = [sentence.name for found in REGISTRY.values() for sentence in found.published]
    assert len(names) == len(set(names))
