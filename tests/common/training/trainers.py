"""Small trainers with all that has a state, for the tests of what becomes of it."""

import numpy as np

from common.multi_layer_net_extend import MultiLayerNetExtend
from common.support.random_state import random_state
from common.trainer import Trainer
from common.training.schedules import cosine
from tests.helpers import as_bytes, frozen

CLASSES = 3
BATCH, STEPS = 8, 4  # an epoch: three times 8 examples, and 2


def classification(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    return frozen(x), frozen((x[:, :CLASSES] + 0.5 * rng.normal(size=(n, CLASSES))).argmax(axis=1))


TRAIN, TEST = classification(26, 0), classification(11, 1)


def build(optimizer, source="shared", seed=0, network=None, train=TRAIN, **options):
    """Return a trainer with all that has a state: batch norm, dropout, shuffle, a schedule.

    `source` tells who has a generator of its own, and who takes NumPy's global numbers.
    """
    np.random.seed(seed)
    rng = np.random.default_rng(seed)
    trainer_rng = {
        "shared": rng,
        "separate": np.random.Generator(np.random.SFC64(seed)),
        "trainer": rng,
    }.get(source)
    network = network or MultiLayerNetExtend(
        4,
        [5, 3],
        CLASSES,
        weight_decay_lambda=0.01,
        use_dropout=True,
        dropout_ration=0.2,
        use_batchnorm=True,
        rng=rng if source in ("shared", "separate", "network") else None,
    )
    options = {"epochs": 3, "shuffle": True, "schedule": cosine(0.2), "keep_best": True} | options
    options = {"mini_batch_size": BATCH, "verbose": False} | options
    return Trainer(network, *train, *TEST, optimizer=optimizer, rng=trainer_rng, **options)


def everything(trainer):
    """All that a run comes to, but for the seconds that it took."""
    network, optimizer = trainer.network, trainer.optimizer
    return {
        "network": as_bytes(network.state() if hasattr(network, "state") else network.params),
        "optimizer": as_bytes(optimizer.state()) if hasattr(optimizer, "state") else {},
        "iteration": trainer.iteration,
        "losses": list(trainer.train_loss_list),
        "history": [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history],
        "best": (trainer.best_epoch, as_bytes(trainer.best_params)),
        "random": repr(random_state(trainer.training.rng)),
        "network's random": repr(random_state(getattr(network, "rng", trainer.training.rng))),
    }


class ReadersNet:
    """Only params, loss, gradient and accuracy, and nothing inherited."""

    def __init__(self, hidden=5, seed=0):
        rng = np.random.default_rng(seed)
        self.params = {
            "W1": 0.5 * rng.normal(size=(4, hidden)),
            "b1": np.zeros(hidden),
            "W2": 0.5 * rng.normal(size=(hidden, CLASSES)),
            "b2": np.zeros(CLASSES),
        }

    def predict(self, x):
        self.hidden = np.tanh(x @ self.params["W1"] + self.params["b1"])
        return self.hidden @ self.params["W2"] + self.params["b2"]

    def loss(self, x, t):
        y = self.predict(x)
        return np.mean(np.log(np.exp(y).sum(axis=1)) - y[np.arange(len(t)), t])

    def gradient(self, x, t):
        y = np.exp(self.predict(x))
        d2 = (y / y.sum(axis=1, keepdims=True) - np.eye(CLASSES)[t]) / len(t)
        d1 = d2 @ self.params["W2"].T * (1 - self.hidden**2)
        return {
            "W1": x.T @ d1,
            "b1": d1.sum(axis=0),
            "W2": self.hidden.T @ d2,
            "b2": d2.sum(axis=0),
        }

    def accuracy(self, x, t):
        return np.mean(self.predict(x).argmax(axis=1) == t)
