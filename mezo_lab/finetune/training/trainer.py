"""`MeZOTrainer`: the Trainer of transformers with one overridden step, which needs forward passes only."""

import copy
import functools
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

from mezo_lab.optim import MeZO, RunLog
from mezo_lab.optim.closure import loss_number

_SHARDING = "there are no gradients and no optimizer state to shard; several processes take MeZO(…, parallel='batch')"
# settings of the Trainer that cannot be had without gradients → the remedy
_REFUSED = {
    "fp16": "no gradient needs a scale; use bf16=True, or a bfloat16 model with MeZO(…, exact=True)",
    "deepspeed": _SHARDING,
    "fsdp": _SHARDING,
}
# settings that do not reach a MeZO that the user made → the argument of MeZO that does the same
_OWN_SETTINGS = {"learning_rate": "lr", "weight_decay": "weight_decay"}
# settings that never reach a MeZO → what does the same
_WITHOUT_EFFECT = {
    "optim": "rule chooses its update, such as rule='adam'",
    "max_grad_norm": "there is no gradient to clip; clip bounds |pg|",
}


class MeZOTrainer(Trainer):
    """The Trainer of transformers with `MeZO`: no backward pass, no gradient, and the memory of inference.

    Claim: a script for the Trainer becomes one for MeZO by two lines,

        from mezo_lab.finetune import MeZO, MeZOTrainer  # was: from transformers import Trainer
        trainer = MeZOTrainer(..., optimizers=(MeZO(model.named_parameters(), lr=1e-6), None))

    and keeps its callbacks, schedulers, logging, evaluation, checkpoints and exact resume.
    Source: paper, Algorithm 1.
    Assumptions: `compute_loss` is the mean over its micro-batch, or a sum divided by `num_items_in_batch`, which here
    counts the items of that micro-batch alone.
    Formula: the loss of a step is that of its `gradient_accumulation_steps` micro-batches as one batch, under one z:
    the mean over tokens or rows, where the labels tell how many there are. With `fresh_batches` each probe has a
    micro-batch to itself (Algorithm 2).
    Cost: that of `MeZO`; the micro-batches of a step are kept until its end.

    The model is in eval mode during the probes; with `common_random_numbers` it is in train mode, with its dropout.
    Beside the loss, the mean of the finite losses since the last entry, the Trainer's log holds `projected_gradient`,
    √(mean pg²) of the last step that moved; `zero_gradients`, the share of probes so far that saw no difference; and
    `skipped`, the number of steps so far that moved nothing, as a loss was not finite. Loss and projected gradient are
    None where no step since the last entry had one, never NaN, which JSON does not know.
    Ignored, with a warning where they were set: `optim` and `max_grad_norm`, for which MeZO has `rule` and `clip`; and,
    where a MeZO is given, `learning_rate` and `weight_decay`, as it has its own.
    Several processes, as torchrun starts them, need MeZO(…, parallel="batch") or `optimizers=(None, None)`, and no
    DistributedDataParallel: replicas start from the weights of rank 0, and only losses travel.
    As a mixin, named first, this class makes other trainers train with MeZO: `class S(MeZOTrainer, Seq2SeqTrainer)`, or
    `class S(MeZOTrainer, SFTTrainer)` with trl's.

    Args:
        model, args, …: as the Trainer's.
        optimizers: (MeZO, scheduler or None), of this very model. Without one it is made from `learning_rate`, whose
            default, 5e-5, is large (1e-6 is usual for all weights), `weight_decay`, `seed`, and the settings of
            `optimizer_cls_and_kwargs=(MeZO, {...})`. The Trainer's schedule is linear by default; the paper's is
            `lr_scheduler_type="constant"`.
        log: a file for the run log, from which `mezo_lab.optim.replay` rebuilds the weights. A resumed run appends to
            it. With `load_best_model_at_end`, replay until `trainer.state.best_global_step`.

    Raises: TypeError for another optimizer; ValueError for fp16, DeepSpeed, FSDP, a model that is wrapped already, or
    an optimizer that knows nothing of the other processes; FileExistsError for the log of another run.

    >>> import tempfile
    >>> from transformers import PrinterCallback
    >>> class Bowl(nn.Linear):
    ...     def forward(self, target):
    ...         return {"loss": (self.weight - target).square().mean()}
    >>> folder, model = tempfile.mkdtemp(), Bowl(2, 1, bias=False)
    >>> args = TrainingArguments(folder, max_steps=40, use_cpu=True, report_to="none", disable_tqdm=True)
    >>> opt = MeZO(model.named_parameters(), lr=0.5, law="coordinate")
    >>> trainer = MeZOTrainer(model, args, train_dataset=[{"target": [3.0, 4.0]}] * 8, optimizers=(opt, None))
    >>> trainer.remove_callback(PrinterCallback)
    >>> trainer.train().global_step, bool((model.weight - torch.tensor([3.0, 4.0])).norm() < 1e-2)
    (40, True)
    """

    def __init__(
        self,
        model: Any = None,
        args: TrainingArguments | None = None,
        *arguments: Any,
        log: str | os.PathLike[str] | None = None,
        **settings: Any,
    ):
        _refuse({name: getattr(args, name, None) for name in _REFUSED})
        self._log_file = log
        self._micro_batches: list[Any] = []  # of the step under way
        self._losses: list[float] = []  # finite ones since the last entry of the Trainer's log
        self._logged_step: int | None = None  # how many steps the optimizer had made then
        self._loss_sum = 0.0  # of the finite losses of all steps
        self._loss_count = 0
        if args is None:
            args = TrainingArguments("tmp_trainer")  # the Trainer's own default
        _use_one_gpu(args)
        super().__init__(model, args, *arguments, **settings)
        # what `accelerate launch` may ask for
        fp16 = self.accelerator.mixed_precision == "fp16"
        _refuse({"fp16": fp16, "deepspeed": self.is_deepspeed_enabled, "fsdp": self.is_fsdp_enabled})
        if self.accelerator.unwrap_model(self.model) is not self.model:
            wrapper = type(self.model).__name__
            raise ValueError(f"`model` must not be wrapped, got a {wrapper}: pass the model inside, `model.module`.")
        self._check_optimizer()
        self._warn_of_ignored()

    def _check_optimizer(self) -> None:
        kind = (self.optimizer_cls_and_kwargs or (MeZO,))[0]
        if self.optimizer is not None:
            kind = type(self.optimizer)
        if not (isinstance(kind, type) and issubclass(kind, MeZO)):
            remedy = "give it one, or (None, None), or use the Trainer of transformers"
            raise TypeError(f"`optimizers` must hold a MeZO, got {kind.__name__}: {remedy}.")
        if self.optimizer is None:
            return
        own = {id(weights) for weights in self.model.parameters()}  # type: ignore[union-attr]
        if not all(id(weights) in own for group in self.optimizer.param_groups for weights in group["params"]):
            raise ValueError(
                "`optimizers` must hold a MeZO of the parameters of `model`, got other parameters, whose steps the "
                "model would not feel: MeZO(model.named_parameters(), …) of this very model."
            )

    def _warn_of_ignored(self) -> None:
        """Warn of each setting that the user chose and that no step reads."""
        defaults = {option.name: option.default for option in fields(type(self.args))}
        for name, remedy in _WITHOUT_EFFECT.items():
            value = getattr(self.args, name)
            if value and value != defaults[name]:
                warnings.warn(f"`{name}` is ignored by MeZO, got {value!r}: {remedy}.", UserWarning, stacklevel=3)
        if self.optimizer is None:
            return
        for name, argument in _OWN_SETTINGS.items():
            value = getattr(self.args, name)
            own = {float(group[argument]) for group in self.mezo.param_groups}
            if value != defaults[name] and value not in own:
                warnings.warn(
                    f"`{name}` is ignored, got {value!r}, as the MeZO that was given has its own: MeZO(…, "
                    f"{argument}={value!r}), or optimizers=(None, None), uses it.",
                    UserWarning,
                    stacklevel=3,
                )

    @property
    def mezo(self) -> MeZO:
        """The optimizer, out of the wrapper that accelerate puts around it."""
        return getattr(self.optimizer, "optimizer", self.optimizer)  # type: ignore[return-value]

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        # as for evaluation: autocast, but no DistributedDataParallel, whose buckets are as large as the gradient
        self.accelerator.prepare_model = functools.partial(self.accelerator.prepare_model, evaluation_mode=True)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The MeZO that was given, or one made of the arguments."""
        if model is None:
            model = self.model
        assert model is not None
        world = self.args.world_size
        if self.optimizer is None:
            kind, settings = self.optimizer_cls_and_kwargs or (MeZO, {})
            parallel = "batch" if world > 1 else None
            defaults = {"lr": self.args.learning_rate, "seed": self.args.seed, "parallel": parallel}
            self.optimizer = kind(self._parameter_groups(model), **(defaults | settings))
        if self.mezo.world_size != world:
            raise ValueError(
                f"`optimizers` must hold a MeZO of {world} processes, got one of {self.mezo.world_size}: "
                "parallel='batch' gives each a part of the batch."
            )
        if world > 1:
            for tensor in (*model.parameters(), *model.buffers()):
                distributed.broadcast(tensor.detach(), src=0)
        return self.optimizer

    def _parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """The parameters with weight decay, and biases and norms, which have none."""
        decay = self.args.weight_decay
        decayed = set(self.get_decay_parameter_names(model)) if decay else set()
        groups: dict[float, list[tuple[str, Tensor]]] = {}
        for name, tensor in model.named_parameters():
            if tensor.requires_grad:
                groups.setdefault(decay if name in decayed else 0.0, []).append((name, tensor))
        return [{"params": group, "weight_decay": rate} for rate, group in groups.items()]

    def _clip_grad_norm(self, model: nn.Module) -> float:
        return 0.0  # there are no gradients: asking every parameter for its own takes time at every step

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> float:
        return 0.0

    def get_batch_samples(self, *arguments: Any, **settings: Any) -> Any:
        self._micro_batches = []  # a callback may have ended an epoch in the middle of a step
        return super().get_batch_samples(*arguments, **settings)

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The forward passes of a step, at its last micro-batch; the Trainer's own `optimizer.step()` then makes it.

        Returns: the loss of the step, and 0 before its last micro-batch or where it is not finite.
        """
        self._micro_batches.append(self._prepare_inputs(inputs))
        # several micro-batches are one batch, under one z: the step is made at the last of them
        if not self.accelerator.sync_gradients:
            return torch.tensor(0.0, device=self.args.device)
        loss = self._probe(model)
        if not math.isfinite(loss):  # it would stay in the Trainer's running sum; `log` has the mean without it
            return torch.tensor(0.0, device=self.args.device)
        self._losses.append(loss)
        return torch.tensor(loss, device=self.args.device)

    def _open_log(self) -> None:
        """Begin the run log at the first step, or append to it after a resume."""
        opt = self.mezo
        path = self._log_file
        if path is None or opt.run_log is not None or not self.is_world_process_zero():
            return
        if os.path.exists(path) and not opt.steps:
            remedy = "resume_from_checkpoint=True resumes the run that wrote it"
            raise FileExistsError(f"`log` must be a new file, got {path}: {remedy}.")
        RunLog(opt, path, append=os.path.exists(path))

    def _probe(self, model: nn.Module) -> float:
        """The mean loss of the probes, which leave the weights displaced."""
        batches = self._micro_batches
        self._micro_batches = []
        self._open_log()
        if self._logged_step is None:  # the first step, after a resume too
            self._logged_step = self.mezo.steps
        model.train(self.mezo.common_random_numbers)
        across = self.args.average_tokens_across_devices
        try:
            # `Trainer.compute_loss` would multiply a loss by the number of processes, which is right where gradients
            # are averaged and wrong here. It has no other switch than this one, which evaluation needs as it is.
            self.args.average_tokens_across_devices = False
            weighted = self._weighted(batches, across)
            return self.mezo.probe(lambda micro_batch: self._weighted_loss(model, *micro_batch), weighted)
        finally:
            self.args.average_tokens_across_devices = across

    def _weighted_loss(self, model: nn.Module, inputs: Any, items: Any, weight: float) -> float:
        if not weight:
            return 0.0
        with self.compute_loss_context_manager():
            # a copy, as `compute_loss` may take the labels out
            loss = self.compute_loss(model, copy.copy(inputs), num_items_in_batch=items)
        return weight * loss_number(loss)

    def _weighted(self, batches: list[Any], across: bool) -> list[tuple[Any, Any, float]]:
        """(inputs, items, weight) of micro-batches whose losses are means, over their items where those can be counted.

        Formula: weight_i = (micro-batches)·(processes)·items_i/(all items), so that the mean of weight_i·loss_i, which
        the optimizer takes, is the mean over all items.
        Args: across: whether the items of all processes are counted together.
        """
        items = [self._get_num_items_in_batch([batch], self.args.device) for batch in batches]
        if any(count is None for count in items) or getattr(self, "loss_is_scaled_for_ga", None) is False:
            return [(batch, None, 1.0) for batch in batches]
        counts = torch.stack([torch.as_tensor(count).float().mean() for count in items])  # (micro-batches,)
        everywhere = counts
        if across:
            everywhere = self.accelerator.gather(counts)  # (processes · micro-batches,)
        weights = counts / everywhere.mean()  # type: ignore[union-attr]
        return list(zip(batches, items, weights.tolist(), strict=True))

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        if "learning_rate" in logs:  # of training steps
            logs.pop("grad_norm", None)  # there are no gradients
            logs["loss"] = _mean(sum(self._losses), len(self._losses))
            self._loss_sum += sum(self._losses)
            self._loss_count += len(self._losses)
            logs["projected_gradient"] = self._last_projected_gradient()
            logs["zero_gradients"] = self.mezo.diagnostics.zero_rate()
            logs["skipped"] = self.mezo.diagnostics.skipped
            self._losses = []
            self._logged_step = self.mezo.steps
        if "train_loss" in logs:
            logs["train_loss"] = self._mean_loss()
        super().log(logs, start_time)

    def _last_projected_gradient(self) -> float | None:
        """√(mean pg²) of the last step that moved; None where that was before the last entry of the log."""
        if not self.mezo.history:
            return None
        last = self.mezo.history[-1]
        if last.step < (self._logged_step or 0):
            return None
        return last.norm()

    def _mean_loss(self) -> float | None:
        """The mean of the finite losses of all steps; None where there was none."""
        return _mean(self._loss_sum + sum(self._losses), self._loss_count + len(self._losses))

    def train(self, *arguments: Any, **settings: Any) -> Any:
        self._losses = []
        self._logged_step = None
        self._loss_sum = 0.0
        self._loss_count = 0
        try:
            output = super().train(*arguments, **settings)
        finally:  # after an interrupt too
            self._settle()
        loss = self._mean_loss()
        if loss is None:
            loss = math.nan
        return output._replace(training_loss=loss)

    def save_model(self, *arguments: Any, **settings: Any) -> None:
        if self.optimizer is not None:
            self.mezo.flush()  # on every rank, where the Trainer asks rank 0 alone for the optimizer's state
            if self.mezo.run_log is not None:
                self.mezo.run_log.seal()  # no checkpoint is ahead of the log
        super().save_model(*arguments, **settings)

    def _load_best_model(self) -> None:
        self._settle()  # the log ends where the run did
        super()._load_best_model()

    def _settle(self) -> None:
        """Put the weights at θ, and end the log there."""
        if self.optimizer is None:
            return
        if self.mezo.run_log is not None:
            self.mezo.run_log.close()
        self.mezo.flush()


def _mean(total: float, count: int) -> float | None:
    if not count:
        return None
    return total / count


def _refuse(settings: Mapping[str, Any]) -> None:
    """Raises: ValueError for a way of training that cannot be had without gradients, by name."""
    for name, remedy in _REFUSED.items():
        if settings[name]:
            raise ValueError(f"`{name}` must be off, got {settings[name]!r}: {remedy}.")


def _use_one_gpu(args: TrainingArguments) -> None:
    """Keep the Trainer from wrapping the model in DataParallel, which splits batches and hides the output layer.

    Several GPUs are for several processes, which a warning says where there are some.
    """
    if args.n_gpu > 1:
        warnings.warn(
            f"{args.n_gpu} GPUs are visible and this process takes one, {args.device}: torchrun "
            f"--nproc-per-node={args.n_gpu} takes all, CUDA_VISIBLE_DEVICES chooses one.",
            UserWarning,
            stacklevel=3,
        )
        args._n_gpu = 1
