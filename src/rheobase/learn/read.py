"""What a layer gives: its spikes, or one number a neuron for a whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from rheobase.errors import InputError, nearest

__all__ = ["READOUTS", "Readout", "parse_read"]

#: What `read=` may say; `v` stands for any state.
READOUTS: Final = ("spikes", "v", "last v", "max v", "mean v", "rate", "count", "first spike")


@final
@dataclass(frozen=True)
class Readout:
    """How a sequence is read; ``kind`` is one of "spikes", "trace", "last", "max", "mean", "rate", "count"...

    `state` is the state that is read, None for spikes.
    """

    kind: str
    state: str | None = None

    @property
    def traces(self) -> tuple[str, ...]:
        """The states whose values at all times are needed."""
        return () if self.state is None or self.kind == "last" else (self.state,)

    def apply(self, z: Tensor | None, trace: Tensor | None, last: Tensor | None, dt: float, axis: int) -> Tensor:
        """Return what is read from spikes, a state's trace, or its last value; time is the axis `axis`."""
        if self.kind == "last":
            assert last is not None
            return last
        if self.state is not None:
            assert trace is not None
            if self.kind == "trace":
                return trace
            return trace.amax(axis) if self.kind == "max" else trace.mean(axis)
        assert z is not None
        if self.kind == "spikes":
            return z
        if self.kind == "count":
            return z.sum(axis)
        if self.kind == "rate":
            return z.sum(axis) * (1000.0 / (z.shape[axis] * dt))
        silent = torch.cumprod(1.0 - z, axis)  # 1 until the first spike
        return (silent.sum(axis) + 1.0) * dt


def parse_read(read: str | None, states: Sequence[str], fires: bool, name: str) -> Readout:
    """Return what `read=` means for a neuron.

    Raises
    ------
    InputError
        If it is unknown, names no state, or asks spikes of a neuron that has no threshold.
    """
    words = ("spikes" if read is None else str(read)).split()
    text = " ".join(words)
    known = [
        "spikes",
        "rate",
        "count",
        "first spike",
        *states,
        *(f"{k} {s}" for s in states for k in ("last", "max", "mean")),
    ]
    if text not in known:
        raise InputError(f"read = {text!r:.60} is unknown.{nearest(text, known)} Readouts: {', '.join(known)}")
    if text in ("spikes", "rate", "count", "first spike"):
        if not fires:
            state = states[0]
            raise InputError(
                f"{name} has no threshold row and never fires; read a state of it: read='max {state}', 'last {state}',"
                f" 'mean {state}' or '{state}' for all times"
            )
        return Readout(text)
    if len(words) == 1:
        return Readout("trace", text)
    return Readout(words[0], words[1])
