import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.scripts.units import readable_time

UNITS = {"s": 1, "ms": 1e-3, "µs": 1e-6}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3600.0, "3600 s"),
        (123.4, "123 s"),
        (42.27, "42.3 s"),
        (1.0, "1.00 s"),
        (0.5, "500 ms"),
        (0.012345, "12.3 ms"),
        (0.001019, "1.02 ms"),
        (0.001, "1.00 ms"),
        (2.5e-05, "25.0 µs"),
        (1e-6, "1.00 µs"),
        (1.234e-8, "0.0123 µs"),
    ],
)
def test_a_time_has_three_digits_in_the_unit_that_suits_it(seconds, text):
    assert readable_time(seconds) == text


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, np.float64(0)])
def test_no_time_at_all_is_0(zero):
    assert readable_time(zero) == "0 µs"


def test_numbers_of_numpy_are_times_too():
    assert readable_time(np.float64(0.0421)) == readable_time(np.float32(0.0421)) == "42.1 ms"


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [
        (0.9994, "ms"),
        (0.9996, "s"),
        (0.9994e-3, "µs"),
        (0.9996e-3, "ms"),
        (0.9996e-6, "µs"),
    ],
)
def test_the_unit_is_that_of_the_rounded_time(seconds, unit):
    number, name = readable_time(seconds).split()
    assert name == unit
    assert 1 <= float(number) < 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (99.96, "100 s"),
        (9.996, "10.0 s"),
        (0.9996, "1.00 s"),
        (0.09996, "100 ms"),
        (0.9996e-3, "1.00 ms"),
        (9.996e-6, "10.0 µs"),
        (0.9996e-6, "1.00 µs"),
    ],
)
def test_a_time_that_is_rounded_up_has_three_digits(seconds, text):
    assert readable_time(seconds) == text


@given(st.floats(1e-6, 999))
@settings(max_examples=200)
def test_a_readable_time_is_the_time_up_to_half_of_its_last_digit(seconds):
    number, unit = readable_time(seconds).split()
    assert re.fullmatch(r"\d+(\.\d+)?", number)
    assert float(number) * UNITS[unit] == pytest.approx(seconds, rel=0.00501)
    assert len(number.replace(".", "")) >= 3
