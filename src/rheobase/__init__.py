"""rheobase: a spiking neuron is written once, as four rows; then it is simulated, analysed, trained and shown.

>>> import rheobase as rb
>>> run = rb.simulate(rb.LIF(), I="0.3 nA", until="100 ms", dt="0.1 ms")
>>> run.spikes[0]
array([22., 46., 70., 94.])
"""

from __future__ import annotations

from rheobase.analysis import (
    bifurcation,
    check_dt,
    coincidence,
    compare,
    correlation,
    cv,
    cv2,
    fano,
    fi_curve,
    firing_pattern,
    gain,
    input_output,
    isi,
    lv,
    phase_plane,
    psp,
    psth,
    rheobase,
    schreiber,
    siegert,
    spectrum,
    spike_triggered_average,
    strength_duration,
    synchrony,
    van_rossum,
    victor_purpura,
)
from rheobase.engines.clock import Clock
from rheobase.engines.exact import Exact
from rheobase.engines.precise import Precise
from rheobase.engines.reference import Reference
from rheobase.engines.spikes import Spikes
from rheobase.errors import (
    DidNotConverge,
    InputError,
    NotExact,
    NotExportable,
    NotRecorded,
    RheobaseError,
    RowError,
    UnitMismatch,
)
from rheobase.live import Live, live
from rheobase.model.distribution import exponential, gamma, lognormal, normal, uniform
from rheobase.model.neuron import Neuron
from rheobase.model.zoo import *  # noqa: F403  (the zoo lists its names in __all__)
from rheobase.model.zoo import __all__ as _zoo
from rheobase.network.network import Network
from rheobase.network.inputs import decay, noise, ou, pulses, ramp, read_current, sampled, sine, step, zap
from rheobase.network.sources import poisson, spikes
from rheobase.run import Run, load
from rheobase.simulate import simulate

__version__ = "0.1.0"

__all__ = [
    "Clock",
    "DidNotConverge",
    "Exact",
    "InputError",
    "Live",
    "Network",
    "Neuron",
    "NotExact",
    "NotExportable",
    "NotRecorded",
    "Precise",
    "Reference",
    "RheobaseError",
    "RowError",
    "Run",
    "Spikes",
    "UnitMismatch",
    "bifurcation",
    "check_dt",
    "coincidence",
    "compare",
    "correlation",
    "cv",
    "cv2",
    "decay",
    "exponential",
    "fano",
    "fi_curve",
    "firing_pattern",
    "gain",
    "gamma",
    "input_output",
    "isi",
    "live",
    "load",
    "lognormal",
    "lv",
    "noise",
    "normal",
    "ou",
    "phase_plane",
    "poisson",
    "psp",
    "psth",
    "pulses",
    "ramp",
    "read_current",
    "rheobase",
    "sampled",
    "schreiber",
    "siegert",
    "simulate",
    "sine",
    "spectrum",
    "spike_triggered_average",
    "spikes",
    "step",
    "strength_duration",
    "synchrony",
    "uniform",
    "van_rossum",
    "victor_purpura",
    "zap",
    *_zoo,
]
