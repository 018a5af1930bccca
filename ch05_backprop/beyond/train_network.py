"""Train one of the ready-made networks on digits, and look at what it has learned.

multi-layer: two hidden layers of 100 and 50 units. simple: one convolution (the book's chapter 7).
deep: six convolutions and dropout (chapter 8). All are trained with Adam, each epoch through all
digits in a new order, with a learning rate that falls to 0 along a cosine. In a folder of the
network's name under --output you find its parameters (.npz), the history (CSV) and the learning
curve, the weights of the first layer before and after training, and the digits that the network
misclassifies (PNG). Ctrl-C keeps what was done; --resume goes on.
"""

import warnings

import numpy as np

from common.multi_layer_net import MultiLayerNet
from common.networks import DeepConvNet, SimpleConvNet
from common.scripts.command_line import (
    peak_memory,
    positive_float,
    positive_int,
    run,
    script_parser,
)
from common.scripts.figures import draw_misread_digits, draw_weights
from common.scripts.training_run import CHECKPOINT, Results, begin, only_run_in, results_folder
from common.support.errors import DivergenceWarning
from common.support.threads import available_cores, limit_threads
from common.trainer import Trainer
from common.training import DataParallel, cosine
from dataset.mnist import load_mnist

NETWORKS = {  # how each is made, how many epochs it is trained for, and by how many workers
    "multi-layer": (lambda **options: MultiLayerNet(784, [100, 50], 10, **options), 10, 1),
    "simple": (SimpleConvNet, 10, available_cores()),
    "deep": (DeepConvNet, 12, available_cores()),
}


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    args = parse(argv)
    limit_threads(args.threads)
    folder = results_folder(args.output / args.network, resume=args.resume)

    train, test = load_mnist(flatten=False, source=args.data)
    print(f"{len(train[0]):,} training digits, {len(test[0]):,} test digits")

    make, epochs, workers = NETWORKS[args.network]
    rng = np.random.default_rng(args.seed)
    network = DataParallel(make(rng=rng, dtype=np.float32), args.workers or workers)
    if network.workers > 1:
        print(f"each mini-batch is split among {network.workers} workers")
    before = network.params["W1"].copy()

    def weights():
        after = network.params["W1"]
        return draw_weights(before, after, most=30 if after.ndim == 4 else 10)

    def misread():
        scores = np.concatenate([network.predict(part) for part in np.array_split(test[0], 100)])
        return draw_misread_digits(*test, scores)

    title = f"Mean loss per epoch, accuracy on up to {args.evaluate:,} digits"
    plots = {"weights.png": weights, "misread.png": misread}
    settings = {"learning-rate": args.learning_rate, "workers": network.workers}
    trainer = Trainer(
        network,
        *train,
        *test,
        epochs=args.epochs or epochs,
        mini_batch_size=args.batch_size,
        optimizer="Adam",
        optimizer_param={"lr": args.learning_rate},
        evaluate_sample_num_per_epoch=args.evaluate,
        shuffle=True,
        schedule=cosine(),
        checkpoint=folder / CHECKPOINT,
        callbacks=[Results(folder, show=args.show, title=title, plots=plots)],
        settings=settings | {"threads": args.threads, "seed": args.seed},
        rng=rng,
    )
    with only_run_in(folder), warnings.catch_warnings():
        warnings.simplefilter("error", DivergenceWarning)  # it is the end of this script
        begin(trainer.training, folder, resume=args.resume)
        trainer.train()
    seconds = sum(row["seconds"] for row in trainer.history)
    print(f"test accuracy {network.accuracy(*test):.4f} after {seconds:.0f} s of training")
    if (peak := peak_memory()) is not None:
        print(f"peak memory {peak:.0f} MiB")


def parse(argv):
    """Return the arguments of the command line."""
    parser = script_parser(__doc__, output="output/train_network", seed=0, data=True, threads=1)
    add = parser.add_argument
    add("network", choices=NETWORKS, help="the network to train")
    add(
        "--epochs",
        type=positive_int,
        help="times to go through all digits (default: "
        + ", ".join(f"{name} {epochs}" for name, (_, epochs, _) in NETWORKS.items())
        + ")",
    )
    add("--batch-size", type=positive_int, default=100, help="digits in a mini-batch")
    add("--learning-rate", type=positive_float, default=0.001, help="of Adam, at the start")
    add(
        "--evaluate",
        type=positive_int,
        metavar="N",
        default=10_000,
        help="training and test digits to measure the accuracy on after each epoch",
    )
    add(
        "--workers",
        type=positive_int,
        metavar="N",
        help="threads that share out each mini-batch (default: one per core for convolutional "
        "networks, else 1); results depend on it a little",
    )
    add("--resume", action="store_true", help="go on with the run that --output holds")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
