import json

import numpy as np
import pytest

from common.support.files import save_arrays
from common.support.random_state import random_state, set_random_state
from common.training.checkpoint import load_checkpoint, save_checkpoint

ARRAYS = {
    "network/W1": np.array([[1 / 3, -0.0], [np.nan, np.inf]]),
    "losses": np.array([2.3, 2.1], np.float32),
    "order": np.arange(5),
    "empty": np.empty((0, 3)),
}
ABOUT = {
    "settings": {"network": "MultiLayerNet", "shuffle": True},
    "history": [{"epoch": 1, "loss": 0.1 + 0.2}],
    "best_epoch": None,
    "text": "ε = 1e-7",
}
GENERATORS = [
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.MT19937,
    np.random.Philox,
    np.random.SFC64,
]


def test_everything_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(path, ABOUT, ARRAYS)
    about, arrays = load_checkpoint(path)
    assert about == ABOUT
    assert arrays.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        assert arrays[key].dtype == array.dtype
        assert arrays[key].shape == array.shape
        assert arrays[key].tobytes() == array.tobytes()


@pytest.mark.parametrize("as_type", [str, lambda path: path])
def test_the_path_may_be_text_and_the_file_gets_exactly_that_name(tmp_path, as_type):
    save_checkpoint(as_type(tmp_path / "run.ckpt"), ABOUT, ARRAYS)
    assert [path.name for path in tmp_path.iterdir()] == ["run.ckpt"]
    assert load_checkpoint(as_type(tmp_path / "run.ckpt"))[0] == ABOUT


def test_arrays_and_numbers_of_numpy_are_read_back_as_lists_and_numbers(tmp_path):
    path = tmp_path / "run.npz"
    about = {"key": np.arange(3), "n": np.int64(3), "x": np.float64(0.1), "y": np.float32(0.1)}
    save_checkpoint(path, about, {})
    assert load_checkpoint(path)[0] == {
        "key": [0, 1, 2],
        "n": 3,
        "x": 0.1,
        "y": float(np.float32(0.1)),
    }


def test_a_checkpoint_holds_no_pickles(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(path, ABOUT | {"random": random_state(None)}, ARRAYS)
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {*ARRAYS, "about"}
        assert not any(file[name].dtype.hasobject for name in file.files)


def test_objects_are_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(path, ABOUT, ARRAYS)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="W holds Python objects"):
        save_checkpoint(path, ABOUT, {"W": np.array([None])})
    with pytest.raises(AttributeError):
        save_checkpoint(path, {"network": object()}, ARRAYS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_arrays_only_is_no_checkpoint(tmp_path):
    save_arrays(tmp_path / "params.npz", ARRAYS)
    with pytest.raises(ValueError, match=r"params\.npz holds arrays only, it is no checkpoint"):
        load_checkpoint(tmp_path / "params.npz")


@pytest.mark.parametrize("about", ["[1, 2]", "3", '"text"', "null"])
def test_an_about_that_is_no_dict_is_no_checkpoint(tmp_path, about):
    save_arrays(tmp_path / "run.npz", {"about": np.array(about)})
    with pytest.raises(ValueError, match=r"run\.npz is no checkpoint"):
        load_checkpoint(tmp_path / "run.npz")


@pytest.mark.parametrize("about", ["", "{", "no JSON", "{'a': 1}"])
def test_an_about_that_is_no_json_is_a_value_error(tmp_path, about):
    save_arrays(tmp_path / "run.npz", {"about": np.array(about)})
    with pytest.raises(ValueError):  # noqa: PT011  (its text is looked at below)
        load_checkpoint(tmp_path / "run.npz")


@pytest.mark.parametrize("about", [np.array("{"), np.arange(3), np.array(b"{}")])
def test_an_about_that_is_no_json_names_the_file(tmp_path, about):
    save_arrays(tmp_path / "run.npz", {"about": about})
    with pytest.raises(ValueError, match=r"run\.npz"):
        load_checkpoint(tmp_path / "run.npz")


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_a_file_that_was_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "run.npz"
    save_checkpoint(path, ABOUT, ARRAYS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"run\.npz is no \.npz file"):
        load_checkpoint(path)


def test_no_single_altered_byte_gives_other_numbers(tmp_path):
    path = tmp_path / "run.npz"
    save_checkpoint(path, {"iteration": 5}, {"W": np.arange(4.0)})
    content = path.read_bytes()
    for position in np.random.default_rng(0).choice(len(content), 150, replace=False):
        altered = bytearray(content)
        altered[position] ^= 0x55
        path.write_bytes(altered)
        try:
            about, arrays = load_checkpoint(path)
        except ValueError:
            continue
        assert about == {"iteration": 5}
        assert {key: array.tolist() for key, array in arrays.items()} == {"W": [0, 1, 2, 3]}


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.npz"):
        load_checkpoint(tmp_path / "run.npz")


# The state of random numbers


def draw(rng):
    source = np.random if rng is None else rng
    return [source.standard_normal(), source.random(), *source.permutation(7), source.choice(9)]


def sources():
    return [None, *(np.random.Generator(kind(0)) for kind in GENERATORS)]


@pytest.mark.parametrize("rng", sources(), ids=["global", *(kind.__name__ for kind in GENERATORS)])
@pytest.mark.parametrize("drawn_before", [0, 1, 3])
def test_random_numbers_go_on_from_json(rng, drawn_before):
    for _ in range(drawn_before):
        draw(rng)
    if rng is not None:
        rng.integers(0, 5, dtype=np.int32)  # leaves half of a 64-bit number for the next time
    else:
        np.random.standard_normal()  # the legacy generator makes two at a time
    state = json.loads(json.dumps(random_state(rng), default=lambda array: array.tolist()))
    expected = [draw(rng) for _ in range(3)]
    set_random_state(rng, state)
    assert [draw(rng) for _ in range(3)] == expected


@pytest.mark.parametrize("rng", sources(), ids=["global", *(kind.__name__ for kind in GENERATORS)])
def test_looking_at_the_state_changes_nothing_and_gives_no_view(rng):
    state = random_state(rng)
    assert isinstance(state, dict)
    text = json.dumps(state, default=lambda array: array.tolist())
    assert text == json.dumps(random_state(rng), default=lambda array: array.tolist())
    draw(rng)
    assert text == json.dumps(state, default=lambda array: array.tolist())


@pytest.mark.parametrize("kind", GENERATORS[1:], ids=lambda kind: kind.__name__)
def test_a_state_of_another_generator_is_refused_and_changes_nothing(kind):
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises((ValueError, TypeError, KeyError)):
        set_random_state(rng, np.random.Generator(kind(0)).bit_generator.state)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("state", [None, {}, {"bit_generator": "PCG64"}, "PCG64", [1, 2]])
@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)], ids=["global", "PCG64"])
def test_what_is_no_state_is_refused(rng, state):
    with pytest.raises((ValueError, TypeError, KeyError)):
        set_random_state(rng, state)


def test_the_state_of_a_generator_does_not_fit_the_global_numbers():
    with pytest.raises((ValueError, TypeError, KeyError)):
        set_random_state(None, np.random.default_rng(0).bit_generator.state)
