import re

import numpy as np
import pytest

from ch04_numerical_gradient.simple_net import SimpleNet, main
from common.functions import softmax
from common.gradient import numerical_gradient

X, T = np.array([0.6, 0.9]), np.array([0, 0, 1])


@pytest.fixture(autouse=True)
def _restore_print_options():
    with np.printoptions():
        yield


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_x_times_softmax_minus_t(seed):
    net = SimpleNet(np.random.default_rng(seed))
    before = net.W.copy()
    gradient = numerical_gradient(lambda W: net.loss(X, T), net.W)
    np.testing.assert_allclose(gradient, np.outer(X, softmax(X @ net.W) - T), atol=1e-8)
    np.testing.assert_array_equal(net.W, before)


def test_the_books_weights_give_the_books_numbers():
    net = SimpleNet()
    net.W = np.array([[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]])
    np.testing.assert_allclose(net.predict(X), [1.05414809, 0.63071653, 1.1328074], atol=1e-8)
    assert net.loss(X, T) == pytest.approx(0.92806853663411326, abs=1e-6)
    gradient = numerical_gradient(lambda W: net.loss(X, T), net.W)
    expected = [[0.21924763, 0.14356247, -0.36281009], [0.32887144, 0.2153437, -0.54421514]]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_a_batch_has_the_mean_loss():
    net = SimpleNet(np.random.default_rng(0))
    x, t = np.array([X, -X]), np.array([2, 0])
    assert net.predict(x).shape == (2, 3)
    expected = (net.loss(X, T) + net.loss(-X, np.array([1, 0, 0]))) / 2
    assert net.loss(x, t) == pytest.approx(expected)


def test_without_a_generator_numpys_global_seed_counts():
    np.random.seed(3)
    first = SimpleNet().W
    np.random.seed(3)
    np.testing.assert_array_equal(SimpleNet().W, first)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_script_takes_a_step_that_makes_the_loss_smaller(seed, capsys):
    main(["--seed", str(seed)])
    out = capsys.readouterr().out
    before = float(re.search(r"^loss: +(\S+)$", out, re.MULTILINE)[1])
    after = float(re.search(r"loss after a step of learning rate 0\.1: (\S+)$", out)[1])
    net = SimpleNet(np.random.default_rng(seed))
    assert before == pytest.approx(net.loss(X, T), abs=1e-6)
    net.W -= 0.1 * np.outer(X, softmax(X @ net.W) - T)
    assert after == pytest.approx(net.loss(X, T), abs=1e-6)
    assert after < before
    assert "right class 2" in out


def test_the_script_leaves_numpys_print_options_as_they_were(capsys):
    before = np.get_printoptions()
    main([])
    assert np.get_printoptions() == before
