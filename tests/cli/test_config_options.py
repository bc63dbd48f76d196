"""Options of `finetune` and `lr`: described once, refused where they change nothing, named in every error."""

import argparse
import re
from dataclasses import fields, replace

import pytest

from mezo_lab.cli import main, parser
from mezo_lab.finetune.config import METHODS, TRAINED, TUNINGS, RunConfig, from_preset

# the options of 0.2.0 and of populations, with the defaults of a RunConfig resolved on the shipped model; none may go
OPTIONS = {
    "--model": "smollm2-135m", "--task": "rotten-tomatoes", "--method": "mezo", "--tuning": "full", "--data": None,
    "--test-data": None, "--prompt": None, "--masked-prompt": None, "--words": (), "--label": "label",
    "--completion": None, "--options": None, "--messages": None, "--metric": None, "--shots": 16, "--train": None,
    "--validation": None, "--test": 1000, "--steps": 1000, "--batch": 16, "--micro-batches": 1, "--lr": 3e-5,
    "--schedule": "linear", "--weight-decay": 0.0, "--epsilon": 1e-3, "--probes": 1, "--law": "rademacher",
    "--rule": "sgd", "--seed": 0, "--data-seed": 0, "--objective": "loss", "--every": 200, "--dtype": "float32",
    "--rank": 8, "--alpha": 16, "--tokens": 5, "--scratch": False, "--cut": False, "--device": None,
    "--tensorboard": False, "--estimator": "two-sided", "--baseline": "leave-one-out", "--shaping": "none",
}  # fmt: skip
OTHERS = {"finetune": {"--preset", "--out", "--resume", "--from-log"}, "replay": {"--out", "--step", "--tolerance"}}
NOT_OF_LR = {
    *("--method", "--objective", "--steps", "--micro-batches", "--lr", "--schedule", "--weight-decay", "--every"),
    *("--tensorboard", "--estimator", "--baseline", "--shaping"),
}


def options_of(command: str) -> dict[str, argparse.Action]:
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    actions = commands.choices[command]._actions
    return {name: action for action in actions for name in action.option_strings if name.startswith("--")}


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def test_no_option_is_lost_and_no_default_has_changed():
    assert set(options_of("finetune")) - {"--help", "--debug"} == OPTIONS.keys() | OTHERS["finetune"]
    assert set(options_of("replay")) - {"--help", "--debug"} == OTHERS["replay"]
    own = {"--help", "--debug", "--dim", "--spectrum", "--measure", "--draws", "--beta"}
    assert set(options_of("lr")) - own == OPTIONS.keys() - NOT_OF_LR
    assert {flag(name): value for name, value in vars(RunConfig().resolve()).items()} == OPTIONS


def test_every_field_is_described_once_for_the_command_and_for_help():
    described = options_of("finetune")
    lines = str(RunConfig.__doc__).splitlines()
    for option in fields(RunConfig):
        text = option.metadata["help"]
        assert text and str(described[flag(option.name)].help).startswith(text)
        assert [line for line in lines if re.match(rf" +{option.name} \(.*\): ", line) and line.endswith(text)]


def refusal(capsys, *words: str) -> str:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


TRAINING_ONLY = {
    "tuning": "lora", "steps": "5", "batch": "4", "micro-batches": "2", "lr": "0.1", "schedule": "linear",
    "weight-decay": "0.1", "epsilon": "0.1", "probes": "2", "law": "gaussian", "rule": "adam", "every": "5",
    "objective": "accuracy", "tensorboard": None,
}  # fmt: skip


@pytest.mark.parametrize("method", ["zero-shot", "icl", "linear-probe"])
@pytest.mark.parametrize("option", TRAINING_ONLY)
def test_an_option_of_a_training_is_refused_without_one(option, method, capsys):
    value = TRAINING_ONLY[option]
    words = [f"--{option}"] if value is None else [f"--{option}", value]
    line = refusal(capsys, "finetune", "--method", method, *words)
    assert f"--{option} belongs to a training (--method mezo, adam or sgd) and would change nothing here" in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--rank 4", "--rank belongs to --tuning lora and would change nothing here, got 4: leave it out"),
        ("--tuning prefix --alpha 4", "--alpha belongs to --tuning lora"),
        ("--tuning lora --tokens 4", "--tokens belongs to --tuning prefix"),
        ("--method adam --epsilon 0.1", "--epsilon belongs to --method mezo"),
        ("--method sgd --probes 2", "--probes belongs to --method mezo"),
        ("--method adam --law gaussian", "--law belongs to --method mezo"),
        ("--method adam --rule adam", "--rule belongs to --method mezo"),
        ("--method zero-shot --seed 3", "--seed belongs to a training or --scratch"),
        ("--test-data b.csv", "--test-data belongs to --data"),
        ("--data a.csv --prompt {t} --words a,b --task sst2", "--task belongs to the tasks of the paper and would"),
        ("--shots 4 --train 8", "--shots and --train must not be given together"),
        ("--task squad --shots 4", "--shots belongs to a task with classes"),
        ("--label stars", "--label belongs to a prompt with words or options of your own"),
        ("--method adam --objective f1", "--objective must be loss for adam"),
    ],
)
def test_an_option_that_changes_nothing_with_the_others_is_refused(words, told, capsys):
    assert told in refusal(capsys, "finetune", *words.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--method mezzo", "--method must be one of .*; got 'mezzo'. Nearest: mezo"),
        ("--tuning loar", "--tuning must be one of .*. Nearest: lora"),
        ("--task rotten-tomatos", "--task must be one of .*rotten-tomatoes"),
        ("--dtype bfloat61", "--dtype must be one of .*. Nearest: bfloat16"),
        ("--schedule liner", "--schedule must be one of .*. Nearest: linear"),
        ("--law gausian", "--law must be one of .*. Nearest: gaussian"),
        ("--rule momentun", "--rule must be one of .*. Nearest: momentum"),
        ("--objective acuracy", "--objective must be one of .*. Nearest: accuracy"),
        ("--metric f11", "--metric must be one of .*. Nearest: f1"),
        ("--preset paper/opt-13b/sst", "--preset must be one of .*paper/opt-13b/sst2"),
    ],
)
def test_a_misspelt_choice_is_refused_with_the_nearest_before_anything_loads(words, told, capsys, monkeypatch):
    monkeypatch.setattr("mezo_lab.finetune.config.RunConfig.resolve", lambda config: pytest.fail("went on"))
    assert re.search(told, refusal(capsys, "finetune", *words.split()))


OWN = ["--prompt", "{text} It was", "--words", "terrible,great"]


@pytest.mark.parametrize(
    ("content", "words", "told"),
    [
        (None, [], "--data must be a file that exists"),
        ("text,label\n", [], "--data must hold at least one row"),
        ("words,label\nfine,1\n", [], "--data must have a column 'text'"),
        ("text,label\n" + "fine,1\n" * 9, [], "--data must hold two labels or more"),
        ("text,label\n" + "a,0\nb,1\nc,0\nd,7\n" * 4, [], "of --data: `label` must be a number from 0 to 1"),
        ("text,label\n" + "".join(f"a{n},{n % 2}\n" for n in range(20)), ["--train", "90"], "--train must be at most"),
        (
            "text,label\n" + "".join(f"a{n},{n % 2}\n" for n in range(20)),
            ["--test-data", "no such file.csv"],
            "--test-data must be a file that exists",
        ),
        (
            "text,label\n" + "".join(f"a{n},{n % 2}\n" for n in range(20)),
            ["--train", "4", "--model", "./nowhere"],
            "--model must be smollm2-135m, a model's folder or a name on the hub",
        ),
    ],
)
def test_an_error_names_the_option_that_was_typed(content, words, told, capsys, tmp_path):
    file = tmp_path / "rows.csv"
    if content is not None:
        file.write_text(content)
    assert main(["finetune", "--data", str(file), *OWN, *words, "--out", str(tmp_path / "run")]) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_a_replay_names_its_options_too(capsys, tmp_path):
    assert "RUN must be a folder that" in refusal(capsys, "replay", str(tmp_path), "--step", "last")
    assert "--step must be best, last or a number" in refusal(capsys, "replay", str(tmp_path), "--step", "first")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tuning", TUNINGS)
def test_what_is_without_effect_leaves_a_configuration_of_defaults_alone(method, tuning):
    """Control: an option counts as without effect exactly where its owner is missing."""
    unused = RunConfig(method=method, tuning=tuning).options_without_effect()
    assert ("rank" in unused) == (tuning != "lora" or method not in TRAINED)
    assert ("tokens" in unused) == (tuning != "prefix" or method not in TRAINED)
    assert ("epsilon" in unused) == (method != "mezo")
    assert ("seed" in unused) == (method not in TRAINED)
    assert "seed" not in replace(RunConfig(method=method), scratch=True).options_without_effect()


def test_a_preset_may_fill_options_that_the_method_does_not_read():
    config = RunConfig(**from_preset("paper/opt-13b/sst2") | {"method": "zero-shot"})
    assert set(config.options_without_effect()) >= {"epsilon", "steps"}  # refused only where they were typed
