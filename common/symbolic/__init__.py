"""A small Theano: expressions are data, gradients are derived, programs can be read.

A script for Theano's tutorials runs with its imports changed: ``from common import symbolic as
theano`` and ``import common.symbolic.tensor as T``. To read the code, take the files in this order.
Each needs only those above it, and Python's operators between variables, such as ``g * y`` or
``g[i]``, which the file operators connects with the functions. (In graph, stacking a list and
`eval` import a later file when they are called.)

==============  ===================================================================================
config          the setting floatX
absent          what Theano has and this package hasn't
runtime         the few functions that compiled programs call besides NumPy's
graph           variables, operations, topological order
elementwise     the table of elementwise operations: NumPy code, kind of dtype, VJPs in each row
arrays          shapes, axes, sums and other reductions, joining
indexing        x[…] and its derivative
products        matrix products, softmax
operators       x + y, x.sum() and the like: the functions above as operators and methods
rewrites        the same value, more accurate and with less work
gradient        reverse mode: one walk, one adjoint per variable
printing        expressions as text
codegen         a straight-line NumPy program, with shape guards and buffer reuse
function        compiling and calling
compile         names of theano.compile
tensor          what a user types: variables and functions of them, random numbers
drawing         expressions as diagrams
==============  ===================================================================================

``T.grad(cost, wrt)`` puts stable forms in place (`rewrites.stabilized`), then walks the graph back
from the cost (`gradient.Walk`) and asks each operation for its vector-Jacobian products (`vjp`).
``theano.function(inputs, outputs)`` checks what it is given, rewrites the outputs
(`rewrites.rewrite`) and generates a NumPy program (`codegen.Program`), which a call runs.

Where it differs from Theano on purpose: elements that are equal share the gradient of a maximum;
the softmax of a vector is a vector; sums of float32 accumulate as NumPy's do; ∂(x ** y)/∂y = 0 for
x ≤ 0; a Python number beside an array of floats takes that array's dtype.
"""

from importlib import import_module

from common.symbolic import operators  # first, since other files are written with operators

# isort: split
from common.symbolic import compile, gradient, printing, tensor
from common.symbolic.absent import absent_from
from common.symbolic.config import config
from common.symbolic.function import Function, In, Out, function
from common.symbolic.gradient import Adjoints, grad
from common.symbolic.graph import (
    DisconnectedInputError,
    MissingInputError,
    Shared,
    UnusedInputError,
    Variable,
    shared,
)
from common.symbolic.printing import debugprint, pp


def __getattr__(name):
    if name == "draw":  # the only one that needs matplotlib
        return import_module("common.symbolic.drawing").draw
    return absent_from(__name__)(name)
