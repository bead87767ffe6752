"""A layer's time loop as two Triton kernels on a GPU: forward, and backward by the adjoint step."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor

from rheobase.emit.layer_modules import BITS, LayerKind
from rheobase.emit.triton_modules import probe_module, triton_module
from rheobase.learn.plain import Job, Outcome
from rheobase.learn.state import State, watch
from rheobase.model.neuron import Neuron

__all__ = ["fault_of_triton", "interpreting", "reason_against_triton", "run_triton"]

_BLOCK: Final = 128  # neurons of a program: one a thread of four warps


def reason_against_triton(job: Job) -> str | None:
    """Return why Triton's kernels cannot run a job, None if they can."""
    like = next(iter(job.fed.values()))
    if job.recurrent is not None:
        return "a recurrent layer multiplies by its weights between two steps, and the kernel holds all steps"
    if like.device.type not in ("cuda", "cpu"):
        return f"the tensors are on {like.device}"
    if not _installed():
        return "Triton is not installed; pip install 'rheobase[triton]', or PyTorch for CUDA, which brings it"
    if like.device.type == "cpu" and not interpreting():
        return "the tensors are on cpu, where only Triton's interpreter runs, for tests (TRITON_INTERPRET=1)"
    return None


@lru_cache(maxsize=1)
def _installed() -> bool:
    return find_spec("triton") is not None


def interpreting() -> bool:
    """Return whether Triton's kernels run in its interpreter, as ``TRITON_INTERPRET=1`` asks for."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in ("1", "true", "on", "yes", "y")


@lru_cache(maxsize=64)
def fault_of_triton(device: torch.device) -> str | None:
    """Return what goes wrong where Triton runs the smallest kernel on a device, None if nothing does.

    A missing C compiler, a driver that is too old, a card that is: each raises something else.
    """
    try:
        x = torch.zeros(_BLOCK, dtype=torch.int32, device=device)
        with _on(device):
            probe_module(interpreting()).probe[(1,)](x, _BLOCK=_BLOCK)
        if int(x.sum()) == _BLOCK * (_BLOCK + 1) // 2:
            return None
        error = "its smallest kernel computes something wrong"
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}".strip().splitlines()[0]
    return f"Triton does not run on {device}: {error:.300}"


def _on(device: torch.device) -> AbstractContextManager[Any]:
    if device.type == "cuda":
        return torch.cuda.device(device)
    return np.errstate(all="ignore")  # the interpreter's NumPy warns of what overflows where nobody looks


@final
@dataclass(frozen=True, eq=False)
class _Call:
    """What the kernels of one call share."""

    module: Any
    kind: LayerKind
    states: tuple[str, ...]
    targets: tuple[str, ...]
    fed: tuple[str, ...]
    drawn: tuple[str, ...]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    every: int
    fires: bool
    dtype: torch.dtype
    device: torch.device
    shared: Mapping[str, Tensor]

    @property
    def total(self) -> int:
        return self.shape[0]

    @property
    def width(self) -> int:
        return math.prod(self.shape[1:])

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)

    def launch(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Run one kernel over all neurons."""
        given = [arrays[a] for a in self.module.ARGUMENTS[name]]
        every = {} if name == "run" else {"_EVERY": self.every}
        # a product and a sum rounded at once, as a GPU likes to, would let it fire at other steps than a CPU
        options = {"num_warps": _BLOCK // 32, "enable_fp_fusion": False}
        grid = (-(-self.width // _BLOCK),)
        with _on(self.device):
            getattr(self.module, name)[grid](*given, self.width, self.total, **every, _BLOCK=_BLOCK, **options)


def run_triton(neuron: Neuron, job: Job, store: str) -> Outcome:
    """Return spikes, traces and the new state by the kernels."""
    m, like = job.module, next(iter(job.fed.values()))
    dtype, device = next(iter(job.state.values.values())).dtype, like.device
    fed = {f: job.fed[f].to(dtype) for f in (*m.PORTS, *m.INPUTS)}
    constants = {c: x.to(device) if isinstance(x, Tensor) else x for c, x in job.constants.items()}
    tensors = {c: x for c, x in constants.items() if isinstance(x, Tensor) and (x.dim() or x.requires_grad)}
    values = [job.state.values[s] for s in m.STATES]
    parts = [*fed.values(), *values, *tensors.values()]
    training = torch.is_grad_enabled() and any(x.requires_grad for x in parts)
    wanted = {n for n, x in {**fed, **tensors}.items() if x.requires_grad} if training else set()
    kind = LayerKind(
        tuple(fed),
        m.METHOD,
        frozenset(c for c, x in tensors.items() if x.dim()),
        frozenset(wanted),
        job.kept,
        "1" if m.CHANCE else job.gradient.text,
        () if m.CHANCE else tuple(job.gradient.values),
        job.detach_reset,
        "float64" if dtype == torch.float64 else "float32",
    )
    module = triton_module(neuron, kind, interpreted=interpreting())
    call = _Call(
        module, kind, m.STATES, m.TARGETS, tuple(fed), m.DRAWN, tuple(tensors), tuple(like.shape),
        1 if store == "states" else BITS, bool(m.FIRES), dtype, device, _shared(module, job, constants, dtype, device),
    )  # fmt: skip
    left = [job.state.left[t] for t in m.TARGETS]
    found: list[Tensor] = []
    if training:
        out = _Whole.apply(call, left, found, *parts)
    else:
        out = _forward(call, left, found, [x.detach() for x in parts], keeping=False)[0]
    z, traces, states, counters = _split(call, out)
    end = State(
        MappingProxyType(dict(zip(m.STATES, states, strict=True))),
        MappingProxyType(dict(zip(m.TARGETS, counters, strict=True))),
        None,
        job.state.step + call.total,
        job.state.layout,
    )
    return Outcome(z, dict(zip(job.kept, traces, strict=True)), end, sound=not bool(found[0].any()))


def _shared(
    module: Any, job: Job, constants: Mapping[str, Tensor | float], dtype: torch.dtype, device: torch.device
) -> dict[str, Tensor]:
    """Return what is the same for all neurons, in the device's memory: as arguments numbers would lose their digits."""
    values = {f"_h_{n}": x for n, x in job.gradient.values.items()} | {"_per_scale": 1.0 / job.scale} | {**constants}
    names = module.NUMBERS
    plain = [0.0 if isinstance(values[n], Tensor) else float(values[n]) for n in names]
    numbers = torch.tensor(plain, dtype=dtype, device=device)
    for j, n in enumerate(names):
        if isinstance(values[n], Tensor):
            numbers[j] = values[n].detach()
    out = {"_numbers": numbers}
    for t in job.module.TARGETS:
        steps = constants[f"_steps_{t}"]
        if not isinstance(steps, Tensor) or not steps.dim():
            out[f"_steps_{t}"] = torch.as_tensor(steps, dtype=torch.int32, device=device).reshape(1)
    if module.TIMED:
        k = torch.arange(len(next(iter(job.fed.values()))) + 1, dtype=torch.float64, device=device)
        out["_times"] = ((k + job.state.step) * job.dt).to(dtype)
    return out


def _split(call: _Call, out: Sequence[Any]) -> tuple[Any, list[Any], list[Any], list[Any]]:
    """Return spikes, traces, states and counters of what the kernels give, or their gradients."""
    rest = list(out)
    z = rest.pop(0) if call.fires else None
    traces = [rest.pop(0) for _ in call.kind.kept]
    return z, traces, rest[: len(call.states)], rest[len(call.states) :]


def _given(
    call: _Call, fed: Sequence[Tensor], constants: Sequence[Tensor], drawn: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return what both kernels take."""
    arrays = {**call.shared, **{f"_in_{f}": x for f, x in zip(call.fed, fed, strict=True)}}
    arrays |= {f"_drawn{d}": x for d, x in zip(call.drawn, drawn, strict=True)}
    for name, x in zip(call.columns, constants, strict=True):
        if x.dim():
            whole = x.detach().expand(call.shape[1:])
            steps = name.startswith("_steps_")
            arrays[name if steps else f"_of_{name}"] = whole.to(torch.int32 if steps else call.dtype).contiguous()
    return arrays


def _forward(
    call: _Call, left: Sequence[Tensor], found: list[Tensor], parts: Sequence[Tensor], keeping: bool
) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Return what comes out, and what the way back needs."""
    n, per_neuron = len(call.fed), call.shape[1:]
    fed = [x.contiguous() for x in parts[:n]]
    states, constants = parts[n : n + len(call.states)], parts[n + len(call.states) :]
    drawn = [
        (torch.rand if d == "_u" else torch.randn)(call.shape, dtype=call.dtype, device=call.device) for d in call.drawn
    ]
    arrays = _given(call, fed, constants, drawn)
    z = [call.empty(*call.shape)] if call.fires else []
    traces = [call.empty(*call.shape) for _ in call.kind.kept]
    ends = [call.empty(*per_neuron) for _ in call.states]
    counters = [call.empty(*per_neuron, dtype=torch.int32) for _ in call.targets]
    flags = call.empty(call.width, dtype=torch.int32)
    places = -(-call.total // call.every)
    keep, keep_left, bits = [], [], []
    if keeping:
        keep = [call.empty(places, call.width) for _ in call.states]
        keep_left = [call.empty(places, call.width, dtype=torch.int32) for _ in call.targets]
        bits = [call.empty(-(-call.total // BITS), call.width, dtype=torch.int32)] if call.fires else []
    arrays |= dict(zip(["_z"] * call.fires, z, strict=True)) | {"_flags": flags}
    arrays |= dict(zip(["_bits"] * len(bits), bits, strict=True))
    arrays |= {f"_trace_{s}": x for s, x in zip(call.kind.kept, traces, strict=True)}
    for j, s in enumerate(call.states):
        arrays |= {f"_start_{s}": states[j].contiguous(), f"_final_{s}": ends[j]}
        arrays |= {f"_keep_{s}": keep[j]} if keeping else {}
    for j, t in enumerate(call.targets):
        arrays |= {f"_startleft_{t}": left[j].contiguous(), f"_finalleft_{t}": counters[j]}
        arrays |= {f"_keepleft_{t}": keep_left[j]} if keeping else {}
    call.launch("forward" if keeping else "run", arrays)
    found.append(flags)
    return [*z, *traces, *ends, *counters], [fed, list(constants), drawn, keep, keep_left, bits]


@final
class _Whole(torch.autograd.Function):
    """The kernels as one operation of autograd."""

    @staticmethod
    def forward(
        ctx: Any, call: _Call, left: Sequence[Tensor], found: list[Tensor], *parts: Tensor
    ) -> tuple[Tensor, ...]:
        out, kept = _forward(call, left, found, [x.detach() for x in parts], keeping=True)
        constants = parts[len(call.fed) + len(call.states) :]
        kept[1] = list(constants)
        ctx.save_for_backward(*(x for group in kept for x in group))
        ctx.call, ctx.sizes = call, [len(group) for group in kept]
        if call.targets:
            ctx.mark_non_differentiable(*out[-len(call.targets) :])
        ctx.set_materialize_grads(False)
        return tuple(out)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        saved, groups = list(watch(ctx)), []
        for size in ctx.sizes:
            groups.append(saved[:size])
            saved = saved[size:]
        return (None, None, None, *_backward(ctx.call, groups, gradients))


def _incoming(g: Tensor | None, call: _Call) -> tuple[Tensor, int]:
    """Return a gradient [time, ...], and 1; one row for all times, and 0, where it is the same at all."""
    if g is None:
        return torch.zeros(call.width, dtype=call.dtype, device=call.device), 0
    if g.stride(0) == 0 and call.total > 1:
        return g[:1].to(call.dtype).contiguous(), 0
    return g.to(call.dtype).contiguous(), 1


def _backward(
    call: _Call, groups: Sequence[Sequence[Tensor]], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    fed, constants, drawn, keep, keep_left, bits = groups
    arrays: dict[str, Any] = {**_given(call, fed, constants, drawn)}
    dz, d_traces, d_states, _ = _split(call, gradients)
    per_neuron, rows = call.shape[1:], min(call.every, call.total)
    if call.fires:
        arrays["_bits"] = bits[0]
        arrays["_dz"], arrays["_dzrow"] = _incoming(dz, call)
    for s, d in zip(call.kind.kept, d_traces, strict=True):
        arrays[f"_dt_{s}"], arrays[f"_dtrow_{s}"] = _incoming(d, call)
    starts = [call.empty(*per_neuron) for _ in call.states]
    for s, kept, d, start in zip(call.states, keep, d_states, starts, strict=True):
        end = torch.zeros(per_neuron, dtype=call.dtype, device=call.device) if d is None else d.to(call.dtype)
        arrays |= {f"_keep_{s}": kept, f"_was_{s}": call.empty(rows, call.width)}
        arrays |= {f"_dend_{s}": end.contiguous(), f"_dstart_{s}": start}
    for t, kept in zip(call.targets, keep_left, strict=True):
        arrays |= {f"_keepleft_{t}": kept, f"_wasleft_{t}": call.empty(rows, call.width, dtype=torch.int32)}
    g_fed = {f: call.empty(*call.shape) for f in call.module.FED}
    g_constants = {c: call.empty(*per_neuron) for c in call.module.WANTED}
    arrays |= {f"_g_{f}": x for f, x in g_fed.items()} | {f"_gc_{c}": x for c, x in g_constants.items()}
    call.launch("backward", arrays)
    out: list[Tensor | None] = [*(g_fed.get(f) for f in call.fed), *starts]
    for name, x in zip(call.columns, constants, strict=True):
        g = g_constants.get(name)  # of each neuron; summed here, in one order and in float64
        if g is None:
            out.append(None)
        elif x.dim():
            out.append(g.double().sum(0).sum_to_size(x.shape).to(x.dtype))
        else:
            out.append(g.double().sum().to(x.dtype))
    return out
