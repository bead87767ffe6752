"""What the books can say about a neuron without running it: rates, intervals, potentials in closed form.

Every function takes plain numbers in ms, mV, nA, MOhm, nF, uS and Hz (a dimensionless neuron has R = C =
1), says which equation it evaluates, and stays accurate where the printed equation does not: near the
rheobase, for equal time constants, for vanishing or overwhelming noise.
"""

from rheobase.analysis.theory.constant import gain_and_phase, lif_rate, lif_rheobase, step_response
from rheobase.analysis.theory.escape import escape_hazard, escape_isi, escape_survivor
from rheobase.analysis.theory.intervals import (
    Intervals,
    perfect_integrator,
    poisson_counter,
    poisson_dead_time,
)
from rheobase.analysis.theory.noise import kramers_rate, ou_variance, shot_noise_rate, siegert, siegert_cv
from rheobase.analysis.theory.nonlinear import (
    AdExRheobase,
    adex_rheobase,
    eif_isi,
    eif_rheobase,
    qif_isi,
    qif_rheobase,
)
from rheobase.analysis.theory.psp import FreePotential, campbell, psp, psp_peak

__all__ = [
    "AdExRheobase",
    "FreePotential",
    "Intervals",
    "adex_rheobase",
    "campbell",
    "eif_isi",
    "eif_rheobase",
    "escape_hazard",
    "escape_isi",
    "escape_survivor",
    "gain_and_phase",
    "kramers_rate",
    "lif_rate",
    "lif_rheobase",
    "ou_variance",
    "perfect_integrator",
    "poisson_counter",
    "poisson_dead_time",
    "psp",
    "psp_peak",
    "qif_isi",
    "qif_rheobase",
    "shot_noise_rate",
    "siegert",
    "siegert_cv",
    "step_response",
]
