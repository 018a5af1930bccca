"""Eight ways to compute the gradient of a network's loss, and `gradient_check`, which compares two.

Each method is a function of a network and a mini-batch that returns what ``network.gradient``
returns. It leaves the parameters bit for bit as they were, also if Ctrl-C interrupts it. P is the
number of weights (all elements of ``params``); a pass is one evaluation of the loss.

==========================  ================  ==================================================
method                      passes            error
==========================  ================  ==================================================
`forward_differences`       P + 1             truncation ~ h and rounding ~ ε/h: 1e-8 at best
`central_differences`       2 P               truncation ~ h² and rounding ~ ε/h: 1e-11 at best
`complex_step`              P, in complex     that of arithmetic
                            numbers
`structured_differences`    2 P, of one       that of central differences: the same quotients
                            column each
`forward_mode`              P + 1             that of arithmetic
`batched_forward_mode`      P + 1, many at a  that of arithmetic
                            time
`random_directions`         2 per direction   √((P − 1) / directions) times the gradient
`reverse_mode`              2                 that of arithmetic
==========================  ================  ==================================================

Why is the cost of reverse mode alone independent of P? All other methods start at a weight and ask
how the loss changes with it, and there are P weights to ask about. (`random_directions` asks about
all of them at once, and gets a single number for an answer.) Reverse mode starts at the loss and
asks how it depends on each number before it. There is only one loss, so one backward pass carries
∂L/∂output from every layer to the one before it, and each layer computes the gradient of its
weights from what it is given. For a function with one input and many outputs, forward mode would
need a single pass.
"""

from common.gradient_methods.checking import gradient_check
from common.gradient_methods.complex_numbers import complex_step
from common.gradient_methods.finite_differences import central_differences, forward_differences
from common.gradient_methods.forward import batched_forward_mode, forward_mode
from common.gradient_methods.perturbation import random_directions
from common.gradient_methods.reverse import reverse_mode
from common.gradient_methods.structured import structured_differences

__all__ = [
    "batched_forward_mode",
    "central_differences",
    "complex_step",
    "forward_differences",
    "forward_mode",
    "gradient_check",
    "random_directions",
    "reverse_mode",
    "structured_differences",
]
