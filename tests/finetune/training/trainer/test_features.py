"""What a Trainer can do, a MeZOTrainer can: callbacks, logs, evaluation, checkpoints, schedules, sampling, autocast."""

from pathlib import Path

import pytest
import torch

from mezo_lab.optim import MeZO

transformers = pytest.importorskip("transformers")

from mezo_lab.finetune.training.trainer import MeZOTrainer  # noqa: E402

EVERY_TWO = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2, "max_steps": 6}


def accuracy(prediction) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def checkpoints(trainer) -> list[str]:
    return sorted(path.name for path in Path(trainer.args.output_dir).glob("checkpoint-*"))


def evaluations(trainer, name: str) -> list[float]:
    return [entry[f"eval_{name}"] for entry in trainer.state.log_history if f"eval_{name}" in entry]


EVENTS = ("train_begin", "step_begin", "substep_end", "pre_optimizer_step", "optimizer_step", "step_end", "train_end")


def test_callbacks_are_called_at_every_event(trainer, classifier, texts):
    events = []

    def noting(name):
        return lambda self, args, state, control, **others: events.append(name)

    noted = type("Noted", (transformers.TrainerCallback,), {f"on_{name}": noting(name) for name in EVENTS})
    args = {"max_steps": 2, "gradient_accumulation_steps": 2}
    trainer(classifier(), texts, args=args, callbacks=[noted()]).train()
    begin, *step, end = EVENTS
    assert events == [begin, *step, *step, end]


def test_tensorboard_is_written(trainer, classifier, texts, tmp_path, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    built = trainer(classifier(), texts, args={"report_to": "tensorboard"})
    built.train()
    events = accumulator.EventAccumulator(str(tmp_path / "board")).Reload()
    for name in ("loss", "learning_rate", "projected_gradient", "zero_gradients"):
        found = [event.value for event in events.Scalars(f"train/{name}")]
        logged = [entry[name] for entry in built.state.log_history if name in entry]
        assert found == pytest.approx(logged, rel=1e-6), name  # float32


def test_evaluation_comes_every_k_steps_with_its_metrics(trainer, classifier, texts):
    model = classifier()
    built = trainer(model, texts, args=EVERY_TWO, eval_dataset=texts[:8], compute_metrics=accuracy)
    built.train()
    assert [entry["step"] for entry in built.state.log_history if "eval_accuracy" in entry] == [2, 4, 6]
    with torch.no_grad():
        by_hand = model.eval()(**transformers.default_data_collator(texts[:8]))
    assert evaluations(built, "loss")[-1] == pytest.approx(float(by_hand.loss), rel=1e-6)
    right = [int(row["labels"]) == int(guess) for row, guess in zip(texts, by_hand.logits.argmax(-1), strict=False)]
    assert evaluations(built, "accuracy")[-1] == sum(right) / 8


@pytest.mark.parametrize("fused", [False, True])
def test_the_best_model_is_loaded_at_the_end_and_its_checkpoint_is_kept(trainer, classifier, texts, equal, fused):
    scores, model = iter([1.0, 3.0, 2.0]), classifier()
    best = {"load_best_model_at_end": True, "metric_for_best_model": "score", "save_total_limit": 1}
    built = trainer(
        model,
        texts,
        opt={"fused": fused},
        args=EVERY_TWO | best,
        eval_dataset=texts,
        compute_metrics=lambda _: {"score": next(scores)},
    )
    built.train()
    assert checkpoints(built) == ["checkpoint-4"]
    kept = transformers.AutoModelForSequenceClassification.from_pretrained(f"{built.args.output_dir}/checkpoint-4")
    assert equal(model, kept)


def test_a_limit_removes_the_oldest_checkpoints(trainer, classifier, texts):
    built = trainer(classifier(), texts, args=EVERY_TWO | {"eval_strategy": "no", "save_total_limit": 2})
    built.train()
    assert checkpoints(built) == ["checkpoint-4", "checkpoint-6"]


RATES = {
    "linear": [1.0, 0.75, 0.5, 0.25],
    "constant": [1.0] * 4,
    "constant_with_warmup": [0.0, 0.5, 1.0, 1.0],
    "cosine": [(1 + torch.tensor(torch.pi * n / 4).cos().item()) / 2 for n in range(4)],
}


@pytest.mark.parametrize("schedule", RATES)
def test_steps_are_made_at_the_rates_of_the_schedule(trainer, classifier, texts, schedule):
    warmup = {"warmup_steps": 2} if "warmup" in schedule else {}
    built = trainer(classifier(), texts, args={"lr_scheduler_type": schedule, "max_steps": 4} | warmup)
    made, make = [], built.mezo._update
    built.mezo._update = lambda projected, rates: made.extend(rates) or make(projected, rates)
    built.train()
    assert made == pytest.approx([1e-2 * rate for rate in RATES[schedule]], rel=1e-6)


def test_a_schedule_may_wait_for_the_evaluation(trainer, classifier, texts):
    args = EVERY_TWO | {"lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": {"patience": 0}}
    built = trainer(
        classifier(),
        texts,
        args=args | {"metric_for_best_model": "score", "greater_is_better": False},
        eval_dataset=texts,
        compute_metrics=lambda _: {"score": 1.0},
    )
    built.train()
    rates = [entry["learning_rate"] for entry in built.state.log_history if "learning_rate" in entry]
    assert rates == pytest.approx([1e-2] * 4 + [1e-3] * 2)


def test_the_order_of_the_data_is_that_of_the_seed(trainer, classifier, texts, equal):
    models = [classifier() for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        trainer(model, texts, args={"train_sampling_strategy": "random", "data_seed": seed}).train()
    assert equal(models[0], models[1])
    assert not equal(models[0], models[2])


def test_epochs_are_counted(trainer, classifier, texts):
    built = trainer(classifier(), texts, args={"max_steps": -1, "num_train_epochs": 2})
    assert built.train().global_step == 8
    assert built.state.epoch == 2


class Wave(torch.nn.Module):
    """A model that knows nothing of transformers."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(3, 2)

    def forward(self, x, target):
        logits = self.line(x)
        return {"loss": torch.nn.functional.cross_entropy(logits, target), "logits": logits}


@pytest.mark.parametrize("named", [True, False])
def test_labels_may_have_another_name(trainer, named):
    data = [{"x": torch.arange(3.0) + n, "target": n % 2} for n in range(8)]
    built = trainer(Wave(), data, args={"label_names": ["target"]} if named else {})
    built.train()
    labels = built.predict(data).label_ids
    assert labels.tolist() == [0, 1] * 4 if named else labels is None


@pytest.mark.parametrize("bf16", [False, True])
def test_autocast_computes_in_bfloat16_and_leaves_the_weights_in_float32(trainer, classifier, texts, equal, bf16):
    model, seen = classifier(), set()
    model.classifier.register_forward_hook(lambda module, args, out: seen.add(out.dtype))
    trainer(model, texts, args={"bf16": bf16}).train()
    assert seen == {torch.bfloat16 if bf16 else torch.float32}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not equal(model, classifier())


def arguments(folder, **settings):
    return transformers.TrainingArguments(
        str(folder), use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no", **settings
    )


def test_an_optimizer_is_made_of_the_arguments(classifier, texts, tmp_path):
    args = arguments(tmp_path, max_steps=2, learning_rate=1e-3, weight_decay=0.5, seed=3)
    built = MeZOTrainer(classifier(), args, train_dataset=texts, optimizer_cls_and_kwargs=(MeZO, {"probes": 2}))
    built.train()
    assert (built.mezo.seed, built.mezo.probes, built.mezo.steps) == (3, 2, 2)
    assert [group["initial_lr"] for group in built.mezo.param_groups] == [1e-3] * 2
    decays = {name: group["weight_decay"] for group in built.mezo.param_groups for name in group["param_names"]}
    assert decays["classifier.weight"] == 0.5
    assert decays["classifier.bias"] == decays["bert.embeddings.LayerNorm.weight"] == 0
    assert decays.keys() == dict(built.model.named_parameters()).keys()


def test_frozen_parameters_are_left_alone(classifier, texts, tmp_path):
    model, before = classifier(), classifier()
    model.bert.requires_grad_(False)
    MeZOTrainer(model, arguments(tmp_path, max_steps=2, learning_rate=1e-2), train_dataset=texts).train()
    moved = {name for name, tensor in model.named_parameters() if not torch.equal(tensor, before.get_parameter(name))}
    assert moved == {"classifier.weight", "classifier.bias"}


def test_a_model_may_be_made_anew_for_each_training(classifier, texts, tmp_path):
    built = MeZOTrainer(args=arguments(tmp_path, max_steps=2), train_dataset=texts, model_init=lambda: classifier())
    losses = [built.train().training_loss for _ in range(2)]
    assert losses[0] == losses[1]


def test_a_second_training_goes_on_with_new_directions(trainer, classifier, texts):
    built = trainer(classifier(), texts)
    built.train()
    built.train()
    assert built.mezo.steps == 6


class Pairs(MeZOTrainer, transformers.Seq2SeqTrainer):
    """The mixin that the docstring names."""


def test_the_trainer_of_sequence_pairs_becomes_one_of_mezo_as_a_mixin(tmp_path):
    sizes = {"vocab_size": 24, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    tokens = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
    model = transformers.AutoModelForSeq2SeqLM.from_config(transformers.AutoConfig.for_model("t5", **sizes, **tokens))
    rows = torch.randint(2, 24, (8, 6), generator=torch.Generator().manual_seed(0))
    data = [{"input_ids": row, "labels": row} for row in rows]
    args = transformers.Seq2SeqTrainingArguments(
        str(tmp_path),
        max_steps=3,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        predict_with_generate=True,
        generation_max_length=4,
    )
    scored = {"compute_metrics": lambda found: {"tokens": float(found.predictions.ndim == 2)}}  # not logits
    before = [parameter.detach().clone() for parameter in model.parameters()]
    opt = MeZO(model.named_parameters(), lr=1e-3, compiled=False)
    pairs = Pairs(model, args, train_dataset=data, eval_dataset=data, optimizers=(opt, None), **scored)
    pairs.remove_callback(transformers.PrinterCallback)
    assert pairs.train().global_step == opt.steps == 3
    assert pairs.evaluate()["eval_tokens"] == 1
    assert all(parameter.grad is None for parameter in model.parameters())
    assert any(not torch.equal(*pair) for pair in zip(model.parameters(), before, strict=True))
