"""Functions of neural networks: activations and losses, entry by entry or row by row."""

from common.symbolic.elementwise import ELEMENTWISE, op
from common.symbolic.graph import Variable, as_variable
from common.symbolic.shape import arange
from common.symbolic.softmax import LogSoftmax, Softmax

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
]

sigmoid = ELEMENTWISE["sigmoid"]
softplus = ELEMENTWISE["softplus"]


def relu(x, alpha=0) -> Variable:
    """Return `x` where it is positive, and `alpha` times `x` elsewhere."""
    if isinstance(alpha, (int, float)) and alpha == 0:
        return op("relu", x)
    return op("switch", op("gt", x, 0), x, alpha * as_variable(x))


def softmax(x) -> Variable:
    """Return exp(xₖ) / Σⱼ exp(xⱼ) along the last axis. A vector stays one; Theano made it a row."""
    return Softmax()(x)


def log_softmax(x) -> Variable:
    """Return log softmax(x) along the last axis, exact also where softmax is 0."""
    return LogSoftmax()(x)


def binary_crossentropy(output, target) -> Variable:
    """Return −t log y − (1 − t) log(1 − y), entry by entry, in nats."""
    output, target = as_variable(output), as_variable(target)
    return -(target * op("log", output) + (1.0 - target) * op("log", 1.0 - output))


def categorical_crossentropy(coding_dist, true_dist) -> Variable:
    """Return −log of the probability of the label, for each row, in nats.

    Parameters
    ----------
    coding_dist : Variable, shape (N, classes)
        Probabilities.
    true_dist : Variable
        Integer labels of shape (N,), or probabilities, of shape (N, classes).

    Raises
    ------
    TypeError
        If `true_dist` is neither.
    """
    coding_dist, true_dist = as_variable(coding_dist), as_variable(true_dist)
    log_probability = op("log", coding_dist)
    if true_dist.ndim == coding_dist.ndim:
        return -(true_dist * log_probability).sum(axis=coding_dist.ndim - 1)
    if true_dist.ndim == coding_dist.ndim - 1 == 1 and true_dist.dtype.kind in "iu":
        return -log_probability[arange(true_dist.shape[0]), true_dist]
    raise TypeError(
        "categorical_crossentropy: true_dist must be a vector of integer labels, or probabilities "
        f"with the axes of coding_dist, got {true_dist!r}, {true_dist.ndim} axes of "
        f"{true_dist.dtype}"
    )
