"""The name of a firing pattern, and the numbers that decide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np

from rheobase.analysis.reading import read_train
from rheobase.errors import InputError
from rheobase.run import Run
from rheobase.units import to_number

__all__ = ["Pattern", "firing_pattern"]

_GAP = 3.0  # an interval this many times longer than its neighbours in a burst is a gap between bursts
_TREND = 1.25  # last over first interval, from which a train adapts or accelerates
_JUMP = 2.5  # the first long interval over the last short one, after an initial burst
_LATE = 1.5  # latency over the median interval, from which a first spike is delayed


@final
@dataclass(frozen=True, eq=False)
class Pattern:
    """A firing pattern.

    Attributes
    ----------
    name : str
        One of: silent, tonic spiking, phasic spiking, tonic bursting, phasic bursting, mixed mode, spike
        frequency adaptation, accelerating, irregular spiking, transient spiking, spike latency, rebound
        spike, rebound burst.
    delayed : bool
        Whether the first spike comes late, compared with the intervals.
    criteria : dict
        The numbers the name was decided by.
    bursts : tuple of arrays
        The spike times (ms) during the stimulus, cut at the gaps.
    """

    name: str
    delayed: bool
    criteria: Mapping[str, float]
    bursts: tuple[np.ndarray, ...]

    def __str__(self) -> str:
        return f"delayed {self.name}" if self.delayed else self.name

    def __repr__(self) -> str:
        rows = "".join(f"\n  {k:<18} {v:.5g}" for k, v in self.criteria.items())
        return f"{self}{rows}"


def firing_pattern(
    spikes: Any,
    until: Any = None,
    on: Any = 0.0,
    off: Any = None,
    current: float | None = None,
    neuron: int = 0,
) -> Pattern:
    """Return the name of the firing pattern during a step of current from `on` to `off`.

    The criteria, in the order in which they are tried; I_k are the intervals, a gap is an interval more than
    three times as long as the median of those between two gaps:

    - *silent*: no spike from `on`.
    - *rebound spike*, *rebound burst*: spikes only after `off`, one or more; *spike latency* if the current
      is positive.
    - *phasic spiking*: one spike, then silence for more than a third of the step; *phasic bursting*: three or
      more at intervals below a fifteenth of the step, without a gap, then silence; *transient spiking* if
      they are slower than that.
    - *tonic bursting*: the intervals repeat with a period of 2 to 8 and a ratio above three; or two bursts of
      three spikes or more with a gap between.
    - *mixed mode*: two or more intervals at the beginning below half of the later ones, then a jump by 2.5,
      and no growth after.
    - *tonic spiking*: from the third interval on all are equal within a tenth.
    - *spike frequency adaptation*, *accelerating*: intervals grow (last over first 1.25 or more), or shrink.
    - *irregular spiking*: CV and CV2 of the intervals above 0.2.
    - *tonic spiking*: the rest.

    It is *delayed* if the latency is above 1.5 times the median interval (0.8 times the gap between bursts).

    Parameters
    ----------
    spikes : Run or array (n_spikes,)
        A run, of which `neuron` is looked at, or sorted times in ms.
    until : time, optional
        End of the recording; taken from a run.
    on, off : time
        Begin and end of the step; `off` is `until` if not given.
    current : float, optional
        Sign of the step, to tell a rebound from a latency; a negative one is assumed.
    neuron : int
        Which neuron of a run.

    Raises
    ------
    InputError
        If until is missing, or the times do not lie in order.

    References
    ----------
    Izhikevich (2004), IEEE Trans. Neural Networks 15:1063, fig. 1; Naud et al. (2008), Biol. Cybern. 99:335;
    Gerstner et al. (2014), Neuronal Dynamics, section 6.2.

    Examples
    --------
    >>> found = firing_pattern(np.arange(10.0, 200, 10), until=200)
    >>> str(found), found.criteria["n_spikes"]
    ('tonic spiking', 19)
    """
    if isinstance(spikes, Run):
        until = spikes.until if until is None else until
        spikes = spikes.spikes[neuron]
    if until is None:
        raise InputError("until= is missing: how long was the recording? (a run knows)")
    end, begin = to_number(until, "ms", "until"), to_number(on, "ms", "on")
    stop = end if off is None else to_number(off, "ms", "off")
    if not 0 <= begin < stop <= end:
        raise InputError(f"on = {begin:g}, off = {stop:g}, until = {end:g} ms must follow each other")
    times = read_train(np.asarray(spikes, dtype=float), "spikes")
    during = times[(times > begin) & (times <= stop)]
    after = times[times > stop]
    interval = np.diff(during)
    bursts = tuple(np.split(during, np.flatnonzero(_gaps(interval)) + 1)) if during.size else ()
    criteria = _measure(during, after, times, interval, bursts, begin, stop)
    if not during.size:
        if not after.size:
            return Pattern("silent", False, criteria, ())
        if current is not None and current > 0:
            return Pattern("spike latency", False, criteria, ())
        return Pattern("rebound spike" if after.size == 1 else "rebound burst", False, criteria, ())
    name = _name(interval, bursts, criteria, stop - begin)
    late = False
    if interval.size and not name.startswith(("phasic", "transient")):
        usual = float(np.median(interval))
        if name == "tonic bursting":
            usual = 0.8 / _LATE * float(np.median([b[0] - a[-1] for a, b in pairwise(bursts)]))
        late = criteria["latency"] > _LATE * usual
    return Pattern(name, late, criteria, bursts)


def _gaps(interval: np.ndarray) -> np.ndarray:
    """Return which intervals separate bursts: above three times the median of the shorter kind.

    The kinds are told apart at the widest jump between sorted intervals.
    """
    if interval.size < 2:
        return np.zeros(interval.size, dtype=bool)
    ordered = np.sort(interval)
    k = int(np.argmax(ordered[1:] / ordered[:-1])) + 1
    short = float(np.median(ordered[:k]))
    level = np.sqrt(ordered[k - 1] * ordered[k])
    if ordered[k] < _GAP * short or ordered[k] < 1.9 * ordered[k - 1]:
        return np.zeros(interval.size, dtype=bool)
    return np.asarray(interval > level)


def _measure(
    during: np.ndarray,
    after: np.ndarray,
    times: np.ndarray,
    interval: np.ndarray,
    bursts: tuple[np.ndarray, ...],
    on: float,
    off: float,
) -> dict[str, float]:
    out: dict[str, float] = {
        "n_spikes": int(during.size),
        "n_before": int(np.sum(times <= on)),
        "n_after": int(after.size),
        "latency": float(during[0] - on) if during.size else float("nan"),
        "silence to the end": float(off - during[-1]) if during.size else off - on,
    }
    if interval.size:
        half = interval[interval.size // 2 :]
        out |= {
            "first interval": float(interval[0]),
            "last interval": float(interval[-1]),
            "last/first": float(interval[-1] / interval[0]),
            "max/min": float(interval.max() / interval.min()),
            "cv": float(interval.std() / interval.mean()),
            "cv of second half": float(half.std() / half.mean()),
            "gaps": len(bursts) - 1,
            "spikes per burst": float(np.mean([len(b) for b in bursts])),
        }
    if interval.size > 1:
        out["cv2"] = float(np.mean(2 * np.abs(np.diff(interval)) / (interval[1:] + interval[:-1])))
    return out


def _name(interval: np.ndarray, bursts: tuple[np.ndarray, ...], c: Mapping[str, float], length: float) -> str:
    if not interval.size:
        return "phasic spiking" if c["silence to the end"] > length / 3 else "tonic spiking"
    if c["silence to the end"] > max(3 * float(interval.max()), length / 3):
        fast = len(bursts) == 1 and interval.size >= 2 and interval.max() < length / 15
        return "phasic bursting" if fast else "transient spiking"
    if _repeats(interval) or _bursting(interval, bursts):
        return "tonic bursting"
    if interval.size == 1:
        return "tonic spiking"
    half = interval[interval.size // 2 :]
    settled = float(np.median(half))
    short = interval < 0.5 * settled
    lead = int(np.argmin(short)) if not short.all() else 0
    rest = interval[lead:]
    growing = rest.size > 1 and bool(np.all(np.diff(rest) > 0.05 * rest[:-1]))
    if lead >= 2 and rest[0] > _JUMP * interval[lead - 1] and np.mean(short[lead:]) <= 0.1 and not growing:
        return "mixed mode"
    if interval.size > 3 and np.all(np.abs(interval[2:] - interval[-1]) <= 0.1 * interval[-1]):
        return "tonic spiking"
    ups = float(np.mean(np.diff(interval) > 0))
    flat = float(np.mean(np.abs(np.diff(interval)) <= 0.02 * interval[1:]))
    if ups + flat >= 0.9 and c["last/first"] >= _TREND:
        return "spike frequency adaptation"
    if ups <= 0.1 + flat and c["last/first"] <= 1 / _TREND:
        return "accelerating"
    if c["cv"] > 0.2 and c["cv2"] > 0.2:
        return "irregular spiking"
    return "tonic spiking"


def _bursting(interval: np.ndarray, bursts: tuple[np.ndarray, ...]) -> bool:
    """Return whether there are two bursts of three spikes at least, and none but the last of one."""
    at = np.flatnonzero(_gaps(interval))
    sizes = [len(b) for b in bursts]
    if not at.size or min(sizes[:-1]) < 2 or sum(s >= 3 for s in sizes) < 2:
        return False
    between = interval[at]
    return len(between) < 3 or float(between[1:].std() / between[1:].mean()) < 0.3


def _repeats(interval: np.ndarray) -> bool:
    """Return whether the later intervals repeat with a period of 2 to 8, their ratio being above 3."""
    half = interval[interval.size // 3 :]
    for period in range(2, 9):
        if half.size >= 2 * period and half.max() / half.min() > _GAP:
            change = np.abs(half[period:] - half[:-period]) / half[period:]
            if change.max() < 0.1:
                return True
    return False
