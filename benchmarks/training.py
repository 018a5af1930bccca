"""Ten thousand steps of training the two-layer network, in NumPy and in PyTorch.

Both start from the same weights and see the same mini-batches; each is the loop that its reader
would write. Each evaluates all training and all test digits once an epoch. Prints the seconds of
both (medians of --repeats runs, in turns), those of the steps and of the evaluations, and the
accuracies at the end. Without PyTorch, ours alone.
"""

import time
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from benchmarks.timing import describe_libraries
from ch05_backprop.two_layer_net import TwoLayerNet
from common.optimizer import SGD
from common.scripts.command_line import positive_float, positive_int, run, script_parser
from common.support.threads import available_cores, limit_threads
from dataset.mnist import load_mnist


class Training(NamedTuple):
    """Seconds of a training run, and its accuracies at the end."""

    total: float
    steps: float
    evaluation: float
    train_acc: float
    test_acc: float


def train_ours(params, train, test, batches, epoch, learning_rate) -> Training:
    """Train with this project.

    Parameters
    ----------
    params : dict of str to ndarray
        Initial weights.
    train, test : (x, t)
    batches : ndarray of int, shape (iterations, batch_size)
        Which digits each mini-batch holds.
    epoch : int
        Iterations from one evaluation to the next.
    learning_rate : float
    """
    (x_train, t_train), (x_test, t_test) = train, test
    hidden_size, classes = params["W2"].shape
    network = TwoLayerNet(x_train.shape[1], hidden_size, classes, dtype=np.float32)
    network.set_state(params)
    optimizer = SGD(learning_rate)

    clock = Clock()
    for i, batch in enumerate(batches, 1):
        grads = network.gradient(x_train[batch], t_train[batch])
        optimizer.update(network.params, grads)

        if i % epoch == 0 or i == len(batches):
            with clock.evaluation():
                train_acc = network.accuracy(x_train, t_train)
                test_acc = network.accuracy(x_test, t_test)
    return clock.stop(train_acc, test_acc)


def train_pytorch(params, train, test, batches, epoch, learning_rate) -> Training:
    """Train with PyTorch; arguments are those of `train_ours`."""
    import torch

    (x_train, t_train), (x_test, t_test) = (tuple(map(torch.from_numpy, d)) for d in (train, test))
    batches = torch.from_numpy(batches)
    hidden_size, classes = params["W2"].shape
    model = torch.nn.Sequential(
        torch.nn.Linear(x_train.shape[1], hidden_size),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden_size, classes),
    )
    with torch.no_grad():
        for layer, n in ((model[0], 1), (model[2], 2)):
            layer.weight.copy_(torch.from_numpy(params[f"W{n}"].T))
            layer.bias.copy_(torch.from_numpy(params[f"b{n}"]))
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

    def accuracy(x, t):
        # In parts of 1,000, as ours does: faster than all at once.
        with torch.inference_mode():
            parts = zip(x.split(1000), t.split(1000), strict=True)
            return sum((model(x).argmax(dim=1) == t).sum() for x, t in parts).item() / len(x)

    clock = Clock()
    for i, batch in enumerate(batches, 1):
        optimizer.zero_grad()
        x = x_train.index_select(0, batch)  # less than half the time of x_train[batch]
        loss = torch.nn.functional.cross_entropy(model(x), t_train[batch])
        loss.backward()
        optimizer.step()

        if i % epoch == 0 or i == len(batches):
            with clock.evaluation():
                train_acc = accuracy(x_train, t_train)
                test_acc = accuracy(x_test, t_test)
    return clock.stop(train_acc, test_acc)


class Clock:
    """Measures a training run and, within it, the evaluations."""

    def __init__(self):
        self._evaluated = 0.0
        self._started = time.perf_counter()

    @contextmanager
    def evaluation(self):
        """Count what is done in this context as evaluation."""
        start = time.perf_counter()
        yield
        self._evaluated += time.perf_counter() - start

    def stop(self, train_acc: float, test_acc: float) -> Training:
        """Return the Training that ends now."""
        total = time.perf_counter() - self._started
        return Training(total, total - self._evaluated, self._evaluated, train_acc, test_acc)


def available(threads: int) -> dict:
    """Return the training functions that can be had here, PyTorch's set to `threads` threads."""
    functions = {"ours": train_ours}
    try:
        import torch
    except ImportError:
        print("PyTorch isn't installed: ours alone\n")
    else:
        torch.set_num_threads(threads)
        functions["PyTorch"] = train_pytorch
        print(f"PyTorch {torch.__version__} on {torch.get_num_threads()} threads\n")
    return functions


def main(argv=None):
    """Run the benchmark with the arguments `argv`, by default those of the command line."""
    # As many as NumPy's BLAS has by default: the machine's cores, or what the environment says.
    parser = script_parser(__doc__, seed=0, data=True, threads=available_cores())
    add = parser.add_argument
    add("--iterations", type=positive_int, default=10_000, help="mini-batches to train on")
    add("--batch-size", type=positive_int, default=100, help="digits in a mini-batch")
    add("--learning-rate", type=positive_float, default=0.1, help="of gradient descent")
    add("--hidden-size", type=positive_int, default=50, help="hidden units")
    add("--repeats", type=positive_int, default=3, help="runs of each")
    args = parser.parse_args(argv)

    train, test = load_mnist(source=args.data)
    rng = np.random.default_rng(args.seed)
    params = TwoLayerNet(784, args.hidden_size, 10, rng=rng, dtype=np.float32).params
    # Drawn beforehand, so that both see the same digits and neither is timed drawing them.
    batches = rng.integers(len(train[0]), size=(args.iterations, args.batch_size))
    epoch = max(1, len(train[0]) // args.batch_size)
    print(
        f"784-{args.hidden_size}-10, float32, {args.iterations:,} mini-batches of "
        f"{args.batch_size} of {len(train[0]):,} digits, accuracy every {epoch}"
    )

    with limit_threads(args.threads):
        print(describe_libraries())
        functions = available(args.threads)
        runs = {name: [] for name in functions}
        for _ in range(args.repeats):
            for name, train_with in functions.items():
                result = train_with(params, train, test, batches, epoch, args.learning_rate)
                runs[name].append(result)

    print(f"{'':<8}  {'seconds':>8}  {'steps':>8}  {'evaluation':>10}  {'a step':>9}", end="")
    print(f"  {'train_acc':>9}  {'test_acc':>8}")
    medians = {name: Training(*np.median(results, axis=0)) for name, results in runs.items()}
    for name, m in medians.items():
        print(
            f"{name:<8}  {m.total:>8.2f}  {m.steps:>8.2f}  {m.evaluation:>10.2f}  "
            f"{m.steps / args.iterations * 1e6:>6.0f} µs  {m.train_acc:>9.4f}  {m.test_acc:>8.4f}"
        )
    if len(medians) == 2:
        ours, peer = medians.values()
        print(
            f"{'ratio':<8}  {peer.total / ours.total:>8.2f}  {peer.steps / ours.steps:>8.2f}  "
            f"{peer.evaluation / ours.evaluation:>10.2f}"
        )


if __name__ == "__main__":
    run(main)
