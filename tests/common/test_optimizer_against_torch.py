"""The steps of all optimizers, compared with those of torch.optim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from tests.helpers import FLOATS, assert_close, few, seeds

torch = pytest.importorskip("torch")


def paths(ours, theirs, factors, seed=0, scale=1.0, dtype=np.float64):
    """The parameters after each step, ours and theirs; the learning rate is multiplied."""
    rng, lr = np.random.default_rng(seed), ours.lr
    params = {"W": rng.normal(size=(2, 3)).astype(dtype), "b": np.array(1.0, dtype)}
    tensors = {key: torch.tensor(p) for key, p in params.items()}
    optimizer = theirs(list(tensors.values()))
    found, expected = [], []
    for factor in factors:
        ours.lr = optimizer.param_groups[0]["lr"] = factor * lr
        grads = {k: (scale * rng.normal(size=p.shape)).astype(dtype) for k, p in params.items()}
        ours.update(params, grads)
        for key, g in grads.items():
            tensors[key].grad = torch.tensor(g)
        optimizer.step()
        found.append(np.append(params["W"], params["b"]))
        expected.append(np.append(tensors["W"].numpy(), tensors["b"].numpy()))
    assert {p.dtype for p in params.values()} == {np.dtype(dtype)}
    return np.array(found), np.array(expected)


CONSTANT, CHANGING = [1.0] * 15, [1.0] * 5 + [0.5] * 5 + [2.0] * 5
# Where the two agree: the book's velocity keeps the learning rate of before, and its Adam adds
# epsilon to another root.
PAIRS = {
    "SGD": (
        lambda lr, a, b, eps: SGD(lr),
        lambda p, lr, a, b, eps: torch.optim.SGD(p, lr=lr),
        CHANGING,
    ),
    "Momentum": (
        lambda lr, a, b, eps: Momentum(lr, a),
        lambda p, lr, a, b, eps: torch.optim.SGD(p, lr=lr, momentum=a),
        CONSTANT,
    ),
    "Nesterov": (
        lambda lr, a, b, eps: Nesterov(lr, a),
        lambda p, lr, a, b, eps: torch.optim.SGD(p, lr=lr, momentum=a, nesterov=True),
        CONSTANT,
    ),
    "AdaGrad": (
        lambda lr, a, b, eps: AdaGrad(lr, epsilon=eps),
        lambda p, lr, a, b, eps: torch.optim.Adagrad(p, lr=lr, eps=eps),
        CHANGING,
    ),
    "RMSprop": (
        lambda lr, a, b, eps: RMSprop(lr, a, epsilon=eps),
        lambda p, lr, a, b, eps: torch.optim.RMSprop(p, lr=lr, alpha=a, eps=eps),
        CHANGING,
    ),
    "Adam": (
        lambda lr, a, b, eps: Adam(lr, a, b, epsilon=0),
        lambda p, lr, a, b, eps: torch.optim.Adam(p, lr=lr, betas=(a, b), eps=0),
        CHANGING,
    ),
    "AdamW": (
        lambda lr, a, b, eps: AdamW(lr, a, b, 0.4, epsilon=eps),
        lambda p, lr, a, b, eps: torch.optim.AdamW(
            p, lr=lr, betas=(a, b), eps=eps, weight_decay=0.4
        ),
        CHANGING,
    ),
}


@FLOATS
@pytest.mark.parametrize("name", PAIRS)
@given(
    options=st.tuples(
        st.floats(1e-4, 1), st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(1e-6, 1)
    ),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=seeds,
)
@settings(few, max_examples=25)
def test_each_takes_the_steps_of_torch(name, dtype, options, scale, seed):
    ours, theirs, factors = PAIRS[name]
    found, expected = paths(
        ours(*options), lambda p: theirs(p, *options), factors, seed, scale, dtype
    )
    assert_close(found, expected, 1e-11 if dtype == np.float64 else 1e-4, scale=1)


def test_the_defaults_of_adamw_are_those_of_torch():
    assert_close(*paths(AdamW(), torch.optim.AdamW, CHANGING))


@pytest.mark.parametrize(("optimizer", "nesterov"), [(Momentum, False), (Nesterov, True)])
def test_the_books_velocity_differs_once_the_learning_rate_has_changed(optimizer, nesterov):
    found, expected = paths(
        optimizer(0.2),
        lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.9, nesterov=nesterov),
        CHANGING,
    )
    assert_close(found[:5], expected[:5])
    assert np.abs(found[5] - expected[5]).max() > 1e-3


def test_a_large_epsilon_shows_that_adam_has_two_forms():
    found, expected = paths(
        Adam(0.1, epsilon=1e-3), lambda p: torch.optim.Adam(p, lr=0.1, eps=1e-3), CONSTANT
    )
    assert 1e-4 < np.abs(found - expected).max() < 0.1
