"""With kernels, which take a second each: few tests, and several notebooks in each."""

import os
import signal
import subprocess
import sys
import time

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from notebooks import refresh
from notebooks.refreshing.form import METADATA, NotebookError, normal_form, write
from notebooks.refreshing.kernels import run_all

PICTURE = """import matplotlib.pyplot as plt
plt.plot([0, 1])
plt.show()"""
PLACE = """import os, urllib.request
print(os.getcwd(), os.path.exists(os.environ["MNIST_DIR"]))
urllib.request.urlopen("http://example.org")"""


def notebook(*sources):
    return new_notebook(cells=[new_code_cell(source) for source in sources], metadata=METADATA)


def test_notebooks_run_and_errors_name_the_cell(tmp_path):
    made = {
        "good": notebook("print(1)\nprint(2)", "", "3", PICTURE),
        "place": notebook(PLACE),
        "fails": notebook("a = 0", "print('here')\n1 / a", "a"),
        "slow": notebook("import time; time.sleep(60)"),
        "dies": notebook("1;", "import os; os._exit(1)"),
    }
    made["good"].cells[1].outputs = [new_output("stream", text="of an empty cell")]
    before = {name: str(one) for name, one in made.items()}
    results = {}

    def finished(path, result, seconds):
        results[path.name] = result
        assert seconds > 0

    paths = {tmp_path / name: one for name, one in made.items()}
    slow = {tmp_path / "slow": paths.pop(tmp_path / "slow")}
    run_all(paths, jobs=2, timeout=120, finished=finished)
    run_all(slow, jobs=2, timeout=1, finished=finished)

    good = normal_form(results.pop("good"))
    assert [cell.execution_count for cell in good.cells] == [1, None, 2, 3]
    assert good.cells[0].outputs == [new_output("stream", text="1\n2\n")]
    assert good.cells[1].outputs == []
    assert good.cells[2].outputs[0].data == {"text/plain": "3"}
    assert "image/png" in good.cells[3].outputs[0].data
    assert all(isinstance(error, NotebookError) for error in results.values())
    cell, what = results.pop("place").args
    assert cell == 1
    assert what.startswith("it raised URLError: ")  # since there is no network
    assert what.endswith('\n    at: urllib.request.urlopen("http://example.org")')
    assert {name: error.args for name, error in results.items()} == {
        "fails": (2, "it raised ZeroDivisionError: division by zero\n    at: 1 / a"),
        "slow": (1, "it took more than 1 s (--timeout)"),
        "dies": (2, "its kernel died"),
    }
    assert {name: str(one) for name, one in made.items()} == before


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_whole_files_and_no_kernel(tmp_path, signum, code):
    path = tmp_path / "slow.ipynb"
    source = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\n"
    write(path, notebook(source + "time.sleep(60)"))
    before = path.read_bytes()
    # A shell's background jobs ignore SIGINT, and so would what they start.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, refresh.__file__, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    signal.signal(signal.SIGINT, handler)
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == b""
    assert b"Traceback" not in err
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pid", "slow.ipynb"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
