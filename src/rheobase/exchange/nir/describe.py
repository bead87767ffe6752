"""What NIR can say of a population: its equation as one of NIR's, and a list of what is left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from rheobase.derive.evaluate import evaluate
from rheobase.derive.rest import is_current
from rheobase.derive.structure import analyse, threshold_function
from rheobase.engines.population import Population
from rheobase.model.algebra import affine_parts, symbol
from rheobase.network.stimulus import Stimulus
from rheobase.network.waveforms import Pulses

__all__ = ["Described", "describe"]


@final
@dataclass(eq=False)
class Described:
    """A population as ``tau dv/dt = leak - v + r*I``, ``tau_s dI/dt = -I``, in ms; None where there is none.

    `missing` are features that NIR cannot say and that could be left out; with `fatal` ones no node comes near.
    """

    tau: np.ndarray | None = None  # None: dv/dt = drive
    leak: np.ndarray | None = None
    drive: np.ndarray | None = None  # in v's unit (over tau), or per ms without a leak
    tau_s: np.ndarray | None = None
    r: np.ndarray | None = None
    theta: np.ndarray | None = None
    v_reset: np.ndarray | None = None
    gain: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # port -> v, I -> what a weight of 1 adds
    begin: float = 0.0  # ms, when the drive is switched on
    missing: list[str] = field(default_factory=list)
    fatal: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The node type that says it."""
        head = "Cuba" if self.tau_s is not None else ""
        return head + ("I" if self.tau is None else "LI") + ("F" if self.theta is not None else "")


def describe(p: Population, ports: frozenset[str]) -> Described:
    """Return what NIR can say of a population of which these `ports` are in use."""
    out = Described()
    neuron, n = p.neuron, p.n
    _note_features(p, out)
    states = _states(p)
    if states is None:
        names = ", ".join(neuron.states)
        out.fatal.append(f"states {names}: NIR has v, and at most one current that drives it")
        return out
    v, current = states
    env: dict[str, Any] = {**dict.fromkeys(neuron.inputs, 0.0), **p.values}
    for name, stimulus in p.inputs.items():
        env[name] = stimulus.amplitude.value if isinstance(stimulus, Pulses) and out.begin > 0 else 0.0
    if not _read_flow(p, v, current, env, out):
        return out
    _read_threshold(p, v, env, out)
    _read_reset(p, v, env, out)
    for port in sorted(ports):
        _read_port(p, port, v, current, env, out)
    for state, name in ((v, "v"), (current, "I")):
        if state is None:
            continue
        rest = out.leak if name == "v" and out.leak is not None else np.zeros(n)
        if not np.allclose(p.initial[state], rest, rtol=1e-9, atol=1e-12):
            out.missing.append(f"{state} starts elsewhere than at rest: NIR has no initial values")
    return out


def _note_features(p: Population, out: Described) -> None:
    neuron = p.neuron
    if neuron.noises:
        out.missing.append(f"noise ({', '.join(neuron.noises)})")
    if neuron.hazard is not None:
        out.fatal.append("a hazard in place of a threshold")
    clamps = [name for name in neuron.refractory.values() if np.any(np.asarray(p.values[name]) > 0)]
    if clamps:
        out.missing.append(f"refractoriness ({', '.join(sorted(set(clamps)))})")
    if neuron.rows.bounds:
        out.missing.append(f"the bound of {', '.join(b.state for b in neuron.rows.bounds)}")
    for name, stimulus in p.inputs.items():
        begin = _switched_on(stimulus)
        if begin is not None and is_current(name) and len(p.inputs) == 1:
            out.begin = begin
            continue
        out.missing.append(f"{name} varies in time: make it an Input by a population of spikes, or leave it out")
    for port in p.sources:
        out.missing.append(f"spikes given at port {port}: make their source a population, net.add(name, n, source)")


def _switched_on(stimulus: Stimulus) -> float | None:
    """Return when a current of 0 becomes a constant for good; None for any other course."""
    if not isinstance(stimulus, Pulses) or len(stimulus.starts) != 1 or not math.isinf(stimulus.width):
        return None
    off = isinstance(stimulus.base.value, float) and stimulus.base.value == 0.0
    return stimulus.starts[0] if off and stimulus.starts[0] > 0 else None


def _states(p: Population) -> tuple[str, str | None] | None:
    names = p.neuron.states
    if len(names) == 1:
        return names[0], None
    if len(names) != 2:
        return None
    drift = analyse(p.neuron, tuple(p.inputs)).drift
    a, b = names
    on_b, on_a = symbol(b) in drift[0].free_symbols, symbol(a) in drift[1].free_symbols
    if on_a == on_b:
        return None
    return (a, b) if on_b else (b, a)


def _number(value: Any, env: dict[str, Any], n: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(evaluate(value, env), dtype=float), (n,))


def _read_flow(p: Population, v: str, current: str | None, env: dict[str, Any], out: Described) -> bool:
    n, names = p.n, p.neuron.states
    drift = dict(zip(names, analyse(p.neuron, tuple(p.inputs)).drift, strict=True))
    if any(symbol("t") in d.free_symbols for d in drift.values()):
        out.fatal.append("t stands in the rows")
        return False
    parts = {s: affine_parts(d, names) for s, d in drift.items()}
    if any(x is None for x in parts.values()):
        out.fatal.append("rows that are not linear in the states")
        return False
    slopes, rest = parts[v]  # type: ignore[misc]
    a = _number(slopes.get(v, _zero()), env, n)
    still = {k: 0.0 if is_current(k) and k not in names else x for k, x in env.items()}
    constant, quiet = _number(rest, env, n), _number(rest, still, n)
    if np.any(a > 0) or (np.any(a == 0) and np.any(a < 0)):
        out.fatal.append(f"{v} grows by itself")
        return False
    if np.all(a == 0):
        out.drive = constant
        if current is not None:
            out.fatal.append("a synaptic current into a neuron without leak")
            return False
        return True
    out.tau = -1.0 / a
    out.leak = quiet * out.tau
    out.drive = (constant - quiet) * out.tau
    if current is None:
        return True
    own, extra = parts[current]  # type: ignore[misc]
    b = _number(own.get(current, _zero()), env, n)
    if np.any(b >= 0) or np.any(_number(extra, env, n) != 0):
        out.fatal.append(f"{current} does not decay to 0")
        return False
    out.tau_s = -1.0 / b
    out.r = _number(slopes.get(current, _zero()), env, n) * out.tau
    if np.any(out.drive != 0):  # NIR's CubaLIF has no other current; a constant one moves where v leaks to
        out.leak, out.drive = out.leak + out.drive, np.zeros(n)
    return True


def _zero() -> Any:
    return symbol("_") * 0


def _read_threshold(p: Population, v: str, env: dict[str, Any], out: Described) -> None:
    if p.neuron.threshold is None:
        return
    found = threshold_function(p.neuron)
    parts = None if found is None else affine_parts(found[0], p.neuron.states)
    if found is None or parts is None or set(parts[0]) != {v}:
        out.fatal.append(f"the threshold row '{p.neuron.threshold}': NIR compares {v} with a constant")
        return
    slope = _number(parts[0][v], env, p.n)
    if np.any(slope <= 0) or symbol("t") in parts[1].free_symbols:
        out.fatal.append(f"the threshold row '{p.neuron.threshold}'")
        return
    out.theta = -_number(parts[1], env, p.n) / slope
    if not found[1]:
        out.missing.append("it fires at equality (>=); NIR's neurons fire above the threshold (>)")


def _read_reset(p: Population, v: str, env: dict[str, Any], out: Described) -> None:
    if out.theta is None:
        return
    jumps = p.neuron.rows.reset
    for j in jumps:
        if j.state != v:
            out.fatal.append(f"the reset row changes {j.state}: NIR resets v alone")
            return
    if len(jumps) != 1:
        out.missing.append("no reset" if not jumps else "a reset in several steps")
        out.v_reset = np.zeros(p.n)
        return
    value = p.neuron.rows.substitute(jumps[0].value)
    if value.free_symbols & {symbol(s) for s in p.neuron.states}:
        out.missing.append(f"a soft reset ({p.neuron.reset}): NIR sets v to a value")
        value = value.subs(symbol(v), symbol("_theta"))
        env = {**env, "_theta": out.theta}
        value = value.subs({symbol(s): 0 for s in p.neuron.states})
    out.v_reset = _number(value, env, p.n)


def _read_port(p: Population, port: str, v: str, current: str | None, env: dict[str, Any], out: Described) -> None:
    gains: dict[str, np.ndarray] = {}
    for j in p.neuron.rows.receive[port]:
        parts = affine_parts(p.neuron.rows.substitute(j.value), [*p.neuron.states, "w_i"])
        others = {} if parts is None else {k: x for k, x in parts[0].items() if k != "w_i"}
        if parts is None or parts[1] != 0 or set(others) != {j.state} or others[j.state] != 1:
            out.fatal.append(f"the receive row '{p.neuron.receive[port]}' does more than add a weight")
            return
        name = "v" if j.state == v else "I"
        gains[name] = gains.get(name, 0.0) + _number(parts[0].get("w_i", _zero()), env, p.n)
    out.gain[port] = gains
    if current is None and "I" in gains:
        out.fatal.append(f"the receive row '{p.neuron.receive[port]}'")
    if current is not None and "I" not in gains:
        out.fatal.append(
            f"port {port} adds to v and not to the synaptic current: NIR has one place where spikes arrive"
        )
