from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.layers import (
    Affine,
    BatchNormalization,
    Convolution,
    Dropout,
    Pooling,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
)

few = settings(max_examples=60, deadline=None, database=None)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
TRAIN = pytest.mark.parametrize("train_flg", [True, False], ids=["train", "eval"])


def check_gradients(ref, new, x, dout, *arguments, scale=0.0, **parameters):
    """Compare what new(**parameters).backward(dout) gives with what forward does."""

    def objective(x, **parameters):
        return np.sum(dout * new(**parameters).forward(x, *arguments))

    layer = new(**parameters)
    assert np.shape(layer.forward(x, *arguments)) == np.shape(dout)
    dx = layer.backward(dout)
    expected = ref.central_differences(lambda x: objective(x, **parameters), x)
    ref.assert_close(dx, expected, 1e-6, scale)
    for name, value in parameters.items():
        expected = ref.central_differences(
            lambda value, name=name: objective(x, **parameters | {name: value}), value
        )
        ref.assert_close(getattr(layer, f"d{name}"), expected, 1e-6)


@given(data=st.data())
@few
def test_affine(ref, data):
    p = data.draw(ref.affines())
    check_gradients(ref, Affine, p.x, p.dout, W=p.W, b=p.b)


@pytest.mark.parametrize("layer", [Relu, Sigmoid])
@given(data=st.data(), shape=shapes)
@few
def test_activations(ref, layer, data, shape):
    rng = np.random.default_rng(data.draw(ref.seeds))
    check_gradients(ref, layer, ref.distinct(rng, shape), ref.normal(rng, shape))


@pytest.mark.parametrize("one_hot", [False, True], ids=["labels", "one_hot"])
@given(data=st.data(), dout=st.sampled_from([1.0, -0.5, 3.0]))
@few
def test_softmax_with_loss(ref, one_hot, data, dout):
    p = data.draw(ref.classifications())
    t = np.eye(p.x.shape[1])[p.t] if one_hot else p.t
    # ∂L/∂x = (y − t) / N is a difference of numbers near 1, and 0 if there is but one class.
    check_gradients(ref, SoftmaxWithLoss, p.x, dout, ref.frozen(t), scale=1 / len(t))


@given(data=st.data())
@few
def test_convolution(ref, data):
    p = data.draw(ref.convolutions())
    new = partial(Convolution, stride=p.stride, pad=p.pad)
    check_gradients(ref, new, p.x, p.dout, W=p.W, b=p.b)


@given(data=st.data())
@few
def test_pooling(ref, data):
    p = data.draw(ref.poolings())
    check_gradients(ref, lambda: Pooling(*p.arguments), p.x, p.dout)


@TRAIN
@given(data=st.data())
@few
def test_batch_normalization(ref, train_flg, data):
    p = data.draw(ref.batch_normalizations())
    new = partial(
        BatchNormalization,
        momentum=p.momentum,
        running_mean=p.running_mean,
        running_var=p.running_var,
    )
    # With two numbers a feature ∂L/∂X all but vanishes: a difference of terms of γ ∂L/∂Y / σ.
    variance = p.x.swapaxes(0, 1).reshape(len(p.gamma), -1).var(axis=1) + 1e-6
    scale = np.abs(p.gamma / np.sqrt(variance)).max() if train_flg else 0
    check_gradients(ref, new, p.x, p.dout, train_flg, gamma=p.gamma, beta=p.beta, scale=scale)


@TRAIN
@pytest.mark.parametrize("inverted", [False, True], ids=["book", "inverted"])
@given(data=st.data(), shape=shapes, ratio=st.sampled_from([0, 0.1, 0.5, 0.9]))
@few
def test_dropout(ref, inverted, train_flg, data, shape, ratio):
    seed = data.draw(ref.seeds)
    rng = np.random.default_rng(seed)

    def new():
        return Dropout(ratio, inverted=inverted, rng=np.random.default_rng(seed))

    check_gradients(ref, new, ref.distinct(rng, shape), ref.normal(rng, shape), train_flg)
