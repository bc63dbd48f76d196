"""The shared checks of arguments: numbers of any library are numbers, and the refusal of all else names a remedy."""

import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import torch

from mezo_lab import validation
from mezo_lab.validation import flag, not_negative, number, one_of, positive, python_number, python_values, whole

NUMBERS = [3, 3.0, Decimal(3), Fraction(3), numpy.int64(3), numpy.array(3.0), torch.tensor(3), torch.ones(1, 1) * 3]


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_a_number_of_any_library_becomes_a_float(value):
    for check in (number, positive, not_negative):
        result = check("x", value, "remedy")
        assert result == 3.0
        assert type(result) is float


@pytest.mark.parametrize("value", [True, "3", None, numpy.array([3.0]), torch.ones(2), torch.empty(1, device="meta")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=r"`x` must be a number, got .*: remedy"):
        number("x", value, "remedy")


@pytest.mark.parametrize("value", [0, -1, math.nan, -math.inf])
def test_positive_refuses_the_rest(value):
    with pytest.raises(ValueError, match="`x` must be positive, got"):
        positive("x", value, "remedy")


@pytest.mark.parametrize("value", [math.inf, 10**400])
def test_an_infinite_number_must_be_finite(value):
    for check in (positive, not_negative):
        with pytest.raises(ValueError, match="must be finite"):
            check("x", value, "remedy")


def test_a_whole_number_lies_in_its_range():
    assert [whole("x", value, "remedy") for value in (1, numpy.uint8(7), torch.tensor(2))] == [1, 7, 2]
    for value in (0, 1.0, True, "1"):
        with pytest.raises(ValueError, match=r"whole number, at least 1, got .*: remedy"):
            whole("x", value, "remedy")
    with pytest.raises(ValueError, match=r"whole number in \[0, 2\*\*64\), got"):
        whole("x", 2**64, "remedy", least=0, below=2**64)
    with pytest.raises(ValueError, match=r"whole number in \[0, 8\), got 8"):
        whole("x", 8, "remedy", least=0, below=8)


def test_flags_are_true_or_false():
    assert [flag("x", value) for value in (True, numpy.bool_(False), torch.tensor(True))] == [True, False, True]
    with pytest.raises(ValueError, match="`x` must be True or False, got 1"):
        flag("x", 1)


def test_a_misspelt_name_is_refused_with_the_nearest():
    assert one_of("law", None, [None, "gaussian"]) is None
    with pytest.raises(ValueError, match=r"must be one of None, gaussian; got 'gaussain'. Nearest: gaussian."):
        one_of("law", "gaussain", [None, "gaussian"])
    with pytest.raises(ValueError, match="got 7: choose one of these"):
        one_of("law", 7, {"gaussian": 1})


def test_structures_keep_their_tensors_and_lose_numpy():
    tensor = torch.ones(1)
    values = python_values({"lr": tensor, "betas": [numpy.float64(0.5), (numpy.arange(2), "text")]})
    assert values == {"lr": tensor, "betas": [0.5, ([0, 1], "text")]}
    assert values["lr"] is tensor
    assert python_number(numpy.arange(2)).tolist() == [0, 1]


def test_neither_torch_nor_numpy_is_loaded():
    code = (
        f"import runpy, sys; runpy.run_path({validation.__file__!r}); print(*{{'torch', 'numpy'}} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
