"""`MeZO`: Algorithm 1 as a `torch.optim.Optimizer`, in place and at the speed of inference."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch

from mezo_lab.optim import checkpoint, distributed, interrupts, parameters
from mezo_lab.optim.arguments import check_arguments, check_group, estimator_of, float32, law_of, rule_named
from mezo_lab.optim.closure import Closure, Evaluator, check_closure_and_batches
from mezo_lab.optim.diagnostics import Diagnostics, log_window, warn_of_rounding
from mezo_lab.optim.displacement import NO_UPDATE
from mezo_lab.optim.engine import Engine
from mezo_lab.optim.fingerprint import fingerprint
from mezo_lab.optim.notices import Notices
from mezo_lab.optim.restoring import DecidedStep, RestoringOptimizer
from mezo_lab.optim.rules import Record, Rule
from mezo_lab.optim.stencils import CENTRE, Losses, Point, mean_loss, second_difference
from mezo_lab.optim.sweeps import Cost
from mezo_lab.sampling import LowRank, Orthogonal
from mezo_lab.validation import python_values


class MeZO(RestoringOptimizer):
    """Zeroth-order SGD: θ ← θ − η·pg·z from two losses along one z, with the memory of inference.

    Source: paper, Definitions 1 and 2, Algorithms 1 and 2.
    Formula: pg_k = [L(θ + εz_k) − L(θ − εz_k)]/(2ε); θ ← (1 − ηλ)θ − (η/n)·Σ_k pg_k z_k.
    Cost: 2n forward passes and 2n + 1 sweeps over the weights, 2n with `fused`; memory for one chunk, and 4 bytes per
    parameter with `exact`. Linear in n, except that "sphere" and "orthogonal" take one sweep more, with n² products per
    weight, and that "orthogonal" draws n² z. A window of "momentum" or "adam" is drawn again at every step
    (`rule.draws`), up to 1,000 z for each probe of "adam"; from then on steps cost no more.

    Call model.eval() first: dropout has another mask on each side of a probe, and in train mode the buffers of
    BatchNorm, which are not in `params`, collect statistics of displaced weights.

    Args:
        params: the parameters, as for any torch optimizer. With `model.named_parameters()`, z belongs to the names, so
            that neither their order nor a frozen subset changes it; otherwise to the positions. A group may set `lr`,
            `weight_decay` and `scale` (D of `modified`, default 1).
        lr: η, the learning rate, in units of weight²/loss, or of the weights with "adam", "sign" and "normalised".
            Positive; a group or a scheduler may change it.
        epsilon: ε, the length of a probe per coordinate, in units of the weights. Default 1e-3.
        probes: n, the probes of a step. Default 1.
        law: the law of z: "gaussian" (default), "rademacher" (the fastest), "uniform", "three-point", "sphere",
            "coordinate", "orthogonal", or "low-rank": UVᵀ/√rank for each matrix, Gaussian for tensors of one dimension.
        seed: fixes every z together with the number of the step. In [0, 2⁶⁴), default 0.
        weight_decay: λ, in units of 1/lr, applied in one move with the update, as in the paper's code. Default 0.
            Give biases and norms a group of their own with 0.
        rank: of law="low-rank" only, default 1. A sweep draws rank·(rows + columns) numbers; no GPU compiles it.
        estimator: "two-sided" (default, 2n passes), "one-sided" (n + 1), "residual-feedback" (1), or "population" (n,
            for rewards without a gradient).
        baseline: subtracted from the losses of a population: "none" (default), "mean" ((n−1)/n of the gradient on
            average), or "leave-one-out" (all of it).
        shaping: of the losses of a population, instead of a baseline: "none" (default), "z-score" or "rank"; both need
            another learning rate than the loss itself.
        rule: how estimates become an update: "sgd" (default), "momentum", "adam", "sign", "normalised", or a rule of
            `mezo_lab.optim`, such as Momentum(0.9).
        modified: None (default), "variance" (Definition 6) or "expectation" (Definition 7): probe along z/scale.
        clip: bound on |pg|, in units of loss/weight. Default None, no bound.
        fused: fold the update into the first probe of the next step: one sweep less. Call `opt.flush()` (or
            `opt.eval()`) before the weights are read. Default False.
        exact: keep θ in float32 beside the weights, so that no probe and no small update is lost to rounding. Default
            None is False with a warning for half precision; False omits the warning.
        centre: evaluate L(θ) too: one pass more, for the true loss and tr H in `diagnostics`. Default False.
        fresh_batches: in `step(closure, batches)`, probe k evaluates batches[k] (Algorithm 2). Default False: every
            probe evaluates the mean over all batches (gradient accumulation).
        common_random_numbers: draw the same dropout masks on both sides of a probe. Default False.
        check_closure: evaluate twice at one point. Default None: at the last point of the first step, one pass more,
            and warn where the losses differ; True: before the first step, and raise; False: never.
        parallel: "batch" (all ranks have batches of one size) or "probe", over torch.distributed. Default None.
        check_replicas_every: steps between two comparisons of the replicas' weights. Default 100.
        compiled: sweep by compiled code always (True), never (False), or where it pays (None, default): on a CPU in C,
            with the same bits either way; on a GPU by `torch.compile`, from four million parameters on.

    Attributes:
        epsilon, clip, fused, centre, fresh_batches, common_random_numbers, probes: settings, which may be changed
            between two steps; the other settings are read-only.
        steps: the steps made so far, skipped ones too.
        projected_gradients: pg_k of a `probe` whose step is still to come, in float32; None otherwise.
        history: the last steps that moved, as many as the rule needs, each a `Record` with its `step` and `projected`.
        diagnostics: `Diagnostics` of the run: the gradient norm, tr H, skipped steps, probes that saw no difference.
        cost: what the sweeps have cost: `sweeps`, random `words`, `bytes` read and written.
        run_log: the open `RunLog`, or None.
        world_size: the processes that share a step.
        missing: after the replay of a run log that lacks it, the state that the next step needs, in words; setting it
            to None continues without that state.

    Raises: ValueError, naming argument, rule, value and remedy. An exception anywhere in a step, also an interrupt,
    is raised unchanged and leaves θ as before the step or, once its update has begun, as after it (`steps` says
    which): to rounding, and bitwise with exact=True. A Ctrl-C waits for the end of a sweep, a second one does not.

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
        self.epsilon = epsilon
        self.probes = probes
        self.law = law_of(law, rank)
        self.seed = seed
        self.rank = self.law.rank if isinstance(self.law, LowRank) else None
        self.estimator = estimator_of(estimator, baseline, shaping)
        self.baseline = baseline
        self.shaping = shaping
        self.rule = rule_named(rule)
        self.modified = modified
        self.clip = clip
        self.fused = fused
        self.exact = exact or False
        self.centre = centre
        self.fresh_batches = fresh_batches
        self.common_random_numbers = common_random_numbers
        self.check_closure = check_closure
        self.parallel = parallel
        self.check_replicas_every = check_replicas_every
        self.compiled = compiled
        check_arguments(vars(self))
        self.law.streams()  # raises now if the law has none
        self.steps = 0
        self.projected_gradients: list[float] | None = None
        self.history: deque[Record] = deque(maxlen=self.rule.window)
        self.diagnostics = Diagnostics()
        self.cost = Cost()
        self.missing: str | None = None
        self._replicas = distributed.replicas_of(parallel, self.probes)
        self._replicas_agree = False
        self._previous_loss: float | None = None  # which residual feedback compares with
        self._next_previous_loss: float | None = None  # the same for the step after the next
        self._probe_loss = math.nan
        self._probe_curvature: float | None = None
        self._notices = Notices()
        if exact is not None:  # the user has chosen
            self._notices.reported |= {"precision", "zeros"}
        self._built = checkpoint.built_for_good(checkpoint.settings(self))
        self._copied = tuple(vars(self))  # the names of what a copy takes over; all below belongs to one optimizer
        self._detach()
        super().__init__(parameters.checked_params(params), {"lr": lr, "weight_decay": weight_decay, "scale": 1.0})
        trainable = parameters.trainable_parameters(self.param_groups)  # raises now if they cannot be moved
        if isinstance(self.law, Orthogonal):
            self.law.fits(self.probes, sum(parameter.tensor.numel() for parameter in trainable))

    @torch.no_grad()
    def step(self, closure: Closure | None = None, batches: Sequence[Any] = ()) -> float:  # type: ignore[override]
        """One step of Algorithm 1: evaluate the loss on both sides of θ along z, and move θ along z.

        Args:
            closure: () → the loss at the present weights; or batch → loss, with `batches`. It is called 2n times.
            batches: micro-batches whose losses are averaged; with `fresh_batches`, one for each probe.

        Returns: the mean loss of the probes (L(θ) itself with `centre` or one side). A loss that is not finite is
        returned with a warning, and moves nothing.
        Raises: RuntimeError without a closure where no `probe` came before, and inside a closure; ValueError for a
        setting that was changed to an impossible value.
        """
        with self._restoring("step", drop=closure is not None):
            if closure is not None:
                self._probe(closure, batches)
            if self.projected_gradients is None:
                raise RuntimeError("`step` needs a closure, or a `probe(closure)` before it: nothing was evaluated.")
            self._check_settings()
            self._update(self.projected_gradients, [float32(group["lr"]) for group in self.param_groups])
        return self.diagnostics.last_loss

    @torch.no_grad()
    def probe(self, closure: Closure, batches: Sequence[Any] = ()) -> float:
        """The forward passes of a step, which a bare `step()` then completes. Args and Raises: as for `step`.

        In between the weights are displaced by a probe; `flush()` puts them back.

        Returns: the mean loss of the probes.
        """
        with self._restoring("probe", drop=True):
            self._probe(closure, batches)
        return self._probe_loss

    # Algorithm 1 of the paper is `_probe`, `_losses` and `_update`; its lines stand beside them. Its third call of
    # PerturbParameters, which resets θ, has no line here: the update starts from where the last probe left the weights,
    # and its one sweep both resets and updates them.

    def _probe(self, closure: Closure, batches: Sequence[Any]) -> None:
        if self._replicas is None:
            evaluator = self._evaluator(closure, batches)
            losses = self._losses(evaluator.points, evaluator)
        else:
            losses = self._losses_of_replicas(self._replicas, closure, batches)
        self.projected_gradients = self._projected_gradients(losses)  # (ℓ₊ − ℓ₋)/(2ε)

    def _losses(self, route: Iterable[Point], evaluator: Evaluator) -> Losses:
        """The losses at the evaluator's points, on a route through them; the weights are left displaced."""
        own = set(evaluator.points)
        losses: Losses = {}
        for point in route:  # (probe, side): (0, 1), (0, −1), (1, 1), … with two sides
            self._displace(point)  # θ ← PerturbParameters(θ, ±ε, s)
            if point in own:
                losses[point] = evaluator(point)  # ℓ± ← L(θ; B)
        return losses

    def _update(self, projected: Sequence[float], rates: Sequence[float]) -> None:
        """θ ← (1 − ηλ)θ − (η/n)·Σ_k pg_k z_k, or as the rule says. Args: rates: η of each group, in float32."""
        engine = self._current_engine()
        if engine.weights.pending != NO_UPDATE:  # of a fused step after which nothing was probed
            engine.displace({})
        decided = self._decided_step(engine, projected, rates)
        interrupts.hold()
        try:
            self._decided = decided
            self._complete(decided)  # θ_i ← θ_i − η·projected_grad·z
        finally:
            interrupts.release()
        if self._replicas is not None and self.steps % self.check_replicas_every == 0:
            distributed.compare_replicas(self._replicas, engine.weights.theta(), self.steps)

    def _decided_step(self, engine: Engine, projected: Sequence[float], rates: Sequence[float]) -> DecidedStep:
        """The step that follows from the projected gradients; nothing moves yet."""
        history = list(self.history)
        update = None
        if all(map(math.isfinite, projected)):
            record = engine.estimate(self.steps, projected)
            planned = engine.planned(self.rule, [*history, record][-self.rule.window :], rates)
            if engine.fits(planned):
                history.append(record)
                update = planned
            else:
                self._notices.warn_once(
                    "overflow", f"step {self.steps} leads out of the range of the weights' dtype, and moves nothing."
                )
        return DecidedStep(engine, update, history, self.steps + 1, self._next_previous_loss, projected, rates)

    def _points(self) -> list[Point]:
        """The points of a step, in the order of their evaluation."""
        points = self.estimator.points(self.probes)
        if self.centre and CENTRE not in points:
            points = [CENTRE, *points]
        self._places = {point: place for place, point in enumerate(points)}
        return points

    def _evaluator(self, closure: Closure, batches: Sequence[Any]) -> Evaluator:
        """Evaluates the closure at the points of this process. Raises: all that can be known before anything moves."""
        check_closure_and_batches(closure, batches)
        settings = self._check_settings()
        if self.fresh_batches and len(batches) != self.probes:
            raise ValueError(f"`batches` must hold one for each of the {self.probes} probes, got {len(batches)}.")
        if self.missing is not None:
            raise RuntimeError(self.missing)
        if self.run_log is not None:
            self.run_log._before_step()
        engine = self._current_engine()
        engine.check_reach(self.epsilon)
        warn_of_rounding(self._notices, engine.low_precision, self.diagnostics, self.param_groups)
        log_window(self._notices, engine, self.rule, self.probes)
        own = self._points()
        if self._replicas is not None:
            own = distributed.own_points(self._replicas, own)
        first = not self.steps and "closure" not in self._notices.reported
        evaluator = Evaluator(
            closure,
            self._guard,
            partial(settings.changed, self),
            [parameter for group in self.param_groups for parameter in group["params"]],
            batches,
            own,
            engine.devices,
            self.fresh_batches,
            self.common_random_numbers,
            check_last=first and self.check_closure is None,
        )
        if self.check_closure and not self.steps:
            evaluator.check_repeats()
        return evaluator

    def _projected_gradients(self, losses: Losses) -> list[float]:
        """pg_k of the step to come, in float32; NaN where a loss is not finite, so that nothing moves."""
        projected = self.estimator.projected_gradients(losses, self.probes, self.epsilon, self._previous_loss)
        if self.clip is not None:
            projected = [max(-self.clip, min(self.clip, pg)) for pg in projected]
        projected = [float32(pg) for pg in projected]
        finite = all(map(math.isfinite, (*losses.values(), *projected)))
        self._probe_loss = mean_loss(losses)
        self._probe_curvature = None
        self._next_previous_loss = self._previous_loss
        if not finite:
            self._notices.warn_once("skipped", f"step {self.steps} has a loss that is not finite, and moves nothing.")
            return [math.nan] * len(projected)
        if self.estimator.name == "two-sided" and CENTRE in losses:
            self._probe_curvature = second_difference(losses, self.probes, self.epsilon)
        self._next_previous_loss = losses.get((0, 1))
        return projected

    def _losses_of_replicas(self, replicas: distributed.Replicas, closure: Closure, batches: Sequence[Any]) -> Losses:
        """The losses at all points, from all ranks. Raises: what this rank raised; RuntimeError for another's error."""
        if not self._replicas_agree:
            self._handshake(replicas)
        points = self._points()
        # Plain weights are rounded at every point, so that each replica must visit all of them; exact ones need not.
        route = iter(distributed.own_points(replicas, points) if self.exact else points)
        losses: Losses = {}
        error = None
        try:
            losses = self._losses(route, self._evaluator(closure, batches))
        except BaseException as raised:  # the other ranks wait for a message, also after an interrupt
            error = raised
            for point in route:  # to the end, so that all ranks round alike
                self._displace(point)
        return distributed.exchange(replicas, points, losses, self._shared_settings(), error)

    def _handshake(self, replicas: distributed.Replicas) -> None:
        """Before the first step. Raises: RuntimeError unless all ranks have the same settings and weights."""
        theta = self._current_engine().weights.theta()
        named = [(name, tensor) for name, tensor, _ in parameters.named_parameters(self.param_groups)]
        frozen = [tensor for _, tensor in named if not tensor.requires_grad]
        settings = self._shared_settings() | {"params": fingerprint(named)}
        distributed.handshake(replicas, settings, [*theta, *frozen], self.steps)
        self._replicas_agree = True

    def _shared_settings(self) -> dict[str, Any]:
        """What must be the same on all ranks at every step."""
        own = {"parallel": self.parallel, "check_replicas_every": self.check_replicas_every}
        rates = {name: [float(group[name]) for group in self.param_groups] for name in ("lr", *checkpoint.GROUP)}
        # Every sweep rounds plain weights, so that one which a rank makes alone, as in a flush, parts the replicas.
        progress = {"steps": self.steps, "sweeps": None if self.exact else self.cost.sweeps}
        return own | checkpoint.settings(self) | rates | progress

    def _check_settings(self) -> checkpoint.CheckedSettings:
        """The settings of a step. Raises: ValueError for one that was changed to an impossible value."""
        self._checked = checkpoint.checked_settings(self, self._built, self._checked)
        return self._checked

    @property
    def world_size(self) -> int:
        """The processes that share a step; 1 without `parallel`."""
        return 1 if self._replicas is None else self._replicas.world_size

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As for any torch optimizer; a group may set `lr`, `weight_decay` and `scale`."""
        self._guard.refuse("add_param_group")
        self.flush()
        checkpoint.check_names(self, param_group)
        super().add_param_group(param_group)
        check_group(self.param_groups[-1], first=True)

    def state_dict(self) -> dict[str, Any]:
        """As for any torch optimizer, after a `flush`: save the state of the model after it."""
        self._guard.refuse("state_dict")
        self.flush()
        state = super().state_dict()
        groups = python_values(state["param_groups"])  # numpy's numbers are refused by torch.load(weights_only=True)
        return state | {"param_groups": groups, "mezo": checkpoint.saved(self, self._current_engine().weights)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue bitwise where `state_dict` was taken; load the weights of the model first. Raises: ValueError."""
        self._guard.refuse("load_state_dict")
        state = checkpoint.read(self, state_dict)
        super().load_state_dict({key: state_dict[key] for key in ("state", "param_groups")})
        self.steps = state.steps
        self.history = state.history
        self.diagnostics = state.diagnostics
        self._previous_loss = state.previous_loss
        self.projected_gradients = None
        self.missing = None
        self._engine = None  # the weights may have been loaded too
        state.load_masters(self._current_engine().weights)

    def __repr__(self) -> str:
        settings = checkpoint.settings(self) | {"rule": self.rule, "parallel": self.parallel, "steps": self.steps}
        lines = "".join(f"\n    {name}: {value}" for name, value in settings.items())
        return super().__repr__().replace(" (", f" ({lines}", 1)
