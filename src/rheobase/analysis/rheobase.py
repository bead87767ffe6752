"""The smallest constant current that makes a neuron fire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from rheobase.analysis.linear import drive_of
from rheobase.analysis.setting import Setting, pick_input, read_setting
from rheobase.errors import DidNotConverge, InputError
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.simulation import Engine, simulate
from rheobase.units import to_number

__all__ = ["find_onset", "rheobase"]

_SMALLEST, _DECADES, _EACH, _SECTIONS = 1e-6, 13, 12, 24


def rheobase(
    model: Neuron,
    input: str | None = None,
    until: Any = "2 s",
    rtol: float = 1e-9,
    engine: Engine | None = None,
    **given: Any,
) -> float:
    r"""Return the smallest constant current, switched on at time 0, that makes a neuron fire.

    The neuron starts at rest without the current. Rows with an affine flow and threshold have it in closed
    form,

    .. math:: I_{rheobase} = \min_t \frac{-g_0(t)}{h(t)},\qquad g(x(t)) = g_0(t) + I\,h(t)

    where g > 0 is the threshold row: for the LIF the value at :math:`t \to \infty`, :math:`(\theta - E_L)/R`;
    for a neuron that overshoots its steady state an earlier one. A neuron with one state fires when its flow
    is positive all the way, :math:`I = \max_v -f_0(v)/b(v)`, which is the saddle-node of the QIF and the EIF.
    Every other neuron is run: upwards in a geometric series, then by sections, until the current is known to
    `rtol`.

    Parameters
    ----------
    model : Neuron
    input : str, optional
        Which input or parameter is the current; I, or the only one, if not given.
    until : time
        How long a run waits for a spike; only where there is no closed form. Near a saddle-node a neuron
        dwells long, and a longer wait finds a slightly smaller current.
    rtol : float
        Relative precision of a search by runs.
    engine : engine, optional
        What runs it, as for `simulate`.
    **given
        Other inputs, values and initial states, as for `simulate`.

    Returns
    -------
    float
        In the coherent unit of the input: nA, if it is a current. Negative for a neuron that fires by itself.

    Raises
    ------
    DidNotConverge
        If no current makes it fire: the message says where it looked and why.
    InputError
        If there is no such input, or a value is an array.

    References
    ----------
    Lapicque (1907), J. Physiol. Pathol. Gen. 9:620; Izhikevich (2007), Dynamical Systems in Neuroscience,
    chapter 7.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF, QIF
    >>> rheobase(LIF())
    0.2
    >>> rheobase(QIF(E_L="-65 mV", v_c="-50 mV", a="0.04/mV", R="1 MOhm"))
    2.25
    """
    name = pick_input(model, input)
    if not 0 < rtol < 1:
        raise InputError(f"rtol = {rtol!r} must lie between 0 and 1, for example 1e-9")
    wait = to_number(until, "ms", "until")
    _check_fires(model)
    setting = read_setting(model, given, name)
    found = _by_formula(setting)
    if found is not None:
        return found + 0.0  # no -0.0

    def fires(currents: np.ndarray) -> np.ndarray:
        run = simulate(model, until=wait, engine=engine, record=False, seed=0, **{**given, name: currents})
        return np.asarray(run.spikes.count > 0)

    where = f"within {wait:g} ms of {model.name}"
    return find_onset(fires, rtol, f"{name} ({model.unit(name) or 'plain number'})", where)


def _check_fires(model: Neuron) -> None:
    if model.hazard is not None:
        raise DidNotConverge(
            f"{model.name} fires by a hazard, at any current with some probability; it has no rheobase"
        )
    if model.threshold is None:
        raise DidNotConverge(
            f"{model.name} has no threshold row, so no current makes it fire; give threshold='v > theta'"
        )
    if model.noises:
        raise DidNotConverge(
            f"{model.name} has white noise ({', '.join(model.noises)}) and fires at any"
            f" current some time;"
            " take the noise out of the evolve row, or use fi_curve"
        )


def _by_formula(setting: Setting) -> float | None:
    """Return the rheobase where there is a closed form, None elsewhere."""
    if setting.structure.timed or setting.threshold is None:
        return None
    small = setting.reduce()
    _check_reach(small)
    drive = drive_of(small)
    if drive is not None:
        if float(drive.k @ drive.x0) + drive.d > 0:
            raise DidNotConverge(
                f"{setting.neuron.name} is above its threshold at the start, and fires there at any current"
            )
        growing = np.linalg.eigvals(drive.a).real.max() > 1e-12
        if not growing:
            current, _ = drive.smallest()
            if not np.isfinite(current):
                raise DidNotConverge(
                    f"{setting.neuron.name}: {setting.free} moves the state away from the"
                    f" threshold, or not at all,"
                    " at every time; no constant current makes it fire"
                )
            return current
    return _one_state(small)


def _check_reach(setting: Setting) -> None:
    """Refuse a current that acts on nothing, and say which factor is zero."""
    free = symbol(setting.free or "")
    slopes = [sympy.diff(e, free) for e in setting.drift]
    acts = [e for e in slopes if e != 0]
    if any({s.name for s in e.free_symbols} & set(setting.states) or float(setting.number(e)) != 0 for e in acts):
        return
    zero = sorted({s.name for e in acts for s in e.free_symbols if setting.values.get(s.name) == 0})
    why = f" because {' and '.join(f'{z} = 0' for z in zero)}" if zero else ""
    raise DidNotConverge(
        f"no current makes {setting.neuron.name} fire: the evolve row does not depend on"
        f" {setting.free}{why}."
        " Looked at the flow itself, for currents of any size"
    )


def _one_state(setting: Setting) -> float | None:
    """Return the largest -f0/b on the way from the start to the threshold of a neuron with one state."""
    from scipy.optimize import minimize_scalar

    if len(setting.states) != 1 or setting.threshold is None:
        return None
    x, free = symbol(setting.states[0]), symbol(setting.free or "")
    b = sympy.diff(setting.drift[0], free)
    g, slope = setting.threshold[0], sympy.diff(setting.threshold[0], x)
    if free in b.free_symbols or free in g.free_symbols or x in slope.free_symbols:
        return None
    k = float(setting.number(slope))
    if k == 0:
        return None
    begin = setting.x0[0]
    end = begin - float(setting.number(g, **{x.name: begin})) / k
    f0 = setting.drift[0].subs(free, 0)

    def needed(v: np.ndarray) -> np.ndarray:
        strength = np.broadcast_to(setting.number(b, **{x.name: v}), np.shape(v)) * np.sign(k)
        return np.where(
            strength > 0,
            -setting.number(f0, **{x.name: v}) * np.sign(k) / np.where(strength > 0, strength, 1),
            np.inf,
        )

    v = np.linspace(begin, end, 8001)
    values = np.broadcast_to(needed(v), v.shape)
    if not np.isfinite(values).all():
        return None
    j = int(np.argmax(values))
    best = float(values[j])
    if 0 < j < len(v) - 1:
        edges = sorted([v[j - 1], v[j + 1]])
        top = minimize_scalar(
            lambda y: -float(needed(np.asarray(y))),
            bounds=edges,
            method="bounded",
            options={"xatol": 1e-10 * (1 + abs(v[j]))},
        )
        best = max(best, -float(top.fun))
    return best


def find_onset(fires: Callable[[np.ndarray], np.ndarray], rtol: float, what: str, where: str) -> float:
    """Return the smallest value at which `fires` (values -> booleans) holds, by sections of a bracket.

    Zero is tried first; then a geometric series upwards (downwards, if zero fires), then equal sections.

    Raises
    ------
    DidNotConverge
        If nothing in the series fires, or everything does.
    """
    series = _SMALLEST * 10 ** (np.arange(_DECADES * _EACH) / _EACH)
    sign = -1.0 if fires(np.zeros(1))[0] else 1.0
    silent = 0.0 if sign > 0 else None
    firing = None if sign > 0 else 0.0
    for decade in range(_DECADES):
        tried = np.sort(sign * series[decade * _EACH : (decade + 1) * _EACH])
        try:
            answer = fires(tried)
        except InputError as error:
            reached = tried[0] if sign > 0 else tried[-1]
            raise DidNotConverge(f"looked for {what} from 0 to {reached:g} {where}; beyond that: {error}") from None
        if sign > 0:
            if answer.any():
                j = int(np.argmax(answer))
                firing, silent = float(tried[j]), float(tried[j - 1]) if j else silent
                break
            silent = float(tried[-1])
        else:
            if not answer.all():
                j = int(np.flatnonzero(~answer)[-1])
                silent, firing = float(tried[j]), float(tried[j + 1]) if j + 1 < len(tried) else firing
                break
            firing = float(tried[0])
    if silent is None or firing is None:
        kind = "no spike" if firing is None else "spikes"
        raise DidNotConverge(
            f"{kind} {where} at every {what} from 0 to {sign * series[-1]:g}; is this the right input?"
        )
    while firing - silent > rtol * max(abs(firing), abs(silent)):
        inner = np.linspace(silent, firing, _SECTIONS + 2)[1:-1]
        inner = inner[(inner > silent) & (inner < firing)]
        if not inner.size:
            break
        answer = fires(inner)
        j = int(np.argmax(answer)) if answer.any() else len(inner)
        silent, firing = (
            (float(inner[j - 1]) if j else silent),
            (float(inner[j]) if j < len(inner) else firing),
        )
    return firing
