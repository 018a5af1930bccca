"""Functions of neural networks, elementwise or along the last axis."""

from common.symbolic import elementwise as _ew
from common.symbolic import products as _products
from common.symbolic.absent import absent_from as _absent_from
from common.symbolic.arrays import arange as _arange
from common.symbolic.elementwise import sigmoid, softplus
from common.symbolic.graph import Variable
from common.symbolic.graph import as_variable as _as_variable

__getattr__ = _absent_from(__name__)

ultra_fast_sigmoid = sigmoid


def relu(x, alpha=0) -> Variable:
    """Return `x` where it is positive, and `alpha` times `x` elsewhere."""
    if isinstance(alpha, int | float) and alpha == 0:
        return _ew.relu(x)
    return _ew.switch(_ew.gt(x, 0), x, _ew.mul(alpha, x))


def elu(x, alpha=1) -> Variable:
    """Return `x` where it is positive, and `alpha` (exp(x) − 1) elsewhere."""
    return _ew.switch(_ew.gt(x, 0), x, alpha * _ew.expm1(x))


def hard_sigmoid(x) -> Variable:
    """Return 0.2 x + 0.5, limited to the range from 0 to 1."""
    return _ew.clip(_ew.mul(0.2, x) + 0.5, 0.0, 1.0)


def softsign(x) -> Variable:
    """Return x / (1 + |x|)."""
    return x / (1 + _ew.abs(x))


def softmax(x) -> Variable:
    """Return exp(xₖ) / Σⱼ exp(xⱼ) along the last axis. Of a vector it is a vector."""
    return _products.along_axis(_products.Softmax, x)


def log_softmax(x) -> Variable:
    """Return log softmax(x) along the last axis, accurate even if the softmax rounds to 0."""
    return _products.along_axis(_products.LogSoftmax, x)


logsoftmax = log_softmax


def binary_crossentropy(output, target) -> Variable:
    """Return −t log y − (1 − t) log(1 − y), elementwise, in nats."""
    output, target = _as_variable(output), _as_variable(target)
    return -(target * _ew.log(output) + (1.0 - target) * _ew.log(1.0 - output))


def categorical_crossentropy(coding_dist, true_dist) -> Variable:
    """Return −log of the probability of the label, for each row, in nats.

    Parameters
    ----------
    coding_dist : Variable, shape (N, classes)
        Probabilities.
    true_dist : Variable
        Integer labels of shape (N,), or probabilities of shape (N, classes).

    Raises
    ------
    TypeError
        If `true_dist` is neither.
    """
    coding_dist, true_dist = _as_variable(coding_dist), _as_variable(true_dist)
    log_probability = _ew.log(coding_dist)
    if true_dist.ndim == coding_dist.ndim:
        return -(true_dist * log_probability).sum(axis=coding_dist.ndim - 1)
    if true_dist.ndim == coding_dist.ndim - 1 == 1 and true_dist.kind in "iu":
        return -log_probability[_arange(true_dist.shape[0]), true_dist]
    raise TypeError(
        "categorical_crossentropy: true_dist must be a vector of integer labels, or probabilities "
        f"with the axes of coding_dist, got {true_dist!r}, {true_dist.ndim} axes of "
        f"{true_dist.dtype}"
    )
