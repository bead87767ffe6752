"""The numbers of a NIR node with which another program's steps are those of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from rheobase.exchange.nir.cells import to_seconds, two_steps
from rheobase.exchange.nir.convention import Convention
from rheobase.exchange.nir.describe import Described

__all__ = ["Numbers", "numbers_of"]


@final
@dataclass(eq=False)
class Numbers:
    """Fields of a node, by what weights are multiplied, the constant current, and by how many steps it is early."""

    fields: dict[str, np.ndarray]
    weight: np.ndarray
    bias: np.ndarray | None
    early: int = 0
    offset: np.ndarray | None = None  # what was taken off all voltages
    begin: float = 0.0

    @property
    def is_driven(self) -> bool:
        """Whether there is a constant current."""
        return self.bias is not None and bool(np.any(self.bias != 0))

    def take_bias(self) -> np.ndarray | None:
        """Return the constant current the first time it is asked for, if there is one."""
        bias, self.bias = self.bias, None
        return bias if bias is not None and np.any(bias != 0) else None


def numbers_of(d: Described, dt: float | None, convention: Convention, scale: str) -> Numbers | str:
    """Return the fields with which a step of the convention is a step here; a text if there are none."""
    made = _cuba(d, dt, convention, scale) if d.tau_s is not None else _plain(d, dt, convention, scale)
    if isinstance(made, str):
        return made
    if d.theta is None:
        return made
    assert d.v_reset is not None
    made.fields |= {"v_threshold": d.theta, "v_reset": d.v_reset}
    return made if dt is None else _as_they_reset(made, convention)


def _as_they_reset(made: Numbers, convention: Convention) -> Numbers | str:
    """Return the fields, voltages counted from v_reset where a program resets to 0; a text if it starts elsewhere."""
    fields, reset = made.fields, made.fields["v_reset"]
    if convention.reset not in ("value", "zero"):
        return f"its reset to a value, where the convention's is '{convention.reset}'"
    if (convention.reset == "zero" or convention.start == "reset") and np.any(reset != 0):
        made.offset = reset
        for name in ("v_leak", "v_threshold", "v_reset"):
            if name in fields:
                fields[name] = fields[name] - reset
    if "v_leak" in fields:
        begins = {"leak": fields["v_leak"], "zero": 0.0, "reset": fields["v_reset"]}[convention.start]
        if np.any(fields["v_leak"] != begins):
            return f"its start at rest, where the convention's is at {convention.start}"
    return made


def _plain(d: Described, dt: float | None, convention: Convention, scale: str) -> Numbers:
    assert d.drive is not None
    one = np.ones_like(d.drive)
    if d.tau is None:
        r = one if dt is None else one / to_seconds(dt)  # what SpikingJelly asks for, and what Norse does for any r
        return Numbers({"r": r}, one, d.drive * 1e3 / r)
    assert d.leak is not None
    if dt is None:
        unit, tau, per = to_seconds(d.tau), d.tau, one
    else:
        left = -np.expm1(-dt / d.tau)  # 1 - exp(-dt/tau)
        tau = dt / left if convention.method == "euler" else d.tau
        unit = 1.0 / left if convention.method != "expdecay" else d.tau / dt
        per = one if convention.method != "expdecay" else left * d.tau / dt
    r = unit if scale == "r" or dt is None else one
    weight = one if scale == "r" or dt is None else unit
    return Numbers({"tau": to_seconds(tau), "r": r, "v_leak": d.leak}, weight, d.drive * per / r)


def _cuba(d: Described, dt: float | None, convention: Convention, scale: str) -> Numbers | str:
    assert d.tau is not None
    assert d.tau_s is not None
    assert d.r is not None
    assert d.leak is not None
    one = np.ones_like(d.tau)
    by_v = [g.get("v", 0.0 * one) / np.where(g["I"] == 0, 1.0, g["I"]) for g in d.gain.values()]
    direct = any(np.any(x != 0) for x in by_v)
    if dt is None:
        if direct:
            return "spikes that act on v and on the synaptic current at once"
        fields = {"tau_syn": to_seconds(d.tau_s), "tau_mem": to_seconds(d.tau), "r": d.r, "v_leak": d.leak}
        return Numbers(fields | {"w_in": to_seconds(d.tau_s)}, one, None)
    left_m, left_s = -np.expm1(-dt / d.tau), -np.expm1(-dt / d.tau_s)
    passed, held = two_steps(d.tau, d.tau_s, dt)
    if convention.method == "exact":
        if not all(np.allclose(x, d.r * held / left_s, rtol=1e-9) for x in by_v):
            return (
                "spikes that jump into the synaptic current, where a current of one step lasts as long as the step;"
                " leave dt out, or give convention='norse' or another by Euler's rule"
            )
        fields = {"tau_syn": to_seconds(d.tau_s), "tau_mem": to_seconds(d.tau), "r": d.r, "v_leak": d.leak}
        return Numbers(fields | {"w_in": 1.0 / left_s}, one, None)
    expected = passed * d.r / (1.0 - left_s)
    if direct and not all(np.allclose(x, expected, rtol=1e-9) for x in by_v):
        return "spikes that act on v and on the synaptic current at once"
    euler = convention.method == "euler"
    tau_m, tau_s = (dt / left_m, dt / left_s) if euler else (d.tau, d.tau_s)
    g_m, g_s = dt / tau_m, dt / tau_s
    jump = one if direct else 1.0 - left_s  # else the spike comes a step earlier, and has decayed for one
    strength = jump * passed * d.r / (1.0 - left_s)  # what a spike adds to v in the step in which it comes
    r, w_in = (1.0 / g_m, 1.0 / g_s) if scale == "r" else (one, one)
    fields = {"tau_syn": to_seconds(tau_s), "tau_mem": to_seconds(tau_m), "r": r, "v_leak": d.leak, "w_in": w_in}
    return Numbers(fields, strength / (g_m * r * g_s * w_in), None, 0 if direct else 1)
