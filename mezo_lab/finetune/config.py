"""Everything a run of fine-tuning depends on, written beside its results."""

import json
import math
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin

import torch

from mezo_lab.finetune.models.loading import SHIPPED_MODEL
from mezo_lab.finetune.tasks import task_named
from mezo_lab.finetune.tasks.presets import preset_named
from mezo_lab.optim.arguments import law_of, rule_named
from mezo_lab.validation import python_number

METHODS = ("mezo", "adam", "sgd", "zero-shot", "icl", "linear-probe")
TRAINED = ("mezo", "adam", "sgd")
DTYPES = ("float32", "bfloat16", "float16")
SCHEDULES = ("constant", "linear", "cosine")
# MeZO and ε: first of the grids of Table 16; Adam and SGD: of those of Table 15, but adapters by SGD, which are ours
RATES = {
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
# of SmolLM2-135M on film reviews, a model of a hundredth of the paper's size: the rates whose validation accuracies
# were the best, and the ε and the schedule that they were compared with. Source: results/rates.json, which
# benchmarks/rates.py writes. Of the two rates of all weights that it does not tell apart the smaller, which
# benchmarks/accuracy.py takes for more than 200 steps. Of the scores as objectives accuracy was tried.
MEASURED = {
    ("mezo", "full", "loss"): (3e-5, 1e-3),
    ("mezo", "full", "score"): (3e-4, 1e-2),
    ("mezo", "lora", "loss"): (3e-3, 1e-2),
    ("mezo", "prefix", "loss"): (3e-2, 1e-1),
    ("adam", "full", "loss"): (3e-5, 1e-3),
}
MEASURED_SCHEDULE = "linear"
SHOTS, TRAIN, TEST = 16, 1000, 1000  # examples: of each class, as for RoBERTa; of all, as for OPT (Appendix E)
EPSILONS = {"full": 1e-3, "lora": 1e-2, "prefix": 1e-1}
# what the folder of a run holds; START has the scores of the model before its first step
PLAN, START, RESULT, LOG = "plan.json", "start.json", "result.json", "run.mezo"
USUAL: Any = None  # `RunConfig.settled` says what that is


@dataclass(frozen=True)
class RunConfig:
    """One run.

    model, task, method, tuning: what is trained, and how. data, test_data: in place of the task's own; prompt, words,
    masked_prompt, label: of a task of one's own, which `data` then holds; completion, options, messages: columns of
    one that has no label words; metric: how completions and chats are judged. shots, train, validation, test:
    examples, as `splits` takes them. steps, batch, micro_batches, lr, schedule, weight_decay, epsilon, probes, law,
    rule, seed: of the optimizer; `data_seed` chooses the examples. objective: what a step makes smaller. every: steps
    between two evaluations. scratch: random weights instead of the model's. cut: long texts lose their beginning.
    tensorboard: whether the Trainer writes its curves too.
    """

    model: str = SHIPPED_MODEL
    task: str = "rotten-tomatoes"
    method: str = "mezo"
    tuning: str = "full"
    data: str | None = None
    test_data: str | None = None
    prompt: str | None = None
    masked_prompt: str | None = None
    words: tuple[str, ...] = ()
    label: str = "label"
    completion: str | None = None
    options: str | None = None
    messages: str | None = None
    metric: str | None = None
    shots: int | None = None
    train: int | None = None
    validation: int | None = None
    test: int | None = USUAL
    steps: int = 1000
    batch: int = 16
    micro_batches: int = 1
    lr: float = USUAL
    schedule: str = USUAL
    weight_decay: float = 0.0
    epsilon: float = USUAL
    probes: int = 1
    law: str = "rademacher"
    rule: str = "sgd"
    seed: int = 0
    data_seed: int = 0
    objective: str = "loss"
    every: int = USUAL
    dtype: str = "float32"
    rank: int = 8
    alpha: float = 16
    tokens: int = 5
    scratch: bool = False
    cut: bool = False
    device: str | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))

    def resolve(self) -> "RunConfig":
        """With the usual values where none were given. Raises: ValueError for what cannot be run."""
        check(self)
        classes = self.classifies()
        rate, epsilon, _ = self.default_rate()
        measured = self.lr is None and self.measured() is not None
        no_size = self.shots is None and self.train is None
        chosen = {
            "lr": rate if self.lr is None else self.lr,
            "schedule": self.schedule or (MEASURED_SCHEDULE if measured else "constant"),
            "epsilon": epsilon if self.epsilon is None else self.epsilon,
            "every": max(1, self.steps // 5) if self.every is None else self.every,
            "shots": SHOTS if no_size and classes else self.shots,
            # of one file of one's own as many as it has room for
            "train": TRAIN if no_size and not classes and self.data is None else self.train,
            "test": TEST if self.test is None and (self.data is None or self.test_data) else self.test,
        }
        return replace(self, **chosen)

    def measured(self) -> tuple[float, float] | None:
        """(rate, ε) that were compared with others on the shipped model; None for another one or another method."""
        return MEASURED.get((self.method, self.tuning, self._measured_by())) if self.model == SHIPPED_MODEL else None

    def _measured_by(self) -> str:
        return "loss" if self.objective == "loss" or self.tuning != "full" else "score"

    def default_rate(self) -> tuple[float | None, float, str]:
        """(rate, ε, where the rate comes from) for a plan that gives no rate; the rate is None without training."""
        if (found := self.measured()) is not None:
            of = {"loss": "loss", "score": "accuracy"}[self._measured_by()]
            setting = f"film reviews, --objective {of}, --schedule {MEASURED_SCHEDULE}, --law rademacher, --rule sgd"
            return *found, f"the rate that was measured on this model ({setting})"
        rate = RATES.get((self.method, self.tuning))
        source = "the first of the paper's grid for OPT-13B (Table 16)"
        if self.method != "mezo":
            own = self.method == "sgd" and self.tuning != "full"
            source = "a guess of ours" if own else "the first of the paper's grid for RoBERTa-large (Table 15)"
        return rate, EPSILONS[self.tuning], f"{source}, and {self.model} may want another: compare several"

    def classifies(self) -> bool:
        """Whether its task has classes; one of one's own has where it has label words."""
        return bool(self.words) if self.owns_task() else task_named(self.task).kind == "classification"

    def owns_task(self) -> bool:
        """Whether its task is one of one's own, which `data` holds."""
        return self.prompt is not None or self.messages is not None

    def write(self, folder: Path) -> None:
        write_whole(folder / PLAN, json.dumps(asdict(self), indent=1) + "\n")


def write_whole(file: Path, text: str) -> None:
    """Write a file so that it is there whole or as it was, also after a power cut or on a full disk."""
    part = file.with_name(file.name + ".part")
    try:
        with open(part, "w", encoding="utf-8") as writing:
            writing.write(text)
            writing.flush()
            os.fsync(writing.fileno())
        os.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from error


def _plain(value: Any) -> Any:
    """What JSON can hold: the Python number of one of numpy or torch, the name of a path or a device.

    >>> _plain(torch.tensor(4)), _plain(Path("runs", "a")), _plain(["terrible", "great"])
    (4, 'runs/a', ('terrible', 'great'))
    """
    if isinstance(value, Path | torch.device):
        return str(value)
    if isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1:
        return tuple(python_number(each) for each in value)
    return python_number(value)


def read_config(folder: Path) -> RunConfig:
    """The plan of a run. Raises: ValueError for a folder without one, or one that cannot be read."""
    try:
        found: Any = json.loads((folder / PLAN).read_text())
        if not isinstance(found, dict):
            raise ValueError("it is no plan")
        known = {field.name for field in fields(RunConfig)}
        if unknown := sorted(set(found) - known):
            raise ValueError(f"it has {unknown[0]!r}, which this version does not know")
        for field in fields(RunConfig):
            check_kind(field.name, field.type, found.get(field.name))
        return RunConfig(**{**found, "words": tuple(found.get("words", ()))})
    except FileNotFoundError:
        raise ValueError(
            f"`run` must be a folder that `mezo-lab finetune --out` wrote; {folder} has no {PLAN}."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"`run` has a {folder / PLAN} that cannot be read ({error}): use the version that wrote it."
        ) from None


def check_kind(name: str, kind: Any, value: Any) -> None:
    """Raises: ValueError for a value of another type than a plan writes; None is what was not given."""
    kinds: list[Any] = [list] if get_origin(kind) is tuple else [*(get_args(kind) or (kind,))]
    if float in kinds:
        kinds.append(int)
    if value is not None and type(value) not in kinds:
        raise ValueError(f"its {name!r} is {str(value)[:40]!r}")
    if isinstance(value, list) and not all(isinstance(one, str) for one in value):
        raise ValueError(f"its {name!r} holds what is no text")


def check(plan: RunConfig) -> None:
    names = {"method": METHODS, "tuning": ("full", "lora", "prefix"), "dtype": DTYPES, "schedule": SCHEDULES}
    for name, known in names.items():
        if (value := getattr(plan, name)) not in known and not (name == "schedule" and value is None):
            raise ValueError(f"`{name}` must be one of {', '.join(known)}; got {value!r}.")
    law_of(plan.law, None)
    rule_named(plan.rule)
    ones = ("steps", "batch", "micro_batches", "probes", "every", "test", "rank", "tokens")
    least = dict.fromkeys(ones, 1) | {"seed": 0, "data_seed": 0, "validation": int(plan.method in TRAINED)}
    for name, bound in least.items():
        if (value := getattr(plan, name)) is not None and value < bound:
            raise ValueError(f"`{name}` must be at least {bound}, got {value}: give a larger number.")
    if plan.seed >= 2**32:  # the Trainer gives it to numpy
        raise ValueError(f"`seed` must be below 2**32, got {plan.seed}: give a smaller number.")
    for name in ("lr", "epsilon", "alpha"):
        if (value := getattr(plan, name)) is not None and not 0 < value < math.inf:
            raise ValueError(f"`{name}` must be positive and finite, got {value}: leave it out for the usual one.")
    if not 0 <= plan.weight_decay < math.inf:
        raise ValueError(f"`weight_decay` must be 0 or more, got {plan.weight_decay}: leave it out for none.")
    if plan.batch % plan.micro_batches:
        raise ValueError(
            f"`micro_batches` must divide the batch of {plan.batch}, got {plan.micro_batches}: take {plan.batch} or 1."
        )
    if plan.objective != "loss" and plan.method in ("adam", "sgd"):
        raise ValueError(
            f"`objective` must be loss for {plan.method}, which needs its gradient; got {plan.objective!r}."
        )
    check_own_task(plan)


def check_own_task(plan: RunConfig) -> None:
    """Raises: ValueError for parts of a task of one's own that do not belong together."""
    answers = [name for name in ("words", "completion", "options") if getattr(plan, name)]
    if plan.messages is not None and (plan.prompt is not None or answers):
        raise ValueError(
            f"`messages` must be given without {answers[0] if answers else 'prompt'}, as a chat has its own template: "
            "leave one out."
        )
    if len(answers) != (plan.prompt is not None):
        given = f", got {' and '.join(answers)}" if answers else ""
        raise ValueError(
            f"`prompt` must be given together with one of words, completion and options{given}: the text, and what may "
            "follow it."
        )
    belongs = {
        "label": ("label", "a prompt with words or options", bool(plan.words or plan.options)),
        "masked_prompt": (None, "a prompt with words", bool(plan.words)),
        "metric": (None, "a completion or a chat", bool(plan.completion or plan.messages)),
    }
    for name, (usual, to, there) in belongs.items():
        if not there and (value := getattr(plan, name)) != usual:
            raise ValueError(f"`{name}` belongs to {to} of your own, got {value!r} without one: leave it out.")
    if plan.owns_task() and plan.data is None:
        raise ValueError("`data` must be given with a task of your own: the file or data set that it is about.")


def first_process() -> bool:
    """Whether this one, of those that torchrun started, prints and writes."""
    return int(os.environ.get("RANK", 0)) == 0


def processes() -> int:
    """How many torchrun has started."""
    return int(os.environ.get("WORLD_SIZE", 1))


def check_processes(plan: RunConfig, count: int) -> None:
    """Raises: ValueError for what so many processes, as torchrun starts them, cannot share."""
    parts = count * plan.micro_batches
    if plan.objective == "f1" and parts > 1 and plan.classifies():
        raise ValueError(
            f"`objective` f1 of a classification is that of a whole batch, got {parts} parts of one: take one process "
            "and one micro-batch, or accuracy."
        )
    if count == 1:
        return
    if plan.method != "mezo":
        raise ValueError(f"`method` must be mezo in several processes, got {plan.method} in {count}: start one.")
    if plan.batch % parts:
        each = f"{count} processes with {plan.micro_batches} micro-batches each"
        raise ValueError(f"`batch` must divide evenly among {each}, got {plan.batch}: take a multiple of {parts}.")


def from_preset(name: str, tuning: str | None = None) -> dict[str, Any]:
    """The fields of a plan that one of the paper's settings fixes; of its learning rates the middle one.

    Raises: ValueError naming the nearest.

    >>> from_preset("paper/opt-13b/sst2")["lr"], from_preset("paper/opt-13b/sst2", "lora")["epsilon"]
    (1e-06, 0.01)
    """
    preset = preset_named(name, tuning)  # type: ignore[arg-type]  # which says what the names are
    same = ("task", "model", "tuning", "epsilon", "batch", "steps", "weight_decay", "probes", "rank", "alpha", "tokens")
    sizes = ("shots", "train", "validation", "test")
    return {
        **{field: getattr(preset, field) for field in (*same, *sizes)},
        "lr": sorted(preset.learning_rates)[len(preset.learning_rates) // 2],
        "law": "gaussian",
        "every": preset.steps // preset.evaluations,
    }
