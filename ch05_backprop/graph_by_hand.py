"""A computational graph by hand: what apples, oranges and tax contribute to the bill.

Two apples at 100 and three oranges at 150, with 10 % tax. Each node of the graph computes one
product or sum in the forward pass. In the backward pass it gets the derivative of the total with
respect to its output (the upstream gradient), multiplies it by its own local derivatives, and so
knows the derivatives with respect to its inputs: the chain rule, one node at a time.

    apples ──────┐
    apple price ─×─┐
                   +──×── total
    orange price ×─┘  │
    oranges ─────┘   tax
"""

from common.scripts.command_line import run, script_parser


class MulLayer:
    """Multiplication: z = x · y, so ∂z/∂x = y and ∂z/∂y = x."""

    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x: float, y: float) -> float:
        """Return x · y, and remember both for the backward pass."""
        self.x = x
        self.y = y
        return x * y

    def backward(self, dout: float) -> tuple[float, float]:
        """Return ∂L/∂x and ∂L/∂y, from `dout`, the derivative with respect to the product."""
        return dout * self.y, dout * self.x


class AddLayer:
    """Addition: z = x + y, so ∂z/∂x = ∂z/∂y = 1."""

    def forward(self, x: float, y: float) -> float:
        """Return x + y."""
        return x + y

    def backward(self, dout: float) -> tuple[float, float]:
        """Return ∂L/∂x and ∂L/∂y, from `dout`, the derivative with respect to the sum."""
        return dout, dout


def bill(
    apple_price: float, apples: float, orange_price: float, oranges: float, tax: float
) -> tuple[float, dict[str, float]]:
    """Return the total, and its derivative with respect to each of the five inputs.

    Parameters
    ----------
    apple_price, orange_price : float
        Price of one.
    apples, oranges : float
        How many.
    tax : float
        Factor on the sum, 1.1 for 10 %.

    Examples
    --------
    >>> total, derivatives = bill(100, 2, 150, 3, 1.1)
    >>> round(total, 9)
    715.0
    >>> {name: round(value, 9) for name, value in derivatives.items()}
    {'apple_price': 2.2, 'apples': 110.0, 'orange_price': 3.3, 'oranges': 165.0, 'tax': 650.0}
    """
    apple_node, orange_node, sum_node, tax_node = MulLayer(), MulLayer(), AddLayer(), MulLayer()

    apple_sum = apple_node.forward(apple_price, apples)
    orange_sum = orange_node.forward(orange_price, oranges)
    before_tax = sum_node.forward(apple_sum, orange_sum)
    total = tax_node.forward(before_tax, tax)

    dtotal = 1.0
    dbefore_tax, dtax = tax_node.backward(dtotal)
    dapple_sum, dorange_sum = sum_node.backward(dbefore_tax)
    dorange_price, doranges = orange_node.backward(dorange_sum)
    dapple_price, dapples = apple_node.backward(dapple_sum)

    return total, {
        "apple_price": dapple_price,
        "apples": dapples,
        "orange_price": dorange_price,
        "oranges": doranges,
        "tax": dtax,
    }


def main(argv=None):
    """Run the script with the arguments `argv`, by default those of the command line."""
    script_parser(__doc__).parse_args(argv)
    inputs = {"apple_price": 100, "apples": 2, "orange_price": 150, "oranges": 3, "tax": 1.1}
    total, derivatives = bill(**inputs)

    print(f"total: {total:g}\n")
    print(f"{'input':<14}{'value':>8}  {'d total / d input':>18}")
    for name, value in inputs.items():
        print(f"{name.replace('_', ' '):<14}{value:>8g}  {derivatives[name]:>18g}")


if __name__ == "__main__":
    run(main)
