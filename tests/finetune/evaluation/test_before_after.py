"""A run is compared with its start: on the same examples, by the same rule, also where it is stopped and resumed."""

import json
import signal
from dataclasses import replace

import pytest
import torch

from mezo_lab.finetune.endings import SIGNALS, Interrupts
from mezo_lab.finetune.evaluation import before_training
from mezo_lab.finetune.evaluation.scores import difference, mean_score, score_from_record
from mezo_lab.finetune.models.loading import load_model
from mezo_lab.finetune.replay import rebuild_model, resolve_step
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import RESULT, START, Stopped
from mezo_lab.finetune.training import cost, task_trainer
from mezo_lab.finetune.training.callbacks import ProgressCallback

CLOCK = {"seconds", "stages", "peak_mebibytes", "machine"}


def quiet(line: str) -> None:
    pass


def weights(model) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def without_clock(result: dict) -> dict:
    return {name: value for name, value in result.items() if name not in CLOCK}


def validating(monkeypatch, before: int, *after: int) -> None:
    """Let validation have so many hits of 16: before the first step, and at each evaluation."""
    hits = iter(after)

    def scripted(count):
        return mean_score("accuracy", [1.0] * count + [0.0] * (16 - count))

    def at_start(name, *arguments):
        return scripted(before) if name == "validation" else before_training.score_before_training(name, *arguments)

    monkeypatch.setattr("mezo_lab.finetune.run.score_before_training", at_start)
    monkeypatch.setattr(task_trainer, "evaluate_questions", lambda *_, **__: scripted(next(hits)))


@pytest.mark.parametrize("tuning", ["full", "lora", "prefix"])
def test_the_start_is_kept_where_no_checkpoint_beats_it(tuning, plan, tmp_path, monkeypatch):
    validating(monkeypatch, 8, 3, 8)
    lines, out = [], tmp_path / "run"
    result = finetune(replace(plan, tuning=tuning), out, report=lines.append)
    assert result["best_step"] == 0 and result["test"] == result["test_before"] and result["gain"][0] == 0.0
    assert [point["value"] for point in result["validation"]] == [8 / 16, 3 / 16, 8 / 16]
    assert lines[-1].endswith("examples: no checkpoint was better by validation, so the start is kept")
    assert f"the model is {plan.model}, as it was" in lines[-2]
    if tuning == "full":  # and `mezo-lab replay` rebuilds the same
        model, _, steps = rebuild_model(out, until=resolve_step(out, "best"))
        assert steps == 0 and torch.equal(weights(model), weights(load_model(plan.model, device="cpu").model))


@pytest.mark.parametrize(("after", "best"), [((9, 12), 10), ((12, 9), 5), ((12, 12), 5)])
def test_the_best_checkpoint_is_tested_and_told_how_to_load(after, best, plan, tmp_path, monkeypatch):
    validating(monkeypatch, 8, *after)
    lines, out = [], tmp_path / "run"
    result = finetune(plan, out, report=lines.append)
    assert result["best_step"] == best
    load = f'AutoModelForCausalLM.from_pretrained("{out}/checkpoint-{best}")'
    assert lines[-2] == f"kept in {out}: {load} loads the model of step {best}"
    before, tested = score_from_record(result["test_before"]), score_from_record(result["test"])
    assert result["gain"] == list(difference(tested, before))
    percent = f"{before.value:.1%} → {tested.value:.1%} on the same 20 examples: "
    gain = f"{100 * result['gain'][0]:+z.1f}".replace("-", "−")
    assert lines[-1].startswith(f"test accuracy  {percent}{gain} points (")
    assert "paired 95 %" in lines[-1]


@pytest.mark.parametrize("tuning", ["full", "lora", "prefix"])
def test_the_first_test_is_that_of_the_model_as_it_was(tuning, plan, tmp_path):
    """A prefix begins as real tokens before the text, which change the answers before anything is trained."""
    result = finetune(replace(plan, tuning=tuning), tmp_path / "run", report=quiet)
    zero_shot = finetune(replace(plan, method="zero-shot"), tmp_path / "zero", report=quiet)
    assert result["test_before"] == zero_shot["test"]


@pytest.mark.parametrize(("steps", "every", "evaluated"), [(10, 4, [0, 4, 8, 10]), (3, 100, [0, 3]), (4, 4, [0, 4])])
def test_the_last_step_competes_too_whatever_lies_between_two_evaluations(steps, every, evaluated, plan, tmp_path):
    result = finetune(replace(plan, steps=steps, every=every), tmp_path / "run", report=quiet)
    assert [point["step"] for point in result["validation"]] == evaluated


def test_what_a_run_costs_is_said_before_its_first_step(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "MEASURABLE", 0.0)
    lines = []
    finetune(replace(plan, probes=3), tmp_path / "run", report=lines.append)
    (told,) = [line for line in lines if line.startswith("to come: ")]
    assert told.startswith("to come: 10 steps of 6 × 8 examples, 2 evaluations of 16, a test of 20; about ")
    assert lines.index(told) < next(i for i, line in enumerate(lines) if line.startswith("step "))


def test_a_batch_has_no_more_examples_than_there_are(plan, tmp_path):
    lines = []
    finetune(replace(plan, steps=1, batch=64), tmp_path / "run", report=lines.append)
    (told,) = [line for line in lines if line.startswith("to come: ")]
    assert told.startswith("to come: 1 step of 2 × 16 examples, ")


@pytest.mark.parametrize(
    ("step", "number", "status"), [(2, signal.SIGTERM, 143), (5, signal.SIGINT, 130), (10, signal.SIGHUP, 129)]
)
def test_a_run_that_was_stopped_has_the_result_of_one_that_was_not(step, number, status, plan, tmp_path, monkeypatch):
    whole = finetune(plan, tmp_path / "whole", report=quiet)
    on_step_end = ProgressCallback.on_step_end

    def interrupted(self, args, state, control, **others):
        if state.global_step == step:
            signal.raise_signal(number)
        on_step_end(self, args, state, control, **others)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressCallback, "on_step_end", interrupted)
        with pytest.raises(Stopped, match=f"stopped after step {step}, which is kept: the same command with") as raised:
            finetune(plan, tmp_path / "parted", report=quiet)
    assert raised.value.code == status
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(before_training, "evaluate_questions", lambda *_, **__: asked.append(1))
        parted = finetune(plan, tmp_path / "parted", resume=True, report=quiet)
    assert not asked  # the start was evaluated once
    assert without_clock(parted) == without_clock(whole)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"test": 3}'])
def test_without_the_record_of_the_start_a_resumed_run_evaluates_it_again(content, plan, tmp_path):
    whole = finetune(plan, tmp_path / "run", report=quiet)
    file = tmp_path / "run" / START
    file.unlink()
    if content is not None:
        file.write_text(content)
    (tmp_path / "run" / RESULT).unlink()
    again = finetune(plan, tmp_path / "run", resume=True, report=quiet)
    assert without_clock(again) == without_clock(whole)


def test_a_run_that_begins_anew_evaluates_its_own_model_first(plan, folder, tmp_path, monkeypatch):
    """A run that was stopped between its two first evaluations has left the score of another model."""
    another = replace(plan, model=folder("gpt2"))

    def stopped(name, *arguments):
        return (
            before_training.score_before_training(name, *arguments)
            if name == "test"
            else signal.raise_signal(signal.SIGINT)
        )

    with monkeypatch.context() as patch, pytest.raises(Stopped, match="the same command without --resume begins anew"):
        patch.setattr("mezo_lab.finetune.run.score_before_training", stopped)
        finetune(plan, tmp_path / "run", report=quiet)
    assert (tmp_path / "run" / START).exists()
    monkeypatch.setattr(
        before_training, "evaluate_questions", lambda model, *_, **__: mean_score("accuracy", [0.5] * 20)
    )
    again = finetune(another, tmp_path / "run", report=quiet)
    assert set(again["test_before"]["each"]) == {0.5}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_nothing_is_trained_stops_at_once(number, status, plan, tmp_path, monkeypatch):
    handlers = [signal.getsignal(each) for each in SIGNALS]
    monkeypatch.setattr("mezo_lab.finetune.run.prepare_run", lambda *_: signal.raise_signal(number))
    told = "stopped at once; there is no checkpoint yet: the same command without --resume begins anew"
    with pytest.raises(Stopped, match=told) as raised:
        finetune(plan, tmp_path / "run", report=quiet)
    assert raised.value.code == status and not (tmp_path / "run").exists()
    assert [signal.getsignal(each) for each in SIGNALS] == handlers


def test_the_second_signal_is_at_once_whichever_came_first():
    interrupts = Interrupts(quiet)
    with interrupts.after_the_step():
        interrupts(signal.SIGTERM)
        assert interrupts.requested and interrupts.code == 143
        with pytest.raises(KeyboardInterrupt):
            interrupts(signal.SIGINT)


def test_a_result_is_strict_json_with_entries_at_fixed_steps(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mezo_lab.finetune.training.callbacks.LINE_EVERY", 0.0
    )  # a line at each step, as on a slow machine
    finetune(replace(plan, steps=300, every=150), tmp_path / "run", report=quiet)
    result = json.loads((tmp_path / "run" / RESULT).read_text(), parse_constant=pytest.fail)
    assert [step for step, _ in result["losses"]] == list(range(3, 301, 3))


def test_the_counts_of_a_resumed_run_are_those_of_all_its_parts(plan, tmp_path, monkeypatch):
    """Steps that were skipped, and probes that saw no difference, before and after the stop."""
    plan = replace(plan, objective="accuracy", epsilon=0.05)
    named, on_step_end = task_trainer.objective_named, ProgressCallback.on_step_end
    now = {"step": 0, "stop": None}

    def failing(name, encoder):
        objective = named(name, encoder)
        return lambda *asked: torch.tensor(float("nan")) if now["step"] in (1, 8) else objective(*asked)

    def begun(self, args, state, control, **others):
        now["step"] = state.global_step

    def ended(self, args, state, control, **others):
        if state.global_step == now["stop"]:
            signal.raise_signal(signal.SIGINT)
        on_step_end(self, args, state, control, **others)

    monkeypatch.setattr(task_trainer, "objective_named", failing)
    monkeypatch.setattr(ProgressCallback, "on_step_begin", begun)
    monkeypatch.setattr(ProgressCallback, "on_step_end", ended)
    whole = finetune(plan, tmp_path / "whole", report=quiet)
    now["stop"] = 6
    with pytest.raises(Stopped):
        finetune(plan, tmp_path / "parted", report=quiet)
    now["stop"] = None
    parted = finetune(plan, tmp_path / "parted", resume=True, report=quiet)
    assert whole["skipped"] == 2 and 0 < whole["zero_gradients"] <= 1
    assert [step for step, loss in whole["losses"] if loss is None] == [2, 9]
    assert without_clock(parted) == without_clock(whole)


@pytest.mark.parametrize(
    "law", ["rademacher", "gaussian", "uniform", "three-point", "sphere", "coordinate", "orthogonal"]
)
def test_the_window_of_a_rule_is_told_with_its_cost(law, plan, monkeypatch):
    monkeypatch.setattr(cost, "SAMPLE", 2**10)
    told = cost.window_cost_line(135_000_000, replace(plan, law=law, rule="adam", probes=2, steps=20_000))
    assert "for each of the last min(t, 1,000) steps, 2,000 of 135,000,000 numbers in the end, some " in told
    seconds = float(told.partition("some ")[2].partition(" s a step")[0].replace(",", ""))
    assert seconds > 1  # a z of so many numbers takes no less than half a millisecond anywhere


@pytest.mark.parametrize("rule", ["adam", "momentum", "sgd"])
def test_only_a_rule_with_a_long_window_is_told(rule, plan, tmp_path):
    lines = []
    finetune(replace(plan, rule=rule, steps=2, every=2), tmp_path / "run", report=lines.append)
    told = [i for i, line in enumerate(lines) if line.startswith(f"--rule {rule} stores no moments")]
    assert len(told) == (rule != "sgd")
    assert all(i < next(j for j, line in enumerate(lines) if line.startswith("step ")) for i in told)
