"""Public names of `rheobase.learn`, each with its home; `__init__.py` reads this file."""

from rheobase.learn.event import EventLayer as EventLayer
from rheobase.learn.spikes import Spikes as Spikes
