"""Questions asked of models and of their spikes."""

from rheobase.analysis.bifurcation import Bifurcation, Bifurcations, bifurcation
from rheobase.analysis.compare import Comparison, Difference, compare
from rheobase.analysis.curves import FiringCurve, InputOutput, fi_curve, input_output
from rheobase.analysis.equilibria import FixedPoint
from rheobase.analysis.network_statistics import (
    NetworkStatistics,
    PopulationStatistics,
    network_statistics,
)
from rheobase.analysis.pattern import Pattern, firing_pattern
from rheobase.analysis.phase import PhasePlane, phase_plane
from rheobase.analysis.populations import chi, spectrum, synchrony
from rheobase.analysis.psp import PostsynapticPotential, psp
from rheobase.analysis.pulses import StrengthDuration, strength_duration
from rheobase.analysis.response import FrequencyResponse, gain
from rheobase.analysis.rheobase import rheobase
from rheobase.analysis.similarity import (
    coincidence,
    correlation,
    schreiber,
    spike_triggered_average,
    van_rossum,
    victor_purpura,
)
from rheobase.analysis.steps import Convergence, check_dt
from rheobase.analysis.theory import siegert
from rheobase.analysis.trains import cv, cv2, fano, isi, lv, psth, rate

__all__ = [
    "Bifurcation",
    "Bifurcations",
    "Comparison",
    "Convergence",
    "Difference",
    "FiringCurve",
    "FixedPoint",
    "FrequencyResponse",
    "InputOutput",
    "NetworkStatistics",
    "Pattern",
    "PhasePlane",
    "PopulationStatistics",
    "PostsynapticPotential",
    "StrengthDuration",
    "bifurcation",
    "check_dt",
    "chi",
    "coincidence",
    "compare",
    "correlation",
    "cv",
    "cv2",
    "fano",
    "fi_curve",
    "firing_pattern",
    "gain",
    "input_output",
    "isi",
    "lv",
    "network_statistics",
    "phase_plane",
    "psp",
    "psth",
    "rate",
    "rheobase",
    "schreiber",
    "siegert",
    "spectrum",
    "spike_triggered_average",
    "strength_duration",
    "synchrony",
    "van_rossum",
    "victor_purpura",
]
