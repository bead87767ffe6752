"""Current in, spikes out: the f-I curve; and spikes in, spikes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.analysis.rates import rate_in_theory
from rheobase.analysis.rheobase import rheobase
from rheobase.analysis.setting import pick_input, read_setting
from rheobase.errors import DidNotConverge, InputError
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import read_quantity
from rheobase.network.sources import poisson
from rheobase.simulation import Engine, simulate
from rheobase.units import to_number

__all__ = ["FiringCurve", "InputOutput", "fi_curve", "input_output"]

_POINTS = 61


@final
@dataclass(frozen=True, eq=False)
class FiringCurve:
    """Firing rate against constant current; unpacks as ``I, f = curve``.

    Attributes
    ----------
    I : array (n_currents,)
        Currents, in `unit`.
    f : array (n_currents,)
        Spikes per second of the run, counted in (start, until].
    analytic : array (n_currents,) or None
        The rate in closed form, in the limit of a long run; None where none is known.
    first, interval : array (n_currents,)
        Time of the first spike and last interspike interval in ms, nan where there is none.
    model, input, unit, engine, method : str
        What was run, and how.
    """

    I: np.ndarray
    f: np.ndarray
    analytic: np.ndarray | None
    first: np.ndarray
    interval: np.ndarray
    model: str
    input: str
    unit: str
    start: float
    until: float
    engine: str
    method: str

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.I
        yield self.f

    def plot(self, axes: Any = None) -> Any:
        """Draw the curve, with its closed form where there is one; return the axes."""
        from rheobase.plot import curves

        return curves.firing(self.I, self.f, self.analytic, self.input, self.unit, self.model, axes)

    def __repr__(self) -> str:
        form = "with closed form" if self.analytic is not None else "no closed form"
        return (
            f"f-I curve of {self.model}: {len(self.I)} currents, {self.input} = {self.I[0]:g} .."
            f" {self.I[-1]:g} {self.unit},"
            f" {self.f.min():g} .. {self.f.max():g} Hz, {form}"
        )


def fi_curve(
    model: Neuron,
    input: str | None = None,
    currents: Any = None,
    until: Any = "1 s",
    start: Any = 0.0,
    engine: Engine | None = None,
    **given: Any,
) -> FiringCurve:
    r"""Return the firing rate of a neuron for many constant currents, all of them in one run.

    For a neuron with one state, a reset and a threshold, the closed form stands beside it:

    .. math:: f(I) = \left[t_{ref} + \int_{v_r}^{\theta} \frac{dv}{\dot v(v, I)}\right]^{-1}

    Parameters
    ----------
    model : Neuron
    input : str, optional
        Which input or parameter is the current; I, or the only one, if not given.
    currents : array or list, optional
        The currents, numbers in the coherent unit or texts; by default 61 from 0 to three times the rheobase.
    until, start : time
        Spikes in (start, until] are counted; a later start leaves out the transient.
    engine : engine, optional
        What runs it, as for `simulate`.
    **given
        Other inputs, values and initial states, as for `simulate`.

    Raises
    ------
    InputError
        If there is no such input, or start is not before until.

    References
    ----------
    Gerstner, Kistler, Naud, Paninski (2014), Neuronal Dynamics, sections 1.3 and 5.3.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> I, f = fi_curve(LIF(), currents=[0.1, 0.2, 0.3, 0.6])
    >>> f
    array([ 0.,  0., 41., 99.])
    >>> fi_curve(LIF(), currents=[0.1, 0.2, 0.3, 0.6]).analytic.round(3)
    array([ 0.   ,  0.   , 41.715, 98.919])
    """
    name = pick_input(model, input)
    end, begin = to_number(until, "ms", "until"), to_number(start, "ms", "start")
    if not 0 <= begin < end:
        raise InputError(f"start = {begin:g} ms must lie in 0 .. until = {end:g} ms")
    if currents is None:
        currents = _default_currents(model, name, given)
    quantity = read_quantity(currents, "currents")
    values = np.atleast_1d(np.asarray(quantity.value, dtype=float))
    if model.name and quantity.dimension is not None and model.dimensions.get(name) not in (None, quantity.dimension):
        raise InputError(
            f"currents are in {quantity.dimension.unit}, but {name} of {model.name} is in {model.unit(name)}"
        )
    try:
        analytic = rate_in_theory(read_setting(model, given, name), values)
    except InputError:  # arrays or time-varying inputs beside the current: legal in a run, but no closed form
        analytic = None
    run = simulate(model, until=end, engine=engine, record=False, seed=0, **{**given, name: values})
    trains = [*run.spikes]
    first = np.array([t[0] if len(t) else np.nan for t in trains])
    interval = np.array([t[-1] - t[-2] if len(t) > 1 else np.nan for t in trains])
    return FiringCurve(
        values,
        np.atleast_1d(run.rate(begin)),
        analytic,
        first,
        interval,
        model.name,
        name,
        model.unit(name),
        begin,
        end,
        run.engine,
        run.method,
    )


def _default_currents(model: Neuron, name: str, given: dict[str, Any]) -> np.ndarray:
    try:
        edge = rheobase(model, name, rtol=1e-3, **given)
    except DidNotConverge as error:
        raise InputError(f"currents: {error}. Give currents=") from None
    if edge > 0:
        return np.linspace(0.0, 3 * edge, _POINTS)
    # there is no scale in a rheobase of zero, or in a neuron that fires by itself: go up to about 100 Hz
    sizes = np.logspace(-6, 6, 25)
    rates = rate_in_theory(read_setting(model, given, name), edge + sizes)
    for i, size in enumerate(sizes):
        if rates is not None and rates[i] >= 100.0:
            break
        if (
            rates is None
            and simulate(model, until=200.0, record=False, seed=0, **{**given, name: edge + size}).rate() >= 100.0
        ):
            break
    return np.linspace(edge, edge + size, _POINTS)


@final
@dataclass(frozen=True, eq=False)
class InputOutput:
    """Rate of spikes out against rate of spikes in; unpacks as ``rate_in, rate_out``.

    Attributes
    ----------
    rate_in, rate_out : array (n_rates,)
        Hz; `rate_out` is the mean over the trials.
    spread : array (n_rates,)
        Standard deviation of the trials' rates, in Hz.
    counted : array (n_rates, n_trials)
        The rate of each trial, in Hz.
    """

    rate_in: np.ndarray
    rate_out: np.ndarray
    spread: np.ndarray
    counted: np.ndarray
    model: str
    port: str

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.rate_in
        yield self.rate_out

    def plot(self, axes: Any = None) -> Any:
        """Draw rate out against rate in, with the spread of the trials; return the axes."""
        from rheobase.plot import curves

        return curves.transfer(self.rate_in, self.rate_out, self.spread, self.model, axes)


def input_output(
    model: Neuron,
    rates: Any = None,
    *,
    weight: Any,
    port: str | None = None,
    trials: int = 10,
    sources: int = 1,
    until: Any = "1 s",
    start: Any = 0.0,
    seed: int = 0,
    engine: Engine | None = None,
    **given: Any,
) -> InputOutput:
    """Return the rate of spikes out for many rates of Poisson spikes in, all in one run.

    Parameters
    ----------
    model : Neuron
    rates : array, optional
        Rates of each source in Hz; by default 21 from 0 to 1000.
    weight : number or str
        Weight of every spike that arrives.
    port : str, optional
        Where they arrive; the first port if not given.
    trials : int
        Neurons with spikes of their own for each rate.
    sources : int
        How many such trains arrive at once.
    until, start : time
        Spikes in (start, until] are counted.
    seed : int
        Makes the trains repeatable.
    engine, **given
        As for `simulate`.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> rate_in, rate_out = input_output(LIF(), [0, 500, 2000], weight="2 mV", trials=5)
    >>> bool(rate_out[0] == 0 and rate_out[1] < rate_out[2])
    True
    """
    if not isinstance(model, Neuron) or not model.ports:
        raise InputError("no spikes can arrive: the neuron has no receive row; give receive='v <- v + w_i'")
    if int(trials) != trials or trials < 1:
        raise InputError(f"trials = {trials!r} must be a whole number from 1")
    name = model.ports[0] if port is None else port
    end, begin = to_number(until, "ms", "until"), to_number(start, "ms", "start")
    if not 0 <= begin < end:
        raise InputError(f"start = {begin:g} ms must lie in 0 .. until = {end:g} ms")
    hertz = np.linspace(0, 1000, 21) if rates is None else np.atleast_1d(np.asarray(rates, dtype=float))
    source = poisson(np.repeat(hertz, trials), weight=weight, sources=sources)
    run = simulate(model, until=end, engine=engine, record=False, seed=seed, **{**given, name: source})
    counted = np.atleast_1d(run.rate(begin)).reshape(len(hertz), trials)
    return InputOutput(hertz, counted.mean(axis=1), counted.std(axis=1), counted, model.name, name)
