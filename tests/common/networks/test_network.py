import gc
import io
import pickle
import re
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from common.networks import Network, affine_params
from common.support.errors import NonFiniteError


class Line(Network):
    """The scores are x W + b, and the loss is their mean square."""

    def __init__(self, input_size=2, classes=3, dtype=np.float64):
        super().__init__(input_size, dtype)
        self.params = affine_params((input_size, classes), 1.0, np.random.default_rng(0), dtype)
        self.params["b1"] += np.arange(classes, dtype=dtype)
        self.batches = []

    def predict(self, x):
        x = self.check_input(x)
        self.batches.append(len(x))
        return x.reshape(len(x), -1) @ self.params["W1"] + self.params["b1"]

    def loss(self, x, t):
        return self.check_loss(np.mean(self.predict(x) ** 2), x)

    def gradient(self, x, t):
        raise NotImplementedError


class Echo(Line):
    """The scores are the input itself."""

    def predict(self, x):
        return self.check_input(x)


def as_bytes(network):
    return {key: param.tobytes() for key, param in network.params.items()}


SCORES = np.array([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]])
LABELS = np.array([1, 0, 1, 2])  # right, right, wrong, wrong


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 1000])
@pytest.mark.parametrize("t", [LABELS, np.eye(3)[LABELS], np.eye(3, dtype=np.uint8)[LABELS]])
def test_accuracy_is_the_share_of_right_answers(t, batch_size):
    assert Echo(3).accuracy(SCORES, t, batch_size) == 0.5


def test_accuracy_does_not_depend_on_the_batch_size():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(97, 2)), rng.integers(0, 3, 97)
    expected = sum(Line().predict(row[np.newaxis]).argmax() == k for row, k in zip(x, t)) / 97  # noqa: B905
    for batch_size in (1, 7, 96, 97, 98):
        network = Line()
        assert network.accuracy(x, t, batch_size) == pytest.approx(expected, abs=1e-15)
        assert max(network.batches) == min(batch_size, 97)
        assert sum(network.batches) == 97


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("one_hot", [False, True])
def test_accuracy_needs_no_copy_of_the_whole_split(dtype, one_hot):
    x = np.random.default_rng(0).random((20_000, 784), dtype=np.float32)
    t = np.arange(20_000) % 3
    t = np.eye(3, dtype=np.uint8)[t] if one_hot else t
    network = Line(784, dtype=dtype)
    tracemalloc.start()
    try:
        network.accuracy(x, t)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.2 * x.nbytes  # a chunk of 1000 in float64 is a tenth of x in float32


@pytest.mark.parametrize(
    ("x", "t", "error", "message"),
    [
        (SCORES, LABELS[:3], ValueError, "each of the 4 rows, got 3"),
        (SCORES[:0], LABELS[:0], ValueError, "batch is empty"),
        (SCORES, [0, 1, 2, 3], ValueError, "between 0 and 2, got 3"),
        (SCORES, [0, 1, 2, -1], ValueError, "between 0 and 2, got -1"),
        (SCORES, LABELS.astype(float), TypeError, "integers, got float64"),
        (SCORES, np.eye(4), ValueError, r"\(4, 3\), got \(4, 4\)"),
        (SCORES[:, :2], LABELS, ValueError, r"\(N, 3\), got \(4, 2\)"),
    ],
)
def test_accuracy_refuses_what_does_not_fit(x, t, error, message):
    with pytest.raises(error, match=message):
        Echo(3).accuracy(x, np.asarray(t))


@pytest.mark.parametrize(("x", "t"), [(SCORES[:, :2], LABELS), (SCORES, np.eye(4))])
def test_accuracy_names_the_shape_of_the_whole_input(x, t):
    with pytest.raises(ValueError, match=r"got \(4, [24]\)"):
        Echo(3).accuracy(x, t, batch_size=2)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_accuracy_refuses_a_batch_size_below_1(batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        Echo(3).accuracy(SCORES, LABELS, batch_size)


def test_accuracy_names_the_index_of_a_nan_in_the_whole_input():
    x = SCORES.copy()
    x[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"x holds 1 NaN.*\(3, 1\)"):
        Echo(3).accuracy(x, LABELS, batch_size=2)


def test_non_finite_error_is_a_value_error():
    assert issubclass(NonFiniteError, ValueError)


def test_check_loss_says_what_is_not_finite():
    network, x = Line(), np.ones((2, 2))
    assert network.check_loss(1.5, x) == 1.5
    with pytest.raises(NonFiniteError, match="the loss is inf: the parameters have grown too"):
        network.check_loss(np.inf, x)
    network.params["b1"][0] = np.inf
    with pytest.raises(NonFiniteError, match="the loss is nan: b1 holds NaN or infinity"):
        network.check_loss(np.nan, x)
    x[1, 0] = -np.inf
    with pytest.raises(NonFiniteError, match=r"x holds 1 NaN or infinite values, .*\(1, 0\)"):
        network.check_loss(np.nan, x)


@pytest.mark.parametrize("shape", [(5, 784), (5, 1, 28, 28), (5, 28, 28), (1, 784)])
def test_check_input_accepts_batches_of_any_rank(shape):
    assert Line(784).check_input(np.zeros(shape, np.float32)).shape == shape


@pytest.mark.parametrize("given", [np.uint8, np.int64, bool, np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_check_input_gives_the_dtype_of_the_network(given, dtype):
    x = np.ones((2, 2), given)
    checked = Line(dtype=dtype).check_input(x)
    assert checked.dtype == dtype
    assert (checked is x) == (given == dtype)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((3, 5)), ValueError, r"\(N, 4\), got \(3, 5\)"),
        (np.zeros((3, 2, 3)), ValueError, r"\(N, 4\), got \(3, 2, 3\)"),
        (np.zeros(4), ValueError, r"got \(4,\); a single example is x\[np.newaxis\]"),
        (np.zeros(3), ValueError, r"got \(3,\)$"),
        (1.0, ValueError, r"got \(\)"),
        (np.zeros((0, 4)), ValueError, "batch is empty"),
        (np.zeros((2, 4), complex), TypeError, "real numbers, got complex128"),
        (np.full((2, 4), "7"), TypeError, "real numbers, got <U1"),
        (np.full((2, 4), None), TypeError, "real numbers, got object"),
    ],
)
def test_check_input_refuses(x, error, message):
    with pytest.raises(error, match=message):
        Line(4).check_input(x)


def test_check_input_refuses_a_vector_also_where_an_example_is_one_number():
    with pytest.raises(ValueError, match=r"\(N, 1\), got \(5,\)"):
        Line(1).check_input(np.zeros(5))


@pytest.mark.parametrize("dtype", [int, bool, complex, "U3"])
def test_a_dtype_that_is_no_float_is_refused(dtype):
    with pytest.raises(TypeError, match=f"floating-point type, got {np.dtype(dtype)}"):
        Line(dtype=dtype)


def test_affine_params_have_the_shapes_and_the_spread_asked_for():
    params = affine_params((784, 50, 10), 0.01, np.random.default_rng(0), np.float32)
    assert {key: p.shape for key, p in params.items()} == {
        "W1": (784, 50),
        "b1": (50,),
        "W2": (50, 10),
        "b2": (10,),
    }
    assert {p.dtype for p in params.values()} == {np.dtype(np.float32)}
    assert not params["b1"].any()
    assert not params["b2"].any()
    assert params["W1"].std() == pytest.approx(0.01, rel=0.02)
    assert params["W1"].mean() == pytest.approx(0, abs=2e-4)


@pytest.mark.parametrize("sizes", [(0, 3), (3, -1), (3.0, 2), (3, None), ("3", 2)])
def test_layer_sizes_that_are_no_positive_integers_are_refused(sizes):
    with pytest.raises(ValueError, match="layer sizes must be positive integers, got"):
        affine_params(sizes, 0.01, None, float)


# What save_params and load_params do


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("as_type", [str, Path])
def test_parameters_come_back_from_a_file_bit_for_bit(tmp_path, dtype, as_type):
    path = as_type(tmp_path / "params.npz")
    saved, loaded = Line(dtype=dtype), Line(dtype=dtype)
    saved.params["W1"][0] = [-0.0, 1 / 3, np.nan]
    saved.save_params(path)
    arrays = dict(loaded.params)
    loaded.load_params(path)
    assert as_bytes(loaded) == as_bytes(saved)
    assert all(loaded.params[key] is array for key, array in arrays.items())


def test_parameters_are_converted_to_the_dtype_of_the_network(tmp_path):
    path = tmp_path / "params.npz"
    double, single = Line(), Line(dtype=np.float32)
    double.params["W1"] /= 3
    double.save_params(path)
    single.load_params(path)
    assert single.params["W1"].dtype == np.float32
    assert np.array_equal(single.params["W1"], double.params["W1"].astype(np.float32))


def test_the_file_is_one_that_numpy_reads(tmp_path):
    network = Line()
    network.save_params(tmp_path / "params.npz")
    with np.load(tmp_path / "params.npz", allow_pickle=False) as file:
        assert set(file.files) == {"W1", "b1"}
        assert np.array_equal(file["W1"], network.params["W1"])


def test_saving_leaves_one_file_and_replaces_an_old_one(tmp_path):
    network, path = Line(), tmp_path / "params.npz"
    path.write_bytes(b"old")
    network.save_params(path)
    network.load_params(path)
    assert [p.name for p in tmp_path.iterdir()] == ["params.npz"]


def test_a_failed_save_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    path = tmp_path / "params.npz"
    path.write_bytes(b"old")

    def no_space(self, target):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(OSError, match="no space left"):
        Line().save_params(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


class TouchesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


GOOD = {"W1": np.ones((2, 3)), "b1": np.ones(3)}
BAD_FILES = {
    "wrong shape": (npz(**GOOD | {"W1": np.ones((3, 2))}), r"W1 in .* \(3, 2\).* \(2, 3\)"),
    "second shape wrong": (npz(**GOOD | {"b1": np.ones(4)}), r"b1 in .* \(4,\).* \(3,\)"),
    "one too few": (npz(W1=GOOD["W1"]), "holds the parameters W1; this network has W1, b1"),
    "one too many": (npz(**GOOD, W2=GOOD["W1"]), "holds the parameters W1, b1, W2; .* W1, b1"),
    "integers": (npz(**GOOD | {"b1": np.ones(3, int)}), "b1 in .* dtype int64"),
    "garbage": (b"no zip file at all", r"no \.npz file"),
    "empty": (b"", r"no \.npz file"),
    "cut short": (npz(**GOOD)[:-30], r"no \.npz file"),
    "altered": (npz(**GOOD).replace(np.ones(3).tobytes(), bytes(24)), r"no \.npz file"),
    "pickle": (pickle.dumps(GOOD), r"no \.npz file"),
    "pickled entry": (npz(**GOOD | {"b1": np.array([None] * 3)}), r"no \.npz file"),
}


def refusal(network, path):
    """Return the text of the error of load_params, and what it said about files left open."""
    text = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        try:
            network.load_params(path)
        except ValueError as error:
            text = str(error)
        gc.collect()
    return text, [str(w.message) for w in caught if str(path) in str(w.message)]


@pytest.mark.parametrize("bad", BAD_FILES)
def test_bad_files_are_refused_and_change_nothing(tmp_path, bad):
    content, message = BAD_FILES[bad]
    path = tmp_path / "params.npz"
    path.write_bytes(content)
    network = Line()
    before = as_bytes(network)
    text, _ = refusal(network, path)
    assert re.search(message, text)
    assert str(path) in text
    assert as_bytes(network) == before


@pytest.mark.parametrize("bad", BAD_FILES)
def test_bad_files_are_closed(tmp_path, bad):
    path = tmp_path / "params.npz"
    path.write_bytes(BAD_FILES[bad][0])
    assert refusal(Line(), path)[1] == []


def test_a_single_npy_array_is_refused(tmp_path):
    np.save(tmp_path / "params.npy", GOOD["W1"])
    with pytest.raises(ValueError, match=r"no \.npz file"):
        Line().load_params(tmp_path / "params.npy")


def test_a_damaged_compressed_file_is_refused(tmp_path):
    path = tmp_path / "params.npz"
    np.savez_compressed(path, **GOOD)
    content = bytearray(path.read_bytes())
    content[40:80] = bytes(40)  # within W1's compressed data
    path.write_bytes(content)
    assert "damaged" in refusal(Line(), path)[0]


def test_nothing_is_unpickled(tmp_path):
    touched, path = tmp_path / "touched", tmp_path / "params.npz"
    for content in (
        pickle.dumps(TouchesAFile(touched)),
        npz(**GOOD | {"b1": np.array([TouchesAFile(touched)])}),
    ):
        path.write_bytes(content)
        assert "unpickling can run any code" in refusal(Line(), path)[0]
        assert not touched.exists()


@pytest.mark.parametrize("method", ["load_params", "save_params"])
def test_a_missing_folder_is_an_os_error_that_names_it(tmp_path, method):
    path = tmp_path / "nowhere" / "params.npz"
    with pytest.raises(FileNotFoundError, match=re.escape("nowhere")):
        getattr(Line(), method)(path)


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params\.npz"):
        Line().load_params(tmp_path / "params.npz")


def test_set_state_copies(tmp_path):
    network, new = Line(), {key: array.copy() for key, array in GOOD.items()}
    network.set_state(new)
    new["W1"][:] = 7
    assert np.array_equal(network.params["W1"], np.ones((2, 3)))


def test_set_state_names_where_the_parameters_come_from():
    with pytest.raises(ValueError, match=r"the checkpoint holds the parameters W1; .* W1, b1"):
        Line().set_state({"W1": GOOD["W1"]}, "the checkpoint")


def test_numerical_gradient_agrees_with_the_formula():
    network = Line()
    x = np.random.default_rng(1).normal(size=(5, 2))
    dY = 2 * network.predict(x) / 15
    grads = network.numerical_gradient(x, None)
    np.testing.assert_allclose(grads["W1"], x.T @ dY, rtol=1e-7)
    np.testing.assert_allclose(grads["b1"], dY.sum(axis=0), rtol=1e-7)
