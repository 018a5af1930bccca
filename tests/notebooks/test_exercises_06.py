"""The checks of notebook 06: right answers pass, wrong ones are told where they are wrong."""

from types import MappingProxyType

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


def by_hand(f, w):
    (a, _) = f.__defaults__
    return np.exp(a * w) * (a * np.cos(w) - np.sin(w)) + 3 * w**2


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

    def wrong_elements(f, x, gradient):
        slope = derivative or central
        return {
            index
            for index in np.ndindex(x.shape)
            if difference(gradient[index], slope(f, x, index)) > 1e-5
        }

    return wrong_elements


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
    "ratio_of_passes": [
        count,
        lambda D, H, K: np.float64(2 * count(D, H, K) / 2),
        lambda D, H, K: sum(np.zeros(size).size for size in ((D, H), H, (H, K), K)),
    ],
    "relative_difference": [
        relative,
        lambda a, b: np.abs(a - b) / np.clip(np.abs(a) + np.abs(b), 1e-8, None),
        lambda a, b: relative(b, a).tolist(),
    ],
    "derivative": [
        complex_step,
        lambda f, w: np.imag(f(w + 1e-30j)) * 1e30,
        lambda f, w: [f(complex(w, 1e-12)).imag / 1e-12][0],
    ],
    "relu_affine_jvp": [
        tangent,
        lambda *a: list(tangent(*a)),
        lambda x, W, b, dW, db: (
            np.where(x @ W + b > 0, x @ W + b, 0).tolist(),
            np.where(x @ W + b > 0, x @ dW + db, 0),
        ),
    ],
    "guilty": [GUILTY, dict(reversed(GUILTY.items())), MappingProxyType(GUILTY)],
    "wrong_elements": [
        right_entries,
        as_rows,
        entries(derivative=by_complex_step),
        *(entries(derivative=central(h)) for h in (1e-3, 1e-5, 1e-6)),
        lambda f, x, gradient: iter(right_entries(f, x, gradient)),
    ],
}

WRONG = [
    ("ratio_of_passes", lambda *sizes: 2 * count(*sizes), "reverse mode takes 2"),
    ("ratio_of_passes", lambda D, H, K: D * H + H * K, "biases"),
    ("ratio_of_passes", lambda *sizes: count(*sizes) / 2, "two passes per parameter"),
    ("ratio_of_passes", lambda *sizes: count(*sizes) + 1, "at the point itself"),
    ("ratio_of_passes", lambda D, H, K: D + H + K, "count the weights"),
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
    ("relative_difference", lambda a, b: np.abs(a - b), "absolute difference"),
    ("relative_difference", lambda a, b: np.abs(a - b) / np.abs(a), "divide by both"),
    ("derivative", lambda f, w: f(w + 1e-20j).real, "w + 1j * h"),
    ("derivative", by_hand, "never called with a complex number"),
    ("derivative", lambda f, w: (f(w + 1e-4) - f(w - 1e-4)) / 2e-4, "finite difference"),
    ("derivative", lambda f, w: f(w + 1e-20j) / 1e-20, "imaginary part"),
    ("derivative", lambda f, w: f(w + 1e-20j).imag, "w + 1j * h"),
    ("derivative", lambda f, w: f(w + 1e-4j).imag / 1e-4, "finite difference"),
    ("relu_affine_jvp", lambda x, W, b, dW, db: (x @ W + b, x @ dW + db), "y at"),
    (
        "relu_affine_jvp",
        lambda x, W, b, dW, db: (np.maximum(x @ W + b, 0), x @ dW + db),
        "blocks",
    ),
    (
        "relu_affine_jvp",
        lambda x, W, b, dW, db: (np.maximum(x @ W + b, 0), np.maximum(x @ dW + db, 0)),
        "sign of the tangent",
    ),
    ("relu_affine_jvp", lambda *a: tangent(*a)[0], "must be 2 values"),
    ("relu_affine_jvp", lambda x, W, b, dW, db: tangent(x, W, b, dW, 0), "b changes too"),
    ("guilty", GUILTY | {"A": "Affine1"}, "first of them"),
    ("guilty", GUILTY | {"B": "Affine2"}, "factor"),
    ("guilty", GUILTY | {"C": "Affine1"}, "is 0"),
    ("guilty", GUILTY | {"C": ...}, "still missing"),
    ("guilty", GUILTY | {"C": "relu"}, "isn't one of"),
    ("wrong_elements", entries(lambda a, b: abs(a - b)), "|a| + |b|"),
    ("wrong_elements", entries(lambda a, b: abs(a - b) / max(1e-8, abs(a))), "section 2's"),
    ("wrong_elements", entries(without_floor), "1e-8 at least"),
    ("wrong_elements", entries(lambda a, b: relative(a, b) / 100), "isn't in your answer"),
    ("wrong_elements", entries(restore=False), "put it back"),
    *(("wrong_elements", entries(derivative=forward(h)), "how accurate") for h in (1e-4, 1e-8)),
    ("wrong_elements", entries(derivative=central(1e-12)), "the element at"),
    ("wrong_elements", only_first, "stop at the first"),
    ("wrong_elements", flattened, "isn't an index of x"),
    ("wrong_elements", mask, "np.argwhere"),
    ("wrong_elements", lambda f, x, gradient: set(), "central difference"),
    ("wrong_elements", lambda f, x, gradient: set(np.ndindex(x.shape)), "is right"),
    ("wrong_elements", lambda f, x, gradient: len(right_entries(f, x, gradient)), "set of indices"),
]


@pytest.mark.parametrize(("name", "answer"), [(n, answer) for n in RIGHT for answer in RIGHT[n]])
def test_right_answers_pass(name, answer):
    for _ in range(3):
        verdict = getattr(check, name)(answer)
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
