import json

import numpy as np
import pytest

from common.multi_layer_net import MultiLayerNet
from common.multi_layer_net_extend import MultiLayerNetExtend
from common.optimizer import SGD, Adam, AdamW, Momentum
from common.support.files import load_arrays, save_arrays
from common.support.random_state import random_state, set_random_state
from common.training.checkpoint import load_checkpoint, save_checkpoint
from tests.common.training.trainers import CLASSES, TRAIN, ReadersNet, build, everything
from tests.helpers import as_bytes

STATE = {
    "network": {"W1": np.array([[1 / 3, -0.0], [np.nan, np.inf]]), "empty": np.empty((0, 3))},
    "training": {"losses": np.array([2.3], np.float32), "history": [{"epoch": 1, "loss": 0.3}]},
    "about": {"text": "ε = 1e-7", "nothing": None},
    "empty": {},
}


@pytest.mark.parametrize("as_type", [str, lambda path: path])
def test_everything_comes_back_bit_for_bit_from_exactly_that_file(tmp_path, as_type):
    save_checkpoint(as_type(tmp_path / "run.ckpt"), STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["run.ckpt"]
    loaded = load_checkpoint(as_type(tmp_path / "run.ckpt"))
    assert loaded.keys() == STATE.keys()
    assert as_bytes(loaded["network"]) == as_bytes(STATE["network"])
    assert loaded["training"].pop("losses").dtype == np.float32
    assert loaded["training"] == {"history": [{"epoch": 1, "loss": 0.3}]}
    assert loaded["about"] == STATE["about"]


def test_a_checkpoint_holds_no_pickles(tmp_path):
    path = tmp_path / "run.npz"
    build(Adam(0.05), "separate", checkpoint=path).train()
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert {"network/W1", "network/running_var1", "optimizer/m/b3"} <= arrays.keys()
    assert {"BestParameters/beta2", "training/losses", "MiniBatches/order"} <= arrays.keys()


def test_objects_are_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(path, STATE)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="W holds Python objects"):
        save_checkpoint(path, {"network": {"W": np.array([None])}})
    with pytest.raises(AttributeError):
        save_checkpoint(path, {"network": {"a": object()}})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# What is no checkpoint of this training: each row is a fault, and what the error says.


def altered(change):
    """Return a damage: `change` is given the file's JSON and its arrays, and alters them."""

    def damage(path):
        arrays = load_arrays(path)
        about = json.loads(str(arrays.pop("about")))
        change(about, arrays)
        save_arrays(path, {**arrays, "about": np.array(json.dumps(about))})

    return damage


def replaced(place, value):
    """Return a damage that puts `value` at ``"part/key"`` of the file."""

    def change(about, arrays):
        part, _, key = place.partition("/")
        if place in arrays:
            arrays[place] = value
        else:
            assert key in about[part]
            about[part][key] = value

    return altered(change)


def lacking(place):
    def change(about, arrays):
        part, _, key = place.partition("/")
        if arrays.pop(place, None) is None:
            del about[part][key]

    return altered(change)


def written_by(**how):
    """Return a damage that is no damage: the checkpoint of another trainer."""

    def write(path):
        options = {"optimizer": Adam(0.05), "epochs": 1} | how
        build(**options, checkpoint=path).train()

    return write


def extended(hidden, **options):
    return MultiLayerNetExtend(4, hidden, CLASSES, rng=np.random.default_rng(0), **options)


def raw_about(value):
    return lambda path: save_arrays(path, {"about": value})


DAMAGED = "is damaged"
FOREIGN = "of another training: .* is .*, not "
FAULTS = {
    "cut to nothing": (lambda path: path.write_bytes(b""), "or is damaged"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:3000]), "or is damaged"),
    "end missing": (lambda path: path.write_bytes(path.read_bytes()[:-30]), "or is damaged"),
    "text": (lambda path: path.write_text("not a checkpoint"), "or is damaged"),
    "parameters only": (lambda path: save_arrays(path, {"W1": np.ones(3)}), "arrays only"),
    "list": (raw_about(np.array("[1, 2]")), "format unknown"),
    "null": (raw_about(np.array("null")), "format unknown"),
    "half of JSON": (raw_about(np.array("{")), "is no checkpoint"),
    "numbers": (raw_about(np.arange(3)), "is no checkpoint"),
    "deep": (raw_about(np.array("[" * 100_000)), "is no checkpoint"),
    "version 1 or 2": (altered(lambda about, _: about.pop("format")), "of format 1 or 2, .* anew"),
    "version 4": (altered(lambda about, _: about.update(format=4)), "of format 4, this version"),
    "part no dict": (altered(lambda about, _: about.update(training=[1])), "parts are no dicts"),
    "nothing": (altered(lambda about, arrays: (about.pop("training"), arrays.clear())), DAMAGED),
    **{
        f"no {place}": (lacking(place), f"{DAMAGED}|W1|running_mean1")
        for place in (
            *("training/kind", "training/settings", "training/step", "training/start"),
            *("training/losses", "training/history", "training/random", "training/start_row"),
            *("network/W1", "network/running_mean1", "optimizer/iter"),
            *("MiniBatches/order", "MiniBatches/seconds"),
        )
    },
    **{
        f"{place} {value}": (replaced(place, value), f"{DAMAGED}|W1")
        for place, value in (
            *(("training/step", value) for value in ("12", 12.0, [12])),
            *(("training/random", value) for value in ([], None, [1], [{}], [{"state": 1}])),
            *(("training/history", value) for value in (None, 3)),
            *(("network/W1", value) for value in (np.ones((2, 2)), np.full((4, 5), "1"))),
            *(("optimizer/iter", np.array(value)) for value in ("x", [1, 2])),
            *(("MiniBatches/seconds", value) for value in ("x", None, [1])),
        )
    },
    "another optimizer": (written_by(optimizer=SGD(0.1)), FOREIGN),
    "a similar optimizer": (written_by(optimizer=AdamW(0.05)), FOREIGN),
    "no shuffle": (written_by(shuffle=False), FOREIGN),
    "mini-batches of 5": (written_by(mini_batch_size=5), FOREIGN),
    "fewer examples": (written_by(train=[array[:20] for array in TRAIN]), FOREIGN),
    "network of another class": (written_by(network=MultiLayerNet(4, [5, 3], CLASSES)), FOREIGN),
    "reader's network": (written_by(network=ReadersNet()), FOREIGN),
    "wider": (written_by(network=extended([9, 3], use_batchnorm=True)), r"W1 in .* \(4, 9\)"),
    "without batch norm": (written_by(network=extended([5, 3])), "holds the parameters"),
    "global random numbers": (written_by(source="global"), DAMAGED),
    "network with global ones": (written_by(source="trainer"), DAMAGED),
    "another generator": (written_by(source="separate"), DAMAGED),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_or_foreign_checkpoint_is_refused_by_name_and_changes_nothing(tmp_path, fault):
    path = tmp_path / "run.npz"
    build(Adam(0.05), checkpoint=path).train()
    damage, message = FAULTS[fault]
    damage(path)
    trainer = build(Adam(0.05), seed=5, epochs=1)
    trainer.train()
    before = everything(trainer)
    with pytest.raises(ValueError, match=message) as caught:
        trainer.load_checkpoint(path)
    assert str(path) in str(caught.value)
    assert everything(trainer) == before
    straight = build(Adam(0.05), seed=5, epochs=1)
    for _ in range(2):
        straight.train()
    trainer.train()
    assert everything(trainer) == everything(straight)


@pytest.mark.parametrize("change", [{"hidden": 6}, {"hidden": 1}, {"extra": np.ones(2)}])
def test_that_of_another_network_does_not_fit_a_readers_own(tmp_path, change):
    path = tmp_path / "run.npz"
    network = ReadersNet(change.get("hidden", 5))
    if "extra" in change:
        gradient = network.gradient
        network.params["scale"] = change["extra"]
        network.gradient = lambda x, t: gradient(x, t) | {"scale": np.zeros(2)}
    build(Momentum(0.1), network=network, checkpoint=path).train()
    trainer = build(Momentum(0.1), network=ReadersNet())
    before = everything(trainer)
    with pytest.raises(ValueError, match="parameters have other names or shapes"):
        trainer.load_checkpoint(path)
    assert everything(trainer) == before


def test_a_missing_checkpoint_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.npz"):
        build(Adam(0.05)).load_checkpoint(tmp_path / "run.npz")
    with pytest.raises(ValueError, match="path and checkpoint are both None"):
        build(Adam(0.05)).load_checkpoint()


def test_no_single_altered_byte_gives_other_numbers(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(path, {"training": {"step": 5, "W": np.arange(4.0)}})
    content = path.read_bytes()
    for position in np.random.default_rng(0).choice(len(content), 150, replace=False):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        try:
            loaded = load_checkpoint(path)
        except ValueError:
            continue
        assert loaded["training"].pop("W").tolist() == [0, 1, 2, 3]
        assert loaded["training"] == {"step": 5}


# The state of random numbers


KINDS = ["PCG64", "MT19937", "SFC64"]
SOURCES = {"global": None} | {
    kind: np.random.Generator(getattr(np.random, kind)(0)) for kind in KINDS
}


def draw(rng):
    source = np.random if rng is None else rng
    return [source.standard_normal(), source.random(), *source.permutation(7), source.choice(9)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("drawn_before", [0, 1, 3])
def test_random_numbers_go_on_from_json(source, drawn_before):
    rng = SOURCES[source]
    for _ in range(drawn_before):
        draw(rng)
    if rng is not None:
        rng.integers(0, 5, dtype=np.int32)  # leaves half of a 64-bit number for the next time
    else:
        np.random.standard_normal()  # the legacy generator makes two at a time
    state = random_state(rng)
    text = json.dumps(state, default=lambda array: array.tolist())
    expected = [draw(rng) for _ in range(3)]
    assert json.dumps(state, default=lambda array: array.tolist()) == text  # it is no view
    set_random_state(rng, json.loads(text))
    assert [draw(rng) for _ in range(3)] == expected


@pytest.mark.parametrize("source", ["global", "PCG64"])
@pytest.mark.parametrize(
    "state", [None, {}, {"bit_generator": "PCG64"}, "PCG64", [1, 2], *KINDS[2:]]
)
def test_what_is_no_state_or_that_of_another_generator_is_refused(source, state):
    rng = SOURCES[source]
    before = repr(random_state(rng))
    state = random_state(SOURCES[state]) if isinstance(state, str) and state != "PCG64" else state
    with pytest.raises((ValueError, TypeError, KeyError)):
        set_random_state(rng, state)
    assert repr(random_state(rng)) == before
