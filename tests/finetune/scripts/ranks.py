"""A program for one process, or for several under torchrun: a folder, a loss, and settings of MeZO as JSON."""

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as distributed
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PrinterCallback,
    TrainingArguments,
)

from mezo_lab.finetune.training.trainer import MeZOTrainer
from mezo_lab.optim import MeZO
from mezo_lab.optim.fingerprint import weights_hash

SIZES = {"vocab_size": 24, "num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
SPREAD = {"initializer_range": 0.3}  # far from the small initial weights, whose losses all look alike
ROWS = torch.randint(1, 24, (32, 6), generator=torch.Generator().manual_seed(0))
COUNTS = torch.arange(32) % 5 + 1  # of tokens in the loss, where the loss is over tokens
TOKENS = torch.where(torch.arange(6) <= COUNTS[:, None], ROWS, -100)
# what the loss is a mean over → model, architecture, labels
LOSSES = {
    "rows": (AutoModelForSequenceClassification, "bert", (ROWS[:, 0] < 12).long()),
    "tokens": (AutoModelForCausalLM, "llama", TOKENS),
}


def trained(folder: Path, loss: str, seed: int, resume: bool, **settings) -> dict:
    """What this process ends with. seed: of its model, before the trainer makes all alike."""
    arguments = TrainingArguments(
        str(folder),
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        max_steps=4,
        save_steps=2,
        logging_steps=1,
        per_device_train_batch_size=8 // int(os.environ.get("WORLD_SIZE", 1)),
        gradient_accumulation_steps=2,
        eval_strategy="steps",
        eval_steps=3,
    )
    rank, world = arguments.process_index, arguments.world_size
    torch.manual_seed(seed + rank)
    head, architecture, labels = LOSSES[loss]
    model = head.from_config(AutoConfig.for_model(architecture, **SIZES, **SPREAD))
    data = [{"input_ids": row, "labels": label} for row, label in zip(ROWS, labels, strict=True)]
    start = folder / "start.pt"
    if rank == 0 and not resume:
        folder.mkdir(exist_ok=True)
        torch.save(model.state_dict(), start)
    parallel = "batch" if world > 1 else None
    opt = MeZO(model.named_parameters(), lr=1e-2, seed=5, parallel=parallel, check_replicas_every=1, **settings)
    sets = {"train_dataset": data, "eval_dataset": data[:8]}
    trainer = MeZOTrainer(model, arguments, optimizers=(opt, None), log=folder / "run.mezo", **sets)
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2") if resume else None)
    return {
        "weights": weights_hash(list(model.parameters())).hex(),
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "wrapped": type(trainer.model_wrapped).__name__,
        "gradients": sum(parameter.grad is not None for parameter in model.parameters()),
    }


def main(out: Path, loss: str, settings: dict) -> None:
    runs = {"whole": (0, False), "resumed": (7, True)}
    found = {name: trained(out / "run", loss, seed, resume, **settings) for name, (seed, resume) in runs.items()}
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    out.joinpath(f"{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
