"""Parameters that all programs share. Units unless said otherwise: ms, mV, pA, nA, pF, Hz, nS."""

import math

#: Current-based network: Vogels & Abbott 2005; Brette et al. 2007, benchmark 2.
CUBA = {"we": 1.62, "wi": -9.0, "K": 80}
#: Conductance-based network: Brette et al. 2007, benchmark 1; initial conductances (mean, sd), cut at 0.
COBA = {"K": 80, "ge0": (40.0, 15.0), "gi0": (200.0, 120.0)}
#: Brunel 2000, model A.
BRUNEL = {"NE": 10000, "NI": 2500, "CE": 1000, "CI": 250, "J": 0.1, "g": 5.0, "delay": 1.5, "nu_ext_hz": 20.0}
#: Potjans & Diesmann 2014.
PD = {
    "pops": ["L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"],
    "N": [20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948],
    "C": [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ],
    "Kext": [1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100],
    "bg_hz": 8.0,
    "w": 87.81,
    "g": -4.0,
    "w_rel": 0.1,
    "d_e": 1.5,
    "d_i": 0.75,
    "d_rel": 0.5,
    "v0m": [-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43],
    "v0s": [5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48],
}
#: Rates of the published full-scale model with Poisson background, Hz (their Table 6).
PD_RATES = [0.86, 2.80, 4.45, 5.93, 7.59, 8.64, 1.09, 7.88]


def pd_synapses() -> list[list[int]]:
    """Return the number of synapses per (target, source), several of a pair allowed."""
    n = PD["N"]
    return [
        [round(math.log(1 - c) / math.log(1 - 1.0 / (n[t] * n[s]))) if c else 0 for s, c in enumerate(row)]
        for t, row in enumerate(PD["C"])
    ]
