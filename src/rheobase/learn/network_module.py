"""A network as a module: its populations are layers, its weights parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn

from rheobase.errors import InputError, NotConvertible, nearest
from rheobase.learn.layer import Layer
from rheobase.learn.surrogate import Surrogate
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.network.network import Network, Part, Projection
from rheobase.network.sources import SpikeSource, SpikeTrains
from rheobase.units import to_number

__all__ = ["NetworkModule", "from_network"]

_MOST: Final = 64  # different delays that one projection may have


def from_network(network: Network, dt: Any, seed: int = 0, gradient: Surrogate | None = None) -> NetworkModule:
    """Return a module that does what a network does on a clock of step `dt`, its weights trainable.

    Populations become `learn.Layer`, projections dense weights ``[n_source, n_target]`` for each delay, sources of
    spikes its inputs. In float64 it gives the spikes of ``rb.Clock(dt)``.

    Parameters
    ----------
    network : Network
    dt : time
        Every delay must be a whole number of steps.
    seed : int
        Draws the synapses, as ``rb.simulate(network, seed=seed)`` does.
    gradient : Surrogate, optional

    Returns
    -------
    NetworkModule
        ``module(x)`` with x a dict ``{source: [time, batch, n]}``, x[k] being the spikes at t_(k+1); it returns a dict
        ``{population: [time, batch, n]}``. ``module.given(steps)`` are the spikes that the network itself holds.

    Raises
    ------
    NotConvertible
        For plastic synapses, delays off the grid, inputs that change in time, populations without a port, by name.

    Examples
    --------
    >>> import rheobase as rb
    >>> from rheobase import learn
    >>> net = rb.Network()
    >>> pre = net.add("pre", 2, rb.spikes([[1.0, 2.0, 3.0], [2.0]]))
    >>> E = net.add("E", 2, rb.IF())
    >>> _ = net.connect(pre, E, all_to_all=True, weight=0.7, delay="1 ms")
    >>> module = learn.from_network(net, "1 ms")
    >>> module(module.given(steps=5))["E"][:, 0, 0]
    tensor([0., 0., 1., 0., 0.], dtype=torch.float64, grad_fn=<SelectBackward0>)
    """
    if not isinstance(network, Network):
        raise InputError(f"a Network is wanted, not {type(network).__name__}")
    return NetworkModule(network, dt, seed, gradient)


@final
class NetworkModule(nn.Module):
    """What `from_network` returns: steps through time, all populations together."""

    def __init__(self, network: Network, dt: Any, seed: int, gradient: Surrogate | None) -> None:
        super().__init__()
        self.dt = to_number(dt, "ms", "dt")
        if not 0 < self.dt < float("inf"):
            raise InputError(f"dt = {self.dt:g} ms is not positive")
        self.sizes = {name: part.n for name, part in network.populations.items()}
        self.sources = {n: p.model for n, p in network.populations.items() if isinstance(p.model, SpikeSource)}
        self.names = [n for n in self.sizes if n not in self.sources]
        self.layers = nn.ModuleList()
        self.drives: dict[tuple[str, str], SpikeSource] = {}
        for name in self.names:
            self.layers.append(self._make_layer(network[name], gradient))
        self.links: list[tuple[str, str, str, int, int]] = []  # source, target, port, delay in steps, number of weight
        self.weights = nn.ParameterList()
        for projection in network.projections:
            self._add_link(projection, seed)
        if not self.names:
            raise NotConvertible("the network has no neurons, only sources of spikes")

    def _make_layer(self, part: Part, gradient: Surrogate | None) -> Layer:
        model = part.model
        assert isinstance(model, Neuron)
        if not model.ports:
            raise NotConvertible(f"{part.name}: {model.name} has no receive row, so nothing can arrive; give it one")
        values = {}
        for name, value in part.values.items():
            if isinstance(value, SpikeSource):
                self.drives[part.name, name] = value
            elif not isinstance(value, Quantity) or isinstance(value.value, Distribution):
                kind = "is drawn at random" if isinstance(value, Quantity) else "changes in time"
                raise NotConvertible(f"{part.name}: {name} {kind}, which a layer's parameter cannot; give its values")
            else:
                values[name] = value
        if model.hazard is not None or model.noises:
            raise NotConvertible(f"{part.name}: {model.name} is noisy, so its spikes are not those of another run")
        port = model.ports[0]
        return Layer(model.replace(**values) if values else model, self.dt, gradient, size=part.n, to=port)

    def _add_link(self, projection: Projection, seed: int) -> None:
        if projection.is_plastic:
            raise NotConvertible(f"{projection.name}: its synapses are plastic; connect it with plastic=False")
        synapses = projection.synapses(seed)
        delays = np.broadcast_to(np.asarray(synapses.delay, dtype=float) / self.dt, (len(synapses),))
        steps = np.rint(delays).astype(int)
        if (np.abs(delays - steps) > 1e-6 * np.maximum(delays, 1)).any() or (steps < 1).any():
            raise NotConvertible(
                f"{projection.name}: delays from {self.dt * float(delays.min()):g} ms on are not whole numbers of steps"
                f" of {self.dt:g} ms, 1 or more; choose dt so that they are"
            )
        if len(np.unique(steps)) > _MOST:
            raise NotConvertible(
                f"{projection.name} has {len(np.unique(steps))} different delays; at most {_MOST} here"
            )
        strengths = np.broadcast_to(np.asarray(synapses.weight, dtype=float), (len(synapses),))
        for step in np.unique(steps):
            chosen = steps == step
            dense = np.zeros((projection.source.n, projection.target.n))
            np.add.at(dense, (synapses.pre[chosen], synapses.post[chosen]), strengths[chosen])
            ends = (projection.source.name, projection.target.name, projection.port)
            self.links.append((*ends, int(step), len(self.weights)))
            self.weights.append(nn.Parameter(torch.from_numpy(dense)))

    def given(self, steps: int, batch: int = 1) -> dict[str, Tensor]:
        """Return the spikes that the network's own sources hold, ``{source: [time, batch, n]}``.

        Raises
        ------
        NotConvertible
            If a source draws its spikes at random.
        """
        return {
            name: self._render(source, name, self.sizes[name], steps, batch) for name, source in self.sources.items()
        }

    def _render(self, source: Any, name: str, n: int, steps: int, batch: int) -> Tensor:
        if not isinstance(source, SpikeTrains):
            raise NotConvertible(f"{name} draws its spikes at random; give them: module({{'{name}': tensor, ...}})")
        at, neurons, weights = source.on_grid(self.dt, n, 0, True)(0, steps)
        out = np.zeros((steps, n))
        np.add.at(out, (at - 1, neurons), weights)
        return torch.from_numpy(out)[:, None].expand(steps, batch, n)

    def forward(self, x: Mapping[str, Tensor] | Tensor) -> dict[str, Tensor]:
        """Return the spikes of each population, ``[time, batch, n]``, at t_(k+1); x are those of the sources.

        The step of the spikes at t_0 is not there: nothing arrives at the beginning.
        """
        sent, total, batch = self._read(x)
        kind = self.weights[0].dtype if len(self.weights) else torch.float64
        driven = {key: self._render(s, key[0], self.sizes[key[0]], total, batch) for key, s in self.drives.items()}
        states = {n: layer.start(batch, dtype=kind) for n, layer in self._named()}
        history: dict[str, list[Tensor]] = {n: [] for n in self.names}
        for k in range(total):
            for name, layer in self._named():
                fed = {p: torch.zeros(batch, self.sizes[name], dtype=kind) for p in layer.neuron().ports}
                for source, target, port, delay, w in self.links:
                    if target == name and k >= delay:
                        spikes = sent[source][k - delay] if source in sent else history[source][k - delay]
                        fed[port] = fed[port] + spikes.to(kind) @ self.weights[w]
                for (target, port), drive in driven.items():
                    if target == name:
                        fed[port] = fed[port] + drive[k].to(kind)
                z, states[name] = layer.step(fed, states[name])
                history[name].append(z)
        return {n: torch.stack(z) for n, z in history.items()}

    def _named(self) -> list[tuple[str, Layer]]:
        return [(n, layer) for n, layer in zip(self.names, self.layers, strict=True) if isinstance(layer, Layer)]

    def _read(self, x: Any) -> tuple[dict[str, Tensor], int, int]:
        if isinstance(x, Tensor) and len(self.sources) == 1:
            x = {next(iter(self.sources)): x}
        if not isinstance(x, Mapping):
            raise InputError(
                f"x must be a dict of the sources' spikes: {', '.join(self.sources) or 'none'}; see given()"
            )
        for name in x:
            if name not in self.sources:
                raise InputError(f"'{name!s:.60}' is no source.{nearest(str(name), self.sources)}")
        missing = [n for n in self.sources if n not in x]
        if missing:
            raise InputError(
                f"the spikes of {', '.join(missing)} are missing; module.given(steps) has those that are known"
            )
        shapes = {n: tuple(v.shape) for n, v in x.items()}
        for n, shape in shapes.items():
            if len(shape) != 3 or shape[2] != self.sizes[n] or shape[:2] != next(iter(shapes.values()))[:2]:
                raise InputError(
                    f"{n} has shape {list(shape)}; [time, batch, {self.sizes[n]}] is wanted, alike for all"
                )
        if not shapes:
            raise InputError("a network without sources has no input that tells the time; add a source of spikes")
        total, batch = next(iter(shapes.values()))[:2]
        return dict(x), total, batch
