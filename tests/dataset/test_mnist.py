import hashlib
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import dataset
from dataset import files, mnist
from dataset.errors import DatasetError, SampleDataWarning
from dataset.idx import read_idx, to_idx, write_idx
from dataset.mnist import load_mnist, main

ROOT = Path(dataset.__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def raw():
    return load_mnist(normalize=False, source="sample")


@pytest.fixture
def replace(cache, small_mnist, monkeypatch):
    """Put an array in place of one of the files, its fingerprint included."""
    cache.mkdir()
    for name, content in small_mnist.items():
        (cache / name).write_bytes(content)

    def put(name, array):
        write_idx(cache / name, array)
        content = (cache / name).read_bytes()
        monkeypatch.setitem(files.SHA256, name, hashlib.sha256(content).hexdigest())

    return put


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
        pixels = x.reshape(count, 784)
        if normalize:
            expected = raw_x / np.float64(255)
            np.testing.assert_allclose(pixels, expected, rtol=1e-7)
            assert pixels.min() == 0
            assert pixels.max() == 1
        else:
            np.testing.assert_array_equal(pixels, raw_x)
        if one_hot:
            np.testing.assert_array_equal(t.sum(axis=1), 1)
            np.testing.assert_array_equal(t.argmax(axis=1), raw_t)
        else:
            np.testing.assert_array_equal(t, raw_t)


@pytest.mark.parametrize("normalize", [False, True])
def test_arrays_are_ordinary_ones(normalize):
    for split in load_mnist(normalize=normalize, source="sample"):
        for array in split:
            assert type(array) is np.ndarray
            assert array.flags.writeable
            assert array.flags.c_contiguous


def test_writing_into_them_does_not_last():
    (x, _), _ = load_mnist(source="sample")
    x[:] = 7
    (again, _), _ = load_mnist(source="sample")
    assert again.max() == 1


def test_source_is_a_keyword():
    with pytest.raises(TypeError):
        load_mnist(True, True, False, "sample")


@pytest.mark.parametrize("source", ["Sample", "", None, 3, ["sample"]])
def test_unknown_source(source):
    with pytest.raises(ValueError, match="source must be one of 'auto', 'full', 'sample', got"):
        load_mnist(source=source)


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


def test_auto_names_a_folder_that_cannot_be_written(cache):
    cache.write_text("in the way")
    with pytest.warns(SampleDataWarning, match="cannot be written to"):
        load_mnist()


def test_full_raises_where_auto_warns():
    with pytest.raises(DatasetError, match="no mirror delivered"):
        load_mnist(source="full")


def test_auto_prefers_the_full_set(replace):
    (x_train, _), _ = load_mnist()
    assert len(x_train) == 20


def test_sample_asks_no_mirror(mirrors, use, small_mnist):
    use(mirrors.good(small_mnist))
    load_mnist(source="sample")
    assert mirrors.asked == []


def test_labels_above_nine_are_refused(replace, cache):
    replace(files.TEST_LABELS, np.full(10, 10, dtype=np.uint8))
    with pytest.raises(DatasetError, match="label 10, where digits go from 0 to 9") as caught:
        load_mnist(source="full")
    assert str(cache / files.TEST_LABELS) in str(caught.value)


@pytest.mark.parametrize("shape", [(19,), (21,), (20, 1)])
def test_labels_that_do_not_match_the_images_are_refused(replace, shape):
    replace(files.TRAIN_LABELS, np.zeros(shape, dtype=np.uint8))
    with pytest.raises(DatasetError, match="20 images"):
        load_mnist(source="full")


@pytest.mark.parametrize("shape", [(20,), (20, 784), (20, 27, 28), (20, 28, 28, 1)])
def test_images_of_another_size_are_refused(replace, shape):
    replace(files.TRAIN_IMAGES, np.zeros(shape, dtype=np.uint8))
    with pytest.raises(DatasetError, match="28 x 28"):
        load_mnist(source="full")


def test_sample_is_balanced(raw):
    for (_, labels), per_class in zip(raw, (400, 100), strict=True):
        np.testing.assert_array_equal(labels, np.tile(np.arange(10), per_class))


def test_sample_has_no_digit_twice(raw):
    digits = {image.tobytes() for images, _ in raw for image in images}
    assert len(digits) == 5000


def test_sample_is_what_it_was():
    for name, expected in files.SAMPLE_SHA256.items():
        content = to_idx(read_idx(files.SAMPLE_FOLDER / name))
        assert hashlib.sha256(content).hexdigest() == expected


def test_sample_is_small():
    assert sum(path.stat().st_size for path in files.SAMPLE_FOLDER.iterdir()) < 1_000_000


def test_an_altered_sample_is_refused(monkeypatch, tmp_path):
    for name in files.SAMPLE_SHA256:
        write_idx(tmp_path / name, read_idx(files.SAMPLE_FOLDER / name)[::-1])
    monkeypatch.setattr(mnist, "SAMPLE_FOLDER", tmp_path)
    with pytest.raises(DatasetError, match="not the sample that belongs"):
        load_mnist(source="sample")


def test_sample_digits_are_originals(full_mnist_dir, raw):
    images = read_idx(full_mnist_dir / files.TRAIN_IMAGES)
    labels = read_idx(full_mnist_dir / files.TRAIN_LABELS)
    originals = {x.tobytes(): t for x, t in zip(images, labels, strict=True)}
    for x_sample, t_sample in raw:
        assert [originals.get(x.tobytes()) for x in x_sample] == t_sample.tolist()


# --- the command line ---


def test_cli_tells_what_is_there(capsys):
    assert main(["--data", "sample"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name in files.SHA256:
        path = files.SAMPLE_FOLDER / name
        assert f"{path}  {path.stat().st_size:,} bytes  ok" in out
    for part in ("source: sample", "(4000, 784)", "(1000,)", "float32", "int64"):
        assert part in out


def test_cli_fetches(cache, small_mnist, mirrors, use, capsys):
    use(mirrors.good(small_mnist))
    assert main(["--data", "full"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "source: full" in out
    assert f"{cache / files.TEST_LABELS}  " in out


def test_cli_warns_on_one_line(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "source: sample" in out
    assert err.startswith("warning: the full MNIST set can't be had")
    assert err.count("\n") == 1


def test_cli_error_is_one_line(capsys):
    assert main(["--data", "full"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_cli_draws(tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    assert main(["--data", "sample", "--show", "--output", str(folder)]) == 0
    path = folder / "digits-sample.png"
    assert f"drawing: {path}" in capsys.readouterr().out
    pixels = imread(path)
    assert pixels.ndim == 3
    assert pixels.std() > 0.1, "a picture without digits"
    assert list(folder.iterdir()) == [path]


def test_cli_draws_fewer_than_the_grid_holds(cache, small_mnist, mirrors, use, tmp_path):
    use(mirrors.good(small_mnist))
    assert main(["--data", "full", "--show", "--output", str(tmp_path)]) == 0
    imread(tmp_path / "digits-full.png")


def test_cli_output_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    arguments = ["--data", "sample", "--show", "--output", str(tmp_path / "file")]
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: cannot write")
    assert "--output" in err
    assert err.count("\n") == 1


def test_cli_unknown_source(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--data", "web"])
    assert caught.value.code == 2
    assert "'web'" in capsys.readouterr().err


def test_cli_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for part in ("--data", "--show", "--output", "MNIST_DIR", "MNIST_MIRRORS"):
        assert part in out


def test_cli_interrupted(monkeypatch, capsys):
    def interrupt(source):
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "find_files", interrupt)
    assert main([]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("how", [["-m", "dataset.mnist"], [str(ROOT / "dataset" / "mnist.py")]])
def test_cli_as_a_program(how):
    done = subprocess.run(
        [sys.executable, "-W", "error", *how, "--data", "sample"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "source: sample" in done.stdout


def test_the_common_case_imports_neither_downloader_nor_matplotlib():
    code = (
        "import sys; from dataset.mnist import load_mnist; load_mnist(source='sample');"
        "sys.exit(', '.join({'pooch', 'requests', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
