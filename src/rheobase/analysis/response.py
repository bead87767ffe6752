"""How a neuron below threshold answers a small sine: gain and phase at every frequency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import sympy

from rheobase.analysis.setting import pick_input, read_setting
from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import read_quantity
from rheobase.units import parse_unit

__all__ = ["FrequencyResponse", "gain"]


@final
@dataclass(frozen=True, eq=False)
class FrequencyResponse:
    """Gain and phase against frequency; unpacks as ``gain, phase``.

    Attributes
    ----------
    frequencies : array (n_frequencies,)
        Hz.
    impedance : complex array (n_frequencies,)
        Amplitude of the state over amplitude of the input: MOhm for a voltage and a current.
    rest : dict
        The state around which the rows are linearised.
    eigenvalues : complex array (n_states,)
        Of the linearised flow, in 1/ms.
    """

    frequencies: np.ndarray
    impedance: np.ndarray
    rest: dict[str, float]
    eigenvalues: np.ndarray
    model: str
    state: str
    input: str
    unit: str

    @property
    def gain(self) -> np.ndarray:
        """Absolute value of the impedance, shape (n_frequencies,)."""
        return np.abs(self.impedance)

    @property
    def phase(self) -> np.ndarray:
        """Phase of the state ahead of the input in rad, shape (n_frequencies,); negative where it lags."""
        return np.angle(self.impedance)

    @property
    def resonance(self) -> float | None:
        """The given frequency (Hz) with the largest gain; None if that is the first or the last."""
        k = int(np.argmax(self.gain))
        return float(self.frequencies[k]) if 0 < k < len(self.frequencies) - 1 else None

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.gain
        yield self.phase

    def plot(self, axes: Any = None) -> Any:
        """Draw gain above phase; return the two axes."""
        from rheobase.plot import curves

        return curves.bode(
            self.frequencies,
            self.gain,
            self.phase,
            f"|{self.state}/{self.input}|",
            self.unit,
            self.model,
            axes,
        )


def gain(
    model: Neuron, frequencies: Any, state: str = "v", input: str | None = None, **given: Any
) -> FrequencyResponse:
    r"""Return gain and phase of a neuron below threshold, exact for the rows linearised at rest.

    .. math:: Z(\omega) = c^T\,(i\omega - A)^{-1}\,b,\qquad A = \frac{\partial f}{\partial x},\quad
              b = \frac{\partial f}{\partial I}

    Parameters
    ----------
    model : Neuron
    frequencies : array
        Hz, or texts with a unit.
    state : str
        Which state answers.
    input : str, optional
        Which input oscillates; I, or the only one, if not given.
    **given
        Inputs and other values. A constant current given here shifts the rest.

    Raises
    ------
    DidNotConverge
        If the neuron has no stable rest.
    InputError
        If there is no such state or input, or a frequency is negative.

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, section 1.3; Richardson, Brunel & Hakim (2003), J.
    Neurophysiol. 89:2538.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> found = gain(LIF(tau="10 ms", R="2 MOhm"), ["0 Hz", "15.915494309189533 Hz"])
    >>> found.gain.round(6), found.phase.round(6)
    (array([2.      , 1.414214]), array([ 0.      , -0.785398]))
    """
    name = pick_input(model, input)
    if state not in model.states:
        raise InputError(
            f"state = '{state}' is no state of {model.name}.{nearest(state, model.states)}"
            f" States: {', '.join(model.states)}"
        )
    q = read_quantity(frequencies, "frequencies")
    if q.dimension is not None and q.dimension != parse_unit("Hz")[1]:
        raise UnitMismatch(f"frequencies are in {q.dimension.unit}; give Hz")
    hertz = np.atleast_1d(np.asarray(q.value, dtype=float)) * (1.0 if q.dimension is None else 1e3)
    if hertz.min() < 0 or not np.isfinite(hertz).all():
        raise InputError(f"frequencies = {frequencies!r:.60} must be finite and not negative, in Hz")
    setting = read_setting(model, given, None if name in given else name)
    i = model.states.index(state)
    u = symbol(name)
    found = setting.affine()
    if found is not None:
        a = found[0]
        x = setting.rest() if np.linalg.cond(a) < 1e12 else setting.x0
    else:
        x = setting.rest()
        a = setting.jacobian(x)
    here = dict(zip(setting.states, x.tolist(), strict=True))
    b = np.array([float(setting.number(sympy.diff(e, u), **here)) for e in setting.drift])
    impedance = np.empty(len(hertz), dtype=complex)
    for k, f in enumerate(hertz):
        try:
            impedance[k] = np.linalg.solve(2j * np.pi * 1e-3 * f * np.eye(len(x)) - a, b)[i]
        except np.linalg.LinAlgError:  # a perfect integrator at frequency zero
            impedance[k] = np.inf
    top, bottom = model.dimensions.get(state), model.dimensions.get(name)
    unit = (top * bottom**-1).unit if top is not None and bottom is not None else ""
    return FrequencyResponse(hertz, impedance, here, np.linalg.eigvals(a), model.name, state, name, unit)
