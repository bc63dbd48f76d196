"""The learning rate and the ε of a run that gives none: measured for the shipped model, the paper's for others."""

from typing import NamedTuple

from mezo_lab.finetune.models.loading import SHIPPED_MODEL

# MeZO and ε: the first of the grids of Table 16. Adam and SGD: the first of Table 15; adapters by SGD are our guess
_PAPER_RATES = {
    ("mezo", "full"): 1e-6,
    ("mezo", "lora"): 1e-4,
    ("mezo", "prefix"): 1e-2,
    ("adam", "full"): 1e-5,
    ("adam", "lora"): 1e-4,
    ("adam", "prefix"): 1e-2,
    ("sgd", "full"): 1e-3,
    ("sgd", "lora"): 1e-3,
    ("sgd", "prefix"): 1e-2,
}
EPSILONS = {"full": 1e-3, "lora": 1e-2, "prefix": 1e-1}
# (rate, ε) of SmolLM2-135M on film reviews, a model a hundredth of the paper's size: the rates with the best validation
# accuracy, and the ε and the schedule at which they were compared. Source: results/rates.json, which
# benchmarks/rates.py writes. It does not separate two rates of all weights: this is the smaller one, which
# benchmarks/accuracy.py takes for more than 200 steps. Of the scores as objectives, accuracy was tried.
MEASURED = {
    ("mezo", "full", "loss"): (3e-5, 1e-3),
    ("mezo", "full", "score"): (3e-4, 1e-2),
    ("mezo", "lora", "loss"): (3e-3, 1e-2),
    ("mezo", "prefix", "loss"): (3e-2, 1e-1),
    ("adam", "full", "loss"): (3e-5, 1e-3),
}
_MEASURED_SCHEDULE = "linear"


class DefaultRate(NamedTuple):
    """The learning rate, schedule and ε of a run that gives no rate, and where they come from."""

    lr: float | None
    """None without training."""
    epsilon: float
    schedule: str
    source: str


def default_rate(model: str, method: str, tuning: str, objective: str) -> DefaultRate:
    """The rate that was measured on this model, or the first of the paper's grid.

    >>> default_rate("smollm2-135m", "mezo", "full", "loss")[:3], default_rate("other", "mezo", "lora", "loss")[:3]
    ((3e-05, 0.001, 'linear'), (0.0001, 0.01, 'constant'))
    """
    kind = "score"
    if objective == "loss" or tuning != "full":
        kind = "loss"
    if model == SHIPPED_MODEL and (method, tuning, kind) in MEASURED:
        lr, epsilon = MEASURED[method, tuning, kind]
        tried = {"loss": "loss", "score": "accuracy"}[kind]
        setting = f"--objective {tried}, --schedule {_MEASURED_SCHEDULE}, --law rademacher, --rule sgd"
        source = f"the rate that was measured on this model (film reviews, {setting})"
        return DefaultRate(lr, epsilon, _MEASURED_SCHEDULE, source)
    source = "the first of the paper's grid for RoBERTa-large (Table 15)"
    if method == "mezo":
        source = "the first of the paper's grid for OPT-13B (Table 16)"
    elif method == "sgd" and tuning != "full":
        source = "a guess of ours"
    source += f", and {model} may want another: compare several"
    return DefaultRate(_PAPER_RATES.get((method, tuning)), EPSILONS[tuning], "constant", source)
