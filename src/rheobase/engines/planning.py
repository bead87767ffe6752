r"""How long a network takes, and how much memory, on more ranks than can be tried: a model of the MPI engine.

Of N neurons with K synapses each, a rank of R has n = N/R, and computes in a step of `dt`, at a rate f,

.. math:: T_{compute} = n\,c_{neuron} + n K f\,dt\,c_{event} + N f\,dt\,D\,c_{look}

The last term does not shrink with R: every rank looks for the synapses of every spike of the network, once for each of
D delays. Spikes are exchanged once in a window of the shortest delay (of half of it, while the next is computed, if it
is two steps or more). A message to R ranks takes

.. math:: T_{message} = c_{message} \lceil \log_2 R \rceil + 4 R\,(2 + 1.5\, n f\, \Delta)\, c_{byte}

of bytes at hand in memory of the same machine; between machines both costs are other ones. In memory a rank has

.. math:: M = M_0 + n K b + 4 N (D + 1) + N a

with b bytes a synapse, where the third term says where each neuron's synapses begin, and a the bytes of a neuron's
states, which are held whole on each rank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

from rheobase.errors import InputError

__all__ = ["Costs", "Plan", "plan_ranks"]

_UNEVEN: Final = 1.15  # the slowest rank over the mean, as on the microcircuit


@final
@dataclass(frozen=True)
class Costs:
    """What was measured on one and two ranks (bench/mpi.py); seconds and bytes.

    Attributes
    ----------
    neuron : float
        A neuron's step, its Poisson drive included.
    event : float
        A spike that reaches a synapse.
    look : float
        To look for the synapses of a spike, for each delay.
    message, byte : float
        A message between two ranks, and a byte received.
    draw : float
        To draw a synapse and put it in its place.
    synapse, state, program : float
        Bytes of a synapse with a weight of its own in "mixed" precision, of a neuron of the network on every rank, and
        of Python, NumPy and the compiled code.
    """

    neuron: float = 3.7e-9
    event: float = 2.0e-9
    look: float = 14.5e-9
    message: float = 2.6e-6
    byte: float = 0.15e-9
    draw: float = 75e-9
    synapse: float = 6.0
    state: float = 60.0
    program: float = 3e8


@final
@dataclass(frozen=True)
class Plan:
    """What the model says of a network on some ranks.

    Attributes
    ----------
    build, run : float
        Seconds to build it, and for each second of the network's time.
    memory : float
        Bytes a rank.
    parts : dict
        The parts of `run`: neurons, events, looking, messages; of `memory`: synapses, rows, states, program.
    limit : str
        What is largest of what does not shrink with more ranks, if that is more than half of `run` or of `memory`;
        else "".
    """

    build: float
    run: float
    memory: float
    parts: dict[str, float]
    limit: str

    def __str__(self) -> str:
        limit = f"; limited by {self.limit}" if self.limit else ""
        return f"{self.run:.3g} s a second, {self.memory / 1e9:.3g} GB a rank, built in {self.build:.3g} s{limit}"


def plan_ranks(
    neurons: float,
    ranks: int,
    *,
    synapses: float = 1000.0,
    rate: float = 5.0,
    dt: float = 0.1,
    shortest: float = 0.1,
    delays: int = 40,
    costs: Costs | None = None,
) -> Plan:
    """Return how long a network takes on several ranks of one thread, and how much memory.

    Parameters
    ----------
    neurons, ranks : int
    synapses : float
        Of a neuron.
    rate : float
        Of a neuron, in Hz.
    dt, shortest : float
        The step and the shortest delay, in ms.
    delays : int
        How many delays differ, in steps.
    costs : Costs, optional
        Those of another machine.

    Raises
    ------
    InputError
        If a number is not positive, or the shortest delay is shorter than a step.

    Examples
    --------
    >>> plan_ranks(1e9, 4096).limit
    'looking for the synapses of every spike'
    >>> print(plan_ranks(1e6, 16))
    6.82 s a second, 0.899 GB a rank, built in 4.75 s
    """
    given = {"neurons": neurons, "ranks": ranks, "synapses": synapses, "rate": rate, "dt": dt, "delays": delays}
    for name, value in given.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name} = {value!r:.40} must be positive")
    if not dt * (1 - 1e-9) <= shortest < math.inf:
        raise InputError(f"shortest = {shortest:g} ms is shorter than one step of dt = {dt:g} ms; give a longer delay")
    c = costs or Costs()
    own, steps = neurons / ranks, 1000.0 / dt
    fires = rate * dt / 1000.0  # spikes of a neuron in a step
    compute = {
        "neurons": own * c.neuron * steps,
        "events": own * synapses * fires * c.event * steps,
        "looking": neurons * fires * delays * c.look * steps,
    }
    least = round(shortest / dt)
    window = least // 2 if least > 1 else 1
    length = 4.0 * ranks * (2.0 + window + 1.5 * own * fires * window)
    message = c.message * math.ceil(math.log2(ranks)) + length * c.byte if ranks > 1 else 0.0
    messages = message * steps / window
    alone = sum(compute.values())
    uneven = alone * (_UNEVEN if ranks > 1 else 1.0)
    run = max(uneven, messages) if least > 1 else uneven + messages
    memory = {
        "synapses": own * synapses * c.synapse,
        "rows": 4.0 * neurons * (delays + 1),
        "states": neurons * c.state,
        "program": c.program,
    }
    build = own * synapses * c.draw
    if ranks > 1:  # each rank draws its share for all, and hands it over
        build += own * synapses * c.synapse * c.byte + neurons / 1024.0 * c.message
    fixed = {
        "looking for the synapses of every spike": compute["looking"] / run,
        "messages": messages / run,
        "rows for every neuron of the network": memory["rows"] / sum(memory.values()),
        "states of every neuron of the network": memory["states"] / sum(memory.values()),
    }
    most = max(fixed, key=lambda name: fixed[name])
    parts = {**compute, "messages": messages, **memory}
    return Plan(build, run, sum(memory.values()), parts, most if fixed[most] > 0.5 and ranks > 1 else "")
