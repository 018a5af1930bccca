"""However and wherever a training is stopped, it goes on as if it had not been."""

import itertools
import json
import sys

import numpy as np
import pytest

from common.multi_layer_net_extend import MultiLayerNetExtend
from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from common.support.errors import DivergenceWarning
from common.support.files import load_arrays
from common.training import (
    Callback,
    Checkpoint,
    EarlyStopping,
    Evaluation,
    Training,
    callbacks,
    loop,
    step_decay,
)
from tests.common.training.trainers import CLASSES, STEPS, ReadersNet, build, everything

# Each row: an option of `build`, or how a reader's own part looks.
OPTIMIZERS = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW]
SETUPS = {
    **{kind.__name__: lambda kind=kind, **o: build(kind(0.05), **o) for kind in OPTIMIZERS},
    **{
        source: lambda source=source, **o: build(Adam(0.05), source, **o)
        for source in ("global", "separate", "network", "trainer")
    },
    "no shuffle": lambda **o: build(Adam(0.05), shuffle=False, **o),
    "no schedule": lambda **o: build(Adam(0.05), **{"schedule": None} | o),
    "steps": lambda **o: build(Adam(0.05), **{"schedule": step_decay()} | o),
    "last parameters": lambda **o: build(Adam(0.05), keep_best=False, **o),
    "patience": lambda **o: build(Adam(0.05), patience=1, **o),
    "reader's network": lambda **o: build(Momentum(0.1), network=ReadersNet(), **o),
}
# Each row: whose method is stopped in which call, and whether it has done its work by then.
MOMENTS = [
    ("network", "gradient", 0, False),
    ("network", "gradient", 6, True),
    ("network", "gradient", 11, True),
    ("network", "accuracy", 0, False),
    ("network", "accuracy", 3, True),
    ("network", "accuracy", 5, True),
    ("optimizer", "update", 0, True),
    ("optimizer", "update", 5, False),
    ("optimizer", "update", 11, True),
    ("optimizer", "_step", 2, True),  # some of the parameters have taken the step
    ("optimizer", "_step", 45, False),
]


class Unlucky(RuntimeError):
    """Some error of the reader's own."""


ERRORS = itertools.cycle([KeyboardInterrupt, SystemExit(143), Unlucky])


@pytest.fixture(params=[float("inf"), 0.0], ids=["snapshots-always", "snapshots-never"])
def snapshots(request, monkeypatch):
    monkeypatch.setattr(loop, "SNAPSHOT_FRACTION", request.param)
    return request.param


def stop_at_call(trainer, owner, name, call, after):
    """Let a method raise an error once, in the given call, before or after it does its work."""
    owner = getattr(trainer, owner)
    if name == "gradient" and hasattr(owner, "loss_and_gradient"):
        name = "loss_and_gradient"
    method, calls = getattr(owner, name), itertools.count()

    def stopping(*arguments, **options):
        if next(calls) != call:
            return method(*arguments, **options)
        if after:
            method(*arguments, **options)
        raise next(ERRORS)

    setattr(owner, name, stopping)


@pytest.mark.parametrize("setup", SETUPS)
def test_an_interrupted_training_ends_as_if_it_had_not_been(snapshots, tmp_path, setup):
    make, path = SETUPS[setup], tmp_path / "run.npz"
    straight = make()
    straight.train()
    expected = everything(straight)
    for moment in MOMENTS:
        path.unlink(missing_ok=True)
        trainer = make(checkpoint=path)
        arrays = dict(trainer.network.params)
        stop_at_call(trainer, *moment)
        try:
            trainer.train()
        except (KeyboardInterrupt, SystemExit, Unlucky):
            at = trainer.iteration
            assert at == 0 or (snapshots > 0 and at < straight.iteration)
            assert trainer.optimizer.iter == len(trainer.train_loss_list) == at
            assert len(trainer.history) == at // STEPS
            assert path.exists() == (at > 0)  # a training that did nothing writes nothing
        else:
            assert setup == "patience"  # it had stopped before
        content = path.read_bytes() if path.exists() else None
        if not trainer.training.finished:
            trainer.train()
        assert everything(trainer) == expected, moment
        if content is not None:
            path.write_bytes(content)
            fresh = make(seed=9, checkpoint=path)
            fresh.load_checkpoint()
            fresh.train()
            assert everything(fresh) == expected, moment
        assert all(trainer.network.params[key] is array for key, array in arrays.items())


def test_nor_does_it_matter_how_often_that_happens(snapshots):
    straight, trainer = build(Adam(0.05)), build(Adam(0.05))
    straight.train()
    update, calls, interruptions = trainer.optimizer.update, itertools.count(1), 0

    def stopping(params, grads):
        update(params, grads)
        if next(calls) in (3, 5, 6, 20):
            raise KeyboardInterrupt

    trainer.optimizer.update = stopping
    while not trainer.training.finished:
        try:
            trainer.train()
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions >= 3
    assert everything(trainer) == everything(straight)


def stop_at_line(trainer, number):
    """Train until Ctrl-C strikes at the given line of our code; return how many were run."""
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
    def make():
        return build(Adam(0.05), "separate", epochs=1)

    straight = make()
    straight.train()
    before = warnings_and_errors()
    lines = stop_at_line(make(), None)
    assert lines > 1000
    numbers = np.random.default_rng(0).choice(lines, 30, replace=False) + 1
    last = range(lines - 200, lines + 1, 3)
    for number in [1, 2, 30, *numbers.tolist(), *last]:
        trainer = make()
        stop_at_line(trainer, number)
        if not trainer.training.finished:
            trainer.train()
        assert warnings_and_errors() == before
        assert everything(trainer) == everything(straight), number


@pytest.mark.parametrize("owner", ["network", "optimizer"])
@pytest.mark.parametrize("after", [False, True])
def test_ctrl_c_may_strike_again_while_the_first_is_undone(snapshots, owner, after):
    trainer, straight = build(Adam(0.05)), build(Adam(0.05))
    straight.train()
    stop_at_call(trainer, "optimizer", "update", 6, after=True)
    stop_at_call(trainer, owner, "set_state", 0, after)
    with pytest.raises((KeyboardInterrupt, SystemExit, Unlucky)):
        trainer.train()
    trainer.train()
    assert everything(trainer) == everything(straight)


def warnings_and_errors():
    return np.geterr(), len(sys.modules["warnings"].filters)


def test_the_second_of_two_trainings_can_be_interrupted_and_resumed(snapshots, tmp_path):
    path = tmp_path / "run.npz"
    straight, trainer = (build(Adam(0.05), epochs=2, patience=2) for _ in range(2))
    for _ in range(2):
        straight.train()
    trainer.train()
    trainer.save_checkpoint(path)
    stop_at_call(trainer, "optimizer", "update", 5, after=True)
    with pytest.raises((KeyboardInterrupt, SystemExit, Unlucky)):
        trainer.train()
    trainer.save_checkpoint(path)
    fresh = build(Adam(0.05), seed=9, epochs=2, patience=2)
    fresh.load_checkpoint(path)
    for again in (trainer, fresh):
        again.train()
        assert everything(again) == everything(straight)


def test_a_finished_training_may_be_made_longer_or_looked_at_again(tmp_path):
    path, options = tmp_path / "run.npz", {"schedule": None}
    straight = build(SGD(0.1), epochs=6, **options)
    straight.train()
    first = build(SGD(0.1), checkpoint=path, **options)
    first.train()
    content = path.read_bytes()
    for epochs, expected in ((6, straight), (3, first)):
        again = build(SGD(0.1), seed=9, epochs=epochs, **options)
        again.load_checkpoint(path)
        again.train()
        assert everything(again) == everything(expected)
    assert path.read_bytes() == content


def test_patience_and_other_printing_may_be_chosen_when_a_training_is_resumed(tmp_path):
    path = tmp_path / "run.npz"
    build(SGD(1e-9), epochs=3, checkpoint=path).train()
    again = build(SGD(1e-9), epochs=9, patience=2, verbose=True)
    again.load_checkpoint(path)
    again.train()
    rows = len(again.history)
    assert 3 <= rows < 9
    assert rows - again.best_epoch == 2


def test_the_new_learning_rate_counts_and_changed_settings_are_told(tmp_path):
    path = tmp_path / "run.npz"
    build(SGD(0.1), checkpoint=path, settings={"workers": 2, "threads": 1}).train()
    again = build(SGD(0.3), epochs=6, schedule=None, settings={"workers": 1, "threads": 1})
    assert again.load_checkpoint(path) == ["workers was 2, is now 1"]
    again.train()
    assert [row["lr"] for row in again.history[3:]] == [0.3] * 3


# Callbacks


class Counter(Callback):
    def __init__(self):
        self.calls = []

    def after_step(self, training):
        self.calls.append(training.step)


def network():
    return MultiLayerNetExtend(4, [3], CLASSES, rng=np.random.default_rng(0))


def test_a_hand_written_loop_has_steps_and_callbacks_and_may_be_left_by_break():
    counter = Counter()
    with Training(network(), 5, callbacks=[counter]) as training:
        for step in training.steps():
            training.record(loss=step / 2)
            if step == 3:
                break
    assert training.step == 3
    assert training.losses == [0.5, 1.0, 1.5]
    assert training.snapshot_step == 3
    assert counter.calls == [1, 2, 3]


def test_rows_come_every_so_many_steps_and_first_and_last():
    for every, first, rows in ((3, False, [3, 6, 7]), (3, True, [1, 3, 6, 7]), (9, False, [7])):
        evaluation = Evaluation(lambda training: {"step": training.step}, every, first=first)
        with Training(network(), 7, callbacks=[evaluation]) as training:
            assert list(training.steps()) == [1, 2, 3, 4, 5, 6, 7]
        assert [row["step"] for row in training.history] == rows


def test_a_checkpoint_is_written_every_ten_seconds_of_the_last_snapshot(tmp_path, monkeypatch):
    path, saved = tmp_path / "run.npz", []
    monkeypatch.setattr(loop, "SNAPSHOT_FRACTION", float("inf"))
    for seconds, expected in ((-1.0, [0, 0, 1, 2]), (float("inf"), [0, 0, 0, 0])):
        monkeypatch.setattr(callbacks, "SECONDS_BETWEEN_CHECKPOINTS", seconds)
        path.unlink(missing_ok=True)
        saved.clear()
        with Training(network(), 4, callbacks=[Checkpoint(path)]) as training:
            for _ in training.steps():
                about = json.loads(str(load_arrays(path)["about"])) if path.exists() else {}
                saved.append(about.get("training", {"step": 0})["step"])
        assert saved == expected
        assert json.loads(str(load_arrays(path)["about"]))["training"]["step"] == 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("parent", ["nowhere", "."])
def test_a_checkpoint_that_cannot_be_written_is_named_before_the_first_step(tmp_path, parent):
    path = tmp_path / parent / "run.npz"
    if parent == ".":
        path.mkdir()
    trainer = build(Adam(0.05), checkpoint=path)
    with pytest.raises(OSError, match=r"run\.npz"):
        trainer.train()
    assert trainer.iteration == 0


def test_a_read_only_folder_is_an_error_after_which_training_can_go_on(open_folder, read_only):
    trainer, straight = build(Adam(0.05), checkpoint=open_folder / "run.npz"), build(Adam(0.05))
    straight.train()
    with read_only(open_folder), pytest.raises(PermissionError, match=r"run\.npz"):
        trainer.train()
    assert list(open_folder.iterdir()) == []
    trainer.train()
    assert everything(trainer) == everything(straight)


def test_a_write_that_fails_in_the_end_keeps_the_old_file_and_can_be_done_again(
    tmp_path, monkeypatch
):
    path = tmp_path / "run.npz"
    trainer, straight = build(Adam(0.05), checkpoint=path), build(Adam(0.05))
    for _ in range(2):
        straight.train()
    trainer.train()
    old = path.read_bytes()

    def no_space(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", no_space)
        with pytest.raises(OSError, match=r"No space left on device: .*run\.npz"):
            trainer.train()
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    trainer.train()
    assert everything(trainer) == everything(straight)
    assert path.read_bytes() != old


def test_parameters_of_a_snapshot_and_the_best_ones_are_copies():
    trainer = build(SGD(0.1), keep_best=False)
    trainer.train()
    snapshot, best = trainer.training.snapshot["network"], trainer.best_params
    for key, array in trainer.network.state().items():
        assert not np.shares_memory(array, snapshot[key])
        assert not np.shares_memory(array, best[key])


def test_early_stopping_takes_effect_in_a_loop_by_hand():
    rows = iter([0.5, 0.4, 0.4, 0.4])
    around = [
        Evaluation(lambda _: {"loss": 1.0, "test_acc": next(rows)}, 1),
        EarlyStopping(patience=2),
    ]
    with Training(network(), 9, callbacks=around) as training:
        assert list(training.steps()) == [1, 2, 3]
    assert training.stop_reason == "the best test accuracy was that of epoch 1"


@pytest.mark.parametrize("loss", [np.inf, -np.inf, np.nan])
def test_a_loss_that_is_not_finite_ends_a_loop_by_hand(loss):
    training = Training(network(), 9)

    def loop():
        with training:
            for step in training.steps():
                training.record(loss=loss if step == 3 else 1.0)

    with pytest.raises(DivergenceWarning, match=f"the loss is {loss}"):
        loop()
    assert training.step == 3
    assert training.losses[:2] == [1.0, 1.0]
    assert np.isnan(training.losses[2])
