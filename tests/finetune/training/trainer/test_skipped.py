"""A step whose loss is not finite leaves the later entries of the log as they are, and shows in none as a number."""

import json
import math
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from mezo_lab.finetune.training.trainer import MeZOTrainer


def failing(*steps: int, value: float = math.nan):
    """A trainer whose loss is `value` in these steps."""

    class Failing(MeZOTrainer):
        def compute_loss(self, *args, **settings):
            loss = super().compute_loss(*args, **settings)
            return loss * 0 + value if self.state.global_step in steps else loss

    return Failing


def run(trainer, classifier, texts, steps=(), value=math.nan, **args):
    built = trainer(classifier(), texts, args={"max_steps": 6} | args, kind=failing(*steps, value=value))
    output = built.train()
    built.state.save_to_json(built.args.output_dir + "/state.json")
    strict = json.loads(Path(built.args.output_dir, "state.json").read_text(), parse_constant=pytest.fail)
    return [entry for entry in strict["log_history"] if "loss" in entry], output, strict["log_history"][-1]


@pytest.mark.filterwarnings("ignore:.*loss that is not finite")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("filtered", [True, False])  # the Trainer's default shows 0.0, and NaN for ever without it
def test_the_entries_of_the_other_steps_are_as_they_would_have_been(trainer, classifier, texts, filtered, value):
    settings = {"logging_nan_inf_filter": filtered}
    whole, _, _ = run(trainer, classifier, texts, **settings)
    found, output, last = run(trainer, classifier, texts, steps=(0, 3), value=value, **settings)
    assert [entry["loss"] is None for entry in found] == [step in (0, 3) for step in range(6)]
    assert [entry["projected_gradient"] is None for entry in found] == [step in (0, 3) for step in range(6)]
    assert [entry["skipped"] for entry in found] == [1, 1, 1, 2, 2, 2]
    finite = [entry["loss"] for entry in found if entry["loss"] is not None]
    assert output.training_loss == pytest.approx(sum(finite) / 4) == last["train_loss"]
    assert len(whole) == 6 and all(entry["skipped"] == 0 for entry in whole)  # control


@pytest.mark.filterwarnings("ignore:.*loss that is not finite")
@pytest.mark.parametrize("filtered", [True, False])
def test_an_entry_of_several_steps_is_the_mean_of_the_finite_ones(trainer, classifier, texts, filtered):
    each, _, _ = run(trainer, classifier, texts, steps=(1,), logging_steps=1)
    found, _, _ = run(trainer, classifier, texts, steps=(1,), logging_steps=3, logging_nan_inf_filter=filtered)
    losses = [entry["loss"] for entry in each]
    assert [entry["loss"] for entry in found] == pytest.approx([(losses[0] + losses[2]) / 2, sum(losses[3:]) / 3])


@pytest.mark.filterwarnings("ignore:.*loss that is not finite")
def test_micro_batches_count_as_one_step(trainer, classifier, texts):
    found, _, _ = run(trainer, classifier, texts, steps=(2,), gradient_accumulation_steps=2)
    assert [entry["loss"] is None for entry in found] == [step == 2 for step in range(6)]


@pytest.mark.filterwarnings("ignore:.*loss that is not finite")
def test_a_training_without_a_finite_loss_has_no_loss(trainer, classifier, texts):
    found, output, last = run(trainer, classifier, texts, steps=range(6))
    assert [entry["loss"] for entry in found] == [None] * 6 and found[-1]["skipped"] == 6
    assert math.isnan(output.training_loss) and last["train_loss"] is None


def test_the_second_training_of_a_trainer_begins_to_count_anew(trainer, classifier, texts):
    built = trainer(classifier(), texts)
    first, second = built.train().training_loss, built.train().training_loss
    each = [entry["loss"] for entry in built.state.log_history if "loss" in entry]
    assert second == pytest.approx(sum(each) / len(each)) != first


class Batches(TrainerCallback):
    def __init__(self):
        self.sizes = []

    def on_step_begin(self, args, state, control, **others):
        self.sizes.append(args.train_batch_size)


@pytest.mark.parametrize("count", [2, 8])
def test_several_gpus_in_one_process_leave_the_model_unwrapped_and_the_batch_as_it_was(
    count, trainer, classifier, texts, monkeypatch
):
    """As the Trainer finds them; faked, for what it does with that number."""
    import transformers

    one = trainer(classifier(), texts)
    one.train()
    monkeypatch.setattr(transformers.TrainingArguments, "n_gpu", property(lambda self: self.__dict__["_n_gpu"]))
    arguments = transformers.TrainingArguments

    def with_gpus(*given, **settings):
        made = arguments(*given, **settings)
        made._n_gpu = count
        return made

    monkeypatch.setattr(transformers, "TrainingArguments", with_gpus)
    seen = Batches()
    with pytest.warns(UserWarning, match=rf"{count} GPUs are visible and this process takes one, cpu: torchrun "):
        built = trainer(classifier(), texts, callbacks=[seen])
    built.train()
    assert built.model_wrapped is built.model and not isinstance(built.model_wrapped, torch.nn.DataParallel)
    assert seen.sizes == [4, 4, 4]
    losses = [[entry["loss"] for entry in each.state.log_history if "loss" in entry] for each in (one, built)]
    assert losses[0] == losses[1]
