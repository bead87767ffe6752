"""What a network's loop calls, as text: waiting for threads, finding segments, delivering them, Poisson counts."""

from __future__ import annotations

from typing import Final

__all__ = ["EXCHANGE", "EXCHANGE_FUNCTIONS", "HEADER", "INNER"]

#: The functions that a network's `run` calls.
INNER: Final = (
    *("_meet", "_find", "_open", "_add_each", "_add_same", "_tell", "_list_each", "_list_same"),
    *("_draw", "_settle"),
)
#: Those that it calls, too, where several processes share a network.
EXCHANGE: Final = ("_pack", "_unpack", "_swap")

HEADER: Final = '''"""A network's loop, written by rheobase.

A network is split into parts: neighbouring neurons with the synapses onto them. At each step the spikes that are due
are pulled from the log, the oldest first, and added up; then each group flows, receives the sum, fires and resets.
What arrives together is summed in the order in which it was sent: by step, source group, source neuron, synapse; then
what comes through plastic synapses, then what comes from outside the network. So it does not matter how many parts
there are, nor how many threads.
A group's own loop is `advance` in its module:

{modules}
"""

import numpy as np

_S30, _S27, _S31, _S12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
_GOLDEN, _M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NONE, _MORE, _ASK = np.uint16(0), np.uint16(1), np.uint16(1024)  # counts are at most 500


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


def _tell(count, heads, ends, target, weight, k):
    """Replace segments of weights and targets by where the targets begin and end; fetch them."""
    for h in range(count):
        if k > 0:
            n = k*(ends[h] - heads[h])//(k + 1)
            for at in range(heads[h], heads[h] + n, 16):
                _prefetch(weight, at)
            heads[h] = k*(heads[h] + n)
            ends[h] = heads[h] + n
        for at in range(heads[h], ends[h], 32):
            _prefetch(target, at)


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


def _draw(keys, step, limits, few, skip, n, bits, words, counts):
    """Write Poisson counts of n neurons: how many limits are below a neuron's 16 random bits, four to a hash.

    Return 0 if all are 0, 2 if some (_ASK is put in) need more bits or more limits than the first few, else 1.
    """
    for i in range(len(keys)):
        h = keys[i] + step
        h = (h ^ (h >> _S30)) * _M1
        h = (h ^ (h >> _S27)) * _M2
        bits[i] = h ^ (h >> _S31)
    mine = words[skip:skip + n]
    last = limits[max(few, 1) - 1]
    for i in range(n):
        counts[i] = _ASK if mine[i] >= last else _NONE
    for c in range(0, few, 4):  # four at a time, without a branch, in 16 bits: so it vectorises
        a, b, d, e = limits[c], limits[c + 1], limits[c + 2], limits[c + 3]
        for i in range(n):
            x = mine[i]
            y = np.uint16(counts[i] + (_MORE if x > a else _NONE))
            y = np.uint16(y + (_MORE if x > b else _NONE))
            y = np.uint16(y + (_MORE if x > d else _NONE))
            y = np.uint16(y + (_MORE if x > e else _NONE))
            tied = (x == a) | (x == b) | (x == d) | (x == e)
            counts[i] = np.uint16(y | (_ASK if tied else _NONE))
    found = _NONE
    for i in range(n):
        found = np.uint16(found | counts[i])
    return 2 if found >= _ASK else 1 if few > 0 else 0


def _settle(key, first, step, limits, fine, mine, counts):
    """Write the counts that `_draw` has left, with 52 bits more; `first`: the neuron's number, in its own source."""
    for i in range(len(mine)):
        if counts[i] >= _ASK:
            h = key + np.uint64(first + i + 1)*_GOLDEN
            for turn in range(2):  # the neuron's key; then what it makes of the step
                h = (h ^ (h >> _S30)) * _M1
                h = (h ^ (h >> _S27)) * _M2
                h = h ^ (h >> _S31)
                if turn == 0:
                    h = h + step
            more = np.int64(h >> _S12)
            c = 0
            while c < len(limits) and (mine[i] > limits[c] or (mine[i] == limits[c] and more >= fine[c])):
                c += 1
            counts[i] = c
'''

EXCHANGE_FUNCTIONS: Final = '''

def _pack(log, base, edge, r0, r1, first, last, out, at, used):
    """Write the spikes of rows r0..r1-1 of this process's parts behind `used`, and how many a row has from `at` on."""
    for r in range(r0, r1):
        before = used
        for part in range(first, last):
            for e in range(base[part] + edge[part, r], base[part] + edge[part, r + 1]):
                out[used] = log[e]
                used += 1
        out[at + r - r0] = used - before
    return used


def _unpack(log, base, edge, r0, r1, part, one, end, got, stride, at, place, status):
    """Take the spikes that processes one..end-1 have sent into a part of the log; `place` is how far each is read."""
    for r in range(r0, r1):
        count = edge[part, r]
        for s in range(one, end):
            n = got[s*stride + at + r - r0]
            if base[part] + count + n > base[part + 1]:
                status[0] = 1
                n = 0
            for i in range(n):
                log[base[part] + count + i] = got[place[s] + i]
            place[s] += got[s*stride + at + r - r0]
            count += n
        edge[part, r + 1] = count


def _swap(calls, starts, waits, got, wide, note, room, size, slot, other, begins, ends):
    """Begin the message in one slot and finish that in another; return whether the loop must stop.

    MPI is called directly where its functions are known (`calls`: to begin, to wait, in Python); what is rare is left
    to Python. `note`: messages to come in this chunk, the longest so far, whether one is due in slot 0 and in slot 1.
    """
    if calls[0] == 0:
        return _call_out(calls[2], 1*ends + 2*begins + 4*slot + 8*other)
    if begins > 0:
        if _call_words(calls[0], starts[slot]) != 0:
            return 1
        note[0] -= 1
        note[2 + slot] = 1
    if ends > 0:
        if calls[1] != 0 and _call_words(calls[1], waits[other]) != 0:
            return 1
        most, status = 0, 0
        for s in range(size):
            most = max(most, np.int64(got[other, s*room]))
            status = max(status, np.int64(got[other, s*room + 1]))
        if most > room or status > 1:
            return _call_out(calls[2], 16 + 8*other)
        note[1] = max(note[1], most)
        note[2 + other] = 0
        wide[other] = room
    return 0
'''
