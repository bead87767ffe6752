"""rheobase as a back end of PyNN 0.13: ``import rheobase.pynn as sim`` runs its scripts.

After the import ``pyNN.rheobase`` exists, too, so that ``pyNN.utility.get_simulator`` finds it by name. Cells, synapses
and current sources become rows, populations and projections of a `rheobase.Network`: ``sim.state.network``.

>>> import rheobase.pynn as sim
>>> _ = sim.setup(timestep=0.1)
>>> cell = sim.Population(1, sim.IF_curr_exp(i_offset=1.0))
>>> cell.record("spikes")
>>> sim.run(100.0)
100.0
>>> [float(t) for t in cell.get_data().segments[0].spiketrains[0]][:2]
[27.8, 55.7]
"""

import sys

try:
    import pyNN
except ImportError:
    raise ImportError("rheobase.pynn needs PyNN: pip install rheobase[pynn]") from None

from pyNN import errors, random, space
from pyNN.common import set
from pyNN.common.procedural_api import build_connect, build_create, build_record
from pyNN.connectors import *  # noqa: F403
from pyNN.connectors import FixedProbabilityConnector
from pyNN.network import Network
from pyNN.random import GSLRNG, NumpyRNG, RandomDistribution
from pyNN.recording import *  # noqa: F403
from pyNN.space import Space
from pyNN.standardmodels import StandardCellType

from rheobase.pynn import simulator
from rheobase.pynn.cells import *  # noqa: F403
from rheobase.pynn.cells import CELLS
from rheobase.pynn.control import (
    end,
    get_current_time,
    get_max_delay,
    get_min_delay,
    get_time_step,
    initialize,
    num_processes,
    rank,
    reset,
    run,
    run_for,
    run_until,
    setup,
)
from rheobase.pynn.electrodes import ACSource, DCSource, NoisyCurrentSource, StepCurrentSource
from rheobase.pynn.populations import Assembly, Population, PopulationView
from rheobase.pynn.projections import Projection
from rheobase.pynn.simulator import state
from rheobase.pynn.synapses import *  # noqa: F403
from rheobase.pynn.synapses import StaticSynapse

create = build_create(Population)
connect = build_connect(Projection, FixedProbabilityConnector, StaticSynapse)
record = build_record(simulator)


def record_v(source: object, filename: object) -> object:
    """Record the membrane potential of some cells into a file."""
    return record(["v"], source, filename)


def record_gsyn(source: object, filename: object) -> object:
    """Record the synaptic conductances of some cells into a file."""
    return record(["gsyn_exc", "gsyn_inh"], source, filename)


def list_standard_models() -> list[str]:
    """Return the names of PyNN's cells that run here."""
    return [name for name, cell in CELLS.items() if issubclass(cell, StandardCellType)]


sys.modules["pyNN.rheobase"] = sys.modules[__name__]
pyNN.rheobase = sys.modules[__name__]
