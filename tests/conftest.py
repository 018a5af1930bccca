"""No test may reach the real network, the real cache folder or a display."""

import os
import shutil
import sys
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dataset.files import MNIST

os.environ["MPLBACKEND"] = "Agg"  # before matplotlib is imported, and for the scripts that we start
os.environ["COLUMNS"] = "80"  # of help texts, however wide the terminal of the tests is
# For the processes that run the tests side by side, one on each core, and which begin after this:
# the threads of their matrix products would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ORIGINAL_MNIST_DIR = os.environ.get("MNIST_DIR")
if ORIGINAL_MNIST_DIR:
    ORIGINAL_MNIST_DIR = Path(ORIGINAL_MNIST_DIR).expanduser().absolute()

# Port 9 ("discard") is never listened to nowadays; on loopback it refuses at once.
CLOSED = "http://127.0.0.1:9/"
NOBODY = 65534

# How long examples take depends on what else the machine does. They are the same in every run, so
# that no test fails by chance; `pytest --hypothesis-profile=explore` draws others each time.
settings.register_profile(
    "explore", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("tests", settings.get_profile("explore"), derandomize=True)
settings.load_profile("tests")


def pytest_configure():
    """Have matplotlib list the fonts now; scripts would print on stderr that they wait for that."""
    import matplotlib.font_manager  # noqa: F401


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path_factory):
    # A folder of its own, which few tests need: to make one for all would take its time.
    cache = tmp_path_factory.getbasetemp() / f"cache-{uuid.uuid4()}"
    monkeypatch.setenv("MNIST_DIR", str(cache))
    monkeypatch.setenv("MNIST_MIRRORS", CLOSED)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(cache / "fashion"))
    monkeypatch.setenv("FASHION_MNIST_MIRRORS", CLOSED)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def full_mnist_dir(monkeypatch):
    """The folder with the four originals, which MNIST_DIR names for the length of the test."""
    folder = ORIGINAL_MNIST_DIR
    if not folder or not all((folder / file.name).exists() for file in MNIST.files):
        pytest.skip("needs the four original files in the folder that MNIST_DIR names")
    monkeypatch.setenv("MNIST_DIR", str(folder))
    return folder


@pytest.fixture
def open_folder():
    """A folder that all users can read, with all that is put into it; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="companion-test-"))
    folder.chmod(0o755)
    umask = os.umask(0o022)
    yield folder
    os.umask(umask)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def read_only():
    """A context manager in which a folder cannot be written, not even when tests run as root."""
    if os.name == "nt":
        pytest.skip("needs POSIX permissions")
    return _read_only


@contextmanager
def _read_only(folder: Path):
    as_root = os.geteuid() == 0
    folder.chmod(0o555)
    try:
        if as_root:
            try:
                os.seteuid(NOBODY)
            except OSError:
                pytest.skip("needs to be able to give up root's rights")
        if os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            pytest.skip("this file system has no read-only folders")
        yield
    finally:
        if as_root:
            os.seteuid(0)
        folder.chmod(0o755)
