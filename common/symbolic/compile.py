"""Names of ``theano.compile`` that programs use. Modes have no effect here: there is one."""

from common.symbolic.absent import absent_from
from common.symbolic.function import In, Out, function
from common.symbolic.graph import Shared as SharedVariable
from common.symbolic.graph import shared

__all__ = ["In", "Out", "SharedVariable", "function", "shared"]
__getattr__ = absent_from(__name__)
