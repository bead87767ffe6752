"""Sorting inside compiled loops: spikes by time and neuron, what arrives in a window by time."""

from __future__ import annotations

from typing import Any

__all__ = ["order_spikes", "order_units"]


def order_spikes(times: Any, neurons: Any, low: int, high: int) -> int:
    """Sort entries low..high-1 by time, then neuron (heap sort, in place)."""
    size = high - low
    if size < 2:
        return 0
    start = size // 2
    end = size
    while end > 1:
        if start > 0:
            start -= 1
        else:
            end -= 1
            times[low + end], times[low] = times[low], times[low + end]
            neurons[low + end], neurons[low] = neurons[low], neurons[low + end]
        root = start
        while True:
            child = 2 * root + 1
            if child >= end:
                break
            a = low + child
            if child + 1 < end and (
                times[a] < times[a + 1] or (times[a] == times[a + 1] and neurons[a] < neurons[a + 1])
            ):
                a += 1
                child += 1
            r = low + root
            if times[r] < times[a] or (times[r] == times[a] and neurons[r] < neurons[a]):
                times[r], times[a] = times[a], times[r]
                neurons[r], neurons[a] = neurons[a], neurons[r]
                root = child
            else:
                break
    return 0


def order_units(times: Any, order: Any, spare: Any, count: int) -> int:
    """Write to `order` the numbers 0..count-1 sorted by time; equal times keep their order (merge sort)."""
    width = 8
    for low in range(0, count, width):
        for i in range(low, min(low + width, count)):
            j = i
            while j > low and times[order[j - 1]] > times[i]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = i
    while width < count:
        for low in range(0, count, 2 * width):
            middle = min(low + width, count)
            high = min(low + 2 * width, count)
            i = low
            j = middle
            for k in range(low, high):
                if i < middle and (j >= high or times[order[i]] <= times[order[j]]):
                    spare[k] = order[i]
                    i += 1
                else:
                    spare[k] = order[j]
                    j += 1
        for k in range(count):
            order[k] = spare[k]
        width *= 2
    return 0
