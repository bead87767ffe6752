"""The clock engine's loop over a whole network: every group's step, then the spikes on their way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["Group", "Joint", "network_source"]

_HEADER = '''"""A network's loop, written by rheobase.

At each step every group flows, receives what is due, fires and resets; then its spikes are put on their way. What
arrives together is summed in the order in which it was sent: by step, projection, source neuron, synapse; what comes
from outside the network is added last. A group's own loop is `advance` in its module:

{modules}
"""

'''


@final
@dataclass(frozen=True)
class Group:
    """Neurons that share one loop: its module, its arguments in order, those that vary in time, the ports in use."""

    module: str
    arguments: tuple[str, ...]
    timed: Collection[str]
    ports: tuple[str, ...]


@final
@dataclass(frozen=True)
class Joint:
    """One projection, from a group (or, as ``-1 - s``, spike source s) to a port of a group.

    `weights` and `delays` tell whether the synapses have their own or share one.
    """

    source: int
    target: int
    port: str
    weights: bool
    delays: bool


def network_source(groups: Sequence[Group], joints: Sequence[Joint], sources: int) -> tuple[str, tuple[str, ...]]:
    """Return the text of a module with ``run``, and its arguments in order; `_advance0`... are put in by the engine."""
    arguments = ["_k0", "_k1", "dt", "_slots"]
    body: list[str] = []
    for g, group in enumerate(groups):
        call = []
        for a in group.arguments:
            name = f"g{g}{a}" if a.startswith("_") else f"g{g}_{a}"
            if a in ("_lo", "_first"):
                call.append("0")
            elif a == "_hi":
                call.append(f"g{g}_n")
            elif a == "_last":
                call.append(f"len(g{g}_chosen)")
            elif a in ("_k0", "_k1"):
                call.append("k" if a == "_k0" else "k + 1")
            elif a == "dt":
                call.append("dt")
            elif a.startswith("_sum_"):
                call.append(f"g{g}_ring_{a[5:]}[slot:slot + 1]")
            else:
                rows = a.startswith("_z_") or a in ("_u_0", "_record", *group.timed)
                tail = "[row:row + 1]" if rows else f"[total{g}:]" if a in ("_out_step", "_out_neuron") else ""
                call.append(name + tail)
                arguments.append(name)
        arguments += [f"g{g}_n", f"g{g}_done"]
        for p in group.ports:
            ring, edges, hits, weights = (f"g{g}_{what}_{p}" for what in ("ring", "edges", "hits", "weights"))
            arguments += [ring, edges, hits, weights]
            body += [f"for e in range({edges}[row], {edges}[row + 1]):", f"    {ring}[slot, {hits}[e]] += {weights}[e]"]
        body.append(f"count{g} = _advance{g}({', '.join(call)})")
        body += [f"g{g}_ring_{p}[slot, :] = 0.0" for p in group.ports]
    for s in range(sources):
        arguments += [f"s{s}_edges", f"s{s}_neurons"]
    for j, joint in enumerate(joints):
        start, target, weight, delay = (f"j{j}_{what}" for what in ("start", "target", "weight", "delay"))
        arguments += [start, target, weight, delay]
        if joint.source >= 0:
            g = joint.source
            body += [f"for s in range(total{g}, total{g} + count{g}):", f"    pre = g{g}_out_neuron[s]"]
        else:
            s = -1 - joint.source
            body += [f"for s in range(s{s}_edges[row], s{s}_edges[row + 1]):", f"    pre = s{s}_neurons[s]"]
        to = "to" if not joint.delays else f"(k + 1 + int({delay}[e])) % _slots"
        body += [] if joint.delays else [f"    to = (k + 1 + {delay}) % _slots"]
        body += [
            f"    for e in range({start}[pre], {start}[pre + 1]):",
            f"        g{joint.target}_ring_{joint.port}[{to}, {target}[e]] += {weight}{'[e]' if joint.weights else ''}",
        ]
    body += [f"total{g} += count{g}" for g in range(len(groups))]
    lines = [
        f"def run({', '.join(arguments)}):",
        '    """Carry the network from step _k0 to _k1."""',
        *(f"    total{g} = 0" for g in range(len(groups))),
        "    for k in range(_k0, _k1):",
        "        row = k - _k0",
        "        slot = (k + 1) % _slots",
        *(f"        {line}" for line in body),
        *(f"    g{g}_done[0] = total{g}" for g in range(len(groups))),
        "",
    ]
    return _HEADER.format(modules="\n".join(f"    {g.module}" for g in groups)) + "\n" + "\n".join(lines), tuple(
        arguments
    )
