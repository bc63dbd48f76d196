"""Directions in the span of the inputs on a language model: shares of gradient and curvature, and short trainings."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Linear

from aligning.spans import (
    Bases,
    Curvature,
    Loss,
    input_bases,
    kept_numbers,
    layer_inputs,
    linear_layers,
    moved_numbers,
    random_bases,
    shares,
    slopes_of,
)
from aligning.training import Directions, train
from mezo_lab.finetune import reviews, smollm2, task_loss
from mezo_lab.sampling import Estimate
from mezo_lab.theory import subspace_gain

TASK = "rotten-tomatoes/sentiment"
REVIEWS, CHARACTERS = 8, 60  # of a batch, the first so short: a forward pass is then half a second on one core
LONG = 16  # reviews of any length, as in benchmarks/divergence.py, for the shares of the gradient alone
WHOLE = 10_000  # more than the directions of any layer's inputs: all of them
KS = (1, 4, 16, 64, WHOLE)
RANDOM = 16  # columns of V in random directions
FACTOR = 0.5  # of the rate of the best first step, 1/(tr PH + 2ρ): where it falls for some steps on end
OTHER_FACTORS = (0.25, 1.0)  # tried with one seed
LEVELS = 8  # of the loss, to which steps are counted


class Kind(NamedTuple):
    """Directions: "all"; or the first k of the inputs of the "same" batch or of an "other" one, or k "random" ones."""

    directions: str
    k: int


EVERYWHERE = Kind("all", 0)
TRAINED = [
    *(EVERYWHERE, Kind("same", WHOLE), Kind("same", 16), Kind("same", 1)),
    *(Kind("other", 16), Kind("random", RANDOM)),
]
COMPARED = [EVERYWHERE, Kind("same", 16)]  # at the other factors


@dataclass
class Bed:
    """A model's linear layers with the losses of two batches, and of each of their rows alone."""

    layers: dict[str, Linear]
    loss: Loss
    other: Loss
    rows: Sequence[Loss]
    other_rows: Sequence[Loss]

    @cached_property
    def bases(self) -> dict[str, Bases]:
        """V by kind; each but the random one takes a forward pass."""
        return {
            "same": input_bases(layer_inputs(self.layers, self.loss)),
            "other": input_bases(layer_inputs(self.layers, self.other)),
            "random": random_bases(self.layers, RANDOM, seed=5),
        }

    @cached_property
    def slopes(self) -> dict[str, Tensor]:
        return slopes_of(self.layers, self.loss)

    def directions(self, kind: Kind) -> Directions:
        if kind == EVERYWHERE:
            return Directions(self.bases["same"], WHOLE, whole=True)
        return Directions(self.bases[kind.directions], kind.k)


def language_model() -> tuple[Bed, Bed]:
    """The real model on short reviews, and on longer ones."""
    model, tokenizer = smollm2()
    model.requires_grad_(False)
    rows = reviews(seed=0)
    short = [row for row in rows if len(row["text"]) <= CHARACTERS]
    return _bed(model, tokenizer, short, REVIEWS), _bed(model, tokenizer, rows, LONG)


def _bed(model, tokenizer, rows: Sequence[Any], count: int) -> Bed:
    def of(part: Sequence[Any]) -> Loss:
        return task_loss(model, tokenizer, part, TASK)

    own, other = rows[:count], rows[count : 2 * count]
    alone = [[of([row]) for row in part] for part in (own, other)]
    return Bed(linear_layers(model), of(own), of(other), *alone)


def toy() -> tuple[Bed, Bed]:
    """The same of a model of random weights that takes a moment."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=30, tie_word_embeddings=True, **sizes)).eval()
        texts = torch.randint(30, (8, 5))
    model.requires_grad_(False)

    def of(part: Tensor) -> Loss:
        def loss() -> Tensor:
            logits = 20 * model(input_ids=part).logits[:, -1, :2]
            return torch.nn.functional.cross_entropy(logits, part[:, 0] % 2)

        return loss

    alone = [[of(row[None]) for row in part] for part in (texts[:4], texts[4:])]
    bed = Bed(linear_layers(model), of(texts[:4]), of(texts[4:]), *alone)
    return bed, bed


def measure(record: dict[str, Any], save: Callable[[], None], beds: tuple[Bed, Bed], steps: int, seeds: int) -> None:
    """Measure what the record lacks; `save` is called after each part.

    Cost: on the real model some 20 minutes of one core, of which the trainings take nearly all.
    """
    bed, long = beds
    if "setting" not in record:
        record["setting"] = _setting(bed)
        record["shares"] = [*_shares(bed, "short"), *_shares(long, "long")]
        save()
    if "seen" not in record:
        record["seen"] = list(_seen(bed))
        save()
    done = {_run_name(run) for run in record.setdefault("runs", [])}
    for kind, factor, seed in _plan(seeds):
        name = (kind.directions, kind.k, factor, seed)
        if name not in done:
            record["runs"].append(_run(bed, record["seen"], kind, factor, seed, steps))
            save()
            print(*name, f"{record['runs'][-1]['losses'][-1]:.3f}", flush=True)


def _plan(seeds: int) -> Iterator[tuple[Kind, float, int]]:
    """The runs, of which each seed makes a whole comparison."""
    for seed in range(seeds):
        yield from ((kind, FACTOR, seed) for kind in TRAINED)
    yield from ((kind, factor, 0) for factor in OTHER_FACTORS for kind in COMPARED)


def _run_name(run: dict[str, Any]) -> tuple[str, int, float, int]:
    return run["directions"], run["k"], run["factor"], run["seed"]


def _setting(bed: Bed) -> dict[str, Any]:
    inputs = layer_inputs(bed.layers, bed.loss)
    ranks = [basis.shape[1] for basis in bed.bases["same"].values()]
    with torch.no_grad():
        losses = float(bed.loss()), float(bed.other())
    return {
        "task": TASK,
        "rows": len(bed.rows),
        "characters": CHARACTERS,
        "long_rows": LONG,
        "tokens": len(next(iter(inputs.values()))),
        "layers": len(bed.layers),
        "weights": moved_numbers(bed.layers, None, 0),
        "ranks": [min(ranks), max(ranks)],
        "losses": losses,
    }


def _shares(bed: Bed, batch: str) -> Iterator[dict[str, Any]]:
    for kind in ("same", "other"):
        for k in KS:
            share = shares(bed.slopes, bed.bases[kind], k)
            yield {"batch": batch, "directions": kind, "k": k, "share": share}


def _seen(bed: Bed) -> Iterator[dict[str, Any]]:
    """What each kind sees of the batch's gradient and curvature, and of the curvature of the other batch."""
    own = Curvature(bed.slopes, bed.bases, KS)
    for row in bed.rows:
        own.add(bed.layers, row)
    other = Curvature(bed.slopes, {"same": bed.bases["same"]}, KS)
    for row in bed.other_rows:
        other.add(bed.layers, row)
    kinds = [EVERYWHERE, *(Kind(name, k) for name in ("same", "other") for k in KS), Kind("random", RANDOM)]
    for kind in kinds:
        bases = None if kind == EVERYWHERE else bed.bases[kind.directions]
        row: dict[str, Any] = {**kind._asdict(), **own.seen(*kind)}
        row["dimensions"] = moved_numbers(bed.layers, bases, kind.k)
        row["kept"] = 0 if bases is None else kept_numbers(bases, kind.k)
        if kind.directions in ("all", "same"):
            seen = other.seen(*kind)
            row |= {"other_trace": seen["trace"], "other_rayleigh": seen["rayleigh"]}
        yield row


def _run(bed: Bed, seen: list[dict[str, Any]], kind: Kind, factor: float, seed: int, steps: int) -> dict[str, Any]:
    row = next(each for each in seen if (each["directions"], each["k"]) == kind)
    lr = factor / (row["trace"] + 2 * row["rayleigh"])
    run = {**kind._asdict(), "factor": factor, "seed": seed, "lr": lr}

    def share_at_end() -> None:
        run["share_at_end"] = shares(slopes_of(bed.layers, bed.loss), bed.bases[kind.directions], kind.k)[0]

    look = share_at_end if seed == 0 and kind != EVERYWHERE else None
    run["losses"] = train(bed.layers, bed.loss, bed.directions(kind), lr, steps=steps, seed=seed, at_end=look)
    return run


def predictions(seen: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each kind but that of all directions, with the gains that are predicted for it.

    by_cosine: of E cos². by_curvature: of the best first step on the batch. fresh: the same of a step on this batch for
    the loss of the other, where that is known.
    """
    whole = next(row for row in seen if row["directions"] == "all")
    for row in seen:
        if row is whole:
            continue
        share = row["captured"] / whole["captured"]
        gain = {"share": share, "trace_share": row["trace"] / whole["trace"]}
        gain["by_cosine"] = share * whole["dimensions"] / row["dimensions"]
        gain["by_curvature"] = subspace_gain(share, _bent(whole), share * _bent(row))
        if "other_trace" in row:
            gain["fresh"] = subspace_gain(share, _bent(whole, "other_"), share * _bent(row, "other_"))
        yield row | gain


def _bent(row: dict[str, Any], batch: str = "") -> float:
    """E[ĝᵀHĝ]/‖Pg‖²."""
    return row[f"{batch}trace"] + 2 * row[f"{batch}rayleigh"]


def step_gain(runs: list[dict[str, Any]], kind: Kind, factor: float = FACTOR) -> Estimate | None:
    """How many times fewer steps than in all directions: the geometric mean over pairs of runs of one seed.

    Steps are counted to each of `LEVELS` losses, from the first to the lowest that every one of these runs reaches, and
    their ratios averaged. None with fewer than two pairs.
    """
    found = {_run_name(run): run["losses"] for run in runs}
    seeds = sorted({run["seed"] for run in runs})
    pairs = [
        (found[(*EVERYWHERE, factor, seed)], found[(*kind, factor, seed)])
        for seed in seeds
        if (*EVERYWHERE, factor, seed) in found and (*kind, factor, seed) in found
    ]
    if len(pairs) < 2:
        return None
    goal = max(min(losses) for pair in pairs for losses in pair)
    first = max(losses[0] for pair in pairs for losses in pair)
    levels = [goal + (first - goal) * level / LEVELS for level in range(LEVELS)]
    logs = [fmean(math.log(passage(whole, at) / passage(inside, at)) for at in levels) for whole, inside in pairs]
    gain = math.exp(fmean(logs))
    return Estimate(gain, gain * stdev(logs) / len(logs) ** 0.5, len(logs))


def passage(losses: Sequence[float], goal: float) -> int:
    """The steps after which a run first has this loss, at least one.

    >>> passage([0.5, 0.4, 0.3], 0.4), passage([0.5, 0.4, 0.3], 0.5)
    (1, 1)
    """
    return max(1, next(steps for steps, loss in enumerate(losses) if loss <= goal))
