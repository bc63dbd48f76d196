"""What cannot work is refused when the trainer is built, or before the first step, with the remedy."""

import pytest
import torch

from mezo_lab.optim import MeZO

transformers = pytest.importorskip("transformers")

from mezo_lab.finetune.training.trainer import MeZOTrainer  # noqa: E402


@pytest.fixture
def args(tmp_path):
    return transformers.TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", max_steps=1)


@pytest.mark.parametrize("name", ["fp16", "deepspeed", "fsdp"])
def test_ways_to_keep_gradients_are_refused(classifier, args, name):
    setattr(args, name, True)
    with pytest.raises(ValueError, match=f"`{name}` must be off, got True: (no|there are no) gradient"):
        MeZOTrainer(classifier(), args)


@pytest.mark.parametrize("name", ["deepspeed", "fsdp"])
def test_what_the_launcher_asks_for_is_refused_too(classifier, args, monkeypatch, name):
    create = transformers.Trainer.create_accelerator_and_postprocess

    def launched(self):
        create(self)
        setattr(self, f"is_{name}_enabled", True)

    monkeypatch.setattr(transformers.Trainer, "create_accelerator_and_postprocess", launched)
    with pytest.raises(ValueError, match=f"`{name}` must be off, got True: there are no gradients"):
        MeZOTrainer(classifier(), args)


def test_another_optimizer_is_refused(classifier, args):
    model = classifier()
    adam = torch.optim.AdamW(model.parameters())
    with pytest.raises(TypeError, match=r"`optimizers` must hold a MeZO, got AdamW: give it one, or \(None, None\)"):
        MeZOTrainer(model, args, optimizers=(adam, None))
    with pytest.raises(TypeError, match="`optimizers` must hold a MeZO, got AdamW"):
        MeZOTrainer(model, args, optimizer_cls_and_kwargs=(torch.optim.AdamW, {"lr": 1e-3}))


def test_an_optimizer_of_another_model_is_refused(classifier, args):
    model, other = classifier(), classifier()
    mixed = [*model.parameters(), torch.nn.Parameter(torch.ones(2))]
    for params in (other.named_parameters(), mixed):
        with pytest.raises(ValueError, match=r"`optimizers` must hold a MeZO of the parameters of `model`, got other"):
            MeZOTrainer(model, args, optimizers=(MeZO(params, lr=1e-3), None))
    MeZOTrainer(model, args, optimizers=(MeZO([model.classifier.weight], lr=1e-3), None))  # the control: some of them


def test_a_model_that_is_wrapped_already_is_refused(classifier, args):
    with pytest.raises(ValueError, match=r"`model` must not be wrapped, got a DataParallel: pass .*`model.module`"):
        MeZOTrainer(torch.nn.DataParallel(classifier()), args)


def test_an_optimizer_that_knows_nothing_of_the_other_processes_is_refused(classifier, texts, args, monkeypatch):
    model = classifier()
    built = MeZOTrainer(model, args, train_dataset=texts, optimizers=(MeZO(model.named_parameters(), lr=1e-3), None))
    monkeypatch.setattr(type(args), "world_size", 2)
    with pytest.raises(
        ValueError, match="`optimizers` must hold a MeZO of 2 processes, got one of 1: parallel='batch'"
    ):
        built.create_optimizer()


def test_a_loss_of_many_numbers_is_refused(trainer, classifier, texts, equal):
    class Unreduced(MeZOTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            return model(**inputs).logits

    model = classifier()
    with pytest.raises(ValueError, match=r"`closure` must return one number, got a tensor of shape \(4, 2\)"):
        trainer(model, texts, opt={"exact": True}, kind=Unreduced).train()
    assert equal(model, classifier())


IGNORED = [
    ("optim", "adafactor", r"`optim` is ignored by MeZO, got .*adafactor.*: rule chooses its update"),
    ("max_grad_norm", 0.5, r"`max_grad_norm` is ignored by MeZO, got 0.5: there is no gradient to clip; clip bounds"),
    ("learning_rate", 3e-4, r"`learning_rate` is ignored, got 0.0003, as the MeZO .*: MeZO\(…, lr=0.0003\), or"),
    ("weight_decay", 0.1, r"`weight_decay` is ignored, got 0.1, as the MeZO .*: MeZO\(…, weight_decay=0.1\), or"),
]


@pytest.mark.parametrize(("name", "value", "message"), IGNORED)
def test_a_setting_that_somebody_chose_and_no_step_reads_is_warned_of(trainer, classifier, texts, name, value, message):
    with pytest.warns(UserWarning, match=message) as told:
        trainer(classifier(), texts, args={name: value})
    assert len([warning for warning in told if "is ignored" in str(warning.message)]) == 1


def test_what_nobody_chose_and_what_agrees_are_not_warned_of(trainer, classifier, texts):
    trainer(classifier(), texts)  # warnings are errors here
    trainer(
        classifier(), texts, opt={"lr": 3e-4, "weight_decay": 0.1}, args={"learning_rate": 3e-4, "weight_decay": 0.1}
    )
    trainer(classifier(), texts, args={"max_grad_norm": 0.0})  # no clipping is what there is


def test_a_mezo_made_of_the_arguments_takes_its_rate_and_decay_from_them(classifier, texts, tmp_path):
    args = transformers.TrainingArguments(str(tmp_path), use_cpu=True, learning_rate=3e-4, weight_decay=0.1)
    built = MeZOTrainer(classifier(), args, train_dataset=texts)  # without a warning
    built.create_optimizer()
    groups = built.mezo.param_groups
    assert {group["lr"] for group in groups} == {3e-4} and {group["weight_decay"] for group in groups} == {0.1, 0.0}


def test_defaults_of_other_arguments_are_their_own(trainer, classifier, texts, tmp_path):
    """Arguments of trl, such as SFTConfig, have another learning rate by default, which nobody chose either."""
    from dataclasses import dataclass

    @dataclass
    class Config(transformers.TrainingArguments):
        learning_rate: float = 2e-5

    model = classifier()
    opt = MeZO(model.named_parameters(), lr=1e-3)
    MeZOTrainer(model, Config(str(tmp_path), use_cpu=True), train_dataset=texts, optimizers=(opt, None))
    with pytest.warns(UserWarning, match="`learning_rate` is ignored, got 5e-05"):
        args = Config(str(tmp_path), use_cpu=True, learning_rate=5e-5)
        MeZOTrainer(model, args, train_dataset=texts, optimizers=(opt, None))
