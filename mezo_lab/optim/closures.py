"""The closure, guarded: while it runs the optimizer refuses to move, and a backward pass is told of."""

from typing import TYPE_CHECKING, Any

from mezo_lab.optim import checkpoint
from mezo_lab.optim.closure import Closure

if TYPE_CHECKING:
    from mezo_lab.optim.mezo import MeZO

NO_GRAPH = "does not require grad and does not have a grad_fn"  # torch's words for a backward() without a graph
BACKWARD = "leave out backward(), MeZO needs no gradient"


def guarded(opt: "MeZO", closure: Closure) -> Closure:
    """The closure, during which `opt.evaluating` is True.

    Raises: RuntimeError, as the closure does, that names backward() where there was no graph for it.
    """

    def gradients() -> int:
        return sum(tensor.grad is not None for group in opt.param_groups for tensor in group["params"])

    def evaluated(*batch: Any) -> Any:
        before, settings = gradients(), checkpoint.settings(opt)
        opt.evaluating = True
        try:
            loss = closure(*batch)
        except RuntimeError as error:
            if NO_GRAPH in str(error):
                raise RuntimeError(
                    f"`closure` must only return the loss, and called backward(): {BACKWARD}."
                ) from error
            raise
        finally:
            opt.evaluating = False
        for name, now in checkpoint.settings(opt).items():
            if now != settings[name]:
                raise RuntimeError(
                    f"`{name}` must not change inside a closure, which only evaluates the loss: set it between two "
                    "steps."
                )
        if gradients() > before:
            opt.warn_once(
                "gradients",
                f"`closure` left gradients behind, which take the memory that MeZO saves: {BACKWARD}; in Lightning set "
                "automatic_optimization=False.",
            )
        return loss

    return evaluated
