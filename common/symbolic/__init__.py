"""A small Theano: expressions that are data, derivatives that are derived, programs to look at.

``from common import symbolic as theano`` and ``import common.symbolic.tensor as T`` are all that a
script for Theano's first tutorials needs changed. To read the code, take it in this order:

===================================  ==============================================================
graph, operation                     variables, and what makes them
elementwise, reduction, extremum,    the operations, each with its NumPy program, its derivative and
linear, softmax, shape, indexing     its dtype and shape side by side
operators, tensor, nnet,             what a user types
tensor_type, config
gradient                             the derivative of an expression, as an expression
rewrite, rules                       the same value, more stable and with less work
agreement                            shapes that agree, and what to do if they don't
buffers, names, program, runtime     writing a straight-line NumPy program
function, compiled, shared, values,  calling it
errors
printing, drawing/                   looking at expressions
===================================  ==============================================================
"""

from importlib import import_module

from common.symbolic import printing, tensor
from common.symbolic.compiled import Function
from common.symbolic.config import config
from common.symbolic.errors import DisconnectedInputError, MissingInputError, UnusedInputError
from common.symbolic.function import In, function
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
    "pp",
    "printing",
    "shared",
    "tensor",
]


def __getattr__(name):
    if name == "draw":  # the only one that needs matplotlib, so it is fetched when it is asked for
        return import_module("common.symbolic.drawing").draw
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
