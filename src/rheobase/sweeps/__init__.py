"""Parameter sweeps: many runs of one thing, on all cores or several machines, into one labelled result."""

from rheobase.sweeps.result import Sweep
from rheobase.sweeps.sweep import sweep

__all__ = ["Sweep", "sweep"]
