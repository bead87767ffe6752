"""Layers that run from spike to spike, with exact gradients of spike times."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn

from rheobase.derive.eventprop import adjoint_facts, start_slopes
from rheobase.derive.facts import exact_facts
from rheobase.errors import InputError
from rheobase.learn.event_check import (
    check_train,
    read_count,
    read_delays,
    read_port,
    read_reading,
    read_threads,
    read_until,
)
from rheobase.learn.event_run import Events, Job
from rheobase.learn.event_space import Spaces
from rheobase.learn.event_tables import Tables, build_tables, peak
from rheobase.learn.event_values import EventValues
from rheobase.learn.spikes import Spikes
from rheobase.model.neuron import Neuron

__all__ = ["EventLayer"]

_SHORTEST: Final = 0.1  # ms: trained recurrent delays stay above it, for windows of the smallest delay are run
_MOST: Final = 100_000  # spikes of a neuron in one run
_ENDLESS: Final = 1_000  # the same where no end is given, for no spike that arrives


@final
class EventLayer(nn.Module):
    r"""A layer of neurons that runs from spike to spike, without a time step, with exact gradients.

    Spikes in, spikes out. Between events the state follows the exact flow; spike times are those of `rheobase.Exact`.
    The gradient of any spike time, or reading, is that of the true function: the adjoint state goes back through the
    same events by the transposed flow and jumps where spikes are, by the implicit function theorem,

    .. math::

        \frac{dt^*}{dp} = -\frac{\partial g/\partial p + \nabla g\cdot\partial x/\partial p}{\nabla g\cdot\dot x^-},

    all derived from the rows (`rheobase.derive.eventprop`). Memory grows with spikes, not with time.

    Parameters
    ----------
    n_in, n_out : int
        How many neurons are listened to, and how many there are.
    cell : Neuron
        Any rows that `rheobase.Exact` runs by linear flow: LIF and its currents, adaptive thresholds, generalised LIF,
        any time constants, any reset.
    recurrent : bool
        Whether the neurons also listen to each other (``recurrent_weight [n_out, n_out]``); needs `until`.
    delays, recurrent_delays : time, array or tensor, optional
        In ms: one for all, or one a synapse, ``[n_out, n_in]`` and ``[n_out, n_out]``. If not given 0, and 1 ms.
    train : names
        What training changes: "weight", "delay", and any parameter, constant input or initial state of the cell.
        Time constants stay positive (their logarithm is trained), delays >= 0 (recurrent ones >= 0.1 ms, or what is
        given if that is less).
    until : time, optional
        The end. Without it, neurons are followed until nothing more can happen.
    read : str, optional
        What the layer gives: spikes (None), or readings of a state (``read="v"`` at times `at`, ``"last v"``, ``"mean
        v"``, ``"max v"``) of shape ``[batch, n_out]``, or ``[batch, times, n_out]`` with `at`. For ``"max v"`` the
        cell must not fire: ``cell.replace(threshold=None)``.
    at : times, optional
        When ``read="v"`` is read.
    port : str, optional
        Where spikes arrive, if the cell has several ports.
    per_neuron : bool
        Whether each neuron has trainable parameters of its own.
    threads : int, optional
        At most how many threads share a batch; results do not depend on it.
    **values
        Other values of the cell's parameters, inputs and initial states: numbers, or one a neuron.

    Notes
    -----
    All is computed in float64 on the CPU. **The number of spikes has no gradient**: where a spike is about to appear or
    to vanish, dt/dp grows without bound. A neuron that is silent gets no gradient; `wake` is for those, `silent` names
    them. Several spikes that arrive at once, and fire a neuron by a jump of v itself, have the derivative of the order
    in which they are listed.

    Weights begin as normal random numbers whose size follows from the cell: an arrival's height (the peak of the
    response to weight 1), the distance to threshold, and n_in.

    Raises
    ------
    NotExact
        If the exact engine cannot run the cell's rows.
    InputError
        For values, shapes or names that cannot be meant.

    References
    ----------
    Wunderlich & Pehle (2021) Sci. Rep. 11:12829, doi:10.1038/s41598-021-91786-z.

    Examples
    --------
    >>> import torch
    >>> import rheobase as rb
    >>> from rheobase import learn
    >>> cell = rb.LIFexp(E_L=0, theta=1, v_r=0, R=1, tau="20 ms", tau_s="5 ms", refractory=None)
    >>> layer = learn.EventLayer(2, 1, cell, delays="1 ms")
    >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 5.0]]))
    >>> spikes = layer(learn.Spikes.from_lists([([0.0, 2.0], [0, 1])]))
    >>> spikes
    Spikes(1 spikes, batch 1, 1 neurons, with gradient)
    >>> spikes.first().sum().backward()
    >>> layer.weight.grad  # ms per unit of weight
    tensor([[-1.1523, -0.9273]], dtype=torch.float64)
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        cell: Neuron,
        recurrent: bool = False,
        delays: Any = None,
        recurrent_delays: Any = None,
        train: str | Collection[str] = ("weight",),
        until: Any = None,
        read: str | None = None,
        at: Any = None,
        *,
        port: str | None = None,
        per_neuron: bool = False,
        threads: int | None = None,
        **values: Any,
    ) -> None:
        super().__init__()
        self.n_in, self.n_out = read_count(n_in, "n_in"), read_count(n_out, "n_out")
        if not isinstance(cell, Neuron):
            raise InputError(f"cell must be a neuron, such as rb.LIFexp(), not {type(cell).__name__}")
        self.cell, self.recurrent = cell, bool(recurrent)
        self.port = read_port(cell, port)
        self.threads = read_threads(threads)
        self.until = read_until(until)
        if self.recurrent and cell.rows.threshold is None:
            raise InputError(f"{cell.name} has no threshold row and never fires; recurrent=True has no effect there")
        if self.recurrent and self.until == math.inf:
            raise InputError("recurrent=True needs an end: EventLayer(..., until='100 ms')")
        names = (train,) if isinstance(train, str) else tuple(train)
        self._trained = check_train(cell, names)
        self._read, self._at = read_reading(cell, read, at, self.until)
        self._neuron = _with_integral(cell, self._read)
        self._facts = exact_facts(self._neuron, ())
        self._adjoint = adjoint_facts(self._neuron, self._trained)
        self.values = EventValues(cell, values, self._trained, per_neuron, self.n_out)
        self._spaces = Spaces()
        self._cached: tuple[Any, Tables] | None = None
        delay = read_delays(delays, 0.0, (self.n_out, self.n_in), "delays", 0.0)
        self._put("delay", delay, "delay" in names)
        if self.recurrent:
            own = read_delays(recurrent_delays, 1.0, (self.n_out, self.n_out), "recurrent_delays", 1e-6)
            self._put("recurrent_delay", own, "delay" in names)
            self._shortest = min(_SHORTEST, float(own.min()))
        elif recurrent_delays is not None:
            raise InputError("recurrent_delays are given, but the layer is not recurrent; say recurrent=True")
        self._put("weight", torch.zeros(self.n_out, self.n_in, dtype=torch.float64), "weight" in names)
        if self.recurrent:
            self._put("recurrent_weight", torch.zeros(self.n_out, self.n_out, dtype=torch.float64), "weight" in names)
        self.register_buffer("silent", torch.zeros(self.n_out, dtype=torch.bool), persistent=False)
        self.reset_parameters()

    def _put(self, name: str, value: Tensor, trained: bool) -> None:
        if trained:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    def reset_parameters(self, drive: float = 1.5) -> None:
        """Draw the weights anew, from torch's generator.

        Parameters
        ----------
        drive : float
            How far the mean sum of all arrivals, if they came at once, exceeds the threshold: about as 1 to n_in / 2 of
            them arrive within a time constant.
        """
        tables = self._tables()
        height = peak(tables)
        start = tables.system.start
        gap = float(-(start @ tables.system.normals[0]).mean()) if self._fires else height
        unit = gap / height if height > 0 and gap > 0 else 1.0
        with torch.no_grad():
            mean = drive * unit * 2.0 / self.n_in if self._fires else 0.0
            self.weight.normal_(mean, unit / math.sqrt(self.n_in))
            if self.recurrent:
                self.recurrent_weight.normal_(0.0, 0.5 * unit / math.sqrt(self.n_out))

    @property
    def _fires(self) -> bool:
        return self.cell.rows.threshold is not None

    def forward(self, spikes: Spikes) -> Spikes | Tensor:
        """Return the layer's spikes, or what `read` says.

        Parameters
        ----------
        spikes : Spikes
            Of n_in neurons. What arrives after `until` has no effect.
        """
        if not isinstance(spikes, Spikes):
            raise InputError(
                f"an EventLayer takes learn.Spikes, not {type(spikes).__name__}; Spikes.from_dense(z, dt=...) makes"
                " them of a tensor [time, batch, n]"
            )
        if spikes.n != self.n_in:
            raise InputError(f"the spikes are of {spikes.n} neurons, but the layer listens to n_in = {self.n_in}")
        weight, delay, uniform = self._synapses()
        trained = [self.values.value(p) for p in self._trained]
        keep = torch.is_grad_enabled() and any(x.requires_grad for x in (weight, delay, spikes.times, *trained))
        job = Job(
            tables=self._tables(),
            adjoint=self._adjoint,
            start_slopes=self._start_slopes,
            n_in=self.n_in,
            n_out=self.n_out,
            recurrent=self.recurrent,
            uniform=uniform,
            until=self.until,
            most=_MOST if self.until < math.inf else _ENDLESS + 20 * _longest(spikes),
            threads=self.threads,
            shapes={p: tuple(x.shape) for p, x in zip(self._trained, trained, strict=True)},
            in_neurons=np.ascontiguousarray(spikes.neurons.cpu().numpy()),
            in_offsets=np.ascontiguousarray(spikes.offsets.cpu().numpy()),
            read_times=self._at,
            read_state=self._neuron.states.index(self._read[1]) if self._read else 0,
            keep=keep,
            spaces=self._spaces,
        )
        times, readings = Events.apply(job, weight, delay, spikes.times.double(), *trained)
        offsets = torch.from_numpy(job.out_offsets)
        out = Spikes._trusted(times, torch.from_numpy(job.out_neurons), offsets, self.n_out)
        if self._fires:
            self.silent = torch.from_numpy(np.bincount(job.out_neurons, minlength=self.n_out) == 0)
        if self._read is None:
            return out
        readings = readings / self.until if self._read[0] == "mean" else readings
        return readings if self._read[0] == "at" else readings[:, 0]

    def _start_slopes(self) -> dict[str, np.ndarray]:
        facts, adjoint = exact_facts(self.cell, ()), adjoint_facts(self.cell, self._trained)
        return start_slopes(self.cell, facts, adjoint, self.values.numbers(), self.values.resting, self.n_out)

    def _synapses(self) -> tuple[Tensor, Tensor, bool]:
        """Return weights [n_out, sources], delays likewise or, where they are shared, [1, 2], and whether they are."""
        self._hold(self.delay, 0.0)
        weight, delay = self.weight.double(), self.delay.double()
        if not _is_finite(weight):
            raise InputError("the weights hold NaN or infinity; lower the learning rate, or clip gradients")
        if not self.recurrent:
            uniform = delay.ndim == 0
            return weight, torch.stack([delay, delay.detach()])[None] if uniform else delay, uniform
        self._hold(self.recurrent_delay, self._shortest)
        own_weight, own = self.recurrent_weight.double(), self.recurrent_delay.double()
        if not _is_finite(own_weight):
            raise InputError("the recurrent weights hold NaN or infinity; lower the learning rate, or clip gradients")
        weight = torch.cat([weight, own_weight], 1)
        if delay.ndim == 0 and own.ndim == 0:
            return weight, torch.stack([delay, own])[None], True
        shapes = (self.n_out, self.n_in), (self.n_out, self.n_out)
        return weight, torch.cat([delay.expand(shapes[0]), own.expand(shapes[1])], 1), False

    def _hold(self, delay: Tensor, low: float) -> None:
        """Bring delays back that an optimiser has made too short."""
        if not _is_finite(delay):
            raise InputError("the delays hold NaN or infinity; lower the learning rate, or clip gradients")
        if float(np.min(delay.detach().cpu().numpy())) < low:
            with torch.no_grad():
                delay.clamp_(min=low)

    def _tables(self) -> Tables:
        values = self.values.numbers()
        start = self.values.start()
        if self._neuron is not self.cell:
            start["integral_of_it"] = np.zeros(self.n_out)
        key = [(k, np.asarray(x).tobytes()) for k, x in [*values.items(), *start.items()]]
        if self._cached is None or self._cached[0] != key:
            top = self._neuron.states.index(self._read[1]) if self._read and self._read[0] == "max" else None
            built = build_tables(self._neuron, self._facts, self.port, self._trained, values, start, self.n_out, top)
            self._cached = (key, built)
        return self._cached[1]

    def wake(self, by: float = 0.1) -> int:
        """Raise the weights of neurons that were silent in the last batch; return how many there were.

        A neuron that does not fire has no gradient. Each of its weights grows by the part `by` of the mean size of the
        layer's weights. Call it after ``optimiser.step()``.
        """
        with torch.no_grad():
            self.weight[self.silent] += by * self.weight.abs().mean()
        return int(self.silent.sum())

    def __getattr__(self, name: str) -> Any:
        """Return a parameter of the cell by its name: ``layer.tau``, with its graph where it is trained."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            values = self.__dict__.get("_modules", {}).get("values")
            if values is not None and (name in values.fixed or name in values.free):
                return values.value(name)
            raise

    def extra_repr(self) -> str:
        more = ", recurrent" if self.recurrent else ""
        end = f", until {self.until:g} ms" if self.until < math.inf else ""
        return f"{self.n_in}, {self.n_out}, {self.cell.name}{more}{end}"


def _is_finite(x: Tensor) -> bool:
    return bool(np.isfinite(x.detach().cpu().numpy()).all())


def _longest(spikes: Spikes) -> int:
    return int(np.diff(spikes.offsets.numpy()).max())


def _with_integral(cell: Neuron, read: tuple[str, str] | None) -> Neuron:
    """Return the neuron with one more state for a mean over time: the integral of what is read."""
    if read is None or read[0] != "mean":
        return cell
    return cell.replace(evolve=f"{cell.evolve}\ndintegral_of_it/dt = {read[1]}", integral_of_it=0.0)
