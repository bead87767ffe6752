"""from_nir: a `Network` of a NIR graph, with the steps of whichever program wrote it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, nearest
from rheobase.exchange.nir.cells import Cell, instant_cell, make_cell
from rheobase.exchange.nir.convention import Convention, read_convention
from rheobase.exchange.nir.file import read_graph
from rheobase.exchange.nir.graph import Graph, Node
from rheobase.exchange.nir.plan import Flow, Plan, make_plan
from rheobase.exchange.nir.timing import Timing, find_timing
from rheobase.formats.guard import MOST_BYTES
from rheobase.network.inputs import sampled, step
from rheobase.network.network import Network
from rheobase.network.sources import SpikeSource, SpikeTrains, spikes
from rheobase.network.stimulus import Stimulus
from rheobase.units import to_number

__all__ = ["Imported", "from_nir", "import_nir"]


@final
@dataclass(frozen=True, eq=False)
class Imported:
    """A network that was read, and how its time is that of the file.

    Attributes
    ----------
    network : Network
        One population for each neuron node and each Input that is fed by spikes; run it by ``Clock(dt)``.
    dt : float
        The step, in ms.
    convention : Convention
    shift : dict
        Population -> how many steps its time is ahead: what the file's step k = 0, 1, ... ends with, happens at
        ``(k + shift)*dt``. In the file a spike passes several layers within one step; here each takes one.
    shapes : dict
        Population -> shape of the node; neurons are numbered in C order.
    outputs : dict
        Output node -> the population that it shows.
    notes : tuple of str
        What had to be decided: where the step of a cycle lies, which axis was taken for a batch.
    graph : Graph
    """

    network: Network
    dt: float
    convention: Convention
    shift: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, str]
    notes: tuple[str, ...]
    graph: Graph

    def raster(self, run: Any, name: str, steps: int) -> np.ndarray:
        """Return the spikes of a population (or of an Output) in the file's steps: (steps, n_neurons), 0 or 1.

        Parameters
        ----------
        run : NetworkRun
            It must reach ``(steps + shift)*dt``.
        name : str
        steps : int
        """
        name = self.outputs.get(name, name)
        if name not in self.shift:
            raise InputError(f"there is no population '{name:.60}'.{nearest(name, self.shift)}")
        late = self.shift[name]
        if run.until < (steps - 1 + late) * self.dt - 1e-6 * self.dt:
            raise InputError(
                f"the run ends at {run.until:g} ms; {steps} steps of '{name}' need {(steps - 1 + late) * self.dt:g} ms"
            )
        found = run[name]
        trains = found.spikes if hasattr(found, "model") else found
        out = np.zeros((steps, trains.n), dtype=np.int8)
        k = np.rint(trains.times / self.dt).astype(np.int64) - late + self.convention.shift
        inside = (k >= 0) & (k < steps)
        out[k[inside], trains.neurons[inside]] = 1
        return out

    def trace(self, run: Any, name: str, steps: int, state: str = "v") -> np.ndarray:
        """Return a recorded state in the file's steps, after each: (steps, n_neurons)."""
        name = self.outputs.get(name, name)
        late = self.shift[name]
        values = np.atleast_2d(run[name][state])
        k = np.arange(steps) + late
        at = np.searchsorted(run[name].t, (k - 0.5) * self.dt)
        return values[:, at].T


def from_nir(
    source: Any,
    dt: Any = None,
    convention: str | Convention | None = None,
    inputs: Mapping[str, Any] | Any = None,
    spikes: str | None = None,
    most_bytes: int = MOST_BYTES,
    **switches: Any,
) -> Network:
    """Return the network of a NIR file, or of a ``nir.NIRGraph``.

    Every neuron node becomes a population whose rows have the file's equation; what lies between (Affine, Linear,
    Scale, convolutions, pools, Flatten, Delay) becomes synapses, delays and constant currents. Run it on the grid for
    which it was read: ``rb.simulate(net, until, dt=dt)``.

    Parameters
    ----------
    source : str, Path or nir.NIRGraph
    dt : time
        The step. NIR does not know one.
    convention : str or Convention, optional
        Whose steps: "nir" (default: exact, reset to v_reset), "norse", "snntorch", "spikingjelly", "spinnaker2",
        "lava", "nengo", "sinabs", "rockpool", "spyx".
    inputs : dict, optional
        Input node -> what it receives: spikes (``rb.spikes``, ``rb.poisson``, a list of trains in ms, the spikes of a
        run), or an array (steps, ...) of values, each held for one step. Without names if there is one Input.
        Inputs that are not given are silent.
    spikes : {"pulse", "impulse"}, optional
        A spike is a current of 1 for one step (what every program does), or an impulse of area 1 s (the equation
        read literally, and what `to_nir` writes without dt). By default what the file's metadata says, else "pulse".
    most_bytes : int
        What the arrays of a file may declare together.
    **switches
        Single switches of the convention: ``method=``, ``reset=``, ``fires=``, ``start=``, ``shift=``; see
        `Convention`.

    Raises
    ------
    InputError
        If the file is damaged or hostile, shapes do not fit, or the graph passes voltages between neurons.

    Notes
    -----
    Here a spike arrives one step after it was sent, at the earliest; in the other programs it passes all layers within
    its step. So a deeper population's time is ahead by one step each, and all else is the same: `import_nir` returns
    the network with these shifts. A cycle without a Delay gets one step on each edge between neurons; for a neuron
    that is joined to itself that is what all programs do.

    References
    ----------
    Pedersen et al. (2024) Neuromorphic intermediate representation. Nature Communications 15, 8122.

    Examples
    --------
    >>> import numpy as np
    >>> from rheobase.exchange.nir.graph import Graph, Node
    >>> lif = Node("LIF", {k: np.array([x]) for k, x in dict(tau=0.01, r=1.0, v_leak=0.0, v_threshold=0.1).items()})
    >>> graph = Graph({"in": Node("Input", {"shape": np.array([1])}), "lif": lif}, (("in", "lif"),))
    >>> net = from_nir(graph, dt="1 ms", inputs=np.ones((50, 1)))
    >>> from rheobase.simulation import simulate
    >>> simulate(net, until="50 ms", dt="1 ms")["lif"].spikes[0][:4]
    array([2., 4., 6., 8.])
    """
    made = import_nir(source, dt, convention, inputs, spikes, most_bytes, **switches)
    for note in made.notes:
        if note.startswith("cycle of"):
            warnings.warn(note, stacklevel=2)
    return made.network


def import_nir(
    source: Any,
    dt: Any = None,
    convention: str | Convention | None = None,
    inputs: Mapping[str, Any] | Any = None,
    spikes: str | None = None,
    most_bytes: int = MOST_BYTES,
    **switches: Any,
) -> Imported:
    """Return what `from_nir` makes, with the account of how its time is that of the file; same arguments."""
    if dt is None:
        raise InputError("from_nir needs the step: NIR does not know one; give dt=, for example dt='0.1 ms'")
    width = to_number(dt, "ms", "dt")
    if not 0 < width < float("inf"):
        raise InputError(f"dt = {width:g} ms is not positive")
    chosen = read_convention(convention, switches)
    graph = read_graph(source, most_bytes)
    if spikes is None:
        spikes = "impulse" if _says_impulse(graph) else "pulse"
    if spikes not in ("pulse", "impulse"):
        raise InputError(f"spikes = {spikes!r:.60}; it is 'pulse' or 'impulse'")
    notes: list[str] = []
    plan = make_plan(graph, notes)
    given = _read_inputs(plan, inputs)
    timing = find_timing(plan, {n for n in plan.inputs if not isinstance(given[n], np.ndarray)}, width, chosen, notes)
    net = _Builder(plan, given, timing, width, chosen, spikes == "pulse").build()
    shapes = {n: s for n, s in [*plan.inputs.items(), *plan.units.items()] if n in net.populations}
    shift = {n: timing.shift[n] for n in shapes}
    return Imported(net, width, chosen, shift, shapes, plan.outputs, tuple(notes), graph)


def _says_impulse(graph: Graph) -> bool:
    said = graph.metadata.get("rheobase_spikes")
    return (said.item() if isinstance(said, np.ndarray) and said.ndim == 0 else said) in ("impulse", b"impulse")


def _read_inputs(plan: Plan, given: Any) -> dict[str, np.ndarray | SpikeSource]:
    names = [*plan.inputs]
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        if len(names) != 1:
            raise InputError(f"there are {len(names)} Input nodes; give inputs={{name: ...}} with {', '.join(names)}")
        given = {names[0]: given}
    for name in given:
        if name not in plan.inputs:
            raise InputError(
                f"there is no Input '{name!s:.60}'.{nearest(str(name), names)} There are: {', '.join(names)}"
            )
    return {name: _read_input(name, given.get(name), plan.inputs[name]) for name in names}


def _read_input(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray | SpikeSource:
    n = int(np.prod(shape))
    if value is None:
        none = np.empty(0)
        return SpikeTrains(none, none.astype(np.int64), none, None, n)
    if isinstance(value, SpikeSource):
        return value
    if isinstance(value, Stimulus):
        raise InputError(f"inputs['{name}'] is a current over time; give its values as an array (steps, {n})")
    if isinstance(value, list) and len(value) == n and all(np.ndim(x) == 1 for x in value):
        return spikes(value)
    if hasattr(value, "times") and hasattr(value, "neurons"):
        return spikes(value)
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"inputs['{name}'] must be spikes or an array of shape (steps, {n})") from None
    if array.ndim == 0 or array[0].size != n or not np.isfinite(array).all():
        raise InputError(f"inputs['{name}'] has the shape {array.shape}; wanted finite numbers (steps, {n})")
    return array.reshape(len(array), n)


@final
class _Builder:
    def __init__(
        self,
        plan: Plan,
        given: dict[str, np.ndarray | SpikeSource],
        timing: Timing,
        dt: float,
        convention: Convention,
        pulses: bool,
    ) -> None:
        self.plan, self.given, self.timing, self.dt = plan, given, timing, dt
        self.convention, self.pulses = convention, pulses
        self.net = Network()

    def build(self) -> Network:
        for name, shape in self.plan.inputs.items():
            given = self.given[name]
            if isinstance(given, SpikeSource):
                self.net.add(name, int(np.prod(shape)), given)
        for name in self.plan.units:
            self._add(name)
        for (source, target, delay), matrix in self.timing.edges(self.plan, self.dt).items():
            if source not in self.net.populations:
                continue
            ms = delay
            if matrix is None:
                self.net.connect(source, target, one_to_one=True, weight=1.0, delay=ms)
            elif matrix.nnz:
                self.net.connect(source, target, matrix=matrix.T, delay=ms)
        return self.net

    def _add(self, name: str) -> None:
        plan, shape = self.plan, self.plan.units[name]
        n, node, flow = int(np.prod(shape)), plan.nodes[name], plan.flows[name]
        begin = (self.timing.shift[name] - 1) * self.dt
        drive = self._drive(flow, begin)
        if node.kind in ("Threshold", "Output"):
            theta = np.broadcast_to(node.number("threshold"), shape).ravel() if node.kind == "Threshold" else None
            cell = instant_cell(name, self.dt, theta, self.convention.fires, n)
        else:
            cell = make_cell(node, name, shape, self.dt, self.convention, self.pulses, drive is not None)
            if name in plan.thresholds:
                cell = self._with_threshold(cell, plan.thresholds[name], shape, n)
        values: dict[str, Any] = {k: _short(x) for k, x in cell.start.items()}
        if cell.drive in cell.neuron.inputs:
            values[cell.drive] = 0.0 if drive is None else drive
        if begin > 0 and cell.leak is not None and np.any(cell.start["v"] != cell.leak):
            values["v_leak"] = step(cell.leak, on=begin, base=cell.start["v"])  # nothing moves before its first step
        self.net.add(name, n, cell.neuron, **values)

    def _with_threshold(self, cell: Cell, node: Node, shape: tuple[int, ...], n: int) -> Cell:
        theta = np.broadcast_to(node.number("threshold"), shape).ravel()
        row = "v > theta" if self.convention.fires == "above" else "v >= theta"
        return Cell(cell.neuron.replace(threshold=row, theta=_short(theta)), cell.drive, cell.start, cell.leak)

    def _drive(self, flow: Flow, begin: float) -> Any:
        """Return the current that arrives beside spikes, constants and values held for a step; None without one."""
        out: Any = None
        if flow.bias is not None and np.any(flow.bias != 0):
            out = step(flow.bias, on=begin) if begin > 0 else _short(flow.bias)
        for (source, delay), matrix in flow.parts.items():
            given = self.given.get(source)
            if not isinstance(given, np.ndarray):
                continue
            values = given if matrix is None else (matrix @ given.T).T
            values = np.concatenate([values, np.zeros((1, values.shape[1]))])  # nothing after the last
            arriving = sampled(values, dt=self.dt, start=begin + delay)
            out = arriving if out is None else arriving + out
        return out


def _short(values: np.ndarray) -> Any:
    return float(values[0]) if np.all(values == values[0]) else values
