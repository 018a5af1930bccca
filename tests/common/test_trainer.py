import itertools
import json
import math
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from common import trainer as trainer_module
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from common.support.errors import DivergenceWarning, NonFiniteError
from common.support.random_state import random_state
from common.trainer import Trainer, make_optimizer
from common.training import callbacks
from common.training.schedules import cosine, step_decay
from tests.common.training.trainers import (
    BATCH,
    CLASSES,
    TEST,
    TRAIN,
    ReadersNet,
    build,
    everything,
)
from tests.helpers import as_bytes


class Spy:
    """A network with nothing to learn that notes which examples it was shown."""

    def __init__(self, accuracies=()):
        self.params = {"W": np.zeros(2)}
        self.batches = []
        self.evaluated = []
        self.accuracies = iter(accuracies)

    def loss(self, x, t):
        assert np.array_equal(x[:, 0], t)
        self.batches.append(t.tolist())
        return float(len(self.batches))

    def gradient(self, x, t):
        assert self.batches[-1] == t.tolist()
        return {"W": np.ones(2)}

    def accuracy(self, x, t):
        self.evaluated.append(t.tolist())
        return next(self.accuracies, 0.5)


def numbered(n):
    return np.arange(n, dtype=float).reshape(n, 1), np.arange(n)


def spied(n=10, tested=4, accuracies=(), **options):
    """Return a trainer of a Spy; an accuracy for each epoch is that of the test."""
    spy = Spy(a for test in accuracies for a in (0.25, test))
    options = {"epochs": 3, "mini_batch_size": 4, "verbose": False} | options
    return Trainer(spy, *numbered(n), *numbered(tested), **options)


# How long an epoch is, and what is noted


@pytest.mark.parametrize(
    ("examples", "mini_batch_size", "iterations"),
    [(200, 100, 2), (201, 100, 3), (1, 100, 1), (5, 1, 5)],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_the_number_of_iterations_and_of_entries(examples, mini_batch_size, iterations, shuffle):
    trainer = spied(examples, mini_batch_size=mini_batch_size, shuffle=shuffle, epochs=4)
    trainer.train()
    if shuffle and examples == 201:  # batch normalization needs more than a lone last example
        iterations = 2
    assert trainer.iter_per_epoch == iterations
    assert trainer.iteration == len(trainer.train_loss_list) == 4 * iterations
    assert len(trainer.train_acc_list) == len(trainer.test_acc_list) == len(trainer.history) == 4
    assert trainer.train_loss_list == [float(n) for n in range(1, 4 * iterations + 1)]
    assert len(trainer.network.batches) == trainer.optimizer.iter == 4 * iterations


def test_the_defaults_are_those_of_the_book():
    trainer = Trainer(Spy(), *numbered(250), *numbered(9))
    assert (trainer.epochs, trainer.mini_batch_size, trainer.verbose) == (20, 100, True)
    assert isinstance(trainer.optimizer, SGD)
    assert trainer.optimizer.lr == 0.01
    assert not trainer.batches.shuffle
    assert trainer.train_loss_list == trainer.train_acc_list == trainer.test_acc_list == []


def test_arguments_may_come_in_the_books_order():
    spy = Spy()
    trainer = Trainer(spy, *numbered(10), *numbered(4), 2, 5, "adam", {"lr": 0.1}, 3, False)
    trainer.train()
    assert trainer.iteration == 4
    assert isinstance(trainer.optimizer, Adam)
    assert spy.evaluated == [[0, 1, 2]] * 4


def test_history_has_a_row_for_each_epoch():
    trainer = spied(accuracies=[0.5, 0.75, 0.7], optimizer_param={"lr": 0.1})
    trainer.train()
    assert [list(row) for row in trainer.history] == [
        ["epoch", "iteration", "seconds", "loss", "lr", "train_acc", "test_acc"]
    ] * 3
    assert [row["epoch"] for row in trainer.history] == [1, 2, 3]
    assert [row["iteration"] for row in trainer.history] == [3, 6, 9]
    assert [row["loss"] for row in trainer.history] == [2, 5, 8]  # of 1 2 3, 4 5 6, 7 8 9
    assert {row["lr"] for row in trainer.history} == {0.1}
    assert {row["train_acc"] for row in trainer.history} == {0.25}
    assert [row["test_acc"] for row in trainer.history] == [0.5, 0.75, 0.7]
    assert trainer.test_acc_list == [0.5, 0.75, 0.7]
    assert trainer.train_acc_list == [0.25] * 3
    assert all(row["seconds"] > 0 for row in trainer.history)
    assert json.loads(json.dumps(trainer.history)) == trainer.history


@pytest.fixture
def clock(monkeypatch):
    """A clock of which each look takes one second."""
    ticks = itertools.count()
    fake = SimpleNamespace(perf_counter=lambda: next(ticks), monotonic=lambda: next(ticks))
    monkeypatch.setattr(trainer_module, "time", fake)
    monkeypatch.setattr(callbacks, "time", fake)


def test_seconds_are_those_of_the_mini_batches_of_an_epoch(clock):
    trainer = spied()
    trainer.train()
    assert [row["seconds"] for row in trainer.history] == [3, 3, 3]


def test_without_a_terminal_a_line_is_printed_every_ten_seconds(clock, capsys):
    spied(epochs=12, verbose=True).train()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert len(lines) == 9
    assert re.fullmatch(r"step 4 of 36, loss 4\.0000, \d+ s left", lines[0])


def test_accuracies_are_measured_on_all_examples_or_on_the_first_ones():
    for n, train, test in ((None, 10, 4), (3, 3, 3), (7, 7, 4), (99, 10, 4)):
        trainer = spied(epochs=1, evaluate_sample_num_per_epoch=n)
        trainer.train()
        assert trainer.network.evaluated == [list(range(train)), list(range(test))]


def test_a_loss_is_that_before_the_step_and_from_the_same_pass_as_the_gradient():
    calls = []

    class Once(Spy):
        def loss_and_gradient(self, x, t):
            calls.append(self.params["W"].tolist())
            return 7.0, {"W": np.ones(2)}

        def gradient(self, x, t):
            raise AssertionError("one pass is enough")

        loss = gradient

    network = Once()
    Trainer(network, *numbered(8), *numbered(2), 1, 4, "sgd", {"lr": 1}, verbose=False).train()
    assert calls == [[0, 0], [-1, -1]]
    assert network.params["W"].tolist() == [-2, -2]


# Mini-batches


@pytest.mark.parametrize(("n", "size"), [(250, 100), (8, 4), (3, 10), (5, 1)])
def test_with_shuffle_each_epoch_sees_each_example_once(n, size):
    trainer = spied(n, mini_batch_size=size, shuffle=True, rng=np.random.default_rng(0))
    trainer.train()
    batches, orders = iter(trainer.network.batches), []
    for _ in range(3):
        epoch = list(itertools.islice(batches, trainer.iter_per_epoch))
        assert [len(batch) for batch in epoch[:-1]] == [size] * (len(epoch) - 1)
        assert 1 <= len(epoch[-1]) <= size
        orders.append([*itertools.chain(*epoch)])
        assert sorted(orders[-1]) == list(range(n))
    if n > 4:
        assert orders[0] != orders[1] != orders[2]


def test_without_shuffle_each_mini_batch_is_drawn_from_all_examples():
    trainer = spied(50, mini_batch_size=25, epochs=40, rng=np.random.default_rng(0))
    trainer.train()
    assert {len(batch) for batch in trainer.network.batches} == {25}
    assert any(len(set(batch)) < 25 for batch in trainer.network.batches)
    counts = np.bincount([*itertools.chain(*trainer.network.batches)], minlength=50)
    assert counts.sum() == 2000
    assert counts.min() > 15  # 40 each on average, with a spread of 6
    assert counts.max() < 70


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_rng_or_numpys_global_seed_decides_on_the_mini_batches(shuffle, own):
    batches = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        trainer = spied(shuffle=shuffle, rng=np.random.default_rng(seed) if own else None)
        trainer.train()
        batches.append(trainer.network.batches)
    assert batches[0] == batches[1] != batches[2]


def test_with_rng_numpys_global_state_is_left_alone():
    trainer = build(Adam(0.05), "shared")
    before = repr(random_state(None))
    trainer.train()
    assert repr(random_state(None)) == before


# Optimizers


@pytest.mark.parametrize("kind", [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW])
def test_optimizers_are_found_by_name_in_any_case_and_get_their_parameters(kind):
    for name in (kind.__name__, kind.__name__.lower(), kind.__name__.upper()):
        trainer = spied(optimizer=name, optimizer_param={"lr": 0.5})
        assert type(trainer.optimizer) is kind
        assert trainer.optimizer.lr == 0.5
    assert make_optimizer(kind.__name__).lr == 0.01
    assert make_optimizer("adam", {}).lr == 0.001  # its own default
    assert make_optimizer("momentum", {"momentum": 0.5}).momentum == 0.5


class SignSGD:
    """What a reader may write: no more than Trainer needs."""

    def __init__(self, lr):
        self.lr = lr

    def update(self, params, grads):
        for key, p in params.items():
            p -= self.lr * np.sign(grads[key])


def test_an_optimizer_of_the_readers_own_is_used(tmp_path):
    def make(lr, epochs):
        return spied(optimizer=SignSGD(lr), schedule=lambda done: 1 - done / 2, epochs=epochs)

    trainer = make(0.25, 3)
    trainer.train()
    assert trainer.network.params["W"].tolist() == [-0.25 * sum(1 - n / 18 for n in range(9))] * 2
    trainer.save_checkpoint(tmp_path / "a.npz")
    other = make(0.5, 6)
    other.load_checkpoint(tmp_path / "a.npz")
    other.train()
    assert other.optimizer.lr == 0.5 * (1 - 17 / 36)


@pytest.mark.parametrize(
    "name", ["epochs", "mini_batch_size", "evaluate_sample_num_per_epoch", "patience"]
)
@pytest.mark.parametrize("value", [0, -1, 1.5, "2"])
def test_numbers_that_must_be_positive_integers(name, value):
    message = f"{name} must be a positive integer, got {value!r}"
    with pytest.raises(ValueError, match=message):
        spied(**{name: value})


@pytest.mark.parametrize("which", ["train", "test"])
def test_examples_and_labels_must_be_as_many(which):
    x, t = numbered(5)
    for bad in ((x, t[:4]), (x[:0], t[:0])):
        pairs = {"train": (x, t), "test": (x, t)} | {which: bad}
        message = f"x_{which} and t_{which} must have the same length of at least 1, got "
        with pytest.raises(ValueError, match=message):
            Trainer(Spy(), *pairs["train"], *pairs["test"])


OPTIMIZER = r"must be a name, or an object with update\(params, grads\) and lr, got "
REFUSED = {
    "no optimizer": ({"optimizer": None}, OPTIMIZER),
    "class": ({"optimizer": SGD}, OPTIMIZER),
    "unknown name": ({"optimizer": "sgd "}, "optimizer must be one of SGD, .*AdamW, got 'sgd '"),
    "unknown parameter": ({"optimizer_param": {"learning_rate": 1}}, "learning_rate"),
    "negative rate": ({"optimizer_param": {"lr": -1}}, "lr must be .* got -1"),
    "parameter of another": ({"optimizer": "adam", "optimizer_param": {"momentum": 1}}, "momentum"),
    "parameter of none": ({"optimizer": SGD(), "optimizer_param": {"lr": 1}}, "needs the name of"),
    "number for rng": ({"rng": 0}, "rng must"),
    "word for schedule": ({"schedule": "cosine"}, "schedule must"),
    "factory": ({"schedule": cosine}, "schedule must"),
    "negative factor": (
        {"schedule": lambda done: 0.5 - done},
        r"schedule\(0\.51\) must be",
    ),
    "NaN": ({"schedule": lambda done: math.nan}, "schedule must"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_arguments_that_do_not_fit_are_named(wrong):
    options, message = REFUSED[wrong]
    with pytest.raises((TypeError, ValueError), match=message):
        spied(**options)


def test_numbers_may_come_from_numpy_epochs_be_a_float_and_data_lists():
    data = [array.tolist() for array in (*TRAIN, *TEST)]
    options = {"mini_batch_size": np.int32(13), "patience": np.int8(3), "verbose": False}
    for epochs in (np.int64(2), 2.0):
        trainer = Trainer(MultiLayerNet(4, [3], CLASSES), *data, epochs=epochs, **options)
        trainer.train()
        assert (trainer.iteration, len(trainer.history)) == (4, 2)


def test_attributes_of_the_book():
    trainer = spied(epochs=2)
    assert (trainer.max_iter, trainer.batch_size, trainer.train_size) == (6, 4, 10)
    for step in range(1, 4):
        trainer.train_step()
        assert trainer.current_iter == step
    assert trainer.current_epoch == len(trainer.test_acc_list) == 1
    trainer.train()
    assert (trainer.current_iter, trainer.current_epoch) == (6, 2)
    assert trainer.train_loss_list == [1, 2, 3, 4, 5, 6]


# Schedules


class Noting(SGD):
    """SGD that notes the learning rate of each step."""

    def __init__(self, lr=0.5):
        super().__init__(lr)
        self.used = []

    def update(self, params, grads):
        self.used.append(self.lr)
        super().update(params, grads)


@pytest.mark.parametrize(
    "schedule", [cosine(), cosine(0.3, 0.1), step_decay(), lambda done: 1 - 0.5 * done]
)
def test_the_schedule_gives_each_step_its_learning_rate(schedule):
    trainer = spied(optimizer=Noting(), schedule=schedule)
    trainer.train()
    expected = [0.5 * schedule(n / 9) for n in range(9)]
    assert trainer.optimizer.used == expected
    assert [row["lr"] for row in trainer.history] == expected[2::3]


def test_a_trainer_leaves_the_optimizer_alone_until_it_trains():
    optimizer = Noting()
    for _ in range(2):  # as when a cell of a notebook runs again
        trainer = spied(optimizer=optimizer, schedule=cosine(0.5))
        assert optimizer.lr == 0.5
    for _ in range(3):
        trainer.train_step()
    assert optimizer.used == [0.5 * cosine(0.5)(n / 9) for n in range(3)]


def test_without_a_schedule_the_learning_rate_is_the_readers():
    trainer = spied(optimizer=Noting(), epochs=1)
    trainer.train()
    trainer.optimizer.lr = 0.125
    trainer.train()
    assert trainer.optimizer.used == [0.5] * 3 + [0.125] * 3


# Early stopping, and the best epoch


@pytest.mark.parametrize(
    ("accuracies", "patience", "epochs", "best"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 6, 6),
        ([0.5, 0.4, 0.6, 0.5, 0.5, 0.9], 2, 5, 3),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 3, 4, 1),
        ([0.5, 0.4, 0.4, 0.6, 0.1, 0.1], 3, 6, 4),
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], None, 6, 1),
    ],
)
def test_patience(accuracies, patience, epochs, best):
    trainer = spied(accuracies=accuracies, patience=patience, epochs=6)
    trainer.train()
    assert len(trainer.history) == epochs
    assert trainer.iteration == 3 * epochs
    assert trainer.best_epoch == best


@pytest.mark.parametrize("keep_best", [False, True])
def test_the_first_of_several_best_epochs_counts_and_may_be_kept(keep_best):
    options = {"optimizer_param": {"lr": 1}, "keep_best": keep_best}
    trainer = spied(accuracies=[0.5, 0.7, 0.7], **options)
    W = trainer.network.params["W"]
    assert trainer.best_epoch is None
    assert trainer.best_params == {}
    trainer.train()
    assert trainer.best_epoch == 2
    assert trainer.best_params["W"].tolist() == [-6, -6]
    assert trainer.network.params["W"] is W
    assert W.tolist() == ([-6, -6] if keep_best else [-9, -9])
    assert len(trainer.history) == 3


def test_the_best_parameters_come_with_running_averages():
    trainer = build(Adam(0.05), "shared", keep_best=False)
    accuracies, states = iter([0, 0.5, 0, 0.9, 0, 0.6]), []

    def scripted(x, t):
        states.append({key: array.copy() for key, array in trainer.network.state().items()})
        return next(accuracies)

    trainer.network.accuracy = scripted
    trainer.train()
    assert trainer.best_epoch == 2
    assert as_bytes(trainer.best_params) == as_bytes(states[3])
    assert as_bytes(trainer.best_params) != as_bytes(trainer.network.state())
    assert "running_var1" in trainer.best_params


# What is printed


def test_verbose_prints_a_table(capsys):
    spied(accuracies=[0.5, 0.75, 0.625], verbose=True).train()
    out, err = capsys.readouterr()
    header, *rows = out.splitlines()
    assert header.split() == ["epoch", "seconds", "loss", "train_acc", "test_acc"]
    cells = [row.split() for row in rows]
    assert [(row[0], row[2:]) for row in cells] == [
        ("1", ["2.0000", "0.2500", "0.5000"]),
        ("2", ["5.0000", "0.2500", "0.7500"]),
        ("3", ["8.0000", "0.2500", "0.6250"]),
    ]
    assert {len(line) for line in rows} == {len(header)}
    assert "\r" not in err  # no bar where there is no terminal


ENDS = [
    "stopped early: the best test accuracy was that of epoch 2",
    "kept the parameters of epoch 2",
    "accuracy on all 4 test examples: 0.5000",
]


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({}, []),
        ({"patience": 1}, ENDS[:1]),
        ({"keep_best": True}, ENDS[1:]),
        ({"evaluate_sample_num_per_epoch": 2}, ENDS[2:]),
        ({"patience": 1, "keep_best": True, "evaluate_sample_num_per_epoch": 2}, ENDS),
    ],
)
def test_verbose_tells_at_the_end_what_was_asked_for_and_else_nothing(capsys, options, ends):
    accuracies = [0.5, 0.75, 0.6]
    spied(accuracies=accuracies, verbose=True, **options).train()
    assert capsys.readouterr().out.splitlines()[4:] == ends
    spied(accuracies=accuracies, verbose=False, **options).train()
    assert capsys.readouterr() == ("", "")


# Training on


def test_training_again_trains_as_many_epochs_more_and_anneals_and_is_patient_anew(capsys):
    accuracies = [0.5, 0.4, 0.45, 0.48, 0.2, 0.2, 0.2]
    options = {"patience": 2, "keep_best": True, "optimizer": Noting(), "verbose": True}
    trainer = spied(accuracies=accuracies, schedule=cosine(), epochs=6, **options)
    trainer.train()
    assert (len(trainer.history), trainer.network.params["W"].tolist()) == (3, [W(3)] * 2)
    used = len(trainer.optimizer.used)
    trainer.train()  # from the last parameters, not from the best ones
    assert [row["epoch"] for row in trainer.history] == [1, 2, 3, 4, 5, 6]
    assert trainer.optimizer.used[used:] == [0.5 * cosine()(n / 18) for n in range(9)]
    assert trainer.best_epoch == 1
    assert trainer.network.params["W"].tolist() == [W(3)] * 2
    table = [line for line in capsys.readouterr().out.splitlines() if re.match(r" +\d", line)]
    assert len(table) == 6


def W(steps):
    """What the first steps of cosine() in 18 make of a parameter of 0."""
    W = np.zeros(1)
    for n in range(steps):
        W -= 0.5 * cosine()(n / 18)
    return W.item()


@pytest.mark.parametrize("keep_best", [False, True])
def test_two_trainings_are_one_that_is_twice_as_long(keep_best):
    options = {"schedule": None, "keep_best": keep_best}
    straight = build(Adam(0.05), "shared", epochs=4, **options)
    straight.train()
    trainer = build(Adam(0.05), "shared", epochs=2, **options)
    trainer.train()
    trainer.train()
    assert everything(trainer) == everything(straight)


# Training that diverges


def explosive(dtype=np.float64, epochs=50, use_batchnorm=False, **options):
    """Return a trainer whose weight decay makes W 2000 times larger at each step."""
    network = MultiLayerNetExtend(
        4,
        [3] if use_batchnorm else [],
        CLASSES,
        weight_decay_lambda=1,
        use_batchnorm=use_batchnorm,
        rng=np.random.default_rng(0),
        dtype=dtype,
    )
    options = {"optimizer": SGD(2001), "verbose": False} | options
    return Trainer(network, *TRAIN, *TEST, epochs, BATCH, rng=np.random.default_rng(0), **options)


@pytest.mark.parametrize("use_batchnorm", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_that_diverges_ends_in_one_warning_here_and_keeps_its_history(
    dtype, use_batchnorm
):
    trainer = explosive(dtype, use_batchnorm=use_batchnorm)
    with pytest.warns(match="training stopped in iteration .* smaller learning rate") as caught:
        trainer.train()
    (warning,) = caught
    assert warning.category is DivergenceWarning
    assert warning.filename == __file__
    *losses, last = trainer.train_loss_list
    assert math.isnan(last)
    assert losses
    assert all(map(math.isfinite, losses))
    assert len(losses) + 1 == trainer.iteration == trainer.history[-1]["iteration"]
    assert math.isnan(trainer.history[-1]["loss"])
    assert len(trainer.history) == -(-trainer.iteration // 4)


def test_the_checkpoint_of_a_training_that_diverges_holds_finite_parameters(tmp_path, monkeypatch):
    monkeypatch.setattr("common.training.loop.SNAPSHOT_FRACTION", math.inf)
    trainer = build(SGD(0.1), checkpoint=tmp_path / "run.npz")
    update = trainer.optimizer.update

    def too_far(params, grads):
        update(params, grads)
        if trainer.optimizer.iter == 6:
            params["W1"][0, 0] = np.inf

    trainer.optimizer.update = too_far
    with pytest.warns(DivergenceWarning, match="in iteration 7: "):
        trainer.train()
    resumed, straight = build(SGD(0.1)), build(SGD(0.1))
    resumed.load_checkpoint(tmp_path / "run.npz")
    assert resumed.iteration == 5
    for again in (resumed, straight):
        again.train()
    assert everything(resumed) == everything(straight)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_first_step_may_already_be_too_large(tmp_path, optimizer):
    path = tmp_path / "run.npz"
    trainer = explosive(optimizer=optimizer, optimizer_param={"lr": 1e200}, checkpoint=path)
    trainer.network.params["W1"][0, 0] = 1e300
    with pytest.warns(DivergenceWarning, match="in iteration 1: "):
        trainer.train()
    assert len(trainer.test_acc_list) == len(trainer.train_acc_list) == 1
    assert math.isnan(trainer.train_loss_list[-1])
    assert not path.exists()


def test_the_best_parameters_before_it_diverged_are_kept(capsys):
    trainer = explosive(keep_best=True, verbose=True)
    with pytest.warns(DivergenceWarning) as caught:
        trainer.train()
    assert len(caught) == 1
    assert trainer.best_epoch < len(trainer.history)
    assert as_bytes(trainer.network.state()) == as_bytes(trainer.best_params)
    assert f"kept the parameters of epoch {trainer.best_epoch}" in capsys.readouterr().out


def test_a_smaller_step_then_lets_it_go_on():
    trainer = explosive(epochs=3, optimizer=SGD(1e200))
    before = {key: array.copy() for key, array in trainer.network.state().items()}
    with pytest.warns(DivergenceWarning):
        trainer.train()
    trainer.network.set_state(before)
    trainer.optimizer.lr, diverged = 0.1, trainer.iteration
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.train()
    assert len(trainer.train_loss_list) == trainer.iteration == diverged + 12
    assert math.isfinite(trainer.history[-1]["loss"])


def test_examples_that_are_not_finite_are_an_error_and_no_divergence():
    x = TRAIN[0].copy()
    x[3, 2] = np.nan
    network = MultiLayerNet(4, [3], CLASSES)
    with pytest.raises(NonFiniteError, match="x holds 1 NaN"):
        Trainer(network, x, TRAIN[1], *TEST, 1, 26, shuffle=True, verbose=False).train()
    trainer = Trainer(network, *TRAIN, x, TRAIN[1], 1, verbose=False)
    with pytest.raises(NonFiniteError, match="x holds 1 NaN"):
        trainer.train()


# A reader's own network


@pytest.mark.parametrize("layers", [2, [SimpleNamespace(rng=None)], {"a": SimpleNamespace(rng=3)}])
def test_what_a_readers_own_network_calls_layers_is_its_own_affair(layers):
    network = ReadersNet()
    network.layers, network.rng = layers, 7
    Trainer(network, *TRAIN, *TEST, 1, BATCH, verbose=False).train()


def test_a_gradient_without_one_of_the_parameters_is_an_error():
    network = ReadersNet()
    gradient = network.gradient
    network.gradient = lambda x, t: {k: g for k, g in gradient(x, t).items() if k != "b1"}
    with pytest.raises(ValueError, match="grads lacks b1 of params"):
        Trainer(network, *TRAIN, *TEST, 1, BATCH, verbose=False).train()
