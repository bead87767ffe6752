"""The closed forms agree with values made independently with 30 digits, within the stated tolerance."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest

from rheobase.analysis import theory
from rheobase.errors import InputError

ORACLE = json.loads((Path(__file__).parents[1] / "data" / "closed_form.json").read_text())


def number(row: dict, *names: str) -> list[float]:
    return [float(row[name]) for name in names]


def rows(section: str, part: str = "rows", of: dict | None = None) -> pytest.MarkDecorator:
    table = (of or ORACLE[section])[part]
    return pytest.mark.parametrize("row", table, ids=[str(i) for i in range(len(table))])


# ---- A: LIF


@rows("A_lif_constant")
def test_lif_rate(row):
    tau, t_ref, E_L, theta, v_r, R, I = number(row, "tau_m", "t_ref", "v_rest", "v_thresh", "v_reset", "R", "I")
    assert theory.lif_rate(I, tau, R, E_L, theta, v_r, t_ref) == pytest.approx(float(row["rate_Hz"]), rel=1e-10)
    assert 1e3 / theory.lif_rate(I, tau, R, E_L, theta, v_r, t_ref) == pytest.approx(float(row["isi"]), rel=1e-10)
    first = 1e3 / theory.lif_rate(I, tau, R, E_L, theta, E_L)  # from rest, not from the reset
    assert first == pytest.approx(float(row["first_spike"]), rel=1e-10)


def test_lif_rheobase_separates_silence_from_firing():
    edge = theory.lif_rheobase(R=10, E_L=-70, theta=-50)
    rates = theory.lif_rate([0, edge, np.nextafter(edge, 9)], tau=5, R=10, E_L=-70, theta=-50, v_r=-70)
    assert edge == 2
    assert rates[0] == rates[1] == 0
    assert rates[2] > 0


# ---- A2: subthreshold


@rows("A2_lif_subthreshold", "gain_phase")
def test_gain_and_phase(row):
    gain, phase = theory.gain_and_phase(float(row["omega_per_ms"]), tau=20, R=10)
    assert gain == pytest.approx(float(row["gain"]), rel=1e-13)
    assert phase == pytest.approx(float(row["phase_rad"]), rel=1e-13)


@rows("A2_lif_subthreshold")
def test_subthreshold_response(row):
    t, v = number(row, "t", "v")
    if row["kind"] == "sin":
        omega = float(row["omega_per_ms"])
        gain, phase = theory.gain_and_phase(omega, tau=20, R=10)
        ours = gain * (np.sin(omega * t + phase) - np.sin(phase) * np.exp(-t / 20))
    else:
        ours = theory.step_response(t, I=1, on=5, off=25, tau=20, R=10)
    assert ours == pytest.approx(v, rel=1e-10, abs=1e-14)


# ---- B: PSP


def shape(row: dict) -> dict:
    tau, C, w = number(row, "tau_m", "C", "w")
    tau_s = number(row, "tau_rise", "tau_decay") if row["kind"] == "beta" else float(row["tau_syn"])
    return {"kind": row["kind"], "w": w, "tau": tau, "C": C, "tau_s": tau_s}


@rows("B_psp")
def test_psp(row):
    tau_s, tau = float(row.get("tau_syn", 1)), float(row["tau_m"])
    rel = 1e-7 if 0 < abs(tau_s / tau - 1) < 1e-6 else 1e-10
    time, height = theory.psp_peak(**shape(row))
    assert time == pytest.approx(float(row["t_peak"]), rel=rel)
    assert height == pytest.approx(float(row["v_peak"]), rel=rel)
    np.testing.assert_allclose(theory.psp(row["t"], **shape(row)), [float(v) for v in row["v"]], rtol=rel)
    area = theory.campbell(1e3, **shape(row)).mean
    assert area == pytest.approx(float(row["integral"]), rel=rel)


@pytest.mark.parametrize("tau_s", [10.0, 10.0 + 1e-13, 10.001, 11.5, 2.0, 0.01, 3000.0])
@pytest.mark.parametrize("kind", ["exp", "alpha"])
def test_psp_against_thirty_digits(kind, tau_s):
    with mpmath.workdps(100):
        a, b = mpmath.mpf("0.1"), 1 / mpmath.mpf(tau_s)

        def v(t):
            k = b - a
            if abs(k) < mpmath.mpf(10) ** -60:
                return mpmath.e * b * t**2 / 2 * mpmath.exp(-a * t) if kind == "alpha" else t * mpmath.exp(-a * t)
            if kind == "exp":
                return (mpmath.exp(-a * t) - mpmath.exp(-b * t)) / k
            return mpmath.e * b * (mpmath.exp(-a * t) - (1 + k * t) * mpmath.exp(-b * t)) / k**2

        times = [1e-6, 0.1, 1.0, 9.0, 40.0]
        expected = [float(v(mpmath.mpf(t))) for t in times]
        ours, height = theory.psp_peak(kind, 1.0, 10.0, tau_s=tau_s)
        peak = mpmath.findroot(lambda t: mpmath.diff(v, t), mpmath.mpf(ours))
        highest = float(v(peak))
    np.testing.assert_allclose(theory.psp(times, kind, 1.0, 10.0, tau_s=tau_s), expected, rtol=1e-13)
    assert ours == pytest.approx(float(peak), rel=1e-12)
    assert height == pytest.approx(highest, rel=1e-13)


def test_beta_with_equal_time_constants_is_alpha():
    alpha, beta = theory.psp_peak("alpha", 0.3, 10, 0.25, 4), theory.psp_peak("beta", 0.3, 10, 0.25, (4, 4))
    assert beta == pytest.approx(alpha, rel=1e-15)
    near = theory.psp_peak("beta", 0.3, 10, 0.25, (4, 4 * (1 + 1e-12)))
    assert near == pytest.approx(alpha, rel=1e-11)


# ---- E: QIF, EIF, AdEx


def interval(row: dict, key: str) -> float:
    return float("inf") if row[key] is None else float(row[key])


@rows("E_qif", "canonical")
def test_qif_canonical(row):
    tau, I, v_r, v_peak = number(row, "tau", "I", "v_reset", "v_peak")
    assert theory.qif_isi(I, tau, v_r, v_peak) == pytest.approx(interval(row, "isi"), rel=1e-9)


@rows("E_qif", "biophysical")
def test_qif_biophysical(row):
    E_L, v_c, a, R, tau, I, v_r, v_peak = number(row, "v_r", "v_c", "a", "R", "tau", "I", "v_reset", "v_peak")
    assert theory.qif_rheobase(R, a, E_L, v_c) == pytest.approx(float(row["rheobase"]), rel=1e-12)
    ours = theory.qif_isi(I, tau, v_r, v_peak, R=R, a=a, E_L=E_L, v_c=v_c)
    assert ours == pytest.approx(interval(row, "isi"), rel=1e-9)


@pytest.mark.parametrize("I", [-4.0, 0.0, 1e-12, 4.0])
def test_qif_starting_above_the_unstable_fixed_point(I):
    expected = 10 * float(mpmath.quad(lambda v: 1 / (v * v + I), [3, 10, 100]))
    assert theory.qif_isi(I, 10, 3, 100) == pytest.approx(expected, rel=1e-12)


@rows("E_eif")
def test_eif(row):
    C, g_L, I, rheobase = (x * 1e-3 for x in number(row, "C_pF", "gL_nS", "I_pA", "rheobase_pA"))
    E_L, v_T, delta_T, v_r, v_peak = number(row, "EL", "VT", "DeltaT", "v_reset", "v_peak")
    assert theory.eif_rheobase(g_L, E_L, v_T, delta_T) == pytest.approx(rheobase, rel=1e-12)
    ours = theory.eif_isi(I, C, g_L, E_L, v_T, delta_T, v_r, v_peak)
    assert ours == pytest.approx(interval(row, "isi_ms"), rel=1e-8)


@pytest.mark.parametrize("excess", [1e-10, 1e-4, 1.0, -0.05])
def test_eif_near_and_below_the_rheobase(excess):
    C, g_L, E_L, v_T, D = 0.2, 0.01, -70.0, -50.0, 2.0
    v_r = -70.0 if excess > 0 else -40.0  # below the rheobase only a high reset fires on
    I = theory.eif_rheobase(g_L, E_L, v_T, D) + excess
    drive = mpmath.mpf(I - theory.eif_rheobase(g_L, E_L, v_T, D)) / (g_L * D)
    w = 8 * mpmath.sqrt(abs(drive))
    low, high = (v_r - v_T) / D, 25
    cuts = [low, *(z for z in (-5, -1, -w, -w / 8, 0, w / 8, w, 1, 5) if low < z), high]
    with mpmath.workdps(25):
        expected = C / g_L * mpmath.quad(lambda z: 1 / (drive + mpmath.exp(z) - 1 - z), sorted(cuts))
    ours = theory.eif_isi(I, C, g_L, E_L, v_T, D, v_r, v_T + 25 * D)
    assert ours == pytest.approx(float(expected), rel=1e-9)


@rows("E_adex_rheobase")
def test_adex_rheobase(row):
    C, g_L, a, current, saddle = (
        x * 1e-3 for x in number(row, "C", "gL", "a", "I_rheobase_constant_pA", "I_saddle_node_pA")
    )
    ours = theory.adex_rheobase(C, g_L, *number(row, "EL", "VT", "DeltaT"), a, float(row["tau_w"]))
    assert ours.bifurcation == row["bifurcation"]
    assert ours.current == pytest.approx(current, rel=1e-12)
    assert ours.saddle_node == pytest.approx(saddle, rel=1e-12)
    if row["I_hopf_pA"] is None:
        assert ours.hopf is None
    else:
        assert ours.hopf == pytest.approx(float(row["I_hopf_pA"]) * 1e-3, rel=1e-12)


# ---- H: noise


@rows("H_siegert")
def test_siegert(row):
    args = number(row, "mu", "sigma", "tau", "theta", "v_reset", "t_ref")
    mu, sigma, tau, theta, v_r, t_ref = args
    assert theory.siegert(*args) == pytest.approx(float(row["rate_Hz"]), rel=1e-8)
    colored = float(row["rate_Hz_colored_tau_syn_1ms_FourcaudBrunel"])
    assert theory.siegert(*args, tau_s=1.0) == pytest.approx(colored, rel=1e-8)
    if row["cv"] is not None:
        assert theory.siegert_cv(*args) == pytest.approx(float(row["cv"]), rel=1e-8)
    if row["deterministic_rate_Hz"] is not None:
        silent = theory.siegert(mu, 0.0, tau, theta, v_r, t_ref)
        assert silent == pytest.approx(float(row["deterministic_rate_Hz"]), rel=1e-12)
    if row["kramers_rate_Hz"] is not None:
        assert theory.kramers_rate(mu, sigma, tau, theta) == pytest.approx(float(row["kramers_rate_Hz"]), rel=1e-8)


SIEGERT_CORNERS = [
    (-60.0, 5.0, 20.0, -50.0, -65.0, 2.0),
    (20.0, 200.0, 20.0, 15.0, 0.0, 0.0),  # noise far above the interval
    (10.0, 0.5, 20.0, 15.0, 0.0, 0.0),  # ten sigma below: 1e-41 Hz
    (10.0, 0.5, 20.0, 15.0, 14.99, 0.0),  # a narrow interval, far away
    (15.0, 0.1, 20.0, 15.0, 0.0, 2.0),
    (15.2, 0.3, 20.0, 15.0, 0.0, 2.0),
    (25.0, 0.05, 20.0, 15.0, 0.0, 2.0),  # limits below -50: the asymptotic series
    (16.0, 0.05, 20.0, 15.0, 0.0, 2.0),
    (1000.0, 1e-3, 20.0, 15.0, 0.0, 0.0),
]


@pytest.mark.parametrize("args", SIEGERT_CORNERS)
def test_siegert_in_the_corners(args):
    mu, sigma, tau, theta, v_r, t_ref = args
    with mpmath.workdps(40):
        a, b = (mpmath.mpf(v_r) - mu) / sigma, (mpmath.mpf(theta) - mu) / sigma

        def scaled(u):
            # exp(u^2)(1 + erf u); far out by its series, where 40 digits of erfc are slow
            return mpmath.exp(u * u) * mpmath.erfc(-u)

        cuts = [a, *(c for c in (-1000, -100, -30, -10, -3, 0, 3, 8) if a < c < b), b]
        mean = t_ref + tau * mpmath.sqrt(mpmath.pi) * mpmath.quad(scaled, cuts)
        expected = float(1000 / mean)
    assert theory.siegert(*args) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("args", [c for c in SIEGERT_CORNERS if c[1] > 0.06])
def test_siegert_cv_in_the_corners(args):
    mu, sigma, tau, theta, v_r, t_ref = args
    with mpmath.workdps(30):
        a, b = (mpmath.mpf(v_r) - mu) / sigma, (mpmath.mpf(theta) - mu) / sigma

        def kernel(y):
            return mpmath.exp(y * y) * mpmath.erfc(-y) ** 2

        def span(x):  # integral of exp(x^2) from 0
            return mpmath.sqrt(mpmath.pi) / 2 * mpmath.erfi(x)

        # the order of the two integrals exchanged: a second road to Brunel's eq. A.1
        low = mpmath.quad(kernel, [-mpmath.inf, a - 5, a - 1, a - 0.2, a]) * (span(b) - span(a))
        cuts = [a, *(c for c in (-100, -30, -10, -3, 0, 3, 8, 9.5) if a < c < b), b]
        high = mpmath.quad(lambda y: kernel(y) * (span(b) - span(y)), cuts)
        variance = 2 * mpmath.pi * tau**2 * (low + high)
        mean = t_ref + tau * mpmath.sqrt(mpmath.pi) * mpmath.quad(lambda u: mpmath.exp(u * u) * mpmath.erfc(-u), cuts)
        expected = float(mpmath.sqrt(variance) / mean)
    assert theory.siegert_cv(*args) == pytest.approx(expected, rel=1e-8)


def test_siegert_never_overflows_and_keeps_its_limits():
    mu = np.concatenate([-np.logspace(8, -2, 40), np.logspace(-2, 8, 40)])
    with np.errstate(all="raise", under="ignore"):
        nu = theory.siegert(mu[:, None], np.logspace(-6, 6, 25), tau=20, theta=15, v_r=0, t_ref=2)
        cv = theory.siegert_cv(mu[:, None], np.logspace(-6, 6, 7), tau=20, theta=15, v_r=0, t_ref=2)
    assert np.isfinite(nu).all()
    assert np.isfinite(cv).all()
    assert (nu >= 0).all()
    assert (nu <= 500).all()
    assert (np.diff(nu, axis=0) >= -1e-9 * nu[1:]).all()  # more drive, more spikes
    weak = theory.siegert(30.0, 1e-7, tau=20, theta=15, v_r=0, t_ref=2)
    assert weak == pytest.approx(theory.lif_rate(30.0, 20, 1, 0, 15, 0, 2), rel=1e-13)
    rare = theory.siegert_cv(0.0, 2.0, tau=20, theta=15, v_r=0)
    assert rare == pytest.approx(1.0, abs=1e-9)  # escapes far below threshold are a Poisson process


def test_siegert_agrees_with_a_simulation():
    rng = np.random.default_rng(1)
    mu, sigma, tau, theta, v_r, dt = 20.0, 3.0, 20.0, 15.0, 0.0, 0.01
    v = np.zeros(4000)
    count, spread = 0, sigma * np.sqrt((1 - np.exp(-2 * dt / tau)) / 2)
    for k in range(30_000):
        v = mu + (v - mu) * np.exp(-dt / tau) + spread * rng.standard_normal(v.size)
        fired = v > theta - 0.5826 * sigma * np.sqrt(dt / tau)  # a grid misses crossings: Broadie et al. (1997)
        count += int(fired.sum()) if k >= 10_000 else 0
        v[fired] = v_r
    seen = 1e3 * count / (v.size * 20_000 * dt)
    assert theory.siegert(mu, sigma, tau, theta, v_r) == pytest.approx(seen, rel=0.01)


@rows("H_shot_noise")
def test_shot_noise(row):
    tau, r, a, theta, v_r = number(row, "tau", "rate_exc_per_ms", "mean_amplitude", "theta", "v_reset")
    ours = theory.shot_noise_rate(1e3 * r, a, tau, theta, v_r)
    assert ours == pytest.approx(float(row["rate_Hz"]), rel=1e-11)


@pytest.mark.parametrize(
    "args",
    [
        (20.0, 1.0, 10.0, 8.0, 0.0),
        (500.0, 0.1, 20.0, 15.0, 5.0),
        (1e5, 0.01, 20.0, 15.0, -3.0),
        (5.0, 3.0, 5.0, 1.0, 0.5),
    ],
)
def test_shot_noise_against_thirty_digits(args):
    rate, a, tau, theta, v_r = args
    with mpmath.workdps(30):
        k = mpmath.mpf(rate) * tau / 1000

        def integrand(u):
            z = -mpmath.expm1(-u)
            return mpmath.exp(-k * u) * (mpmath.exp(z * theta / a) - mpmath.exp(-u + z * v_r / a)) / z

        best = max(0, mpmath.log(theta / a / k))
        cuts = sorted(
            {
                mpmath.mpf("1e-25"),
                *(best * f for f in (0.25, 0.5, 0.8, 0.9, 1, 1.1, 1.5) if best),
                1,
                10,
                100,
                400 / k,
            }
        )
        expected = float(1000 / (tau * mpmath.quad(integrand, cuts)))
    assert theory.shot_noise_rate(rate, a, tau, theta, v_r) == pytest.approx(expected, rel=1e-10)


OTHER = ORACLE["H_other"]


@rows("", of=OTHER["perfect_integrator"])
def test_perfect_integrator(row):
    ours = theory.perfect_integrator(*number(row, "mu", "D", "th"))
    assert [ours.mean, ours.variance, ours.cv] == pytest.approx(number(row, "mean", "var", "cv"), rel=1e-12)


@rows("", of=OTHER["if_poisson_counter"])
def test_poisson_counter(row):
    ours = theory.poisson_counter(row["k"], 1e3 * float(row["r_per_ms"]))
    assert [ours.mean, ours.cv] == pytest.approx(number(row, "mean", "cv"), rel=1e-12)


@rows("", of=OTHER["poisson_dead_time"])
def test_poisson_dead_time(row):
    ours = theory.poisson_dead_time(1e3 * float(row["lam"]), float(row["d"]))
    assert [ours.rate / 1e3, ours.cv] == pytest.approx(number(row, "rate", "cv"), rel=1e-12)


@rows("", of=OTHER["OU"])
def test_ou_variance(row):
    sigma, tau, dt = number(row, "sigma", "tau", "dt")
    assert theory.ou_variance(sigma, tau) == pytest.approx(float(row["var_exact"]), rel=1e-14)
    assert theory.ou_variance(sigma, tau, dt) == pytest.approx(float(row["var_euler"]), rel=1e-14)


@rows("", of=OTHER["campbell"])
def test_campbell(row):
    rate = 1e3 * float(row["r_per_ms"])
    if row["kind"] == "delta":
        ours = theory.campbell(rate, "delta", float(row["w_mV"]), float(row["tau_m"]))
        assert np.isnan(ours.covariance)
    else:
        ours = theory.campbell(rate, row["kind"], *number(row, "w", "tau_m", "C", "tau_syn"))
        assert ours.covariance == pytest.approx(float(row["cov_v_I"]), rel=1e-12)
    assert [ours.mean, ours.variance] == pytest.approx(number(row, "mean", "var"), rel=1e-12)


@pytest.mark.parametrize(("kind", "tau_s"), [("exp", 3.0), ("alpha", 3.0), ("alpha", 10.0), ("beta", (1.0, 6.0))])
def test_campbell_is_the_integral_of_the_psp(kind, tau_s):
    x, w = np.polynomial.legendre.leggauss(200)
    t = 200 * (x + 1)
    v = theory.psp(t, kind, 0.3, 10, 0.5, tau_s)
    ours = theory.campbell(800, kind, 0.3, 10, 0.5, tau_s)
    assert ours.mean == pytest.approx(0.8 * 200 * float(w @ v), rel=1e-11)
    assert ours.variance == pytest.approx(0.8 * 200 * float(w @ v**2), rel=1e-11)


def test_escape_at_fixed_potential():
    row = ORACLE["H_escape"]["rows"][0]
    rho0, theta, delta_u, u = number(row, "rho0", "theta", "Delta", "u")
    hazard = theory.escape_hazard(u, 1 / rho0, theta, delta_u)
    assert hazard == pytest.approx(float(row["hazard"]), rel=1e-13)
    assert -np.expm1(-hazard * 0.1) == pytest.approx(float(row["p_dt_0p1"]), rel=1e-12)
    ours = theory.escape_isi(u, 10.0, 1 / rho0, theta, delta_u, v_r=u)
    assert [ours.mean, ours.cv] == pytest.approx([float(row["mean_isi"]), 1.0], rel=1e-10)
    median = float(row["median_isi"])
    assert theory.escape_survivor(median, u, 10.0, 1 / rho0, theta, delta_u, v_r=u) == pytest.approx(0.5, rel=1e-12)


def test_escape_of_the_lif():
    row = ORACLE["H_escape"]["rows"][1]
    u_inf, tau, rho0, theta, delta_u = number(row, "u_inf", "tau", "rho0", "theta", "Delta")
    ours = theory.escape_isi(u_inf, tau, 1 / rho0, theta, delta_u)
    assert [ours.mean, ours.cv] == pytest.approx(number(row, "mean_isi", "cv"), rel=1e-8)
    late = theory.escape_isi(u_inf, tau, 1 / rho0, theta, delta_u, t_ref=4)
    assert late.mean == pytest.approx(ours.mean + 4)
    assert late.variance == pytest.approx(ours.variance)


@pytest.mark.parametrize("v_r", [-2.0, 1.1999999, 1.2, 3.0])
@pytest.mark.parametrize("v_inf", [-1.0, 1.2])
def test_escape_survivor_is_its_defining_integral(v_inf, v_r):
    t = np.array([1e-3, 0.5, 4.0, 30.0, 3000.0, 30000.0])
    hazard = lambda s: mpmath.exp((v_inf + (v_r - v_inf) * mpmath.exp(-s / 10) - 1) / 0.2) / 50  # noqa: E731
    for end in t:
        cuts = [0, *(c for c in (0.5, 2, 5, 10, 20, 50, 100, 300) if c < end), end]
        expected = float(mpmath.exp(-mpmath.quad(hazard, cuts)))
        ours = theory.escape_survivor(end, v_inf, 10, tau_0=50, theta=1, delta_u=0.2, v_r=v_r)
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_escape_far_above_threshold_follows_the_first_hazard():
    v_r = 3.0  # the hazard there is exp(25) per ms: the spike comes before v has moved
    ours = theory.escape_isi(-1.1, 18.0, tau_0=1, theta=1, delta_u=0.08, v_r=v_r)
    assert ours.mean == pytest.approx(float(np.exp(-(v_r - 1) / 0.08)), rel=1e-9)
    assert ours.cv == pytest.approx(1, rel=1e-8)


# ---- wrong arguments


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.lif_rate(0.3, -20, 100, -70, -50, -70), r"tau = -20 must be positive"),
        (lambda: theory.lif_rate(0.3, 20, 100, -70, -50, -40), r"theta = -50 must be above v_r = -40"),
        (lambda: theory.siegert(1, -1, 20, 15, 0), r"sigma = -1 must be zero or positive"),
        (lambda: theory.siegert(np.nan, 1, 20, 15, 0), r"mu = nan must be finite"),
        (lambda: theory.psp(1, "gamma", 1, 10), r"kind = 'gamma' is not known; use 'delta'"),
        (
            lambda: theory.psp(1, "beta", 1, 10, tau_s=3),
            r"tau_s = 3 does not fit kind = 'beta'; give tau_s=\(rise",
        ),
        (lambda: theory.ou_variance(1, 3, dt=6), r"dt = 6 ms must be below 2 tau"),
        (lambda: theory.adex_rheobase(1, 0.03, -70, -50, 2, -0.03, 100), r"a = -0.03 uS must be above -g_L"),
        (lambda: theory.shot_noise_rate(1000, 1, 20, -1, -5), r"theta = -1 must be positive"),
        (lambda: theory.poisson_counter(0, 10), r"k = 0 must be a whole number"),
        (lambda: theory.kramers_rate(20, 1, 10, 15), r"theta = 15 must be above mu = 20"),
    ],
)
def test_a_wrong_argument_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
