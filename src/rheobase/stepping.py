"""live(model, dt): a neuron with state that is stepped one call at a time, with whatever arrives."""

from __future__ import annotations

import secrets
from typing import Any, final

import numpy as np

from rheobase.derive.additive import additive_ports
from rheobase.derive.facts import step_facts
from rheobase.derive.rest import is_current
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import plain_module
from rheobase.engines.clock import Clock, check_step, find_source, held_values
from rheobase.engines.noise import fill_normals, fill_uniforms
from rheobase.engines.population import prepare
from rheobase.errors import InputError, NotRecorded, nearest
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import read_quantity
from rheobase.random import neuron_keys

__all__ = ["Live", "live"]


@final
class Live:
    """A neuron (or n of them) between two calls of `step`.

    Attributes
    ----------
    t : float
        Time in ms.
    k : int
        Steps taken.
    v, ... : float, or array (n,)
        One for each state.
    """

    def __init__(
        self, model: Neuron, dt: Any, method: str, n: int | None, seed: int | None, values: dict[str, Any]
    ) -> None:
        engine = Clock(dt, method)
        currents = [u for u in model.inputs if u not in values]
        seed = secrets.randbits(32) if seed is None else int(seed)
        self._population = prepare(model, {**values, **dict.fromkeys(currents, 0.0)}, seed, n)
        self.model, self.dt = model, engine.dt
        self._varying = tuple(sorted({*currents, *(p for p in model.parameters if is_current(p))}))
        step = step_facts(model, self._varying, method)
        self.method = step.method
        check_step(self._population, self.method, self.dt)
        values = dict(self._population.values)
        self._inputs = {u: values.pop(u, 0.0) for u in self._varying}
        held = held_values(model, step, values, self.dt)
        kinds = {k: "scalar" if np.ndim(v) == 0 else "neuron" for k, v in held.items()} | dict.fromkeys(
            self._varying, "both"
        )
        source = find_source(model, self.method, self._varying, kinds, model.ports)
        self._module, self._arguments = plain_module(write_module("clock", source.text)), source.arguments
        self._held, self._normals, self._additive = held, step.normals, additive_ports(model)
        self.reset()

    def reset(self) -> None:
        """Go back to the start: time 0, initial states, the same random numbers again."""
        p = self._population
        self.k = 0
        self._states = {s: p.initial[s].copy() for s in self.model.states}
        self._left = {t: np.zeros(p.n, dtype=np.int64) for t in self.model.refractory}

    @property
    def t(self) -> float:
        return self.k * self.dt

    @property
    def refractory(self) -> Any:
        """Whether each neuron is refractory now."""
        left = (
            np.any([x > 0 for x in self._left.values()], axis=0)
            if self._left
            else np.zeros(self._population.n, dtype=bool)
        )
        return bool(left[0]) if self._population.single else left

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._states:
            raise NotRecorded(
                f"{self.model.name} has no state '{name}'.{nearest(name, self._states)}"
                f" States: {', '.join(self._states)}"
            )
        x = self._states[name]
        return float(x[0]) if self._population.single else x.copy()

    def step(self, **arriving: Any) -> Any:
        """Advance by one step; return whether each neuron fires at its end (a bool, or an array (n,)).

        Parameters
        ----------
        **arriving
            Inputs held over this step (kept for the next if not given again), and at a port the weight of what
            arrives at the end of the step: a number, an array (n,), or a list of weights applied in turn.
        """
        p, n = self._population, self._population.n
        known = [*self._varying, *self.model.ports]
        sums = {port: np.zeros((1, n)) for port in self.model.ports if port in self._additive}
        lists: dict[str, list[np.ndarray]] = {port: [] for port in self.model.ports if port not in self._additive}
        for name, value in arriving.items():
            if name in self._varying:
                self._inputs[name] = self._read(name, value)
            elif name in sums:
                for w in value if isinstance(value, list | tuple) else [value]:
                    sums[name] += self._read(name, w)
            elif name in lists:
                lists[name] += [
                    np.broadcast_to(self._read(name, w), (n,))
                    for w in (value if isinstance(value, list | tuple) else [value])
                ]
            else:
                raise InputError(
                    f"'{name}' is no input or port of {self.model.name}.{nearest(name, known)}"
                    f" It has: {', '.join(known)}"
                )
        call: dict[str, Any] = {**self._held, "_lo": 0, "_hi": n, "_k0": self.k, "_k1": self.k + 1, "dt": self.dt}
        call |= {u: np.broadcast_to(np.asarray(x, dtype=float), (1, n)) for u, x in self._inputs.items()}
        call |= {f"_at_{s}": x for s, x in self._states.items()} | {f"_left_{t}": x for t, x in self._left.items()}
        keys = neuron_keys(p.key("noise"), 0, n)
        for j in range(self._normals):
            call[f"_z_{j}"] = np.empty((1, n))
            fill_normals(p.key("noise", f"{j}"), keys, self.k, self.k + 1, call[f"_z_{j}"], compiled=False)
        if self.model.rows.hazard is not None:
            call["_u_0"] = np.empty((1, n))
            fill_uniforms(p.key("hazard"), keys, self.k, self.k + 1, call["_u_0"], compiled=False)
        for port, total in sums.items():
            call[f"_sum_{port}"] = total
        for port, weights in lists.items():
            call[f"_hits_{port}"] = np.tile(np.arange(n), len(weights))
            call[f"_weights_{port}"] = np.concatenate([*weights, np.empty(0)])
            call[f"_edges_{port}"] = np.array([0, n * len(weights)])
        flags = np.zeros(n + -n % 64, dtype=np.bool_)
        fired = flags[:n]
        out = np.empty(n, dtype=np.int64)
        none = np.empty(0, dtype=np.int64)
        call |= {
            "_fired": fired,
            "_words": flags.view(np.uint64),
            "_out_step": out.copy(),
            "_out_neuron": out,
            "_record": np.array([-1]),
            "_first": 0,
            "_last": 0,
            "_chosen": none,
        }
        self._module.advance(*(call[a] for a in self._arguments))
        self.k += 1
        return bool(fired[0]) if p.single else fired

    def _read(self, name: str, value: Any) -> Any:
        q = read_quantity(value, name)
        wanted = self.model.dimensions.get(name if name in self._varying else f"w_i:{name}")
        if q.dimension is not None and wanted is not None and q.dimension != wanted:
            raise InputError(f"{name} = {q} is in {q.dimension.unit}, but the rows want {wanted.unit}")
        if q.shape and q.shape[0] != self._population.n:
            raise InputError(f"{name} has {q.shape[0]} values for {self._population.n} neurons")
        return q.value

    def __repr__(self) -> str:
        states = ", ".join(
            f"{s} = {x[0]:.6g}" if len(x) == 1 else f"{s}: {len(x)} values" for s, x in self._states.items()
        )
        return f"Live {self.model.name} at t = {self.t:g} ms: {states} (method '{self.method}', dt = {self.dt:g} ms)"


def live(
    model: Neuron,
    dt: Any = "0.1 ms",
    *,
    method: str = "auto",
    n: int | None = None,
    seed: int | None = None,
    **values: Any,
) -> Live:
    """Return a neuron that is stepped one call at a time, for closed loops and for teaching.

    The order of operations is that of `simulate`, so stepping gives the same bits as ``engine=Clock(dt)``.

    Parameters
    ----------
    model : Neuron
    dt : time
    method : str
        As for `Clock`.
    n : int, optional
        How many neurons.
    **values
        Parameters and initial states.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> cell = live(LIF(), dt="1 ms")
    >>> [k for k in range(60) if cell.step(I="0.3 nA")]
    [21, 45]
    >>> cell.t, cell.refractory
    (60.0, False)
    """
    if not isinstance(model, Neuron):
        raise InputError(f"live wants a Neuron, not {type(model).__name__}")
    return Live(model, dt, method, n, seed, values)
