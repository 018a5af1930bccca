"""One gradient of the two-layer network, beside the matrix products that it can't do without.

Backpropagation through x W1 + b1, ReLU, z W2 + b2 and softmax takes five matrix products: x W1 and
z W2 forward, zᵀ d2, d2 W2ᵀ and xᵀ d1 backward. What `TwoLayerNet.gradient` takes beyond those five
is its overhead. Both are timed in turns in one process; medians and their ratio are printed.
"""

import numpy as np

from benchmarks.timing import describe_libraries, medians
from ch05_backprop.two_layer_net import TwoLayerNet
from common.command_line import positive_int, run, script_parser
from dataset.mnist import load_mnist


def five_products(x, W1, z, W2, d1, d2):
    """Multiply what one gradient multiplies, and nothing else."""
    return x @ W1, z @ W2, z.T @ d2, d2 @ W2.T, x.T @ d1


def measure(hidden_size: int, batch_size: int, dtype, repeats: int) -> dict[str, float]:
    """Return the medians of ``gradient`` and ``five products``, in seconds."""
    rng = np.random.default_rng(0)
    (x_train, t_train), _ = load_mnist(source="sample")
    x, t = x_train[:batch_size].astype(dtype), t_train[:batch_size]
    network = TwoLayerNet(784, hidden_size, 10, rng=rng, dtype=dtype)
    W1, W2 = network.params["W1"], network.params["W2"]
    z = np.maximum(x @ W1, 0)
    d2 = rng.standard_normal((len(x), 10)).astype(dtype)
    d1 = d2 @ W2.T
    return medians(
        {
            "five products": lambda: five_products(x, W1, z, W2, d1, d2),
            "gradient": lambda: network.gradient(x, t),
        },
        repeats,
    )


def main(argv=None):
    """Run the benchmark with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("--hidden-size", type=positive_int, default=50, help="hidden units")
    parser.add_argument("--batch-size", type=positive_int, default=100, help="digits in the batch")
    parser.add_argument("--repeats", type=positive_int, default=2000, help="calls of each")
    args = parser.parse_args(argv)

    print(f"784-{args.hidden_size}-10, batch of {args.batch_size}, median of {args.repeats}")
    print(describe_libraries(), end="\n\n")
    print(f"{'dtype':<8}  {'five products':>14}  {'gradient':>10}  {'ratio':>5}")
    for dtype in (np.float64, np.float32):
        m = measure(args.hidden_size, args.batch_size, dtype, args.repeats)
        products, gradient = m["five products"], m["gradient"]
        print(
            f"{np.dtype(dtype).name:<8}  {products * 1e6:>11.1f} µs  {gradient * 1e6:>7.1f} µs  "
            f"{gradient / products:>5.2f}"
        )


if __name__ == "__main__":
    run(main)
