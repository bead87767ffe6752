"""The clock engine's loop over a whole network: every group's step, then the spikes on their way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, final

from rheobase.emit.loop import LATE, MEET
from rheobase.emit.network_functions import EXCHANGE_FUNCTIONS, HEADER
from rheobase.emit.synapse_loop import RULE_HEADER, Plasticity, Rule, arrive_lines, fire_lines, reward_lines

__all__ = ["Emitter", "Feed", "Group", "network_source"]


@final
@dataclass(frozen=True)
class Group:
    """Neurons that share one loop: its module, its arguments in order, those that vary in time, the ports in use.

    `in_turn` are the ports where arrivals act one by one, `rain` those with Poisson spikes drawn in the loop, `late`
    those where the group's loop itself delivers the segments of the port's only feed.
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
    is_shared: bool = False,
) -> tuple[str, tuple[str, ...]]:
    """Return the text of a module with ``run``, and its arguments in order; `_advance0`... are put in by the engine.

    If the network is shared with other processes, spikes are exchanged once in a window.
    """
    arguments = ["_k0", "_k1", "_first", "_last", "_team", "_held", "_parts", "dt"]
    arguments += ["_barrier", "_status", "_gather", "_heads", "_ends", "_rows", "_bits", "_draws", "_counts"]
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
            names = ["hits", "weights", "edges", "room"] if turn else [] if p in group.late else ["sum"]
            names += [] if p in group.late else ["outedges", "outhits", "outweights"]
            arguments += [f"q{g}_{x}_{p}" for x in names]
            if turn:
                body += [
                    f"near = q{g}_hits_{p}[q{g}_room_{p}[part]:q{g}_room_{p}[part + 1]]",
                    f"force = q{g}_weights_{p}[q{g}_room_{p}[part]:q{g}_room_{p}[part + 1]]",
                    "used = 0",
                ]
            elif p not in group.late:
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
        body += _advance_lines(g, group, {p: at for (t, p), at in fed.items() if t == g}, arguments)
        for y, x in enumerate(plastic):
            if x.target == g and x.fires and not x.dendritic:
                body += fire_lines(y, x, rules[x.rule], arguments)
            if x.target == g and x.rewarded:
                body += reward_lines(y, x, rules[x.rule], arguments)
    end = "_k1"
    exchange: list[str] = []
    if is_shared:
        sent = [f"q{g}" for g in range(len(groups))] + [f"s{s}" for s, x in enumerate(emitters) if x.drawn]
        exchange, end = _exchange_lines(sent, arguments), "_k1 + _lag*_held"
    lines = [
        f"def run({', '.join(arguments)}):",
        '    """Carry parts _first.._last-1 from step _k0 to _k1; no spike arrives within _held steps."""',
        "    goal = 0",
        f"    for begin in range(_k0, {end}, _held):",
        "        end = min(begin + _held, _k1)",
        "        odd = (begin - _k0)//_held % 2",
        "        for place in range(_first, _last):",
        "            part = _first + _last - 1 - place if odd else place  # what was last is still in the cache",
        "            for k in range(begin, end):",
        "                row = k - _k0",
        *(f"                {line}" for line in body),
        "        goal += _team",
        "        if _team > 1:",
        "            _meet(_barrier, goal)",
        *exchange,
        "    return _k1",
        "",
    ]
    header = HEADER.format(meet=MEET, modules="\n".join(f"    {g.module}" for g in groups))
    functions = RULE_HEADER + "".join(r.text for r in rules) + "\n" if rules else ""
    functions = (EXCHANGE_FUNCTIONS if is_shared else "") + functions
    return header + functions + "\n\n" + "\n".join(lines), tuple(arguments)


def _exchange_lines(sent: Sequence[str], arguments: list[str]) -> list[str]:
    """Send the spikes of a window, and take those of it, or with a lag of the one before, that others have sent.

    A message: its length, the status, for each member and row how many spikes, then these. One thread does it.
    """
    arguments += ["_lead", "_after", "_rank", "_ranks", "_lag", "_room", "_send", "_got", "_wide", "_place", "_calls"]
    arguments += ["_starts", "_waits", "_note"]
    pack, unpack = [], []
    for i, m in enumerate(sent):
        log = f"{m}_log, {m}_base, {m}_edge"
        pack += [
            f"used = _pack({log}, begin - _k0 + {m}_past, end - _k0 + {m}_past, _lead, _after, _send[slot],"
            f" 2 + {i}*_held, used)"
        ]
        unpack += [
            f"_unpack({log}, r0 + {m}_past, r1 + {m}_past, {part}, _got[other], wide, 2 + {i}*_held, _place, _status)"
            for part in ("0, 0, _rank", "_after, _rank + 1, _ranks")
        ]
    return [
        "        if _first == _lead:",
        "            slot = (begin - _k0)//_held % 2",
        "            other = (slot + _lag) % 2",
        "            begins, ends = 0, 0",
        "            if begin < _k1:",
        f"                used = 2 + {len(sent)}*_held",
        *(f"                {line}" for line in pack),
        "                _send[slot, 0] = used",
        "                _send[slot, 1] = _status[0]",
        "                begins = 1",
        "            r0 = begin - _k0 - _lag*_held",
        "            if r0 >= 0:",
        "                ends = 1",
        "            since = _ticks()",
        "            stop = 0",
        "            if begins + ends > 0:",
        "                stop = _swap(_calls, _starts, _waits, _got, _wide, _note,"
        " _room, _ranks, slot, other, begins, ends)",
        "            now = _ticks()",
        "            _note[4] += now - since",
        "            _note[5] = since if _note[5] == 0 else _note[5]",
        "            _note[6] = now",
        "            if stop != 0:",
        "                _status[0] = 2",
        "            elif r0 >= 0:",
        "                r1 = min(r0 + _held, _k1 - _k0)",
        "                wide = _wide[other]",
        "                for s in range(_ranks):",
        f"                    _place[s] = s*wide + 2 + {len(sent)}*_held",
        *(f"                {line}" for line in unpack),
        "        goal += _team",
        "        if _team > 1:",
        "            _meet(_barrier, goal)",
        "        if _status[0] > 1:",
        "            break",
    ]


def _feed_lines(j: int, feed: Feed, turn: bool, late: bool, arguments: list[str]) -> list[str]:
    """Gather the segments of synapses that are due, in order; then deliver them."""
    heads, ends, pre = (f"{x}{j}" if late else x for x in ("_heads", "_ends", "_rows"))
    arguments += [heads, ends, pre] if late else []
    due, start, target, weight, first = (f"f{j}_{x}" for x in ("due", "start", "target", "weight", "first"))
    arguments += [due, start, target, weight, first, f"f{j}_stride", f"f{j}_cells"]
    k, how = feed.packed, "each" if feed.packed else "same"
    rows = "" if k else f"{pre}, "
    tail = f", {k}" if k else ""
    deliver = [f"_open(count, {heads}, {ends}, {start})"]
    if turn:
        deliver += [
            f"used = _list_{how}(count, {heads}, {ends}, {rows}{target}, {weight},"
            f" lo, used, near, force, _status{tail})"
        ]
    elif late:
        deliver += [f"_tell(count, {heads}, {ends}, {target}, {weight}, {k})"]
    else:
        deliver += [f"_add_{how}(count, {heads}, {ends}, {rows}{target}, {weight}, total{tail})"]
    lines = ["count = 0", f"last = {due}.shape[0] - 1", "for i in range(last + 1):", f"    back = {due}[i, 0]"]
    for n, source in enumerate(feed.sources):
        s = f"q{source}" if source >= 0 else f"s{-1 - source}"
        lines += [
            f"    if {due}[i, {n + 1}] > 0:",
            f"        count = _find({s}_log, {s}_base, {s}_edge, row + {s}_past - back, _parts, {first}[{n}],"
            f" part*f{j}_cells + i, f{j}_stride, {start}, {heads}, {pre}, count, _status)",
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


_RAIN: Final = ("pieces", "of", "keys", "own", "first", "steps", "finer", "limits", "fine", "few", "inside")


def _draw_lines(n: dict[str, str]) -> list[str]:
    """Draw the counts of a part's pieces (see `rheobase.engines.rain.Rain`)."""
    return [
        f"for q in range({n['of']}[part], {n['of']}[part + 1]):",
        f"    a, b = {n['pieces']}[q, 0], {n['pieces']}[q, 1]",
        f"    c, s = {n['pieces']}[q, 2], {n['pieces']}[q, 3]",
        f"    at, skip = {n['pieces']}[q, 4], {n['pieces']}[q, 5]",
        f"    if {n['inside']}[row, s]:",
        f"        keys = {n['keys']}[at:at + (skip + b - a + 3)//4]",
        f"        some = _draw(keys, {n['steps']}[row, s], {n['limits']}[c], {n['few']}[c], skip, b - a, _bits, _draws,"
        " _counts)",
        "        if some > 1:",
        f"            _settle({n['own']}[s], a - {n['first']}[s], {n['finer']}[row, s], {n['limits']}[c],"
        f" {n['fine']}[c], _draws[skip:skip + b - a], _counts)",
        "        if some > 0:",
    ]


def _rain_lines(g: int, p: str, arguments: list[str]) -> list[str]:
    """Poisson spikes at a port."""
    n = {x: f"q{g}_rain{x}_{p}" for x in (*_RAIN, "weight")}
    arguments += n.values()
    return [
        *_draw_lines(n),
        f"            w = {n['weight']}[s]",
        "            onto = total[a - lo:b - lo]",
        "            for i in range(b - a):",
        "                onto[i] += np.float32(np.int32(_counts[i]))*w",
    ]


def _source_lines(s: int, arguments: list[str]) -> list[str]:
    """Poisson sources: a spike is written into the log as often as it is counted."""
    n = {x: f"s{s}_{x}" for x in _RAIN}
    arguments += [*n.values(), f"s{s}_end"]
    return [
        f"count = s{s}_edge[part, row + s{s}_past]",
        *_draw_lines(n),
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


def _advance_lines(g: int, group: Group, feeds: dict[str, tuple[int, Feed]], arguments: list[str]) -> list[str]:
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
        if port in group.late and a.removesuffix(f"_{port}") in LATE:
            j, feed = feeds[port]
            kind = a.split("_")[1]
            given = {
                "some": f"some_{port}",
                "onto": f"f{j}_target",
                "weight": f"f{j}_weight",
                "packed": f"{feed.packed}",
            }
            call.append(given.get(kind, f"_{kind}{j}"))
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
    summed = [p for p in group.ports if p not in group.in_turn and p not in group.late]
    lines = [f"total_{p} = _as_row(q{g}_sum_{p}[lo:hi])" for p in summed]
    lines += [f"sent = q{g}_edge[part, row + q{g}_past]"]
    lines += [f"q{g}_edge[part, row + q{g}_past + 1] = sent + _advance{g}({', '.join(call)})"]
    return lines
