"""A run that stops and resumes from a checkpoint makes the steps of one that went through, to the last bit."""

import pytest
import torch

transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402

CHECKPOINTS = {"save_strategy": "steps", "save_steps": 3, "max_steps": 6, "lr_scheduler_type": "linear"}
RUNS = {
    "plain": (torch.float32, {}),
    "fused": (torch.float32, {"fused": True, "weight_decay": 0.1}),
    "bfloat16": (torch.bfloat16, {"exact": False}),
    "bfloat16, exact": (torch.bfloat16, {"exact": True}),
    "bfloat16, exact, fused": (torch.bfloat16, {"exact": True, "fused": True}),
    "momentum": (torch.float32, {"rule": "momentum"}),
    "residual feedback": (torch.float32, {"estimator": "residual-feedback"}),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_resumed_run_ends_at_the_weights_of_a_whole_one(trainer, language_model, sentences, equal, run):
    """With a schedule, micro-batches and shuffled data."""
    dtype, opt = RUNS[run]
    whole, resumed = language_model(dtype=dtype), language_model(dtype=dtype)
    epochs = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2, "train_sampling_strategy": "random"}
    args = CHECKPOINTS | epochs
    first = trainer(whole, sentences, opt=opt, args=args)
    first.train()
    checkpoint = f"{first.args.output_dir}/checkpoint-3"
    trainer(resumed, sentences, opt=opt, args=args).train(resume_from_checkpoint=checkpoint)
    assert equal(resumed, whole)


def test_the_state_of_the_optimizer_is_part_of_the_checkpoint(trainer, language_model, sentences, equal):
    """The control of the test above: the weights alone would begin again with the first z."""
    whole, resumed = language_model(), language_model()
    first = trainer(whole, sentences, args=CHECKPOINTS | {"save_only_model": True})
    first.train()
    checkpoint = f"{first.args.output_dir}/checkpoint-3"
    trainer(resumed, sentences, args=CHECKPOINTS).train(resume_from_checkpoint=checkpoint)
    assert not equal(resumed, whole)


@pytest.mark.parametrize("exact", [False, True])
def test_the_state_of_the_optimizer_needs_no_trust_to_be_read(trainer, language_model, sentences, exact):
    built = trainer(language_model(), sentences, opt={"exact": exact, "rule": "momentum"}, args=CHECKPOINTS)
    built.train()
    state = torch.load(f"{built.args.output_dir}/checkpoint-3/optimizer.pt", weights_only=True)
    assert state["mezo"]["steps"] == 3
    assert (state["mezo"]["masters"] is not None) == exact


@pytest.mark.parametrize("fused", [False, True])
def test_checkpoints_hold_the_weights_and_not_a_probe_of_them(trainer, language_model, sentences, equal, fused):
    """A run that ends where another has its checkpoint has the same weights."""
    longer, shorter = language_model(), language_model()
    settings = {"opt": {"fused": fused}, "args": CHECKPOINTS | {"lr_scheduler_type": "constant"}}
    built = trainer(longer, sentences, **settings)
    built.train()
    trainer(shorter, sentences, opt={"fused": fused}, args={"max_steps": 3}).train()
    saved = load_file(f"{built.args.output_dir}/checkpoint-3/model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in shorter.named_parameters() if name in saved)
    assert not equal(longer, shorter)


@pytest.mark.parametrize("fused", [False, True])
def test_an_evaluation_sees_the_weights_and_not_a_probe_of_them(trainer, language_model, sentences, fused):
    class Seeing(transformers.TrainerCallback):
        displaced = ()

        def on_step_end(self, args, state, control, optimizer=None, **others):
            self.displaced += (optimizer.optimizer._engine.displaced,)

        on_prediction_step = on_step_end

    seeing = Seeing()
    args = {"max_steps": 2, "eval_strategy": "steps", "eval_steps": 2, "per_device_eval_batch_size": 12}
    trainer(
        language_model(), sentences, opt={"fused": fused}, args=args, eval_dataset=sentences, callbacks=[seeing]
    ).train()
    assert seeing.displaced == (fused, fused, False)  # after two steps, and in the evaluation


def test_a_model_that_is_saved_in_the_middle_is_not_a_probe(trainer, language_model, sentences, tmp_path):
    class Saving(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **others):
            built.save_model(tmp_path / f"step {state.global_step}")

    model = language_model()
    built = trainer(model, sentences, opt={"fused": True}, callbacks=[Saving()])
    built.train()
    saved = load_file(tmp_path / "step 3/model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.named_parameters() if name in saved)
