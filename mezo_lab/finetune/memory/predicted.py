"""The peak memory of a step of fine-tuning, predicted from a configuration alone."""

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import Module, Parameter
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, Optimizer
from torch.utils._pytree import tree_leaves

from mezo_lab.environment.storages import LiveStorages, storage_bytes
from mezo_lab.finetune.encoding.logits import forward, output_layer
from mezo_lab.finetune.models.foreign import foreign_files
from mezo_lab.finetune.models.loading import LanguageModel, is_masked, read_config
from mezo_lab.finetune.models.tuning import tune
from mezo_lab.validation import one_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

__all__ = ["Memory", "predicted_memory"]

_FORWARD_METHODS = ("inference", "mezo")  # these need forward passes only
METHODS = (*_FORWARD_METHODS, "lora", "prefix", "sgd", "adam")
_PREFIX_TOKENS = 5  # as in `tune`


@dataclass(frozen=True)
class Memory:
    """Bytes that live at the peak of a step, and what holds them.

    >>> Memory(weights=100, gradients=100, optimizer=200, activations=50).total
    450
    """

    weights: int
    """Parameters and buffers."""
    gradients: int
    """Gradients after the backward pass."""
    optimizer: int
    """The optimizer's state after a step."""
    activations: int
    """Everything else: logits too, and the temporaries of an update."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.gradients + self.optimizer + self.activations


def predicted_memory(
    model: "PreTrainedConfig | str",
    *,
    method: str,
    batch: int = 16,
    length: int = 32,
    dtype: torch.dtype = torch.float32,
    positions: int = 1,
    attention: str = "sdpa",
    autocast: torch.dtype | None = None,
) -> Memory:
    """The peak of a step after the first, from the configuration alone.

    Formula: the step runs on tensors without contents. A storage counts from its allocation until it is freed, and the
    peak of the sum is exact. Gradients and the optimizer's state are those after the step; activations are the rest of
    the peak: for MeZO those of its forward passes, as a compiled sweep holds next to nothing.
    Assumes: the kernels of a CPU; a compiler, without which sweeps hold up to 16 MiB; Adam and SGD as plain loops; a
        batch with padding, and hence a mask.
    Left out: the reserve and the fragments of an allocator, the libraries, a GPU's context.
    Cost: some seconds, and almost no memory.

    Args:
        model: a configuration, or a name as for `load_model`, whose weights are not read.
        method: "inference", a forward pass; "mezo"; or backpropagation in training mode: "lora" and "prefix" (as
            `tune` makes them, with Adam), "sgd" and "adam" (all weights).
        batch: sequences in a pass.
        length: tokens in each sequence.
        dtype: the dtype of weights, gradients and state.
        positions: tokens of each sequence whose logits are computed.
        attention: "sdpa", or "eager", which holds length² weights for every head.
        autocast: the dtype of matrix products, where it differs from `dtype`.

    Raises: ValueError, OSError.

    >>> from transformers import GPT2Config
    >>> tiny = GPT2Config(vocab_size=20, n_positions=16, n_embd=8, n_head=2, n_layer=1, eos_token_id=0, bos_token_id=0)
    >>> adam = predicted_memory(tiny, method="adam", batch=1, length=16)
    >>> adam.weights == adam.gradients == 4 * (20 * 8 + 16 * 8 + 12 * 8**2 + 13 * 8 + 2 * 8)
    True
    """
    if isinstance(model, str):
        model = read_config(model)
    config = deepcopy(model)
    limit = getattr(config, "max_position_embeddings", length + _PREFIX_TOKENS)
    check_sizes(method, limit, batch, length, positions)
    with torch.device("meta"):
        trained = model_for_method(method, untrained_model(config, dtype, attention))
    with FakeTensorMode(allow_non_fake_inputs=True):
        inputs = torch.zeros(batch, length, dtype=torch.long)
        return _trace_step(TrainingStep(_without_contents(trained), inputs, min(positions, length), autocast), method)


def check_sizes(method: str, limit: int, batch: int, length: int, positions: int) -> None:
    """Raises: ValueError for a step that cannot be made. Args: limit: the positions of the model."""
    one_of("method", method, METHODS)
    for name, count in {"batch": batch, "length": length, "positions": positions}.items():
        if count < 1:
            raise ValueError(f"`{name}` must be at least 1, got {count}: give a larger number.")
    if method == "prefix":
        limit -= _PREFIX_TOKENS
    if length > limit:
        raise ValueError(
            f"`length` must be at most {limit:,}, the positions that the model has for a text; got {length:,}: give a "
            "smaller one."
        )


def untrained_model(config: "PreTrainedConfig", dtype: torch.dtype, attention: str) -> LanguageModel:
    """A model with random weights from its configuration, in eval mode."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    masked = bool(config.architectures) and is_masked(type(config).__name__, config)
    auto = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    with foreign_files("the configuration", remedy="mend it, or give another model"):
        model = auto.from_config(config, dtype=dtype, attn_implementation=attention, trust_remote_code=False)
    return LanguageModel(model.eval(), None, masked, type(config).__name__, 0)  # type: ignore[arg-type]  # nothing reads text


def model_for_method(method: str, loaded: LanguageModel) -> Any:
    """The model with the parameters that a method trains, in training mode if the method backpropagates."""
    tuning = method if method in ("lora", "prefix") else "full"
    model = tune(loaded, tuning, examples=[[0] * _PREFIX_TOKENS], tokens=_PREFIX_TOKENS)
    return model.train(method not in _FORWARD_METHODS)


def _without_contents(model: Module) -> Module:
    """The model with every tensor replaced by one of the current `FakeTensorMode`, on a CPU; tied ones stay tied."""
    replacements: dict[Tensor, Tensor] = {}
    for module in model.modules():
        tables: Any = (module._parameters, module._buffers)
        for table in tables:
            for name, tensor in table.items():
                if tensor is None:
                    continue
                if tensor not in replacements:
                    empty = torch.empty_like(tensor, device="cpu")
                    if isinstance(tensor, Parameter):
                        empty = Parameter(empty, tensor.requires_grad)
                    replacements[tensor] = empty
                table[name] = replacements[tensor]
    return model


@dataclass(frozen=True)
class TrainingStep:
    """A loss on a batch whose contents do not matter: the cross-entropy at the first `positions` of every sequence."""

    model: Any
    inputs: Tensor
    """Token ids, (batch, length)."""
    positions: int = 1
    """Of each sequence, those whose logits count."""
    autocast: torch.dtype | None = None
    """The dtype of matrix products, where it differs from that of the weights."""

    def loss(self) -> Tensor:
        """A forward pass."""

        def keep_first(_: Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            hidden, *others = arguments  # (batch, length, hidden)
            return (hidden[:, : self.positions], *others)

        hook = output_layer(self.model).register_forward_pre_hook(keep_first)
        mask = torch.ones_like(self.inputs)
        mask[:, self.inputs.shape[1] // 2 + 1 :] = 0  # padding, so that the model makes a mask of its own
        try:
            with torch.autocast("cpu", self.autocast, enabled=self.autocast is not None):
                logits = forward(self.model, {"input_ids": self.inputs, "attention_mask": mask}).logits
        finally:
            hook.remove()
        return cross_entropy(logits.flatten(0, 1).float(), self.inputs[:, : self.positions].flatten())

    def optimizer(self, method: str) -> Optimizer:
        """The optimizer of backpropagation, as plain loops."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if method == "sgd":
            return SGD(trained, foreach=False)
        return Adam(trained, foreach=False)


def _trace_step(step: TrainingStep, method: str) -> Memory:
    """Run one step and count the bytes that live at its peak."""
    weights = storage_bytes([*step.model.parameters(), *step.model.buffers()])
    with LiveStorages() as live, torch.set_grad_enabled(method not in _FORWARD_METHODS):
        loss = step.loss()
        if method in _FORWARD_METHODS:
            return Memory(weights, 0, 0, live.peak)
        loss.backward()
        del loss
        passes = live.peak
        optimizer = step.optimizer(method)
        optimizer.step()
    trained = [parameter for parameter in step.model.parameters() if parameter.grad is not None]
    gradients = storage_bytes(parameter.grad for parameter in trained)
    state = storage_bytes(tree_leaves([optimizer.state[parameter] for parameter in trained]))
    # the first step makes its state after its passes; in every later one it lives all the time
    return Memory(weights, gradients, state, max(passes + state, live.peak) - gradients - state)
