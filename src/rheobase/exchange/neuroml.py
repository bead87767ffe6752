"""NeuroML 2 (Cannon et al. 2014, doi:10.3389/fninf.2014.00079): iaf, adEx and izhikevich2007 cells, and pulses."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, final
from xml.sax.saxutils import quoteattr

import numpy as np

from rheobase.derive.evaluate import evaluate
from rheobase.derive.structure import analyse, threshold_function
from rheobase.engines.population import Population, prepare
from rheobase.errors import InputError, NotExportable, UnitMismatch, nearest
from rheobase.exchange.text_file import write_text
from rheobase.exchange.xml import Element, read_xml
from rheobase.model.algebra import affine_parts
from rheobase.model.neuron import Neuron
from rheobase.model.zoo import LIF, AdEx, Izhikevich2007
from rheobase.network.stimulus import Constant
from rheobase.network.waveforms import Pulses
from rheobase.units import Dimension, parse_quantity, parse_unit

__all__ = ["from_neuroml", "to_neuroml"]

#: Attribute -> (our name, unit, power of ten from ours to theirs, theirs)
_Field = tuple[str, str, int, str]
_ADEX: Final[Mapping[str, _Field]] = {
    "C": ("C", "nF", 0, "nF"),
    "gL": ("g_L", "uS", 0, "uS"),
    "EL": ("E_L", "mV", 0, "mV"),
    "VT": ("v_T", "mV", 0, "mV"),
    "delT": ("Delta_T", "mV", 0, "mV"),
    "thresh": ("v_peak", "mV", 0, "mV"),
    "reset": ("v_r", "mV", 0, "mV"),
    "tauw": ("tau_w", "ms", 0, "ms"),
    "refract": ("t_ref", "ms", 0, "ms"),
    "a": ("a", "uS", 0, "uS"),
    "b": ("b", "nA", 0, "nA"),
}
_IZHIKEVICH: Final[Mapping[str, _Field]] = {
    "C": ("C", "nF", 0, "nF"),
    "v0": ("v", "mV", 0, "mV"),
    "k": ("k", "uS/mV", 3, "nS_per_mV"),
    "vr": ("v_r", "mV", 0, "mV"),
    "vt": ("v_t", "mV", 0, "mV"),
    "vpeak": ("v_peak", "mV", 0, "mV"),
    "a": ("a", "1/ms", 0, "per_ms"),
    "b": ("b", "uS", 0, "uS"),
    "c": ("c", "mV", 0, "mV"),
    "d": ("d", "nA", 0, "nA"),
}
_IAF: Final[Mapping[str, _Field]] = {
    "leakReversal": ("E_L", "mV", 0, "mV"),
    "thresh": ("theta", "mV", 0, "mV"),
    "reset": ("v_r", "mV", 0, "mV"),
    "C": ("C", "nF", 0, "nF"),
    "leakConductance": ("g_L", "uS", 0, "uS"),
}
_SPACE: Final = "http://www.neuroml.org/schema/neuroml2"
_VALUE: Final = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z_0-9]*)\s*")


# ------------------------------------------------------------------ writing
def to_neuroml(neuron: Neuron, file: str | Path | None = None, I: Any = None, overwrite: bool = False) -> str:
    """Return a neuron as a NeuroML 2 document, and write it to a file.

    An integrate-and-fire neuron (any rows that are one) becomes an iafCell or iafRefCell, `AdEx` an adExIaFCell,
    `Izhikevich2007` an izhikevich2007Cell.

    Parameters
    ----------
    neuron : Neuron
    file : str or Path, optional
    I : number, str or stimulus, optional
        A constant or a step of current: it becomes a pulseGenerator, in a network of one such cell. By default the
        neuron's own I.
    overwrite : bool

    Raises
    ------
    NotExportable
        If NeuroML has no cell for these rows; the message lists why.

    Notes
    -----
    LEMS tests ``t > lastSpikeTime + refract``: on its grid a cell with a refractory time is held one step longer.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> print(to_neuroml(LIF(C="200 pF", g_L="10 nS", refractory=None)).splitlines()[2].strip())
    <iafCell id="LIF" leakReversal="-70.0mV" thresh="-50.0mV" reset="-65.0mV" C="0.2nF" leakConductance="0.01uS"/>
    """
    if not isinstance(neuron, Neuron):
        raise InputError(f"to_neuroml wants a Neuron, not {type(neuron).__name__}; write one file a cell")
    given = {} if I is None else {"I": I}
    p = prepare(neuron, {**dict.fromkeys(set(neuron.inputs) - {*given}, 0.0), **given}, 0)
    if p.n != 1:
        raise NotExportable(
            f"NeuroML cannot say of {neuron.name}: {p.n} neurons with different values; write one file a cell"
        )
    cell = _cell_of(p)
    name = re.sub(r"\W", "_", neuron.name)
    name = name if name[:1].isalpha() else f"cell_{name}"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<neuroml xmlns="{_SPACE}" id={quoteattr(name + "_document")}>',
        f"  <{cell.tag} id={quoteattr(name)} {' '.join(f'{k}={quoteattr(v)}' for k, v in cell.attributes.items())}/>",
    ]
    pulse = _pulse_of(p)
    if pulse is not None:
        lines.append(f'  <pulseGenerator id="pulse" {" ".join(f"{k}={quoteattr(v)}" for k, v in pulse.items())}/>')
    lines += [f'  <network id="net">\n    <population id="cells" component={quoteattr(name)} size="1"/>']
    lines += ['    <explicitInput target="cells[0]" input="pulse"/>'] if pulse is not None else []
    text = "\n".join([*lines, "  </network>", "</neuroml>", ""])
    if file is not None:
        write_text(file, text, overwrite)
    return text


@final
@dataclass(frozen=True)
class _Cell:
    tag: str
    attributes: dict[str, str]


def _say(value: float, ten: int, unit: str) -> str:
    return f"{float(Decimal(repr(float(value))).scaleb(ten))!r}{unit}"


def _cell_of(p: Population) -> _Cell:
    neuron = p.neuron
    rows = (neuron.evolve, neuron.threshold, neuron.reset)
    for model, tag, fields in ((AdEx(), "adExIaFCell", _ADEX), (Izhikevich2007(), "izhikevich2007Cell", _IZHIKEVICH)):
        if rows == (model.evolve, model.threshold, model.reset):
            return _known(p, tag, fields)
    return _iaf(p)


def _known(p: Population, tag: str, fields: Mapping[str, _Field]) -> _Cell:
    missing = []
    values = {k: float(np.asarray(x).reshape(-1)[0]) for k, x in p.values.items()}
    values |= {k: float(x[0]) for k, x in p.initial.items()}
    if tag == "adExIaFCell":
        values.setdefault("t_ref", 0.0)
        if values["v"] != values["E_L"] or values["w"] != 0.0:
            missing.append("its initial values: an adExIaFCell starts at EL with w = 0")
    elif p.neuron.refractory:
        missing.append("refractoriness of an Izhikevich cell")
    elif values["u"] != 0.0:
        missing.append("the initial value of u: an izhikevich2007Cell starts with u = 0")
    if missing:
        raise NotExportable(f"NeuroML cannot say of {p.neuron.name}: {', '.join(missing)}")
    return _Cell(tag, {k: _say(values[name], ten, unit) for k, (name, _, ten, unit) in fields.items()})


def _iaf(p: Population) -> _Cell:
    neuron, problems = p.neuron, []
    mv = parse_unit("mV")[1]
    if (
        len(neuron.states) != 1
        or neuron.noises
        or neuron.hazard is not None
        or neuron.rows.bounds
        or neuron.threshold is None
    ):
        problems.append(f"rows that are no iafCell, AdEx or Izhikevich2007 (states {', '.join(neuron.states)})")
    elif neuron.dimensions.get(neuron.states[0]) != mv:
        problems.append("no units: NeuroML's cells have voltages; give the parameters units")
    else:
        found = _read_iaf(p, problems)
        if found is not None and not problems:
            wait = {k: x for k, x in p.values.items() if k in neuron.refractory.values() and float(np.max(x)) > 0}
            attributes = {k: _say(found[name], ten, unit) for k, (name, _, ten, unit) in _IAF.items()}
            if not wait:
                return _Cell("iafCell", attributes)
            return _Cell(
                "iafRefCell", {**attributes, "refract": _say(float(np.max(next(iter(wait.values())))), 0, "ms")}
            )
    raise NotExportable(f"NeuroML cannot say of {neuron.name}: {'; '.join(problems)}")


def _read_iaf(p: Population, problems: list[str]) -> dict[str, float] | None:
    """Return E_L, g_L, C, theta, v_r of rows that are C dv/dt = g_L (E_L - v) + I."""
    neuron, v = p.neuron, p.neuron.states[0]
    drift = analyse(neuron, ()).drift[0]
    currents = [n for n in ("I",) if n in p.values or n in p.inputs]
    parts = affine_parts(drift, [v, *currents])
    limit = threshold_function(neuron)
    edge = None if limit is None else affine_parts(limit[0], [v])
    jumps = neuron.rows.reset
    if parts is None or set(parts[0]) != {v, "I"}:
        problems.append("an evolve row that is not C dv/dt = g_L*(E_L - v) + I")
    if limit is None or edge is None or set(edge[0]) != {v}:
        problems.append(f"the threshold row '{neuron.threshold}'")
    elif not limit[1]:
        problems.append("firing at equality (>=): LEMS tests v > thresh")
    if len(jumps) != 1 or jumps[0].right.names & set(neuron.states):
        problems.append(f"the reset row '{neuron.reset}'")
    if set(neuron.refractory) - {v}:
        problems.append("a refractoriness that does not hold v")
    if problems:
        return None
    assert parts is not None
    assert edge is not None
    env = {k: float(np.asarray(x).reshape(-1)[0]) for k, x in p.values.items()}
    a, per_C, rest = (float(evaluate(x, env)) for x in (parts[0][v], parts[0]["I"], parts[1]))
    if a >= 0:
        problems.append("a membrane without leak")
        return None
    slope, level = float(evaluate(edge[0][v], env)), float(evaluate(edge[1], env))
    E_L = _short(-rest / a)
    if not math.isclose(float(p.initial[v][0]), E_L, rel_tol=1e-12, abs_tol=1e-12):
        problems.append("its initial value: an iafCell starts at its leakReversal")
    return {
        "E_L": E_L,
        "C": _short(1.0 / per_C),
        "g_L": _short(-a / per_C),
        "theta": _short(-level / slope),
        "v_r": float(evaluate(neuron.rows.substitute(jumps[0].value), env)),
    }


def _short(x: float) -> float:
    """Return the number without its rounding error, where there is a shorter one within an ulp or two."""
    near = float(f"{x:.15g}")
    return near if abs(near - x) <= 4e-16 * abs(x) else x


def _pulse_of(p: Population) -> dict[str, str] | None:
    if "I" in p.values:
        value = float(np.asarray(p.values["I"]).reshape(-1)[0])
        return None if value == 0 else _pulse(0.0, 1e12, value)
    stimulus = p.inputs.get("I")
    if stimulus is None:
        return None
    if isinstance(stimulus, Constant):
        return _pulse(0.0, 1e12, float(np.asarray(stimulus.value.value)))
    simple = (
        isinstance(stimulus, Pulses) and len(stimulus.starts) == 1 and float(np.asarray(stimulus.base.value)) == 0.0
    )
    if not simple or not isinstance(stimulus, Pulses):
        raise NotExportable(
            "NeuroML cannot say of I: a current that is not one rectangle (rb.step, rb.pulses with one start)"
        )
    width = stimulus.width if math.isfinite(stimulus.width) else 1e12
    return _pulse(stimulus.starts[0], width, float(np.asarray(stimulus.amplitude.value)))


def _pulse(delay: float, duration: float, amplitude: float) -> dict[str, str]:
    return {"delay": _say(delay, 0, "ms"), "duration": _say(duration, 0, "ms"), "amplitude": _say(amplitude, 0, "nA")}


# ------------------------------------------------------------------ reading
def from_neuroml(source: str | Path) -> dict[str, Neuron]:
    """Return the cells of a NeuroML 2 document by their ids.

    iafCell and iafRefCell become `LIF`, adExIaFCell `AdEx`, izhikevich2007Cell `Izhikevich2007`. A cell to which the
    document's network leads one pulseGenerator that is always on (as `to_neuroml` writes a constant current) has it as
    its I.

    Parameters
    ----------
    source : str or Path
        A file, or the document itself as a text.

    Raises
    ------
    InputError
        If it is no such document, a value is missing or no number, or there is no cell that can be read.
    UnitMismatch
        If a value has another unit than its meaning asks for.

    Examples
    --------
    >>> from rheobase.model.zoo import AdEx
    >>> cells = from_neuroml(to_neuroml(AdEx()))
    >>> cells["AdEx"].parameters["C"].value
    0.281
    """
    root = read_xml(source)
    if root.tag != "neuroml":
        raise InputError(f"this is no NeuroML document: its first element is <{root.tag[:40]}>")
    readers = {
        "iafCell": _read_lif,
        "iafRefCell": _read_lif,
        "adExIaFCell": _read_adex,
        "izhikevich2007Cell": _read_izh,
    }
    out: dict[str, Neuron] = {}
    others = []
    for e in root.walk():
        if e.tag in readers:
            name = _attribute(e, "id")
            if name in out:
                raise InputError(f"line {e.line}: there are two cells with the id '{name:.60}'")
            out[name] = readers[e.tag](e, name)
        elif e.tag.endswith("Cell") or e.tag == "cell":
            others.append(e.tag)
    if not out:
        said = f"; it has {', '.join(sorted(set(others)))[:200]}" if others else ""
        raise InputError(f"there is no iafCell, iafRefCell, adExIaFCell or izhikevich2007Cell in this document{said}")
    currents = _constant_currents(root)
    return {name: cell.replace(I=f"{currents[name]!r} nA") if name in currents else cell for name, cell in out.items()}


def _attribute(e: Element, name: str) -> str:
    if name not in e.attributes:
        raise InputError(f"line {e.line}: <{e.tag}> lacks '{name}'.{nearest(name, e.attributes)}")
    return e.attributes[name]


def _number(e: Element, name: str, unit: str) -> float:
    text = _attribute(e, name)
    match = _VALUE.fullmatch(text) if len(text) < 100 else None
    if match is None:
        raise InputError(f"line {e.line}: {name} = '{text[:60]}' is not a number with a unit, such as '-70mV'")
    theirs = match[2].removeprefix("per_") if match[2].startswith("per_") else match[2].replace("_per_", "/")
    said = f"{match[1]} {'1/' if match[2].startswith('per_') else ''}{theirs}"
    value, dimension = parse_quantity(said, name)
    wanted: Dimension = parse_unit(unit)[1]
    if dimension != wanted:
        raise UnitMismatch(f"line {e.line}: {name} = '{text[:60]}' is no {unit}")
    return value


def _values(e: Element, fields: Mapping[str, _Field]) -> dict[str, str]:
    return {name: f"{_number(e, k, unit)!r} {unit}" for k, (name, unit, _, _) in fields.items()}


def _read_lif(e: Element, name: str) -> Neuron:
    wait = f"{_number(e, 'refract', 'ms')!r} ms" if e.tag == "iafRefCell" else None
    return LIF(form="conductance", refractory=wait, name=_plain(name), **_values(e, _IAF))


def _read_adex(e: Element, name: str) -> Neuron:
    values = _values(e, _ADEX)
    wait = values.pop("t_ref")
    return AdEx(refractory=None if wait.startswith("0.0 ") else wait, name=_plain(name), **values)


def _read_izh(e: Element, name: str) -> Neuron:
    return Izhikevich2007(name=_plain(name), **_values(e, _IZHIKEVICH))


def _plain(name: str) -> str:
    return name.replace(":", " ")[:200] or "cell"


def _constant_currents(root: Element) -> dict[str, float]:
    """Return cell -> nA of the pulses that are on from 0 for good."""
    pulses, populations = {}, {}
    for e in root.walk():
        if e.tag == "pulseGenerator":
            always = _number(e, "delay", "ms") == 0.0 and _number(e, "duration", "ms") >= 1e9
            if always:
                pulses[_attribute(e, "id")] = _number(e, "amplitude", "nA")
        elif e.tag == "population":
            populations[_attribute(e, "id")] = _attribute(e, "component")
    out = {}
    for e in root.walk():
        if e.tag == "explicitInput" and e.attributes.get("input") in pulses:
            population = _attribute(e, "target").partition("[")[0]
            if population in populations:
                out[populations[population]] = pulses[e.attributes["input"]]
    return out
