"""The bill of a conversion: what each layer lost, what the whole lost against time, what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import torch
from torch import Tensor, fx

from rheobase.errors import InputError
from rheobase.learn.account import Account, write_columns
from rheobase.learn.conversion.firing import Firing
from rheobase.learn.conversion.network import Converted
from rheobase.learn.conversion.samples import Samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Bill", "LayerBill", "make_bill"]

_VALUES: Final = 1 << 24  # neurons times steps times samples that are held at once


@final
@dataclass(frozen=True)
class LayerBill:
    """What one layer of neurons made of its ReLU.

    Attributes
    ----------
    name : str
    neurons : int
    theta : float
        Its mean threshold, in the unit of the activation.
    error : float
        Root mean square of ``theta * rate - activation``, over that of the activation.
    bias : float
        Mean of the same difference, over the mean activation.
    rate : float
        Spikes a neuron and step.
    silent, saturated : float
        Shares of neurons that never fire, and of (neuron, sample) pairs that fire in every step.
    """

    name: str
    neurons: int
    theta: float
    error: float
    bias: float
    rate: float
    silent: float
    saturated: float


@final
@dataclass(frozen=True, repr=False)
class Bill:
    """What a conversion costs; ``print`` it, or ``plot()`` it.

    Attributes
    ----------
    layers : tuple of LayerBill
    steps, latency : int
        Steps it was converted for; steps from input to result.
    accuracy_ann : float or None
        Of the ReLU network, if there were labels.
    accuracy : array (steps,) or None
        Of the spiking network after each step.
    agreement : array (steps,) or None
        Share of samples of which both say the same (largest output); None for a single output.
    error : array (steps,)
        Root mean square difference of the outputs, over the standard deviation of the ReLU network's (after tuning, if
        it was tuned; accuracies and agreement are those with the network as it was given).
    operations, operations_ann : Account
        Of both networks, see `learn.energy`.
    samples : int
    measured_on : str
    notes : tuple of str
    """

    layers: tuple[LayerBill, ...]
    steps: int
    latency: int
    accuracy_ann: float | None
    accuracy: np.ndarray | None
    agreement: np.ndarray | None
    error: np.ndarray
    operations: Account
    operations_ann: Account
    samples: int
    measured_on: str
    notes: tuple[str, ...]

    @property
    def spikes(self) -> float:
        """Spikes a sample."""
        return self.operations.total("spikes")

    def steps_for(self, accuracy: float) -> int | None:
        """Return how many steps a wanted accuracy takes (of agreement, where there were no labels).

        The least T from which on it is held, read from the measured curve. Beyond the steps measured the shortfall
        from the ReLU network is continued as c/T, the law of rounding a rate to 1/T. None: not to be had.

        Parameters
        ----------
        accuracy : float
            Between 0 and 1.
        """
        if not 0 < accuracy <= 1:
            raise InputError(f"accuracy = {accuracy!r:.40} is a share, between 0 and 1")
        curve = self.accuracy if self.accuracy is not None else self.agreement
        if curve is None:
            raise InputError("there are no labels, and one output alone has no largest; read report.error instead")
        limit = self.accuracy_ann if self.accuracy_ann is not None else 1.0
        held = np.minimum.accumulate(curve[::-1])[::-1] >= accuracy - 1e-12
        if held[-1]:
            return int(np.argmax(held)) + 1
        if self.latency != self.steps or accuracy > limit:
            return None
        late = np.arange(len(curve) // 2, len(curve)) + 1
        c = float(np.mean((limit - curve[late - 1]) * late))
        return max(len(curve) + 1, math.ceil(c / (limit - accuracy))) if c > 0 and accuracy < limit else None

    def __str__(self) -> str:
        head = f"{self.samples} {self.measured_on} samples, T = {self.steps} steps"
        if self.latency != self.steps:
            head += f" a layer, result after {self.latency}"
        rows = [
            [
                layer.name,
                "",
                f"{layer.neurons:,}",
                f"{layer.theta:.3g}",
                f"{100 * layer.error:.2f} %",
                f"{100 * layer.bias:+.2f} %",
                f"{layer.rate:.3f}",
                f"{100 * layer.silent:.0f} %",
                f"{100 * layer.saturated:.1f} %",
            ]
            for layer in self.layers
        ]
        heads = ["ReLU", "", "neurons", "theta", "error", "mean error", "spikes/step", "silent", "saturated"]
        return "\n".join([head, *write_columns(heads, rows), *self._curve(), *self._costs(), *self.notes])

    def _shown(self) -> list[int]:
        if self.latency != self.steps:  # a window is one value, read at its end
            return [self.steps]
        powers = [2**i for i in range(2, 20) if 2**i < self.steps] or [1]
        return [*powers, self.steps] if powers[-1] != self.steps else powers

    def _curve(self) -> list[str]:
        ts = self._shown()
        rows = []
        if self.accuracy is not None:
            rows.append(
                [
                    "accuracy",
                    f"ANN {100 * (self.accuracy_ann or 0):.2f}",
                    *(f"{100 * self.accuracy[t - 1]:.2f}" for t in ts),
                ]
            )
        if self.agreement is not None:
            rows.append(["agreement", "", *(f"{100 * self.agreement[t - 1]:.2f}" for t in ts)])
        rows.append(["output error", "", *(f"{100 * self.error[t - 1]:.2f}" for t in ts)])
        return write_columns(["%", "", *(f"T={t}" for t in ts)], rows)

    def _costs(self) -> list[str]:
        a, b = self.operations, self.operations_ann
        ann = f"{b.total('dense'):,.0f} MAC dense, {b.total('mac') + b.total('ac'):,.0f} effective, {b.joules:.3g} J"
        mine = f"{a.total('mac'):,.0f} MAC + {a.total('ac'):,.0f} AC + {a.total('updates'):,.0f} updates"
        return [
            f"a sample: {self.spikes:,.0f} spikes, {mine}, {a.joules:.3g} J",
            f"ReLU network: {ann} (on {a.chip.name}; print(report.operations) tells more)",
        ]

    __repr__ = __str__

    def plot(self, axes: Any = None) -> Figure:
        """Draw accuracy (or agreement, or output error) against T, and each layer's error; return the figure."""
        from rheobase import plot

        figure, (left, right) = plot.new_axes(1, 2, size=(9, 3.2)) if axes is None else (axes[0].figure, axes)
        t = np.arange(1, len(self.error) + 1)
        if self.accuracy is not None:
            left.plot(t, 100 * self.accuracy, color=plot.COLOURS[0], label="spikes")
            left.axhline(100 * (self.accuracy_ann or 0), color=plot.COLOURS[4], linewidth=2, label="ReLU", zorder=0)
            left.set(ylabel="accuracy (%)")
            left.legend(frameon=False, fontsize=9)
        elif self.agreement is not None:
            left.plot(t, 100 * self.agreement, color=plot.COLOURS[0])
            left.set(ylabel="agreement with the ReLU network (%)")
        else:
            left.plot(t, 100 * self.error, color=plot.COLOURS[0])
            left.set(ylabel="output error (%)")
        left.set(xlabel="T (steps)")
        left.set_xscale("log", base=2)
        left.xaxis.set_major_formatter("{x:g}")
        names = [layer.name for layer in self.layers]
        right.barh(names, [100 * layer.error for layer in self.layers], color=plot.COLOURS[2], height=0.6)
        right.invert_yaxis()
        right.set(xlabel=f"error of the activation at T = {self.steps} (%)", ylabel="layer")
        return figure


@final
class _Sums:
    """Of one layer, over all samples."""

    def __init__(self) -> None:
        self.square = self.wanted_square = self.difference = self.wanted = self.spikes = self.saturated = 0.0
        self.values = 0
        self.fired: Tensor | None = None

    def add(self, z: Tensor, theta: Tensor, wanted: Tensor) -> None:
        rate = z.mean(0)
        gap = (rate * theta - wanted).double()
        self.square += float(gap.square().sum())
        self.difference += float(gap.sum())
        self.wanted_square += float(wanted.double().square().sum())
        self.wanted += float(wanted.double().sum())
        self.spikes += float(rate.double().sum())
        self.saturated += float((rate == 1).sum())
        self.values += rate.numel()
        fired = (rate > 0).any(0)
        self.fired = fired if self.fired is None else self.fired | fired

    def read(self, name: str, theta: Tensor) -> LayerBill:
        assert self.fired is not None
        tiny = 1e-30
        return LayerBill(
            name,
            self.fired.numel(),
            float(theta.mean()),
            math.sqrt(self.square / max(self.wanted_square, tiny)) if self.square else 0.0,
            self.difference / max(self.wanted, tiny) if self.difference else 0.0,
            self.spikes / self.values,
            1 - float(self.fired.double().mean()),
            self.saturated / self.values,
        )


def make_bill(
    original: fx.GraphModule, ann: fx.GraphModule, snn: Converted, data: Samples, where: str, notes: list[str]
) -> Bill:
    """Return the bill of `snn`, made from `ann`, which may be `original` after some training, on some samples."""
    from rheobase.learn.operations import energy

    like = next((p for p in ann.parameters()), data.x)
    data = Samples(data.x.to(like), None if data.y is None else data.y.to(like.device))
    sums: dict[str, _Sums] = {}
    outs, wanted, first = [], [], []
    size = _one_sample(ann, data.x[:1])
    each = max(1, min(256, _VALUES // max(1, size * snn.steps)))
    for part in data.x.split(each):
        acts, out = _activations(ann, part)

        def fire(name: str, u: Tensor, module: Firing, acts: dict[str, Tensor] = acts) -> Tensor:
            z = module.fire(u)
            sums.setdefault(name, _Sums()).add(z, module.theta, acts[name])
            return z if module.scale is None else z * module.scale

        outs.append(snn.walk(part, None, fire))
        wanted.append(out)
        first.append(original(part) if original is not ann else out)
    curve, goal = torch.cat(outs, 1), torch.cat(wanted)
    accuracy_ann, accuracy, agreement = _score(curve, torch.cat(first), data.y)
    spread = float(goal.double().std()) if goal.numel() > 1 else 0.0
    error = (curve - goal).double().square().flatten(1).mean(1).sqrt() / (spread or 1.0)
    few = data.first(64).x
    return Bill(
        tuple(sums[n].read(n, m.theta) for n, m in snn.neurons.items()),
        snn.steps,
        snn.latency,
        accuracy_ann,
        accuracy,
        agreement,
        error.cpu().numpy(),
        energy(snn, few),
        energy(original, few),
        len(data.x),
        where,
        tuple(notes),
    )


def _activations(ann: fx.GraphModule, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Return what each rectifier gives, by its title, and the output."""
    kept: dict[str, Tensor] = {}
    hooks = []
    for node in ann.graph.nodes:
        if node.op == "call_module" and node.meta.get("kind") == "fire":
            module, title = ann.get_submodule(str(node.target)), str(node.meta["title"])
            hooks.append(module.register_forward_hook(lambda m, i, o, title=title: kept.__setitem__(title, o)))
    try:
        out = ann(x)
    finally:
        for hook in hooks:
            hook.remove()
    return kept, out


def _one_sample(ann: fx.GraphModule, x: Tensor) -> int:
    return sum(a.numel() for a in _activations(ann, x)[0].values())


def _score(curve: Tensor, goal: Tensor, y: Tensor | None) -> tuple[float | None, np.ndarray | None, np.ndarray | None]:
    """Return accuracies and agreement, where outputs are scores of classes ``[batch, classes]``."""
    if goal.dim() != 2 or goal.shape[1] < 2:
        return None, None, None
    said, meant = curve.argmax(2), goal.argmax(1)
    agreement = (said == meant).double().mean(1).cpu().numpy()
    if y is None or y.is_floating_point() or y.dim() != 1:
        return None, None, agreement
    return float((meant == y).double().mean()), (said == y).double().mean(1).cpu().numpy(), agreement
