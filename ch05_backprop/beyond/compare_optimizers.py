"""Train the same network with each optimizer, and compare how the loss falls.

The network has four hidden layers of 100 units; all start with the same weights and see the same
mini-batches. The curves are smoothed; the table gives the mean loss of the last tenth of the
mini-batches, and the accuracy on the test digits in the end.
"""

import matplotlib.pyplot as plt
import numpy as np

from common.multi_layer_net import MultiLayerNet
from common.scripts.command_line import output_folder, positive_int, run, script_parser
from common.scripts.plot import plot_style, save_figure
from common.support.threads import limit_threads
from common.trainer import Trainer
from common.util import smooth_curve
from dataset.mnist import load_mnist

OPTIMIZERS = {  # with the learning rates that the book's chapter 6 has as defaults
    "SGD": {"lr": 0.01},
    "Momentum": {"lr": 0.01},
    "Nesterov": {"lr": 0.01},
    "AdaGrad": {"lr": 0.01},
    "RMSprop": {"lr": 0.001},
    "Adam": {"lr": 0.001},
    "AdamW": {"lr": 0.001},
}
LINE_STYLES = ("-", "--", "-.", ":", "-", "--", "-.")


def draw(losses: dict[str, list[float]]):
    """Return a figure with a curve for each optimizer."""
    with plot_style():
        fig, ax = plt.subplots(figsize=(7.0, 5.0))
        for (name, loss), style in zip(losses.items(), LINE_STYLES, strict=True):
            ax.plot(np.arange(1, len(loss) + 1), smooth_curve(loss), style, lw=1.6, label=name)
        ax.set_yscale("log")
        ax.set_xlabel("iteration (mini-batches seen)")
        ax.set_ylabel("loss of the mini-batch (nats), smoothed")
        ax.set_title(f"Training loss of {len(losses)} optimizers")
        ax.legend(ncols=2)
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, output="output/compare_optimizers", seed=0, threads=1)
    add = parser.add_argument
    add("--epochs", type=positive_int, default=20, help="times to go through the digits")
    add("--batch-size", type=positive_int, default=100, help="digits in a mini-batch")
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    output_folder(args.output)
    train, test = load_mnist(source="sample")

    losses = {}
    print(f"{'optimizer':<10}  {'learning rate':>13}  {'loss':>7}  {'test_acc':>8}  {'seconds':>7}")
    for name, param in OPTIMIZERS.items():
        rng = np.random.default_rng(args.seed)
        trainer = Trainer(
            MultiLayerNet(784, [100] * 4, 10, rng=rng, dtype=np.float32),
            *train,
            *test,
            epochs=args.epochs,
            mini_batch_size=args.batch_size,
            optimizer=name,
            optimizer_param=param,
            verbose=False,
            shuffle=True,
            rng=rng,
        )
        trainer.train()
        losses[name] = trainer.train_loss_list
        last = np.mean(losses[name][-max(1, len(losses[name]) // 10) :])
        seconds = sum(row["seconds"] for row in trainer.history)
        print(
            f"{name:<10}  {param['lr']:>13g}  {last:>7.4f}  {trainer.test_acc_list[-1]:>8.4f}  "
            f"{seconds:>7.1f}"
        )
    save_figure(draw(losses), args.output / "compare_optimizers.png", show=args.show)


if __name__ == "__main__":
    run(main)
