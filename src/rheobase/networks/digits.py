"""Diehl and Cook's network, which learns images without labels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.distribution import uniform
from rheobase.model.neuron import Neuron
from rheobase.model.synapse import Synapse
from rheobase.network.inputs import frequency_in_khz, sampled
from rheobase.network.network import Network
from rheobase.network.sources import poisson
from rheobase.network.values import read_count
from rheobase.units import to_number

__all__ = ["diehl_cook"]

_REFERENCE: Final = "Diehl & Cook (2015) Front. Comput. Neurosci. 9:99, doi:10.3389/fncom.2015.00099"
_SUM: Final = 78.0 / 784.0  # of the weights onto a neuron, for each pixel
_ROWS: Final = "tau dv/dt = E_L - v + g_e*(E_e - v) + g_i*(E_i - v)\ntau_e dg_e/dt = -g_e\ntau_i dg_i/dt = -g_i"
_PORTS: Final = {"exc": "g_e <- g_e + w_i", "inh": "g_i <- g_i + w_i"}
_SHARED: Final[dict[str, Any]] = {
    "E_e": "0 mV",
    "tau_e": "1 ms",
    "tau_i": "2 ms",
    "g_e": 0,
    "g_i": 0,
    "reference": _REFERENCE,
}


def diehl_cook(
    images: Any,
    n: int = 400,
    *,
    present: Any = "350 ms",
    rest: Any = "150 ms",
    rate: Any = "63.75 Hz",
    learn: bool = True,
    weights: Any = None,
    theta: Any = None,
    A_plus: Any = 0.01,
    A_minus: Any = 0.0001,
    total: Any = None,
    delta: Any = "0.05 mV",
    tau_theta: Any = "1e7 ms",
) -> Network:
    r"""Return a network that is shown images one after the other, and comes to tell them apart.

    Each pixel is a Poisson source (population ``input``); all are joined to each excitatory neuron (``E``) by
    synapses that learn (projection ``input to E``). A spike in E makes an inhibitory partner (``I``) fire, which
    inhibits all other neurons of E: who answers first answers alone, and learns what it sees. Its threshold rises with
    each of its spikes, so that in time all have their turn.

    Parameters
    ----------
    images : array (n_images, n_pixels)
        What is shown, in this order; 1 stands for spikes at `rate`, 0 for none.
    n : int
        Neurons of E, and of I.
    present, rest : time
        How long each image is shown, and how long nothing is shown after it.
    rate : frequency
        Of the input at intensity 1.
    learn : bool
        False: synapses and thresholds stay as they are.
    weights : array (n_pixels * n,), optional
        Of ``input to E``, as ``run.weights("input to E")`` returned them; drawn at random if not given.
    theta : array (n,), optional
        How far thresholds have risen in mV, as ``run["E"].final["theta"]`` returned it; 0 if not given.
    A_plus, A_minus : float
        How much a synapse learns from a spike of its target, and loses by one of its own that comes late.
    total : float, optional
        What the weights onto each neuron of E are brought to before each image; by default 78/784 for each pixel.
    delta, tau_theta : voltage, time
        How far a threshold rises with a spike, and how slowly it falls back.

    Raises
    ------
    InputError
        If the images are no such array, or a number is out of its range.

    Notes
    -----
    With x raised to 1 by spikes of the pixel (:math:`\tau_x` = 20 ms), y and z by those of the neuron (20 and 40 ms),
    a spike of the pixel changes w by :math:`-A_- y`, one of the neuron by :math:`A_+ x z`, z as it was before; w lies
    in 0 .. 1. E: tau 100 ms, rest and reset -65 mV, threshold -52 mV + theta, refractory 5 ms, inhibition reverses at
    -100 mV; I: tau 10 ms, rest -60 mV, reset -45 mV, threshold -40 mV, 2 ms, -85 mV. Conductances are relative to the
    leak and decay with 1 and 2 ms; E to I 10.4, I to E 17. A step of 0.5 ms is enough.

    The defaults are those of the paper's network for 60,000 images of 28 x 28 pixels, shown three times. A smaller set
    takes larger `A_plus` and `delta`; ``examples/09_digits_stdp.py`` shows it for 8 x 8 pixels. Different from the
    paper: delays from the input are 1 ms, not 0 to 10 ms; v begins at rest; an image that raises fewer than five
    spikes is not shown again, brighter.

    References
    ----------
    Diehl & Cook (2015) Unsupervised learning of digit recognition using spike-timing-dependent plasticity, Front.
    Comput. Neurosci. 9:99, doi:10.3389/fncom.2015.00099. The numbers, and the form of the rule, are those of the
    authors' program (github.com/peter-u-diehl/stdp-mnist).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> net = diehl_cook(rng.random((3, 64)), n=50)
    >>> net
    <Network: populations input (64), E (50), I (50); 3 projections>
    >>> net.projections[0].synapse.on_post.splitlines()
    ['w <- w + A_plus*x*z', 'y <- 1', 'z <- 1']
    """
    shown = _read_images(images)
    count, pixels = read_count(n, "n", 2), shown.shape[1]
    on, off = to_number(present, "ms", "present"), to_number(rest, "ms", "rest")
    if not (on > 0 and off >= 0 and np.isfinite(on + off)):
        raise InputError(f"present = {on:g} ms must be positive, and rest = {off:g} ms not negative")
    hertz = 1000.0 * np.asarray(frequency_in_khz(rate).value, dtype=float)
    if hertz.ndim or not 0 <= hertz < np.inf:
        raise InputError(f"rate = {rate!r:.40} must be one rate from 0, such as '63.75 Hz'")
    net = Network()
    source = net.add("input", pixels, poisson(_course(shown, float(hertz), on, off)))
    E = net.add("E", count, _excitatory(), **_adapting(learn, theta, delta, tau_theta))
    I = net.add("I", count, _inhibitory())
    how: dict[str, Any] = {"weight": uniform(0.003, 0.303) if weights is None else weights, "name": "input to E"}
    if learn:
        each = _SUM * pixels if total is None else to_number(total, "1", "total")
        how |= {"synapse": _rule(A_plus, A_minus), "normalise": (each, on + off)}
    net.connect(source, E, to="exc", all_to_all=True, delay="1 ms", **how)
    net.connect(E, I, to="exc", one_to_one=True, weight=10.4, delay="0.5 ms", name="E to I")
    net.connect(I, E, to="inh", all_to_all=True, self_connections=False, weight=17.0, delay="0.5 ms", name="I to E")
    return net


def _read_images(images: Any) -> np.ndarray:
    try:
        shown = np.asarray(images, dtype=float)
    except (TypeError, ValueError):
        raise InputError("images must be an array of numbers of shape (n_images, n_pixels)") from None
    if shown.ndim != 2 or 0 in shown.shape:
        raise InputError(
            f"images have the shape {shown.shape}; give (n_images, n_pixels), such as x.reshape(len(x), -1)"
        )
    if not np.all(np.isfinite(shown)) or shown.min() < 0:
        bad = int(np.flatnonzero(~np.all(np.isfinite(shown) & (shown >= 0), axis=1))[0])
        raise InputError(f"image {bad} has a pixel that is negative or not finite; intensities are numbers from 0")
    return shown


def _course(shown: np.ndarray, hertz: float, on: float, off: float) -> Any:
    """Return the rate of each pixel over time in Hz: each image, then nothing."""
    begin = np.arange(len(shown)) * (on + off)
    if off == 0:
        return sampled(np.vstack([shown, np.zeros_like(shown[:1])]) * hertz, times=np.append(begin, len(shown) * on))
    values = np.zeros((2 * len(shown), shown.shape[1]))
    values[::2] = shown * hertz
    return sampled(values, times=np.stack([begin, begin + on], axis=1).ravel())


def _adapting(learn: bool, theta: Any, delta: Any, tau_theta: Any) -> dict[str, Any]:
    """Return the values of thresholds that rise, or of those that stay."""
    rise = {"delta": delta, "tau_theta": tau_theta} if learn else {"delta": "0 mV", "tau_theta": "1e15 ms"}
    return rise | {"theta": 0.0 if theta is None else theta}


def _excitatory() -> Neuron:
    return Neuron(
        evolve=f"{_ROWS}\ntau_theta dtheta/dt = -theta",
        receive=_PORTS,
        threshold="v > theta_0 + theta",
        reset="v <- v_r; theta <- theta + delta",
        refractory="5 ms",
        name="Diehl-Cook E",
        about="threshold that adapts",
        **{"tau": "100 ms", "E_L": "-65 mV", "E_i": "-100 mV", "theta_0": "-52 mV", "v_r": "-65 mV"},
        **{"tau_theta": "1e7 ms", "delta": "0.05 mV", "theta": "0 mV", "v": "-65 mV"},
        **_SHARED,
    )


def _inhibitory() -> Neuron:
    return Neuron(
        evolve=_ROWS,
        receive=_PORTS,
        threshold="v > theta",
        reset="v <- v_r",
        refractory="2 ms",
        name="Diehl-Cook I",
        **{"tau": "10 ms", "E_L": "-60 mV", "E_i": "-85 mV", "theta": "-40 mV", "v_r": "-45 mV", "v": "-60 mV"},
        **_SHARED,
    )


def _rule(A_plus: Any, A_minus: Any) -> Synapse:
    return Synapse(
        evolve="tau_x dx/dt = -x\ntau_y dy/dt = -y\ntau_z dz/dt = -z\nw >= 0\nw <= w_max",
        on_pre="w <- w - A_minus*y\nx <- 1",
        on_post="w <- w + A_plus*x*z\ny <- 1\nz <- 1",
        name="Diehl-Cook STDP",
        reference=_REFERENCE,
        **{"tau_x": "20 ms", "tau_y": "20 ms", "tau_z": "40 ms", "A_plus": A_plus, "A_minus": A_minus, "w_max": 1.0},
    )
