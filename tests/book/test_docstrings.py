"""Docstrings as reStructuredText: nothing in them is taken for markup, and names, fields and arguments are found."""

import re

import docstrings
import pytest
from api_links import Reference, source_docstring
from api_names import Definition, members
from docstrings import Scope, code, parse, prose, rendered
from docutils.core import publish_doctree
from docutils.utils import Reporter

pytestmark = pytest.mark.repo

QUIET = {"report_level": Reporter.SEVERE_LEVEL, "halt_level": Reporter.SEVERE_LEVEL + 1, "raw_enabled": False}


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(claims=frozenset({"A2", "E14"}))


def faults(text: str) -> list[str]:
    """What docutils has to say against a text."""
    document = publish_doctree(
        text, settings_overrides=QUIET | {"report_level": Reporter.INFO_LEVEL, "warning_stream": ""}
    )
    return [message.astext() for message in document.findall(lambda node: node.tagname == "system_message")]


def shown(text: str) -> str:
    return publish_doctree(prose(text, Scope()), settings_overrides=QUIET).astext()


@pytest.mark.parametrize(
    "text",
    [
        "a bound on |pg|, or |g_i| and |s_k|",
        "max |λ_i| over the i-th block_",
        "*args and **kwargs are passed on",
        "1. is a number at the beginning of a line",
        "- is a minus sign there",
        "A. Author, in: a journal",
        ".. is two dots",
        ":name: between colons",
        "a trailing underscore_ and another__",
        "[1]_ is no footnote, <b> no tag, \\alpha no escape",
        "+----+ and ==== are no table",
        "a `b",
    ],
)
def test_plain_text_stays_as_it_is(text):
    marked = re.sub(r"(?<=[gs])_(?=[ik])|(?<=λ)_(?=i)", "", text)
    assert shown(text) == marked
    assert not faults(prose(text, Scope()))


def test_indices_are_set_as_indices():
    text = prose("pg_k z_k, β^{t−s}, ‖H‖_op, E[z_i²z_j⁴], εz_θ, but weight_decay and x_train", Scope())
    assert re.findall(r":su[bp]:`(.*?)`", text) == ["k", "k", "t−s", "op", "i", "j", "θ"]


def all_docstrings(reference: Reference) -> list[tuple[str, str]]:
    texts = []
    for entry in reference.entries:
        if isinstance(entry.thing, type) and entry.thing.__module__.startswith("mezo_lab"):
            texts.append((entry.path, source_docstring(entry.thing)))
            things = [(each.name, vars(each.owner).get(each.name)) for each in members(entry.thing)]
            texts += [(f"{entry.path}.{name}", source_docstring(thing)) for name, thing in things if callable(thing)]
        elif isinstance(entry.node, Definition):
            texts.append((entry.path, source_docstring(entry.thing)))
    return [(path, text) for path, text in texts if text]


def test_no_docstring_of_the_package_breaks(reference):
    texts = all_docstrings(reference)
    assert len(texts) > 500
    page = "\n\n".join(rendered(parse(text), Scope()) for _, text in texts)
    assert not faults(page)


def test_without_escapes_docstrings_would_break(reference, monkeypatch):
    monkeypatch.setattr(docstrings, "_plain", lambda text: text)
    assert faults("\n\n".join(rendered(parse(text), Scope()) for _, text in all_docstrings(reference)))


DOCSTRING = """
The sum. More on it.

Source: derived; claim E14. Assumes: n > 0. Formula: a + b,
in one line.
Args: left: a. right: b, in units
of a. Returns: a number.
Raises: ValueError: never.

A last paragraph. Its limits: none.

    a + b
    = b + a

>>> 1 + 1
2
"""


def test_fields_are_found_within_lines_and_across_them():
    docstring = parse(DOCSTRING.strip(), ("left", "right"))
    kinds = [block.kind for block in docstring.blocks]
    assert kinds == ["text", "Source", "Assumes", "Formula", "Args", "Returns", "Raises", "text", "code", "example"]
    assert docstring.items == {"left": "a.", "right": "b, in units of a."}
    assert docstring.blocks[3].lines == ["a + b,", "in one line."]
    assert docstring.blocks[7].lines == ["A last paragraph. Its limits: none."]
    assert docstring.blocks[9].lines == [">>> 1 + 1", "2"]
    assert docstring.summary() == "The sum."


def test_arguments_of_a_block_may_take_several_lines_and_share_one():
    lines = ["left, right (int): terms,", "    added", "kind: how:", "    so.", "*rest: more."]
    text = "Sum.\n\nArgs:\n" + "\n".join(f"    {line}" for line in lines) + "\nReturns: it."
    assert parse(text).items == {"left": "terms, added", "right": "terms, added", "kind": "how: so.", "rest": "more."}


def test_arguments_of_which_one_thing_is_said_stand_together():
    docstring = parse("Sum.\n\nArgs: a, b: positive. c: any.", ("a", "b", "c"))
    text = rendered(docstring, Scope(), {"a": "int", "b": "int", "c": "int = 1"})
    assert re.findall(r"^ +(``.*)$", text, re.MULTILINE) == ["``a``, ``b`` : ``int``", "``c`` : ``int = 1``"]


def test_attributes_are_told_from_arguments():
    docstring = parse("Sum.\n\nArgs:\n    a: one.\n\nAttributes:\n    b: two.")
    assert [block.items for block in docstring.blocks[1:]] == [{"a": "one."}, {"b": "two."}]


def test_examples_keep_their_prompts_for_the_copy_button():
    text = rendered(parse("Sum.\n\n>>> for i in range(2):\n...     print(i)\n0\n1"), Scope())
    assert ".. code-block:: pycon" in text
    assert "   >>> for i in range(2):\n   ...     print(i)\n   0" in text


def target(text: str) -> str:
    found = re.search(r"<([\w.]+)>`", text)
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("module", "text", "expected"),
    [
        ("mezo_lab.theory.estimator", "norm_factor", "mezo_lab.theory.norm_factor"),
        ("mezo_lab.claims.claim", "MeZO.step", "mezo_lab.optim.MeZO.step"),
        ("mezo_lab.claims.claim", "theory.stability_bounds", "mezo_lab.theory.stability_bounds"),
        ("mezo_lab.claims.claim", "mezo_lab.optim.replay", "mezo_lab.optim.log.replay"),
        ("mezo_lab.claims.claim", 'claim_named("norm-factor")', "mezo_lab.claims.claim_named"),
        ("mezo_lab.sampling.laws", "mezo_lab.sampling.reduced", "mezo_lab.sampling.reduced"),
        ("mezo_lab.theory.estimator", "step", ""),  # of many things, and public by itself in none
        ("mezo_lab.theory.estimator", "torch.compile", ""),
        ("mezo_lab.theory.estimator", "exact=True", ""),
        ("mezo_lab.theory.estimator", ".estimate()", ""),
        ("mezo_lab.theory.estimator", "mezo-lab verify", ""),
    ],
)
def test_code_is_a_link_where_it_names_one_public_thing(reference, module, text, expected):
    scope = Scope(lambda name: reference.resolve(name, module))
    assert target(code(text, scope)) == expected


def test_an_argument_comes_before_a_public_name(reference):
    scope = Scope(lambda name: reference.resolve(name, "mezo_lab.sampling"), arguments=frozenset({"sample"}))
    assert target(code("sample", scope)) == ""
    assert target(code("sample", Scope(scope.resolve))) == "mezo_lab.sampling.sample"


def test_the_class_comes_before_the_package(reference):
    law = next(entry for entry in reference.entries if entry.path == "mezo_lab.sampling.Law")
    scope = reference.scope(law, (), law.thing)
    assert target(code("sample", scope)) == "mezo_lab.sampling.Law.sample"


def test_ids_of_claims_are_links_where_they_have_a_page():
    text = prose("as in claims A2 and A4; not A2b", Scope(claims=frozenset({"A2"})))
    assert re.findall(r":doc:`(.*?)`", text) == ["A2 </claims/A2>"]


def test_words_in_quotes_and_options_are_code():
    assert re.findall(
        r"``(.*?)``", prose('law "three-point" or law="sphere", with --expect, and "two words"', Scope())
    ) == [
        '"three-point"',
        'law="sphere"',
        "--expect",
    ]
