"""Checkpoints from a run log: the one at its end, with which a run goes on, and the best, which it loads at last."""

import shutil
from pathlib import Path
from typing import Any

import torch.distributed as distributed

from mezo_lab.finetune.endings import Report
from mezo_lab.finetune.evaluation.scores import Score
from mezo_lab.finetune.replay import replay_lines, replay_run
from mezo_lab.finetune.resume import check_log, read_evaluations
from mezo_lab.finetune.run_folder import LOG, VALIDATION, damage, seal
from mezo_lab.finetune.training.evaluations import log_entries
from mezo_lab.finetune.training.trainer import MeZOTrainer
from mezo_lab.optim import checkpoint, replay


def rebuild_checkpoint(trainer: MeZOTrainer, out: Path, step: int, start: Score, report: Report) -> Path:
    """The checkpoint of the last step of a log, as the run would have written it there.

    Claim: a run that resumes from it makes the steps of one that was never stopped, bit for bit. The weights and the
    state of the optimizer are those of `replay`; the order of the data and the rates follow from the plan and the step;
    the evaluations are those of `validation.json`.
    Assumes: no step depends on the process's random numbers, as holds for MeZO's, whose model is in eval mode.
    Cost: the sweeps of the run; an evaluation, where the last step was due for one that is not written.

    Args:
        trainer: has made no step; every process has one, and replays on its own.
        out: the folder of the run.
        step: the last of the log.
        start: the validation before the first step, which competes for the best.
        report: takes lines of progress.
    Raises: LogError for a log of other weights; ValueError for one of another plan.
    """
    report(f"rebuilding the weights of step {step:,} from {LOG}")
    check_log(out, checkpoint.settings(trainer.mezo))
    model: Any = trainer.model
    named = [(name, tensor) for name, tensor in model.named_parameters() if tensor.requires_grad]
    rebuilt = replay(named, out / LOG, until=step, progress=replay_lines(report))
    trainer.mezo.load_state_dict(rebuilt.state_dict())
    _set_scheduler(trainer, step)
    _set_state(trainer, out, step, start, report)
    trainer._save_checkpoint(model, None)
    return out / f"checkpoint-{step}"


def _set_scheduler(trainer: MeZOTrainer, step: int) -> None:
    """A schedule of the Trainer is a function of the step; the rate itself is set where the checkpoint is loaded."""
    scheduler = trainer.create_scheduler(trainer.args.max_steps)
    scheduler.last_epoch = step
    scheduler._step_count = step + 1


def _set_state(trainer: MeZOTrainer, out: Path, step: int, start: Score, report: Report) -> None:
    state = trainer.state
    state.compute_steps(trainer.args, trainer.args.max_steps)
    state.max_steps = trainer.args.max_steps
    state.train_batch_size = trainer._train_batch_size
    state.global_step = step
    state.epoch = step * trainer.args.gradient_accumulation_steps / len(trainer.get_train_dataloader())
    records = [record for record in read_evaluations(out) if record["step"] <= step]
    state.log_history = log_entries(records)
    state.best_metric = start.value
    state.best_global_step = 0
    for record in records:
        if record["value"] > state.best_metric:
            state.best_metric = record["value"]
            state.best_global_step = record["step"]
    every = int(trainer.args.eval_steps or 1)
    known = {record["step"] for record in records}
    missing = [number for number in range(every, step, every) if number not in known]
    if missing:
        report(
            f"{VALIDATION} lacks {len(missing):,} of the evaluations before step {step:,}: the best checkpoint is the "
            "best of the others"
        )
    if (step % every == 0 or step == state.max_steps) and step not in known:
        trainer._determine_best_metric(trainer.evaluate(), None)


def restore_best(trainer: MeZOTrainer, report: Report) -> None:
    """Make the folder of the best checkpoint, with the model alone, where there is none that is whole.

    Cost: one pass of SHA-256; where it is rebuilt, the sweeps of the run until then, and a second model.
    """
    folder = Path(str(trainer.state.best_model_checkpoint))
    trouble = damage(folder)
    several = trainer.args.world_size > 1
    if several:
        distributed.barrier()  # every process has looked before one writes
    if trouble and trainer.is_world_process_zero():
        report(f"rebuilding the best weights, those of step {trainer.state.best_global_step:,}, from {LOG}")
        shutil.rmtree(folder, ignore_errors=True)
        replay_run(folder.parent, folder, step=str(trainer.state.best_global_step), report=report)
        seal(folder)
    if several:
        distributed.barrier()
