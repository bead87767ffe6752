"""A layer's time loop in plain torch operations: the reference of the compiled kernels, and what runs elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from rheobase.learn.state import State, carry, watch
from rheobase.learn.surrogate import Surrogate

__all__ = ["Job", "Outcome", "run_plain"]

_IDENTITY: Final = "1"


@final
@dataclass(frozen=True)
class Job:
    """All that a time loop needs.

    `fed` holds for each port or input what comes at every step, ``[time, batch, *neurons]``; `constants` what does not
    change (see `rheobase.learn.parameters.Values.constants`); `kept` are the states whose trace is wanted; `fresh` says
    that the state was made for this call and that no gradient of it is wanted.
    """

    module: ModuleType
    constants: Mapping[str, Tensor | float]
    gradient: Surrogate
    scale: float
    detach_reset: bool
    dt: float
    fed: Mapping[str, Tensor]
    state: State
    recurrent: nn.Module | None
    recurrent_to: str
    kept: tuple[str, ...]
    fresh: bool


@final
@dataclass(frozen=True)
class Outcome:
    """Spikes and traces, ``[time, batch, *neurons]``, and the state after the last step.

    `sound` says whether no NaN came in and all states are finite; None where nobody has looked.
    """

    z: Tensor | None
    traces: Mapping[str, Tensor]
    state: State
    sound: bool | None = None


@final
class _Spike(torch.autograd.Function):
    """1 where the condition holds; the slope of the surrogate behind."""

    @staticmethod
    def forward(ctx: Any, level: Tensor, condition: Tensor, quiet: Any, slope: Any, scale: float) -> Tensor:
        ctx.save_for_backward(level)
        ctx.quiet, ctx.slope, ctx.scale = quiet, slope, scale
        return condition.to(level.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        (level,) = watch(ctx)
        out = gradient * ctx.slope(level / ctx.scale) / ctx.scale
        return (out if ctx.quiet is None else out * ctx.quiet), None, None, None, None


def run_plain(job: Job) -> Outcome:
    """Return spikes, traces and the new state, step by step."""
    m, dtype, device = job.module, _dtype(job), next(iter(job.fed.values())).device
    constants = [_cast(job.constants[n], dtype, device) for n in m.CONSTANTS]
    steps = [_cast(job.constants[f"_steps_{t}"], torch.int32, device) for t in m.TARGETS]
    states = [job.state.values[s] for s in m.STATES]
    left = [job.state.left[t] for t in m.TARGETS]
    fed = [job.fed[name].to(dtype).unbind(0) for name in (*m.PORTS, *m.INPUTS)]
    total = len(fed[0])
    drawn = [_draw(name, job, total, dtype) for name in m.DRAWN]
    through: Callable[[Tensor], Tensor] = Tensor.detach if job.detach_reset else _same
    z, spikes = job.state.z, []
    traces: dict[str, list[Tensor]] = {s: [] for s in job.kept}
    at = m.PORTS.index(job.recurrent_to) if job.recurrent is not None else -1
    for k in range(total):
        arrives = [x[k] for x in fed]
        if job.recurrent is not None and z is not None:
            arrives[at] = arrives[at] + job.recurrent(z)
        now = (job.state.step + k) * job.dt
        spike = _Spiking(job, left)
        z, states, left = m.step(
            spike, through, *states, *left, *arrives, *(d[k] for d in drawn), *constants, *steps, now, now + job.dt
        )
        states = [_whole(x, arrives[0]) for x in states]
        if z is not None:
            spikes.append(z)
        for s, trace in traces.items():
            trace.append(states[m.STATES.index(s)])
    out = {f"state {s}": x for s, x in zip(m.STATES, states, strict=True)}
    out |= {f"trace {s}": torch.stack(trace) for s, trace in traces.items()}
    if z is not None:
        out |= {"z": torch.stack(spikes), "last": z}
    out = carry(out)  # all in one: whichever is gone back through first, the others are known to be stale
    end = State(
        MappingProxyType({s: out[f"state {s}"] for s in m.STATES}),
        MappingProxyType(dict(zip(m.TARGETS, left, strict=True))),
        out["last"] if job.recurrent is not None else None,
        job.state.step + total,
        job.state.layout,
    )
    return Outcome(out.get("z"), {s: out[f"trace {s}"] for s in traces}, end)


@final
class _Spiking:
    """Makes the spikes of one step."""

    def __init__(self, job: Job, left: Sequence[Tensor]) -> None:
        self.job, self.left = job, left

    def __call__(self, level: Tensor, condition: Tensor) -> Tensor:
        quiet: Any = None
        for x in self.left:
            quiet = (x <= 0) if quiet is None else quiet & (x <= 0)
        if self.job.module.CHANCE:
            return _Spike.apply(level, condition, quiet, torch.ones_like, 1.0)
        return _Spike.apply(level, condition, quiet, self.job.gradient.slope, self.job.scale)


def _same(x: Tensor) -> Tensor:
    return x


def _whole(x: Any, like: Tensor) -> Tensor:
    """Return a state of the layer's shape where a row gives it the same value everywhere."""
    x = x if isinstance(x, Tensor) else torch.tensor(x, dtype=like.dtype, device=like.device)
    return x if x.shape == like.shape else x.expand(like.shape)


def _dtype(job: Job) -> torch.dtype:
    return next(iter(job.state.values.values())).dtype


def _cast(x: Tensor | float, dtype: torch.dtype, device: torch.device) -> Tensor | float:
    return x.to(device=device, dtype=dtype) if isinstance(x, Tensor) else x


def _draw(name: str, job: Job, total: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    like = next(iter(job.fed.values()))
    shape = (total, *job.state.shape)
    make = torch.rand if name == "_u" else torch.randn
    return tuple(make(shape, dtype=dtype, device=like.device).unbind(0))
