"""The curvature of a language model's loss: second derivatives through real attention, and the command `lr`."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mezo_lab.cli import config_options as options_of
from mezo_lab.cli import lr, main
from mezo_lab.curvature import gradient, hessian_products
from mezo_lab.finetune import load_model, task_loss
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.default_rates import EPSILONS
from mezo_lab.finetune.models.tuning import count_trainable
from mezo_lab.finetune.prepare import build_model, prepare_run
from mezo_lab.sampling import law_named
from mezo_lab.theory import fourth_moment, stability_bounds

STEP = 1e-5  # the loss is float32 in the end, and OPT has kinks


def test_products_with_the_hessian_are_differences_of_gradients(any_model, tokenizer, batch):
    model = any_model.double()
    loss, parameters = task_loss(model, tokenizer, batch), list(model.parameters())
    rng = torch.Generator().manual_seed(0)
    vector = [torch.randn(p.shape, generator=rng, dtype=p.dtype) for p in parameters]
    products = hessian_products(parameters, loss)(vector)
    slopes = []
    for side in (STEP, -2 * STEP):
        with torch.no_grad():
            for parameter, v in zip(parameters, vector, strict=True):
                parameter.add_(v, alpha=side)
        slopes.append(gradient(parameters, loss))
    for product, plus, minus in zip(products, *slopes, strict=True):
        difference = (plus - minus) / (2 * STEP)
        assert float((product - difference).abs().max()) < 0.02 * float(product.abs().max()) + 1e-4
    assert max(float(product.abs().max()) for product in products) > 1e-2


@pytest.fixture
def asked(reviews):
    """The command's own options, on 96 reviews of a file."""
    own = ["--data", reviews, "--prompt", "{text} It was", "--masked-prompt", "{text} It was {mask}"]
    return [*own, "--words", "terrible,great", "--shots", "8", "--test", "20", "--batch", "8", "--device", "cpu"]


@pytest.fixture
def bed(monkeypatch):
    """What the command is about to measure, in place of its prediction."""
    seen = SimpleNamespace()

    def predict_stable_lr(parameters, loss, **settings):
        vars(seen).update(parameters=list(parameters), loss=loss, **settings)
        raise ValueError("seen enough")

    monkeypatch.setattr(lr, "predict_stable_lr", predict_stable_lr)
    return seen


def first_loss(monkeypatch, folder, arguments) -> tuple[float, int, RunConfig]:
    """The loss that `mezo-lab finetune` with the same options sees before its first step, on the same batch."""
    from mezo_lab.finetune.training import task_trainer

    plans = []
    monkeypatch.setattr("mezo_lab.finetune.run.finetune", lambda plan, out, **_: plans.append(plan))
    assert main(["finetune", "--out", str(folder), *arguments]) == 0
    ready = prepare_run(plans[0].resolve(), lambda line: None)
    model = build_model(ready)
    trainer = task_trainer.build_trainer(ready, model, folder, lambda line: None)
    batch = trainer.data_collator(trainer.train_dataset[: ready.config.batch])
    return float(trainer.compute_loss(model.eval(), batch).detach()), count_trainable(model), ready.config


@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2", "roberta"])
@pytest.mark.parametrize("tuning", ["full", "lora", "prefix"])
def test_it_looks_at_the_loss_that_finetune_trains(folder, asked, bed, monkeypatch, tmp_path, architecture, tuning):
    sizes = {"full": [], "lora": ["--rank", "2"], "prefix": ["--tokens", "2"]}[tuning]
    arguments = [*asked, "--model", folder(architecture), "--tuning", tuning, *sizes]
    assert main(["lr", *arguments]) == 2
    loss, numbers, plan = first_loss(monkeypatch, tmp_path, arguments)
    assert float(bed.loss().detach()) == pytest.approx(loss, rel=1e-5)
    assert sum(parameter.numel() for parameter in bed.parameters) == numbers
    assert bed.epsilon == plan.epsilon == EPSILONS[tuning]
    products = hessian_products(bed.parameters, bed.loss)([torch.ones_like(each) for each in bed.parameters])
    assert any(float(product.abs().max()) > 0 for product in products)  # it has a second derivative


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform", "three-point", "sphere", "coordinate"])
def test_the_law_of_a_model_is_the_one_that_it_is_in_general_directions(law, folder, asked, bed):
    main(["lr", *asked, "--model", folder("llama"), "--law", law])
    dim = sum(parameter.numel() for parameter in bed.parameters)
    given = law_named(law).moments(dim)
    assert bed.moments.coincidence == 0
    assert fourth_moment(dim, bed.moments) == pytest.approx(float(fourth_moment(dim, given)), rel=1e-12)
    low, high = stability_bounds(50.0, 50.0, 1.0, 1, bed.moments)  # of a coordinate law too, whose pairs count nothing
    assert low == pytest.approx(high) == pytest.approx(2 / 52, rel=0.01)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_low_precision_the_curvature_is_that_of_the_rounded_weights_in_float32(folder, asked, bed, dtype):
    model = folder("llama")
    assert main(["lr", *asked, "--model", model, "--dtype", dtype]) == 2
    whole = load_model(model).model.named_parameters()
    for (name, exact), seen in zip(whole, bed.parameters, strict=True):
        assert seen.dtype == torch.float32
        assert torch.equal(seen, exact.to(getattr(torch, dtype)).float()), name


@pytest.mark.parametrize("options", [["--task", "sst2"], ["--prompt", "{text} It was", "--words", "terrible,great"]])
def test_a_task_of_the_paper_and_one_of_ones_own_are_asked(folder, reviews, bed, tmp_path, options):
    data = tmp_path / "rows.csv"
    data.write_text(
        Path(reviews).read_text().replace("text,label", "sentence,label" if "sst2" in options else "text,label")
    )
    own = ["--data", str(data), "--test", "20", "--shots", "8", "--device", "cpu", "--model", folder("llama")]
    assert main(["lr", *own, *options]) == 2
    assert float(bed.loss().detach()) > 0


def test_the_cost_is_said_before_anything_is_measured(folder, asked, bed, capsys):
    assert main(["lr", *asked, "--model", folder("llama"), "--draws", "7"]) == 2
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(
        "to measure tr H and λ_max: 16 forward passes of at most 8 examples, 1 backward pass, at mo"
    )
    assert told[0].endswith(", as long as 138 forward passes") and told[1].startswith("reading ")
    assert told[-1].startswith("memory for the graph of a gradient of 8 examples, and four copies of ")


def test_what_finetune_refuses_is_refused_in_the_same_words(folder, asked, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        (["--data", "no.csv", *asked[2:], "--model", folder("llama")], "no.csv"),
        ([*asked, "--model", folder("llama"), "--words", "terrible,great,fine"], "label"),
        ([*asked, "--model", folder("llama"), "--label", "stars"], "stars"),
    ):
        said = []
        for command in ("lr", "finetune"):
            assert main([command, *arguments]) == 2, arguments
            said.append(capsys.readouterr().err.splitlines()[-1])
        assert said[0] == said[1] and message in said[0]


def test_it_predicts_and_leaves_the_folder_alone(folder, asked, capsys, tmp_path):
    """A model that has learnt a little, as the loss of a random one may curve downwards."""
    where = folder("llama")
    assert main(["lr", *asked, "--model", fitted(where, asked, tmp_path / "fitted"), "--draws", "100"]) == 0
    told = capsys.readouterr().out
    rate = float(re.search(r"largest stable lr +(\S+)", told)[1])
    trace, norm = (float(re.search(name + r" +(\S+)", told)[1]) for name in ("tr H ", "λ_max"))
    assert 2 / (trace + 2 * norm) * 0.99 < rate < 2 / trace
    assert re.search(r"fitted, d = [\d,]+, 8 examples of .*; gaussian law, n = 1", told)


def fitted(model, asked, where) -> str:
    from mezo_lab.finetune.training.objectives import batch_loss

    options = options_of.given_fields(main_options(["finetune", *asked, "--model", model]))
    ready = prepare_run(RunConfig(**options).resolve(), lambda line: None)
    loss = batch_loss(ready.pretrained.model, ready.encoder, ready.examples[:8])
    descent = torch.optim.Adam(ready.pretrained.model.parameters(), lr=0.01)
    for _ in range(30):
        descent.zero_grad()
        loss().backward()
        descent.step()
    ready.pretrained.model.save_pretrained(where)
    ready.pretrained.tokenizer.save_pretrained(where)
    return str(where)


def main_options(arguments):
    from mezo_lab.cli import parser

    return parser().parse_args(arguments)
