"""Parameters that are shared variables, with the interface that a training needs."""

from collections.abc import Mapping

import numpy as np

__all__ = ["SharedParameters"]


class SharedParameters:
    """Base of models whose parameters are shared variables of `common.symbolic`.

    Attributes
    ----------
    shared : dict of str to shared variable
        The parameters by name; a subclass makes them.
    """

    shared: dict

    def state(self) -> dict[str, np.ndarray]:
        """Return a copy of each parameter's value."""
        return {name: variable.get_value() for name, variable in self.shared.items()}

    def set_state(self, new: Mapping[str, np.ndarray], source: str = "the given dict") -> None:
        """Give the parameters the values of a `state`; `source` names it in an error.

        Raises
        ------
        ValueError
            If its names, shapes or dtypes are others; nothing changes then.
        """
        old = self.state()
        expected, given = (
            {name: (np.shape(value), np.asarray(value).dtype.name) for name, value in s.items()}
            for s in (old, new)
        )
        if given != expected:
            raise ValueError(f"{source} holds {given}, this model has {expected}")
        for name, variable in self.shared.items():
            variable.set_value(new[name])
