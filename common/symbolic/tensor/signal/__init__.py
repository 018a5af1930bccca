"""Where Theano has pooling. This package hasn't, and an error says what to use instead."""

from common.symbolic.absent import absent_from

__getattr__ = absent_from(__name__)
