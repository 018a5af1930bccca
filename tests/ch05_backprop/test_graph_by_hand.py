import pytest
from hypothesis import given
from hypothesis import strategies as st

from ch05_backprop.graph_by_hand import AddLayer, MulLayer, bill, main

DERIVATIVES = {"apple_price": 2.2, "apples": 110, "orange_price": 3.3, "oranges": 165, "tax": 650}

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


def test_the_bill_of_the_book():
    total, derivatives = bill(100, 2, 150, 3, 1.1)
    assert total == pytest.approx(715)
    assert derivatives == pytest.approx(DERIVATIVES)


@given(numbers, numbers, numbers, numbers, numbers)
def test_total_and_derivatives_are_those_of_the_formula(a, m, o, n, tax):
    total, derivatives = bill(a, m, o, n, tax)
    scale = (abs(a * m) + abs(o * n)) * abs(tax)
    assert total == pytest.approx((a * m + o * n) * tax, abs=1e-12 * scale)
    expected = {
        "apple_price": m * tax,
        "apples": a * tax,
        "orange_price": n * tax,
        "oranges": o * tax,
        "tax": a * m + o * n,
    }
    assert derivatives == pytest.approx(expected, rel=1e-12)


@given(numbers, numbers, numbers)
def test_a_product_hands_back_the_other_factor(x, y, dout):
    layer = MulLayer()
    assert layer.forward(x, y) == x * y
    assert layer.backward(dout) == (dout * y, dout * x)


@given(numbers, numbers, numbers)
def test_a_sum_hands_back_what_it_was_given(x, y, dout):
    layer = AddLayer()
    assert layer.forward(x, y) == x + y
    assert layer.backward(dout) == (dout, dout)


def test_the_script_prints_the_total_and_a_derivative_for_each_input(capsys):
    main([])
    first, _, header, *rows = capsys.readouterr().out.splitlines()
    assert first == "total: 715"
    assert "d total / d input" in header
    printed = {row[:14].strip().replace(" ", "_"): float(row.split()[-1]) for row in rows}
    assert printed == DERIVATIVES
