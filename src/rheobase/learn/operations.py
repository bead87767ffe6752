"""Counting what a network does: spikes, synaptic operations, updates, bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from rheobase.errors import InputError
from rheobase.learn.account import Account, Entry, read_chip
from rheobase.learn.conversion.firing import Firing, MaxOfSums
from rheobase.learn.conversion.network import Converted
from rheobase.learn.conversion.quantise import QuantReLU
from rheobase.learn.conversion.samples import read_samples
from rheobase.learn.layer import Layer
from rheobase.network.network import Network

__all__ = ["energy"]

_CONVS: Final = {nn.Conv1d: nn.functional.conv1d, nn.Conv2d: nn.functional.conv2d, nn.Conv3d: nn.functional.conv3d}
_POOLS: Final = (
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
)
_FREE: Final = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_CHEAP: Final = (
    nn.ReLU,
    nn.ReLU6,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    QuantReLU,
    MaxOfSums,
    nn.Softmax,
    nn.LogSoftmax,
)


def energy(net: Any, data: Any, chip: Any = "cmos45", *, weight_bytes: int = 4, state_bytes: int = 4) -> Account:
    """Return what a network does for one sample, and what it costs on a chip.

    One definition for spiking and artificial networks, for modules and for simulated networks:

    - a *synaptic operation* is one weight times one input. It is *effective* if the input is not zero; *dense* counts
      all. For a convolution only weights that lie over the image count as effective; at its edge dense counts padding.
    - it is an *accumulate* (AC) if the layer's input holds only 0 and one other number, which the weight can carry:
      spikes; otherwise a *multiply-accumulate* (MAC).
    - an *update* is one neuron advanced by one step, whether it receives something or not.
    - *memory*: a weight is fetched for each effective operation, without reuse; each state is read and written in every
      update.

    Average pooling is a layer of operations. A bias, a ReLU and a maximum are not counted. What is held constant over
    time, as the input of a converted network, is multiplied once, not in every step.

    Parameters
    ----------
    net : Module, Converted or Network
        With `learn.Layer` in it, data are ``[time, batch, ...]`` (or as its batch_first says).
    data : tensor, (x, y), loader, or the run of a Network
    chip : str or Chip
        "cmos45", "cmos45_int8", "loihi", "spinnaker", "spinnaker2", "truenorth", "seneca", "cpu", "gpu"; see
        `learn.chips`.
    weight_bytes, state_bytes : int
        The size of a weight and of a state in memory.

    Returns
    -------
    Account
        ``print`` it: a table by layer, with the chip's source and assumptions. ``account.joules`` is the sum.

    Raises
    ------
    InputError
        For data that do not fit, an unknown chip, or layers whose operations are not known, by name.

    Notes
    -----
    Effective operations, AC and MAC are defined as in NeuroBench (Yik et al. 2025, Nat. Commun.,
    doi 10.1038/s41467-025-56739-4).
    Joules are operations times prices, no measurement: idle power, routing and control are missing where a
    chip's source does not hold them.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from rheobase import learn
    >>> net = nn.Sequential(nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 2))
    >>> learn.energy(net, torch.ones(10, 4)).total("dense")
    48.0
    """
    price = read_chip(chip)
    size = (_read_bytes(weight_bytes, "weight_bytes"), _read_bytes(state_bytes, "state_bytes"))
    if isinstance(net, Network):
        from rheobase.learn.operations_network import count_network

        entries, steps = count_network(net, data, *size)
        return Account(tuple(entries), 1, steps, price)
    if not isinstance(net, nn.Module):
        raise InputError(f"a Module or a Network is wanted, not {type(net).__name__}")
    counter = _Counter(net, *size)
    samples = 0
    for x in _batches(data):
        samples += counter.count(x)
    return Account(tuple(counter.entries(samples)), samples, counter.steps, price)


def _read_bytes(given: Any, what: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InputError(f"{what} = {given!r:.40} must be a whole number from 1, bytes")
    return given


def _batches(data: Any) -> Iterable[Tensor]:
    pair = isinstance(data, tuple | list) and len(data) == 2
    if isinstance(data, Tensor) or hasattr(data, "__array__") or pair:
        return [read_samples(data, "data").x]
    return [read_samples(data, "data", most=1 << 20).x]


@final
class _Counter:
    """Hooks on the layers of a module that add up what passes."""

    def __init__(self, net: nn.Module, weight_bytes: int, state_bytes: int) -> None:
        self.net, self.weight_bytes, self.state_bytes = net, weight_bytes, state_bytes
        self.steps = net.latency if isinstance(net, Converted) else 1
        self.sums: dict[str, dict[str, float]] = {}
        self.kinds: dict[str, str] = {}
        self._refuse()

    def _layers(self) -> list[tuple[str, nn.Module]]:
        found: list[tuple[str, nn.Module]] = []
        inside: list[str] = []
        for name, module in self.net.named_modules():
            if any(name.startswith(f"{i}.") for i in inside):
                continue
            if isinstance(module, Firing | Layer | MaxOfSums):
                inside.append(name)
            if isinstance(module, Firing | Layer | MaxOfSums) or not [*module.children()]:
                found.append((name, module))
        return found

    def _refuse(self) -> None:
        known = (nn.Linear, *_CONVS, *_POOLS, *_FREE, *_CHEAP, Firing, Layer)
        bad = [
            f"{name} ({type(m).__name__})"
            for name, m in self._layers()
            if not isinstance(m, known)
            and any(True for _ in m.parameters())
            and not isinstance(m, nn.modules.batchnorm._BatchNorm)
        ]
        if bad:
            raise InputError(
                f"operations of these layers are not known here: {', '.join(bad)}; count what is around them"
            )

    def count(self, x: Tensor) -> int:
        """Add up one pass over x; return how many samples it holds."""
        hooks = []
        for name, module in self._layers():
            hooks.append(module.register_forward_hook(self._watch(name, module)))
        like = next((p for p in self.net.parameters() if p.is_floating_point()), None)
        try:
            with torch.no_grad():
                self.net(x if like is None else x.to(like))
        finally:
            for hook in hooks:
                hook.remove()
        layers = [m for _, m in self._layers() if isinstance(m, Layer)]
        if isinstance(self.net, Converted) or not layers:
            return len(x)
        first = layers[0].batch_first
        self.steps = x.shape[1 if first else 0]
        return x.shape[0 if first else 1]

    def _watch(self, name: str, module: nn.Module) -> Any:
        def add(_: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            x = given[0]
            out = out[0] if isinstance(out, tuple) else out
            sums = self.sums.setdefault(name, dict.fromkeys(("spikes", "dense", "mac", "ac", "updates", "states"), 0.0))
            self.kinds[name] = type(module).__name__
            if isinstance(module, (nn.Linear, *_CONVS, *_POOLS)):
                dense, effective = _operations(module, x, out)
                sums["dense"] += dense
                sums["ac" if _is_binary(x) else "mac"] += effective
            elif isinstance(module, Firing | Layer):
                layer = module.layer if isinstance(module, Firing) else module
                sums["updates"] += x.numel() * (2 if getattr(module, "delayed", False) else 1)
                sums["states"] = len(layer.neuron().states)
                spikes = out if isinstance(module, Firing) or layer.read.kind == "spikes" else None
                sums["spikes"] += float((spikes != 0).sum()) if spikes is not None else 0.0
                self._add_recurrent(layer, sums, spikes)

        return add

    def _add_recurrent(self, layer: Layer, sums: dict[str, float], spikes: Tensor | None) -> None:
        if layer.recurrent is None or spikes is None:
            return
        weights = sum(p.numel() for n, p in layer.recurrent.named_parameters() if n.endswith("weight"))
        neurons = spikes[0, 0].numel()
        sums["dense"] += weights * spikes.shape[0] * spikes.shape[1]
        sums["ac"] += float((spikes != 0).sum()) * weights / neurons

    def entries(self, samples: int) -> list[Entry]:
        """Return one entry a layer, for one sample."""
        out = []
        titles = _titles(self.net)
        for name, s in self.sums.items():
            each = {k: v / samples for k, v in s.items()}
            if not any(each[k] for k in ("dense", "updates")):
                continue
            moved = (each["mac"] + each["ac"]) * self.weight_bytes
            states = 2 * s["states"] * each["updates"] * self.state_bytes
            kind = {"Firing": "neurons", "Layer": "neurons"}.get(self.kinds[name], self.kinds[name])
            values = (each["spikes"], each["dense"], each["mac"], each["ac"], each["updates"])
            out.append(Entry(titles.get(name, name or "net"), kind, *values, moved, states))
        return out


def _titles(net: nn.Module) -> dict[str, str]:
    """Return how the layers of a converted network are called."""
    if not isinstance(net, Converted):
        return {}
    return {
        f"body.{n.target}": str(n.meta.get("title", n.target)) for n in net.body.graph.nodes if n.op == "call_module"
    }


def _operations(module: nn.Module, x: Tensor, out: Tensor) -> tuple[float, float]:
    """Return dense and effective operations of one call."""
    active = (x != 0).to(torch.float32)
    if isinstance(module, nn.Linear):
        return float(x.numel() * module.out_features), float(active.sum()) * module.out_features
    if isinstance(module, _POOLS):
        each = x.numel() / max(1, out.numel())  # inputs for each output, where windows do not overlap
        return float(out.numel() * each), float(active.sum())
    assert isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    ones = torch.ones_like(module.weight, dtype=torch.float32)
    fed = active
    if module.padding_mode != "zeros":
        fed = nn.functional.pad(active, module._reversed_padding_repeated_twice, mode=module.padding_mode)
    convolve = _CONVS[type(module)]
    padding = 0 if module.padding_mode != "zeros" else module.padding
    reached = convolve(fed, ones, None, module.stride, padding, module.dilation, module.groups)
    return float(out.numel() * module.weight[0].numel()), float(reached.sum(dtype=torch.float64))


def _is_binary(x: Tensor) -> bool:
    """Whether x holds only 0 and one other number."""
    other = x[x != 0]
    return other.numel() == 0 or bool((other == other.flatten()[0]).all())
