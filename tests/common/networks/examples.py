"""One small network of each kind, a mini-batch for it, and all that a call could change."""

import numpy as np

from ch04_numerical_gradient.two_layer_net import TwoLayerNet as Chapter4
from ch05_backprop.symbolic_two_layer_net import TwoLayerNet as Symbolic
from ch05_backprop.two_layer_net import TwoLayerNet as Chapter5
from common.layers import Relu, Sigmoid
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.networks import DeepConvNet, LayerNetwork, SimpleConvNet
from common.support.random_state import random_state
from tests.helpers import as_bytes, frozen

CONV = {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}
SIX_SMALL = tuple(CONV | {"pad": pad} for pad in (1, 1, 1, 2, 1, 1))
CLASSES = 3


class ReadersNet(LayerNetwork):
    """What a reader may put together: batch normalization of images and of rows, and dropout."""

    def __init__(self, **options):
        super().__init__((2, 6, 6), **options)
        self.add_convolution(3, 3, pad=1)
        self.add_batch_normalization()
        self.add(Sigmoid())
        self.add_pooling(2, stride=2)
        self.add_affine(4)
        self.add_batch_normalization()
        self.add(Relu())
        self.add_dropout(0.3)
        self.add_affine(CLASSES)


def everything(**options):
    """MultiLayerNetExtend with all that it has."""
    return MultiLayerNetExtend(
        6,
        [5, 4],
        CLASSES,
        weight_decay_lambda=0.1,
        use_dropout=True,
        dropout_ration=0.3,
        use_batchnorm=True,
        **options,
    )


NETWORKS = {
    "chapter 4": lambda **o: Chapter4(6, 5, CLASSES, 0.5, **o),
    "chapter 5": lambda **o: Chapter5(6, 5, CLASSES, 0.5, **o),
    "symbolic": lambda **o: Symbolic(6, 5, CLASSES, 0.5, **o),
    "softmax regression": lambda **o: MultiLayerNet(6, [], CLASSES, **o),
    "weight decay": lambda **o: MultiLayerNet(6, [5, 4], CLASSES, "sigmoid", "xavier", 0.1, **o),
    "dropout": lambda **o: MultiLayerNetExtend(6, [5, 4], CLASSES, use_dropout=True, **o),
    "batch norm": lambda **o: MultiLayerNetExtend(
        6, [5, 4], CLASSES, "sigmoid", use_batchnorm=True, **o
    ),
    "everything": everything,
    "SimpleConvNet": lambda **o: SimpleConvNet((1, 10, 10), CONV, 4, CLASSES, "he", **o),
    "DeepConvNet": lambda **o: DeepConvNet((1, 4, 4), SIX_SMALL, 5, CLASSES, 0.3, **o),
    "reader's": ReadersNet,
}
RANDOM = ("dropout", "everything", "DeepConvNet", "reader's")
NORMALIZED = ("batch norm", "everything", "reader's")
OF_CHAPTERS = ("chapter 4", "chapter 5", "symbolic")


def build(kind, seed=0, dtype=np.float64, *, with_rng=True):
    """A network with parameters that are all a little off their initial values, and off 0."""
    rng = np.random.default_rng(seed)
    np.random.seed(seed)
    network = NETWORKS[kind](rng=rng if with_rng else None, dtype=dtype)
    for param in network.params.values():
        param += 0.2 * np.random.default_rng(seed).normal(size=param.shape)
    return network


def batch(network, n=5, seed=1):
    rng = np.random.default_rng(seed)
    shape = getattr(network, "input_shape", (network.input_size,))
    return frozen(rng.normal(size=(n, *shape))), frozen(rng.integers(0, CLASSES, n))


def state_of(network):
    """All that a call could change, bit for bit: arrays, and both kinds of random numbers."""
    rng = getattr(network, "rng", None)
    return as_bytes(network.state()), repr(random_state(rng)), repr(random_state(None))
