"""What `mezo-lab finetune` costs beside the bare work: its loop beside steps of `MeZO`, its evaluation beside forwards.

The loop: in a run of `finetune`, the Trainer and all, a copy of the model makes the same step on the same batch by a
bare `MeZO.step` after every step of the loop, so that a busy moment of the machine hits both. A step of the loop lasts
from the end of one bare step to the beginning of the next; evaluations and checkpoints come after the last one.
The evaluation: rows to answers, in turn with forward passes of unpadded batches of the same shapes, without a mask and
with the logits of one position, so that both read as many tokens; padding counts as tokens.
The stages of whole runs are what their result.json says.
"""

import argparse
import copy
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import records
import torch
from quiet import quiet
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

from mezo_lab.environment.machine import machine
from mezo_lab.finetune import reviews, smollm2
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.batches import CPU_LIMITS, length_batches
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.evaluation.evaluate import evaluate, evaluate_questions
from mezo_lab.finetune.evaluation.questions import encode_questions
from mezo_lab.finetune.models.loading import load_model
from mezo_lab.finetune.prepare import RunContext
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.tasks import task_named
from mezo_lab.finetune.training import task_trainer
from mezo_lab.optim import MeZO

TASK = task_named("rotten-tomatoes")
LENGTH = 32  # tokens of each prompt of a loop: 16 of them are 512, without padding
WARM_UP = 2  # steps, and rounds
ROUNDS = 5
SMOLLM2 = "smollm2-135m"


class BareSteps(TrainerCallback):
    """Makes each step of a trainer once more, by `MeZO.step` on a copy of the model, and times both."""

    def __init__(self, trainer: task_trainer.TaskTrainer, config: RunConfig):
        self.model: Any = copy.deepcopy(trainer.model)
        self.objective = trainer.objective
        settings: Any = {
            name: getattr(config, name) for name in ("lr", "epsilon", "weight_decay", "probes", "law", "seed")
        }
        self.opt = MeZO(self.model.named_parameters(), **settings, check_closure=False)
        self.batches: list[Any] = []
        self.loop: list[float] = []
        self.bare: list[float] = []
        self.since = 0.0
        collate = trainer.data_collator

        def recorded(examples: Sequence[Any]) -> Any:
            self.batches.append(collate(examples))  # type: ignore[arg-type]
            return self.batches[-1]

        trainer.data_collator = recorded  # type: ignore[assignment]

    def on_train_begin(self, args, state, control, **others) -> None:
        self.since = time.perf_counter()

    def on_step_end(self, args, state, control, **others) -> None:
        began = time.perf_counter()
        self.loop.append(began - self.since)
        batch = self.batches[state.global_step - 1]
        self.opt.step(lambda: self.objective(self.model, batch))
        self.since = time.perf_counter()
        self.bare.append(self.since - began)

    def record(self) -> dict[str, Any]:
        """Medians of the steps after the warm-up, and of the ratio of each step of the loop to its bare one."""
        pairs = list(zip(self.loop[WARM_UP:], self.bare[WARM_UP:], strict=True))
        return ratios([loop for loop, _ in pairs], [bare for _, bare in pairs]) | {
            "steps": len(pairs),
            "overhead_ms": 1e3 * statistics.median(loop - bare for loop, bare in pairs),
            "tokens": statistics.median(batch["tokens"] for batch in self.batches),
        }


def ratios(ours: Sequence[float], bare: Sequence[float]) -> dict[str, Any]:
    """Medians in seconds, and the ratio of each pair: its median, and the least and largest of five parts in turn."""
    each = [mine / other for mine, other in zip(ours, bare, strict=True)]
    part = max(1, len(each) // ROUNDS)
    parts = [statistics.median(each[start : start + part]) for start in range(0, part * ROUNDS, part) if each[start:]]
    return {
        "seconds": statistics.median(ours),
        "bare_seconds": statistics.median(bare),
        "ratio": statistics.median(each),
        "least": min(parts),
        "largest": max(parts),
    }


@contextmanager
def with_bare_steps() -> Iterator[list[BareSteps]]:
    """While this lasts every training makes its steps twice; the list receives who makes them."""
    original = task_trainer.build_trainer
    made: list[BareSteps] = []

    def build(context: RunContext, *arguments: Any, **settings: Any) -> task_trainer.TaskTrainer:
        trainer = original(context, *arguments, **settings)
        made.append(BareSteps(trainer, context.config))
        trainer.add_callback(made[-1])
        return trainer

    task_trainer.build_trainer = build
    try:
        yield made
    finally:
        task_trainer.build_trainer = original


def measured_loop(model: str, steps: int, folder: Path) -> dict[str, Any]:
    """The loop of `finetune` beside bare steps, on batches of 16 prompts of 32 tokens."""
    file = folder / "reviews.csv"
    write_rows(file, prompts_of_one_length())
    config = RunConfig(
        model=model,
        data=str(file),
        prompt="{text} It was",
        words=("terrible", "great"),
        shots=32,
        validation=4,
        test=4,
        steps=WARM_UP + steps,
        every=WARM_UP + steps,
        lr=1e-6,
    )
    with with_bare_steps() as made:
        finetune(config, folder / f"loop-{Path(model).name}", report=print)
    return {"model": name_of(model), "parameters": parameters(made[0].model)} | made[0].record()


def prompts_of_one_length() -> list[Row]:
    rows = reviews(seed=0)[:4_000]
    encoder = Encoder(TASK, smollm2()[1], rows[0])
    return [row for row in rows if len(encoder.encode_prompt(row).input_ids) == LENGTH]


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["text", "label"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


@torch.no_grad()
def measured_evaluation(name: str, count: int) -> dict[str, Any]:
    """Evaluation beside forward passes of unpadded batches of the same shapes, in turn."""
    loaded = load_model(name)
    model: Any = loaded.model
    rows = reviews(seed=0)[:count]
    encoder = Encoder(TASK, loaded.tokenizer, rows[0])
    questions = encode_questions(encoder, rows)
    lengths = [len(one.input_ids) for one in questions.sequences]
    shapes = [(len(batch), lengths[batch[0]]) for batch in length_batches(lengths, CPU_LIMITS)]
    batches = [torch.randint(5, 1_000, shape) for shape in shapes]

    def bare() -> None:
        for batch in batches:
            model(batch, use_cache=False, logits_to_keep=1)

    runs: dict[str, Callable[[], Any]] = {
        "bare": bare,
        "encoded": lambda: evaluate_questions(model, encoder, questions),
        "rows": lambda: evaluate(model, encoder, rows),
    }
    times = in_turn(runs)
    padded = sum(batch.numel() for batch in batches)
    return {
        "model": name_of(name),
        "rows": count,
        "tokens": sum(lengths),
        "padded_tokens": padded,
        "passes": len(batches),
        "tokens_per_second": padded / statistics.median(times["encoded"]),
        "speed": ratios(times["bare"], times["encoded"])["ratio"],  # of tokens per second: the inverse of seconds
        "speed_with_encoding": ratios(times["bare"], times["rows"])["ratio"],
        "seconds": {run: statistics.median(own) for run, own in times.items()},
    }


def in_turn(runs: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of each in each round, the first rounds untimed, the order moved by one in every round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(-1, ROUNDS):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.perf_counter()
            runs[name]()
            if turn >= 0:
                times[name].append(time.perf_counter() - began)
    return times


def measured_run(model: str, tuning: str, steps: int, test: int, folder: Path) -> dict[str, Any]:
    """The stages of a whole run on reviews."""
    config = RunConfig(
        model=model, tuning=tuning, shots=32, validation=64, test=test, steps=steps, every=steps // 2, lr=1e-6
    )
    result = finetune(config, folder / f"run-{Path(model).name}-{tuning}", report=print)
    facts = {"model": name_of(model), "tuning": tuning, "steps": steps, "validation": 64, "test": test}
    return facts | {"stages": result["stages"]}


def name_of(model: str) -> str:
    return "SmolLM2-135M" if model == SMOLLM2 else "random Llama"


def parameters(model: Any) -> int:
    return sum(weights.numel() for weights in model.parameters())


def save_random_model(folder: Path) -> str:
    """Two layers of width 8 under SmolLM2's vocabulary: a step is little more than the loop around it."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
    }
    tokens: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    tokenizer = smollm2()[1]
    config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=True, **sizes, **tokens)
    LlamaForCausalLM(config).save_pretrained(folder / "llama")
    tokenizer.save_pretrained(folder / "llama")
    return str(folder / "llama")


def measured(quick: bool, folder: Path) -> dict[str, Any]:
    tiny = save_random_model(folder)
    if quick:
        loops = [(tiny, 10)]
        evaluations = [(tiny, 64)]
        runs = [(tiny, "full", 4, 64)]
    else:
        loops = [(SMOLLM2, 25), (tiny, 200)]
        evaluations = [(SMOLLM2, 128), (tiny, 1_000)]
        runs = [(SMOLLM2, "full", 40, 256), (SMOLLM2, "lora", 40, 256), (tiny, "full", 200, 256)]
    return {
        "machine": machine(),
        "rounds": ROUNDS,
        "loops": [measured_loop(model, steps, folder) for model, steps in loops],
        "evaluations": [measured_evaluation(model, count) for model, count in evaluations],
        "runs": [measured_run(*each, folder) for each in runs],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="a tiny model alone")
    arguments = parser.parse_args()
    with quiet(), tempfile.TemporaryDirectory() as folder:
        record = measured(arguments.quick, Path(folder))
    records.write(record, arguments, "loop")
    for row in record["loops"]:
        print(f"{row['model']}: a step of the loop {row['ratio']:.3f} × the bare one, {row['overhead_ms']:+.1f} ms")
    for row in record["evaluations"]:
        print(f"{row['model']}: evaluation at {row['speed']:.3f} × the tokens per second of a bare forward pass")


if __name__ == "__main__":
    main()
