"""One overridden step: the losses of MeZO come from the Trainer's own `compute_loss`, and nothing else is new."""

import math
import warnings

import pytest
import torch

from mezo_lab.optim import MeZO

transformers = pytest.importorskip("transformers")

from mezo_lab.finetune.training.trainer import MeZOTrainer  # noqa: E402

EPSILON = 1e-3
# two float32 losses between 2 and 4, each off by up to 4 units in the last place; observed: 1 unit
ROUNDING = 2 * 4 * 2**-22 / (2 * EPSILON)


class Meaning(MeZOTrainer):
    """Its loss is the mean over a micro-batch, whatever else there is; and it is seen when it is asked."""

    loss_is_scaled_for_ga = False

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        self.seen = [*getattr(self, "seen", []), model.training]
        return super().compute_loss(model, inputs, return_outputs)


def per_item(outputs, labels, num_items_in_batch):
    """A user's own loss, as the Trainer wants it: a sum, divided by the items of all micro-batches."""
    return torch.nn.functional.cross_entropy(outputs.logits, labels, reduction="sum") / num_items_in_batch


def batch_of(rows) -> dict[str, torch.Tensor]:
    return transformers.default_data_collator(rows)


@pytest.mark.parametrize("fused", [False, True])
def test_the_weights_are_those_of_the_optimizer_alone(trainer, classifier, texts, equal, fused):
    by_trainer, by_hand = classifier(), classifier().eval()
    trainer(by_trainer, texts, opt={"fused": fused}).train()
    opt = MeZO(by_hand.named_parameters(), lr=1e-2, seed=5, fused=fused)
    for first in (0, 4, 8):
        batch = batch_of(texts[first : first + 4])
        opt.step(lambda batch=batch: by_hand(**batch).loss)
    opt.flush()
    assert equal(by_trainer, by_hand)
    assert not equal(by_trainer, classifier())


def test_nothing_runs_backward_and_no_gradient_is_allocated(trainer, classifier, texts, monkeypatch):
    model = classifier()
    built = trainer(model, texts, args={"gradient_accumulation_steps": 2})
    monkeypatch.setattr(torch.Tensor, "backward", lambda *args, **settings: pytest.fail("backward was called"))
    built.train()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert built.optimizer.state == {}


LOSSES = {
    "of tokens": {},
    "of rows": {},  # of a model that is told how many there are, and does not ask
    "smoothed": {"args": {"label_smoothing_factor": 0.1}},
    "of a function": {"compute_loss_func": per_item},
    "of means": {"kind": Meaning},
}


@pytest.mark.parametrize("loss", LOSSES)
def test_micro_batches_make_the_step_of_one_big_batch(
    trainer, steps, language_model, classifier, sentences, texts, loss
):
    """Of 8 sequences; by threes, the last micro-batch is smaller than the others."""
    settings = dict(LOSSES[loss])
    args = settings.pop("args", {}) | {"max_steps": 1}
    model, data = (language_model, sentences) if loss in ("of tokens", "smoothed") else (classifier, texts)
    found = {}
    for micro in (8, 4, 3, 1) if loss != "of means" else (8, 4, 1):
        sizes = {"per_device_train_batch_size": micro, "gradient_accumulation_steps": math.ceil(8 / micro)}
        built = trainer(model(), data[:8], args=args | sizes, **settings)
        found[micro] = (*steps(built), built.state.log_history[0]["loss"])
    assert all(pg == pytest.approx(found[8][0], abs=ROUNDING) for pg, _ in found.values())
    assert all(logged == pytest.approx(found[8][1], abs=4 * 2**-22) for _, logged in found.values())


def test_a_mean_of_means_would_be_another_step(trainer, steps, language_model, sentences):
    """The control of the test above: it tells a mean over tokens from one over micro-batches."""
    args = {"max_steps": 1, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}
    (tokens,), (means,) = (
        steps(trainer(language_model(), sentences, args=args, kind=kind)) for kind in (MeZOTrainer, Meaning)
    )
    assert abs(tokens - means) > 10 * ROUNDING


def test_the_last_group_of_an_epoch_may_be_shorter(trainer, steps, language_model, sentences):
    """12 sentences, two at a time, four times: steps over 8 and over 4."""
    args = {"max_steps": -1, "num_train_epochs": 1}
    sizes = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    found = steps(trainer(language_model(), sentences, args=args | sizes))
    model = language_model().eval()
    opt = MeZO(model.named_parameters(), lr=1e-2, seed=5)
    for number, rows in enumerate((sentences[:8], sentences[8:])):
        opt.step(lambda rows=rows: model(**batch_of(rows)).loss)
        assert found[number] == pytest.approx(opt.history[-1].projected[0], abs=ROUNDING)
    assert len(found) == 2


def test_an_epoch_that_ends_in_the_middle_of_a_step_leaves_nothing_to_the_next(trainer, classifier, texts):
    class Ending(transformers.TrainerCallback):
        ended = False

        def on_substep_end(self, args, state, control, **others):
            if state.global_step == 1:
                control.should_epoch_stop, self.ended = not self.ended, True

    built = trainer(classifier(), texts, args={"gradient_accumulation_steps": 2}, callbacks=[Ending()])
    sizes, probe = [], built.mezo.probe
    built.mezo.probe = lambda closure, batches: sizes.append(len(batches)) or probe(closure, batches)
    built.train()
    assert sizes == [2, 2, 2]


def test_each_probe_may_have_a_micro_batch_to_itself(trainer, steps, language_model, sentences):
    """Algorithm 2; the pg of probe k is that of a run with its z and its sentences, weighted by their tokens."""
    settings = {"probes": 3, "fresh_batches": True, "exact": True}
    args = {"max_steps": 1, "gradient_accumulation_steps": 3}
    found = steps(trainer(language_model(), sentences, opt=settings, args=args))
    model = language_model().eval()
    opt = MeZO(model.named_parameters(), lr=1e-2, seed=5, **settings)
    batches = [batch_of(sentences[first : first + 4]) for first in (0, 4, 8)]
    tokens = [int((batch["labels"][:, 1:] != -100).sum()) for batch in batches]
    opt.step(lambda batch: model(**batch).loss, batches)
    expected = [pg * 3 * count / sum(tokens) for pg, count in zip(opt.history[-1].projected, tokens, strict=True)]
    assert found == pytest.approx(expected, abs=2 * ROUNDING)


def test_a_micro_batch_without_a_label_adds_nothing(trainer, steps, language_model, sentences):
    empty = sentences[0] | {"labels": torch.full((8,), -100)}
    args = {"max_steps": 1, "per_device_train_batch_size": 1}
    (alone,) = steps(trainer(language_model(), sentences[1:], args=args))
    (beside,) = steps(
        trainer(language_model(), [empty, *sentences[1:]], args=args | {"gradient_accumulation_steps": 2})
    )
    assert beside == pytest.approx(alone, abs=ROUNDING)


def test_the_model_is_probed_in_eval_mode(trainer, classifier, texts):
    built = trainer(classifier(dropout=0.5), texts, opt={"check_closure": True}, kind=Meaning)
    built.train()
    assert built.seen == [False] * 8  # a first and a second look, and three steps of two


def test_common_random_numbers_probe_in_train_mode_with_one_mask(trainer, classifier, texts):
    crn = {"common_random_numbers": True, "check_closure": True}
    built = trainer(classifier(dropout=0.5), texts, opt=crn, kind=Meaning)
    built.train()
    assert built.seen == [True] * 8


def test_masks_that_differ_are_seen(trainer, classifier, texts):
    """The control of the two tests above."""

    class Training(Meaning):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            return super().compute_loss(model.train(), inputs, return_outputs)

    built = trainer(classifier(dropout=0.5), texts, opt={"check_closure": True}, kind=Training)
    with pytest.raises(ValueError, match="`closure` must give the same loss at the same point"):
        built.train()


@pytest.mark.parametrize("filtered", [True, False])
def test_a_loss_that_is_not_finite_moves_nothing_and_training_goes_on(trainer, classifier, texts, equal, filtered):
    class Failing(MeZOTrainer):
        def compute_loss(self, *args, **settings):
            return super().compute_loss(*args, **settings) * (math.nan if self.state.global_step == 1 else 1)

    models = [classifier(), classifier()]
    args = {"max_steps": 2, "logging_nan_inf_filter": filtered}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for model, steps in zip(models, (1, 2), strict=True):
            built = trainer(model, texts, opt={"exact": True}, args=args | {"max_steps": steps}, kind=Failing)
            built.train()
    assert [str(warning.message) for warning in warned] == ["step 1 has a loss that is not finite, and moves nothing."]
    assert equal(*models)
    assert built.state.global_step == 2
    assert built.state.log_history[1]["loss"] is None  # neither NaN, which is no JSON, nor the 0 of the filter


def test_the_logs_show_the_projected_gradient_and_not_a_norm_of_nothing(trainer, steps, classifier, texts):
    built = trainer(classifier(), texts)
    found = steps(built)
    *logs, _ = built.state.log_history
    assert [entry["projected_gradient"] for entry in logs] == [pytest.approx(abs(pg), rel=1e-12) for pg in found]
    assert all(entry["zero_gradients"] == 0 and entry["learning_rate"] == 1e-2 for entry in logs)
    assert not any("grad_norm" in entry for entry in logs)


def test_the_logs_show_how_often_an_objective_did_not_change(trainer, classifier, texts):
    """As accuracy, which is the same on both sides of most probes."""

    class Accuracy(MeZOTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            labels = inputs.pop("labels")
            return (model(**inputs).logits.argmax(-1) != labels).float().mean()

    built = trainer(classifier(), texts, opt={"epsilon": 1e-6}, kind=Accuracy)
    built.train()
    assert built.state.log_history[-2]["zero_gradients"] == 1


@pytest.mark.filterwarnings("ignore:`max_grad_norm` is ignored by MeZO")
def test_max_grad_norm_clips_nothing_and_clip_does(trainer, classifier, texts, equal):
    models = {}
    for name, norm, clip in (("loose", 1.0, None), ("tight", 1e-9, None), ("clipped", 1.0, 1e-9)):
        models[name] = classifier()
        trainer(models[name], texts, opt={"clip": clip}, args={"max_grad_norm": norm}).train()
    assert equal(models["loose"], models["tight"])
    assert not equal(models["loose"], models["clipped"])
