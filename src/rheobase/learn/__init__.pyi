"""Public names of `rheobase.learn`, each with its home; `__init__.py` reads this file."""

from rheobase.learn import encode as encode
from rheobase.learn import events as events
from rheobase.learn import losses as losses
from rheobase.learn.diagnosis import Diagnosis as Diagnosis
from rheobase.learn.diagnosis import diagnose as diagnose
from rheobase.learn.firing import Initialised as Initialised
from rheobase.learn.firing import initialise as initialise
from rheobase.learn.layer import Layer as Layer
from rheobase.learn.state import State as State
from rheobase.learn.surrogate import Surrogate as Surrogate
from rheobase.learn.surrogate import arctan as arctan
from rheobase.learn.surrogate import fast_sigmoid as fast_sigmoid
from rheobase.learn.surrogate import gaussian as gaussian
from rheobase.learn.surrogate import multi_gaussian as multi_gaussian
from rheobase.learn.surrogate import straight_through as straight_through
from rheobase.learn.surrogate import superspike as superspike
from rheobase.learn.surrogate import triangle as triangle
