"""Public names of `rheobase.learn`, each with its home; `__init__.py` reads this file."""

from rheobase.learn.event import EventLayer as EventLayer
from rheobase.learn.layer import Layer as Layer
from rheobase.learn.spikes import Spikes as Spikes
from rheobase.learn.state import State as State
from rheobase.learn.surrogate import Surrogate as Surrogate
from rheobase.learn.surrogate import arctan as arctan
from rheobase.learn.surrogate import fast_sigmoid as fast_sigmoid
from rheobase.learn.surrogate import gaussian as gaussian
from rheobase.learn.surrogate import multi_gaussian as multi_gaussian
from rheobase.learn.surrogate import straight_through as straight_through
from rheobase.learn.surrogate import superspike as superspike
from rheobase.learn.surrogate import triangle as triangle
