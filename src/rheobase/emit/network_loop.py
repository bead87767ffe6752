"""The clock engine's loop over a whole network: every group's step, then the spikes on their way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, final

from rheobase.emit.loop import MEET
from rheobase.emit.synapse_loop import RULE_HEADER, Plasticity, Rule, arrive_lines, fire_lines, reward_lines

__all__ = ["INNER", "Emitter", "Feed", "Group", "network_source"]

#: The functions of a network's module that its `run` calls.
INNER: Final = (
    *("_meet", "_find", "_open", "_add_each", "_add_same", "_only_targets", "_list_each", "_list_same"),
    *("_draw", "_draw_rare"),
)

_HEADER = '''"""A network's loop, written by rheobase.

A network is split into parts: neighbouring neurons with the synapses onto them. At each step the spikes that are due
are pulled from the log, the oldest first, and added up; then each group flows, receives the sum, fires and resets.
What arrives together is summed in the order in which it was sent: by step, source group, source neuron, synapse; then
what comes through plastic synapses, then what comes from outside the network. So it does not matter how many parts
there are, nor how many threads.
A group's own loop is `advance` in its module:

{modules}
"""

import numpy as np

_S30, _S27, _S31, _S12, _S33 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12), np.uint64(33)
_ZERO, _ONE, _TOP = np.int32(0), np.int32(1), np.int32(2147483646)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


{meet}

def _find(log, base, edge, r, parts, first, at, stride, start, heads, rows, count, status):
    """Write down which segments the spikes of one step and group begin; return how many there are now."""
    for other in range(parts):
        for e in range(base[other] + edge[other, r], base[other] + edge[other, r + 1]):
            if count == len(heads):
                status[0] = 1
                break
            pre = first + log[e]
            heads[count] = at + pre*stride
            rows[count] = pre
            _prefetch(start, at + pre*stride)
            count += 1
    return count


def _open(count, heads, ends, start):
    """Replace the numbers of segments by where they begin and end."""
    for h in range(count):
        cell = heads[h]
        heads[h] = start[cell]
        ends[h] = start[cell + 1]


def _add_each(count, heads, ends, target, weight, total, k):
    """Add the weights of all synapses of the segments to their targets; fetch later segments' memory ahead.

    A segment has n weights, then n targets, k of which take the room of one.
    """
    line = 16//k if k > 2 else 16
    for h in range(count):
        far = min(h + 8, count - 1)
        for at in range(heads[far], min(ends[far] + line - 1, heads[far] + 8*line), line):
            _prefetch(weight, at)
        begin = heads[h]
        n = k*(ends[h] - begin)//(k + 1)
        force, onto = weight[begin:begin + n], target[k*(begin + n):k*(begin + n) + n]  # no index may be negative
        for m in range(n):
            total[onto[m]] += force[m]


def _add_same(count, heads, ends, rows, target, weight, total):
    """Do as _add_each, where the synapses of a source share a weight, and a segment has targets only."""
    for h in range(count):
        ahead = heads[min(h + 8, count - 1)]
        _prefetch(target, ahead)
        _prefetch(target, ahead + 31)
        w = weight[rows[h]]
        onto = target[heads[h] : ends[h]]
        for m in range(len(onto)):
            total[onto[m]] += w


def _only_targets(count, heads, ends, k):
    """Replace segments of weights and targets by where the targets begin and end."""
    for h in range(count):
        n = k*(ends[h] - heads[h])//(k + 1)
        heads[h] = k*(heads[h] + n)
        ends[h] = heads[h] + n


def _list_each(count, heads, ends, target, weight, lo, used, hits, weights, status, k):
    """Write down each arrival: neuron and weight; return how many there are now."""
    for h in range(count):
        begin = heads[h]
        n = k*(ends[h] - begin)//(k + 1)
        for m in range(n):
            if used < len(hits):
                hits[used] = lo + target[k*(begin + n) + m]
                weights[used] = weight[begin + m]
                used += 1
            else:
                status[0] = 1
    return used


def _list_same(count, heads, ends, rows, target, weight, lo, used, hits, weights, status):
    """Do as _list_each, where the synapses of a source share a weight."""
    for h in range(count):
        for m in range(heads[h], ends[h]):
            if used < len(hits):
                hits[used] = lo + target[m]
                weights[used] = weight[rows[h]]
                used += 1
            else:
                status[0] = 1
    return used


def _draw(keys, step, limits, few, bits, counts):
    """Write Poisson counts: how many limits are not above a neuron's 31 random bits."""
    n = len(keys)
    for i in range(n):
        h = keys[i] + step
        h = (h ^ (h >> _S30)) * _M1
        h = (h ^ (h >> _S27)) * _M2
        h = h ^ (h >> _S31)
        bits[i] = min(np.int32(h >> _S33), _TOP)
        counts[i] = _ZERO
    for c in range(0, few, 4):  # four at a time, without a branch, in 32 bits: so it vectorises
        a, b, d, e = limits[c], limits[c + 1], limits[c + 2], limits[c + 3]
        for i in range(n):
            x = bits[i]
            y = np.int32(counts[i] + (_ONE if x >= a else _ZERO))
            y = np.int32(y + (_ONE if x >= b else _ZERO))
            y = np.int32(y + (_ONE if x >= d else _ZERO))
            counts[i] = np.int32(y + (_ONE if x >= e else _ZERO))
    last = limits[few - 1]
    many = 0
    for i in range(n):
        many += bits[i] >= last
    if many > 0:
        for i in range(n):
            c = few
            while c < len(limits) and bits[i] >= limits[c]:
                c += 1
            if c > few:
                counts[i] = c


def _draw_rare(keys, step, limits, counts):
    """Write Poisson counts of a small mean, with 52 random bits; return how many are not 0."""
    some = 0
    limit = limits[0]
    for i in range(len(keys)):
        h = keys[i] + step
        h = (h ^ (h >> _S30)) * _M1
        h = (h ^ (h >> _S27)) * _M2
        h = h ^ (h >> _S31)
        hit = np.int64(h >> _S12) >= limit
        counts[i] = _ONE if hit else _ZERO
        some += hit
    if some > 0:
        for i in range(len(keys)):
            if counts[i] > 0:
                h = keys[i] + step
                h = (h ^ (h >> _S30)) * _M1
                h = (h ^ (h >> _S27)) * _M2
                h = h ^ (h >> _S31)
                c = 1
                while c < len(limits) and np.int64(h >> _S12) >= limits[c]:
                    c += 1
                counts[i] = c
    return some
'''


@final
@dataclass(frozen=True)
class Group:
    """Neurons that share one loop: its module, its arguments in order, those that vary in time, the ports in use.

    `in_turn` are the ports where arrivals act one by one, `rain` those with Poisson spikes drawn in the loop, `late`
    those whose sums the group's loop takes from the segments of the port's only feed.
    """

    module: str
    arguments: tuple[str, ...]
    timed: Collection[str]
    ports: tuple[str, ...]
    in_turn: Collection[str] = ()
    rain: Collection[str] = ()
    late: Collection[str] = ()


@final
@dataclass(frozen=True)
class Feed:
    """All synapses onto one port of a group: from which groups (or, as ``-1 - s``, spike sources s), in order.

    `packed` is how many targets take the room of a weight, where synapses have their own weights; 0 if the synapses of
    a source share one.
    """

    target: int
    port: str
    sources: tuple[int, ...]
    packed: int


@final
@dataclass(frozen=True)
class Emitter:
    """A spike source: given trains, or (`drawn`) Poisson spikes drawn in the loop."""

    drawn: bool


def network_source(
    groups: Sequence[Group],
    feeds: Sequence[Feed],
    emitters: Sequence[Emitter],
    plastic: Sequence[Plasticity] = (),
    rules: Sequence[Rule] = (),
) -> tuple[str, tuple[str, ...]]:
    """Return the text of a module with ``run``, and its arguments in order; `_advance0`... are put in by the engine."""
    arguments = ["_k0", "_k1", "_first", "_last", "_team", "_held", "_parts", "dt"]
    arguments += ["_barrier", "_status", "_gather", "_heads", "_ends", "_rows", "_bits", "_counts"]
    body: list[str] = []
    for s, emitter in enumerate(emitters):
        arguments += [f"s{s}_log", f"s{s}_base", f"s{s}_edge", f"s{s}_past"]
        if emitter.drawn:
            body += _source_lines(s, arguments)
    fed = {(f.target, f.port): (j, f) for j, f in enumerate(feeds)}
    for g, group in enumerate(groups):
        arguments += [f"q{g}_{x}" for x in ("bounds", "log", "base", "edge", "past")]
        body += [f"lo = q{g}_bounds[part]", f"hi = q{g}_bounds[part + 1]"]
        for p in group.ports:
            turn = p in group.in_turn
            names = [f"q{g}_{x}_{p}" for x in (("hits", "weights", "edges", "room") if turn else ("sum",))]
            arguments += [*names, *(f"q{g}_out{x}_{p}" for x in ("edges", "hits", "weights"))]
            if turn:
                body += [
                    f"near = q{g}_hits_{p}[q{g}_room_{p}[part]:q{g}_room_{p}[part + 1]]",
                    f"force = q{g}_weights_{p}[q{g}_room_{p}[part]:q{g}_room_{p}[part + 1]]",
                    "used = 0",
                ]
            else:
                body += [f"total = q{g}_sum_{p}[lo:hi]"]
            if (g, p) in fed:
                body += _feed_lines(*fed[g, p], turn, p in group.late, arguments)
            for y, x in enumerate(plastic):
                if (x.target, x.port) == (g, p):
                    body += fire_lines(y, x, rules[x.rule], arguments) if x.fires and x.dendritic else []
                    body += arrive_lines(y, x, rules[x.rule], turn, arguments)
            if p not in group.late:
                body += _outside_lines(g, p, turn)
            if p in group.rain:
                body += _rain_lines(g, p, arguments)
        body += _advance_lines(g, group, {p: j for (t, p), (j, _) in fed.items() if t == g}, arguments)
        for y, x in enumerate(plastic):
            if x.target == g and x.fires and not x.dendritic:
                body += fire_lines(y, x, rules[x.rule], arguments)
            if x.target == g and x.rewarded:
                body += reward_lines(y, x, rules[x.rule], arguments)
    lines = [
        f"def run({', '.join(arguments)}):",
        '    """Carry parts _first.._last-1 from step _k0 to _k1; no spike arrives within _held steps."""',
        "    goal = 0",
        "    for begin in range(_k0, _k1, _held):",
        "        end = min(begin + _held, _k1)",
        "        for part in range(_first, _last):",
        "            for k in range(begin, end):",
        "                row = k - _k0",
        *(f"                {line}" for line in body),
        "        goal += _team",
        "        if _team > 1:",
        "            _meet(_barrier, goal)",
        "    return _k1",
        "",
    ]
    header = _HEADER.format(meet=MEET, modules="\n".join(f"    {g.module}" for g in groups))
    functions = RULE_HEADER + "".join(r.text for r in rules) + "\n" if rules else ""
    return header + functions + "\n\n" + "\n".join(lines), tuple(arguments)


def _feed_lines(j: int, feed: Feed, turn: bool, late: bool, arguments: list[str]) -> list[str]:
    """Gather the segments of synapses that are due, in order; then deliver them."""
    heads, ends = (f"_heads{j}", f"_ends{j}") if late else ("_heads", "_ends")
    arguments += [heads, ends] if late else []
    due, start, target, weight, first = (f"f{j}_{x}" for x in ("due", "start", "target", "weight", "first"))
    arguments += [due, start, target, weight, first, f"f{j}_stride", f"f{j}_cells"]
    k, how = feed.packed, "each" if feed.packed else "same"
    rows = "" if k else "_rows, "
    tail = f", {k}" if k else ""
    deliver = [f"_open(count, {heads}, {ends}, {start})"]
    if turn:
        deliver += [
            f"used = _list_{how}(count, {heads}, {ends}, {rows}{target}, {weight},"
            f" lo, used, near, force, _status{tail})"
        ]
    else:
        deliver += [f"_add_{how}(count, {heads}, {ends}, {rows}{target}, {weight}, total{tail})"]
    if late and k:
        deliver += [f"_only_targets(count, {heads}, {ends}, {k})"]
    lines = ["count = 0", f"last = {due}.shape[0] - 1", "for i in range(last + 1):", f"    back = {due}[i, 0]"]
    for n, source in enumerate(feed.sources):
        s = f"q{source}" if source >= 0 else f"s{-1 - source}"
        lines += [
            f"    if {due}[i, {n + 1}] > 0:",
            f"        count = _find({s}_log, {s}_base, {s}_edge, row + {s}_past - back, _parts, {first}[{n}],"
            f" part*f{j}_cells + i, f{j}_stride, {start}, {heads}, _rows, count, _status)",
        ]
    if late:  # there is room for all
        return [*lines, *deliver, f"some_{feed.port} = count"]
    # many at a time, so that memory can be fetched ahead; there is room for all that can fire in one step
    return [
        *lines,
        "    if i == last or count > _gather:",
        *(f"        {line}" for line in deliver),
        "        count = 0",
    ]


def _outside_lines(g: int, p: str, turn: bool) -> list[str]:
    edges, hits, weights = (f"q{g}_out{x}_{p}" for x in ("edges", "hits", "weights"))
    lines = [f"for e in range({edges}[part, row], {edges}[part, row + 1]):"]
    if not turn:
        return [*lines, f"    total[{hits}[e] - lo] += {weights}[e]"]
    return [
        *lines,
        "    if used < len(near):",
        f"        near[used] = {hits}[e]",
        f"        force[used] = {weights}[e]",
        "        used += 1",
        "    else:",
        "        _status[0] = 1",
        f"q{g}_edges_{p}[part, 1] = used",
    ]


_RAIN: Final = ("pieces", "of", "keys", "steps", "limits", "fine", "few", "inside")


def _draw_lines(n: dict[str, str], s: str) -> list[str]:
    """Draw the counts of a part's pieces: (first neuron, the one after its last, row of its limits, shower)."""
    step = f"{n['steps']}[row, {s}]"
    return [
        f"for q in range({n['of']}[part], {n['of']}[part + 1]):",
        f"    a, b = {n['pieces']}[q, 0], {n['pieces']}[q, 1]",
        f"    c, s = {n['pieces']}[q, 2], {n['pieces']}[q, 3]",
        f"    if {n['inside']}[row, s]:",
        "        some = 1",
        f"        if {n['few']}[c] > 0:",
        f"            _draw({n['keys']}[a:b], {step}, {n['limits']}[c], {n['few']}[c], _bits, _counts)",
        "        else:",
        f"            some = _draw_rare({n['keys']}[a:b], {step}, {n['fine']}[c], _counts)",
        "        if some > 0:",
    ]


def _rain_lines(g: int, p: str, arguments: list[str]) -> list[str]:
    """Poisson spikes at a port."""
    n = {x: f"q{g}_rain{x}_{p}" for x in (*_RAIN, "weight")}
    arguments += n.values()
    return [
        *_draw_lines(n, "s"),
        f"            w = {n['weight']}[s]",
        "            onto = total[a - lo:b - lo]",
        "            for i in range(b - a):",
        "                onto[i] += _counts[i]*w",
    ]


def _source_lines(s: int, arguments: list[str]) -> list[str]:
    """Poisson sources: a spike is written into the log as often as it is counted."""
    n = {x: f"s{s}_{x}" for x in _RAIN}
    arguments += [*n.values(), f"s{s}_end"]
    return [
        f"count = s{s}_edge[part, row + s{s}_past]",
        *_draw_lines(n, "s"),
        "            for i in range(b - a):",
        "                many = _counts[i]",
        "                while many > 0:",
        f"                    if s{s}_base[part] + count < s{s}_end[part]:",
        f"                        s{s}_log[s{s}_base[part] + count] = a + i",
        "                        count += 1",
        "                    else:",
        "                        _status[0] = 1",
        "                    many -= 1",
        f"s{s}_edge[part, row + s{s}_past + 1] = count",
    ]


def _advance_lines(g: int, group: Group, feeds: dict[str, int], arguments: list[str]) -> list[str]:
    call = []
    rows = "(_k1 - _k0)"
    place = {
        "_lo": "lo",
        "_hi": "hi",
        "_first": f"q{g}_recorded[part]",
        "_last": f"q{g}_recorded[part + 1]",
        "_k0": "k",
        "_k1": "k + 1",
        "dt": "dt",
        "_out_neuron": f"q{g}_log[q{g}_base[part] + sent:]",
    }
    arguments.append(f"q{g}_recorded")
    for a in group.arguments:
        name = f"g{g}{a}" if a.startswith("_") else f"g{g}_{a}"
        port = a.partition("_")[2].partition("_")[2]
        if a in place:
            call.append(place[a])
            continue
        if a.startswith("_sum_"):
            call.append("total_" + port)
            continue
        if port in group.late and a.startswith(("_some_", "_heads_", "_ends_", "_onto_")):
            j, kind = feeds[port], a.split("_")[1]
            call.append({"some": f"some_{port}", "onto": f"f{j}_target"}.get(kind, f"_{kind}{j}"))
            continue
        if a.startswith(("_hits_", "_weights_", "_edges_")):
            tail = f"[q{g}_room_{port}[part]:]" if not a.startswith("_edges_") else "[part]"
            call.append(f"q{g}{a}{tail}")
            continue
        arguments.append(name)
        if a.startswith("_z_") or a == "_u_0":
            at = f"lo*{rows} + row*(hi - lo)"
            call.append(f"_as_row({name}[{at}:{at} + (hi - lo)])")
        elif a in ("_fired", "_words"):
            call.append(f"{name}[part]")
        elif a == "_out_step":
            call.append(f"{name}[lo:hi]")
        elif a == "_record" or a in group.timed:
            call.append(f"{name}[row:row + 1]")
        else:
            call.append(name)
    summed = [p for p in group.ports if p not in group.in_turn]
    lines = [f"total_{p} = _as_row(q{g}_sum_{p}[lo:hi])" for p in summed]
    lines += [f"sent = q{g}_edge[part, row + q{g}_past]"]
    lines += [f"q{g}_edge[part, row + q{g}_past + 1] = sent + _advance{g}({', '.join(call)})"]
    return lines
