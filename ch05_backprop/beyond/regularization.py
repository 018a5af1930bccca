"""Keep a network from overfitting 300 digits, by weight decay and by dropout.

A network with six hidden layers of 100 units has 130,010 parameters, far more than 300 digits can
determine: it learns to classify every training digit correctly, but only eight of ten test digits.
Weight decay keeps the weights small; dropout keeps units from relying on one another. Each is tried
with several seeds; the figure shows their mean, and their range as a band.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from ch05_backprop.beyond.few_digits import TRAINING_DIGITS, few_digits_trainer
from common.scripts.command_line import output_folder, positive_int, run, script_parser
from common.scripts.plot import BLUE, ORANGE, plot_style, save_figure
from common.support.threads import limit_threads
from common.trainer import Trainer

EXPERIMENTS = {  # name: options of the network, of the trainer
    "weight decay": (
        {"weight_decay_lambda": 0.03},
        {"optimizer": "SGD", "optimizer_param": {"lr": 0.02}, "epochs": 200},
    ),
    "dropout": (
        {"use_dropout": True, "dropout_ration": 0.2},
        {"optimizer": "Adam", "optimizer_param": {"lr": 0.001}, "epochs": 100},
    ),
}


def train(options: Mapping, training: Mapping, seed: int) -> Trainer:
    """Return a trainer that has trained a network with `options` on 300 digits."""
    trainer = few_digits_trainer(6, options, training, seed)
    trainer.train()
    return trainer


def measure(trainer: Trainer) -> tuple[float, float, float, float]:
    """Return accuracy on training and test digits, loss on test digits, and the mean of W².

    The loss is the cross-entropy alone, in nats, without weight decay.
    """
    network = trainer.network
    scores = network.predict(trainer.x_test)
    loss = network.last_layer.forward(scores, trainer.t_test)
    weights = np.concatenate([p.ravel() for key, p in network.params.items() if key[0] == "W"])
    return trainer.train_acc_list[-1], trainer.test_acc_list[-1], loss, np.mean(weights**2)


def draw(trainers: Mapping[str, Mapping[str, list[Trainer]]]):
    """Return a figure with a panel for each experiment."""
    with plot_style():
        fig, axes = plt.subplots(len(trainers), 1, figsize=(7.0, 8.4))
        for ax, (name, both) in zip(axes, trainers.items(), strict=True):
            for (label, runs), color in zip(both.items(), (BLUE, ORANGE), strict=True):
                for digits, column, style in (
                    ("training", "train_acc_list", "-"),
                    ("test", "test_acc_list", "--"),
                ):
                    curves = np.array([getattr(run, column) for run in runs])
                    epochs = np.arange(1, curves.shape[1] + 1)
                    ax.plot(
                        epochs,
                        curves.mean(axis=0),
                        style,
                        color=color,
                        lw=1.8,
                        label=f"{label}: {digits} digits",
                    )
                    ax.fill_between(
                        epochs,
                        curves.min(axis=0),
                        curves.max(axis=0),
                        color=color,
                        alpha=0.15,
                        lw=0,
                    )
            ax.set_title(name)
            ax.set_ylabel("accuracy")
            ax.set_ylim(0, 1.02)
            ax.legend(loc="lower right")
        axes[-1].set_xlabel("epoch")
        runs = f"{len(runs)} seeds" if len(runs) > 1 else "one seed"
        fig.suptitle(f"{TRAINING_DIGITS} training digits: mean and range of {runs}")
    return fig


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, output="output/regularization", threads=1)
    parser.add_argument("--seeds", type=positive_int, default=4, help="runs of each kind")
    parser.add_argument("--epochs", type=positive_int, help="of all runs (default: 200 and 100)")
    args = parser.parse_args(argv)
    limit_threads(args.threads)
    output_folder(args.output)

    trainers = {}
    print(f"{'':<16}  train_acc  test_acc     gap  test loss  mean W²")
    for name, (options, training) in EXPERIMENTS.items():
        training = training | ({"epochs": args.epochs} if args.epochs else {})
        trainers[name] = {}
        for label, chosen in ((f"no {name}", {}), (name, options)):
            runs = [train(chosen, training, seed) for seed in range(args.seeds)]
            trainers[name][label] = runs
            train_acc, test_acc, loss, square = np.mean([measure(run) for run in runs], axis=0)
            print(
                f"{label:<16}  {train_acc:>9.4f}  {test_acc:>8.4f}  {train_acc - test_acc:>6.4f}  "
                f"{loss:>9.3f}  {square:>7.4f}"
            )
    save_figure(draw(trainers), args.output / "regularization.png", show=args.show)


if __name__ == "__main__":
    run(main)
