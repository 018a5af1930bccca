"""One source of truth for parameters: the dict ``params`` and the attributes of the layers.

Either may be assigned to. At the start of its next call the network finds out which of the two has
another array than before, and gives it to the other one.
"""

import inspect
from collections.abc import Mapping, MutableMapping
from functools import cache
from operator import is_

import numpy as np

from common.support.checks import as_floating

__all__ = ["LayerParameters", "buffer_names", "param_names", "takes_train_flg"]

Owners = dict[str, tuple[object, str]]  # key in params: (layer, name of the attribute)
# Names that are numbered, and the name that they share their numbers with.
GROUPS = {"W": "W", "b": "W"} | dict.fromkeys(
    ("gamma", "beta", "running_mean", "running_var"), "gamma"
)
ABSENT = object()


class LayerParameters:
    """Keeps ``params`` and the layers' attributes the same arrays, by identity.

    W and b of the first layer that has them are ``params["W1"]`` and ``params["b1"]``, and so on;
    gamma and beta are numbered in the same way. A parameter of another name is
    ``params["<layer>.<name>"]``, where ``<layer>`` is the layer's key. A layer keeps its number
    when another one takes its place.

    Parameters
    ----------
    dtype : floating-point dtype
        Of the array that a parameter becomes if it is a number, a list, or holds integers.

    Attributes
    ----------
    owners : dict of str to (layer, str)
        The layer and the name of its attribute for each key that ``params`` must have.
    buffers : list of (str, layer, str)
        Key, layer and name of each buffer, such as running_mean1.
    random : list of layer
        Those that may draw random numbers in training.
    """

    def __init__(self, dtype=np.float64):
        self.dtype = dtype
        self.owners = {}
        self.buffers = []
        self.random = []
        self._numbers = {}  # of each group and layer's key
        self._keys, self._layers = [], []  # which the first three attributes are about
        self._last = {}  # the arrays after the last synchronization
        self._synchronized = []  # the same with their layers; empty if a synchronization failed

    def gradients(self) -> dict[str, np.ndarray]:
        """Return the gradients that the last backward pass stored, with the keys of ``params``.

        Where all units share a single number, it is the sum of theirs.
        """
        return {
            key: getattr(layer, gradient) if array.ndim else np.sum(getattr(layer, gradient))
            for key, layer, _, array, gradient in self._synchronized
        }

    def _are_known(self, layers):
        return self._keys == list(layers) and all(map(is_, self._layers, layers.values()))

    def _look_at(self, layers):
        first = {}
        for key, layer in layers.items():
            if first.setdefault(id(layer), key) != key:
                raise ValueError(
                    f"{first[id(layer)]} and {key} in layers are the same layer, which can only "
                    "remember one forward pass: each needs a layer of its own"
                )
        self.owners = {
            self._key(layer_key, name): (layer, name)
            for layer_key, layer in layers.items()
            for name in param_names(layer)
        }
        self.buffers = [
            (self._key(layer_key, name), layer, name)
            for layer_key, layer in layers.items()
            for name in buffer_names(layer)
        ]
        for layer in list(layers.values())[1:]:
            if not getattr(layer, "input_gradient", True):  # it was first, and no longer is
                layer.input_gradient = True
        # The book's Dropout has no attribute rng: it draws from NumPy's global random numbers.
        self.random = [
            layer
            for layer in layers.values()
            if hasattr(layer, "rng") or (takes_train_flg(layer) and not buffer_names(layer))
        ]
        self._keys, self._layers = list(layers), list(layers.values())

    def _key(self, layer_key, name):
        if name not in GROUPS:
            return f"{layer_key}.{name}"
        numbers = self._numbers.setdefault(GROUPS[name], {})
        return f"{name}{numbers.setdefault(layer_key, len(numbers) + 1)}"

    def synchronize(
        self, params: MutableMapping[str, np.ndarray], layers: Mapping[str, object]
    ) -> None:
        """Hand on what was replaced in `params` or in `layers` since the last call.

        Raises
        ------
        ValueError
            If a parameter was replaced in both, by two arrays, a layer has two keys, or `params`
            has a key that belongs to no layer; neither `params` nor `layers` is changed then.
        TypeError
            If a parameter doesn't hold numbers.
        """
        known = self._are_known(layers)
        if known and len(params) == len(self._synchronized):
            for key, layer, name, array, _ in self._synchronized:
                if params.get(key) is not array or getattr(layer, name) is not array:
                    break
            else:
                return
        self._synchronized = []
        if not known:
            self._look_at(layers)
        new = {}
        for key, (layer, name) in self.owners.items():
            last, in_layer = self._last.get(key, ABSENT), getattr(layer, name)
            in_params = params.get(key, last)
            if in_params is not last and in_layer is not last and in_params is not in_layer:
                raise ValueError(
                    f"{key} was replaced both in params and in the layer that has it: assign it "
                    "once, or the same array twice"
                )
            new[key] = self._as_array(key, in_layer if in_params is last else in_params)
        if unknown := params.keys() - new.keys() - self._last.keys():
            raise ValueError(
                f"params has {', '.join(sorted(unknown))}, which no layer has; "
                f"the layers have {', '.join(new)}"
            )
        for key, (layer, name) in self.owners.items():
            setattr(layer, name, new[key])
        if list(params) != list(new):
            params.clear()
        params.update(new)
        self._last = new
        self._synchronized = [
            (key, layer, name, new[key], f"d{name}") for key, (layer, name) in self.owners.items()
        ]

    def _as_array(self, key, value):
        array = as_floating(key, value)
        return array if array is value else array.astype(self.dtype)


def param_names(layer: object) -> tuple[str, ...]:
    """Return the names of the parameters of any layer, also of one that isn't a `Layer`.

    Examples
    --------
    >>> from common.layers import Layer, Pooling
    >>> param_names(Pooling(2, 2)), param_names(type("Scale", (Layer,), {"gamma": 2.0})())
    ((), ('gamma',))
    """
    names = getattr(layer, "param_names", None)
    if names is None:
        names = (name for name in ("W", "b", "gamma", "beta") if hasattr(layer, name))
    return tuple(names)


def buffer_names(layer: object) -> tuple[str, ...]:
    """Return the names of the arrays that a forward pass of `layer` in training updates."""
    names = getattr(layer, "buffer_names", None)
    if names is None:
        names = (name for name in ("running_mean", "running_var") if hasattr(layer, name))
    return tuple(names)


def takes_train_flg(layer: object) -> bool:
    """Return whether ``layer.forward`` has a parameter ``train_flg``."""
    return _takes_train_flg(type(layer))


@cache
def _takes_train_flg(kind):
    return "train_flg" in inspect.signature(kind.forward).parameters
