"""to_pynn: a network as a script of PyNN's standard cells (Davison et al. 2009, doi:10.3389/neuro.11.011.2008)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from rheobase.derive.evaluate import evaluate
from rheobase.derive.structure import analyse, threshold_function
from rheobase.engines.population import Population
from rheobase.errors import InputError, NotExportable
from rheobase.exchange.scripts.drawn import Arrays, Drawn, Joined, draw, identifier
from rheobase.model.algebra import affine_parts, symbol
from rheobase.model.neuron import Neuron
from rheobase.model.zoo import COBA, AdEx, Izhikevich
from rheobase.network.network import Network

__all__ = ["to_pynn"]


def to_pynn(
    net: Network | Neuron,
    file: str | Path | None = None,
    simulator: str = "nest",
    until: Any = "1 s",
    dt: Any = "0.1 ms",
    seed: int = 0,
    overwrite: bool = False,
) -> str:
    """Return a PyNN script that runs the same network, with synapses and source spikes as they are drawn here.

    Rows that are a LIF neuron with jumps become IF_curr_delta, with one or two exponential currents IF_curr_exp; `COBA`
    becomes IF_cond_exp, `AdEx` EIF_cond_exp_isfa_ista, `Izhikevich` Izhikevich. On NEST, whose order of operations is
    the one here, the linear cells give the spikes of ``rb.simulate(net, until, dt=dt, seed=seed)``.

    Parameters
    ----------
    net : Network or Neuron
    file : str or Path, optional
        Where it is written. Arrays of more than 60 numbers go into an ``.npz`` file beside it.
    simulator : str
        The module of PyNN that the script imports: "nest", "neuron", "brian2".
    until, dt : time
    seed : int
    overwrite : bool

    Raises
    ------
    NotExportable
        With all that no standard cell can say.

    Notes
    -----
    PyNN's cells fire at v = v_thresh, too; here a row says ``v > theta``, which differs if v hits theta exactly.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> print(to_pynn(LIF(C="200 pF", g_L="10 nS"), until="100 ms").split("LIF = ")[1].split("LIF.init")[0])
    sim.Population(1, sim.IF_curr_delta(
        v_rest=-70.0, cm=0.2, tau_m=20.0, v_reset=-65.0, v_thresh=-50.0, tau_refrac=2.0, i_offset=0.0,
    ), label='LIF')
    <BLANKLINE>
    """
    if not isinstance(simulator, str) or not simulator.isidentifier():
        raise InputError(f"simulator = {simulator!r:.40} is no module of PyNN; give 'nest', 'neuron' or 'brian2'")
    drawn = draw(net, until, dt, seed)
    cells = {name: _read(p) for name, p in drawn.cells.items()}
    problems = [f"{name}: {x}" for name, c in cells.items() for x in c.problems]
    problems += [f"{s.projection.name}: plasticity" for s in drawn.joined if s.projection.is_plastic]
    problems += [f"{s.projection.name}: {x}" for s in drawn.joined for x in _weights_of(s, cells)[1]]
    for name, (_, steps, _) in drawn.sources.items():
        if len(steps) and steps.min() < 2:
            problems.append(f"{name}: spikes before {2 * drawn.dt:g} ms, where PyNN's sources on NEST cannot have any")
    if problems:
        raise NotExportable(f"PyNN's standard cells cannot say: {'; '.join(problems)}")
    arrays = Arrays(file)
    text = _print(drawn, cells, arrays, simulator)
    arrays.write(text, overwrite)
    return text


@final
@dataclass(eq=False)
class _Cell:
    """A standard cell: its parameters, initial values by PyNN's names, and port -> (receptor, factor of the weight)."""

    kind: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    start: dict[str, np.ndarray] = field(default_factory=dict)
    ports: dict[str, tuple[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _read(p: Population) -> _Cell:
    neuron = p.neuron
    out = _Cell()
    if neuron.noises or neuron.hazard is not None or neuron.rows.bounds:
        out.problems.append("noise, a hazard or a bound")
    if p.sources:
        out.problems.append(f"spikes given at port {', '.join(p.sources)}: make their source a population")
    if set(neuron.refractory) - {"v"}:
        out.problems.append("a refractoriness that does not hold v")
    if neuron.threshold is None:
        out.problems.append("a neuron that does not fire")
    if [k for k in p.inputs if k != "I"]:
        out.problems.append(f"{', '.join(k for k in p.inputs if k != 'I')} varying in time")
    if out.problems:
        return out
    rows = (neuron.evolve, neuron.threshold, neuron.reset)
    for model, fill in ((COBA(), _coba), (AdEx(), _adex), (Izhikevich(), _izhikevich)):
        if rows == (model.evolve, model.threshold, model.reset):
            fill(p, out)
            return out
    _linear(p, out)
    return out


def _wait(p: Population) -> Any:
    names = list(p.neuron.refractory.values())
    return p.values[names[0]] if names else 0.0


def _offset(p: Population) -> Any:
    return p.values.get("I", 0.0)


def _coba(p: Population, out: _Cell) -> None:
    v = p.values
    out.kind = "IF_cond_exp"
    out.parameters = {
        "v_rest": v["E_L"], "cm": v["C"], "tau_m": v["C"] / v["g_L"], "tau_refrac": _wait(p), "v_reset": v["v_r"],
        "v_thresh": v["theta"], "tau_syn_E": v["tau_e"], "tau_syn_I": v["tau_i"], "e_rev_E": v["E_e"],
        "e_rev_I": v["E_i"], "i_offset": _offset(p),
    }  # fmt: skip
    out.start = {"v": p.initial["v"], "gsyn_exc": p.initial["g_e"], "gsyn_inh": p.initial["g_i"]}
    out.ports = {"exc": ("excitatory", 1.0), "inh": ("inhibitory", 1.0)}


def _adex(p: Population, out: _Cell) -> None:
    v = p.values
    out.kind = "EIF_cond_exp_isfa_ista"
    out.parameters = {
        "v_rest": v["E_L"], "cm": v["C"], "tau_m": v["C"] / v["g_L"], "tau_refrac": _wait(p), "v_reset": v["v_r"],
        "v_spike": v["v_peak"], "v_thresh": v["v_T"], "delta_T": v["Delta_T"], "tau_w": v["tau_w"],
        "a": np.asarray(v["a"]) * 1e3, "b": v["b"], "i_offset": _offset(p),
    }  # fmt: skip
    out.start = {"v": p.initial["v"], "w": p.initial["w"]}


def _izhikevich(p: Population, out: _Cell) -> None:
    v = p.values
    if (v["k2"], v["k1"], v["k0"]) != (0.04, 5.0, 140.0) or not np.all(np.asarray(v["v_peak"]) == 30.0):
        out.problems.append(
            "an Izhikevich neuron with another parabola than 0.04 v**2 + 5 v + 140, or a peak not at 30"
        )
        return
    out.kind = "Izhikevich"
    out.parameters = {**{k: v[k] for k in "abcd"}, "i_offset": np.asarray(_offset(p)) * 1e-3}  # NEST takes pA for it
    out.start = {"v": p.initial["v"], "u": p.initial["u"]}
    out.ports = {port: ("", 1.0) for port in p.neuron.ports}


def _linear(p: Population, out: _Cell) -> None:
    """Read a membrane with leak, a current I, and up to two currents that decay."""
    neuron, n = p.neuron, p.n
    env = {**p.values, **dict.fromkeys(p.inputs, 0.0)}
    drift = dict(zip(neuron.states, analyse(neuron, ()).drift, strict=True))
    known = [*neuron.states, *(["I"] if "I" in env and "I" not in neuron.states else [])]
    parts = {s: affine_parts(d, known) for s, d in drift.items()}
    limit = threshold_function(neuron)
    edge = None if limit is None else affine_parts(limit[0], neuron.states)
    if any(x is None for x in parts.values()) or edge is None or set(edge[0]) != {"v"} or "v" not in parts:
        out.problems.append("rows that are none of PyNN's standard cells")
        return

    def number(e: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(evaluate(e, env), dtype=float), (n,))

    slopes, rest = parts["v"]  # type: ignore[misc]
    currents = [s for s in neuron.states if s != "v"]
    lone = all(set(parts[s][0]) == {s} and parts[s][1] == 0 for s in currents)  # type: ignore[index]
    jumps = neuron.rows.reset
    plain = len(jumps) == 1 and jumps[0].state == "v" and not jumps[0].right.names & set(neuron.states)
    a = number(slopes.get("v", symbol("v") * 0))
    if len(currents) > 2 or not lone or not plain or np.any(a >= 0):
        out.problems.append("rows that are none of PyNN's standard cells")
        return
    tau = -1.0 / a
    cm = 1.0 / number(slopes["I"]) if "I" in slopes else tau
    out.kind = "IF_curr_exp" if currents else "IF_curr_delta"
    out.parameters = {
        "v_rest": number(rest) * tau, "cm": cm, "tau_m": tau, "v_reset": number(neuron.rows.substitute(jumps[0].value)),
        "v_thresh": -number(edge[1]) / number(edge[0]["v"]), "tau_refrac": _wait(p), "i_offset": _offset(p),
    }  # fmt: skip
    out.start = {"v": p.initial["v"]}
    decays = [-1.0 / number(parts[s][0][s]) for s in currents]  # type: ignore[index]
    if currents:
        out.parameters |= {"tau_syn_E": decays[0], "tau_syn_I": decays[-1]}
    if any(np.any(p.initial[s] != 0) for s in currents):
        out.problems.append("currents that do not start at 0")
    receptors = {
        s: "" if len(currents) == 1 else r for s, r in zip(currents, ("excitatory", "inhibitory"), strict=False)
    }
    for port, row in neuron.rows.receive.items():
        own = [(j.state, affine_parts(j.value, [*neuron.states, "w_i"])) for j in row]
        state, form = own[0]
        good = (
            len(own) == 1
            and form is not None
            and form[1] == 0
            and set(form[0]) == {state, "w_i"}
            and form[0][state] == 1
        )
        if not good or form is None or (currents and state == "v"):
            out.problems.append(f"the receive row '{neuron.receive[port]}'")
            continue
        factor = number(form[0]["w_i"]) * (number(slopes[state]) * cm if state != "v" else 1.0)
        out.ports[port] = (receptors.get(state, ""), _one(factor))


def _one(x: Any) -> Any:
    x = np.asarray(x, dtype=float)
    return float(x.reshape(-1)[0]) if x.size and np.all(x == x.reshape(-1)[0]) else x


def _weights_of(s: Joined, cells: dict[str, _Cell]) -> tuple[np.ndarray, list[str]]:
    """Return the weights in PyNN's unit, one a synapse."""
    cell = cells[s.projection.target.name]
    if cell.problems:
        return np.empty(0), []
    if s.projection.port not in cell.ports:
        return np.empty(0), [f"{cell.kind} has no place for spikes at port {s.projection.port}"]
    receptor, factor = cell.ports[s.projection.port]
    factor = factor if np.ndim(factor) == 0 else factor[s.post]
    weights = np.broadcast_to(np.asarray(s.weight, dtype=float), (len(s.pre),)) * factor
    if cell.kind == "IF_curr_exp" and receptor and np.any(weights * (1 if receptor == "excitatory" else -1) < 0):
        return weights, [f"weights of the wrong sign at the {receptor} current, which has its own time constant"]
    return weights, []


def _print(drawn: Drawn, cells: dict[str, _Cell], arrays: Arrays, simulator: str) -> str:
    taken = {"np", "data", "Path", "sim", "spikes"}
    names = {n: identifier(n, taken) for n in [*drawn.cells, *drawn.sources]}
    body: list[str] = []
    for name, p in drawn.cells.items():
        body += _population(name, names[name], p, cells[name], arrays, drawn)
    for name, (n, steps, who) in drawn.sources.items():
        me = names[name]
        order = np.lexsort((steps, who))
        edges = np.searchsorted(who[order], np.arange(n + 1))
        times = np.round(steps[order] * drawn.dt - 1e-6, 9)  # NEST rounds up, and 9.3 - 0.1 is above 9.2
        body += [
            f"times, edges = {arrays.say(f'{me}_times', times)}, {arrays.say(f'{me}_edges', edges)}",
            f"{me} = sim.Population({n}, sim.SpikeSourceArray(",
            f"    spike_times=[list(times[edges[k]:edges[k + 1]]) for k in range({n})],",
            f"), label={name!r})",
            "",
        ]
    for k, s in enumerate(drawn.joined):
        body += _projection(s, f"P{k}", names, cells, arrays, drawn)
    setup = f"sim.setup(timestep={drawn.dt!r}, min_delay={drawn.dt!r}"
    setup += ', spike_precision="on_grid")' if simulator == "nest" else ")"
    record = [f'{names[n]}.record("spikes")' for n in drawn.cells]
    end = [
        "spikes = {}",
        *(
            f"spikes[{n!r}] = [np.asarray(x.magnitude) for x in {names[n]}.get_data().segments[0].spiketrains]"
            for n in drawn.cells
        ),
        "for name, trains in spikes.items():",
        '    print(f"{name}: {sum(map(len, trains))} spikes")',
        "sim.end()",
        "",
    ]
    head = [
        '"""Printed by rheobase; run it with PyNN."""',
        "",
        *(["from pathlib import Path", ""] if arrays.kept else []),
    ]
    head += ["import numpy as np", f"import pyNN.{simulator} as sim", "", *arrays.head(), setup, ""]
    return "\n".join([*head, *body, *record, "", f"sim.run({drawn.until!r})", "", *end])


def _population(name: str, me: str, p: Population, cell: _Cell, arrays: Arrays, drawn: Drawn) -> list[str]:
    told = [f"{k}={arrays.say(f'{me}_{k}', _short(_one(x)))}" for k, x in cell.parameters.items()]
    out = [f"{me} = sim.Population({p.n}, sim.{cell.kind}(", f"    {', '.join(told)},", f"), label={name!r})"]
    start = [f"{k}={arrays.say(f'{me}_{k}_0', _one(x))}" for k, x in cell.start.items()]
    out.append(f"{me}.initialize({', '.join(start)})")
    if "I" in p.inputs:
        values = drawn.input_values(name, "I")
        for i in range(values.shape[1]):
            x = values[:, i]
            change = np.flatnonzero(np.diff(x, prepend=0.0))
            if len(change):
                at, level = arrays.say(f"{me}_I_times", change * drawn.dt), arrays.say(f"{me}_I", x[change])
                target = me if values.shape[1] == 1 else f"{me}[{i}:{i + 1}]"
                out.append(f"{target}.inject(sim.StepCurrentSource(times={at}, amplitudes={level}))")
    return [*out, ""]


def _short(x: Any) -> Any:
    if isinstance(x, float):
        near = float(f"{x:.15g}")
        return near if abs(near - x) <= 4e-16 * abs(x) else x
    return x


def _projection(
    s: Joined, me: str, names: dict[str, str], cells: dict[str, _Cell], arrays: Arrays, drawn: Drawn
) -> list[str]:
    p = s.projection
    cell = cells[p.target.name]
    weights = _weights_of(s, cells)[0]
    delays = np.broadcast_to(np.rint(np.asarray(s.delay) / drawn.dt) * drawn.dt, (len(s.pre),))
    receptor = cell.ports[p.port][0]
    groups = [(receptor, np.ones(len(weights), dtype=bool))]
    if not receptor:  # PyNN has excitatory synapses with positive and inhibitory ones with negative weights
        groups = [("excitatory", weights >= 0), ("inhibitory", weights < 0)]
    out = []
    for kind, here in groups:
        if not here.any():
            continue
        mine = f"{me}_{kind[:3]}"
        ends = f"{names[p.source.name]}, {names[p.target.name]}"
        w, d = _one(weights[here]), _one(delays[here])
        if s.rule and here.all() and np.ndim(w) == 0:
            rule = "OneToOneConnector()" if s.rule == "one_to_one" else "AllToAllConnector()"
            made = f"sim.{rule}, sim.StaticSynapse(weight={w!r}, delay={float(f'{d:.12g}')!r})"
            out += [f"{mine} = sim.Projection({ends}, {made}, receptor_type={kind!r})"]
            continue
        columns = [s.pre[here], s.post[here], weights[here], np.round(delays[here], 9)]
        told = [arrays.say(f"{mine}_{x}", c) for x, c in zip(("i", "j", "w", "d"), columns, strict=True)]
        out += [
            f"{mine} = sim.Projection({ends},",
            f"    sim.FromListConnector(np.column_stack([{', '.join(told)}])), receptor_type={kind!r})",
        ]
    return [*out, ""]
