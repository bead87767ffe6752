"""From trained modules to a `Network` that the engines run, and back."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final, final

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, fx, nn

from rheobase.errors import InputError, NotConvertible
from rheobase.learn.conversion.firing import Firing, MaxOfSums
from rheobase.learn.conversion.network import Converted
from rheobase.learn.conversion.quantise import read_count
from rheobase.learn.conversion.trace import FIRE, MAX, TAIL, is_signal, kind, title, trace_layers
from rheobase.learn.layer import Layer
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.network.network import Network, Projection
from rheobase.network.sources import SpikeTrains

__all__ = ["lags", "to_network"]

_CHUNK: Final = 256  # unit vectors that are sent through the affine parts at once

#: What adds up the output behind the last neurons: v/T is its mean over T steps.
_SUM: Final[dict[str, Any]] = {"evolve": "dv/dt = I", "receive": "v <- v + w_i", "name": "sum", "I": 0, "v": 0}


def to_network(net: nn.Module, x: Tensor, steps: int | None = None) -> Network:
    """Return a `Network` that does what a module of layers does for one sample, with every weight a synapse.

    Each `learn.Layer` becomes a population, named as the module is; what is affine between layers (Linear, Conv,
    average pooling, BatchNorm, sums, reshapes) becomes weights; a bias is a source ("bias") that fires in every step;
    recurrent weights are a projection to itself. What follows the last layer becomes a population "output" that adds up
    what arrives: its v, divided by the number of steps, is the mean output.

    Spikes of 0 and 1 as input become a source "input" whose spike at t_(k+1) is x[k]. Any other input is weighted, and
    what it sends to the layers is given to them as arrivals (at t_(k+1)).

    A synapse has a delay of one step at least. So a population that is d hops from the input fires d steps later
    than the layer: `lags` tells d. But for this shift, ``rb.Clock(dt)`` gives the spikes of the layers in float64, step
    for step; so does `rb.Exact` where nothing but arrivals makes a neuron fire (integrators), as nothing else is on a
    grid.

    Parameters
    ----------
    net : Module or Converted
        Sequential, or any module that torch.fx can follow, with `learn.Layer` in it; or what `learn.convert` returned.
    x : tensor
        One sample: ``[time, 1, ...]``, or ``[1, ...]`` for a converted network.
    steps : int, optional
        For a converted network.

    Raises
    ------
    NotConvertible
        For a part that no synapse can say, by name: a maximum, a ReLU, delayed firing, a layer that receives
        a current in place of spikes, or one that starts away from rest behind others.
    InputError
        If x is more than one sample.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import rheobase as rb
    >>> from rheobase import learn
    >>> _ = torch.manual_seed(0)
    >>> lif = rb.Neuron("tau dv/dt = -v", "v <- v + w_i", "v > theta", "v <- 0", tau="20 ms", theta=1.0)
    >>> net = nn.Sequential(nn.Linear(5, 8), learn.Layer(lif, "1 ms"), nn.Linear(8, 3)).double()
    >>> x = (torch.rand(20, 1, 5) < 0.5).double()
    >>> network = learn.to_network(net, x)
    >>> network
    <Network: populations input (5), bias (1), 1 (8), output (3); 4 projections>
    >>> run = rb.simulate(network, until="22 ms", dt="1 ms")
    >>> z = net[1](net[0](x))
    >>> int(z.sum()) == len(run["1"].spikes.times), learn.lags(network)
    (True, {'input': 0, 'bias': 0, '1': 1, 'output': 2})
    """
    return _Builder(_read(net, x, steps)).build()


def lags(network: Network, dt: float | None = None) -> dict[str, int]:
    """Return by how many steps each population of `to_network` lags behind its layer: the hops from the input.

    `dt` is the layers' step in ms, the smallest delay if not given.
    """
    joined = [p for p in network.projections if p.source.name != p.target.name]
    delays = [_delay(p) for p in network.projections]
    step = dt if dt is not None else min(delays, default=1.0)
    out: dict[str, int] = {}
    for name in network.populations:  # what sends was added before what receives
        fed = [p for p in joined if p.target.name == name and p.source.name != "bias"]
        hops = [out[p.source.name] + round(_delay(p) / step) for p in fed]
        out[name] = hops[0] if hops else 0
    return out


def _delay(projection: Projection) -> float:
    """Return the smallest delay of a projection, ms; those of `to_network` are all alike."""
    delay = projection.delay
    if not isinstance(delay, Quantity) or isinstance(delay.value, Distribution):
        raise InputError(f"{projection.name}: its delays are drawn; only what to_network returned has lags")
    return float(np.min(delay.value))


# ------------------------------------------------------------------ reading
@final
@dataclass(frozen=True, eq=False)
class _Plan:
    """A module's graph in float64, which of its nodes are layers, and the sample ``[time, *shape]``."""

    body: fx.GraphModule
    layers: dict[fx.Node, Layer | Firing]
    x: Tensor
    timed: bool  # whether the module's own tensors begin with an axis of time
    dt: float

    @property
    def source(self) -> fx.Node:
        return next(n for n in self.body.graph.nodes if n.op == "placeholder" and not n.args)

    @property
    def output(self) -> fx.Node:
        return next(n for n in self.body.graph.nodes if n.op == "output")


def _read(net: nn.Module, x: Tensor, steps: int | None) -> _Plan:
    if not isinstance(x, Tensor) or x.dim() < 2 or not bool(torch.isfinite(x).all()):
        raise InputError("x must be a finite tensor of one sample: [time, 1, ...], or [1, ...] for a converted network")
    if isinstance(net, Converted):
        if net.firing == "delayed":
            raise NotConvertible(
                "neurons with firing='delayed' wait for all of their input, which no row says; convert with"
                " firing='together'"
            )
        body = copy.deepcopy(net.body)
        for node, old in zip(body.graph.nodes, net.body.graph.nodes, strict=True):
            node.meta = dict(old.meta)
        total = net.steps if steps is None else read_count(steps, "steps")
        sample, count, example = x[:1].expand(total, *x.shape[1:]), len(x), "x[:1]"
    else:
        body = trace_layers(net)
        sample, count, example = x[:, 0], x.shape[1], "x[:, :1]"
    if count != 1:
        raise InputError(f"x holds {count} samples; a Network is for one: {example}")
    body = body.double()
    layers: dict[fx.Node, Layer | Firing] = {}
    for node in body.graph.nodes:
        module = body.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, Layer | Firing):
            layers[node] = module
    _check(body, layers)
    steps_of = {_layer(m).dt for m in layers.values()}
    if len(steps_of) > 1:
        raise NotConvertible(f"the layers have different steps dt ({', '.join(f'{d:g} ms' for d in sorted(steps_of))})")
    return _Plan(body, layers, sample.detach().double(), not isinstance(net, Converted), steps_of.pop())


def _layer(module: Layer | Firing) -> Layer:
    return module.layer if isinstance(module, Firing) else module


def _title(node: fx.Node) -> str:
    return str(node.meta.get("title", title(node)))


def _check(body: fx.GraphModule, layers: Mapping[fx.Node, Layer | Firing]) -> None:
    """Refuse by name what no synapse can say."""
    bad = []
    for node in body.graph.nodes:
        module = body.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, MaxOfSums):
            bad.append(f"{_title(node)}: a maximum is no weighted sum; train with average pooling")
        elif node not in layers and is_signal(node) and kind(node) in (MAX, TAIL, FIRE):
            bad.append(f"{_title(node)}: a ReLU, maximum or softmax; convert the network first, by learn.convert")
        elif node in layers:
            bad += _check_layer(node, _layer(layers[node]))
    if not layers:
        bad.append("there is no layer of neurons in it (learn.Layer)")
    if bad:
        raise NotConvertible("this cannot be said as a Network:\n  " + "\n  ".join(bad))


def _check_layer(node: fx.Node, layer: Layer) -> list[str]:
    bad = []
    if layer.to_port is None or layer.to_port not in layer.neuron().ports:
        bad.append(
            f"{_title(node)}: x arrives at {layer.to_port!r}; synapses end at a receive row, so make it with to="
        )
    if layer.batch_first:
        bad.append(f"{_title(node)}: has batch_first=True; make it with time first")
    if layer.read.kind != "spikes" and any(u.op != "output" for u in node.users):
        bad.append(f"{_title(node)}: sends {layer.read.kind} {layer.read.state or ''}, no spikes, to what follows")
    return bad


# ------------------------------------------------------------------ weights
def _evaluate(plan: _Plan, given: Mapping[fx.Node, Tensor]) -> dict[fx.Node, Tensor]:
    """Return what layers and output receive when input and layers send `given`, up to the first layer not given."""
    env: dict[fx.Node, Any] = {}
    got: dict[fx.Node, Tensor] = {}
    for node in plan.body.graph.nodes:
        module = plan.layers.get(node)
        if module is not None or node.op == "output":
            value = env[node.args[0]]
            value = value[0] if plan.timed else value
            if isinstance(module, Firing):
                value = value if module.gain is None else value * module.gain
                value = value if module.offset is None else value + module.offset
            got[node] = value
        if node.op == "output" or (module is not None and node not in given):
            break
        if node in given:
            value = given[node]
            if isinstance(module, Firing) and module.scale is not None:
                value = value * module.scale
            env[node] = value.unsqueeze(0) if plan.timed else value
            continue
        env[node] = _compute(plan.body, node, env)
    return got


def _compute(body: fx.GraphModule, node: fx.Node, env: dict[fx.Node, Any]) -> Any:
    if node.op == "placeholder":
        return node.args[0]
    if node.op == "get_attr":
        value: Any = body
        for name in str(node.target).split("."):
            value = getattr(value, name)
        return value
    args, kwargs = fx.map_arg(node.args, env.__getitem__), fx.map_arg(node.kwargs, env.__getitem__)
    if node.op == "call_module":
        return body.get_submodule(str(node.target))(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def _unit_rows(shape: tuple[int, ...]) -> Iterator[Tensor]:
    n = prod(shape)
    for lo in range(0, n, _CHUNK):
        rows = torch.zeros(min(_CHUNK, n - lo), n, dtype=torch.float64)
        rows[torch.arange(len(rows)), lo + torch.arange(len(rows))] = 1.0
        yield rows.reshape(len(rows), *shape)


@final
class _Builder:
    """Turns a plan into populations and projections."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.shapes: dict[fx.Node, tuple[int, ...]] = {plan.source: tuple(plan.x.shape[1:])}
        with torch.no_grad():
            for layer in plan.layers:  # what a layer sends has the shape of what it gets
                self.shapes[layer] = tuple(_evaluate(plan, self._silence(1))[layer].shape[1:])
            self.bias = {t: b[0].reshape(-1).numpy() for t, b in _evaluate(plan, self._silence(1)).items()}
            self.weights = self._find_weights()
        self.is_binary = bool(((plan.x == 0) | (plan.x == 1)).all())
        self.depth = self._find_depths()

    def _silence(self, count: int) -> dict[fx.Node, Tensor]:
        return {n: torch.zeros(count, *s, dtype=torch.float64) for n, s in self.shapes.items()}

    def _find_weights(self) -> dict[tuple[fx.Node, fx.Node], sparse.csr_matrix]:
        """Return what each unit of input and layers sends to each layer and the output, without the biases."""
        parts: dict[tuple[fx.Node, fx.Node], list[sparse.csr_matrix]] = {}
        for sender, shape in self.shapes.items():
            for rows in _unit_rows(shape):
                got = _evaluate(self.plan, {**self._silence(len(rows)), sender: rows})
                for target, value in got.items():
                    sent = value.reshape(len(rows), -1).numpy() - self.bias[target]
                    parts.setdefault((sender, target), []).append(sparse.csr_matrix(_clean(sent, self.bias[target])))
        whole = {key: sparse.vstack(p).tocsr() for key, p in parts.items()}
        return {key: w for key, w in whole.items() if w.nnz}

    def _find_depths(self) -> dict[fx.Node, int]:
        depth = {self.plan.source: 0}
        for target in (*self.plan.layers, self.plan.output):
            hops = [depth[s] + (s is not self.plan.source or self.is_binary) for s, t in self.weights if t is target]
            depth[target] = max(hops, default=0)
        return depth

    def build(self) -> Network:
        plan, network, names = self.plan, Network(), dict[fx.Node, str]()
        times = (np.arange(len(plan.x)) + 1) * plan.dt
        if self.is_binary:
            flat = plan.x.reshape(len(plan.x), -1).numpy() != 0
            neurons, steps = np.nonzero(flat.T)
            source = SpikeTrains(times[steps], neurons, np.ones(len(steps)), None, flat.shape[1])
            network.add("input", flat.shape[1], source)
            names[plan.source] = "input"
        later = [t for t, b in self.bias.items() if np.any(b != 0) and not self._is_driven(t)]
        if later:
            network.add("bias", 1, SpikeTrains(times, None, np.ones(len(times)), None, None))
        for node, module in plan.layers.items():
            names[node] = self._add(network, node, _layer(module))
        if plan.output.args[0] not in plan.layers:
            model = Neuron(**_SUM)
            names[plan.output] = "output"
            network.add("output", len(self.bias[plan.output]), model, **self._drive(plan.output, "spikes"))
        self._connect(network, names, later)
        return network

    def _add(self, network: Network, node: fx.Node, layer: Layer) -> str:
        self._check_rest(node, layer)
        name = _title(node)
        while name in network or name in ("input", "bias", "output"):
            name += "_"
        assert layer.to_port is not None
        network.add(name, prod(self.shapes[node]), layer.neuron(), **self._drive(node, layer.to_port))
        return name

    def _is_driven(self, target: fx.Node) -> bool:
        """Whether its bias comes with what the weighted input sends."""
        return self.depth[target] == 0 or ((self.plan.source, target) in self.weights and not self.is_binary)

    def _drive(self, target: fx.Node, port: str) -> dict[str, SpikeTrains]:
        """Return what arrives at a target from the weighted input, where the input is no source of spikes."""
        if not self._is_driven(target):
            return {}
        x = self.plan.x.reshape(len(self.plan.x), -1).numpy()
        weights = self.weights.get((self.plan.source, target))
        sent = np.tile(self.bias[target], (len(x), 1)) if weights is None else x @ weights + self.bias[target]
        steps, neurons = np.nonzero(sent)
        times = (steps + 1 + self.depth[target]) * self.plan.dt
        return {port: SpikeTrains(times, neurons, sent[steps, neurons], None, sent.shape[1])}

    def _connect(self, network: Network, names: dict[fx.Node, str], later: list[fx.Node]) -> None:
        dt = self.plan.dt
        for (sender, target), weights in self.weights.items():
            if sender in names and target in names:
                delay = (self.depth[target] - self.depth[sender]) * dt
                port = self._port(target)
                network.connect(names[sender], names[target], port, matrix=weights, delay=delay)
        for target in later:
            if target in names:
                self._connect_bias(network, names[target], self._port(target), self.bias[target], self.depth[target])
        for node, module in self.plan.layers.items():
            layer = _layer(module)
            if layer.recurrent is not None:
                self._connect_recurrent(network, names[node], node, layer)

    def _connect_bias(self, network: Network, name: str, port: str, bias: np.ndarray, depth: int) -> None:
        if "bias" not in network:
            times = (np.arange(len(self.plan.x)) + 1) * self.plan.dt
            network.add("bias", 1, SpikeTrains(times, None, np.ones(len(times)), None, None))
        weights = sparse.csr_matrix(bias[None, :])
        network.connect("bias", name, port, matrix=weights, delay=max(depth, 1) * self.plan.dt)

    def _connect_recurrent(self, network: Network, name: str, node: fx.Node, layer: Layer) -> None:
        assert layer.recurrent is not None
        shape = self.shapes[node]
        with torch.no_grad():
            bias = layer.recurrent(torch.zeros(1, *shape, dtype=torch.float64)).reshape(-1).numpy()
            rows = [layer.recurrent(rows).reshape(len(rows), -1).numpy() - bias for rows in _unit_rows(shape)]
        if np.any(bias != 0):
            raise NotConvertible(f"{_title(node)}: its recurrent module has a bias; put it into the layer before")
        weights = sparse.csr_matrix(np.concatenate(rows))
        if weights.nnz:
            network.connect(name, name, layer.recurrent_to, matrix=weights, delay=self.plan.dt)

    def _port(self, target: fx.Node) -> str:
        if target is self.plan.output:
            return "spikes"
        port = _layer(self.plan.layers[target]).to_port
        assert port is not None
        return port

    def _check_rest(self, node: fx.Node, layer: Layer) -> None:
        """Refuse a layer that changes while it waits for spikes that come a few steps late."""
        depth, shape = self.depth[node], self.shapes[node]
        if not depth:
            return
        start = layer.start(1, shape, dtype=torch.float64)
        quiet = {p: torch.zeros(depth, 1, *shape, dtype=torch.float64) for p in layer.neuron().ports}
        with torch.no_grad():
            _, end = layer(quiet, start)
        for name, value in start.values.items():
            if not torch.allclose(end.values[name], value, rtol=1e-12, atol=1e-12):
                raise NotConvertible(
                    f"{_title(node)}: {name} does not start at rest, so it would move in the {depth} steps in which"
                    " spikes are on their way; give the neuron an initial value at rest"
                )


def _clean(sent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Put 0 for what is left of the subtraction of the bias."""
    return np.where(np.abs(sent) <= 1e-14 * np.maximum(np.abs(bias), 1e-300), 0.0, sent)
