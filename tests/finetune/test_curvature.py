"""The curvature of a language model's loss: second derivatives through real attention, and the command `lr`."""

import pytest
import torch

from mezo_lab.cli import lr, main
from mezo_lab.finetune import task_loss
from mezo_lab.hessian import gradient, hessian_products

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
def small(monkeypatch, model, tokenizer, batch):
    monkeypatch.setattr("mezo_lab.finetune.smollm2", lambda: (model, tokenizer))
    monkeypatch.setattr("mezo_lab.finetune.reviews", lambda seed: batch)
    monkeypatch.setattr(lr, "TASK", "rotten-tomatoes")
    return model


def test_the_command_measures_the_model_and_leaves_it_alone(small, capsys):
    before = [parameter.detach().clone() for parameter in small.parameters()]
    code = main(["lr", "--model", "smollm2-135m", "--batch", "4", "--draws", "200"])
    told = capsys.readouterr()
    assert code == 0, told.err
    dim = sum(parameter.numel() for parameter in small.parameters())
    assert told.out.startswith(f"smollm2-135m, d = {dim:,}, 4 reviews; gaussian law, n = 1")
    assert "largest stable lr" in told.out and "λ_max" in told.out
    assert all(torch.equal(*pair) for pair in zip(small.parameters(), before, strict=True))
