"""What the notebooks share: source that is shown, and sliders that are figures without a kernel."""

import inspect
import textwrap
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
from IPython.display import Code, display
from matplotlib.figure import Figure

__all__ = ["show_source", "slider"]


def show_source(thing: Callable) -> Code:
    """Return the source of a function or class of the library, to be shown highlighted.

    Examples
    --------
    >>> from common.functions import identity_function
    >>> show_source(identity_function).data.splitlines()[0]
    'def identity_function(x):'
    """
    return Code(textwrap.dedent(inspect.getsource(thing)), language="python")


def slider(draw: Callable[..., Figure], *, default: int | None = None, **values: Sequence) -> None:
    """Show a figure, and a slider that draws it anew.

    The figure is an output like any other, so that it is also there without a kernel, where the
    slider isn't.

    Parameters
    ----------
    draw : callable
        Of one keyword argument; returns a figure of ``matplotlib.pyplot``, which is closed when it
        has been shown.
    default : int, optional
        Which of the values the figure is of at first, by place; the middle one if none is given.
    **values : sequence
        The argument's name, and the values to choose from: numbers, each once.

    Raises
    ------
    TypeError
        If not exactly one argument's values are given.

    Examples
    --------
    ::

        slider(draw_walk, learning_rate=(0.01, 0.1, 0.3))
    """
    import ipywidgets  # here, since the library's other users have no need of it

    if len(values) != 1:
        raise TypeError(f"slider takes the values of one argument, got {list(values) or 'none'}")
    [(name, options)] = values.items()
    chosen = options[len(options) // 2 if default is None else default]
    control = ipywidgets.SelectionSlider(
        options=[(f"{v:g}" if isinstance(v, float) else str(v), v) for v in options],
        value=chosen,
        description=name,
        continuous_update=False,
        style={"description_width": "initial"},
    )
    display(control)
    figure = draw(**{name: chosen})
    shown = display(figure, display_id=True)
    plt.close(figure)  # else it would be shown a second time at the end of the cell

    def redraw(change):
        figure = draw(**{name: change["new"]})
        shown.update(figure)
        plt.close(figure)

    control.observe(redraw, names="value")
