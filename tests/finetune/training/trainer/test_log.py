"""The log of a run rebuilds its weights, however often the run was broken off and resumed."""

import shutil

import pytest

from mezo_lab.optim import RunLog, replay
from mezo_lab.optim.log import LogError

transformers = pytest.importorskip("transformers")

CHECKPOINTS = {"save_strategy": "steps", "save_steps": 2, "max_steps": 6, "lr_scheduler_type": "cosine"}
MODES = {"plain": {}, "fused": {"fused": True}, "exact, fused": {"exact": True, "fused": True}}


@pytest.fixture
def rebuilt(classifier):
    """The model that a log leads to."""

    def rebuilt(path, **settings):
        model = classifier()
        replay(model, path, **settings).flush()
        return model

    return rebuilt


def interrupt(trainer, passes: int) -> None:
    """Let Ctrl-C come in the forward pass after this many."""
    compute_loss, left = trainer.compute_loss, iter(range(passes))

    def computed(*args, **settings):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return compute_loss(*args, **settings)

    trainer.compute_loss = computed


@pytest.mark.parametrize("mode", MODES)
def test_a_log_rebuilds_the_weights_bit_for_bit(trainer, classifier, texts, rebuilt, equal, tmp_path, mode):
    """Though an evaluation and a checkpoint came between, and micro-batches."""
    model, path = classifier(), tmp_path / "run.mezo"
    args = CHECKPOINTS | {"eval_strategy": "steps", "eval_steps": 3, "gradient_accumulation_steps": 2}
    trainer(model, texts, opt=MODES[mode], args=args, eval_dataset=texts, log=path).train()
    assert equal(rebuilt(path), model)
    assert not equal(rebuilt(path, until=5, check=False), model)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("passes", [5, 7])
def test_a_run_that_was_interrupted_goes_on_with_its_log(
    trainer, classifier, texts, rebuilt, equal, tmp_path, mode, passes
):
    """Pass 5 is of the step right behind the checkpoint, whose walk the checkpoint has not seen."""
    path, whole, broken, resumed = tmp_path / "run.mezo", classifier(), classifier(), classifier()
    trainer(whole, texts, opt=MODES[mode], args=CHECKPOINTS | {"output_dir": str(tmp_path / "whole")}).train()
    first = trainer(broken, texts, opt=MODES[mode], args=CHECKPOINTS, log=path)
    interrupt(first, passes)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert equal(rebuilt(path), broken)
    assert first.mezo.run_log is None
    trainer(resumed, texts, opt=MODES[mode], args=CHECKPOINTS, log=path).train(resume_from_checkpoint=True)
    assert equal(resumed, whole)
    assert equal(rebuilt(path), resumed)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_trainer_may_go_on_after_an_interrupt(trainer, classifier, texts, rebuilt, equal, tmp_path, mode):
    model, path = classifier(), tmp_path / "run.mezo"
    built = trainer(model, texts, opt=MODES[mode], log=path)
    compute_loss = built.compute_loss
    interrupt(built, 3)
    with pytest.raises(KeyboardInterrupt):
        built.train()
    built.compute_loss = compute_loss
    built.train()
    assert built.mezo.steps == 4
    assert equal(rebuilt(path), model)


def test_a_checkpoint_is_never_ahead_of_the_log(trainer, classifier, texts, rebuilt, equal, tmp_path):
    """A process that is killed loses what its log has not written yet: here all behind the checkpoint."""
    path, killed = tmp_path / "run.mezo", tmp_path / "killed.mezo"

    class Copying(transformers.TrainerCallback):
        def on_save(self, args, state, control, **others):
            shutil.copy(path, killed)

    model = classifier()
    args = CHECKPOINTS | {"max_steps": 3}
    trainer(classifier(), texts, args=args, log=path, callbacks=[Copying()]).train()
    trainer(model, texts, args=CHECKPOINTS, log=killed).train(resume_from_checkpoint=str(tmp_path / "out/checkpoint-2"))
    assert equal(rebuilt(killed), model)


def test_the_log_of_a_run_ends_before_its_best_weights_are_loaded(trainer, classifier, texts, rebuilt, equal, tmp_path):
    model, path = classifier(), tmp_path / "run.mezo"
    best = {"eval_strategy": "steps", "eval_steps": 2, "load_best_model_at_end": True, "metric_for_best_model": "score"}
    scores = iter([1.0, 3.0, 2.0])
    built = trainer(
        model,
        texts,
        opt={"fused": True},
        args=CHECKPOINTS | best | {"greater_is_better": True},
        eval_dataset=texts,
        compute_metrics=lambda _: {"score": next(scores)},
        log=path,
    )
    built.train()
    assert built.state.best_global_step == 4
    assert equal(rebuilt(path, until=4), model)
    assert not equal(rebuilt(path), model)


def test_the_log_of_another_run_is_not_written_over(trainer, classifier, texts, tmp_path):
    path = tmp_path / "run.mezo"
    trainer(classifier(), texts, log=path).train()
    with pytest.raises(FileExistsError, match=r"`log` must be a new file, got .*: resume_from_checkpoint=True resumes"):
        trainer(classifier(), texts, log=path).train()


def test_a_run_does_not_resume_into_the_log_of_another(trainer, classifier, texts, tmp_path):
    path = tmp_path / "run.mezo"
    trainer(classifier(), texts, opt={"seed": 6}, log=path).train()
    args = CHECKPOINTS | {"max_steps": 2}
    trainer(classifier(), texts, args=args).train()
    with pytest.raises(LogError, match=r"is the log of another run: `header\['seed'\]` is 5, but 6 in the log"):
        trainer(classifier(), texts, args=CHECKPOINTS, log=path).train(resume_from_checkpoint=True)


def test_a_run_log_of_one_s_own_is_closed_with_the_training(trainer, classifier, texts, rebuilt, equal, tmp_path):
    model, path = classifier(), tmp_path / "run.mezo"
    built = trainer(model, texts)
    with RunLog(built.mezo, path):
        built.train()
    assert equal(rebuilt(path), model)


def test_a_log_may_begin_at_a_checkpoint(trainer, classifier, texts, equal, tmp_path):
    """And go on after an interrupt in its first step."""
    path, model, args = tmp_path / "run.mezo", classifier(), CHECKPOINTS | {"max_steps": 3}
    trainer(classifier(), texts, args=args).train()
    checkpoint = str(tmp_path / "out/checkpoint-2")
    broken = trainer(classifier(), texts, args=args, log=path)
    interrupt(broken, 1)
    with pytest.raises(KeyboardInterrupt):
        broken.train(resume_from_checkpoint=checkpoint)
    trainer(model, texts, args=args, log=path).train(resume_from_checkpoint=checkpoint)
    start = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint)
    replay(start, path)
    assert equal(start, model)


def test_a_log_that_ends_before_the_checkpoint_is_not_gone_on_with(trainer, classifier, texts, tmp_path):
    path = tmp_path / "run.mezo"
    trainer(classifier(), texts, args={"max_steps": 1}, log=path).train()
    trainer(classifier(), texts, args=CHECKPOINTS | {"max_steps": 2}).train()
    with pytest.raises(LogError, match="ends after 1 steps, 1 before this run: start another"):
        trainer(classifier(), texts, args=CHECKPOINTS, log=path).train(resume_from_checkpoint=True)


def test_no_log_is_written_unless_it_is_asked_for(trainer, classifier, texts, tmp_path):
    trainer(classifier(), texts).train()
    assert not list(tmp_path.rglob("*.mezo"))
