"""MarkovNeuron: a neuron (or a channel) that jumps at random between named states.

The third kind of model of the tutorials, beside equations and maps: no voltage, only "rest", "spike",
"refractory" and the rates at which one follows another. All that can be said without simulating is here;
``rheobase.engines.markov`` draws the paths.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model import chain, transition
from rheobase.model.quantity import Quantity, quantity_from_dict
from rheobase.model.rate import Rate, evaluate_rates, find_inputs, infer_dimensions, read_rate, read_value
from rheobase.units import Dimension

__all__ = ["Intervals", "MarkovNeuron"]


@final
@dataclass(frozen=True)
class Intervals:
    """Mean (ms), variance (ms^2) and coefficient of variation of the interspike intervals."""

    mean: float
    variance: float
    cv: float


@final
@dataclass(frozen=True, init=False, eq=False, repr=False)
class MarkovNeuron:
    """A neuron that jumps between states, each jump at its own rate.

    The probabilities follow the master equation dp/dt = p Q, with Q[a, b] the rate of ``a -> b`` and
    Q[a, a] = -(sum of the rates that leave a).

    Parameters
    ----------
    states : sequence of str
        Names of the states.
    rates : dict
        ``{"rest -> spike": rate}``: a number in kHz (per ms), a text with unit (``"50 Hz"``), or an
        expression in the notation of the rows, ``"a_0*exp((I - theta)/delta)"``. A name in it is a
        parameter if a keyword gives it a value, else an input.
    spike : str, optional
        What counts as a spike: the entering of that state, or one transition ``"a -> b"``. The latter may
        be ``"a -> a"``: a spike that changes nothing, as a Poisson neuron's. None: a channel; no spikes.
    start : str or dict
        The state at t = 0, or the probability of each, ``{"rest": 0.8, "spike": 0.2}``.
    name, about, reference : str, optional
        For print.
    **parameters
        Numbers (coherent units), texts with unit, or arrays with one value a neuron.

    Raises
    ------
    InputError
        If a state is unknown or can never be reached, a rate is negative or a value is no number.
    RowError
        If a rate is not written in the notation; the message shows the place.
    UnitMismatch
        If a rate is not one per time.

    References
    ----------
    N. G. van Kampen (1992), Stochastic Processes in Physics and Chemistry, ch. V.

    Examples
    --------
    >>> m = MarkovNeuron(
    ...     states=("rest", "spike", "refractory"),
    ...     spike="spike",
    ...     start="rest",
    ...     rates={
    ...         "rest -> spike": "a_0*exp((I - theta)/delta)",
    ...         "spike -> refractory": "1 kHz",
    ...         "refractory -> rest": 0.2,
    ...     },
    ...     a_0="50 Hz",
    ...     theta="1 nA",
    ...     delta="0.5 nA",
    ... )
    >>> print(m)
    Markov neuron
      states      rest, spike, refractory
      rates       rest -> spike        a_0*exp((I - theta)/delta)
                  spike -> refractory  1 kHz
                  refractory -> rest   0.2 kHz
      spike       on entering spike
      start       rest
      parameters  a_0 = 50 Hz, theta = 1 nA, delta = 0.5 nA
      input       I in nA
    >>> round(m.rate(I="1 nA"), 6), round(m.isi(I=1.0).cv, 6)
    (38.461538, 0.793837)
    """

    name: str
    states: tuple[str, ...]
    rates: Mapping[str, Rate]
    spike: str | None
    start: str | Mapping[str, float]
    parameters: Mapping[str, Quantity]
    about: str
    reference: str
    inputs: tuple[str, ...] = field(init=False)
    dimensions: Mapping[str, Dimension | None] = field(init=False)
    transitions: tuple[tuple[int, int], ...] = field(init=False)
    spiking: tuple[bool, ...] = field(init=False)

    def __init__(
        self,
        states: Sequence[str],
        rates: Mapping[str, Any],
        spike: str | None = None,
        start: str | Mapping[str, float] | None = None,
        *,
        name: str = "Markov neuron",
        about: str = "",
        reference: str = "",
        **parameters: Any,
    ) -> None:
        states = transition.read_states(states)
        quantities = {transition.read_name(n): read_value(v, n) for n, v in parameters.items()}
        if not isinstance(rates, Mapping) or not rates:
            raise InputError('rates= maps transitions to rates; write rates={"rest -> spike": "50 Hz", ...}')
        ends = {}
        for key in rates:
            a, b = transition.read_transition(key, states)
            if (a, b) in ends:
                raise InputError(f"the rate of '{states[a]} -> {states[b]}' is given twice")
            ends[a, b] = key
        arrows = {f"{states[a]} -> {states[b]}": key for (a, b), key in ends.items()}
        read = {arrow: read_rate(rates[key], arrow, quantities) for arrow, key in arrows.items()}
        spike, spiking = transition.read_spike(spike, states, tuple(ends))
        for (a, b), fires in zip(ends, spiking, strict=True):
            if a == b and not fires:
                raise InputError(f"'{states[a]} -> {states[a]}' changes nothing; leave it out, or make it the spike")
        fields = {
            "name": " ".join(str(name).split()),
            "about": " ".join(str(about).split()),
            "reference": " ".join(str(reference).split()),
            "states": states,
            "rates": MappingProxyType(read),
            "spike": spike,
            "start": transition.read_start(start, states),
            "parameters": MappingProxyType(quantities),
            "inputs": find_inputs(read, quantities),
            "transitions": tuple(ends),
            "spiking": spiking,
            "dimensions": MappingProxyType(infer_dimensions(read, quantities)),
        }
        for key, value in fields.items():
            object.__setattr__(self, key, value)
        transition.check_reachable(self.states, self.p0, self.transitions)
        if not self.inputs:
            self.evaluate({})

    @property
    def p0(self) -> np.ndarray:
        """The probability of each state at t = 0, shape (n_states,)."""
        given = {self.start: 1.0} if isinstance(self.start, str) else self.start
        p = np.array([given.get(s, 0.0) for s in self.states])
        return p / p.sum()

    @property
    def size(self) -> int | None:
        """How many neurons its arrays describe; None if there is no array."""
        return next((q.shape[0] for q in self.parameters.values() if q.shape), None)

    def read_input(self, name: str, value: Any) -> float | np.ndarray:
        """Return an input's value in its coherent unit: a float, or an array of shape (n,).

        Raises
        ------
        InputError
            If there is no such input or the value is no finite number.
        UnitMismatch
            If it is in another unit than the rates want.
        """
        if name not in self.inputs:
            known = ", ".join(self.inputs) or "none"
            hint = "; replace() gives a parameter another value" if name in self.parameters else ""
            raise InputError(f"'{name}' is no input of this neuron.{nearest(name, self.inputs)} Inputs: {known}{hint}")
        q = read_value(value, name)
        wanted = self.dimensions.get(name)
        if q.dimension is not None and wanted is not None and q.dimension != wanted:
            raise UnitMismatch(f"{name} = {q} is in {q.dimension.unit}; the rates want it in {wanted.unit}")
        return q.value  # type: ignore[return-value]

    def evaluate(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return the rate of every transition in kHz, shape (..., n_transitions), for plain input values.

        Raises
        ------
        InputError
            If a rate comes out negative or not finite, or an input is missing.
        """
        for name in self.inputs:
            if name not in values:
                raise InputError(f"the input '{name}' has no value; give {name}=...")
        return evaluate_rates(self.rates, {n: q.value for n, q in self.parameters.items()}, values)

    def _rates(self, inputs: Mapping[str, Any]) -> np.ndarray:
        return self.evaluate({n: self.read_input(n, v) for n, v in inputs.items()})

    def generator(self, **inputs: Any) -> np.ndarray:
        """Return the matrix Q in kHz, (n_states, n_states); its rows sum to 0.

        An input (or parameter) that is an array of shape (m,) gives m matrices, (m, n_states, n_states).

        >>> MarkovNeuron(("a", "b"), {"a -> b": 2.0, "b -> a": 1.0}, start="a").generator()
        array([[-2.,  2.],
               [ 1., -1.]])
        """
        rates = self._rates(inputs)
        Q = np.zeros((*rates.shape[:-1], len(self.states), len(self.states)))
        for k, (a, b) in enumerate(self.transitions):
            if a != b:
                Q[..., a, b] = rates[..., k]
                Q[..., a, a] -= rates[..., k]
        return Q

    def stationary(self, **inputs: Any) -> np.ndarray:
        """Return the probabilities p with p Q = 0 that the long run tends to, (n_states,) or (m, n_states).

        By the elimination of Grassmann, Taksar & Heyman (1985, Oper. Res. 33:1107), which subtracts nothing
        and so is accurate for any ratio of rates.

        Raises
        ------
        InputError
            If there are two sets of states that are never left: then the long run depends on the start.
        """
        Q = self.generator(**inputs)
        flat = [chain.stationary(q, self.states) for q in Q.reshape(-1, *Q.shape[-2:])]
        return np.array(flat).reshape(Q.shape[:-1])

    def master(self, t: Any, p0: Any = None, **inputs: Any) -> np.ndarray:
        """Return the probabilities at time t, p(t) = p0 exp(Q t), shape ``(*m, *t.shape, n_states)``.

        Parameters
        ----------
        t : float or array
            Times in ms, not negative.
        p0 : array, optional
            Probabilities at t = 0, shape (n_states,); default: the model's start.
        **inputs
            Constant inputs; an array of shape (m,) gives m answers.

        Notes
        -----
        exp(Q t) is made from nonnegative terms only, exp(-L t) exp((Q + L) t), halved and squared, and every
        row is brought to sum 1: each entry keeps its digits and no probability is lost (Xue & Ye 2013,
        Math. Comp. 82:1577).

        Examples
        --------
        >>> m = MarkovNeuron(("open", "shut"), {"open -> shut": 0.5}, start="open")
        >>> m.master([0, 2]).round(6).tolist()
        [[1.0, 0.0], [0.367879, 0.632121]]
        """
        try:
            times = np.asarray(t, dtype=float)
        except (TypeError, ValueError):
            raise InputError(f"t = {t!r:.60} is no time; give ms as a number or an array") from None
        if not np.all((times >= 0) & np.isfinite(times)):
            raise InputError(f"t = {t!r:.60} must be finite and not negative; for t -> inf use stationary()")
        p = self.p0 if p0 is None else transition.read_probabilities(p0, self.states)
        Q = self.generator(**inputs)
        batch = Q.shape[:-2]
        Q = Q.reshape(*batch, *(1,) * times.ndim, *Q.shape[-2:])
        return p @ chain.exponential(Q * times[..., None, None])

    def rate(self, **inputs: Any) -> float | np.ndarray:
        """Return the rate of firing in the long run, Hz: the stationary flux through the spike transitions.

        An input that is an array of shape (m,) gives the f-I curve, (m,).
        """
        self._needs_spike()
        rates, p = self._rates(inputs), self.stationary(**inputs)
        sources = [a for a, _ in self.transitions]
        flux = 1000.0 * np.sum(p[..., sources] * rates * self.spiking, axis=-1)
        return float(flux) if np.ndim(flux) == 0 else flux

    def isi(self, **inputs: Any) -> Intervals:
        """Return mean, variance and CV of the intervals between spikes in the long run (first-return times).

        With f the flux of spikes, p the stationary probabilities and m_a the mean time from state a to the
        next spike (D m = -1, D the generator without spiking transitions): mean = 1/f, mean square = 2 p.m/f
        (M. F. Neuts 1979, J. Appl. Prob. 16:764). A neuron that stops firing has mean inf and variance NaN.

        Raises
        ------
        InputError
            If an input is an array: give one value at a time.
        """
        self._needs_spike()
        rates = self._rates(inputs)
        if rates.ndim > 1:
            raise InputError(
                f"isi() wants one value of each input and parameter, not {rates.shape[0]}; call it in a loop"
            )
        mean, variance = chain.intervals(self.stationary(**inputs), rates, self.transitions, self.spiking)
        return Intervals(mean, variance, float(np.sqrt(variance) / mean))

    def _needs_spike(self) -> None:
        if self.spike is None:
            raise InputError(f"nothing is a spike here; give spike=, for example replace(spike='{self.states[-1]}')")

    def replace(self, **changes: Any) -> MarkovNeuron:
        """Return another neuron with some rates, states or values changed; `rates` replaces those it names.

        >>> m = MarkovNeuron(("a", "b"), {"a -> b": "k", "b -> a": 1.0}, start="a", k=2.0)
        >>> m.replace(k=3.0, rates={"b -> a": 0.5}).stationary().round(3).tolist()
        [0.143, 0.857]
        """
        fields: dict[str, Any] = {
            k: getattr(self, k) for k in ("states", "spike", "start", "name", "about", "reference")
        }
        known = [*fields, "rates", *self.parameters, *self.inputs]
        given = dict(changes.get("rates") or {})
        if "states" not in changes:
            given = {
                " -> ".join(self.states[i] for i in transition.read_transition(k, self.states)): v
                for k, v in given.items()
            }
        for key in changes:
            if key not in known and not given:
                raise InputError(f"{self.name} has no '{key}'.{nearest(key, known)} It has: {', '.join(known)}")
        rates = given if "states" in changes and given else dict(_plain_rates(self)) | given
        parameters = dict(self.parameters)
        return MarkovNeuron(**{**fields, **parameters, **changes, "rates": rates})

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain JSON types; `from_dict` reads them back."""
        out: dict[str, Any] = {"name": self.name, "states": list(self.states), "rates": _plain_rates(self)}
        out |= {k: getattr(self, k) for k in ("spike", "about", "reference") if getattr(self, k)}
        out["start"] = self.start if isinstance(self.start, str) else dict(self.start)
        out["parameters"] = {n: q.to_dict() for n, q in self.parameters.items()}
        return out

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> MarkovNeuron:
        """Return the model that `to_dict` wrote.

        >>> m = MarkovNeuron(("a", "b"), {"a -> b": "50 Hz", "b -> a": "k"}, start="a", k="1 kHz")
        >>> MarkovNeuron.from_dict(m.to_dict()) == m
        True
        """
        allowed = ("name", "states", "rates", "spike", "start", "about", "reference", "parameters")
        if not isinstance(data, Mapping) or not {"states", "rates"} <= set(data):
            raise InputError("this is no Markov neuron: 'states' and 'rates' are wanted")
        for key in data:
            if key not in allowed:
                raise InputError(f"'{key}' is no part of a Markov neuron.{nearest(str(key), allowed)}")
        given = data.get("parameters") or {}
        if not isinstance(given, Mapping):
            raise InputError("'parameters' must map names to values")
        values: dict[str, Any] = {str(n): quantity_from_dict(q, str(n)) for n, q in given.items()}
        if clash := set(values) & {*allowed, "self"}:
            raise InputError(f"'{min(clash)}' cannot be the name of a parameter")
        return MarkovNeuron(**{k: data[k] for k in allowed[:-1] if k in data}, **values)

    def __str__(self) -> str:
        from rheobase.model.table import write_chain

        return write_chain(self)

    __repr__ = __str__

    def _key(self) -> str:
        data = self.to_dict()
        for q in data["parameters"].values():
            q.pop("text", None)
        for key, rate in self.rates.items():  # 50 Hz is 0.05 kHz
            data["rates"][key] = rate.value if isinstance(rate, Quantity) else rate.text
        return json.dumps(data, sort_keys=True)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, MarkovNeuron) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())


def _plain_rates(model: MarkovNeuron) -> dict[str, Any]:
    return {k: (r.text or r.value) if isinstance(r, Quantity) else r.clean.line.strip() for k, r in model.rates.items()}
