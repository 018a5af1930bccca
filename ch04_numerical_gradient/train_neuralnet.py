"""Train the two-layer network on handwritten digits, by a numerical gradient.

Mini-batch stochastic gradient descent: draw a mini-batch, compute the gradient of its loss, take a
small step against it, and repeat. The numerical gradient moves each of the 39,760 parameters up and
down and looks at the loss, 79,520 passes through the network for one step: the default is a few
steps. With --gradient structured only what a parameter can change is computed again for its
difference, and a numerical gradient does train the network, in minutes. With --gradient backprop
chapter 5's layers compute the same gradient in a fraction of a millisecond.

Each line of the table gives the seconds that this iteration's gradient took, and the accuracy on
all training and all test digits. The history (CSV), parameters (.npz) and learning curve (PNG) are
written to --output, also after Ctrl-C; --resume goes on.
"""

import time

import numpy as np

from ch04_numerical_gradient.two_layer_net import TwoLayerNet
from common.gradient_methods import structured_differences
from common.optimizer import SGD
from common.scripts.command_line import run
from common.scripts.training_run import training_arguments, training_run
from dataset.mnist import load_mnist


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = training_arguments(
        argv,
        __doc__,
        iterations={"numerical": 3, "structured": 2000, "backprop": 10_000},
        output="output/ch04_numerical_gradient",
    )
    (x_train, t_train), test = load_mnist(source=args.data)
    print(f"{len(x_train):,} training digits, {len(test[0]):,} test digits")

    rng = np.random.default_rng(args.seed)
    # A difference of two nearly equal losses needs float64; backpropagation doesn't.
    dtype = np.float32 if args.gradient == "backprop" else np.float64
    network = TwoLayerNet(784, args.hidden_size, 10, rng=rng, dtype=dtype)
    optimizer = SGD(args.learning_rate)

    if args.gradient == "numerical":
        weights = sum(param.size for param in network.params.values())
        print(f"{weights:,} parameters: each gradient takes {2 * weights:,} passes forward")
        print("(--gradient structured or backprop don't take as long)")

    def gradient(x, t):
        if args.gradient == "numerical":
            return network.numerical_gradient(x, t, progress=True)
        if args.gradient == "structured":
            return structured_differences(network, x, t)
        return network.gradient(x, t)

    with training_run(args, network, rng, train=(x_train, t_train), test=test) as training:
        for _ in training.steps():
            batch = rng.choice(len(x_train), args.batch_size)
            x_batch, t_batch = x_train[batch], t_train[batch]

            start = time.perf_counter()
            grads = gradient(x_batch, t_batch)
            seconds = time.perf_counter() - start

            optimizer.update(network.params, grads)

            training.record(seconds=seconds, batch=(x_batch, t_batch))


if __name__ == "__main__":
    run(main)
