"""Compare backpropagation through the two-layer network with finite differences of its loss.

For each parameter the table gives the largest relative difference |a − b| / (|a| + |b|) of the two
gradients and the element where it is. A kink of ReLU near a weight is recognized and avoided;
common/gradient_methods/checking.py explains how. The exit code is 0 if the gradients agree, and 1
if they don't or can't be judged.
"""

import numpy as np

from ch05_backprop.two_layer_net import TwoLayerNet
from common.gradient_methods import gradient_check
from common.scripts.command_line import positive_int, run, script_parser
from common.support.threads import limit_threads
from dataset.mnist import load_mnist


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, seed=0, threads=1)
    parser.add_argument("--batch-size", type=positive_int, default=5, help="digits to check on")
    parser.add_argument("--hidden-size", type=positive_int, default=50, help="hidden units")
    args = parser.parse_args(argv)
    limit_threads(args.threads)

    rng = np.random.default_rng(args.seed)
    network = TwoLayerNet(784, args.hidden_size, 10, rng=rng, dtype=np.float64)
    (x_train, t_train), _ = load_mnist(source="sample")
    batch = rng.choice(len(x_train), args.batch_size)

    report = gradient_check(network, x_train[batch], t_train[batch], progress=True)
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    run(main)
