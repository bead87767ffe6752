"""The numbers of a layer: those that training may change, in their legal range, and what a step makes of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn

from rheobase.derive.facts import step_facts
from rheobase.derive.propagate import clamp_sets, clamp_tag, propagators
from rheobase.derive.rest import is_current, rest_state
from rheobase.errors import InputError, nearest
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.units import parse_unit

__all__ = ["Values"]

_MS: Final = parse_unit("ms")[1]


@final
class Values(nn.Module):
    """Parameters and initial values of a neuron, of which some are trainable.

    A time constant (or whatever else multiplies a d/dt) is kept as the logarithm of what it exceeds its least value by,
    ``tau = low + exp(log_tau)``, so that no step of an optimiser makes it negative; other parameters are kept as they
    are. Everything is computed in float64.
    """

    def __init__(
        self,
        neuron: Neuron,
        dt: float,
        method: str,
        train: Collection[str],
        per_neuron: bool,
        shape: tuple[int, ...] | None,
    ) -> None:
        super().__init__()
        self.dt, self.method, self.neurons = dt, method, shape
        self.model = neuron
        self.low: dict[str, float] = {}
        self.free: list[str] = []
        self.fixed: dict[str, float] = {}
        self.arrays: list[str] = []
        self._known: tuple[Any, dict[str, Tensor | float]] = (None, {})
        coarse = method in ("euler", "sequential euler")
        for name, q in neuron.parameters.items():
            value = self._draw(name, q)
            if _is_positive(neuron, name):
                self.low[name] = dt if coarse and _is_time(neuron, name) else 0.0
                _check_time(neuron, name, value, dt, coarse)
            self._keep(name, value, name in train, per_neuron)
        start = self._start(neuron)
        for name, value in start.items():
            self._keep(name, value, name in train, per_neuron)

    def _draw(self, name: str, q: Quantity) -> float | np.ndarray:
        if isinstance(q.value, Distribution):
            if self.neurons is None:
                raise InputError(f"{name} is drawn from {q}; say how many neurons there are: Layer(..., size=128)")
            rng = np.random.default_rng(int(torch.randint(2**62, (1,))))
            return np.asarray(q.value.sample(rng, math.prod(self.neurons)), dtype=float)
        return np.asarray(q.value, dtype=float) if q.shape else float(q.value)

    def _start(self, neuron: Neuron) -> dict[str, float | np.ndarray]:
        """Return initial values: those given, else at rest."""
        given = {s: self._draw(s, q) for s, q in neuron.initial.items()}
        if set(given) == set(neuron.states):
            return {s: given[s] for s in neuron.states}
        values: dict[str, Any] = {**self.fixed, **{n: self.number(n) for n in (*self.arrays, *self.free)}}
        n = max((x.size for x in values.values() if isinstance(x, np.ndarray)), default=1)
        values = {k: x.reshape(-1) if isinstance(x, np.ndarray) else x for k, x in values.items()}
        rest = rest_state(neuron, values, n)
        return {s: given.get(s, x if len(set(x)) > 1 else float(x[0])) for s, x in rest.items()}

    def _keep(self, name: str, value: float | np.ndarray, trained: bool, per_neuron: bool) -> None:
        if isinstance(value, np.ndarray):
            if self.neurons is None or value.size != math.prod(self.neurons):
                raise InputError(f"{name} has {value.size} values; the layer's size = {self.neurons}")
            value = value.reshape(self.neurons)
        if trained:
            if per_neuron:
                if self.neurons is None:
                    raise InputError(f"per_neuron=True gives every neuron its own {name}; say how many: size=128")
                value = np.broadcast_to(value, self.neurons).copy()
            raw = torch.as_tensor(np.asarray(value), dtype=torch.float64)
            if name in self.low:
                raw = torch.log(raw - self.low[name])
            self.register_parameter(self._key(name), nn.Parameter(raw.to(torch.get_default_dtype())))
            self.free.append(name)
        elif isinstance(value, np.ndarray):
            self.arrays.append(name)  # before it is asked for its key: it is kept as it is, not as a logarithm
            self.register_buffer(self._key(name), torch.from_numpy(value.copy()))
        else:
            self.fixed[name] = value

    def _key(self, name: str) -> str:
        return f"log_{name}" if name in self.low and name not in self.arrays else f"value_{name}"

    def __contains__(self, name: str) -> bool:
        return name in self.fixed or name in self.free or name in self.arrays

    def value(self, name: str) -> Tensor | float:
        """Return a parameter or initial value as float, or as float64 tensor where neurons differ or it is trained."""
        if name in self.fixed:
            return self.fixed[name]
        if name in self.arrays:
            return self.get_buffer(f"value_{name}").double()
        raw = self.get_parameter(self._key(name)).double()
        return self.low[name] + torch.exp(raw) if name in self.low else raw

    def number(self, name: str) -> float | np.ndarray:
        """Return a value without its graph, for NumPy."""
        value = self.value(name)
        if isinstance(value, float):
            return value
        array = value.detach().cpu().numpy()
        return float(array) if array.ndim == 0 else np.asarray(array)

    def quantity(self, name: str) -> Quantity:
        """Return a value with its unit."""
        number = self.number(name)
        group = self.model.parameters if name in self.model.parameters else self.model.initial
        dimension = group[name].dimension if name in group else None
        return Quantity(number.reshape(-1) if isinstance(number, np.ndarray) else number, dimension)

    def check(self) -> None:
        """Raise if training has made a parameter NaN or infinite."""
        for name in self.free:
            raw = self.get_parameter(self._key(name))
            if not bool(torch.isfinite(raw).all()):
                raise InputError(
                    f"{name} is not finite any more: a gradient overflowed. Lower the learning rate, or clip gradients"
                    " with torch.nn.utils.clip_grad_norm_"
                )

    def constants(self, module: ModuleType, fed: tuple[str, ...]) -> dict[str, Tensor | float]:
        """Return everything that a step (see `rheobase.emit.to_torch`) takes beside states and input."""
        if not self.free and not self.arrays and self._known[0] == (fed,):
            return self._known[1]
        if any(self.get_parameter(self._key(n)).requires_grad for n in self.free):
            return self._constants(module, fed)
        kept = [self.get_parameter(self._key(n)) for n in self.free] + [
            self.get_buffer(self._key(n)) for n in self.arrays
        ]
        told = (fed, *((id(x), x._version) for x in kept))
        if self._known[0] != told:
            self._known = (told, self._constants(module, fed))
        return self._known[1]

    def _constants(self, module: ModuleType, fed: tuple[str, ...]) -> dict[str, Tensor | float]:
        known: dict[str, Tensor | float] = {n: self.value(n) for n in self.model.parameters}
        known["dt"] = self.dt
        for u in self.model.inputs:
            if u not in fed:
                known.setdefault(u, 0.0)
        known |= self._exact(module, fed, known)
        known |= dict(
            zip(module.HOISTED, module.coefficients(*(_tensor(known[n]) for n in module.NEEDED)), strict=True)
        )
        out: dict[str, Tensor | float] = {}
        for name in module.CONSTANTS:
            x = known[name]
            plain = isinstance(x, Tensor) and x.dim() == 0 and not x.requires_grad
            out[name] = float(x) if plain else x
        for target in module.TARGETS:
            number = self.number(self.model.refractory[target])
            steps = np.rint(np.asarray(number) / self.dt).astype(np.int32)
            out[f"_steps_{target}"] = torch.from_numpy(steps) if steps.ndim else torch.tensor(int(steps)).int()
        return out

    def _device(self) -> torch.device | None:
        """Return where training or arrays have put the values, None if they are all plain numbers."""
        return next((x.device for x in (*self.parameters(), *self.buffers())), None)

    def _exact(
        self, module: ModuleType, fed: tuple[str, ...], known: Mapping[str, Tensor | float]
    ) -> dict[str, Tensor | float]:
        """Return the step matrices of the exact method."""
        if not module.COEFFICIENTS:
            return {}
        facts = step_facts(self.model, module.INPUTS, module.METHOD)
        used = [known[n] for n in module.RATES]
        if not any(isinstance(x, Tensor) and x.requires_grad for x in used):
            numbers = {n: x.detach().cpu().numpy() if isinstance(x, Tensor) else x for n, x in known.items()}
            found = propagators(facts, clamp_sets(self.model), numbers, self.dt)
            return {
                n: x if isinstance(x, float) else torch.from_numpy(x).to(device=self._device())
                for n, x in found.items()
            }
        if facts.normals:
            raise InputError(
                "a rate of an exact step with white noise cannot be trained; use method='euler', or train another name"
            )
        a, b, c = module.affine(*(known[n] for n in module.RATES))
        out: dict[str, Tensor | float] = {}
        for clamp in clamp_sets(self.model):
            fixed = {i for i, s in enumerate(module.STATES) if s in clamp}
            tag = clamp_tag(module.STATES, clamp)
            p, q, r = _propagate(a, b, c, fixed, self.dt, self._device())
            for name in module.COEFFICIENTS:
                head, _, rest = name.partition("__")
                if head == tag:
                    row, _, column = rest.partition("_")
                    i = int(row)
                    out[name] = (
                        r[..., i] if column == "c"
                        else q[..., i, int(column[1:])] if column[0] == "u"
                        else p[..., i, int(column)]
                    )  # fmt: skip
        return out


def _tensor(x: Tensor | float) -> Tensor:
    return x if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)


def _propagate(
    a: Any, b: Any, c: Any, fixed: set[int], dt: float, device: torch.device | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what a step multiplies states and inputs by and adds: exp(A dt), its integral times B, and times c.

    The exponential of the augmented matrix [[A, 1], [0, 0]], as `rheobase.derive.propagate`, differentiable.
    """
    n, m = len(a), len(b[0]) if b else 0
    flat = [_tensor(x) for row in a for x in row] + [_tensor(x) for row in b for x in row]
    flat += [_tensor(row[0]) for row in c]
    flat = list(torch.broadcast_tensors(*(x.to(device=device) for x in flat)))
    batch = flat[0].shape
    zero = torch.zeros_like(flat[0])
    held = [zero if i in fixed else flat[i * n + j] for i in range(n) for j in range(n)]
    matrix = torch.stack(held, -1).reshape(*batch, n, n)
    moves = [0.0 if i in fixed else 1.0 for i in range(n)]
    moving = torch.diag(torch.tensor(moves, dtype=torch.float64, device=device))
    if n == 1:
        x = matrix * dt
        p, integral = torch.exp(x), dt * moving * _exprel(x)
    else:
        top = torch.cat([matrix, moving.expand(*batch, n, n)], -1) * dt
        e = torch.linalg.matrix_exp(torch.cat([top, torch.zeros_like(top)], -2))
        p, integral = e[..., :n, :n], e[..., :n, n:]
    gains = torch.stack(flat[n * n : n * n + n * m], -1).reshape(*batch, n, m) if m else None
    constant = torch.stack(flat[n * n + n * m :], -1).unsqueeze(-1)
    q = integral @ gains if gains is not None else p
    return p, q, (integral @ constant)[..., 0]


def _exprel(x: Tensor) -> Tensor:
    near = x.abs() < 1e-8
    safe = torch.where(near, 1.0, x)
    return torch.where(near, 1.0 + x / 2, torch.expm1(safe) / safe)


def _is_positive(neuron: Neuron, name: str) -> bool:
    return name in neuron.rows.leading or name == "tau" or name.startswith("tau_")


def _is_time(neuron: Neuron, name: str) -> bool:
    dimension = neuron.dimensions.get(name)
    return name == "tau" or name.startswith("tau_") or dimension == _MS


def _check_time(neuron: Neuron, name: str, value: float | np.ndarray, dt: float, coarse: bool) -> None:
    if not _is_time(neuron, name) or float(np.min(value)) > dt:
        return
    low = f"{name} = {float(np.min(value)):g} ms is not above the step dt = {dt:g} ms"
    if coarse:
        raise InputError(
            f"{low}, where Euler's method overshoots; choose dt below {name}, or method='auto'. Times are in ms:"
            f" '20 ms' is 20, not 0.02"
        )
    if float(np.min(value)) < dt:
        warnings.warn(
            f"{low}: the state forgets all within one step. Times are in ms: '20 ms' is 20, not 0.02", stacklevel=5
        )


def check_train(neuron: Neuron, train: Any) -> tuple[str, ...]:
    """Return the names that training may change, or raise `InputError` for one that it cannot."""
    try:
        names = (train,) if isinstance(train, str) else tuple(train)
    except TypeError:
        raise InputError(f"train = {train!r:.60} must be names, such as train=('tau', 'theta')") from None
    known = [*neuron.parameters, *neuron.states]
    for name in names:
        if name in neuron.refractory.values():
            raise InputError(f"train: the refractory time {name} is counted in steps and has no gradient")
        if name in neuron.inputs and not is_current(name):
            raise InputError(f"train: {name} is an input of {neuron.name}; give it a value to train it")
        if name not in known:
            raise InputError(
                f"train: {neuron.name} has no '{name!s:.60}'.{nearest(str(name), known)} It has: {', '.join(known)}"
            )
    return names
