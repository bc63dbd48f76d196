"""Gradients of a run's training loss by backward passes, and the walk of a run with Adam, made again."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback

from mezo_lab.curvature import gradient
from mezo_lab.finetune import RunContext, build_model, prepare_run, read_run_config
from mezo_lab.finetune.training.objectives import batch_loss
from mezo_lab.finetune.training.task_trainer import build_trainer
from walks.path import Named, Step, Vector, Walk, inner

BATCH = 16  # rows of a backward pass
KINDS = {"embedding": ("embed", "lm_head"), "attention": ("self_attn",), "MLP": ("mlp",), "norms": ("norm",)}


@dataclass(frozen=True)
class Bed:
    """A run before its first step."""

    context: RunContext
    model: Any

    @property
    def named(self) -> Named:
        """The trained parameters, each once."""
        return [(name, weights) for name, weights in self.model.named_parameters() if weights.requires_grad]


def bed(folder: Path) -> Bed:
    """The data of a run and the model with which it begins."""
    context = prepare_run(read_run_config(folder).resolve(), lambda line: None)
    return Bed(context, build_model(context))


def loss_and_gradient(run: Bed, rows: int) -> tuple[float, Vector]:
    """The mean loss of the first training rows, and its gradient. Args: rows: at most."""
    tensors = [weights for _, weights in run.named]
    examples = run.context.examples[:rows]
    total = [torch.zeros_like(weights, requires_grad=False) for weights in tensors]
    mean = 0.0
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        loss = batch_loss(run.model, run.context.encoder, batch)
        values: list[float] = []
        slope = gradient(tensors, lambda loss=loss, values=values: _noted(loss(), values))
        share = len(batch) / len(examples)
        mean += share * values[0]
        for whole, part in zip(total, slope, strict=True):
            whole.add_(part, alpha=share)
    return mean, total


def _noted(loss: Tensor, values: list[float]) -> Tensor:
    values.append(float(loss.detach()))
    return loss


@torch.no_grad()
def placed(run: Bed, origin: Vector, displacement: Vector) -> None:
    """Put the weights at origin + displacement."""
    for (_, weights), start, part in zip(run.named, origin, displacement, strict=True):
        torch.add(start, part, out=weights.data)


def copied(run: Bed) -> Vector:
    """The weights as they are."""
    return [weights.detach().clone() for _, weights in run.named]


def by_kind(named: Named, vector: Vector) -> dict[str, float]:
    """The share of ‖v‖² in each kind of tensor."""
    squares = dict.fromkeys(KINDS, 0.0)
    for (name, _), part in zip(named, vector, strict=True):
        kind = next(kind for kind, marks in KINDS.items() if any(mark in name for mark in marks))
        squares[kind] += inner([part], [part])
    whole = math.fsum(squares.values())
    return {kind: square / whole for kind, square in squares.items()}


class _Sum(TrainerCallback):
    """Σ η·gradient of the batches that a run steps by, and an end after some of its steps."""

    def __init__(self, named: Named, until: int):
        self.named = named
        self.until = until
        self.total = [torch.zeros_like(weights, requires_grad=False) for _, weights in named]

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        rate = others["optimizer"].param_groups[0]["lr"]
        for (_, weights), whole in zip(self.named, self.total, strict=True):
            whole.add_(weights.grad, alpha=rate)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        control.should_training_stop = state.global_step >= self.until


@dataclass(frozen=True)
class BackwardWalk:
    """The walk of a run with backpropagation."""

    displacement: Vector
    pull: Vector
    """Σ η·gradient of its batches."""
    losses: Sequence[float]


def walk_by_backpropagation(run: Bed, until: int) -> BackwardWalk:
    """Make the first steps of such a run again, with its batches and rates; its evaluations are left out."""
    origin = copied(run)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(run.context, run.model, Path(folder), lambda line: None)
        trainer.args.eval_strategy = trainer.args.save_strategy = _none_of(trainer.args.eval_strategy)
        trainer.args.load_best_model_at_end = False
        trainer.remove_callback(PrinterCallback)
        total = _Sum(run.named, until)
        trainer.add_callback(total)
        trainer.train()
    displacement = [weights - start for weights, start in zip(copied(run), origin, strict=True)]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return BackwardWalk(displacement, total.total, losses)


def _none_of(strategy: Any) -> Any:
    return type(strategy)("no")


def path_sums(run: Bed, walk: Walk, pieces: Sequence[Sequence[Step]], rows: int) -> dict[str, Any]:
    """The gradient at points of a walk, beside the pieces of the walk between them.

    A gradient at the beginning of a piece knows nothing of its z: the sum of −ΔD·g over the pieces is, in the mean over
    the z, what the signal alone takes off the loss. The gradient at the end has seen the z, and its sum has a bias,
    the curvature along the noise. The mean of both is the change of the loss itself, to third order.

    Args: pieces: the steps between two points. rows: of the training set.
    """
    origin = copied(run)
    loss, slope = loss_and_gradient(run, rows)
    first = slope
    losses, norms = [loss], [math.sqrt(inner(slope, slope))]
    starts, ends = 0.0, 0.0
    signal = [torch.zeros_like(part) for part in slope]  # Σ η∇L, by the trapezoidal rule
    for piece in pieces:
        before = [part.clone() for part in walk.displacement]
        walk.advance(piece)
        moved = [behind - part for behind, part in zip(walk.displacement, before, strict=True)]
        placed(run, origin, walk.displacement)
        loss, last = loss_and_gradient(run, rows)
        half = math.fsum(step.rate for step in piece) / 2
        for whole, start, end in zip(signal, slope, last, strict=True):
            whole.add_(start, alpha=half).add_(end, alpha=half)
        starts -= inner(moved, slope)
        ends -= inner(moved, last)
        slope = last
        losses.append(loss)
        norms.append(math.sqrt(inner(slope, slope)))
    displacement = walk.displacement
    return {
        "rows": min(rows, len(run.context.examples)),
        "losses": losses,
        "norms": norms,
        "sq_length": inner(displacement, displacement),
        "by_starts": starts,
        "by_ends": ends,
        "sq_signal": inner(signal, signal),
        "along_start": -inner(displacement, first) / norms[0],
        "along_end": -inner(displacement, slope) / norms[-1],
    }
