"""A script that was written for the Trainer runs with MeZO when two of its lines are changed."""

import json
import random
from pathlib import Path

import pytest
import torch

pytest.importorskip("datasets")
transformers = pytest.importorskip("transformers")
pytestmark = [
    # a script that sets nothing about it asks for pinned memory, with or without a GPU
    pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true"),
    # it sets a learning rate and a weight decay for Adam, and is told that MeZO does not read them
    pytest.mark.filterwarnings("ignore:`(learning_rate|weight_decay)` is ignored, got .*, as the MeZO that was given"),
]

from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "scripts/sequence_classification.py"
TWO_LINES = {
    "from transformers import Trainer  # isort: skip": "from mezo_lab.finetune import MeZO, MeZOTrainer",
    "trainer = Trainer(": "trainer = MeZOTrainer(optimizers=(MeZO(model.named_parameters(), lr=LR), None),",
}
GOOD, BAD, FILLING = ("great", "fine", "warm"), ("dull", "poor", "cold"), ("a", "film", "plot", "with", "the", "cast")

SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def with_mezo(script: str, lr: float) -> str:
    """The script with exactly two of its lines changed."""
    for old, new in TWO_LINES.items():
        assert script.count(f"\n{old}\n") == 1
        script = script.replace(f"\n{old}\n", f"\n{new.replace('LR', str(lr))}\n")
    return script


def review(draw: random.Random, label: int) -> dict:
    words = draw.choices(FILLING, k=draw.randint(2, 6)) + draw.choices(GOOD if label else BAD, k=2)
    return {"text": " ".join(draw.sample(words, len(words))), "label": label}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the script finds a model of 962 parameters, its tokenizer, and 64 reviews."""
    draw = random.Random(0)
    tmp_path.joinpath("reviews.json").write_text(json.dumps([review(draw, n % 2) for n in range(64)]))
    vocabulary = {word: index for index, word in enumerate(("[PAD]", "[UNK]", *GOOD, *BAD, *FILLING))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, **names).save_pretrained(tmp_path / "tiny")
    config = transformers.BertConfig(vocab_size=len(vocabulary), initializer_range=0.3, **SIZES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def losses(script: str) -> tuple[list[float], dict]:
    """The training losses that a script logs, and its variables."""
    names: dict = {"__name__": "__main__"}
    exec(compile(script, SCRIPT.name, "exec"), names)
    return [entry["loss"] for entry in names["trainer"].state.log_history if "loss" in entry], names


def test_the_script_runs_as_it_stands(folder):
    found, _ = losses(SCRIPT.read_text())
    assert found[-1] < 0.6 * found[0]


def test_two_lines_changed_train_with_mezo(folder):
    """More slowly than Adam, in the same number of steps: it sees one number of the gradient in each."""
    found, names = losses(with_mezo(SCRIPT.read_text(), lr=3e-2))
    assert found[-1] < 0.8 * found[0]
    assert all(parameter.grad is None for parameter in names["model"].parameters())


def test_steps_of_no_length_leave_the_loss_where_it_was(folder):
    """The control of the test above."""
    found, _ = losses(with_mezo(SCRIPT.read_text(), lr=1e-9))
    assert found[-1] == pytest.approx(found[0], rel=0.1)
