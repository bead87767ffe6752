"""How strong a pulse must be to make a neuron fire, against how long it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.analysis.linear import drive_of
from rheobase.analysis.rheobase import rheobase
from rheobase.analysis.setting import pick_input, read_setting
from rheobase.engines.clock import Clock
from rheobase.errors import DidNotConverge, InputError
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import read_quantity
from rheobase.network.inputs import sampled
from rheobase.simulation import simulate
from rheobase.units import parse_unit, to_number

__all__ = ["StrengthDuration", "strength_duration"]

_SECTIONS = 15
_DOUBLINGS = 30


@final
@dataclass(frozen=True, eq=False)
class StrengthDuration:
    """Threshold amplitude against duration of a pulse; unpacks as ``durations, amplitudes``.

    Attributes
    ----------
    durations : array (n_durations,)
        ms.
    amplitudes : array (n_durations,)
        The smallest pulse that makes it fire, in `unit`.
    rheobase : float
        The smallest constant current, in `unit`.
    chronaxie : float
        Duration (ms) at which twice the rheobase is needed; nan if the durations do not reach it.
    analytic : array (n_durations,) or None
        The same in closed form, for affine rows; Lapicque's curve for a LIF.
    weiss : array (n_durations,)
        Weiss's law through rheobase and chronaxie, I = rheobase (1 + chronaxie/duration).
    """

    durations: np.ndarray
    amplitudes: np.ndarray
    rheobase: float
    chronaxie: float
    analytic: np.ndarray | None
    model: str
    input: str
    unit: str

    @property
    def weiss(self) -> np.ndarray:
        """Weiss's law, shape (n_durations,)."""
        return np.asarray(self.rheobase * (1 + self.chronaxie / self.durations))

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.durations
        yield self.amplitudes

    def plot(self, axes: Any = None) -> Any:
        """Draw the curve with rheobase and chronaxie; return the axes."""
        from rheobase.plot import curves

        return curves.strength(
            self.durations,
            self.amplitudes,
            self.analytic,
            self.rheobase,
            self.chronaxie,
            self.input,
            self.unit,
            self.model,
            axes,
        )


def strength_duration(
    model: Neuron,
    durations: Any = None,
    input: str | None = None,
    wait: Any = "100 ms",
    rtol: float = 1e-6,
    dt: Any = "0.1 ms",
    **given: Any,
) -> StrengthDuration:
    r"""Return the smallest rectangular pulse that makes a neuron fire, for each duration.

    Found by sections of a bracket, all durations and amplitudes of a round in one run. For affine rows the
    closed form stands beside it, :math:`\min_t -g_0(t)/h_d(t)` as for `rheobase`, which is for the LIF

    .. math:: I(d) = \frac{I_{rheobase}}{1 - e^{-d/\tau}}, \qquad \mathrm{chronaxie} = \tau \ln 2

    Parameters
    ----------
    model : Neuron
    durations : array, optional
        In ms, each rounded to steps of dt; by default 21 from 0.1 to 100 ms, in geometric order.
    input : str, optional
        Which input or parameter is the current; I, or the only one, if not given.
    wait : time
        How long after the end of its pulse a neuron may take to fire.
    rtol : float
        Relative precision of the amplitudes.
    dt : time
        Step of the runs.
    **given
        Other inputs, values and initial states, as for `simulate`.

    Raises
    ------
    DidNotConverge
        If there is no rheobase, or a pulse does not make it fire at any amplitude.
    InputError
        If a duration is not positive.

    References
    ----------
    Lapicque (1907), J. Physiol. Pathol. Gen. 9:620; Weiss (1901), Arch. Ital. Biol. 35:413.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> found = strength_duration(LIF(), [1, 10, 100])
    >>> found.amplitudes.round(4), round(found.chronaxie, 4)
    (array([4.1008, 0.5083, 0.2014]), 13.8629)
    """
    name = pick_input(model, input)
    step, after = to_number(dt, "ms", "dt"), to_number(wait, "ms", "wait")
    q = read_quantity(np.logspace(-1, 2, 21) if durations is None else durations, "durations")
    if q.dimension is not None and q.dimension != parse_unit("ms")[1]:
        raise InputError(f"durations are in {q.dimension.unit}; they are times, in ms")
    asked = np.atleast_1d(np.asarray(q.value, dtype=float))
    if asked.min() <= 0:
        raise InputError(f"durations: {asked.min():g} ms is not positive")
    width = np.unique(np.maximum(np.rint(asked / step), 1)) * step
    edge = rheobase(model, name, **given)
    if edge <= 0:
        raise DidNotConverge(
            f"{model.name} fires at {name} = {edge:g} already; a threshold pulse needs a positive rheobase"
        )

    def fires(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return which amplitudes between low and high make it fire, shape (n_durations, n_sections)."""
        part = np.linspace(0, 1, _SECTIONS + 2)[1:]
        amplitude = low[:, None] + (high - low)[:, None] * part
        times = np.concatenate([[0.0], np.unique(width)])
        on = times[:, None] < np.repeat(width, amplitude.shape[1])[None, :] - 1e-6 * step
        stimulus = sampled(np.where(on, amplitude.ravel(), 0.0), times=times)
        run = simulate(
            model,
            until=float(width[-1] + after),
            engine=Clock(step),
            record=False,
            seed=0,
            **{**given, name: stimulus},
        )
        return np.asarray(run.spikes.count > 0).reshape(amplitude.shape)

    low = np.zeros_like(width)
    high = 2.0 * edge * np.maximum(1.0, 1.0 / width)
    for _ in range(_DOUBLINGS):
        done = fires(low, high)[:, -1]
        if done.all():
            break
        high = np.where(done, high, 2 * high)
    else:
        worst = width[~done][0]
        raise DidNotConverge(
            f"no pulse of {worst:g} ms up to {high.max():g} {model.unit(name)} makes {model.name} fire"
            f" within {after:g} ms"
        )
    while np.any(high - low > rtol * high):
        answer = fires(low, high)
        first = np.argmax(answer, axis=1)
        gap = (high - low) / (_SECTIONS + 1)
        low, high = low + gap * first, low + gap * (first + 1)
    analytic, chronaxie = _in_closed_form(model, name, given, width, edge)
    if chronaxie is None:
        chronaxie = _interpolate(width, high / edge)
    return StrengthDuration(width, high, edge, chronaxie, analytic, model.name, name, model.unit(name))


def _in_closed_form(
    model: Neuron, name: str, given: dict[str, Any], width: np.ndarray, edge: float
) -> tuple[np.ndarray | None, float | None]:
    from scipy.optimize import brentq

    setting = read_setting(model, given, name).reduce()
    drive = drive_of(setting)
    if drive is None or not drive.stable:
        return None, None
    amplitude = np.array([drive.smallest(float(d))[0] for d in width])
    low, high = float(width[0]), float(width[-1])
    while drive.smallest(low)[0] < 2 * edge and low > 1e-6:
        low /= 10
    while drive.smallest(high)[0] > 2 * edge and high < 1e6:
        high *= 10
    chronaxie = brentq(
        lambda z: np.log(drive.smallest(float(np.exp(z)))[0] / (2 * edge)),
        np.log(low),
        np.log(high),
        xtol=1e-12,
    )
    return amplitude, float(np.exp(chronaxie))


def _interpolate(width: np.ndarray, ratio: np.ndarray) -> float:
    """Return where the curve crosses twice the rheobase, by a straight line between the logarithms."""
    order = np.argsort(-ratio)
    if not ratio.min() <= 2 <= ratio.max():
        return float("nan")
    return float(np.exp(np.interp(-np.log(2.0), -np.log(ratio[order]), np.log(width[order]))))
