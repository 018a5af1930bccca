"""No test may reach the real network, the real cache folder or a display."""

import ctypes
import os
import shutil
import sys
import tempfile
import uuid
from contextlib import contextmanager, nullcontext
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
    folder.chmod(0o555)
    try:
        with _owners_rights() if os.geteuid() == 0 else nullcontext():
            if os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                pytest.skip("this file system has no read-only folders")
            yield
    finally:
        folder.chmod(0o755)


@contextmanager
def _owners_rights():
    """Take from root the capabilities CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of Linux.

    What belongs to root can still be read: as another user, the tests could import nothing more.
    """
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the first 32, the rest
    if not hasattr(libc, "capset") or libc.capget(header, data):
        pytest.skip("needs to be able to give up root's rights")
    before = data[0]
    data[0] &= ~(1 << 1 | 1 << 2)
    libc.capset(header, data)
    try:
        yield
    finally:
        data[0] = before
        libc.capset(header, data)
