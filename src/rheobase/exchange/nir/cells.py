"""NIR's neurons as rows: the numbers are such that the exact step of those rows is the step of the convention.

A linear step v <- d v + ... is the exact solution of a linear equation over dt, whatever program it comes from: Euler's
1 - dt/tau is exp(-dt/tau') with tau' = -dt/log(1 - dt/tau). So a network that was read needs no engine of its own; it
runs on the grid for which it was read, with its default method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, final

import numpy as np

from rheobase.errors import InputError
from rheobase.exchange.nir.convention import Convention
from rheobase.exchange.nir.graph import Node
from rheobase.model.neuron import Neuron

__all__ = ["Cell", "instant_cell", "make_cell", "to_ms", "to_seconds", "two_steps"]


@final
@dataclass(frozen=True, eq=False)
class Cell:
    """A population's neuron, the name of its analog input, where its states start, and where it leaks to."""

    neuron: Neuron
    drive: str
    start: Mapping[str, np.ndarray]
    leak: np.ndarray | None = None


def to_ms(seconds: Any) -> np.ndarray:
    """Return seconds as ms, by a shift of the decimal point where the number has a short decimal form.

    >>> float(to_ms(0.0025)), float(to_ms(1e-4))
    (2.5, 0.1)
    """
    return _shifted(seconds, 3)


def to_seconds(ms: Any) -> np.ndarray:
    """Return ms as seconds, by a shift of the decimal point.

    >>> float(to_seconds(0.1)), float(to_ms(to_seconds(0.29)))
    (0.0001, 0.29)
    """
    return _shifted(ms, -3)


def _shifted(values: Any, places: int) -> np.ndarray:
    given = np.asarray(values)
    unique, back = np.unique(given.astype(float), return_inverse=True)
    if given.dtype == np.float32:  # its shortest decimal form is not what the number is
        return unique[back].reshape(given.shape) * 10.0**places
    moved = np.array([float(Decimal(repr(float(x))).scaleb(places)) for x in unique])
    return moved[back].reshape(given.shape)


def _same(values: np.ndarray, n: int) -> Any:
    """Return one number where all neurons share it, else one each."""
    flat = np.broadcast_to(values, (n,)) if values.size == 1 else values.ravel()
    return float(flat[0]) if np.all(flat == flat[0]) else flat.copy()


def _read(node: Node, name: str, shape: tuple[int, ...], field: str, default: float | None = None) -> np.ndarray:
    values = node.number(field, default)
    if values.size != 1 and values.shape != shape:
        raise InputError(
            f"node '{name}' ({node.kind}): {field} has the shape {values.shape}, but {shape} neurons are there"
        )
    if field.startswith("tau") and np.any(values <= 0):
        raise InputError(f"node '{name}' ({node.kind}): {field} = {values.min():g} s is not positive")
    return np.broadcast_to(values, shape).ravel()


def _decay(tau: np.ndarray, dt: float, method: str, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (d, g, tau'): what a step leaves of a state, what the input adds, and tau with exp(-dt/tau') = d."""
    x = dt / tau
    if method == "euler":
        if np.any(x > 1.0 + 1e-9):
            raise InputError(
                f"node '{name}': Euler's step dt = {dt:g} ms is longer than the time constant {tau.min():g} ms, so the"
                " state would swing; take a smaller dt or method='exact'"
            )
        d = np.maximum(1.0 - x, 0.0)
        with np.errstate(divide="ignore"):
            slow = np.where(d > 0, -dt / np.log1p(-np.minimum(x, 1.0)), 0.0)
        return d, x, np.where(d > 0, np.where(x < 1e-12, tau, slow), dt / 1000.0)
    return np.exp(-x), -np.expm1(-x) if method == "exact" else x, tau


def make_cell(
    node: Node, name: str, shape: tuple[int, ...], dt: float, convention: Convention, pulses: bool, analog: bool
) -> Cell:
    """Return the rows of a stateful node.

    Parameters
    ----------
    pulses : bool
        Whether a spike is a current of height 1 over one step, as all programs have it, or an impulse of area 1 s.
    analog : bool
        Whether a current arrives as well.
    """
    n = int(np.prod(shape, dtype=np.int64))
    if n < 1:
        raise InputError(f"node '{name}' ({node.kind}) has no neurons")
    make = {"I": _integrator, "IF": _integrator, "LI": _leaky, "LIF": _leaky, "CubaLI": _cuba, "CubaLIF": _cuba}
    evolve, receive, values, drive, leak, decay = make[node.kind](node, name, shape, dt, convention, pulses, analog)
    rows: dict[str, Any] = {
        "evolve": evolve,
        "receive": receive,
        "name": _plain(name),
        "about": _tell(node, convention, dt),
    }
    if node.kind.endswith("IF") and node.kind != "I":
        theta = _read(node, name, shape, "v_threshold")
        values["v_threshold"] = theta
        rows["threshold"] = "v > v_threshold" if convention.fires == "above" else "v >= v_threshold"
        rows["reset"] = _reset(node, name, shape, convention, values, theta, decay)
    begin = np.zeros(n) if leak is None or convention.start == "zero" else leak
    if convention.start == "reset" and "v_threshold" in values:
        begin = _read(node, name, shape, "v_reset", 0.0)
    start = {"v": begin} | ({"I": np.zeros(n)} if node.kind.startswith("Cuba") else {})
    kept = {k: _same(np.asarray(v, dtype=float), n) for k, v in values.items()}
    for key in [k for k in kept if k.startswith("tau")]:
        kept[key] = _with_unit(kept[key])
    return Cell(Neuron(**rows, **kept), drive, start, leak)


def _with_unit(tau: Any) -> Any:
    return tau if isinstance(tau, np.ndarray) else f"{tau!r} ms"


def _plain(name: str) -> str:
    return (" ".join(name.replace(":", " ").split()) or "node")[:200]


def _tell(node: Node, convention: Convention, dt: float) -> str:
    changed = (
        ""
        if convention.method == "exact"
        else f", numbers such that a step of {dt:g} ms is that of {convention.method}"
    )
    return f"NIR {node.kind}{changed}"


def _reset(
    node: Node,
    name: str,
    shape: tuple[int, ...],
    convention: Convention,
    values: dict[str, np.ndarray],
    theta: np.ndarray,
    decay: np.ndarray,
) -> str:
    match convention.reset:
        case "value":
            values["v_reset"] = _read(node, name, shape, "v_reset", 0.0)
            return "v <- v_reset"
        case "zero":
            return "v <- 0"
        case "subtract":
            return "v <- v - v_threshold"
    if np.any(decay == 0):
        raise InputError(f"node '{name}': reset='late subtract' needs dt < tau")
    values["late"] = theta / decay  # what is taken off decays with the next step, and is v_threshold after it
    return "v <- v - late"


_Made = tuple[str, str, dict[str, np.ndarray], str, "np.ndarray | None", np.ndarray]


def _integrator(
    node: Node, name: str, shape: tuple[int, ...], dt: float, convention: Convention, pulses: bool, analog: bool
) -> _Made:
    r = _read(node, name, shape, "r")
    gain = r * (to_seconds(dt) if pulses else 1.0)
    values = _near_one({"gain": gain})
    evolve = "dv/dt = r*I" if analog else "dv/dt = 0"
    if analog:
        values["r"] = r * 1e-3  # of a second is of 1000 ms
    return evolve, _receive("v", "gain", values), values, "I", None, np.ones(len(r))


def _leaky(
    node: Node, name: str, shape: tuple[int, ...], dt: float, convention: Convention, pulses: bool, analog: bool
) -> _Made:
    tau, r, leak = (_read(node, name, shape, f) for f in ("tau", "r", "v_leak"))
    ms = to_ms(_raw(node, "tau", tau))
    d, g, slow = _decay(ms, dt, convention.method, name)
    gain = g * r if pulses else r / tau
    values = _near_one({"gain": gain})
    values |= {"tau": slow, "v_leak": leak}
    if analog:
        values["r"] = r if convention.method != "expdecay" else r * g / -np.expm1(-dt / ms)
    evolve = "tau dv/dt = v_leak - v + r*I" if analog else "tau dv/dt = v_leak - v"
    return evolve, _receive("v", "gain", values), values, "I", leak, d


def _raw(node: Node, field: str, flat: np.ndarray) -> np.ndarray:
    """Return a field in the precision in which the file has it."""
    return flat.astype(np.float32) if np.asarray(node.fields[field]).dtype == np.float32 else flat


def _cuba(
    node: Node, name: str, shape: tuple[int, ...], dt: float, convention: Convention, pulses: bool, analog: bool
) -> _Made:
    tau_s, tau_m, r, leak = (_read(node, name, shape, f) for f in ("tau_syn", "tau_mem", "r", "v_leak"))
    w_in = _read(node, name, shape, "w_in", 1.0)
    d_m, g_m, slow_m = _decay(to_ms(_raw(node, "tau_mem", tau_m)), dt, convention.method, name)
    d_s, g_s, slow_s = _decay(to_ms(_raw(node, "tau_syn", tau_s)), dt, convention.method, name)
    passed, held = two_steps(slow_m, slow_s, dt)  # for r = 1, w_in = 1
    if convention.method == "exact":
        r_row, w_row, by_v = r, w_in, r * w_in * held
        extra = np.zeros_like(r)
    else:  # first the current, then the voltage with the new current
        r_row = g_m * r * d_s / passed
        w_row = w_in * g_s / (1.0 - d_s)
        by_v = g_m * r * g_s * w_in
        extra = (by_v - r_row * w_row * held) / (1.0 - d_m)
    by_I = g_s * w_in
    if not pulses:
        by_I, by_v = w_in / tau_s, np.zeros_like(r)
    values = _near_one({"gain": by_I})
    values |= {"tau_mem": slow_m, "tau_syn": slow_s, "v_leak": leak, "r": r_row}
    receive = _receive("I", "gain", values)
    if np.any(by_v != 0):
        values["gain_v"] = by_v
        receive += "\nv <- v + gain_v*w_i"
    if not analog:
        evolve = "tau_mem dv/dt = v_leak - v + r*I\ntau_syn dI/dt = -I"
    else:
        values["w_in"] = w_row
        more = ""
        if np.any(extra != 0):
            values["k"], more = extra, " + k*S"
        evolve = f"tau_mem dv/dt = v_leak - v + r*I{more}\ntau_syn dI/dt = w_in*S - I"
    return evolve, receive, values, "S", leak, d_m


def two_steps(tau_m: np.ndarray, tau_s: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what a current of 1, and an input of 1 held over the step, have done to v after it."""
    from scipy.linalg import expm

    pairs, back = np.unique(np.stack([tau_m, tau_s], axis=1), axis=0, return_inverse=True)
    m = np.zeros((len(pairs), 3, 3))
    m[:, 0, 0], m[:, 0, 1] = -1.0 / pairs[:, 0], 1.0 / pairs[:, 0]
    m[:, 1, 1], m[:, 1, 2] = -1.0 / pairs[:, 1], 1.0 / pairs[:, 1]
    e = expm(m * dt)
    back = back.reshape(-1)
    return e[back, 0, 1], e[back, 0, 2]


def _near_one(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return gains, with those exactly 1 that are 1 but for rounding: r = tau/dt is written so that they are."""
    return {k: np.where(np.abs(v - 1.0) <= 4 * np.finfo(float).eps, 1.0, v) for k, v in values.items()}


def _receive(state: str, gain: str, values: dict[str, np.ndarray]) -> str:
    if np.all(values[gain] == 1.0):
        del values[gain]
        return f"{state} <- {state} + w_i"
    return f"{state} <- {state} + {gain}*w_i"


def instant_cell(name: str, dt: float, threshold: np.ndarray | None, fires: str, n: int) -> Cell:
    """Return a unit without memory: v is what came in during this step, by a time constant of dt/1000."""
    rows: dict[str, Any] = {"evolve": "tau dv/dt = I - v", "receive": "v <- v + w_i", "name": _plain(name)}
    values: dict[str, Any] = {"tau": f"{dt / 1000.0!r} ms"}
    if threshold is not None:
        rows |= {"threshold": "v > theta" if fires == "above" else "v >= theta", "about": "NIR Threshold"}
        values["theta"] = _same(threshold, n)
    else:
        rows["about"] = "what arrives at a NIR Output in one step"
    return Cell(Neuron(**rows, **values), "I", {"v": np.zeros(n)})
