"""An event-driven layer run forward and backward: parts of a batch on threads, records kept, gradients gathered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rheobase.derive import modal as _modal
from rheobase.derive import search as _search
from rheobase.derive.eventprop import AdjointFacts
from rheobase.emit.to_numba import compiled_module, jit, plain_module, waiting
from rheobase.errors import InputError
from rheobase.learn.event_space import PARTS, Call, Part, Space, Spaces, arrival_lists, share
from rheobase.learn.event_tables import Tables, parameter_gradients, scratch

__all__ = ["Events", "Job"]

_PATIENCE: Final = 20_000  # events of one element that plain Python may run
_PRICE: Final = 10.0  # seconds that compiling takes: so long plain Python may run first, call by call
_spent: dict[Path, float] = {}
_GROWS: Final = ("_r_time", "_r_state", "_record", "_o_time", "_o_neuron", "_o_record")


class _TooManyError(Exception):
    """More spikes than plain Python is asked to run."""


@final
@dataclass(eq=False)
class Job:
    """One call of a layer: what is run, and what running it leaves for the way back."""

    tables: Tables
    adjoint: AdjointFacts
    start_slopes: Callable[[], dict[str, np.ndarray]]
    n_in: int
    n_out: int
    recurrent: bool
    uniform: bool
    until: float
    most: int
    threads: int
    shapes: Mapping[str, tuple[int, ...]]
    in_neurons: np.ndarray
    in_offsets: np.ndarray
    read_times: np.ndarray
    read_state: int
    keep: bool
    spaces: Spaces
    space: Space | None = None
    parts: list[Part] = field(default_factory=list)
    out_neurons: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    out_offsets: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    @property
    def batch(self) -> int:
        return len(self.in_offsets) - 1

    def __del__(self) -> None:
        self.release()

    def release(self) -> None:
        """Give the memory back: nothing leads back through this call any more."""
        if self.space is not None:
            self.spaces.give(self.space)
        self.space, self.parts = None, []


@final
class Events(torch.autograd.Function):
    """(weights, delays, input spike times, parameters) -> (spike times, readings)."""

    @staticmethod
    def forward(ctx: Any, job: Job, weight: Tensor, delay: Tensor, times: Tensor, *trained: Tensor) -> Any:
        """Return the times of all output spikes, element by element, and the readings ``[batch, readings, n_out]``."""
        shared = _shared(job, _numpy(weight), _numpy(delay), _numpy(times))
        _divide(job)
        _run_parts(job, partial(_forward_part, job), shared)
        job.out_neurons = np.concatenate([p.arrays["_o_neuron"][: p.count] for p in job.parts])
        sizes = shared["_o_size"]
        job.out_offsets = np.concatenate([[0], np.cumsum(sizes)])
        ctx.job, ctx.shared = job, shared
        ctx.kinds = [(x.dtype, x.device) for x in (weight, delay, times, *trained)]
        out = torch.from_numpy(np.concatenate([p.arrays["_o_time"][: p.count] for p in job.parts]))
        if not job.keep:
            job.release()
        return out, torch.from_numpy(shared["_read_value"])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_times: Tensor, g_readings: Tensor) -> Any:
        job, shared = ctx.job, ctx.shared
        need = ctx.needs_input_grad
        names = job.tables.plan.trained
        worth = _numpy(g_times).astype(np.float64, copy=False)
        common = {
            **shared,
            "_g_time": np.zeros(len(shared["_in_time"])),
            "_g_read": np.ascontiguousarray(_numpy(g_readings), dtype=np.float64),
            "_timed": bool(need[2] or need[3] or job.recurrent),
            "_collecting": any(job.adjoint.flow[p] for p in names),
        }
        assert job.space is not None
        job.space.clear_gradients(len(job.parts))
        begin = 0
        for part in job.parts:
            part.put("_worth", np.concatenate([worth[begin : begin + part.count], np.zeros(1)]))
            begin += part.count
        _run_parts(job, partial(_backward_part, job), common)
        summed = job.space.sum_gradients(len(job.parts))
        slopes = job.start_slopes() if names else {}
        found = parameter_gradients(job.tables, job.adjoint, slopes, summed) if names else {}
        grads = [summed["_g_weight"], summed["_g_delay"], common["_g_time"]]
        grads += [found[p] if job.shapes[p] else found[p].sum() for p in names]
        out = [
            torch.as_tensor(np.asarray(g)).to(dtype).to(device)
            for g, (dtype, device) in zip(grads, ctx.kinds, strict=True)
        ]
        return (None, *(g if wanted else None for g, wanted in zip(out, need[1:], strict=True)))


def _numpy(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().cpu().numpy())


def _shared(job: Job, weight: np.ndarray, delay: np.ndarray, times: np.ndarray) -> dict[str, Any]:
    """Return the arguments that all parts have in common."""
    inside, own = (delay[0, :1], delay[0, 1:]) if job.uniform else (delay[:, : job.n_in], delay[:, job.n_in :])
    own = own if job.recurrent else np.ones(1)
    last = math.nextafter(job.until, math.inf) if job.until < math.inf else math.inf
    return {
        **job.tables.arrays,
        **job.tables.values,
        "_in_time": times,
        "_in_neuron": job.in_neurons,
        "_in_offset": job.in_offsets,
        "_read_time": job.read_times,
        "_read_state": job.read_state,
        "_read_value": np.zeros((job.batch, 1 if job.tables.plan.climbs else len(job.read_times), job.n_out)),
        "_top_time": np.zeros((job.batch, job.n_out)),
        "_top_place": np.zeros((job.batch, job.n_out), dtype=np.int64),
        "_top_slope": np.zeros((job.batch, job.n_out)),
        "_until": job.until,
        "_inputs": job.n_in,
        "_sources": weight.shape[1],
        "_weight": weight,
        "_weight_of": np.ascontiguousarray(weight.T),
        "_delay": delay,
        "_uniform": job.uniform,
        "_delay_in": float(inside.flat[0]),
        "_delay_own": float(own.flat[0]),
        "_short_in": float(inside.min()),
        "_long_in": float(inside.max()),
        "_short_own": float(own.min()),
        "_long_own": float(own.max()),
        "_recurrent": job.recurrent,
        # a little less than the smallest delay, so that no rounding lets a spike arrive in its own window
        "_width": float(own.min()) * (1.0 - 2.0**-40) if job.recurrent else math.inf,
        "_last": last,
        "_quick": job.uniform and not np.any(job.tables.system.kind),
        "_windows": np.zeros(job.batch, dtype=np.int64),
        "_o_size": np.zeros(job.batch, dtype=np.int64),
        "_records_at": np.zeros(job.batch, dtype=np.int64),
        "_outs_at": np.zeros(job.batch, dtype=np.int64),
        "_head": np.zeros((job.batch, job.n_out), dtype=np.int64),
    }


def _divide(job: Job) -> None:
    """Give the job memory, part by part, with room for what arrives."""
    size = job.tables.system.size
    job.space = job.spaces.take(lambda: Space(lambda: _new_arrays(job), _gradients(job)))
    job.parts = job.space.divide(job.batch)
    widest = int(np.diff(job.in_offsets).max()) + len(job.read_times) + 64
    for part in job.parts:
        if len(part.arrays["_a_time"]) < widest:
            for name, x in arrival_lists(widest + widest // 4, size).items():
                part.put(name, x)
        part.put("_most", job.most * job.n_out)


def _new_arrays(job: Job) -> dict[str, Any]:
    size = job.tables.system.size
    room = 256 + 2 * -(-job.batch // min(PARTS, job.batch)) * job.n_out
    return {
        **scratch(job.tables, job.n_out),
        **arrival_lists(64, size),
        "_r_time": np.empty(room),
        "_r_state": np.empty((room, size)),
        "_record": np.empty((room, 8), dtype=np.int64),
        "_o_time": np.empty(room),
        "_o_neuron": np.empty(room, dtype=np.int64),
        "_o_record": np.empty(room, dtype=np.int64),
        "_count": np.zeros(8, dtype=np.int64),
        "_most": 0,
        "_tracing": False,
        "_trace": np.zeros((2, size)),
    }


def _gradients(job: Job) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what a part adds up on the way back."""
    system, neuron = job.tables.system, job.tables.plan.neuron
    n, states = job.n_out, len(neuron.states)
    sources = job.n_in + (n if job.recurrent else 0)
    return {
        "_g_weight": (n, sources),
        "_g_delay": (1, 2) if job.uniform else (n, sources),
        "_g_matrix": (n, len(system.clamps), system.size, system.size),
        "_g_normal": (n, states + 1),
        "_g_value": (n, len(job.tables.plan.trained)),
        "_g_wait": (n, len(neuron.refractory)),
        "_g_start": (n, states),
    }


def _run_parts(job: Job, work: Callable[[Part, _Runner], None], common: Mapping[str, Any]) -> None:
    """Run all parts of a job: in plain Python as long as that takes less than compiling; the same bits."""
    source = job.tables.source
    if _spent.get(source.path, 0.0) < _PRICE and not waiting(source.path) < math.inf:
        begin = perf_counter()
        runner = _Runner(job, plain_module(source.path), common)
        try:
            with np.errstate(all="ignore"):
                for part in job.parts:
                    part.put("_most", min(_PATIENCE, job.most * job.n_out))
                    work(part, runner)
            return
        except _TooManyError:  # for plain Python
            for part in job.parts:
                part.arrays["_count"][:] = 0
        finally:
            _spent[source.path] = _spent.get(source.path, 0.0) + perf_counter() - begin
            for part in job.parts:
                part.put("_most", job.most * job.n_out)
    module = compiled_module(
        source.path, source.inner, ("forward", "backward"), lambda: _kernels(job.tables.real), source.apart
    )
    runner = _Runner(job, module, common)  # compiles, if need be, before threads meet
    share(job.parts, job.threads, lambda part: work(part, runner))


@final
class _Runner:
    """The loops of a module on the arguments of a job."""

    def __init__(self, job: Job, module: ModuleType, common: Mapping[str, Any]) -> None:
        assert job.space is not None
        source, known, self.common = job.tables.source, job.space.known, common
        self.again = "_g_time" in common and bool(common["_collecting"] or not job.tables.plan.additive)
        if "_g_time" in common:
            self.backward = Call(module.backward, source.backward, common, job.parts[0], known)
        if "_g_time" not in common or self.again:
            self.forward = Call(module.forward, source.forward, common, job.parts[0], known)


def _forward_part(job: Job, part: Part, runner: _Runner) -> None:
    at = part.low
    while True:
        at = runner.forward(part, at, part.high)
        if at >= part.high:
            return
        _mend(job, part, at)


def _backward_part(job: Job, part: Part, runner: _Runner) -> None:
    if not runner.again:
        runner.backward(part, part.low, part.high)
        return
    count = part.arrays["_count"]
    kept = count[:2].copy()  # each element is run again, noting all states, then led back
    part.put("_tracing", True)
    for b in range(part.low, part.high):
        count[0], count[1] = runner.common["_records_at"][b], runner.common["_outs_at"][b]
        while runner.forward(part, b, b + 1) == b:
            _mend(job, part, b)
        runner.backward(part, b, b + 1)
    count[:2] = kept
    part.put("_tracing", False)


def _mend(job: Job, part: Part, element: int) -> None:
    """Make room where there was too little, or raise what cannot be mended."""
    a = part.arrays
    code, neuron = int(a["_count"][6]), int(a["_count"][4])
    name = job.tables.plan.neuron.name
    if code == 1:
        for key in _GROWS:
            part.put(key, np.concatenate([a[key], np.empty_like(a[key])]))
    elif code == 3:
        for key, x in arrival_lists(2 * len(a["_a_time"]), job.tables.system.size).items():
            part.put(key, x)
    elif code == 6:
        part.put("_trace", np.zeros((2 * int(a["_count"][3]) + 2, job.tables.system.size)))
    elif code == 2:
        raise InputError(
            f"neuron {neuron} of {name} fires without end at one instant (element {element}): the reset leaves it at or"
            " above its threshold; lower v_r, raise the threshold, or give refractory="
        )
    elif code == 5 and a["_most"] < job.most * job.n_out:
        raise _TooManyError
    elif code == 5:
        end = "" if job.until < math.inf else "; it may fire for ever: say until when, EventLayer(..., until='100 ms')"
        raise InputError(
            f"the neurons of {name} fire more than {job.most:,} times each in element {element}{end};"
            " or lower the weights, or give refractory="
        )
    else:
        raise InputError(
            f"the flow of {name} has undamped oscillations near the threshold: say until when, EventLayer(...,"
            " until='100 ms')"
        )


@lru_cache(maxsize=2)
def _kernels(real: bool) -> dict[str, Any]:
    compiled = _modal.compile_kernels(jit, _search.KERNELS, _search.REAL if real else {})
    names = ("first_crossing", "glance", "pass_modes", "propagate_modes", "propagate_state")
    return {name: compiled[name] for name in names}
