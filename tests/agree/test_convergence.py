"""The measured order of every method is the one it claims."""

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import rheobase as rb
from rheobase.engines import blocks

TRAUB = (
    "u = v - V_T\nalpha_m = 0.32*4/exprel((13 - u)/4)\n"
    "beta_m = 0.28*5/exprel((u - 40)/5)\nalpha_h = 0.128*exp((17 - u)/18)\n"
    "beta_h = 4/(1 + exp((40 - u)/5))\nalpha_n = 0.032*5/exprel((15 - u)/5)\nbeta_n = 0.5*exp((10 - u)/40)\n"
)


def _hh_slope(t: float, y: np.ndarray) -> list[float]:
    v, m, h, n = y
    u = v + 63.0

    def exprel(x: float) -> float:
        return math.expm1(x) / x if x else 1.0

    return [
        (0.01 * (-65 - v) + 20 * m**3 * h * (50 - v) + 6 * n**4 * (-90 - v) + 0.7) / 0.2,
        1.28 / exprel((13 - u) / 4) * (1 - m) - 1.4 / exprel((u - 40) / 5) * m,
        0.128 * math.exp((17 - u) / 18) * (1 - h) - 4 / (1 + math.exp((40 - u) / 5)) * h,
        0.16 / exprel((15 - u) / 5) * (1 - n) - 0.5 * math.exp((10 - u) / 40) * n,
    ]


# name: neuron without threshold, constant inputs, the slope written out by hand, until
FAMILIES: dict[str, tuple[rb.Neuron, dict[str, float], Callable[[float, np.ndarray], Any], float]] = {
    "linear": (
        rb.Neuron("tau dv/dt = I - v + w\ntau_w dw/dt = -w - 0.5*v", tau=4.0, tau_w=7.0, v=1.0, w=0.5),
        {"I": 2.0},
        lambda t, y: [(2 - y[0] + y[1]) / 4, (-y[1] - 0.5 * y[0]) / 7],
        8.0,
    ),
    "conductance": (
        rb.Neuron(
            "tau dv/dt = E - v + g*(E_e - v)\ntau_s dg/dt = -g",
            tau=10.0,
            tau_s=3.0,
            E=-70.0,
            E_e=0.0,
            v=-70.0,
            g=1.5,
        ),
        {},
        lambda t, y: [(-70 - y[0] - y[1] * y[0]) / 10, -y[1] / 3],
        8.0,
    ),
    "t in the row": (
        rb.Neuron("tau dv/dt = sin(t)*(1 + 0.5*v) - v", tau=2.0, v=0.7),
        {},
        lambda t, y: [(math.sin(t) * (1 + 0.5 * y[0]) - y[0]) / 2],
        8.0,
    ),
    "quadratic": (
        rb.Neuron("tau dv/dt = v**2 + I - w\ntau_w dw/dt = v - w", tau=10.0, tau_w=5.0, v=-2.0, w=0.2),
        {"I": 1.0},
        lambda t, y: [(y[0] ** 2 + 1 - y[1]) / 10, (y[0] - y[1]) / 5],
        8.0,
    ),
    "Hodgkin-Huxley": (
        rb.Neuron(
            TRAUB
            + "C dv/dt = g_L*(E_L - v) + g_Na*m**3*h*(E_Na - v) + g_K*n**4*(E_K - v) + I\n"
            + "\n".join(f"d{x}/dt = alpha_{x}*(1 - {x}) - beta_{x}*{x}" for x in "mhn"),
            V_T=-63.0,
            C=0.2,
            g_L=0.01,
            E_L=-65.0,
            g_Na=20.0,
            E_Na=50.0,
            g_K=6.0,
            E_K=-90.0,
            v=-65.0,
            m=0.01,
            h=0.99,
            n=0.02,
        ),
        {"I": 0.7},
        _hh_slope,
        4.0,
    ),
}
ORDERS = {"euler": 1, "sequential euler": 1, "heun": 2, "rk4": 4, "exponential euler": 1}


@pytest.mark.parametrize("method", ORDERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_error_falls_with_the_claimed_order(family: str, method: str) -> None:
    model, given, slope, until = FAMILIES[family]
    if method == "exponential euler" and family == "quadratic":
        with pytest.raises(rb.InputError, match="linear in its own state"):
            rb.simulate(model, 1, dt=0.1, method=method, **given)
        return
    start = [float(model.initial[s].value) for s in model.states]
    truth = solve_ivp(slope, (0, until), start, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    errors = []
    steps = [0.1, 0.05, 0.025, 0.0125] if family != "Hodgkin-Huxley" else [0.02, 0.01, 0.005, 0.0025]
    for dt in steps:
        run = rb.simulate(model, until, dt=dt, method=method, record=False, **given)
        assert run.order.startswith(str(ORDERS[method]))
        errors.append(max(abs(run.final[s][0] - x) for s, x in zip(model.states, truth, strict=True)))
    assert min(errors) > 1e-13, "rounding errors have no order"
    found = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(found[-2:] - ORDERS[method]) < 0.2), f"orders {found}, errors {errors}"


@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0, 7.3])
@pytest.mark.parametrize("tau_s", [2.0, 9.999999, 10.0, 50.0])
def test_exact_method_has_rounding_errors_only(dt: float, tau_s: float) -> None:
    """Also where two time constants are equal or nearly so, and for a step larger than all of them."""
    model = rb.Neuron(
        "tau dv/dt = E - v + R*(x + I)\ntau_s dx/dt = y - x\ntau_s dy/dt = -y",
        tau=10.0,
        tau_s=tau_s,
        E=-70.0,
        R=40.0,
        v=-65.0,
        x=0.3,
        y=0.7,
    )
    steps = 20
    run = rb.simulate(model, steps * dt, dt=dt, method="exact", I=0.2)
    with mpmath.workdps(40):
        a = mpmath.matrix(
            [
                [-1 / mpmath.mpf(10), 4, 0, 1],
                [0, -1 / mpmath.mpf(tau_s), 1 / mpmath.mpf(tau_s), 0],
                [0, 0, -1 / mpmath.mpf(tau_s), 0],
                [0, 0, 0, 0],
            ]
        )
        a[0, 3] = (mpmath.mpf(-70) + 40 * mpmath.mpf(0.2)) / 10
        truth = mpmath.expm(a * mpmath.mpf(dt) * steps) * mpmath.matrix([-65, mpmath.mpf(0.3), mpmath.mpf(0.7), 1])
    for i, s in enumerate(model.states):
        assert float(abs(run.final[s][0] - truth[i])) <= 3e-15 * steps * max(abs(float(truth[i])), 1.0)


def test_exact_method_with_a_clamped_state_and_a_stepped_input() -> None:
    """While v is held, the rest flows on; an input that changes at a grid point is no error at all."""
    model = rb.Neuron(
        "tau dv/dt = I + x - v\ntau_s dx/dt = -x",
        threshold="v > 1",
        reset="v <- 0.2",
        refractory=3.0,
        tau=10.0,
        tau_s=4.0,
        v=0.99,
        x=2.0,
    )
    run = rb.simulate(model, 10, dt=0.5, I=rb.step(0.5, on=2, off=6))
    assert run.spikes[0][0] == 0.5
    held = run.t <= 3.5
    np.testing.assert_array_equal(run.v[1:][held[1:]], 0.2)
    np.testing.assert_allclose(run.x, 2 * np.exp(-run.t / 4), rtol=1e-13)
    truth = solve_ivp(
        lambda t, y: [(0.5 * (t < 6) + 2 * math.exp(-t / 4) - y[0]) / 10],
        (3.5, 6),
        [0.2],
        rtol=1e-12,
        atol=1e-12,
    ).y[0, -1]
    assert run.v[12] == pytest.approx(truth, abs=1e-10)


@pytest.mark.parametrize("method", ["exact", "euler", "rk4"])
def test_error_of_a_spike_time_is_of_the_order_of_the_step(method: str) -> None:
    """On a grid a crossing is late by half a step on average, whatever the method; Euler adds an error of
    its own."""
    I = np.linspace(1.2, 3.0, 400)
    truth = 10 * np.log(I / (I - 1))
    model = rb.Neuron("tau dv/dt = I - v", threshold="v > 1", reset="v <- 0", tau=10.0, v=0.0)
    late = []
    for dt in (0.2, 0.1, 0.05, 0.025):
        run = rb.simulate(model, 20, dt=dt, method=method, I=I, record=False)
        first = np.array([s[0] for s in run.spikes])
        late.append(np.mean(first - truth) / dt)
        assert np.abs(first - truth).max() <= dt + 1e-9 if method != "euler" else 3 * dt
    if method == "euler":
        np.testing.assert_allclose(late, np.mean(0.5 - truth / 20), atol=0.12)  # its flow runs ahead by t dt/(2 tau)
    else:
        np.testing.assert_allclose(late, 0.5, atol=0.06)


# noise --------------------------------------------------------------------------------------------


def test_stationary_variance_of_euler_and_of_the_exact_transition() -> None:
    model = rb.Neuron("tau dv/dt = -v + sigma*sqrt(2*tau)*xi", tau=5.0, sigma=2.0, v=0.0)
    n, tau, sigma = 40_000, 5.0, 2.0
    for dt in (0.5, 2.0):
        exact = rb.simulate(model, 50, dt=dt, method="exact", n=n, seed=1, record=False).final["v"].var()
        euler = rb.simulate(model, 50, dt=dt, method="euler", n=n, seed=1, record=False).final["v"].var()
        assert exact == pytest.approx(sigma**2, rel=5 * math.sqrt(2 / n))
        assert euler == pytest.approx(sigma**2 / (1 - dt / (2 * tau)), rel=5 * math.sqrt(2 / n))


def test_exact_transition_of_noise_that_passes_through_another_state() -> None:
    """Variances of v and x and their covariance after a time, against the integral over the kernels; two
    steps, one step."""
    model = rb.Neuron(
        "tau dv/dt = x - v\ntau_x dx/dt = -x + s*sqrt(2*tau_x)*xi", tau=10.0, tau_x=3.0, s=1.5, v=0.0, x=0.0
    )
    n, until = 40_000, 8.0
    u = np.linspace(0, until, 200_001)
    kernel_x = 1.5 * math.sqrt(2 / 3) * np.exp(-u / 3)
    kernel_v = 1.5 * math.sqrt(2 / 3) * (np.exp(-u / 10) - np.exp(-u / 3)) / (10 / 3 - 1)
    expected = {
        k: np.trapezoid(a * b, u)
        for k, a, b in (("vv", kernel_v, kernel_v), ("xx", kernel_x, kernel_x), ("vx", kernel_v, kernel_x))
    }
    for dt in (8.0, 1.0):
        final = rb.simulate(model, until, dt=dt, method="exact", n=n, seed=3, record=False).final
        assert final["v"].var() == pytest.approx(expected["vv"], rel=5 * math.sqrt(2 / n))
        assert final["x"].var() == pytest.approx(expected["xx"], rel=5 * math.sqrt(2 / n))
        scale = math.sqrt(expected["vv"] * expected["xx"] + expected["vx"] ** 2)
        assert np.mean(final["v"] * final["x"]) == pytest.approx(expected["vx"], abs=5 * scale / math.sqrt(n))


def _share_path(patch: pytest.MonkeyPatch, coarse: int, fine: np.ndarray) -> None:
    """Let a run's Gaussian numbers be the increments of one Brownian path, seen every `coarse` fine steps."""
    z = fine.reshape(-1, coarse, fine.shape[1]).sum(axis=1) / math.sqrt(coarse)

    def fill(key: int, keys: np.ndarray, k0: int, k1: int, out: np.ndarray, compiled: bool) -> None:
        out[: k1 - k0] = z[k0:k1, : out.shape[1]]

    patch.setattr(blocks, "fill_normals", fill)


@pytest.mark.parametrize(
    ("evolve", "method", "order"),
    [
        ("tau dv/dt = a*v + s*v*xi", "euler", 0.5),
        ("tau dv/dt = v - v**3 + s*xi", "euler", 1.0),
        ("tau dv/dt = v - v**3 + s*xi", "heun", 1.0),
    ],
)
def test_strong_order(evolve: str, method: str, order: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean distance from the solution for the same Brownian path."""
    n, finest, until = 400, 4096, 4.0
    path = np.random.default_rng(5).standard_normal((finest, n))
    names = {"a": 0.2, "s": 1.0} if "a*v" in evolve else {"s": 0.7}
    model = rb.Neuron(evolve, tau=1.0, v=1.0, **names)

    def run(coarse: int) -> np.ndarray:
        _share_path(monkeypatch, coarse, path)
        done = rb.simulate(model, until, dt=until / finest * coarse, method=method, n=n, seed=1, record=False)
        assert done.order == ("1/2 (strong)" if order == 0.5 else "1 (strong)")
        return done.final["v"]

    if order == 0.5:  # known: v exp((a - s**2/2) t + s W)
        w = path.sum(axis=0) * math.sqrt(until / finest)
        truth = np.exp((0.2 - 0.5) * until + w)
    else:
        truth = run(1)
    steps = np.array([16, 32, 64, 128])
    errors = [np.abs(run(int(c)) - truth).mean() for c in steps]
    found = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert found == pytest.approx(order, abs=0.15), f"order {found}, errors {errors}"


def test_noise_without_sense_is_refused() -> None:
    model = rb.Neuron("tau dv/dt = -v + v*xi", tau=1.0, v=1.0)
    with pytest.raises(rb.InputError, match="Stratonovich"):
        rb.simulate(model, 1, dt=0.1, method="heun")
    with pytest.raises(rb.InputError, match="use 'heun' or 'euler'"):
        rb.simulate(model, 1, dt=0.1, method="rk4")
    with pytest.raises(rb.InputError, match="method = 'exact' needs"):
        rb.simulate(model, 1, dt=0.1, method="exact")
