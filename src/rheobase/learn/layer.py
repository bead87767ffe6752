"""Any neuron as a PyTorch layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, final

import torch
from torch import Tensor, nn

from rheobase.derive.rest import is_current
from rheobase.emit.layer_modules import step_module
from rheobase.errors import InputError, nearest
from rheobase.learn.arguments import (
    check_gradient,
    check_neuron,
    check_recurrent_to,
    check_to,
    choice,
    make_recurrent,
    read_dt,
    read_scale,
)
from rheobase.learn.backend import BACKENDS, choose_backend
from rheobase.learn.check import check_fed, check_state, read_fed, read_size
from rheobase.learn.fused import run_fused
from rheobase.learn.parameters import Values, check_train
from rheobase.learn.plain import Job, Outcome, run_plain
from rheobase.learn.plan import Plans
from rheobase.learn.read import parse_read
from rheobase.learn.state import State
from rheobase.learn.surrogate import Surrogate
from rheobase.learn.trains import read_steps
from rheobase.learn.triton_run import run_triton
from rheobase.model.neuron import Neuron

__all__ = ["Layer"]


@final
class Layer(nn.Module):
    """A layer of neurons: spikes or currents in, spikes out, any four-row neuron.

    Parameters
    ----------
    neuron : Neuron
        The rows and their values; the same object that `rheobase.simulate` runs.
    dt : time
        The step, in ms or as ``"1 ms"``.
    gradient : Surrogate
        What stands for the slope of a spike (see `rheobase.learn.surrogate`).
    read : str, optional
        What the layer gives: the spikes (None, "spikes"), a state at all times ("v"), "last v", "max v", "mean v" (of
        any state), "rate" (Hz), "count" (spikes), "first spike" (time in ms; one step after the end if there is none).
    size : int or tuple, optional
        How many neurons; needed where they differ, are recurrent or have trainable parameters of their own.
    recurrent : bool, tensor or Module, optional
        True: trainable weights ``[size, size]``; a tensor: these weights; a Module: what maps spikes to what arrives.
    train : names
        Parameters that training changes, such as ``("tau", "theta")``, or states whose initial value it changes. A
        time constant stays positive (above dt for method "euler").
    per_neuron : bool
        Whether each neuron has trainable parameters of its own.
    detach_reset : bool
        Whether the gradient ignores that a spike resets the state.
    to : str, optional
        The port or input at which x arrives; needed only if there are several (or give a dict of tensors).
        `recurrent_to` is the port of the recurrent weights, the same if not given.
    batch_first : bool
        Whether time is the second axis, ``[batch, time, *neurons]``.
    method : str
        How a step is computed, as `rheobase.Clock`: "auto", "exact", "exponential euler", "rk4", "euler"...
    scale : float, optional
        What the threshold function is divided by before the surrogate sees it; the distance from rest to threshold if
        not given, 1 for a threshold of 1 and rest at 0.
    backend : str
        "auto", "numba" (compiled kernels on a CPU), "triton" (compiled kernels on a GPU, not for recurrent layers) or
        "torch" (plain operations, the reference). "auto" takes the kernels where they can run.
    store : str
        What is kept for the backward pass: "bits" (spikes as bits, states are computed again) or "states".

    Notes
    -----
    State at t_k is what holds after everything at t_k. In step k the neuron flows from t_k to t_k+1 with the inputs
    held, x[k] arrives, it fires where its threshold row holds and it is not refractory, and is reset: z[k] are the
    spikes at t_k+1. At a receive port x[k] is the weighted sum that arrives at t_k+1; as an input (a current) it is
    held from t_k to t_k+1. Recurrent spikes z[k-1] arrive, weighted, in step k.

    Raises
    ------
    InputError
        For names, shapes and values that cannot be meant; the message says what to do.

    Examples
    --------
    >>> import torch
    >>> import rheobase as rb
    >>> from rheobase import learn
    >>> lif = rb.Neuron(
    ...     evolve="tau dv/dt = -v",
    ...     receive="v <- v + w_i",
    ...     threshold="v > theta",
    ...     reset="v <- v - theta",
    ...     tau="20 ms",
    ...     theta=1.0,
    ... )
    >>> layer = learn.Layer(lif, dt="1 ms", train=("tau", "theta"))
    >>> z = layer(torch.full((5, 2, 3), 0.4))  # [time, batch, neurons]
    >>> z[:, 0, 0]
    tensor([0., 0., 1., 0., 0.], grad_fn=<SelectBackward0>)
    >>> z, state = layer(torch.zeros(5, 2, 3), return_state=True)
    >>> z.sum().backward()
    >>> round(layer.tau.item(), 4), [name for name, _ in layer.named_parameters()]
    (20.0, ['values.log_tau', 'values.value_theta'])
    """

    def __init__(
        self,
        neuron: Neuron,
        dt: Any,
        gradient: Surrogate | None = None,
        read: str | None = None,
        size: int | tuple[int, ...] | None = None,
        recurrent: bool | Tensor | nn.Module | None = None,
        train: str | Collection[str] = (),
        per_neuron: bool = False,
        detach_reset: bool = False,
        to: str | None = None,
        batch_first: bool = False,
        backend: str = "auto",
        *,
        method: str = "auto",
        recurrent_to: str | None = None,
        scale: float | None = None,
        store: str = "bits",
    ) -> None:
        super().__init__()
        self.dt = read_dt(dt)
        self._neuron = check_neuron(neuron)
        self.gradient = check_gradient(gradient)
        self.backend = choice("backend", backend, BACKENDS)
        self.store = choice("store", store, ("bits", "states"))
        self.batch_first, self.detach_reset = bool(batch_first), bool(detach_reset)
        self.to_port = check_to(neuron, to)
        self.shape = read_size(size if size is not None else neuron.size)
        names = check_train(neuron, train)
        first = step_module(neuron, self._default_fed(), method)
        self.method, self.order = str(first.METHOD), str(first.ORDER)
        self.read = parse_read(read, neuron.states, bool(first.FIRES), neuron.name)
        self.values = Values(neuron, self.dt, self.method, names, per_neuron, self.shape)
        self.recurrent_to = check_recurrent_to(neuron, recurrent, recurrent_to, self.to_port)
        self.recurrent = make_recurrent(recurrent, self.shape, bool(first.FIRES), neuron.name)
        self.scale = read_scale(scale, self.values, neuron)
        self._plans = Plans()

    def _default_fed(self) -> tuple[str, ...]:
        return (self.to_port,) if self.to_port is not None else (*self._neuron.ports, *self._open_inputs())

    def _open_inputs(self) -> tuple[str, ...]:
        return tuple(u for u in self._neuron.inputs if not is_current(u))

    # ------------------------------------------------------------------------------------ running

    def forward(self, x: Tensor | Mapping[str, Tensor], state: State | None = None, return_state: bool = False) -> Any:
        """Return what the layer reads of a sequence; with a state, or `return_state`, a pair with the new state.

        Parameters
        ----------
        x : tensor or dict
            ``[time, batch, *neurons]`` (``[batch, time, *neurons]`` with `batch_first`); a dict names ports and inputs.
        state : State, optional
            Where to go on from; fresh if not given.
        return_state : bool
            Whether the state after the last step is returned, too.
        """
        done = self._run(x, state, self.read.traces)
        axis = 1 if self.batch_first else 0
        trace = done.traces.get(self.read.state or "")
        last = done.state.values.get(self.read.state or "")
        z = None if done.z is None else self._turn(done.z)
        out = self.read.apply(z, None if trace is None else self._turn(trace), last, self.dt, axis)
        return (out, done.state) if return_state or state is not None else out

    def step(self, x: Tensor | Mapping[str, Tensor], state: State) -> tuple[Tensor, State]:
        """Return what one time step gives, and the new state: ``[batch, *neurons]`` in and out.

        It gives the spikes, or, if `read` names a state, its value after the step.
        """
        if not isinstance(state, State):
            raise InputError(
                "step() needs the state: state = layer.start(batch=...), then z, state = layer.step(x, state)"
            )
        fed = read_fed(x, self._neuron, self.to_port)
        done = self._run({n: v.unsqueeze(1 if self.batch_first else 0) for n, v in fed.items()}, state, ())
        if self.read.state is not None:
            return done.state.values[self.read.state], done.state
        assert done.z is not None
        return done.z[0], done.state

    def record(
        self, x: Tensor | Mapping[str, Tensor], names: Collection[str] | None = None, state: State | None = None
    ) -> dict[str, Tensor]:
        """Return traces by name, with their gradients: the states (all of them if `names` is not given) and spikes "z".

        Each is ``[time, batch, *neurons]`` (or as `batch_first` says) and holds the values at t_k+1, after the reset.
        """
        wanted = tuple(self._neuron.states if names is None else (n for n in names if n != "z"))
        for n in wanted:
            if n not in self._neuron.states:
                known = [*self._neuron.states, "z"]
                raise InputError(f"record: '{n:.60}' is no state.{nearest(n, known)} There are: {', '.join(known)}")
        done = self._run(x, state, wanted)
        out = {s: self._turn(trace) for s, trace in done.traces.items()}
        if done.z is not None and (names is None or "z" in names):
            out["z"] = self._turn(done.z)
        return out

    def start(
        self,
        batch: int,
        neurons: int | tuple[int, ...] | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """Return a fresh state: initial values as the neuron gives them, else at rest.

        Parameters
        ----------
        batch : int
            How many samples.
        neurons : int or tuple, optional
            How many neurons; needed if the layer has no `size`.
        """
        shape = read_size(neurons) if neurons is not None else self.shape
        if shape is None:
            raise InputError(
                "start() needs to know how many neurons: start(batch, neurons=128), or Layer(..., size=128)"
            )
        if self.shape is not None and shape != self.shape:
            raise InputError(f"start(neurons={shape}) does not fit the layer's size {self.shape}")
        return self._fresh((read_steps(batch, "batch", "samples"), *shape), dtype or torch.get_default_dtype(), device)

    def _fresh(self, whole: tuple[int, ...], dtype: torch.dtype, device: torch.device | str | None) -> State:
        values, known = {}, self.values
        for s in self._neuron.states:
            x = known.value(s)
            # its own memory, since the loop writes into it
            values[s] = (
                x.to(dtype=dtype, device=device).expand(whole).clone()
                if isinstance(x, Tensor)
                else torch.full(whole, x, dtype=dtype, device=device)
            )
        left = {t: torch.zeros(whole, dtype=torch.int32, device=device) for t in self._neuron.refractory}
        z = torch.zeros(whole, dtype=dtype, device=device) if self.recurrent_to is not None else None
        return State(MappingProxyType(values), MappingProxyType(left), z, 0, self._layout(whole[1:]))

    def _layout(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        return (self._neuron.states, tuple(self._neuron.refractory), self.recurrent_to is not None, shape, self.dt)

    def _turn(self, x: Tensor) -> Tensor:
        return x.transpose(0, 1) if self.batch_first else x

    def _run(self, x: Tensor | Mapping[str, Tensor], state: State | None, kept: tuple[str, ...]) -> Outcome:
        given = read_fed(x, self._neuron, self.to_port)
        check_fed(given, self.shape, self.batch_first, state)
        fed = {n: self._turn(v) for n, v in given.items()}
        like = next(iter(fed.values()))
        wide = torch.float64 if like.dtype == torch.float64 else torch.float32
        if self.recurrent_to is not None and self.recurrent_to not in fed:
            fed[self.recurrent_to] = torch.zeros_like(like)
        fresh = state is None
        if state is None:
            state = self._fresh(tuple(like.shape[1:]), wide, like.device)
        else:
            check_state(state, self._layout(tuple(like.shape[2:])), like)
            state = state.to(wide)
        if torch.compiler.is_compiling():  # one break of the graph, instead of tracing through our own compiler
            return _untraced(self, fed, state, kept, fresh)
        return self._compute(fed, state, kept, fresh)

    def _compute(self, fed: dict[str, Tensor], state: State, kept: tuple[str, ...], fresh: bool) -> Outcome:
        like = next(iter(fed.values()))
        wide = next(iter(state.values.values())).dtype
        names = tuple(sorted(fed))
        module, values = step_module(self._neuron, names, self.method), self.values
        values.check()
        job = Job(
            module,
            values.constants(module, names),
            self.gradient,
            self.scale,
            self.detach_reset,
            self.dt,
            fed,
            state,
            self.recurrent,
            self.recurrent_to or "",
            kept,
            fresh and not any([x.requires_grad for x in state.values.values()]),
        )
        done = self._start_job(job)
        if like.dtype == wide:
            return done
        z = None if done.z is None else done.z.to(like.dtype)
        return Outcome(z, done.traces, done.state)

    def _start_job(self, job: Job) -> Outcome:
        way = choose_backend(self.backend, job)
        if way == "numba":
            done = run_fused(self._neuron, job, self.store, self._plans)
        else:
            done = run_triton(self._neuron, job, self.store) if way == "triton" else run_plain(job)
        if not done.sound:
            _check_finite(job, done)
        return done

    # ------------------------------------------------------------------------------------ what it is

    def neuron(self) -> Neuron:
        """Return the neuron with its present values, to be simulated, drawn or exported.

        >>> import rheobase as rb
        >>> from rheobase import learn
        >>> learn.Layer(rb.LIF(), dt="1 ms", train="tau").neuron().parameters["tau"].dimension
        Dimension('ms')
        """
        changed = {n: self.values.quantity(n) for n in (*self.values.free, *self.values.arrays)}
        return self._neuron.replace(**changed) if changed else self._neuron

    def source(self) -> str:
        """Return the torch operations of one step, printed from the rows."""
        module = step_module(self._neuron, self._default_fed(), self.method)
        with open(module.__file__ or "", encoding="utf-8") as file:
            return file.read()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            values = self.__dict__.get("_modules", {}).get("values")
            if values is not None and name in values:
                x = values.value(name)
                return x if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)
            known = [*(values.model.parameters if values is not None else ())]
            raise AttributeError(f"the layer has no '{name}'.{nearest(name, known)}") from None

    def extra_repr(self) -> str:
        """Return what `print` shows between the brackets."""
        n = self._neuron
        parts = [n.name, f"dt={self.dt:g} ms", f"{self.method}", repr(self.gradient)]
        parts += [f"read={self.read.kind} {self.read.state or ''}".strip()] if self.read.kind != "spikes" else []
        parts += [f"size={self.shape}"] if self.shape else []
        parts += [f"train={', '.join(self.values.free)}"] if self.values.free else []
        return ", ".join(parts)


def _untraced(layer: Layer, fed: dict[str, Tensor], state: State, kept: tuple[str, ...], fresh: bool) -> Outcome:
    return torch.compiler.disable(Layer._compute)(layer, fed, state, kept, fresh)


# as torch.compiler.disable marks a function; as a decorator it would import torch's compiler, which takes a second
_untraced._torchdynamo_disable = True  # type: ignore[attr-defined]
_untraced._torchdynamo_disable_msg = "a layer's time loop is compiled by rheobase"  # type: ignore[attr-defined]


def _check_finite(job: Job, done: Outcome) -> None:
    """Raise where NaN came in, or a state overflowed; `done.sound` is False where the loops have seen one of them."""
    lost = [name for name, x in done.state.values.items() if not bool(torch.isfinite(x).all())]
    for fed, given in job.fed.items():
        wrong = ~torch.isfinite(given) if lost else torch.isnan(given)
        if bool(wrong.any()):
            at = [int(i) for i in wrong.nonzero()[0]]
            raise InputError(
                f"what is given to '{fed}' is NaN or infinite at time {at[0]}, batch {at[1]}, neuron {at[2:]}; look for"
                " a division by zero or an overflow (float16 ends at 65504) before this layer"
            )
    if lost:
        raise InputError(
            f"{lost[0]} overflowed: choose a smaller dt, another method (now '{job.module.METHOD}') or smaller weights"
        )
