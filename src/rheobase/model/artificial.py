"""ArtificialNeuron: the neuron of machine learning, y = f(W x + b), beside which the spiking ones are put."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError, nearest

__all__ = ["ACTIVATIONS", "ArtificialNeuron"]


def _sigmoid(z: np.ndarray) -> np.ndarray:
    # exp of a number that is never positive: no overflow, and no digits lost in 1 - y for large -z
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


#: name -> f; every one takes and returns an array.
ACTIVATIONS: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "linear": lambda z: z,
    "step": lambda z: (z > 0).astype(float),
    "softplus": lambda z: np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))),
}


@final
@dataclass(frozen=True, init=False, eq=False)
class ArtificialNeuron:
    """A layer of neurons without state or time: y = f(W x + b).

    Parameters
    ----------
    W : array, shape (n_out, n_in) or (n_in,)
        Weights, one row for each neuron. One axis is one neuron, and y then has no axis for it.
    b : float or array, shape (n_out,)
        Bias.
    f : str
        ``relu`` max(0, z); ``sigmoid`` 1/(1 + exp(-z)); ``tanh``; ``linear`` z; ``step`` 1 where z > 0, else
        0; ``softplus`` log(1 + exp(z)).

    Raises
    ------
    InputError
        If a shape does not fit, a value is not finite, or `f` is unknown.

    References
    ----------
    W. S. McCulloch & W. Pitts (1943), Bull. Math. Biophys. 5:115 (step); F. Rosenblatt (1958), Psychol. Rev.
    65:386 (weights that are learned).

    Examples
    --------
    >>> layer = ArtificialNeuron([[0.5, 0.25, -1.0], [1.0, 1.0, 1.0]], b=[0.1, -0.2], f="relu")
    >>> layer([1.0, 2.0, 0.5]).round(12).tolist()
    [0.6, 3.3]
    >>> layer(np.zeros((4, 3))).shape
    (4, 2)
    """

    W: np.ndarray
    b: np.ndarray
    f: str

    def __init__(self, W: Any, b: Any = 0.0, f: str = "relu") -> None:
        weights, bias = _read(W, "W"), _read(b, "b")
        if weights.ndim not in (1, 2) or weights.size == 0:
            raise InputError(f"W has shape {weights.shape}; give (n_out, n_in), a row a neuron, or (n_in,) for one")
        if bias.shape not in ((), weights.shape[:-1]):
            wanted = f"one number, or {weights.shape[:-1]}, one a row of W" if weights.ndim == 2 else "one number"
            raise InputError(f"b has shape {bias.shape} and W has {weights.shape}; give b as {wanted}")
        if f not in ACTIVATIONS:
            raise InputError(f"f = {f!r:.60} is unknown.{nearest(str(f), ACTIVATIONS)} Known: {', '.join(ACTIVATIONS)}")
        for name, value in (("W", weights), ("b", bias)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        object.__setattr__(self, "f", f)

    @property
    def n_in(self) -> int:
        """How many inputs each neuron has."""
        return int(self.W.shape[-1])

    @property
    def n_out(self) -> int:
        """How many neurons there are."""
        return int(self.W.shape[0]) if self.W.ndim == 2 else 1

    def sum(self, x: Any) -> np.ndarray:
        """Return z = W x + b, what the activation is applied to; shapes as in a call.

        Raises
        ------
        InputError
            If x has NaN or another number of entries than W has columns.
        """
        array = _read(x, "x", finite=False)
        if array.ndim not in (1, 2) or array.shape[-1] != self.n_in:
            hint = "; transpose it: x.T" if array.ndim == 2 and array.shape[0] == self.n_in else ""
            raise InputError(
                f"x has shape {array.shape}; give ({self.n_in},) or (batch, {self.n_in}),"
                f" as W has {self.n_in} columns{hint}"
            )
        return np.asarray(array @ self.W.T + self.b)

    def __call__(self, x: Any) -> np.ndarray:
        """Return y = f(W x + b), shape (n_out,) for x of (n_in,), or (batch, n_out) for (batch, n_in)."""
        return np.asarray(ACTIVATIONS[self.f](self.sum(x)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArtificialNeuron):
            return NotImplemented
        return self.f == other.f and np.array_equal(self.W, other.W) and np.array_equal(self.b, other.b)

    def __hash__(self) -> int:
        return hash((self.f, self.W.shape, (self.W + 0.0).tobytes(), (self.b + 0.0).tobytes()))

    def to_dict(self) -> dict[str, Any]:
        """Return the neuron as plain JSON types; `from_dict` reads them back."""
        return {"W": self.W.tolist(), "b": self.b.tolist(), "f": self.f}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> ArtificialNeuron:
        """Return the neuron that `to_dict` wrote.

        >>> cell = ArtificialNeuron([1.0, -1.0], b=0.5, f="step")
        >>> ArtificialNeuron.from_dict(cell.to_dict()) == cell
        True
        """
        allowed = ("W", "b", "f")
        if not isinstance(data, Mapping) or "W" not in data:
            raise InputError("this is no artificial neuron: there is no 'W'")
        for key in data:
            if key not in allowed:
                raise InputError(
                    f"'{key}' is no part of an artificial neuron.{nearest(str(key), allowed)} Known: W, b, f"
                )
        return ArtificialNeuron(**data)


def _read(value: Any, name: str, finite: bool = True) -> np.ndarray:
    """Return a copy as floats, without NaN."""
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"{name} = {value!r:.60} is no array of numbers; give lists of equal length or an array"
        ) from None
    wrong = ~np.isfinite(array) if finite else np.isnan(array)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = f" at index {place if len(place) > 1 else place[0]}" if place else ""
        fix = (
            "replace it by a number"
            if name != "x"
            else "a missing value must be filled in, for example by np.nan_to_num"
        )
        raise InputError(f"{name} is {array[wrong][0]}{where}; {fix}")
    return array
