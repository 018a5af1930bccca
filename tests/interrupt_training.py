"""Interrupt trainings at random moments, resume them to the end, and compare every bit.

Each of the two train_neuralnet.py, train_network.py and a Trainer is stopped by SIGINT, SIGTERM or
SIGKILL, a few times in the course of a training, and resumed until it is done. Its parameters and
its history, but for the seconds, must then equal those of a training that nobody stopped, and all
of its files must be there. The exit code is 0 if that is so each time.
"""

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
RESULTS = {"checkpoint.npz", "history.csv", "learning_curve.png", "params.npz"}
DIGITS = ["--data", "sample", "--output"]
CHAPTER = ["--gradient", "backprop", "--iterations", "6000", "--hidden-size", "20", *DIGITS]
DEEP = ["--epochs", "3", "--evaluate", "500", "--workers", "2", *DIGITS]
# The command of each, to which the folder is appended, and what it leaves there.
TRAININGS = {
    "ch04": (["ch04_numerical_gradient/train_neuralnet.py", *CHAPTER], "", RESULTS),
    "ch05": (["ch05_backprop/train_neuralnet.py", *CHAPTER], "", RESULTS),
    "train_network": (
        ["ch05_backprop/beyond/train_network.py", "simple", "--batch-size", "400", *DEEP],
        "simple",
        RESULTS | {"weights.png", "misread.png"},
    ),
    "Trainer": (
        ["tests/interrupt_training.py", "--train-in"],
        "",
        {"checkpoint.npz", "history.csv", "params.npz"},
    ),
}
# Ctrl-C while Python starts or imports a library may give any exit code. So everything is imported
# before the empty line is printed, which tells that the training begins.
START = """
import runpy, signal, sys
import ch04_numerical_gradient.train_neuralnet
import ch05_backprop.beyond.train_network
import ch05_backprop.train_neuralnet
from common.training import callbacks

# A shell's background jobs ignore SIGINT, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
callbacks.SECONDS_BETWEEN_CHECKPOINTS = 0.2
sys.argv = sys.argv[1:]
print(flush=True)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def train_in(folder, *, resume):
    """Let a Trainer with all that has a state train in `folder`, as a reader's program would."""
    from common.multi_layer_net_extend import MultiLayerNetExtend
    from common.support.files import write_csv
    from common.trainer import Trainer
    from common.training import cosine
    from dataset.mnist import load_mnist

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    train, test = load_mnist(source="sample")
    rng = np.random.default_rng(0)
    network = MultiLayerNetExtend(
        784, [30, 20], 10, use_dropout=True, use_batchnorm=True, rng=rng, dtype=np.float32
    )
    trainer = Trainer(
        network,
        *train,
        *test,
        epochs=12,
        optimizer="Adam",
        shuffle=True,
        schedule=cosine(0.1),
        keep_best=True,
        checkpoint=folder / "checkpoint.npz",
        rng=rng,
    )
    if resume:
        trainer.load_checkpoint()
    trainer.train()
    network.save_params(folder / "params.npz")
    write_csv(folder / "history.csv", trainer.history)


def start(command, folder):
    """Start a training, which goes on with what is in the folder if there is a checkpoint."""
    place, within, _ = command
    resume = ["--resume"] if (folder / within / "checkpoint.npz").exists() else []
    process = subprocess.Popen(
        [sys.executable, "-c", START, *place, str(folder), *resume],
        cwd=ROOT,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    process.stdout.readline()
    return process


def finish(process):
    """Wait for a training, and return what it printed, or raise an error if it has failed."""
    with process.stdout:
        process.wait(timeout=3600)
        out = process.stdout.read()
    if process.returncode not in {0, 130, 143, *(-number for number in SIGNALS)}:
        raise RuntimeError(f"exit code {process.returncode}:\n{out}")
    return out


def results(command, folder):
    """Return parameters and history, but for the seconds, as bytes and text."""
    _, within, _ = command
    with np.load(folder / within / "params.npz", allow_pickle=False) as file:
        params = {name: (file[name].dtype.str, file[name].tobytes()) for name in file.files}
    with (folder / within / "history.csv").open(newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return params, rows


def interrupt(command, folder, seconds, rng):
    """Stop a training at up to four random moments, resume it, and return what stopped it when."""
    stops = []
    for _ in range(rng.randint(1, 4)):
        process = start(command, folder)
        name = rng.choice(SIGNALS)
        after = rng.uniform(0.3, 1.1) * seconds if rng.random() < 0.8 else rng.uniform(0, seconds)
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            process.send_signal(name)
            if rng.random() < 0.2 and name != signal.SIGKILL:  # an impatient user
                time.sleep(rng.uniform(0, 0.05))
                process.send_signal(name)
        finish(process)
        stops.append(f"{signal.Signals(name).name} {after:.2f} s")
    finish(start(command, folder))
    return stops


def check(name, times, rng, work):
    """Interrupt one kind of training so many times, and return how often something was lost."""
    command = TRAININGS[name]
    whole, failures = work / f"{name}-whole", 0
    whole.mkdir()
    process, began = start(command, whole), time.monotonic()
    finish(process)
    seconds = time.monotonic() - began
    expected = results(command, whole)
    for n in range(times):
        folder = work / f"{name}-{n}"
        folder.mkdir()
        stops = interrupt(command, folder, seconds, rng)
        names = {path.name for path in (folder / command[1]).iterdir()}
        faults = []
        if names != command[2]:
            faults.append(f"the files are {', '.join(sorted(names))}")
        elif results(command, folder) != expected:
            faults.append("parameters or history differ")
        failures += bool(faults)
        print(f"{name} {n + 1}: {', '.join(stops)}: {'; '.join(faults) or 'equal'}", flush=True)
    return failures


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--times", type=int, default=10, help="trainings of each kind to interrupt (default: 10)")
    add("--seed", type=int, default=0, help="start of the random moments (default: 0)")
    add("--only", choices=TRAININGS, nargs="+", default=list(TRAININGS), help="kinds of training")
    add("--train-in", type=Path, metavar="DIR", help="be the Trainer that is interrupted")
    add("--resume", action="store_true", help="with --train-in: go on with what is in DIR")
    args = parser.parse_args(argv)
    if args.train_in is not None:
        train_in(args.train_in, resume=args.resume)
        return 0
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="interrupted-") as work:
        failures = {name: check(name, args.times, rng, Path(work)) for name in args.only}
    print(json.dumps({name: f"{n} of {args.times} failed" for name, n in failures.items()}))
    return min(1, sum(failures.values()))


if __name__ == "__main__":
    sys.exit(main())
