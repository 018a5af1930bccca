"""A small Theano: expressions that are data, derivatives that are derived, programs to look at.

``from common import symbolic as theano`` and ``import common.symbolic.tensor as T`` are all that a
script for Theano's first tutorials needs changed.
"""

from common.symbolic import operators, printing, tensor
from common.symbolic.config import config
from common.symbolic.errors import DisconnectedInputError, MissingInputError, UnusedInputError
from common.symbolic.function import Function, In, function
from common.symbolic.gradient import Adjoints, grad
from common.symbolic.printing import debugprint, pp
from common.symbolic.shared import shared

__all__ = [
    "Adjoints",
    "DisconnectedInputError",
    "Function",
    "In",
    "MissingInputError",
    "UnusedInputError",
    "config",
    "debugprint",
    "function",
    "grad",
    "operators",
    "pp",
    "printing",
    "shared",
    "tensor",
]
