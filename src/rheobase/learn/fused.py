"""A layer's time loop as compiled kernels over the tensors' own memory: forward, and backward by the adjoint step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from rheobase.emit.layer_modules import BITS
from rheobase.learn.memory import empty
from rheobase.learn.plain import Job, Outcome
from rheobase.learn.plan import Plan, Plans
from rheobase.learn.recurrent import go_back, go_forward
from rheobase.learn.state import State, watch
from rheobase.model.neuron import Neuron

__all__ = ["reason_against", "run_fused"]

_WILD: Final = 3  # bits of a loop's answer: NaN came in, a state is not finite


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


def run_fused(neuron: Neuron, job: Job, store: str, plans: Plans) -> Outcome:
    """Return spikes, traces and the new state by the compiled loops."""
    m = job.module
    dtype = next(iter(job.state.values.values())).dtype
    fed = {f: job.fed[f].to(dtype) for f in (*m.PORTS, *m.INPUTS)}
    weight = None
    if job.recurrent is not None:
        linear = linear_of(job.recurrent)
        weight = linear.weight.to(dtype)
        if linear.bias is not None:
            like = fed[job.recurrent_to]
            fed[job.recurrent_to] = like + linear.bias.to(dtype).reshape(like.shape[2:])
    numbers, tensors, pattern = plans.sort(job.constants, m)
    values = [job.state.values[s] for s in m.STATES]
    more = [] if weight is None else [weight, job.state.z]
    parts = [*fed.values(), *values, *tensors.values(), *more]
    training = torch.is_grad_enabled() and any([x.requires_grad for x in parts])
    wanted = tuple([x.requires_grad for x in fed.values()]) if training else None
    plan = plans.find(neuron, job, store, tuple(tensors), (pattern, wanted, dtype, weight is not None))
    left = [job.state.left[t] for t in m.TARGETS]
    numbers = {**plan.numbers, **numbers, "_first": job.state.step}
    flags: list[int] = []
    if training:
        out = _Fused.apply(plan, numbers, flags, left, job.fresh, *parts)
    else:
        out = _forward(plan, numbers, flags, left, job.fresh, parts, keeping=False)[0]
    z, traces, states, last, counters = _split_outputs(plan, out)
    end = State(
        MappingProxyType(dict(zip(m.STATES, states, strict=True))),
        MappingProxyType(dict(zip(m.TARGETS, counters, strict=True))),
        last,
        job.state.step + plan.total,
        job.state.layout,
    )
    return Outcome(z, dict(zip(job.kept, traces, strict=True)), end, sound=not flags[0] & _WILD)


def _some(*tensors: Tensor | None) -> list[Tensor]:
    return [x for x in tensors if x is not None]


def _split_outputs(plan: Plan, out: Sequence[Tensor]) -> tuple[Any, list[Tensor], list[Tensor], Any, list[Tensor]]:
    rest = list(out)
    z = rest.pop(0) if plan.fires else None
    traces = [rest.pop(0) for _ in plan.kind.kept]
    states = [rest.pop(0) for _ in plan.states]
    last = rest.pop(0) if plan.recurrent_to is not None else None
    return z, traces, states, last, rest


def _column(x: Tensor, plan: Plan) -> Tensor:
    """Return a constant that differs between neurons for every neuron of every sample."""
    whole = x.detach().expand(plan.shape[1:])
    if whole.dtype != torch.int32:
        whole = whole.to(torch.float64 if plan.kind.real == "float64" else torch.float32)
    return whole.contiguous()


def _shared_arrays(
    plan: Plan, fed: Sequence[Tensor], constants: Sequence[Tensor], drawn: Sequence[Tensor]
) -> dict[str, Any]:
    """Return what both loops take."""
    arrays: dict[str, Any] = {f"_all_in_{f}": x for f, x in zip(plan.fed, fed, strict=True)}
    arrays |= {f"_all_drawn{d}": x for d, x in zip(plan.drawn, drawn, strict=True)}
    for name, x in zip(plan.columns, constants, strict=True):
        if x.dim():
            arrays[f"_all{name}" if name.startswith("_steps_") else f"_all_of_{name}"] = _column(x, plan)
    return arrays


def _forward(
    plan: Plan,
    numbers: Mapping[str, Any],
    flags: list[int],
    left: Sequence[Tensor],
    fresh: bool,
    parts: Sequence[Tensor],
    keeping: bool,
) -> tuple[list[Tensor], dict[str, list[Tensor]]]:
    """Return the outputs, and what the backward loop needs; `fresh`: nobody else has the state."""
    n, dtype = len(plan.fed), parts[0].dtype
    fed = [x.contiguous() for x in parts[:n]]
    states = [
        x.detach() if fresh and x.is_contiguous() else empty(plan.shape[1:], dtype).copy_(x)
        for x in parts[n : n + len(plan.states)]
    ]
    constants = parts[n + len(states) : n + len(states) + len(plan.columns)]
    rest = parts[n + len(states) + len(constants) :]
    counters = [x if fresh else x.clone(memory_format=torch.contiguous_format) for x in left]
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
    arrays = {**numbers, **_shared_arrays(plan, fed, constants, drawn)}
    for s, x, kept in zip(plan.states, states, keep, strict=True):
        arrays[f"_all_at_{s}"], arrays[f"_keep_{s}"] = x, kept
    for t, x, kept in zip(plan.targets, counters, keep_left, strict=True):
        arrays[f"_all_left_{t}"], arrays[f"_keep_left_{t}"] = x, kept
    for s, x in zip(plan.kind.kept, traces, strict=True):
        arrays[f"_trace_{s}"] = x
    if z is not None:
        arrays["_all_z"], arrays["_all_word"] = z, bits
    name = "forward" if keeping else "run"
    run = plan.launch(name, arrays)
    if total is None:
        flags.append(run(0, plan.total))
    else:
        assert z is not None
        flags.append(go_forward(plan, run, (given, total, z), rest))
    plan.release(name, run)
    last = [z[-1].clone()] if total is not None and z is not None else []
    out = [*_some(z), *traces, *states, *last, *counters]
    return out, {"fed": fed, "drawn": drawn, "keep": keep, "keep_left": keep_left, "bits": [bits]}


def _draw(name: str, plan: Plan, dtype: torch.dtype) -> Tensor:
    return (torch.rand if name == "_u" else torch.randn)(plan.shape, dtype=dtype)


@final
class _Fused(torch.autograd.Function):
    """The kernels as one operation of autograd."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        numbers: Mapping[str, Any],
        flags: list[int],
        left: Sequence[Tensor],
        fresh: bool,
        *parts: Tensor,
    ) -> tuple[Tensor, ...]:
        out, kept = _forward(plan, numbers, flags, left, fresh, parts, keeping=True)
        n = len(plan.fed) + len(plan.states)
        constants = parts[n : n + len(plan.columns)]
        rest = parts[n + len(plan.columns) :]
        z = [out[0]] if plan.recurrent_to is not None else []
        groups = [*kept.values(), list(constants), list(rest), z]
        ctx.save_for_backward(*(x for group in groups for x in group))
        ctx.plan, ctx.numbers, ctx.sizes = plan, numbers, [len(group) for group in groups]
        if plan.targets:
            ctx.mark_non_differentiable(*out[-len(plan.targets) :])
        ctx.set_materialize_grads(False)
        return tuple(out)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        plan: Plan = ctx.plan
        saved, groups = list(watch(ctx)), []
        for size in ctx.sizes:
            groups.append(saved[:size])
            saved = saved[size:]
        fed, drawn, keep, keep_left, (bits,), constants, rest, z = groups
        arrays = {**ctx.numbers, **_shared_arrays(plan, fed, constants, drawn)}
        return (*[None] * 5, *_backward(plan, arrays, keep, keep_left, bits, constants, rest, z, gradients))


def _incoming(g: Tensor | None, plan: Plan, dtype: torch.dtype) -> tuple[Tensor, int]:
    """Return a gradient [time, ...], and 1; one row for all times, and 0, where it is the same at all."""
    if g is None:
        return torch.zeros((1, plan.width), dtype=dtype), 0
    if g.stride(0) == 0 and plan.total > 1:
        return g[:1].to(dtype).contiguous(), 0
    return g.to(dtype).contiguous(), 1


def _backward(
    plan: Plan,
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
    arrays["_places"] = plan.places
    dz, d_traces, d_states, d_last, _ = _split_outputs(plan, gradients)
    ends = [
        torch.zeros(plan.shape[1:], dtype=dtype)
        if d is None
        else d.to(dtype).clone(memory_format=torch.contiguous_format)
        for d in d_states
    ]
    g_fed = {f: empty(plan.shape, dtype) for f in plan.module.FED}
    g_constants = {c: torch.zeros(plan.width, dtype=dtype) for c in plan.module.WANTED}
    for s, x, kept in zip(plan.states, ends, keep, strict=True):
        arrays[f"_all_d_{s}"], arrays[f"_keep_{s}"] = x, kept
    for t, x in zip(plan.targets, keep_left, strict=True):
        arrays[f"_keep_left_{t}"] = x
    for f, x in g_fed.items():
        arrays[f"_all_g_{f}"] = x
    for c, x in g_constants.items():
        arrays[f"_all_gc_{c}"] = x
    for s, d in zip(plan.kind.kept, d_traces, strict=True):
        arrays[f"_all_dt_{s}"], arrays[f"_dt_row_{s}"] = _incoming(d, plan, dtype)
    if plan.fires:
        arrays["_all_word"] = bits
    g_rest: list[Tensor | None] = []
    if plan.recurrent_to is None:
        if plan.fires:
            arrays["_all_dz"], arrays["_dz_row"] = _incoming(dz, plan, dtype)
        run = plan.launch("backward", arrays)
        run(0, plan.total)
        plan.release("backward", run)
    else:
        g_rest = go_back(plan, arrays, g_fed[plan.recurrent_to], rest, z[0], dz, d_last)
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
