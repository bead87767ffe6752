"""One neuron with all its numbers: what the analyses start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
import sympy

from rheobase.derive.evaluate import evaluate
from rheobase.derive.rest import is_current
from rheobase.derive.structure import Structure, analyse, threshold_function
from rheobase.engines.population import prepare
from rheobase.errors import DidNotConverge, InputError, nearest
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity

__all__ = ["Setting", "pick_input", "read_setting"]


def pick_input(model: Neuron, name: str | None) -> str:
    """Return the input to vary: `name` after a check, or the neuron's current.

    Raises
    ------
    InputError
        If there is no such input, or several and none is called I.
    """
    if not isinstance(model, Neuron):
        raise InputError(f"a Neuron is wanted, not {type(model).__name__}; write rb.Neuron(...) or take rb.LIF()")
    known = [*model.inputs, *model.parameters]
    if name is not None:
        if not isinstance(name, str):
            raise InputError(
                f"input = {name!r:.60} must be the name of what varies, such as input='I'; its values have a name of"
                " their own"
            )
        if name not in known:
            raise InputError(
                f"input = '{name}' is no input or parameter of {model.name}."
                f"{nearest(str(name), known)} It has: {', '.join(known)}"
            )
        return name
    currents = [n for n in known if is_current(n)]
    if "I" in currents:
        return "I"
    found = currents if currents else [*model.inputs]
    if len(found) != 1:
        what = f"several: {', '.join(found)}" if found else f"none among {', '.join(known)}"
        raise InputError(f"{model.name}: which current is to be varied? There are {what}; give input='...'")
    return found[0]


@final
@dataclass(frozen=True)
class Setting:
    """The flow dx/dt = drift(x) of one neuron, with a number for every name.

    `values` holds parameters and inputs, `start` the states at the beginning, `free` the input that is
    varied.
    """

    neuron: Neuron
    states: tuple[str, ...]
    drift: tuple[sympy.Expr, ...]
    values: Mapping[str, float]
    start: Mapping[str, float]
    free: str | None

    @property
    def structure(self) -> Structure:
        """The structure of the flow when only the free input varies."""
        inputs = (symbol(self.free),) if self.free is not None else ()
        return Structure(tuple(symbol(s) for s in self.states), inputs, (), self.drift, ())

    @property
    def x0(self) -> np.ndarray:
        """The states at the start, shape (n_states,)."""
        return np.array([self.start[s] for s in self.states])

    @cached_property
    def threshold(self) -> tuple[Any, bool] | None:
        """The function g of the states that is positive where the neuron fires (see `threshold_function`)."""
        return threshold_function(self.neuron)

    def number(self, expression: Any, **more: Any) -> Any:
        """Return the value of an expression; `more` names what is not as in `values`."""
        with np.errstate(all="ignore"):
            return evaluate(expression, {"t": 0.0, **self.values, **more})

    def flow(self, x: np.ndarray, **more: Any) -> np.ndarray:
        """Return dx/dt at states x, shape (..., n_states)."""
        here = {s: x[..., i] for i, s in enumerate(self.states)}
        parts = [np.broadcast_to(np.asarray(self.number(e, **here, **more), float), x.shape[:-1]) for e in self.drift]
        return np.stack(parts, axis=-1)

    @cached_property
    def _jacobian(self) -> Any:
        return sympy.Matrix(self.drift).jacobian([symbol(s) for s in self.states])

    def jacobian(self, x: np.ndarray, **more: Any) -> np.ndarray:
        """Return the matrix of derivatives at states x, shape (..., n_states, n_states)."""
        n = len(self.states)
        here = {s: x[..., i] for i, s in enumerate(self.states)}
        parts = [
            np.broadcast_to(np.asarray(self.number(e, **here, **more), float), x.shape[:-1]) for e in self._jacobian
        ]
        return np.stack(parts, axis=-1).reshape(*x.shape[:-1], n, n)

    def affine(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return A, b, c of dx/dt = A x + b u + c, u the free input; None if the flow is of another kind."""
        found = self.structure.affine
        if found is None:
            return None
        n = len(self.states)
        a, b, c = (np.array([float(self.number(e)) for e in m]) for m in found)
        return a.reshape(n, n), b if self.free is not None else np.zeros(n), c

    def reduce(self, keep: str | None = None) -> Setting:
        """Return the setting without the states that stay where they start; `keep` stays in any case.

        A synaptic current at which nothing arrives, a gate held at its value: their flow is zero at the
        start, depends only on their like and not on the free input, and no reset moves them.
        """
        moved = {j.state for j in self.neuron.rows.reset}
        still = [s for s in self.states if s not in moved and s != keep]
        flow = dict(zip(self.states, self.drift, strict=True))
        while True:
            env = {s: self.start[s] for s in self.states}
            varying = {*self.states, self.free, "t"} - set(still)
            kept = [
                s
                for s in still
                if not {x.name for x in flow[s].free_symbols} & varying
                and abs(float(self.number(flow[s], **env))) <= 1e-14 * (1e-3 + abs(self.start[s]))
            ]
            if kept == still:
                break
            still = kept
        if not still or len(still) == len(self.states):
            return self
        left = tuple(s for s in self.states if s not in still)
        held = {**self.values, **{s: self.start[s] for s in still}}
        return replace(
            self,
            states=left,
            drift=tuple(flow[s] for s in left),
            values=held,
            start={s: self.start[s] for s in left},
        )

    def rest(self, **more: Any) -> np.ndarray:
        """Return the resting state, shape (n_states,), by Newton's method from the start.

        Raises
        ------
        DidNotConverge
            If there is none, or it is unstable.
        """
        x = self.x0
        for _ in range(100):
            f, j = self.flow(x, **more), self.jacobian(x, **more)
            try:
                move = np.linalg.solve(j, f)
            except np.linalg.LinAlgError:
                break
            if not np.isfinite(move).all():
                break
            x = x - move
            if np.all(np.abs(move) <= 1e-13 * (1.0 + np.abs(x))):
                if np.linalg.eigvals(self.jacobian(x, **more)).real.max() > 1e-12:
                    break
                return x
        shown = ", ".join(f"{s} = {v:g}" for s, v in self.start.items())
        raise DidNotConverge(
            f"{self.neuron.name} has no stable rest near its start ({shown}); give another"
            f" start, or a"
            " current at which it rests"
        )


def read_setting(model: Neuron, given: Mapping[str, Any], free: str | None = None) -> Setting:
    """Return the numbers of one neuron.

    Currents that are not given are zero; the input `free` is zero too, so that the start is the rest without
    it.

    Raises
    ------
    InputError
        If a value is missing, an array, random or a function of time.
    """
    if not isinstance(model, Neuron):
        raise InputError(f"a Neuron is wanted, not {type(model).__name__}; write rb.Neuron(...) or take rb.LIF()")
    for name, q in [*model.parameters.items(), *model.initial.items()]:
        if not isinstance(q.value, float) and name not in given:
            raise InputError(
                f"{name} of {model.name} is"
                f" {'random' if hasattr(q.value, 'sample') else 'an array'}; this analysis is"
                f" for one neuron: give {name}= a number"
            )
    quiet = dict(given)
    if free is not None and free in model.parameters:
        model = model.replace(**{free: Quantity(0.0, model.dimensions.get(free))})
    for name in model.inputs:
        if name not in quiet and (is_current(name) or name == free):
            quiet[name] = 0.0
    population = prepare(model, quiet, 0)
    if population.inputs or population.sources:
        name = next(iter({**population.inputs, **population.sources}))
        raise InputError(f"{name} varies in time; this analysis needs a constant")
    if population.n != 1:
        raise InputError("arrays describe several neurons; this analysis is for one")
    values = {k: float(np.ravel(v)[0]) for k, v in population.values.items()}
    start = {s: float(x[0]) for s, x in population.initial.items()}
    drift = analyse(model, ()).drift
    return Setting(model, model.states, drift, values, {s: start[s] for s in model.states}, free)
