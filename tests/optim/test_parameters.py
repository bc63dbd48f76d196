"""Which tensors move, each once, and along which z: tied, frozen, renamed, reordered, strided, or sharing memory."""

import pytest
import torch
from torch import nn

from mezo_lab.optim import MeZO
from mezo_lab.optim.noise import COORDINATES
from mezo_lab.sampling import LAWS

IID = list(COORDINATES)


def moves(named, law="gaussian", lr=0.5, seed=5):
    """What one step along a slope of one does to each tensor: −η·z, by name, whatever the loss."""
    named = dict(named)
    before = {name: t.detach().clone() for name, t in named.items()}
    losses = iter([1e-3, -1e-3])  # pg = 1
    MeZO(named.items(), lr=lr, law=law, seed=seed, exact=False).step(lambda: next(losses))
    return {name: t.detach() - before[name] for name, t in named.items()}


def zeros(*shape, dtype=torch.float64):
    return nn.Parameter(torch.zeros(*shape, dtype=dtype))


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-15)


@pytest.mark.parametrize("law", [*IID, "low-rank"])
def test_frozen_parameters_stay_and_change_no_others_z(weights, law):
    free, partly = weights(), weights()
    partly["layer.weight"].requires_grad_(False)
    all_moves, some_moves = moves(free.items(), law), moves(partly.items(), law)
    assert all_moves["layer.weight"].any()
    assert not some_moves["layer.weight"].any()
    for name in free.keys() - {"layer.weight"}:
        close(some_moves[name], all_moves[name])


@pytest.mark.parametrize("law", [*(law for law in LAWS if law != "coordinate"), "low-rank"])
def test_the_order_of_named_parameters_is_irrelevant(weights, law):
    forth, back = moves(weights().items(), law), moves(reversed(weights().items()), law)
    for name in forth:
        torch.testing.assert_close(forth[name], back[name], rtol=1e-12, atol=1e-15)  # a length is summed in order


def test_without_names_a_position_is_the_key(weights, directions):
    theta = list(weights().values())
    (z,) = directions("gaussian", 5, 0, 1, list(range(len(theta))), theta)
    expected = [t.detach() - 0.5 * x.double() for t, x in zip(theta, z, strict=True)]
    losses = iter([1e-3, -1e-3])
    MeZO(theta, lr=0.5, seed=5).step(lambda: next(losses))
    for a, b in zip(theta, expected, strict=True):
        close(a.detach(), b)


def test_a_position_counts_frozen_parameters_too(weights):
    free, partly = list(weights().values()), list(weights().values())
    partly[1].requires_grad_(False)
    ends = []
    for theta in (free, partly):
        losses = iter([1e-3, -1e-3])
        MeZO(theta, lr=0.5).step(lambda losses=losses: next(losses))
        ends.append(theta)
    close(ends[0][2].detach(), ends[1][2].detach())
    assert torch.equal(partly[1], list(weights().values())[1])


def test_another_name_is_another_z(weights):
    theta = weights()
    renamed = {name.replace("layer", "block"): t for name, t in weights().items()}
    one, two = moves(theta.items()), moves(renamed.items())
    close(one["embed"], two["embed"])
    assert not torch.allclose(one["layer.weight"], two["block.weight"])


@pytest.mark.parametrize("law", IID)
def test_tensors_of_one_shape_move_along_different_z(law):
    """Noise seeded anew for each tensor would be the same in all of them (ES@Scale)."""
    found = moves({f"layer{i}": zeros(40, 50) for i in range(4)}.items(), law)
    z = torch.stack([move.flatten() / -0.5 for move in found.values()])
    gram = z @ z.T / 2000
    assert (gram - torch.eye(4)).abs().max() < 5 * (2 / 2000) ** 0.5  # 5 standard errors: 1/√d, and √(2/d) at most


def test_successive_steps_and_seeds_move_along_different_z():
    theta, z = zeros(2000), []
    for seed in (0, 1):
        opt = MeZO([theta], lr=1.0, seed=seed)
        for _ in range(3):
            before, losses = theta.detach().clone(), iter([1e-3, -1e-3])
            opt.step(lambda losses=losses: next(losses))
            z.append(before - theta.detach())
    gram = torch.stack(z) @ torch.stack(z).T / 2000
    assert (gram - torch.eye(6)).abs().max() < 5 * (2 / 2000) ** 0.5


def test_a_tied_parameter_moves_once():
    """Under both of its names it is one tensor, along the z of its first name."""
    model = nn.Module()
    model.embed, model.head = nn.Embedding(6, 5), nn.Linear(5, 6, bias=False)
    model.head.weight = model.embed.weight = zeros(6, 5)
    alone = moves({"embed.weight": zeros(6, 5)}.items())
    close(moves(model.named_parameters())["embed.weight"], alone["embed.weight"])
    model.embed.weight.data.zero_()
    with pytest.warns(UserWarning, match="duplicate parameters"):  # torch's own
        both = moves(model.named_parameters(remove_duplicate=False))
    close(both["head.weight"], alone["embed.weight"])


def test_two_parameters_over_one_memory_are_tied():
    memory = torch.zeros(6, 5, dtype=torch.float64)
    first, second = nn.Parameter(memory), nn.Parameter(memory)
    assert first is not second and first.data_ptr() == second.data_ptr()
    close(moves({"embed": first, "head": second}.items())["head"], moves({"embed": zeros(6, 5)}.items())["embed"])


def test_a_tied_parameter_that_is_frozen_under_one_name_moves_under_the_other():
    memory = torch.zeros(6, 5, dtype=torch.float64)
    frozen, free = nn.Parameter(memory, requires_grad=False), nn.Parameter(memory)
    close(moves({"embed": frozen, "head": free}.items())["embed"], moves({"head": zeros(6, 5)}.items())["head"])


def test_views_side_by_side_in_one_buffer_move_as_tensors_of_their_own():
    buffer = torch.zeros(20, dtype=torch.float64)
    views = {"a": nn.Parameter(buffer[:8].view(2, 4)), "b": nn.Parameter(buffer[8:20])}
    found = moves(views.items())
    alone = moves({"a": zeros(2, 4), "b": zeros(12)}.items())
    for name in views:
        close(found[name], alone[name])
    close(buffer, torch.cat([alone["a"].flatten(), alone["b"]]))


OVERLAP = {
    "a slice of the other": lambda x: (x[:12], x[8:]),
    "the same, transposed": lambda x: (x.view(4, 5), x.view(4, 5).T),
    "a part": lambda x: (x, x[3:5]),
    "in another shape": lambda x: (x.view(4, 5), x.view(5, 4)),
}


@pytest.mark.parametrize("kind", OVERLAP)
def test_parameters_that_overlap_are_refused(kind):
    views = [nn.Parameter(view) for view in OVERLAP[kind](torch.zeros(20))]
    with pytest.raises(ValueError, match=r"`params` must not overlap in memory .*clone\(\) one of them"):
        MeZO(views, lr=0.1)


def test_a_tensor_that_repeats_its_memory_is_refused():
    for expanded in (torch.zeros(3).expand(4, 3), torch.zeros(()).expand(5), torch.zeros(5).as_strided((3, 3), (1, 1))):
        with pytest.raises(ValueError, match=r"`params` must not repeat numbers in memory, .*clone\(\) it"):
            MeZO([nn.Parameter(expanded)], lr=0.1)


STRIDED = {
    "transposed": lambda x: x.T,
    "every second column": lambda x: x[:, ::2],
    "permuted": lambda x: x.view(10, 4, 6).permute(2, 0, 1),
    "channels last": lambda x: x.view(2, 5, 4, 6).to(memory_format=torch.channels_last),
    "a corner": lambda x: x[:7, :9],
}


@pytest.mark.parametrize("mode", [{}, {"exact": True, "fused": True}], ids=str)
@pytest.mark.parametrize("law", [*IID, "sphere", "coordinate", "low-rank"])
@pytest.mark.parametrize("kind", STRIDED)
def test_strides_do_not_change_z(kind, law, mode):
    """A tensor that is not contiguous moves as its contiguous copy, and what lies between its numbers stays."""
    start = torch.linspace(-1, 1, 240, dtype=torch.float64).view(10, 24)
    between = start.clone()
    strided = nn.Parameter(STRIDED[kind](between))
    flat = nn.Parameter(strided.detach().clone(memory_format=torch.contiguous_format))
    assert not strided.is_contiguous() and flat.is_contiguous()
    for theta in (strided, flat):
        opt = MeZO([theta], lr=0.1, law=law, weight_decay=0.1, rule="momentum", **mode)
        for _ in range(2):
            opt.step(lambda t=theta: t.sin().mean())
        opt.flush()
    close(strided.detach(), flat.detach())
    if kind in ("every second column", "a corner"):
        for memory in (between, start):
            STRIDED[kind](memory).zero_()
        assert torch.equal(between, start)


def test_empty_tensors_and_scalars_are_parameters_like_any_other():
    theta = {
        "empty": zeros(0, 3),
        "scalar": nn.Parameter(torch.zeros((), dtype=torch.float64)),
        "one": zeros(1),
        "more": zeros(65),
    }
    found = moves(theta.items())
    assert found["empty"].shape == (0, 3)
    close(found["more"], moves({"more": zeros(65)}.items())["more"])
    assert found["scalar"] != 0 and found["one"] != 0 and found["scalar"] != found["one"]


def test_parameters_of_several_dtypes_move_along_one_z():
    """z does not depend on the dtype: each weight gets the same number, rounded to its own."""
    kinds = {torch.float64: 1e-15, torch.float32: 1e-7, torch.bfloat16: 2**-8, torch.float16: 2**-11}
    reference = moves({"w": zeros(65)}.items())["w"]
    mixed = {f"w{i}": zeros(3, 4, dtype=dtype) for i, dtype in enumerate(kinds)}
    found = moves(mixed.items())
    assert [move.dtype for move in found.values()] == list(kinds)
    for dtype, rounding in kinds.items():
        move = moves({"w": zeros(65, dtype=dtype)}.items())["w"].double()
        # three roundings on the way, of numbers no larger than the probe and the update
        assert (move - reference).abs().max() <= 3 * rounding * reference.abs().max()


@pytest.mark.parametrize(
    "law, rule", [*((law, "sgd") for law in LAWS if law != "coordinate"), ("gaussian", "sign"), ("gaussian", "adam")]
)
def test_a_step_does_not_depend_on_the_default_dtype(weights, wave, equal, law, rule):
    ends = []
    for default in (torch.float32, torch.float64, torch.bfloat16):
        theta = weights(torch.float32)
        torch.set_default_dtype(default)
        try:
            MeZO(theta.items(), lr=0.1, law=law, rule=rule).step(lambda t=theta: wave(list(t.values())))
        finally:
            torch.set_default_dtype(torch.float32)
        ends.append(list(theta.values()))
    assert equal(ends[0], ends[1]) and equal(ends[0], ends[2])


def test_names_that_two_tensors_share_are_refused():
    """As of two models whose parameters are listed together: they would move alike."""
    with pytest.raises(ValueError, match="`params` must have different names, but 'weight' and 'weight' share a key"):
        MeZO([("weight", zeros(3)), ("weight", zeros(3))], lr=0.1)
