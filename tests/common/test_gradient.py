"""Finite differences of functions: values, which calls are made, and what is left of x."""

import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.gradient import (
    best_step,
    central_difference,
    forward_difference,
    numerical_gradient,
    numerical_gradient_2d,
    numerical_gradient_forward,
)
from tests.helpers import few, frozen

BOTH = pytest.mark.parametrize("method", [numerical_gradient, numerical_gradient_forward])
# −0.0, subnormals, and numbers for which (v + h) − h isn't v
AWKWARD = np.array([-0.0, 5e-324, -1e-310, 0.1, 1e16, 1 / 3])


def sum_of_squares(x):
    return np.sum(x**2)


@pytest.mark.parametrize("point", [[3, 4], [0, 2], [3, 0]])
def test_the_books_example(point):
    x = np.array(point, dtype=float)
    np.testing.assert_allclose(numerical_gradient(sum_of_squares, x), 2 * x, atol=1e-9)
    np.testing.assert_allclose(numerical_gradient_forward(sum_of_squares, x), 2 * x, atol=1e-6)


@BOTH
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (0, 3), (3, 0)])
def test_any_shape(method, shape):
    x, weights = np.random.default_rng(0).normal(size=(2, *shape))
    x = np.array(x)
    gradient = method(lambda x: np.sum(weights * np.sin(x)), x)
    assert isinstance(gradient, np.ndarray)
    assert gradient.shape == shape
    np.testing.assert_allclose(gradient, weights * np.cos(x), atol=1e-6)


@BOTH
@pytest.mark.parametrize(
    "view", [np.transpose, lambda x: x[::2], lambda x: x[:, ::-1], lambda x: x[1:, 1:3]]
)
def test_views_are_differentiated_and_restored(method, view):
    base = np.random.default_rng(0).normal(size=(4, 5))
    before = base.tobytes()
    x = view(base)
    np.testing.assert_allclose(method(sum_of_squares, x), 2 * x, atol=1e-6)
    assert base.tobytes() == before
    some = method(sum_of_squares, x, entries=[1])  # counted row by row, also if transposed
    np.testing.assert_allclose(some.ravel()[1], 2 * x.ravel()[1], atol=1e-6)
    assert np.isnan(some).sum() == x.size - 1


@pytest.mark.parametrize(
    ("method", "order", "tolerance"),
    [(numerical_gradient, 2, 2e-4), (numerical_gradient_forward, 1, 5e-3)],
)
def test_float32_with_the_best_step(method, order, tolerance):
    x = np.linspace(-1, 1, 7, dtype=np.float32)
    gradient = method(lambda x: np.sum(np.sin(x)), x, best_step(order, np.float32))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, np.cos(x), rtol=tolerance)
    # and the forward difference takes the best step by default
    again = numerical_gradient_forward(lambda x: np.sum(np.sin(x)), x)
    assert order == 2 or again.tobytes() == gradient.tobytes()


def test_central_and_forward_gradients_use_exactly_their_formulas():
    x, h = np.array([0.5, -2.0]), 0.25  # numbers that float64 adds without rounding

    def f(x):
        return x[0] ** 3 + 5 * x[1] ** 3

    plus, here, minus = (np.array([1, 5]) * v**3 for v in (x + h, x, x - h))
    np.testing.assert_allclose(numerical_gradient(f, x, h), (plus - minus) / (2 * h), rtol=1e-14)
    np.testing.assert_allclose(numerical_gradient_forward(f, x, h), (plus - here) / h, rtol=1e-14)


@pytest.mark.parametrize(
    ("difference", "order", "constant"),
    [
        (forward_difference, 1, lambda x: -np.sin(x) / 2),
        (central_difference, 2, lambda x: -np.cos(x) / 6),
    ],
)
@given(x=st.floats(0.4, 1.1))
@few
def test_the_error_is_of_its_order_in_h(difference, order, constant, x):
    steps = 2.0 ** -np.arange(4, 9)
    errors = np.array([difference(np.sin, x, h) - np.cos(x) for h in steps])
    slopes = np.diff(np.log(np.abs(errors))) / np.diff(np.log(steps))
    np.testing.assert_allclose(slopes, order, atol=0.05)
    np.testing.assert_allclose(errors[-1] / steps[-1] ** order, constant(x), rtol=0.02)


@pytest.mark.parametrize("difference", [forward_difference, central_difference])
def test_differences_work_elementwise_also_if_f_reuses_its_output(difference):
    x, buffer = np.linspace(0, 2, 5), np.empty(5)
    for f in (np.exp, lambda x: np.exp(x, out=buffer)):
        np.testing.assert_allclose(difference(f, x), np.exp(x), rtol=1e-7)


@pytest.mark.parametrize(
    ("order", "dtype", "expected"),
    [
        (1, np.float64, 2.0**-26),
        (2, np.float64, 2 ** (-52 / 3)),
        (1, np.float32, 2 ** (-23 / 2)),
        (2, np.float32, 2 ** (-23 / 3)),
    ],
)
def test_best_step_is_the_root_of_epsilon(order, dtype, expected):
    assert best_step(order, dtype) == pytest.approx(expected, rel=1e-6)
    assert type(best_step(order, dtype)) is float


# f returns what changes later: its argument, a view of it, or a buffer of its own


def in_a_buffer(f, buffer):
    return lambda x: np.copyto(buffer, f(x)) or buffer


@BOTH
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: x, np.array(0.5), 1),
        (lambda x: x, np.array([[0.5]]), [[1]]),
        (np.squeeze, np.array([0.5]), [1]),
        (lambda x: x[1:], np.array([3.0, 4.0]), [0, 1]),
        (lambda x: x[0, ...], np.array([3.0, 4.0]), [1, 0]),
        (in_a_buffer(sum_of_squares, np.empty(())), np.array([3.0, 4.0]), [6, 8]),
        (in_a_buffer(sum_of_squares, np.empty((1, 1))), np.array([3.0, 4.0]), [6, 8]),
        (lambda x: [float(x[0])], np.array([3.0, 4.0]), [1, 0]),
    ],
)
def test_the_value_of_f_is_taken_before_x_moves_on(method, f, x, expected):
    before = x.copy()
    np.testing.assert_allclose(method(f, x), expected, rtol=1e-6, atol=1e-6)
    assert x.tobytes() == before.tobytes()


def test_small_unsigned_integers_do_not_wrap_around():
    assert numerical_gradient(lambda x: np.uint8(x[0] <= 3), np.array([3.0])) == -5000


def test_a_known_f_x_is_taken_before_x_moves_on():
    x = np.array(0.5)
    np.testing.assert_allclose(numerical_gradient_forward(lambda x: x, x, f_x=x), 1, rtol=1e-6)
    assert numerical_gradient_forward(lambda _: 3.0, x, 0.5, f_x=1) == 4


BAD = {
    "integers": (sum_of_squares, np.array([3, 4]), {}, TypeError, "x must be .* got int64"),
    "booleans": (sum_of_squares, np.array([True]), {}, TypeError, "x must be .* got bool"),
    "complex": (sum_of_squares, np.array([1j]), {}, TypeError, "x must be .* got complex128"),
    "list": (sum_of_squares, [3.0, 4.0], {}, TypeError, "x must be an array .* got list"),
    "scalar": (sum_of_squares, 3.0, {}, TypeError, "x must be .* got float"),
    "read-only": (sum_of_squares, frozen([1.0]), {}, ValueError, "x must be writable.*read-only"),
    "step 0": (sum_of_squares, AWKWARD, {"h": 0}, ValueError, "step h must be .* got 0"),
    "step nan": (sum_of_squares, AWKWARD, {"h": np.nan}, ValueError, "step h must be .* got nan"),
    "several": (lambda x: x, AWKWARD, {}, ValueError, r"single number, got .* shape \(6,\)"),
    "none": (lambda x: x[:0], AWKWARD, {}, ValueError, r"single number, got .* shape \(0,\)"),
    "None": (lambda x: None, AWKWARD, {}, TypeError, "f must return a real number, got NoneType"),
    "complex f": (lambda x: x[0] + 1j, AWKWARD, {}, TypeError, "real number, got complex128"),
    "text": (lambda x: "1", AWKWARD, {}, TypeError, "f must return a real number, got str"),
    "index 6": (sum_of_squares, AWKWARD, {"entries": [0, 6]}, ValueError, "6"),
    "index -1": (sum_of_squares, AWKWARD, {"entries": [0, -1]}, ValueError, "-1"),
    "half an index": (sum_of_squares, AWKWARD, {"entries": [0.5]}, TypeError, "integer"),
}


@BOTH
@pytest.mark.parametrize("bad", BAD)
def test_bad_input_is_refused_and_x_left_as_it_was(method, bad):
    f, x, options, error, message = BAD[bad]
    before = np.array(x)
    with pytest.raises(error, match=message):
        method(f, x, **options)
    assert np.array(x).tobytes() == before.tobytes()


# Interruptions


class Interruption:
    """The sum of x, but the `at`-th call does something first."""

    def __init__(self, action=None, at=0):
        self.action, self.at, self.calls = action, at, 0

    def __call__(self, x=0.0):
        self.calls += 1
        if self.calls == self.at:
            self.action()
        return np.sum(x)


def raise_arithmetic_error():
    raise ArithmeticError


def signal_itself():
    signal.raise_signal(signal.SIGINT)


def signal_from_a_thread():
    thread = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
    thread.start()
    thread.join()
    for _ in range(1000):  # the handler runs between two of the main thread's instructions
        pass


@pytest.fixture
def _python_handles_sigint():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.usefixtures("_python_handles_sigint")
@BOTH
@pytest.mark.parametrize("entries", [None, [5, 0, 4]])
@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize(
    ("action", "error"),
    [
        (raise_arithmetic_error, ArithmeticError),
        (signal_itself, KeyboardInterrupt),
        (signal_from_a_thread, KeyboardInterrupt),
    ],
)
def test_x_is_restored_when_f_is_interrupted(method, at, action, error, entries):
    x, f = AWKWARD.copy(), Interruption(action, at)
    with pytest.raises(error):
        method(f, x, entries=entries)
    assert f.calls == at
    assert x.tobytes() == AWKWARD.tobytes()


@BOTH
def test_x_is_restored_without_an_interruption_and_when_progress_raises(method):
    x = AWKWARD.copy()
    method(np.sum, x)
    assert x.tobytes() == AWKWARD.tobytes()
    with pytest.raises(ArithmeticError):
        method(np.sum, x, progress=Interruption(raise_arithmetic_error, 2))
    assert x.tobytes() == AWKWARD.tobytes()


# Which elements are moved, and how often f is called


@BOTH
@pytest.mark.parametrize(
    ("shape", "entries"),
    [
        ((6,), [4]),
        ((2, 3), (3, 1)),
        ((2, 3), range(1, 6, 2)),
        ((2, 1, 3), np.array([2, 3])),
        ((2, 3), [4, 4, 1, 4]),
        ((2, 3), {5, 0}),
        ((2, 3), []),
        ((0, 3), []),
        ((), [0]),
        ((), []),
        ((2, 3), None),
    ],
)
def test_only_the_chosen_elements_are_known_and_cost_evaluations(method, shape, entries):
    x = np.array(np.random.default_rng(0).normal(size=shape))
    before, everything = x.tobytes(), method(sum_of_squares, x)
    f, progress = Interruption(), Interruption()
    given_entries = entries if entries is None else iter(entries)  # any iterable will do
    gradient = method(
        lambda x: f() + sum_of_squares(x), x, entries=given_entries, progress=progress
    )
    chosen = list(range(x.size) if entries is None else entries)
    expected = np.full(x.size, np.nan)
    expected[chosen] = everything.ravel()[chosen]
    np.testing.assert_array_equal(gradient, expected.reshape(shape))
    assert x.tobytes() == before
    assert progress.calls == len(chosen)
    assert f.calls == (2 * len(chosen) if method is numerical_gradient else len(chosen) + 1)


@BOTH
def test_f_sees_x_with_one_element_moved_in_the_order_that_was_asked_for(method):
    x, seen = np.array([1.0, 2.0]), []
    method(lambda x: seen.append(x.tolist()) or 0.0, x, 0.5)
    central = [[1.5, 2], [0.5, 2], [1, 2.5], [1, 1.5]]
    assert seen == (central if method is numerical_gradient else [[1, 2], [1.5, 2], [1, 2.5]])
    x, moved = np.zeros((2, 2)), []
    method(lambda x: moved.extend(np.flatnonzero(x)) or 0.0, x, 0.5, entries=[3, 0, 3])
    assert moved == [3, 3, 0, 0, 3, 3] if method is numerical_gradient else [3, 0, 3]


def test_f_may_read_the_array_instead_of_its_argument():
    x = np.array([[1.0, -2.0]])
    np.testing.assert_allclose(numerical_gradient(lambda _: np.sum(x**3), x), 3 * x**2, rtol=1e-7)


def test_numerical_gradient_2d_takes_the_gradient_at_each_row():
    X = np.random.default_rng(0).normal(size=(5, 2))
    before = X.tobytes()

    def f(x):
        assert x.shape == (2,)
        return x[0] ** 2 * x[1]

    expected = np.stack([2 * X[:, 0] * X[:, 1], X[:, 0] ** 2], axis=1)
    np.testing.assert_allclose(numerical_gradient_2d(f, X), expected, atol=1e-8)
    np.testing.assert_allclose(numerical_gradient_2d(f, X[0]), expected[0], atol=1e-8)
    np.testing.assert_allclose(numerical_gradient_2d(lambda x: x[1:], X), [[0, 1]] * 5, atol=1e-8)
    assert X.tobytes() == before
    assert numerical_gradient_2d(np.sum, np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match=r"X must have shape \(N, D\) or \(D,\), got \(1, 1, 1\)"):
        numerical_gradient_2d(np.sum, np.zeros((1, 1, 1)))
