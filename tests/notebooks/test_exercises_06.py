"""The checks of notebook 06: right answers pass, wrong ones are told where they are wrong."""

import numpy as np
import pytest

from ch05_backprop.two_layer_net import TwoLayerNet
from common.exercises import notebook_06 as check
from common.gradient import numerical_gradient
from common.gradient_methods import gradient_check


def count(D, H, K):
    return (D + 1) * H + (H + 1) * K


def complex_step(f, w):
    return f(w + 1e-20j).imag / 1e-20


def tangent(x, W, b, dW, db):
    before = x @ W + b
    return np.maximum(before, 0), (x @ dW + db) * (before > 0)


def relative(a, b):
    return np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))


def entries(difference=relative, *, derivative=None, restore=True):
    """Return a gradient check that compares central differences by `difference`."""

    def central(f, x, index, h=1e-4):
        kept = x[index]
        x[index] += h
        above = f(x)
        x[index] -= 2 * h
        below = f(x)
        x[index] += h
        if restore:
            x[index] = kept
        return (above - below) / (2 * h)

    def wrong_entries(f, x, gradient):
        slope = derivative or central
        return {
            index
            for index in np.ndindex(x.shape)
            if difference(gradient[index], slope(f, x, index)) > 1e-5
        }

    return wrong_entries


right_entries = entries()


def moved(x, index, h):
    x = x.astype(complex if isinstance(h, complex) else float)  # a copy
    x[index] += h
    return x


def forward(h):
    return lambda f, x, index: (f(moved(x, index, h)) - f(x)) / h


def central(h):
    return lambda f, x, index: (f(moved(x, index, h)) - f(moved(x, index, -h))) / (2 * h)


def by_complex_step(f, x, index):
    return f(moved(x, index, 1e-20j)).imag / 1e-20


def as_rows(f, x, gradient):
    """By the library, all entries at once, with what np.argwhere makes of it."""
    return np.argwhere(relative(numerical_gradient(f, x), gradient) > 1e-5)


def only_first(f, x, gradient):
    return sorted(right_entries(f, x, gradient))[:1]


def flattened(f, x, gradient):
    return [np.ravel_multi_index(i, x.shape) for i in right_entries(f, x, gradient)]


def mask(f, x, gradient):
    return relative(numerical_gradient(f, x), gradient) > 1e-5


def without_floor(a, b):
    with np.errstate(all="ignore"):
        return np.abs(a - b) / (np.abs(a) + np.abs(b))


GUILTY = {"A": "Affine2", "B": "last_layer", "C": "Relu1"}

RIGHT = {
    "ratio_of_passes": count,
    "relative_difference": lambda a, b: np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b)),
    "derivative": complex_step,
    "relu_affine_with_tangent": tangent,
    "guilty": GUILTY,
    "wrong_entries": right_entries,
}

WRONG = [
    ("ratio_of_passes", lambda *sizes: 2 * count(*sizes), "reverse mode takes 2"),
    ("ratio_of_passes", lambda D, H, K: D * H + H * K, "biases"),
    ("relative_difference", lambda a, b: np.abs(a - b) / (np.abs(a) + np.abs(b)), "near 0"),
    (
        "relative_difference",
        lambda a, b: (a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b)),
        "relative difference",
    ),
    (
        "relative_difference",
        lambda a, b: np.max(np.abs(a - b)) / np.max(np.abs(a) + np.abs(b)),
        "np.maximum",
    ),
    ("derivative", lambda f, w: (f(w + 1e-4) - f(w - 1e-4)) / 2e-4, "nearly"),
    ("derivative", lambda f, w: f(w + 1e-20j) / 1e-20, "imaginary part"),
    ("derivative", lambda f, w: f(w + 1e-20j).imag, "w + 1j * h"),
    ("derivative", lambda f, w: f(w + 1e-4j).imag / 1e-4, "nearly"),
    ("relu_affine_with_tangent", lambda x, W, b, dW, db: (x @ W + b, x @ dW + db), "y at"),
    (
        "relu_affine_with_tangent",
        lambda x, W, b, dW, db: (np.maximum(x @ W + b, 0), x @ dW + db),
        "stops",
    ),
    (
        "relu_affine_with_tangent",
        lambda x, W, b, dW, db: (np.maximum(x @ W + b, 0), np.maximum(x @ dW + db, 0)),
        "sign of the tangent",
    ),
    ("relu_affine_with_tangent", lambda *a: tangent(*a)[0], "must be 2 values"),
    ("guilty", GUILTY | {"A": "Affine1"}, "first of them"),
    ("guilty", GUILTY | {"B": "Affine2"}, "factor"),
    ("guilty", GUILTY | {"C": "Affine1"}, "is 0"),
    ("guilty", GUILTY | {"C": ...}, "still missing"),
    ("guilty", GUILTY | {"C": "relu"}, "none of"),
    ("wrong_entries", entries(lambda a, b: abs(a - b)), "|a| + |b|"),
    ("wrong_entries", entries(lambda a, b: abs(a - b) / max(1e-8, abs(a))), "part 2's"),
    ("wrong_entries", entries(without_floor), "1e-8 at least"),
    ("wrong_entries", entries(lambda a, b: relative(a, b) / 100), "isn't in your answer"),
    ("wrong_entries", entries(restore=False), "put it back"),
    ("wrong_entries", entries(derivative=forward(1e-4)), "how accurate"),
    ("wrong_entries", entries(derivative=central(1e-12)), "the entry at"),
    ("wrong_entries", only_first, "stop at the first"),
    ("wrong_entries", flattened, "no index of x"),
    ("wrong_entries", mask, "np.argwhere"),
    ("wrong_entries", lambda f, x, gradient: set(), "central difference"),
    ("wrong_entries", lambda f, x, gradient: set(np.ndindex(x.shape)), "is right"),
    ("wrong_entries", lambda f, x, gradient: len(right_entries(f, x, gradient)), "set of indices"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_pass(name):
    for _ in range(3):
        verdict = getattr(check, name)(RIGHT[name])
        assert verdict, verdict


@pytest.mark.parametrize(
    "answer",
    [
        as_rows,
        entries(derivative=by_complex_step),
        entries(derivative=central(1e-3)),
        entries(derivative=central(1e-5)),
        entries(derivative=central(1e-6)),
        lambda f, x, gradient: iter(right_entries(f, x, gradient)),
    ],
)
def test_other_gradient_checks_are_right_too(answer):
    verdict = check.wrong_entries(answer)
    assert verdict, verdict


@pytest.mark.parametrize(("name", "answer", "help_"), WRONG)
def test_wrong_answers_get_help(name, answer, help_):
    verdict = getattr(check, name)(answer)
    assert not verdict
    assert help_ in verdict.message


@pytest.mark.parametrize(
    ("suspect", "wrong"),
    [("A", {"b2"}), ("B", {"W1", "b1", "W2", "b2"}), ("C", {"W1", "b1"})],
)
def test_suspects_show_in_the_gradient_check(suspect, wrong):
    rng = np.random.default_rng(0)
    network = TwoLayerNet(12, 20, 4, weight_init_std=0.5, rng=rng)
    check.spoil(network, suspect)
    report = gradient_check(network, rng.random((5, 12)), rng.integers(0, 4, 5))
    assert {p.name for p in report.parameters if p.largest >= report.tolerance} == wrong


def test_there_are_three_suspects():
    with pytest.raises(ValueError, match="A, B or C"):
        check.spoil(TwoLayerNet(4, 3, 2), "D")
