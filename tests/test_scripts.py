"""The examples in the docstrings of the scripts hold; pytest collects those of the library only."""

import doctest
import importlib
import re
from dataclasses import replace
from pathlib import Path

import accuracy
import marks
import pytest
import rates
import slides
from blocks import costs, finetuning, learning_rates
from gpu_parts import speed

from mezo_lab.cli import parser
from mezo_lab.cli.config_options import check_effect, given_fields
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.run_folder import RESULT, seal, write_run_config

pytestmark = pytest.mark.repo

BOOK = Path(__file__).parents[1] / "book"
# by the names under which the makers of the book import one another
OF_THE_BOOK = [
    ".".join(file.relative_to(BOOK).with_suffix("").parts)
    for file in sorted([*BOOK.glob("*.py"), *BOOK.glob("prover/*.py")])
    if re.search(r"^ *>>> ", file.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize(
    "script",
    [accuracy, costs, finetuning, learning_rates, marks, rates, slides, speed],
    ids=lambda script: script.__name__,
)
def test_the_examples_of_a_script_hold(script):
    assert doctest.testmod(script).failed == 0


@pytest.mark.parametrize("name", OF_THE_BOOK)
def test_the_examples_of_a_maker_of_the_book_hold(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted
    assert results.failed == 0


def test_there_are_examples_to_run():
    assert all(doctest.testmod(script).attempted for script in (finetuning, learning_rates, marks, rates, slides))


@pytest.mark.parametrize(
    "done, steps, started",
    [(True, 200, []), (True, 600, ["anew"]), (False, 200, ["goes on"]), (False, 600, ["anew"])],
    ids=["done", "done by another plan", "cut", "cut in another plan"],
)
def test_a_run_is_made_again_only_where_its_plan_has_changed(tmp_path, monkeypatch, done, steps, started):
    plan, commands = RunConfig(shots=16, steps=200, every=50), []
    monkeypatch.setattr(accuracy, "RUNS", tmp_path)
    monkeypatch.setattr(accuracy.subprocess, "run", lambda command, check: commands.append(command))
    folder = tmp_path / accuracy.name_of(plan)
    (folder / "checkpoint-50").mkdir(parents=True)
    (folder / "checkpoint-50/trainer_state.json").write_text('{"global_step": 50}')
    seal(folder / "checkpoint-50")
    write_run_config(plan.resolve(), folder)
    if done:
        (folder / RESULT).write_text("{}")
    accuracy.run(replace(plan, steps=steps))
    assert ["goes on" if "--resume" in command else "anew" for command in commands] == started


def test_the_command_line_of_every_run_means_its_plan():
    for plan in accuracy.plans(accuracy.SEEDS):
        options = parser().parse_args(["finetune", *accuracy.given(plan)])
        given = given_fields(options)
        config = RunConfig(**given)
        check_effect(config, given)
        assert config.resolve() == plan.resolve()
