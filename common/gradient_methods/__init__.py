"""Eight ways to compute the gradient of a network's loss, and `gradient_check`, which compares two.

Each method is a function of a network and a mini-batch, returns what ``network.gradient`` returns,
and leaves the parameters bit for bit as they were, also if Ctrl-C strikes in the middle. P is the
number of weights (all entries of ``params``); a pass is one evaluation of the loss.

==========================  ================  ==================================================
method                        passes            error
==========================  ================  ==================================================
`forward_differences`       P + 1             order h, and of rounding ε/h: about 1e-8 at best
`central_differences`       2 P               order h², and of rounding ε/h: about 1e-11 at best
`complex_step`              P, in complex     none but that of arithmetic
                            numbers
`structured_differences`    2 P, of one       that of central differences, the same numbers
                            column each
`forward_mode`              P + 1             none but that of arithmetic
`batched_forward_mode`      P + 1, many at a  none but that of arithmetic
                            time
`random_directions`         2 a direction     of √((P − 1) / directions) times the gradient
`reverse_mode`              2                 none but that of arithmetic
==========================  ================  ==================================================

Why does only reverse mode not depend on P? All the others ask the question from the weight's end:
"if this one moves, how does the loss move?", and there are P weights to ask about. Reverse mode
asks from the loss's end: "who moved me, and by how much?", and there is one loss. Its one walk
back carries ∂L/∂output from each layer to the layer before it, and all weights of a layer read
their derivatives off what passes by. With one weight and many losses it would be the other way
round.
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
