"""The zoo: published neurons, each as its four rows with its published values.

Every function takes keywords and returns a `Neuron`. A keyword that names a row, an initial value or
``name=``, ``about=``, ``reference=`` replaces that part: ``IF(reset="v <- v - theta")``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rheobase.model.neuron import Neuron
from rheobase.model.zoo.adaptive import ALIF, MAT, LIFsfa, MihalasNiebur
from rheobase.model.zoo.conductance import HH
from rheobase.model.zoo.excitation_inhibition import COBA, CUBA
from rheobase.model.zoo.generalised import GLIF
from rheobase.model.zoo.integrate_and_fire import IAF, IF, LIF, fold_leak
from rheobase.model.zoo.izhikevich import Izhikevich, Izhikevich2007
from rheobase.model.zoo.nonlinear import EIF, QIF, AdEx
from rheobase.model.zoo.patterns import izhikevich_pattern
from rheobase.model.zoo.stochastic import SRM, EscapeLIF, NoisyLIF
from rheobase.model.zoo.synaptic import LIFalpha, LIFbiexp, LIFexp

__all__ = [
    "IF",
    "IAF",
    "LIF",
    "LIFexp",
    "LIFalpha",
    "LIFbiexp",
    "CUBA",
    "COBA",
    "ALIF",
    "LIFsfa",
    "MAT",
    "MihalasNiebur",
    "GLIF",
    "QIF",
    "EIF",
    "AdEx",
    "Izhikevich",
    "Izhikevich2007",
    "HH",
    "EscapeLIF",
    "SRM",
    "NoisyLIF",
    "fold_leak",
    "izhikevich_pattern",
]

#: name -> the function that makes the neuron, in the order of the list above: what command line and page offer
NEURONS: Final[dict[str, Callable[..., Neuron]]] = {name: globals()[name] for name in __all__ if name[0].isupper()}
