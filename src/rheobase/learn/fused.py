"""A layer's time loop as compiled kernels over the tensors' own memory: forward, and backward by the adjoint step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn

from rheobase.emit.layer_modules import BITS, LayerKind, layer_module
from rheobase.learn.memory import empty
from rheobase.learn.plain import Job, Outcome
from rheobase.learn.state import State, watch
from rheobase.learn.team import launch
from rheobase.model.neuron import Neuron

__all__ = ["reason_against", "run_fused"]

_BLOCK: Final = 1024  # neurons whose states stay in the L1 cache
_EVERY: Final = BITS  # steps between two states that are kept for the backward pass


def reason_against(job: Job) -> str | None:
    """Return why the compiled kernels cannot run a job, None if they can."""
    like = next(iter(job.fed.values()))
    if like.device.type != "cpu":
        return f"the tensors are on {like.device}"
    if job.recurrent is not None and type(linear_of(job.recurrent)) is not nn.Linear:
        return "the recurrent part is a Module of its own"
    return None


def linear_of(module: nn.Module) -> nn.Module:
    """Return the Linear inside a recurrent part that only reshapes around it."""
    if type(module) is nn.Sequential and len(module) == 3 and type(module[0]) is nn.Flatten:
        return module[1]
    return module


@final
@dataclass(frozen=True)
class _Plan:
    """What the kernels of one call are given, by name."""

    module: Any
    kind: LayerKind
    states: tuple[str, ...]
    targets: tuple[str, ...]
    fed: tuple[str, ...]
    drawn: tuple[str, ...]
    columns: tuple[str, ...]
    scalars: Mapping[str, float]
    recurrent_to: str | None
    shape: tuple[int, ...]
    every: int
    fires: bool
    first: int
    dt: float

    @property
    def total(self) -> int:
        return self.shape[0]

    @property
    def width(self) -> int:
        return math.prod(self.shape[1:])

    def call(self, name: str, arrays: Mapping[str, Any], k0: int, k1: int) -> int:
        """Run one of the loops over all neurons; 1 if there was a NaN."""
        own = {"_k0": k0, "_k1": k1, "_every": self.every, "_block": _BLOCK, "_first": self.first, "_dt": self.dt}
        known = {**self.scalars, **own, **arrays}
        wanted = self.module.ARGUMENTS[name]
        function = getattr(self.module, name)
        return launch(function, wanted, known, self.width, (k1 - k0) * len(self.states))


def run_fused(neuron: Neuron, job: Job, store: str) -> Outcome:
    """Return spikes, traces and the new state by the compiled loops."""
    m = job.module
    like = next(iter(job.fed.values()))
    dtype = next(iter(job.state.values.values())).dtype
    fed_names = (*m.PORTS, *m.INPUTS)
    fed = {f: job.fed[f].to(dtype) for f in fed_names}
    weight = None
    if job.recurrent is not None:
        linear = linear_of(job.recurrent)
        weight = linear.weight.to(dtype)
        if linear.bias is not None:
            fed[job.recurrent_to] = fed[job.recurrent_to] + linear.bias.to(dtype).reshape(like.shape[2:])
    constants = {c: job.constants[c] for c in (*m.CONSTANTS, *(f"_steps_{t}" for t in m.TARGETS))}
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, float] = {"_per_scale": 1.0 / job.scale}
    scalars |= {f"_h_{n}": x for n, x in job.gradient.values.items()}
    for c, x in constants.items():
        if isinstance(x, Tensor) and (x.dim() or x.requires_grad):
            tensors[c] = x
        else:
            scalars[c] = int(x) if c.startswith("_steps_") else float(x)
    columns = frozenset(c for c, x in tensors.items() if x.dim())
    training = torch.is_grad_enabled() and any(
        x.requires_grad
        for x in [*fed.values(), *job.state.values.values(), *tensors.values(), *_some(weight, job.state.z)]
    )
    wanted = {f for f, x in fed.items() if x.requires_grad} | {c for c, x in tensors.items() if x.requires_grad}
    if weight is not None:
        wanted.add(job.recurrent_to)
    for c, x in tensors.items():
        if not x.dim():
            scalars[c] = float(x.detach())
    kind = LayerKind(
        fed_names,
        m.METHOD,
        columns,
        frozenset(wanted) if training else frozenset(),
        job.kept,
        "1" if m.CHANCE else job.gradient.text,
        () if m.CHANCE else tuple(job.gradient.values),
        job.detach_reset,
        "float64" if dtype == torch.float64 else "float32",
    )
    plan = _Plan(
        layer_module(neuron, kind),
        kind,
        m.STATES,
        m.TARGETS,
        fed_names,
        m.DRAWN,
        tuple(tensors),
        scalars,
        job.recurrent_to if weight is not None else None,
        tuple(like.shape),
        1 if store == "states" or weight is not None else _EVERY,
        bool(m.FIRES),
        job.state.step,
        job.dt,
    )
    left = [job.state.left[t] for t in m.TARGETS]
    parts = [*fed.values(), *(job.state.values[s] for s in m.STATES), *tensors.values()]
    parts += _some(weight, job.state.z)
    if training:
        out = _Fused.apply(plan, left, *parts)
    else:
        out = _forward(plan, left, [x.detach() for x in parts], keeping=False)[0]
    z, traces, states, last, counters = _split_outputs(plan, out)
    end = State(
        MappingProxyType(dict(zip(m.STATES, states, strict=True))),
        MappingProxyType(dict(zip(m.TARGETS, counters, strict=True))),
        last,
        job.state.step + plan.total,
        job.state.layout,
    )
    return Outcome(z, dict(zip(job.kept, traces, strict=True)), end)


def _some(*tensors: Tensor | None) -> list[Tensor]:
    return [x for x in tensors if x is not None]


def _split_outputs(plan: _Plan, out: Sequence[Tensor]) -> tuple[Any, list[Tensor], list[Tensor], Any, list[Tensor]]:
    rest = list(out)
    z = rest.pop(0) if plan.fires else None
    traces = [rest.pop(0) for _ in plan.kind.kept]
    states = [rest.pop(0) for _ in plan.states]
    last = rest.pop(0) if plan.recurrent_to is not None else None
    return z, traces, states, last, rest


def _flat(x: Tensor, rows: int) -> np.ndarray:
    """Return the memory of a tensor [time, ...] as rows."""
    return np.asarray(x.detach().numpy()).reshape(rows, -1)


def _column(x: Tensor, plan: _Plan) -> np.ndarray:
    """Return a constant that differs between neurons for every neuron of every sample."""
    whole = x.detach().expand(plan.shape[1:]).reshape(-1)
    if whole.dtype != torch.int32:
        whole = whole.to(torch.float64 if plan.kind.real == "float64" else torch.float32)
    return np.ascontiguousarray(whole.numpy())


def _shared_arrays(
    plan: _Plan, fed: Sequence[Tensor], constants: Sequence[Tensor], drawn: Sequence[Tensor]
) -> dict[str, Any]:
    """Return what both loops take."""
    t = plan.total
    arrays: dict[str, Any] = {f"_all_in_{f}": _flat(x, t) for f, x in zip(plan.fed, fed, strict=True)}
    arrays |= {f"_all_in{d}": _flat(x, t) for d, x in zip(plan.drawn, drawn, strict=True)}
    for name, x in zip(plan.columns, constants, strict=True):
        if x.dim():
            arrays[f"_all{name}" if name.startswith("_steps_") else f"_all_of_{name}"] = _column(x, plan)
    return arrays


def _forward(
    plan: _Plan, left: Sequence[Tensor], parts: Sequence[Tensor], keeping: bool
) -> tuple[list[Tensor], dict[str, list[Tensor]]]:
    """Return the outputs, and what the backward loop needs."""
    n, dtype = len(plan.fed), parts[0].dtype
    fed = [x.contiguous() for x in parts[:n]]
    states = [empty(plan.shape[1:], dtype).copy_(x) for x in parts[n : n + len(plan.states)]]
    constants = parts[n + len(states) : n + len(states) + len(plan.columns)]
    rest = parts[n + len(states) + len(constants) :]
    counters = [x.clone(memory_format=torch.contiguous_format) for x in left]
    drawn = [_draw(d, plan, dtype) for d in plan.drawn]
    z = empty(plan.shape, dtype) if plan.fires else None
    traces = [empty(plan.shape, dtype) for _ in plan.kind.kept]
    places = -(-plan.total // plan.every) if keeping else 1
    width = plan.width if keeping else 0
    keep = [empty((places, width), dtype) for _ in plan.states]
    keep_left = [empty((places, width), torch.int32) for _ in plan.targets]
    bits = empty((-(-plan.total // BITS), width), torch.int32) if plan.fires and keeping else empty((1, 0), torch.int32)
    total = None
    if plan.recurrent_to is not None:
        at = plan.fed.index(plan.recurrent_to)
        given, total = fed[at], empty(plan.shape, dtype)
        fed[at] = total
    arrays = _shared_arrays(plan, fed, constants, drawn)
    arrays |= {f"_keep_{s}": x.numpy() for s, x in zip(plan.states, keep, strict=True)}
    arrays |= {f"_keep_left_{t}": x.numpy() for t, x in zip(plan.targets, keep_left, strict=True)}
    arrays |= {f"_all_at_{s}": x.numpy().reshape(-1) for s, x in zip(plan.states, states, strict=True)}
    arrays |= {f"_all_left_{t}": x.numpy().reshape(-1) for t, x in zip(plan.targets, counters, strict=True)}
    arrays |= {f"_trace_{s}": _flat(x, plan.total) for s, x in zip(plan.kind.kept, traces, strict=True)}
    if z is not None:
        arrays |= {"_all_z": _flat(z, plan.total), "_all_word": bits.numpy()}
    name = "forward" if keeping else "run"
    if total is None:
        plan.call(name, arrays, 0, plan.total)
    else:
        assert z is not None
        weight, before = rest
        batch = plan.shape[1]
        rows, given_rows, z_rows = (x.reshape(plan.total, batch, -1) for x in (total, given, z))
        before, across = before.reshape(batch, -1), weight.t()
        for k in range(plan.total):
            torch.addmm(given_rows[k], before, across, out=rows[k])
            plan.call(name, arrays, k, k + 1)
            before = z_rows[k]
    last = [z[-1].clone()] if total is not None and z is not None else []
    out = [*_some(z), *traces, *states, *last, *counters]
    return out, {"fed": fed, "drawn": drawn, "keep": keep, "keep_left": keep_left, "bits": [bits]}


def _draw(name: str, plan: _Plan, dtype: torch.dtype) -> Tensor:
    return (torch.rand if name == "_u" else torch.randn)(plan.shape, dtype=dtype)


@final
class _Fused(torch.autograd.Function):
    """The kernels as one operation of autograd."""

    @staticmethod
    def forward(ctx: Any, plan: _Plan, left: Sequence[Tensor], *parts: Tensor) -> tuple[Tensor, ...]:
        out, kept = _forward(plan, left, [x.detach() for x in parts], keeping=True)
        n = len(plan.fed) + len(plan.states)
        constants = parts[n : n + len(plan.columns)]
        rest = parts[n + len(plan.columns) :]
        z = [out[0]] if plan.recurrent_to is not None else []
        groups = [*kept.values(), list(constants), list(rest), z]
        ctx.save_for_backward(*(x for group in groups for x in group))
        ctx.plan, ctx.sizes = plan, [len(group) for group in groups]
        if plan.targets:
            ctx.mark_non_differentiable(*out[-len(plan.targets) :])
        ctx.set_materialize_grads(False)
        return tuple(out)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        plan: _Plan = ctx.plan
        saved, groups = list(watch(ctx)), []
        for size in ctx.sizes:
            groups.append(saved[:size])
            saved = saved[size:]
        fed, drawn, keep, keep_left, (bits,), constants, rest, z = groups
        arrays = _shared_arrays(plan, fed, constants, drawn)
        return (None, None, *_backward(plan, arrays, keep, keep_left, bits, constants, rest, z, gradients))


def _incoming(g: Tensor | None, plan: _Plan, dtype: torch.dtype) -> tuple[np.ndarray, int]:
    """Return a gradient [time, ...] as rows, and 1; one row for all times, and 0, where it is the same at all."""
    if g is None:
        return np.zeros((1, plan.width), dtype=plan.kind.real), 0
    if g.stride(0) == 0 and plan.total > 1:
        return _flat(g[:1].to(dtype).contiguous(), 1), 0
    return _flat(g.to(dtype).contiguous(), plan.total), 1


def _backward(
    plan: _Plan,
    arrays: dict[str, Any],
    keep: Sequence[Tensor],
    keep_left: Sequence[Tensor],
    bits: Tensor,
    constants: Sequence[Tensor],
    rest: Sequence[Tensor],
    z: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
) -> list[Tensor | None]:
    dtype = keep[0].dtype
    arrays["_places"] = np.arange(plan.total)
    dz, d_traces, d_states, d_last, _ = _split_outputs(plan, gradients)
    ends = [
        torch.zeros(plan.shape[1:], dtype=dtype)
        if d is None
        else d.to(dtype).clone(memory_format=torch.contiguous_format)
        for d in d_states
    ]
    g_fed = {f: empty(plan.shape, dtype) for f in plan.module.FED}
    g_constants = {c: torch.zeros(plan.width, dtype=dtype) for c in plan.module.WANTED}
    arrays |= {f"_keep_{s}": x.numpy() for s, x in zip(plan.states, keep, strict=True)}
    arrays |= {f"_keep_left_{t}": x.numpy() for t, x in zip(plan.targets, keep_left, strict=True)}
    arrays |= {f"_all_d_{s}": x.numpy().reshape(-1) for s, x in zip(plan.states, ends, strict=True)}
    arrays |= {f"_all_g_{f}": _flat(x, plan.total) for f, x in g_fed.items()}
    arrays |= {f"_all_gc_{c}": x.numpy() for c, x in g_constants.items()}
    for s, d in zip(plan.kind.kept, d_traces, strict=True):
        arrays[f"_all_dt_{s}"], arrays[f"_dt_row_{s}"] = _incoming(d, plan, dtype)
    if plan.fires:
        arrays["_all_word"] = bits.numpy()
    g_rest: list[Tensor | None] = []
    if plan.recurrent_to is None:
        if plan.fires:
            arrays["_all_dz"], arrays["_dz_row"] = _incoming(dz, plan, dtype)
        plan.call("backward", arrays, 0, plan.total)
    else:
        g_rest = _backward_recurrent(plan, arrays, g_fed[plan.recurrent_to], rest, z[0], dz, d_last)
    out: list[Tensor | None] = [g_fed.get(f) for f in plan.fed]
    out += ends
    for name, x in zip(plan.columns, constants, strict=True):
        g = g_constants.get(name)
        if g is None:
            out.append(None)
        elif x.dim():
            out.append(g.reshape(plan.shape[1:]).double().sum(0).sum_to_size(x.shape).to(x.dtype))
        else:
            out.append(g.double().sum().to(x.dtype))
    return [*out, *g_rest]


def _backward_recurrent(
    plan: _Plan,
    arrays: dict[str, Any],
    g_arriving: Tensor,
    rest: Sequence[Tensor],
    z: Tensor,
    dz: Tensor | None,
    d_last: Tensor | None,
) -> list[Tensor | None]:
    """Go back step by step; a spike's gradient comes from outside and from the step after, through the weights."""
    weight, before = rest
    batch, total = plan.shape[1], plan.total
    rows, z_rows = (x.reshape(total, batch, -1) for x in (g_arriving, z))
    given = None if dz is None else dz.reshape(total, batch, -1).to(weight.dtype)
    sent = torch.zeros_like(z_rows[0])
    arrays["_all_dz"], arrays["_dz_row"] = sent.numpy().reshape(1, -1), 0
    for k in range(total - 1, -1, -1):
        if k < total - 1:
            torch.mm(rows[k + 1], weight, out=sent)
        elif d_last is not None:
            sent.copy_(d_last.reshape(batch, -1))
        if given is not None:
            sent += given[k]
        plan.call("backward", arrays, k, k + 1)
    n = z_rows.shape[-1]
    first = before.reshape(batch, n)
    g_weight = rows[0].t() @ first
    if total > 1:
        g_weight += rows[1:].reshape(-1, n).t() @ z_rows[:-1].reshape(-1, n)
    return [g_weight, (rows[0] @ weight).reshape(before.shape)]
