"""The numbers of an event-driven layer's neurons: those that training may change, in their legal range, and others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from rheobase.derive.rest import is_current, rest_state
from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity, read_quantity

__all__ = ["EventValues"]


@final
class EventValues(nn.Module):
    """Parameters, constant inputs and initial values of n neurons, of which some are trainable.

    A time constant (or whatever else multiplies a d/dt) is kept as its logarithm, ``tau = exp(log_tau)``, so that no
    step of an optimiser makes it negative; a refractory time is held at 0 or above. All is float64.
    """

    def __init__(
        self, neuron: Neuron, given: Mapping[str, Any], train: Collection[str], per_neuron: bool, n: int
    ) -> None:
        super().__init__()
        self.n, self.neuron = n, neuron
        self.free: tuple[str, ...] = tuple(train)
        self.fixed: dict[str, float | np.ndarray] = {}
        held: dict[str, Quantity] = dict(neuron.parameters)
        start: dict[str, Quantity] = dict(neuron.initial)
        known = [*neuron.parameters, *neuron.inputs, *neuron.states]
        for name, value in given.items():
            if name not in known:
                raise InputError(
                    f"'{name!s:.60}' is nothing of {neuron.name}.{nearest(name, known)} It has: {', '.join(known)}"
                )
            q = read_quantity(value, name)
            wanted = neuron.dimensions.get(name)
            if q.dimension is not None and wanted is not None and q.dimension != wanted:
                raise UnitMismatch(f"{name} = {q} is in {q.dimension.unit}, but the rows want {wanted.unit}")
            (start if name in neuron.states else held)[name] = q
        for name in neuron.inputs:
            if name not in held and not is_current(name):
                raise InputError(f"{neuron.name} needs the input {name}: give a constant, EventLayer(..., {name}=0)")
            held.setdefault(name, read_quantity(0.0, name))
        for name, q in held.items():
            self._keep(name, self._draw(name, q), per_neuron)
        self.resting = tuple(s for s in neuron.states if s not in start)
        for name, q in start.items():
            self._keep(name, self._draw(name, q), per_neuron)
        for name in self.free:
            if name in self.resting:  # trained from where it would be at rest
                rest = rest_state(neuron, self.numbers(), n)[name]
                self._keep(name, rest if np.ptp(rest) > 0 else float(rest[0]), per_neuron)
        self.resting = tuple(s for s in self.resting if s not in self.free)

    def _draw(self, name: str, q: Quantity) -> float | np.ndarray:
        if isinstance(q.value, Distribution):
            rng = np.random.default_rng(int(torch.randint(2**62, (1,))))
            value: Any = np.asarray(q.value.sample(rng, self.n), dtype=float)
        else:
            value = q.value
        if np.ndim(value) and len(value) != self.n:
            raise InputError(f"{name} has {len(value)} values, but the layer has {self.n} neurons")
        if not np.all(np.isfinite(value)):
            raise InputError(f"{name} = {q} is not finite; give a number")
        if _is_positive(self.neuron, name) and np.min(value) <= 0:
            raise InputError(f"{name} = {q} is not positive; {name} multiplies d/dt or is a time constant")
        if name in self.neuron.refractory.values() and np.min(value) < 0:
            raise InputError(f"the refractory time {name} = {q} is negative; give 0 or more")
        return np.array(value, dtype=float) if np.ndim(value) else float(value)

    def _keep(self, name: str, value: float | np.ndarray, per_neuron: bool) -> None:
        if name not in self.free:
            self.fixed[name] = value
            return
        array = np.broadcast_to(np.asarray(value, dtype=float), (self.n,) if per_neuron else np.shape(value)).copy()
        raw = torch.as_tensor(np.log(array) if _is_positive(self.neuron, name) else array, dtype=torch.float64)
        self.register_parameter(self.key(name), nn.Parameter(raw))

    def key(self, name: str) -> str:
        """Return under what name a trainable number is kept."""
        return f"log_{name}" if _is_positive(self.neuron, name) else f"value_{name}"

    def value(self, name: str) -> Tensor:
        """Return a number, or one for each neuron, with its graph where it is trained."""
        if name not in self.free:
            return torch.as_tensor(self.fixed[name], dtype=torch.float64)
        raw = self.get_parameter(self.key(name))
        if not bool(torch.isfinite(raw).all()):
            raise InputError(
                f"{name} is not finite any more: a gradient overflowed. Lower the learning rate, or clip gradients with"
                " torch.nn.utils.clip_grad_norm_"
            )
        if _is_positive(self.neuron, name):
            return torch.exp(raw.double())
        if name in self.neuron.refractory.values() and bool((raw < 0).any()):
            with torch.no_grad():
                raw.clamp_(min=0.0)
        return raw.double()

    def numbers(self) -> dict[str, float | np.ndarray]:
        """Return parameters and inputs as NumPy has them: floats, or arrays with one value a neuron."""
        return {k: x for k, x in self._all().items() if k not in self.neuron.states}

    def start(self) -> dict[str, np.ndarray]:
        """Return the states at t = 0, shape (n,): those given, the others at rest."""
        everything = self._all()
        out = rest_state(self.neuron, self.numbers(), self.n) if self.resting else {}
        for s in self.neuron.states:
            if s in everything:
                out[s] = np.broadcast_to(np.asarray(everything[s], dtype=float), (self.n,)).copy()
        return {s: out[s] for s in self.neuron.states}

    def _all(self) -> dict[str, float | np.ndarray]:
        out = dict(self.fixed)
        for name in self.free:
            if self.key(name) in self._parameters:
                x = self.value(name).detach().cpu().numpy()
                out[name] = float(x) if x.ndim == 0 else np.ascontiguousarray(x)
        return out


def _is_positive(neuron: Neuron, name: str) -> bool:
    return name in neuron.rows.leading or name == "tau" or name.startswith("tau_")
