"""Weights with which layers fire at a stated rate: first from tau, threshold and fan-in, then corrected on data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from rheobase.emit.layer_modules import step_module
from rheobase.errors import InputError, nearest
from rheobase.learn.layer import Layer
from rheobase.learn.levels import answer
from rheobase.learn.trains import read_number, read_rate, read_seed
from rheobase.learn.walk import Stage, find_layers, untouched, walk

__all__ = ["Initialised", "LayerRate", "initialise"]

_NEAR: Final = 0.02  # relative: closer to the wanted rate is close enough
_TRIALS: Final = 40


@final
@dataclass(frozen=True)
class LayerRate:
    """What was done for one layer.

    Attributes
    ----------
    name, weights : str
        The layer, and the module whose weights were drawn; empty if none was.
    wanted, theory, found : float
        Spikes per step: asked for, with the weights of the theory, with those now there.
    std : float
        Standard deviation of the weights now there.
    note : str
        Why nothing was done, where nothing was.
    """

    name: str
    weights: str
    wanted: float
    theory: float
    found: float
    std: float
    note: str = ""


@final
@dataclass(frozen=True, repr=False)
class Initialised:
    """What `initialise` did, layer by layer; print it for a table."""

    layers: tuple[LayerRate, ...]

    def __repr__(self) -> str:
        rows = [("layer", "weights", "std", "spikes per step: wanted", "by theory", "now")]
        for r in self.layers:
            if r.note:
                rows.append((r.name, r.note, "", "", "", ""))
            else:
                numbers = (f"{r.std:.3g}", f"{r.wanted:.3g}", f"{r.theory:.3g}", f"{r.found:.3g}")
                rows.append((r.name, r.weights, *numbers))
        wide = [max(len(row[k]) for row in rows if not (k and row[2] == "" and row != rows[0])) for k in range(6)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, wide, strict=True)).rstrip() for row in rows)


def initialise(
    net: nn.Module,
    rate: Any,
    data: Any,
    *,
    draw: bool = True,
    recurrent_share: float = 0.1,
    seed: int | None = None,
) -> Initialised:
    r"""Draw weights with which every layer fires at a stated rate, driven by fluctuations; return what was done.

    In units of the distance from rest to threshold, with the neuron's answer :math:`\varepsilon_k` to one input, n
    inputs of mean m and variance s^2 a step, and weights of mean zero, u - its value at rest varies in time and from
    neuron to neuron by

    .. math:: \sigma_f^2 = n \sigma_w^2 s^2 \sum_k \varepsilon_k^2, \qquad
        \sigma_q^2 = n \sigma_w^2 m^2 \big(\sum_k \varepsilon_k\big)^2

    A neuron of mean M fires when a fluctuation reaches 1: in a step with the probability
    :math:`\Phi((M - 1)/\sigma_f)/l` for M < 1 and :math:`(M - 1/2)/l` above, where
    :math:`l = (\sum \varepsilon_k)^2 / 2 \sum \varepsilon_k^2` is how long a fluctuation lasts (tau/dt of a LIF). The
    mean of that over the neurons is made the wanted rate by choice of :math:`\sigma_w`. As :math:`\varepsilon` is
    computed from the rows, tau, threshold, synapses and dt are in it. Then, layer after layer, the weights are scaled
    until the data make the layer fire as stated, within 2 %: this holds for neurons and data of any kind.

    Parameters
    ----------
    net : Module
        With `learn.Layer` in it, each fed by a module with weights (Linear, Conv ...). Weights are changed in place,
        biases set to zero. Layers that never fire, or are fed without weights, are left as they are.
    rate : float, str or dict
        Spikes per neuron and step, or ``"10 Hz"``; a dict from layer's name to such.
    data : Tensor [time, batch, ...], or tuple
        A typical batch, as the network is given it; a tuple is several arguments.
    draw : bool
        Whether weights are drawn anew, from a normal distribution; False scales those that are there.
    recurrent_share : float
        Which part of the variance of u comes from recurrent weights, where there are any.
    seed : int, optional
        Of the draw; by default torch's global generator.

    Returns
    -------
    Initialised
        Frozen; prints as a table.

    Raises
    ------
    InputError
        If a layer cannot fire as stated: its input is silent, or the rate is above one spike per refractory time.

    References
    ----------
    Rossbroich, Gygax & Zenke, Neuromorphic Computing and Engineering 2, 044016 (2022), for fluctuation-driven
    initialisation.

    Examples
    --------
    >>> import rheobase as rb
    >>> from rheobase import learn
    >>> _ = torch.manual_seed(0)
    >>> lif = rb.LIF(tau="10 ms")
    >>> net = nn.Sequential(
    ...     nn.Linear(50, 40), learn.Layer(lif, dt="1 ms"), nn.Linear(40, 30), learn.Layer(lif, dt="1 ms")
    ... )
    >>> x = learn.encode.rate(torch.rand(16, 50), steps=100, highest="100 Hz", dt="1 ms")
    >>> done = learn.initialise(net, rate="10 Hz", data=x, seed=1)
    >>> [round(r.found, 3) for r in done.layers]
    [0.01, 0.01]
    """
    layers = find_layers(net)
    wanted = _read_rates(rate, layers)
    recurrent_share = read_number(recurrent_share, "recurrent_share")
    if not 0 <= recurrent_share < 1:
        raise InputError(f"recurrent_share = {recurrent_share!r} must be in [0, 1)")
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    generator = read_seed(seed, device)
    done = []
    with torch.no_grad(), untouched(net):
        stages, _ = walk(net, data)
        order = list({id(s.layer): s.layer for s in stages}.values())
        for layer in order:
            # walked anew for each: the layers before it fire otherwise now
            stage = next(s for s in reversed(walk(net, data, until=layer)[0]) if s.layer is layer)
            done.append(_settle(net, data, stage, wanted[stage.name], draw, recurrent_share, generator))
    return Initialised(tuple(done))


def _settle(
    net: nn.Module,
    data: Any,
    stage: Stage,
    wanted: float,
    draw: bool,
    share: float,
    generator: torch.Generator | None,
) -> LayerRate:
    layer = stage.layer
    module = step_module(layer._neuron, layer._default_fed(), layer.method)
    if not module.FIRES:
        return LayerRate(stage.name, "", wanted, math.nan, math.nan, math.nan, "never fires: left as it is")
    if not stage.weights:
        return LayerRate(stage.name, "", wanted, math.nan, math.nan, math.nan, "is fed without weights: left as it is")
    name, feeding, given = stage.weights[-1]
    _check_possible(layer, stage.name, wanted)
    if not bool(given.any()):
        raise InputError(f"layer '{stage.name}' cannot fire: all that '{name}' before it is given is zero")
    weights = [feeding.weight, *_recurrent_weights(layer)]
    assert all(isinstance(w, Tensor) for w in weights)
    # nothing between the weights and the layer: then what comes before need not be run again
    direct = isinstance(stage.fed, Tensor) and torch.equal(feeding(given), stage.fed)
    if draw:
        _draw_weights(weights, layer, given, wanted, share, generator)
        if isinstance(getattr(feeding, "bias", None), Tensor):
            feeding.bias.zero_()
    start = [w.clone() for w in weights]

    def measure(factor: float) -> float:
        for w, w0 in zip(weights, start, strict=True):
            w.copy_(factor * w0)
        fed = feeding(given) if direct else walk(net, data, until=layer)[0][-1].fed
        return float(layer.record(fed, ("z",), stage.state)["z"].mean())

    theory = measure(1.0)
    found = _search(measure, wanted, theory, stage.name)
    return LayerRate(stage.name, name, wanted, theory, found, float(weights[0].std()))


def _draw_weights(
    weights: list[Any], layer: Layer, given: Tensor, wanted: float, share: float, generator: torch.Generator | None
) -> None:
    """Draw weights as the theory says; where it says nothing, of the distance to threshold over sqrt(fan-in)."""
    recurrent = len(weights) > 1
    steps = given.shape[1 if layer.batch_first else 0]
    m, v = float(given.double().mean()), float(given.double().var(correction=0))
    inputs = [(m, v, 1 - share if recurrent else 1.0, layer.to_port)]
    inputs += [(wanted, wanted * (1 - wanted), share, layer.recurrent_to)] * (len(weights) - 1)
    for w, (mean, variance, part, port) in zip(weights, inputs, strict=True):
        n = w[0].numel()
        epsilon = answer(layer, steps, port)
        std = layer.scale / math.sqrt(n)
        if epsilon is not None and float(epsilon.square().sum()) > 0:
            area, energy = float(epsilon.sum()), float(epsilon.square().sum())
            std = math.sqrt(part / n) * _theory(wanted, variance * energy, (mean * area) ** 2, 0.5 * area**2 / energy)
        w.normal_(0, std, generator=generator)


def _theory(wanted: float, in_time: float, among_neurons: float, lasts: float) -> float:
    """Return the sqrt(n) sigma_w of the wanted mean rate; the variances are those where it is 1."""
    k = torch.linspace(-5, 5, 201, dtype=torch.float64)
    share = torch.exp(-0.5 * k**2)
    share /= share.sum()
    lasts = max(1.0, lasts)

    def rate(size: float) -> float:
        mean = size * math.sqrt(among_neurons) * k
        spread = max(size * math.sqrt(in_time), 1e-12)
        below = torch.special.ndtr((mean - 1) / spread)
        return float((share * torch.where(mean < 1, below, mean - 0.5)).sum()) / lasts

    low, high = -20.0, 20.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rate(2.0**middle) < wanted else (low, middle)
    return float(2.0**high)


def _search(measure: Any, wanted: float, now: float, name: str) -> float:
    """Scale until the rate is the wanted one: by doubling until it is enclosed, then by halving on a log scale."""
    low = high = 0.0
    factor, rate, step = 0.0, now, 0.5
    enclosed = [False, False]
    for _ in range(_TRIALS):
        if abs(rate - wanted) <= _NEAR * wanted:
            return rate
        if rate < wanted:
            low, enclosed[0] = factor, True
        else:
            high, enclosed[1] = factor, True
        if all(enclosed):
            if high - low < 1e-4:
                break
            factor = 0.5 * (low + high)
        else:
            factor += step if rate < wanted else -step
            step = min(2 * step, 4.0)
            if abs(factor) > 60:
                break
        rate = measure(2.0**factor)
    if not all(enclosed):
        raise InputError(
            f"layer '{name}' cannot fire at {wanted:g} spikes per step: with weights {2.0**factor:.2g} times those of"
            f" the theory it fires at {rate:g}. Is its input nearly silent, or inhibition alone?"
            " learn.diagnose(net, batch) tells"
        )
    return rate


def _recurrent_weights(layer: Layer) -> list[Tensor]:
    if layer.recurrent is None:
        return []
    return [m.weight for m in layer.recurrent.modules() if isinstance(getattr(m, "weight", None), Tensor)][:1]


def _check_possible(layer: Layer, name: str, wanted: float) -> None:
    n = layer._neuron
    rest = max((layer.values.number(p) for p in n.refractory.values()), default=0.0)
    most = 1 / (1 + round(float(rest) / layer.dt)) if n.refractory else 1.0
    if wanted >= 0.9 * most:
        raise InputError(
            f"layer '{name}' cannot fire at {wanted:g} spikes per step: refractoriness and dt allow {most:.3g}"
        )


def _read_rates(rate: Any, layers: Mapping[str, Layer]) -> dict[str, float]:
    if isinstance(rate, Mapping):
        for key in rate:
            if key not in layers:
                raise InputError(f"rate: there is no layer '{key!s:.60}'.{nearest(str(key), layers)} {[*layers]}")
        if missing := [n for n in layers if n not in rate]:
            raise InputError(f"rate: layer '{missing[0]}' has none; name all, or give one rate for all")
    out = {n: read_rate(rate[n] if isinstance(rate, Mapping) else rate, "rate", la.dt) for n, la in layers.items()}
    if min(out.values()) <= 0:
        raise InputError(f"rate = {rate!r} must be positive: 0.01 spikes per step, or '10 Hz'")
    return out
