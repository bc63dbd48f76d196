"""`MeZO`: Algorithm 1 as a `torch.optim.Optimizer`, in place and at the speed of inference."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim import Optimizer

from mezo_lab.optim import checkpoint, interrupts, layout
from mezo_lab.optim.arguments import check_arguments, check_group, estimator_of, law_of, rule_named, single
from mezo_lab.optim.closure import REPEAT, Asking, Closure, check_asked
from mezo_lab.optim.closures import guarded
from mezo_lab.optim.diagnostics import Diagnostics, update_over_spacing
from mezo_lab.optim.distributed import ranks
from mezo_lab.optim.engine import CHANGED, Engine
from mezo_lab.optim.made import Made
from mezo_lab.optim.notices import of_rounding, warn
from mezo_lab.optim.rules import Record, Rule
from mezo_lab.optim.stencils import Visit, curvature, mean_loss
from mezo_lab.optim.sweeps import Cost
from mezo_lab.sampling import LowRank, Orthogonal


class MeZO(Optimizer):
    """Zeroth-order SGD: θ ← θ − η·pg·z from two losses along one z, with the memory of inference.

    Source: paper, Definitions 1 and 2, Algorithms 1 and 2.
    Formula: pg_k = [L(θ + εz_k) − L(θ − εz_k)]/(2ε); θ ← (1 − ηλ)θ − (η/n)·Σ_k pg_k z_k.
    Cost: 2n forward passes; 2n + 1 sweeps over the weights, 2n with `fused`; memory for one chunk, and in `exact` mode
    4 bytes per parameter. `opt.cost` counts sweeps, random words and bytes. Linear in n, but for "sphere" and
    "orthogonal", which take a sweep and n² products a weight more; a window of "momentum" or "adam" is drawn anew at
    every step (`rule.draws`), up to 1,000 z for the default "adam".

    Args:
        params: as for any torch optimizer. Given `model.named_parameters()`, z belongs to the names, so that neither
            their order nor a frozen subset changes it; otherwise to the positions. A group may set `lr`,
            `weight_decay` and `scale`, the D of `modified`.
        lr: η. epsilon: ε, the length of a probe per coordinate. probes: n.
        law: of z: "gaussian", "rademacher" (fastest), "uniform", "three-point", "sphere", "coordinate", "orthogonal",
            "low-rank": UVᵀ/√rank for each matrix, Gaussian for tensors of one dimension (`sweeps.LowRank`).
        rank: of law="low-rank", by default 1: a sweep reads rank·(rows + columns) random numbers, and is not compiled.
        seed: below 2⁶⁴; with the step's number it fixes every z.
        weight_decay: λ, in one move with the update, as in the paper's code; give biases and norms a group with 0.
        estimator: "two-sided", "one-sided" (n + 1 passes), "residual-feedback" (one pass), "population" (n passes, for
            rewards that no gradient has: `estimates.Population`).
        baseline: of a population: "none", "mean" ((n−1)/n of the gradient on average) or "leave-one-out" (all of it).
        shaping: of a population, in place of a baseline: "z-score" or "rank", for which η is another than for a loss.
        rule: "sgd", "momentum", "adam", "sign", "normalised", or one of `mezo_lab.optim.rules`, as Momentum(0.9).
        modified: "variance" (Definition 6) or "expectation" (Definition 7): probe along z/scale.
        clip: bound on |pg|.
        fused: fold the update into the next step's first probe: one sweep less. Call `flush()` (or `eval()`) before
            the weights are read.
        exact: keep θ in float32 beside the weights, so that no probe and no small update is lost to rounding. None is
            False, and warns of half precision.
        centre: evaluate L(θ) too: one pass more, for the true loss and tr H in `diagnostics`.
        fresh_batches: with `step(closure, batches)`, probe k takes batches[k] (Algorithm 2); otherwise every probe
            takes the mean over all of them (gradient accumulation).
        common_random_numbers: the same dropout masks on both sides of a probe.
        check_closure: None asks twice at one point of the first step, one pass more, and warns of two losses; True asks
            twice at θ before anything moves and raises; False asks once.
        parallel: "batch" (all of one size) or "probe", over torch.distributed. check_replicas_every: in steps.
        compiled: False never compiles the sweeps, True always, None where it pays.

    Call model.eval() before: dropout has another mask on each side of a probe, and BatchNorm, whose buffers are none of
    `params`, takes statistics of displaced weights in train mode.

    Raises: ValueError, naming argument, rule, value and remedy. An exception anywhere in a step, an interrupt too,
    stays what it is and leaves θ as before the step or, once its update has begun, as after it (`steps` tells which):
    to rounding, and bitwise with exact=True. A Ctrl-C waits for the end of a sweep, a second one does not.

    >>> theta = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> opt = MeZO([theta], lr=0.5, law="coordinate", seed=1)
    >>> for _ in range(30):
    ...     loss = opt.step(lambda: theta @ theta / 2)
    >>> bool(theta.norm() < 1e-2), opt.state == {}
    (True, True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        epsilon: float = 1e-3,
        probes: int = 1,
        law: str = "gaussian",
        seed: int = 0,
        weight_decay: float = 0.0,
        *,
        rank: int | None = None,
        estimator: str = "two-sided",
        baseline: str = "none",
        shaping: str = "none",
        rule: str | Rule = "sgd",
        modified: str | None = None,
        clip: float | None = None,
        fused: bool = False,
        exact: bool | None = None,
        centre: bool = False,
        fresh_batches: bool = False,
        common_random_numbers: bool = False,
        check_closure: bool | None = None,
        parallel: str | None = None,
        check_replicas_every: int = 100,
        compiled: bool | None = None,
    ):
        self.estimator = estimator_of(estimator, baseline, shaping)
        self.rule = rule_named(rule)
        self.law = law_of(law, rank)
        self.baseline, self.shaping = baseline, shaping
        self.rank = self.law.rank if isinstance(self.law, LowRank) else None
        self.epsilon, self.probes, self.seed, self.modified, self.clip = epsilon, probes, seed, modified, clip
        self.fused, self.exact, self.centre, self.fresh_batches = fused, exact or False, centre, fresh_batches
        self.common_random_numbers, self.check_closure, self.compiled = common_random_numbers, check_closure, compiled
        self.check_replicas_every = check_replicas_every
        check_arguments(vars(self))
        self.ranks = ranks(parallel, self.probes)
        self.law.streams()  # says now if the law has none
        self.steps = 0
        self.before: float | None = None  # the loss that residual feedback compares with
        self.ahead: float | None = None  # the loss that it will compare with after the step to come
        self.history: deque[Record] = deque(maxlen=self.rule.window)
        self.diagnostics, self.cost = Diagnostics(), Cost()
        self.projected: list[float] | None = None  # of a probe whose step is still to come
        self.seen: tuple[float, float | None] = (math.nan, None)  # its loss and curvature
        self.once = set() if exact is None else {"precision", "zeros"}  # what was told, or tried, and is not again
        self.missing: str | None = None  # what a step needs and a run log did not hold
        self.built = checkpoint.built(self)  # a change of which no step would heed
        self.own = tuple(vars(self))  # what a copy takes over
        self.evaluating = False
        self.made: Made | None = None  # a step that is decided, but not yet made to its end
        self.engine: Engine | None = None
        self.journal: Any = None
        super().__init__(layout.given(params), {"lr": lr, "weight_decay": weight_decay, "scale": 1.0})
        moving = layout.moving(self.param_groups)  # says now what is wrong with the parameters
        if isinstance(self.law, Orthogonal):
            self.law.fits(self.probes, sum(parameter.tensor.numel() for parameter in moving))

    def __repr__(self) -> str:
        return super().__repr__().replace(" (", f" ({checkpoint.told(self)}", 1)

    def __getstate__(self) -> dict[str, Any]:
        """For `copy.deepcopy` and `pickle`: a copy goes on bitwise, on copies of the weights, and without a log.

        The weights may be displaced; a copy knows it. To copy a model too, copy both in one call: (model, opt).
        """
        return super().__getstate__() | checkpoint.copied(self)

    def __setstate__(self, copied: dict[str, Any]) -> None:
        position = copied.pop("position", None)
        super().__setstate__(copied)
        if "own" not in copied:  # torch's way to load a state_dict
            return
        self.evaluating, self.made, self.engine, self.journal = False, None, None, None
        if position is not None:
            self.ready().position.resume(position)

    @property
    def _step_supports_amp_scaling(self) -> bool:
        # torch's GradScaler asks for this before a step
        raise RuntimeError(
            "a GradScaler has nothing to scale, as MeZO takes no gradient: call opt.step(closure) itself."
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        self.outside("add_param_group")
        self.flush()
        checkpoint.check_names(self, param_group)
        super().add_param_group(param_group)
        check_group(self.param_groups[-1], first=True)

    @torch.no_grad()
    def step(self, closure: Closure | None = None, batches: Sequence[Any] = ()) -> float:  # type: ignore[override]
        """One step. Args: closure: () → the loss at the weights' present values; or batch → loss, with `batches`.

        Returns: the mean loss of the probes (L(θ) itself with `centre` or one side). A loss that is not finite is
        returned and warned of, and moves nothing. Raises: RuntimeError without closure and without a `probe` before,
        and inside a closure; ValueError for a setting that was changed to what cannot be.
        """
        with self.restoring("step", drop=closure is not None):
            if closure is not None:
                self.evaluate(closure, batches)
            if self.projected is None:
                raise RuntimeError(
                    "`step` needs a closure, or a `probe(closure)` before it: nothing has been evaluated."
                )
            self.check_settings()
            self.make(self.projected, [single(group["lr"]) for group in self.param_groups])
        return self.diagnostics.last_loss

    @torch.no_grad()
    def probe(self, closure: Closure, batches: Sequence[Any] = ()) -> float:
        """The forward passes of a step, which a bare `step()` then makes. Returns: the mean loss.

        In between the weights are displaced by a probe; `flush()` puts them back.
        """
        with self.restoring("probe", drop=True):
            self.evaluate(closure, batches)
        return self.seen[0]

    def evaluate(self, closure: Closure, batches: Sequence[Any]) -> None:
        self.take(self.ranks.losses(self, lambda: self.asking(closure, batches)))

    @contextmanager
    def restoring(self, call: str, *, drop: bool) -> Iterator[None]:
        """Whatever is raised inside leaves θ where it was, or after the step where its update has begun.

        Args: drop: whether a probe that was made is then forgotten. Raises: RuntimeError inside a closure.
        """
        self.outside(call)
        try:
            yield
        except BaseException as error:  # an interrupt too
            interrupts.hold()
            try:
                self.evaluating = False
                self.projected = None if drop else self.projected
                self.settle()
            except Exception as second:
                error.add_note(f"The weights could not be put back, and a `flush()` must be made: {second}")
            finally:
                interrupts.release()
            raise

    def outside(self, call: str) -> None:
        """Raises: RuntimeError inside a closure."""
        if self.evaluating:
            raise RuntimeError(
                f"`{call}` must not be called inside a closure, which only evaluates the loss: call it after the step."
            )

    def settle(self) -> None:
        """Make what is decided to its end, and put the weights at θ."""
        if self.made is not None:
            self.made.complete(self)
        if self.engine is not None and self.engine.displaced:
            if self.journal is not None:
                self.journal.flushed()
            self.engine.flush()

    def check_settings(self) -> None:
        """Raises: ValueError for a setting that was changed to what no step can be made of."""
        checkpoint.check_built(self)
        check_arguments(vars(self))
        for group in self.param_groups:
            check_group(group, first=False)

    def asking(self, closure: Closure, batches: Sequence[Any]) -> Asking:
        """How this step asks for its losses. Raises: what is wrong before anything moves."""
        check_asked(closure, batches)
        self.check_settings()
        if self.fresh_batches and len(batches) != self.probes:
            raise ValueError(f"`batches` must hold one for each of the {self.probes} probes, got {len(batches)}.")
        if self.missing is not None:
            raise RuntimeError(self.missing)
        if self.journal is not None:
            self.journal.before_step()
        engine = self.ready()
        engine.check_reach(self.epsilon)
        of_rounding(self, engine)
        self.places = {visit: place for place, visit in enumerate(self.visits())}
        return Asking(guarded(self, closure), batches, engine.devices, self.fresh_batches, self.common_random_numbers)

    def ask(self, ask: Asking, visit: Visit, last: bool, check: bool) -> float:
        """The loss at the stored weights. check: see, once in a run, whether the closure repeats itself."""
        if not check or self.check_closure is not None or self.steps or "closure" in self.once:
            return ask(visit, last)
        loss, fault = ask.twice(visit)
        self.once.add("closure")
        if fault:
            warn(f"`closure` {fault} at the same point, so that probes measure noise: {REPEAT}.")
        return loss

    def visits(self) -> list[Visit]:
        """The points of a step, (probe, side)."""
        visits = self.estimator.visits(self.probes)
        return visits if (0, 0) in visits or not self.centre else [(0, 0), *visits]

    def go(self, visit: Visit) -> bool:
        """Displace the weights to θ + side·ε·z_probe. Returns: whether this process evaluates the loss there.

        In the plain mode every process walks through the probes of all, so that all round alike.
        """
        (probe, side), engine = visit, self.engine or self.ready()
        mine = self.ranks.evaluates(visit)
        if mine or not self.exact:
            offset = engine.along(self.steps, probe, self.probes, side * self.epsilon) if side else {}
            interrupts.hold()
            try:
                if self.journal is not None:
                    self.journal.moved(self.places[visit])
                engine.go(offset)
            finally:
                interrupts.release()
        return mine

    def take(self, losses: dict[Visit, float]) -> None:
        """From losses to the projected gradients of the step to come, in float32; NaN for a loss that is not finite."""
        found = self.estimator.projected(losses, self.probes, self.epsilon, self.before)
        if self.clip is not None:
            found = [max(-self.clip, min(self.clip, pg)) for pg in found]
        finite = all(map(math.isfinite, (*losses.values(), *map(single, found))))
        both = self.estimator.name == "two-sided" and (0, 0) in losses
        bend = curvature(losses, range(self.probes), self.epsilon) if both and finite else None
        self.seen = (mean_loss(losses), bend)
        self.ahead = losses.get((0, 1)) if finite else self.before
        self.projected = [single(pg) if finite else math.nan for pg in found]
        if not finite:
            self.warn_once("skipped", f"step {self.steps} has a loss that is not finite, and moves nothing.")

    def warn_once(self, kind: str, text: str) -> None:
        """Warn of a kind of event, the first time; `diagnostics` counts the others."""
        if kind not in self.once:
            self.once.add(kind)
            warn(text)

    def make(self, projected: Sequence[float], rates: Sequence[float]) -> None:
        """The step that these projected gradients and rates say, whoever found them."""
        engine, history, update = self.ready(), list(self.history), None
        if engine.position.pending != ({}, None):  # of a fused step, after which nothing was probed
            engine.go({})
        if all(map(math.isfinite, projected)):
            history.append(engine.estimate(self.steps, projected))
            update = engine.planned(self.rule, history[-self.rule.window :], rates)
            if not engine.fits(update):
                history, update = list(self.history), None
                self.warn_once(
                    "overflow", f"step {self.steps} leads farther than the weights' dtype reaches, and moves nothing."
                )
        interrupts.hold()
        try:
            self.made = Made(engine, update, history, self.steps + 1, self.ahead, projected, rates)
            self.made.complete(self)
        finally:
            interrupts.release()
        if self.steps % self.check_replicas_every == 0:
            self.ranks.check_replicas(engine.position.weights(), self.steps)

    def ready(self) -> Engine:
        """The engine of the parameters as they are now; a new one where they were unfrozen, moved or added."""
        engine = self.engine
        if engine is not None and engine.displaced and (engine.moved or engine.written):
            self.flush()
            raise RuntimeError(CHANGED)
        if engine is None or engine.moved:
            kinds = {"modified": self.modified, "exact": self.exact, "compiled": self.compiled}
            built = Engine(self.param_groups, self.law, self.seed, self.cost, **kinds)
            if engine is not None:
                built.take_over(engine)
            self.engine = built
            return built
        engine.reread()
        return engine

    def update_over_spacing(self) -> float:
        """The rms of the last update over the distance between neighbouring weights: the median over the parameters.

        Formula, cost and what it tells: `diagnostics.update_over_spacing`. Raises: ValueError where it does not apply.
        """
        return update_over_spacing(self.rule, self.engine)

    def flush(self) -> None:
        """Put the weights where the mathematics says, θ: no probe displaces them and no update is missing.

        Raises: RuntimeError inside a closure.
        """
        with self.restoring("flush", drop=False):
            interrupts.hold()
            try:
                self.settle()
            finally:
                interrupts.release()

    def eval(self) -> None:
        """As `flush`; the Trainer calls it before it evaluates or saves."""
        self.flush()

    def train(self) -> None:
        """Nothing: the next step displaces the weights by itself."""

    def state_dict(self) -> dict[str, Any]:
        """As for any torch optimizer, after a `flush`; save the model's after it."""
        self.outside("state_dict")
        self.flush()
        found = super().state_dict()
        return found | {"param_groups": checkpoint.plain(found["param_groups"]), "mezo": checkpoint.saved(self)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, bitwise; load the model's weights before. Raises: ValueError."""
        self.outside("load_state_dict")
        found = checkpoint.read(self, state_dict)
        super().load_state_dict({key: state_dict[key] for key in ("state", "param_groups")})
        checkpoint.load(self, state_dict["mezo"], found)
