"""The examples in the docstrings of the scripts hold; pytest collects those of the library only."""

import doctest

import accuracy
import build
import pytest
import rates
import slides
from blocks import training


@pytest.mark.parametrize("script", [accuracy, build, rates, slides, training], ids=lambda script: script.__name__)
def test_the_examples_of_a_script_hold(script):
    assert doctest.testmod(script).failed == 0


def test_there_are_examples_to_run():
    assert all(doctest.testmod(script).attempted for script in (build, rates, slides, training))
