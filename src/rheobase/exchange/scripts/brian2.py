"""to_brian2: a network as a Brian2 script (Stimberg et al. 2019, doi:10.7554/eLife.47314).

Brian2 tests thresholds before synapses act, and stamps a spike with the beginning of its step. The script puts the
synapses between the flow and the thresholds, which is the order here, and adds a step to the times; a synapse then acts
a step later than Brian2's delay says, so that delays are shorter by one.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.derive.structure import analyse
from rheobase.engines.population import Population
from rheobase.errors import NotExportable
from rheobase.exchange.scripts.drawn import Arrays, Drawn, Joined, draw, identifier
from rheobase.model.expression import Expression
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network

__all__ = ["to_brian2"]

_FUNCTIONS: Final = {
    n: n for n in ("exp", "log", "sqrt", "abs", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sign", "floor", "exprel")
} | {"arctan": "arctan"}
#: What a name must not be in Brian2's texts.
_TAKEN: Final = frozenset(
    {"N", "i", "j", "t_in_timesteps", "lastspike", "not_refractory", "weight", "ms", "dt", "t", "rand", "int"}
)


def to_brian2(
    net: Network | Neuron,
    file: str | Path | None = None,
    until: Any = "1 s",
    dt: Any = "0.1 ms",
    seed: int = 0,
    method: str | None = None,
    overwrite: bool = False,
) -> str:
    """Return a Brian2 script that runs the same network: the rows as equations, the synapses as they are drawn here.

    With the method "exact", which rows that are linear have, its spikes are those of ``rb.simulate(net, until, dt=dt,
    seed=seed)``, but for rounding.

    Parameters
    ----------
    net : Network or Neuron
    file : str or Path, optional
        Where it is written. Arrays of more than 60 numbers go into an ``.npz`` file beside it.
    until, dt : time
    seed : int
        Draws what is random here: synapses, parameters, spikes of Poisson sources.
    method : str, optional
        Of Brian2: by default "exact" for linear rows, "euler" for others (compare with ``method="euler"`` here).
    overwrite : bool

    Raises
    ------
    NotExportable
        With all that has no word in Brian2, or cannot be the same there.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> print(
    ...     to_brian2(LIF(form="dimensionless", refractory=None), until="100 ms").split("LIF = ")[1].split("LIF.v")[0]
    ... )
    NeuronGroup(1, '''
        dv/dt = ((I - v) / (tau))/ms : 1
        tau : 1 (constant)
        theta : 1 (constant)
        v_r : 1 (constant)
        I : 1 (constant)
    ''', threshold='v > theta', reset='v = v_r', method='exact')
    LIF.tau = 20.0
    LIF.theta = 1.0
    <BLANKLINE>
    """
    drawn = draw(net, until, dt, seed)
    problems = [f"{name}: {x}" for name, p in drawn.cells.items() for x in _problems(p)]
    problems += [f"{s.projection.name}: plasticity" for s in drawn.joined if s.projection.is_plastic]
    if problems:
        raise NotExportable(f"the script cannot say: {'; '.join(problems)}")
    arrays = Arrays(file)
    text = _Printer(drawn, arrays, method).text()
    arrays.write(text, overwrite)
    return text


def _problems(p: Population) -> list[str]:
    neuron, out = p.neuron, []
    if neuron.rows.bounds:
        out.append(f"the bound of {', '.join(b.state for b in neuron.rows.bounds)}")
    if len(set(neuron.refractory.values())) > 1:
        out.append("different refractory times of its states")
    if p.sources:
        out.append(f"spikes given at port {', '.join(p.sources)}: make their source a population")
    names = (*neuron.states, *neuron.parameters, *neuron.inputs, *(n for n, _ in neuron.rows.derived))
    out += [f"the name '{name}', which Brian2 keeps for itself" for name in names if name in _TAKEN]
    for e in neuron.rows.expressions():
        for node in ast.walk(e.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("min", "max", "where")
            ):
                out.append(f"{node.func.id}() in the {e.row} row")
    return out


@final
class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        assert isinstance(node.func, ast.Name)
        return ast.Call(ast.Name(_FUNCTIONS[node.func.id]), [self.visit(a) for a in node.args], [])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, node.id))


def _say(e: Expression, names: dict[str, str]) -> str:
    tree = ast.parse(ast.unparse(e.tree), mode="eval").body  # a copy: the rows stay as they are
    return ast.unparse(_Rename(names).visit(tree))


@final
class _Printer:
    def __init__(self, drawn: Drawn, arrays: Arrays, method: str | None) -> None:
        self.drawn, self.arrays, self.method = drawn, arrays, method
        self.taken = {"np", "data", "Path", "net", "defaultclock", "spikes"}
        self.names = {n: identifier(n, self.taken) for n in [*drawn.cells, *drawn.sources]}
        self.layers: dict[str, int] = {}

    def text(self) -> str:
        d = self.drawn
        body: list[str] = []
        for name in d.cells:
            body += self._cells(name)
        for name in d.sources:
            body += self._source(name)
        for k, s in enumerate(d.joined):
            body += self._synapses(s, f"S{k}")
        monitors = [f"M_{self.names[n]} = SpikeMonitor({self.names[n]})" for n in d.cells]
        end = [
            "# a spike of the step that begins at t is a spike at t + dt, as rheobase has it",
            "spikes = {",
            *(f"    {n!r}: (M_{self.names[n]}.t/ms + {d.dt!r}, np.array(M_{self.names[n]}.i))," for n in d.cells),
            "}",
            "for name, (times, neurons) in spikes.items():",
            '    print(f"{name}: {len(times)} spikes")',
        ]
        head = [
            '"""Printed by rheobase; run it with Brian2."""',
            "",
            *(["from pathlib import Path", ""] if self.arrays.kept else []),
            "import numpy as np",
            "from brian2 import *",
            "",
            *self.arrays.head(),
            f"defaultclock.dt = {d.dt!r}*ms",
            "# the order of operations: flow, deliver, fire, reset",
            "magic_network.schedule = ['start', 'groups', 'synapses', 'thresholds', 'resets', 'end']",
            "",
        ]
        return "\n".join([*head, *body, *monitors, "", f"run({d.until!r}*ms)", "", *end, ""])

    # -------------------------------------------------------------- neurons
    def _cells(self, name: str) -> list[str]:
        p, me = self.drawn.cells[name], self.names[name]
        neuron = p.neuron
        lines, values, names = [], [], {"t": "(t/ms)", "pi": "pi"}
        for key in (k for k in p.inputs if k not in names):
            x = self.drawn.input_values(name, key)
            table = identifier(f"{me}_{key}", self.taken)
            if x.shape[1] == 1:
                values.append(f"{table} = TimedArray({self.arrays.say(table, x[:, 0])}, dt={self.drawn.dt!r}*ms)")
                names[key] = f"{table}(t)"
            else:
                values.append(f"{table} = TimedArray({self.arrays.say(table, x)}, dt={self.drawn.dt!r}*ms)")
                names[key] = f"{table}(t, i)"
        names |= {x: f"({x}*sqrt(ms))" for x in neuron.noises}
        clamped = [s for s in neuron.refractory if s != "threshold" and self._wait(p) > 0]
        for f in neuron.rows.flows:
            right = _say(f.right, names)
            if f.coefficient is not None:
                right = f"({right}) / ({_say(f.coefficient, names)})"
            held = " (unless refractory)" if f.state in clamped else ""
            lines.append(f"d{f.state}/dt = ({right})/ms : 1{held}")
        lines += [f"{n} = {_say(e, names)} : 1" for n, e in neuron.rows.derived]
        kept = [k for k in p.values if k not in neuron.refractory.values()]
        lines += [f"{k} : 1 (constant)" for k in kept]
        sets = [f"{me}.{k} = {self.arrays.say(f'{me}_{k}', p.values[k])}" for k in kept]
        sets += [f"{me}.{s} = {self.arrays.say(f'{me}_{s}', _one(x))}" for s, x in p.initial.items()]
        equations = "".join(f"    {line}\n" for line in lines)
        return [
            *values,
            f"{me} = NeuronGroup({p.n}, '''\n{equations}'''{self._fires(p, names)}, method={self._method(p)!r})",
            *sets,
            "",
        ]

    def _wait(self, p: Population) -> int:
        waits = [np.rint(np.max(p.values[k]) / self.drawn.dt) for k in p.neuron.refractory.values()]
        return int(waits[0]) if waits else 0

    def _fires(self, p: Population, names: dict[str, str]) -> str:
        rows = p.neuron.rows
        if rows.threshold is not None:
            out = f", threshold={_say(rows.threshold, names)!r}"
        elif rows.hazard is not None:
            out = f", threshold='rand() < 1 - exp(-({_say(rows.hazard, names)})*(dt/ms))'"
        else:
            return ""
        if rows.reset:
            jumps = "; ".join(f"{j.state} = {_say(j.right, names)}" for j in rows.reset)
            out += f", reset={jumps!r}"
        if self._wait(p):  # Brian2's refractory steps begin with the one of the spike
            out += f", refractory={float(f'{(self._wait(p) + 1) * self.drawn.dt:.12g}')!r}*ms"
        return out

    def _method(self, p: Population) -> str:
        if self.method is not None:
            return self.method
        s = analyse(p.neuron, tuple(p.inputs))
        return "exact" if s.affine is not None and not p.neuron.noises and not s.timed else "euler"

    # -------------------------------------------------------------- spikes
    def _source(self, name: str) -> list[str]:
        """Write a source; of spikes of one neuron within one step each goes into a layer of its own."""
        n, steps, who = self.drawn.sources[name]
        me = self.names[name]
        order = np.lexsort((who, steps))
        steps, who = steps[order], who[order]
        layer = np.zeros(len(steps), dtype=np.int64)
        same = (steps[1:] == steps[:-1]) & (who[1:] == who[:-1]) if len(steps) else np.zeros(0, dtype=bool)
        for k in np.flatnonzero(same):
            layer[k + 1] = layer[k] + 1
        self.layers[name] = int(layer.max()) + 1 if len(layer) else 1
        index, times = self.arrays.say(f"{me}_i", who + n * layer), self.arrays.say(f"{me}_t", steps * self.drawn.dt)
        return [f"{me} = SpikeGeneratorGroup({n * self.layers[name]}, {index}, {times}*ms, when='start')", ""]

    def _synapses(self, s: Joined, me: str) -> list[str]:
        p = s.projection
        target = self.drawn.cells[p.target.name]
        names = {k: f"{k}_post" for k in (*target.neuron.states, *target.values)} | {"w_i": "weight", "t": "(t/ms)"}
        names |= {n: f"{n}_post" for n, _ in target.neuron.rows.derived}
        held = {x for x in target.neuron.refractory if x != "threshold"} if self._wait(target) else set()
        jumps = []
        for j in target.neuron.rows.receive[p.port]:
            right = _say(j.right, names)
            if j.state in held:
                right = f"{j.state}_post + int(not_refractory_post)*(({right}) - {j.state}_post)"
            jumps.append(f"{j.state}_post = {right}")
        source, layers = self.names[p.source.name], self.layers.get(p.source.name, 1)
        out = [f"{me} = Synapses({source}, {self.names[p.target.name]}, 'weight : 1', on_pre={'; '.join(jumps)!r})"]
        pre, post, weight, delay = s.pre, s.post, s.weight, s.delay
        if s.rule == "one_to_one" and layers == 1:
            out.append(f"{me}.connect(j='i')")
        elif s.rule == "all_to_all" and layers == 1:
            out.append(f"{me}.connect()")
        else:
            n = p.source.n
            pre = np.concatenate([pre + n * k for k in range(layers)])
            post = np.tile(post, layers)
            weight, delay = (x if np.ndim(x) == 0 else np.tile(x, layers) for x in (weight, delay))
            out.append(f"{me}.connect(i={self.arrays.say(f'{me}_i', pre)}, j={self.arrays.say(f'{me}_j', post)})")
        whole = np.rint(np.asarray(delay) / self.drawn.dt)
        earlier = np.maximum(whole - 1, 0) * self.drawn.dt
        out.append(f"{me}.weight = {self.arrays.say(f'{me}_weight', weight)}")
        out.append(f"{me}.delay = {self.arrays.say(f'{me}_delay', _one(earlier))}*ms")
        return [*out, ""]


def _one(x: Any) -> Any:
    x = np.asarray(x)
    return x.reshape(-1)[0] if x.size and np.all(x == x.reshape(-1)[0]) else x
