"""Parameters of every kind that torch has: each moves, under its name in the model, or is refused in plain words."""

import pytest
import torch
from torch import nn

from mezo_lab.optim import MeZO
from mezo_lab.optim.parameters import model_names, trainable_parameters


def parameter(tensor):
    return nn.Parameter(tensor)


def inference():
    with torch.inference_mode():
        return nn.Parameter(torch.ones(3))


def given_back():
    tensor = nn.Parameter(torch.ones(3))
    tensor.untyped_storage().resize_(0)
    return tensor


REFUSED = {
    "given back": (given_back, "must lie in memory, got no memory of this process for 'w': gather the weights"),
    "meta": (
        lambda: parameter(torch.ones(3, device="meta")),
        r"must lie in memory, got a meta tensor for 'w': .*to_empty",
    ),
    "sparse": (
        lambda: parameter(torch.eye(3).to_sparse()),
        r"must be dense, got torch.sparse_coo for 'w': take to_dense\(\) of it, or freeze it",
    ),
    "sparse rows": (lambda: parameter(torch.eye(3).to_sparse_csr()), "must be dense, got torch.sparse_csr for 'w'"),
    "float8": (
        lambda: parameter(torch.ones(3).to(torch.float8_e4m3fn)),
        "must be float16, bfloat16, float32, float64, got torch.float8_e4m3fn for 'w': freeze it",
    ),
    "complex": (lambda: parameter(torch.ones(3, dtype=torch.complex64)), "must be real floating point numbers"),
    "inference": (inference, r"must not be made under torch.inference_mode\(\), as 'w' was: .*clone\(\)"),
    "lazy": (lambda: nn.LazyLinear(3).weight, "must have a shape, got a lazy one for 'w': call the model once"),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("kind", REFUSED)
def test_a_kind_that_cannot_be_moved_is_refused_by_name(kind):
    make, said = REFUSED[kind]
    with pytest.raises(ValueError, match=f"`params` {said}"):
        MeZO([("w", make())], lr=0.1)


def test_memory_that_is_given_back_between_two_steps_is_not_written():
    theta = nn.Parameter(torch.ones(3))
    opt = MeZO([("w", theta)], lr=0.1, check_closure=False)
    opt.step(lambda: 1.0)
    theta.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match="`params` must lie in memory, got no memory of this process for 'w'"):
        opt.step(lambda: 1.0)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind not in ("inference", "lazy")])
def test_frozen_ones_of_these_kinds_are_left_alone(kind):
    frozen = nn.Parameter(REFUSED[kind][0]().detach(), requires_grad=False)
    free = nn.Parameter(torch.ones(3))
    MeZO([("w", frozen), ("v", free)], lr=0.1).step(lambda: float(free.detach().sum()))


@pytest.mark.parametrize("params", [[], iter(()), (p for p in nn.Linear(2, 2).parameters() if not p.requires_grad)])
def test_no_parameters_at_all_are_told_of_as_that(params):
    with pytest.raises(ValueError, match="`params` must hold a parameter with requires_grad=True, got none: unfreeze"):
        MeZO(params, lr=0.1)


def test_a_model_in_place_of_its_parameters_is_told_of():
    with pytest.raises(TypeError, match=r"`params` must be model.named_parameters\(\), got the Linear itself"):
        MeZO(nn.Linear(2, 2), lr=0.1)


APART = {
    "every second": lambda x: (x[::2], x[1::2]),
    "columns": lambda x: (x.view(4, 5)[:, :2], x.view(4, 5)[:, 2:]),
    "three by turns": lambda x: (x[:18:3], x[1:18:3], x[2:18:3]),
    "one inside the gaps of two": lambda x: (x.view(4, 5)[:, :1], x.view(4, 5)[:, 4:], x.view(4, 5)[:, 2:3]),
}


@pytest.mark.parametrize("kind", APART)
def test_views_that_alternate_without_a_number_in_common_move_as_tensors_of_their_own(kind):
    views = [nn.Parameter(view) for view in APART[kind](torch.zeros(20))]
    MeZO(views, lr=0.1, law="rademacher").step(iter([1e-3, -1e-3]).__next__)
    assert all((view.abs() > 0).all() for view in views)


@pytest.mark.parametrize("cut", [lambda x: (x[::2], x[2:4]), lambda x: (x[::2], x[1::2], x[:1]), lambda x: (x, x[::3])])
def test_views_that_alternate_and_meet_are_refused(cut):
    with pytest.raises(ValueError, match="`params` must not overlap in memory"):
        MeZO([nn.Parameter(view) for view in cut(torch.zeros(20))], lr=0.1)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


class Wrapped(nn.Module):
    """As DataParallel and DistributedDataParallel hold a model."""

    def __init__(self, module):
        super().__init__()
        self.module = module


WRAPPINGS = {
    "compiled": torch.compile,
    "data parallel": nn.DataParallel,
    "twice": lambda m: Wrapped(torch.compile(m)),
    "twice, the other way": lambda m: torch.compile(Wrapped(m)),
    "a part": lambda m: nn.Sequential(torch.compile(m[0]), m[1], m[2]),
}


def walked(wrap):
    whole = wrap(model())
    opt, x = MeZO(whole.named_parameters(), lr=0.1, seed=4), torch.linspace(-1, 1, 30).view(10, 3)
    weights = list(whole.parameters())
    for _ in range(2):
        opt.step(lambda: float(sum(tensor.detach().square().sum() for tensor in weights) + x.sum()))
    return [tensor.detach().clone() for tensor in weights], trainable_parameters(opt.param_groups)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of torch.compile itself
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_wrapped_model_moves_as_the_model_inside(wrapping):
    (plain, keys), (wrapped, same) = walked(lambda m: m), walked(WRAPPINGS[wrapping])
    assert [p.key for p in keys] == [p.key for p in same]
    assert all(torch.equal(a, b) for a, b in zip(plain, wrapped, strict=True))


def test_a_state_of_a_wrapped_model_is_that_of_the_model_inside():
    plain, wrapped = model(), nn.DataParallel(model())
    saved = MeZO(plain.named_parameters(), lr=0.1).state_dict()
    opt = MeZO(wrapped.named_parameters(), lr=0.2)
    opt.load_state_dict(saved)
    assert opt.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("names, expected", [
    (["module.w", "module.b"], ["w", "b"]),
    (["module.module.w"], ["w"]),
    (["module.w", "w"], ["module.w", "w"]),  # both are there: no wrapper
    (["a.module.w"], ["a.module.w"]),  # a part of the model itself
    (["_orig_mod.a._orig_mod.w"], ["a.w"]),
    ([0, 1, 2], [0, 1, 2]),
    (["modules.w"], ["modules.w"]),
])  # fmt: skip
def test_only_the_names_of_wrappers_are_taken_off(names, expected):
    assert model_names(names) == expected
