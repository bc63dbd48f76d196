"""Tiny classifiers and language models under a MeZOTrainer, and what is seen of its steps."""

import gc
from collections.abc import Callable, Iterator

import pytest
import torch

SIZES = {"vocab_size": 24, "num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
QUIET = {
    "use_cpu": True,
    "report_to": "none",
    "disable_tqdm": True,
    "max_steps": 3,
    "save_strategy": "no",
    "logging_steps": 1,
    "lr_scheduler_type": "constant",
    "per_device_train_batch_size": 4,
    "train_sampling_strategy": "sequential",
}


def random_model(head: str, architecture: str, dropout: float = 0.1, dtype: torch.dtype = torch.float32):
    """Two layers of width 16 with weights that are far from 0, where a tiny model's losses all look alike."""
    transformers = pytest.importorskip("transformers")
    dropouts = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    given = SIZES | dropouts | {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, head).from_config(transformers.AutoConfig.for_model(architecture, **given))
        for matrix in (parameter for parameter in model.parameters() if parameter.dim() > 1):
            torch.nn.init.normal_(matrix, std=0.3)
    return model.to(dtype)


@pytest.fixture(scope="session", autouse=True)
def quick_collections() -> Iterator[None]:
    """Every `train()` collects garbage, and would look through all modules that are loaded: half of its time here."""
    pytest.importorskip("transformers")
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def classifier() -> Callable:
    """A factory of classifiers, all of the same weights; with dropout, as BERT's have."""
    return lambda **config: random_model("AutoModelForSequenceClassification", "bert", **config)


@pytest.fixture
def language_model() -> Callable:
    """A factory of causal language models, all of the same weights."""
    return lambda **config: random_model("AutoModelForCausalLM", "llama", **config)


@pytest.fixture(scope="session")
def texts() -> list[dict]:
    """16 token sequences, whose label is whether the first token is below 12."""
    rows = torch.randint(1, 24, (16, 6), generator=torch.Generator().manual_seed(0))
    return [{"input_ids": row, "labels": int(row[0] < 12)} for row in rows]


@pytest.fixture(scope="session")
def sentences() -> list[dict]:
    """12 token sequences, of which a different number of tokens counts in the loss."""
    rows = torch.randint(1, 24, (12, 8), generator=torch.Generator().manual_seed(1))
    labels = [torch.where(torch.arange(8) < 2 + n % 6, row, -100) for n, row in enumerate(rows)]
    return [{"input_ids": row, "labels": label} for row, label in zip(rows, labels, strict=True)]


@pytest.fixture
def trainer(tmp_path) -> Callable:
    """A factory of MeZOTrainers. opt, args: settings of its MeZO and its TrainingArguments; others: its own."""
    transformers = pytest.importorskip("transformers")
    from mezo_lab.finetune.training.trainer import MeZOTrainer
    from mezo_lab.optim import MeZO

    def trainer(model, data, opt=(), args=(), kind=MeZOTrainer, **settings):
        arguments = transformers.TrainingArguments(**({"output_dir": str(tmp_path / "out")} | QUIET | dict(args)))
        mezo = MeZO(model.named_parameters(), **({"lr": 1e-2, "seed": 5} | dict(opt)))
        built = kind(model, arguments, train_dataset=data, optimizers=(mezo, None), **settings)
        built.remove_callback(transformers.PrinterCallback)
        return built

    return trainer


@pytest.fixture
def steps() -> Callable:
    """The projected gradients of each step that a trainer makes, in one list."""

    def steps(trainer) -> list[float]:
        found, make = [], trainer.mezo._update

        def noting(projected, rates):
            found.extend(projected)
            make(projected, rates)

        trainer.mezo._update = noting
        trainer.train()
        return found

    return steps


def equal(model, other) -> bool:
    """Whether all bits agree."""
    return all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.fixture(name="equal")
def equal_fixture() -> Callable:
    return equal
