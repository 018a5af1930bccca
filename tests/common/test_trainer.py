import itertools
import json
import math
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from common import trainer as trainer_module
from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from common.support.errors import NonFiniteError
from common.support.random_state import random_state
from common.trainer import Trainer, make_optimizer
from common.training.checkpoint import load_checkpoint, save_checkpoint
from common.training.schedules import cosine, step_decay

CLASSES = 3


def frozen(array):
    array.setflags(write=False)
    return array


def classification(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    return frozen(x), frozen((x[:, :CLASSES] + 0.5 * rng.normal(size=(n, CLASSES))).argmax(axis=1))


TRAIN, TEST = classification(26, 0), classification(11, 1)
BATCH, ITERATIONS = 8, 4  # an epoch: three times 8 examples, and 2


@pytest.fixture(params=[-1.0, math.inf], ids=["snapshots-always", "snapshots-never"])
def snapshots(request, monkeypatch):
    """Snapshots after each mini-batch, or after epochs only."""
    monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", request.param)
    return request.param


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
    [(250, 100, 3), (200, 100, 2), (201, 100, 3), (99, 100, 1), (1, 100, 1), (5, 1, 5), (7, 7, 1)],
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
    assert not trainer.shuffle
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


def test_seconds_are_those_of_the_mini_batches_of_an_epoch(clock, monkeypatch):
    for seconds in (-1.0, math.inf):
        monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", seconds)
        trainer = spied()
        stop_at_call(trainer.network, "gradient", 5)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        trainer.train()
        assert [row["seconds"] for row in trainer.history] == [3, 3, 3]


@pytest.mark.parametrize(("seconds", "kept"), [(0, 8), (10, 8), (13, 5), (15, 6), (25, 0)])
def test_snapshots_are_so_many_seconds_apart(clock, monkeypatch, seconds, kept):
    monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", seconds)
    trainer = spied(40)  # each mini-batch looks at the clock three times
    stop_at_call(trainer.network, "gradient", 8)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert trainer.iteration == kept


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


def test_examples_and_labels_are_not_written_to():
    before = [array.tobytes() for array in (*TRAIN, *TEST)]
    Trainer(MultiLayerNet(4, [3], CLASSES), *TRAIN, *TEST, epochs=1, verbose=False).train()
    assert [array.tobytes() for array in (*TRAIN, *TEST)] == before


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


def test_a_mini_batch_larger_than_the_data_repeats_examples():
    trainer = spied(3, mini_batch_size=10, epochs=2)
    trainer.train()
    assert [len(batch) for batch in trainer.network.batches] == [10, 10]
    assert set(itertools.chain(*trainer.network.batches)) <= {0, 1, 2}


@pytest.mark.parametrize("shuffle", [False, True])
def test_rng_decides_on_the_mini_batches(shuffle):
    batches = []
    for seed in (0, 0, 1):
        trainer = spied(shuffle=shuffle, rng=np.random.default_rng(seed))
        trainer.train()
        batches.append(trainer.network.batches)
    assert batches[0] == batches[1] != batches[2]


@pytest.mark.parametrize("shuffle", [False, True])
def test_without_rng_numpys_global_seed_decides(shuffle):
    batches = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        trainer = spied(shuffle=shuffle)
        trainer.train()
        batches.append(trainer.network.batches)
    assert batches[0] == batches[1] != batches[2]


def test_with_rng_numpys_global_state_is_left_alone():
    trainer = build(Adam(0.05), "shared")
    before = repr(random_state(None))
    trainer.train()
    assert repr(random_state(None)) == before


# Optimizers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", SGD),
        ("SGD", SGD),
        ("Momentum", Momentum),
        ("momentum", Momentum),
        ("NESTEROV", Nesterov),
        ("AdaGrad", AdaGrad),
        ("adagrad", AdaGrad),
        ("AdaGRAD", AdaGrad),
        ("RMSprop", RMSprop),
        ("RMSProp", RMSprop),
        ("ADAM", Adam),
        ("Adam", Adam),
        ("adamw", AdamW),
    ],
)
def test_optimizers_are_found_by_name_in_any_case(name, kind):
    assert type(make_optimizer(name)) is kind
    assert make_optimizer(name).lr == 0.01
    trainer = spied(optimizer=name, optimizer_param={"lr": 0.5})
    assert type(trainer.optimizer) is kind
    assert trainer.optimizer.lr == 0.5


def test_parameters_reach_the_optimizer():
    optimizer = make_optimizer("momentum", {"lr": 0.1, "momentum": 0.5})
    assert (optimizer.lr, optimizer.momentum) == (0.1, 0.5)
    assert make_optimizer("adam", {}).lr == 0.001  # its own default
    param = {"lr": 0.1}
    make_optimizer("sgd", param)
    assert param == {"lr": 0.1}


def test_an_optimizer_itself_is_used():
    optimizer = Momentum(0.3)
    trainer = spied(optimizer=optimizer)
    trainer.train()
    assert trainer.optimizer is optimizer
    assert optimizer.iter == 9


class SignSGD:
    """What a reader may write: no more than Trainer needs."""

    def __init__(self, lr):
        self.lr = lr

    def update(self, params, grads):
        for key, p in params.items():
            p -= self.lr * np.sign(grads[key])


def test_an_optimizer_of_the_readers_own_is_used(tmp_path):
    trainer = spied(optimizer=SignSGD(0.25), schedule=lambda done: 1 - done)
    trainer.train()
    lr = trainer.optimizer.lr
    assert 0 < lr < 0.25
    trainer.save_checkpoint(tmp_path / "a.npz")
    other = spied(optimizer=SignSGD(0.5), schedule=lambda done: 1 - done)
    other.load_checkpoint(tmp_path / "a.npz")
    assert other.optimizer.lr == lr


@pytest.mark.parametrize("optimizer", [None, 0.1, SGD, SignSGD, {"lr": 1}])
def test_what_is_no_optimizer_is_refused(optimizer):
    with pytest.raises(TypeError, match=r"must be a name, or an object with update\(.*\) and lr"):
        spied(optimizer=optimizer)


@pytest.mark.parametrize("name", ["np", "Optimizer", "adamax", "", "sgd ", "_checked"])
def test_unknown_names_are_refused(name):
    message = f"optimizer must be one of SGD, .*AdamW, got {re.escape(repr(name))}"
    with pytest.raises(ValueError, match=message):
        spied(optimizer=name)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer_param": {"learning_rate": 1}}, TypeError, "learning_rate"),
        ({"optimizer_param": {"lr": -1}}, ValueError, "lr must be .* got -1"),
        ({"optimizer": "adam", "optimizer_param": {"momentum": 0.9}}, TypeError, "momentum"),
        ({"optimizer": SGD(), "optimizer_param": {"lr": 1}}, ValueError, "needs the name of an"),
    ],
)
def test_parameters_that_do_not_fit_the_optimizer_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        spied(**options)


@pytest.mark.parametrize(
    "name", ["epochs", "mini_batch_size", "evaluate_sample_num_per_epoch", "patience"]
)
@pytest.mark.parametrize("value", [0, -1, 1.5, "2"])
def test_numbers_that_must_be_positive_integers(name, value):
    message = f"{name} must be a positive integer, got {value!r}"
    with pytest.raises(ValueError, match=message):
        spied(**{name: value})


def test_numbers_may_come_from_numpy(tmp_path):
    path = tmp_path / "run.npz"
    trainer = spied(
        epochs=np.int64(2), mini_batch_size=np.int32(4), patience=np.int8(3), checkpoint=path
    )
    trainer.train()
    again = spied(epochs=np.int64(3), mini_batch_size=4)
    again.load_checkpoint(path)
    again.train()
    assert again.iteration == 9


@pytest.mark.parametrize("which", ["train", "test"])
def test_examples_and_labels_must_be_as_many(which):
    x, t = numbered(5)
    for bad in ((x, t[:4]), (x[:0], t[:0])):
        pairs = {"train": (x, t), "test": (x, t)} | {which: bad}
        message = f"x_{which} and t_{which} must have the same length of at least 1, got "
        with pytest.raises(ValueError, match=message):
            Trainer(Spy(), *pairs["train"], *pairs["test"])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"optimizer": None}, "optimizer must"),
        ({"optimizer": SGD}, "optimizer must"),
        ({"rng": 0}, "rng must"),
        ({"rng": np.random.RandomState(0)}, "rng must"),
        ({"schedule": "cosine"}, "schedule must"),
        ({"schedule": cosine}, "schedule must"),
    ],
    ids=str.split("none class number RandomState word factory"),
)
def test_arguments_of_a_wrong_type_are_named(options, name):
    with pytest.raises((TypeError, ValueError), match=name):
        spied(**options).train()


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


@pytest.mark.parametrize(
    "number",
    [float, int, np.float32, np.float64, np.array],  # arrays, as np.where gives them
)
def test_a_schedule_may_give_numbers_of_numpy(number):
    trainer = spied(optimizer=Noting(), schedule=lambda done: number(float(done < 0.5)))
    trainer.train()
    assert trainer.optimizer.used == [0.5] * 5 + [0] * 4


def test_without_a_schedule_the_learning_rate_is_the_readers():
    trainer = spied(optimizer=Noting(), epochs=1)
    trainer.train()
    trainer.epochs, trainer.optimizer.lr = 2, 0.125
    trainer.train()
    assert trainer.optimizer.used == [0.5] * 3 + [0.125] * 3


@pytest.mark.parametrize("stop", range(9))
def test_an_interrupted_schedule_goes_on_where_it_was(snapshots, stop):
    trainer = spied(optimizer=Noting(), schedule=cosine(0.2))
    stop_at_call(trainer.network, "gradient", stop)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    done = trainer.iteration
    assert done == (stop if snapshots < 0 else stop // 3 * 3)
    trainer.optimizer.used.clear()
    trainer.train()
    assert trainer.optimizer.used == [0.5 * cosine(0.2)(n / 9) for n in range(done, 9)]


# Early stopping, and the best epoch


@pytest.mark.parametrize(
    ("accuracies", "patience", "epochs", "best"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 6, 6),
        ([0.5, 0.4, 0.6, 0.7, 0.8, 0.9], 1, 2, 1),
        ([0.5, 0.4, 0.6, 0.5, 0.5, 0.9], 2, 5, 3),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 3, 4, 1),
        ([0.5, 0.4, 0.4, 0.6, 0.1, 0.1], 3, 6, 4),
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], 6, 6, 1),
        ([0.0, 0.0, 0.1, 0.1, 0.1, 0.1], 2, 5, 3),
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], None, 6, 1),
    ],
)
def test_patience(accuracies, patience, epochs, best):
    trainer = spied(accuracies=accuracies, patience=patience, epochs=6)
    trainer.train()
    assert len(trainer.history) == epochs
    assert trainer.iteration == 3 * epochs
    assert trainer.best_epoch == best
    trainer.train()
    assert trainer.iteration == 3 * epochs


def test_more_patience_lets_it_go_on():
    trainer = spied(accuracies=[0.5, 0.4, 0.6, 0.1, 0.1, 0.1], patience=1, epochs=6)
    trainer.train()
    trainer.patience = 2
    trainer.train()
    assert len(trainer.history) == 5
    assert trainer.best_epoch == 3


def test_the_first_of_several_best_epochs_counts():
    trainer = spied(accuracies=[0.5, 0.7, 0.7], optimizer_param={"lr": 1})
    assert trainer.best_epoch is None
    assert trainer.best_params == {}
    trainer.train()
    assert trainer.best_epoch == 2
    assert trainer.best_params["W"].tolist() == [-6, -6]
    assert trainer.network.params["W"].tolist() == [-9, -9]


@pytest.mark.parametrize("patience", [None, 1])
def test_keep_best_leaves_the_network_at_its_best(patience):
    trainer = spied(
        accuracies=[0.5, 0.7, 0.6], optimizer_param={"lr": 1}, keep_best=True, patience=patience
    )
    W = trainer.network.params["W"]
    trainer.train()
    assert trainer.network.params["W"] is W
    assert W.tolist() == [-6, -6]
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


def test_verbose_tells_what_was_done_at_the_end(capsys):
    trainer = spied(
        accuracies=[0.5, 0.75, 0.6, 0.7],
        epochs=9,
        patience=2,
        keep_best=True,
        evaluate_sample_num_per_epoch=2,
        verbose=True,
    )
    trainer.train()
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "stopped early: the best test accuracy was that of epoch 2",
        "kept the parameters of epoch 2",
        "accuracy on all 4 test examples: 0.5000",
    ]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, []),
        (
            {"keep_best": True},
            ["kept the parameters of epoch 2", "accuracy on all 4 test examples"],
        ),
        ({"evaluate_sample_num_per_epoch": 2}, ["accuracy on all 4 test examples"]),
        ({"patience": 1}, ["stopped early: the best test accuracy was that of epoch 2"]),
    ],
)
def test_verbose_tells_no_more_than_was_asked_for(capsys, options, lines):
    spied(accuracies=[0.5, 0.75, 0.6], verbose=True, **options).train()
    said = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()[4:]]
    assert said == [line.partition(":")[0] for line in lines]


@pytest.mark.parametrize(
    "options", [{}, {"patience": 1, "keep_best": True, "evaluate_sample_num_per_epoch": 2}]
)
def test_without_verbose_nothing_is_printed(capsys, options):
    spied(accuracies=[0.5, 0.4], verbose=False, **options).train()
    assert capsys.readouterr() == ("", "")


# Ctrl-C


OPTIMIZERS = {
    "SGD": lambda: SGD(0.1),
    "Momentum": lambda: Momentum(0.1),
    "Nesterov": lambda: Nesterov(0.05),
    "AdaGrad": lambda: AdaGrad(0.1),
    "RMSprop": lambda: RMSprop(0.05),
    "Adam": lambda: Adam(0.05),
    "AdamW": lambda: AdamW(0.05),
}
EACH_OPTIMIZER = pytest.mark.parametrize(
    ("name", "source"),
    [
        *itertools.product(OPTIMIZERS, ["shared", "global"]),
        ("Adam", "separate"),
        ("Adam", "network"),
        ("Adam", "trainer"),
    ],
)


def build(optimizer, source, seed=0, **options):
    """Return a trainer with all that has a state: batch norm, dropout, shuffle, a schedule.

    `source` tells who has a generator of its own, and who takes NumPy's global numbers.
    """
    np.random.seed(seed)
    rng = np.random.default_rng(seed)
    network_rng = rng if source in ("shared", "separate", "network") else None
    trainer_rng = {
        "shared": rng,
        "separate": np.random.Generator(np.random.SFC64(seed)),
        "trainer": rng,
    }.get(source)
    network = MultiLayerNetExtend(
        4,
        [5, 3],
        CLASSES,
        weight_decay_lambda=0.01,
        use_dropout=True,
        dropout_ration=0.2,
        use_batchnorm=True,
        rng=network_rng,
    )
    options = {"epochs": 3, "shuffle": True, "schedule": cosine(0.2), "keep_best": True} | options
    return Trainer(
        network,
        *TRAIN,
        *TEST,
        mini_batch_size=BATCH,
        optimizer=optimizer,
        verbose=False,
        rng=trainer_rng,
        **options,
    )


def as_bytes(arrays):
    return {key: (array.dtype, array.shape, array.tobytes()) for key, array in arrays.items()}


def everything(trainer):
    """All that a run comes to, but for the seconds that it took."""
    network = trainer.network
    return {
        "network": as_bytes(network.state() if hasattr(network, "state") else network.params),
        "optimizer": as_bytes(trainer.optimizer.state()),
        "iteration": trainer.iteration,
        "losses": trainer.train_loss_list,
        "history": [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history],
        "best": (trainer.best_epoch, as_bytes(trainer.best_params)),
        "random": repr(random_state(trainer.rng)),
        "network's random": repr(random_state(getattr(network, "rng", None))),
    }


def stop_at_call(owner, name, call, after=False):
    """Let Ctrl-C strike once, in the given call of a method, before or after it does its work."""
    method, calls = getattr(owner, name), itertools.count()

    def stopping(*arguments, **options):
        if next(calls) != call:
            return method(*arguments, **options)
        if after:
            method(*arguments, **options)
        raise KeyboardInterrupt

    setattr(owner, name, stopping)


PLACES = [
    ("network", "loss_and_gradient", 12),
    ("optimizer", "update", 12),
    ("optimizer", "_step", 12 * 10),  # of one parameter: some have taken the step, some not
    ("network", "accuracy", 6),
]


def stops():
    """Ctrl-C all over the run, in each of the places."""
    for owner, method, calls in PLACES:
        for call in sorted({0, 1, calls // 2, calls - 2, calls - 1}):
            yield owner, method, call, (call + len(method)) % 2 == 0


@EACH_OPTIMIZER
def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(snapshots, name, source):
    make = OPTIMIZERS[name]
    straight = build(make(), source)
    straight.train()
    expected = everything(straight)
    assert expected["iteration"] == 3 * ITERATIONS
    for owner, method, call, after in stops():
        trainer = build(make(), source)
        stop_at_call(getattr(trainer, owner), method, call, after)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        at = trainer.iteration
        assert at < 12
        assert trainer.optimizer.iter == len(trainer.train_loss_list) == at
        assert len(trainer.history) == at // ITERATIONS
        assert snapshots < 0 or at % ITERATIONS == 0
        trainer.train()
        assert everything(trainer) == expected, (owner, method, call, after)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("schedule", [None, step_decay()])
@pytest.mark.parametrize("keep_best", [False, True])
def test_options_do_not_matter_for_that(snapshots, shuffle, schedule, keep_best):
    options = {"shuffle": shuffle, "schedule": schedule, "keep_best": keep_best}
    straight = build(Adam(0.05), "shared", **options)
    straight.train()
    for call in range(12):
        trainer = build(Adam(0.05), "shared", **options)
        stop_at_call(trainer.optimizer, "update", call, after=call % 2 == 0)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        trainer.train()
        assert everything(trainer) == everything(straight)


def test_nor_how_often_it_happens(monkeypatch):
    monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", -1.0)
    straight = build(Adam(0.05), "shared")
    straight.train()
    trainer = build(Adam(0.05), "shared")
    update, calls = trainer.optimizer.update, itertools.count(1)

    def stopping(params, grads):
        update(params, grads)
        if next(calls) % 3 == 0:
            raise KeyboardInterrupt

    trainer.optimizer.update = stopping
    interrupted = 0
    while trainer.iteration < 12:
        try:
            trainer.train()
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted >= 4
    assert everything(trainer) == everything(straight)


def stop_at_line(trainer, number):
    """Train until the given line of our code, and return how many lines were run."""
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if "common" not in frame.f_code.co_filename:
            return None
        if event == "line":
            lines += 1
            if lines == number:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        trainer.train()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    return lines


@pytest.mark.skipif(sys.gettrace() is not None, reason="a debugger or coverage is tracing")
def test_ctrl_c_may_strike_at_any_line(snapshots):
    straight = build(Adam(0.05), "separate", epochs=2)
    straight.train()
    lines = stop_at_line(build(Adam(0.05), "separate", epochs=2), None)
    assert lines > 2000
    numbers = np.random.default_rng(0).choice(lines, 60, replace=False) + 1
    for number in [1, 2, *numbers.tolist(), *range(lines - 25, lines + 1)]:
        trainer = build(Adam(0.05), "separate", epochs=2)
        assert stop_at_line(trainer, number) >= number
        trainer.train()
        assert everything(trainer) == everything(straight), number


class Unlucky(RuntimeError):
    pass


def test_any_other_error_leaves_a_whole_iteration_too(snapshots):
    straight, trainer = (build(Adam(0.05), "shared") for _ in range(2))
    straight.train()
    gradient, calls = trainer.network.loss_and_gradient, itertools.count()

    def fails_once(x, t):
        if next(calls) == 6:
            raise Unlucky
        return gradient(x, t)

    trainer.network.loss_and_gradient = fails_once
    with pytest.raises(Unlucky):
        trainer.train()
    assert trainer.iteration == (6 if snapshots < 0 else 4)
    trainer.train()
    assert everything(trainer) == everything(straight)


def test_arrays_stay_the_same_arrays_after_an_interruption():
    trainer = build(Adam(0.05), "shared")
    arrays = dict(trainer.network.params)
    stop_at_call(trainer.optimizer, "update", 5)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert all(trainer.network.params[key] is array for key, array in arrays.items())


def test_training_twice_does_nothing_more_and_more_epochs_go_on():
    straight = build(Adam(0.05), "shared", schedule=None, keep_best=False, epochs=5)
    straight.train()
    trainer = build(Adam(0.05), "shared", schedule=None, keep_best=False, epochs=2)
    trainer.train()
    before = everything(trainer)
    trainer.train()
    assert everything(trainer) == before
    trainer.epochs = 5
    trainer.train()
    assert everything(trainer) == everything(straight)


# Checkpoints


@EACH_OPTIMIZER
def test_a_fresh_trainer_goes_on_from_the_file(snapshots, tmp_path, name, source):
    make = OPTIMIZERS[name]
    straight = build(make(), source)
    straight.train()
    expected = everything(straight)
    path = tmp_path / "run.npz"
    for owner, method, call in (
        ("optimizer", "update", 1),  # before the first epoch is through
        ("network", "loss_and_gradient", 6),  # in the middle of the second
        ("network", "accuracy", 3),  # at its end
        ("optimizer", "update", 11),
    ):
        trainer = build(make(), source, checkpoint=path)
        stop_at_call(getattr(trainer, owner), method, call)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        stopped = everything(trainer)
        fresh = build(make(), source, seed=9, checkpoint=path)
        fresh.load_checkpoint()
        assert everything(fresh) == stopped
        fresh.train()
        assert everything(fresh) == expected, (owner, method, call)


def test_after_each_epoch_the_file_is_written(tmp_path):
    path = tmp_path / "run.npz"
    trainer = build(Adam(0.05), "shared", checkpoint=path)
    iterations = []
    accuracy = trainer.network.accuracy

    def and_look(x, t):
        if path.exists():
            iterations.append(load_checkpoint(path)[0]["iteration"])
        return accuracy(x, t)

    trainer.network.accuracy = and_look
    trainer.train()
    assert iterations == [4, 4, 8, 8]  # twice an epoch: training and test
    assert load_checkpoint(path)[0]["iteration"] == 12
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep_best", [False, True])
def test_a_finished_run_may_be_made_longer(tmp_path, keep_best):
    path = tmp_path / "run.npz"
    options = {"schedule": None, "keep_best": keep_best}
    straight = build(SGD(0.1), "shared", epochs=6, **options)
    straight.train()
    build(SGD(0.1), "shared", checkpoint=path, **options).train()
    longer = build(SGD(0.1), "shared", seed=9, epochs=6, **options)
    longer.load_checkpoint(path)
    assert longer.iteration == 12
    longer.train()
    assert everything(longer) == everything(straight)


def test_a_finished_run_can_be_looked_at_again(tmp_path):
    path = tmp_path / "run.npz"
    trainer = build(SGD(0.1), "shared", checkpoint=path)
    trainer.train()
    again = build(SGD(0.1), "shared", seed=9)
    again.load_checkpoint(path)
    again.train()
    assert everything(again) == everything(trainer)


def test_patience_goes_on_from_the_file(tmp_path):
    path, accuracies = tmp_path / "run.npz", [0.5, 0.4, 0.3, 0.9, 0.9]
    trainer = spied(accuracies=accuracies[:2], epochs=2, checkpoint=path)
    trainer.train()
    again = spied(accuracies=accuracies[2:], epochs=5, patience=2)
    again.load_checkpoint(path)
    again.train()
    assert again.test_acc_list == [0.5, 0.4, 0.3]


def test_a_checkpoint_may_be_written_at_any_time(tmp_path):
    path = tmp_path / "run.npz"
    trainer = build(Adam(0.05), "shared")
    trainer.save_checkpoint()  # to nowhere: there is no path
    trainer.save_checkpoint(path)  # before the first step
    again = build(Adam(0.05), "shared", seed=9)
    again.load_checkpoint(path)
    trainer.train()
    again.train()
    assert everything(again) == everything(trainer)
    trainer.save_checkpoint(str(path))
    third = build(Adam(0.05), "shared", seed=9)
    third.load_checkpoint(str(path))
    third.train()
    assert everything(third) == everything(trainer)


def test_a_checkpoint_holds_no_pickles(tmp_path):
    path = tmp_path / "run.npz"
    build(Adam(0.05), "separate", checkpoint=path).train()
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert {"network/W1", "network/running_var1", "optimizer/m/b3", "best/beta2"} <= set(arrays)
    assert json.loads(str(arrays["about"]))["iteration"] == 12


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.PCG64DXSM])
def test_generators_of_all_kinds_go_on_from_the_file(tmp_path, kind):
    path = tmp_path / "run.npz"
    trainers = [
        build(SGD(0.1), "shared", seed=seed, epochs=epochs, schedule=None, keep_best=False)
        for seed, epochs in ((0, 3), (0, 2), (9, 3))
    ]
    for seed, trainer in zip((0, 0, 9), trainers, strict=True):
        trainer.rng = np.random.Generator(kind(seed))
    straight, first, second = trainers
    straight.train()
    first.train()
    first.save_checkpoint(path)
    second.load_checkpoint(path)
    second.train()
    assert everything(second) == everything(straight)


FOREIGN = {
    "optimizer": lambda: build(SGD(0.1), "shared"),
    "a similar optimizer": lambda: build(AdamW(0.05), "shared"),
    "no shuffle": lambda: build(Adam(0.05), "shared", shuffle=False),
    "global random numbers": lambda: build(Adam(0.05), "global"),
    "network with global random numbers": lambda: build(Adam(0.05), "trainer"),
    "trainer with another generator": lambda: build(Adam(0.05), "separate"),
    "wider": lambda: with_network(MultiLayerNetExtend(4, [9, 3], CLASSES, use_batchnorm=True)),
    "without batch norm": lambda: with_network(MultiLayerNetExtend(4, [5, 3], CLASSES)),
    "of another class": lambda: with_network(MultiLayerNet(4, [5, 3], CLASSES)),
    "batch size": lambda: with_network(None, mini_batch_size=5),
    "fewer examples": lambda: with_network(None, n=20),
}


def with_network(network, n=26, mini_batch_size=BATCH):
    trainer = build(Adam(0.05), "shared")
    network = trainer.network if network is None else network
    network.rng = trainer.rng
    x, t = TRAIN
    return Trainer(
        network,
        x[:n],
        t[:n],
        *TEST,
        epochs=2,
        mini_batch_size=mini_batch_size,
        optimizer=Adam(0.05),
        verbose=False,
        shuffle=True,
        rng=trainer.rng,
    )


def refuses(trainer, path, message):
    """Check that a checkpoint is refused with one ValueError, and nothing is changed by it."""
    before = everything(trainer)
    with pytest.raises(ValueError, match=message) as caught:
        trainer.load_checkpoint(path)
    assert str(path) in str(caught.value)
    assert everything(trainer) == before


def halfway(make=lambda: Adam(0.05), source="shared"):
    trainer = build(make(), source, seed=5)
    stop_at_call(trainer.optimizer, "update", 6)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    return trainer


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_checkpoint_is_refused_and_changes_nothing(tmp_path, foreign):
    path = tmp_path / "run.npz"
    other = FOREIGN[foreign]()
    other.checkpoint = path
    other.train()
    trainer = halfway()
    refuses(trainer, path, "is the checkpoint of another run|can't be resumed from")
    trainer.train()
    straight = build(Adam(0.05), "shared", seed=5)
    straight.train()
    assert everything(trainer) == everything(straight)


@pytest.mark.parametrize("cut", [0, 1, 100, 3000, -1, -100])
def test_a_checkpoint_that_was_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "run.npz"
    build(Adam(0.05), "shared", checkpoint=path).train()
    path.write_bytes(path.read_bytes()[:cut])
    refuses(halfway(), path, r"no \.npz file of plain arrays, or is damaged")


def test_parameters_alone_are_no_checkpoint(tmp_path):
    trainer = halfway()
    trainer.network.save_params(tmp_path / "params.npz")
    refuses(trainer, tmp_path / "params.npz", "holds arrays only, it is no checkpoint")


@pytest.mark.parametrize(
    "missing",
    [
        "iteration",
        "base_lr",
        "seconds",
        "history",
        "best_epoch",
        "random",
        "network_random",
        "settings",
        "network/W1",
        "network/running_mean1",
        "optimizer/iter",
        "order",
        "losses",
    ],
)
def test_a_checkpoint_without_one_of_its_parts_is_refused(tmp_path, missing):
    path = tmp_path / "run.npz"
    build(Adam(0.05), "shared", checkpoint=path).train()
    about, arrays = load_checkpoint(path)
    (about if missing in about else arrays).pop(missing)
    save_checkpoint(path, about, arrays)
    refuses(halfway(), path, "is the checkpoint of another run|can't be resumed from")


@pytest.mark.parametrize("about", [{}, {"settings": None}, {"settings": []}])
def test_the_checkpoint_of_another_program_is_refused(tmp_path, about):
    save_checkpoint(tmp_path / "run.npz", about, {"W1": np.ones(3)})
    refuses(halfway(), tmp_path / "run.npz", "is the checkpoint of another run")


@pytest.mark.parametrize(
    "part",
    [
        {"iteration": "12"},
        {"iteration": -1},
        {"history": []},
        {"best_epoch": 99},
        {"losses": np.ones((2, 2))},
        {"losses": np.ones(3)},
        {"order": np.arange(3)},
        {"order": np.arange(26) + 100},
        {"optimizer/m/W1": np.ones((2, 2))},
        {"optimizer/m/W9": np.ones((2, 2))},
    ],
    ids=str,
)
def test_a_checkpoint_that_contradicts_itself_is_refused(tmp_path, part):
    path = tmp_path / "run.npz"
    build(Adam(0.05), "shared", checkpoint=path).train()
    about, arrays = load_checkpoint(path)
    for key, value in part.items():
        (about if key in about else arrays)[key] = value
    save_checkpoint(path, about, arrays)
    refuses(halfway(), path, "can't be resumed from")


def test_a_missing_checkpoint_is_an_os_error_and_changes_nothing(tmp_path):
    trainer = halfway()
    before = everything(trainer)
    with pytest.raises(FileNotFoundError, match=r"run\.npz"):
        trainer.load_checkpoint(tmp_path / "run.npz")
    with pytest.raises(
        ValueError, match="no checkpoint to load: path and checkpoint are both None"
    ):
        trainer.load_checkpoint()
    assert everything(trainer) == before


def test_a_read_only_folder_is_an_os_error_after_which_training_can_go_on(open_folder, read_only):
    trainer = build(Adam(0.05), "shared", checkpoint=open_folder / "run.npz")
    with read_only(open_folder), pytest.raises(PermissionError, match=r"run\.npz"):
        trainer.train()
    assert trainer.iteration == 4
    assert list(open_folder.iterdir()) == []
    trainer.train()
    straight = build(Adam(0.05), "shared")
    straight.train()
    assert everything(trainer) == everything(straight)


def test_a_missing_folder_is_an_os_error_that_names_it(tmp_path):
    trainer = build(Adam(0.05), "shared", checkpoint=tmp_path / "nowhere" / "run.npz")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        trainer.train()


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    trainer = build(Adam(0.05), "shared", checkpoint=path, epochs=2)
    trainer.train()
    old = path.read_bytes()

    def no_space(*_):
        raise OSError("no space left")

    monkeypatch.setattr(type(path), "replace", no_space)
    trainer.epochs = 3
    with pytest.raises(OSError, match="no space left"):
        trainer.train()
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


# Training that diverges


def explosive(dtype=np.float64, epochs=50, **options):
    """Return a trainer whose weight decay makes W 2000 times larger at each step."""
    network = MultiLayerNet(
        4, [], CLASSES, weight_decay_lambda=1, rng=np.random.default_rng(0), dtype=dtype
    )
    return Trainer(
        network,
        *TRAIN,
        *TEST,
        epochs,
        BATCH,
        SGD(2001),
        verbose=False,
        rng=np.random.default_rng(0),
        **options,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_run_that_diverges_ends_in_one_error_and_a_finite_loss(monkeypatch, tmp_path, dtype):
    monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", math.inf)
    trainer = explosive(dtype, checkpoint=tmp_path / "run.npz")
    with pytest.raises(NonFiniteError, match=r"the loss is inf: .*; a smaller learning rate or"):
        trainer.train()
    assert trainer.iteration == (4 if dtype == np.float32 else 44)
    assert math.isfinite(trainer.network.loss(*TEST))
    assert all(map(math.isfinite, trainer.train_loss_list))
    resumed = explosive(dtype)
    resumed.load_checkpoint(tmp_path / "run.npz")
    assert everything(resumed) == everything(trainer)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_first_step_may_already_be_too_large(monkeypatch, optimizer):
    monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", math.inf)
    network = MultiLayerNet(4, [5, 3], CLASSES, rng=np.random.default_rng(0))
    before = as_bytes(network.params)
    trainer = Trainer(network, *TRAIN, *TEST, 1, BATCH, optimizer, {"lr": 1e200}, verbose=False)
    with pytest.raises(NonFiniteError):
        trainer.train()
    assert as_bytes(network.params) == before
    assert trainer.iteration == 0


def test_a_smaller_step_then_lets_it_go_on(monkeypatch):
    monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", math.inf)
    network = MultiLayerNet(4, [5], CLASSES, rng=np.random.default_rng(0))
    trainer = Trainer(
        network, *TRAIN, *TEST, 5, BATCH, SGD(1e200), verbose=False, rng=np.random.default_rng(0)
    )
    with pytest.raises(NonFiniteError):
        trainer.train()
    trainer.optimizer.lr = 0.1
    trainer.train()
    assert len(trainer.history) == 5
    assert trainer.history[-1]["loss"] < 1.2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_that_is_so_also_if_a_snapshot_was_due_just_then(monkeypatch, tmp_path, dtype):
    monkeypatch.setattr(trainer_module, "SECONDS_BETWEEN_SNAPSHOTS", -1.0)
    trainer = explosive(dtype, checkpoint=tmp_path / "run.npz")
    with pytest.raises(NonFiniteError):
        trainer.train()
    assert math.isfinite(trainer.network.loss(*TEST))
    resumed = explosive(dtype)
    resumed.load_checkpoint(tmp_path / "run.npz")
    assert math.isfinite(resumed.network.loss(*TEST))


# A reader's own network


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


def readers(network=None, seed=0, **options):
    options = {"epochs": 3, "shuffle": True, "keep_best": True} | options
    return Trainer(
        ReadersNet() if network is None else network,
        *TRAIN,
        *TEST,
        mini_batch_size=BATCH,
        optimizer="momentum",
        optimizer_param={"lr": 0.1},
        verbose=False,
        rng=np.random.default_rng(seed),
        **options,
    )


def test_a_readers_own_network_learns():
    trainer = readers(epochs=20)
    trainer.train()
    assert trainer.history[-1]["loss"] < 0.6 * trainer.history[0]["loss"]
    assert max(trainer.train_acc_list) > 0.8


@pytest.mark.parametrize("stop", range(12))
def test_a_readers_own_network_can_be_interrupted_and_resumed(snapshots, tmp_path, stop):
    straight = readers()
    straight.train()
    path = tmp_path / "run.npz"
    trainer = readers(checkpoint=path)
    arrays = dict(trainer.network.params)
    stop_at_call(trainer.network, "gradient", stop)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    fresh = readers(ReadersNet(seed=9), seed=9)
    fresh.load_checkpoint(path)
    assert everything(fresh) == everything(trainer)
    for resumed in (trainer, fresh):
        resumed.train()
        assert everything(resumed) == everything(straight)
    assert all(trainer.network.params[key] is array for key, array in arrays.items())


def test_a_gradient_without_one_of_the_parameters_is_an_error():
    network = ReadersNet()
    gradient = network.gradient
    network.gradient = lambda x, t: {k: g for k, g in gradient(x, t).items() if k != "b1"}
    with pytest.raises(ValueError, match="grads lacks b1 of params"):
        readers(network).train()


def test_a_checkpoint_of_a_wider_network_does_not_fit_a_readers_own(tmp_path):
    path = tmp_path / "run.npz"
    readers(ReadersNet(6), checkpoint=path).train()
    trainer = readers()
    refuses(trainer, path, "can't be resumed from")


@pytest.mark.parametrize("other", ["one unit", "one parameter more"])
def test_nor_does_that_of_a_network_with_one_unit_or_with_more_parameters(tmp_path, other):
    path = tmp_path / "run.npz"
    network = ReadersNet(1) if other == "one unit" else ReadersNet()
    if other != "one unit":
        gradient = network.gradient
        network.params["scale"] = np.ones(2)
        network.gradient = lambda x, t: gradient(x, t) | {"scale": np.zeros(2)}
    readers(network, checkpoint=path).train()
    refuses(readers(), path, "can't be resumed from")


def test_more_epochs_after_the_best_was_kept_go_on_from_the_last_one():
    straight = build(Adam(0.05), "shared", keep_best=True, schedule=None)
    straight.train()
    trainer = build(Adam(0.05), "shared", keep_best=True, schedule=None)
    epochs, trainer.epochs = trainer.epochs, 1
    trainer.train()
    trainer.epochs = epochs
    trainer.train()
    assert everything(trainer) == everything(straight)


def test_a_checkpoint_can_be_written_again_as_soon_as_it_was_read(tmp_path):
    paths = tmp_path / "run.npz", tmp_path / "again.npz"
    build(Adam(0.05), "shared", checkpoint=paths[0]).train()
    trainer = halfway()
    trainer.load_checkpoint(paths[0])
    trainer.save_checkpoint(paths[1])
    about, arrays = zip(*map(load_checkpoint, paths), strict=True)
    assert about[0] == about[1]
    assert all(np.array_equal(arrays[0][key], arrays[1][key]) for key in arrays[0])
