"""Three hundred digits: few enough to be memorized (overfitted) within seconds."""

from collections.abc import Mapping

import numpy as np

from common.multi_layer_net_extend import MultiLayerNetExtend
from common.trainer import Trainer
from dataset.mnist import load_mnist

TRAINING_DIGITS = 300


def few_digits_trainer(
    hidden_layers: int, network: Mapping, training: Mapping, seed: int
) -> Trainer:
    """Return a trainer of a fully connected network on 300 digits, and 1,000 to test it on.

    Parameters
    ----------
    hidden_layers : int
        Hidden layers, of 100 units each.
    network, training : mapping
        Further options of `MultiLayerNetExtend` and of `Trainer`.
    seed : int
        Start of all random numbers.
    """
    (x_train, t_train), test = load_mnist(source="sample")
    rng = np.random.default_rng(seed)
    return Trainer(
        MultiLayerNetExtend(784, [100] * hidden_layers, 10, **network, rng=rng, dtype=np.float32),
        x_train[:TRAINING_DIGITS],
        t_train[:TRAINING_DIGITS],
        *test,
        **training,
        verbose=False,
        shuffle=True,
        rng=rng,
    )
