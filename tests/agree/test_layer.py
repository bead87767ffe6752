"""Layers: the printed kernels against autograd of the reference, and the layer against the clock engine."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from tests.agree.layer_models import SURROGATES, zoo

import rheobase as rb
from rheobase import learn
from rheobase.emit import layer_modules
from rheobase.emit.source import load_module


def random_model(seed):
    """Rows drawn at random: currents, adaptation, nonlinearity, reset, refractoriness, bounds."""
    rng = np.random.default_rng(seed)
    pick = lambda *of: of[rng.integers(len(of))]  # noqa: E731
    drive = pick("v", "v", "s")
    nonlinear = pick("", "", " + k*v*v/4", " + k*exp((v - 1)/2)", " - k*max(v, 0)", " + k*tanh(v)", " - k*abs(v)")
    adapt = pick("", "w", "theta")
    lines = [f"tau dv/dt = -v{nonlinear}" + (" + 2*s" if drive == "s" else "") + (" - w" if adapt == "w" else "")]
    values = {"tau": float(rng.uniform(3, 20))}
    values |= {"k": float(rng.uniform(0.05, 0.3))} if nonlinear else {}
    if drive == "s":
        lines.append("tau_s ds/dt = -s")
        values["tau_s"] = float(rng.uniform(2, 8))
    reset = [pick("v <- v - 1", "v <- 0", "v <- 0.2*v")]
    if adapt:
        lines.append(f"tau_a d{adapt}/dt = {'v/4 - w' if adapt == 'w' else '1 - theta'}")
        values["tau_a"] = float(rng.uniform(5, 40))
        reset.append(f"{adapt} <- {adapt} + b")
        values["b"] = float(rng.uniform(0.1, 0.5))
    if rng.random() < 0.3:
        lines.append("v >= -0.3")
    receive = pick(f"{drive} <- {drive} + w_i", f"{drive} <- {drive} + w_i*(2 - {drive})/2")
    cell = rb.Neuron(
        evolve="\n".join(lines),
        receive=receive,
        threshold=f"v {pick('>', '>=')} {'theta' if adapt == 'theta' else '1'}",
        reset="\n".join(reset),
        refractory=pick(None, None, 2.0, {"threshold": 1.5}),
        name=f"drawn {seed}",
        **values,
    )
    return cell, "spikes", 1.0, tuple(n for n in values if rng.random() < 0.7)


#: model, where x arrives, how large it is, what is trained
MODELS = [*zoo(0.6, 1.5), *(random_model(seed) for seed in range(15))]


def gradients(neuron, to, size, train, *, T=14, dtype=torch.float64, seed=0, **more):
    """Return everything that comes out of a layer, and all gradients."""
    torch.manual_seed(seed)
    x = (torch.rand(T, 2, 3, dtype=torch.float64) * size - 0.1 * size).to(dtype).requires_grad_()
    weigh = torch.randn(T, 2, 3, dtype=torch.float64).to(dtype)
    recurrent = more.pop("recurrent", None)
    if recurrent is not None:
        more |= {"recurrent": recurrent.clone(), "size": 3}
    layer = learn.Layer(neuron, dt="0.5 ms", to=to, train=train, **more)
    layer = layer.double() if dtype == torch.float64 else layer
    z, state = layer(x, return_state=True)
    loss = (z * weigh).sum() + sum(((i + 1) * v.sin()).sum() for i, v in enumerate(state.values.values()))
    loss.backward()
    out = {"z": z, **state.values, "dx": x.grad}
    out |= {f"d {name}": p.grad for name, p in layer.named_parameters()}
    return {name: value.detach().double() for name, value in out.items()}


def assert_close(a, b, rtol):
    assert torch.equal(a["z"], b["z"])
    for name, x in a.items():
        size = max(float(x.abs().max()), 1e-12)
        assert float((x - b[name]).abs().max()) <= rtol * size, name


@pytest.fixture
def printed(monkeypatch):
    """Run the printed loops as plain Python: what is derived and printed is checked without compiling it."""
    monkeypatch.setattr(layer_modules, "compiled_module", lambda path, *_: load_module(path))
    monkeypatch.setattr(layer_modules, "_known", {})


@pytest.mark.parametrize("i", range(len(MODELS)), ids=lambda i: MODELS[i][0].name)
def test_kernels_equal_autograd_of_the_reference(printed, i):
    neuron, to, size, train = MODELS[i]
    more = {
        "gradient": SURROGATES[i % len(SURROGATES)],
        "detach_reset": i % 5 == 4,
        "store": "states" if i % 3 == 2 else "bits",
        "seed": i,
    }
    a = gradients(neuron, to, size, train, backend="torch", **more)
    b = gradients(neuron, to, size, train, backend="numba", **more)
    assert_close(a, b, 1e-10)


def test_the_models_drawn_do_fire():
    assert sum(float(gradients(*m, backend="torch")["z"].sum()) > 0 for m in MODELS) > 20


@pytest.mark.parametrize("per_neuron", [False, True])
def test_recurrent_kernels_equal_the_reference(printed, per_neuron):
    weights = torch.tensor([[0.1, 0.4, -0.3], [0.2, 0.0, 0.3], [-0.4, 0.3, 0.2]], dtype=torch.float64)
    model = (rb.ALIF(), "spikes", 1.0, ("tau", "delta"))
    more = {"recurrent": weights, "per_neuron": per_neuron}
    assert_close(gradients(*model, backend="torch", **more), gradients(*model, backend="numba", **more), 1e-10)


def test_traces_and_many_kept_states(printed):
    out = []
    for backend in ("torch", "numba"):
        torch.manual_seed(1)
        x = torch.rand(10, 2, 3, dtype=torch.float64).requires_grad_()
        found = learn.Layer(rb.ALIF(), dt=1, backend=backend).record(x)
        (found["v"] ** 2 + found["theta"] * found["v"]).mean().backward()
        out.append({"z": found["z"].detach(), "v": found["v"].detach(), "dx": x.grad})
    assert_close(*out, 1e-12)


def compiled_equals_reference(i, **more):
    neuron, to, size, train = MODELS[i]
    about = {"gradient": SURROGATES[i % len(SURROGATES)], "detach_reset": i % 5 == 4, "seed": i, **more}
    for dtype, rtol in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        a, b = (gradients(neuron, to, size, train, backend=n, dtype=dtype, **about) for n in ("torch", "numba"))
        assert_close(a, b, rtol)


@pytest.mark.parametrize("i", [5, 19], ids=lambda i: MODELS[i][0].name)
def test_compiled_in_single_and_double_precision(i):
    compiled_equals_reference(i, T=70)


@pytest.mark.slow
@pytest.mark.parametrize("i", range(len(MODELS)), ids=lambda i: MODELS[i][0].name)
def test_every_model_compiled(i):
    compiled_equals_reference(i, store="states" if i % 3 == 2 else "bits")


@cache
def _clock(neuron, to, dt, seed, size):
    rng = np.random.default_rng(seed)
    x = rng.random((200, 3)) * size
    z = np.zeros_like(x)
    for i in range(x.shape[1]):
        given = rb.sampled(x[:, i], dt=dt) if to == "I" else rb.spikes(np.arange(1, 201) * dt, weight=x[:, i])
        run = rb.simulate(neuron, **{to: given}, until=200 * dt, engine=rb.Clock(dt))
        z[np.rint(run.spikes[0] / dt).astype(int) - 1, i] = 1
    return x, z


@pytest.mark.parametrize(
    ("neuron", "to", "size"),
    [
        (rb.LIF(), "spikes", 5.0),
        (rb.LIF(), "I", 0.8),
        (rb.LIFexp(), "spikes", 0.3),
        (rb.ALIF(), "spikes", 0.8),
        (rb.AdEx(), "I", 2.0),
        (rb.Izhikevich(), "I", 20.0),
        (rb.COBA(), "exc", 0.005),
        (rb.MAT(), "exc", 0.9),
        (rb.QIF(), "I", 3.0),
        *((m[0], m[1], m[2]) for m in MODELS[15:21]),
    ],
    ids=lambda x: getattr(x, "name", str(x)),
)
def test_the_layer_fires_as_the_clock_engine(neuron, to, size):
    x, spikes = _clock(neuron, to, 0.25, 3, size)
    z = learn.Layer(neuron, dt=0.25, to=to, backend="torch")(torch.from_numpy(x)[:, None])
    assert spikes.sum() > 3
    assert np.array_equal(z[:, 0].numpy(), spikes)


def test_powers_have_a_slope_at_zero(printed):
    """SymPy's v**n n/v is NaN where a neuron begins, at v = 0."""
    cell = rb.Neuron(
        evolve="tau dv/dt = -v + c*abs(v)**n + k*v**m + I", threshold="v > 1", reset="v <- 0",
        tau="10 ms", c=0.3, n=2.5, k=0.1, m=3.0,
    )  # fmt: skip
    model = (cell, "I", 4.0, ("c", "k"))
    a, b = (gradients(*model, backend=way, method="euler") for way in ("torch", "numba"))
    assert torch.isfinite(a["dx"]).all()
    assert_close(a, b, 1e-10)
