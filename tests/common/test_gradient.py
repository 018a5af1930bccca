import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.gradient import (
    best_step,
    central_difference,
    forward_difference,
    numerical_gradient,
    numerical_gradient_2d,
    numerical_gradient_forward,
)

BOTH = pytest.mark.parametrize("method", [numerical_gradient, numerical_gradient_forward])
few = settings(max_examples=50, deadline=None, database=None)


def sum_of_squares(x):
    return np.sum(x**2)


@pytest.mark.parametrize(
    ("point", "expected"), [([3, 4], [6, 8]), ([0, 2], [0, 4]), ([3, 0], [6, 0])]
)
def test_the_books_example(point, expected):
    point = np.array(point, dtype=float)
    np.testing.assert_allclose(numerical_gradient(sum_of_squares, point), expected, atol=1e-9)
    np.testing.assert_allclose(
        numerical_gradient_forward(sum_of_squares, point), expected, atol=1e-6
    )


@BOTH
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (0, 3), (3, 0)])
def test_any_shape(method, shape):
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=shape), rng.normal(size=shape)
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


@pytest.mark.parametrize(
    ("method", "order", "tolerance"),
    [(numerical_gradient, 2, 2e-4), (numerical_gradient_forward, 1, 5e-3)],
)
def test_float32_with_the_best_step(method, order, tolerance):
    x = np.linspace(-1, 1, 7, dtype=np.float32)
    gradient = method(lambda x: np.sum(np.sin(x)), x, best_step(order, np.float32))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, np.cos(x), rtol=tolerance)


def test_central_and_forward_gradients_use_exactly_their_formulas():
    x, h = np.array([0.5, -2.0]), 0.25  # numbers that float64 adds without rounding

    def f(x):
        return x[0] ** 3 + 5 * x[1] ** 3

    cubes = (
        np.array([1, 5])
        * np.array([[(v + h) ** 3 - (v - h) ** 3, (v + h) ** 3 - v**3] for v in x]).T
    )
    np.testing.assert_allclose(numerical_gradient(f, x, h), cubes[0] / (2 * h), rtol=1e-14)
    np.testing.assert_allclose(numerical_gradient_forward(f, x, h), cubes[1] / h, rtol=1e-14)


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


def test_differences_work_entry_by_entry_on_arrays():
    x = np.linspace(0, 2, 5)
    np.testing.assert_allclose(central_difference(np.exp, x), np.exp(x), rtol=1e-8)
    np.testing.assert_allclose(forward_difference(np.exp, x), np.exp(x), rtol=1e-7)


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


@pytest.mark.parametrize(
    ("difference", "order"), [(forward_difference, 1), (central_difference, 2)]
)
def test_the_best_step_is_far_better_than_steps_a_thousand_times_off(difference, order):
    points = np.linspace(0.5, 1.5, 50)

    def error(h):
        return np.mean(np.abs(difference(np.exp, points, h) - np.exp(points)))

    best = best_step(order)
    assert error(best) < 0.05 * min(error(1000 * best), error(best / 1000))


@BOTH
@pytest.mark.parametrize("x", [np.array([3, 4]), np.array([True]), np.array([1j]), [3.0, 4.0], 3.0])
def test_what_is_no_array_of_floats_is_refused(method, x):
    came = x.dtype.name if isinstance(x, np.ndarray) else type(x).__name__
    with pytest.raises(TypeError, match=f"x must be .*floating-point numbers, got {came}"):
        method(sum_of_squares, x)


@BOTH
def test_a_read_only_array_is_refused(method):
    x = np.ones(2)
    x.setflags(write=False)
    with pytest.raises(ValueError, match=r"x must be writable.*read-only"):
        method(sum_of_squares, x)


# -0.0, subnormals, and numbers that don't come back from (v + h) − h
AWKWARD = np.array([-0.0, 5e-324, -1e-310, 0.1, 1e16, 1 / 3])


class Interruption:
    """Σx², but the `at`-th call does something first."""

    def __init__(self, action, at):
        self.action, self.at, self.calls = action, at, 0

    def __call__(self, x):
        self.calls += 1
        if self.calls == self.at:
            self.action()
        return np.sum(x)


def raise_arithmetic_error():
    raise ArithmeticError


def raise_keyboard_interrupt():
    raise KeyboardInterrupt


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


@BOTH
def test_x_is_left_bit_for_bit_as_it_was(method):
    x = AWKWARD.copy()
    method(np.sum, x)
    assert x.tobytes() == AWKWARD.tobytes()


@BOTH
@pytest.mark.parametrize("at", [1, 2, 4, 5])
@pytest.mark.parametrize(
    ("action", "error"),
    [(raise_arithmetic_error, ArithmeticError), (raise_keyboard_interrupt, KeyboardInterrupt)],
)
def test_x_is_restored_when_f_raises(method, at, action, error):
    x = AWKWARD.copy()
    with pytest.raises(error):
        method(Interruption(action, at), x)
    assert x.tobytes() == AWKWARD.tobytes()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.usefixtures("_python_handles_sigint")
@BOTH
@pytest.mark.parametrize("action", [signal_itself, signal_from_a_thread])
def test_x_is_restored_when_ctrl_c_strikes(method, action):
    x = AWKWARD.copy()
    f = Interruption(action, at=4)
    with pytest.raises(KeyboardInterrupt):
        method(f, x)
    assert f.calls == 4
    assert x.tobytes() == AWKWARD.tobytes()


@BOTH
def test_x_is_restored_when_progress_raises(method):
    x = AWKWARD.copy()
    with pytest.raises(ArithmeticError):
        method(np.sum, x, progress=raise_arithmetic_error)
    assert x.tobytes() == AWKWARD.tobytes()


@pytest.mark.parametrize(
    ("method", "evaluations"), [(numerical_gradient, 12), (numerical_gradient_forward, 7)]
)
def test_number_of_evaluations_and_of_progress_calls(method, evaluations):
    f, progress = Interruption(lambda: None, at=0), []
    method(f, np.zeros((2, 3)), progress=lambda: progress.append(f.calls))
    assert f.calls == evaluations
    assert len(progress) == 6


@BOTH
@pytest.mark.parametrize(
    ("shape", "entries"),
    [
        ((6,), [4]),
        ((2, 3), [0, 5]),
        ((2, 3), (3, 1)),
        ((2, 3), range(1, 6, 2)),
        ((2, 1, 3), np.array([2, 3])),
        ((2, 3), [4, 4, 1, 4]),
        ((2, 3), range(6)),
        ((2, 3), []),
        ((0, 3), []),
    ],
)
def test_only_the_entries_that_are_asked_about_are_known(method, shape, entries):
    x = np.random.default_rng(0).normal(size=shape)
    before = x.tobytes()
    everything = method(sum_of_squares, x)
    gradient = method(sum_of_squares, x, entries=entries)
    expected = np.full(x.size, np.nan)
    expected[list(entries)] = everything.ravel()[list(entries)]
    np.testing.assert_array_equal(gradient, expected.reshape(shape))
    assert x.tobytes() == before


@BOTH
def test_entries_are_counted_in_the_order_of_rows_also_in_a_transposed_array(method):
    x = np.arange(6.0).reshape(2, 3).T
    gradient = method(sum_of_squares, x, entries=[1])
    np.testing.assert_allclose(gradient[0, 1], 2 * x[0, 1], atol=1e-6)
    assert np.isnan(gradient).sum() == 5


@BOTH
def test_entries_are_moved_in_the_order_that_they_are_asked_about(method):
    x, moved = np.zeros((2, 2)), []
    method(lambda x: moved.extend(np.flatnonzero(x)) or 0.0, x, 0.5, entries=[3, 0, 3])
    times = 2 if method is numerical_gradient else 1
    assert moved == [index for index in (3, 0, 3) for _ in range(times)]


@pytest.mark.parametrize(
    ("method", "evaluations"), [(numerical_gradient, 6), (numerical_gradient_forward, 4)]
)
def test_entries_are_paid_for_each(method, evaluations):
    f, progress = Interruption(lambda: None, at=0), []
    method(f, np.zeros((2, 3)), entries=[5, 1, 2], progress=lambda: progress.append(f.calls))
    assert f.calls == evaluations
    assert len(progress) == 3


@BOTH
@pytest.mark.parametrize("index", [6, 100, -1])
def test_an_entry_that_there_is_not_is_refused_before_anything_is_moved(method, index):
    x = AWKWARD.copy()
    with pytest.raises(ValueError, match=f"{index}"):
        method(lambda _: pytest.fail("f was called"), x, entries=[0, index])
    assert x.tobytes() == AWKWARD.tobytes()


@BOTH
@pytest.mark.parametrize("at", [1, 2, 3])
def test_x_is_restored_when_f_raises_at_some_entries(method, at):
    x = AWKWARD.copy()
    with pytest.raises(KeyboardInterrupt):
        method(Interruption(raise_keyboard_interrupt, at), x, entries=[5, 0])
    assert x.tobytes() == AWKWARD.tobytes()


@BOTH
@pytest.mark.parametrize("kind", [set, dict.fromkeys, iter])
def test_entries_may_be_any_iterable(method, kind):
    gradient = method(sum_of_squares, np.ones(3), entries=kind([1]))
    np.testing.assert_allclose(gradient, [np.nan, 2, np.nan], atol=1e-6)


@BOTH
@pytest.mark.parametrize("entries", [[], [0]])
def test_the_only_entry_of_a_number_may_be_asked_about(method, entries):
    gradient = method(sum_of_squares, np.array(3.0), entries=entries)
    np.testing.assert_allclose(gradient, 6 if entries else np.nan, atol=1e-6)


@BOTH
def test_f_sees_x_with_one_entry_moved(method):
    x, h, seen = np.array([1.0, 2.0]), 0.5, []
    method(lambda x: seen.append(x.tolist()) or 0.0, x, h)
    central = [[1.5, 2], [0.5, 2], [1, 2.5], [1, 1.5]]
    assert seen == (central if method is numerical_gradient else [[1, 2], [1.5, 2], [1, 2.5]])


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
    assert X.tobytes() == before


def test_numerical_gradient_2d_of_no_rows_has_the_shape_of_its_argument():
    assert numerical_gradient_2d(np.sum, np.zeros((0, 3))).shape == (0, 3)
