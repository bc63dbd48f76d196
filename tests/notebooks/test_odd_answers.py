"""What a student may do that is no mathematics: leave, change what was lent, return no number, set torch's defaults."""

import functools
import math
import sys

import pytest
import torch

from mezo_lab.course.exercises import WrongAnswer, algorithm, finetuning, reading, successors, zoo


@pytest.fixture
def float64_everywhere():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def perturb(parameters, scale, seed, chunk):
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        for piece in parameter.view(-1).split(chunk):
            piece.add_(torch.randn(piece.shape, generator=generator, dtype=piece.dtype), alpha=scale)


def z_of_perturb(tensors):
    perturb(list(tensors.values()), 1.0, 1, 64)
    return tensors


def test_a_function_that_leaves_python_is_told_so_and_ends_nothing():
    with pytest.raises(WrongAnswer, match="raised SystemExit"):
        reading.check_draws_for_ten(lambda draws, distance: sys.exit())


def test_a_long_line_of_a_cell_is_cut(tmp_path):
    file = tmp_path / "cell.py"
    file.write_text(f"def f(draws, distance):\n    return 1 / 0{' + 1' * 300}\n")
    namespace = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    with pytest.raises(WrongAnswer, match="at line 2 of its cell: return 1 / 0") as told:
        reading.check_draws_for_ten(namespace["f"])
    assert len(str(told.value)) < 300


def test_single_precision_is_named_where_it_alone_is_wrong():
    def loss(right, other):
        classes = [torch.logsumexp(-torch.tensor(words).float(), 0) for words in (right, other)]
        return -torch.log_softmax(torch.stack(classes), 0)[0]

    with pytest.raises(WrongAnswer, match=r"agrees with 0\.0337095 in the first digits alone: compute in float64"):
        finetuning.check_class_loss(loss)


def test_a_right_answer_is_right_under_another_default_of_torch(float64_everywhere, capsys):
    algorithm.check_perturb(perturb)
    assert capsys.readouterr().out.startswith("✓")


def test_an_answer_without_a_name_is_judged(capsys):
    with pytest.raises(WrongAnswer, match="An address does not move"):
        algorithm.check_order(functools.partial(z_of_perturb), functools.partial(z_of_perturb))


def test_a_generator_may_change_the_shapes_that_it_was_given(capsys):
    before = dict(zoo._SHAPES)

    def generator(shapes, seed, step, update=False):
        z = zoo.mezo(dict(shapes), seed, step)
        shapes.clear()
        return z

    zoo.check_generator(generator)
    assert before == zoo._SHAPES


def test_no_number_of_standard_errors_is_a_failed_check():
    assert zoo.failed_checks({"scale": math.nan, "steps": 0.3, "runs": -math.inf}) == ["scale", "runs"]


def test_a_case_is_told_with_its_short_lists_so_that_it_can_be_tried_again():
    told = r"At layers = \[\(3, 4, 0\.2\), \(2, 5, 0\.5\), \(4, 4, 0\.3\)\], rank = 1 it should be 56\.6, yours is 7"
    with pytest.raises(WrongAnswer, match=told):
        successors.check_layered_factor(lambda layers, rank: 7.0)
