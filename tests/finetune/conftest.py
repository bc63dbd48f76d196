"""A tokenizer, reviews and random models, small enough to be made anew for each test: no file, no network."""

import csv
from copy import deepcopy

import pytest
import torch

from mezo_lab.finetune.config import RunConfig

WORDS = ("It", "was", "great", "terrible", "a", "fine", "film", "dull", "plot", "no", "wit", "Ġ")
FEW = ("great", "fine", "film", "a", "plot", "wit", "no", "dull")
VOCABULARY = [*WORDS, *(f"Ġ{word}" for word in WORDS)]


@pytest.fixture
def batch():
    """Five reviews of different lengths: one more than run together."""
    texts = (
        "a fine film",
        "no wit no plot a dull film",
        "great",
        "dull film",
        "a great film a fine plot no wit a film",
    )
    return [{"text": text, "label": label} for text, label in zip(texts, (1, 0, 1, 0, 1), strict=True)]


@pytest.fixture(scope="session")
def tokenizer():
    """Words with the space before them, as a byte-level tokenizer has them: " great" is one token."""
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    indices = {word: index for index, word in enumerate(VOCABULARY)}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(indices, unk_token="Ġ"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words)


@pytest.fixture(params=["llama", "opt", "gpt2"])
def any_model(request):
    return random_model(request.param)


@pytest.fixture
def model():
    return random_model("llama")


@pytest.fixture
def masked_model():
    return random_model("roberta")


@pytest.fixture(params=["llama", "opt", "gpt2", "roberta"])
def every_model(request):
    return random_model(request.param)


@pytest.fixture
def fresh():
    """Makes the random model of an architecture, as often as it is asked for."""
    return random_model


@pytest.fixture
def folder(tmp_path, tokenizer):
    """Saves a random model with its tokenizer, and tells where."""

    def saved(architecture: str) -> str:
        where = tmp_path / architecture
        random_model(architecture).save_pretrained(where)
        words = deepcopy(tokenizer)
        if architecture == "roberta":
            words.mask_token = "wit"
        words.save_pretrained(where)
        return str(where)

    return saved


@pytest.fixture
def reviews(tmp_path):
    """96 different texts; the label says whether the word great stands in them."""
    rng = torch.Generator().manual_seed(0)
    with open(tmp_path / "reviews.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        for number in range(96):
            words = [FEW[i] for i in torch.randint(1, len(FEW), (6,), generator=rng)]
            rows.writerow((" ".join([*words, "great" if number % 2 else "dull"]), number % 2))
    return str(tmp_path / "reviews.csv")


@pytest.fixture
def plan(folder, reviews):
    """Ten steps on a random Llama."""
    own = {"prompt": "{text} It was", "masked_prompt": "{text} It was {mask}", "words": ("terrible", "great")}
    sizes = {"shots": 8, "test": 20, "batch": 8, "steps": 10, "every": 5}
    return RunConfig(model=folder("llama"), data=reviews, lr=1e-3, device="cpu", **own, **sizes)


def random_model(architecture: str):
    """Two layers of width 16 with random weights, in eval mode; embeddings tied, as SmolLM2's are."""
    transformers = pytest.importorskip("transformers")
    sizes = {
        "llama": {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2},
        "opt": {
            "hidden_size": 16,
            "word_embed_proj_dim": 16,
            "ffn_dim": 32,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
        },
        "gpt2": {"n_embd": 16, "n_head": 2, "n_layer": 2},
        "roberta": {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "pad_token_id": 1,
        },
    }[architecture]
    config = transformers.AutoConfig.for_model(
        architecture, vocab_size=len(VOCABULARY), tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, **sizes
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        auto = transformers.AutoModelForMaskedLM if architecture == "roberta" else transformers.AutoModelForCausalLM
        model = auto.from_config(config)
        for parameter in model.parameters():  # far from the small initial weights, whose losses all look alike
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()
