"""The configuration of a fine-tuning run: every option described once, its default, and what it must be."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mezo_lab.finetune.data.splits import TEST, TRAIN
from mezo_lab.finetune.default_rates import DefaultRate, default_rate
from mezo_lab.finetune.models.loading import SHIPPED_MODEL
from mezo_lab.finetune.models.tuning import TUNINGS
from mezo_lab.finetune.option_values import check_value, plain
from mezo_lab.finetune.tasks import task_named
from mezo_lab.finetune.tasks.presets import preset_named
from mezo_lab.optim.arguments import law_of, rule_named
from mezo_lab.optim.stencils import BASELINES, SHAPINGS
from mezo_lab.validation import one_of

TRAINED = ("mezo", "adam", "sgd")
METHODS = (*TRAINED, "zero-shot", "icl", "linear-probe")
DTYPES = ("float32", "bfloat16", "float16")
SCHEDULES = ("constant", "linear", "cosine")
METRICS = ("likelihood", "f1", "exact-match")
_ESTIMATORS = ("two-sided", "population")
_OBJECTIVES = ("loss", "accuracy", "f1", "exact-match")  # besides module:function

SHOTS = 16  # examples of each class, as for RoBERTa (Appendix E)
_TRAINING_ONLY = (
    *("tuning", "steps", "batch", "micro_batches", "lr", "schedule", "weight_decay", "epsilon", "probes", "law"),
    *("estimator", "baseline", "shaping", "rule", "objective", "every", "rank", "alpha", "tokens", "tensorboard"),
)


def _option(default: Any, text: str, *, choices: tuple[str, ...] = (), least: int = 1, metavar: str = "NAME") -> Any:
    """A field and its one description, from which the docstring, the command line and the docs are made."""
    return field(default=default, metadata={"help": text, "choices": choices, "least": least, "metavar": metavar})


@dataclass(frozen=True)
class RunConfig:
    """All that a fine-tuning run depends on; `plan.json` in the folder of a run holds it.

    A field without a fixed default is None until `resolve` fills it in. Numbers of numpy and torch, paths and devices
    become what JSON can hold.
    """

    model: str = _option(
        SHIPPED_MODEL, "language model: smollm2-135m, a folder that save_pretrained wrote, or a name on the hub"
    )
    task: str = _option("rotten-tomatoes", "task of the paper, with its prompt: rotten-tomatoes, sst2, rte, squad, …")
    method: str = _option(
        "mezo",
        "mezo, adam or sgd to train; zero-shot, icl or linear-probe to evaluate without training",
        choices=METHODS,
    )
    tuning: str = _option("full", "weights to train: full (all of them), lora or prefix", choices=TUNINGS)
    data: str | None = _option(
        None,
        "rows in place of the task's own: a CSV, JSON or Parquet file, or owner/name:split on the hub",
        metavar="FILE",
    )
    test_data: str | None = _option(None, "rows to test on (default: a part of --data)", metavar="FILE")
    prompt: str | None = _option(
        None,
        "prompt of your own task, with columns in braces; needs --words, --completion or --options",
        metavar="TEXT",
    )
    masked_prompt: str | None = _option(
        None, "the same prompt for a model that fills in a mask, with {mask}", metavar="TEXT"
    )
    words: tuple[str, ...] = _option(
        (), "label words of your task, separated by commas, in the order of the labels", metavar="WORDS"
    )
    label: str = _option(
        "label", "column with the label; with --options, the number, letter or text of the right option"
    )
    completion: str | None = _option(None, "column with the text that follows the prompt, in place of --words")
    options: str | None = _option(
        None, "column with a list of options, or several columns separated by commas, in place of --words"
    )
    messages: str | None = _option(
        None, "column with chats, in place of --prompt: lists of role and content that end with the answer"
    )
    metric: str | None = _option(
        None,
        "score of completions and chats: likelihood, the probability of a token of the right text (default); for "
        "one-line answers also f1 or exact-match",
        choices=METRICS,
    )
    shots: int | None = _option(None, f"training examples of each class (default {SHOTS})")
    train: int | None = _option(
        None,
        f"training examples of all classes together, in place of --shots (default for a task without classes: "
        f"{TRAIN:,}, or as many as the file has room for)",
    )
    validation: int | None = _option(
        None, "examples that choose the checkpoint (default: as many as for training)", least=0
    )
    test: int | None = _option(
        None, f"held-out examples for the final score (default {TEST:,}; at most a fifth of a single file of your own)"
    )
    steps: int = _option(1000, "training steps")
    batch: int = _option(16, "examples per step")
    micro_batches: int = _option(1, "parts of a batch that are read one after another, under the same z")
    lr: float = _option(
        None,
        "learning rate (default: the rate measured for smollm2-135m, otherwise the first of the paper's grid; the run "
        "reports its source)",
    )
    schedule: str = _option(
        None,
        "schedule of the learning rate: constant, linear or cosine (default: linear with a measured rate, otherwise "
        "constant)",
        choices=SCHEDULES,
    )
    weight_decay: float = _option(0.0, "weight decay", least=0)
    epsilon: float = _option(
        None,
        "size ε of a perturbation (default: the paper's; 1e-2 for smollm2-135m with a score as the objective)",
    )
    probes: int = _option(1, "directions z per step")
    estimator: str = _option(
        "two-sided",
        "two-sided, with two forward passes a direction, or population, with one, each loss relative to the others'",
        choices=_ESTIMATORS,
    )
    baseline: str = _option(
        "leave-one-out",
        "what is taken off each loss of a population: none (needs an --lr of its own), mean (of all losses) or "
        "leave-one-out (the mean of the others)",
        choices=BASELINES,
    )
    shaping: str = _option(
        "none",
        "of the losses of a population, in place of a baseline: none, z-score or rank; the last two need an --lr of "
        "their own",
        choices=SHAPINGS,
    )
    law: str = _option("rademacher", "law of z: rademacher, gaussian, …")
    rule: str = _option(
        "sgd",
        "update rule of MeZO: sgd, momentum, sign, normalised or adam; at each step momentum draws the z of the last "
        "66 steps again, and adam those of the last 1,000, which soon takes minutes",
    )
    seed: int = _option(0, "seed of z and of the order of the data", least=0)
    data_seed: int = _option(0, "seed that chooses the examples", least=0)
    objective: str = _option(
        "loss", "loss, or a score to raise: accuracy, f1, exact-match, or module:function of (answers, rows)"
    )
    every: int = _option(None, "steps between two evaluations (default: a fifth of all steps)")
    dtype: str = _option(
        "float32", "float32, bfloat16 or float16; in the last two MeZO keeps θ itself in float32", choices=DTYPES
    )
    rank: int = _option(8, "rank of LoRA")
    alpha: float = _option(16, "scale α of LoRA")
    tokens: int = _option(5, "length of the prefix in tokens")
    scratch: bool = _option(False, "start from random weights")
    cut: bool = _option(False, "drop the beginning of a text that is too long")
    device: str | None = _option(
        None, "cpu, cuda or mps (default: a GPU if there is one); CUDA_VISIBLE_DEVICES chooses among several"
    )
    tensorboard: bool = _option(False, "also write the Trainer's curves for TensorBoard")

    def __post_init__(self) -> None:
        for option in fields(self):
            value = plain(getattr(self, option.name))
            check_value(option, value)
            object.__setattr__(self, option.name, value)
        _check_together(self)
        _check_own_task(self)

    def resolve(self) -> "RunConfig":
        """The same configuration, with a default in place of each None that has one."""
        rate = self.default_rate()
        defaults: dict[str, Any] = {"lr": rate.lr, "epsilon": rate.epsilon, "schedule": "constant"}
        defaults["every"] = max(1, self.steps // 5)
        if self.lr is None:
            defaults["schedule"] = rate.schedule
        if self.shots is None and self.train is None:
            if self.classifies():
                defaults["shots"] = SHOTS
            elif self.data is None:  # a file of the user's own gives as many as it has room for
                defaults["train"] = TRAIN
        if self.data is None or self.test_data:
            defaults["test"] = TEST
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})

    def default_rate(self) -> DefaultRate:
        """The learning rate and ε where none are given: measured for the shipped model, else the paper's."""
        return default_rate(self.model, self.method, self.tuning, self.objective)

    @property
    def trains(self) -> bool:
        """Whether the method trains."""
        return self.method in TRAINED

    @property
    def forward_passes(self) -> int:
        """The forward passes of a training step."""
        if self.method != "mezo":
            return 1
        if self.estimator == "population":
            return self.probes
        return 2 * self.probes

    @property
    def estimate(self) -> dict[str, Any]:
        """The estimator of MeZO with its baseline and its shaping, as the optimizer takes them."""
        if self.estimator == "two-sided":
            return {"estimator": self.estimator, "baseline": "none", "shaping": "none"}
        baseline = self.baseline if self.shaping == "none" else "none"
        return {"estimator": self.estimator, "baseline": baseline, "shaping": self.shaping}

    def classifies(self) -> bool:
        """Whether the task has classes; a task of the user's own has them if it has label words."""
        if self.owns_task():
            return bool(self.words)
        return task_named(self.task).kind == "classification"

    def owns_task(self) -> bool:
        """Whether the task is the user's own, on the rows of `data`."""
        return self.prompt is not None or self.messages is not None

    def options_without_effect(self) -> dict[str, str]:
        """The options that change nothing in this run, and what each belongs to, in words."""
        unused: dict[str, str] = {}
        if self.owns_task():
            unused["task"] = "the tasks of the paper"
        if self.data is None:
            unused["test_data"] = "--data"
        if self.tuning != "lora":
            unused |= dict.fromkeys(("rank", "alpha"), "--tuning lora")
        if self.tuning != "prefix":
            unused["tokens"] = "--tuning prefix"
        if not self.trains:
            unused |= dict.fromkeys(_TRAINING_ONLY, "a training (--method mezo, adam or sgd)")
            if not self.scratch:
                unused["seed"] = "a training or --scratch"
        elif self.method != "mezo":
            unused |= dict.fromkeys(("epsilon", "probes", "law", "rule", "estimator"), "--method mezo")
        if self.trains and (self.method, self.estimator) != ("mezo", "population"):
            unused |= dict.fromkeys(("baseline", "shaping"), "--estimator population")
        elif self.trains and self.shaping != "none":
            unused["baseline"] = "a population without --shaping"
        return unused


def _arguments() -> Iterator[str]:
    """A line of the docstring for each field."""
    for option in fields(RunConfig):
        kind = getattr(option.type, "__name__", str(option.type))
        if option.default not in (None, ()):
            kind += f", default {option.default!r}"
        yield f"        {option.name} ({kind}): {option.metadata['help']}"


RunConfig.__doc__ = f"""{str(RunConfig.__doc__).rstrip()}

    Args:
{chr(10).join(_arguments())}

    Raises: ValueError for a value that no run can have, and for options that contradict each other.
    """


def _check_rate_of_population(config: RunConfig) -> None:
    """Raises: ValueError where no rate is given, and other numbers than differences of losses weigh the directions."""
    if config.estimator == "two-sided" or config.lr is not None:
        return
    if config.shaping != "none":
        raise ValueError(
            f"`lr` must be given with shaping={config.shaping!r}, got none: the size of a step no longer follows from "
            "the loss, and the measured rates do not hold for it; compare several."
        )
    if config.baseline == "none":
        raise ValueError(
            "`lr` must be given with baseline='none', got none: the whole loss weighs each direction, and the measured "
            "rates are far too large for it; take baseline='leave-one-out', or compare several."
        )


def _check_together(config: RunConfig) -> None:
    """Raises: ValueError for options that contradict each other."""
    law_of(config.law, None)
    rule_named(config.rule)
    compares = config.estimator == "population" and set(config.estimate.values()) != {"population", "none"}
    if compares and config.probes < 2:
        raise ValueError(
            f"`probes` must be at least 2 for a population with a baseline or a shaping, got {config.probes}: 8 or 16 "
            "losses are usual."
        )
    _check_rate_of_population(config)
    if ":" not in config.objective:
        one_of("objective", config.objective, (*_OBJECTIVES, "module:function"))
    if config.validation == 0 and config.trains:
        raise ValueError("`validation` must be at least 1 for a training, got 0: give some to choose a checkpoint by.")
    if config.batch % config.micro_batches:
        raise ValueError(
            f"`micro_batches` must divide the batch of {config.batch}, got {config.micro_batches}: give "
            f"{config.batch} or 1."
        )
    if config.objective != "loss" and config.method in ("adam", "sgd"):
        raise ValueError(
            f"`objective` must be loss for {config.method}, which needs its gradient; got {config.objective!r}: leave "
            "it out, or train with mezo."
        )
    if config.shots is not None and config.train is not None:
        raise ValueError(
            f"`shots` and `train` must not be given together, got {config.shots} and {config.train}: leave one out."
        )
    if config.shots is not None and not config.classifies():
        raise ValueError(f"`shots` belongs to a task with classes, got {config.shots} without one: give `train`.")


def _check_own_task(config: RunConfig) -> None:
    """Raises: ValueError for parts of a task of the user's own that do not belong together."""
    if not config.owns_task():
        task_named(config.task)
    answers = [name for name in ("words", "completion", "options") if getattr(config, name)]
    if config.messages is not None and (config.prompt is not None or answers):
        other = [*answers, "prompt"][0]
        raise ValueError(f"`messages` must be given without `{other}`, as a chat has its own template: leave one out.")
    if len(answers) != (config.prompt is not None):
        got = " and ".join(answers) or "none of them"
        raise ValueError(
            f"`prompt` must be given together with one of `words`, `completion` and `options`, got {got}: the text, "
            "and what may follow it."
        )
    belongings = {
        "label": ("a prompt with words or options", bool(config.words or config.options)),
        "masked_prompt": ("a prompt with words", bool(config.words)),
        "metric": ("a completion or a chat", bool(config.completion or config.messages)),
    }
    for option in fields(RunConfig):
        owner, present = belongings.get(option.name, ("", True))
        value = getattr(config, option.name)
        if not present and value != option.default:
            raise ValueError(
                f"`{option.name}` belongs to {owner} of your own, got {value!r} without one: leave it out."
            )
    if config.owns_task() and config.data is None:
        raise ValueError("`data` must be given with a task of your own: the file or data set that it is about.")


def check_processes(config: RunConfig, count: int) -> None:
    """Raises: ValueError for what this many processes, as torchrun starts them, cannot share."""
    parts = count * config.micro_batches
    if config.objective == "f1" and parts > 1 and config.classifies():
        raise ValueError(
            f"`objective` f1 of a classification is that of a whole batch, got {parts} parts of one: start one process "
            "with one micro-batch, or give accuracy."
        )
    if count == 1:
        return
    if config.method != "mezo":
        raise ValueError(f"`method` must be mezo in several processes, got {config.method} in {count}: start one.")
    if config.batch % parts:
        share = f"{count} processes with {config.micro_batches} micro-batches each"
        raise ValueError(f"`batch` must divide evenly among {share}, got {config.batch}: give a multiple of {parts}.")


def from_preset(name: str, tuning: str | None = None) -> dict[str, Any]:
    """The fields of a configuration that one of the paper's settings fixes, with the middle one of its learning rates.

    Raises: ValueError naming the nearest.

    >>> from_preset("paper/opt-13b/sst2")["lr"], from_preset("paper/opt-13b/sst2", "lora")["epsilon"]
    (1e-06, 0.01)
    """
    preset = preset_named(name, tuning)  # type: ignore[arg-type]  # which reports the names that exist
    settings = ("task", "model", "tuning", "epsilon", "batch", "steps", "weight_decay", "probes", "rank", "alpha")
    sizes = ("tokens", "shots", "train", "validation", "test")
    return {
        **{field_name: getattr(preset, field_name) for field_name in (*settings, *sizes)},
        "lr": sorted(preset.learning_rates)[len(preset.learning_rates) // 2],
        "law": "gaussian",
        "every": preset.steps // preset.evaluations,
    }
