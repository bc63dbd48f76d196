"""The benchmark of the walks: what a log says of one, an estimator without bias beside one with it, and the record."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
import wandering
from blocks import wandering as block
from walks import path, training
from walks.gains import compared
from walks.meters import Meter, last_tokens

from mezo_lab.finetune import RunConfig, finetune
from mezo_lab.finetune.evaluation.scores import Z95
from mezo_lab.finetune.tasks import custom_task
from mezo_lab.optim import MeZO
from mezo_lab.optim.log import RunLog

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[1]
WORDS = ["great", "fine", "film", "a", "plot", "wit", "no", "dull", "terrible", "It", "was", "Ġ"]


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """θ_T − θ_0 of forty steps of signs on two tensors, and the log of the run."""
    file = tmp_path_factory.mktemp("run") / "run.mezo"
    theta = {"a": torch.nn.Parameter(torch.zeros(30, 20)), "b": torch.nn.Parameter(torch.zeros(50))}
    opt = MeZO(theta.items(), lr=1e-2, law="rademacher", seed=3)
    with RunLog(opt, file):
        for step in range(40):
            opt.param_groups[0]["lr"] = 1e-2 * (1 - step / 40)
            opt.step(lambda: theta["a"].sum() + theta["b"].square().sum() + theta["b"].sum())
    return list(theta.items()), file


def test_the_log_alone_leads_to_the_end_of_the_walk(logged):
    named, file = logged
    walk, steps = path.Walk(named, "rademacher", seed=3), path.steps_of(file)
    points = path.followed(walk, steps, [[torch.ones(30, 20), torch.ones(50)]], pieces=8)
    for (_, weights), part in zip(named, walk.displacement, strict=True):
        assert torch.allclose(weights.detach(), part, atol=1e-5)
    assert [point["steps"] for point in points] == list(range(5, 41, 5))
    assert points[-1]["rates"] == pytest.approx(1e-2 * 20.5)
    assert points[-1]["along"][0] == pytest.approx(
        -sum(float(w.detach().sum()) for _, w in named) / math.sqrt(650), rel=1e-4
    )


def test_tossed_signs_leave_the_length_and_take_the_signal(logged):
    steps = path.steps_of(logged[1])
    turned = path.tossed(steps)
    assert path.mean_square(turned) == path.mean_square(steps)
    assert 5 < sum(a.projected == b.projected for a, b in zip(steps, turned, strict=True)) < 35
    assert path.tossed(steps, seed=1) != turned == path.tossed(steps)


DIM, STEPS, WALKS, RATE = 60, 40, 2_000, 0.01


def walks(curvature: float):
    """ΔD of many walks of signs, from θ_0 with g = (1, …, 1), on a bowl: (steps, walks, d), and where they end."""
    generator = torch.Generator().manual_seed(0)
    place = torch.zeros(WALKS, DIM, dtype=torch.float64)
    moves = []
    for _ in range(STEPS):
        z = torch.randint(2, (WALKS, DIM), generator=generator).double() * 2 - 1
        slope = 1 + curvature * place
        moves.append(-RATE * (slope * z).sum(1, keepdim=True) * z)
        place = place + moves[-1]
    return torch.stack(moves), place


def test_along_a_gradient_of_the_start_the_mean_is_the_signals_and_the_interval_holds():
    moves, place = walks(curvature=0.0)
    unit = torch.ones(DIM, dtype=torch.float64) / math.sqrt(DIM)
    squares = moves.square().sum((0, 2)) / DIM  # Σ η²pg² of each walk
    values = -(place @ unit)
    found = [
        path.along(float(value), float(square), float(end @ end))
        for value, square, end in zip(values, squares, place, strict=True)
    ]
    signal = RATE * STEPS * math.sqrt(DIM)
    assert abs(float(values.mean()) - signal) < 5 * float(values.std()) / math.sqrt(WALKS)
    unbiased = torch.tensor([each.share() * each.sq_length for each in found])
    error = float(unbiased.std()) / math.sqrt(WALKS)
    assert abs(float(unbiased.mean()) - signal**2) < 5 * error  # the angle is 0, at which the error is the largest
    assert float(values.square().mean()) - signal**2 > 5 * error  # the square itself is too large
    held = sum(abs(each.value - signal) < Z95 * each.error for each in found) / WALKS
    assert 0.9 < held < 0.98  # the Σ of forty pg² scatters itself
    across = torch.zeros(DIM, dtype=torch.float64)
    across[0], across[1] = 1 / math.sqrt(2), -1 / math.sqrt(2)  # at right angles to the gradient
    held = sum(abs(float(end @ across)) < Z95 * each.error for end, each in zip(place, found, strict=True)) / WALKS
    assert held > 0.98


def test_along_the_gradient_of_the_end_the_mean_is_another():
    """Which has seen the z: on a bowl it points to where the noise has led."""
    moves, place = walks(curvature=0.5)
    slopes = torch.cat([torch.ones(1, WALKS, DIM), 1 + 0.5 * moves.cumsum(0)]).double()
    signal = (RATE * slopes[:-1]).sum(0)  # Σ η∇L, of each walk
    along_start = (-(place + signal) @ torch.ones(DIM).double()) / math.sqrt(DIM)
    along_end = (-(place + signal) * slopes[-1]).sum(1) / slopes[-1].norm(dim=1)
    for gap, is_biased in ((along_start, False), (along_end, True)):
        distance = abs(float(gap.mean())) / (float(gap.std()) / math.sqrt(WALKS))
        assert (distance > 10) if is_biased else (distance < 5)


def test_losses_are_compared_with_the_means_that_a_record_holds():
    assert wandering.gap_of_losses([1.0, 2.0, 3.0], [(2, 1.25), (3, 3.0), (4, 9.0)]) == 0.25


def test_the_sample_has_both_classes_in_turn_and_no_row_twice():
    rows = [{"text": str(number), "label": int(number >= 50)} for number in range(100)]
    chosen = wandering.sample(rows, 10)
    assert [row["label"] for row in chosen] == [0, 1] * 5 and len({row["text"] for row in chosen}) == 10


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """A random Llama of two layers, trained by MeZO and by Adam on reviews of seven words, in a folder of runs."""
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    vocabulary = {word: index for index, word in enumerate([*WORDS, *(f"Ġ{word}" for word in WORDS)])}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="Ġ"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = tokenizers.decoders.ByteLevel()
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = transformers.LlamaConfig(vocab_size=len(vocabulary), bos_token_id=0, eos_token_id=0, **sizes)
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path / "model")
    lines = ["text,label"]
    for number in range(96):
        digits = [WORDS[number >> shift & 7] for shift in (0, 2, 4)]
        lines.append(" ".join([*digits, WORDS[number % 7], ("dull", "great")[number % 2]]) + f",{number % 2}")
    (tmp_path / "reviews.csv").write_text("\n".join(lines))
    task = {"prompt": "{text} It was", "words": ("terrible", "great"), "data": str(tmp_path / "reviews.csv")}
    own = {"model": str(tmp_path / "model"), "shots": 4, "validation": 8, "test": 8, "batch": 4, "device": "cpu"}
    steps = {"steps": 12, "every": 4, "schedule": "linear"}
    kinds = {"mezo-full": {"law": "rademacher", "lr": 3e-3}, "adam-full": {"method": "adam", "lr": 3e-3}}
    for name, kind in kinds.items():
        config = RunConfig(**task, **own, **steps, **kind)
        finetune(config, tmp_path / f"runs/rotten-tomatoes-16-{name}-seed0", report=lambda line: None)
    monkeypatch.setattr(wandering, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(wandering, "OUT", tmp_path / "out")
    reviews = [{"text": line.split(",")[0], "label": number % 2} for number, line in enumerate(lines[1:])]
    monkeypatch.setattr(wandering, "load_rows", lambda name: reviews)
    return tmp_path / "runs"


def own_run(folder: Path, kind: str = "mezo-full") -> Path:
    return folder / f"runs/rotten-tomatoes-16-{kind}-seed0"


def test_a_record_of_two_runs_is_whole_and_is_not_measured_twice(runs, tmp_path, monkeypatch):
    mezo, adam = own_run(tmp_path), own_run(tmp_path, "adam-full")
    prompt = "rotten-tomatoes"
    plan = wandering.Plan(
        wandering.Sizes(rows=8, held_out=4, reviews=4, tokens=3, pieces=4),
        (
            ("adam", (adam.name, 12)),
            ("walks", mezo.name),
            ("states", wandering.State(prompt)),
            ("states", wandering.State(prompt, mezo.name, 12)),
            ("states", wandering.State(prompt, mezo.name, 12, tossed=True)),
            ("states", wandering.State(prompt, adam.name, 12)),
            ("path", (mezo.name, tuple(range(1, 13)))),
        ),
    )
    file = tmp_path / "wandering.json"
    wandering.measured(file, plan)
    record = json.loads(file.read_text())
    walk = record["walks"][mezo.name]
    assert walk["gap"] < 1e-5 and walk["sq_length"] == pytest.approx(walk["points"][-1]["sq_length"], rel=1e-4)
    assert set(walk["along"]) == {"gradient", "adam"}
    assert sum(walk["kinds"]["walk"].values()) == pytest.approx(1)
    made_again = record["adam"][adam.name]
    assert made_again["losses_differ_by"] < 1e-5 and 0 < made_again["share_pull"] <= 1
    lengths = {key: state["sq_length"] for key, state in record["states"].items()}
    assert lengths[f"{mezo.name}@12"] == pytest.approx(walk["sq_length"], rel=1e-5)
    assert lengths[f"{adam.name}@12"] == pytest.approx(made_again["sq_length"], rel=1e-5)
    assert record["gains"]["rotten-tomatoes-start@0"]["text"] == [0, 0, 0]
    found = record["path"][mezo.name]
    fall = found["losses"][0] - found["losses"][-1]
    gap = found["by_starts"] - found["by_ends"]  # the curvature along the noise
    assert gap > 0 and abs((found["by_starts"] + found["by_ends"]) / 2 - fall) < gap / 4  # the trapezoidal rule
    monkeypatch.setattr(wandering, "walked", None)
    wandering.measured(file, plan)  # all of it is there
    assert json.loads(file.read_text()) == record


def test_the_loss_of_a_text_is_that_of_a_language_model_on_the_text_alone(runs, tmp_path):
    run = training.bed(own_run(tmp_path))
    tokenizer, rows = run.context.pretrained.tokenizer, run.context.splits.train[:3]
    task = custom_task("great {text} It was", ("terrible", "great"))
    reading = Meter(task, tokenizer, rows, rows, tokens=100).read(run.model)
    for row, loss in zip(rows, reading.text, strict=True):
        ids = torch.tensor([tokenizer(f"great {row['text']} It was").input_ids])
        targets = ids.clone()
        targets[:, :2] = -100  # a token before the text, and the first of it,
        targets[:, -2:] = -100  # and two behind it
        assert loss == pytest.approx(float(run.model(ids, labels=targets).loss.detach()), rel=1e-4)


def test_a_text_is_cut_to_its_last_tokens(runs, tmp_path):
    tokenizer = training.bed(own_run(tmp_path)).context.pretrained.tokenizer
    assert last_tokens(tokenizer, "a fine film no wit", 2) == "no wit"


def test_a_page_without_a_record_says_how_to_make_one(tmp_path):
    assert "python benchmarks/wandering.py" in block.wandering(tmp_path) == block.transfer(tmp_path)


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads((ROOT / block.RECORD).read_text(encoding="utf-8"))


def test_on_the_record_the_log_alone_gives_the_length_of_every_walk(record):
    for walk in record["walks"].values():
        dim = record["logs"][walk["run"]]["dim"]
        scatter = math.sqrt(2 / dim)  # of the products of two z, by one standard deviation at most
        assert abs(walk["sq_length"] / walk["predicted"] - 1) < 5 * scatter
        assert walk["gap"] < 1e-4  # from the weights that the replay rebuilds bit for bit


def test_on_the_record_no_walk_has_more_signal_along_its_gradient_than_the_bound(record):
    for walk in record["walks"].values():
        found = path.along_of(walk["points"][-1], 0)
        mean, low, high = walk["along"]["gradient"]["share"]
        assert (mean, low, high) == pytest.approx((found.share(), found.share(-Z95), found.share(Z95)))
        assert 0 < low < mean < record["logs"][walk["run"]]["most"]


def test_on_the_record_rebuilt_weights_answer_as_their_runs_did(record):
    agreed = [gain["agrees"] for gain in record["gains"].values() if "agrees" in gain]
    assert len(agreed) >= 2 and min(agreed) > 0.97
    assert all(walk["losses_differ_by"] < 1e-4 for walk in record["adam"].values())


def test_on_the_record_the_gains_are_those_of_the_answers(record):
    for key, state in record["states"].items():
        start = record["states"][wandering.key_of(wandering.State(state["prompt"]))]
        again = compared(state, start)
        assert {name: record["gains"][key][name] for name in again} == {n: pytest.approx(v) for n, v in again.items()}


def test_on_the_record_tossed_signs_keep_the_length_and_lose_the_gain_on_the_task(record):
    for key, state in record["states"].items():
        if state["tossed"]:
            trained = key.removesuffix("-tossed")
            assert state["sq_length"] == pytest.approx(record["states"][trained]["sq_length"], rel=1e-3)
            assert record["gains"][key]["own"][1] < 0 < record["gains"][trained]["own"][1]


def test_on_the_record_the_language_model_pays_for_the_length_and_not_for_the_signal(record):
    """What docs/finetuning.md says below the table."""
    for key, gain in record["gains"].items():
        state = record["states"][key]
        if state["tossed"]:
            trained = record["gains"][key.removesuffix("-tossed")]["text"]
            assert 0 < trained[1] < gain["text"][0] < 1.25 * trained[0]
        elif state["run"] in record["adam"]:
            assert gain["text"][2] < 0


def test_on_the_record_a_gradient_that_has_seen_the_noise_promises_less(record):
    for found in record.get("path", {}).values():
        fall = found["losses"][0] - found["losses"][-1]
        assert found["by_starts"] > fall > found["by_ends"]


def test_on_the_record_a_run_that_made_more_steps_stands_at_its_best_checkpoint(record):
    rows = json.loads((ROOT / "results/finetune.json").read_text())["rows"]
    best = {row["run"]: row["best_step"] for row in rows}
    kept = [state for state in record["states"].values() if state["run"] in best.keys() & record["logs"].keys()]
    longer = [state for state in kept if state["steps"] < record["logs"][state["run"]]["steps"]]
    assert longer and all(state["steps"] == best[state["run"]] for state in longer)
    assert "450 of 600" in block.kept_steps(record)


def test_the_page_shows_every_log_and_every_state(record):
    text, gained = block.wandering(ROOT), block.transfer(ROOT)
    assert text.count("\n| ") == len(record["logs"]) and "figures/wandering.svg" in text
    coins = sum(state["tossed"] for state in record["states"].values())
    assert gained.count("\n| ") == len(record["states"]) + 1 + coins > 1 and "figures/transfer.svg" in gained


def test_on_the_record_a_run_gains_on_its_own_task_over_its_coin_and_on_imdb_not_for_certain(record):
    """What docs/finetuning.md says of its last table."""
    for key, coin in record["states"].items():
        if coin["tossed"]:
            over = compared(record["states"][key.removesuffix("-tossed")], coin)
            assert over["own"][1] > 0 > over["other"][1] and over["text"][2] < 0


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ([2e-6, 1e-6, 3e-6], "2.00 (1.00–3.00) millionths lie along"),
        ([-1e-8, 0.0, 9e-8], "at most 0.09 millionths lie along"),
    ],
)
def test_a_share_that_is_not_told_from_none_has_its_upper_end_alone(share, words):
    assert block.part(share).startswith(words)


@pytest.mark.parametrize("figure", [block.WALK_FIGURE, block.TRANSFER_FIGURE])
def test_a_committed_figure_shows_the_record(figure, tmp_path):
    """Its words and numbers, that is: where they stand depends on the fonts of a machine."""
    (tmp_path / "results").symlink_to(ROOT / "results")
    block.draw(tmp_path)
    assert words(tmp_path / figure) == words(ROOT / figure) != []


def words(svg: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text(encoding="utf-8"))
