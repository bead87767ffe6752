"""The twenty firing patterns of Izhikevich's catalogue, each with its neuron, stimulus and criterion."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np

from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.model.zoo.izhikevich import Izhikevich

__all__ = ["izhikevich_pattern"]

# A stimulus is a list of pieces (start in ms, value there, slope per ms, whether it holds at its start).
# The author's conditions are such as 10 < t & t < 13: on his grid a pulse lacks its first instant.
_Piece: TypeAlias = tuple[float, float, float, bool]


def _step(start: float, value: float) -> list[_Piece]:
    return [(0.0, 0.0, 0.0, True), (start, value, 0.0, False)]


def _pulses(*pulses: tuple[float, float, float], base: float = 0.0) -> list[_Piece]:
    """Return the pieces of pulses (from, to, value) upon a base."""
    edges = [((a, value, 0.0, False), (b, base, 0.0, True)) for a, b, value in pulses]
    return [(0.0, base, 0.0, True), *(piece for pair in edges for piece in pair)]


_CLASS_1: Final = {"k1": 4.1, "k0": 108}
_EVOLVE_R: Final = "dv/dt = k2*v**2 + k1*v + k0 - u + I\ndu/dt = a*b*(v + v_65)"
_OF_65: Final = {"evolve": _EVOLVE_R, "v_65": 65, "u": -16}
_LOWERED: Final = [(0, 80.0, 0.0, True), (50, 75.0, 0.0, True), (250, 80.0, 0.0, False)]
_RAMPS: Final = [
    (0, 0.0, 1 / 25, True),
    (200, 0.0, 0.0, True),
    (300, 0.0, 4 / 12.5, True),
    (312.5, 0.0, 0.0, True),
]
_L_PULSES: Final = [(s, s + 2, 9.0) for s in (100 / 11, 100 / 11 + 5, 70.0, 80.0)]
_K_PULSES: Final = [(s, s + 4.0, 0.65) for s in (40.0, 60.0, 280.0, 320.0)]

# letter: (name, a, b, c, d, v at the start, other values, dt in ms, duration in ms, stimulus, criterion)
_TABLE: Final[dict[str, tuple[Any, ...]]] = {
    "A": (
        "tonic spiking",
        0.02,
        0.2,
        -65,
        6,
        -70,
        {},
        0.25,
        100,
        _step(10, 14),
        "at least 4 spikes, none before 10 ms, going on to the end; last two intervals equal within 10 %",
    ),
    "B": (
        "phasic spiking",
        0.02,
        0.25,
        -65,
        6,
        -64,
        {},
        0.25,
        200,
        _step(20, 0.5),
        "exactly one spike after 20 ms, then silence although the current stays on",
    ),
    "C": (
        "tonic bursting",
        0.02,
        0.2,
        -50,
        2,
        -70,
        {},
        0.25,
        220,
        _step(22, 15),
        "bursts of 2 or more spikes repeat: at least 3 gaps of more than 3 times the median interval",
    ),
    "D": (
        "phasic bursting",
        0.02,
        0.25,
        -55,
        0.05,
        -64,
        {},
        0.2,
        200,
        _step(20, 0.6),
        "one burst of at least 3 spikes within 60 ms of the onset, then silence",
    ),
    "E": (
        "mixed mode",
        0.02,
        0.2,
        -55,
        4,
        -70,
        {},
        0.25,
        160,
        _step(16, 10),
        "a burst (the first interval less than half of later ones), then tonic spiking",
    ),
    "F": (
        "spike frequency adaptation",
        0.01,
        0.2,
        -65,
        8,
        -70,
        {},
        0.25,
        85,
        _step(8.5, 30),
        "intervals grow: the last is more than 1.5 times the first",
    ),
    "G": (
        "class 1 excitability",
        0.02,
        -0.1,
        -55,
        6,
        -60,
        _CLASS_1,
        0.25,
        300,
        [(0, 0.0, 0.0, True), (30, 0.0, 0.075, True)],
        "the rate grows with the ramp from low values: the first interval is more than twice the last",
    ),
    "H": (
        "class 2 excitability",
        0.2,
        0.26,
        -65,
        0,
        -64,
        {},
        0.25,
        300,
        [(0, -0.5, 0.0, True), (30, -0.5, 0.015, True)],
        "onset at a finite rate: silence first, then the first interval is less than twice the last",
    ),
    "I": (
        "spike latency",
        0.02,
        0.2,
        -65,
        6,
        -70,
        {},
        0.2,
        100,
        _pulses((10, 13, 7.04)),
        "one spike, more than 3 ms after the end of the pulse",
    ),
    "J": (
        "subthreshold oscillations",
        0.05,
        0.26,
        -60,
        0,
        -62,
        {},
        0.25,
        200,
        _pulses((20, 25, 2)),
        "one spike, then a damped oscillation: at least 2 maxima of v, each lower than the one before",
    ),
    "K": (
        "resonator",
        0.1,
        0.26,
        -60,
        -1,
        -62,
        {},
        0.25,
        400,
        _pulses(*_K_PULSES),
        "the pair of pulses at one spacing fires, the other does not",
    ),
    "L": (
        "integrator",
        0.02,
        -0.1,
        -55,
        6,
        -60,
        _CLASS_1,
        0.25,
        100,
        _pulses(*_L_PULSES),
        "the close pair of pulses fires, the distant pair does not",
    ),
    "M": (
        "rebound spike",
        0.03,
        0.25,
        -60,
        4,
        -64,
        {},
        0.2,
        200,
        _pulses((20, 25, -15)),
        "exactly one spike, after the inhibition has ended",
    ),
    "N": (
        "rebound burst",
        0.03,
        0.25,
        -52,
        0,
        -64,
        {},
        0.2,
        200,
        _pulses((20, 25, -15)),
        "at least 2 spikes after the inhibition has ended, then silence",
    ),
    "O": (
        "threshold variability",
        0.03,
        0.25,
        -60,
        4,
        -64,
        {},
        0.25,
        100,
        _pulses((10, 15, 1), (70, 75, -6), (80, 85, 1)),
        "the same pulse: no spike alone, a spike after inhibition",
    ),
    "P": (
        "bistability",
        0.1,
        0.26,
        -60,
        0,
        -61,
        {},
        0.25,
        300,
        _pulses((37.5, 42.5, 1.24), (216, 221, 1.24), base=0.24),
        "the first pulse starts tonic spiking, the second stops it",
    ),
    "Q": (
        "depolarizing after-potential",
        1,
        0.2,
        -60,
        -21,
        -70,
        {},
        0.1,
        50,
        _pulses((9, 11, 20)),
        "one spike, after which v overshoots its rest",
    ),
    "R": (
        "accommodation",
        0.02,
        1,
        -55,
        4,
        -65,
        _OF_65,
        0.5,
        400,
        _RAMPS,
        "no spike in the slow ramp, up to 8 at 200 ms; a spike in the fast one",
    ),
    "S": (
        "inhibition-induced spiking",
        -0.02,
        -1,
        -60,
        8,
        -63.8,
        {},
        0.5,
        350,
        _LOWERED,
        "spikes only while the current is lowered, from 50 to 250 ms",
    ),
    "T": (
        "inhibition-induced bursting",
        -0.026,
        -1,
        -45,
        -2,
        -63.8,
        {},
        0.5,
        350,
        _LOWERED,
        "bursts only while the current is lowered: intervals below 15 ms, one gap more than twice that",
    ),
}


def izhikevich_pattern(letter: str) -> tuple[Neuron, dict[str, Any], float, float, str]:
    """Neuron, stimulus, step, duration and criterion of one of the twenty patterns.

    Parameters
    ----------
    letter : {"A", ..., "T"}
        The panel of the figure.

    Returns
    -------
    neuron : Neuron
        An `Izhikevich` with the panel's values; G and L have another parabola, R another du/dt.
    stimulus : dict
        ``starts`` (ms), ``values`` and ``slopes`` (per ms): from ``starts[k]`` to the next start, the current
        is ``values[k] + slopes[k]*(t - starts[k])``. ``samples``, shape (until/dt + 1,), is for the author's
        steps 0, dt, 2 dt, ...: his conditions (10 < t < 13) leave out the first instant of a pulse.
    dt : float
        The author's step in ms; the figure was made with it, by Euler's method with u after v.
    until : float
        Duration in ms.
    criterion : str
        What must be seen for the pattern to be there.

    Raises
    ------
    InputError
        If there is no such panel.

    Notes
    -----
    H, P, Q and T are there only with the author's step: an accurate integrator shows something else (and in T
    the exact solution runs away).

    References
    ----------
    Izhikevich (2004) IEEE Trans. Neural Networks 15:1063-1070, fig. 1, doi:10.1109/TNN.2004.832719; values
    from the author's script of that figure.

    Examples
    --------
    >>> neuron, stimulus, dt, until, criterion = izhikevich_pattern("A")
    >>> neuron.about, dt, until
    ('tonic spiking', 0.25, 100.0)
    >>> stimulus["starts"], stimulus["values"], stimulus["samples"][40:42]
    ([0.0, 10.0], [0.0, 14.0], array([ 0., 14.]))
    """
    if letter not in _TABLE:
        raise InputError(f"there is no pattern {letter!r}.{nearest(str(letter), _TABLE)} Patterns are A to T")
    about, a, b, c, d, v, other, dt, until, pieces, criterion = _TABLE[letter]
    neuron = Izhikevich(
        a=a,
        b=b,
        c=c,
        d=d,
        v=v,
        about=about,
        name=f"Izhikevich {letter}",
        **other,
        reference="Izhikevich (2004) IEEE Trans. Neural Networks 15:1063-1070, fig. 1, doi:10.1109/TNN.2004.832719",
    )
    t = np.arange(round(until / dt) + 1) * dt
    samples = np.zeros(len(t))
    for start, value, slope, at_once in pieces:
        on = t >= start if at_once else t > start
        samples[on] = value + slope * (t[on] - start)
    stimulus: dict[str, Any] = {
        "starts": [float(p[0]) for p in pieces],
        "values": [float(p[1]) for p in pieces],
        "slopes": [float(p[2]) for p in pieces],
        "samples": samples,
    }
    return neuron, stimulus, dt, float(until), criterion
