"""Structured differences: central differences that evaluate again only what a weight can change.

The book changes a weight of the first layer and then evaluates the whole network again. But
W1[i, j] only affects hidden unit j, and only through input i:

- all other hidden units keep their values, so the scores change by the change of unit j times row j
  of W2, and no matrix product is needed;
- an example whose pixel i is 0 doesn't change at all, and four out of five pixels of a digit are 0;
- neither does an example for which unit j is a ReLU that stays off.

What remains is computed for all weights of unit j at once. The result is the same difference
quotient of the same loss with the same h. It takes about a hundredth of the time, but the time is
still proportional to P, so reverse mode remains much faster.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from common.functions import softmax, softmax_loss
from common.gradient import check_step
from common.networks import Network
from common.support.checks import labels_as_rows

__all__ = ["structured_differences"]

BLOCK_SIZE = 2**17  # numbers in the largest working array: 1 MiB, which stays in the cache


def structured_differences(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    h: float = 1e-4,
    *,
    progress: Callable[[int], object] | None = None,
) -> dict[str, np.ndarray]:
    """Return (L(w + h) − L(w − h)) / 2h for all weights of a two-layer network.

    With scores s, probabilities y = softmax(s) and one-hot labels t, an example's loss is
    log Σₖ exp(sₖ) − Σₖ tₖ sₖ. If its scores change by d, the loss changes by

        log Σₖ yₖ exp(dₖ) − Σₖ tₖ dₖ,

    and nothing else has to be computed. The scores change by dₖ = (change of unit j) · W2[j, k] for
    weights into unit j. For a weight from unit j to class k, only dₖ = ± h z[j] isn't 0. A bias is
    the weight of an input that is always 1.

    Parameters
    ----------
    network : Network
        With ``params`` W1, b1, W2 and b2, softmax with cross-entropy at the end, and the
        ``activation`` of its hidden layer, a monotonic elementwise function.
    x : ndarray, shape (N, ...)
    t : ndarray
        Integer labels of shape (N,), or one-hot rows of shape (N, K).
    h : float
        Step.
    progress : callable, optional
        Called with the number of weights that were finished since the last call.

    Returns
    -------
    dict of str to ndarray
        With the keys, shapes and dtype of ``network.params``: what ``network.numerical_gradient``
        returns, within rounding.

    Raises
    ------
    TypeError
        If the network isn't such a two-layer network.
    ValueError
        If `h` isn't above 0, or `x` or `t` doesn't fit the network.
    """
    check_step(h)
    network.synchronize()
    if set(network.params) != {"W1", "b1", "W2", "b2"} or not hasattr(network, "activation"):
        raise TypeError(
            "structured differences need a two-layer network: params W1, b1, W2 and b2, and the "
            f"activation of its hidden layer; got a {type(network).__name__} with the params "
            f"{', '.join(network.params)}"
        )
    W1, b1, W2, b2 = (network.params[key] for key in ("W1", "b1", "W2", "b2"))
    x = network.check_input(x).reshape(len(x), -1)
    scores = network.activation(x @ W1 + b1) @ W2 + b2
    one_hot = labels_as_rows(t, scores)
    if not np.isclose(network.loss(x, t), softmax_loss(scores, t), rtol=1e-3, equal_nan=True):
        raise TypeError(
            "structured differences need a network whose loss is the cross-entropy of "
            "softmax(activation(x W1 + b1) W2 + b2); has a layer been replaced?"
        )

    first = np.zeros((len(W1) + 1, len(b1)), x.dtype)  # the gradient of W1, and of b1 below it
    second = np.zeros((len(W2) + 1, len(b2)), x.dtype)
    inputs = np.column_stack([x, np.ones(len(x), x.dtype)])
    blocks = _blocks_of_examples(inputs, classes=len(b2))
    for block in blocks:
        before = x[block] @ W1 + b1
        z = network.activation(before)
        y = softmax(z @ W2 + b2)
        second += _out_of_units(z, y, one_hot[block], h)
        steps = _Steps.of(h * inputs[block])
        for unit, out in enumerate(W2):
            first[:, unit] += _into_unit(
                before[:, unit], out, steps, y, one_hot[block], network.activation
            )
            if progress is not None and block is blocks[-1]:
                progress(len(first))
    if progress is not None:
        progress(second.size)
    scale = 1 / (2 * h * len(x))
    first *= scale
    second *= scale
    return {"W1": first[:-1], "b1": first[-1], "W2": second[:-1], "b2": second[-1]}


def _blocks_of_examples(inputs, classes):
    """Return slices of examples that have about BLOCK_SIZE / K nonzero inputs."""
    per_example = max(1, np.count_nonzero(inputs) / len(inputs)) * classes
    length = max(1, int(BLOCK_SIZE / per_example))
    return [slice(start, start + length) for start in range(0, len(inputs), length)]


class _Steps(NamedTuple):
    """How much a unit's input changes if a weight into the unit changes by h.

    That is h · input, listed for the pairs of an example and an input where it isn't 0.
    """

    inputs: int
    farthest: np.ndarray  # the largest step of each example
    example: np.ndarray
    source: np.ndarray
    step: np.ndarray

    @classmethod
    def of(cls, steps):
        """Return the nonzero elements of `steps`, an array of shape (N, D + 1)."""
        example, source = np.nonzero(steps)
        farthest = np.abs(steps).max(axis=1)
        return cls(steps.shape[1], farthest, example, source, steps[example, source])

    def of_examples(self, chosen):
        """Return the steps of the examples where `chosen`, of shape (N,), is true."""
        those = chosen[self.example]
        return self._replace(
            example=self.example[those], source=self.source[those], step=self.step[those]
        )


def _into_unit(before, out, steps, y, one_hot, activation):
    """Return Σₙ L(w + h) − L(w − h) for all weights w into one hidden unit, shape (D + 1,).

    Parameters
    ----------
    before : (N,)
        The unit's input, to which the activation is applied.
    out : (K,)
        Weights from the unit to the scores.
    steps : _Steps
    y, one_hot : (N, K)
    """
    # The activation is monotonic: what the farthest steps don't change, no smaller step does.
    moves = activation(before + steps.farthest) != activation(before - steps.farthest)
    if not moves.all():
        steps = steps.of_examples(moves)
    _, _, example, source, step = steps

    here, now = before[example], activation(before)[example]
    up, down = activation(here + step) - now, activation(here - step) - now
    y = y.T[:, example]  # one row per class, one column per pair
    growth = _mean_growth(y, out, up) / _mean_growth(y, out, down)
    change = np.log(growth) - (up - down) * (one_hot @ out)[example]
    return np.bincount(source, change, minlength=steps.inputs)


def _mean_growth(y, out, moved):
    """Return Σₖ yₖ exp(outₖ · moved) of each pair."""
    growth = np.multiply.outer(out, moved)
    np.exp(growth, out=growth)
    growth *= y
    return growth.sum(axis=0)


def _out_of_units(z, y, one_hot, h):
    """Return Σₙ L(w + h) − L(w − h) for all weights into the scores, shape (H + 1, K)."""
    step = h * np.column_stack([z, np.ones(len(z), z.dtype)])
    up, down = np.expm1(step), np.expm1(-step)
    total = -2 * step.T @ one_hot
    for k, y_k in enumerate(y.T[:, :, np.newaxis]):
        total[:, k] += (np.log1p(y_k * up) - np.log1p(y_k * down)).sum(axis=0)
    return total
