"""Any words go through the code of the learning rates unchanged, in as few bits as they need."""

import numpy
import pytest

from mezo_lab.optim.log.rates import REACH, decode, encode, pack, size, unpack, width_of


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("steps", [1, 2, 15, 16, 255])
@pytest.mark.parametrize("spread", [1, 7, 1000, 2**31, 2**32])
def test_any_rates_come_back(steps, columns, spread):
    draw = numpy.random.default_rng(steps + columns)
    words = (2**31 + draw.integers(0, spread, (REACH + steps, columns))).astype(numpy.uint32)
    past, rates = words[:REACH], words[REACH:]
    order, width, code = encode(rates, past)
    assert len(code) == size(steps * columns, width) and order in (1, 2, 3)
    assert (decode(code, steps, order, width, past) == rates).all()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_polynomials_of_lower_degree_take_no_bits(order):
    words = (1000 + numpy.arange(20, dtype=numpy.uint32) ** (order - 1))[:, None]
    assert encode(words[REACH:], words[:REACH]) == (order, 0, b"")


@pytest.mark.parametrize("width", range(1, 33))
def test_every_width_packs_its_extremes(width):
    extremes = numpy.array([-(1 << width - 1), (1 << width - 1) - 1, 0, -1], dtype=numpy.int32)
    code = pack(extremes, width)
    assert width_of(extremes) == width and len(code) == size(4, width)
    assert (unpack(code, 4, width) == extremes.view(numpy.uint32)).all()


def test_one_value_more_needs_one_bit_more():
    assert width_of(numpy.array([3, -4], dtype=numpy.int32)) == 3
    assert width_of(numpy.array([4], dtype=numpy.int32)) == width_of(numpy.array([-5], dtype=numpy.int32)) == 4
