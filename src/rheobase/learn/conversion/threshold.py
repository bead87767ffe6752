"""Thresholds from the activations of the ReLU network on calibration data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, fx

from rheobase.errors import InputError, nearest
from rheobase.learn.conversion.firing import Rectify
from rheobase.learn.conversion.quantise import QuantReLU

__all__ = ["RULES", "Activations", "by_channel", "choose_threshold", "observe", "read_rule"]

#: names of the rules; a percentile is written "99.9%"
RULES: Final = ("error", "max", "99.9%")
_KEPT: Final = 1 << 14  # values a channel that percentiles and errors are computed from
_LEAST: Final = 1e-3  # of the layer's largest threshold: what never fires gets that


@final
@dataclass(frozen=True, eq=False)
class Activations:
    """What a ReLU gave on the calibration data.

    Attributes
    ----------
    sample : tensor (channels, n)
        Values before the ReLU.
    peak : tensor (channels,)
        The largest of all of them after it.
    mean : tensor (channels,)
        The mean after it.
    shape : tuple
        Of one sample's layer, ``(channels, ...)``.
    """

    sample: Tensor
    peak: Tensor
    mean: Tensor
    shape: tuple[int, ...]

    def broadcast(self, x: Tensor) -> Tensor:
        """Return one value a channel in a shape that broadcasts against one sample."""
        return x.reshape(-1, *(1,) * (len(self.shape) - 1)) if x.dim() else x


def by_channel(u: Tensor) -> Tensor:
    """Return ``[batch, channels, ...]`` as ``[channels, batch * ...]``."""
    return u.transpose(0, 1).flatten(1)


def observe(body: fx.GraphModule, x: Tensor) -> tuple[dict[str, Activations], Tensor]:
    """Return by target what each rectifier of the graph gave for x, and the output."""
    kept: dict[str, list[Tensor]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    peaks: dict[str, Tensor] = {}
    sums: dict[str, tuple[Tensor, int]] = {}
    batches = x.split(256)
    share = max(1, _KEPT // max(1, len(batches)))
    hooks = []

    def watch(name: str) -> Any:
        def keep(module: Any, given: tuple[Tensor], out: Tensor) -> None:
            u, a = by_channel(given[0].detach()), by_channel(out.detach())
            shapes[name] = tuple(given[0].shape[1:])
            stride = max(1, u.shape[1] // share)
            kept.setdefault(name, []).append(u[:, ::stride])
            peaks[name] = torch.maximum(peaks.get(name, a.amax(1)), a.amax(1))
            total, count = sums.get(name, (torch.zeros(len(a), dtype=torch.float64, device=a.device), 0))
            sums[name] = total + a.sum(1, dtype=torch.float64), count + a.shape[1]

        return keep

    for name, module in body.named_modules():
        if isinstance(module, Rectify | QuantReLU):
            hooks.append(module.register_forward_hook(watch(name)))
    try:
        outputs = torch.cat([body(part) for part in batches])
    finally:
        for hook in hooks:
            hook.remove()
    found = {
        n: Activations(torch.cat(kept[n], 1), peaks[n], (sums[n][0] / sums[n][1]).to(peaks[n]), shapes[n]) for n in kept
    }
    return found, outputs


def read_rule(given: Any) -> str:
    """Return the name of a rule for thresholds."""
    if isinstance(given, str) and given.endswith("%"):
        try:
            if 50 <= float(given[:-1]) <= 100:
                return given
        except ValueError:
            pass
    if given not in ("auto", *RULES):
        known = ["auto", *RULES]
        raise InputError(
            f"threshold = {given!r:.60} is no rule.{nearest(str(given), known)} Choose 'auto', 'error' (least squared"
            " error at this number of steps), 'max', or a percentile of 50 to 100 such as '99.9%'"
        )
    return str(given)


def choose_threshold(rule: str, seen: Activations, steps: int, per_channel: bool, cap: float) -> Tensor:
    """Return the threshold of each channel, ``(channels,)``, or of the layer, ``()``.

    ``max`` is Diehl et al.'s (2015) and Sengupta et al.'s (2019) largest activation, a percentile that of Rueckauer et
    al. (2017), and ``error`` minimises the mean squared difference between the activation and what a neuron says of
    it in `steps` steps, ``theta/T clip(floor(T a/theta + 1/2), 0, T)``, as Li et al. (2021) do layer by layer.

    References
    ----------
    Diehl et al. (2015) IJCNN; Rueckauer et al. (2017) Front. Neurosci. 11:682; Sengupta et al. (2019) Front. Neurosci.
    13:95; Li, Deng, Dong, Gong & Gu (2021) "A free lunch from ANN: towards efficient, accurate spiking neural networks
    calibration", ICML.
    """
    sample, peak = (
        (seen.sample, seen.peak) if per_channel else (seen.sample.reshape(1, -1), seen.peak.amax().reshape(1))
    )
    whole = float(peak.max())
    if not whole > 0:  # nothing ever passed this ReLU; any threshold will do
        return torch.ones_like(peak if per_channel else peak[0])
    floor = _LEAST * whole
    if rule == "max":
        theta = peak
    elif rule == "error":
        theta = _least_error(sample, peak.clamp_min(floor), steps)
    else:
        theta = torch.quantile(sample.clamp_min(0.0).double(), float(rule[:-1]) / 100, dim=1).to(peak)
        theta = torch.where(theta > 0, theta, peak)  # a channel that is active too rarely for the percentile
    theta = theta.clamp(floor, cap)
    return theta if per_channel else theta[0]


def _least_error(u: Tensor, peak: Tensor, steps: int) -> Tensor:
    """Return for each channel the threshold with the least squared error, of 46 between a tenth and all of the peak."""
    a = u.clamp_min(0.0)
    best = theta = peak
    least = torch.full_like(peak, float("inf"))
    for factor in torch.linspace(0.1, 1.0, 46).tolist():
        theta = peak * factor
        t = theta[:, None]
        said = torch.clamp(torch.floor(a * (steps / t) + 0.5), 0, steps) * (t / steps)
        error = (said - a).square().mean(1)
        better = error < least
        best, least = torch.where(better, theta, best), torch.where(better, error, least)
    return best
