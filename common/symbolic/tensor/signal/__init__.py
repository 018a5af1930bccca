"""Where Theano has the pooling of images; asking for it says what to take instead."""

from common.symbolic.absent import absent_from

__getattr__ = absent_from(__name__)
