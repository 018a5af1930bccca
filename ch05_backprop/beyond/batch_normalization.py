"""Train with and without batch normalization, from initial weights that are too large or too small.

Five hidden layers of 100 units learn 300 digits by stochastic gradient descent. Without batch
normalization all depends on the spread of the initial weights: too small, and the signal dies on
its way through the layers; too large, and the loss is soon no longer finite. With it each layer's
input is brought to mean 0 and variance 1 again, and the network learns from all of them.
"""

import math
import warnings

import matplotlib.pyplot as plt
import numpy as np

from ch05_backprop.beyond.few_digits import TRAINING_DIGITS, few_digits_trainer
from common.scripts.command_line import output_folder, positive_int, run, script_parser
from common.scripts.plot import BLUE, ORANGE, plot_style, save_figure
from common.support.errors import DivergenceWarning
from common.support.threads import limit_threads
from common.trainer import Trainer

INITIAL_STDS = (1.0, 0.3, 0.1, 0.03, 0.01, "he")


def train(use_batchnorm: bool, weight_init_std, seed: int, epochs: int) -> Trainer:
    """Return a trainer that has trained on 300 digits, perhaps until it diverged."""
    trainer = few_digits_trainer(
        5,
        {"weight_init_std": weight_init_std, "use_batchnorm": use_batchnorm},
        {"optimizer_param": {"lr": 0.05}, "epochs": epochs},
        seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # the table says so
        trainer.train()
    return trainer


def draw(trainers, epochs):
    """Return a figure with a panel for each initial standard deviation."""
    with plot_style():
        fig, axes = plt.subplots(3, 2, figsize=(7.0, 8.0), sharex=True, sharey=True)
        for ax, std in zip(axes.flat, INITIAL_STDS, strict=True):
            for use, color, style in ((True, BLUE, "-"), (False, ORANGE, "--")):
                accuracy = trainers[std, use].train_acc_list
                label = f"{'with' if use else 'without'} batch normalization"
                ax.plot(np.arange(1, len(accuracy) + 1), accuracy, style, color=color, label=label)
                if math.isnan(trainers[std, use].train_loss_list[-1]):
                    ax.text(epochs, 0.03, f"{label}: diverged", color=color, ha="right", size=9)
            ax.set_title("He's initial weights" if std == "he" else f"initial std {std:g}")
            ax.set_ylim(0, 1.02)
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        for ax in axes[-1]:
            ax.set_xlabel("epoch")
        fig.supylabel("accuracy on the training digits")
        fig.suptitle(f"Accuracy on {TRAINING_DIGITS} training digits")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, output="output/batch_normalization", seed=0, threads=1)
    parser.add_argument("--epochs", type=positive_int, default=20, help="of each run")
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    output_folder(args.output)

    trainers = {}
    print("train_acc after the last epoch")
    print("initial std  without     with")
    for std in INITIAL_STDS:
        cells = []
        for use in (False, True):
            trainers[std, use] = trainer = train(use, std, args.seed, args.epochs)
            diverged = math.isnan(trainer.train_loss_list[-1])
            cells.append("diverged" if diverged else f"{trainer.train_acc_list[-1]:.4f}")
        print(f"{std!s:>11}  {cells[0]:>8}  {cells[1]:>7}")
    save_figure(
        draw(trainers, args.epochs), args.output / "batch_normalization.png", show=args.show
    )


if __name__ == "__main__":
    run(main)
