"""What stands in a converted network in place of ReLU and maximum: neurons, and a maximum of counts."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from rheobase.errors import InputError, NotConvertible
from rheobase.learn.layer import Layer
from rheobase.model.neuron import Neuron

__all__ = ["Firing", "MaxOfSums", "Rectify", "integrator"]


@final
class Rectify(nn.Module):
    """A ReLU while the network is still artificial: ``min(max(x, 0), cap)``."""

    def __init__(self, cap: float = float("inf")) -> None:
        super().__init__()
        self.cap = cap

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified values."""
        return torch.clamp(x, 0.0, self.cap) if self.cap < float("inf") else torch.relu(x)


@final
class Firing(nn.Module):
    """Integrate-and-fire neurons in place of one ReLU: ``theta * spikes`` has the ReLU's value as its mean over time.

    A `learn.Layer` of integrators with reset by subtraction, whose threshold is 1 after ``x -> (x + shift)/theta``. It
    starts at half the threshold, so that counts are rounded to the nearest instead of down. A scale that has been taken
    over by the weights before or behind it is None.

    Parameters
    ----------
    layer : Layer
        Of perfect integrators with threshold `unit`.
    theta, shift : tensor
        Broadcast against ``x[0, 0]``, such as ``[channels, 1, 1]``.
    unit : float
        The threshold of the neurons.
    delayed : bool
        Integrate all the input first, then fire.

    References
    ----------
    Rueckauer, Lungu, Hu, Pfeiffer & Liu (2017) Front. Neurosci. 11:682 (reset by subtraction); Bu, Ding, Yu & Huang
    (2022) "Optimized potential initialization for low-latency spiking neural networks", AAAI (half the threshold).
    """

    theta: Tensor
    shift: Tensor
    gain: Tensor | None
    offset: Tensor | None
    scale: Tensor | None

    def __init__(self, layer: Layer, theta: Tensor, shift: Tensor, unit: float, delayed: bool = False) -> None:
        super().__init__()
        self.layer, self.unit, self.delayed = layer, unit, delayed
        self.register_buffer("theta", theta.clone())
        self.register_buffer("shift", shift.clone())
        self.register_buffer("gain", unit / theta)
        self.register_buffer("offset", shift * unit / theta)
        self.register_buffer("scale", theta.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return what is sent on, ``[time, batch, ...]`` as x: spikes, times their scale if no weight carries it."""
        z = self.fire(x)
        return z if self.scale is None else z * self.scale

    def fire(self, x: Tensor) -> Tensor:
        """Return the spikes, 0 or 1."""
        if self.gain is not None:
            x = x * self.gain
        if self.offset is not None:
            x = x + self.offset
        if self.delayed:
            x = torch.cat([x.sum(0, keepdim=True), torch.zeros_like(x[1:])])
        out: Tensor = self.layer(x)
        return out

    def extra_repr(self) -> str:
        """Return what `print` shows between the brackets."""
        taken = [n for n, x in (("before", self.gain), ("behind", self.scale)) if x is None]
        where = f", in the weights {' and '.join(taken)}" if taken else ""
        return f"theta {float(self.theta.mean()):.3g} of shape {list(self.theta.shape)}{where}"


@final
class MaxOfSums(nn.Module):
    """Maximum pooling over time: ``y_t = M_t - M_(t-1)``, where M_t pools the sums of the input up to t.

    The mean of y over time is the pooled mean of the input, exactly. Of spikes it makes spikes: no sum grows by more
    than one in a step, so neither does their maximum. (Rueckauer et al. 2017 let the neuron with the highest
    rate so far through, which is this but for changes of the leader.)

    Parameters
    ----------
    pool : Module
        Pools one time step.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled sequence; x is ``[time, batch, ...]``."""
        pooled = self.pool(x.cumsum(0).flatten(0, 1)).unflatten(0, x.shape[:2])
        out: Tensor = torch.diff(pooled, dim=0, prepend=torch.zeros_like(pooled[:1]))
        return out


def integrator(neuron: Neuron | None) -> tuple[Layer, float, list[str]]:
    """Return a layer of the neurons that a converted network is made of, their threshold, and notes.

    The reset becomes one by subtraction, and the start half the threshold.

    Raises
    ------
    NotConvertible
        If the neuron leaks, is driven, or has states of its own: its rate is no ReLU then.
    """
    from rheobase.model.zoo import IF

    notes = []
    if neuron is None:
        neuron = IF(threshold="v >= theta", reset="v <- v - theta")
    if not isinstance(neuron, Neuron):
        raise InputError(f"neuron = {neuron!r:.60} is no Neuron; give rb.IF(), or leave it out")
    if neuron.states != ("v",) or len(neuron.ports) != 1 or "theta" not in neuron.parameters or neuron.refractory:
        raise NotConvertible(
            f"a rate that is a ReLU needs one state v, one port, a threshold theta and no refractory time;"
            f" {neuron.name} has the states {', '.join(neuron.states)} and the ports"
            f" {', '.join(neuron.ports) or 'none'}; give rb.IF()"
        )
    value = neuron.parameters["theta"]
    theta = float(value.value) if not value.shape and isinstance(value.value, int | float) else -1.0
    if not theta > 0:
        raise NotConvertible(f"theta = {value} of {neuron.name} must be one positive number; thresholds are found here")
    if neuron.reset != "v <- v - theta":
        notes.append(f"reset '{neuron.reset}' became 'v <- v - theta': a reset to a value would lose charge")
        text = str(value) if value.dimension is not None else theta
        neuron = neuron.replace(reset="v <- v - theta", theta=text)
    unit = f" {value.dimension.unit}" if value.dimension is not None and value.dimension.unit else ""
    neuron = neuron.replace(v=f"{theta / 2}{unit}" if unit else theta / 2)
    layer = Layer(neuron, dt="1 ms")
    _check_integrates(layer, theta, neuron.name)
    return layer, theta, notes


def _check_integrates(layer: Layer, theta: float, name: str) -> None:
    """Give it a little charge and none, and see whether it is all kept, and what a spike takes."""
    charge = torch.tensor([0.25, 0.0, 0.0, 1.5, 0.0], dtype=torch.float64).reshape(5, 1, 1) * theta
    traces = layer.record(charge)
    v, z = traces["v"].flatten() / theta, traces["z"].flatten()
    wanted = torch.tensor([0.75, 0.75, 0.75, 1.25, 0.25], dtype=torch.float64)
    if not torch.allclose(v, wanted, atol=1e-9) or z.tolist() != [0, 0, 0, 1, 1]:
        raise NotConvertible(
            f"{name} does not keep what it receives (after charges of 0.25, 0, 0, 1.5, 0 theta its v/theta is"
            f" {[round(float(a), 3) for a in v]}, a perfect integrator's {wanted.tolist()}), so its rate is no ReLU;"
            " give rb.IF()"
        )
